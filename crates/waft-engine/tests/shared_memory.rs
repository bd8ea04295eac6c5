//! Shared memories: one for many stores on many threads, with atomics that order what these do, and waits that end.

mod common;

use common::{compile, run, trap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier, mpsc::channel};
use std::thread;
use waft::*;

const PAGE: usize = 65536;
const THREADS: usize = 4;

fn shared(engine: &Engine, min: u32, max: u32) -> SharedMemory {
    SharedMemory::new(engine, MemoryType::shared(min, max)).unwrap()
}

/// A module that imports `::memory`, shared, of one to eight pages.
fn module(engine: &Engine, funcs: &str) -> Module {
    Module::new(engine, format!(r#"(module (memory (import "" "memory") 1 8 shared) {funcs})"#)).unwrap()
}

/// An instance on a memory, in a store of its own.
fn instance(module: &Module, memory: &SharedMemory) -> (Store<()>, Instance) {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[memory.clone().into()]).unwrap();
    (store, instance)
}

fn call<Params: WasmParams, Results: WasmResults>(
    (store, instance): &mut (Store<()>, Instance),
    name: &str,
    params: Params,
) -> Result<Results> {
    instance.get_typed_func::<Params, Results>(&mut *store, name)?.call(store, params)
}

fn u32_at(memory: &SharedMemory, at: usize) -> u32 {
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

#[test]
fn increments_of_many_threads_all_count() {
    const ROUNDS: u32 = 20_000;
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(
        &engine,
        r#"(func (export "run") (param $rounds i32) (local $old i32)
            (loop $again
                (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
                (drop (i64.atomic.rmw.add (i32.const 8) (i64.const 0x100000001)))
                (drop (i32.atomic.rmw16.add_u (i32.const 18) (i32.const 1)))
                (drop (i32.atomic.rmw8.sub_u (i32.const 21) (i32.const 1)))
                (drop (i64.atomic.rmw32.xor_u (i32.const 24) (i64.const 1)))
                (loop $retry
                    (local.set $old (i32.atomic.load (i32.const 32)))
                    (br_if $retry (i32.ne (local.get $old)
                        (i32.atomic.rmw.cmpxchg (i32.const 32) (local.get $old)
                            (i32.add (local.get $old) (i32.const 3))))))
                (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))"#,
    );
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| call::<_, ()>(&mut instance(&module, &memory), "run", ROUNDS).unwrap());
        }
    });
    let total = ROUNDS * THREADS as u32;
    assert_eq!(u32_at(&memory, 0), total);
    assert_eq!((u32_at(&memory, 8), u32_at(&memory, 12)), (total, total));
    assert_eq!(u32_at(&memory, 16), u32::from(total as u16) << 16);
    assert_eq!(u32_at(&memory, 20), u32::from((total as u8).wrapping_neg()) << 8);
    assert_eq!(u32_at(&memory, 24), 0);
    assert_eq!(u32_at(&memory, 32), total * 3);
}

#[test]
fn who_sees_a_message_sees_what_was_written_before_it() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(
        &engine,
        r#"(func (export "send") (param $rounds i32) (local $n i32)
            (loop $again
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (i32.store (i32.const 256) (local.get $n))
                (i64.store (i32.const 512) (i64.extend_i32_u (local.get $n)))
                (i32.atomic.store (i32.const 0) (local.get $n))
                (loop $wait (br_if $wait (i32.ne (i32.atomic.load (i32.const 64)) (local.get $n))))
                (br_if $again (i32.lt_u (local.get $n) (local.get $rounds)))))
        (func (export "receive") (param $rounds i32) (result i32) (local $n i32)
            (loop $again
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (loop $wait (br_if $wait (i32.ne (i32.atomic.load (i32.const 0)) (local.get $n))))
                (if (i32.ne (i32.load (i32.const 256)) (local.get $n)) (then (return (local.get $n))))
                (if (i64.ne (i64.load (i32.const 512)) (i64.extend_i32_u (local.get $n)))
                    (then (return (local.get $n))))
                (i32.atomic.store (i32.const 64) (local.get $n))
                (br_if $again (i32.lt_u (local.get $n) (local.get $rounds))))
            (i32.const 0))"#,
    );
    let rounds = 2_000;
    thread::scope(|scope| {
        scope.spawn(|| call::<_, ()>(&mut instance(&module, &memory), "send", rounds).unwrap());
        let wrong: u32 = call(&mut instance(&module, &memory), "receive", rounds).unwrap();
        assert_eq!(wrong, 0, "the round in which something else was read");
    });
}

#[test]
fn of_two_who_store_and_then_load_one_sees_the_other() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    // By a store and a load, by a fence between plain ones, and by an exchange.
    let ways = [
        "(i32.atomic.store (local.get $mine) (local.get $n)) (i32.atomic.load (local.get $theirs))",
        "(i32.store (local.get $mine) (local.get $n)) (atomic.fence) (i32.load (local.get $theirs))",
        "(drop (i32.atomic.rmw.xchg (local.get $mine) (local.get $n))) (i32.load (local.get $theirs))",
    ];
    for way in ways {
        let module = module(
            &engine,
            &format!(
                r#"(func (export "run") (param $mine i32) (param $theirs i32) (param $n i32) (result i32) {way})"#
            ),
        );
        let (rounds, barrier) = (3_000_u32, Barrier::new(2));
        let seen = [AtomicU32::new(0), AtomicU32::new(0)];
        let side = |me: usize| {
            let mut guest = instance(&module, &memory);
            for n in 1..=rounds {
                barrier.wait();
                let (mine, theirs) = (64 * me as u32, 64 * (1 - me) as u32);
                let found: u32 = call(&mut guest, "run", (mine, theirs, n)).unwrap();
                seen[me].store(found, Ordering::SeqCst);
                barrier.wait();
                let other = seen[1 - me].load(Ordering::SeqCst);
                assert!(found == n || other == n, "{way}: both missed round {n}");
                barrier.wait();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| side(0));
            side(1);
        });
        memory.write(0, &[0; 128]).unwrap();
    }
}

/// A lock that waits: the word is 0 when free, 1 when taken, 2 when somebody may wait.
const LOCK: &str = r#"
    (func $lock
        (if (i32.eqz (i32.atomic.rmw.cmpxchg (i32.const 0) (i32.const 0) (i32.const 1))) (then return))
        (loop $again
            (if (i32.atomic.rmw.xchg (i32.const 0) (i32.const 2)) (then
                (drop (memory.atomic.wait32 (i32.const 0) (i32.const 2) (i64.const -1)))
                (br $again)))))
    (func $unlock
        (if (i32.eq (i32.atomic.rmw.xchg (i32.const 0) (i32.const 0)) (i32.const 2)) (then
            (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))))
    (func (export "run") (param $rounds i32)
        (loop $again
            (call $lock)
            (i64.store (i32.const 64) (i64.add (i64.load (i32.const 64)) (i64.const 1)))
            (i32.store8 (i32.const 99) (i32.add (i32.load8_u (i32.const 99)) (i32.const 1)))
            (call $unlock)
            (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))"#;

#[test]
fn a_lock_that_waits_excludes_under_load() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(&engine, LOCK);
    let rounds = 5_000;
    thread::scope(|scope| {
        for _ in 0..2 * THREADS {
            scope.spawn(|| call::<_, ()>(&mut instance(&module, &memory), "run", rounds).unwrap());
        }
    });
    let total = rounds * 2 * THREADS as u32;
    assert_eq!(u32_at(&memory, 64), total);
    assert_eq!(u32_at(&memory, 96) >> 24, total & 0xff);
}

const WAITS: &str = r#"
    (func (export "wait32") (param i32 i32 i64) (result i32)
        (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "wait64") (param i32 i64 i64) (result i32)
        (memory.atomic.wait64 (local.get 0) (local.get 1) (local.get 2)))
    (func (export "notify") (param i32 i32) (result i32)
        (memory.atomic.notify (local.get 0) (local.get 1)))"#;

#[test]
fn every_notification_wakes_one_waiter_whoever_they_are() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(&engine, WAITS);
    let woken = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let ended: u32 =
                    call(&mut instance(&module, &memory), "wait32", (8_u32, 0_u32, -1_i64)).unwrap();
                assert_eq!(ended, 0);
                woken.fetch_add(1, Ordering::SeqCst);
            });
            scope.spawn(|| {
                let ended: u32 =
                    call(&mut instance(&module, &memory), "wait64", (8_u32, 0_u64, i64::MAX)).unwrap();
                assert_eq!(ended, 0);
                woken.fetch_add(1, Ordering::SeqCst);
            });
            scope.spawn(|| {
                assert_eq!(memory.atomic_wait32(8, 0, None).unwrap(), WaitResult::Ok);
                woken.fetch_add(1, Ordering::SeqCst);
            });
        }
        let mut guest = instance(&module, &memory);
        let mut notified = 0;
        while notified < 3 * THREADS as u32 {
            // Nobody waits at the neighbours.
            assert_eq!(call::<_, u32>(&mut guest, "notify", (4_u32, 100_u32)).unwrap(), 0);
            assert_eq!(call::<_, u32>(&mut guest, "notify", (12_u32, 100_u32)).unwrap(), 0);
            assert_eq!(call::<_, u32>(&mut guest, "notify", (8_u32, 0_u32)).unwrap(), 0);
            let now: u32 = call(&mut guest, "notify", (8_u32, 1_u32)).unwrap();
            assert!(now <= 1);
            notified += now + memory.atomic_notify(8, 2).unwrap();
            thread::yield_now();
        }
        assert_eq!(notified, 3 * THREADS as u32);
    });
    assert_eq!(woken.into_inner(), 3 * THREADS as u32);
    assert_eq!(memory.atomic_notify(8, u32::MAX).unwrap(), 0);
}

#[test]
fn waits_answer_what_the_specification_says() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    memory.write(16, &[1, 0, 0, 0, 2, 0, 0, 0]).unwrap();
    let mut guest = instance(&module(&engine, WAITS), &memory);
    assert_eq!(call::<_, u32>(&mut guest, "wait32", (16_u32, 2_u32, -1_i64)).unwrap(), 1);
    assert_eq!(call::<_, u32>(&mut guest, "wait32", (16_u32, 1_u32, 0_i64)).unwrap(), 2);
    assert_eq!(call::<_, u32>(&mut guest, "wait32", (16_u32, 1_u32, 2_000_000_i64)).unwrap(), 2);
    assert_eq!(call::<_, u32>(&mut guest, "wait64", (16_u32, 1_i64, -1_i64)).unwrap(), 1);
    assert_eq!(call::<_, u32>(&mut guest, "wait64", (16_u32, (2_i64 << 32) + 1, 1_i64)).unwrap(), 2);
    let end = PAGE as u32;
    for (name, at, expected) in [
        ("wait32", 2, Trap::HeapMisaligned),
        ("wait32", end, Trap::MemoryOutOfBounds),
        ("wait32", u32::MAX - 3, Trap::MemoryOutOfBounds),
        ("notify", 1, Trap::HeapMisaligned),
        ("notify", end, Trap::MemoryOutOfBounds),
    ] {
        let error = match name {
            "notify" => call::<_, u32>(&mut guest, name, (at, 1_u32)).unwrap_err(),
            _ => call::<_, u32>(&mut guest, name, (at, 0_u32, 0_i64)).unwrap_err(),
        };
        assert_eq!(trap(&error), expected, "{name} at {at}");
    }
    let error = call::<_, u32>(&mut guest, "wait64", (4_u32, 0_i64, 0_i64)).unwrap_err();
    assert_eq!(trap(&error), Trap::HeapMisaligned);
}

#[test]
fn nobody_waits_on_a_memory_that_is_not_shared() {
    for (memory, index) in [("1", "i32"), ("i64 1", "i64"), ("65536 (pagesize 1)", "i32")] {
        let (mut store, instance) = common::start(&format!(
            r#"(module (memory {memory})
                (func (export "wait") (drop
                    (memory.atomic.wait32 ({index}.const 0) (i32.const 0) (i64.const 0))))
                (func (export "notify") (result i32)
                    (memory.atomic.notify offset=65532 ({index}.const 0) (i32.const 1)))
                (func (export "outside") (drop
                    (memory.atomic.notify offset=65536 ({index}.const 0) (i32.const 1)))))"#
        ));
        let error = run(&mut store, instance, "wait").unwrap_err();
        assert_eq!(trap(&error), Trap::AtomicWaitNonSharedMemory);
        let notify = instance.get_typed_func::<(), u32>(&mut store, "notify").unwrap();
        assert_eq!(notify.call(&mut store, ()).unwrap(), 0);
        let error = run(&mut store, instance, "outside").unwrap_err();
        assert_eq!(trap(&error), Trap::MemoryOutOfBounds);
    }
}

#[test]
fn addresses_of_waits_do_not_wrap() {
    let (mut store, instance) = common::start(
        r#"(module (memory i64 1 1 shared)
            (func (export "wait") (drop (memory.atomic.wait32 offset=16 (i64.const -8) (i32.const 0) (i64.const 0))))
            (func (export "notify") (drop (memory.atomic.notify offset=0xfffffffffffffffc (i64.const 8) (i32.const 0)))))"#,
    );
    for name in ["wait", "notify"] {
        assert_eq!(trap(&run(&mut store, instance, name).unwrap_err()), Trap::MemoryOutOfBounds);
    }
}

#[test]
fn an_interrupt_ends_a_wait_and_the_store_goes_on() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(&engine, WAITS);
    let mut guest = instance(&module, &memory);
    for round in 0..30 {
        let handle = guest.0.interrupt_handle();
        // Before, while and after the guest falls asleep.
        let stopper = thread::spawn(move || {
            for _ in 0..round * 100 {
                std::hint::spin_loop();
            }
            handle.interrupt();
        });
        let timeout = if round % 2 == 0 { -1 } else { i64::MAX };
        let error = call::<_, u32>(&mut guest, "wait32", (8_u32, 0_u32, timeout)).unwrap_err();
        assert_eq!(trap(&error), Trap::Interrupt);
        stopper.join().unwrap();
        assert_eq!(call::<_, u32>(&mut guest, "notify", (8_u32, 9_u32)).unwrap(), 0, "it is not waiting");
    }
}

#[test]
fn interrupts_and_notifications_at_once_lose_nobody() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(&engine, WAITS);
    for _ in 0..50 {
        let (send, handles) = channel();
        thread::scope(|scope| {
            let module = &module;
            let memory = &memory;
            for _ in 0..THREADS {
                let send = send.clone();
                scope.spawn(move || {
                    let mut guest = instance(module, memory);
                    send.send(guest.0.interrupt_handle()).unwrap();
                    match call::<_, u32>(&mut guest, "wait32", (8_u32, 0_u32, -1_i64)) {
                        Ok(ended) => assert_eq!(ended, 0),
                        Err(error) => assert_eq!(trap(&error), Trap::Interrupt),
                    }
                });
            }
            for (at, handle) in handles.iter().take(THREADS).enumerate() {
                if at % 2 == 0 {
                    memory.atomic_notify(8, 1).unwrap();
                }
                handle.interrupt();
            }
        });
        assert_eq!(memory.atomic_notify(8, u32::MAX).unwrap(), 0);
    }
}

#[test]
fn growth_by_one_is_seen_by_all() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(
        &engine,
        r#"(func (export "await") (param $pages i32) (result i32)
            (loop $again (br_if $again (i32.lt_u (memory.size) (local.get $pages))))
            (i32.load (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4))))
        (func (export "fill") (memory.fill (i32.const 0) (i32.const 7) (i32.shl (memory.size) (i32.const 16))))
        (func (export "grow") (result i32) (memory.grow (i32.const 1)))"#,
    );
    thread::scope(|scope| {
        let seer = scope.spawn(|| call::<_, u32>(&mut instance(&module, &memory), "await", 8_u32).unwrap());
        let growers = [(); THREADS].map(|()| {
            scope.spawn(|| {
                let mut guest = instance(&module, &memory);
                let mut had = Vec::new();
                loop {
                    match call::<_, i32>(&mut guest, "grow", ()).unwrap() {
                        -1 => return had,
                        before => had.push(before),
                    }
                }
            })
        });
        let mut had: Vec<i32> = growers.into_iter().flat_map(|grower| grower.join().unwrap()).collect();
        had.sort_unstable();
        assert_eq!(had, [1, 2, 3, 4, 5, 6, 7], "each size was left by one");
        assert_eq!(seer.join().unwrap(), 0);
    });
    assert_eq!((memory.size(), memory.data_size()), (8, 8 * PAGE));
    run_in(&mut instance(&module, &memory), "fill");
    let mut all = vec![0; 8 * PAGE];
    memory.read(0, &mut all).unwrap();
    assert!(all.iter().all(|byte| *byte == 7));
    assert_eq!(memory.data().len(), 8 * PAGE);
}

fn run_in((store, instance): &mut (Store<()>, Instance), name: &str) {
    run(store, *instance, name).unwrap();
}

#[test]
fn accesses_of_a_64_bit_memory_see_growth_by_others() {
    let engine = Engine::default();
    let ty = MemoryType::builder().min(0).max(Some(4)).shared(true).memory64(true).build().unwrap();
    let memory = SharedMemory::new(&engine, ty).unwrap();
    let module = Module::new(
        &engine,
        r#"(module (memory (import "" "memory") i64 0 4 shared)
            (func (export "load") (param i64) (result i32) (i32.load8_u (local.get 0)))
            (func (export "loads") (param i64) (result i32)
                (drop (i32.load8_u (i64.const 0)))
                (loop $again (br_if $again (i64.lt_u (memory.size) (i64.const 2))))
                (i32.load8_u offset=65535 (local.get 0))))"#,
    )
    .unwrap();
    let mut guest = instance(&module, &memory);
    assert!(call::<_, u32>(&mut guest, "load", 0_u64).is_err());
    memory.grow(1).unwrap();
    assert_eq!(call::<_, u32>(&mut guest, "load", PAGE as u64 - 1).unwrap(), 0);
    assert!(call::<_, u32>(&mut guest, "load", PAGE as u64).is_err());
    thread::scope(|scope| {
        scope.spawn(|| memory.grow(1).unwrap());
        assert_eq!(call::<_, u32>(&mut guest, "loads", PAGE as u64).unwrap(), 0);
    });
}

#[test]
fn a_memory_of_a_module_outlives_its_store() {
    let engine = Engine::default();
    let definer = Module::new(
        &engine,
        r#"(module (memory (export "memory") 1 8 shared) (data (i32.const 100) "from the module"))"#,
    )
    .unwrap();
    let user = module(
        &engine,
        r#"(export "again" (memory 0)) (func (export "run") (result i32) (i32.load8_u (i32.const 100)))"#,
    );
    let memory = {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &definer, &[]).unwrap();
        assert!(instance.get_memory(&mut store, "memory").is_none());
        let export = instance.get_export(&mut store, "memory").unwrap();
        assert_eq!(export.ty(&store).to_string(), "(memory 1 8 shared)");
        // In the same store it is the same memory.
        let second = Instance::new(&mut store, &user, &[export]).unwrap();
        second.get_shared_memory(&mut store, "again").unwrap().write(101, b"R").unwrap();
        instance.get_shared_memory(&mut store, "memory").unwrap()
    };
    let mut guest = instance(&user, &memory);
    assert_eq!(call::<_, u32>(&mut guest, "run", ()).unwrap(), u32::from(b'f'));
    let mut text = [0; 15];
    memory.read(100, &mut text).unwrap();
    assert_eq!(&text, b"fRom the module");
}

#[test]
fn one_store_may_import_it_many_times() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let text = r#"(module (memory $a (import "" "a") 1 8 shared) (memory $b (import "" "b") 1 8 shared)
        (func (export "run") (result i32)
            (i32.store $a (i32.const 0) (i32.const 7))
            (drop (memory.grow $b (i32.const 1)))
            (memory.copy $a $b (i32.const 8) (i32.const 0) (i32.const 4))
            (i32.add (memory.size $a) (i32.load $b (i32.const 8)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().memories(1).build());
    store.limiter(|limits| limits);
    for pages in 2..=4 {
        let imports = [memory.clone().into(), memory.clone().into()];
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), pages + 7);
    }
    let second = shared(&engine, 1, 8);
    assert!(Instance::new(&mut store, &module, &[memory.into(), second.into()]).is_err(), "a second memory");
}

#[test]
fn what_does_not_fit_is_refused() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let memory = shared(&engine, 1, 4);
    let rows = [
        ("1 4 shared", None),
        ("0 9 shared", None),
        ("2 4 shared", Some("wants (memory 2 4 shared), found (memory 1 4 shared)")),
        ("1 3 shared", Some("wants (memory 1 3 shared)")),
        ("1 4", Some("wants (memory 1 4), found (memory 1 4 shared)")),
        ("1", Some("wants (memory 1)")),
        ("i64 1 4 shared", Some("wants (memory i64 1 4 shared)")),
        ("1 4 shared (pagesize 1)", Some("wants (memory 1 4 shared (pagesize 1))")),
    ];
    for (wanted, refusal) in rows {
        let module = compile(&store, &format!(r#"(module (memory (import "" "memory") {wanted}))"#));
        let mut linker = Linker::new(&engine);
        linker.define(&store, "", "memory", memory.clone()).unwrap();
        for outcome in [
            Instance::new(&mut store, &module, &[memory.clone().into()]),
            linker.instantiate(&mut store, &module),
            linker.instantiate_pre(&module).unwrap().instantiate(&mut store),
        ] {
            match (outcome, refusal) {
                (Ok(_), None) => {}
                (Err(error), Some(text)) => assert!(error.to_string().contains(text), "{wanted}: {error}"),
                (outcome, _) => panic!("{wanted}: {outcome:?}"),
            }
        }
    }
    let plain = Memory::new(&mut store, MemoryType::new(1, Some(4))).unwrap();
    let wants_shared = compile(&store, r#"(module (memory (import "" "memory") 1 4 shared))"#);
    assert!(Instance::new(&mut store, &wants_shared, &[plain.into()]).is_err());
    let elsewhere = shared(&Engine::default(), 1, 4);
    let error = Instance::new(&mut store, &wants_shared, &[elsewhere.into()]).unwrap_err();
    assert!(error.to_string().contains("another engine"), "{error}");
    assert!(Memory::new(&mut store, MemoryType::shared(1, 1)).is_err());
    assert!(SharedMemory::new(&engine, MemoryType::shared(2, 1)).is_err());
    assert!(SharedMemory::new(&engine, MemoryType::shared(1, 65537)).is_err());
    assert!(SharedMemory::new(&engine, MemoryType::new(1, Some(2))).is_err());
    assert!(MemoryType::builder().shared(true).build().is_err(), "it has no maximum");
}

#[test]
fn a_linker_gives_one_memory_to_many_stores() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module =
        module(&engine, r#"(func (export "run") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1))))"#);
    let mut linker = Linker::new(&engine);
    linker.define(Store::new(&engine, ()), "", "memory", memory.clone()).unwrap();
    let pre = linker.instantiate_pre(&module).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut store = Store::new(&engine, ());
                let instance = pre.instantiate(&mut store).unwrap();
                run(&mut store, instance, "run").unwrap();
            });
        }
    });
    assert_eq!(u32_at(&memory, 0), THREADS as u32);
}

#[test]
fn the_bytes_of_a_shared_memory_are_not_borrowed() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("host", "look", |mut caller: Caller<'_, ()>| {
            assert!(caller.guest_memory().is_none());
            let memory = caller.get_export("memory").unwrap();
            memory.into_shared_memory().unwrap().size() as u32
        })
        .unwrap();
    for memory in [
        r#"(memory (export "memory") 3 8 shared)"#,
        r#"(memory (export "memory") (import "" "memory") 3 8 shared)"#,
    ] {
        let mut store = Store::new(&engine, ());
        linker.allow_shadowing(true);
        linker.define(&store, "", "memory", shared(&engine, 3, 8)).unwrap();
        let text = format!(
            r#"(module (import "host" "look" (func $look (result i32))) {memory}
                (func (export "run") (result i32) call $look))"#
        );
        let module = compile(&store, &text);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<(), u32>(&mut store, "run").unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), 3);
    }
}

#[test]
fn hosts_copy_bytes_of_every_alignment() {
    let memory = shared(&Engine::default(), 1, 1);
    for start in 0..9 {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 64, 100] {
            let bytes: Vec<u8> = (0..len).map(|at| (start * 31 + at + 1) as u8).collect();
            memory.write(start, &bytes).unwrap();
            let mut around = vec![0; len + 2];
            memory.read(start, &mut around[..len]).unwrap();
            assert_eq!(around[..len], bytes, "{len} at {start}");
            assert_eq!(around[len..], [0, 0]);
            memory.read(start, &mut around).unwrap();
            assert_eq!(around[len..], [0, 0], "{len} at {start}: bytes after it changed");
            memory.write(start, &vec![0; len]).unwrap();
        }
    }
    let mut word = [0; 8];
    for (at, fits) in [(PAGE - 8, true), (PAGE - 7, false), (PAGE, false), (usize::MAX, false)] {
        assert_eq!(memory.read(at, &mut word).is_ok(), fits, "{at}");
        assert_eq!(memory.write(at, &word).is_ok(), fits, "{at}");
    }
    assert!(memory.read(PAGE, &mut []).is_ok() && memory.write(PAGE + 1, &[]).is_err());
}

#[test]
fn segments_fill_shared_memories() {
    let engine = Engine::default();
    let memory = shared(&engine, 1, 8);
    let module = module(
        &engine,
        r#"(data (i32.const 3) "active") (data $d "passive")
        (func (export "init") (memory.init $d (i32.const 65529) (i32.const 0) (i32.const 7)))
        (func (export "far") (memory.init $d (i32.const 65530) (i32.const 0) (i32.const 7)))"#,
    );
    let mut guest = instance(&module, &memory);
    run_in(&mut guest, "init");
    let error = run(&mut guest.0, guest.1, "far").unwrap_err();
    assert_eq!(trap(&error), Trap::MemoryOutOfBounds);
    let mut text = [0; 7];
    memory.read(65529, &mut text).unwrap();
    assert_eq!(&text, b"passive");
    memory.read(3, &mut text).unwrap();
    assert_eq!(&text, b"active\0");
}
