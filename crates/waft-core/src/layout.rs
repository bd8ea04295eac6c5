//! What machine code reads and writes at run time: every `Vm*` structure, byte by byte, for 64-bit machines.
//!
//! # Invariants
//!
//! * Machine code touches run-time structures only at offsets declared here.
//! * `waft-engine::vm` asserts at compile time that its `repr(C)` structures have these offsets.

use crate::index::{
    DefinedGlobalIndex, DefinedMemoryIndex, DefinedTableIndex, FuncIndex, FuncRefIndex, GlobalIndex,
    MemoryIndex, TableIndex, TagIndex, TypedIndex,
};
use crate::module::Shape;

/// Bytes of a pointer.
pub const POINTER_BYTES: u32 = 8;

/// `VmStoreContext`: what all instances of a store share.
pub mod store_context {
    /// `usize`: a function whose frame would reach below this address traps.
    pub const STACK_LIMIT: u32 = 0;
    /// `*mut VmContext`: written before every call that may leave the instance, read by host functions.
    pub const CALLER: u32 = 8;
    /// `usize`: the frame of the stub through which the guest last called the host.
    pub const EXIT_FP: u32 = 16;
    /// `*mut VmActivation`: the innermost entry into guest code.
    pub const ACTIVATION: u32 = 24;
    /// `u32`, atomic: non-zero when the host asked the guest to stop.
    pub const INTERRUPT: u32 = 32;
    /// `VmGcState`: what code needs to make objects and to store references; see [`crate::gc::gc_state`].
    pub const GC: u32 = 40;
    /// `*const *mut VmFuncRef`: the functions that the GC heap refers to, by their numbers; the first is null.
    pub const FUNCS: u32 = GC + crate::gc::gc_state::SIZE;
    /// `u32`: how many there are, null included.
    pub const FUNCS_COUNT: u32 = FUNCS + 8;
    /// `*const u8`: the top of the state that code entered at a loop takes: see [`crate::budget`].
    pub const STATE: u32 = FUNCS + 16;
}

/// `VmMemory`: a linear memory as code sees it.
pub mod memory {
    /// `*mut u8`: the first byte; it never moves.
    pub const BASE: u32 = 0;
    /// `usize`: bytes that are accessible; of a shared memory, `*const AtomicUsize` to that number.
    pub const LEN: u32 = 8;
    /// Bytes of the structure.
    pub const SIZE: u32 = 16;
}

/// `VmTable`: a table as code sees it.
pub mod table {
    /// `*mut u8`: the first element; it may move when the table grows.
    pub const BASE: u32 = 0;
    /// `usize`: elements.
    pub const LEN: u32 = 8;
    /// Bytes of the structure.
    pub const SIZE: u32 = 16;
    /// Bytes of an element: a `VmFuncRef` pointer, or a reference into the GC heap in the lower half.
    pub const ELEMENT_BYTES: u32 = 8;
}

/// `VmGlobal`: 16 bytes, little-endian, aligned to 16.
pub mod global {
    /// Bytes of the structure.
    pub const SIZE: u32 = 16;
}

/// `VmFuncImport`: a function that another instance or the host defines.
pub mod func_import {
    /// `*const u8`: where to call.
    pub const CODE: u32 = 0;
    /// `*mut VmContext`: what to pass as the context.
    pub const CONTEXT: u32 = 8;
    /// Bytes of the structure.
    pub const SIZE: u32 = 16;
}

/// `VmFuncRef`: what a `funcref` points to.
pub mod func_ref {
    /// `*const u8`: where to call.
    pub const CODE: u32 = 0;
    /// `*mut VmContext`: what to pass as the context.
    pub const CONTEXT: u32 = 8;
    /// `u32`: the engine's number for the type.
    pub const TYPE: u32 = 16;
    /// `u32`: its number among the store's references to functions that the GC heap may hold; 0 as long as none.
    pub const ID: u32 = 20;
    /// Bytes of the structure.
    pub const SIZE: u32 = 24;
}

/// Bytes of a tag's number in a context.
const TAG_BYTES: u32 = 4;

/// Where everything stands in the `VmContext` of a module's instances.
#[derive(Clone, Debug)]
pub struct VmLayout {
    imported_memories: u32,
    imported_tables: u32,
    imported_globals: u32,
    memories: u32,
    memory_refs: u32,
    tables: u32,
    table_refs: u32,
    func_imports: u32,
    global_refs: u32,
    globals: u32,
    func_refs: u32,
    tags: u32,
    size: u32,
}

impl VmLayout {
    /// `*mut VmStoreContext`.
    pub const STORE: u32 = 0;
    /// `*const [fn]`: the library calls, as [`crate::libcall`] numbers them.
    pub const LIBCALLS: u32 = 8;
    /// `*const AtomicPtr<u8>`: the code slot of each defined function.
    pub const CODE_SLOTS: u32 = 16;
    /// `*const u32`: the engine's number for each type of the module.
    pub const TYPES: u32 = 24;
    /// `*const u8`: the engine's table of types, whose rows the numbers are offsets of.
    pub const TYPE_TABLE: u32 = 32;
    /// `*mut u8`: the base of the store's GC heap, which never moves; null if no module of the store needs one.
    pub const HEAP: u32 = 40;
    /// `*mut ()`: the engine's own record of the instance; machine code leaves it alone.
    pub const INSTANCE: u32 = 48;
    /// `*mut [FuncBudget]`: the budget of each defined function, as [`crate::budget`] lays it out; null where no code counts.
    pub const BUDGETS: u32 = 56;
    const HEADER_BYTES: u32 = 64;

    /// The layout for instances of `shape`. Memories come first: they are used most and get the shortest offsets.
    pub fn new(shape: &Shape) -> Self {
        let mut next = Self::HEADER_BYTES;
        let mut array = |count: usize, bytes: u32| {
            let at = next;
            next += count as u32 * bytes;
            at
        };
        let imported_memories = shape.imported_memories as u32;
        let imported_tables = shape.imported_tables as u32;
        let imported_globals = shape.imported_globals as u32;
        let globals = array(shape.globals.len() - shape.imported_globals, global::SIZE);
        let memories = array(shape.memories.len() - shape.imported_memories, memory::SIZE);
        let memory_refs = array(shape.imported_memories, POINTER_BYTES);
        let tables = array(shape.tables.len() - shape.imported_tables, table::SIZE);
        let table_refs = array(shape.imported_tables, POINTER_BYTES);
        let func_imports = array(shape.imported_funcs, func_import::SIZE);
        let global_refs = array(shape.imported_globals, POINTER_BYTES);
        let func_refs = array(shape.func_refs, func_ref::SIZE);
        let tags = array(shape.tags.len(), TAG_BYTES);
        Self {
            imported_memories,
            imported_tables,
            imported_globals,
            memories,
            memory_refs,
            tables,
            table_refs,
            func_imports,
            global_refs,
            globals,
            func_refs,
            tags,
            size: next.next_multiple_of(16),
        }
    }

    /// Bytes of the whole context; it is aligned to 16.
    pub const fn size(&self) -> u32 {
        self.size
    }
    /// The `VmMemory` of a defined memory.
    pub fn memory(&self, memory: DefinedMemoryIndex) -> u32 {
        self.memories + memory.as_u32() * memory::SIZE
    }
    /// The pointer to the `VmMemory` of an imported memory.
    pub fn memory_ref(&self, memory: MemoryIndex) -> u32 {
        debug_assert!(memory.as_u32() < self.imported_memories);
        self.memory_refs + memory.as_u32() * POINTER_BYTES
    }
    /// The `VmTable` of a defined table.
    pub fn table(&self, table: DefinedTableIndex) -> u32 {
        self.tables + table.as_u32() * table::SIZE
    }
    /// The pointer to the `VmTable` of an imported table.
    pub fn table_ref(&self, table: TableIndex) -> u32 {
        debug_assert!(table.as_u32() < self.imported_tables);
        self.table_refs + table.as_u32() * POINTER_BYTES
    }
    /// The `VmGlobal` of a defined global.
    pub fn global(&self, global: DefinedGlobalIndex) -> u32 {
        self.globals + global.as_u32() * global::SIZE
    }
    /// The pointer to the `VmGlobal` of an imported global.
    pub fn global_ref(&self, global: GlobalIndex) -> u32 {
        debug_assert!(global.as_u32() < self.imported_globals);
        self.global_refs + global.as_u32() * POINTER_BYTES
    }
    /// The `VmFuncImport` of an imported function.
    pub fn func_import(&self, func: FuncIndex) -> u32 {
        self.func_imports + func.as_u32() * func_import::SIZE
    }
    /// The number of a tag, imported or defined: a `u32` that no other tag of the store has.
    pub fn tag(&self, tag: TagIndex) -> u32 {
        self.tags + tag.as_u32() * TAG_BYTES
    }
    /// Which `VmFuncRef` stands at an offset, if one does.
    pub fn func_ref_at(&self, offset: u32) -> Option<FuncRefIndex> {
        let distance = offset.checked_sub(self.func_refs)?;
        let is_one = distance.is_multiple_of(func_ref::SIZE) && offset < self.tags;
        is_one.then(|| FuncRefIndex::new((distance / func_ref::SIZE) as usize))
    }
    /// The `VmFuncRef` of a function that has one.
    pub fn func_ref(&self, func: FuncRefIndex) -> u32 {
        self.func_refs + func.index() as u32 * func_ref::SIZE
    }
}
