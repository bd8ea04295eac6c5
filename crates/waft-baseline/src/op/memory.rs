//! Linear memory: loads and stores. Every bounds check on a memory is decided here, and for bulk operations in `bulk.rs`.
//!
//! # Invariants
//!
//! * **M1** Each byte from a memory's base to [`Tunables::memory_reservation_bytes`] after it holds the memory or
//!   faults, if the memory is guarded. The base of no memory ever moves.
//! * **M2** An index of 32 bits is in a register whose upper half is zero (S3 in `stack.rs`), or is a constant of 32 bits.
//! * **M3** Thus an access to a guarded memory needs no check if `u32::MAX + offset + size` is within the reservation, or if the
//!   index is a constant and the access lies in the memory's minimum; otherwise `index <= reservation - offset - size` is
//!   checked.
//! * **M4** An access to any other memory is checked against the memory's length, unless the index is a constant and the access
//!   lies in the memory's minimum. Where pages have 64 KiB, `index <= length` is enough for an access that ends within
//!   [`MEMORY_GUARD_BYTES`] of the index.
//! * **M5** A checked address is all ones, which no guest may access, where the check fails: also while the processor
//!   speculates.
//!
//! [`Tunables::memory_reservation_bytes`]: waft_core::tier::Tunables::memory_reservation_bytes

use crate::code::MemArg;
use crate::compiler::Compiler;
use crate::value::{Loc, Operand, Ty};
use crate::x64::{Alu, Cond, Gpr, Mem, Op, R11, R14, RegSet, Rm, Width};
use waft_core::index::{MemoryIndex, TypedIndex};
use waft_core::layout;
use waft_core::limits::MEMORY_GUARD_BYTES;
use waft_core::trap::TrapCode;
use waft_core::types::{IndexType, MemoryTy};

/// The most bytes that an instruction accesses.
const ACCESS_BYTES_MAX: u64 = 16;

/// A load of an integer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Load {
    Whole,
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
}

impl Load {
    const fn op(self, width: Width) -> Op {
        match self {
            Self::Whole => Op::legacy(0x8b).wide(width.is_64()),
            Self::U32 => Op::legacy(0x8b),
            Self::S32 => Op::legacy(0x63).wide(true),
            Self::U8 => Op::of(0, 0xb6),
            Self::U16 => Op::of(0, 0xb7),
            Self::S8 => Op::of(0, 0xbe).wide(width.is_64()),
            Self::S16 => Op::of(0, 0xbf).wide(width.is_64()),
        }
    }
    const fn bytes(self, ty: Ty) -> u32 {
        match self {
            Self::U8 | Self::S8 => 1,
            Self::U16 | Self::S16 => 2,
            Self::U32 | Self::S32 => 4,
            Self::Whole => ty.width().bits() / 8,
        }
    }
}

/// The place of an access, and the registers of the operator's that it takes: one at most.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    pub(crate) mem: Mem,
    held: RegSet,
}

impl Compiler<'_> {
    /// The place of an access of `bytes` bytes at an index that was popped. Takes the scratch register: whatever else the
    /// operator needs is in place, or needs no scratch.
    pub(crate) fn access(&mut self, memarg: MemArg, index: &Operand, bytes: u32) -> Access {
        match self.near_index(memarg, index) {
            Some(reg) => Access { mem: Self::near_place(memarg, reg), held: RegSet::one(reg.0) },
            None => self.other_access(memarg, index, bytes),
        }
    }

    /// A register with the index of an access whose offset is near.
    #[inline(always)]
    fn near_index(&mut self, memarg: MemArg, index: &Operand) -> Option<Gpr> {
        let is_near = memarg.memory.index() == 0 && memarg.offset < self.near && index.constant().is_none();
        if is_near { Some(self.gpr(index)) } else { None }
    }

    /// The place of such an access.
    #[inline(always)]
    const fn near_place(memarg: MemArg, index: Gpr) -> Mem {
        Mem::indexed(R14, index, memarg.offset as i32)
    }

    /// Offsets below this need neither a check nor more than a displacement, if the index is no constant: 0 unless memory 0 is
    /// guarded and its base has a register of its own (M3).
    pub(crate) fn near_offsets(&self) -> u64 {
        match self.shape.memories.get(MemoryIndex::from_u32(0)) {
            Some(memory) if memory.is_guarded() && self.base_pinned => {
                let reservation = self.request.tunables.memory_reservation_bytes;
                reservation.saturating_sub(u64::from(u32::MAX) + ACCESS_BYTES_MAX).min(1 << 31)
            }
            _ => 0,
        }
    }

    #[inline(never)]
    fn other_access(&mut self, memarg: MemArg, index: &Operand, bytes: u32) -> Access {
        let memory = memarg.memory;
        if !self.shape.memories[memory].is_guarded() {
            return self.checked_access(memory, index, memarg.offset, bytes);
        }
        // Offsets have 32 bits here.
        let reach = memarg.offset + u64::from(bytes);
        let reservation = self.request.tunables.memory_reservation_bytes;
        if let Some(index) = index.constant() {
            let inside = index + reach <= self.min_bytes(memory).min(reservation);
            if u64::from(u32::MAX) + reach <= reservation || inside {
                return self.constant_access(memory, index + memarg.offset);
            }
        }
        if u64::from(u32::MAX) + reach > reservation {
            return self.reserved_access(memory, index, memarg.offset, reservation.checked_sub(reach));
        }
        let Ok(disp) = i32::try_from(memarg.offset) else {
            return self.far_access(memory, index, memarg.offset);
        };
        let reg = self.gpr(index);
        let base = self.memory_base(memory);
        Access { mem: Mem::indexed(base, reg, disp), held: RegSet::one(reg.0) }
    }

    /// An access at a constant distance from the base.
    fn constant_access(&mut self, memory: MemoryIndex, at: u64) -> Access {
        let base = self.memory_base(memory);
        if let Ok(disp) = i32::try_from(at) {
            return Access { mem: Mem::at(base, disp), held: RegSet::EMPTY };
        }
        let reg = self.alloc_gpr();
        self.asm.mov_imm(reg, at);
        Access { mem: Mem::indexed(base, reg, 0), held: RegSet::one(reg.0) }
    }

    /// An access whose offset fits no instruction.
    fn far_access(&mut self, memory: MemoryIndex, index: &Operand, offset: u64) -> Access {
        let reg = self.owned_gpr(index);
        self.asm.mov_imm(R11, offset);
        self.asm.alu(Alu::Add, Width::W64, reg, Rm::Reg(R11));
        let base = self.memory_base(memory);
        Access { mem: Mem::indexed(base, reg, 0), held: RegSet::one(reg.0) }
    }

    /// An access that could reach beyond the reservation (M3): `highest` is the highest index that does not.
    fn reserved_access(
        &mut self,
        memory: MemoryIndex,
        index: &Operand,
        offset: u64,
        highest: Option<u64>,
    ) -> Access {
        let reg = self.owned_gpr(index);
        match highest {
            // As `u32::MAX + reach` is beyond the reservation, this has 32 bits.
            Some(highest) => {
                self.asm.mov_imm(R11, highest);
                self.asm.alu(Alu::Cmp, Width::W64, R11, Rm::Reg(reg));
            }
            // Below whatever there is.
            None => {
                self.asm.mov_imm(R11, 0);
                self.asm.alu_imm(Alu::Cmp, Width::W64, Rm::Reg(R11), 1);
            }
        }
        self.masked_access(memory, reg, offset)
    }

    /// The address at `index` in `reg` plus `offset`, or all ones if the carry is set (M5).
    fn masked_access(&mut self, memory: MemoryIndex, reg: Gpr, offset: u64) -> Access {
        // All ones if the access is outside.
        let mask = self.alloc_gpr();
        self.asm.alu(Alu::Sbb, Width::W64, mask, Rm::Reg(mask));
        if offset != 0 {
            match i32::try_from(offset) {
                Ok(small) => self.asm.alu_imm(Alu::Add, Width::W64, Rm::Reg(reg), small),
                Err(_) => {
                    self.asm.mov_imm(R11, offset);
                    self.asm.alu(Alu::Add, Width::W64, reg, Rm::Reg(R11));
                }
            }
        }
        let base = self.memory_base(memory);
        self.asm.alu(Alu::Add, Width::W64, reg, Rm::Reg(base));
        self.asm.alu(Alu::Or, Width::W64, reg, Rm::Reg(mask));
        self.free_gpr(mask);
        Access { mem: Mem::at(reg, 0), held: RegSet::one(reg.0) }
    }

    /// An access to a memory that is not guarded (M4).
    fn checked_access(&mut self, memory: MemoryIndex, index: &Operand, offset: u64, bytes: u32) -> Access {
        let ty = self.shape.memories[memory];
        let reach = offset.checked_add(bytes.into());
        if let (Some(index), Some(reach)) = (index.constant(), reach)
            && index.checked_add(reach).is_some_and(|end| end <= self.min_bytes(memory))
        {
            return self.constant_access(memory, index + offset);
        }
        let reg = self.owned_gpr(index);
        let Some(reach) = reach else {
            // No index is inside.
            self.asm.mov_imm(R11, 0);
            self.asm.alu_imm(Alu::Cmp, Width::W64, Rm::Reg(R11), 1);
            return self.masked_access(memory, reg, 0);
        };
        if ty.page_bytes_log2 == MemoryTy::PAGE_BYTES_LOG2 && reach <= MEMORY_GUARD_BYTES {
            self.memory_len(R11, memory);
            self.asm.alu(Alu::Cmp, Width::W64, R11, Rm::Reg(reg));
            return self.masked_access(memory, reg, offset);
        }
        // The end of the access, or no such number.
        let end = self.alloc_gpr();
        self.asm.mov_imm(end, reach);
        self.asm.alu(Alu::Add, Width::W64, end, Rm::Reg(reg));
        if ty.index == IndexType::I64 {
            let mut fits = crate::x64::Label::NEW;
            self.asm.jcc(Cond::Ae, &mut fits);
            self.asm.mov_imm(end, u64::MAX);
            self.asm.bind(&mut fits);
        }
        self.memory_len(R11, memory);
        self.asm.alu(Alu::Cmp, Width::W64, R11, Rm::Reg(end));
        self.free_gpr(end);
        self.masked_access(memory, reg, offset)
    }

    /// Gives back what the access took.
    pub(crate) fn end_access(&mut self, access: Access) {
        self.free_gpr_set(access.held);
    }

    /// The bytes that the memory always has.
    pub(crate) fn min_bytes(&self, memory: MemoryIndex) -> u64 {
        let ty = &self.shape.memories[memory];
        ty.bytes(ty.limits.min)
    }

    /// A register with the base of a memory: the scratch register unless the base has one of its own.
    pub(crate) fn memory_base(&mut self, memory: MemoryIndex) -> Gpr {
        if memory.index() == 0 && self.base_pinned {
            return R14;
        }
        self.load_context(R11);
        self.load_memory_base(R11, R11, memory);
        R11
    }

    /// Loads the length of a memory in bytes, now.
    pub(crate) fn memory_len(&mut self, dst: Gpr, memory: MemoryIndex) {
        self.load_context(dst);
        let at = match self.shape.defined_memory(memory) {
            Some(defined) => Mem::at(dst, self.layout.memory(defined) as i32),
            None => {
                self.asm.load(Width::W64, dst, Mem::at(dst, self.layout.memory_ref(memory) as i32));
                Mem::at(dst, 0)
            }
        };
        self.asm.load(Width::W64, dst, at.plus(layout::memory::LEN as i32));
        if self.shape.memories[memory].shared {
            // Other threads let it grow. Loads of this processor are ordered.
            self.asm.load(Width::W64, dst, Mem::at(dst, 0));
        }
    }

    /// A load of an integer.
    #[inline(always)]
    pub(crate) fn load_int(&mut self, load: Load, ty: Ty) {
        self.load_by(load.op(ty.width()), load.bytes(ty), ty);
    }

    fn load_by(&mut self, op: Op, bytes: u32, ty: Ty) {
        let memarg = self.code.memarg();
        let index = self.pop();
        // PERF: what most loads are, with all that is known of them.
        let Some(reg) = self.near_index(memarg, &index) else {
            return self.load_elsewhere(op, memarg, &index, bytes, ty);
        };
        self.free_gpr(reg);
        let dst = self.result_gpr();
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, dst.0, Self::near_place(memarg, reg));
        self.push_gpr(ty, dst);
    }

    #[inline(never)]
    fn load_elsewhere(&mut self, op: Op, memarg: MemArg, index: &Operand, bytes: u32, ty: Ty) {
        let access = self.other_access(memarg, index, bytes);
        self.end_access(access);
        let dst = self.result_gpr();
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.rm(op, dst.0, access.mem);
        self.push_gpr(ty, dst);
    }

    /// One load.
    pub(crate) fn emit_load(&mut self, load: Load, width: Width, dst: Gpr, mem: Mem) {
        self.asm.rm(load.op(width), dst.0, mem);
    }

    /// A load of a float or vector.
    pub(crate) fn load_float_op(&mut self, memarg: MemArg, ty: Ty) {
        let index = self.pop();
        let access = self.access(memarg, &index, Self::float_bytes(ty));
        self.end_access(access);
        let dst = self.result_xmm();
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.load_float(ty, dst, access.mem);
        self.push_xmm(ty, dst);
    }

    const fn float_bytes(ty: Ty) -> u32 {
        match ty {
            Ty::F32 => 4,
            Ty::F64 => 8,
            _ => 16,
        }
    }

    /// A store of an integer's lowest `bytes` bytes.
    pub(crate) fn store_int(&mut self, bytes: u32) {
        let memarg = self.code.memarg();
        let (index, value) = self.pop2();
        let imm = value.imm32();
        let reg = match imm {
            Some(_) => None,
            None => Some(self.gpr(&value)),
        };
        let access = self.access(memarg, &index, bytes);
        self.may_fault(TrapCode::MemoryOutOfBounds);
        match reg {
            Some(reg) => {
                self.asm.store_bytes(bytes, access.mem, reg);
                self.free_gpr(reg);
            }
            None => self.asm.store_imm_bytes(bytes, access.mem, imm.unwrap_or(0)),
        }
        self.end_access(access);
    }

    /// A store of a float or vector.
    pub(crate) fn store_float_op(&mut self, memarg: MemArg, ty: Ty) {
        let (index, value) = self.pop2();
        let reg = self.xmm(&value);
        let access = self.access(memarg, &index, Self::float_bytes(ty));
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.store_float(ty, access.mem, reg);
        self.end_access(access);
        self.free_xmm(reg);
    }

    /// Pushes a size of 64 bits, in a register of the operator's, as the guest sees it.
    pub(crate) fn push_size(&mut self, reg: Gpr, index: IndexType) {
        match index {
            IndexType::I32 => {
                self.asm.mov(Width::W32, reg, reg);
                self.push_gpr(Ty::I32, reg);
            }
            IndexType::I64 => self.push_gpr(Ty::I64, reg),
        }
    }

    /// A constant on the stack.
    pub(crate) fn push_const(&mut self, ty: Ty, bits: u64) {
        self.push(ty, Loc::Const(bits));
    }
}
