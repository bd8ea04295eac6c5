//! Backtraces show source lines where a module has DWARF, and never fail where that is broken.

mod common;

use common::scratch::TestCache;
use common::{Dice, names, run, trap};
use waft::*;

const MODULE: &str = r#"(module $app
    (func $outer (export "f") nop nop (call $inner))
    (func $inner (local i32) nop nop unreachable))"#;

/// A custom section, whole.
fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    let mut section = vec![0];
    let body: Vec<u8> = [&[name.len() as u8], name.as_bytes(), content].concat();
    assert!(body.len() < 1 << 14);
    section.extend([body.len() as u8 | 0x80, (body.len() >> 7) as u8]);
    section.extend(body);
    section
}

/// Something of DWARF that starts with its length.
fn unit(content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_le_bytes(), content].concat()
}

/// A row of the line table: an address in the code section, a line below 64 and a column.
type Row = (u32, u8, u8);

/// The sections that describe one unit, `main.c`, with the function `inner_in_c` at the second row.
///
/// Source: DWARF 4, sections 7.5 and 6.2.
fn dwarf(rows: [Row; 2], end: u32) -> Vec<u8> {
    let address = |at: u32| at.to_le_bytes();
    // Entries with children: statement list, start, size, name. Without: name, start, size.
    let abbreviations =
        b"\x01\x11\x01\x10\x17\x11\x01\x12\x06\x03\x08\0\0\x02\x2e\0\x03\x08\x11\x01\x12\x06\0\0\0".to_vec();
    let info = [
        // Version 4, abbreviations at 0, addresses of four bytes.
        &b"\x04\0\0\0\0\0\x04"[..],
        &[&b"\x01\0\0\0\0"[..], &address(0), &address(end), b"main.c\0"].concat(),
        &[&b"\x02inner_in_c\0"[..], &address(rows[1].0), &address(end - rows[1].0)].concat(),
        b"\0",
    ];
    // One byte for the least instruction, one operation in each, statements by default, special opcodes as usual,
    // the operands of the standard ones; no directories, one file.
    let header = b"\x01\x01\x01\xfb\x0e\x0d\0\x01\x01\x01\x01\0\0\0\x01\0\0\x01\0main.c\0\0\0\0\0";
    let mut program = Vec::new();
    let mut line = 1;
    for (at, row_line, column) in rows {
        program.extend(
            [&b"\0\x05\x02"[..], &address(at), &[3, (row_line - line) & 0x7f, 5, column, 1]].concat(),
        );
        line = row_line;
    }
    program.extend([&b"\0\x05\x02"[..], &address(end), b"\0\x01\x01"].concat());
    let lines = [&b"\x04\0"[..], &unit(header), &program].concat();
    [
        custom(".debug_abbrev", &abbreviations),
        custom(".debug_info", &unit(&info.concat())),
        custom(".debug_line", &unit(&lines)),
    ]
    .concat()
}

/// The error of a module's function `f`.
fn error(module: &Module) -> Error {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[]).unwrap();
    run(&mut store, instance, "f").unwrap_err()
}

/// The module with DWARF that gives each of its two functions a line, and where that starts.
fn module_with_dwarf(engine: &Engine) -> (Vec<u8>, usize) {
    let mut wasm = wat::parse_str(MODULE).unwrap();
    let code = wasmparser::Parser::new(0).parse_all(&wasm).find_map(|payload| match payload {
        Ok(wasmparser::Payload::CodeSectionStart { unchecked_range, .. }) => {
            Some(unchecked_range.start as usize)
        }
        _ => None,
    });
    let error = error(&Module::new(engine, &wasm).unwrap());
    let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
    let [inner, outer] = [0, 1].map(|at| (frames[at].module_offset().unwrap() - code.unwrap()) as u32);
    let start = wasm.len();
    wasm.extend(dwarf([(outer, 10, 3), (inner, 42, 7)], inner + 2));
    (wasm, start)
}

#[test]
fn frames_have_the_lines_of_their_operators() {
    let engine = Engine::default();
    let (wasm, _) = module_with_dwarf(&engine);
    let module = Module::new(&engine, &wasm).unwrap();
    // SAFETY: what was just serialised, unaltered.
    let loaded = unsafe { Module::deserialize(&engine, module.serialize().unwrap()) }.unwrap();
    let cache = TestCache::new("dwarf");
    let [_, found] = [0, 1].map(|_| Module::new(&cache.engine(), &wasm).unwrap());
    assert_eq!(cache.counts(), (1, 1));
    for module in [module, loaded, found] {
        let error = error(&module);
        assert_eq!(names(&error), ["inner", "outer"]);
        let frames = error.downcast_ref::<WasmBacktrace>().unwrap().frames();
        let [inner, outer] = [0, 1].map(|at| &frames[at].symbols()[0]);
        assert_eq!(
            (inner.name(), inner.file(), inner.line(), inner.column()),
            (Some("inner_in_c"), Some("main.c"), Some(42), Some(7))
        );
        assert_eq!((outer.name(), outer.line(), outer.column()), (None, Some(10), Some(3)));
        let text = format!("{error:?}");
        assert!(text.contains("main.c:42:7") && text.contains("main.c:10:3"), "{text}");
    }
}

#[test]
fn broken_dwarf_costs_the_lines_and_nothing_else() {
    let engine = Engine::default();
    let (wasm, start) = module_with_dwarf(&engine);
    let mut dice = Dice::new(5);
    let mut valid = 0;
    for round in 0..600 {
        let mut broken = wasm.clone();
        for _ in 0..=round % 3 {
            let at = start + dice.below(wasm.len() - start);
            broken[at] = dice.next() as u8;
        }
        // What destroys the frame of the sections makes the module invalid.
        let Ok(module) = Module::new(&engine, &broken) else { continue };
        valid += 1;
        let error = error(&module);
        assert_eq!(trap(&error), Trap::UnreachableCodeReached);
        assert_eq!(names(&error), ["inner", "outer"]);
        assert!(format!("{error:?}").contains("app!inner"));
    }
    assert!(valid > 300, "{valid}");
}
