//! References as such: null, functions, and branches on null.

use crate::signature::ref_type;
use crate::translator::{FuncTranslator, TranslateResult};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I32;
use cranelift_codegen::ir::{InstBuilder, Value};
use waft_core::index::FuncIndex;
use waft_core::trap::TrapCode;
use waft_core::types::RefType;

impl FuncTranslator<'_, '_> {
    /// `ref.null`.
    pub(crate) fn ref_null(&mut self, ty: wasmparser::HeapType) -> TranslateResult {
        let heap = self.shape.heap_type(ty, 0).map_err(|error| error.to_string())?;
        let null = self.zero(ref_type(RefType::new(true, heap)));
        self.push(null);
        Ok(())
    }

    /// Whether a reference is null.
    pub(crate) fn is_null(&mut self, reference: Value) -> Value {
        self.builder.ins().icmp_imm_u(IntCC::Equal, reference, 0)
    }

    /// `ref.is_null`.
    pub(crate) fn ref_is_null(&mut self) {
        let reference = self.pop();
        let is_null = self.is_null(reference);
        let is_null = self.builder.ins().uextend(I32, is_null);
        self.push(is_null);
    }

    /// `ref.as_non_null`.
    pub(crate) fn ref_as_non_null(&mut self) {
        let reference = self.peek();
        self.builder.ins().trapz(reference, clif_trap(TrapCode::NullReference));
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

    /// `br_on_null`: branches without the reference, goes on with it.
    pub(crate) fn br_on_null(&mut self, depth: u32) {
        let reference = self.pop();
        let is_null = self.is_null(reference);
        self.branch_if(is_null, depth);
        self.push(reference);
    }

    /// `br_on_non_null`: branches with the reference, goes on without it.
    pub(crate) fn br_on_non_null(&mut self, depth: u32) {
        let is_null = {
            let reference = self.peek();
            self.is_null(reference)
        };
        self.branch_unless(is_null, depth);
        self.pop();
    }
}
