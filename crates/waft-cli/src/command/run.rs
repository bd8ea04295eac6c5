//! `waft run`: a program runs, and how it ends is how our process ends.
//!
//! # Elsewhere
//!
//! Its flags, and how it runs: `program.rs`.

use crate::program::Program;
use clap::Args;
use std::process::ExitCode;
use waft::Result;

/// Run a program
///
/// The program gets its arguments, the standard streams, clocks and random numbers. Everything else must be granted.
/// Ends with the program's own exit code; 134 if it traps, or throws an exception that it does not catch, with a
/// backtrace on standard error; 1 for an error of waft's.
#[derive(Args)]
#[command(after_help = "\
Examples:
  waft run hello.wat
  waft run --dir . --env HOME tool.wasm --flags for the tool
  waft run --dir ./site::/srv:ro --timeout 10s --max-memory 512MiB build.wasm /srv
  waft run --invoke add math.wasm 3 5
  waft run --tier optimized --compile lazy python.wasm script.py
  waft run --tier baseline --timeout 1s test.wasm
  waft run --proposal -relaxed-simd,-tail-call --deterministic model.wasm
  waft run --no-cache app.wasm
  perf record waft run --profile perfmap app.wasm
  cat app.wasm | waft run - argument")]
pub(crate) struct Run {
    #[command(flatten)]
    program: Program,
}

impl Run {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        self.program.run(&self.program.load()?)
    }
}
