//! Tables as the runtime sees them.
//!
//! # Invariants
//!
//! * **T1** Every element of a function table is 0 or the address of a `VmFuncRef` of the same store; every element of
//!   another table is a reference into the store's GC heap, in the lower half.
//! * **T2** `VmTable` in the context is written anew whenever the elements move or their number changes.
//!
//! # Elsewhere
//!
//! Public handle: `waft::Table`. Instructions: `table.rs` in each tier.

use super::context::{StorePtr, VmTable};
use super::instance::{ElemValues, InstanceRecord, PartOf};
use super::memory::range;
use super::raw::RawRef;
use super::store::StoreOpaque;
use crate::limits::GrowthRequest;
use anyhow::Result;
use waft_core::index::{DefinedTableIndex, ElemIndex};
use waft_core::limits::TABLE_ELEMENTS_MAX;
use waft_core::module::ElemItems;
use waft_core::types::TableTy;

/// A table that an instance defines.
pub(crate) struct TableObject {
    elements: Vec<u64>,
    ty: TableTy,
}

impl TableObject {
    /// A table of its type's initial size, all null.
    ///
    /// # Errors
    ///
    /// If it is larger than any table may be, or than the memory of the machine.
    pub(super) fn new(ty: TableTy) -> anyhow::Result<Self> {
        let mut table = Self { elements: Vec::new(), ty };
        anyhow::ensure!(
            table.grow_to(ty.limits.min, 0),
            "a table of {} elements exceeds the limit of {TABLE_ELEMENTS_MAX} or the memory of this machine",
            ty.limits.min
        );
        Ok(table)
    }

    /// Its type as declared.
    pub(crate) fn ty(&self) -> TableTy {
        self.ty
    }
    /// How many elements it has.
    pub(crate) fn len(&self) -> u64 {
        self.elements.len() as u64
    }
    /// How many it can ever have.
    pub(crate) fn len_max(&self) -> u64 {
        self.ty.limits.max.unwrap_or(self.ty.elements_max())
    }
    /// The elements, raw (T1).
    pub(super) fn elements(&self) -> &[u64] {
        &self.elements
    }
    /// The elements, raw, to be written under T1.
    pub(super) fn elements_mut(&mut self) -> &mut [u64] {
        &mut self.elements
    }

    /// Appends `init` until there are `len` elements; whether that was possible.
    pub(super) fn grow_to(&mut self, len: u64, init: u64) -> bool {
        if len > TABLE_ELEMENTS_MAX {
            return false;
        }
        let len = len as usize;
        let more = len.saturating_sub(self.elements.len());
        if self.elements.try_reserve(more).is_err() {
            return false;
        }
        self.elements.resize(len, init);
        true
    }

    /// What compiled code sees of it.
    pub(super) fn vm(&mut self) -> VmTable {
        VmTable { base: self.elements.as_mut_ptr(), len: self.elements.len() }
    }
}

/// What hosts and library calls do to tables. Each answers `false` or `None` for what the specification traps.
impl StoreOpaque {
    /// Grows a table by `delta` elements; the elements that it had before, or `None` if it stays as it is.
    ///
    /// # Errors
    ///
    /// What the host's limiter raises.
    pub(crate) fn table_grow(
        &mut self,
        part: PartOf<DefinedTableIndex>,
        delta: u64,
        init: RawRef,
    ) -> Result<Option<u64>> {
        let table = self.at(part.owner).table_object(part.index);
        let (before, max) = (table.len(), table.len_max());
        let Some(wanted) = before.checked_add(delta).filter(|wanted| *wanted <= max) else {
            return Ok(None);
        };
        let request = GrowthRequest::table(table.ty(), before, wanted);
        if !self.may_grow(request)? {
            return Ok(None);
        }
        let record = self.at_mut(part.owner);
        if !record.tables[part.index].grow_to(wanted, init.0) {
            let error = anyhow::anyhow!("a table cannot have {wanted} elements here");
            self.grow_failed(request, error)?;
            return Ok(None);
        }
        record.publish_table(part.index);
        Ok(Some(before))
    }

    /// The element at `at`.
    pub(crate) fn table_get(&self, part: PartOf<DefinedTableIndex>, at: u64) -> Option<RawRef> {
        let elements = self.at(part.owner).tables[part.index].elements();
        elements.get(usize::try_from(at).ok()?).copied().map(RawRef)
    }

    /// Sets `len` elements from `at`.
    pub(crate) fn table_fill(
        &mut self,
        part: PartOf<DefinedTableIndex>,
        at: u64,
        value: RawRef,
        len: u64,
    ) -> bool {
        let elements = self.at_mut(part.owner).tables[part.index].elements_mut();
        let Some(range) = range(at, len, elements.len()) else { return false };
        elements[range].fill(value.0);
        true
    }

    /// Copies `len` elements, as if by way of a buffer.
    pub(crate) fn table_copy(
        &mut self,
        dst: (PartOf<DefinedTableIndex>, u64),
        src: (PartOf<DefinedTableIndex>, u64),
        len: u64,
    ) -> bool {
        let from_len = self.at(src.0.owner).tables[src.0.index].elements().len();
        let to_len = self.at(dst.0.owner).tables[dst.0.index].elements().len();
        let (Some(to), Some(from)) = (range(dst.1, len, to_len), range(src.1, len, from_len)) else {
            return false;
        };
        let to_ptr = self.at_mut(dst.0.owner).tables[dst.0.index].elements_mut().as_mut_ptr();
        let from_ptr = if dst.0 == src.0 {
            to_ptr.cast_const()
        } else {
            self.at(src.0.owner).tables[src.0.index].elements().as_ptr()
        };
        // SAFETY: in bounds by `range`.
        let to_ptr = unsafe { to_ptr.add(to.start) };
        // SAFETY: in bounds by `range`.
        let from_ptr = unsafe { from_ptr.add(from.start) };
        // SAFETY: both ranges are elements of live tables, may overlap, and `&mut self` rules out other access.
        unsafe { std::ptr::copy(from_ptr, to_ptr, to.len()) };
        true
    }

    /// Copies `len` elements from element segment `elem` of `instance`, which is empty once it is dropped.
    pub(crate) fn table_init(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        part: PartOf<DefinedTableIndex>,
        elem: ElemIndex,
        dst: u64,
        src: u64,
        len: u64,
    ) -> bool {
        let segment_len = self.elem_len(instance, elem);
        let to_len = self.at(part.owner).tables[part.index].elements().len();
        let (Some(to), Some(from)) = (range(dst, len, to_len), range(src, len, segment_len)) else {
            return false;
        };
        for (to, from) in to.zip(from) {
            let value = self.elem_value(instance, elem, from);
            self.at_mut(part.owner).tables[part.index].elements_mut()[to] = value.0;
        }
        true
    }

    /// Evaluates the expressions of an element segment, which stay as they are from then on.
    ///
    /// # Errors
    ///
    /// If there is no room for an object that one of them makes.
    pub(crate) fn elem_evaluate(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        elem: ElemIndex,
    ) -> Result<()> {
        let module = self.at(instance).module().clone();
        let ElemItems::Exprs(ty, exprs) = &module.shape().elems[elem].items else { return Ok(()) };
        if ty.is_func() {
            let values: Result<_> =
                exprs.iter().map(|expr| Ok(self.evaluate(instance, expr)?.as_ref().0)).collect();
            self.at_mut(instance).elems[elem] = ElemValues::Funcs(values?);
            return Ok(());
        }
        // Where collections find the values that are there already.
        self.at_mut(instance).elems[elem] = ElemValues::Refs(vec![0; exprs.len()].into());
        for (at, expr) in exprs.iter().enumerate() {
            let value = self.evaluate(instance, expr)?.as_ref();
            if let ElemValues::Refs(values) = &mut self.at_mut(instance).elems[elem] {
                values[at] = value.0 as u32;
            }
        }
        Ok(())
    }

    /// How many elements a segment has now.
    pub(super) fn elem_len(&self, instance: StorePtr<InstanceRecord>, elem: ElemIndex) -> usize {
        let record = self.at(instance);
        match &record.elems[elem] {
            ElemValues::Dropped => 0,
            ElemValues::Listed => record.shape().elems[elem].items.len(),
            ElemValues::Funcs(values) => values.len(),
            ElemValues::Refs(values) => values.len(),
        }
    }

    /// An element of a segment, which is below its length.
    pub(super) fn elem_value(
        &self,
        instance: StorePtr<InstanceRecord>,
        elem: ElemIndex,
        at: usize,
    ) -> RawRef {
        let record = self.at(instance);
        match (&record.elems[elem], &record.shape().elems[elem].items) {
            (ElemValues::Funcs(values), _) => RawRef(values[at]),
            (ElemValues::Refs(values), _) => RawRef(values[at].into()),
            (ElemValues::Listed, ElemItems::Funcs(funcs)) => self.raw_func(instance, funcs[at]),
            (ElemValues::Listed | ElemValues::Dropped, _) => RawRef::NULL,
        }
    }

    /// Drops an element segment.
    pub(crate) fn elem_drop(&mut self, instance: StorePtr<InstanceRecord>, elem: ElemIndex) {
        self.at_mut(instance).elems[elem] = ElemValues::Dropped;
    }
}
