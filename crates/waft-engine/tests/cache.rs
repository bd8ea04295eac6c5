//! What comes out of the cache is what was compiled; all that is wrong with a cache costs time and nothing else.

mod common;

use common::scratch::{Scratch, TestCache, whole};
use common::{Dice, run};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use waft::*;
use xxhash_rust::xxh3::xxh3_64;

/// A module whose function gives a number.
fn module_of(number: u32) -> String {
    format!(r#"(module (func (export "f") (result i32) (i32.const {number})))"#)
}

/// What the function of such a module gives.
fn number_of(module: &Module) -> u32 {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    instance.get_typed_func::<(), u32>(&mut store, "f").unwrap().call(&mut store, ()).unwrap()
}

/// Compiles or finds such a module, and sees that it is right.
#[track_caller]
fn use_module(engine: &Engine, number: u32) {
    assert_eq!(number_of(&Module::new(engine, module_of(number)).unwrap()), number);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn hits_and_misses_are_counted() {
    let test = TestCache::new("counts");
    let engine = test.engine();
    use_module(&engine, 1);
    assert_eq!(test.counts(), (0, 1));
    use_module(&engine, 1);
    use_module(&test.engine(), 1);
    assert_eq!(test.counts(), (2, 1));
    use_module(&engine, 2);
    assert_eq!(test.counts(), (2, 2));
    // Text and binary are one module.
    let binary = wat::parse_str(module_of(1)).unwrap();
    assert_eq!(number_of(&Module::from_binary(&engine, &binary).unwrap()), 1);
    assert_eq!(test.counts(), (3, 2));
    for (name, content) in [("a.wasm", &binary[..]), ("a.wat", module_of(2).as_bytes())] {
        let path = test.folder.0.join(name);
        fs::write(&path, content).unwrap();
        Module::from_file(&engine, &path).unwrap();
    }
    assert_eq!(test.counts(), (5, 2));
    // What is only looked at has no code.
    Module::decode(&engine, &binary).unwrap();
    Module::validate(&engine, &binary).unwrap();
    assert_eq!(test.counts(), (5, 2));
    test.is_silent();
    let usage = test.cache.usage().unwrap();
    assert_eq!(usage.entries, 2);
    assert_eq!(usage.bytes, test.files().iter().map(|file| file.metadata().unwrap().len()).sum::<u64>());
}

#[test]
fn files_that_are_found_and_not_found_are_right() {
    let test = TestCache::new("from-file");
    let engine = test.engine();
    let path = test.folder.0.join("module.wasm");
    // Longer than what is read at once.
    let long = format!(
        r#"(module (func (export "f") (result i32) (i32.const 3)) (@custom "x" "{}"))"#,
        "y".repeat(400_000)
    );
    let long = wat::parse_str(long).unwrap();
    fs::write(&path, &long).unwrap();
    for hits in 0..3 {
        let module = Module::from_file(&engine, &path).unwrap();
        assert_eq!((number_of(&module), test.counts()), (3, (hits, 1)));
        assert!(module.wasm().unwrap() == long);
    }
    // One byte of the section differs, near its end: the same code is right.
    let mut other = long.clone();
    let at = other.len() - 5;
    other[at] = b'z';
    fs::write(&path, &other).unwrap();
    assert!(Module::from_file(&engine, &path).unwrap().wasm().unwrap() == other);
    assert_eq!(test.counts(), (3, 1));
    // One of a body.
    let at = other.windows(4).position(|bytes| bytes == [0, 0x41, 3, 0x0b]).unwrap();
    other[at + 2] = 4;
    fs::write(&path, &other).unwrap();
    assert_eq!(number_of(&Module::from_file(&engine, &path).unwrap()), 4);
    assert_eq!(test.counts(), (3, 2));
    let invalid = test.folder.0.join("invalid.wasm");
    fs::write(&invalid, b"\0asm\x01\0\0\0\xff").unwrap();
    let error = format!("{:?}", Module::from_file(&engine, &invalid).unwrap_err());
    assert!(error.contains("invalid.wasm"), "{error}");
    let error = format!("{:?}", Module::from_file(&engine, test.folder.0.join("absent")).unwrap_err());
    assert!(error.contains("cannot read") && error.contains("absent"), "{error}");
    test.is_silent();
}

#[test]
fn invalid_modules_leave_nothing() {
    let test = TestCache::new("invalid");
    for _ in 0..2 {
        let text = Module::new(&test.engine(), "(module (func i32.add))").unwrap_err().to_string();
        assert!(text.contains("type mismatch"), "{text}");
    }
    assert_eq!((test.counts(), test.cache.usage().unwrap().entries), ((0, 2), 0));
    // An engine that does not allow a module does not find what another one left.
    let text = "(module (func (drop (v128.const i64x2 0 0))))";
    Module::new(&test.engine(), text).unwrap();
    assert!(Module::new(&test.engine_with(whole().wasm_simd(false)), text).is_err());
}

#[test]
fn engines_of_different_setups_do_not_share_code() {
    let test = TestCache::new("setups");
    for round in 0..2 {
        for (at, mut config) in [whole(), whole(), whole()].into_iter().enumerate() {
            match at {
                0 => {}
                1 => drop(config.deterministic(true)),
                _ => drop(config.wasm_threads(false)),
            }
            use_module(&test.engine_with(&mut config), 5);
        }
        assert_eq!(test.counts(), (round * 3, 3));
    }
    // What code does not depend on does not matter.
    use_module(&test.engine_with(whole().max_wasm_stack(1 << 20).parallel_compilation(false)), 5);
    assert_eq!(test.counts(), (4, 3));
    assert_eq!(test.files().len(), 3);
    test.is_silent();
}

/// All that can be seen of a module, and of the errors of its functions.
fn appearance(module: &Module) -> String {
    let mut text =
        format!("{:?} {:?} {}\n", module.name(), module.proposals_used().unwrap(), module.code_size());
    text += &format!("{:?} {}\n", module.start_function(), module.defined_functions());
    text += &format!(
        "{:?}\n{:?}\n",
        module.custom_sections().unwrap().collect::<Vec<_>>(),
        module.wasm().unwrap()
    );
    text.extend(module.imports().map(|it| format!("{} {} {}\n", it.module(), it.name(), it.ty())));
    text.extend(module.exports().map(|it| format!("{} {}\n", it.name(), it.ty())));
    text.extend(module.memories().map(|it| format!("{it}\n")));
    text.extend(module.tables().map(|it| format!("{it:?}\n")));
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    for name in ["divide", "load", "deep", "throw", "cast"] {
        let error = run(&mut store, instance, name).unwrap_err();
        for frame in error.downcast_ref::<WasmBacktrace>().unwrap().frames() {
            let at = (frame.func_index(), frame.func_offset(), frame.module_offset());
            text += &format!("{name}: {:?} {:?} {at:?}\n", frame.module_name(), frame.func_name());
        }
        text += &format!("{error:#}\n{}\n", error.downcast_ref::<WasmBacktrace>().unwrap());
    }
    text
}

#[test]
fn a_module_that_was_found_is_the_one_that_was_compiled() {
    let text = r#"(module $app (@custom "note" "content") (tag $tag (param i32))
        (type $pair (struct (field i32) (field (ref null $pair))))
        (memory (export "memory") 1 3) (data (i32.const 8) "bytes") (data $passive "later")
        (table (export "table") 2 funcref) (elem (i32.const 1) $inner) (global (export "global") (mut f64) (f64.const 1.5))
        (func $begin (i32.store8 (i32.const 100) (i32.const 1))) (start $begin)
        (func $inner (param i32) (drop (i32.div_s (i32.const 84) (local.get 0))))
        (func $outer (export "divide") nop (call_indirect (param i32) (i32.const 0) (i32.const 1)))
        (func $load (export "load") (drop (i32.load (i32.const 65533))))
        (func $deep (export "deep") (call $deep))
        (func $throw (export "throw") (throw $tag (i32.const 7)))
        (func $cast (export "cast") (drop (struct.get $pair 0 (ref.cast (ref $pair) (ref.i31 (i32.const 1)))))))"#;
    let test = TestCache::new("same");
    let plain = Module::new(&Engine::new(&whole()).unwrap(), text).unwrap();
    let expected = appearance(&plain);
    for part in ["divide: Some(\"app\") Some(\"inner\") (", "\"gc\"", "note", "exception"] {
        assert!(expected.contains(part), "{part} is not in {expected}");
    }
    let file = test.folder.0.join("module.wasm");
    fs::write(&file, plain.wasm().unwrap()).unwrap();
    let engine = test.engine();
    let modules: Vec<Module> = (0..2)
        .map(|_| Module::new(&engine, text).unwrap())
        .chain([
            Module::from_file(&engine, &file).unwrap(),
            Module::from_binary(&engine, plain.wasm().unwrap()).unwrap(),
        ])
        .collect();
    // Another engine, whose numbers of types are others.
    let other = test.engine();
    Module::new(&other, "(module (type (array i8)) (type (struct (field i64))) (type (func (param f32))))")
        .unwrap();
    let modules = modules.into_iter().chain([Module::new(&other, text).unwrap()]).collect::<Vec<_>>();
    assert_eq!(test.counts(), (4, 2));
    // What is in use stays, though its file goes.
    assert_eq!(test.cache.clear().unwrap().entries, 2);
    for module in modules {
        assert_eq!(appearance(&module), expected);
        assert!(module.serialize().unwrap() == plain.serialize().unwrap());
    }
}

#[test]
fn modules_without_code_are_found_too() {
    let test = TestCache::new("empty");
    for text in ["(module)", r#"(module (memory (export "m") 1) (data (i32.const 0) "x"))"#] {
        for _ in 0..2 {
            let module = Module::new(&test.engine(), text).unwrap();
            Instance::new(&mut Store::new(module.engine(), ()), &module, &[]).unwrap();
        }
    }
    assert_eq!(test.counts(), (2, 2));
    test.is_silent();
}

/// Where to damage an entry: everywhere but between its sections, where a few places do.
fn places(entry: &[u8]) -> Vec<usize> {
    let is_padding = |at: usize| entry[at..].iter().take(64).all(|byte| *byte == 0);
    (0..entry.len()).filter(|at| at % 499 == 0 || *at < 256 || !is_padding(*at)).collect()
}

/// Puts `damaged` where the entry of module 9 is, and sees that it is not used, that this is said, and that it is made anew.
#[track_caller]
fn is_refused(test: &TestCache, engine: &Engine, intact: &[u8], damaged: &[u8], what: &str) {
    let path = test.file();
    let (hits, misses) = test.counts();
    fs::write(&path, damaged).unwrap();
    use_module(engine, 9);
    assert_eq!(test.counts(), (hits, misses + 1), "{what}");
    test.says(&["is not used, the module is compiled anew", path.file_name().unwrap().to_str().unwrap()]);
    assert!(fs::read(test.file()).unwrap() == intact, "{what}: it was not made anew");
}

#[test]
fn an_entry_with_any_byte_altered_is_not_used() {
    let test = TestCache::new("altered");
    let engine = test.engine();
    use_module(&engine, 9);
    let intact = fs::read(test.file()).unwrap();
    let places = places(&intact);
    assert!(places.len() > 1000, "{}", places.len());
    let mut dice = Dice::new(1);
    for at in places {
        let mut damaged = intact.clone();
        damaged[at] ^= 1 << dice.below(8);
        is_refused(&test, &engine, &intact, &damaged, &format!("byte {at}"));
    }
}

#[test]
fn an_entry_that_was_cut_short_or_made_longer_is_not_used() {
    let test = TestCache::new("truncated");
    let engine = test.engine();
    use_module(&engine, 9);
    let intact = fs::read(test.file()).unwrap();
    for len in places(&intact) {
        is_refused(&test, &engine, &intact, &intact[..len], &format!("{len} bytes"));
    }
    is_refused(&test, &engine, &intact, &[&intact[..], &[0; 100_000]].concat(), "longer");
    is_refused(&test, &engine, &intact, &vec![0; intact.len()], "zeros, as after a power failure");
}

/// An entry with a section replaced by one of the same length, and its checksum right again.
fn forge(entry: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut forged = entry.to_vec();
    let at = forged.windows(from.len()).position(|bytes| bytes == from).unwrap();
    forged[at..at + to.len()].copy_from_slice(to);
    let checksum = xxh3_64(&forged[16..]);
    forged[8..16].copy_from_slice(&checksum.to_le_bytes());
    forged
}

#[test]
fn an_entry_of_another_version_setup_or_build_is_not_used() {
    let test = TestCache::new("stale");
    let engine = test.engine();
    use_module(&engine, 9);
    let intact = fs::read(test.file()).unwrap();
    let version = format!("waft {} ", env!("CARGO_PKG_VERSION"));
    let other = version.replace(|digit: char| digit.is_ascii_digit(), "8");
    is_refused(&test, &engine, &intact, &forge(&intact, version.as_bytes(), other.as_bytes()), "version");
    let deterministic = b"canonical NaNs: false";
    is_refused(&test, &engine, &intact, &forge(&intact, deterministic, b"canonical NaNs: true "), "setup");
    let at = intact.windows(9).position(|bytes| bytes == b" | build ").unwrap() + 9;
    let build = &intact[at..at + 16];
    is_refused(&test, &engine, &intact, &forge(&intact, build, b"0123456789abcdef"), "build");
    // A precompiled module is none, even of this module, and an entry is no precompiled module.
    let precompiled = Module::new(&engine, module_of(9)).unwrap().serialize().unwrap();
    is_refused(&test, &engine, &intact, &precompiled, "precompiled");
    let text = format!("{:?}", Module::from_trusted_file(&engine, test.file()).unwrap_err());
    assert!(text.contains("precompiled for something else"), "{text}");
    // The entry of another module, under this one's name.
    let elsewhere = TestCache::new("stale-other");
    use_module(&elsewhere.engine(), 8);
    is_refused(&test, &engine, &intact, &fs::read(elsewhere.file()).unwrap(), "other module");
}

#[test]
fn modules_are_told_apart_by_every_byte_but_those_of_custom_sections() {
    let test = TestCache::new("bytes");
    let engine = test.engine();
    let leb = |number: usize| {
        [0, 7, 14, 21].map(|shift| (number >> shift & 0x7f) as u8 | if shift < 21 { 0x80 } else { 0 })
    };
    // A large one, of data or with a section that means nothing: what differs is the byte at one place of that.
    let wasm = |(id, head): (u8, &[u8]), at: usize| {
        let mut ballast = vec![0; 3 << 20];
        ballast[at] = 1;
        let contents = [head, &ballast].concat();
        [&wat::parse_str(module_of(9)).unwrap(), &[id][..], &leb(contents.len()), &contents].concat()
    };
    let [data, custom] = [(11, [&[1, 1][..], &leb(3 << 20)].concat()), (0, b"\x04rest".to_vec())];
    let places = [0, 1, 1 << 20, (2 << 20) - 1, (3 << 20) - 1];
    let mut counts = (0, 0);
    for (round, (id, head), places) in
        [(0, &data, &places[..]), (1, &data, &places), (0, &custom, &places[2..])]
    {
        for (number, at) in places.iter().enumerate() {
            assert_eq!(number_of(&Module::new(&engine, wasm((*id, head), *at)).unwrap()), 9);
            let is_known = round == 1 || *id == 0 && number > 0;
            counts = if is_known { (counts.0 + 1, counts.1) } else { (counts.0, counts.1 + 1) };
            assert_eq!(test.counts(), counts, "section {id}, place {at}");
        }
    }
    test.is_silent();
}

#[test]
fn a_directory_has_one_key_which_nobody_else_can_read() {
    let test = TestCache::new("key");
    use_module(&test.engine(), 9);
    let status = test.key().metadata().unwrap();
    assert_eq!((status.mode() & 0o7777, status.len(), status.nlink()), (0o600, 40, 1));
    let key = fs::read(test.key()).unwrap();
    use_module(&test.engine(), 9);
    // It is none of the code, and stays when that goes.
    assert_eq!(test.cache.usage().unwrap().bytes, test.file().metadata().unwrap().len());
    assert_eq!(test.cache.clear().unwrap().entries, 1);
    use_module(&test.engine(), 9);
    use_module(&test.engine(), 9);
    assert!(fs::read(test.key()).unwrap() == key);
    assert_eq!(test.counts(), (2, 2));
    // Another directory has another one, and nothing of it is in what it has.
    let other = TestCache::new("key-other");
    use_module(&other.engine(), 9);
    let other_key = fs::read(other.key()).unwrap();
    assert!(key[..32] != other_key[..32] && key[..32] != [0; 32]);
    assert!(!fs::read(test.file()).unwrap().windows(8).any(|bytes| bytes == &key[..8]));
    test.is_silent();
}

/// What is done to a file, and what it is called.
type Change = (&'static str, fn(&Path));

#[test]
fn a_key_that_is_not_in_order_is_made_anew_and_what_it_told_apart_is_not_found() {
    let changes: [Change; 8] = [
        ("removed", |path| fs::remove_file(path).unwrap()),
        ("shorter", |path| File::options().write(true).open(path).unwrap().set_len(39).unwrap()),
        ("longer", |path| File::options().write(true).open(path).unwrap().set_len(41).unwrap()),
        ("empty", |path| drop(File::create(path).unwrap())),
        ("open to others", |path| set_mode(path, 0o640)),
        ("a link", |path| {
            let elsewhere = path.with_file_name("elsewhere");
            fs::rename(path, &elsewhere).unwrap();
            symlink(&elsewhere, path).unwrap();
        }),
        // As a system image has it that was made with the cache in it.
        ("a copy", |path| {
            let copy = path.with_file_name("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(&copy, path).unwrap();
        }),
        ("of another user", |path| {
            if is_root() {
                std::os::unix::fs::chown(path, Some(12345), None).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }),
    ];
    for (what, change) in changes {
        let test = TestCache::new("key-changed");
        use_module(&test.engine(), 9);
        let key = fs::read(test.key()).unwrap();
        change(&test.key());
        for _ in 0..2 {
            use_module(&test.engine(), 9);
        }
        assert_eq!(test.counts(), (1, 2), "{what}");
        assert!(fs::read(test.key()).unwrap()[..32] != key[..32], "{what}");
        let status = test.key().symlink_metadata().unwrap();
        assert!(status.is_file() && status.mode() & 0o7777 == 0o600 && status.len() == 40, "{what}");
        test.is_silent();
    }
}

#[test]
fn a_key_that_cannot_be_made_costs_one_note_and_a_compilation() {
    let test = TestCache::new("key-none");
    use_module(&test.engine(), 9);
    fs::remove_file(test.key()).unwrap();
    fs::create_dir(test.key()).unwrap();
    use_module(&test.engine(), 9);
    test.says(&["cannot be used", "the file `key` cannot be made"]);
    assert_eq!((test.counts(), test.files().len()), ((0, 1), 1));
    fs::remove_dir(test.key()).unwrap();
    use_module(&test.engine(), 9);
    assert_eq!(test.counts(), (0, 2));
    test.is_silent();
}

#[test]
fn threads_that_come_first_at_once_agree_on_a_key() {
    for _ in 0..20 {
        let test = TestCache::new("key-race");
        std::thread::scope(|scope| {
            for number in 0..4 {
                let engine = test.engine();
                scope.spawn(move || use_module(&engine, number));
            }
        });
        (0..4).for_each(|number| use_module(&test.engine(), number));
        assert_eq!(test.counts(), (4, 4));
        assert_eq!(test.files().len(), 4);
        test.is_silent();
    }
}

/// A module that is large, in bodies and in what stands after them: with a function that traps, and one with `$number` in its body.
fn large_module(number: u32) -> Vec<u8> {
    let ballast = format!("(drop (i32.const {}))", 1_234_000 + number).repeat(100_000);
    // What it declares and what custom sections hold is not in one piece with the bodies of small functions.
    let name = |at: usize| format!(r#"(export "{at}{}" (func $first))"#, "name".repeat(20_000));
    let names: String = (0..8).map(name).collect();
    let text = format!(
        r#"(module $large (memory 1) (data (i32.const 8) "data")
            (func $ballast (export "ballast") {ballast})
            (func $first (export "first") (result i32) (i32.load8_u (i32.const 8)))
            (func $second (export "second") (result i32)
                (i32.load8_u (i32.const 8)) (@metadata.code.branch_hint "\00") if (i32.store8 (i32.const 9) (i32.const 1)) end
                (i32.const {number}))
            (func $trap (export "trap") unreachable)
            (func $more_ballast {ballast})
            (func $far (export "far") (result i32) (i32.const 5))
            (func $last_ballast {ballast})
            {names}
            (@custom "rest" "{}"))"#,
        "rest".repeat(400_000)
    );
    wat::parse_str(text).unwrap()
}

/// Calls a function of such a module.
fn call_large(module: &Module, name: &str) -> Result<u32> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    match name {
        "first" | "second" | "far" => {
            instance.get_typed_func::<(), u32>(&mut store, name)?.call(&mut store, ())
        }
        _ => instance.get_typed_func::<(), ()>(&mut store, name)?.call(&mut store, ()).map(|()| 0),
    }
}

/// A file with such a module, and an engine whose cache has the code of its first function alone.
fn large_file(name: &str) -> (TestCache, PathBuf, Engine) {
    let test = TestCache::new(name);
    let path = test.folder.0.join("large.wasm");
    fs::write(&path, large_module(7)).unwrap();
    let engine = test.engine_with(&mut Config::new());
    let module = Module::from_file(&engine, &path).unwrap();
    assert_eq!(call_large(&module, "first").unwrap(), u32::from(b'd'));
    module.keep();
    assert_eq!(test.counts(), (0, 1));
    (test, path, engine)
}

#[test]
fn what_stays_in_the_file_of_a_module_is_there_when_it_is_needed() {
    let (test, path, engine) = large_file("on-file");
    let find = || Module::from_file(&engine, &path).unwrap();
    let module = find();
    assert_eq!((test.counts(), module.compiled_functions()), ((1, 1), 1));
    assert_eq!(call_large(&module, "first").unwrap(), u32::from(b'd'));
    assert_eq!(module.compiled_functions(), 1);
    assert_eq!(call_large(&module, "second").unwrap(), 7);
    let error = call_large(&module, "trap").unwrap_err();
    assert!(format!("{error:?}").contains("large!trap"), "{error:?}");
    // Each of these first, of a module of its own.
    assert_eq!(find().name(), Some("large"));
    assert!(find().wasm().unwrap() == large_module(7));
    let rest = find().custom_sections().unwrap().find(|(name, _)| *name == "rest").unwrap().1.to_vec();
    assert_eq!(rest, "rest".repeat(400_000).as_bytes());
    assert_eq!(find().proposals_used().unwrap().unwrap(), ["branch-hinting"]);
    assert!(
        find().serialize().unwrap()
            == Module::new(&Engine::default(), large_module(7)).unwrap().serialize().unwrap()
    );
    // From many threads at once.
    let module = find();
    std::thread::scope(|scope| {
        for name in ["first", "second", "ballast", "second"] {
            let module = &module;
            scope.spawn(move || call_large(module, name).unwrap());
        }
        scope.spawn(|| assert!(module.wasm().unwrap() == large_module(7)));
    });
    // Who knows it from memory finds it as well.
    assert_eq!(call_large(&Module::from_binary(&engine, &large_module(7)).unwrap(), "second").unwrap(), 7);
    assert_eq!(test.counts().1, 1);
    test.is_silent();
}

#[test]
fn a_file_that_is_written_to_while_its_module_is_used_gives_nobody_other_code() {
    let changes: [Change; 4] = [
        ("another module", |path| fs::write(path, large_module(8)).unwrap()),
        ("truncated", |path| File::options().write(true).open(path).unwrap().set_len(3 << 20).unwrap()),
        ("emptied", |path| drop(File::create(path).unwrap())),
        ("zeros", |path| fs::write(path, vec![0; large_module(7).len()]).unwrap()),
    ];
    for (what, change) in changes {
        let (test, path, engine) = large_file("on-file-changed");
        let [module, known] = [(); 2].map(|()| Module::from_file(&engine, &path).unwrap());
        assert_eq!((test.counts(), call_large(&known, "second").unwrap()), ((2, 1), 7));
        change(&path);
        assert_eq!(call_large(&module, "first").unwrap(), u32::from(b'd'), "{what}");
        for name in ["second", "trap", "second"] {
            let error = format!("{:?}", call_large(&module, name).unwrap_err());
            assert!(error.contains("cannot read more of the module's file"), "{what}, {name}: {error}");
        }
        assert!(module.wasm().is_err(), "{what}");
        // What custom sections hold is what the file says now, if it says anything.
        assert_eq!(module.custom_sections().is_err(), ["truncated", "emptied"].contains(&what), "{what}");
        assert!(module.proposals_used().is_err() && module.serialize().is_err(), "{what}");
        // What was read before is still known.
        assert_eq!(call_large(&known, "second").unwrap(), 7, "{what}");
        // A file that is right again is as good as ever, after a while: its times have no fine steps everywhere.
        std::thread::sleep(Duration::from_millis(150));
        fs::write(&path, large_module(7)).unwrap();
        assert_eq!(
            call_large(&module, "trap").unwrap_err().downcast_ref(),
            Some(&Trap::UnreachableCodeReached),
            "{what}"
        );
        test.is_silent();
    }
}

#[test]
fn what_custom_sections_of_a_large_file_hold_is_read_when_it_is_asked_for() {
    let test = TestCache::new("on-file-custom");
    let path = test.folder.0.join("large.wasm");
    let rest = |module: &Module| {
        let mut sections = module.custom_sections().unwrap();
        sections.find(|(name, _)| *name == "rest").unwrap().1.to_vec()
    };
    let with_cache = test.engine_with(&mut Config::new());
    for engine in [Engine::default(), with_cache.clone(), with_cache] {
        fs::write(&path, large_module(7)).unwrap();
        let [module, changed, replaced] = [(); 3].map(|()| Module::from_file(&engine, &path).unwrap());
        assert_eq!(rest(&module), "rest".repeat(400_000).as_bytes());
        assert!(module.wasm().unwrap() == large_module(7));
        assert_eq!(module.name(), Some("large"));
        let mut other = large_module(7);
        let at = other.windows(4).rposition(|bytes| bytes == b"rest").unwrap() - 200_000;
        other[at..at + 4].copy_from_slice(b"best");
        fs::write(&path, &other).unwrap();
        // In place, which others than custom sections do not notice.
        assert_eq!(call_large(&changed, "second").unwrap(), 7);
        assert!(rest(&changed) != "rest".repeat(400_000).as_bytes());
        fs::write(&path, large_module(7)).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(rest(&replaced), "rest".repeat(400_000).as_bytes());
        assert_eq!(call_large(&replaced, "second").unwrap(), 7);
    }
    test.is_silent();
}

#[test]
fn better_code_is_asked_for_again_after_a_while_if_the_file_could_not_be_read() {
    let (test, path, engine) = large_file("on-file-postponed");
    let module = Module::from_file(&engine, &path).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let first = instance.get_typed_func::<(), u32>(&mut store, "first").unwrap();
    let mut is_better = || {
        (0..4_000).for_each(|_| assert_eq!(first.call(&mut store, ()).unwrap(), u32::from(b'd')));
        std::thread::sleep(Duration::from_millis(10));
        module.compiled_code().any(|code| code.tier() == "cranelift")
    };
    fs::write(&path, vec![0; large_module(7).len()]).unwrap();
    assert!((0..30).all(|_| !is_better()));
    assert_eq!(module.refused_code(), []);
    fs::write(&path, large_module(7)).unwrap();
    assert!((0..1_000).any(|_| is_better()));
    test.is_silent();
}

#[test]
fn what_is_wrong_with_a_file_in_one_place_matters_there_alone() {
    let (_test, path, engine) = large_file("on-file-one-place");
    let module = Module::from_file(&engine, &path).unwrap();
    let mut bytes = large_module(7);
    let second = bytes.windows(3).rposition(|bytes| bytes == [0x41, 7, 0x0b]).unwrap();
    bytes[second + 1] = 8;
    fs::write(&path, bytes).unwrap();
    for _ in 0..2 {
        assert!(call_large(&module, "second").is_err());
        assert_eq!(call_large(&module, "far").unwrap(), 5);
    }
}

#[test]
fn a_file_that_was_replaced_is_still_the_one_that_was_opened() {
    let (test, path, engine) = large_file("on-file-replaced");
    let module = Module::from_file(&engine, &path).unwrap();
    let other = test.folder.0.join("other.wasm");
    fs::write(&other, large_module(8)).unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(call_large(&module, "second").unwrap(), 7);
    // Of the same length, and another one.
    assert_eq!(call_large(&Module::from_file(&engine, &path).unwrap(), "second").unwrap(), 8);
    fs::remove_file(&path).unwrap();
    assert!(module.wasm().unwrap() == large_module(7));
    assert_eq!(test.counts(), (1, 2));
    test.is_silent();
}

#[test]
fn an_entry_that_others_can_have_written_is_not_used() {
    let test = TestCache::new("entry-owner");
    let engine = test.engine();
    use_module(&engine, 9);
    assert_eq!(test.file().metadata().unwrap().mode() & 0o7777, 0o600);
    for mode in [0o620, 0o602, 0o666] {
        set_mode(&test.file(), mode);
        use_module(&engine, 9);
        test.says(&["others may write to it", &format!("{mode:o}")]);
    }
    if is_root() {
        std::os::unix::fs::chown(test.file(), Some(12345), None).unwrap();
        use_module(&engine, 9);
        test.says(&["it belongs to user 12345, not to you (0)"]);
    }
    use_module(&engine, 9);
    assert_eq!(test.counts().0, 1);
    test.is_silent();
}

#[test]
fn what_stands_where_an_entry_belongs_is_neither_followed_nor_waited_for() {
    let test = TestCache::new("in-the-way");
    let engine = test.engine();
    use_module(&engine, 9);
    let path = test.file();
    let elsewhere = test.folder.0.join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    let content = fs::read(&elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    use_module(&engine, 9);
    test.says(&["it is a symbolic link"]);
    // The link was replaced, and what it led to was not touched.
    assert!(path.symlink_metadata().unwrap().is_file());
    assert!(fs::read(&elsewhere).unwrap() == content);

    fs::remove_file(&path).unwrap();
    symlink("/does/not/exist", &path).unwrap();
    use_module(&engine, 9);
    test.says(&["it is a symbolic link"]);

    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    use_module(&engine, 9);
    test.says(&["it is not a regular file"]);

    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    use_module(&engine, 9);
    let notes = test.notes();
    assert!(notes[0].contains("it is not a regular file") && notes[1].contains("was not kept"), "{notes:?}");
    assert_eq!((notes.len(), test.files()), (2, vec![path.clone()]), "{notes:?}");
    assert!(test.cache.clear().is_err());
    fs::remove_dir(&path).unwrap();
    assert_eq!(test.counts(), (0, 5));
}

#[test]
fn a_directory_that_others_can_use_is_not_used() {
    let scratch = Scratch::new("dir-mode");
    let path = scratch.0.join("cache");
    let cache_in = |path: &Path| {
        let mut config = CacheConfig::new();
        config.with_directory(path);
        Cache::new(config).map(drop)
    };
    fs::create_dir(&path).unwrap();
    for mode in [0o755, 0o770, 0o701, 0o777, 0o1777] {
        set_mode(&path, mode);
        let text = format!("{:#}", cache_in(&path).unwrap_err());
        assert!(text.contains("open to others") && text.contains(&format!("{mode:o}")), "{text}");
    }
    set_mode(&path, 0o700);
    cache_in(&path).unwrap();
    // A link to it is as good as its name.
    symlink(&path, scratch.0.join("link")).unwrap();
    cache_in(&scratch.0.join("link")).unwrap();
    if is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        let text = format!("{:#}", cache_in(&path).unwrap_err());
        assert!(text.contains("it belongs to user 12345, not to you (0)"), "{text}");
    }
    fs::write(scratch.0.join("file"), "").unwrap();
    assert!(cache_in(&scratch.0.join("file")).is_err());
    // Absent is not wrong, and nothing is made before it is needed.
    cache_in(&scratch.0.join("absent")).unwrap();
    assert!(!scratch.0.join("absent").exists());
}

#[test]
fn a_directory_that_goes_bad_costs_one_note_and_a_compilation() {
    let test = TestCache::new("dir-bad");
    let engine = test.engine();
    use_module(&engine, 9);
    set_mode(test.cache.directory(), 0o770);
    use_module(&engine, 9);
    test.says(&["cannot be used", "open to others (mode 770)"]);
    assert!(test.cache.usage().is_err() && test.cache.clear().is_err());
    set_mode(test.cache.directory(), 0o700);
    use_module(&engine, 9);
    assert_eq!(test.counts(), (1, 1));
    // Gone, it is made again.
    fs::remove_dir_all(test.cache.directory()).unwrap();
    use_module(&engine, 9);
    use_module(&engine, 9);
    assert_eq!(test.counts(), (2, 2));
    assert_eq!(test.cache.directory().metadata().unwrap().mode() & 0o7777, 0o700);
    test.is_silent();
}

#[test]
fn a_directory_that_cannot_be_made_costs_one_note_and_a_compilation() {
    let scratch = Scratch::new("dir-none");
    let test = TestCache::with("dir-none", |config| {
        config.with_directory(scratch.0.join("later/cache"));
    });
    fs::write(scratch.0.join("later"), "").unwrap();
    use_module(&test.engine(), 9);
    test.says(&["cannot be used", "later/cache"]);
    fs::remove_file(scratch.0.join("later")).unwrap();
    let test = TestCache::with("dir-proc", |config| {
        config.with_directory("/proc/waft/cache");
    });
    use_module(&test.engine(), 9);
    test.says(&["cannot make the directory /proc/waft/cache"]);
}

/// Says that an entry was used so many minutes ago.
fn age(path: &Path, minutes: u64) {
    let then = SystemTime::now() - Duration::from_secs(minutes * 60);
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

/// The entry that a module's compilation adds.
fn added_by(test: &TestCache, engine: &Engine, number: u32) -> PathBuf {
    let before = if test.cache.directory().exists() { test.files() } else { Vec::new() };
    use_module(engine, number);
    test.files().into_iter().find(|file| !before.contains(file)).unwrap()
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let entry = {
        let test = TestCache::new("entry-size");
        added_by(&test, &test.engine(), 1).metadata().unwrap().len()
    };
    // Room for four, and the sixteenth that is kept free.
    let test = TestCache::with("eviction", |config| {
        config.with_files_total_size_soft_limit(entry * 9 / 2);
    });
    let engine = test.engine();
    let files: Vec<_> = (1..5).map(|number| added_by(&test, &engine, number)).collect();
    assert_eq!(test.files().len(), 4);
    for (file, minutes) in files.iter().zip([30, 40, 20, 10]) {
        age(file, minutes);
    }
    // The oldest is used, and so it is the youngest now.
    use_module(&engine, 2);
    let present = |files: &[PathBuf]| files.iter().map(|file| file.exists()).collect::<Vec<_>>();
    let fifth = added_by(&test, &engine, 5);
    assert_eq!(present(&files), [false, true, true, true]);
    added_by(&test, &engine, 6);
    assert_eq!(present(&files), [false, true, false, true]);
    use_module(&engine, 5);
    added_by(&test, &engine, 7);
    assert_eq!(present(&files), [false, true, false, false]);
    assert!(fifth.exists());
    let usage = test.cache.usage().unwrap();
    assert!(usage.entries == 4 && usage.bytes <= entry * 9 / 2, "{usage:?}");
    test.is_silent();
}

#[test]
fn times_in_the_future_are_put_right_when_an_entry_is_used() {
    let test = TestCache::new("future");
    let engine = test.engine();
    let file = added_by(&test, &engine, 1);
    let future = SystemTime::now() + Duration::from_secs(86400);
    File::options().write(true).open(&file).unwrap().set_modified(future).unwrap();
    use_module(&engine, 1);
    assert!(file.metadata().unwrap().modified().unwrap() < future - Duration::from_secs(3600));
    // A time that is right is left alone, to the nanosecond.
    age(&file, 0);
    let before = file.metadata().unwrap().modified().unwrap();
    use_module(&engine, 1);
    assert_eq!(file.metadata().unwrap().modified().unwrap(), before);
    age(&file, 2);
    use_module(&engine, 1);
    assert!(file.metadata().unwrap().modified().unwrap() >= before);
}

#[test]
fn code_that_is_larger_than_the_cache_is_not_kept() {
    let test = TestCache::with("tiny", |config| {
        config.with_files_total_size_soft_limit(1000);
    });
    use_module(&test.engine(), 1);
    test.says(&["was not kept", "all of the cache may have 1000"]);
    assert_eq!(test.files(), [""; 0].map(PathBuf::from));
}

#[test]
fn what_a_killed_writer_left_is_removed_and_what_is_not_ours_stays() {
    let test = TestCache::new("leftovers");
    fs::DirBuilder::new().mode(0o700).create(test.cache.directory()).unwrap();
    let hash = "0123456789abcdef0123456789abcdef";
    let rows = [
        (format!("{hash}.code.1-0-1.tmp"), 60, false),
        (format!("{hash}.code.2-0-1.tmp"), 5, true),
        (format!("{hash}.code.old"), 60, true),
        ("notes.txt".into(), 60, true),
    ];
    for (name, minutes, _) in &rows {
        let path = test.cache.directory().join(name);
        fs::write(&path, "half of an entr").unwrap();
        age(&path, *minutes);
    }
    assert_eq!(test.cache.usage().unwrap(), CacheUsage { entries: 0, bytes: 30 });
    use_module(&test.engine(), 1);
    for (name, _, stays) in &rows {
        assert_eq!(test.cache.directory().join(name).exists(), *stays, "{name}");
    }
    let removed = test.cache.clear().unwrap();
    assert_eq!(removed.entries, 1);
    assert_eq!(test.files().len(), 2);
    test.is_silent();
}

#[test]
fn threads_that_read_write_and_remove_at_once_get_the_right_code() {
    let entry = {
        let test = TestCache::new("threads-size");
        added_by(&test, &test.engine(), 1).metadata().unwrap().len()
    };
    let test = TestCache::with("threads", |config| {
        config.with_files_total_size_soft_limit(entry * 5);
    });
    let engine = test.engine();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (test, engine) = (&test, &engine);
            scope.spawn(move || {
                let mut dice = Dice::new(seed);
                for _ in 0..60 {
                    use_module(engine, dice.below(8) as u32);
                    if dice.below(20) == 0 {
                        test.cache.clear().unwrap();
                    }
                }
            });
        }
    });
    let (hits, misses) = test.counts();
    assert!(hits > 0 && misses > 8 && hits + misses == 240, "{hits} {misses}");
    test.is_silent();
}

#[test]
fn processes_need_no_reporter() {
    let scratch = Scratch::new("silent");
    let mut config = CacheConfig::new();
    config.with_directory(&scratch.0);
    set_mode(&scratch.0, 0o700);
    let cache = Cache::new(config).unwrap();
    set_mode(&scratch.0, 0o777);
    use_module(&Engine::new(whole().cache(Some(cache.clone()))).unwrap(), 1);
    assert_eq!((cache.cache_hits(), cache.cache_misses()), (0, 0));
}
