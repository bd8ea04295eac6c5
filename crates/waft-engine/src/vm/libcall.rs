//! The library calls of `waft_core::libcall`, as compiled code finds them.
//!
//! # Invariants
//!
//! * **B1** Compiled code passes its own context, indices that its module's validation has checked, and addresses of ranges
//!   that it has checked itself.
//! * **B2** Nothing unwinds out of here. Guests enter through stubs, which obey a request to stop that arrived meanwhile:
//!   there is no other place for it in a loop that only makes library calls.
//!
//! # Elsewhere
//!
//! What each call does: `memory.rs`, `table.rs` beside this file. H2: `shared_memory.rs`.

use super::activation::{self, Failure, Throw, fail};
use super::context::{StorePtr, VmContext};
use super::instance::InstanceRecord;
use super::raw::RawRef;
use super::shared_memory::Expected;
use super::store::StoreOpaque;
use super::stub::libcall_stub;
use anyhow::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use waft_core::for_each_libcall;
use waft_core::index::{DataIndex, DefinedFuncIndex, ElemIndex, MemoryIndex, TableIndex};
use waft_core::libcall::{GROW_FAILED, GROW_REFUSED, Libcall};

/// Does `body` for the instance of `context`; `None` if an error is left for the engine.
///
/// # Safety
///
/// * `context` is that of the guest code which calls (B1).
unsafe fn enter<R>(
    context: *mut VmContext,
    body: impl FnOnce(&mut StoreOpaque, StorePtr<InstanceRecord>) -> Result<R>,
) -> Option<R> {
    // SAFETY: the context of running code is live.
    let record = unsafe { InstanceRecord::of(context) };
    // SAFETY: the record's store is alive and not borrowed while its guest runs (S2).
    let store = unsafe { &mut *(*record.as_ptr()).store };
    let vm = store.context();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let instance = store.at(store.ptr(record)).me();
        body(store, instance)
    }));
    let failure = match outcome {
        Ok(Ok(value)) => return Some(value),
        Ok(Err(error)) => Failure::Error(error),
        Err(panic) => Failure::Panic(panic),
    };
    // SAFETY: the calling guest runs in the innermost activation of this store.
    unsafe { fail(vm, failure) };
    None
}

fn grown(outcome: Option<Option<u64>>) -> u64 {
    match outcome {
        Some(Some(before)) => before,
        Some(None) => GROW_REFUSED as u64,
        None => GROW_FAILED as u64,
    }
}

unsafe extern "C" fn memory_grow(context: *mut VmContext, memory: u32, delta: u64) -> u64 {
    // SAFETY: B1.
    grown(unsafe {
        enter(context, |store, instance| {
            let part = store.at(instance).memory(MemoryIndex::from_u32(memory));
            store.memory_grow(part, delta)
        })
    })
}

unsafe extern "C" fn memory_move(_: *mut VmContext, dst: u64, src: u64, len: u64) {
    // SAFETY: the caller has checked both ranges against the memories' sizes (B1), so they are accessible; they may
    // overlap. If other threads write to them at once, they are of shared memories (H2).
    unsafe { std::ptr::copy(src as *const u8, dst as *mut u8, len as usize) };
}

unsafe extern "C" fn memory_set(_: *mut VmContext, dst: u64, value: u32, len: u64) {
    // SAFETY: the caller has checked the range against the memory's size (B1), so it is accessible. If other threads
    // write to it at once, it is of a shared memory (H2).
    unsafe { std::ptr::write_bytes(dst as *mut u8, value as u8, len as usize) };
}

unsafe extern "C" fn memory_init(
    context: *mut VmContext,
    memory: u32,
    data: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u32 {
    // SAFETY: B1.
    let done = unsafe {
        enter(context, |store, instance| {
            let part = store.at(instance).memory(MemoryIndex::from_u32(memory));
            let data = DataIndex::from_u32(data);
            Ok(store.memory_init(instance, part, data, dst, src.into(), len.into()))
        })
    };
    u32::from(done == Some(true))
}

unsafe extern "C" fn data_drop(context: *mut VmContext, data: u32) {
    // SAFETY: B1.
    unsafe {
        enter(context, |store, instance| {
            store.data_drop(instance, DataIndex::from_u32(data));
            Ok(())
        })
    };
}

unsafe extern "C" fn throw(context: *mut VmContext, exception: u32, again: u32) {
    let throw = if again == 0 { Throw::New } else { Throw::Again };
    // SAFETY: the context of running code is live, and so is its store's (B1).
    unsafe { activation::throw((*context).store, exception, throw) };
}

unsafe extern "C" fn table_grow(context: *mut VmContext, table: u32, init: u64, delta: u64) -> u64 {
    // SAFETY: B1.
    grown(unsafe {
        enter(context, |store, instance| {
            let part = store.at(instance).table(TableIndex::from_u32(table));
            store.table_grow(part, delta, RawRef(init))
        })
    })
}

unsafe extern "C" fn table_copy(
    context: *mut VmContext,
    dst_table: u32,
    src_table: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> u32 {
    // SAFETY: B1.
    let done = unsafe {
        enter(context, |store, instance| {
            let record = store.at(instance);
            let to = record.table(TableIndex::from_u32(dst_table));
            let from = record.table(TableIndex::from_u32(src_table));
            Ok(store.table_copy((to, dst), (from, src), len))
        })
    };
    u32::from(done == Some(true))
}

unsafe extern "C" fn table_fill(context: *mut VmContext, table: u32, dst: u64, value: u64, len: u64) -> u32 {
    // SAFETY: B1.
    let done = unsafe {
        enter(context, |store, instance| {
            let part = store.at(instance).table(TableIndex::from_u32(table));
            Ok(store.table_fill(part, dst, RawRef(value), len))
        })
    };
    u32::from(done == Some(true))
}

unsafe extern "C" fn table_init(
    context: *mut VmContext,
    table: u32,
    elem: u32,
    dst: u64,
    src: u32,
    len: u32,
) -> u32 {
    // SAFETY: B1.
    let done = unsafe {
        enter(context, |store, instance| {
            let part = store.at(instance).table(TableIndex::from_u32(table));
            let elem = ElemIndex::from_u32(elem);
            Ok(store.table_init(instance, part, elem, dst, src.into(), len.into()))
        })
    };
    u32::from(done == Some(true))
}

unsafe extern "C" fn elem_drop(context: *mut VmContext, elem: u32) {
    // SAFETY: B1.
    unsafe {
        enter(context, |store, instance| {
            store.elem_drop(instance, ElemIndex::from_u32(elem));
            Ok(())
        })
    };
}

unsafe extern "C" fn tier_up(
    context: *mut VmContext,
    func: u32,
    loop_at: u32,
    state: u64,
    bytes: u32,
) -> u64 {
    // SAFETY: B1.
    let code = unsafe {
        enter(context, |store, instance| {
            let state = std::ptr::slice_from_raw_parts(
                (state as *const u8).wrapping_sub(bytes as usize),
                bytes as usize,
            );
            Ok(store.tier_up(instance, DefinedFuncIndex::from_u32(func), loop_at, state))
        })
    };
    code.flatten().map_or(0, |code| code.addr().get() as u64)
}

fn made(reference: Option<u32>) -> u32 {
    reference.unwrap_or(0)
}

unsafe extern "C" fn gc_alloc(context: *mut VmContext, bytes: u32) -> u32 {
    // SAFETY: B1.
    made(unsafe { enter(context, |store, _| store.gc_allocate(bytes)) })
}

unsafe extern "C" fn array_new_large(context: *mut VmContext, ty: u32, length: u32) -> u32 {
    // SAFETY: B1.
    made(unsafe { enter(context, |store, _| store.new_array(ty, length)) })
}

unsafe extern "C" fn gc_remember(context: *mut VmContext, first: u32, count: u32) {
    // SAFETY: B1.
    unsafe { enter(context, |store, _| store.gc_remember(first, count)) };
}

unsafe extern "C" fn func_number(context: *mut VmContext, func: u64) -> u32 {
    // SAFETY: B1.
    made(unsafe {
        enter(context, |store, _| Ok(store.func_of(RawRef(func)).map_or(0, |func| store.func_number(func))))
    })
}

unsafe extern "C" fn array_fill(
    context: *mut VmContext,
    array: u32,
    at: u32,
    low: u64,
    high: u64,
    length: u32,
) -> u32 {
    let bits = u128::from(high) << 64 | u128::from(low);
    // SAFETY: B1.
    u32::from(unsafe { enter(context, |store, _| store.array_fill(array, at, bits, length)) }.is_some())
}

unsafe extern "C" fn array_copy(
    context: *mut VmContext,
    dst: u32,
    dst_at: u32,
    src: u32,
    src_at: u32,
    length: u32,
) -> u32 {
    // SAFETY: B1.
    let done = unsafe { enter(context, |store, _| store.array_copy((dst, dst_at), (src, src_at), length)) };
    u32::from(done.is_some())
}

unsafe extern "C" fn array_new_data(
    context: *mut VmContext,
    ty: u32,
    data: u32,
    start: u32,
    length: u32,
) -> u32 {
    // SAFETY: B1.
    made(unsafe {
        enter(context, |store, instance| {
            store.array_new_data(instance, ty, DataIndex::from_u32(data), start, length)
        })
    })
}

unsafe extern "C" fn array_new_elem(
    context: *mut VmContext,
    ty: u32,
    elem: u32,
    start: u32,
    length: u32,
) -> u32 {
    // SAFETY: B1.
    made(unsafe {
        enter(context, |store, instance| {
            store.array_new_elem(instance, ty, ElemIndex::from_u32(elem), start, length)
        })
    })
}

unsafe extern "C" fn array_init_data(
    context: *mut VmContext,
    array: u32,
    at: u32,
    data: u32,
    src: u32,
    length: u32,
) -> u32 {
    // SAFETY: B1.
    let done = unsafe {
        enter(context, |store, instance| {
            store.array_init_data(instance, array, at, DataIndex::from_u32(data), src, length)
        })
    };
    u32::from(done.is_some())
}

unsafe extern "C" fn array_init_elem(
    context: *mut VmContext,
    array: u32,
    at: u32,
    elem: u32,
    src: u32,
    length: u32,
) -> u32 {
    // SAFETY: B1.
    let done = unsafe {
        enter(context, |store, instance| {
            store.array_init_elem(instance, array, at, ElemIndex::from_u32(elem), src, length)
        })
    };
    u32::from(done.is_some())
}

unsafe extern "C" fn atomic_notify(context: *mut VmContext, memory: u32, address: u64, count: u32) -> u64 {
    // SAFETY: B1.
    let woken = unsafe {
        enter(context, |store, instance| {
            let part = store.at(instance).memory(MemoryIndex::from_u32(memory));
            Ok(store.atomic_notify(part, address, count)?)
        })
    };
    woken.map_or(GROW_FAILED as u64, u64::from)
}

unsafe extern "C" fn atomic_wait32(
    context: *mut VmContext,
    memory: u32,
    address: u64,
    expected: u32,
    timeout: u64,
) -> u64 {
    // SAFETY: B1.
    unsafe { atomic_wait(context, memory, address, Expected::I32(expected), timeout) }
}

unsafe extern "C" fn atomic_wait64(
    context: *mut VmContext,
    memory: u32,
    address: u64,
    expected: u64,
    timeout: u64,
) -> u64 {
    // SAFETY: B1.
    unsafe { atomic_wait(context, memory, address, Expected::I64(expected), timeout) }
}

/// # Safety
///
/// * As [`enter`].
unsafe fn atomic_wait(
    context: *mut VmContext,
    memory: u32,
    address: u64,
    expected: Expected,
    timeout: u64,
) -> u64 {
    // A negative number means for ever.
    let timeout = i64::try_from(timeout).ok().map(|_| Duration::from_nanos(timeout));
    // SAFETY: the caller's promise.
    let outcome = unsafe {
        enter(context, |store, instance| {
            let part = store.at(instance).memory(MemoryIndex::from_u32(memory));
            Ok(store.atomic_wait(part, address, expected, timeout)?)
        })
    };
    outcome.map_or(GROW_FAILED as u64, u64::from)
}

/// The address of a library call.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Entry(*const ());

// SAFETY: addresses of functions, which any thread may call.
unsafe impl Sync for Entry {}

/// The C type of a parameter or result.
macro_rules! c_type {
    (I32) => {
        u32
    };
    (I64) => {
        u64
    };
    (Ok) => {
        u32
    };
    (Ref) => {
        u32
    };
    (()) => {
        ()
    };
}

macro_rules! table {
    ($($name:ident($($param:ident: $ty:ident),*) -> $result:tt;)*) => {
        /// The ways in for guests.
        mod entry {
            $(super::libcall_stub! { pub(super) fn $name => super::$name })*
        }

        /// The table that contexts point to, in the order of [`Libcall::ALL`].
        pub(super) static TABLE: [Entry; Libcall::ALL.len()] = [$({
            // A function whose signature is not the declared one does not compile here.
            let _: unsafe extern "C" fn(*mut VmContext, $(c_type!($ty)),*) -> c_type!($result) = $name;
            Entry(entry::$name as *const ())
        }),*];
    };
}

for_each_libcall!(table);
