//! A stack for signal handlers: a guest that has used up its own still traps.
//!
//! # Invariants
//!
//! * **K1** The mapping of an [`AltStack`] outlives its use: the thread's alternate stack is switched off, or another one,
//!   before it is unmapped.
//!
//! # Elsewhere
//!
//! The handlers: `signal.rs`.

use super::activation::THREAD;
use super::mmap::{Reservation, page_bytes};
use std::cell::RefCell;
use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;

/// What handlers need: ours little, but those that were there before us may symbolise a backtrace.
const BYTES_MIN: usize = 64 << 10;

/// An alternate stack that this thread owns.
struct AltStack(Reservation);

thread_local! {
    static OWNED: RefCell<Option<AltStack>> = const { RefCell::new(None) };
}

/// Gives this thread an alternate stack of at least 64 KiB, unless it has one.
///
/// # Errors
///
/// If the system has no memory for it.
pub(super) fn install() -> io::Result<()> {
    let current = exchange(None)?;
    if current.ss_flags & libc::SS_DISABLE == 0 && current.ss_size >= BYTES_MIN {
        return Ok(());
    }
    // Without an owner it would never be unmapped. At the end of a thread, when thread-local values are going away, a
    // guest may still run, from the destructor of another one: its handlers then use the guest's stack, below whose
    // limit the host keeps room.
    let owned = OWNED.try_with(|owned| -> io::Result<()> {
        let stack = AltStack::new()?;
        exchange(Some(stack.describe()))?;
        // Put there after the exchange, so that a stack that was in use is no more when it is dropped (K1).
        let before = owned.replace(Some(stack));
        drop(before);
        Ok(())
    });
    owned.unwrap_or(Ok(()))
}

impl AltStack {
    fn new() -> io::Result<Self> {
        let page = page_bytes();
        // The kernel's own frame comes on top: it grows with the processor's registers.
        // SAFETY: reads a number from the process's auxiliary vector; 0 if it is not there.
        let kernel_bytes = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
        let bytes = (BYTES_MIN + kernel_bytes).next_multiple_of(page);
        // The lowest page stays inaccessible: a handler that overflows crashes and corrupts nothing.
        let memory = Reservation::new(page + bytes)?;
        memory.commit(page..memory.len())?;
        Ok(Self(memory))
    }

    fn describe(&self) -> libc::stack_t {
        let page = page_bytes();
        libc::stack_t {
            ss_sp: self.0.base().wrapping_add(page).cast(),
            ss_flags: 0,
            ss_size: self.0.len() - page,
        }
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        let Ok(current) = exchange(None) else { return };
        if current.ss_sp == self.describe().ss_sp {
            // The one before ours is not restored: Rust's own, for one, has been unmapped when thread-local values go.
            let off = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
            // It fails only if a handler is running on the stack, and handlers do not end threads.
            let disabled = exchange(Some(off));
            assert!(disabled.is_ok(), "the alternate signal stack is in use: {disabled:?}");
        }
        THREAD.with(|thread| thread.forget_preparation());
    }
}

/// Sets this thread's alternate stack, if one is given, and says which there was.
fn exchange(new: Option<libc::stack_t>) -> io::Result<libc::stack_t> {
    let new = new.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mut old = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: both are null or valid for the call. A new stack is one of ours, mapped as long as it is set (K1).
    let result = unsafe { libc::sigaltstack(new, old.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it filled the structure.
    Ok(unsafe { old.assume_init() })
}

/// The addresses of this thread's stack, if the system says.
pub(super) fn thread_stack() -> Option<Range<usize>> {
    let mut attr = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the thread is the running one, and the call fills the attributes if it succeeds.
    if unsafe { libc::pthread_getattr_np(libc::pthread_self(), attr.as_mut_ptr()) } != 0 {
        return None;
    }
    let (mut start, mut bytes) = (ptr::null_mut(), 0);
    // SAFETY: the attributes were filled above.
    let known = unsafe { libc::pthread_attr_getstack(attr.as_ptr(), &raw mut start, &raw mut bytes) } == 0;
    // SAFETY: the attributes were filled above, and are not used after this.
    unsafe { libc::pthread_attr_destroy(attr.as_mut_ptr()) };
    known.then(|| start.addr()..start.addr() + bytes)
}
