//! Backtraces name every guest frame, from wherever a guest stopped. Source lines are tested with real programs.

mod common;

use common::{compile, instantiate, names, run, start, trap};
use waft::*;

fn backtrace(error: &Error) -> &WasmBacktrace {
    error.downcast_ref().unwrap_or_else(|| panic!("no backtrace: {error:?}"))
}

#[test]
fn frames_are_named_from_the_innermost_out() {
    let (mut store, instance) = start(
        r#"(module $app
            (func $a (export "f") call $b)
            (func $b i32.const 0 call_indirect)
            (table funcref (elem $c))
            (func $c (local i64) (block (loop (if (i32.const 1) (then call 3)))))
            (func unreachable))"#,
    );
    let error = run(&mut store, instance, "f").unwrap_err();
    assert_eq!(names(&error), ["?", "c", "b", "a"]);
    let frames = backtrace(&error).frames();
    assert_eq!(frames.iter().map(FrameInfo::func_index).collect::<Vec<_>>(), [3, 2, 1, 0]);
    assert!(frames.iter().all(|frame| frame.module_name() == Some("app") && frame.symbols().is_empty()));
    assert_eq!(frames[0].module().exports().next().unwrap().name(), "f");
    let text = format!("{error:?}");
    for line in ["0: ", "app!<wasm function 3>", "1: ", "app!c", "app!b", "3: ", "app!a"] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn offsets_point_at_the_operator_that_stopped_or_called() {
    let text = r#"(module (import "" "" (func $host))
        (func $f (export "f") (param i32) nop nop (call $g (local.get 0)) nop)
        (func $g (param i32) nop (drop (i32.div_s (i32.const 1) (local.get 0))) nop call $host nop))"#;
    let wasm = wat::parse_str(text).unwrap();
    let mut store = Store::new(&Engine::default(), ());
    let module = Module::new(store.engine(), &wasm).unwrap();
    let host = Func::wrap(&mut store, || -> Result<()> { bail!("no") });
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let f = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap();
    // The first byte of the operators: `i32.div_s`, `call`.
    for (param, opcodes) in [(0, [0x6d, 0x10]), (1, [0x10, 0x10])] {
        let error = f.call(&mut store, param).unwrap_err();
        let frames = backtrace(&error).frames();
        assert_eq!(frames.len(), 2);
        for (frame, opcode) in frames.iter().zip(opcodes) {
            let offset = frame.module_offset().unwrap();
            assert_eq!(wasm[offset], opcode, "{frame} at {offset:#x}");
            let body = wasm[..offset].len() - frame.func_offset().unwrap();
            // A body starts with the number of its local declarations, after its length.
            assert_eq!(wasm[body], 0);
            assert!(format!("{frame}").contains(&format!("{offset:#x}")));
        }
    }
}

#[test]
fn every_kind_of_trap_has_a_backtrace_that_starts_where_it_happened() {
    let rows = [
        ("unreachable", Trap::UnreachableCodeReached),
        ("(drop (i32.load (i32.const -1)))", Trap::MemoryOutOfBounds),
        ("(drop (i64.load offset=65530 (i32.const 0)))", Trap::MemoryOutOfBounds),
        ("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1))", Trap::MemoryOutOfBounds),
        ("(drop (table.get (i32.const 9)))", Trap::TableOutOfBounds),
        ("(call_indirect (i32.const 0))", Trap::IndirectCallToNull),
        ("(call_indirect (param i32) (i32.const 1) (i32.const 1))", Trap::BadSignature),
        ("(drop (i32.rem_u (i32.const 1) (i32.const 0)))", Trap::IntegerDivisionByZero),
        ("(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))", Trap::IntegerOverflow),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", Trap::BadConversionToInteger),
    ];
    for (body, expected) in rows {
        let (mut store, instance) = start(&format!(
            r#"(module (memory 1) (table 2 funcref) (elem (i32.const 1) $outer)
                (func $inner {body}) (func $outer (export "f") call $inner))"#
        ));
        let error = run(&mut store, instance, "f").unwrap_err();
        assert_eq!(trap(&error), expected, "{body}");
        assert_eq!(names(&error), ["inner", "outer"], "{body}");
        assert!(backtrace(&error).frames().iter().all(|frame| frame.module_offset().is_some()), "{body}");
    }
}

/// Two instances of two modules that call each other through the host and directly.
fn through_everything(fails: fn() -> Result<()>) -> Error {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    linker.func_wrap("host", "fail", fails).unwrap();
    let again = |mut caller: Caller<'_, ()>| -> Result<()> {
        let inner = caller.get_export("inner").unwrap().into_func().unwrap();
        inner.call(&mut caller, &[], &mut [])
    };
    linker.func_wrap("host", "again", again).unwrap();
    let near = compile(
        &store,
        r#"(module $near (import "host" "fail" (func $fail)) (import "host" "again" (func $again))
            (func $inner (export "inner") call $fail)
            (func $enter (export "enter") call $again))"#,
    );
    linker.module(&mut store, "near", &near).unwrap();
    let far = compile(
        &store,
        r#"(module $far (import "near" "enter" (func $enter)) (func $main (export "main") call $enter))"#,
    );
    let far = linker.instantiate(&mut store, &far).unwrap();
    run(&mut store, far, "main").unwrap_err()
}

#[test]
fn frames_beyond_host_functions_and_of_other_instances_are_there() {
    let error = through_everything(|| Err(Trap::IntegerOverflow.into()));
    assert_eq!(names(&error), ["inner", "enter", "main"]);
    let modules: Vec<_> =
        backtrace(&error).frames().iter().map(|frame| frame.module_name().unwrap()).collect();
    assert_eq!(modules, ["near", "near", "far"]);
    assert_eq!(trap(&error), Trap::IntegerOverflow);
}

#[test]
fn errors_of_host_functions_carry_the_guest_backtrace_and_their_own_causes() {
    let error = through_everything(|| Err(Error::msg("the cause").context("what went wrong")));
    assert_eq!(names(&error), ["inner", "enter", "main"]);
    let text = format!("{error:?}");
    for part in ["the cause", "what went wrong", "near!inner", "far!main"] {
        assert_eq!(text.matches(part).count(), 1, "{part} in {text}");
    }
    assert_eq!(error.root_cause().to_string(), "the cause");
}

#[test]
fn very_deep_stacks_show_both_ends() {
    let (mut store, instance) = start(
        r#"(module (func $main (export "f") (call $down (i32.const 1000)))
            (func $down (param i32)
                (if (i32.eqz (local.get 0)) (then (call $leaf)))
                (call $down (i32.sub (local.get 0) (i32.const 1))))
            (func $leaf unreachable))"#,
    );
    let error = run(&mut store, instance, "f").unwrap_err();
    let names = names(&error);
    assert_eq!(names.len(), 96 + 32);
    assert_eq!((&*names[0], &*names[1], &*names[127]), ("leaf", "down", "main"));
    let text = format!("{error:?}");
    // 1 leaf, 1001 rounds down and main.
    assert!(text.contains("875 frames left out"), "{text}");
    assert!(text.contains("1002: "), "{text}");
    assert!(!text.contains("1003: "), "{text}");
}

#[test]
fn overflow_shows_where_the_recursion_began() {
    let (mut store, instance) = start(
        r#"(module (func $main (export "f") call $deep) (func $deep call $deeper) (func $deeper call $deep))"#,
    );
    let error = run(&mut store, instance, "f").unwrap_err();
    assert_eq!(trap(&error), Trap::StackOverflow);
    let names = names(&error);
    assert_eq!(names.len(), 128);
    assert_eq!(names[126..], ["deep", "main"]);
    assert!(names[..126].iter().all(|name| name == "deep" || name == "deeper"), "{names:?}");
}

#[test]
fn start_functions_have_backtraces() {
    let mut store = Store::new(&Engine::default(), ());
    let module =
        compile(&store, "(module $m (func $begin call $fall) (func $fall unreachable) (start $begin))");
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert_eq!(names(&error), ["fall", "begin"]);
}

#[test]
fn host_functions_that_the_host_calls_add_nothing() {
    let mut store = Store::new(&Engine::default(), ());
    let func = Func::wrap(&mut store, || -> Result<()> { bail!("by itself") });
    let error = func.call(&mut store, &[], &mut []).unwrap_err();
    assert_eq!(error.to_string(), "by itself");
    assert!(error.downcast_ref::<WasmBacktrace>().is_none());
}

#[test]
fn names_are_demangled_and_broken_name_sections_name_nothing() {
    let (mut store, instance) =
        start(r#"(module (func $_ZN4core9panicking5panic17h0123456789abcdefE (export "f") unreachable))"#);
    assert_eq!(names(&run(&mut store, instance, "f").unwrap_err()), ["core::panicking::panic"]);

    let mut wasm = wat::parse_str(r#"(module (func (export "f") unreachable))"#).unwrap();
    // A function name subsection that says it has 100 entries and has none.
    wasm.extend(b"\x00\x08\x04name\x01\x01\x64");
    let mut store = Store::new(&Engine::default(), ());
    let module = Module::new(store.engine(), &wasm).unwrap();
    assert_eq!(module.name(), None);
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    assert_eq!(names(&run(&mut store, instance, "f").unwrap_err()), ["?"]);
}

#[test]
fn backtraces_outlive_store_and_instance() {
    let error = {
        let mut store = Store::new(&Engine::default(), ());
        let instance = instantiate(&mut store, r#"(module $m (func $f (export "f") unreachable))"#);
        run(&mut store, instance, "f").unwrap_err()
    };
    assert_eq!(names(&error), ["f"]);
    assert_eq!(backtrace(&error).frames()[0].module().name(), Some("m"));
}
