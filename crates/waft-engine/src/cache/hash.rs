//! Which module an entry is of.

use crate::processors::processors;
use std::thread;

/// What one thread hashes at a time: with less, starting the thread takes longer.
const PIECE_BYTES: usize = 1 << 20;
/// More threads than this wait for memory.
const THREADS_MAX: usize = 4;

/// A name for these bytes that no others have, whoever chose them: the BLAKE3 hash of the hashes of their pieces.
///
/// Source: O'Connor, Aumasson, Neves and Wilcox-O'Hearn, "BLAKE3: one function, fast everywhere", 2020.
pub(super) fn module_hash(wasm: &[u8]) -> blake3::Hash {
    let pieces: Vec<&[u8]> = wasm.chunks(PIECE_BYTES).collect();
    let mut hashes = vec![[0; blake3::OUT_LEN]; pieces.len()];
    let share = pieces.len().div_ceil(processors().min(THREADS_MAX)).max(1);
    let hash = |(pieces, hashes): (&[&[u8]], &mut [[u8; blake3::OUT_LEN]])| {
        for (piece, hash) in pieces.iter().zip(hashes) {
            *hash = *blake3::hash(piece).as_bytes();
        }
    };
    thread::scope(|scope| {
        let mut shares = pieces.chunks(share).zip(hashes.chunks_mut(share));
        let first = shares.next();
        for share in shares {
            scope.spawn(move || hash(share));
        }
        first.map(hash);
    });
    let mut all = blake3::Hasher::new();
    // So no list of hashes is a module of one piece.
    all.update(&(wasm.len() as u64).to_le_bytes());
    all.update(hashes.as_flattened());
    all.finalize()
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
            assert_eq!(hashes.insert(module_hash(&module), (len, None)), None);
            for at in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, len.saturating_sub(1)] {
                let Some(byte) = module.get_mut(at) else { continue };
                *byte ^= 1;
                let other = hashes.insert(module_hash(&module), (len, Some(at)));
                assert!(other.is_none_or(|other| other == (len, Some(at))), "{other:?}, and {at} of {len}");
                module[at] ^= 1;
            }
        }
    }
}
