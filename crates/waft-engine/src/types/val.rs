//! The types of values.

use super::composite::{ArrayType, FuncType, StructType};
use crate::type_registry::TypeRegistry;
use crate::vm::StoreOpaque;
use std::fmt;
use std::sync::Arc;
use waft_core::types::{self as core, CompositeKind};

/// What a reference may refer to.
///
/// ```
/// use waft::*;
///
/// assert_eq!(RefType::FUNCREF.heap_type(), &HeapType::Func);
/// assert_eq!(HeapType::Extern.to_string(), "extern");
/// assert!(HeapType::I31.matches(&HeapType::Eq) && !HeapType::Any.matches(&HeapType::Eq));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum HeapType {
    /// Any host value.
    Extern,
    /// No host value.
    NoExtern,
    /// Any function.
    Func,
    /// Functions of this type and its subtypes.
    ConcreteFunc(FuncType),
    /// No function.
    NoFunc,
    /// Anything that guests make: structures, arrays, small integers; and host values made internal.
    Any,
    /// Anything that can be compared.
    Eq,
    /// Integers of 31 bits.
    I31,
    /// Any array.
    Array,
    /// Arrays of this type and its subtypes.
    ConcreteArray(ArrayType),
    /// Any structure.
    Struct,
    /// Structures of this type and its subtypes.
    ConcreteStruct(StructType),
    /// Nothing of [`HeapType::Any`].
    None,
    /// Any exception.
    Exn,
    /// No exception.
    NoExn,
}

impl HeapType {
    /// Whether everything of this type is of type `other`.
    ///
    /// # Panics
    ///
    /// If the types belong to different engines.
    ///
    /// ```
    /// # use waft::*;
    /// assert!(HeapType::None.matches(&HeapType::Struct));
    /// assert!(!HeapType::None.matches(&HeapType::Func));
    /// let ty = FuncType::new(&Engine::default(), [ValType::I32], []);
    /// assert!(HeapType::ConcreteFunc(ty).matches(&HeapType::Func));
    /// ```
    pub fn matches(&self, other: &Self) -> bool {
        let registry = self.registry().or(other.registry());
        let (sub, sup) = (self.canonical_in(registry), other.canonical_in(registry));
        sub.is_subtype(sup, |sub, sup| {
            registry.is_some_and(|registry| registry.is_subtype(sub.index, sup.index))
        })
    }

    /// The family that it belongs to.
    pub(crate) fn top(&self) -> core::TopType {
        match self {
            Self::ConcreteFunc(_) => core::TopType::Func,
            Self::ConcreteArray(_) | Self::ConcreteStruct(_) => core::TopType::Any,
            other => other.canonical_in(None).top(),
        }
    }

    /// The type's concrete type, if it has one.
    fn concrete(&self) -> Option<&crate::type_registry::RegisteredType> {
        match self {
            Self::ConcreteFunc(ty) => Some(ty.registered()),
            Self::ConcreteArray(ty) => Some(ty.registered()),
            Self::ConcreteStruct(ty) => Some(ty.registered()),
            _ => None,
        }
    }

    fn registry(&self) -> Option<&Arc<TypeRegistry>> {
        self.concrete().map(|ty| ty.registry())
    }

    fn canonical_in(&self, registry: Option<&Arc<TypeRegistry>>) -> core::HeapType {
        use core::HeapType as C;
        match self {
            Self::Extern => C::Extern,
            Self::NoExtern => C::NoExtern,
            Self::Func => C::Func,
            Self::NoFunc => C::NoFunc,
            Self::Any => C::Any,
            Self::Eq => C::Eq,
            Self::I31 => C::I31,
            Self::Array => C::Array,
            Self::Struct => C::Struct,
            Self::None => C::None,
            Self::Exn => C::Exn,
            Self::NoExn => C::NoExn,
            Self::ConcreteFunc(_) | Self::ConcreteArray(_) | Self::ConcreteStruct(_) => {
                let ty = self.concrete().expect("these have one");
                assert!(
                    registry.is_some_and(|registry| ty.is_of(registry)),
                    "a type of another engine: {self}"
                );
                C::Concrete(ty.concrete())
            }
        }
    }

    /// The type with the engine's numbers of types.
    ///
    /// # Panics
    ///
    /// If it belongs to another engine.
    pub(crate) fn canonical(&self, registry: &Arc<TypeRegistry>) -> core::HeapType {
        self.canonical_in(Some(registry))
    }

    pub(crate) fn from_canonical(registry: &Arc<TypeRegistry>, ty: core::HeapType) -> Self {
        use core::HeapType as C;
        match ty {
            C::Extern => Self::Extern,
            C::NoExtern => Self::NoExtern,
            C::Func => Self::Func,
            C::NoFunc => Self::NoFunc,
            C::Any => Self::Any,
            C::Eq => Self::Eq,
            C::I31 => Self::I31,
            C::Array => Self::Array,
            C::Struct => Self::Struct,
            C::None => Self::None,
            C::Exn => Self::Exn,
            C::NoExn => Self::NoExn,
            C::Concrete(ty) => match ty.kind {
                CompositeKind::Func => Self::ConcreteFunc(FuncType::claimed(registry, ty.index)),
                CompositeKind::Array => Self::ConcreteArray(ArrayType::claimed(registry, ty.index)),
                CompositeKind::Struct => Self::ConcreteStruct(StructType::claimed(registry, ty.index)),
            },
            other => unreachable!("canonical types know no {other}"),
        }
    }
}

impl fmt::Display for HeapType {
    /// As in the text format; concrete types as what they are made of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConcreteFunc(ty) => ty.fmt(f),
            Self::ConcreteArray(ty) => ty.fmt(f),
            Self::ConcreteStruct(ty) => ty.fmt(f),
            other => other.canonical_in(None).fmt(f),
        }
    }
}

/// The type of a reference.
///
/// ```
/// use waft::*;
///
/// let ty = RefType::new(true, HeapType::Extern);
/// assert_eq!(ty, RefType::EXTERNREF);
/// assert!(ty.is_nullable() && ty.heap_type() == &HeapType::Extern);
/// assert_eq!(ty.to_string(), "externref");
/// assert_eq!(RefType::new(false, HeapType::Struct).to_string(), "(ref struct)");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RefType {
    nullable: bool,
    heap: HeapType,
}

impl RefType {
    /// `funcref`.
    pub const FUNCREF: Self = Self { nullable: true, heap: HeapType::Func };
    /// `externref`.
    pub const EXTERNREF: Self = Self { nullable: true, heap: HeapType::Extern };
    /// `anyref`.
    pub const ANYREF: Self = Self { nullable: true, heap: HeapType::Any };
    /// `exnref`.
    pub const EXNREF: Self = Self { nullable: true, heap: HeapType::Exn };

    /// References to `heap`, which may be null if `nullable`.
    pub const fn new(nullable: bool, heap: HeapType) -> Self {
        Self { nullable, heap }
    }
    /// Whether null is one of its values.
    pub const fn is_nullable(&self) -> bool {
        self.nullable
    }
    /// What it refers to.
    pub const fn heap_type(&self) -> &HeapType {
        &self.heap
    }
    /// Whether every reference of this type is of type `other`.
    ///
    /// # Panics
    ///
    /// If the types belong to different engines.
    ///
    /// ```
    /// # use waft::*;
    /// assert!(RefType::new(false, HeapType::Func).matches(&RefType::FUNCREF));
    /// assert!(!RefType::FUNCREF.matches(&RefType::new(false, HeapType::Func)));
    /// ```
    pub fn matches(&self, other: &Self) -> bool {
        (other.nullable || !self.nullable) && self.heap.matches(&other.heap)
    }
    pub(crate) fn canonical(&self, registry: &Arc<TypeRegistry>) -> core::RefType {
        core::RefType::new(self.nullable, self.heap.canonical(registry))
    }
    pub(crate) fn from_canonical(registry: &Arc<TypeRegistry>, ty: core::RefType) -> Self {
        Self { nullable: ty.is_nullable(), heap: HeapType::from_canonical(registry, ty.heap_type()) }
    }
}

impl RefType {
    /// Keeps the type that it names as long as the store lives.
    ///
    /// # Panics
    ///
    /// If the type belongs to another engine.
    pub(crate) fn keep_in(&self, store: &mut StoreOpaque) {
        let Some(ty) = self.heap.concrete() else { return };
        assert!(ty.is_of(store.engine().types()), "a type of another engine: {self}");
        store.keep_type(ty.clone());
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, &self.heap) {
            (
                true,
                heap @ (HeapType::ConcreteFunc(_) | HeapType::ConcreteArray(_) | HeapType::ConcreteStruct(_)),
            ) => {
                write!(f, "(ref null {heap})")
            }
            (nullable, heap) if heap.concrete().is_none() => {
                core::RefType::new(nullable, heap.canonical_in(None)).fmt(f)
            }
            (_, heap) => write!(f, "(ref {heap})"),
        }
    }
}

/// The type of a value.
///
/// ```
/// use waft::*;
///
/// assert!(ValType::I32.is_i32() && ValType::I64.is_i64() && !ValType::I32.is_i64());
/// assert!(ValType::F32.is_f32() && ValType::F64.is_f64() && ValType::V128.is_v128());
/// assert!(ValType::FUNCREF.is_ref() && ValType::FUNCREF != ValType::EXTERNREF);
/// assert_eq!(ValType::FUNCREF.as_ref(), Some(&RefType::FUNCREF));
/// assert_eq!(ValType::F64.to_string(), "f64");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
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
    /// `anyref`.
    pub const ANYREF: Self = Self::Ref(RefType::ANYREF);
    /// `exnref`.
    pub const EXNREF: Self = Self::Ref(RefType::EXNREF);

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
    pub const fn as_ref(&self) -> Option<&RefType> {
        match self {
            Self::Ref(ty) => Some(ty),
            _ => None,
        }
    }
    /// Whether every value of this type is of type `other`.
    ///
    /// # Panics
    ///
    /// If the types belong to different engines.
    ///
    /// ```
    /// # use waft::*;
    /// assert!(ValType::I32.matches(&ValType::I32) && !ValType::I32.matches(&ValType::I64));
    /// assert!(ValType::Ref(RefType::new(true, HeapType::I31)).matches(&ValType::ANYREF));
    /// ```
    pub fn matches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ref(sub), Self::Ref(sup)) => sub.matches(sup),
            (sub, sup) => sub == sup,
        }
    }
    pub(crate) fn canonical(&self, registry: &Arc<TypeRegistry>) -> core::ValType {
        match self {
            Self::I32 => core::ValType::I32,
            Self::I64 => core::ValType::I64,
            Self::F32 => core::ValType::F32,
            Self::F64 => core::ValType::F64,
            Self::V128 => core::ValType::V128,
            Self::Ref(ty) => core::ValType::Ref(ty.canonical(registry)),
        }
    }
    pub(crate) fn from_canonical(registry: &Arc<TypeRegistry>, ty: core::ValType) -> Self {
        match ty {
            core::ValType::I32 => Self::I32,
            core::ValType::I64 => Self::I64,
            core::ValType::F32 => Self::F32,
            core::ValType::F64 => Self::F64,
            core::ValType::V128 => Self::V128,
            core::ValType::Ref(ty) => Self::Ref(RefType::from_canonical(registry, ty)),
        }
    }
}

impl From<RefType> for ValType {
    fn from(ty: RefType) -> Self {
        Self::Ref(ty)
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
