//! AssemblyScript guests: every `tests/programs/assemblyscript/*.ts` becomes `NAME.wasm`.
//!
//! The compiler runs in the node that came with npm. Each program exports `stop`, which is called where it gives up.

use std::process::Command;

use anyhow::Result;

use super::c::sources_in;
use super::stamp::Stamp;
use super::toolchain::{ASSEMBLYSCRIPT, Toolchains};
use crate::step;
use crate::workspace;

/// Builds every AssemblyScript program that is missing or stale.
pub(crate) fn build_all(toolchains: &Toolchains) -> Result<()> {
    let folder = workspace::root().join("tests/programs/assemblyscript");
    for source in sources_in(&folder, "ts")? {
        let name = source.file_stem().expect("a source has a name").to_string_lossy();
        let out = workspace::guests().join("wasm").join(format!("{name}.wasm"));
        let stop = format!("abort={name}/stop");
        let words = [
            "-O3",
            "--runtime",
            "incremental",
            "--exportStart",
            "_start",
            "--enable",
            "simd,relaxed-simd",
            "--use",
            &stop,
        ];
        let mut key = words.to_vec();
        key.push(ASSEMBLYSCRIPT);
        let stamp = Stamp::of_files(&format!("assemblyscript-{name}"), &key, &[&source])?;
        if stamp.holds(&out) {
            continue;
        }
        let mut command = Command::new("node");
        command.arg(&toolchains.asc).arg(format!("{name}.ts")).args(words);
        command.arg("--baseDir").arg(&folder).arg("--outFile").arg(&out);
        step::quiet(&format!("guests: compiling AssemblyScript program {name}"), &mut command)?;
        stamp.set()?;
    }
    Ok(())
}
