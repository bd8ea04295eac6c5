//! Values as embedders see them.

use crate::anyref::AnyRef;
use crate::arrayref::ArrayRef;
use crate::eqref::EqRef;
use crate::exnref::ExnRef;
use crate::externref::ExternRef;
use crate::func::Func;
use crate::rooted::{GcRef, Rooted};
use crate::store::AsContext;
use crate::structref::StructRef;
use crate::types::{HeapType, RefType, ValType};
use crate::vm::{RawRef, RawVal, StoreOpaque, TypedVal};
use anyhow::{Result, bail, ensure};
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
    /// Whether it is not null.
    pub fn is_non_null(&self) -> bool {
        !self.is_null()
    }

    /// The type that it has itself: the most specific one.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let seven: Ref = AnyRef::from_i31(&mut store, I31::wrapping_u32(7)).into();
    /// assert_eq!(seven.ty(&store)?, RefType::new(false, HeapType::I31));
    /// assert!(seven.matches_ty(&store, &RefType::new(true, HeapType::Eq))?);
    /// assert!(!seven.matches_ty(&store, &RefType::new(true, HeapType::Struct))?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ty(&self, store: impl AsContext) -> Result<RefType> {
        let opaque = &store.as_context().0.opaque;
        Ok(RefType::from_canonical(opaque.engine().types(), self.typed_raw(opaque)?.0))
    }

    /// Whether it is of a type.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left.
    ///
    /// # Panics
    ///
    /// If the type belongs to another engine.
    pub fn matches_ty(&self, store: impl AsContext, ty: &RefType) -> Result<bool> {
        let opaque = &store.as_context().0.opaque;
        let types = opaque.engine().types();
        Ok(types.ref_is_subtype(self.typed_raw(opaque)?.0, ty.canonical(types)))
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
        let (found, raw) = self.typed_raw(store)?;
        let types = store.engine().types();
        ensure!(
            types.ref_is_subtype(found, ty),
            "type mismatch: {} expected, {} found",
            RefType::from_canonical(types, ty),
            self.family()
        );
        Ok(raw)
    }

    /// The reference as a store holds it, with the type that it has itself.
    fn typed_raw(self, store: &StoreOpaque) -> Result<(core::RefType, RawRef)> {
        let (found, raw) = match self {
            Self::Func(Some(func)) => {
                ensure!(func.store() == store.id(), "the function belongs to another store");
                let index = store.func_type_id(func.func_ref());
                let found = core::ConcreteType { kind: core::CompositeKind::Func, index };
                (core::HeapType::Concrete(found), RawRef::from_func(Some(func.func_ref())))
            }
            Self::Extern(Some(value)) => (core::HeapType::Extern, RawRef::from_gc(value.reference(store)?)),
            Self::Any(Some(value)) => (value.type_in(store)?, RawRef::from_gc(value.reference(store)?)),
            Self::Exn(Some(value)) => (core::HeapType::Exn, RawRef::from_gc(value.reference(store)?)),
            Self::Func(None) => (core::HeapType::NoFunc, RawRef::NULL),
            Self::Extern(None) => (core::HeapType::NoExtern, RawRef::NULL),
            Self::Any(None) => (core::HeapType::None, RawRef::NULL),
            Self::Exn(None) => (core::HeapType::NoExn, RawRef::NULL),
        };
        Ok((core::RefType::new(self.is_null(), found), raw))
    }

    /// The most general type that it has.
    fn family(&self) -> RefType {
        match self {
            Self::Func(func) => RefType::new(func.is_none(), HeapType::Func),
            Self::Extern(value) => RefType::new(value.is_none(), HeapType::Extern),
            Self::Any(value) => RefType::new(value.is_none(), HeapType::Any),
            Self::Exn(value) => RefType::new(value.is_none(), HeapType::Exn),
        }
    }
}

/// What is asked of the four families alike, of references and of values.
macro_rules! families {
    ($($what:literal $ref:ident $val:ident $of:ty: $is:ident $as:ident $unwrap:ident, $get:ident $unwrap_val:ident $null:ident;)*) => {
        impl Ref {$(
            #[doc = concat!("Whether it is ", $what, ", or its null.")]
            pub fn $is(&self) -> bool {
                matches!(self, Self::$ref(_))
            }
            #[doc = concat!("The reference to ", $what, ", if it is one; `Some(None)` for its null.")]
            pub fn $as(&self) -> Option<Option<&$of>> {
                if let Self::$ref(value) = self { Some(value.as_ref()) } else { None }
            }
            #[doc = concat!("The reference to ", $what, "; `None` for its null.")]
            ///
            /// # Panics
            ///
            /// If it is of another family.
            pub fn $unwrap(&self) -> Option<&$of> {
                self.$as().expect(concat!("a reference to ", $what))
            }
        )*}

        impl Val {$(
            #[doc = concat!("The null of references to ", $what, ".")]
            pub const fn $null() -> Self {
                Self::$val(None)
            }
            #[doc = concat!("The reference to ", $what, ", if it is one; `Some(None)` for its null.")]
            pub fn $get(&self) -> Option<Option<&$of>> {
                if let Self::$val(value) = self { Some(value.as_ref()) } else { None }
            }
            #[doc = concat!("The reference to ", $what, "; `None` for its null.")]
            ///
            /// # Panics
            ///
            /// If it is of another type.
            pub fn $unwrap_val(&self) -> Option<&$of> {
                self.$get().expect(concat!("a reference to ", $what))
            }
        )*}

        $(
            impl From<Option<$of>> for Ref {
                fn from(value: Option<$of>) -> Self {
                    Self::$ref(value)
                }
            }
            impl From<Option<$of>> for Val {
                fn from(value: Option<$of>) -> Self {
                    Self::$val(value)
                }
            }
        )*
    };
}

families! {
    "a function" Func FuncRef Func: is_func as_func unwrap_func, func_ref unwrap_funcref null_func_ref;
    "a host value" Extern ExternRef Rooted<ExternRef>:
        is_extern as_extern unwrap_extern, extern_ref unwrap_externref null_extern_ref;
    "a guest's value" Any AnyRef Rooted<AnyRef>: is_any as_any unwrap_any, any_ref unwrap_anyref null_any_ref;
    "an exception" Exn ExnRef Rooted<ExnRef>: is_exn as_exn unwrap_exn, exn_ref unwrap_exnref null_exn_ref;
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

impl From<Rooted<EqRef>> for Ref {
    fn from(value: Rooted<EqRef>) -> Self {
        value.to_anyref().into()
    }
}

impl From<Rooted<StructRef>> for Ref {
    fn from(value: Rooted<StructRef>) -> Self {
        value.to_anyref().into()
    }
}

impl From<Rooted<ArrayRef>> for Ref {
    fn from(value: Rooted<ArrayRef>) -> Self {
        value.to_anyref().into()
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
    /// The `v128`.
    ///
    /// # Panics
    ///
    /// If it is of another type; the same for the next.
    pub fn unwrap_v128(&self) -> V128 {
        self.v128().expect("a v128")
    }
    /// The reference.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let value: Val = ExternRef::new(&mut store, "a host value")?.into();
    /// assert!(value.unwrap_ref().unwrap_extern().is_some() && value.unwrap_externref().is_some());
    /// assert!(value.any_ref().is_none() && Val::null_any_ref().unwrap_anyref().is_none());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn unwrap_ref(&self) -> Ref {
        self.ref_().expect("a reference")
    }

    /// Whether it is of a type.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left.
    ///
    /// # Panics
    ///
    /// If the type belongs to another engine.
    ///
    /// ```
    /// # use waft::*;
    /// # let store = Store::new(&Engine::default(), ());
    /// assert!(Val::I32(1).matches_ty(&store, &ValType::I32)?);
    /// assert!(Val::null_any_ref().matches_ty(&store, &RefType::new(true, HeapType::Struct).into())?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn matches_ty(&self, store: impl AsContext, ty: &ValType) -> Result<bool> {
        match (self.ref_(), ty) {
            (Some(reference), ValType::Ref(ty)) => reference.matches_ty(store, ty),
            (_, ty) => Ok(self.ty() == *ty),
        }
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

impl Val {
    /// The value as the heap takes it, if it is of type `ty`.
    ///
    /// # Errors
    ///
    /// As [`Self::to_raw_as`].
    pub(crate) fn to_typed(self, store: &StoreOpaque, ty: core::ValType) -> Result<TypedVal> {
        Ok(TypedVal { value: self.to_raw_as(store, ty)?, is_gc_ref: ty.is_gc_ref() })
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
