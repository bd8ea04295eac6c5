//! Instructions on floats and vectors: SSE4.1, in their two-operand forms.

use super::asm::{Asm, Op};
use super::reg::{Gpr, Mem, Width, Xmm};

/// A source operand of a vector instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VecRm {
    Reg(Xmm),
    Mem(Mem),
}

/// An instruction of two vector operands, the first of which is the destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VecOp(Op);

impl VecOp {
    /// After `0F`, with a mandatory prefix or 0.
    pub(crate) const fn of(prefix: u8, op: u8) -> Self {
        Self(Op::of(prefix, op))
    }
    /// After `66 0F`.
    pub(crate) const fn p66(op: u8) -> Self {
        Self(Op::of(0x66, op))
    }
    /// After `66 0F 38`.
    pub(crate) const fn p38(op: u8) -> Self {
        Self(Op::of38(0x66, op))
    }
    /// After `66 0F 3A`; with an immediate.
    pub(crate) const fn p3a(op: u8) -> Self {
        Self(Op::of3a(0x66, op))
    }
}

/// How floats are packed, and how wide they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packed {
    /// One `f32`.
    Ss,
    /// One `f64`.
    Sd,
    /// Four `f32`.
    Ps,
    /// Two `f64`.
    Pd,
}

impl Packed {
    /// The mandatory prefix of arithmetic.
    const fn prefix(self) -> u8 {
        match self {
            Self::Ss => 0xf3,
            Self::Sd => 0xf2,
            Self::Ps => 0,
            Self::Pd => 0x66,
        }
    }
    /// The instruction with this opcode.
    pub(crate) const fn op(self, op: u8) -> VecOp {
        VecOp::of(self.prefix(), op)
    }
    /// The instruction of the family that is told from its packed form only by width: `ucomis`, `andp`.
    pub(crate) const fn bits_op(self, op: u8) -> VecOp {
        match self {
            Self::Ss | Self::Ps => VecOp::of(0, op),
            Self::Sd | Self::Pd => VecOp::of(0x66, op),
        }
    }
    /// `roundss` and its family.
    pub(crate) const fn round(self) -> VecOp {
        VecOp::p3a(match self {
            Self::Ss => 0x0a,
            Self::Sd => 0x0b,
            Self::Ps => 0x08,
            Self::Pd => 0x09,
        })
    }
    pub(crate) const fn is_double(self) -> bool {
        matches!(self, Self::Sd | Self::Pd)
    }
    /// Whether it is a whole vector.
    pub(crate) const fn is_vector(self) -> bool {
        matches!(self, Self::Ps | Self::Pd)
    }
}

pub(crate) const ADD: u8 = 0x58;
pub(crate) const MUL: u8 = 0x59;
pub(crate) const SUB: u8 = 0x5c;
pub(crate) const MIN: u8 = 0x5d;
pub(crate) const DIV: u8 = 0x5e;
pub(crate) const MAX: u8 = 0x5f;
pub(crate) const SQRT: u8 = 0x51;
pub(crate) const AND: u8 = 0x54;
pub(crate) const ANDN: u8 = 0x55;
pub(crate) const OR: u8 = 0x56;
pub(crate) const XOR: u8 = 0x57;
pub(crate) const UCOMI: u8 = 0x2e;

impl Asm {
    #[inline]
    pub(crate) fn v(&mut self, op: VecOp, dst: Xmm, src: VecRm) {
        match src {
            VecRm::Reg(src) => self.rr(op.0, dst.0, src.0),
            VecRm::Mem(mem) => self.rm(op.0, dst.0, mem),
        }
    }

    /// With an immediate.
    pub(crate) fn vi(&mut self, op: VecOp, dst: Xmm, src: VecRm, imm: u8) {
        self.v(op, dst, src);
        self.byte(imm);
    }

    /// On registers.
    #[inline]
    pub(crate) fn vv(&mut self, op: VecOp, dst: Xmm, src: Xmm) {
        self.rr(op.0, dst.0, src.0);
    }

    /// With a general register or place in memory as the source.
    pub(crate) fn v_gpr(&mut self, op: VecOp, width: Width, dst: Xmm, src: super::Rm) {
        self.r_rm(op.0.wide(width.is_64()), dst.0, src);
    }

    /// With a general register as the destination.
    pub(crate) fn gpr_v(&mut self, op: VecOp, width: Width, dst: Gpr, src: VecRm) {
        match src {
            VecRm::Reg(src) => self.rr(op.0.wide(width.is_64()), dst.0, src.0),
            VecRm::Mem(mem) => self.rm(op.0.wide(width.is_64()), dst.0, mem),
        }
    }

    /// All of a vector register.
    #[inline]
    pub(crate) fn movaps(&mut self, dst: Xmm, src: Xmm) {
        if dst != src {
            self.rr(Op::of(0, 0x28), dst.0, src.0);
        }
    }

    /// Loads the lowest lane; the others become zero.
    #[inline]
    pub(crate) fn load_float(&mut self, double: bool, dst: Xmm, mem: Mem) {
        self.rm(Op::of(if double { 0xf2 } else { 0xf3 }, 0x10), dst.0, mem);
    }

    #[inline]
    pub(crate) fn store_float(&mut self, double: bool, mem: Mem, src: Xmm) {
        self.rm(Op::of(if double { 0xf2 } else { 0xf3 }, 0x11), src.0, mem);
    }

    pub(crate) fn load_vector(&mut self, dst: Xmm, mem: Mem) {
        self.rm(Op::of(0, 0x10), dst.0, mem);
    }

    pub(crate) fn store_vector(&mut self, mem: Mem, src: Xmm) {
        self.rm(Op::of(0, 0x11), src.0, mem);
    }

    /// `movd` or `movq` into a vector register, whose other lanes become zero.
    pub(crate) fn mov_to_xmm(&mut self, width: Width, dst: Xmm, src: Gpr) {
        self.rr(Op::of(0x66, 0x6e).wide(width.is_64()), dst.0, src.0);
    }

    pub(crate) fn mov_from_xmm(&mut self, width: Width, dst: Gpr, src: Xmm) {
        self.rr(Op::of(0x66, 0x7e).wide(width.is_64()), src.0, dst.0);
    }

    /// Stores through an instruction whose destination is in the `rm` field: `pextr`.
    pub(crate) fn v_store(&mut self, op: VecOp, wide: bool, mem: Mem, src: Xmm) {
        self.rm(op.0.wide(wide), src.0, mem);
    }

    /// The same into a general register.
    pub(crate) fn v_extract(&mut self, op: VecOp, wide: bool, dst: Gpr, src: Xmm) {
        self.rr(op.0.wide(wide), src.0, dst.0);
    }

    /// A shift of lanes by a constant, whose kind is in the `reg` field.
    pub(crate) fn v_shift_imm(&mut self, op: u8, kind: u8, dst: Xmm, bits: u8) {
        self.rr(Op::of(0x66, op), kind, dst.0);
        self.byte(bits);
    }

    pub(crate) fn v_zero(&mut self, dst: Xmm) {
        self.rr(Op::of(0, 0x57), dst.0, dst.0);
    }

    pub(crate) fn v_ones(&mut self, dst: Xmm) {
        self.rr(Op::of(0x66, 0x74), dst.0, dst.0);
    }
}

impl Asm {
    /// An instruction of three vector registers after `66 0F 38`, in the VEX form.
    pub(crate) fn vex38(&mut self, wide: bool, op: u8, dst: Xmm, src: Xmm, third: Xmm) {
        let second = (dst.0 >> 3 ^ 1) << 7 | 1 << 6 | (third.0 >> 3 ^ 1) << 5 | 2;
        let fourth = u8::from(wide) << 7 | (!src.0 & 15) << 3 | 1;
        let modrm = 0xc0 | (dst.0 & 7) << 3 | third.0 & 7;
        self.put(u64::from_le_bytes([0xc4, second, fourth, op, modrm, 0, 0, 0]), 5);
    }
}
