//! Functions with too much of something compile in bounded time and memory.

mod common;

use common::for_each_func;
use std::time::Instant;
use waft_core::tier::{CompiledFunc, Linkage, Tier};
use waft_cranelift::{Cranelift, Inlining};

/// The most locals that validation lets a function have.
const MOST_LOCALS: usize = 50_000;

const I64: u8 = 0x7e;
const V128: u8 = 0x7b;
const CALL_SELF: &[u8] = b"\x10\0";
const END: u8 = 0x0b;

/// Compiles a module in both linkages. What takes time in the square of a hostile number takes minutes here.
fn compile(what: &str, module: &[u8]) -> [CompiledFunc; 2] {
    let tier = Cranelift::new().expect("this is an x86-64 machine");
    [Linkage::Slots, Linkage::Direct].map(|linkage| {
        let start = Instant::now();
        let func = for_each_func(module, linkage, |request| tier.compile(request)).remove(0);
        println!("{what}, {linkage:?}: {:?}, {} bytes of code", start.elapsed(), func.code.len());
        assert!(func.code.len() < 20 * module.len() + 1_000, "{what}: {} bytes of code", func.code.len());
        func
    })
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A module with one function, of type `() -> ()` or `() -> i64`, with locals of one type.
fn one_func(result: Option<u8>, locals: (usize, u8), operators: &[u8]) -> Vec<u8> {
    let mut body = [&[1][..], &leb(locals.0), &[locals.1], operators, &[END]].concat();
    body = [&leb(body.len())[..], &body].concat();
    let ty = [&[1, 0x60, 0, u8::from(result.is_some())][..], result.as_slice()].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, section) in [(1, ty), (3, vec![1, 0]), (10, [&[1][..], &body].concat())] {
        module.push(id);
        module.extend(leb(section.len()));
        module.extend(section);
    }
    module
}

/// `operator` with each number below `count` in turn.
fn each(count: usize, operator: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(|at| operator(leb(at))).collect()
}

#[test]
fn as_many_locals_as_there_can_be_of_which_one_is_used() {
    let operators = b"\x03\x40\x20\x07\x42\x01\x7c\x22\x07\x50\x0d\0\x0b";
    compile("locals unused", &one_func(None, (MOST_LOCALS, I64), operators));
}

#[test]
fn as_many_locals_as_there_can_be_live_across_calls() {
    for (ty, zip) in [(I64, &[0x7c][..]), (V128, &[0xfd, 0xce, 0x01])] {
        // Each is set from a call, lives across a hundred more, and is added to the result.
        let sets = each(MOST_LOCALS, |at| [CALL_SELF, &[0x21], &at].concat());
        let calls = [CALL_SELF, &[0x1a]].concat().repeat(100);
        let sums = each(MOST_LOCALS, |at| [&[0x20], &at[..], zip].concat());
        let operators = [&sets[..], &calls, CALL_SELF, &sums].concat();
        let module = one_func(Some(ty), (MOST_LOCALS, ty), &operators);
        let codes = || compile("locals live", &module).map(|func| func.code);
        assert!(codes() == codes(), "the same request gives the same bytes");
    }
}

#[test]
fn high_operand_stacks_across_calls() {
    let count = 50_000;
    let operators = [CALL_SELF.repeat(count), vec![0x7c; count - 1]].concat();
    compile("operands", &one_func(Some(I64), (0, I64), &operators));
}

#[test]
fn many_locals_in_deep_loops() {
    for (locals, loops) in [(MOST_LOCALS, 50_000), (2_000, 10_000), (400, 2_400)] {
        let operators = [
            b"\x03\x40".repeat(loops),
            each(locals, |at| [&[0x20], &at[..], b"\x42\x01\x7c\x21", &at].concat()),
            b"\x42\x00\x50\x0d\0\x0b".repeat(loops),
        ]
        .concat();
        compile("locals in loops", &one_func(None, (locals, I64), &operators));
    }
}

#[test]
fn one_local_set_in_many_ifs() {
    let count = 45_000;
    let operators = [&b"\x20\0\x50\x04\x40\x10\0\x21\0\x0b".repeat(count)[..], b"\x20\0"].concat();
    compile("one local set in ifs", &one_func(Some(I64), (1, I64), &operators));
}

#[test]
fn many_locals_across_many_blocks() {
    let blocks = 50_000;
    let operators =
        [b"\x10\0\x50\x0d\0".repeat(blocks), each(MOST_LOCALS, |at| [&[0x20], &at[..], b"\x1a"].concat())]
            .concat();
    let operators = operators.iter().copied().chain(*b"\x42\0").collect::<Vec<_>>();
    let operators = [b"\x02\x40", &operators[..], b"\x1a\x0b\x42\0"].concat();
    compile("locals across blocks", &one_func(Some(I64), (MOST_LOCALS, I64), &operators));
}

#[test]
fn common_values_across_calls() {
    for count in [10_000, 50_000] {
        // What is computed twice, with calls between.
        let uses = each(count, |at| [&[0x20, 0, 0x42], &at[..], b"\x7e\x10\0\x7c\x21\x01"].concat());
        let operators = [&uses[..], &uses, b"\x20\x01"].concat();
        compile("common values", &one_func(Some(I64), (2, I64), &operators));
    }
}

#[test]
fn deep_nesting() {
    let depth = 100_000;
    for (what, open) in [("blocks", &b"\x02\x40"[..]), ("loops", b"\x03\x40"), ("ifs", b"\x41\x01\x04\x40")] {
        let operators = [open.repeat(depth), vec![END; depth]].concat();
        compile(what, &one_func(None, (0, I64), &operators));
    }
}

#[test]
fn a_million_targets() {
    let operators =
        [b"\x02\x40\x02\x40\x41\x05\x0e\xc0\x84\x3d", &[0, 1].repeat(500_000)[..], &[2, END, END]].concat();
    compile("a br_table of a million", &one_func(None, (0, I64), &operators));
}

/// A module of functions with these operators each, of type `() -> ()`.
fn many_funcs(funcs: &[Vec<u8>]) -> Vec<u8> {
    let count = leb(funcs.len());
    let body = |operators: &Vec<u8>| [&leb(operators.len() + 2)[..], &[0], operators, &[END]].concat();
    let bodies: Vec<u8> = funcs.iter().flat_map(body).collect();
    let types = [&count[..], &vec![0; funcs.len()]].concat();
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, section) in [(1, vec![1, 0x60, 0, 0]), (3, types), (10, [&count[..], &bodies].concat())] {
        module.push(id);
        module.extend(leb(section.len()));
        module.extend(section);
    }
    module
}

fn call(func: usize) -> Vec<u8> {
    [vec![0x10], leb(func)].concat()
}

#[test]
fn callees_that_would_be_taken_in_without_end() {
    let leaf = vec![0x01; 3];
    // Each calls the next one, so often that all of them together are more than there are atoms.
    let tree = |count: usize, calls: usize| -> Vec<Vec<u8>> {
        (0..count).map(|at| if at + 1 < count { call(at + 1).repeat(calls) } else { leaf.clone() }).collect()
    };
    // Each calls all of them, itself as well.
    let all = |count: usize| vec![(0..count).flat_map(call).collect(); count];
    // One that calls a leaf more often than it may take it in.
    let often = vec![call(1).repeat(50_000), leaf.clone()];
    for (what, funcs) in [
        ("a chain", tree(10_000, 1)),
        ("a tree of twos", tree(300, 2)),
        ("a tree of nines", tree(300, 9)),
        ("all call all", all(60)),
        ("often", often),
    ] {
        let module = many_funcs(&funcs);
        for inlining in [Inlining::SMALL, Inlining::OBJECTS, Inlining::ALL] {
            let tier = Cranelift::new().expect("this is an x86-64 machine").with_inlining(inlining);
            let start = Instant::now();
            let funcs_compiled = for_each_func(&module, Linkage::Direct, |request| tier.compile(request));
            let code: usize = funcs_compiled.iter().map(|func| func.code.len()).sum();
            println!("{what}, {inlining:?}: {:?}, {code} bytes of code", start.elapsed());
            let taken_in: usize = funcs_compiled.iter().map(|func| func.inlined_calls.len()).sum();
            let bytes_max = module.len() * inlining.bytes_per_byte + funcs.len() * inlining.bytes_free;
            assert!(taken_in * (leaf.len() + 2) <= bytes_max, "{what}: {taken_in} calls");
            assert!(code < 20 * (module.len() + bytes_max), "{what}: {code} bytes of code");
        }
    }
}

#[test]
fn callees_with_as_many_locals_as_there_can_be_are_called() {
    let locals = [&leb(1)[..], &leb(MOST_LOCALS), &[I64, END]].concat();
    let body = [&leb(locals.len())[..], &locals].concat();
    let caller = [&[0][..], &call(0).repeat(10), &[END]].concat();
    let caller = [&leb(caller.len())[..], &caller].concat();
    let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x03\x02\0\0\x0a".to_vec();
    let bodies = [&[2][..], &body, &caller].concat();
    module.extend(leb(bodies.len()));
    module.extend(bodies);
    let tier = Cranelift::new().expect("this is an x86-64 machine").with_inlining(Inlining::ALL);
    let funcs = for_each_func(&module, Linkage::Direct, |request| tier.compile(request));
    assert_eq!((funcs[1].inlined_calls.len(), funcs[1].relocs.len()), (0, 10));
}
