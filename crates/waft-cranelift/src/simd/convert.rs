//! Conversions between lanes of different widths and kinds.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{ConstantData, InstBuilder, Value};
use wasmparser::Operator;

impl FuncTranslator<'_, '_> {
    pub(super) fn simd_convert(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16NarrowI16x8S => self.lanewise2(I16X8, |ins, a, b| ins.snarrow(a, b)),
            // The input is signed in both: `unarrow`, not `uunarrow`.
            Operator::I8x16NarrowI16x8U => self.lanewise2(I16X8, |ins, a, b| ins.unarrow(a, b)),
            Operator::I16x8NarrowI32x4S => self.lanewise2(I32X4, |ins, a, b| ins.snarrow(a, b)),
            Operator::I16x8NarrowI32x4U => self.lanewise2(I32X4, |ins, a, b| ins.unarrow(a, b)),

            Operator::I16x8ExtendLowI8x16S => self.lanewise1(I8X16, |ins, a| ins.swiden_low(a)),
            Operator::I16x8ExtendHighI8x16S => self.lanewise1(I8X16, |ins, a| ins.swiden_high(a)),
            Operator::I16x8ExtendLowI8x16U => self.lanewise1(I8X16, |ins, a| ins.uwiden_low(a)),
            Operator::I16x8ExtendHighI8x16U => self.lanewise1(I8X16, |ins, a| ins.uwiden_high(a)),

            Operator::I32x4ExtendLowI16x8S => self.lanewise1(I16X8, |ins, a| ins.swiden_low(a)),
            Operator::I32x4ExtendHighI16x8S => self.lanewise1(I16X8, |ins, a| ins.swiden_high(a)),
            Operator::I32x4ExtendLowI16x8U => self.lanewise1(I16X8, |ins, a| ins.uwiden_low(a)),
            Operator::I32x4ExtendHighI16x8U => self.lanewise1(I16X8, |ins, a| ins.uwiden_high(a)),

            Operator::I64x2ExtendLowI32x4S => self.lanewise1(I32X4, |ins, a| ins.swiden_low(a)),
            Operator::I64x2ExtendHighI32x4S => self.lanewise1(I32X4, |ins, a| ins.swiden_high(a)),
            Operator::I64x2ExtendLowI32x4U => self.lanewise1(I32X4, |ins, a| ins.uwiden_low(a)),
            Operator::I64x2ExtendHighI32x4U => self.lanewise1(I32X4, |ins, a| ins.uwiden_high(a)),

            Operator::I32x4TruncSatF32x4S => self.lanewise1(F32X4, |ins, a| ins.fcvt_to_sint_sat(I32X4, a)),
            Operator::I32x4TruncSatF32x4U => self.lanewise1(F32X4, |ins, a| ins.fcvt_to_uint_sat(I32X4, a)),
            Operator::I32x4TruncSatF64x2SZero => self.trunc_sat_zero_signed(),
            Operator::I32x4TruncSatF64x2UZero => self.trunc_sat_zero_unsigned(),

            Operator::F32x4ConvertI32x4S => self.lanewise1(I32X4, |ins, a| ins.fcvt_from_sint(F32X4, a)),
            Operator::F32x4ConvertI32x4U => self.lanewise1(I32X4, |ins, a| ins.fcvt_from_uint(F32X4, a)),
            Operator::F64x2ConvertLowI32x4S => self.convert_low_signed(),
            Operator::F64x2ConvertLowI32x4U => self.convert_low_unsigned(),

            Operator::F32x4DemoteF64x2Zero => self.lanewise1(F64X2, |ins, a| ins.fvdemote(a)),
            Operator::F64x2PromoteLowF32x4 => self.lanewise1(F32X4, |ins, a| ins.fvpromote_low(a)),

            _ => return false,
        }
        true
    }

    /// Saturates to 64 bits, then narrows to 32 over zeros. The backend knows this shape only, and does both at once.
    pub(super) fn trunc_sat_zero_signed(&mut self) {
        let a = self.pop_lanes(F64X2);
        let wide = self.builder.ins().fcvt_to_sint_sat(I64X2, a);
        let zero = self.vector_zero();
        let value = self.builder.ins().snarrow(wide, zero);
        self.push(value);
    }

    /// As [`Self::trunc_sat_zero_signed`], where the wide lanes are unsigned too.
    pub(super) fn trunc_sat_zero_unsigned(&mut self) {
        let a = self.pop_lanes(F64X2);
        let wide = self.builder.ins().fcvt_to_uint_sat(I64X2, a);
        let zero = self.vector_zero();
        let value = self.builder.ins().uunarrow(wide, zero);
        self.push(value);
    }

    /// Widens, then converts: exact. The backend knows the shape: `cvtdq2pd`.
    fn convert_low_signed(&mut self) {
        let a = self.pop_lanes(I32X4);
        let wide = self.builder.ins().swiden_low(a);
        let value = self.builder.ins().fcvt_from_sint(F64X2, wide);
        self.push(value);
    }

    /// Widens, then converts: exact. The backend knows the shape.
    fn convert_low_unsigned(&mut self) {
        let a = self.pop_lanes(I32X4);
        let wide = self.builder.ins().uwiden_low(a);
        let value = self.builder.ins().fcvt_from_uint(F64X2, wide);
        self.push(value);
    }

    pub(super) fn vector_zero(&mut self) -> Value {
        let constant = self.builder.func.dfg.constants.insert(ConstantData::from([0; 16].as_slice()));
        self.builder.ins().vconst(I64X2, constant)
    }
}
