//! Functions that are compiled when they are called: once, by whoever calls them first, and with nothing else to be seen.

mod common;

use common::{engines, names, run, trap};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use waft::*;
use waft_core::index::TypedIndex;
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CompileError, CompileRequest, CompiledFunc, Tier};

/// What a test does before a function is compiled, or instead.
type Before = dyn Fn(usize) -> Result<(), String> + Send + Sync;

/// The tier that is built in, with somebody who counts and interferes. It compiles whatever is called, and that alone: no
/// callee in the place of a call.
struct Watched {
    inner: Arc<dyn Tier>,
    counts: Mutex<HashMap<usize, usize>>,
    before: Box<Before>,
    /// Bytes that are added to each function.
    padding: usize,
}

impl Watched {
    fn new(before: impl Fn(usize) -> Result<(), String> + Send + Sync + 'static) -> Self {
        let inner = waft_tiers::optimized_tier_inlining(waft_tiers::Inlining::NONE).unwrap();
        Self { inner, counts: Mutex::default(), before: Box::new(before), padding: 0 }
    }

    /// An engine that compiles lazily with this tier.
    fn engine(self) -> (Arc<Self>, Engine) {
        let tier = Arc::new(self);
        let engine = Engine::new(Config::new().lazy_compilation(true).tier(tier.clone())).unwrap();
        (tier, engine)
    }

    /// How often each defined function was compiled, by their indices.
    fn counts(&self) -> Vec<(usize, usize)> {
        let mut counts: Vec<_> =
            self.counts.lock().unwrap().iter().map(|(at, count)| (*at, *count)).collect();
        counts.sort_unstable();
        counts
    }
}

impl Tier for Watched {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn gaps(&self) -> ProposalSet {
        self.inner.gaps()
    }
    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunc, CompileError> {
        let func = request.func.index();
        *self.counts.lock().unwrap().entry(func).or_default() += 1;
        (self.before)(func).map_err(|message| CompileError { func: request.func, message })?;
        let mut compiled = self.inner.compile(request)?;
        compiled.code.resize(compiled.code.len() + self.padding, 0xcc);
        Ok(compiled)
    }
}

fn instantiate(store: &mut Store<()>, module: &Module) -> Instance {
    Instance::new(store, module, &[]).unwrap()
}

fn lazy() -> Engine {
    Engine::new(Config::new().tier(TierChoice::Optimized).lazy_compilation(true)).unwrap()
}

#[test]
fn what_is_never_called_is_never_compiled() {
    let (tier, engine) = Watched::new(|_| Ok(())).engine();
    let text = r#"(module
        (import "" "host" (func $host))
        (table funcref (elem $c $d)) (global funcref (ref.func $e))
        (func $a (export "f") (call $b) (call_indirect (i32.const 0)) (call $host))
        (func $b) (func $c) (func $d) (func $e) (func $start) (start $start)
        (func $g (export "g") (return_call $b)))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, || ());
    assert_eq!(tier.counts(), []);
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    assert_eq!(tier.counts(), [(5, 1)]);
    for _ in 0..3 {
        run(&mut store, instance, "f").unwrap();
    }
    assert_eq!(tier.counts(), [(0, 1), (1, 1), (2, 1), (5, 1)]);
    // Another instance finds what is there.
    let mut other = Store::new(&engine, ());
    let host = Func::wrap(&mut other, || ());
    let instance = Instance::new(&mut other, &module, &[host.into()]).unwrap();
    run(&mut other, instance, "f").unwrap();
    run(&mut other, instance, "g").unwrap();
    assert_eq!(tier.counts(), [(0, 1), (1, 1), (2, 1), (5, 1), (6, 1)]);
    assert_eq!((module.compiled_functions(), module.defined_functions()), (5, 7));
}

#[test]
fn references_made_before_and_after_lead_to_one_code() {
    let (tier, engine) = Watched::new(|_| Ok(())).engine();
    let near = r#"(module (table (export "t") 2 funcref) (elem declare func $f)
        (func $f (export "f") (param i32 i64 f64) (result i32)
            (i32.add (local.get 0) (i32.add (i32.wrap_i64 (local.get 1)) (i32.trunc_f64_s (local.get 2)))))
        (func (export "fill") (table.set (i32.const 0) (ref.func $f)) (table.set (i32.const 1) (ref.func $f))))"#;
    let far = r#"(module (type $t (func (param i32 i64 f64) (result i32)))
        (import "near" "f" (func $f (type $t))) (import "near" "t" (table 2 funcref))
        (func (export "direct") (result i32) (call $f (i32.const 1) (i64.const 20) (f64.const 300)))
        (func (export "indirect") (result i32)
            (call_indirect (type $t) (i32.const 1) (i64.const 20) (f64.const 300) (i32.const 1)))
        (func (export "reference") (result i32)
            (call_ref $t (i32.const 1) (i64.const 20) (f64.const 300) (ref.func $f)))
        (elem declare func $f))"#;
    let [near, far] = [near, far].map(|text| Module::new(&engine, text).unwrap());
    for _ in 0..2 {
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        let instance = linker.instantiate(&mut store, &near).unwrap();
        linker.instance(&mut store, "near", instance).unwrap();
        run(&mut store, instance, "fill").unwrap();
        let far = linker.instantiate(&mut store, &far).unwrap();
        for _ in 0..2 {
            for way in ["indirect", "direct", "reference"] {
                let func = far.get_typed_func::<(), i32>(&mut store, way).unwrap();
                assert_eq!(func.call(&mut store, ()).unwrap(), 321, "{way}");
            }
        }
    }
    assert!(tier.counts().iter().all(|(_, count)| *count >= 1));
    assert_eq!((near.compiled_functions(), far.compiled_functions()), (2, 3));
}

/// A module of `count` functions, each of which calls the next and adds its number.
fn chain(count: usize) -> String {
    let funcs: String = (0..count)
        .map(|at| {
            let next = if at + 1 < count { format!("(call {})", at + 1) } else { "(i64.const 0)".into() };
            format!(r#"(func (export "f{at}") (result i64) (i64.add (i64.const {at}) {next}))"#)
        })
        .collect();
    format!("(module {funcs})")
}

#[test]
fn many_threads_that_call_the_same_functions_compile_each_once() {
    const FUNCS: usize = 60;
    for round in 0..4 {
        let (tier, engine) = Watched::new(|_| Ok(())).engine();
        let module = Module::new(&engine, chain(FUNCS)).unwrap();
        let together = Barrier::new(8);
        thread::scope(|scope| {
            for number in 0..8 {
                let (engine, module, together) = (&engine, &module, &together);
                scope.spawn(move || {
                    let mut store = Store::new(engine, ());
                    let instance = instantiate(&mut store, module);
                    together.wait();
                    for step in 0..FUNCS {
                        // Some from the same end, some from the other, some across.
                        let at = match number % 3 {
                            0 => step,
                            1 => FUNCS - 1 - step,
                            _ => (step * 7 + round) % FUNCS,
                        };
                        let func = instance.get_typed_func::<(), i64>(&mut store, &format!("f{at}")).unwrap();
                        let sum = (at..FUNCS).sum::<usize>() as i64;
                        assert_eq!(func.call(&mut store, ()).unwrap(), sum);
                    }
                });
            }
        });
        assert_eq!(tier.counts(), (0..FUNCS).map(|at| (at, 1)).collect::<Vec<_>>());
        assert_eq!(module.compiled_functions(), FUNCS);
    }
}

#[test]
fn what_a_tier_refuses_is_an_error_of_the_call_with_the_same_message() {
    let refuse = |func| if func == 1 { Err("too much of everything".to_owned()) } else { Ok(()) };
    let text = r#"(module (import "" "" (func)) (func $f (export "f") call $g) (func $g (export "g")) (func (export "h")))"#;
    let eager = Engine::new(Config::new().tier(Arc::new(Watched::new(refuse)))).unwrap();
    let message = Module::new(&eager, text).unwrap_err().to_string();
    assert_eq!(message, "function 2: too much of everything");

    let (tier, engine) = Watched::new(refuse).engine();
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let host = Func::wrap(&mut store, || ());
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    for _ in 0..2 {
        let error = run(&mut store, instance, "f").unwrap_err();
        assert_eq!(error.root_cause().to_string(), message);
        assert_eq!(names(&error), ["f"]);
        let error = run(&mut store, instance, "g").unwrap_err();
        assert_eq!(format!("{error}"), message);
    }
    run(&mut store, instance, "h").unwrap();
    // What was refused once would be refused again.
    assert_eq!(tier.counts(), [(0, 1), (1, 1), (2, 1)]);
    assert_eq!(module.serialize().unwrap_err().to_string(), message);
}

#[test]
fn invalid_bodies_are_refused_when_the_module_is_made() {
    for text in ["(module (func) (func i32.add))", "(module (func (result i32)) (func i64.add))"] {
        let [eager, others @ ..] =
            engines(Config::new()).map(|engine| Module::new(&engine, text).unwrap_err().to_string());
        others.iter().for_each(|other| assert_eq!(eager, *other));
    }
}

#[test]
fn a_panic_of_a_tier_goes_to_the_caller_and_the_next_call_tries_again() {
    let tries = AtomicUsize::new(0);
    let (tier, engine) = Watched::new(move |func| {
        assert!(func != 1 || tries.fetch_add(1, Ordering::Relaxed) > 1, "the tier has a bug");
        Ok(())
    })
    .engine();
    let module = Module::new(
        &engine,
        r#"(module (func (export "f") (result i32) call 1) (func (result i32) i32.const 7))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &module);
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    for _ in 0..2 {
        let panic = catch_unwind(AssertUnwindSafe(|| f.call(&mut store, ()))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"the tier has a bug"));
    }
    assert_eq!(f.call(&mut store, ()).unwrap(), 7);
    assert_eq!(tier.counts(), [(0, 1), (1, 3)]);
}

#[test]
fn whoever_waits_for_a_compiler_that_panics_compiles() {
    let started = Arc::new(Barrier::new(2));
    let (tries, wait) = (AtomicUsize::new(0), started.clone());
    let (tier, engine) = Watched::new(move |_| {
        if tries.fetch_add(1, Ordering::Relaxed) == 0 {
            wait.wait();
            // The other thread is on its way to wait for this one, or will find that it is gone.
            thread::yield_now();
            panic!("the tier has a bug");
        }
        Ok(())
    })
    .engine();
    let module = Module::new(&engine, r#"(module (func (export "f")))"#).unwrap();
    let call = || {
        let mut store = Store::new(&engine, ());
        let instance = instantiate(&mut store, &module);
        run(&mut store, instance, "f")
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| catch_unwind(AssertUnwindSafe(call)).is_err());
        started.wait();
        call().unwrap();
        assert!(first.join().unwrap());
    });
    assert_eq!(tier.counts(), [(0, 2)]);
}

#[test]
fn a_guest_is_interrupted_while_it_has_something_compiled() {
    let handle: Arc<Mutex<Option<InterruptHandle>>> = Arc::default();
    let interrupt = handle.clone();
    let (_, engine) = Watched::new(move |func| {
        if func == 1
            && let Some(handle) = &*interrupt.lock().unwrap()
        {
            handle.interrupt();
        }
        Ok(())
    })
    .engine();
    let text = r#"(module (func $f (export "f") (result i32) call $g) (func $g (export "g") (result i32) i32.const 7))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &module);
    *handle.lock().unwrap() = Some(store.interrupt_handle());
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    let error = f.call(&mut store, ()).unwrap_err();
    assert_eq!((trap(&error), names(&error)), (Trap::Interrupt, vec!["f".to_owned()]));
    // One request is one trap, and what was compiled meanwhile is there.
    assert_eq!(module.compiled_functions(), 2);
    assert_eq!(f.call(&mut store, ()).unwrap(), 7);
}

/// Guests that stop in every kind of place, in functions that were never called before.
const STOPS: [&str; 7] = [
    r#"(func $f (export "f") nop call $g) (func $g nop unreachable)"#,
    r#"(func $f (export "f") (call $g (i32.const 0))) (func $g (param i32) (drop (i32.div_u (i32.const 1) (local.get 0))))"#,
    r#"(table funcref (elem $g)) (func $f (export "f") (call_indirect (i32.const 0))) (func $g call $h) (func $h unreachable)"#,
    r#"(func $f (export "f") call $g) (func $g return_call $h) (func $h nop nop unreachable)"#,
    r#"(memory 1) (func $f (export "f") call $g) (func $g (drop (i32.load (i32.const 70000))))"#,
    r#"(func $f (export "f") call $g) (func $g call $f)"#,
    r#"(tag $t) (func $f (export "f") (block (try_table (catch_all 0) (call $g))) call $g)
        (func $g nop call $h) (func $h throw $t)"#,
];

#[test]
fn backtraces_are_the_same() {
    for body in STOPS {
        let [eager, others @ ..] = engines(Config::new()).map(|engine| {
            let mut store = Store::new(&engine, ());
            let module = Module::new(&engine, format!("(module $m {body})")).unwrap();
            let instance = instantiate(&mut store, &module);
            [(); 2].map(|()| format!("{:?}", run(&mut store, instance, "f").unwrap_err()))
        });
        // Frames differ in size, and hold several functions: endless recursion may end in any of these.
        let endless = body.ends_with("(func $g call $f)");
        let plain = |text: &str| -> Vec<String> {
            let shown = |line: &&str| !line.contains("frames left out") && !line.contains("more times");
            let mut lines: Vec<_> = text.lines().filter(shown).map(without_number).collect();
            if endless {
                lines.remove(1);
                lines.sort();
                lines.dedup();
            }
            lines
        };
        let eager = eager.map(|text| plain(&text));
        for other in others {
            assert_eq!(eager, other.map(|text| plain(&text)), "{body}");
        }
    }
}

/// A line of a backtrace without the number of its frame.
fn without_number(line: &str) -> String {
    let number = |word: &str| word.parse::<usize>().is_ok();
    match line.trim_start().split_once(": ") {
        Some((first, rest)) if number(first) => rest.to_owned(),
        _ => line.to_owned(),
    }
}

#[test]
fn modules_go_away_while_others_have_functions_compiled() {
    let (inside, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (enter, leave) = (inside.clone(), go_on.clone());
    let (_, engine) = Watched::new(move |func| {
        if func == 1 {
            enter.wait();
            leave.wait();
        }
        Ok(())
    })
    .engine();
    let text = r#"(module (func (export "f") (result i32) call 1) (func (result i32) i32.const 7))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &module);
    let other = {
        let mut store = Store::new(&engine, ());
        instantiate(&mut store, &module);
        store
    };
    thread::scope(|scope| {
        let call = scope.spawn(|| {
            instance.get_typed_func::<(), i32>(&mut store, "f").unwrap().call(&mut store, ()).unwrap()
        });
        inside.wait();
        drop((module, other, engine));
        go_on.wait();
        assert_eq!(call.join().unwrap(), 7);
    });
}

#[test]
fn the_memory_of_code_goes_with_its_module() {
    let engine = lazy();
    let mappings = || std::fs::read_to_string("/proc/self/maps").unwrap().lines().count();
    let cycle = || {
        let module = Module::new(&engine, chain(10)).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = instantiate(&mut store, &module);
        instance.get_typed_func::<(), i64>(&mut store, "f0").unwrap().call(&mut store, ()).unwrap();
    };
    cycle();
    let before = mappings();
    (0..300).for_each(|_| cycle());
    // Other tests run beside this one.
    assert!(mappings() < before + 200, "{before} mappings became {}", mappings());
}

#[test]
fn code_that_fills_many_chunks_runs() {
    let mut tier = Watched::new(|_| Ok(()));
    tier.padding = 30 << 10;
    let (_, engine) = tier.engine();
    let module = Module::new(&engine, chain(40)).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &module);
    let f = instance.get_typed_func::<(), i64>(&mut store, "f0").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), (0..40).sum());
    assert!(module.code_size() > 40 * (30 << 10));

    let mut tier = Watched::new(|_| Ok(()));
    tier.padding = 5 << 20;
    let (_, engine) = tier.engine();
    let module = Module::new(&engine, chain(3)).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &module);
    let f = instance.get_typed_func::<(), i64>(&mut store, "f0").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 3);
}

#[test]
fn precompiled_modules_are_the_same_whoever_makes_them() {
    let text = chain(20);
    let [eager, lazy, switching] = engines(Config::new());
    let bytes = Module::new(&eager, &text).unwrap().serialize().unwrap();
    let module = Module::new(&lazy, &text).unwrap();
    assert!(module.serialize().unwrap() == bytes);
    assert!(Module::new(&switching, &text).unwrap().serialize().unwrap() == bytes);
    let mut store = Store::new(&lazy, ());
    let instance = instantiate(&mut store, &module);
    instance.get_typed_func::<(), i64>(&mut store, "f19").unwrap().call(&mut store, ()).unwrap();
    assert!(module.serialize().unwrap() == bytes, "some functions are compiled now");
    // SAFETY: the bytes come from `serialize`.
    let loaded = unsafe { Module::deserialize(&lazy, &bytes) }.unwrap();
    assert_eq!(loaded.compiled_functions(), 20);
    assert!(loaded.serialize().unwrap() == bytes);
    let mut store = Store::new(&lazy, ());
    let instance = instantiate(&mut store, &loaded);
    let f = instance.get_typed_func::<(), i64>(&mut store, "f0").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 190);
}

#[test]
fn modules_that_were_only_decoded_stay_so() {
    let engine = lazy();
    let module = Module::decode(&engine, chain(2)).unwrap();
    assert_eq!(module.compiled_functions(), 0);
    assert!(module.serialize().is_err());
    assert!(Instance::new(&mut Store::new(&engine, ()), &module, &[]).is_err());
    // No functions are all compiled.
    Module::new(&engine, "(module)").unwrap().serialize().unwrap();
}

#[test]
fn compiling_gets_the_stack_that_it_needs() {
    let threads: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let seen = threads.clone();
    let (_, engine) = Watched::new(move |_| {
        seen.lock().unwrap().push(thread::current().name().map(str::to_owned));
        Ok(())
    })
    .engine();
    for (stack, name) in [(300 << 10, "waft-compile"), (8 << 20, "guest")] {
        let module = Module::new(&engine, chain(2)).unwrap();
        thread::scope(|scope| {
            let run = || {
                let mut store = Store::new(&engine, ());
                let instance = instantiate(&mut store, &module);
                let f = instance.get_typed_func::<(), i64>(&mut store, "f0").unwrap();
                assert_eq!(f.call(&mut store, ()).unwrap(), 1);
            };
            let thread = thread::Builder::new().name("guest".into()).stack_size(stack);
            thread.spawn_scoped(scope, run).unwrap().join().unwrap();
        });
        assert_eq!(std::mem::take(&mut *threads.lock().unwrap()), vec![Some(name.to_owned()); 2]);
    }
}

#[test]
fn traps_in_new_code_are_found_while_others_have_functions_compiled() {
    let engine = lazy();
    let traps: String = (0..40)
        .map(|at| format!(r#"(func (export "f{at}") (param i32) (result i32) nop (i32.div_s (i32.const {at}) (local.get 0)))"#))
        .collect();
    thread::scope(|scope| {
        for _ in 0..2 {
            let module = Module::new(&engine, format!("(module {traps})")).unwrap();
            for _ in 0..3 {
                let (engine, module) = (&engine, module.clone());
                scope.spawn(move || {
                    let mut store = Store::new(engine, ());
                    let instance = instantiate(&mut store, &module);
                    for at in 0..40 {
                        let f = instance.get_typed_func::<i32, i32>(&mut store, &format!("f{at}")).unwrap();
                        let error = f.call(&mut store, 0).unwrap_err();
                        assert_eq!(
                            (trap(&error), names(&error)),
                            (Trap::IntegerDivisionByZero, vec!["?".to_owned()])
                        );
                        assert_eq!(f.call(&mut store, 1).unwrap(), at);
                        // Modules of its own come and go meanwhile.
                        let other =
                            Module::new(engine, r#"(module (func (export "f") unreachable))"#).unwrap();
                        let mut store = Store::new(engine, ());
                        let other = instantiate(&mut store, &other);
                        assert_eq!(
                            trap(&run(&mut store, other, "f").unwrap_err()),
                            Trap::UnreachableCodeReached
                        );
                    }
                });
            }
        }
    });
}

#[test]
fn a_cache_keeps_what_was_called_apart_from_whole_modules() {
    let directory = std::env::temp_dir().join(format!("waft-lazy-cache-{}", std::process::id()));
    let mut config = CacheConfig::new();
    config.with_directory(&directory);
    let cache = Cache::new(config).unwrap();
    // A function that is a part of its caller is not compiled by itself.
    let tier = waft_tiers::optimized_tier_inlining(waft_tiers::Inlining::NONE).unwrap();
    let mut config = Config::new().tier(tier).cache(Some(cache.clone())).clone();
    let [eager, lazy] = [false, true].map(|lazy| Engine::new(config.lazy_compilation(lazy)).unwrap());
    let compiled = |engine| Module::new(engine, chain(5)).unwrap().compiled_functions();
    // Nobody has to validate it again, at least.
    assert_eq!((compiled(&lazy), compiled(&lazy), cache.usage().unwrap().entries), (0, 0, 1));
    assert_eq!((compiled(&eager), cache.usage().unwrap().entries), (5, 2));
    assert_eq!((compiled(&lazy), cache.usage().unwrap().entries), (0, 2));
    for (before, after) in [(0, 3), (3, 5), (5, 5)] {
        let module = Module::new(&lazy, chain(5)).unwrap();
        assert_eq!(module.compiled_functions(), before);
        let mut store = Store::new(&lazy, ());
        let instance = instantiate(&mut store, &module);
        let name = format!("f{}", 5 - after);
        let f = instance.get_typed_func::<(), i64>(&mut store, &name).unwrap();
        f.call(&mut store, ()).unwrap();
        assert_eq!(module.compiled_functions(), after);
    }
    assert_eq!((cache.usage().unwrap().entries, cache.cache_hits()), (2, 5));
    std::fs::remove_dir_all(&directory).unwrap();
}
