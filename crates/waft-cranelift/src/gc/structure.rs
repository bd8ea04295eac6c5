//! Structures.

use super::Extension;
use crate::signature::clif_type;
use crate::translator::FuncTranslator;
use cranelift_codegen::ir::Value;
use waft_core::gc::StructLayout;
use waft_core::index::TypeIndex;
use waft_core::types::{FieldTy, StorageTy};

impl<'a> FuncTranslator<'a, '_> {
    /// The fields of a type of structures.
    fn struct_fields(&self, ty: u32) -> &'a [FieldTy] {
        let ty = &self.shape.types[TypeIndex::from_u32(ty)];
        ty.composite.as_struct().expect("validation wants a type of structures here")
    }

    /// The layout of a type of structures.
    fn struct_layout(&mut self, ty: u32) -> StructLayout {
        StructLayout::of_struct(self.struct_fields(ty))
    }

    /// Where a field stands, and what it holds.
    fn struct_field(&mut self, ty: u32, field: u32) -> (u32, StorageTy) {
        let fields = self.struct_fields(ty);
        // Offsets depend on earlier fields only.
        let layout = StructLayout::of_struct(&fields[..=field as usize]);
        (layout.offsets()[field as usize], fields[field as usize].storage)
    }

    /// `struct.new`.
    pub(crate) fn struct_new(&mut self, ty: u32) {
        let fields = self.struct_fields(ty);
        self.canonicalise(fields.len());
        let values = self.peek_many(fields.len()).to_vec();
        self.truncate(self.height() - values.len());
        self.make_struct(ty, values);
    }

    /// `struct.new_default`.
    pub(crate) fn struct_new_default(&mut self, ty: u32) {
        let fields = self.struct_fields(ty);
        let values = fields.iter().map(|field| self.zero(clif_type(field.storage.unpacked()))).collect();
        self.make_struct(ty, values);
    }

    fn make_struct(&mut self, ty: u32, mut values: Vec<Value>) {
        let (fields, layout) = (self.struct_fields(ty), self.struct_layout(ty));
        for (value, field) in values.iter_mut().zip(fields) {
            *value = self.stored_form(field.storage, *value);
        }
        let id = self.type_id(ty);
        let object = self.alloc_fixed(id, layout.size());
        for ((value, field), offset) in values.into_iter().zip(fields).zip(layout.offsets()) {
            let place = self.field_place(object, *offset);
            self.init_field(place, field.storage, value);
        }
        self.push(object);
    }

    /// `struct.get`, `struct.get_s` and `struct.get_u`.
    pub(crate) fn struct_get(&mut self, ty: u32, field: u32, extension: Extension) {
        let object = self.pop();
        let (offset, storage) = self.struct_field(ty, field);
        let place = self.field_place(object, offset);
        let value = self.load_field(place, storage, extension);
        self.push(value);
    }

    /// `struct.set`.
    pub(crate) fn struct_set(&mut self, ty: u32, field: u32) {
        let (object, value) = self.pop2();
        let (offset, storage) = self.struct_field(ty, field);
        let place = self.field_place(object, offset);
        self.store_field(place, storage, value);
    }
}
