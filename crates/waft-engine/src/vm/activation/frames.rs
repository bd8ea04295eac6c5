//! Walking the frames of a store's guests, for the references in them; and the code of a store, to look frames up.
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
use crate::code::{CodeTables, ModuleCode};
use crate::lazy::LazyCode;
use std::ops::Range;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use waft_core::tier::ExceptionHandler;

/// The code of a store, to look up without a lock what its tables say of a frame. The store keeps the modules alive.
#[derive(Default)]
pub(super) struct StoreCodes {
    /// Of modules that have all their code, by its address.
    whole: Vec<WholeCode>,
    /// Of modules that get theirs as it is called: few, so that they are asked one by one.
    lazy: Vec<Arc<LazyCode>>,
}

struct WholeCode {
    range: Range<usize>,
    tables: Arc<CodeTables>,
}

impl StoreCodes {
    /// Adds the code of a module that has instances in the store now.
    pub(super) fn add(&mut self, code: &ModuleCode) {
        let code = match code {
            ModuleCode::Whole(code) => code,
            ModuleCode::Lazy(code) => {
                if !self.lazy.iter().any(|known| Arc::ptr_eq(known, code)) {
                    self.lazy.push(code.clone());
                }
                return;
            }
        };
        let range = code.text().as_ptr_range();
        let range = range.start.addr()..range.end.addr();
        let at = self.whole.partition_point(|code| code.range.start < range.start);
        if range.is_empty() || self.whole.get(at).is_some_and(|known| known.range.start == range.start) {
            return;
        }
        self.whole.insert(at, WholeCode { range, tables: code.tables().clone() });
    }

    /// What is known of the code that holds the call before `pc`, and where that code starts.
    fn find(&self, pc: usize) -> Option<(usize, &CodeTables)> {
        // The call may be the last instruction, and `pc` the end of its code.
        let call = pc - 1;
        let after = self.whole.partition_point(|code| code.range.start <= call);
        let whole = after.checked_sub(1).map(|at| &self.whole[at]).filter(|code| code.range.contains(&call));
        match whole {
            Some(code) => Some((code.range.start, &code.tables)),
            None => self.lazy.iter().find_map(|code| code.find(call)),
        }
    }

    /// What catches the exceptions of the call before `pc`, and where its code starts.
    pub(super) fn handler(&self, pc: usize) -> Option<(usize, ExceptionHandler)> {
        let (start, tables) = self.find(pc)?;
        Some((start, tables.handler((pc - start) as u32)?))
    }

    /// Where references are, from the frame pointer, in the frame that a call returns to.
    fn slots(&self, pc: usize) -> impl Iterator<Item = i32> + '_ {
        self.find(pc).into_iter().flat_map(move |(start, tables)| tables.slots((pc - start) as u32))
    }
}

/// Calls `visit` with every reference in the frames of a store's guests.
///
/// # Safety
///
/// * This thread has borrowed the store (V1).
pub(in crate::vm) unsafe fn visit_frames(store: *const VmStoreContext, visit: &mut impl FnMut(&mut u32)) {
    // SAFETY: a borrowed store is alive.
    let store = unsafe { &*store };
    let codes = store.codes.borrow();
    let mut exit_fp = store.exit_fp.load(Ordering::Relaxed);
    let mut next = THREAD.with(|thread| thread.innermost().cast_const());
    // SAFETY: A1: activations in the chain are alive.
    while let Some(activation) = unsafe { next.as_ref() } {
        if ptr::eq(activation.store, store) {
            // SAFETY: this is the frame of the stub through which the activation's guest left (V1).
            unsafe { visit_activation(exit_fp, activation, &codes, visit) };
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
