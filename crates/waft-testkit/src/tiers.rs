//! Whether tiers agree: a module made up gives the same results, traps, memories and globals on all of them.

use crate::prng::Prng;
use waft::{
    Config, Engine, Error, Instance, Linker, Module, Result, Store, StoreLimitsBuilder, TierChoice, Trap,
    Val, ValType,
};

/// The most bytes of a memory and elements of a table: what grows in a loop stops soon.
const MEMORY_BYTES_MAX: usize = 64 << 20;
const TABLE_ELEMENTS_MAX: usize = 100_000;
/// So many bytes of a memory are compared.
const MEMORY_BYTES: usize = 256 << 10;
/// Steps after which a function made up gives up.
const FUEL: u32 = 2_000;
/// The outcome that depends on how much stack frames take, as it is written down: what comes after it is not compared.
const STACK_OVERFLOW: &str = "StackOverflow";

/// An engine for each way to compile.
pub struct Tiers {
    optimized: Engine,
    others: [(&'static str, Engine); 2],
}

fn setup() -> Config {
    let mut config = Config::new();
    config.deterministic(true).wasm_legacy_exceptions(true);
    config
}

impl Tiers {
    /// The tiers of this machine.
    ///
    /// # Errors
    ///
    /// If one of them does not work here.
    pub fn new() -> Result<Self> {
        let all_in_place =
            waft_tiers::optimized_tier_inlining(waft_tiers::Inlining::ALL).map_err(Error::msg)?;
        let others = [("baseline", TierChoice::Baseline), ("calls in place", all_in_place.into())];
        let [baseline, all_in_place] =
            others.map(|(name, tier)| Engine::new(setup().tier(tier)).map(|engine| (name, engine)));
        Ok(Self {
            optimized: Engine::new(setup().tier(TierChoice::Optimized))?,
            others: [baseline?, all_in_place?],
        })
    }

    /// Calls what a module exports on each tier, and while tiers are switched, with arguments that follow from `seed`; how much
    /// could be compared.
    ///
    /// # Errors
    ///
    /// What differs first.
    pub fn check(&self, wasm: &[u8], seed: u64) -> Result<usize, String> {
        let wanted = run(&self.optimized, wasm, seed);
        for (name, engine) in &self.others {
            compare(&wanted, name, &run(engine, wasm, seed))?;
        }
        // An engine of its own: what is switched follows from the seed.
        let switching = Engine::new(setup().tier_stress(Some(seed))).map_err(|error| error.to_string())?;
        compare(&wanted, "switching", &run(&switching, wasm, seed))?;
        Ok(wanted.len())
    }
}

fn compare(wanted: &[String], name: &str, found: &[String]) -> Result<(), String> {
    let overflows = |log: &[String]| log.iter().any(|line| line == STACK_OVERFLOW);
    if wanted == found || overflows(wanted) || overflows(found) {
        return Ok(());
    }
    let end = || "nothing more".to_owned();
    let at = wanted.iter().zip(found).take_while(|(a, b)| a == b).count();
    let [wanted, found] = [wanted, found].map(|log| log.get(at).cloned().unwrap_or_else(end));
    Err(format!("optimized: {wanted}\n{name}: {found}"))
}

/// A module that asks its host for nothing and ends soon, made of `bytes`; which proposals it may use follows from `seed`.
pub fn make_up(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
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
    let mut module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(bytes)).ok()?;
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
    let limits =
        StoreLimitsBuilder::new().memory_size(MEMORY_BYTES_MAX).table_elements(TABLE_ELEMENTS_MAX).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    let instance: Instance = match outcome(Linker::new(engine).instantiate(&mut store, &module)) {
        Ok(instance) => instance,
        Err(error) if error == STACK_OVERFLOW => return vec![error],
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
        if called.as_ref().is_err_and(|trap| trap == STACK_OVERFLOW) {
            log.push(STACK_OVERFLOW.to_owned());
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
