//! What code reads from its `VmContext`: values that never change are loaded in the entry block, once, on first use.
//!
//! Cranelift moves such loads to where they are used, as they are marked readonly and movable.

use crate::translator::FuncTranslator;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    AliasRegion, AliasRegionData, Block, Inst, InstBuilder, MemFlagsData, StackSlot, Type, Value,
};
use cranelift_frontend::FunctionBuilder;
use std::borrow::Cow;
use waft_core::layout::VmLayout;

/// Parts of memory that never overlap: a store to one leaves what is known of the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Region {
    /// `VmContext` and `VmStoreContext`.
    Context,
    /// The contents of linear memories.
    Heap,
    /// The elements of tables.
    Table,
    /// `VmFuncRef`s, `VmFuncImport`s, code slots and tables of library calls: what calls read.
    Code,
    /// Result areas.
    Results,
    /// Mutable globals of other instances, which may be the same one twice, and own ones past the first few.
    Globals,
    /// Objects of the GC heap.
    GcHeap,
    /// The nursery's pointers, and the list of noted slots.
    GcState,
    /// One of the first own globals.
    OwnGlobal(u32),
    /// One of the first slots of the frame in which references wait for a call to return, or all others.
    Spill(u32),
}

impl Region {
    /// How many own globals have a region each. Few: Cranelift keeps a record of all regions for every block.
    pub(crate) const OWN_GLOBALS: u32 = 8;

    /// How many slots of references have a region each.
    const SPILLS: u32 = 8;

    /// The region of a slot of the frame in which a reference waits.
    fn of_spill(slot: StackSlot) -> Self {
        Self::Spill(slot.as_u32().min(Self::SPILLS))
    }

    fn data(self) -> AliasRegionData {
        let (user_id, description) = match self {
            Self::Context => (0, "context"),
            Self::Heap => (1, "heap"),
            Self::Table => (2, "table"),
            Self::Code => (3, "code"),
            Self::Results => (4, "results"),
            Self::Globals => (5, "globals"),
            Self::GcHeap => (6, "GC heap"),
            Self::GcState => (7, "GC state"),
            Self::OwnGlobal(n) => (8 + n, "own global"),
            Self::Spill(n) => (8 + Self::OWN_GLOBALS + n, "spill"),
        };
        AliasRegionData { user_id, description: Cow::Borrowed(description) }
    }
}

/// The values in the entry block that come from the context.
pub(crate) struct VmValues {
    /// The context itself.
    pub(crate) context: Value,
    /// Where the caller wants the results, if they do not fit registers.
    pub(crate) result_area: Option<Value>,
    entry: Block,
    last_load: Option<Inst>,
    header: [Option<Value>; 6],
    memory_base: Option<Value>,
}

impl VmValues {
    /// The values of a function that is entered at `entry`.
    pub(crate) fn new(entry: Block, context: Value, result_area: Option<Value>) -> Self {
        Self { context, result_area, entry, last_load: None, header: [None; 6], memory_base: None }
    }
}

/// Has the stores and loads that keep references in the frame during calls be of regions of their own. Without one, a store
/// is taken to write anything.
pub(crate) fn keep_spills_apart(builder: &mut FunctionBuilder<'_>) {
    builder.make_stack_map_alias_region(Box::new(|regions, _, slot, _| {
        Some(regions.insert(Region::of_spill(slot).data()))
    }));
}

impl FuncTranslator<'_, '_> {
    /// Declares a region to Cranelift, or finds it.
    pub(crate) fn region(&mut self, region: Region) -> AliasRegion {
        self.builder.func.dfg.alias_regions.insert(region.data())
    }

    /// The flags of accesses that cannot fail, to a region that may be written.
    pub(crate) fn trusted(&mut self, region: Region) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.region(region)))
    }

    /// Loads something that never changes while the function runs, and always exists: a pointer of the context.
    pub(crate) fn load_constant(&mut self, ty: Type, base: Value, offset: u32) -> Value {
        let flags = self.trusted(Region::Code).with_readonly().with_can_move();
        self.builder.ins().load(ty, flags, base, offset as i32)
    }

    /// The same, in the entry block: `base` must be from there.
    fn load_constant_at_entry(&mut self, base: Value, offset: u32) -> Value {
        let flags = self.trusted(Region::Code).with_readonly().with_can_move();
        let mut cursor = FuncCursor::new(self.builder.func);
        match self.vm.last_load {
            Some(load) => cursor.goto_after_inst(load),
            None => cursor.goto_first_insertion_point(self.vm.entry),
        }
        let value = cursor.ins().load(I64, flags, base, offset as i32);
        self.vm.last_load = self.builder.func.dfg.value_def(value).inst();
        value
    }

    fn header_pointer(&mut self, offset: u32) -> Value {
        let at = (offset / 8) as usize;
        if let Some(known) = self.vm.header[at] {
            return known;
        }
        let value = self.load_constant_at_entry(self.vm.context, offset);
        self.vm.header[at] = Some(value);
        value
    }

    /// The `VmStoreContext`.
    pub(crate) fn store_context(&mut self) -> Value {
        self.header_pointer(VmLayout::STORE)
    }

    /// The table of library calls.
    pub(crate) fn libcalls(&mut self) -> Value {
        self.header_pointer(VmLayout::LIBCALLS)
    }

    /// The code slots of the module.
    pub(crate) fn code_slots(&mut self) -> Value {
        self.header_pointer(VmLayout::CODE_SLOTS)
    }

    /// The engine's number of a type of the module.
    pub(crate) fn type_id(&mut self, ty: u32) -> Value {
        let ids = self.header_pointer(VmLayout::TYPES);
        self.load_constant(I32, ids, ty * 4)
    }

    /// The engine's table of types.
    pub(crate) fn type_table(&mut self) -> Value {
        self.header_pointer(VmLayout::TYPE_TABLE)
    }

    /// The base of the store's GC heap.
    pub(crate) fn heap(&mut self) -> Value {
        self.header_pointer(VmLayout::HEAP)
    }

    /// The base of memory 0, which nearly every function uses many times: `load` gives it in the entry block.
    pub(crate) fn memory_base_once(&mut self, offset: u32, through: Option<u32>) -> Value {
        if let Some(known) = self.vm.memory_base {
            return known;
        }
        let mut base = self.load_constant_at_entry(self.vm.context, offset);
        if let Some(offset) = through {
            base = self.load_constant_at_entry(base, offset);
        }
        self.vm.memory_base = Some(base);
        base
    }
}
