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

use super::context::StorePtr;
use super::instance::InstanceRecord;
use super::store::StoreOpaque;
use anyhow::Result;
use std::ptr::NonNull;
use waft_core::budget::NO_LOOP;
use waft_core::index::DefinedFuncIndex;

impl StoreOpaque {
    /// Has a function of an instance get better code, and hands the state at a loop over to code that goes on there, if there
    /// is some.
    ///
    /// # Errors
    ///
    /// None: what cannot be done leaves the function with the code that it has.
    pub(super) fn tier_up(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        func: DefinedFuncIndex,
        loop_at: u32,
        state: *const [u8],
    ) -> Result<Option<NonNull<u8>>> {
        let record = self.at_mut(instance);
        let module = record.module().clone();
        let code = module.used_up(func, (loop_at != NO_LOOP).then_some(loop_at));
        record.use_settled();
        let Some(code) = code.and_then(|code| NonNull::new(code.cast_mut())) else { return Ok(None) };
        // SAFETY: the guest's code passes a piece of its frame, in which it waits for this call, of initialised bytes.
        let state = unsafe { &*state };
        Ok(self.hand_over(state).then_some(code))
    }
}
