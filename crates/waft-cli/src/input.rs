//! From a FILE on the command line to a module: text, binary or precompiled, told apart by content.
//!
//! # Invariants
//!
//! * A precompiled file is native code, which a checksum protects from damage but not from malice. It is loaded through
//!   `Module::from_trusted_file` alone, which takes only a file that we or root own and others cannot write: the rule
//!   that `sudo` and `ssh` have for their files. What comes through a pipe has no owner, and is refused.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use waft::{Engine, Error, Module, Result, bail};

/// Enough of a file to know what it is.
const HEAD_BYTES: u64 = 64;

/// A FILE, looked at but not compiled.
pub(crate) struct Input {
    /// What messages call it.
    pub(crate) name: String,
    content: Content,
}

enum Content {
    /// Text or binary, which [`Module::new`] tells apart.
    Source(Vec<u8>),
    /// A file with the like, and its size: it need not be read if its code is in the cache.
    SourceFile(PathBuf, u64),
    /// Where it is, for it is mapped rather than read.
    Precompiled(PathBuf),
}

impl Input {
    /// Looks at FILE; reads standard input for `-`.
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
            return Ok(Input { name, content: Content::Precompiled(path.to_owned()) });
        }
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_file() {
            return Ok(Input { name, content: Content::SourceFile(path.to_owned(), metadata.len()) });
        }
        // What comes through a pipe comes once.
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

    /// The size of the source; `None` for a precompiled file, which is mapped.
    pub(crate) fn source_bytes(&self) -> Option<u64> {
        match &self.content {
            Content::Source(bytes) => Some(bytes.len() as u64),
            Content::SourceFile(_, bytes) => Some(*bytes),
            Content::Precompiled(_) => None,
        }
    }

    /// Decodes the source without compiling it, or maps the precompiled code.
    pub(crate) fn into_decoded(self, engine: &Engine) -> Result<Module> {
        match &self.content {
            Content::Source(bytes) => Module::decode(engine, bytes).map_err(|error| error.context(self.name)),
            Content::SourceFile(path, _) => {
                let bytes = std::fs::read(path)
                    .map_err(|error| Error::new(error).context(format!("cannot read {}", self.name)))?;
                Module::decode(engine, bytes).map_err(|error| error.context(format!("module {}", self.name)))
            }
            Content::Precompiled(_) => self.into_module(engine),
        }
    }

    /// Compiles the source, or maps the precompiled code.
    pub(crate) fn into_module(self, engine: &Engine) -> Result<Module> {
        match &self.content {
            Content::Source(bytes) => Module::new(engine, bytes).map_err(|error| error.context(self.name)),
            // These errors name the file.
            Content::SourceFile(path, _) => Module::from_file(engine, path),
            Content::Precompiled(path) => Module::from_trusted_file(engine, path),
        }
    }
}
