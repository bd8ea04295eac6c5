//! Instances as the runtime sees them.
//!
//! # Invariants
//!
//! * **I1** The context's head and its pointers to imports are filled by [`InstanceRecord::create`] before anything can
//!   run, and stay as they are.
//! * **I2** `VmMemory` and `VmTable` of what the instance defines say what its objects say.
//! * **I3** The module is kept alive by the record, and with it the code, the slots and the signature numbers.
//!
//! # Elsewhere
//!
//! The order of instantiation: `src/instance.rs`. Public handle: `waft::Instance`.

use super::context::{
    ContextAllocation, StorePtr, VmContext, VmFuncImport, VmFuncRef, VmGlobal, VmMemory, VmTable,
};
use super::libcall;
use super::memory::MemoryObject;
use super::shared_memory::SharedMemoryObject;
use super::store::StoreOpaque;
use super::table::TableObject;
use crate::module::ModuleInner;
use crate::tier_up::TierUp;
use anyhow::Result;
use std::num::NonZeroU32;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use waft_core::index::{
    DataIndex, DefinedFuncIndex, DefinedGlobalIndex, DefinedMemoryIndex, DefinedTableIndex, ElemIndex,
    FuncIndex, GlobalIndex, IndexVec, MemoryIndex, TableIndex, TagIndex, TypedIndex,
};
use waft_core::module::{ElemItems, ElemSegment, Shape};

/// A part of an instance: which instance defines it, and where.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct PartOf<I> {
    /// The instance that defines it.
    pub(crate) owner: StorePtr<InstanceRecord>,
    /// Its place among what that one defines.
    pub(crate) index: I,
}

/// What an import is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Binding {
    Func(StorePtr<VmFuncRef>),
    Table(PartOf<DefinedTableIndex>),
    Memory(PartOf<DefinedMemoryIndex>),
    Global(PartOf<DefinedGlobalIndex>),
    Tag(NonZeroU32),
}

/// The values of an element segment.
#[derive(Clone, Debug)]
pub(super) enum ElemValues {
    /// It is empty.
    Dropped,
    /// The functions that the module lists.
    Listed,
    /// References to functions, raw.
    Funcs(Box<[u64]>),
    /// References into the GC heap.
    Refs(Box<[u32]>),
}

impl ElemValues {
    /// The values of a segment before its expressions are evaluated.
    fn initial(segment: &ElemSegment) -> Self {
        match segment.items {
            ElemItems::Funcs(_) => Self::Listed,
            ElemItems::Exprs(..) => Self::Dropped,
        }
    }
}

/// An instance.
pub(crate) struct InstanceRecord {
    pub(super) store: *mut StoreOpaque,
    me: Option<StorePtr<Self>>,
    module: Arc<ModuleInner>,
    context: ContextAllocation,
    pub(super) memories: IndexVec<DefinedMemoryIndex, MemoryObject>,
    pub(super) tables: IndexVec<DefinedTableIndex, TableObject>,
    imported_funcs: Vec<StorePtr<VmFuncRef>>,
    imported_memories: Vec<PartOf<DefinedMemoryIndex>>,
    imported_tables: Vec<PartOf<DefinedTableIndex>>,
    imported_globals: Vec<PartOf<DefinedGlobalIndex>>,
    tags: IndexVec<TagIndex, NonZeroU32>,
    exported_memory: Option<StorePtr<VmMemory>>,
    /// What the element segments hold that can still be used.
    pub(super) elems: IndexVec<ElemIndex, ElemValues>,
    /// The globals and tables that it defines and that hold references into the GC heap.
    ref_globals: Box<[DefinedGlobalIndex]>,
    ref_tables: Box<[DefinedTableIndex]>,
    pub(super) dropped_datas: IndexVec<DataIndex, bool>,
}

impl InstanceRecord {
    /// An instance of `module` with `bindings` for its imports, in order and of the right types: memories and tables
    /// are there and zero, globals not yet initialised, segments not applied.
    ///
    /// # Errors
    ///
    /// If the machine has no memory or address space for it.
    pub(crate) fn create(
        store: &mut StoreOpaque,
        module: Arc<ModuleInner>,
        bindings: &[Binding],
    ) -> Result<StorePtr<Self>> {
        let shape = module.shape();
        let config = module.engine().config();
        if shape.uses_gc() {
            store.need_heap()?;
        }
        let defined_memories = &shape.memories.as_slice()[shape.imported_memories..];
        let memories =
            defined_memories.iter().map(|ty| MemoryObject::new(*ty, config)).collect::<Result<_>>()?;
        Self::create_with(store, module, bindings, memories)
    }

    /// The same with memories that are there already, of the types that the module defines.
    ///
    /// # Errors
    ///
    /// As for [`Self::create`].
    pub(crate) fn create_with(
        store: &mut StoreOpaque,
        module: Arc<ModuleInner>,
        bindings: &[Binding],
        memories: IndexVec<DefinedMemoryIndex, MemoryObject>,
    ) -> Result<StorePtr<Self>> {
        let shape = module.shape();
        let defined_tables = shape.tables.keys().skip(shape.imported_tables);
        let tables =
            defined_tables.map(|table| TableObject::new(module.table_ty(table))).collect::<Result<_>>()?;
        let mut record = Box::new(Self {
            store,
            me: None,
            context: ContextAllocation::new(module.layout()),
            memories,
            tables,
            imported_funcs: Vec::new(),
            imported_memories: Vec::new(),
            imported_tables: Vec::new(),
            imported_globals: Vec::new(),
            tags: IndexVec::new(),
            exported_memory: None,
            elems: shape.elems.values().map(ElemValues::initial).collect(),
            ref_globals: shape
                .global_inits
                .keys()
                .filter(|at| {
                    shape.globals[GlobalIndex::new(shape.imported_globals + at.index())].content.is_gc_ref()
                })
                .collect(),
            ref_tables: shape
                .table_inits
                .keys()
                .filter(|at| {
                    !shape.tables[TableIndex::new(shape.imported_tables + at.index())].element.is_func()
                })
                .collect(),
            dropped_datas: shape.datas.values().map(|_| false).collect(),
            module,
        });
        for binding in bindings {
            match *binding {
                Binding::Func(func) => record.imported_funcs.push(func),
                Binding::Table(part) => record.imported_tables.push(part),
                Binding::Memory(part) => record.imported_memories.push(part),
                Binding::Global(part) => record.imported_globals.push(part),
                Binding::Tag(number) => {
                    record.tags.push(number);
                }
            }
        }
        for ty in record.module.shape().tags.values().skip(record.tags.len()) {
            record.tags.push(store.add_tag(record.module.type_id(*ty))?);
        }
        let ptr = store.adopt_instance(record);
        let (context, heap) = (store.context(), store.heap_base());
        let record = store.at_mut(ptr);
        record.me = Some(ptr);
        // SAFETY: the record is adopted, so its address is final.
        unsafe { record.fill_context(ptr, context, heap) };
        Ok(ptr)
    }

    /// Establishes I1 and I2.
    ///
    /// # Safety
    ///
    /// * `ptr` points to `self`, whose address is final.
    unsafe fn fill_context(
        &mut self,
        ptr: StorePtr<Self>,
        store: *mut super::activation::VmStoreContext,
        heap: *mut u8,
    ) {
        let head = VmContext {
            store,
            libcalls: libcall::TABLE.as_ptr().cast(),
            code_slots: self.module.code_slots().as_ptr(),
            types: self.module.type_ids().as_ptr(),
            type_table: self.module.engine().types().table().base(),
            heap,
            instance: ptr.as_ptr(),
            budgets: self.module.budgets(),
        };
        // SAFETY: the allocation starts with a `VmContext` (C1).
        unsafe { self.context.as_ptr().write(head) };
        let module = self.module.clone();
        let (shape, layout) = (module.shape(), module.layout());
        for (at, func) in self.imported_funcs.iter().enumerate() {
            // SAFETY: function references live as long as the store (S1).
            let func = unsafe { &*func.as_ptr() };
            let import = VmFuncImport { code: func.code(), context: func.context };
            // SAFETY: the layout has a place of this type for each imported function.
            unsafe { self.write(layout.func_import(FuncIndex::new(at)), import) };
        }
        for (at, part) in self.imported_memories.iter().enumerate() {
            // SAFETY: the owner lives as long as the store (S1).
            let memory = unsafe { (*part.owner.as_ptr()).defined_memory(part.index) };
            // SAFETY: the layout has a pointer for each imported memory.
            unsafe { self.write(layout.memory_ref(MemoryIndex::new(at)), memory) };
        }
        for (at, part) in self.imported_tables.iter().enumerate() {
            // SAFETY: as above.
            let table = unsafe { (*part.owner.as_ptr()).defined_table(part.index) };
            // SAFETY: the layout has a pointer for each imported table.
            unsafe { self.write(layout.table_ref(TableIndex::new(at)), table) };
        }
        for (at, part) in self.imported_globals.iter().enumerate() {
            // SAFETY: as above.
            let global = unsafe { (*part.owner.as_ptr()).defined_global(part.index) };
            // SAFETY: the layout has a pointer for each imported global.
            unsafe { self.write(layout.global_ref(GlobalIndex::new(at)), global) };
        }
        let tier_up = module.code().tier_up();
        let known = tier_up.map_or(0, TierUp::settled_count);
        for (func, declared) in shape.funcs.iter() {
            let Some(at) = declared.func_ref else { continue };
            let func_ref = match shape.defined_func(func) {
                Some(defined) => VmFuncRef {
                    code: AtomicPtr::new(module.reference_code(defined).cast_mut()),
                    context: self.context.as_ptr(),
                    ty: module.type_id(declared.ty),
                    id: 0,
                },
                // SAFETY: function references live as long as the store (S1).
                None => unsafe { (*self.imported_funcs[func.index()].as_ptr()).clone() },
            };
            // SAFETY: the layout has a place for each function with a reference.
            unsafe { self.write(layout.func_ref(at), func_ref) };
        }
        if let Some(tier_up) = tier_up {
            // From here on it is told; what was settled between is caught up with.
            tier_up.add_instance(self.context.as_ptr());
            for func in tier_up.settled_since(known) {
                self.use_code(func, module.code_slots()[func.index()].load(Ordering::Acquire));
            }
        }
        for (tag, number) in self.tags.iter() {
            // SAFETY: the layout has a number for each tag.
            unsafe { self.write(layout.tag(tag), number.get()) };
        }
        for index in self.memories.keys() {
            self.publish_memory(index);
        }
        for index in self.tables.keys() {
            self.publish_table(index);
        }
        let exported = shape.memory_export.filter(|memory| !shape.memories[*memory].shared);
        let exported = exported.map(|memory| self.memory(memory));
        // SAFETY: the owner lives as long as the store (S1).
        let exported = exported.map(|part| unsafe { (*part.owner.as_ptr()).defined_memory(part.index) });
        self.exported_memory =
            exported.and_then(NonNull::new).map(|memory| StorePtr::new(ptr.store(), memory));
    }

    /// Writes `value` at `offset` of the context.
    ///
    /// # Safety
    ///
    /// * The layout places a `T` at `offset`.
    unsafe fn write<T>(&self, offset: u32, value: T) {
        // SAFETY: the caller promises that the place is inside the allocation (C1) and aligned for `T`.
        unsafe { self.place::<T>(offset).write(value) }
    }

    fn place<T>(&self, offset: u32) -> *mut T {
        debug_assert!(offset + size_of::<T>() as u32 <= self.module.layout().size());
        self.context.as_ptr().cast::<u8>().wrapping_add(offset as usize).cast()
    }

    /// The module that it is an instance of.
    pub(crate) fn module(&self) -> &Arc<ModuleInner> {
        &self.module
    }
    /// The module's shape.
    pub(crate) fn shape(&self) -> &Shape {
        self.module.shape()
    }
    /// The pointer by which the store knows it.
    pub(crate) fn me(&self) -> StorePtr<Self> {
        self.me.expect("set in create")
    }

    /// Its context.
    pub(super) fn context(&self) -> *mut VmContext {
        self.context.as_ptr()
    }

    /// The instance that a context belongs to.
    ///
    /// # Safety
    ///
    /// * `context` is the context of an instance whose store is alive.
    #[inline]
    pub(super) unsafe fn of(context: *mut VmContext) -> NonNull<Self> {
        // SAFETY: the caller promises a live context, whose head is filled (I1).
        let record = unsafe { (*context).instance };
        NonNull::new(record).expect("filled in create")
    }

    /// What is left of a data segment of its module: all of it until it is dropped.
    pub(super) fn data_of<'m>(&self, module: &'m ModuleInner, data: DataIndex) -> &'m [u8] {
        if self.dropped_datas[data] { &[] } else { module.data(data) }
    }
    /// The same, of its own module.
    pub(super) fn data(&self, data: DataIndex) -> &[u8] {
        self.data_of(&self.module, data)
    }

    /// Which instance defines a memory of this one.
    pub(crate) fn memory(&self, memory: MemoryIndex) -> PartOf<DefinedMemoryIndex> {
        match self.shape().defined_memory(memory) {
            Some(index) => PartOf { owner: self.me(), index },
            None => self.imported_memories[memory.index()],
        }
    }
    /// A memory of this instance, if it is shared.
    pub(crate) fn shared_memory(&self, memory: MemoryIndex) -> Option<Arc<SharedMemoryObject>> {
        let part = self.memory(memory);
        // SAFETY: the owner lives as long as the store (S1), which cannot be written while `&self` is held.
        let owner = unsafe { &*part.owner.as_ptr() };
        owner.memories[part.index].as_shared().cloned()
    }
    /// The memory that it exports by the name `memory`, as code sees it, unless it is shared.
    #[inline]
    pub(crate) fn exported_memory(&self) -> Option<StorePtr<VmMemory>> {
        self.exported_memory
    }
    /// Which instance defines a table of this one.
    pub(crate) fn table(&self, table: TableIndex) -> PartOf<DefinedTableIndex> {
        match self.shape().defined_table(table) {
            Some(index) => PartOf { owner: self.me(), index },
            None => self.imported_tables[table.index()],
        }
    }
    /// Which instance defines a global of this one.
    pub(crate) fn global(&self, global: GlobalIndex) -> PartOf<DefinedGlobalIndex> {
        match self.shape().defined_global(global) {
            Some(index) => PartOf { owner: self.me(), index },
            None => self.imported_globals[global.index()],
        }
    }
    /// Calls `visit` with every reference into the GC heap that the instance holds.
    pub(super) fn visit_refs(&mut self, visit: &mut impl FnMut(&mut u32)) {
        for global in &self.ref_globals {
            let place = self.defined_global(*global).cast::<u32>();
            // SAFETY: the layout has a `VmGlobal` there, whose low word is the reference; guest code is not running.
            visit(unsafe { &mut *place });
        }
        for table in &self.ref_tables {
            for element in self.tables[*table].elements_mut() {
                let mut reference = *element as u32;
                visit(&mut reference);
                *element = reference.into();
            }
        }
        for values in self.elems.values_mut() {
            if let ElemValues::Refs(values) = values {
                values.iter_mut().for_each(&mut *visit);
            }
        }
    }
    /// The store's number of a tag.
    pub(crate) fn tag(&self, tag: TagIndex) -> NonZeroU32 {
        self.tags[tag]
    }
    /// The reference of a function that has one, or that is imported.
    pub(crate) fn func_ref(&self, func: FuncIndex) -> Option<StorePtr<VmFuncRef>> {
        if self.shape().defined_func(func).is_none() {
            return Some(self.imported_funcs[func.index()]);
        }
        let at = self.shape().funcs[func].func_ref?;
        let place = NonNull::new(self.place(self.module.layout().func_ref(at)))?;
        Some(StorePtr::new(self.me().store(), place))
    }
    /// Has the reference of a function lead straight to its code, which it will keep. Copies of the reference go on by way of
    /// the slot.
    pub(super) fn use_code(&self, func: DefinedFuncIndex, code: *mut u8) {
        // SAFETY: the context is filled in.
        unsafe { use_code(self.context.as_ptr(), &self.module, func, code) };
    }
    /// The object of a memory that it defines.
    pub(crate) fn memory_object(&self, index: DefinedMemoryIndex) -> &MemoryObject {
        &self.memories[index]
    }
    /// The object of a table that it defines.
    pub(crate) fn table_object(&self, index: DefinedTableIndex) -> &TableObject {
        &self.tables[index]
    }

    pub(super) fn defined_memory(&self, index: DefinedMemoryIndex) -> *mut VmMemory {
        self.place(self.module.layout().memory(index))
    }
    pub(super) fn defined_table(&self, index: DefinedTableIndex) -> *mut VmTable {
        self.place(self.module.layout().table(index))
    }
    pub(super) fn defined_global(&self, index: DefinedGlobalIndex) -> *mut VmGlobal {
        self.place(self.module.layout().global(index))
    }

    /// Re-establishes I2 for a memory.
    pub(super) fn publish_memory(&mut self, index: DefinedMemoryIndex) {
        let vm = self.memories[index].vm();
        // SAFETY: the layout has a `VmMemory` for each defined memory; guest code is not running while `&mut self` is
        // held.
        unsafe { self.defined_memory(index).write(vm) };
    }
    /// Re-establishes I2 for a table.
    pub(super) fn publish_table(&mut self, index: DefinedTableIndex) {
        let vm = self.tables[index].vm();
        // SAFETY: as above, for tables.
        unsafe { self.defined_table(index).write(vm) };
    }
}

impl Drop for InstanceRecord {
    fn drop(&mut self) {
        // Nobody sets references in the context any more after this.
        if let Some(tier_up) = self.module.code().tier_up() {
            tier_up.remove_instance(self.context.as_ptr());
        }
    }
}

/// Sets the reference of a function, if it has one, in the context of an instance of a module.
///
/// # Safety
///
/// * The context is filled in, and stays until this returns.
pub(crate) unsafe fn use_code(
    context: *mut VmContext,
    module: &ModuleInner,
    func: DefinedFuncIndex,
    code: *mut u8,
) {
    let shape = module.shape();
    let Some(at) = shape.funcs[shape.func(func)].func_ref else { return };
    let place = context.cast::<u8>().wrapping_add(module.layout().func_ref(at) as usize).cast::<VmFuncRef>();
    // SAFETY: the layout has a `VmFuncRef` there (I1), and its code is written and read as a whole by whoever does.
    unsafe { (*place).code.store(code, Ordering::Release) };
}
