//! What a heap's collections did.

use std::time::Duration;

/// Counts since a heap was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct GcStats {
    /// Collections of young objects.
    pub(crate) minor_collections: u64,
    /// Collections of all objects.
    pub(crate) full_collections: u64,
    /// Bytes of all objects ever made.
    pub(crate) bytes_allocated: u64,
    /// Bytes that collections copied.
    pub(crate) bytes_copied: u64,
    /// Nanoseconds of all collections.
    pub(crate) pause_total_ns: u64,
    /// Nanoseconds of the longest one.
    pub(crate) pause_longest_ns: u64,
}

impl GcStats {
    pub(super) fn record<const FULL: bool>(&mut self, young: u32, copied: u32, pause: Duration) {
        let count = if FULL { &mut self.full_collections } else { &mut self.minor_collections };
        *count += 1;
        self.bytes_allocated += u64::from(young);
        self.bytes_copied += u64::from(copied);
        let ns = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.pause_total_ns = self.pause_total_ns.saturating_add(ns);
        self.pause_longest_ns = self.pause_longest_ns.max(ns);
    }
}
