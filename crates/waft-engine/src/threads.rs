//! Threads that share one piece of work.

use std::sync::OnceLock;
use std::thread;

/// The processors that this process may use, at least one. Asked once: the answer takes several files to be read.
pub(crate) fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Does `work` here and on other threads, `threads` in all, which take what there is to do from each other. If one cannot be
/// started, the others do its share.
pub(crate) fn together(threads: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 1..threads {
            if thread::Builder::new().spawn_scoped(scope, &work).is_err() {
                break;
            }
        }
        work();
    });
}
