//! Tests of types: one comparison with the type of the object, or one more with its display.
//!
//! # Invariants
//!
//! * **D1** A type's number is the offset of its row in the engine's table: a display is read at a number that came from a
//!   `VmFuncRef` or from a header in the GC heap. The latter may be anything: the table's reservation has 4 GiB and a guard,
//!   so the read stays in it, and at worst faults.

use crate::compiler::Compiler;
use crate::x64::{Alu, Cond, Gpr, Label, Mem, R11, Rm, Width};
use waft_core::gc::row;
use waft_core::index::{TableIndex, TypeIndex, TypedIndex};
use waft_core::layout::{VmLayout, func_ref};
use waft_core::trap::TrapCode;
use waft_core::types::HeapType;

impl Compiler<'_> {
    /// Traps unless the `VmFuncRef` at `reference` is one of type `ty` or a subtype; nothing is checked where the table holds
    /// nothing else. Loading the type of null faults, so null needs no check of its own.
    pub(crate) fn check_callee(&mut self, table: u32, reference: Gpr, ty: TypeIndex) {
        let element = self.shape.tables[TableIndex::from_u32(table)].element.heap_type();
        if self.shape.is_subtype(element, HeapType::Concrete(self.shape.concrete_type(ty))) {
            return;
        }
        if self.shape.types[ty].is_final {
            self.load_context(R11);
            self.load_type_id(R11, R11, ty.as_u32());
            self.may_fault(TrapCode::IndirectCallToNull);
            self.asm.alu(Alu::Cmp, Width::W32, R11, Rm::Mem(Mem::at(reference, func_ref::TYPE as i32)));
            return self.trap_if(Cond::Ne, TrapCode::BadSignature);
        }
        let found = self.alloc_gpr();
        self.may_fault(TrapCode::IndirectCallToNull);
        self.asm.load(Width::W32, found, Mem::at(reference, func_ref::TYPE as i32));
        let mut fits = Label::NEW;
        let mut fails = Label::NEW;
        self.branch_on_type(found, ty, &mut fits, &mut fails);
        self.trap_at(fails, TrapCode::BadSignature);
        self.asm.bind(&mut fits);
        self.free_gpr(found);
    }

    /// Branches to `fits` if the type with the number in `found` is `ty` or a subtype of it, else to `fails`. `found` is gone.
    pub(crate) fn branch_on_type(&mut self, found: Gpr, ty: TypeIndex, fits: &mut Label, fails: &mut Label) {
        self.load_context(R11);
        self.load_type_id(R11, R11, ty.as_u32());
        self.asm.alu(Alu::Cmp, Width::W32, found, Rm::Reg(R11));
        self.asm.jcc(Cond::E, fits);
        if self.shape.types[ty].is_final {
            return self.asm.jmp(fails);
        }
        let depth = self.type_depth(ty);
        self.load_row(found);
        self.may_fault(TrapCode::CorruptHeap);
        self.asm.alu(Alu::Cmp, Width::W32, R11, Rm::Mem(Mem::at(found, depth as i32 * 4)));
        self.asm.jcc(Cond::Ne, fails);
        if depth >= row::DISPLAY_WORDS_MIN {
            // The display may be shorter than that: what follows it is not an ancestor.
            self.may_fault(TrapCode::CorruptHeap);
            self.asm.alu_imm(Alu::Cmp, Width::W32, Rm::Mem(Mem::at(found, row::DEPTH)), depth as i32);
            self.asm.jcc(Cond::Be, fails);
        }
        self.asm.jmp(fits);
    }

    /// Makes the address of a type's row of its number (D1), which has 32 bits (S3).
    pub(crate) fn load_row(&mut self, id: Gpr) {
        let table = self.alloc_gpr();
        self.load_context(table);
        self.asm.alu(Alu::Add, Width::W64, id, Rm::Mem(Mem::at(table, VmLayout::TYPE_TABLE as i32)));
        self.free_gpr(table);
    }

    /// How many supertypes a type of the module has.
    fn type_depth(&self, ty: TypeIndex) -> u32 {
        let supertype =
            |ty: &TypeIndex| self.shape.types[*ty].supertype.map(|ty| TypeIndex::new(ty.index as usize));
        std::iter::successors(Some(ty), supertype).count() as u32 - 1
    }
}
