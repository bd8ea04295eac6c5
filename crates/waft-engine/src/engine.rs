//! The engine: what modules and stores share.

use crate::cache::CacheKey;
use crate::config::{Config, TierChoice};
use crate::profiling::{self, Profiler};
use crate::threads::processors;
use crate::tier_up::Optimizer;
use crate::type_registry::TypeRegistry;
use anyhow::Result;
use std::sync::Arc;
use waft_core::tier::{Tier, Tunables};

/// Compiles modules and runs their instances; cheap to clone, shared by all threads.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(&engine, "(module)")?;
/// assert!(Engine::same(&engine, module.engine()));
/// let alike = Engine::new(engine.config())?;
/// assert!(!Engine::same(&engine, &alike));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine(Arc<EngineInner>);

struct EngineInner {
    config: Config,
    /// What modules are compiled with as a whole, and functions where there is no optimizer.
    tier: Arc<dyn Tier>,
    /// What functions are compiled with first, and what makes them anew.
    auto: Option<(Arc<dyn Tier>, Optimizer)>,
    types: Arc<TypeRegistry>,
    profiler: Option<Arc<Profiler>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Engine").field(&self.0.config).finish()
    }
}

impl Default for Engine {
    /// An engine with the default setup.
    ///
    /// # Panics
    ///
    /// If no tier can compile on this machine: see [`Engine::new`].
    fn default() -> Self {
        Self::new(&Config::default()).expect("the default setup works where a tier does")
    }
}

impl Engine {
    /// An engine with this setup.
    ///
    /// # Errors
    ///
    /// If the setup is contradictory or asks for what Waft does not support, if no tier can compile here, or if the file
    /// for a profiler cannot be made.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().max_wasm_stack(1 << 20))?;
    /// // No guest can run on so little.
    /// assert!(Engine::new(Config::new().max_wasm_stack(1)).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(config: &Config) -> Result<Self> {
        config.check()?;
        let tier = match &config.tier {
            TierChoice::Auto | TierChoice::Optimized => waft_tiers::optimized_tier(),
            TierChoice::Baseline => waft_tiers::baseline_tier(),
            TierChoice::Only(tier) => Ok(tier.clone()),
        };
        let tier = tier.map_err(anyhow::Error::msg)?;
        let auto = match &config.tier {
            TierChoice::Auto => {
                let first = waft_tiers::baseline_tier().map_err(anyhow::Error::msg)?;
                Some((first, Optimizer::new(config.tier_stress)))
            }
            _ => None,
        };
        for tier in [Some(&tier), auto.as_ref().map(|(first, _)| first)].into_iter().flatten() {
            let gaps: Vec<_> = tier.gaps().iter().filter(|gap| config.proposals.contains(*gap)).collect();
            let names: Vec<_> = gaps.iter().map(|gap| gap.name()).collect();
            anyhow::ensure!(
                gaps.is_empty(),
                "the tier `{}` does not support {}",
                tier.name(),
                names.join(", ")
            );
        }
        let types = Arc::new(TypeRegistry::new()?);
        let profiler = profiling::open(config.profiler)?;
        Ok(Self(Arc::new(EngineInner { config: config.clone(), tier, auto, types, profiler })))
    }

    /// Its setup.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Whether two handles mean one engine.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::default();
    /// assert!(Engine::same(&engine, &engine.clone()));
    /// assert!(!Engine::same(&engine, &Engine::default()));
    /// ```
    pub fn same(one: &Self, other: &Self) -> bool {
        Arc::ptr_eq(&one.0, &other.0)
    }

    /// The tier that compiles whole modules.
    pub(crate) fn tier(&self) -> &dyn Tier {
        &*self.0.tier
    }
    /// The tier that compiles functions when they are called.
    pub(crate) fn first_tier(&self) -> &dyn Tier {
        match &self.0.auto {
            Some((first, _)) => &**first,
            None => &*self.0.tier,
        }
    }
    /// What compiles hot functions anew, if the engine does that.
    pub(crate) fn optimizer(&self) -> Option<&Optimizer> {
        self.0.auto.as_ref().map(|(_, optimizer)| optimizer)
    }
    /// What modules are told apart by in its cache; none if it has no cache, or one that cannot be used.
    pub(crate) fn cache_key(&self) -> Option<Arc<CacheKey>> {
        self.0.config.cache.as_ref()?.key()
    }
    /// How many threads may work on one module at once.
    pub(crate) fn threads(&self) -> usize {
        if self.0.config.parallel_compilation { processors() } else { 1 }
    }
    /// Whether functions are compiled when they are called.
    pub(crate) fn is_lazy(&self) -> bool {
        self.0.auto.is_some() || self.0.config.lazy_compilation
    }
    pub(crate) fn tunables(&self) -> &Tunables {
        &self.0.config.tunables
    }
    pub(crate) fn types(&self) -> &Arc<TypeRegistry> {
        &self.0.types
    }
    pub(crate) fn profiler(&self) -> Option<&Profiler> {
        self.0.profiler.as_deref()
    }

    /// All that compiled code depends on: precompiled modules run only on an engine with the same fingerprint.
    pub(crate) fn fingerprint(&self) -> String {
        let tier = self.tier();
        // All of them: a new one does not compile until it stands here.
        let Tunables { memory_reservation_bytes, relaxed_simd_deterministic, canonical_nans } =
            *self.tunables();
        format!(
            "waft {} | {} | {} | memory reservation {memory_reservation_bytes} | \
             canonical NaNs: {canonical_nans} | deterministic relaxed SIMD: {relaxed_simd_deterministic} | \
             proposals: {}",
            env!("CARGO_PKG_VERSION"),
            tier.name(),
            tier.fingerprint(),
            self.config().proposals
        )
    }
}
