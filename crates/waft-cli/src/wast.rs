//! Scripts of the specification's test format (`.wast`), run over the public API.
//!
//! Every command of a script passes or fails; none is skipped: a command that is not supported fails, and a panic
//! fails. What is expected to go wrong is compared by class (rejected, unlinkable, kind of trap), never by text: texts
//! are one implementation's wording.
//!
//! # Elsewhere
//!
//! The commands: `script`. Threads: `thread`. Values: `value`. Texts to kinds of trap: `trap`. The host module `spectest`: `spectest`.

mod script;
mod spectest;
mod thread;
mod trap;
mod value;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Scope;
use std::time::{Duration, Instant};
use thread::SharedModules;
use waft::Engine;
use wast::lexer::Lexer;
use wast::parser::{self, ParseBuffer};

/// How a script is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The longest that one script may take; a script that takes longer fails.
    pub timeout: Duration,
}

impl Default for Options {
    /// A minute: the slowest script of the specification takes a few seconds in a debug build.
    fn default() -> Options {
        Options { timeout: Duration::from_secs(60) }
    }
}

/// What became of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The name that the script was given.
    pub file: String,
    /// How many commands did what they should.
    pub passed: usize,
    /// The commands that did not, in order.
    pub failures: Vec<Failure>,
}

/// A command that did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the script.
    pub file: String,
    /// The line of the command, from 1.
    pub line: usize,
    /// What was expected, and what happened.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Runs the script `source`, called `name` in the report.
///
/// # Examples
///
/// ```
/// use waft_cli::wast::{Options, run_script};
///
/// let script = r#"
///     (module (func (export "f") (result i32) i32.const 7))
///     (assert_return (invoke "f") (i32.const 7))
///     (assert_return (invoke "f") (i32.const 8))"#;
/// let report = run_script(&waft::Engine::default(), "seven.wast", script, &Options::default());
/// assert_eq!(report.passed, 2);
/// assert_eq!(report.failures[0].line, 4);
/// ```
pub fn run_script(engine: &Engine, name: &str, source: &str, options: &Options) -> Report {
    let mut report = Report { file: name.to_owned(), passed: 0, failures: Vec::new() };
    // Strings in the specification's own tests hold characters that look like others, on purpose.
    let mut lexer = Lexer::new(source);
    lexer.allow_confusing_unicode(true);
    let parsed = ParseBuffer::new_with_lexer(lexer).map_err(|error| (error.span(), error.message()));
    let commands = parsed.as_ref().map_err(Clone::clone).and_then(|buffer| {
        parser::parse::<wast::Wast<'_>>(buffer).map_err(|error| (error.span(), error.message()))
    });
    match commands {
        Ok(commands) => {
            let setting = Setting { engine, source, file: name, deadline: Instant::now() + options.timeout };
            let done = std::thread::scope(|scope| {
                run_commands(scope, &setting, SharedModules::new(), commands.directives)
            });
            report.add(done);
        }
        Err((span, message)) => report.fail(source, span, format!("the script cannot be read: {message}")),
    }
    report
}

/// What all threads of a script have in common.
#[derive(Clone, Copy, Debug)]
struct Setting<'a> {
    engine: &'a Engine,
    source: &'a str,
    file: &'a str,
    deadline: Instant,
}

impl Setting<'_> {
    fn report(&self) -> Report {
        Report { file: self.file.to_owned(), passed: 0, failures: Vec::new() }
    }
}

/// Runs the commands of a script, or of one of its threads, which sees `shared`.
fn run_commands<'scope>(
    scope: &'scope Scope<'scope, '_>,
    setting: &'scope Setting<'scope>,
    shared: SharedModules,
    commands: Vec<wast::WastDirective<'scope>>,
) -> Report {
    let (mut report, source) = (setting.report(), setting.source);
    let mut script = match script::Script::new(scope, setting, shared) {
        Ok(script) => script,
        Err(error) => {
            report.fail(source, wast::token::Span::from_offset(0), format!("cannot start: {error:#}"));
            return report;
        }
    };
    let total = commands.len();
    for (at, command) in commands.into_iter().enumerate() {
        let span = command.span();
        // After a panic the script's store may be in any state, which is why nothing more is done with it.
        match catch_unwind(AssertUnwindSafe(|| script.run(command))) {
            Ok(Ok(())) => report.passed += 1,
            Ok(Err(what)) => report.fail(source, span, what),
            Err(panic) => {
                let rest = total - at - 1;
                let what = format!("panic: {}; {rest} more commands were not run", panic_text(&*panic));
                report.fail(source, span, what);
                break;
            }
        }
    }
    for done in script.into_threads() {
        report.add(done);
    }
    report
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

impl Report {
    fn add(&mut self, other: Report) {
        self.passed += other.passed;
        self.failures.extend(other.failures);
    }

    fn fail(&mut self, source: &str, span: wast::token::Span, what: String) {
        let line = span.linecol_in(source).0 + 1;
        self.failures.push(Failure { file: self.file.clone(), line, what });
    }
}
