//! Objects of the GC heap as the host and library calls read and write them.
//!
//! # Elsewhere
//!
//! Access to the bytes, which trusts nothing: `gc/access.rs`. Layouts: `waft_core::gc`.

use super::raw::{RawRef, RawVal};
use super::store::StoreOpaque;
use anyhow::{Context as _, Result};
use waft_core::gc::{FieldType, StructLayout, array, object};
use waft_core::types::{CompositeTy, StorageTy};

impl StoreOpaque {
    /// The value of a field or an element; packed ones with zeros.
    ///
    /// # Errors
    ///
    /// If the reference leads nowhere: the heap is corrupt.
    pub(crate) fn field_get(&self, reference: u32, offset: u32, storage: StorageTy) -> Result<RawVal> {
        let heap = self.heap_of_object()?;
        Ok(match FieldType::from(storage) {
            FieldType::I8 => RawVal(u128::from(heap.read::<1>(reference, offset)?[0])),
            FieldType::I16 => RawVal(u16::from_le_bytes(heap.read(reference, offset)?).into()),
            FieldType::I32 | FieldType::F32 | FieldType::GcRef => {
                RawVal(u32::from_le_bytes(heap.read(reference, offset)?).into())
            }
            FieldType::I64 | FieldType::F64 => {
                RawVal(u64::from_le_bytes(heap.read(reference, offset)?).into())
            }
            FieldType::V128 => RawVal(u128::from_le_bytes(heap.read(reference, offset)?)),
            FieldType::FuncRef => {
                let number = u32::from_le_bytes(heap.read(reference, offset)?);
                RawRef::from_func(self.numbered_func(number)).as_val()
            }
        })
    }

    /// Sets a field or an element, whose type the caller has checked.
    ///
    /// # Errors
    ///
    /// If the reference leads nowhere: the heap is corrupt.
    pub(crate) fn field_set(
        &mut self,
        reference: u32,
        offset: u32,
        storage: StorageTy,
        value: RawVal,
    ) -> Result<()> {
        let number = match FieldType::from(storage) {
            FieldType::FuncRef => self.func_of(value.as_ref()).map_or(0, |func| self.func_number(func)),
            _ => 0,
        };
        let (heap, state) = self.heap_mut()?;
        match FieldType::from(storage) {
            FieldType::I8 => heap.write(reference, offset, (value.0 as u8).to_le_bytes())?,
            FieldType::I16 => heap.write(reference, offset, (value.0 as u16).to_le_bytes())?,
            FieldType::I32 | FieldType::F32 => {
                heap.write(reference, offset, (value.0 as u32).to_le_bytes())?;
            }
            FieldType::GcRef => heap.write_ref(state, reference, offset, value.0 as u32)?,
            FieldType::I64 | FieldType::F64 => {
                heap.write(reference, offset, (value.0 as u64).to_le_bytes())?;
            }
            FieldType::V128 => heap.write(reference, offset, value.0.to_le_bytes())?,
            FieldType::FuncRef => heap.write(reference, offset, number.to_le_bytes())?,
        }
        Ok(())
    }

    /// A structure of the type with the number `ty`, of these values.
    ///
    /// # Errors
    ///
    /// If there is no room.
    pub(crate) fn struct_of(&mut self, ty: u32, values: &mut [TypedVal]) -> Result<u32> {
        let known = self.known_type(ty);
        let known = known.composite.as_struct().context("not a type of structures")?;
        let made = self.with_rooted(values, |store| store.new_struct(ty))?;
        for (value, (field, offset)) in values.iter().zip(known.fields_at()) {
            self.field_set(made, offset, field.storage, value.value)?;
        }
        Ok(made)
    }

    /// An exception with the tag `tag`, whose type has the number `ty`, carrying these values.
    ///
    /// # Errors
    ///
    /// If there is no room.
    pub(crate) fn exception_of(&mut self, ty: u32, tag: u32, values: &mut [TypedVal]) -> Result<u32> {
        let known = self.known_type(ty);
        let payload = known.composite.as_func().context("not a type of functions")?.params();
        let layout = StructLayout::of_exception(payload);
        let made = self.with_rooted(values, |store| store.new_exception(ty, tag))?;
        for ((value, ty), offset) in values.iter().zip(payload).zip(layout.offsets()) {
            self.field_set(made, *offset, StorageTy::Val(*ty), value.value)?;
        }
        Ok(made)
    }

    /// An array of the type with the number `ty`, of these values.
    ///
    /// # Errors
    ///
    /// If there is no room.
    pub(crate) fn array_of(&mut self, ty: u32, values: &mut [TypedVal]) -> Result<u32> {
        let storage = self.element_storage(ty)?;
        let length = u32::try_from(values.len()).context("an array of more than 2^32 elements")?;
        let made = self.with_rooted(values, |store| store.new_array(ty, length))?;
        for (at, value) in values.iter().enumerate() {
            self.field_set(made, array::element_offset(storage.into(), at as u32), storage, value.value)?;
        }
        Ok(made)
    }

    /// An array of the type with the number `ty`, of one value many times.
    ///
    /// # Errors
    ///
    /// If there is no room.
    pub(crate) fn array_filled(&mut self, ty: u32, value: TypedVal, length: u32) -> Result<u32> {
        let storage = self.element_storage(ty)?;
        let mut values = [value];
        let made = self.with_rooted(&mut values, |store| store.new_array(ty, length))?;
        if values[0].value != RawVal::default() {
            self.array_set_range(made, storage, 0, values[0].value, length)?;
        }
        Ok(made)
    }

    /// What the elements of a type of arrays hold.
    pub(crate) fn element_storage(&self, ty: u32) -> Result<StorageTy> {
        match &self.known_type(ty).composite {
            CompositeTy::Array(element) => Ok(element.storage),
            _ => anyhow::bail!("not a type of arrays"),
        }
    }

    /// Does `make`, during which a collection may move what `values` refer to.
    pub(super) fn with_rooted<R>(
        &mut self,
        values: &mut [TypedVal],
        make: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let mark = self.handles.mark();
        let handles: Vec<_> = values
            .iter()
            .map(|value| value.is_gc_ref.then(|| self.handles.push(value.value.0 as u32)))
            .collect();
        let made = make(self);
        for (value, handle) in values.iter_mut().zip(handles) {
            if let Some(moved) = handle.and_then(|(place, generation)| self.handles.get(place, generation)) {
                value.value = RawVal(moved.into());
            }
        }
        self.handles.leave(mark);
        made
    }

    /// The type that an object has, by the engine's number.
    ///
    /// # Errors
    ///
    /// If the reference leads nowhere: the heap is corrupt.
    pub(crate) fn object_type(&self, reference: u32) -> Result<u32> {
        Ok(self.heap_of_object()?.type_of(reference)?)
    }

    /// The number of the tag of an exception.
    ///
    /// # Errors
    ///
    /// If the reference leads nowhere: the heap is corrupt.
    pub(crate) fn exception_tag(&self, reference: u32) -> Result<u32> {
        let tag = self.heap_of_object()?.read(reference, object::EXCEPTION_TAG)?;
        Ok(u32::from_le_bytes(tag))
    }
}

/// A value, and whether it is a reference into the GC heap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TypedVal {
    pub(crate) value: RawVal,
    pub(crate) is_gc_ref: bool,
}
