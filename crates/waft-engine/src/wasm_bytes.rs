//! The bytes of a module, as far as they are in memory.
//!
//! What custom sections hold is needed when a backtrace is shown, as names, or never. A module whose code was found in the cache needs
//! even less: what it declares, and its data; its bodies when a function is compiled that no earlier process compiled. So of a large
//! file that is all that is kept. The rest is read when it is asked for, a piece at a time, and must be what it was: see [`ModuleFile`].

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
use std::sync::{Arc, OnceLock};
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
    /// Those of a large file that is a binary module, and its hash, if there is a key; none of others. What custom sections hold stays
    /// there, and so do bodies, if `is_found` says that some module of so many bytes may be in the cache.
    ///
    /// # Errors
    ///
    /// What the system has against it, and if the file becomes shorter meanwhile.
    pub(crate) fn of_file(
        file: &Arc<File>,
        threads: usize,
        key: Option<&Arc<CacheKey>>,
        is_found: impl FnOnce(usize) -> bool,
    ) -> io::Result<Option<(Self, Option<Arc<ModuleHasher>>)>> {
        let Some(len) = large_file_bytes(file)? else { return Ok(None) };
        let outline = Outline::read(len, |head, at| file.read_exact_at(head, at as u64))?;
        let Some(outline) = outline else { return Ok(None) };
        let hasher = key.map(|key| Arc::new(ModuleHasher::new(key.clone(), len)));
        let has_bodies = hasher.is_none() || !is_found(len);
        let piece_use = |number| match outline.is_unneeded(number, has_bodies) {
            _ if !outline.counts(number) => PieceUse::Left,
            true => PieceUse::Passed,
            false => PieceUse::Kept,
        };
        let look = |number, piece: &[u8]| {
            hasher.iter().for_each(|hasher| hasher.add(number, piece));
            Ok(())
        };
        let kept = read_pieces(file, len, threads, piece_use, look)?;
        // What was hashed counts, and that is where it was looked for.
        if Outline::of(kept.bytes()).as_ref() != Some(&outline) {
            return Err(io::Error::other("it was written to while it was read"));
        }
        let (file, rest) = (file.clone(), OnceLock::new());
        let module = ModuleFile { file, threads, hasher: hasher.clone(), outline, kept, has_bodies, rest };
        Ok(Some((module.into(), hasher)))
    }

    /// What the module declares, its data, and its bodies unless its code was looked for and found: where they are in it. In place of
    /// what is not there may be something else.
    pub(crate) fn kept(&self) -> &[u8] {
        match self {
            Self::Whole(section) | Self::WithoutCode(section) => section.bytes(),
            Self::OnFile(file) => file.kept.bytes(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.kept().len()
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

    /// All of them, which are in memory from here on.
    ///
    /// # Errors
    ///
    /// As [`WasmBytes::get`].
    pub(crate) fn whole(&self) -> Result<&[u8]> {
        self.get(0..self.len())
    }

    /// The same, in memory for as long as they are needed.
    ///
    /// # Errors
    ///
    /// As [`WasmBytes::get`].
    pub(crate) fn read(&self) -> Result<Section> {
        match self {
            Self::Whole(section) | Self::WithoutCode(section) => Ok(section.clone()),
            Self::OnFile(file) => file.read_all(PieceUse::Kept).context(CANNOT_READ),
        }
    }

    /// The same, and its bodies with what is kept.
    ///
    /// # Errors
    ///
    /// As [`WasmBytes::get`].
    pub(crate) fn with_bodies(&self) -> Result<Self> {
        match self {
            Self::OnFile(file) if !file.has_bodies => Ok(file.with_bodies().context(CANNOT_READ)?.into()),
            other => Ok(other.clone()),
        }
    }
}

const CANNOT_READ: &str = "cannot read more of the module's file";
const OTHER_LENGTH: &str = "it has not as many bytes as when it was opened";

/// The file of a module, which stays open. What was needed for certain was read at once, and kept; all that counts was hashed, if it
/// may be in a cache.
///
/// What is read of it later is compared with the hashes. So a file that was written to in the meantime is an error where it is
/// needed, and never another module's code. What custom sections hold has no hashes: it is what the file has when it is asked for.
/// A file that was replaced, as by renaming another one to its name, is still there.
///
/// # Invariants
///
/// * A byte is read once and for all: what is in memory is not read again, though its hash would be the same. What is read as a whole
///   ([`WasmBytes::read`], [`WasmBytes::with_bodies`]) is used as a whole, beside this.
pub(crate) struct ModuleFile {
    file: Arc<File>,
    threads: usize,
    hasher: Option<Arc<ModuleHasher>>,
    outline: Outline,
    kept: Section,
    /// Whether bodies are among that.
    has_bodies: bool,
    /// What was needed since, with what is in one piece with it.
    rest: OnceLock<WrittenOnce<Option<Failure>>>,
}

impl From<ModuleFile> for WasmBytes {
    /// The file, unless nothing is there that is not kept.
    fn from(module: ModuleFile) -> Self {
        if (0..module.outline.pieces()).all(|number| module.is_kept(number)) {
            Self::Whole(module.kept)
        } else {
            Self::OnFile(Arc::new(module))
        }
    }
}

/// That a piece of a file could not be read, and why.
struct Failure {
    number: usize,
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
    /// These bytes, unless it has not as many.
    fn get(&self, range: Range<usize>) -> Result<Option<&[u8]>> {
        let mut numbers = range.start / PIECE_BYTES..range.end.div_ceil(PIECE_BYTES);
        if numbers.all(|number| self.is_kept(number)) {
            return Ok(self.kept.bytes().get(range));
        }
        let write = |failure: &mut _, number, piece: &mut [u8]| match self.known(number) {
            Some(known) => {
                piece.copy_from_slice(known);
                Ok(())
            }
            None => self.read_unless_failed(failure, number, piece),
        };
        self.rest().and_then(|rest| rest.get(range, write)).context(CANNOT_READ)
    }

    fn rest(&self) -> Result<&WrittenOnce<Option<Failure>>> {
        if let Some(rest) = self.rest.get() {
            return Ok(rest);
        }
        let rest = WrittenOnce::new(self.kept.bytes().len(), None)?;
        Ok(self.rest.get_or_init(|| rest))
    }

    fn is_kept(&self, number: usize) -> bool {
        !self.outline.is_unneeded(number, self.has_bodies)
    }

    /// The piece of this number, if it is among what is kept.
    ///
    /// Whoever could find other bytes with the hash of these would have a module of parts that do not fit, if they were read anew.
    fn known(&self, number: usize) -> Option<&[u8]> {
        let start = number * PIECE_BYTES;
        self.is_kept(number)
            .then(|| &self.kept.bytes()[start..self.kept.bytes().len().min(start + PIECE_BYTES)])
    }

    fn read_unless_failed(
        &self,
        failure: &mut Option<Failure>,
        number: usize,
        piece: &mut [u8],
    ) -> Result<()> {
        let state = FileState::of(&self.file)?;
        if let Some(failure) = failure
            && (failure.number, &failure.state) == (number, &state)
            && failure.at.elapsed() < FAILURE
        {
            return Err(Error::msg(failure.why.clone()));
        }
        let read = self.read(state.bytes, number, piece);
        let failed =
            |error: &io::Error| Failure { number, state, at: Instant::now(), why: error.to_string() };
        *failure = read.as_ref().err().map(failed);
        Ok(read?)
    }

    /// Reads the piece of this number from the file, which has so many bytes now.
    fn read(&self, bytes: u64, number: usize, piece: &mut [u8]) -> io::Result<()> {
        if bytes != self.kept.bytes().len() as u64 {
            return Err(io::Error::other(OTHER_LENGTH));
        }
        self.file.read_exact_at(piece, (number * PIECE_BYTES) as u64)?;
        self.check(number, piece)
    }

    /// Refuses a piece that is not what it was, as far as that matters.
    fn check(&self, number: usize, piece: &[u8]) -> io::Result<()> {
        let is_same = |hasher: &Arc<ModuleHasher>| hasher.is_same(number, piece);
        if self.outline.counts(number) && !self.hasher.as_ref().is_some_and(is_same) {
            return Err(io::Error::other("it was written to since it was opened"));
        }
        Ok(())
    }

    /// The same file, with its bodies among what is kept.
    fn with_bodies(&self) -> io::Result<Self> {
        let kept = self.read_all(PieceUse::Left)?;
        let (file, hasher, outline) = (self.file.clone(), self.hasher.clone(), self.outline.clone());
        Ok(Self {
            file,
            threads: self.threads,
            hasher,
            outline,
            kept,
            has_bodies: true,
            rest: OnceLock::new(),
        })
    }

    /// All of it; what custom sections hold as `customs` says.
    fn read_all(&self, customs: PieceUse<'_>) -> io::Result<Section> {
        let piece_use = |number| match self.known(number) {
            Some(known) => PieceUse::Known(known),
            None if self.outline.counts(number) => PieceUse::Kept,
            None => customs,
        };
        let check = |number, piece: &[u8]| self.check(number, piece);
        let len = self.kept.bytes().len();
        if FileState::of(&self.file)?.bytes != len as u64 {
            return Err(io::Error::other(OTHER_LENGTH));
        }
        read_pieces(&self.file, len, self.threads, piece_use, check)
    }
}
