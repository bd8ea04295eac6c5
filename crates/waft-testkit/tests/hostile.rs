//! Modules and guests that mean harm: each ends in an error or a trap, soon, and the process lives on.

#![forbid(unsafe_code)]

use std::time::{Duration, Instant};
use waft::{
    Config, Doorkeeper, Engine, Error, Func, HostCall, Instance, Linker, Memory, MemoryType, Module, Ref,
    RefType, Result, Store, StoreLimits, StoreLimitsBuilder, Table, TableType, Trap, Val, Verdict,
};
use waft_testkit::binary::{ModuleBytes, write_u64};
use waft_testkit::prng::Prng;
use waft_testkit::watchdog::Watchdog;

/// "Soon", with room for a loaded machine and a debug build.
const SOON: Duration = Duration::from_secs(30);

/// A module with something in every section that a module can have.
const EVERYTHING: &str = r#"(module $everything
    (type $t (func (param i32) (result i32)))
    (import "env" "host" (func $host (param i32) (result i32)))
    (table (export "table") 4 8 funcref)
    (table $externs 2 externref)
    (memory (export "memory") 1 3)
    (global $g (export "g") (mut i32) (i32.const 7))
    (global v128 (v128.const i64x2 1 2))
    (func $one (export "one") (type $t) local.get 0 i32.const 1 i32.add)
    (func $loop (export "loop") (type $t) (local i64 f32 f64 v128)
        (block $out (loop $again
            local.get 0 i32.eqz br_if $out
            local.get 0 i32.const 1 i32.sub local.set 0
            local.get 0 local.get 0 i32.load8_u offset=3 i32.store8
            br $again))
        global.get $g)
    (func (export "call") (type $t) local.get 0 i32.const 3 i32.and local.get 0 call_indirect (type $t))
    (func (export "bulk") (type $t)
        i32.const 0 i32.const 0 i32.const 4 memory.init $data
        i32.const 8 i32.const 0 i32.const 4 memory.copy
        i32.const 0 i32.const 0 i32.const 1 table.init $elem
        local.get 0 memory.grow)
    (func (export "simd") (type $t)
        local.get 0 i32x4.splat local.get 0 v128.load i8x16.add i32x4.extract_lane 2)
    (func (export "table_op") (type $t)
        (select (result i32)
            (br_table 0 0 (i32.const 1) (local.get 0))
            (i32.const 2) (i32.const 3)))
    (func $start global.get $g i32.const 1 i32.add global.set $g)
    (start $start)
    (elem (i32.const 0) $one $loop $host)
    (elem $elem func $one)
    (data (i32.const 16) "hello")
    (data $data "bye!")
)"#;

fn everything() -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(EVERYTHING).expect("the text lexes");
    wast::parser::parse::<wast::Wat<'_>>(&buffer).and_then(|mut wat| wat.encode()).expect("the text parses")
}

/// Does all that can be done with a module that nobody trusts: compile it, link it, call everything.
///
/// Whatever comes out is fine, as long as it comes out; the result says whether the module was accepted.
fn exercise(engine: &Engine, bytes: &[u8]) -> bool {
    let Ok(module) = Module::from_binary(engine, bytes) else { return false };
    let limits = StoreLimitsBuilder::new().memory_size(16 << 20).table_elements(100_000).build();
    let mut store = Store::new(engine, limits);
    store.limiter(|limits| limits);
    let _watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(200));
    let mut linker = Linker::new(engine);
    linker.define_unknown_imports_as_traps(&module).ok();
    let Ok(instance) = linker.instantiate(&mut store, &module) else { return true };
    let names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    for name in names {
        if let Some(func) = instance.get_func(&mut store, &name) {
            call_with_zeros(&mut store, func);
        }
    }
    true
}

fn call_with_zeros(store: &mut Store<StoreLimits>, func: Func) {
    let ty = func.ty(&*store);
    let Some(args) = ty.params().map(|ty| Val::default_for_ty(&ty)).collect::<Option<Vec<Val>>>() else {
        return;
    };
    let mut results = vec![Val::I32(0); ty.results().len()];
    // A trap is as good an end as a result.
    let _ = func.call(store, &args, &mut results);
}

/// Calls the export `f` of a module without imports.
fn call(bytes: impl AsRef<[u8]>) -> Result<()> {
    call_on(&Engine::default(), bytes)
}

fn call_on(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<()> {
    let module = Module::new(engine, bytes)?;
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())
}

#[track_caller]
fn assert_trap<T: std::fmt::Debug>(result: Result<T>, trap: Trap) {
    let error = result.expect_err("a trap was expected");
    assert_eq!(error.downcast_ref::<Trap>(), Some(&trap), "{error:?}");
}

#[track_caller]
fn soon<T>(work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    result
}

/// On a thread with a stack of this size, because guests that recurse need one that is known.
fn on_thread<T: Send + 'static>(stack_bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::Builder::new().stack_size(stack_bytes).spawn(work).unwrap().join().unwrap()
}

#[test]
fn a_truncated_module_is_never_half_accepted() {
    let engine = Engine::default();
    let module = everything();
    assert!(exercise(&engine, &module), "the whole module is valid");
    let accepted = (0..module.len()).filter(|length| exercise(&engine, &module[..*length])).count();
    // The end of a section may be the end of a module, where nothing that follows was announced.
    assert!(accepted < 8, "{accepted} of {} prefixes were accepted", module.len());
}

#[test]
fn a_mutated_module_is_rejected_or_runs_in_its_box() {
    let engine = Engine::default();
    let module = everything();
    let mut prng = Prng::new(1);
    let accepted = (0..3000).filter(|_| exercise(&engine, &prng.mutate(&module))).count();
    assert!(accepted > 0, "mutations that are all rejected test the decoder alone");
}

#[test]
fn random_bytes_are_no_module() {
    let engine = Engine::default();
    let mut prng = Prng::new(2);
    for _ in 0..2000 {
        let length = prng.below(400);
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend(prng.bytes(length));
        exercise(&engine, &bytes);
        // Without the header these are taken for text.
        assert!(Module::new(&engine, prng.bytes(8 + length)).is_err());
    }
}

#[test]
fn a_section_that_announces_too_much_is_rejected() {
    let engine = Engine::default();
    for id in 0..=13u8 {
        let mut count = Vec::new();
        write_u64(&mut count, u64::from(u32::MAX));
        let module = ModuleBytes::default().section(id, &count).finish();
        assert!(soon(|| Module::from_binary(&engine, &module)).is_err() || id == 12, "section {id}");
    }
}

#[test]
fn fifty_thousand_locals_are_the_most() {
    let i32_type = 0x7f;
    soon(|| call(ModuleBytes::with_one_func(&[(50_000, i32_type)], &[0x0b]))).unwrap();
    assert!(call(ModuleBytes::with_one_func(&[(50_001, i32_type)], &[0x0b])).is_err());
    assert!(
        call(ModuleBytes::with_one_func(&[(u32::MAX, i32_type), (u32::MAX, i32_type)], &[0x0b])).is_err()
    );
}

#[test]
fn a_br_table_of_a_million_compiles_or_is_refused() {
    let mut instructions = vec![0x41, 0x07, 0x0e];
    write_u64(&mut instructions, 1_000_000);
    instructions.extend(std::iter::repeat_n(0, 1_000_001));
    instructions.push(0x0b);
    let module = ModuleBytes::with_one_func(&[], &instructions);
    // Either end is right; that one comes, and comes soon, is the claim.
    let _ = soon(|| call(&module));
}

#[test]
fn nesting_of_a_hundred_thousand_compiles_or_is_refused() {
    let depth = 100_000;
    for opcode in [0x02, 0x03] {
        let mut instructions = Vec::new();
        for _ in 0..depth {
            instructions.extend([opcode, 0x40]);
        }
        instructions.extend(std::iter::repeat_n(0x0b, depth + 1));
        let module = ModuleBytes::with_one_func(&[], &instructions);
        let _ = soon(|| call(&module));
    }
    let mut ifs = Vec::new();
    for _ in 0..depth {
        ifs.extend([0x41, 0x01, 0x04, 0x40]);
    }
    ifs.extend(std::iter::repeat_n(0x0b, depth + 1));
    let _ = soon(|| call(ModuleBytes::with_one_func(&[], &ifs)));
}

#[test]
fn text_nested_a_hundred_thousand_deep_is_an_error() {
    let depth = 100_000;
    let text = format!("(module (func {} {}))", "(block ".repeat(depth), ")".repeat(depth));
    assert!(soon(|| Module::new(&Engine::default(), &text)).is_err());
    let open = "(".repeat(depth);
    assert!(soon(|| Module::new(&Engine::default(), &open)).is_err());
}

#[test]
fn an_operand_stack_of_a_million_compiles_or_is_refused() {
    let count = 1_000_000;
    let mut instructions = Vec::new();
    instructions.extend([0x41, 0x01].repeat(count));
    instructions.extend(std::iter::repeat_n(0x1a, count));
    instructions.push(0x0b);
    let _ = soon(|| call(ModuleBytes::with_one_func(&[], &instructions)));
}

#[test]
fn the_largest_memory_is_had_or_refused_and_stops_where_it_ends() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (memory 65536)
            (func (export "last") (result i32) i32.const -1 i32.load8_u)
            (func (export "past") (result i32) i32.const -1 i32.load8_u offset=1)
            (func (export "far") (result i32) i32.const -1 i32.load offset=4294967295)
            (func (export "grow") (result i32) i32.const 1 memory.grow))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    // A machine may have no 4 GiB to promise: then the error says so, and that is all.
    let Ok(instance) = Instance::new(&mut store, &module, &[]) else { return };
    let mut call =
        |name: &str| instance.get_typed_func::<(), i32>(&mut store, name).unwrap().call(&mut store, ());
    assert_eq!(call("last").unwrap(), 0);
    assert_trap(call("past"), Trap::MemoryOutOfBounds);
    assert_trap(call("far"), Trap::MemoryOutOfBounds);
    assert_eq!(call("grow").unwrap(), -1);
}

#[test]
fn a_memory_past_the_limit_is_invalid() {
    assert!(Module::new(&Engine::default(), "(module (memory 65537))").is_err());
    assert!(Module::new(&Engine::default(), "(module (memory 1 65537))").is_err());
}

#[test]
fn growth_stops_at_the_limit_of_the_store() {
    let engine = Engine::default();
    let limits = StoreLimitsBuilder::new().memory_size(10 << 16).table_elements(10).build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    let module = Module::new(
        &engine,
        r#"(module (memory 1) (table 1 funcref)
            (func (export "memory") (result i32)
                (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
                memory.size)
            (func (export "table") (result i32)
                (loop $again (br_if $again (i32.ne (table.grow (ref.null func) (i32.const 1)) (i32.const -1))))
                table.size))"#,
    )
    .unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    for name in ["memory", "table"] {
        let grow = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
        assert_eq!(grow.call(&mut store, ()).unwrap(), 10, "{name}");
    }
    let large = Module::new(&engine, "(module (memory 11))").unwrap();
    assert!(Instance::new(&mut store, &large, &[]).is_err());
    assert!(Memory::new(&mut store, MemoryType::new(11, None)).is_err());
}

#[test]
fn a_table_larger_than_the_address_space_is_refused() {
    let engine = Engine::default();
    for text in ["(module (table 0xffffffff funcref))", "(module (table 0xffffffff externref))"] {
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, text);
        assert!(
            soon(|| module.and_then(|module| Instance::new(&mut store, &module, &[]))).is_err(),
            "{text}"
        );
    }
    let mut store = Store::new(&engine, ());
    let ty = TableType::new(RefType::FUNCREF, u32::MAX, None);
    assert!(Table::new(&mut store, ty, Ref::Func(None)).is_err());
}

#[test]
fn a_table_that_grows_without_end_is_stopped() {
    let module = r#"(module (table 1 funcref) (func (export "f")
        (loop $again
            (br_if $again (i32.ne (table.grow (ref.null func) (i32.const 1000000)) (i32.const -1))))))"#;
    soon(|| call(module)).unwrap();
}

#[test]
fn endless_recursion_is_a_trap() {
    let modules = [
        r#"(module (func $f (export "f") call $f))"#,
        r#"(module (func $f (export "f") call $g) (func $g call $f))"#,
        r#"(module (type $t (func)) (table funcref (elem $f))
            (func $f (export "f") (call_indirect (type $t) (i32.const 0))))"#,
        // The work after the call keeps the frame, and the frame is large.
        r#"(module (func $g (param i64 i64 i64 i64 i64 i64 i64 i64 v128 v128) (result i64)
                (i64.add (local.get 0) (call $g (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
                    (local.get 6) (local.get 7) (local.get 0) (local.get 9) (local.get 8))))
            (func (export "f") (drop (call $g (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5)
                (i64.const 6) (i64.const 7) (i64.const 8) (v128.const i64x2 0 0) (v128.const i64x2 0 0)))))"#,
    ];
    for module in modules {
        assert_trap(soon(|| call(module)), Trap::StackOverflow);
    }
}

#[test]
fn one_frame_larger_than_the_stack_is_a_trap() {
    // 50,000 locals of 8 bytes that are all alive across a call: a prologue that jumps far beyond any guard page.
    let count = 50_000u32;
    let mut instructions = Vec::new();
    for local in 0..count {
        instructions.push(0x10);
        instructions.push(0x00);
        instructions.push(0x21);
        write_u64(&mut instructions, u64::from(local));
    }
    instructions.extend([0x10, 0x00]);
    for local in 0..count {
        instructions.push(0x20);
        write_u64(&mut instructions, u64::from(local));
        instructions.push(0x7c);
    }
    instructions.push(0x0b);
    let mut body = vec![1];
    write_u64(&mut body, u64::from(count));
    body.push(0x7e);
    body.extend_from_slice(&instructions);
    let mut code = vec![1];
    write_u64(&mut code, body.len() as u64);
    code.extend_from_slice(&body);
    let module = ModuleBytes::default()
        .section(1, &[1, 0x60, 0, 1, 0x7e])
        .section(3, &[1, 0])
        .section(7, &[1, 1, b'f', 0, 0])
        .section(10, &code)
        .finish();
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = soon(|| Module::from_binary(&engine, &module)).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), i64>(&mut store, "f").unwrap();
    assert_trap(soon(|| f.call(&mut store, ())), Trap::StackOverflow);
}

#[test]
fn recursion_through_the_host_is_a_trap() {
    let result = on_thread(16 << 20, || {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "again", |mut caller: waft::Caller<'_, ()>| -> Result<()> {
            let export = caller.get_export("f").and_then(waft::Extern::into_func);
            let f = export.ok_or_else(|| Error::msg("the guest has no `f`"))?;
            f.typed::<(), ()>(&caller)?.call(&mut caller, ())
        })?;
        let module = r#"(module (import "host" "again" (func $again)) (func (export "f") call $again))"#;
        let module = Module::new(&engine, module)?;
        let instance = linker.instantiate(&mut store, &module)?;
        instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())
    });
    assert_trap(result, Trap::StackOverflow);
}

#[test]
fn recursion_is_as_deep_as_the_stack_that_was_configured() {
    let depth = |stack_bytes: usize| {
        on_thread(stack_bytes + (4 << 20), move || {
            let mut config = Config::new();
            config.max_wasm_stack(stack_bytes);
            let engine = Engine::new(&config).unwrap();
            let mut store = Store::new(&engine, ());
            let module = Module::new(
                &engine,
                r#"(module (global $depth (export "depth") (mut i32) (i32.const 0))
                    (func $f (export "f") (global.set $depth (i32.add (global.get $depth) (i32.const 1))) call $f))"#,
            )
            .unwrap();
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
            assert_trap(f.call(&mut store, ()), Trap::StackOverflow);
            let depth = instance.get_global(&mut store, "depth").unwrap().get(&mut store);
            depth.unwrap_i32()
        })
    };
    let (small, large) = (depth(256 << 10), depth(8 << 20));
    assert!(large > 16 * small, "{small} calls in 256 KiB, {large} in 8 MiB");
}

#[test]
fn a_guest_goes_on_after_its_stack_ran_out() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = r#"(module (func $f (export "f") call $f) (func (export "g") (result i32) i32.const 7))"#;
    let module = Module::new(&engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let g = instance.get_typed_func::<(), i32>(&mut store, "g").unwrap();
    for _ in 0..3 {
        assert_trap(f.call(&mut store, ()), Trap::StackOverflow);
        assert_eq!(g.call(&mut store, ()).unwrap(), 7);
    }
}

#[test]
fn endless_loops_are_interrupted() {
    let modules = [
        r#"(module (func (export "f") (loop br 0)))"#,
        r#"(module (func (export "f") (loop (br_if 0 (i32.const 1)))))"#,
        r#"(module (func (export "f") (loop (br_table 0 0 0 (i32.const 1)))))"#,
        r#"(module (func $g) (func (export "f") (loop call $g br 0)))"#,
        r#"(module (memory 1) (func (export "f")
            (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) br 0)))"#,
        // No loop, but 2^60 calls.
        r#"(module (func $g (param i32) (if (local.get 0) (then
                (call $g (i32.sub (local.get 0) (i32.const 1))) (call $g (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "f") (call $g (i32.const 60))))"#,
        r#"(module (func $f (loop br 0)) (start $f) (func (export "f")))"#,
    ];
    let engine = Engine::default();
    for text in modules {
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let _watchdog = Watchdog::start(store.interrupt_handle(), Duration::from_millis(50));
        let result = soon(|| {
            let instance = Instance::new(&mut store, &module, &[])?;
            instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ())
        });
        assert_trap(result, Trap::Interrupt);
    }
}

#[test]
fn segments_outside_their_target_are_traps() {
    let rows = [
        ("(module (memory 1) (data (i32.const 65536) \"x\"))", Trap::MemoryOutOfBounds),
        ("(module (memory 1) (data (i32.const -1) \"x\"))", Trap::MemoryOutOfBounds),
        ("(module (memory 0) (data (i32.const 1)))", Trap::MemoryOutOfBounds),
        ("(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))", Trap::TableOutOfBounds),
        ("(module (table 1 funcref) (func $f) (elem (i32.const -1) $f))", Trap::TableOutOfBounds),
    ];
    let engine = Engine::default();
    for (text, trap) in rows {
        let module = Module::new(&engine, text).unwrap();
        assert_trap(Instance::new(&mut Store::new(&engine, ()), &module, &[]), trap);
    }
}

#[test]
fn many_of_everything_is_accepted_or_refused_soon() {
    let engine = Engine::default();
    let repeat = |count: usize, start: &str, each: &dyn Fn(usize) -> String| {
        let items: String = (0..count).map(each).collect();
        format!("(module {start} {items})")
    };
    let texts = [
        repeat(20_000, "", &|at| format!("(func (export \"f{at}\"))")),
        repeat(20_000, "", &|at| format!("(global i32 (i32.const {at}))")),
        repeat(20_000, "(func $f)", &|_| "(elem func $f)".into()),
        repeat(20_000, "(memory 1)", &|at| format!("(data (i32.const {}) \"x\")", at % 65536)),
        repeat(2_000, "", &|at| format!("(import \"m\" \"{at}\" (func))")),
        repeat(200, "", &|_| "(table 1 funcref)".into()),
        format!("(module (func (export \"{}\")))", "n".repeat(99_999)),
        format!("(module (func (param {})))", "i64 ".repeat(1_000)),
        format!("(module (func (result {}) unreachable))", "i64 ".repeat(1_000)),
    ];
    for text in texts {
        let result = soon(|| Module::new(&engine, &text));
        let start: String = text.chars().take(60).collect();
        assert!(result.is_ok(), "{start}: {:#}", result.unwrap_err());
        let mut store = Store::new(&engine, ());
        let module = result.unwrap();
        if module.imports().len() == 0 {
            soon(|| Instance::new(&mut store, &module, &[]))
                .unwrap_or_else(|error| panic!("{start}: {error:#}"));
        }
    }
    for text in [
        format!("(module (func (param {})))", "i64 ".repeat(1_001)),
        format!("(module (func (result {}) unreachable))", "i64 ".repeat(1_001)),
    ] {
        assert!(Module::new(&engine, &text).is_err());
    }
}

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

#[test]
fn a_precompiled_module_that_was_altered_is_refused() {
    let engine = Engine::default();
    let code = Module::new(&engine, EVERYTHING).unwrap().serialize().unwrap();
    assert!(Module::is_precompiled(&code));
    let folder = std::env::temp_dir().join(format!("waft-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("module");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Module::from_trusted_file(&engine, &path)
    };
    load(&code).unwrap();
    let mut prng = Prng::new(3);
    for _ in 0..500 {
        let mut altered = code.clone();
        let at = prng.below(altered.len());
        altered[at] ^= 1 << prng.below(8);
        assert!(load(&altered).is_err(), "a bit of byte {at} was flipped");
        assert!(load(&code[..prng.below(code.len())]).is_err());
    }
    assert!(load(&[]).is_err());
    assert!(load(&[&code[..], b"more"].concat()).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
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
