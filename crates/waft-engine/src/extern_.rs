//! What can be imported and exported.

use crate::func::Func;
use crate::global::Global;
use crate::instance;
use crate::memory::Memory;
use crate::shared_memory::SharedMemory;
use crate::store::AsContext;
use crate::table::Table;
use crate::tag::Tag;
use crate::types::{ExternType, FuncType, GlobalType, MemoryType, TableType, TagType};
use crate::vm::{Binding, InstanceRecord, StoreId, StoreOpaque};
use anyhow::Result;
use waft_core::module::EntityIndex;

/// Something that an instance or the host offers.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let memory: Extern = Memory::new(&mut store, MemoryType::new(1, None))?.into();
/// assert_eq!(memory.ty(&store).to_string(), "(memory 1)");
/// assert!(memory.clone().into_memory().is_some());
/// assert!(memory.clone().into_func().is_none());
/// assert!(memory.clone().into_table().is_none());
/// assert!(memory.into_global().is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A global.
    Global(Global),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// A memory that other stores may use as well.
    SharedMemory(SharedMemory),
    /// A tag of exceptions.
    Tag(Tag),
}

impl Extern {
    /// The function, if it is one.
    pub fn into_func(self) -> Option<Func> {
        if let Self::Func(func) = self { Some(func) } else { None }
    }
    /// The global, if it is one.
    pub fn into_global(self) -> Option<Global> {
        if let Self::Global(global) = self { Some(global) } else { None }
    }
    /// The table, if it is one.
    pub fn into_table(self) -> Option<Table> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }
    /// The memory, if it is one that is not shared.
    pub fn into_memory(self) -> Option<Memory> {
        if let Self::Memory(memory) = self { Some(memory) } else { None }
    }
    /// The memory, if it is one that is shared.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let memory = Extern::from(SharedMemory::new(&engine, MemoryType::shared(1, 2))?);
    /// assert!(memory.clone().into_memory().is_none());
    /// assert_eq!(memory.into_shared_memory().unwrap().size(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn into_shared_memory(self) -> Option<SharedMemory> {
        if let Self::SharedMemory(memory) = self { Some(memory) } else { None }
    }
    /// The tag, if it is one.
    pub fn into_tag(self) -> Option<Tag> {
        if let Self::Tag(tag) = self { Some(tag) } else { None }
    }
    /// Its type; of memories and tables, with the size that they have now as the minimum.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let memory = Memory::new(&mut store, MemoryType::new(1, Some(4)))?;
    /// memory.grow(&mut store, 2)?;
    /// assert_eq!(Extern::from(memory).ty(&store).to_string(), "(memory 3 4)");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        match self {
            Self::Func(func) => ExternType::Func(func.ty(store)),
            Self::Global(global) => ExternType::Global(global.ty(store)),
            Self::Table(table) => ExternType::Table(table.ty(store)),
            Self::Memory(memory) => ExternType::Memory(memory.ty(store)),
            Self::SharedMemory(memory) => ExternType::Memory(memory.ty()),
            Self::Tag(tag) => ExternType::Tag(tag.ty(store)),
        }
    }

    pub(crate) fn of(instance: &InstanceRecord, entity: EntityIndex) -> Option<Self> {
        Some(match entity {
            EntityIndex::Func(func) => Self::Func(Func::new_handle(instance.func_ref(func)?)),
            EntityIndex::Table(table) => Self::Table(Table::new_handle(instance.table(table))),
            EntityIndex::Memory(memory) => match instance.shared_memory(memory) {
                Some(shared) => {
                    Self::SharedMemory(SharedMemory::from_object(instance.module().engine(), shared))
                }
                None => Self::Memory(Memory::new_handle(instance.memory(memory))),
            },
            EntityIndex::Global(global) => Self::Global(Global::new_handle(instance.global(global))),
            EntityIndex::Tag(tag) => Self::Tag(Tag::new_handle(instance.me().store(), instance.tag(tag))),
        })
    }

    /// Its type as declared, for messages.
    pub(crate) fn describe(&self, store: &StoreOpaque) -> ExternType {
        let types = store.engine().types();
        match self {
            Self::Func(func) => {
                ExternType::Func(FuncType::claimed(types, store.func_type_id(func.func_ref())))
            }
            Self::Global(global) => {
                ExternType::Global(GlobalType::from_canonical(types, global.declared(store)))
            }
            Self::Table(table) => ExternType::Table(TableType::from_canonical(
                types,
                store.at(table.part().owner).table_object(table.part().index).ty(),
            )),
            Self::Memory(memory) => ExternType::Memory(MemoryType(
                store.at(memory.part().owner).memory_object(memory.part().index).ty(),
            )),
            Self::SharedMemory(memory) => ExternType::Memory(MemoryType(memory.object().ty())),
            Self::Tag(tag) => {
                ExternType::Tag(TagType::new(FuncType::claimed(types, store.tag_type(tag.number()))))
            }
        }
    }

    /// The store that it belongs to, if it belongs to one.
    pub(crate) fn store(&self) -> Option<StoreId> {
        match self {
            Self::Func(func) => Some(func.store()),
            Self::Global(global) => Some(global.part().owner.store()),
            Self::Table(table) => Some(table.part().owner.store()),
            Self::Memory(memory) => Some(memory.part().owner.store()),
            Self::SharedMemory(_) => None,
            Self::Tag(tag) => Some(tag.store()),
        }
    }

    /// What to bind an import to in `store`, which it belongs to; a shared memory is taken in.
    pub(crate) fn binding(&self, store: &mut StoreOpaque) -> Result<Binding> {
        Ok(match self {
            Self::Func(func) => Binding::Func(func.func_ref()),
            Self::Global(global) => Binding::Global(global.part()),
            Self::Table(table) => Binding::Table(table.part()),
            Self::Memory(memory) => Binding::Memory(memory.part()),
            Self::Tag(tag) => Binding::Tag(tag.number()),
            Self::SharedMemory(memory) => Binding::Memory(instance::take_in_shared(store, memory.object())?),
        })
    }
}

impl From<Func> for Extern {
    fn from(func: Func) -> Self {
        Self::Func(func)
    }
}

impl From<Global> for Extern {
    fn from(global: Global) -> Self {
        Self::Global(global)
    }
}

impl From<Table> for Extern {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<SharedMemory> for Extern {
    fn from(memory: SharedMemory) -> Self {
        Self::SharedMemory(memory)
    }
}

impl From<Tag> for Extern {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Memory> for Extern {
    fn from(memory: Memory) -> Self {
        Self::Memory(memory)
    }
}
