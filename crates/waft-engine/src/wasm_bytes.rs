//! The bytes of a module, as far as they are in memory.
//!
//! A module whose code was found in the cache needs few of them: what it declares, and its data. Its bodies are needed when a
//! function is compiled that no earlier process compiled, its names when a backtrace is shown. So of a large file that is all
//! that is kept. The rest is read when it is asked for, and must be what it was: see [`ModuleFile`].

use crate::artifact::Section;
use crate::cache::{CacheKey, ModuleHasher};
use crate::outline::Outline;
use crate::pieces::PIECE_BYTES;
use crate::vm::{PieceUse, large_file_bytes, read_pieces};
use anyhow::{Context as _, Error, Result};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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

    /// The bodies of its functions, where they are in the module, after what tells where; anything may stand behind them.
    ///
    /// # Errors
    ///
    /// If it does not have them any more.
    pub(crate) fn code(&self) -> Result<&[u8]> {
        match self {
            Self::Whole(section) => Ok(section.bytes()),
            Self::WithoutCode(_) => anyhow::bail!("the module does not have its bodies any more"),
            Self::OnFile(file) => file.code(),
        }
    }

    /// All that there is of it.
    ///
    /// # Errors
    ///
    /// If its file cannot be read any more, or has changed.
    pub(crate) fn whole(&self) -> Result<&Section> {
        match self {
            Self::Whole(section) | Self::WithoutCode(section) => Ok(section),
            Self::OnFile(file) => file.whole(),
        }
    }
}

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
    code: OnceLock<Section>,
    whole: OnceLock<Section>,
    /// Held by who reads, so that nothing is read twice at once.
    reading: Mutex<Option<Failure>>,
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
        Ok(Some(Self {
            file: file.try_clone()?,
            threads,
            hasher,
            outline,
            declarations,
            code: OnceLock::new(),
            whole: OnceLock::new(),
            reading: Mutex::default(),
        }))
    }

    pub(crate) fn hasher(&self) -> &ModuleHasher {
        &self.hasher
    }

    fn code(&self) -> Result<&[u8]> {
        // With all that stands before it, so that it is found.
        let is_wanted = |number| self.outline.is_before_code_end(number);
        Ok(self.load(|| self.whole.get().or(self.code.get()), &self.code, is_wanted)?.bytes())
    }

    fn whole(&self) -> Result<&Section> {
        self.load(|| self.whole.get(), &self.whole, |_| true)
    }

    /// What is `known`, or else the pieces that are wanted, read to be `loaded`.
    fn load<'f>(
        &self,
        known: impl Fn() -> Option<&'f Section>,
        loaded: &'f OnceLock<Section>,
        is_wanted: impl Fn(usize) -> bool + Sync,
    ) -> Result<&'f Section> {
        if let Some(known) = known() {
            return Ok(known);
        }
        let mut failure = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have read it meanwhile, or more than it.
        if let Some(known) = known() {
            return Ok(known);
        }
        let read = self.read_unless_failed(&mut failure, is_wanted);
        let read = read.context("cannot read more of the module's file")?;
        Ok(loaded.get_or_init(|| read))
    }

    fn read_unless_failed(
        &self,
        failure: &mut Option<Failure>,
        is_wanted: impl Fn(usize) -> bool + Sync,
    ) -> Result<Section> {
        let state = FileState::of(&self.file)?;
        if let Some(failure) = failure
            && failure.state == state
            && failure.at.elapsed() < FAILURE
        {
            return Err(Error::msg(failure.why.clone()));
        }
        let read = self.read(state.bytes, is_wanted);
        let failed = |error: &io::Error| Failure { state, at: Instant::now(), why: error.to_string() };
        *failure = read.as_ref().err().map(failed);
        Ok(read?)
    }

    fn read(&self, bytes: u64, is_wanted: impl Fn(usize) -> bool + Sync) -> io::Result<Section> {
        let len = self.hasher.len();
        if bytes != len as u64 {
            return Err(io::Error::other("it has not as many bytes as when it was opened"));
        }
        // Whoever could find other bytes with the hash of these would otherwise have a module of parts that do not fit.
        let keep = |number: usize| {
            let known = match self.code.get() {
                _ if !is_wanted(number) => return PieceUse::Left,
                _ if !self.outline.is_unneeded(number) => &self.declarations,
                Some(code) if self.outline.is_before_code_end(number) => code,
                _ => return PieceUse::Kept,
            };
            let start = number * PIECE_BYTES;
            PieceUse::Known(&known.bytes()[start..len.min(start + PIECE_BYTES)])
        };
        let look = |number, piece: &[u8]| {
            let is_same = self.hasher.is_same(number, piece);
            is_same.then_some(()).ok_or_else(|| io::Error::other("it was written to since it was opened"))
        };
        read_pieces(&self.file, len, self.threads, keep, look)
    }
}
