//! What library calls do to arrays of the GC heap. Each traps as the specification says, by an error.

use super::context::StorePtr;
use super::instance::InstanceRecord;
use super::raw::RawVal;
use super::store::StoreOpaque;
use anyhow::{Result, ensure};
use waft_core::gc::row::RowHead;
use waft_core::gc::{FieldType, array, object};
use waft_core::index::{DataIndex, ElemIndex};
use waft_core::trap::TrapCode;
use waft_core::types::StorageTy;

/// A range of an array that was checked against its length.
#[derive(Clone, Copy)]
struct ArrayRange {
    array: u32,
    head: RowHead,
    /// The first element, from the start of the array.
    offset: u32,
    bytes: usize,
}

impl ArrayRange {
    fn start(&self) -> u32 {
        self.array + self.offset
    }
    fn holds_refs(&self) -> bool {
        self.head.refs() == waft_core::gc::row::Refs::Elements
    }
}

impl StoreOpaque {
    /// `length` elements of an array from `at` on.
    ///
    /// # Errors
    ///
    /// If the array is null or has not so many.
    fn array_range(&self, array: u32, at: u32, length: u32) -> Result<ArrayRange> {
        ensure!(array != 0, TrapCode::NullReference);
        let heap = self.heap_of_object()?;
        let head = heap.head_of(array)?;
        let has = heap.array_length(array)?;
        ensure!(u64::from(at) + u64::from(length) <= u64::from(has), TrapCode::ArrayOutOfBounds);
        // An array of a length that no array can have is a corrupt one.
        let whole = head.array_bytes(has).ok_or(super::gc::CorruptHeap::Size)?;
        let offset = object::ARRAY_ELEMENTS + (at << head.size);
        debug_assert!(offset <= whole);
        Ok(ArrayRange { array, head, offset, bytes: (length as usize) << head.size })
    }

    /// The length of an array.
    ///
    /// # Errors
    ///
    /// If the reference leads nowhere: the heap is corrupt.
    pub(crate) fn array_length(&self, array: u32) -> Result<u32> {
        Ok(self.heap_of_object()?.array_length(array)?)
    }

    /// Checks that all elements of an array can be read.
    ///
    /// # Errors
    ///
    /// If they cannot: the heap is corrupt.
    pub(crate) fn check_array(&self, array: u32) -> Result<()> {
        let range = self.array_range(array, 0, self.array_length(array)?)?;
        self.heap_of_object()?.bytes(array, range.offset, range.bytes)?;
        Ok(())
    }

    /// Sets elements to one value.
    pub(crate) fn array_set_range(
        &mut self,
        array: u32,
        storage: StorageTy,
        at: u32,
        value: RawVal,
        length: u32,
    ) -> Result<()> {
        let element = FieldType::from(storage);
        let bits = match element {
            FieldType::FuncRef => {
                u128::from(self.func_of(value.as_ref()).map_or(0, |func| self.func_number(func)))
            }
            _ => value.0,
        };
        self.array_fill(array, at, bits, length)
    }

    /// `array.fill`, with the bits of the value as the heap holds it.
    ///
    /// # Errors
    ///
    /// If the array is null or the range outside of it.
    pub(super) fn array_fill(&mut self, array: u32, at: u32, bits: u128, length: u32) -> Result<()> {
        let range = self.array_range(array, at, length)?;
        let (heap, state) = self.heap_mut()?;
        let bytes = heap.bytes_mut(range.array, range.offset, range.bytes)?;
        let pattern = bits.to_le_bytes();
        let pattern = &pattern[..1 << range.head.size];
        if pattern.iter().all(|byte| *byte == pattern[0]) {
            bytes.fill(pattern[0]);
        } else {
            bytes.chunks_exact_mut(pattern.len()).for_each(|element| element.copy_from_slice(pattern));
        }
        if range.holds_refs() {
            heap.remember_range(state, range.start(), length)?;
        }
        Ok(())
    }

    /// `array.copy`.
    ///
    /// # Errors
    ///
    /// If an array is null or a range outside of it.
    pub(crate) fn array_copy(&mut self, dst: (u32, u32), src: (u32, u32), length: u32) -> Result<()> {
        let to = self.array_range(dst.0, dst.1, length)?;
        let from = self.array_range(src.0, src.1, length)?;
        // Validation makes both arrays hold the same; a header that says otherwise was not written by a guest.
        if to.bytes != from.bytes {
            return Err(super::gc::CorruptHeap::Type.into());
        }
        let (heap, state) = self.heap_mut()?;
        heap.copy_within(to.start(), from.start(), to.bytes)?;
        if to.holds_refs() {
            heap.remember_range(state, to.start(), length)?;
        }
        Ok(())
    }

    /// `array.new_data`.
    ///
    /// # Errors
    ///
    /// If the range is outside of the segment, or there is no room.
    pub(super) fn array_new_data(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        ty: u32,
        data: DataIndex,
        start: u32,
        length: u32,
    ) -> Result<u32> {
        let element = FieldType::from(self.element_storage(ty)?);
        let bytes = u64::from(length) << element.log2_bytes();
        ensure!(
            u64::from(start) + bytes <= self.at(instance).data(data).len() as u64,
            TrapCode::MemoryOutOfBounds
        );
        let array = self.new_array(ty, length)?;
        self.array_init_data(instance, array, 0, data, start, length)?;
        Ok(array)
    }

    /// `array.init_data`.
    ///
    /// # Errors
    ///
    /// If the array is null or a range outside of what it is in.
    pub(super) fn array_init_data(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        array: u32,
        at: u32,
        data: DataIndex,
        src: u32,
        length: u32,
    ) -> Result<()> {
        let range = self.array_range(array, at, length)?;
        let record = self.at(instance);
        let module = record.module().clone();
        let segment = record.data_of(&module, data);
        let from = segment.get(src as usize..).and_then(|rest| rest.get(..range.bytes));
        let from = from.ok_or(TrapCode::MemoryOutOfBounds)?;
        let (heap, _) = self.heap_mut()?;
        heap.bytes_mut(range.array, range.offset, range.bytes)?.copy_from_slice(from);
        Ok(())
    }

    /// `array.new_elem`.
    ///
    /// # Errors
    ///
    /// If the range is outside of the segment, or there is no room.
    pub(super) fn array_new_elem(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        ty: u32,
        elem: ElemIndex,
        start: u32,
        length: u32,
    ) -> Result<u32> {
        ensure!(
            u64::from(start) + u64::from(length) <= self.elem_len(instance, elem) as u64,
            TrapCode::TableOutOfBounds
        );
        let array = self.new_array(ty, length)?;
        self.array_init_elem(instance, array, 0, elem, start, length)?;
        Ok(array)
    }

    /// `array.init_elem`.
    ///
    /// # Errors
    ///
    /// If the array is null or a range outside of what it is in.
    pub(super) fn array_init_elem(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        array: u32,
        at: u32,
        elem: ElemIndex,
        src: u32,
        length: u32,
    ) -> Result<()> {
        self.array_range(array, at, length)?;
        ensure!(
            u64::from(src) + u64::from(length) <= self.elem_len(instance, elem) as u64,
            TrapCode::TableOutOfBounds
        );
        let ty = self.type_of_object(self.object_type(array)?)?;
        let storage = ty.composite.as_array().ok_or(super::gc::CorruptHeap::Type)?.storage;
        for index in 0..length {
            let value = self.elem_value(instance, elem, (src + index) as usize);
            self.field_set(
                array,
                array::element_offset(storage.into(), at + index),
                storage,
                value.as_val(),
            )?;
        }
        Ok(())
    }

    /// The write barrier for slots that compiled code wrote.
    pub(super) fn gc_remember(&mut self, first: u32, count: u32) -> Result<()> {
        let (heap, state) = self.heap_mut()?;
        Ok(heap.remember_range(state, first, count)?)
    }
}
