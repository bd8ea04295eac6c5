//! Every automation of the repository: `cargo xtask COMMAND`.
//!
//! One table, [`COMMANDS`], names every command; help is printed from it.
//!
//! # Invariants
//!
//! * A command prints what it is about to do before it does it, and exits with a status other than 0 if any part failed.
//! * Nothing is written outside `target/`, but for the dated record of `bench`.
//! * What comes from elsewhere comes through `cargo`, `pip` and `npm` by package name and pinned version.

use std::env;
use std::process::ExitCode;

use anyhow::Result;

mod bench;
mod ci;
mod guests;
mod step;
mod tally;
mod test;
mod tidy;
mod workspace;

/// One command of `cargo xtask`.
struct Command {
    name: &'static str,
    summary: &'static str,
    /// Everything that `cargo xtask NAME --help` says after the summary.
    help: &'static str,
    run: fn(&[String]) -> Result<()>,
}

const COMMANDS: [Command; 5] = [
    Command {
        name: "ci",
        summary: "Everything that must hold before a change lands",
        help: ci::HELP,
        run: ci::run,
    },
    Command {
        name: "test",
        summary: "Fetch the guests, run every test, say the sum",
        help: test::HELP,
        run: test::run,
    },
    Command {
        name: "bench",
        summary: "Measure against the peers on PATH",
        help: bench::HELP,
        run: bench::run,
    },
    Command { name: "tidy", summary: "Check the rules of the house", help: tidy::HELP, run: tidy::run },
    Command {
        name: "guests",
        summary: "Fetch and build the guest programs",
        help: guests::HELP,
        run: guests::run,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let Some(name) = args.first() else {
        eprint!("{}", usage());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprint!("error: there is no command `{name}`\n\n{}", usage());
        return ExitCode::from(2);
    };
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("cargo xtask {}: {}\n\n{}", command.name, command.summary, command.help);
        return ExitCode::SUCCESS;
    }
    match (command.run)(&args[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let mut text = String::from("Usage: cargo xtask COMMAND [--help]\n\nCommands:\n");
    for command in &COMMANDS {
        text.push_str(&format!("  {:<8}{}\n", command.name, command.summary));
    }
    text.push_str("\nExamples:\n  cargo xtask test\n  cargo xtask ci\n  cargo xtask bench --help\n");
    text
}
