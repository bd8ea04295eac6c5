//! Memories that many threads use at once, each from a store of its own.
//!
//! # Invariants
//!
//! * **H1** `0..len` of the space is accessible; `len` only grows, under the lock of `growing`; the base never moves.
//! * **H2** No reference of Rust's to the bytes exists, other than to cells and atomics: guests write them at any time.
//!   What guests do to the same bytes at once is theirs to order.
//! * **H3** What contexts have of it points into the object, which the instances of their store keep alive.
//!
//! # Elsewhere
//!
//! Waiting: `parking.rs`. Memories of one store: `memory.rs`. Public handle: `waft::SharedMemory`.

use super::context::VmMemory;
use super::instance::PartOf;
use super::memory::{MemorySpace, range};
use super::parking::{Parking, Waited};
use super::store::StoreOpaque;
use crate::config::Config;
use anyhow::Result;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use waft_core::index::DefinedMemoryIndex;
use waft_core::trap::TrapCode;
use waft_core::types::MemoryTy;

/// A shared memory.
pub(crate) struct SharedMemoryObject {
    space: MemorySpace,
    len: AtomicUsize,
    growing: Mutex<()>,
    parking: Parking,
}

/// What a wait expects to find.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// 32 bits.
    I32(u32),
    /// 64 bits.
    I64(u64),
}

impl Expected {
    const fn bytes(self) -> u64 {
        match self {
            Self::I32(_) => 4,
            Self::I64(_) => 8,
        }
    }

    /// Whether it is what `place` holds now.
    ///
    /// # Safety
    ///
    /// * `place` is aligned to [`Self::bytes`], and so many bytes from there are in a shared memory that is alive.
    unsafe fn is_at(self, place: *mut u8) -> bool {
        match self {
            Self::I32(value) => {
                // SAFETY: the caller promises all of it, and H2 rules out other references.
                let found = unsafe { AtomicU32::from_ptr(place.cast()) };
                found.load(Ordering::SeqCst) == value
            }
            Self::I64(value) => {
                // SAFETY: as above.
                let found = unsafe { AtomicU64::from_ptr(place.cast()) };
                found.load(Ordering::SeqCst) == value
            }
        }
    }
}

impl SharedMemoryObject {
    /// A zeroed memory of its type's initial size.
    pub(crate) fn new(ty: MemoryTy, config: &Config) -> Result<Self> {
        let space = MemorySpace::new(ty, config)?;
        let len = AtomicUsize::new(space.commit(0, ty.limits.min)?);
        Ok(Self { space, len, growing: Mutex::default(), parking: Parking::default() })
    }

    /// Its type as declared.
    pub(crate) fn ty(&self) -> MemoryTy {
        self.space.ty()
    }
    /// The bytes that it has now.
    pub(crate) fn bytes(&self) -> usize {
        // Whoever sees a length sees that so much is accessible: that is the kernel's doing.
        self.len.load(Ordering::SeqCst)
    }
    /// The pages that it has now.
    pub(crate) fn pages(&self) -> u64 {
        self.bytes() as u64 >> self.ty().page_bytes_log2
    }

    /// Makes it `after` pages long if it has `before`; whether it had.
    ///
    /// # Errors
    ///
    /// If that is more than is reserved, or the machine has no more memory; the size is as before then.
    pub(crate) fn grow(&self, before: u64, after: u64) -> Result<bool> {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.pages() != before {
            return Ok(false);
        }
        let len = self.space.commit(before, after)?;
        self.len.store(len, Ordering::SeqCst);
        Ok(true)
    }

    /// What compiled code sees of it: the length stands in the object.
    pub(super) fn vm(&self) -> VmMemory {
        VmMemory { base: self.space.base(), len: (&raw const self.len).addr() }
    }

    /// Its bytes.
    pub(crate) fn cells(&self) -> &[UnsafeCell<u8>] {
        let base: *const UnsafeCell<u8> = self.space.base().cast_const().cast();
        // SAFETY: accessible by H1 as long as `self`, and cells may be written at any time.
        unsafe { std::slice::from_raw_parts(base, self.bytes()) }
    }

    /// The address of `len` bytes at `start`, if they are in the memory.
    fn place(&self, start: u64, len: u64) -> Option<*mut u8> {
        let range: Range<usize> = range(start, len, self.bytes())?;
        Some(self.space.base().wrapping_add(range.start))
    }

    /// Copies bytes from `start` on into `buffer`; whether they are all there.
    pub(crate) fn read(&self, start: u64, buffer: &mut [u8]) -> bool {
        let Some(from) = self.place(start, buffer.len() as u64) else { return false };
        // Words where the memory's addresses are aligned, bytes at both ends.
        let head = from.align_offset(8).min(buffer.len());
        let (first, rest) = buffer.split_at_mut(head);
        let (words, last) = rest.as_chunks_mut::<8>();
        let tail = head + words.len() * 8;
        for (at, byte) in first.iter_mut().enumerate() {
            // SAFETY: in the range that was found.
            *byte = unsafe { atomic_byte(from, at) }.load(Ordering::Relaxed);
        }
        for (at, word) in words.iter_mut().enumerate() {
            // SAFETY: in the range that was found, and aligned behind the head.
            *word = unsafe { atomic_word(from, head + at * 8) }.load(Ordering::Relaxed).to_ne_bytes();
        }
        for (at, byte) in last.iter_mut().enumerate() {
            // SAFETY: in the range that was found.
            *byte = unsafe { atomic_byte(from, tail + at) }.load(Ordering::Relaxed);
        }
        true
    }

    /// Copies `buffer` into the memory from `start` on; whether it fits.
    pub(crate) fn write(&self, start: u64, buffer: &[u8]) -> bool {
        let Some(to) = self.place(start, buffer.len() as u64) else { return false };
        let head = to.align_offset(8).min(buffer.len());
        let (first, rest) = buffer.split_at(head);
        let (words, last) = rest.as_chunks::<8>();
        let tail = head + words.len() * 8;
        for (at, byte) in first.iter().enumerate() {
            // SAFETY: in the range that was found.
            unsafe { atomic_byte(to, at) }.store(*byte, Ordering::Relaxed);
        }
        for (at, word) in words.iter().enumerate() {
            // SAFETY: in the range that was found, and aligned behind the head.
            unsafe { atomic_word(to, head + at * 8) }.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        }
        for (at, byte) in last.iter().enumerate() {
            // SAFETY: in the range that was found.
            unsafe { atomic_byte(to, tail + at) }.store(*byte, Ordering::Relaxed);
        }
        true
    }

    /// Waits at `address` while the memory holds `expected` there: see [`Parking::wait`].
    ///
    /// # Errors
    ///
    /// If the address is not aligned or outside of the memory.
    pub(crate) fn wait(
        &self,
        address: u64,
        expected: Expected,
        timeout: Option<Duration>,
        stopped: impl Fn() -> bool,
    ) -> Result<Waited, TrapCode> {
        let place = self.atomic_place(address, expected.bytes())?;
        let as_expected = || {
            // SAFETY: `atomic_place` gives an aligned place in the memory, which lives as long as `self`.
            unsafe { expected.is_at(place) }
        };
        Ok(self.parking.wait(address, as_expected, timeout, stopped))
    }

    /// Wakes up to `count` threads that wait at `address`; how many.
    ///
    /// # Errors
    ///
    /// If the address is not aligned to 4 or outside of the memory.
    pub(crate) fn notify(&self, address: u64, count: u32) -> Result<u32, TrapCode> {
        self.atomic_place(address, 4)?;
        Ok(self.parking.notify(address, count))
    }

    /// Where so many bytes are, for an atomic access.
    fn atomic_place(&self, address: u64, bytes: u64) -> Result<*mut u8, TrapCode> {
        if !address.is_multiple_of(bytes) {
            return Err(TrapCode::HeapMisaligned);
        }
        self.place(address, bytes).ok_or(TrapCode::MemoryOutOfBounds)
    }
}

/// What library calls do to memories with atomic operators. Errors are the guest's traps.
impl StoreOpaque {
    /// Wakes up to `count` threads that wait at `address`; how many. Nobody waits on a memory that is not shared.
    pub(super) fn atomic_notify(
        &self,
        part: PartOf<DefinedMemoryIndex>,
        address: u64,
        count: u32,
    ) -> Result<u32, TrapCode> {
        let memory = self.at(part.owner).memory_object(part.index);
        match memory.as_shared() {
            Some(shared) => shared.notify(address, count),
            None if range(address, 4, memory.bytes()).is_none() => Err(TrapCode::MemoryOutOfBounds),
            None => Ok(0),
        }
    }

    /// Waits at `address`: 0 when notified, 1 if there is something else than expected, 2 when the time is over.
    pub(super) fn atomic_wait(
        &self,
        part: PartOf<DefinedMemoryIndex>,
        address: u64,
        expected: Expected,
        timeout: Option<Duration>,
    ) -> Result<u32, TrapCode> {
        let memory = self.at(part.owner).memory_object(part.index);
        let shared = memory.as_shared().ok_or(TrapCode::AtomicWaitNonSharedMemory)?;
        match shared.wait(address, expected, timeout, || self.interrupted())? {
            Waited::Notified => Ok(0),
            Waited::Mismatch => Ok(1),
            Waited::TimedOut => Ok(2),
            Waited::Stopped => Err(TrapCode::Interrupt),
        }
    }
}

/// The byte `at` bytes after `base`.
///
/// # Safety
///
/// * It is in a shared memory that lives as long as the reference is used.
unsafe fn atomic_byte<'a>(base: *mut u8, at: usize) -> &'a AtomicU8 {
    // SAFETY: in the memory by the caller's promise, and accessed by nothing but atomics and machine code (H2).
    unsafe { AtomicU8::from_ptr(base.wrapping_add(at)) }
}

/// The eight bytes `at` bytes after `base`.
///
/// # Safety
///
/// * As for [`atomic_byte`], and aligned.
unsafe fn atomic_word<'a>(base: *mut u8, at: usize) -> &'a AtomicU64 {
    // SAFETY: as above, and aligned by the caller's promise.
    unsafe { AtomicU64::from_ptr(base.wrapping_add(at).cast()) }
}
