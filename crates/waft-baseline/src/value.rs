//! Values as the compiler sees them: of what type, and where.

use crate::x64::{Cond, Gpr, Width, Xmm};
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

/// An operand.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Operand {
    pub(crate) loc: Loc,
    pub(crate) ty: Ty,
    /// Where its slot ends, in bytes from the start of all operands' slots.
    pub(crate) end: u32,
}

impl Operand {
    /// The constant, if it is one.
    pub(crate) const fn constant(&self) -> Option<u64> {
        if let Loc::Const(bits) = self.loc { Some(bits) } else { None }
    }
    /// The constant, if it is one that fits instructions.
    pub(crate) fn imm32(&self) -> Option<i32> {
        let bits = self.constant()?;
        match self.ty.width() {
            Width::W32 => Some(bits as u32 as i32),
            Width::W64 => i32::try_from(bits.cast_signed()).ok(),
        }
    }
    /// Whether it is in a register of its own.
    pub(crate) const fn is_owned(&self) -> bool {
        matches!(self.loc, Loc::Gpr(_) | Loc::Xmm(_))
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
