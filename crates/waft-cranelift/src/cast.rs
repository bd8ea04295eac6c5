//! Casts and tests of types: one comparison with the type of the object, or one more with its display.
//!
//! # Invariants
//!
//! * **D1** A type's number is the offset of its row in the engine's table: a display is read at a number that came from a
//!   `VmFuncRef` or from a header in the GC heap. The latter may be anything: the table's reservation has 4 GiB and a guard,
//!   so the read stays in it, and at worst faults.
//!
//! # Elsewhere
//!
//! Rows and displays: `waft_core::gc::row`.

use crate::context::Region;
use crate::translator::FuncTranslator;
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use waft_core::gc::row;
use waft_core::index::{TypeIndex, TypedIndex};
use waft_core::trap::TrapCode;

impl FuncTranslator<'_, '_> {
    /// The flags of reads of the table of types.
    fn row_flags(&mut self) -> MemFlagsData {
        self.trusted(Region::Code).with_trap_code(Some(clif_trap(TrapCode::CorruptHeap)))
    }

    /// Reads a word of the row of the type with the number `id`.
    pub(crate) fn load_row(&mut self, id: Value, offset: i32) -> Value {
        let table = self.type_table();
        let id = self.builder.ins().uextend(I64, id);
        let row = self.builder.ins().iadd(table, id);
        let flags = self.row_flags();
        self.builder.ins().load(I32, flags, row, offset)
    }

    /// Whether the type with the number `found` is `ty`, whose number is `wanted`, or a subtype of it: an 8-bit truth.
    pub(crate) fn is_type(&mut self, found: Value, wanted: Value, ty: TypeIndex) -> Value {
        let same = self.builder.ins().icmp(IntCC::Equal, found, wanted);
        if self.shape.types[ty].is_final {
            return same;
        }
        let depth = self.depth(ty);
        let (slow, done) = (self.builder.create_block(), self.builder.create_block());
        let answer = self.builder.append_block_param(done, I8);
        self.builder.ins().brif(same, done, &[same.into()], slow, &[]);
        self.builder.seal_block(slow);
        self.switch_to(slow, self.cold);
        let ancestor = self.load_row(found, depth as i32 * 4);
        let mut is_ancestor = self.builder.ins().icmp(IntCC::Equal, ancestor, wanted);
        if depth >= row::DISPLAY_WORDS_MIN {
            // The display may be shorter than that: what follows it is not an ancestor.
            let found_depth = self.load_row(found, row::DEPTH);
            let deep =
                self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, found_depth, i64::from(depth));
            is_ancestor = self.builder.ins().band(is_ancestor, deep);
        }
        self.builder.ins().jump(done, &[is_ancestor.into()]);
        self.builder.seal_block(done);
        self.switch_to(done, self.cold);
        answer
    }

    /// How many supertypes a type of the module has.
    fn depth(&self, ty: TypeIndex) -> u32 {
        let supertype =
            |ty: &TypeIndex| self.shape.types[*ty].supertype.map(|ty| TypeIndex::new(ty.index as usize));
        std::iter::successors(Some(ty), supertype).count() as u32 - 1
    }
}
