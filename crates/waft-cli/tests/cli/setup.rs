//! The flags that set up the engine: proposals and determinism.

use crate::common::Folder;

const SIMD: &str =
    r#"(module (func (export "f") (result i32) (i32x4.extract_lane 0 (v128.const i32x4 7 0 0 0))))"#;

#[test]
fn a_proposal_that_is_off_is_named_with_its_switches() {
    let folder = Folder::new("setup-off");
    folder.write("simd.wat", SIMD);
    folder.waft(&["run", "--invoke", "f", "simd.wat"]).says("7\n");
    let wanted = [
        "error: module simd.wat: the module needs a proposal: `simd`, which is switched off (`Config::wasm_simd`)",
        "hint: --proposal simd switches on what the module needs",
    ];
    folder.waft(&["run", "--proposal", "-simd", "simd.wat"]).fails(1, &wanted);
    folder.waft(&["inspect", "--proposal", "tail-call,-simd", "simd.wat"]).fails(1, &wanted);
    folder.waft(&["compile", "--proposal=-all", "simd.wat", "-o", "-"]).fails(1, &wanted);
    // The last word counts.
    folder.waft(&["run", "--proposal", "-all,all", "--invoke", "f", "simd.wat"]).says("7\n");
    folder
        .waft(&["run", "--proposal", "-simd", "--proposal", "simd", "--invoke", "f", "simd.wat"])
        .says("7\n");
}

#[test]
fn what_nobody_can_switch_on_gets_no_hint() {
    let folder = Folder::new("setup-missing");
    folder.write("cont.wat", "(module (type $f (func)) (type (cont $f)))");
    let run = folder.waft(&["run", "cont.wat"]);
    assert!(!run.stderr().contains("hint"), "{run:?}");
    run.fails(1, &["`stack-switching`, which Waft does not support yet"]);
    folder
        .waft(&["run", "--proposal", "stack-switching", "cont.wat"])
        .fails(2, &["Waft does not support `stack-switching` yet"]);
    folder.waft(&["run", "--proposal", "smid", "cont.wat"]).fails(2, &["no proposal `smid`", "simd"]);
    folder.waft(&["run", "--proposal", "", "cont.wat"]).fails(2, &["--proposal"]);
}

#[test]
fn a_compiled_module_runs_under_the_flags_that_it_was_compiled_with() {
    let folder = Folder::new("setup-compiled");
    folder.write("simd.wat", SIMD);
    folder
        .waft(&["compile", "--proposal", "-multi-value,-tail-call", "simd.wat", "-o", "off.cwasm"])
        .says("");
    folder.waft(&["run", "--proposal", "-multi-value,-tail-call", "--invoke", "f", "off.cwasm"]).says("7\n");
    folder.waft(&["run", "--invoke", "f", "off.cwasm"]).fails(1, &["-tail-call`", "proposals: default`"]);
    folder.waft(&["compile", "--deterministic", "simd.wat", "-o", "nan.cwasm"]).says("");
    folder.waft(&["run", "--deterministic", "--invoke", "f", "nan.cwasm"]).says("7\n");
    folder.waft(&["inspect", "nan.cwasm"]).fails(1, &["canonical NaNs: true", "canonical NaNs: false"]);
}

#[test]
fn results_are_deterministic_on_demand() {
    let folder = Folder::new("setup-deterministic");
    let script = r#"
        (module (func (export "f") (param f32 f32) (result i32)
          (i32.reinterpret_f32 (f32.div (local.get 0) (local.get 1)))))
        (assert_return (invoke "f" (f32.const -nan:0x1) (f32.const 0)) (i32.const 0x7fc00000))"#;
    folder.write("nan.wast", script);
    folder.waft(&["wast", "--deterministic", "nan.wast"]).says("nan.wast: 2 passed, 0 failed\n");
    folder.waft(&["wast", "nan.wast"]).fails(1, &[]);
    folder
        .waft(&["wast", "--deterministic", "--proposal", "-sign-extension", "nan.wast"])
        .says("nan.wast: 2 passed, 0 failed\n");
}

#[test]
fn inspect_names_proposals_that_are_used_by_data_alone() {
    let folder = Folder::new("setup-hints");
    let hinted = r#"(module (func (param i32) local.get 0 (@metadata.code.branch_hint "\00") if end))"#;
    folder.write("hinted.wat", hinted);
    let text = folder.waft(&["inspect", "hinted.wat"]).stdout();
    assert!(text.contains("proposals used: branch-hinting\n"), "{text}");
}

#[test]
fn functions_are_compiled_when_the_flag_says() {
    let folder = Folder::new("setup-lazy");
    let text = r#"(module $m (func $g nop unreachable) (func $unused (result v128) v128.const i64x2 0 0)
        (func (export "f") (result i32) i32.const 7) (func $trap (export "trap") call $g))"#;
    folder.write("lazy.wat", text);
    for (tier, when) in
        ["auto", "baseline", "optimized"].iter().flat_map(|tier| [(tier, "lazy"), (tier, "eager")])
    {
        let run =
            |name| folder.waft(&["run", "--tier", tier, "--compile", when, "--invoke", name, "lazy.wat"]);
        run("f").says("7\n");
        run("trap").fails(134, &["unreachable", "m!g", "m!trap"]);
    }
    folder.waft(&["compile", "lazy.wat", "-o", "lazy.cwasm"]).says("");
    folder.waft(&["run", "--compile", "lazy", "--invoke", "f", "lazy.cwasm"]).says("7\n");
    folder.waft(&["run", "--compile", "never", "lazy.wat"]).fails(2, &["eager", "lazy"]);
    folder.waft(&["run", "--tier", "fast", "lazy.wat"]).fails(2, &["auto", "baseline", "optimized"]);
    // It has code already, of one compiler.
    for tier in ["auto", "optimized"] {
        folder.waft(&["run", "--tier", tier, "--invoke", "f", "lazy.cwasm"]).says("7\n");
    }
    folder
        .waft(&["run", "--tier", "baseline", "--invoke", "f", "lazy.cwasm"])
        .fails(1, &["it is for `cranelift`, this is `baseline`"]);
}
