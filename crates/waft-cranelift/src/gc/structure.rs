//! Structures.

use super::Extension;
use crate::signature::clif_type;
use crate::translator::FuncTranslator;
use cranelift_codegen::ir::Value;
use waft_core::index::TypeIndex;
use waft_core::types::StructTy;

impl<'a> FuncTranslator<'a, '_> {
    fn struct_ty(&self, ty: u32) -> &'a StructTy {
        self.shape.struct_ty(TypeIndex::from_u32(ty))
    }

    /// `struct.new`.
    pub(crate) fn struct_new(&mut self, ty: u32) {
        let count = self.struct_ty(ty).fields().len();
        self.canonicalise(count);
        let values = self.peek_many(count).to_vec();
        self.truncate(self.height() - values.len());
        self.make_struct(ty, values);
    }

    /// `struct.new_default`.
    pub(crate) fn struct_new_default(&mut self, ty: u32) {
        let fields = self.struct_ty(ty).fields();
        let values = fields.iter().map(|field| self.zero(clif_type(field.storage.unpacked()))).collect();
        self.make_struct(ty, values);
    }

    fn make_struct(&mut self, ty: u32, mut values: Vec<Value>) {
        let known = self.struct_ty(ty);
        for (value, field) in values.iter_mut().zip(known.fields()) {
            *value = self.stored_form(field.storage, *value);
        }
        let id = self.type_id(ty);
        let object = self.alloc_fixed(id, known.layout().size());
        for (value, (field, offset)) in values.into_iter().zip(known.fields_at()) {
            let place = self.field_place(object, offset);
            self.init_field(place, field.storage, value);
        }
        self.push(object);
    }

    /// `struct.get`, `struct.get_s` and `struct.get_u`.
    pub(crate) fn struct_get(&mut self, ty: u32, field: u32, extension: Extension) {
        let object = self.pop();
        let (storage, offset) = self.shape.struct_field(TypeIndex::from_u32(ty), field);
        let place = self.field_place(object, offset);
        let value = self.load_field(place, storage, extension);
        self.push(value);
    }

    /// `struct.set`.
    pub(crate) fn struct_set(&mut self, ty: u32, field: u32) {
        let (object, value) = self.pop2();
        let (storage, offset) = self.shape.struct_field(TypeIndex::from_u32(ty), field);
        let place = self.field_place(object, offset);
        self.store_field(place, storage, value);
    }
}
