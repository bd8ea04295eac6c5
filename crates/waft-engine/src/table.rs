//! Tables, as embedders hold them.

use crate::instance;
use crate::store::{AsContext, AsContextMut};
use crate::types::TableType;
use crate::val::Ref;
use crate::vm::PartOf;
use anyhow::{Context as _, Result, ensure};
use waft_core::index::{DefinedTableIndex, TableIndex};
use waft_core::module::Shape;

/// A table in a store.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 2, None), Ref::Func(None))?;
/// let func = Func::wrap(&mut store, || 42);
/// table.set(&mut store, 1, func.into())?;
/// assert!(table.get(&mut store, 0).unwrap().is_null());
/// assert!(!table.get(&mut store, 1).unwrap().is_null());
/// assert!(table.get(&mut store, 2).is_none());
/// assert_eq!((table.size(&store), table.ty(&store).maximum()), (2, None));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Table(PartOf<DefinedTableIndex>);

impl Table {
    /// A table that belongs to the host, filled with `init`.
    ///
    /// # Errors
    ///
    /// If `init` is not of the element type, or the store's limits or the machine do not allow the table.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let ty = TableType::new(RefType::EXTERNREF, 2, None);
    /// let value = ExternRef::new(&mut store, "in every element")?;
    /// let table = Table::new(&mut store, ty.clone(), value.into())?;
    /// assert!(!table.get(&mut store, 1).unwrap().is_null());
    /// assert!(Table::new(&mut store, ty, Ref::Func(None)).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Ref) -> Result<Self> {
        ty.element().keep_in(&mut store.as_context_mut().0.opaque);
        let mut shape = Shape::default();
        shape.tables.push(ty.canonical(store.as_context().engine().types()));
        shape.table_inits.push(None);
        let record = instance::synthetic(&mut store.as_context_mut(), shape)?;
        let table = Self(store.as_context().0.opaque.at(record).table(TableIndex::from_u32(0)));
        table.fill(&mut store, 0, init, ty.minimum())?;
        Ok(table)
    }

    pub(crate) fn new_handle(part: PartOf<DefinedTableIndex>) -> Self {
        Self(part)
    }
    pub(crate) fn part(&self) -> PartOf<DefinedTableIndex> {
        self.0
    }

    /// Its type, with the size that it has now as the minimum.
    pub fn ty(&self, store: impl AsContext) -> TableType {
        let store = store.as_context();
        let table = store.0.opaque.at(self.0.owner).table_object(self.0.index);
        let mut ty = table.ty();
        ty.limits.min = table.len();
        TableType::from_canonical(store.0.opaque.engine().types(), ty)
    }
    /// How many elements it has.
    pub fn size(&self, store: impl AsContext) -> u64 {
        store.as_context().0.opaque.at(self.0.owner).table_object(self.0.index).len()
    }
    /// The element at `index`, if there is one.
    pub fn get(&self, mut store: impl AsContextMut, index: u64) -> Option<Ref> {
        let store = store.as_context_mut();
        let raw = store.0.opaque.table_get(self.0, index)?;
        let ty = store.0.opaque.at(self.0.owner).table_object(self.0.index).ty();
        Some(Ref::from_raw(&mut store.0.opaque, ty.element, raw))
    }
    /// Sets the element at `index`.
    ///
    /// # Errors
    ///
    /// If there is none, or `value` is not of the element type.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// # let ty = TableType::new(RefType::FUNCREF, 4, Some(8));
    /// # let table = Table::new(&mut store, ty, Ref::Func(None))?;
    /// let func = Func::wrap(&mut store, || 42);
    /// table.set(&mut store, 3, func.into())?;
    /// assert!(table.set(&mut store, 4, func.into()).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set(&self, store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        self.fill(store, index, value, 1)
    }
    /// Sets `len` elements from `dst` on.
    ///
    /// # Errors
    ///
    /// If they are not all there, or `value` is not of the element type; nothing is set then.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// # let ty = TableType::new(RefType::FUNCREF, 4, Some(8));
    /// # let table = Table::new(&mut store, ty, Ref::Func(None))?;
    /// # let func = Func::wrap(&mut store, || 42);
    /// table.fill(&mut store, 1, func.into(), 3)?;
    /// assert!(table.get(&mut store, 0).unwrap().is_null());
    /// assert!(!table.get(&mut store, 3).unwrap().is_null());
    /// assert!(table.fill(&mut store, 2, func.into(), 3).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn fill(&self, mut store: impl AsContextMut, dst: u64, value: Ref, len: u64) -> Result<()> {
        let store = store.as_context_mut();
        let opaque = &mut store.0.opaque;
        let table = opaque.at(self.0.owner).table_object(self.0.index);
        let (ty, size) = (table.ty(), table.len());
        let raw = value.to_raw_as(opaque, ty.element)?;
        let done = opaque.table_fill(self.0, dst, raw, len);
        ensure!(done, "{len} elements at {dst} are outside of a table of {size}");
        Ok(())
    }
    /// Grows it by `delta` elements of value `init`; the elements that it had before.
    ///
    /// # Errors
    ///
    /// If its type, the store's limits or the machine do not allow it, or `init` is not of the element type.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// # let func = Func::wrap(&mut store, || 42);
    /// let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 4, Some(8)), Ref::Func(None))?;
    /// assert_eq!(table.grow(&mut store, 2, func.into())?, 4);
    /// assert!(!table.get(&mut store, 5).unwrap().is_null());
    /// assert!(table.grow(&mut store, 3, func.into()).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Ref) -> Result<u64> {
        let store = store.as_context_mut();
        let opaque = &mut store.0.opaque;
        let ty = opaque.at(self.0.owner).table_object(self.0.index).ty();
        let raw = init.to_raw_as(opaque, ty.element)?;
        let grown = opaque.table_grow(self.0, delta, raw)?;
        grown.with_context(|| format!("failed to grow a table by {delta} elements"))
    }
    /// Copies `len` elements between tables, or within one, as if by way of a buffer.
    ///
    /// # Errors
    ///
    /// If the element types differ or a range is not all there; nothing is copied then.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// # let ty = TableType::new(RefType::FUNCREF, 4, Some(8));
    /// # let func = Func::wrap(&mut store, || 42);
    /// let empty = Table::new(&mut store, ty.clone(), Ref::Func(None))?;
    /// let full = Table::new(&mut store, ty, func.into())?;
    /// Table::copy(&mut store, &empty, 0, &full, 2, 2)?;
    /// assert!(!empty.get(&mut store, 1).unwrap().is_null());
    /// assert!(empty.get(&mut store, 2).unwrap().is_null());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn copy(
        mut store: impl AsContextMut,
        dst: &Self,
        dst_index: u64,
        src: &Self,
        src_index: u64,
        len: u64,
    ) -> Result<()> {
        let (to, from) = (dst.ty(&store), src.ty(&store));
        ensure!(
            from.element().matches(to.element()),
            "cannot copy {} to a table of {}",
            from.element(),
            to.element()
        );
        let store = store.as_context_mut();
        let done = store.0.opaque.table_copy((dst.0, dst_index), (src.0, src_index), len);
        ensure!(
            done,
            "{len} elements from {src_index} to {dst_index} are outside of tables of {} and {}",
            from.minimum(),
            to.minimum()
        );
        Ok(())
    }
}
