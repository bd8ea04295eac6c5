//! Rows of the engine's table of types: what a cast, an allocation and a collection know of a type.
//!
//! A type's id is the offset of its row in the table, a multiple of 16. Around that offset stand 32-bit words:
//!
//! | offset | content |
//! | --- | --- |
//! | [`MAP`] | which words of an object are references, see below |
//! | [`SIZE`] | bytes of an object of fixed size, or the binary logarithm of an array's element |
//! | [`KIND`] | a [`Kind`] |
//! | [`DEPTH`] | how many supertypes it has |
//! | `4 * d` | the *display*: the id of the supertype at depth `d`, 0 the root; its own id at its own depth. At least [`DISPLAY_WORDS_MIN`] words, the unused ones 0 |
//! | then | the words of a long reference map |
//!
//! The map of an object of fixed size: bit `i` for the word at offset `4 * i`. Bit 0, which would be the header, says that
//! the map is *long*: the other 31 bits are then the number of words that follow the display, which have a bit for
//! each word of the object, 32 a word. The map of an array is [`ARRAY_OF_REFS`] or 0.

use super::{FieldType, GUARD_BYTES, StructLayout, array, object};
use alloc::vec::Vec;

/// Where the reference map stands, from the id.
pub const MAP: i32 = -16;
/// Where the size stands, from the id.
pub const SIZE: i32 = -12;
/// Where the kind stands, from the id.
pub const KIND: i32 = -8;
/// Where the depth stands, from the id.
pub const DEPTH: i32 = -4;
/// Bytes before the id: four words, in the order of [`RowHead::from_words`].
pub const HEAD_BYTES: u32 = 16;
/// Ids and the sizes of rows are multiples of this.
pub const ALIGN: u32 = 16;
/// How many words of a display can be read without a look at the depth.
pub const DISPLAY_WORDS_MIN: u32 = 8;
/// The most supertypes that a type may have.
pub const DEPTH_MAX: u32 = 63;
/// The map of arrays whose elements are references into the heap.
pub const ARRAY_OF_REFS: u32 = 2;
/// The id of the type of extern boxes: the first row of every table.
pub const EXTERN_BOX: u32 = HEAD_BYTES;

const LONG_MAP: u32 = 1;

/// What a type describes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u32)]
pub enum Kind {
    /// Functions, and the exceptions whose tags have this type.
    Func = 1,
    /// Structs.
    Struct = 2,
    /// Arrays.
    Array = 3,
    /// Values of the host.
    ExternBox = 4,
}

/// What is to be in a row besides the supertypes.
#[derive(Clone, Copy, Debug)]
pub enum RowShape<'a> {
    /// A function type, with the layout of exceptions that carry its parameters.
    Func(&'a StructLayout),
    /// A struct type.
    Struct(&'a StructLayout),
    /// An array type.
    Array(FieldType),
    /// The one type of extern boxes.
    ExternBox,
}

impl RowShape<'_> {
    /// What it describes.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Func(_) => Kind::Func,
            Self::Struct(_) => Kind::Struct,
            Self::Array(_) => Kind::Array,
            Self::ExternBox => Kind::ExternBox,
        }
    }

    fn map(&self) -> &[u32] {
        match self {
            Self::Func(layout) | Self::Struct(layout) => layout.refs().words(),
            Self::Array(element) if element.is_gc_ref() => &[ARRAY_OF_REFS],
            Self::Array(_) | Self::ExternBox => &[],
        }
    }

    fn size(&self) -> u32 {
        match self {
            Self::Func(layout) | Self::Struct(layout) => layout.size(),
            Self::Array(element) => element.log2_bytes(),
            Self::ExternBox => object::EXTERN_BYTES,
        }
    }

    /// Bytes of the row of a type with so many supertypes.
    pub fn row_bytes(&self, depth: u32) -> u32 {
        let map = self.map().len() as u32;
        let long = if map > 1 { map } else { 0 };
        (HEAD_BYTES + 4 * (display_words(depth) + long)).next_multiple_of(ALIGN)
    }

    /// The words of the row of type `id`, from the head on; `supertypes` begins with the root.
    ///
    /// # Panics
    ///
    /// If there are more supertypes than [`DEPTH_MAX`], which validation rules out.
    pub fn encode(&self, id: u32, supertypes: &[u32]) -> Vec<u32> {
        let depth = supertypes.len() as u32;
        assert!(depth <= DEPTH_MAX, "a type with {depth} supertypes: validation allows {DEPTH_MAX}");
        let (map, long) = match self.map() {
            [] => (0, &[][..]),
            [word] => (*word, &[][..]),
            words => ((words.len() as u32) << 1 | LONG_MAP, words),
        };
        let mut words = Vec::with_capacity(self.row_bytes(depth) as usize / 4);
        words.extend([map, self.size(), self.kind() as u32, depth]);
        words.extend(supertypes);
        words.push(id);
        words.resize((HEAD_BYTES / 4 + display_words(depth)) as usize, 0);
        words.extend(long);
        words.resize(self.row_bytes(depth) as usize / 4, 0);
        words
    }
}

const fn display_words(depth: u32) -> u32 {
    if depth < DISPLAY_WORDS_MIN { DISPLAY_WORDS_MIN } else { depth + 1 }
}

/// The four words before a type's id, or what a collector found where they should be.
///
/// Nothing is taken for granted: an id that a guest made up may lead to any words of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RowHead {
    /// The reference map.
    pub map: u32,
    /// The size, or the binary logarithm of an element's.
    pub size: u32,
    /// The kind.
    pub kind: u32,
    /// The depth.
    pub depth: u32,
}

/// How the references in an object are found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refs {
    /// By the bits of one word.
    Short(u32),
    /// By the bits of so many words, which begin so many bytes after the type's id.
    Long {
        /// Bytes from the id to the first word.
        offset: u32,
        /// Words.
        words: u32,
    },
    /// Every element of the array is one.
    Elements,
}

impl RowHead {
    /// The head whose words stand in the table in this order.
    #[inline(always)]
    pub const fn from_words([map, size, kind, depth]: [u32; 4]) -> Self {
        Self { map, size, kind, depth }
    }

    /// The kind, if there is such a one.
    pub const fn kind(self) -> Option<Kind> {
        Some(match self.kind {
            1 => Kind::Func,
            2 => Kind::Struct,
            3 => Kind::Array,
            4 => Kind::ExternBox,
            _ => return None,
        })
    }

    /// Whether it is of an array.
    #[inline(always)]
    pub const fn is_array(self) -> bool {
        self.kind == Kind::Array as u32
    }

    /// Bytes of an object of fixed size: a multiple of 8, not 0, less than the guard. `None` if it cannot be the head
    /// of a type of such objects.
    #[inline(always)]
    pub const fn fixed_bytes(self) -> Option<u32> {
        let kind = matches!(self.kind(), Some(Kind::Func | Kind::Struct | Kind::ExternBox));
        // A size of 0 wraps to one that is too large.
        let size = self.size.wrapping_sub(1) < GUARD_BYTES - 1 && self.size.is_multiple_of(object::ALIGN);
        if kind && size { Some(self.size) } else { None }
    }

    /// Bytes of an array of so many elements. `None` if it cannot be the head of an array type, or the length exceeds
    /// what any heap holds.
    #[inline(always)]
    pub const fn array_bytes(self, length: u32) -> Option<u32> {
        let element = FieldType::V128.log2_bytes();
        if !self.is_array() || self.size > element {
            return None;
        }
        // At most 36 bits.
        let bytes = object::ARRAY_ELEMENTS as u64 + ((length as u64) << self.size);
        if bytes > array::BYTES_MAX as u64 {
            None
        } else {
            Some((bytes as u32).next_multiple_of(object::ALIGN))
        }
    }

    /// How the references in its objects are found.
    #[inline(always)]
    pub const fn refs(self) -> Refs {
        if self.is_array() {
            return if self.map == ARRAY_OF_REFS { Refs::Elements } else { Refs::Short(0) };
        }
        if self.map & LONG_MAP == 0 {
            return Refs::Short(self.map);
        }
        let depth = if self.depth < DEPTH_MAX { self.depth } else { DEPTH_MAX };
        Refs::Long { offset: 4 * display_words(depth), words: self.map >> 1 }
    }

    /// Bytes of the whole row, if it is the head of one.
    pub fn row_bytes(self) -> u32 {
        let end = match self.refs() {
            Refs::Long { offset, words } => offset + 4 * words,
            Refs::Short(_) | Refs::Elements => 4 * display_words(self.depth),
        };
        (HEAD_BYTES + end).next_multiple_of(ALIGN)
    }
}

#[cfg(test)]
mod tests {
    use super::FieldType::*;
    use super::*;

    const HEAD_WORDS: usize = HEAD_BYTES as usize / 4;

    fn head(row: &[u32]) -> RowHead {
        RowHead::from_words(row[..HEAD_WORDS].try_into().unwrap())
    }

    /// The offsets of the references in objects of fixed size, as a collector would find them.
    fn references(row: &[u32]) -> Vec<u32> {
        let words = match head(row).refs() {
            Refs::Short(map) => alloc::vec![map],
            Refs::Long { offset, words } => {
                let start = HEAD_WORDS + offset as usize / 4;
                row[start..start + words as usize].to_vec()
            }
            Refs::Elements => panic!("an array"),
        };
        let bits = words.len() as u32 * 32;
        (0..bits).filter(|bit| words[*bit as usize / 32] >> (bit % 32) & 1 != 0).map(|bit| bit * 4).collect()
    }

    fn check(fields: &[FieldType], depth: u32) {
        let supertypes: Vec<u32> = (1..=depth).map(|d| d * 160).collect();
        let id = 0x1230;
        for layout in [StructLayout::new(fields.to_vec()), StructLayout::exception(fields.to_vec())] {
            for shape in [RowShape::Struct(&layout), RowShape::Func(&layout)] {
                let row = shape.encode(id, &supertypes);
                let head = head(&row);
                assert_eq!(head.kind(), Some(shape.kind()));
                assert_eq!((head.depth, head.fixed_bytes()), (depth, Some(layout.size())));
                assert_eq!(head.array_bytes(0), None);
                assert_eq!(references(&row), layout.refs().offsets().collect::<Vec<_>>());
                assert_eq!(row.len() * 4, shape.row_bytes(depth) as usize);
                assert_eq!(head.row_bytes(), shape.row_bytes(depth));
                let display = &row[HEAD_WORDS..];
                assert_eq!(&display[..depth as usize], supertypes);
                assert_eq!(display[depth as usize], id);
                let rest = &display[depth as usize + 1..(display_words(depth)) as usize];
                assert!(rest.iter().all(|word| *word == 0));
            }
        }
    }

    #[test]
    fn rows_decode_to_what_was_encoded() {
        let many: Vec<FieldType> =
            (0..2_000).map(|i| [GcRef, I64, I8, GcRef, V128, FuncRef][i % 6]).collect();
        for depth in [0, 1, 7, 8, 9, DEPTH_MAX] {
            for fields in
                [&[][..], &[I32], &[GcRef], &[I64, GcRef], &[GcRef; 31], &[GcRef; 32], &[I64; 99], &many]
            {
                check(fields, depth);
            }
            let mut last = [I64; 100];
            last[99] = GcRef;
            check(&last, depth);
        }
    }

    #[test]
    fn short_rows_take_48_bytes() {
        let layout = StructLayout::new([GcRef, GcRef, I32]);
        assert_eq!(RowShape::Struct(&layout).row_bytes(7), 48);
        assert_eq!(RowShape::Array(I8).row_bytes(0), 48);
        assert_eq!(RowShape::Struct(&layout).row_bytes(8), 64);
    }

    #[test]
    fn rows_of_arrays_tell_the_element() {
        for element in [I8, I16, I32, I64, F32, F64, V128, GcRef, FuncRef] {
            let head = head(&RowShape::Array(element).encode(48, &[]));
            assert_eq!((head.kind(), head.size), (Some(Kind::Array), element.log2_bytes()));
            assert_eq!(head.refs() == Refs::Elements, element == GcRef);
            for length in [0, 1, 7, 1000, array::length_max(element)] {
                assert_eq!(head.array_bytes(length), array::size(element, length));
            }
            assert_eq!(head.array_bytes(u32::MAX), None);
            assert_eq!(head.fixed_bytes(), None);
        }
    }

    #[test]
    fn made_up_heads_have_no_size() {
        let head = |kind, size| RowHead { map: 0, size, kind, depth: 0 };
        for size in [0, 4, 12, GUARD_BYTES, u32::MAX, u32::MAX - 7] {
            assert_eq!(head(Kind::Struct as u32, size).fixed_bytes(), None, "{size}");
        }
        for kind in [0, 5, u32::MAX] {
            assert_eq!(head(kind, 8).fixed_bytes(), None, "{kind}");
            assert_eq!(head(kind, 3).array_bytes(0), None, "{kind}");
        }
        assert_eq!(head(Kind::Array as u32, 5).array_bytes(0), None);
        let hostile = RowHead { map: u32::MAX, size: u32::MAX, kind: u32::MAX, depth: u32::MAX };
        assert_eq!(hostile.refs(), Refs::Long { offset: 256, words: u32::MAX >> 1 });
    }

    #[test]
    fn the_row_of_extern_boxes_has_no_references() {
        let row = RowShape::ExternBox.encode(EXTERN_BOX, &[]);
        assert_eq!(head(&row).fixed_bytes(), Some(object::EXTERN_BYTES));
        assert_eq!(references(&row), []);
    }
}
