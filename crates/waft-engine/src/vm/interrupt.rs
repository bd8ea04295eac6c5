//! Stopping a guest from another thread.
//!
//! Guest code checks nothing: a request is a flag and a signal to the thread. The signal's handler stops guest code at any
//! instruction; in host code it leaves a flag that exit stubs look at, and its arrival makes a waiting system call return
//! with `EINTR`.
//!
//! # Invariants
//!
//! * **I1** A request stays until it is delivered as a trap, or found when the store is entered next.
//! * **I2** `running` only while an activation of the store is on the thread `tid`, or about to be, or just was.
//!
//! # Why no request is lost
//!
//! A requester sets `requested`, then looks at `running` and `tid`, then signals. The guest's thread sets `tid` and
//! `running`, publishes its activation, then looks at `requested`. If the requester misses `running`, then the thread must
//! see `requested`; each side writes one word and reads the other, which takes a full fence between the two on each side.
//! The guest's side is the hot one, so its fence is the requester's as well: `membarrier` runs one on all other threads of
//! the process. Where the kernel has none, requesters signal `tid` whether it is running or not: `tid` changes rarely, and
//! then with a fence of its own.
//!
//! If the signal is sent, its handler runs on the thread before or after the activation was published. Before: the look
//! at `requested` comes later on the same thread, and sees it. After: the handler finds the activation, and either stops it
//! or sets its flag; S4 of `stub/mod.rs` says why the flag is seen.
//!
//! A thread that is gone, or whose number another thread of the process has now, is harmless: nobody is signalled, or one
//! without an activation of the store, whose handler then does nothing.
//!
//! One race is left to the kernel: the signal may come when a host function has looked for requests but has not begun to
//! wait yet, and so interrupts no system call. The handler therefore repeats a signal that it could not deliver, by a
//! timer ([`Repeat`]).

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, compiler_fence, fence};
use std::sync::{Arc, OnceLock};

/// The signal: by default it is ignored, so that one which arrives late or elsewhere does nothing, and hardly a program
/// uses it for what it is meant for (urgent data on a socket).
pub(super) const SIGNAL: libc::c_int = libc::SIGURG;

/// Requests to interrupt one store.
#[derive(Debug, Default)]
pub(crate) struct InterruptState {
    requested: AtomicBool,
    running: AtomicBool,
    /// The thread that ran the store last; 0 before the first.
    tid: AtomicI32,
}

impl InterruptState {
    /// No request, and nobody running.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether a request waits to be delivered. Async-signal-safe.
    #[inline]
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Takes the request, if there is one.
    pub(crate) fn take(&self) -> bool {
        self.requested.swap(false, Ordering::Relaxed)
    }

    /// The store is about to be entered by the thread `tid`. The caller publishes the activation, then looks for requests.
    #[inline]
    pub(super) fn start(&self, tid: i32) {
        if self.tid.load(Ordering::Relaxed) != tid {
            self.tid.store(tid, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
        self.running.store(true, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// The store is left.
    #[inline]
    pub(super) fn stop(&self) {
        self.running.store(false, Ordering::Relaxed);
    }

    fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
        let certain = fence_all_threads();
        if certain && !self.running.load(Ordering::SeqCst) {
            return;
        }
        let tid = self.tid.load(Ordering::SeqCst);
        if tid != 0 {
            // SAFETY: sends a signal to a thread of this process that, if it ran a guest, has the handler installed.
            // That the thread is gone is the only possible error, and then nothing is running.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, SIGNAL) };
        }
    }
}

/// Runs a full fence on all threads of the process. Whether it could.
fn fence_all_threads() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED));
    let done = registered && membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    // For this thread, and for the way without `membarrier`.
    fence(Ordering::SeqCst);
    done
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: the commands touch no memory of the process.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Interrupts the guest of one store, from any thread.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let module = Module::new(&engine, r#"(module (func (export "spin") (loop (br 0))))"#)?;
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
///
/// let handle = store.interrupt_handle();
/// let stopper = std::thread::spawn(move || handle.interrupt());
/// let error = spin.call(&mut store, ()).unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
/// # stopper.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct InterruptHandle(Arc<InterruptState>);

impl InterruptHandle {
    pub(crate) fn new(state: Arc<InterruptState>) -> Self {
        Self(state)
    }

    /// Asks the store's guest to stop.
    ///
    /// It traps with `Trap::Interrupt` as soon as it executes guest code or a host function returns to it; a system call
    /// in which a host function waits returns with `EINTR`. If no guest is running, the next call into the store traps.
    /// Each request stops one call, and requests before it is delivered are one request.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let module = Module::new(&engine, r#"(module (func (export "f")))"#)?;
    /// # let instance = Instance::new(&mut store, &module, &[])?;
    /// # let f = instance.get_typed_func::<(), ()>(&mut store, "f")?;
    /// store.interrupt_handle().interrupt();
    /// let error = f.call(&mut store, ()).unwrap_err();
    /// assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
    /// f.call(&mut store, ())?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn interrupt(&self) {
        self.0.request();
    }
}

/// How long a signal that could not be delivered waits: nobody notices it, and it costs a waiting thread little.
const REPEAT_NANOS: i64 = 10_000_000;

/// A timer that sends the signal to its thread again. Async-signal-safe.
///
/// It exists from the first signal that could not be delivered until the thread leaves its outermost guest.
pub(super) struct Repeat {
    /// The kernel's number for the timer, plus one; 0 when there is none.
    timer: AtomicI32,
}

impl Repeat {
    pub(super) const fn new() -> Self {
        Self { timer: AtomicI32::new(0) }
    }

    /// Sends the signal again in a while, to the thread `tid`, which is the running one. Only in its handler.
    ///
    /// Where timers are not to be had, only what the timer is for is lost.
    pub(super) fn arm(&self, tid: i32) {
        if !self.is_armed() {
            let Some(timer) = create_timer(tid) else { return };
            self.timer.store(timer + 1, Ordering::Relaxed);
        }
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let once = libc::itimerspec {
            it_interval: zero,
            it_value: libc::timespec { tv_sec: 0, tv_nsec: REPEAT_NANOS },
        };
        let timer = self.timer.load(Ordering::Relaxed) - 1;
        let no_old = ptr::null_mut::<libc::itimerspec>();
        // SAFETY: the timer is this thread's, the structure is valid, and null asks for no old value.
        unsafe { libc::syscall(libc::SYS_timer_settime, timer, 0, &raw const once, no_old) };
    }

    /// Whether there is a timer.
    #[inline]
    pub(super) fn is_armed(&self) -> bool {
        self.timer.load(Ordering::Relaxed) != 0
    }

    /// Ends it. Not while a handler may arm it: after the thread's last activation is gone.
    #[cold]
    pub(super) fn stop(&self) {
        let timer = self.timer.swap(0, Ordering::Relaxed) - 1;
        // SAFETY: the timer is this thread's, and is forgotten above.
        unsafe { libc::syscall(libc::SYS_timer_delete, timer) };
    }
}

fn create_timer(tid: i32) -> Option<i32> {
    // SAFETY: a C structure of numbers, for which all zero is valid.
    let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = SIGNAL;
    event.sigev_notify_thread_id = tid;
    let mut timer: i32 = 0;
    let clock = libc::CLOCK_MONOTONIC;
    // SAFETY: both structures are valid for the call. Not through the C library, whose wrapper may allocate.
    let created = unsafe { libc::syscall(libc::SYS_timer_create, clock, &raw const event, &raw mut timer) };
    (created == 0).then_some(timer)
}
