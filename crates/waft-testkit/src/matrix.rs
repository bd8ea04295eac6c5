//! Under which engines every script runs: one row for each tier with each instance policy.
//!
//! A row that is added here is tested by all that is tested, and has a list of expected failures of its own.

use waft::{Config, Engine, GcStress, Result, TierChoice};

/// One way to run guests.
#[derive(Clone, Debug)]
pub struct Row {
    /// The tier that compiles; also the name of the list under `tests/expect-fail/`.
    pub tier: &'static str,
    /// Where instances come from.
    pub policy: &'static str,
    choice: TierChoice,
    setup: fn(&mut Config) -> &mut Config,
}

impl Row {
    /// Makes the engine, whose proposals are set already.
    ///
    /// # Errors
    ///
    /// If the engine cannot be had here.
    pub fn engine(&self, mut config: Config) -> Result<Engine> {
        Engine::new((self.setup)(config.tier(self.choice.clone())))
    }
}

const fn row(choice: TierChoice, policy: &'static str, setup: fn(&mut Config) -> &mut Config) -> Row {
    let tier = match choice {
        TierChoice::Baseline => "baseline",
        TierChoice::Optimized => "cranelift",
        _ => "auto",
    };
    Row { tier, policy, choice, setup }
}

use TierChoice::{Auto, Baseline, Optimized};

const ON_DEMAND: &str = "on-demand";
const GC_MINOR: &str = "minor collection at every allocation";
const GC_FULL: &str = "full collection at every allocation";
const LAZY_GC: &str = "lazy, full collection at every allocation";
const DETERMINISTIC: &str = "on-demand, deterministic";

/// All of them.
pub const MATRIX: &[Row] = &[
    row(Optimized, ON_DEMAND, |config| config),
    row(Optimized, GC_MINOR, |config| config.gc_stress(GcStress::Minor)),
    row(Optimized, GC_FULL, |config| config.gc_stress(GcStress::Full)),
    row(Optimized, "lazy", |config| config.lazy_compilation(true)),
    row(Optimized, LAZY_GC, |config| config.lazy_compilation(true).gc_stress(GcStress::Full)),
    row(Optimized, DETERMINISTIC, |config| config.deterministic(true)),
    row(Optimized, "all calls in place", all_in_place),
    row(Optimized, "lazy, all calls in place, full collection", |config| {
        all_in_place(config.lazy_compilation(true).gc_stress(GcStress::Full))
    }),
    row(Baseline, ON_DEMAND, |config| config),
    row(Baseline, GC_MINOR, |config| config.gc_stress(GcStress::Minor)),
    row(Baseline, GC_FULL, |config| config.gc_stress(GcStress::Full)),
    row(Baseline, LAZY_GC, |config| config.lazy_compilation(true).gc_stress(GcStress::Full)),
    row(Baseline, DETERMINISTIC, |config| config.deterministic(true)),
    row(Auto, ON_DEMAND, |config| config),
    row(Auto, "switched at random", |config| config.tier_stress(Some(1))),
    row(Auto, "switched at random, full collection at every allocation", |config| {
        config.tier_stress(Some(2)).gc_stress(GcStress::Full)
    }),
];

/// Has all calls translated in place for which there is a limit.
fn all_in_place(config: &mut Config) -> &mut Config {
    let tier = waft_tiers::optimized_tier_inlining(waft_tiers::Inlining::ALL);
    config.tier(tier.expect("the tier works where it is tested"))
}
