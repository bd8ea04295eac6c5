//! Address space: reserved once, made accessible piece by piece.
//!
//! # Invariants
//!
//! * **M1** `base..base + len` is one mapping that this process made for this value and nobody else unmaps.
//! * **M2** Nothing here creates a reference into the mapping: who holds a raw pointer argues for it himself.
//!
//! # Elsewhere
//!
//! Executable mappings: `code_memory.rs`.

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use std::io;
use std::ops::Range;
use std::ptr;

/// A span of address space in which nothing is accessible until it is committed.
#[derive(Debug)]
pub(crate) struct Reservation {
    base: *mut u8,
    len: usize,
}

// SAFETY: the value owns a mapping, which belongs to the process and not to a thread; by M2 no access happens here.
unsafe impl Send for Reservation {}
// SAFETY: `&self` methods only change protections, by system calls that may run on any thread at once.
unsafe impl Sync for Reservation {}

/// Bytes of a page of this machine.
pub(crate) fn page_bytes() -> usize {
    rustix::param::page_size()
}

impl Reservation {
    /// Reserves at least `bytes` of address space, rounded up to pages. It costs no memory.
    ///
    /// # Errors
    ///
    /// If `bytes` is 0 or more than the address space has, or the process has too many mappings.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let len = bytes
            .checked_next_multiple_of(page_bytes())
            .ok_or(io::Error::from(io::ErrorKind::OutOfMemory))?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a null address lets the kernel choose unused space, so that no existing mapping changes.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), len, ProtFlags::empty(), flags) }?;
        Ok(Self { base: base.cast(), len })
    }

    /// The first byte.
    pub(crate) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Bytes reserved: a multiple of the page.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes whole pages readable and writable. What was never written, or was decommitted since, reads as zero.
    ///
    /// # Errors
    ///
    /// If the kernel refuses the memory.
    ///
    /// # Panics
    ///
    /// If the range is not made of whole pages of the reservation.
    pub(crate) fn commit(&self, range: Range<usize>) -> io::Result<()> {
        let Some((at, len)) = self.pages(range) else { return Ok(()) };
        // SAFETY: `pages` gives whole pages inside this value's mapping (M1); more access breaks no promise.
        unsafe { mprotect(at.cast(), len, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        Ok(())
    }

    /// Gives whole pages back: their content is lost and access faults.
    ///
    /// # Errors
    ///
    /// If the kernel has too many mappings to split one more.
    ///
    /// # Panics
    ///
    /// If the range is not made of whole pages of the reservation.
    #[cfg_attr(not(test), expect(dead_code, reason = "memories only grow until instances are reused"))]
    pub(crate) fn decommit(&self, range: Range<usize>) -> io::Result<()> {
        let Some((at, len)) = self.pages(range) else { return Ok(()) };
        // SAFETY: whole pages inside this value's mapping (M1), to which by M2 no reference of ours exists. Access
        // goes first, so that a failure between the two calls never leaves old content readable.
        unsafe { mprotect(at.cast(), len, MprotectFlags::empty()) }?;
        // SAFETY: as above; private anonymous pages read as zero after they were dropped.
        unsafe { madvise(at.cast(), len, Advice::LinuxDontNeed) }?;
        Ok(())
    }

    /// Gives the memory of whole pages back that are accessible and stay so: they read as zero, or as before where the
    /// kernel keeps the memory.
    ///
    /// # Panics
    ///
    /// If the range is not made of whole pages of the reservation.
    pub(crate) fn discard(&self, range: Range<usize>) {
        let Some((at, len)) = self.pages(range) else { return };
        // SAFETY: whole pages inside this value's mapping (M1), to which by M2 no reference of ours exists; the caller
        // asks for the loss of their content.
        let discarded = unsafe { madvise(at.cast(), len, Advice::LinuxDontNeed) };
        // It fails for locked pages, which then keep their memory.
        let _ = discarded;
    }

    /// Asks for whole pages to become huge ones as they are used: fewer faults, and fewer misses of the address cache.
    ///
    /// # Panics
    ///
    /// If the range is not made of whole pages of the reservation.
    pub(crate) fn prefer_huge_pages(&self, range: Range<usize>) {
        let Some((at, len)) = self.pages(range) else { return };
        // SAFETY: whole pages inside this value's mapping (M1), whose content and protection stay as they are.
        let advised = unsafe { madvise(at.cast(), len, Advice::LinuxHugepage) };
        // A kernel without huge pages says so, and small ones do.
        let _ = advised;
    }

    /// The address and bytes of a range, or none if it is empty.
    fn pages(&self, range: Range<usize>) -> Option<(*mut u8, usize)> {
        let page = page_bytes();
        assert!(
            range.start <= range.end && range.end <= self.len,
            "{range:?} is outside a reservation of {} bytes",
            self.len
        );
        assert!(range.start.is_multiple_of(page) && range.end.is_multiple_of(page), "{range:?} cuts a page");
        // An empty range may stand at the very end, where the system calls refuse it.
        (!range.is_empty()).then(|| (self.base.wrapping_add(range.start), range.len()))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: M1: the mapping is this value's, which is going away.
        let unmapped = unsafe { munmap(self.base.cast(), self.len) };
        // It fails only for addresses that M1 rules out.
        debug_assert!(unmapped.is_ok(), "munmap: {unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_pages_hold_data_and_forget_it_when_decommitted() {
        let page = page_bytes();
        let memory = Reservation::new(1 << 36).unwrap();
        let at = memory.base().wrapping_add(3 * page);
        for value in [7_u8, 9] {
            memory.commit(3 * page..4 * page).unwrap();
            // SAFETY: the page was just committed.
            assert_eq!(unsafe { at.read() }, 0);
            // SAFETY: same page.
            unsafe { at.write(value) };
            // SAFETY: same page.
            assert_eq!(unsafe { at.read() }, value);
            memory.decommit(3 * page..4 * page).unwrap();
        }
    }

    #[test]
    fn empty_and_impossible_sizes_are_errors() {
        assert!(Reservation::new(0).is_err());
        assert!(Reservation::new(usize::MAX).is_err());
        assert!(Reservation::new(1 << 60).is_err());
    }

    #[test]
    fn empty_ranges_are_fine_anywhere() {
        let memory = Reservation::new(1).unwrap();
        memory.commit(0..0).unwrap();
        memory.decommit(memory.len()..memory.len()).unwrap();
        memory.discard(0..0);
        memory.prefer_huge_pages(0..0);
    }

    #[test]
    fn discarded_pages_stay_accessible() {
        let memory = Reservation::new(4 << 20).unwrap();
        memory.prefer_huge_pages(0..memory.len());
        memory.commit(0..memory.len()).unwrap();
        let at = memory.base().wrapping_add(2 << 20);
        // SAFETY: the pages were just committed.
        unsafe { at.write(7) };
        memory.discard(2 << 20..memory.len());
        // SAFETY: discarded pages stay accessible.
        assert_eq!(unsafe { at.read() }, 0);
    }
}
