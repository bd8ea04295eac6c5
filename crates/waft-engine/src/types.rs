//! Types as embedders see them.

use crate::engine::Engine;
use crate::module::ModuleInner;
use std::fmt;
use std::sync::Arc;
use waft_core::module::{EntityIndex, Shape};
use waft_core::types::{FuncSig, GlobalTy, IndexType, Limits, TableTy};

mod memory;

pub use memory::{MemoryType, MemoryTypeBuilder};
pub(crate) use memory::{check_limits, check_memory};

/// ```
/// use waft::*;
///
/// assert_eq!(RefType::FUNCREF.heap_type(), HeapType::Func);
/// assert_eq!(HeapType::Extern.to_string(), "extern");
/// ```
pub use waft_core::types::HeapType;

/// ```
/// use waft::*;
///
/// let ty = RefType::new(true, HeapType::Extern);
/// assert_eq!(ty, RefType::EXTERNREF);
/// assert!(ty.is_nullable() && ty.heap_type() == HeapType::Extern);
/// assert_eq!(ty.to_string(), "externref");
/// ```
pub use waft_core::types::RefType;

/// ```
/// use waft::*;
///
/// assert!(ValType::I32.is_i32() && ValType::I64.is_i64() && !ValType::I32.is_i64());
/// assert!(ValType::F32.is_f32() && ValType::F64.is_f64() && ValType::V128.is_v128());
/// assert!(ValType::FUNCREF.is_ref() && ValType::FUNCREF != ValType::EXTERNREF);
/// assert_eq!(ValType::FUNCREF.as_ref(), Some(RefType::FUNCREF));
/// assert_eq!(ValType::F64.to_string(), "f64");
/// ```
pub use waft_core::types::ValType;

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

/// The type of a function.
///
/// ```
/// use waft::*;
///
/// let ty = FuncType::new(&Engine::default(), [ValType::I32, ValType::F64], [ValType::I64]);
/// assert_eq!(ty.to_string(), "(func (param i32 f64) (result i64))");
/// assert_eq!((ty.params().len(), ty.results().len()), (2, 1));
/// assert_eq!((ty.param(1), ty.param(2)), (Some(ValType::F64), None));
/// assert_eq!(ty.result(0), Some(ValType::I64));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FuncType(pub(crate) Arc<FuncSig>);

impl FuncType {
    /// The type of functions that take `params` and give `results`.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::default();
    /// let nothing = FuncType::new(&engine, [], []);
    /// let sum_of_four = FuncType::new(&engine, [ValType::I32; 4], [ValType::I32]);
    /// assert_eq!(sum_of_four.to_string(), "(func (param i32 i32 i32 i32) (result i32))");
    /// ```
    pub fn new(
        _engine: &Engine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        Self(Arc::new(FuncSig::new(params, results)))
    }
    /// The types of the parameters.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.0.params().iter().copied()
    }
    /// The types of the results.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.0.results().iter().copied()
    }
    /// The type of parameter `i`.
    pub fn param(&self, i: usize) -> Option<ValType> {
        self.0.params().get(i).copied()
    }
    /// The type of result `i`.
    pub fn result(&self, i: usize) -> Option<ValType> {
        self.0.results().get(i).copied()
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type of a table; sizes are in elements.
///
/// ```
/// use waft::*;
///
/// let ty = TableType::new(RefType::FUNCREF, 2, None);
/// assert_eq!(ty.to_string(), "(table 2 funcref)");
/// assert_eq!(ty.element(), RefType::FUNCREF);
/// assert_eq!((ty.minimum(), ty.maximum()), (2, None));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TableType(pub(crate) TableTy);

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
        Self(TableTy { element, limits, index: IndexType::I32 })
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
        Self(TableTy { element, limits: Limits { min: minimum, max: maximum }, index: IndexType::I64 })
    }
    /// Whether indices have 64 bits.
    pub fn is_64(&self) -> bool {
        self.0.index.is_64()
    }
    /// What each element is.
    pub fn element(&self) -> RefType {
        self.0.element
    }
    /// Elements at the start.
    pub fn minimum(&self) -> u64 {
        self.0.limits.min
    }
    /// Elements at most, if declared.
    pub fn maximum(&self) -> Option<u64> {
        self.0.limits.max
    }
}

impl fmt::Display for TableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(table {} {})", LimitsText(self.0.index, self.0.limits), self.0.element)
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
pub struct GlobalType(pub(crate) GlobalTy);

impl GlobalType {
    /// A global that holds `content`.
    ///
    /// ```
    /// # use waft::*;
    /// let constant = GlobalType::new(ValType::F64, Mutability::Const);
    /// assert_eq!(constant.to_string(), "(global f64)");
    /// ```
    pub fn new(content: ValType, mutability: Mutability) -> Self {
        Self(GlobalTy { content, mutable: mutability == Mutability::Var })
    }
    /// What it holds.
    pub fn content(&self) -> &ValType {
        &self.0.content
    }
    /// Whether it can be written.
    pub fn mutability(&self) -> Mutability {
        if self.0.mutable { Mutability::Var } else { Mutability::Const }
    }
}

impl fmt::Display for GlobalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.mutable {
            write!(f, "(global (mut {}))", self.0.content)
        } else {
            write!(f, "(global {})", self.0.content)
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
}

impl ExternType {
    pub(crate) fn of(shape: &Shape, entity: EntityIndex) -> Self {
        match entity {
            EntityIndex::Func(func) => Self::Func(FuncType(Arc::new(shape.func_sig(func).clone()))),
            EntityIndex::Global(global) => Self::Global(GlobalType(shape.globals[global])),
            EntityIndex::Table(table) => Self::Table(TableType(shape.tables[table])),
            EntityIndex::Memory(memory) => Self::Memory(MemoryType(shape.memories[memory])),
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
}

impl fmt::Display for ExternType {
    /// As in the text format: `(func (param i32))`, `(memory 1 2)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(ty) => ty.fmt(f),
            Self::Global(ty) => ty.fmt(f),
            Self::Table(ty) => ty.fmt(f),
            Self::Memory(ty) => ty.fmt(f),
        }
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
        ExternType::of(self.inner.shape(), self.entity)
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
        ExternType::of(self.inner.shape(), self.entity)
    }
}
