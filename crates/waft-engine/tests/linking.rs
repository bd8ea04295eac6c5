//! Imports get exactly what they ask for, or a refusal that says what was wrong.

mod common;

use common::{compile, instantiate, run, trap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use waft::*;

/// What a host can offer, by the way in which a row of a table names it.
fn offer(store: &mut Store<()>, what: &str) -> Extern {
    let word = |n: usize| what.split(' ').nth(n);
    let number = |n: usize| word(n).map(|text| text.parse::<u32>().unwrap());
    match word(0).unwrap() {
        "func" => {
            let types = |text: &str| -> Vec<ValType> {
                text.split(',').filter(|text| !text.is_empty()).map(val_type).collect()
            };
            let ty =
                FuncType::new(store.engine(), types(word(1).unwrap_or("")), types(word(2).unwrap_or("")));
            Func::new(store, ty, |_, _, _| Ok(())).into()
        }
        "memory" => Memory::new(store, MemoryType::new(number(1).unwrap(), number(2))).unwrap().into(),
        "funcs" => {
            let ty = TableType::new(RefType::FUNCREF, number(1).unwrap(), number(2));
            Table::new(store, ty, Ref::Func(None)).unwrap().into()
        }
        "externs" => {
            let ty = TableType::new(RefType::EXTERNREF, number(1).unwrap(), number(2));
            Table::new(store, ty, Ref::Extern(None)).unwrap().into()
        }
        kind => {
            let mutability = if kind == "var" { Mutability::Var } else { Mutability::Const };
            let ty = val_type(word(1).unwrap());
            Global::new(store, GlobalType::new(ty.clone(), mutability), Val::default_for_ty(&ty).unwrap())
                .unwrap()
                .into()
        }
    }
}

fn val_type(name: &str) -> ValType {
    let all = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128];
    let all = all.into_iter().chain([ValType::FUNCREF, ValType::EXTERNREF]);
    all.into_iter().find(|ty| ty.to_string() == name).unwrap()
}

#[test]
fn imports_match_by_the_rules_of_the_specification() {
    // What is imported, what is offered, and what the refusal names.
    let rows = [
        ("(func)", "func", None),
        ("(func (param i32))", "func i32", None),
        ("(func (param i32))", "func i64", Some(("(func (param i32))", "(func (param i64))"))),
        ("(func (param i32))", "func", Some(("(func (param i32))", "(func)"))),
        ("(func (result i32))", "func  i32,i32", Some(("(func (result i32))", "(func (result i32 i32))"))),
        (
            "(func (param funcref))",
            "func externref",
            Some(("(func (param funcref))", "(func (param externref))")),
        ),
        ("(func)", "memory 1", Some(("(func)", "(memory 1)"))),
        ("(func)", "const i32", Some(("(func)", "(global i32)"))),
        ("(memory 1)", "memory 1", None),
        ("(memory 1)", "memory 2 3", None),
        ("(memory 0 3)", "memory 2 3", None),
        ("(memory 2)", "memory 1", Some(("(memory 2)", "(memory 1)"))),
        ("(memory 1 2)", "memory 1", Some(("(memory 1 2)", "(memory 1)"))),
        ("(memory 1 2)", "memory 1 3", Some(("(memory 1 2)", "(memory 1 3)"))),
        ("(memory 1)", "funcs 1", Some(("(memory 1)", "(table 1 funcref)"))),
        ("(table 1 funcref)", "funcs 1", None),
        ("(table 1 5 funcref)", "funcs 3 4", None),
        ("(table 1 funcref)", "externs 1", Some(("(table 1 funcref)", "(table 1 externref)"))),
        ("(table 2 funcref)", "funcs 1", Some(("(table 2 funcref)", "(table 1 funcref)"))),
        ("(table 1 2 externref)", "externs 1 3", Some(("(table 1 2 externref)", "(table 1 3 externref)"))),
        ("(table 1 2 externref)", "externs 1", Some(("(table 1 2 externref)", "(table 1 externref)"))),
        ("(table 1 funcref)", "func", Some(("(table 1 funcref)", "(func)"))),
        ("(global i32)", "const i32", None),
        ("(global (mut v128))", "var v128", None),
        ("(global i32)", "const i64", Some(("(global i32)", "(global i64)"))),
        ("(global i32)", "var i32", Some(("(global i32)", "(global (mut i32))"))),
        ("(global (mut i32))", "const i32", Some(("(global (mut i32))", "(global i32)"))),
        ("(global funcref)", "const externref", Some(("(global funcref)", "(global externref)"))),
        ("(global i32)", "memory 1", Some(("(global i32)", "(memory 1)"))),
    ];
    for (wanted, offered, refusal) in rows {
        let mut store = Store::new(&Engine::default(), ());
        let module = compile(&store, &format!(r#"(module (import "some" "thing" {wanted}))"#));
        let item = offer(&mut store, offered);
        let mut linker = Linker::new(store.engine());
        linker.define(&store, "some", "thing", item.clone()).unwrap();
        let outcomes = [
            Instance::new(&mut store, &module, &[item]),
            linker.instantiate(&mut store, &module),
            linker.instantiate_pre(&module).and_then(|pre| pre.instantiate(&mut store)),
        ];
        for outcome in outcomes {
            let Some((wanted, found)) = refusal else {
                outcome.unwrap_or_else(|error| panic!("{wanted} is offered {offered}: {error:?}"));
                continue;
            };
            let text = format!("{:?}", outcome.map(drop).unwrap_err());
            for part in ["some::thing", &format!("wants {wanted}"), &format!("found {found}")] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }
}

#[test]
fn host_functions_of_the_wrong_type_are_refused_when_instantiation_is_prepared() {
    let engine = Engine::default();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("m", "f", |_: i32| 1_i64).unwrap();
    let module = Module::new(&engine, r#"(module (import "m" "f" (func (param i64))))"#).unwrap();
    let text = linker.instantiate_pre(&module).unwrap_err().to_string();
    for part in ["m::f", "wants (func (param i64))", "found (func (param i32) (result i64))"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_size_that_counts_is_that_at_the_time() {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(5))).unwrap();
    let table =
        Table::new(&mut store, TableType::new(RefType::FUNCREF, 1, Some(5)), Ref::Func(None)).unwrap();
    let module = compile(&store, r#"(module (import "" "" (memory 3)) (import "" "" (table 3 funcref)))"#);
    let imports = [memory.into(), table.into()];
    assert!(Instance::new(&mut store, &module, &imports).is_err());
    memory.grow(&mut store, 2).unwrap();
    assert!(Instance::new(&mut store, &module, &imports).is_err());
    table.grow(&mut store, 2, Ref::Func(None)).unwrap();
    Instance::new(&mut store, &module, &imports).unwrap();
    assert_eq!((memory.ty(&store).minimum(), table.ty(&store).minimum()), (3, 3));
}

#[test]
fn the_number_of_imports_must_be_right() {
    let mut store = Store::new(&Engine::default(), ());
    let module = compile(&store, r#"(module (import "" "a" (func)) (import "" "b" (func)))"#);
    let func: Extern = Func::wrap(&mut store, || ()).into();
    for count in [0, 1, 3] {
        let error = Instance::new(&mut store, &module, &vec![func.clone(); count]).unwrap_err();
        assert_eq!(error.to_string(), format!("expected 2 imports, found {count}"));
    }
}

#[test]
fn what_belongs_to_another_store_is_refused() {
    let engine = Engine::default();
    let (mut store, mut other) = (Store::new(&engine, ()), Store::new(&engine, ()));
    for (import, offered) in [
        ("(func)", "func"),
        ("(memory 1)", "memory 1"),
        ("(table 1 funcref)", "funcs 1"),
        ("(global i32)", "const i32"),
    ] {
        let module = Module::new(&engine, format!(r#"(module (import "some" "thing" {import}))"#)).unwrap();
        let item = offer(&mut other, offered);
        let mut linker = Linker::new(&engine);
        linker.define(&other, "some", "thing", item.clone()).unwrap();
        let pre = linker.instantiate_pre(&module).unwrap();
        for outcome in [
            Instance::new(&mut store, &module, std::slice::from_ref(&item)),
            linker.instantiate(&mut store, &module),
            pre.instantiate(&mut store),
        ] {
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains("belongs to another store") && text.contains("some::thing"), "{text}");
        }
        Instance::new(&mut other, &module, &[item]).unwrap();
    }
}

#[test]
fn what_belongs_to_another_engine_is_refused() {
    let (ours, theirs) = (Engine::default(), Engine::default());
    let mut store = Store::new(&ours, ());
    let module = Module::new(&theirs, "(module)").unwrap();
    let linker = Linker::new(&theirs);
    for outcome in [
        Instance::new(&mut store, &module, &[]),
        linker.instantiate(&mut store, &module),
        linker.instantiate_pre(&module).unwrap().instantiate(&mut store),
        Linker::new(&ours).instantiate(&mut store, &module),
    ] {
        assert!(outcome.unwrap_err().to_string().contains("different engines"));
    }
}

#[test]
fn host_functions_of_another_engines_linker_are_refused() {
    // Their numbers for signatures mean nothing here.
    let (ours, theirs) = (Engine::default(), Engine::default());
    let mut linker = Linker::new(&theirs);
    linker.func_wrap("m", "other", |_: f64| ()).unwrap();
    linker.func_wrap("m", "f", |_: i32| ()).unwrap();
    let mut store = Store::new(&ours, ());
    let module = Module::new(&ours, r#"(module (import "m" "f" (func (param i32))))"#).unwrap();
    assert!(linker.instantiate(&mut store, &module).is_err());
    assert!(linker.instantiate_pre(&module).and_then(|pre| pre.instantiate(&mut store)).is_err());
    let get = AssertUnwindSafe(|| linker.get(&mut store, "m", "f"));
    let panic = catch_unwind(get).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"host function used with a store of another engine"));
}

#[test]
fn effects_before_a_failure_stay_visible_through_imports() {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 4, None), Ref::Func(None)).unwrap();
    let imports = [memory.into(), table.into()];
    let rows = [
        (
            // Elements come before data: of the data nothing is written.
            r#"(elem (i32.const 0) $f) (elem (i32.const 4) $f) (data (i32.const 0) "lost")"#,
            Trap::TableOutOfBounds,
            &b"\0\0\0\0"[..],
        ),
        (
            r#"(elem (i32.const 1) $f) (data (i32.const 0) "kept") (data (i32.const 65533) "over") (data (i32.const 4) "lost")"#,
            Trap::MemoryOutOfBounds,
            &b"kept\0\0"[..],
        ),
    ];
    for (at, (segments, expected, bytes)) in rows.into_iter().enumerate() {
        let text = format!(
            r#"(module (import "" "m" (memory 1)) (import "" "t" (table 4 funcref)) {segments}
                (func $f (result i32) i32.const {at}) (func $start i32.const 7 i32.const 7 i32.store8) (start $start))"#
        );
        let module = compile(&store, &text);
        let error = Instance::new(&mut store, &module, &imports).unwrap_err();
        assert_eq!(trap(&error), expected);
        assert_eq!(&memory.data(&store)[..bytes.len()], bytes);
        assert!(memory.data(&store)[65530..].iter().all(|byte| *byte == 0));
        assert_eq!(memory.data(&store)[7], 0, "the start function ran");
        // The function in the table keeps its instance alive, though nobody holds that.
        let func = table.get(&mut store, at as u64).unwrap();
        let func = func.as_func().unwrap().unwrap().typed::<(), u32>(&store).unwrap();
        drop(module);
        assert_eq!(func.call(&mut store, ()).unwrap(), at as u32);
    }
}

#[test]
fn segments_fit_up_to_the_last_byte_and_element() {
    let rows = [
        (r#"(memory 1) (data (i32.const 65536) "")"#, None),
        (r#"(memory 1) (data (i32.const 65535) "x")"#, None),
        (r#"(memory 1) (data (i32.const 65535) "xy")"#, Some(Trap::MemoryOutOfBounds)),
        (r#"(memory 1) (data (i32.const 65537) "")"#, Some(Trap::MemoryOutOfBounds)),
        (r#"(memory 1) (data (i32.const -1) "x")"#, Some(Trap::MemoryOutOfBounds)),
        (r#"(memory 0) (data (i32.const 0) "")"#, None),
        (r#"(memory 0) (data (i32.const 0) "x")"#, Some(Trap::MemoryOutOfBounds)),
        ("(func $f) (table 2 funcref) (elem (i32.const 2))", None),
        ("(func $f) (table 2 funcref) (elem (i32.const 1) $f)", None),
        ("(func $f) (table 2 funcref) (elem (i32.const 1) $f $f)", Some(Trap::TableOutOfBounds)),
        ("(func $f) (table 2 funcref) (elem (i32.const 3))", Some(Trap::TableOutOfBounds)),
        ("(func $f) (table 2 funcref) (elem (i32.const -1) $f)", Some(Trap::TableOutOfBounds)),
    ];
    let mut store = Store::new(&Engine::default(), ());
    for (text, expected) in rows {
        let module = compile(&store, &format!("(module {text})"));
        let outcome = Instance::new(&mut store, &module, &[]).map(drop).map_err(|error| trap(&error));
        assert_eq!(outcome.err(), expected, "{text}");
    }
}

#[test]
fn everything_can_be_exported_imported_and_exported_again() {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    let first = compile(
        &store,
        r#"(module (memory (export "m") 1) (table (export "t") 2 funcref) (global (export "g") (mut i64) (i64.const 1))
            (func (export "f") (result i64) global.get 0))"#,
    );
    linker.module(&mut store, "first", &first).unwrap();
    let second = compile(
        &store,
        r#"(module (import "first" "m" (memory 1)) (import "first" "t" (table 2 funcref))
            (import "first" "g" (global $g (mut i64))) (import "first" "f" (func $f (result i64)))
            (export "m" (memory 0)) (export "t" (table 0)) (export "g" (global $g)) (export "f" (func $f)))"#,
    );
    linker.module(&mut store, "second", &second).unwrap();
    let third = compile(
        &store,
        r#"(module (import "second" "m" (memory 1)) (import "second" "t" (table 2 funcref))
            (import "second" "g" (global $g (mut i64))) (import "second" "f" (func $f (result i64)))
            (elem (i32.const 0) $f)
            (func (export "go") (result i64)
                (global.set $g (i64.const 42)) (i32.store8 (i32.const 9) (i32.const 9))
                (i64.add (call $f) (call_indirect (result i64) (i32.const 0)))))"#,
    );
    let third = linker.instantiate(&mut store, &third).unwrap();
    let go = third.get_typed_func::<(), i64>(&mut store, "go").unwrap();
    assert_eq!(go.call(&mut store, ()).unwrap(), 84);
    let item = |store: &mut Store<()>, name| linker.get(store, "first", name).unwrap();
    assert_eq!(item(&mut store, "m").into_memory().unwrap().data(&store)[9], 9);
    assert_eq!(item(&mut store, "g").into_global().unwrap().get(&mut store).unwrap_i64(), 42);
    assert!(!item(&mut store, "t").into_table().unwrap().get(&mut store, 0).unwrap().is_null());
}

#[test]
fn equal_types_of_different_modules_are_one_type() {
    let mut store = Store::new(&Engine::default(), ());
    // The type has another index in each.
    let near = r#"(module (type (func)) (type $t (func (param i32) (result i32)))
        (func (export "f") (type $t) local.get 0) (table (export "t") 3 funcref) (elem (i32.const 0) 0))"#;
    let near = instantiate(&mut store, near);
    let table = near.get_table(&mut store, "t").unwrap();
    let host = Func::wrap(&mut store, |x: i32| x * 2);
    table.set(&mut store, 1, host.into()).unwrap();
    let other = Func::wrap(&mut store, |x: i64| x);
    table.set(&mut store, 2, other.into()).unwrap();
    let far = compile(
        &store,
        r#"(module (type $t (func (param i32) (result i32))) (import "" "" (table 3 funcref))
            (func (export "f") (param i32) (result i32) (call_indirect (type $t) (i32.const 21) (local.get 0))))"#,
    );
    let far = Instance::new(&mut store, &far, &[table.into()]).unwrap();
    let f = far.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, 0).unwrap(), 21);
    assert_eq!(f.call(&mut store, 1).unwrap(), 42);
    assert_eq!(trap(&f.call(&mut store, 2).unwrap_err()), Trap::BadSignature);
}

#[test]
fn a_name_is_defined_once_unless_shadowing_is_allowed() {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    linker.func_wrap("m", "f", || 1).unwrap();
    let error = linker.func_wrap("m", "f", || 2).unwrap_err();
    assert!(error.to_string().contains("`m::f` defined twice"), "{error}");
    let value = |linker: &Linker<()>, store: &mut Store<()>, module: &str, name: &str| {
        let func = linker.get(&mut *store, module, name).unwrap().into_func().unwrap();
        func.typed::<(), i32>(&*store).unwrap().call(store, ()).unwrap()
    };
    assert_eq!(value(&linker, &mut store, "m", "f"), 1);
    linker.allow_shadowing(true).func_wrap("m", "f", || 2).unwrap();
    assert_eq!(value(&linker, &mut store, "m", "f"), 2);
    linker.allow_shadowing(false);
    linker.alias("m", "f", "n", "g").unwrap();
    assert_eq!(value(&linker, &mut store, "n", "g"), 2);
    assert!(linker.alias("m", "f", "n", "g").is_err());
    assert!(linker.alias("m", "missing", "n", "h").unwrap_err().to_string().contains("m::missing"));
    linker.alias_module("n", "o").unwrap();
    assert_eq!(value(&linker, &mut store, "o", "g"), 2);
    assert!(linker.alias_module("missing", "p").is_err());
    // A copy is one's own.
    let mut copy = linker.clone();
    copy.func_wrap("m", "new", || 3).unwrap();
    assert!(linker.get(&mut store, "m", "new").is_none());
}

#[test]
fn unknown_imports_are_named_or_trap_when_called() {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    linker.func_wrap("env", "known", || 7).unwrap();
    let module = compile(
        &store,
        r#"(module (import "env" "known" (func (result i32))) (import "env" "unknown" (func $u (param f64 v128) (result i32)))
            (func (export "known") (result i32) call 0)
            (func (export "f") (drop (call $u (f64.const 0) (v128.const i64x2 0 0)))))"#,
    );
    let error = linker.instantiate(&mut store, &module).unwrap_err();
    assert!(error.to_string().contains("unknown import: `env::unknown`"), "{error}");
    assert!(linker.instantiate_pre(&module).unwrap_err().to_string().contains("env::unknown"));
    linker.define_unknown_imports_as_traps(&module).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let known = instance.get_typed_func::<(), i32>(&mut store, "known").unwrap();
    assert_eq!(known.call(&mut store, ()).unwrap(), 7);
    let error = run(&mut store, instance, "f").unwrap_err();
    assert!(format!("{error:?}").contains("env::unknown"), "{error:?}");
    let needs_memory = compile(&store, r#"(module (import "env" "memory" (memory 1)))"#);
    let error = linker.define_unknown_imports_as_traps(&needs_memory).unwrap_err();
    assert!(error.to_string().contains("env::memory"), "{error}");
}

#[test]
fn one_prepared_module_gives_instances_in_many_stores() {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("m", "add", |mut caller: Caller<'_, i32>, x: i32| *caller.data_mut() += x).unwrap();
    let module = Module::new(
        &engine,
        r#"(module (import "m" "add" (func $add (param i32))) (global $g (mut i32) (i32.const 0))
            (func (export "f") (global.set $g (i32.add (global.get $g) (i32.const 1))) (call $add (global.get $g))))"#,
    )
    .unwrap();
    let pre = linker.instantiate_pre(&module).unwrap();
    drop((linker, module));
    for start in 0..4 {
        let mut store = Store::new(&engine, start);
        for _ in 0..2 {
            let instance = pre.clone().instantiate(&mut store).unwrap();
            run(&mut store, instance, "f").unwrap();
            run(&mut store, instance, "f").unwrap();
        }
        assert_eq!(*store.data(), start + 6);
    }
    assert_eq!(pre.module().imports().len(), 1);
}

#[test]
fn the_default_function_is_the_one_without_a_name_or_start() {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    let value = |linker: &Linker<()>, store: &mut Store<()>, module: &str| -> Result<i32> {
        let func = linker.get_default(&mut *store, module)?;
        func.typed::<(), i32>(&*store)?.call(store, ())
    };
    for (name, text) in [
        (
            "unnamed",
            r#"(module (func (export "") (result i32) i32.const 1) (func (export "_start") (result i32) i32.const 2))"#,
        ),
        ("start", r#"(module (func (export "_start") (result i32) i32.const 2))"#),
        ("memory", r#"(module (memory (export "") 1))"#),
        ("nothing", r#"(module (func (export "other")))"#),
    ] {
        let module = compile(&store, text);
        linker.module(&mut store, name, &module).unwrap();
    }
    assert_eq!(value(&linker, &mut store, "unnamed").unwrap(), 1);
    assert_eq!(value(&linker, &mut store, "start").unwrap(), 2);
    for module in ["memory", "nothing", "unheard"] {
        let text = value(&linker, &mut store, module).unwrap_err().to_string();
        assert!(text.contains(module), "{text}");
    }
}

#[test]
fn exports_are_found_by_name_kind_and_order() {
    let mut store = Store::new(&Engine::default(), ());
    let instance = instantiate(
        &mut store,
        r#"(module (func (export "f")) (memory (export "m") 1 2) (table (export "t") 3 externref)
            (global (export "g") f32 (f32.const 1)) (export "" (func 0)) (export "f again" (func 0)))"#,
    );
    let texts: Vec<_> = instance
        .module(&store)
        .exports()
        .map(|export| format!("{} {}", export.name(), export.ty()))
        .collect();
    let expected = [
        "f (func)",
        "m (memory 1 2)",
        "t (table 3 externref)",
        "g (global f32)",
        " (func)",
        "f again (func)",
    ];
    assert_eq!(texts, expected);
    let names: Vec<_> = instance.exports(&mut store).map(|export| export.name().to_owned()).collect();
    assert_eq!(names, ["f", "m", "t", "g", "", "f again"]);
    assert!(instance.get_memory(&mut store, "f").is_none());
    assert!(instance.get_func(&mut store, "F").is_none());
    assert!(instance.get_export(&mut store, "g").unwrap().into_global().is_some());
    let error = instance.get_typed_func::<(), ()>(&mut store, "m").unwrap_err();
    assert!(error.to_string().contains("`m` is not a function"), "{error}");
    let error = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap_err();
    assert!(format!("{error:?}").contains("(func)"), "{error:?}");
}
