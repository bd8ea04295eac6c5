//! Making objects: a bump of the nursery's pointer, or a call of the engine when it is full.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{InstBuilder, Value};
use waft_core::gc::{gc_state, object};
use waft_core::libcall::Libcall;
use waft_core::trap::TrapCode;

impl FuncTranslator<'_, '_> {
    /// A young object of a type with the number `id`, of so many bytes, a constant; only its header is written.
    pub(crate) fn alloc_fixed(&mut self, id: Value, bytes: u32) -> Value {
        let bytes = self.builder.ins().iconst(I32, i64::from(bytes));
        let object = self.alloc_young(bytes);
        self.write_header(object, id);
        object
    }

    /// Room of `bytes` in the nursery, a multiple of 8 and no more than `LARGE_BYTES`. A safepoint.
    pub(super) fn alloc_young(&mut self, bytes: Value) -> Value {
        let next = self.load_gc_state(I32, gc_state::ALLOC_NEXT);
        let end = self.load_gc_state(I32, gc_state::ALLOC_END);
        // Neither term has more than 25 bits.
        let after = self.builder.ins().iadd(next, bytes);
        let full = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, after, end);
        let [slow, fast, done] = std::array::from_fn(|_| self.builder.create_block());
        self.builder.set_cold_block(slow);
        let object = self.builder.append_block_param(done, I32);
        self.root(object);
        self.builder.ins().brif(full, slow, &[], fast, &[]);
        self.builder.seal_block(slow);
        self.builder.seal_block(fast);
        self.builder.switch_to_block(fast);
        self.store_gc_state(after, gc_state::ALLOC_NEXT);
        self.builder.ins().jump(done, &[next.into()]);
        self.builder.switch_to_block(slow);
        let made = self.libcall_value(Libcall::GcAlloc, &[bytes]);
        self.builder.ins().jump(done, &[made.into()]);
        self.builder.seal_block(done);
        self.builder.switch_to_block(done);
        object
    }

    /// Says of which type an object is.
    pub(super) fn write_header(&mut self, object: Value, id: Value) {
        let address = self.object_address(object);
        let flags = self.object_flags(TrapCode::NullReference);
        self.builder.ins().store(flags, id, address, object::TYPE as i32);
    }
}
