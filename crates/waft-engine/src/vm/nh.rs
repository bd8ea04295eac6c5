//! NH: a fast universal hash, for whoever has a secret key.
//!
//! Of two messages of one length that differ, made by somebody who does not know the key, the hashes are equal with a probability of
//! 2^-128 at most. Whoever knows the key makes as many such messages as he likes.
//!
//! Source: Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC: fast and secure message authentication", CRYPTO 1999: NH with words of 32
//! bits, four times with shifted keys (the Toeplitz construction).
//!
//! # Invariants
//!
//! * **N1** Code for AVX2 runs where the processor has it.

/// Bytes of a block, which has a hash.
pub(crate) const BLOCK_BYTES: usize = 4096;
/// Pairs of words of 32 bits in a block.
const PAIRS: usize = BLOCK_BYTES / 8;
/// How often a block is hashed, each time with the key a pair further on.
const PASSES: usize = 4;
/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 8 * KEY_PAIRS;
const KEY_PAIRS: usize = PAIRS + PASSES - 1;
/// Bytes of a hash.
pub(crate) const HASH_BYTES: usize = 8 * PASSES;

/// A key. Nobody is shown it.
pub(crate) struct NhKey([u64; KEY_PAIRS]);

impl NhKey {
    /// Of these random bytes.
    pub(crate) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(std::array::from_fn(|at| pair(bytes, at)))
    }

    /// The hashes of the blocks of a message, the last of which is filled up with zeros: lengths are not told apart.
    pub(crate) fn hash(&self, message: &[u8]) -> Vec<u8> {
        let mut hashes = Vec::with_capacity(message.len().div_ceil(BLOCK_BYTES) * HASH_BYTES);
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: N1: asked for in the line above.
            for_each_block(message, |block| unsafe { avx2::hash_block(self, block, &mut hashes) });
            return hashes;
        }
        for_each_block(message, |block| self.hash_block(block, &mut hashes));
        hashes
    }

    fn hash_block(&self, block: &[u8; BLOCK_BYTES], hashes: &mut Vec<u8>) {
        for pass in 0..PASSES {
            let product = |at: usize| {
                let (pair, key) = (pair(block, at), self.0[at + pass]);
                let low = (pair as u32).wrapping_add(key as u32);
                let high = ((pair >> 32) as u32).wrapping_add((key >> 32) as u32);
                u64::from(low) * u64::from(high)
            };
            let sum = (0..PAIRS).map(product).fold(0, u64::wrapping_add);
            hashes.extend(sum.to_le_bytes());
        }
    }
}

/// Two words, the first one below.
fn pair(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[8 * at..].first_chunk().expect("a place in a block or key"))
}

fn for_each_block(message: &[u8], mut hash: impl FnMut(&[u8; BLOCK_BYTES])) {
    let (blocks, rest) = message.as_chunks();
    blocks.iter().for_each(&mut hash);
    if !rest.is_empty() {
        let mut block = [0; BLOCK_BYTES];
        block[..rest.len()].copy_from_slice(rest);
        hash(&block);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BLOCK_BYTES, NhKey, PAIRS, PASSES, pair};
    use std::arch::x86_64::{
        __m256i, _mm_add_epi64, _mm_cvtsi128_si64, _mm_unpackhi_epi64, _mm256_add_epi32, _mm256_add_epi64,
        _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_mul_epu32, _mm256_set_epi64x,
        _mm256_setzero_si256, _mm256_srli_epi64,
    };

    /// Pairs that are taken at once.
    const LANES: usize = 4;

    /// As [`NhKey::hash_block`].
    #[target_feature(enable = "avx2")]
    pub(super) fn hash_block(key: &NhKey, block: &[u8; BLOCK_BYTES], hashes: &mut Vec<u8>) {
        let mut sums = [_mm256_setzero_si256(); PASSES];
        for at in (0..PAIRS).step_by(LANES) {
            let pairs = lanes(|lane| pair(block, at + lane));
            for (pass, sum) in sums.iter_mut().enumerate() {
                let added = _mm256_add_epi32(pairs, lanes(|lane| key.0[at + pass + lane]));
                let products = _mm256_mul_epu32(added, _mm256_srli_epi64::<32>(added));
                *sum = _mm256_add_epi64(*sum, products);
            }
        }
        for sum in sums {
            let halves = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
            let sum = _mm_add_epi64(halves, _mm_unpackhi_epi64(halves, halves));
            hashes.extend(_mm_cvtsi128_si64(sum).to_le_bytes());
        }
    }

    #[target_feature(enable = "avx2")]
    fn lanes(pair: impl Fn(usize) -> u64) -> __m256i {
        let [a, b, c, d] = [0, 1, 2, 3].map(|lane| pair(lane).cast_signed());
        _mm256_set_epi64x(d, c, b, a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that look random.
    fn bytes(seed: u64, len: usize) -> Vec<u8> {
        let random = crate::tier_up::Random::new(seed);
        (0..len).map(|_| random.below(256) as u8).collect()
    }

    fn key(seed: u64) -> NhKey {
        NhKey::new(bytes(seed, KEY_BYTES).as_slice().try_into().unwrap())
    }

    /// By the letter of the paper.
    fn by_the_letter(key: &[u8], message: &[u8]) -> Vec<u8> {
        let words = |bytes: &[u8]| -> Vec<u32> {
            bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
        };
        let key = words(key);
        let mut hashes = Vec::new();
        for block in message.chunks(BLOCK_BYTES) {
            let mut block = words(&[block, &[0; BLOCK_BYTES]].concat()[..BLOCK_BYTES]);
            block.truncate(BLOCK_BYTES / 4);
            for pass in 0..PASSES {
                let mut sum = 0_u64;
                for at in (0..block.len()).step_by(2) {
                    let [a, b] = [at, at + 1].map(|at| block[at].wrapping_add(key[at + 2 * pass]));
                    sum = sum.wrapping_add(u64::from(a) * u64::from(b));
                }
                hashes.extend(sum.to_le_bytes());
            }
        }
        hashes
    }

    #[test]
    fn hashes_are_those_of_the_paper_by_any_instructions() {
        for (seed, len) in
            [0, 1, 8, 31, 32, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 20_000].into_iter().enumerate()
        {
            let (seed, message) = (seed as u64, bytes(99 + seed as u64, len));
            let expected = by_the_letter(&bytes(seed, KEY_BYTES), &message);
            assert_eq!(expected.len(), len.div_ceil(BLOCK_BYTES) * HASH_BYTES);
            assert_eq!(key(seed).hash(&message), expected, "{len} bytes");
            let mut portable = Vec::new();
            for_each_block(&message, |block| key(seed).hash_block(block, &mut portable));
            assert_eq!(portable, expected, "{len} bytes, without AVX2");
        }
        // All sums overflow.
        let (ones, zero) = (vec![0xff; 2 * BLOCK_BYTES], NhKey::new(&[0; KEY_BYTES]));
        assert_eq!(zero.hash(&ones), by_the_letter(&[0; KEY_BYTES], &ones));
    }

    #[test]
    fn every_bit_of_message_and_key_counts() {
        let message = bytes(1, BLOCK_BYTES);
        let hash = key(2).hash(&message);
        for bit in (0..8 * BLOCK_BYTES).step_by(7) {
            let mut other = message.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let other = key(2).hash(&other);
            // In each pass.
            assert!(hash.chunks(8).zip(other.chunks(8)).all(|(one, other)| one != other), "bit {bit}");
        }
        for byte in (0..KEY_BYTES).step_by(3) {
            let mut other = bytes(2, KEY_BYTES);
            other[byte] ^= 1;
            assert_ne!(NhKey::new(other.as_slice().try_into().unwrap()).hash(&message), hash, "byte {byte}");
        }
    }
}
