//! `anyref`: what guests make.

use crate::externref::ExternRef;
use crate::rooted::{GcRef, Rooted, Sealed};
use crate::store::{AsContext, AsContextMut};
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
    fn reference(self) -> u32 {
        gc::i31_new(self.0.cast_signed())
    }
}

/// The type that a reference, which is not null, has itself.
pub(crate) fn type_of(store: &StoreOpaque, reference: u32) -> Result<HeapType> {
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
        let reference = value.get(opaque)?;
        Ok(Rooted::new(opaque, reference))
    }
}

impl Rooted<AnyRef> {
    fn heap_type(&self, store: &impl AsContext) -> Result<HeapType> {
        let opaque = &store.as_context().0.opaque;
        type_of(opaque, self.get(opaque)?)
    }

    /// The type that it has itself: the most specific one.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left; the same for the others.
    pub fn ty(&self, store: impl AsContext) -> Result<PublicHeapType> {
        let ty = self.heap_type(&store)?;
        Ok(PublicHeapType::from_canonical(store.as_context().engine().types(), ty))
    }

    /// Whether it is of a type.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn matches_ty(&self, store: impl AsContext, ty: &PublicHeapType) -> Result<bool> {
        let found = self.heap_type(&store)?;
        let types = store.as_context().0.opaque.engine().types();
        let wanted = core::RefType::new(false, ty.canonical(types));
        Ok(types.ref_is_subtype(core::RefType::new(false, found), wanted))
    }

    /// Whether it is a small integer.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn is_i31(&self, store: impl AsContext) -> Result<bool> {
        Ok(gc::is_i31(self.get(&store.as_context().0.opaque)?))
    }

    /// The small integer, if it is one.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn as_i31(&self, store: impl AsContext) -> Result<Option<I31>> {
        let reference = self.get(&store.as_context().0.opaque)?;
        Ok(gc::is_i31(reference).then(|| I31(gc::i31_get_u(reference))))
    }

    /// Whether it can be compared: anything but a host value made internal.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn is_eqref(&self, store: impl AsContext) -> Result<bool> {
        Ok(self.heap_type(&store)? != HeapType::Any)
    }

    /// Whether it is a structure.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn is_struct(&self, store: impl AsContext) -> Result<bool> {
        let ty = self.heap_type(&store)?;
        Ok(matches!(ty, HeapType::Concrete(ty) if ty.kind == CompositeKind::Struct))
    }

    /// Whether it is an array.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn is_array(&self, store: impl AsContext) -> Result<bool> {
        let ty = self.heap_type(&store)?;
        Ok(matches!(ty, HeapType::Concrete(ty) if ty.kind == CompositeKind::Array))
    }
}
