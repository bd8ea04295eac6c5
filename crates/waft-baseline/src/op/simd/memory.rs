//! Loads and stores of vectors, parts of vectors and single lanes.

use super::lane::{PEXTR, PINSR};
use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{R11, Rm, VecOp, VecRm, Width};
use waft_core::trap::TrapCode;
use wasmparser::Operator;

impl Compiler<'_> {
    pub(super) fn simd_memory(&mut self, op: &Operator<'_>) -> bool {
        use Operator as Op;
        match op {
            Op::V128Load { memarg } => self.load_float_op(memarg.into(), Ty::V128),
            Op::V128Store { memarg } => self.store_float_op(memarg.into(), Ty::V128),
            Op::V128Load8x8S { memarg } => self.load_extend(memarg, 0x20),
            Op::V128Load8x8U { memarg } => self.load_extend(memarg, 0x30),
            Op::V128Load16x4S { memarg } => self.load_extend(memarg, 0x23),
            Op::V128Load16x4U { memarg } => self.load_extend(memarg, 0x33),
            Op::V128Load32x2S { memarg } => self.load_extend(memarg, 0x25),
            Op::V128Load32x2U { memarg } => self.load_extend(memarg, 0x35),
            Op::V128Load8Splat { memarg } => self.load_splat(memarg, 0),
            Op::V128Load16Splat { memarg } => self.load_splat(memarg, 1),
            Op::V128Load32Splat { memarg } => self.load_splat(memarg, 2),
            Op::V128Load64Splat { memarg } => self.load_splat(memarg, 3),
            Op::V128Load32Zero { memarg } => self.load_zero(memarg, false),
            Op::V128Load64Zero { memarg } => self.load_zero(memarg, true),
            Op::V128Load8Lane { memarg, lane } => self.load_lane(memarg, 0, *lane),
            Op::V128Load16Lane { memarg, lane } => self.load_lane(memarg, 1, *lane),
            Op::V128Load32Lane { memarg, lane } => self.load_lane(memarg, 2, *lane),
            Op::V128Load64Lane { memarg, lane } => self.load_lane(memarg, 3, *lane),
            Op::V128Store8Lane { memarg, lane } => self.store_lane(memarg, 0, *lane),
            Op::V128Store16Lane { memarg, lane } => self.store_lane(memarg, 1, *lane),
            Op::V128Store32Lane { memarg, lane } => self.store_lane(memarg, 2, *lane),
            Op::V128Store64Lane { memarg, lane } => self.store_lane(memarg, 3, *lane),
            _ => return false,
        }
        true
    }

    /// Loads eight bytes of narrow lanes and extends each to twice its width.
    fn load_extend(&mut self, memarg: &wasmparser::MemArg, widen: u8) {
        let index = self.pop();
        let access = self.access(memarg.into(), &index, 8);
        self.end_access(access);
        let dst = self.result_xmm();
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.v(VecOp::p38(widen), dst, VecRm::Mem(access.mem));
        self.push_xmm(Ty::V128, dst);
    }

    /// Loads one lane into all of them.
    fn load_splat(&mut self, memarg: &wasmparser::MemArg, log2: u8) {
        let index = self.pop();
        let access = self.access(memarg.into(), &index, 1 << log2);
        self.end_access(access);
        let dst = self.result_xmm();
        self.may_fault(TrapCode::MemoryOutOfBounds);
        match log2 {
            0 => self.asm.movzx8(R11, Rm::Mem(access.mem)),
            1 => self.asm.movzx16(R11, Rm::Mem(access.mem)),
            _ => self.asm.load_float(log2 == 3, dst, access.mem),
        }
        if log2 < 2 {
            self.asm.mov_to_xmm(Width::W32, dst, R11);
        }
        self.splat(log2, dst);
        self.push_xmm(Ty::V128, dst);
    }

    /// Loads the lowest lane; the others are zero.
    fn load_zero(&mut self, memarg: &wasmparser::MemArg, double: bool) {
        let index = self.pop();
        let access = self.access(memarg.into(), &index, if double { 8 } else { 4 });
        self.end_access(access);
        let dst = self.result_xmm();
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.load_float(double, dst, access.mem);
        self.push_xmm(Ty::V128, dst);
    }

    /// Loads one lane into a vector, whose other lanes stay.
    fn load_lane(&mut self, memarg: &wasmparser::MemArg, log2: u8, lane: u8) {
        let (index, vector) = self.pop2();
        let dst = self.owned_xmm(&vector);
        let access = self.access(memarg.into(), &index, 1 << log2);
        self.end_access(access);
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.insert(PINSR[log2 as usize], log2 == 3, dst, Rm::Mem(access.mem), lane);
        self.push_xmm(Ty::V128, dst);
    }

    /// Stores one lane of a vector.
    fn store_lane(&mut self, memarg: &wasmparser::MemArg, log2: u8, lane: u8) {
        let (index, vector) = self.pop2();
        let src = self.xmm(&vector);
        let access = self.access(memarg.into(), &index, 1 << log2);
        self.may_fault(TrapCode::MemoryOutOfBounds);
        self.asm.v_store(PEXTR[log2 as usize], log2 == 3, access.mem, src);
        self.asm.byte(lane);
        self.end_access(access);
        self.free_xmm(src);
    }
}
