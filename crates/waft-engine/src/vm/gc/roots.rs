//! A store and its heap: what makes one, what refers into it from outside, and how the two work together.
//!
//! # Invariants
//!
//! * **X1** While guest code of a store can run, every reference into its heap that anybody will use again is in one of the
//!   places that [`GcHost::visit_roots`] visits: a frame's stack map, a handle of the host, a global, a table, an element
//!   segment, the pending exception.
//! * **X2** A store's heap is taken out of it while the heap works, and is back in its place afterwards, whatever happens.
//!
//! # Elsewhere
//!
//! Frames: `activation/frames.rs`. The host's references: `handles.rs`.

use super::error::{CorruptHeap, GcError};
use super::externs::HostValue;
use super::heap::{CollectionKind, GcHeap, GcHost};
use super::state::VmGcState;
use super::stats::GcStats;
use crate::limits::GrowthRequest;
use crate::vm::activation::visit_frames;
use crate::vm::store::StoreOpaque;
use anyhow::{Context as _, Result};
use waft_core::trap::TrapCode;

/// A store whose heap is at work.
struct AtWork<'a> {
    store: &'a mut StoreOpaque,
    heap: Option<Box<GcHeap>>,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        // X2: also when a limiter of the host panics.
        self.store.heap = self.heap.take();
    }
}

impl GcHost for StoreOpaque {
    fn visit_roots(&mut self, visit: &mut impl FnMut(&mut u32)) {
        // SAFETY: the store is borrowed, so its guest waits in calls out of guest code.
        unsafe { visit_frames(self.context(), visit) };
        self.handles.visit(visit);
        let mut exception = self.pending_exception().get();
        visit(&mut exception);
        self.pending_exception().set(exception);
        for instance in self.instances() {
            // SAFETY: instances live as long as the store (S1), and `&mut self` rules out any other reference to them.
            unsafe { (*instance.as_ptr()).visit_refs(visit) };
        }
    }

    fn may_grow(&mut self, current: usize, desired: usize) -> Result<bool> {
        Self::may_grow(self, GrowthRequest::heap(current, desired))
    }

    fn grow_failed(&mut self, error: anyhow::Error) -> Result<()> {
        Self::grow_failed(self, GrowthRequest::heap(0, 0), error)
    }
}

impl From<GcError> for anyhow::Error {
    fn from(error: GcError) -> Self {
        match error {
            GcError::OutOfMemory { .. } => {
                let text = error.to_string();
                Self::new(TrapCode::AllocationTooLarge).context(text)
            }
            GcError::Corrupt(corrupt) => corrupt.into(),
            GcError::Host(error) => error,
        }
    }
}

impl From<CorruptHeap> for anyhow::Error {
    fn from(corrupt: CorruptHeap) -> Self {
        let text = corrupt.to_string();
        Self::new(TrapCode::CorruptHeap).context(text)
    }
}

impl StoreOpaque {
    fn gc_state(&self) -> &VmGcState {
        // SAFETY: the store context lives as long as the store (S1).
        unsafe { (*self.context()).gc() }
    }

    /// Lets `work` happen in the heap, with the store as its host; makes the heap if there is none yet.
    ///
    /// # Errors
    ///
    /// What `work` gives, or if there can be no heap.
    fn at_work<R>(
        &mut self,
        work: impl FnOnce(&mut GcHeap, &VmGcState, &mut Self) -> Result<R, GcError>,
    ) -> Result<R> {
        self.need_heap()?;
        let heap = self.heap.take();
        let mut at_work = AtWork { store: self, heap };
        let heap = at_work.heap.as_mut().context("the heap of a store is at work already")?;
        // SAFETY: the store context lives as long as the store (S1), and is no part of the `StoreOpaque`.
        let state = unsafe { (*at_work.store.context()).gc() };
        Ok(work(heap, state, at_work.store)?)
    }

    /// Makes the store's heap, unless there is one.
    ///
    /// # Errors
    ///
    /// If the machine has no address space for it.
    pub(crate) fn need_heap(&mut self) -> Result<()> {
        if self.heap.is_none() {
            let types = self.engine().types().table().clone();
            // SAFETY: as in `at_work`.
            let state = unsafe { (*self.context()).gc() };
            let mut heap = GcHeap::new(types, state)?;
            heap.set_stress(state, self.engine().config().gc_stress);
            self.heap = Some(Box::new(heap));
        }
        Ok(())
    }

    /// The heap, if anything needed one so far.
    pub(crate) fn heap(&self) -> Option<&GcHeap> {
        self.heap.as_deref()
    }

    /// The heap, to read objects from.
    ///
    /// # Errors
    ///
    /// If there is none, and so no object.
    pub(crate) fn heap_of_object(&self) -> Result<&GcHeap> {
        self.heap().context("the store has no heap")
    }

    /// The heap, to write to objects, with what it shares with machine code.
    ///
    /// # Errors
    ///
    /// If there is none, and so no object.
    pub(crate) fn heap_mut(&mut self) -> Result<(&mut GcHeap, &VmGcState)> {
        // SAFETY: as in `at_work`.
        let state = unsafe { (*self.context()).gc() };
        Ok((self.heap.as_deref_mut().context("the store has no heap")?, state))
    }

    /// The base of the heap for machine code; null as long as there is none.
    pub(in crate::vm) fn heap_base(&self) -> *mut u8 {
        self.gc_state().base()
    }

    /// Room for a young object of `bytes` bytes, whose header and fields the caller writes at once.
    ///
    /// # Errors
    ///
    /// If there is no room, or the host's limiter raises an error.
    pub(in crate::vm) fn gc_allocate(&mut self, bytes: u32) -> Result<u32> {
        self.at_work(|heap, state, host| heap.allocate(state, host, bytes))
    }

    /// A structure of a type, of zeros and nulls.
    ///
    /// # Errors
    ///
    /// As [`Self::gc_allocate`].
    pub(crate) fn new_struct(&mut self, ty: u32) -> Result<u32> {
        self.at_work(|heap, state, host| heap.new_struct(state, host, ty))
    }

    /// An array of a type, of zeros or nulls.
    ///
    /// # Errors
    ///
    /// As [`Self::gc_allocate`].
    pub(crate) fn new_array(&mut self, ty: u32, length: u32) -> Result<u32> {
        self.at_work(|heap, state, host| heap.new_array(state, host, ty, length))
    }

    /// An exception with a tag whose type is `ty`, its payload of zeros and nulls.
    ///
    /// # Errors
    ///
    /// As [`Self::gc_allocate`].
    pub(crate) fn new_exception(&mut self, ty: u32, tag: u32) -> Result<u32> {
        self.at_work(|heap, state, host| heap.new_exception(state, host, ty, tag))
    }

    /// A host value as an object.
    ///
    /// # Errors
    ///
    /// As [`Self::gc_allocate`].
    pub(crate) fn new_extern(&mut self, value: HostValue) -> Result<u32> {
        self.at_work(|heap, state, host| heap.new_extern(state, host, value))
    }

    /// Collects all that nobody can reach.
    ///
    /// # Errors
    ///
    /// If the host's limiter raises an error.
    pub(crate) fn collect_garbage(&mut self) -> Result<()> {
        if self.heap.is_none() {
            return Ok(());
        }
        self.at_work(|heap, state, host| heap.collect(state, host, CollectionKind::Full))
    }

    /// What the collector did so far.
    pub(crate) fn gc_stats(&self) -> GcStats {
        self.heap().map_or_else(GcStats::default, |heap| heap.stats(self.gc_state()))
    }
}
