//! `cargo xtask ci`: the checks, then the tests.

use anyhow::{Result, bail};

use crate::step;
use crate::test;
use crate::tidy;
use crate::workspace;

pub(crate) const HELP: &str = "\
Everything that must hold before a change lands, in this order: formatting, clippy with
warnings denied, documentation with warnings denied, `tidy`, and `test`.

Usage: cargo xtask ci [--checks]

Options:
  --checks    Leave out the tests

Examples:
  cargo xtask ci
  cargo xtask ci --checks
";

/// `cargo xtask ci`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => checks().and(test::run(&[])),
        [flag] if flag == "--checks" => checks(),
        _ => bail!("unknown arguments {args:?}: see `cargo xtask ci --help`"),
    }
}

/// The quickest check goes first; each is run though an earlier one failed, so that one run tells everything.
fn checks() -> Result<()> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if let Err(error) = check() {
            eprintln!("error: {error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("checks failed: {}", failed.join(", ")) }
}

type Check = fn() -> Result<()>;
const CHECKS: [(&str, Check); 4] = [
    ("formatting", formatting),
    ("tidy", || tidy::run(&[])),
    ("clippy", clippy),
    ("documentation", documentation),
];

fn formatting() -> Result<()> {
    step::show("ci: formatting", workspace::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]);
    step::show("ci: clippy", &mut command)
}

fn documentation() -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings");
    step::show("ci: documentation", &mut command)
}
