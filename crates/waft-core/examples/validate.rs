//! Validates a module's bodies over and over, on one thread, and says how fast: `cargo run --release -p waft-core --example validate
//! -- FILE [ROUNDS]`.

use std::time::Instant;
use waft_core::module::{ModuleBodies, decode};
use waft_core::proposal::ProposalSet;

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(file), rounds) = (args.next(), args.next()) else {
        return eprintln!("usage: validate FILE [ROUNDS]");
    };
    let rounds: usize = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let wasm = std::fs::read(&file).expect("the file can be read");
    let decoded = decode(&wasm, ProposalSet::on_by_default()).expect("the module is valid");
    let bodies = ModuleBodies::new(&decoded.shape, &wasm);
    let bytes: usize = decoded.shape.bodies.values().map(|range| range.len()).sum();
    for _ in 0..rounds {
        let start = Instant::now();
        let mut validator = decoded.body_validator();
        for func in decoded.shape.bodies.keys() {
            validator.validate(func, bodies.of(func)).expect("the body is valid");
        }
        let seconds = start.elapsed().as_secs_f64();
        let (count, plain) = (decoded.shape.bodies.len(), validator.plain_count());
        println!("{:.0} MB/s, {plain} of {count} bodies plain", bytes as f64 / 1e6 / seconds);
    }
}
