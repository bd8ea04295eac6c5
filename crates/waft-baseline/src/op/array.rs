//! Arrays.

use super::gc::{Extension, StoredReg};
use crate::call::LibcallArg;
use crate::compiler::Compiler;
use crate::value::{Loc, Operand, Ty};
use crate::x64::{Alu, Cond, Gpr, Label, Mem, R11, RAX, Rm, Shift, VecOp, Width};
use waft_core::gc::{FieldType, NURSERY_END, array, object};
use waft_core::index::TypeIndex;
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::StorageTy;

/// Arrays of a constant length are filled by that many stores up to this; beyond, a loop is shorter.
const UNROLLED_MAX: u64 = 16;

impl Compiler<'_> {
    /// What the elements of a type of arrays hold.
    fn array_storage(&self, ty: u32) -> StorageTy {
        let ty = &self.shape.types[TypeIndex::from_u32(ty)];
        ty.composite.as_array().expect("validation wants a type of arrays here").storage
    }

    /// `array.len`.
    pub(crate) fn array_len(&mut self) {
        let array = self.pop();
        let array = self.gpr(&array);
        self.load_heap(R11);
        self.free_gpr(array);
        let dst = self.result_gpr();
        self.may_fault(TrapCode::NullReference);
        self.asm.load(Width::W32, dst, Mem::indexed(R11, array, object::ARRAY_LENGTH as i32));
        self.push_gpr(Ty::I32, dst);
    }

    /// Makes a register of the operator's the reference plus the scaled index, in 32 bits, after a check that there is such an
    /// element; the base of the heap is in the scratch register. What of `index` was a register of its own is gone.
    fn element(&mut self, array: Gpr, index: &Operand, storage: StorageTy) -> Gpr {
        let slot = self.owned_gpr(index);
        self.load_heap(R11);
        self.may_fault(TrapCode::NullReference);
        let length = Mem::indexed(R11, array, object::ARRAY_LENGTH as i32);
        self.asm.alu(Alu::Cmp, Width::W32, slot, Rm::Mem(length));
        self.trap_if(Cond::Ae, TrapCode::ArrayOutOfBounds);
        let log2 = FieldType::from(storage).log2_bytes() as u8;
        if log2 <= 3 {
            self.asm.lea(Width::W32, slot, Mem::scaled(array, slot, log2, 0));
        } else {
            self.asm.shift_imm(Shift::Shl, Width::W32, slot, log2);
            self.asm.alu(Alu::Add, Width::W32, slot, Rm::Reg(array));
        }
        slot
    }

    /// `array.get`, `array.get_s` and `array.get_u`.
    pub(crate) fn array_get(&mut self, ty: u32, extension: Extension) {
        let (array, index) = self.pop2();
        let storage = self.array_storage(ty);
        let array = self.gpr(&array);
        let slot = self.element(array, &index, storage);
        self.free_gpr(array);
        self.free_gpr(slot);
        self.load_field(Mem::indexed(R11, slot, object::ARRAY_ELEMENTS as i32), storage, extension);
    }

    /// `array.set`.
    pub(crate) fn array_set(&mut self, ty: u32) {
        let storage = self.array_storage(ty);
        self.stored_form(storage, 0);
        let value = self.pop();
        let (array, index) = self.pop2();
        let value = self.stored_reg(&value);
        let array = self.gpr(&array);
        let slot = self.element(array, &index, storage);
        let field = FieldType::from(storage);
        self.write_field(Mem::indexed(R11, slot, object::ARRAY_ELEMENTS as i32), field, value);
        if field == FieldType::GcRef {
            self.note_store(array, slot, object::ARRAY_ELEMENTS, value);
        }
        self.free_gpr(slot);
        self.free_gpr(array);
        self.free_stored(value);
    }

    /// `array.new`.
    pub(crate) fn array_new(&mut self, ty: u32) {
        let storage = self.array_storage(ty);
        self.stored_form(storage, 1);
        let array = self.make_array(ty);
        let length = self.pop();
        let value = self.pop();
        self.fill_new(array, &length, &value, storage);
        self.push_gpr(Ty::Ref, array);
    }

    /// `array.new_default`.
    pub(crate) fn array_new_default(&mut self, ty: u32) {
        let storage = self.array_storage(ty);
        let array = self.make_array(ty);
        let length = self.pop();
        let ty = match FieldType::from(storage) {
            FieldType::FuncRef => Ty::I32,
            _ => Ty::from(storage.unpacked()),
        };
        if ty == Ty::V128 {
            let zero = self.alloc_xmm();
            self.asm.v_zero(zero);
            let value = Operand::new(ty, Loc::Xmm(zero), 0);
            self.fill_new(array, &length, &value, storage);
        } else {
            let value = Operand::new(ty, Loc::Const(0), 0);
            self.fill_new(array, &length, &value, storage);
        }
        self.push_gpr(Ty::Ref, array);
    }

    /// `array.new_fixed`.
    pub(crate) fn array_new_fixed(&mut self, ty: u32, length: u32) {
        let storage = self.array_storage(ty);
        for at in 0..length as usize {
            self.stored_form(storage, at);
        }
        let field = FieldType::from(storage);
        // At most 10,000 elements of 16 bytes: the array is young.
        let bytes = array::size(field, length).expect("validation limits the length");
        let (array, heap) = self.new_object(ty, bytes);
        self.asm.store_imm(Width::W32, Mem::indexed(heap, array, object::ARRAY_LENGTH as i32), length as i32);
        for at in (0..length).rev() {
            let value = self.pop();
            let reg = self.stored_reg(&value);
            let offset = array::element_offset(field, at) as i32;
            self.write_field(Mem::indexed(heap, array, offset), field, reg);
            self.free_stored(reg);
        }
        self.free_gpr(heap);
        self.push_gpr(Ty::Ref, array);
    }

    /// An array whose length is on top of the stack and stays there, and whose elements are still to be written; one that is
    /// too large for the nursery is made by the engine.
    fn make_array(&mut self, ty: u32) -> Gpr {
        let field = FieldType::from(self.array_storage(ty));
        let top = *self.stack.last().expect("the length is on the stack");
        let young_max = array::young_length_max(field);
        if let Some(length) = top.constant().filter(|length| *length <= young_max.into()) {
            let bytes = array::size(field, length as u32).expect("it is small");
            let (array, heap) = self.new_object(ty, bytes);
            let place = Mem::indexed(heap, array, object::ARRAY_LENGTH as i32);
            self.asm.store_imm(Width::W32, place, length as i32);
            self.free_gpr(heap);
            return array;
        }
        // In its slot, where it is also after a call.
        let at = self.stack.len() - 1;
        self.settle_at(at, true);
        let top = self.stack[at];
        let (array, after, bytes) = (self.alloc_gpr(), self.alloc_gpr(), self.alloc_gpr());
        let (mut large, mut done) = (Label::NEW, Label::NEW);
        self.load_gpr(bytes, &top);
        self.asm.alu_imm(Alu::Cmp, Width::W32, Rm::Reg(bytes), young_max as i32);
        self.asm.jcc(Cond::A, &mut large);
        let whole = (object::ARRAY_ELEMENTS + object::ALIGN - 1) as i32;
        self.asm.shift_imm(Shift::Shl, Width::W32, bytes, field.log2_bytes() as u8);
        self.asm.alu_imm(Alu::Add, Width::W32, Rm::Reg(bytes), whole);
        self.asm.alu_imm(Alu::And, Width::W32, Rm::Reg(bytes), -(object::ALIGN as i32));
        self.bump_into(array, after, bytes);
        self.write_header(array, after, ty);
        self.load_gpr(R11, &top);
        self.asm.store(Width::W32, Mem::indexed(after, array, object::ARRAY_LENGTH as i32), R11);
        self.asm.jmp(&mut done);
        self.asm.bind(&mut large);
        self.libcall_aside(Libcall::ArrayNewLarge, &[LibcallArg::Type(ty), LibcallArg::Reg(bytes)], array);
        self.asm.bind(&mut done);
        self.free_gpr(bytes);
        self.free_gpr(after);
        array
    }

    /// Writes all elements of a new array. `length` and `value` were popped.
    fn fill_new(&mut self, array: Gpr, length: &Operand, value: &Operand, storage: StorageTy) {
        let field = FieldType::from(storage);
        let value = self.stored_reg(value);
        if let Some(count) = length.constant().filter(|count| *count <= UNROLLED_MAX) {
            self.load_heap(R11);
            for at in 0..count as u32 {
                let offset = array::element_offset(field, at) as i32;
                self.write_field(Mem::indexed(R11, array, offset), field, value);
            }
        } else {
            self.fill_loop(array, length, value, field);
        }
        self.free_stored(value);
    }

    fn fill_loop(&mut self, array: Gpr, length: &Operand, value: StoredReg, field: FieldType) {
        let end = self.owned_gpr(length);
        let at = self.alloc_gpr();
        self.load_heap(at);
        self.asm.lea(Width::W64, at, Mem::indexed(at, array, object::ARRAY_ELEMENTS as i32));
        if field == FieldType::V128 {
            self.asm.shift_imm(Shift::Shl, Width::W64, end, 4);
            self.asm.alu(Alu::Add, Width::W64, end, Rm::Reg(at));
        } else {
            self.asm.lea(Width::W64, end, Mem::scaled(at, end, field.log2_bytes() as u8, 0));
        }
        let (mut header, mut done) = (Label::NEW, Label::NEW);
        self.asm.bind(&mut header);
        self.asm.alu(Alu::Cmp, Width::W64, at, Rm::Reg(end));
        self.asm.jcc(Cond::Ae, &mut done);
        self.write_field(Mem::at(at, 0), field, value);
        self.asm.alu_imm(Alu::Add, Width::W64, Rm::Reg(at), field.bytes() as i32);
        self.asm.jmp(&mut header);
        self.asm.bind(&mut done);
        if field == FieldType::GcRef && !matches!(value, StoredReg::Imm(_)) {
            // Notes the elements if the array was made old. How many there are, it says itself.
            let mut young = Label::NEW;
            self.asm.alu_imm(Alu::Cmp, Width::W32, Rm::Reg(array), NURSERY_END as i32);
            self.asm.jcc(Cond::B, &mut young);
            self.load_heap(end);
            self.asm.load(Width::W32, end, Mem::indexed(end, array, object::ARRAY_LENGTH as i32));
            self.asm.lea(Width::W32, at, Mem::at(array, object::ARRAY_ELEMENTS as i32));
            self.remember(array, at, end);
            self.asm.bind(&mut young);
        }
        self.free_gpr(at);
        self.free_gpr(end);
    }

    /// Tells the engine of slots of the array in `array`, which stays where it is: nothing is collected.
    fn remember(&mut self, array: Gpr, first: Gpr, count: Gpr) {
        let slot = self.slot_at(self.slots_end + 8);
        self.slots_max = self.slots_max.max(self.slots_end + 8);
        self.asm.store(Width::W64, slot, array);
        self.libcall_aside_unit(Libcall::GcRemember, &[LibcallArg::Reg(first), LibcallArg::Reg(count)]);
        self.asm.load(Width::W64, array, slot);
    }

    /// `array.fill`.
    pub(crate) fn array_fill(&mut self, ty: u32) {
        let storage = self.array_storage(ty);
        self.stored_form(storage, 1);
        let (value, length) = self.pop2();
        let (array, at) = self.pop2();
        let (low, high) = self.as_words(&value);
        self.libcall(Libcall::ArrayFill, &[array.into(), at.into(), low, high, length.into()]);
    }

    /// The bits of a popped value in two words.
    fn as_words(&mut self, value: &Operand) -> (LibcallArg, LibcallArg) {
        let zero = LibcallArg::Number(0);
        if !value.ty().is_float() {
            return ((*value).into(), zero);
        }
        let reg = self.xmm(value);
        self.free_xmm(reg);
        let low = self.alloc_gpr();
        if value.ty() != Ty::V128 {
            self.asm.mov_from_xmm(value.ty().width(), low, reg);
            return (LibcallArg::Reg(low), zero);
        }
        let high = self.alloc_gpr();
        self.asm.mov_from_xmm(Width::W64, low, reg);
        // `pextrq`.
        self.asm.v_extract(VecOp::p3a(0x16), true, high, reg);
        self.asm.byte(1);
        (LibcallArg::Reg(low), LibcallArg::Reg(high))
    }

    /// `array.copy`.
    pub(crate) fn array_copy(&mut self) {
        let (src_at, length) = self.pop2();
        let (dst_at, src) = self.pop2();
        let dst = self.pop();
        let args = [dst, dst_at, src, src_at, length].map(LibcallArg::Operand);
        self.libcall(Libcall::ArrayCopy, &args);
    }

    /// `array.new_data` and `array.new_elem`.
    pub(crate) fn array_new_segment(&mut self, call: Libcall, ty: u32, segment: u32) {
        let (start, length) = self.pop2();
        self.libcall(call, &[LibcallArg::Type(ty), segment.into(), start.into(), length.into()]);
        self.push_gpr(Ty::Ref, RAX);
    }

    /// `array.init_data` and `array.init_elem`.
    pub(crate) fn array_init_segment(&mut self, call: Libcall, segment: u32) {
        let (src, length) = self.pop2();
        let (array, at) = self.pop2();
        self.libcall(call, &[array.into(), at.into(), segment.into(), src.into(), length.into()]);
    }
}
