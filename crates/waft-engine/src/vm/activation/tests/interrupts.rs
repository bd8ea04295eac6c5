//! Guests that are told to stop: at any instruction, in any place.

use super::*;
use crate::vm::interrupt::InterruptHandle;
use crate::vm::stub::libcall_stub;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

impl Store {
    fn handle(&self) -> InterruptHandle {
        InterruptHandle::new(Arc::clone(&self.context().interrupts))
    }
    fn is_interrupted(&self) -> bool {
        self.context().interrupts.is_requested()
    }
}

fn is_interrupt(exit: &GuestExit) -> bool {
    match exit {
        GuestExit::Trap { code, .. } => *code == TrapCode::Interrupt,
        GuestExit::Error { error, .. } => error.downcast_ref() == Some(&TrapCode::Interrupt),
        GuestExit::Exception { .. } | GuestExit::Panic(_) => false,
    }
}

/// Runs `call` again and again, and interrupts each run once: that is how it ends.
fn interrupt_often(rounds: u64, handle: InterruptHandle, mut call: impl FnMut() -> GuestExit) {
    interrupt_each(rounds, handle, || {
        let exit = call();
        assert!(is_interrupt(&exit), "{exit:?}");
    });
}

/// Runs `call` again and again, and interrupts each run once, at another time after its start.
pub(in crate::vm) fn interrupt_each(rounds: u64, handle: InterruptHandle, mut call: impl FnMut()) {
    let (start, started) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for round in started {
                // Busy, because a sleep is longer than all the instructions that are to be hit.
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_nanos(round * 37 % 20_000) {
                    std::hint::spin_loop();
                }
                handle.interrupt();
            }
        });
        for round in 0..rounds {
            start.send(round).unwrap();
            call();
        }
        drop(start);
    });
}

#[test]
fn loops_stop_at_any_instruction() {
    for guest in [Guest::Spin, Guest::SpinCalls] {
        let (store, guest) = (Store::new(), guest.publish());
        interrupt_often(3000, store.handle(), || {
            let exit = store.call(guest.code(), &[0]).unwrap_err();
            if let GuestExit::Trap { backtrace: frames, .. } = &exit {
                assert!(frames.frames().iter().all(|frame| guest.range().contains(&frame.inside())));
                assert!(frames.frames().len() <= 2, "{frames:?}");
            }
            exit
        });
    }
}

#[test]
fn loops_over_host_functions_stop() {
    let (store, guest) = (Store::new(), Guest::SpinRelay.publish());
    for floats in [false, true] {
        let mut host = Host::new(&store, 0, floats, |_| Ok(()));
        let mut context = Context::new(&store);
        context.calls(&mut host);
        interrupt_often(3000, store.handle(), || store.call(guest.code(), &[context.addr()]).unwrap_err());
    }
}

#[test]
fn loops_over_nested_entries_stop() {
    let (store, guest, leaf) = (Store::new(), Guest::SpinRelay.publish(), Guest::Clobber.publish());
    let mut host = Host::new(&store, 0, false, |_| match store.call(leaf.code(), &[0]) {
        Ok(_) => Ok(()),
        Err(GuestExit::Trap { code, .. }) => Err(Failure::Error(code.into())),
        Err(exit) => panic!("{exit:?}"),
    });
    let mut context = Context::new(&store);
    context.calls(&mut host);
    interrupt_often(3000, store.handle(), || store.call(guest.code(), &[context.addr()]).unwrap_err());
}

extern "C" fn slow_libcall(_context: *mut c_void) -> u64 {
    (0..50).map(std::hint::black_box).sum()
}
libcall_stub!(fn slow => slow_libcall);

#[test]
fn loops_over_library_calls_stop() {
    let (store, guest) = (Store::new(), Guest::SpinLibcall.publish());
    let mut context = Context::new(&store);
    context.callee = slow as *const u8;
    interrupt_often(3000, store.handle(), || store.call(guest.code(), &[context.addr()]).unwrap_err());
}

extern "C" fn failing_libcall(context: *mut c_void) -> u64 {
    // SAFETY: the context of the test below.
    let context = unsafe { &*context.cast::<Context>() };
    assert_eq!(RawBacktrace::capture().frames().len(), 1);
    // SAFETY: in a library call of the store.
    unsafe { fail(context.store, Failure::Error(anyhow!("library"))) };
    0
}
libcall_stub!(fn failing => failing_libcall);

#[test]
fn failures_of_library_calls_raise_at_their_end() {
    let (store, guest) = (Store::new(), Guest::RelayThenTrap.publish());
    let mut context = Context::new(&store);
    context.callee = failing as *const u8;
    context.callee_context = context.addr() as *mut u8;
    let exit = store.call(guest.code(), &[context.addr()]).unwrap_err();
    let GuestExit::Error { error, backtrace: frames } = exit else { panic!("{exit:?}") };
    assert_eq!((error.to_string(), frames.frames()[0].pc), ("library".into(), guest.after_call()));
}

#[test]
fn requests_wait_for_the_next_call_and_stop_one() {
    let (store, guest) = (Store::new(), Guest::Clobber.publish());
    store.handle().interrupt();
    store.handle().interrupt();
    assert!(store.is_interrupted());
    assert!(is_interrupt(&store.call(guest.code(), &[0]).unwrap_err()));
    assert!(!store.is_interrupted());
    assert_eq!(store.call(guest.code(), &[0]).unwrap(), 0x5555);
}

/// A host function that waits in a system call until it is interrupted.
fn wait_for_interrupt(store: &Store) -> Result<(), Failure> {
    loop {
        if store.is_interrupted() {
            return Err(Failure::Error(TrapCode::Interrupt.into()));
        }
        let long = libc::timespec { tv_sec: 3600, tv_nsec: 0 };
        // SAFETY: a valid duration, and nowhere to say what is left of it.
        let slept = unsafe { libc::nanosleep(&raw const long, ptr::null_mut()) };
        assert_eq!((slept, std::io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EINTR)));
    }
}

#[test]
fn waiting_host_functions_wake_up_whenever_the_request_comes() {
    let (store, relay) = (Store::new(), Guest::Relay.publish());
    let mut host = Host::new(&store, 0, false, |_| wait_for_interrupt(&store));
    let mut context = Context::new(&store);
    context.calls(&mut host);
    let handle = store.handle();
    let (start, started) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for round in started {
                thread::sleep(Duration::from_micros(round % 60));
                handle.interrupt();
            }
        });
        for round in 0..500_u64 {
            start.send(round).unwrap();
            let exit = store.call(relay.code(), &[context.addr()]).unwrap_err();
            assert!(is_interrupt(&exit), "{exit:?}");
            assert!(!store.is_interrupted());
        }
        drop(start);
    });
}

#[test]
fn only_the_store_that_is_meant_stops() {
    let [meant, other] = [Store::new(), Store::new()];
    let (relay, spin) = (Guest::Relay.publish(), Guest::Clobber.publish());
    let mut host = Host::new(&meant, 0, false, |frame| {
        meant.handle().interrupt();
        frame.int_results[0] = other.call(spin.code(), &[0]).unwrap();
        Ok(())
    });
    let mut context = Context::new(&meant);
    context.calls(&mut host);
    assert!(is_interrupt(&meant.call(relay.code(), &[context.addr()]).unwrap_err()));
    assert_eq!(other.call(spin.code(), &[0]).unwrap(), 0x5555);
}

#[test]
fn stores_are_interrupted_on_the_thread_that_they_moved_to() {
    struct Moved(Store);
    // SAFETY: one thread at a time uses it.
    unsafe impl Send for Moved {}
    let guest = Guest::Spin.publish();
    let mut store = Moved(Store::new());
    for _ in 0..20 {
        let handle = store.0.handle();
        store = thread::scope(|scope| {
            let runner = scope.spawn(|| {
                let store = store;
                assert!(is_interrupt(&store.0.call(guest.code(), &[0]).unwrap_err()));
                store
            });
            handle.interrupt();
            runner.join().unwrap()
        });
    }
}
