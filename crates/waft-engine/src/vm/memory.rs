//! Linear memory as the runtime sees it.
//!
//! # Invariants
//!
//! * **M1** `0..bytes()` of the reservation is accessible; after it, everything from the next page of the machine on
//!   faults, for [`MEMORY_GUARD_BYTES`] at least. If the type's pages have 64 KiB, that is everything after the memory.
//! * **M2** The size only grows, and only in [`MemoryObject::grow`], which has `&mut self`, or in that of a shared memory;
//!   the base never moves.
//! * **M3** The reservation of a guarded memory is at least as long as the tunables say that compiled code may assume.
//!
//! # Elsewhere
//!
//! What each instruction means: `memory.rs` in each tier. Shared memories: `shared_memory.rs`. Public handle:
//! `waft::Memory`.

use super::context::{StorePtr, VmMemory};
use super::instance::{InstanceRecord, PartOf};
use super::mmap::{Reservation, page_bytes};
use super::shared_memory::SharedMemoryObject;
use super::store::StoreOpaque;
use crate::config::Config;
use crate::limits::GrowthRequest;
use anyhow::{Context as _, Result};
use std::ops::Range;
use std::sync::Arc;
use waft_core::index::{DataIndex, DefinedMemoryIndex};
use waft_core::limits::{CHECKED_MEMORY_BYTES_MAX, MEMORY_GUARD_BYTES};
use waft_core::types::MemoryTy;

/// What x86-64 and most others have.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// From so many bytes on, memories are made of huge pages, if the host wants that.
const HUGE_FROM: usize = 2 * HUGE_PAGE_BYTES;

/// Address space for a memory of one type, of which more and more is accessible.
pub(crate) struct MemorySpace {
    reservation: Reservation,
    ty: MemoryTy,
    /// Whether it is made of huge pages when it is large.
    huge_pages: bool,
}

impl MemorySpace {
    /// Space of which nothing is accessible yet, and that holds at least the type's minimum.
    pub(super) fn new(ty: MemoryTy, config: &Config) -> Result<Self> {
        let reservation = if ty.is_guarded() {
            let bytes = usize::try_from(config.tunables.memory_reservation_bytes)?;
            // Kernels start what is made of whole huge pages with one.
            let bytes = if config.huge_pages { bytes.next_multiple_of(HUGE_PAGE_BYTES) } else { bytes };
            Reservation::new(bytes)
                .with_context(|| format!("cannot reserve {bytes} bytes of address space for a memory"))?
        } else {
            reserve_checked(ty)?
        };
        Ok(Self { reservation, ty, huge_pages: config.huge_pages })
    }

    /// The type that it is for.
    pub(super) fn ty(&self) -> MemoryTy {
        self.ty
    }
    /// The first byte.
    pub(super) fn base(&self) -> *mut u8 {
        self.reservation.base()
    }

    /// The pages that fit.
    fn pages_max(&self) -> u64 {
        let guard = if self.ty.is_guarded() { 0 } else { MEMORY_GUARD_BYTES };
        (self.reservation.len() as u64 - guard) >> self.ty.page_bytes_log2
    }

    /// Makes the pages between `before`, which are accessible, and `after` accessible, and so many bytes in all.
    ///
    /// # Errors
    ///
    /// If they do not fit, or the machine has no more memory.
    pub(super) fn commit(&self, before: u64, after: u64) -> Result<usize> {
        anyhow::ensure!(
            after <= self.pages_max(),
            "a memory of {after} pages does not fit the {} bytes that are reserved for it",
            self.reservation.len()
        );
        // What fits the reservation fits the machine's numbers.
        let bytes = |pages: u64| self.ty.bytes(pages) as usize;
        let whole_pages = |pages: u64| bytes(pages).next_multiple_of(page_bytes());
        self.reservation
            .commit(whole_pages(before)..whole_pages(after))
            .with_context(|| format!("cannot give a memory {after} pages"))?;
        if self.huge_pages && bytes(before) < HUGE_FROM && bytes(after) >= HUGE_FROM {
            // What becomes accessible later stays as it is told here.
            self.reservation.prefer_huge_pages(0..self.reservation.len());
        }
        Ok(bytes(after))
    }
}

/// Reserves for a memory that is not guarded: as much as it may ever need, up to [`CHECKED_MEMORY_BYTES_MAX`], or as much
/// as the process gets.
fn reserve_checked(ty: MemoryTy) -> Result<Reservation> {
    let wanted = |pages: u64| {
        let bytes = ty.bytes(pages).checked_next_multiple_of(page_bytes() as u64)?;
        usize::try_from(bytes.checked_add(MEMORY_GUARD_BYTES)?).ok()
    };
    let declared_max = ty.limits.max.unwrap_or(u64::MAX).min(ty.pages_max());
    let most = declared_max.min(CHECKED_MEMORY_BYTES_MAX >> ty.page_bytes_log2);
    let mut pages = most.max(ty.limits.min);
    loop {
        let reserved = wanted(pages).map(Reservation::new);
        match reserved {
            Some(Ok(reservation)) => return Ok(reservation),
            // Where address space is rationed, the memory may grow less far.
            Some(Err(_)) if pages > ty.limits.min => pages = (pages / 2).max(ty.limits.min),
            Some(Err(error)) => return Err(error).with_context(|| no_space(ty)),
            None => anyhow::bail!(no_space(ty)),
        }
    }
}

fn no_space(ty: MemoryTy) -> String {
    format!(
        "cannot reserve address space for a memory of {} pages of {} bytes",
        ty.limits.min,
        ty.page_bytes()
    )
}

/// A memory that an instance defines, or a shared one that the store has taken in.
pub(crate) enum MemoryObject {
    /// One that only the store uses.
    Own {
        /// Where it is.
        space: MemorySpace,
        /// Its size.
        pages: u64,
    },
    /// One that other stores may use as well.
    Shared(Arc<SharedMemoryObject>),
}

impl MemoryObject {
    /// A zeroed memory of its type's initial size.
    pub(super) fn new(ty: MemoryTy, config: &Config) -> Result<Self> {
        if ty.shared {
            return Ok(Self::Shared(Arc::new(SharedMemoryObject::new(ty, config)?)));
        }
        let space = MemorySpace::new(ty, config)?;
        space.commit(0, ty.limits.min)?;
        Ok(Self::Own { space, pages: ty.limits.min })
    }

    /// Its type as declared.
    pub(crate) fn ty(&self) -> MemoryTy {
        match self {
            Self::Own { space, .. } => space.ty,
            Self::Shared(shared) => shared.ty(),
        }
    }
    /// Its size in pages.
    pub(crate) fn pages(&self) -> u64 {
        match self {
            Self::Own { pages, .. } => *pages,
            Self::Shared(shared) => shared.pages(),
        }
    }
    /// The pages that it may ever have.
    pub(crate) fn pages_max(&self) -> u64 {
        let ty = self.ty();
        ty.limits.max.unwrap_or(u64::MAX).min(ty.pages_max())
    }
    /// Its accessible bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.ty().bytes(self.pages()) as usize
    }
    /// The shared memory, if it is one.
    pub(crate) fn as_shared(&self) -> Option<&Arc<SharedMemoryObject>> {
        match self {
            Self::Own { .. } => None,
            Self::Shared(shared) => Some(shared),
        }
    }

    /// Makes it `after` pages long if it has `before`; whether it had, which only another thread can change.
    ///
    /// # Errors
    ///
    /// If that is more than is reserved, or the machine has no more memory; the size is as before then.
    fn grow(&mut self, before: u64, after: u64) -> Result<bool> {
        match self {
            Self::Own { space, pages } => {
                debug_assert_eq!(*pages, before);
                space.commit(before, after)?;
                *pages = after;
                Ok(true)
            }
            Self::Shared(shared) => shared.grow(before, after),
        }
    }

    /// What compiled code sees of it.
    pub(super) fn vm(&self) -> VmMemory {
        match self {
            Self::Own { space, .. } => VmMemory { base: space.base(), len: self.bytes() },
            Self::Shared(shared) => shared.vm(),
        }
    }

    /// Its bytes, as base and length.
    ///
    /// # Panics
    ///
    /// If it is shared: handles of hosts that give bytes are never of such a memory, so this is a mistake of the engine's.
    fn own_bytes(&self) -> VmMemory {
        assert!(self.as_shared().is_none(), "the bytes of a shared memory cannot be borrowed");
        self.vm()
    }
}

/// A range of `len` items at `start` if it lies within `bound`.
pub(super) fn range(start: u64, len: u64, bound: usize) -> Option<Range<usize>> {
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
        let vm = self.at(part.owner).memories[part.index].own_bytes();
        // SAFETY: accessible by M1; `&self` rules out running guests, which alone write to it (S2).
        unsafe { std::slice::from_raw_parts(vm.base, vm.len) }
    }

    /// The bytes of a memory, to be changed.
    pub(crate) fn memory_bytes_mut(&mut self, part: PartOf<DefinedMemoryIndex>) -> &mut [u8] {
        let vm = self.at(part.owner).memories[part.index].own_bytes();
        // SAFETY: accessible by M1; `&mut self` rules out any other access.
        unsafe { std::slice::from_raw_parts_mut(vm.base, vm.len) }
    }

    /// The bytes of a memory that code sees and that is not shared, to be changed.
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
        loop {
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
            match record.memories[part.index].grow(before, wanted) {
                Ok(true) => {
                    record.publish_memory(part.index);
                    return Ok(Some(before));
                }
                // Another thread was faster: what was allowed was to grow from a size that it has no longer.
                Ok(false) => {}
                Err(error) => {
                    self.grow_failed(request, error)?;
                    return Ok(None);
                }
            }
        }
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
        range(src, len, segment.len()).is_some_and(|from| self.memory_write(part, dst, &segment[from]))
    }

    /// Copies bytes to `dst`, if they fit there.
    pub(crate) fn memory_write(&mut self, part: PartOf<DefinedMemoryIndex>, dst: u64, from: &[u8]) -> bool {
        if let Some(shared) = self.at(part.owner).memories[part.index].as_shared() {
            return shared.write(dst, from);
        }
        let bytes = self.memory_bytes_mut(part);
        let Some(to) = range(dst, from.len() as u64, bytes.len()) else { return false };
        bytes[to].copy_from_slice(from);
        true
    }

    /// Drops a data segment.
    pub(crate) fn data_drop(&mut self, instance: StorePtr<InstanceRecord>, data: DataIndex) {
        self.at_mut(instance).dropped_datas[data] = true;
    }
}
