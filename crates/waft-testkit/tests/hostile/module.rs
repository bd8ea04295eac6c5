//! Bytes that are nearly modules: cut, altered, made up.

use crate::{everything, exercise, soon};
use waft::{Engine, Module};
use waft_testkit::binary::{ModuleBytes, write_u64};
use waft_testkit::prng::Prng;

#[test]
fn a_truncated_module_is_never_half_accepted() {
    let engine = Engine::default();
    let module = everything();
    assert!(exercise(&engine, &module), "the whole module is valid");
    let accepted = (0..module.len()).filter(|length| exercise(&engine, &module[..*length])).count();
    // The end of a section may be the end of a module, where nothing that follows was announced.
    assert!(accepted < 8, "{accepted} of {} prefixes were accepted", module.len());
}

#[test]
fn a_mutated_module_is_rejected_or_runs_in_its_box() {
    let engine = Engine::default();
    let module = everything();
    let mut prng = Prng::new(1);
    let accepted = (0..3000).filter(|_| exercise(&engine, &prng.mutate(&module))).count();
    assert!(accepted > 0, "mutations that are all rejected test the decoder alone");
}

#[test]
fn random_bytes_are_no_module() {
    let engine = Engine::default();
    let mut prng = Prng::new(2);
    for _ in 0..2000 {
        let length = prng.below(400);
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend(prng.bytes(length));
        exercise(&engine, &bytes);
        // Without the header these are taken for text.
        assert!(Module::new(&engine, prng.bytes(8 + length)).is_err());
    }
}

#[test]
fn a_section_that_announces_too_much_is_rejected() {
    let engine = Engine::default();
    for id in 0..=13u8 {
        let mut count = Vec::new();
        write_u64(&mut count, u64::from(u32::MAX));
        let module = ModuleBytes::default().section(id, &count).finish();
        assert!(soon(|| Module::from_binary(&engine, &module)).is_err() || id == 12, "section {id}");
    }
}
