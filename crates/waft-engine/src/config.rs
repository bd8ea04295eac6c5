//! How an engine is set up: plain data, with the defaults that are right for most.

use std::sync::Arc;
use waft_core::proposal::{Proposal, ProposalSet, Status};
use waft_core::tier::{Tier, Tunables};

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
    pub(crate) proposals: ProposalSet,
    pub(crate) tunables: Tunables,
    pub(crate) tier: Option<Arc<dyn Tier>>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("max_wasm_stack", &self.max_wasm_stack)
            .field("parallel_compilation", &self.parallel_compilation)
            .field("proposals", &self.proposals)
            .field("tunables", &self.tunables)
            .field("tier", &self.tier.as_ref().map(|tier| tier.name()))
            .finish()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! switches_off {
    ($($name:ident $proposal:ident $example:literal;)*) => {$(
        #[doc = concat!("Switches the `", stringify!($proposal), "` proposal of WebAssembly; off by default.")]
        ///
        /// ```
        /// # use waft::*;
        #[doc = concat!("let text = r#\"(module ", $example, ")\"#;")]
        /// assert!(Module::new(&Engine::default(), text).is_err());
        #[doc = concat!("Module::new(&Engine::new(Config::new().", stringify!($name), "(true))?, text)?;")]
        /// # Ok::<(), Error>(())
        /// ```
        pub fn $name(&mut self, enable: bool) -> &mut Self {
            self.proposals.set(Proposal::$proposal, enable);
            self
        }
    )*};
}

macro_rules! switches {
    ($($name:ident $proposal:ident $example:literal;)*) => {$(
        #[doc = concat!("Switches the `", stringify!($proposal), "` proposal of WebAssembly; on by default.")]
        ///
        /// ```
        /// # use waft::*;
        #[doc = concat!("let text = r#\"(module ", $example, ")\"#;")]
        /// Module::new(&Engine::default(), text)?;
        #[doc = concat!("let without = Engine::new(Config::new().", stringify!($name), "(false))?;")]
        /// assert!(Module::new(&without, text).is_err());
        /// # Ok::<(), Error>(())
        /// ```
        pub fn $name(&mut self, enable: bool) -> &mut Self {
            self.proposals.set(Proposal::$proposal, enable);
            self
        }
    )*};
}

impl Config {
    /// The default setup: every supported proposal is on, compilation uses all processors.
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
            proposals: ProposalSet::on_by_default(),
            tunables: Tunables::default(),
            tier: None,
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

    /// Whether one module is validated and compiled by several threads; on by default.
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

    /// The tier that compiles modules, instead of the one that is built in: a test may bring its own.
    ///
    /// ```
    /// # use waft::*;
    /// // This is the one that is used anyway.
    /// let tier = waft_tiers::default_tier().map_err(Error::msg)?;
    /// let engine = Engine::new(Config::new().tier(tier))?;
    /// Module::new(&engine, "(module (func))")?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn tier(&mut self, tier: Arc<dyn Tier>) -> &mut Self {
        self.tier = Some(tier);
        self
    }

    switches! {
        wasm_multi_value MultiValue "(func (result i32 i32) i32.const 1 i32.const 2)";
        wasm_reference_types ReferenceTypes "(table 1 externref)";
        wasm_bulk_memory BulkMemory "(memory 1) (func (memory.fill (i32.const 0) (i32.const 7) (i32.const 9)))";
        wasm_simd Simd "(func (param v128))";
        wasm_sign_extension SignExtension "(func (param i32) (drop (i32.extend8_s (local.get 0))))";
        wasm_saturating_float_to_int SaturatingFloatToInt "(func (param f32) (drop (i32.trunc_sat_f32_s (local.get 0))))";
        wasm_mutable_global MutableGlobal r#"(global (export "g") (mut i32) (i32.const 0))"#;
        wasm_tail_call TailCall "(func (return_call 0))";
        wasm_multi_memory MultiMemory "(memory 1) (memory 1)";
        wasm_wide_arithmetic WideArithmetic "(func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))";
        wasm_compact_imports CompactImports r#"(import "m" (item "a" (func)) (item "b" (func)))"#;
        wasm_extended_const ExtendedConst "(global i32 (i32.add (i32.const 1) (i32.const 2)))";
        wasm_exceptions Exceptions "(tag $t) (func (throw $t))";
    }

    switches_off! {
        wasm_legacy_exceptions LegacyExceptions "(func try catch_all end)";
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
