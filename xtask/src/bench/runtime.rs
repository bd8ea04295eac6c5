//! What runs a program: Waft, a peer, or the machine itself. How each is told to compile and to run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::step;
use crate::workspace;

/// One column of the tables.
pub(super) struct Runtime {
    pub(super) kind: Kind,
    /// What it says of itself.
    pub(super) version: String,
    program: PathBuf,
}

/// Which runtime it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Waft,
    /// Waft with all code compiled by the optimizing tier, before the program starts.
    Eager,
    Wasmtime,
    Wasmer,
    Wasmi,
    Node,
    Native,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Waft => "waft",
            Self::Eager => "eager",
            Self::Wasmtime => "wasmtime",
            Self::Wasmer => "wasmer",
            Self::Wasmi => "wasmi",
            Self::Node => "node",
            Self::Native => "native",
        }
    }
}

/// Not all that the programs use is on by default there; of its collectors, the one that copies is measured.
const WASMTIME_FEATURES: &[&str] =
    &["-W", "gc=y,function-references=y,exceptions=y,tail-call=y", "-C", "collector=copying"];

impl Runtime {
    /// Compiles a module ahead of time; `None` where there is no such thing.
    pub(super) fn compile(&self, module: &Path, artifact: &Path) -> Option<Command> {
        let mut command = Command::new(&self.program);
        command.arg("compile");
        match self.kind {
            Kind::Waft | Kind::Eager => {}
            Kind::Wasmtime => drop(command.args(WASMTIME_FEATURES)),
            Kind::Wasmer => drop(command.arg("--cranelift")),
            Kind::Wasmi | Kind::Node | Kind::Native => return None,
        }
        command.arg("-o").arg(artifact).arg(module);
        Some(command)
    }

    /// Runs what [`Self::compile`] made, or the module itself where nothing is compiled ahead.
    pub(super) fn run_compiled(&self, module: &Path, artifact: &Path, native: &Path) -> Command {
        match self.kind {
            Kind::Waft | Kind::Eager => self.with(&["run"], artifact),
            Kind::Wasmtime => {
                self.with(&[&["run", "--allow-precompiled"], WASMTIME_FEATURES].concat(), artifact)
            }
            Kind::Wasmer => self.with(&["run"], artifact),
            Kind::Wasmi | Kind::Node | Kind::Native => self.run(module, native),
        }
    }

    /// Runs a module from its bytes, with no cache of earlier work.
    pub(super) fn run(&self, module: &Path, native: &Path) -> Command {
        match self.kind {
            Kind::Waft => self.with(&["run", "--no-cache"], module),
            Kind::Eager => self.with(&["run", "--no-cache", "--tier", "optimized"], module),
            Kind::Wasmtime => self.with(&["run", "-C", "cache=n"], module),
            Kind::Wasmer => self.with(&["run", "--cranelift", "--disable-cache"], module),
            Kind::Wasmi => self.with(&["run"], module),
            Kind::Node => {
                let mut command = Command::new(&self.program);
                command
                    .arg("--no-warnings")
                    .arg(workspace::root().join("bench/workloads/node.mjs"))
                    .arg(module);
                command
            }
            Kind::Native => Command::new(native),
        }
    }

    /// Runs a module with what is kept in a cache of its own, in this folder; `None` where there is no such thing.
    pub(super) fn run_again(&self, module: &Path, cache: &Path) -> Option<Command> {
        let mut command = match self.kind {
            Kind::Waft => self.with(&["run"], module),
            Kind::Wasmtime => self.with(&["run", "-C", "cache=y"], module),
            _ => return None,
        };
        command.env("XDG_CACHE_HOME", cache);
        Some(command)
    }

    /// What the collector of Waft did while it ran an artifact.
    pub(super) fn gc_stats(&self, artifact: &Path) -> Result<String> {
        debug_assert_eq!(self.kind, Kind::Waft);
        let output = self.with(&["run", "--gc-stats"], artifact).output().context("cannot start waft")?;
        Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    fn with(&self, args: &[&str], file: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).arg(file);
        command
    }
}

/// Waft, every peer that is there, and native code.
pub(super) fn find(waft: PathBuf, peers: Option<&Path>) -> Result<Vec<Runtime>> {
    let ours = ask(Kind::Waft, waft).context("the waft command does not tell its version")?;
    let eager = Runtime {
        kind: Kind::Eager,
        version: "eager: the same, all compiled before the program starts, by the optimizing tier".to_owned(),
        program: ours.program.clone(),
    };
    let mut runtimes = vec![ours, eager];
    for kind in [Kind::Wasmtime, Kind::Wasmer, Kind::Wasmi, Kind::Node] {
        match look_for(kind.name(), peers).map(|program| ask(kind, program)) {
            Some(Ok(runtime)) => runtimes.push(runtime),
            Some(Err(error)) => step::heading(&format!("bench: left out {}: {error:#}", kind.name())),
            None => step::heading(&format!("bench: left out {}: not on PATH", kind.name())),
        }
    }
    runtimes.push(Runtime {
        kind: Kind::Native,
        version: "native: clang -O3".to_owned(),
        program: PathBuf::new(),
    });
    Ok(runtimes)
}

fn look_for(name: &str, first: Option<&Path>) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = first.map(Path::to_path_buf).into_iter().chain(env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn ask(kind: Kind, program: PathBuf) -> Result<Runtime> {
    let version = step::capture(Command::new(&program).arg("--version"))?;
    let version = version.lines().next().unwrap_or_default().trim();
    // Some say their name, some do not.
    let version = if version.starts_with(kind.name()) {
        version.to_owned()
    } else {
        format!("{} {version}", kind.name())
    };
    Ok(Runtime { kind, version, program })
}
