//! What passes through guests between host functions and whoever called: errors, panics, references, the store itself.

mod common;

use common::{compile, instantiate, names, run};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use waft::*;

/// An error of the host's own.
#[derive(Debug, PartialEq)]
struct Custom(i32);

impl fmt::Display for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "custom error {}", self.0)
    }
}

impl std::error::Error for Custom {}

/// A guest that calls `host::act` with a number that counts down through as many guests as it has calls.
const RELAY: &str = r#"(module (import "host" "act" (func $act (param i32) (result i32)))
    (func $relay (export "relay") (param i32) (result i32) (call $act (local.get 0))))"#;

/// What the host does at the innermost call.
type Act = fn() -> Result<i32>;

/// `host::act(n)` calls the guest with `n - 1`, and acts at zero.
fn relay(act: Act) -> (Store<()>, TypedFunc<i32, i32>, Instance) {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    let call = move |mut caller: Caller<'_, ()>, level: i32| -> Result<i32> {
        if level == 0 {
            return act();
        }
        if level < 0 {
            return Ok(level);
        }
        let relay = caller.get_export("relay").context("no relay")?.into_func().context("no function")?;
        let relay = relay.typed::<i32, i32>(&caller)?;
        Ok(relay.call(&mut caller, level - 1)? + 1)
    };
    linker.func_wrap("host", "act", call).unwrap();
    let module = compile(&store, RELAY);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let func = instance.get_typed_func::<i32, i32>(&mut store, "relay").unwrap();
    (store, func, instance)
}

#[test]
fn calls_nest_a_hundred_deep() {
    let (mut store, func, _) = relay(|| Ok(1000));
    assert_eq!(func.call(&mut store, 100).unwrap(), 1100);
}

#[test]
fn errors_of_the_host_keep_their_type_through_any_number_of_guests() {
    for levels in [0, 1, 7] {
        let (mut store, func, _) = relay(|| Err(Error::new(Custom(9)).context("while acting")));
        let error = func.call(&mut store, levels).unwrap_err();
        assert_eq!(error.downcast_ref::<Custom>(), Some(&Custom(9)));
        assert!(error.downcast_ref::<Trap>().is_none());
        assert_eq!(names(&error).len(), levels as usize + 1);
        assert_eq!(error.downcast::<Custom>().unwrap(), Custom(9));
        assert_eq!(func.call(&mut store, -5).unwrap(), -5);
    }
}

#[test]
fn panics_of_the_host_travel_to_the_caller_and_leave_the_store_usable() {
    for levels in [0, 1, 7] {
        let (mut store, func, _) = relay(|| std::panic::panic_any(Custom(3)));
        for _ in 0..3 {
            let panic = catch_unwind(AssertUnwindSafe(|| func.call(&mut store, levels))).unwrap_err();
            assert_eq!(panic.downcast_ref::<Custom>(), Some(&Custom(3)));
            assert_eq!(func.call(&mut store, -5).unwrap(), -5);
        }
    }
}

#[test]
fn a_host_function_can_catch_the_panic_of_one_further_in() {
    let mut store = Store::new(&Engine::default(), Vec::new());
    let mut linker = Linker::new(store.engine());
    let catch = |mut caller: Caller<'_, Vec<&'static str>>| {
        let inner = caller.get_export("inner").unwrap().into_func().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| inner.call(&mut caller, &[], &mut [])));
        caller.data_mut().push(outcome.unwrap_err().downcast_ref::<&str>().copied().unwrap());
    };
    linker.func_wrap("host", "catch", catch).unwrap();
    linker.func_wrap("host", "panic", || -> () { panic!("deep inside") }).unwrap();
    let module = compile(
        &store,
        r#"(module (import "host" "catch" (func $catch)) (import "host" "panic" (func $panic))
            (func (export "inner") call $panic)
            (func (export "f") call $catch call $catch))"#,
    );
    let instance = linker.instantiate(&mut store, &module).unwrap();
    run(&mut store, instance, "f").unwrap();
    assert_eq!(*store.data(), ["deep inside"; 2]);
}

#[test]
fn nothing_of_the_host_is_leaked_when_a_guest_is_left() {
    struct Token(#[allow(dead_code, reason = "held, not read")] Arc<()>);
    let token = Arc::new(());
    let mut store = Store::new(&Engine::default(), ());
    let (held, thrown) = (token.clone(), token.clone());
    let func = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>, way: i32| -> Result<()> {
        let _on_stack = Token(held.clone());
        match way {
            0 => Ok(()),
            1 => Err(Error::new(Custom(1))),
            2 => std::panic::panic_any(thrown.clone()),
            _ => {
                let f = caller.get_export("f").unwrap().into_func().unwrap();
                f.call(&mut caller, &[Val::I32(way - 3)], &mut [])
            }
        }
    });
    let module = compile(
        &store,
        r#"(module (import "" "" (func $host (param i32))) (func (export "f") (param i32) local.get 0 call $host))"#,
    );
    let instance = Instance::new(&mut store, &module, &[func.into()]).unwrap();
    let f = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap();
    for way in 0..9 {
        drop(catch_unwind(AssertUnwindSafe(|| f.call(&mut store, way))));
        // This one, and one in each of the closures.
        assert_eq!(Arc::strong_count(&token), 3, "way {way}");
    }
    drop(store);
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn callers_know_the_instance_that_calls() {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    let who = |mut caller: Caller<'_, ()>| -> Result<i32> {
        let Some(id) = caller.get_export("id") else { return Ok(-1) };
        Ok(id.into_global().context("not a global")?.get(&mut caller).unwrap_i32())
    };
    linker.func_wrap("host", "who", who).unwrap();
    let first = compile(
        &store,
        r#"(module (import "host" "who" (func $who (result i32))) (global (export "id") i32 (i32.const 1))
            (table (export "table") 2 funcref) (elem (i32.const 0) $ask $who)
            (export "who" (func $who))
            (func $ask (export "ask") (result i32) call $who))"#,
    );
    linker.module(&mut store, "first", &first).unwrap();
    let second = compile(
        &store,
        r#"(module (import "host" "who" (func $who (result i32))) (import "first" "ask" (func $ask (result i32)))
            (import "first" "who" (func $their_who (result i32)))
            (import "first" "table" (table 2 funcref)) (global (export "id") i32 (i32.const 2))
            (func (export "own") (result i32) call $who)
            (func (export "theirs") (result i32) call $ask)
            (func (export "reexported") (result i32) call $their_who)
            (func (export "after") (result i32) (drop (call $ask)) (call $who))
            (func (export "table of theirs") (result i32) (call_indirect (result i32) (i32.const 0)))
            (func (export "table of host") (result i32) (call_indirect (result i32) (i32.const 1)))
            (func (export "after table") (result i32)
                (drop (call_indirect (result i32) (i32.const 0))) (call $who)))"#,
    );
    let second = linker.instantiate(&mut store, &second).unwrap();
    for (name, id) in [
        ("own", 2),
        ("theirs", 1),
        ("reexported", 2),
        ("after", 2),
        ("table of theirs", 1),
        ("table of host", 2),
        ("after table", 2),
    ] {
        let func = second.get_typed_func::<(), i32>(&mut store, name).unwrap();
        assert_eq!(func.call(&mut store, ()).unwrap(), id, "{name}");
        // Called by the host itself, it has no calling instance.
        let who = linker.get(&mut store, "first", "who").unwrap().into_func().unwrap();
        assert_eq!(who.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap(), -1, "{name}");
    }
}

#[test]
fn host_functions_that_a_host_function_calls_have_no_calling_instance() {
    let mut store = Store::new(&Engine::default(), ());
    let who =
        Func::wrap(&mut store, |mut caller: Caller<'_, ()>| i32::from(caller.get_export("f").is_some()));
    let both = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>| -> Result<(i32, i32)> {
        let inner = who.typed::<(), i32>(&caller)?.call(&mut caller, ())?;
        Ok((inner, i32::from(caller.get_export("f").is_some())))
    });
    let module = compile(
        &store,
        r#"(module (import "" "" (func $both (result i32 i32))) (func (export "f") (result i32 i32) call $both))"#,
    );
    let instance = Instance::new(&mut store, &module, &[both.into()]).unwrap();
    let f = instance.get_typed_func::<(), (i32, i32)>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), (0, 1));
}

#[test]
fn callers_know_their_instance_again_after_an_inner_call() {
    let mut store = Store::new(&Engine::default(), ());
    let inner =
        instantiate(&mut store, r#"(module (global (export "id") i32 (i32.const 2)) (func (export "f")))"#);
    let inner = inner.get_func(&mut store, "f").unwrap();
    let host = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>| -> Result<i32> {
        inner.call(&mut caller, &[], &mut [])?;
        Ok(caller.get_export("id").unwrap().into_global().unwrap().get(&mut caller).unwrap_i32())
    });
    let module = compile(
        &store,
        r#"(module (import "" "" (func $host (result i32))) (global (export "id") i32 (i32.const 1))
            (func (export "f") (result i32) call $host))"#,
    );
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 1);
}

#[test]
fn guest_memory_is_what_the_caller_exports_as_memory() {
    let mut store = Store::new(&Engine::default(), 0_usize);
    let mut linker = Linker::new(store.engine());
    let touch = |mut caller: Caller<'_, usize>| -> i32 {
        let Some((memory, calls)) = caller.guest_memory() else { return -1 };
        *calls += 1;
        memory[*calls] = 9;
        memory.len() as i32
    };
    linker.func_wrap("host", "touch", touch).unwrap();
    for (memory, size) in [
        ("", -1),
        ("(memory 1)", -1),
        (r#"(memory (export "other") 1)"#, -1),
        (r#"(memory (export "memory") 2)"#, 2 * 65536),
        (r#"(memory (export "other") 1) (export "memory" (memory 0))"#, 65536),
    ] {
        let module = compile(
            &store,
            &format!(
                r#"(module (import "host" "touch" (func $touch (result i32))) {memory}
                    (func (export "f") (result i32) call $touch))"#
            ),
        );
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), size, "{memory}");
    }
    assert_eq!(*store.data(), 2);
}

#[test]
fn guest_memory_that_grew_meanwhile_has_its_new_size() {
    let mut store = Store::new(&Engine::default(), ());
    let size = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| {
        let before = caller.guest_memory().unwrap().0.len();
        let memory = caller.get_export("memory").unwrap().into_memory().unwrap();
        memory.grow(&mut caller, 1).unwrap();
        let after = caller.guest_memory().unwrap().0;
        assert_eq!(after.len(), before + 65536);
        after[before] = 5;
        before as u32
    });
    let module = compile(
        &store,
        r#"(module (import "" "" (func $size (result i32))) (memory (export "memory") 0)
            (func (export "f") (result i32)
                (drop (memory.grow (i32.const 1)))
                (i32.load8_u (call $size))))"#,
    );
    let instance = Instance::new(&mut store, &module, &[size.into()]).unwrap();
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 5);
}

#[test]
fn results_of_the_wrong_type_are_errors_of_the_call() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut other = Store::new(&engine, ());
    let foreign_func = Func::wrap(&mut other, || ());
    let foreign_value = ExternRef::new(&mut other, 1).unwrap();
    let rows: [(ValType, Val, &str); 6] = [
        (ValType::I32, Val::I64(1), "result 0 of a host function"),
        (ValType::F32, Val::I32(1), "type mismatch: f32 expected, i32 found"),
        (ValType::FUNCREF, Val::ExternRef(None), "type mismatch: funcref expected, externref found"),
        (ValType::EXTERNREF, Val::FuncRef(None), "type mismatch: externref expected, funcref found"),
        (ValType::FUNCREF, foreign_func.into(), "belongs to another store"),
        (ValType::EXTERNREF, foreign_value.into(), "belongs to another store"),
    ];
    for (ty, value, message) in rows {
        let host = Func::new(&mut store, FuncType::new(&engine, [], [ty.clone()]), move |_, _, results| {
            results[0] = value;
            Ok(())
        });
        let module = compile(
            &store,
            &format!(
                r#"(module (import "" "" (func $f (result {ty}))) (func $g (export "f") call $f drop))"#
            ),
        );
        let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
        let error = run(&mut store, instance, "f").unwrap_err();
        assert!(format!("{error:?}").contains(message), "{error:?}");
        assert_eq!(names(&error), ["g"]);
    }
}

#[test]
fn unset_results_are_zero_or_null() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let types = [ValType::I32, ValType::V128, ValType::FUNCREF, ValType::EXTERNREF, ValType::F64];
    let host = Func::new(&mut store, FuncType::new(&engine, [], types), |_, _, _| Ok(()));
    let mut results = [Val::I32(7); 5];
    host.call(&mut store, &[], &mut results).unwrap();
    assert_eq!(
        format!("{results:?}"),
        "[I32(0), V128(0x00000000000000000000000000000000), FuncRef(None), ExternRef(None), F64(0)]"
    );
}

/// A guest that keeps references in tables and globals, and gives them back.
const KEEPER: &str = r#"(module
    (table $funcs (export "funcs") 3 funcref) (table $values (export "values") 3 externref)
    (global $func (export "func") (mut funcref) (ref.null func))
    (global $value (export "value") (mut externref) (ref.null extern))
    (func $own (export "own") (result i32) i32.const 77)
    (func (export "put") (param i32 funcref externref)
        (table.set $funcs (local.get 0) (local.get 1)) (table.set $values (local.get 0) (local.get 2))
        (global.set $func (local.get 1)) (global.set $value (local.get 2)))
    (func (export "get") (param i32) (result funcref externref)
        (table.get $funcs (local.get 0)) (table.get $values (local.get 0)))
    (func (export "are null") (param funcref externref) (result i32 i32)
        (ref.is_null (local.get 0)) (ref.is_null (local.get 1)))
    (func (export "call") (param i32) (result i32) (call_indirect $funcs (result i32) (local.get 0))))"#;

fn same(store: &Store<()>, a: Option<Rooted<ExternRef>>, b: Option<Rooted<ExternRef>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Rooted::ref_eq(store, &a, &b).unwrap(),
        (a, b) => a.is_none() && b.is_none(),
    }
}

#[test]
fn references_are_kept_and_given_back() {
    let mut store = Store::new(&Engine::default(), ());
    let instance = instantiate(&mut store, KEEPER);
    type Pair = (Option<Func>, Option<Rooted<ExternRef>>);
    let put =
        instance.get_typed_func::<(i32, Option<Func>, Option<Rooted<ExternRef>>), ()>(&mut store, "put");
    let put = put.unwrap();
    let get = instance.get_typed_func::<i32, Pair>(&mut store, "get").unwrap();
    let are_null = instance.get_typed_func::<Pair, (i32, i32)>(&mut store, "are null").unwrap();
    let call = instance.get_typed_func::<i32, i32>(&mut store, "call").unwrap();
    let host = Func::wrap(&mut store, || 66);
    let own = instance.get_func(&mut store, "own").unwrap();
    let values = ["a", "b"].map(|text| ExternRef::new(&mut store, text.to_owned()).unwrap());
    let rows = [(Some(host), Some(values[0])), (None, None), (Some(own), Some(values[1]))];
    for (at, (func, value)) in rows.into_iter().enumerate() {
        put.call(&mut store, (at as i32, func, value)).unwrap();
        let global = instance.get_global(&mut store, "value").unwrap().get(&mut store);
        let global = global.ref_().unwrap().as_extern().unwrap().copied();
        assert!(same(&store, global, value));
        let nulls = are_null.call(&mut store, (func, value)).unwrap();
        assert_eq!(nulls, (i32::from(func.is_none()), i32::from(value.is_none())));
    }
    for (at, (func, value)) in rows.into_iter().enumerate() {
        let (got_func, got_value) = get.call(&mut store, at as i32).unwrap();
        assert_eq!(format!("{got_func:?}"), format!("{func:?}"));
        assert!(same(&store, got_value, value));
    }
    assert_eq!(call.call(&mut store, 0).unwrap(), 66);
    assert_eq!(call.call(&mut store, 2).unwrap(), 77);
    assert_eq!(common::trap(&call.call(&mut store, 1).unwrap_err()), Trap::IndirectCallToNull);
    let (_, value) = get.call(&mut store, 2).unwrap();
    assert_eq!(value.unwrap().data(&store).unwrap().unwrap().downcast_ref::<String>().unwrap(), "b");
    let funcs = instance.get_table(&mut store, "funcs").unwrap();
    assert!(funcs.get(&mut store, 1).unwrap().is_null());
    assert!(funcs.get(&mut store, 3).is_none());
}

#[test]
fn references_of_another_store_are_refused_everywhere() {
    let engine = Engine::default();
    let (mut store, mut other) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let func = Func::wrap(&mut other, || 1);
    let value = ExternRef::new(&mut other, 1).unwrap();
    let instance = instantiate(&mut store, KEEPER);
    let put = instance.get_func(&mut store, "put").unwrap();
    let table = instance.get_table(&mut store, "funcs").unwrap();
    let values = instance.get_table(&mut store, "values").unwrap();
    let global = instance.get_global(&mut store, "func").unwrap();
    let mutable = GlobalType::new(ValType::FUNCREF, Mutability::Var);
    let one = TableType::new(RefType::FUNCREF, 1, None);
    let refusals = [
        put.call(&mut store, &[Val::I32(0), func.into(), Val::ExternRef(None)], &mut []),
        put.call(&mut store, &[Val::I32(0), Val::FuncRef(None), value.into()], &mut []),
        table.set(&mut store, 0, func.into()),
        values.set(&mut store, 0, value.into()),
        table.fill(&mut store, 0, func.into(), 1),
        table.grow(&mut store, 1, func.into()).map(drop),
        global.set(&mut store, func.into()),
        Global::new(&mut store, mutable, func.into()).map(drop),
        Table::new(&mut store, one, func.into()).map(drop),
        value.data(&store).map(drop),
    ];
    for (at, refusal) in refusals.into_iter().enumerate() {
        let text = refusal.unwrap_err().to_string();
        assert!(text.contains("belongs to another store"), "{at}: {text}");
    }
    assert_eq!(table.size(&store), 3);
}

#[test]
fn handles_used_with_another_store_panic_and_touch_nothing() {
    let engine = Engine::default();
    let (mut store, mut other) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let instance = instantiate(&mut other, KEEPER);
    let func = instance.get_func(&mut other, "own").unwrap();
    let typed = func.typed::<(), i32>(&other).unwrap();
    let memory = Memory::new(&mut other, MemoryType::new(1, None)).unwrap();
    let table = instance.get_table(&mut other, "funcs").unwrap();
    let global = instance.get_global(&mut other, "func").unwrap();
    type Misuse<'a> = &'a mut dyn FnMut(&mut Store<()>) -> bool;
    let misuses: [Misuse<'_>; 8] = [
        &mut |store| func.call(store, &[], &mut [Val::I32(0)]).is_ok(),
        &mut |store| typed.call(store, ()).is_ok(),
        &mut |store| func.ty(store).params().len() == 0,
        &mut |store| memory.write(store, 0, b"x").is_ok(),
        &mut |store| memory.grow(store, 1).is_ok(),
        &mut |store| table.get(store, 0).is_some(),
        &mut |store| global.get(store).ref_().is_some(),
        &mut |store| instance.get_func(store, "own").is_some(),
    ];
    for (at, misuse) in misuses.into_iter().enumerate() {
        let panic = catch_unwind(AssertUnwindSafe(|| misuse(&mut store))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("wrong store"), "{at}: {text}");
    }
    assert_eq!(typed.call(&mut other, ()).unwrap(), 77);
    assert_eq!(memory.size(&other), 1);
}

#[test]
fn globals_keep_their_type_and_constancy() {
    let mut store = Store::new(&Engine::default(), ());
    let constant = Global::new(
        &mut store,
        GlobalType::new(ValType::V128, Mutability::Const),
        V128::from(1 << 100).into(),
    );
    let constant = constant.unwrap();
    assert!(constant.set(&mut store, V128::from(2).into()).is_err());
    assert_eq!(constant.get(&mut store).v128().unwrap().as_u128(), 1 << 100);
    let variable =
        Global::new(&mut store, GlobalType::new(ValType::F32, Mutability::Var), 1.5_f32.into()).unwrap();
    assert!(variable.set(&mut store, 1.5_f64.into()).is_err());
    variable.set(&mut store, Val::F32(0x7fa0_0000)).unwrap();
    assert!(matches!(variable.get(&mut store), Val::F32(0x7fa0_0000)));
    assert!(Global::new(&mut store, GlobalType::new(ValType::I32, Mutability::Var), Val::I64(0)).is_err());
}

#[test]
fn a_start_function_of_the_host_sees_the_instance_as_its_caller() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker
        .func_wrap("host", "start", |mut caller: Caller<'_, Vec<u8>>| {
            let (memory, seen) = caller.guest_memory().unwrap();
            seen.extend_from_slice(&memory[..3]);
        })
        .unwrap();
    let text = r#"(module (import "host" "start" (func $start))
        (memory (export "memory") 1) (data (i32.const 0) "abc") (start $start))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, Vec::new());
    linker.instantiate(&mut store, &module).unwrap();
    assert_eq!(store.data(), b"abc");
}
