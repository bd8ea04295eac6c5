//! The contents of a file, or of pieces of it, in memory of their own: large ones in huge pages, read by several threads.
//!
//! # Invariants
//!
//! * **F1** The memory is accessible and never written to once [`FileBytes::read`] has returned.

use super::mmap::Reservation;
use crate::artifact::Section;
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

/// Where pieces are that are forgotten. It starts with a line of the processor's cache, as pages do: from those to elsewhere, some
/// processors (Zen 3) copy at a third of the speed.
#[derive(Default)]
struct Buffer(Vec<u8>);

impl Buffer {
    const LINE_BYTES: usize = 64;

    /// So many bytes, at most those of a piece.
    fn bytes(&mut self, len: usize) -> &mut [u8] {
        self.0.resize(PIECE_BYTES + Self::LINE_BYTES, 0);
        let start = self.0.as_ptr().align_offset(Self::LINE_BYTES);
        &mut self.0[start..][..len]
    }
}

/// What is done with a piece of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PieceUse<'b> {
    /// It is read, looked at and kept.
    Kept,
    /// It is read, looked at and forgotten: there are zeros in its place, which take no memory.
    Passed,
    /// It is not read. There are zeros as well.
    Left,
    /// It is not read, and kept: these are its bytes.
    Known(&'b [u8]),
}

impl FileBytes {
    /// Reads `len` bytes from the start: pieces as `piece_use` says. `look` is shown each that was read.
    fn read<'b>(
        file: &File,
        len: usize,
        threads: usize,
        piece_use: impl Fn(usize) -> PieceUse<'b> + Sync,
        look: impl Fn(usize, &[u8]) -> io::Result<()> + Sync,
    ) -> io::Result<Self> {
        let memory = Reservation::new(len)?;
        memory.commit(0..memory.len())?;
        let is_kept = |number: &usize| matches!(piece_use(*number), PieceUse::Kept | PieceUse::Known(_));
        let mut numbers = 0..len.div_ceil(PIECE_BYTES);
        while let Some(first) = numbers.find(is_kept) {
            let end = numbers.find(|number| !is_kept(number)).unwrap_or(numbers.end);
            memory.prefer_huge_pages(first * PIECE_BYTES..(end * PIECE_BYTES).min(memory.len()));
        }
        // SAFETY: committed above, zero until it is written, and known to nobody else yet.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.base(), len) };
        let error = OnceLock::new();
        for_each_piece_mut(threads, bytes, Buffer::default, |passed, number, place| {
            if error.get().is_some() {
                return;
            }
            let piece = match piece_use(number) {
                PieceUse::Known(bytes) => return place.copy_from_slice(bytes),
                PieceUse::Kept => place,
                PieceUse::Passed => passed.bytes(place.len()),
                PieceUse::Left => return,
            };
            let read = file.read_exact_at(piece, (number * PIECE_BYTES) as u64);
            if let Err(failed) = read.and_then(|()| look(number, piece)) {
                // The first of several that came at once.
                let _ = error.set(failed);
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

/// How many bytes a file has, if it is a regular one and large.
///
/// # Errors
///
/// What the system has against it.
pub(crate) fn large_file_bytes(file: &File) -> io::Result<Option<usize>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() < LARGE {
        return Ok(None);
    }
    let len = usize::try_from(metadata.len()).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    Ok(Some(len))
}

/// Reads a file of `len` bytes, or some pieces of it: see [`PieceUse`].
///
/// # Errors
///
/// What the system has against it, if the file becomes shorter meanwhile, and what `look` says.
pub(crate) fn read_pieces<'b>(
    file: &File,
    len: usize,
    threads: usize,
    piece_use: impl Fn(usize) -> PieceUse<'b> + Sync,
    look: impl Fn(usize, &[u8]) -> io::Result<()> + Sync,
) -> io::Result<Section> {
    Ok(Section::owned(FileBytes::read(file, len, threads, piece_use, look)?))
}

/// Reads a file from its start, or what is left to come through a pipe.
///
/// # Errors
///
/// What the system has against it, and if the file becomes shorter meanwhile.
pub(crate) fn read_file(mut file: &File, threads: usize) -> io::Result<Section> {
    if let Some(len) = large_file_bytes(file)? {
        return read_pieces(file, len, threads, |_| PieceUse::Kept, |_, _| Ok(()));
    }
    if file.metadata()?.is_file() {
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
    use std::sync::Mutex;

    #[test]
    fn files_are_read_whole() {
        let path = std::env::temp_dir().join(format!("waft-{}-bytes", std::process::id()));
        for len in [0, 1, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE + 4097] {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + at / 4096) as u8).collect();
            fs::write(&path, &bytes).unwrap();
            let mut file = File::open(&path).unwrap();
            // Whatever was read of it before.
            let _ = file.read(&mut [0; 3]).unwrap();
            assert!(read_file(&file, 2).unwrap().bytes() == bytes, "{len} bytes");
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn pieces_are_kept_passed_left_or_known() {
        let path = std::env::temp_dir().join(format!("waft-{}-pieces", std::process::id()));
        let bytes: Vec<u8> = (0..9 * PIECE_BYTES + 5).map(|at| 1 + (at / 7 % 255) as u8).collect();
        fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let known = vec![7; PIECE_BYTES];
        let uses = [PieceUse::Kept, PieceUse::Passed, PieceUse::Left, PieceUse::Known(&known)];
        // Each piece of 10 in each of four ways, in rows of several lengths.
        for (period, shift) in (1..5).flat_map(|period| (0..4).map(move |shift| (period, shift))) {
            let piece_use = |number: usize| match uses[(number / period + shift) % 4] {
                PieceUse::Known(known) => {
                    PieceUse::Known(&known[..PIECE_BYTES.min(bytes.len() - number * PIECE_BYTES)])
                }
                other => other,
            };
            let looks = Mutex::new(Vec::new());
            let look = |number: usize, piece: &[u8]| {
                assert!(piece == bytes.chunks(PIECE_BYTES).nth(number).unwrap(), "piece {number}");
                looks.lock().unwrap().push(number);
                Ok(())
            };
            let read = read_pieces(&file, bytes.len(), 3, piece_use, look).unwrap();
            for (number, (piece, whole)) in
                read.bytes().chunks(PIECE_BYTES).zip(bytes.chunks(PIECE_BYTES)).enumerate()
            {
                match piece_use(number) {
                    PieceUse::Kept => assert!(piece == whole, "piece {number}"),
                    PieceUse::Known(_) => assert!(piece.iter().all(|byte| *byte == 7), "piece {number}"),
                    PieceUse::Passed | PieceUse::Left => {
                        assert!(piece.iter().all(|byte| *byte == 0), "piece {number}")
                    }
                }
            }
            let mut looks = looks.into_inner().unwrap();
            looks.sort_unstable();
            let all = 0..bytes.len().div_ceil(PIECE_BYTES);
            let is_read = |number: &usize| matches!(piece_use(*number), PieceUse::Kept | PieceUse::Passed);
            assert!(all.filter(is_read).eq(looks));
        }
        let refuse = |number, _: &[u8]| if number == 3 { Err(io::Error::other("no")) } else { Ok(()) };
        let error = read_pieces(&file, bytes.len(), 2, |_| PieceUse::Passed, refuse).map(drop).unwrap_err();
        assert_eq!(error.to_string(), "no");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let path = std::env::temp_dir().join(format!("waft-{}-shorter", std::process::id()));
        fs::write(&path, vec![1; 100]).unwrap();
        let file = File::open(&path).unwrap();
        let read = |len| read_pieces(&file, len, 2, |_| PieceUse::Kept, |_, _| Ok(())).map(drop);
        read(100).unwrap();
        let error = read(3 << 20).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        fs::remove_file(&path).unwrap();
    }
}
