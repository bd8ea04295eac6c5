//! Memories whose accesses are checked by code (64-bit addresses, pages of a byte), and atomic accesses to all kinds: each
//! reaches every byte and none beyond.

mod common;

use common::access::{LOADS, STORES, byte_at, loaded};
use common::{compile, trap};
use std::fmt::Write;
use waft::*;

/// A kind of memory.
struct Kind {
    /// Its declaration.
    ty: &'static str,
    /// Pages that are added before anything is accessed.
    growth: u64,
    /// Bytes after that.
    len: u64,
}

const fn kind(ty: &'static str, growth: u64, len: u64) -> Kind {
    Kind { ty, growth, len }
}

const PAGE: u64 = 65536;

/// Those that are not guarded: where most offsets are within the minimum, and where none is.
const CHECKED: [Kind; 7] = [
    kind("i64 1 1", 0, PAGE),
    kind("i64 3", 0, 3 * PAGE),
    kind("i64 0 2", 1, PAGE),
    kind("1000 1000 (pagesize 1)", 0, 1000),
    kind("0 5000 (pagesize 1)", 4999, 4999),
    kind("i64 4096 (pagesize 1)", 0, 4096),
    kind("i64 0 (pagesize 1)", 4097, 4097),
];

/// Those that only atomics make different.
const ALSO_ATOMIC: [Kind; 4] = [
    kind("1 1", 0, PAGE),
    kind("1 2 shared", 0, PAGE),
    kind("i64 1 2 shared", 0, PAGE),
    kind("i64 0 4100 shared (pagesize 1)", 4099, 4099),
];

/// An index and a static offset.
type Place = (u64, u64);

impl Kind {
    fn is_64(&self) -> bool {
        self.ty.starts_with("i64")
    }

    /// Where to access `width` bytes: the ends of the memory, of what guards it, of 32 and of 64 bits.
    fn places(&self, width: u64) -> Vec<Place> {
        let (len, last) = (self.len, self.len - width);
        let max32 = u64::from(u32::MAX);
        let guard = PAGE - width;
        let mut places = vec![
            (0, 0),
            (8, 0),
            (0, 3),
            (7, 9),
            (last, 0),
            (last + 1, 0),
            (0, last),
            (0, last + 1),
            (last - 8, 8),
            (last - 7, 8),
            (len, 0),
            (0, len),
            (len - 1, len - 1),
            (len, guard),
            (len + 1, guard),
            (0, guard),
            (0, guard + 1),
            (len, guard + 1),
            (0x8000_0000, 0),
            (0x8000_0000, 0x8000_0000),
            (max32, 0),
            (max32 - 7, 8),
            (max32, max32),
            (0, max32),
            (1, max32),
        ];
        if self.is_64() {
            let (max, top) = (u64::MAX, 1 << 63);
            places.extend([
                (1 << 32, 0),
                ((1 << 32) + last, 0),
                (0, 1 << 32),
                (top, 0),
                (top, top),
                (max, 0),
                (max, 1),
                (max, max),
                (0, max),
                (1, max),
                (max - width + 1, 0),
                (0, max - width + 1),
                (0, max - width),
                // Wraps to something that is in the memory.
                (max - 7, 8),
                (max - 99, 108),
                (max - PAGE + 1, PAGE + 8),
                (8, max - 7),
                (max, max - 100),
            ]);
        }
        places
    }

    /// Where an access is, if it is in the memory.
    fn effective(&self, place: Place, width: u64) -> Option<usize> {
        let start = u128::from(place.0) + u128::from(place.1);
        (start + u128::from(width) <= u128::from(self.len)).then_some(start as usize)
    }

    fn index(&self, index: u64) -> String {
        if self.is_64() {
            format!("i64.const {}", index as i64)
        } else {
            format!("i32.const {}", index as i32)
        }
    }

    /// Calls, for each place, a function with a constant index and one that computes it, whose `body` is made of the index
    /// and the offset.
    fn each_place(
        &self,
        width: u64,
        result: &str,
        body: impl Fn(&str, u64) -> String,
        check: impl Fn(&mut Store<()>, &Bytes, Func, Place, &str),
    ) {
        let index_ty = if self.is_64() { "i64" } else { "i32" };
        let places = self.places(width);
        let mut text = format!(r#"(module (memory (export "memory") {})"#, self.ty);
        for (at, (index, offset)) in places.iter().enumerate() {
            let constant = body(&self.index(*index), *offset);
            let computed = body("local.get 0", *offset);
            writeln!(text, r#"(func (export "constant{at}") (param {index_ty}) {result} {constant})"#)
                .unwrap();
            writeln!(text, r#"(func (export "computed{at}") (param {index_ty}) {result} {computed})"#)
                .unwrap();
        }
        let mut store = Store::new(&Engine::default(), ());
        let module = compile(&store, &(text + ")"));
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let bytes = Bytes::of(instance.get_export(&mut store, "memory").unwrap());
        bytes.grow(&mut store, self.growth);
        let content: Vec<u8> = (0..self.len as usize).map(byte_at).collect();
        bytes.write(&mut store, 0, &content);
        for (at, place) in places.iter().enumerate() {
            for form in ["constant", "computed"] {
                let func = instance.get_func(&mut store, &format!("{form}{at}")).unwrap();
                check(&mut store, &bytes, func, *place, form);
            }
        }
    }

    fn param(&self, index: u64) -> Val {
        if self.is_64() { Val::I64(index as i64) } else { Val::I32(index as i32) }
    }
}

/// The bytes of a memory of either sort.
enum Bytes {
    Own(Memory),
    Shared(SharedMemory),
}

impl Bytes {
    fn of(item: Extern) -> Self {
        match item.clone().into_shared_memory() {
            Some(shared) => Self::Shared(shared),
            None => Self::Own(item.into_memory().unwrap()),
        }
    }
    fn grow(&self, store: &mut Store<()>, delta: u64) {
        match self {
            Self::Own(memory) => memory.grow(store, delta).unwrap(),
            Self::Shared(memory) => memory.grow(delta).unwrap(),
        };
    }
    fn write(&self, store: &mut Store<()>, at: usize, bytes: &[u8]) {
        match self {
            Self::Own(memory) => memory.write(store, at, bytes).unwrap(),
            Self::Shared(memory) => memory.write(at, bytes).unwrap(),
        }
    }
    fn all(&self, store: &Store<()>) -> Vec<u8> {
        match self {
            Self::Own(memory) => memory.data(store).to_vec(),
            Self::Shared(memory) => {
                let mut bytes = vec![0; memory.data_size()];
                memory.read(0, &mut bytes).unwrap();
                bytes
            }
        }
    }
}

#[test]
fn loads_stop_exactly_at_the_end() {
    for kind in CHECKED {
        for (operator, ty, width) in LOADS {
            let lane = operator.ends_with("_lane");
            let (ones, number) = if lane { ("v128.const i32x4 -1 -1 -1 -1", "0") } else { ("", "") };
            let body =
                |index: &str, offset: u64| format!("{index} {ones} {operator} offset={offset} {number}");
            kind.each_place(width, &format!("(result {ty})"), body, |store, _, func, place, form| {
                let mut results = [Val::I32(0)];
                let outcome = func.call(store, &[kind.param(place.0)], &mut results);
                let outcome = outcome.map(|()| results[0]).map_err(|error| trap(&error));
                let expected = kind.effective(place, width).map(|at| loaded(operator, width, at));
                let expected = expected.ok_or(Trap::MemoryOutOfBounds);
                let what = format!("{operator} at {place:x?} of {}, {form}", kind.ty);
                assert_eq!(format!("{outcome:?}"), format!("{expected:?}"), "{what}");
            });
        }
    }
}

#[test]
fn stores_write_all_their_bytes_or_none() {
    for kind in CHECKED {
        let untouched: Vec<u8> = (0..kind.len as usize).map(byte_at).collect();
        for (operator, operand, width) in STORES {
            let number = if operator.ends_with("_lane") { "0" } else { "" };
            let body =
                |index: &str, offset: u64| format!("{index} {operand} {operator} offset={offset} {number}");
            kind.each_place(width, "", body, |store, memory, func, place, form| {
                let outcome = func.call(&mut *store, &[kind.param(place.0)], &mut []);
                let outcome = outcome.map_err(|error| trap(&error));
                let at = kind.effective(place, width);
                let expected = if at.is_some() { Ok(()) } else { Err(Trap::MemoryOutOfBounds) };
                let what = format!("{operator} at {place:x?} of {}, {form}", kind.ty);
                assert_eq!(outcome, expected, "{what}");
                let mut bytes = memory.all(store);
                if let Some(at) = at {
                    let written = at..at + width as usize;
                    assert!(bytes[written.clone()].iter().all(|byte| *byte == 0xff), "{what}");
                    bytes[written.clone()].copy_from_slice(&untouched[written.clone()]);
                    memory.write(store, at, &untouched[written]);
                }
                assert!(bytes == untouched, "{what}: other bytes changed");
            });
        }
    }
}

/// The seven forms of an atomic operator: type, infix, suffix, bytes.
const FORMS: [(&str, &str, &str, u64); 7] = [
    ("i32", "", "", 4),
    ("i64", "", "", 8),
    ("i32", "8", "_u", 1),
    ("i32", "16", "_u", 2),
    ("i64", "8", "_u", 1),
    ("i64", "16", "_u", 2),
    ("i64", "32", "_u", 4),
];

/// Every atomic operator that accesses memory without waiting: its name, its result, its operands, bytes.
fn atomics() -> Vec<(String, String, String, u64)> {
    let mut all = Vec::new();
    for (ty, width, unsigned, bytes) in FORMS {
        let (one, result) = (format!("{ty}.const 1"), format!("(result {ty})"));
        all.push((format!("{ty}.atomic.load{width}{unsigned}"), result.clone(), String::new(), bytes));
        all.push((format!("{ty}.atomic.store{width}"), String::new(), one.clone(), bytes));
        for op in ["add", "sub", "and", "or", "xor", "xchg"] {
            let name = format!("{ty}.atomic.rmw{width}.{op}{unsigned}");
            all.push((name, result.clone(), one.clone(), bytes));
        }
        let name = format!("{ty}.atomic.rmw{width}.cmpxchg{unsigned}");
        all.push((name, result, format!("{one} {one}"), bytes));
    }
    all
}

#[test]
fn atomics_trap_where_they_are_not_aligned_and_stop_exactly_at_the_end() {
    for kind in CHECKED.iter().chain(&ALSO_ATOMIC) {
        for (operator, result, operands, width) in atomics() {
            let body = |index: &str, offset: u64| format!("{index} {operands} {operator} offset={offset}");
            kind.each_place(width, &result, body, |store, memory, func, place, form| {
                let mut results = [Val::I32(0)];
                let results = &mut results[..usize::from(!result.is_empty())];
                let outcome = func.call(&mut *store, &[kind.param(place.0)], results);
                let outcome = outcome.map_err(|error| trap(&error));
                let at = kind.effective(place, width);
                let expected = match at {
                    _ if !place.0.wrapping_add(place.1).is_multiple_of(width) => Err(Trap::HeapMisaligned),
                    Some(_) => Ok(()),
                    None => Err(Trap::MemoryOutOfBounds),
                };
                assert_eq!(outcome, expected, "{operator} at {place:x?} of {}, {form}", kind.ty);
                if let (Ok(()), Some(at)) = (outcome, at) {
                    let before: Vec<u8> = (at..at + width as usize).map(byte_at).collect();
                    if let [result] = results {
                        let number =
                            before.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
                        let found = result.i64().unwrap_or_else(|| i64::from(result.unwrap_i32() as u32));
                        let mask = if operator.starts_with("i32") { u64::from(u32::MAX) } else { u64::MAX };
                        assert_eq!(found as u64 & mask, number, "{operator} at {place:x?} of {}", kind.ty);
                    }
                    memory.write(store, at, &before);
                }
            });
        }
    }
}

#[test]
fn bulk_operations_of_64_bits_check_all_before_they_do_anything() {
    let max = u64::MAX;
    let rows: [(&str, [u64; 3], bool); 24] = [
        ("memory.fill", [0, 7, 0], true),
        ("memory.fill", [PAGE, 7, 0], true),
        ("memory.fill", [PAGE + 1, 7, 0], false),
        ("memory.fill", [PAGE - 1, 7, 1], true),
        ("memory.fill", [PAGE - 1, 7, 2], false),
        ("memory.fill", [PAGE - 1000, 7, 1001], false),
        ("memory.fill", [max, 7, 1], false),
        ("memory.fill", [max, 7, 2], false),
        ("memory.fill", [8, 7, max - 3], false),
        ("memory.fill", [1, 7, max], false),
        ("memory.fill", [1 << 32, 7, 1], false),
        ("memory.fill", [0, 7, 1 << 32], false),
        ("memory.copy", [0, PAGE, 0], true),
        ("memory.copy", [0, PAGE + 1, 0], false),
        ("memory.copy", [PAGE - 16, 0, 16], true),
        ("memory.copy", [PAGE - 16, 0, 17], false),
        ("memory.copy", [0, PAGE - 127, 128], false),
        ("memory.copy", [0, max, 2], false),
        ("memory.copy", [max - 7, 0, 16], false),
        ("memory.copy", [0, 0, max], false),
        ("memory.copy", [8, 8, max - 7], false),
        ("memory.init $d", [0, 0, 10], true),
        ("memory.init $d", [max, 0, 1], false),
        ("memory.init $d", [max - 5, 0, 10], false),
    ];
    for (operator, [dst, src, len], fits) in rows {
        let (second, third) = match operator {
            "memory.fill" => ("i32", "i64"),
            "memory.copy" => ("i64", "i64"),
            _ => ("i32", "i32"),
        };
        let constants =
            format!("i64.const {} {second}.const {} {third}.const {}", dst as i64, src as i64, len as i64);
        let (mut store, instance) = common::start(&format!(
            r#"(module (memory (export "memory") i64 1) (data $d "0123456789")
                (func $f (param i64 {second} {third}) local.get 0 local.get 1 local.get 2 {operator})
                (func (export "constant") {constants} {operator})
                (func (export "computed") {constants} call $f))"#
        ));
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        for form in ["constant", "computed"] {
            let outcome = common::run(&mut store, instance, form).map_err(|error| trap(&error));
            let expected = if fits { Ok(()) } else { Err(Trap::MemoryOutOfBounds) };
            assert_eq!(outcome, expected, "{operator} {constants}");
            assert!(fits || memory.data(&store).iter().all(|byte| *byte == 0), "{operator} {constants}");
        }
    }
}

#[test]
fn copies_between_memories_of_all_kinds() {
    let kinds =
        ["1", "i64 1", "65536 (pagesize 1)", "i64 65536 (pagesize 1)", "1 1 shared", "i64 1 1 shared"];
    for to in kinds {
        for from in kinds {
            let ty = |kind: &str| if kind.starts_with("i64") { "i64" } else { "i32" };
            let (dst, src) = (ty(to), ty(from));
            let len = if dst == src { dst } else { "i32" };
            let text = format!(
                r#"(module (memory $a {to}) (memory $b {from}) (data (memory $b) ({src}.const 65532) "wasm")
                    (func (export "copy") (param {dst} {src} {len}) (result i32)
                        (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2))
                        (i32.load $a (local.get 0))))"#
            );
            let (mut store, instance) = common::start(&text);
            let copy = instance.get_func(&mut store, "copy").unwrap();
            let number =
                |ty: &str, value: i64| if ty == "i64" { Val::I64(value) } else { Val::I32(value as i32) };
            for (at, start, count, loads) in [
                (8, 65532, 4, true),
                (65532, 65532, 4, true),
                (8, 65533, 4, false),
                (65533, 65532, 4, false),
                (-1, 65532, 4, false),
                (0, -1, 2, false),
                (8, 65532, -1, false),
            ] {
                let args = [number(dst, at), number(src, start), number(len, count)];
                let mut results = [Val::I32(0)];
                let outcome = copy.call(&mut store, &args, &mut results).map_err(|error| trap(&error));
                let expected = if loads { Ok(()) } else { Err(Trap::MemoryOutOfBounds) };
                assert_eq!(outcome, expected, "{to} from {from}: {at} {start} {count}");
                let wasm = i32::from_le_bytes(*b"wasm");
                assert!(!loads || results[0].unwrap_i32() == wasm, "{to} from {from}: {at} {start} {count}");
            }
        }
    }
}

#[test]
fn memories_of_64_bits_grow_to_what_is_reserved_and_no_further() {
    // 64 GiB are a million pages; only what is touched costs memory.
    let pages_max = (64 << 30) / PAGE;
    for (ty, wanted, answer) in [
        ("i64 1", pages_max, -1),
        ("i64 1", pages_max - 1, 1),
        ("i64 1", u64::MAX, -1),
        ("i64 1", 1 << 48, -1),
        ("i64 1 2", 2, -1),
        ("i64 1 2", 1, 1),
        ("i64 1 0x1000000000000", pages_max, -1),
    ] {
        let (mut store, instance) = common::start(&format!(
            r#"(module (memory (export "memory") {ty})
                (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0)))
                (func (export "last") (result i64)
                    (i64.store8 (i64.sub (i64.shl (memory.size) (i64.const 16)) (i64.const 1)) (i64.const 9))
                    (memory.size)))"#
        ));
        let grow = instance.get_typed_func::<u64, i64>(&mut store, "grow").unwrap();
        let last = instance.get_typed_func::<(), u64>(&mut store, "last").unwrap();
        assert_eq!(grow.call(&mut store, wanted).unwrap(), answer, "{ty} by {wanted}");
        let size = if answer == 1 { wanted + 1 } else { 1 };
        assert_eq!(last.call(&mut store, ()).unwrap(), size, "{ty} by {wanted}");
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        assert_eq!((memory.size(&store), memory.data_size(&store) as u64), (size, size * PAGE));
    }
    let mut store = Store::new(&Engine::default(), ());
    for (min, max) in [(1 << 48, None), (2, Some(1)), ((1 << 48) + 1, None), (0, Some((1 << 48) + 1))] {
        assert!(Memory::new(&mut store, MemoryType::new64(min, max)).is_err(), "{min} {max:?}");
    }
}

#[test]
fn memories_with_pages_of_a_byte_grow_by_bytes() {
    let mut store = Store::new(&Engine::default(), ());
    let ty = MemoryType::builder().min(0).max(Some(10_000)).page_size_log2(0).build().unwrap();
    let memory = Memory::new(&mut store, ty).unwrap();
    for (delta, before) in [(1, 0), (0, 1), (4095, 1), (1, 4096), (5903, 4097)] {
        assert_eq!(memory.grow(&mut store, delta).unwrap(), before);
        assert_eq!(memory.data(&store).len() as u64, before + delta);
        assert!(memory.data(&store)[before as usize..].iter().all(|byte| *byte == 0));
        memory.data_mut(&mut store).fill(7);
    }
    assert!(memory.grow(&mut store, 1).is_err());
    assert!(memory.grow(&mut store, u64::MAX).is_err());
    let too_long = MemoryType::builder().min(1 << 32).page_size_log2(0).build();
    assert!(too_long.is_err());
    assert!(MemoryType::builder().page_size_log2(1).build().is_err());
}

#[test]
fn limits_of_stores_hold_for_every_kind() {
    let engine = Engine::default();
    for (ty, index, step) in [
        ("i64 1", "i64", 1),
        ("i64 1 9 shared", "i64", 1),
        ("1 9 shared", "i32", 1),
        ("65536 (pagesize 1)", "i32", PAGE),
    ] {
        let text = format!(
            r#"(module (memory {ty}) (func (export "grow") (param {index}) (result {index})
                (memory.grow (local.get 0))))"#
        );
        let module = Module::new(&engine, text).unwrap();
        let limits = StoreLimitsBuilder::new().memory_size(3 * PAGE as usize).build();
        let mut store = Store::new(&engine, limits);
        store.limiter(|limits| limits);
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let grow = instance.get_func(&mut store, "grow").unwrap();
        for (pages, answer) in [(3, -1), (2, step as i64), (1, -1), (0, 3 * step as i64)] {
            let delta = pages * step;
            let delta = if index == "i64" { Val::I64(delta as i64) } else { Val::I32(delta as i32) };
            let mut results = [Val::I32(0)];
            grow.call(&mut store, &[delta], &mut results).unwrap();
            let found = results[0].i64().unwrap_or_else(|| results[0].unwrap_i32().into());
            assert_eq!(found, answer, "{ty} by {pages}");
        }
        let mut poor = Store::new(&engine, StoreLimitsBuilder::new().memory_size(100).build());
        poor.limiter(|limits| limits);
        assert!(Instance::new(&mut poor, &module, &[]).is_err(), "{ty}");
    }
}

/// Runs a test of this file by itself, in a process of its own, after `before` in a shell.
fn in_child(name: &str, before: &str, test: impl FnOnce()) {
    const CHILD: &str = "WAFT_TEST_CHILD";
    if std::env::var_os(CHILD).is_some_and(|child| child == name) {
        return test();
    }
    let program = std::env::current_exe().unwrap();
    let script = format!("{before} exec \"$0\" --exact \"$1\"");
    let status = std::process::Command::new("sh")
        .args(["-c", &script, program.to_str().unwrap(), name])
        .env(CHILD, name)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn less_is_reserved_where_address_space_is_rationed() {
    in_child("less_is_reserved_where_address_space_is_rationed", "ulimit -v 41943040 &&", || {
        let mut store = Store::new(&Engine::default(), ());
        let memory = Memory::new(&mut store, MemoryType::new64(1, None)).unwrap();
        assert_eq!(memory.grow(&mut store, 100).unwrap(), 1);
        memory.data_mut(&mut store)[100 * PAGE as usize] = 1;
        assert!(memory.grow(&mut store, (40 << 30) / PAGE).is_err());
    });
}

#[test]
fn when_addresses_run_out_memories_are_smaller_or_refused() {
    in_child("when_addresses_run_out_memories_are_smaller_or_refused", "", || {
        let mut store = Store::new(&Engine::default(), ());
        // At 64 GiB each, the addresses of the machine are used up long before.
        let memories: Vec<Memory> =
            (0..4_000).map_while(|_| Memory::new(&mut store, MemoryType::new64(1, None)).ok()).collect();
        assert!(memories.len() > 1_000, "{} memories", memories.len());
        memories.last().unwrap().data_mut(&mut store)[PAGE as usize - 1] = 1;
        drop(store);
        let mut store = Store::new(&Engine::default(), ());
        Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    });
}
