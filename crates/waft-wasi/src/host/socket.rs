//! Sockets that the embedder handed over. A guest of WASI 0.1 can accept on them and use them, not make new ones.

use super::error::{ErrorCode, HostResult};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags,
    SocketType,
};
use std::io::{IoSlice, IoSliceMut};

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    datagram: bool,
}

/// What a receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) bytes: usize,
    /// The rest of a datagram did not fit, and is lost.
    pub(crate) truncated: bool,
}

impl Socket {
    /// Takes a socket over, or says [`ErrorCode::NotSocket`].
    pub(crate) fn new(fd: OwnedFd) -> HostResult<Self> {
        let kind = rustix::net::sockopt::socket_type(&fd)?;
        Ok(Self { fd, datagram: kind == SocketType::DGRAM })
    }

    pub(crate) fn is_datagram(&self) -> bool {
        self.datagram
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes the next connection.
    pub(crate) fn accept(&self, nonblocking: bool) -> HostResult<Self> {
        let mut flags = SocketFlags::CLOEXEC;
        flags.set(SocketFlags::NONBLOCK, nonblocking);
        let fd = rustix::net::accept_with(&self.fd, flags)?;
        Ok(Self { fd, datagram: self.datagram })
    }

    pub(crate) fn receive(
        &self,
        bufs: &mut [IoSliceMut<'_>],
        peek: bool,
        wait_all: bool,
    ) -> HostResult<Received> {
        let mut flags = RecvFlags::empty();
        flags.set(RecvFlags::PEEK, peek);
        flags.set(RecvFlags::WAITALL, wait_all);
        let got = rustix::net::recvmsg(&self.fd, bufs, &mut RecvAncillaryBuffer::default(), flags)?;
        Ok(Received { bytes: got.bytes, truncated: got.flags.contains(ReturnFlags::TRUNC) })
    }

    pub(crate) fn send(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        // A peer that went away is an error for the guest, not a signal for the host.
        Ok(rustix::net::sendmsg(&self.fd, bufs, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)?)
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> HostResult<()> {
        Ok(rustix::io::ioctl_fionbio(&self.fd, nonblocking)?)
    }

    pub(crate) fn shutdown(&self, read: bool, write: bool) -> HostResult<()> {
        let how = match (read, write) {
            (true, true) => Shutdown::Both,
            (true, false) => Shutdown::Read,
            (false, true) => Shutdown::Write,
            (false, false) => return Err(ErrorCode::Invalid),
        };
        Ok(rustix::net::shutdown(&self.fd, how)?)
    }
}
