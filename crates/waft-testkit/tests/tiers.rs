//! Tiers agree: modules made up by `wasm-smith` give the same results, traps, memories and globals on all of them.

use std::time::{Duration, Instant};
use waft::{Config, Engine, Instance, Linker, Module, Result, Store, Trap, Val, ValType};
use waft_testkit::prng::Prng;

/// How long modules are made up and run, at most.
const TIME_MAX: Duration = Duration::from_secs(20);
/// How many modules, at most.
const MODULES_MAX: u64 = 4_000;
/// Random bytes that become one module.
const MODULE_BYTES: usize = 6_000;
/// So many bytes of a memory are compared.
const MEMORY_BYTES: usize = 256 << 10;
/// Steps after which a function made up gives up.
const FUEL: u32 = 2_000;

/// Two with the optimising tier, of which one translates all calls in place that it may, and one with the baseline tier.
fn engines() -> Result<([Engine; 2], Engine)> {
    let setup = || {
        let mut config = Config::new();
        config.deterministic(true).wasm_legacy_exceptions(true);
        config
    };
    let inlining = waft_tiers::optimising_tier(waft_tiers::Inlining::ALL).map_err(waft::Error::msg)?;
    let cranelift = [Engine::new(&setup())?, Engine::new(setup().tier(inlining))?];
    let baseline = waft_tiers::baseline_tier().map_err(waft::Error::msg)?;
    let baseline = Engine::new(setup().tier(baseline))?;
    Ok((cranelift, baseline))
}

/// A module that asks its host for nothing.
fn make_up(seed: u64) -> Option<Vec<u8>> {
    let mut prng = Prng::new(seed);
    let bytes = prng.bytes(MODULE_BYTES);
    let mut config = wasm_smith::Config {
        max_imports: 0,
        export_everything: true,
        max_memories: 2,
        max_memory32_bytes: 1 << 20,
        max_memory64_bytes: 1 << 20,
        max_tables: 3,
        max_table_elements: 1_000,
        min_funcs: 1,
        max_funcs: 12,
        bulk_memory_enabled: true,
        reference_types_enabled: true,
        simd_enabled: true,
        relaxed_simd_enabled: true,
        multi_value_enabled: true,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        tail_call_enabled: seed.is_multiple_of(2),
        gc_enabled: seed.is_multiple_of(3),
        exceptions_enabled: seed.is_multiple_of(3),
        threads_enabled: seed.is_multiple_of(5),
        memory64_enabled: seed.is_multiple_of(4),
        wide_arithmetic_enabled: true,
        extended_const_enabled: true,
        custom_page_sizes_enabled: seed.is_multiple_of(7),
        disallow_traps: seed % 4 != 1,
        ..wasm_smith::Config::default()
    };
    config.allow_start_export = seed.is_multiple_of(2);
    let mut module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok()?;
    module.ensure_termination(FUEL).ok()?;
    Some(module.to_bytes())
}

/// What a value is, but for the identity of what it refers to.
fn describe(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32 {value:#x}"),
        Val::I64(value) => format!("i64 {value:#x}"),
        Val::F32(bits) => format!("f32 {bits:#x}"),
        Val::F64(bits) => format!("f64 {bits:#x}"),
        Val::V128(value) => format!("v128 {:#x}", value.as_u128()),
        other => format!("a reference, null: {:?}", other.ref_().map(|reference| reference.is_null())),
    }
}

fn outcome<T>(result: Result<T>) -> Result<T, String> {
    result.map_err(|error| match error.downcast_ref::<Trap>() {
        // How much stack a frame takes differs.
        Some(trap) => format!("{trap:?}"),
        None => "error".to_owned(),
    })
}

fn argument(ty: &ValType, prng: &mut Prng) -> Option<Val> {
    let bits = match prng.below(3) {
        0 => prng.next_u64(),
        1 => prng.next_u64() & 0xff,
        _ => u64::MAX,
    };
    Some(match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32((bits as u32 as f32).to_bits()),
        ValType::F64 => Val::F64((bits as f64).to_bits()),
        other => return Val::default_for_ty(other),
    })
}

/// All that happens when a module's functions are called, one after the other.
fn run(engine: &Engine, wasm: &[u8], seed: u64) -> Vec<String> {
    let mut log = Vec::new();
    let module = match Module::new(engine, wasm) {
        Ok(module) => module,
        Err(error) => return vec![format!("no module: {error:#}")],
    };
    let mut store = Store::new(engine, ());
    let instance: Instance = match outcome(Linker::new(engine).instantiate(&mut store, &module)) {
        Ok(instance) => instance,
        Err(error) => return vec![format!("no instance: {error}")],
    };
    let mut prng = Prng::new(seed);
    let names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    for name in &names {
        let Some(func) = instance.get_func(&mut store, name) else { continue };
        let ty = func.ty(&store);
        let args: Option<Vec<Val>> = ty.params().map(|ty| argument(&ty, &mut prng)).collect();
        let Some(args) = args else { continue };
        let mut results = vec![Val::I32(0); ty.results().len()];
        let called = outcome(func.call(&mut store, &args, &mut results));
        if called.as_ref().is_err_and(|trap| trap.contains("StackOverflow")) {
            log.push("stack overflow".to_owned());
            return log;
        }
        let results: Vec<String> = results.iter().map(describe).collect();
        log.push(format!(
            "{name}({args:?}): {called:?} {}",
            if called.is_ok() { results.join(", ") } else { String::new() }
        ));
    }
    for name in &names {
        if let Some(memory) = instance.get_memory(&mut store, name) {
            // What a function grew may be most of what there is.
            let data = memory.data(&store);
            let start = &data[..data.len().min(MEMORY_BYTES)];
            let sum =
                start.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
            let sum = (sum, data.len());
            log.push(format!("{name}: {sum:x?}"));
        }
        if let Some(global) = instance.get_global(&mut store, name) {
            log.push(format!("{name}: {}", describe(&global.get(&mut store))));
        }
    }
    log
}

#[test]
fn tiers_agree_on_modules_made_up() {
    let (cranelift, baseline) = engines().expect("both tiers work here");
    let start = Instant::now();
    let first: u64 = std::env::var("WAFT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let last = if std::env::var("WAFT_SEED").is_ok() { first + 1 } else { MODULES_MAX };
    let (mut modules, mut calls, mut differ) = (0, 0, Vec::new());
    for seed in first..last {
        if start.elapsed() > TIME_MAX {
            break;
        }
        let Some(wasm) = make_up(seed) else { continue };
        if std::env::var("WAFT_VERBOSE").is_ok() {
            eprintln!("seed {seed}, {:?}", start.elapsed());
        }
        let (a, b) = (run(&cranelift[seed as usize % 2], &wasm, seed), run(&baseline, &wasm, seed));
        modules += 1;
        calls += a.len();
        let overflows = |log: &[String]| log.iter().any(|line| line == "stack overflow");
        if a != b && !overflows(&a) && !overflows(&b) {
            for (a, b) in a.iter().zip(&b).filter(|(a, b)| a != b).take(2) {
                println!("seed {seed}:\n  cranelift {a}\n  baseline  {b}");
            }
            if last == first + 1 {
                std::fs::write("/tmp/differ.wasm", &wasm).expect("it can be written");
            }
            differ.push(seed);
        }
    }
    println!("{modules} modules, {calls} outcomes, {} differ", differ.len());
    assert!(differ.is_empty(), "seeds on which tiers differ: {differ:?}");
}
