//! Tables. Every bounds check on a table that code makes by itself is here.
//!
//! # Invariants
//!
//! * **T1** The address of an element is computed from an index below the table's length, or is null: also while the
//!   processor speculates.

use crate::context::Region;
use crate::signature::ref_type;
use crate::translator::FuncTranslator;
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use waft_core::index::TableIndex;
use waft_core::layout;
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::{IndexType, ValType};

/// Where a `VmTable` is: at an offset from a value.
struct TablePlace {
    base: Value,
    offset: u32,
    /// Whether base and length stay as they are.
    fixed: bool,
}

impl FuncTranslator<'_, '_> {
    fn table_place(&mut self, table: TableIndex) -> TablePlace {
        let limits = self.shape.tables[table].limits;
        let fixed = limits.max == Some(limits.min);
        let context = self.vm.context;
        match self.shape.defined_table(table) {
            Some(defined) => TablePlace { base: context, offset: self.layout.table(defined), fixed },
            None => {
                let pointer = self.load_constant(I64, context, self.layout.table_ref(table));
                // An imported table may be larger than declared, but a maximum equal to the minimum stops growth.
                TablePlace { base: pointer, offset: 0, fixed }
            }
        }
    }

    fn load_table_field(&mut self, place: &TablePlace, field: u32) -> Value {
        let offset = place.offset + field;
        if place.fixed {
            return self.load_constant(I64, place.base, offset);
        }
        let flags = self.trusted(Region::Context);
        self.builder.ins().load(I64, flags, place.base, offset as i32)
    }

    /// The table's length in elements, now, as an index of it: tables are never longer than 32 bits can say.
    fn table_len(&mut self, table: TableIndex, place: &TablePlace) -> Value {
        let ty = self.shape.tables[table];
        let index = match ty.index {
            IndexType::I32 => I32,
            IndexType::I64 => I64,
        };
        if place.fixed {
            return self.builder.ins().iconst(index, ty.limits.min as i64);
        }
        let len = self.load_table_field(place, layout::table::LEN);
        match ty.index {
            IndexType::I32 => self.builder.ins().ireduce(I32, len),
            IndexType::I64 => len,
        }
    }

    /// The address of the element at `index`, or null if there is none, and the flags to access it with.
    fn element_place(&mut self, table: TableIndex, index: Value) -> (Value, MemFlagsData) {
        let place = self.table_place(table);
        let len = self.table_len(table, &place);
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, len);
        let base = self.load_table_field(&place, layout::table::BASE);
        let index = self.widen_index(index);
        let offset = self.builder.ins().ishl_imm_u(index, i64::from(layout::table::ELEMENT_BYTES.ilog2()));
        let address = self.builder.ins().iadd(base, offset);
        let null = self.builder.ins().iconst(I64, 0);
        let address = self.builder.ins().select_spectre_guard(outside, null, address);
        let flags = self.trusted(Region::Table).with_trap_code(Some(clif_trap(TrapCode::TableOutOfBounds)));
        (address, flags)
    }

    /// Pops an index and loads the element.
    pub(crate) fn load_element(&mut self, table: TableIndex) -> Value {
        let index = self.pop();
        let ty = self.shape.tables[table].element;
        let (address, flags) = self.element_place(table, index);
        let element = self.builder.ins().load(ref_type(ty), flags, address, 0);
        self.root_if_ref(element, ValType::Ref(ty));
        element
    }

    /// `table.get`.
    pub(crate) fn table_get(&mut self, table: u32) {
        let element = self.load_element(TableIndex::from_u32(table));
        self.push(element);
    }

    /// `table.set`.
    pub(crate) fn table_set(&mut self, table: u32) {
        let (index, reference) = self.pop2();
        let element = self.widen(reference);
        let (address, flags) = self.element_place(TableIndex::from_u32(table), index);
        self.builder.ins().store(flags, element, address, 0);
    }

    /// `table.size`.
    pub(crate) fn table_size(&mut self, table: u32) {
        let table = TableIndex::from_u32(table);
        let place = self.table_place(table);
        let len = self.table_len(table, &place);
        self.push(len);
    }

    /// `table.grow`.
    pub(crate) fn table_grow(&mut self, table: u32) {
        let (init, delta) = self.pop2();
        let init = self.widen(init);
        let delta = self.widen_index(delta);
        let index = self.shape.tables[TableIndex::from_u32(table)].index;
        let table = self.number(table);
        let before = self.libcall_result(Libcall::TableGrow, &[table, init, delta]);
        self.push_size(before, index);
    }

    /// `table.fill`.
    pub(crate) fn table_fill(&mut self, table: u32) {
        let (dst, value, len) = self.pop3();
        let dst = self.widen_index(dst);
        let value = self.widen(value);
        let len = self.widen_index(len);
        let table = self.number(table);
        self.libcall(Libcall::TableFill, &[table, dst, value, len]);
    }

    /// `table.copy`.
    pub(crate) fn table_copy(&mut self, dst_table: u32, src_table: u32) {
        let (dst, src, len) = self.pop3();
        let dst = self.widen_index(dst);
        let src = self.widen_index(src);
        let len = self.widen_index(len);
        let (dst_table, src_table) = (self.number(dst_table), self.number(src_table));
        self.libcall(Libcall::TableCopy, &[dst_table, src_table, dst, src, len]);
    }

    /// `table.init`.
    pub(crate) fn table_init(&mut self, table: u32, elem: u32) {
        let (dst, src, len) = self.pop3();
        let dst = self.widen_index(dst);
        let (table, elem) = (self.number(table), self.number(elem));
        self.libcall(Libcall::TableInit, &[table, elem, dst, src, len]);
    }

    /// `elem.drop`.
    pub(crate) fn elem_drop(&mut self, elem: u32) {
        let elem = self.number(elem);
        self.libcall(Libcall::ElemDrop, &[elem]);
    }

    /// A reference as an element of a table: handles of host values fill the lower half.
    fn widen(&mut self, reference: Value) -> Value {
        match self.builder.func.dfg.value_type(reference) {
            I32 => self.builder.ins().uextend(I64, reference),
            _ => reference,
        }
    }
}
