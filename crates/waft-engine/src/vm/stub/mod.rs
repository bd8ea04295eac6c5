//! The crossings between host and guest, in assembly: one file per machine.
//!
//! `enter*` call guest code from the host. `exit*` is the code of every host function: guests call it like any other
//! function, and `libcall_stub` makes that of library calls. `first_call` has a function compiled and goes on there. `raise` gives up the guest frames of an activation and makes
//! its `enter` return; `land` gives up those inside of one that catches an exception.
//!
//! # Invariants
//!
//! * **S1** The stubs follow `waft_core::convention`, so that one pair of them serves all signatures.
//! * **S2** Between an `enter` and the `pc` at which a trap, an interrupt or an exit stub raises lie only guest frames
//!   and stubs. Neither has anything to drop, so `raise` and `land` may forget them.
//! * **S3** All stubs lie in one section of their own: a signal handler can tell them from other host code, and may raise
//!   from any of their instructions while the activation is armed (its `sp` is not zero).
//! * **S4** A stub that is about to return to a guest looks at the store's interrupt flag, and `enter` does after it is
//!   armed. A signal that comes later finds its `pc` in a stub or in guest code, and raises. So no interrupt is lost.
//!
//! # Elsewhere
//!
//! Who calls `enter`, and what becomes of a raised failure: `activation.rs`. Signals: `signal.rs`.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod x64;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use x64 as isa;

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!(
    "Waft's engine has crossings for x86-64 Linux only: another machine is one more file beside x64.rs"
);

use super::activation::{Landing, VmActivation, VmStoreContext, leave_exit};
pub(super) use isa::libcall_stub;
pub(super) use isa::{FIRST_CALL_AT, Link, Machine, THUNK_BYTES, thunk};
use std::ptr;

/// The arguments and results of one call, by the places of `waft_core::convention`.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub(crate) struct VmCallFrame {
    /// Vector registers: arguments 0 to 7, afterwards results 0 to 3.
    pub(crate) floats: [u128; 8],
    /// Integer registers that carry arguments; the first is the callee's context.
    pub(crate) ints: [u64; 6],
    /// The stack arguments.
    pub(crate) stack: *mut u8,
    /// Their bytes, a multiple of 16.
    pub(crate) stack_bytes: usize,
    /// Integer registers that carry results.
    pub(crate) int_results: [u64; 4],
}

impl VmCallFrame {
    /// A frame without stack arguments, all registers zero.
    #[inline]
    pub(crate) const fn zeroed() -> Self {
        Self { floats: [0; 8], ints: [0; 6], stack: ptr::null_mut(), stack_bytes: 0, int_results: [0; 4] }
    }
}

/// What an exit stub knows about the host function that it belongs to: a guest passes its address as the context.
#[repr(C)]
pub(crate) struct VmHostFunc {
    /// The host's side. Non-zero means that it left a failure with [`fail`](super::activation::fail).
    ///
    /// It must not unwind. The frame's `stack` and `stack_bytes` describe the arguments, and it writes results into
    /// the frame.
    call: unsafe extern "C" fn(*mut VmHostFunc, *mut VmCallFrame) -> u32,
    /// The store that the function belongs to.
    store: *mut VmStoreContext,
    /// Bytes of stack arguments, a multiple of 16, which the stub removes.
    stack_bytes: u32,
}

impl VmHostFunc {
    /// A host function of `store`.
    pub(crate) const fn new(
        call: unsafe extern "C" fn(*mut VmHostFunc, *mut VmCallFrame) -> u32,
        store: *mut VmStoreContext,
        stack_bytes: u32,
    ) -> Self {
        Self { call, store, stack_bytes }
    }
}

/// How a call of `enter` ended: normally.
pub(super) const ENTERED: u32 = 0;
/// How a call of `enter` ended: something raised, and recorded why.
pub(super) const RAISED: u32 = 1;
/// How a call of `enter` ended: the interrupt flag was set, so the guest never started.
pub(super) const INTERRUPTED: u32 = 2;

/// The code of a host function: what guests call, with the address of its [`VmHostFunc`] as the context.
///
/// `uses_floats`: whether an argument or a result travels in a vector register. Without, the crossing is cheaper.
pub(crate) fn exit_stub(uses_floats: bool) -> *const u8 {
    if uses_floats { isa::exit as *const u8 } else { isa::exit_ints as *const u8 }
}

/// Calls guest code. [`ENTERED`], [`RAISED`] or [`INTERRUPTED`].
///
/// # Safety
///
/// * `activation` is the thread's innermost, its store is right, and its `sp` is 0.
/// * `code` follows the convention, and `frame` holds what its signature wants, with at least `stack_bytes` readable at
///   `stack`, a multiple of 16.
/// * `uses_floats` if an argument or result travels in a vector register.
#[inline]
pub(super) unsafe fn enter(
    activation: *mut VmActivation,
    code: *const u8,
    frame: *mut VmCallFrame,
    uses_floats: bool,
) -> u32 {
    if uses_floats {
        // SAFETY: the caller promises all of it.
        unsafe { isa::enter(activation, code, frame) }
    } else {
        // SAFETY: the same, and that no vector register matters.
        unsafe { isa::enter_ints(activation, code, frame) }
    }
}

/// Forgets the guest frames of an activation: its `enter` returns [`RAISED`].
///
/// # Safety
///
/// * `activation` is the thread's innermost and armed.
/// * No frame between here and its `enter` has anything left to drop (S2).
pub(super) unsafe fn raise(activation: *mut VmActivation) -> ! {
    // SAFETY: the caller promises what the stub asks for.
    unsafe { isa::raise(activation) }
}

/// Goes on where a guest catches an exception, with the reference in the first register for it. Returns if there is a request
/// to interrupt the store's guest.
///
/// # Safety
///
/// * The landing is a handler's of the code of a live guest frame of the thread's innermost activation, which is of
///   `store` and armed.
/// * No frame between here and that one has anything left to drop (S2).
pub(super) unsafe fn land(landing: *const Landing, store: *const VmStoreContext) {
    // SAFETY: the caller promises what the stub asks for.
    unsafe { isa::land(landing, store) }
}

/// Whether `pc` lies in a stub. Async-signal-safe.
pub(super) fn contains(pc: usize) -> bool {
    // Named by the linker: the ends of the section in which S3 puts the stubs.
    unsafe extern "C" {
        #[link_name = "__start_waft_stub"]
        static START: u8;
        #[link_name = "__stop_waft_stub"]
        static STOP: u8;
    }
    (&raw const START).addr() <= pc && pc < (&raw const STOP).addr()
}
