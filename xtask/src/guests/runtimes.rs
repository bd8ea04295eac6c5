//! The language runtimes: their modules and the file systems that they want to see.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::stamp::Stamp;
use super::toolchain::{RUNTIMES, Toolchains};
use crate::step;
use crate::workspace;

/// Where each module is in the package, and what tests call it.
const MODULES: [(&str, &str); 6] = [
    ("python-3.11.3.wasm", "python.wasm"),
    ("ruby-3.2.0.wasm", "ruby.wasm"),
    ("php-cgi-8.2.0.wasm", "php.wasm"),
    ("sqlite.wasm", "sqlite.wasm"),
    ("clang.wasm", "clang.wasm"),
    ("wasm-ld.wasm", "wasm-ld.wasm"),
];

/// Archives, and the folder under `roots/` that each is unpacked into.
const ROOTS: [(&str, &str); 2] = [("python-3.11.3.tar.gz", "python"), ("clang-fs.tar.gz", "clang")];

/// Puts every module and every file system in its place.
pub(crate) fn unpack(toolchains: &Toolchains) -> Result<()> {
    for (from, to) in MODULES {
        let out = workspace::guests().join("wasm").join(to);
        let stamp = Stamp::new(to, RUNTIMES);
        if !stamp.holds(&out) {
            fs::copy(toolchains.runtimes.join(from), &out)
                .with_context(|| format!("the package holds no {from}"))?;
            stamp.set()?;
        }
    }
    for (archive, root) in ROOTS {
        let folder = workspace::guests().join("roots").join(root);
        let stamp = Stamp::new(&format!("root-{root}"), RUNTIMES);
        if !stamp.holds(&folder) {
            untar(&toolchains.runtimes.join(archive), &folder)?;
            stamp.set()?;
        }
    }
    Ok(())
}

/// Unpacks with Python, which is needed anyhow: `tar` and `gzip` may not be installed.
fn untar(archive: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut python = Command::new("python3");
    python.args(["-m", "tarfile", "-e"]).arg(archive).arg(folder);
    step::quiet(&format!("guests: unpacking {}", workspace::relative(folder)), &mut python)?;
    Ok(())
}
