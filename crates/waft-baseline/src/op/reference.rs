//! References as such: null, functions, and branches on null.

use crate::compiler::{CompileResult, Compiler};
use crate::value::Ty;
use crate::x64::{Alu, Cond, Rm, Width};
use waft_core::index::FuncIndex;
use waft_core::trap::TrapCode;
use waft_core::types::{RefType, ValType};

impl Compiler<'_> {
    /// `ref.null`.
    pub(crate) fn ref_null(&mut self, ty: wasmparser::HeapType) -> CompileResult {
        let heap = self.shape.heap_type(ty, 0).map_err(|error| error.to_string())?;
        self.push_const(Ty::from(ValType::Ref(RefType::new(true, heap))), 0);
        Ok(())
    }

    /// `ref.is_null`.
    pub(crate) fn ref_is_null(&mut self) {
        let ty = self.stack.last().map_or(Ty::Func, |top| top.ty());
        self.eqz(ty);
    }

    /// `ref.as_non_null`.
    pub(crate) fn ref_as_non_null(&mut self) {
        let reference = self.pop();
        let reg = self.gpr(&reference);
        self.asm.test(reference.ty().width(), reg, reg);
        self.trap_if(Cond::E, TrapCode::NullReference);
        self.push_same(&reference, reg);
    }

    /// Pushes an operand again that was brought into `reg`.
    pub(crate) fn push_same(&mut self, operand: &crate::value::Operand, reg: crate::x64::Gpr) {
        if let crate::value::Loc::Local(local) = operand.loc() {
            self.free_gpr(reg);
            return self.local_get(local);
        }
        self.push_gpr(operand.ty(), reg);
    }

    /// `ref.func`: the address of the function's `VmFuncRef` in the context.
    pub(crate) fn ref_func(&mut self, func: u32) -> CompileResult {
        let place = self.shape.funcs[FuncIndex::from_u32(func)].func_ref;
        let place = place.ok_or_else(|| format!("function {func} has no reference"))?;
        let dst = self.result_gpr();
        self.load_context(dst);
        self.asm.alu_imm(Alu::Add, Width::W64, Rm::Reg(dst), self.layout.func_ref(place) as i32);
        self.push_gpr(Ty::Func, dst);
        Ok(())
    }

    /// `ref.eq`.
    pub(crate) fn ref_eq(&mut self) {
        self.int_compare(Cond::E, Ty::Ref);
    }

    /// `br_on_null`: branches without the reference, goes on with it.
    pub(crate) fn br_on_null(&mut self, depth: u32) {
        let reference = self.pop();
        let reg = self.gpr(&reference);
        self.asm.test(reference.ty().width(), reg, reg);
        self.branch(Cond::E, depth);
        self.push_same(&reference, reg);
    }

    /// `br_on_non_null`: branches with the reference, goes on without it.
    pub(crate) fn br_on_non_null(&mut self, depth: u32) {
        let reference = self.pop();
        let reg = self.gpr(&reference);
        self.push_same(&reference, reg);
        let now = self.gpr_now(self.stack.last().expect("it was pushed"));
        match now {
            Some(reg) => self.asm.test(reference.ty().width(), reg, reg),
            None => {
                let top = *self.stack.last().expect("it was pushed");
                let place = self.rm(&top);
                self.asm.alu_imm(Alu::Cmp, reference.ty().width(), place, 0);
            }
        }
        self.branch(Cond::Ne, depth);
        let reference = self.pop();
        self.free(&reference);
    }

    /// `select`, of whatever type.
    pub(crate) fn select(&mut self) {
        let condition = self.pop();
        let (a, b) = self.pop2();
        if a.ty().is_float() {
            return self.select_float(&condition, &a, &b);
        }
        // Loads leave the flags alone.
        let cond = self.cond_of(&condition);
        if cond.is_float_equality() {
            return self.select_float_equality(cond, &a, &b);
        }
        let (dst, src, cond) = match (a.is_owned(), b.is_owned()) {
            (false, true) => (self.owned_gpr(&b), &a, cond),
            _ => (self.owned_gpr(&a), &b, cond.negated()),
        };
        let rm = self.rm(src);
        self.asm.cmov(cond, a.ty().width(), dst, rm);
        self.free(src);
        self.push_gpr(a.ty(), dst);
    }

    fn select_float_equality(&mut self, cond: Cond, a: &crate::value::Operand, b: &crate::value::Operand) {
        let dst = self.owned_gpr(a);
        let rm = self.rm(b);
        let width = a.ty().width();
        if cond == Cond::FloatE {
            // Not equal, or unordered.
            self.asm.cmov(Cond::Ne, width, dst, rm);
            self.asm.cmov(Cond::P, width, dst, rm);
        } else {
            let mut keep = crate::x64::Label::NEW;
            self.asm.jcc(Cond::FloatNe, &mut keep);
            let Rm::Reg(reg) = rm else {
                self.asm.r_rm(crate::x64::Op::legacy(0x8b).wide(width.is_64()), dst.0, rm);
                self.asm.bind(&mut keep);
                return self.push_gpr(a.ty(), dst);
            };
            self.asm.mov(width, dst, reg);
            self.asm.bind(&mut keep);
        }
        self.free(b);
        self.push_gpr(a.ty(), dst);
    }

    fn select_float(
        &mut self,
        condition: &crate::value::Operand,
        a: &crate::value::Operand,
        b: &crate::value::Operand,
    ) {
        let cond = self.cond_of(condition);
        let dst = self.owned_xmm(a);
        let mut keep = crate::x64::Label::NEW;
        self.asm.jcc(cond, &mut keep);
        self.load_xmm(dst, b);
        self.asm.bind(&mut keep);
        self.free(b);
        self.push_xmm(a.ty(), dst);
    }
}
