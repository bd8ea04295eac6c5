//! What is different in `wasi_unstable`, the version before: the order of `whence`, the number of links in `filestat`, and a
//! field in clock subscriptions that was never used.

use super::errno::Errno;
use super::fail::Outcome;
use super::fd;
use super::memory::range;
use super::poll::{self, Layout};
use super::{path, stat};
use crate::WasiCtx;
use crate::host::fs::SeekFrom;

pub(crate) fn fd_seek(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    offset: i64,
    whence: u32,
    position: u32,
) -> Outcome {
    let to = match whence {
        0 => SeekFrom::Current(offset),
        1 => SeekFrom::End(offset),
        2 => fd::seek_from_start(offset)?,
        _ => return Err(Errno::Inval.into()),
    };
    fd::seek(cx, mem, fd, to, position)
}

pub(crate) fn fd_filestat_get(cx: &mut WasiCtx, mem: &mut [u8], fd: u32, stat: u32) -> Outcome {
    range(mem, stat, 56)?;
    stat::filestat(cx, fd)?.unstable_record().store(mem, stat)
}

pub(crate) fn path_filestat_get(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    lookupflags: u32,
    path: u32,
    path_len: u32,
    stat: u32,
) -> Outcome {
    range(mem, stat, 56)?;
    path::filestat(cx, mem, fd, lookupflags, path, path_len)?.unstable_record().store(mem, stat)
}

pub(crate) fn poll_oneoff(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    subscriptions: u32,
    events: u32,
    count: u32,
    nevents: u32,
) -> Outcome {
    poll::poll(cx, mem, &Layout::UNSTABLE, subscriptions, events, count, nevents)
}
