//! The command as a whole: help, version, completion, scripts.

use crate::common::Folder;

#[test]
fn every_subcommand_has_help_with_examples() {
    let folder = Folder::new("help");
    for name in ["run", "explain", "compile", "inspect", "cache", "wast", "completion"] {
        let run = folder.waft(&[name, "--help"]);
        assert_eq!(run.0.status.code(), Some(0));
        assert!(
            run.stdout().contains("Examples:") && run.stdout().contains(&format!("waft {name} ")),
            "{run:?}"
        );
    }
    let help = folder.waft(&["--help"]).stdout();
    assert!(help.contains("inspect") && help.contains("completion"), "{help}");
}

#[test]
fn the_version_is_the_packages() {
    let folder = Folder::new("version");
    folder.waft(&["--version"]).says(&format!("waft {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn nonsense_is_a_usage_error() {
    let folder = Folder::new("nonsense");
    folder.waft(&["fly"]).fails(2, &["fly"]);
    folder.waft(&["run", "--fly", "x.wat"]).fails(2, &["--fly"]);
    folder.waft(&[]).fails(2, &["Usage"]);
}

#[test]
fn completion_is_written_for_every_shell() {
    let folder = Folder::new("completion");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = folder.waft(&["completion", shell]);
        assert!(run.stdout().contains("max-memory"), "{shell}: {run:?}");
    }
    folder.waft(&["completion", "abacus"]).fails(2, &["abacus"]);
}

#[test]
fn scripts_are_run_and_counted() {
    let folder = Folder::new("scripts");
    let good =
        r#"(module (func (export "f") (result i32) i32.const 7)) (assert_return (invoke "f") (i32.const 7))"#;
    let bad = "(module (func (export \"f\") (result i32) i32.const 7))\n(assert_return (invoke \"f\") (i32.const 8))\n\
        (assert_trap (invoke \"f\") \"unreachable\")\n(assert_invalid (module) \"nothing\")\n(invoke \"g\")";
    folder.write("good.wast", good);
    folder.waft(&["wast", "good.wast"]).says("good.wast: 2 passed, 0 failed\n");
    folder.write("bad.wast", bad);
    let run = folder.waft(&["wast", "."]);
    let text = run.stdout();
    run.fails(1, &[]);
    let parts = [
        "bad.wast:2: ",
        "bad.wast:3: ",
        "bad.wast:4: ",
        "bad.wast:5: ",
        "1 passed, 4 failed",
        "3 passed, 4 failed",
    ];
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    folder.write("unread.wast", "(module (func) (assert_nothing))");
    folder.waft(&["wast", "unread.wast"]).fails(1, &[]);
    folder.waft(&["wast", "absent.wast"]).fails(1, &["cannot read absent.wast"]);
}
