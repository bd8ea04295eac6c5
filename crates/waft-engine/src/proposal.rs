//! Proposals as users meet them: the name of a switch, and the error of a module that needs one.

use std::fmt;
use waft_core::proposal::{Proposal, ProposalSet, Status, proposals_needed};

/// Why a module was refused: it needs proposals that are switched off or not supported. Found on the errors of
/// [`Module::new`](crate::Module::new) and the like, with `downcast_ref`.
///
/// ```
/// # use waft::*;
/// let engine = Engine::new(Config::new().wasm_simd(false))?;
/// let error = Module::new(&engine, "(module (func (param v128)))").unwrap_err();
/// let needed: &ProposalsNeeded = error.downcast_ref().unwrap();
/// assert_eq!(needed.proposals(), [Proposal::Simd]);
/// assert!(needed.to_string().contains("`simd`, which is switched off (`Config::wasm_simd`)"));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalsNeeded(Vec<Proposal>);

impl ProposalsNeeded {
    /// What `module` needs besides `enabled`, unless that is nothing or the module is invalid anyway.
    pub(crate) fn of(module: &[u8], enabled: ProposalSet) -> Option<Self> {
        let mut lacking = proposals_needed(module);
        lacking.retain(|proposal| !enabled.contains(*proposal));
        (!lacking.is_empty()).then_some(Self(lacking))
    }

    /// The proposals, oldest first.
    pub fn proposals(&self) -> &[Proposal] {
        &self.0
    }
}

impl fmt::Display for ProposalsNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.len() {
            1 => "the module needs a proposal: ",
            _ => "the module needs proposals: ",
        })?;
        for (at, proposal) in self.0.iter().enumerate() {
            let name = proposal.name();
            let separator = if at == 0 { "" } else { "; " };
            let why = match proposal.status() {
                Status::On => "which is switched off",
                Status::Off => "which is off unless switched on",
                Status::Missing => {
                    write!(f, "{separator}`{name}`, which Waft does not support yet")?;
                    continue;
                }
            };
            write!(f, "{separator}`{name}`, {why} (`Config::wasm_{}`)", name.replace('-', "_"))?;
        }
        Ok(())
    }
}

/// Whether `method` is what the switch of a proposal called `name` must be called: `wasm_tail_call` for `tail-call`.
pub(crate) const fn is_switch(method: &str, name: &str) -> bool {
    let (method, name) = (method.as_bytes(), name.as_bytes());
    let Some((b"wasm_", method)) = method.split_at_checked(5) else { return false };
    if method.len() != name.len() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        let expected = if name[at] == b'-' { b'_' } else { name[at] };
        if method[at] != expected {
            return false;
        }
        at += 1;
    }
    true
}
