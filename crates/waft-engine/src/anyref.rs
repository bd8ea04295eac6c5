//! `anyref`: what guests make. What is asked of any of it, and of what can be compared, is here too.

use crate::arrayref::ArrayRef;
use crate::eqref::EqRef;
use crate::externref::ExternRef;
use crate::rooted::{GcRef, Rooted, Sealed};
use crate::store::{AsContext, AsContextMut};
use crate::structref::StructRef;
use crate::types::HeapType as PublicHeapType;
use crate::vm::StoreOpaque;
use anyhow::Result;
use waft_core::gc;
use waft_core::gc::row::Kind;
use waft_core::types::{self as core, CompositeKind, ConcreteType, HeapType};

/// A guest's value: a structure, an array, a small integer, or a host value made internal. Handles of it are [`Rooted`].
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let value = AnyRef::from_i31(&mut store, I31::wrapping_i32(-1));
/// assert!(value.is_i31(&store)? && value.is_eqref(&store)?);
/// assert_eq!(value.as_i31(&store)?.map(|value| value.get_i32()), Some(-1));
/// assert_eq!(value.ty(&store)?, HeapType::I31);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AnyRef(());

impl Sealed for AnyRef {}
impl GcRef for AnyRef {
    const HEAP: HeapType = HeapType::Any;
}

/// An integer of 31 bits.
///
/// ```
/// use waft::*;
///
/// assert_eq!(I31::new_u32(1 << 31), None);
/// assert_eq!(I31::new_i32(-1).unwrap().get_u32(), 0x7fff_ffff);
/// assert_eq!(I31::wrapping_u32(u32::MAX).get_i32(), -1);
///
/// // It is an `i31ref` in signatures.
/// let mut store = Store::new(&Engine::default(), ());
/// let next = Func::wrap(&mut store, |value: I31| I31::wrapping_u32(value.get_u32() + 1));
/// assert_eq!(next.ty(&store).to_string(), "(func (param (ref i31)) (result (ref i31)))");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct I31(u32);

impl I31 {
    /// The number, if it has 31 bits.
    pub fn new_u32(value: u32) -> Option<Self> {
        (value >> 31 == 0).then_some(Self(value))
    }
    /// The number, if it has 31 bits with its sign.
    pub fn new_i32(value: i32) -> Option<Self> {
        let wrapped = Self::wrapping_i32(value);
        (wrapped.get_i32() == value).then_some(wrapped)
    }
    /// The low 31 bits of a number.
    pub fn wrapping_u32(value: u32) -> Self {
        Self(value & 0x7fff_ffff)
    }
    /// The low 31 bits of a number.
    pub fn wrapping_i32(value: i32) -> Self {
        Self::wrapping_u32(value.cast_unsigned())
    }
    /// The number with zeros before it.
    pub fn get_u32(self) -> u32 {
        self.0
    }
    /// The number with its sign before it.
    pub fn get_i32(self) -> i32 {
        gc::i31_get_s(self.reference())
    }
    /// As a reference.
    pub(crate) fn reference(self) -> u32 {
        gc::i31_new(self.0.cast_signed())
    }
    /// What a reference is, if it is no object.
    pub(crate) fn of_reference(reference: u32) -> Option<Self> {
        gc::is_i31(reference).then(|| Self::from_reference(reference))
    }
    /// What a reference is that is no object.
    pub(crate) fn from_reference(reference: u32) -> Self {
        Self(gc::i31_get_u(reference))
    }
}

/// The type that a reference, which is not null, has itself.
fn type_of(store: &StoreOpaque, reference: u32) -> Result<HeapType> {
    if gc::is_i31(reference) {
        return Ok(HeapType::I31);
    }
    let heap = store.heap_of_object()?;
    let (index, head) = (heap.type_of(reference)?, heap.head_of(reference)?);
    let concrete = |kind| HeapType::Concrete(ConcreteType { kind, index });
    Ok(match head.kind() {
        Some(Kind::Struct) => concrete(CompositeKind::Struct),
        Some(Kind::Array) => concrete(CompositeKind::Array),
        Some(Kind::Func) => HeapType::Exn,
        // A host value: outside, one of `extern`; inside, of nothing but `any`.
        Some(Kind::ExternBox) | None => HeapType::Any,
    })
}

impl AnyRef {
    /// A small integer as a reference.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let seven = AnyRef::from_i31(&mut store, I31::wrapping_u32(7));
    /// assert!(seven.is_i31(&store)?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_i31(mut store: impl AsContextMut, value: I31) -> Rooted<Self> {
        Rooted::new(&mut store.as_context_mut().0.opaque, value.reference())
    }

    /// A host value made internal: `any.convert_extern`.
    ///
    /// # Errors
    ///
    /// If the handle belongs to another store, or its scope was left.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let value = ExternRef::new(&mut store, "a host value")?;
    /// let internal = AnyRef::convert_extern(&mut store, value)?;
    /// assert!(!internal.is_eqref(&store)?);
    /// assert!(ExternRef::convert_any(&mut store, internal)?.data(&store)?.is_some());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn convert_extern(mut store: impl AsContextMut, value: Rooted<ExternRef>) -> Result<Rooted<Self>> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let reference = value.reference(opaque)?;
        Ok(Rooted::new(opaque, reference))
    }
}

impl Rooted<AnyRef> {
    /// Whether it can be compared: anything but a host value made internal.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn is_eqref(&self, store: impl AsContext) -> Result<bool> {
        Ok(self.type_in(&store.as_context().0.opaque)? != HeapType::Any)
    }

    /// The same as a value that can be compared, if it is one.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let seven = AnyRef::from_i31(&mut store, I31::wrapping_u32(7));
    /// let comparable = seven.as_eqref(&store)?.context("it is one")?;
    /// assert!(Rooted::ref_eq(&store, &comparable.to_anyref(), &seven)?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn as_eqref(&self, store: impl AsContext) -> Result<Option<Rooted<EqRef>>> {
        Ok(self.is_eqref(store)?.then(|| self.retyped()))
    }

    /// The same as a value that can be compared.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    ///
    /// # Panics
    ///
    /// If it is a host value made internal.
    pub fn unwrap_eqref(&self, store: impl AsContext) -> Result<Rooted<EqRef>> {
        Ok(self.as_eqref(store)?.expect("a value that can be compared"))
    }
}

impl<T: GcRef> Rooted<T> {
    /// The type that what it refers to, of the family of `any`, has itself.
    pub(crate) fn type_in(&self, store: &StoreOpaque) -> Result<HeapType> {
        type_of(store, self.reference(store)?)
    }

    /// Whether that is a type of type sections, of a kind.
    fn is_kind(&self, store: impl AsContext, kind: CompositeKind) -> Result<bool> {
        let ty = self.type_in(&store.as_context().0.opaque)?;
        Ok(matches!(ty, HeapType::Concrete(ty) if ty.kind == kind))
    }
}

/// What can be asked of references whose type says little.
macro_rules! inspections {
    ($($name:ident)*) => {$(
        impl Rooted<$name> {
            /// The type that it has itself: the most specific one.
            ///
            /// # Errors
            ///
            /// If it belongs to another store, or its scope was left; the same for the others.
            pub fn ty(&self, store: impl AsContext) -> Result<PublicHeapType> {
                let opaque = &store.as_context().0.opaque;
                let ty = self.type_in(opaque)?;
                if let HeapType::Concrete(ty) = ty {
                    opaque.type_of_object(ty.index)?;
                }
                Ok(PublicHeapType::from_canonical(opaque.engine().types(), ty))
            }

            /// Whether it is of a type.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            ///
            /// # Panics
            ///
            /// If the type belongs to another engine.
            pub fn matches_ty(&self, store: impl AsContext, ty: &PublicHeapType) -> Result<bool> {
                let opaque = &store.as_context().0.opaque;
                let types = opaque.engine().types();
                let wanted = core::RefType::new(false, ty.canonical(types));
                let found = core::RefType::new(false, self.type_in(opaque)?);
                Ok(types.ref_is_subtype(found, wanted))
            }

            /// Whether it is a small integer.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            pub fn is_i31(&self, store: impl AsContext) -> Result<bool> {
                Ok(gc::is_i31(self.reference(&store.as_context().0.opaque)?))
            }

            /// The small integer, if it is one.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            pub fn as_i31(&self, store: impl AsContext) -> Result<Option<I31>> {
                Ok(I31::of_reference(self.reference(&store.as_context().0.opaque)?))
            }

            /// The small integer.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            ///
            /// # Panics
            ///
            /// If it is none.
            pub fn unwrap_i31(&self, store: impl AsContext) -> Result<I31> {
                Ok(self.as_i31(store)?.expect("an i31"))
            }

            /// Whether it is a structure.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            pub fn is_struct(&self, store: impl AsContext) -> Result<bool> {
                self.is_kind(store, CompositeKind::Struct)
            }

            /// The same as a structure, if it is one.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            pub fn as_struct(&self, store: impl AsContext) -> Result<Option<Rooted<StructRef>>> {
                Ok(self.is_struct(store)?.then(|| self.retyped()))
            }

            /// The same as a structure.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            ///
            /// # Panics
            ///
            /// If it is none.
            pub fn unwrap_struct(&self, store: impl AsContext) -> Result<Rooted<StructRef>> {
                Ok(self.as_struct(store)?.expect("a structure"))
            }

            /// Whether it is an array.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            pub fn is_array(&self, store: impl AsContext) -> Result<bool> {
                self.is_kind(store, CompositeKind::Array)
            }

            /// The same as an array, if it is one.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            pub fn as_array(&self, store: impl AsContext) -> Result<Option<Rooted<ArrayRef>>> {
                Ok(self.is_array(store)?.then(|| self.retyped()))
            }

            /// The same as an array.
            ///
            /// # Errors
            ///
            /// As [`Self::ty`].
            ///
            /// # Panics
            ///
            /// If it is none.
            pub fn unwrap_array(&self, store: impl AsContext) -> Result<Rooted<ArrayRef>> {
                Ok(self.as_array(store)?.expect("an array"))
            }
        }
    )*};
}

inspections! { AnyRef EqRef }
