//! A stack that is large enough for guests, on a thread that runs them fast.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use waft::Result;

/// Does `work` with a stack of at least `bytes`.
///
/// On the calling thread, which must be the main one, if the system lets its stack grow that far: a process with one
/// thread makes cheaper system calls, since the kernel then takes no lock and no reference for a file descriptor.
/// Linux grows the main stack as far as the limit says at that moment, and keeps 128 MiB of addresses free for it.
/// Otherwise on a thread of its own.
///
/// # Errors
///
/// If there is no memory for a thread.
pub(crate) fn with_stack<R: Send>(bytes: usize, work: impl FnOnce() -> R + Send) -> Result<R> {
    if raise_limit(bytes as u64) {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("guest".into()).stack_size(bytes);
        match thread.spawn_scoped(scope, work)?.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Whether the main stack may grow to `bytes`, from now on.
fn raise_limit(bytes: u64) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Stack);
    // No limit at all changes where the kernel puts mappings: then a thread's stack is the safer one.
    let Some(now) = current else { return false };
    now >= bytes
        || maximum.is_none_or(|maximum| maximum >= bytes)
            && setrlimit(Resource::Stack, Rlimit { current: Some(bytes), maximum }).is_ok()
}
