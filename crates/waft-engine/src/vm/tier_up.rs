//! What follows when a guest has used up a budget: code to go on with takes its state.
//!
//! # Invariants
//!
//! * **W1** The state stays what it is while better code is asked for: nothing is allocated in the store's heap, so no
//!   collection moves what it refers to. The code that takes it loads all of it before it calls anything.
//!
//! # Elsewhere
//!
//! What is hot, and what is compiled: `src/tier_up.rs`. The form of the state: `waft_core::budget`.

use super::context::{StorePtr, VmContext};
use super::instance::{InstanceRecord, use_code};
use super::store::StoreOpaque;
use crate::module::ModuleInner;
use std::collections::HashSet;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};
use waft_core::budget::NO_LOOP;
use waft_core::index::DefinedFuncIndex;

impl StoreOpaque {
    /// Has a function of an instance get better code, and hands the state at a loop over to code that goes on there, if there
    /// is some. What cannot be done leaves the function with the code that it has.
    pub(super) fn tier_up(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        func: DefinedFuncIndex,
        loop_at: u32,
        state: *const [u8],
    ) -> Option<NonNull<u8>> {
        let module = self.at(instance).module();
        let code = module.used_up(func, (loop_at != NO_LOOP).then_some(loop_at))?;
        let code = NonNull::new(code.cast_mut())?;
        // SAFETY: the guest's code passes a piece of its frame, in which it waits for this call, of initialised bytes.
        let state = unsafe { &*state };
        self.hand_over(state).then_some(code)
    }
}

/// The instances whose references are to be told of better code. An instance is in here from when its context is filled in until
/// before that is freed.
#[derive(Default)]
pub(crate) struct Instances(Mutex<HashSet<usize>>);

impl Instances {
    fn lock(&self) -> MutexGuard<'_, HashSet<usize>> {
        // Whole whenever it is unlocked: every change to it is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, context: *mut VmContext) {
        self.lock().insert(context.expose_provenance());
    }

    pub(crate) fn remove(&self, context: *mut VmContext) {
        self.lock().remove(&context.addr());
    }

    /// Has the references of a function lead to its code.
    pub(crate) fn use_code(&self, module: &ModuleInner, func: DefinedFuncIndex, code: *mut u8) {
        for context in self.lock().iter() {
            let context = ptr::with_exposed_provenance_mut(*context);
            // SAFETY: whoever frees a context takes it out first, for which the lock is needed.
            unsafe { use_code(context, module, func, code) };
        }
    }
}
