//! What profilers are told about machine code: which function stands where, and its name.
//!
//! Both forms are those of Linux's `perf`. A process has one file of a form, named after its number, whichever of its engines
//! writes to it; it stays behind, because `perf` reads it afterwards.
//!
//! # Invariants
//!
//! * **F1** A function is in the file before a guest can call it.
//! * **F2** A file gets whole records, from one thread at a time, and from the process that opened it alone. After a write
//!   that failed it gets nothing any more.
//! * **F3** No name has a control character: what a guest is called cannot end a line, or a record.
//!
//! # Elsewhere
//!
//! Opening files where others may write: `profiling/file.rs`. What records look like: `profiling/record.rs`. The mapping by
//! which `perf` finds a dump: `vm/marker.rs`.

use crate::code::ModuleCode;
use crate::module::ModuleInner;
use crate::vm::{mark_mapped, thunk};
use anyhow::{Context as _, Result};
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use waft_core::index::{DefinedFuncIndex, TypedIndex};

mod file;
mod record;

use record::{Form, Record};

/// Records are written when there are so many bytes of them.
const WRITE_BYTES: usize = 1 << 20;

/// For which profiler code is described as it is compiled: see [`Config::profiler`](crate::Config::profiler).
///
/// ```
/// use waft::*;
///
/// assert_eq!(ProfilingStrategy::default(), ProfilingStrategy::None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ProfilingStrategy {
    /// For none.
    #[default]
    None,
    /// For `perf report`: addresses and names, in `/tmp/perf-PID.map`.
    PerfMap,
    /// For `perf inject --jit`: addresses, names, times and the code itself, in `jit-PID.dump` in the current directory.
    JitDump,
}

/// A file for a profiler.
pub(crate) struct Profiler {
    form: Form,
    path: PathBuf,
    /// The process that writes it.
    process: u32,
    out: Mutex<Out>,
}

/// Where records go, and what is there already.
struct Out {
    /// None after a write that failed.
    file: Option<File>,
    /// How many records there are.
    records: u64,
    /// How many blocks of thunks are described.
    thunk_blocks: usize,
}

/// The profiler of this strategy, of all engines of this process.
///
/// # Errors
///
/// If its file cannot be opened, or is not ours alone.
pub(crate) fn open(strategy: ProfilingStrategy) -> Result<Option<Arc<Profiler>>> {
    static OPEN: Mutex<Vec<Arc<Profiler>>> = Mutex::new(Vec::new());
    let form = match strategy {
        ProfilingStrategy::None => return Ok(None),
        ProfilingStrategy::PerfMap => Form::Map,
        ProfilingStrategy::JitDump => Form::Dump,
    };
    let process = std::process::id();
    // Whole whenever it is unlocked: every change to it is one call.
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = open.iter().find(|it| it.form == form && it.process == process);
    if let Some(known) = known {
        return Ok(Some(known.clone()));
    }
    let profiler = Arc::new(Profiler::open(form, process)?);
    open.push(profiler.clone());
    Ok(Some(profiler))
}

impl Profiler {
    fn open(form: Form, process: u32) -> Result<Self> {
        let (path, file) = match form {
            Form::Dump => {
                let directory =
                    std::env::current_dir().context("the current directory, for a dump of code")?;
                let path = directory.join(format!("jit-{process}.dump"));
                let file = file::open(&path, file::Found::Replace)?;
                start_dump(&file).with_context(|| format!("{}: cannot be used", path.display()))?;
                (path, file)
            }
            // Where perf looks, whatever TMPDIR says.
            Form::Map => {
                let path = PathBuf::from(format!("/tmp/perf-{process}.map"));
                let file = file::open(&path, file::Found::KeepOurs)?;
                (path, file)
            }
        };
        let out = Out { file: Some(file), records: 0, thunk_blocks: 0 };
        Ok(Self { form, path, process, out: Mutex::new(out) })
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        // A panic between writes leaves whole records, and at worst a number that is given twice.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Describes code.
    fn write<'c>(&self, records: impl Iterator<Item = Record<'c>>) {
        self.write_locked(&mut self.out(), records);
    }

    fn write_locked<'c>(&self, out: &mut Out, records: impl Iterator<Item = Record<'c>>) {
        // A forked process has the file as well, and other code at the same addresses.
        let Some(file) = out.file.as_mut().filter(|_| self.process == std::process::id()) else { return };
        let mut bytes = Vec::new();
        let write = || -> io::Result<()> {
            for record in records {
                match self.form {
                    Form::Map => record.put_mapped(&mut bytes),
                    Form::Dump => record.put_dumped(&mut bytes, out.records),
                }
                out.records += 1;
                if bytes.len() >= WRITE_BYTES {
                    file.write_all(&bytes)?;
                    bytes.clear();
                }
            }
            file.write_all(&bytes)
        };
        if let Err(error) = write() {
            out.file = None;
            report(&self.path, &error);
        }
    }

    /// Describes the thunks that came since the last call.
    fn write_thunks(&self) {
        let mut out = self.out();
        let name: Cow<'_, str> = "waft::stub::thunk".into();
        let record = |code: &'static [u8]| Record { address: code.as_ptr().addr(), code, name: name.clone() };
        let known = out.thunk_blocks;
        let blocks: Vec<_> = thunk::blocks().skip(known).map(record).collect();
        out.thunk_blocks += blocks.len();
        self.write_locked(&mut out, blocks.into_iter());
    }
}

/// Begins a dump, and lets `perf` see that it is there.
fn start_dump(mut file: &File) -> Result<()> {
    file.write_all(&record::dump_header())?;
    mark_mapped(file.as_fd())
        .context("cannot map it as executable, which perf finds it by (is the disk mounted `noexec`?)")
}

/// The one word about a file that is written no more: the program runs all the same, and is what matters.
fn report(path: &Path, error: &io::Error) {
    let note = format!(
        "note: {}: {error}: a profiler has no names for what is compiled from here on\n",
        path.display()
    );
    // Who closed standard error does not want to know.
    let _ = io::stderr().write_all(note.as_bytes());
}

impl ModuleInner {
    /// Describes the code that there is, if somebody profiles.
    pub(crate) fn profile_code(&self) {
        let Some(profiler) = self.engine().profiler() else { return };
        let (whole, kept) = match self.code() {
            ModuleCode::Whole(code) => (code, None),
            ModuleCode::Lazy(lazy) => {
                profiler.write_thunks();
                let Some(kept) = lazy.kept() else { return };
                (kept.code(), Some(kept))
            }
        };
        let text = whole.text();
        let funcs = (0..).map_while(|at| Some((DefinedFuncIndex::new(at), whole.tables().func(at)?)));
        profiler.write(funcs.filter_map(|(func, (start, len))| {
            let code = text.get(start as usize..)?.get(..len as usize)?;
            let tier = match kept {
                Some(kept) => kept.state(func).tier(self.engine())?,
                None => self.engine().tier(),
            };
            Some(self.record(func, code.as_ptr().addr(), code, tier.name()))
        }));
    }

    /// Describes the code of one function, which was compiled by this tier and is at `address`, if somebody profiles.
    pub(crate) fn profile_func(&self, func: DefinedFuncIndex, address: *const u8, code: &[u8], tier: &str) {
        if let Some(profiler) = self.engine().profiler() {
            profiler.write(std::iter::once(self.record(func, address.addr(), code, tier)));
        }
    }

    fn record<'c>(&self, func: DefinedFuncIndex, address: usize, code: &'c [u8], tier: &str) -> Record<'c> {
        let label = self.func_label(self.shape().func(func).index() as u32);
        Record { address, code, name: printable(format!("{label} [{tier}]")).into() }
    }
}

/// The same without control characters (F3).
fn printable(name: String) -> String {
    if name.contains(char::is_control) { name.replace(char::is_control, "?") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line() {
        for (name, printed) in [("f [x]", "f [x]"), ("f\n0 9 g\0", "f?0 9 g?"), ("für\u{85}\t", "für??")] {
            assert_eq!(printable(name.into()), printed);
        }
    }

    fn profiler(path: &str, process: u32) -> Profiler {
        let file = File::options().write(true).open(path).unwrap();
        let out = Mutex::new(Out { file: Some(file), records: 0, thunk_blocks: 0 });
        Profiler { form: Form::Map, path: path.into(), process, out }
    }

    fn record() -> impl Iterator<Item = Record<'static>> {
        std::iter::once(Record { address: 1, code: &[0xc3], name: "f".into() })
    }

    #[test]
    fn a_file_that_cannot_be_written_is_given_up() {
        let profiler = profiler("/dev/full", std::process::id());
        for _ in 0..2 {
            profiler.write(record());
            assert!(profiler.out().file.is_none());
        }
        assert_eq!(profiler.out().records, 1);
    }

    #[test]
    fn forked_processes_leave_the_file_to_the_one_that_opened_it() {
        let profiler = profiler("/dev/full", std::process::id() + 1);
        profiler.write(record());
        assert!(profiler.out().file.is_some() && profiler.out().records == 0);
    }
}
