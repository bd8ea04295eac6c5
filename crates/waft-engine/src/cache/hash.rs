//! Which module an entry is of: hashes of modules.

use super::key::CacheKey;
use crate::outline::Outline;
use crate::pieces::{PIECE_BYTES, for_each_piece};
use std::sync::{Arc, OnceLock};

/// The hash of a module whose pieces come from several threads, in any order.
pub(crate) struct ModuleHasher {
    key: Arc<CacheKey>,
    len: usize,
    pieces: Box<[OnceLock<blake3::Hash>]>,
}

impl ModuleHasher {
    /// For a module of so many bytes.
    pub(crate) fn new(key: Arc<CacheKey>, len: usize) -> Self {
        Self { key, len, pieces: (0..len.div_ceil(PIECE_BYTES)).map(|_| OnceLock::new()).collect() }
    }

    /// One that has all of a module.
    pub(crate) fn of(key: Arc<CacheKey>, wasm: &[u8], threads: usize) -> Self {
        let hasher = Self::new(key, wasm.len());
        let outline = Outline::of(wasm);
        for_each_piece(threads, wasm, |number, piece| {
            if outline.as_ref().is_none_or(|outline| outline.counts(number)) {
                hasher.add(number, piece);
            }
        });
        hasher
    }

    /// Bytes of the module.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds the piece of this number.
    pub(crate) fn add(&self, number: usize, piece: &[u8]) {
        let is_new = self.pieces[number].set(self.piece(piece)).is_ok();
        debug_assert!(is_new, "piece {number} comes twice");
    }

    /// Whether these are the bytes of the piece of this number that was added.
    pub(crate) fn is_same(&self, number: usize, piece: &[u8]) -> bool {
        self.pieces[number].get() == Some(&self.piece(piece))
    }

    /// The hash of a piece: NH to make it short, and BLAKE3 so that nothing can be learnt about NH's key.
    fn piece(&self, piece: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key.modules, &self.key.pieces.hash(piece))
    }

    /// A name for the module, which no others have but those that differ in what custom sections hold.
    ///
    /// It is the BLAKE3 hash of what the module declares and of the hashes of all pieces that count. So nobody can make two modules of
    /// one name that declare different things; and two that differ in bodies or data, nobody who does not know the key.
    /// In `declarations` all bytes must be there but the parts of the [`Outline`].
    ///
    /// Source: O'Connor, Aumasson, Neves and Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2020.
    ///
    /// # Panics
    ///
    /// If a piece is missing that counts.
    pub(crate) fn finish(&self, declarations: &[u8]) -> blake3::Hash {
        let mut all = blake3::Hasher::new_keyed(&self.key.modules);
        // Before each list how long it is, so that all of it can be read in one way.
        all.update(&(self.len as u64).to_le_bytes());
        let outline = Outline::of(declarations);
        match &outline {
            Some(outline) => {
                // How long this is follows from what it says.
                all.update(b"declares");
                for bytes in outline.declarations(declarations) {
                    all.update(bytes);
                }
            }
            None => {
                all.update(b"has all").update(declarations);
            }
        }
        let counts = |number| outline.as_ref().is_none_or(|outline| outline.counts(number));
        // Which ones count follows from what it declares.
        for (_, hash) in self.pieces.iter().enumerate().filter(|(number, _)| counts(*number)) {
            all.update(hash.get().expect("all pieces that count were added").as_bytes());
        }
        all.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn hash_of(key: u8, module: &[u8]) -> blake3::Hash {
        ModuleHasher::of(Arc::new(CacheKey::new(&[key; 32])), module, 2).finish(module)
    }

    #[test]
    fn every_byte_and_every_length_counts() {
        let mut hashes = HashMap::new();
        let custom = |len: usize| {
            let size =
                [len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8 | 0x80, (len >> 21) as u8];
            [b"\0asm\x01\0\0\0\0", &size[..], &[1, b'x'], &vec![0; len - 2]].concat()
        };
        let lens = [2, 3, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES];
        // What is no module, and modules of one section.
        let modules = [0, 1].into_iter().chain(lens).map(|len| vec![7; len]).chain(lens.map(custom));
        for (number, mut module) in modules.enumerate() {
            assert_eq!(hashes.insert(hash_of(0, &module), (number, None)), None);
            assert_ne!(hash_of(1, &module), hash_of(0, &module), "another key");
            let len = module.len();
            for at in [0, 1, 9, 14, 15, PIECE_BYTES - 1, PIECE_BYTES, len.saturating_sub(1)] {
                let counts = Outline::of(&module).is_none_or(|outline| outline.counts(at / PIECE_BYTES));
                let Some(byte) = module.get_mut(at) else { continue };
                *byte ^= 1;
                if !counts {
                    assert_eq!(hashes[&hash_of(0, &module)], (number, None), "{at} of {number}");
                    module[at] ^= 1;
                    continue;
                }
                let other = hashes.insert(hash_of(0, &module), (number, Some(at)));
                assert!(
                    other.is_none_or(|other| other == (number, Some(at))),
                    "{other:?}, and {at} of {number}"
                );
                module[at] ^= 1;
            }
        }
    }

    #[test]
    fn who_knows_the_key_cannot_make_a_module_that_declares_something_else() {
        // Two modules with the same pieces as far as NH tells, which declare different things: as if its key were nothing.
        let hash = |module: &[u8]| {
            let hasher = ModuleHasher::new(Arc::new(CacheKey::new(&[0; 32])), module.len());
            hasher.add(0, b"the same");
            hasher.finish(module)
        };
        let [one, other] = [1, 2].map(|limit| [b"\0asm\x01\0\0\0\x05\x03\x01\0", &[limit][..]].concat());
        assert_ne!(hash(&one), hash(&other));
        let [one, other] = [b'a', b'b'].map(|byte| [b"\0asm\x01\0\0\0\0\x03\x01x", &[byte][..]].concat());
        assert_eq!(hash(&one), hash(&other), "what a custom section holds is told by the pieces alone");
    }
}
