//! Comparisons: each lane of the result is all ones where the comparison holds, else zero.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type};
use wasmparser::Operator;

impl FuncTranslator<'_, '_> {
    pub(super) fn simd_compare(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16Eq => self.compare_ints(IntCC::Equal, I8X16),
            Operator::I8x16Ne => self.compare_ints(IntCC::NotEqual, I8X16),
            Operator::I8x16LtS => self.compare_ints(IntCC::SignedLessThan, I8X16),
            Operator::I8x16LtU => self.compare_ints(IntCC::UnsignedLessThan, I8X16),
            Operator::I8x16GtS => self.compare_ints(IntCC::SignedGreaterThan, I8X16),
            Operator::I8x16GtU => self.compare_ints(IntCC::UnsignedGreaterThan, I8X16),
            Operator::I8x16LeS => self.compare_ints(IntCC::SignedLessThanOrEqual, I8X16),
            Operator::I8x16LeU => self.compare_ints(IntCC::UnsignedLessThanOrEqual, I8X16),
            Operator::I8x16GeS => self.compare_ints(IntCC::SignedGreaterThanOrEqual, I8X16),
            Operator::I8x16GeU => self.compare_ints(IntCC::UnsignedGreaterThanOrEqual, I8X16),

            Operator::I16x8Eq => self.compare_ints(IntCC::Equal, I16X8),
            Operator::I16x8Ne => self.compare_ints(IntCC::NotEqual, I16X8),
            Operator::I16x8LtS => self.compare_ints(IntCC::SignedLessThan, I16X8),
            Operator::I16x8LtU => self.compare_ints(IntCC::UnsignedLessThan, I16X8),
            Operator::I16x8GtS => self.compare_ints(IntCC::SignedGreaterThan, I16X8),
            Operator::I16x8GtU => self.compare_ints(IntCC::UnsignedGreaterThan, I16X8),
            Operator::I16x8LeS => self.compare_ints(IntCC::SignedLessThanOrEqual, I16X8),
            Operator::I16x8LeU => self.compare_ints(IntCC::UnsignedLessThanOrEqual, I16X8),
            Operator::I16x8GeS => self.compare_ints(IntCC::SignedGreaterThanOrEqual, I16X8),
            Operator::I16x8GeU => self.compare_ints(IntCC::UnsignedGreaterThanOrEqual, I16X8),

            Operator::I32x4Eq => self.compare_ints(IntCC::Equal, I32X4),
            Operator::I32x4Ne => self.compare_ints(IntCC::NotEqual, I32X4),
            Operator::I32x4LtS => self.compare_ints(IntCC::SignedLessThan, I32X4),
            Operator::I32x4LtU => self.compare_ints(IntCC::UnsignedLessThan, I32X4),
            Operator::I32x4GtS => self.compare_ints(IntCC::SignedGreaterThan, I32X4),
            Operator::I32x4GtU => self.compare_ints(IntCC::UnsignedGreaterThan, I32X4),
            Operator::I32x4LeS => self.compare_ints(IntCC::SignedLessThanOrEqual, I32X4),
            Operator::I32x4LeU => self.compare_ints(IntCC::UnsignedLessThanOrEqual, I32X4),
            Operator::I32x4GeS => self.compare_ints(IntCC::SignedGreaterThanOrEqual, I32X4),
            Operator::I32x4GeU => self.compare_ints(IntCC::UnsignedGreaterThanOrEqual, I32X4),

            Operator::I64x2Eq => self.compare_ints(IntCC::Equal, I64X2),
            Operator::I64x2Ne => self.compare_ints(IntCC::NotEqual, I64X2),
            Operator::I64x2LtS => self.compare_ints(IntCC::SignedLessThan, I64X2),
            Operator::I64x2GtS => self.compare_ints(IntCC::SignedGreaterThan, I64X2),
            Operator::I64x2LeS => self.compare_ints(IntCC::SignedLessThanOrEqual, I64X2),
            Operator::I64x2GeS => self.compare_ints(IntCC::SignedGreaterThanOrEqual, I64X2),

            Operator::F32x4Eq => self.compare_floats(FloatCC::Equal, F32X4),
            Operator::F32x4Ne => self.compare_floats(FloatCC::NotEqual, F32X4),
            Operator::F32x4Lt => self.compare_floats(FloatCC::LessThan, F32X4),
            Operator::F32x4Gt => self.compare_floats(FloatCC::GreaterThan, F32X4),
            Operator::F32x4Le => self.compare_floats(FloatCC::LessThanOrEqual, F32X4),
            Operator::F32x4Ge => self.compare_floats(FloatCC::GreaterThanOrEqual, F32X4),

            Operator::F64x2Eq => self.compare_floats(FloatCC::Equal, F64X2),
            Operator::F64x2Ne => self.compare_floats(FloatCC::NotEqual, F64X2),
            Operator::F64x2Lt => self.compare_floats(FloatCC::LessThan, F64X2),
            Operator::F64x2Gt => self.compare_floats(FloatCC::GreaterThan, F64X2),
            Operator::F64x2Le => self.compare_floats(FloatCC::LessThanOrEqual, F64X2),
            Operator::F64x2Ge => self.compare_floats(FloatCC::GreaterThanOrEqual, F64X2),

            _ => return false,
        }
        true
    }

    fn compare_ints(&mut self, condition: IntCC, ty: Type) {
        self.lanewise2(ty, |ins, a, b| ins.icmp(condition, a, b));
    }

    /// The conditions are the ordered ones, false for NaN, save for `ne`, which is true for it.
    fn compare_floats(&mut self, condition: FloatCC, ty: Type) {
        self.lanewise2(ty, |ins, a, b| ins.fcmp(condition, a, b));
    }
}
