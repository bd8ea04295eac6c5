//! Whoever stands at the door sees every call of a host function, and decides about it.

mod common;

use common::{compile, names, run};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use waft::*;

/// A doorkeeper that writes down what it sees and does what it is told.
struct Watch {
    log: Arc<Mutex<Vec<String>>>,
    verdict: Box<dyn Fn(&HostCall<'_>) -> Verdict + Send + Sync>,
}

impl Doorkeeper for Watch {
    fn before(&mut self, call: &HostCall<'_>) -> Verdict {
        self.log.lock().unwrap().push(format!("{}::{}{:?}", call.module(), call.name(), call.args()));
        (self.verdict)(call)
    }
    fn after(&mut self, call: &HostCall<'_>, outcome: std::result::Result<&[Val], &Error>) {
        self.log.lock().unwrap().push(format!("{} -> {outcome:?}", call.name()));
    }
}

/// A log, and a store that is watched.
fn watched(
    verdict: impl Fn(&HostCall<'_>) -> Verdict + Send + Sync + 'static,
) -> (Store<u32>, Arc<Mutex<Vec<String>>>) {
    let mut store = Store::new(&Engine::default(), 0);
    let log = Arc::new(Mutex::new(Vec::new()));
    store.set_doorkeeper(Some(Box::new(Watch { log: log.clone(), verdict: Box::new(verdict) })));
    (store, log)
}

fn take(log: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

/// Host functions of every shape, and a guest that exports a function for each that passes its arguments on.
fn instance(store: &mut Store<u32>) -> Instance {
    let mut linker = Linker::new(store.engine());
    linker
        .func_wrap("host", "add", |mut caller: Caller<'_, u32>, a: i32, b: i64| {
            *caller.data_mut() += 1;
            i64::from(a) + b
        })
        .unwrap()
        .func_wrap("host", "scale", |a: f32, b: f64, v: V128| {
            (f64::from(a) * b, V128::from(v.as_u128() + 1), a)
        })
        .unwrap()
        .func_wrap("host", "many", |a: i32| (a, a + 1, a + 2, a + 3, a + 4, f64::from(a)))
        .unwrap()
        .func_wrap("host", "fail", || -> Result<()> { bail!("it failed") })
        .unwrap()
        .func_wrap("host", "again", |mut caller: Caller<'_, u32>| -> Result<i64> {
            let add = caller.get_export("add").unwrap().into_func().unwrap();
            add.typed::<(i32, i64), i64>(&caller)?.call(&mut caller, (1, 2))
        })
        .unwrap();
    let module = compile(
        store,
        r#"(module
            (import "host" "add" (func $add (param i32 i64) (result i64)))
            (import "host" "scale" (func $scale (param f32 f64 v128) (result f64 v128 f32)))
            (import "host" "many" (func $many (param i32) (result i32 i32 i32 i32 i32 f64)))
            (import "host" "fail" (func $fail))
            (import "host" "again" (func $again (result i64)))
            (func (export "add") (param i32 i64) (result i64) (call $add (local.get 0) (local.get 1)))
            (func (export "scale") (param f32 f64 v128) (result f64 v128 f32)
                (call $scale (local.get 0) (local.get 1) (local.get 2)))
            (func (export "many") (param i32) (result i32 i32 i32 i32 i32 f64) (call $many (local.get 0)))
            (func $go (export "fail") call $fail)
            (func (export "again") (result i64) call $again))"#,
    );
    linker.instantiate(store, &module).unwrap()
}

/// Calls an export; its results as text.
fn call(store: &mut Store<u32>, instance: Instance, name: &str, args: &[Val]) -> Result<String> {
    let func = instance.get_func(&mut *store, name).unwrap();
    let mut results = vec![Val::I32(0); func.ty(&*store).results().len()];
    func.call(store, args, &mut results)?;
    Ok(format!("{results:?}"))
}

fn scale_args() -> [Val; 3] {
    [Val::from(1.5_f32), Val::from(-2.0_f64), V128::from(u128::MAX - 1).into()]
}

#[test]
fn every_call_is_seen_with_its_arguments_and_results() {
    let (mut store, log) = watched(|_| Verdict::Pass);
    let instance = instance(&mut store);
    assert_eq!(call(&mut store, instance, "add", &[Val::I32(-3), Val::I64(10)]).unwrap(), "[I64(7)]");
    assert_eq!(take(&log), ["host::add[I32(-3), I64(10)]", "add -> Ok([I64(7)])"]);

    let results = call(&mut store, instance, "scale", &scale_args()).unwrap();
    let [a, b, v] = scale_args().map(|arg| format!("{arg:?}"));
    let expected = format!("[{:?}, {:?}, {a}]", Val::from(-3.0_f64), Val::V128(u128::MAX.into()));
    assert_eq!(results, expected);
    assert_eq!(take(&log), [format!("host::scale[{a}, {b}, {v}]"), format!("scale -> Ok({expected})")]);

    let results = call(&mut store, instance, "many", &[Val::I32(1)]).unwrap();
    assert!(results.starts_with("[I32(1), I32(2), I32(3), I32(4), I32(5), F64("), "{results}");
    assert_eq!(take(&log)[1], format!("many -> Ok({results})"));
}

#[test]
fn functions_made_for_a_store_and_calls_by_the_host_are_seen() {
    let (mut store, log) = watched(|_| Verdict::Pass);
    let func = Func::wrap(&mut store, |x: i32| x + 1);
    assert_eq!(func.typed::<i32, i32>(&store).unwrap().call(&mut store, 4).unwrap(), 5);
    assert_eq!(take(&log), ["::[I32(4)]", " -> Ok([I32(5)])"]);
    store.set_doorkeeper(None);
    assert_eq!(func.typed::<i32, i32>(&store).unwrap().call(&mut store, 4).unwrap(), 5);
    assert!(take(&log).is_empty());
}

#[test]
fn nested_calls_are_seen_inside_of_their_callers() {
    let (mut store, log) = watched(|_| Verdict::Pass);
    let instance = instance(&mut store);
    call(&mut store, instance, "again", &[]).unwrap();
    assert_eq!(
        take(&log),
        ["host::again[]", "host::add[I32(1), I64(2)]", "add -> Ok([I64(3)])", "again -> Ok([I64(3)])"]
    );
}

#[test]
fn failures_are_seen_and_passed_on() {
    let (mut store, log) = watched(|_| Verdict::Pass);
    let instance = instance(&mut store);
    let error = run(&mut store, instance, "fail").unwrap_err();
    assert_eq!(error.root_cause().to_string(), "it failed");
    assert_eq!(names(&error), ["go"]);
    let seen = take(&log);
    assert_eq!(seen.len(), 2);
    assert!(seen[1].starts_with("fail -> Err(it failed"), "{seen:?}");
}

#[test]
fn a_denied_call_is_a_trap_and_never_happens() {
    let (mut store, log) = watched(|call| match call.name() {
        "add" => Verdict::Deny(Error::new(Trap::Interrupt).context("closed today")),
        _ => Verdict::Pass,
    });
    let instance = instance(&mut store);
    for name in ["add", "again"] {
        let args: &[Val] = if name == "add" { &[Val::I32(1), Val::I64(1)] } else { &[] };
        let error = call(&mut store, instance, name, args).unwrap_err();
        assert!(format!("{error:?}").contains("closed today"), "{error:?}");
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
    }
    assert_eq!(*store.data(), 0);
    assert!(!take(&log).iter().any(|line| line.starts_with("add ->")));
    call(&mut store, instance, "many", &[Val::I32(1)]).unwrap();
}

#[test]
fn an_answered_call_gives_the_answer_and_never_happens() {
    let answers = |call: &HostCall<'_>| match call.name() {
        "add" => Verdict::Answer(vec![Val::I64(i64::MIN)]),
        "scale" => Verdict::Answer(vec![Val::F64(1), Val::V128((7 << 100).into()), Val::F32(0x7fa0_0001)]),
        "many" => Verdict::Answer((0..5).map(Val::I32).chain([Val::F64(u64::MAX)]).collect()),
        "fail" => Verdict::Answer(Vec::new()),
        _ => Verdict::Pass,
    };
    let (mut store, log) = watched(answers);
    let instance = instance(&mut store);
    assert_eq!(
        call(&mut store, instance, "add", &[Val::I32(1), Val::I64(1)]).unwrap(),
        format!("[I64({})]", i64::MIN)
    );
    let scaled = call(&mut store, instance, "scale", &scale_args()).unwrap();
    assert_eq!(scaled, format!("[F64(1), {:?}, F32({})]", Val::V128((7 << 100).into()), 0x7fa0_0001));
    let many = call(&mut store, instance, "many", &[Val::I32(9)]).unwrap();
    assert_eq!(many, format!("[I32(0), I32(1), I32(2), I32(3), I32(4), F64({})]", u64::MAX));
    call(&mut store, instance, "fail", &[]).unwrap();
    assert_eq!(*store.data(), 0);
    assert!(take(&log).contains(&format!("many -> Ok({many})")));
}

#[test]
fn an_answer_of_the_wrong_number_or_type_is_an_error() {
    for (answer, message) in [
        (vec![], "answers add with 0 values instead of 1"),
        (vec![Val::I64(1); 2], "answers add with 2 values instead of 1"),
        (vec![Val::I32(1)], "type mismatch: i64 expected, i32 found"),
    ] {
        let (mut store, _) = watched(move |_| Verdict::Answer(answer.clone()));
        let instance = instance(&mut store);
        let error = call(&mut store, instance, "add", &[Val::I32(1), Val::I64(1)]).unwrap_err();
        assert!(format!("{error:?}").contains(message), "{error:?}");
    }
}

#[test]
fn the_door_stays_watched_after_panics() {
    // One of the doorkeeper's own, then one of a host function's.
    let (mut store, log) = watched(|call| match call.args() {
        [Val::I32(0), ..] => panic!("the doorkeeper panics"),
        _ => Verdict::Pass,
    });
    let instance = instance(&mut store);
    let fall = Func::wrap(&mut store, |_: i64| -> () { panic!("the host function panics") });
    let outcomes = [
        catch_unwind(AssertUnwindSafe(|| call(&mut store, instance, "add", &[Val::I32(0), Val::I64(1)])))
            .is_err(),
        catch_unwind(AssertUnwindSafe(|| fall.call(&mut store, &[Val::I64(1)], &mut []))).is_err(),
    ];
    assert_eq!(outcomes, [true; 2]);
    take(&log);
    call(&mut store, instance, "add", &[Val::I32(1), Val::I64(1)]).unwrap();
    assert_eq!(take(&log).len(), 2);
}
