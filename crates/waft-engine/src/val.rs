//! Values as embedders see them.

use crate::anyref::{self, AnyRef};
use crate::exnref::ExnRef;
use crate::externref::ExternRef;
use crate::func::Func;
use crate::rooted::{GcRef, Rooted};
use crate::types::{HeapType, RefType, ValType};
use crate::vm::{RawRef, RawVal, StoreOpaque};
use anyhow::{Result, anyhow, bail, ensure};
use std::fmt;
use waft_core::types::{self as core, TopType};

/// 128 bits, little-endian by lane.
///
/// ```
/// use waft::*;
///
/// let value = V128::from(7);
/// assert_eq!(value.as_u128(), 7);
/// assert_eq!(u128::from(value).to_le_bytes()[0], 7, "lane 0 comes first");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct V128(u128);

impl V128 {
    /// The bits.
    pub fn as_u128(&self) -> u128 {
        self.0
    }
}

impl From<u128> for V128 {
    fn from(bits: u128) -> Self {
        Self(bits)
    }
}

impl From<V128> for u128 {
    fn from(value: V128) -> Self {
        value.0
    }
}

impl fmt::Debug for V128 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#034x}", self.0)
    }
}

/// A value of any type.
///
/// ```
/// use waft::*;
///
/// let (int, long): (Val, Val) = (7.into(), 8_i64.into());
/// let (single, double): (Val, Val) = (0.5_f32.into(), 0.25.into());
/// assert_eq!((int.i32(), int.i64()), (Some(7), None));
/// assert_eq!((int.unwrap_i32(), long.unwrap_i64()), (7, 8));
/// assert_eq!((single.unwrap_f32(), double.unwrap_f64()), (0.5, 0.25));
/// assert_eq!((single.f32(), double.f64()), (Some(0.5), Some(0.25)));
/// assert_eq!(Val::from(V128::from(1)).v128(), Some(V128::from(1)));
/// assert_eq!((int.ty(), Val::FuncRef(None).ty()), (ValType::I32, ValType::FUNCREF));
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// An `i32`.
    I32(i32),
    /// An `i64`.
    I64(i64),
    /// An `f32`, as bits.
    F32(u32),
    /// An `f64`, as bits.
    F64(u64),
    /// A `v128`.
    V128(V128),
    /// A function, or null.
    FuncRef(Option<Func>),
    /// A host value, or null.
    ExternRef(Option<Rooted<ExternRef>>),
    /// A guest's value, or null.
    AnyRef(Option<Rooted<AnyRef>>),
    /// An exception, or null.
    ExnRef(Option<Rooted<ExnRef>>),
}

/// A reference of any type.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let func: Ref = Func::wrap(&mut store, || {}).into();
/// assert!(func.as_func().is_some_and(|func| func.is_some()));
/// assert!(func.as_extern().is_none() && !func.is_null());
/// let value: Ref = ExternRef::new(&mut store, "a host value")?.into();
/// assert!(value.as_extern().is_some_and(|value| value.is_some()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Ref {
    /// A function, or null.
    Func(Option<Func>),
    /// A host value, or null.
    Extern(Option<Rooted<ExternRef>>),
    /// A guest's value, or null.
    Any(Option<Rooted<AnyRef>>),
    /// An exception, or null.
    Exn(Option<Rooted<ExnRef>>),
}

impl Ref {
    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Func(None) | Self::Extern(None) | Self::Any(None) | Self::Exn(None))
    }
    /// The null of a type.
    ///
    /// ```
    /// # use waft::*;
    /// let null = Ref::null(&HeapType::Extern);
    /// assert!(null.is_null() && matches!(null.as_extern(), Some(None)));
    /// ```
    pub fn null(ty: &HeapType) -> Self {
        Self::null_of(ty.top())
    }

    fn null_of(family: TopType) -> Self {
        match family {
            TopType::Func => Self::Func(None),
            TopType::Extern => Self::Extern(None),
            TopType::Any => Self::Any(None),
            TopType::Exn => Self::Exn(None),
        }
    }
    /// The function, if it is one; `Some(None)` for its null.
    pub fn as_func(&self) -> Option<Option<&Func>> {
        if let Self::Func(func) = self { Some(func.as_ref()) } else { None }
    }
    /// The host value, if it is one; `Some(None)` for its null.
    pub fn as_extern(&self) -> Option<Option<&Rooted<ExternRef>>> {
        if let Self::Extern(value) = self { Some(value.as_ref()) } else { None }
    }
    /// The guest's value, if it is one; `Some(None)` for its null.
    pub fn as_any(&self) -> Option<Option<&Rooted<AnyRef>>> {
        if let Self::Any(value) = self { Some(value.as_ref()) } else { None }
    }
    /// The exception, if it is one; `Some(None)` for its null.
    pub fn as_exn(&self) -> Option<Option<&Rooted<ExnRef>>> {
        if let Self::Exn(value) = self { Some(value.as_ref()) } else { None }
    }

    pub(crate) fn from_raw(store: &mut StoreOpaque, ty: core::RefType, raw: RawRef) -> Self {
        match ty.heap_type().top() {
            TopType::Func => Self::Func(Func::from_raw(store, raw)),
            TopType::Extern => Self::Extern(Rooted::from_raw(store, raw)),
            TopType::Any => Self::Any(Rooted::from_raw(store, raw)),
            TopType::Exn => Self::Exn(Rooted::from_raw(store, raw)),
        }
    }

    /// The reference as a store holds it, if it is of type `ty`.
    pub(crate) fn to_raw_as(self, store: &StoreOpaque, ty: core::RefType) -> Result<RawRef> {
        let types = store.engine().types();
        let mismatch = || {
            let wanted = RefType::from_canonical(types, ty);
            anyhow!("type mismatch: {wanted} expected, {} found", self.ty())
        };
        let (found, raw) = match self {
            Self::Func(Some(func)) => {
                ensure!(func.store() == store.id(), "the function belongs to another store");
                let index = store.func_type_id(func.func_ref());
                let found = core::ConcreteType { kind: core::CompositeKind::Func, index };
                (core::HeapType::Concrete(found), RawRef::from_func(Some(func.func_ref())))
            }
            Self::Extern(Some(value)) => (core::HeapType::Extern, RawRef::from_gc(value.get(store)?)),
            Self::Any(Some(value)) => {
                let reference = value.get(store)?;
                (anyref::type_of(store, reference)?, RawRef::from_gc(reference))
            }
            Self::Exn(Some(value)) => (core::HeapType::Exn, RawRef::from_gc(value.get(store)?)),
            Self::Func(None) => (core::HeapType::NoFunc, RawRef::NULL),
            Self::Extern(None) => (core::HeapType::NoExtern, RawRef::NULL),
            Self::Any(None) => (core::HeapType::None, RawRef::NULL),
            Self::Exn(None) => (core::HeapType::NoExn, RawRef::NULL),
        };
        if !types.ref_is_subtype(core::RefType::new(self.is_null(), found), ty) {
            return Err(mismatch());
        }
        Ok(raw)
    }

    fn ty(&self) -> RefType {
        match self {
            Self::Func(func) => RefType::new(func.is_none(), HeapType::Func),
            Self::Extern(value) => RefType::new(value.is_none(), HeapType::Extern),
            Self::Any(value) => RefType::new(value.is_none(), HeapType::Any),
            Self::Exn(value) => RefType::new(value.is_none(), HeapType::Exn),
        }
    }
}

impl From<Func> for Ref {
    fn from(func: Func) -> Self {
        Self::Func(Some(func))
    }
}

impl From<Rooted<ExternRef>> for Ref {
    fn from(value: Rooted<ExternRef>) -> Self {
        Self::Extern(Some(value))
    }
}

impl From<Rooted<AnyRef>> for Ref {
    fn from(value: Rooted<AnyRef>) -> Self {
        Self::Any(Some(value))
    }
}

impl From<Rooted<ExnRef>> for Ref {
    fn from(value: Rooted<ExnRef>) -> Self {
        Self::Exn(Some(value))
    }
}

impl Val {
    /// The null of a reference type.
    ///
    /// ```
    /// # use waft::*;
    /// assert_eq!(Val::null_ref(&HeapType::Func).ty(), ValType::FUNCREF);
    /// ```
    pub fn null_ref(ty: &HeapType) -> Self {
        Ref::null(ty).into()
    }
    /// Zero, or null; `None` for a type without either.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let ty = FuncType::new(&engine, [], [ValType::I32, ValType::FUNCREF]);
    /// let room: Option<Vec<Val>> = ty.results().map(|ty| Val::default_for_ty(&ty)).collect();
    /// assert_eq!(room.unwrap().len(), 2);
    /// let never_null = ValType::Ref(RefType::new(false, HeapType::Func));
    /// assert!(Val::default_for_ty(&never_null).is_none());
    /// ```
    pub fn default_for_ty(ty: &ValType) -> Option<Self> {
        Some(match ty {
            ValType::I32 => Self::I32(0),
            ValType::I64 => Self::I64(0),
            ValType::F32 => Self::F32(0),
            ValType::F64 => Self::F64(0),
            ValType::V128 => Self::V128(V128(0)),
            ValType::Ref(ty) if ty.is_nullable() => Self::null_ref(ty.heap_type()),
            ValType::Ref(_) => return None,
        })
    }
    /// Its type.
    pub fn ty(&self) -> ValType {
        match self {
            Self::I32(_) => ValType::I32,
            Self::I64(_) => ValType::I64,
            Self::F32(_) => ValType::F32,
            Self::F64(_) => ValType::F64,
            Self::V128(_) => ValType::V128,
            Self::FuncRef(_) => ValType::FUNCREF,
            Self::ExternRef(_) => ValType::EXTERNREF,
            Self::AnyRef(_) => ValType::ANYREF,
            Self::ExnRef(_) => ValType::EXNREF,
        }
    }
    /// The `i32`, if it is one.
    pub fn i32(&self) -> Option<i32> {
        if let Self::I32(value) = self { Some(*value) } else { None }
    }
    /// The `i64`, if it is one.
    pub fn i64(&self) -> Option<i64> {
        if let Self::I64(value) = self { Some(*value) } else { None }
    }
    /// The `f32`, if it is one.
    pub fn f32(&self) -> Option<f32> {
        if let Self::F32(bits) = self { Some(f32::from_bits(*bits)) } else { None }
    }
    /// The `f64`, if it is one.
    pub fn f64(&self) -> Option<f64> {
        if let Self::F64(bits) = self { Some(f64::from_bits(*bits)) } else { None }
    }
    /// The `v128`, if it is one.
    pub fn v128(&self) -> Option<V128> {
        if let Self::V128(value) = self { Some(*value) } else { None }
    }
    /// The reference, if it is one.
    ///
    /// ```
    /// # use waft::*;
    /// assert!(Val::ExternRef(None).ref_().unwrap().is_null());
    /// assert!(Val::I32(0).ref_().is_none());
    /// ```
    pub fn ref_(&self) -> Option<Ref> {
        match self {
            Self::FuncRef(func) => Some(Ref::Func(*func)),
            Self::ExternRef(value) => Some(Ref::Extern(*value)),
            Self::AnyRef(value) => Some(Ref::Any(*value)),
            Self::ExnRef(value) => Some(Ref::Exn(*value)),
            _ => None,
        }
    }
    /// The `i32`.
    ///
    /// # Panics
    ///
    /// If it is of another type; the same for the next three.
    pub fn unwrap_i32(&self) -> i32 {
        self.i32().expect("an i32")
    }
    /// The `i64`.
    pub fn unwrap_i64(&self) -> i64 {
        self.i64().expect("an i64")
    }
    /// The `f32`.
    pub fn unwrap_f32(&self) -> f32 {
        self.f32().expect("an f32")
    }
    /// The `f64`.
    pub fn unwrap_f64(&self) -> f64 {
        self.f64().expect("an f64")
    }

    /// Zero or null, for a result that a host function is about to write.
    pub(crate) fn zero(ty: core::ValType) -> Self {
        match ty {
            core::ValType::I32 => Self::I32(0),
            core::ValType::I64 => Self::I64(0),
            core::ValType::F32 => Self::F32(0),
            core::ValType::F64 => Self::F64(0),
            core::ValType::V128 => Self::V128(V128(0)),
            core::ValType::Ref(ty) => Ref::null_of(ty.heap_type().top()).into(),
        }
    }

    pub(crate) fn from_raw(store: &mut StoreOpaque, ty: core::ValType, raw: RawVal) -> Self {
        match ty {
            core::ValType::I32 => Self::I32(raw.0 as i32),
            core::ValType::I64 => Self::I64(raw.0 as i64),
            core::ValType::F32 => Self::F32(raw.0 as u32),
            core::ValType::F64 => Self::F64(raw.0 as u64),
            core::ValType::V128 => Self::V128(V128(raw.0)),
            core::ValType::Ref(ty) => Ref::from_raw(store, ty, raw.as_ref()).into(),
        }
    }

    /// The value as machine code has it, if it is of type `ty`.
    ///
    /// # Errors
    ///
    /// If it is of another type, or belongs to another store.
    pub(crate) fn to_raw_as(self, store: &StoreOpaque, ty: core::ValType) -> Result<RawVal> {
        Ok(RawVal(match (self, ty) {
            (Self::I32(value), core::ValType::I32) => u128::from(value as u32),
            (Self::I64(value), core::ValType::I64) => u128::from(value as u64),
            (Self::F32(bits), core::ValType::F32) => u128::from(bits),
            (Self::F64(bits), core::ValType::F64) => u128::from(bits),
            (Self::V128(value), core::ValType::V128) => value.0,
            (value, ty) => {
                if let (Some(reference), core::ValType::Ref(ty)) = (value.ref_(), ty) {
                    return Ok(reference.to_raw_as(store, ty)?.as_val());
                }
                let wanted = ValType::from_canonical(store.engine().types(), ty);
                bail!("type mismatch: {wanted} expected, {} found", value.ty())
            }
        }))
    }
}

impl From<Ref> for Val {
    fn from(reference: Ref) -> Self {
        match reference {
            Ref::Func(func) => Self::FuncRef(func),
            Ref::Extern(value) => Self::ExternRef(value),
            Ref::Any(value) => Self::AnyRef(value),
            Ref::Exn(value) => Self::ExnRef(value),
        }
    }
}

impl From<i32> for Val {
    fn from(value: i32) -> Self {
        Self::I32(value)
    }
}

impl From<i64> for Val {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<f32> for Val {
    fn from(value: f32) -> Self {
        Self::F32(value.to_bits())
    }
}

impl From<f64> for Val {
    fn from(value: f64) -> Self {
        Self::F64(value.to_bits())
    }
}

impl From<V128> for Val {
    fn from(value: V128) -> Self {
        Self::V128(value)
    }
}

impl From<Func> for Val {
    fn from(func: Func) -> Self {
        Self::FuncRef(Some(func))
    }
}

impl<T: GcRef> From<Rooted<T>> for Val
where
    Rooted<T>: Into<Ref>,
{
    fn from(value: Rooted<T>) -> Self {
        value.into().into()
    }
}
