//! What bounds a heap: limiters, interrupts, the stack; and stores whose instances failed half-way.

use crate::common::{compile, instantiate, trap};
use crate::{STRESS, call, engine};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use waft::*;

/// Keeps all it makes, drops it, or makes one thing that is large.
const GREEDY: &str = r#"(module (type $node (struct (field i64) (field (ref null $node)))) (type $bytes (array (mut i8)))
    (global $kept (mut (ref null $node)) (ref.null $node))
    (func (export "keep") (param i32) (loop
        (global.set $kept (struct.new $node (i64.const 1) (global.get $kept)))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "forget") (param i32) (global.set $kept (ref.null $node)))
    (func (export "churn") (param i32) (loop
        (drop (struct.new $node (i64.const 1) (ref.null $node)))
        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "large") (param i32) (drop (array.new_default $bytes (local.get 0)))))"#;

/// Instances of the greedy module in a store with a limit, and what it does.
fn limited(engine: &Engine, limits: StoreLimitsBuilder) -> (Store<StoreLimits>, Result<Instance>) {
    let mut store = Store::new(engine, limits.build());
    store.limiter(|limits| limits);
    let module = compile(&store, GREEDY);
    let instance = Instance::new(&mut store, &module, &[]);
    (store, instance)
}

fn act(store: &mut Store<StoreLimits>, instance: Instance, name: &str, count: i32) -> Result<()> {
    instance.get_typed_func::<i32, ()>(&mut *store, name)?.call(store, count)
}

#[test]
fn what_is_alive_is_bounded_and_what_is_dead_is_not() {
    for (mib, trap_on_failure) in [(1, false), (3, false), (16, false), (3, true), (64, true)] {
        let engine = Engine::default();
        let limits = StoreLimitsBuilder::new().memory_size(mib << 20).trap_on_grow_failure(trap_on_failure);
        let (mut store, instance) = limited(&engine, limits);
        let instance = instance.unwrap();
        for round in 0..3 {
            act(&mut store, instance, "churn", 1_000_000).unwrap();
            // Every object takes 24 bytes, twice.
            act(&mut store, instance, "keep", (mib << 20) as i32 / 300).unwrap();
            let error = act(&mut store, instance, "keep", 100_000_000).unwrap_err();
            match trap_on_failure {
                true => assert!(format!("{error:?}").contains("forcing a trap"), "{error:?}"),
                false => assert_eq!(trap(&error), Trap::AllocationTooLarge, "round {round}"),
            }
            assert!(act(&mut store, instance, "large", (mib << 20) as i32).is_err());
            act(&mut store, instance, "forget", 0).unwrap();
            act(&mut store, instance, "large", (mib << 20) as i32 / 8).unwrap();
            let stats = store.gc_stats();
            assert!(stats.heap_bytes <= mib << 20, "{stats}");
        }
    }
}

#[test]
fn below_the_smallest_heap_no_object_is_made_and_all_else_runs() {
    let engine = Engine::default();
    let (mut store, instance) = limited(&engine, StoreLimitsBuilder::new().memory_size(512 << 10));
    let instance = instance.unwrap();
    for name in ["churn", "large"] {
        let error = act(&mut store, instance, name, 1_000_000).unwrap_err();
        assert_eq!(trap(&error), Trap::AllocationTooLarge, "{error:?}");
    }
    let error = ExternRef::new(&mut store, 1).unwrap_err();
    assert_eq!(trap(&error), Trap::AllocationTooLarge);
    assert_eq!(store.gc_stats(), GcStats::default());
    // What needs no heap runs.
    act(&mut store, instance, "forget", 1).unwrap();
    store.gc();
    assert_eq!(store.gc_stats(), GcStats::default());
    // With another limit it is there.
    *store.data_mut() = StoreLimits::default();
    ExternRef::new(&mut store, 1).unwrap();
}

/// A limiter that panics, or raises an error, when it is asked for the so manyeth time.
struct Moody {
    asked: usize,
    moody_at: usize,
    panics: bool,
}

impl ResourceLimiter for Moody {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        self.asked += 1;
        if self.asked == self.moody_at {
            assert!(!self.panics, "moody");
            bail!("moody");
        }
        Ok(true)
    }
    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

#[test]
fn limiters_that_panic_or_fail_leave_a_heap_that_works() {
    for stress in STRESS {
        for panics in [true, false] {
            for moody_at in 1..6 {
                let engine = engine(stress);
                let mut store = Store::new(&engine, Moody { asked: 0, moody_at, panics });
                store.limiter(|moody| moody);
                let module = compile(&store, GREEDY);
                let mut moods = 0;
                let mut attempt =
                    |act: &mut dyn FnMut() -> Result<()>| match catch_unwind(AssertUnwindSafe(act)) {
                        Ok(done) => drop(done),
                        Err(_) => moods += 1,
                    };
                let mut instance = None;
                for _ in 0..2 {
                    attempt(&mut || {
                        instance = Some(Instance::new(&mut store, &module, &[])?);
                        Ok(())
                    });
                }
                let instance = instance.expect("it is moody once");
                // Under full stress each object costs a collection of all.
                let (step, most) = if stress == GcStress::Off { (200_000, 8) } else { (100, 2) };
                for _ in 0..most {
                    attempt(&mut || {
                        instance.get_typed_func::<i32, ()>(&mut store, "keep")?.call(&mut store, step)
                    });
                    attempt(&mut || {
                        instance.get_typed_func::<i32, ()>(&mut store, "large")?.call(&mut store, 3 << 20)
                    });
                }
                assert!(moods <= 1, "{moods}");
                let keep = instance.get_typed_func::<i32, ()>(&mut store, "keep").unwrap();
                keep.call(&mut store, 100).unwrap();
                store.gc();
                keep.call(&mut store, 100).unwrap();
            }
        }
    }
}

#[test]
fn host_values_that_panic_when_they_are_dropped_leave_a_heap_that_works() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    for stress in STRESS {
        let engine = engine(stress);
        let mut store = Store::new(&engine, StoreLimits::default());
        let instance = instantiate(&mut store, GREEDY);
        let kept = Arc::new(());
        ExternRef::new(&mut store, kept.clone()).unwrap();
        {
            let mut scope = RootScope::new(&mut store);
            ExternRef::new(&mut scope, Bomb).unwrap();
        }
        let count = if stress == GcStress::Off { 100_000 } else { 1 };
        assert!(catch_unwind(AssertUnwindSafe(|| act(&mut store, instance, "keep", count))).is_err());
        act(&mut store, instance, "keep", 100).unwrap();
        store.gc();
        assert_eq!((Arc::strong_count(&kept), store.gc_stats().host_values), (2, 1));
    }
}

#[test]
fn instances_that_fail_half_way_leave_a_store_that_works() {
    for stress in STRESS {
        let mut store = Store::new(&engine(stress), ());
        let shared = RefType::new(true, HeapType::Any);
        let table = Table::new(&mut store, TableType::new(shared, 4, None), Ref::Any(None)).unwrap();
        let failures = [
            // An object in the table of another, then a trap in the start function.
            r#"(table (import "" "t") 4 anyref) (type $own (struct (field i16) (field i64)))
               (elem (i32.const 1) anyref (item (struct.new $own (i32.const 5) (i64.const 7))))
               (func $start unreachable) (start $start)"#,
            // Objects, then a segment that does not fit.
            r#"(table (import "" "t") 4 anyref) (type $own (struct (field f64) (field anyref)))
               (elem (i32.const 2) anyref (item (struct.new $own (f64.const 5) (array.new $a (ref.i31 (i32.const 1)) (i32.const 9)))))
               (type $a (array anyref))
               (elem (i32.const 4) anyref (item (struct.new_default $own)))"#,
            // An array that no heap holds.
            r#"(table (import "" "t") 4 anyref) (type $a (array (mut i64)))
               (global (ref $a) (array.new_default $a (i32.const 10)))
               (global (ref $a) (array.new_default $a (i32.const -1)))"#,
        ];
        for body in failures {
            let module = compile(&store, &format!("(module {body})"));
            Instance::new(&mut store, &module, &[table.into()]).unwrap_err();
            drop(module);
            store.gc();
        }
        let at = |store: &mut Store<()>, index| {
            let value = *table.get(&mut *store, index).unwrap().unwrap_any().unwrap();
            value.unwrap_struct(&*store).unwrap()
        };
        let first = at(&mut store, 1);
        assert_eq!(first.ty(&store).unwrap().to_string(), "(struct (field i16) (field i64))");
        assert_eq!(first.field(&mut store, 1).unwrap().unwrap_i64(), 7);
        let second = at(&mut store, 2);
        let inner =
            second.field(&mut store, 1).unwrap().unwrap_anyref().unwrap().unwrap_array(&store).unwrap();
        assert_eq!(inner.len(&store).unwrap(), 9);
        assert!(table.get(&mut store, 3).unwrap().is_null());
    }
}

#[test]
fn interrupts_end_loops_that_allocate_and_calls_during_collections() {
    for stress in STRESS {
        let engine = engine(stress);
        let text = r#"(module (type $node (struct (field (mut i64)) (field (mut (ref null $node)))))
            (type $bytes (array (mut i8)))
            (import "host" "ready" (func $ready))
            (global $kept (mut (ref null $node)) (ref.null $node))
            (func (export "structs") (call $ready) (loop
                (global.set $kept (struct.new $node (i64.const 1) (struct.new_default $node)))
                (br 0)))
            (func (export "arrays") (call $ready) (loop (drop (array.new_default $bytes (i32.const 100000))) (br 0)))
            (func (export "large") (call $ready) (loop (drop (array.new_default $bytes (i32.const 1000000))) (br 0)))
            (func (export "fills") (local $a (ref $bytes)) (local.set $a (array.new_default $bytes (i32.const 10000000)))
                (call $ready) (loop (array.fill $bytes (local.get $a) (i32.const 0) (i32.const 1) (i32.const 10000000)) (br 0)))
            (func (export "collections") (call $ready) (loop (call $gc) (drop (struct.new_default $node)) (br 0)))
            (import "host" "gc" (func $gc))
            (func (export "fine") (result i64) (struct.get $node 0 (struct.new $node (i64.const 5) (global.get $kept)))))"#
            .replace(r#"(import "host" "gc" (func $gc))"#, "")
            .replace(r#"(import "host" "ready" (func $ready))"#, r#"(import "host" "ready" (func $ready)) (import "host" "gc" (func $gc))"#);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let mut store = Store::new(&engine, ready);
        let mut linker = Linker::new(&engine);
        type Ready = std::sync::mpsc::Sender<()>;
        linker
            .func_wrap("host", "ready", |caller: Caller<'_, Ready>| caller.data().send(()).unwrap())
            .unwrap();
        linker.func_wrap("host", "gc", |mut caller: Caller<'_, Ready>| caller.as_context_mut().gc()).unwrap();
        let module = compile(&store, &text);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let handle = store.interrupt_handle();
        let interrupter = std::thread::spawn(move || {
            for (round, ()) in is_ready.iter().enumerate() {
                for _ in 0..round * 1_000 {
                    std::hint::spin_loop();
                }
                handle.interrupt();
            }
        });
        for name in ["structs", "arrays", "large", "fills", "collections"] {
            for _ in 0..10 {
                let run = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
                assert_eq!(trap(&run.call(&mut store, ()).unwrap_err()), Trap::Interrupt, "{name}");
                let fine = instance.get_typed_func::<(), i64>(&mut store, "fine").unwrap();
                assert_eq!(fine.call(&mut store, ()).unwrap(), 5);
            }
        }
        drop(store);
        interrupter.join().unwrap();
    }
}

#[test]
fn a_request_that_came_before_a_collection_ends_the_call_after_it() {
    for stress in STRESS {
        let mut store = Store::new(&engine(stress), ());
        let instance = instantiate(&mut store, GREEDY);
        let keep = instance.get_typed_func::<i32, ()>(&mut store, "keep").unwrap();
        keep.call(&mut store, 50).unwrap();
        store.interrupt_handle().interrupt();
        store.gc();
        assert_eq!(trap(&keep.call(&mut store, 50).unwrap_err()), Trap::Interrupt);
        keep.call(&mut store, 50).unwrap();
    }
}

#[test]
fn functions_that_allocate_run_out_of_stack_as_others_do() {
    for stress in STRESS {
        let mut config = Config::new();
        config.gc_stress(stress).max_wasm_stack(if stress == GcStress::Full { 64 << 10 } else { 256 << 10 });
        let mut store = Store::new(&Engine::new(&config).unwrap(), ());
        let text = r#"(module (type $node (struct (field i32) (field (ref null $node)))) (type $big (array (mut (ref null $node))))
            (func $down (export "down") (param (ref null $node)) (result i32) (local $mine (ref $node))
                (local.set $mine (struct.new $node (i32.const 1) (local.get 0)))
                (drop (array.new $big (local.get $mine) (i32.const 10)))
                (i32.add (call $down (local.get $mine)) (struct.get $node 0 (local.get $mine))))
            (func (export "run") (result i32) (call $down (ref.null $node))))"#;
        let instance = instantiate(&mut store, text);
        for _ in 0..3 {
            let error = call::<_, i32>(&mut store, instance, "run", ()).unwrap_err();
            assert_eq!(trap(&error), Trap::StackOverflow);
            store.gc();
        }
    }
}
