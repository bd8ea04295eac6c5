//! WASI as real guests see it: through the engine.

use std::time::{Duration, Instant};
use waft::{Engine, Error, Linker, Module, Result, Store, Trap};
use waft_wasi::{Access, I32Exit, Input, MemoryInputPipe, MemoryOutputPipe, WasiCtx, p1};

/// All functions of `wasi_snapshot_preview1`, with their parameters.
const FUNCTIONS: [(&str, &str); 46] = [
    ("args_get", "i32 i32"),
    ("args_sizes_get", "i32 i32"),
    ("environ_get", "i32 i32"),
    ("environ_sizes_get", "i32 i32"),
    ("clock_res_get", "i32 i32"),
    ("clock_time_get", "i32 i64 i32"),
    ("fd_advise", "i32 i64 i64 i32"),
    ("fd_allocate", "i32 i64 i64"),
    ("fd_close", "i32"),
    ("fd_datasync", "i32"),
    ("fd_fdstat_get", "i32 i32"),
    ("fd_fdstat_set_flags", "i32 i32"),
    ("fd_fdstat_set_rights", "i32 i64 i64"),
    ("fd_filestat_get", "i32 i32"),
    ("fd_filestat_set_size", "i32 i64"),
    ("fd_filestat_set_times", "i32 i64 i64 i32"),
    ("fd_pread", "i32 i32 i32 i64 i32"),
    ("fd_prestat_get", "i32 i32"),
    ("fd_prestat_dir_name", "i32 i32 i32"),
    ("fd_pwrite", "i32 i32 i32 i64 i32"),
    ("fd_read", "i32 i32 i32 i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32"),
    ("fd_renumber", "i32 i32"),
    ("fd_seek", "i32 i64 i32 i32"),
    ("fd_sync", "i32"),
    ("fd_tell", "i32 i32"),
    ("fd_write", "i32 i32 i32 i32"),
    ("path_create_directory", "i32 i32 i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32"),
    ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32"),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32"),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    ("path_readlink", "i32 i32 i32 i32 i32 i32"),
    ("path_remove_directory", "i32 i32 i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32"),
    ("path_symlink", "i32 i32 i32 i32 i32"),
    ("path_unlink_file", "i32 i32 i32"),
    ("poll_oneoff", "i32 i32 i32 i32"),
    ("proc_exit", "i32"),
    ("proc_raise", "i32"),
    ("sched_yield", ""),
    ("random_get", "i32 i32"),
    ("sock_accept", "i32 i32 i32"),
    ("sock_recv", "i32 i32 i32 i32 i32 i32"),
    ("sock_send", "i32 i32 i32 i32 i32"),
    ("sock_shutdown", "i32 i32"),
];

/// The import of one function.
fn import(module: &str, name: &str) -> String {
    let (_, params) = FUNCTIONS.iter().find(|(other, _)| *other == name).unwrap();
    let result = if name == "proc_exit" { "" } else { "(result i32)" };
    format!(r#"(import "{module}" "{name}" (func ${name} (param {params}) {result}))"#)
}

/// A module that imports `names`, has a memory, and is otherwise `body`.
fn guest(names: &[&str], body: &str) -> String {
    let imports: String = names.iter().map(|name| import("wasi_snapshot_preview1", name)).collect();
    format!(r#"(module {imports} (memory (export "memory") 1) {body})"#)
}

fn linker(engine: &Engine) -> Linker<WasiCtx> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    linker
}

/// Runs the guest's `_start`.
fn run(ctx: WasiCtx, wat: &str) -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ctx);
    let instance = linker(&engine).instantiate(&mut store, &Module::new(&engine, wat)?)?;
    instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())
}

/// Runs the guest's `_start`, which ends by `proc_exit`.
fn exit_code(ctx: WasiCtx, wat: &str) -> i32 {
    run(ctx, wat).unwrap_err().downcast_ref::<I32Exit>().expect("an exit").0
}

#[test]
fn every_function_of_both_versions_is_there_with_its_type() {
    let engine = Engine::default();
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let names = FUNCTIONS.iter().filter(|(name, _)| module != "wasi_unstable" || *name != "sock_accept");
        let imports: String = names.map(|(name, _)| import(module, name)).collect();
        let wat = format!("(module {imports})");
        let mut store = Store::new(&engine, WasiCtx::default());
        let module = Module::new(&engine, &wat).unwrap();
        linker(&engine).instantiate(&mut store, &module).unwrap();
    }
}

#[test]
fn a_program_echoes_its_input() {
    let output = MemoryOutputPipe::new(100);
    let ctx = WasiCtx::builder().stdin(MemoryInputPipe::new("hello")).stdout(output.clone()).build();
    let wat = guest(
        &["fd_read", "fd_write"],
        r#"(data (i32.const 0) "\00\01\00\00\64\00\00\00")
        (func (export "_start")
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
            (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))"#,
    );
    run(ctx, &wat).unwrap();
    assert_eq!(output.contents(), b"hello");
}

#[test]
fn every_exit_code_reaches_the_host() {
    for code in [0, 1, 42, 126, 134, 255, 256, -1] {
        let wat = guest(
            &["proc_exit"],
            &format!(r#"(func (export "_start") (call $proc_exit (i32.const {code})) unreachable)"#),
        );
        assert_eq!(exit_code(WasiCtx::default(), &wat), code);
    }
}

#[test]
fn a_start_function_may_exit_too() {
    let engine = Engine::default();
    let mut store = Store::new(&engine, WasiCtx::default());
    let wat = guest(&["proc_exit"], "(func $start (call $proc_exit (i32.const 7))) (start $start)");
    let error = linker(&engine).instantiate(&mut store, &Module::new(&engine, &wat).unwrap()).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&I32Exit(7)));
}

#[test]
fn a_missing_memory_is_named() {
    let import = import("wasi_snapshot_preview1", "fd_write");
    let zeros = "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)";
    let wat = format!(r#"(module {import} (func (export "_start") (drop (call $fd_write {zeros}))))"#);
    let error = format!("{:?}", run(WasiCtx::default(), &wat).unwrap_err());
    assert!(error.contains("fd_write: the guest exports no memory by the name `memory`"), "{error}");
}

#[test]
fn a_shared_memory_is_refused() {
    let import = import("wasi_snapshot_preview1", "fd_write");
    let zeros = "(i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)";
    let wat = format!(
        r#"(module {import} (memory (export "memory") 1 1 shared)
            (func (export "_start") (drop (call $fd_write {zeros}))))"#
    );
    let error = format!("{:?}", run(WasiCtx::default(), &wat).unwrap_err());
    assert!(error.contains("fd_write: the guest's memory is shared"), "{error}");
}

#[test]
fn functions_without_pointers_need_no_memory() {
    let imports =
        import("wasi_snapshot_preview1", "fd_close") + &import("wasi_snapshot_preview1", "proc_exit");
    let body = r#"(func (export "_start") (call $proc_exit (call $fd_close (i32.const 99))))"#;
    assert_eq!(exit_code(WasiCtx::default(), &format!("(module {imports} {body})")), 8);
}

#[test]
fn a_pointer_out_of_bounds_traps_and_says_where() {
    let wat = guest(
        &["fd_write"],
        r#"(func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 0))))"#,
    );
    let error = run(WasiCtx::default(), &wat).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
    let text = format!("{error:?}");
    assert!(text.contains("wasi_snapshot_preview1.fd_write: pointer 0xfffc to 8 bytes is outside"), "{text}");
}

/// Words at every edge of a memory of one page.
const EDGES: [i64; 9] = [0, 8, 65528, 65535, 65536, 65537, 0x7fff_ffff, 0xffff_fffc, 0xffff_ffff];

#[test]
fn no_argument_of_any_function_harms_the_host() {
    let engine = Engine::default();
    let linker = linker(&engine);
    let dir = std::env::temp_dir().join(format!("waft-wasi-hostile-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    for (name, params) in FUNCTIONS {
        let types: Vec<_> = params.split_whitespace().collect();
        let args: String = (0..types.len()).map(|index| format!("(local.get {index})")).collect();
        let result = if name == "proc_exit" { "" } else { "drop" };
        let wat = guest(
            &[name],
            &format!(r#"(func (export "call") (param {params}) (call ${name} {args}) {result})"#),
        );
        let module = Module::new(&engine, &wat).unwrap();
        for first in EDGES.into_iter().chain([1, 3, 4]) {
            for rest in EDGES {
                let ctx = WasiCtx::builder().preopened_dir(&dir, "/", Access::ReadWrite).unwrap().build();
                let mut store = Store::new(&engine, ctx);
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let call = instance.get_func(&mut store, "call").unwrap();
                let args: Vec<_> = types
                    .iter()
                    .enumerate()
                    .map(|(index, ty)| {
                        let word = if index == 0 { first } else { rest };
                        if *ty == "i64" { waft::Val::I64(word) } else { waft::Val::I32(word as i32) }
                    })
                    .collect();
                // It may return, trap or exit; all that counts is that we are still here.
                let outcome: Result<()> = call.call(&mut store, &args, &mut []);
                if let Err(error) = outcome {
                    let known = error.is::<Trap>() || error.is::<I32Exit>();
                    assert!(known || error.downcast_ref::<Trap>().is_some(), "{name}: {error:?}");
                }
            }
        }
    }
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    std::fs::remove_dir(&dir).unwrap();
}

/// Runs the guest on this thread and interrupts it from another after a while.
fn interrupted(ctx: WasiCtx, wat: &str) -> (Error, Duration) {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ctx);
    let instance = linker(&engine).instantiate(&mut store, &Module::new(&engine, wat).unwrap()).unwrap();
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").unwrap();
    let handle = store.interrupt_handle();
    let began = Instant::now();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        handle.interrupt();
    });
    let error = start.call(&mut store, ()).unwrap_err();
    let took = began.elapsed();
    other.join().unwrap();
    (error, took)
}

#[track_caller]
fn is_soon_interrupted(ctx: WasiCtx, wat: &str) {
    let (error, took) = interrupted(ctx, wat);
    assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt), "{error:?}");
    assert!((50..5000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_read_that_waits_can_be_interrupted() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let ctx = WasiCtx::builder().stdin(Input::Fd(reader.into())).build();
    let wat = guest(
        &["fd_read"],
        r#"(data (i32.const 0) "\00\01\00\00\64\00\00\00")
        (func (export "_start")
            (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8))))"#,
    );
    is_soon_interrupted(ctx, &wat);
}

#[test]
fn a_sleep_can_be_interrupted() {
    // A relative timeout of the monotonic clock that is the largest number.
    let wat = guest(
        &["poll_oneoff"],
        r#"(func (export "_start")
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const -1))
            (drop (call $poll_oneoff (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128))))"#,
    );
    is_soon_interrupted(WasiCtx::default(), &wat);
}

#[test]
fn an_accept_that_waits_can_be_interrupted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ctx = WasiCtx::builder().preopened_socket(listener).unwrap().build();
    let wat = guest(
        &["sock_accept"],
        r#"(func (export "_start") (drop (call $sock_accept (i32.const 3) (i32.const 0) (i32.const 0))))"#,
    );
    is_soon_interrupted(ctx, &wat);
}

#[test]
fn four_gigabytes_of_randomness_can_be_interrupted() {
    let module = import("wasi_snapshot_preview1", "random_get");
    let wat = format!(
        r#"(module {module} (memory (export "memory") 65536)
        (func (export "_start") (drop (call $random_get (i32.const 0) (i32.const -1)))))"#
    );
    is_soon_interrupted(WasiCtx::default(), &wat);
}

#[test]
fn a_guest_of_the_older_version_seeks_by_its_own_numbers() {
    let dir = std::env::temp_dir().join(format!("waft-wasi-unstable-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("file"), "0123456789").unwrap();
    let ctx = WasiCtx::builder().preopened_dir(&dir, "/", Access::ReadOnly).unwrap().build();
    let imports: String =
        ["path_open", "fd_seek", "proc_exit"].map(|name| import("wasi_unstable", name)).into_iter().collect();
    // END is 1 there.
    let wat = format!(
        r#"(module {imports} (memory (export "memory") 1) (data (i32.const 0) "file")
        (func (export "_start")
            (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0)
                (i64.const 6) (i64.const 0) (i32.const 0) (i32.const 8)))
            (drop (call $fd_seek (i32.load (i32.const 8)) (i64.const -3) (i32.const 1) (i32.const 16)))
            (call $proc_exit (i32.load (i32.const 16)))))"#
    );
    assert_eq!(exit_code(ctx, &wat), 7);
    std::fs::remove_dir_all(&dir).unwrap();
}
