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

mod type_table;

pub(crate) use type_table::{TypeTable, TypeTableWriter};
