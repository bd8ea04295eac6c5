//! Structures.

use super::gc::Extension;
use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{Gpr, Mem, R11, Width};
use waft_core::gc::{FieldType, object};
use waft_core::index::TypeIndex;
use waft_core::trap::TrapCode;
use waft_core::types::StructTy;

impl<'a> Compiler<'a> {
    fn struct_ty(&self, ty: u32) -> &'a StructTy {
        self.shape.struct_ty(TypeIndex::from_u32(ty))
    }

    /// `struct.new`.
    pub(crate) fn struct_new(&mut self, ty: u32) {
        let known = self.struct_ty(ty);
        for (depth, field) in known.fields().iter().rev().enumerate().rev() {
            self.stored_form(field.storage, depth);
        }
        let (object, heap) = self.new_object(ty, known.layout().size());
        for (field, offset) in known.fields_at().rev() {
            let value = self.pop();
            let reg = self.stored_reg(&value);
            self.write_field(Mem::indexed(heap, object, offset as i32), field.storage.into(), reg);
            self.free_stored(reg);
        }
        self.free_gpr(heap);
        self.push_gpr(Ty::Ref, object);
    }

    /// `struct.new_default`.
    pub(crate) fn struct_new_default(&mut self, ty: u32) {
        let size = self.struct_ty(ty).layout().size();
        let (object, heap) = self.new_object(ty, size);
        // Whatever the fields are, their zeros are zeros; the first word has the type.
        self.asm.store_imm(Width::W32, Mem::indexed(heap, object, object::STRUCT_FIELDS as i32), 0);
        for at in (object::ALIGN..size).step_by(8) {
            self.asm.store_imm(Width::W64, Mem::indexed(heap, object, at as i32), 0);
        }
        self.free_gpr(heap);
        self.push_gpr(Ty::Ref, object);
    }

    /// A new object of which only the type is written, and the base of the heap, each in a register of the operator's.
    pub(crate) fn new_object(&mut self, ty: u32, bytes: u32) -> (Gpr, Gpr) {
        let object = self.alloc_fixed(bytes);
        let heap = self.alloc_gpr();
        self.write_header(object, heap, ty);
        (object, heap)
    }

    /// Loads the base of the heap, and writes an object's type.
    pub(crate) fn write_header(&mut self, object: Gpr, heap: Gpr, ty: u32) {
        self.load_context(heap);
        self.load_type_id(R11, heap, ty);
        self.asm.load(Width::W64, heap, Mem::at(heap, waft_core::layout::VmLayout::HEAP as i32));
        self.may_fault(TrapCode::NullReference);
        self.asm.store(Width::W32, Mem::indexed(heap, object, object::TYPE as i32), R11);
    }

    /// `struct.get`, `struct.get_s` and `struct.get_u`.
    pub(crate) fn struct_get(&mut self, ty: u32, field: u32, extension: Extension) {
        let object = self.pop();
        let (storage, offset) = self.shape.struct_field(TypeIndex::from_u32(ty), field);
        let object = self.gpr(&object);
        let place = self.field_place(object, offset);
        self.free_gpr(object);
        self.load_field(place, storage, extension);
    }

    /// `struct.set`.
    pub(crate) fn struct_set(&mut self, ty: u32, field: u32) {
        let (storage, offset) = self.shape.struct_field(TypeIndex::from_u32(ty), field);
        self.stored_form(storage, 0);
        let (object, value) = self.pop2();
        let field = FieldType::from(storage);
        let value = self.stored_reg(&value);
        let object = self.gpr(&object);
        let place = self.field_place(object, offset);
        self.write_field(place, field, value);
        if field == FieldType::GcRef {
            self.note_store(object, object, offset, value);
        }
        self.free_stored(value);
        self.free_gpr(object);
    }
}
