//! The convention by which guest functions of every tier call each other, on x86-64.
//!
//! It is Cranelift's `tail` convention, chosen because tail calls need it and because trampolines can then be one
//! piece of assembly for all signatures:
//!
//! | what | where |
//! | --- | --- |
//! | the callee's context | `rdi`, always the first argument |
//! | the area for results, if any (see [`Results::Area`]) | `rsi` |
//! | integers and references | the next of `rsi rdx rcx r8 r9` |
//! | `f32 f64 v128` | the next of `xmm0` to `xmm7` |
//! | what finds no register | the stack, left to right from `rsp + 8` at entry, 8 bytes each, `v128` 16 and aligned |
//! | results in registers | integers in `rax rcx rdx rsi`, floats and vectors in `xmm0` to `xmm3` |
//! | frame | `rbp` chain; the stack is aligned to 16 before a call; the callee removes stack arguments |
//! | what survives a call | `rbx rbp r12 r13 r14 r15` |
//!
//! `i32` arrives with undefined upper halves. References to functions are `VmFuncRef` pointers (64 bits, 0 is null); all
//! other references are places in the store's GC heap or small integers, of 32 bits (0 is null): see [`crate::gc`].
//!
//! # Elsewhere
//!
//! The crossings themselves: `waft-engine/src/vm/stub/`.

use crate::types::ValType;

/// Integer registers that carry arguments, the context's included.
pub const INT_ARGS: usize = 6;
/// Vector registers that carry arguments.
pub const FLOAT_ARGS: usize = 8;
/// Integer registers that carry results.
pub const INT_RESULTS: usize = 4;
/// Vector registers that carry results.
pub const FLOAT_RESULTS: usize = 4;
/// Bytes of one result in a result area.
pub const AREA_SLOT_BYTES: usize = 16;

/// Where one argument or result travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The n-th integer register of its kind.
    Int(u8),
    /// The n-th vector register of its kind.
    Float(u8),
    /// A byte offset in the stack arguments.
    Stack(u32),
    /// A byte offset in the result area.
    Area(u32),
}

/// How a signature's results travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Results {
    /// Each in a register.
    Registers,
    /// All in an area whose address the caller passes, [`AREA_SLOT_BYTES`] each, in order.
    Area,
}

impl Results {
    /// How results of these types travel.
    #[inline]
    pub fn of(types: &[ValType]) -> Self {
        if types.len() <= INT_RESULTS.min(FLOAT_RESULTS) { Self::Registers } else { Self::of_many(types) }
    }

    fn of_many(types: &[ValType]) -> Self {
        let floats = types.iter().filter(|ty| is_float(**ty)).count();
        let ints = types.len() - floats;
        if ints <= INT_RESULTS && floats <= FLOAT_RESULTS { Self::Registers } else { Self::Area }
    }
}

/// Whether values of this type travel in vector registers.
pub const fn is_float(ty: ValType) -> bool {
    matches!(ty, ValType::F32 | ValType::F64 | ValType::V128)
}

/// Gives each argument of a call its place, in order.
#[derive(Clone, Debug)]
pub struct ArgPlaces {
    ints: u8,
    floats: u8,
    stack_bytes: u32,
}

impl ArgPlaces {
    /// The places of a function whose results travel as `results`.
    #[inline]
    pub const fn new(results: Results) -> Self {
        let ints = match results {
            Results::Registers => 1,
            Results::Area => 2,
        };
        Self { ints, floats: 0, stack_bytes: 0 }
    }

    /// The place of the next argument.
    #[inline]
    pub const fn next(&mut self, ty: ValType) -> Place {
        if is_float(ty) && (self.floats as usize) < FLOAT_ARGS {
            self.floats += 1;
            Place::Float(self.floats - 1)
        } else if !is_float(ty) && (self.ints as usize) < INT_ARGS {
            self.ints += 1;
            Place::Int(self.ints - 1)
        } else {
            let bytes = if matches!(ty, ValType::V128) { 16 } else { 8 };
            let at = self.stack_bytes.next_multiple_of(bytes);
            self.stack_bytes = at + bytes;
            Place::Stack(at)
        }
    }

    /// The bytes of stack arguments so far, aligned as calls need them.
    #[inline]
    pub const fn stack_bytes(&self) -> u32 {
        self.stack_bytes.next_multiple_of(16)
    }

    /// Whether any argument so far travels in a vector register.
    #[inline]
    pub const fn uses_floats(&self) -> bool {
        self.floats > 0
    }
}

/// Gives each result of a call its place, in order.
#[derive(Clone, Debug)]
pub struct ResultPlaces {
    way: Results,
    ints: u8,
    floats: u8,
    area_bytes: u32,
}

impl ResultPlaces {
    /// The places of results that travel as `way`.
    #[inline]
    pub const fn new(way: Results) -> Self {
        Self { way, ints: 0, floats: 0, area_bytes: 0 }
    }

    /// The place of the next result.
    #[inline]
    pub const fn next(&mut self, ty: ValType) -> Place {
        match self.way {
            Results::Area => {
                self.area_bytes += AREA_SLOT_BYTES as u32;
                Place::Area(self.area_bytes - AREA_SLOT_BYTES as u32)
            }
            Results::Registers if is_float(ty) => {
                self.floats += 1;
                Place::Float(self.floats - 1)
            }
            Results::Registers => {
                self.ints += 1;
                Place::Int(self.ints - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValType::{F64, I32, I64, V128};

    #[test]
    fn arguments_overflow_to_the_stack_by_class() {
        let mut places = ArgPlaces::new(Results::Registers);
        let ints: alloc::vec::Vec<_> = (0..7).map(|_| places.next(I64)).collect();
        assert_eq!(ints[..5], [1, 2, 3, 4, 5].map(Place::Int));
        assert_eq!(ints[5..], [0, 8].map(Place::Stack));
        for n in 0..8 {
            assert_eq!(places.next(F64), Place::Float(n));
        }
        assert_eq!(places.next(V128), Place::Stack(16));
        assert_eq!(places.next(I32), Place::Stack(32));
        assert_eq!(places.stack_bytes(), 48);
    }

    #[test]
    fn results_travel_in_an_area_when_one_class_has_too_many() {
        assert_eq!(Results::of(&[I32, I32, I32, I32, F64, F64, F64, V128]), Results::Registers);
        assert_eq!(Results::of(&[I32; 5]), Results::Area);
        assert_eq!(Results::of(&[F64; 5]), Results::Area);
    }
}
