//! How many processors there are for this process.

use std::sync::OnceLock;
use std::thread;

/// The processors that this process may use, at least one. Asked once: the answer takes several files to be read.
pub(crate) fn processors() -> usize {
    static PROCESSORS: OnceLock<usize> = OnceLock::new();
    *PROCESSORS.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}
