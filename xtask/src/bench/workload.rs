//! What is measured. The folder `bench/workloads` is the list of programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::guests::{Target, build_vet, compile_c, fetch_c, fetch_yosys, sources_in};
use crate::workspace;

/// A part of the record: what its rows have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// Run ahead-of-time compiled programs.
    Compute,
    /// The same from bytes.
    Long,
    /// Large programs from bytes, which do little.
    Bytes,
    /// The same once more.
    Again,
    /// Compile whole modules.
    Compile,
    /// Start and end a small program.
    Start,
    /// Many calls into the system.
    Calls,
    /// Calls, tail calls and exceptions, ahead-of-time compiled.
    Control,
    /// Objects that a collector manages, ahead-of-time compiled.
    Gc,
}

impl Group {
    pub(super) const ALL: [Self; 9] = [
        Self::Compute,
        Self::Long,
        Self::Bytes,
        Self::Again,
        Self::Compile,
        Self::Start,
        Self::Calls,
        Self::Control,
        Self::Gc,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Long => "long",
            Self::Bytes => "bytes",
            Self::Again => "again",
            Self::Compile => "compile",
            Self::Start => "start",
            Self::Calls => "calls",
            Self::Control => "control",
            Self::Gc => "gc",
        }
    }

    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Compute => {
                "Programs in C, compiled ahead of time, compile time left out; node compiles while it runs."
            }
            Self::Long => "The same programs from bytes, with no cache: compiling counts.",
            Self::Bytes => {
                "Large programs from bytes on disk to their end, with no cache: an interpreter that prints a line, a tool that \
                 tells its version."
            }
            Self::Again => {
                "The same once more, with what the first run left in a cache; eager runs a file that was compiled ahead of \
                 time."
            }
            Self::Compile => "The command that compiles a whole module, to a file, with all cores.",
            Self::Start => "From process start to exit of a program that prints one line, 20 times in a row.",
            Self::Calls => {
                "One million calls of 8 bytes each, compiled ahead of time. Wasmtime reads standard input ahead, many calls \
                 to one of the system: there, the ratio to native says more."
            }
            Self::Control => {
                "Recursion, tail calls, exceptions thrown and not thrown; in text format, compiled ahead of time. V8 inlines \
                 calls, also a function's of itself, and makes loops of tail calls."
            }
            Self::Gc => {
                "Programs in text format on the collected types, compiled ahead of time; Wasmtime with its copying collector."
            }
        }
    }
}

/// Whether a run starts from the module's bytes or from compiled code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Compiled,
    Module,
    /// From the module's bytes, with a cache that has seen it.
    Kept,
}

/// One row.
pub(super) struct Workload {
    pub(super) group: Group,
    pub(super) name: String,
    pub(super) module: PathBuf,
    pub(super) args: &'static [&'static str],
    /// The same program for this machine; empty where there is none.
    pub(super) native: PathBuf,
    pub(super) form: Form,
    pub(super) stdin: PathBuf,
    /// `None`: output is compared between runtimes.
    pub(super) stdout: Option<PathBuf>,
    /// Process starts in one measurement.
    pub(super) times: usize,
}

/// Large programs, and what they are given to do.
const LARGE: &[(&str, &[&str])] = &[
    ("python", &["-c", "print(1)"]),
    ("ruby", &["-e", "puts 1"]),
    ("clang", &["--version"]),
    ("gofmt", &["-h"]),
    ("sqlite", &["--version"]),
];

/// Every workload, its programs compiled.
pub(super) fn all() -> Result<Vec<Workload>> {
    let out = workspace::guests().join("bench");
    fs::create_dir_all(&out)?;
    let zig = fetch_c()?;
    let sources = workspace::root().join("bench/workloads");
    let build = |source: &Path| -> Result<(PathBuf, PathBuf)> {
        let name = source.file_stem().expect("a source has a name").to_string_lossy().into_owned();
        let (module, native) = (out.join(format!("{name}.wasm")), out.join(format!("{name}-native")));
        compile_c(&zig, Target::Wasm, source, &module)?;
        compile_c(&zig, Target::Native, source, &native)?;
        Ok((module, native))
    };
    let mut workloads = Vec::new();
    for source in sources_in(&sources.join("compute"), "c")? {
        let built = build(&source)?;
        workloads.push(row(Group::Compute, "", built.clone()));
        workloads.push(Workload { form: Form::Module, ..row(Group::Long, "", built) });
    }
    let guest = |name: &str| workspace::guests().join("wasm").join(format!("{name}.wasm"));
    let large = LARGE.iter().map(|(name, args)| (guest(name), *args));
    let others = [(build_vet()?, &["-flags"][..]), (fetch_yosys()?, &["-V"])];
    for (module, args) in large.chain(others) {
        for (group, form) in [(Group::Bytes, Form::Module), (Group::Again, Form::Kept)] {
            let row = row(group, "", (module.clone(), PathBuf::new()));
            workloads.push(Workload { form, args, ..row });
        }
    }
    for name in ["python", "ruby", "workers"] {
        workloads.push(row(Group::Compile, "", (guest(name), PathBuf::new())));
    }
    let hello = build(&workspace::root().join("tests/programs/c/hello.c"))?;
    let start = |what, form| Workload { form, times: 20, ..row(Group::Start, what, hello.clone()) };
    workloads.extend([start(" from bytes", Form::Module), start(" from an artifact", Form::Compiled)]);
    let writes = build(&sources.join("io/writes.c"))?;
    for (what, sink) in [(" to nowhere", PathBuf::from("/dev/null")), (" to a file", out.join("written"))] {
        workloads.push(Workload { stdout: Some(sink), ..row(Group::Calls, what, writes.clone()) });
    }
    let reads = build(&sources.join("io/reads.c"))?;
    let file = out.join("to-read");
    fs::write(&file, vec![7_u8; 8_000_000])?;
    for (what, source) in [(" of zeros", PathBuf::from("/dev/zero")), (" of a file", file)] {
        workloads.push(Workload { stdin: source, ..row(Group::Calls, what, reads.clone()) });
    }
    for group in [Group::Control, Group::Gc] {
        for source in sources_in(&sources.join(group.name()), "wat")? {
            let module = out.join(source.with_extension("wasm").file_name().expect("a source has a name"));
            let wasm =
                wat::parse_file(&source).with_context(|| format!("assembling {}", source.display()))?;
            fs::write(&module, wasm)?;
            workloads.push(row(group, "", (module, PathBuf::new())));
        }
    }
    Ok(workloads)
}

fn row(group: Group, what: &str, (module, native): (PathBuf, PathBuf)) -> Workload {
    let name = format!("{}{what}", module.file_stem().expect("a module has a name").to_string_lossy());
    let stdin = PathBuf::from("/dev/null");
    let (form, args) = (Form::Compiled, &[][..]);
    Workload { group, name, module, args, native, form, stdin, stdout: None, times: 1 }
}
