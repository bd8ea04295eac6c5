//! The structures that machine code shares with the engine, as `waft_core::layout` declares them.
//!
//! # Invariants
//!
//! * **C1** A `VmContext` is one zeroed allocation of its module's `VmLayout::size`, aligned to 16, that lives and stays
//!   in place as long as its store.
//! * **C2** Every pointer in it is null or points to a structure of the same store, or to engine-wide read-only tables
//!   that the instance's module keeps alive.
//!
//! # Elsewhere
//!
//! What fills a context: `instance.rs`. `VmStoreContext`: `activation.rs`.

use super::activation::VmStoreContext;
use super::store::StoreId;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use waft_core::layout::{self, VmLayout};

/// The fixed head of an instance's context; the arrays of the layout follow.
#[repr(C, align(16))]
pub(crate) struct VmContext {
    pub(super) store: *mut VmStoreContext,
    pub(super) libcalls: *const usize,
    pub(super) code_slots: *const AtomicPtr<u8>,
    pub(super) types: *const u32,
    pub(super) type_table: *const u8,
    pub(super) heap: *mut u8,
    pub(super) instance: *mut super::instance::InstanceRecord,
    pub(super) budgets: *const AtomicI32,
}

/// A linear memory as code sees it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct VmMemory {
    pub(super) base: *mut u8,
    pub(super) len: usize,
}

/// A table as code sees it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct VmTable {
    pub(super) base: *mut u64,
    pub(super) len: usize,
}

/// A global as code sees it.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub(crate) struct VmGlobal(pub(super) u128);

/// A function that something else defines, as code sees it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct VmFuncImport {
    pub(super) code: *const u8,
    pub(super) context: *mut VmContext,
}

/// What a `funcref` points to.
#[repr(C)]
pub(crate) struct VmFuncRef {
    /// Set anew, by any thread, when the function gets better code: see `tier_up.rs`.
    pub(super) code: AtomicPtr<u8>,
    pub(super) context: *mut VmContext,
    /// The engine's number of its type.
    pub(super) ty: u32,
    /// Its number among the functions that the store's GC heap may refer to; 0 as long as none does.
    pub(super) id: u32,
}

impl VmFuncRef {
    /// Where to call it now.
    pub(super) fn code(&self) -> *const u8 {
        // What the code is made of was there before any address of it was given to anybody (H1 in `code_chunk.rs`, L1 in
        // `src/lazy.rs`); machine code follows the pointer likewise.
        self.code.load(Ordering::Acquire)
    }
}

impl Clone for VmFuncRef {
    fn clone(&self) -> Self {
        Self { code: AtomicPtr::new(self.code().cast_mut()), ..*self }
    }
}

// Machine code trusts the table of offsets; so the structures are held against it here.
const _: () = {
    assert!(offset_of!(VmContext, store) == VmLayout::STORE as usize);
    assert!(offset_of!(VmContext, libcalls) == VmLayout::LIBCALLS as usize);
    assert!(offset_of!(VmContext, code_slots) == VmLayout::CODE_SLOTS as usize);
    assert!(offset_of!(VmContext, types) == VmLayout::TYPES as usize);
    assert!(offset_of!(VmContext, type_table) == VmLayout::TYPE_TABLE as usize);
    assert!(offset_of!(VmContext, heap) == VmLayout::HEAP as usize);
    assert!(offset_of!(VmContext, instance) == VmLayout::INSTANCE as usize);
    assert!(offset_of!(VmContext, budgets) == VmLayout::BUDGETS as usize);
    assert!(offset_of!(VmMemory, base) == layout::memory::BASE as usize);
    assert!(offset_of!(VmMemory, len) == layout::memory::LEN as usize);
    assert!(size_of::<VmMemory>() == layout::memory::SIZE as usize);
    assert!(offset_of!(VmTable, base) == layout::table::BASE as usize);
    assert!(offset_of!(VmTable, len) == layout::table::LEN as usize);
    assert!(size_of::<VmTable>() == layout::table::SIZE as usize);
    assert!(size_of::<VmGlobal>() == layout::global::SIZE as usize);
    assert!(offset_of!(VmFuncImport, code) == layout::func_import::CODE as usize);
    assert!(offset_of!(VmFuncImport, context) == layout::func_import::CONTEXT as usize);
    assert!(size_of::<VmFuncImport>() == layout::func_import::SIZE as usize);
    assert!(offset_of!(VmFuncRef, code) == layout::func_ref::CODE as usize);
    assert!(offset_of!(VmFuncRef, context) == layout::func_ref::CONTEXT as usize);
    assert!(offset_of!(VmFuncRef, ty) == layout::func_ref::TYPE as usize);
    assert!(offset_of!(VmFuncRef, id) == layout::func_ref::ID as usize);
    assert!(size_of::<VmFuncRef>() == layout::func_ref::SIZE as usize);
};

/// A pointer to something that a store owns and never moves or frees before it is dropped itself.
///
/// It knows its store: following it needs a reference to that very store ([`super::store::StoreOpaque::at`]).
pub(crate) struct StorePtr<T> {
    store: StoreId,
    ptr: NonNull<T>,
}

impl<T> StorePtr<T> {
    pub(super) const fn new(store: StoreId, ptr: NonNull<T>) -> Self {
        Self { store, ptr }
    }
    pub(super) const fn as_ptr(self) -> *mut T {
        self.ptr.as_ptr()
    }
    /// The store that owns it.
    pub(crate) const fn store(self) -> StoreId {
        self.store
    }
}

impl<T> Clone for StorePtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for StorePtr<T> {}
impl<T> PartialEq for StorePtr<T> {
    fn eq(&self, other: &Self) -> bool {
        self.store == other.store && self.ptr == other.ptr
    }
}
impl<T> std::fmt::Debug for StorePtr<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:p} of store {}", self.ptr, self.store.number())
    }
}

// SAFETY: the pointer is only an identity until it is followed, which takes a reference to its store: that one's own
// `Send` and `Sync` decide who may.
unsafe impl<T> Send for StorePtr<T> {}
// SAFETY: as above: sharing the identity gives no access.
unsafe impl<T> Sync for StorePtr<T> {}

/// The allocation of a context (C1).
pub(super) struct ContextAllocation {
    at: NonNull<VmContext>,
    layout: Layout,
}

impl ContextAllocation {
    /// A zeroed context for instances with this layout.
    pub(super) fn new(vm_layout: &VmLayout) -> Self {
        let layout = Layout::from_size_align(vm_layout.size() as usize, 16)
            .expect("a context is at most some hundred megabytes: validation limits what it holds");
        // SAFETY: the layout's size is not zero, since the head alone has some.
        let at = unsafe { alloc_zeroed(layout) };
        match NonNull::new(at.cast::<VmContext>()) {
            Some(at) => Self { at, layout },
            None => handle_alloc_error(layout),
        }
    }

    /// The context.
    pub(super) fn as_ptr(&self) -> *mut VmContext {
        self.at.as_ptr()
    }
}

impl Drop for ContextAllocation {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, and freed only here.
        unsafe { dealloc(self.at.as_ptr().cast(), self.layout) }
    }
}
