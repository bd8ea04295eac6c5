//! `cargo xtask bench`: Waft against its peers, in turn, in one run.
//!
//! Every workload runs under every runtime in every round, in an order that turns, so that whatever else the machine
//! does falls on all alike. What is told is the median of the paired ratios; times are there to judge their size.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::guests;
use crate::step;
use crate::workspace;

mod measure;
mod record;
mod runtime;
mod workload;

use record::Record;
use workload::{Group, Workload};

pub(crate) const HELP: &str = "\
Measures Waft against the peers that are found on PATH (wasmtime, wasmer, wasmi, node), against
its own code compiled ahead of time (\"eager\"), and against
native code, and writes the ratios to bench/records/YYYY-MM-DD.md:

  compute    programs in C, compiled ahead of time (node compiles as it runs)
  long       the same from bytes, compiling counted
  bytes      large programs from bytes to the end of a short run
  again      the same once more, with what a cache keeps
  compile    whole modules: CPython, Ruby, a Go program
  start      from process start to exit of a small program, compiled or not
  calls      one million small writes, one million reads of 8 bytes
  control    recursion, tail calls, exceptions thrown and not thrown
  gc         objects that a collector manages: trees, a splay tree, tasks; with its pauses

Fetches the guests if they are not there, and builds `waft` in release mode, which takes minutes.

Usage: cargo xtask bench [OPTIONS] [WORD]...

Arguments:
  WORD...          Only workloads whose group or name contains one of these

Options:
  --rounds N       Rounds for each workload (default: 5)
  --peers DIR      Look for peers in this folder first
  --waft FILE      Measure this `waft` instead of building one
  --no-record      Print only

Examples:
  cargo xtask bench
  cargo xtask bench compute --rounds 9
  cargo xtask bench fib calls --no-record
";

/// What the command line asks for.
struct Options {
    words: Vec<String>,
    rounds: usize,
    peers: Option<PathBuf>,
    waft: Option<PathBuf>,
    record: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self { words: Vec::new(), rounds: 5, peers: None, waft: None, record: true };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--rounds" => options.rounds = value()?.parse().context("--rounds needs a number")?,
                "--peers" => options.peers = Some(PathBuf::from(value()?)),
                "--waft" => options.waft = Some(PathBuf::from(value()?)),
                "--no-record" => options.record = false,
                flag if flag.starts_with('-') => {
                    bail!("unknown option {flag}: see `cargo xtask bench --help`")
                }
                word => options.words.push(word.to_owned()),
            }
        }
        if options.rounds == 0 {
            bail!("--rounds needs at least 1");
        }
        Ok(options)
    }

    fn wants(&self, workload: &Workload) -> bool {
        let hit =
            |word: &String| workload.group.name().contains(word) || workload.name.contains(word.as_str());
        self.words.is_empty() || self.words.iter().any(hit)
    }
}

/// `cargo xtask bench`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let options = Options::parse(args)?;
    guests::build_all()?;
    let waft = match &options.waft {
        Some(waft) => waft.clone(),
        None => build_waft()?,
    };
    let runtimes = runtime::find(waft, options.peers.as_deref())?;
    for runtime in &runtimes {
        step::heading(&format!("bench: {}", runtime.version));
    }
    let workloads: Vec<Workload> = workload::all()?.into_iter().filter(|w| options.wants(w)).collect();
    if workloads.is_empty() {
        bail!("no workload is called so: see `cargo xtask bench --help` for the groups");
    }
    let mut record = Record::new(&runtimes, options.rounds);
    for workload in &workloads {
        step::heading(&format!("bench: {} {}", workload.group.name(), workload.name));
        let costs = measure::in_turn(workload, &runtimes, options.rounds)?;
        let note = (workload.group == Group::Gc && costs[0].failure.is_none())
            .then(|| runtimes[0].gc_stats(&measure::artifact_path(workload, runtimes[0].kind)))
            .transpose()?;
        record.add(workload, costs, note);
    }
    print!("{}", record.text());
    if options.record {
        let path = record.write()?;
        step::heading(&format!("bench: wrote {}", workspace::relative(&path)));
    }
    if record.waft_failed() { bail!("a workload failed under Waft") } else { Ok(()) }
}

fn build_waft() -> Result<PathBuf> {
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--package", "waft-cli"]);
    step::show("bench: building the waft command in release mode", &mut build)?;
    Ok(workspace::target().join("release/waft"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options> {
        Options::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_and_words_mix() {
        let options = parse(&["fib", "--rounds", "3", "calls", "--no-record"]).unwrap();
        assert_eq!((options.words.len(), options.rounds, options.record), (2, 3, false));
        assert!(
            parse(&["--rounds"]).is_err()
                && parse(&["--rounds", "0"]).is_err()
                && parse(&["--speed"]).is_err()
        );
    }
}
