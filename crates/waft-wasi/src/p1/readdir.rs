//! Listing a directory.

use super::fail::Outcome;
use super::memory::{Record, check, slice_mut, store};
use super::rights::Rights;
use super::types;
use crate::WasiCtx;
use crate::host::fs::Entry;

/// What stands before each name.
const DIRENT_BYTES: usize = 24;

/// Fills the buffer with entries. It is filled to the end, and the last entry cut off, if there are more.
pub(crate) fn fd_readdir(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    buf: u32,
    buf_len: u32,
    cookie: u64,
    bufused: u32,
) -> Outcome {
    check::<u32>(mem, bufused)?;
    let fd = cx.fds.get(fd)?;
    let dir = fd.descriptor.dir()?;
    fd.require(Rights::FD_READDIR)?;
    let mut room = slice_mut(mem, buf, buf_len)?;
    dir.entries(cookie, |entry| {
        let head = dirent(&entry);
        put(&mut room, head.bytes()) && put(&mut room, entry.name) && !room.is_empty()
    })?;
    let left = room.len() as u32;
    store(mem, bufused, buf_len - left)
}

fn dirent(entry: &Entry<'_>) -> Record<DIRENT_BYTES> {
    Record::new()
        .u64(0, entry.next)
        .u64(8, entry.inode)
        // A name has at most 255 bytes.
        .u32(16, entry.name.len() as u32)
        .u8(20, types::filetype(entry.kind))
}

/// Moves as much of `bytes` into `room` as fits, and says whether all did.
fn put(room: &mut &mut [u8], bytes: &[u8]) -> bool {
    let len = bytes.len().min(room.len());
    let (head, tail) = std::mem::take(room).split_at_mut(len);
    head.copy_from_slice(&bytes[..len]);
    *room = tail;
    len == bytes.len()
}
