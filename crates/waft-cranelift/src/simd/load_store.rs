//! Loads and stores of vectors, parts of vectors and single lanes.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::immediates::Offset32;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::{MemArg, Operator};

impl<'b> FuncTranslator<'_, 'b> {
    pub(super) fn simd_load_store(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::V128Load { memarg } => self.load_vector(memarg),
            Operator::V128Store { memarg } => self.store_vector(memarg),

            Operator::V128Load8x8S { memarg } => {
                self.load_extend(memarg, |ins, flags, at, offset| ins.sload8x8(flags, at, offset));
            }
            Operator::V128Load8x8U { memarg } => {
                self.load_extend(memarg, |ins, flags, at, offset| ins.uload8x8(flags, at, offset));
            }
            Operator::V128Load16x4S { memarg } => {
                self.load_extend(memarg, |ins, flags, at, offset| ins.sload16x4(flags, at, offset));
            }
            Operator::V128Load16x4U { memarg } => {
                self.load_extend(memarg, |ins, flags, at, offset| ins.uload16x4(flags, at, offset));
            }
            Operator::V128Load32x2S { memarg } => {
                self.load_extend(memarg, |ins, flags, at, offset| ins.sload32x2(flags, at, offset));
            }
            Operator::V128Load32x2U { memarg } => {
                self.load_extend(memarg, |ins, flags, at, offset| ins.uload32x2(flags, at, offset));
            }

            Operator::V128Load8Splat { memarg } => self.load_splat(memarg, I8X16),
            Operator::V128Load16Splat { memarg } => self.load_splat(memarg, I16X8),
            Operator::V128Load32Splat { memarg } => self.load_splat(memarg, I32X4),
            Operator::V128Load64Splat { memarg } => self.load_splat(memarg, I64X2),

            Operator::V128Load32Zero { memarg } => self.load_zero(memarg, I32X4),
            Operator::V128Load64Zero { memarg } => self.load_zero(memarg, I64X2),

            Operator::V128Load8Lane { memarg, lane } => self.load_lane(memarg, *lane, I8X16),
            Operator::V128Load16Lane { memarg, lane } => self.load_lane(memarg, *lane, I16X8),
            Operator::V128Load32Lane { memarg, lane } => self.load_lane(memarg, *lane, I32X4),
            Operator::V128Load64Lane { memarg, lane } => self.load_lane(memarg, *lane, I64X2),

            Operator::V128Store8Lane { memarg, lane } => self.store_lane(memarg, *lane, I8X16),
            Operator::V128Store16Lane { memarg, lane } => self.store_lane(memarg, *lane, I16X8),
            Operator::V128Store32Lane { memarg, lane } => self.store_lane(memarg, *lane, I32X4),
            Operator::V128Store64Lane { memarg, lane } => self.store_lane(memarg, *lane, I64X2),

            _ => return false,
        }
        true
    }

    fn load_vector(&mut self, memarg: &MemArg) {
        let value = self.load_whole(memarg, I8X16);
        self.push(value);
    }

    /// Stores the vector with whatever lanes it has: the bytes are the same.
    fn store_vector(&mut self, memarg: &MemArg) {
        let value = self.pop();
        let (flags, at, offset) = self.heap_access(memarg, 16);
        self.builder.ins().store(flags, value, at, offset);
    }

    /// Loads eight bytes of narrow lanes and extends each to twice its width.
    fn load_extend(
        &mut self,
        memarg: &MemArg,
        emit: impl FnOnce(FuncInstBuilder<'_, 'b>, MemFlagsData, Value, Offset32) -> Value,
    ) {
        let (flags, at, offset) = self.heap_access(memarg, 8);
        let value = emit(self.builder.ins(), flags, at, offset.into());
        self.push(value);
    }

    /// Loads one lane of `ty` into all of them.
    fn load_splat(&mut self, memarg: &MemArg, ty: Type) {
        let scalar = self.load_whole(memarg, ty.lane_type());
        let value = self.builder.ins().splat(ty, scalar);
        self.push(value);
    }

    /// Loads the lowest lane of `ty`; the others are zero.
    fn load_zero(&mut self, memarg: &MemArg, ty: Type) {
        let scalar = self.load_whole(memarg, ty.lane_type());
        let value = self.builder.ins().scalar_to_vector(ty, scalar);
        self.push(value);
    }

    /// Loads one lane into a vector, whose other lanes stay.
    fn load_lane(&mut self, memarg: &MemArg, lane: u8, ty: Type) {
        let vector = self.pop_lanes(ty);
        let scalar = self.load_whole(memarg, ty.lane_type());
        let value = self.builder.ins().insertlane(vector, scalar, lane);
        self.push(value);
    }

    /// Stores one lane of a vector.
    fn store_lane(&mut self, memarg: &MemArg, lane: u8, ty: Type) {
        let vector = self.pop_lanes(ty);
        let (flags, at, offset) = self.heap_access(memarg, ty.lane_type().bytes());
        // Right before the store, which takes it in.
        let scalar = self.builder.ins().extractlane(vector, lane);
        self.builder.ins().store(flags, scalar, at, offset);
    }

    fn load_whole(&mut self, memarg: &MemArg, ty: Type) -> Value {
        let (flags, at, offset) = self.heap_access(memarg, ty.bytes());
        self.builder.ins().load(ty, flags, at, offset)
    }
}
