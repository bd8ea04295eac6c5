//! Whether bodies that are validated in the fast way are valid.

use crate::prng::Prng;
use waft_core::module::decode;
use waft_core::proposal::ProposalSet;

/// Validates the bodies of a module by all rules and by those of its own; how many are valid, and how many are not.
///
/// # Errors
///
/// What is found of the first body that the two ways do not find the same of. `Ok` of none where there are no bodies, or
/// the module is wrong outside of them.
pub fn check(wasm: &[u8]) -> Result<(usize, usize), String> {
    let Ok(decoded) = decode(wasm, ProposalSet::on_by_default()) else { return Ok((0, 0)) };
    let (mut own, mut general) = (decoded.body_validator(wasm), decoded.body_validator(wasm).general());
    let (mut valid, mut invalid) = (0, 0);
    for func in decoded.shape.bodies.keys() {
        let [found, wanted] = [own.validate(func), general.validate(func)]
            .map(|outcome| outcome.err().map(|error| error.to_string()));
        if found != wanted {
            return Err(format!("{func:?}: {found:?}, but {wanted:?}"));
        }
        if wanted.is_none() { valid += 1 } else { invalid += 1 }
    }
    Ok((valid, invalid))
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
