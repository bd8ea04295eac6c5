//! Float arithmetic of vectors.

use super::{PAND, PXOR, SHIFT_32, SHIFT_64, SHIFT_LEFT, SHIFT_RIGHT};
use crate::compiler::Compiler;
use crate::op::float::Round;
use crate::value::Ty;
use crate::x64::sse::{ADD, ANDN, DIV, MAX, MIN, MUL, OR, SQRT, SUB, XOR};
use crate::x64::{Packed, VecOp, VecRm, XMM15};
use wasmparser::Operator;

impl Compiler<'_> {
    pub(super) fn simd_float(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        use Packed::{Pd, Ps};
        match op {
            Op::F32x4Ceil => self.vector_round(Ps, Round::Ceil),
            Op::F32x4Floor => self.vector_round(Ps, Round::Floor),
            Op::F32x4Trunc => self.vector_round(Ps, Round::Trunc),
            Op::F32x4Nearest => self.vector_round(Ps, Round::Nearest),
            Op::F32x4Abs => self.vector_abs(SHIFT_32),
            Op::F32x4Neg => self.vector_flip(SHIFT_32, 31),
            Op::F32x4Sqrt => self.vector_sqrt(Ps),
            Op::F32x4Add => self.vector_float(Ps, ADD),
            Op::F32x4Sub => self.vector_float(Ps, SUB),
            Op::F32x4Mul => self.vector_float(Ps, MUL),
            Op::F32x4Div => self.vector_float(Ps, DIV),
            Op::F32x4Min => self.vector_min(Ps),
            Op::F32x4Max => self.vector_max(Ps),
            Op::F32x4PMin => self.vector_op_swapped(Ps.op(MIN)),
            Op::F32x4PMax => self.vector_op_swapped(Ps.op(MAX)),
            Op::F64x2Ceil => self.vector_round(Pd, Round::Ceil),
            Op::F64x2Floor => self.vector_round(Pd, Round::Floor),
            Op::F64x2Trunc => self.vector_round(Pd, Round::Trunc),
            Op::F64x2Nearest => self.vector_round(Pd, Round::Nearest),
            Op::F64x2Abs => self.vector_abs(SHIFT_64),
            Op::F64x2Neg => self.vector_flip(SHIFT_64, 63),
            Op::F64x2Sqrt => self.vector_sqrt(Pd),
            Op::F64x2Add => self.vector_float(Pd, ADD),
            Op::F64x2Sub => self.vector_float(Pd, SUB),
            Op::F64x2Mul => self.vector_float(Pd, MUL),
            Op::F64x2Div => self.vector_float(Pd, DIV),
            Op::F64x2Min => self.vector_min(Pd),
            Op::F64x2Max => self.vector_max(Pd),
            Op::F64x2PMin => self.vector_op_swapped(Pd.op(MIN)),
            Op::F64x2PMax => self.vector_op_swapped(Pd.op(MAX)),
            _ => return false,
        }
        true
    }

    fn vector_round(&mut self, packed: Packed, round: Round) {
        self.vector_unary(|this, a| {
            this.asm.vi(packed.round(), a, VecRm::Reg(a), round as u8);
            this.canonical_nan(packed, a);
        });
    }

    fn vector_abs(&mut self, lanes: u8) {
        self.vector_unary(|this, a| {
            this.asm.v_ones(XMM15);
            this.asm.v_shift_imm(lanes, SHIFT_RIGHT, XMM15, 1);
            this.asm.vv(PAND, a, XMM15);
        });
    }

    /// Flips signs.
    fn vector_flip(&mut self, lanes: u8, bits: u8) {
        self.vector_unary(|this, a| {
            this.asm.v_ones(XMM15);
            this.asm.v_shift_imm(lanes, SHIFT_LEFT, XMM15, bits);
            this.asm.vv(PXOR, a, XMM15);
        });
    }

    fn vector_sqrt(&mut self, packed: Packed) {
        self.vector_unary(|this, a| {
            this.asm.vv(packed.op(SQRT), a, a);
            this.canonical_nan(packed, a);
        });
    }

    fn vector_float(&mut self, packed: Packed, op: u8) {
        let (a, b) = self.pop2();
        let dst = self.owned_xmm(&a);
        let src = self.xmm(&b);
        self.asm.vv(packed.op(op), dst, src);
        self.free_xmm(src);
        self.canonical_nan(packed, dst);
        self.push_xmm(Ty::V128, dst);
    }

    /// Clears the payloads of NaNs: `a`, the result so far in `xmm15`, becomes the result. Zeros stay, infinities stay.
    fn clear_payloads(&mut self, packed: Packed, a: crate::x64::Xmm) {
        let (lanes, bits) = if packed.is_double() { (SHIFT_64, 13) } else { (SHIFT_32, 10) };
        self.asm.v_shift_imm(lanes, SHIFT_RIGHT, a, bits);
        self.asm.vv(packed.bits_op(ANDN), a, XMM15);
        self.canonical_nan(packed, a);
    }

    /// In both orders, as the instruction gives its second operand for NaNs and zeros; a sign of either counts.
    pub(super) fn vector_min(&mut self, packed: Packed) {
        self.vector_binary(|this, a, b| {
            this.asm.movaps(XMM15, b);
            this.asm.vv(packed.op(MIN), XMM15, a);
            this.asm.vv(packed.op(MIN), a, b);
            this.asm.vv(packed.bits_op(OR), XMM15, a);
            this.asm.vi(packed.bits_op(0xc2), a, VecRm::Reg(XMM15), 3);
            this.asm.vv(packed.bits_op(OR), XMM15, a);
            this.clear_payloads(packed, a);
        });
    }

    /// In both orders; where they differ there are zeros of two signs, or NaNs.
    pub(super) fn vector_max(&mut self, packed: Packed) {
        self.vector_binary(|this, a, b| {
            this.asm.movaps(XMM15, b);
            this.asm.vv(packed.op(MAX), XMM15, a);
            this.asm.vv(packed.op(MAX), a, b);
            this.asm.vv(packed.bits_op(XOR), a, XMM15);
            this.asm.vv(packed.bits_op(OR), XMM15, a);
            this.asm.vv(packed.op(SUB), XMM15, a);
            this.asm.vi(packed.bits_op(0xc2), a, VecRm::Reg(XMM15), 3);
            this.clear_payloads(packed, a);
        });
    }

    /// A comparison whose condition is an immediate, for those who need one: `cmpps`.
    pub(super) const fn compare_op(packed: Packed) -> VecOp {
        packed.bits_op(0xc2)
    }
}
