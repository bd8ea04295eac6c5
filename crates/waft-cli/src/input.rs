//! From a FILE on the command line to a module: text, binary or precompiled, told apart by content.
//!
//! # Invariants
//!
//! * A precompiled file is native code: it is loaded only from a file that nobody but us or root could have written.
//!   The checks are made on the open file, and that same open file is loaded, so that it cannot be swapped between.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use waft::{Engine, Error, Module, Result, bail};

/// Enough of a file to know what it is.
const HEAD_BYTES: u64 = 64;

/// A FILE, read but not compiled.
pub(crate) struct Input {
    /// What messages call it.
    pub(crate) name: String,
    content: Content,
}

enum Content {
    /// Text or binary, which [`Module::new`] tells apart.
    Source(Vec<u8>),
    /// Open, for it is mapped rather than read.
    Precompiled(File),
}

impl Input {
    /// Reads FILE, or standard input for `-`.
    pub(crate) fn read(path: &Path) -> Result<Input> {
        if path.as_os_str() == "-" {
            return Input::read_stdin();
        }
        let name = path.display().to_string();
        let failed = |error: std::io::Error| Error::new(error).context(format!("cannot read {name}"));
        let mut file = File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes).map_err(failed)?;
        if Module::is_precompiled(&bytes) {
            file.rewind().map_err(failed)?;
            return Ok(Input { name, content: Content::Precompiled(file) });
        }
        file.read_to_end(&mut bytes).map_err(failed)?;
        Ok(Input { name, content: Content::Source(bytes) })
    }

    fn read_stdin() -> Result<Input> {
        let name = String::from("standard input");
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|error| Error::new(error).context("cannot read standard input"))?;
        if Module::is_precompiled(&bytes) {
            bail!(
                "standard input is a precompiled file: native code is loaded only from a file whose owner can be checked"
            );
        }
        Ok(Input { name, content: Content::Source(bytes) })
    }

    /// The size of what was read; `None` for a precompiled file, which is mapped.
    pub(crate) fn source_bytes(&self) -> Option<u64> {
        match &self.content {
            Content::Source(bytes) => Some(bytes.len() as u64),
            Content::Precompiled(_) => None,
        }
    }

    /// Compiles the source, or maps the precompiled code.
    pub(crate) fn into_module(self, engine: &Engine) -> Result<Module> {
        let module = match &self.content {
            Content::Source(bytes) => Module::new(engine, bytes),
            Content::Precompiled(file) => load_precompiled(engine, file),
        };
        module.map_err(|error| error.context(self.name))
    }
}

/// Maps the code of a file that is trusted because of who may write it.
///
/// Checksums in the file find damage, not malice: whoever may write the file runs code as us. That is what an
/// executable's permissions mean too, so the rule is the one that `sudo` and `ssh` have for their files.
fn load_precompiled(engine: &Engine, file: &File) -> Result<Module> {
    let metadata = file.metadata()?;
    let us = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        bail!("not a regular file: precompiled code is loaded from regular files only");
    }
    if metadata.uid() != us && metadata.uid() != 0 {
        bail!(
            "precompiled code is native code, and this file belongs to another user (uid {}, not {us} or root): \
             compile it again, or copy it if you trust them",
            metadata.uid()
        );
    }
    if metadata.mode() & 0o002 != 0 {
        bail!(
            "precompiled code is native code, and anybody may write this file (mode {:04o}): \
             take that right away with `chmod o-w`, if you trust its content",
            metadata.mode() & 0o7777
        );
    }
    // The path of the descriptor, not of the file: that name could mean another file by now.
    Module::from_trusted_file(engine, PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())))
}
