//! Types across modules, engines and threads.

use crate::common::{compile, instantiate, trap};
use crate::{STRESS, call, engine};
use std::fmt::Write as _;
use waft::*;

/// A tree of types as a module declares it, after `filler` others.
fn tree(filler: usize) -> String {
    let mut text = String::new();
    for at in 0..filler {
        write!(text, "(type (struct (field i32) (field (mut i64)) {}))", "(field i8)".repeat(at + 1))
            .unwrap();
    }
    text + r#"
        (rec (type $top (sub (struct (field i32) (field (ref null $mid)))))
             (type $mid (sub $top (struct (field i32) (field (ref null $mid)) (field (mut i64))))))
        (type $leaf (sub final $mid (struct (field i32) (field (ref null $mid)) (field (mut i64)) (field f64))))
        (type $open (sub (func (param (ref null $leaf)) (result (ref null $top)))))
        (type $narrow (sub $open (func (param (ref null $mid)) (result (ref null $mid)))))
        (rec (type $twin (sub (struct (field i32) (field (ref null $twin2))))) (type $twin2 (sub $twin (struct (field i32) (field (ref null $twin2)) (field (mut i64)))))
             (type $third (struct)))"#
}

#[test]
fn types_that_say_the_same_are_the_same_in_all_modules() {
    for stress in STRESS {
        let mut store = Store::new(&engine(stress), ());
        let maker = format!(
            r#"(module {} (table (export "table") 3 funcref)
                (func $narrow (type $narrow) (local.get 0)) (func $open (type $open) (local.get 0))
                (elem (i32.const 0) func $narrow $open)
                (func (export "top") (result anyref) (struct.new $top (i32.const 1) (ref.null $mid)))
                (func (export "mid") (result anyref) (struct.new $mid (i32.const 2) (ref.null $mid) (i64.const 20)))
                (func (export "leaf") (result anyref) (struct.new $leaf (i32.const 3) (ref.null $mid) (i64.const 30) (f64.const 1)))
                (func (export "twin") (result anyref) (struct.new $twin2 (i32.const 4) (ref.null $twin2) (i64.const 40))))"#,
            tree(0)
        );
        let maker = instantiate(&mut store, &maker);
        let user = format!(
            r#"(module {} (import "maker" "table" (table $t 3 funcref))
                (func (export "tests") (param anyref) (result i32)
                    (i32.or (ref.test (ref $top) (local.get 0)) (i32.or (i32.shl (ref.test (ref $mid) (local.get 0)) (i32.const 1))
                    (i32.or (i32.shl (ref.test (ref $leaf) (local.get 0)) (i32.const 2)) (i32.shl (ref.test (ref $twin) (local.get 0)) (i32.const 3))))))
                (func (export "cast") (param anyref) (result i64) (struct.get $mid 2 (ref.cast (ref $mid) (local.get 0))))
                (func (export "call_open") (param i32) (result i32)
                    (struct.get $top 0 (call_indirect $t (type $open) (struct.new $leaf (i32.const 7) (ref.null $mid) (i64.const 0) (f64.const 0)) (local.get 0))))
                (func (export "call_narrow") (param i32) (result i32)
                    (struct.get $mid 0 (call_indirect $t (type $narrow) (struct.new $mid (i32.const 8) (ref.null $mid) (i64.const 0)) (local.get 0)))))"#,
            tree(7)
        );
        let user = compile(&store, &user);
        let table = maker.get_export(&mut store, "table").unwrap();
        let user = Instance::new(&mut store, &user, &[table]).unwrap();
        for (name, tests, wide) in
            [("top", 1, None), ("mid", 3, Some(20)), ("leaf", 7, Some(30)), ("twin", 8, None)]
        {
            let value: Option<Rooted<AnyRef>> = call(&mut store, maker, name, ()).unwrap();
            assert_eq!(call::<_, i32>(&mut store, user, "tests", value).unwrap(), tests, "{name}");
            let cast = call::<_, i64>(&mut store, user, "cast", value);
            match wide {
                Some(wide) => assert_eq!(cast.unwrap(), wide),
                None => assert_eq!(trap(&cast.unwrap_err()), Trap::CastFailure),
            }
        }
        assert_eq!(call::<_, i32>(&mut store, user, "call_open", 0).unwrap(), 7);
        assert_eq!(call::<_, i32>(&mut store, user, "call_open", 1).unwrap(), 7);
        assert_eq!(call::<_, i32>(&mut store, user, "call_narrow", 0).unwrap(), 8);
        let error = call::<_, i32>(&mut store, user, "call_narrow", 1).unwrap_err();
        assert_eq!(trap(&error), Trap::BadSignature, "a supertype is no subtype");
        assert!(call::<_, i32>(&mut store, user, "call_open", 2).is_err(), "null");
    }
}

#[test]
fn objects_outlive_the_handles_of_their_modules() {
    for stress in STRESS {
        let engine = engine(stress);
        let mut store = Store::new(&engine, ());
        let mut objects = Vec::new();
        for round in 0..30_usize {
            let text = format!(
                r#"(module (type $t (struct {} (field i32)))
                    (func (export "make") (result anyref) (struct.new $t {} (i32.const {round}))))"#,
                "(field i8)".repeat(round),
                "(i32.const 1)".repeat(round)
            );
            let instance = instantiate(&mut store, &text);
            let made: Option<Rooted<AnyRef>> = call(&mut store, instance, "make", ()).unwrap();
            objects.push(made.unwrap().unwrap_struct(&store).unwrap());
            // Modules that are compiled and forgotten: their types come and go.
            for _ in 0..3 {
                Module::new(
                    &engine,
                    format!(
                        "(module (type (array (mut i16))) (type (struct {} (field f32))))",
                        "(field i64)".repeat(round)
                    ),
                )
                .unwrap();
            }
        }
        store.gc();
        for (round, object) in objects.iter().enumerate() {
            assert_eq!(object.fields(&mut store).unwrap().len(), round + 1);
            assert_eq!(object.field(&mut store, round).unwrap().unwrap_i32(), round as i32);
        }
    }
}

/// The chain of types `$t0` to the one with so many supertypes, each with a field more.
fn chain(depth: usize) -> String {
    let mut text = "(type $t0 (sub (struct (field i32))))".to_owned();
    for at in 1..=depth {
        write!(text, "(type $t{at} (sub $t{} (struct (field i32) {})))", at - 1, "(field i8)".repeat(at))
            .unwrap();
    }
    text
}

#[test]
fn types_are_as_deep_as_the_limit_and_no_deeper() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let depth = 63;
    let makers: String = (0..=depth)
        .map(|at| format!(r#"(func (export "make{at}") (result anyref) (struct.new_default $t{at}))"#))
        .collect();
    let tests: String = (0..=depth)
        .map(|at| {
            format!(
                r#"(func (export "test{at}") (param anyref) (result i32) (ref.test (ref $t{at}) (local.get 0)))
                (func (export "cast{at}") (param anyref) (result i32) (ref.is_null (ref.cast (ref null $t{at}) (local.get 0))))"#
            )
        })
        .collect();
    let instance = instantiate(&mut store, &format!("(module {} {makers} {tests})", chain(depth)));
    for made in [0, 1, 6, 7, 8, 9, 31, 62, 63] {
        let value: Option<Rooted<AnyRef>> = call(&mut store, instance, &format!("make{made}"), ()).unwrap();
        for tested in 0..=depth {
            let is: i32 = call(&mut store, instance, &format!("test{tested}"), value).unwrap();
            assert_eq!(is == 1, tested <= made, "{made} is {tested}");
            let cast = call::<_, i32>(&mut store, instance, &format!("cast{tested}"), value);
            assert_eq!(cast.is_ok(), tested <= made);
        }
    }
    assert!(Module::new(&engine, format!("(module {})", chain(depth + 1))).is_err());
    let mut ty = StructType::with_finality_and_supertype(&engine, Finality::NonFinal, None, []).unwrap();
    for _ in 0..depth {
        ty = StructType::with_finality_and_supertype(&engine, Finality::NonFinal, Some(&ty), []).unwrap();
    }
    assert!(StructType::with_finality_and_supertype(&engine, Finality::NonFinal, Some(&ty), []).is_err());
}

/// What a field can hold: `i8 i16 i32 i64 f32 f64`.
const KINDS: [u8; 6] = [0x78, 0x77, 0x7f, 0x7e, 0x7d, 0x7c];

/// A module of so many types, each its own, in groups of `group`.
fn many_types(count: u32, group: u32) -> Vec<u8> {
    let leb = |mut number: u32, out: &mut Vec<u8>| {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    };
    let mut section = Vec::new();
    leb(count / group, &mut section);
    for at in 0..count {
        if group > 1 && at % group == 0 {
            section.push(0x4e);
            leb(group, &mut section);
        }
        // A structure of eight fields: the digits of its number.
        section.extend([0x5f, 8]);
        section.extend((0..8).flat_map(|digit| [KINDS[(at / 6_u32.pow(digit)) as usize % 6], 0]));
    }
    let mut module = b"\0asm\x01\0\0\0\x01".to_vec();
    leb(section.len() as u32, &mut module);
    module.extend(section);
    module
}

#[test]
fn a_million_types_are_made_and_given_up() {
    let engine = Engine::default();
    for group in [1, 1_000] {
        let module = Module::new(&engine, many_types(1_000_000, group)).unwrap();
        let mut store = Store::new(&engine, ());
        Instance::new(&mut store, &module, &[]).unwrap();
        drop((store, module));
    }
    assert!(Module::new(&engine, many_types(1_000_001, 1)).is_err());
}

#[test]
fn modules_with_shared_types_come_and_go_on_many_threads() {
    let engine = engine(GcStress::Minor);
    let text = |thread: usize, round: usize| {
        // Half of the types are everybody's, the others this round's own.
        format!(
            r#"(module {}
                (type $own (sub final $top (struct (field i32) (field (ref null $mid)) {})))
                (func (export "run") (result i32) (local $a (ref $leaf)) (local $o (ref $own))
                    (local.set $o (struct.new_default $own))
                    (local.set $a (struct.new $leaf (i32.const {round}) (ref.null $mid) (i64.const 30) (f64.const 1)))
                    (if (ref.test (ref $own) (ref.cast anyref (local.get $a))) (then unreachable))
                    (if (i32.eqz (ref.test (ref $mid) (ref.cast anyref (local.get $a)))) (then unreachable))
                    (if (i32.eqz (ref.test (ref $top) (ref.cast anyref (local.get $o)))) (then unreachable))
                    (struct.get $leaf 0 (local.get $a))))"#,
            tree(round % 3),
            "(field (mut i16))".repeat(1 + (thread + round) % 5)
        )
    };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let engine = &engine;
            scope.spawn(move || {
                let mut kept = Vec::new();
                for round in 0..40 {
                    let mut store = Store::new(engine, ());
                    let instance = instantiate(&mut store, &text(thread, round));
                    assert_eq!(call::<_, i32>(&mut store, instance, "run", ()).unwrap(), round as i32);
                    kept.push((store, instance, round));
                    if round % 3 == 0 {
                        let (mut store, instance, round) = kept.swap_remove(kept.len() / 2);
                        assert_eq!(call::<_, i32>(&mut store, instance, "run", ()).unwrap(), round as i32);
                    }
                }
            });
        }
    });
}

#[test]
fn host_types_and_modules_agree_from_several_engines() {
    let engines = [Engine::default(), engine(GcStress::Full)];
    for engine in &engines {
        let field = FieldType::new(Mutability::Var, StorageType::I16);
        let ty = ArrayType::new(engine, field);
        let text = r#"(module (type $a (array (mut i16))) (func (export "f") (param (ref $a)) (result i32) (array.len (local.get 0))))"#;
        let mut store = Store::new(engine, ());
        let instance = instantiate(&mut store, text);
        let func = instance.get_func(&mut store, "f").unwrap();
        let wanted = func.ty(&store).param(0).unwrap();
        assert_eq!(wanted, ValType::Ref(RefType::new(false, HeapType::ConcreteArray(ty.clone()))));
        let pre = ArrayRefPre::new(&mut store, ty);
        let array = ArrayRef::new(&mut store, &pre, &Val::I32(0), 11).unwrap();
        let mut results = [Val::I32(0)];
        func.call(&mut store, &[array.into()], &mut results).unwrap();
        assert_eq!(results[0].unwrap_i32(), 11);
        let module = Module::new(&engines[0], text).unwrap();
        assert_eq!(Instance::new(&mut store, &module, &[]).is_ok(), Engine::same(engine, &engines[0]));
    }
}
