//! MoonBit guests, which live on the collected heap: every `tests/programs/moonbit/*.mbt` becomes `NAME.wasm`.
//!
//! `moonbit.mjs` beside this file drives the compiler, in the node that came with npm.

use std::process::Command;

use anyhow::Result;

use super::c::sources_in;
use super::stamp::Stamp;
use super::toolchain::{MOONBIT, Toolchains};
use crate::step;
use crate::workspace;

/// Builds every MoonBit program that is missing or stale.
pub(crate) fn build_all(toolchains: &Toolchains) -> Result<()> {
    let driver = workspace::root().join("xtask/src/guests/moonbit.mjs");
    for source in sources_in(&workspace::root().join("tests/programs/moonbit"), "mbt")? {
        let name = source.file_stem().expect("a source has a name").to_string_lossy();
        let out = workspace::guests().join("wasm").join(format!("{name}.wasm"));
        let stamp = Stamp::of_files(&format!("moonbit-{name}"), &[MOONBIT], &[&source, &driver])?;
        if stamp.holds(&out) {
            continue;
        }
        let mut command = Command::new("node");
        command.arg(&driver).arg(&toolchains.moonbit).arg(&source).arg(&out);
        step::quiet(
            &format!("guests: compiling MoonBit program {name}, and the library it uses"),
            &mut command,
        )?;
        stamp.set()?;
    }
    Ok(())
}
