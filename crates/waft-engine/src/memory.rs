//! Memories, as embedders hold them.

use crate::instance;
use crate::store::{AsContext, AsContextMut};
use crate::types::MemoryType;
use crate::vm::PartOf;
use anyhow::{Context as _, Result};
use std::fmt;
use waft_core::index::{DefinedMemoryIndex, MemoryIndex};
use waft_core::module::Shape;

/// A linear memory in a store.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
/// memory.write(&mut store, 10, b"waft")?;
/// assert_eq!(&memory.data(&store)[10..14], b"waft");
/// assert_eq!(memory.grow(&mut store, 2)?, 1);
/// assert_eq!(memory.size(&store), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Memory(PartOf<DefinedMemoryIndex>);

/// A host's access outside of a memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryAccessError {
    offset: usize,
    len: usize,
    size: usize,
}

impl fmt::Display for MemoryAccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes at {:#x} are outside of a memory of {:#x} bytes",
            self.len, self.offset, self.size
        )
    }
}

impl std::error::Error for MemoryAccessError {}

impl Memory {
    /// A zeroed memory that belongs to the host.
    ///
    /// # Errors
    ///
    /// If the type is impossible, or the store's limits or the machine do not allow it.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Self> {
        let mut shape = Shape::default();
        shape.memories.push(ty.0);
        let record = instance::synthetic(&mut store.as_context_mut(), shape)?;
        let store = store.as_context();
        Ok(Self(store.0.opaque.at(record).memory(MemoryIndex::from_u32(0))))
    }

    pub(crate) fn new_handle(part: PartOf<DefinedMemoryIndex>) -> Self {
        Self(part)
    }
    pub(crate) fn part(&self) -> PartOf<DefinedMemoryIndex> {
        self.0
    }

    /// Its type, with the size that it has now as the minimum.
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        let store = store.as_context();
        let memory = store.0.opaque.at(self.0.owner).memory_object(self.0.index);
        let mut ty = memory.ty();
        ty.limits.min = memory.pages();
        MemoryType(ty)
    }
    /// Its bytes.
    pub fn data<'a, T: 'static>(&self, store: impl Into<crate::StoreContext<'a, T>>) -> &'a [u8] {
        let store: crate::StoreContext<'a, T> = store.into();
        store.0.opaque.memory_bytes(self.0)
    }
    /// Its bytes, to be changed.
    pub fn data_mut<'a, T: 'static>(&self, store: impl Into<crate::StoreContextMut<'a, T>>) -> &'a mut [u8] {
        let store: crate::StoreContextMut<'a, T> = store.into();
        store.0.opaque.memory_bytes_mut(self.0)
    }
    /// Its bytes and the host's data, both to be changed.
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<crate::StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store: crate::StoreContextMut<'a, T> = store.into();
        (store.0.opaque.memory_bytes_mut(self.0), &mut store.0.host.data)
    }

    /// Copies bytes from `offset` on into `buffer`.
    ///
    /// # Errors
    ///
    /// If they are not all in the memory; nothing is copied then.
    pub fn read(
        &self,
        store: impl AsContext,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<(), MemoryAccessError> {
        let store = store.as_context();
        let bytes = store.0.opaque.memory_bytes(self.0);
        let error = MemoryAccessError { offset, len: buffer.len(), size: bytes.len() };
        let from = bytes.get(offset..).and_then(|rest| rest.get(..buffer.len())).ok_or(error)?;
        buffer.copy_from_slice(from);
        Ok(())
    }
    /// Copies `buffer` into the memory from `offset` on.
    ///
    /// # Errors
    ///
    /// If it does not fit; nothing is copied then.
    pub fn write(
        &self,
        mut store: impl AsContextMut,
        offset: usize,
        buffer: &[u8],
    ) -> Result<(), MemoryAccessError> {
        let store = store.as_context_mut();
        let bytes = store.0.opaque.memory_bytes_mut(self.0);
        let error = MemoryAccessError { offset, len: buffer.len(), size: bytes.len() };
        let to = bytes.get_mut(offset..).and_then(|rest| rest.get_mut(..buffer.len())).ok_or(error)?;
        to.copy_from_slice(buffer);
        Ok(())
    }

    /// Its size in bytes.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        store.as_context().0.opaque.at(self.0.owner).memory_object(self.0.index).bytes()
    }
    /// Its size in pages.
    pub fn size(&self, store: impl AsContext) -> u64 {
        store.as_context().0.opaque.at(self.0.owner).memory_object(self.0.index).pages()
    }
    /// Grows it by `delta` pages; the pages that it had before.
    ///
    /// # Errors
    ///
    /// If its type, the store's limits or the machine do not allow it.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let store = store.as_context_mut();
        let grown = store.0.opaque.memory_grow(self.0, delta)?;
        grown.with_context(|| format!("failed to grow a memory by {delta} pages"))
    }
}
