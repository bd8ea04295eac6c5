//! WebAssembly's types, as far as the supported proposals know them.
//!
//! Source: WebAssembly Core Specification 2.0, section 2.3.

use alloc::boxed::Box;
use core::fmt;

/// What a reference may refer to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum HeapType {
    /// Any function.
    Func,
    /// Any host value.
    Extern,
}

/// A reference type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RefType {
    nullable: bool,
    heap: HeapType,
}

impl RefType {
    /// `funcref`: a nullable reference to any function.
    pub const FUNCREF: Self = Self::new(true, HeapType::Func);
    /// `externref`: a nullable reference to a host value.
    pub const EXTERNREF: Self = Self::new(true, HeapType::Extern);

    /// A reference to `heap`, which may be null if `nullable`.
    pub const fn new(nullable: bool, heap: HeapType) -> Self {
        Self { nullable, heap }
    }
    /// Whether null is one of its values.
    pub const fn is_nullable(self) -> bool {
        self.nullable
    }
    /// What it refers to.
    pub const fn heap_type(self) -> HeapType {
        self.heap
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Func => "func",
            Self::Extern => "extern",
        })
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nullable { write!(f, "{}ref", self.heap) } else { write!(f, "(ref {})", self.heap) }
    }
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// An IEEE 754 single.
    F32,
    /// An IEEE 754 double.
    F64,
    /// 128 bits in lanes.
    V128,
    /// A reference.
    Ref(RefType),
}

impl ValType {
    /// `funcref`.
    pub const FUNCREF: Self = Self::Ref(RefType::FUNCREF);
    /// `externref`.
    pub const EXTERNREF: Self = Self::Ref(RefType::EXTERNREF);

    /// Whether it is `i32`.
    pub const fn is_i32(&self) -> bool {
        matches!(self, Self::I32)
    }
    /// Whether it is `i64`.
    pub const fn is_i64(&self) -> bool {
        matches!(self, Self::I64)
    }
    /// Whether it is `f32`.
    pub const fn is_f32(&self) -> bool {
        matches!(self, Self::F32)
    }
    /// Whether it is `f64`.
    pub const fn is_f64(&self) -> bool {
        matches!(self, Self::F64)
    }
    /// Whether it is `v128`.
    pub const fn is_v128(&self) -> bool {
        matches!(self, Self::V128)
    }
    /// Whether it is a reference type.
    pub const fn is_ref(&self) -> bool {
        matches!(self, Self::Ref(_))
    }
    /// The reference type, if it is one.
    pub const fn as_ref(&self) -> Option<RefType> {
        match self {
            Self::Ref(ty) => Some(*ty),
            _ => None,
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32 => f.write_str("i32"),
            Self::I64 => f.write_str("i64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::V128 => f.write_str("v128"),
            Self::Ref(ty) => ty.fmt(f),
        }
    }
}

/// A function's parameters and results.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FuncSig {
    params: Box<[ValType]>,
    results: Box<[ValType]>,
}

impl FuncSig {
    /// The signature that takes `params` and gives `results`.
    pub fn new(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        Self { params: params.into_iter().collect(), results: results.into_iter().collect() }
    }
    /// The types of the parameters.
    pub fn params(&self) -> &[ValType] {
        &self.params
    }
    /// The types of the results.
    pub fn results(&self) -> &[ValType] {
        &self.results
    }
}

impl fmt::Display for FuncSig {
    /// As in the text format: `(func (param i32 i32) (result i64))`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        for (word, types) in [("param", &self.params), ("result", &self.results)] {
            if types.is_empty() {
                continue;
            }
            write!(f, " ({word}")?;
            for ty in types.iter() {
                write!(f, " {ty}")?;
            }
            f.write_str(")")?;
        }
        f.write_str(")")
    }
}

/// How large something may be, in the unit of what it limits: pages or elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// The size at the start.
    pub min: u64,
    /// The size it may not outgrow, if one is declared.
    pub max: Option<u64>,
}

impl Limits {
    /// Whether something of size `actual_now`, declared with `self`, may be imported where `wanted` is declared.
    ///
    /// Source: Core Specification 2.0, section 3.2.7 (import subtyping of limits).
    pub fn fits(&self, actual_now: u64, wanted: &Self) -> bool {
        let max_fits = match (self.max, wanted.max) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => ours <= theirs,
        };
        actual_now >= wanted.min && max_fits
    }
}

/// What indices of a memory or a table are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IndexType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

impl IndexType {
    /// Whether indices have 64 bits.
    pub const fn is_64(self) -> bool {
        matches!(self, Self::I64)
    }
    /// The value of an index, from the bits of a constant expression.
    pub const fn index(self, bits: u128) -> u64 {
        match self {
            Self::I32 => bits as u32 as u64,
            Self::I64 => bits as u64,
        }
    }
}

/// The type of a linear memory; limits are in its pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoryTy {
    /// Pages at the start and at most.
    pub limits: Limits,
    /// What addresses are.
    pub index: IndexType,
    /// Whether several threads may use it at once.
    pub shared: bool,
    /// The logarithm of the bytes in a page: 16, or 0 with custom page sizes.
    pub page_bytes_log2: u8,
}

impl MemoryTy {
    /// What `page_bytes_log2` is if nothing else is said: pages of 64 KiB.
    pub const PAGE_BYTES_LOG2: u8 = 16;

    /// Bytes in a page.
    pub const fn page_bytes(&self) -> u64 {
        1 << self.page_bytes_log2
    }
    /// The most pages that may be declared: what addresses can reach.
    ///
    /// With pages of a byte, one page less: the size itself has to fit an index.
    pub const fn pages_max(&self) -> u64 {
        match (self.index, self.page_bytes_log2) {
            (IndexType::I32, 0) => u32::MAX as u64,
            (IndexType::I64, 0) => u64::MAX,
            (IndexType::I32, log2) => 1 << (32 - log2),
            (IndexType::I64, log2) => 1 << (64 - log2),
        }
    }
    /// The bytes of so many pages, or as many as 64 bits can say.
    pub const fn bytes(&self, pages: u64) -> u64 {
        pages.saturating_mul(self.page_bytes())
    }
    /// Whether every address that an index reaches is in the reservation, so that no access needs the length.
    pub const fn is_guarded(&self) -> bool {
        matches!(self.index, IndexType::I32) && self.page_bytes_log2 == Self::PAGE_BYTES_LOG2
    }
    /// Whether a memory of type `self`, with `pages_now` pages, may be imported where `wanted` is declared.
    pub fn fits(&self, pages_now: u64, wanted: &Self) -> bool {
        let kind = |ty: &Self| (ty.index, ty.shared, ty.page_bytes_log2);
        kind(self) == kind(wanted) && self.limits.fits(pages_now, &wanted.limits)
    }
}

/// The type of a table; limits are in elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TableTy {
    /// What each element is.
    pub element: RefType,
    /// Elements at the start and at most.
    pub limits: Limits,
    /// What indices are.
    pub index: IndexType,
}

impl TableTy {
    /// The most elements that may be declared: what indices can count.
    pub const fn elements_max(&self) -> u64 {
        match self.index {
            IndexType::I32 => u32::MAX as u64,
            IndexType::I64 => u64::MAX,
        }
    }
}

/// The type of a global variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GlobalTy {
    /// What it holds.
    pub content: ValType,
    /// Whether it can be written.
    pub mutable: bool,
}
