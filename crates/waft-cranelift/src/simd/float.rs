//! Float arithmetic.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator;

impl FuncTranslator<'_, '_> {
    pub(super) fn simd_float(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::F32x4Ceil => self.lanewise1(F32X4, |ins, a| ins.ceil(a)),
            Operator::F32x4Floor => self.lanewise1(F32X4, |ins, a| ins.floor(a)),
            Operator::F32x4Trunc => self.lanewise1(F32X4, |ins, a| ins.trunc(a)),
            Operator::F32x4Nearest => self.lanewise1(F32X4, |ins, a| ins.nearest(a)),
            Operator::F32x4Abs => self.lanewise1(F32X4, |ins, a| ins.fabs(a)),
            Operator::F32x4Neg => self.lanewise1(F32X4, |ins, a| ins.fneg(a)),
            Operator::F32x4Sqrt => self.lanewise1(F32X4, |ins, a| ins.sqrt(a)),
            Operator::F32x4Add => self.lanewise2(F32X4, |ins, a, b| ins.fadd(a, b)),
            Operator::F32x4Sub => self.lanewise2(F32X4, |ins, a, b| ins.fsub(a, b)),
            Operator::F32x4Mul => self.lanewise2(F32X4, |ins, a, b| ins.fmul(a, b)),
            Operator::F32x4Div => self.lanewise2(F32X4, |ins, a, b| ins.fdiv(a, b)),
            Operator::F32x4Min => self.lanewise2(F32X4, |ins, a, b| ins.fmin(a, b)),
            Operator::F32x4Max => self.lanewise2(F32X4, |ins, a, b| ins.fmax(a, b)),
            Operator::F32x4PMin => self.pseudo_min(F32X4),
            Operator::F32x4PMax => self.pseudo_max(F32X4),

            Operator::F64x2Ceil => self.lanewise1(F64X2, |ins, a| ins.ceil(a)),
            Operator::F64x2Floor => self.lanewise1(F64X2, |ins, a| ins.floor(a)),
            Operator::F64x2Trunc => self.lanewise1(F64X2, |ins, a| ins.trunc(a)),
            Operator::F64x2Nearest => self.lanewise1(F64X2, |ins, a| ins.nearest(a)),
            Operator::F64x2Abs => self.lanewise1(F64X2, |ins, a| ins.fabs(a)),
            Operator::F64x2Neg => self.lanewise1(F64X2, |ins, a| ins.fneg(a)),
            Operator::F64x2Sqrt => self.lanewise1(F64X2, |ins, a| ins.sqrt(a)),
            Operator::F64x2Add => self.lanewise2(F64X2, |ins, a, b| ins.fadd(a, b)),
            Operator::F64x2Sub => self.lanewise2(F64X2, |ins, a, b| ins.fsub(a, b)),
            Operator::F64x2Mul => self.lanewise2(F64X2, |ins, a, b| ins.fmul(a, b)),
            Operator::F64x2Div => self.lanewise2(F64X2, |ins, a, b| ins.fdiv(a, b)),
            Operator::F64x2Min => self.lanewise2(F64X2, |ins, a, b| ins.fmin(a, b)),
            Operator::F64x2Max => self.lanewise2(F64X2, |ins, a, b| ins.fmax(a, b)),
            Operator::F64x2PMin => self.pseudo_min(F64X2),
            Operator::F64x2PMax => self.pseudo_max(F64X2),

            _ => return false,
        }
        true
    }

    /// `b < a ? b : a`, lane by lane.
    pub(super) fn pseudo_min(&mut self, ty: Type) {
        let (a, b) = self.pop2_lanes(ty);
        let less = self.builder.ins().fcmp(FloatCC::LessThan, b, a);
        self.select_lanes(ty, less, b, a);
    }

    /// `a < b ? b : a`, lane by lane.
    pub(super) fn pseudo_max(&mut self, ty: Type) {
        let (a, b) = self.pop2_lanes(ty);
        let less = self.builder.ins().fcmp(FloatCC::LessThan, a, b);
        self.select_lanes(ty, less, b, a);
    }

    /// Takes lanes by a comparison's mask. The backend knows the shape, the cast of the mask to floats included:
    /// `minps`, `maxps`, which return their second operand for NaNs and equal zeros.
    fn select_lanes(&mut self, ty: Type, mask: Value, if_true: Value, if_false: Value) {
        let mask = self.lanes(mask, ty);
        let value = self.builder.ins().bitselect(mask, if_true, if_false);
        self.push(value);
    }
}
