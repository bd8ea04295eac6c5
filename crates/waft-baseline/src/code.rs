//! The bytes of a body, read forwards.
//!
//! They are valid, so no encoding is checked; whatever they are, nothing past their end is read: there they are zeros.

use crate::value::Ty;
use std::cell::Cell;
use waft_core::index::MemoryIndex;
use waft_core::opcode::{self, Immediates};
use wasmparser::{BinaryReader, BlockType, MemArgTarget, ValType};

/// Where an access to a memory goes, beside its index.
#[derive(Clone, Copy)]
pub(crate) struct MemArg {
    pub(crate) memory: MemoryIndex,
    pub(crate) offset: u64,
}

impl From<&wasmparser::MemArg> for MemArg {
    fn from(memarg: &wasmparser::MemArg) -> Self {
        match memarg.target {
            MemArgTarget::Memory(memory) => {
                Self { memory: MemoryIndex::from_u32(memory), offset: memarg.offset }
            }
            ref other => unreachable!("validation refuses accesses to {other:?}"),
        }
    }
}

/// The bytes, and where the next one is.
#[derive(Clone, Default)]
pub(crate) struct Code<'a> {
    bytes: &'a [u8],
    at: Cell<u32>,
}

impl<'a> Code<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at: Cell::new(at as u32) }
    }

    /// Where the next byte is.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at.get() as usize
    }

    /// Goes on at `at`.
    #[inline]
    pub(crate) fn set_at(&self, at: usize) {
        self.at.set(at as u32);
    }

    #[inline]
    pub(crate) fn is_at_end(&self) -> bool {
        self.at() >= self.bytes.len()
    }

    /// All bytes from here on.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at()..).unwrap_or_default()
    }

    /// The next bytes, without going on, if there are so many.
    #[inline]
    pub(crate) fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        let at = self.at();
        self.bytes.get(at..at + N)?.first_chunk()
    }

    /// The next byte, if there is one.
    #[inline]
    pub(crate) fn next(&self) -> Option<u8> {
        let byte = self.bytes.get(self.at())?;
        self.skip_bytes(1);
        Some(*byte)
    }

    #[inline]
    pub(crate) fn byte(&self) -> u8 {
        let at = self.at();
        self.set_at(at + 1);
        self.bytes.get(at).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn skip_bytes(&self, count: usize) {
        self.set_at(self.at() + count);
    }

    /// `N` bytes.
    #[inline]
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let bytes = self.peek().copied().unwrap_or([0; N]);
        self.skip_bytes(N);
        bytes
    }

    /// The bits of a number, and how many there are.
    #[inline(always)]
    fn leb(&self) -> (u64, u32) {
        let byte = self.byte();
        if byte & 0x80 == 0 { (byte.into(), 7) } else { self.long_leb(byte) }
    }

    #[inline(never)]
    fn long_leb(&self, first: u8) -> (u64, u32) {
        let (mut value, mut bits) = (u64::from(first & 0x7f), 7);
        // Two bytes are the most usual.
        if let Some([last @ 0..0x80]) = self.peek() {
            self.skip_bytes(1);
            return (value | u64::from(*last) << 7, 14);
        }
        loop {
            let byte = self.byte();
            value |= u64::from(byte & 0x7f).wrapping_shl(bits);
            bits += 7;
            if byte & 0x80 == 0 || bits >= 70 {
                return (value, bits);
            }
        }
    }

    /// An unsigned number of 32 bits.
    #[inline(always)]
    pub(crate) fn number(&self) -> u32 {
        self.leb().0 as u32
    }

    /// A signed number of up to 64 bits.
    #[inline(always)]
    pub(crate) fn signed(&self) -> i64 {
        let (value, bits) = self.leb();
        let unused = 64_u32.saturating_sub(bits);
        (value << unused).cast_signed() >> unused
    }

    /// Skips a number, signed or not.
    #[inline]
    pub(crate) fn skip_number(&self) {
        self.leb();
    }

    /// Skips the type of a value.
    pub(crate) fn skip_val_type(&self) {
        // References may say what they refer to.
        if matches!(self.byte(), 0x63 | 0x64) {
            self.skip_number();
        }
    }

    /// Where an access goes.
    #[inline]
    pub(crate) fn memarg(&self) -> MemArg {
        if let Some([0..0x40, offset @ 0..0x80]) = self.peek() {
            self.skip_bytes(2);
            return MemArg { memory: MemoryIndex::from_u32(0), offset: (*offset).into() };
        }
        self.long_memarg()
    }

    #[inline(never)]
    fn long_memarg(&self) -> MemArg {
        let flags = self.number();
        let memory = if flags & 0x40 == 0 { 0 } else { self.number() };
        MemArg { memory: MemoryIndex::from_u32(memory), offset: self.leb().0 }
    }

    /// The type of a value, if it is a number's or a vector's.
    #[inline]
    pub(crate) fn number_ty(&self) -> Option<Ty> {
        let ty = match self.peek()? {
            [0x7f] => Ty::I32,
            [0x7e] => Ty::I64,
            [0x7d] => Ty::F32,
            [0x7c] => Ty::F64,
            [0x7b] => Ty::V128,
            _ => return None,
        };
        self.skip_bytes(1);
        Some(ty)
    }

    /// The type of a value.
    pub(crate) fn val_type(&self) -> wasmparser::Result<ValType> {
        let mut reader = BinaryReader::new(self.rest(), 0);
        let ty = reader.read()?;
        self.skip_bytes(reader.current_position());
        Ok(ty)
    }

    /// The type of a block.
    #[inline]
    pub(crate) fn block_type(&self) -> wasmparser::Result<BlockType> {
        match self.peek() {
            Some([0x40]) => {
                self.skip_bytes(1);
                Ok(BlockType::Empty)
            }
            Some([0x41..0x80]) => Ok(BlockType::Type(self.val_type()?)),
            _ => Ok(BlockType::FuncType(self.number())),
        }
    }

    /// Skips what follows an opcode; whether that is known.
    pub(crate) fn skip_immediates(&self, opcode: u8) -> bool {
        match opcode::IMMEDIATES[usize::from(opcode)] {
            Immediates::None => {}
            Immediates::Number => self.skip_number(),
            Immediates::Numbers => {
                self.skip_number();
                self.skip_number();
            }
            Immediates::Block => return self.block_type().is_ok(),
            Immediates::MemArg => {
                self.memarg();
            }
            Immediates::Bytes4 => self.skip_bytes(4),
            Immediates::Bytes8 => self.skip_bytes(8),
            Immediates::Other => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::OperatorsReader;

    #[test]
    fn numbers_are_read_whatever_their_length() {
        let unsigned: [(&[u8], u32); 6] = [
            (&[0], 0),
            (&[0x7f], 127),
            (&[0x80, 1], 128),
            (&[0x85, 0x80, 0x80, 0x80, 0], 5),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], u32::MAX),
            (&[0x80], 0),
        ];
        for (bytes, value) in unsigned {
            assert_eq!(Code::new(bytes, 0).number(), value, "{bytes:x?}");
        }
        let signed: [(&[u8], i64); 8] = [
            (&[0], 0),
            (&[0x3f], 63),
            (&[0x40], -64),
            (&[0x7f], -1),
            (&[0xff, 0], 127),
            (&[0x80, 0x80, 0x80, 0x80, 0x78], i32::MIN.into()),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], -1),
            (&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], i64::MIN),
        ];
        for (bytes, value) in signed {
            let code = Code::new(bytes, 0);
            assert_eq!(code.signed(), value, "{bytes:x?}");
            assert!(code.is_at_end());
        }
    }

    #[test]
    fn opcodes_are_what_they_are_called_and_followed_by_what_wasmparser_reads() {
        // Numbers of two and of three bytes: however many follow, they are told apart.
        let number: &[u8] = &[0x81, 0x00, 0x82, 0x80, 0x00];
        let memory: &[u8] = &[0x41, 0x83, 0x00, 0x84, 0x80, 0x00];
        let types: [&[u8]; 4] = [&[0x40], &[0x7f], &[0x64, 0x83, 0x00], &[0x83, 0x00]];
        for (opcode, name) in opcode::NAMES {
            let immediates = opcode::IMMEDIATES[usize::from(*opcode)];
            let followers: &[&[u8]] = match immediates {
                Immediates::Block => &types,
                Immediates::MemArg => &[number, memory],
                Immediates::Other => continue,
                _ => &[number],
            };
            // What may stand only after these.
            let before: &[u8] = match *opcode {
                opcode::ELSE => &[opcode::IF, 0x40],
                opcode::CATCH | opcode::CATCH_ALL | opcode::DELEGATE => &[opcode::TRY, 0x40],
                _ => &[],
            };
            for follower in followers {
                let bytes = [before, &[*opcode], follower, &[0; 8]].concat();
                let mut reader = OperatorsReader::new(BinaryReader::new(&bytes, 0));
                if !before.is_empty() {
                    reader.read().expect("what stands before can be read");
                }
                let read = format!("{:?}", reader.read().expect("the operator can be read"));
                let read = read.split_once(' ').map_or(&*read, |(name, _)| name);
                assert_eq!(read.to_uppercase(), name.replace('_', ""));
                let code = Code::new(&bytes, before.len() + 1);
                assert!(code.skip_immediates(*opcode));
                assert_eq!(code.at(), reader.original_position() as usize, "{name} {follower:x?}");
            }
        }
    }
}
