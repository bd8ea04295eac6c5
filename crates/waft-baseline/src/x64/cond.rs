//! Conditions on the flags.

/// What the flags have to say for a branch to be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Cond {
    /// Overflow.
    O = 0,
    /// Below, unsigned; carry.
    B = 2,
    /// Above or equal, unsigned; no carry.
    Ae = 3,
    /// Equal; zero.
    E = 4,
    /// Not equal; not zero.
    Ne = 5,
    /// Below or equal, unsigned.
    Be = 6,
    /// Above, unsigned.
    A = 7,
    /// Negative.
    S = 8,
    /// Not negative.
    Ns = 9,
    /// Parity: the operands of a comparison of floats are unordered.
    P = 10,
    /// No parity.
    Np = 11,
    /// Less, signed.
    L = 12,
    /// Greater or equal, signed.
    Ge = 13,
    /// Less or equal, signed.
    Le = 14,
    /// Greater, signed.
    G = 15,
    /// Equal floats: zero, and no parity. No condition of the processor's.
    FloatE = 16,
    /// Floats that are not equal: not zero, or parity. No condition of the processor's.
    FloatNe = 17,
}

impl Cond {
    /// The one with this number.
    #[inline]
    pub(crate) const fn of(number: u8) -> Self {
        use Cond::{A, Ae, B, Be, E, FloatE, FloatNe, G, Ge, L, Le, Ne, Np, Ns, O, P, S};
        // As many places as some bits have values.
        const BY_NUMBER: [Cond; 32] = {
            let list = [O, B, Ae, E, Ne, Be, A, S, Ns, P, Np, L, Ge, Le, G, FloatE, FloatNe];
            let (mut by_number, mut at) = ([O; 32], 0);
            while at < list.len() {
                by_number[list[at] as usize] = list[at];
                at += 1;
            }
            by_number
        };
        BY_NUMBER[number as usize % BY_NUMBER.len()]
    }

    /// The four bits that instructions have for it; the two of floats have none.
    pub(crate) fn code(self) -> u8 {
        debug_assert!(!self.is_float_equality());
        self as u8 & 15
    }

    /// Whether it is one of the two that take two conditions of the processor's.
    pub(crate) fn is_float_equality(self) -> bool {
        matches!(self, Self::FloatE | Self::FloatNe)
    }

    /// The opposite: conditions and their opposites stand side by side.
    pub(crate) fn negated(self) -> Self {
        assert!(self != Self::O, "nothing branches on the absence of overflow");
        Self::of(self as u8 ^ 1)
    }

    /// The one that holds for (b, a) where this one holds for (a, b).
    pub(crate) fn swapped(self) -> Self {
        match self {
            Self::B => Self::A,
            Self::A => Self::B,
            Self::Ae => Self::Be,
            Self::Be => Self::Ae,
            Self::L => Self::G,
            Self::G => Self::L,
            Self::Ge => Self::Le,
            Self::Le => Self::Ge,
            same => same,
        }
    }
}
