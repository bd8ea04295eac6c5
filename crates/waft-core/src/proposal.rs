//! The one table of proposals: what there is, what Waft supports, and the run-time switches.
//!
//! A proposal is supported by every part of Waft or it stands here as missing. The name of its switch follows from its
//! own: `tail-call` is `Config::wasm_tail_call`, and `--proposal tail-call`.

use crate::module::decode;
use alloc::vec::Vec;
use core::fmt;
use wasmparser::WasmFeatures;

/// How Waft stands to a proposal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Supported, and on unless switched off.
    On,
    /// Supported, and off unless switched on: what only old modules use.
    Off,
    /// Not supported: modules that use it are refused.
    Missing,
}

macro_rules! proposals {
    ($($(#[$doc:meta])* $variant:ident $name:literal $since:literal $status:ident [$($feature:ident)|*];)*) => {
        /// One WebAssembly proposal.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Proposal {
            $($(#[$doc])* $variant,)*
        }

        impl Proposal {
            /// Every row of the table, oldest first.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name that the field uses, and the name of the switch.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// The version of the standard that took it in, or `proposal`.
            pub const fn since(self) -> &'static str {
                match self { $(Self::$variant => $since,)* }
            }
            /// Whether Waft supports it.
            pub const fn status(self) -> Status {
                match self { $(Self::$variant => Status::$status,)* }
            }
            /// What validation must know of it; nothing for a proposal that changes no rule.
            const fn features(self) -> WasmFeatures {
                match self { $(Self::$variant => WasmFeatures::empty()$(.union(WasmFeatures::$feature))*,)* }
            }
        }
    };
}

proposals! {
    /// Import and export of mutable globals.
    MutableGlobal "mutable-global" "2.0" On [MUTABLE_GLOBAL];
    /// Float-to-integer conversions that saturate.
    SaturatingFloatToInt "saturating-float-to-int" "2.0" On [SATURATING_FLOAT_TO_INT];
    /// Sign-extension operators.
    SignExtension "sign-extension" "2.0" On [SIGN_EXTENSION];
    /// Several results, and blocks with parameters.
    MultiValue "multi-value" "2.0" On [MULTI_VALUE];
    /// `externref`, several tables, table operators.
    ReferenceTypes "reference-types" "2.0" On [REFERENCE_TYPES];
    /// Bulk operations on memories and tables, passive segments.
    BulkMemory "bulk-memory" "2.0" On [BULK_MEMORY];
    /// 128-bit vectors.
    Simd "simd" "2.0" On [SIMD];
    /// Arithmetic in constant expressions.
    ExtendedConst "extended-const" "3.0" On [EXTENDED_CONST];
    /// Calls that replace their caller.
    TailCall "tail-call" "3.0" On [TAIL_CALL];
    /// Several memories in a module.
    MultiMemory "multi-memory" "3.0" On [MULTI_MEMORY];
    /// 64-bit memories and tables.
    Memory64 "memory64" "3.0" On [MEMORY64];
    /// Typed function references.
    FunctionReferences "function-references" "3.0" On [FUNCTION_REFERENCES];
    /// Structs, arrays and casts.
    Gc "gc" "3.0" On [GC];
    /// Exceptions with `exnref`.
    Exceptions "exceptions" "3.0" On [EXCEPTIONS];
    /// Vector operators with results that depend on the machine.
    RelaxedSimd "relaxed-simd" "3.0" On [RELAXED_SIMD];
    /// Shared memories and atomics.
    Threads "threads" "proposal" On [THREADS];
    /// 128-bit integer arithmetic.
    WideArithmetic "wide-arithmetic" "proposal" On [WIDE_ARITHMETIC];
    /// Memories with pages of one byte.
    CustomPageSizes "custom-page-sizes" "proposal" On [CUSTOM_PAGE_SIZES];
    /// Which way branches go nearly always, in a custom section.
    BranchHinting "branch-hinting" "proposal" On [];
    /// The first form of exceptions.
    LegacyExceptions "legacy-exceptions" "proposal" Off [LEGACY_EXCEPTIONS];
    /// Import sections without repetition.
    CompactImports "compact-imports" "proposal" On [COMPACT_IMPORTS];
    /// Continuations.
    StackSwitching "stack-switching" "proposal" Missing [STACK_SWITCHING];
}

impl Proposal {
    /// The one of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|proposal| proposal.name() == name)
    }
}

/// A set of proposals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProposalSet(u32);

impl ProposalSet {
    /// No proposal: WebAssembly 1.0.
    pub const EMPTY: Self = Self(0);

    /// Every proposal that is supported and on by default.
    pub fn on_by_default() -> Self {
        let mut set = Self::EMPTY;
        for proposal in Proposal::ALL.iter().filter(|proposal| proposal.status() == Status::On) {
            set.set(*proposal, true);
        }
        set
    }
    /// Every row of the table, supported or not.
    pub fn all() -> Self {
        let mut set = Self::EMPTY;
        for proposal in Proposal::ALL {
            set.set(*proposal, true);
        }
        set
    }
    /// Whether `proposal` is in the set.
    pub const fn contains(self, proposal: Proposal) -> bool {
        self.0 & (1 << proposal as u32) != 0
    }
    /// Puts `proposal` in or takes it out.
    pub const fn set(&mut self, proposal: Proposal, on: bool) {
        if on {
            self.0 |= 1 << proposal as u32;
        } else {
            self.0 &= !(1 << proposal as u32);
        }
    }
    /// The proposals in the set, oldest first.
    pub fn iter(self) -> impl Iterator<Item = Proposal> {
        Proposal::ALL.iter().copied().filter(move |proposal| self.contains(*proposal))
    }

    pub(crate) fn features(self) -> WasmFeatures {
        let base = WasmFeatures::FLOATS.union(WasmFeatures::GC_TYPES);
        self.iter().fold(base, |features, proposal| features.union(proposal.features()))
    }
}

/// How the set differs from what is on by default: `default -simd +legacy-exceptions`. Part of fingerprints.
impl fmt::Display for ProposalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("default")?;
        let default = Self::on_by_default();
        for proposal in Proposal::ALL {
            match (default.contains(*proposal), self.contains(*proposal)) {
                (true, false) => write!(f, " -{}", proposal.name())?,
                (false, true) => write!(f, " +{}", proposal.name())?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The proposals that `module` cannot do without: it stops being valid when any of them is switched off.
///
/// Empty if the module is invalid whatever is switched on.
pub fn proposals_needed(module: &[u8]) -> Vec<Proposal> {
    let valid = |set: ProposalSet| {
        wasmparser::Validator::new_with_features(set.features()).validate_all(module).is_ok()
    };
    if !valid(ProposalSet::all()) {
        return Vec::new();
    }
    let needed = |proposal: &Proposal| {
        let mut without = ProposalSet::all();
        without.set(*proposal, false);
        !valid(without)
    };
    Proposal::ALL.iter().copied().filter(needed).collect()
}

/// The proposals that a valid `module` uses: those that it needs, and those that it has data for.
pub fn proposals_used(module: &[u8]) -> Vec<Proposal> {
    let mut used = proposals_needed(module);
    if decode(module, ProposalSet::all()).is_ok_and(|decoded| !decoded.shape.branch_hints.is_empty()) {
        used.push(Proposal::BranchHinting);
        used.sort();
    }
    used
}
