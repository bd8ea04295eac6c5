//! Where the fields and elements of objects stand.
//!
//! # Invariants
//!
//! * The layout of a type's fields is a prefix of the layout of every subtype's: offsets depend on earlier fields only.

use super::{GUARD_BYTES, object};
use crate::types::{StorageTy, ValType};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// How a field or an element is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FieldType {
    /// 8 bits.
    I8,
    /// 16 bits.
    I16,
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// An IEEE 754 single.
    F32,
    /// An IEEE 754 double.
    F64,
    /// 128 bits in lanes.
    V128,
    /// A reference into the heap, which a collection may change.
    GcRef,
    /// A function, by its number in the store.
    FuncRef,
}

impl From<StorageTy> for FieldType {
    fn from(storage: StorageTy) -> Self {
        match storage {
            StorageTy::I8 => Self::I8,
            StorageTy::I16 => Self::I16,
            StorageTy::Val(ty) => ty.into(),
        }
    }
}

impl From<ValType> for FieldType {
    fn from(ty: ValType) -> Self {
        match ty {
            ValType::I32 => Self::I32,
            ValType::I64 => Self::I64,
            ValType::F32 => Self::F32,
            ValType::F64 => Self::F64,
            ValType::V128 => Self::V128,
            ValType::Ref(ty) if ty.is_func() => Self::FuncRef,
            ValType::Ref(_) => Self::GcRef,
        }
    }
}

impl FieldType {
    /// The binary logarithm of its bytes.
    pub const fn log2_bytes(self) -> u32 {
        match self {
            Self::I8 => 0,
            Self::I16 => 1,
            Self::I32 | Self::F32 | Self::GcRef | Self::FuncRef => 2,
            Self::I64 | Self::F64 => 3,
            Self::V128 => 4,
        }
    }
    /// Its bytes.
    pub const fn bytes(self) -> u32 {
        1 << self.log2_bytes()
    }
    /// What its offset is a multiple of: its size, but no more than objects are aligned to.
    pub const fn align(self) -> u32 {
        if self.bytes() < object::ALIGN { self.bytes() } else { object::ALIGN }
    }
    /// Whether it is a reference into the heap.
    pub const fn is_gc_ref(self) -> bool {
        matches!(self, Self::GcRef)
    }
}

/// Which 32-bit words of an object are references into the heap: bit `i % 32` of word `i / 32` for the word at offset
/// `4 * i`. The last word is not 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RefMap(Vec<u32>);

impl RefMap {
    /// The words of the map.
    pub fn words(&self) -> &[u32] {
        &self.0
    }

    /// The offsets of the references, in order.
    pub fn offsets(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            (0..32).filter(move |bit| word >> bit & 1 != 0).map(move |bit| (index as u32 * 32 + bit) * 4)
        })
    }

    fn insert(&mut self, offset: u32) {
        let (word, bit) = (offset as usize / 128, offset / 4 % 32);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << bit;
    }
}

/// The layout of an object of fixed size: a struct, or an exception with its payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StructLayout {
    offsets: Box<[u32]>,
    size: u32,
    refs: RefMap,
}

impl StructLayout {
    /// The layout of an exception that carries values of these types.
    pub fn of_exception(payload: &[ValType]) -> Self {
        Self::exception(payload.iter().map(|ty| (*ty).into()))
    }

    /// The layout of a struct.
    ///
    /// # Panics
    ///
    /// If it is as large as the guard, which takes more fields than validation allows.
    pub fn new(fields: impl IntoIterator<Item = FieldType>) -> Self {
        Self::starting_at(object::STRUCT_FIELDS, fields)
    }

    /// The layout of an exception with such a payload.
    ///
    /// # Panics
    ///
    /// As [`Self::new`].
    pub fn exception(payload: impl IntoIterator<Item = FieldType>) -> Self {
        Self::starting_at(object::EXCEPTION_PAYLOAD, payload)
    }

    fn starting_at(start: u32, fields: impl IntoIterator<Item = FieldType>) -> Self {
        let mut next = start;
        let mut refs = RefMap::default();
        let mut place = |field: FieldType| {
            let offset = next.next_multiple_of(field.align());
            next = offset + field.bytes();
            assert!(next < GUARD_BYTES, "an object of more than {next} bytes: validation limits the fields");
            if field.is_gc_ref() {
                refs.insert(offset);
            }
            offset
        };
        let offsets = fields.into_iter().map(&mut place).collect();
        Self { offsets, size: next.next_multiple_of(object::ALIGN), refs }
    }

    /// Where each field stands.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }
    /// Bytes of the object.
    pub fn size(&self) -> u32 {
        self.size
    }
    /// Which of its words are references into the heap.
    pub fn refs(&self) -> &RefMap {
        &self.refs
    }
}

/// The layout of arrays: a length, then the elements without gaps.
pub mod array {
    use super::FieldType;
    use crate::gc::{HALF_BYTES, NURSERY_END, object};

    /// The largest array that a heap could hold: one half, less the room that is kept for a nursery.
    pub const BYTES_MAX: u32 = HALF_BYTES - NURSERY_END;

    /// The most elements that an array may have.
    pub const fn length_max(element: FieldType) -> u32 {
        (BYTES_MAX - object::ARRAY_ELEMENTS) >> element.log2_bytes()
    }

    /// The most elements that an array may have to be made in the nursery.
    pub const fn young_length_max(element: FieldType) -> u32 {
        (crate::gc::LARGE_BYTES - object::ARRAY_ELEMENTS) >> element.log2_bytes()
    }

    /// Bytes of an array with so many elements, if there can be one.
    pub const fn size(element: FieldType, length: u32) -> Option<u32> {
        if length > length_max(element) {
            return None;
        }
        let bytes = object::ARRAY_ELEMENTS + (length << element.log2_bytes());
        Some(bytes.next_multiple_of(object::ALIGN))
    }

    /// Where element `index` stands, from the start of the array.
    pub const fn element_offset(element: FieldType, index: u32) -> u32 {
        object::ARRAY_ELEMENTS.wrapping_add(index << element.log2_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::FieldType::*;
    use super::*;

    const ALL: [FieldType; 9] = [I8, I16, I32, I64, F32, F64, V128, GcRef, FuncRef];

    #[test]
    fn fields_stand_in_order_and_aligned() {
        let check = |fields: &[FieldType], offsets: &[u32], size: u32| {
            let layout = StructLayout::new(fields.iter().copied());
            assert_eq!((layout.offsets(), layout.size()), (offsets, size), "{fields:?}");
        };
        check(&[], &[], 8);
        check(&[I32], &[4], 8);
        check(&[I8, I8, I16], &[4, 5, 6], 8);
        check(&[I8, I16, I8], &[4, 6, 8], 16);
        check(&[I64], &[8], 16);
        check(&[I8, F64, GcRef], &[4, 8, 16], 24);
        check(&[V128, I8, V128], &[8, 24, 32], 48);
        check(&[GcRef, FuncRef, F32], &[4, 8, 12], 16);
    }

    #[test]
    fn a_payload_begins_behind_the_tag() {
        let layout = StructLayout::exception([I8, GcRef, I64]);
        assert_eq!((layout.offsets(), layout.size()), (&[8, 12, 16][..], 24));
        assert_eq!(layout.refs().offsets().collect::<Vec<_>>(), [12]);
        assert_eq!(StructLayout::exception([]).size(), 8);
    }

    #[test]
    fn subtypes_extend_the_layout() {
        let fields: Vec<_> = (0..500).map(|i: usize| ALL[i * i % ALL.len()]).collect();
        let whole = StructLayout::new(fields.iter().copied());
        for len in 0..fields.len() {
            let prefix = StructLayout::new(fields[..len].iter().copied());
            assert_eq!(prefix.offsets(), &whole.offsets()[..len]);
            assert!(prefix.size() <= whole.size());
        }
    }

    #[test]
    fn the_map_names_the_references_and_no_others() {
        let fields: Vec<_> = (0..300).map(|i: usize| ALL[(i * 7 + i / 9) % ALL.len()]).collect();
        let layout = StructLayout::new(fields.iter().copied());
        let want = fields.iter().zip(layout.offsets()).filter(|(field, _)| field.is_gc_ref());
        let want: Vec<u32> = want.map(|(_, offset)| *offset).collect();
        assert_eq!(layout.refs().offsets().collect::<Vec<_>>(), want);
        assert!(StructLayout::new([I32, FuncRef, V128]).refs().words().is_empty());
    }

    #[test]
    fn the_largest_struct_is_smaller_than_the_guard() {
        let layout = StructLayout::new([V128; 10_000]);
        assert!(layout.size() < GUARD_BYTES && layout.size() <= crate::gc::LARGE_BYTES);
    }

    #[test]
    fn sizes_of_arrays_do_not_wrap() {
        for element in ALL {
            let max = array::length_max(element);
            assert_eq!(array::size(element, 0), Some(8));
            let largest = array::size(element, max).unwrap();
            assert!(largest <= array::BYTES_MAX && largest > array::BYTES_MAX - 16, "{element:?}");
            assert_eq!(array::element_offset(element, max), 8 + max * element.bytes());
            assert_eq!(array::size(element, max + 1), None);
            assert_eq!(array::size(element, u32::MAX), None);
            let young = array::young_length_max(element);
            assert!(array::size(element, young).unwrap() <= crate::gc::LARGE_BYTES);
        }
        assert_eq!(array::size(I8, 1), Some(16));
        assert_eq!(array::size(I8, 8), Some(16));
        assert_eq!(array::size(V128, 3), Some(56));
    }
}
