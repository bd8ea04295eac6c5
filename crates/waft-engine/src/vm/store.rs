//! What a store owns at run time, whatever its host data.
//!
//! # Invariants
//!
//! * **S1** Records, host functions and the store context are boxed when they are made, pushed onto their lists and freed
//!   only when the store is dropped: a [`StorePtr`] with the store's id can be followed as long as the store is there.
//! * **S2** A store is used by one thread at a time: who follows a pointer holds a reference to the store, guest code
//!   runs only under `&mut`.
//! * **S3** `host` points to the host half of the `StoreInner` around this value, which is boxed as well.

use super::activation::VmStoreContext;
use super::context::{StorePtr, VmFuncRef};
use super::gc::{CorruptHeap, GcHeap, Handles};
use super::host::HostFuncObject;
use super::instance::{InstanceRecord, PartOf};
use super::interrupt::{InterruptHandle, InterruptState};
use super::shared_memory::SharedMemoryObject;
use crate::door::Doorkeeper;
use crate::engine::Engine;
use crate::limits::{GrowthRequest, HostLimits};
use crate::type_registry::RegisteredType;
use anyhow::Result;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use waft_core::index::DefinedMemoryIndex;
use waft_core::types::SubType;

/// Which store something belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct StoreId(u64);

impl StoreId {
    fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // 2^64 stores are out of reach, so ids are unique.
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
    /// Its number, for messages.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

/// A store without the type of its host data.
pub(crate) struct StoreOpaque {
    id: StoreId,
    engine: Engine,
    context: NonNull<VmStoreContext>,
    instances: Vec<NonNull<InstanceRecord>>,
    host_funcs: Vec<HostFuncObject>,
    /// The GC heap; none until something needs it, and while it is at work.
    pub(super) heap: Option<Box<GcHeap>>,
    /// References into the heap that the host holds.
    pub(crate) handles: Handles,
    /// The functions that the heap refers to, by their numbers; the first is null.
    funcs: Vec<*mut VmFuncRef>,
    /// What code left that other code of its function takes over: see `tier_up.rs`.
    handed_over: Vec<u8>,
    /// The types that were asked for by number: no lock of the engine is taken for them again. All of them are claimed by
    /// something that lives as long as the store.
    types: Mutex<HashMap<u32, Arc<SubType>>>,
    /// The type of each tag; its number is its place, from 1.
    tags: Vec<u32>,
    /// Types of the host's own that something in the store has.
    kept_types: HashSet<RegisteredType>,
    interrupt: Arc<InterruptState>,
    host: Option<NonNull<dyn HostLimits>>,
    memories: usize,
    tables: usize,
    /// The shared memories that were taken in.
    shared_memories: Vec<PartOf<DefinedMemoryIndex>>,
    /// Who watches the door, if anybody does.
    pub(crate) doorkeeper: Option<Box<dyn Doorkeeper>>,
}

// SAFETY: all that the raw pointers reach is owned by the store (S1) and moves with it; what the host put in is `Send`
// by the bounds of the functions that took it.
unsafe impl Send for StoreOpaque {}
// SAFETY: `&StoreOpaque` gives read access only; writing through the pointers takes `&mut` (S2).
unsafe impl Sync for StoreOpaque {}

impl StoreOpaque {
    pub(crate) fn new(engine: Engine) -> Self {
        let interrupt = Arc::new(InterruptState::new());
        let context = Box::new(VmStoreContext::new(interrupt.clone()));
        let store = Self {
            id: StoreId::fresh(),
            engine,
            context: NonNull::from(Box::leak(context)),
            instances: Vec::new(),
            host_funcs: Vec::new(),
            heap: None,
            handles: Handles::default(),
            funcs: vec![std::ptr::null_mut()],
            handed_over: Vec::new(),
            types: Mutex::default(),
            tags: Vec::new(),
            kept_types: HashSet::new(),
            interrupt,
            host: None,
            memories: 0,
            tables: 0,
            shared_memories: Vec::new(),
            doorkeeper: None,
        };
        store.publish_funcs();
        store
    }

    /// Tells the store where its host half is.
    ///
    /// # Safety
    ///
    /// * `host` stays valid as long as the store is used (S3).
    pub(super) unsafe fn set_host(&mut self, host: NonNull<dyn HostLimits>) {
        self.host = Some(host);
    }

    /// The id that its handles carry.
    pub(crate) fn id(&self) -> StoreId {
        self.id
    }
    /// The engine that it runs on.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
    /// What to interrupt it with.
    pub(crate) fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle::new(self.interrupt.clone())
    }
    /// Whether somebody asked its guest to stop.
    pub(crate) fn interrupted(&self) -> bool {
        self.interrupt.is_requested()
    }

    pub(super) fn context(&self) -> *mut VmStoreContext {
        self.context.as_ptr()
    }

    /// What `ptr` points to.
    ///
    /// # Panics
    ///
    /// If it belongs to another store: a mistake of the embedder, which no guest can make.
    #[inline]
    pub(crate) fn at<T>(&self, ptr: StorePtr<T>) -> &T {
        self.check(ptr);
        // SAFETY: the store is the right one, so by S1 the target is alive, and by S2 nobody writes to it.
        unsafe { &*ptr.as_ptr() }
    }

    /// What `ptr` points to, to be changed.
    ///
    /// # Panics
    ///
    /// As [`Self::at`].
    pub(crate) fn at_mut<T>(&mut self, ptr: StorePtr<T>) -> &mut T {
        self.check(ptr);
        // SAFETY: as above, and `&mut self` rules out any other access through the store.
        unsafe { &mut *ptr.as_ptr() }
    }

    #[inline]
    pub(super) fn check<T>(&self, ptr: StorePtr<T>) {
        assert!(
            ptr.store() == self.id,
            "object used with the wrong store: {ptr:?} is not of store {}",
            self.id.0
        );
    }

    pub(super) fn ptr<T>(&self, ptr: NonNull<T>) -> StorePtr<T> {
        StorePtr::new(self.id, ptr)
    }

    pub(super) fn adopt_instance(&mut self, record: Box<InstanceRecord>) -> StorePtr<InstanceRecord> {
        // SAFETY: the store context lives as long as the store, which keeps the instance and so its module.
        unsafe { self.context.as_ref() }.add_code(record.module().code());
        self.memories += record.memories.len();
        self.tables += record.tables.len();
        let record = NonNull::from(Box::leak(record));
        self.instances.push(record);
        self.ptr(record)
    }

    /// The part that stands for a shared memory in this store, if it was taken in.
    pub(crate) fn shared_memory(
        &self,
        memory: &Arc<SharedMemoryObject>,
    ) -> Option<PartOf<DefinedMemoryIndex>> {
        let same = |part: &&PartOf<DefinedMemoryIndex>| {
            let object = self.at(part.owner).memory_object(part.index).as_shared();
            object.is_some_and(|object| Arc::ptr_eq(object, memory))
        };
        self.shared_memories.iter().find(same).copied()
    }

    /// Remembers what stands for a shared memory.
    pub(crate) fn adopt_shared_memory(&mut self, part: PartOf<DefinedMemoryIndex>) {
        self.shared_memories.push(part);
    }

    pub(super) fn adopt_host_func(&mut self, func: HostFuncObject) {
        self.host_funcs.push(func);
    }

    /// All instances.
    pub(super) fn instances(&self) -> &[NonNull<InstanceRecord>] {
        &self.instances
    }

    /// The number by which the heap refers to a function of this store.
    pub(crate) fn func_number(&mut self, func: StorePtr<VmFuncRef>) -> u32 {
        let known = self.at(func).id;
        if known != 0 {
            return known;
        }
        let number = u32::try_from(self.funcs.len()).expect("fewer functions than bytes of memory");
        self.funcs.push(func.as_ptr());
        self.at_mut(func).id = number;
        self.publish_funcs();
        number
    }

    /// The function with a number, which came from the heap and may be any.
    pub(crate) fn numbered_func(&self, number: u32) -> Option<StorePtr<VmFuncRef>> {
        let func = self.funcs.get(number as usize).copied().and_then(NonNull::new)?;
        Some(self.ptr(func))
    }

    fn publish_funcs(&self) {
        // SAFETY: the store context lives as long as the store (S1).
        unsafe { (*self.context()).set_funcs(&self.funcs) };
    }

    /// Keeps the state of a function for code that takes it over at once. Whether there was memory for it.
    pub(super) fn hand_over(&mut self, state: &[u8]) -> bool {
        self.handed_over.clear();
        if self.handed_over.try_reserve(state.len()).is_err() {
            return false;
        }
        self.handed_over.extend_from_slice(state);
        // SAFETY: the store context lives as long as the store (S1).
        unsafe { (*self.context()).set_state(self.handed_over.as_ptr_range().end) };
        true
    }

    /// Claims a type for as long as the store lives.
    pub(crate) fn keep_type(&mut self, ty: RegisteredType) {
        self.kept_types.insert(ty);
    }

    /// Gives a tag of a claimed type its number.
    ///
    /// # Errors
    ///
    /// If all 2^32 numbers are taken.
    pub(crate) fn add_tag(&mut self, ty: u32) -> Result<NonZeroU32> {
        let number = u32::try_from(self.tags.len() + 1).ok().and_then(NonZeroU32::new);
        let number = number.ok_or_else(|| anyhow::anyhow!("the store has no number left for another tag"))?;
        self.tags.push(ty);
        Ok(number)
    }

    /// Whether there is a tag with a number.
    pub(crate) fn has_tag(&self, number: NonZeroU32) -> bool {
        number.get() as usize <= self.tags.len()
    }

    /// The engine's number for the type of a tag.
    pub(crate) fn tag_type(&self, number: NonZeroU32) -> u32 {
        self.tags[number.get() as usize - 1]
    }

    /// The type with the number `id`, which something in the store has.
    pub(crate) fn known_type(&self, id: u32) -> Arc<SubType> {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        types.entry(id).or_insert_with(|| self.engine.types().get(id)).clone()
    }

    /// The type with the number `id`, which the header of an object has.
    ///
    /// # Errors
    ///
    /// If there is no such type: the heap is corrupt.
    pub(crate) fn type_of_object(&self, id: u32) -> Result<Arc<SubType>> {
        let mut types = self.types.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = types.get(&id) {
            return Ok(known.clone());
        }
        let found = self.engine.types().find(id).ok_or(CorruptHeap::Type)?;
        types.insert(id, found.clone());
        Ok(found)
    }

    /// The exception that was thrown and that nobody caught or took since, or null.
    pub(crate) fn pending_exception(&self) -> &Cell<u32> {
        // SAFETY: the store context lives as long as the store.
        unsafe { self.context.as_ref() }.exception()
    }

    fn limiter(&mut self) -> Option<&mut dyn HostLimits> {
        let host = self.host?;
        // SAFETY: valid by S3; the host half is not part of `self`, and `&mut self` rules out a second borrow of it
        // through the store.
        Some(unsafe { &mut *host.as_ptr() })
    }

    /// Asks the host's limiter, if there is one, whether something may grow.
    ///
    /// # Errors
    ///
    /// What the limiter raises.
    pub(crate) fn may_grow(&mut self, request: GrowthRequest) -> Result<bool> {
        match self.limiter() {
            Some(host) => host.may_grow(request),
            None => Ok(true),
        }
    }

    /// Tells the limiter that growth which it allowed did not happen.
    ///
    /// # Errors
    ///
    /// What the limiter raises.
    pub(crate) fn grow_failed(&mut self, request: GrowthRequest, error: anyhow::Error) -> Result<()> {
        match self.limiter() {
            Some(host) => host.grow_failed(request, error),
            None => Ok(()),
        }
    }

    /// Checks one more instance, with so many memories and tables of its own, against the host's limits.
    ///
    /// # Errors
    ///
    /// Which limit it would exceed.
    pub(crate) fn may_add_instance(&mut self, memories: usize, tables: usize) -> Result<()> {
        let counts = [
            ("instances", self.instances.len() + 1),
            ("memories", self.memories + memories),
            ("tables", self.tables + tables),
        ];
        if let Some(host) = self.limiter() {
            for ((noun, wanted), limit) in counts.into_iter().zip(host.count_limits()) {
                anyhow::ensure!(
                    wanted <= limit,
                    "resource limit exceeded: {wanted} {noun} wanted, the store's limit is {limit}"
                );
            }
        }
        Ok(())
    }
}

impl Drop for StoreOpaque {
    fn drop(&mut self) {
        for record in self.instances.drain(..) {
            // SAFETY: leaked in `adopt_instance` and freed only here; nothing of the store is used any more.
            drop(unsafe { Box::from_raw(record.as_ptr()) });
        }
        // SAFETY: leaked in `new` and freed only here.
        drop(unsafe { Box::from_raw(self.context.as_ptr()) });
    }
}
