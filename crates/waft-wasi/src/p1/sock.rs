//! Sockets that the guest was given.

use super::errno::Errno;
use super::fail::Outcome;
use super::iovec::{with_source, with_target};
use super::memory::{check, store};
use super::rights::Rights;
use super::table::Fd;
use super::types::{self, fdflags};
use crate::WasiCtx;
use crate::host::{Descriptor, Socket};

fn socket(cx: &WasiCtx, fd: u32, rights: Rights) -> Outcome<&Socket> {
    let fd = cx.fds.get(fd)?;
    let socket = fd.descriptor.socket()?;
    fd.require(rights)?;
    Ok(socket)
}

pub(crate) fn sock_accept(cx: &mut WasiCtx, mem: &mut [u8], fd: u32, flags: u32, accepted: u32) -> Outcome {
    check::<u32>(mem, accepted)?;
    let flags = types::flags(flags, fdflags::NONBLOCK)?;
    // Before a connection is taken that would have to be dropped.
    if cx.fds.is_full() {
        return Err(Errno::Mfile.into());
    }
    let connection = socket(cx, fd, Rights::SOCK_ACCEPT)?.accept(flags != 0)?;
    let inheriting = cx.fds.get(fd)?.inheriting;
    let descriptor = Descriptor::Socket(connection);
    let number = cx.fds.push(Fd { descriptor, base: inheriting, inheriting, flags, preopen: None })?;
    store(mem, accepted, number)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn sock_recv(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    riflags: u32,
    nread: u32,
    roflags: u32,
) -> Outcome {
    check::<u32>(mem, nread)?;
    check::<u16>(mem, roflags)?;
    let riflags = types::flags(riflags, 0b11)?;
    let socket = socket(cx, fd, Rights::FD_READ)?;
    let (peek, wait_all) = (riflags & 1 != 0, riflags & 2 != 0);
    let got = with_target(mem, iovs, iovs_len, |bufs| Ok(socket.receive(bufs, peek, wait_all)?))?;
    store(mem, nread, got.bytes as u32)?;
    store(mem, roflags, u16::from(got.truncated))
}

pub(crate) fn sock_send(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    siflags: u32,
    nwritten: u32,
) -> Outcome {
    check::<u32>(mem, nwritten)?;
    types::flags(siflags, 0)?;
    let socket = socket(cx, fd, Rights::FD_WRITE)?;
    let bytes = with_source(mem, iovs, iovs_len, |bufs| Ok(socket.send(bufs)?))?;
    store(mem, nwritten, bytes as u32)
}

pub(crate) fn sock_shutdown(cx: &mut WasiCtx, fd: u32, how: u32) -> Outcome {
    let how = types::flags(how, 0b11)?;
    let socket = socket(cx, fd, Rights::SOCK_SHUTDOWN)?;
    Ok(socket.shutdown(how & 1 != 0, how & 2 != 0)?)
}
