//! The tier itself: what it offers, and reuse of allocations.

use crate::compiler::{Compiler, Workshop};
use std::sync::{Mutex, PoisonError};
use waft_core::proposal::{Proposal, ProposalSet};
use waft_core::tier::{CompileError, CompileRequest, CompiledFunc, Entry, Tier};

/// What the processor offers beyond SSE4.1, where code depends on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Machine {
    /// `lzcnt` and `tzcnt`.
    pub(crate) bit_counts: bool,
    /// `popcnt`.
    pub(crate) popcnt: bool,
    /// Multiplication and addition with one rounding.
    pub(crate) fma: bool,
}

/// The baseline tier.
pub struct Baseline {
    machine: Machine,
    #[expect(clippy::vec_box, reason = "for each function one goes and comes back")]
    idle: Mutex<Vec<Box<Workshop>>>,
}

impl Baseline {
    /// The tier for this machine.
    ///
    /// # Errors
    ///
    /// If the machine is no x86-64, or its processor lacks SSE4.1.
    pub fn new() -> Result<Self, String> {
        #[cfg(target_arch = "x86_64")]
        {
            if !std::arch::is_x86_feature_detected!("sse4.1") {
                return Err("the processor lacks a feature that compiled code needs: sse4.1".to_owned());
            }
            let machine = Machine {
                bit_counts: std::arch::is_x86_feature_detected!("lzcnt")
                    && std::arch::is_x86_feature_detected!("bmi1"),
                popcnt: std::arch::is_x86_feature_detected!("popcnt"),
                fma: std::arch::is_x86_feature_detected!("fma"),
            };
            Ok(Self::with(machine))
        }
        #[cfg(not(target_arch = "x86_64"))]
        Err("the baseline tier compiles for x86-64 only".to_owned())
    }

    /// The tier for every processor with SSE4.1: the same code wherever it runs.
    pub fn portable() -> Self {
        Self::with(Machine { bit_counts: false, popcnt: false, fma: false })
    }

    fn with(machine: Machine) -> Self {
        Self { machine, idle: Mutex::new(Vec::new()) }
    }
}

impl Tier for Baseline {
    fn name(&self) -> &'static str {
        "baseline"
    }

    fn gaps(&self) -> ProposalSet {
        let mut gaps = ProposalSet::EMPTY;
        for proposal in GAPS {
            gaps.set(*proposal, true);
        }
        gaps
    }

    fn fingerprint(&self) -> String {
        format!("waft-baseline {} x86-64 {:?}", env!("CARGO_PKG_VERSION"), self.machine)
    }

    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunc, CompileError> {
        if request.entry != Entry::Start {
            let message = "the baseline compiler enters functions at their start only".to_owned();
            return Err(CompileError { func: request.func, message });
        }
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workshop = idle().pop().unwrap_or_default();
        let outcome = Compiler::compile(&mut workshop, request, self.machine);
        // What a function that is refused made of it may be large.
        if outcome.is_ok() {
            idle().push(workshop);
        }
        outcome.map_err(|message| CompileError { func: request.func, message })
    }
}

/// What the tier does not compile yet.
const GAPS: &[Proposal] = &[];
