//! Running one program under one policy, and comparing.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::setting::{Guest, Program, Run, data, guests, repository};

/// After this long a run is ended, and has failed. The longest takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(600);

/// How a guest becomes code. Each program is tested under each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// `waft run MODULE`: by the baseline tier as it is called, anew where it is hot.
    OnTheRun,
    /// `waft run --tier baseline MODULE`.
    Baseline,
    /// `waft run --tier optimized --compile lazy MODULE`.
    Lazily,
    /// `waft compile MODULE -o ARTIFACT`, then `waft run ARTIFACT`.
    AheadOfTime,
}

/// Runs the program and panics unless everything is as its row says.
pub(crate) fn check(name: &str, program: &Program, policy: Policy) {
    if let Some(reason) = program.runs.iter().find_map(|run| reason_to_leave_out(&run.guest)) {
        // Written past the test harness, which would keep it to itself: what is left out must be seen.
        let _ = writeln!(std::io::stderr(), "left out: {name} ({policy:?}): {reason}");
        return;
    }
    let scratch = fresh_scratch(name, policy);
    (program.lay_out)(&scratch).expect("laying out the scratch folder");
    if let Some(reason) = program.refused_for {
        return check_refused(name, &program.runs[0], &scratch, reason);
    }
    for (index, run) in program.runs.iter().enumerate() {
        let output = start(run, &scratch, policy, index);
        compare(name, run, &output);
    }
    (program.inspect)(&scratch);
    fs::remove_dir_all(&scratch).expect("removing the scratch folder");
}

/// The error of a program that needs what is not there yet says so: the day that it does not, its row must change.
fn check_refused(name: &str, run: &Run, scratch: &Path, reason: &str) {
    let output = start(run, scratch, Policy::OnTheRun, 0);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(1) && stderr.contains(reason),
        "{name} is not refused with `{reason}`: if what it needs is there now, take `refused_for` off its row\n{stderr}"
    );
}

/// Why this guest cannot be run here, if it cannot.
///
/// # Panics
///
/// The guest is missing though the guests were built and it is not listed as left out.
pub(crate) fn reason_to_leave_out(guest: &Guest) -> Option<String> {
    let Guest::Built(name) = guest else { return None };
    if module_of(name).exists() {
        return None;
    }
    let list = fs::read_to_string(guests().join("left-out.txt")).unwrap_or_default();
    let listed = list.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    if let Some(reason) = listed {
        return Some(reason.to_owned());
    }
    assert!(
        env::var_os("WAFT_GUESTS_REQUIRED").is_none_or(|value| value != "1"),
        "the guest {name} was not built"
    );
    Some("no such guest here: `cargo xtask guests` makes it".to_owned())
}

pub(crate) fn module_of(name: &str) -> PathBuf {
    guests().join("wasm").join(format!("{name}.wasm"))
}

fn fresh_scratch(name: &str, policy: Policy) -> PathBuf {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{policy:?}"));
    if scratch.exists() {
        fs::remove_dir_all(&scratch).expect("removing what an earlier run left");
    }
    fs::create_dir_all(&scratch).expect("making a scratch folder");
    scratch
}

/// Starts one run and waits for its end.
fn start(run: &Run, scratch: &Path, policy: Policy, index: usize) -> Output {
    let module = match run.guest {
        Guest::Built(name) => module_of(name),
        Guest::Made(name) => scratch.join(name),
    };
    let module = match policy {
        Policy::OnTheRun | Policy::Baseline | Policy::Lazily => module,
        Policy::AheadOfTime => compile(&module, run.flags, scratch, index),
    };
    let mut command = Command::new(waft());
    command.arg("run").args(run.flags);
    match policy {
        // A cache of the tests' own: the first run of a guest by this build compiles it, the others find that.
        Policy::OnTheRun | Policy::AheadOfTime => {
            command.arg("--cache-dir").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
        }
        Policy::Baseline => command.args(["--tier", "baseline", "--no-cache"]),
        Policy::Lazily => command.args(["--tier", "optimized", "--compile", "lazy", "--no-cache"]),
    };
    for grant in run.grants {
        command.arg("--dir").arg(grant.flag(scratch));
    }
    for (key, value) in run.env {
        command.arg("--env").arg(format!("{key}={value}"));
    }
    command.arg(&module).args(run.args);
    command.stdin(run.stdin.map_or_else(Stdio::null, |path| {
        File::open(data().join(path)).unwrap_or_else(|error| panic!("tests/programs/{path}: {error}")).into()
    }));
    output_within(DEADLINE, &mut command)
}

/// Compiles ahead of time, beside the scratch folder so that the guest does not see it.
///
/// The artifact is called like the module: some guests look at the name that they are started by.
fn compile(module: &Path, flags: &[&str], scratch: &Path, index: usize) -> PathBuf {
    let program = scratch.file_name().expect("a scratch folder has a name").to_string_lossy();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled").join(format!("{program}-{index}"));
    fs::create_dir_all(&folder).expect("making a folder for artifacts");
    let artifact = folder.join(module.file_name().expect("a module has a name")).with_extension("waft");
    let mut command = Command::new(waft());
    command.arg("compile").args(flags).arg(module).arg("-o").arg(&artifact).stdin(Stdio::null());
    let output = output_within(DEADLINE, &mut command);
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    artifact
}

/// What the command came to; it is ended when its time is up.
fn output_within(limit: Duration, command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
    let id = child.id().to_string();
    let (done, waiting) = mpsc::channel();
    thread::spawn(move || {
        // The receiver is gone when time was up: nobody is there to tell.
        let _ = done.send(child.wait_with_output());
    });
    match waiting.recv_timeout(limit) {
        Ok(output) => output.expect("reading the command's output"),
        Err(_) => {
            // The test fails either way; what `kill` says adds nothing.
            let _ = Command::new("kill").args(["-9", &id]).status();
            panic!("{shown} did not end within {limit:?}");
        }
    }
}

/// Compares the three things that a run leaves: its exit code, its output, what it said on standard error.
fn compare(name: &str, run: &Run, output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let told = format!("--- standard output\n{}--- standard error\n{}", tail(&stdout), tail(&stderr));
    assert_eq!(output.status.code(), Some(run.code), "{name}: {}\n{told}", output.status);
    for needle in run.stderr {
        assert!(stderr.contains(needle), "{name}: standard error lacks `{needle}`\n{told}");
    }
    let Some(file) = run.stdout else {
        assert!(stdout.is_empty(), "{name}: printed something\n{told}");
        return;
    };
    let path = data().join("expected").join(file);
    if env::var_os("WAFT_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &output.stdout).expect("storing what is expected");
    }
    let expected =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("tests/programs/expected/{file}: {error}"));
    if let Some(difference) = first_difference(&expected, &stdout) {
        panic!("{name}: tests/programs/expected/{file}: {difference}\n--- standard error\n{}", tail(&stderr));
    }
}

fn first_difference(expected: &str, got: &str) -> Option<String> {
    if expected == got {
        return None;
    }
    let line = expected.lines().zip(got.lines()).take_while(|(a, b)| a == b).count();
    let at = |text: &str| text.lines().nth(line).map_or("(the end)".to_owned(), |line| format!("`{line}`"));
    Some(format!("line {}: expected {}, got {}", line + 1, at(expected), at(got)))
}

/// The last lines of a long text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].iter().map(|line| format!("{line}\n")).collect()
}

/// The command under test.
fn waft() -> &'static Path {
    static WAFT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found =
        WAFT.get_or_init(|| env::var_os("WAFT_BIN").map_or_else(build_waft, |path| Ok(PathBuf::from(path))));
    // A build that failed once is not tried again for each test.
    found.as_ref().unwrap_or_else(|error| panic!("{error}"))
}

/// Builds the command as this test is built, and tells where it is: two folders above the test itself.
fn build_waft() -> Result<PathBuf, String> {
    let test = env::current_exe().expect("this test has a path");
    let profile = test.ancestors().nth(2).expect("a test stands in target/PROFILE/deps").to_owned();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "waft-cli"]).current_dir(repository());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    let output = command.output().expect("starting cargo");
    if output.status.success() {
        return Ok(profile.join("waft"));
    }
    Err(format!("building the waft command: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_first_difference_is_told() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(first_difference("a\nb\n", "a\nc\n").unwrap(), "line 2: expected `b`, got `c`");
    assert_eq!(first_difference("a\nb\n", "a\n").unwrap(), "line 2: expected `b`, got (the end)");
}
