//! The `waft` command: run, compile and inspect WebAssembly from a shell.
//!
//! One subcommand is one file of `command`. The library half exists for two users: the binary, which is
//! [`main`] and nothing else, and the conformance tests, which drive [`wast`].
//!
//! # Exit codes
//!
//! The guest's own; 134 for a trap (what a shell reports for an aborted process); 1 for an error of ours;
//! 2 for a command line that makes no sense. `exit` holds the numbers.
//!
//! # Invariants
//!
//! * Only the public API of `waft` and `waft-wasi` is used: what an embedder cannot do, this command cannot.
//! * A guest is given what the command line names, and nothing else.

#![forbid(unsafe_code)]

mod cache;
mod command;
mod describe;
mod exit;
mod grant;
mod input;
mod invoke;
mod json;
mod limits;
mod needs;
mod output;
mod program;
mod setup;
mod stack;
mod timeout;
mod units;
pub mod wast;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A WebAssembly runtime for servers.
#[derive(Parser)]
#[command(name = "waft", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(command::run::Run),
    Explain(command::explain::Explain),
    Compile(command::compile::Compile),
    Inspect(command::inspect::Inspect),
    Cache(command::cache::CacheCommand),
    Wast(command::wast::Wast),
    Completion(command::completion::Completion),
}

/// Runs the command that the process was started with, and says how the process should end.
///
/// A command line that makes no sense ends the process here, with code 2, as does `--help` with code 0.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(run) => run.execute(),
        Command::Explain(explain) => explain.execute(),
        Command::Compile(compile) => compile.execute(),
        Command::Inspect(inspect) => inspect.execute(),
        Command::Cache(cache) => cache.execute(),
        Command::Wast(wast) => wast.execute(),
        Command::Completion(completion) => completion.execute(),
    };
    result.unwrap_or_else(|error| exit::report(&error))
}
