//! What machine code and the heap pass each other: where young objects go, and which old ones refer to them.
//!
//! # Invariants
//!
//! * **V1** While guest code runs, `alloc_next..alloc_end` is accessible room of the nursery in which nothing stands, and
//!   `remember_next..remember_end` is room of the buffer of remembered slots. Machine code moves the two `next` up to the
//!   `end` and no further.

use std::cell::Cell;
use std::mem::offset_of;
use std::ptr;
use waft_core::gc::gc_state;

/// The part of a `VmStoreContext` that belongs to the heap.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct VmGcState {
    /// Offset of the next young object.
    pub(super) alloc_next: Cell<u32>,
    /// Offset that young objects may not pass.
    pub(super) alloc_end: Cell<u32>,
    /// Where to note the next slot of an old object that refers to a young one.
    pub(super) remember_next: Cell<*mut u32>,
    /// Where the room for such notes ends.
    pub(super) remember_end: Cell<*mut u32>,
    /// Not 0 when a slot could not be noted.
    pub(super) remember_overflow: Cell<u32>,
    /// The base of the heap, or null.
    pub(super) heap_base: Cell<*mut u8>,
    /// The base of the table of types, or null.
    pub(super) type_table: Cell<*const u8>,
}

// Machine code trusts the table of offsets; so the structure is held against it here.
const _: () = {
    assert!(offset_of!(VmGcState, alloc_next) == gc_state::ALLOC_NEXT as usize);
    assert!(offset_of!(VmGcState, alloc_end) == gc_state::ALLOC_END as usize);
    assert!(offset_of!(VmGcState, remember_next) == gc_state::REMEMBER_NEXT as usize);
    assert!(offset_of!(VmGcState, remember_end) == gc_state::REMEMBER_END as usize);
    assert!(offset_of!(VmGcState, remember_overflow) == gc_state::REMEMBER_OVERFLOW as usize);
    assert!(offset_of!(VmGcState, heap_base) == gc_state::HEAP_BASE as usize);
    assert!(offset_of!(VmGcState, type_table) == gc_state::TYPE_TABLE as usize);
    assert!(size_of::<VmGcState>() == gc_state::SIZE as usize);
};

impl VmGcState {
    /// The state of a store without a heap: nothing can be allocated or remembered.
    pub(in crate::vm) const fn new() -> Self {
        Self {
            alloc_next: Cell::new(0),
            alloc_end: Cell::new(0),
            remember_next: Cell::new(ptr::null_mut()),
            remember_end: Cell::new(ptr::null_mut()),
            remember_overflow: Cell::new(0),
            heap_base: Cell::new(ptr::null_mut()),
            type_table: Cell::new(ptr::null()),
        }
    }

    /// The base of the heap, or null.
    pub(super) fn base(&self) -> *mut u8 {
        self.heap_base.get()
    }
}
