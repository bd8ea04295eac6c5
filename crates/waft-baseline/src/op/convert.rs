//! Conversions between integers and floats.

use super::float::scalar;
use crate::compiler::Compiler;
use crate::value::{Loc, Ty};
use crate::x64::sse::{ADD, SUB, UCOMI};
use crate::x64::{Alu, Cond, Gpr, Label, Packed, R11, Rm, Shift, VecRm, Width, XMM14, XMM15, Xmm};
use waft_core::trap::TrapCode;

/// `cvtsi2ss` and `cvtsi2sd`.
const FROM_INT: u8 = 0x2a;
/// `cvttss2si` and `cvttsd2si`.
const TO_INT: u8 = 0x2c;
/// `cvtss2sd` and `cvtsd2ss`.
const FLOAT_TO_FLOAT: u8 = 0x5a;

/// The bits of powers of two as floats.
fn power_of_two(packed: Packed, exponent: u32) -> u64 {
    if packed.is_double() { u64::from(1023 + exponent) << 52 } else { u64::from(127 + exponent) << 23 }
}

impl Compiler<'_> {
    /// Integer to float.
    pub(crate) fn convert_int(&mut self, from: Ty, signed: bool, to: Ty) {
        let a = self.pop();
        let op = scalar(to).op(FROM_INT);
        if !signed && from == Ty::I64 {
            return self.convert_u64(&a, to);
        }
        // The upper half of an `i32` is zero (S3): as 64 bits it is what it is unsigned.
        let width = if signed { from.width() } else { Width::W64 };
        let src = if signed {
            self.rm(&a)
        } else {
            let reg = self.gpr(&a);
            Rm::Reg(reg)
        };
        let dst = self.result_xmm();
        // Or it would depend on what was there.
        self.asm.v_zero(dst);
        self.asm.v_gpr(op, width, dst, src);
        if let Rm::Reg(reg) = src {
            self.free_gpr(reg);
        }
        self.push_xmm(to, dst);
    }

    fn convert_u64(&mut self, a: &crate::value::Operand, to: Ty) {
        let op = scalar(to).op(FROM_INT);
        let x = self.owned_gpr(a);
        let dst = self.result_xmm();
        self.asm.v_zero(dst);
        self.asm.test(Width::W64, x, x);
        let large = self.asm.jcc_short(Cond::S);
        self.asm.v_gpr(op, Width::W64, dst, Rm::Reg(x));
        let done = self.asm.jmp_short();
        self.asm.bind_short(large);
        // Half of it, with the lost bit kept for rounding, then doubled.
        self.asm.mov(Width::W64, R11, x);
        self.asm.shift_imm(Shift::Shr, Width::W64, x, 1);
        self.asm.alu_imm(Alu::And, Width::W32, Rm::Reg(R11), 1);
        self.asm.alu(Alu::Or, Width::W64, x, Rm::Reg(R11));
        self.asm.v_gpr(op, Width::W64, dst, Rm::Reg(x));
        self.asm.vv(scalar(to).op(ADD), dst, dst);
        self.asm.bind_short(done);
        self.free_gpr(x);
        self.push_xmm(to, dst);
    }

    fn float_const(&mut self, packed: Packed, dst: Xmm, bits: u64) {
        self.asm.mov_imm(R11, bits);
        let width = if packed.is_double() { Width::W64 } else { Width::W32 };
        self.asm.mov_to_xmm(width, dst, R11);
    }

    /// Float to integer, which traps on what has no integer.
    pub(crate) fn trunc(&mut self, from: Ty, signed: bool, to: Ty) {
        let a = self.pop();
        let (x, packed) = (self.xmm(&a), scalar(from));
        let dst = self.result_gpr();
        match (signed, to) {
            (true, _) => self.trunc_signed(packed, dst, x, to.width()),
            (false, Ty::I32) => self.trunc_u32(packed, dst, x),
            (false, _) => self.trunc_u64(packed, dst, x),
        }
        self.free_xmm(x);
        self.push_gpr(to, dst);
    }

    /// Traps, out of line, with the reason why `x` has no integer.
    fn trap_unless_number(&mut self, packed: Packed, x: Xmm) {
        self.asm.vv(packed.bits_op(UCOMI), x, x);
        self.trap_if(Cond::P, TrapCode::BadConversionToInteger);
    }

    fn trunc_signed(&mut self, packed: Packed, dst: Gpr, x: Xmm, width: Width) {
        self.asm.gpr_v(packed.op(TO_INT), width, dst, VecRm::Reg(x));
        // The least integer stands for whatever is out of range, too.
        self.asm.alu_imm(Alu::Cmp, width, Rm::Reg(dst), 1);
        let mut done = Label::NEW;
        let rare = self.asm.jcc_short(Cond::O);
        self.asm.jmp(&mut done);
        self.asm.bind_short(rare);
        self.trap_unless_number(packed, x);
        // Fine if above the least integer less 1, and negative. Of an `f32`, and of 64 bits, the next float below the least
        // integer is more than 1 below.
        let bits = width.bits();
        let exact = width == Width::W32 && packed.is_double();
        let lowest =
            if exact { 0xc1e0_0000_0020_0000 } else { power_of_two(packed, bits - 1) | Self::sign(packed) };
        self.float_const(packed, XMM15, lowest);
        self.asm.vv(packed.bits_op(UCOMI), x, XMM15);
        self.trap_if(if exact { Cond::Be } else { Cond::B }, TrapCode::IntegerOverflow);
        self.asm.v_zero(XMM15);
        self.asm.vv(packed.bits_op(UCOMI), x, XMM15);
        self.trap_if(Cond::Ae, TrapCode::IntegerOverflow);
        self.asm.bind(&mut done);
    }

    fn sign(packed: Packed) -> u64 {
        if packed.is_double() { 1 << 63 } else { 1 << 31 }
    }

    /// As 64 bits all results fit, and all others show in the upper half.
    fn trunc_u32(&mut self, packed: Packed, dst: Gpr, x: Xmm) {
        self.asm.gpr_v(packed.op(TO_INT), Width::W64, dst, VecRm::Reg(x));
        self.asm.mov(Width::W64, R11, dst);
        self.asm.shift_imm(Shift::Shr, Width::W64, R11, 32);
        let fine = self.asm.jcc_short(Cond::E);
        self.trap_unless_number(packed, x);
        self.trap_here(TrapCode::IntegerOverflow);
        self.asm.bind_short(fine);
    }

    fn trap_here(&mut self, code: TrapCode) {
        let mut label = Label::NEW;
        self.asm.jmp(&mut label);
        self.trap_at(label, code);
    }

    fn trunc_u64(&mut self, packed: Packed, dst: Gpr, x: Xmm) {
        self.float_const(packed, XMM15, power_of_two(packed, 63));
        self.asm.vv(packed.bits_op(UCOMI), x, XMM15);
        self.trap_if(Cond::P, TrapCode::BadConversionToInteger);
        let large = self.asm.jcc_short(Cond::Ae);
        self.asm.gpr_v(packed.op(TO_INT), Width::W64, dst, VecRm::Reg(x));
        self.asm.test(Width::W64, dst, dst);
        self.trap_if(Cond::S, TrapCode::IntegerOverflow);
        let done = self.asm.jmp_short();
        self.asm.bind_short(large);
        self.asm.movaps(XMM14, x);
        self.asm.vv(packed.op(SUB), XMM14, XMM15);
        self.asm.gpr_v(packed.op(TO_INT), Width::W64, dst, VecRm::Reg(XMM14));
        self.asm.test(Width::W64, dst, dst);
        self.trap_if(Cond::S, TrapCode::IntegerOverflow);
        self.asm.mov_imm(R11, 1 << 63);
        self.asm.alu(Alu::Xor, Width::W64, dst, Rm::Reg(R11));
        self.asm.bind_short(done);
    }

    /// Float to integer, the nearest one that there is; 0 for NaNs.
    pub(crate) fn trunc_sat(&mut self, from: Ty, signed: bool, to: Ty) {
        let a = self.pop();
        let (x, packed) = (self.xmm(&a), scalar(from));
        let dst = self.result_gpr();
        match (signed, to) {
            (true, _) => self.trunc_sat_signed(packed, dst, x, to.width()),
            (false, Ty::I32) => self.trunc_sat_u32(packed, dst, x),
            (false, _) => self.trunc_sat_u64(packed, dst, x),
        }
        self.free_xmm(x);
        self.push_gpr(to, dst);
    }

    fn trunc_sat_signed(&mut self, packed: Packed, dst: Gpr, x: Xmm, width: Width) {
        self.asm.gpr_v(packed.op(TO_INT), width, dst, VecRm::Reg(x));
        self.asm.alu_imm(Alu::Cmp, width, Rm::Reg(dst), 1);
        let mut done = Label::NEW;
        let rare = self.asm.jcc_short(Cond::O);
        self.asm.jmp(&mut done);
        self.asm.bind_short(rare);
        // The least integer is right below zero; above it is the greatest, of a NaN 0.
        self.asm.v_zero(XMM15);
        self.asm.vv(packed.bits_op(UCOMI), x, XMM15);
        let mut nan = Label::NEW;
        self.asm.jcc(Cond::P, &mut nan);
        self.asm.jcc(Cond::B, &mut done);
        self.asm.not(width, dst);
        self.asm.jmp(&mut done);
        self.asm.bind(&mut nan);
        self.asm.mov_imm(dst, 0);
        self.asm.bind(&mut done);
    }

    fn trunc_sat_u32(&mut self, packed: Packed, dst: Gpr, x: Xmm) {
        self.asm.gpr_v(packed.op(TO_INT), Width::W64, dst, VecRm::Reg(x));
        self.asm.mov(Width::W64, R11, dst);
        self.asm.shift_imm(Shift::Shr, Width::W64, R11, 32);
        let fine = self.asm.jcc_short(Cond::E);
        // Positive: all ones; else 0.
        self.asm.v_zero(XMM15);
        self.asm.vv(packed.bits_op(UCOMI), x, XMM15);
        self.asm.mov_imm(dst, 0);
        self.asm.mov_imm(R11, u64::from(u32::MAX));
        self.asm.cmov(Cond::A, Width::W32, dst, Rm::Reg(R11));
        self.asm.bind_short(fine);
    }

    fn trunc_sat_u64(&mut self, packed: Packed, dst: Gpr, x: Xmm) {
        let mut done = Label::NEW;
        self.float_const(packed, XMM15, power_of_two(packed, 63));
        self.asm.vv(packed.bits_op(UCOMI), x, XMM15);
        // A NaN is below.
        let large = self.asm.jcc_short(Cond::Ae);
        self.asm.gpr_v(packed.op(TO_INT), Width::W64, dst, VecRm::Reg(x));
        // What is negative, and NaNs, become 0.
        self.asm.test(Width::W64, dst, dst);
        self.asm.mov_imm(R11, 0);
        self.asm.cmov(Cond::S, Width::W64, dst, Rm::Reg(R11));
        self.asm.jmp(&mut done);
        self.asm.bind_short(large);
        self.asm.movaps(XMM14, x);
        self.asm.vv(packed.op(SUB), XMM14, XMM15);
        self.asm.gpr_v(packed.op(TO_INT), Width::W64, dst, VecRm::Reg(XMM14));
        self.asm.mov_imm(R11, 1 << 63);
        self.asm.alu(Alu::Xor, Width::W64, R11, Rm::Reg(dst));
        self.asm.test(Width::W64, dst, dst);
        self.asm.mov_imm(dst, u64::MAX);
        self.asm.cmov(Cond::Ns, Width::W64, dst, Rm::Reg(R11));
        self.asm.bind(&mut done);
    }

    /// `f32.demote_f64` and `f64.promote_f32`.
    pub(crate) fn float_to_float(&mut self, from: Ty, to: Ty) {
        let a = self.pop();
        let src = self.xmm(&a);
        self.free_xmm(src);
        let dst = self.result_xmm();
        self.asm.vv(scalar(from).op(FLOAT_TO_FLOAT), dst, src);
        self.canonical_nan(scalar(to), dst);
        self.push_xmm(to, dst);
    }

    /// The same bits as another type.
    pub(crate) fn reinterpret(&mut self, to: Ty) {
        let a = self.pop();
        if let Loc::Const(bits) = a.loc() {
            return self.push(to, Loc::Const(bits));
        }
        if to.is_float() {
            let src = self.gpr(&a);
            self.free_gpr(src);
            let dst = self.result_xmm();
            self.asm.mov_to_xmm(to.width(), dst, src);
            self.push_xmm(to, dst);
        } else {
            let src = self.xmm(&a);
            self.free_xmm(src);
            let dst = self.result_gpr();
            self.asm.mov_from_xmm(to.width(), dst, src);
            self.push_gpr(to, dst);
        }
    }
}
