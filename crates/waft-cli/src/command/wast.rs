//! `waft wast`: runs scripts of the specification's test format.

use crate::setup::Setup;
use crate::stack::with_stack;
use crate::wast::{Options, Report, run_script};
use crate::{exit, output};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use waft::{Engine, Error, Result};

/// Run test scripts (.wast) and say how many of their commands passed
///
/// Errors are compared by class (invalid, unlinkable, kind of trap), not by text. Ends with 1 if anything failed.
#[derive(Args)]
#[command(after_help = "\
Examples:
  waft wast test.wast
  waft wast spec/test/core
  waft wast --proposal -multi-memory spec-2.0/test/core")]
pub(crate) struct Wast {
    /// Scripts, or directories to search for them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    setup: Setup,
}

impl Wast {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let mut scripts = Vec::new();
        for file in &self.files {
            collect(file, &mut scripts)?;
        }
        // Scripts recurse until the stack ends: theirs must be of a known size.
        with_stack(super::THREAD_STACK_BYTES, || run_all(&self.setup.engine()?, &scripts))?
    }
}

/// Adds `path`, or what lies beneath it, in the order of names.
fn collect(path: &Path, scripts: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error: std::io::Error| Error::new(error).context(format!("cannot read {}", path.display()));
    if !path.metadata().map_err(failed)?.is_dir() {
        scripts.push(path.to_owned());
        return Ok(());
    }
    let entries = path.read_dir().map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "wast") {
            collect(&path, scripts)?;
        }
    }
    Ok(())
}

fn run_all(engine: &Engine, scripts: &[PathBuf]) -> Result<ExitCode> {
    let (mut passed, mut failed) = (0, 0);
    for path in scripts {
        let name = path.display().to_string();
        let source = std::fs::read_to_string(path)
            .map_err(|error| Error::new(error).context(format!("cannot read {name}")))?;
        let report = run_script(engine, &name, &source, &Options::default());
        print_report(&report)?;
        passed += report.passed;
        failed += report.failures.len();
    }
    if scripts.len() != 1 {
        output::print(&format!("{} scripts: {passed} passed, {failed} failed\n", scripts.len()))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILURE) })
}

fn print_report(report: &Report) -> Result<()> {
    let mut text = String::new();
    for failure in &report.failures {
        text.push_str(&format!("{failure}\n"));
    }
    text.push_str(&format!("{}: {} passed, {} failed\n", report.file, report.passed, report.failures.len()));
    output::print(&text)
}
