//! Every operator compiles under Cranelift's verifier, whatever lanes its operands come with, and the shapes that the
//! backend should fold are folded. What operators compute is the business of the standard's own scripts.

use crate::Cranelift;
use waft_core::index::DefinedFuncIndex;
use waft_core::layout::VmLayout;
use waft_core::module::{ModuleBodies, decode, decode_validated};
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CompileRequest, Linkage, Tier, Tunables};

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
const F32: u8 = 0x7d;
const F64: u8 = 0x7c;
const V128: u8 = 0x7b;

/// The types of a test function's parameters.
const PARAMS: [u8; 6] = [V128, I32, I64, F32, F64, V128];

const OPERANDS: &[&[u8]] = &[
    &[],
    &[I32],
    &[I64],
    &[F32],
    &[F64],
    &[V128],
    &[I32, V128],
    &[V128, I32],
    &[V128, I64],
    &[V128, F32],
    &[V128, F64],
    &[V128, V128],
    &[V128, V128, V128],
];
const RESULTS: &[&[u8]] = &[&[], &[V128], &[I32], &[I64], &[F32], &[F64]];

/// Immediates: none, a lane, a memory argument, both, sixteen bytes. Each is tried after the shorter ones, none of
/// which are valid where a longer one is: they let the operator swallow the `end`.
const IMMEDIATES: &[&[u8]] = &[&[], &[1], &[0, 1], &[0, 1, 1], &[1; 16]];

const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;

/// A SIMD operator by its number.
fn simd(number: u16) -> Vec<u8> {
    if number < 0x80 {
        vec![0xfd, number as u8]
    } else {
        vec![0xfd, number as u8 | 0x80, (number >> 7) as u8]
    }
}

/// Ways to come by a vector, each with lanes of its own.
fn origins() -> Vec<Vec<u8>> {
    let of_param = |number| [vec![LOCAL_GET, 0], simd(number)].concat();
    vec![
        vec![LOCAL_GET, 0],
        // `v128.load` and `v128.const`.
        [vec![LOCAL_GET, 1], simd(0x00), vec![0, 0]].concat(),
        [simd(0x0c), vec![7; 16]].concat(),
        // `neg` of each type of lanes.
        of_param(0x61),
        of_param(0x81),
        of_param(0xa1),
        of_param(0xc1),
        of_param(0xe1),
        of_param(0xed),
        // One that went through a local.
        [of_param(0xe1), vec![LOCAL_SET, 0, LOCAL_GET, 0]].concat(),
    ]
}

/// A module with one function of these types.
fn module(results: &[u8], code: &[u8]) -> Vec<u8> {
    let section = |id: u8, content: &[u8]| [&[id, u8::try_from(content.len()).unwrap()], content].concat();
    let body = [&[0], code, &[0x0b]].concat();
    let types = [&[1, 0x60, PARAMS.len() as u8][..], &PARAMS, &[results.len() as u8], results].concat();
    let functions = [&[1, u8::try_from(body.len()).unwrap()], &body[..]].concat();
    let start = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(3, &[1, 0]),
        section(5, &[1, 0, 1]),
        section(10, &functions),
    ];
    start.concat()
}

fn is_valid(results: &[u8], code: &[u8]) -> bool {
    let module = module(results, code);
    decode_validated(&module, ProposalSet::on_by_default()).is_ok()
}

/// Does `work` with the request to compile a function that returns `results` and whose code is `code`.
fn with_request<T>(results: &[u8], code: &[u8], work: impl FnOnce(&CompileRequest<'_>) -> T) -> T {
    with_tuned_request(&Tunables::default(), results, code, work)
}

fn with_tuned_request<T>(
    tunables: &Tunables,
    results: &[u8],
    code: &[u8],
    work: impl FnOnce(&CompileRequest<'_>) -> T,
) -> T {
    let module = module(results, code);
    let shape = decode(&module, ProposalSet::on_by_default()).unwrap().shape;
    let (layout, func) = (VmLayout::new(&shape), DefinedFuncIndex::from_u32(0));
    let bodies = ModuleBodies::new(&shape, &module);
    work(&CompileRequest::new(&shape, &layout, tunables, Linkage::Direct, func, &bodies))
}

/// The operator with operands that come from `origin` where they are vectors.
fn with_operands(operands: &[u8], origin: &[u8], op: &[u8]) -> Vec<u8> {
    let mut code = Vec::new();
    for ty in operands {
        match PARAMS.iter().position(|param| param == ty) {
            Some(0) => code.extend_from_slice(origin),
            at => code.extend_from_slice(&[LOCAL_GET, at.unwrap() as u8]),
        }
    }
    code.extend_from_slice(op);
    code
}

/// Operands, results and bytes of the operator, if the number has one.
fn find(number: u16) -> Option<(&'static [u8], &'static [u8], Vec<u8>)> {
    for immediates in IMMEDIATES {
        let op = [simd(number), immediates.to_vec()].concat();
        for operands in OPERANDS {
            for results in RESULTS {
                if is_valid(results, &with_operands(operands, &[LOCAL_GET, 0], &op)) {
                    return Some((operands, results, op));
                }
            }
        }
    }
    None
}

#[test]
fn every_operator_compiles_with_operands_of_any_lanes() {
    let tiers = [Cranelift::new().unwrap(), Cranelift::portable().unwrap()];
    let deterministic =
        Tunables { relaxed_simd_deterministic: true, canonical_nans: true, ..Tunables::default() };
    let mut found = 0;
    for number in 0..=0x1ff {
        let Some((operands, results, op)) = find(number) else { continue };
        found += 1;
        for origin in origins() {
            let code = with_operands(operands, &origin, &op);
            for (tier, tunables) in tiers.iter().zip([&Tunables::default(), &deterministic]) {
                let outcome = with_tuned_request(tunables, results, &code, |request| tier.compile(request));
                assert!(outcome.is_ok(), "operator {number:#x} of {origin:x?}: {}", outcome.unwrap_err());
            }
        }
    }
    assert_eq!(found, 236 + 20, "operators of the two proposals");
}

/// The code for the portable tier: the same on every machine that runs this test.
fn listing(results: &[u8], code: &[u8]) -> String {
    let tier = Cranelift::portable().unwrap();
    with_request(results, code, |request| tier.disassemble(request)).unwrap()
}

fn check_folded(operands: usize, op: u16, instruction: &str) {
    let params = [[LOCAL_GET, 0], [LOCAL_GET, 5], [LOCAL_GET, 0]];
    let mut code = params[..operands].concat();
    code.extend_from_slice(&simd(op));
    let listing = listing(&[V128], &code);
    assert!(listing.contains(instruction), "operator {op:#x} should be {instruction}:\n{listing}");
}

#[test]
fn shapes_become_the_instructions_made_for_them() {
    let rows: &[(usize, u16, &str)] = &[
        (2, 0xea, "minps"),
        (2, 0xeb, "maxps"),
        (2, 0xf6, "minpd"),
        (2, 0xf7, "maxpd"),
        (2, 0xba, "pmaddwd"),
        (1, 0x7c, "pmaddubsw"),
        (1, 0x7d, "pmaddubsw"),
        (1, 0x7e, "pmaddwd"),
        (1, 0x7f, "pmaddwd"),
        (2, 0xdc, "pmuldq"),
        (2, 0xdd, "pmuldq"),
        (2, 0xde, "pmuludq"),
        (2, 0xdf, "pmuludq"),
        (2, 0xbc, "pmulhw"),
        (2, 0xbe, "pmulhuw"),
        (2, 0x4f, "pandn"),
        (1, 0xfc, "cvttpd2dq"),
        (1, 0xfe, "cvtdq2pd"),
        (2, 0x82, "pmulhrsw"),
        (2, 0x100, "pshufb"),
        (1, 0x101, "cvttps2dq"),
        (1, 0x103, "cvttpd2dq"),
        (3, 0x109, "pblendvb"),
        (3, 0x10a, "pblendvb"),
        (3, 0x10b, "blendvps"),
        (3, 0x10c, "blendvpd"),
        (2, 0x10d, "minps"),
        (2, 0x10e, "maxps"),
        (2, 0x10f, "minpd"),
        (2, 0x110, "maxpd"),
        (2, 0x111, "pmulhrsw"),
        (2, 0x112, "pmaddubsw"),
        (3, 0x113, "pmaddwd"),
    ];
    for (operands, op, instruction) in rows {
        check_folded(*operands, *op, instruction);
    }
}

#[test]
fn a_relaxed_product_is_added_in_one_instruction_where_there_is_one() {
    let tier = Cranelift::new().unwrap();
    let params = [LOCAL_GET, 0, LOCAL_GET, 5, LOCAL_GET, 0];
    for (op, fused) in [(0x105, "vfmadd"), (0x106, "vfnmadd"), (0x107, "vfmadd"), (0x108, "vfnmadd")] {
        for deterministic in [false, true] {
            let tunables = Tunables { relaxed_simd_deterministic: deterministic, ..Tunables::default() };
            let code = [params.to_vec(), simd(op)].concat();
            let listing =
                with_tuned_request(&tunables, &[V128], &code, |request| tier.disassemble(request)).unwrap();
            let expected = std::is_x86_feature_detected!("fma") && !deterministic;
            assert_eq!(listing.contains(fused), expected, "operator {op:#x}:\n{listing}");
        }
    }
}

#[test]
fn a_load_folds_into_the_operator_on_its_lanes() {
    // `f32x4.add` of a parameter and a load. Without AVX memory operands must be aligned, and loads are not.
    let load = [vec![LOCAL_GET, 1], simd(0x00), vec![0, 0]].concat();
    let code = [vec![LOCAL_GET, 0], load, simd(0xe4)].concat();
    let tier = Cranelift::new().unwrap();
    let listing = with_request(&[V128], &code, |request| tier.disassemble(request)).unwrap();
    let folded = listing.lines().any(|line| line.contains("addps") && line.contains('('));
    assert_eq!(folded, std::is_x86_feature_detected!("avx"), "{listing}");
}

#[test]
fn a_branch_table_carries_lanes_of_any_type_to_each_label() {
    // Two blocks that give a vector each; `br_table 0 1 0` with `f32x4.neg` of a parameter.
    let vector = [vec![LOCAL_GET, 0], simd(0xe1)].concat();
    let blocks = [0x02, V128, 0x02, V128];
    let code = [&blocks[..], &vector, &[LOCAL_GET, 1, 0x0e, 2, 0, 1, 0, 0x0b, 0x0b]].concat();
    assert!(is_valid(&[V128], &code));
    let tier = Cranelift::new().unwrap();
    let outcome = with_request(&[V128], &code, |request| tier.compile(request));
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}
