//! What a user hears of a module that needs a proposal.

use waft::{Config, Engine, Module};
use waft_core::proposal::{Proposal, proposals_used};

#[test]
fn errors_name_the_proposal_that_is_missing_or_off() {
    let no_simd = Engine::new(Config::new().wasm_simd(false)).unwrap();
    let no_memory64 = Engine::new(Config::new().wasm_memory64(false)).unwrap();
    let no_tail_call = Engine::new(Config::new().wasm_tail_call(false)).unwrap();
    let default = Engine::default();
    let cases = [
        (
            &default,
            "(module (type $f (func)) (type (cont $f)))",
            "`stack-switching`, which Waft does not support yet",
        ),
        (
            &no_memory64,
            "(module (memory i64 1))",
            "`memory64`, which is switched off (`Config::wasm_memory64`)",
        ),
        (&no_simd, "(module (func (param v128)))", "`simd`, which is switched off (`Config::wasm_simd`)"),
        (
            &no_tail_call,
            "(module (func return_call 0))",
            "`tail-call`, which is switched off (`Config::wasm_tail_call`)",
        ),
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

/// For each row of the table a module, and what it uses.
const ROWS: &[(Proposal, &str, &[&str])] = &[
    (Proposal::MutableGlobal, r#"(global (export "g") (mut i32) (i32.const 0))"#, &["mutable-global"]),
    (
        Proposal::SaturatingFloatToInt,
        "(func (param f32) (result i32) (i32.trunc_sat_f32_s (local.get 0)))",
        &["saturating-float-to-int"],
    ),
    (
        Proposal::SignExtension,
        "(func (param i32) (result i32) (i32.extend8_s (local.get 0)))",
        &["sign-extension"],
    ),
    (Proposal::MultiValue, "(func (result i32 i32) (i32.const 1) (i32.const 2))", &["multi-value"]),
    (Proposal::ReferenceTypes, "(table 1 externref)", &["reference-types"]),
    (
        Proposal::BulkMemory,
        "(memory 1) (func (memory.fill (i32.const 0) (i32.const 7) (i32.const 9)))",
        &["bulk-memory"],
    ),
    (Proposal::Simd, "(func (param v128))", &["simd"]),
    (Proposal::ExtendedConst, "(global i32 (i32.add (i32.const 1) (i32.const 2)))", &["extended-const"]),
    (Proposal::TailCall, "(func (return_call 0))", &["tail-call"]),
    (Proposal::MultiMemory, "(memory 1) (memory 1)", &["multi-memory"]),
    (Proposal::Memory64, "(memory i64 1)", &["memory64"]),
    (
        Proposal::FunctionReferences,
        "(type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0)))",
        &["reference-types", "function-references"],
    ),
    (Proposal::Gc, "(type (struct (field i32)))", &["gc"]),
    (Proposal::Exceptions, "(tag $t) (func (throw $t))", &["exceptions"]),
    (
        Proposal::RelaxedSimd,
        "(func (param v128) (result v128) (i32x4.relaxed_trunc_f32x4_s (local.get 0)))",
        &["simd", "relaxed-simd"],
    ),
    (Proposal::Threads, "(memory 1 1 shared)", &["threads"]),
    (
        Proposal::WideArithmetic,
        "(func (param i64 i64) (result i64 i64) (i64.mul_wide_u (local.get 0) (local.get 1)))",
        &["multi-value", "wide-arithmetic"],
    ),
    (Proposal::CustomPageSizes, "(memory 1 (pagesize 1))", &["custom-page-sizes"]),
    (
        Proposal::BranchHinting,
        r#"(func (param i32) local.get 0 (@metadata.code.branch_hint "\00") if end)"#,
        &["branch-hinting"],
    ),
    (Proposal::LegacyExceptions, "(func try catch_all end)", &["legacy-exceptions"]),
    (Proposal::CompactImports, r#"(import "m" (item "a" (func)) (item "b" (func)))"#, &["compact-imports"]),
    (Proposal::StackSwitching, "(type $f (func)) (type (cont $f))", &["stack-switching"]),
];

#[test]
fn every_proposal_is_found_where_it_is_used() {
    for proposal in Proposal::ALL {
        assert!(ROWS.iter().any(|(row, ..)| row == proposal), "{} has no row here", proposal.name());
    }
    for (_, fields, expected) in ROWS {
        let module = wat::parse_str(format!("(module {fields})")).unwrap();
        let used: Vec<&str> = proposals_used(&module).into_iter().map(Proposal::name).collect();
        assert_eq!(used, *expected, "{fields}");
    }
}

#[test]
fn a_module_that_is_invalid_in_every_way_uses_nothing() {
    let module = wat::parse_str("(module (func (result i32)))").unwrap();
    assert_eq!(proposals_used(&module), []);
}
