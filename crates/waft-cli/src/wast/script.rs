//! The commands of a script, each against one store.

use super::thread::{SharedModules, Spawn, Threads, register_shared, shared_exports};
use super::{Report, Setting, spectest, trap, value};
use crate::timeout::Timeout;
use std::collections::HashMap;
use std::time::Instant;
use waft::{Error, Extern, Func, Instance, Linker, Module, Store, ThrownException, Trap, Val};
use wast::token::Id;
use wast::{QuoteWat, WastDirective, WastExecute, WastInvoke, WastRet, WastThread, Wat};

/// What the store carries: nothing, for `spectest` has no state.
pub(super) struct Host;

/// A script as it runs: what its names stand for so far.
pub(super) struct Script<'scope> {
    setting: &'scope Setting<'scope>,
    threads: Threads<'scope>,
    /// What a thread sees of its parent's modules.
    shared: SharedModules,
    store: Store<Host>,
    linker: Linker<Host>,
    /// Modules that were defined but not instantiated, by name.
    definitions: HashMap<String, Module>,
    definition: Option<Module>,
    instances: HashMap<String, Instance>,
    /// The instance that a command without a name means.
    current: Option<Instance>,
    timeout: Timeout,
}

/// Why something was not done: the classes that scripts tell apart.
enum Stop {
    /// Text or bytes that are no module, or one that is not valid. Decoding and validation are one pass, and the
    /// engine's error does not say which of the two complained: to a script both are one class.
    Rejected(String),
    /// A valid module whose imports do not fit.
    Unlinkable(String),
    /// The guest trapped.
    Trapped(Trap),
    /// The guest threw an exception that it did not catch.
    Threw,
    /// The script asks for something that does not exist or is not supported.
    Script(String),
}

type Outcome<T> = Result<T, Stop>;

impl<'scope> Script<'scope> {
    /// A store of its own, with `spectest` in it.
    pub(super) fn new(
        scope: &'scope dyn Spawn<'scope>,
        setting: &'scope Setting<'scope>,
        shared: SharedModules,
    ) -> waft::Result<Self> {
        let engine = setting.engine;
        let mut store = Store::new(engine, Host);
        let mut linker = Linker::new(engine);
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store)?;
        let left = setting.deadline.saturating_duration_since(Instant::now());
        let timeout = Timeout::start(store.interrupt_handle(), left, crate::exit::FAILURE);
        Ok(Script {
            setting,
            threads: Threads::new(scope),
            shared,
            store,
            linker,
            definitions: HashMap::new(),
            definition: None,
            instances: HashMap::new(),
            current: None,
            timeout,
        })
    }

    /// Runs one command; an error says what was expected and what happened.
    pub(super) fn run(&mut self, command: WastDirective<'scope>) -> Result<(), String> {
        if self.timeout.expired() {
            return Err("not run: the script's time is up".into());
        }
        match command {
            WastDirective::Module(module) => self.module(module),
            WastDirective::ModuleDefinition(module) => self.module_definition(module),
            WastDirective::ModuleInstance { instance, module, .. } => self.module_instance(instance, module),
            WastDirective::Register { name, module, .. } => self.register(name, module),
            WastDirective::Invoke(invoke) => plain(self.invoke(&invoke)).map(|_| ()),
            WastDirective::AssertReturn { exec, results, .. } => self.assert_return(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => expect_trap(self.execute(exec), message),
            WastDirective::AssertExhaustion { call, message, .. } => expect_trap(self.invoke(&call), message),
            WastDirective::AssertInvalid { module, message, .. }
            | WastDirective::AssertMalformed { module, message, .. }
            | WastDirective::AssertInvalidCustom { module, message, .. }
            | WastDirective::AssertMalformedCustom { module, message, .. } => {
                self.assert_rejected(module, message)
            }
            WastDirective::AssertUnlinkable { module, message, .. } => {
                self.assert_unlinkable(module, message)
            }
            WastDirective::AssertException { exec, .. } => expect_exception(self.execute(exec)),
            WastDirective::AssertSuspension { .. } => Err("not supported: assert_suspension".into()),
            WastDirective::Thread(thread) => self.thread(thread),
            WastDirective::Wait { thread, .. } => self.threads.wait(thread.name()),
        }
    }

    /// Waits for the threads that nobody waited for; what all threads did.
    pub(super) fn into_threads(self) -> Vec<Report> {
        self.threads.finish()
    }

    fn thread(&mut self, thread: WastThread<'scope>) -> Result<(), String> {
        let mut shared = SharedModules::new();
        if let Some(module) = thread.shared_module {
            let name = module.name();
            let memories = match self.shared.get(name) {
                Some(memories) if !self.instances.contains_key(name) => memories.clone(),
                _ => {
                    let instance = plain(self.instance(Some(module)))?;
                    shared_exports(&mut self.store, instance)
                }
            };
            shared.insert(name.to_owned(), memories);
        }
        self.threads.start(self.setting, shared, thread);
        Ok(())
    }

    fn module(&mut self, mut module: QuoteWat<'_>) -> Result<(), String> {
        let name = module.name();
        let module = plain(self.compile(&mut module))?;
        let instance = plain(self.instantiate(&module))?;
        self.name_instance(name, instance);
        Ok(())
    }

    fn module_definition(&mut self, mut module: QuoteWat<'_>) -> Result<(), String> {
        let name = module.name();
        let module = plain(self.compile(&mut module))?;
        if let Some(name) = name {
            self.definitions.insert(name.name().to_owned(), module.clone());
        }
        self.definition = Some(module);
        Ok(())
    }

    fn module_instance(&mut self, name: Option<Id<'_>>, module: Option<Id<'_>>) -> Result<(), String> {
        let definition = match module {
            Some(module) => self.definitions.get(module.name()),
            None => self.definition.as_ref(),
        };
        let module = definition.cloned().ok_or("no such module was defined")?;
        let instance = plain(self.instantiate(&module))?;
        self.name_instance(name, instance);
        Ok(())
    }

    fn name_instance(&mut self, name: Option<Id<'_>>, instance: Instance) {
        if let Some(name) = name {
            self.instances.insert(name.name().to_owned(), instance);
        }
        self.current = Some(instance);
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> Result<(), String> {
        let elsewhere = module.filter(|module| !self.instances.contains_key(module.name()));
        if let Some(memories) = elsewhere.and_then(|module| self.shared.get(module.name())) {
            return register_shared(&mut self.linker, &self.store, name, memories);
        }
        let instance = plain(self.instance(module))?;
        self.linker.instance(&mut self.store, name, instance).map_err(|error| format!("{error:#}"))?;
        Ok(())
    }

    fn assert_return(&mut self, exec: WastExecute<'_>, expected: &[WastRet<'_>]) -> Result<(), String> {
        let actual = plain(self.execute(exec))?;
        value::check_results(&mut self.store, &actual, expected)
    }

    fn assert_rejected(&mut self, mut module: QuoteWat<'_>, message: &str) -> Result<(), String> {
        match self.compile(&mut module) {
            Err(Stop::Rejected(_)) => Ok(()),
            Err(other) => Err(format!("expected a module that is rejected ({message}), found: {other}")),
            Ok(_) => Err(format!("expected a module that is rejected ({message}), and it was accepted")),
        }
    }

    fn assert_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Result<(), String> {
        match self.compile(&mut QuoteWat::Wat(module)).and_then(|module| self.instantiate(&module)) {
            Err(Stop::Unlinkable(_)) => Ok(()),
            Err(other) => Err(format!("expected imports that do not fit ({message}), found: {other}")),
            Ok(_) => Err(format!("expected imports that do not fit ({message}), and they did")),
        }
    }

    fn compile(&mut self, module: &mut QuoteWat<'_>) -> Outcome<Module> {
        // Encoding a quoted module parses its text: an error of either is about the module.
        let bytes = module.encode().map_err(|error| Stop::Rejected(error.message()))?;
        Module::from_binary(self.setting.engine, &bytes).map_err(|error| Stop::Rejected(format!("{error:#}")))
    }

    fn instantiate(&mut self, module: &Module) -> Outcome<Instance> {
        let unlinkable = |error: Error| Stop::Unlinkable(format!("{error:#}"));
        let instance = self.linker.instantiate(&mut self.store, module);
        instance.map_err(|error| stop_of_guest(&error).unwrap_or_else(|| unlinkable(error)))
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Outcome<Vec<Val>> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module))?;
                self.instantiate(&module).map(|_| Vec::new())
            }
            WastExecute::Get { module, global, .. } => {
                self.get_global(module, global).map(|value| vec![value])
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Outcome<Vec<Val>> {
        let func = self.func(invoke.module, invoke.name)?;
        let args = invoke.args.iter().map(|argument| value::argument(&mut self.store, argument));
        let args: Vec<Val> = args.collect::<Result<_, _>>().map_err(Stop::Script)?;
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        func.call(&mut self.store, &args, &mut results).map_err(stop_of_call)?;
        Ok(results)
    }

    fn func(&mut self, module: Option<Id<'_>>, name: &str) -> Outcome<Func> {
        match self.export(module, name)? {
            Extern::Func(func) => Ok(func),
            _ => Err(Stop::Script(format!("the export {name:?} is no function"))),
        }
    }

    fn get_global(&mut self, module: Option<Id<'_>>, name: &str) -> Outcome<Val> {
        match self.export(module, name)? {
            Extern::Global(global) => Ok(global.get(&mut self.store)),
            _ => Err(Stop::Script(format!("the export {name:?} is no global"))),
        }
    }

    fn export(&mut self, module: Option<Id<'_>>, name: &str) -> Outcome<Extern> {
        let instance = self.instance(module)?;
        let export = instance.get_export(&mut self.store, name);
        export.ok_or_else(|| Stop::Script(format!("there is no export {name:?}")))
    }

    fn instance(&self, name: Option<Id<'_>>) -> Outcome<Instance> {
        let found = match name {
            Some(name) => self.instances.get(name.name()).copied(),
            None => self.current,
        };
        found.ok_or_else(|| Stop::Script("there is no such instance".into()))
    }
}

fn stop_of_call(error: Error) -> Stop {
    stop_of_guest(&error).unwrap_or_else(|| Stop::Script(format!("the call failed: {error:#}")))
}

/// How a guest stopped, if the error is the guest's.
fn stop_of_guest(error: &Error) -> Option<Stop> {
    if error.is::<ThrownException>() {
        return Some(Stop::Threw);
    }
    error.downcast_ref::<Trap>().map(|trap| Stop::Trapped(*trap))
}

fn expect_exception(outcome: Outcome<Vec<Val>>) -> Result<(), String> {
    match outcome {
        Err(Stop::Threw) => Ok(()),
        Err(other) => Err(format!("expected an exception, found: {other}")),
        Ok(values) => Err(format!("expected an exception, found results: {values:?}")),
    }
}

fn expect_trap(outcome: Outcome<Vec<Val>>, text: &str) -> Result<(), String> {
    let kinds = trap::kinds(text);
    match outcome {
        Err(Stop::Trapped(trap)) if kinds.contains(&trap) => Ok(()),
        Err(_) if kinds.is_empty() => Err(format!("not supported: no kind of trap is known for {text:?}")),
        Err(other) => Err(format!("expected a trap ({text}), found: {other}")),
        Ok(values) => Err(format!("expected a trap ({text}), found results: {values:?}")),
    }
}

/// For commands that are expected to succeed.
fn plain<T>(outcome: Outcome<T>) -> Result<T, String> {
    outcome.map_err(|stop| stop.to_string())
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Rejected(reason) => write!(f, "the module was rejected: {reason}"),
            Stop::Unlinkable(reason) => write!(f, "the module does not link: {reason}"),
            Stop::Trapped(trap) => write!(f, "a trap: {trap}"),
            Stop::Threw => f.write_str("an exception"),
            Stop::Script(reason) => f.write_str(reason),
        }
    }
}
