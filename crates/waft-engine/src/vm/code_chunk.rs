//! Memory for machine code that comes function by function, while neighbours run.
//!
//! A chunk is mapped twice: in the arena, where it is readable and executable, and elsewhere, where it is readable and
//! writable until it is closed. So no mapping is ever writable and executable, and no protection changes under code that
//! runs.
//!
//! # Invariants
//!
//! * **H1** Below `used` nothing is written any more: it is code that may run. Above nothing runs.
//! * **H2** The pages are shared with processes that were forked meanwhile. Only the process that made the chunk writes to
//!   it; another one starts a chunk of its own.
//!
//! # Elsewhere
//!
//! Who fills chunks: `src/lazy.rs`. The arena: `code_memory.rs`.

use super::code_memory::{CodeInfo, Piece, Registration};
use rustix::mm::{MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap_anonymous, mprotect, mremap, munmap};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use waft_core::tier::Placement;

/// Some code, and room for more.
pub(crate) struct CodeChunk {
    /// Before the piece, so that it goes first: nobody finds code by an address that is free.
    registration: OnceLock<Registration>,
    room: Mutex<Room>,
    piece: Piece,
    /// The process that fills it.
    made_by: u32,
}

struct Room {
    /// Bytes that hold code.
    used: usize,
    /// Where the rest can be written; none when the chunk is closed.
    writable: Option<Writable>,
}

/// The writable mapping of a chunk.
struct Writable {
    at: *mut u8,
    len: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread, and nothing else refers to this one.
unsafe impl Send for Writable {}

impl Writable {
    /// Maps the pages of a piece once more.
    fn new(piece: &Piece) -> io::Result<Self> {
        let len = piece.len();
        // SAFETY: old size 0 maps the pages of a shared mapping, which the piece's is, at an address of the kernel's
        // choice, and leaves the old mapping as it is.
        let at = unsafe { mremap(piece.base().cast(), 0, len, MremapFlags::MAYMOVE) }?;
        let writable = Self { at: at.cast(), len };
        // SAFETY: the mapping was just made, and nothing refers to it. Until here it was executable, and not writable.
        unsafe { mprotect(at, len, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        Ok(writable)
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, unmapped only here. The call cannot fail for a mapping that exists.
        let _ = unsafe { munmap(self.at.cast(), self.len) };
    }
}

impl CodeChunk {
    /// An empty chunk for at least so many bytes. What is not used of it costs addresses only.
    ///
    /// # Errors
    ///
    /// If there is no room for it, or the system forbids code made at run time.
    pub(crate) fn new(bytes: usize) -> io::Result<Self> {
        let piece = Piece::take(bytes)?;
        let access = ProtFlags::READ | ProtFlags::EXEC;
        let flags = MapFlags::SHARED | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: the pages that the mapping replaces are this piece's alone (C3), and nothing refers to them yet.
        unsafe { mmap_anonymous(piece.base().cast(), piece.len(), access, flags) }?;
        let writable = Some(Writable::new(&piece)?);
        Ok(Self {
            registration: OnceLock::new(),
            room: Mutex::new(Room { used: 0, writable }),
            piece,
            made_by: std::process::id(),
        })
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        // Whole whenever it is unlocked: `used` changes last.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where code of so many bytes would be appended. None if the chunk has no room for it, is closed, or is another process's (H2).
    pub(crate) fn next(&self, placement: Placement, len: usize) -> Option<u32> {
        self.place(&self.room(), placement, len).map(|(_, place)| place.start as u32)
    }

    /// The same in a room, with the mapping to write to.
    fn place<'r>(
        &self,
        room: &'r Room,
        placement: Placement,
        len: usize,
    ) -> Option<(&'r Writable, Range<usize>)> {
        let writable = room.writable.as_ref().filter(|_| self.made_by == std::process::id())?;
        let start = placement.next(room.used)?;
        let end = start.checked_add(len).filter(|end| *end <= writable.len)?;
        Some((writable, start..end))
    }

    /// Appends code and says at which offset, if it can: see [`Self::next`].
    ///
    /// Nothing that a processor has fetched changes: no address above `used` was ever jumped to. Where fetches do not see
    /// stores through another mapping (not x86-64), the caches are synchronised here.
    pub(crate) fn append(&self, code: &[u8], placement: Placement) -> Option<u32> {
        let mut room = self.room();
        let (writable, Range { start, end }) = self.place(&room, placement, code.len())?;
        let gap = writable.at.wrapping_add(room.used);
        // SAFETY: `used..end` lies in the mapping, is written by who holds the lock, and nothing runs there yet (H1).
        // Between functions stands `int3`.
        unsafe { gap.write_bytes(0xcc, start - room.used) };
        // SAFETY: as above; `code` is no part of the mapping, to which no reference exists.
        unsafe { writable.at.wrapping_add(start).copy_from_nonoverlapping(code.as_ptr(), code.len()) };
        room.used = end;
        Some(start as u32)
    }

    /// Gives up what room there is left.
    pub(crate) fn close(&self) {
        self.room().writable = None;
    }

    /// Makes known, until the chunk goes away, what its code is: see [`CodeMemory::register`](super::CodeMemory::register).
    ///
    /// # Panics
    ///
    /// If it is known already.
    pub(crate) fn register(&self, info: Arc<dyn CodeInfo>) {
        let first = self.registration.set(Registration::new(self.range(), info)).is_ok();
        assert!(first, "{:x?} was registered twice", self.range());
    }

    /// Code that was appended.
    pub(crate) fn code(&self, start: u32, len: u32) -> Option<&[u8]> {
        let end = start.checked_add(len)? as usize;
        if end > self.room().used {
            return None;
        }
        // SAFETY: below `used` the piece is readable, and not written to any more (H1), as long as the chunk lives.
        Some(unsafe { std::slice::from_raw_parts(self.at(start), len as usize) })
    }

    /// Where the byte at an offset is executed.
    pub(crate) fn at(&self, offset: u32) -> *mut u8 {
        self.piece.base().wrapping_add(offset as usize)
    }

    /// Its addresses, of code and of room for it.
    pub(crate) fn range(&self) -> Range<usize> {
        let base = self.piece.base().addr();
        base..base + self.piece.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::mmap::page_bytes;

    /// `mov eax, number; ret`
    fn gives(number: u8) -> [u8; 6] {
        [0xb8, number, 0, 0, 0, 0xc3]
    }

    fn run(chunk: &CodeChunk, offset: u32) -> u32 {
        // SAFETY: the tests run only what they put there, C functions without arguments.
        let run: extern "C" fn() -> u32 = unsafe { std::mem::transmute(chunk.at(offset)) };
        run()
    }

    #[test]
    fn code_runs_while_more_is_appended() {
        let chunk = CodeChunk::new(1).unwrap();
        let mut starts = Vec::new();
        while let Some(start) = chunk.append(&gives(starts.len() as u8), Placement::USUAL) {
            starts.push(start);
            for (number, start) in starts.iter().enumerate() {
                assert_eq!(run(&chunk, *start), number as u32 & 0xff);
            }
        }
        assert_eq!(starts.len(), page_bytes() / 32);
        assert!(starts.iter().enumerate().all(|(at, start)| *start as usize == at * 32));
    }

    #[test]
    fn closed_chunks_run_and_take_no_more() {
        let chunk = CodeChunk::new(1).unwrap();
        assert_eq!(chunk.append(&gives(7), Placement::USUAL), Some(0));
        assert_eq!(chunk.append(&vec![0xcc; page_bytes()], Placement::USUAL), None);
        chunk.close();
        assert_eq!(chunk.append(&gives(8), Placement::USUAL), None);
        assert_eq!(run(&chunk, 0), 7);
    }

    #[test]
    fn no_mapping_is_writable_and_executable() {
        let chunk = CodeChunk::new(3 * page_bytes()).unwrap();
        chunk.append(&gives(1), Placement::USUAL).unwrap();
        let writable = chunk.room().writable.as_ref().unwrap().at.addr();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let access = |wanted: usize| {
            maps.lines().find_map(|line| {
                let (range, rest) = line.split_once(' ')?;
                let (start, end) = range.split_once('-')?;
                let [start, end] = [start, end].map(|word| usize::from_str_radix(word, 16).unwrap());
                (start..end).contains(&wanted).then(|| rest[..4].to_owned())
            })
        };
        assert_eq!(access(chunk.range().start).as_deref(), Some("r-xs"));
        assert_eq!(access(writable).as_deref(), Some("rw-s"));
    }

    #[test]
    fn forked_processes_leave_the_chunk_to_the_one_that_made_it() {
        let chunk = CodeChunk::new(1).unwrap();
        assert_eq!(chunk.append(&gives(1), Placement::USUAL), Some(0));
        // SAFETY: until it ends, the child only tries to append, which allocates nothing and takes no lock but the chunk's.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let refused = chunk.append(&gives(2), Placement::USUAL).is_none() && run(&chunk, 0) == 1;
            // SAFETY: ends the child at once, without what the parent registered for its own end.
            unsafe { libc::_exit(i32::from(!refused)) };
        }
        let mut status = -1;
        // SAFETY: the child that was just made, and a place for how it ended.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert_eq!(chunk.append(&gives(3), Placement::new(64, 24)), Some(24));
        assert_eq!((run(&chunk, 0), run(&chunk, 24)), (1, 3));
    }
}
