//! Objects of the GC heap: where they are, how their fields are read and written; and small integers.
//!
//! # Invariants
//!
//! * **O1** A reference has no upper half (S3). What is added to it and to the base of the heap is a static offset smaller than
//!   the guard, or was added to the reference in 32 bits: no address leaves the heap's reservation, whatever the heap holds.
//! * **O2** Null needs no check of its own where the offset is smaller than [`NURSERY_START`]: the access faults.
//! * **O3** A number of a function that was read from the heap is checked against the store's list, and the function against the
//!   type that code expects: nothing else of what the heap holds is ever more than a number.
//! * **O4** An object is written whole before the next call: there is no collection in between.
//! * **O5** A reference that is stored into an object which may be old is noted ([`Compiler::note_store`]).

use super::alloc::gc_field;
use crate::call::LibcallArg;
use crate::compiler::Compiler;
use crate::op::memory::Load;
use crate::value::{Loc, Operand, Ty};
use crate::x64::{Alu, Cond, Gpr, Label, Mem, R11, Rm, Shift, Width};
use waft_core::gc::{FieldType, NURSERY_END, NURSERY_START, gc_state};
use waft_core::index::TypeIndex;
use waft_core::layout::{POINTER_BYTES, func_ref, store_context};
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::{HeapType, StorageTy, ValType};

/// How a packed field is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extension {
    /// With its sign.
    Signed,
    /// With zeros; also for fields that are not packed.
    Unsigned,
}

impl Compiler<'_> {
    /// The place of a field of the object in `object`, which traps if that is null. Takes the scratch register.
    pub(crate) fn field_place(&mut self, object: Gpr, offset: u32) -> Mem {
        if offset >= NURSERY_START {
            self.asm.test(Width::W32, object, object);
            self.trap_if(Cond::E, TrapCode::NullReference);
        }
        self.load_heap(R11);
        Mem::indexed(R11, object, offset as i32)
    }

    /// Reads a field and pushes what the guest sees.
    pub(crate) fn load_field(&mut self, place: Mem, storage: StorageTy, extension: Extension) {
        let signed = extension == Extension::Signed;
        let load = match (storage, signed) {
            (StorageTy::I8, true) => Load::S8,
            (StorageTy::I8, false) => Load::U8,
            (StorageTy::I16, true) => Load::S16,
            (StorageTy::I16, false) => Load::U16,
            _ => Load::Whole,
        };
        let ty = Ty::from(storage.unpacked());
        if ty.is_float() {
            let dst = self.result_xmm();
            self.may_fault(TrapCode::NullReference);
            self.load_float(ty, dst, place);
            return self.push_xmm(ty, dst);
        }
        if let StorageTy::Val(ValType::Ref(expected)) = storage
            && expected.is_func()
        {
            let number = self.alloc_gpr();
            self.may_fault(TrapCode::NullReference);
            self.asm.load(Width::W32, number, place);
            self.func_of(number, expected.heap_type());
            return self.push_gpr(Ty::Func, number);
        }
        let dst = self.result_gpr();
        self.may_fault(TrapCode::NullReference);
        self.emit_load(load, ty.width(), dst, place);
        self.push_gpr(ty, dst);
    }

    /// A register with an operand that is to be stored, if it needs one. To be given back. Takes the scratch register.
    pub(crate) fn stored_reg(&mut self, value: &Operand) -> StoredReg {
        if value.ty().is_float() {
            StoredReg::Xmm(self.xmm(value))
        } else {
            match value.imm32() {
                Some(imm) => StoredReg::Imm(imm),
                None => StoredReg::Gpr(self.gpr(value)),
            }
        }
    }

    pub(crate) fn free_stored(&mut self, reg: StoredReg) {
        match reg {
            StoredReg::Gpr(reg) => self.free_gpr(reg),
            StoredReg::Xmm(reg) => self.free_xmm(reg),
            StoredReg::Imm(_) => {}
        }
    }

    /// Writes a field; of functions, the number is what is written. Nothing is noted.
    pub(crate) fn write_field(&mut self, place: Mem, field: FieldType, value: StoredReg) {
        self.may_fault(TrapCode::NullReference);
        match (value, field) {
            (StoredReg::Xmm(reg), FieldType::F32) => self.asm.store_float(false, place, reg),
            (StoredReg::Xmm(reg), FieldType::F64) => self.asm.store_float(true, place, reg),
            (StoredReg::Xmm(reg), _) => self.asm.store_vector(place, reg),
            (StoredReg::Gpr(reg), FieldType::I8) => self.asm.store_bytes(1, place, reg),
            (StoredReg::Gpr(reg), FieldType::I16) => self.asm.store_bytes(2, place, reg),
            (StoredReg::Gpr(reg), FieldType::I64) => self.asm.store(Width::W64, place, reg),
            (StoredReg::Gpr(reg), _) => self.asm.store(Width::W32, place, reg),
            (StoredReg::Imm(imm), FieldType::I8) => self.asm.store_imm_bytes(1, place, imm),
            (StoredReg::Imm(imm), FieldType::I16) => self.asm.store_imm_bytes(2, place, imm),
            (StoredReg::Imm(imm), FieldType::I64) => self.asm.store_imm(Width::W64, place, imm),
            (StoredReg::Imm(imm), _) => self.asm.store_imm(Width::W32, place, imm),
        }
    }

    /// Notes the slot at `slot + offset`, of an object that may be old, if `value` may be young (O5).
    pub(crate) fn note_store(&mut self, object: Gpr, slot: Gpr, offset: u32, value: StoredReg) {
        let StoredReg::Gpr(value) = value else {
            // Null.
            return;
        };
        let (mut full, mut done) = (Label::NEW, Label::NEW);
        let store = self.alloc_gpr();
        let next = self.alloc_gpr();
        self.asm.alu_imm(Alu::Cmp, Width::W32, Rm::Reg(object), NURSERY_END as i32);
        self.asm.jcc(Cond::B, &mut done);
        self.asm.lea(Width::W32, R11, Mem::at(value, -1));
        self.asm.alu_imm(Alu::Cmp, Width::W32, Rm::Reg(R11), NURSERY_END as i32 - 1);
        self.asm.jcc(Cond::Ae, &mut done);
        self.load_store_context(store);
        self.asm.load(Width::W64, next, Mem::at(store, gc_field(gc_state::REMEMBER_NEXT)));
        self.asm.alu(Alu::Cmp, Width::W64, next, Rm::Mem(Mem::at(store, gc_field(gc_state::REMEMBER_END))));
        self.asm.jcc(Cond::E, &mut full);
        self.asm.lea(Width::W32, R11, Mem::at(slot, offset as i32));
        self.asm.store(Width::W32, Mem::at(next, 0), R11);
        self.asm.alu_imm(Alu::Add, Width::W64, Rm::Reg(next), 4);
        self.asm.store(Width::W64, Mem::at(store, gc_field(gc_state::REMEMBER_NEXT)), next);
        self.asm.jmp(&mut done);
        self.asm.bind(&mut full);
        self.asm.store_imm(Width::W32, Mem::at(store, gc_field(gc_state::REMEMBER_OVERFLOW)), 1);
        self.asm.bind(&mut done);
        self.free_gpr(store);
        self.free_gpr(next);
    }

    /// Replaces a number that the heap held by the function, of the type that code expects (O3).
    fn func_of(&mut self, number: Gpr, expected: HeapType) {
        let (found, table) = (self.alloc_gpr(), self.alloc_gpr());
        self.load_store_context(R11);
        self.asm.alu(Alu::Cmp, Width::W32, number, Rm::Mem(Mem::at(R11, store_context::FUNCS_COUNT as i32)));
        self.trap_if(Cond::Ae, TrapCode::CorruptHeap);
        // While the processor speculates past the check, 0.
        self.asm.alu(Alu::Sbb, Width::W64, found, Rm::Reg(found));
        self.asm.alu(Alu::And, Width::W64, number, Rm::Reg(found));
        self.asm.load(Width::W64, R11, Mem::at(R11, store_context::FUNCS as i32));
        self.asm.load(Width::W64, number, Mem::scaled(R11, number, POINTER_BYTES.ilog2() as u8, 0));
        if let HeapType::Concrete(ty) = expected {
            let (mut fits, mut fails) = (Label::NEW, Label::NEW);
            self.asm.test(Width::W64, number, number);
            self.asm.jcc(Cond::E, &mut fits);
            self.asm.load(Width::W32, found, Mem::at(number, func_ref::TYPE as i32));
            self.branch_on_type(found, table, TypeIndex::from_u32(ty.index), &mut fits, &mut fails);
            self.trap_at(fails, TrapCode::CorruptHeap);
            self.asm.bind(&mut fits);
        }
        self.free_gpr(found);
        self.free_gpr(table);
    }

    /// Turns the operand at `depth` from the top into what the heap holds: of a function, its number. May call the engine.
    pub(crate) fn stored_form(&mut self, storage: StorageTy, depth: usize) {
        if FieldType::from(storage) != FieldType::FuncRef {
            return;
        }
        let at = self.stack.len() - 1 - depth;
        let mut operand = self.stack[at];
        if operand.constant() != Some(0) {
            let (reg, mut done) = (self.alloc_gpr(), Label::NEW);
            self.load_gpr(reg, &operand);
            self.asm.test(Width::W64, reg, reg);
            self.asm.jcc(Cond::E, &mut done);
            self.asm.load(Width::W32, R11, Mem::at(reg, func_ref::ID as i32));
            let mut new = Label::NEW;
            self.asm.test(Width::W32, R11, R11);
            self.asm.jcc(Cond::E, &mut new);
            self.asm.mov(Width::W32, reg, R11);
            self.asm.jmp(&mut done);
            self.asm.bind(&mut new);
            self.libcall_aside(Libcall::FuncNumber, &[LibcallArg::Reg(reg)], reg);
            self.asm.bind(&mut done);
            operand = self.stack[at];
            if let Loc::Local(local) = operand.loc() {
                self.locals[local as usize].pending -= 1;
            }
            self.free(&operand);
            // It need not be settled even below `settled`: it is gone with this operator.
            let number = Operand::new(Ty::I32, Loc::Gpr(reg), operand.start());
            self.asm.store(Width::W64, self.slot(&number), reg);
            self.free_gpr(reg);
            operand = number.at(Loc::Slot);
        }
        self.stack[at] = operand.of_ty(Ty::I32);
    }

    /// `ref.i31`.
    pub(crate) fn ref_i31(&mut self) {
        let value = self.pop();
        if let Some(bits) = value.constant() {
            return self.push_const(Ty::Ref, u64::from((bits as u32) << 1 | 1));
        }
        let reg = self.owned_gpr(&value);
        self.asm.lea(Width::W32, reg, Mem::indexed(reg, reg, 1));
        self.push_gpr(Ty::Ref, reg);
    }

    /// `i31.get_s` and `i31.get_u`.
    pub(crate) fn i31_get(&mut self, extension: Extension) {
        let reference = self.pop();
        let reg = self.owned_gpr(&reference);
        self.asm.test(Width::W32, reg, reg);
        self.trap_if(Cond::E, TrapCode::NullReference);
        let shift = if extension == Extension::Signed { Shift::Sar } else { Shift::Shr };
        self.asm.shift_imm(shift, Width::W32, reg, 1);
        self.push_gpr(Ty::I32, reg);
    }
}

/// What is stored, ready to be.
#[derive(Clone, Copy)]
pub(crate) enum StoredReg {
    Gpr(Gpr),
    Xmm(crate::x64::Xmm),
    Imm(i32),
}
