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

macro_rules! switches {
    ($($name:ident $proposal:ident;)*) => {$(
        #[doc = concat!("Switches the `", stringify!($proposal), "` proposal of WebAssembly; on by default.")]
        pub fn $name(&mut self, enable: bool) -> &mut Self {
            self.proposals.set(Proposal::$proposal, enable);
            self
        }
    )*};
}

impl Config {
    /// The default setup: every supported proposal is on, compilation uses all processors.
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
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Self {
        self.max_wasm_stack = bytes;
        self
    }

    /// Whether one module is validated and compiled by several threads; on by default.
    pub fn parallel_compilation(&mut self, parallel: bool) -> &mut Self {
        self.parallel_compilation = parallel;
        self
    }

    /// The tier that compiles modules, instead of the one that is built in: a test may bring its own.
    pub fn tier(&mut self, tier: Arc<dyn Tier>) -> &mut Self {
        self.tier = Some(tier);
        self
    }

    switches! {
        wasm_multi_value MultiValue;
        wasm_reference_types ReferenceTypes;
        wasm_bulk_memory BulkMemory;
        wasm_simd Simd;
        wasm_sign_extension SignExtension;
        wasm_saturating_float_to_int SaturatingFloatToInt;
        wasm_mutable_global MutableGlobal;
        wasm_extended_const ExtendedConst;
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
