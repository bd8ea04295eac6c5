//! Integer arithmetic.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

impl<'b> FuncTranslator<'_, 'b> {
    pub(super) fn simd_int(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16Abs => self.lanewise1(I8X16, |ins, a| ins.iabs(a)),
            Operator::I8x16Neg => self.lanewise1(I8X16, |ins, a| ins.ineg(a)),
            Operator::I8x16Popcnt => self.lanewise1(I8X16, |ins, a| ins.popcnt(a)),
            Operator::I8x16Add => self.lanewise2(I8X16, |ins, a, b| ins.iadd(a, b)),
            Operator::I8x16Sub => self.lanewise2(I8X16, |ins, a, b| ins.isub(a, b)),
            Operator::I8x16AddSatS => self.lanewise2(I8X16, |ins, a, b| ins.sadd_sat(a, b)),
            Operator::I8x16AddSatU => self.lanewise2(I8X16, |ins, a, b| ins.uadd_sat(a, b)),
            Operator::I8x16SubSatS => self.lanewise2(I8X16, |ins, a, b| ins.ssub_sat(a, b)),
            Operator::I8x16SubSatU => self.lanewise2(I8X16, |ins, a, b| ins.usub_sat(a, b)),
            Operator::I8x16MinS => self.lanewise2(I8X16, |ins, a, b| ins.smin(a, b)),
            Operator::I8x16MinU => self.lanewise2(I8X16, |ins, a, b| ins.umin(a, b)),
            Operator::I8x16MaxS => self.lanewise2(I8X16, |ins, a, b| ins.smax(a, b)),
            Operator::I8x16MaxU => self.lanewise2(I8X16, |ins, a, b| ins.umax(a, b)),
            Operator::I8x16AvgrU => self.lanewise2(I8X16, |ins, a, b| ins.avg_round(a, b)),

            Operator::I16x8Abs => self.lanewise1(I16X8, |ins, a| ins.iabs(a)),
            Operator::I16x8Neg => self.lanewise1(I16X8, |ins, a| ins.ineg(a)),
            Operator::I16x8Add => self.lanewise2(I16X8, |ins, a, b| ins.iadd(a, b)),
            Operator::I16x8Sub => self.lanewise2(I16X8, |ins, a, b| ins.isub(a, b)),
            Operator::I16x8Mul => self.lanewise2(I16X8, |ins, a, b| ins.imul(a, b)),
            Operator::I16x8AddSatS => self.lanewise2(I16X8, |ins, a, b| ins.sadd_sat(a, b)),
            Operator::I16x8AddSatU => self.lanewise2(I16X8, |ins, a, b| ins.uadd_sat(a, b)),
            Operator::I16x8SubSatS => self.lanewise2(I16X8, |ins, a, b| ins.ssub_sat(a, b)),
            Operator::I16x8SubSatU => self.lanewise2(I16X8, |ins, a, b| ins.usub_sat(a, b)),
            Operator::I16x8MinS => self.lanewise2(I16X8, |ins, a, b| ins.smin(a, b)),
            Operator::I16x8MinU => self.lanewise2(I16X8, |ins, a, b| ins.umin(a, b)),
            Operator::I16x8MaxS => self.lanewise2(I16X8, |ins, a, b| ins.smax(a, b)),
            Operator::I16x8MaxU => self.lanewise2(I16X8, |ins, a, b| ins.umax(a, b)),
            Operator::I16x8AvgrU => self.lanewise2(I16X8, |ins, a, b| ins.avg_round(a, b)),
            Operator::I16x8Q15MulrSatS => self.lanewise2(I16X8, |ins, a, b| ins.sqmul_round_sat(a, b)),

            Operator::I32x4Abs => self.lanewise1(I32X4, |ins, a| ins.iabs(a)),
            Operator::I32x4Neg => self.lanewise1(I32X4, |ins, a| ins.ineg(a)),
            Operator::I32x4Add => self.lanewise2(I32X4, |ins, a, b| ins.iadd(a, b)),
            Operator::I32x4Sub => self.lanewise2(I32X4, |ins, a, b| ins.isub(a, b)),
            Operator::I32x4Mul => self.lanewise2(I32X4, |ins, a, b| ins.imul(a, b)),
            Operator::I32x4MinS => self.lanewise2(I32X4, |ins, a, b| ins.smin(a, b)),
            Operator::I32x4MinU => self.lanewise2(I32X4, |ins, a, b| ins.umin(a, b)),
            Operator::I32x4MaxS => self.lanewise2(I32X4, |ins, a, b| ins.smax(a, b)),
            Operator::I32x4MaxU => self.lanewise2(I32X4, |ins, a, b| ins.umax(a, b)),

            Operator::I64x2Abs => self.lanewise1(I64X2, |ins, a| ins.iabs(a)),
            Operator::I64x2Neg => self.lanewise1(I64X2, |ins, a| ins.ineg(a)),
            Operator::I64x2Add => self.lanewise2(I64X2, |ins, a, b| ins.iadd(a, b)),
            Operator::I64x2Sub => self.lanewise2(I64X2, |ins, a, b| ins.isub(a, b)),
            Operator::I64x2Mul => self.lanewise2(I64X2, |ins, a, b| ins.imul(a, b)),

            Operator::I16x8ExtAddPairwiseI8x16S => {
                self.extadd_pairwise(I8X16, |ins, a| ins.swiden_low(a), |ins, a| ins.swiden_high(a))
            }
            Operator::I16x8ExtAddPairwiseI8x16U => {
                self.extadd_pairwise(I8X16, |ins, a| ins.uwiden_low(a), |ins, a| ins.uwiden_high(a))
            }
            Operator::I32x4ExtAddPairwiseI16x8S => {
                self.extadd_pairwise(I16X8, |ins, a| ins.swiden_low(a), |ins, a| ins.swiden_high(a))
            }
            Operator::I32x4ExtAddPairwiseI16x8U => {
                self.extadd_pairwise(I16X8, |ins, a| ins.uwiden_low(a), |ins, a| ins.uwiden_high(a))
            }

            Operator::I16x8ExtMulLowI8x16S => self.extmul(I8X16, |ins, a| ins.swiden_low(a)),
            Operator::I16x8ExtMulHighI8x16S => self.extmul(I8X16, |ins, a| ins.swiden_high(a)),
            Operator::I16x8ExtMulLowI8x16U => self.extmul(I8X16, |ins, a| ins.uwiden_low(a)),
            Operator::I16x8ExtMulHighI8x16U => self.extmul(I8X16, |ins, a| ins.uwiden_high(a)),

            Operator::I32x4ExtMulLowI16x8S => self.extmul(I16X8, |ins, a| ins.swiden_low(a)),
            Operator::I32x4ExtMulHighI16x8S => self.extmul(I16X8, |ins, a| ins.swiden_high(a)),
            Operator::I32x4ExtMulLowI16x8U => self.extmul(I16X8, |ins, a| ins.uwiden_low(a)),
            Operator::I32x4ExtMulHighI16x8U => self.extmul(I16X8, |ins, a| ins.uwiden_high(a)),

            Operator::I64x2ExtMulLowI32x4S => self.extmul(I32X4, |ins, a| ins.swiden_low(a)),
            Operator::I64x2ExtMulHighI32x4S => self.extmul(I32X4, |ins, a| ins.swiden_high(a)),
            Operator::I64x2ExtMulLowI32x4U => self.extmul(I32X4, |ins, a| ins.uwiden_low(a)),
            Operator::I64x2ExtMulHighI32x4U => self.extmul(I32X4, |ins, a| ins.uwiden_high(a)),

            Operator::I32x4DotI16x8S => self.dot(),

            _ => return false,
        }
        true
    }

    /// Extends and adds neighbours. The backend knows the shape: `pmaddubsw`, `pmaddwd`.
    fn extadd_pairwise(
        &mut self,
        ty: Type,
        widen_low: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value,
        widen_high: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value,
    ) {
        let a = self.pop_lanes(ty);
        let low = widen_low(self.builder.ins(), a);
        let high = widen_high(self.builder.ins(), a);
        let value = self.builder.ins().iadd_pairwise(low, high);
        self.push(value);
    }

    /// Extends half of the lanes and multiplies them. The backend knows the shape: `pmullw` with `pmulhw`, `pmuldq`.
    fn extmul(&mut self, ty: Type, widen: impl Fn(FuncInstBuilder<'_, 'b>, Value) -> Value) {
        let (a, b) = self.pop2_lanes(ty);
        let a = widen(self.builder.ins(), a);
        let b = widen(self.builder.ins(), b);
        let value = self.builder.ins().imul(a, b);
        self.push(value);
    }

    fn dot(&mut self) {
        let (a, b) = self.pop2_lanes(I16X8);
        let value = self.products_added(a, b);
        self.push(value);
    }

    /// Multiplies signed lanes and adds neighbours, wrapping. The backend knows the shape for lanes of 16 bits: `pmaddwd`.
    pub(super) fn products_added(&mut self, a: Value, b: Value) -> Value {
        let a_low = self.builder.ins().swiden_low(a);
        let b_low = self.builder.ins().swiden_low(b);
        let low = self.builder.ins().imul(a_low, b_low);
        let a_high = self.builder.ins().swiden_high(a);
        let b_high = self.builder.ins().swiden_high(b);
        let high = self.builder.ins().imul(a_high, b_high);
        self.builder.ins().iadd_pairwise(low, high)
    }
}
