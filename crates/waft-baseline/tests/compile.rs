//! What the tier makes of functions: the same bytes for the same request, and in time that is linear in the body.

use std::time::{Duration, Instant};
use waft_baseline::Baseline;
use waft_core::index::DefinedFuncIndex;
use waft_core::layout::VmLayout;
use waft_core::module::{ModuleBodies, decode};
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CompileError, CompileRequest, CompiledFunc, Linkage, Tier, Tunables};

/// What a hostile function may take: many times what it does, and a small part of what a square would.
const TIME_MAX: Duration = Duration::from_secs(10);

fn try_compile(
    tier: &Baseline,
    wasm: &[u8],
    linkage: Linkage,
    counts: bool,
) -> Result<CompiledFunc, CompileError> {
    let shape = decode(wasm, ProposalSet::on_by_default()).expect("the shape is valid").shape;
    let (layout, tunables) = (VmLayout::new(&shape), Tunables::default());
    let func = DefinedFuncIndex::from_u32(0);
    let bodies = ModuleBodies::new(&shape, wasm);
    let request = CompileRequest::new(&shape, &layout, &tunables, linkage, func, &bodies);
    tier.compile(&CompileRequest { counts, ..request })
}

fn compile_with(tier: &Baseline, wasm: &[u8], linkage: Linkage) -> CompiledFunc {
    try_compile(tier, wasm, linkage, false).expect("it compiles")
}

fn compile(text: &str) -> CompiledFunc {
    let wasm = wat::parse_str(text).expect("the text is valid");
    compile_with(&Baseline::portable(), &wasm, Linkage::Direct)
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    let text = "(module (memory 1) (func (param i32 f64) (result i32)
        (local i64) (loop (br_if 0 (i32.load (local.get 0)))) (i32.add (local.get 0) (i32.const 7))))";
    let wasm = wat::parse_str(text).expect("the text is valid");
    let tier = Baseline::portable();
    let first = compile_with(&tier, &wasm, Linkage::Direct);
    compile_with(
        &tier,
        &wat::parse_str("(module (func (local i32 i32)))").expect("it is valid"),
        Linkage::Slots,
    );
    let second = compile_with(&tier, &wasm, Linkage::Direct);
    assert_eq!(first.code, second.code);
    assert_eq!(first.traps, second.traps);
    assert_eq!(first.positions, second.positions);
}

#[test]
fn tables_are_in_ascending_order() {
    let func = compile(
        "(module (table 1 funcref) (memory 1) (func (param i32) (result i32)
            (drop (i32.div_s (local.get 0) (i32.load (local.get 0))))
            (call_indirect (result i32) (local.get 0))))",
    );
    assert!(func.traps.is_sorted_by_key(|trap| trap.offset) && func.traps.len() > 4);
    assert!(func.positions.is_sorted_by_key(|position| position.code));
}

fn check_time(what: &str, text: &str) {
    let wasm = wat::parse_str(text).expect("the text is valid");
    let start = Instant::now();
    for counts in [false, true] {
        try_compile(&Baseline::portable(), &wasm, Linkage::Slots, counts).expect("it compiles");
    }
    assert!(start.elapsed() < TIME_MAX, "{what} took {:?}", start.elapsed());
}

#[test]
fn hostile_functions_take_linear_time() {
    let many = |count: usize, part: &str| part.repeat(count);
    let locals = format!(
        "(module (func {} {}))",
        many(50_000, "(local i32)"),
        many(50_000, "(local.set 9 (local.get 49999))")
    );
    check_time("50,000 locals", &locals);
    let nested = format!("(module (func {} {}))", many(100_000, "block "), many(100_000, "end "));
    check_time("100,000 blocks", &nested);
    let loops = format!("(module (func {} {}))", many(300_000, "loop "), many(300_000, "end "));
    check_time("300,000 loops", &loops);
    let table =
        format!("(module (func (param i32) (block (br_table {} (local.get 0)))))", many(1_000_000, "0 "));
    check_time("a table of 1,000,000 labels", &table);
    // Each set changes a local that the stack holds, far down.
    let gets: String = (0..50_000).map(|at| format!("local.get {at} ")).collect();
    let sets: String = (0..50_000).map(|at| format!("i32.const 1 local.set {at} ")).collect();
    let drops = many(50_000, "drop ");
    check_time(
        "a deep stack",
        &format!("(module (func {} {gets} {sets} {drops}))", many(50_000, "(local i32)")),
    );
    let calls = format!(
        "(module (func {} {} {}))",
        many(20_000, "i32.const 1 "),
        many(20_000, "call 0 "),
        many(20_000, "drop ")
    );
    check_time("calls over a deep stack", &calls);
}

fn check_refused(what: &str, text: &str) {
    let wasm = wat::parse_str(text).expect("the text is valid");
    let start = Instant::now();
    let refused = try_compile(&Baseline::portable(), &wasm, Linkage::Direct, false);
    let refused = refused.expect_err("there is a limit");
    assert!(refused.message.contains("exceeds the limits"), "{what}: {}", refused.message);
    assert!(start.elapsed() < TIME_MAX, "{what} took {:?}", start.elapsed());
}

#[test]
fn functions_whose_code_would_be_huge_are_refused() {
    let many = |count: usize, part: &str| part.repeat(count);
    // Each target takes a thousand values, one place below where they are.
    let (depth, values) = (30_000, 1_000);
    let (results, blocks) = (many(values, "i32 "), many(depth, "block (type 0) "));
    let (zeros, drops, ends) = (many(values, "i32.const 0 "), many(values, "drop "), many(depth, "end "));
    let labels: String = (0..depth).map(|depth| format!("{depth} ")).collect();
    check_refused(
        "a table of labels",
        &format!(
            "(module (type (func (result {results}))) (func
                {blocks} {zeros} i32.const 0 i32.const 0 br_table {labels} {ends} {drops}))"
        ),
    );
    // Each clause brings as many to where the outermost block takes them.
    let vectors = many(values, "v128 ");
    let clauses: String = (0..4).map(|depth| many(2_000, &format!("(catch 0 {depth}) "))).collect();
    check_refused(
        "clauses that catch",
        &format!(
            "(module (type (func (param {vectors}))) (type (func (result {vectors}))) (tag (type 0)) (func (type 1)
                block (type 1) i32.const 0 drop block (type 1)
                try_table (type 1) {clauses}
                    i32.const 0 try_table (type 1) {clauses} call 0 unreachable end
                    unreachable
                end unreachable end end))"
        ),
    );
}
