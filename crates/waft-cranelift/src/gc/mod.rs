//! Objects of the GC heap: where they are, how their fields are read and written, how they are made.
//!
//! # Invariants
//!
//! * **O1** A reference is zero-extended before it is added to the base of the heap, and what is added besides is a
//!   static offset smaller than the guard, or was added to the reference in 32 bits: no address leaves the heap's
//!   reservation, whatever the heap holds.
//! * **O2** Null needs no check of its own where the offset is smaller than [`NURSERY_START`]: the access faults.
//! * **O3** A number of a function that was read from the heap is checked against the store's list, and the function
//!   against the type that code expects: nothing else of what the heap holds is ever more than a number.
//! * **O4** An object is written whole before the next call: there is no collection in between.
//! * **O5** A reference that is stored into an object which may be old is noted ([`FuncTranslator::note_store`]).
//!
//! # Elsewhere
//!
//! Layouts: `waft_core::gc`. The collector: `waft-engine/src/vm/gc`.

mod alloc;
mod array;
mod i31;
mod structure;

use crate::context::Region;
use crate::translator::FuncTranslator;
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F64, I8, I8X16, I16, I32, I64};
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value};
use waft_core::gc::{FieldType, NURSERY_END, NURSERY_START, gc_state};
use waft_core::index::TypeIndex;
use waft_core::layout::{POINTER_BYTES, func_ref, store_context};
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;
use waft_core::types::{CompositeKind, HeapType, StorageTy, ValType};

/// How a packed field is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extension {
    /// With its sign.
    Signed,
    /// With zeros; also for fields that are not packed.
    Unsigned,
}

/// The place of a field: an address, a static offset from it, and the reference with which it was computed.
#[derive(Clone, Copy)]
pub(crate) struct FieldPlace {
    /// The object.
    object: Value,
    /// The address to which the offset is added.
    address: Value,
    /// What was added to `object` in 32 bits to make `address`, if anything.
    displacement: Option<Value>,
    /// The static offset.
    offset: u32,
}

impl FuncTranslator<'_, '_> {
    /// The address of an object (O1).
    pub(crate) fn object_address(&mut self, object: Value) -> Value {
        let base = self.heap();
        let object = self.builder.ins().uextend(I64, object);
        self.builder.ins().iadd(base, object)
    }

    /// The flags of accesses to objects, which fault on null (O2).
    pub(crate) fn object_flags(&mut self, if_null: TrapCode) -> MemFlagsData {
        MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_alias_region(Some(self.region(Region::GcHeap)))
            .with_trap_code(Some(clif_trap(if_null)))
    }

    /// The place of a field of an object, which traps if the object is null.
    pub(crate) fn field_place(&mut self, object: Value, offset: u32) -> FieldPlace {
        if offset >= NURSERY_START {
            self.builder.ins().trapz(object, clif_trap(TrapCode::NullReference));
        }
        let address = self.object_address(object);
        FieldPlace { object, address, displacement: None, offset }
    }

    /// Reads a field as the value that the guest sees.
    pub(crate) fn load_field(
        &mut self,
        place: FieldPlace,
        storage: StorageTy,
        extension: Extension,
    ) -> Value {
        let flags = self.object_flags(TrapCode::NullReference);
        let (address, offset) = (place.address, place.offset as i32);
        let signed = extension == Extension::Signed;
        match (storage, FieldType::from(storage)) {
            (StorageTy::I8, _) if signed => self.builder.ins().sload8(I32, flags, address, offset),
            (StorageTy::I8, _) => self.builder.ins().uload8(I32, flags, address, offset),
            (StorageTy::I16, _) if signed => self.builder.ins().sload16(I32, flags, address, offset),
            (StorageTy::I16, _) => self.builder.ins().uload16(I32, flags, address, offset),
            (StorageTy::Val(ValType::Ref(ty)), FieldType::FuncRef) => {
                let number = self.builder.ins().load(I32, flags, address, offset);
                self.func_of(number, ty.heap_type())
            }
            (_, field) => {
                let value = self.builder.ins().load(field_clif_type(field), flags, address, offset);
                if field == FieldType::GcRef {
                    self.root(value);
                }
                value
            }
        }
    }

    /// Writes a field of an object that no collection has seen yet, and that is young: nothing is noted.
    pub(crate) fn init_field(&mut self, place: FieldPlace, storage: StorageTy, value: Value) {
        let flags = self.object_flags(TrapCode::NullReference);
        let (address, offset) = (place.address, place.offset as i32);
        match FieldType::from(storage) {
            FieldType::I8 => {
                self.builder.ins().istore8(flags, value, address, offset);
            }
            FieldType::I16 => {
                self.builder.ins().istore16(flags, value, address, offset);
            }
            FieldType::FuncRef => {
                // Whoever calls has made numbers of functions before the object.
                debug_assert_eq!(self.builder.func.dfg.value_type(value), I32);
                self.builder.ins().store(flags, value, address, offset);
            }
            _ => {
                let value = self.canonical(value);
                self.builder.ins().store(flags, value, address, offset);
            }
        }
    }

    /// Writes a field (O5).
    pub(crate) fn store_field(&mut self, place: FieldPlace, storage: StorageTy, value: Value) {
        let value = self.stored_form(storage, value);
        self.init_field(place, storage, value);
        if FieldType::from(storage) == FieldType::GcRef {
            self.note_store(place, value);
        }
    }

    /// A value as the heap holds it: of a function, its number. May call the engine.
    pub(crate) fn stored_form(&mut self, storage: StorageTy, value: Value) -> Value {
        if FieldType::from(storage) == FieldType::FuncRef { self.number_of_func(value) } else { value }
    }

    /// Notes the slot of an object that may be old if `value` may be young.
    fn note_store(&mut self, place: FieldPlace, value: Value) {
        if self.constant(value).is_some() {
            // Null.
            return;
        }
        let old = self.builder.ins().icmp_imm_u(
            IntCC::UnsignedGreaterThanOrEqual,
            place.object,
            i64::from(NURSERY_END),
        );
        let [of_old, note, room, full, done] = std::array::from_fn(|_| self.builder.create_block());
        self.builder.set_cold_block(note);
        self.builder.set_cold_block(room);
        self.builder.set_cold_block(full);
        self.builder.ins().brif(old, of_old, &[], done, &[]);
        self.builder.seal_block(of_old);
        self.switch_to(of_old, self.cold);
        let before = self.builder.ins().iadd_imm_s(value, -1);
        let young =
            self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, before, i64::from(NURSERY_END - 1));
        self.builder.ins().brif(young, note, &[], done, &[]);
        self.builder.seal_block(note);
        self.builder.switch_to_block(note);
        let slot = match place.displacement {
            Some(displacement) => self.builder.ins().iadd(place.object, displacement),
            None => place.object,
        };
        let slot = self.builder.ins().iadd_imm_u(slot, i64::from(place.offset));
        let next = self.load_gc_state(I64, gc_state::REMEMBER_NEXT);
        let end = self.load_gc_state(I64, gc_state::REMEMBER_END);
        let is_full = self.builder.ins().icmp(IntCC::Equal, next, end);
        self.builder.ins().brif(is_full, full, &[], room, &[]);
        self.builder.seal_block(room);
        self.builder.seal_block(full);
        self.builder.switch_to_block(room);
        let flags = self.trusted(Region::GcState);
        self.builder.ins().store(flags, slot, next, 0);
        let next = self.builder.ins().iadd_imm_u(next, i64::from(I32.bytes()));
        self.store_gc_state(next, gc_state::REMEMBER_NEXT);
        self.builder.ins().jump(done, &[]);
        self.builder.switch_to_block(full);
        let one = self.builder.ins().iconst(I32, 1);
        self.store_gc_state(one, gc_state::REMEMBER_OVERFLOW);
        self.builder.ins().jump(done, &[]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
    }

    fn load_gc_state(&mut self, ty: Type, offset: u32) -> Value {
        let store = self.store_context();
        let flags = self.trusted(Region::GcState);
        self.builder.ins().load(ty, flags, store, (store_context::GC + offset) as i32)
    }

    fn store_gc_state(&mut self, value: Value, offset: u32) {
        let store = self.store_context();
        let flags = self.trusted(Region::GcState);
        self.builder.ins().store(flags, value, store, (store_context::GC + offset) as i32);
    }

    /// The function with a number that the heap held, of the type that code expects (O3).
    fn func_of(&mut self, number: Value, expected: HeapType) -> Value {
        let store = self.store_context();
        let flags = self.trusted(Region::Context);
        let funcs = self.builder.ins().load(I64, flags, store, store_context::FUNCS as i32);
        let count = self.builder.ins().load(I32, flags, store, store_context::FUNCS_COUNT as i32);
        let outside = self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, number, count);
        let offset = self.builder.ins().uextend(I64, number);
        let offset = self.builder.ins().ishl_imm_u(offset, i64::from(POINTER_BYTES.ilog2()));
        let place = self.builder.ins().iadd(funcs, offset);
        let null = self.builder.ins().iconst(I64, 0);
        let place = self.builder.ins().select_spectre_guard(outside, null, place);
        let flags = self.trusted(Region::Code).with_trap_code(Some(clif_trap(TrapCode::CorruptHeap)));
        let func = self.builder.ins().load(I64, flags, place, 0);
        let HeapType::Concrete(ty) = expected else { return func };
        debug_assert_eq!(ty.kind, CompositeKind::Func);
        let (check, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(func, check, &[], done, &[]);
        self.builder.seal_block(check);
        self.builder.switch_to_block(check);
        let wanted = self.type_id(ty.index);
        let flags = self.trusted(Region::Code).with_readonly();
        let found = self.builder.ins().load(I32, flags, func, func_ref::TYPE as i32);
        self.trap_unless_type(found, wanted, TypeIndex::from_u32(ty.index), TrapCode::CorruptHeap);
        self.builder.ins().jump(done, &[]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        func
    }

    /// The number of a function for the heap; the engine gives it one when it has none.
    fn number_of_func(&mut self, func: Value) -> Value {
        let [some, new, done] = std::array::from_fn(|_| self.builder.create_block());
        let number = self.builder.append_block_param(done, I32);
        let none = self.builder.ins().iconst(I32, 0);
        self.builder.ins().brif(func, some, &[], done, &[none.into()]);
        self.builder.seal_block(some);
        self.builder.switch_to_block(some);
        let flags = self.trusted(Region::Context);
        let known = self.builder.ins().load(I32, flags, func, func_ref::ID as i32);
        self.builder.set_cold_block(new);
        self.builder.ins().brif(known, done, &[known.into()], new, &[]);
        self.builder.seal_block(new);
        self.builder.switch_to_block(new);
        let fresh = self.libcall_value(Libcall::FuncNumber, &[func]);
        self.builder.ins().jump(done, &[fresh.into()]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        number
    }
}

/// The CLIF type of what a field holds.
pub(crate) fn field_clif_type(field: FieldType) -> Type {
    match field {
        FieldType::I8 => I8,
        FieldType::I16 => I16,
        FieldType::I32 | FieldType::GcRef | FieldType::FuncRef => I32,
        FieldType::I64 => I64,
        FieldType::F32 => F32,
        FieldType::F64 => F64,
        FieldType::V128 => I8X16,
    }
}
