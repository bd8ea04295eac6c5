//! Calls of functions that are not compiled yet.
//!
//! # Invariants
//!
//! * **Z1** The stub that calls in here holds the arguments of a guest's call, references into the GC heap among them, where
//!   no collection sees them. So nothing here touches a store but to leave a failure, and to correct a reference of the
//!   instance that was called.
//! * **Z2** Nothing unwinds out of here.
//!
//! # Elsewhere
//!
//! What compiling means: `src/lazy.rs`. The stub: `stub/`.

use super::activation::{Failure, THREAD, fail};
use super::context::VmContext;
use super::instance::InstanceRecord;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use waft_core::index::{DefinedFuncIndex, TypedIndex};

/// The stack that compiling one function may take. The tiers' own recursion is bounded, but deep where a debugger is meant
/// to read it; threads that compile whole modules have 2 MiB.
const COMPILE_STACK_BYTES: usize = 1 << 20;

/// Compiles a function of the instance of `context`, and says where its code is; null if a failure is left for the stub.
///
/// # Safety
///
/// * The stub calls it, on behalf of a guest that calls the function of this index with this context.
pub(super) unsafe extern "C" fn compile_called(context: *mut VmContext, func: u32) -> *const u8 {
    // SAFETY: a function's context is that of an instance, which lives as long as its store, whose guest is running.
    let record = unsafe { InstanceRecord::of(context) };
    // SAFETY: as above; nobody writes to the record while its guest runs, which waits for this call.
    let record = unsafe { record.as_ref() };
    let func = DefinedFuncIndex::new(func as usize);
    let outcome = catch_unwind(AssertUnwindSafe(|| record.module().compile_called(func)));
    let failure = match outcome {
        Ok(Ok(code)) => {
            if record.module().is_settled(func) {
                record.use_code(func, code);
            }
            return code;
        }
        Ok(Err(error)) => Failure::Error(error),
        Err(panic) => Failure::Panic(panic),
    };
    // SAFETY: the context is live and so is its store's; its guest runs in the innermost activation.
    unsafe { fail((*context).store, failure) };
    ptr::null()
}

/// Does `work`, which compiles one function, where there is stack enough: here, or on a thread of its own, for a guest may be
/// near the end of its stack, or on one whose end is not known.
///
/// # Errors
///
/// If no thread can be started.
pub(crate) fn with_compile_stack<R: Send>(work: impl FnOnce() -> R + Send) -> io::Result<R> {
    let here = ptr::from_ref(&work).addr();
    if THREAD.with(|thread| thread.stack_left(here)) >= Some(COMPILE_STACK_BYTES) {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("waft-compile".into()).stack_size(2 * COMPILE_STACK_BYTES);
        // The same panic as here.
        Ok(thread.spawn_scoped(scope, work)?.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests;
