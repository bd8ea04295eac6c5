//! Arrays.

use super::{Extension, FieldPlace};
use crate::signature::clif_type;
use crate::translator::FuncTranslator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F64, I8, I8X16, I16, I32, I64, I64X2};
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Value};
use waft_core::gc::{FieldType, NURSERY_END, array, object};
use waft_core::index::TypeIndex;
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::StorageTy;

/// Arrays of a constant length are filled by that many stores up to this; beyond, a loop is shorter.
const UNROLLED_MAX: u32 = 16;

impl FuncTranslator<'_, '_> {
    /// What the elements of a type of arrays hold.
    fn array_storage(&self, ty: u32) -> StorageTy {
        let ty = &self.shape.types[TypeIndex::from_u32(ty)];
        ty.composite.as_array().expect("validation wants a type of arrays here").storage
    }

    /// The length of an array, which traps if it is null.
    fn load_length(&mut self, array: Value) -> Value {
        let address = self.object_address(array);
        let flags = self.object_flags(TrapCode::NullReference);
        self.builder.ins().load(I32, flags, address, object::ARRAY_LENGTH as i32)
    }

    /// `array.len`.
    pub(crate) fn array_len(&mut self) {
        let array = self.pop();
        let length = self.load_length(array);
        self.push(length);
    }

    /// The place of an element: the index is scaled and added to the reference in 32 bits, so that the address stays in the
    /// heap whatever the array says its length is.
    fn element_address(&mut self, array: Value, index: Value, element: FieldType) -> FieldPlace {
        let displacement = self.builder.ins().ishl_imm_u(index, i64::from(element.log2_bytes()));
        let offset = self.builder.ins().iadd(array, displacement);
        let address = self.object_address(offset);
        FieldPlace {
            object: array,
            address,
            displacement: Some(displacement),
            offset: object::ARRAY_ELEMENTS,
        }
    }

    /// The place of an element, which traps if there is none.
    fn array_element(&mut self, array: Value, index: Value, storage: StorageTy) -> FieldPlace {
        let length = self.load_length(array);
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        self.trap_if_not_zero(outside, TrapCode::ArrayOutOfBounds);
        self.element_address(array, index, storage.into())
    }

    /// `array.get`, `array.get_s` and `array.get_u`.
    pub(crate) fn array_get(&mut self, ty: u32, extension: Extension) {
        let (array, index) = self.pop2();
        let storage = self.array_storage(ty);
        let place = self.array_element(array, index, storage);
        let value = self.load_field(place, storage, extension);
        self.push(value);
    }

    /// `array.set`.
    pub(crate) fn array_set(&mut self, ty: u32) {
        let (array, index, value) = self.pop3();
        let storage = self.array_storage(ty);
        let place = self.array_element(array, index, storage);
        self.store_field(place, storage, value);
    }

    /// `array.new`.
    pub(crate) fn array_new(&mut self, ty: u32) {
        let (value, length) = self.pop2();
        let storage = self.array_storage(ty);
        let value = self.stored_form(storage, value);
        let value = self.canonical(value);
        let array = self.make_array(ty, length);
        self.fill_new(array, length, value, storage);
        self.push(array);
    }

    /// `array.new_default`.
    pub(crate) fn array_new_default(&mut self, ty: u32) {
        let length = self.pop();
        let storage = self.array_storage(ty);
        let array = self.make_array(ty, length);
        let zero = match FieldType::from(storage) {
            FieldType::FuncRef => self.zero(I32),
            _ => self.zero(clif_type(storage.unpacked())),
        };
        self.fill_new(array, length, zero, storage);
        self.push(array);
    }

    /// `array.new_fixed`.
    pub(crate) fn array_new_fixed(&mut self, ty: u32, length: u32) {
        let storage = self.array_storage(ty);
        self.canonicalise(length as usize);
        let mut values = self.peek_many(length as usize).to_vec();
        self.truncate(self.height() - values.len());
        for value in &mut values {
            *value = self.stored_form(storage, *value);
        }
        let count = self.builder.ins().iconst(I32, i64::from(length));
        let array = self.make_array(ty, count);
        for (at, value) in values.into_iter().enumerate() {
            let offset = array::element_offset(storage.into(), at as u32);
            let place = self.field_place(array, offset);
            // At most 10,000 elements of 16 bytes: the array is young.
            self.init_field(place, storage, value);
        }
        self.push(array);
    }

    /// An array of so many elements, which are still to be written; one that is too large for the nursery is made by the
    /// engine.
    fn make_array(&mut self, ty: u32, length: Value) -> Value {
        let element = FieldType::from(self.array_storage(ty));
        let id = self.type_id(ty);
        let constant = self.constant(length).map(|length| length as u32);
        if constant.is_some_and(|length| length <= array::young_length_max(element)) {
            return self.make_young_array(id, length, element);
        }
        let large = self.builder.ins().icmp_imm_u(
            IntCC::UnsignedGreaterThan,
            length,
            i64::from(array::young_length_max(element)),
        );
        let [slow, fast, done] = std::array::from_fn(|_| self.builder.create_block());
        self.builder.set_cold_block(slow);
        let array = self.builder.append_block_param(done, I32);
        self.root(array);
        self.builder.ins().brif(large, slow, &[], fast, &[]);
        self.builder.seal_block(slow);
        self.builder.seal_block(fast);
        self.builder.switch_to_block(fast);
        let young = self.make_young_array(id, length, element);
        self.builder.ins().jump(done, &[young.into()]);
        self.builder.switch_to_block(slow);
        let made = self.libcall_value(Libcall::ArrayNewLarge, &[id, length]);
        self.builder.ins().jump(done, &[made.into()]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        array
    }

    fn make_young_array(&mut self, id: Value, length: Value, element: FieldType) -> Value {
        let bytes = self.builder.ins().ishl_imm_u(length, i64::from(element.log2_bytes()));
        let whole = i64::from(object::ARRAY_ELEMENTS + object::ALIGN - 1);
        let bytes = self.builder.ins().iadd_imm_u(bytes, whole);
        let bytes = self.builder.ins().band_imm_s(bytes, -i64::from(object::ALIGN));
        let array = self.alloc_young(bytes);
        self.write_header(array, id);
        let address = self.object_address(array);
        let flags = self.object_flags(TrapCode::NullReference);
        self.builder.ins().store(flags, length, address, object::ARRAY_LENGTH as i32);
        array
    }

    /// Writes all elements of a new array.
    fn fill_new(&mut self, array: Value, length: Value, value: Value, storage: StorageTy) {
        match self.constant(length).map(|length| length as u32) {
            Some(count) if count <= UNROLLED_MAX => {
                for at in 0..count {
                    let place = self.field_place(array, array::element_offset(storage.into(), at));
                    self.init_field(place, storage, value);
                }
            }
            _ => self.fill_loop(array, length, value, storage),
        }
    }

    fn fill_loop(&mut self, array: Value, length: Value, value: Value, storage: StorageTy) {
        let element = FieldType::from(storage);
        let bytes = self.builder.ins().uextend(I64, length);
        let bytes = self.builder.ins().ishl_imm_u(bytes, i64::from(element.log2_bytes()));
        let start = self.object_address(array);
        let start = self.builder.ins().iadd_imm_u(start, i64::from(object::ARRAY_ELEMENTS));
        let end = self.builder.ins().iadd(start, bytes);
        let [header, body, done] = std::array::from_fn(|_| self.builder.create_block());
        let at = self.builder.append_block_param(header, I64);
        self.builder.ins().jump(header, &[start.into()]);
        self.builder.switch_to_block(header);
        let more = self.builder.ins().icmp(IntCC::UnsignedLessThan, at, end);
        self.builder.ins().brif(more, body, &[], done, &[]);
        self.builder.seal_block(body);
        self.builder.switch_to_block(body);
        let flags = self.object_flags(TrapCode::NullReference);
        match element {
            FieldType::I8 => self.builder.ins().istore8(flags, value, at, 0),
            FieldType::I16 => self.builder.ins().istore16(flags, value, at, 0),
            _ => self.builder.ins().store(flags, value, at, 0),
        };
        let next = self.builder.ins().iadd_imm_u(at, i64::from(element.bytes()));
        self.builder.ins().jump(header, &[next.into()]);
        self.builder.seal_block(header);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        if element == FieldType::GcRef && self.constant(value).is_none() {
            self.note_range(array, length);
        }
    }

    /// Notes the elements of a new array if it is one that was made old.
    fn note_range(&mut self, array: Value, length: Value) {
        let old =
            self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, array, i64::from(NURSERY_END));
        let (note, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(note);
        self.builder.ins().brif(old, note, &[], done, &[]);
        self.builder.seal_block(note);
        self.builder.switch_to_block(note);
        let first = self.builder.ins().iadd_imm_u(array, i64::from(object::ARRAY_ELEMENTS));
        self.libcall(Libcall::GcRemember, &[first, length]);
        self.builder.ins().jump(done, &[]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
    }

    /// `array.fill`.
    pub(crate) fn array_fill(&mut self, ty: u32) {
        let length = self.pop();
        let (array, at, value) = self.pop3();
        let storage = self.array_storage(ty);
        let value = self.stored_form(storage, value);
        let (low, high) = self.as_words(value);
        self.libcall(Libcall::ArrayFill, &[array, at, low, high, length]);
    }

    /// The bits of a value in two words.
    fn as_words(&mut self, value: Value) -> (Value, Value) {
        let value = self.canonical(value);
        let zero = self.zero(I64);
        let ty = self.builder.func.dfg.value_type(value);
        let raw = MemFlagsData::new().with_endianness(Endianness::Little);
        match ty {
            I8X16 => {
                let lanes = self.bitcast_vector(value, I64X2);
                (self.builder.ins().extractlane(lanes, 0), self.builder.ins().extractlane(lanes, 1))
            }
            I8 | I16 | I32 => (self.builder.ins().uextend(I64, value), zero),
            I64 => (value, zero),
            F64 => (self.builder.ins().bitcast(I64, raw, value), zero),
            float => {
                let bits = self.builder.ins().bitcast(float.as_int(), raw, value);
                (self.builder.ins().uextend(I64, bits), zero)
            }
        }
    }

    /// `array.copy`.
    pub(crate) fn array_copy(&mut self) {
        let (src, src_at, length) = self.pop3();
        let (dst, dst_at) = self.pop2();
        self.libcall(Libcall::ArrayCopy, &[dst, dst_at, src, src_at, length]);
    }

    /// `array.new_data`.
    pub(crate) fn array_new_data(&mut self, ty: u32, data: u32) {
        let (start, length) = self.pop2();
        let (id, data) = (self.type_id(ty), self.number(data));
        let array = self.libcall_value(Libcall::ArrayNewData, &[id, data, start, length]);
        self.root(array);
        self.push(array);
    }

    /// `array.new_elem`.
    pub(crate) fn array_new_elem(&mut self, ty: u32, elem: u32) {
        let (start, length) = self.pop2();
        let (id, elem) = (self.type_id(ty), self.number(elem));
        let array = self.libcall_value(Libcall::ArrayNewElem, &[id, elem, start, length]);
        self.root(array);
        self.push(array);
    }

    /// `array.init_data`.
    pub(crate) fn array_init_data(&mut self, data: u32) {
        let (src, length) = self.pop2();
        let (array, at) = self.pop2();
        let data = self.number(data);
        self.libcall(Libcall::ArrayInitData, &[array, at, data, src, length]);
    }

    /// `array.init_elem`.
    pub(crate) fn array_init_elem(&mut self, elem: u32) {
        let (src, length) = self.pop2();
        let (array, at) = self.pop2();
        let elem = self.number(elem);
        self.libcall(Libcall::ArrayInitElem, &[array, at, elem, src, length]);
    }
}
