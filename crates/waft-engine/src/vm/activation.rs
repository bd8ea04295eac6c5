//! Entries into guest code: the door in, and what comes out of it when the guest fails.
//!
//! # Invariants
//!
//! * **A1** A thread's activations form a chain, innermost first, that starts in [`THREAD`]. Each lies in the frame of an
//!   [`enter_guest`] on that thread's stack, from before its `enter` until after it.
//! * **A2** Signal handlers run on the thread that owns what they read, at any instruction. So all that they share with
//!   other code here is atomic (relaxed: it is one thread), or written before the activation is published.
//! * **A3** A failure is recorded once per raise: [`Recorded::present`] is set by whoever raises, until [`enter_guest`] takes
//!   it. No guest code runs in between.
//! * **A4** A store context outlives every activation of it, and is used by one thread at a time.
//!
//! # Elsewhere
//!
//! The assembly: `stub/`. Trap sites and interrupts: `signal.rs`, `interrupt.rs`. Walking frames: `activation/backtrace.rs`.
//! Exceptions: `activation/exception.rs`.

mod backtrace;
mod exception;
mod frames;
mod thread;

pub(crate) use backtrace::RawBacktrace;
#[cfg(test)]
use backtrace::RawFrame;
pub(super) use backtrace::WalkStart;
pub(super) use exception::{Landing, Throw, throw};
pub(super) use frames::visit_frames;
pub(super) use thread::{THREAD, Thread};

use super::code_memory::arena_contains;
use super::context::{VmContext, VmFuncRef};
use super::gc::VmGcState;
use super::interrupt::InterruptState;
use super::stub::{self, VmCallFrame};
use crate::code::ModuleCode;
use frames::StoreCodes;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem::offset_of;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, compiler_fence};
use waft_core::gc;
use waft_core::layout::store_context;
use waft_core::trap::TrapCode;

/// What all instances of a store share, as machine code sees it.
#[repr(C)]
pub(crate) struct VmStoreContext {
    /// A function whose frame would reach below this address traps.
    stack_limit: Cell<usize>,
    /// The context of the instance that last left for the host.
    caller: Cell<*mut VmContext>,
    /// The frame of the stub through which the guest last called the host.
    ///
    /// PERF: atomic so that it is not loaded together with `caller`, as 16 bytes which two stores of 8 bytes have just
    /// written: such a load waits for both to reach the cache, and made an empty call take 16 ns instead of 9.
    exit_fp: AtomicUsize,
    /// The innermost entry into guest code of this store.
    activation: Cell<*mut VmActivation>,
    /// Non-zero when somebody asked the guest to stop. A hint: `interrupts` knows.
    interrupt: AtomicU32,
    /// What the heap and machine code pass each other.
    gc: VmGcState,
    /// The functions that the heap refers to by their numbers.
    funcs: Cell<*const *mut VmFuncRef>,
    funcs_count: Cell<u32>,
    /// The top of the state that code entered at a loop takes.
    state: Cell<*const u8>,
    interrupts: Arc<InterruptState>,
    /// The exception that the guest has thrown and nobody has caught yet, or null.
    exception: Cell<u32>,
    /// The code that the store's guests run.
    codes: RefCell<StoreCodes>,
}

// Machine code trusts the table of offsets; so the structure is held against it here.
const _: () = {
    assert!(offset_of!(VmStoreContext, stack_limit) == store_context::STACK_LIMIT as usize);
    assert!(offset_of!(VmStoreContext, caller) == store_context::CALLER as usize);
    assert!(offset_of!(VmStoreContext, exit_fp) == store_context::EXIT_FP as usize);
    assert!(offset_of!(VmStoreContext, activation) == store_context::ACTIVATION as usize);
    assert!(offset_of!(VmStoreContext, interrupt) == store_context::INTERRUPT as usize);
    assert!(offset_of!(VmStoreContext, gc) == store_context::GC as usize);
    assert!(offset_of!(VmStoreContext, funcs) == store_context::FUNCS as usize);
    assert!(offset_of!(VmStoreContext, funcs_count) == store_context::FUNCS_COUNT as usize);
    assert!(offset_of!(VmStoreContext, state) == store_context::STATE as usize);
};

impl VmStoreContext {
    /// The context of a store that nobody has entered yet.
    pub(crate) fn new(interrupts: Arc<InterruptState>) -> Self {
        Self {
            stack_limit: Cell::new(0),
            caller: Cell::new(ptr::null_mut()),
            exit_fp: AtomicUsize::new(0),
            activation: Cell::new(ptr::null_mut()),
            interrupt: AtomicU32::new(0),
            gc: VmGcState::new(),
            funcs: Cell::new(ptr::null()),
            funcs_count: Cell::new(0),
            state: Cell::new(ptr::null()),
            interrupts,
            exception: Cell::new(gc::NULL),
            codes: RefCell::default(),
        }
    }

    /// What the heap and machine code pass each other.
    pub(super) fn gc(&self) -> &VmGcState {
        &self.gc
    }

    /// Tells machine code where the functions are that the heap refers to.
    pub(super) fn set_funcs(&self, funcs: &[*mut VmFuncRef]) {
        self.funcs.set(funcs.as_ptr());
        self.funcs_count.set(funcs.len() as u32);
    }

    /// Tells machine code where the state ends that it takes over.
    pub(super) fn set_state(&self, top: *const u8) {
        self.state.set(top);
    }

    /// The context of the instance that last left for the host: in a host function, its caller.
    #[inline]
    pub(crate) fn caller(&self) -> *mut VmContext {
        self.caller.get()
    }

    /// The exception that has been thrown and not caught, or null: a root of the store's.
    pub(crate) fn exception(&self) -> &Cell<u32> {
        &self.exception
    }

    /// Adds the code of a module that has instances in the store now, and so lives as long.
    pub(super) fn add_code(&self, code: &ModuleCode) {
        self.codes.borrow_mut().add(code);
    }

    /// Requests to interrupt this store.
    pub(super) fn interrupts(&self) -> &InterruptState {
        &self.interrupts
    }

    /// Makes exit stubs look for a requested interrupt. Async-signal-safe.
    pub(super) fn flag_interrupt(&self) {
        self.interrupt.store(1, Ordering::Relaxed);
    }

    /// Whether a flag that was found set means a request. It does not when that one was delivered by other means, or when
    /// it was set for a failure; then it is cleared.
    fn needs_interrupt(&self) -> bool {
        if !self.interrupts.is_requested() {
            self.interrupt.store(0, Ordering::Relaxed);
            // Requests become visible before they set the flag, so none is cleared unseen.
            compiler_fence(Ordering::SeqCst);
        }
        self.interrupts.is_requested()
    }

    /// Takes the request to interrupt this store, if there is one.
    ///
    /// The flag goes first: a request that comes in between is one with that which is taken, and a flag that it leaves
    /// behind is found to mean nothing.
    fn take_interrupt(&self) -> bool {
        self.interrupt.store(0, Ordering::Relaxed);
        self.interrupts.take()
    }
}

/// One entry into guest code.
#[repr(C)]
pub(crate) struct VmActivation {
    /// The stack pointer that `enter` goes back to; 0 while it has not started or is leaving.
    pub(super) sp: AtomicUsize,
    /// The frame of `enter`: where walks through this activation end.
    pub(super) entry_fp: AtomicUsize,
    /// The store that was entered.
    pub(super) store: *const VmStoreContext,
    /// The thread's next outer activation.
    previous: *mut VmActivation,
    /// The frame of the exit stub in which `previous` waits.
    previous_exit_fp: usize,
    /// What the store had before, and gets back: host functions further out still want it.
    outer: Outer,
    /// Why the guest has to stop, when a host function or library call said so.
    failure: Cell<Option<Failure>>,
}

#[derive(Clone, Copy)]
struct Outer {
    activation: *mut VmActivation,
    caller: *mut VmContext,
    exit_fp: usize,
}

impl VmActivation {
    fn new(store: &VmStoreContext, previous: *mut VmActivation) -> Self {
        let previous_exit_fp = if previous.is_null() {
            0
        } else {
            // SAFETY: A1: the chain's activations are alive.
            unsafe { &*previous }.store().exit_fp.load(Ordering::Relaxed)
        };
        Self {
            sp: AtomicUsize::new(0),
            entry_fp: AtomicUsize::new(0),
            store,
            previous,
            previous_exit_fp,
            outer: Outer {
                activation: store.activation.get(),
                caller: store.caller.get(),
                exit_fp: store.exit_fp.load(Ordering::Relaxed),
            },
            failure: Cell::new(None),
        }
    }

    /// The store that was entered.
    pub(super) fn store(&self) -> &VmStoreContext {
        // SAFETY: A4: the store context outlives the activation.
        unsafe { &*self.store }
    }

    /// The thread's next outer activation.
    pub(super) fn previous(&self) -> Option<&VmActivation> {
        // SAFETY: A1: the chain's activations are alive, the outer ones longer than this.
        unsafe { self.previous.as_ref() }
    }

    /// Asks something about the failure that was left, if there is one.
    fn peek_failure<R>(&self, ask: impl FnOnce(&Failure) -> R) -> Option<R> {
        let failure = self.failure.take();
        let answer = failure.as_ref().map(ask);
        self.failure.set(failure);
        answer
    }

    /// Whether `raise` can return from it.
    pub(super) fn is_armed(&self) -> bool {
        self.sp.load(Ordering::Relaxed) != 0
    }
}

/// Why a host function or a library call wants the guest to stop.
pub(crate) enum Failure {
    /// An error of the host's.
    Error(anyhow::Error),
    /// A panic, which goes on where the guest was entered.
    Panic(Box<dyn Any + Send>),
    /// An exception, which is in the store. The guest stops only if it does not catch it.
    Exception(Throw),
}

/// How a guest stopped before its function returned.
#[derive(Debug)]
pub(crate) enum GuestExit {
    /// By a trap.
    Trap {
        /// Why.
        code: TrapCode,
        /// Where.
        backtrace: RawBacktrace,
    },
    /// By an error of a host function or library call.
    Error {
        /// Which.
        error: anyhow::Error,
        /// Where.
        backtrace: RawBacktrace,
    },
    /// By a panic of a host function: resume it.
    Panic(Box<dyn Any + Send>),
    /// By an exception that it did not catch: it is in the store.
    Exception {
        /// Where it was thrown.
        backtrace: RawBacktrace,
    },
}

/// Calls guest code: the only way in.
///
/// `caller` is what a host function sees as its caller until guest code says otherwise: null for the host itself.
///
/// The frame holds the arguments and gets the results. `stack_bytes_max` is what the guest may use of the stack, from
/// here, if the store is not entered yet (an inner entry shares the outer one's); it is less if the thread has less.
/// `uses_floats`: whether an argument or result travels in a vector register.
///
/// # Errors
///
/// How the guest stopped if its function did not return. The frame's results mean nothing then.
///
/// # Safety
///
/// * `store` is live, and no other thread uses it.
/// * `caller` is null or the context of an instance of that store.
/// * `code` is guest code or an exit stub of that store, by the convention, and stays alive during the call.
/// * `frame` holds what the signature of `code` wants, the context first; its stack arguments are readable and their
///   bytes a multiple of 16.
/// * `uses_floats` is as said above.
#[inline]
pub(crate) unsafe fn enter_guest(
    store: *mut VmStoreContext,
    caller: *mut VmContext,
    code: *const u8,
    frame: &mut VmCallFrame,
    stack_bytes_max: usize,
    uses_floats: bool,
) -> Result<(), GuestExit> {
    // SAFETY: live by the caller's promise. What machine code changes in it lies in cells and atomics.
    let store = unsafe { &*store };
    // SAFETY: the value has no destructor, so it lives as long as this thread, which is running this.
    let thread = unsafe { &*Thread::current() };
    if !thread.is_ready() {
        thread.prepare().map_err(cannot_prepare)?;
    }
    let mut activation = VmActivation::new(store, thread.innermost());
    let outermost = activation.outer.activation.is_null();
    if outermost {
        store.stack_limit.set(thread.stack_limit((&raw const activation).addr(), stack_bytes_max));
        store.interrupts.start(thread.tid());
    }
    store.activation.set(&raw mut activation);
    store.caller.set(caller);
    thread.set_innermost(&raw mut activation);
    // A handler that sees the activation sees all of it, and a request that its handler found no activation for
    // was made before the check below (see `interrupt.rs`).
    compiler_fence(Ordering::SeqCst);
    if outermost && store.interrupts.is_requested() {
        store.flag_interrupt();
    }
    let mut end;
    loop {
        // SAFETY: the activation is the innermost, fresh or disarmed by the previous round; the rest is the caller's
        // promise. Its arguments are intact, because the guest has not started in a round that goes on.
        end = unsafe { stub::enter(&raw mut activation, code, frame, uses_floats) };
        if end != stub::INTERRUPTED || store.take_interrupt() {
            break;
        }
    }
    thread.set_innermost(activation.previous);
    compiler_fence(Ordering::SeqCst);
    store.activation.set(activation.outer.activation);
    store.caller.set(activation.outer.caller);
    store.exit_fp.store(activation.outer.exit_fp, Ordering::Relaxed);
    if outermost {
        store.interrupts.stop();
    }
    if thread.repeat().is_armed() && activation.previous.is_null() {
        thread.repeat().stop();
    }
    if end == stub::ENTERED { Ok(()) } else { Err(activation.take_exit(thread, end)) }
}

#[cold]
fn cannot_prepare(error: std::io::Error) -> GuestExit {
    let error = anyhow::Error::new(error).context("cannot prepare this thread for running guests");
    GuestExit::Error { error, backtrace: RawBacktrace::default() }
}

impl VmActivation {
    /// What became of a guest whose `enter` ended like this, but not normally.
    #[cold]
    #[inline(never)]
    fn take_exit(&mut self, thread: &Thread, end: u32) -> GuestExit {
        if end == stub::INTERRUPTED {
            // It never started, and the request was taken.
            let backtrace = RawBacktrace::default();
            return GuestExit::Trap { code: TrapCode::Interrupt, backtrace };
        }
        let recorded = thread.recorded();
        let backtrace = recorded.frames.to_backtrace();
        let code = recorded.take();
        // A failure that was left says more than the site at which its code trapped.
        match self.failure.take() {
            Some(Failure::Panic(panic)) => GuestExit::Panic(panic),
            Some(Failure::Exception(Throw::New | Throw::Again)) if code == TrapCode::Interrupt => {
                // In the stub, before anybody looked for a handler: it is not known whether there is one.
                self.store().exception.set(gc::NULL);
                self.store().take_interrupt();
                GuestExit::Trap { code, backtrace }
            }
            Some(Failure::Exception(Throw::New | Throw::Again)) => GuestExit::Exception { backtrace },
            Some(Failure::Exception(Throw::Host(error))) => GuestExit::Error { error, backtrace },
            Some(Failure::Error(error)) => {
                if error.downcast_ref::<TrapCode>() == Some(&TrapCode::Interrupt) {
                    self.store().take_interrupt();
                }
                GuestExit::Error { error, backtrace }
            }
            None => {
                // An interrupt is delivered now, and only now: a failure may have come before it.
                if code == TrapCode::Interrupt {
                    self.store().take_interrupt();
                }
                GuestExit::Trap { code, backtrace }
            }
        }
    }
}

/// Leaves the reason why the guest has to stop. The stub through which the host was called raises it; if there is none,
/// the guest's next trap gives it instead of its own reason.
///
/// # Safety
///
/// * `store` is live, and this thread runs a host function or library call on behalf of its guest.
pub(crate) unsafe fn fail(store: *const VmStoreContext, failure: Failure) {
    // SAFETY: the caller promises that the store is live.
    let store = unsafe { &*store };
    // Stubs look at this flag anyway, and then find the failure.
    store.flag_interrupt();
    let activation = store.activation.get();
    // SAFETY: the store's guest is running, so by A1 its innermost activation is alive.
    unsafe { &*activation }.failure.set(Some(failure));
}

/// Goes on for a stub whose host function or library call failed, or whose store's interrupt flag is set: raises the
/// reason, lets the guest catch it if it is an exception, or returns if there is none, to resume the guest.
///
/// It runs above the stub's frame, below which are only guest frames and stubs, and holds nothing to drop when it leaves.
pub(super) extern "C" fn leave_exit(store: &VmStoreContext, failed: u32) {
    let activation = store.activation.get();
    // SAFETY: a stub of the store calls this, so by A1 its innermost activation is alive.
    let running = unsafe { &*activation };
    let exit = WalkStart::at_exit(store.exit_fp.load(Ordering::Relaxed), ptr::from_ref(&failed).addr());
    let is_exception = running.peek_failure(|failure| matches!(failure, Failure::Exception(_)));
    let code = match is_exception {
        Some(true) => {
            // SAFETY: the stub's frame is on the stack, above this one's, and the exception is in the store.
            unsafe { exception::land(store, running, exit) }
        }
        Some(false) => TrapCode::LibcallFailed,
        None => {
            assert!(failed == 0, "a host function failed and left no reason");
            if !store.needs_interrupt() {
                return;
            }
            TrapCode::Interrupt
        }
    };
    THREAD.with(|thread| {
        thread.recorded().record(code, |frames| match is_exception {
            // They are logged, but for those of outer activations.
            // SAFETY: this thread's stack, above this frame.
            Some(true) if code != TrapCode::Interrupt => unsafe { frames.walk_outer(running) },
            // SAFETY: the stub's frame is on the stack, above this one's.
            _ => unsafe { frames.walk(exit, running) },
        });
    });
    // SAFETY: the stub was called by the innermost activation's guest, which is armed; S2 of the stubs holds, and of this
    // function's values none has a destructor left to run.
    unsafe { stub::raise(activation) }
}

impl RawBacktrace {
    /// The guest frames of this thread, in a host function; none if no guest is running.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "public backtraces are only taken from failures so far")
    )]
    pub(crate) fn capture() -> Self {
        THREAD.with(|thread| {
            // SAFETY: A1: activations in the chain are alive, and this one is on this thread's stack.
            let Some(running) = (unsafe { thread.innermost().as_ref() }) else { return Self::default() };
            let frames = backtrace::FrameLog::new();
            let start = WalkStart::at_exit(
                running.store().exit_fp.load(Ordering::Relaxed),
                ptr::from_ref(&frames).addr(),
            );
            // SAFETY: the exit stub's frame is on the stack, above this one's.
            unsafe { frames.walk(start, running) };
            frames.to_backtrace()
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
