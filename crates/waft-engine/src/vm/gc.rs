//! The heap of structs, arrays, exceptions and host values, and its collector.
//!
//! # Invariants
//!
//! * **G1** Nothing in a heap is trusted: whatever its bytes are, no access leaves the heap's reservation, and every
//!   collection ends.
//!
//! # Elsewhere
//!
//! Layouts, and what a type's row holds: `waft_core::gc`.

mod access;
mod collect;
mod error;
mod externs;
mod handles;
mod heap;
mod object;
mod regions;
mod remember;
mod room;
mod roots;
mod sizing;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod type_table;

pub(super) use error::CorruptHeap;
pub(crate) use handles::{Handles, OwnedHandle};
pub(super) use heap::GcHeap;
pub use heap::GcStress;
pub(super) use state::VmGcState;
pub use stats::GcStats;
pub(crate) use type_table::{TypeTable, TypeTableWriter};
