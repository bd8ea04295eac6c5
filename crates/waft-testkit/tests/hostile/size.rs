//! Modules with too much of something: each is refused, or compiled in bounded time.

use crate::{call, soon};
use waft::{Engine, Instance, Module, Store};
use waft_testkit::binary::{ModuleBytes, write_u64};

#[test]
fn fifty_thousand_locals_are_the_most() {
    let i32_type = 0x7f;
    soon(|| call(ModuleBytes::with_one_func(&[(50_000, i32_type)], &[0x0b]))).unwrap();
    assert!(call(ModuleBytes::with_one_func(&[(50_001, i32_type)], &[0x0b])).is_err());
    assert!(
        call(ModuleBytes::with_one_func(&[(u32::MAX, i32_type), (u32::MAX, i32_type)], &[0x0b])).is_err()
    );
}

#[test]
fn a_br_table_of_a_million_compiles_or_is_refused() {
    let mut instructions = vec![0x41, 0x07, 0x0e];
    write_u64(&mut instructions, 1_000_000);
    instructions.extend(std::iter::repeat_n(0, 1_000_001));
    instructions.push(0x0b);
    let module = ModuleBytes::with_one_func(&[], &instructions);
    // Either end is right; that one comes, and comes soon, is the claim.
    let _ = soon(|| call(&module));
}

/// A function of `depth` structures in each other, each of which starts with the bytes `open`.
fn nested(depth: usize, open: &[u8]) -> Vec<u8> {
    let mut instructions = open.repeat(depth);
    instructions.extend(std::iter::repeat_n(0x0b, depth + 1));
    ModuleBytes::with_one_func(&[], &instructions)
}

#[test]
fn nesting_of_a_hundred_thousand_compiles_or_is_refused() {
    let _ = soon(|| call(nested(100_000, &[0x02, 0x40])));
}

#[test]
fn loops_and_ifs_nest_deep() {
    // Fewer than blocks, because these are blocks of the compiled code too, where time grows with the square of depth.
    let _ = soon(|| call(nested(20_000, &[0x03, 0x40])));
    let _ = soon(|| call(nested(20_000, &[0x41, 0x01, 0x04, 0x40])));
}

#[test]
fn text_nested_a_hundred_thousand_deep_is_read_without_recursion() {
    let depth = 100_000;
    let text = format!("(module (func {} {}))", "(block ".repeat(depth), ")".repeat(depth));
    let _ = soon(|| Module::new(&Engine::default(), &text));
    let open = "(".repeat(depth);
    assert!(soon(|| Module::new(&Engine::default(), &open)).is_err());
}

#[test]
fn an_operand_stack_of_a_million_compiles_or_is_refused() {
    let count = 1_000_000;
    let mut instructions = Vec::new();
    instructions.extend([0x41, 0x01].repeat(count));
    instructions.extend(std::iter::repeat_n(0x1a, count));
    instructions.push(0x0b);
    let _ = soon(|| call(ModuleBytes::with_one_func(&[], &instructions)));
}

#[test]
fn many_of_everything_is_accepted_or_refused_soon() {
    let engine = Engine::default();
    let repeat = |count: usize, start: &str, each: &dyn Fn(usize) -> String| {
        let items: String = (0..count).map(each).collect();
        format!("(module {start} {items})")
    };
    let texts = [
        repeat(20_000, "", &|at| format!("(func (export \"f{at}\"))")),
        repeat(20_000, "", &|at| format!("(global i32 (i32.const {at}))")),
        repeat(20_000, "(func $f)", &|_| "(elem func $f)".into()),
        repeat(20_000, "(memory 1)", &|at| format!("(data (i32.const {}) \"x\")", at % 65536)),
        repeat(2_000, "", &|at| format!("(import \"m\" \"{at}\" (func))")),
        repeat(200, "", &|_| "(table 1 funcref)".into()),
        format!("(module (func (export \"{}\")))", "n".repeat(99_999)),
        format!("(module (func (param {})))", "i64 ".repeat(1_000)),
        format!("(module (func (result {}) unreachable))", "i64 ".repeat(1_000)),
    ];
    for text in texts {
        let result = soon(|| Module::new(&engine, &text));
        let start: String = text.chars().take(60).collect();
        assert!(result.is_ok(), "{start}: {:#}", result.unwrap_err());
        let mut store = Store::new(&engine, ());
        let module = result.unwrap();
        if module.imports().len() == 0 {
            soon(|| Instance::new(&mut store, &module, &[]))
                .unwrap_or_else(|error| panic!("{start}: {error:#}"));
        }
    }
    for text in [
        format!("(module (func (param {})))", "i64 ".repeat(1_001)),
        format!("(module (func (result {}) unreachable))", "i64 ".repeat(1_001)),
    ] {
        assert!(Module::new(&engine, &text).is_err());
    }
}
