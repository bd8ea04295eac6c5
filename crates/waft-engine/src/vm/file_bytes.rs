//! The contents of a file, in memory of their own: large ones in huge pages, read by several threads.
//!
//! # Invariants
//!
//! * **F1** The memory is accessible and never written to once [`FileBytes::read`] has returned.

use super::mmap::{Reservation, page_bytes};
use crate::artifact::Section;
use crate::processors::processors;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::thread;

/// Less than this is read as any file is.
const LARGE: u64 = 2 << 20;
/// More threads than this do not read faster: the kernel copies as fast as memory goes.
const THREADS_MAX: usize = 4;

/// What a file had when it was read.
struct FileBytes {
    memory: Reservation,
    len: usize,
}

impl FileBytes {
    /// Reads `len` bytes from the start.
    fn read(file: &File, len: usize) -> io::Result<Self> {
        let memory = Reservation::new(len)?;
        memory.commit(0..memory.len())?;
        memory.prefer_huge_pages(0..memory.len());
        // SAFETY: committed above, zero until it is written, and known to nobody else yet.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.base(), len) };
        let threads = processors().min(THREADS_MAX);
        let piece_bytes = len.div_ceil(threads).next_multiple_of(page_bytes());
        thread::scope(|scope| {
            let read = |(at, piece): (usize, &mut [u8])| file.read_exact_at(piece, (at * piece_bytes) as u64);
            let mut pieces = bytes.chunks_mut(piece_bytes).enumerate();
            let first = pieces.next();
            let others: Vec<_> = pieces.map(|piece| scope.spawn(move || read(piece))).collect();
            let outcome = first.map_or(Ok(()), read);
            let join = |thread: thread::ScopedJoinHandle<'_, io::Result<()>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            others.into_iter().map(join).fold(outcome, io::Result::and)
        })?;
        Ok(Self { memory, len })
    }
}

impl AsRef<[u8]> for FileBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: F1, and the memory is this value's.
        unsafe { std::slice::from_raw_parts(self.memory.base(), self.len) }
    }
}

/// Reads a file from its start, or what is left to come through a pipe.
///
/// # Errors
///
/// What the system has against it, and if the file becomes shorter meanwhile.
pub(crate) fn read_file(mut file: &File) -> io::Result<Section> {
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() >= LARGE {
        let len = usize::try_from(metadata.len()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        return Ok(Section::owned(FileBytes::read(file, len)?));
    }
    if metadata.is_file() {
        file.rewind()?;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_are_read_whole() {
        let path = std::env::temp_dir().join(format!("waft-{}-bytes", std::process::id()));
        for len in [0, 1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 4097] {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + at / 4096) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let mut file = File::open(&path).unwrap();
            // Whatever was read of it before.
            let _ = file.read(&mut [0; 3]).unwrap();
            assert!(read_file(&file).unwrap().bytes() == bytes, "{len} bytes");
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let path = std::env::temp_dir().join(format!("waft-{}-shorter", std::process::id()));
        fs::write(&path, vec![1; 100]).unwrap();
        let file = File::open(&path).unwrap();
        assert!(FileBytes::read(&file, 100).is_ok());
        let error = FileBytes::read(&file, 3 << 20).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        fs::remove_file(&path).unwrap();
    }
}
