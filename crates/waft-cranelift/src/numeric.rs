//! Constants, arithmetic and comparisons. CLIF's instructions have WebAssembly's meaning, traps included.

use crate::translator::{FuncTranslator, TranslateResult};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{InstBuilder, Value};
use cranelift_frontend::FuncInstBuilder;

impl<'b> FuncTranslator<'_, 'b> {
    /// `i32.const`.
    pub(crate) fn i32_const(&mut self, value: i32) {
        let value = self.builder.ins().iconst(I32, i64::from(value.cast_unsigned()));
        self.push(value);
    }

    /// `i64.const`.
    pub(crate) fn i64_const(&mut self, value: i64) {
        let value = self.builder.ins().iconst(I64, value);
        self.push(value);
    }

    /// `f32.const`.
    pub(crate) fn f32_const(&mut self, bits: u32) {
        let value = self.builder.ins().f32const(Ieee32::with_bits(bits));
        self.push(value);
    }

    /// `f64.const`.
    pub(crate) fn f64_const(&mut self, bits: u64) {
        let value = self.builder.ins().f64const(Ieee64::with_bits(bits));
        self.push(value);
    }

    /// Replaces the value on top by what `emit` makes of it.
    pub(crate) fn unary(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value) {
        let a = self.pop();
        let result = emit(self.builder.ins(), a);
        self.push(result);
    }

    /// Replaces the two values on top by what `emit` makes of them; its last one was on top.
    pub(crate) fn binary(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value, Value) -> Value) {
        let (a, b) = self.pop2();
        let result = emit(self.builder.ins(), a, b);
        self.push(result);
    }

    /// `i64.add128` and `i64.sub128`: two numbers of two halves, the low one first.
    pub(crate) fn binary128(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value, Value) -> Value) {
        let (b_low, b_high) = self.pop2();
        let (a_low, a_high) = self.pop2();
        let a = self.builder.ins().iconcat(a_low, a_high);
        let b = self.builder.ins().iconcat(b_low, b_high);
        let result = emit(self.builder.ins(), a, b);
        self.push_halves(result);
    }

    /// `i64.mul_wide_s` and `i64.mul_wide_u`: `extend` gives the factors 128 bits.
    pub(crate) fn mul_wide(&mut self, extend: impl Fn(FuncInstBuilder<'_, 'b>, Value) -> Value) {
        let (a, b) = self.pop2();
        let a = extend(self.builder.ins(), a);
        let b = extend(self.builder.ins(), b);
        let product = self.builder.ins().imul(a, b);
        self.push_halves(product);
    }

    fn push_halves(&mut self, value: Value) {
        let (low, high) = self.builder.ins().isplit(value);
        self.push(low);
        self.push(high);
    }

    /// `i32.eqz` and `i64.eqz`.
    pub(crate) fn eqz(&mut self) {
        let a = self.pop();
        let is_zero = self.builder.ins().icmp_imm_u(IntCC::Equal, a, 0);
        self.push_bool(is_zero);
    }

    /// A comparison of integers.
    pub(crate) fn int_compare(&mut self, condition: IntCC) {
        let (a, b) = self.pop2();
        let holds = self.builder.ins().icmp(condition, a, b);
        self.push_bool(holds);
    }

    /// A comparison of floats.
    pub(crate) fn float_compare(&mut self, condition: FloatCC) {
        let (a, b) = self.pop2();
        let holds = self.builder.ins().fcmp(condition, a, b);
        self.push_bool(holds);
    }

    /// Pushes one of CLIF's 8-bit truth values as an `i32`.
    fn push_bool(&mut self, holds: Value) {
        let holds = self.builder.ins().uextend(I32, holds);
        self.push(holds);
    }

    /// `select` without a type: of numbers or vectors.
    pub(crate) fn select(&mut self) {
        let (a, b, condition) = self.pop3();
        let (a, b) = (self.canonical(a), self.canonical(b));
        let value = self.builder.ins().select(condition, a, b);
        self.push(value);
    }

    /// `select` with a type, which may be a reference's.
    pub(crate) fn typed_select(&mut self, ty: wasmparser::ValType) -> TranslateResult {
        let ty = self.val_type(ty)?;
        let (a, b, condition) = self.pop3();
        let (a, b) = (self.canonical(a), self.canonical(b));
        let value = self.builder.ins().select(condition, a, b);
        self.root_if_ref(value, ty);
        self.push(value);
        Ok(())
    }
}
