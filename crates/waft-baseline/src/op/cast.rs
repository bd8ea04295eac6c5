//! Tests of types: one comparison with the type of the object, or one more with its display.
//!
//! # Invariants
//!
//! * **D1** A type's number is the offset of its row in the engine's table: a display is read at a number that came from a
//!   `VmFuncRef` or from a header in the GC heap. The latter may be anything: the table's reservation has 4 GiB and a guard,
//!   so the read stays in it, and at worst faults.

use crate::compiler::{CompileResult, Compiler};
use crate::value::Ty;
use crate::x64::{Alu, Cond, Gpr, Label, Mem, R11, Rm, Width};
use waft_core::gc::object;
use waft_core::gc::row::{self, Kind};
use waft_core::index::{TableIndex, TypeIndex, TypedIndex};
use waft_core::layout::{VmLayout, func_ref};
use waft_core::trap::TrapCode;
use waft_core::types::{CompositeKind, HeapType, RefType};

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
        let (found, table) = (self.alloc_gpr(), self.alloc_gpr());
        self.may_fault(TrapCode::IndirectCallToNull);
        self.asm.load(Width::W32, found, Mem::at(reference, func_ref::TYPE as i32));
        let mut fits = Label::NEW;
        let mut fails = Label::NEW;
        self.branch_on_type(found, table, ty, &mut fits, &mut fails);
        self.trap_at(fails, TrapCode::BadSignature);
        self.asm.bind(&mut fits);
        self.free_gpr(found);
        self.free_gpr(table);
    }

    /// Branches to `fits` if the type with the number in `found` is `ty` or a subtype of it, else to `fails`. `found` is gone,
    /// and so is `table`: nobody may take registers between branches.
    pub(crate) fn branch_on_type(
        &mut self,
        found: Gpr,
        table: Gpr,
        ty: TypeIndex,
        fits: &mut Label,
        fails: &mut Label,
    ) {
        self.load_context(R11);
        self.load_type_id(R11, R11, ty.as_u32());
        self.asm.alu(Alu::Cmp, Width::W32, found, Rm::Reg(R11));
        self.asm.jcc(Cond::E, fits);
        if self.shape.types[ty].is_final {
            return self.asm.jmp(fails);
        }
        let depth = self.type_depth(ty);
        self.load_row(found, table);
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
    fn load_row(&mut self, id: Gpr, table: Gpr) {
        self.load_context(table);
        self.asm.alu(Alu::Add, Width::W64, id, Rm::Mem(Mem::at(table, VmLayout::TYPE_TABLE as i32)));
    }

    fn cast_target(&self, ty: wasmparser::HeapType, nullable: bool) -> CompileResult<RefType> {
        let heap = self.shape.heap_type(ty, 0).map_err(|error| error.to_string())?;
        Ok(RefType::new(nullable, heap))
    }

    /// `ref.test`.
    pub(crate) fn ref_test(&mut self, ty: wasmparser::HeapType, nullable: bool) -> CompileResult {
        let target = self.cast_target(ty, nullable)?;
        let (mut yes, mut no, mut done) = (Label::NEW, Label::NEW, Label::NEW);
        let reference = self.pop();
        let reg = self.gpr(&reference);
        self.branch_on_ref(reg, target, &mut yes, &mut no);
        self.free_gpr(reg);
        let dst = self.result_gpr();
        self.asm.bind(&mut yes);
        self.asm.mov_imm(dst, 1);
        self.asm.jmp(&mut done);
        self.asm.bind(&mut no);
        self.asm.mov_imm(dst, 0);
        self.asm.bind(&mut done);
        self.push_gpr(Ty::I32, dst);
        Ok(())
    }

    /// `ref.cast`.
    pub(crate) fn ref_cast(&mut self, ty: wasmparser::HeapType, nullable: bool) -> CompileResult {
        let target = self.cast_target(ty, nullable)?;
        let (mut yes, mut no) = (Label::NEW, Label::NEW);
        let reference = self.pop();
        let reg = self.gpr(&reference);
        self.branch_on_ref(reg, target, &mut yes, &mut no);
        self.trap_at(no, TrapCode::CastFailure);
        self.asm.bind(&mut yes);
        self.push_same(&reference, reg);
        Ok(())
    }

    /// `br_on_cast`, or `br_on_cast_fail`.
    pub(crate) fn br_on_cast(&mut self, depth: u32, ty: wasmparser::RefType, when: bool) -> CompileResult {
        let target = self.shape.ref_type(ty, 0).map_err(|error| error.to_string())?;
        let (mut taken, mut next) = (Label::NEW, Label::NEW);
        let reference = self.pop();
        let reg = self.gpr(&reference);
        let (yes, no) = if when { (&mut taken, &mut next) } else { (&mut next, &mut taken) };
        self.branch_on_ref(reg, target, yes, no);
        self.push_same(&reference, reg);
        self.asm.bind(&mut taken);
        self.branch_always(depth);
        self.asm.bind(&mut next);
        Ok(())
    }

    /// Branches to `yes` if the reference in `reg`, of any type of the same family, is one of `target`, else to `no`.
    fn branch_on_ref(&mut self, reg: Gpr, target: RefType, yes: &mut Label, no: &mut Label) {
        let width = if target.is_func() { Width::W64 } else { Width::W32 };
        let (found, table) = (self.alloc_gpr(), self.alloc_gpr());
        self.free_gpr(found);
        self.free_gpr(table);
        match target.heap_type() {
            HeapType::Func | HeapType::Extern | HeapType::Any | HeapType::Exn => {
                if !target.is_nullable() {
                    self.asm.test(width, reg, reg);
                    self.asm.jcc(Cond::E, no);
                }
                return self.asm.jmp(yes);
            }
            HeapType::NoFunc | HeapType::NoExtern | HeapType::NoExn | HeapType::None => {
                if target.is_nullable() {
                    self.asm.test(width, reg, reg);
                    self.asm.jcc(Cond::E, yes);
                }
                return self.asm.jmp(no);
            }
            HeapType::I31 => {
                self.asm.test_imm(Width::W32, reg, 1);
                self.asm.jcc(Cond::Ne, yes);
                if target.is_nullable() {
                    self.asm.test(width, reg, reg);
                    self.asm.jcc(Cond::E, yes);
                }
                return self.asm.jmp(no);
            }
            _ => {}
        }
        self.asm.test(width, reg, reg);
        self.asm.jcc(Cond::E, if target.is_nullable() { &mut *yes } else { &mut *no });
        let heap = target.heap_type();
        if let HeapType::Concrete(ty) = heap
            && ty.kind == CompositeKind::Func
        {
            self.asm.load(Width::W32, found, Mem::at(reg, func_ref::TYPE as i32));
            return self.branch_on_type(found, table, TypeIndex::from_u32(ty.index), yes, no);
        }
        self.asm.test_imm(Width::W32, reg, 1);
        self.asm.jcc(Cond::Ne, if heap == HeapType::Eq { &mut *yes } else { &mut *no });
        self.load_heap(R11);
        self.may_fault(TrapCode::CorruptHeap);
        self.asm.load(Width::W32, found, Mem::indexed(R11, reg, object::TYPE as i32));
        let (cond, kind) = match heap {
            HeapType::Concrete(ty) => {
                return self.branch_on_type(found, table, TypeIndex::from_u32(ty.index), yes, no);
            }
            HeapType::Struct => (Cond::E, Kind::Struct),
            HeapType::Array => (Cond::E, Kind::Array),
            // Of what `any` holds only host values cannot be compared.
            _ => (Cond::Ne, Kind::ExternBox),
        };
        self.load_row(found, table);
        self.may_fault(TrapCode::CorruptHeap);
        self.asm.alu_imm(Alu::Cmp, Width::W32, Rm::Mem(Mem::at(found, row::KIND)), kind as i32);
        self.asm.jcc(cond, yes);
        self.asm.jmp(no);
    }

    /// How many supertypes a type of the module has.
    fn type_depth(&self, ty: TypeIndex) -> u32 {
        let supertype =
            |ty: &TypeIndex| self.shape.types[*ty].supertype.map(|ty| TypeIndex::new(ty.index as usize));
        std::iter::successors(Some(ty), supertype).count() as u32 - 1
    }
}
