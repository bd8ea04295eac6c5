//! Tables. Every bounds check on a table that code makes by itself is here.
//!
//! # Invariants
//!
//! * **T1** The address of an element is computed from an index below the table's length; while the processor speculates past
//!   the check, from index 0.

use crate::compiler::Compiler;
use crate::value::{Operand, Ty};
use crate::x64::{Alu, Cond, Gpr, Mem, R11, RAX, Rm, Width};
use waft_core::index::TableIndex;
use waft_core::layout;
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::IndexType;

impl Compiler<'_> {
    /// The place of a `VmTable`, through a register that it may take.
    fn table_place(&mut self, table: TableIndex, through: Gpr) -> Mem {
        self.load_context(through);
        match self.shape.defined_table(table) {
            Some(defined) => Mem::at(through, self.layout.table(defined) as i32),
            None => {
                self.asm.load(Width::W64, through, Mem::at(through, self.layout.table_ref(table) as i32));
                Mem::at(through, 0)
            }
        }
    }

    /// The place of the element at `index`, which traps if there is none, and the register of the operator's that it takes.
    fn element_place(&mut self, table: TableIndex, index: &Operand) -> (Mem, Gpr) {
        let ty = self.shape.tables[table];
        let reg = self.owned_gpr(index);
        let place = self.table_place(table, R11);
        // Lengths have 32 bits, and so have indices of 32 bits (S3).
        if ty.limits.max == Some(ty.limits.min) && i32::try_from(ty.limits.min).is_ok() {
            self.asm.alu_imm(Alu::Cmp, Width::W64, Rm::Reg(reg), ty.limits.min as i32);
        } else {
            self.asm.alu(Alu::Cmp, Width::W64, reg, Rm::Mem(place.plus(layout::table::LEN as i32)));
        }
        self.trap_if(Cond::Ae, TrapCode::TableOutOfBounds);
        // All ones if it is inside.
        let mask = self.alloc_gpr();
        self.asm.alu(Alu::Sbb, Width::W64, mask, Rm::Reg(mask));
        self.asm.alu(Alu::And, Width::W64, reg, Rm::Reg(mask));
        self.free_gpr(mask);
        self.asm.load(Width::W64, R11, place.plus(layout::table::BASE as i32));
        (Mem::scaled(R11, reg, layout::table::ELEMENT_BYTES.ilog2() as u8, 0), reg)
    }

    /// Pops an index and loads the element into a register of the operator's.
    pub(crate) fn load_element(&mut self, table: u32) -> Gpr {
        let index = self.pop();
        let table = TableIndex::from_u32(table);
        let (place, reg) = self.element_place(table, &index);
        let width = if self.shape.tables[table].element.is_func() { Width::W64 } else { Width::W32 };
        self.asm.load(width, reg, place);
        reg
    }

    fn element_ty(&self, table: u32) -> Ty {
        if self.shape.tables[TableIndex::from_u32(table)].element.is_func() { Ty::Func } else { Ty::Ref }
    }

    /// `table.get`.
    pub(crate) fn table_get(&mut self, table: u32) {
        let element = self.load_element(table);
        self.push_gpr(self.element_ty(table), element);
    }

    /// `table.set`.
    pub(crate) fn table_set(&mut self, table: u32) {
        let (index, value) = self.pop2();
        let value = self.gpr(&value);
        let (place, reg) = self.element_place(TableIndex::from_u32(table), &index);
        // References of 32 bits fill the lower half, and the upper one with zeros (S3).
        self.asm.store(Width::W64, place, value);
        self.free_gpr(reg);
        self.free_gpr(value);
    }

    fn table_index(&self, table: u32) -> IndexType {
        self.shape.tables[TableIndex::from_u32(table)].index
    }

    /// `table.size`.
    pub(crate) fn table_size(&mut self, table: u32) {
        let dst = self.alloc_gpr();
        let place = self.table_place(TableIndex::from_u32(table), dst);
        self.asm.load(Width::W64, dst, place.plus(layout::table::LEN as i32));
        self.push_size(dst, self.table_index(table));
    }

    /// `table.grow`.
    pub(crate) fn table_grow(&mut self, table: u32) {
        let (init, delta) = self.pop2();
        self.libcall(Libcall::TableGrow, &[table.into(), init.into(), delta.into()]);
        self.push_size(RAX, self.table_index(table));
    }

    /// `table.fill`.
    pub(crate) fn table_fill(&mut self, table: u32) {
        let len = self.pop();
        let (dst, value) = self.pop2();
        self.libcall(Libcall::TableFill, &[table.into(), dst.into(), value.into(), len.into()]);
    }

    /// `table.copy`.
    pub(crate) fn table_copy(&mut self, dst_table: u32, src_table: u32) {
        let len = self.pop();
        let (dst, src) = self.pop2();
        let args = [dst_table.into(), src_table.into(), dst.into(), src.into(), len.into()];
        self.libcall(Libcall::TableCopy, &args);
    }

    /// `table.init`.
    pub(crate) fn table_init(&mut self, table: u32, elem: u32) {
        let len = self.pop();
        let (dst, src) = self.pop2();
        let args = [table.into(), elem.into(), dst.into(), src.into(), len.into()];
        self.libcall(Libcall::TableInit, &args);
    }

    /// `elem.drop`.
    pub(crate) fn elem_drop(&mut self, elem: u32) {
        self.libcall(Libcall::ElemDrop, &[elem.into()]);
    }
}
