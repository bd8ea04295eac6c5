//! Waft's optimising tier: WebAssembly to machine code through Cranelift.
//!
//! The only crate that names Cranelift. [`Cranelift`] is the tier; `translator.rs` is where a body becomes CLIF,
//! `operator.rs` says which operator does what, and each family of operators has the file of its noun.
//!
//! # Invariants
//!
//! * Nothing here has `unsafe`, but all of it is trusted: wrong code is a hole in the sandbox. `memory.rs` and
//!   `table.rs` hold every bounds check.
//! * The same request gives the same bytes.

#![forbid(unsafe_code)]

mod arrival;
mod atomic;
mod call;
mod cast;
mod context;
mod control;
mod convert;
mod exception;
mod func;
mod gc;
mod global;
mod home;
mod inline;
mod libcall;
mod local;
mod memory;
mod numeric;
mod operator;
mod placement;
mod signature;
mod simd;
mod stack_map;
mod table;
mod tier;
mod translator;
mod trap;

pub use inline::Inlining;
pub use tier::Cranelift;
