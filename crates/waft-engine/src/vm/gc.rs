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
mod heap;
mod object;
mod regions;
mod remember;
mod room;
mod sizing;
mod state;
mod stats;
#[cfg(test)]
mod tests;
mod type_table;

pub(crate) use error::{CorruptHeap, GcError};
pub(crate) use externs::HostValue;
pub(crate) use heap::{CollectionKind, GcHeap, GcHost, GcStress};
pub(crate) use state::VmGcState;
pub(crate) use stats::GcStats;
pub(crate) use type_table::{TypeTable, TypeTableWriter};
