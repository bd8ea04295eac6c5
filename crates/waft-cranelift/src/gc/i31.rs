//! Integers of 31 bits, which are references without an object.

use crate::translator::FuncTranslator;
use crate::trap::clif_trap;
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I32;
use waft_core::trap::TrapCode;

use super::Extension;

impl FuncTranslator<'_, '_> {
    /// `ref.i31`.
    pub(crate) fn ref_i31(&mut self) {
        let value = self.pop();
        let shifted = self.builder.ins().ishl_imm_u(value, 1);
        let reference = self.builder.ins().bor_imm_u(shifted, 1);
        self.root(reference);
        self.push(reference);
    }

    /// `i31.get_s` and `i31.get_u`.
    pub(crate) fn i31_get(&mut self, extension: Extension) {
        let reference = self.pop();
        self.builder.ins().trapz(reference, clif_trap(TrapCode::NullReference));
        let value = match extension {
            Extension::Signed => self.builder.ins().sshr_imm_u(reference, 1),
            Extension::Unsigned => self.builder.ins().ushr_imm_u(reference, 1),
        };
        self.push(value);
    }

    /// `ref.eq`.
    pub(crate) fn ref_eq(&mut self) {
        let (a, b) = self.pop2();
        let same = self.builder.ins().icmp(IntCC::Equal, a, b);
        let same = self.builder.ins().uextend(I32, same);
        self.push(same);
    }
}
