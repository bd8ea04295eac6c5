//! Compiles a module's functions over and over, and says how fast: `cargo run --release -p waft-baseline --example speed
//! -- FILE [ROUNDS]`.

use waft_baseline::Baseline;
use waft_core::layout::VmLayout;
use waft_core::module::{ModuleBodies, decode};
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CompileRequest, Linkage, Tier, Tunables};

fn main() {
    let mut args = std::env::args().skip(1);
    let (Some(file), rounds) = (args.next(), args.next()) else {
        return eprintln!("usage: speed FILE [ROUNDS]");
    };
    let rounds: usize = rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let wasm = std::fs::read(&file).expect("the file can be read");
    let shape = decode(&wasm, ProposalSet::all()).expect("the module is valid").shape;
    let (layout, tunables) = (VmLayout::new(&shape), Tunables::default());
    let bodies = ModuleBodies::new(&shape, &wasm);
    let tier = Baseline::new().expect("the tier works here");
    let bytes: usize = shape.bodies.values().map(|range| range.len()).sum();
    for _ in 0..rounds {
        let (mut code, mut failed) = (0, 0);
        let start = cpu_seconds();
        for func in shape.bodies.keys() {
            let compiled = tier.compile(&CompileRequest::new(
                &shape,
                &layout,
                &tunables,
                Linkage::Direct,
                func,
                &bodies,
            ));
            match compiled {
                Ok(compiled) => code += compiled.code.len(),
                Err(error) => {
                    if failed == 0 {
                        eprintln!("{error}");
                    }
                    failed += 1;
                }
            }
        }
        let seconds = cpu_seconds() - start;
        println!(
            "{} functions, {failed} failed, {bytes} bytes, {code} bytes of code ({:.2} a byte), {seconds:.3} s, {:.1} MB/s",
            shape.bodies.len(),
            code as f64 / bytes as f64,
            bytes as f64 / seconds / 1e6
        );
    }
}

/// Seconds that this thread was on a processor: others may want it, too.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel keeps statistics");
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.expect("the first word is a number") / 1e9
}
