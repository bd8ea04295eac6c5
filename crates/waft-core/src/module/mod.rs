//! The shape of a module: everything but what its functions do.
//!
//! # Invariants
//!
//! * A [`Shape`] comes from bytes that `wasmparser` accepted with the proposals given; indices in it are in bounds.
//! * It borrows nothing: byte ranges refer to the bytes that it was decoded from, kept by whoever keeps the shape.

mod body;
mod const_expr;
mod decode;
mod hints;
mod plain;
mod segment;

pub use body::{Bodies, BodyRules, BodyValidator, FuncBody, ModuleBodies};
pub use const_expr::{ConstExpr, ConstOp};
pub use decode::{
    DecodeError, Decoded, decode, decode_bodies, decode_trusted, decode_validated, decode_without_bodies,
};
pub use hints::{BRANCH_HINT_SECTION, BranchHint, BranchHints};
pub use segment::{DataMode, DataSegment, ElemItems, ElemMode, ElemSegment};

use crate::index::{
    DataIndex, DefinedFuncIndex, DefinedGlobalIndex, DefinedMemoryIndex, DefinedTableIndex, ElemIndex,
    FuncIndex, FuncRefIndex, GlobalIndex, IndexVec, MemoryIndex, TableIndex, TagIndex, TypeIndex, TypedIndex,
};
use crate::types::{
    CompositeKind, CompositeTy, ConcreteType, FuncSig, GlobalTy, HeapType, MemoryTy, StorageTy, StructTy,
    SubType, TableTy, ValType,
};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Something that stands in one of the index spaces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntityIndex {
    /// A function.
    Func(FuncIndex),
    /// A table.
    Table(TableIndex),
    /// A memory.
    Memory(MemoryIndex),
    /// A global.
    Global(GlobalIndex),
    /// A tag of exceptions.
    Tag(TagIndex),
}

/// What a module asks its host for.
#[derive(Clone, Debug)]
pub struct Import {
    /// The name of the module that provides it.
    pub module: String,
    /// Its name there.
    pub name: String,
    /// Where it stands in this module's index spaces.
    pub entity: EntityIndex,
}

/// What a module offers.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// Where it stands in the index spaces.
    pub entity: EntityIndex,
}

/// A function as declared.
#[derive(Clone, Copy, Debug)]
pub struct Func {
    /// Its type.
    pub ty: TypeIndex,
    /// Its place among the functions with a reference, if anything but a direct call can reach it.
    pub func_ref: Option<FuncRefIndex>,
}

/// A custom section: its name and where its contents are.
#[derive(Clone, Debug)]
pub struct CustomSection {
    /// The name.
    pub name: String,
    /// The contents, as a range of the module's bytes.
    pub range: Range<usize>,
}

/// A decoded and validated module without its code.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// The type section.
    pub types: IndexVec<TypeIndex, SubType>,
    /// The kind of each type.
    kinds: IndexVec<TypeIndex, CompositeKind>,
    /// Whether any type is one of structures or arrays.
    pub has_objects: bool,
    /// The groups of types that may refer to each other: ranges of the type section, in order and without gaps.
    pub rec_groups: Vec<Range<u32>>,
    /// What it imports, in order.
    pub imports: Vec<Import>,
    /// What it exports, in order.
    pub exports: Vec<Export>,
    /// All functions, imported ones first; the same for the next three.
    pub funcs: IndexVec<FuncIndex, Func>,
    /// All tables.
    pub tables: IndexVec<TableIndex, TableTy>,
    /// The initial element of each defined table, where it is not null.
    pub table_inits: IndexVec<DefinedTableIndex, Option<ConstExpr>>,
    /// All memories.
    pub memories: IndexVec<MemoryIndex, MemoryTy>,
    /// All globals.
    pub globals: IndexVec<GlobalIndex, GlobalTy>,
    /// The initial value of each defined global.
    pub global_inits: IndexVec<DefinedGlobalIndex, ConstExpr>,
    /// The types of all tags: functions whose parameters are what an exception carries.
    pub tags: IndexVec<TagIndex, TypeIndex>,
    /// The element segments.
    pub elems: IndexVec<ElemIndex, ElemSegment>,
    /// The data segments.
    pub datas: IndexVec<DataIndex, DataSegment>,
    /// The start function.
    pub start: Option<FuncIndex>,
    /// The memory exported by the name `memory`, where hosts look for a guest's data.
    pub memory_export: Option<MemoryIndex>,
    /// The body of each defined function, as a range of the module's bytes.
    pub bodies: IndexVec<DefinedFuncIndex, Range<usize>>,
    /// Where the contents of the code section start: what DWARF counts from.
    pub code_section_start: usize,
    /// The custom sections in order.
    pub customs: Vec<CustomSection>,
    /// Which way branches go nearly always; empty for a module whose code was compiled before.
    pub branch_hints: BranchHints,
    /// How many functions are imported.
    pub imported_funcs: usize,
    /// How many tables are imported.
    pub imported_tables: usize,
    /// How many memories are imported.
    pub imported_memories: usize,
    /// How many globals are imported.
    pub imported_globals: usize,
    /// How many tags are imported.
    pub imported_tags: usize,
    /// How many functions have a reference.
    pub func_refs: usize,
}

impl Shape {
    /// The signature of a function.
    pub fn func_sig(&self, func: FuncIndex) -> &FuncSig {
        self.sig(self.funcs[func].ty)
    }
    /// The signature that is a type of functions.
    ///
    /// # Panics
    ///
    /// If the type is of another kind; validation rules that out wherever an operator names a type of functions.
    #[inline]
    pub fn sig(&self, ty: TypeIndex) -> &FuncSig {
        self.types[ty].composite.as_func().expect("validation wants a type of functions here")
    }
    /// The type of structures.
    ///
    /// # Panics
    ///
    /// As [`Self::sig`].
    pub fn struct_ty(&self, ty: TypeIndex) -> &StructTy {
        self.types[ty].composite.as_struct().expect("validation wants a type of structures here")
    }
    /// What a field of structures of a type holds, and where it stands.
    ///
    /// # Panics
    ///
    /// As [`Self::sig`], and if there is no such field, which validation rules out as well.
    pub fn struct_field(&self, ty: TypeIndex, field: u32) -> (StorageTy, u32) {
        let field = self.struct_ty(ty).field(field as usize);
        let (field, offset) = field.expect("validation wants a field here");
        (field.storage, offset)
    }
    /// A type of functions, structures or arrays, with its kind.
    pub fn concrete_type(&self, ty: TypeIndex) -> ConcreteType {
        ConcreteType { kind: self.kinds[ty], index: ty.as_u32() }
    }
    /// Whether references to `sub` are references to `sup`, as far as the module's own declarations tell: two types of the
    /// section that are equal only as groups are not found to be.
    pub fn is_subtype(&self, sub: HeapType, sup: HeapType) -> bool {
        sub.is_subtype(sup, |sub, sup| {
            let supertype = |ty: &ConcreteType| self.types[TypeIndex::from_u32(ty.index)].supertype;
            core::iter::successors(Some(sub), supertype).any(|ty| ty == sup)
        })
    }
    /// Adds the kind of the next type.
    fn push_kind(&mut self, kind: CompositeKind) {
        self.kinds.push(kind);
        self.has_objects |= kind != CompositeKind::Func;
    }
    /// Adds a type that the host defines, in a group of its own, whose numbers of types are the engine's.
    pub fn push_type(&mut self, ty: SubType) -> TypeIndex {
        self.push_kind(ty.composite.kind());
        let at = self.types.len() as u32;
        self.rec_groups.push(at..at + 1);
        self.types.push(ty)
    }
    /// Whether its instances need a GC heap: something in its shape can hold a reference into one.
    pub fn uses_gc(&self) -> bool {
        let in_type = |ty: &SubType| match &ty.composite {
            CompositeTy::Func(sig) => sig.params().iter().chain(sig.results()).any(ValType::is_gc_ref),
            CompositeTy::Struct(_) | CompositeTy::Array(_) => true,
        };
        self.types.values().any(in_type)
            || !self.tags.is_empty()
            || self.globals.values().any(|ty| ty.content.is_gc_ref())
            || self.tables.values().any(|ty| !ty.element.is_func())
    }

    /// The function whose reference is the one with this number, if the module defines it. It looks at all functions.
    pub fn func_of_reference(&self, reference: FuncRefIndex) -> Option<DefinedFuncIndex> {
        let (func, _) = self.funcs.iter().find(|(_, func)| func.func_ref == Some(reference))?;
        self.defined_func(func)
    }

    /// Its place among the defined functions, unless it is imported.
    pub fn defined_func(&self, func: FuncIndex) -> Option<DefinedFuncIndex> {
        func.index().checked_sub(self.imported_funcs).map(DefinedFuncIndex::new)
    }
    /// The place of a defined function among all.
    pub fn func(&self, func: DefinedFuncIndex) -> FuncIndex {
        FuncIndex::new(func.index() + self.imported_funcs)
    }
    /// How many functions the module defines.
    pub fn defined_funcs(&self) -> usize {
        self.funcs.len() - self.imported_funcs
    }
    /// Its place among the defined tables, unless it is imported.
    pub fn defined_table(&self, table: TableIndex) -> Option<DefinedTableIndex> {
        table.index().checked_sub(self.imported_tables).map(DefinedTableIndex::new)
    }
    /// Its place among the defined memories, unless it is imported.
    pub fn defined_memory(&self, memory: MemoryIndex) -> Option<DefinedMemoryIndex> {
        memory.index().checked_sub(self.imported_memories).map(DefinedMemoryIndex::new)
    }
    /// Its place among the defined globals, unless it is imported.
    pub fn defined_global(&self, global: GlobalIndex) -> Option<DefinedGlobalIndex> {
        global.index().checked_sub(self.imported_globals).map(DefinedGlobalIndex::new)
    }
    /// Where the contents of the first custom section of this name are in the module.
    pub fn custom(&self, name: &str) -> Option<Range<usize>> {
        let section = self.customs.iter().find(|section| section.name == name)?;
        Some(section.range.clone())
    }
}
