//! Branch hints are data in a custom section: they never make a module invalid and never change what it does.

use waft::*;

/// `f(0)` is 1, all else 2; `hints` is the whole section in the text format.
fn text(hints: &str) -> String {
    format!(
        r#"(module (import "host" "f" (func))
            {hints}
            (func (export "f") (param i32) (result i32)
              (block $zero
                (i32.eqz (local.get 0))
                (br_if $zero)
                (return (i32.const 2)))
              (i32.const 1)))"#
    )
}

fn section(contents: &str) -> String {
    text(&format!(r#"(@custom "metadata.code.branch_hint" (before code) "{contents}")"#))
}

fn run(module: &Module) {
    let mut store = Store::new(module.engine(), ());
    let host = Func::wrap(&mut store, || ());
    let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    assert_eq!((f.call(&mut store, 0).unwrap(), f.call(&mut store, 5).unwrap()), (1, 2));
}

#[test]
fn hints_of_any_kind_leave_results_alone() {
    let engine = Engine::default();
    // The `br_if` stands at offset 6 of function 1.
    let rows = [
        (r"\01\01\01\06\01\00", true),
        (r"\01\01\01\06\01\01", true),
        (r"\01\01\01\05\01\00", true),
        (r"\01\01\01\ff\ff\ff\ff\0f\01\00", true),
        (r"\00", false),
        (r"", false),
        (r"\01\01\01\06\01\02", false),
        (r"\01\00\01\06\01\00", false),
        (r"\01\02\01\06\01\00", false),
        (r"\01\ff\ff\ff\ff\0f\01\06\01\00", false),
    ];
    for (contents, used) in rows {
        let module = Module::new(&engine, section(contents)).unwrap();
        assert_eq!(module.proposals_used().unwrap().unwrap().contains(&"branch-hinting"), used, "{contents}");
        run(&module);
    }
}

#[test]
fn hints_stay_with_a_precompiled_module_as_a_section() {
    let engine = Engine::default();
    for contents in [r"\01\01\01\06\01\00", r"\01\01\01\06\01\00 and more"] {
        let artifact = Module::new(&engine, section(contents)).unwrap().serialize().unwrap();
        // SAFETY: these bytes were made a moment ago, by the same engine.
        let module = unsafe { Module::deserialize(&engine, &artifact) }.unwrap();
        run(&module);
        assert!(module.custom_sections().unwrap().any(|(name, _)| name == "metadata.code.branch_hint"));
        assert_eq!(module.proposals_used().unwrap(), None);
    }
}

#[test]
fn hints_change_the_code_unless_they_are_switched_off() {
    let compile = |config: &mut Config, text: String| {
        let engine = Engine::new(config.tier(TierChoice::Optimized)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let artifact = module.serialize().unwrap();
        // The code is the end of the artifact.
        artifact[artifact.len() - module.code_size()..].to_vec()
    };
    // Likely: what comes first in the module comes last in the code.
    let hinted = || section(r"\01\01\01\06\01\01");
    let plain = compile(&mut Config::new(), text(""));
    assert_ne!(compile(&mut Config::new(), hinted()), plain);
    assert_eq!(compile(Config::new().wasm_branch_hinting(false), hinted()), plain);
}
