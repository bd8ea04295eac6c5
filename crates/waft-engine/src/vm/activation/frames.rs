//! Walking the frames of a store's guests, for the references in them.
//!
//! # Invariants
//!
//! * **V1** A guest of a store that is borrowed waits in a call out of guest code: its innermost frame is that of a stub, and
//!   every frame between that and its `enter` is a guest's, stopped after a call.
//! * **V2** Stack maps are the tier's word, as code is: a slot that one names lies in its frame.
//!
//! # Elsewhere
//!
//! Walks for backtraces, which trust nothing: `backtrace.rs`.

use super::{THREAD, VmActivation, VmStoreContext, arena_contains};
use crate::code::StackMaps;
use std::ptr;
use std::sync::atomic::Ordering;

/// The code of a store, to look stack maps up without a lock.
#[derive(Default)]
pub(crate) struct StoreCodes(Vec<StoreCode>);

struct StoreCode {
    start: usize,
    maps: StackMaps,
}

impl StoreCodes {
    /// Adds the code of a module that has instances in the store now.
    pub(crate) fn add(&mut self, code: &crate::code::CompiledCode) {
        let start = code.text().as_ptr().addr();
        let at = self.0.partition_point(|code| code.start < start);
        if code.text().is_empty() || self.0.get(at).is_some_and(|known| known.start == start) {
            return;
        }
        self.0.insert(at, StoreCode { start, maps: code.stack_maps() });
    }

    /// Where references are, from the frame pointer, in the frame that a call returns to.
    fn slots(&self, pc: usize) -> impl Iterator<Item = i32> + '_ {
        let after = self.0.partition_point(|code| code.start <= pc);
        let code = after.checked_sub(1).map(|at| &self.0[at]);
        code.into_iter().flat_map(move |code| code.maps.slots((pc - code.start) as u32))
    }
}

/// Calls `visit` with every reference in the frames of a store's guests.
///
/// # Safety
///
/// * This thread has borrowed the store (V1), and `codes` has all its code.
pub(in crate::vm) unsafe fn visit_frames(
    store: *const VmStoreContext,
    codes: &StoreCodes,
    visit: &mut impl FnMut(&mut u32),
) {
    // SAFETY: a borrowed store is alive.
    let mut exit_fp = unsafe { &*store }.exit_fp.load(Ordering::Relaxed);
    let mut next = THREAD.with(|thread| thread.innermost().cast_const());
    // SAFETY: A1: activations in the chain are alive.
    while let Some(activation) = unsafe { next.as_ref() } {
        if ptr::eq(activation.store, store) {
            // SAFETY: this is the frame of the stub through which the activation's guest left (V1).
            unsafe { visit_activation(exit_fp, activation, codes, visit) };
            exit_fp = activation.outer.exit_fp;
        }
        next = activation.previous;
    }
}

/// # Safety
///
/// * `fp` is the frame of the stub through which the activation's guest left.
unsafe fn visit_activation(
    mut fp: usize,
    activation: &VmActivation,
    codes: &StoreCodes,
    visit: &mut impl FnMut(&mut u32),
) {
    let entry_fp = activation.entry_fp.load(Ordering::Relaxed);
    while fp < entry_fp {
        let frame = fp as *const [usize; 2];
        // SAFETY: V1: frames from the stub's to the entry's are linked, and on this thread's stack.
        let [caller_fp, pc] = unsafe { frame.read() };
        if !arena_contains(pc) {
            // The outermost guest frame returns into `enter`.
            break;
        }
        for offset in codes.slots(pc) {
            let slot = caller_fp.wrapping_add_signed(offset as isize) as *mut u32;
            // SAFETY: V2; the frame is stopped, so nobody else uses its slots.
            visit(unsafe { &mut *slot });
        }
        fp = caller_fp;
    }
}
