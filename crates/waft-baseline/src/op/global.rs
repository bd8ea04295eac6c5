//! Globals: those of the module lie in the context, imported ones behind a pointer.

use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{Gpr, Mem, R11, Width};
use waft_core::index::GlobalIndex;

impl Compiler<'_> {
    /// The place of a global, through a register that it may take.
    fn global_place(&mut self, global: GlobalIndex, through: Gpr) -> Mem {
        self.load_context(through);
        match self.shape.defined_global(global) {
            Some(defined) => Mem::at(through, self.layout.global(defined) as i32),
            None => {
                self.asm.load(Width::W64, through, Mem::at(through, self.layout.global_ref(global) as i32));
                Mem::at(through, 0)
            }
        }
    }

    /// `global.get`.
    pub(crate) fn global_get(&mut self, global: u32) {
        let global = GlobalIndex::from_u32(global);
        let ty = Ty::from(self.shape.globals[global].content);
        if ty.is_float() {
            let dst = self.result_xmm();
            let place = self.global_place(global, R11);
            self.load_float(ty, dst, place);
            return self.push_xmm(ty, dst);
        }
        let dst = self.result_gpr();
        let place = self.global_place(global, R11);
        self.asm.load(ty.width(), dst, place);
        self.push_gpr(ty, dst);
    }

    /// `global.set`.
    pub(crate) fn global_set(&mut self, global: u32) {
        let value = self.pop();
        let global = GlobalIndex::from_u32(global);
        let ty = Ty::from(self.shape.globals[global].content);
        if ty.is_float() {
            let src = self.xmm(&value);
            let place = self.global_place(global, R11);
            self.store_float(ty, place, src);
            return self.free_xmm(src);
        }
        let place = match value.imm32() {
            Some(imm) => {
                let place = self.global_place(global, R11);
                return self.asm.store_imm(ty.width(), place, imm);
            }
            None => {
                let src = self.gpr(&value);
                (self.global_place(global, R11), src)
            }
        };
        self.asm.store(ty.width(), place.0, place.1);
        self.free_gpr(place.1);
    }
}
