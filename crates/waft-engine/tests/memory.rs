//! Loads and stores reach every byte of a memory and none beyond it, whatever the width, the offset, the way in which the
//! address is known and who defines the memory.

mod common;

use common::access::{LOADS, STORES, byte_at, loaded};
use common::{compile, instantiate, start, trap};
use std::fmt::Write;
use std::{fs, ptr};
use waft::*;

const PAGE: u64 = 65536;

/// Index and static offset of accesses of `width` bytes: the ends of a memory of one page, of the address space, and of
/// what an index and an offset can reach without a check.
fn places(width: u64) -> Vec<(u32, u32)> {
    let last = (PAGE - width) as u32;
    let guard = 32 << 20;
    let reach = (guard - width) as u32;
    vec![
        (0, 0),
        (1, 0),
        (0, 3),
        (7, 9),
        (last, 0),
        (last + 1, 0),
        (0, last),
        (0, last + 1),
        (last - 8, 8),
        (last - 8, 9),
        (PAGE as u32, 0),
        (0, PAGE as u32),
        (0x7fff_ffff, 0),
        (0x8000_0000, 0),
        (0xffff_ffff, 0),
        (0xffff_ffff, 1),
        (0xffff_fffc, 4),
        (0xffff_ffff, 0xffff_ffff),
        (0x8000_0000, 0x8000_0000),
        (1, 0xffff_ffff),
        (0, 0xffff_ffff),
        (0, reach),
        (0xffff_ffff, reach),
        (0xffff_ffff, reach + 1),
        (0xffff_ffff, reach + 2),
        (0, reach + 2),
        (0xffff_ffff, guard as u32),
        (0x0200_0000, 0xfe00_0000),
    ]
}

/// Where an access is, if it is in the memory.
fn effective((index, offset): (u32, u32), width: u64) -> Option<usize> {
    let start = u64::from(index) + u64::from(offset);
    (start + width <= PAGE).then_some(start as usize)
}

/// For each place two functions, one with a constant index and one that computes it, whose `body` is made of the index
/// and the offset.
fn module_text(memory: &str, places: &[(u32, u32)], ty: &str, body: impl Fn(&str, u32) -> String) -> String {
    let mut text = format!("(module {memory}\n");
    for (at, (index, offset)) in places.iter().enumerate() {
        let constant = body(&format!("i32.const {}", *index as i32), *offset);
        let computed = body("local.get 0", *offset);
        writeln!(text, r#"(func (export "constant{at}") (param i32) {ty} {constant})"#).unwrap();
        writeln!(text, r#"(func (export "computed{at}") (param i32) {ty} {computed})"#).unwrap();
    }
    text + ")"
}

/// Calls all functions of such modules, on a memory of their own and on one of the host's.
fn each_place(
    places: &[(u32, u32)],
    ty: &str,
    body: impl Fn(&str, u32) -> String,
    check: impl Fn(&mut Store<()>, Memory, Func, (u32, u32), &str),
) {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(1))).unwrap();
    let imports = module_text(r#"(import "" "" (memory 1)) (export "memory" (memory 0))"#, places, ty, &body);
    let defines = module_text(r#"(memory (export "memory") 1)"#, places, ty, &body);
    for (text, imports) in [(imports, vec![memory.into()]), (defines, Vec::new())] {
        let module = compile(&store, &text);
        let instance = Instance::new(&mut store, &module, &imports).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        for (at, byte) in memory.data_mut(&mut store).iter_mut().enumerate() {
            *byte = byte_at(at);
        }
        for (at, place) in places.iter().enumerate() {
            for form in ["constant", "computed"] {
                let func = instance.get_func(&mut store, &format!("{form}{at}")).unwrap();
                check(&mut store, memory, func, *place, form);
            }
        }
    }
}

#[test]
fn loads_stop_exactly_at_the_end() {
    for (operator, ty, width) in LOADS {
        let lane = operator.ends_with("_lane");
        let (ones, number) = if lane { ("v128.const i32x4 -1 -1 -1 -1", "0") } else { ("", "") };
        let body = |index: &str, offset: u32| format!("{index} {ones} {operator} offset={offset} {number}");
        each_place(&places(width), &format!("(result {ty})"), body, |store, _, func, place, form| {
            let mut results = [Val::I32(0)];
            let outcome = func.call(store, &[Val::I32(place.0 as i32)], &mut results);
            let outcome = outcome.map(|()| results[0]).map_err(|error| trap(&error));
            let expected = effective(place, width).map(|at| loaded(operator, width, at));
            let expected = expected.ok_or(Trap::MemoryOutOfBounds);
            assert_eq!(format!("{outcome:?}"), format!("{expected:?}"), "{operator} at {place:x?}, {form}");
        });
    }
}

#[test]
fn stores_write_all_their_bytes_or_none() {
    let untouched: Vec<u8> = (0..PAGE as usize).map(byte_at).collect();
    for (operator, operand, width) in STORES {
        let number = if operator.ends_with("_lane") { "0" } else { "" };
        let body =
            |index: &str, offset: u32| format!("{index} {operand} {operator} offset={offset} {number}");
        each_place(&places(width), "", body, |store, memory, func, place, form| {
            let outcome = func.call(&mut *store, &[Val::I32(place.0 as i32)], &mut []);
            let outcome = outcome.map_err(|error| trap(&error));
            let at = effective(place, width);
            let expected = if at.is_some() { Ok(()) } else { Err(Trap::MemoryOutOfBounds) };
            assert_eq!(outcome, expected, "{operator} at {place:x?}, {form}");
            let bytes = memory.data_mut(&mut *store);
            if let Some(at) = at {
                let written = &mut bytes[at..at + width as usize];
                assert!(written.iter().all(|byte| *byte == 0xff), "{operator} at {place:x?}, {form}");
                written.copy_from_slice(&untouched[at..at + width as usize]);
            }
            assert!(*bytes == untouched, "{operator} at {place:x?}, {form}: other bytes changed");
        });
    }
}

#[test]
fn an_index_is_taken_as_unsigned_after_every_operator_that_makes_one() {
    // Each leaves something in the upper half of a register, if it leaves anything.
    let makers = [
        "(i32.wrap_i64 (i64.const -1))",
        "(i32.wrap_i64 (i64.or (i64.extend_i32_u (local.get 0)) (i64.const 0xffffffff00000000)))",
        "(i32.add (local.get 0) (i32.const -1))",
        "(i32.sub (i32.const 0) (local.get 0))",
        "(i32.extend8_s (i32.const 0xff))",
        "(i32.shr_s (i32.const 0x80000000) (local.get 0))",
        "(i32.xor (local.get 0) (i32.const -1))",
        "(call $minus)",
        "(i32.load8_s (i32.const 8))",
        "(select (i32.const -1) (i32.const 0) (i32.const 1))",
        "(i32.trunc_f64_s (f64.const -1))",
        "(i32x4.extract_lane 1 (v128.const i32x4 0 -1 0 0))",
        "(i32.reinterpret_f32 (f32.const -nan:0x7fffff))",
    ];
    for maker in makers {
        let (mut store, instance) = start(&format!(
            r#"(module (memory 1) (data (i32.const 8) "\ff")
                (func $minus (result i32) i32.const -1)
                (func (export "f") (param i32) (result i32) (i32.load8_u {maker})))"#
        ));
        let func = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
        for param in [0, 1] {
            match func.call(&mut store, param) {
                Ok(_) if maker.contains("local.get") => {}
                Ok(value) => panic!("{maker} loaded {value}"),
                Err(error) => assert_eq!(trap(&error), Trap::MemoryOutOfBounds, "{maker}"),
            }
        }
    }
}

#[test]
fn bulk_operations_check_all_before_they_do_anything() {
    let page = PAGE as u32;
    // Destination, source, length: the memory has a page, the segment ten bytes.
    let rows: [(&str, [u32; 3], bool); 22] = [
        ("memory.fill", [0, 7, 0], true),
        ("memory.fill", [page, 7, 0], true),
        ("memory.fill", [page + 1, 7, 0], false),
        ("memory.fill", [page - 1, 7, 1], true),
        ("memory.fill", [page - 1, 7, 2], false),
        ("memory.fill", [page - 100, 7, 101], false),
        ("memory.fill", [page - 1000, 7, 1001], false),
        ("memory.fill", [u32::MAX, 7, 1], false),
        ("memory.fill", [1, 7, u32::MAX], false),
        ("memory.copy", [0, page, 0], true),
        ("memory.copy", [0, page + 1, 0], false),
        ("memory.copy", [page - 16, 0, 16], true),
        ("memory.copy", [page - 16, 0, 17], false),
        ("memory.copy", [0, page - 128, 128], true),
        ("memory.copy", [0, page - 127, 128], false),
        ("memory.copy", [0, page - 1000, 1001], false),
        ("memory.copy", [u32::MAX, u32::MAX, u32::MAX], false),
        ("memory.init $d", [0, 0, 10], true),
        ("memory.init $d", [0, 1, 10], false),
        ("memory.init $d", [page - 9, 0, 10], false),
        ("memory.init $d", [page, 10, 0], true),
        ("memory.init $d", [0, u32::MAX, 1], false),
    ];
    for (operator, [dst, src, len], fits) in rows {
        let constants = format!("i32.const {dst} i32.const {src} i32.const {len}");
        let (mut store, instance) = start(&format!(
            r#"(module (memory (export "memory") 1) (data $d "0123456789")
                (func $f (param i32 i32 i32) local.get 0 local.get 1 local.get 2 {operator})
                (func (export "constant") {constants} {operator})
                (func (export "computed") {constants} call $f))"#
        ));
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        for form in ["constant", "computed"] {
            let outcome = common::run(&mut store, instance, form).map_err(|error| trap(&error));
            assert_eq!(
                outcome,
                if fits { Ok(()) } else { Err(Trap::MemoryOutOfBounds) },
                "{operator} {constants}"
            );
            assert!(fits || memory.data(&store).iter().all(|byte| *byte == 0), "{operator} {constants}");
        }
    }
}

#[test]
fn copies_of_every_length_overlap_rightly() {
    let mut store = Store::new(&Engine::default(), ());
    let mut text = r#"(module (memory (export "memory") 1)
        (func (export "computed") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.copy)"#
        .to_owned();
    let lengths: Vec<usize> = (0..36).chain([63, 64, 65, 127, 128, 129, 200]).collect();
    for len in &lengths {
        writeln!(
            text,
            r#"(func (export "copy{len}") (param i32 i32 i32) local.get 0 local.get 1 i32.const {len} memory.copy)
            (func (export "fill{len}") (param i32 i32 i32) local.get 0 local.get 1 i32.const {len} memory.fill)"#
        )
        .unwrap();
    }
    let instance = instantiate(&mut store, &(text + ")"));
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    for len in lengths {
        for (name, dst, src) in [
            ("copy", 1, 0),
            ("copy", 0, 1),
            ("copy", 8, 3),
            ("copy", 3, 300),
            ("copy", 5, 5),
            ("fill", 9, 0x1a5),
        ] {
            let before: Vec<u8> = (0..600).map(byte_at).collect();
            let mut after = before.clone();
            match name {
                "copy" => after.copy_within(src..src + len, dst),
                _ => after[dst..dst + len].fill(src as u8),
            }
            for form in [format!("{name}{len}"), "computed".to_owned()] {
                if form == "computed" && name == "fill" {
                    continue;
                }
                memory.write(&mut store, 0, &before).unwrap();
                let func = instance.get_typed_func::<(u32, u32, u32), ()>(&mut store, &form).unwrap();
                func.call(&mut store, (dst as u32, src as u32, len as u32)).unwrap();
                assert_eq!(memory.data(&store)[..600], after, "{form} of {len} from {src} to {dst}");
            }
        }
    }
}

#[test]
fn memory_that_grew_is_zero_and_reachable_to_its_new_end() {
    let (mut store, instance) = start(
        r#"(module (memory (export "memory") 1 4)
            (func (export "grow") (param i32) (result i32) local.get 0 memory.grow)
            (func (export "size") (result i32) memory.size)
            (func (export "load") (param i32) (result i32) local.get 0 i32.load8_u))"#,
    );
    let grow = instance.get_typed_func::<u32, i32>(&mut store, "grow").unwrap();
    let size = instance.get_typed_func::<(), u32>(&mut store, "size").unwrap();
    let load = instance.get_typed_func::<u32, u32>(&mut store, "load").unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    for (delta, answer, pages) in [
        (0, 1, 1),
        (1, 1, 2),
        (3, -1, 2),
        (u32::MAX, -1, 2),
        (2, 2, 4),
        (0, 4, 4),
        (1, -1, 4),
        (65536, -1, 4),
    ] {
        assert_eq!(grow.call(&mut store, delta).unwrap(), answer, "{delta}");
        assert_eq!(size.call(&mut store, ()).unwrap(), pages);
        assert_eq!(memory.data_size(&store), pages as usize * PAGE as usize);
        assert_eq!(load.call(&mut store, pages * PAGE as u32 - 1).unwrap(), 0);
        assert_eq!(trap(&load.call(&mut store, pages * PAGE as u32).unwrap_err()), Trap::MemoryOutOfBounds);
    }
}

#[test]
fn a_memory_of_four_gibibytes_ends_where_addresses_do() {
    let end = 1_u64 << 32;
    let (mut store, instance) = start(
        r#"(module (memory (export "memory") 65535)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "load 1") (param i32 i32) (drop (i32.load8_u (local.get 0))))
            (func (export "load 4") (param i32 i32) (drop (i32.load (local.get 0))))
            (func (export "load 16") (param i32 i32) (drop (v128.load (local.get 0))))
            (func (export "load 5") (param i32 i32) (drop (i32.load8_u offset=4 (local.get 0))))
            (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (i32.const 1) (local.get 1)))
            (func (export "copy") (param i32 i32) (memory.copy (i32.const 0) (local.get 0) (local.get 1))))"#,
    );
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow").unwrap();
    for (delta, answer) in [(2, -1), (1, 65535), (0, 65536), (1, -1), (-1, -1)] {
        assert_eq!(grow.call(&mut store, delta).unwrap(), answer, "{delta}");
    }
    for (name, from_end, len, fits) in [
        ("load 1", 1, 0, true),
        ("load 4", 4, 0, true),
        ("load 4", 3, 0, false),
        ("load 16", 16, 0, true),
        ("load 16", 15, 0, false),
        ("load 5", 5, 0, true),
        ("load 5", 4, 0, false),
        ("fill", 1, 1, true),
        ("fill", 1, 2, false),
        ("fill", 200, 200, true),
        ("fill", 200, 201, false),
        ("copy", 1, 1, true),
        ("copy", 1, 2, false),
        ("copy", 1000, u32::MAX, false),
    ] {
        let func = instance.get_typed_func::<(u32, u32), ()>(&mut store, name).unwrap();
        let outcome = func.call(&mut store, ((end - from_end) as u32, len)).map_err(|error| trap(&error));
        assert_eq!(
            outcome,
            if fits { Ok(()) } else { Err(Trap::MemoryOutOfBounds) },
            "{name} {from_end} {len}"
        );
    }
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    assert_eq!(memory.data(&store).len() as u64, end);
}

#[test]
fn growth_by_the_host_is_seen_by_guests_that_import_the_memory() {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, MemoryType::new(0, None)).unwrap();
    let module = compile(
        &store,
        r#"(module (import "" "" (memory 0))
            (func (export "f") (result i32) i32.const 0 i32.const 7 i32.store
                i32.const 1 memory.grow drop memory.size))"#,
    );
    let instance = Instance::new(&mut store, &module, &[memory.into()]).unwrap();
    let func = instance.get_typed_func::<(), u32>(&mut store, "f").unwrap();
    assert_eq!(trap(&func.call(&mut store, ()).unwrap_err()), Trap::MemoryOutOfBounds);
    assert_eq!(memory.grow(&mut store, 1).unwrap(), 0);
    assert_eq!(func.call(&mut store, ()).unwrap(), 2);
    assert_eq!(memory.size(&store), 2);
    assert_eq!(memory.data(&store)[0], 7);
}

#[test]
fn impossible_memories_are_errors() {
    let mut store = Store::new(&Engine::default(), ());
    for (min, max) in [
        (2, Some(1)),
        (65537, None),
        (65537, Some(65537)),
        (u32::MAX, Some(u32::MAX)),
        (70000, Some(80000)),
        (0, Some(65537)),
    ] {
        assert!(Memory::new(&mut store, MemoryType::new(min, max)).is_err(), "{min} {max:?}");
    }
    let memory = Memory::new(&mut store, MemoryType::new(0, Some(65536))).unwrap();
    assert!(memory.grow(&mut store, 65537).is_err());
    assert!(memory.grow(&mut store, u64::MAX).is_err());
    assert_eq!(memory.size(&store), 0);
}

#[test]
fn hosts_read_and_write_within_bounds_only() {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    let page = PAGE as usize;
    for (at, len, fits) in [
        (0, 0, true),
        (page, 0, true),
        (page + 1, 0, false),
        (page - 4, 4, true),
        (page - 3, 4, false),
        (usize::MAX, 1, false),
        (usize::MAX, 4, false),
    ] {
        assert_eq!(memory.write(&mut store, at, &vec![1; len]).is_ok(), fits, "{at} {len}");
        assert_eq!(memory.read(&store, at, &mut vec![0; len]).is_ok(), fits, "{at} {len}");
    }
}

/// Whether the kernel is asked for huge pages where an address is.
fn asks_for_huge_pages(at: usize) -> bool {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let range = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
    };
    let mapping = smaps.lines().skip_while(|line| !range(line).is_some_and(|range| range.contains(&at)));
    let flags = mapping.filter_map(|line| line.strip_prefix("VmFlags:")).next().unwrap();
    flags.split(' ').any(|flag| flag == "hg")
}

#[test]
fn large_memories_are_made_of_huge_pages_unless_the_host_says_otherwise() {
    const LARGE: u32 = 64;
    if !["/sys/kernel/mm/transparent_hugepage/enabled", "/proc/self/smaps"]
        .iter()
        .all(|path| fs::metadata(path).is_ok())
    {
        println!("the kernel has no huge pages, or does not say where");
        return;
    }
    for prefer in [true, false] {
        let engine = Engine::new(Config::new().huge_pages(prefer)).unwrap();
        let mut store = Store::new(&engine, ());
        for (pages, before) in [(1, false), (LARGE - 1, false), (LARGE, prefer)] {
            // The second is not guarded.
            for ty in [
                MemoryType::new(pages, None),
                MemoryType::new64(pages.into(), Some(2 * u64::from(LARGE) + 1)),
            ] {
                let memory = Memory::new(&mut store, ty).unwrap();
                let last = |store: &Store<()>| ptr::from_ref(memory.data(store).last().unwrap()).addr();
                assert_eq!(asks_for_huge_pages(last(&store)), before, "{pages}");
                memory.grow(&mut store, LARGE.into()).unwrap();
                assert_eq!(asks_for_huge_pages(last(&store)), prefer, "{pages}");
            }
            let memory = SharedMemory::new(&engine, MemoryType::shared(pages, 2 * LARGE)).unwrap();
            let last = || ptr::from_ref(memory.data().last().unwrap()).addr();
            assert_eq!(asks_for_huge_pages(last()), before, "{pages}");
            memory.grow(LARGE.into()).unwrap();
            assert_eq!(asks_for_huge_pages(last()), prefer, "{pages}");
        }
    }
}
