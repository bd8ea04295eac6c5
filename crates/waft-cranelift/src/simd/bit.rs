//! Operators on bits, and those that boil a vector down to one scalar.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::types::{I8X16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

impl<'b> FuncTranslator<'_, 'b> {
    pub(super) fn simd_bit(&mut self, op: &Operator<'_>) -> bool {
        match op {
            // Always on bytes. Other lanes would let the optimiser recognise more, some of it in shapes that the
            // backend has for scalars only; and float lanes have no integer constants to simplify to.
            Operator::V128Not => self.lanewise1(I8X16, |ins, a| ins.bnot(a)),
            Operator::V128And => self.lanewise2(I8X16, |ins, a, b| ins.band(a, b)),
            Operator::V128AndNot => self.lanewise2(I8X16, |ins, a, b| ins.band_not(a, b)),
            Operator::V128Or => self.lanewise2(I8X16, |ins, a, b| ins.bor(a, b)),
            Operator::V128Xor => self.lanewise2(I8X16, |ins, a, b| ins.bxor(a, b)),
            Operator::V128Bitselect => self.bitselect(),

            Operator::I8x16Shl => self.shift(I8X16, |ins, a, by| ins.ishl(a, by)),
            Operator::I8x16ShrS => self.shift(I8X16, |ins, a, by| ins.sshr(a, by)),
            Operator::I8x16ShrU => self.shift(I8X16, |ins, a, by| ins.ushr(a, by)),
            Operator::I16x8Shl => self.shift(I16X8, |ins, a, by| ins.ishl(a, by)),
            Operator::I16x8ShrS => self.shift(I16X8, |ins, a, by| ins.sshr(a, by)),
            Operator::I16x8ShrU => self.shift(I16X8, |ins, a, by| ins.ushr(a, by)),
            Operator::I32x4Shl => self.shift(I32X4, |ins, a, by| ins.ishl(a, by)),
            Operator::I32x4ShrS => self.shift(I32X4, |ins, a, by| ins.sshr(a, by)),
            Operator::I32x4ShrU => self.shift(I32X4, |ins, a, by| ins.ushr(a, by)),
            Operator::I64x2Shl => self.shift(I64X2, |ins, a, by| ins.ishl(a, by)),
            Operator::I64x2ShrS => self.shift(I64X2, |ins, a, by| ins.sshr(a, by)),
            Operator::I64x2ShrU => self.shift(I64X2, |ins, a, by| ins.ushr(a, by)),

            Operator::V128AnyTrue => self.any_true(),
            Operator::I8x16AllTrue => self.all_true(I8X16),
            Operator::I16x8AllTrue => self.all_true(I16X8),
            Operator::I32x4AllTrue => self.all_true(I32X4),
            Operator::I64x2AllTrue => self.all_true(I64X2),

            Operator::I8x16Bitmask => self.lanewise1(I8X16, |ins, a| ins.vhigh_bits(I32, a)),
            Operator::I16x8Bitmask => self.lanewise1(I16X8, |ins, a| ins.vhigh_bits(I32, a)),
            Operator::I32x4Bitmask => self.lanewise1(I32X4, |ins, a| ins.vhigh_bits(I32, a)),
            Operator::I64x2Bitmask => self.lanewise1(I64X2, |ins, a| ins.vhigh_bits(I32, a)),

            _ => return false,
        }
        true
    }

    /// WebAssembly has the mask on top, CLIF first: its ones take from the deepest operand.
    ///
    /// Done in the lanes of the mask, so that a mask that a comparison made is seen as one: it blends whole lanes.
    pub(super) fn bitselect(&mut self) {
        let (if_one, if_zero, mask) = self.pop3();
        let ty = self.int_lanes_of(mask);
        let mask = self.lanes(mask, ty);
        let if_one = self.lanes(if_one, ty);
        let if_zero = self.lanes(if_zero, ty);
        let value = self.builder.ins().bitselect(mask, if_one, if_zero);
        self.push(value);
    }

    /// Shifts all lanes by one count, which CLIF takes modulo the width of a lane, as WebAssembly does.
    fn shift(&mut self, ty: Type, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value, Value) -> Value) {
        let count = self.pop();
        self.lanewise1(ty, |ins, a| emit(ins, a, count));
    }

    fn any_true(&mut self) {
        let vector = self.pop();
        let ty = self.int_lanes_of(vector);
        let vector = self.lanes(vector, ty);
        let truth = self.builder.ins().vany_true(vector);
        let value = self.builder.ins().uextend(I32, truth);
        self.push(value);
    }

    fn all_true(&mut self, ty: Type) {
        let vector = self.pop_lanes(ty);
        let truth = self.builder.ins().vall_true(vector);
        let value = self.builder.ins().uextend(I32, truth);
        self.push(value);
    }

    /// The lanes that a vector has already, if they are integers; else bytes.
    fn int_lanes_of(&self, vector: Value) -> Type {
        let ty = self.builder.func.dfg.value_type(vector);
        if ty.lane_type().is_int() { ty } else { I8X16 }
    }
}
