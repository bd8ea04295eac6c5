//! The 236 operators of the fixed-width SIMD proposal, and the 20 of relaxed SIMD, in SSE4.1.
//!
//! # Invariants
//!
//! * `xmm14` and `xmm15` are scratch: a value that is in one of them is used up before the next step of an operator that says
//!   it takes it. [`Compiler::vec_rm`] may put its operand into `xmm15`.
//! * Relaxed operators give what `waft-cranelift` gives on the same processor.

mod bit;
mod compare;
mod convert;
mod float;
mod int;
mod lane;
mod memory;
mod relaxed;

use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{Gpr, R11, Rm, VecOp, VecRm, Width, XMM15, Xmm};
use wasmparser::Operator;

/// `pshufd`.
const PSHUFD: VecOp = VecOp::p66(0x70);
const PAND: VecOp = VecOp::p66(0xdb);
const PANDN: VecOp = VecOp::p66(0xdf);
const POR: VecOp = VecOp::p66(0xeb);
const PXOR: VecOp = VecOp::p66(0xef);
const PUNPCKLQDQ: VecOp = VecOp::p66(0x6c);
const PSHUFB: VecOp = VecOp::p38(0x00);
/// Kinds of shifts by constants.
const SHIFT_RIGHT: u8 = 2;
const SHIFT_RIGHT_SIGNED: u8 = 4;
const SHIFT_LEFT: u8 = 6;
/// Opcodes of shifts by constants: lanes of 16, 32 and 64 bits.
const SHIFT_16: u8 = 0x71;
const SHIFT_32: u8 = 0x72;
const SHIFT_64: u8 = 0x73;

impl Compiler<'_> {
    /// Compiles a SIMD operator, or says that it is none.
    pub(crate) fn simd(&mut self, op: &Operator<'_>) -> bool {
        self.simd_memory(op)
            || self.simd_int(op)
            || self.simd_float(op)
            || self.simd_lane(op)
            || self.simd_bit(op)
            || self.simd_compare(op)
            || self.simd_convert(op)
            || self.simd_relaxed(op)
    }

    /// Pops a vector into a register that may be written, and pushes what `emit` makes of it there.
    fn vector_unary(&mut self, emit: impl FnOnce(&mut Self, Xmm)) {
        let a = self.pop();
        let dst = self.owned_xmm(&a);
        emit(self, dst);
        self.push_xmm(Ty::V128, dst);
    }

    /// One instruction from the vector on top to a result.
    fn vector_from(&mut self, op: VecOp) {
        let a = self.pop();
        let src = self.xmm(&a);
        self.free_xmm(src);
        let dst = self.result_xmm();
        self.asm.vv(op, dst, src);
        self.push_xmm(Ty::V128, dst);
    }

    /// Pops two vectors, the first of which may be written, and pushes what `emit` leaves there. No scratch is in use.
    fn vector_binary(&mut self, emit: impl FnOnce(&mut Self, Xmm, Xmm)) {
        let (a, b) = self.pop2();
        let dst = self.owned_xmm(&a);
        let src = self.xmm(&b);
        emit(self, dst, src);
        self.free_xmm(src);
        self.push_xmm(Ty::V128, dst);
    }

    /// One instruction on the two vectors on top.
    fn vector_op(&mut self, op: VecOp, commutes: bool) {
        let (mut a, mut b) = self.pop2();
        if commutes && b.is_owned() && !a.is_owned() {
            std::mem::swap(&mut a, &mut b);
        }
        let dst = self.owned_xmm(&a);
        let VecRm::Reg(src) = self.vec_rm(&b) else { unreachable!("vectors are in registers") };
        self.asm.vv(op, dst, src);
        self.free(&b);
        self.push_xmm(Ty::V128, dst);
    }

    /// One instruction on the two vectors on top, the one on top first.
    fn vector_op_swapped(&mut self, op: VecOp) {
        let (a, b) = self.pop2();
        let dst = self.owned_xmm(&b);
        let VecRm::Reg(src) = self.vec_rm(&a) else { unreachable!("vectors are in registers") };
        self.asm.vv(op, dst, src);
        self.free(&a);
        self.push_xmm(Ty::V128, dst);
    }

    /// Pops three vectors, the first of which may be written.
    fn pop3_xmms(&mut self) -> (Xmm, Xmm, Xmm) {
        let c = self.pop();
        let (a, b) = self.pop2();
        (self.owned_xmm(&a), self.xmm(&b), self.xmm(&c))
    }

    /// Flips all bits. Takes `xmm15`.
    fn vector_not(&mut self, reg: Xmm) {
        self.asm.v_ones(XMM15);
        self.asm.vv(PXOR, reg, XMM15);
    }

    /// A constant with these two halves, the lower one first. Takes the scratch register.
    fn vector_const(&mut self, dst: Xmm, low: u64, high: u64) {
        match (low, high) {
            (0, 0) => return self.asm.v_zero(dst),
            (u64::MAX, u64::MAX) => return self.asm.v_ones(dst),
            _ => {}
        }
        self.asm.mov_imm(R11, low);
        self.asm.mov_to_xmm(Width::W64, dst, R11);
        if low == high {
            return self.asm.vv(PUNPCKLQDQ, dst, dst);
        }
        self.asm.mov_imm(R11, high);
        self.insert(VecOp::p3a(0x22), true, dst, Rm::Reg(R11), 1);
    }

    /// The same word of 32 bits in all lanes.
    fn vector_words(&mut self, dst: Xmm, word: u32) {
        let both = u64::from(word) << 32 | u64::from(word);
        self.vector_const(dst, both, both);
    }

    /// `pinsr`.
    fn insert(&mut self, op: VecOp, wide: bool, dst: Xmm, src: Rm, lane: u8) {
        let width = if wide { Width::W64 } else { Width::W32 };
        self.asm.v_gpr(op, width, dst, src);
        self.asm.byte(lane);
    }

    /// `pextr` into a register.
    fn extract(&mut self, op: VecOp, wide: bool, dst: Gpr, src: Xmm, lane: u8) {
        self.asm.v_extract(op, wide, dst, src);
        self.asm.byte(lane);
    }
}
