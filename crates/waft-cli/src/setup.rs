//! The flags that set up an engine: the same for every subcommand that makes one.

use crate::command::GUEST_STACK_BYTES;
use clap::Args;
use waft::{Config, Engine, Proposal, ProposalStatus, Result};

/// The word that stands for every proposal.
const ALL: &str = "all";

/// How the engine is set up.
#[derive(Args)]
pub(crate) struct Setup {
    /// Switch proposals of WebAssembly on, or off with `-` before the name: `-simd,tail-call`
    ///
    /// Names are separated by commas; `all` stands for every proposal. A precompiled module needs the flag with which it
    /// was compiled.
    #[arg(
        long,
        value_name = "[-]NAME,...",
        value_delimiter = ',',
        allow_hyphen_values = true,
        value_parser = Switch::parse,
        help_heading = "WebAssembly"
    )]
    proposal: Vec<Switch>,

    /// Give the same results on every machine: NaNs are canonical, relaxed SIMD as the standard's deterministic profile
    /// has it
    #[arg(long, help_heading = "WebAssembly")]
    deterministic: bool,
}

/// One word of `--proposal`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Switch {
    /// `None` for all of them.
    proposal: Option<Proposal>,
    on: bool,
}

impl Switch {
    fn parse(word: &str) -> Result<Switch, String> {
        let (name, on) = match word.strip_prefix('-') {
            Some(name) => (name, false),
            None => (word, true),
        };
        if name == ALL {
            return Ok(Switch { proposal: None, on });
        }
        let proposal = Proposal::of_name(name).ok_or_else(|| {
            let names: Vec<&str> = supported().map(Proposal::name).collect();
            format!("there is no proposal `{name}`; there are {}, and `{ALL}`", names.join(", "))
        })?;
        if on && proposal.status() == ProposalStatus::Missing {
            return Err(format!("Waft does not support `{name}` yet"));
        }
        Ok(Switch { proposal: Some(proposal), on })
    }

    fn apply(self, config: &mut Config) {
        match self.proposal {
            Some(proposal) => {
                config.wasm_proposal(proposal, self.on);
            }
            None => supported().for_each(|proposal| {
                config.wasm_proposal(proposal, self.on);
            }),
        }
    }
}

fn supported() -> impl Iterator<Item = Proposal> {
    Proposal::ALL.iter().copied().filter(|proposal| proposal.status() != ProposalStatus::Missing)
}

impl Setup {
    /// The engine, without a cache.
    pub(crate) fn engine(&self) -> Result<Engine> {
        Engine::new(&self.config())
    }

    /// Its setup: `compile` and `run` must agree on all of it, and may add a cache, and when functions are compiled.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new();
        config.max_wasm_stack(GUEST_STACK_BYTES).deterministic(self.deterministic);
        self.proposal.iter().for_each(|switch| switch.apply(&mut config));
        config
    }
}

/// The flag that switches these proposals on, if all of them are supported.
pub(crate) fn flag_for(proposals: &[Proposal]) -> Option<String> {
    let supported = proposals.iter().all(|proposal| proposal.status() != ProposalStatus::Missing);
    let names: Vec<&str> = proposals.iter().map(|proposal| proposal.name()).collect();
    supported.then(|| format!("--proposal {}", names.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_name_with_or_without_a_minus() {
        let simd = Some(Proposal::Simd);
        assert_eq!(Switch::parse("simd"), Ok(Switch { proposal: simd, on: true }));
        assert_eq!(Switch::parse("-simd"), Ok(Switch { proposal: simd, on: false }));
        assert_eq!(Switch::parse("-all"), Ok(Switch { proposal: None, on: false }));
        assert!(Switch::parse("smid").unwrap_err().contains("simd"));
        assert!(Switch::parse("").is_err());
        for proposal in Proposal::ALL {
            let missing = proposal.status() == ProposalStatus::Missing;
            assert_eq!(Switch::parse(proposal.name()).is_err(), missing, "{}", proposal.name());
            assert!(Switch::parse(&format!("-{}", proposal.name())).is_ok());
        }
    }
}
