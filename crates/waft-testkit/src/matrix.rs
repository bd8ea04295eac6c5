//! Under which engines every script runs: one row for each tier with each instance policy.
//!
//! A row that is added here is tested by all that is tested, and has a list of expected failures of its own.

use waft::{Config, Engine, Error, GcStress, Result};

/// One way to run guests.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The tier that compiles; also the name of the list under `tests/expect-fail/`.
    pub tier: &'static str,
    /// Where instances come from.
    pub policy: &'static str,
    /// Makes the engine, whose proposals are set already.
    pub engine: fn(Config) -> Result<Engine>,
}

/// All of them.
pub const MATRIX: &[Row] = &[
    Row { tier: "cranelift", policy: "on-demand", engine: cranelift_on_demand },
    Row { tier: "cranelift", policy: "minor collection at every allocation", engine: cranelift_gc_minor },
    Row { tier: "cranelift", policy: "full collection at every allocation", engine: cranelift_gc_full },
    Row { tier: "cranelift", policy: "lazy", engine: cranelift_lazy },
    Row { tier: "cranelift", policy: "lazy, full collection at every allocation", engine: cranelift_lazy_gc },
    Row { tier: "cranelift", policy: "on-demand, deterministic", engine: cranelift_deterministic },
    Row { tier: "cranelift", policy: "all calls in place", engine: cranelift_inlining },
    Row {
        tier: "cranelift",
        policy: "lazy, all calls in place, full collection",
        engine: cranelift_inlining_gc,
    },
    Row { tier: "baseline", policy: "on-demand", engine: baseline_on_demand },
    Row { tier: "baseline", policy: "minor collection at every allocation", engine: baseline_gc_minor },
    Row { tier: "baseline", policy: "full collection at every allocation", engine: baseline_gc_full },
    Row { tier: "baseline", policy: "lazy, full collection at every allocation", engine: baseline_lazy_gc },
    Row { tier: "baseline", policy: "on-demand, deterministic", engine: baseline_deterministic },
];

fn cranelift_on_demand(config: Config) -> Result<Engine> {
    Engine::new(&config)
}

fn cranelift_gc_minor(mut config: Config) -> Result<Engine> {
    Engine::new(config.gc_stress(GcStress::Minor))
}

fn cranelift_gc_full(mut config: Config) -> Result<Engine> {
    Engine::new(config.gc_stress(GcStress::Full))
}

fn cranelift_lazy(mut config: Config) -> Result<Engine> {
    Engine::new(config.lazy_compilation(true))
}

fn cranelift_lazy_gc(mut config: Config) -> Result<Engine> {
    Engine::new(config.lazy_compilation(true).gc_stress(GcStress::Full))
}

fn cranelift_deterministic(mut config: Config) -> Result<Engine> {
    Engine::new(config.deterministic(true))
}

/// An engine that translates all calls in place for which there is a limit.
fn cranelift_inlining(mut config: Config) -> Result<Engine> {
    let tier = waft_tiers::optimising_tier(waft_tiers::Inlining::ALL).map_err(Error::msg)?;
    Engine::new(config.tier(tier))
}

fn cranelift_inlining_gc(mut config: Config) -> Result<Engine> {
    cranelift_inlining(config.lazy_compilation(true).gc_stress(GcStress::Full).clone())
}

/// Lets the baseline tier compile, and switches off what it does not.
fn baseline(config: &mut Config) -> Result<&mut Config> {
    let tier = waft_tiers::baseline_tier().map_err(Error::msg)?;
    for gap in tier.gaps().iter() {
        config.wasm_proposal(gap, false);
    }
    Ok(config.tier(tier))
}

fn baseline_on_demand(mut config: Config) -> Result<Engine> {
    Engine::new(baseline(&mut config)?)
}

fn baseline_gc_minor(mut config: Config) -> Result<Engine> {
    Engine::new(baseline(&mut config)?.gc_stress(GcStress::Minor))
}

fn baseline_gc_full(mut config: Config) -> Result<Engine> {
    Engine::new(baseline(&mut config)?.gc_stress(GcStress::Full))
}

fn baseline_lazy_gc(mut config: Config) -> Result<Engine> {
    Engine::new(baseline(&mut config)?.lazy_compilation(true).gc_stress(GcStress::Full))
}

fn baseline_deterministic(mut config: Config) -> Result<Engine> {
    Engine::new(baseline(&mut config)?.deterministic(true))
}
