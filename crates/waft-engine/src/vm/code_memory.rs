//! Memory that holds machine code, and what is known about the code.
//!
//! All code of the process lies in one span of address space, the *arena*, so that a signal handler can tell by two
//! comparisons whether it interrupted a guest, and so that code reaches code by 32-bit offsets within a module.
//!
//! # Invariants
//!
//! * **C1** The arena is reserved once and never unmapped: an address in it is never anything but guest code.
//! * **C2** No page of it is ever writable and executable at once.
//! * **C3** A piece belongs to one [`CodeMemory`] or [`CodeChunk`](super::CodeChunk), or is free and inaccessible.
//! * **C4** The registry's lock is never held while guest code or a stub runs on the same thread. So a signal handler that
//!   found the interrupted `pc` in one of these may take it: it waits for other threads at most.
//!
//! # Elsewhere
//!
//! Who asks for a trap's reason: `signal.rs`. What modules record: the implementations of [`CodeInfo`]. Code that comes
//! function by function: `code_chunk.rs`.

use super::mmap::{Reservation, page_bytes};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::{Deref, Range};
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use waft_core::trap::TrapCode;

/// The arena's size that is tried first: more code than a process ever holds, and nothing in 128 TiB.
const ARENA_BYTES_MAX: usize = 64 << 30;
/// The least arena that is worth running with, where address space is rationed (`ulimit -v`).
const ARENA_BYTES_MIN: usize = 256 << 20;

/// The first byte of the arena, 0 before it exists. Written once, after [`ARENA_BYTES`].
static ARENA_BASE: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the arena.
static ARENA_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Whether `pc` lies in guest code. Lock-free and async-signal-safe.
#[inline]
pub(crate) fn arena_contains(pc: usize) -> bool {
    // Acquire pairs with the release in `arena`: whoever sees the base sees the size. Before that, the size may be
    // read as 0, and no `pc` can be in code that does not exist.
    let base = ARENA_BASE.load(Ordering::Acquire);
    pc.wrapping_sub(base) < ARENA_BYTES.load(Ordering::Relaxed) && base != 0
}

/// The pieces of the arena that hold nothing, by offset.
struct FreeList(BTreeMap<usize, usize>);

impl FreeList {
    /// Takes the first piece that is large enough: code is long-lived, and low addresses keep it close together.
    fn take(&mut self, len: usize) -> Option<usize> {
        let (&at, &found) = self.0.iter().find(|(_, found)| **found >= len)?;
        self.0.remove(&at);
        if found > len {
            self.0.insert(at + len, found - len);
        }
        Some(at)
    }

    /// Returns a piece, joining it with free neighbours.
    fn give(&mut self, mut at: usize, mut len: usize) {
        if let Some((&before, &bytes)) = self.0.range(..at).next_back()
            && before + bytes == at
        {
            self.0.remove(&before);
            at = before;
            len += bytes;
        }
        if let Some(bytes) = self.0.remove(&(at + len)) {
            len += bytes;
        }
        self.0.insert(at, len);
    }
}

/// The span that holds all code.
struct Arena {
    memory: Reservation,
    free: Mutex<FreeList>,
}

/// The arena, reserved at the first call.
fn arena() -> io::Result<&'static Arena> {
    static ARENA: OnceLock<Arena> = OnceLock::new();
    if let Some(arena) = ARENA.get() {
        return Ok(arena);
    }
    let memory = reserve_arena()?;
    let arena = ARENA.get_or_init(|| {
        // A static is never dropped, which is C1.
        ARENA_BYTES.store(memory.len(), Ordering::Relaxed);
        ARENA_BASE.store(memory.base().addr(), Ordering::Release);
        let free = FreeList(BTreeMap::from([(0, memory.len())]));
        Arena { memory, free: Mutex::new(free) }
    });
    Ok(arena)
}

fn reserve_arena() -> io::Result<Reservation> {
    let mut bytes = ARENA_BYTES_MAX;
    loop {
        match Reservation::new(bytes) {
            Ok(memory) => return Ok(memory),
            Err(error) if bytes <= ARENA_BYTES_MIN => return Err(error),
            Err(_) => bytes /= 2,
        }
    }
}

/// A piece of the arena, in whole pages: not accessible yet, or not any more, except through its owner (C3).
pub(super) struct Piece {
    arena: &'static Arena,
    offset: usize,
    len: usize,
}

impl Piece {
    /// Takes a piece for at least so many bytes.
    pub(super) fn take(bytes: usize) -> io::Result<Self> {
        let out_of_memory = || io::Error::from(io::ErrorKind::OutOfMemory);
        let arena = arena()?;
        let len = bytes.max(1).checked_next_multiple_of(page_bytes()).ok_or_else(out_of_memory)?;
        // A poisoned list is whole: every change to it is finished before anything can panic.
        let mut free = arena.free.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = free.take(len).ok_or_else(out_of_memory)?;
        Ok(Self { arena, offset, len })
    }

    /// Its first byte.
    pub(super) fn base(&self) -> *mut u8 {
        self.arena.memory.base().wrapping_add(self.offset)
    }

    /// Its bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn protect(&self, flags: MprotectFlags) -> io::Result<()> {
        // SAFETY: by C3 the pages are this piece's alone, and no reference into them exists before the piece becomes
        // a `CodeMemory`, after which this is not called any more.
        unsafe { mprotect(self.base().cast(), self.len, flags) }?;
        Ok(())
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED;
        // SAFETY: by C3 the pages are this piece's alone; whoever runs code there keeps its `CodeMemory` alive. A fresh
        // mapping replaces files and content alike, and makes one mapping with free neighbours again.
        let replaced = unsafe { mmap_anonymous(self.base().cast(), self.len, ProtFlags::empty(), flags) };
        // A piece that cannot be emptied is never handed out again: lost address space, but C3 holds.
        if replaced.is_ok() {
            let mut free = self.arena.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.give(self.offset, self.len);
        }
    }
}

/// Machine code, readable and executable until the value goes away.
pub(crate) struct CodeMemory {
    /// Before the piece, so that it goes first: nobody finds code by an address that is free.
    registration: OnceLock<Registration>,
    piece: Piece,
    len: usize,
}

impl CodeMemory {
    /// Copies code into fresh pages and makes them executable.
    ///
    /// # Errors
    ///
    /// If there is no room for it, or the system forbids code made at run time.
    pub(crate) fn publish(code: &[u8]) -> io::Result<Self> {
        let piece = Piece::take(code.len())?;
        piece.protect(MprotectFlags::READ | MprotectFlags::WRITE)?;
        // SAFETY: the piece has at least as many bytes, was just made writable, is fresh and so does not overlap.
        unsafe { piece.base().copy_from_nonoverlapping(code.as_ptr(), code.len()) };
        // Where instruction fetches do not see stores (not x86-64), the caches are synchronised here.
        piece.protect(MprotectFlags::READ | MprotectFlags::EXEC)?;
        Ok(Self { registration: OnceLock::new(), piece, len: code.len() })
    }

    /// Maps code straight from a file, from `offset`, a multiple of the page.
    ///
    /// # Safety
    ///
    /// * Nobody writes to the file's range or truncates it while the value lives.
    ///
    /// # Errors
    ///
    /// If the file cannot be mapped for execution (`noexec`, a misaligned offset), or there is no room.
    pub(crate) unsafe fn map(file: BorrowedFd<'_>, offset: u64, len: usize) -> io::Result<Self> {
        let piece = Piece::take(len)?;
        let flags = MapFlags::PRIVATE | MapFlags::FIXED;
        let access = ProtFlags::READ | ProtFlags::EXEC;
        // SAFETY: by C3 the pages that the mapping replaces are this piece's alone, and nothing refers to them yet.
        unsafe { mmap(piece.base().cast(), piece.len, access, flags, file, offset) }?;
        Ok(Self { registration: OnceLock::new(), piece, len })
    }

    /// Makes known, until the value goes away, what the code is: to signal handlers and to [`lookup`].
    ///
    /// # Panics
    ///
    /// If the code is empty or longer than 4 GiB, or known already.
    pub(crate) fn register(&self, info: Arc<dyn CodeInfo>) {
        let first = self.registration.set(Registration::new(self.range(), info)).is_ok();
        assert!(first, "code at {:x?} was registered twice", self.range());
    }

    /// The addresses of the code.
    pub(crate) fn range(&self) -> Range<usize> {
        let base = self.piece.base().addr();
        base..base + self.len
    }
}

impl Deref for CodeMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the pages are readable for as long as `self` lives, hold `len` bytes, and nobody writes to them: C2
        // for those that were copied, the promise to `map` for files.
        unsafe { std::slice::from_raw_parts(self.piece.base(), self.len) }
    }
}

impl fmt::Debug for CodeMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeMemory({:#x?})", self.range())
    }
}

/// What is known about a piece of code.
pub(crate) trait CodeInfo: Send + Sync {
    /// Why the instruction at this offset traps, if it may.
    ///
    /// It runs in a signal handler: no allocation, no lock, no panic.
    fn trap_code(&self, offset: u32) -> Option<TrapCode>;

    /// How many functions are at work at this offset: more than one where callees are part of their caller's code.
    ///
    /// It runs in a signal handler: no allocation, no lock, no panic.
    fn frames(&self, offset: u32) -> usize;

    /// The value itself, for those who know its type.
    fn as_any(&self) -> &dyn Any;
}

struct Known {
    end: usize,
    info: Arc<dyn CodeInfo>,
}

/// What is known about code, by its first address.
static REGISTRY: RwLock<BTreeMap<usize, Known>> = RwLock::new(BTreeMap::new());

/// Makes known what the code at some addresses is, as long as it lives.
pub(super) struct Registration {
    start: usize,
}

impl Registration {
    /// Makes known what the code at `range` is, which belongs to the value's owner.
    ///
    /// # Panics
    ///
    /// If the range is empty or longer than 4 GiB, or something is known of it.
    pub(super) fn new(range: Range<usize>, info: Arc<dyn CodeInfo>) -> Self {
        assert!(!range.is_empty() && range.len() <= u32::MAX as usize, "bad range of code: {range:x?}");
        let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
        let before = registry.insert(range.start, Known { end: range.end, info });
        drop(registry);
        // By C3 no other live piece starts there, and those that went away took their entries with them.
        assert!(before.is_none(), "code at {range:x?} was registered twice");
        Self { start: range.start }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut registry = REGISTRY.write().unwrap_or_else(PoisonError::into_inner);
        let known = registry.remove(&self.start);
        drop(registry);
        // After the lock was released: this may drop other code in turn.
        drop(known);
    }
}

/// Calls `then` with what is known about the code at `pc`, and the offset in it. It allocates nothing.
fn with_code<R>(pc: usize, then: impl FnOnce(&Arc<dyn CodeInfo>, u32) -> R) -> Option<R> {
    let registry = REGISTRY.read().unwrap_or_else(PoisonError::into_inner);
    let (start, found) = registry.range(..=pc).next_back()?;
    (pc < found.end).then(|| then(&found.info, (pc - start) as u32))
}

/// What is known about the code at `pc`, and the offset in it.
pub(crate) fn lookup(pc: usize) -> Option<(Arc<dyn CodeInfo>, u32)> {
    with_code(pc, |info, offset| (Arc::clone(info), offset))
}

/// Why the instruction at `pc` traps, if it may. Async-signal-safe at a fault in guest code (C4).
pub(crate) fn trap_code(pc: usize) -> Option<TrapCode> {
    with_code(pc, |info, offset| info.trap_code(offset)).flatten()
}

/// How many functions are at work at `pc`: one, if nothing is known. Async-signal-safe when guest code or a stub was interrupted (C4).
pub(crate) fn frames(pc: usize) -> usize {
    with_code(pc, |info, offset| info.frames(offset)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn freed_pieces_join_their_neighbours() {
        let mut free = FreeList(BTreeMap::from([(0, 100)]));
        let taken: Vec<_> = [10, 20, 30, 40].map(|len| (free.take(len).unwrap(), len)).into();
        assert_eq!(taken, [(0, 10), (10, 20), (30, 30), (60, 40)]);
        assert_eq!(free.take(1), None);
        for index in [0, 2, 1, 3] {
            free.give(taken[index].0, taken[index].1);
        }
        assert_eq!(free.0, BTreeMap::from([(0, 100)]));
    }

    #[test]
    fn published_code_runs_and_reads_back() {
        let code = [0xb8, 42, 0, 0, 0, 0xc3];
        let memory = CodeMemory::publish(&code).unwrap();
        assert_eq!(*memory, code);
        assert!(memory.range().all(arena_contains));
        assert!(!arena_contains(std::ptr::from_ref(&code).addr()));
        // SAFETY: the address is that of the code above, `mov eax, 42; ret`, which is a C function without arguments.
        let run: extern "C" fn() -> u32 = unsafe { std::mem::transmute(memory.as_ptr()) };
        assert_eq!(run(), 42);
    }

    #[test]
    fn code_is_mapped_from_files() {
        let path = std::env::temp_dir().join(format!("waft-code-memory-{}", std::process::id()));
        let mut file =
            std::fs::File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(&vec![0xcc; page_bytes()]).unwrap();
        file.write_all(&[0xb8, 7, 0, 0, 0, 0xc3]).unwrap();
        // SAFETY: the file has no name any more, and nobody else has it open.
        let memory = unsafe { CodeMemory::map(file.as_fd(), page_bytes() as u64, 6) }.unwrap();
        // SAFETY: `mov eax, 7; ret`, as above.
        let run: extern "C" fn() -> u32 = unsafe { std::mem::transmute(memory.as_ptr()) };
        assert_eq!(run(), 7);
        // SAFETY: same file.
        assert!(unsafe { CodeMemory::map(file.as_fd(), 1, 6) }.is_err());
    }

    struct TrapsAt(u32);

    impl CodeInfo for TrapsAt {
        fn trap_code(&self, offset: u32) -> Option<TrapCode> {
            (offset == self.0).then_some(TrapCode::UnreachableCodeReached)
        }
        fn frames(&self, _: u32) -> usize {
            1
        }
        fn as_any(&self) -> &dyn Any {
            self
        }
    }

    #[test]
    fn lookups_stop_exactly_at_the_end() {
        let memory = CodeMemory::publish(&[0; 10]).unwrap();
        let Range { start, end } = memory.range();
        memory.register(Arc::new(TrapsAt(3)));
        assert_eq!(trap_code(start + 3), Some(TrapCode::UnreachableCodeReached));
        assert_eq!(trap_code(start + 4), None);
        let (info, offset) = lookup(end - 1).unwrap();
        assert_eq!((info.as_any().downcast_ref::<TrapsAt>().unwrap().0, offset), (3, 9));
        assert!(lookup(end).is_none());
        drop(memory);
        assert!(lookup(start).is_none());
    }
}
