//! What is done to names in directories.

use super::errno::Errno;
use super::fail::Outcome;
use super::memory::{check, range, slice_mut, store, string};
use super::rights::Rights;
use super::table::Fd;
use super::types::{self, Filestat, fdflags, follow, oflags};
use crate::WasiCtx;
use crate::host::Descriptor;
use crate::host::fs::{self, Dir, OpenOptions};

/// The directory `fd`, for someone who needs `rights` to it.
fn dir(cx: &WasiCtx, fd: u32, rights: Rights) -> Outcome<&Dir> {
    let fd = cx.fds.get(fd)?;
    let dir = fd.descriptor.dir()?;
    fd.require(rights)?;
    Ok(dir)
}

pub(crate) fn path_create_directory(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let dir = dir(cx, fd, Rights::PATH_CREATE_DIRECTORY)?;
    Ok(dir.create_directory_at(string(mem, path, path_len)?)?)
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
    range(mem, stat, 64)?;
    filestat(cx, mem, fd, lookupflags, path, path_len)?.record().store(mem, stat)
}

pub(super) fn filestat(
    cx: &WasiCtx,
    mem: &[u8],
    fd: u32,
    lookupflags: u32,
    path: u32,
    path_len: u32,
) -> Outcome<Filestat> {
    let follow = follow(lookupflags)?;
    let dir = dir(cx, fd, Rights::PATH_FILESTAT_GET)?;
    Ok(dir.stat_at(string(mem, path, path_len)?, follow)?.into())
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_filestat_set_times(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    lookupflags: u32,
    path: u32,
    path_len: u32,
    accessed: u64,
    modified: u64,
    fstflags: u32,
) -> Outcome {
    let follow = follow(lookupflags)?;
    let changes = types::time_changes(accessed, modified, fstflags)?;
    let dir = dir(cx, fd, Rights::PATH_FILESTAT_SET_TIMES)?;
    Ok(dir.set_times_at(string(mem, path, path_len)?, follow, changes)?)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_link(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    old_fd: u32,
    old_lookupflags: u32,
    old_path: u32,
    old_path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Outcome {
    if follow(old_lookupflags)? {
        return Err(Errno::Inval.into());
    }
    let old = dir(cx, old_fd, Rights::PATH_LINK_SOURCE)?;
    let new = dir(cx, new_fd, Rights::PATH_LINK_TARGET)?;
    Ok(fs::link(old, string(mem, old_path, old_path_len)?, new, string(mem, new_path, new_path_len)?)?)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_open(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    dirflags: u32,
    path: u32,
    path_len: u32,
    oflags: u32,
    base: u64,
    inheriting: u64,
    fdflags: u32,
    opened: u32,
) -> Outcome {
    check::<u32>(mem, opened)?;
    let follow = follow(dirflags)?;
    let oflags = types::flags(oflags, oflags::ALL)?;
    let fdflags = types::flags(fdflags, fdflags::ALL)?;
    // Before a file is created that nobody could then close.
    if cx.fds.is_full() {
        return Err(Errno::Mfile.into());
    }
    let from = cx.fds.get(fd)?;
    let dir = from.descriptor.dir()?;
    let base = allowed_to_open(from, oflags, fdflags, Rights::from_bits(base))?;
    let options = OpenOptions {
        read: base.contains(Rights::FD_READ),
        write: base.contains(Rights::FD_WRITE),
        create: oflags & oflags::CREAT != 0,
        exclusive: oflags & oflags::EXCL != 0,
        truncate: oflags & oflags::TRUNC != 0,
        directory: oflags & oflags::DIRECTORY != 0,
        append: fdflags & fdflags::APPEND != 0,
        nonblocking: fdflags & fdflags::NONBLOCK != 0,
        sync_data: fdflags & fdflags::DSYNC != 0,
        sync: fdflags & fdflags::SYNC != 0,
        sync_reads: fdflags & fdflags::RSYNC != 0,
        follow,
    };
    let descriptor = dir.open_at(string(mem, path, path_len)?, &options)?;
    let inheriting = from.inheriting.both(Rights::from_bits(inheriting));
    let (base, inheriting) = match descriptor {
        Descriptor::Dir(_) => (base.both(Rights::DIR), inheriting),
        _ => (base.both(Rights::FILE), inheriting.both(Rights::FILE)),
    };
    let number = cx.fds.push(Fd { descriptor, base, inheriting, flags: fdflags, preopen: None })?;
    store(mem, opened, number)
}

/// The rights that the new descriptor gets out of those that were asked for.
///
/// What `from` has not to pass on is left out without a word, because libraries ask for all they know of; but who asks to
/// read or write gets that or an error, not a descriptor that cannot.
fn allowed_to_open(from: &Fd, oflags: u16, fdflags: u16, asked: Rights) -> Outcome<Rights> {
    from.require(Rights::PATH_OPEN)?;
    if oflags & oflags::CREAT != 0 {
        from.require(Rights::PATH_CREATE_FILE)?;
    }
    if oflags & oflags::TRUNC != 0 {
        from.require(Rights::PATH_FILESTAT_SET_SIZE)?;
    }
    let synced = fdflags & (fdflags::DSYNC | fdflags::RSYNC | fdflags::SYNC) != 0;
    if synced && !from.base.and(from.inheriting).intersects(Rights::FD_SYNC | Rights::FD_DATASYNC) {
        return Err(Errno::Notcapable.into());
    }
    let given = from.inheriting.both(asked);
    if asked.without(given).intersects(Rights::FD_READ | Rights::FD_WRITE) {
        return Err(Errno::Notcapable.into());
    }
    Ok(given)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_readlink(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    path: u32,
    path_len: u32,
    buf: u32,
    buf_len: u32,
    bufused: u32,
) -> Outcome {
    check::<u32>(mem, bufused)?;
    let dir = dir(cx, fd, Rights::PATH_READLINK)?;
    let text = dir.readlink_at(string(mem, path, path_len)?)?;
    // A text that does not fit is cut off, as by POSIX.
    let len = text.len().min(buf_len as usize);
    slice_mut(mem, buf, len as u32)?.copy_from_slice(&text[..len]);
    store(mem, bufused, len as u32)
}

pub(crate) fn path_remove_directory(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let dir = dir(cx, fd, Rights::PATH_REMOVE_DIRECTORY)?;
    Ok(dir.remove_directory_at(string(mem, path, path_len)?)?)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_rename(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    old_fd: u32,
    old_path: u32,
    old_path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Outcome {
    let old = dir(cx, old_fd, Rights::PATH_RENAME_SOURCE)?;
    let new = dir(cx, new_fd, Rights::PATH_RENAME_TARGET)?;
    Ok(fs::rename(old, string(mem, old_path, old_path_len)?, new, string(mem, new_path, new_path_len)?)?)
}

#[allow(clippy::too_many_arguments, reason = "the specification's")]
pub(crate) fn path_symlink(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    text: u32,
    text_len: u32,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let dir = dir(cx, fd, Rights::PATH_SYMLINK)?;
    Ok(dir.symlink_at(string(mem, text, text_len)?, string(mem, path, path_len)?)?)
}

pub(crate) fn path_unlink_file(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let dir = dir(cx, fd, Rights::PATH_UNLINK_FILE)?;
    Ok(dir.unlink_file_at(string(mem, path, path_len)?)?)
}
