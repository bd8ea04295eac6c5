//! Guests that never come back by themselves: without end in depth or in time.

use crate::{assert_trap, call, on_thread, soon};
use std::time::Duration;
use waft::{Config, Engine, Error, Instance, Linker, Module, Result, Store, Trap};
use waft_testkit::watchdog::Watchdog;

#[test]
fn endless_recursion_is_a_trap() {
    let modules = [
        r#"(module (func $f (export "f") call $f))"#,
        r#"(module (func $f (export "f") call $g) (func $g call $f))"#,
        r#"(module (type $t (func)) (table funcref (elem $f))
            (func $f (export "f") (call_indirect (type $t) (i32.const 0))))"#,
        // The work after the call keeps the frame, and the frame is large.
        r#"(module (func $g (param i64 i64 i64 i64 i64 i64 i64 i64 v128 v128) (result i64)
                (i64.add (local.get 0) (call $g (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
                    (local.get 6) (local.get 7) (local.get 0) (local.get 9) (local.get 8))))
            (func (export "f") (drop (call $g (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                (i64.const 6) (i64.const 7) (i64.const 8) (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))"#,
    ];
    for module in modules {
        assert_trap(soon(|| call(module)), Trap::StackOverflow);
    }
}

#[test]
fn one_frame_larger_than_the_stack_is_a_trap() {
    // Locals of 8 bytes that all live across calls: one frame of 400 KB, which jumps over every guard page.
    let count = 50_000u32;
    let sets: String = (0..count).map(|local| format!("(local.set {local} (call $f))")).collect();
    let sums: String = (0..count).map(|local| format!("(i64.add (local.get {local}))")).collect();
    let text = format!(
        r#"(module (func $f (export "f") (result i64) (local {}) {sets} (call $f) {sums}))"#,
        "i64 ".repeat(count as usize)
    );
    let mut config = Config::new();
    config.max_wasm_stack(256 << 10);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    let module = soon(|| Module::new(&engine, &text)).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), i64>(&mut store, "f").unwrap();
    assert_trap(soon(|| f.call(&mut store, ())), Trap::StackOverflow);
}

#[test]
fn recursion_through_the_host_is_a_trap() {
    let result = on_thread(16 << 20, || {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "again", |mut caller: waft::Caller<'_, ()>| -> Result<()> {
            let export = caller.get_export("f").and_then(waft::Extern::into_func);
            let f = export.ok_or_else(|| Error::msg("the guest has no `f`"))?;
            f.typed::<(), ()>(&caller)?.call(&mut caller, ())
        })?;
        let module = r#"(module (import "host" "again" (func $again)) (func (export "f") call $again))"#;
        let module = Module::new(&engine, module)?;
        let instance = linker.instantiate(&mut store, &module)?;
        instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())
    });
    assert_trap(result, Trap::StackOverflow);
}

#[test]
fn recursion_is_as_deep_as_the_stack_that_was_configured() {
    let depth = |stack_bytes: usize| {
        on_thread(stack_bytes + (4 << 20), move || {
            let mut config = Config::new();
            config.max_wasm_stack(stack_bytes);
            let engine = Engine::new(&config).unwrap();
            let mut store = Store::new(&engine, ());
            let module = Module::new(
                &engine,
                r#"(module (global $depth (export "depth") (mut i32) (i32.const 0))
                    (func $f (export "f") (global.set $depth (i32.add (global.get $depth) (i32.const 1))) call $f))"#,
            )
            .unwrap();
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
            assert_trap(f.call(&mut store, ()), Trap::StackOverflow);
            let depth = instance.get_global(&mut store, "depth").unwrap().get(&mut store);
            depth.unwrap_i32()
        })
    };
    let (small, large) = (depth(256 << 10), depth(8 << 20));
    assert!(large > 16 * small, "{small} calls in 256 KiB, {large} in 8 MiB");
}

#[test]
fn a_guest_goes_on_after_its_stack_ran_out() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = r#"(module (func $f (export "f") call $f) (func (export "g") (result i32) i32.const 7))"#;
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let g = instance.get_typed_func::<(), i32>(&mut store, "g").unwrap();
    for _ in 0..3 {
        assert_trap(f.call(&mut store, ()), Trap::StackOverflow);
        assert_eq!(g.call(&mut store, ()).unwrap(), 7);
    }
}

#[test]
fn endless_loops_are_interrupted() {
    let modules = [
        r#"(module (func (export "f") (loop br 0)))"#,
        r#"(module (func (export "f") (loop (br_if 0 (i32.const 1)))))"#,
        r#"(module (func (export "f") (loop (br_table 0 0 0 (i32.const 1)))))"#,
        r#"(module (func $g) (func (export "f") (loop call $g br 0)))"#,
        r#"(module (memory 1) (func (export "f")
            (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) br 0)))"#,
        // No loop, but 2^60 calls.
        r#"(module (func $g (param i32) (if (local.get 0) (then
                (call $g (i32.sub (local.get 0) (i32.const 1))) (call $g (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "f") (call $g (i32.const 60))))"#,
        r#"(module (func $f (loop br 0)) (start $f) (func (export "f")))"#,
    ];
    let engine = Engine::default();
    for text in modules {
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let _watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(50));
        let result = soon(|| {
            let instance = Instance::new(&mut store, &module, &[])?;
            instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())
        });
        assert_trap(result, Trap::Interrupt);
    }
}
