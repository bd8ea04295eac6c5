//! The tables of operators: which method compiles which. One is of operators whose opcodes are one byte, nearly all that
//! there are in a body: they are compiled straight from their bytes. The others `wasmparser` reads first.

use crate::call::CallKind;
use crate::compiler::{CompileResult, Compiler, unreadable};
use crate::op::float::{FloatOp, Round};
use crate::op::gc::Extension;
use crate::op::memory::Load;
use crate::value::Ty::{F32, F64, I32, I64};
use crate::visit::Visitor;
use crate::x64::{Alu, Cond, Shift};
use waft_core::libcall::Libcall;
use waft_core::opcode as op;
use wasmparser::{BinaryReader, Operator, OperatorsReader};

impl<'a> Compiler<'a> {
    /// Compiles the operator that begins with `opcode`, which was read, and can be reached.
    ///
    /// One flat `match`: an operator is a row.
    pub(crate) fn operator(&mut self, opcode: u8) -> CompileResult {
        match opcode {
            // Control.
            op::NOP => {}
            op::UNREACHABLE => self.unreachable(),
            op::BLOCK => self.block(self.code.block_type().map_err(unreadable)?)?,
            op::LOOP => self.loop_(self.code.block_type().map_err(unreadable)?)?,
            op::IF => self.if_(self.code.block_type().map_err(unreadable)?)?,
            op::ELSE => self.else_(),
            op::END => self.end()?,
            op::BR => self.br(self.code.number()),
            op::BR_IF => self.br_if(self.code.number()),
            op::RETURN => self.return_(),
            op::CALL => self.call(self.code.number(), CallKind::Returning),
            op::CALL_INDIRECT => {
                let (ty, table) = (self.code.number(), self.code.number());
                self.call_indirect(ty, table, CallKind::Returning);
            }
            op::RETURN_CALL => self.call(self.code.number(), CallKind::Tail),
            op::RETURN_CALL_INDIRECT => {
                let (ty, table) = (self.code.number(), self.code.number());
                self.call_indirect(ty, table, CallKind::Tail);
            }
            op::CALL_REF => self.call_ref(self.code.number(), CallKind::Returning),
            op::RETURN_CALL_REF => self.call_ref(self.code.number(), CallKind::Tail),
            op::BR_ON_NULL => self.br_on_null(self.code.number()),
            op::BR_ON_NON_NULL => self.br_on_non_null(self.code.number()),
            op::THROW => self.throw(self.code.number()),
            op::THROW_REF => self.throw_ref(),
            op::TRY => self.try_(self.code.block_type().map_err(unreadable)?)?,
            op::CATCH => self.catch(self.code.number()),
            op::CATCH_ALL => self.catch_all(),
            op::DELEGATE => self.delegate(self.code.number())?,
            op::RETHROW => self.rethrow(self.code.number()),
            // Parametric, variables, references.
            op::SELECT => self.select(),
            op::DROP => {
                let operand = self.pop();
                self.free(&operand);
            }
            op::LOCAL_GET => self.local_get(self.code.number()),
            op::LOCAL_SET => self.local_set(self.code.number()),
            op::LOCAL_TEE => self.local_tee(self.code.number()),
            op::GLOBAL_GET => self.global_get(self.code.number()),
            op::GLOBAL_SET => self.global_set(self.code.number()),
            op::REF_IS_NULL => self.ref_is_null(),
            op::REF_AS_NON_NULL => self.ref_as_non_null(),
            op::REF_FUNC => self.ref_func(self.code.number())?,
            op::REF_EQ => self.ref_eq(),
            // Tables.
            op::TABLE_GET => self.table_get(self.code.number()),
            op::TABLE_SET => self.table_set(self.code.number()),
            // Memories.
            op::I32_LOAD => self.load_int(Load::Whole, I32),
            op::I64_LOAD => self.load_int(Load::Whole, I64),
            op::F32_LOAD => self.load_float_op(self.code.memarg(), F32),
            op::F64_LOAD => self.load_float_op(self.code.memarg(), F64),
            op::I32_LOAD8_S => self.load_int(Load::S8, I32),
            op::I32_LOAD8_U => self.load_int(Load::U8, I32),
            op::I32_LOAD16_S => self.load_int(Load::S16, I32),
            op::I32_LOAD16_U => self.load_int(Load::U16, I32),
            op::I64_LOAD8_S => self.load_int(Load::S8, I64),
            op::I64_LOAD8_U => self.load_int(Load::U8, I64),
            op::I64_LOAD16_S => self.load_int(Load::S16, I64),
            op::I64_LOAD16_U => self.load_int(Load::U16, I64),
            op::I64_LOAD32_S => self.load_int(Load::S32, I64),
            op::I64_LOAD32_U => self.load_int(Load::U32, I64),
            op::I32_STORE | op::I64_STORE32 => self.store_int(4),
            op::I64_STORE => self.store_int(8),
            op::F32_STORE => self.store_float_op(self.code.memarg(), F32),
            op::F64_STORE => self.store_float_op(self.code.memarg(), F64),
            op::I32_STORE8 | op::I64_STORE8 => self.store_int(1),
            op::I32_STORE16 | op::I64_STORE16 => self.store_int(2),
            op::MEMORY_SIZE => self.memory_size(self.code.number()),
            op::MEMORY_GROW => self.memory_grow(self.code.number()),
            // Constants.
            op::I32_CONST => self.push_i32(self.code.signed() as u32),
            op::I64_CONST => self.push_const(I64, self.code.signed().cast_unsigned()),
            op::F32_CONST => self.push_const(F32, u32::from_le_bytes(self.code.bytes()).into()),
            op::F64_CONST => self.push_const(F64, u64::from_le_bytes(self.code.bytes())),
            // Comparisons.
            op::I32_EQZ => self.eqz(I32),
            op::I64_EQZ => self.eqz(I64),
            op::I32_EQ => self.int_compare(Cond::E, I32),
            op::I64_EQ => self.int_compare(Cond::E, I64),
            op::I32_NE => self.int_compare(Cond::Ne, I32),
            op::I64_NE => self.int_compare(Cond::Ne, I64),
            op::I32_LT_S => self.int_compare(Cond::L, I32),
            op::I64_LT_S => self.int_compare(Cond::L, I64),
            op::I32_LT_U => self.int_compare(Cond::B, I32),
            op::I64_LT_U => self.int_compare(Cond::B, I64),
            op::I32_GT_S => self.int_compare(Cond::G, I32),
            op::I64_GT_S => self.int_compare(Cond::G, I64),
            op::I32_GT_U => self.int_compare(Cond::A, I32),
            op::I64_GT_U => self.int_compare(Cond::A, I64),
            op::I32_LE_S => self.int_compare(Cond::Le, I32),
            op::I64_LE_S => self.int_compare(Cond::Le, I64),
            op::I32_LE_U => self.int_compare(Cond::Be, I32),
            op::I64_LE_U => self.int_compare(Cond::Be, I64),
            op::I32_GE_S => self.int_compare(Cond::Ge, I32),
            op::I64_GE_S => self.int_compare(Cond::Ge, I64),
            op::I32_GE_U => self.int_compare(Cond::Ae, I32),
            op::I64_GE_U => self.int_compare(Cond::Ae, I64),
            op::F32_EQ => self.float_compare(Cond::FloatE, F32),
            op::F64_EQ => self.float_compare(Cond::FloatE, F64),
            op::F32_NE => self.float_compare(Cond::FloatNe, F32),
            op::F64_NE => self.float_compare(Cond::FloatNe, F64),
            op::F32_LT => self.float_compare(Cond::B, F32),
            op::F64_LT => self.float_compare(Cond::B, F64),
            op::F32_GT => self.float_compare(Cond::A, F32),
            op::F64_GT => self.float_compare(Cond::A, F64),
            op::F32_LE => self.float_compare(Cond::Be, F32),
            op::F64_LE => self.float_compare(Cond::Be, F64),
            op::F32_GE => self.float_compare(Cond::Ae, F32),
            op::F64_GE => self.float_compare(Cond::Ae, F64),
            // Integers.
            op::I32_CLZ => self.clz(I32),
            op::I64_CLZ => self.clz(I64),
            op::I32_CTZ => self.ctz(I32),
            op::I64_CTZ => self.ctz(I64),
            op::I32_POPCNT => self.popcnt(I32),
            op::I64_POPCNT => self.popcnt(I64),
            op::I32_ADD => self.int_binary(Alu::Add, I32),
            op::I64_ADD => self.int_binary(Alu::Add, I64),
            op::I32_SUB => self.int_binary(Alu::Sub, I32),
            op::I64_SUB => self.int_binary(Alu::Sub, I64),
            op::I32_MUL => self.int_mul(I32),
            op::I64_MUL => self.int_mul(I64),
            op::I32_DIV_S => self.int_div(true, false, I32),
            op::I64_DIV_S => self.int_div(true, false, I64),
            op::I32_DIV_U => self.int_div(false, false, I32),
            op::I64_DIV_U => self.int_div(false, false, I64),
            op::I32_REM_S => self.int_div(true, true, I32),
            op::I64_REM_S => self.int_div(true, true, I64),
            op::I32_REM_U => self.int_div(false, true, I32),
            op::I64_REM_U => self.int_div(false, true, I64),
            op::I32_AND => self.int_binary(Alu::And, I32),
            op::I64_AND => self.int_binary(Alu::And, I64),
            op::I32_OR => self.int_binary(Alu::Or, I32),
            op::I64_OR => self.int_binary(Alu::Or, I64),
            op::I32_XOR => self.int_binary(Alu::Xor, I32),
            op::I64_XOR => self.int_binary(Alu::Xor, I64),
            op::I32_SHL => self.int_shift(Shift::Shl, I32),
            op::I64_SHL => self.int_shift(Shift::Shl, I64),
            op::I32_SHR_S => self.int_shift(Shift::Sar, I32),
            op::I64_SHR_S => self.int_shift(Shift::Sar, I64),
            op::I32_SHR_U => self.int_shift(Shift::Shr, I32),
            op::I64_SHR_U => self.int_shift(Shift::Shr, I64),
            op::I32_ROTL => self.int_shift(Shift::Rol, I32),
            op::I64_ROTL => self.int_shift(Shift::Rol, I64),
            op::I32_ROTR => self.int_shift(Shift::Ror, I32),
            op::I64_ROTR => self.int_shift(Shift::Ror, I64),
            // Floats.
            op::F32_ABS => self.float_abs(F32),
            op::F64_ABS => self.float_abs(F64),
            op::F32_NEG => self.float_neg(F32),
            op::F64_NEG => self.float_neg(F64),
            op::F32_CEIL => self.float_round(Round::Ceil, F32),
            op::F64_CEIL => self.float_round(Round::Ceil, F64),
            op::F32_FLOOR => self.float_round(Round::Floor, F32),
            op::F64_FLOOR => self.float_round(Round::Floor, F64),
            op::F32_TRUNC => self.float_round(Round::Trunc, F32),
            op::F64_TRUNC => self.float_round(Round::Trunc, F64),
            op::F32_NEAREST => self.float_round(Round::Nearest, F32),
            op::F64_NEAREST => self.float_round(Round::Nearest, F64),
            op::F32_SQRT => self.float_sqrt(F32),
            op::F64_SQRT => self.float_sqrt(F64),
            op::F32_ADD => self.float_binary(FloatOp::Add, F32),
            op::F64_ADD => self.float_binary(FloatOp::Add, F64),
            op::F32_SUB => self.float_binary(FloatOp::Sub, F32),
            op::F64_SUB => self.float_binary(FloatOp::Sub, F64),
            op::F32_MUL => self.float_binary(FloatOp::Mul, F32),
            op::F64_MUL => self.float_binary(FloatOp::Mul, F64),
            op::F32_DIV => self.float_binary(FloatOp::Div, F32),
            op::F64_DIV => self.float_binary(FloatOp::Div, F64),
            op::F32_MIN => self.float_min_max(true, F32),
            op::F64_MIN => self.float_min_max(true, F64),
            op::F32_MAX => self.float_min_max(false, F32),
            op::F64_MAX => self.float_min_max(false, F64),
            op::F32_COPYSIGN => self.float_copysign(F32),
            op::F64_COPYSIGN => self.float_copysign(F64),
            // Conversions.
            op::I32_WRAP_I64 => self.wrap(),
            op::I64_EXTEND_I32_S => self.extend_s32(),
            op::I64_EXTEND_I32_U => self.extend_u32(),
            op::I32_EXTEND8_S => self.extend_low(8, I32),
            op::I32_EXTEND16_S => self.extend_low(16, I32),
            op::I64_EXTEND8_S => self.extend_low(8, I64),
            op::I64_EXTEND16_S => self.extend_low(16, I64),
            op::I64_EXTEND32_S => self.extend_low(32, I64),
            op::I32_TRUNC_F32_S => self.trunc(F32, true, I32),
            op::I32_TRUNC_F64_S => self.trunc(F64, true, I32),
            op::I32_TRUNC_F32_U => self.trunc(F32, false, I32),
            op::I32_TRUNC_F64_U => self.trunc(F64, false, I32),
            op::I64_TRUNC_F32_S => self.trunc(F32, true, I64),
            op::I64_TRUNC_F64_S => self.trunc(F64, true, I64),
            op::I64_TRUNC_F32_U => self.trunc(F32, false, I64),
            op::I64_TRUNC_F64_U => self.trunc(F64, false, I64),
            op::F32_CONVERT_I32_S => self.convert_int(I32, true, F32),
            op::F32_CONVERT_I64_S => self.convert_int(I64, true, F32),
            op::F32_CONVERT_I32_U => self.convert_int(I32, false, F32),
            op::F32_CONVERT_I64_U => self.convert_int(I64, false, F32),
            op::F64_CONVERT_I32_S => self.convert_int(I32, true, F64),
            op::F64_CONVERT_I64_S => self.convert_int(I64, true, F64),
            op::F64_CONVERT_I32_U => self.convert_int(I32, false, F64),
            op::F64_CONVERT_I64_U => self.convert_int(I64, false, F64),
            op::F32_DEMOTE_F64 => self.float_to_float(F64, F32),
            op::F64_PROMOTE_F32 => self.float_to_float(F32, F64),
            op::I32_REINTERPRET_F32 => self.reinterpret(I32),
            op::I64_REINTERPRET_F64 => self.reinterpret(I64),
            op::F32_REINTERPRET_I32 => self.reinterpret(F32),
            op::F64_REINTERPRET_I64 => self.reinterpret(F64),
            _ => return self.other_operator(),
        }
        Ok(())
    }

    /// Reads the operator whose opcode was read.
    pub(crate) fn read_operator(&mut self) -> CompileResult<Operator<'a>> {
        let start = self.code.at() - 1;
        self.code.set_at(start);
        let mut reader = OperatorsReader::new(BinaryReader::new(self.code.rest(), start as u64));
        let mut op = Operator::Nop;
        reader.visit_operator(&mut Visitor(&mut op)).map_err(unreadable)?;
        self.code.set_at(reader.original_position() as usize);
        Ok(op)
    }

    fn other_operator(&mut self) -> CompileResult {
        use Operator as Op;
        let op = self.read_operator()?;
        match op {
            // Control.
            Op::BrTable { ref targets } => self.br_table(targets)?,
            Op::TryTable { ref try_table } => self.try_table(try_table)?,
            // Parametric, variables, references.
            Op::TypedSelect { .. } => self.select(),
            Op::RefNull { hty } => self.ref_null(hty)?,
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
            Op::TableSize { table } => self.table_size(table),
            Op::TableGrow { table } => self.table_grow(table),
            Op::TableFill { table } => self.table_fill(table),
            Op::TableCopy { dst_table, src_table } => self.table_copy(dst_table, src_table),
            Op::TableInit { elem_index, table } => self.table_init(table, elem_index),
            Op::ElemDrop { elem_index } => self.elem_drop(elem_index),
            // Memories.
            Op::MemoryFill { mem } => self.memory_fill(mem),
            Op::MemoryCopy { dst_mem, src_mem } => self.memory_copy(dst_mem, src_mem),
            Op::MemoryInit { data_index, mem } => self.memory_init(mem, data_index),
            Op::DataDrop { data_index } => self.data_drop(data_index),
            // Integers.
            Op::I64Add128 => self.binary128(Alu::Add, Alu::Adc),
            Op::I64Sub128 => self.binary128(Alu::Sub, Alu::Sbb),
            Op::I64MulWideS => self.mul_wide(true),
            Op::I64MulWideU => self.mul_wide(false),
            // Conversions.
            Op::I32TruncSatF32S => self.trunc_sat(F32, true, I32),
            Op::I32TruncSatF64S => self.trunc_sat(F64, true, I32),
            Op::I32TruncSatF32U => self.trunc_sat(F32, false, I32),
            Op::I32TruncSatF64U => self.trunc_sat(F64, false, I32),
            Op::I64TruncSatF32S => self.trunc_sat(F32, true, I64),
            Op::I64TruncSatF64S => self.trunc_sat(F64, true, I64),
            Op::I64TruncSatF32U => self.trunc_sat(F32, false, I64),
            Op::I64TruncSatF64U => self.trunc_sat(F64, false, I64),
            ref other => {
                if !self.simd(other) && !self.atomic(other)? {
                    return Err(format!("operator {other:?} belongs to a proposal that is missing"));
                }
            }
        }
        Ok(())
    }
}
