//! Tiers agree: modules made up by `wasm-smith` give the same results, traps, memories and globals on all of them. A fuzzer
//! checks the same: `fuzz/fuzz_targets/tiers.rs`.
//!
//! `WAFT_SEED` names the one module to look at, and writes it to a file where tiers differ.

use std::time::{Duration, Instant};
use waft_testkit::prng::Prng;
use waft_testkit::tiers::{Tiers, make_up};

/// How long modules are made up and run, at most.
const TIME_MAX: Duration = Duration::from_secs(20);
/// How many modules, at most.
const MODULES_MAX: u64 = 4_000;
/// Random bytes that become one module.
const MODULE_BYTES: usize = 6_000;

#[test]
fn tiers_agree_on_modules_made_up() {
    let tiers = Tiers::new().expect("both tiers work here");
    let start = Instant::now();
    let chosen: Option<u64> = std::env::var("WAFT_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = chosen.map_or(0..MODULES_MAX, |seed| seed..seed + 1);
    let (mut modules, mut outcomes, mut differ) = (0, 0, Vec::new());
    for seed in seeds {
        if start.elapsed() > TIME_MAX {
            break;
        }
        let Some(wasm) = make_up(&Prng::new(seed).bytes(MODULE_BYTES), seed) else { continue };
        modules += 1;
        match tiers.check(&wasm, seed) {
            Ok(compared) => outcomes += compared,
            Err(difference) => {
                println!("seed {seed}:\n{difference}");
                if chosen.is_some() {
                    let path = std::env::temp_dir().join("differ.wasm");
                    std::fs::write(&path, &wasm).expect("it can be written");
                    println!("the module: {}", path.display());
                }
                differ.push(seed);
            }
        }
    }
    println!("{modules} modules, {outcomes} outcomes, {} differ", differ.len());
    assert!(differ.is_empty(), "seeds on which tiers differ: {differ:?}");
}
