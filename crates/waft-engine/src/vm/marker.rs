//! A mapping that is there to be seen from outside.

use super::mmap::page_bytes;
use rustix::mm::{MapFlags, ProtFlags, mmap};
use std::io;
use std::os::fd::BorrowedFd;
use std::ptr;

/// Maps the first page of a file as executable, until the process ends: a profiler is told of such mappings, and finds the
/// file by it. Nothing runs there.
///
/// # Errors
///
/// If the system forbids it: on a file system that is mounted `noexec`, for one.
pub(crate) fn mark_mapped(file: BorrowedFd<'_>) -> io::Result<()> {
    let access = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing. Nobody learns the address, so no
    // reference into it exists, whatever becomes of the file.
    unsafe { mmap(ptr::null_mut(), page_bytes(), access, MapFlags::PRIVATE, file, 0) }?;
    Ok(())
}
