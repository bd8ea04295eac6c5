//! Linear memory: loads, stores, bulk operations. Every bounds check on a memory is decided here.
//!
//! # Invariants
//!
//! * **M1** Each byte from a memory's base to [`Tunables::memory_reservation_bytes`] after it holds the memory or
//!   faults, if the memory is guarded: addresses have 32 bits, and pages 64 KiB. The base of no memory ever moves.
//! * **M2** An index of 32 bits is zero-extended to 64 by an instruction before it becomes part of an address.
//! * **M3** Thus an access to a guarded memory at `index + offset` of `size` bytes needs no check if `u32::MAX + offset + size` is within
//!   the reservation, or if `index` is a constant and the access lies in the memory's minimum; otherwise the code
//!   checks `index <= reservation - offset - size`, and an index that fails it gets null for an address even while the
//!   processor speculates.
//! * **M4** An access to any other memory is checked against the memory's length, in the same way, unless the index is a
//!   constant and the access lies in the memory's minimum. Where pages have 64 KiB, `index <= length` is enough for an
//!   access that ends within [`MEMORY_GUARD_BYTES`] of the index: so many bytes after the memory fault.
//!
//! [`Tunables::memory_reservation_bytes`]: waft_core::tier::Tunables::memory_reservation_bytes

use crate::context::Region;
use crate::translator::FuncTranslator;
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I8X16, I16, I32, I64};
use cranelift_codegen::ir::{Endianness, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value};
use waft_core::index::{MemoryIndex, TypedIndex};
use waft_core::layout;
use waft_core::libcall::Libcall;
use waft_core::limits::MEMORY_GUARD_BYTES;
use waft_core::trap::TrapCode;
use waft_core::types::{IndexType, MemoryTy};
use wasmparser::{MemArg, MemArgTarget};

/// Copies and fills of constant length up to this become loads and stores: beyond, the engine's loop is as fast. As
/// Wasmtime 48 measured for copies; fills follow suit.
const INLINE_BYTES_MAX: u64 = 128;

/// Where a `VmMemory` is: at an offset from a value.
struct MemoryPlace {
    base: Value,
    offset: u32,
}

impl FuncTranslator<'_, '_> {
    /// Pops an index and gives the flags, the address and the offset for an access of `access_bytes` bytes.
    pub(crate) fn heap_access(&mut self, memarg: &MemArg, access_bytes: u32) -> (MemFlagsData, Value, i32) {
        let index = self.pop();
        self.heap_access_at(index, memarg, access_bytes)
    }

    /// The same with an index that was popped.
    pub(crate) fn heap_access_at(
        &mut self,
        index: Value,
        memarg: &MemArg,
        access_bytes: u32,
    ) -> (MemFlagsData, Value, i32) {
        let memory = memory_of(memarg);
        let flags = MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_alias_region(Some(self.region(Region::Heap)))
            .with_trap_code(Some(clif_trap(TrapCode::MemoryOutOfBounds)));
        if !self.shape.memories[memory].is_guarded() {
            return (flags, self.checked_address(memory, index, memarg.offset, access_bytes), 0);
        }
        // Offsets have 32 bits here.
        let reach = memarg.offset + u64::from(access_bytes);
        let index64 = self.builder.ins().uextend(I64, index);
        let base = self.memory_base(memory);
        let address = self.builder.ins().iadd(base, index64);
        if self.needs_no_check(memory, index, reach) {
            return match i32::try_from(memarg.offset) {
                Ok(offset) => (flags, address, offset),
                Err(_) => (flags, self.displace(address, memarg.offset), 0),
            };
        }
        // The offset is added before the guard, or speculation could reach that far.
        let address = self.displace(address, memarg.offset);
        let null = self.builder.ins().iconst(I64, 0);
        let Some(highest) = self.request.tunables.memory_reservation_bytes.checked_sub(reach) else {
            return (flags, null, 0);
        };
        // As `u32::MAX + reach` is beyond the reservation, `highest` has 32 bits.
        let highest = self.builder.ins().iconst(I32, highest as i64);
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, highest);
        (flags, self.builder.ins().select_spectre_guard(outside, null, address), 0)
    }

    fn needs_no_check(&self, memory: MemoryIndex, index: Value, reach: u64) -> bool {
        let reservation = self.request.tunables.memory_reservation_bytes;
        if u64::from(u32::MAX) + reach <= reservation {
            return true;
        }
        let min_bytes = self.min_bytes(memory);
        self.constant(index)
            .is_some_and(|index| u64::from(index as u32) + reach <= min_bytes.min(reservation))
    }

    /// The bytes that the memory always has.
    fn min_bytes(&self, memory: MemoryIndex) -> u64 {
        let ty = &self.shape.memories[memory];
        ty.bytes(ty.limits.min)
    }

    /// The address of an access to a memory that is not guarded, or null if it is outside (M4).
    fn checked_address(
        &mut self,
        memory: MemoryIndex,
        index: Value,
        offset: u64,
        access_bytes: u32,
    ) -> Value {
        let null = self.builder.ins().iconst(I64, 0);
        let Some(reach) = offset.checked_add(access_bytes.into()) else { return null };
        let ty = self.shape.memories[memory];
        let constant = self.constant(index).map(|index| ty.index.index(u128::from(index as u64)));
        let index = self.widen_index(index);
        let base = self.memory_base(memory);
        let address = self.builder.ins().iadd(base, index);
        let address = self.displace(address, offset);
        let always_inside =
            |index: u64| index.checked_add(reach).is_some_and(|end| end <= self.min_bytes(memory));
        if constant.is_some_and(always_inside) {
            return address;
        }
        let outside = self.is_outside(memory, index, reach);
        self.builder.ins().select_spectre_guard(outside, null, address)
    }

    /// Whether an access that ends `reach` bytes after `index`, which has 64 bits, is outside of the memory, or at least
    /// begins where nothing is (M4).
    fn is_outside(&mut self, memory: MemoryIndex, index: Value, reach: u64) -> Value {
        let ty = self.shape.memories[memory];
        let len = self.memory_len(memory);
        if ty.page_bytes_log2 == MemoryTy::PAGE_BYTES_LOG2 && reach <= MEMORY_GUARD_BYTES {
            return self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, len);
        }
        let reach_value = self.builder.ins().iconst(I64, reach as i64);
        if ty.index == IndexType::I32 {
            // Index and offset have 32 bits each: the sum does not wrap.
            let end = self.builder.ins().iadd(index, reach_value);
            return self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        }
        let highest = self.builder.ins().isub(len, reach_value);
        let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, highest);
        if reach <= self.min_bytes(memory) {
            return beyond;
        }
        // In a memory shorter than that, `highest` has wrapped.
        let short = self.builder.ins().icmp(IntCC::UnsignedLessThan, len, reach_value);
        self.builder.ins().bor(beyond, short)
    }

    /// An index as 64 bits (M2).
    pub(crate) fn widen_index(&mut self, index: Value) -> Value {
        match self.builder.func.dfg.value_type(index) {
            I64 => index,
            _ => self.builder.ins().uextend(I64, index),
        }
    }

    fn displace(&mut self, address: Value, offset: u64) -> Value {
        let offset = self.builder.ins().iconst(I64, offset as i64);
        self.builder.ins().iadd(address, offset)
    }

    /// The value of an integer constant.
    pub(crate) fn constant(&self, value: Value) -> Option<i64> {
        let dfg = &self.builder.func.dfg;
        match dfg.insts[dfg.value_def(value).inst()?] {
            InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => Some(imm.bits()),
            _ => None,
        }
    }

    fn memory_place(&mut self, memory: MemoryIndex) -> MemoryPlace {
        let context = self.vm.context;
        match self.shape.defined_memory(memory) {
            Some(defined) => MemoryPlace { base: context, offset: self.layout.memory(defined) },
            None => {
                let pointer = self.load_constant(I64, context, self.layout.memory_ref(memory));
                MemoryPlace { base: pointer, offset: 0 }
            }
        }
    }

    /// The address of the memory's first byte: it never changes.
    fn memory_base(&mut self, memory: MemoryIndex) -> Value {
        if memory.index() == 0 {
            return match self.shape.defined_memory(memory) {
                Some(defined) => {
                    self.memory_base_once(self.layout.memory(defined) + layout::memory::BASE, None)
                }
                None => self.memory_base_once(self.layout.memory_ref(memory), Some(layout::memory::BASE)),
            };
        }
        let place = self.memory_place(memory);
        self.load_constant(I64, place.base, place.offset + layout::memory::BASE)
    }

    /// The memory's size in bytes, now.
    fn memory_len(&mut self, memory: MemoryIndex) -> Value {
        let place = self.memory_place(memory);
        if self.shape.memories[memory].shared {
            // Other threads let it grow.
            let at = self.load_constant(I64, place.base, place.offset + layout::memory::LEN);
            let flags = self.trusted(Region::Context);
            return self.builder.ins().atomic_load(I64, flags, at);
        }
        let flags = self.trusted(Region::Context);
        self.builder.ins().load(I64, flags, place.base, (place.offset + layout::memory::LEN) as i32)
    }

    /// A load of `ty`.
    pub(crate) fn load(&mut self, memarg: &MemArg, ty: Type) {
        let (flags, address, offset) = self.heap_access(memarg, ty.bytes());
        let value = self.builder.ins().load(ty, flags, address, offset);
        self.push(value);
    }

    /// A load of the integer `narrow`, extended to `wide`.
    pub(crate) fn load_extended(&mut self, memarg: &MemArg, narrow: Type, wide: Type, signed: bool) {
        let (flags, address, offset) = self.heap_access(memarg, narrow.bytes());
        let opcode = match (narrow, signed) {
            (I8, true) => Opcode::Sload8,
            (I8, false) => Opcode::Uload8,
            (I16, true) => Opcode::Sload16,
            (I16, false) => Opcode::Uload16,
            (_, true) => Opcode::Sload32,
            (_, false) => Opcode::Uload32,
        };
        let flags = self.builder.func.dfg.mem_flags.insert_unchecked(flags);
        let (inst, dfg) = self.builder.ins().Load(opcode, wide, flags, offset.into(), address);
        let value = dfg.first_result(inst);
        self.push(value);
    }

    /// A store of a value as it is.
    pub(crate) fn store(&mut self, memarg: &MemArg) {
        let value = self.pop();
        let bytes = self.builder.func.dfg.value_type(value).bytes();
        let (flags, address, offset) = self.heap_access(memarg, bytes);
        self.builder.ins().store(flags, value, address, offset);
    }

    /// A store of the low part of an integer, of type `narrow`.
    pub(crate) fn store_narrow(&mut self, memarg: &MemArg, narrow: Type) {
        let value = self.pop();
        let (flags, address, offset) = self.heap_access(memarg, narrow.bytes());
        match narrow {
            I8 => self.builder.ins().istore8(flags, value, address, offset),
            I16 => self.builder.ins().istore16(flags, value, address, offset),
            _ => self.builder.ins().istore32(flags, value, address, offset),
        };
    }

    /// `memory.size`, in pages.
    pub(crate) fn memory_size(&mut self, memory: u32) {
        let memory = MemoryIndex::from_u32(memory);
        let ty = self.shape.memories[memory];
        let bytes = self.memory_len(memory);
        let pages = self.builder.ins().ushr_imm_u(bytes, i64::from(ty.page_bytes_log2));
        self.push_size(pages, ty.index);
    }

    /// `memory.grow`.
    pub(crate) fn memory_grow(&mut self, memory: u32) {
        let delta = self.pop();
        let delta = self.widen_index(delta);
        let index = self.shape.memories[MemoryIndex::from_u32(memory)].index;
        let memory = self.number(memory);
        let before = self.libcall_result(Libcall::MemoryGrow, &[memory, delta]);
        self.push_size(before, index);
    }

    /// `memory.copy`.
    pub(crate) fn memory_copy(&mut self, dst_memory: u32, src_memory: u32) {
        let (dst, src, len) = self.pop3();
        let constant = self.constant_len(len);
        let dst = self.widen_index(dst);
        let src = self.widen_index(src);
        let len = self.widen_index(len);
        let src = self.checked_range(MemoryIndex::from_u32(src_memory), src, len);
        let dst = self.checked_range(MemoryIndex::from_u32(dst_memory), dst, len);
        match constant {
            Some(bytes) if bytes <= INLINE_BYTES_MAX => self.copy_inline(dst, src, bytes),
            _ => drop(self.libcall(Libcall::MemoryMove, &[dst, src, len])),
        }
    }

    /// `memory.fill`.
    pub(crate) fn memory_fill(&mut self, memory: u32) {
        let (dst, value, len) = self.pop3();
        let constant = self.constant_len(len);
        let dst = self.widen_index(dst);
        let len = self.widen_index(len);
        let dst = self.checked_range(MemoryIndex::from_u32(memory), dst, len);
        match constant {
            Some(bytes) if bytes <= INLINE_BYTES_MAX => self.fill_inline(dst, value, bytes),
            _ => drop(self.libcall(Libcall::MemorySet, &[dst, value, len])),
        }
    }

    /// `memory.init`.
    pub(crate) fn memory_init(&mut self, memory: u32, data: u32) {
        let (dst, src, len) = self.pop3();
        let dst = self.widen_index(dst);
        let (memory, data) = (self.number(memory), self.number(data));
        self.libcall(Libcall::MemoryInit, &[memory, data, dst, src, len]);
    }

    /// `data.drop`.
    pub(crate) fn data_drop(&mut self, data: u32) {
        let data = self.number(data);
        self.libcall(Libcall::DataDrop, &[data]);
    }

    /// The number of bytes of a bulk operation, if it is a constant.
    fn constant_len(&self, len: Value) -> Option<u64> {
        let bits = self.constant(len)?;
        let narrow = self.builder.func.dfg.value_type(len) == I32;
        Some(if narrow { u64::from(bits as u32) } else { bits as u64 })
    }

    /// The address of the byte at `start`, after a check that the `bytes` from there are in the memory. Both have 64
    /// bits; if the memory's indices have 32, both have been extended.
    fn checked_range(&mut self, memory: MemoryIndex, start: Value, bytes: Value) -> Value {
        let ty = self.shape.memories[memory];
        let len = self.memory_len(memory);
        let outside = match ty.index {
            IndexType::I32 => {
                // Both terms have 32 bits: the sum does not wrap.
                let end = self.builder.ins().iadd(start, bytes);
                self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, len)
            }
            IndexType::I64 => {
                let highest = self.builder.ins().isub(len, bytes);
                let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, start, highest);
                let short = self.builder.ins().icmp(IntCC::UnsignedLessThan, len, bytes);
                self.builder.ins().bor(beyond, short)
            }
        };
        self.trap_if_not_zero(outside, TrapCode::MemoryOutOfBounds);
        let base = self.memory_base(memory);
        let address = self.builder.ins().iadd(base, start);
        if ty.is_guarded() {
            return address;
        }
        // Where the trap is mispredicted, the address could be anywhere.
        let null = self.builder.ins().iconst(I64, 0);
        self.builder.ins().select_spectre_guard(outside, null, address)
    }

    /// Copies between ranges that were checked and may overlap: all is loaded before anything is stored.
    fn copy_inline(&mut self, dst: Value, src: Value, bytes: u64) {
        let flags = self.checked_flags();
        let loaded: Vec<_> =
            pieces(bytes).map(|(at, ty)| (at, self.builder.ins().load(ty, flags, src, at))).collect();
        for (at, value) in loaded {
            self.builder.ins().store(flags, value, dst, at);
        }
    }

    /// Fills a range that was checked with the low byte of `value`.
    fn fill_inline(&mut self, dst: Value, value: Value, bytes: u64) {
        let flags = self.checked_flags();
        let byte = self.builder.ins().ireduce(I8, value);
        let mut of_type: Vec<(Type, Value)> = Vec::new();
        for (at, ty) in pieces(bytes) {
            let known = of_type.iter().find(|(known, _)| *known == ty);
            let value = match known {
                Some((_, value)) => *value,
                None => {
                    let value = self.repeat_byte(byte, ty);
                    of_type.push((ty, value));
                    value
                }
            };
            self.builder.ins().store(flags, value, dst, at);
        }
    }

    /// A value of type `ty` whose bytes are all `byte`.
    fn repeat_byte(&mut self, byte: Value, ty: Type) -> Value {
        match ty {
            I8 => byte,
            I8X16 => self.builder.ins().splat(I8X16, byte),
            _ => {
                let wide = self.builder.ins().uextend(ty, byte);
                let ones = u64::MAX >> (64 - ty.bits());
                self.builder.ins().imul_imm_u(wide, (ones / 0xff) as i64)
            }
        }
    }

    /// Flags for memory that was checked by code: it is neither aligned nor does it fault.
    fn checked_flags(&mut self) -> MemFlagsData {
        let region = self.region(Region::Heap);
        MemFlagsData::new().with_notrap().with_endianness(Endianness::Little).with_alias_region(Some(region))
    }

    /// An immediate of the operator as an argument of a library call.
    pub(crate) fn number(&mut self, number: u32) -> Value {
        self.builder.ins().iconst(I32, i64::from(number))
    }

    /// Pushes a size, of 64 bits, as the guest sees it: a memory's or a table's with such indices.
    pub(crate) fn push_size(&mut self, size: Value, index: IndexType) {
        let size = match index {
            IndexType::I32 => self.builder.ins().ireduce(I32, size),
            IndexType::I64 => size,
        };
        self.push(size);
    }
}

/// The pieces that a range of `bytes` bytes is worked on in: where each starts, and a type of its size.
fn pieces(bytes: u64) -> impl Iterator<Item = (i32, Type)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let ty = match bytes - at {
            0 => return None,
            1 => I8,
            2..4 => I16,
            4..8 => I32,
            8..16 => I64,
            _ => I8X16,
        };
        let piece = (at as i32, ty);
        at += u64::from(ty.bytes());
        Some(piece)
    })
}

/// The memory that an operator accesses.
pub(crate) fn memory_of(memarg: &MemArg) -> MemoryIndex {
    match memarg.target {
        MemArgTarget::Memory(memory) => MemoryIndex::from_u32(memory),
        ref other => unreachable!("validation refuses accesses to {other:?}"),
    }
}
