//! Walking the frames of running guests.
//!
//! # Invariants
//!
//! * **B1** A walk reads only words between where it starts and the frame of `enter`, going up: whatever the frames hold,
//!   it ends, and what it reads is mapped, because a thread's stack is one piece.
//! * **B2** It allocates nothing, and takes no lock but that of the registry of code, of deep stacks: it runs in signal handlers
//!   that interrupted a guest or a stub (C4 of `code_memory.rs`).
//! * **B3** A frame on the stack is that of several functions where callees are part of their caller's code. What is left out is
//!   counted in functions.
//!
//! # Elsewhere
//!
//! What a `pc` means: whoever registered the code with `code_memory.rs`.

use super::{VmActivation, arena_contains};
use crate::vm::code_memory;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Frames kept from the inner end: more than anybody reads.
const INNER: usize = 96;
/// Frames kept from the outer end: they tell how an endless recursion began.
const OUTER: usize = 32;

/// A place in guest code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RawFrame {
    /// An address in the code.
    pub(crate) pc: usize,
    /// Whether it is the instruction at which the frame stopped, not that after a call.
    pub(crate) exact: bool,
}

impl RawFrame {
    /// An address inside the instruction at which the frame stopped: look positions up by this.
    pub(crate) fn inside(self) -> usize {
        if self.exact { self.pc } else { self.pc - 1 }
    }
}

/// Where a guest was, innermost frame first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RawBacktrace {
    frames: Vec<RawFrame>,
    omitted: usize,
}

impl RawBacktrace {
    /// The most functions that a backtrace shows: of the innermost so many, and of the outermost.
    pub(crate) const SHOWN: (usize, usize) = (INNER, OUTER);

    /// The frames; if some are left out, it is between the first 96 and the others.
    pub(crate) fn frames(&self) -> &[RawFrame] {
        &self.frames
    }

    /// How many functions are left out with frames (B3).
    pub(crate) fn omitted(&self) -> usize {
        self.omitted
    }
}

/// Where a walk starts, in the innermost activation.
#[derive(Clone, Copy)]
pub(in crate::vm) struct WalkStart {
    /// The instruction that stopped, if it is the guest's.
    pub(in crate::vm) pc: Option<usize>,
    /// The return address of a frame that is not linked yet, or not any more.
    pub(in crate::vm) hidden: Option<usize>,
    /// The innermost linked frame.
    pub(in crate::vm) fp: usize,
    /// No frame lies below this: the stack pointer at that place.
    pub(in crate::vm) floor: usize,
}

impl WalkStart {
    /// A walk from the frame of an exit stub, by someone whose stack pointer is `floor`.
    pub(in crate::vm) fn at_exit(exit_fp: usize, floor: usize) -> Self {
        Self { pc: None, hidden: None, fp: exit_fp, floor }
    }
}

/// A guest frame that made a call.
#[derive(Clone, Copy)]
pub(super) struct CallerFrame {
    /// The instruction after the call.
    pub(super) pc: usize,
    /// The frame pointer.
    pub(super) fp: usize,
}

/// The guest frames of one activation, innermost first.
pub(super) struct Frames {
    fp: usize,
    floor: usize,
    entry_fp: usize,
}

impl Frames {
    /// The callers of the frame at `fp`, none of which lies below `floor`, to the entry of `activation`.
    ///
    /// # Safety
    ///
    /// * `floor` is an address on this thread's stack, below the frame of `activation`, as long as the value is used.
    pub(super) unsafe fn new(fp: usize, floor: usize, activation: &VmActivation) -> Self {
        Self { fp, floor, entry_fp: activation.entry_fp.load(Ordering::Relaxed) }
    }
}

impl Iterator for Frames {
    type Item = CallerFrame;

    fn next(&mut self) -> Option<CallerFrame> {
        let fp = self.fp;
        // A frame is its caller's `rbp` and the return address: the second word must lie below the entry as well.
        if fp < self.floor || fp >= self.entry_fp || !fp.is_multiple_of(align_of::<usize>()) {
            return None;
        }
        let frame = fp as *const [usize; 2];
        // SAFETY: B1: aligned, and between `floor` and the entry's frame, all of it this thread's live stack.
        let [caller_fp, pc] = unsafe { frame.read() };
        if !arena_contains(pc) {
            // The outermost guest frame returns into `enter`. Anything else here is no frame of ours.
            return None;
        }
        self.floor = fp + 1;
        self.fp = caller_fp;
        Some(CallerFrame { pc, fp: caller_fp })
    }
}

/// Room for the frames of one walk: the inner ones in order, then a ring of the last.
pub(in crate::vm) struct FrameLog {
    pcs: [AtomicUsize; INNER + OUTER],
    total: AtomicUsize,
    /// How many functions were at work in the frames that are no longer in the ring.
    passed: AtomicUsize,
    first_is_exact: AtomicBool,
}

impl FrameLog {
    pub(in crate::vm) const fn new() -> Self {
        Self {
            pcs: [const { AtomicUsize::new(0) }; INNER + OUTER],
            total: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
            first_is_exact: AtomicBool::new(false),
        }
    }

    fn slot(index: usize) -> usize {
        if index < INNER { index } else { INNER + (index - INNER) % OUTER }
    }

    pub(super) fn push(&self, pc: usize) {
        let index = self.total.load(Ordering::Relaxed);
        let before = self.pcs[Self::slot(index)].swap(pc, Ordering::Relaxed);
        if index >= INNER + OUTER {
            // Only the first frame may have stopped elsewhere than after a call.
            let passed = self.passed.load(Ordering::Relaxed) + code_memory::frames(before - 1);
            self.passed.store(passed, Ordering::Relaxed);
        }
        self.total.store(index + 1, Ordering::Relaxed);
    }

    /// Forgets what was logged.
    pub(super) fn clear(&self) {
        self.total.store(0, Ordering::Relaxed);
        self.passed.store(0, Ordering::Relaxed);
        self.first_is_exact.store(false, Ordering::Relaxed);
    }

    /// Logs the frames of all activations, from `innermost` out, in place of what was logged before.
    ///
    /// # Safety
    ///
    /// * `start.floor` is an address on this thread's stack, below the frame of `innermost`.
    pub(in crate::vm) unsafe fn walk(&self, start: WalkStart, innermost: &VmActivation) {
        self.clear();
        self.first_is_exact.store(start.pc.is_some(), Ordering::Relaxed);
        if let Some(pc) = start.pc {
            self.push(pc);
        }
        if let Some(pc) = start.hidden {
            self.push(pc);
        }
        // SAFETY: the caller's promise.
        unsafe { Frames::new(start.fp, start.floor, innermost) }.for_each(|frame| self.push(frame.pc));
        // SAFETY: the same.
        unsafe { self.walk_outer(innermost) };
    }

    /// Logs the frames of the activations outside of `innermost`, after what was logged before.
    ///
    /// # Safety
    ///
    /// * `innermost` is on this thread's stack.
    pub(super) unsafe fn walk_outer(&self, innermost: &VmActivation) {
        let mut inner = innermost;
        while let Some(outer) = inner.previous() {
            let floor = std::ptr::from_ref(inner).addr();
            // SAFETY: the inner activation itself is on the stack, below all frames of the outer one.
            unsafe { Frames::new(inner.previous_exit_fp, floor, outer) }
                .for_each(|frame| self.push(frame.pc));
            inner = outer;
        }
    }

    /// What was logged, in an allocation of its own.
    pub(in crate::vm) fn to_backtrace(&self) -> RawBacktrace {
        let total = self.total.load(Ordering::Relaxed);
        let exact = self.first_is_exact.load(Ordering::Relaxed);
        let frame = |index| RawFrame {
            pc: self.pcs[Self::slot(index)].load(Ordering::Relaxed),
            exact: exact && index == 0,
        };
        let outer_start = total.saturating_sub(OUTER).max(INNER.min(total));
        let frames = (0..INNER.min(total)).chain(outer_start..total).map(frame).collect();
        RawBacktrace { frames, omitted: self.passed.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_recursion_keeps_both_ends() {
        for total in [0, 1, 95, 96, 97, 127, 128, 129, 160, 1000] {
            let log = FrameLog::new();
            (0..total).for_each(|pc| log.push(pc));
            let trace = log.to_backtrace();
            let pcs: Vec<_> = trace.frames().iter().map(|frame| frame.pc).collect();
            let kept: Vec<_> = (0..total).filter(|pc| *pc < 96 || pc + 32 >= total).collect();
            assert_eq!(pcs, kept);
            assert_eq!(trace.omitted(), usize::saturating_sub(total, 128));
        }
    }
}
