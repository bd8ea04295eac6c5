//! The 236 operators of the fixed-width SIMD proposal, and the 20 of relaxed SIMD.
//!
//! # Invariants
//!
//! * **Lanes are in the eye of the operator.** A `v128` on the operand stack has the lane type that its producer gave
//!   it; a consumer that wants other lanes asks [`FuncTranslator::lanes`]. Nothing is cast to `I8X16` before it leaves
//!   the operand stack, so a chain of operators on the same lanes is a chain of instructions and nothing between.
//! * Lane 0 is the lowest: all casts are little-endian.
//! * Shapes of instructions that the backend folds into one machine instruction are kept together in one function,
//!   and the comment says which.
//!
//! # Elsewhere
//!
//! Where vectors become `I8X16` again: [`FuncTranslator::canonical`]. Bounds of memory accesses: `memory.rs`.

mod bit;
mod compare;
mod convert;
mod float;
mod int;
mod lane;
mod load_store;
mod relaxed;
#[cfg(test)]
mod tests;

use crate::translator::FuncTranslator;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::types::I8X16;
use cranelift_codegen::ir::{
    Endianness, Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, ValueDef,
};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

impl<'b> FuncTranslator<'_, 'b> {
    /// Translates a SIMD operator, or says that it is none.
    pub(crate) fn translate_simd(&mut self, op: &Operator<'_>) -> bool {
        self.simd_load_store(op)
            || self.simd_int(op)
            || self.simd_float(op)
            || self.simd_lane(op)
            || self.simd_bit(op)
            || self.simd_compare(op)
            || self.simd_convert(op)
            || self.simd_relaxed(op)
    }

    /// Pops a vector and sees it as `ty`.
    fn pop_lanes(&mut self, ty: Type) -> Value {
        let value = self.pop();
        self.lanes(value, ty)
    }

    /// Pops two vectors and sees them as `ty`; the second one was on top.
    fn pop2_lanes(&mut self, ty: Type) -> (Value, Value) {
        let (a, b) = self.pop2();
        (self.lanes(a, ty), self.lanes(b, ty))
    }

    /// Replaces the vector on top, seen as `ty`, by what `emit` makes of it.
    fn lanewise1(&mut self, ty: Type, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value) {
        let a = self.pop_lanes(ty);
        let result = emit(self.builder.ins(), a);
        self.push(result);
    }

    /// Replaces the two vectors on top, seen as `ty`, by what `emit` makes of them.
    fn lanewise2(&mut self, ty: Type, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value, Value) -> Value) {
        let (a, b) = self.pop2_lanes(ty);
        let result = emit(self.builder.ins(), a, b);
        self.push(result);
    }

    /// A vector seen with lanes of `ty`, in the way that hides its origin from the backend least: instructions fold
    /// constants and loads into their operands only where no cast stands between.
    pub(crate) fn lanes(&mut self, value: Value, ty: Type) -> Value {
        let dfg = &self.builder.func.dfg;
        if dfg.value_type(value) == ty {
            return value;
        }
        let ValueDef::Result(inst, 0) = dfg.value_def(value) else { return self.bitcast_vector(value, ty) };
        match dfg.insts[inst] {
            InstructionData::UnaryConst { opcode: Opcode::Vconst, constant_handle } => {
                self.builder.ins().vconst(ty, constant_handle)
            }
            InstructionData::LoadNoOffset { opcode: Opcode::Bitcast, arg, .. }
                if dfg.value_type(arg).is_vector() =>
            {
                self.lanes(arg, ty)
            }
            InstructionData::Load { opcode: Opcode::Load, .. } if dfg.value_type(value) == I8X16 => {
                self.load_lanes(inst, ty)
            }
            _ => self.bitcast_vector(value, ty),
        }
    }

    /// Lets a load give lanes of `ty`, and what it gave so far be a cast of that.
    fn load_lanes(&mut self, load: Inst, ty: Type) -> Value {
        let mut cursor = FuncCursor::new(self.builder.func).at_inst(load);
        cursor.use_srcloc(load);
        let InstructionData::Load { arg, flags, offset, .. } = cursor.func.dfg.insts[load] else {
            unreachable!("the caller matched a load")
        };
        let flags = cursor.func.dfg.mem_flags[flags];
        let value = cursor.ins().load(ty, flags, arg, offset);
        let little = MemFlagsData::new().with_endianness(Endianness::Little);
        cursor.func.replace(load).bitcast(I8X16, little, value);
        value
    }
}
