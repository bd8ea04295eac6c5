//! Locals, as variables of Cranelift's SSA construction: variable n is local n, but in callees that are translated in place.
//! Those past the first few thousand live in the frame: see `home.rs`.

use crate::signature::clif_type;
use crate::translator::{FuncTranslator, TranslateResult, unreadable};
use cranelift_codegen::ir::types::{F32, F64, I8X16};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::Variable;
use waft_core::types::ValType;
use wasmparser::FunctionBody;

/// Where a local is.
enum Place {
    /// In the frame: its number among those that are.
    Home(usize),
    Variable(Variable),
}

impl FuncTranslator<'_, '_> {
    /// Decides how many locals become variables.
    pub(crate) fn choose_variables(&mut self, body: &FunctionBody<'_>) -> wasmparser::Result<()> {
        let mut locals = self.sig.params().len() as u64;
        let mut groups = body.get_locals_reader()?;
        for _ in 0..groups.get_count() {
            locals += u64::from(groups.read()?.0);
        }
        self.homes.choose_variables(locals, body)?;
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
        self.declare_variable(ty).as_u32()
    }

    /// Declares a variable for values of a type.
    pub(crate) fn declare_variable(&mut self, ty: ValType) -> Variable {
        let variable = self.builder.declare_var(clif_type(ty));
        if ty.is_gc_ref() {
            self.builder.declare_var_needs_stack_map(variable);
            self.ref_locals.insert(variable);
        }
        variable
    }

    /// Where a local of the body is.
    fn place(&self, local: u32) -> Place {
        match (&self.body.locals, self.homed(local)) {
            (Some(locals), _) => Place::Variable(locals[local as usize].variable),
            (None, Some(at)) => Place::Home(at),
            (None, None) => Place::Variable(Variable::from_u32(local)),
        }
    }

    pub(crate) fn set_local(&mut self, local: u32, value: Value) {
        match self.place(local) {
            Place::Home(at) => self.store_local(at, value),
            Place::Variable(variable) => self.builder.def_var(variable, value),
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
        let value = match self.place(local) {
            Place::Home(at) => self.load_local(at),
            Place::Variable(variable) => {
                let value = self.builder.use_var(variable);
                if self.ref_locals.contains(variable) {
                    self.root(value);
                }
                value
            }
        };
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
