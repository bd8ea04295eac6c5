//! The C program with threads, under a host that gives it some: a store and an instance for each, around one memory.
//!
//! `waft run` starts no threads for guests. This is what an embedder writes who does, after the convention of
//! `wasi-threads`: the guest imports its memory and `thread-spawn`, and exports `wasi_thread_start`.

use std::error::Error;
use std::fmt;
use std::fs;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::run::{module_of, reason_to_leave_out};
use crate::setting::{Guest, data};
use waft::{Engine, ImportType, Linker, Module, Result, SharedMemory, Store};

/// What the threads of the guest share.
struct Process {
    engine: Engine,
    module: Module,
    memory: SharedMemory,
    last_thread: AtomicI32,
    threads: Mutex<Vec<JoinHandle<Result<()>>>>,
    printed: Mutex<Vec<u8>>,
}

/// The guest ended itself.
#[derive(Debug)]
struct Exit(i32);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit with {}", self.0)
    }
}

impl Error for Exit {}

/// Error numbers of WASI 0.1.
const SUCCESS: i32 = 0;
const SEEK_ON_PIPE: i32 = 70;

impl Process {
    fn new(wasm: &[u8]) -> Result<Arc<Self>> {
        let engine = Engine::default();
        let module = Module::new(&engine, wasm)?;
        let memory = module.imports().find_map(|import: ImportType<'_>| import.ty().memory().cloned());
        let memory = SharedMemory::new(&engine, memory.expect("the guest imports its memory"))?;
        Ok(Arc::new(Self {
            engine,
            module,
            memory,
            last_thread: AtomicI32::new(0),
            threads: Mutex::default(),
            printed: Mutex::default(),
        }))
    }

    /// A thread's own instance, and the call of `name`.
    fn call(self: &Arc<Self>, name: &str, args: Option<(i32, i32)>) -> Result<()> {
        let mut store = Store::new(&self.engine, ());
        let instance = self.linker(&mut store)?.instantiate(&mut store, &self.module)?;
        match args {
            None => instance.get_typed_func::<(), ()>(&mut store, name)?.call(&mut store, ()),
            Some(args) => instance.get_typed_func::<(i32, i32), ()>(&mut store, name)?.call(&mut store, args),
        }
    }

    fn linker(self: &Arc<Self>, store: &mut Store<()>) -> Result<Linker<()>> {
        const WASI: &str = "wasi_snapshot_preview1";
        let mut linker = Linker::new(&self.engine);
        linker.define(&mut *store, "env", "memory", self.memory.clone())?;
        let process = self.clone();
        linker.func_wrap("wasi", "thread-spawn", move |argument: i32| process.spawn(argument))?;
        let process = self.clone();
        linker.func_wrap(WASI, "fd_write", move |_: i32, list: u32, count: u32, written: u32| {
            process.print(list, count, written)
        })?;
        let memory = self.memory.clone();
        linker.func_wrap(WASI, "fd_fdstat_get", move |_: i32, stat: u32| -> Result<i32> {
            // A character device without flags, and with all rights.
            let mut record = [0xff; 24];
            record[..8].copy_from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]);
            memory.write(stat as usize, &record)?;
            Ok(SUCCESS)
        })?;
        linker.func_wrap(WASI, "fd_seek", |_: i32, _: i64, _: i32, _: i32| SEEK_ON_PIPE)?;
        linker.func_wrap(WASI, "fd_close", |_: i32| SUCCESS)?;
        linker.func_wrap(WASI, "proc_exit", |code: i32| -> Result<()> { Err(Exit(code).into()) })?;
        Ok(linker)
    }

    /// Starts a thread of the guest; its number.
    fn spawn(self: &Arc<Self>, argument: i32) -> i32 {
        let id = self.last_thread.fetch_add(1, Ordering::Relaxed) + 1;
        let process = self.clone();
        let thread = thread::spawn(move || process.call("wasi_thread_start", Some((id, argument))));
        self.threads.lock().unwrap().push(thread);
        id
    }

    /// `fd_write`, whatever the descriptor.
    fn print(&self, list: u32, count: u32, written: u32) -> Result<i32> {
        let mut printed = self.printed.lock().unwrap();
        let before = printed.len();
        for at in (list..).step_by(8).take(count as usize) {
            let mut entry = [0; 8];
            self.memory.read(at as usize, &mut entry)?;
            let entry = u64::from_le_bytes(entry);
            let mut text = vec![0; (entry >> 32) as usize];
            self.memory.read(entry as u32 as usize, &mut text)?;
            printed.extend(text);
        }
        let bytes = (printed.len() - before) as u32;
        self.memory.write(written as usize, &bytes.to_le_bytes())?;
        Ok(SUCCESS)
    }
}

#[test]
fn c_threads_do_what_they_do_natively() {
    let guest = Guest::Built("crew");
    if let Some(reason) = reason_to_leave_out(&guest) {
        eprintln!("left out: {reason}");
        return;
    }
    let process = Process::new(&fs::read(module_of("crew")).unwrap()).unwrap();
    let end = process.call("_start", None).expect_err("the program ends by exiting");
    assert_eq!(end.downcast_ref::<Exit>().map(|exit| exit.0), Some(4), "{end:?}");
    for thread in process.threads.lock().unwrap().drain(..) {
        thread.join().expect("a thread panicked").expect("a thread of the guest failed");
    }
    let printed = String::from_utf8(process.printed.lock().unwrap().clone()).unwrap();
    assert_eq!(printed, fs::read_to_string(data().join("expected/crew.txt")).unwrap());
    assert_eq!(process.last_thread.load(Ordering::Relaxed) % 4, 0, "it works in crews of four");
}
