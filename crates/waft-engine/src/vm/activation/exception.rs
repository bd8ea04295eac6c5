//! Exceptions on their way from where they are thrown to where a guest catches them.
//!
//! Compiled code says for each of its calls whether, and where, it wants the exceptions that leave the callee. Who throws
//! walks the frames of the running activation, innermost first, until one wants it, and goes on there; what it does not
//! catch, that code throws again. An activation that nobody catches it in ends, and its error is a `ThrownException`.
//!
//! # Invariants
//!
//! * **E1** Of a store with an exception under way, the exception is in its `exception` cell: no reference to it is anywhere
//!   else that a collection does not see.
//! * **E2** All guest frames of an activation are of code in its store's `StoreCodes`.
//! * **E3** The frames that are passed hold nothing to drop: they are guests' and stubs' (S2).
//!
//! # Elsewhere
//!
//! What catches: `exception.rs` in each tier. How the thread goes on: `land` in `stub/`.

use super::backtrace::{Frames, WalkStart};
use super::{Failure, THREAD, VmActivation, VmStoreContext, fail};
use crate::vm::stub;
use waft_core::gc;
use waft_core::trap::TrapCode;

/// How an exception comes to be under way.
pub(crate) enum Throw {
    /// A guest threw it.
    New,
    /// A guest's landing, which did not catch it, lets it go on.
    Again,
    /// A host function returned this error.
    Host(anyhow::Error),
}

/// Where an exception goes on, and with what in the registers.
#[repr(C)]
pub(in crate::vm) struct Landing {
    pub(in crate::vm) pc: usize,
    pub(in crate::vm) sp: usize,
    pub(in crate::vm) fp: usize,
    /// The reference to the exception.
    pub(in crate::vm) exception: u64,
    /// The frame of the stub that the guest last called, for whoever interrupts the way to the landing.
    pub(in crate::vm) exit_fp: usize,
}

/// Leaves an exception for the stub through which the guest called: that one goes on where it is caught.
///
/// # Safety
///
/// * `store` is live, and this thread runs a library call on behalf of its guest.
pub(in crate::vm) unsafe fn throw(store: *mut VmStoreContext, exception: u32, throw: Throw) {
    // SAFETY: the caller promises that the store is live.
    unsafe { &*store }.exception.set(exception);
    // SAFETY: the same promise.
    unsafe { fail(store, Failure::Exception(throw)) };
}

/// Goes on where the guest catches the exception that its store holds. If it does not, or is to be interrupted, the reason
/// to raise; the frames are then logged, but for those of outer activations.
///
/// # Safety
///
/// * `running` is the innermost activation of `store`, armed, and was left an exception.
/// * `exit` is where its guest called the stub on whose behalf this runs.
pub(super) unsafe fn land(store: &VmStoreContext, running: &VmActivation, exit: WalkStart) -> TrapCode {
    let again = running.peek_failure(|failure| matches!(failure, Failure::Exception(Throw::Again)));
    // SAFETY: the stub's frame is on the stack, above this one's.
    let frames = unsafe { Frames::new(exit.fp, exit.floor, running) };
    let Some(mut landing) = find(store, frames, again == Some(true)) else {
        return TrapCode::LibcallFailed;
    };
    landing.exception = store.exception.replace(gc::NULL).into();
    landing.exit_fp = exit.fp;
    drop(running.failure.take());
    while !store.needs_interrupt() {
        // SAFETY: the landing is that of a live frame, from which the store's code wants the exception of the call that it
        // is in (E2); what lies below is forgotten (E3). It returns if there is a request to interrupt.
        unsafe { stub::land(&raw const landing, store) };
    }
    TrapCode::Interrupt
}

/// Looks for the innermost frame that wants the exception, and logs those on the way.
fn find(store: &VmStoreContext, frames: Frames, again: bool) -> Option<Landing> {
    let codes = store.codes.borrow();
    THREAD.with(|thread| {
        let log = &thread.recorded().frames;
        if !again {
            log.clear();
        }
        for (at, frame) in frames.enumerate() {
            // A landing is in a frame that was logged when the exception came there.
            if at > 0 || !again {
                log.push(frame.pc);
            }
            if let Some((start, handler)) = codes.handler(frame.pc) {
                let (pc, sp) = (start + handler.landing as usize, frame.fp - handler.frame_bytes as usize);
                return Some(Landing { pc, sp, fp: frame.fp, exception: 0, exit_fp: 0 });
            }
        }
        None
    })
}
