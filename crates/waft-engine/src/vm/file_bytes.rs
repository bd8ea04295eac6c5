//! The contents of a file, in memory of their own: large ones in huge pages, read by several threads.
//!
//! # Invariants
//!
//! * **F1** The memory is accessible and never written to once [`FileBytes::read`] has returned.

use super::mmap::Reservation;
use crate::artifact::Section;
use crate::cache::ModuleHasher;
use crate::pieces::{PIECE_BYTES, for_each_piece_mut};
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::sync::OnceLock;

/// Less than this is read as any file is.
const LARGE: u64 = 2 << 20;

/// What a file had when it was read.
struct FileBytes {
    memory: Reservation,
    len: usize,
}

impl FileBytes {
    /// Reads `len` bytes from the start, and hashes each piece when it is there.
    fn read(file: &File, len: usize, threads: usize, hasher: Option<&ModuleHasher>) -> io::Result<Self> {
        let memory = Reservation::new(len)?;
        memory.commit(0..memory.len())?;
        memory.prefer_huge_pages(0..memory.len());
        // SAFETY: committed above, zero until it is written, and known to nobody else yet.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.base(), len) };
        let error = OnceLock::new();
        for_each_piece_mut(threads, bytes, |number, piece| {
            match file.read_exact_at(piece, (number * PIECE_BYTES) as u64) {
                Ok(()) => {
                    if let Some(hasher) = hasher {
                        hasher.add(number, piece);
                    }
                }
                // The first of several that came at once.
                Err(failed) => drop(error.set(failed)),
            }
        });
        error.into_inner().map_or(Ok(Self { memory, len }), Err)
    }
}

impl AsRef<[u8]> for FileBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: F1, and the memory is this value's.
        unsafe { std::slice::from_raw_parts(self.memory.base(), self.len) }
    }
}

/// Reads a file from its start, or what is left to come through a pipe. A large one is hashed meanwhile, if there is a hasher
/// for so many bytes.
///
/// # Errors
///
/// What the system has against it, and if the file becomes shorter meanwhile.
pub(crate) fn read_file(
    mut file: &File,
    threads: usize,
    hasher: impl FnOnce(usize) -> Option<ModuleHasher>,
) -> io::Result<(Section, Option<ModuleHasher>)> {
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() >= LARGE {
        let len = usize::try_from(metadata.len()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let hasher = hasher(len);
        return Ok((Section::owned(FileBytes::read(file, len, threads, hasher.as_ref())?), hasher));
    }
    if metadata.is_file() {
        file.rewind()?;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes.into(), None))
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
            let (read, hasher) = read_file(&file, 2, |len| Some(ModuleHasher::new(len))).unwrap();
            assert!(read.bytes() == bytes, "{len} bytes");
            let hash = hasher.as_ref().map(ModuleHasher::finish);
            assert_eq!(hash, (len >= LARGE).then(|| ModuleHasher::of(&bytes, 1).finish()));
            assert!(read_file(&file, 1, |_| None).unwrap().1.is_none());
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let path = std::env::temp_dir().join(format!("waft-{}-shorter", std::process::id()));
        fs::write(&path, vec![1; 100]).unwrap();
        let file = File::open(&path).unwrap();
        assert!(FileBytes::read(&file, 100, 2, None).is_ok());
        let error = FileBytes::read(&file, 3 << 20, 2, None).map(drop).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        fs::remove_file(&path).unwrap();
    }
}
