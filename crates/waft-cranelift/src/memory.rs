//! Linear memory: loads, stores, bulk operations. Every bounds check on a memory is decided here.
//!
//! # Invariants
//!
//! * **M1** Each byte from a memory's base to [`Tunables::memory_reservation_bytes`] after it holds the memory or
//!   faults; the base never moves.
//! * **M2** An index is zero-extended to 64 bits by an instruction before it becomes part of an address.
//! * **M3** Thus an access at `index + offset` of `size` bytes needs no check if `u32::MAX + offset + size` is within
//!   the reservation, or if `index` is a constant and the access lies in the memory's minimum; otherwise the code
//!   checks `index <= reservation - offset - size`, and an index that fails it gets null for an address even while the
//!   processor speculates.
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
use waft_core::trap::TrapCode;
use waft_core::types::MemoryTy;
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
        let memory = memory_of(memarg);
        let reach = memarg.offset + u64::from(access_bytes);
        let flags = MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_alias_region(Some(self.region(Region::Heap)))
            .with_trap_code(Some(clif_trap(TrapCode::MemoryOutOfBounds)));
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
        let min_bytes = self.shape.memories[memory].limits.min * MemoryTy::PAGE_BYTES;
        self.constant(index)
            .is_some_and(|index| u64::from(index as u32) + reach <= min_bytes.min(reservation))
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
        let bytes = self.memory_len(MemoryIndex::from_u32(memory));
        let pages = self.builder.ins().ushr_imm_u(bytes, i64::from(MemoryTy::PAGE_BYTES.ilog2()));
        let pages = self.builder.ins().ireduce(I32, pages);
        self.push(pages);
    }

    /// `memory.grow`.
    pub(crate) fn memory_grow(&mut self, memory: u32) {
        let delta = self.pop();
        let delta = self.builder.ins().uextend(I64, delta);
        let memory = self.number(memory);
        let before = self.libcall(Libcall::MemoryGrow, &[memory, delta]);
        self.push_index(before);
    }

    /// `memory.copy`.
    pub(crate) fn memory_copy(&mut self, dst_memory: u32, src_memory: u32) {
        let (dst, src, len) = self.pop3();
        let constant = self.constant(len).map(|len| u64::from(len as u32));
        let dst = self.builder.ins().uextend(I64, dst);
        let src = self.builder.ins().uextend(I64, src);
        let len = self.builder.ins().uextend(I64, len);
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
        let constant = self.constant(len).map(|len| u64::from(len as u32));
        let dst = self.builder.ins().uextend(I64, dst);
        let len = self.builder.ins().uextend(I64, len);
        let dst = self.checked_range(MemoryIndex::from_u32(memory), dst, len);
        match constant {
            Some(bytes) if bytes <= INLINE_BYTES_MAX => self.fill_inline(dst, value, bytes),
            _ => drop(self.libcall(Libcall::MemorySet, &[dst, value, len])),
        }
    }

    /// `memory.init`.
    pub(crate) fn memory_init(&mut self, memory: u32, data: u32) {
        let (dst, src, len) = self.pop3();
        let dst = self.builder.ins().uextend(I64, dst);
        let (memory, data) = (self.number(memory), self.number(data));
        self.libcall(Libcall::MemoryInit, &[memory, data, dst, src, len]);
    }

    /// `data.drop`.
    pub(crate) fn data_drop(&mut self, data: u32) {
        let data = self.number(data);
        self.libcall(Libcall::DataDrop, &[data]);
    }

    /// The address of the byte at `start`, after a check that the `bytes` from there are in the memory. Both have been
    /// extended from 32 bits.
    fn checked_range(&mut self, memory: MemoryIndex, start: Value, bytes: Value) -> Value {
        let len = self.memory_len(memory);
        // Both terms have 32 bits: the sum does not wrap.
        let end = self.builder.ins().iadd(start, bytes);
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, len);
        self.trap_if_not_zero(outside, TrapCode::MemoryOutOfBounds);
        let base = self.memory_base(memory);
        self.builder.ins().iadd(base, start)
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

    /// Pushes a size that a library call gave, as the 32 bits that the guest sees.
    pub(crate) fn push_index(&mut self, size: Option<Value>) {
        let size = size.expect("the table of library calls gives growing a result");
        let size = self.builder.ins().ireduce(I32, size);
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

fn memory_of(memarg: &MemArg) -> MemoryIndex {
    match memarg.target {
        MemArgTarget::Memory(memory) => MemoryIndex::from_u32(memory),
        ref other => unreachable!("validation refuses accesses to {other:?}"),
    }
}
