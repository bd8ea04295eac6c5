//! Making objects: a bump of the nursery's pointer, or a call of the engine when it is full.

use crate::call::LibcallArg;
use crate::compiler::Compiler;
use crate::x64::{Alu, Cond, Gpr, Label, Mem, R11, Rm, Width};
use waft_core::gc::gc_state;
use waft_core::layout::{VmLayout, store_context};
use waft_core::libcall::Libcall;

/// Where a field of `VmGcState` is, from the store's context.
pub(crate) const fn gc_field(field: u32) -> i32 {
    (store_context::GC + field) as i32
}

impl Compiler<'_> {
    /// Loads the address of the store's context.
    pub(crate) fn load_store_context(&mut self, dst: Gpr) {
        self.load_context(dst);
        self.asm.load(Width::W64, dst, Mem::at(dst, VmLayout::STORE as i32));
    }

    /// Loads the base of the GC heap.
    pub(crate) fn load_heap(&mut self, dst: Gpr) {
        self.load_context(dst);
        self.asm.load(Width::W64, dst, Mem::at(dst, VmLayout::HEAP as i32));
    }

    /// Room of so many bytes in the nursery, a multiple of 8 and no more than `LARGE_BYTES`: a reference in a register of the
    /// operator's. A safepoint: whatever is needed afterwards is on the stack of operands.
    pub(crate) fn alloc_fixed(&mut self, bytes: u32) -> Gpr {
        let (object, after) = (self.alloc_gpr(), self.alloc_gpr());
        self.load_store_context(R11);
        self.asm.load(Width::W32, object, Mem::at(R11, gc_field(gc_state::ALLOC_NEXT)));
        // Neither term has more than 25 bits.
        self.asm.lea(Width::W32, after, Mem::at(object, bytes as i32));
        self.bump(object, after, LibcallArg::Number(bytes));
        self.free_gpr(after);
        object
    }

    /// The same with the number of bytes in a register, into registers that the caller has.
    pub(crate) fn bump_into(&mut self, object: Gpr, after: Gpr, bytes: Gpr) {
        self.load_store_context(R11);
        self.asm.load(Width::W32, object, Mem::at(R11, gc_field(gc_state::ALLOC_NEXT)));
        self.asm.lea(Width::W32, after, Mem::indexed(object, bytes, 0));
        self.bump(object, after, LibcallArg::Reg(bytes));
    }

    /// Takes the room up to `after` if there is so much; else `object` is what the engine gives.
    fn bump(&mut self, object: Gpr, after: Gpr, bytes: LibcallArg) {
        let (mut fast, mut done) = (Label::NEW, Label::NEW);
        self.asm.alu(Alu::Cmp, Width::W32, after, Rm::Mem(Mem::at(R11, gc_field(gc_state::ALLOC_END))));
        self.asm.jcc(Cond::Be, &mut fast);
        self.libcall_aside(Libcall::GcAlloc, &[bytes], object);
        self.asm.jmp(&mut done);
        self.asm.bind(&mut fast);
        self.asm.store(Width::W32, Mem::at(R11, gc_field(gc_state::ALLOC_NEXT)), after);
        self.asm.bind(&mut done);
    }
}
