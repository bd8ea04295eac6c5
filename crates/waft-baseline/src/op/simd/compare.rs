//! Comparisons of vectors: all ones in a lane where the condition holds.

use super::{PAND, POR, PSHUFD};
use crate::compiler::Compiler;
use crate::x64::{Packed, VecOp, VecRm, XMM14, XMM15};
use wasmparser::Operator;

/// Instructions on lanes of one width.
struct Lanes {
    equal: VecOp,
    greater: VecOp,
    min_u: VecOp,
    max_u: VecOp,
}

const I8: Lanes = Lanes {
    equal: VecOp::p66(0x74),
    greater: VecOp::p66(0x64),
    min_u: VecOp::p66(0xda),
    max_u: VecOp::p66(0xde),
};
const I16: Lanes = Lanes {
    equal: VecOp::p66(0x75),
    greater: VecOp::p66(0x65),
    min_u: VecOp::p38(0x3a),
    max_u: VecOp::p38(0x3e),
};
const I32: Lanes = Lanes {
    equal: VecOp::p66(0x76),
    greater: VecOp::p66(0x66),
    min_u: VecOp::p38(0x3b),
    max_u: VecOp::p38(0x3f),
};
/// `cmpps` and `cmppd`: less, and less or equal.
const LT: u8 = 1;
const LE: u8 = 2;

impl Compiler<'_> {
    pub(super) fn simd_compare(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        match op {
            Op::I8x16Eq => self.vector_op(I8.equal, true),
            Op::I8x16Ne => self.not_op(I8.equal, false),
            Op::I8x16LtS => self.vector_op_swapped(I8.greater),
            Op::I8x16LtU => self.unsigned(I8.max_u, I8.equal, true),
            Op::I8x16GtS => self.vector_op(I8.greater, false),
            Op::I8x16GtU => self.unsigned(I8.min_u, I8.equal, true),
            Op::I8x16LeS => self.not_op(I8.greater, false),
            Op::I8x16LeU => self.unsigned(I8.min_u, I8.equal, false),
            Op::I8x16GeS => self.not_op(I8.greater, true),
            Op::I8x16GeU => self.unsigned(I8.max_u, I8.equal, false),
            Op::I16x8Eq => self.vector_op(I16.equal, true),
            Op::I16x8Ne => self.not_op(I16.equal, false),
            Op::I16x8LtS => self.vector_op_swapped(I16.greater),
            Op::I16x8LtU => self.unsigned(I16.max_u, I16.equal, true),
            Op::I16x8GtS => self.vector_op(I16.greater, false),
            Op::I16x8GtU => self.unsigned(I16.min_u, I16.equal, true),
            Op::I16x8LeS => self.not_op(I16.greater, false),
            Op::I16x8LeU => self.unsigned(I16.min_u, I16.equal, false),
            Op::I16x8GeS => self.not_op(I16.greater, true),
            Op::I16x8GeU => self.unsigned(I16.max_u, I16.equal, false),
            Op::I32x4Eq => self.vector_op(I32.equal, true),
            Op::I32x4Ne => self.not_op(I32.equal, false),
            Op::I32x4LtS => self.vector_op_swapped(I32.greater),
            Op::I32x4LtU => self.unsigned(I32.max_u, I32.equal, true),
            Op::I32x4GtS => self.vector_op(I32.greater, false),
            Op::I32x4GtU => self.unsigned(I32.min_u, I32.equal, true),
            Op::I32x4LeS => self.not_op(I32.greater, false),
            Op::I32x4LeU => self.unsigned(I32.min_u, I32.equal, false),
            Op::I32x4GeS => self.not_op(I32.greater, true),
            Op::I32x4GeU => self.unsigned(I32.max_u, I32.equal, false),
            Op::I64x2Eq => self.vector_op(VecOp::p38(0x29), true),
            Op::I64x2Ne => self.not_op(VecOp::p38(0x29), false),
            Op::I64x2LtS => self.greater64(true, false),
            Op::I64x2GtS => self.greater64(false, false),
            Op::I64x2LeS => self.greater64(false, true),
            Op::I64x2GeS => self.greater64(true, true),
            Op::F32x4Eq => self.compare_floats(Packed::Ps, 0, false),
            Op::F32x4Ne => self.compare_floats(Packed::Ps, 4, false),
            Op::F32x4Lt => self.compare_floats(Packed::Ps, LT, false),
            Op::F32x4Gt => self.compare_floats(Packed::Ps, LT, true),
            Op::F32x4Le => self.compare_floats(Packed::Ps, LE, false),
            Op::F32x4Ge => self.compare_floats(Packed::Ps, LE, true),
            Op::F64x2Eq => self.compare_floats(Packed::Pd, 0, false),
            Op::F64x2Ne => self.compare_floats(Packed::Pd, 4, false),
            Op::F64x2Lt => self.compare_floats(Packed::Pd, LT, false),
            Op::F64x2Gt => self.compare_floats(Packed::Pd, LT, true),
            Op::F64x2Le => self.compare_floats(Packed::Pd, LE, false),
            Op::F64x2Ge => self.compare_floats(Packed::Pd, LE, true),
            _ => return false,
        }
        true
    }

    /// The opposite of a comparison, of (b, a) if `swapped`.
    fn not_op(&mut self, op: VecOp, swapped: bool) {
        if swapped {
            self.vector_op_swapped(op);
        } else {
            self.vector_op(op, false);
        }
        self.vector_unary(Self::vector_not);
    }

    /// Whether a lane is the greater or lesser one of both, or the opposite.
    fn unsigned(&mut self, extreme: VecOp, equal: VecOp, negate: bool) {
        self.vector_binary(|this, a, b| {
            this.asm.movaps(XMM15, b);
            this.asm.vv(extreme, XMM15, a);
            this.asm.vv(equal, a, XMM15);
            if negate {
                this.vector_not(a);
            }
        });
    }

    /// `pcmpgtq` of SSE4.2: where the upper halves are equal, the difference's upper half is the borrow of the lower ones.
    fn greater64(&mut self, swapped: bool, negate: bool) {
        let (mut a, mut b) = self.pop2();
        if swapped {
            std::mem::swap(&mut a, &mut b);
        }
        let (a, b) = (self.owned_xmm(&a), self.xmm(&b));
        self.asm.movaps(XMM15, b);
        self.asm.vv(VecOp::p66(0xfb), XMM15, a);
        self.asm.movaps(XMM14, a);
        self.asm.vv(I32.equal, XMM14, b);
        self.asm.vv(PAND, XMM15, XMM14);
        self.asm.vv(I32.greater, a, b);
        self.asm.vv(POR, a, XMM15);
        self.asm.vi(PSHUFD, a, VecRm::Reg(a), 0xf5);
        if negate {
            self.vector_not(a);
        }
        self.free_xmm(b);
        self.push_xmm(crate::value::Ty::V128, a);
    }

    fn compare_floats(&mut self, packed: Packed, condition: u8, swapped: bool) {
        let op = packed.bits_op(0xc2);
        if swapped {
            self.vector_op_swapped(op);
        } else {
            self.vector_op(op, false);
        }
        self.asm.byte(condition);
    }
}
