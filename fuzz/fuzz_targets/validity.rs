//! The fast way to validate bodies accepts none that is not valid.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use waft_testkit::prng::Prng;
use waft_testkit::validity::{change, check, make_up, proposals};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((seed, bytes)) = bytes.split_first_chunk() else { return Corpus::Reject };
    let seed = u64::from_le_bytes(*seed);
    let Some(mut wasm) = make_up(bytes, seed) else { return Corpus::Reject };
    change(&mut wasm, &mut Prng::new(seed));
    if let Err(difference) = check(&wasm, proposals(seed)) {
        panic!("{difference}");
    }
    Corpus::Keep
});
