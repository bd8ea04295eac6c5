//! What a host lets its guests grow to.

use anyhow::Result;
use waft_core::limits::TABLE_ELEMENTS_MAX;
use waft_core::types::{MemoryTy, TableTy};

/// Decides about growth as it is asked for. Installed by [`Store::limiter`](crate::Store::limiter).
///
/// Sizes of memories are in bytes, those of tables in elements.
///
/// ```
/// use waft::*;
///
/// /// So many bytes for all memories of a store together.
/// struct Budget(usize);
/// impl ResourceLimiter for Budget {
///     fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
///         let left = self.0.checked_sub(desired - current);
///         self.0 = left.unwrap_or(self.0);
///         Ok(left.is_some())
///     }
///     fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
///         Ok(desired <= 1_000)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), Budget(3 * 65_536));
/// store.limiter(|budget| budget);
/// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
/// assert!(memory.grow(&mut store, 3).is_err());
/// assert_eq!(memory.grow(&mut store, 2)?, 1);
/// # Ok(())
/// # }
/// ```
pub trait ResourceLimiter: Send {
    /// Whether a memory may grow from `current` to `desired`; `maximum` is what its type declares.
    ///
    /// A store's GC heap is one more memory, without a maximum: it is asked for when the first object is
    /// made. Its bytes are all that the heap may come to use: the nursery and
    /// both halves that collections copy between, so about twice what is alive, and 768 KiB at the least. Where it may not
    /// grow it collects, and makes do with a smaller nursery; if that leaves no room either, the guest traps with
    /// [`Trap::AllocationTooLarge`](crate::Trap), or with the error that was returned last.
    ///
    /// It is asked again if the memory is shared and another thread grew it before this one could.
    ///
    /// # Errors
    ///
    /// An error is raised as a trap instead of letting `memory.grow` answer -1.
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool>;

    /// Hears that growth which was allowed did not happen.
    ///
    /// # Errors
    ///
    /// An error is raised as a trap.
    fn memory_grow_failed(&mut self, error: anyhow::Error) -> Result<()> {
        drop(error);
        Ok(())
    }

    /// Whether a table may grow from `current` to `desired`; `maximum` is what its type declares.
    ///
    /// # Errors
    ///
    /// As for memories.
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool>;

    /// Hears that growth which was allowed did not happen.
    ///
    /// # Errors
    ///
    /// An error is raised as a trap.
    fn table_grow_failed(&mut self, error: anyhow::Error) -> Result<()> {
        drop(error);
        Ok(())
    }

    /// How many instances the store may have.
    fn instances(&self) -> usize {
        10_000
    }
    /// How many tables the store may have.
    fn tables(&self) -> usize {
        10_000
    }
    /// How many memories the store may have.
    fn memories(&self) -> usize {
        10_000
    }
}

/// A [`ResourceLimiter`] of fixed limits.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let limits = StoreLimitsBuilder::new().memory_size(1 << 20).build();
/// let mut store = Store::new(&engine, limits);
/// store.limiter(|limits| limits);
/// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
/// assert!(memory.grow(&mut store, 100).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StoreLimits {
    memory_size: Option<usize>,
    table_elements: Option<usize>,
    instances: usize,
    tables: usize,
    memories: usize,
    trap_on_grow_failure: bool,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            memory_size: None,
            table_elements: None,
            instances: 10_000,
            tables: 10_000,
            memories: 10_000,
            trap_on_grow_failure: false,
        }
    }
}

/// Builds [`StoreLimits`].
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let limits = StoreLimitsBuilder::new().memory_size(1 << 20).table_elements(10).instances(9).tables(1).memories(2);
/// let mut store = Store::new(&Engine::default(), limits.build());
/// store.limiter(|limits| limits);
/// let too_long = TableType::new(RefType::FUNCREF, 11, None);
/// assert!(Table::new(&mut store, too_long, Ref::Func(None)).is_err());
/// Table::new(&mut store, TableType::new(RefType::FUNCREF, 10, None), Ref::Func(None))?;
/// assert!(Table::new(&mut store, TableType::new(RefType::FUNCREF, 1, None), Ref::Func(None)).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct StoreLimitsBuilder(StoreLimits);

impl StoreLimitsBuilder {
    /// The default limits: no memory and no table has one of its own.
    pub fn new() -> Self {
        Self::default()
    }
    /// Bytes that each memory may have, and the store's GC heap.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let module = Module::new(&engine, r#"(module (type $t (array (mut i64)))
    /// #     (func (export "make") (param i32) (drop (array.new_default $t (local.get 0)))))"#)?;
    /// let limits = StoreLimitsBuilder::new().memory_size(4 << 20).build();
    /// let mut store = Store::new(&engine, limits);
    /// store.limiter(|limits| limits);
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let make = instance.get_typed_func::<i32, ()>(&mut store, "make")?;
    /// make.call(&mut store, 10_000)?;
    /// let error = make.call(&mut store, 1_000_000).unwrap_err();
    /// assert_eq!(error.downcast_ref(), Some(&Trap::AllocationTooLarge));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn memory_size(mut self, bytes: usize) -> Self {
        self.0.memory_size = Some(bytes);
        self
    }
    /// Elements that each table may have.
    pub fn table_elements(mut self, elements: usize) -> Self {
        self.0.table_elements = Some(elements);
        self
    }
    /// Instances that the store may have.
    pub fn instances(mut self, count: usize) -> Self {
        self.0.instances = count;
        self
    }
    /// Tables that the store may have.
    pub fn tables(mut self, count: usize) -> Self {
        self.0.tables = count;
        self
    }
    /// Memories that the store may have.
    pub fn memories(mut self, count: usize) -> Self {
        self.0.memories = count;
        self
    }
    /// Whether refused growth is a trap instead of the guest's -1.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let module = Module::new(&engine, r#"(module (memory 1)
    /// #     (func (export "grow") (result i32) (memory.grow (i32.const 9))))"#)?;
    /// for trap in [false, true] {
    ///     let limits = StoreLimitsBuilder::new().memory_size(65_536).trap_on_grow_failure(trap).build();
    ///     let mut store = Store::new(&engine, limits);
    ///     store.limiter(|limits| limits);
    ///     let instance = Instance::new(&mut store, &module, &[])?;
    ///     let grow = instance.get_typed_func::<(), i32>(&mut store, "grow")?;
    ///     assert_eq!(grow.call(&mut store, ()).ok(), if trap { None } else { Some(-1) });
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn trap_on_grow_failure(mut self, trap: bool) -> Self {
        self.0.trap_on_grow_failure = trap;
        self
    }
    /// The limits.
    pub fn build(self) -> StoreLimits {
        self.0
    }
}

impl StoreLimits {
    fn within(&self, noun: &str, desired: usize, limit: Option<usize>) -> Result<bool> {
        let within = limit.is_none_or(|limit| desired <= limit);
        if !within && self.trap_on_grow_failure {
            anyhow::bail!(
                "forcing a trap: a {noun} of {desired} exceeds the limit of {}",
                limit.unwrap_or_default()
            );
        }
        Ok(within)
    }

    fn failed(&self, error: anyhow::Error) -> Result<()> {
        if self.trap_on_grow_failure { Err(error.context("forcing a trap: growth failed")) } else { Ok(()) }
    }
}

impl ResourceLimiter for StoreLimits {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        self.within("memory size in bytes", desired, self.memory_size)
    }
    fn memory_grow_failed(&mut self, error: anyhow::Error) -> Result<()> {
        self.failed(error)
    }
    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        self.within("table size in elements", desired, self.table_elements)
    }
    fn table_grow_failed(&mut self, error: anyhow::Error) -> Result<()> {
        self.failed(error)
    }
    fn instances(&self) -> usize {
        self.instances
    }
    fn tables(&self) -> usize {
        self.tables
    }
    fn memories(&self) -> usize {
        self.memories
    }
}

/// One wish to grow, as a limiter hears of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GrowthRequest {
    noun: Noun,
    current: usize,
    desired: usize,
    maximum: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Noun {
    Memory,
    Table,
}

impl GrowthRequest {
    /// A memory's, in pages.
    pub(crate) fn memory(ty: MemoryTy, current: u64, desired: u64) -> Self {
        let bytes = |pages: u64| ty.bytes(pages) as usize;
        let maximum = ty.limits.max.map(bytes);
        Self { noun: Noun::Memory, current: bytes(current), desired: bytes(desired), maximum }
    }
    /// The GC heap's, in bytes: to a limiter it is one more memory.
    pub(crate) fn heap(current: usize, desired: usize) -> Self {
        Self { noun: Noun::Memory, current, desired, maximum: None }
    }
    /// A table's, in elements.
    pub(crate) fn table(ty: TableTy, current: u64, desired: u64) -> Self {
        let elements = |count: u64| count as usize;
        let maximum = ty.limits.max.map(elements);
        Self { noun: Noun::Table, current: elements(current), desired: elements(desired), maximum }
    }
}

/// The host half of a store, as the engine asks it about limits.
pub(crate) trait HostLimits {
    fn may_grow(&mut self, request: GrowthRequest) -> Result<bool>;
    fn grow_failed(&mut self, request: GrowthRequest, error: anyhow::Error) -> Result<()>;
    /// Instances, memories and tables that the store may have.
    fn count_limits(&mut self) -> [usize; 3];
}

/// The limits of `limiter`, or none where there is none.
pub(crate) fn may_grow(limiter: Option<&mut dyn ResourceLimiter>, request: GrowthRequest) -> Result<bool> {
    let GrowthRequest { noun, current, desired, maximum } = request;
    match (limiter, noun) {
        (None, Noun::Memory) => Ok(true),
        (None, Noun::Table) => Ok(desired as u64 <= TABLE_ELEMENTS_MAX),
        (Some(limiter), Noun::Memory) => limiter.memory_growing(current, desired, maximum),
        (Some(limiter), Noun::Table) => limiter.table_growing(current, desired, maximum),
    }
}

/// Tells `limiter` of failed growth.
pub(crate) fn grow_failed(
    limiter: Option<&mut dyn ResourceLimiter>,
    request: GrowthRequest,
    error: anyhow::Error,
) -> Result<()> {
    match (limiter, request.noun) {
        (None, _) => Ok(()),
        (Some(limiter), Noun::Memory) => limiter.memory_grow_failed(error),
        (Some(limiter), Noun::Table) => limiter.table_grow_failed(error),
    }
}
