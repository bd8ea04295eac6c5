//! How an engine is set up: plain data, with the defaults that are right for most.

use crate::cache::Cache;
use crate::profiling::ProfilingStrategy;
use crate::proposal::is_switch;
use std::sync::Arc;
use waft_core::proposal::{Proposal, ProposalSet, Status};
use waft_core::tier::{Tier, Tunables};

/// ```
/// use waft::*;
///
/// assert_eq!(GcStress::default(), GcStress::Off);
/// ```
pub use crate::vm::GcStress;

/// Which compilers an engine uses, and when.
///
/// ```
/// use waft::*;
///
/// let mut config = Config::new();
/// config.tier(TierChoice::Optimized);
/// // A tier of one's own can be given as well.
/// config.tier(waft_tiers::baseline_tier().map_err(Error::msg)?);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum TierChoice {
    /// Functions are compiled by the baseline tier when they are first called. Those that turn out to be hot are compiled anew by
    /// the optimizing tier, in the background, and so are loops that run for long.
    #[default]
    Auto,
    /// The baseline tier alone: it compiles fast, and its code is a little slower.
    Baseline,
    /// The optimizing tier alone.
    Optimized,
    /// This one alone.
    Only(Arc<dyn Tier>),
}

impl std::fmt::Debug for TierChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => f.write_str("Auto"),
            Self::Baseline => f.write_str("Baseline"),
            Self::Optimized => f.write_str("Optimized"),
            Self::Only(tier) => f.debug_tuple("Only").field(&tier.name()).finish(),
        }
    }
}

impl<T: Tier + 'static> From<Arc<T>> for TierChoice {
    fn from(tier: Arc<T>) -> Self {
        Self::Only(tier)
    }
}

impl From<Arc<dyn Tier>> for TierChoice {
    fn from(tier: Arc<dyn Tier>) -> Self {
        Self::Only(tier)
    }
}

/// The setup of an [`Engine`](crate::Engine).
///
/// ```
/// use waft::{Config, Engine};
///
/// # fn main() -> waft::Result<()> {
/// let mut config = Config::new();
/// config.max_wasm_stack(1 << 20).wasm_simd(false);
/// let engine = Engine::new(&config)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) max_wasm_stack: usize,
    pub(crate) parallel_compilation: bool,
    pub(crate) lazy_compilation: bool,
    pub(crate) proposals: ProposalSet,
    pub(crate) tunables: Tunables,
    pub(crate) huge_pages: bool,
    pub(crate) tier: TierChoice,
    pub(crate) tier_stress: Option<u64>,
    pub(crate) gc_stress: GcStress,
    pub(crate) cache: Option<Cache>,
    pub(crate) profiler: ProfilingStrategy,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("max_wasm_stack", &self.max_wasm_stack)
            .field("parallel_compilation", &self.parallel_compilation)
            .field("lazy_compilation", &self.lazy_compilation)
            .field("proposals", &self.proposals)
            .field("tunables", &self.tunables)
            .field("huge_pages", &self.huge_pages)
            .field("gc_stress", &self.gc_stress)
            .field("cache", &self.cache)
            .field("tier", &self.tier)
            .field("tier_stress", &self.tier_stress)
            .field("profiler", &self.profiler)
            .finish()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// `on`, or what stands in a row of [`switches`].
macro_rules! default_of {
    () => {
        "on"
    };
    (off) => {
        "off"
    };
}

/// A method for each proposal; `off` stands before the example if it is off by default.
macro_rules! switches {
    ($($name:ident $proposal:ident $($off:ident)? $example:literal;)*) => {
        $(
            #[doc = concat!(
                "Switches the `", stringify!($proposal), "` proposal of WebAssembly; ", default_of!($($off)?),
                " by default.",
            )]
            ///
            /// ```
            /// # use waft::*;
            #[doc = concat!("let text = r#\"(module ", $example, ")\"#;")]
            #[doc = concat!("let with = Engine::new(Config::new().", stringify!($name), "(true))?;")]
            /// Module::new(&with, text)?;
            #[doc = concat!("let without = Engine::new(Config::new().", stringify!($name), "(false))?;")]
            /// assert!(Module::new(&without, text).is_err());
            /// # Ok::<(), Error>(())
            /// ```
            pub fn $name(&mut self, enable: bool) -> &mut Self {
                const {
                    assert!(is_switch(stringify!($name), Proposal::$proposal.name()));
                    let is_on = matches!(Proposal::$proposal.status(), Status::On);
                    assert!(is_on == matches!(default_of!($($off)?).as_bytes(), b"on"));
                }
                self.wasm_proposal(Proposal::$proposal, enable)
            }
        )*

        /// The proposals that have a method.
        #[cfg(test)]
        const SWITCHES: &[Proposal] = &[Proposal::BranchHinting, $(Proposal::$proposal),*];
    };
}

impl Config {
    /// The default setup: every proposal is on that is supported and not only for old modules, compilation uses all
    /// processors.
    ///
    /// ```
    /// # use waft::*;
    /// let mut config = Config::new();
    /// config.parallel_compilation(false);
    /// let engine = Engine::new(&config)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            max_wasm_stack: 512 << 10,
            parallel_compilation: true,
            lazy_compilation: false,
            proposals: ProposalSet::on_by_default(),
            tunables: Tunables::default(),
            huge_pages: false,
            tier: TierChoice::Auto,
            tier_stress: None,
            gc_stress: GcStress::Off,
            cache: None,
            profiler: ProfilingStrategy::None,
        }
    }

    /// Bytes of stack that guests may use before they trap; 512 KiB by default. The thread's own stack must be larger
    /// by what host functions need.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().max_wasm_stack(64 << 10))?;
    /// let module = Module::new(&engine, r#"(module (func $f (export "f") call $f))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let error = instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ()).unwrap_err();
    /// assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_wasm_stack = bytes;
        self
    }

    /// Whether linear memories of 4 MiB and more are made of huge pages, if the kernel has them for those who ask; off by default.
    ///
    /// Programs that use much memory take up to a third less time. But the first use of each 2 MiB clears all of them (60 to 200 µs), and they
    /// stay in use: short calls of fresh instances are better off without. Whatever is asked for here, Linux gives huge
    /// pages to all or to nobody if `/sys/kernel/mm/transparent_hugepage/enabled` says so.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().huge_pages(true))?;
    /// Memory::new(Store::new(&engine, ()), MemoryType::new(64, None))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn huge_pages(&mut self, prefer: bool) -> &mut Self {
        self.huge_pages = prefer;
        self
    }

    /// Whether one module is read, validated and compiled by several threads; on by default.
    ///
    /// ```
    /// # use waft::*;
    /// // For a host that compiles many modules at once, each on a thread of its own.
    /// let engine = Engine::new(Config::new().parallel_compilation(false))?;
    /// Module::new(&engine, "(module (func) (func))")?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn parallel_compilation(&mut self, parallel: bool) -> &mut Self {
        self.parallel_compilation = parallel;
        self
    }

    /// Whether functions are compiled when they are first called, instead of all of them by [`Module::new`]; off by default.
    /// With [`TierChoice::Auto`] they always are.
    ///
    /// A module starts sooner, and what is never called takes no time and no memory; what is called runs somewhat slower,
    /// because calls within a module go by way of a table. Modules are decoded and validated as a whole all the same. A
    /// function that the tier cannot compile is an error of its first call, with the message that [`Module::new`] would
    /// give. Threads that call one function at once compile it once. Precompiled modules have all their code, whoever
    /// makes them; those that are found in a cache have what was called before.
    ///
    /// [`Module::new`]: crate::Module::new
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().tier(TierChoice::Optimized).lazy_compilation(true))?;
    /// let module = Module::new(&engine, "(module (func $start) (start $start) (func $unused))")?;
    /// assert_eq!(module.code_size(), 0);
    /// Instance::new(&mut Store::new(&engine, ()), &module, &[])?;
    /// assert_eq!((module.compiled_functions(), module.defined_functions()), (1, 2));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lazy_compilation(&mut self, lazy: bool) -> &mut Self {
        self.lazy_compilation = lazy;
        self
    }

    /// Which compilers modules go through: [`TierChoice::Auto`] by default.
    ///
    /// What a program does is the same whichever it is: results, traps, backtraces, limits.
    ///
    /// ```
    /// # use waft::*;
    /// for choice in [TierChoice::Auto, TierChoice::Baseline, TierChoice::Optimized] {
    ///     let engine = Engine::new(Config::new().tier(choice))?;
    ///     Module::new(&engine, "(module (func))")?;
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn tier(&mut self, tier: impl Into<TierChoice>) -> &mut Self {
        self.tier = tier.into();
        self
    }

    /// Has [`TierChoice::Auto`] switch tiers at random places and times, by numbers from this seed, in place of what is hot; for
    /// tests. Nothing is compiled in the background then: one seed gives one course of things, in a program of one thread.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().tier_stress(Some(1)))?;
    /// let module = Module::new(&engine, r#"(module (func (export "sum") (param i32) (result i32) (local i32)
    ///     (loop (local.set 1 (i32.add (local.get 1) (local.get 0)))
    ///         (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    ///     local.get 1))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let sum = instance.get_typed_func::<i32, i32>(&mut store, "sum")?;
    /// for _ in 0..10 {
    ///     assert_eq!(sum.call(&mut store, 1000)?, 500_500);
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    pub fn tier_stress(&mut self, seed: Option<u64>) -> &mut Self {
        self.tier_stress = seed;
        self
    }

    /// Where compiled code is kept for later processes; nowhere by default.
    ///
    /// ```
    /// # use waft::*;
    /// # let directory = std::env::temp_dir().join(format!("waft-example-{}-config-cache", std::process::id()));
    /// let mut config = CacheConfig::new();
    /// config.with_directory(&directory);
    /// let cache = Cache::new(config)?;
    /// let engine = Engine::new(Config::new().tier(TierChoice::Optimized).cache(Some(cache.clone())))?;
    /// Module::new(&engine, "(module (func))")?;
    /// assert_eq!(cache.usage()?.entries, 1);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn cache(&mut self, cache: Option<Cache>) -> &mut Self {
        self.cache = cache;
        self
    }

    /// For which profiler functions are described as they are compiled; for none by default.
    ///
    /// Linux's `perf` then names the functions of guests, as backtraces do, with the tier that compiled them:
    /// `module!function [tier]`. With [`ProfilingStrategy::PerfMap`] it reads `/tmp/perf-PID.map` by itself. With
    /// [`ProfilingStrategy::JitDump`] the code is kept too, to be annotated, in `jit-PID.dump` in the directory that is current
    /// when the first such engine is made: `perf record -k mono`, then `perf inject --jit`.
    ///
    /// The files belong to the process, not to the engine, and are not removed. [`Engine::new`] fails if they cannot be made,
    /// or if something is there that is not ours alone. If one cannot be written later, a line on standard error says so, once.
    /// Precompiled code and that of a cache is copied then, and not mapped from its file, where `perf` would look.
    ///
    /// [`Engine::new`]: crate::Engine::new
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().profiler(ProfilingStrategy::PerfMap).tier(TierChoice::Optimized))?;
    /// Module::new(&engine, "(module $app (func $main))")?;
    /// let path = format!("/tmp/perf-{}.map", std::process::id());
    /// assert!(std::fs::read_to_string(&path)?.contains(" app!main ["));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn profiler(&mut self, profile: ProfilingStrategy) -> &mut Self {
        self.profiler = profile;
        self
    }

    /// Whether every allocation in a store's GC heap collects first, to find references that no collection sees; for tests.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().gc_stress(GcStress::Full))?;
    /// let mut store = Store::new(&engine, ());
    /// let text = r#"(module (type $pair (struct (field i32) (field (ref null $pair))))
    ///     (func (export "f") (result i32)
    ///         (struct.get $pair 0 (struct.get $pair 1 (struct.new $pair (i32.const 1)
    ///             (struct.new $pair (i32.const 2) (ref.null $pair)))))))"#;
    /// let instance = Instance::new(&mut store, &Module::new(&engine, text)?, &[])?;
    /// assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "f")?.call(&mut store, ())?, 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn gc_stress(&mut self, stress: GcStress) -> &mut Self {
        self.gc_stress = stress;
        self
    }

    /// Whether the results of all operators are the same on every machine, as the standard's [deterministic profile]
    /// prescribes; off by default.
    ///
    /// It settles what is otherwise left open: every NaN that is computed is the canonical one, positive (by default
    /// its sign and payload are the processor's), and relaxed SIMD operators are deterministic
    /// ([`Config::relaxed_simd_deterministic`]). It costs a comparison and a selection for each float operator.
    /// Where growing a memory or table fails is still a matter of limits, and the host's answers are the host's.
    ///
    /// [deterministic profile]: https://webassembly.github.io/spec/core/appendix/profiles.html
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().deterministic(true))?;
    /// let module = Module::new(&engine, r#"(module (func (export "f") (param f32 f32) (result i32)
    ///     (i32.reinterpret_f32 (f32.div (local.get 0) (local.get 1)))))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let divide = instance.get_typed_func::<(f32, f32), u32>(&mut store, "f")?;
    /// // x86 makes the negative NaN of it, ARM the positive one.
    /// assert_eq!(divide.call(&mut store, (0.0, 0.0))?, 0x7fc0_0000);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn deterministic(&mut self, enable: bool) -> &mut Self {
        self.tunables.canonical_nans = enable;
        self.relaxed_simd_deterministic(enable)
    }

    /// Whether relaxed SIMD operators give the same results on every machine; off by default, and a part of
    /// [`Config::deterministic`].
    ///
    /// What these operators make of NaNs, numbers out of range and mixed masks, and whether `relaxed_madd` rounds once
    /// or twice, is left to the implementation: by default it is what this processor does fastest. Switched on, it is
    /// what the standard's [deterministic profile] prescribes: the operator without *relaxed* in its name, two
    /// roundings, and a dot product of signed numbers.
    ///
    /// [deterministic profile]: https://webassembly.github.io/spec/core/appendix/profiles.html
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().relaxed_simd_deterministic(true))?;
    /// let module = Module::new(&engine, r#"(module (func (export "f") (result i32)
    ///     (i32x4.extract_lane 0 (i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 nan 0 0 0)))))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// // As `i32x4.trunc_sat_f32x4_s`. What x86 does fastest is `i32::MIN`.
    /// assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "f")?.call(&mut store, ())?, 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn relaxed_simd_deterministic(&mut self, enable: bool) -> &mut Self {
        self.tunables.relaxed_simd_deterministic = enable;
        self
    }

    switches! {
        wasm_multi_value MultiValue "(func (result i32 i32) i32.const 1 i32.const 2)";
        wasm_reference_types ReferenceTypes "(table 1 externref)";
        wasm_bulk_memory BulkMemory "(memory 1) (func (memory.fill (i32.const 0) (i32.const 7) (i32.const 9)))";
        wasm_simd Simd "(func (param v128))";
        wasm_relaxed_simd RelaxedSimd "(func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))";
        wasm_sign_extension SignExtension "(func (param i32) (drop (i32.extend8_s (local.get 0))))";
        wasm_saturating_float_to_int SaturatingFloatToInt "(func (param f32) (drop (i32.trunc_sat_f32_s (local.get 0))))";
        wasm_mutable_global MutableGlobal r#"(global (export "g") (mut i32) (i32.const 0))"#;
        wasm_tail_call TailCall "(func (return_call 0))";
        wasm_memory64 Memory64 "(memory i64 1) (table i64 1 funcref)";
        wasm_multi_memory MultiMemory "(memory 1) (memory 1)";
        wasm_threads Threads "(memory 1 1 shared)";
        wasm_function_references FunctionReferences "(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))";
        wasm_gc Gc "(type (struct (field i32)))";
        wasm_wide_arithmetic WideArithmetic "(func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))";
        wasm_custom_page_sizes CustomPageSizes "(memory 1 (pagesize 1))";
        wasm_compact_imports CompactImports r#"(import "m" (item "a" (func)) (item "b" (func)))"#;
        wasm_extended_const ExtendedConst "(global i32 (i32.add (i32.const 1) (i32.const 2)))";
        wasm_exceptions Exceptions "(tag $t) (func (throw $t))";
        wasm_legacy_exceptions LegacyExceptions off "(func try catch_all end)";
    }

    /// Switches a proposal of WebAssembly that is known only at run time. The others have a method each.
    ///
    /// ```
    /// # use waft::*;
    /// let proposal = Proposal::of_name("tail-call").context("no such proposal")?;
    /// let engine = Engine::new(Config::new().wasm_proposal(proposal, false))?;
    /// assert!(Module::new(&engine, "(module (func (return_call 0)))").is_err());
    /// // What is not supported cannot be switched on.
    /// assert!(Engine::new(Config::new().wasm_proposal(Proposal::StackSwitching, true)).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wasm_proposal(&mut self, proposal: Proposal, enable: bool) -> &mut Self {
        self.proposals.set(proposal, enable);
        self
    }

    /// Switches the `BranchHinting` proposal of WebAssembly: code is laid out so that branches go straight on where
    /// the module's custom section `metadata.code.branch_hint` says that they nearly always go. On by default.
    ///
    /// No module is refused without it, or because its hints are malformed: those are ignored.
    ///
    /// ```
    /// # use waft::*;
    /// let text = r#"(module (func (param i32)
    ///     local.get 0 (@metadata.code.branch_hint "\00") if unreachable end))"#;
    /// let module = Module::new(&Engine::default(), text)?;
    /// assert_eq!(module.proposals_used()?.unwrap(), ["branch-hinting"]);
    /// Module::new(&Engine::new(Config::new().wasm_branch_hinting(false))?, text)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wasm_branch_hinting(&mut self, enable: bool) -> &mut Self {
        self.wasm_proposal(Proposal::BranchHinting, enable)
    }

    /// What is wrong with the setup, if anything is.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.max_wasm_stack >= 16 << 10,
            "max_wasm_stack is {} bytes; a guest needs at least 16384",
            self.max_wasm_stack
        );
        for proposal in self.proposals.iter() {
            anyhow::ensure!(
                proposal.status() != Status::Missing,
                "the proposal `{}` cannot be switched on: Waft does not support it yet",
                proposal.name()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_proposal_that_is_supported_has_a_switch() {
        for proposal in Proposal::ALL {
            let supported = proposal.status() != Status::Missing;
            assert_eq!(Config::SWITCHES.contains(proposal), supported, "{}", proposal.name());
        }
    }
}
