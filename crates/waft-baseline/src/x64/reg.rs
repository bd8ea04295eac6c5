//! Registers, sets of them, and what each is for.
//!
//! | registers | for |
//! | --- | --- |
//! | `rax rcx rdx rsi rdi` | operands |
//! | `r8 r9 r10` | hot locals, which are saved around calls; else operands |
//! | `r11` | the assembler's own: free between any two steps of an operator |
//! | `rbx r12 r13 r15` | hot locals, which survive calls |
//! | `r14` | the base of memory 0; a hot local where no memory is used |
//! | `rbp rsp` | the frame |
//! | `xmm0` to `xmm7` | operands |
//! | `xmm8` to `xmm13` | hot locals, which are saved around calls; else operands |
//! | `xmm14 xmm15` | the assembler's own |

/// An integer register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gpr(pub(crate) u8);

/// A vector register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Xmm(pub(crate) u8);

pub(crate) const RAX: Gpr = Gpr(0);
pub(crate) const RCX: Gpr = Gpr(1);
pub(crate) const RDX: Gpr = Gpr(2);
pub(crate) const RBX: Gpr = Gpr(3);
pub(crate) const RSP: Gpr = Gpr(4);
pub(crate) const RBP: Gpr = Gpr(5);
pub(crate) const RSI: Gpr = Gpr(6);
pub(crate) const RDI: Gpr = Gpr(7);
pub(crate) const R8: Gpr = Gpr(8);
pub(crate) const R9: Gpr = Gpr(9);
pub(crate) const R10: Gpr = Gpr(10);
/// Scratch.
pub(crate) const R11: Gpr = Gpr(11);
pub(crate) const R12: Gpr = Gpr(12);
pub(crate) const R13: Gpr = Gpr(13);
/// The base of memory 0.
pub(crate) const R14: Gpr = Gpr(14);
pub(crate) const R15: Gpr = Gpr(15);

pub(crate) const XMM0: Xmm = Xmm(0);
/// Scratch.
pub(crate) const XMM14: Xmm = Xmm(14);
/// Scratch.
pub(crate) const XMM15: Xmm = Xmm(15);

/// Registers that carry integer arguments, the context first.
pub(crate) const ARG_GPRS: [Gpr; 6] = [RDI, RSI, RDX, RCX, R8, R9];
/// Registers that carry integer results.
pub(crate) const RESULT_GPRS: [Gpr; 4] = [RAX, RCX, RDX, RSI];

/// A set of registers of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct RegSet(pub(crate) u32);

impl RegSet {
    pub(crate) const EMPTY: Self = Self(0);

    #[inline]
    pub(crate) const fn one(number: u8) -> Self {
        Self(1 << number)
    }
    pub(crate) const fn of(numbers: &[u8]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < numbers.len() {
            bits |= 1 << numbers[at];
            at += 1;
        }
        Self(bits)
    }
    pub(crate) const fn has(self, number: u8) -> bool {
        self.0 >> number & 1 != 0
    }
    pub(crate) fn remove(&mut self, number: u8) {
        self.0 &= !(1 << number);
    }
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// The lowest one.
    pub(crate) const fn first(self) -> Option<u8> {
        if self.0 == 0 { None } else { Some(self.0.trailing_zeros() as u8) }
    }
}

/// Integer registers that operands may take.
pub(crate) const OPERAND_GPRS: RegSet = RegSet::of(&[0, 1, 2, 6, 7, 8, 9, 10]);
/// Those that are taken first: neither shifts nor divisions nor calls want them for themselves, and they have short
/// encodings.
pub(crate) const PREFERRED_GPRS: RegSet = RegSet::of(&[6, 7]);
/// Vector registers that operands may take.
pub(crate) const OPERAND_XMMS: RegSet = RegSet::of(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
/// Registers for hot locals that survive calls; the last one only where no memory is used.
pub(crate) const SAVED_GPRS: [Gpr; 5] = [RBX, R12, R13, R15, R14];
/// Registers for hot locals that do not.
pub(crate) const UNSAVED_GPRS: [Gpr; 3] = [R10, R8, R9];
/// Vector registers for hot locals.
pub(crate) const LOCAL_XMMS: [Xmm; 6] = [Xmm(8), Xmm(9), Xmm(10), Xmm(11), Xmm(12), Xmm(13)];

/// Half or whole of an integer register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Width {
    /// 32 bits; the upper half becomes zero.
    W32,
    /// 64 bits.
    W64,
}

impl Width {
    pub(crate) const fn bits(self) -> u32 {
        match self {
            Self::W32 => 32,
            Self::W64 => 64,
        }
    }
    pub(crate) const fn is_64(self) -> bool {
        matches!(self, Self::W64)
    }
}

/// A place in memory: a base, perhaps an index, and a displacement.
///
/// It is packed as instructions have it, lowest byte first: the `rm` field of ModRM, SIB or 0, the bits X and B of REX, flags
/// ([`Mem::BITS_AT`], [`Mem::DISP`]), and the displacement in the upper half.
///
/// PERF: one word travels in a register; fields that are written one by one and read as a whole wait for the store buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mem(u64);

impl Mem {
    /// How many bits there are below a displacement: ModRM, or ModRM and SIB.
    const BITS_AT: u32 = 24;
    const SIB: u64 = 16 << Self::BITS_AT;
    const NO_SIB: u64 = 8 << Self::BITS_AT;
    /// There is a displacement even if it is 0: `rbp` and `r13` as bases have no form without.
    const DISP: u64 = 1 << 31;

    pub(crate) const fn at(base: Gpr, disp: i32) -> Self {
        let low = (base.0 & 7) as u64;
        // `rsp` and `r12` as bases have no form without SIB: with no index there.
        let sib = if low == 4 { 0x24 << 8 | Self::SIB } else { Self::NO_SIB };
        Self(low | sib).with(base, 0, disp)
    }
    /// `base + index + disp`.
    pub(crate) const fn indexed(base: Gpr, index: Gpr, disp: i32) -> Self {
        Self::scaled(base, index, 0, disp)
    }
    /// `base + (index << log2) + disp`.
    pub(crate) const fn scaled(base: Gpr, index: Gpr, log2: u8, disp: i32) -> Self {
        debug_assert!(index.0 != RSP.0, "rsp is no index");
        let sib = log2 << 6 | (index.0 & 7) << 3 | base.0 & 7;
        Self(4 | (sib as u64) << 8 | Self::SIB).with(base, index.0 >> 3 << 1, disp)
    }
    const fn with(self, base: Gpr, x: u8, disp: i32) -> Self {
        let forced = if base.0 & 7 == RBP.0 { Self::DISP } else { 0 };
        let rex = (x | base.0 >> 3) as u64;
        Self(self.0 | rex << 16 | forced | (disp as u32 as u64) << 32)
    }
    /// The same place, so many bytes on.
    pub(crate) const fn plus(self, bytes: i32) -> Self {
        let disp = self.disp() + bytes;
        Self(self.0 & 0xffff_ffff | (disp as u32 as u64) << 32)
    }
    pub(crate) const fn disp(self) -> i32 {
        (self.0 >> 32) as i32
    }
    /// The bits X and B of REX.
    #[inline]
    pub(crate) const fn rex(self) -> u8 {
        (self.0 >> 16) as u8 & 3
    }
    /// ModRM, SIB and displacement of an instruction with such a `reg` field, lowest byte first, and how many bytes they are.
    #[inline]
    pub(crate) const fn operand(self, reg: u8) -> (u64, usize) {
        let disp = self.disp();
        // The mode, and above it how many bytes the displacement has.
        let form: u32 = if self.0 >> 31 == 0 {
            0
        } else if disp == disp as i8 as i32 {
            0x140
        } else {
            0x480
        };
        let bits = (self.0 >> Self::BITS_AT) as u32 & 31;
        let head = self.0 as u32 & 0xffff | form & 0xff | ((reg & 7) << 3) as u32;
        (head as u64 | (disp as u32 as u64) << bits, (bits / 8 + form / 0x100) as usize)
    }
}
