//! The buffer of machine code, the encoding of operands, and labels.
//!
//! # Invariants
//!
//! * Whatever is appended is written with what may stand behind it, eight bytes or a whole instruction's: room is made where
//!   there is none.
//! * A label that is not bound yet is a list: each place that refers to it holds the offset of the place before, 0 at
//!   the end. No function has a reference at offset 0.

use super::cond::Cond;
use super::reg::{Gpr, Mem};
use std::mem;

/// The most bytes: what is far from the last number of 32 bits, so that no place is ever another.
const BYTES_MAX: usize = 1 << 30;
/// Bytes that [`Asm::instruction`] writes within: prefix, REX, three of the opcode, eight of operands.
const INSTRUCTION_ROOM: usize = 16;

/// Machine code in the making.
#[derive(Default)]
pub(crate) struct Asm {
    buf: Box<[u8]>,
    pos: u32,
}

/// A place in the code, known or not.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Label {
    /// Not yet: the last place that refers to it.
    Open(u32),
    /// Here.
    Bound(u32),
}

impl Label {
    pub(crate) const NEW: Self = Self::Open(0);

    /// Whether anything refers to it, or could.
    pub(crate) fn is_used(self) -> bool {
        !matches!(self, Self::Open(0))
    }
}

/// An instruction without its operands, packed: its opcode in the lowest byte, then the escape before it, its mandatory prefix,
/// and flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Op(u32);

/// `0F`, `0F 38` and `0F 3A`.
const ESCAPE: u32 = 3 << 8;
const ESCAPE_AT: u32 = 8;
/// One of [`PREFIXES`].
const PREFIX: u32 = 3 << 10;
const PREFIX_AT: u32 = 10;
const PREFIXES: [u8; 4] = [0, 0x66, 0xf2, 0xf3];
/// The instruction names the low bytes of registers.
const BYTE: u32 = 1 << 12;
/// The bit W of REX, where `op >> REX_AT` has it.
const REX_AT: u32 = 16;
const WIDE: u32 = 8 << REX_AT;

impl Op {
    /// One byte, without an escape.
    pub(crate) const fn legacy(op: u8) -> Self {
        Self(op as u32)
    }
    /// After `0F`, with a mandatory prefix or 0.
    pub(crate) const fn of(prefix: u8, op: u8) -> Self {
        Self(op as u32 | 1 << ESCAPE_AT).prefixed(prefix)
    }
    /// After `0F 38`.
    pub(crate) const fn of38(prefix: u8, op: u8) -> Self {
        Self(op as u32 | 2 << ESCAPE_AT).prefixed(prefix)
    }
    /// After `0F 3A`.
    pub(crate) const fn of3a(prefix: u8, op: u8) -> Self {
        Self(op as u32 | 3 << ESCAPE_AT).prefixed(prefix)
    }
    /// With a prefix.
    pub(crate) const fn prefixed(self, prefix: u8) -> Self {
        let number = match prefix {
            0 => 0,
            0x66 => 1,
            0xf2 => 2,
            0xf3 => 3,
            _ => panic!("no such prefix"),
        };
        Self(self.0 | number << PREFIX_AT)
    }
    /// On 64 bits, if `wide`.
    pub(crate) const fn wide(self, wide: bool) -> Self {
        if wide { Self(self.0 | WIDE) } else { self }
    }
    /// On the low bytes of registers: those of `rsp` to `rdi` need a prefix to be named.
    pub(crate) const fn byte(self) -> Self {
        Self(self.0 | BYTE)
    }
}

impl Asm {
    /// Starts anew.
    pub(crate) fn clear(&mut self) {
        self.pos = 0;
    }

    #[cold]
    fn grow(&mut self) {
        let len = (self.buf.len() * 2).max(64 << 10);
        assert!(len <= BYTES_MAX, "functions are refused long before");
        let mut buf = mem::take(&mut self.buf).into_vec();
        buf.resize(len, 0);
        self.buf = buf.into_boxed_slice();
    }

    /// The offset of the next instruction.
    #[inline]
    pub(crate) fn pos(&self) -> u32 {
        self.pos
    }

    /// The code so far.
    pub(crate) fn code(&self) -> &[u8] {
        &self.buf[..self.pos as usize]
    }

    /// Appends the `len` lowest bytes of `bytes`.
    #[inline]
    pub(crate) fn put(&mut self, bytes: u64, len: usize) {
        let at = self.pos as usize;
        if let Some(place) = self.buf.get_mut(at..at + 8) {
            place.copy_from_slice(&bytes.to_le_bytes());
            self.pos += len as u32;
        } else {
            self.grow();
            self.put(bytes, len);
        }
    }

    #[inline]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.put(byte.into(), 1);
    }

    #[inline]
    pub(crate) fn imm32(&mut self, value: i32) {
        self.put(value.cast_unsigned().into(), 4);
    }

    /// An instruction: its operands' bits of REX, whether those need REX whatever its bits are, and its operands from ModRM on.
    ///
    /// PERF: each part is written where it begins, and the next one over what is too much of it: whether there is a REX is
    /// hardly to be foreseen.
    #[inline(always)]
    fn instruction(&mut self, op: Op, rex: u8, needs_rex: bool, operands: u64, operands_len: usize) {
        let at = self.pos as usize;
        let room = self.buf.get_mut(at..at + INSTRUCTION_ROOM);
        let Some(room) = room.and_then(|room| room.first_chunk_mut::<INSTRUCTION_ROOM>()) else {
            self.grow();
            return self.instruction(op, rex, needs_rex, operands, operands_len);
        };
        let rex = op.0 >> REX_AT | u32::from(rex);
        let has_rex = rex != 0 || needs_rex;
        let opcode = op.0 & 0xff;
        let mut len;
        if op.0 & (ESCAPE | PREFIX) == 0 {
            let head = 0x40 | rex | opcode << 8;
            let head = if has_rex { head } else { opcode };
            room[..4].copy_from_slice(&head.to_le_bytes());
            len = 1 + usize::from(has_rex);
        } else {
            let prefix = PREFIXES[(op.0 >> PREFIX_AT) as usize % PREFIXES.len()];
            room[0] = prefix;
            len = usize::from(prefix != 0);
            room[len] = 0x40 | rex as u8;
            len += usize::from(has_rex);
            let (escaped, escaped_len) = match (op.0 & ESCAPE) >> ESCAPE_AT {
                0 => (opcode, 1),
                1 => (0x0f | opcode << 8, 2),
                2 => (0x380f | opcode << 16, 3),
                _ => (0x3a0f | opcode << 16, 3),
            };
            room[len..len + 4].copy_from_slice(&escaped.to_le_bytes());
            len += escaped_len;
        }
        room[len..len + 8].copy_from_slice(&operands.to_le_bytes());
        self.pos += (len + operands_len) as u32;
    }

    /// An instruction on two registers, by their numbers: the one in the `reg` field, the one in `rm`.
    #[inline]
    pub(crate) fn rr(&mut self, op: Op, reg: u8, rm: u8) {
        let names_byte = op.0 & BYTE != 0 && (reg >= 4 || rm >= 4);
        let rex = (reg >> 3) << 2 | rm >> 3;
        self.instruction(op, rex, names_byte, u64::from(0xc0 | (reg & 7) << 3 | rm & 7), 1);
    }

    /// An instruction on a register and a place in memory.
    #[inline]
    pub(crate) fn rm(&mut self, op: Op, reg: u8, mem: Mem) {
        let names_byte = op.0 & BYTE != 0 && reg >= 4;
        let (operands, len) = mem.operand(reg);
        self.instruction(op, (reg >> 3) << 2 | mem.rex(), names_byte, operands, len);
    }

    /// An instruction with the register in its opcode.
    #[inline]
    pub(crate) fn o(&mut self, op: u8, wide: bool, reg: Gpr) {
        let rex = if wide { 0x48 } else { 0x40 } | reg.0 >> 3;
        let op = u64::from(op | reg.0 & 7);
        if rex == 0x40 { self.put(op, 1) } else { self.put(u64::from(rex) | op << 8, 2) }
    }

    /// Binds a label to this place.
    pub(crate) fn bind(&mut self, label: &mut Label) {
        let here = self.pos();
        if let Label::Open(last) = *label {
            self.resolve(last, here);
        }
        *label = Label::Bound(here);
    }

    /// Lets a list of places refer to `target`.
    fn resolve(&mut self, mut place: u32, target: u32) {
        while place != 0 {
            let before = self.read32(place);
            self.patch32(place, target.wrapping_sub(place + 4).cast_signed());
            place = before;
        }
    }

    fn read32(&self, at: u32) -> u32 {
        let at = at as usize;
        let bytes = self.buf[at..at + 4].first_chunk().expect("there are four bytes");
        u32::from_le_bytes(*bytes)
    }

    /// Overwrites 32 bits of code that stands already.
    pub(crate) fn patch32(&mut self, at: u32, value: i32) {
        let at = at as usize;
        self.buf[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Appends the distance from the end of these 32 bits to a label.
    #[inline]
    pub(crate) fn rel32(&mut self, label: &mut Label) {
        let here = self.pos();
        match label {
            Label::Bound(target) => self.imm32(target.wrapping_sub(here + 4).cast_signed()),
            Label::Open(last) => {
                self.imm32(last.cast_signed());
                *last = here;
            }
        }
    }

    /// `jmp`.
    pub(crate) fn jmp(&mut self, label: &mut Label) {
        self.byte(0xe9);
        self.rel32(label);
    }

    /// `jcc`, for every condition of ours.
    pub(crate) fn jcc(&mut self, cond: Cond, label: &mut Label) {
        match cond {
            Cond::FloatE => {
                let skip = self.jcc_short(Cond::P);
                self.jcc(Cond::E, label);
                self.bind_short(skip);
            }
            Cond::FloatNe => {
                self.jcc(Cond::P, label);
                self.jcc(Cond::Ne, label);
            }
            _ => {
                self.put(0x800f | u64::from(cond.code()) << 8, 2);
                self.rel32(label);
            }
        }
    }

    /// A branch to a place within the next 127 bytes, which [`Self::bind_short`] tells.
    pub(crate) fn jcc_short(&mut self, cond: Cond) -> u32 {
        self.put(u64::from(0x70 | cond.code()), 2);
        self.pos()
    }

    /// A jump to a place within the next 127 bytes.
    pub(crate) fn jmp_short(&mut self) -> u32 {
        self.put(0xeb, 2);
        self.pos()
    }

    /// Lets a short branch lead here.
    pub(crate) fn bind_short(&mut self, after: u32) {
        let distance = self.pos() - after;
        self.buf[after as usize - 1] =
            i8::try_from(distance).expect("short branches are short").cast_unsigned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x64::{
        Alu, R8, R11, R12, R13, RAX, RBP, RBX, RCX, RDI, RSI, RSP, Rm, Shift, VecOp, VecRm, Width, Xmm,
    };

    fn check(what: &str, emit: impl FnOnce(&mut Asm), bytes: &[u8]) {
        let mut asm = Asm::default();
        emit(&mut asm);
        assert_eq!(asm.code(), bytes, "{what}");
    }

    #[test]
    fn integers_are_encoded_as_the_manual_says() {
        use Width::{W32, W64};
        check("mov ecx, eax", |asm| asm.mov(W32, RCX, RAX), &[0x8b, 0xc8]);
        check("mov r11, r8", |asm| asm.mov(W64, R11, R8), &[0x4d, 0x8b, 0xd8]);
        check("mov eax, 5", |asm| asm.mov_imm(RAX, 5), &[0xb8, 5, 0, 0, 0]);
        check("mov r8, -1", |asm| asm.mov_imm(R8, u64::MAX), &[0x49, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff]);
        check(
            "mov rbx, 0x1122334455667788",
            |asm| asm.mov_imm(RBX, 0x1122_3344_5566_7788),
            &[0x48, 0xbb, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11],
        );
        check("add eax, r8d", |asm| asm.alu(Alu::Add, W32, RAX, Rm::Reg(R8)), &[0x41, 0x03, 0xc0]);
        check("cmp rdi, 1", |asm| asm.alu_imm(Alu::Cmp, W64, Rm::Reg(RDI), 1), &[0x48, 0x83, 0xff, 1]);
        check(
            "sub rsp, 256",
            |asm| asm.alu_imm(Alu::Sub, W64, Rm::Reg(RSP), 256),
            &[0x48, 0x81, 0xec, 0, 1, 0, 0],
        );
        check("shl ecx, 3", |asm| asm.shift_imm(Shift::Shl, W32, RCX, 3), &[0xc1, 0xe1, 3]);
        check("sete sil", |asm| asm.setcc(Cond::E, RSI), &[0x40, 0x0f, 0x94, 0xc6]);
        check("movzx esi, sil", |asm| asm.movzx8(RSI, Rm::Reg(RSI)), &[0x40, 0x0f, 0xb6, 0xf6]);
        check("popcnt rax, rcx", |asm| asm.popcnt(W64, RAX, Rm::Reg(RCX)), &[0xf3, 0x48, 0x0f, 0xb8, 0xc1]);
        check(
            "lock xadd [rax], cx",
            |asm| asm.lock_xadd(1, Mem::at(RAX, 0), RCX),
            &[0xf0, 0x66, 0x0f, 0xc1, 0x08],
        );
        check("ret 16", |asm| asm.ret(16), &[0xc2, 16, 0]);
    }

    #[test]
    fn places_in_memory_are_encoded_as_the_manual_says() {
        let load = |mem| move |asm: &mut Asm| asm.load(Width::W32, RAX, mem);
        check("[rcx]", load(Mem::at(RCX, 0)), &[0x8b, 0x01]);
        check("[rbp]", load(Mem::at(RBP, 0)), &[0x8b, 0x45, 0]);
        check("[rbp - 8]", load(Mem::at(RBP, -8)), &[0x8b, 0x45, 0xf8]);
        check("[rsp + 8]", load(Mem::at(RSP, 8)), &[0x8b, 0x44, 0x24, 8]);
        check("[r12]", load(Mem::at(R12, 0)), &[0x41, 0x8b, 0x04, 0x24]);
        check("[r13]", load(Mem::at(R13, 0)), &[0x41, 0x8b, 0x45, 0]);
        check("[rcx + 128]", load(Mem::at(RCX, 128)), &[0x8b, 0x81, 0x80, 0, 0, 0]);
        check("[r13 + r12 - 1]", load(Mem::indexed(R13, R12, -1)), &[0x43, 0x8b, 0x44, 0x25, 0xff]);
        check("[r11 + rax * 8]", load(Mem::scaled(R11, RAX, 3, 0)), &[0x41, 0x8b, 0x04, 0xc3]);
    }

    #[test]
    fn vectors_are_encoded_as_the_manual_says() {
        let (a, b) = (Xmm(9), Xmm(1));
        check("movaps xmm9, xmm1", |asm| asm.movaps(a, b), &[0x44, 0x0f, 0x28, 0xc9]);
        check("movsd xmm1, [rax]", |asm| asm.load_float(true, b, Mem::at(RAX, 0)), &[0xf2, 0x0f, 0x10, 0x08]);
        check("paddd xmm9, xmm1", |asm| asm.vv(VecOp::p66(0xfe), a, b), &[0x66, 0x44, 0x0f, 0xfe, 0xc9]);
        check("pshufb xmm1, xmm9", |asm| asm.vv(VecOp::p38(0), b, a), &[0x66, 0x41, 0x0f, 0x38, 0x00, 0xc9]);
        check(
            "roundsd xmm1, xmm9, 11",
            |asm| asm.vi(VecOp::p3a(0x0b), b, VecRm::Reg(a), 11),
            &[0x66, 0x41, 0x0f, 0x3a, 0x0b, 0xc9, 11],
        );
        check("movq xmm1, r11", |asm| asm.mov_to_xmm(Width::W64, b, R11), &[0x66, 0x49, 0x0f, 0x6e, 0xcb]);
        check(
            "vfmadd213pd xmm9, xmm1, xmm2",
            |asm| asm.vex38(true, 0xa8, a, b, Xmm(2)),
            &[0xc4, 0x62, 0xf1, 0xa8, 0xca],
        );
    }

    #[test]
    fn labels_lead_where_they_are_bound() {
        let mut asm = Asm::default();
        asm.byte(0x90);
        let mut label = Label::NEW;
        asm.jmp(&mut label);
        asm.jcc(Cond::L, &mut label);
        asm.bind(&mut label);
        asm.jmp(&mut label);
        assert_eq!(asm.code()[1..], [0xe9, 6, 0, 0, 0, 0x0f, 0x8c, 0, 0, 0, 0, 0xe9, 0xfb, 0xff, 0xff, 0xff]);
    }
}
