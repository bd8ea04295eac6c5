//! Signals: faults of guest code become traps, and interrupts stop guests.
//!
//! # Invariants
//!
//! * **G1** Handlers call only what is async-signal-safe: system calls, lock-free reads of this thread's values, and, at
//!   faults of guest code, the registry of code (see C4 of `code_memory.rs`).
//! * **G2** A fault that is not at a registered trap site of guest code belongs to the handler that was there before.
//! * **G3** What was there before is known before our handler is installed.
//! * **G4** The kernel calls a handler with a valid `siginfo_t` and `ucontext_t`, which are the handler's until it returns.
//!
//! # Elsewhere
//!
//! Why a guest may be left at any instruction: S2 and S3 of `stub/mod.rs`.

use super::activation::{THREAD, Thread, VmActivation, WalkStart};
use super::code_memory::{arena_contains, trap_code};
use super::interrupt;
use super::stub::{self, Link, Machine};
use libc::{c_int, c_void, siginfo_t};
use std::io;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::OnceLock;
use waft_core::trap::TrapCode;

/// The signals of faults, and what handled each before us.
static FAULTS: [(c_int, Previous); 4] = [
    (libc::SIGSEGV, Previous::new()),
    (libc::SIGBUS, Previous::new()),
    (libc::SIGILL, Previous::new()),
    (libc::SIGFPE, Previous::new()),
];
/// What handled the interrupt signal before us.
static INTERRUPT: Previous = Previous::new();

type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// Installs the handlers, once per process.
///
/// # Errors
///
/// If the system forbids it.
pub(super) fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let installed =
        INSTALLED.get_or_init(|| install_all().map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL)));
    installed.map_err(io::Error::from_raw_os_error)
}

fn install_all() -> io::Result<()> {
    for (signal, previous) in &FAULTS {
        previous.replace(*signal, on_fault)?;
    }
    // Without `SA_RESTART`: a host function that waits in a system call is to look whether it should give up.
    INTERRUPT.replace(interrupt::SIGNAL, on_interrupt)
}

/// A fault, of whomever.
extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: G4.
    let mut machine = Machine::new(unsafe { &mut *context.cast() });
    // SAFETY: G4.
    if become_trap(unsafe { &*info }, &mut machine) {
        return;
    }
    let previous = FAULTS.iter().find(|(fault, _)| *fault == signal);
    if let Some((_, previous)) = previous {
        previous.forward(signal, info, context);
    }
}

/// Makes a trap of a fault, if it is the guest's.
fn become_trap(info: &siginfo_t, machine: &mut Machine<'_>) -> bool {
    let pc = machine.pc();
    if was_sent(info) || !arena_contains(pc) {
        return false;
    }
    THREAD.with(|thread| {
        let Some(activation) = running(thread) else { return false };
        // This thread executes guest code, so it holds no lock: the registry's can be taken (C4).
        let Some(code) = trap_code(pc) else { return false };
        let start = WalkStart { pc: Some(pc), hidden: None, fp: machine.fp(), floor: machine.sp() };
        leave_guest(thread, activation, machine, code, start);
        true
    })
}

/// The innermost activation, if its guest can be left.
fn running(thread: &Thread) -> Option<&VmActivation> {
    // SAFETY: A1: activations in the chain are alive.
    let activation = unsafe { thread.innermost().as_ref() }?;
    // Not when something raises already: what it recorded stands, and `enter_guest` is about to take it.
    (activation.is_armed() && !thread.recorded().is_present()).then_some(activation)
}

/// Lets the thread leave its guest when the handler returns. It is in guest code or a stub, and `activation` is armed.
fn leave_guest(
    thread: &Thread,
    activation: &VmActivation,
    machine: &mut Machine<'_>,
    code: TrapCode,
    start: WalkStart,
) {
    thread.recorded().record(code, |frames| {
        // SAFETY: the floor is the stack pointer of the guest or a stub, which run on this thread's stack below `enter`.
        unsafe { frames.walk(start, activation) };
    });
    // SAFETY: the innermost and armed, by `running`; the interrupted frame is a guest's or a stub's (S2).
    unsafe { machine.redirect_to_raise(ptr::from_ref(activation).cast_mut()) };
}

/// A request to interrupt, or the signal's ordinary meaning.
extern "C" fn on_interrupt(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the thread's own `errno`, which the interrupted code may be about to read.
    let errno_at = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let errno = unsafe { errno_at.read() };
    // SAFETY: G4.
    let mut machine = Machine::new(unsafe { &mut *context.cast() });
    if !THREAD.with(|thread| deliver(thread, &mut machine)) {
        INTERRUPT.forward_if_handled(signal, info, context);
    }
    // SAFETY: as above.
    unsafe { errno_at.write(errno) };
}

/// Delivers requests to the stores that this thread is running. Whether there were any.
fn deliver(thread: &Thread, machine: &mut Machine<'_>) -> bool {
    // SAFETY: A1: activations in the chain are alive.
    let Some(innermost) = (unsafe { thread.innermost().as_ref() }) else { return false };
    let mut requested = false;
    let mut next = Some(innermost);
    while let Some(activation) = next {
        if activation.store().interrupts().is_requested() {
            activation.store().flag_interrupt();
            requested = true;
        }
        next = activation.previous();
    }
    let pc = machine.pc();
    let in_guest = arena_contains(pc);
    let can_leave = (in_guest || stub::contains(pc)) && innermost.store().interrupts().is_requested();
    if can_leave && running(thread).is_some() {
        // SAFETY: the context is that of guest code or a stub, which signals interrupt between instructions.
        let Link { hidden, fp } = unsafe { machine.link() };
        let start = WalkStart { pc: in_guest.then_some(pc), hidden, fp, floor: machine.sp() };
        leave_guest(thread, innermost, machine, TrapCode::Interrupt, start);
    } else if requested {
        // In host code, or in a guest that another store's host function called: the signal may have come just before
        // a system call that waits.
        thread.repeat().arm(thread.tid());
    }
    requested
}

/// Whether a process sent the signal, as opposed to the kernel reporting a fault.
fn was_sent(info: &siginfo_t) -> bool {
    info.si_code <= 0
}

/// What was done about a signal before our handler was installed.
struct Previous(OnceLock<libc::sigaction>);

impl Previous {
    const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Installs our handler for `signal`, having kept what was there (G3).
    fn replace(&self, signal: c_int, handler: Handler) -> io::Result<()> {
        let before = exchange_action(signal, None)?;
        self.0.get_or_init(|| before);
        let mut action = empty_action();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // A request that comes while a trap is recorded has to wait. Faults in handlers end the process at once.
        // SAFETY: the set is valid, and the signal exists.
        unsafe { libc::sigaddset(&raw mut action.sa_mask, interrupt::SIGNAL) };
        exchange_action(signal, Some(&action))?;
        Ok(())
    }

    /// Does what would be done if our handler were not there.
    fn forward(&self, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        if self.forward_if_handled(signal, info, context) {
            return;
        }
        // SAFETY: G4.
        let sent = was_sent(unsafe { &*info });
        let ignored = self.0.get().is_some_and(|action| action.sa_sigaction == libc::SIG_IGN);
        if sent && ignored {
            return;
        }
        // The default, which for these signals ends the process; faults cannot be ignored either. The instruction faults
        // again when the handler returns, so that a core file shows the true site; a signal that was sent is sent again.
        // No error is possible for a valid signal, and without effect we would be called again.
        let _ = exchange_action(signal, Some(&empty_action()));
        if sent {
            // SAFETY: sends a signal to this thread; it arrives when the handler returns.
            unsafe { libc::raise(signal) };
        }
    }

    /// Calls the previous handler, if there was one.
    fn forward_if_handled(&self, signal: c_int, info: *mut siginfo_t, context: *mut c_void) -> bool {
        let Some(action) = self.0.get() else { return false };
        match action.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => return false,
            handler if action.sa_flags & libc::SA_SIGINFO != 0 => {
                // SAFETY: the kernel took it for a handler of this kind, as the flag says.
                let handler = unsafe { mem::transmute::<usize, Handler>(handler) };
                handler(signal, info, context);
            }
            handler => {
                // SAFETY: the kernel took it for a handler of this kind, without the flag.
                let handler = unsafe { mem::transmute::<usize, extern "C" fn(c_int)>(handler) };
                handler(signal);
            }
        }
        true
    }
}

/// The default action, with no signal blocked.
fn empty_action() -> libc::sigaction {
    // SAFETY: a C structure of numbers, an empty set and an optional function: all zero is valid, and means the default.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Sets what happens at a signal, if `new` is given, and says what did before. Async-signal-safe.
fn exchange_action(signal: c_int, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let new = new.map_or(ptr::null(), ptr::from_ref);
    let mut old = empty_action();
    // SAFETY: both are null or valid; a new action is the default or one of the handlers of this file.
    if unsafe { libc::sigaction(signal, new, &raw mut old) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(old)
}
