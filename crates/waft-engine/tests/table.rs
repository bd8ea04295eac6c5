//! Tables as guests and hosts see them together.

mod common;

use common::{compile, instantiate, trap};
use waft::*;

#[test]
fn tables_copy_and_fill_within_bounds_only() {
    let mut store = Store::new(&Engine::default(), ());
    let make = |store: &mut Store<()>, element, null| {
        Table::new(store, TableType::new(element, 4, Some(6)), null).unwrap()
    };
    let first = make(&mut store, RefType::FUNCREF, Ref::Func(None));
    let second = make(&mut store, RefType::FUNCREF, Ref::Func(None));
    let values = make(&mut store, RefType::EXTERNREF, Ref::Extern(None));
    let func = Func::wrap(&mut store, || ());
    first.set(&mut store, 0, func.into()).unwrap();
    for (dst, src, len, fits) in [
        (1, 0, 3, true),
        (0, 0, 4, true),
        (4, 4, 0, true),
        (5, 0, 0, false),
        (2, 0, 3, false),
        (0, u64::MAX, 1, false),
        (0, 0, u64::MAX, false),
    ] {
        assert_eq!(
            Table::copy(&mut store, &second, dst, &first, src, len).is_ok(),
            fits,
            "{dst} {src} {len}"
        );
    }
    assert!(Table::copy(&mut store, &values, 0, &first, 0, 1).is_err());
    assert!(first.set(&mut store, 4, func.into()).is_err());
    assert!(first.set(&mut store, 0, Ref::Extern(None)).is_err());
    assert!(first.fill(&mut store, 3, func.into(), 2).is_err());
    assert!(first.get(&mut store, 3).unwrap().is_null());
    assert_eq!(first.grow(&mut store, 2, func.into()).unwrap(), 4);
    assert!(!first.get(&mut store, 5).unwrap().is_null());
    for delta in [1, u64::MAX] {
        assert!(first.grow(&mut store, delta, func.into()).is_err());
    }
    assert_eq!((first.size(&store), first.ty(&store).maximum()), (6, Some(6)));
}

/// A guest that grows and calls through the table `memory`, which it defines or imports.
fn caller(table: &str) -> String {
    format!(
        r#"(module (import "" "grow" (func $grow (result i32))) {table} (type $number (func (result i32)))
            (func $seven (result i32) i32.const 7) (elem declare func $seven)
            (func (export "size") (result i32) table.size)
            ;; Calls an element that is there only after the host, or the guest itself, has grown the table.
            (func (export "after host") (result i32)
                (drop (table.get (i32.const 0)))
                (call_indirect (type $number) (call $grow)))
            (func (export "after guest") (param i32) (result i32)
                (drop (table.get (i32.const 0)))
                (call_indirect (type $number) (table.grow (ref.func $seven) (local.get 0)))))"#
    )
}

#[test]
fn growth_is_seen_at_once_by_whoever_uses_the_table() {
    let mut store = Store::new(&Engine::default(), None::<Table>);
    let grow = Func::wrap(&mut store, |mut caller: Caller<'_, Option<Table>>| -> Result<u32> {
        let table = caller.data().context("no table")?;
        let five = Func::wrap(&mut caller, || 5);
        // So far that the elements move.
        let before = table.grow(&mut caller, 1000, five.into())?;
        Ok(before as u32 + 999)
    });
    let ty = TableType::new(RefType::FUNCREF, 1, Some(9000));
    let shared = Table::new(&mut store, ty, Ref::Func(None)).unwrap();
    let defines = compile(&store, &caller(r#"(table (export "t") 1 9000 funcref)"#));
    let imports = compile(&store, &caller(r#"(import "" "table" (table 1 funcref)) (export "t" (table 0))"#));
    for (module, imports) in [(defines, vec![grow.into()]), (imports, vec![grow.into(), shared.into()])] {
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        *store.data_mut() = instance.get_table(&mut store, "t");
        let size = instance.get_typed_func::<(), i32>(&mut store, "size").unwrap();
        let after_host = instance.get_typed_func::<(), i32>(&mut store, "after host").unwrap();
        let after_guest = instance.get_typed_func::<i32, i32>(&mut store, "after guest").unwrap();
        for round in 0..4 {
            assert_eq!(after_host.call(&mut store, ()).unwrap(), 5);
            assert_eq!(after_guest.call(&mut store, 1000).unwrap(), 7);
            assert_eq!(size.call(&mut store, ()).unwrap(), 2001 + 2000 * round);
        }
        // Beyond the maximum: -1 is no element.
        assert_eq!(trap(&after_guest.call(&mut store, 1000).unwrap_err()), Trap::TableOutOfBounds);
    }
}

#[test]
fn elements_come_from_functions_globals_and_null() {
    let mut store = Store::new(&Engine::default(), ());
    let host = Func::wrap(&mut store, || 3);
    let global =
        Global::new(&mut store, GlobalType::new(ValType::FUNCREF, Mutability::Const), host.into()).unwrap();
    let module = compile(
        &store,
        r#"(module (import "" "f" (func $f (result i32))) (import "" "g" (global $g funcref)) (import "" "base" (global $base i32))
            (func $own (result i32) i32.const 9)
            (table (export "t") 6 funcref)
            (elem (offset (i32.add (global.get $base) (i32.const 1))) funcref
                (ref.func $f) (ref.func $own) (ref.null func) (global.get $g)))"#,
    );
    let base =
        Global::new(&mut store, GlobalType::new(ValType::I32, Mutability::Const), Val::I32(1)).unwrap();
    let instance = Instance::new(&mut store, &module, &[host.into(), global.into(), base.into()]).unwrap();
    let table = instance.get_table(&mut store, "t").unwrap();
    for (at, expected) in [None, None, Some(3), Some(9), None, Some(3)].into_iter().enumerate() {
        let element = table.get(&mut store, at as u64).unwrap();
        let func = element.as_func().unwrap().copied();
        let value = func.map(|func| func.typed::<(), i32>(&store).unwrap().call(&mut store, ()).unwrap());
        assert_eq!(value, expected, "element {at}");
    }
}

#[test]
fn indirect_calls_check_bounds_null_and_type_in_that_order() {
    let mut store = Store::new(&Engine::default(), ());
    let instance = instantiate(
        &mut store,
        r#"(module (table 3 10 funcref) (elem (i32.const 0) $f $g)
            (func $f) (func $g (param i32))
            (func (export "constant 3") (call_indirect (i32.const 3)))
            (func (export "call") (param i32) (call_indirect (local.get 0))))"#,
    );
    let call = instance.get_typed_func::<i32, ()>(&mut store, "call").unwrap();
    for (at, expected) in [
        (0, Ok(())),
        (1, Err(Trap::BadSignature)),
        (2, Err(Trap::IndirectCallToNull)),
        (3, Err(Trap::TableOutOfBounds)),
        (i32::MAX, Err(Trap::TableOutOfBounds)),
        (i32::MIN, Err(Trap::TableOutOfBounds)),
        (-1, Err(Trap::TableOutOfBounds)),
    ] {
        assert_eq!(call.call(&mut store, at).map_err(|error| trap(&error)), expected, "{at}");
    }
    let error = common::run(&mut store, instance, "constant 3").unwrap_err();
    assert_eq!(trap(&error), Trap::TableOutOfBounds);
}
