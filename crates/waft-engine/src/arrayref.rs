//! `arrayref`: arrays as hosts make, read and write them.

use crate::anyref::AnyRef;
use crate::eqref::EqRef;
use crate::rooted::{GcRef, Rooted, Sealed};
use crate::store::{AsContext, AsContextMut, StoreContextMut};
use crate::types::ArrayType;
use crate::val::Val;
use crate::vm::{StoreId, StoreOpaque, TypedVal};
use anyhow::{Context as _, Result, ensure};
use waft_core::gc::array;
use waft_core::types::{FieldTy, HeapType};

/// An array. Handles of it are [`Rooted`].
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let ty = ArrayType::new(&engine, FieldType::new(Mutability::Var, ValType::I64.into()));
/// let pre = ArrayRefPre::new(&mut store, ty);
/// let array = ArrayRef::new(&mut store, &pre, &Val::I64(7), 3)?;
/// array.set(&mut store, 2, Val::I64(8))?;
/// assert_eq!(array.len(&store)?, 3);
/// assert_eq!(array.get(&mut store, 2)?.unwrap_i64(), 8);
/// assert_eq!(array.elems(&mut store)?.map(|element| element.unwrap_i64()).sum::<i64>(), 22);
/// assert!(array.set(&mut store, 3, Val::I64(9)).is_err());
/// assert!(array.set(&mut store, 0, Val::I32(9)).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ArrayRef(());

impl Sealed for ArrayRef {}
impl GcRef for ArrayRef {
    const HEAP: HeapType = HeapType::Array;
}

/// What arrays of one type are made from. The store keeps the type from then on.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let bytes = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
/// let pre = ArrayRefPre::new(&mut store, bytes);
/// let text: Vec<Val> = b"text".iter().map(|byte| Val::I32((*byte).into())).collect();
/// assert_eq!(ArrayRef::new_fixed(&mut store, &pre, &text)?.len(&store)?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ArrayRefPre {
    store: StoreId,
    ty: ArrayType,
}

impl ArrayRefPre {
    /// Prepares a store for arrays of a type.
    ///
    /// # Panics
    ///
    /// If the type belongs to another engine.
    pub fn new(mut store: impl AsContextMut, ty: ArrayType) -> Self {
        let opaque = &mut store.as_context_mut().0.opaque;
        let registered = ty.registered();
        assert!(registered.is_of(opaque.engine().types()), "a type of another engine: {ty}");
        opaque.keep_type(registered.clone());
        Self { store: opaque.id(), ty }
    }

    /// A value as elements hold it.
    fn element(&self, store: &StoreOpaque, value: Val) -> Result<TypedVal> {
        value.to_typed(store, self.ty.element_ty().storage.unpacked())
    }

    fn check(&self, store: &StoreOpaque) {
        assert!(self.store == store.id(), "object used with the wrong store: {self:?}");
    }
}

impl ArrayRef {
    /// An array of `len` elements, which are all `elem`.
    ///
    /// # Errors
    ///
    /// If `elem` is not of the type of the elements or belongs to another store, or the store's heap has no room.
    ///
    /// # Panics
    ///
    /// If `pre` belongs to another store.
    pub fn new(
        mut store: impl AsContextMut,
        pre: &ArrayRefPre,
        elem: &Val,
        len: u32,
    ) -> Result<Rooted<Self>> {
        let opaque = &mut store.as_context_mut().0.opaque;
        pre.check(opaque);
        let value = pre.element(opaque, *elem).context("the elements of an array")?;
        let made = opaque.array_filled(pre.ty.registered().id(), value, len)?;
        Ok(Rooted::new(opaque, made))
    }

    /// An array of these elements.
    ///
    /// # Errors
    ///
    /// If they are not of the type of the elements, one belongs to another store, or the store's heap has no room.
    ///
    /// # Panics
    ///
    /// If `pre` belongs to another store.
    pub fn new_fixed(mut store: impl AsContextMut, pre: &ArrayRefPre, elems: &[Val]) -> Result<Rooted<Self>> {
        let opaque = &mut store.as_context_mut().0.opaque;
        pre.check(opaque);
        let mut values = Vec::with_capacity(elems.len());
        for (at, value) in elems.iter().enumerate() {
            let value = pre.element(opaque, *value);
            values.push(value.with_context(|| format!("element {at} of an array"))?);
        }
        let made = opaque.array_of(pre.ty.registered().id(), &mut values)?;
        Ok(Rooted::new(opaque, made))
    }
}

/// An array with what its elements are.
#[derive(Clone, Copy)]
struct Found {
    reference: u32,
    element: FieldTy,
    length: u32,
}

impl Found {
    fn offset(self, index: u32) -> u32 {
        array::element_offset(self.element.storage.into(), index)
    }

    /// Where an element is.
    fn place(self, index: u32) -> Result<u32> {
        let Self { length, .. } = self;
        ensure!(index < length, "there is no element {index} in an array of {length} elements");
        Ok(self.offset(index))
    }

    fn get(self, store: &mut StoreOpaque, offset: u32) -> Result<Val> {
        let raw = store.field_get(self.reference, offset, self.element.storage)?;
        Ok(Val::from_raw(store, self.element.storage.unpacked(), raw))
    }
}

impl Rooted<ArrayRef> {
    fn find(&self, store: &StoreOpaque) -> Result<Found> {
        let reference = self.reference(store)?;
        let ty = store.type_of_object(store.object_type(reference)?)?;
        let element = ty.composite.as_array().context("not an array")?;
        Ok(Found { reference, element, length: store.array_length(reference)? })
    }

    /// The type that it has itself.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left; the same for the others.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let ty = ArrayType::new(&engine, FieldType::new(Mutability::Const, ValType::FUNCREF.into()));
    /// let pre = ArrayRefPre::new(&mut store, ty.clone());
    /// let array = ArrayRef::new(&mut store, &pre, &Val::FuncRef(None), 1)?;
    /// assert_eq!(array.ty(&store)?, ty);
    /// assert!(array.matches_ty(&store, &ty)?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ty(&self, store: impl AsContext) -> Result<ArrayType> {
        let opaque = &store.as_context().0.opaque;
        let found = self.find(opaque)?;
        Ok(ArrayType::claimed(opaque.engine().types(), opaque.object_type(found.reference)?))
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
    pub fn matches_ty(&self, store: impl AsContext, ty: &ArrayType) -> Result<bool> {
        Ok(self.ty(store)?.matches(ty))
    }

    /// How many elements it has.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn len(&self, store: impl AsContext) -> Result<u32> {
        Ok(self.find(&store.as_context().0.opaque)?.length)
    }

    /// The values of its elements. Each that is a reference is one more handle of the scope.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    pub fn elems<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> Result<impl ExactSizeIterator<Item = Val> + 'a> {
        let opaque = &mut store.into().0.opaque;
        let found = self.find(opaque)?;
        opaque.check_array(found.reference)?;
        Ok((0..found.length).map(move |index| {
            // The store is borrowed: nothing moves the array or changes its length.
            found.get(opaque, found.offset(index)).expect("the whole array is accessible")
        }))
    }

    /// The value of an element; that of a packed one with zeros before it.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`], and if there is no such element.
    pub fn get(&self, mut store: impl AsContextMut, index: u32) -> Result<Val> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let found = self.find(opaque)?;
        found.get(opaque, found.place(index)?)
    }

    /// Sets an element.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`], and if there is no such element, elements are constant, or `value` is not of their type.
    pub fn set(&self, mut store: impl AsContextMut, index: u32, value: Val) -> Result<()> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let found = self.find(opaque)?;
        let offset = found.place(index)?;
        let storage = found.element.storage;
        ensure!(found.element.mutable, "the elements are constant: (array {})", found.element);
        let raw = value.to_raw_as(opaque, storage.unpacked());
        let raw = raw.with_context(|| format!("element {index} of an array"))?;
        opaque.field_set(found.reference, offset, storage, raw)
    }

    /// The same as any value of a guest.
    pub fn to_anyref(self) -> Rooted<AnyRef> {
        self.retyped()
    }
    /// The same as any value that can be compared.
    pub fn to_eqref(self) -> Rooted<EqRef> {
        self.retyped()
    }
}

impl From<Rooted<ArrayRef>> for Rooted<AnyRef> {
    fn from(value: Rooted<ArrayRef>) -> Self {
        value.to_anyref()
    }
}

impl From<Rooted<ArrayRef>> for Rooted<EqRef> {
    fn from(value: Rooted<ArrayRef>) -> Self {
        value.to_eqref()
    }
}
