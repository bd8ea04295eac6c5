//! Globals: those of the module lie in the context, imported ones behind a pointer.

use crate::context::Region;
use crate::signature::clif_type;
use crate::translator::FuncTranslator;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use waft_core::index::GlobalIndex;

impl FuncTranslator<'_, '_> {
    /// `global.get`.
    pub(crate) fn global_get(&mut self, global: u32) {
        let global = GlobalIndex::from_u32(global);
        let ty = self.shape.globals[global];
        let (base, offset, flags) = self.global_place(global);
        // A collection moves what a global refers to, whether the guest can write it or not.
        let fixed = !ty.mutable && !ty.content.is_gc_ref();
        let flags = if fixed { flags.with_readonly().with_can_move() } else { flags };
        let value = self.builder.ins().load(clif_type(ty.content), flags, base, offset);
        self.root_if_ref(value, ty.content);
        self.push(value);
    }

    /// `global.set`.
    pub(crate) fn global_set(&mut self, global: u32) {
        let value = self.pop();
        let value = self.canonical(value);
        let (base, offset, flags) = self.global_place(GlobalIndex::from_u32(global));
        self.builder.ins().store(flags, value, base, offset);
    }

    fn global_place(&mut self, global: GlobalIndex) -> (Value, i32, MemFlagsData) {
        let context = self.vm.context;
        match self.shape.defined_global(global) {
            Some(defined) => {
                let number = defined.as_u32();
                let region =
                    if number < Region::OWN_GLOBALS { Region::OwnGlobal(number) } else { Region::Globals };
                (context, self.layout.global(defined) as i32, self.trusted(region))
            }
            None => {
                let pointer = self.load_constant(I64, context, self.layout.global_ref(global));
                (pointer, 0, self.trusted(Region::Globals))
            }
        }
    }
}
