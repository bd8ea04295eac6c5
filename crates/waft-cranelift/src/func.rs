//! References to functions, and null.

use crate::signature::{heap_type, ref_type};
use crate::translator::{FuncTranslator, TranslateResult};
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I32;
use waft_core::index::FuncIndex;

impl FuncTranslator<'_, '_> {
    /// `ref.null`.
    pub(crate) fn ref_null(&mut self, ty: wasmparser::HeapType) {
        let null = self.zero(ref_type(heap_type(ty)));
        self.push(null);
    }

    /// `ref.is_null`.
    pub(crate) fn ref_is_null(&mut self) {
        let reference = self.pop();
        let is_null = self.builder.ins().icmp_imm_u(IntCC::Equal, reference, 0);
        let is_null = self.builder.ins().uextend(I32, is_null);
        self.push(is_null);
    }

    /// `ref.func`: the address of the function's `VmFuncRef` in the context.
    pub(crate) fn ref_func(&mut self, func: u32) -> TranslateResult {
        let place = self.shape.funcs[FuncIndex::from_u32(func)].func_ref;
        let place = place.ok_or_else(|| format!("function {func} has no reference"))?;
        let offset = i64::from(self.layout.func_ref(place));
        let reference = self.builder.ins().iadd_imm_u(self.vm.context, offset);
        self.push(reference);
        Ok(())
    }
}
