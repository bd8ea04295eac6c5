//! Runs every script under every row of the matrix: `cargo test -p waft-testkit --test wast [-- NAME...]`.
//!
//! One line a script, then a summary. Scripts on the tier's list in `tests/expect-fail/` must fail.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use waft::{Config, Engine, Result};
use waft_cli::wast::{Options, Report, run_script};
use waft_testkit::expect::ExpectFail;
use waft_testkit::matrix::{MATRIX, Row};
use waft_testkit::suite::{Script, scripts};

/// Of a script that fails, this many failures are shown: the first ones tell the story.
const FAILURES_SHOWN: usize = 8;

/// Scripts recurse until the guest's stack ends, and the thread's must be larger.
const STACK_BYTES: usize = 32 << 20;

fn main() -> ExitCode {
    match run_matrix() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Words are filters, of tiers or of scripts; flags are meant for cargo's own harness, and have no meaning here.
fn run_matrix() -> Result<bool> {
    let filters: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_row = |word: &String| MATRIX.iter().any(|row| row.tier == *word);
    let (tiers, filters): (Vec<String>, Vec<String>) = filters.into_iter().partition(is_row);
    let wanted =
        |script: &Script| filters.is_empty() || filters.iter().any(|filter| script.name.contains(filter));
    let all = scripts()?;
    let mut fine = true;
    for row in MATRIX.iter().filter(|row| tiers.is_empty() || tiers.iter().any(|tier| tier == row.tier)) {
        let list = ExpectFail::load(row.tier)?;
        fine &= names_exist(&list, &all);
        let chosen: Vec<&Script> = all.iter().filter(|script| wanted(script)).collect();
        fine &= run_row(row, &list, &chosen)?;
    }
    Ok(fine)
}

fn names_exist(list: &ExpectFail, all: &[Script]) -> bool {
    let gone: Vec<&str> =
        list.scripts().filter(|name| !all.iter().any(|script| script.name == *name)).collect();
    for name in &gone {
        println!("FAIL {name}: listed as an expected failure, but there is no such script");
    }
    gone.is_empty()
}

#[derive(Default)]
struct Totals {
    passed: usize,
    failed: usize,
    failed_as_expected: usize,
    commands: usize,
}

fn run_row(row: &Row, list: &ExpectFail, scripts: &[&Script]) -> Result<bool> {
    let totals = Mutex::new(Totals::default());
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
            let report = run(row, script).expect("every row can make an engine");
            judge(list.reason(&script.name), &report, &mut totals.lock().expect("no worker panics"));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, worker).expect("a thread can be started");
        }
    });
    let Totals { passed, failed, failed_as_expected, commands } =
        totals.into_inner().expect("no worker panics");
    println!(
        "{}, {}: {passed} passed, {failed} failed; {failed_as_expected} more failed as expected; {commands} commands passed",
        row.tier, row.policy
    );
    Ok(failed == 0)
}

fn run(row: &Row, script: &Script) -> Result<Report> {
    let mut config = Config::new();
    script.configure(&mut config);
    let engine: Engine = row.engine(config)?;
    Ok(run_script(&engine, &script.name, &script.source, &Options::default()))
}

fn judge(expected: Option<&str>, report: &Report, totals: &mut Totals) {
    let (name, failures) = (&report.file, &report.failures);
    totals.commands += report.passed;
    match (expected, failures.is_empty()) {
        (None, true) => {
            totals.passed += 1;
            println!("ok   {name} ({})", report.passed);
        }
        (Some(reason), false) => {
            totals.failed_as_expected += 1;
            println!(
                "fail {name}, as expected ({reason}): {} of {}",
                failures.len(),
                report.passed + failures.len()
            );
        }
        (Some(_), true) => {
            totals.failed += 1;
            println!("FAIL {name}: it passes; take it off tests/expect-fail");
        }
        (None, false) => {
            totals.failed += 1;
            println!("FAIL {name}: {} of {} failed", failures.len(), report.passed + failures.len());
            failures.iter().take(FAILURES_SHOWN).for_each(|failure| println!("     {failure}"));
        }
    }
}
