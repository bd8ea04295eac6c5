//! Memories, as embedders hold them.

use crate::instance;
use crate::store::{AsContext, AsContextMut};
use crate::types::MemoryType;
use crate::vm::PartOf;
use anyhow::{Context as _, Result};
use std::fmt;
use waft_core::index::{DefinedMemoryIndex, MemoryIndex};
use waft_core::module::Shape;

/// A linear memory in a store, which alone uses it: one that is shared is a [`SharedMemory`](crate::SharedMemory).
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
/// assert_eq!((memory.size(&store), memory.data_size(&store)), (3, 3 * 65_536));
/// assert_eq!(memory.ty(&store).minimum(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Memory(PartOf<DefinedMemoryIndex>);

/// A host's access outside of a memory.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
/// let error: MemoryAccessError = memory.write(&mut store, 0xffff, b"hi").unwrap_err();
/// assert_eq!(error.to_string(), "2 bytes at 0xffff are outside of a memory of 0x10000 bytes");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryAccessError {
    offset: usize,
    len: usize,
    size: usize,
}

impl MemoryAccessError {
    pub(crate) const fn new(offset: usize, len: usize, size: usize) -> Self {
        Self { offset, len, size }
    }
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
    /// If the type is impossible or that of a shared memory, or the store's limits or the machine do not allow it.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// let mut linker = Linker::new(&engine);
    /// linker.define(&store, "env", "memory", memory)?;
    /// assert!(Memory::new(&mut store, MemoryType::new(2, Some(1))).is_err());
    /// # Ok::<(), Error>(())
    /// ```
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
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// # let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// memory.data_mut(&mut store)[..3].fill(7);
    /// assert_eq!(memory.data(&store)[..4], [7, 7, 7, 0]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn data_mut<'a, T: 'static>(&self, store: impl Into<crate::StoreContextMut<'a, T>>) -> &'a mut [u8] {
        let store: crate::StoreContextMut<'a, T> = store.into();
        store.0.opaque.memory_bytes_mut(self.0)
    }
    /// Its bytes and the host's data, both to be changed.
    ///
    /// ```
    /// # use waft::*;
    /// let mut store = Store::new(&Engine::default(), Vec::new());
    /// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// memory.write(&mut store, 0, b"log me")?;
    /// let (bytes, log) = memory.data_and_store_mut(&mut store);
    /// log.extend_from_slice(&bytes[..6]);
    /// assert_eq!(store.data(), b"log me");
    /// # Ok::<(), Error>(())
    /// ```
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
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// # let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// memory.data_mut(&mut store)[8] = 1;
    /// let mut number = [0; 4];
    /// memory.read(&store, 8, &mut number)?;
    /// assert_eq!(u32::from_le_bytes(number), 1);
    /// assert!(memory.read(&store, 65_533, &mut number).is_err());
    /// # Ok::<(), Error>(())
    /// ```
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
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// # let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// memory.write(&mut store, 8, &1_u32.to_le_bytes())?;
    /// assert_eq!(memory.data(&store)[8..12], [1, 0, 0, 0]);
    /// assert!(memory.write(&mut store, usize::MAX, b"far away").is_err());
    /// # Ok::<(), Error>(())
    /// ```
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
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let memory = Memory::new(&mut store, MemoryType::new(1, Some(3)))?;
    /// assert_eq!(memory.grow(&mut store, 2)?, 1);
    /// assert_eq!(memory.size(&store), 3);
    /// assert!(memory.grow(&mut store, 1).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let store = store.as_context_mut();
        let grown = store.0.opaque.memory_grow(self.0, delta)?;
        grown.with_context(|| format!("failed to grow a memory by {delta} pages"))
    }
}
