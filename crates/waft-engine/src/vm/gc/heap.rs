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
//! How a collection works: `collect.rs`. Fields and elements: `access.rs`. How large things are: `sizing.rs`.

use super::collect::{CorruptHeap, Evacuation, Outcome, Spaces};
use super::externs::{Externs, HostValue};
use super::regions::{Half, Region, Regions};
use super::remember::Remembered;
use super::sizing;
use super::state::VmGcState;
use super::stats::GcStats;
use super::type_table::TypeTable;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Instant;
use waft_core::gc::row::{EXTERN_BOX, RowHead};
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

/// Why there is no new object.
#[derive(Debug)]
pub(crate) enum GcError {
    /// What is alive leaves no room, and the heap may not grow.
    OutOfMemory {
        /// Bytes of the object.
        wanted: u64,
    },
    /// The heap holds what no program can have made.
    Corrupt(CorruptHeap),
    /// The host's limiter raised an error.
    Host(anyhow::Error),
}

impl From<CorruptHeap> for GcError {
    fn from(corrupt: CorruptHeap) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl std::fmt::Display for GcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfMemory { wanted } => write!(f, "the heap has no room for an object of {wanted} bytes"),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::Host(error) => error.fmt(f),
        }
    }
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
    externs: Externs,
    half: Half,
    old_next: u32,
    /// Bytes of the nursery that may be used now.
    nursery: u32,
    /// Bytes that it should have.
    nursery_wanted: u32,
    /// Bytes that each half may have.
    capacity: u32,
    /// How many bytes of old objects make the next collection a full one.
    threshold: u32,
    stress: GcStress,
    stats: GcStats,
    corrupt: Option<CorruptHeap>,
}

impl GcHeap {
    /// An empty heap for the store that `state` belongs to, which has none yet.
    ///
    /// # Errors
    ///
    /// If the process has no address space left, or the host does not allow the store the smallest heap.
    pub(crate) fn new(
        types: Arc<TypeTable>,
        state: &VmGcState,
        host: &mut impl GcHost,
    ) -> anyhow::Result<Self> {
        let mut heap = Self {
            regions: Regions::new().context("cannot reserve address space for a heap")?,
            types,
            remembered: Remembered::new().context("cannot get memory for a heap")?,
            externs: Externs::default(),
            half: Half::A,
            old_next: Half::A.start(),
            nursery: 0,
            nursery_wanted: sizing::NURSERY_BYTES_FIRST,
            capacity: 0,
            threshold: sizing::threshold(0),
            stress: GcStress::Off,
            stats: GcStats::default(),
            corrupt: None,
        };
        state.alloc_next.set(NURSERY_START);
        if !heap.make_room(state, host, 0, Squeeze::Allowed)? {
            let least = sizing::footprint(sizing::NURSERY_BYTES_MIN, sizing::NURSERY_BYTES_MIN);
            let error = anyhow::Error::from(GcError::OutOfMemory { wanted: least as u64 });
            return Err(
                error.context(format!("the store's limits leave no room for a heap of {least} bytes"))
            );
        }
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
    fn young_bytes(&self, state: &VmGcState) -> u32 {
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
        if self.stress == GcStress::Off
            && self.corrupt.is_none()
            && let Some(at) = self.bump(state, bytes)
        {
            return Ok(at);
        }
        self.collect_as_needed(state, host)?;
        self.bump(state, bytes).ok_or(GcError::OutOfMemory { wanted: bytes.into() })
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
    fn allocate_old(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        bytes: u32,
    ) -> Result<u32, GcError> {
        self.check_sound()?;
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

    /// A new struct of type `ty`, all zero and null.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub(crate) fn new_struct(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        ty: u32,
    ) -> Result<u32, GcError> {
        let bytes = self.head(ty)?.fixed_bytes().ok_or(CorruptHeap::Type)?;
        let at = self.allocate(state, host, bytes)?;
        self.fill_new(at, bytes, ty, 0)?;
        Ok(at)
    }

    /// A new exception whose tag has the function type `ty` and the store's number `tag`, its payload zero and null.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub(crate) fn new_exception(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        ty: u32,
        tag: u32,
    ) -> Result<u32, GcError> {
        let at = self.new_struct(state, host, ty)?;
        self.write(at, object::EXCEPTION_TAG, tag.to_le_bytes())?;
        Ok(at)
    }

    /// A new array of type `ty` with `length` elements, all zero or null. What is larger than [`LARGE_BYTES`] is old from
    /// the start: references that are written to it must be remembered.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`], and if no heap has room for so many elements.
    pub(crate) fn new_array(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        ty: u32,
        length: u32,
    ) -> Result<u32, GcError> {
        let head = self.head(ty)?;
        head.array_bytes(0).ok_or(CorruptHeap::Type)?;
        let wanted = u64::from(object::ARRAY_ELEMENTS) + (u64::from(length) << head.size);
        let bytes = head.array_bytes(length).ok_or(GcError::OutOfMemory { wanted })?;
        let at = if bytes <= LARGE_BYTES {
            self.allocate(state, host, bytes)
        } else {
            self.allocate_old(state, host, bytes)
        }?;
        self.fill_new(at, bytes, ty, length)?;
        Ok(at)
    }

    /// A new extern box.
    ///
    /// # Errors
    ///
    /// As [`Self::allocate`].
    pub(crate) fn new_extern(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        value: HostValue,
    ) -> Result<u32, GcError> {
        let at = self.allocate(state, host, object::EXTERN_BYTES)?;
        let index = self.externs.insert(value, at);
        self.fill_new(at, object::EXTERN_BYTES, EXTERN_BOX, index)?;
        Ok(at)
    }

    /// The host value in an extern box; `None` if the reference is not to one.
    pub(crate) fn extern_value(&self, reference: u32) -> Option<&HostValue> {
        let is_box = self.type_of(reference).ok()? == EXTERN_BOX;
        let index = self.read(reference, object::EXTERN_INDEX).ok().map(u32::from_le_bytes)?;
        self.externs.get(index).filter(|_| is_box)
    }

    fn head(&self, ty: u32) -> Result<RowHead, CorruptHeap> {
        self.types.rows().head(ty).filter(|head| head.kind().is_some()).ok_or(CorruptHeap::Type)
    }

    /// Writes the first two words of a new object and zeroes the rest.
    fn fill_new(&mut self, at: u32, bytes: u32, ty: u32, second: u32) -> Result<(), CorruptHeap> {
        let object = self.regions.bytes_mut(at, bytes as usize).ok_or(CorruptHeap::Reference)?;
        let (header, rest) = object.split_at_mut(4);
        let (word, rest) = rest.split_at_mut(4);
        header.copy_from_slice(&ty.to_le_bytes());
        word.copy_from_slice(&second.to_le_bytes());
        rest.fill(0);
        Ok(())
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
        let done = self.run(state, host, kind)?;
        // An empty heap without room for a nursery says so when something is allocated.
        self.restore_nursery(state, host, done)?;
        Ok(())
    }

    /// Collects what has to be collected to allocate.
    fn collect_as_needed(&mut self, state: &VmGcState, host: &mut impl GcHost) -> Result<(), GcError> {
        let full = self.stress == GcStress::Full || self.old_bytes() >= self.threshold;
        let done = self.run(state, host, if full { CollectionKind::Full } else { CollectionKind::Minor })?;
        self.restore_nursery(state, host, done)
    }

    /// Makes a nursery after a collection, and another collection if it takes one.
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
            self.threshold = sizing::threshold(copied);
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

    /// Sees to it that H2 holds with `extra` more bytes of old objects and a nursery of a useful size; whether it could.
    fn make_room(
        &mut self,
        state: &VmGcState,
        host: &mut impl GcHost,
        extra: u32,
        squeeze: Squeeze,
    ) -> Result<bool, GcError> {
        let old = u64::from(self.old_bytes()) + u64::from(extra);
        let wanted = self.nursery_wanted.max(self.nursery);
        if self.fits(old, wanted) {
            self.nursery = wanted;
            return Ok(true);
        }
        // Rather a full collection than more room for garbage.
        let may_grow = squeeze == Squeeze::Allowed || old <= u64::from(self.threshold);
        if may_grow {
            for capacity in sizing::capacities(self.capacity, self.threshold, old, wanted) {
                // An error is a refusal here: it is raised when there is no other way left, for what is asked for last.
                if self.grow(host, wanted, capacity).unwrap_or(false) {
                    self.nursery = wanted;
                    return Ok(true);
                }
            }
        }
        if squeeze == Squeeze::Forbidden {
            return Ok(false);
        }
        let least = sizing::nursery_min(old).max(self.young_bytes(state));
        let left = u64::from(self.capacity).saturating_sub(old) as u32 & !7;
        let squeezed = left.min(self.regions.committed(Region::Nursery));
        if squeezed >= least {
            self.nursery = squeezed.min(wanted);
            return Ok(true);
        }
        let capacity = sizing::capacity(old, least);
        let grown = match capacity {
            Some(capacity) => self.grow(host, least, capacity)?,
            None => false,
        };
        if grown {
            self.nursery = least;
        }
        Ok(grown)
    }

    /// Whether H2 and H3 hold with so many bytes of old objects and such a nursery.
    fn fits(&self, old: u64, nursery: u32) -> bool {
        old + u64::from(nursery) <= u64::from(self.capacity)
            && nursery <= self.regions.committed(Region::Nursery)
    }

    /// Makes the nursery and both halves at least so large, if the host and the machine agree.
    fn grow(&mut self, host: &mut impl GcHost, nursery: u32, capacity: u32) -> Result<bool, GcError> {
        let capacity = capacity.max(self.capacity);
        let nursery = nursery.max(self.regions.committed(Region::Nursery));
        let desired = sizing::footprint(nursery, capacity);
        if !host.may_grow(self.footprint(), desired).map_err(GcError::Host)? {
            return Ok(false);
        }
        let regions = [
            (Region::Half(Half::A), capacity),
            (Region::Half(Half::B), capacity),
            (Region::Nursery, nursery),
        ];
        for (region, bytes) in regions {
            if let Err(error) = self.regions.commit(region, bytes) {
                let error = anyhow::Error::new(error).context(format!("cannot give a heap {desired} bytes"));
                host.grow_failed(error).map_err(GcError::Host)?;
                return Ok(false);
            }
        }
        self.capacity = capacity;
        Ok(true)
    }
}

/// Whether a nursery may be smaller than wanted, and the heap grow although a full collection could be due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Squeeze {
    Forbidden,
    Allowed,
}

impl Squeeze {
    /// Allowed once there was a full collection.
    const fn of(collected: bool) -> Self {
        if collected { Self::Allowed } else { Self::Forbidden }
    }
}
