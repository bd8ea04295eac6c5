//! Everything that a guest's descriptor can stand for.

use super::error::{ErrorCode, HostResult};
use super::fs::{Dir, File};
use super::socket::Socket;
use super::stdio::{Input, Output};
use rustix::fd::BorrowedFd;
use std::io::{IoSlice, IoSliceMut};

/// One open thing.
#[derive(Debug)]
pub(crate) enum Descriptor {
    File(File),
    Dir(Dir),
    Input(Input),
    Output(Output),
    Socket(Socket),
}

impl Descriptor {
    #[inline]
    pub(crate) fn read(&self, bufs: &mut [IoSliceMut<'_>]) -> HostResult<usize> {
        match self {
            Self::File(file) => file.read(bufs),
            Self::Input(input) => input.read(bufs),
            Self::Socket(socket) => Ok(socket.receive(bufs, false, false)?.bytes),
            Self::Dir(_) | Self::Output(_) => Err(ErrorCode::BadDescriptor),
        }
    }

    #[inline]
    pub(crate) fn write(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        match self {
            Self::File(file) => file.write(bufs),
            Self::Output(output) => output.write(bufs),
            Self::Socket(socket) => socket.send(bufs),
            Self::Dir(_) | Self::Input(_) => Err(ErrorCode::BadDescriptor),
        }
    }

    /// Like [`Self::read`], but a standard stream gives [`ErrorCode::WouldBlock`] rather than wait.
    ///
    /// The others wait or not as the kernel was told. A standard stream is not ours to tell: the flag would change it
    /// for every process that has the same terminal.
    pub(crate) fn try_read(&self, bufs: &mut [IoSliceMut<'_>]) -> HostResult<usize> {
        match self {
            Self::Input(input) => input.try_read(bufs),
            other => other.read(bufs),
        }
    }

    /// Like [`Self::write`], but a standard stream gives [`ErrorCode::WouldBlock`] rather than wait.
    pub(crate) fn try_write(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        match self {
            Self::Output(output) => output.try_write(bufs),
            other => other.write(bufs),
        }
    }

    /// The file, if it is one; otherwise why something that needs a position fails.
    pub(crate) fn seekable(&self) -> HostResult<&File> {
        match self {
            Self::File(file) => Ok(file),
            Self::Input(_) | Self::Output(_) | Self::Socket(_) => Err(ErrorCode::InvalidSeek),
            Self::Dir(_) => Err(ErrorCode::BadDescriptor),
        }
    }

    pub(crate) fn file(&self) -> HostResult<&File> {
        match self {
            Self::File(file) => Ok(file),
            _ => Err(ErrorCode::BadDescriptor),
        }
    }

    pub(crate) fn dir(&self) -> HostResult<&Dir> {
        match self {
            Self::Dir(dir) => Ok(dir),
            Self::File(_) => Err(ErrorCode::NotDirectory),
            Self::Input(_) | Self::Output(_) | Self::Socket(_) => Err(ErrorCode::BadDescriptor),
        }
    }

    pub(crate) fn socket(&self) -> HostResult<&Socket> {
        match self {
            Self::Socket(socket) => Ok(socket),
            _ => Err(ErrorCode::NotSocket),
        }
    }

    /// What the kernel can wait on: `Ok(None)` if it is always ready, an error if waiting makes no sense.
    pub(crate) fn pollable(&self) -> HostResult<Option<BorrowedFd<'_>>> {
        match self {
            Self::File(file) => Ok(Some(file.as_fd())),
            Self::Input(input) => Ok(input.fd()),
            Self::Output(output) => Ok(output.fd()),
            Self::Socket(socket) => Ok(Some(socket.as_fd())),
            Self::Dir(_) => Err(ErrorCode::BadDescriptor),
        }
    }

    /// Bytes that a read would give without waiting, as far as that is known.
    pub(crate) fn bytes_ready(&self) -> u64 {
        match self {
            Self::File(file) => file.bytes_ready(),
            Self::Input(input) => input.bytes_ready(),
            // A listening socket cannot tell; 1 says no more than that there is something.
            Self::Socket(socket) => rustix::io::ioctl_fionread(socket.as_fd()).unwrap_or(1),
            Self::Dir(_) | Self::Output(_) => 0,
        }
    }
}
