//! A request to stop ends the one call that it meets, wherever that is, and nothing after it.

mod common;

use common::{compile, instantiate, names, run, start, trap};
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use waft::*;

/// Ways to run for ever, each after a call of `host::ready`.
const ENDLESS: [(&str, &str); 20] = [
    ("empty loop", "(loop (br 0))"),
    ("counting loop", "(loop (global.set $g (i32.add (global.get $g) (i32.const 1))) (br 0))"),
    ("calls", "(loop (call $leaf) (br 0))"),
    ("indirect calls", "(loop (call_indirect (i32.const 0)) (br 0))"),
    ("recursion", "(call $tree (i32.const 1000))"),
    ("host calls", "(loop (call $nothing) (br 0))"),
    ("fills", "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 1048576)) (br 0))"),
    ("copies", "(loop (memory.copy (i32.const 0) (i32.const 9) (i32.const 500000)) (br 0))"),
    ("empty fills", "(loop (memory.fill (i32.const 0) (i32.const 1) (global.get $zero)) (br 0))"),
    ("growth", "(loop (drop (memory.grow (i32.const 0))) (br 0))"),
    ("a wait", "(drop (memory.atomic.wait32 $shared (i32.const 0) (i32.const 0) (i64.const -1)))"),
    (
        "waits",
        "(loop (drop (memory.atomic.wait64 $shared (i32.const 0) (i64.const 0) (i64.const 99))) (br 0))",
    ),
    ("notifications", "(loop (drop (memory.atomic.notify $shared (i32.const 0) (i32.const 1))) (br 0))"),
    ("atomics", "(loop (drop (i64.atomic.rmw.xor $shared (i32.const 0) (i64.const 1))) (br 0))"),
    ("64-bit fills", "(loop (memory.fill $wide (i64.const 0) (i32.const 1) (i64.const 65536)) (br 0))"),
    ("64-bit stores", "(loop (i64.store $wide offset=65000 (i64.const 8) (i64.const 1)) (br 0))"),
    ("exceptions", "(loop $l (block $h (try_table (catch_all $h) (call $throw))) (br $l))"),
    ("exceptions passed on", "(loop $l (block $h (try_table (catch_all $h) (call $pass))) (br $l))"),
    ("exceptions caught at once", "(loop $l (block $h (try_table (catch_all $h) (throw $t))) (br $l))"),
    ("table fills", "(loop (table.fill (i32.const 1) (ref.null func) (i32.const 900)) (br 0))"),
];

fn module_text(body: &str) -> String {
    format!(
        r#"(module (import "host" "ready" (func $ready)) (import "host" "nothing" (func $nothing))
            (memory 16) (memory $shared 1 1 shared) (memory $wide i64 1) (table 1000 funcref) (elem (i32.const 0) $leaf)
            (global $g (mut i32) (i32.const 0)) (global $zero (mut i32) (i32.const 0))
            (tag $t) (tag $other)
            (func $throw (throw $t))
            (func $pass (block $h (try_table (catch $other $h) (call $throw))))
            (func $leaf)
            (func $tree (param i32)
                (if (local.get 0) (then
                    (call $tree (i32.sub (local.get 0) (i32.const 1)))
                    (call $tree (i32.sub (local.get 0) (i32.const 1))))))
            (func $run (export "run") call $ready {body})
            (func (export "fine") (result i32) i32.const 5))"#
    )
}

/// A store whose `host::ready` says when a guest is about to run for ever.
fn ready_store(engine: &Engine) -> (Store<Sender<()>>, Linker<Sender<()>>, Receiver<()>) {
    let (ready, is_ready) = channel();
    let mut linker = Linker::new(engine);
    linker
        .func_wrap("host", "ready", |caller: Caller<'_, Sender<()>>| caller.data().send(()).unwrap())
        .unwrap();
    linker.func_wrap("host", "nothing", || ()).unwrap();
    (Store::new(engine, ready), linker, is_ready)
}

/// Interrupts by `handle` each time that a guest says that it is ready.
fn interrupter(handle: InterruptHandle, is_ready: Receiver<()>) -> thread::JoinHandle<()> {
    thread::spawn(move || is_ready.iter().for_each(|()| handle.interrupt()))
}

fn fine<T: 'static>(store: &mut Store<T>, instance: Instance) {
    let fine = instance.get_typed_func::<(), i32>(&mut *store, "fine").unwrap();
    assert_eq!(fine.call(store, ()).unwrap(), 5);
}

#[test]
fn guests_stop_whatever_they_do() {
    let engine = Engine::default();
    for (name, body) in ENDLESS {
        let (mut store, linker, is_ready) = ready_store(&engine);
        let module = compile(&store, &module_text(body));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let interrupter = interrupter(store.interrupt_handle(), is_ready);
        for round in 0..10 {
            let error = run(&mut store, instance, "run").unwrap_err();
            assert_eq!(trap(&error), Trap::Interrupt, "{name}");
            assert!(error.downcast_ref::<WasmBacktrace>().is_some(), "{name}, round {round}");
            assert_eq!(names(&error).last().unwrap(), "run", "{name}");
            assert!(format!("{error:?}").contains("interrupted by the host"));
            fine(&mut store, instance);
        }
        drop(store);
        interrupter.join().unwrap();
    }
}

#[test]
fn start_functions_stop() {
    let engine = Engine::default();
    let (mut store, linker, is_ready) = ready_store(&engine);
    let module = compile(
        &store,
        r#"(module (import "host" "ready" (func $ready)) (func $begin call $ready (loop (br 0))) (start $begin))"#,
    );
    let interrupter = interrupter(store.interrupt_handle(), is_ready);
    for _ in 0..3 {
        let error = linker.instantiate(&mut store, &module).unwrap_err();
        assert_eq!(trap(&error), Trap::Interrupt);
        assert_eq!(names(&error), ["begin"]);
    }
    drop(store);
    interrupter.join().unwrap();
}

#[test]
fn a_request_before_the_call_stops_that_call_only() {
    let (mut store, instance) = start(
        r#"(module (func $run (export "run") (loop (br 0))) (func (export "fine") (result i32) i32.const 5))"#,
    );
    let handle = store.interrupt_handle();
    for requests in [1, 2, 100] {
        (0..requests).for_each(|_| handle.interrupt());
        assert_eq!(trap(&run(&mut store, instance, "run").unwrap_err()), Trap::Interrupt);
        fine(&mut store, instance);
    }
    drop(store);
    // Nobody is left to hear it.
    handle.interrupt();
}

/// What a host function waits in.
enum Wait {
    Sleep,
    Pipe(Mutex<std::io::PipeReader>),
}

impl Wait {
    /// Waits for something that never comes; whether it was interrupted.
    fn wait(&self) -> bool {
        match self {
            Self::Sleep => {
                let day = rustix::thread::Timespec { tv_sec: 86400, tv_nsec: 0 };
                matches!(
                    rustix::thread::nanosleep(&day),
                    rustix::thread::NanosleepRelativeResult::Interrupted(_)
                )
            }
            Self::Pipe(reader) => {
                let outcome = reader.lock().unwrap().read(&mut [0]);
                outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::Interrupted)
            }
        }
    }
}

#[test]
fn system_calls_in_which_a_host_function_waits_are_interrupted() {
    let engine = Engine::default();
    // Nothing is written, and the end for it stays open.
    let (reader, _writer) = std::io::pipe().unwrap();
    for wait in [Wait::Sleep, Wait::Pipe(Mutex::new(reader))] {
        let (mut store, mut linker, is_ready) = ready_store(&engine);
        let block = move |caller: Caller<'_, Sender<()>>| -> Result<()> {
            caller.data().send(())?;
            loop {
                ensure!(wait.wait(), "what never comes has come");
                if caller.interrupted() {
                    return Err(Trap::Interrupt.into());
                }
            }
        };
        linker.func_wrap("host", "block", block).unwrap();
        let module = compile(
            &store,
            r#"(module (import "host" "block" (func $block)) (func $run (export "run") call $block)
                (func (export "fine") (result i32) i32.const 5))"#,
        );
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let interrupter = interrupter(store.interrupt_handle(), is_ready);
        for _ in 0..20 {
            let error = run(&mut store, instance, "run").unwrap_err();
            assert_eq!(trap(&error), Trap::Interrupt);
            assert_eq!(names(&error), ["run"]);
            fine(&mut store, instance);
        }
        drop(store);
        interrupter.join().unwrap();
    }
}

#[test]
fn a_host_function_that_does_not_care_is_followed_by_the_trap() {
    let mut store = Store::new(&Engine::default(), 0);
    let handle = store.interrupt_handle();
    let careless = Func::wrap(&mut store, move |mut caller: Caller<'_, i32>| {
        assert!(!caller.interrupted());
        handle.interrupt();
        assert!(caller.interrupted());
        *caller.data_mut() += 1;
    });
    let module = compile(
        &store,
        r#"(module (import "" "" (func $f)) (func $run (export "run") call $f (call $never)) (func $never unreachable)
            (func (export "fine") (result i32) i32.const 5))"#,
    );
    let instance = Instance::new(&mut store, &module, &[careless.into()]).unwrap();
    for calls in 1..5 {
        let error = run(&mut store, instance, "run").unwrap_err();
        assert_eq!(trap(&error), Trap::Interrupt);
        assert_eq!(names(&error), ["run"]);
        assert_eq!(*store.data(), calls);
        fine(&mut store, instance);
    }
}

/// An outer store whose guest calls a host function that runs an inner store's guest.
fn nested(inner: &str, interrupt_outer: bool) -> (Result<()>, Result<()>) {
    let engine = Engine::default();
    let (mut inner_store, linker, is_ready) = ready_store(&engine);
    let module = compile(&inner_store, &module_text(inner));
    let instance = linker.instantiate(&mut inner_store, &module).unwrap();
    let inner_handle = inner_store.interrupt_handle();
    let outcome = Arc::new(Mutex::new(None));
    let mut store = Store::new(&engine, inner_store);
    let host = {
        let outcome = outcome.clone();
        move |mut caller: Caller<'_, Store<Sender<()>>>| {
            *outcome.lock().unwrap() = Some(run(caller.data_mut(), instance, "run"));
        }
    };
    let host = Func::wrap(&mut store, host);
    let module =
        compile(&store, r#"(module (import "" "" (func $f)) (func $outer (export "outer") call $f))"#);
    let outer = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let handle = if interrupt_outer { store.interrupt_handle() } else { inner_handle };
    let interrupter = interrupter(handle, is_ready);
    let outer_outcome = run(&mut store, outer, "outer");
    let inner_outcome = outcome.lock().unwrap().take().unwrap();
    fine(store.data_mut(), instance);
    drop(store);
    interrupter.join().unwrap();
    (outer_outcome, inner_outcome)
}

#[test]
fn of_nested_stores_the_one_that_is_meant_stops() {
    let (outer, inner) = nested("(loop (br 0))", false);
    outer.unwrap();
    assert_eq!(trap(&inner.unwrap_err()), Trap::Interrupt);
}

#[test]
fn an_outer_store_stops_when_the_guest_of_the_inner_is_done() {
    // The inner one works long enough for the request to come meanwhile, or it comes later, with the same effect.
    let (outer, inner) = nested("", true);
    inner.unwrap();
    // The request may even come after the outer guest has returned; then it is for the next call.
    if let Err(error) = outer {
        assert_eq!(trap(&error), Trap::Interrupt);
        assert_eq!(names(&error), ["outer"]);
    }
}

/// Adds the numbers up to `n`, with a library call for each.
const SUM: &str = r#"(module (memory 1) (func (export "sum") (param $n i64) (result i64) (local $sum i64)
    (loop
        (memory.fill (i32.const 0) (i32.const 7) (i32.wrap_i64 (local.get $n)))
        (local.set $sum (i64.add (local.get $sum) (local.get $n)))
        (local.set $n (i64.sub (local.get $n) (i64.const 1)))
        (br_if 0 (i64.ne (local.get $n) (i64.const 0))))
    (local.get $sum)))"#;

#[test]
fn each_request_stops_one_call_and_no_result_is_wrong() {
    let mut store = Store::new(&Engine::default(), ());
    let instance = instantiate(&mut store, SUM);
    let sum = instance.get_typed_func::<i64, i64>(&mut store, "sum").unwrap();
    let handle = store.interrupt_handle();
    let (start, started) = channel::<u64>();
    let interrupter = thread::spawn(move || {
        for round in started {
            // At another time in each round.
            (0..round * 37 % 1000).for_each(|_| std::hint::spin_loop());
            handle.interrupt();
        }
    });
    for round in 0..1000 {
        start.send(round).unwrap();
        let mut n = 0;
        let error = loop {
            n = n % 40 + 1;
            match sum.call(&mut store, n) {
                Ok(value) => assert_eq!(value, n * (n + 1) / 2),
                Err(error) => break error,
            }
        };
        assert_eq!(trap(&error), Trap::Interrupt);
    }
    drop(start);
    interrupter.join().unwrap();
    assert_eq!(sum.call(&mut store, 3).unwrap(), 6);
}

#[test]
fn requests_stop_no_other_store_on_whatever_thread() {
    let engine = Engine::default();
    let finished = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut store = Store::new(&engine, ());
                let instance = instantiate(&mut store, SUM);
                let sum = instance.get_typed_func::<i64, i64>(&mut store, "sum").unwrap();
                while !finished.load(std::sync::atomic::Ordering::Relaxed) {
                    assert_eq!(sum.call(&mut store, 100).unwrap(), 5050);
                }
            });
        }
        let (mut store, linker, is_ready) = ready_store(&engine);
        let module = compile(&store, &module_text("(loop (br 0))"));
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let interrupter = interrupter(store.interrupt_handle(), is_ready);
        for _ in 0..200 {
            assert_eq!(trap(&run(&mut store, instance, "run").unwrap_err()), Trap::Interrupt);
        }
        drop(store);
        interrupter.join().unwrap();
        finished.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_store_that_moved_to_another_thread_stops_there() {
    let engine = Engine::default();
    let (mut store, linker, is_ready) = ready_store(&engine);
    let module = compile(&store, &module_text("(loop (br 0))"));
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let interrupter = interrupter(store.interrupt_handle(), is_ready);
    for _ in 0..5 {
        assert_eq!(trap(&run(&mut store, instance, "run").unwrap_err()), Trap::Interrupt);
        store = thread::spawn(move || {
            assert_eq!(trap(&run(&mut store, instance, "run").unwrap_err()), Trap::Interrupt);
            store
        })
        .join()
        .unwrap();
    }
    drop(store);
    interrupter.join().unwrap();
}
