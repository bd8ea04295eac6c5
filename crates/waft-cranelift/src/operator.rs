//! The table of operators: which method translates which.

use crate::call::CallKind;
use crate::gc::Extension;
use crate::translator::{FuncTranslator, TranslateResult};
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F64, I8, I16, I32, I64, I128};
use wasmparser::Operator;

impl FuncTranslator<'_, '_> {
    /// Translates an operator that can be reached.
    ///
    /// One flat `match`: an operator is a row.
    pub(crate) fn operator(&mut self, op: &Operator<'_>) -> TranslateResult {
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
            Op::Call { function_index } => self.call(function_index, CallKind::Returning)?,
            Op::CallIndirect { type_index, table_index } => {
                self.call_indirect(type_index, table_index, CallKind::Returning)?;
            }
            Op::ReturnCall { function_index } => self.call(function_index, CallKind::Tail)?,
            Op::ReturnCallIndirect { type_index, table_index } => {
                self.call_indirect(type_index, table_index, CallKind::Tail)?;
            }
            Op::CallRef { type_index } => self.call_ref(type_index, CallKind::Returning)?,
            Op::ReturnCallRef { type_index } => self.call_ref(type_index, CallKind::Tail)?,
            Op::BrOnNull { relative_depth } => self.br_on_null(relative_depth),
            Op::BrOnNonNull { relative_depth } => self.br_on_non_null(relative_depth),
            // Exceptions.
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
                self.pop();
            }
            Op::Select => self.select(),
            Op::TypedSelect { ty } => self.typed_select(ty)?,
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
                self.br_on_cast(relative_depth, to_ref_type)?
            }
            Op::BrOnCastFail { relative_depth, to_ref_type, .. } => {
                self.br_on_cast_fail(relative_depth, to_ref_type)?;
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
                self.array_new_data(ty, array_data_index);
            }
            Op::ArrayNewElem { array_type_index: ty, array_elem_index } => {
                self.array_new_elem(ty, array_elem_index);
            }
            Op::ArrayGet { array_type_index: ty } | Op::ArrayGetU { array_type_index: ty } => {
                self.array_get(ty, Extension::Unsigned);
            }
            Op::ArrayGetS { array_type_index: ty } => self.array_get(ty, Extension::Signed),
            Op::ArraySet { array_type_index: ty } => self.array_set(ty),
            Op::ArrayLen => self.array_len(),
            Op::ArrayFill { array_type_index: ty } => self.array_fill(ty),
            Op::ArrayCopy { .. } => self.array_copy(),
            Op::ArrayInitData { array_data_index, .. } => self.array_init_data(array_data_index),
            Op::ArrayInitElem { array_elem_index, .. } => self.array_init_elem(array_elem_index),
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
            Op::I32Load { memarg } => self.load(&memarg, I32),
            Op::I64Load { memarg } => self.load(&memarg, I64),
            Op::F32Load { memarg } => self.load(&memarg, F32),
            Op::F64Load { memarg } => self.load(&memarg, F64),
            Op::I32Load8S { memarg } => self.load_extended(&memarg, I8, I32, true),
            Op::I32Load8U { memarg } => self.load_extended(&memarg, I8, I32, false),
            Op::I32Load16S { memarg } => self.load_extended(&memarg, I16, I32, true),
            Op::I32Load16U { memarg } => self.load_extended(&memarg, I16, I32, false),
            Op::I64Load8S { memarg } => self.load_extended(&memarg, I8, I64, true),
            Op::I64Load8U { memarg } => self.load_extended(&memarg, I8, I64, false),
            Op::I64Load16S { memarg } => self.load_extended(&memarg, I16, I64, true),
            Op::I64Load16U { memarg } => self.load_extended(&memarg, I16, I64, false),
            Op::I64Load32S { memarg } => self.load_extended(&memarg, I32, I64, true),
            Op::I64Load32U { memarg } => self.load_extended(&memarg, I32, I64, false),
            Op::I32Store { memarg }
            | Op::I64Store { memarg }
            | Op::F32Store { memarg }
            | Op::F64Store { memarg } => self.store(&memarg),
            Op::I32Store8 { memarg } | Op::I64Store8 { memarg } => self.store_narrow(&memarg, I8),
            Op::I32Store16 { memarg } | Op::I64Store16 { memarg } => self.store_narrow(&memarg, I16),
            Op::I64Store32 { memarg } => self.store_narrow(&memarg, I32),
            Op::MemorySize { mem } => self.memory_size(mem),
            Op::MemoryGrow { mem } => self.memory_grow(mem),
            Op::MemoryFill { mem } => self.memory_fill(mem),
            Op::MemoryCopy { dst_mem, src_mem } => self.memory_copy(dst_mem, src_mem),
            Op::MemoryInit { data_index, mem } => self.memory_init(mem, data_index),
            Op::DataDrop { data_index } => self.data_drop(data_index),
            // Constants.
            Op::I32Const { value } => self.i32_const(value),
            Op::I64Const { value } => self.i64_const(value),
            Op::F32Const { value } => self.f32_const(value.bits()),
            Op::F64Const { value } => self.f64_const(value.bits()),
            // Comparisons.
            Op::I32Eqz | Op::I64Eqz => self.eqz(),
            Op::I32Eq | Op::I64Eq => self.int_compare(IntCC::Equal),
            Op::I32Ne | Op::I64Ne => self.int_compare(IntCC::NotEqual),
            Op::I32LtS | Op::I64LtS => self.int_compare(IntCC::SignedLessThan),
            Op::I32LtU | Op::I64LtU => self.int_compare(IntCC::UnsignedLessThan),
            Op::I32GtS | Op::I64GtS => self.int_compare(IntCC::SignedGreaterThan),
            Op::I32GtU | Op::I64GtU => self.int_compare(IntCC::UnsignedGreaterThan),
            Op::I32LeS | Op::I64LeS => self.int_compare(IntCC::SignedLessThanOrEqual),
            Op::I32LeU | Op::I64LeU => self.int_compare(IntCC::UnsignedLessThanOrEqual),
            Op::I32GeS | Op::I64GeS => self.int_compare(IntCC::SignedGreaterThanOrEqual),
            Op::I32GeU | Op::I64GeU => self.int_compare(IntCC::UnsignedGreaterThanOrEqual),
            Op::F32Eq | Op::F64Eq => self.float_compare(FloatCC::Equal),
            Op::F32Ne | Op::F64Ne => self.float_compare(FloatCC::NotEqual),
            Op::F32Lt | Op::F64Lt => self.float_compare(FloatCC::LessThan),
            Op::F32Gt | Op::F64Gt => self.float_compare(FloatCC::GreaterThan),
            Op::F32Le | Op::F64Le => self.float_compare(FloatCC::LessThanOrEqual),
            Op::F32Ge | Op::F64Ge => self.float_compare(FloatCC::GreaterThanOrEqual),
            // Integers.
            Op::I32Clz | Op::I64Clz => self.unary(|ins, a| ins.clz(a)),
            Op::I32Ctz | Op::I64Ctz => self.unary(|ins, a| ins.ctz(a)),
            Op::I32Popcnt | Op::I64Popcnt => self.unary(|ins, a| ins.popcnt(a)),
            Op::I32Add | Op::I64Add => self.binary(|ins, a, b| ins.iadd(a, b)),
            Op::I32Sub | Op::I64Sub => self.binary(|ins, a, b| ins.isub(a, b)),
            Op::I32Mul | Op::I64Mul => self.binary(|ins, a, b| ins.imul(a, b)),
            Op::I32DivS | Op::I64DivS => self.binary(|ins, a, b| ins.sdiv(a, b)),
            Op::I32DivU | Op::I64DivU => self.binary(|ins, a, b| ins.udiv(a, b)),
            Op::I32RemS | Op::I64RemS => self.binary(|ins, a, b| ins.srem(a, b)),
            Op::I32RemU | Op::I64RemU => self.binary(|ins, a, b| ins.urem(a, b)),
            Op::I32And | Op::I64And => self.binary(|ins, a, b| ins.band(a, b)),
            Op::I32Or | Op::I64Or => self.binary(|ins, a, b| ins.bor(a, b)),
            Op::I32Xor | Op::I64Xor => self.binary(|ins, a, b| ins.bxor(a, b)),
            Op::I32Shl | Op::I64Shl => self.binary(|ins, a, b| ins.ishl(a, b)),
            Op::I32ShrS | Op::I64ShrS => self.binary(|ins, a, b| ins.sshr(a, b)),
            Op::I32ShrU | Op::I64ShrU => self.binary(|ins, a, b| ins.ushr(a, b)),
            Op::I32Rotl | Op::I64Rotl => self.binary(|ins, a, b| ins.rotl(a, b)),
            Op::I32Rotr | Op::I64Rotr => self.binary(|ins, a, b| ins.rotr(a, b)),
            Op::I64Add128 => self.binary128(|ins, a, b| ins.iadd(a, b)),
            Op::I64Sub128 => self.binary128(|ins, a, b| ins.isub(a, b)),
            Op::I64MulWideS => self.mul_wide(|ins, a| ins.sextend(I128, a)),
            Op::I64MulWideU => self.mul_wide(|ins, a| ins.uextend(I128, a)),
            // Floats.
            Op::F32Abs | Op::F64Abs => self.unary(|ins, a| ins.fabs(a)),
            Op::F32Neg | Op::F64Neg => self.unary(|ins, a| ins.fneg(a)),
            Op::F32Ceil | Op::F64Ceil => self.unary(|ins, a| ins.ceil(a)),
            Op::F32Floor | Op::F64Floor => self.unary(|ins, a| ins.floor(a)),
            Op::F32Trunc | Op::F64Trunc => self.unary(|ins, a| ins.trunc(a)),
            Op::F32Nearest | Op::F64Nearest => self.unary(|ins, a| ins.nearest(a)),
            Op::F32Sqrt | Op::F64Sqrt => self.unary(|ins, a| ins.sqrt(a)),
            Op::F32Add | Op::F64Add => self.binary(|ins, a, b| ins.fadd(a, b)),
            Op::F32Sub | Op::F64Sub => self.binary(|ins, a, b| ins.fsub(a, b)),
            Op::F32Mul | Op::F64Mul => self.binary(|ins, a, b| ins.fmul(a, b)),
            Op::F32Div | Op::F64Div => self.binary(|ins, a, b| ins.fdiv(a, b)),
            Op::F32Min | Op::F64Min => self.binary(|ins, a, b| ins.fmin(a, b)),
            Op::F32Max | Op::F64Max => self.binary(|ins, a, b| ins.fmax(a, b)),
            Op::F32Copysign | Op::F64Copysign => self.binary(|ins, a, b| ins.fcopysign(a, b)),
            // Conversions.
            Op::I32WrapI64 => self.unary(|ins, a| ins.ireduce(I32, a)),
            Op::I64ExtendI32S => self.unary(|ins, a| ins.sextend(I64, a)),
            Op::I64ExtendI32U => self.unary(|ins, a| ins.uextend(I64, a)),
            Op::I32Extend8S => self.extend_low(I8, I32),
            Op::I32Extend16S => self.extend_low(I16, I32),
            Op::I64Extend8S => self.extend_low(I8, I64),
            Op::I64Extend16S => self.extend_low(I16, I64),
            Op::I64Extend32S => self.extend_low(I32, I64),
            Op::I32TruncF32S | Op::I32TruncF64S => self.unary(|ins, a| ins.fcvt_to_sint(I32, a)),
            Op::I32TruncF32U | Op::I32TruncF64U => self.unary(|ins, a| ins.fcvt_to_uint(I32, a)),
            Op::I64TruncF32S | Op::I64TruncF64S => self.unary(|ins, a| ins.fcvt_to_sint(I64, a)),
            Op::I64TruncF32U | Op::I64TruncF64U => self.unary(|ins, a| ins.fcvt_to_uint(I64, a)),
            Op::I32TruncSatF32S | Op::I32TruncSatF64S => self.unary(|ins, a| ins.fcvt_to_sint_sat(I32, a)),
            Op::I32TruncSatF32U | Op::I32TruncSatF64U => self.unary(|ins, a| ins.fcvt_to_uint_sat(I32, a)),
            Op::I64TruncSatF32S | Op::I64TruncSatF64S => self.unary(|ins, a| ins.fcvt_to_sint_sat(I64, a)),
            Op::I64TruncSatF32U | Op::I64TruncSatF64U => self.unary(|ins, a| ins.fcvt_to_uint_sat(I64, a)),
            Op::F32ConvertI32S | Op::F32ConvertI64S => self.unary(|ins, a| ins.fcvt_from_sint(F32, a)),
            Op::F32ConvertI32U | Op::F32ConvertI64U => self.unary(|ins, a| ins.fcvt_from_uint(F32, a)),
            Op::F64ConvertI32S | Op::F64ConvertI64S => self.unary(|ins, a| ins.fcvt_from_sint(F64, a)),
            Op::F64ConvertI32U | Op::F64ConvertI64U => self.unary(|ins, a| ins.fcvt_from_uint(F64, a)),
            Op::F32DemoteF64 => self.unary(|ins, a| ins.fdemote(F32, a)),
            Op::F64PromoteF32 => self.unary(|ins, a| ins.fpromote(F64, a)),
            Op::I32ReinterpretF32 => self.reinterpret(I32),
            Op::I64ReinterpretF64 => self.reinterpret(I64),
            Op::F32ReinterpretI32 => self.reinterpret(F32),
            Op::F64ReinterpretI64 => self.reinterpret(F64),
            ref other => {
                if !self.translate_simd(other) && !self.translate_atomic(other) {
                    return Err(format!("operator {other:?} belongs to a proposal that is missing"));
                }
            }
        }
        Ok(())
    }
}
