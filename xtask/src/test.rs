//! `cargo xtask test`: the guests, then every test of the workspace, then one line with the sum.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::guests;
use crate::step;
use crate::tally::{Tally, suite_counts};
use crate::workspace;

pub(crate) const HELP: &str = "\
Fetches and builds the guest programs, then runs every test: unit tests, documentation
examples, the conformance suites, and real programs (C, C++, Go, CPython, Ruby, PHP, SQLite,
clang) both compiled on the run and ahead of time. What could not be tested here is said. The
last line is `N passed, N failed, N skipped`.

Usage: cargo xtask test [--no-guests] [-- ARGUMENTS]

Options:
  --no-guests     Fetch nothing: use the guests that are there, leave out those that are not
  -- ARGUMENTS    Passed on to `cargo test --workspace`

Examples:
  cargo xtask test
  cargo xtask test --no-guests
  cargo xtask test -- --package waft-testkit --test programs python
";

/// `cargo xtask test`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let (ours, passed_on) = match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    let fetch = match ours {
        [] => true,
        [flag] if flag == "--no-guests" => false,
        _ => bail!("unknown arguments {ours:?}: see `cargo xtask test --help`"),
    };
    let summary = run_all(fetch, passed_on)?;
    summary.print();
    if summary.tally.has_failures() { bail!("there are failures") } else { Ok(()) }
}

/// What a whole run came to.
struct Summary {
    tally: Tally,
    /// Lines that are worth repeating at the end.
    notes: Vec<String>,
    started: Instant,
}

impl Summary {
    fn print(&self) {
        for note in &self.notes {
            println!("{note}");
        }
        println!("took {:.0} s", self.started.elapsed().as_secs_f64());
        println!("{}", self.tally);
    }
}

fn run_all(fetch: bool, passed_on: &[String]) -> Result<Summary> {
    let started = Instant::now();
    if fetch {
        guests::build_all()?;
    }
    let mut build = workspace::cargo();
    build.args(["build", "--package", "waft-cli"]);
    step::show("test: building the waft command", &mut build)?;
    let mut test = workspace::cargo();
    test.args(["test", "--no-fail-fast"]);
    if !passed_on.iter().any(|arg| arg == "--package" || arg == "-p") {
        test.arg("--workspace");
    }
    test.args(passed_on);
    test.env("WAFT_BIN", workspace::target().join("debug/waft"));
    // A guest that is neither there nor on the list of those left out is then a failure.
    test.env("WAFT_GUESTS_REQUIRED", if fetch { "1" } else { "0" });
    let (tally, notes) = run_counting("test: cargo test", &mut test)?;
    Ok(Summary { tally, notes, started })
}

/// Runs a test command, showing its output as it comes and counting it.
fn run_counting(text: &str, command: &mut Command) -> Result<(Tally, Vec<String>)> {
    step::heading(text);
    command
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;
    let stderr = child.stderr.take().expect("standard error is piped");
    let stdout = child.stdout.take().expect("standard output is piped");
    let errors = thread::spawn(move || show_and_read(stderr, std::io::stderr()));
    let (mut tally, mut notes) = show_and_read(stdout, std::io::stdout())?;
    let (more, more_notes) = errors.join().expect("reading a pipe does not panic")?;
    tally += more;
    notes.extend(more_notes);
    let status = child.wait()?;
    if !status.success() && !tally.has_failures() {
        tally += Tally::failure();
        notes.push(format!("`cargo test` ended with {status}"));
    }
    Ok((tally, notes))
}

/// Copies line by line, counting, and keeping the lines that the end of the run repeats.
fn show_and_read(from: impl Read, mut to: impl Write) -> Result<(Tally, Vec<String>)> {
    let mut tally = Tally::default();
    let mut notes = Vec::new();
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        tally.read_line(text);
        if is_note(text) {
            notes.push(text.to_owned());
        }
        line.clear();
    }
    Ok((tally, notes))
}

/// What was left out, what failed, and the counts of a suite with a runner of its own.
fn is_note(line: &str) -> bool {
    let failed = line.starts_with("FAIL ") || (line.starts_with("test ") && line.ends_with("FAILED"));
    failed || line.starts_with("left out: ") || suite_counts(line).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_repeats_what_matters() {
        assert!(is_note("left out: inventory (on the run): no toolchain"));
        assert!(is_note("cranelift, compiled: 258 passed, 0 failed; 9 more failed as expected"));
        assert!(is_note("test programs::files::ahead_of_time ... FAILED"));
        assert!(!is_note("test result: FAILED. 3 passed; 2 failed; 0 ignored"));
        assert!(!is_note("test tally::tests::x ... ok"));
    }
}
