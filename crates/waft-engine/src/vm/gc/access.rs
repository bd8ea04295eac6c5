//! Fields and elements as the host reads and writes them.
//!
//! References and lengths come from the guest: an access outside what is accessible is an error, and what it finds inside is
//! no more than bytes.

use super::error::CorruptHeap;
use super::heap::GcHeap;
use super::state::VmGcState;
use waft_core::gc::row::RowHead;
use waft_core::gc::{NURSERY_END, object};

impl GcHeap {
    /// The type id of the object that `reference` is to.
    ///
    /// # Errors
    ///
    /// If it is to no place where an object can be, as null is.
    pub(crate) fn type_of(&self, reference: u32) -> Result<u32, CorruptHeap> {
        self.read(reference, object::TYPE).map(u32::from_le_bytes)
    }

    /// What the table of types says about the object that `reference` is to.
    ///
    /// # Errors
    ///
    /// As [`Self::type_of`], and if it has no type.
    pub(crate) fn head_of(&self, reference: u32) -> Result<RowHead, CorruptHeap> {
        let head = self.types.rows().head(self.type_of(reference)?);
        head.filter(|head| head.kind().is_some()).ok_or(CorruptHeap::Type)
    }

    /// The number of elements of an array.
    ///
    /// # Errors
    ///
    /// As [`Self::type_of`].
    pub(crate) fn array_length(&self, reference: u32) -> Result<u32, CorruptHeap> {
        self.read(reference, object::ARRAY_LENGTH).map(u32::from_le_bytes)
    }

    /// The bytes of a field, little-endian.
    ///
    /// # Errors
    ///
    /// As [`Self::type_of`].
    #[inline]
    pub(crate) fn read<const N: usize>(&self, reference: u32, offset: u32) -> Result<[u8; N], CorruptHeap> {
        let bytes = self.bytes(reference, offset, N)?;
        Ok(bytes.try_into().expect("so many bytes were asked for"))
    }

    /// Sets the bytes of a field that is no reference into the heap.
    ///
    /// # Errors
    ///
    /// As [`Self::type_of`].
    #[inline]
    pub(crate) fn write<const N: usize>(
        &mut self,
        reference: u32,
        offset: u32,
        value: [u8; N],
    ) -> Result<(), CorruptHeap> {
        self.bytes_mut(reference, offset, N)?.copy_from_slice(&value);
        Ok(())
    }

    /// Sets a field that is a reference into the heap.
    ///
    /// # Errors
    ///
    /// As [`Self::type_of`].
    pub(crate) fn write_ref(
        &mut self,
        state: &VmGcState,
        reference: u32,
        offset: u32,
        value: u32,
    ) -> Result<(), CorruptHeap> {
        self.write(reference, offset, value.to_le_bytes())?;
        if reference >= NURSERY_END {
            // The range was accessible, so the sum does not wrap.
            self.remembered.note(state, reference + offset, value);
        }
        Ok(())
    }

    /// `len` bytes of an object, `offset` bytes from its start.
    ///
    /// # Errors
    ///
    /// As [`Self::type_of`].
    #[inline]
    pub(crate) fn bytes(&self, reference: u32, offset: u32, len: usize) -> Result<&[u8], CorruptHeap> {
        let at = reference.checked_add(offset).ok_or(CorruptHeap::Reference)?;
        self.regions.bytes(at, len).ok_or(CorruptHeap::Reference)
    }

    /// The same, to be changed. Who writes references calls [`Self::remember_range`] afterwards.
    ///
    /// # Errors
    ///
    /// As [`Self::type_of`].
    #[inline]
    pub(crate) fn bytes_mut(
        &mut self,
        reference: u32,
        offset: u32,
        len: usize,
    ) -> Result<&mut [u8], CorruptHeap> {
        let at = reference.checked_add(offset).ok_or(CorruptHeap::Reference)?;
        self.regions.bytes_mut(at, len).ok_or(CorruptHeap::Reference)
    }

    /// Copies `len` bytes between places given by offsets from the base of the heap, which may overlap. Who copies references
    /// calls [`Self::remember_range`] afterwards.
    ///
    /// # Errors
    ///
    /// If there can be no objects in one of the places.
    pub(crate) fn copy_within(&mut self, dst: u32, src: u32, len: usize) -> Result<(), CorruptHeap> {
        if self.regions.copy_within(dst, src, len) { Ok(()) } else { Err(CorruptHeap::Reference) }
    }

    /// The write barrier for `count` references that were written from offset `first` of the heap on.
    ///
    /// # Errors
    ///
    /// If there can be no objects.
    pub(crate) fn remember_range(
        &mut self,
        state: &VmGcState,
        first: u32,
        count: u32,
    ) -> Result<(), CorruptHeap> {
        if first < NURSERY_END {
            return Ok(());
        }
        let slots = self.regions.bytes(first, count as usize * 4).ok_or(CorruptHeap::Reference)?;
        for (slot, value) in (first..).step_by(4).zip(slots.as_chunks().0) {
            self.remembered.note(state, slot, u32::from_le_bytes(*value));
        }
        Ok(())
    }
}
