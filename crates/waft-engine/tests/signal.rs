//! The handlers for guests' faults leave all other signals to whom they belong. Each case is a process of its own.

mod common;

use common::{run, start, trap};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicI32, Ordering};
use waft::*;

const CASE: &str = "WAFT_SIGNAL_TEST";

/// Runs `test` in a process in which [`is_child`] holds for it.
fn child(test: &str) -> Output {
    let exe = std::env::current_exe().unwrap();
    Command::new(exe).args(["--exact", test, "--nocapture"]).env(CASE, test).output().unwrap()
}

fn is_child(test: &str) -> bool {
    std::env::var(CASE).is_ok_and(|case| case == test)
}

/// Traps of every kind of signal, after which our handlers are there.
fn trap_in_a_guest() {
    let (mut store, instance) = start(
        r#"(module (memory 1) (func (export "segv") (drop (i32.load (i32.const -1)))) (func (export "ill") unreachable)
            (func (export "fpe") (drop (i32.div_u (i32.const 1) (i32.const 0))))
            (func $f (export "stack") (call $f)))"#,
    );
    for name in ["segv", "ill", "fpe", "stack", "segv"] {
        trap(&run(&mut store, instance, name).unwrap_err());
    }
}

fn fault() {
    // SAFETY: none: this is the fault.
    unsafe { std::hint::black_box(std::ptr::without_provenance::<u8>(16)).read_volatile() };
}

static SEEN: AtomicI32 = AtomicI32::new(0);

extern "C" fn leave_with_42(signal: libc::c_int) {
    if signal == libc::SIGSEGV {
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(42) };
    }
    SEEN.fetch_add(1, Ordering::SeqCst);
}

/// Installs a handler as an embedder would have, before there is any engine.
fn handle(signal: libc::c_int) {
    let handler = leave_with_42 as extern "C" fn(libc::c_int) as *const () as usize;
    // SAFETY: the handler only does what handlers may do.
    assert_ne!(unsafe { libc::signal(signal, handler) }, libc::SIG_ERR);
}

#[test]
fn faults_of_the_host_reach_the_handler_that_was_there_before() {
    let test = "faults_of_the_host_reach_the_handler_that_was_there_before";
    if is_child(test) {
        handle(libc::SIGSEGV);
        trap_in_a_guest();
        fault();
    } else {
        assert_eq!(child(test).status.code(), Some(42));
    }
}

#[test]
fn faults_of_host_functions_are_not_traps() {
    let test = "faults_of_host_functions_are_not_traps";
    if is_child(test) {
        handle(libc::SIGSEGV);
        let mut store = Store::new(&Engine::default(), ());
        let host = Func::wrap(&mut store, fault);
        let module =
            common::compile(&store, r#"(module (import "" "" (func $f)) (func (export "f") call $f))"#);
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        drop(run(&mut store, instance, "f"));
    } else {
        assert_eq!(child(test).status.code(), Some(42));
    }
}

#[test]
fn faults_of_the_host_without_another_handler_end_the_process() {
    let test = "faults_of_the_host_without_another_handler_end_the_process";
    if is_child(test) {
        trap_in_a_guest();
        fault();
    } else {
        assert_eq!(child(test).status.signal(), Some(libc::SIGSEGV));
    }
}

#[test]
fn overflow_of_the_host_is_reported_as_without_us() {
    let test = "overflow_of_the_host_is_reported_as_without_us";
    if is_child(test) {
        #[allow(unconditional_recursion, reason = "this is the overflow")]
        fn overflow(depth: u64) -> u64 {
            std::hint::black_box([depth; 100])[std::hint::black_box(7)] + overflow(depth + 1)
        }
        let mut store = Store::new(&Engine::default(), ());
        let host = Func::wrap(&mut store, || overflow(0));
        let module = common::compile(
            &store,
            r#"(module (import "" "" (func $f (result i64))) (func (export "f") (drop (call $f))))"#,
        );
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        drop(run(&mut store, instance, "f"));
    } else {
        let output = child(test);
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("has overflowed its stack"), "{text}");
    }
}

#[test]
fn the_signal_for_interrupts_keeps_its_meaning() {
    let test = "the_signal_for_interrupts_keeps_its_meaning";
    if is_child(test) {
        handle(libc::SIGURG);
        let (mut store, instance) = start(r#"(module (func (export "f") (loop (br 0))))"#);
        trap_in_a_guest();
        // SAFETY: a signal to this thread.
        unsafe { libc::raise(libc::SIGURG) };
        assert_eq!(SEEN.load(Ordering::SeqCst), 1);
        let handle = store.interrupt_handle();
        let interrupter = std::thread::spawn(move || handle.interrupt());
        assert_eq!(trap(&run(&mut store, instance, "f").unwrap_err()), Trap::Interrupt);
        interrupter.join().unwrap();
    } else {
        assert!(child(test).status.success());
    }
}
