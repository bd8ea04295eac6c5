//! What the fast way to validate bodies accepts is valid: modules made up by `wasm-smith`, and the same with bytes changed. A
//! fuzzer checks the same: `fuzz/fuzz_targets/validity.rs`.

use std::time::{Duration, Instant};
use waft_testkit::prng::Prng;
use waft_testkit::validity::{Found, change, check, make_up, proposals};

/// How long modules are made up and checked, at most.
const TIME_MAX: Duration = Duration::from_secs(15);
/// How many modules, at most.
const MODULES_MAX: u64 = 1_000;
/// How often each is changed.
const CHANGES: usize = 100;
/// Random bytes that become one module.
const MODULE_BYTES: usize = 4_000;

#[test]
fn bodies_are_as_valid_in_the_fast_way() {
    let start = Instant::now();
    let mut all = Found::default();
    let mut check = |seed: u64, wasm: &[u8]| {
        let found = check(wasm, proposals(seed));
        let found = found.unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        all.valid += found.valid;
        all.plain += found.plain;
        all.invalid += found.invalid;
    };
    for seed in (0..MODULES_MAX).take_while(|_| start.elapsed() < TIME_MAX) {
        let mut prng = Prng::new(seed);
        let Some(wasm) = make_up(&prng.bytes(MODULE_BYTES), seed) else { continue };
        check(seed, &wasm);
        for _ in 0..CHANGES {
            let mut changed = wasm.clone();
            change(&mut changed, &mut prng);
            check(seed, &changed);
        }
    }
    println!("{all:?}");
    assert!(all.plain > 1_000 && all.valid - all.plain > 100 && all.invalid > 1_000);
}
