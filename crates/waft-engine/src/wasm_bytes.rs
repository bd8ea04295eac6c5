//! The bytes of a module, as far as they are in memory.
//!
//! A module whose code was found in the cache needs few of them: what it declares, and its data. Its bodies are needed when a
//! function is compiled that no earlier process compiled, its names when a backtrace is shown. So of a large file that is all
//! that is kept. The rest is read when it is asked for, a piece at a time, and must be what it was: see [`ModuleFile`].

use crate::artifact::Section;
use crate::cache::{CacheKey, ModuleHasher};
use crate::outline::Outline;
use crate::pieces::PIECE_BYTES;
use crate::vm::{PieceUse, WrittenOnce, large_file_bytes, read_pieces};
use anyhow::{Context as _, Error, Result};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The bytes that a shape was decoded from.
#[derive(Clone)]
pub(crate) enum WasmBytes {
    /// The module as it was given.
    Whole(Section),
    /// What a precompiled module keeps of it: all but the code.
    WithoutCode(Section),
    /// A large file, of which a part is in memory.
    OnFile(Arc<ModuleFile>),
}

impl WasmBytes {
    /// What the module declares, and its data, where they are in it. In place of bodies and of what custom sections hold there
    /// may be something else.
    pub(crate) fn declarations(&self) -> &[u8] {
        match self {
            Self::Whole(section) | Self::WithoutCode(section) => section.bytes(),
            Self::OnFile(file) => file.declarations.bytes(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.declarations().len()
    }

    /// Some of them, wherever they are in the module.
    ///
    /// # Errors
    ///
    /// If there are not as many, or its file cannot be read any more, or has changed.
    pub(crate) fn get(&self, range: Range<usize>) -> Result<&[u8]> {
        let found = match self {
            Self::Whole(section) | Self::WithoutCode(section) => section.bytes().get(range.clone()),
            Self::OnFile(file) => file.get(range.clone())?,
        };
        found.with_context(|| format!("the module ends before byte {}", range.end))
    }

    /// All of them.
    ///
    /// # Errors
    ///
    /// As [`WasmBytes::get`].
    pub(crate) fn whole(&self) -> Result<&[u8]> {
        self.get(0..self.len())
    }

    /// All of them, as what a module is compiled from.
    ///
    /// # Errors
    ///
    /// As [`WasmBytes::get`].
    pub(crate) fn to_section(&self) -> Result<Section> {
        match self {
            Self::Whole(section) | Self::WithoutCode(section) => Ok(section.clone()),
            Self::OnFile(file) => file.read_whole().context(CANNOT_READ),
        }
    }
}

const CANNOT_READ: &str = "cannot read more of the module's file";

/// The file of a module, which stays open. All of it was read once and hashed; of that, [`WasmBytes::declarations`] were kept.
///
/// What is read of it later is compared with the hashes. So a file that was written to in the meantime is an error where it is
/// needed, and never another module's code. One that was replaced, as by renaming another one to its name, is still there.
///
/// # Invariants
///
/// * A byte is read once and for all: what is in memory is not read again, though its hash would be the same.
pub(crate) struct ModuleFile {
    file: File,
    threads: usize,
    hasher: ModuleHasher,
    outline: Outline,
    declarations: Section,
    /// What was needed since, with the declarations that are in one piece with it.
    rest: WrittenOnce<Option<Failure>>,
}

/// That nothing more could be read of a file, and why.
struct Failure {
    state: FileState,
    at: Instant,
    why: String,
}

/// So long a failure is remembered, if nobody writes to the file: a backtrace alone asks for names several hundred times.
const FAILURE: Duration = Duration::from_millis(100);

/// What changes when somebody writes to a file.
#[derive(PartialEq, Eq)]
struct FileState {
    bytes: u64,
    changed: (i64, i64),
}

impl FileState {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { bytes: metadata.len(), changed: (metadata.ctime(), metadata.ctime_nsec()) })
    }
}

impl ModuleFile {
    /// Reads a large file that is a binary module and has much that may stay there, if it is wanted to be so for so many bytes;
    /// none of others.
    ///
    /// # Errors
    ///
    /// What the system has against it, and if the file becomes shorter meanwhile.
    pub(crate) fn open(
        file: &File,
        threads: usize,
        key: &Arc<CacheKey>,
        is_wanted: impl FnOnce(usize) -> bool,
    ) -> io::Result<Option<Self>> {
        let Some(len) = large_file_bytes(file)?.filter(|len| is_wanted(*len)) else { return Ok(None) };
        let outline = Outline::read(len, |head, at| file.read_exact_at(head, at as u64))?;
        let Some(outline) = outline.filter(Outline::has_unneeded) else { return Ok(None) };
        let hasher = ModuleHasher::new(key.clone(), len);
        let keep = |number| if outline.is_unneeded(number) { PieceUse::Passed } else { PieceUse::Kept };
        let look = |number, piece: &[u8]| {
            hasher.add(number, piece);
            Ok(())
        };
        let declarations = read_pieces(file, len, threads, keep, look)?;
        // What was hashed counts, and that is where it was looked for.
        if Outline::of(declarations.bytes()).as_ref() != Some(&outline) {
            return Err(io::Error::other("it was written to while it was read"));
        }
        let (file, rest) = (file.try_clone()?, WrittenOnce::new(len, None)?);
        Ok(Some(Self { file, threads, hasher, outline, declarations, rest }))
    }

    pub(crate) fn hasher(&self) -> &ModuleHasher {
        &self.hasher
    }

    /// These bytes, unless it has not as many.
    fn get(&self, range: Range<usize>) -> Result<Option<&[u8]>> {
        let write = |failure: &mut _, number, piece: &mut [u8]| match self.declared(number) {
            Some(declared) => {
                piece.copy_from_slice(declared);
                Ok(())
            }
            None => self.read_unless_failed(failure, number, piece),
        };
        self.rest.get(range, write).context(CANNOT_READ)
    }

    /// The piece of this number, if it is among what is kept for certain.
    ///
    /// Whoever could find other bytes with the hash of these would have a module of parts that do not fit, if they were read anew.
    fn declared(&self, number: usize) -> Option<&[u8]> {
        let start = number * PIECE_BYTES;
        let range = start..self.hasher.len().min(start + PIECE_BYTES);
        (!self.outline.is_unneeded(number)).then(|| &self.declarations.bytes()[range])
    }

    fn read_unless_failed(
        &self,
        failure: &mut Option<Failure>,
        number: usize,
        piece: &mut [u8],
    ) -> Result<()> {
        let state = FileState::of(&self.file)?;
        if let Some(failure) = failure
            && failure.state == state
            && failure.at.elapsed() < FAILURE
        {
            return Err(Error::msg(failure.why.clone()));
        }
        let read = self.read(state.bytes, number, piece);
        let failed = |error: &io::Error| Failure { state, at: Instant::now(), why: error.to_string() };
        *failure = read.as_ref().err().map(failed);
        Ok(read?)
    }

    /// Reads the piece of this number from the file, which has so many bytes now.
    fn read(&self, bytes: u64, number: usize, piece: &mut [u8]) -> io::Result<()> {
        if bytes != self.hasher.len() as u64 {
            return Err(io::Error::other("it has not as many bytes as when it was opened"));
        }
        self.file.read_exact_at(piece, (number * PIECE_BYTES) as u64)?;
        self.check(number, piece)
    }

    /// Refuses a piece that is not what it was.
    fn check(&self, number: usize, piece: &[u8]) -> io::Result<()> {
        let is_same = self.hasher.is_same(number, piece);
        is_same.then_some(()).ok_or_else(|| io::Error::other("it was written to since it was opened"))
    }

    /// All of it, in memory of its own.
    fn read_whole(&self) -> io::Result<Section> {
        let piece_use = |number| self.declared(number).map_or(PieceUse::Kept, PieceUse::Known);
        let check = |number, piece: &[u8]| self.check(number, piece);
        read_pieces(&self.file, self.hasher.len(), self.threads, piece_use, check)
    }
}
