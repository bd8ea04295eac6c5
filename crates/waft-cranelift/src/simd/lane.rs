//! Operators that make vectors of scalars, take scalars out, and move lanes about.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8, I8X16, I16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{ConstantData, InstBuilder, Type, Value};
use wasmparser::Operator;

impl FuncTranslator<'_, '_> {
    pub(super) fn simd_lane(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::V128Const { value } => self.vector_const(value.bytes()),

            Operator::I8x16Splat => self.splat(I8X16),
            Operator::I16x8Splat => self.splat(I16X8),
            Operator::I32x4Splat => self.splat(I32X4),
            Operator::I64x2Splat => self.splat(I64X2),
            Operator::F32x4Splat => self.splat(F32X4),
            Operator::F64x2Splat => self.splat(F64X2),

            Operator::I8x16ExtractLaneS { lane } => self.extract_lane_signed(*lane, I8X16),
            Operator::I8x16ExtractLaneU { lane } => self.extract_lane_unsigned(*lane, I8X16),
            Operator::I16x8ExtractLaneS { lane } => self.extract_lane_signed(*lane, I16X8),
            Operator::I16x8ExtractLaneU { lane } => self.extract_lane_unsigned(*lane, I16X8),
            Operator::I32x4ExtractLane { lane } => self.extract_lane(*lane, I32X4),
            Operator::I64x2ExtractLane { lane } => self.extract_lane(*lane, I64X2),
            Operator::F32x4ExtractLane { lane } => self.extract_lane(*lane, F32X4),
            Operator::F64x2ExtractLane { lane } => self.extract_lane(*lane, F64X2),

            Operator::I8x16ReplaceLane { lane } => self.replace_lane(*lane, I8X16),
            Operator::I16x8ReplaceLane { lane } => self.replace_lane(*lane, I16X8),
            Operator::I32x4ReplaceLane { lane } => self.replace_lane(*lane, I32X4),
            Operator::I64x2ReplaceLane { lane } => self.replace_lane(*lane, I64X2),
            Operator::F32x4ReplaceLane { lane } => self.replace_lane(*lane, F32X4),
            Operator::F64x2ReplaceLane { lane } => self.replace_lane(*lane, F64X2),

            Operator::I8x16Shuffle { lanes } => self.shuffle(lanes),
            Operator::I8x16Swizzle => self.lanewise2(I8X16, |ins, a, b| ins.swizzle(a, b)),

            _ => return false,
        }
        true
    }

    fn vector_const(&mut self, bytes: &[u8; 16]) {
        let constant = self.builder.func.dfg.constants.insert(ConstantData::from(bytes.as_slice()));
        let value = self.builder.ins().vconst(I8X16, constant);
        self.push(value);
    }

    fn splat(&mut self, ty: Type) {
        let scalar = self.pop_lane(ty);
        let value = self.builder.ins().splat(ty, scalar);
        self.push(value);
    }

    fn replace_lane(&mut self, lane: u8, ty: Type) {
        let scalar = self.pop_lane(ty);
        let vector = self.pop_lanes(ty);
        let value = self.builder.ins().insertlane(vector, scalar, lane);
        self.push(value);
    }

    /// Pops a scalar that becomes a lane of `ty`: of an `i32`, the low bits.
    fn pop_lane(&mut self, ty: Type) -> Value {
        let scalar = self.pop();
        match ty.lane_type() {
            narrow @ (I8 | I16) => self.builder.ins().ireduce(narrow, scalar),
            _ => scalar,
        }
    }

    fn extract_lane(&mut self, lane: u8, ty: Type) {
        self.lanewise1(ty, |ins, a| ins.extractlane(a, lane));
    }

    fn extract_lane_signed(&mut self, lane: u8, ty: Type) {
        self.extract_lane(lane, ty);
        let narrow = self.pop();
        let value = self.builder.ins().sextend(I32, narrow);
        self.push(value);
    }

    fn extract_lane_unsigned(&mut self, lane: u8, ty: Type) {
        self.extract_lane(lane, ty);
        let narrow = self.pop();
        let value = self.builder.ins().uextend(I32, narrow);
        self.push(value);
    }

    fn shuffle(&mut self, lanes: &[u8; 16]) {
        let (a, b) = self.pop2_lanes(I8X16);
        let mask = self.builder.func.dfg.immediates.push(ConstantData::from(lanes.as_slice()));
        let value = self.builder.ins().shuffle(a, b, mask);
        self.push(value);
    }
}
