//! Rust guests: every `tests/programs/rust/*.rs`, where a compiler with a standard library for WASI is installed.
//!
//! The pinned toolchain comes without one, so this is a bonus: the tests pass without, and say so.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::c::sources_in;
use super::left_out::LeftOut;
use super::stamp::Stamp;
use crate::step;
use crate::workspace;

/// The target's names, newest first.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-wasi"];
/// Compilers to ask: the one on `PATH`, then the distribution's.
const COMPILERS: [&str; 2] = ["rustc", "/usr/bin/rustc"];

/// Builds every Rust program, or notes why it cannot.
pub(crate) fn build_all(missing: &mut LeftOut) -> Result<()> {
    let sources = sources_in(&workspace::root().join("tests/programs/rust"), "rs")?;
    let found = COMPILERS.iter().find_map(|compiler| Some((*compiler, target_of(compiler)?)));
    for source in sources {
        let name = source.file_stem().expect("a source has a name").to_string_lossy().into_owned();
        match found {
            Some((compiler, target)) => {
                if let Err(error) = build(compiler, target, &name, &source) {
                    step::heading(&format!("guests: {error:#}"));
                    missing.add(&name, &format!("{compiler} has {target}, but cannot compile for it"));
                }
            }
            None => {
                missing.add(&name, "no installed Rust toolchain has a standard library for wasm32-wasip1")
            }
        }
    }
    Ok(())
}

/// The WASI target that this compiler has a standard library for.
fn target_of(compiler: &str) -> Option<&'static str> {
    let mut command = Command::new(compiler);
    command.args(["--print", "sysroot"]);
    let sysroot = step::capture(&mut command).ok()?;
    TARGETS
        .into_iter()
        .find(|target| Path::new(sysroot.trim()).join("lib/rustlib").join(target).join("lib").is_dir())
}

fn build(compiler: &str, target: &str, name: &str, source: &Path) -> Result<()> {
    let out = workspace::guests().join("wasm").join(format!("{name}.wasm"));
    let stamp = Stamp::of_files(&format!("rust-{name}"), &[compiler, target], &[source])?;
    if stamp.holds(&out) {
        return Ok(());
    }
    let mut command = Command::new(compiler);
    command.args(["--edition", "2021", "-O", "--target", target, "-o"]).arg(&out).arg(source);
    step::quiet(&format!("guests: compiling Rust program {name}"), &mut command)?;
    stamp.set()
}
