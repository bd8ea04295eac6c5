//! `structref`: structures as hosts make, read and write them.

use crate::anyref::AnyRef;
use crate::eqref::EqRef;
use crate::rooted::{GcRef, Rooted, Sealed};
use crate::store::{AsContext, AsContextMut, StoreContextMut};
use crate::types::StructType;
use crate::val::Val;
use crate::vm::{StoreId, StoreOpaque};
use anyhow::{Context as _, Result, ensure};
use std::sync::Arc;
use waft_core::types::{FieldTy, HeapType, StructTy, SubType};

/// A structure. Handles of it are [`Rooted`].
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let fields = [ValType::I32, ValType::ANYREF].map(|ty| FieldType::new(Mutability::Var, ty.into()));
/// let pre = StructRefPre::new(&mut store, StructType::new(&engine, fields)?);
/// let last = StructRef::new(&mut store, &pre, &[Val::I32(2), Val::AnyRef(None)])?;
/// let first = StructRef::new(&mut store, &pre, &[Val::I32(1), last.into()])?;
///
/// assert_eq!(first.field(&mut store, 0)?.unwrap_i32(), 1);
/// let next = first.field(&mut store, 1)?.unwrap_anyref().context("null")?.unwrap_struct(&store)?;
/// assert!(Rooted::ref_eq(&store, &next, &last)?);
/// next.set_field(&mut store, 1, first.into())?;
/// assert!(next.set_field(&mut store, 0, Val::I64(7)).is_err(), "values are checked");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StructRef(());

impl Sealed for StructRef {}
impl GcRef for StructRef {
    const HEAP: HeapType = HeapType::Struct;
}

/// What structures of one type are made from. The store keeps the type from then on.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let ty = StructType::new(&engine, [FieldType::new(Mutability::Const, StorageType::I16)])?;
/// let pre = StructRefPre::new(&mut store, ty);
/// for number in 0..1_000 {
///     let mut scope = RootScope::new(&mut store);
///     StructRef::new(&mut scope, &pre, &[Val::I32(number)])?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StructRefPre {
    store: StoreId,
    ty: StructType,
}

impl StructRefPre {
    /// Prepares a store for structures of a type.
    ///
    /// # Panics
    ///
    /// If the type belongs to another engine.
    pub fn new(mut store: impl AsContextMut, ty: StructType) -> Self {
        let opaque = &mut store.as_context_mut().0.opaque;
        let registered = ty.registered();
        assert!(registered.is_of(opaque.engine().types()), "a type of another engine: {ty}");
        opaque.keep_type(registered.clone());
        Self { store: opaque.id(), ty }
    }
}

impl StructRef {
    /// A structure with these values in its fields.
    ///
    /// # Errors
    ///
    /// If the values are not as many as the fields and of their types, one belongs to another store, or the store's heap has
    /// no room.
    ///
    /// # Panics
    ///
    /// If `pre` belongs to another store.
    pub fn new(mut store: impl AsContextMut, pre: &StructRefPre, fields: &[Val]) -> Result<Rooted<Self>> {
        let opaque = &mut store.as_context_mut().0.opaque;
        assert!(pre.store == opaque.id(), "object used with the wrong store: {pre:?}");
        let types = pre.ty.field_tys();
        let (wanted, given) = (types.len(), fields.len());
        ensure!(wanted == given, "expected values of {wanted} fields, got {given}");
        let mut values = Vec::with_capacity(wanted);
        for (at, (value, ty)) in fields.iter().zip(types).enumerate() {
            let value = value.to_typed(opaque, ty.storage.unpacked());
            values.push(value.with_context(|| format!("field {at} of a structure"))?);
        }
        let made = opaque.struct_of(pre.ty.registered().id(), &mut values)?;
        Ok(Rooted::new(opaque, made))
    }
}

/// A structure with its type.
struct Found {
    reference: u32,
    ty: Arc<SubType>,
}

impl Found {
    fn ty(&self) -> Result<&StructTy> {
        self.ty.composite.as_struct().context("not a structure")
    }

    /// The type of a field, and where it is.
    fn field(&self, index: usize) -> Result<(FieldTy, u32)> {
        let ty = self.ty()?;
        ty.field(index).with_context(|| {
            format!("there is no field {index} in a structure of {} fields", ty.fields().len())
        })
    }
}

impl Rooted<StructRef> {
    fn find(&self, store: &StoreOpaque) -> Result<Found> {
        let reference = self.reference(store)?;
        let ty = store.type_of_object(store.object_type(reference)?)?;
        Ok(Found { reference, ty })
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
    /// let ty = StructType::new(&engine, [])?;
    /// let pre = StructRefPre::new(&mut store, ty.clone());
    /// let value = StructRef::new(&mut store, &pre, &[])?;
    /// assert_eq!(value.ty(&store)?, ty);
    /// assert!(value.matches_ty(&store, &ty)?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ty(&self, store: impl AsContext) -> Result<StructType> {
        let opaque = &store.as_context().0.opaque;
        self.find(opaque)?.ty()?;
        Ok(StructType::claimed(opaque.engine().types(), opaque.object_type(self.reference(opaque)?)?))
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
    pub fn matches_ty(&self, store: impl AsContext, ty: &StructType) -> Result<bool> {
        Ok(self.ty(store)?.matches(ty))
    }

    /// The values of its fields.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`].
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let field = FieldType::new(Mutability::Const, ValType::I32.into());
    /// let pre = StructRefPre::new(&mut store, StructType::new(&engine, vec![field; 3])?);
    /// let value = StructRef::new(&mut store, &pre, &[1.into(), 2.into(), 3.into()])?;
    /// assert_eq!(value.fields(&mut store)?.map(|field| field.unwrap_i32()).sum::<i32>(), 6);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fields<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> Result<impl ExactSizeIterator<Item = Val> + 'a> {
        let opaque = &mut store.into().0.opaque;
        let found = self.find(opaque)?;
        let ty = found.ty()?;
        let mut values = Vec::with_capacity(ty.fields().len());
        for (field, offset) in ty.fields_at() {
            let raw = opaque.field_get(found.reference, offset, field.storage)?;
            values.push(Val::from_raw(opaque, field.storage.unpacked(), raw));
        }
        Ok(values.into_iter())
    }

    /// The value of a field; that of a packed one with zeros before it.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`], and if there is no such field.
    pub fn field(&self, mut store: impl AsContextMut, index: usize) -> Result<Val> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let found = self.find(opaque)?;
        let (field, offset) = found.field(index)?;
        let raw = opaque.field_get(found.reference, offset, field.storage)?;
        Ok(Val::from_raw(opaque, field.storage.unpacked(), raw))
    }

    /// Sets a field.
    ///
    /// # Errors
    ///
    /// As [`Self::ty`], and if there is no such field, it is constant, or `value` is not of its type.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let [constant, variable] = [Mutability::Const, Mutability::Var];
    /// let fields = [constant, variable].map(|mutability| FieldType::new(mutability, StorageType::I8));
    /// let pre = StructRefPre::new(&mut store, StructType::new(&engine, fields)?);
    /// let value = StructRef::new(&mut store, &pre, &[0.into(), 0.into()])?;
    /// value.set_field(&mut store, 1, Val::I32(-1))?;
    /// assert_eq!(value.field(&mut store, 1)?.unwrap_i32(), 0xff);
    /// assert!(value.set_field(&mut store, 0, Val::I32(-1)).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_field(&self, mut store: impl AsContextMut, index: usize, value: Val) -> Result<()> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let found = self.find(opaque)?;
        let (field, offset) = found.field(index)?;
        ensure!(field.mutable, "field {index} is constant: {}", found.ty.composite);
        let raw = value.to_raw_as(opaque, field.storage.unpacked());
        let raw = raw.with_context(|| format!("field {index} of a structure"))?;
        opaque.field_set(found.reference, offset, field.storage, raw)
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

impl From<Rooted<StructRef>> for Rooted<AnyRef> {
    fn from(value: Rooted<StructRef>) -> Self {
        value.to_anyref()
    }
}

impl From<Rooted<StructRef>> for Rooted<EqRef> {
    fn from(value: Rooted<StructRef>) -> Self {
        value.to_eqref()
    }
}
