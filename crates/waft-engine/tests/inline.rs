//! Calls that are translated in place cannot be told from calls: errors say the same, wherever a guest stops.

mod common;

use common::names;
use waft::*;
use waft_tiers::Inlining;

fn engine(inlining: Inlining, lazy: bool) -> Engine {
    let tier = waft_tiers::optimized_tier_inlining(inlining).unwrap();
    Engine::new(Config::new().tier(tier).lazy_compilation(lazy)).unwrap()
}

/// What a module's `f` fails with, in a module that may call these host functions: one that fails, and one that calls the
/// module's `again`.
fn failure(engine: &Engine, module: &Module) -> Error {
    let mut store = Store::new(engine, ());
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "fail", || -> Result<()> { bail!("no") }).unwrap();
    let again = |mut caller: Caller<'_, ()>| -> Result<()> {
        let again = caller.get_export("again").unwrap().into_func().unwrap();
        again.call(&mut caller, &[], &mut [])
    };
    linker.func_wrap("host", "again", again).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    common::run(&mut store, instance, "f").unwrap_err()
}

/// A module, and the names of the functions in which its `f` stops.
const STOPS: &[(&str, &[&str])] = &[
    // A callee of a callee.
    ("(func $f (export \"f\") nop call $g nop) (func $g nop call $h nop) (func $h nop unreachable)", &["h", "g", "f"]),
    // The second of two that are alike.
    (
        "(func $f (export \"f\") (call $g (i32.const 1)) (call $g (i32.const 0)))
         (func $g (param i32) (drop (i32.div_s (i32.const 7) (local.get 0))))",
        &["g", "f"],
    ),
    // After a callee: in the caller.
    ("(func $f (export \"f\") call $g call $g unreachable) (func $g (drop (i32.const 1)))", &["f"]),
    // At the end of a callee that is left by a branch, and at the start of one that a branch leads to.
    (
        "(func $f (export \"f\") (call $g (i32.const 1)) unreachable)
         (func $g (param i32) (br_if 0 (local.get 0)) (call $fail))",
        &["f"],
    ),
    (
        "(global $g (mut i32) (i32.const 1))
         (func $f (export \"f\") (if (global.get $g) (then (call $g)) (else (call $fail)))) (func $g unreachable)",
        &["g", "f"],
    ),
    // Loads that an instruction of another function may take in.
    (
        "(memory 1) (global $at (mut i32) (i32.const -1))
         (func $f (export \"f\") (drop (i32.add (global.get $at) (call $g (global.get $at)))) )
         (func $g (param i32) (result i32) (i32.load (local.get 0)))",
        &["g", "f"],
    ),
    (
        "(memory 1) (global $at (mut i32) (i32.const -1))
         (func $f (export \"f\") (call $g (i32.load (global.get $at))))
         (func $g (param i32) (global.set $at (i32.add (global.get $at) (local.get 0))))",
        &["f"],
    ),
    // Stores that another one overwrites.
    (
        "(memory 1) (global $at (mut i32) (i32.const -1))
         (func $f (export \"f\") (local $at i32) (local.set $at (global.get $at))
            (i32.store (local.get $at) (i32.const 1)) (call $g (local.get $at)))
         (func $g (param i32) (i32.store (local.get 0) (i32.const 2)))",
        &["f"],
    ),
    (
        "(memory 1) (global $at (mut i32) (i32.const -1))
         (func $f (export \"f\") (local $at i32) (local.set $at (global.get $at))
            (call $g (local.get $at)) (i32.store (local.get $at) (i32.const 1)))
         (func $g (param i32) (i32.store (local.get 0) (i32.const 2)))",
        &["g", "f"],
    ),
    (
        "(type $t (struct (field (mut i32)))) (global $o (mut (ref null $t)) (ref.null $t))
         (func $f (export \"f\") (call $set (global.get $o) (i32.add (call $get (global.get $o)) (i32.const 1))))
         (func $get (param (ref null $t)) (result i32) (struct.get $t 0 (local.get 0)))
         (func $set (param (ref null $t) i32) (struct.set $t 0 (local.get 0) (local.get 1)))",
        &["get", "f"],
    ),
    // The host, called from a callee, and guests that it calls.
    ("(func $f (export \"f\") call $g) (func $g call $h) (func $h call $fail)", &["h", "g", "f"]),
    (
        "(func $f (export \"f\") call $g) (func $g call $again)
         (func $other (export \"again\") call $h) (func $h call $fail)",
        &["h", "other", "g", "f"],
    ),
    // Through a table, and through a reference.
    (
        "(table funcref (elem $h)) (func $f (export \"f\") call $g) (func $g (call_indirect (i32.const 0)))
         (func $h call $i) (func $i unreachable)",
        &["i", "h", "g", "f"],
    ),
    // Where exceptions are caught, a trap is not, and goes on as it does elsewhere.
    (
        "(memory 1) (func $f (export \"f\") (block (try_table (catch_all 0) (drop (call $g)))))
         (func $g (result i32) (i32.load (i32.const 70000)))",
        &["g", "f"],
    ),
    // Exceptions that nobody catches, of a callee.
    (
        "(tag $t) (tag $u) (func $f (export \"f\") (block (try_table (catch $u 0) (call $g))))
         (func $g nop call $h) (func $h throw $t)",
        &["h", "g", "f"],
    ),
    // A tail call takes the place of a callee, not of its caller.
    ("(func $f (export \"f\") call $g) (func $g return_call $h) (func $h unreachable)", &["h", "f"]),
    // Many results.
    (
        "(func $f (export \"f\") call $g drop drop drop drop drop unreachable)
         (func $g (result i64 i32 f32 f64 i32) i64.const 1 i32.const 2 f32.const 3 f64.const 4 i32.const 5
            call $h unreachable) (func $h (result i32) i32.const 1 (i32.div_u (i32.const 0)))",
        &["h", "g", "f"],
    ),
];

#[test]
fn errors_are_the_same_whatever_is_translated_in_place() {
    for (body, expected) in STOPS {
        let text = format!(
            "(module $m (import \"host\" \"fail\" (func $fail)) (import \"host\" \"again\" (func $again)) {body}
                {})",
            if body.contains("\"again\"") { "" } else { "(func (export \"again\"))" }
        );
        let seen = |inlining, lazy| {
            let engine = engine(inlining, lazy);
            let module = Module::new(&engine, &text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
            let error = failure(&engine, &module);
            assert_eq!(names(&error), *expected, "{inlining:?} {text}");
            // SAFETY: made just now.
            let again = unsafe { Module::deserialize(&engine, module.serialize().unwrap()) }.unwrap();
            [error, failure(&engine, &again)].map(|error| format!("{error:#}"))
        };
        let plain = seen(Inlining::NONE, false);
        for inlining in [Inlining::SMALL, Inlining::OBJECTS, Inlining::ALL] {
            for lazy in [false, true] {
                assert_eq!(seen(inlining, lazy), plain, "{inlining:?} {text}");
            }
        }
    }
}

#[test]
fn what_is_left_out_of_deep_stacks_is_counted_in_functions() {
    let text = "(module $m (func $main (export \"f\") (call $down (i32.const 400)))
        (func $down (param i32)
            (if (i32.eqz (local.get 0)) (then unreachable))
            (call $step (i32.sub (local.get 0) (i32.const 1))))
        (func $step (param i32) nop (call $again (local.get 0)))
        (func $again (param i32) (call $down (local.get 0)) nop))";
    for rounds in [1, 31, 32, 42, 43, 44, 100, 400] {
        let text = text.replace("400", &rounds.to_string());
        let [plain, inlined] = [Inlining::NONE, Inlining::ALL].map(|inlining| {
            let engine = engine(inlining, false);
            let module = Module::new(&engine, &text).unwrap();
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let error = common::run(&mut store, instance, "f").unwrap_err();
            assert_eq!(names(&error).len(), (3 * rounds + 2).min(128), "{rounds}");
            format!("{error:#}")
        });
        assert_eq!(plain, inlined);
    }
}

#[test]
fn the_code_of_what_calls_in_place_is_there_once() {
    let text = format!(
        "(module (func $add (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func (export \"f\") (param i32) (result i32) (local.get 0) {}))",
        "call $add ".repeat(8)
    );
    let engine = engine(Inlining::SMALL, true);
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, 5).unwrap(), 13);
    // The callee was never called.
    assert_eq!(module.compiled_functions(), 1);
}
