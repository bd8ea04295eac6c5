//! Open files.

use super::super::error::{ErrorCode, HostResult};
use super::super::io;
use super::{Access, FileKind, Stat};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
pub(crate) use rustix::fs::{Advice, SeekFrom};
use std::io::{IoSlice, IoSliceMut};
use std::num::NonZeroU64;

/// One open file. Its position and whether it appends are the kernel's to keep.
#[derive(Debug)]
pub(crate) struct File {
    fd: OwnedFd,
    access: Access,
    kind: FileKind,
    /// It was opened to be written by the guest, not just by us to cut it short.
    writable: bool,
}

impl File {
    pub(super) fn new(fd: OwnedFd, access: Access, kind: FileKind, writable: bool) -> Self {
        Self { fd, access, kind, writable }
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn kind(&self) -> FileKind {
        self.kind
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    pub(crate) fn stat(&self) -> HostResult<Stat> {
        Ok(rustix::fs::fstat(&self.fd)?.into())
    }

    #[inline]
    pub(crate) fn read(&self, bufs: &mut [IoSliceMut<'_>]) -> HostResult<usize> {
        io::read(self.fd.as_fd(), bufs)
    }

    pub(crate) fn read_at(&self, bufs: &mut [IoSliceMut<'_>], offset: u64) -> HostResult<usize> {
        io::read_at(self.fd.as_fd(), bufs, offset)
    }

    #[inline]
    pub(crate) fn write(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        io::write(self.fd.as_fd(), bufs)
    }

    pub(crate) fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> HostResult<usize> {
        io::write_at(self.fd.as_fd(), bufs, offset)
    }

    pub(crate) fn seek(&self, to: SeekFrom) -> HostResult<u64> {
        Ok(rustix::fs::seek(&self.fd, to)?)
    }

    pub(crate) fn tell(&self) -> HostResult<u64> {
        Ok(rustix::fs::tell(&self.fd)?)
    }

    pub(crate) fn sync(&self) -> HostResult<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    pub(crate) fn sync_data(&self) -> HostResult<()> {
        Ok(rustix::fs::fdatasync(&self.fd)?)
    }

    pub(crate) fn advise(&self, offset: u64, len: u64, advice: Advice) -> HostResult<()> {
        // A length of 0 means "to the end" to the kernel as well.
        Ok(rustix::fs::fadvise(&self.fd, offset, NonZeroU64::new(len), advice)?)
    }

    /// Makes sure that `offset..offset + len` has room on the disk; the file grows if it has to.
    pub(crate) fn allocate(&self, offset: u64, len: u64) -> HostResult<()> {
        self.require_writable(ErrorCode::BadDescriptor)?;
        Ok(rustix::fs::fallocate(&self.fd, rustix::fs::FallocateFlags::empty(), offset, len)?)
    }

    pub(crate) fn set_size(&self, size: u64) -> HostResult<()> {
        self.require_writable(ErrorCode::Invalid)?;
        Ok(rustix::fs::ftruncate(&self.fd, size)?)
    }

    /// Says whether writes append and whether reads and writes wait.
    pub(crate) fn set_flags(&self, append: bool, nonblocking: bool) -> HostResult<()> {
        let mut flags = rustix::fs::fcntl_getfl(&self.fd)?;
        flags.set(OFlags::APPEND, append);
        flags.set(OFlags::NONBLOCK, nonblocking);
        Ok(rustix::fs::fcntl_setfl(&self.fd, flags)?)
    }

    /// Bytes between the position and the end of a regular file; for others what the kernel has at hand.
    pub(crate) fn bytes_ready(&self) -> u64 {
        match self.kind {
            FileKind::RegularFile => match (self.stat(), self.tell()) {
                (Ok(stat), Ok(position)) => stat.size.saturating_sub(position),
                _ => 0,
            },
            _ => rustix::io::ioctl_fionread(&self.fd).unwrap_or(1),
        }
    }

    fn require_writable(&self, error: ErrorCode) -> HostResult<()> {
        self.access.allow_change()?;
        if self.writable { Ok(()) } else { Err(error) }
    }
}
