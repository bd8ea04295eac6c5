//! The heap of a store: allocation, and when to collect.
//!
//! # Invariants
//!
//! * **H1** Old objects have `half.start()..old_next`, young ones `NURSERY_START..alloc_next` of the state.
//! * **H2** `old_next - half.start() + nursery <= capacity`, and the first `capacity` bytes of both halves are accessible: a
//!   collection has room for all survivors, whoever they are.
//! * **H3** The first `nursery` bytes of the nursery are accessible; `alloc_next` does not pass them.
//! * **H4** No old object refers to a young one, but for remembered slots, or `remember_overflow` is set.
//! * **H5** While `corrupt` is set, nothing is allocated or collected.
//!
//! # Elsewhere
//!
//! How a collection works: `collect.rs`. New objects: `object.rs`; their fields and elements: `access.rs`. How H2 and H3 are
//! kept: `room.rs`.

use super::collect::{Evacuation, Outcome, Spaces};
use super::error::{CorruptHeap, GcError};
use super::externs::{Externs, HostValue};
use super::regions::{Half, Region, Regions};
use super::remember::Remembered;
use super::room::Squeeze;
use super::sizing;
use super::state::VmGcState;
use super::stats::GcStats;
use super::type_table::TypeTable;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Instant;
use waft_core::gc::{LARGE_BYTES, NURSERY_START, object};

/// What the heap asks of its store.
pub(crate) trait GcHost {
    /// Calls `visit` with every reference that the store holds outside the heap. It may change each.
    fn visit_roots(&mut self, visit: &mut impl FnMut(&mut u32));

    /// Whether the heap may grow from `current` to `desired` bytes.
    ///
    /// # Errors
    ///
    /// What the host's limiter raises.
    fn may_grow(&mut self, current: usize, desired: usize) -> anyhow::Result<bool>;

    /// Hears that growth which was allowed did not happen.
    ///
    /// # Errors
    ///
    /// What the host's limiter raises.
    fn grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()>;
}

/// Whether every allocation collects, to find references that are held where no collection sees them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GcStress {
    /// Collections happen when they pay.
    #[default]
    Off,
    /// A minor collection before each allocation.
    Minor,
    /// A full collection before each allocation.
    Full,
}

/// The two kinds of collections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CollectionKind {
    /// Of young objects.
    Minor,
    /// Of all objects.
    Full,
}

/// A store's heap.
pub(crate) struct GcHeap {
    pub(super) regions: Regions,
    pub(super) types: Arc<TypeTable>,
    pub(super) remembered: Remembered,
    pub(super) externs: Externs,
    half: Half,
    old_next: u32,
    /// Bytes of the nursery that may be used now.
    pub(super) nursery: u32,
    /// Bytes that it should have.
    pub(super) nursery_wanted: u32,
    /// Bytes that each half may have.
    pub(super) capacity: u32,
    /// How many bytes of old objects make the next collection a full one.
    pub(super) threshold: u32,
    stress: GcStress,
    stats: GcStats,
    corrupt: Option<CorruptHeap>,
}

impl GcHeap {
    /// An empty heap for the store that `state` belongs to, which has none yet. It takes address space only: the host is
    /// asked for memory when the first object is made.
    ///
    /// # Errors
    ///
    /// If the process has no address space left.
    pub(crate) fn new(types: Arc<TypeTable>, state: &VmGcState) -> anyhow::Result<Self> {
        let heap = Self {
            regions: Regions::new().context("cannot reserve address space for a heap")?,
            types,
            remembered: Remembered::new().context("cannot get memory for a heap")?,
            externs: Externs::default(),
            half: Half::A,
            old_next: Half::A.start(),
            nursery: 0,
            nursery_wanted: sizing::NURSERY_BYTES_FIRST,
            capacity: 0,
            threshold: sizing::threshold(0, sizing::NURSERY_BYTES_FIRST),
            stress: GcStress::Off,
            stats: GcStats::default(),
            corrupt: None,
        };
        state.alloc_next.set(NURSERY_START);
        heap.remembered.clear(state);
        state.heap_base.set(heap.regions.base());
        state.type_table.set(heap.types.base());
        heap.publish(state);
        Ok(heap)
    }

    /// Counts of what happened.
    pub(crate) fn stats(&self, state: &VmGcState) -> GcStats {
        let mut stats = self.stats;
        stats.bytes_allocated += u64::from(self.young_bytes(state));
        stats.heap_bytes = self.footprint();
        stats.host_values = self.externs.len();
        stats
    }
    /// Bytes that the host has allowed: those of the nursery and of both halves.
    pub(crate) fn footprint(&self) -> usize {
        sizing::footprint(self.regions.committed(Region::Nursery), self.capacity)
    }
    /// Bytes of old objects, alive or dead.
    pub(crate) fn old_bytes(&self) -> u32 {
        self.old_next - self.half.start()
    }
    /// Bytes of young objects, alive or dead.
    pub(super) fn young_bytes(&self, state: &VmGcState) -> u32 {
        state.alloc_next.get().saturating_sub(NURSERY_START).min(self.nursery)
    }

    /// Makes every allocation collect, or no longer.
    pub(crate) fn set_stress(&mut self, state: &VmGcState, stress: GcStress) {
        self.stress = stress;
        self.publish(state);
    }

    /// Tells machine code how far it may allocate.
    fn publish(&self, state: &VmGcState) {
        let end = match self.stress {
            GcStress::Off if self.corrupt.is_none() => NURSERY_START + self.nursery,
            _ => state.alloc_next.get(),
        };
        state.alloc_end.set(end);
    }

    /// Room for an object of `bytes` in the nursery, collecting if there is none. Its content is undefined: the caller writes
    /// all of it before the next collection.
    ///
    /// # Errors
    ///
    /// If there is no room all the same, or a collection fails.
    pub(crate) fn allocate(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        bytes: u32,
    ) -> Result<u32, GcError> {
        assert!(bytes.is_multiple_of(object::ALIGN) && bytes <= LARGE_BYTES, "an object of {bytes} bytes");
        self.first_room(state, host, bytes)?;
        if self.stress == GcStress::Off
            && self.corrupt.is_none()
            && let Some(at) = self.bump(state, bytes)
        {
            return Ok(at);
        }
        self.collect_as_needed(state, host)?;
        self.bump(state, bytes).ok_or(GcError::OutOfMemory { wanted: bytes.into() })
    }

    /// Sees to it that there is room at all, before the first object of `bytes`.
    fn first_room(&mut self, state: &VmGcState, host: &mut impl GcHost, bytes: u32) -> Result<(), GcError> {
        if self.capacity > 0 || self.make_room(state, host, 0, Squeeze::Allowed)? {
            return Ok(());
        }
        Err(GcError::OutOfMemory { wanted: bytes.into() })
    }

    fn bump(&self, state: &VmGcState, bytes: u32) -> Option<u32> {
        let at = NURSERY_START + self.young_bytes(state);
        let next = at + bytes;
        if next > NURSERY_START + self.nursery {
            return None;
        }
        state.alloc_next.set(next);
        self.publish(state);
        Some(at)
    }

    /// Room for an object of `bytes` among the old ones.
    pub(super) fn allocate_old(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        bytes: u32,
    ) -> Result<u32, GcError> {
        self.check_sound()?;
        self.first_room(state, host, bytes)?;
        let mut collected = false;
        if self.stress != GcStress::Off || self.old_bytes() + bytes > self.threshold {
            collected = self.stress != GcStress::Minor;
            let kind = if collected { CollectionKind::Full } else { CollectionKind::Minor };
            self.run(state, host, kind)?;
        }
        let mut room = self.make_room(state, host, bytes, Squeeze::of(collected))?;
        if !room && !collected {
            self.run(state, host, CollectionKind::Full)?;
            room = self.make_room(state, host, bytes, Squeeze::Allowed)?;
        }
        if !room {
            self.make_room(state, host, 0, Squeeze::Allowed)?;
            self.publish(state);
            return Err(GcError::OutOfMemory { wanted: bytes.into() });
        }
        self.publish(state);
        let at = self.old_next;
        self.old_next += bytes;
        self.stats.bytes_allocated += u64::from(bytes);
        Ok(at)
    }

    fn check_sound(&self) -> Result<(), CorruptHeap> {
        self.corrupt.map_or(Ok(()), Err)
    }

    /// Collects. References that `host` does not show are dangling afterwards.
    ///
    /// # Errors
    ///
    /// If the heap turns out to be corrupt, which it then stays, or the host's limiter raises an error.
    pub(crate) fn collect(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        kind: CollectionKind,
    ) -> Result<(), GcError> {
        if self.capacity == 0 {
            return Ok(());
        }
        let done = self.run(state, host, kind)?;
        self.restore_nursery(state, host, done)
    }

    /// Collects what has to be collected to allocate.
    fn collect_as_needed(&mut self, state: &VmGcState, host: &mut impl GcHost) -> Result<(), GcError> {
        let full = self.stress == GcStress::Full || self.old_bytes() >= self.threshold;
        let done = self.run(state, host, if full { CollectionKind::Full } else { CollectionKind::Minor })?;
        self.restore_nursery(state, host, done)
    }

    /// Makes a nursery after a collection, and another collection if it takes one. A heap that is left without any is out of
    /// memory when something is allocated.
    fn restore_nursery(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        done: CollectionKind,
    ) -> Result<(), GcError> {
        let full = done == CollectionKind::Full;
        if !self.make_room(state, host, 0, Squeeze::of(full))? && !full {
            self.run(state, host, CollectionKind::Full)?;
            self.make_room(state, host, 0, Squeeze::Allowed)?;
        }
        self.publish(state);
        Ok(())
    }

    /// Collects; the kind of the collection, which is full if young objects may be referred to from unknown places. There is
    /// no nursery afterwards.
    fn run(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        kind: CollectionKind,
    ) -> Result<CollectionKind, GcError> {
        self.check_sound()?;
        if kind == CollectionKind::Full || self.remembered.is_incomplete(state) {
            self.run_kind::<true>(state, host)?;
            Ok(CollectionKind::Full)
        } else {
            self.run_kind::<false>(state, host)?;
            Ok(CollectionKind::Minor)
        }
    }

    fn run_kind<const FULL: bool>(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
    ) -> Result<(), GcError> {
        let started = Instant::now();
        let young_bytes = self.young_bytes(state);
        // Whatever leaves this function before its end leaves a heap in two halves behind.
        self.corrupt = Some(CorruptHeap::Unfinished);
        self.publish(state);
        let to_half = if FULL { self.half.other() } else { self.half };
        let to_start = if FULL { to_half.start() } else { self.old_next };
        let outcome = self
            .evacuate::<FULL>(state, host, young_bytes, to_start..to_half.start() + self.capacity)
            .inspect_err(|corrupt| self.corrupt = Some(*corrupt))?;

        let dead = if FULL { self.externs.sweep() } else { self.sweep_young_externs() };
        if FULL {
            self.regions.discard(self.half, sizing::KEPT_BYTES);
        }
        self.half = to_half;
        self.old_next = outcome.end;
        self.nursery = 0;
        state.alloc_next.set(NURSERY_START);
        self.remembered.clear(state);
        self.corrupt = None;
        self.publish(state);

        let copied = outcome.end - to_start;
        if FULL {
            self.threshold = sizing::threshold(copied, self.nursery_wanted);
        } else {
            self.nursery_wanted =
                sizing::nursery_after(self.nursery_wanted, young_bytes, copied, outcome.roots);
        }
        self.stats.record::<FULL>(young_bytes, copied, started.elapsed());
        // Last: it runs code of the host.
        drop(dead);
        Ok(())
    }

    fn evacuate<const FULL: bool>(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        young_bytes: u32,
        to: std::ops::Range<u32>,
    ) -> Result<Outcome, CorruptHeap> {
        if FULL {
            self.externs.clear_marks();
        }
        let spaces = Spaces {
            base: self.regions.base(),
            // Objects have whole multiples of 8 bytes, so this is one.
            young: NURSERY_START..NURSERY_START + (young_bytes & !7),
            old: self.half.start()..self.old_next,
            to,
        };
        // SAFETY: all three are accessible: the nursery by H3, both halves up to `capacity` by H2, which `old` does not
        // pass. Copies go to the other half, or to behind the old objects. Sizes are multiples of 8; `&mut self` rules out
        // other access through the heap, and the host has only roots to look at.
        let mut evacuation = unsafe { Evacuation::<FULL>::new(spaces, self.types.rows(), &mut self.externs) };
        host.visit_roots(&mut |slot| evacuation.root(slot));
        if !FULL {
            evacuation.remembered(self.remembered.slots(state));
        }
        evacuation.finish()
    }

    fn sweep_young_externs(&mut self) -> Vec<HostValue> {
        let regions = &self.regions;
        // A survivor's header says where it went.
        self.externs.sweep_young(|at| regions.bytes(at, 1).is_some_and(|header| header[0] & 1 != 0))
    }
}
