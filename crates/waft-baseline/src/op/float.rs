//! Arithmetic and comparisons of floats.

use crate::compiler::Compiler;
use crate::value::{Operand, Ty};
use crate::x64::sse::{ADD, AND, ANDN, DIV, MAX, MIN, MUL, OR, SQRT, SUB, UCOMI, XOR};
use crate::x64::{Cond, Packed, R11, VecOp, VecRm, XMM14, XMM15, Xmm};

/// How the processor sees a scalar float.
pub(crate) fn scalar(ty: Ty) -> Packed {
    if ty == Ty::F64 { Packed::Sd } else { Packed::Ss }
}

/// The way in which `round` instructions round, without exceptions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Round {
    Nearest = 8,
    Floor = 9,
    Ceil = 10,
    Trunc = 11,
}

/// Arithmetic of two floats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum FloatOp {
    Add = ADD,
    Sub = SUB,
    Mul = MUL,
    Div = DIV,
}

impl Compiler<'_> {
    /// As `destination` of integers.
    fn float_destination(&mut self, a: &Operand, other: &Operand) -> Xmm {
        match self.xmm_target() {
            Some(target) if self.xmm_now(other) != Some(target) => {
                self.load_xmm(target, a);
                self.free(a);
                target
            }
            _ => self.owned_xmm(a),
        }
    }

    /// `add`, `sub`, `mul`, `div`.
    pub(crate) fn float_binary(&mut self, op: FloatOp, ty: Ty) {
        let (mut a, mut b) = self.pop2();
        let commutes = matches!(op, FloatOp::Add | FloatOp::Mul);
        // Which NaN of two a result is, is open.
        if commutes && b.is_owned() && !a.is_owned() {
            std::mem::swap(&mut a, &mut b);
        }
        if commutes && self.xmm_target().is_some_and(|target| self.xmm_now(&b) == Some(target)) {
            std::mem::swap(&mut a, &mut b);
        }
        let dst = self.float_destination(&a, &b);
        let src = self.vec_rm(&b);
        self.asm.v(scalar(ty).op(op as u8), dst, src);
        self.free(&b);
        self.canonical_nan(scalar(ty), dst);
        self.push_xmm(ty, dst);
    }

    /// `sqrt`.
    pub(crate) fn float_sqrt(&mut self, ty: Ty) {
        let a = self.pop();
        let src = self.vec_rm(&a);
        self.free(&a);
        let dst = self.result_xmm();
        self.asm.v(scalar(ty).op(SQRT), dst, src);
        self.canonical_nan(scalar(ty), dst);
        self.push_xmm(ty, dst);
    }

    /// `ceil`, `floor`, `trunc`, `nearest`.
    pub(crate) fn float_round(&mut self, round: Round, ty: Ty) {
        let a = self.pop();
        let src = self.vec_rm(&a);
        self.free(&a);
        let dst = self.result_xmm();
        self.asm.vi(scalar(ty).round(), dst, src, round as u8);
        self.canonical_nan(scalar(ty), dst);
        self.push_xmm(ty, dst);
    }

    /// Loads a mask with only the sign's bit set, or all but that one, into a scratch register.
    fn sign_mask(&mut self, ty: Ty, dst: Xmm, sign: bool) {
        let mask = match ty {
            Ty::F64 => 1 << 63,
            _ => 1_u64 << 31,
        };
        let ones = if ty == Ty::F64 { u64::MAX } else { u64::from(u32::MAX) };
        self.asm.mov_imm(R11, if sign { mask } else { ones ^ mask });
        self.asm.mov_to_xmm(ty.width(), dst, R11);
    }

    /// `abs`.
    pub(crate) fn float_abs(&mut self, ty: Ty) {
        let a = self.pop();
        let dst = self.float_destination(&a, &a);
        self.sign_mask(ty, XMM15, false);
        self.asm.vv(VecOp::of(0, AND), dst, XMM15);
        self.push_xmm(ty, dst);
    }

    /// `neg`.
    pub(crate) fn float_neg(&mut self, ty: Ty) {
        let a = self.pop();
        let dst = self.float_destination(&a, &a);
        self.sign_mask(ty, XMM15, true);
        self.asm.vv(VecOp::of(0, XOR), dst, XMM15);
        self.push_xmm(ty, dst);
    }

    /// `copysign`.
    pub(crate) fn float_copysign(&mut self, ty: Ty) {
        let (a, b) = self.pop2();
        self.load_xmm(XMM14, &b);
        self.free(&b);
        let dst = self.owned_xmm(&a);
        self.sign_mask(ty, XMM15, true);
        self.asm.vv(VecOp::of(0, AND), XMM14, XMM15);
        self.asm.vv(VecOp::of(0, ANDN), XMM15, dst);
        self.asm.movaps(dst, XMM15);
        self.asm.vv(VecOp::of(0, OR), dst, XMM14);
        self.push_xmm(ty, dst);
    }

    /// `min` and `max`: of two zeros the one with the right sign, of a NaN a NaN.
    pub(crate) fn float_min_max(&mut self, is_min: bool, ty: Ty) {
        let (a, b) = self.pop2();
        let packed = scalar(ty);
        let dst = self.owned_xmm(&a);
        let src = self.xmm(&b);
        self.asm.vv(packed.bits_op(UCOMI), dst, src);
        let differ = self.asm.jcc_short(Cond::Ne);
        let unordered = self.asm.jcc_short(Cond::P);
        // Equal: the same, or zeros.
        self.asm.vv(VecOp::of(0, if is_min { OR } else { AND }), dst, src);
        let done = self.asm.jmp_short();
        self.asm.bind_short(unordered);
        // The sum of a NaN and anything is a quiet NaN.
        self.asm.vv(packed.op(ADD), dst, src);
        let done_too = self.asm.jmp_short();
        self.asm.bind_short(differ);
        self.asm.vv(packed.op(if is_min { MIN } else { MAX }), dst, src);
        self.asm.bind_short(done);
        self.asm.bind_short(done_too);
        self.free_xmm(src);
        self.canonical_nan(packed, dst);
        self.push_xmm(ty, dst);
    }

    /// A comparison; the condition is one for unsigned integers or equality of floats.
    pub(crate) fn float_compare(&mut self, cond: Cond, ty: Ty) {
        let (mut a, mut b) = self.pop2();
        let mut cond = cond;
        // Only "above" and "above or equal" are false when one is a NaN.
        if matches!(cond, Cond::B | Cond::Be) {
            std::mem::swap(&mut a, &mut b);
            cond = cond.swapped();
        }
        let x = self.xmm(&a);
        let y = self.vec_rm(&b);
        self.asm.v(scalar(ty).bits_op(UCOMI), x, y);
        self.free_xmm(x);
        self.free(&b);
        self.push_cond(cond);
    }

    /// Replaces every NaN among the lanes of `reg` by the canonical one, where the setup wants that.
    pub(crate) fn canonical_nan(&mut self, packed: Packed, reg: Xmm) {
        if !self.request.tunables.canonical_nans {
            return;
        }
        if packed.is_vector() {
            return self.canonical_nans(packed, reg);
        }
        self.asm.vv(packed.bits_op(UCOMI), reg, reg);
        let fine = self.asm.jcc_short(Cond::Np);
        let bits = if packed.is_double() { 0x7ff8_0000_0000_0000 } else { 0x7fc0_0000 };
        self.asm.mov_imm(R11, bits);
        let width = if packed.is_double() { crate::x64::Width::W64 } else { crate::x64::Width::W32 };
        self.asm.mov_to_xmm(width, reg, R11);
        self.asm.bind_short(fine);
    }

    fn canonical_nans(&mut self, packed: Packed, reg: Xmm) {
        // A mask of what is unordered with itself; lanes of the mask take the constant.
        self.asm.movaps(XMM15, reg);
        self.asm.vi(packed.bits_op(0xc2), XMM15, VecRm::Reg(XMM15), 3);
        let bits = if packed.is_double() { 0x7ff8_0000_0000_0000 } else { 0x7fc0_0000_7fc0_0000 };
        self.asm.mov_imm(R11, bits);
        self.asm.mov_to_xmm(crate::x64::Width::W64, XMM14, R11);
        // `punpcklqdq` doubles the lower half.
        self.asm.vv(VecOp::p66(0x6c), XMM14, XMM14);
        self.asm.vv(VecOp::of(0, AND), XMM14, XMM15);
        self.asm.vv(VecOp::of(0, ANDN), XMM15, reg);
        self.asm.movaps(reg, XMM14);
        self.asm.vv(VecOp::of(0, OR), reg, XMM15);
    }
}
