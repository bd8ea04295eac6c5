//! `--max-memory`: one bound on everything that a guest's memories and tables take together.

use waft::{ResourceLimiter, Result};

/// What one element of a table takes: a pointer.
const TABLE_ELEMENT_BYTES: u64 = 8;

/// Counts linear memory and table elements against one bound.
///
/// The bound is on the sum, because a module may have many memories, and a table is memory too.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    bytes_max: u64,
    bytes_used: u64,
    /// What the growth in progress was charged, to be given back should it fail.
    bytes_pending: u64,
    refused: bool,
}

impl MemoryLimit {
    /// Allows `bytes_max` in all.
    pub(crate) fn new(bytes_max: u64) -> MemoryLimit {
        MemoryLimit { bytes_max, bytes_used: 0, bytes_pending: 0, refused: false }
    }

    /// What is allowed, if something was refused for its sake.
    pub(crate) fn exceeded(&self) -> Option<u64> {
        self.refused.then_some(self.bytes_max)
    }

    fn charge(&mut self, bytes: u64) -> bool {
        let fits = bytes <= self.bytes_max - self.bytes_used;
        self.bytes_pending = if fits { bytes } else { 0 };
        self.refused |= !fits;
        self.bytes_used += self.bytes_pending;
        fits
    }

    fn give_back(&mut self) {
        self.bytes_used -= std::mem::take(&mut self.bytes_pending);
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(self.charge(desired.saturating_sub(current) as u64))
    }

    fn memory_grow_failed(&mut self, _error: waft::Error) -> Result<()> {
        self.give_back();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let elements = desired.saturating_sub(current) as u64;
        Ok(self.charge(elements.saturating_mul(TABLE_ELEMENT_BYTES)))
    }

    fn table_grow_failed(&mut self, _error: waft::Error) -> Result<()> {
        self.give_back();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_bound() {
        let mut limit = MemoryLimit::new(1000);
        assert!(limit.memory_growing(0, 600, None).unwrap());
        assert!(!limit.memory_growing(600, 1001, None).unwrap());
        assert!(limit.table_growing(0, 50, None).unwrap());
        assert!(!limit.table_growing(50, 51, None).unwrap());
    }

    #[test]
    fn a_growth_that_fails_costs_nothing() {
        let mut limit = MemoryLimit::new(1000);
        assert!(limit.memory_growing(0, 600, None).unwrap());
        limit.memory_grow_failed(waft::Error::msg("no memory")).unwrap();
        assert!(limit.memory_growing(0, 1000, None).unwrap());
    }

    #[test]
    fn a_refused_growth_is_not_given_back() {
        let mut limit = MemoryLimit::new(1000);
        assert!(limit.memory_growing(0, 600, None).unwrap());
        assert!(!limit.memory_growing(600, 2000, None).unwrap());
        limit.memory_grow_failed(waft::Error::msg("refused")).unwrap();
        assert!(!limit.memory_growing(600, 1200, None).unwrap());
    }
}
