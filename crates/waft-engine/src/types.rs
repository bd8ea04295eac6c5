//! Types as embedders see them.

mod composite;
mod memory;
mod val;

pub use composite::{ArrayType, FieldType, Finality, FuncType, StorageType, StructType};
pub use memory::{MemoryType, MemoryTypeBuilder};
pub(crate) use memory::{check_limits, check_memory};
pub use val::{HeapType, RefType, ValType};

use crate::module::ModuleInner;
use crate::type_registry::TypeRegistry;
use std::fmt;
use std::sync::Arc;
use waft_core::module::EntityIndex;
use waft_core::types::{GlobalTy, IndexType, Limits, TableTy};

/// Whether a global can be written.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let constant = GlobalType::new(ValType::I32, Mutability::Const);
/// assert_eq!(constant.mutability(), Mutability::Const);
/// let global = Global::new(&mut store, constant, Val::I32(1))?;
/// assert!(global.set(&mut store, Val::I32(2)).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mutability {
    /// It keeps its first value.
    Const,
    /// It can be written.
    Var,
}

/// The type of a table; sizes are in elements.
///
/// ```
/// use waft::*;
///
/// let ty = TableType::new(RefType::FUNCREF, 2, None);
/// assert_eq!(ty.to_string(), "(table 2 funcref)");
/// assert_eq!(ty.element(), &RefType::FUNCREF);
/// assert_eq!((ty.minimum(), ty.maximum()), (2, None));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TableType {
    element: RefType,
    limits: Limits,
    index: IndexType,
}

impl TableType {
    /// A table of `minimum` elements that may grow to `maximum`.
    ///
    /// ```
    /// # use waft::*;
    /// let ten_host_values = TableType::new(RefType::EXTERNREF, 10, Some(10));
    /// assert_eq!(ten_host_values.to_string(), "(table 10 10 externref)");
    /// ```
    pub fn new(element: RefType, minimum: u32, maximum: Option<u32>) -> Self {
        let limits = Limits { min: minimum.into(), max: maximum.map(u64::from) };
        Self { element, limits, index: IndexType::I32 }
    }
    /// The same with 64-bit indices.
    ///
    /// ```
    /// # use waft::*;
    /// let ty = TableType::new64(RefType::FUNCREF, 2, None);
    /// assert!(ty.is_64() && !TableType::new(RefType::FUNCREF, 2, None).is_64());
    /// assert_eq!(ty.to_string(), "(table i64 2 funcref)");
    /// ```
    pub fn new64(element: RefType, minimum: u64, maximum: Option<u64>) -> Self {
        Self { element, limits: Limits { min: minimum, max: maximum }, index: IndexType::I64 }
    }
    pub(crate) fn from_canonical(registry: &Arc<TypeRegistry>, ty: TableTy) -> Self {
        Self { element: RefType::from_canonical(registry, ty.element), limits: ty.limits, index: ty.index }
    }
    /// The type with the engine's numbers of types.
    pub(crate) fn canonical(&self, registry: &Arc<TypeRegistry>) -> TableTy {
        TableTy { element: self.element.canonical(registry), limits: self.limits, index: self.index }
    }
    /// Whether indices have 64 bits.
    pub fn is_64(&self) -> bool {
        self.index.is_64()
    }
    /// What each element is.
    pub fn element(&self) -> &RefType {
        &self.element
    }
    /// Elements at the start.
    pub fn minimum(&self) -> u64 {
        self.limits.min
    }
    /// Elements at most, if declared.
    pub fn maximum(&self) -> Option<u64> {
        self.limits.max
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(table {} {})", LimitsText(self.index, self.limits), self.element)
    }
}

/// Limits as in the text format.
pub(crate) struct LimitsText(pub(crate) IndexType, pub(crate) Limits);

impl fmt::Display for LimitsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(index, limits) = self;
        let index = if index.is_64() { "i64 " } else { "" };
        write!(f, "{index}{}", limits.min)?;
        limits.max.map_or(Ok(()), |max| write!(f, " {max}"))
    }
}

/// The type of a global.
///
/// ```
/// use waft::*;
///
/// let ty = GlobalType::new(ValType::I32, Mutability::Var);
/// assert_eq!(ty.to_string(), "(global (mut i32))");
/// assert_eq!((ty.content(), ty.mutability()), (&ValType::I32, Mutability::Var));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GlobalType {
    content: ValType,
    mutability: Mutability,
}

impl GlobalType {
    /// A global that holds `content`.
    ///
    /// ```
    /// # use waft::*;
    /// let constant = GlobalType::new(ValType::F64, Mutability::Const);
    /// assert_eq!(constant.to_string(), "(global f64)");
    /// ```
    pub fn new(content: ValType, mutability: Mutability) -> Self {
        Self { content, mutability }
    }
    pub(crate) fn from_canonical(registry: &Arc<TypeRegistry>, ty: GlobalTy) -> Self {
        let mutability = if ty.mutable { Mutability::Var } else { Mutability::Const };
        Self { content: ValType::from_canonical(registry, ty.content), mutability }
    }
    /// The type with the engine's numbers of types.
    pub(crate) fn canonical(&self, registry: &Arc<TypeRegistry>) -> GlobalTy {
        GlobalTy { content: self.content.canonical(registry), mutable: self.mutability == Mutability::Var }
    }
    /// What it holds.
    pub fn content(&self) -> &ValType {
        &self.content
    }
    /// Whether it can be written.
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutability {
            Mutability::Var => write!(f, "(global (mut {}))", self.content),
            Mutability::Const => write!(f, "(global {})", self.content),
        }
    }
}

/// The type of something that can be imported or exported.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let module = Module::new(&Engine::default(), r#"(module
///     (func (export "f") (param i32)) (global (export "g") i32 (i32.const 1))
///     (table (export "t") 2 funcref) (memory (export "m") 1))"#)?;
/// let ty = |name| module.get_export(name).unwrap();
/// assert_eq!(ty("f").func().unwrap().params().len(), 1);
/// assert!(ty("g").global().unwrap().content().is_i32());
/// assert_eq!(ty("t").table().unwrap().minimum(), 2);
/// assert_eq!(ty("m").memory().unwrap().minimum(), 1);
/// assert_eq!(ty("f").to_string(), "(func (param i32))");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ExternType {
    /// A function's.
    Func(FuncType),
    /// A global's.
    Global(GlobalType),
    /// A table's.
    Table(TableType),
    /// A memory's.
    Memory(MemoryType),
    /// A tag's.
    Tag(TagType),
}

impl ExternType {
    pub(crate) fn of(module: &ModuleInner, entity: EntityIndex) -> Self {
        let (shape, registry) = (module.shape(), module.engine().types());
        match entity {
            EntityIndex::Func(func) => {
                Self::Func(FuncType::claimed(registry, module.type_id(shape.funcs[func].ty)))
            }
            EntityIndex::Global(global) => {
                Self::Global(GlobalType::from_canonical(registry, module.global_ty(global)))
            }
            EntityIndex::Table(table) => {
                Self::Table(TableType::from_canonical(registry, module.table_ty(table)))
            }
            EntityIndex::Memory(memory) => Self::Memory(MemoryType(shape.memories[memory])),
            EntityIndex::Tag(tag) => {
                Self::Tag(TagType::new(FuncType::claimed(registry, module.type_id(shape.tags[tag]))))
            }
        }
    }
    /// The function's type, if it is one's.
    pub fn func(&self) -> Option<&FuncType> {
        if let Self::Func(ty) = self { Some(ty) } else { None }
    }
    /// The global's type, if it is one's.
    pub fn global(&self) -> Option<&GlobalType> {
        if let Self::Global(ty) = self { Some(ty) } else { None }
    }
    /// The table's type, if it is one's.
    pub fn table(&self) -> Option<&TableType> {
        if let Self::Table(ty) = self { Some(ty) } else { None }
    }
    /// The memory's type, if it is one's.
    pub fn memory(&self) -> Option<&MemoryType> {
        if let Self::Memory(ty) = self { Some(ty) } else { None }
    }
    /// The tag's type, if it is one's.
    pub fn tag(&self) -> Option<&TagType> {
        if let Self::Tag(ty) = self { Some(ty) } else { None }
    }
}

impl fmt::Display for ExternType {
    /// As in the text format: `(func (param i32))`, `(memory 1 2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(ty) => ty.fmt(f),
            Self::Global(ty) => ty.fmt(f),
            Self::Table(ty) => ty.fmt(f),
            Self::Memory(ty) => ty.fmt(f),
            Self::Tag(ty) => ty.fmt(f),
        }
    }
}

/// The type of a tag: what the exceptions that carry it hold.
///
/// ```
/// use waft::*;
///
/// let ty = TagType::new(FuncType::new(&Engine::default(), [ValType::I32], []));
/// assert_eq!(ty.to_string(), "(tag (param i32))");
/// assert_eq!(ty.ty().params().len(), 1);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TagType(FuncType);

impl TagType {
    /// The tag of exceptions that hold the parameters of `ty`.
    pub fn new(ty: FuncType) -> Self {
        Self(ty)
    }
    /// The function type whose parameters the exceptions hold.
    pub fn ty(&self) -> &FuncType {
        &self.0
    }
}

impl fmt::Display for TagType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sig = self.0.to_string();
        write!(f, "(tag{})", sig.trim_start_matches("(func").trim_end_matches(')'))?;
        if sig.ends_with("))") { f.write_str(")") } else { Ok(()) }
    }
}

/// What a module asks its host for.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let module = Module::new(&Engine::default(), r#"(module (import "env" "memory" (memory 2)))"#)?;
/// let import = module.imports().next().unwrap();
/// assert_eq!((import.module(), import.name()), ("env", "memory"));
/// assert_eq!(import.ty().to_string(), "(memory 2)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ImportType<'module> {
    pub(crate) module: &'module str,
    pub(crate) name: &'module str,
    pub(crate) inner: &'module ModuleInner,
    pub(crate) entity: EntityIndex,
}

impl<'module> ImportType<'module> {
    /// The name of the module that provides it.
    pub fn module(&self) -> &'module str {
        self.module
    }
    /// Its name there.
    pub fn name(&self) -> &'module str {
        self.name
    }
    /// Its type.
    pub fn ty(&self) -> ExternType {
        ExternType::of(self.inner, self.entity)
    }
}

/// What a module offers.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let module = Module::new(&Engine::default(), r#"(module (memory (export "memory") 2))"#)?;
/// let export = module.exports().next().unwrap();
/// assert_eq!(export.name(), "memory");
/// assert_eq!(export.ty().to_string(), "(memory 2)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ExportType<'module> {
    pub(crate) name: &'module str,
    pub(crate) inner: &'module ModuleInner,
    pub(crate) entity: EntityIndex,
}

impl<'module> ExportType<'module> {
    /// Its name.
    pub fn name(&self) -> &'module str {
        self.name
    }
    /// Its type.
    pub fn ty(&self) -> ExternType {
        ExternType::of(self.inner, self.entity)
    }
}
