//! Faults that are not the guest's: each in a process of its own, which must die, or survive, as without us.

use super::*;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::atomic::AtomicI32;

const CASE: &str = "WAFT_TEST_CRASH";

/// Runs the test `name` again in a process in which [`is_child`] holds.
fn rerun(name: &str) -> ExitStatus {
    let exe = std::env::current_exe().unwrap();
    let path = module_path!();
    let test = format!("{}::{name}", path.split_once("::").unwrap().1);
    let output = Command::new(exe).args(["--exact", &test, "--nocapture"]).env(CASE, name).output().unwrap();
    output.status
}

fn is_child(name: &str) -> bool {
    std::env::var(CASE).is_ok_and(|case| case == name)
}

/// Makes the handlers be there, by a trap.
fn trap_once() {
    let (store, guest) = (Store::new(), Guest::Unreachable.publish());
    assert!(store.call(guest.code(), &[0]).is_err());
}

fn fault() {
    // SAFETY: none: this is the fault.
    unsafe { std::hint::black_box(16 as *const u8).read_volatile() };
}

#[test]
fn host_faults_end_the_process() {
    if is_child("host_faults_end_the_process") {
        trap_once();
        fault();
        return;
    }
    assert_eq!(rerun("host_faults_end_the_process").signal(), Some(libc::SIGSEGV));
}

#[test]
fn faults_in_host_functions_end_the_process() {
    if is_child("faults_in_host_functions_end_the_process") {
        let (store, relay) = (Store::new(), Guest::Relay.publish());
        let mut host = Host::new(&store, 0, false, |_| {
            fault();
            Ok(())
        });
        let mut context = Context::new(&store);
        context.calls(&mut host);
        drop(store.call(relay.code(), &[context.addr()]));
        return;
    }
    assert_eq!(rerun("faults_in_host_functions_end_the_process").signal(), Some(libc::SIGSEGV));
}

#[test]
fn guest_faults_at_unknown_sites_end_the_process() {
    if is_child("guest_faults_at_unknown_sites_end_the_process") {
        let (store, guest) = (Store::new(), Guest::Unreachable.publish());
        drop(store.call(guest.unknown_copy().as_ptr(), &[0]));
        return;
    }
    assert_eq!(rerun("guest_faults_at_unknown_sites_end_the_process").signal(), Some(libc::SIGILL));
}

#[test]
fn signals_that_were_sent_have_their_meaning() {
    if is_child("signals_that_were_sent_have_their_meaning") {
        trap_once();
        // SAFETY: a signal to this thread.
        unsafe { libc::raise(libc::SIGFPE) };
        return;
    }
    assert_eq!(rerun("signals_that_were_sent_have_their_meaning").signal(), Some(libc::SIGFPE));
}

#[test]
fn signals_that_were_ignored_stay_so() {
    if is_child("signals_that_were_ignored_stay_so") {
        // SAFETY: the disposition of a signal that nobody here waits for.
        unsafe { libc::signal(libc::SIGFPE, libc::SIG_IGN) };
        trap_once();
        for signal in [libc::SIGFPE, libc::SIGURG, libc::SIGFPE] {
            // SAFETY: a signal to this thread.
            unsafe { libc::raise(signal) };
        }
    } else {
        assert!(rerun("signals_that_were_ignored_stay_so").success());
    }
}

static SEEN: AtomicI32 = AtomicI32::new(0);

extern "C" fn with_info(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    assert!(!info.is_null() && !context.is_null());
    SEEN.fetch_add(signal, Ordering::SeqCst);
    // SAFETY: ends the process at once, successfully if the plain handler was called before.
    unsafe { libc::_exit(i32::from(SEEN.load(Ordering::SeqCst) != libc::SIGSEGV + libc::SIGURG)) };
}

extern "C" fn plain(signal: libc::c_int) {
    SEEN.fetch_add(signal, Ordering::SeqCst);
}

#[test]
fn handlers_that_were_there_before_are_called() {
    if is_child("handlers_that_were_there_before_are_called") {
        // SAFETY: all zero is a valid action.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = with_info as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        // SAFETY: a valid action and no interest in the old one.
        unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) };
        action.sa_sigaction = plain as *const () as usize;
        action.sa_flags = 0;
        // SAFETY: the same.
        unsafe { libc::sigaction(libc::SIGURG, &raw const action, ptr::null_mut()) };
        trap_once();
        // SAFETY: a signal to this thread, with no guest running.
        unsafe { libc::raise(libc::SIGURG) };
        fault();
        unreachable!();
    }
    assert!(rerun("handlers_that_were_there_before_are_called").success());
}
