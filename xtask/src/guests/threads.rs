//! C guests with threads: every `tests/programs/threads/*.c` becomes `NAME.wasm`, for wasi-threads.
//!
//! The toolchain's library is made anew with atomic operators, without which memory cannot be shared. Its threads never
//! start; `pthread_wasi.h` has some that do.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::c::sources_in;
use super::stamp::Stamp;
use super::toolchain::{Toolchains, ZIGLANG};
use crate::step;
use crate::workspace;

const OPTIONS: [&str; 10] = [
    "-target",
    "wasm32-wasi",
    "-mcpu=generic+atomics+bulk_memory",
    "-O3",
    "-g",
    "-std=gnu17",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,--shared-memory,--import-memory,--export-memory,--max-memory=67108864",
];

/// Builds every threaded program that is missing or stale.
pub(crate) fn build_all(toolchains: &Toolchains) -> Result<()> {
    let folder = workspace::root().join("tests/programs/threads");
    for source in sources_in(&folder, "c")? {
        build(&toolchains.zig, &source, &folder.join("pthread_wasi.h"))?;
    }
    Ok(())
}

fn build(zig: &Path, source: &Path, header: &Path) -> Result<()> {
    let name = source.file_stem().expect("a source has a name").to_string_lossy();
    let out = workspace::guests().join("wasm").join(format!("{name}.wasm"));
    let mut key = OPTIONS.to_vec();
    key.push(ZIGLANG);
    let stamp = Stamp::of_files(&format!("threads-{name}"), &key, &[source, header])?;
    if stamp.holds(&out) {
        return Ok(());
    }
    let cache = workspace::guests().join("cache/zig");
    let mut command = Command::new(zig);
    command.arg("cc").args(OPTIONS).arg("-o").arg(&out).arg(source);
    command.env("ZIG_GLOBAL_CACHE_DIR", &cache).env("ZIG_LOCAL_CACHE_DIR", &cache);
    step::quiet(&format!("guests: compiling {} to {name}.wasm", workspace::relative(source)), &mut command)?;
    stamp.set()
}
