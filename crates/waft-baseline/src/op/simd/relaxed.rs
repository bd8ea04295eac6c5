//! The 20 operators of the relaxed SIMD proposal: in a fast form, or in that of the standard's deterministic profile.

use super::{PSHUFB, PSHUFD, SHIFT_16, SHIFT_32, SHIFT_RIGHT_SIGNED};
use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::sse::{ADD, MAX, MIN, MUL, XOR};
use crate::x64::{Packed, VecOp, VecRm, XMM14, XMM15, Xmm};
use wasmparser::Operator;

/// `pmaddubsw`: the first operand is unsigned.
const PMADDUBSW: VecOp = VecOp::p38(0x04);
const PMULLW: VecOp = VecOp::p66(0xd5);

impl Compiler<'_> {
    pub(super) fn simd_relaxed(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        use Packed::{Pd, Ps};
        let fast = !self.request.tunables.relaxed_simd_deterministic;
        match op {
            Op::I8x16RelaxedSwizzle if fast => self.vector_op(PSHUFB, false),
            Op::I8x16RelaxedSwizzle => self.swizzle(),
            Op::I32x4RelaxedTruncF32x4S if fast => self.trunc_f32x4(),
            Op::I32x4RelaxedTruncF32x4S => return self.simd_convert(&Op::I32x4TruncSatF32x4S),
            Op::I32x4RelaxedTruncF32x4U => self.trunc_sat_f32x4_unsigned(),
            Op::I32x4RelaxedTruncF64x2SZero if fast => self.trunc_f64x2(),
            Op::I32x4RelaxedTruncF64x2SZero => self.trunc_sat_f64x2_signed(),
            Op::I32x4RelaxedTruncF64x2UZero => self.trunc_sat_f64x2_unsigned(),
            Op::F32x4RelaxedMadd => self.madd(Ps, false),
            Op::F32x4RelaxedNmadd => self.madd(Ps, true),
            Op::F64x2RelaxedMadd => self.madd(Pd, false),
            Op::F64x2RelaxedNmadd => self.madd(Pd, true),
            Op::I8x16RelaxedLaneselect => self.laneselect(0),
            Op::I16x8RelaxedLaneselect => self.laneselect(1),
            Op::I32x4RelaxedLaneselect => self.laneselect(2),
            Op::I64x2RelaxedLaneselect => self.laneselect(3),
            Op::F32x4RelaxedMin if fast => self.vector_op_swapped(Ps.op(MIN)),
            Op::F32x4RelaxedMin => self.vector_min(Ps),
            Op::F32x4RelaxedMax if fast => self.vector_op_swapped(Ps.op(MAX)),
            Op::F32x4RelaxedMax => self.vector_max(Ps),
            Op::F64x2RelaxedMin if fast => self.vector_op_swapped(Pd.op(MIN)),
            Op::F64x2RelaxedMin => self.vector_min(Pd),
            Op::F64x2RelaxedMax if fast => self.vector_op_swapped(Pd.op(MAX)),
            Op::F64x2RelaxedMax => self.vector_max(Pd),
            Op::I16x8RelaxedQ15mulrS if fast => self.vector_op(VecOp::p38(0x0b), true),
            Op::I16x8RelaxedQ15mulrS => self.q15mulr_sat(),
            Op::I16x8RelaxedDotI8x16I7x16S => self.relaxed_dot(fast),
            Op::I32x4RelaxedDotI8x16I7x16AddS => {
                let c = self.pop();
                self.relaxed_dot(fast);
                // Adds neighbours, and the third operand to the sums.
                let dot = self.pop();
                let (dot, c) = (self.owned_xmm(&dot), self.xmm(&c));
                self.vector_words(XMM15, 0x0001_0001);
                self.asm.vv(VecOp::p66(0xf5), dot, XMM15);
                self.asm.vv(VecOp::p66(0xfe), dot, c);
                self.free_xmm(c);
                self.push_xmm(Ty::V128, dot);
            }
            _ => return false,
        }
        true
    }

    /// `a * b + c`, or `-a * b + c`: rounded once where the processor has an instruction for that, else twice.
    fn madd(&mut self, packed: Packed, negate: bool) {
        let (a, b, c) = self.pop3_xmms();
        if self.machine.fma && !self.request.tunables.relaxed_simd_deterministic {
            // `vfmadd213` and `vfnmadd213`.
            self.asm.vex38(packed.is_double(), if negate { 0xac } else { 0xa8 }, a, b, c);
        } else {
            if negate {
                let (low, high) = if packed.is_double() { (1 << 63, 1 << 63) } else { (SIGNS, SIGNS) };
                self.vector_const(XMM15, low, high);
                self.asm.vv(packed.bits_op(XOR), a, XMM15);
            }
            self.asm.vv(packed.op(MUL), a, b);
            self.canonical_nan(packed, a);
            self.asm.vv(packed.op(ADD), a, c);
        }
        self.canonical_nan(packed, a);
        self.free_xmm(b);
        self.free_xmm(c);
        self.push_xmm(Ty::V128, a);
    }

    /// The highest bit of a lane decides.
    fn laneselect(&mut self, log2: u8) {
        if self.request.tunables.relaxed_simd_deterministic {
            return self.bitselect();
        }
        let mask = self.pop();
        let mask = self.owned_xmm(&mask);
        match log2 {
            0 => {
                self.asm.v_zero(XMM14);
                self.asm.vv(VecOp::p66(0x64), XMM14, mask);
                self.asm.movaps(mask, XMM14);
            }
            1 => self.asm.v_shift_imm(SHIFT_16, SHIFT_RIGHT_SIGNED, mask, 15),
            _ => {
                if log2 == 3 {
                    self.asm.vi(PSHUFD, mask, VecRm::Reg(mask), 0xf5);
                }
                self.asm.v_shift_imm(SHIFT_32, SHIFT_RIGHT_SIGNED, mask, 31);
            }
        }
        let (a, b) = self.pop2();
        let (a, b) = (self.owned_xmm(&a), self.xmm(&b));
        self.select_bits(a, b, mask);
    }

    /// Products of bytes, with neighbours added and saturated.
    fn relaxed_dot(&mut self, fast: bool) {
        if fast {
            return self.vector_op_swapped(PMADDUBSW);
        }
        let (a, b) = self.pop2();
        let (a, b) = (self.owned_xmm(&a), self.xmm(&b));
        let low = self.alloc_xmm();
        self.products(low, a, b, false);
        self.products(a, a, b, true);
        // `phaddw`. Of all sums of two products only 2 * -128 * -128 is out of range, and it wraps to what no other sum is.
        self.asm.vv(VecOp::p38(0x01), low, a);
        self.asm.movaps(a, low);
        self.flip_least_words(a);
        self.free_xmm(low);
        self.free_xmm(b);
        self.push_xmm(Ty::V128, a);
    }

    /// Half of the products of signed bytes. Takes `xmm15`.
    fn products(&mut self, dst: Xmm, a: Xmm, b: Xmm, high: bool) {
        let widen = VecOp::p38(0x20);
        if high {
            self.asm.vi(PSHUFD, XMM15, VecRm::Reg(b), 0xee);
            self.asm.vv(widen, XMM15, XMM15);
            self.asm.vi(PSHUFD, dst, VecRm::Reg(a), 0xee);
            self.asm.vv(widen, dst, dst);
        } else {
            self.asm.vv(widen, XMM15, b);
            self.asm.vv(widen, dst, a);
        }
        self.asm.vv(PMULLW, dst, XMM15);
    }
}

/// The signs of two `f32`.
const SIGNS: u64 = 0x8000_0000_8000_0000;
