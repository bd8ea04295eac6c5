//! Room for new objects: what a heap takes of its store's memory, and how it is divided.
//!
//! # Elsewhere
//!
//! The numbers: `sizing.rs`. What must hold of them: `heap.rs`.

use super::error::GcError;
use super::heap::{GcHeap, GcHost};
use super::regions::{Half, Region};
use super::sizing;
use super::state::VmGcState;

impl GcHeap {
    /// Sees to it that H2 holds with `extra` more bytes of old objects and a nursery of a useful size; whether it could.
    pub(super) fn make_room(
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
                if self.grow(host, wanted, capacity, Necessity::Useful)? {
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
        let Some(capacity) = sizing::capacity(old, least) else { return Ok(false) };
        if !self.grow(host, least, capacity, Necessity::Needed)? {
            return Ok(false);
        }
        self.nursery = least;
        Ok(true)
    }

    /// Whether H2 and H3 hold with so many bytes of old objects and such a nursery.
    fn fits(&self, old: u64, nursery: u32) -> bool {
        old + u64::from(nursery) <= u64::from(self.capacity)
            && nursery <= self.regions.committed(Region::Nursery)
    }

    /// Makes the nursery and both halves at least so large, if the host and the machine agree.
    fn grow(
        &mut self,
        host: &mut impl GcHost,
        nursery: u32,
        capacity: u32,
        necessity: Necessity,
    ) -> Result<bool, GcError> {
        let capacity = capacity.max(self.capacity);
        let nursery = nursery.max(self.regions.committed(Region::Nursery));
        let desired = sizing::footprint(nursery, capacity);
        match host.may_grow(self.footprint(), desired) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // A limiter that raises errors does not do so for what the guest can do without.
            Err(_) if necessity == Necessity::Useful => return Ok(false),
            Err(error) => return Err(GcError::Host(error)),
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
        if self.capacity < sizing::HUGE_PAGES_FROM_BYTES && capacity >= sizing::HUGE_PAGES_FROM_BYTES {
            self.regions.use_huge_pages();
        }
        self.capacity = capacity;
        Ok(true)
    }
}

/// Whether the guest ends when the heap may not grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Necessity {
    Useful,
    Needed,
}

/// Whether a nursery may be smaller than wanted, and the heap grow although a full collection could be due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Squeeze {
    Forbidden,
    Allowed,
}

impl Squeeze {
    /// Allowed once there was a full collection.
    pub(super) const fn of(collected: bool) -> Self {
        if collected { Self::Allowed } else { Self::Forbidden }
    }
}
