//! The address space of a heap: the nursery and the two old halves.
//!
//! # Invariants
//!
//! * **R1** Of each region, the first `committed` bytes are readable and writable, for good; nothing else is accessible.
//!   Regions do not overlap, and `[0, NURSERY_START)` belongs to none.
//! * **R2** Machine code writes to the heap only while the heap is not borrowed.

use crate::vm::mmap::Reservation;
use std::io;
use waft_core::gc::{HALF_BYTES, HALF_STARTS, NURSERY_END, NURSERY_START, RESERVATION_BYTES};

/// A part of the heap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Region {
    Nursery,
    Half(Half),
}

/// One of the two places for old objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Half {
    A,
    B,
}

impl Half {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
    /// Where it begins.
    pub(super) const fn start(self) -> u32 {
        HALF_STARTS[self as usize]
    }
}

impl Region {
    /// The region that an offset belongs to.
    #[inline]
    const fn of(at: u32) -> Self {
        if at < NURSERY_END {
            Self::Nursery
        } else if at < HALF_STARTS[1] {
            Self::Half(Half::A)
        } else {
            Self::Half(Half::B)
        }
    }
    /// Where it begins.
    pub(super) const fn start(self) -> u32 {
        match self {
            Self::Nursery => NURSERY_START,
            Self::Half(half) => half.start(),
        }
    }
    /// The bytes that it can have.
    const fn bytes_max(self) -> u32 {
        match self {
            Self::Nursery => NURSERY_END - NURSERY_START,
            Self::Half(_) => HALF_BYTES,
        }
    }
    const fn index(self) -> usize {
        match self {
            Self::Nursery => 2,
            Self::Half(half) => half as usize,
        }
    }
}

/// The memory of a heap.
#[derive(Debug)]
pub(super) struct Regions {
    reservation: Reservation,
    committed: [u32; 3],
}

impl Regions {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { reservation: Reservation::new(RESERVATION_BYTES as usize)?, committed: [0; 3] })
    }

    /// Where offsets count from.
    pub(super) fn base(&self) -> *mut u8 {
        self.reservation.base()
    }

    /// Bytes of a region that are accessible.
    #[inline]
    pub(super) fn committed(&self, region: Region) -> u32 {
        self.committed[region.index()]
    }

    /// Makes at least the first `bytes` of a region accessible; what was accessible stays so.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the memory.
    pub(super) fn commit(&mut self, region: Region, bytes: u32) -> io::Result<()> {
        let bytes = bytes.next_multiple_of(NURSERY_START);
        assert!(bytes <= region.bytes_max(), "{bytes} bytes wanted of {region:?}");
        let before = self.committed(region);
        if bytes > before {
            let start = region.start() as usize;
            self.reservation.commit(start + before as usize..start + bytes as usize)?;
            self.committed[region.index()] = bytes;
        }
        Ok(())
    }

    /// Gives the memory of a half back, except for its first `kept` bytes. It stays accessible, and its content is lost.
    pub(super) fn discard(&self, half: Half, kept: u32) {
        let committed = self.committed(Region::Half(half));
        let kept = kept.next_multiple_of(NURSERY_START).min(committed);
        let start = half.start() as usize;
        self.reservation.discard(start + kept as usize..start + committed as usize);
    }

    /// Asks for the halves to be made of huge pages.
    pub(super) fn use_huge_pages(&self) {
        let start = Half::A.start() as usize;
        self.reservation.prefer_huge_pages(start..start + 2 * HALF_BYTES as usize);
    }

    /// Whether a range is accessible: it may have any start and length.
    #[inline]
    pub(super) fn is_accessible(&self, at: u32, len: usize) -> bool {
        let region = Region::of(at);
        let within = at.wrapping_sub(region.start());
        // Below the nursery, `within` wraps to more than any region has.
        let committed = self.committed(region);
        within <= committed && len <= (committed - within) as usize
    }

    /// The bytes of a range, if they are accessible.
    #[inline]
    pub(super) fn bytes(&self, at: u32, len: usize) -> Option<&[u8]> {
        if !self.is_accessible(at, len) {
            return None;
        }
        // SAFETY: readable by R1, and initialised as all memory of the kernel's is; by R2 and `&self` nobody writes.
        Some(unsafe { std::slice::from_raw_parts(self.base().wrapping_add(at as usize), len) })
    }

    /// The bytes of a range, to be changed, if they are accessible.
    #[inline]
    pub(super) fn bytes_mut(&mut self, at: u32, len: usize) -> Option<&mut [u8]> {
        if !self.is_accessible(at, len) {
            return None;
        }
        // SAFETY: as above, and `&mut self` rules out any other access.
        Some(unsafe { std::slice::from_raw_parts_mut(self.base().wrapping_add(at as usize), len) })
    }

    /// Copies between two ranges, which may overlap; `false` if one is not accessible.
    pub(super) fn copy_within(&mut self, dst: u32, src: u32, len: usize) -> bool {
        if !self.is_accessible(dst, len) || !self.is_accessible(src, len) {
            return false;
        }
        let at = |offset: u32| self.base().wrapping_add(offset as usize);
        // SAFETY: both ranges are readable and writable by R1; `copy` lets them overlap; `&mut self` rules out others.
        unsafe { std::ptr::copy(at(src), at(dst), len) };
        true
    }
}
