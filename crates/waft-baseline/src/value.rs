//! Values as the compiler sees them: of what type, and where.

use crate::x64::{Cond, Gpr, Width, Xmm};
use std::fmt;
use waft_core::types::ValType;

/// The type of a value, as far as code depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ty {
    I32,
    I64,
    F32,
    F64,
    V128,
    /// A reference into the GC heap: 32 bits.
    Ref,
    /// A reference to a function: a pointer.
    Func,
}

impl From<ValType> for Ty {
    fn from(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::I32,
            ValType::I64 => Self::I64,
            ValType::F32 => Self::F32,
            ValType::F64 => Self::F64,
            ValType::V128 => Self::V128,
            ValType::Ref(ty) if ty.is_func() => Self::Func,
            ValType::Ref(_) => Self::Ref,
        }
    }
}

impl Ty {
    /// All of them, by their numbers, in as many places as some bits have values.
    const ALL: [Self; 8] = {
        use Ty::{F32, F64, Func, I32, I64, Ref, V128};
        [I32, I64, F32, F64, V128, Ref, Func, Func]
    };

    /// Whether it travels in vector registers.
    pub(crate) const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64 | Self::V128)
    }
    /// The width of its values in general registers.
    pub(crate) const fn width(self) -> Width {
        match self {
            Self::I32 | Self::F32 | Self::Ref => Width::W32,
            _ => Width::W64,
        }
    }
    /// Bytes in the frame.
    pub(crate) const fn slot_bytes(self) -> u32 {
        if matches!(self, Self::V128) { 16 } else { 8 }
    }
}

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Loc {
    /// In its slot of the frame.
    Slot,
    /// Nowhere: the bits are known.
    Const(u64),
    /// Where the local is.
    Local(u32),
    /// In a general register, which is the operand's own.
    Gpr(Gpr),
    /// In a vector register, which is the operand's own.
    Xmm(Xmm),
    /// In the flags: 1 if the condition holds. The next operator takes it.
    Flags(Cond),
}

/// An operand: where it is, its type, and where its slot starts, in bytes from the start of all operands' slots.
///
/// PERF: two words, each written and read as a whole: a field that is read together with its neighbour just after the two
/// were written one by one waits for the store buffer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Operand {
    /// Which [`Loc`], the [`Ty`], the number of the register that holds it or [`Operand::NO_REG`], and in the upper half the
    /// start of the slot.
    head: u64,
    /// A constant, or the number of a local or of a condition.
    bits: u64,
}

impl Operand {
    const TY_AT: u32 = 8;
    const REG_AT: u32 = 16;
    const NO_REG: u64 = 0x80 << Self::REG_AT;
    const START_AT: u32 = 32;

    #[inline]
    pub(crate) const fn new(ty: Ty, loc: Loc, start: u32) -> Self {
        let (kind, bits) = match loc {
            Loc::Slot => (Self::NO_REG, 0),
            Loc::Const(bits) => (1 | Self::NO_REG, bits),
            Loc::Local(local) => (2 | Self::NO_REG, local as u64),
            Loc::Gpr(reg) => (3 | (reg.0 as u64) << Self::REG_AT, 0),
            Loc::Xmm(reg) => (4 | (reg.0 as u64) << Self::REG_AT, 0),
            Loc::Flags(cond) => (5 | Self::NO_REG, cond as u64),
        };
        Self { head: kind | (ty as u64) << Self::TY_AT | (start as u64) << Self::START_AT, bits }
    }
    /// A local, with the register that holds it, if any does.
    #[inline]
    pub(crate) const fn local(ty: Ty, local: u32, reg: Option<u8>, start: u32) -> Self {
        let mut operand = Self::new(ty, Loc::Local(local), start);
        if let Some(reg) = reg {
            operand.head = operand.head & !Self::NO_REG | (reg as u64) << Self::REG_AT;
        }
        operand
    }
    /// Where it is.
    #[inline]
    pub(crate) const fn loc(&self) -> Loc {
        match self.head as u8 {
            0 => Loc::Slot,
            1 => Loc::Const(self.bits),
            2 => Loc::Local(self.bits as u32),
            3 => Loc::Gpr(Gpr((self.head >> Self::REG_AT) as u8)),
            4 => Loc::Xmm(Xmm((self.head >> Self::REG_AT) as u8)),
            _ => Loc::Flags(Cond::of(self.bits as u8)),
        }
    }
    /// Its type.
    #[inline]
    pub(crate) const fn ty(&self) -> Ty {
        Ty::ALL[(self.head >> Self::TY_AT) as u8 as usize % Ty::ALL.len()]
    }
    /// Where its slot starts.
    #[inline]
    pub(crate) const fn start(&self) -> u32 {
        (self.head >> Self::START_AT) as u32
    }
    /// Where its slot ends.
    #[inline]
    pub(crate) const fn end(&self) -> u32 {
        self.start() + self.ty().slot_bytes()
    }
    /// The number of the register that holds it, its own or a local's, general or vector register by its type.
    ///
    /// PERF: one test, where a `match` is a jump that is hardly to be foreseen.
    #[inline]
    pub(crate) const fn reg(&self) -> Option<u8> {
        if self.head & Self::NO_REG == 0 { Some((self.head >> Self::REG_AT) as u8) } else { None }
    }
    /// The same operand, of another type.
    pub(crate) const fn of_ty(self, ty: Ty) -> Self {
        Self { head: self.head & !(0xff << Self::TY_AT) | (ty as u64) << Self::TY_AT, bits: self.bits }
    }
    /// The same operand elsewhere.
    #[inline]
    pub(crate) const fn at(self, loc: Loc) -> Self {
        Self::new(self.ty(), loc, self.start())
    }
    /// The constant, if it is one.
    #[inline]
    pub(crate) const fn constant(&self) -> Option<u64> {
        if let Loc::Const(bits) = self.loc() { Some(bits) } else { None }
    }
    /// The constant, if it is one that fits instructions.
    #[inline]
    pub(crate) fn imm32(&self) -> Option<i32> {
        let bits = self.constant()?;
        match self.ty().width() {
            Width::W32 => Some(bits as u32 as i32),
            Width::W64 => i32::try_from(bits.cast_signed()).ok(),
        }
    }
    /// Whether it is in a register of its own.
    #[inline]
    pub(crate) const fn is_owned(&self) -> bool {
        matches!(self.loc(), Loc::Gpr(_) | Loc::Xmm(_))
    }
}

impl fmt::Debug for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {:?}, slot from {}", self.ty(), self.loc(), self.start())
    }
}

/// A local variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local {
    pub(crate) ty: Ty,
    /// The register that holds it, if any does.
    pub(crate) reg: Option<u8>,
    /// Whether it has to be in its home while a call goes on.
    pub(crate) unsaved: bool,
    /// Its place in the frame, from the frame pointer; 0 if it has none.
    pub(crate) home: i32,
    /// How many operands are this local.
    pub(crate) pending: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_what_was_packed() {
        let locs = [
            Loc::Slot,
            Loc::Const(u64::MAX),
            Loc::Local(u32::MAX),
            Loc::Gpr(Gpr(15)),
            Loc::Xmm(Xmm(0)),
            Loc::Flags(Cond::FloatNe),
        ];
        for ty in [Ty::I32, Ty::I64, Ty::F32, Ty::F64, Ty::V128, Ty::Ref, Ty::Func] {
            for loc in locs {
                let operand = Operand::new(ty, loc, u32::MAX - 16);
                assert_eq!((operand.ty(), operand.loc(), operand.start()), (ty, loc, u32::MAX - 16));
                assert_eq!(operand.reg().is_some(), operand.is_owned());
                assert_eq!(operand.at(Loc::Slot), Operand::new(ty, Loc::Slot, operand.start()));
                assert_eq!(operand.of_ty(Ty::I32), Operand::new(Ty::I32, loc, operand.start()));
            }
            let local = Operand::local(ty, 7, Some(13), 8);
            assert_eq!((local.loc(), local.reg(), local.is_owned()), (Loc::Local(7), Some(13), false));
            assert_eq!(Operand::local(ty, 7, None, 8), Operand::new(ty, Loc::Local(7), 8));
        }
    }

    #[test]
    fn conditions_have_opposites() {
        for number in 2..18 {
            let cond = Cond::of(number);
            assert_eq!((cond as u8, cond.negated().negated()), (number, cond));
        }
    }
}
