use super::*;
use crate::module::{FuncBody, ModuleBodies, decode};

/// A module with one memory, a table of functions and one of host values, a mutable `i32`, a constant `i64` and a constant reference that is never null, a tag of `i32`, and a function
/// of type 0, `(i32) -> i32`, with these operators. Type 1 is `(i64, i64) -> ()`, which is that of the other function.
fn module(operators: &[u8]) -> Vec<u8> {
    module_with(|_| true, operators)
}

/// The same, with some of its sections.
fn module_with(has: impl Fn(u8) -> bool, operators: &[u8]) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    let body = [&[0], operators, &[op::END]].concat();
    let sections: [(u8, &[u8]); 8] = [
        (1, &[3, 0x60, 1, I32, 1, I32, 0x60, 2, I64, I64, 0, 0x60, 1, I32, 0]),
        (3, &[2, 0, 1]),
        (4, &[2, FUNCREF, 0, 1, EXTERNREF, 0, 1]),
        (5, &[1, 0, 1]),
        (13, &[1, 0, 2]),
        (
            6,
            &[
                3,
                I32,
                1,
                op::I32_CONST,
                0,
                op::END,
                I64,
                0,
                op::I64_CONST,
                0,
                op::END,
                0x64,
                FUNCREF,
                0,
                0xd2,
                0,
                op::END,
            ],
        ),
        (9, &[1, 0, op::I32_CONST, 0, op::END, 1, 0]),
        (10, &[&[2, body.len() as u8][..], &body, &[2, 0, op::END]].concat()),
    ];
    for (id, contents) in sections.into_iter().filter(|(id, _)| has(*id)) {
        bytes.extend([id, contents.len() as u8]);
        bytes.extend_from_slice(contents);
    }
    bytes
}

/// Whether the function is valid by the rules here, and by all rules: with its operators at the end, and before others, where they are
/// met in steps.
fn validate(operators: &[u8]) -> (bool, bool) {
    let outcome = validate_as_it_is(operators);
    assert_eq!(validate_as_it_is(&[operators, &[op::NOP; 8]].concat()), outcome, "{operators:x?}");
    outcome
}

fn validate_as_it_is(operators: &[u8]) -> (bool, bool) {
    let module = module(operators);
    let proposals = ProposalSet::on_by_default();
    let decoded = decode(&module, proposals).unwrap();
    let plain = PlainModule::new(&decoded.shape, proposals).unwrap();
    let func = decoded.shape.bodies.keys().next().unwrap();
    let body = &module[decoded.shape.bodies[func].clone()];
    let fast = is_valid(&plain, decoded.shape.func(func), body, &mut PlainAllocations::default());
    let body = ModuleBodies::new(&decoded.shape, &module).of(func);
    let general = decoded.body_validator().general().validate(func, body);
    (fast, general.is_ok())
}

#[test]
fn plain_bodies_are_told_valid() {
    let rows: &[&[u8]] = &[
        &[op::LOCAL_GET, 0],
        &[
            op::LOCAL_GET,
            0,
            op::LOCAL_TEE,
            0,
            op::LOCAL_SET,
            0,
            op::I32_CONST,
            0xff,
            0xff,
            0xff,
            0xff,
            0x7f,
            op::DROP,
            op::I32_CONST,
            0x7f,
        ],
        &[op::I64_CONST, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f, op::I32_WRAP_I64],
        &[op::LOCAL_GET, 0, op::I32_LOAD, 2, 0xff, 0xff, 0xff, 0xff, 0x0f],
        &[op::LOCAL_GET, 0, op::IF, I32, op::I32_CONST, 1, op::ELSE, op::I32_CONST, 2, op::END],
        &[op::LOCAL_GET, 0, op::LOCAL_GET, 0, op::IF, 0, op::END],
        &[op::LOCAL_GET, 0, op::LOOP, 0, op::LOCAL_GET, 0, op::BR_IF, 0, op::END],
        &[op::LOCAL_GET, 0, op::BR, 0, op::I64_CONST, 0, op::DROP],
        &[op::UNREACHABLE, op::I32_ADD],
        &[op::BLOCK, EMPTY, op::LOCAL_GET, 0, op::BR_TABLE, 1, 0, 0, op::END, op::LOCAL_GET, 0],
        &[op::LOCAL_GET, 0, op::CALL, 0, op::LOCAL_GET, 0, op::CALL_INDIRECT, 0, 0],
        &[op::LOCAL_GET, 0, op::RETURN_CALL, 0],
        &[
            op::I32_CONST,
            1,
            op::GLOBAL_SET,
            0,
            op::GLOBAL_GET,
            1,
            op::GLOBAL_GET,
            1,
            op::CALL,
            1,
            op::GLOBAL_GET,
            0,
        ],
        &[
            op::BLOCK,
            I32,
            op::TRY_TABLE,
            EMPTY,
            1,
            0,
            0,
            0,
            op::I32_CONST,
            1,
            op::THROW,
            0,
            op::END,
            op::UNREACHABLE,
            op::END,
        ],
        &[op::BLOCK, EXNREF, op::TRY_TABLE, EMPTY, 1, 3, 0, op::END, op::UNREACHABLE, op::END, op::THROW_REF],
        &[op::MEMORY_SIZE, 0, op::MEMORY_GROW, 0],
        &[op::I32_CONST, 0, op::I32_CONST, 0, op::I32_CONST, 0, op::PREFIX_BULK, 10, 0, 0, op::LOCAL_GET, 0],
        &[op::REF_NULL, FUNCREF, op::REF_IS_NULL],
        // More operands than are looked at together.
        &[&[op::BLOCK, I32][..], &[op::LOCAL_GET, 0].repeat(7), &[op::NOP], &[op::DROP; 6], &[op::END]]
            .concat(),
    ];
    for row in rows {
        assert_eq!(validate(row), (true, true), "{row:x?}");
    }
}

#[test]
fn what_is_not_valid_is_not_told_so() {
    let rows: &[&[u8]] = &[
        &[],
        &[op::I64_CONST, 0],
        &[op::LOCAL_GET, 0, op::LOCAL_GET, 0],
        &[op::LOCAL_GET, 1],
        // Numbers that are too long, or too large.
        &[op::LOCAL_GET, 0x80, 0x80, 0x80, 0x80, 0x10],
        &[op::LOCAL_GET, 0x80, 0x80, 0x80, 0x80, 0x80, 0],
        &[op::I32_CONST, 0xff, 0xff, 0xff, 0xff, 0x4f],
        &[op::I32_CONST, 0x80, 0x80, 0x80, 0x80, 0x08],
        &[op::I64_CONST, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, op::I32_WRAP_I64],
        &[op::LOCAL_GET, 0, op::I32_LOAD, 2, 0xff, 0xff, 0xff, 0xff, 0x1f],
        &[op::LOCAL_GET, 0, op::I32_LOAD, 3, 0],
        // Without `else` nothing gives what comes out.
        &[op::LOCAL_GET, 0, op::IF, I32, op::I32_CONST, 1, op::END],
        &[op::LOCAL_GET, 0, op::BLOCK, EMPTY, op::ELSE, op::END],
        &[
            op::I64_CONST,
            0,
            op::I64_CONST,
            0,
            op::LOCAL_GET,
            0,
            op::IF,
            1,
            op::CALL,
            1,
            op::ELSE,
            op::END,
            op::LOCAL_GET,
            0,
        ],
        // What is below a block's own operands is out of its reach.
        &[op::LOCAL_GET, 0, op::BLOCK, EMPTY, op::DROP, op::END],
        &[op::UNREACHABLE, op::I64_CONST, 0],
        &[op::UNREACHABLE, op::I64_CONST, 0, op::I32_ADD],
        &[op::LOCAL_GET, 0, op::BR, 1],
        &[op::BLOCK, I64, op::LOCAL_GET, 0, op::LOCAL_GET, 0, op::BR_TABLE, 1, 0, 1, op::END, op::DROP],
        &[
            op::LOCAL_GET,
            0,
            op::REF_NULL,
            FUNCREF,
            op::REF_NULL,
            FUNCREF,
            op::LOCAL_GET,
            0,
            op::SELECT,
            op::DROP,
        ],
        &[op::I64_CONST, 1, op::GLOBAL_SET, 1, op::LOCAL_GET, 0],
        &[op::I64_CONST, 1, op::CALL, 0],
        &[op::LOCAL_GET, 0, op::CALL, 2],
        &[op::LOCAL_GET, 0, op::LOCAL_GET, 0, op::CALL_INDIRECT, 0, 1],
        &[op::I64_CONST, 0, op::I64_CONST, 0, op::RETURN_CALL, 1],
        // A branch to a loop carries what goes in, and all labels of a table take the same.
        &[
            op::I64_CONST,
            0,
            op::I64_CONST,
            0,
            op::LOOP,
            1,
            op::CALL,
            1,
            op::LOCAL_GET,
            0,
            op::BR_IF,
            0,
            op::END,
            op::LOCAL_GET,
            0,
        ],
        &[
            op::BLOCK,
            I64,
            op::LOCAL_GET,
            0,
            op::LOCAL_GET,
            0,
            op::BR_TABLE,
            1,
            1,
            0,
            op::END,
            op::DROP,
            op::LOCAL_GET,
            0,
        ],
        &[
            op::BLOCK,
            I64,
            op::TRY_TABLE,
            EMPTY,
            1,
            0,
            0,
            0,
            op::END,
            op::UNREACHABLE,
            op::END,
            op::DROP,
            op::LOCAL_GET,
            0,
        ],
        &[op::BLOCK, I32, op::TRY_TABLE, EMPTY, 1, 1, 0, 0, op::END, op::UNREACHABLE, op::END],
        &[op::LOCAL_GET, 0, op::THROW_REF],
        &[op::LOCAL_GET, 0, op::END, op::LOCAL_GET, 0],
        &[
            &[op::BLOCK, I32][..],
            &[op::LOCAL_GET, 0].repeat(7),
            &[op::NOP],
            &[op::DROP; 5],
            &[op::END, op::DROP],
        ]
        .concat(),
    ];
    for row in rows {
        assert_eq!(validate(row), (false, false), "{row:x?}");
    }
}

/// Operators, and how some functions begin and end.
const OPERATORS: &[&[u8]] = &[
    &[op::LOCAL_GET, 0],
    &[op::LOCAL_GET, 0],
    &[op::LOCAL_GET, 0],
    &[op::LOCAL_GET, 1],
    &[op::LOCAL_SET, 0],
    &[op::LOCAL_SET, 1],
    &[op::LOCAL_TEE, 0],
    &[op::LOCAL_TEE, 0x81, 0],
    &[op::LOCAL_GET, 2],
    &[op::I32_CONST, 5],
    &[op::I32_CONST, 0xff, 0xff, 0xff, 0xff, 0x07],
    &[op::I32_CONST, 0xff, 0xff, 0xff, 0xff, 0x0f],
    &[op::I64_CONST, 0xff, 0xff, 0xff, 0xff, 0x0f],
    &[op::I64_CONST, 0],
    &[op::F64_CONST, 0, 0, 0, 0, 0, 0, 0, 0],
    &[op::I32_ADD],
    &[op::I32_EQZ],
    &[op::I64_ADD],
    &[op::I64_EXTEND_I32_U],
    &[op::I32_LOAD, 2, 0x80, 1],
    &[op::I32_LOAD, 3, 0],
    &[op::I32_LOAD, 0, 0xff, 0xff, 0xff, 0xff, 0x1f],
    &[op::I64_STORE, 3, 0xff, 0xff, 0xff, 0xff, 0x0f],
    &[op::I32_STORE, 0, 0],
    &[op::DROP],
    &[op::DROP],
    &[op::SELECT],
    &[op::REF_NULL, FUNCREF],
    &[op::GLOBAL_GET, 0],
    &[op::GLOBAL_GET, 0x81, 0],
    &[op::GLOBAL_GET, 2],
    &[op::GLOBAL_SET, 0],
    &[op::GLOBAL_SET, 1],
    &[op::GLOBAL_SET, 2],
    &[op::CALL, 0],
    &[op::CALL, 1],
    &[op::CALL, 0x82, 0x80, 0x80, 0x80, 0],
    &[op::CALL, 3],
    &[op::BLOCK, EMPTY],
    &[op::BLOCK, I32],
    &[op::BLOCK, I64],
    &[op::BLOCK, 0],
    &[op::LOOP, EMPTY],
    &[op::LOOP, 0],
    &[op::IF, EMPTY],
    &[op::IF, I32],
    &[op::IF, 0],
    &[op::IF, 1],
    &[op::IF, 3],
    &[op::ELSE],
    &[op::ELSE],
    &[op::END],
    &[op::END],
    &[op::END],
    &[op::BR, 0],
    &[op::BR, 1],
    &[op::BR_IF, 0],
    &[op::BR_IF, 1],
    &[op::BR_IF, 2],
    &[op::RETURN],
    &[op::UNREACHABLE],
    &[op::TRY_TABLE, EMPTY, 0],
    &[op::TRY_TABLE, I32, 0],
    &[op::NOP],
];
const BEGINNINGS: &[&[u8]] = &[
    &[],
    &[op::LOCAL_GET, 0],
    &[op::LOCAL_GET, 0, op::LOCAL_GET, 0],
    &[op::LOCAL_GET, 0, op::IF, I32, op::I32_CONST, 1],
    &[op::LOCAL_GET, 0, op::LOCAL_GET, 0, op::IF, EMPTY],
    &[op::LOCAL_GET, 0, op::IF, I32, op::I32_CONST, 1, op::ELSE],
    &[op::I64_CONST, 0, op::LOCAL_GET, 0],
    &[op::BLOCK, I32, op::LOCAL_GET, 0],
    &[op::BLOCK, I64, op::I64_CONST, 0],
    &[op::LOCAL_GET, 0, op::LOOP, EMPTY],
    &[op::BLOCK, I32, op::UNREACHABLE],
    &[op::LOCAL_GET, 0, op::BLOCK, EMPTY, op::BR, 0],
    &[op::I64_CONST, 0, op::I64_CONST, 0, op::LOCAL_GET, 0],
];
const ENDS: &[&[u8]] = &[
    &[],
    &[op::END],
    &[op::END, op::END],
    &[op::DROP, op::LOCAL_GET, 0],
    &[op::END, op::DROP, op::LOCAL_GET, 0],
    &[op::DROP],
    &[op::LOCAL_GET, 0],
    &[op::END, op::LOCAL_GET, 0],
    &[op::DROP, op::END, op::LOCAL_GET, 0],
];

#[test]
fn whatever_is_told_valid_is_so() {
    // Source: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    let mut state = 7_u64;
    let mut below = |end: usize| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % end as u64) as usize
    };
    let [mut plain_count, mut valid_count] = [0, 0];
    for has_memory in [true, false] {
        const MEMORIES: u8 = 5;
        let module = &module_with(|section| has_memory || section != MEMORIES, &[]);
        let proposals = ProposalSet::on_by_default();
        let decoded = decode(module, proposals).unwrap();
        let plain = PlainModule::new(&decoded.shape, proposals).unwrap();
        let mut general = decoded.body_validator().general();
        let func = decoded.shape.bodies.keys().next().unwrap();
        let mut room = PlainAllocations::default();
        for _ in 0..600_000 {
            let one = |list: &[&'static [u8]], at| list[at];
            let mut body = alloc::vec![1, 1, I64];
            body.extend(one(BEGINNINGS, below(BEGINNINGS.len())));
            for _ in 0..below(5) {
                body.extend(one(OPERATORS, below(OPERATORS.len())));
            }
            body.extend(one(ENDS, below(ENDS.len())));
            // The last operators are not met in steps, so these are others half of the time.
            body.extend(core::iter::repeat_n(op::NOP, 8 * below(2)));
            body.push(op::END);
            let is_plain = is_valid(&plain, decoded.shape.func(func), &body, &mut room);
            let is_valid = general.validate(func, FuncBody { bytes: &body, start: 0 }).is_ok();
            assert!(is_valid || !is_plain, "{body:x?}");
            plain_count += usize::from(is_plain);
            valid_count += usize::from(is_valid);
        }
    }
    assert!(valid_count > 40_000, "{valid_count} of them are valid");
    assert!(plain_count * 100 > valid_count * 95, "{plain_count} of {valid_count} are plain");
}

#[test]
fn a_tag_with_results_is_no_exception() {
    let bytes = b"\0asm\x01\0\0\0\x01\x09\x02\x60\0\0\x60\x01\x7f\x01\x7f\x03\x02\x01\0\x0d\x03\x01\0\x01\x0a\x08\x01\x06\0\x41\0\x08\0\x0b";
    let decoded = decode(bytes, ProposalSet::all()).unwrap();
    let func = decoded.shape.bodies.keys().next().unwrap();
    let body = ModuleBodies::new(&decoded.shape, bytes).of(func);
    assert!(decoded.body_validator().validate(func, body).is_err());
}
