//! Which module an entry is of: hashes of modules.

use crate::pieces::{PIECE_BYTES, for_each_piece};
use std::sync::OnceLock;

/// The hash of a module whose pieces come from several threads, in any order.
pub(crate) struct ModuleHasher {
    len: usize,
    pieces: Box<[OnceLock<blake3::Hash>]>,
}

impl ModuleHasher {
    /// For a module of so many bytes.
    pub(crate) fn new(len: usize) -> Self {
        Self { len, pieces: (0..len.div_ceil(PIECE_BYTES)).map(|_| OnceLock::new()).collect() }
    }

    /// One that has all of a module.
    pub(crate) fn of(wasm: &[u8], threads: usize) -> Self {
        let hasher = Self::new(wasm.len());
        for_each_piece(threads, wasm, |number, piece| hasher.add(number, piece));
        hasher
    }

    /// Bytes of the module.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds the piece of this number.
    pub(crate) fn add(&self, number: usize, piece: &[u8]) {
        let is_new = self.pieces[number].set(blake3::hash(piece)).is_ok();
        debug_assert!(is_new, "piece {number} comes twice");
    }

    /// Whether these are the bytes of the piece of this number that was added.
    pub(crate) fn is_same(&self, number: usize, piece: &[u8]) -> bool {
        self.pieces[number].get() == Some(&blake3::hash(piece))
    }

    /// A name for the bytes that no others have, whoever chose them: the BLAKE3 hash of the hashes of all pieces.
    ///
    /// Source: O'Connor, Aumasson, Neves and Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2020.
    ///
    /// # Panics
    ///
    /// If a piece is missing.
    pub(crate) fn finish(&self) -> blake3::Hash {
        let mut all = blake3::Hasher::new();
        // So no list of hashes is a module of one piece.
        all.update(&(self.len as u64).to_le_bytes());
        for hash in &self.pieces {
            all.update(hash.get().expect("all pieces were added").as_bytes());
        }
        all.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn every_byte_and_every_length_counts() {
        let mut hashes = HashMap::new();
        for len in [0, 1, 2, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES]
        {
            let mut module = vec![7; len];
            assert_eq!(hashes.insert(ModuleHasher::of(&module, 2).finish(), (len, None)), None);
            for at in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, len.saturating_sub(1)] {
                let Some(byte) = module.get_mut(at) else { continue };
                *byte ^= 1;
                let other = hashes.insert(ModuleHasher::of(&module, 2).finish(), (len, Some(at)));
                assert!(other.is_none_or(|other| other == (len, Some(at))), "{other:?}, and {at} of {len}");
                module[at] ^= 1;
            }
        }
    }
}
