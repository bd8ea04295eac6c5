//! Whether bodies that are validated in the fast way are valid.

use crate::prng::Prng;
use waft_core::module::{ModuleBodies, decode};
use waft_core::proposal::{Proposal, ProposalSet};

/// What was found of a module's bodies.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Found {
    /// How many are valid.
    pub valid: usize,
    /// How many of these were found to be in the fast way.
    pub plain: usize,
    /// How many are not.
    pub invalid: usize,
}

/// Validates the bodies of a module by all rules and by those of its own, with these proposals.
///
/// # Errors
///
/// What is found of the first body that the two ways do not find the same of. Nothing is found where there are no bodies, or
/// the module is wrong outside of them.
pub fn check(wasm: &[u8], proposals: ProposalSet) -> Result<Found, String> {
    let Ok(decoded) = decode(wasm, proposals) else { return Ok(Found::default()) };
    let (mut own, mut general) = (decoded.body_validator(), decoded.body_validator().general());
    let bodies_of = ModuleBodies::new(&decoded.shape, wasm);
    let mut bodies = Found::default();
    for func in decoded.shape.bodies.keys() {
        let body = bodies_of.of(func);
        let [found, wanted] = [own.validate(func, body), general.validate(func, body)]
            .map(|outcome| outcome.err().map(|error| error.to_string()));
        if found != wanted {
            return Err(format!("{func:?}: {found:?}, but {wanted:?}"));
        }
        if wanted.is_none() { bodies.valid += 1 } else { bodies.invalid += 1 }
    }
    bodies.plain = own.plain_count();
    Ok(bodies)
}

/// The proposals that are on by default; of one module in four one less, of one in four one more.
pub fn proposals(seed: u64) -> ProposalSet {
    let mut set = ProposalSet::on_by_default();
    let mut prng = Prng::new(seed);
    let (one_less, one_more) = (prng.below(4) == 0, prng.below(4) == 0);
    let mut any = || Proposal::ALL[prng.below(Proposal::ALL.len())];
    if one_less {
        set.set(any(), false);
    }
    if one_more {
        set.set(any(), true);
    }
    set
}

/// Changes a few bytes of a module's bodies.
pub fn change(wasm: &mut [u8], prng: &mut Prng) {
    let Ok(decoded) = decode(wasm, ProposalSet::on_by_default()) else { return };
    let bodies = decoded.shape.bodies;
    if bodies.is_empty() {
        return;
    }
    for _ in 0..=prng.below(3) {
        let range = bodies.as_slice()[prng.below(bodies.len())].clone();
        let from = bodies.as_slice()[prng.below(bodies.len())].clone();
        let at = range.start + prng.below(range.len());
        wasm[at] = match prng.below(4) {
            0 => prng.next_u64() as u8,
            1 => wasm[at].wrapping_add(1),
            2 => wasm[at] ^ 1 << prng.below(8),
            _ => wasm[from.start + prng.below(from.len())],
        };
    }
}

/// A module whose bodies use what the fast way knows, made of `bytes`, with `seed` to choose among forms.
pub fn make_up(bytes: &[u8], seed: u64) -> Option<Vec<u8>> {
    let mut prng = Prng::new(seed);
    let mut chance = |in_so_many| prng.below(in_so_many) == 0;
    let config = wasm_smith::Config {
        gc_enabled: false,
        exceptions_enabled: chance(2),
        tail_call_enabled: chance(2),
        threads_enabled: false,
        simd_enabled: chance(3),
        relaxed_simd_enabled: false,
        reference_types_enabled: chance(2),
        memory64_enabled: chance(8),
        wide_arithmetic_enabled: false,
        custom_page_sizes_enabled: false,
        compact_imports_enabled: false,
        min_funcs: 3,
        min_globals: 2,
        min_memories: 1,
        min_tables: 1,
        min_tags: 1,
        allow_invalid_funcs: chance(4),
        ..wasm_smith::Config::default()
    };
    let module = wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(bytes)).ok()?;
    Some(module.to_bytes())
}
