//! Running one workload under every runtime, in turn, and what each run cost.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

use super::runtime::{Kind, Runtime};
use super::workload::{Form, Group, Workload};
use crate::step;
use crate::workspace;

/// What one measurement cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) wall: Duration,
    /// Processor time in the program and in the kernel for it, all threads.
    pub(super) cpu: Duration,
    pub(super) peak_bytes: u64,
}

/// The measurements of one runtime, one a round; empty where it cannot run this, with the reason if it should.
#[derive(Debug, Default)]
pub(super) struct Costs {
    pub(super) rounds: Vec<Cost>,
    pub(super) failure: Option<String>,
}

/// Measures one workload. The result has one entry a runtime, in their order.
///
/// # Errors
///
/// Something is wrong with this machine. A runtime that fails is noted, not an error.
pub(super) fn in_turn(workload: &Workload, runtimes: &[Runtime], rounds: usize) -> Result<Vec<Costs>> {
    let mut all: Vec<Costs> = runtimes.iter().map(|_| Costs::default()).collect();
    let commands: Vec<Option<Prepared>> = runtimes
        .iter()
        .zip(&mut all)
        .map(|(runtime, costs)| prepare_or_note(workload, runtime, costs))
        .collect();
    note_different_output(&commands, &mut all);
    for round in 0..rounds {
        for turn in 0..runtimes.len() {
            let at = (round + turn) % runtimes.len();
            let Some(prepared) = commands[at].as_ref().filter(|_| all[at].failure.is_none()) else {
                continue;
            };
            match prepared.measure(workload) {
                Ok(cost) => all[at].rounds.push(cost),
                Err(error) => all[at].fail(runtimes[at].kind, &error),
            }
        }
    }
    Ok(all)
}

impl Costs {
    fn fail(&mut self, kind: Kind, error: &anyhow::Error) {
        let text = format!("{error:#}");
        step::heading(&format!("bench: {} failed: {text}", kind.name()));
        self.failure = Some(text.lines().next().unwrap_or_default().to_owned());
    }
}

/// A command line that was tried once, and what it printed then.
struct Prepared {
    words: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    output: Vec<u8>,
}

fn prepare_or_note(workload: &Workload, runtime: &Runtime, costs: &mut Costs) -> Option<Prepared> {
    match prepare(workload, runtime) {
        Ok(prepared) => prepared,
        Err(error) => {
            costs.fail(runtime.kind, &error);
            None
        }
    }
}

/// Compiles if need be, and runs once to warm the machine's file cache and to keep what is printed.
fn prepare(workload: &Workload, runtime: &Runtime) -> Result<Option<Prepared>> {
    let artifact = artifact_path(workload, runtime.kind);
    let has_part = match runtime.kind {
        Kind::Native => !workload.native.as_os_str().is_empty(),
        // Elsewhere Waft itself has its code from ahead of time.
        Kind::Eager => matches!(workload.group, Group::Long | Group::Bytes | Group::Again),
        // An interpreter takes minutes for what others compute in a second.
        Kind::Wasmi => matches!(workload.group, Group::Bytes | Group::Start),
        _ => true,
    };
    if !has_part {
        return Ok(None);
    }
    let compile = runtime.compile(&workload.module, &artifact);
    let command = match (workload.group, workload.form) {
        (Group::Compile, _) => match compile {
            Some(command) => command,
            None => return Ok(None),
        },
        (_, Form::Module) => runtime.run(&workload.module, &workload.native),
        (_, Form::Kept) if runtime.kind != Kind::Eager => {
            let cache = workspace::guests().join("bench/cache");
            match runtime.run_again(&workload.module, &cache) {
                Some(command) => command,
                None => return Ok(None),
            }
        }
        (_, Form::Compiled | Form::Kept) => {
            if let Some(mut compile) = compile {
                step::capture(&mut compile)?;
            }
            runtime.run_compiled(&workload.module, &artifact, &workload.native)
        }
    };
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(Into::into);
    let words = words.chain(workload.args.iter().map(Into::into)).collect();
    let env =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let mut prepared = Prepared { words, env, output: Vec::new() };
    let printed = workspace::guests().join("bench/printed");
    prepared.start_once(workload, &printed)?;
    if workload.stdout.is_none() && workload.group != Group::Compile {
        prepared.output = fs::read(&printed)?;
    }
    Ok(Some(prepared))
}

/// Where a runtime's compiled form of a workload is kept.
pub(super) fn artifact_path(workload: &Workload, kind: Kind) -> PathBuf {
    let name = workload.module.file_stem().expect("a module has a name").to_string_lossy();
    workspace::guests().join("bench").join(format!("{name}.{}", kind.name()))
}

/// All must print the same: a fast wrong answer is no measurement. The last, native code, is right where there is one.
fn note_different_output(commands: &[Option<Prepared>], all: &mut [Costs]) {
    let Some(right) = commands.iter().rev().flatten().next().map(|prepared| prepared.output.clone()) else {
        return;
    };
    for (prepared, costs) in commands.iter().zip(all) {
        if prepared.as_ref().is_some_and(|prepared| prepared.output != right) {
            costs.failure = Some("prints something else".to_owned());
        }
    }
}

impl Prepared {
    fn measure(&self, workload: &Workload) -> Result<Cost> {
        let mut sum = Cost::default();
        let nowhere = PathBuf::from("/dev/null");
        for _ in 0..workload.times {
            let cost = self.start_once(workload, &nowhere)?;
            sum.wall += cost.wall;
            sum.cpu += cost.cpu;
            sum.peak_bytes = sum.peak_bytes.max(cost.peak_bytes);
        }
        Ok(sum)
    }

    fn start_once(&self, workload: &Workload, stdout: &Path) -> Result<Cost> {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(File::open(&workload.stdin)?);
        let sink = workload.stdout.as_deref().unwrap_or(stdout);
        command.stdout(File::create(sink).with_context(|| format!("writing {}", sink.display()))?);
        command.stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().context("cannot start")?;
        // Nothing writes much to standard error but a failure, so reading it after the end loses nothing.
        let stderr = child.stderr.take().expect("standard error is piped");
        let used = child.wait4().context("cannot wait")?;
        let wall = started.elapsed();
        if !used.status.success() {
            let told = std::io::read_to_string(stderr).unwrap_or_default();
            bail!("{}: {}", used.status, told.trim().lines().next().unwrap_or("no reason given"));
        }
        Ok(Cost { wall, cpu: used.rusage.utime + used.rusage.stime, peak_bytes: used.rusage.maxrss })
    }
}
