//! New objects, as the host and the library calls make them.

use super::error::{CorruptHeap, GcError};
use super::externs::HostValue;
use super::heap::{GcHeap, GcHost};
use super::state::VmGcState;
use waft_core::gc::row::{EXTERN_BOX, RowHead};
use waft_core::gc::{LARGE_BYTES, object};

impl GcHeap {
    /// A new struct of type `ty`, all zero and null.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub(crate) fn new_struct(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        ty: u32,
    ) -> Result<u32, GcError> {
        let bytes = self.head(ty)?.fixed_bytes().ok_or(CorruptHeap::Type)?;
        let at = self.allocate(state, host, bytes)?;
        self.fill_new(at, bytes, ty, 0)?;
        Ok(at)
    }

    /// A new exception whose tag has the function type `ty` and the store's number `tag`, its payload zero and null.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub(crate) fn new_exception(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        ty: u32,
        tag: u32,
    ) -> Result<u32, GcError> {
        let at = self.new_struct(state, host, ty)?;
        self.write(at, object::EXCEPTION_TAG, tag.to_le_bytes())?;
        Ok(at)
    }

    /// A new array of type `ty` with `length` elements, all zero or null. What is larger than [`LARGE_BYTES`] is old from
    /// the start: references that are written to it must be remembered.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`], and if no heap has room for so many elements.
    pub(crate) fn new_array(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        ty: u32,
        length: u32,
    ) -> Result<u32, GcError> {
        let head = self.head(ty)?;
        head.array_bytes(0).ok_or(CorruptHeap::Type)?;
        let wanted = u64::from(object::ARRAY_ELEMENTS) + (u64::from(length) << head.size);
        let bytes = head.array_bytes(length).ok_or(GcError::OutOfMemory { wanted })?;
        let at = if bytes <= LARGE_BYTES {
            self.allocate(state, host, bytes)
        } else {
            self.allocate_old(state, host, bytes)
        }?;
        self.fill_new(at, bytes, ty, length)?;
        Ok(at)
    }

    /// A new extern box.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub(crate) fn new_extern(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        value: HostValue,
    ) -> Result<u32, GcError> {
        let at = self.allocate(state, host, object::EXTERN_BYTES)?;
        let index = self.externs.insert(value, at);
        self.fill_new(at, object::EXTERN_BYTES, EXTERN_BOX, index)?;
        Ok(at)
    }

    /// The host value in an extern box; `None` if the reference is not to one.
    pub(crate) fn extern_value(&self, reference: u32) -> Option<&HostValue> {
        let is_box = self.type_of(reference).ok()? == EXTERN_BOX;
        let index = self.read(reference, object::EXTERN_INDEX).ok().map(u32::from_le_bytes)?;
        self.externs.get(index).filter(|_| is_box)
    }

    fn head(&self, ty: u32) -> Result<RowHead, CorruptHeap> {
        self.types.rows().head(ty).filter(|head| head.kind().is_some()).ok_or(CorruptHeap::Type)
    }

    /// Writes the first two words of a new object and zeroes the rest.
    fn fill_new(&mut self, at: u32, bytes: u32, ty: u32, second: u32) -> Result<(), CorruptHeap> {
        let object = self.regions.bytes_mut(at, bytes as usize).ok_or(CorruptHeap::Reference)?;
        let (header, rest) = object.split_at_mut(4);
        let (word, rest) = rest.split_at_mut(4);
        header.copy_from_slice(&ty.to_le_bytes());
        word.copy_from_slice(&second.to_le_bytes());
        rest.fill(0);
        Ok(())
    }
}
