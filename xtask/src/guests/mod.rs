//! The guest programs: toolchains and runtimes from package registries, and what is built with them.
//!
//! Everything lands in `target/guests/`:
//!
//! | folder | what |
//! | --- | --- |
//! | `venv/`, `npm*/` | the toolchains and runtimes as `pip` and `npm` installed them |
//! | `cache/` | the toolchains' own caches |
//! | `wasm/` | one `NAME.wasm` a guest program: what tests run |
//! | `roots/` | the file systems that some runtimes want to see |
//! | `stamps/` | what each of these was made from: nothing is made twice |
//! | `left-out.txt` | what could not be built here, and why |

use std::fs;

use anyhow::{Result, bail};

use crate::step;
use crate::workspace;

mod assemblyscript;
mod c;
mod exceptions;
mod go;
mod left_out;
mod moonbit;
mod runtimes;
mod rust;
mod stamp;
mod strip;
mod threads;
mod toolchain;

pub(crate) use c::{Target, compile as compile_c, sources_in};
pub(crate) use go::build_vet;
pub(crate) use toolchain::{fetch_c, fetch_yosys};

pub(crate) const HELP: &str = "\
Fetches the guest toolchains (C, Go, AssemblyScript, MoonBit) and the language runtimes (CPython,
Ruby, SQLite, PHP, clang) through pip and npm, then builds the programs of tests/programs. Everything
lands in target/guests; what is there and still right is not made again.

Needs python3 with its venv module, and npm. What cannot be built here is said, and is left out
of the tests.

Usage: cargo xtask guests [--force]

Options:
  --force    Make everything anew (the fetched packages too)

Examples:
  cargo xtask guests
  cargo xtask guests --force
";

/// `cargo xtask guests`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => {}
        [flag] if flag == "--force" => remove_all()?,
        _ => bail!("unknown arguments {args:?}: see `cargo xtask guests --help`"),
    }
    build_all()
}

/// Fetches every toolchain and builds every guest that is missing or stale.
pub(crate) fn build_all() -> Result<()> {
    let toolchains = toolchain::fetch_all()?;
    fs::create_dir_all(workspace::guests().join("wasm"))?;
    runtimes::unpack(&toolchains)?;
    c::build_all(&toolchains)?;
    exceptions::build_all(&toolchains)?;
    threads::build_all(&toolchains)?;
    go::build_all(&toolchains)?;
    assemblyscript::build_all(&toolchains)?;
    moonbit::build_all(&toolchains)?;
    let mut missing = left_out::LeftOut::default();
    rust::build_all(&mut missing)?;
    missing.write()?;
    step::heading(&format!("guests: ready in {}", workspace::relative(&workspace::guests())));
    Ok(())
}

fn remove_all() -> Result<()> {
    let guests = workspace::guests();
    if guests.exists() {
        step::heading("guests: removing what is there");
        fs::remove_dir_all(guests)?;
    }
    Ok(())
}
