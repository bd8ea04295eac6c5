//! `waft run`, from outside: output, exit codes, grants, limits.

use crate::common::Folder;
use std::time::{Duration, Instant};

/// Helpers for programs that speak WASI: `$print` writes a string in memory.
const PRELUDE: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $prestat_name (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func $print_to (param $fd i32) (param $at i32) (param $length i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $length))
        (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func $print (param i32 i32) (call $print_to (i32.const 1) (local.get 0) (local.get 1)))
"#;

fn program(items: &str) -> String {
    format!("(module $program {PRELUDE} {items})")
}

fn hello() -> String {
    program(
        r#"(data (i32.const 16) "hello\n") (func (export "_start") (call $print (i32.const 16) (i32.const 6)))"#,
    )
}

/// Prints all arguments, each with its NUL.
fn print_args() -> String {
    program(
        r#"(func (export "_start")
            (drop (call $args_sizes (i32.const 100) (i32.const 104)))
            (drop (call $args_get (i32.const 200) (i32.const 1000)))
            (call $print (i32.const 1000) (i32.load (i32.const 104))))"#,
    )
}

fn print_environ() -> String {
    program(
        r#"(func (export "_start")
            (drop (call $environ_sizes (i32.const 100) (i32.const 104)))
            (drop (call $environ_get (i32.const 200) (i32.const 1000)))
            (call $print (i32.const 1000) (i32.load (i32.const 104))))"#,
    )
}

#[test]
fn text_binary_and_standard_input_run_alike() {
    let folder = Folder::new("alike");
    folder.write("hello.wat", hello());
    // Told apart by content, so the name does not matter.
    folder.write("hello.txt", hello());
    folder.waft(&["run", "hello.wat"]).says("hello\n");
    folder.waft(&["run", "hello.txt"]).says("hello\n");
    folder.waft_with(&["run", "-"], hello().as_bytes(), &[]).says("hello\n");
    folder.waft(&["compile", "hello.wat", "-o", "hello.cwasm"]).says("");
    folder.waft(&["run", "hello.cwasm"]).says("hello\n");
}

#[test]
fn the_exit_code_is_the_guests_own() {
    let folder = Folder::new("exit");
    for code in [0, 1, 7, 134, 255] {
        folder.write(
            "exit.wat",
            program(&format!(r#"(func (export "_start") (call $exit (i32.const {code})))"#)),
        );
        folder.waft(&["run", "exit.wat"]).fails(code, &[]);
    }
}

#[test]
fn a_trap_ends_with_134_and_a_backtrace() {
    let folder = Folder::new("trap");
    folder.write(
        "trap.wat",
        program(r#"(func $inner unreachable) (func $outer (export "_start") call $inner)"#),
    );
    let run = folder.waft(&["run", "trap.wat"]);
    let stderr = run.stderr();
    run.fails(134, &["trap.wat", "unreachable", "inner", "outer"]);
    assert!(stderr.find("inner") < stderr.find("outer"), "innermost first:\n{stderr}");
}

#[test]
fn collections_are_reported_when_asked_for() {
    let folder = Folder::new("gc-stats");
    let churn = r#"(module (type $t (array (mut i64))) (func (export "f") (param i32) (result i32)
        (loop (drop (array.new_default $t (i32.const 1000)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (i32.const 7)))"#;
    folder.write("churn.wat", churn);
    let run = folder.waft(&["run", "--gc-stats", "--invoke", "f", "churn.wat", "1000"]);
    let stderr = run.stderr();
    run.says("7\n");
    for word in ["garbage collection: ", " minor ", "longest pause", "8008000 bytes allocated"] {
        assert!(stderr.contains(word), "{stderr}");
    }
}

#[test]
fn an_uncaught_exception_ends_like_a_trap_and_is_told() {
    let folder = Folder::new("exception");
    let throws = r#"(tag $t (param i32 f64))
        (func $inner (throw $t (i32.const -7) (f64.const 0.5))) (func $outer (export "_start") call $inner)"#;
    folder.write("throw.wat", program(throws));
    let run = folder.waft(&["run", "throw.wat"]);
    run.fails(134, &["throw.wat", "uncaught exception: tag (i32, f64) with -7, 0.5", "inner", "outer"]);
    // From a start function as well.
    folder.write("start.wat", r#"(module (tag $t) (func $begin (throw $t)) (start $begin))"#);
    folder.waft(&["run", "start.wat"]).fails(134, &["start.wat", "uncaught exception: tag ()", "begin"]);
}

#[test]
fn endless_recursion_traps_soon() {
    let folder = Folder::new("recursion");
    folder.write("recursion.wat", program(r#"(func $f (export "_start") call $f)"#));
    let start = Instant::now();
    folder.waft(&["run", "recursion.wat"]).fails(134, &["call stack exhausted"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn deep_recursion_runs() {
    let folder = Folder::new("deep");
    let deep = r#"(module (func $f (export "f") (param i32) (result i32)
        (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
            (else (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))))))"#;
    folder.write("deep.wat", deep);
    folder.waft(&["run", "--invoke", "f", "deep.wat", "500000"]).says("500000\n");
}

#[test]
fn arguments_after_the_file_are_the_guests() {
    let folder = Folder::new("args");
    folder.write("args.wat", print_args());
    folder
        .waft(&["run", "args.wat", "a", "--dir", "b", "-x", "--", "--help", ""])
        .says("args.wat\0a\0--dir\0b\0-x\0--\0--help\0\0");
}

#[test]
fn the_environment_is_what_was_granted() {
    let folder = Folder::new("env");
    folder.write("env.wat", print_environ());
    let env = [("WAFT_TEST_A", "one"), ("WAFT_TEST_B", "two")];
    folder.waft_with(&["run", "env.wat"], b"", &env).says("");
    folder
        .waft_with(&["run", "--env", "WAFT_TEST_A", "--env", "C=x=y", "--env", "D=", "env.wat"], b"", &env)
        .says("WAFT_TEST_A=one\0C=x=y\0D=\0");
    folder.waft(&["run", "--env", "WAFT_TEST_ABSENT", "env.wat"]).fails(1, &["WAFT_TEST_ABSENT", "not set"]);
    folder.waft(&["run", "--env", "=x", "env.wat"]).fails(2, &["--env"]);
}

#[test]
fn standard_input_reaches_the_guest() {
    let folder = Folder::new("stdin");
    let cat = program(
        r#"(func (export "_start")
            (loop $again
                (i32.store (i32.const 100) (i32.const 1000))
                (i32.store (i32.const 104) (i32.const 4096))
                (drop (call $fd_read (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 108)))
                (if (i32.load (i32.const 108)) (then
                    (call $print (i32.const 1000) (i32.load (i32.const 108)))
                    (br $again)))))"#,
    );
    folder.write("cat.wat", cat);
    let text = "line\n".repeat(5000);
    folder.waft_with(&["run", "cat.wat"], text.as_bytes(), &[]).says(&text);
}

/// Opens `file.txt` in the first granted directory and prints it; exits with the errno if that fails. `oflags` and
/// `rights` say how.
fn open(oflags: u32, rights: u64) -> String {
    program(&format!(
        r#"(data (i32.const 16) "file.txt")
        (func (export "_start") (local $errno i32)
            (local.set $errno (call $path_open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 8)
                (i32.const {oflags}) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 100)))
            (if (local.get $errno) (then (call $exit (local.get $errno))))
            (i32.store (i32.const 104) (i32.const 1000))
            (i32.store (i32.const 108) (i32.const 4096))
            (drop (call $fd_read (i32.load (i32.const 100)) (i32.const 104) (i32.const 1) (i32.const 112)))
            (call $print (i32.const 1000) (i32.load (i32.const 112))))"#
    ))
}

const READ: u64 = 1 << 1;
const READ_WRITE: u64 = 1 << 1 | 1 << 6;
const CREATE: u32 = 1;

#[test]
fn files_are_seen_where_they_were_granted_and_nowhere_else() {
    let folder = Folder::new("dir");
    std::fs::create_dir(folder.path("data")).unwrap();
    folder.write("data/file.txt", "content\n");
    folder.write("file.txt", "not this\n");
    folder.write("open.wat", open(0, READ));
    folder.waft(&["run", "--dir", "data", "open.wat"]).says("content\n");
    folder.waft(&["run", "--dir", "data:ro", "open.wat"]).says("content\n");
    folder.waft(&["run", "--dir", "data::/srv:ro", "open.wat"]).says("content\n");
    let badf = 8;
    folder.waft(&["run", "open.wat"]).fails(badf, &[]);
    folder.waft(&["run", "--dir", "absent", "open.wat"]).fails(1, &["--dir absent", "No such file"]);
    folder.waft(&["run", "--dir", "open.wat", "open.wat"]).fails(1, &["--dir open.wat", "Not a directory"]);
    folder.waft(&["run", "--dir", "::x", "open.wat"]).fails(2, &["HOST[::GUEST][:ro]"]);
}

#[test]
fn a_read_only_directory_stays_as_it_is() {
    let folder = Folder::new("read-only");
    std::fs::create_dir(folder.path("data")).unwrap();
    folder.write("create.wat", open(CREATE, READ_WRITE));
    let denied = folder.waft(&["run", "--dir", "data:ro", "create.wat"]);
    assert!(
        !matches!(denied.0.status.code(), Some(0 | 1 | 2 | 134)),
        "an errno of WASI was expected: {denied:?}"
    );
    assert!(!folder.path("data/file.txt").exists());
    folder.waft(&["run", "--dir", "data", "create.wat"]).says("");
    assert!(folder.path("data/file.txt").exists());
}

#[test]
fn a_directory_has_the_name_that_it_was_granted_under() {
    let folder = Folder::new("dir-name");
    let name = program(
        r#"(func (export "_start")
            (drop (call $prestat (i32.const 3) (i32.const 100)))
            (drop (call $prestat_name (i32.const 3) (i32.const 1000) (i32.load (i32.const 104))))
            (call $print (i32.const 1000) (i32.load (i32.const 104))))"#,
    );
    folder.write("name.wat", name);
    folder.waft(&["run", "--dir", ".", "name.wat"]).says(".");
    folder.waft(&["run", "--dir", ".::/srv", "name.wat"]).says("/srv");
    folder.waft(&["run", "--dir", ".::/srv:ro", "name.wat"]).says("/srv");
}

#[test]
fn invoke_parses_by_type_and_prints_one_result_a_line() {
    let folder = Folder::new("invoke");
    folder.write(
        "lib.wat",
        r#"(module
            (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
            (func (export "all") (param i32 i64 f32 f64 v128) (result v128 f64 f32 i64 i32)
                local.get 4 local.get 3 local.get 2 local.get 1 local.get 0)
            (func (export "refs") (param funcref externref) (result funcref externref) local.get 0 local.get 1)
            (func (export "none")))"#,
    );
    folder.waft(&["run", "--invoke", "add", "lib.wat", "3", "5"]).says("8\n");
    folder.waft(&["run", "--invoke", "add", "lib.wat", "-3", "0x5"]).says("2\n");
    folder.waft(&["run", "--invoke", "add", "lib.wat", "4294967295", "0"]).says("-1\n");
    folder
        .waft(&["run", "--invoke", "all", "lib.wat", "1", "-2", "0.5", "-inf", "255"])
        .says("0x000000000000000000000000000000ff\n-inf\n0.5\n-2\n1\n");
    folder.waft(&["run", "--invoke", "refs", "lib.wat", "null", "null"]).says("null\nnull\n");
    folder.waft(&["run", "--invoke", "none", "lib.wat"]).says("");
    folder
        .waft(&["run", "--invoke", "add", "lib.wat", "3"])
        .fails(1, &["add takes 2 arguments", "1 was given"]);
    folder
        .waft(&["run", "--invoke", "add", "lib.wat", "3", "x"])
        .fails(1, &["argument 2 of add", "`x`", "i32"]);
    folder.waft(&["run", "--invoke", "sub", "lib.wat"]).fails(1, &["--invoke sub", "`add`"]);
}

#[test]
fn a_reactor_is_initialised_before_it_is_called() {
    let folder = Folder::new("reactor");
    folder.write(
        "reactor.wat",
        r#"(module (global $g (mut i32) (i32.const 1))
            (func (export "_initialize") (global.set $g (i32.const 2)))
            (func (export "get") (result i32) (global.get $g)))"#,
    );
    folder.waft(&["run", "--invoke", "get", "reactor.wat"]).says("2\n");
    folder.waft(&["run", "reactor.wat"]).fails(1, &["nothing to run", "_start", "`get`", "--invoke"]);
}

#[test]
fn memory_is_limited() {
    let folder = Folder::new("memory");
    folder.write(
        "grow.wat",
        r#"(module (memory 1) (func (export "f") (result i32)
            (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
            memory.size))"#,
    );
    folder.waft(&["run", "--max-memory", "1MiB", "--invoke", "f", "grow.wat"]).says("16\n");
    folder
        .waft(&["run", "--max-memory", "10000", "--invoke", "f", "grow.wat"])
        .fails(1, &["grow.wat: --max-memory 9.8 KiB: "]);
    folder.waft(&["run", "--max-memory", "lots", "grow.wat"]).fails(2, &["--max-memory", "512MiB"]);
}

#[test]
fn a_timeout_ends_loops_start_functions_and_reads() {
    let folder = Folder::new("timeout");
    folder.write("loop.wat", program(r#"(func (export "_start") (loop br 0))"#));
    folder.write("start.wat", r#"(module (func $s (loop br 0)) (start $s))"#);
    for file in ["loop.wat", "start.wat"] {
        let start = Instant::now();
        folder.waft(&["run", "--timeout", "100ms", file]).fails(134, &[file, "timeout", "100ms"]);
        assert!(start.elapsed() < Duration::from_secs(20), "{file}: {:?}", start.elapsed());
    }
    folder.write("hello.wat", hello());
    folder.waft(&["run", "--timeout", "1m", "hello.wat"]).says("hello\n");
    folder.waft(&["run", "--timeout", "0s", "hello.wat"]).fails(2, &["--timeout"]);
}

#[test]
fn a_timeout_ends_a_read_that_blocks() {
    let folder = Folder::new("timeout-read");
    let read = program(
        r#"(func (export "_start")
            (i32.store (i32.const 100) (i32.const 1000))
            (i32.store (i32.const 104) (i32.const 1))
            (drop (call $fd_read (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 108))))"#,
    );
    let path = folder.write("read.wat", read);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_waft"))
        .args(["run", "--no-cache", "--timeout", "200ms"])
        .arg(path)
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Held open, and never written to.
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(134), "{}", String::from_utf8_lossy(&output.stderr));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("timeout: it ran for 200ms"), "{stderr}");
}

#[test]
fn a_timeout_ends_a_sleep() {
    let folder = Folder::new("timeout-sleep");
    // One subscription: the monotonic clock (1), in 2^62 nanoseconds.
    let sleep = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i32.store (i32.const 16) (i32.const 1))
            (i64.store (i32.const 24) (i64.const 0x4000000000000000))
            (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))"#;
    folder.write("sleep.wat", sleep);
    let start = Instant::now();
    folder.waft(&["run", "--timeout", "200ms", "sleep.wat"]).fails(134, &["timeout: it ran for 200ms"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn what_is_missing_is_named_with_its_type_and_the_reason() {
    let folder = Folder::new("missing");
    folder.write(
        "missing.wat",
        r#"(module
            (import "env" "draw" (func (param i32 f64) (result i32)))
            (import "wasi_snapshot_preview1" "fd_dance" (func))
            (import "gojs" "runtime.x" (func))
            (import "other" "memory" (memory 2 4))
            (func (export "_start")))"#,
    );
    folder.waft(&["run", "missing.wat"]).fails(
        1,
        &[
            "missing.wat",
            "env.draw: func (i32, f64) -> i32",
            "wasi_snapshot_preview1.fd_dance: func ()",
            "WASI 0.1 has no such function",
            "GOOS=wasip1",
            "other.memory: memory, 2 pages (128 KiB) to 4 pages (256 KiB)",
        ],
    );
}

#[test]
fn a_wrong_type_of_import_is_an_error() {
    let folder = Folder::new("mistyped");
    folder.write(
        "mistyped.wat",
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64))) (func (export "_start")))"#,
    );
    folder.waft(&["run", "mistyped.wat"]).fails(1, &["mistyped.wat", "proc_exit"]);
}

#[test]
fn what_is_no_module_is_refused_with_the_place() {
    let folder = Folder::new("no-module");
    folder.write("text.wat", "(module\n  (func (result i32)\n    i32.cnst 1))");
    folder.write("cut.wasm", b"\0asm\x01\0\0\0\x01\x05");
    folder.write("invalid.wat", "(module (func (result i32) i64.const 1))");
    folder.write("empty.wasm", "");
    folder.waft(&["run", "text.wat"]).fails(1, &["text.wat", ":3:", "i32.cnst"]);
    folder.waft(&["run", "cut.wasm"]).fails(1, &["cut.wasm", "offset"]);
    folder.waft(&["run", "invalid.wat"]).fails(1, &["invalid.wat", "type mismatch", "offset"]);
    folder.waft(&["run", "absent.wasm"]).fails(1, &["cannot read absent.wasm", "No such file"]);
    folder.waft(&["run", "."]).fails(1, &["cannot read ."]);
    folder.waft(&["run", "empty.wasm"]).fails(1, &["empty.wasm"]);
    folder.waft(&["run"]).fails(2, &["FILE"]);
}

#[test]
fn a_program_that_is_all_start_function_has_run() {
    let folder = Folder::new("start");
    folder.write(
        "start.wat",
        program(
            r#"(data (i32.const 16) "x\n") (func $s (call $print (i32.const 16) (i32.const 2))) (start $s)"#,
        ),
    );
    folder.waft(&["run", "start.wat"]).says("x\n");
}
