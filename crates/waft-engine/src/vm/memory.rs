//! Linear memory as the runtime sees it.
//!
//! # Invariants
//!
//! * **M1** `0..pages * 64 KiB` of the reservation is accessible, the rest of it faults.
//! * **M2** `pages` only grows, and only in [`MemoryObject::grow`], which has `&mut self`; the base never moves.
//! * **M3** The reservation is as long as the tunables say that compiled code may assume.
//!
//! # Elsewhere
//!
//! What each instruction means: `memory.rs` in each tier. Public handle: `waft::Memory`.

use super::context::{StorePtr, VmMemory};
use super::instance::{InstanceRecord, PartOf};
use super::mmap::Reservation;
use super::store::StoreOpaque;
use crate::limits::GrowthRequest;
use anyhow::{Context as _, Result};
use waft_core::index::{DataIndex, DefinedMemoryIndex};
use waft_core::tier::Tunables;
use waft_core::types::MemoryTy;

/// A memory that an instance defines.
pub(crate) struct MemoryObject {
    reservation: Reservation,
    pages: u64,
    ty: MemoryTy,
}

impl MemoryObject {
    /// A zeroed memory of its type's initial size.
    pub(super) fn new(ty: MemoryTy, tunables: &Tunables) -> Result<Self> {
        let bytes = usize::try_from(tunables.memory_reservation_bytes)?;
        let reservation = Reservation::new(bytes)
            .with_context(|| format!("cannot reserve {bytes} bytes of address space for a memory"))?;
        let mut memory = Self { reservation, pages: 0, ty };
        memory.grow_to(ty.limits.min)?;
        Ok(memory)
    }

    /// Its type as declared.
    pub(crate) fn ty(&self) -> MemoryTy {
        self.ty
    }
    /// Its size in pages.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }
    /// The pages that it can ever have.
    pub(crate) fn pages_max(&self) -> u64 {
        self.ty.limits.max.unwrap_or(MemoryTy::PAGES_MAX).min(MemoryTy::PAGES_MAX)
    }
    /// Its accessible bytes.
    pub(crate) fn bytes(&self) -> usize {
        (self.pages * MemoryTy::PAGE_BYTES) as usize
    }

    /// Makes it `pages` long.
    ///
    /// # Errors
    ///
    /// If the machine has no more memory; the size is as before then.
    pub(super) fn grow_to(&mut self, pages: u64) -> Result<()> {
        assert!(
            pages >= self.pages && pages <= MemoryTy::PAGES_MAX,
            "checked against the maximum by the caller"
        );
        let end = (pages * MemoryTy::PAGE_BYTES) as usize;
        if pages > self.pages {
            self.reservation
                .commit(self.bytes()..end)
                .with_context(|| format!("cannot give a memory {pages} pages"))?;
        }
        self.pages = pages;
        Ok(())
    }

    /// What compiled code sees of it.
    pub(super) fn vm(&self) -> VmMemory {
        VmMemory { base: self.reservation.base(), len: self.bytes() }
    }
}

/// A range of `len` items at `start` if it lies within `bound`.
pub(super) fn range(start: u64, len: u64, bound: usize) -> Option<std::ops::Range<usize>> {
    let end = start.checked_add(len)?;
    if end > bound as u64 {
        return None;
    }
    Some(start as usize..end as usize)
}

/// What hosts and library calls do to memories. Each answers `false` or `None` for what the specification traps.
impl StoreOpaque {
    /// The bytes of a memory.
    pub(crate) fn memory_bytes(&self, part: PartOf<DefinedMemoryIndex>) -> &[u8] {
        let vm = self.at(part.owner).memories[part.index].vm();
        // SAFETY: accessible by M1; `&self` rules out running guests, which alone write to it (S2).
        unsafe { std::slice::from_raw_parts(vm.base, vm.len) }
    }

    /// The bytes of a memory, to be changed.
    pub(crate) fn memory_bytes_mut(&mut self, part: PartOf<DefinedMemoryIndex>) -> &mut [u8] {
        let vm = self.at(part.owner).memories[part.index].vm();
        // SAFETY: accessible by M1; `&mut self` rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(vm.base, vm.len) }
    }

    /// The bytes of a memory that code sees, to be changed.
    #[inline]
    pub(crate) fn seen_memory_bytes_mut(&mut self, memory: StorePtr<VmMemory>) -> &mut [u8] {
        let vm = *self.at(memory);
        // SAFETY: what code sees is what the object says, hence accessible by M1; `&mut self` rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(vm.base, vm.len) }
    }

    /// Grows a memory by `delta` pages; the pages that it had before, or `None` if it stays as it is.
    ///
    /// # Errors
    ///
    /// What the host's limiter raises.
    pub(crate) fn memory_grow(
        &mut self,
        part: PartOf<DefinedMemoryIndex>,
        delta: u64,
    ) -> Result<Option<u64>> {
        let memory = self.at(part.owner).memory_object(part.index);
        let (before, max) = (memory.pages(), memory.pages_max());
        let Some(wanted) = before.checked_add(delta).filter(|wanted| *wanted <= max) else {
            return Ok(None);
        };
        let request = GrowthRequest::memory(memory.ty(), before, wanted);
        if !self.may_grow(request)? {
            return Ok(None);
        }
        let record = self.at_mut(part.owner);
        if let Err(error) = record.memories[part.index].grow_to(wanted) {
            self.grow_failed(request, error)?;
            return Ok(None);
        }
        record.publish_memory(part.index);
        Ok(Some(before))
    }

    /// Copies `len` bytes from data segment `data` of `instance`, which is empty once it is dropped.
    pub(crate) fn memory_init(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        part: PartOf<DefinedMemoryIndex>,
        data: DataIndex,
        dst: u64,
        src: u64,
        len: u64,
    ) -> bool {
        let record = self.at(instance);
        let module = record.module().clone();
        let segment = record.data_of(&module, data);
        let bytes = self.memory_bytes_mut(part);
        let (Some(to), Some(from)) = (range(dst, len, bytes.len()), range(src, len, segment.len())) else {
            return false;
        };
        bytes[to].copy_from_slice(&segment[from]);
        true
    }

    /// Drops a data segment.
    pub(crate) fn data_drop(&mut self, instance: StorePtr<InstanceRecord>, data: DataIndex) {
        self.at_mut(instance).dropped_datas[data] = true;
    }
}
