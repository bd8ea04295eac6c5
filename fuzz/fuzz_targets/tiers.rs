//! Tiers agree on whatever module can be made of bytes.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use std::sync::LazyLock;
use waft_testkit::tiers::{Tiers, make_up};

static TIERS: LazyLock<Tiers> = LazyLock::new(|| Tiers::new().expect("both tiers work here"));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((seed, bytes)) = bytes.split_first_chunk() else { return Corpus::Reject };
    let seed = u64::from_le_bytes(*seed);
    let Some(wasm) = make_up(bytes, seed) else { return Corpus::Reject };
    if let Err(difference) = TIERS.check(&wasm, seed) {
        panic!("{difference}");
    }
    Corpus::Keep
});
