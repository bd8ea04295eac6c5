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

/// The type of a linear memory; limits are in pages of 64 KiB.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoryTy {
    /// Pages at the start and at most.
    pub limits: Limits,
}

impl MemoryTy {
    /// Bytes in a page.
    pub const PAGE_BYTES: u64 = 65536;
    /// Pages that 32-bit addresses can reach.
    pub const PAGES_MAX: u64 = 65536;
}

/// The type of a table; limits are in elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TableTy {
    /// What each element is.
    pub element: RefType,
    /// Elements at the start and at most.
    pub limits: Limits,
}

/// The type of a global variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GlobalTy {
    /// What it holds.
    pub content: ValType,
    /// Whether it can be written.
    pub mutable: bool,
}
