//! From bytes to a [`Shape`], driving `wasmparser`.

use super::{
    BRANCH_HINT_SECTION, BodyRules, BodyValidator, BranchHints, ConstExpr, ConstOp, CustomSection, DataMode,
    DataSegment, ElemItems, ElemMode, ElemSegment, EntityIndex, Export, Func, Import, ModuleBodies, Shape,
};
use crate::index::{
    DataIndex, DefinedFuncIndex, FuncIndex, FuncRefIndex, GlobalIndex, IndexVec, MemoryIndex, TableIndex,
    TagIndex, TypeIndex,
};
use crate::limits::{BODY_BYTES_MAX, DATA_SEGMENTS_MAX};
use crate::opcode;
use crate::proposal::{Proposal, ProposalSet};
use crate::types::{
    CompositeKind, CompositeTy, ConcreteType, FieldTy, FuncSig, GlobalTy, HeapType, IndexType, Limits,
    MemoryTy, RefType, StorageTy, StructTy, SubType, TableTy, ValType,
};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use wasmparser::{
    BinaryReader, Chunk, CompositeInnerType, DataKind, ElementItems, ElementKind, ExternalKind, FunctionBody,
    Parser, Payload, TableInit, TypeRef, ValidPayload, Validator, WasmFeatures,
};

/// Why bytes are not a module that Waft runs.
#[derive(Clone, Debug)]
pub struct DecodeError {
    message: String,
    offset: usize,
}

impl DecodeError {
    pub(super) fn new(message: String, offset: u64) -> Self {
        Self { message, offset: offset as usize }
    }
    pub(super) fn unsupported(what: String, offset: u64) -> Self {
        Self::new(alloc::format!("not supported: {what}"), offset)
    }
    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// Where, in bytes from the start of the module.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at offset {:#x})", self.message, self.offset)
    }
}

impl core::error::Error for DecodeError {}

impl From<wasmparser::BinaryReaderError> for DecodeError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::new(error.message().to_string(), error.offset())
    }
}

/// A module whose shape is valid and whose bodies are still to be validated.
pub struct Decoded {
    /// The shape.
    pub shape: Shape,
    rules: BodyRules,
}

impl Decoded {
    /// A validator of bodies, with allocations of its own: each can be validated by itself, on any thread.
    pub fn body_validator(&self) -> BodyValidator<'_> {
        BodyValidator::new(&self.rules, &self.shape)
    }

    /// The shape, and what it takes to validate bodies later.
    pub fn into_parts(self) -> (Shape, BodyRules) {
        (self.shape, self.rules)
    }
}

/// Decodes `module` and validates all but its bodies.
///
/// # Errors
///
/// If the bytes are malformed, the module is invalid or uses a proposal outside of `proposals`.
pub fn decode(module: &[u8], proposals: ProposalSet) -> Result<Decoded, DecodeError> {
    decode_but(module, proposals, Without::Nothing)
}

/// Decodes `module` and validates all but its bodies, which are not looked at: in place of what the code section holds there may be
/// anything, and of what custom sections hold but the one of branch hints. [`Shape::bodies`] is empty.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_without_bodies(module: &[u8], proposals: ProposalSet) -> Result<Decoded, DecodeError> {
    decode_but(module, proposals, Without::Bodies)
}

/// What of a module is not looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    Nothing,
    Bodies,
}

fn decode_but(module: &[u8], proposals: ProposalSet, without: Without) -> Result<Decoded, DecodeError> {
    let features = proposals.features();
    let mut validator = Validator::new_with_features(features);
    let hinted = proposals.contains(Proposal::BranchHinting);
    let mut decoder = Decoder { hinted, ..Decoder::default() };
    let mut general = None;
    let mut sections = Sections::new(module, features);
    while let Some(payload) = sections.next()? {
        if decoder.takes_plain_datas(module, &payload) {
            continue;
        }
        if let ValidPayload::Func(func, _) = validator.payload(&payload)? {
            general.get_or_insert(func.resources);
        }
        if let Payload::CodeSectionStart { count, unchecked_range, size } = &payload {
            let bodies = match without {
                Without::Nothing => sections.skip_bodies(*count, *size),
                Without::Bodies => {
                    sections.skip_code(*size);
                    Some(IndexVec::new())
                }
            };
            if let Some(bodies) = bodies {
                // What validates any body is the same as what validates the first.
                if *count > 0 {
                    let empty = FunctionBody::new(BinaryReader::new(&[], unchecked_range.start));
                    general = Some(validator.code_section_entry(&empty)?.resources);
                }
                decoder.shape.bodies = bodies;
            }
        }
        decoder.payload(payload)?;
    }
    let shape = decoder.finish();
    let rules = BodyRules::new(&shape, proposals, general);
    Ok(Decoded { shape, rules })
}

/// Decodes `module` and validates all of it, on this thread.
///
/// # Errors
///
/// As [`decode`], and what is wrong with the first body that is not valid.
pub fn decode_validated(module: &[u8], proposals: ProposalSet) -> Result<Shape, DecodeError> {
    let decoded = decode(module, proposals)?;
    let (mut validator, bodies) = (decoded.body_validator(), ModuleBodies::new(&decoded.shape, module));
    decoded.shape.bodies.keys().try_for_each(|func| validator.validate(func, bodies.of(func)))?;
    Ok(decoded.shape)
}

/// The sections of a module, one after the other.
struct Sections<'a> {
    parser: Parser,
    module: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Sections<'a> {
    fn new(module: &'a [u8], features: WasmFeatures) -> Self {
        let mut parser = Parser::new(0);
        parser.set_features(features);
        Self { parser, module, at: 0, ended: false }
    }

    fn next(&mut self) -> Result<Option<Payload<'a>>, DecodeError> {
        if self.ended {
            return Ok(None);
        }
        match self.parser.parse(&self.module[self.at..], true)? {
            Chunk::Parsed { consumed, payload } => {
                self.at += consumed;
                self.ended = matches!(payload, Payload::End(_));
                Ok(Some(payload))
            }
            Chunk::NeedMoreData(_) => Err(DecodeError::new("cut off".to_string(), self.module.len() as u64)),
        }
    }

    /// Where `count` bodies are in the `size` bytes that come next, which are then behind. Nothing if the bodies are not
    /// well-formed or too large: then they are what comes next.
    fn skip_bodies(&mut self, count: u32, size: u32) -> Option<IndexVec<DefinedFuncIndex, Range<usize>>> {
        let section = self.module[self.at..].get(..size as usize)?;
        let mut reader = BinaryReader::new(section, 0);
        // A body has two bytes at least, and its size before them.
        let mut bodies = IndexVec::with_capacity(section.len().min(count as usize));
        for _ in 0..count {
            let len = reader.read_var_u32().ok()? as usize;
            let start = reader.current_position();
            if len > BODY_BYTES_MAX {
                return None;
            }
            reader.read_bytes(len).ok()?;
            bodies.push(self.at + start..self.at + start + len);
        }
        if !reader.eof() {
            return None;
        }
        self.skip_code(size);
        Some(bodies)
    }

    /// Skips the bodies, `size` bytes, of which there may be fewer.
    fn skip_code(&mut self, size: u32) {
        self.parser.skip_section();
        self.at = self.module.len().min(self.at + size as usize);
    }
}

/// Decodes the shape of a module that was validated before; its bodies are not looked at, and [`Shape::bodies`] is empty.
///
/// # Errors
///
/// If the bytes are not what a validated module can be.
pub fn decode_trusted(module: &[u8]) -> Result<Shape, DecodeError> {
    // No hints: no tier will ask for them.
    let mut decoder = Decoder::default();
    let mut sections = Sections::new(module, WasmFeatures::all());
    while let Some(payload) = sections.next()? {
        if let Payload::CodeSectionStart { size, .. } = &payload {
            sections.skip_code(*size);
        }
        if !decoder.takes_plain_datas(module, &payload) {
            decoder.payload(payload)?;
        }
    }
    Ok(decoder.finish())
}

/// Where the bodies of a module's functions are, counted as [`Shape::bodies`].
///
/// # Errors
///
/// If the bytes are malformed.
pub fn decode_bodies(module: &[u8]) -> Result<IndexVec<DefinedFuncIndex, Range<usize>>, DecodeError> {
    let mut sections = Sections::new(module, WasmFeatures::all());
    while let Some(payload) = sections.next()? {
        if let Payload::CodeSectionStart { count, size, .. } = payload {
            let at = sections.at as u64;
            return sections
                .skip_bodies(count, size)
                .ok_or_else(|| DecodeError::new("malformed bodies".to_string(), at));
        }
    }
    Ok(IndexVec::new())
}

#[derive(Default)]
struct Decoder {
    shape: Shape,
    /// Whether a section of branch hints is still looked for.
    hinted: bool,
}

impl Decoder {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), DecodeError> {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => self.funcs(section),
            Payload::TableSection(section) => self.tables(section),
            Payload::MemorySection(section) => self.memories(section),
            Payload::GlobalSection(section) => self.globals(section),
            Payload::TagSection(section) => self.tags(section),
            Payload::ExportSection(section) => self.exports(section),
            Payload::StartSection { func, .. } => {
                self.shape.start = Some(FuncIndex::from_u32(func));
                Ok(())
            }
            Payload::ElementSection(section) => self.elems(section),
            Payload::DataSection(section) => self.datas(section),
            Payload::CodeSectionStart { unchecked_range, .. } => {
                self.shape.code_section_start = unchecked_range.start as usize;
                Ok(())
            }
            Payload::CodeSectionEntry(body) => {
                self.shape.bodies.push(bytes_range(body.range()));
                Ok(())
            }
            Payload::CustomSection(section) => {
                if self.hinted && section.name() == BRANCH_HINT_SECTION {
                    self.hinted = false;
                    self.shape.branch_hints = BranchHints::decode(section.data()).unwrap_or_default();
                }
                let range =
                    bytes_range(section.data_offset()..section.data_offset() + section.data().len() as u64);
                self.shape.customs.push(CustomSection { name: section.name().to_string(), range });
                Ok(())
            }
            Payload::Version { .. } | Payload::DataCountSection { .. } | Payload::End(_) => Ok(()),
            other => Err(DecodeError::unsupported(alloc::format!("section {other:?}"), 0)),
        }
    }

    fn types(&mut self, section: wasmparser::TypeSectionReader<'_>) -> Result<(), DecodeError> {
        for group in section.into_iter_with_offsets() {
            let (at, group) = group?;
            let start = self.shape.types.len() as u32;
            let group: Vec<wasmparser::SubType> = group.into_types().collect();
            // Types of a group refer to each other: their kinds come first.
            for ty in &group {
                self.shape.push_kind(composite_kind(ty, at)?);
            }
            for ty in &group {
                let ty = self.shape.sub_type(ty, at)?;
                self.shape.types.push(ty);
            }
            self.shape.rec_groups.push(start..start + group.len() as u32);
        }
        Ok(())
    }

    fn tags(&mut self, section: wasmparser::TagSectionReader<'_>) -> Result<(), DecodeError> {
        for tag in section {
            self.shape.tags.push(TypeIndex::from_u32(tag?.func_type_idx));
        }
        Ok(())
    }

    fn imports(&mut self, section: wasmparser::ImportSectionReader<'_>) -> Result<(), DecodeError> {
        let shape = &mut self.shape;
        for import in section.into_imports_with_offsets() {
            let (at, import) = import?;
            let entity = match import.ty {
                TypeRef::Func(ty) => {
                    shape.imported_funcs += 1;
                    EntityIndex::Func(shape.funcs.push(Func { ty: TypeIndex::from_u32(ty), func_ref: None }))
                }
                TypeRef::Table(ty) => {
                    shape.imported_tables += 1;
                    let ty = shape.table_ty(ty, at)?;
                    EntityIndex::Table(shape.tables.push(ty))
                }
                TypeRef::Memory(ty) => {
                    shape.imported_memories += 1;
                    EntityIndex::Memory(shape.memories.push(memory_ty(ty)))
                }
                TypeRef::Global(ty) => {
                    shape.imported_globals += 1;
                    let ty = shape.global_ty(ty, at)?;
                    EntityIndex::Global(shape.globals.push(ty))
                }
                TypeRef::Tag(ty) => {
                    shape.imported_tags += 1;
                    EntityIndex::Tag(shape.tags.push(TypeIndex::from_u32(ty.func_type_idx)))
                }
                TypeRef::FuncExact(_) => {
                    return Err(DecodeError::unsupported(alloc::format!("import {:?}", import.ty), at));
                }
            };
            shape.imports.push(Import {
                module: import.module.to_string(),
                name: import.name.to_string(),
                entity,
            });
        }
        Ok(())
    }

    fn funcs(&mut self, section: wasmparser::FunctionSectionReader<'_>) -> Result<(), DecodeError> {
        for ty in section {
            self.shape.funcs.push(Func { ty: TypeIndex::from_u32(ty?), func_ref: None });
        }
        Ok(())
    }

    fn tables(&mut self, section: wasmparser::TableSectionReader<'_>) -> Result<(), DecodeError> {
        for table in section.into_iter_with_offsets() {
            let (at, table) = table?;
            let ty = self.shape.table_ty(table.ty, at)?;
            self.shape.tables.push(ty);
            let init = match table.init {
                TableInit::RefNull => None,
                TableInit::Expr(expr) => Some(self.const_expr(&expr)?),
            };
            self.shape.table_inits.push(init);
        }
        Ok(())
    }

    fn memories(&mut self, section: wasmparser::MemorySectionReader<'_>) -> Result<(), DecodeError> {
        for ty in section {
            self.shape.memories.push(memory_ty(ty?));
        }
        Ok(())
    }

    fn globals(&mut self, section: wasmparser::GlobalSectionReader<'_>) -> Result<(), DecodeError> {
        for global in section.into_iter_with_offsets() {
            let (at, global) = global?;
            let ty = self.shape.global_ty(global.ty, at)?;
            self.shape.globals.push(ty);
            let init = self.const_expr(&global.init_expr)?;
            self.shape.global_inits.push(init);
        }
        Ok(())
    }

    fn exports(&mut self, section: wasmparser::ExportSectionReader<'_>) -> Result<(), DecodeError> {
        for export in section.into_iter_with_offsets() {
            let (at, export) = export?;
            let entity = match export.kind {
                ExternalKind::Func => {
                    let func = FuncIndex::from_u32(export.index);
                    self.needs_ref(func);
                    EntityIndex::Func(func)
                }
                ExternalKind::Table => EntityIndex::Table(TableIndex::from_u32(export.index)),
                ExternalKind::Memory => {
                    let memory = MemoryIndex::from_u32(export.index);
                    if export.name == "memory" {
                        self.shape.memory_export = Some(memory);
                    }
                    EntityIndex::Memory(memory)
                }
                ExternalKind::Global => EntityIndex::Global(GlobalIndex::from_u32(export.index)),
                ExternalKind::Tag => EntityIndex::Tag(TagIndex::from_u32(export.index)),
                ExternalKind::FuncExact => {
                    return Err(DecodeError::unsupported(alloc::format!("export {:?}", export.kind), at));
                }
            };
            self.shape.exports.push(Export { name: export.name.to_string(), entity });
        }
        Ok(())
    }

    fn elems(&mut self, section: wasmparser::ElementSectionReader<'_>) -> Result<(), DecodeError> {
        for elem in section.into_iter_with_offsets() {
            let (at, elem) = elem?;
            let mode = match elem.kind {
                ElementKind::Passive => ElemMode::Passive,
                ElementKind::Declared => ElemMode::Declared,
                ElementKind::Active { table_index, offset_expr } => ElemMode::Active {
                    table: TableIndex::from_u32(table_index.unwrap_or(0)),
                    offset: self.const_expr(&offset_expr)?,
                },
            };
            let items = match elem.items {
                ElementItems::Functions(funcs) => {
                    let funcs: Result<Vec<_>, _> =
                        funcs.into_iter().map(|func| func.map(FuncIndex::from_u32)).collect();
                    let funcs = funcs?;
                    funcs.iter().for_each(|func| self.needs_ref(*func));
                    ElemItems::Funcs(funcs.into())
                }
                ElementItems::Expressions(ty, exprs) => {
                    let mut items = Vec::new();
                    for expr in exprs {
                        items.push(self.const_expr(&expr?)?);
                    }
                    ElemItems::Exprs(self.shape.ref_type(ty, at)?, items.into())
                }
            };
            self.shape.elems.push(ElemSegment { mode, items });
        }
        Ok(())
    }

    fn datas(&mut self, section: wasmparser::DataSectionReader<'_>) -> Result<(), DecodeError> {
        for data in section {
            let data = data?;
            let mode = match data.kind {
                DataKind::Passive => DataMode::Passive,
                DataKind::Active { memory_index, offset_expr } => DataMode::Active {
                    memory: MemoryIndex::from_u32(memory_index),
                    offset: self.const_expr(&offset_expr)?,
                },
            };
            let end = data.range.end as usize;
            self.shape.datas.push(DataSegment { mode, range: end - data.data.len()..end });
        }
        Ok(())
    }

    /// Decodes a payload that is a data section of plain segments; whether it is.
    fn takes_plain_datas(&mut self, module: &[u8], payload: &Payload<'_>) -> bool {
        let Payload::DataSection(section) = payload else { return false };
        let Some(datas) = self.plain_datas(module, section) else { return false };
        self.shape.datas = datas;
        true
    }

    /// The segments of a data section all of which begin in the first memory at a constant address: valid as they are, and
    /// many in what compilers emit. Nothing if there is any other, or something wrong.
    fn plain_datas(
        &self,
        module: &[u8],
        section: &wasmparser::DataSectionReader<'_>,
    ) -> Option<IndexVec<DataIndex, DataSegment>> {
        const IN_FIRST_MEMORY: u8 = 0;
        let memory = MemoryIndex::from_u32(0);
        if self.shape.memories.get(memory)?.index != IndexType::I32 || section.count() > DATA_SEGMENTS_MAX {
            return None;
        }
        let range = section.range();
        let bytes = module.get(bytes_range(range.clone()))?;
        let mut reader = BinaryReader::new(bytes, range.start);
        let count = reader.read_var_u32().ok()?;
        // Each has five bytes at least.
        let mut datas = IndexVec::with_capacity(bytes.len().min(count as usize * 5) / 5);
        for _ in 0..count {
            if reader.read_u8().ok()? != IN_FIRST_MEMORY || reader.read_u8().ok()? != opcode::I32_CONST {
                return None;
            }
            let offset = ConstOp::I32(reader.read_var_i32().ok()?).into();
            if reader.read_u8().ok()? != opcode::END {
                return None;
            }
            let len = reader.read_var_u32().ok()? as usize;
            let start = reader.original_position() as usize;
            reader.read_bytes(len).ok()?;
            datas.push(DataSegment { mode: DataMode::Active { memory, offset }, range: start..start + len });
        }
        reader.eof().then_some(datas)
    }

    fn const_expr(&mut self, expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, DecodeError> {
        let expr = ConstExpr::decode(&self.shape, expr)?;
        for op in expr.ops() {
            if let ConstOp::RefFunc(func) = op {
                self.needs_ref(*func);
            }
        }
        Ok(expr)
    }

    /// `ref.func` in a body may name only functions that occur outside of bodies, so this sees all of them.
    fn needs_ref(&mut self, func: FuncIndex) {
        let shape = &mut self.shape;
        let declared = &mut shape.funcs[func];
        if declared.func_ref.is_none() {
            declared.func_ref = Some(FuncRefIndex::from_u32(shape.func_refs as u32));
            shape.func_refs += 1;
        }
    }

    fn finish(mut self) -> Shape {
        if !self.shape.branch_hints.fit(&self.shape) {
            self.shape.branch_hints = BranchHints::default();
        }
        // The engine calls the start function as the host calls any other: by its reference.
        if let Some(start) = self.shape.start {
            self.needs_ref(start);
        }
        self.shape
    }
}

fn bytes_range(range: Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

fn composite_kind(ty: &wasmparser::SubType, at: u64) -> Result<CompositeKind, DecodeError> {
    match ty.composite_type.inner {
        CompositeInnerType::Func(_) => Ok(CompositeKind::Func),
        CompositeInnerType::Struct(_) => Ok(CompositeKind::Struct),
        CompositeInnerType::Array(_) => Ok(CompositeKind::Array),
        CompositeInnerType::Cont(_) => Err(DecodeError::unsupported("continuation types".to_string(), at)),
    }
}

fn memory_ty(ty: wasmparser::MemoryType) -> MemoryTy {
    MemoryTy {
        limits: Limits { min: ty.initial, max: ty.maximum },
        index: index_type(ty.memory64),
        shared: ty.shared,
        // Validation allows 0 and 16.
        page_bytes_log2: ty.page_size_log2.map_or(MemoryTy::PAGE_BYTES_LOG2, |log2| log2 as u8),
    }
}

fn index_type(is_64: bool) -> IndexType {
    if is_64 { IndexType::I64 } else { IndexType::I32 }
}

/// Waft's words for the types of `wasmparser`, as the module's type section numbers them.
///
/// All of these fail for a type of a proposal that is missing, and only for that.
impl Shape {
    /// The type of a value.
    ///
    /// # Errors
    ///
    /// If the type belongs to a proposal that is missing.
    pub fn val_type(&self, ty: wasmparser::ValType, at: u64) -> Result<ValType, DecodeError> {
        Ok(match ty {
            wasmparser::ValType::I32 => ValType::I32,
            wasmparser::ValType::I64 => ValType::I64,
            wasmparser::ValType::F32 => ValType::F32,
            wasmparser::ValType::F64 => ValType::F64,
            wasmparser::ValType::V128 => ValType::V128,
            wasmparser::ValType::Ref(ty) => ValType::Ref(self.ref_type(ty, at)?),
        })
    }

    /// The type of a reference.
    ///
    /// # Errors
    ///
    /// If the type belongs to a proposal that is missing.
    pub fn ref_type(&self, ty: wasmparser::RefType, at: u64) -> Result<RefType, DecodeError> {
        Ok(RefType::new(ty.is_nullable(), self.heap_type(ty.heap_type(), at)?))
    }

    /// What a reference refers to.
    ///
    /// # Errors
    ///
    /// If the type belongs to a proposal that is missing.
    pub fn heap_type(&self, ty: wasmparser::HeapType, at: u64) -> Result<HeapType, DecodeError> {
        use wasmparser::{AbstractHeapType as Abstract, HeapType as Parsed};
        let unsupported = || DecodeError::unsupported(alloc::format!("reference type {ty:?}"), at);
        Ok(match ty {
            Parsed::Concrete(index) => {
                let index = index.as_module_index().ok_or_else(unsupported)?;
                HeapType::Concrete(self.concrete(index).ok_or_else(unsupported)?)
            }
            Parsed::Abstract { shared: false, ty } => match ty {
                Abstract::Func => HeapType::Func,
                Abstract::NoFunc => HeapType::NoFunc,
                Abstract::Extern => HeapType::Extern,
                Abstract::NoExtern => HeapType::NoExtern,
                Abstract::Any => HeapType::Any,
                Abstract::Eq => HeapType::Eq,
                Abstract::I31 => HeapType::I31,
                Abstract::Struct => HeapType::Struct,
                Abstract::Array => HeapType::Array,
                Abstract::None => HeapType::None,
                Abstract::Exn => HeapType::Exn,
                Abstract::NoExn => HeapType::NoExn,
                Abstract::Cont | Abstract::NoCont => return Err(unsupported()),
            },
            Parsed::Abstract { shared: true, .. } | Parsed::Exact(_) => return Err(unsupported()),
        })
    }

    fn concrete(&self, index: u32) -> Option<ConcreteType> {
        Some(ConcreteType { kind: *self.kinds.get(TypeIndex::from_u32(index))?, index })
    }

    fn sub_type(&self, ty: &wasmparser::SubType, at: u64) -> Result<SubType, DecodeError> {
        let supertype = match ty.supertype_idxs.as_slice() {
            [] => None,
            [index] => index.as_module_index().and_then(|index| self.concrete(index)),
            _ => return Err(DecodeError::unsupported("several supertypes".to_string(), at)),
        };
        let composite = match &ty.composite_type.inner {
            CompositeInnerType::Func(func) => {
                let val_types = |types: &[wasmparser::ValType]| -> Result<Vec<ValType>, DecodeError> {
                    types.iter().map(|ty| self.val_type(*ty, at)).collect()
                };
                CompositeTy::Func(FuncSig::new(val_types(func.params())?, val_types(func.results())?))
            }
            CompositeInnerType::Struct(ty) => {
                let fields: Result<_, _> = ty.fields.iter().map(|field| self.field_ty(*field, at)).collect();
                StructTy::new(fields?).into()
            }
            CompositeInnerType::Array(ty) => CompositeTy::Array(self.field_ty(ty.0, at)?),
            CompositeInnerType::Cont(_) => {
                return Err(DecodeError::unsupported("continuation types".to_string(), at));
            }
        };
        Ok(SubType { is_final: ty.is_final, supertype, composite })
    }

    fn field_ty(&self, ty: wasmparser::FieldType, at: u64) -> Result<FieldTy, DecodeError> {
        let storage = match ty.element_type {
            wasmparser::StorageType::I8 => StorageTy::I8,
            wasmparser::StorageType::I16 => StorageTy::I16,
            wasmparser::StorageType::Val(ty) => StorageTy::Val(self.val_type(ty, at)?),
        };
        Ok(FieldTy { storage, mutable: ty.mutable })
    }

    fn table_ty(&self, ty: wasmparser::TableType, at: u64) -> Result<TableTy, DecodeError> {
        let limits = Limits { min: ty.initial, max: ty.maximum };
        Ok(TableTy { element: self.ref_type(ty.element_type, at)?, limits, index: index_type(ty.table64) })
    }

    fn global_ty(&self, ty: wasmparser::GlobalType, at: u64) -> Result<GlobalTy, DecodeError> {
        Ok(GlobalTy { content: self.val_type(ty.content_type, at)?, mutable: ty.mutable })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sections of a module, each with its number and contents.
    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        for (id, contents) in sections {
            bytes.extend([*id, contents.len() as u8]);
            bytes.extend_from_slice(contents);
        }
        bytes
    }

    #[test]
    fn a_trusted_module_has_the_shape_that_was_validated_but_for_its_bodies() {
        let types: (u8, &[u8]) = (1, b"\x01\x60\0\0");
        let rows: [&[(u8, &[u8])]; 5] = [
            &[],
            &[(1, b"\0"), (3, b"\0"), (10, b"\0")],
            &[types, (3, b"\x01\0"), (10, b"\x01\x02\0\x0b"), (0, b"\x01xyz")],
            &[types, (3, b"\x02\0\0"), (7, b"\x01\x01f\0\x01"), (10, b"\x02\x02\0\x0b\x03\0\x01\x0b")],
            &[types, (3, b"\x01\0"), (10, b"\x01\x02\0\x0b"), (11, b"\x01\x01\x01x")],
        ];
        for sections in rows {
            let bytes = module(sections);
            let mut expected = decode(&bytes, ProposalSet::on_by_default()).unwrap().shape;
            assert_eq!(decode_bodies(&bytes).unwrap().as_slice(), expected.bodies.as_slice());
            expected.bodies = IndexVec::new();
            let found = decode_trusted(&bytes).unwrap();
            assert_eq!(alloc::format!("{found:?}"), alloc::format!("{expected:?}"));
            for len in 0..bytes.len() {
                // Never a panic; where a section ends, what is left is a module.
                let _ = (decode_trusted(&bytes[..len]), decode_bodies(&bytes[..len]));
            }
        }
    }

    /// The ranges of a module that [`decode_without_bodies`] does not look at, as far as it is well-formed: each begins after one number
    /// or name.
    fn unneeded(sections: &[(u8, &[u8])]) -> Vec<Range<usize>> {
        let mut at = 8;
        let mut ranges = Vec::new();
        for (id, contents) in sections {
            let start = at + 2;
            at = start + contents.len();
            match id {
                0 => ranges.push(start + 1 + contents[0] as usize..at),
                10 => ranges.push(start + 1..at),
                _ => {}
            }
        }
        ranges
    }

    #[test]
    fn a_module_without_bodies_is_as_valid_as_with_them() {
        let types: (u8, &[u8]) = (1, b"\x02\x60\0\0\x60\x01\x7f\x01\x7f");
        let code = b"\x02\x02\0\x0b\x0c\x01\x02\x7e\x20\0\x28\x02\x00\x41\x01\x6a\x0b";
        let memory: (u8, &[u8]) = (5, b"\x01\0\x01");
        let rows: [&[(u8, &[u8])]; 4] = [
            &[
                types,
                (3, b"\x02\0\x01"),
                memory,
                (12, b"\x01"),
                (10, code),
                (11, b"\x01\0\x41\x01\x0b\x02ab"),
                (0, b"\x01xyz"),
            ],
            &[
                types,
                (3, b"\x02\0\x01"),
                memory,
                (7, b"\x01\x01f\0\x01"),
                (8, b"\0"),
                (9, b"\x01\x03\0\x01\x01"),
                (10, code),
            ],
            &[
                types,
                (2, b"\x01\x01a\x01b\0\x01"),
                (3, b"\x02\0\x01"),
                memory,
                (10, code),
                (11, b"\x01\x01\x01c"),
            ],
            &[memory, (11, b"\x01\x02\0\x41\0\x0b\x01a")],
        ];
        for sections in rows {
            let bytes = module(sections);
            let unneeded = unneeded(sections);
            let is_needed = |at: usize| !unneeded.iter().any(|range| range.contains(&at));
            let check = |bytes: &[u8]| {
                let mut without = bytes.to_vec();
                unneeded.iter().for_each(|range| without[range.clone()].fill(0xff));
                let without = decode_without_bodies(&without, ProposalSet::on_by_default());
                match (decode(bytes, ProposalSet::on_by_default()), without) {
                    (Ok(mut with), Ok(without)) => {
                        let ranges = core::mem::take(&mut with.shape.bodies);
                        let (shape, rules) = without.into_parts();
                        assert_eq!(alloc::format!("{shape:?}"), alloc::format!("{:?}", with.shape));
                        // Bodies are as valid by these rules.
                        let bodies = ModuleBodies { wasm: bytes, ranges: &ranges };
                        let verdicts = [&rules, &with.rules].map(|rules| {
                            let mut validator = rules.validator(&shape);
                            let mut is_valid = |func| validator.validate(func, bodies.of(func)).is_ok();
                            ranges.keys().map(&mut is_valid).collect::<Vec<_>>()
                        });
                        assert_eq!(verdicts[0], verdicts[1]);
                    }
                    // The one may find a wrong body sooner.
                    (with, without) => assert_eq!(with.is_err(), without.is_err(), "{bytes:x?}"),
                }
            };
            check(&bytes);
            for at in (0..bytes.len()).filter(|at| is_needed(*at)) {
                let mut changed = bytes.clone();
                // What says how long something is moves all that follows.
                let is_size = |at: usize| {
                    let mut start = 8;
                    sections.iter().any(|(id, contents)| {
                        let is_head = at == start || at == start + 1 || *id == 0 && at == start + 2;
                        start += 2 + contents.len();
                        is_head
                    })
                };
                for value in (0..=u8::MAX).filter(|_| !is_size(at)) {
                    changed[at] = value;
                    check(&changed);
                }
            }
        }
    }

    /// What `wasmparser` finds wrong by itself, and where.
    fn wrong(bytes: &[u8]) -> Option<(String, usize)> {
        let features = ProposalSet::on_by_default().features();
        let mut parser = Parser::new(0);
        parser.set_features(features);
        let mut validator = Validator::new_with_features(features);
        let validate = || -> wasmparser::Result<()> {
            let mut funcs = Vec::new();
            for payload in parser.parse_all(bytes) {
                if let ValidPayload::Func(func, body) = validator.payload(&payload?)? {
                    funcs.push((func, body));
                }
            }
            funcs.into_iter().try_for_each(|(func, body)| {
                func.into_validator(wasmparser::FuncValidatorAllocations::default()).validate(&body)
            })
        };
        let error = DecodeError::from(validate().err()?);
        Some((error.message().to_string(), error.offset()))
    }

    #[test]
    fn what_is_wrong_is_what_wasmparser_says() {
        let types: (u8, &[u8]) = (1, b"\x02\x60\0\0\x60\x01\x7f\x01\x7f");
        let body = b"\x0c\x01\x02\x7e\x20\0\x28\x02\x00\x41\x01\x6a\x0b";
        let code = [&b"\x02\x02\0\x0b"[..], body].concat();
        let memory: (u8, &[u8]) = (5, b"\x01\0\x01");
        let datas = b"\x03\0\x41\x01\x0b\x02ab\0\x41\x80\x01\x0b\0\0\x41\0\x0b\x01c";
        let rows: [&[(u8, &[u8])]; 4] = [
            &[types, (3, b"\x02\0\x01"), memory, (12, b"\x03"), (10, &code), (11, datas), (0, b"\x01xyz")],
            &[memory, (11, datas)],
            // A memory of 64 bits, where addresses are others, and a segment that says which memory.
            &[(5, b"\x01\x04\x01"), (11, b"\x01\0\x42\0\x0b\x01a")],
            &[memory, (11, b"\x02\x02\0\x41\0\x0b\x01a\x01\x01b")],
        ];
        for sections in rows {
            let bytes = module(sections);
            assert_eq!(wrong(&bytes), None);
            let check = |bytes: &[u8]| {
                let found = decode_validated(bytes, ProposalSet::on_by_default()).err();
                let found = found.map(|error| (error.message().to_string(), error.offset()));
                assert_eq!(found, wrong(bytes), "{bytes:x?}");
            };
            for at in 0..bytes.len() {
                check(&bytes[..at]);
                let mut changed = bytes.clone();
                for value in 0..=u8::MAX {
                    changed[at] = value;
                    check(&changed);
                }
                changed.remove(at);
                check(&changed);
            }
        }
    }
}
