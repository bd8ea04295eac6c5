//! Guests in assembly, entered, left and stopped in every way.

mod crash;
mod guest;
pub(in crate::vm) mod interrupts;

use super::*;
use crate::vm::code_memory::CodeMemory;
use crate::vm::stub::{VmHostFunc, exit_stub};
use anyhow::anyhow;
use guest::{Guest, Registered};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

const STACK: usize = 512 << 10;

/// What guests here get as their context.
#[repr(C)]
struct Context {
    /// Where `VmContext` has it.
    store: *mut VmStoreContext,
    /// What to call, and with which context.
    callee: *const u8,
    callee_context: *mut u8,
    /// What `spy` found and what it has to return.
    stack_bytes: usize,
    ints: [u64; 5],
    floats: [u128; 8],
    stack: [u64; 32],
}

impl Context {
    fn new(store: &Store) -> Box<Self> {
        Box::new(Self {
            store: store.ptr(),
            callee: ptr::null(),
            callee_context: ptr::null_mut(),
            stack_bytes: 0,
            ints: [0; 5],
            floats: [0; 8],
            stack: [0; 32],
        })
    }
    fn addr(&mut self) -> u64 {
        ptr::from_mut(self) as u64
    }
    fn calls(&mut self, host: &mut Host<'_>) {
        self.callee = host.code;
        self.callee_context = ptr::from_mut(host).cast();
    }
}

struct Store(*mut VmStoreContext);

impl Store {
    fn new() -> Self {
        Self(Box::into_raw(Box::new(VmStoreContext::new(Arc::new(InterruptState::new())))))
    }
    fn ptr(&self) -> *mut VmStoreContext {
        self.0
    }
    fn context(&self) -> &VmStoreContext {
        // SAFETY: made in `new`, freed when dropped; all that changes lies in cells.
        unsafe { &*self.0 }
    }
    fn enter(&self, code: *const u8, frame: &mut VmCallFrame) -> Result<(), GuestExit> {
        // SAFETY: the tests give code of their own, with the frame that it wants.
        unsafe { enter_guest(self.0, ptr::null_mut(), code, frame, STACK, true) }
    }
    /// Calls with integer arguments; the first integer result.
    fn call(&self, code: *const u8, args: &[u64]) -> Result<u64, GuestExit> {
        let mut frame = VmCallFrame::zeroed();
        frame.ints[..args.len()].copy_from_slice(args);
        // SAFETY: as above, without floats.
        unsafe { enter_guest(self.0, ptr::null_mut(), code, &mut frame, STACK, false) }?;
        Ok(frame.int_results[0])
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: made in `new`, and nobody uses it any more.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

type HostFn<'a> = Box<dyn FnMut(&mut VmCallFrame) -> Result<(), Failure> + 'a>;

/// A host function as the engine makes them: an exit stub with a `VmHostFunc` before its closure.
#[repr(C)]
struct Host<'a> {
    func: VmHostFunc,
    store: *mut VmStoreContext,
    code: *const u8,
    run: HostFn<'a>,
}

impl<'a> Host<'a> {
    fn new(
        store: &Store,
        stack_bytes: u32,
        floats: bool,
        run: impl FnMut(&mut VmCallFrame) -> Result<(), Failure> + 'a,
    ) -> Box<Self> {
        let func = VmHostFunc::new(Self::call, store.ptr(), stack_bytes);
        Box::new(Self { func, store: store.ptr(), code: exit_stub(floats), run: Box::new(run) })
    }

    unsafe extern "C" fn call(func: *mut VmHostFunc, frame: *mut VmCallFrame) -> u32 {
        // SAFETY: only ever used for the first field of a `Host`.
        let host = unsafe { &mut *func.cast::<Host<'_>>() };
        // SAFETY: the stub's frame.
        let frame = unsafe { &mut *frame };
        let result = catch_unwind(AssertUnwindSafe(|| (host.run)(frame)));
        let failure = match result {
            Ok(Ok(())) => return 0,
            Ok(Err(failure)) => failure,
            Err(panic) => Failure::Panic(panic),
        };
        // SAFETY: in a host function of the store.
        unsafe { fail(host.store, failure) };
        1
    }
    fn addr(&mut self) -> u64 {
        ptr::from_mut(self) as u64
    }
}

fn wide(n: u64) -> u128 {
    u128::from(n) << 64 | u128::from(!n)
}

/// A frame with recognisable arguments after the context.
fn full_frame(context: u64, stack: &mut [u128]) -> VmCallFrame {
    for (n, words) in stack.iter_mut().enumerate() {
        *words = wide(100 + n as u64);
    }
    let mut frame = VmCallFrame::zeroed();
    frame.ints = [context, 1, 2, 3, 4, 5];
    frame.floats = std::array::from_fn(|n| wide(n as u64 + 10));
    frame.stack = stack.as_mut_ptr().cast();
    frame.stack_bytes = size_of_val(stack);
    frame
}

#[test]
fn arguments_and_results_arrive() {
    let (store, spy) = (Store::new(), Guest::Spy.publish());
    for stack_len in [0, 1, 2, 7, 16] {
        let mut context = Context::new(&store);
        let mut stack = vec![0_u128; stack_len];
        let mut frame = full_frame(context.addr(), &mut stack);
        context.stack_bytes = frame.stack_bytes;
        store.enter(spy.code(), &mut frame).unwrap();
        assert_eq!(context.ints, [1, 2, 3, 4, 5]);
        assert_eq!(context.floats, std::array::from_fn(|n| wide(n as u64 + 10)));
        for (n, words) in stack.iter().enumerate() {
            assert_eq!(u128::from(context.stack[2 * n]), *words & u128::from(u64::MAX));
            assert_eq!(u128::from(context.stack[2 * n + 1]), *words >> 64);
        }
        assert_eq!(frame.int_results, [71, 72, 73, 74]);
        assert_eq!(frame.floats[..4], [17, 16, 15, 14].map(wide));
    }
}

#[test]
fn host_functions_get_arguments_and_give_results() {
    let store = Store::new();
    for floats in [false, true] {
        for stack_len in [0, 1, 2, 7] {
            let mut seen = None;
            let mut host = Host::new(&store, stack_len * 16, floats, |frame| {
                // SAFETY: the stub passed that many bytes on.
                let stack =
                    unsafe { std::slice::from_raw_parts(frame.stack.cast::<u128>(), frame.stack_bytes / 16) };
                seen = Some((frame.ints, frame.floats, stack.to_vec()));
                frame.int_results = [81, 82, 83, 84];
                frame.floats[..4].copy_from_slice(&[91, 92, 93, 94].map(wide));
                Ok(())
            });
            let mut stack = vec![0_u128; stack_len as usize];
            let mut frame = full_frame(host.addr(), &mut stack);
            let passed = frame.clone();
            store.enter(host.code, &mut frame).unwrap();
            drop(host);
            let (ints, float_args, stack_args) = seen.unwrap();
            assert_eq!((ints, stack_args), (passed.ints, stack));
            assert_eq!(frame.int_results, [81, 82, 83, 84]);
            if floats {
                assert_eq!(float_args, passed.floats);
                assert_eq!(frame.floats[..4], [91, 92, 93, 94].map(wide));
            }
        }
    }
}

#[test]
fn registers_that_the_host_keeps_survive_every_way_out() {
    extern "C" fn run(argument: *mut c_void) {
        let [returns, traps] = [Guest::Clobber, Guest::ClobberAndTrap].map(Guest::publish);
        // SAFETY: the store of the test below.
        let store = unsafe { &*argument.cast::<Store>() };
        assert_eq!(store.call(returns.code(), &[0]).unwrap(), 0x5555);
        assert!(matches!(
            store.call(traps.code(), &[0]),
            Err(GuestExit::Trap { code: TrapCode::UnreachableCodeReached, .. })
        ));
    }
    let mut store = Store::new();
    // SAFETY: `run` has the type that is wanted, and the store lives.
    assert_eq!(unsafe { guest::call_and_compare_registers(run, (&raw mut store).cast()) }, 0);
}

#[test]
fn traps_say_why_and_where() {
    let store = Store::new();
    let rows = [
        (Guest::Unreachable, TrapCode::UnreachableCodeReached),
        (Guest::Load, TrapCode::MemoryOutOfBounds),
        (Guest::Divide, TrapCode::IntegerDivisionByZero),
    ];
    for (guest, expected) in rows {
        let guest = guest.publish();
        for _ in 0..3 {
            let Err(GuestExit::Trap { code, backtrace: frames }) =
                store.call(guest.code(), &[0, 0x7777_0000])
            else {
                panic!("{expected} expected");
            };
            assert_eq!(code, expected);
            assert_eq!(frames.frames(), [RawFrame { pc: guest.trap_pc(), exact: true }]);
        }
    }
}

#[test]
fn traps_leave_any_number_of_guest_frames() {
    let (store, guest) = (Store::new(), Guest::Recurse.publish());
    for depth in [1, 2, 50, 129, 1000] {
        let Err(GuestExit::Trap { code: TrapCode::UnreachableCodeReached, backtrace: frames, .. }) =
            store.call(guest.code(), &[0, depth])
        else {
            panic!("a trap expected");
        };
        let total = depth as usize;
        assert_eq!(frames.frames().len(), total.min(128));
        assert_eq!(frames.omitted(), usize::saturating_sub(total, 128));
        assert_eq!(frames.frames()[0], RawFrame { pc: guest.trap_pc(), exact: true });
        assert!(
            frames.frames()[1..].iter().all(|frame| !frame.exact && guest.range().contains(&frame.inside()))
        );
    }
    assert_eq!(store.context().activation.get(), ptr::null_mut());
}

#[test]
fn exhausted_stacks_trap() {
    let (store, guest) = (Store::new(), Guest::Exhaust.publish());
    let mut context = Context::new(&store);
    for _ in 0..2 {
        let exit = store.call(guest.code(), &[context.addr()]).unwrap_err();
        let GuestExit::Trap { code: TrapCode::StackOverflow, backtrace: frames, .. } = exit else {
            panic!("{exit:?}")
        };
        let frames_run = frames.omitted() + 128;
        assert!((STACK / 16 - 100..=STACK / 16).contains(&frames_run), "{frames_run} frames of 16 bytes");
    }
}

#[test]
fn small_threads_trap_before_their_stack_ends() {
    let run = || {
        let (store, guest) = (Store::new(), Guest::Exhaust.publish());
        let mut context = Context::new(&store);
        let exit = store.call(guest.code(), &[context.addr()]).unwrap_err();
        assert!(matches!(exit, GuestExit::Trap { code: TrapCode::StackOverflow, .. }), "{exit:?}");
    };
    for bytes in [64 << 10, 256 << 10, 400 << 10] {
        std::thread::Builder::new().stack_size(bytes).spawn(run).unwrap().join().unwrap();
    }
}

/// Calls a host function that fails, through a guest, and gives the exit.
fn fail_with(failure: impl Fn() -> Failure) -> (GuestExit, Registered) {
    let (store, relay) = (Store::new(), Guest::Relay.publish());
    let mut host = Host::new(&store, 0, true, |_| Err(failure()));
    let mut context = Context::new(&store);
    context.calls(&mut host);
    let exit = store.call(relay.code(), &[context.addr()]).unwrap_err();
    assert_eq!(
        (store.context().activation.get(), store.context().exit_fp.load(Ordering::Relaxed)),
        (ptr::null_mut(), 0)
    );
    (exit, relay)
}

#[test]
fn failures_of_host_functions_come_out() {
    let (exit, relay) = fail_with(|| Failure::Error(anyhow!("no such file")));
    let GuestExit::Error { error, backtrace: frames } = exit else { panic!("{exit:?}") };
    assert_eq!(error.to_string(), "no such file");
    assert_eq!(frames.frames(), [RawFrame { pc: relay.after_call(), exact: false }]);

    let (exit, _) = fail_with(|| panic!("host {}", std::hint::black_box(7)));
    let GuestExit::Panic(panic) = exit else { panic!("{exit:?}") };
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "host 7");
}

extern "C" fn fails_quietly(store: *mut VmStoreContext) {
    // SAFETY: on behalf of the store's guest.
    unsafe { fail(store, Failure::Error(anyhow!("kept"))) };
}

#[test]
fn failures_win_over_the_trap_site() {
    let store = Store::new();
    let (relay, guest) = (Guest::RelayThenTrap.publish(), Guest::Unreachable.publish());
    let mut context = Context::new(&store);
    // Without a stub, so that the guest goes on until it traps.
    context.callee = fails_quietly as *const u8;
    context.callee_context = store.ptr().cast();
    let exit = store.call(relay.code(), &[context.addr()]).unwrap_err();
    let GuestExit::Error { error, backtrace: frames } = exit else { panic!("{exit:?}") };
    assert_eq!(error.to_string(), "kept");
    assert_eq!(frames.frames(), [RawFrame { pc: relay.trap_pc(), exact: true }]);
    // Nothing is left for the next call.
    let exit = store.call(guest.code(), &[0]).unwrap_err();
    assert!(matches!(exit, GuestExit::Trap { code: TrapCode::UnreachableCodeReached, .. }), "{exit:?}");
}

#[test]
fn guests_call_hosts_that_call_guests() {
    let (store, relay, trap) = (Store::new(), Guest::Relay.publish(), Guest::Unreachable.publish());
    let other = Store::new();
    let depth = Cell::new(0);
    let context = Cell::new(0);
    let mut host = Host::new(&store, 0, true, |frame| {
        let limit = store.context().stack_limit.get();
        let exit_fp = store.context().exit_fp.load(Ordering::Relaxed);
        depth.set(depth.get() + 1);
        let seen = RawBacktrace::capture();
        assert_eq!(seen.frames(), vec![RawFrame { pc: relay.after_call(), exact: false }; depth.get()]);
        let result = if depth.get() == 4 {
            // The innermost is another store's, whose traps show all frames of the thread.
            other.call(trap.code(), &[0])
        } else {
            store.call(relay.code(), &[context.get()])
        };
        assert_eq!(
            (store.context().stack_limit.get(), store.context().exit_fp.load(Ordering::Relaxed)),
            (limit, exit_fp)
        );
        depth.set(depth.get() - 1);
        match result {
            Ok(value) => frame.int_results[0] = value + 1,
            Err(GuestExit::Trap { code, backtrace: frames, .. }) => {
                assert_eq!(code, TrapCode::UnreachableCodeReached);
                assert_eq!(frames.frames()[0], RawFrame { pc: trap.trap_pc(), exact: true });
                assert_eq!(frames.frames()[1..], [RawFrame { pc: relay.after_call(), exact: false }; 4]);
                frame.int_results[0] = 1000;
            }
            Err(exit) => panic!("{exit:?}"),
        }
        Ok(())
    });
    let mut first = Context::new(&store);
    first.calls(&mut host);
    context.set(first.addr());
    assert_eq!(store.call(relay.code(), &[context.get()]).unwrap(), 1003);
    assert_eq!(store.context().activation.get(), ptr::null_mut());
    assert_eq!(RawBacktrace::capture(), RawBacktrace::default());
}

#[test]
fn panics_pass_through_nested_guests() {
    let (store, relay) = (Store::new(), Guest::Relay.publish());
    let mut inner = Host::new(&store, 0, false, |_| panic!("deep"));
    let mut inner_context = Context::new(&store);
    inner_context.calls(&mut inner);
    let mut outer = Host::new(&store, 0, false, |_| {
        match store.call(relay.code(), &[inner_context.addr()]).unwrap_err() {
            GuestExit::Panic(panic) => std::panic::resume_unwind(panic),
            exit => panic!("{exit:?}"),
        }
    });
    let mut outer_context = Context::new(&store);
    outer_context.calls(&mut outer);
    let exit = store.call(relay.code(), &[outer_context.addr()]).unwrap_err();
    let GuestExit::Panic(panic) = exit else { panic!("{exit:?}") };
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"deep"));
}

#[test]
fn every_thread_has_a_stack_for_signals_while_it_runs_guests() {
    let guest = Guest::Unreachable.publish();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let store = Store::new();
                assert!(store.call(guest.code(), &[0]).is_err());
                let mut current = std::mem::MaybeUninit::<libc::stack_t>::uninit();
                // SAFETY: asks only, into a valid structure.
                assert_eq!(unsafe { libc::sigaltstack(ptr::null(), current.as_mut_ptr()) }, 0);
                // SAFETY: filled by the call.
                let current = unsafe { current.assume_init() };
                assert!(current.ss_flags & libc::SS_DISABLE == 0 && current.ss_size >= 64 << 10);
            });
        }
    });
}
