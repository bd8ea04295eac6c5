//! Threads of a script: each has a store of its own, and sees the shared memories of one module of its parent.

use super::script::Host;
use super::{Report, Setting, run_commands};
use std::collections::HashMap;
use std::thread::{Scope, ScopedJoinHandle};
use waft::{Instance, Linker, SharedMemory, Store};
use wast::WastThread;

/// What threads see of modules elsewhere: their shared memories, by the name of the module and of the export.
pub(super) type SharedModules = HashMap<String, Vec<(String, SharedMemory)>>;

/// The threads that a script, or a thread, has started.
pub(super) struct Threads<'scope> {
    scope: &'scope dyn Spawn<'scope>,
    running: HashMap<String, ScopedJoinHandle<'scope, Report>>,
    done: Vec<Report>,
}

/// A scope, whatever else its type says.
pub(super) trait Spawn<'scope> {
    fn spawn(
        &'scope self,
        setting: &'scope Setting<'scope>,
        shared: SharedModules,
        thread: WastThread<'scope>,
    ) -> ScopedJoinHandle<'scope, Report>;
}

impl<'scope> Spawn<'scope> for Scope<'scope, '_> {
    fn spawn(
        &'scope self,
        setting: &'scope Setting<'scope>,
        shared: SharedModules,
        thread: WastThread<'scope>,
    ) -> ScopedJoinHandle<'scope, Report> {
        self.spawn(move || run_commands(self, setting, shared, thread.directives))
    }
}

impl<'scope> Threads<'scope> {
    pub(super) fn new(scope: &'scope dyn Spawn<'scope>) -> Self {
        Self { scope, running: HashMap::new(), done: Vec::new() }
    }

    /// `(thread ...)`.
    pub(super) fn start(
        &mut self,
        setting: &'scope Setting<'scope>,
        shared: SharedModules,
        thread: WastThread<'scope>,
    ) {
        let name = thread.name.name().to_owned();
        let handle = self.scope.spawn(setting, shared, thread);
        // One of the same name that nobody waited for is waited for at the end.
        if let Some(earlier) = self.running.insert(name, handle) {
            self.join(earlier);
        }
    }

    /// `(wait ...)`; what the thread did is reported with what its parent did.
    pub(super) fn wait(&mut self, name: &str) -> Result<(), String> {
        let handle = self.running.remove(name).ok_or_else(|| format!("no thread ${name} is running"))?;
        self.join(handle);
        Ok(())
    }

    /// Waits for the rest; what all of them did.
    pub(super) fn finish(mut self) -> Vec<Report> {
        for (_, handle) in std::mem::take(&mut self.running) {
            self.join(handle);
        }
        self.done
    }

    fn join(&mut self, handle: ScopedJoinHandle<'scope, Report>) {
        match handle.join() {
            Ok(report) => self.done.push(report),
            // Panics of commands are failures of theirs: this one is the runner's own.
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The shared memories that an instance exports.
pub(super) fn shared_exports(store: &mut Store<Host>, instance: Instance) -> Vec<(String, SharedMemory)> {
    let exports = instance.exports(&mut *store);
    exports
        .filter_map(|export| {
            let name = export.name().to_owned();
            Some((name, export.into_extern().into_shared_memory()?))
        })
        .collect()
}

/// `(register ...)` of a module that another thread has shared.
pub(super) fn register_shared(
    linker: &mut Linker<Host>,
    store: &Store<Host>,
    module: &str,
    memories: &[(String, SharedMemory)],
) -> Result<(), String> {
    for (name, memory) in memories {
        linker.define(store, module, name, memory.clone()).map_err(|error| format!("{error:#}"))?;
    }
    Ok(())
}
