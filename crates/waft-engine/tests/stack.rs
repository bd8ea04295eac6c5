//! Recursion without end is a trap, on every thread and by every way; deep recursion that ends is none.

mod common;

use common::{compile, run, trap};
use std::thread;
use waft::*;

/// Ways to call oneself for ever. `host::again` calls the export `f` of its caller.
const ENDLESS: [(&str, &str); 8] = [
    ("direct", r#"(func $f (export "f") call $f)"#),
    ("mutual", r#"(func $f (export "f") call $g) (func $g call $h) (func $h call $f)"#),
    ("indirect", r#"(table funcref (elem $f)) (func $f (export "f") i32.const 0 call_indirect)"#),
    ("reexported", r#"(func (export "f") call $again)"#),
    ("through the host", r#"(func $f (export "f") call $g) (func $g call $again)"#),
    (
        "through the host, by a table",
        r#"(table funcref (elem $again)) (func (export "f") i32.const 0 call_indirect)"#,
    ),
    ("large frames", "LOCALS 1000"),
    ("many results", "RESULTS 1000"),
];

/// A function with so many locals that live across a call.
fn locals(count: usize) -> String {
    let sets: String = (0..count).map(|at| format!("(local.set {at} (call $seed))")).collect();
    let sum: String = (0..count).map(|at| format!("(local.get {at}) i64.add ")).collect();
    format!(
        r#"(global $g (mut i64) (i64.const 1))
        (func $seed (result i64) global.get $g)
        (func $f (export "f") (local{}) {sets} call $f i64.const 0 {sum} global.set $g)"#,
        " i64".repeat(count)
    )
}

/// A function with a large area for its results.
fn results(count: usize) -> String {
    let types = " v128".repeat(count);
    format!(r#"(func $g (result{types}) call $g) (func (export "f") call $g{})"#, " drop".repeat(count))
}

fn module_text(body: &str) -> String {
    let body = match body.split_once(' ') {
        Some(("LOCALS", count)) => locals(count.parse().unwrap()),
        Some(("RESULTS", count)) => results(count.parse().unwrap()),
        _ => body.to_owned(),
    };
    format!(
        r#"(module (import "host" "again" (func $again)) {body}
            (func (export "fine") (result i32) i32.const 5)
            (func $down (export "down") (param i32) (result i32)
                (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
                (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))))"#
    )
}

fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let again = |mut caller: Caller<'_, ()>| -> Result<()> {
        let f = caller.get_export("f").unwrap().into_func().unwrap();
        f.call(&mut caller, &[], &mut [])
    };
    linker.func_wrap("host", "again", again).unwrap();
    linker
}

fn modules(engine: &Engine) -> Vec<(&'static str, Module)> {
    ENDLESS.iter().map(|(name, body)| (*name, Module::new(engine, module_text(body)).unwrap())).collect()
}

/// Runs every endless recursion to its end, twice, and then something that ends.
fn overflow_all(engine: &Engine, modules: &[(&str, Module)]) {
    for (name, module) in modules {
        let mut store = Store::new(engine, ());
        let instance = linker(engine).instantiate(&mut store, module).unwrap();
        for _ in 0..2 {
            let error = run(&mut store, instance, "f").unwrap_err();
            assert_eq!(trap(&error), Trap::StackOverflow, "{name}: {error:?}");
        }
        let fine = instance.get_typed_func::<(), i32>(&mut store, "fine").unwrap();
        assert_eq!(fine.call(&mut store, ()).unwrap(), 5, "{name}");
    }
}

fn config(max_wasm_stack: usize) -> Config {
    let mut config = Config::new();
    config.max_wasm_stack(max_wasm_stack);
    config
}

fn engine(max_wasm_stack: usize) -> Engine {
    Engine::new(&config(max_wasm_stack)).unwrap()
}

#[test]
fn endless_recursion_is_a_trap_whatever_stack_is_allowed() {
    for max_wasm_stack in [16 << 10, 64 << 10, 512 << 10, 1 << 20] {
        for engine in common::engines(config(max_wasm_stack)) {
            overflow_all(&engine, &modules(&engine));
        }
    }
}

#[test]
fn endless_recursion_is_a_trap_on_threads_whose_stack_is_smaller_than_what_is_allowed() {
    for (max_wasm_stack, stack) in [512 << 10, 1 << 30, usize::MAX / 2, usize::MAX]
        .into_iter()
        .flat_map(|allowed| [256 << 10, 384 << 10, 1 << 20].map(|stack| (allowed, stack)))
    {
        for engine in common::engines(config(max_wasm_stack)) {
            // Compiled anew for each: what is called for the first time is deep in a recursion, some of the time.
            let modules = modules(&engine);
            thread::scope(|scope| {
                let run = || overflow_all(&engine, &modules);
                thread::Builder::new().stack_size(stack).spawn_scoped(scope, run).unwrap().join().unwrap();
            });
        }
    }
}

#[test]
fn a_thread_too_small_for_any_guest_traps_at_once() {
    common::engines(config(1 << 20)).iter().for_each(a_thread_too_small_traps);
}

fn a_thread_too_small_traps(engine: &Engine) {
    let module = Module::new(
        engine,
        r#"(module (func $f (export "f") (param i32)
        (if (local.get 0) (then (call $f (i32.const 1))))))"#,
    )
    .unwrap();
    let run = || {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap();
        for _ in 0..3 {
            assert_eq!(trap(&f.call(&mut store, 1).unwrap_err()), Trap::StackOverflow);
        }
    };
    thread::scope(|scope| {
        thread::Builder::new().stack_size(128 << 10).spawn_scoped(scope, run).unwrap().join().unwrap();
    });
}

#[test]
fn less_stack_than_any_guest_needs_is_refused() {
    for bytes in [0, 1, (16 << 10) - 1] {
        let error = Engine::new(Config::new().max_wasm_stack(bytes)).unwrap_err();
        assert!(error.to_string().contains("max_wasm_stack"), "{error}");
    }
}

#[test]
fn one_frame_larger_than_the_stack_is_a_trap() {
    let engine = engine(16 << 10);
    let mut store = Store::new(&engine, ());
    let module = compile(&store, &format!("(module {})", locals(5000)));
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    assert_eq!(trap(&run(&mut store, instance, "f").unwrap_err()), Trap::StackOverflow);
}

#[test]
fn deep_recursion_that_ends_is_no_trap() {
    let engine = engine(512 << 10);
    let mut store = Store::new(&engine, ());
    let module = compile(&store, &module_text(""));
    let instance = linker(&engine).instantiate(&mut store, &module).unwrap();
    let down = instance.get_typed_func::<i32, i32>(&mut store, "down").unwrap();
    for depth in [0, 1, 1000, 5000] {
        assert_eq!(down.call(&mut store, depth).unwrap(), depth);
    }
    assert_eq!(trap(&down.call(&mut store, 10_000_000).unwrap_err()), Trap::StackOverflow);
    assert_eq!(down.call(&mut store, 5000).unwrap(), 5000);
}

#[test]
fn more_allowed_stack_is_more_depth() {
    for tier in [TierChoice::Optimized, TierChoice::Baseline] {
        more_is_more_depth(&tier);
    }
}

/// By one tier: frames of the same function differ between them.
fn more_is_more_depth(tier: &TierChoice) {
    let depth = |max_wasm_stack| {
        let engine = Engine::new(config(max_wasm_stack).tier(tier.clone())).unwrap();
        let mut store = Store::new(&engine, ());
        let module = compile(
            &store,
            r#"(module (global $depth (export "depth") (mut i32) (i32.const 0))
                (func $f (export "f") (global.set $depth (i32.add (global.get $depth) (i32.const 1))) call $f))"#,
        );
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        run(&mut store, instance, "f").unwrap_err();
        let depth = instance.get_global(&mut store, "depth").unwrap();
        depth.get(&mut store).unwrap_i32()
    };
    let (small, large) = (depth(64 << 10), depth(640 << 10));
    assert!(small > 500, "{tier:?}: {small}");
    assert!((9 * small..=11 * small).contains(&large), "{tier:?}: {small} {large}");
}

#[test]
fn the_stack_of_guests_that_call_each_other_through_hosts_is_one() {
    // Each store would allow 512 KiB by itself: together they would leave the thread's stack.
    let engine = engine(512 << 10);
    let module =
        Module::new(&engine, r#"(module (import "" "" (func $next)) (func (export "f") call $next))"#)
            .unwrap();
    fn nest(engine: &Engine, module: &Module) -> Result<()> {
        let mut store = Store::new(engine, ());
        let (inner_engine, inner_module) = (engine.clone(), module.clone());
        let next = Func::wrap(&mut store, move || nest(&inner_engine, &inner_module));
        let instance = Instance::new(&mut store, module, &[next.into()])?;
        run(&mut store, instance, "f")
    }
    let error = nest(&engine, &module).unwrap_err();
    assert_eq!(trap(&error), Trap::StackOverflow);
}

#[test]
fn overflow_below_a_host_function_can_be_caught_there() {
    let engine = engine(256 << 10);
    let mut store = Store::new(&engine, 0);
    let mut linker = Linker::new(&engine);
    let calm = |mut caller: Caller<'_, i32>| {
        let f = caller.get_export("f").unwrap().into_func().unwrap();
        let error = f.call(&mut caller, &[], &mut []).unwrap_err();
        assert_eq!(trap(&error), Trap::StackOverflow);
        *caller.data_mut() += 1;
    };
    linker.func_wrap("host", "calm", calm).unwrap();
    let module = compile(
        &store,
        r#"(module (import "host" "calm" (func $calm)) (func $f (export "f") call $f)
            (func (export "run") call $calm call $calm))"#,
    );
    let instance = linker.instantiate(&mut store, &module).unwrap();
    run(&mut store, instance, "run").unwrap();
    assert_eq!(*store.data(), 2);
}
