//! Where a guest's standard streams come from and go to.

use super::error::{ErrorCode, HostResult};
use super::{io, poll};
use poll::Readiness;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io::{IoSlice, IoSliceMut, IsTerminal};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where standard input comes from.
///
/// ```
/// use waft_wasi::{MemoryInputPipe, WasiCtx};
/// let ctx = WasiCtx::builder().stdin(MemoryInputPipe::new("three lines\nof\ninput\n")).build();
/// # drop(ctx);
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Input {
    /// Nothing: the first read says that the end is reached.
    #[default]
    Empty,
    /// The host process's own.
    Inherit,
    /// A descriptor of the host: a file, a pipe.
    Fd(OwnedFd),
    /// Bytes in memory.
    Memory(MemoryInputPipe),
}

/// Where standard output or standard error goes.
///
/// ```
/// use waft_wasi::{MemoryOutputPipe, WasiCtx};
/// let output = MemoryOutputPipe::new(1 << 20);
/// let ctx = WasiCtx::builder().stdout(output.clone()).build();
/// # drop(ctx);
/// assert_eq!(output.contents(), b"");
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Output {
    /// Nowhere: every write succeeds and is forgotten.
    #[default]
    Discard,
    /// The host process's own standard output.
    InheritStdout,
    /// The host process's own standard error.
    InheritStderr,
    /// A descriptor of the host: a file, a pipe.
    Fd(OwnedFd),
    /// A buffer in memory.
    Memory(MemoryOutputPipe),
}

impl Input {
    /// The host descriptor behind it, if there is one.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Empty | Self::Memory(_) => None,
            Self::Inherit => Some(rustix::stdio::stdin()),
            Self::Fd(fd) => Some(fd.as_fd()),
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.fd().is_some_and(|fd| fd.is_terminal())
    }

    #[inline]
    pub(crate) fn read(&self, bufs: &mut [IoSliceMut<'_>]) -> HostResult<usize> {
        match self {
            Self::Empty => Ok(0),
            Self::Memory(pipe) => Ok(pipe.read(bufs)),
            Self::Inherit => io::read(rustix::stdio::stdin(), bufs),
            Self::Fd(fd) => io::read(fd.as_fd(), bufs),
        }
    }

    /// Like `read`, but never waits.
    pub(crate) fn try_read(&self, bufs: &mut [IoSliceMut<'_>]) -> HostResult<usize> {
        match self.fd() {
            Some(fd) if !poll::ready_now(fd, Readiness { read: true, ..Default::default() })?.read => {
                Err(ErrorCode::WouldBlock)
            }
            _ => self.read(bufs),
        }
    }

    /// Bytes that a read would give without waiting, as far as that is known.
    pub(crate) fn bytes_ready(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Memory(pipe) => pipe.lock().len() as u64,
            // Not every kind of file can tell; 1 says no more than that a read will not block.
            Self::Inherit | Self::Fd(_) => {
                self.fd().and_then(|fd| rustix::io::ioctl_fionread(fd).ok()).unwrap_or(1)
            }
        }
    }
}

impl Output {
    /// The host descriptor behind it, if there is one.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Discard | Self::Memory(_) => None,
            Self::InheritStdout => Some(rustix::stdio::stdout()),
            Self::InheritStderr => Some(rustix::stdio::stderr()),
            Self::Fd(fd) => Some(fd.as_fd()),
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.fd().is_some_and(|fd| fd.is_terminal())
    }

    #[inline]
    pub(crate) fn write(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        match self {
            Self::InheritStdout => io::write(rustix::stdio::stdout(), bufs),
            Self::InheritStderr => io::write(rustix::stdio::stderr(), bufs),
            Self::Fd(fd) => io::write(fd.as_fd(), bufs),
            Self::Memory(pipe) => pipe.write(bufs),
            // As many as one call of the kernel would take, so that the count fits every guest's type.
            Self::Discard => {
                Ok(bufs.iter().fold(0usize, |sum, buf| sum.saturating_add(buf.len())).min(WRITE_BYTES_MAX))
            }
        }
    }

    /// Like `write`, but never waits for the other end to read.
    pub(crate) fn try_write(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        let (Some(fd), Some(first)) = (self.fd(), bufs.iter().find(|buf| !buf.is_empty())) else {
            return self.write(bufs);
        };
        if !poll::ready_now(fd, Readiness { write: true, ..Default::default() })?.write {
            return Err(ErrorCode::WouldBlock);
        }
        io::write(fd, &[IoSlice::new(&first[..first.len().min(PIPE_BYTES)])])
    }
}

/// What a pipe that is ready takes without waiting.
const PIPE_BYTES: usize = 4096;

/// What one `write` of Linux moves at most.
const WRITE_BYTES_MAX: usize = 0x7fff_f000;

/// Standard input out of memory. Clones read from the same bytes.
///
/// ```
/// use waft_wasi::MemoryInputPipe;
/// let input = MemoryInputPipe::new("one\ntwo\n");
/// assert_eq!(input.remaining(), 8);
/// ```
#[derive(Clone, Debug)]
pub struct MemoryInputPipe {
    unread: Arc<Mutex<std::collections::VecDeque<u8>>>,
}

impl MemoryInputPipe {
    /// A pipe that holds `bytes`, and then its end.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { unread: Arc::new(Mutex::new(bytes.into().into())) }
    }

    /// How many bytes were not yet read.
    pub fn remaining(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, std::collections::VecDeque<u8>> {
        // A reader that panicked left the queue whole: every change to it is one call.
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, bufs: &mut [IoSliceMut<'_>]) -> usize {
        let mut unread = self.lock();
        let mut total = 0;
        for buf in bufs {
            let len = buf.len().min(unread.len());
            for (to, from) in buf.iter_mut().zip(unread.drain(..len)) {
                *to = from;
            }
            total += len;
        }
        total
    }
}

/// Standard output into memory. Clones write to, and read from, the same buffer.
///
/// ```
/// use waft_wasi::MemoryOutputPipe;
/// let output = MemoryOutputPipe::new(4096);
/// assert!(output.contents().is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct MemoryOutputPipe {
    written: Arc<Mutex<Vec<u8>>>,
    bytes_max: usize,
}

impl MemoryOutputPipe {
    /// A buffer that takes `bytes_max` bytes; a write past them fails with "no space left".
    pub fn new(bytes_max: usize) -> Self {
        Self { written: Arc::default(), bytes_max }
    }

    /// What was written so far.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, bufs: &[IoSlice<'_>]) -> HostResult<usize> {
        let mut written = self.lock();
        let mut total = 0;
        for buf in bufs {
            let len = buf.len().min(self.bytes_max - written.len());
            written.extend_from_slice(&buf[..len]);
            total += len;
            if len < buf.len() {
                break;
            }
        }
        if total == 0 && bufs.iter().any(|buf| !buf.is_empty()) {
            return Err(ErrorCode::InsufficientSpace);
        }
        Ok(total)
    }
}

impl From<MemoryInputPipe> for Input {
    fn from(pipe: MemoryInputPipe) -> Self {
        Self::Memory(pipe)
    }
}

impl From<OwnedFd> for Input {
    fn from(fd: OwnedFd) -> Self {
        Self::Fd(fd)
    }
}

impl From<std::fs::File> for Input {
    fn from(file: std::fs::File) -> Self {
        Self::Fd(file.into())
    }
}

impl From<MemoryOutputPipe> for Output {
    fn from(pipe: MemoryOutputPipe) -> Self {
        Self::Memory(pipe)
    }
}

impl From<OwnedFd> for Output {
    fn from(fd: OwnedFd) -> Self {
        Self::Fd(fd)
    }
}

impl From<std::fs::File> for Output {
    fn from(file: std::fs::File) -> Self {
        Self::Fd(file.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_input_gives_its_bytes_then_the_end() {
        let pipe = Input::from(MemoryInputPipe::new("hello"));
        let (mut first, mut second) = ([0; 3], [0; 4]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(pipe.read(&mut bufs), Ok(5));
        assert_eq!((&first[..], &second[..2]), (&b"hel"[..], &b"lo"[..]));
        assert_eq!(pipe.read(&mut [IoSliceMut::new(&mut first)]), Ok(0));
    }

    #[test]
    fn a_memory_output_stops_at_its_limit() {
        let memory = MemoryOutputPipe::new(4);
        let pipe = Output::from(memory.clone());
        assert_eq!(pipe.write(&[IoSlice::new(b"abc"), IoSlice::new(b"def")]), Ok(4));
        assert_eq!(pipe.write(&[IoSlice::new(b"g")]), Err(ErrorCode::InsufficientSpace));
        assert_eq!(pipe.write(&[IoSlice::new(b"")]), Ok(0));
        assert_eq!(memory.contents(), b"abcd");
    }
}
