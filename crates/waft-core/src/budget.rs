//! Budgets: how code that counts what it does asks for a better tier, and is left for it.
//!
//! Code that is compiled with [`counts`](crate::tier::CompileRequest::counts) charges its function's budget: the
//! calls by one each time it is entered, the loops by the size of a loop's body each time around. What is used up is
//! told the engine by [`Libcall::TierUp`](crate::libcall::Libcall::TierUp), at a place where everything the function knows
//! is in one piece of its frame. If the engine has code that goes on at that loop
//! ([`Entry::Loop`](crate::tier::Entry)), it copies the piece, and the code jumps there in place of returning.
//!
//! # The state of a function at a loop
//!
//! The locals in order, then the operands below and including the loop's parameters, lowest first. Each takes
//! [`slot_bytes`] of them; they follow one another from the top of the piece **downwards**, and a value stands at the
//! lowest address of its slot, little-endian, in as many bytes as it has.

use crate::types::ValType;

/// The budget of one function: what is left.
pub mod func_budget {
    /// `i32`: calls.
    pub const CALLS: u32 = 0;
    /// `i32`: bytes of loops that may be gone through.
    pub const LOOPS: u32 = 4;
    /// Bytes of the structure.
    pub const SIZE: u32 = 8;
}

/// Stands for the place of a loop where the function's start is meant.
pub const NO_LOOP: u32 = u32::MAX;

/// The most bytes that one turn of a loop is charged.
pub const LOOP_COST_MAX: u32 = 1 << 20;

/// Bytes of a value in the state of a function.
pub const fn slot_bytes(ty: ValType) -> u32 {
    if matches!(ty, ValType::V128) { 16 } else { 8 }
}
