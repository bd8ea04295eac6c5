//! How the process ends: exit codes, and what is said on standard error before.

use crate::setup;
use std::io::{self, Write};
use std::process::ExitCode;
use waft::{Error, ProposalsNeeded, Trap, WasmBacktrace};

/// An error of ours: a file that cannot be read, a module that is not valid, an import nobody provides.
pub(crate) const FAILURE: u8 = 1;

/// A trap. A process that aborts is reported by shells as 128 + `SIGABRT`, and a trap is a guest's abort.
pub(crate) const TRAP: u8 = 134;

/// Says what went wrong, and returns [`FAILURE`].
///
/// A reader that closed our standard output (`waft inspect big.wasm | head -1`) has what it wanted: no message.
pub(crate) fn report(error: &Error) -> ExitCode {
    if !is_broken_pipe(error) {
        say(format_args!("error: {error:#}"));
        let needed = error.downcast_ref::<ProposalsNeeded>();
        if let Some(flag) = needed.and_then(|needed| setup::flag_for(needed.proposals())) {
            say(format_args!("hint: {flag} switches on what the module needs"));
        }
    }
    ExitCode::from(FAILURE)
}

/// Says where and why the guest trapped, and returns [`TRAP`].
pub(crate) fn report_trap(file: &str, trap: &Trap, error: &Error) -> ExitCode {
    report_abort(format_args!("{file}: trap: {trap}"), error)
}

/// Says which exception the guest threw and did not catch, and where, and returns [`TRAP`].
pub(crate) fn report_exception(file: &str, exception: &str, error: &Error) -> ExitCode {
    report_abort(format_args!("{file}: uncaught exception: {exception}"), error)
}

fn report_abort(what: std::fmt::Arguments<'_>, error: &Error) -> ExitCode {
    say(format_args!("error: {what}"));
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        say(format_args!("{}", backtrace.to_string().trim_end()));
    }
    ExitCode::from(TRAP)
}

/// Writes one line to standard error.
///
/// When even that cannot be written there is nobody left to tell, and the exit code still says it.
pub(crate) fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn is_broken_pipe(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
