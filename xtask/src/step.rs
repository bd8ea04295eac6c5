//! Running one program as one step: said before, timed, and its failure told with what it printed.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Says that a step begins.
pub(crate) fn heading(text: &str) {
    // A closed terminal is no reason to stop a build.
    let _ = writeln!(std::io::stderr(), "==> {text}");
}

/// Runs the command with its output on the terminal.
///
/// # Errors
///
/// The command cannot be started, or does not exit with 0.
pub(crate) fn show(text: &str, command: &mut Command) -> Result<()> {
    heading(text);
    let started = Instant::now();
    let status = command.status().with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("{text}: `{}` ended with {status}", describe(command));
    }
    heading(&format!("{text}: done in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs the command, keeping its output to itself unless it fails. Gives back its standard output.
///
/// # Errors
///
/// The command cannot be started, or does not exit with 0: the error then holds what it printed.
pub(crate) fn quiet(text: &str, command: &mut Command) -> Result<String> {
    heading(text);
    let started = Instant::now();
    let output = capture(command)?;
    if started.elapsed().as_secs() >= 1 {
        heading(&format!("{text}: done in {:.1} s", started.elapsed().as_secs_f64()));
    }
    Ok(output)
}

/// Like [`quiet`], without a word about it.
///
/// # Errors
///
/// As for [`quiet`].
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| cannot_start(command))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}\n{}{}", describe(command), output.status, stdout, stderr.trim_end());
    }
    Ok(stdout)
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}` (is it installed, and on PATH?)", command.get_program().to_string_lossy())
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_the_status_and_what_was_printed() {
        let error = capture(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("why"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = capture(&mut Command::new("no-such-program")).unwrap_err();
        assert!(format!("{error:#}").contains("cannot start `no-such-program`"));
    }
}
