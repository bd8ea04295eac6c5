//! Operations on whole memories: size, growth, copies and fills. The engine's library does the work.

use crate::call::LibcallArg;
use crate::code::MemArg;
use crate::compiler::Compiler;
use crate::value::Operand;
use crate::x64::{Alu, Cond, Gpr, R11, RAX, Rm, Shift, Width};
use waft_core::index::MemoryIndex;
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::IndexType;

impl Compiler<'_> {
    /// `memory.size`, in pages.
    pub(crate) fn memory_size(&mut self, memory: u32) {
        let memory = MemoryIndex::from_u32(memory);
        let ty = self.shape.memories[memory];
        let dst = self.alloc_gpr();
        self.memory_len(dst, memory);
        if ty.page_bytes_log2 != 0 {
            self.asm.shift_imm(Shift::Shr, Width::W64, dst, ty.page_bytes_log2);
        }
        self.push_size(dst, ty.index);
    }

    /// `memory.grow`.
    pub(crate) fn memory_grow(&mut self, memory: u32) {
        let delta = self.pop();
        let index = self.shape.memories[MemoryIndex::from_u32(memory)].index;
        self.libcall(Libcall::MemoryGrow, &[memory.into(), delta.into()]);
        self.push_size(RAX, index);
    }

    /// A register of the operator's with the address of the byte at `start`, after a check that the `len` bytes from there are
    /// in the memory. `len` stays.
    fn checked_range(&mut self, memory: MemoryIndex, start: &Operand, len: Gpr) -> Gpr {
        let ty = self.shape.memories[memory];
        let reg = self.owned_gpr(start);
        let end = self.alloc_gpr();
        // Indices of 32 bits have no upper half (S3): their sum does not wrap.
        self.asm.mov(Width::W64, end, reg);
        self.asm.alu(Alu::Add, Width::W64, end, Rm::Reg(len));
        if ty.index == IndexType::I64 {
            self.trap_if(Cond::B, TrapCode::MemoryOutOfBounds);
        }
        self.memory_len(R11, memory);
        self.asm.alu(Alu::Cmp, Width::W64, R11, Rm::Reg(end));
        self.trap_if(Cond::B, TrapCode::MemoryOutOfBounds);
        if !ty.is_guarded() {
            // Where the trap is mispredicted, the address could be anywhere.
            self.asm.alu(Alu::Sbb, Width::W64, end, Rm::Reg(end));
        }
        let base = self.memory_base(memory);
        self.asm.alu(Alu::Add, Width::W64, reg, Rm::Reg(base));
        if !ty.is_guarded() {
            self.asm.alu(Alu::Or, Width::W64, reg, Rm::Reg(end));
        }
        self.free_gpr(end);
        reg
    }

    /// `memory.copy`.
    pub(crate) fn memory_copy(&mut self, dst_memory: u32, src_memory: u32) {
        let len = self.pop();
        let (dst, src) = self.pop2();
        let len = self.gpr(&len);
        let src = self.checked_range(MemoryIndex::from_u32(src_memory), &src, len);
        let dst = self.checked_range(MemoryIndex::from_u32(dst_memory), &dst, len);
        self.libcall(Libcall::MemoryMove, &[dst, src, len].map(LibcallArg::Reg));
    }

    /// `memory.fill`.
    pub(crate) fn memory_fill(&mut self, memory: u32) {
        let len = self.pop();
        let (dst, value) = self.pop2();
        let len = self.gpr(&len);
        let dst = self.checked_range(MemoryIndex::from_u32(memory), &dst, len);
        self.libcall(Libcall::MemorySet, &[LibcallArg::Reg(dst), value.into(), LibcallArg::Reg(len)]);
    }

    /// `memory.init`.
    pub(crate) fn memory_init(&mut self, memory: u32, data: u32) {
        let len = self.pop();
        let (dst, src) = self.pop2();
        let args = [memory.into(), data.into(), dst.into(), src.into(), len.into()];
        self.libcall(Libcall::MemoryInit, &args);
    }

    /// `data.drop`.
    pub(crate) fn data_drop(&mut self, data: u32) {
        self.libcall(Libcall::DataDrop, &[data.into()]);
    }

    /// The number of the memory that an operator accesses, as an argument of a library call.
    pub(crate) fn memory_number(memarg: &wasmparser::MemArg) -> LibcallArg {
        LibcallArg::Number(MemArg::from(memarg).memory.as_u32())
    }
}
