//! What each thread that runs guests keeps.
//!
//! # Invariants
//!
//! * **T1** The thread-local value is constant at first and has no destructor: reading it neither allocates nor registers
//!   anything, in signal handlers as well.
//!
//! # Elsewhere
//!
//! The alternate stack, which does have a destructor: `altstack.rs`.

use super::VmActivation;
use super::backtrace::FrameLog;
use crate::vm::interrupt::Repeat;
use crate::vm::{altstack, signal};
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicUsize, Ordering, compiler_fence};
use waft_core::trap::TrapCode;

/// What the host may use of the stack below the guest's limit: host functions check nothing.
const HOST_STACK_BYTES: usize = 128 << 10;

/// A thread that runs guests. All of it is shared with this thread's signal handlers, and so atomic, relaxed.
pub(in crate::vm) struct Thread {
    innermost: AtomicPtr<VmActivation>,
    ready: AtomicBool,
    tid: AtomicI32,
    stack_start: AtomicUsize,
    stack_end: AtomicUsize,
    recorded: Recorded,
    repeat: Repeat,
}

thread_local! {
    /// This thread.
    pub(in crate::vm) static THREAD: Thread = const { Thread::new() };
}

impl Thread {
    const fn new() -> Self {
        Self {
            innermost: AtomicPtr::new(ptr::null_mut()),
            ready: AtomicBool::new(false),
            tid: AtomicI32::new(0),
            stack_start: AtomicUsize::new(0),
            stack_end: AtomicUsize::new(0),
            recorded: Recorded::new(),
            repeat: Repeat::new(),
        }
    }

    /// This thread. Cheaper than a closure in [`THREAD`], which the optimiser does not see through.
    #[inline]
    pub(super) fn current() -> *const Self {
        THREAD.with(ptr::from_ref)
    }

    /// The innermost activation, or null.
    #[inline]
    pub(in crate::vm) fn innermost(&self) -> *mut VmActivation {
        self.innermost.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn set_innermost(&self, activation: *mut VmActivation) {
        // Handlers see the fields of an activation that they see.
        compiler_fence(Ordering::SeqCst);
        self.innermost.store(activation, Ordering::Relaxed);
    }

    /// Why something raised.
    pub(in crate::vm) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// The timer that repeats interrupts which came at a bad time.
    #[inline]
    pub(in crate::vm) fn repeat(&self) -> &Repeat {
        &self.repeat
    }

    /// Whether [`Self::prepare`] has run.
    #[inline]
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// The kernel's number for the thread.
    #[inline]
    pub(in crate::vm) fn tid(&self) -> i32 {
        self.tid.load(Ordering::Relaxed)
    }

    /// Installs what a thread needs before it runs guests: signal handlers, and a stack for them.
    #[cold]
    pub(super) fn prepare(&self) -> io::Result<()> {
        signal::install()?;
        altstack::install()?;
        self.tid.store(rustix::thread::gettid().as_raw_nonzero().get(), Ordering::Relaxed);
        if let Some(stack) = altstack::thread_stack() {
            self.stack_start.store(stack.start, Ordering::Relaxed);
            self.stack_end.store(stack.end, Ordering::Relaxed);
        }
        self.ready.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes of stack below `here`, an address in the frame of whoever asks, if that is on the thread's own stack.
    pub(in crate::vm) fn stack_left(&self, here: usize) -> Option<usize> {
        let start = self.stack_start.load(Ordering::Relaxed);
        (start..self.stack_end.load(Ordering::Relaxed)).contains(&here).then(|| here - start)
    }

    /// The thread's alternate stack is gone: a later entry prepares anew.
    pub(in crate::vm) fn forget_preparation(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    /// The lowest address for guest frames, when the guest may have `bytes_max` from `here`, an address in the frame of
    /// whoever enters it, and the host what it needs.
    #[inline]
    pub(super) fn stack_limit(&self, here: usize, bytes_max: usize) -> usize {
        let wanted = here.saturating_sub(bytes_max);
        let start = self.stack_start.load(Ordering::Relaxed);
        // On a stack that is not the thread's own, its owner has to ask for what is there.
        if (start..self.stack_end.load(Ordering::Relaxed)).contains(&here) {
            wanted.max(start + HOST_STACK_BYTES)
        } else {
            wanted
        }
    }
}

/// Why and where the guest that is being left has stopped.
pub(in crate::vm) struct Recorded {
    present: AtomicBool,
    /// A `TrapCode`.
    code: AtomicU8,
    pub(super) frames: FrameLog,
}

impl Recorded {
    const fn new() -> Self {
        Self { present: AtomicBool::new(false), code: AtomicU8::new(0), frames: FrameLog::new() }
    }

    /// Whether something is raising already: then nothing else may.
    pub(in crate::vm) fn is_present(&self) -> bool {
        self.present.load(Ordering::Relaxed)
    }

    /// Records why the guest stops; `log` logs where. The caller raises next.
    pub(in crate::vm) fn record(&self, code: TrapCode, log: impl FnOnce(&FrameLog)) {
        self.present.store(true, Ordering::Relaxed);
        // An interrupt that comes from here on leaves the rest alone.
        compiler_fence(Ordering::SeqCst);
        self.code.store(code as u8, Ordering::Relaxed);
        log(&self.frames);
    }

    /// Takes the reason that was recorded.
    pub(super) fn take(&self) -> TrapCode {
        let code = TrapCode::from_u8(self.code.load(Ordering::Relaxed));
        compiler_fence(Ordering::SeqCst);
        self.present.store(false, Ordering::Relaxed);
        code.expect("whoever raises records a code first (A3)")
    }
}
