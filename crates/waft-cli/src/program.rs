//! A program: what the command line says of it, how it is loaded, and how it runs, with what it was given and nothing else.
//!
//! # Elsewhere
//!
//! The commands that run one: `command/run.rs`, `command/explain.rs`. Grants: `grant.rs`. Loading FILE: `input.rs`. Exit codes:
//! `exit.rs`.

use crate::cache::CacheFlags;
use crate::command::THREAD_STACK_BYTES;
use crate::grant::{DirGrant, EnvGrant, dir_parser, env_parser};
use crate::input::Input;
use crate::limits::MemoryLimit;
use crate::setup::Setup;
use crate::stack::with_stack;
use crate::timeout::Timeout;
use crate::units::{format_duration, format_size, parse_duration, parse_size};
use crate::{describe, exit, invoke, needs, output};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use waft::{
    Engine, Error, ExternType, Instance, InstancePre, Linker, Module, ProfilingStrategy, Result, Store,
    ThrownException, TierChoice, Trap, Val, bail,
};
use waft_wasi::{Access, I32Exit, WasiCtx};

/// What the end of a program may wait for code that later runs start with: once for each function that needs it. The largest
/// functions of interpreters take a fifth of it.
const PATIENCE: Duration = Duration::from_millis(500);

/// The flags of a program that is to run, FILE and ARGS.
#[derive(Args)]
pub(crate) struct Program {
    /// Grant a directory, under its own name or as GUEST; `:ro` to be read only
    #[arg(long, value_name = "HOST[::GUEST][:ro]", value_parser = dir_parser())]
    dir: Vec<DirGrant>,

    /// Set an environment variable, or pass on one of ours
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = env_parser())]
    env: Vec<EnvGrant>,

    /// Call this exported function with ARGS instead of starting the program, and print its results
    #[arg(long, value_name = "NAME")]
    invoke: Option<String>,

    /// The most that memories and tables may take together: 1g, 512MiB, bytes
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_memory: Option<u64>,

    /// How long the program may run (what is compiled before it starts is not counted): 10s, 500ms, 1m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// Print at the end, on standard error, what the garbage collector did and how long the program waited for it
    #[arg(long)]
    gc_stats: bool,

    /// What compiles the program: the baseline compiler at first, and the optimizing one what turns out to be hot; or one of
    /// them alone
    #[arg(long, value_name = "TIER", value_enum, default_value_t, help_heading = "WebAssembly")]
    tier: Tier,

    /// Describe the program's functions to Linux's `perf`, which then tells them by name
    #[arg(long, value_name = "FORM", value_enum)]
    profile: Option<Profile>,

    /// When functions are compiled by one compiler alone: all before the program starts, or each when it is first called
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Eager, help_heading = "WebAssembly")]
    compile: When,

    #[command(flatten)]
    setup: Setup,

    #[command(flatten)]
    cache: CacheFlags,

    /// The program (text, binary or precompiled; `-` for standard input), then its arguments
    ///
    /// What follows FILE goes to the program, whatever it looks like.
    // One list, because only so does clap leave flags behind FILE alone.
    #[arg(value_names = ["FILE", "ARGS"], required = true, num_args = 1.., trailing_var_arg = true)]
    file_and_args: Vec<OsString>,
}

/// When functions are compiled. A precompiled module has all its code already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum When {
    /// Before the program starts.
    Eager,
    /// At their first call.
    Lazy,
}

/// Which compilers a program goes through. A precompiled module has been through one already.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, ValueEnum)]
enum Tier {
    /// The baseline compiler first; what is hot is compiled anew while it runs.
    #[default]
    Auto,
    /// The one that compiles fast.
    Baseline,
    /// The one whose code is fast.
    Optimized,
}

impl From<Tier> for TierChoice {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Auto => Self::Auto,
            Tier::Baseline => Self::Baseline,
            Tier::Optimized => Self::Optimized,
        }
    }
}

/// For which tool functions are described.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Profile {
    /// Names, for `perf report`: in `/tmp/perf-PID.map`
    Perfmap,
    /// Names and code, for `perf inject --jit`: in `jit-PID.dump`, in the current directory
    Jitdump,
}

impl Profile {
    fn strategy(self) -> ProfilingStrategy {
        match self {
            Self::Perfmap => ProfilingStrategy::PerfMap,
            Self::Jitdump => ProfilingStrategy::JitDump,
        }
    }
}

/// What a store of ours carries.
struct Host {
    wasi: WasiCtx,
    /// What `--max-memory` allows; without it, what the engine allows.
    memory: Option<MemoryLimit>,
}

impl Program {
    /// The program's module, compiled as the flags say.
    pub(crate) fn load(&self) -> Result<Module> {
        let mut config = self.setup.config();
        config.cache(self.cache.open()).tier(self.tier).lazy_compilation(self.compile == When::Lazy);
        config.profiler(self.profile.map_or(ProfilingStrategy::None, Profile::strategy));
        // The process has this program alone, which may use much memory for long.
        config.huge_pages(true);
        let engine = Engine::new(&config)?;
        let input = Input::read(self.file())?;
        match input.source_bytes() {
            Some(bytes) => {
                let what = format!("compiling {} ({})", input.name, format_size(bytes));
                output::with_progress(&what, || input.into_module(&engine))
            }
            None => input.into_module(&engine),
        }
    }

    /// Runs the program to its end, and decides how our process ends.
    pub(crate) fn run(&self, module: &Module) -> Result<ExitCode> {
        with_stack(THREAD_STACK_BYTES, || self.run_guest(module))?
    }

    fn run_guest(&self, module: &Module) -> Result<ExitCode> {
        let engine = module.engine();
        let mut store = self.store(engine)?;
        let mut linker = Linker::new(engine);
        waft_wasi::p1::add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
        let pre = linker
            .instantiate_pre(module)
            .map_err(|error| self.explain_imports(&mut store, &linker, module, error))?;

        let timeout = self.timeout.map(|limit| Timeout::start(store.interrupt_handle(), limit, exit::TRAP));
        let result = self.call_guest(&mut store, &pre);
        let expired = timeout.as_ref().is_some_and(Timeout::expired);
        drop(timeout);
        if result.as_ref().map_or_else(|error| error.is::<I32Exit>(), |()| true) {
            module.wait_for_hot(PATIENCE);
        }
        module.keep();
        if self.gc_stats {
            exit::say(format_args!("garbage collection: {}", store.gc_stats()));
        }
        match result {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => self.end_by(error, expired, &mut store),
        }
    }

    fn store(&self, engine: &Engine) -> Result<Store<Host>> {
        let memory = self.max_memory.map(MemoryLimit::new);
        let mut store = Store::new(engine, Host { wasi: self.wasi()?, memory });
        if self.max_memory.is_some() {
            store.limiter(|host| host.memory.as_mut().expect("set a moment ago, and never taken out"));
        }
        Ok(store)
    }

    fn wasi(&self) -> Result<WasiCtx> {
        let mut builder = WasiCtx::builder();
        builder.inherit_stdio();
        // Functions that are invoked take the words after FILE themselves.
        let args = if self.invoke.is_some() { &self.file_and_args[..1] } else { &self.file_and_args[..] };
        builder.args(args.iter().map(|arg| arg.as_bytes()));
        for env in &self.env {
            let (name, value) = env.resolve()?;
            builder.env(name.as_bytes(), value.as_bytes());
        }
        for DirGrant { host, guest, read_only } in &self.dir {
            let access = if *read_only { Access::ReadOnly } else { Access::ReadWrite };
            builder
                .preopened_dir(host, guest, access)
                .map_err(|error| Error::from(error).context(format!("--dir {}", host.display())))?;
        }
        Ok(builder.build())
    }

    /// Says all that is missing at once, and why, where the linker stops at the first.
    fn explain_imports(
        &self,
        store: &mut Store<Host>,
        linker: &Linker<Host>,
        module: &Module,
        error: Error,
    ) -> Error {
        let mut missing = String::new();
        for import in module.imports() {
            if linker.get(&mut *store, import.module(), import.name()).is_none() {
                missing.push_str(&format!(
                    "\n  {}.{}: {}\n      {}",
                    import.module(),
                    import.name(),
                    describe::extern_type(&import.ty()),
                    needs::why_missing(import.module())
                ));
            }
        }
        if missing.is_empty() {
            return error.context(self.name());
        }
        Error::msg(format!("{}: it imports what waft run does not provide:{missing}", self.name()))
    }

    fn call_guest(&self, store: &mut Store<Host>, pre: &InstancePre<Host>) -> Result<()> {
        let module = pre.module();
        let instance = pre.instantiate(&mut *store)?;
        if let Some(name) = &self.invoke {
            return self.invoke_export(store, module, instance, name);
        }
        if let Some(start) = instance.get_func(&mut *store, "_start") {
            return start.typed::<(), ()>(&*store)?.call(&mut *store, ());
        }
        initialize(store, instance)?;
        if module.start_function().is_some() {
            // It ran when the module was instantiated, and that was the program.
            return Ok(());
        }
        bail!("there is nothing to run: it exports no `_start`; {}", callable_exports(module))
    }

    fn invoke_export(
        &self,
        store: &mut Store<Host>,
        module: &Module,
        instance: Instance,
        name: &str,
    ) -> Result<()> {
        let Some(func) = instance.get_func(&mut *store, name) else {
            bail!("--invoke {name}: it exports no such function; {}", callable_exports(module));
        };
        let ty = func.ty(&*store);
        let args = invoke::parse_arguments(name, &ty, &self.file_and_args[1..])?;
        if name != "_initialize" {
            initialize(store, instance)?;
        }
        let mut results = vec![Val::I32(0); ty.results().len()];
        func.call(&mut *store, &args, &mut results)?;
        let lines: String = results.iter().map(|value| invoke::format_result(value) + "\n").collect();
        output::print(&lines)
    }

    /// An error that came out of the guest: its exit code, a trap, an exception, or a failure of ours.
    fn end_by(&self, error: Error, expired: bool, store: &mut Store<Host>) -> Result<ExitCode> {
        if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
            // What a process hands to its parent is the low eight bits; a native program's are cut off the same way.
            return Ok(ExitCode::from(*code as u8));
        }
        if error.is::<ThrownException>() {
            let exception = describe::pending_exception(store)?;
            return Ok(exit::report_exception(&self.name(), &exception, &error));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) if expired => {
                let limit = self.timeout.map(format_duration).unwrap_or_default();
                let name = format!("{}: timeout: it ran for {limit}", self.name());
                Ok(exit::report_trap(&name, &Trap::Interrupt, &error))
            }
            Some(trap) => Ok(exit::report_trap(&self.name(), trap, &error)),
            None => match store.data().memory.as_ref().and_then(MemoryLimit::exceeded) {
                Some(bytes) => {
                    Err(error.context(format!("{}: --max-memory {}", self.name(), format_size(bytes))))
                }
                None => Err(error.context(self.name())),
            },
        }
    }

    fn file(&self) -> &Path {
        Path::new(&self.file_and_args[0])
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match self.file() {
            file if file.as_os_str() == "-" => "standard input".into(),
            file => file.display().to_string(),
        }
    }
}

/// A reactor sets itself up in `_initialize`, before anything else of it is called.
fn initialize(store: &mut Store<Host>, instance: Instance) -> Result<()> {
    match instance.get_func(&mut *store, "_initialize") {
        Some(initialize) => initialize.typed::<(), ()>(&*store)?.call(&mut *store, ()),
        None => Ok(()),
    }
}

/// What the user could have meant.
fn callable_exports(module: &Module) -> String {
    let names: Vec<String> = module
        .exports()
        .filter(|export| matches!(export.ty(), ExternType::Func(_)))
        .map(|export| format!("`{}`", export.name()))
        .collect();
    match &names[..] {
        [] => "it exports no function at all".into(),
        [name] => format!("it exports the function {name}: call it with --invoke"),
        names => format!("it exports the functions {}: call one with --invoke", names.join(", ")),
    }
}
