//! The table of operators: which method compiles which.

use crate::call::CallKind;
use crate::compiler::{CompileResult, Compiler};
use crate::op::float::{FloatOp, Round};
use crate::op::gc::Extension;
use crate::op::memory::Load;
use crate::value::Ty::{F32, F64, I32, I64};
use crate::x64::{Alu, Cond, Shift};
use waft_core::libcall::Libcall;
use wasmparser::Operator;

impl Compiler<'_> {
    /// Compiles an operator that can be reached.
    ///
    /// One flat `match`: an operator is a row.
    pub(crate) fn operator(&mut self, op: &Operator<'_>) -> CompileResult {
        use Operator as Op;
        match *op {
            // Control.
            Op::Nop => {}
            Op::Unreachable => self.unreachable(),
            Op::Block { blockty } => self.block(blockty)?,
            Op::Loop { blockty } => self.loop_(blockty)?,
            Op::If { blockty } => self.if_(blockty)?,
            Op::Else => self.else_(),
            Op::End => self.end(),
            Op::Br { relative_depth } => self.br(relative_depth),
            Op::BrIf { relative_depth } => self.br_if(relative_depth),
            Op::BrTable { ref targets } => self.br_table(targets)?,
            Op::Return => self.return_(),
            Op::Call { function_index } => self.call(function_index, CallKind::Returning),
            Op::CallIndirect { type_index, table_index } => {
                self.call_indirect(type_index, table_index, CallKind::Returning);
            }
            Op::ReturnCall { function_index } => self.call(function_index, CallKind::Tail),
            Op::ReturnCallIndirect { type_index, table_index } => {
                self.call_indirect(type_index, table_index, CallKind::Tail);
            }
            Op::CallRef { type_index } => self.call_ref(type_index, CallKind::Returning),
            Op::ReturnCallRef { type_index } => self.call_ref(type_index, CallKind::Tail),
            Op::BrOnNull { relative_depth } => self.br_on_null(relative_depth),
            Op::BrOnNonNull { relative_depth } => self.br_on_non_null(relative_depth),
            Op::TryTable { ref try_table } => self.try_table(try_table)?,
            Op::Throw { tag_index } => self.throw(tag_index),
            Op::ThrowRef => self.throw_ref(),
            Op::Try { blockty } => self.try_(blockty)?,
            Op::Catch { tag_index } => self.catch(tag_index),
            Op::CatchAll => self.catch_all(),
            Op::Delegate { relative_depth } => self.delegate(relative_depth),
            Op::Rethrow { relative_depth } => self.rethrow(relative_depth),
            // Parametric, variables, references.
            Op::Drop => {
                let operand = self.pop();
                self.free(&operand);
            }
            Op::Select | Op::TypedSelect { .. } => self.select(),
            Op::LocalGet { local_index } => self.local_get(local_index),
            Op::LocalSet { local_index } => self.local_set(local_index),
            Op::LocalTee { local_index } => self.local_tee(local_index),
            Op::GlobalGet { global_index } => self.global_get(global_index),
            Op::GlobalSet { global_index } => self.global_set(global_index),
            Op::RefNull { hty } => self.ref_null(hty)?,
            Op::RefIsNull => self.ref_is_null(),
            Op::RefAsNonNull => self.ref_as_non_null(),
            Op::RefFunc { function_index } => self.ref_func(function_index)?,
            Op::RefEq => self.ref_eq(),
            // Both are references of the same form.
            Op::AnyConvertExtern | Op::ExternConvertAny => {}
            Op::RefI31 => self.ref_i31(),
            Op::I31GetS => self.i31_get(Extension::Signed),
            Op::I31GetU => self.i31_get(Extension::Unsigned),
            Op::RefTestNonNull { hty } => self.ref_test(hty, false)?,
            Op::RefTestNullable { hty } => self.ref_test(hty, true)?,
            Op::RefCastNonNull { hty } => self.ref_cast(hty, false)?,
            Op::RefCastNullable { hty } => self.ref_cast(hty, true)?,
            Op::BrOnCast { relative_depth, to_ref_type, .. } => {
                self.br_on_cast(relative_depth, to_ref_type, true)?;
            }
            Op::BrOnCastFail { relative_depth, to_ref_type, .. } => {
                self.br_on_cast(relative_depth, to_ref_type, false)?;
            }
            // Structures and arrays.
            Op::StructNew { struct_type_index: ty } => self.struct_new(ty),
            Op::StructNewDefault { struct_type_index: ty } => self.struct_new_default(ty),
            Op::StructGet { struct_type_index: ty, field_index }
            | Op::StructGetU { struct_type_index: ty, field_index } => {
                self.struct_get(ty, field_index, Extension::Unsigned);
            }
            Op::StructGetS { struct_type_index: ty, field_index } => {
                self.struct_get(ty, field_index, Extension::Signed);
            }
            Op::StructSet { struct_type_index: ty, field_index } => self.struct_set(ty, field_index),
            Op::ArrayNew { array_type_index: ty } => self.array_new(ty),
            Op::ArrayNewDefault { array_type_index: ty } => self.array_new_default(ty),
            Op::ArrayNewFixed { array_type_index: ty, array_size } => self.array_new_fixed(ty, array_size),
            Op::ArrayNewData { array_type_index: ty, array_data_index } => {
                self.array_new_segment(Libcall::ArrayNewData, ty, array_data_index);
            }
            Op::ArrayNewElem { array_type_index: ty, array_elem_index } => {
                self.array_new_segment(Libcall::ArrayNewElem, ty, array_elem_index);
            }
            Op::ArrayGet { array_type_index: ty } | Op::ArrayGetU { array_type_index: ty } => {
                self.array_get(ty, Extension::Unsigned);
            }
            Op::ArrayGetS { array_type_index: ty } => self.array_get(ty, Extension::Signed),
            Op::ArraySet { array_type_index: ty } => self.array_set(ty),
            Op::ArrayLen => self.array_len(),
            Op::ArrayFill { array_type_index: ty } => self.array_fill(ty),
            Op::ArrayCopy { .. } => self.array_copy(),
            Op::ArrayInitData { array_data_index, .. } => {
                self.array_init_segment(Libcall::ArrayInitData, array_data_index);
            }
            Op::ArrayInitElem { array_elem_index, .. } => {
                self.array_init_segment(Libcall::ArrayInitElem, array_elem_index);
            }
            // Tables.
            Op::TableGet { table } => self.table_get(table),
            Op::TableSet { table } => self.table_set(table),
            Op::TableSize { table } => self.table_size(table),
            Op::TableGrow { table } => self.table_grow(table),
            Op::TableFill { table } => self.table_fill(table),
            Op::TableCopy { dst_table, src_table } => self.table_copy(dst_table, src_table),
            Op::TableInit { elem_index, table } => self.table_init(table, elem_index),
            Op::ElemDrop { elem_index } => self.elem_drop(elem_index),
            // Memories.
            Op::I32Load { ref memarg } => self.load_int(memarg, Load::Whole, I32),
            Op::I64Load { ref memarg } => self.load_int(memarg, Load::Whole, I64),
            Op::F32Load { ref memarg } => self.load_float_op(memarg, F32),
            Op::F64Load { ref memarg } => self.load_float_op(memarg, F64),
            Op::I32Load8S { ref memarg } => self.load_int(memarg, Load::S8, I32),
            Op::I32Load8U { ref memarg } => self.load_int(memarg, Load::U8, I32),
            Op::I32Load16S { ref memarg } => self.load_int(memarg, Load::S16, I32),
            Op::I32Load16U { ref memarg } => self.load_int(memarg, Load::U16, I32),
            Op::I64Load8S { ref memarg } => self.load_int(memarg, Load::S8, I64),
            Op::I64Load8U { ref memarg } => self.load_int(memarg, Load::U8, I64),
            Op::I64Load16S { ref memarg } => self.load_int(memarg, Load::S16, I64),
            Op::I64Load16U { ref memarg } => self.load_int(memarg, Load::U16, I64),
            Op::I64Load32S { ref memarg } => self.load_int(memarg, Load::S32, I64),
            Op::I64Load32U { ref memarg } => self.load_int(memarg, Load::U32, I64),
            Op::I32Store { ref memarg } | Op::I64Store32 { ref memarg } => self.store_int(memarg, 4),
            Op::I64Store { ref memarg } => self.store_int(memarg, 8),
            Op::F32Store { ref memarg } => self.store_float_op(memarg, F32),
            Op::F64Store { ref memarg } => self.store_float_op(memarg, F64),
            Op::I32Store8 { ref memarg } | Op::I64Store8 { ref memarg } => self.store_int(memarg, 1),
            Op::I32Store16 { ref memarg } | Op::I64Store16 { ref memarg } => self.store_int(memarg, 2),
            Op::MemorySize { mem } => self.memory_size(mem),
            Op::MemoryGrow { mem } => self.memory_grow(mem),
            Op::MemoryFill { mem } => self.memory_fill(mem),
            Op::MemoryCopy { dst_mem, src_mem } => self.memory_copy(dst_mem, src_mem),
            Op::MemoryInit { data_index, mem } => self.memory_init(mem, data_index),
            Op::DataDrop { data_index } => self.data_drop(data_index),
            // Constants.
            Op::I32Const { value } => self.push_i32(value.cast_unsigned()),
            Op::I64Const { value } => self.push_const(I64, value.cast_unsigned()),
            Op::F32Const { value } => self.push_const(F32, value.bits().into()),
            Op::F64Const { value } => self.push_const(F64, value.bits()),
            // Comparisons.
            Op::I32Eqz => self.eqz(I32),
            Op::I64Eqz => self.eqz(I64),
            Op::I32Eq => self.int_compare(Cond::E, I32),
            Op::I64Eq => self.int_compare(Cond::E, I64),
            Op::I32Ne => self.int_compare(Cond::Ne, I32),
            Op::I64Ne => self.int_compare(Cond::Ne, I64),
            Op::I32LtS => self.int_compare(Cond::L, I32),
            Op::I64LtS => self.int_compare(Cond::L, I64),
            Op::I32LtU => self.int_compare(Cond::B, I32),
            Op::I64LtU => self.int_compare(Cond::B, I64),
            Op::I32GtS => self.int_compare(Cond::G, I32),
            Op::I64GtS => self.int_compare(Cond::G, I64),
            Op::I32GtU => self.int_compare(Cond::A, I32),
            Op::I64GtU => self.int_compare(Cond::A, I64),
            Op::I32LeS => self.int_compare(Cond::Le, I32),
            Op::I64LeS => self.int_compare(Cond::Le, I64),
            Op::I32LeU => self.int_compare(Cond::Be, I32),
            Op::I64LeU => self.int_compare(Cond::Be, I64),
            Op::I32GeS => self.int_compare(Cond::Ge, I32),
            Op::I64GeS => self.int_compare(Cond::Ge, I64),
            Op::I32GeU => self.int_compare(Cond::Ae, I32),
            Op::I64GeU => self.int_compare(Cond::Ae, I64),
            Op::F32Eq => self.float_compare(Cond::FloatE, F32),
            Op::F64Eq => self.float_compare(Cond::FloatE, F64),
            Op::F32Ne => self.float_compare(Cond::FloatNe, F32),
            Op::F64Ne => self.float_compare(Cond::FloatNe, F64),
            Op::F32Lt => self.float_compare(Cond::B, F32),
            Op::F64Lt => self.float_compare(Cond::B, F64),
            Op::F32Gt => self.float_compare(Cond::A, F32),
            Op::F64Gt => self.float_compare(Cond::A, F64),
            Op::F32Le => self.float_compare(Cond::Be, F32),
            Op::F64Le => self.float_compare(Cond::Be, F64),
            Op::F32Ge => self.float_compare(Cond::Ae, F32),
            Op::F64Ge => self.float_compare(Cond::Ae, F64),
            // Integers.
            Op::I32Clz => self.clz(I32),
            Op::I64Clz => self.clz(I64),
            Op::I32Ctz => self.ctz(I32),
            Op::I64Ctz => self.ctz(I64),
            Op::I32Popcnt => self.popcnt(I32),
            Op::I64Popcnt => self.popcnt(I64),
            Op::I32Add => self.int_binary(Alu::Add, I32),
            Op::I64Add => self.int_binary(Alu::Add, I64),
            Op::I32Sub => self.int_binary(Alu::Sub, I32),
            Op::I64Sub => self.int_binary(Alu::Sub, I64),
            Op::I32Mul => self.int_mul(I32),
            Op::I64Mul => self.int_mul(I64),
            Op::I32DivS => self.int_div(true, false, I32),
            Op::I64DivS => self.int_div(true, false, I64),
            Op::I32DivU => self.int_div(false, false, I32),
            Op::I64DivU => self.int_div(false, false, I64),
            Op::I32RemS => self.int_div(true, true, I32),
            Op::I64RemS => self.int_div(true, true, I64),
            Op::I32RemU => self.int_div(false, true, I32),
            Op::I64RemU => self.int_div(false, true, I64),
            Op::I32And => self.int_binary(Alu::And, I32),
            Op::I64And => self.int_binary(Alu::And, I64),
            Op::I32Or => self.int_binary(Alu::Or, I32),
            Op::I64Or => self.int_binary(Alu::Or, I64),
            Op::I32Xor => self.int_binary(Alu::Xor, I32),
            Op::I64Xor => self.int_binary(Alu::Xor, I64),
            Op::I32Shl => self.int_shift(Shift::Shl, I32),
            Op::I64Shl => self.int_shift(Shift::Shl, I64),
            Op::I32ShrS => self.int_shift(Shift::Sar, I32),
            Op::I64ShrS => self.int_shift(Shift::Sar, I64),
            Op::I32ShrU => self.int_shift(Shift::Shr, I32),
            Op::I64ShrU => self.int_shift(Shift::Shr, I64),
            Op::I32Rotl => self.int_shift(Shift::Rol, I32),
            Op::I64Rotl => self.int_shift(Shift::Rol, I64),
            Op::I32Rotr => self.int_shift(Shift::Ror, I32),
            Op::I64Rotr => self.int_shift(Shift::Ror, I64),
            Op::I64Add128 => self.binary128(Alu::Add, Alu::Adc),
            Op::I64Sub128 => self.binary128(Alu::Sub, Alu::Sbb),
            Op::I64MulWideS => self.mul_wide(true),
            Op::I64MulWideU => self.mul_wide(false),
            // Floats.
            Op::F32Abs => self.float_abs(F32),
            Op::F64Abs => self.float_abs(F64),
            Op::F32Neg => self.float_neg(F32),
            Op::F64Neg => self.float_neg(F64),
            Op::F32Ceil => self.float_round(Round::Ceil, F32),
            Op::F64Ceil => self.float_round(Round::Ceil, F64),
            Op::F32Floor => self.float_round(Round::Floor, F32),
            Op::F64Floor => self.float_round(Round::Floor, F64),
            Op::F32Trunc => self.float_round(Round::Trunc, F32),
            Op::F64Trunc => self.float_round(Round::Trunc, F64),
            Op::F32Nearest => self.float_round(Round::Nearest, F32),
            Op::F64Nearest => self.float_round(Round::Nearest, F64),
            Op::F32Sqrt => self.float_sqrt(F32),
            Op::F64Sqrt => self.float_sqrt(F64),
            Op::F32Add => self.float_binary(FloatOp::Add, F32),
            Op::F64Add => self.float_binary(FloatOp::Add, F64),
            Op::F32Sub => self.float_binary(FloatOp::Sub, F32),
            Op::F64Sub => self.float_binary(FloatOp::Sub, F64),
            Op::F32Mul => self.float_binary(FloatOp::Mul, F32),
            Op::F64Mul => self.float_binary(FloatOp::Mul, F64),
            Op::F32Div => self.float_binary(FloatOp::Div, F32),
            Op::F64Div => self.float_binary(FloatOp::Div, F64),
            Op::F32Min => self.float_min_max(true, F32),
            Op::F64Min => self.float_min_max(true, F64),
            Op::F32Max => self.float_min_max(false, F32),
            Op::F64Max => self.float_min_max(false, F64),
            Op::F32Copysign => self.float_copysign(F32),
            Op::F64Copysign => self.float_copysign(F64),
            // Conversions.
            Op::I32WrapI64 => self.wrap(),
            Op::I64ExtendI32S => self.extend_s32(),
            Op::I64ExtendI32U => self.extend_u32(),
            Op::I32Extend8S => self.extend_low(8, I32),
            Op::I32Extend16S => self.extend_low(16, I32),
            Op::I64Extend8S => self.extend_low(8, I64),
            Op::I64Extend16S => self.extend_low(16, I64),
            Op::I64Extend32S => self.extend_low(32, I64),
            Op::I32TruncF32S => self.trunc(F32, true, I32),
            Op::I32TruncF64S => self.trunc(F64, true, I32),
            Op::I32TruncF32U => self.trunc(F32, false, I32),
            Op::I32TruncF64U => self.trunc(F64, false, I32),
            Op::I64TruncF32S => self.trunc(F32, true, I64),
            Op::I64TruncF64S => self.trunc(F64, true, I64),
            Op::I64TruncF32U => self.trunc(F32, false, I64),
            Op::I64TruncF64U => self.trunc(F64, false, I64),
            Op::I32TruncSatF32S => self.trunc_sat(F32, true, I32),
            Op::I32TruncSatF64S => self.trunc_sat(F64, true, I32),
            Op::I32TruncSatF32U => self.trunc_sat(F32, false, I32),
            Op::I32TruncSatF64U => self.trunc_sat(F64, false, I32),
            Op::I64TruncSatF32S => self.trunc_sat(F32, true, I64),
            Op::I64TruncSatF64S => self.trunc_sat(F64, true, I64),
            Op::I64TruncSatF32U => self.trunc_sat(F32, false, I64),
            Op::I64TruncSatF64U => self.trunc_sat(F64, false, I64),
            Op::F32ConvertI32S => self.convert_int(I32, true, F32),
            Op::F32ConvertI64S => self.convert_int(I64, true, F32),
            Op::F32ConvertI32U => self.convert_int(I32, false, F32),
            Op::F32ConvertI64U => self.convert_int(I64, false, F32),
            Op::F64ConvertI32S => self.convert_int(I32, true, F64),
            Op::F64ConvertI64S => self.convert_int(I64, true, F64),
            Op::F64ConvertI32U => self.convert_int(I32, false, F64),
            Op::F64ConvertI64U => self.convert_int(I64, false, F64),
            Op::F32DemoteF64 => self.float_to_float(F64, F32),
            Op::F64PromoteF32 => self.float_to_float(F32, F64),
            Op::I32ReinterpretF32 => self.reinterpret(I32),
            Op::I64ReinterpretF64 => self.reinterpret(I64),
            Op::F32ReinterpretI32 => self.reinterpret(F32),
            Op::F64ReinterpretI64 => self.reinterpret(F64),
            ref other => return self.other_operator(other),
        }
        Ok(())
    }

    fn other_operator(&mut self, op: &Operator<'_>) -> CompileResult {
        if self.simd(op) || self.atomic(op)? {
            return Ok(());
        }
        Err(format!("operator {op:?} belongs to a proposal that is missing"))
    }
}
