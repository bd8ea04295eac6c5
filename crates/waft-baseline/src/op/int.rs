//! Integer arithmetic and comparisons.

use crate::compiler::Compiler;
use crate::value::{Loc, Operand, Ty};
use crate::x64::{Alu, Cond, Gpr, Mem, R11, RAX, RCX, RDX, Rm, Shift, Width};
use waft_core::trap::TrapCode;

impl Compiler<'_> {
    /// Copies an operand to where the result of an operator is made: the local that the next operator sets unless `other`
    /// needs that register still, else a register of the operand's own.
    fn destination(&mut self, a: &Operand, other: &Operand) -> Gpr {
        self.destination_at(self.gpr_target(), a, other)
    }

    /// The same, where the next operator's local was looked for.
    #[inline]
    fn destination_at(&mut self, target: Option<Gpr>, a: &Operand, other: &Operand) -> Gpr {
        match target {
            Some(target) if self.gpr_now(other) != Some(target) => {
                self.load_gpr(target, a);
                self.free(a);
                target
            }
            _ => self.owned_gpr(a),
        }
    }

    /// `add`, `sub`, `and`, `or`, `xor`.
    pub(crate) fn int_binary(&mut self, op: Alu, ty: Ty) {
        let width = ty.width();
        let (mut a, mut b) = self.pop2();
        let commutes = op != Alu::Sub;
        if commutes && (a.constant().is_some() || b.is_owned() && !a.is_owned()) {
            std::mem::swap(&mut a, &mut b);
        }
        if let (Some(x), Some(y)) = (a.constant(), b.constant()) {
            return self.fold(op, ty, x, y);
        }
        let target = self.gpr_target();
        if op == Alu::Add && self.add_by_lea(target, &a, &b, ty) {
            return;
        }
        if commutes && target.is_some() && target == self.gpr_now(&b) {
            std::mem::swap(&mut a, &mut b);
        }
        let dst = self.destination_at(target, &a, &b);
        match b.imm32() {
            Some(imm) => self.asm.alu_imm(op, width, Rm::Reg(dst), imm),
            None => {
                let b = self.rm(&b);
                self.asm.alu(op, width, dst, b);
            }
        }
        self.free(&b);
        self.push_gpr(ty, dst);
    }

    fn fold(&mut self, op: Alu, ty: Ty, x: u64, y: u64) {
        let value = match op {
            Alu::Add => x.wrapping_add(y),
            Alu::Sub => x.wrapping_sub(y),
            Alu::And => x & y,
            Alu::Or => x | y,
            _ => x ^ y,
        };
        let value = if ty == Ty::I32 { u64::from(value as u32) } else { value };
        self.push(ty, Loc::Const(value));
    }

    /// Adds into a third register where neither operand may be overwritten.
    fn add_by_lea(&mut self, target: Option<Gpr>, a: &Operand, b: &Operand, ty: Ty) -> bool {
        let Some(x) = self.gpr_now(a) else { return false };
        if a.is_owned() && target.is_none() || target == Some(x) {
            return false;
        }
        let mem = match (b.imm32(), self.gpr_now(b)) {
            (Some(imm), _) => Mem::at(x, imm),
            (None, Some(y)) if target != Some(y) => Mem::indexed(x, y, 0),
            _ => return false,
        };
        let dst = match target {
            Some(target) => target,
            None => self.alloc_gpr(),
        };
        self.asm.lea(ty.width(), dst, mem);
        self.free(a);
        self.free(b);
        self.push_gpr(ty, dst);
        true
    }

    pub(crate) fn int_mul(&mut self, ty: Ty) {
        let width = ty.width();
        let (mut a, mut b) = self.pop2();
        if a.constant().is_some() || b.is_owned() && !a.is_owned() {
            std::mem::swap(&mut a, &mut b);
        }
        if let Some(imm) = b.imm32().filter(|_| a.constant().is_none()) {
            let src = self.rm(&a);
            self.free(&a);
            let dst = self.result_gpr();
            if imm > 0 && imm.count_ones() == 1 {
                if src != Rm::Reg(dst) {
                    self.asm.r_rm(crate::x64::Op::legacy(0x8b).wide(width.is_64()), dst.0, src);
                }
                self.asm.shift_imm(Shift::Shl, width, dst, imm.trailing_zeros() as u8);
            } else {
                self.asm.imul_imm(width, dst, src, imm);
            }
            return self.push_gpr(ty, dst);
        }
        let dst = self.destination(&a, &b);
        let src = self.rm(&b);
        self.asm.imul(width, dst, src);
        self.free(&b);
        self.push_gpr(ty, dst);
    }

    /// `shl`, `shr_s`, `shr_u`, `rotl`, `rotr`: the processor takes as many bits of the distance as WebAssembly does.
    pub(crate) fn int_shift(&mut self, op: Shift, ty: Ty) {
        let width = ty.width();
        let (a, b) = self.pop2();
        if let Some(bits) = b.constant() {
            let dst = self.destination(&a, &b);
            let bits = bits as u8 & (width.bits() - 1) as u8;
            if bits != 0 {
                self.asm.shift_imm(op, width, dst, bits);
            }
            return self.push_gpr(ty, dst);
        }
        // What is in `rcx` but the distance has to leave.
        if b.loc() != Loc::Gpr(RCX) {
            if a.loc() == Loc::Gpr(RCX) {
                let other = self.alloc_gpr();
                self.asm.mov(width, other, RCX);
                self.load_gpr(RCX, &b);
                self.free(&b);
                return self.shift_by_cl(op, ty, other);
            }
            self.take_gpr(RCX);
            self.load_gpr(RCX, &b);
            self.free(&b);
        }
        let dst = match self.gpr_target() {
            Some(target) => {
                self.load_gpr(target, &a);
                self.free(&a);
                target
            }
            None => self.owned_gpr(&a),
        };
        self.shift_by_cl(op, ty, dst);
    }

    fn shift_by_cl(&mut self, op: Shift, ty: Ty, dst: Gpr) {
        self.asm.shift_cl(op, ty.width(), dst);
        self.free_gpr(RCX);
        self.push_gpr(ty, dst);
    }

    /// Takes `rax` and `rdx` for an instruction that works on both, with `a`, which was popped, in `rax`.
    fn take_rax_and_rdx(&mut self, a: &Operand) {
        if a.loc() == Loc::Gpr(RAX) {
            self.take_gpr(RDX);
        } else {
            if a.loc() != Loc::Gpr(RDX) {
                self.take_gpr(RDX);
            }
            self.take_gpr(RAX);
            self.load_gpr(RAX, a);
            if a.loc() != Loc::Gpr(RDX) {
                self.free(a);
            }
        }
    }

    /// Division or remainder.
    pub(crate) fn int_div(&mut self, signed: bool, remainder: bool, ty: Ty) {
        let width = ty.width();
        let (a, b) = self.pop2();
        if !signed && self.div_by_power(&a, &b, remainder, ty) {
            return;
        }
        // The divisor goes to the scratch register, so that `rax` and `rdx` can be taken.
        self.load_gpr(R11, &b);
        self.free(&b);
        let known = b.constant();
        self.take_rax_and_rdx(&a);
        if known.is_none_or(|divisor| divisor == 0) {
            self.asm.test(width, R11, R11);
            self.trap_if(Cond::E, TrapCode::IntegerDivisionByZero);
        }
        if signed {
            self.div_signed(width, remainder, known);
        } else {
            self.asm.alu(Alu::Xor, Width::W32, RDX, Rm::Reg(RDX));
            self.asm.div(width, false, R11);
        }
        let (result, other) = if remainder { (RDX, RAX) } else { (RAX, RDX) };
        self.free_gpr(other);
        self.push_gpr(ty, result);
    }

    /// Divides `rax` by the scratch register, which is not 0.
    fn div_signed(&mut self, width: Width, remainder: bool, known: Option<u64>) {
        let minus_one = match width {
            Width::W32 => u64::from(u32::MAX),
            Width::W64 => u64::MAX,
        };
        if known.is_some_and(|divisor| divisor != minus_one) {
            self.asm.cdq(width);
            return self.asm.div(width, true, R11);
        }
        self.asm.alu_imm(Alu::Cmp, width, Rm::Reg(R11), -1);
        if remainder {
            // By -1 nothing remains, and the processor would trap on the least number.
            self.asm.mov_imm(RDX, 0);
            let done = self.asm.jcc_short(Cond::E);
            self.asm.cdq(width);
            self.asm.div(width, true, R11);
            self.asm.bind_short(done);
        } else {
            let go = self.asm.jcc_short(Cond::Ne);
            // `rax` is the least number if subtracting 1 overflows.
            self.asm.alu_imm(Alu::Cmp, width, Rm::Reg(RAX), 1);
            self.trap_if(Cond::O, TrapCode::IntegerOverflow);
            self.asm.bind_short(go);
            self.asm.cdq(width);
            self.asm.div(width, true, R11);
        }
    }

    /// An unsigned division by a constant power of two.
    fn div_by_power(&mut self, a: &Operand, b: &Operand, remainder: bool, ty: Ty) -> bool {
        let Some(divisor) = b.constant().filter(|divisor| divisor.is_power_of_two()) else { return false };
        if remainder && i32::try_from(divisor - 1).is_err() {
            return false;
        }
        let dst = self.destination(a, b);
        if remainder {
            self.asm.alu_imm(Alu::And, ty.width(), Rm::Reg(dst), (divisor - 1) as i32);
        } else if divisor > 1 {
            self.asm.shift_imm(Shift::Shr, ty.width(), dst, divisor.trailing_zeros() as u8);
        }
        self.push_gpr(ty, dst);
        true
    }

    /// A comparison.
    pub(crate) fn int_compare(&mut self, cond: Cond, ty: Ty) {
        let width = ty.width();
        let (mut a, mut b) = self.pop2();
        let mut cond = cond;
        if a.constant().is_some() {
            std::mem::swap(&mut a, &mut b);
            cond = cond.swapped();
        }
        match b.imm32() {
            Some(0) if matches!(cond, Cond::E | Cond::Ne) && self.gpr_now(&a).is_some() => {
                let a = self.gpr(&a);
                self.asm.test(width, a, a);
            }
            Some(imm) if a.constant().is_none() => {
                let a = self.rm(&a);
                self.asm.alu_imm(Alu::Cmp, width, a, imm);
            }
            _ => {
                let a = self.gpr(&a);
                let b = self.rm(&b);
                self.asm.alu(Alu::Cmp, width, a, b);
                self.free_gpr(a);
            }
        }
        self.free(&a);
        self.free(&b);
        self.push_cond(cond);
    }

    /// `eqz`.
    pub(crate) fn eqz(&mut self, ty: Ty) {
        let a = self.pop();
        if let Loc::Flags(cond) = a.loc() {
            return self.push_cond(cond.negated());
        }
        match self.rm(&a) {
            Rm::Reg(reg) => self.asm.test(ty.width(), reg, reg),
            mem => self.asm.alu_imm(Alu::Cmp, ty.width(), mem, 0),
        }
        self.free(&a);
        self.push_cond(Cond::E);
    }

    /// An operator of one operand that reads it from anywhere and writes a register.
    fn int_unary(&mut self, ty: Ty, emit: impl FnOnce(&mut Self, Gpr, Rm)) {
        let a = self.pop();
        let src = self.rm(&a);
        self.free(&a);
        let dst = self.result_gpr();
        emit(self, dst, src);
        self.push_gpr(ty, dst);
    }

    /// `clz`.
    pub(crate) fn clz(&mut self, ty: Ty) {
        let width = ty.width();
        if self.machine.bit_counts {
            return self.int_unary(ty, |this, dst, src| this.asm.lzcnt(width, dst, src));
        }
        self.int_unary(ty, |this, dst, src| {
            // Of 0 the instruction leaves it open; it sets the flag then.
            this.asm.bsr(width, R11, src);
            this.asm.mov_imm(dst, u64::from(width.bits() * 2 - 1));
            this.asm.cmov(Cond::Ne, width, dst, Rm::Reg(R11));
            this.asm.alu_imm(Alu::Xor, width, Rm::Reg(dst), width.bits() as i32 - 1);
        });
    }

    /// `ctz`.
    pub(crate) fn ctz(&mut self, ty: Ty) {
        let width = ty.width();
        if self.machine.bit_counts {
            return self.int_unary(ty, |this, dst, src| this.asm.tzcnt(width, dst, src));
        }
        self.int_unary(ty, |this, dst, src| {
            this.asm.bsf(width, R11, src);
            this.asm.mov_imm(dst, width.bits().into());
            this.asm.cmov(Cond::Ne, width, dst, Rm::Reg(R11));
        });
    }

    /// `popcnt`.
    pub(crate) fn popcnt(&mut self, ty: Ty) {
        let width = ty.width();
        if self.machine.popcnt {
            return self.int_unary(ty, |this, dst, src| this.asm.popcnt(width, dst, src));
        }
        let a = self.pop();
        let x = self.owned_gpr(&a);
        let t = self.alloc_gpr();
        let ones = if width.is_64() { u64::MAX } else { u64::from(u32::MAX) };
        let mask = |byte: u64| ones / 255 * byte;
        // Sums of neighbours: of bits, of pairs, of nibbles, then all bytes at once.
        self.asm.mov(width, t, x);
        self.asm.shift_imm(Shift::Shr, width, t, 1);
        self.asm.mov_imm(R11, mask(0x55));
        self.asm.alu(Alu::And, width, t, Rm::Reg(R11));
        self.asm.alu(Alu::Sub, width, x, Rm::Reg(t));
        self.asm.mov_imm(R11, mask(0x33));
        self.asm.mov(width, t, x);
        self.asm.shift_imm(Shift::Shr, width, t, 2);
        self.asm.alu(Alu::And, width, t, Rm::Reg(R11));
        self.asm.alu(Alu::And, width, x, Rm::Reg(R11));
        self.asm.alu(Alu::Add, width, x, Rm::Reg(t));
        self.asm.mov(width, t, x);
        self.asm.shift_imm(Shift::Shr, width, t, 4);
        self.asm.alu(Alu::Add, width, x, Rm::Reg(t));
        self.asm.mov_imm(R11, mask(0x0f));
        self.asm.alu(Alu::And, width, x, Rm::Reg(R11));
        self.asm.mov_imm(R11, mask(0x01));
        self.asm.imul(width, x, Rm::Reg(R11));
        self.asm.shift_imm(Shift::Shr, width, x, width.bits() as u8 - 8);
        self.free_gpr(t);
        self.push_gpr(ty, x);
    }

    /// Sign extension of the lowest 8, 16 or 32 bits.
    pub(crate) fn extend_low(&mut self, bits: u8, ty: Ty) {
        let width = ty.width();
        self.int_unary(ty, |this, dst, src| match bits {
            8 => this.asm.movsx8(width, dst, src),
            16 => this.asm.movsx16(width, dst, src),
            _ => this.asm.movsxd(dst, src),
        });
    }

    /// `i32.wrap_i64`: the upper half becomes zero (S3).
    pub(crate) fn wrap(&mut self) {
        let a = self.pop();
        if let Some(bits) = a.constant() {
            return self.push_i32(bits as u32);
        }
        let src = self.rm(&a);
        self.free(&a);
        let dst = self.result_gpr();
        self.asm.r_rm(crate::x64::Op::legacy(0x8b), dst.0, src);
        self.push_gpr(Ty::I32, dst);
    }

    /// `i64.extend_i32_u`: nothing is to be done for what is in a register (S3).
    pub(crate) fn extend_u32(&mut self) {
        let a = self.pop();
        match a.loc() {
            Loc::Const(bits) => self.push(Ty::I64, Loc::Const(bits)),
            Loc::Gpr(reg) => self.push_gpr(Ty::I64, reg),
            _ => {
                let dst = self.result_gpr();
                self.load_gpr(dst, &a);
                self.push_gpr(Ty::I64, dst);
            }
        }
    }

    /// `i64.extend_i32_s`.
    pub(crate) fn extend_s32(&mut self) {
        self.int_unary(Ty::I64, |this, dst, src| this.asm.movsxd(dst, src));
    }

    /// `i64.add128` and `i64.sub128`: two numbers of two halves, the low one first.
    pub(crate) fn binary128(&mut self, low_op: Alu, high_op: Alu) {
        let (b_low, b_high) = self.pop2();
        let (a_low, a_high) = self.pop2();
        let low = self.owned_gpr(&a_low);
        let high = self.owned_gpr(&a_high);
        // Neither loads of constants nor of slots touch the carry.
        let b = self.rm(&b_low);
        self.asm.alu(low_op, Width::W64, low, b);
        let b = self.rm(&b_high);
        self.asm.alu(high_op, Width::W64, high, b);
        self.free(&b_low);
        self.free(&b_high);
        self.push_gpr(Ty::I64, low);
        self.push_gpr(Ty::I64, high);
    }

    /// `i64.mul_wide_s` and `i64.mul_wide_u`.
    pub(crate) fn mul_wide(&mut self, signed: bool) {
        let (a, b) = self.pop2();
        self.load_gpr(R11, &b);
        self.free(&b);
        self.take_rax_and_rdx(&a);
        self.asm.mul_wide(signed, Rm::Reg(R11));
        self.push_gpr(Ty::I64, RAX);
        self.push_gpr(Ty::I64, RDX);
    }
}
