//! Casts and tests of types: one comparison with the type of the object, or one more with its display.
//!
//! # Invariants
//!
//! * **D1** A type's number is the offset of its row in the engine's table: a display is read at a number that came from a
//!   `VmFuncRef` or from a header in the GC heap. The latter may be anything: the table's reservation has 4 GiB and a guard
//!   on both sides, so the read stays in it, and at worst faults.
//!
//! # Elsewhere
//!
//! Rows and displays: `waft_core::gc::row`.

use crate::context::Region;
use crate::translator::{FuncTranslator, TranslateResult};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use waft_core::gc::object;
use waft_core::gc::row::{self, Kind};
use waft_core::index::{TypeIndex, TypedIndex};
use waft_core::layout::func_ref;
use waft_core::trap::TrapCode;
use waft_core::types::{CompositeKind, HeapType, RefType};

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
        let (slow, done) = (self.builder.create_block(), self.builder.create_block());
        let answer = self.builder.append_block_param(done, I8);
        self.builder.ins().brif(same, done, &[same.into()], slow, &[]);
        self.builder.seal_block(slow);
        self.switch_to(slow, self.cold);
        let is_ancestor = self.has_ancestor(found, wanted, ty);
        self.builder.ins().jump(done, &[is_ancestor.into()]);
        self.builder.seal_block(done);
        self.switch_to(done, self.cold);
        answer
    }

    /// Traps unless [`Self::is_type`].
    pub(crate) fn trap_unless_type(&mut self, found: Value, wanted: Value, ty: TypeIndex, code: TrapCode) {
        let same = self.builder.ins().icmp(IntCC::Equal, found, wanted);
        if self.shape.types[ty].is_final {
            return self.trap_if_zero(same, code);
        }
        let (slow, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(same, done, &[], slow, &[]);
        self.builder.seal_block(slow);
        self.switch_to(slow, self.cold);
        let is_ancestor = self.has_ancestor(found, wanted, ty);
        self.trap_if_zero(is_ancestor, code);
        self.builder.ins().jump(done, &[]);
        self.builder.seal_block(done);
        self.switch_to(done, self.cold);
    }

    /// Whether the display of the type with the number `found` has `ty`, whose number is `wanted`: an 8-bit truth.
    fn has_ancestor(&mut self, found: Value, wanted: Value, ty: TypeIndex) -> Value {
        let depth = self.depth(ty);
        let ancestor = self.load_row(found, depth as i32 * 4);
        let is_ancestor = self.builder.ins().icmp(IntCC::Equal, ancestor, wanted);
        if depth < row::DISPLAY_WORDS_MIN {
            return is_ancestor;
        }
        // The display may be shorter than that: what follows it is not an ancestor.
        let found_depth = self.load_row(found, row::DEPTH);
        let deep = self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, found_depth, i64::from(depth));
        self.builder.ins().band(is_ancestor, deep)
    }

    /// `ref.test`.
    pub(crate) fn ref_test(&mut self, ty: wasmparser::HeapType, nullable: bool) -> TranslateResult {
        let target = self.cast_target(ty, nullable)?;
        let reference = self.pop();
        let fits = self.is_of(reference, target);
        let fits = self.builder.ins().uextend(I32, fits);
        self.push(fits);
        Ok(())
    }

    /// `ref.cast`.
    pub(crate) fn ref_cast(&mut self, ty: wasmparser::HeapType, nullable: bool) -> TranslateResult {
        let target = self.cast_target(ty, nullable)?;
        let reference = self.peek();
        match target.heap_type() {
            HeapType::Concrete(ty) if ty.kind != CompositeKind::Func => {
                self.cast_object(reference, target.is_nullable(), TypeIndex::from_u32(ty.index));
            }
            _ => {
                let fits = self.is_of(reference, target);
                self.trap_if_zero(fits, TrapCode::CastFailure);
            }
        }
        Ok(())
    }

    /// Traps unless a reference is to an object of the type `ty`, or null where that is allowed. Where it is not, the read
    /// of the object's type faults.
    fn cast_object(&mut self, reference: Value, nullable: bool, ty: TypeIndex) {
        let done = nullable.then(|| {
            let (some, done) = (self.builder.create_block(), self.builder.create_block());
            self.builder.ins().brif(reference, some, &[], done, &[]);
            self.builder.seal_block(some);
            self.switch_to(some, self.cold);
            done
        });
        let is_i31 = self.builder.ins().band_imm_u(reference, 1);
        self.trap_if_not_zero(is_i31, TrapCode::CastFailure);
        let found = self.load_type(reference, TrapCode::CastFailure);
        let wanted = self.type_id(ty.as_u32());
        self.trap_unless_type(found, wanted, ty, TrapCode::CastFailure);
        if let Some(done) = done {
            self.builder.ins().jump(done, &[]);
            self.builder.seal_block(done);
            self.switch_to(done, self.cold);
        }
    }

    /// Reads the number of the type of an object.
    fn load_type(&mut self, reference: Value, if_null: TrapCode) -> Value {
        let address = self.object_address(reference);
        let flags = self.object_flags(if_null);
        self.builder.ins().load(I32, flags, address, object::TYPE as i32)
    }

    /// `br_on_cast`.
    pub(crate) fn br_on_cast(&mut self, depth: u32, ty: wasmparser::RefType) -> TranslateResult {
        let target = self.ref_type(ty)?;
        let reference = self.peek();
        let fits = self.is_of(reference, target);
        self.branch_if(fits, depth);
        Ok(())
    }

    /// `br_on_cast_fail`.
    pub(crate) fn br_on_cast_fail(&mut self, depth: u32, ty: wasmparser::RefType) -> TranslateResult {
        let target = self.ref_type(ty)?;
        let reference = self.peek();
        let fits = self.is_of(reference, target);
        self.branch_unless(fits, depth);
        Ok(())
    }

    fn cast_target(&self, ty: wasmparser::HeapType, nullable: bool) -> TranslateResult<RefType> {
        let heap = self.shape.heap_type(ty, 0).map_err(|error| error.to_string())?;
        Ok(RefType::new(nullable, heap))
    }

    /// Whether a reference, of any type of the same family, is one of `target`: an 8-bit truth.
    fn is_of(&mut self, reference: Value, target: RefType) -> Value {
        let some = |value: bool| i64::from(value);
        match target.heap_type() {
            HeapType::Func | HeapType::Extern | HeapType::Any | HeapType::Exn => {
                if target.is_nullable() {
                    return self.builder.ins().iconst(I8, some(true));
                }
                self.builder.ins().icmp_imm_u(IntCC::NotEqual, reference, 0)
            }
            HeapType::NoFunc | HeapType::NoExtern | HeapType::NoExn | HeapType::None => {
                if target.is_nullable() {
                    return self.is_null(reference);
                }
                self.builder.ins().iconst(I8, some(false))
            }
            HeapType::I31 => {
                let bit = self.builder.ins().band_imm_u(reference, 1);
                let is_i31 = self.builder.ins().icmp_imm_u(IntCC::NotEqual, bit, 0);
                if !target.is_nullable() {
                    return is_i31;
                }
                let is_null = self.is_null(reference);
                self.builder.ins().bor(is_i31, is_null)
            }
            HeapType::Concrete(ty) if ty.kind == CompositeKind::Func => {
                self.unless_null(reference, target.is_nullable(), |this| {
                    let flags = this.trusted(Region::Code).with_readonly();
                    let found = this.builder.ins().load(I32, flags, reference, func_ref::TYPE as i32);
                    let wanted = this.type_id(ty.index);
                    this.is_type(found, wanted, TypeIndex::from_u32(ty.index))
                })
            }
            heap => {
                self.unless_null(reference, target.is_nullable(), |this| this.object_is_of(reference, heap))
            }
        }
    }

    /// What `then` says of a reference that is not null; of null, `of_null`.
    fn unless_null(
        &mut self,
        reference: Value,
        of_null: bool,
        then: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let (some, done) = (self.builder.create_block(), self.builder.create_block());
        let answer = self.builder.append_block_param(done, I8);
        let of_null = self.builder.ins().iconst(I8, i64::from(of_null));
        self.builder.ins().brif(reference, some, &[], done, &[of_null.into()]);
        self.builder.seal_block(some);
        self.switch_to(some, self.cold);
        let of_some = then(self);
        self.builder.ins().jump(done, &[of_some.into()]);
        self.builder.seal_block(done);
        self.switch_to(done, self.cold);
        answer
    }

    /// Whether what `reference`, which is not null, refers to is of type `eq`, `struct`, `array` or a concrete type of
    /// either.
    fn object_is_of(&mut self, reference: Value, heap: HeapType) -> Value {
        let (object, done) = (self.builder.create_block(), self.builder.create_block());
        let answer = self.builder.append_block_param(done, I8);
        let of_i31 = self.builder.ins().iconst(I8, i64::from(heap == HeapType::Eq));
        let bit = self.builder.ins().band_imm_u(reference, 1);
        self.builder.ins().brif(bit, done, &[of_i31.into()], object, &[]);
        self.builder.seal_block(object);
        self.switch_to(object, self.cold);
        let found = self.load_type(reference, TrapCode::CorruptHeap);
        let fits = match heap {
            HeapType::Concrete(ty) => {
                let wanted = self.type_id(ty.index);
                self.is_type(found, wanted, TypeIndex::from_u32(ty.index))
            }
            _ => {
                let kind = self.load_row(found, row::KIND);
                let (condition, kind_wanted) = match heap {
                    HeapType::Struct => (IntCC::Equal, Kind::Struct),
                    HeapType::Array => (IntCC::Equal, Kind::Array),
                    // Of what `any` holds only host values cannot be compared.
                    _ => (IntCC::NotEqual, Kind::ExternBox),
                };
                self.builder.ins().icmp_imm_u(condition, kind, i64::from(kind_wanted as u32))
            }
        };
        self.builder.ins().jump(done, &[fits.into()]);
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
