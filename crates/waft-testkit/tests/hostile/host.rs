//! What happens at the host door: panics, and the one who watches it.

use waft::{Doorkeeper, Engine, Error, HostCall, Linker, Module, Store, Val, Verdict};

#[test]
fn a_host_function_that_panics_unwinds_through_the_guest() {
    let caught = std::panic::catch_unwind(|| {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "panic", || -> () { panic!("a bug of the host's") }).unwrap();
        let module = r#"(module (import "host" "panic" (func $p)) (func (export "f") call $p))"#;
        let module = Module::new(&engine, module).unwrap();
        let instance = linker.instantiate(&mut store, &module).unwrap();
        instance.get_typed_func::<(), ()>(&mut store, "f").unwrap().call(&mut store, ())
    });
    let panic = caught.expect_err("the panic comes out");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a bug of the host's"));
}

/// Refuses what it is told to, and counts what it sees.
struct Keeper {
    deny: &'static str,
    seen: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Doorkeeper for Keeper {
    fn before(&mut self, call: &HostCall<'_>) -> Verdict {
        self.seen.lock().unwrap().push(format!("{}.{}{:?}", call.module(), call.name(), call.args()));
        match call.name() {
            name if name == self.deny => Verdict::Deny(Error::msg("the door is closed")),
            "replayed" => Verdict::Answer(vec![Val::I32(42)]),
            _ => Verdict::Pass,
        }
    }

    fn after(&mut self, call: &HostCall<'_>, outcome: std::result::Result<&[Val], &Error>) {
        self.seen.lock().unwrap().push(format!("{} gave {:?}", call.name(), outcome.ok()));
    }
}

#[test]
fn the_doorkeeper_sees_answers_and_refuses_every_host_call() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    store.set_doorkeeper(Some(Box::new(Keeper { deny: "secret", seen: seen.clone() })));
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "double", |value: i32| value * 2).unwrap();
    linker.func_wrap("host", "replayed", || -> i32 { panic!("the door answers for it") }).unwrap();
    linker.func_wrap("host", "secret", || -> i32 { panic!("nobody may come here") }).unwrap();
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "double" (func $double (param i32) (result i32)))
            (import "host" "replayed" (func $replayed (result i32)))
            (import "host" "secret" (func $secret (result i32)))
            (func (export "fine") (result i32) (i32.add (call $double (i32.const 4)) (call $replayed)))
            (func (export "denied") (result i32) call $secret))"#,
    )
    .unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let mut call =
        |name: &str| instance.get_typed_func::<(), i32>(&mut store, name).unwrap().call(&mut store, ());
    assert_eq!(call("fine").unwrap(), 50);
    let error = call("denied").unwrap_err();
    assert!(format!("{error:#}").contains("the door is closed"), "{error:#}");
    let seen = seen.lock().unwrap();
    assert!(seen[0].starts_with("host.double") && seen[0].contains('4'), "{seen:?}");
    assert!(seen.iter().any(|line| line.starts_with("double gave") && line.contains('8')), "{seen:?}");
    assert!(seen.iter().any(|line| line.starts_with("host.secret")), "{seen:?}");
}
