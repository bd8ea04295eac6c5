//! Random numbers that are the same on every machine and every run.

/// A generator of the SplitMix64 kind (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014):
/// small, with no bad seeds.
#[derive(Clone, Debug)]
pub struct Prng {
    state: u64,
}

impl Prng {
    /// A generator whose numbers follow from `seed` alone.
    pub fn new(seed: u64) -> Prng {
        Prng { state: seed }
    }

    /// Any number.
    ///
    /// # Examples
    ///
    /// ```
    /// use waft_testkit::prng::Prng;
    ///
    /// assert_eq!(Prng::new(0).next_u64(), 0xe220a8397b1dcdaf);
    /// ```
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero. Small bounds are favoured by less than one part in 2^32.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }

    /// `count` random bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next_u64() as u8).collect()
    }

    /// `bytes` with one to eight changes: a byte replaced, a bit flipped, a byte taken out or put in.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..1 + self.below(8) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(4) {
                0 => bytes[at] = self.next_u64() as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, self.next_u64() as u8),
            }
        }
        bytes
    }
}
