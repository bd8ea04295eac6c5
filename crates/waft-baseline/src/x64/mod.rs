//! The instruction set of x86-64: registers, conditions and an assembler.

pub(crate) mod asm;
mod cond;
mod insn;
mod reg;
pub(crate) mod sse;

pub(crate) use asm::{Asm, Label, Op};
pub(crate) use cond::Cond;
pub(crate) use insn::{Alu, Rm, Shift};
pub(crate) use reg::*;
pub(crate) use sse::{Packed, VecOp, VecRm};
