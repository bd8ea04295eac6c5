//! `waft inspect`: what is said about a module, to people and to programs.

use crate::common::Folder;

const MODULE: &str = r#"(module $tool
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_unstable" "path_unlink_file" (func (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32)))
    (import "env" "draw \"it\"" (func (param i32)))
    (import "env" "table" (table 1 funcref))
    (memory (export "memory") 2 10)
    (table 3 externref)
    (func $start)
    (start $start)
    (func (export "_start") (drop (i32x4.extract_lane 0 (v128.const i64x2 0 0)))))"#;

#[test]
fn a_module_is_described_with_the_grants_it_would_need() {
    let folder = Folder::new("inspect");
    folder.write("tool.wat", MODULE);
    let run = folder.waft(&["inspect", "tool.wat"]);
    let text = run.stdout();
    let parts = [
        "tool.wat: a module of ",
        "name: tool",
        "simd",
        "start function: 6",
        "memory, 2 pages (128 KiB) to 10 pages (640 KiB)",
        "table of externref, 3 elements, no maximum",
        "env.table: table of funcref, 1 elements, no maximum",
        "_start: func ()",
        "--env NAME[=VALUE]",
        "for environ_get",
        "--dir HOST[::GUEST][:ro]",
        "for path_open",
        "--dir without :ro",
        "for path_unlink_file",
        "for sock_accept",
        "always given: arguments, standard streams",
        "for fd_write",
        "not provided: env.draw",
        "not provided: env.table",
    ];
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}{}", run.stderr());
    }
    assert!(!text.contains("memories of its own: none"), "{text}");
}

#[test]
fn a_module_without_imports_needs_nothing() {
    let folder = Folder::new("inspect-none");
    folder.write("empty.wat", "(module)");
    assert!(folder.waft(&["inspect", "empty.wat"]).stdout().contains("none: it imports nothing"));
}

#[test]
fn json_has_the_same_for_programs() {
    let folder = Folder::new("inspect-json");
    folder.write("tool.wat", MODULE);
    let run = folder.waft(&["inspect", "--json", "tool.wat"]);
    let text = run.stdout();
    let parts = [
        r#""file": "tool.wat""#,
        r#""start": 6"#,
        r#""dir-write": ["path_unlink_file"]"#,
        r#"{"module": "env", "name": "draw \"it\"", "type": "func (i32)"}"#,
        r#""not_provided": [{"module": "env", "name": "draw \"it\"", "#,
    ];
    for part in parts {
        assert!(text.contains(part), "{part} is not in:\n{text}{}", run.stderr());
    }
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let folder = Folder::new("inspect-pipe");
    folder.write("tool.wat", MODULE);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_waft"))
        .args(["inspect", "tool.wat"])
        .current_dir(folder.path(""))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
