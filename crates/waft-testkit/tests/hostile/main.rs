//! Modules and guests that mean harm: each ends in an error or a trap, soon, and the process lives on.

#![forbid(unsafe_code)]

mod artifact;
mod exception;
mod host;
mod memory;
mod module;
mod size;
mod stack;

use std::time::{Duration, Instant};
use waft::{
    Engine, Func, Instance, Linker, Module, Result, Store, StoreLimits, StoreLimitsBuilder, Trap, Val,
};
use waft_testkit::watchdog::Watchdog;

/// "Soon", with room for a loaded machine and a debug build.
const SOON: Duration = Duration::from_secs(30);

/// A module with something in every section that a module can have.
const EVERYTHING: &str = r#"(module $everything
    (type $t (func (param i32) (result i32)))
    (import "env" "host" (func $host (param i32) (result i32)))
    (table (export "table") 4 8 funcref)
    (table $externs 2 externref)
    (memory (export "memory") 1 3)
    (global $g (export "g") (mut i32) (i32.const 7))
    (global v128 (v128.const i64x2 1 2))
    (func $one (export "one") (type $t) local.get 0 i32.const 1 i32.add)
    (func $loop (export "loop") (type $t) (local i64 f32 f64 v128)
        (block $out (loop $again
            local.get 0 i32.eqz br_if $out
            local.get 0 i32.const 1 i32.sub local.set 0
            local.get 0 local.get 0 i32.load8_u offset=3 i32.store8
            br $again))
        global.get $g)
    (func (export "call") (type $t) local.get 0 i32.const 3 i32.and local.get 0 call_indirect (type $t))
    (func (export "bulk") (type $t)
        i32.const 0 i32.const 0 i32.const 4 memory.init $data
        i32.const 8 i32.const 0 i32.const 4 memory.copy
        i32.const 0 i32.const 0 i32.const 1 table.init $elem
        local.get 0 memory.grow)
    (func (export "simd") (type $t)
        local.get 0 i32x4.splat local.get 0 v128.load i8x16.add i32x4.extract_lane 2)
    (func (export "table_op") (type $t)
        (select (result i32)
            (br_table 0 0 (i32.const 1) (local.get 0))
            (i32.const 2) (i32.const 3)))
    (func $start global.get $g i32.const 1 i32.add global.set $g)
    (start $start)
    (elem (i32.const 0) $one $loop $host)
    (elem $elem func $one)
    (data (i32.const 16) "hello")
    (data $data "bye!")
)"#;

fn everything() -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(EVERYTHING).expect("the text lexes");
    wast::parser::parse::<wast::Wat<'_>>(&buffer).and_then(|mut wat| wat.encode()).expect("the text parses")
}

/// Does all that can be done with a module that nobody trusts: compile it, link it, call everything.
///
/// Whatever comes out is fine, as long as it comes out; the result says whether the module was accepted.
fn exercise(engine: &Engine, bytes: &[u8]) -> bool {
    let Ok(module) = Module::from_binary(engine, bytes) else { return false };
    let limits = StoreLimitsBuilder::new().memory_size(16 << 20).table_elements(100_000).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    let _watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(200));
    let mut linker = Linker::new(engine);
    linker.define_unknown_imports_as_traps(&module).ok();
    let Ok(instance) = linker.instantiate(&mut store, &module) else { return true };
    let names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    for name in names {
        if let Some(func) = instance.get_func(&mut store, &name) {
            call_with_zeros(&mut store, func);
        }
    }
    true
}

fn call_with_zeros(store: &mut Store<StoreLimits>, func: Func) {
    let ty = func.ty(&*store);
    let Some(args) = ty.params().map(|ty| Val::default_for_ty(&ty)).collect::<Option<Vec<Val>>>() else {
        return;
    };
    let mut results = vec![Val::I32(0); ty.results().len()];
    // A trap is as good an end as a result.
    let _ = func.call(store, &args, &mut results);
}

/// Calls the export `f` of a module without imports.
fn call(bytes: impl AsRef<[u8]>) -> Result<()> {
    call_on(&Engine::default(), bytes)
}

fn call_on(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<()> {
    let module = Module::new(engine, bytes)?;
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())
}

#[track_caller]
fn assert_trap<T: std::fmt::Debug>(result: Result<T>, trap: Trap) {
    let error = result.expect_err("a trap was expected");
    assert_eq!(error.downcast_ref::<Trap>(), Some(&trap), "{error:?}");
}

#[track_caller]
fn soon<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    result
}

/// On a thread with a stack of this size, because guests that recurse need one that is known.
fn on_thread<T: Send + 'static>(stack_bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(stack_bytes).spawn(work).unwrap().join().unwrap()
}
