//! Operators that make vectors of scalars, take scalars out, and move lanes about.

use super::{POR, PSHUFB, PSHUFD, PUNPCKLQDQ};
use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{Rm, VecOp, VecRm, Width, XMM14, XMM15, Xmm};
use wasmparser::Operator;

/// `pextrb`, `pextrw`, `pextrd` and `pextrq`, by the binary logarithm of the lane's bytes.
pub(super) const PEXTR: [VecOp; 4] = [VecOp::p3a(0x14), VecOp::p3a(0x15), VecOp::p3a(0x16), VecOp::p3a(0x16)];
/// `pinsrb`, `pinsrw`, `pinsrd` and `pinsrq`.
pub(super) const PINSR: [VecOp; 4] = [VecOp::p3a(0x20), VecOp::p66(0xc4), VecOp::p3a(0x22), VecOp::p3a(0x22)];

impl Compiler<'_> {
    pub(super) fn simd_lane(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        match *op {
            Op::V128Const { value } => {
                let bits = value.i128().cast_unsigned();
                let dst = self.result_xmm();
                self.vector_const(dst, bits as u64, (bits >> 64) as u64);
                self.push_xmm(Ty::V128, dst);
            }
            Op::I8x16Splat => self.splat_int(0),
            Op::I16x8Splat => self.splat_int(1),
            Op::I32x4Splat => self.splat_int(2),
            Op::I64x2Splat => self.splat_int(3),
            Op::F32x4Splat => self.splat_float(false),
            Op::F64x2Splat => self.splat_float(true),
            Op::I8x16ExtractLaneS { lane } => self.extract_int(0, lane, true),
            Op::I8x16ExtractLaneU { lane } => self.extract_int(0, lane, false),
            Op::I16x8ExtractLaneS { lane } => self.extract_int(1, lane, true),
            Op::I16x8ExtractLaneU { lane } => self.extract_int(1, lane, false),
            Op::I32x4ExtractLane { lane } => self.extract_int(2, lane, false),
            Op::I64x2ExtractLane { lane } => self.extract_int(3, lane, false),
            Op::F32x4ExtractLane { lane } => self.extract_float(Ty::F32, lane),
            Op::F64x2ExtractLane { lane } => self.extract_float(Ty::F64, lane * 0xee),
            Op::I8x16ReplaceLane { lane } => self.replace_int(0, lane),
            Op::I16x8ReplaceLane { lane } => self.replace_int(1, lane),
            Op::I32x4ReplaceLane { lane } => self.replace_int(2, lane),
            Op::I64x2ReplaceLane { lane } => self.replace_int(3, lane),
            // `insertps`.
            Op::F32x4ReplaceLane { lane } => self.vector_binary(|this, a, b| {
                this.asm.vi(VecOp::p3a(0x21), a, VecRm::Reg(b), lane << 4);
            }),
            // `movsd`, `movlhps`.
            Op::F64x2ReplaceLane { lane } => self.vector_binary(|this, a, b| {
                this.asm.vv(if lane == 0 { VecOp::of(0xf2, 0x10) } else { VecOp::of(0, 0x16) }, a, b);
            }),
            Op::I8x16Shuffle { lanes } => self.shuffle(&lanes),
            Op::I8x16Swizzle => self.swizzle(),
            _ => return false,
        }
        true
    }

    fn splat_int(&mut self, log2: u8) {
        let a = self.pop();
        let src = self.gpr(&a);
        self.free_gpr(src);
        let dst = self.result_xmm();
        let width = if log2 == 3 { Width::W64 } else { Width::W32 };
        self.asm.mov_to_xmm(width, dst, src);
        self.splat(log2, dst);
        self.push_xmm(Ty::V128, dst);
    }

    /// Copies the lowest lane into all others. Takes `xmm15`.
    pub(super) fn splat(&mut self, log2: u8, reg: Xmm) {
        match log2 {
            0 => {
                self.asm.v_zero(XMM15);
                self.asm.vv(PSHUFB, reg, XMM15);
            }
            1 => {
                // `pshuflw`.
                self.asm.vi(VecOp::of(0xf2, 0x70), reg, VecRm::Reg(reg), 0);
                self.asm.vv(PUNPCKLQDQ, reg, reg);
            }
            2 => self.asm.vi(PSHUFD, reg, VecRm::Reg(reg), 0),
            _ => self.asm.vv(PUNPCKLQDQ, reg, reg),
        }
    }

    fn splat_float(&mut self, double: bool) {
        let a = self.pop();
        let src = self.xmm(&a);
        self.free_xmm(src);
        let dst = self.result_xmm();
        self.asm.vi(PSHUFD, dst, VecRm::Reg(src), if double { 0x44 } else { 0 });
        self.push_xmm(Ty::V128, dst);
    }

    fn extract_int(&mut self, log2: u8, lane: u8, signed: bool) {
        let a = self.pop();
        let src = self.xmm(&a);
        self.free_xmm(src);
        let dst = self.result_gpr();
        self.extract(PEXTR[log2 as usize], log2 == 3, dst, src, lane);
        match (signed, log2) {
            (true, 0) => self.asm.movsx8(Width::W32, dst, Rm::Reg(dst)),
            (true, _) => self.asm.movsx16(Width::W32, dst, Rm::Reg(dst)),
            _ => {}
        }
        self.push_gpr(if log2 == 3 { Ty::I64 } else { Ty::I32 }, dst);
    }

    fn extract_float(&mut self, ty: Ty, lanes: u8) {
        let a = self.pop();
        let src = self.xmm(&a);
        self.free_xmm(src);
        let dst = self.result_xmm();
        if lanes == 0 {
            self.asm.movaps(dst, src);
        } else {
            self.asm.vi(PSHUFD, dst, VecRm::Reg(src), lanes);
        }
        self.push_xmm(ty, dst);
    }

    fn replace_int(&mut self, log2: u8, lane: u8) {
        let (a, b) = self.pop2();
        let dst = self.owned_xmm(&a);
        let src = self.gpr(&b);
        self.insert(PINSR[log2 as usize], log2 == 3, dst, Rm::Reg(src), lane);
        self.free_gpr(src);
        self.push_xmm(Ty::V128, dst);
    }

    /// Lanes of both, each by a shuffle that makes zeros of the other's.
    fn shuffle(&mut self, lanes: &[u8; 16]) {
        let mask = |from: u8| {
            let bytes = lanes.map(|lane| if lane / 16 == from { lane % 16 } else { 0x80 });
            let bits = u128::from_le_bytes(bytes);
            (bits as u64, (bits >> 64) as u64)
        };
        let (of_a, of_b) = (mask(0), mask(1));
        self.vector_binary(|this, a, b| {
            this.asm.movaps(XMM15, b);
            this.vector_const(XMM14, of_b.0, of_b.1);
            this.asm.vv(PSHUFB, XMM15, XMM14);
            this.vector_const(XMM14, of_a.0, of_a.1);
            this.asm.vv(PSHUFB, a, XMM14);
            this.asm.vv(POR, a, XMM15);
        });
    }

    /// Indices that are out of range become negative, which gives 0.
    pub(super) fn swizzle(&mut self) {
        self.vector_binary(|this, a, b| {
            this.vector_words(XMM15, 0x7070_7070);
            this.asm.vv(VecOp::p66(0xdc), XMM15, b);
            this.asm.vv(PSHUFB, a, XMM15);
        });
    }
}
