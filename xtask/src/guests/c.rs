//! C and C++ guests: every `tests/programs/c/*.c` and `tests/programs/cpp/*.cpp` becomes `NAME.wasm`.
//!
//! All are compiled with the same options, since the toolchain builds its C library anew for each set of options.
//! A source whose first line says `// keep: debug` keeps its debug information and names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::stamp::Stamp;
use super::strip;
use super::toolchain::{Toolchains, ZIGLANG};
use crate::step;
use crate::workspace;

/// What C is compiled for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// `wasm32-wasi`.
    Wasm,
    /// This machine's architecture, without the extensions of its processor: what a distribution would ship.
    Native,
}

/// Builds every C and C++ program that is missing or stale.
pub(crate) fn build_all(toolchains: &Toolchains) -> Result<()> {
    let sources = workspace::root().join("tests/programs");
    for source in sources_in(&sources.join("c"), "c")?.iter().chain(&sources_in(&sources.join("cpp"), "cpp")?)
    {
        let name = source.file_stem().expect("a source has a name").to_string_lossy();
        let out = workspace::guests().join("wasm").join(format!("{name}.wasm"));
        compile(&toolchains.zig, Target::Wasm, source, &out)?;
    }
    Ok(())
}

/// Compiles one source to `out`, unless that stands already.
///
/// # Errors
///
/// The compiler's own words.
pub(crate) fn compile(zig: &Path, target: Target, source: &Path, out: &Path) -> Result<()> {
    let text = fs::read_to_string(source).with_context(|| format!("reading {}", source.display()))?;
    let words = command_line(target, source);
    let mut key: Vec<&str> = words.iter().map(String::as_str).collect();
    key.push(ZIGLANG);
    let label = out.file_name().expect("an output has a name").to_string_lossy();
    let stamp = Stamp::of_files(&workspace::relative(out).replace('/', "-"), &key, &[source])?;
    if stamp.holds(out) {
        return Ok(());
    }
    let cache = workspace::guests().join("cache/zig");
    let mut command = Command::new(zig);
    command.args(&words).arg("-o").arg(out).arg(source);
    command.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    step::quiet(&format!("guests: compiling {} to {label}", workspace::relative(source)), &mut command)?;
    if target == Target::Wasm && !text.starts_with("// keep: debug") {
        let stripped = strip::without_custom_sections(&fs::read(out)?)?;
        fs::write(out, stripped)?;
    }
    stamp.set()
}

/// Sources with this extension, in order of their names.
pub(crate) fn sources_in(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let mut paths: Vec<_> =
        paths.into_iter().filter(|p| p.extension().is_some_and(|e| e == extension)).collect();
    paths.sort();
    Ok(paths)
}

fn command_line(target: Target, source: &Path) -> Vec<String> {
    let cpp = source.extension().is_some_and(|extension| extension == "cpp");
    let triple = match target {
        Target::Wasm => "wasm32-wasi".to_owned(),
        Target::Native => format!("{}-linux-gnu", std::env::consts::ARCH),
    };
    let mut words = vec![if cpp { "c++" } else { "cc" }.to_owned(), "-target".to_owned(), triple];
    words.extend(["-O3", "-g", "-Wall", "-Wextra", "-Werror"].map(str::to_owned));
    words.extend(
        if cpp { ["-std=c++20", "-fno-exceptions"] } else { ["-std=gnu17", "-ffp-contract=off"] }
            .map(str::to_owned),
    );
    if target == Target::Native {
        words.push("-lm".to_owned());
    }
    words
}
