//! The 20 operators of the relaxed SIMD proposal.
//!
//! Each has a fast form, one or two instructions of the processor, and the form of the standard's deterministic
//! profile, where all parameters `R` are 0 (specification, "Relaxed Operations"). [`Tunables`] says which one is wanted.
//! The choice is made here and nowhere else, by the setup and the processor alone: one module never sees both.
//!
//! [`Tunables`]: waft_core::tier::Tunables::relaxed_simd_deterministic

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator;

impl FuncTranslator<'_, '_> {
    pub(super) fn simd_relaxed(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16RelaxedSwizzle => self.relaxed_swizzle(),

            Operator::I32x4RelaxedTruncF32x4S => self.relaxed_trunc_signed(),
            // Where x86 has an instruction for it, Cranelift does not know it.
            Operator::I32x4RelaxedTruncF32x4U => {
                self.lanewise1(F32X4, |ins, a| ins.fcvt_to_uint_sat(I32X4, a));
            }
            Operator::I32x4RelaxedTruncF64x2SZero => self.relaxed_trunc_zero_signed(),
            Operator::I32x4RelaxedTruncF64x2UZero => self.trunc_sat_zero_unsigned(),

            Operator::F32x4RelaxedMadd => self.relaxed_madd(F32X4, false),
            Operator::F32x4RelaxedNmadd => self.relaxed_madd(F32X4, true),
            Operator::F64x2RelaxedMadd => self.relaxed_madd(F64X2, false),
            Operator::F64x2RelaxedNmadd => self.relaxed_madd(F64X2, true),

            Operator::I8x16RelaxedLaneselect => self.relaxed_laneselect(I8X16),
            Operator::I16x8RelaxedLaneselect => self.relaxed_laneselect(I16X8),
            Operator::I32x4RelaxedLaneselect => self.relaxed_laneselect(I32X4),
            Operator::I64x2RelaxedLaneselect => self.relaxed_laneselect(I64X2),

            Operator::F32x4RelaxedMin => self.relaxed_min(F32X4),
            Operator::F32x4RelaxedMax => self.relaxed_max(F32X4),
            Operator::F64x2RelaxedMin => self.relaxed_min(F64X2),
            Operator::F64x2RelaxedMax => self.relaxed_max(F64X2),

            Operator::I16x8RelaxedQ15mulrS => self.relaxed_q15mulr(),
            Operator::I16x8RelaxedDotI8x16I7x16S => self.relaxed_dot(),
            Operator::I32x4RelaxedDotI8x16I7x16AddS => self.relaxed_dot_add(),

            _ => return false,
        }
        true
    }

    fn deterministic(&self) -> bool {
        self.request.tunables.relaxed_simd_deterministic
    }

    /// `pshufb` takes an index that is out of range but not negative modulo 16.
    fn relaxed_swizzle(&mut self) {
        if self.deterministic() {
            return self.lanewise2(I8X16, |ins, a, b| ins.swizzle(a, b));
        }
        self.lanewise2(I8X16, |ins, a, b| ins.x86_pshufb(a, b));
    }

    /// `cvttps2dq` makes the least integer of NaNs and of what is out of range.
    fn relaxed_trunc_signed(&mut self) {
        if self.deterministic() {
            return self.lanewise1(F32X4, |ins, a| ins.fcvt_to_sint_sat(I32X4, a));
        }
        self.lanewise1(F32X4, |ins, a| ins.x86_cvtt2dq(I32X4, a));
    }

    /// The same of two lanes, over zeros. The backend knows this shape only: `cvttpd2dq`.
    fn relaxed_trunc_zero_signed(&mut self) {
        if self.deterministic() {
            return self.trunc_sat_zero_signed();
        }
        let a = self.pop_lanes(F64X2);
        let wide = self.builder.ins().x86_cvtt2dq(I64X2, a);
        let zero = self.vector_zero();
        let value = self.builder.ins().snarrow(wide, zero);
        self.push(value);
    }

    /// `a * b + c`, or `-a * b + c`: rounded once where the processor has an instruction for that, else twice.
    fn relaxed_madd(&mut self, ty: Type, negate: bool) {
        let (a, b, c) = self.pop3_lanes(ty);
        // The backend folds the negation: `vfnmadd`.
        let a = if negate { self.builder.ins().fneg(a) } else { a };
        let value = if self.machine.fma && !self.deterministic() {
            self.builder.ins().fma(a, b, c)
        } else {
            let product = self.builder.ins().fmul(a, b);
            self.builder.ins().fadd(product, c)
        };
        self.push(value);
    }

    /// `pblendvb`, `blendvps` and `blendvpd` look at the highest bit of a lane of the mask. There is none for lanes of 16
    /// bits: there the highest bit is spread over the lane first.
    fn relaxed_laneselect(&mut self, ty: Type) {
        if self.deterministic() {
            return self.bitselect();
        }
        let (a, b, mask) = self.pop3_lanes(ty);
        let value = if ty == I16X8 {
            let spread = self.builder.ins().sshr_imm_u(mask, 15);
            let (a, b, mask) = (self.lanes(a, I8X16), self.lanes(b, I8X16), self.lanes(spread, I8X16));
            self.builder.ins().blendv(mask, a, b)
        } else {
            self.builder.ins().blendv(mask, a, b)
        };
        self.push(value);
    }

    /// `minps` gives one operand, always the same one, if either is NaN or both are zeros.
    fn relaxed_min(&mut self, ty: Type) {
        if self.deterministic() {
            return self.lanewise2(ty, |ins, a, b| ins.fmin(a, b));
        }
        self.pseudo_min(ty);
    }

    /// As [`Self::relaxed_min`]: `maxps`.
    fn relaxed_max(&mut self, ty: Type) {
        if self.deterministic() {
            return self.lanewise2(ty, |ins, a, b| ins.fmax(a, b));
        }
        self.pseudo_max(ty);
    }

    /// `pmulhrsw` wraps where both are the least number.
    fn relaxed_q15mulr(&mut self) {
        if self.deterministic() {
            return self.lanewise2(I16X8, |ins, a, b| ins.sqmul_round_sat(a, b));
        }
        self.lanewise2(I16X8, |ins, a, b| ins.x86_pmulhrsw(a, b));
    }

    fn relaxed_dot(&mut self) {
        let (a, b) = self.pop2_lanes(I8X16);
        let value = self.dot_of_bytes(a, b);
        self.push(value);
    }

    /// Adds neighbours of the dot product, and the third operand to the sums. The backend knows the shape of the first
    /// addition: `pmaddwd` with ones.
    fn relaxed_dot_add(&mut self) {
        let c = self.pop_lanes(I32X4);
        let (a, b) = self.pop2_lanes(I8X16);
        let dot = self.dot_of_bytes(a, b);
        let low = self.builder.ins().swiden_low(dot);
        let high = self.builder.ins().swiden_high(dot);
        let sums = self.builder.ins().iadd_pairwise(low, high);
        let value = self.builder.ins().iadd(sums, c);
        self.push(value);
    }

    /// Products of bytes, with neighbours added and saturated.
    fn dot_of_bytes(&mut self, a: Value, b: Value) -> Value {
        if self.deterministic() { self.signed_dot(a, b) } else { self.builder.ins().x86_pmaddubsw(a, b) }
    }

    fn signed_dot(&mut self, a: Value, b: Value) -> Value {
        let sums = self.products_added(a, b);
        // Of all sums of two products only 2 * -128 * -128 is out of range, and it wraps to what no other sum is.
        let least = self.builder.ins().iconst(I16, 0x8000);
        let least = self.builder.ins().splat(I16X8, least);
        let wrapped = self.builder.ins().icmp(IntCC::Equal, sums, least);
        self.builder.ins().bxor(sums, wrapped)
    }

    /// Pops three vectors and sees them as `ty`; the third one was on top.
    fn pop3_lanes(&mut self, ty: Type) -> (Value, Value, Value) {
        let (a, b, c) = self.pop3();
        (self.lanes(a, ty), self.lanes(b, ty), self.lanes(c, ty))
    }
}
