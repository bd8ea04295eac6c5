//! The bytes of a module, as far as they are in memory.
//!
//! A module whose code was found in the cache needs few of them: what it declares, and its data. Its bodies are needed when a
//! function is compiled that no earlier process compiled, its names when a backtrace is shown. So of a large file that is all
//! that is kept. The rest is read when it is asked for, and must be what it was: see [`ModuleFile`].

use crate::artifact::Section;
use crate::cache::{CacheKey, ModuleHasher};
use crate::outline::Outline;
use crate::vm::{PieceUse, large_file_bytes, read_pieces};
use anyhow::{Context as _, Result};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
pub(crate) struct ModuleFile {
    file: File,
    threads: usize,
    hasher: ModuleHasher,
    outline: Outline,
    declarations: Section,
    code: OnceLock<Section>,
    whole: OnceLock<Section>,
    /// Held by who reads, so that nothing is read twice at once.
    reading: Mutex<()>,
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
            reading: Mutex::new(()),
        }))
    }

    pub(crate) fn hasher(&self) -> &ModuleHasher {
        &self.hasher
    }

    fn code(&self) -> Result<&[u8]> {
        // With all that stands before it, so that it is found.
        let is_code = |number| self.outline.is_before_code_end(number);
        let loaded = match self.whole.get() {
            Some(whole) => whole,
            None => self.load(&self.code, is_code)?,
        };
        Ok(loaded.bytes())
    }

    fn whole(&self) -> Result<&Section> {
        self.load(&self.whole, |_| true)
    }

    /// The pieces that are wanted, read unless they were before.
    fn load<'f>(
        &self,
        loaded: &'f OnceLock<Section>,
        is_wanted: impl Fn(usize) -> bool + Sync,
    ) -> Result<&'f Section> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = loaded.get() {
            return Ok(loaded);
        }
        let keep = |number| if is_wanted(number) { PieceUse::Kept } else { PieceUse::Left };
        let look = |number, piece: &[u8]| {
            let is_same = self.hasher.is_same(number, piece);
            is_same.then_some(()).ok_or_else(|| io::Error::other("it was written to since it was opened"))
        };
        let read = || -> io::Result<Section> {
            let len = large_file_bytes(&self.file)?;
            if len != Some(self.hasher.len()) {
                return Err(io::Error::other("it has not as many bytes as when it was opened"));
            }
            read_pieces(&self.file, self.hasher.len(), self.threads, keep, look)
        };
        let read = read().context("cannot read more of the module's file")?;
        Ok(loaded.get_or_init(|| read))
    }
}
