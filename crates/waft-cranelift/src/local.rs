//! Locals, as variables of Cranelift's SSA construction: variable n is local n. Those past the first few thousand
//! live in the frame: see `home.rs`.

use crate::home::kept_locals;
use crate::signature::clif_type;
use crate::translator::{FuncTranslator, TranslateResult};
use cranelift_codegen::ir::types::{F32, F64, I8X16};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::Variable;
use waft_core::types::ValType;
use wasmparser::FunctionBody;

impl FuncTranslator<'_, '_> {
    /// Decides how many locals become variables.
    pub(crate) fn choose_variables(&mut self, body: &FunctionBody<'_>) -> wasmparser::Result<()> {
        let mut locals = self.sig.params().len() as u64;
        let mut groups = body.get_locals_reader()?;
        for _ in 0..groups.get_count() {
            locals += u64::from(groups.read()?.0);
        }
        self.homes.kept_locals = kept_locals(locals, body)?;
        Ok(())
    }

    /// Declares the parameters as locals, with the values that arrive in the entry block after the first `skip`.
    pub(crate) fn declare_params(&mut self, arrived: &[Value]) {
        let sig = self.sig;
        for (ty, value) in sig.params().iter().zip(arrived) {
            self.root_if_ref(*value, *ty);
            let local = self.declare_local(*ty);
            self.set_local(local, *value);
        }
    }

    /// Declares the locals of `body`, which start as zero.
    pub(crate) fn declare_locals(&mut self, body: &FunctionBody<'_>) -> TranslateResult {
        let unreadable = |error: wasmparser::BinaryReaderError| error.to_string();
        let mut groups = body.get_locals_reader().map_err(unreadable)?;
        for _ in 0..groups.get_count() {
            let (count, ty) = groups.read().map_err(unreadable)?;
            if count == 0 {
                continue;
            }
            let ty = self.val_type(ty)?;
            let zero = self.zero(clif_type(ty));
            for _ in 0..count {
                let local = self.declare_local(ty);
                if self.homed(local).is_none() {
                    self.set_local(local, zero);
                }
            }
        }
        self.zero_homes();
        Ok(())
    }

    /// Declares the next local, without a value.
    fn declare_local(&mut self, ty: ValType) -> u32 {
        if !self.homes.next_variable() {
            return self.home_local(ty);
        }
        let variable = self.builder.declare_var(clif_type(ty));
        if ty.is_gc_ref() {
            self.builder.declare_var_needs_stack_map(variable);
            self.ref_locals.insert(variable);
        }
        variable.as_u32()
    }

    pub(crate) fn set_local(&mut self, local: u32, value: Value) {
        match self.homed(local) {
            Some(at) => self.store_local(at, value),
            None => self.builder.def_var(Variable::from_u32(local), value),
        }
    }

    /// Zero, or null, of a type.
    pub(crate) fn zero(&mut self, ty: Type) -> Value {
        match ty {
            F32 => self.builder.ins().f32const(0.0),
            F64 => self.builder.ins().f64const(0.0),
            I8X16 => {
                let zero = self.builder.func.dfg.constants.insert(vec![0; 16].into());
                self.builder.ins().vconst(I8X16, zero)
            }
            int => self.builder.ins().iconst(int, 0),
        }
    }

    /// `local.get`.
    pub(crate) fn local_get(&mut self, local: u32) {
        let value = match self.homed(local) {
            Some(at) => self.load_local(at),
            None => self.builder.use_var(Variable::from_u32(local)),
        };
        if self.ref_locals.contains(Variable::from_u32(local)) {
            self.root(value);
        }
        self.push(value);
    }

    /// `local.set`.
    pub(crate) fn local_set(&mut self, local: u32) {
        let value = self.pop();
        let value = self.canonical(value);
        self.set_local(local, value);
    }

    /// `local.tee`.
    pub(crate) fn local_tee(&mut self, local: u32) {
        let value = self.peek();
        let value = self.canonical(value);
        self.set_local(local, value);
    }
}
