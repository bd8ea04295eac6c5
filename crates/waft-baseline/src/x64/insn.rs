//! Instructions on integers, and control.

use super::asm::{Asm, Op};
use super::cond::Cond;
use super::reg::{Gpr, Mem, Width};

/// A source operand: a register or a place in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rm {
    Reg(Gpr),
    Mem(Mem),
}

/// Arithmetic of two operands, by its number in opcodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts and rotations, by their numbers in opcodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Shift {
    Rol = 0,
    Ror = 1,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

impl Asm {
    /// An instruction with a register or memory operand.
    #[inline]
    pub(crate) fn r_rm(&mut self, op: Op, reg: u8, rm: Rm) {
        match rm {
            Rm::Reg(rm) => self.rr(op, reg, rm.0),
            Rm::Mem(mem) => self.rm(op, reg, mem),
        }
    }

    /// `mov` between registers.
    #[inline]
    pub(crate) fn mov(&mut self, width: Width, dst: Gpr, src: Gpr) {
        self.rr(Op::legacy(0x8b).wide(width.is_64()), dst.0, src.0);
    }

    /// A constant, without touching the flags.
    pub(crate) fn mov_imm(&mut self, dst: Gpr, value: u64) {
        if let Ok(low) = u32::try_from(value) {
            self.o(0xb8, false, dst);
            self.imm32(low.cast_signed());
        } else if let Ok(low) = i32::try_from(value.cast_signed()) {
            self.rr(Op::legacy(0xc7).wide(true), 0, dst.0);
            self.imm32(low);
        } else {
            self.o(0xb8, true, dst);
            self.put(value, 8);
        }
    }

    /// A constant; flags may change.
    pub(crate) fn set_imm(&mut self, dst: Gpr, value: u64) {
        if value == 0 { self.alu(Alu::Xor, Width::W32, dst, Rm::Reg(dst)) } else { self.mov_imm(dst, value) }
    }

    #[inline]
    pub(crate) fn load(&mut self, width: Width, dst: Gpr, mem: Mem) {
        self.rm(Op::legacy(0x8b).wide(width.is_64()), dst.0, mem);
    }

    #[inline]
    pub(crate) fn store(&mut self, width: Width, mem: Mem, src: Gpr) {
        self.rm(Op::legacy(0x89).wide(width.is_64()), src.0, mem);
    }

    /// Stores the lowest 1, 2, 4 or 8 bytes.
    pub(crate) fn store_bytes(&mut self, bytes: u32, mem: Mem, src: Gpr) {
        let op = match bytes {
            1 => Op::legacy(0x88).byte(),
            2 => Op::legacy(0x89).prefixed(0x66),
            4 => Op::legacy(0x89),
            _ => Op::legacy(0x89).wide(true),
        };
        self.rm(op, src.0, mem);
    }

    /// Stores a constant, whose sign is extended to 64 bits.
    pub(crate) fn store_imm(&mut self, width: Width, mem: Mem, value: i32) {
        self.rm(Op::legacy(0xc7).wide(width.is_64()), 0, mem);
        self.imm32(value);
    }

    /// Stores the lowest 1, 2, 4 or 8 bytes of a constant, whose sign is extended.
    pub(crate) fn store_imm_bytes(&mut self, bytes: u32, mem: Mem, value: i32) {
        let op = match bytes {
            1 => Op::legacy(0xc6),
            2 => Op::legacy(0xc7).prefixed(0x66),
            4 => Op::legacy(0xc7),
            _ => Op::legacy(0xc7).wide(true),
        };
        self.rm(op, 0, mem);
        self.put(value.cast_unsigned().into(), bytes.min(4) as usize);
    }

    pub(crate) fn lea(&mut self, width: Width, dst: Gpr, mem: Mem) {
        self.rm(Op::legacy(0x8d).wide(width.is_64()), dst.0, mem);
    }

    /// `lea` of a label; the instruction ends with its place.
    pub(crate) fn lea_label(&mut self, dst: Gpr, label: &mut super::Label) {
        self.put(u64::from(0x48 | dst.0 >> 3 << 2) | 0x8d << 8 | u64::from(5 | (dst.0 & 7) << 3) << 16, 3);
        self.rel32(label);
    }

    #[inline]
    pub(crate) fn alu(&mut self, op: Alu, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::legacy((op as u8) << 3 | 3).wide(width.is_64()), dst.0, src);
    }

    /// The same with a constant, whose sign is extended.
    pub(crate) fn alu_imm(&mut self, op: Alu, width: Width, dst: Rm, value: i32) {
        match i8::try_from(value) {
            Ok(small) => {
                self.r_rm(Op::legacy(0x83).wide(width.is_64()), op as u8, dst);
                self.byte(small.cast_unsigned());
            }
            Err(_) => {
                self.r_rm(Op::legacy(0x81).wide(width.is_64()), op as u8, dst);
                self.imm32(value);
            }
        }
    }

    /// `sub` of 32 bits, with as many for the number: its last four bytes.
    pub(crate) fn sub_imm32(&mut self, dst: Rm, value: i32) {
        self.r_rm(Op::legacy(0x81), Alu::Sub as u8, dst);
        self.imm32(value);
    }

    pub(crate) fn test(&mut self, width: Width, a: Gpr, b: Gpr) {
        self.rr(Op::legacy(0x85).wide(width.is_64()), b.0, a.0);
    }

    pub(crate) fn test_imm(&mut self, width: Width, a: Gpr, value: i32) {
        self.rr(Op::legacy(0xf7).wide(width.is_64()), 0, a.0);
        self.imm32(value);
    }

    pub(crate) fn imul(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0xaf).wide(width.is_64()), dst.0, src);
    }

    pub(crate) fn imul_imm(&mut self, width: Width, dst: Gpr, src: Rm, value: i32) {
        match i8::try_from(value) {
            Ok(small) => {
                self.r_rm(Op::legacy(0x6b).wide(width.is_64()), dst.0, src);
                self.byte(small.cast_unsigned());
            }
            Err(_) => {
                self.r_rm(Op::legacy(0x69).wide(width.is_64()), dst.0, src);
                self.imm32(value);
            }
        }
    }

    /// `rdx:rax = rax * src`.
    pub(crate) fn mul_wide(&mut self, signed: bool, src: Rm) {
        self.r_rm(Op::legacy(0xf7).wide(true), if signed { 5 } else { 4 }, src);
    }

    /// Divides `rdx:rax`: the quotient is in `rax`, the remainder in `rdx`.
    pub(crate) fn div(&mut self, width: Width, signed: bool, divisor: Gpr) {
        self.rr(Op::legacy(0xf7).wide(width.is_64()), if signed { 7 } else { 6 }, divisor.0);
    }

    /// Extends the sign of `rax` into `rdx`.
    pub(crate) fn cdq(&mut self, width: Width) {
        if width.is_64() { self.put(0x9948, 2) } else { self.byte(0x99) }
    }

    pub(crate) fn neg(&mut self, width: Width, reg: Gpr) {
        self.rr(Op::legacy(0xf7).wide(width.is_64()), 3, reg.0);
    }

    pub(crate) fn not(&mut self, width: Width, reg: Gpr) {
        self.rr(Op::legacy(0xf7).wide(width.is_64()), 2, reg.0);
    }

    pub(crate) fn shift_imm(&mut self, op: Shift, width: Width, reg: Gpr, bits: u8) {
        self.rr(Op::legacy(0xc1).wide(width.is_64()), op as u8, reg.0);
        self.byte(bits);
    }

    /// By `cl` bits.
    pub(crate) fn shift_cl(&mut self, op: Shift, width: Width, reg: Gpr) {
        self.rr(Op::legacy(0xd3).wide(width.is_64()), op as u8, reg.0);
    }

    /// `dst = 1` if the condition holds, else 0; in 8 bits.
    pub(crate) fn setcc(&mut self, cond: Cond, dst: Gpr) {
        self.rr(Op::of(0, 0x90 | cond.code()).byte(), 0, dst.0);
    }

    pub(crate) fn cmov(&mut self, cond: Cond, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0x40 | cond.code()).wide(width.is_64()), dst.0, src);
    }

    pub(crate) fn movzx8(&mut self, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0xb6).byte(), dst.0, src);
    }

    pub(crate) fn movzx16(&mut self, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0xb7), dst.0, src);
    }

    pub(crate) fn movsx8(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0xbe).wide(width.is_64()).byte(), dst.0, src);
    }

    pub(crate) fn movsx16(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0xbf).wide(width.is_64()), dst.0, src);
    }

    /// 32 bits to 64.
    pub(crate) fn movsxd(&mut self, dst: Gpr, src: Rm) {
        self.r_rm(Op::legacy(0x63).wide(true), dst.0, src);
    }

    pub(crate) fn bsr(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0xbd).wide(width.is_64()), dst.0, src);
    }

    pub(crate) fn bsf(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0, 0xbc).wide(width.is_64()), dst.0, src);
    }

    pub(crate) fn lzcnt(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0xf3, 0xbd).wide(width.is_64()), dst.0, src);
    }

    pub(crate) fn tzcnt(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0xf3, 0xbc).wide(width.is_64()), dst.0, src);
    }

    pub(crate) fn popcnt(&mut self, width: Width, dst: Gpr, src: Rm) {
        self.r_rm(Op::of(0xf3, 0xb8).wide(width.is_64()), dst.0, src);
    }

    pub(crate) fn push(&mut self, reg: Gpr) {
        self.o(0x50, false, reg);
    }

    pub(crate) fn leave(&mut self) {
        self.byte(0xc9);
    }

    /// Returns and removes `bytes` of arguments.
    pub(crate) fn ret(&mut self, bytes: u16) {
        if bytes == 0 { self.byte(0xc3) } else { self.put(0xc2 | u64::from(bytes) << 8, 3) }
    }

    pub(crate) fn ud2(&mut self) {
        self.put(0x0b0f, 2);
    }

    /// A call to what `rm` holds.
    pub(crate) fn call_rm(&mut self, rm: Rm) {
        self.r_rm(Op::legacy(0xff), 2, rm);
    }

    pub(crate) fn jmp_rm(&mut self, rm: Rm) {
        self.r_rm(Op::legacy(0xff), 4, rm);
    }

    pub(crate) fn mfence(&mut self) {
        self.put(0xf0_ae0f, 3);
    }

    /// Stores `rax` `rcx` times from `rdi` on, eight bytes each.
    pub(crate) fn rep_stosq(&mut self) {
        self.put(0xab_48f3, 3);
    }

    /// An atomic instruction on memory of `1 << log2` bytes: the opcode of its 8-bit form is even.
    fn locked(&mut self, op: Op, log2: u8, mem: Mem, reg: Gpr) {
        self.byte(0xf0);
        let op = match log2 {
            0 => op.byte(),
            1 => op.prefixed(0x66),
            2 => op,
            _ => op.wide(true),
        };
        self.rm(op, reg.0, mem);
    }

    /// `lock xadd`.
    pub(crate) fn lock_xadd(&mut self, log2: u8, mem: Mem, reg: Gpr) {
        self.locked(Op::of(0, 0xc0 | u8::from(log2 > 0)), log2, mem, reg);
    }

    /// `lock cmpxchg`, with what is expected in `rax`, which gets what was there.
    pub(crate) fn lock_cmpxchg(&mut self, log2: u8, mem: Mem, reg: Gpr) {
        self.locked(Op::of(0, 0xb0 | u8::from(log2 > 0)), log2, mem, reg);
    }

    /// `xchg` with memory, which is always atomic.
    pub(crate) fn lock_xchg(&mut self, log2: u8, mem: Mem, reg: Gpr) {
        self.locked(Op::legacy(0x86 | u8::from(log2 > 0)), log2, mem, reg);
    }
}
