//! A precompiled module is the module that it was made of, or is refused with the reason.

mod common;

use common::{Dice, names, run, trap};
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use waft::*;
use xxhash_rust::xxh3::xxh3_64;

/// A module with something of everything that an artifact has to keep.
const MODULE: &str = r#"(module $kept (@custom "note" "custom content")
    (import "host" "double" (func $double (param i32) (result i32)))
    (memory (export "memory") 1 3) (data (i32.const 8) "bytes") (data $passive "later")
    (table (export "table") 2 funcref) (elem (i32.const 1) $inner)
    (global (export "global") (mut f64) (f64.const 1.5))
    (func $begin (i32.store8 (i32.const 100) (i32.const 1))) (start $begin)
    (func $inner (param i32) (result i32) (i32.div_s (i32.const 84) (local.get 0)))
    (func $outer (export "div") (param i32) (result i32) (call $inner (local.get 0)))
    (func (export "indirect") (param i32) (result i32)
        (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1)))
    (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
    (func (export "init") (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 5)))
    (func $deep (export "deep") (call $deep))
    (func (export "double") (param i32) (result i32) (call $double (local.get 0))))"#;

const TABLE_AT: usize = 16;
const PARTS: usize = 9;

/// Where the sections of an artifact are.
fn sections(artifact: &[u8]) -> Vec<Range<usize>> {
    let number = |at: usize| u64::from_le_bytes(artifact[at..at + 8].try_into().unwrap()) as usize;
    (0..PARTS)
        .map(|part| {
            let start = number(TABLE_AT + part * 16);
            start..start + number(TABLE_AT + part * 16 + 8)
        })
        .collect()
}

/// Makes the checksum right again.
fn reseal(artifact: &mut [u8]) {
    let checksum = xxh3_64(&artifact[TABLE_AT..]);
    artifact[8..TABLE_AT].copy_from_slice(&checksum.to_le_bytes());
}

fn load(engine: &Engine, artifact: &[u8]) -> Result<Module> {
    // SAFETY: what is damaged here is damaged where loading has to notice before it runs anything.
    unsafe { Module::deserialize(engine, artifact) }
}

/// A directory of a test's own, removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("waft-artifact-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    /// A file with this content and mode.
    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Everything about a module that an embedder can see, as text, and what its functions do.
fn behaviour(module: &Module) -> String {
    let mut text = format!("{:?}\n", module.name());
    for import in module.imports() {
        text += &format!("{}::{} {}\n", import.module(), import.name(), import.ty());
    }
    for export in module.exports() {
        text += &format!("{} {}\n", export.name(), export.ty());
    }
    text += &format!("{:?} {:?}\n", module.start_function(), module.defined_functions());
    let note = module.custom_sections().unwrap().find(|(name, _)| *name == "note");
    text += &format!("{note:?} {}\n", module.code_size());

    let mut store = Store::new(module.engine(), ());
    let mut linker = Linker::new(module.engine());
    linker.func_wrap("host", "double", |x: i32| x * 2).unwrap();
    let instance = linker.instantiate(&mut store, module).unwrap();
    for (name, arg) in [
        ("div", 2),
        ("div", 0),
        ("indirect", 3),
        ("indirect", 0),
        ("load", 8),
        ("load", 100),
        ("load", 65536),
        ("double", 21),
    ] {
        let func = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        match func.call(&mut store, arg) {
            Ok(value) => text += &format!("{name}({arg}) = {value}\n"),
            Err(error) => {
                let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
                let offsets: Vec<_> = frames.iter().map(|frame| frame.module_offset().unwrap()).collect();
                text += &format!("{name}({arg}): {:?} in {:?} at {offsets:?}\n", trap(&error), names(&error));
            }
        }
    }
    let error = run(&mut store, instance, "deep").unwrap_err();
    text += &format!("{:?} {}\n", trap(&error), names(&error).len());
    run(&mut store, instance, "init").unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    text + &format!("{:?}", &memory.data(&store)[..16])
}

#[test]
fn memories_and_tables_of_every_kind_are_kept() {
    let engine = Engine::default();
    let text = r#"(module
        (memory (export "a") i64 1 2) (memory (export "b") 10 20 (pagesize 1)) (memory (export "c") 1 2 shared)
        (memory (export "d") i64 1 2 shared (pagesize 1)) (table (export "e") i64 1 2 funcref)
        (data (memory 0) (i64.const 7) "x")
        (func (export "f") (result i32)
            (drop (i32.atomic.rmw.add 2 (i32.const 0) (i32.const 3)))
            (i32.add (i32.load8_u 0 (i64.const 7)) (i32.atomic.load 2 (i32.const 0)))))"#;
    let module = Module::new(&engine, text).unwrap();
    let folder = Scratch::new("kinds");
    let path = folder.file("kinds.cwasm", &module.serialize().unwrap(), 0o600);
    let loaded = Module::from_trusted_file(&engine, &path).unwrap();
    let types = |module: &Module| module.exports().map(|export| export.ty().to_string()).collect::<Vec<_>>();
    assert_eq!(types(&loaded), types(&module));
    assert_eq!(types(&loaded)[3], "(memory i64 1 2 shared (pagesize 1))");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &loaded, &[]).unwrap();
    let func = instance.get_typed_func::<(), u32>(&mut store, "f").unwrap();
    assert_eq!(func.call(&mut store, ()).unwrap(), u32::from(b'x') + 3);
}

#[test]
fn a_loaded_module_does_what_the_compiled_one_does() {
    let engine = Engine::new(Config::new().tier(TierChoice::Optimized)).unwrap();
    let module = Module::new(&engine, MODULE).unwrap();
    let artifact = module.serialize().unwrap();
    assert!(Module::is_precompiled(&artifact));
    let expected = behaviour(&module);
    for part in [
        "div(2) = 42",
        "IntegerDivisionByZero in [\"inner\", \"outer\"]",
        "StackOverflow 128",
        "double(21) = 42",
    ] {
        assert!(expected.contains(part), "{part} in {expected}");
    }
    drop(module);
    let scratch = Scratch::new("same");
    let path = scratch.file("module", &artifact, 0o644);
    let loaded = [
        load(&engine, &artifact).unwrap(),
        // Another engine of the same setup.
        load(&Engine::default(), &artifact).unwrap(),
        // SAFETY: a file that was just written, and is not written to again.
        unsafe { Module::deserialize_file(&engine, &path) }.unwrap(),
        Module::from_trusted_file(&engine, &path).unwrap(),
    ];
    // What is mapped stays, though the file has no name any more.
    drop(scratch);
    for module in loaded {
        assert_eq!(behaviour(&module), expected);
        assert!(module.serialize().unwrap() == artifact, "serialised again, it is another one");
    }
}

#[test]
fn a_loaded_module_makes_objects_that_collections_find() {
    let text = r#"(module
        (rec (type $list (struct (field i32) (field (mut (ref null $list))))) (type $all (array (mut (ref null $list)))))
        (global $first (ref $list) (struct.new $list (i32.const 1000) (ref.null $list)))
        (func $sum (param (ref null $list)) (result i32)
            (if (ref.is_null (local.get 0)) (then (return (i32.const 0))))
            (i32.add (struct.get $list 0 (local.get 0)) (call $sum (struct.get $list 1 (local.get 0)))))
        (func (export "run") (param $n i32) (result i32) (local $head (ref null $list)) (local $all (ref null $all))
            (local.set $head (global.get $first))
            (loop $l
                (local.set $head (struct.new $list (local.get $n) (local.get $head)))
                (local.set $all (array.new $all (local.get $head) (local.get $n)))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (i32.add (array.len (ref.cast (ref $all) (local.get $all))) (call $sum (ref.cast (ref $list) (local.get $head))))))"#;
    let artifact = Module::new(&Engine::default(), text).unwrap().serialize().unwrap();
    for stress in [GcStress::Off, GcStress::Minor, GcStress::Full] {
        let engine = Engine::new(Config::new().gc_stress(stress)).unwrap();
        // Types that take the numbers that those of the module had where it was compiled.
        let _others = Module::new(&engine, "(module (type (array i8)) (type (struct (field f64))))").unwrap();
        let module = load(&engine, &artifact).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        for _ in 0..2 {
            assert_eq!(run.call(&mut store, 100).unwrap(), 1 + 1000 + 5050, "{stress:?}");
            store.gc();
        }
    }
}

#[test]
fn modules_without_code_are_kept_too() {
    let engine = Engine::default();
    for text in ["(module)", r#"(module (memory (export "m") 1) (data (i32.const 0) "x"))"#] {
        let module = Module::new(&engine, text).unwrap();
        let artifact = module.serialize().unwrap();
        let scratch = Scratch::new("empty");
        let path = scratch.file("module", &artifact, 0o600);
        for loaded in [load(&engine, &artifact), Module::from_trusted_file(&engine, &path)] {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &loaded.unwrap(), &[]).unwrap();
            assert_eq!(instance.exports(&mut store).len(), module.exports().len());
        }
    }
}

#[test]
fn truncated_artifacts_are_refused() {
    let engine = Engine::default();
    let artifact = Module::new(&engine, MODULE).unwrap().serialize().unwrap();
    let ends = sections(&artifact).into_iter().flat_map(|section| [section.start, section.end]);
    let mut lengths: Vec<usize> = (0..300).chain(ends.flat_map(|at| [at - 1, at, at + 1])).collect();
    lengths.extend([artifact.len() - 1, artifact.len() / 2]);
    for len in lengths.into_iter().filter(|len| *len < artifact.len()) {
        let text = load(&engine, &artifact[..len]).unwrap_err().to_string();
        let reason = if len < 8 { "not a module precompiled" } else { "truncated" };
        assert!(text.contains(reason), "{len} bytes: {text}");
    }
    let longer = [&artifact[..], b"x"].concat();
    assert!(load(&engine, &longer).unwrap_err().to_string().contains("altered"));
}

#[test]
fn altered_artifacts_are_refused() {
    let engine = Engine::default();
    let artifact = Module::new(&engine, MODULE).unwrap().serialize().unwrap();
    let mut dice = Dice::new(1);
    for round in 0..400 {
        // Each byte of the head, then any.
        let at = if round < TABLE_AT + PARTS * 16 { round } else { dice.below(artifact.len()) };
        let mut altered = artifact.clone();
        altered[at] ^= 1 << dice.below(8);
        let text = load(&engine, &altered).unwrap_err().to_string();
        let reason = if at < 8 { "not a module precompiled" } else { "truncated or altered" };
        assert!(text.contains(reason), "byte {at}: {text}");
    }
}

#[test]
fn sections_outside_of_the_file_are_refused_whatever_the_checksum_says() {
    let engine = Engine::default();
    let artifact = Module::new(&engine, MODULE).unwrap().serialize().unwrap();
    for part in 0..PARTS {
        for (field, value) in [
            (0, artifact.len() as u64 + 1),
            (0, u64::MAX),
            (8, artifact.len() as u64),
            (8, u64::MAX),
            (8, 1 << 63),
        ] {
            let at = TABLE_AT + part * 16 + field;
            let mut altered = artifact.clone();
            altered[at..at + 8].copy_from_slice(&value.to_le_bytes());
            reseal(&mut altered);
            let text = format!("{:?}", load(&engine, &altered).unwrap_err());
            let outside = text.contains(&format!("section {part} of the precompiled module lies outside"));
            assert!(outside, "section {part}, {field}: {text}");
        }
    }
}

#[test]
fn artifacts_for_something_else_are_refused_with_the_difference() {
    let engine = Engine::default();
    let artifact = Module::new(&engine, MODULE).unwrap().serialize().unwrap();
    let fingerprint = sections(&artifact)[0].clone();
    for at in fingerprint.clone() {
        let mut foreign = artifact.clone();
        foreign[at] = if foreign[at] == b'9' { b'8' } else { b'9' };
        reseal(&mut foreign);
        let text = load(&engine, &foreign).unwrap_err().to_string();
        assert!(text.contains("precompiled for something else"), "{text}");
    }
    let mut foreign = artifact.clone();
    let version = env!("CARGO_PKG_VERSION");
    let at = fingerprint.start + "waft ".len();
    assert_eq!(&foreign[at..at + version.len()], version.as_bytes());
    foreign[at] = b'8';
    reseal(&mut foreign);
    let text = load(&engine, &foreign).unwrap_err().to_string();
    assert!(
        text.contains("it is for `waft 8") && text.contains(&format!("this is `waft {version}`")),
        "{text}"
    );
}

#[test]
fn what_an_engine_does_not_allow_comes_in_by_no_artifact() {
    let artifact = Module::new(&Engine::default(), "(module (func (drop (v128.const i64x2 0 0))))").unwrap();
    let artifact = artifact.serialize().unwrap();
    let engine = Engine::new(Config::new().wasm_simd(false)).unwrap();
    let text = load(&engine, &artifact).unwrap_err().to_string();
    assert!(text.contains("precompiled for something else") && text.contains("proposals"), "{text}");
}

#[test]
fn deterministic_engines_take_deterministic_code_alone() {
    let engines = [
        Engine::default(),
        Engine::new(Config::new().relaxed_simd_deterministic(true)).unwrap(),
        Engine::new(Config::new().deterministic(true)).unwrap(),
    ];
    let text = "(module (func (param f32) (result f32) (f32.sqrt (local.get 0))))";
    for (maker, from) in engines.iter().enumerate() {
        let artifact = Module::new(from, text).unwrap().serialize().unwrap();
        for (user, to) in engines.iter().enumerate() {
            assert_eq!(load(to, &artifact).is_ok(), maker == user, "from {maker} to {user}");
        }
    }
}

#[test]
fn files_that_others_can_write_or_that_are_no_artifacts_are_refused() {
    let engine = Engine::default();
    let artifact = Module::new(&engine, "(module (func))").unwrap().serialize().unwrap();
    let scratch = Scratch::new("files");
    let rows = [
        (scratch.file("open", &artifact, 0o666), "everybody may write"),
        (scratch.file("very-open", &artifact, 0o777), "everybody may write"),
        (scratch.file("empty", b"", 0o600), "empty"),
        (scratch.file("text", b"(module)", 0o600), "not a module precompiled"),
        (scratch.file("short", &artifact[..100], 0o600), "truncated"),
        (scratch.file("wasm", b"\0asm\x01\0\0\0", 0o600), "not a module precompiled"),
        (scratch.0.join("missing"), "cannot open"),
        (scratch.0.clone(), "not a regular file"),
    ];
    for (path, reason) in rows {
        let text = format!("{:?}", Module::from_trusted_file(&engine, &path).unwrap_err());
        assert!(text.contains(reason) && text.contains(path.to_str().unwrap()), "{text}");
    }
    Module::from_trusted_file(&engine, scratch.file("good", &artifact, 0o400)).unwrap();
}

#[test]
fn artifacts_are_never_taken_for_modules() {
    let engine = Engine::default();
    let artifact = Module::new(&engine, "(module (func))").unwrap().serialize().unwrap();
    let scratch = Scratch::new("refused");
    let path = scratch.file("module.wasm", &artifact, 0o600);
    for outcome in [
        Module::new(&engine, &artifact),
        Module::from_binary(&engine, &artifact),
        Module::from_file(&engine, &path),
    ] {
        let text = format!("{:?}", outcome.unwrap_err());
        assert!(text.contains("precompiled module") && text.contains("deserialize"), "{text}");
    }
    assert!(Module::validate(&engine, &artifact).is_err());
    assert!(load(&engine, b"\0asm\x01\0\0\0").is_err());
    for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"(module)", &artifact[..7]] {
        assert!(!Module::is_precompiled(bytes));
    }
}
