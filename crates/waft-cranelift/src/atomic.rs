//! Atomic operators.
//!
//! # Invariants
//!
//! * **A1** Every one of them is sequentially consistent, as Cranelift's are.
//! * **A2** An address that is not a multiple of the access's size traps, before anything is accessed: the base of a
//!   memory is aligned to a page, so the index and the offset tell.
//!
//! # Elsewhere
//!
//! Bounds: `memory.rs`. Waiting and waking: the engine's library calls.

use crate::memory::memory_of;
use crate::translator::FuncTranslator;
use crate::trap::clif_trap;
use cranelift_codegen::ir::types::{I8, I16, I32, I64};
use cranelift_codegen::ir::{AtomicRmwOp as Rmw, InstBuilder, MemFlagsData, Type, Value};
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::IndexType;
use wasmparser::{MemArg, Operator};

impl FuncTranslator<'_, '_> {
    /// Translates an atomic operator, or says that it is none.
    pub(crate) fn translate_atomic(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        match *op {
            Op::I32AtomicLoad { memarg } => self.atomic_load(&memarg, I32, I32),
            Op::I64AtomicLoad { memarg } => self.atomic_load(&memarg, I64, I64),
            Op::I32AtomicLoad8U { memarg } => self.atomic_load(&memarg, I8, I32),
            Op::I32AtomicLoad16U { memarg } => self.atomic_load(&memarg, I16, I32),
            Op::I64AtomicLoad8U { memarg } => self.atomic_load(&memarg, I8, I64),
            Op::I64AtomicLoad16U { memarg } => self.atomic_load(&memarg, I16, I64),
            Op::I64AtomicLoad32U { memarg } => self.atomic_load(&memarg, I32, I64),
            Op::I32AtomicStore { memarg } => self.atomic_store(&memarg, I32),
            Op::I64AtomicStore { memarg } => self.atomic_store(&memarg, I64),
            Op::I32AtomicStore8 { memarg } => self.atomic_store(&memarg, I8),
            Op::I32AtomicStore16 { memarg } => self.atomic_store(&memarg, I16),
            Op::I64AtomicStore8 { memarg } => self.atomic_store(&memarg, I8),
            Op::I64AtomicStore16 { memarg } => self.atomic_store(&memarg, I16),
            Op::I64AtomicStore32 { memarg } => self.atomic_store(&memarg, I32),
            Op::I32AtomicRmwCmpxchg { memarg } => self.atomic_cmpxchg(&memarg, I32, I32),
            Op::I64AtomicRmwCmpxchg { memarg } => self.atomic_cmpxchg(&memarg, I64, I64),
            Op::I32AtomicRmw8CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, I8, I32),
            Op::I32AtomicRmw16CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, I16, I32),
            Op::I64AtomicRmw8CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, I8, I64),
            Op::I64AtomicRmw16CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, I16, I64),
            Op::I64AtomicRmw32CmpxchgU { memarg } => self.atomic_cmpxchg(&memarg, I32, I64),
            Op::AtomicFence { .. } => {
                self.builder.ins().fence();
            }
            Op::MemoryAtomicNotify { memarg } => self.atomic_notify(&memarg),
            Op::MemoryAtomicWait32 { memarg } => self.atomic_wait(&memarg, Libcall::AtomicWait32, I32),
            Op::MemoryAtomicWait64 { memarg } => self.atomic_wait(&memarg, Libcall::AtomicWait64, I64),
            ref other => {
                let Some((memarg, op, narrow, wide)) = read_modify_write(other) else { return false };
                self.atomic_rmw(&memarg, op, narrow, wide);
            }
        }
        true
    }

    fn atomic_load(&mut self, memarg: &MemArg, narrow: Type, wide: Type) {
        let index = self.pop();
        let (flags, address) = self.atomic_access(memarg, index, narrow);
        let value = self.builder.ins().atomic_load(narrow, flags, address);
        self.push_extended(value, wide);
    }

    fn atomic_store(&mut self, memarg: &MemArg, narrow: Type) {
        let (index, value) = self.pop2();
        let (flags, address) = self.atomic_access(memarg, index, narrow);
        let value = self.low_part(value, narrow);
        self.builder.ins().atomic_store(flags, value, address);
    }

    fn atomic_rmw(&mut self, memarg: &MemArg, op: Rmw, narrow: Type, wide: Type) {
        let (index, operand) = self.pop2();
        let (flags, address) = self.atomic_access(memarg, index, narrow);
        let operand = self.low_part(operand, narrow);
        let before = self.builder.ins().atomic_rmw(narrow, flags, op, address, operand);
        self.push_extended(before, wide);
    }

    fn atomic_cmpxchg(&mut self, memarg: &MemArg, narrow: Type, wide: Type) {
        let (index, expected, replacement) = self.pop3();
        let (flags, address) = self.atomic_access(memarg, index, narrow);
        let expected = self.low_part(expected, narrow);
        let replacement = self.low_part(replacement, narrow);
        let before = self.builder.ins().atomic_cas(flags, address, expected, replacement);
        self.push_extended(before, wide);
    }

    /// `memory.atomic.notify`.
    fn atomic_notify(&mut self, memarg: &MemArg) {
        let (index, count) = self.pop2();
        let address = self.waiting_address(memarg, index, I32);
        let memory = self.number(memory_of(memarg).as_u32());
        let woken = self.libcall_result(Libcall::AtomicNotify, &[memory, address, count]);
        self.push_size(woken, IndexType::I32);
    }

    /// `memory.atomic.wait32` and `memory.atomic.wait64`.
    fn atomic_wait(&mut self, memarg: &MemArg, call: Libcall, ty: Type) {
        let (index, expected, timeout) = self.pop3();
        let address = self.waiting_address(memarg, index, ty);
        let memory = self.number(memory_of(memarg).as_u32());
        let outcome = self.libcall_result(call, &[memory, address, expected, timeout]);
        self.push_size(outcome, IndexType::I32);
    }

    /// The address in the memory, of 64 bits, for a library call, which checks its bounds.
    fn waiting_address(&mut self, memarg: &MemArg, index: Value, ty: Type) -> Value {
        self.check_alignment(memarg, index, ty);
        let index_ty = self.shape.memories[memory_of(memarg)].index;
        let index = self.widen_index(index);
        let offset = self.builder.ins().iconst(I64, memarg.offset as i64);
        match index_ty {
            // Both have 32 bits: the sum does not wrap.
            IndexType::I32 => self.builder.ins().iadd(index, offset),
            IndexType::I64 => {
                let outside = clif_trap(TrapCode::MemoryOutOfBounds);
                self.builder.ins().uadd_overflow_trap(index, offset, outside)
            }
        }
    }

    /// The flags and the address for an atomic access to a `ty`.
    fn atomic_access(&mut self, memarg: &MemArg, index: Value, ty: Type) -> (MemFlagsData, Value) {
        self.check_alignment(memarg, index, ty);
        let (flags, address, offset) = self.heap_access_at(index, memarg, ty.bytes());
        let offset = self.builder.ins().iconst(I64, i64::from(offset));
        (flags, self.builder.ins().iadd(address, offset))
    }

    /// Traps unless index and offset add to a multiple of the size of `ty` (A2).
    fn check_alignment(&mut self, memarg: &MemArg, index: Value, ty: Type) {
        let mask = u64::from(ty.bytes() - 1);
        if mask == 0 {
            return;
        }
        let index_ty = self.builder.func.dfg.value_type(index);
        let low_offset = self.builder.ins().iconst(index_ty, (memarg.offset & mask) as i64);
        let low = self.builder.ins().iadd(index, low_offset);
        let mask = self.builder.ins().iconst(index_ty, mask as i64);
        let misaligned = self.builder.ins().band(low, mask);
        self.trap_if_not_zero(misaligned, TrapCode::HeapMisaligned);
    }

    fn low_part(&mut self, value: Value, narrow: Type) -> Value {
        let ty = self.builder.func.dfg.value_type(value);
        if ty == narrow { value } else { self.builder.ins().ireduce(narrow, value) }
    }

    fn push_extended(&mut self, value: Value, wide: Type) {
        let ty = self.builder.func.dfg.value_type(value);
        let value = if ty == wide { value } else { self.builder.ins().uextend(wide, value) };
        self.push(value);
    }
}

/// What a read-modify-write operator does, and the types of what it accesses and gives.
fn read_modify_write(op: &Operator<'_>) -> Option<(MemArg, Rmw, Type, Type)> {
    use Operator as Op;
    Some(match *op {
        Op::I32AtomicRmwAdd { memarg } => (memarg, Rmw::Add, I32, I32),
        Op::I64AtomicRmwAdd { memarg } => (memarg, Rmw::Add, I64, I64),
        Op::I32AtomicRmw8AddU { memarg } => (memarg, Rmw::Add, I8, I32),
        Op::I32AtomicRmw16AddU { memarg } => (memarg, Rmw::Add, I16, I32),
        Op::I64AtomicRmw8AddU { memarg } => (memarg, Rmw::Add, I8, I64),
        Op::I64AtomicRmw16AddU { memarg } => (memarg, Rmw::Add, I16, I64),
        Op::I64AtomicRmw32AddU { memarg } => (memarg, Rmw::Add, I32, I64),
        Op::I32AtomicRmwSub { memarg } => (memarg, Rmw::Sub, I32, I32),
        Op::I64AtomicRmwSub { memarg } => (memarg, Rmw::Sub, I64, I64),
        Op::I32AtomicRmw8SubU { memarg } => (memarg, Rmw::Sub, I8, I32),
        Op::I32AtomicRmw16SubU { memarg } => (memarg, Rmw::Sub, I16, I32),
        Op::I64AtomicRmw8SubU { memarg } => (memarg, Rmw::Sub, I8, I64),
        Op::I64AtomicRmw16SubU { memarg } => (memarg, Rmw::Sub, I16, I64),
        Op::I64AtomicRmw32SubU { memarg } => (memarg, Rmw::Sub, I32, I64),
        Op::I32AtomicRmwAnd { memarg } => (memarg, Rmw::And, I32, I32),
        Op::I64AtomicRmwAnd { memarg } => (memarg, Rmw::And, I64, I64),
        Op::I32AtomicRmw8AndU { memarg } => (memarg, Rmw::And, I8, I32),
        Op::I32AtomicRmw16AndU { memarg } => (memarg, Rmw::And, I16, I32),
        Op::I64AtomicRmw8AndU { memarg } => (memarg, Rmw::And, I8, I64),
        Op::I64AtomicRmw16AndU { memarg } => (memarg, Rmw::And, I16, I64),
        Op::I64AtomicRmw32AndU { memarg } => (memarg, Rmw::And, I32, I64),
        Op::I32AtomicRmwOr { memarg } => (memarg, Rmw::Or, I32, I32),
        Op::I64AtomicRmwOr { memarg } => (memarg, Rmw::Or, I64, I64),
        Op::I32AtomicRmw8OrU { memarg } => (memarg, Rmw::Or, I8, I32),
        Op::I32AtomicRmw16OrU { memarg } => (memarg, Rmw::Or, I16, I32),
        Op::I64AtomicRmw8OrU { memarg } => (memarg, Rmw::Or, I8, I64),
        Op::I64AtomicRmw16OrU { memarg } => (memarg, Rmw::Or, I16, I64),
        Op::I64AtomicRmw32OrU { memarg } => (memarg, Rmw::Or, I32, I64),
        Op::I32AtomicRmwXor { memarg } => (memarg, Rmw::Xor, I32, I32),
        Op::I64AtomicRmwXor { memarg } => (memarg, Rmw::Xor, I64, I64),
        Op::I32AtomicRmw8XorU { memarg } => (memarg, Rmw::Xor, I8, I32),
        Op::I32AtomicRmw16XorU { memarg } => (memarg, Rmw::Xor, I16, I32),
        Op::I64AtomicRmw8XorU { memarg } => (memarg, Rmw::Xor, I8, I64),
        Op::I64AtomicRmw16XorU { memarg } => (memarg, Rmw::Xor, I16, I64),
        Op::I64AtomicRmw32XorU { memarg } => (memarg, Rmw::Xor, I32, I64),
        Op::I32AtomicRmwXchg { memarg } => (memarg, Rmw::Xchg, I32, I32),
        Op::I64AtomicRmwXchg { memarg } => (memarg, Rmw::Xchg, I64, I64),
        Op::I32AtomicRmw8XchgU { memarg } => (memarg, Rmw::Xchg, I8, I32),
        Op::I32AtomicRmw16XchgU { memarg } => (memarg, Rmw::Xchg, I16, I32),
        Op::I64AtomicRmw8XchgU { memarg } => (memarg, Rmw::Xchg, I8, I64),
        Op::I64AtomicRmw16XchgU { memarg } => (memarg, Rmw::Xchg, I16, I64),
        Op::I64AtomicRmw32XchgU { memarg } => (memarg, Rmw::Xchg, I32, I64),
        _ => return None,
    })
}
