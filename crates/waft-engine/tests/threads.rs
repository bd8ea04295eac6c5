//! Engines and modules are shared by threads, stores move between them, and code lives as long as anybody may run it.

mod common;

use common::{compile, names, run, trap};
use std::thread;
use waft::*;

/// A guest that computes, traps, recurses and calls the host.
const MODULE: &str = r#"(module $busy
    (import "host" "next" (func $next (param i64) (result i64)))
    (memory (export "memory") 1)
    (func (export "work") (param $n i64) (result i64) (local $sum i64)
        (loop
            (local.set $sum (i64.add (local.get $sum) (call $next (local.get $n))))
            (i64.store (i32.const 8) (local.get $sum))
            (local.set $n (i64.sub (local.get $n) (i64.const 1)))
            (br_if 0 (i64.ne (local.get $n) (i64.const 0))))
        (i64.load (i32.const 8)))
    (func $fall (export "fall") unreachable)
    (func $out (export "out") (drop (i32.load (i32.const -1))))
    (func $deep (export "deep") (call $deep)))"#;

fn linker(engine: &Engine) -> Linker<u64> {
    let mut linker = Linker::new(engine);
    let next = |mut caller: Caller<'_, u64>, n: i64| {
        *caller.data_mut() += 1;
        n + 1
    };
    linker.func_wrap("host", "next", next).unwrap();
    linker
}

/// Uses an instance in every way, once.
fn use_once(store: &mut Store<u64>, instance: Instance) {
    let before = *store.data();
    let work = instance.get_typed_func::<i64, i64>(&mut *store, "work").unwrap();
    assert_eq!(work.call(&mut *store, 100).unwrap(), 5150);
    assert_eq!(*store.data(), before + 100);
    for (name, expected) in [
        ("fall", Trap::UnreachableCodeReached),
        ("out", Trap::MemoryOutOfBounds),
        ("deep", Trap::StackOverflow),
    ] {
        let error = run(store, instance, name).unwrap_err();
        assert_eq!(trap(&error), expected);
        assert_eq!(names(&error)[0], name);
    }
}

#[test]
fn one_module_runs_on_many_threads_at_once() {
    let engine = Engine::default();
    let module = Module::new(&engine, MODULE).unwrap();
    let pre = linker(&engine).instantiate_pre(&module).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let mut store = Store::new(&engine, 0);
                    let instance = pre.instantiate(&mut store).unwrap();
                    for _ in 0..5 {
                        use_once(&mut store, instance);
                    }
                }
            });
        }
    });
}

#[test]
fn instances_keep_their_code_when_module_linker_and_engine_are_dropped() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 0);
    let instance = {
        let module = compile(&store, MODULE);
        linker(&engine).instantiate(&mut store, &module).unwrap()
    };
    drop(engine);
    for _ in 0..3 {
        use_once(&mut store, instance);
        // Code of the same size takes the place of whatever was freed.
        let other = Module::new(store.engine(), MODULE).unwrap();
        assert_eq!(instance.module(&store).name(), other.name());
    }
}

#[test]
fn functions_of_dropped_instances_in_tables_keep_working() {
    let mut store = Store::new(&Engine::default(), ());
    let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 50, None), Ref::Func(None)).unwrap();
    for at in 0..50 {
        let text = format!(
            r#"(module (import "" "" (table 50 funcref)) (elem (i32.const {at}) $f)
                (global $g (mut i32) (i32.const {at})) (func $f (result i32) global.get $g))"#
        );
        let module = compile(&store, &text);
        Instance::new(&mut store, &module, &[table.into()]).unwrap();
    }
    for at in 0..50 {
        let func = table.get(&mut store, at).unwrap();
        let func = func.as_func().unwrap().unwrap().typed::<(), u32>(&store).unwrap();
        assert_eq!(func.call(&mut store, ()).unwrap(), at as u32);
    }
}

#[test]
fn a_store_moves_between_threads_between_calls() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 0);
    let module = compile(&store, MODULE);
    let instance = linker(&engine).instantiate(&mut store, &module).unwrap();
    for round in 0..10 {
        // Stacks lie elsewhere and are smaller: limits must follow.
        let builder = thread::Builder::new().stack_size((256 + 64 * round) << 10);
        let moved = builder.spawn(move || {
            use_once(&mut store, instance);
            store
        });
        store = moved.unwrap().join().unwrap();
        use_once(&mut store, instance);
    }
    assert_eq!(store.into_data(), 2000);
}

#[test]
fn code_is_compiled_run_and_freed_on_all_threads_at_once() {
    let engine = Engine::default();
    thread::scope(|scope| {
        for worker in 0..4_i32 {
            let engine = &engine;
            scope.spawn(move || {
                let mut kept = Vec::new();
                for round in 0..40_i32 {
                    let number = worker * 1000 + round;
                    // Of many sizes, so that freed places are used by others.
                    let padding = "(drop (call $leaf (i32.const 1)))".repeat((round * 7 % 50) as usize);
                    let text = format!(
                        r#"(module (memory 1) (func $leaf (param i32) (result i32) (i32.mul (local.get 0) (i32.const {number})))
                            (func (export "f") (result i32) {padding} (call $leaf (i32.const 3)))
                            (func $m{number} (export "out") (drop (i64.load (i32.const 65530)))))"#
                    );
                    let module = Module::new(engine, text).unwrap();
                    let mut store = Store::new(engine, ());
                    let instance = Instance::new(&mut store, &module, &[]).unwrap();
                    kept.push((store, instance, number));
                    if round % 3 == 2 {
                        kept.swap_remove(round as usize % kept.len());
                    }
                    for (store, instance, number) in &mut kept {
                        let f = instance.get_typed_func::<(), i32>(&mut *store, "f").unwrap();
                        assert_eq!(f.call(&mut *store, ()).unwrap(), 3 * *number);
                    }
                    let (store, instance, number) = kept.last_mut().unwrap();
                    let error = run(store, *instance, "out").unwrap_err();
                    assert_eq!(trap(&error), Trap::MemoryOutOfBounds);
                    assert_eq!(names(&error), [format!("m{number}")]);
                }
            });
        }
    });
}

#[test]
fn signatures_mean_the_same_while_modules_come_and_go() {
    let engine = Engine::default();
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let engine = &engine;
            scope.spawn(move || {
                for round in 0..60_usize {
                    // Types that others register and forget meanwhile.
                    let params = " i32".repeat((worker + round) % 7) + &" f64".repeat(round % 5);
                    let other = " i64".repeat(round % 3 + 1);
                    let text = format!(
                        r#"(module (type $t (func (param{params}))) (type $o (func (param{other})))
                            (table funcref (elem $f $g)) (func $f (type $t)) (func $g (type $o))
                            (func (export "right") {} (call_indirect (type $t) (i32.const 0)))
                            (func (export "wrong") {} (call_indirect (type $t) (i32.const 1))))"#,
                        constants(&params),
                        constants(&params)
                    );
                    let mut store = Store::new(engine, ());
                    let module = compile(&store, &text);
                    let instance = Instance::new(&mut store, &module, &[]).unwrap();
                    run(&mut store, instance, "right").unwrap();
                    assert_eq!(trap(&run(&mut store, instance, "wrong").unwrap_err()), Trap::BadSignature);
                }
            });
        }
    });
}

/// A constant of each type.
fn constants(types: &str) -> String {
    types.split_whitespace().map(|ty| format!("({ty}.const 0)")).collect()
}

#[test]
fn modules_compiled_by_many_threads_are_the_same() {
    let func = |at| {
        format!(
            r#"(func (param i64) (result i64) (i64.rotl (i64.mul (local.get 0) (i64.const {at})) (i64.const 3)))"#
        )
    };
    // Enough bytes to be worth more than one thread.
    let text: String = (0..3000).map(func).collect();
    let text = format!("(module {text})");
    let artifact = |parallel| {
        let engine = Engine::new(Config::new().parallel_compilation(parallel)).unwrap();
        Module::new(&engine, &text).unwrap().serialize().unwrap()
    };
    let first = artifact(true);
    assert!(first == artifact(false));
    assert!(first == artifact(true));
}
