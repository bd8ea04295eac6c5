//! What a user hears of a module that needs a proposal.

use waft::{Config, Engine, Module};

#[test]
fn errors_name_the_proposal_that_is_missing_or_off() {
    let no_simd = Engine::new(Config::new().wasm_simd(false)).unwrap();
    let no_memory64 = Engine::new(Config::new().wasm_memory64(false)).unwrap();
    let no_tail_call = Engine::new(Config::new().wasm_tail_call(false)).unwrap();
    let default = Engine::default();
    let cases = [
        (&default, "(module (type (struct)))", "`gc`, which Waft does not support yet"),
        (&no_memory64, "(module (memory i64 1))", "`memory64`, which is switched off"),
        (&default, "(module (tag))", "`exceptions`, which Waft does not support yet"),
        (&no_simd, "(module (func (param v128)))", "`simd`, which is switched off"),
        (&no_tail_call, "(module (func return_call 0))", "`tail-call`, which is switched off"),
    ];
    for (engine, text, wanted) in cases {
        let error = format!("{:#}", Module::new(engine, text).unwrap_err());
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn errors_of_modules_that_are_invalid_anyway_name_none() {
    let error = format!("{:#}", Module::new(&Engine::default(), "(module (func (result i32)))").unwrap_err());
    assert!(!error.contains("proposal"), "{error}");
}
