//! Operators on bits, shifts, and those that boil a vector down to one scalar.

use super::{
    PAND, PANDN, POR, PXOR, SHIFT_16, SHIFT_32, SHIFT_64, SHIFT_LEFT, SHIFT_RIGHT, SHIFT_RIGHT_SIGNED,
};
use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{Alu, Cond, R11, Rm, VecOp, VecRm, Width, XMM14, XMM15, Xmm};
use wasmparser::Operator;

/// `ptest`.
const PTEST: VecOp = VecOp::p38(0x17);

/// Which way lanes are shifted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Left,
    Right,
    RightSigned,
}

impl Compiler<'_> {
    pub(super) fn simd_bit(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        match op {
            Op::V128Not => self.vector_unary(Self::vector_not),
            Op::V128And => self.vector_op(PAND, true),
            // The one on top is inverted.
            Op::V128AndNot => self.vector_op_swapped(PANDN),
            Op::V128Or => self.vector_op(POR, true),
            Op::V128Xor => self.vector_op(PXOR, true),
            Op::V128Bitselect => self.bitselect(),
            Op::I8x16Shl => self.vector_shift(0, Way::Left),
            Op::I8x16ShrS => self.vector_shift(0, Way::RightSigned),
            Op::I8x16ShrU => self.vector_shift(0, Way::Right),
            Op::I16x8Shl => self.vector_shift(1, Way::Left),
            Op::I16x8ShrS => self.vector_shift(1, Way::RightSigned),
            Op::I16x8ShrU => self.vector_shift(1, Way::Right),
            Op::I32x4Shl => self.vector_shift(2, Way::Left),
            Op::I32x4ShrS => self.vector_shift(2, Way::RightSigned),
            Op::I32x4ShrU => self.vector_shift(2, Way::Right),
            Op::I64x2Shl => self.vector_shift(3, Way::Left),
            Op::I64x2ShrS => self.vector_shift(3, Way::RightSigned),
            Op::I64x2ShrU => self.vector_shift(3, Way::Right),
            Op::V128AnyTrue => {
                let a = self.pop();
                let a = self.xmm(&a);
                self.asm.vv(PTEST, a, a);
                self.free_xmm(a);
                self.push_cond(Cond::Ne);
            }
            Op::I8x16AllTrue => self.all_true(VecOp::p66(0x74)),
            Op::I16x8AllTrue => self.all_true(VecOp::p66(0x75)),
            Op::I32x4AllTrue => self.all_true(VecOp::p66(0x76)),
            Op::I64x2AllTrue => self.all_true(VecOp::p38(0x29)),
            Op::I8x16Bitmask => self.bitmask(VecOp::p66(0xd7)),
            Op::I16x8Bitmask => {
                let a = self.pop();
                let a = self.xmm(&a);
                self.free_xmm(a);
                self.asm.movaps(XMM15, a);
                // `packsswb` keeps signs.
                self.asm.vv(VecOp::p66(0x63), XMM15, XMM15);
                let dst = self.result_gpr();
                self.asm.gpr_v(VecOp::p66(0xd7), Width::W32, dst, VecRm::Reg(XMM15));
                self.asm.movzx8(dst, Rm::Reg(dst));
                self.push_gpr(Ty::I32, dst);
            }
            Op::I32x4Bitmask => self.bitmask(VecOp::of(0, 0x50)),
            Op::I64x2Bitmask => self.bitmask(VecOp::p66(0x50)),
            _ => return false,
        }
        true
    }

    /// Ones of the mask, which is on top, take from the deepest operand.
    pub(super) fn bitselect(&mut self) {
        let (a, b, mask) = self.pop3_xmms();
        self.select_bits(a, b, mask);
    }

    /// The same with operands that were popped; takes `xmm15` after `mask`.
    pub(super) fn select_bits(&mut self, a: Xmm, b: Xmm, mask: Xmm) {
        self.asm.vv(PAND, a, mask);
        self.asm.movaps(XMM15, mask);
        self.asm.vv(PANDN, XMM15, b);
        self.asm.vv(POR, a, XMM15);
        self.free_xmm(b);
        self.free_xmm(mask);
        self.push_xmm(Ty::V128, a);
    }

    fn all_true(&mut self, equal: VecOp) {
        let a = self.pop();
        let a = self.xmm(&a);
        self.asm.v_zero(XMM15);
        self.asm.vv(equal, XMM15, a);
        self.asm.vv(PTEST, XMM15, XMM15);
        self.free_xmm(a);
        self.push_cond(Cond::E);
    }

    fn bitmask(&mut self, op: VecOp) {
        let a = self.pop();
        let a = self.xmm(&a);
        self.free_xmm(a);
        let dst = self.result_gpr();
        self.asm.gpr_v(op, Width::W32, dst, VecRm::Reg(a));
        self.push_gpr(Ty::I32, dst);
    }

    fn vector_shift(&mut self, log2: u8, way: Way) {
        let count = self.pop();
        let mask = (8 << log2) - 1;
        if let Some(bits) = count.constant().filter(|_| log2 > 0 && (log2 < 3 || way != Way::RightSigned)) {
            let op = [0, SHIFT_16, SHIFT_32, SHIFT_64][log2 as usize];
            let kind = match way {
                Way::Left => SHIFT_LEFT,
                Way::Right => SHIFT_RIGHT,
                Way::RightSigned => SHIFT_RIGHT_SIGNED,
            };
            return self.vector_unary(|this, a| this.asm.v_shift_imm(op, kind, a, bits as u8 & mask));
        }
        let a = self.pop();
        let a = self.owned_xmm(&a);
        self.load_gpr(R11, &count);
        self.free(&count);
        self.asm.alu_imm(Alu::And, Width::W32, Rm::Reg(R11), mask.into());
        self.asm.mov_to_xmm(Width::W32, XMM15, R11);
        match (log2, way) {
            (0, _) => self.shift_bytes(way == Way::Left, way == Way::RightSigned, a),
            (3, Way::RightSigned) => {
                // The sign's bit where it comes to lie; flipping and subtracting it extends it.
                self.vector_const(XMM14, 1 << 63, 1 << 63);
                self.asm.vv(VecOp::p66(0xd3), XMM14, XMM15);
                self.asm.vv(VecOp::p66(0xd3), a, XMM15);
                self.asm.vv(PXOR, a, XMM14);
                self.asm.vv(VecOp::p66(0xfb), a, XMM14);
            }
            _ => {
                let first = match way {
                    Way::Left => 0xf0,
                    Way::Right => 0xd0,
                    Way::RightSigned => 0xe0,
                };
                self.asm.vv(VecOp::p66(first + log2), a, XMM15);
            }
        }
        self.push_xmm(Ty::V128, a);
    }
}
