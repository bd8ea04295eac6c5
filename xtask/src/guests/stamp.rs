//! Stamps: what a thing under `target/guests/` was made from, so that it is made once.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// The name of a made thing and a key of everything it was made from.
pub(crate) struct Stamp {
    path: PathBuf,
    key: String,
}

impl Stamp {
    /// A stamp whose key is given, such as a version.
    pub(crate) fn new(name: &str, key: &str) -> Self {
        Self { path: workspace::guests().join("stamps").join(name), key: key.to_owned() }
    }

    /// A stamp over the bytes of files and the words of a command line.
    pub(crate) fn of_files(name: &str, words: &[&str], files: &[&Path]) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        for file in files {
            fs::read(file).with_context(|| format!("reading {}", file.display()))?.hash(&mut hasher);
        }
        Ok(Self::new(name, &format!("{:016x}", hasher.finish())))
    }

    /// Whether the thing stands as this stamp says. `made` is the file or folder that must be there.
    pub(crate) fn holds(&self, made: &Path) -> bool {
        made.exists() && fs::read_to_string(&self.path).is_ok_and(|key| key == self.key)
    }

    /// Notes that the thing is now made. To be called last.
    pub(crate) fn set(&self) -> Result<()> {
        let folder = self.path.parent().expect("a stamp stands in a folder");
        fs::create_dir_all(folder)?;
        fs::write(&self.path, &self.key).with_context(|| format!("writing {}", self.path.display()))
    }
}
