//! What a heap's collections did.

use std::fmt;
use std::time::Duration;

/// What a store's GC heap did so far, and how long its guest waited for it. Given by
/// [`Store::gc_stats`](crate::Store::gc_stats).
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// assert_eq!(store.gc_stats(), GcStats::default(), "there is no heap before something needs one");
/// for number in 0..1_000 {
///     let mut scope = RootScope::new(&mut store);
///     ExternRef::new(&mut scope, number)?;
/// }
/// assert_eq!(store.gc_stats().host_values, 1_000);
/// store.gc();
/// let stats = store.gc_stats();
/// assert_eq!((stats.full_collections, stats.host_values, stats.bytes_allocated), (1, 0, 8_000));
/// assert!(stats.pause_longest <= stats.pause_total);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct GcStats {
    /// Collections of young objects.
    pub minor_collections: u64,
    /// Collections of all objects.
    pub full_collections: u64,
    /// Bytes of all objects ever made.
    pub bytes_allocated: u64,
    /// Bytes that collections copied.
    pub bytes_copied: u64,
    /// Bytes that the heap may take of the machine now: what a [`ResourceLimiter`](crate::ResourceLimiter) was asked for.
    pub heap_bytes: usize,
    /// Host values that are kept now: what [`ExternRef::new`](crate::ExternRef::new) was given, and was not collected yet.
    pub host_values: usize,
    /// How long all collections took.
    pub pause_total: Duration,
    /// How long the longest one took.
    pub pause_longest: Duration,
}

impl GcStats {
    pub(super) fn record<const FULL: bool>(&mut self, young: u32, copied: u32, pause: Duration) {
        let count = if FULL { &mut self.full_collections } else { &mut self.minor_collections };
        *count += 1;
        self.bytes_allocated += u64::from(young);
        self.bytes_copied += u64::from(copied);
        self.pause_total += pause;
        self.pause_longest = self.pause_longest.max(pause);
    }
}

impl fmt::Display for GcStats {
    /// For people: `3 minor and 1 full collections, longest pause 1.2ms, ...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} minor and {} full collections, longest pause {:.1?}, {:.1?} in all; {} bytes allocated, {} copied; \
             a heap of {} bytes and {} host values",
            self.minor_collections,
            self.full_collections,
            self.pause_longest,
            self.pause_total,
            self.bytes_allocated,
            self.bytes_copied,
            self.heap_bytes,
            self.host_values
        )
    }
}
