//! Atomic operators.
//!
//! # Invariants
//!
//! * **A1** Every one of them is sequentially consistent: loads are plain, stores are exchanges, the rest is locked.
//! * **A2** An address that is not a multiple of the access's size traps, before anything is accessed: the base of a memory is
//!   aligned to a page, so the index and the offset tell.

use super::memory::Access;
use crate::call::LibcallArg;
use crate::code::MemArg;
use crate::compiler::{CompileResult, Compiler};
use crate::value::{Loc, Operand, Ty};
use crate::x64::{Alu, Cond, Gpr, Label, Mem, R11, RAX, Rm, Width};
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::IndexType;
use wasmparser::Operator;

/// What a read-modify-write operator does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rmw {
    Add,
    Sub,
    And,
    Or,
    Xor,
    Xchg,
    Cmpxchg,
}

impl Compiler<'_> {
    /// Compiles an atomic operator, or says that it is none.
    pub(crate) fn atomic(&mut self, op: &Operator<'_>) -> CompileResult<bool> {
        use Operator as Op;
        use Ty::{I32, I64};
        match op {
            Op::I32AtomicLoad { memarg } => self.atomic_load(memarg, 2, I32),
            Op::I64AtomicLoad { memarg } => self.atomic_load(memarg, 3, I64),
            Op::I32AtomicLoad8U { memarg } => self.atomic_load(memarg, 0, I32),
            Op::I32AtomicLoad16U { memarg } => self.atomic_load(memarg, 1, I32),
            Op::I64AtomicLoad8U { memarg } => self.atomic_load(memarg, 0, I64),
            Op::I64AtomicLoad16U { memarg } => self.atomic_load(memarg, 1, I64),
            Op::I64AtomicLoad32U { memarg } => self.atomic_load(memarg, 2, I64),
            Op::I32AtomicStore { memarg } | Op::I64AtomicStore32 { memarg } => self.atomic_store(memarg, 2),
            Op::I64AtomicStore { memarg } => self.atomic_store(memarg, 3),
            Op::I32AtomicStore8 { memarg } | Op::I64AtomicStore8 { memarg } => self.atomic_store(memarg, 0),
            Op::I32AtomicStore16 { memarg } | Op::I64AtomicStore16 { memarg } => self.atomic_store(memarg, 1),
            Op::AtomicFence { .. } => self.asm.mfence(),
            Op::MemoryAtomicNotify { memarg } => {
                let (index, count) = self.pop2();
                let address = self.waiting_address(memarg, &index, 2);
                let args = [Self::memory_number(memarg), LibcallArg::Reg(address), count.into()];
                self.libcall(Libcall::AtomicNotify, &args);
                self.push_size(RAX, IndexType::I32);
            }
            Op::MemoryAtomicWait32 { memarg } => self.atomic_wait(memarg, Libcall::AtomicWait32, 2),
            Op::MemoryAtomicWait64 { memarg } => self.atomic_wait(memarg, Libcall::AtomicWait64, 3),
            other => {
                let Some((memarg, op, log2, ty)) = read_modify_write(other) else { return Ok(false) };
                match op {
                    Rmw::Cmpxchg => self.atomic_cmpxchg(&memarg, log2, ty),
                    Rmw::And | Rmw::Or | Rmw::Xor => self.atomic_loop(&memarg, op, log2, ty),
                    _ => self.atomic_exchange(&memarg, op, log2, ty),
                }
            }
        }
        Ok(true)
    }

    /// Traps unless index and offset add to a multiple of the size (A2).
    fn check_alignment(&mut self, memarg: &wasmparser::MemArg, index: Gpr, log2: u8) {
        let mask = (1 << log2) - 1;
        if mask == 0 {
            return;
        }
        self.asm.lea(Width::W32, R11, Mem::at(index, (memarg.offset & mask) as i32));
        self.asm.test_imm(Width::W32, R11, mask as i32);
        self.trap_if(Cond::Ne, TrapCode::HeapMisaligned);
    }

    /// The place of an atomic access.
    fn atomic_access(&mut self, memarg: &wasmparser::MemArg, index: &Operand, log2: u8) -> Access {
        let reg = self.gpr(index);
        self.check_alignment(memarg, reg, log2);
        // Not a constant any more, but in its register.
        let index = if self.operand_gprs.has(reg.0) { index.at(Loc::Gpr(reg)) } else { *index };
        self.access(memarg.into(), &index, 1 << log2)
    }

    /// An operand that was popped, in any register but `rax`; `rax` is the operator's.
    fn away_from_rax(&mut self, operand: &Operand) -> Operand {
        let mut reg = self.owned_gpr(operand);
        if reg == RAX {
            reg = self.alloc_gpr();
            self.asm.mov(Width::W64, reg, RAX);
        }
        operand.at(Loc::Gpr(reg))
    }

    fn atomic_load(&mut self, memarg: &wasmparser::MemArg, log2: u8, ty: Ty) {
        let index = self.pop();
        let access = self.atomic_access(memarg, &index, log2);
        self.end_access(access);
        let dst = self.result_gpr();
        self.may_fault(TrapCode::MemoryOutOfBounds);
        match log2 {
            0 => self.asm.movzx8(dst, Rm::Mem(access.mem)),
            1 => self.asm.movzx16(dst, Rm::Mem(access.mem)),
            2 => self.asm.load(Width::W32, dst, access.mem),
            _ => self.asm.load(Width::W64, dst, access.mem),
        }
        self.push_gpr(ty, dst);
    }

    fn atomic_store(&mut self, memarg: &wasmparser::MemArg, log2: u8) {
        let (index, value) = self.pop2();
        let value = self.owned_gpr(&value);
        let access = self.atomic_access(memarg, &index, log2);
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.lock_xchg(log2, access.mem, value);
        self.end_access(access);
        self.free_gpr(value);
    }

    /// What a narrow access left in a register, extended.
    fn extend_narrow(&mut self, log2: u8, reg: Gpr) {
        match log2 {
            0 => self.asm.movzx8(reg, Rm::Reg(reg)),
            1 => self.asm.movzx16(reg, Rm::Reg(reg)),
            2 => self.asm.mov(Width::W32, reg, reg),
            _ => {}
        }
    }

    /// `add`, `sub` and `xchg`: one instruction.
    fn atomic_exchange(&mut self, memarg: &wasmparser::MemArg, op: Rmw, log2: u8, ty: Ty) {
        let (index, value) = self.pop2();
        let value = self.owned_gpr(&value);
        let access = self.atomic_access(memarg, &index, log2);
        if op == Rmw::Sub {
            self.asm.neg(Width::W64, value);
        }
        self.may_fault(TrapCode::MemoryOutOfBounds);
        if op == Rmw::Xchg {
            self.asm.lock_xchg(log2, access.mem, value);
        } else {
            self.asm.lock_xadd(log2, access.mem, value);
        }
        self.end_access(access);
        self.extend_narrow(log2, value);
        self.push_gpr(ty, value);
    }

    /// `and`, `or` and `xor`: until nobody came between.
    fn atomic_loop(&mut self, memarg: &wasmparser::MemArg, op: Rmw, log2: u8, ty: Ty) {
        let (index, value) = self.pop2();
        let value = self.away_from_rax(&value);
        let index = self.away_from_rax(&index);
        self.take_gpr(RAX);
        let new = self.alloc_gpr();
        let access = self.atomic_access(memarg, &index, log2);
        self.may_fault(TrapCode::MemoryOutOfBounds);
        match log2 {
            0 => self.asm.movzx8(RAX, Rm::Mem(access.mem)),
            1 => self.asm.movzx16(RAX, Rm::Mem(access.mem)),
            2 => self.asm.load(Width::W32, RAX, access.mem),
            _ => self.asm.load(Width::W64, RAX, access.mem),
        }
        let mut again = Label::NEW;
        self.asm.bind(&mut again);
        self.asm.mov(Width::W64, new, RAX);
        let op = match op {
            Rmw::And => Alu::And,
            Rmw::Or => Alu::Or,
            _ => Alu::Xor,
        };
        let value = self.rm(&value);
        self.asm.alu(op, Width::W64, new, value);
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.lock_cmpxchg(log2, access.mem, new);
        self.asm.jcc(Cond::Ne, &mut again);
        self.end_access(access);
        self.free_gpr(new);
        if let Rm::Reg(value) = value {
            self.free_gpr(value);
        }
        self.extend_narrow(log2, RAX);
        self.push_gpr(ty, RAX);
    }

    fn atomic_cmpxchg(&mut self, memarg: &wasmparser::MemArg, log2: u8, ty: Ty) {
        let (expected, new) = self.pop2();
        let index = self.pop();
        let new = self.away_from_rax(&new);
        let index = self.away_from_rax(&index);
        if expected.loc() != Loc::Gpr(RAX) {
            self.take_gpr(RAX);
            self.load_gpr(RAX, &expected);
            self.free(&expected);
        }
        let access = self.atomic_access(memarg, &index, log2);
        let Loc::Gpr(new) = new.loc() else { unreachable!("it is in a register") };
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.lock_cmpxchg(log2, access.mem, new);
        self.end_access(access);
        self.free_gpr(new);
        self.extend_narrow(log2, RAX);
        self.push_gpr(ty, RAX);
    }

    /// A register of the operator's with the address that is waited at, from the start of the memory.
    fn waiting_address(&mut self, memarg: &wasmparser::MemArg, index: &Operand, log2: u8) -> Gpr {
        let reg = self.owned_gpr(index);
        self.check_alignment(memarg, reg, log2);
        self.asm.mov_imm(R11, memarg.offset);
        // Where both have 32 bits the sum does not wrap.
        self.asm.alu(Alu::Add, Width::W64, reg, Rm::Reg(R11));
        if self.shape.memories[MemArg::from(memarg).memory].index == IndexType::I64 {
            self.trap_if(Cond::B, TrapCode::MemoryOutOfBounds);
        }
        reg
    }

    fn atomic_wait(&mut self, memarg: &wasmparser::MemArg, call: Libcall, log2: u8) {
        let (expected, timeout) = self.pop2();
        let index = self.pop();
        let address = self.waiting_address(memarg, &index, log2);
        let args = [Self::memory_number(memarg), LibcallArg::Reg(address), expected.into(), timeout.into()];
        self.libcall(call, &args);
        self.push_size(RAX, IndexType::I32);
    }
}

/// What a read-modify-write operator does, the logarithm of the bytes that it accesses, and the type of what it gives.
fn read_modify_write(op: &Operator<'_>) -> Option<(wasmparser::MemArg, Rmw, u8, Ty)> {
    use Operator as Op;
    use Ty::{I32, I64};
    Some(match *op {
        Op::I32AtomicRmwAdd { memarg } => (memarg, Rmw::Add, 2, I32),
        Op::I64AtomicRmwAdd { memarg } => (memarg, Rmw::Add, 3, I64),
        Op::I32AtomicRmw8AddU { memarg } => (memarg, Rmw::Add, 0, I32),
        Op::I32AtomicRmw16AddU { memarg } => (memarg, Rmw::Add, 1, I32),
        Op::I64AtomicRmw8AddU { memarg } => (memarg, Rmw::Add, 0, I64),
        Op::I64AtomicRmw16AddU { memarg } => (memarg, Rmw::Add, 1, I64),
        Op::I64AtomicRmw32AddU { memarg } => (memarg, Rmw::Add, 2, I64),
        Op::I32AtomicRmwSub { memarg } => (memarg, Rmw::Sub, 2, I32),
        Op::I64AtomicRmwSub { memarg } => (memarg, Rmw::Sub, 3, I64),
        Op::I32AtomicRmw8SubU { memarg } => (memarg, Rmw::Sub, 0, I32),
        Op::I32AtomicRmw16SubU { memarg } => (memarg, Rmw::Sub, 1, I32),
        Op::I64AtomicRmw8SubU { memarg } => (memarg, Rmw::Sub, 0, I64),
        Op::I64AtomicRmw16SubU { memarg } => (memarg, Rmw::Sub, 1, I64),
        Op::I64AtomicRmw32SubU { memarg } => (memarg, Rmw::Sub, 2, I64),
        Op::I32AtomicRmwAnd { memarg } => (memarg, Rmw::And, 2, I32),
        Op::I64AtomicRmwAnd { memarg } => (memarg, Rmw::And, 3, I64),
        Op::I32AtomicRmw8AndU { memarg } => (memarg, Rmw::And, 0, I32),
        Op::I32AtomicRmw16AndU { memarg } => (memarg, Rmw::And, 1, I32),
        Op::I64AtomicRmw8AndU { memarg } => (memarg, Rmw::And, 0, I64),
        Op::I64AtomicRmw16AndU { memarg } => (memarg, Rmw::And, 1, I64),
        Op::I64AtomicRmw32AndU { memarg } => (memarg, Rmw::And, 2, I64),
        Op::I32AtomicRmwOr { memarg } => (memarg, Rmw::Or, 2, I32),
        Op::I64AtomicRmwOr { memarg } => (memarg, Rmw::Or, 3, I64),
        Op::I32AtomicRmw8OrU { memarg } => (memarg, Rmw::Or, 0, I32),
        Op::I32AtomicRmw16OrU { memarg } => (memarg, Rmw::Or, 1, I32),
        Op::I64AtomicRmw8OrU { memarg } => (memarg, Rmw::Or, 0, I64),
        Op::I64AtomicRmw16OrU { memarg } => (memarg, Rmw::Or, 1, I64),
        Op::I64AtomicRmw32OrU { memarg } => (memarg, Rmw::Or, 2, I64),
        Op::I32AtomicRmwXor { memarg } => (memarg, Rmw::Xor, 2, I32),
        Op::I64AtomicRmwXor { memarg } => (memarg, Rmw::Xor, 3, I64),
        Op::I32AtomicRmw8XorU { memarg } => (memarg, Rmw::Xor, 0, I32),
        Op::I32AtomicRmw16XorU { memarg } => (memarg, Rmw::Xor, 1, I32),
        Op::I64AtomicRmw8XorU { memarg } => (memarg, Rmw::Xor, 0, I64),
        Op::I64AtomicRmw16XorU { memarg } => (memarg, Rmw::Xor, 1, I64),
        Op::I64AtomicRmw32XorU { memarg } => (memarg, Rmw::Xor, 2, I64),
        Op::I32AtomicRmwXchg { memarg } => (memarg, Rmw::Xchg, 2, I32),
        Op::I64AtomicRmwXchg { memarg } => (memarg, Rmw::Xchg, 3, I64),
        Op::I32AtomicRmw8XchgU { memarg } => (memarg, Rmw::Xchg, 0, I32),
        Op::I32AtomicRmw16XchgU { memarg } => (memarg, Rmw::Xchg, 1, I32),
        Op::I64AtomicRmw8XchgU { memarg } => (memarg, Rmw::Xchg, 0, I64),
        Op::I64AtomicRmw16XchgU { memarg } => (memarg, Rmw::Xchg, 1, I64),
        Op::I64AtomicRmw32XchgU { memarg } => (memarg, Rmw::Xchg, 2, I64),
        Op::I32AtomicRmwCmpxchg { memarg } => (memarg, Rmw::Cmpxchg, 2, I32),
        Op::I64AtomicRmwCmpxchg { memarg } => (memarg, Rmw::Cmpxchg, 3, I64),
        Op::I32AtomicRmw8CmpxchgU { memarg } => (memarg, Rmw::Cmpxchg, 0, I32),
        Op::I32AtomicRmw16CmpxchgU { memarg } => (memarg, Rmw::Cmpxchg, 1, I32),
        Op::I64AtomicRmw8CmpxchgU { memarg } => (memarg, Rmw::Cmpxchg, 0, I64),
        Op::I64AtomicRmw16CmpxchgU { memarg } => (memarg, Rmw::Cmpxchg, 1, I64),
        Op::I64AtomicRmw32CmpxchgU { memarg } => (memarg, Rmw::Cmpxchg, 2, I64),
        _ => return None,
    })
}
