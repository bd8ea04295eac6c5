//! Budgets: how code that counts what it does asks for a better tier, and is left for it.
//!
//! Code that is compiled with [`counts`](crate::tier::CompileRequest::counts) charges its function's budget: the
//! calls by one each time it is entered, the loops by the share that a loop is of the function each time around. What is used up is
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
    /// `i32`: turns of loops, each as the share that the loop is of its function: see [`super::turn_cost`].
    pub const LOOPS: u32 = 4;
    /// Bytes of the structure.
    pub const SIZE: u32 = 8;
}

/// What calls through references found: the function that each place calls mostly, and how much it is ahead of all others. A table of so
/// many places stands right below the budgets.
///
/// Source of the way to find it in one pass: Boyer and Moore, "MJRTY: a fast majority vote algorithm", 1991; with [`MISS`](call_site::MISS)
/// for one, it takes more than a majority.
pub mod call_site {
    /// How many there are. Places of calls share them by chance, which costs a wrong guess.
    pub const COUNT: u32 = 1 << 13;
    /// `u32`: from the caller's context to the reference that was called; of another instance's function it means nothing.
    pub const TARGET: u32 = 0;
    /// `i32`: its lead. One more for each call that finds it, [`MISS`] less for each other; whoever finds none left takes its place.
    pub const LEAD: u32 = 4;
    /// What a call of another function takes: so the lead of one that is called two times of three stays what it is, and that of one
    /// that is called more often grows.
    pub const MISS: i32 = 2;
    /// Bytes of the structure.
    pub const SIZE: u32 = 8;
    /// Which one belongs to the operator so many bytes into the module. Source of the factor: Knuth, "The art of computer
    /// programming", volume 3, 6.4, multiplicative hashing.
    pub const fn of(wasm: u32) -> u32 {
        wasm.wrapping_mul(0x9e37_79b1) >> (32 - COUNT.ilog2())
    }
    /// From the budgets to the one of the operator.
    pub const fn offset(wasm: u32) -> i32 {
        (of(wasm) as i32 - COUNT as i32) * SIZE as i32
    }
}

/// Stands for the place of a loop where the function's start is meant.
pub const NO_LOOP: u32 = u32::MAX;

/// What going through a whole function once is charged.
pub const WHOLE_BODY_COST: u32 = 1024;

/// Functions smaller or larger than this are taken for so large when their loops are charged: compiling takes some time for the
/// smallest, and a long loop is worth it whatever is around.
const BODY_BYTES: core::ops::RangeInclusive<u64> = 100..=4_000;

/// What a turn of a loop of so many bytes is charged in a function with a body of so many.
pub fn turn_cost(loop_bytes: u32, body_bytes: usize) -> u32 {
    let body = (body_bytes as u64).clamp(*BODY_BYTES.start(), *BODY_BYTES.end());
    let cost = u64::from(loop_bytes) * u64::from(WHOLE_BODY_COST) / body;
    // A loop may be larger than what its function is taken for.
    cost.clamp(1, u64::from(u16::MAX)) as u32
}

/// Bytes of a value in the state of a function.
pub const fn slot_bytes(ty: ValType) -> u32 {
    if matches!(ty, ValType::V128) { 16 } else { 8 }
}
