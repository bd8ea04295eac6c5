//! Hot functions get better code, and nothing else can be seen of it.

mod common;

use common::scratch::TestCache;
use common::{names, run, trap};
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use waft::*;

/// How long a test waits for something that happens in the background.
const SOON: Duration = Duration::from_secs(60);

fn auto() -> Engine {
    Engine::new(Config::new().tier(TierChoice::Auto)).unwrap()
}

fn switching(seed: u64) -> Engine {
    Engine::new(Config::new().tier_stress(Some(seed))).unwrap()
}

fn instantiate(engine: &Engine, wat: &str) -> (Store<()>, Instance, Module) {
    let module = Module::new(engine, wat).unwrap();
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance, module)
}

/// Loops of every kind, with what they give for 1, 2, 3 and so on.
const LOOPS: &[(&str, &str, &[i64])] = &[
    (
        "locals of every type",
        r#"(func (export "f") (param $n i64) (result i64) (local $i i32) (local $x f32) (local $y f64) (local $v v128) (local $r externref)
            (local $f funcref)
            (loop
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (local.set $x (f32.add (local.get $x) (f32.const 0.5)))
                (local.set $y (f64.sub (local.get $y) (f64.const 0.25)))
                (local.set $v (i64x2.add (local.get $v) (i64x2.splat (i64.const 3))))
                (br_if 0 (i32.lt_u (local.get $i) (i32.wrap_i64 (i64.mul (local.get $n) (i64.const 100))))))
            (if (ref.is_null (local.get $r)) (then) (else unreachable))
            (if (ref.is_null (local.get $f)) (then) (else unreachable))
            (i64.add
                (i64.add (i64.extend_i32_u (local.get $i)) (i64.trunc_f32_s (local.get $x)))
                (i64.add (i64.trunc_f64_s (local.get $y)) (i64x2.extract_lane 1 (local.get $v)))))"#,
        &[100 + 50 - 25 + 300, 200 + 100 - 50 + 600, 300 + 150 - 75 + 900],
    ),
    (
        "operands below, constants and vectors among them",
        r#"(func (export "f") (param $n i64) (result i64) (local $i i64)
            (i64.const 1000) (local.get $n) (v128.const i64x2 7 8) (f32.const 2)
            (loop
                (br_if 0 (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (i64.const 500))))
            i64.trunc_f32_s (local.set $i (i64.add (local.get $i)))
            (i64x2.extract_lane 0) (local.set $i (i64.add (local.get $i)))
            i64.add (i64.add (local.get $i)))"#,
        &[1000 + 1 + 502 + 7, 1000 + 2 + 502 + 7, 1000 + 3 + 502 + 7],
    ),
    (
        "a parameter, in a register",
        r#"(func (export "f") (param $n i64) (result i64) (local $i i32)
            (local.get $n)
            (loop (param i64) (result i64)
                (i64.add (i64.const 2))
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300)))))"#,
        &[601, 602, 603],
    ),
    (
        "in an arm of a block with parameters, with another arm and without",
        r#"(func (export "f") (param $n i64) (result i64) (local $i i32) (local $j i32)
            (i64.const 5)
            (loop (param i64) (result i64)
                (local.set $i (i32.const 0))
                (local.get $n)
                (if (param i64 i64) (result i64 i64) (i32.and (local.get $j) (i32.const 1))
                    (then (loop (param i64 i64) (result i64 i64)
                        (i64.add (i64.const 1))
                        (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50)))))
                    (else (loop (param i64 i64) (result i64 i64)
                        (i64.add (i64.const 2))
                        (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 50))))))
                i64.add
                (if (param i64) (result i64) (i32.and (local.get $j) (i32.const 2))
                    (then (loop (param i64) (result i64)
                        (i64.add (i64.const 3))
                        (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))))
                (br_if 0 (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 8)))))"#,
        &[5 + 8 + 600 + 600, 5 + 16 + 600 + 600, 5 + 24 + 600 + 600],
    ),
    (
        "several parameters, and results",
        r#"(func (export "f") (param $n i64) (result i64) (local $i i32)
            (local.get $n) (f64.const 0.5) (i32.const 3)
            (loop (param i64 f64 i32) (result i64 f64 i32)
                (i32.add (i32.const 1)) 
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 300))))
            drop drop)"#,
        &[1, 2, 3],
    ),
    (
        "loops in loops",
        r#"(func (export "f") (param $n i64) (result i64) (local $i i32) (local $j i32) (local $sum i64)
            (loop $outer
                (local.set $j (i32.const 0))
                (loop $inner
                    (local.set $sum (i64.add (local.get $sum) (local.get $n)))
                    (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 20))))
                (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30)))
                (local.set $j (i32.const 0))
                (loop $after
                    (local.set $sum (i64.add (local.get $sum) (i64.const 1)))
                    (br_if $after (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 40)))))
            (local.get $sum))"#,
        &[640, 1240, 1840],
    ),
    (
        "results in an area, arguments on the stack",
        r#"(func $g (param i64 i64 i64 i64 i64 i64 i64 i64 v128) (result i64 i64 i64 i64 i64 i64) (local $i i32)
                (loop
                    (local.set 0 (i64.add (local.get 0) (i64.const 1)))
                    (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 90))))
                (local.get 0) (local.get 1) (local.get 7) (i64x2.extract_lane 0 (local.get 8)) (local.get 5) (i64.const 2))
            (func (export "f") (param $n i64) (result i64)
                (call $g (local.get $n) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
                    (v128.const i64x2 8 9))
                i64.add i64.add i64.add i64.add i64.add)"#,
        &[90 + 1 + 23, 90 + 2 + 23, 90 + 3 + 23],
    ),
    (
        "references into the heap",
        r#"(type $list (struct (field i64) (field (ref null $list))))
            (func (export "f") (param $n i64) (result i64) (local $i i32) (local $l (ref null $list)) (local $sum i64)
                (struct.new $list (i64.const 5) (ref.null $list))
                (loop
                    (local.set $l (struct.new $list (local.get $n) (local.get $l)))
                    (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 200))))
                (local.set $sum (struct.get $list 0))
                (loop
                    (local.set $sum (i64.add (local.get $sum) (struct.get $list 0 (local.get $l))))
                    (br_if 0 (i32.eqz (ref.is_null (local.tee $l (struct.get $list 1 (local.get $l)))))))
                (local.get $sum))"#,
        &[205, 405, 605],
    ),
    (
        "scopes that catch, around a loop and in it",
        r#"(tag $t (param i64))
            (func $throw (param i64) (throw $t (local.get 0)))
            (func (export "f") (param $n i64) (result i64) (local $i i32) (local $sum i64)
                (block $done (result i64)
                    (try_table (result i64) (catch $t $done)
                        (loop (result i64)
                            (block $inner (result i64)
                                (try_table (result i64) (catch $t $inner) (call $throw (local.get $n)) (i64.const 0)))
                            (local.set $sum (i64.add (local.get $sum)))
                            (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 70)))
                            (call $throw (local.get $sum))
                            (i64.const 0)))))"#,
        &[70, 140, 210],
    ),
    (
        "tail calls out of a loop",
        r#"(func $g (param $n i64) (param $deep i32) (result i64) (local $i i32)
                (loop
                    (local.set $n (i64.add (local.get $n) (i64.const 1)))
                    (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
                (if (i32.eqz (local.get $deep)) (then (return (local.get $n))))
                (return_call $g (local.get $n) (i32.sub (local.get $deep) (i32.const 1))))
            (func (export "f") (param i64) (result i64) (call $g (local.get 0) (i32.const 100000)))"#,
        &[1_000_011, 1_000_012, 1_000_013],
    ),
];

#[test]
fn loops_are_left_with_all_that_they_know() {
    for (what, body, wanted) in LOOPS {
        for seed in 0..12 {
            for stress in [GcStress::Off, GcStress::Full] {
                let engine = Engine::new(Config::new().tier_stress(Some(seed)).gc_stress(stress)).unwrap();
                let (mut store, instance, _) = instantiate(&engine, &format!("(module {body})"));
                let f = instance.get_typed_func::<i64, i64>(&mut store, "f").unwrap();
                for (n, wanted) in (1..).zip(*wanted) {
                    assert_eq!(f.call(&mut store, n).unwrap(), *wanted, "{what}, of {n}, seed {seed}");
                }
            }
        }
    }
}

#[test]
fn traps_in_a_loop_that_was_left_have_the_same_backtrace() {
    let text = r#"(module (memory 1)
        (func $inner (param i32) (result i32) (local $i i32)
            (loop (drop (i32.load (i32.shl (local.get $i) (i32.const 4))))
                (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0))))
            (local.get $i))
        (func $outer (export "f") (drop (call $inner (i32.const 10000)))))"#;
    let eager = Engine::new(Config::new().tier(TierChoice::Optimized)).unwrap();
    let stop = |engine: &Engine| {
        let (mut store, instance, _) = instantiate(engine, text);
        let error = run(&mut store, instance, "f").unwrap_err();
        (trap(&error), names(&error), error.downcast_ref::<WasmBacktrace>().unwrap().to_string())
    };
    let wanted = stop(&eager);
    assert_eq!(
        (wanted.0, &wanted.1[..]),
        (Trap::MemoryOutOfBounds, &["inner".to_owned(), "outer".to_owned()][..])
    );
    for seed in 0..20 {
        assert_eq!(stop(&switching(seed)), wanted, "seed {seed}");
    }
}

/// A loop that ends when the host says so: nothing but code that is entered at it can take the place of the code that is in it.
const ENDLESS: &str = r#"(module (import "" "go_on" (func $go_on (result i32)))
    (func (export "f") (result i64) (local $i i64)
        (loop
            (local.set $i (i64.add (local.get $i) (i64.const 1)))
            (br_if 0 (i32.and (i64.eqz (i64.and (local.get $i) (i64.const 0xffff))) (call $go_on)))
            (br_if 0 (i64.ne (i64.and (local.get $i) (i64.const 0xffff)) (i64.const 0))))
        (local.get $i)))"#;

#[test]
fn a_loop_that_is_entered_once_is_left_for_better_code() {
    let engine = auto();
    let module = Module::new(&engine, ENDLESS).unwrap();
    let mut store = Store::new(&engine, ());
    let (start, probe) = (Instant::now(), module.clone());
    let go_on = Func::wrap(&mut store, move || -> u32 {
        let left = probe.compiled_code().any(|code| code.loop_offset().is_some());
        u32::from(!left && start.elapsed() < SOON)
    });
    let instance = Instance::new(&mut store, &module, &[go_on.into()]).unwrap();
    instance.get_typed_func::<(), i64>(&mut store, "f").unwrap().call(&mut store, ()).unwrap();
    let code: Vec<_> = module.compiled_code().collect();
    assert!(code.iter().any(|code| code.loop_offset().is_some() && code.tier() == "cranelift"), "{code:?}");
    assert_eq!(
        (code[0].tier(), code[0].function_index(), code[0].reason()),
        ("baseline", 1, CompileReason::FirstCall)
    );
}

#[test]
fn what_is_called_often_gets_better_code_and_so_do_references_to_it() {
    let engine = auto();
    let (mut store, instance, module) = instantiate(
        &engine,
        r#"(module (table 1 funcref) (elem (i32.const 0) $f) (type $t (func (result i32)))
            (func $f (result i32) (i32.const 7))
            (func (export "direct") (result i32) (call $f))
            (func (export "indirect") (result i32) (call_indirect (type $t) (i32.const 0))))"#,
    );
    let [direct, indirect] =
        ["direct", "indirect"].map(|name| instance.get_typed_func::<(), u32>(&mut store, name).unwrap());
    let start = Instant::now();
    while module.compiled_code().filter(|code| code.tier() == "cranelift").count() < 3 {
        assert!(start.elapsed() < SOON, "{:?}", module.compiled_code().collect::<Vec<_>>());
        for _ in 0..1000 {
            assert_eq!(
                (direct.call(&mut store, ()).unwrap(), indirect.call(&mut store, ()).unwrap()),
                (7, 7)
            );
        }
    }
    assert!(module.compiled_code().all(|code| code.loop_offset().is_none()));
    // Another instance has the better code from the start.
    let other = Instance::new(&mut store, &module, &[]).unwrap();
    let f = other.get_typed_func::<(), u32>(&mut store, "indirect").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 7);
}

/// A function that calls what a table or a global refers to, of one kind each.
const GUESSES: &str = r#"(module
    (type $t (func (param i64) (result i64))) (type $other (func (result i64)))
    (import "" "imported" (func $imported (type $t)))
    (table $table 1 funcref) (global $ref (mut (ref null $t)) (ref.null $t))
    (func $small (type $t) (i64.add (local.get 0) (i64.const 1)))
    (func $traps (type $t) (i64.div_s (i64.const 1) (i64.const 0)))
    (func $loops (type $t) (local i64)
        (loop (local.set 1 (i64.add (local.get 1) (i64.const 2)))
            (br_if 0 (i64.lt_u (local.get 1) (local.get 0))))
        (local.get 1))
    (func $odd (type $other) (i64.const 9))
    (elem declare func $small $traps $loops $imported $odd)
    (func $by_table (export "table") (param i64) (result i64) (call_indirect $table (type $t) (local.get 0) (i32.const 0)))
    (func $by_ref (export "ref") (param i64) (result i64) (call_ref $t (local.get 0) (global.get $ref)))
    (func (export "set") (param i32)
        (block $null (block $odd (block $imported (block $loops (block $traps (block $small
            (br_table $small $traps $loops $imported $odd $null (local.get 0)))
            (table.set $table (i32.const 0) (ref.func $small)) (global.set $ref (ref.func $small)) (return))
            (table.set $table (i32.const 0) (ref.func $traps)) (global.set $ref (ref.func $traps)) (return))
            (table.set $table (i32.const 0) (ref.func $loops)) (global.set $ref (ref.func $loops)) (return))
            (table.set $table (i32.const 0) (ref.func $imported)) (global.set $ref (ref.func $imported)) (return))
            (table.set $table (i32.const 0) (ref.func $odd)) (global.set $ref (ref.null $t)) (return))
        (table.set $table (i32.const 0) (ref.null func)) (global.set $ref (ref.null $t))))"#;

#[test]
fn what_is_likely_to_be_called_may_be_something_else() {
    /// What calls with 10 give, by the table and by the reference, after each of the functions was set.
    const WANTED: [[Result<i64, Trap>; 2]; 6] = [
        [Ok(11), Ok(11)],
        [Err(Trap::IntegerDivisionByZero), Err(Trap::IntegerDivisionByZero)],
        [Ok(10), Ok(10)],
        [Ok(1000), Ok(1000)],
        [Err(Trap::BadSignature), Err(Trap::NullReference)],
        [Err(Trap::IndirectCallToNull), Err(Trap::NullReference)],
    ];
    for seed in 0..6 {
        for likely in 0..4 {
            let engine = switching(seed);
            let module = Module::new(&engine, GUESSES).unwrap();
            let mut store = Store::new(&engine, ());
            let imported = Func::wrap(&mut store, |n: i64| n * 100);
            let instance = Instance::new(&mut store, &module, &[imported.into()]).unwrap();
            let set = instance.get_typed_func::<u32, ()>(&mut store, "set").unwrap();
            let calls =
                ["table", "ref"].map(|name| instance.get_typed_func::<i64, i64>(&mut store, name).unwrap());
            let check = |store: &mut Store<()>, which: usize| {
                set.call(&mut *store, which as u32).unwrap();
                for (call, wanted) in calls.iter().zip(&WANTED[which]) {
                    let found = call.call(&mut *store, 10);
                    if let Err(error) = &found
                        && which == 1
                    {
                        assert_eq!(names(error)[0], "traps");
                    }
                    let found = found.map_err(|error| trap(&error));
                    assert_eq!(found, *wanted, "seed {seed}, function {which} where {likely} is likely");
                }
            };
            (0..20).for_each(|_| check(&mut store, likely));
            (0..6).chain([likely]).for_each(|which| check(&mut store, which));
        }
    }
}

#[test]
fn threads_that_use_one_module_see_whole_code() {
    let engine = auto();
    let module = Module::new(
        &engine,
        r#"(module
            (func $fib (param i32) (result i32)
                (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))
                    (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                        (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
            (func (export "f") (param i32) (result i32) (call $fib (local.get 0))))"#,
    )
    .unwrap();
    let done = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let mut store = Store::new(&engine, ());
                    let instance = Instance::new(&mut store, &module, &[]).unwrap();
                    let f = instance.get_typed_func::<u32, u32>(&mut store, "f").unwrap();
                    assert_eq!(f.call(&mut store, 18).unwrap(), 2584);
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(done.into_inner(), 4);
}

#[test]
fn engines_and_modules_may_go_while_something_is_compiled() {
    for _ in 0..10 {
        let (mut store, instance, module) = instantiate(
            &auto(),
            r#"(module (func $f (result i32) (i32.const 7))
                (func (export "run") (local i32)
                    (loop (drop (call $f))
                        (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 3000))))))"#,
        );
        run(&mut store, instance, "run").unwrap();
        drop(module);
    }
}

/// A function that calls others a number of times, one of which traps in the end.
const KEPT: &str = r#"(module (memory 1) (type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $load)
    (type $box (struct (field i32)))
    (func $load (param i32) (result i32) (struct.get $box 0 (struct.new $box (i32.load (local.get 0)))))
    (func $hot (param i32) (result i32) (i32.add (call $load (local.get 0)) (call_indirect (type $t) (local.get 0) (i32.const 0))))
    (func $unused (param i32) (result i32) (call $hot (i32.const 1)))
    (func (export "f") (param i32) (result i32) (local i32)
        (loop (local.set 1 (i32.add (local.get 1) (call $hot (i32.const 8))))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get 1))
    (func $bad (export "bad") (drop (call $hot (i32.const 65536))))
    (data (i32.const 8) "\03"))"#;

#[test]
fn a_second_process_starts_with_what_was_compiled() {
    for (mut config, hot) in
        [(Config::new(), false), (Config::new(), true), (Config::new().tier_stress(Some(3)).clone(), true)]
    {
        let cache = TestCache::new(if hot { "kept-hot" } else { "kept" });
        let engine = Engine::new(config.cache(Some(cache.cache.clone()))).unwrap();
        let turns = if hot { 20_000 } else { 10 };
        let mut compiled = 0;
        for round in 0..4 {
            let (mut store, instance, module) = instantiate(&engine, KEPT);
            assert_eq!(module.compiled_functions(), compiled, "round {round}");
            let f = instance.get_typed_func::<u32, u32>(&mut store, "f").unwrap();
            let start = Instant::now();
            loop {
                assert_eq!(f.call(&mut store, turns).unwrap(), turns * 6);
                let settled = module
                    .compiled_code()
                    .any(|code| code.tier() == "cranelift" && code.loop_offset().is_none());
                if settled || !hot || start.elapsed() > SOON {
                    assert_eq!(settled, hot);
                    break;
                }
            }
            let error = run(&mut store, instance, "bad").unwrap_err();
            assert_eq!(
                (trap(&error), names(&error)),
                (Trap::MemoryOutOfBounds, ["load", "hot", "bad"].map(str::to_owned).to_vec())
            );
            compiled = 4;
            assert_eq!(module.compiled_functions(), compiled);
            // Somebody in the background may still have the module when its last handle goes.
            module.keep();
            if round == 2 {
                let wanted =
                    Module::new(&Engine::new(Config::new().tier(TierChoice::Optimized)).unwrap(), KEPT)
                        .unwrap();
                assert!(module.serialize().unwrap() == wanted.serialize().unwrap(), "it has its bodies");
            }
        }
        assert_eq!(cache.counts(), (3, 1));
        assert_eq!(cache.notes(), [""; 0]);
    }
}

/// A function that is hot after one call, and whose better code takes long, by the standards of a short program.
fn large_and_hot() -> String {
    let turns = "(local.set $x (i32.add (i32.mul (local.get $x) (local.get $y)) (i32.load (local.get $n))))
        (local.set $y (i32.xor (local.get $y) (i32.rotl (local.get $x) (local.get $n))))"
        .repeat(20_000);
    format!(
        r#"(module (memory 1) (func (export "f") (param $n i32) (result i32) (local $x i32) (local $y i32)
            (loop {turns} (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $x)))"#
    )
}

#[test]
fn what_short_processes_never_finish_one_of_them_waits_for() {
    let wat = large_and_hot();
    let tiers = |module: &Module| -> Vec<_> {
        module.compiled_code().map(|code| (code.tier(), code.reason())).collect()
    };
    for in_time in [true, false] {
        let mut processes: Vec<(Module, TestCache)> = Vec::new();
        let mut process = |what: &dyn Fn(&Module)| {
            // What the ones before compile in the background, and leave later, is not found.
            let cache = TestCache::new("short");
            if let Some((_, before)) = processes.last() {
                fs::DirBuilder::new().mode(0o700).create(cache.cache.directory()).unwrap();
                let file = before.file();
                fs::copy(&file, cache.cache.directory().join(file.file_name().unwrap())).unwrap();
                // Its directory is known by its key, of which a copy is none.
                fs::hard_link(before.key(), cache.key()).unwrap();
            }
            let engine = Engine::new(Config::new().cache(Some(cache.cache.clone()))).unwrap();
            let (mut store, instance, module) = instantiate(&engine, &wat);
            let f = instance.get_typed_func::<u32, u32>(&mut store, "f").unwrap();
            f.call(&mut store, 50).unwrap();
            what(&module);
            module.keep();
            assert_eq!(cache.notes(), [""; 0]);
            processes.push((module, cache));
        };
        process(&|module| {
            assert!(module.wait_for_hot(Duration::ZERO), "it was hot in no earlier process");
            assert_eq!(tiers(module), [("baseline", CompileReason::FirstCall)]);
        });
        process(&|module| {
            assert_eq!(tiers(module), [("baseline", CompileReason::Found)]);
            assert_eq!(module.wait_for_hot(if in_time { SOON } else { Duration::ZERO }), in_time);
            let better = in_time.then_some(("cranelift", CompileReason::Hot));
            assert_eq!(tiers(module)[1..], better.into_iter().collect::<Vec<_>>());
        });
        process(&|module| {
            assert!(module.wait_for_hot(Duration::ZERO), "nobody waits a second time");
            assert_eq!(
                tiers(module),
                [(if in_time { "cranelift" } else { "baseline" }, CompileReason::Found)]
            );
        });
        // What is not dropped leaves nothing in directories that are gone.
        processes.into_iter().for_each(|(module, _)| std::mem::forget(module));
    }
}
