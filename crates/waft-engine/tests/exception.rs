//! Exceptions between guests and the host: thrown by either, caught by a guest further out, or by nobody.

mod common;

use common::{compile, names, run, trap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use waft::*;

/// An error of the host's own, which has a cause.
#[derive(Debug)]
struct Wrapped(ThrownException);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// `outer` calls `host::act`, which may call `inner`, which throws 7; what comes out of it is caught.
const GUEST: &str = r#"(module
    (tag $failure (export "failure") (param i32))
    (import "host" "act" (func $act))
    (func $thrower (throw $failure (i32.const 7)))
    (func $inner (export "inner") (call $thrower))
    (func $between (call $act))
    (func $outer (export "outer") (result i32)
        (block $all
            (block $caught (result i32)
                (try_table (catch $failure $caught) (catch_all $all) (call $between))
                (return (i32.const 0)))
            (return))
        (i32.const -1))
    (func $open (export "open") (call $between)))"#;

type Act = fn(Caller<'_, ()>) -> Result<()>;

fn guest(act: Act) -> (Store<()>, Instance) {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    linker.func_wrap("host", "act", act).unwrap();
    let module = compile(&store, GUEST);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

fn outer(act: Act) -> Result<i32> {
    let (mut store, instance) = guest(act);
    instance.get_typed_func::<(), i32>(&mut store, "outer")?.call(&mut store, ())
}

fn call_inner(caller: &mut Caller<'_, ()>) -> Result<()> {
    let inner = caller.get_export("inner").and_then(Extern::into_func).context("no `inner`")?;
    inner.typed::<(), ()>(&*caller)?.call(caller, ())
}

#[test]
fn exceptions_pass_through_host_functions() {
    assert_eq!(outer(|mut caller| call_inner(&mut caller)).unwrap(), 7);
    assert_eq!(outer(|mut caller| call_inner(&mut caller).context("on the way")).unwrap(), 7);
    assert_eq!(
        outer(|mut caller| {
            call_inner(&mut caller).map_err(|error| Wrapped(*error.downcast_ref().unwrap()).into())
        })
        .unwrap(),
        7
    );
}

#[test]
fn hosts_may_keep_an_exception_to_themselves() {
    let act: Act = |mut caller| {
        call_inner(&mut caller).unwrap_err();
        let mut store = caller.as_context_mut();
        assert!(store.has_pending_exception());
        let exception = store.take_pending_exception().unwrap();
        assert_eq!(exception.field(&mut store, 0)?.unwrap_i32(), 7);
        assert!(!store.has_pending_exception());
        Ok(())
    };
    assert_eq!(outer(act).unwrap(), 0);
}

#[test]
fn an_error_without_an_exception_is_an_error() {
    let error = outer(|_| Err(ThrownException.into())).unwrap_err();
    assert!(error.is::<ThrownException>());
    let error = outer(|mut caller| {
        call_inner(&mut caller).unwrap_err();
        caller.as_context_mut().take_pending_exception();
        Err(ThrownException.into())
    });
    assert!(error.unwrap_err().is::<ThrownException>());
}

#[test]
fn other_errors_are_not_caught() {
    let error = outer(|_| bail!("plain")).unwrap_err();
    assert!(format!("{error:?}").contains("plain"));
    // Not even one that comes while an exception is pending.
    let error = outer(|mut caller| {
        call_inner(&mut caller).unwrap_err();
        bail!("plain")
    });
    assert!(format!("{:?}", error.unwrap_err()).contains("plain"));
    let error = outer(|_| Err(Trap::Interrupt.into())).unwrap_err();
    assert_eq!(trap(&error), Trap::Interrupt);
    let panic = catch_unwind(AssertUnwindSafe(|| outer(|_| panic!("host")))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"host"));
}

#[test]
fn uncaught_exceptions_tell_where_they_were_thrown() {
    let (mut store, instance) = guest(|mut caller| call_inner(&mut caller));
    let error = run(&mut store, instance, "inner").unwrap_err();
    assert!(error.is::<ThrownException>());
    assert_eq!(names(&error), ["thrower", "inner"]);
    // Through the host, and out of it again.
    let error = run(&mut store, instance, "open").unwrap_err();
    assert!(error.is::<ThrownException>());
    assert_eq!(names(&error), ["thrower", "inner", "between", "open"]);
    let exception = store.take_pending_exception().unwrap();
    assert_eq!(exception.field(&mut store, 0).unwrap().unwrap_i32(), 7);
    let tag = instance.get_tag(&mut store, "failure").unwrap();
    assert!(Tag::eq(&exception.tag(&store).unwrap(), &tag, &store));
}

#[test]
fn scopes_on_the_way_leave_no_gap_in_the_backtrace() {
    let (mut store, instance) = common::start(
        r#"(module
        (tag $a) (tag $b)
        (func $thrower (throw $a))
        (func $inner (block $h (try_table (catch $b $h) (block $i (try_table (catch $b $i) (call $thrower))))))
        (func $middle (call $inner))
        (func $outer (export "f") (block $h (try_table (catch $b $h) (call $middle)))))"#,
    );
    let error = run(&mut store, instance, "f").unwrap_err();
    assert_eq!(names(&error), ["thrower", "inner", "middle", "outer"]);
}

#[test]
fn exceptions_of_the_host_are_caught_and_carry_any_value() {
    let mut store = Store::new(&Engine::default(), ());
    let types = [ValType::I32, ValType::V128, ValType::EXTERNREF, ValType::FUNCREF, ValType::F64];
    let ty = ExnType::new(store.engine(), types);
    let tag = Tag::new(&mut store, ty.tag_type()).unwrap();
    let mut linker = Linker::new(store.engine());
    linker.define(&store, "host", "tag", tag).unwrap();
    let throw = move |mut caller: Caller<'_, ()>| -> Result<()> {
        let pre = ExnRefPre::new(&mut caller, ty.clone());
        let value = ExternRef::new(&mut caller, "held")?;
        let func = Func::wrap(&mut caller, || 5);
        let fields = [Val::I32(1), Val::V128(2.into()), value.into(), func.into(), 4.5.into()];
        let exception = ExnRef::new(&mut caller, &pre, &tag, &fields)?;
        assert!(ExnRef::new(&mut caller, &pre, &tag, &fields[1..]).is_err());
        assert!(ExnRef::new(&mut caller, &pre, &tag, &[fields[0]; 5]).is_err());
        Ok(caller.as_context_mut().throw(exception)?)
    };
    linker.func_wrap("host", "throw", throw).unwrap();
    let module = compile(
        &store,
        r#"(module
        (type $five (func (result i32)))
        (import "host" "tag" (tag $t (param i32 v128 externref funcref f64)))
        (import "host" "throw" (func $throw))
        (table $funcs 1 funcref)
        (func (export "f") (result i32 i32 externref i32 f64)
            (local $f funcref) (local $x externref) (local $d f64)
            (block $h (result i32 v128 externref funcref f64)
                (try_table (catch $t $h) (call $throw))
                (unreachable))
            (local.set $d) (local.set $f) (local.set $x)
            (i32x4.extract_lane 0) (local.get $x)
            (table.set $funcs (i32.const 0) (local.get $f))
            (call_indirect $funcs (type $five) (i32.const 0)) (local.get $d))
        (func (export "open") (call $throw)))"#,
    );
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let f = instance.get_typed_func::<(), (i32, i32, Option<Rooted<ExternRef>>, i32, f64)>(&mut store, "f");
    let (one, two, held, five, float) = f.unwrap().call(&mut store, ()).unwrap();
    assert_eq!((one, two, five, float), (1, 2, 5, 4.5));
    assert_eq!(held.unwrap().data(&store).unwrap().unwrap().downcast_ref(), Some(&"held"));

    let error = run(&mut store, instance, "open").unwrap_err();
    assert!(error.is::<ThrownException>());
    store.gc();
    let exception = store.take_pending_exception().unwrap();
    let fields: Vec<Val> = exception.fields(&mut store).unwrap().collect();
    assert_eq!((fields[0].unwrap_i32(), fields[4].unwrap_f64()), (1, 4.5));
    assert!(exception.field(&mut store, 5).is_err());
    assert!(exception.ty(&store).unwrap().fields().len() == 5);
}

#[test]
fn a_host_function_that_the_host_calls_throws_at_the_host() {
    let mut store = Store::new(&Engine::default(), ());
    let ty = ExnType::new(store.engine(), []);
    let tag = Tag::new(&mut store, ty.tag_type()).unwrap();
    let pre = ExnRefPre::new(&mut store, ty);
    let func = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>| -> Result<()> {
        let exception = ExnRef::new(&mut caller, &pre, &tag, &[])?;
        Ok(caller.as_context_mut().throw(exception)?)
    });
    assert!(func.call(&mut store, &[], &mut []).unwrap_err().is::<ThrownException>());
    assert!(store.take_pending_exception().is_some() && store.take_pending_exception().is_none());
}

#[test]
fn exceptions_of_another_store_are_errors() {
    let act: Act = |_| {
        let (mut store, instance) = guest(|_| Ok(()));
        run(&mut store, instance, "inner")
    };
    assert!(outer(act).unwrap_err().is::<ThrownException>());
}

#[test]
fn each_of_many_activations_may_catch() {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    let again = |mut caller: Caller<'_, ()>, level: i32| -> Result<()> {
        let f = caller.get_export("f").and_then(Extern::into_func).context("no `f`")?;
        f.typed::<i32, ()>(&caller)?.call(&mut caller, level)
    };
    linker.func_wrap("host", "again", again).unwrap();
    // Each level adds one to what comes out of the next, and throws that.
    let module = compile(
        &store,
        r#"(module
        (import "host" "again" (func $again (param i32)))
        (tag $t (param i32))
        (func $f (export "f") (param i32)
            (throw $t
                (block $h (result i32)
                    (if (i32.eqz (local.get 0)) (then (throw $t (i32.const 0))))
                    (try_table (catch $t $h) (call $again (i32.sub (local.get 0) (i32.const 1))))
                    (return))
                (i32.add (i32.const 1)))))"#,
    );
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let f = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap();
    for levels in [0, 1, 50] {
        assert!(f.call(&mut store, levels).unwrap_err().is::<ThrownException>());
        let exception = store.take_pending_exception().unwrap();
        assert_eq!(exception.field(&mut store, 0).unwrap().unwrap_i32(), levels);
    }
}

#[test]
fn precompiled_modules_catch() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
        (tag $t (param i32))
        (func $throw (throw $t (i32.const 3)))
        (func (export "f") (result i32)
            (block $h (result i32) (try_table (catch $t $h) (call $throw)) (i32.const 0))))"#,
    );
    let bytes = module.unwrap().serialize().unwrap();
    // SAFETY: the bytes come from `serialize`.
    let module = unsafe { Module::deserialize(&engine, &bytes) }.unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(f.call(&mut store, ()).unwrap(), 3);
}

#[test]
fn pending_exceptions_survive_collections() {
    let (mut store, instance) = common::start(
        r#"(module
        (type $s (struct (field i32)))
        (tag $t (param (ref $s) i32))
        (func (export "f") (throw $t (struct.new $s (i32.const 1)) (i32.const 2))))"#,
    );
    run(&mut store, instance, "f").unwrap_err();
    for _ in 0..3 {
        store.gc();
    }
    let exception = store.take_pending_exception().unwrap();
    store.gc();
    assert_eq!(exception.field(&mut store, 1).unwrap().unwrap_i32(), 2);
    assert!(matches!(exception.field(&mut store, 0).unwrap(), Val::AnyRef(Some(_))));
}
