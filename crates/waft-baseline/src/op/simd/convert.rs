//! Conversions between lanes of different widths and kinds.

use super::{PAND, PSHUFD, PXOR, SHIFT_32, SHIFT_LEFT, SHIFT_RIGHT, SHIFT_RIGHT_SIGNED};
use crate::compiler::Compiler;
use crate::x64::sse::{ADD, AND, MAX, MIN, SUB};
use crate::x64::{Packed, VecOp, VecRm, XMM14, XMM15};
use wasmparser::Operator;

/// `cvtdq2ps` and `cvttps2dq`.
const TO_PS: VecOp = VecOp::of(0, 0x5b);
const FROM_PS: VecOp = VecOp::of(0xf3, 0x5b);
/// `cvtdq2pd` and `cvttpd2dq`.
const TO_PD: VecOp = VecOp::of(0xf3, 0xe6);
const FROM_PD: VecOp = VecOp::p66(0xe6);
const PADDD: VecOp = VecOp::p66(0xfe);

impl Compiler<'_> {
    pub(super) fn simd_convert(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        match op {
            Op::I8x16NarrowI16x8S => self.vector_op(VecOp::p66(0x63), false),
            Op::I8x16NarrowI16x8U => self.vector_op(VecOp::p66(0x67), false),
            Op::I16x8NarrowI32x4S => self.vector_op(VecOp::p66(0x6b), false),
            Op::I16x8NarrowI32x4U => self.vector_op(VecOp::p38(0x2b), false),
            Op::I16x8ExtendLowI8x16S => self.vector_from(VecOp::p38(0x20)),
            Op::I16x8ExtendHighI8x16S => self.extend_high(0x20),
            Op::I16x8ExtendLowI8x16U => self.vector_from(VecOp::p38(0x30)),
            Op::I16x8ExtendHighI8x16U => self.extend_high(0x30),
            Op::I32x4ExtendLowI16x8S => self.vector_from(VecOp::p38(0x23)),
            Op::I32x4ExtendHighI16x8S => self.extend_high(0x23),
            Op::I32x4ExtendLowI16x8U => self.vector_from(VecOp::p38(0x33)),
            Op::I32x4ExtendHighI16x8U => self.extend_high(0x33),
            Op::I64x2ExtendLowI32x4S => self.vector_from(VecOp::p38(0x25)),
            Op::I64x2ExtendHighI32x4S => self.extend_high(0x25),
            Op::I64x2ExtendLowI32x4U => self.vector_from(VecOp::p38(0x35)),
            Op::I64x2ExtendHighI32x4U => self.extend_high(0x35),
            Op::I32x4TruncSatF32x4S => self.trunc_sat_f32x4_signed(),
            Op::I32x4TruncSatF32x4U => self.trunc_sat_f32x4_unsigned(),
            Op::I32x4TruncSatF64x2SZero => self.trunc_sat_f64x2_signed(),
            Op::I32x4TruncSatF64x2UZero => self.trunc_sat_f64x2_unsigned(),
            Op::F32x4ConvertI32x4S => self.vector_from(TO_PS),
            Op::F32x4ConvertI32x4U => self.convert_u32x4(),
            Op::F64x2ConvertLowI32x4S => self.vector_from(TO_PD),
            Op::F64x2ConvertLowI32x4U => self.vector_unary(|this, a| {
                // As the low bits of 2^52 plus the number.
                this.vector_words(XMM15, 0x4330_0000);
                this.asm.vv(VecOp::p66(0x62), a, XMM15);
                this.vector_const(XMM15, 0x4330_0000_0000_0000, 0x4330_0000_0000_0000);
                this.asm.vv(Packed::Pd.op(SUB), a, XMM15);
            }),
            Op::F32x4DemoteF64x2Zero => self.vector_unary(|this, a| {
                this.asm.vv(VecOp::p66(0x5a), a, a);
                this.canonical_nan(Packed::Ps, a);
            }),
            Op::F64x2PromoteLowF32x4 => self.vector_unary(|this, a| {
                this.asm.vv(VecOp::of(0, 0x5a), a, a);
                this.canonical_nan(Packed::Pd, a);
            }),
            _ => return false,
        }
        true
    }

    fn extend_high(&mut self, widen: u8) {
        self.vector_unary(|this, a| {
            this.asm.vi(PSHUFD, a, VecRm::Reg(a), 0xee);
            this.asm.vv(VecOp::p38(widen), a, a);
        });
    }

    fn trunc_sat_f32x4_signed(&mut self) {
        self.vector_unary(|this, a| {
            // NaNs become 0. Then the highest bit of the scratch says what is not negative, then what became so.
            this.asm.movaps(XMM15, a);
            this.asm.vi(Self::compare_op(Packed::Ps), XMM15, VecRm::Reg(XMM15), 0);
            this.asm.vv(PAND, a, XMM15);
            this.asm.vv(PXOR, XMM15, a);
            this.asm.vv(FROM_PS, a, a);
            this.asm.vv(PAND, XMM15, a);
            this.asm.v_shift_imm(SHIFT_32, SHIFT_RIGHT_SIGNED, XMM15, 31);
            this.asm.vv(PXOR, a, XMM15);
        });
    }

    pub(super) fn trunc_sat_f32x4_unsigned(&mut self) {
        self.vector_unary(|this, a| {
            // NaNs and what is negative become 0.
            this.asm.v_zero(XMM15);
            this.asm.vv(Packed::Ps.op(MAX), a, XMM15);
            // 2^31; what is beyond that is converted apart, and saturates there.
            this.vector_words(XMM15, 0x4f00_0000);
            this.asm.movaps(XMM14, a);
            this.asm.vv(Packed::Ps.op(SUB), XMM14, XMM15);
            this.asm.vi(Self::compare_op(Packed::Ps), XMM15, VecRm::Reg(XMM14), 2);
            this.asm.vv(FROM_PS, XMM14, XMM14);
            this.asm.vv(PXOR, XMM14, XMM15);
            this.asm.v_zero(XMM15);
            // `pmaxsd`.
            this.asm.vv(VecOp::p38(0x3d), XMM14, XMM15);
            this.asm.vv(FROM_PS, a, a);
            this.asm.vv(PADDD, a, XMM14);
        });
    }

    pub(super) fn trunc_sat_f64x2_signed(&mut self) {
        self.vector_unary(|this, a| {
            // The greatest integer, or 0 where there is a NaN, for which `min` gives its second operand.
            this.asm.movaps(XMM15, a);
            this.asm.vi(Self::compare_op(Packed::Pd), XMM15, VecRm::Reg(XMM15), 0);
            this.vector_const(XMM14, 0x41df_ffff_ffc0_0000, 0x41df_ffff_ffc0_0000);
            this.asm.vv(Packed::Pd.bits_op(AND), XMM15, XMM14);
            this.asm.vv(Packed::Pd.op(MIN), a, XMM15);
            this.asm.vv(FROM_PD, a, a);
        });
    }

    pub(super) fn trunc_sat_f64x2_unsigned(&mut self) {
        self.vector_unary(|this, a| {
            this.asm.v_zero(XMM15);
            this.asm.vv(Packed::Pd.op(MAX), a, XMM15);
            this.vector_const(XMM14, 0x41ef_ffff_ffe0_0000, 0x41ef_ffff_ffe0_0000);
            this.asm.vv(Packed::Pd.op(MIN), a, XMM14);
            this.asm.vi(Packed::Pd.round(), a, VecRm::Reg(a), 11);
            // Adding 2^52 leaves the integer in the low bits; `shufps` takes those.
            this.vector_const(XMM14, 0x4330_0000_0000_0000, 0x4330_0000_0000_0000);
            this.asm.vv(Packed::Pd.op(ADD), a, XMM14);
            this.asm.vi(VecOp::of(0, 0xc6), a, VecRm::Reg(XMM15), 0x88);
        });
    }

    pub(super) fn trunc_f32x4(&mut self) {
        self.vector_from(FROM_PS);
    }

    pub(super) fn trunc_f64x2(&mut self) {
        self.vector_from(FROM_PD);
    }

    /// The low 16 bits, and the others halved and doubled again: both are exact, their sum rounds once.
    fn convert_u32x4(&mut self) {
        self.vector_unary(|this, a| {
            this.asm.movaps(XMM15, a);
            this.asm.v_shift_imm(SHIFT_32, SHIFT_LEFT, XMM15, 16);
            this.asm.v_shift_imm(SHIFT_32, SHIFT_RIGHT, XMM15, 16);
            this.asm.vv(PXOR, a, XMM15);
            this.asm.v_shift_imm(SHIFT_32, SHIFT_RIGHT, a, 1);
            this.asm.vv(TO_PS, a, a);
            this.asm.vv(Packed::Ps.op(ADD), a, a);
            this.asm.vv(TO_PS, XMM15, XMM15);
            this.asm.vv(Packed::Ps.op(ADD), a, XMM15);
        });
    }
}
