//! Reading, writing and moving about in what is open; closing and renumbering it.

use super::errno::Errno;
use super::fail::Outcome;
use super::iovec::{with_source, with_target};
use super::memory::{check, store};
use super::rights::Rights;
use super::table::Fd;
use super::types::{self, fdflags};
use crate::WasiCtx;
use crate::host::fs::{Dir, File, SeekFrom};
use crate::host::{Descriptor, HostResult};

// PERF: inlined into the host function, as is all that it calls. Kernels that guard against speculation leave the processor
// without a forecast for returns, so that every frame that is on the stack during a system call costs some 20 cycles on the
// way back. A `fd_write` of one buffer went from 50 to 39 ns above the bare system call (137 ns) by it.
#[inline]
pub(crate) fn fd_read(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nread: u32,
) -> Outcome {
    check::<u32>(mem, nread)?;
    let fd = cx.fds.get(fd)?;
    fd.require(Rights::FD_READ)?;
    let bytes = with_target(mem, iovs, iovs_len, |bufs| {
        Ok(if fd.flags & fdflags::NONBLOCK == 0 {
            fd.descriptor.read(bufs)
        } else {
            fd.descriptor.try_read(bufs)
        }?)
    })?;
    // No call of the kernel moves more than fits an `i32`.
    store(mem, nread, bytes as u32)
}

// PERF: as for `fd_read`.
#[inline]
pub(crate) fn fd_write(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nwritten: u32,
) -> Outcome {
    check::<u32>(mem, nwritten)?;
    let fd = cx.fds.get(fd)?;
    fd.require(Rights::FD_WRITE)?;
    let bytes = with_source(mem, iovs, iovs_len, |bufs| {
        Ok(if fd.flags & fdflags::NONBLOCK == 0 {
            fd.descriptor.write(bufs)
        } else {
            fd.descriptor.try_write(bufs)
        }?)
    })?;
    store(mem, nwritten, bytes as u32)
}

pub(crate) fn fd_pread(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nread: u32,
) -> Outcome {
    check::<u32>(mem, nread)?;
    let fd = cx.fds.get(fd)?;
    let file = fd.descriptor.seekable()?;
    fd.require(Rights::FD_READ)?;
    fd.require(Rights::FD_SEEK)?;
    let bytes = with_target(mem, iovs, iovs_len, |bufs| Ok(file.read_at(bufs, offset)?))?;
    store(mem, nread, bytes as u32)
}

pub(crate) fn fd_pwrite(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nwritten: u32,
) -> Outcome {
    check::<u32>(mem, nwritten)?;
    let fd = cx.fds.get(fd)?;
    let file = fd.descriptor.seekable()?;
    fd.require(Rights::FD_WRITE)?;
    fd.require(Rights::FD_SEEK)?;
    let bytes = with_source(mem, iovs, iovs_len, |bufs| Ok(file.write_at(bufs, offset)?))?;
    store(mem, nwritten, bytes as u32)
}

pub(crate) fn fd_seek(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    offset: i64,
    whence: u32,
    position: u32,
) -> Outcome {
    let to = match whence {
        0 => seek_from_start(offset)?,
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::Inval.into()),
    };
    seek(cx, mem, fd, to, position)
}

pub(super) fn seek_from_start(offset: i64) -> Outcome<SeekFrom> {
    Ok(SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?))
}

pub(super) fn seek(cx: &mut WasiCtx, mem: &mut [u8], fd: u32, to: SeekFrom, position: u32) -> Outcome {
    check::<u64>(mem, position)?;
    let fd = cx.fds.get(fd)?;
    let file = fd.descriptor.seekable()?;
    // Who may only tell may still seek to where it is.
    let tells = matches!(to, SeekFrom::Current(0)) && fd.base.contains(Rights::FD_TELL);
    if !tells {
        fd.require(Rights::FD_SEEK)?;
    }
    store(mem, position, file.seek(to)?)
}

pub(crate) fn fd_tell(cx: &mut WasiCtx, mem: &mut [u8], fd: u32, position: u32) -> Outcome {
    check::<u64>(mem, position)?;
    let fd = cx.fds.get(fd)?;
    let file = fd.descriptor.seekable()?;
    // The right to seek includes the right to tell.
    if !fd.base.contains(Rights::FD_SEEK) {
        fd.require(Rights::FD_TELL)?;
    }
    store(mem, position, file.tell()?)
}

pub(crate) fn fd_advise(cx: &mut WasiCtx, fd: u32, offset: u64, len: u64, advice: u32) -> Outcome {
    let advice = types::advice(advice)?;
    let fd = cx.fds.get(fd)?;
    let file = fd.descriptor.file()?;
    fd.require(Rights::FD_ADVISE)?;
    Ok(file.advise(offset, len, advice)?)
}

pub(crate) fn fd_allocate(cx: &mut WasiCtx, fd: u32, offset: u64, len: u64) -> Outcome {
    let fd = cx.fds.get(fd)?;
    let file = fd.descriptor.file()?;
    match fd.require(Rights::FD_ALLOCATE) {
        Ok(()) => Ok(file.allocate(offset, len)?),
        // As for its size: a file that was not opened for writing says what POSIX says.
        Err(_) if !file.is_writable() => Err(Errno::Badf.into()),
        Err(errno) => Err(errno.into()),
    }
}

pub(crate) fn fd_datasync(cx: &mut WasiCtx, fd: u32) -> Outcome {
    let fd = cx.fds.get(fd)?;
    // The right to the greater sync includes the right to the lesser one.
    let rights = if fd.base.contains(Rights::FD_SYNC) { Rights::FD_SYNC } else { Rights::FD_DATASYNC };
    sync(fd, rights, Dir::sync_data, File::sync_data)
}

pub(crate) fn fd_sync(cx: &mut WasiCtx, fd: u32) -> Outcome {
    sync(cx.fds.get(fd)?, Rights::FD_SYNC, Dir::sync, File::sync)
}

fn sync(
    fd: &Fd,
    rights: Rights,
    dir: fn(&Dir) -> HostResult<()>,
    file: fn(&File) -> HostResult<()>,
) -> Outcome {
    match &fd.descriptor {
        Descriptor::Dir(it) => {
            fd.require(rights)?;
            Ok(dir(it)?)
        }
        other => {
            let it = other.file()?;
            fd.require(rights)?;
            Ok(file(it)?)
        }
    }
}

pub(crate) fn fd_close(cx: &mut WasiCtx, fd: u32) -> Outcome {
    cx.fds.remove(fd)?;
    Ok(())
}

pub(crate) fn fd_renumber(cx: &mut WasiCtx, from: u32, to: u32) -> Outcome {
    Ok(cx.fds.renumber(from, to)?)
}
