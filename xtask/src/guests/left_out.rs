//! The list of guests that could not be built on this machine, and why.
//!
//! The test of real programs reads it: a missing guest that is not on the list is a failure.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::step;
use crate::workspace;

/// Guests that are missing, each with its reason.
#[derive(Default)]
pub(crate) struct LeftOut {
    lines: Vec<String>,
}

impl LeftOut {
    /// Notes that `NAME.wasm` will not be there.
    pub(crate) fn add(&mut self, name: &str, reason: &str) {
        step::heading(&format!("guests: left out {name}: {reason}"));
        self.lines.push(format!("{name}\t{reason}\n"));
    }

    /// Writes the list, empty or not.
    pub(crate) fn write(&self) -> Result<()> {
        fs::write(path(), self.lines.concat()).with_context(|| format!("writing {}", path().display()))
    }
}

fn path() -> PathBuf {
    workspace::guests().join("left-out.txt")
}
