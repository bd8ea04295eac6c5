//! Runs programs under each tier and says how long they took: `cargo run -p waft-testkit --example tiers -- FILE...`.

use waft::{Config, Engine, Linker, Module, Result, Store};
use waft_wasi::{I32Exit, MemoryOutputPipe, WasiCtx};

fn main() -> Result<()> {
    let baseline = waft_tiers::baseline_tier().map_err(waft::Error::msg)?;
    let engines = [Engine::new(&Config::new())?, Engine::new(Config::new().tier(baseline))?];
    let mut product = 1.0;
    let mut programs = 0;
    for file in std::env::args().skip(1) {
        let wasm = std::fs::read(&file)?;
        let mut seconds = [f64::MAX; 2];
        let mut outputs = [Vec::new(), Vec::new()];
        let modules = [Module::new(&engines[0], &wasm)?, Module::new(&engines[1], &wasm)?];
        for _ in 0..3 {
            for (at, module) in modules.iter().enumerate() {
                let (took, output) = run(&engines[at], module)?;
                seconds[at] = seconds[at].min(took);
                outputs[at] = output;
            }
        }
        let ratio = seconds[1] / seconds[0];
        let same = outputs[0] == outputs[1];
        println!(
            "{file}: cranelift {:.3} s, baseline {:.3} s, {ratio:.2}x, same output: {same}",
            seconds[0], seconds[1]
        );
        product *= ratio;
        programs += 1;
    }
    println!("geometric mean of {programs}: {:.2}x", f64::powf(product, 1.0 / f64::from(programs)));
    Ok(())
}

/// Runs a program to its end: seconds on a processor, and what it printed.
fn run(engine: &Engine, module: &Module) -> Result<(f64, Vec<u8>)> {
    let output = MemoryOutputPipe::new(1 << 20);
    let mut builder = WasiCtx::builder();
    builder.arg("program").stdout(output.clone());
    let mut store = Store::new(engine, builder.build());
    let mut linker = Linker::new(engine);
    waft_wasi::p1::add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    let instance = linker.instantiate(&mut store, module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    let before = cpu_seconds();
    if let Err(error) = start.call(&mut store, ())
        && error.downcast_ref::<I32Exit>().is_none()
    {
        return Err(error);
    }
    Ok((cpu_seconds() - before, output.contents().to_vec()))
}

/// Seconds that this thread was on a processor: others may want it, too.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel keeps statistics");
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    nanoseconds.expect("the first word is a number") / 1e9
}
