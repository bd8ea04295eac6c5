//! Test tools for Waft: what the tests of every crate share, and what judges all of them together.
//!
//! # Elsewhere
//!
//! The test data: `tests/` at the root of the repository. The interpreter of scripts: `waft_cli::wast`.

#![forbid(unsafe_code)]

pub mod binary;
pub mod expect;
pub mod matrix;
pub mod prng;
pub mod suite;
pub mod tiers;
pub mod validity;
pub mod watchdog;

use std::path::PathBuf;

/// The directory of test data, `tests/` at the root of the repository.
pub fn test_data() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests"))
}
