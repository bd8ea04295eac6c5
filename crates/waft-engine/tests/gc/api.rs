//! Structures, arrays and references as hosts make, read and write them.

use crate::common::{compile, instantiate};
use crate::{STRESS, array_type, call, engine, struct_type};
use waft::*;

/// Every kind of element, with values to tell places apart, and what is read back.
fn kinds(store: &mut Store<()>) -> Vec<(&'static str, StorageType, Vec<Val>)> {
    let count = 12;
    let numbers = || 0..count;
    let refs = |store: &mut Store<()>| -> Vec<Val> {
        numbers().map(|n| AnyRef::from_i31(&mut *store, I31::wrapping_i32(n)).into()).collect()
    };
    let hosts = |store: &mut Store<()>| -> Vec<Val> {
        numbers().map(|n| ExternRef::new(&mut *store, n).unwrap().into()).collect()
    };
    let funcs = |store: &mut Store<()>| -> Vec<Val> {
        numbers().map(|n| Func::wrap(&mut *store, move || n).into()).collect()
    };
    vec![
        ("i8", StorageType::I8, numbers().map(|n| Val::I32(n - 128 + 256 * n)).collect()),
        ("i16", StorageType::I16, numbers().map(|n| Val::I32(n * 3000)).collect()),
        ("i32", ValType::I32.into(), numbers().map(|n| Val::I32(n << 24)).collect()),
        ("i64", ValType::I64.into(), numbers().map(|n| Val::I64(i64::from(n) << 56)).collect()),
        ("f32", ValType::F32.into(), numbers().map(|n| Val::from(n as f32 + 0.5)).collect()),
        ("f64", ValType::F64.into(), numbers().map(|n| Val::from(f64::from(n) + 0.25)).collect()),
        (
            "v128",
            ValType::V128.into(),
            numbers().map(|n| V128::from((n as u128) << 120 | 1).into()).collect(),
        ),
        ("anyref", ValType::ANYREF.into(), refs(store)),
        ("externref", ValType::EXTERNREF.into(), hosts(store)),
        ("funcref", ValType::FUNCREF.into(), funcs(store)),
    ]
}

/// Something of a value that can be compared, as it is read from storage of a kind.
fn print(store: &mut Store<()>, storage: &StorageType, value: &Val) -> String {
    match (storage, value) {
        (StorageType::I8, Val::I32(n)) => (n & 0xff).to_string(),
        (StorageType::I16, Val::I32(n)) => (n & 0xffff).to_string(),
        (_, Val::AnyRef(Some(value))) => {
            let value = *value;
            format!("{:?}", value.as_i31(&*store).unwrap())
        }
        (_, Val::ExternRef(Some(value))) => {
            format!("{:?}", value.data(&*store).unwrap().unwrap().downcast_ref::<i32>())
        }
        (_, Val::FuncRef(Some(func))) => {
            let func = func.typed::<(), i32>(&*store).unwrap();
            func.call(store, ()).unwrap().to_string()
        }
        (_, other) => format!("{other:?}"),
    }
}

fn prints(store: &mut Store<()>, storage: &StorageType, values: &[Val]) -> Vec<String> {
    values.iter().map(|value| print(store, storage, value)).collect()
}

#[test]
fn arrays_of_every_kind_hold_and_copy_what_they_were_given() {
    for stress in STRESS {
        let mut store = Store::new(&engine(stress), ());
        for (name, storage, values) in kinds(&mut store) {
            let module = format!(
                r#"(module (type $t (array (mut {name})))
                    (func (export "copy") (param (ref $t) i32 (ref $t) i32 i32)
                        (array.copy $t $t (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4))))"#
            );
            let instance = instantiate(&mut store, &module);
            let copy = instance.get_func(&mut store, "copy").unwrap();
            let ty = array_type(store.engine(), storage.clone());
            let pre = ArrayRefPre::new(&mut store, ty.clone());
            drop(ty);
            let expected = prints(&mut store, &storage, &values);
            for (dst, src, len) in [
                (0, 0, 12),
                (1, 0, 11),
                (0, 1, 11),
                (3, 0, 9),
                (0, 3, 9),
                (5, 4, 1),
                (12, 12, 0),
                (0, 6, 6),
                (2, 7, 0),
            ] {
                let array = ArrayRef::new_fixed(&mut store, &pre, &values).unwrap();
                let args = [array.into(), Val::I32(dst), array.into(), Val::I32(src), Val::I32(len)];
                copy.call(&mut store, &args, &mut []).unwrap();
                store.gc();
                let mut wanted = expected.clone();
                let moved = expected[src as usize..(src + len) as usize].to_vec();
                wanted.splice(dst as usize..(dst + len) as usize, moved);
                let found: Vec<_> = array.elems(&mut store).unwrap().collect();
                assert_eq!(
                    prints(&mut store, &storage, &found),
                    wanted,
                    "{name} {dst} {src} {len} {stress:?}"
                );
            }
            let array = ArrayRef::new(&mut store, &pre, &values[5], 12).unwrap();
            for (dst, src, len) in
                [(0, 0, 13), (13, 0, 0), (1, 0, 12), (0, 1, 12), (0, -1, 1), (-1, 0, 1), (0, 1, -1)]
            {
                let args = [array.into(), Val::I32(dst), array.into(), Val::I32(src), Val::I32(len)];
                let error = copy.call(&mut store, &args, &mut []).unwrap_err();
                assert_eq!(error.downcast_ref(), Some(&Trap::ArrayOutOfBounds), "{name} {dst} {src} {len}");
            }
            for at in 0..12 {
                array.set(&mut store, at, values[at as usize]).unwrap();
            }
            let found: Vec<_> = (0..12).map(|at| array.get(&mut store, at).unwrap()).collect();
            assert_eq!(prints(&mut store, &storage, &found), expected, "{name}, one at a time");
            assert!(array.get(&mut store, 12).is_err() && array.set(&mut store, 12, values[0]).is_err());
            assert_eq!(array.len(&store).unwrap(), 12);
        }
    }
}

#[test]
fn structures_of_every_kind_hold_what_they_were_given() {
    for stress in STRESS {
        let mut store = Store::new(&engine(stress), ());
        let kinds = kinds(&mut store);
        let storages: Vec<_> = kinds.iter().map(|kind| kind.1.clone()).collect();
        let ty = struct_type(store.engine(), &storages);
        let pre = StructRefPre::new(&mut store, ty);
        for round in 0..12 {
            let values: Vec<_> = kinds.iter().map(|kind| kind.2[round]).collect();
            let value = StructRef::new(&mut store, &pre, &values).unwrap();
            for (at, (name, storage, others)) in kinds.iter().enumerate() {
                let before: Vec<_> = value.fields(&mut store).unwrap().collect();
                value.set_field(&mut store, at, others[11 - round]).unwrap();
                store.gc();
                let after: Vec<_> = value.fields(&mut store).unwrap().collect();
                for (place, storage_there) in storages.iter().enumerate() {
                    let wanted = if place == at { &others[11 - round] } else { &before[place] };
                    let wanted = print(&mut store, storage_there, wanted);
                    assert_eq!(
                        print(&mut store, storage_there, &after[place]),
                        wanted,
                        "{name}, field {place}"
                    );
                }
                let read = value.field(&mut store, at).unwrap();
                let wanted = print(&mut store, storage, &others[11 - round]);
                assert_eq!(print(&mut store, storage, &read), wanted);
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_changed() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let never_null = ValType::Ref(RefType::new(false, HeapType::Eq));
    let fields = [
        FieldType::new(Mutability::Const, ValType::I32.into()),
        FieldType::new(Mutability::Var, never_null.into()),
        FieldType::new(Mutability::Var, StorageType::I8),
    ];
    let pre = StructRefPre::new(&mut store, StructType::new(&engine, fields).unwrap());
    let seven: Val = EqRef::from_i31(&mut store, I31::wrapping_u32(7)).into();
    let host = ExternRef::new(&mut store, 1).unwrap();
    let inside: Val = AnyRef::convert_extern(&mut store, host).unwrap().into();
    let good = [Val::I32(1), seven, Val::I32(2)];
    for (at, wrong) in [
        (0, Val::I64(1)),
        (0, seven),
        (1, Val::AnyRef(None)),
        (1, host.into()),
        (1, inside),
        (2, 1.0_f32.into()),
    ] {
        let mut values = good;
        values[at] = wrong;
        let error = StructRef::new(&mut store, &pre, &values).unwrap_err();
        assert!(format!("{error:?}").contains(&format!("field {at} of a structure")), "{error:?}");
    }
    for count in [0, 2] {
        assert!(StructRef::new(&mut store, &pre, &good[..count]).is_err());
    }
    let value = StructRef::new(&mut store, &pre, &good).unwrap();
    for (at, wrong) in [
        (0, Val::I32(9)),
        (1, Val::AnyRef(None)),
        (1, Val::FuncRef(None)),
        (2, Val::I64(1)),
        (3, Val::I32(1)),
    ] {
        assert!(value.set_field(&mut store, at, wrong).is_err(), "{at} {wrong:?}");
    }
    assert!(value.field(&mut store, 3).is_err() && value.field(&mut store, usize::MAX).is_err());
    let read: Vec<_> = value.fields(&mut store).unwrap().collect();
    assert_eq!((read[0].unwrap_i32(), read[2].unwrap_i32()), (1, 2));

    let constant = ArrayType::new(&engine, FieldType::new(Mutability::Const, ValType::I64.into()));
    let pre = ArrayRefPre::new(&mut store, constant);
    assert!(ArrayRef::new(&mut store, &pre, &Val::I32(1), 3).is_err());
    assert!(ArrayRef::new_fixed(&mut store, &pre, &[Val::I64(1), Val::I32(1)]).is_err());
    let array = ArrayRef::new(&mut store, &pre, &Val::I64(7), 3).unwrap();
    assert!(array.set(&mut store, 0, Val::I64(1)).is_err());
    let error = ArrayRef::new(&mut store, &pre, &Val::I64(1), u32::MAX).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::AllocationTooLarge));
}

#[test]
fn references_are_of_their_own_types_and_of_those_above() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let field = || FieldType::new(Mutability::Var, ValType::I32.into());
    let top = StructType::with_finality_and_supertype(&engine, Finality::NonFinal, None, [field()]).unwrap();
    let sub =
        StructType::with_finality_and_supertype(&engine, Finality::Final, Some(&top), [field(), field()])
            .unwrap();
    let pre = StructRefPre::new(&mut store, sub.clone());
    let value = StructRef::new(&mut store, &pre, &[1.into(), 2.into()]).unwrap();
    assert_eq!(value.ty(&store).unwrap(), sub);
    assert!(value.matches_ty(&store, &top).unwrap() && value.matches_ty(&store, &sub).unwrap());
    let any: Rooted<AnyRef> = value.into();
    let eq: Rooted<EqRef> = value.into();
    assert_eq!(any.ty(&store).unwrap(), HeapType::ConcreteStruct(sub.clone()));
    for (ty, fits) in [
        (HeapType::Any, true),
        (HeapType::Eq, true),
        (HeapType::Struct, true),
        (HeapType::ConcreteStruct(top.clone()), true),
        (HeapType::Array, false),
        (HeapType::I31, false),
        (HeapType::None, false),
        (HeapType::Extern, false),
        (HeapType::Func, false),
    ] {
        assert_eq!(any.matches_ty(&store, &ty).unwrap(), fits, "{ty}");
        assert_eq!(eq.matches_ty(&store, &ty).unwrap(), fits, "{ty}");
        let ty = RefType::new(true, ty);
        assert_eq!(Ref::from(value).matches_ty(&store, &ty).unwrap(), fits, "{ty}");
        assert_eq!(Val::from(value).matches_ty(&store, &ty.into()).unwrap(), fits);
    }
    assert!(
        any.is_struct(&store).unwrap()
            && !any.is_array(&store).unwrap()
            && any.as_array(&store).unwrap().is_none()
    );
    let back = any.unwrap_eqref(&store).unwrap().unwrap_struct(&store).unwrap();
    assert!(Rooted::ref_eq(&store, &back, &value).unwrap());

    // A type of the host's and one of a module's are one if they say the same.
    let module = r#"(module (type $top (sub (struct (field (mut i32)))))
        (type $sub (sub final $top (struct (field (mut i32)) (field (mut i32)))))
        (func (export "sum") (param structref) (result i32) (local $s (ref $sub))
            (local.set $s (ref.cast (ref $sub) (local.get 0)))
            (i32.add (struct.get $sub 0 (local.get $s)) (struct.get $sub 1 (local.get $s))))
        (func (export "make") (result (ref $top)) (struct.new $sub (i32.const 3) (i32.const 4))))"#;
    let instance = instantiate(&mut store, module);
    assert_eq!(call::<_, i32>(&mut store, instance, "sum", Some(value)).unwrap(), 3);
    let made: Rooted<StructRef> = call(&mut store, instance, "make", ()).unwrap();
    assert_eq!(made.ty(&store).unwrap(), sub);
    made.set_field(&mut store, 0, Val::I32(30)).unwrap();
    assert_eq!(call::<_, i32>(&mut store, instance, "sum", Some(made)).unwrap(), 34);
    let null: Option<Rooted<StructRef>> = None;
    let error = call::<_, i32>(&mut store, instance, "sum", null).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::CastFailure));
}

#[test]
fn typed_functions_of_the_host_take_and_give_every_reference() {
    for stress in STRESS {
        let engine = engine(stress);
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "struct", |value: Option<Rooted<StructRef>>| value).unwrap();
        linker.func_wrap("host", "array", |value: Rooted<ArrayRef>| value.to_eqref()).unwrap();
        linker
            .func_wrap("host", "eq", |value: Option<Rooted<EqRef>>| value.map(|value| value.to_anyref()))
            .unwrap();
        linker.func_wrap("host", "i31", |value: I31| I31::new_i32(value.get_i32() - 1)).unwrap();
        let module = r#"(module (type $s (struct (field i32))) (type $a (array i8))
            (import "host" "struct" (func $struct (param structref) (result structref)))
            (import "host" "array" (func $array (param (ref array)) (result (ref eq))))
            (import "host" "eq" (func $eq (param eqref) (result anyref)))
            (import "host" "i31" (func $i31 (param (ref i31)) (result i31ref)))
            (func (export "run") (result i32)
                (i32.add (struct.get $s 0 (ref.cast (ref $s) (call $struct (struct.new $s (i32.const 1)))))
                (i32.add (array.get_u $a (ref.cast (ref $a) (call $array (array.new $a (i32.const 2) (i32.const 5)))) (i32.const 4))
                (i32.add (struct.get $s 0 (ref.cast (ref $s) (call $eq (struct.new $s (i32.const 4)))))
                (i31.get_s (call $i31 (ref.i31 (i32.const 9)))))))))"#;
        let module = compile(&store, module);
        let instance = linker.instantiate(&mut store, &module).unwrap();
        assert_eq!(call::<_, i32>(&mut store, instance, "run", ()).unwrap(), 15);
    }
}
