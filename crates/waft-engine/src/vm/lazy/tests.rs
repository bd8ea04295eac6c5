//! What `tests/lazy.rs` cannot reach from outside.

use super::*;
use crate::vm::activation::tests::interrupts::interrupt_each;
use crate::vm::thunk;
use crate::{AsContextMut, Config, Engine, Instance, Module, Store, Trap, Val, WasmBacktrace};
use std::thread;

#[test]
fn work_is_done_where_there_is_stack_enough() {
    // Nobody prepared this thread for guests, so the end of its stack is not known.
    let me = thread::current().id();
    assert_ne!(with_compile_stack(|| thread::current().id()).unwrap(), me);
    let panic = catch_unwind(|| with_compile_stack(|| panic!("compiling"))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"compiling"));
}

/// A guest that calls for ever what `code` says of the function 0 of another module, which is compiled.
fn loop_over(code: fn(DefinedFuncIndex) -> *mut u8) -> (Store<()>, Instance) {
    let engine = Engine::new(Config::new().lazy_compilation(true)).unwrap();
    let mut store = Store::new(&engine, ());
    let callee = Module::new(&engine, r#"(module (func $callee (export "f")))"#).unwrap();
    let callee = Instance::new(&mut store, &callee, &[]).unwrap().get_func(&mut store, "f").unwrap();
    callee.call(&mut store, &[], &mut []).unwrap();
    let func_ref = callee.func_ref();
    store.as_context_mut().0.opaque.at_mut(func_ref).code = code(DefinedFuncIndex::new(0)).into();
    let text = r#"(module (import "" "f" (func $callee)) (global $calls (export "calls") (mut i64) (i64.const 0))
        (func $caller (export "f") (loop (call $callee)
            (global.set $calls (i64.add (global.get $calls) (i64.const 1))) (br 0))))"#;
    let caller = Module::new(&engine, text).unwrap();
    // The import keeps the code that it was given.
    let caller = Instance::new(&mut store, &caller, &[callee.into()]).unwrap();
    (store, caller)
}

#[test]
fn guests_are_interrupted_at_any_instruction_of_thunks_and_stub() {
    for code in [thunk::through_slot, thunk::first_call] {
        let (mut store, instance) = loop_over(code);
        let run = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        let calls = instance.get_global(&mut store, "calls").unwrap();
        let handle = store.interrupt_handle();
        interrupt_each(3000, handle, || {
            calls.set(&mut store, Val::I64(0)).unwrap();
            let error = run.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
            let Some(frames) = error.downcast_ref::<WasmBacktrace>() else {
                // The request was there before the guest started.
                assert_eq!(calls.get(&mut store).unwrap_i64(), 0, "{error:?}");
                return;
            };
            let names: Vec<_> = frames.frames().iter().map(|frame| frame.func_name().unwrap()).collect();
            assert!([&["caller"][..], &["callee", "caller"]].contains(&&*names), "{names:?}");
        });
    }
}
