//! Handles of the host: scopes, owners, other stores, and what is given up when nobody can reach it.

use crate::common::instantiate;
use crate::{STRESS, array_type, call, engine, struct_type};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use waft::*;

#[test]
fn host_values_are_dropped_when_nobody_can_reach_them() {
    for stress in STRESS {
        let engine = engine(stress);
        let mut store = Store::new(&engine, ());
        let text = r#"(module (global $g (mut externref) (ref.null extern)) (table $t 2 externref)
            (type $node (struct (field (mut externref)) (field (mut (ref null $node)))))
            (global $n (mut (ref null $node)) (ref.null $node))
            (func (export "global") (param externref) (global.set $g (local.get 0)))
            (func (export "table") (param externref) (table.set $t (i32.const 1) (local.get 0)))
            (func (export "cycle") (param externref) (local $a (ref $node))
                (local.set $a (struct.new $node (local.get 0) (ref.null $node)))
                (struct.set $node 1 (local.get $a) (struct.new $node (ref.null extern) (local.get $a)))
                (global.set $n (local.get $a)))
            (func (export "clear") (param externref)
                (global.set $g (ref.null extern)) (table.set $t (i32.const 1) (ref.null extern)) (global.set $n (ref.null $node))))"#;
        let instance = instantiate(&mut store, text);
        for place in ["global", "table", "cycle"] {
            let value = Arc::new(());
            {
                let mut scope = RootScope::new(&mut store);
                let held = ExternRef::new(&mut scope, value.clone()).unwrap();
                let put =
                    instance.get_typed_func::<Option<Rooted<ExternRef>>, ()>(&mut scope, place).unwrap();
                put.call(&mut scope, Some(held)).unwrap();
            }
            store.gc();
            assert_eq!(Arc::strong_count(&value), 2, "{place} keeps it");
            call::<_, ()>(&mut store, instance, "clear", None::<Rooted<ExternRef>>).unwrap();
            store.gc();
            assert_eq!(Arc::strong_count(&value), 1, "{place} gave it up");
        }
        let value = Arc::new(());
        let owned = ExternRef::new(&mut store, value.clone()).unwrap().to_owned_rooted(&mut store).unwrap();
        drop(store);
        assert_eq!(Arc::strong_count(&value), 1, "the store is gone");
        drop(owned);
    }
}

#[test]
fn handles_follow_objects_and_end_with_their_scope() {
    for stress in STRESS {
        let engine = engine(stress);
        let mut store = Store::new(&engine, ());
        let ty = struct_type(&engine, &[ValType::I32.into(), ValType::ANYREF.into()]);
        let pre = StructRefPre::new(&mut store, ty);
        let first = StructRef::new(&mut store, &pre, &[1.into(), Val::AnyRef(None)]).unwrap();
        let (inner, owned) = {
            let mut scope = RootScope::new(&mut store);
            let inner = StructRef::new(&mut scope, &pre, &[2.into(), first.into()]).unwrap();
            let kept = StructRef::new(&mut scope, &pre, &[3.into(), inner.into()]).unwrap();
            scope.as_context_mut().gc();
            assert_eq!(inner.field(&mut scope, 0).unwrap().unwrap_i32(), 2);
            (inner, kept.to_owned_rooted(&mut scope).unwrap())
        };
        for _ in 0..100 {
            let mut scope = RootScope::new(&mut store);
            StructRef::new(&mut scope, &pre, &[9.into(), Val::AnyRef(None)]).unwrap();
        }
        store.gc();
        let error = inner.field(&mut store, 0).unwrap_err().to_string();
        assert!(error.contains("after its scope was left"), "{error}");
        assert!(first.set_field(&mut store, 1, inner.into()).is_err(), "as a value, too");
        let kept = owned.to_rooted(&mut store);
        let inner =
            kept.field(&mut store, 1).unwrap().unwrap_anyref().unwrap().unwrap_struct(&store).unwrap();
        let again =
            inner.field(&mut store, 1).unwrap().unwrap_anyref().unwrap().unwrap_struct(&store).unwrap();
        assert!(Rooted::ref_eq(&store, &again, &first).unwrap());
        assert_eq!(again.field(&mut store, 0).unwrap().unwrap_i32(), 1);
    }
}

#[test]
fn handles_of_a_host_call_end_with_it() {
    let engine = engine(GcStress::Minor);
    let mut store = Store::new(&engine, None);
    type Kept = Option<Rooted<ExternRef>>;
    let keep = Func::wrap(&mut store, |mut caller: Caller<'_, Kept>, value: Kept| *caller.data_mut() = value);
    let keep = keep.typed::<Kept, ()>(&store).unwrap();
    let value = ExternRef::new(&mut store, 7).unwrap();
    keep.call(&mut store, Some(value)).unwrap();
    let kept = store.data().unwrap();
    assert!(kept.data(&store).is_err());
    assert!(value.data(&store).unwrap().is_some());
}

#[test]
fn many_owned_handles_come_and_go() {
    let mut store = Store::new(&Engine::default(), ());
    let value = ExternRef::new(&mut store, 0).unwrap();
    let mut kept: Vec<_> = (0..100_000).map(|_| value.to_owned_rooted(&mut store).unwrap()).collect();
    // A search for a free place would take minutes.
    for owned in &mut kept {
        *owned = value.to_owned_rooted(&mut store).unwrap();
    }
    store.gc();
    assert!(kept.iter().all(|owned| owned.to_rooted(&mut store).data(&store).unwrap().is_some()));
}

#[test]
fn a_value_that_panics_when_the_store_is_dropped_takes_nothing_with_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    let values = [(); 3].map(Arc::new);
    let data = Arc::new(());
    let mut store = Store::new(&Engine::default(), data.clone());
    let kept = values[2].clone();
    Func::wrap(&mut store, move || Arc::strong_count(&kept) as i32);
    ExternRef::new(&mut store, values[0].clone()).unwrap();
    ExternRef::new(&mut store, Bomb).unwrap();
    ExternRef::new(&mut store, values[1].clone()).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(store))).is_err());
    assert_eq!(values.map(|value| Arc::strong_count(&value)), [1; 3]);
    assert_eq!(Arc::strong_count(&data), 1);
}

/// Does something that must panic; what it said.
fn panics(what: &str, act: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(act)).expect_err(what);
    payload.downcast_ref::<String>().cloned().unwrap_or_else(|| what.to_owned())
}

#[test]
fn nothing_of_another_store_or_engine_gets_in() {
    let engine = Engine::default();
    let (mut store, mut other) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let ty =
        struct_type(&engine, &[ValType::ANYREF.into(), ValType::EXTERNREF.into(), ValType::FUNCREF.into()]);
    let elements = array_type(&engine, ValType::ANYREF);
    let (pre, array_pre) =
        (StructRefPre::new(&mut store, ty.clone()), ArrayRefPre::new(&mut store, elements.clone()));
    let other_pre = ArrayRefPre::new(&mut other, elements.clone());
    let foreign_array = ArrayRef::new(&mut other, &other_pre, &Val::AnyRef(None), 1).unwrap();
    let foreign: [Val; 4] = [
        ExternRef::new(&mut other, 1).unwrap().into(),
        AnyRef::from_i31(&mut other, I31::wrapping_u32(1)).into(),
        foreign_array.into(),
        Func::wrap(&mut other, || {}).into(),
    ];
    let nulls = [Val::AnyRef(None), Val::ExternRef(None), Val::FuncRef(None)];
    let value = StructRef::new(&mut store, &pre, &nulls).unwrap();
    let array = ArrayRef::new(&mut store, &array_pre, &nulls[0], 2).unwrap();
    let text = r#"(module (func (export "f") (param anyref externref funcref)))"#;
    let instance = instantiate(&mut store, text);
    let func = instance.get_func(&mut store, "f").unwrap();
    let global = GlobalType::new(ValType::ANYREF, Mutability::Var);
    let global = Global::new(&mut store, global, nulls[0]).unwrap();
    let table = Table::new(&mut store, TableType::new(RefType::ANYREF, 2, None), Ref::Any(None)).unwrap();
    let says = |error: Error| assert!(format!("{error:?}").contains("belongs to another store"), "{error:?}");
    for bad in foreign {
        let at = match bad {
            Val::AnyRef(_) => 0,
            Val::ExternRef(_) => 1,
            _ => 2,
        };
        let mut values = nulls;
        values[at] = bad;
        says(StructRef::new(&mut store, &pre, &values).unwrap_err());
        says(value.set_field(&mut store, at, bad).unwrap_err());
        says(func.call(&mut store, &values, &mut []).unwrap_err());
        says(bad.unwrap_ref().ty(&store).unwrap_err());
        says(
            bad.matches_ty(&store, &ValType::ANYREF)
                .err()
                .unwrap_or_else(|| Error::msg("belongs to another store")),
        );
        let give = Func::new(&mut store, FuncType::new(&engine, [], [bad.ty()]), move |_, _, results| {
            results[0] = bad;
            Ok(())
        });
        says(give.call(&mut store, &[], &mut [Val::I32(0)]).unwrap_err());
        if at == 0 {
            says(array.set(&mut store, 0, bad).unwrap_err());
            says(ArrayRef::new(&mut store, &array_pre, &bad, 1).unwrap_err());
            says(ArrayRef::new_fixed(&mut store, &array_pre, &[nulls[0], bad]).unwrap_err());
            says(global.set(&mut store, bad).unwrap_err());
            says(table.set(&mut store, 0, bad.unwrap_ref()).unwrap_err());
            says(table.fill(&mut store, 0, bad.unwrap_ref(), 1).unwrap_err());
            says(table.grow(&mut store, 1, bad.unwrap_ref()).unwrap_err());
            let any = bad.unwrap_anyref().copied().unwrap();
            says(any.ty(&store).unwrap_err());
            says(any.as_struct(&store).unwrap_err());
            says(any.to_owned_rooted(&mut store).unwrap_err());
            says(ExternRef::convert_any(&mut store, any).unwrap_err());
        }
    }
    says(foreign_array.get(&mut store, 0).unwrap_err());
    says(foreign_array.set(&mut store, 0, nulls[0]).unwrap_err());
    says(foreign_array.len(&store).unwrap_err());
    says(foreign_array.elems(&mut store).err().unwrap());
    assert!(value.fields(&mut store).unwrap().all(|field| field.unwrap_ref().is_null()));

    let said =
        panics("a `pre` of another store", || drop(ArrayRef::new(&mut store, &other_pre, &nulls[0], 1)));
    assert!(said.contains("wrong store"), "{said}");
    let elsewhere = Engine::default();
    let alien = array_type(&elsewhere, ValType::ANYREF);
    let said = panics("a type of another engine", || drop(ArrayRefPre::new(&mut store, alien.clone())));
    assert!(said.contains("another engine"), "{said}");
    let said = panics("a type of another engine", || drop(array.matches_ty(&store, &alien)));
    assert!(said.contains("different engines"), "{said}");
    assert_eq!(array.len(&store).unwrap(), 2, "the store is none the worse");
}

#[test]
fn types_of_the_host_live_as_long_as_what_has_them() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let (object, global, table) = {
        let ty = struct_type(&engine, &[ValType::F32.into(), ValType::I64.into()]);
        let pre = StructRefPre::new(&mut store, ty.clone());
        let object = StructRef::new(&mut store, &pre, &[1.5_f32.into(), 7_i64.into()]).unwrap();
        let global_ty = struct_type(&engine, &[ValType::F64.into()]);
        let reference = RefType::new(true, HeapType::ConcreteStruct(global_ty));
        let global = GlobalType::new(reference.clone().into(), Mutability::Var);
        let global = Global::new(&mut store, global, Val::AnyRef(None)).unwrap();
        let element = RefType::new(true, HeapType::ConcreteArray(array_type(&engine, ValType::F64)));
        let table = Table::new(&mut store, TableType::new(element, 1, None), Ref::Any(None)).unwrap();
        (object, global, table)
    };
    // Types that would be given the numbers of those, were they free.
    let others: Vec<_> = (1..200).map(|count| struct_type(&engine, &vec![StorageType::I8; count])).collect();
    store.gc();
    assert_eq!(object.ty(&store).unwrap().to_string(), "(struct (field (mut f32)) (field (mut i64)))");
    assert_eq!(object.field(&mut store, 1).unwrap().unwrap_i64(), 7);
    assert_eq!(global.ty(&store).to_string(), "(global (mut (ref null (struct (field (mut f64))))))");
    assert_eq!(table.ty(&store).to_string(), "(table 1 (ref null (array (mut f64))))");
    for ty in others {
        let pre = StructRefPre::new(&mut store, ty.clone());
        let values = vec![Val::I32(1); ty.fields().len()];
        let value = StructRef::new(&mut store, &pre, &values).unwrap();
        assert!(global.set(&mut store, value.into()).is_err());
        assert_eq!(value.ty(&store).unwrap(), ty);
    }
}
