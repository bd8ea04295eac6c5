//! Scopes and clauses in numbers that nobody writes, and guests that throw without end.

use crate::{SOON, assert_trap, call_on, on_thread, soon};
use std::fmt::Write;
use std::time::Instant;
use waft::{Config, Engine, Error, Instance, Module, Result, Store, ThrownException, Trap};
use waft_testkit::matrix::MATRIX;
use waft_testkit::watchdog::Watchdog;

fn engine() -> Engine {
    Engine::new(Config::new().wasm_legacy_exceptions(true)).unwrap()
}

/// Compiles a module and calls its export `f`, each soon.
fn run(text: &str) -> Result<()> {
    // The parser of texts recurses.
    let text = text.to_owned();
    let bytes = on_thread(256 << 20, move || encode(&text));
    soon(|| call_on(&engine(), &bytes))
}

fn encode(text: &str) -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(text).expect("the text lexes");
    wast::parser::parse::<wast::Wat<'_>>(&buffer).and_then(|mut wat| wat.encode()).expect("the text parses")
}

fn repeat(text: &str, count: usize) -> String {
    text.repeat(count)
}

#[test]
fn deeply_nested_scopes_compile_and_are_passed() {
    const DEPTH: usize = 1_000;
    // In the innermost one a call throws what none of them catches.
    let error = run(&format!(
        r#"(module (tag $a) (tag $b) (func $throw throw $a)
            (func (export "f") {} call $throw {}))"#,
        repeat("block try_table (catch $b 0) ", DEPTH),
        repeat("end end ", DEPTH),
    ));
    assert!(error.unwrap_err().is::<ThrownException>());
    // A call in each of them, and the outermost one catches all.
    let text = format!(
        r#"(module (tag $a) (tag $b) (func $nothing) (func $throw throw $a)
            (func (export "f") block try_table (catch_all 0) {} call $throw {} end end))"#,
        repeat("try_table (catch $b 0) call $nothing ", DEPTH - 1),
        repeat("end ", DEPTH - 1),
    );
    run(&text).unwrap();
}

#[test]
fn more_nested_scopes_than_that_are_refused_whoever_compiles_and_when() {
    let module = |open: &str, depth| {
        format!(r#"(module (func) (func (export "f") {} {}))"#, repeat(open, depth), repeat("end ", depth))
    };
    let check = |error: Error| {
        let error = format!("{error:?}");
        let message = "function 1: more than 1000 scopes that catch exceptions, one in another (at offset 0x";
        assert!(error.contains(message), "{error}");
    };
    for open in ["try_table ", "try "] {
        let text = module(open, 1_001);
        let bytes = on_thread(256 << 20, move || encode(&text));
        for row in MATRIX {
            let mut config = Config::new();
            config.wasm_legacy_exceptions(true);
            let engine = row.engine(config).unwrap();
            check(soon(|| Module::new(&engine, &bytes)).expect_err("the module is refused"));
        }
    }
    check(run(&module("try_table ", 1_000_000)).unwrap_err());
}

#[test]
fn deeply_nested_tries_of_the_first_form_do_the_same() {
    const DEPTH: usize = 1_000;
    let module = |close: &str| {
        format!(
            r#"(module (tag $a) (tag $b) (func $throw throw $a)
                (func (export "f") {} call $throw {}))"#,
            repeat("try ", DEPTH),
            repeat(close, DEPTH),
        )
    };
    assert!(run(&module("catch $b end ")).unwrap_err().is::<ThrownException>());
    assert!(run(&module("catch_all rethrow 0 end ")).unwrap_err().is::<ThrownException>());
    assert!(run(&module("end ")).unwrap_err().is::<ThrownException>());
    // Each hands on to the one around it, the last one out of the function.
    assert!(run(&module("delegate 0 ")).unwrap_err().is::<ThrownException>());
}

#[test]
fn a_hundred_thousand_clauses() {
    let clauses = repeat("(catch $b 0) ", 9_999);
    let scopes = (0..10).fold(String::new(), |mut text, _| {
        write!(text, "block try_table {clauses} (catch_all 0) call $throw end end ").unwrap();
        text
    });
    run(&format!(r#"(module (tag $a) (tag $b) (func $throw throw $a) (func (export "f") {scopes}))"#))
        .unwrap();
    // A tag for each clause, and a throw that looks for its own in vain.
    let throws = repeat("local.get 0 if throw $b end ", 10_000);
    run(&format!(
        r#"(module (tag $a) (tag $b) (func (export "f") (local i32)
            block try_table {} {throws} end end))"#,
        repeat("(catch $a 0) ", 9_999)
    ))
    .unwrap();
}

#[test]
fn a_hundred_thousand_calls_in_one_scope() {
    let locals = repeat("i64 ", 1_000);
    let gets: String = (0..1_000).fold(String::new(), |mut text, local| {
        write!(text, "local.get {local} drop ").unwrap();
        text
    });
    run(&format!(
        r#"(module (tag $a) (func $nothing) (func (export "f") (local {locals})
            block try_table (catch_all 0) {} end end {gets}))"#,
        repeat("call $nothing ", 100_000)
    ))
    .unwrap();
}

#[test]
fn locals_that_every_landing_hands_on() {
    for (depth, locals, open) in [(999, 20, ""), (999, 300, ""), (300, 100, "loop "), (999, 2_000, "")] {
        let scopes = (0..depth).fold(String::new(), |mut text, at| {
            let local = at % locals;
            write!(text, "{open} try_table (catch $b 0) call $nothing i64.const {at} local.set {local} ")
                .unwrap();
            text
        });
        let close = if open.is_empty() { "end " } else { "end end " };
        let uses = (0..locals).fold(String::new(), |mut text, local| {
            write!(text, "local.get {local} call $use ").unwrap();
            text
        });
        run(&format!(
            r#"(module (tag $a) (tag $b) (func $nothing) (func $use (param i64)) (func $throw throw $a)
                (func (export "f") (local {})
                    block try_table (catch_all 0) {scopes} call $throw {} end end {uses}))"#,
            repeat("i64 ", locals),
            repeat(close, depth),
        ))
        .unwrap();
    }
}

#[test]
fn throwing_without_end_takes_no_memory_and_stops() {
    let module = r#"(module (tag $t (param i64 i64 i64 i64)) (func $throw
            (throw $t (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)))
        (func (export "f") (loop $again
            (block $h (result i64 i64 i64 i64 exnref) (try_table (catch_ref $t $h) (call $throw)) (unreachable))
            drop drop drop drop drop br $again)))"#;
    let engine = engine();
    let mut store = Store::new(&engine, waft::StoreLimitsBuilder::new().memory_size(64 << 20).build());
    store.limiter(|limits| limits);
    let instance = Instance::new(&mut store, &Module::new(&engine, module).unwrap(), &[]).unwrap();
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let start = Instant::now();
    let watchdog = Watchdog::start(store.interrupt_handle(), std::time::Duration::from_millis(300));
    assert_trap(f.call(&mut store, ()), Trap::Interrupt);
    drop(watchdog);
    assert!(start.elapsed() < SOON);
}

#[test]
fn exceptions_that_hold_each_other_are_an_error_when_there_are_too_many() {
    let module = r#"(module (tag $t (param exnref)) (func (export "f") (local exnref) (loop $again
        (block $h (result exnref) (try_table (catch_all_ref $h) (throw $t (local.get 0))) (unreachable))
        local.set 0 br $again)))"#;
    let engine = engine();
    let mut store = Store::new(&engine, waft::StoreLimitsBuilder::new().memory_size(64 << 20).build());
    store.limiter(|limits| limits);
    let instance = Instance::new(&mut store, &Module::new(&engine, module).unwrap(), &[]).unwrap();
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    assert_trap(soon(|| f.call(&mut store, ())), Trap::AllocationTooLarge);
}

#[test]
fn throwing_from_the_bottom_of_the_stack() {
    let module = r#"(module (tag $t (param i32)) (global $n (mut i32) (i32.const 0))
        (func $down (param i32)
            (if (i32.eqz (local.get 0)) (then (throw $t (i32.const 1))))
            (call $down (i32.sub (local.get 0) (i32.const 1))) (global.set $n (i32.const 1)))
        (func (export "f") (local i32)
            (loop $again
                (block $h (result i32) (try_table (catch $t $h) (call $down (i32.const 6000))) (unreachable))
                drop
                (br_if $again (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000))))))"#;
    soon(|| call_on(&engine(), module)).unwrap();
}
