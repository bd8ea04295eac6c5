//! `waft compile`, and running what it wrote; or not running it.

use crate::common::Folder;
use std::os::unix::fs::PermissionsExt;

const MODULE: &str = r#"(module (memory 1) (data (i32.const 0) "*")
    (func (export "f") (result i32) (i32.load8_u (i32.const 0))))"#;

fn compiled(test: &str) -> Folder {
    let folder = Folder::new(test);
    folder.write("module.wat", MODULE);
    folder.waft(&["compile", "module.wat", "-o", "module.cwasm"]).says("");
    folder
}

const RUN: &[&str] = &["run", "--invoke", "f", "module.cwasm"];

#[test]
fn compiled_code_runs_and_can_be_inspected() {
    let folder = compiled("compiled");
    folder.waft(RUN).says("42\n");
    let run = folder.waft(&["inspect", "module.cwasm"]);
    assert!(run.stdout().contains("f: func () -> i32"), "{run:?}");
}

#[test]
fn code_goes_to_a_pipe_and_comes_from_a_file_only() {
    let folder = Folder::new("pipe");
    let run = folder.waft_with(&["compile", "-", "-o", "-"], MODULE.as_bytes(), &[]);
    let code = &run.0.stdout;
    folder.write("module.cwasm", code);
    folder.waft(RUN).says("42\n");
    folder.waft_with(&["run", "-"], code, &[]).fails(1, &["standard input", "precompiled"]);
}

#[test]
fn damaged_code_is_refused_with_the_reason() {
    let folder = compiled("damaged");
    let code = std::fs::read(folder.path("module.cwasm")).unwrap();
    for length in [9, code.len() / 2, code.len() - 1] {
        folder.write("module.cwasm", &code[..length]);
        folder.waft(RUN).fails(1, &["module.cwasm", "truncated"]);
    }
    let mut altered = code.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    folder.write("module.cwasm", &altered);
    folder.waft(RUN).fails(1, &["module.cwasm", "altered"]);
}

#[test]
fn code_that_anybody_may_write_is_refused() {
    let folder = compiled("writable");
    std::fs::set_permissions(folder.path("module.cwasm"), PermissionsExt::from_mode(0o646)).unwrap();
    folder.waft(RUN).fails(1, &["module.cwasm", "write"]);
    std::fs::set_permissions(folder.path("module.cwasm"), PermissionsExt::from_mode(0o444)).unwrap();
    folder.waft(RUN).says("42\n");
}

#[test]
fn an_output_that_cannot_be_written_leaves_nothing() {
    let folder = compiled("unwritable");
    folder.waft(&["compile", "module.wat", "-o", "absent/out"]).fails(1, &["cannot write absent/out"]);
    folder.waft(&["compile", "absent.wat", "-o", "out"]).fails(1, &["cannot read absent.wat"]);
    folder.write("bad.wat", "(module (func (result i32)))");
    folder.waft(&["compile", "bad.wat", "-o", "module.cwasm"]).fails(1, &["bad.wat"]);
    // The old output is still whole.
    folder.waft(RUN).says("42\n");
    assert!(!folder.path("out").exists());
    folder.waft(&["compile", "module.wat"]).fails(2, &["--output"]);
    folder.waft(&["compile", "module.cwasm", "-o", "out"]).fails(1, &["compiled already"]);
}
