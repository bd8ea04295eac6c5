//! Slots of old objects that refer to young ones, as write barriers note them.
//!
//! # Invariants
//!
//! * **B1** The whole buffer is readable and writable; `remember_next` of the state points into it or to its end, and what
//!   is before was written since the buffer was last emptied.
//!
//! What is noted is not trusted: a slot is an offset that a guest's reference led to.

use super::state::VmGcState;
use crate::vm::mmap::Reservation;
use std::io;
use waft_core::gc::may_be_young;

/// How many slots can be noted between two collections: as many as there are small objects in the largest nursery. None
/// costs memory before it is used.
const SLOTS_MAX: usize = 1 << 20;

/// The buffer of a store.
#[derive(Debug)]
pub(super) struct Remembered {
    buffer: Reservation,
}

impl Remembered {
    pub(super) fn new() -> io::Result<Self> {
        let buffer = Reservation::new(SLOTS_MAX * 4)?;
        buffer.commit(0..buffer.len())?;
        Ok(Self { buffer })
    }

    /// Forgets all slots.
    pub(super) fn clear(&self, state: &VmGcState) {
        let base = self.buffer.base().cast::<u32>();
        state.remember_next.set(base);
        state.remember_end.set(base.wrapping_add(SLOTS_MAX));
        state.remember_overflow.set(0);
    }

    /// Whether slots are missing, so that only a full collection finds all young objects.
    pub(super) fn is_incomplete(&self, state: &VmGcState) -> bool {
        state.remember_overflow.get() != 0
    }

    /// The slots that were noted since the last [`Self::clear`].
    pub(super) fn slots(&self, state: &VmGcState) -> &[u32] {
        let base = self.buffer.base().cast::<u32>();
        let bytes = state.remember_next.get().addr().wrapping_sub(base.addr());
        let len = (bytes / 4).min(SLOTS_MAX);
        // SAFETY: so many words are in the buffer and were written (B1), or read as zero; machine code, which alone writes
        // to it besides `push`, does not run while the heap is borrowed.
        unsafe { std::slice::from_raw_parts(base, len) }
    }

    /// Notes a slot that holds `value`, if that may be a young object: the barrier of stores by the host.
    #[inline]
    pub(super) fn note(&mut self, state: &VmGcState, slot: u32, value: u32) {
        if !may_be_young(value) || value & 1 != 0 {
            return;
        }
        let len = self.slots(state).len();
        if len == SLOTS_MAX {
            state.remember_overflow.set(1);
            return;
        }
        let next = self.buffer.base().cast::<u32>().wrapping_add(len);
        // SAFETY: `len < SLOTS_MAX`, so the word is in the buffer (B1); `&mut self` rules out another borrow of it.
        unsafe { next.write(slot) };
        state.remember_next.set(next.wrapping_add(1));
    }
}
