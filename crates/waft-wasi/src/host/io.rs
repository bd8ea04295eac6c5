//! Reading and writing a host descriptor, straight from and to the caller's buffers.

use super::error::HostResult;
use rustix::fd::BorrowedFd;
use std::io::{IoSlice, IoSliceMut};

/// Reads at the descriptor's own position.
#[inline]
pub(super) fn read(fd: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>]) -> HostResult<usize> {
    // One buffer is by far the commonest; the plain call saves the kernel the copy of the vector.
    match bufs {
        [one] => Ok(rustix::io::read(fd, &mut one[..])?),
        many => Ok(rustix::io::readv(fd, many)?),
    }
}

/// Writes at the descriptor's own position, or at the end if it appends.
#[inline]
pub(super) fn write(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
    match bufs {
        [one] => Ok(rustix::io::write(fd, one)?),
        many => Ok(rustix::io::writev(fd, many)?),
    }
}

/// Reads at `offset`, leaving the descriptor's position alone.
pub(super) fn read_at(fd: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>], offset: u64) -> HostResult<usize> {
    match bufs {
        [one] => Ok(rustix::io::pread(fd, &mut one[..], offset)?),
        many => Ok(rustix::io::preadv(fd, many, offset)?),
    }
}

/// Writes at `offset`, leaving the descriptor's position alone. On a file that appends, Linux writes at its end.
pub(super) fn write_at(fd: BorrowedFd<'_>, bufs: &[IoSlice<'_>], offset: u64) -> HostResult<usize> {
    match bufs {
        [one] => Ok(rustix::io::pwrite(fd, one, offset)?),
        many => Ok(rustix::io::pwritev(fd, many, offset)?),
    }
}
