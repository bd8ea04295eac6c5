//! Modules with too much of something: each is refused, or compiled in bounded time.

use crate::{call, soon};
use waft::{Config, Engine, Instance, Module, Store};
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
fn fifty_thousand_locals_live_across_a_hundred_calls() {
    let count = 50_000;
    let numbered = |each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<String>();
    // Local n is n; the calls between write the same places of the stack.
    let text = format!(
        r#"(module
            (func $deep (param i64) (result i64) (if (result i64) (i64.eqz (local.get 0))
                (then (i64.const 0))
                (else (i64.add (i64.const 1) (call $deep (i64.sub (local.get 0) (i64.const 1)))))))
            (func (export "f") (result i64) (local {types}) {sets} {calls} (i64.const 0) {sums}))"#,
        types = "i64 ".repeat(count),
        // The last one stays zero.
        sets = (0..count - 1).map(|at| format!("(local.set {at} (i64.const {at}))")).collect::<String>(),
        calls = "(drop (call $deep (i64.const 1000)))".repeat(100),
        sums = numbered(&|at| format!("(i64.xor (i64.add (local.get {at})) (i64.const {at}))")),
    );
    let mut config = Config::new();
    config.max_wasm_stack(1 << 20);
    let engine = Engine::new(&config).unwrap();
    let module = soon(|| Module::new(&engine, &text)).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), i64>(&mut store, "f").unwrap();
    let expected =
        (0..count as i64).fold(0, |sum, at| (sum + if at == count as i64 - 1 { 0 } else { at }) ^ at);
    assert_eq!(soon(|| f.call(&mut store, ())).unwrap(), expected);
}

#[test]
fn operands_and_locals_in_the_frame_keep_their_values() {
    // A thousand operands of each type below structures that carry some of them on, and locals of all types.
    let push = (0..1_000).map(|at| format!("(call $id (i64.const {at})) (i32x4.splat (i32.const {at}))"));
    let fold =
        "(i64.add (i64.extend_i32_u (i32x4.extract_lane 3))) (local.set $sum (i64.add (local.get $sum)))";
    let text = format!(
        r#"(module
            (type $two (func (param i64 v128) (result i64 v128)))
            (func $id (param i64) (result i64) (local.get 0))
            (func (export "f") (param i32) (result i64) (local $sum i64) (local {locals})
                (local $v v128) (local $f f32) (local $r externref)
                {push}
                (local.get 0) (if (type $two) (then (local.set $v) (i64.const 7) (i64.add) (local.get $v))
                    (else (i32x4.add (i32x4.splat (i32.const 1)))))
                (block (type $two) (br_if 0 (local.get 0)) (br_table 0 0 (i32.const 3)))
                (loop (type $two) (local.tee $v) (br_if 0 (i32.const 0)))
                {folds}
                (local.set $f (f32.add (local.get $f) (f32.const 0.5)))
                (i64.add (local.get $sum) (i64.extend_i32_u (i32.add
                    (ref.is_null (local.get $r)) (f32.eq (local.get $f) (f32.const 0.5)))))))"#,
        locals = "i64 ".repeat(5_000),
        push = push.collect::<String>(),
        folds = fold.repeat(1_000),
    );
    let engine = Engine::default();
    let module = Module::new(&engine, &text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<i32, i64>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, 1).unwrap(), 999_000 + 7 + 2);
    assert_eq!(f.call(&mut store, 0).unwrap(), 999_000 + 1 + 2);
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

#[test]
fn each_access_to_a_large_structure_compiles_as_soon_as_to_a_small_one() {
    let last = 9_999;
    let text = format!(
        r#"(module
            (type $t (struct {fields} (field (mut i64))))
            (func (export "f") (local $s (ref null $t))
                (local.set $s (struct.new_default $t))
                {sets}
                (if (i64.ne (struct.get $t {last} (local.get $s)) (i64.const 3)) (then (unreachable)))))"#,
        fields = "(field v128)".repeat(last),
        sets = format!("(struct.set $t {last} (local.get $s) (i64.const 3))").repeat(800_000),
    );
    soon(|| call(&text)).unwrap();
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
    let _ = soon(|| call(nested(100_000, &[0x03, 0x40])));
    let _ = soon(|| call(nested(100_000, &[0x41, 0x01, 0x04, 0x40])));
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
