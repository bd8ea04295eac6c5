//! Shared memories, as embedders hold them.

use crate::engine::Engine;
use crate::memory::MemoryAccessError;
use crate::types::{MemoryType, check_memory};
use crate::vm::{Expected, SharedMemoryObject, Waited};
use anyhow::{Context as _, Result, ensure};
use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use waft_core::trap::TrapCode;

/// A memory that instances in many stores of an engine use at once, each on a thread of its own. Cheap to clone.
///
/// It belongs to no store: it lives as long as a handle or an instance uses it. What is in it is for threads to agree
/// on, so its bytes can be copied ([`Self::read`], [`Self::write`]) and looked at as cells, but not borrowed. WASI and
/// [`Caller::guest_memory`](crate::Caller::guest_memory) borrow a guest's memory, and so refuse one that is shared.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let memory = SharedMemory::new(&engine, MemoryType::shared(1, 1))?;
/// let module = Module::new(&engine, r#"(module
///     (memory (import "env" "memory") 1 1 shared)
///     (func (export "count") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))"#)?;
/// std::thread::scope(|scope| {
///     let count = || -> Result<()> {
///         let mut store = Store::new(&engine, ());
///         let instance = Instance::new(&mut store, &module, &[memory.clone().into()])?;
///         instance.get_typed_func::<(), ()>(&mut store, "count")?.call(&mut store, ())
///     };
///     let threads = [(); 4].map(|()| scope.spawn(count));
///     threads.into_iter().try_for_each(|thread| thread.join().unwrap())
/// })?;
/// let mut total = [0; 4];
/// memory.read(0, &mut total)?;
/// assert_eq!(u32::from_le_bytes(total), 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SharedMemory {
    engine: Engine,
    object: Arc<SharedMemoryObject>,
}

/// How a wait on a [`SharedMemory`] ended.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 1))?;
/// assert_eq!(memory.atomic_wait32(0, 1, None)?, WaitResult::Mismatch);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitResult {
    /// Somebody notified the waiter: 0 to guests.
    Ok = 0,
    /// The memory did not hold what was expected: 1 to guests.
    Mismatch = 1,
    /// Nobody did before the time was over: 2 to guests.
    TimedOut = 2,
}

impl SharedMemory {
    /// A zeroed shared memory, for stores of `engine`.
    ///
    /// # Errors
    ///
    /// If the type is impossible or not that of a shared memory, or the machine has no room for it.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::default();
    /// SharedMemory::new(&engine, MemoryType::shared(1, 2))?;
    /// assert!(SharedMemory::new(&engine, MemoryType::new(1, Some(2))).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(engine: &Engine, ty: MemoryType) -> Result<Self> {
        ensure!(ty.is_shared(), "the type {ty} is not that of a shared memory");
        check_memory(&ty.0)?;
        let object = SharedMemoryObject::new(ty.0, engine.config())?;
        Ok(Self::from_object(engine, Arc::new(object)))
    }

    pub(crate) fn from_object(engine: &Engine, object: Arc<SharedMemoryObject>) -> Self {
        Self { engine: engine.clone(), object }
    }
    pub(crate) fn object(&self) -> &Arc<SharedMemoryObject> {
        &self.object
    }
    /// Whether stores of `engine` may use it: code of another one might expect another layout of address space.
    pub(crate) fn is_of(&self, engine: &Engine) -> bool {
        Engine::same(&self.engine, engine)
    }

    /// Its type, with the size that it has now as the minimum.
    pub fn ty(&self) -> MemoryType {
        let mut ty = self.object.ty();
        ty.limits.min = self.size();
        MemoryType(ty)
    }
    /// Its size in pages, now.
    pub fn size(&self) -> u64 {
        self.object.pages()
    }
    /// Bytes in a page.
    pub fn page_size(&self) -> u64 {
        self.object.ty().page_bytes()
    }
    /// Its size in bytes, now.
    pub fn data_size(&self) -> usize {
        self.object.bytes()
    }
    /// Its bytes. They may change at any time, so that looking at them takes `unsafe` code; [`Self::read`] and
    /// [`Self::write`] take none.
    ///
    /// ```
    /// # use waft::*;
    /// # let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 1))?;
    /// memory.write(9, &[7])?;
    /// let cell = memory.data()[9].get();
    /// // SAFETY: the byte is there as long as the memory, and nothing but atomics accesses it here.
    /// let byte = unsafe { std::sync::atomic::AtomicU8::from_ptr(cell) };
    /// assert_eq!(byte.load(std::sync::atomic::Ordering::SeqCst), 7);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn data(&self) -> &[UnsafeCell<u8>] {
        self.object.cells()
    }

    /// Grows it by `delta` pages, for everybody; the pages that it had before. No store's limiter is asked: a guest that
    /// grows it asks that of its own.
    ///
    /// # Errors
    ///
    /// If its type or the machine does not allow it.
    ///
    /// ```
    /// # use waft::*;
    /// let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 3))?;
    /// assert_eq!(memory.grow(2)?, 1);
    /// assert_eq!(memory.data_size(), 3 * 65_536);
    /// assert!(memory.grow(1).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn grow(&self, delta: u64) -> Result<u64> {
        loop {
            let before = self.size();
            let max = self.object.ty().limits.max.unwrap_or_default();
            let after = before.checked_add(delta).filter(|after| *after <= max);
            let after = after.with_context(|| format!("failed to grow a memory by {delta} pages"))?;
            if self.object.grow(before, after)? {
                return Ok(before);
            }
        }
    }

    /// Copies bytes from `offset` on into `buffer`. If others write them meanwhile, each byte is an old or a new one.
    ///
    /// # Errors
    ///
    /// If they are not all in the memory; nothing is copied then.
    ///
    /// ```
    /// # use waft::*;
    /// # let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 1))?;
    /// memory.write(10, b"waft")?;
    /// let mut text = [0; 4];
    /// memory.read(10, &mut text)?;
    /// assert_eq!(&text, b"waft");
    /// assert!(memory.read(65_533, &mut text).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn read(&self, offset: usize, buffer: &mut [u8]) -> Result<(), MemoryAccessError> {
        let len = buffer.len();
        let read = self.object.read(offset as u64, buffer);
        if read { Ok(()) } else { Err(MemoryAccessError::new(offset, len, self.data_size())) }
    }
    /// Copies `buffer` into the memory from `offset` on.
    ///
    /// # Errors
    ///
    /// If it does not fit; nothing is copied then.
    ///
    /// ```
    /// # use waft::*;
    /// # let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 1))?;
    /// memory.write(65_532, b"waft")?;
    /// assert!(memory.write(65_533, b"waft").is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn write(&self, offset: usize, buffer: &[u8]) -> Result<(), MemoryAccessError> {
        let written = self.object.write(offset as u64, buffer);
        if written { Ok(()) } else { Err(MemoryAccessError::new(offset, buffer.len(), self.data_size())) }
    }

    /// Wakes up to `count` threads, of guests or the host, that wait at `addr`; how many there were.
    ///
    /// # Errors
    ///
    /// If the address is outside of the memory or not a multiple of 4.
    ///
    /// ```
    /// # use waft::*;
    /// # let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 1))?;
    /// assert_eq!(memory.atomic_notify(8, u32::MAX)?, 0);
    /// assert_eq!(memory.atomic_notify(2, 1), Err(Trap::HeapMisaligned));
    /// assert_eq!(memory.atomic_notify(65_536, 1), Err(Trap::MemoryOutOfBounds));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn atomic_notify(&self, addr: u64, count: u32) -> Result<u32, TrapCode> {
        self.object.notify(addr, count)
    }
    /// Waits to be notified at `addr`, if the 32 bits there are `expected`; for ever if there is no `timeout`.
    ///
    /// # Errors
    ///
    /// If the address is outside of the memory or not a multiple of 4.
    ///
    /// ```
    /// # use waft::*;
    /// # use std::time::Duration;
    /// # let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 1))?;
    /// assert_eq!(memory.atomic_wait32(8, 0, Some(Duration::from_millis(1)))?, WaitResult::TimedOut);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn atomic_wait32(
        &self,
        addr: u64,
        expected: u32,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, TrapCode> {
        self.wait(addr, Expected::I32(expected), timeout)
    }
    /// The same with 64 bits.
    ///
    /// # Errors
    ///
    /// If the address is outside of the memory or not a multiple of 8.
    ///
    /// ```
    /// # use waft::*;
    /// # let memory = SharedMemory::new(&Engine::default(), MemoryType::shared(1, 1))?;
    /// assert_eq!(memory.atomic_wait64(8, 1 << 40, None)?, WaitResult::Mismatch);
    /// assert_eq!(memory.atomic_wait64(4, 0, None), Err(Trap::HeapMisaligned));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn atomic_wait64(
        &self,
        addr: u64,
        expected: u64,
        timeout: Option<Duration>,
    ) -> Result<WaitResult, TrapCode> {
        self.wait(addr, Expected::I64(expected), timeout)
    }

    fn wait(&self, addr: u64, expected: Expected, timeout: Option<Duration>) -> Result<WaitResult, TrapCode> {
        match self.object.wait(addr, expected, timeout, || false)? {
            Waited::Notified => Ok(WaitResult::Ok),
            Waited::Mismatch => Ok(WaitResult::Mismatch),
            Waited::TimedOut => Ok(WaitResult::TimedOut),
            Waited::Stopped => unreachable!("nobody asks a waiting host to stop"),
        }
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedMemory").field(&self.ty().to_string()).finish()
    }
}
