//! The heap of structs, arrays, exceptions and host values, as machine code and the engine agree on it.
//!
//! A *GC reference* is a `u32`: 0 is null, an odd number is an `i31`, anything else is the offset of an object, a multiple
//! of 8, from the base of its store's heap. An object begins with the id of its type, which is the offset of the type's
//! *row* in the engine's table of types ([`row`]); how its fields stand is in [`StructLayout`] and [`mod@array`].
//!
//! ```text
//! 0        64 KiB                    16 MiB                        4 GiB    + 1 MiB
//! │ no access │ nursery: new objects │ old half A │ old half B │ ... │ no access │
//! ```
//!
//! # Invariants
//!
//! * A reference plus the offset of a field stays inside the reservation, whatever the reference: an object of fixed
//!   size is smaller than [`GUARD_BYTES`], and the address of an array's element is computed modulo 2^32.
//! * Nothing in `[0, NURSERY_START)` is ever accessible, so a field of null is a fault.
//! * No type id is 0 or odd: an odd header is that of an object which a collection has moved.

mod layout;
pub mod row;

pub use layout::{FieldType, RefMap, StructLayout, array};

/// Offset of the first byte that may be an object's.
pub const NURSERY_START: u32 = 64 << 10;
/// Offset at which young objects end and old ones begin; the nursery in use may be shorter.
pub const NURSERY_END: u32 = 16 << 20;
/// Bytes of each of the two old halves.
pub const HALF_BYTES: u32 = 2038 << 20;
/// Offsets at which the two old halves begin.
pub const HALF_STARTS: [u32; 2] = [NURSERY_END, NURSERY_END + HALF_BYTES];
/// Bytes after the first 4 GiB in which nothing is accessible.
pub const GUARD_BYTES: u32 = 1 << 20;
/// Bytes of address space that a heap takes.
pub const RESERVATION_BYTES: u64 = (1 << 32) + GUARD_BYTES as u64;
/// The largest object that is made in the nursery. What is at most so large is young when it is made; only arrays may
/// be larger.
pub const LARGE_BYTES: u32 = 256 << 10;

/// What every object begins with.
pub mod object {
    /// `u32`: the id of its type.
    pub const TYPE: u32 = 0;
    /// Objects start at multiples of this, and their sizes are multiples of it.
    pub const ALIGN: u32 = 8;
    /// Where the fields of a struct begin.
    pub const STRUCT_FIELDS: u32 = 4;
    /// `u32`: the number of elements of an array.
    pub const ARRAY_LENGTH: u32 = 4;
    /// Where the elements of an array begin.
    pub const ARRAY_ELEMENTS: u32 = 8;
    /// `u32`: the store's number for an exception's tag.
    pub const EXCEPTION_TAG: u32 = 4;
    /// Where the payload of an exception begins.
    pub const EXCEPTION_PAYLOAD: u32 = 8;
    /// `u32`: where the host value of an extern box stands in the store's list of them.
    pub const EXTERN_INDEX: u32 = 4;
    /// Bytes of an extern box.
    pub const EXTERN_BYTES: u32 = 8;
}

/// `VmGcState`: what machine code reads and writes to allocate and to store references, a part of `VmStoreContext`.
pub mod gc_state {
    /// `u32`: offset of the next young object.
    pub const ALLOC_NEXT: u32 = 0;
    /// `u32`: offset that young objects may not pass; when one would, the engine is called.
    pub const ALLOC_END: u32 = 4;
    /// `*mut u32`: where to note the next slot of an old object that refers to a young one.
    pub const REMEMBER_NEXT: u32 = 8;
    /// `*mut u32`: where the room for such notes ends.
    pub const REMEMBER_END: u32 = 16;
    /// `u32`: to be set to 1 when a slot is to be noted and there is no room.
    pub const REMEMBER_OVERFLOW: u32 = 24;
    /// `*mut u8`: the base of the heap; null until the store has one, and never changed again.
    pub const HEAP_BASE: u32 = 32;
    /// `*const u8`: the base of the engine's table of types; null until the store has a heap.
    pub const TYPE_TABLE: u32 = 40;
    /// Bytes of the structure.
    pub const SIZE: u32 = 48;
}

/// The null reference.
pub const NULL: u32 = 0;

/// The reference that stands for the low 31 bits of a number.
pub const fn i31_new(value: i32) -> u32 {
    (value as u32) << 1 | 1
}
/// Whether a reference is an `i31`.
pub const fn is_i31(reference: u32) -> bool {
    reference & 1 != 0
}
/// The number that an `i31` stands for, with its sign extended.
pub const fn i31_get_s(reference: u32) -> i32 {
    reference as i32 >> 1
}
/// The number that an `i31` stands for, with zero extended.
pub const fn i31_get_u(reference: u32) -> u32 {
    reference >> 1
}

/// Whether a reference may be to a young object, as a write barrier asks: one comparison, never false for a young object
/// or true for null or an old object, but true for some an `i31`, which is harmless to remember.
pub const fn may_be_young(reference: u32) -> bool {
    reference.wrapping_sub(1) < NURSERY_END - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_i31_keeps_the_low_31_bits() {
        for (value, signed, unsigned) in [
            (0, 0, 0),
            (1, 1, 1),
            (-1, -1, 0x7fff_ffff),
            (0x3fff_ffff, 0x3fff_ffff, 0x3fff_ffff),
            (0x4000_0000, -0x4000_0000, 0x4000_0000),
            (i32::MIN, 0, 0),
            (i32::MAX, -1, 0x7fff_ffff),
        ] {
            let reference = i31_new(value);
            assert!(is_i31(reference) && reference != NULL, "{value}");
            assert_eq!((i31_get_s(reference), i31_get_u(reference)), (signed, unsigned), "{value}");
        }
        assert!(!is_i31(NULL));
        assert!(!is_i31(NURSERY_START));
    }

    #[test]
    fn youth_is_told_by_one_comparison() {
        for (reference, young) in [
            (NULL, false),
            (NURSERY_START, true),
            (NURSERY_END - 8, true),
            (NURSERY_END, false),
            (HALF_STARTS[1], false),
            (u32::MAX, false),
        ] {
            assert_eq!(may_be_young(reference), young, "{reference:#x}");
        }
    }

    #[test]
    fn the_regions_stand_in_their_order() {
        assert!(NURSERY_START < NURSERY_END && NURSERY_END == HALF_STARTS[0]);
        assert_eq!(HALF_STARTS[0] + HALF_BYTES, HALF_STARTS[1]);
        assert!(HALF_STARTS[1].checked_add(HALF_BYTES).is_some());
        // Halves that start at huge pages can be made of them.
        assert!(HALF_STARTS.iter().all(|start| start.is_multiple_of(2 << 20)));
    }
}
