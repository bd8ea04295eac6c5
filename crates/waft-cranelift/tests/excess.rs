//! Functions with too much of something compile in bounded time and memory.

mod common;

use common::for_each_func;
use std::time::Instant;
use waft_core::tier::{CompiledFunc, Linkage, Tier};
use waft_cranelift::Cranelift;

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
