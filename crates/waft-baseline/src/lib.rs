//! Waft's baseline tier: WebAssembly to machine code in a single pass, for x86-64.
//!
//! One walk over the operators of a body writes machine code into one buffer. There are no instruction objects and no
//! representation in between: a *virtual stack* (`stack.rs`) knows of each operand whether it is a constant, a local, in a
//! register or in its slot of the frame, so that what only moves operands costs no code. [`Baseline`] is the tier;
//! `compiler.rs` walks, `code.rs` knows how operators are encoded, `operator.rs` says which one does what, each
//! family of operators has a file in `op`, and `x64` is the instruction set.
//!
//! # Invariants
//!
//! * Nothing here has `unsafe`, but all of it is trusted: wrong code is a hole in the sandbox. `op/memory.rs` and
//!   `op/table.rs` hold every bounds check; S3 in `stack.rs` is why an index has no upper half.
//! * The same request gives the same bytes.
//! * Time is linear in the body, whatever it holds. No recursion.
//! * Meaning, layouts, library calls and trap codes are those of `waft-cranelift`.

#![forbid(unsafe_code)]

mod call;
mod code;
mod compiler;
mod control;
mod count;
mod frame;
mod op;
mod operator;
mod scan;
mod stack;
mod tier;
mod trap;
mod value;
mod visit;
mod x64;

pub use tier::Baseline;
