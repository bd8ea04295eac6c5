//! Integer arithmetic of vectors.

use super::{
    PAND, PANDN, POR, PSHUFB, PSHUFD, PXOR, SHIFT_16, SHIFT_32, SHIFT_64, SHIFT_LEFT, SHIFT_RIGHT,
    SHIFT_RIGHT_SIGNED,
};
use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{VecOp, VecRm, XMM14, XMM15};
use wasmparser::Operator;

const PADDD: VecOp = VecOp::p66(0xfe);
const PADDQ: VecOp = VecOp::p66(0xd4);
const PMULUDQ: VecOp = VecOp::p66(0xf4);
const PMULLW: VecOp = VecOp::p66(0xd5);
const PMULLD: VecOp = VecOp::p38(0x40);
const PMADDWD: VecOp = VecOp::p66(0xf5);
const PMADDUBSW: VecOp = VecOp::p38(0x04);
const PMULHRSW: VecOp = VecOp::p38(0x0b);

impl Compiler<'_> {
    pub(super) fn simd_int(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        if let Some((op, commutes)) = plain(op) {
            self.vector_op(op, commutes);
            return true;
        }
        match op {
            Op::I8x16Abs => self.vector_from(VecOp::p38(0x1c)),
            Op::I16x8Abs => self.vector_from(VecOp::p38(0x1d)),
            Op::I32x4Abs => self.vector_from(VecOp::p38(0x1e)),
            Op::I64x2Abs => self.vector_unary(|this, a| {
                // The sign, all over the lane.
                this.asm.vi(PSHUFD, XMM15, VecRm::Reg(a), 0xf5);
                this.asm.v_shift_imm(SHIFT_32, SHIFT_RIGHT_SIGNED, XMM15, 31);
                this.asm.vv(PXOR, a, XMM15);
                this.asm.vv(VecOp::p66(0xfb), a, XMM15);
            }),
            Op::I8x16Neg => self.vector_neg(0xf8),
            Op::I16x8Neg => self.vector_neg(0xf9),
            Op::I32x4Neg => self.vector_neg(0xfa),
            Op::I64x2Neg => self.vector_neg(0xfb),
            Op::I8x16Popcnt => self.vector_popcnt(),
            Op::I64x2Mul => self.vector_mul64(),
            Op::I16x8Q15MulrSatS => self.q15mulr_sat(),
            Op::I16x8ExtAddPairwiseI8x16S => self.vector_unary(|this, a| {
                this.vector_words(XMM15, 0x0101_0101);
                this.asm.vv(PMADDUBSW, XMM15, a);
                this.asm.movaps(a, XMM15);
            }),
            Op::I16x8ExtAddPairwiseI8x16U => self.vector_unary(|this, a| {
                this.vector_words(XMM15, 0x0101_0101);
                this.asm.vv(PMADDUBSW, a, XMM15);
            }),
            Op::I32x4ExtAddPairwiseI16x8S => self.vector_unary(|this, a| {
                this.vector_words(XMM15, 0x0001_0001);
                this.asm.vv(PMADDWD, a, XMM15);
            }),
            Op::I32x4ExtAddPairwiseI16x8U => self.vector_unary(|this, a| {
                this.asm.movaps(XMM15, a);
                this.asm.v_shift_imm(SHIFT_32, SHIFT_RIGHT, XMM15, 16);
                this.asm.v_shift_imm(SHIFT_32, SHIFT_LEFT, a, 16);
                this.asm.v_shift_imm(SHIFT_32, SHIFT_RIGHT, a, 16);
                this.asm.vv(PADDD, a, XMM15);
            }),
            Op::I16x8ExtMulLowI8x16S => self.extmul(0x20, false, PMULLW),
            Op::I16x8ExtMulHighI8x16S => self.extmul(0x20, true, PMULLW),
            Op::I16x8ExtMulLowI8x16U => self.extmul(0x30, false, PMULLW),
            Op::I16x8ExtMulHighI8x16U => self.extmul(0x30, true, PMULLW),
            Op::I32x4ExtMulLowI16x8S => self.extmul(0x23, false, PMULLD),
            Op::I32x4ExtMulHighI16x8S => self.extmul(0x23, true, PMULLD),
            Op::I32x4ExtMulLowI16x8U => self.extmul(0x33, false, PMULLD),
            Op::I32x4ExtMulHighI16x8U => self.extmul(0x33, true, PMULLD),
            Op::I64x2ExtMulLowI32x4S => self.extmul64(VecOp::p38(0x28), 0x50),
            Op::I64x2ExtMulHighI32x4S => self.extmul64(VecOp::p38(0x28), 0xfa),
            Op::I64x2ExtMulLowI32x4U => self.extmul64(PMULUDQ, 0x50),
            Op::I64x2ExtMulHighI32x4U => self.extmul64(PMULUDQ, 0xfa),
            _ => return false,
        }
        true
    }

    /// Zero less the vector.
    fn vector_neg(&mut self, sub: u8) {
        self.vector_unary(|this, a| {
            this.asm.movaps(XMM15, a);
            this.asm.v_zero(a);
            this.asm.vv(VecOp::p66(sub), a, XMM15);
        });
    }

    /// The bits of each nibble, by a table.
    fn vector_popcnt(&mut self) {
        let a = self.pop();
        let dst = self.owned_xmm(&a);
        let table = self.alloc_xmm();
        self.vector_words(XMM15, 0x0f0f_0f0f);
        self.asm.movaps(XMM14, dst);
        self.asm.v_shift_imm(SHIFT_16, SHIFT_RIGHT, XMM14, 4);
        self.asm.vv(PAND, XMM14, XMM15);
        self.asm.vv(PAND, dst, XMM15);
        self.vector_const(table, 0x0302_0201_0201_0100, 0x0403_0302_0302_0201);
        self.asm.movaps(XMM15, table);
        self.asm.vv(PSHUFB, XMM15, dst);
        self.asm.vv(PSHUFB, table, XMM14);
        self.asm.movaps(dst, XMM15);
        self.asm.vv(VecOp::p66(0xfc), dst, table);
        self.free_xmm(table);
        self.push_xmm(Ty::V128, dst);
    }

    /// By products of halves.
    fn vector_mul64(&mut self) {
        self.vector_binary(|this, a, b| {
            this.asm.movaps(XMM15, a);
            this.asm.v_shift_imm(SHIFT_64, SHIFT_RIGHT, XMM15, 32);
            this.asm.vv(PMULUDQ, XMM15, b);
            this.asm.movaps(XMM14, b);
            this.asm.v_shift_imm(SHIFT_64, SHIFT_RIGHT, XMM14, 32);
            this.asm.vv(PMULUDQ, XMM14, a);
            this.asm.vv(PADDQ, XMM15, XMM14);
            this.asm.v_shift_imm(SHIFT_64, SHIFT_LEFT, XMM15, 32);
            this.asm.vv(PMULUDQ, a, b);
            this.asm.vv(PADDQ, a, XMM15);
        });
    }

    /// `pmulhrsw`, but where both are the least number.
    pub(super) fn q15mulr_sat(&mut self) {
        self.vector_binary(|this, a, b| {
            this.asm.vv(PMULHRSW, a, b);
            this.flip_least_words(a);
        });
    }

    /// Flips the lanes of 16 bits that are the least number. Takes `xmm15`.
    pub(super) fn flip_least_words(&mut self, reg: crate::x64::Xmm) {
        self.vector_words(XMM15, 0x8000_8000);
        self.asm.vv(VecOp::p66(0x75), XMM15, reg);
        self.asm.vv(PXOR, reg, XMM15);
    }

    /// Extends half of the lanes by `pmovsx` or `pmovzx`, and multiplies them.
    fn extmul(&mut self, widen: u8, high: bool, mul: VecOp) {
        let widen = VecOp::p38(widen);
        self.vector_binary(|this, a, b| {
            if high {
                this.asm.vi(PSHUFD, XMM15, VecRm::Reg(b), 0xee);
                this.asm.vv(widen, XMM15, XMM15);
                this.asm.vi(PSHUFD, a, VecRm::Reg(a), 0xee);
            } else {
                this.asm.vv(widen, XMM15, b);
            }
            this.asm.vv(widen, a, a);
            this.asm.vv(mul, a, XMM15);
        });
    }

    fn extmul64(&mut self, mul: VecOp, lanes: u8) {
        self.vector_binary(|this, a, b| {
            this.asm.vi(PSHUFD, XMM15, VecRm::Reg(b), lanes);
            this.asm.vi(PSHUFD, a, VecRm::Reg(a), lanes);
            this.asm.vv(mul, a, XMM15);
        });
    }

    /// Shifts of lanes of bytes by the count in `xmm15`; `a` may be written.
    pub(super) fn shift_bytes(&mut self, left: bool, signed: bool, a: crate::x64::Xmm) {
        let low = self.alloc_xmm();
        self.asm.v_ones(XMM14);
        self.asm.v_shift_imm(SHIFT_16, SHIFT_RIGHT, XMM14, 8);
        self.asm.movaps(low, a);
        if left {
            // The low bytes of the whole, and the high bytes by themselves.
            self.asm.vv(VecOp::p66(0xf1), low, XMM15);
            self.asm.vv(PAND, low, XMM14);
            self.asm.vv(PANDN, XMM14, a);
            self.asm.vv(VecOp::p66(0xf1), XMM14, XMM15);
        } else {
            let shift = VecOp::p66(if signed { 0xe1 } else { 0xd1 });
            if signed {
                self.asm.v_shift_imm(SHIFT_16, SHIFT_LEFT, low, 8);
                self.asm.vv(shift, low, XMM15);
                self.asm.v_shift_imm(SHIFT_16, SHIFT_RIGHT, low, 8);
            } else {
                self.asm.vv(PAND, low, XMM14);
                self.asm.vv(shift, low, XMM15);
            }
            self.asm.vv(shift, a, XMM15);
            self.asm.vv(PANDN, XMM14, a);
        }
        self.asm.movaps(a, XMM14);
        self.asm.vv(POR, a, low);
        self.free_xmm(low);
    }
}

/// Operators that are one instruction, and whether its operands may change places.
fn plain(op: &Operator<'_>) -> Option<(VecOp, bool)> {
    use Operator as Op;
    Some(match op {
        Op::I8x16Add => (VecOp::p66(0xfc), true),
        Op::I8x16Sub => (VecOp::p66(0xf8), false),
        Op::I8x16AddSatS => (VecOp::p66(0xec), true),
        Op::I8x16AddSatU => (VecOp::p66(0xdc), true),
        Op::I8x16SubSatS => (VecOp::p66(0xe8), false),
        Op::I8x16SubSatU => (VecOp::p66(0xd8), false),
        Op::I8x16MinS => (VecOp::p38(0x38), true),
        Op::I8x16MinU => (VecOp::p66(0xda), true),
        Op::I8x16MaxS => (VecOp::p38(0x3c), true),
        Op::I8x16MaxU => (VecOp::p66(0xde), true),
        Op::I8x16AvgrU => (VecOp::p66(0xe0), true),
        Op::I16x8Add => (VecOp::p66(0xfd), true),
        Op::I16x8Sub => (VecOp::p66(0xf9), false),
        Op::I16x8Mul => (PMULLW, true),
        Op::I16x8AddSatS => (VecOp::p66(0xed), true),
        Op::I16x8AddSatU => (VecOp::p66(0xdd), true),
        Op::I16x8SubSatS => (VecOp::p66(0xe9), false),
        Op::I16x8SubSatU => (VecOp::p66(0xd9), false),
        Op::I16x8MinS => (VecOp::p66(0xea), true),
        Op::I16x8MinU => (VecOp::p38(0x3a), true),
        Op::I16x8MaxS => (VecOp::p66(0xee), true),
        Op::I16x8MaxU => (VecOp::p38(0x3e), true),
        Op::I16x8AvgrU => (VecOp::p66(0xe3), true),
        Op::I32x4Add => (PADDD, true),
        Op::I32x4Sub => (VecOp::p66(0xfa), false),
        Op::I32x4Mul => (PMULLD, true),
        Op::I32x4MinS => (VecOp::p38(0x39), true),
        Op::I32x4MinU => (VecOp::p38(0x3b), true),
        Op::I32x4MaxS => (VecOp::p38(0x3d), true),
        Op::I32x4MaxU => (VecOp::p38(0x3f), true),
        Op::I64x2Add => (PADDQ, true),
        Op::I64x2Sub => (VecOp::p66(0xfb), false),
        Op::I32x4DotI16x8S => (PMADDWD, true),
        _ => return None,
    })
}
