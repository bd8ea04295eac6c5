//! What a descriptor is: its type, flags, rights, attributes, and the name it was granted under.

use super::errno::Errno;
use super::fail::Outcome;
use super::memory::{Record, range, slice_mut};
use super::rights::Rights;
use super::types::{self, Filestat, fdflags, filetype};
use crate::WasiCtx;
use crate::host::Descriptor;
use crate::host::Socket;

pub(crate) fn fd_fdstat_get(cx: &mut WasiCtx, mem: &mut [u8], fd: u32, stat: u32) -> Outcome {
    let fd = cx.fds.get(fd)?;
    let (base, inheriting) = fd.reported();
    Record::<24>::new()
        .u8(0, filetype_of(&fd.descriptor))
        .u16(2, fd.flags)
        .u64(8, base.bits())
        .u64(16, inheriting.bits())
        .store(mem, stat)
}

pub(crate) fn fd_fdstat_set_flags(cx: &mut WasiCtx, fd: u32, flags: u32) -> Outcome {
    let flags = types::flags(flags, fdflags::ALL)?;
    let fd = cx.fds.get_mut(fd)?;
    fd.require(Rights::FD_FDSTAT_SET_FLAGS)?;
    // How a file is synced is settled when it is opened, here as on Linux.
    if (flags ^ fd.flags) & !(fdflags::APPEND | fdflags::NONBLOCK) != 0 {
        return Err(Errno::Inval.into());
    }
    let (append, nonblocking) = (flags & fdflags::APPEND != 0, flags & fdflags::NONBLOCK != 0);
    match &fd.descriptor {
        Descriptor::File(file) => file.set_flags(append, nonblocking)?,
        Descriptor::Socket(socket) => socket.set_nonblocking(nonblocking)?,
        // Never passed on: the host's standard streams are shared with other processes. See `Descriptor::try_read`.
        Descriptor::Input(_) | Descriptor::Output(_) | Descriptor::Dir(_) => {}
    }
    fd.flags = flags;
    Ok(())
}

pub(crate) fn fd_fdstat_set_rights(cx: &mut WasiCtx, fd: u32, base: u64, inheriting: u64) -> Outcome {
    let fd = cx.fds.get_mut(fd)?;
    let (base, inheriting) = (Rights::from_bits(base), Rights::from_bits(inheriting));
    if !fd.base.contains(base) || !fd.inheriting.contains(inheriting) {
        return Err(Errno::Notcapable.into());
    }
    // What was never reported cannot be meant to be given up.
    let (reported, reported_inheriting) = fd.reported();
    fd.base = base | fd.base.without(reported);
    fd.inheriting = inheriting | fd.inheriting.without(reported_inheriting);
    Ok(())
}

pub(crate) fn fd_filestat_get(cx: &mut WasiCtx, mem: &mut [u8], fd: u32, stat: u32) -> Outcome {
    range(mem, stat, 64)?;
    filestat(cx, fd)?.record().store(mem, stat)
}

pub(super) fn filestat(cx: &WasiCtx, fd: u32) -> Outcome<Filestat> {
    let fd = cx.fds.get(fd)?;
    fd.require(Rights::FD_FILESTAT_GET)?;
    Ok(match &fd.descriptor {
        Descriptor::File(file) => file.stat()?.into(),
        Descriptor::Dir(dir) => dir.stat()?.into(),
        // The attributes of the host's own streams are none of the guest's business.
        other => Filestat::bare(filetype_of(other)),
    })
}

pub(crate) fn fd_filestat_set_size(cx: &mut WasiCtx, fd: u32, size: u64) -> Outcome {
    let fd = cx.fds.get(fd)?;
    let file = fd.descriptor.file()?;
    match fd.require(Rights::FD_FILESTAT_SET_SIZE) {
        Ok(()) => Ok(file.set_size(size)?),
        // A file that was not opened for writing says what POSIX says; its guest never had a right to drop.
        Err(_) if !file.is_writable() => Err(Errno::Inval.into()),
        Err(errno) => Err(errno.into()),
    }
}

pub(crate) fn fd_filestat_set_times(
    cx: &mut WasiCtx,
    fd: u32,
    accessed: u64,
    modified: u64,
    fstflags: u32,
) -> Outcome {
    let changes = types::time_changes(accessed, modified, fstflags)?;
    let fd = cx.fds.get(fd)?;
    match &fd.descriptor {
        Descriptor::Dir(dir) => {
            fd.require(Rights::FD_FILESTAT_SET_TIMES)?;
            Ok(dir.set_times(changes)?)
        }
        other => {
            let file = other.file()?;
            fd.require(Rights::FD_FILESTAT_SET_TIMES)?;
            Ok(file.set_times(changes)?)
        }
    }
}

pub(crate) fn fd_prestat_get(cx: &mut WasiCtx, mem: &mut [u8], fd: u32, prestat: u32) -> Outcome {
    // Libraries take the first number that is `BADF` for the end of the granted directories.
    let name = cx.fds.get(fd)?.preopen.as_deref().ok_or(Errno::Badf)?;
    // The tag 0 says that it is a directory, the only kind there is.
    Record::<8>::new().u8(0, 0).u32(4, name.len() as u32).store(mem, prestat)
}

pub(crate) fn fd_prestat_dir_name(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    fd: u32,
    path: u32,
    path_len: u32,
) -> Outcome {
    let name = cx.fds.get(fd)?.preopen.as_deref().ok_or(Errno::Notdir)?;
    match u32::try_from(name.len()) {
        Ok(len) if len <= path_len => {
            slice_mut(mem, path, len)?.copy_from_slice(name.as_bytes());
            Ok(())
        }
        _ => Err(Errno::Nametoolong.into()),
    }
}

fn filetype_of(descriptor: &Descriptor) -> u8 {
    match descriptor {
        Descriptor::File(file) => types::filetype(file.kind()),
        Descriptor::Dir(_) => filetype::DIRECTORY,
        Descriptor::Input(input) if input.is_terminal() => filetype::CHARACTER_DEVICE,
        Descriptor::Output(output) if output.is_terminal() => filetype::CHARACTER_DEVICE,
        Descriptor::Input(_) | Descriptor::Output(_) => filetype::UNKNOWN,
        Descriptor::Socket(socket) => socket_type(socket),
    }
}

fn socket_type(socket: &Socket) -> u8 {
    if socket.is_datagram() { filetype::SOCKET_DGRAM } else { filetype::SOCKET_STREAM }
}
