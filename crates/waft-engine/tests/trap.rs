//! Every reason to trap is told apart, and a store whose guest trapped goes on working.

mod common;

use common::{instantiate, run, start, trap};
use waft::*;

/// What rows of the tables can use: one of everything, and a counter that shows that the instance still works.
const PRELUDE: &str = r#"
    (type $void (func)) (type $number (func (result i32)))
    (memory 1) (data $data "0123456789")
    (table $funcs 4 funcref) (table $values 4 externref)
    (elem (table $funcs) (i32.const 0) func $one $other) (elem $elem func $one $one)
    (global $count (mut i32) (i32.const 0))
    (func $one) (func $other (result i32) i32.const 1)
    (func (export "count") (result i32)
        global.get $count i32.const 1 i32.add global.set $count global.get $count)"#;

#[test]
fn each_reason_has_its_trap_and_its_message() {
    use Trap::*;
    let rows: &[(&str, Trap, &str)] = &[
        ("unreachable", UnreachableCodeReached, "wasm `unreachable` instruction executed"),
        ("i32.const 65536 i32.load drop", MemoryOutOfBounds, "out of bounds memory access"),
        ("i32.const -1 i64.const 0 i64.store", MemoryOutOfBounds, "out of bounds memory access"),
        (
            "i32.const 65536 i32.const 0 i32.const 1 memory.fill",
            MemoryOutOfBounds,
            "out of bounds memory access",
        ),
        (
            "i32.const 0 i32.const 65500 i32.const 1000 memory.copy",
            MemoryOutOfBounds,
            "out of bounds memory access",
        ),
        (
            "i32.const 0 i32.const 0 i32.const 11 memory.init $data",
            MemoryOutOfBounds,
            "out of bounds memory access",
        ),
        (
            "data.drop $data i32.const 0 i32.const 0 i32.const 1 memory.init $data",
            MemoryOutOfBounds,
            "out of bounds memory access",
        ),
        ("i32.const 4 table.get $funcs drop", TableOutOfBounds, "out of bounds table access"),
        ("i32.const -1 ref.null extern table.set $values", TableOutOfBounds, "out of bounds table access"),
        ("i32.const 4 call_indirect $funcs (type $void)", TableOutOfBounds, "undefined element"),
        ("i32.const -1 call_indirect $funcs (type $void)", TableOutOfBounds, "undefined element"),
        (
            "i32.const 1 ref.null func i32.const 4 table.fill $funcs",
            TableOutOfBounds,
            "out of bounds table access",
        ),
        (
            "i32.const 0 i32.const 3 i32.const 2 table.copy $funcs $funcs",
            TableOutOfBounds,
            "out of bounds table access",
        ),
        (
            "i32.const 0 i32.const 1 i32.const 2 table.init $funcs $elem",
            TableOutOfBounds,
            "out of bounds table access",
        ),
        (
            "elem.drop $elem i32.const 0 i32.const 0 i32.const 1 table.init $funcs $elem",
            TableOutOfBounds,
            "out of bounds table access",
        ),
        ("i32.const 2 call_indirect $funcs (type $void)", IndirectCallToNull, "uninitialized element"),
        ("i32.const 1 call_indirect $funcs (type $void)", BadSignature, "indirect call type mismatch"),
        ("i32.const 0 call_indirect $funcs (type $number) drop", BadSignature, "indirect call type mismatch"),
        ("i32.const 1 i32.const 0 i32.div_s drop", IntegerDivisionByZero, "integer divide by zero"),
        ("i32.const 0x80000000 i32.const -1 i32.div_s drop", IntegerOverflow, "integer overflow"),
        ("f32.const 3e9 i32.trunc_f32_s drop", IntegerOverflow, "integer overflow"),
        ("f64.const nan i64.trunc_f64_u drop", BadConversionToInteger, "invalid conversion to integer"),
        ("call $f", StackOverflow, "call stack exhausted"),
    ];
    let mut store = Store::new(&Engine::default(), ());
    for (body, expected, message) in rows {
        let instance =
            instantiate(&mut store, &format!(r#"(module {PRELUDE} (func $f (export "f") {body}))"#));
        for round in 1..4 {
            let error = run(&mut store, instance, "f").unwrap_err();
            assert_eq!(trap(&error), *expected, "{body}");
            assert!(format!("{error:?}").contains(message), "{body}: {error:?}");
            let count = instance.get_typed_func::<(), i32>(&mut store, "count").unwrap();
            assert_eq!(count.call(&mut store, ()).unwrap(), round, "{body}");
        }
    }
}

#[test]
fn a_start_function_that_traps_fails_the_instantiation() {
    let mut store = Store::new(&Engine::default(), ());
    let module = common::compile(&store, "(module (func $main unreachable) (start $main))");
    for _ in 0..3 {
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert_eq!(trap(&error), Trap::UnreachableCodeReached);
        assert_eq!(common::names(&error), ["main"]);
    }
    let good = instantiate(&mut store, r#"(module (func (export "f")))"#);
    run(&mut store, good, "f").unwrap();
}

#[test]
fn what_a_start_function_did_before_its_trap_stays() {
    let mut store = Store::new(&Engine::default(), ());
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    let module = common::compile(
        &store,
        r#"(module (import "" "" (memory 1)) (start $main)
            (func $main i32.const 5 i32.const 42 i32.store8 unreachable))"#,
    );
    Instance::new(&mut store, &module, &[memory.into()]).unwrap_err();
    assert_eq!(memory.data(&store)[5], 42);
}

/// How a trap goes through `levels` of a guest that calls a host function that calls the guest.
fn trap_below(levels: i32, catches_at: i32) -> (Result<i32>, Store<()>, Instance) {
    let mut store = Store::new(&Engine::default(), ());
    let mut linker = Linker::new(store.engine());
    let back = move |mut caller: Caller<'_, ()>, level: i32| -> Result<i32> {
        let down = caller.get_export("down").unwrap().into_func().unwrap();
        let down = down.typed::<i32, i32>(&caller).unwrap();
        match down.call(&mut caller, level - 1) {
            Err(error) if level == catches_at => {
                assert_eq!(trap(&error), Trap::UnreachableCodeReached);
                down.call(&mut caller, -100)
            }
            outcome => outcome,
        }
    };
    linker.func_wrap("host", "back", back).unwrap();
    let module = common::compile(
        &store,
        r#"(module (import "host" "back" (func $back (param i32) (result i32)))
            (func (export "down") (param i32) (result i32)
                (if (i32.lt_s (local.get 0) (i32.const 0)) (then (return (local.get 0))))
                (if (i32.eqz (local.get 0)) (then unreachable))
                (i32.add (call $back (local.get 0)) (i32.const 1))))"#,
    );
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let down = instance.get_typed_func::<i32, i32>(&mut store, "down").unwrap();
    (down.call(&mut store, levels), store, instance)
}

#[test]
fn traps_go_through_hosts_and_guests_to_whoever_called_first() {
    for levels in [0, 1, 2, 20] {
        let (outcome, mut store, instance) = trap_below(levels, -1);
        assert_eq!(trap(&outcome.unwrap_err()), Trap::UnreachableCodeReached);
        let down = instance.get_typed_func::<i32, i32>(&mut store, "down").unwrap();
        assert_eq!(down.call(&mut store, -7).unwrap(), -7);
    }
}

#[test]
fn a_host_function_can_catch_the_trap_of_a_guest_that_it_called() {
    for catches_at in 1..=8 {
        let (outcome, ..) = trap_below(8, catches_at);
        // Each level above the one that caught adds one to what the second call gave.
        assert_eq!(outcome.unwrap(), -100 + 8 - catches_at + 1);
    }
}

#[test]
fn a_trap_leaves_the_results_of_the_caller_alone() {
    let (mut store, instance) = start(r#"(module (func (export "f") (result i32) unreachable))"#);
    let func = instance.get_func(&mut store, "f").unwrap();
    let mut results = [Val::I64(77)];
    func.call(&mut store, &[], &mut results).unwrap_err();
    assert_eq!(results[0].i64(), Some(77));
}

const MIN32: &str = "-0x80000000";
const MIN64: &str = "-0x8000000000000000";

/// One operator, the type of its operands, these as text, and what it gives.
type Arithmetic = (&'static str, &'static str, &'static [&'static str], Result<Val, Trap>);

/// Divisions, remainders and conversions at the edges of their domains.
fn arithmetic() -> Vec<Arithmetic> {
    let overflow = || Err(Trap::IntegerOverflow);
    let zero = || Err(Trap::IntegerDivisionByZero);
    let nan = || Err(Trap::BadConversionToInteger);
    let i32 = |value: i32| Ok(Val::I32(value));
    let i64 = |value: i64| Ok(Val::I64(value));
    vec![
        ("i32.div_s", "i32", &[MIN32, "-1"], overflow()),
        ("i32.div_s", "i32", &[MIN32, "1"], i32(i32::MIN)),
        ("i32.div_s", "i32", &["7", "0"], zero()),
        ("i32.div_s", "i32", &[MIN32, "0"], zero()),
        ("i32.div_s", "i32", &["-7", "2"], i32(-3)),
        ("i32.div_u", "i32", &["7", "0"], zero()),
        ("i32.div_u", "i32", &[MIN32, "-1"], i32(0)),
        ("i32.rem_s", "i32", &[MIN32, "-1"], i32(0)),
        ("i32.rem_s", "i32", &["7", "0"], zero()),
        ("i32.rem_s", "i32", &["-7", "2"], i32(-1)),
        ("i32.rem_u", "i32", &["7", "0"], zero()),
        ("i32.rem_u", "i32", &["-1", "10"], i32(5)),
        ("i64.div_s", "i64", &[MIN64, "-1"], overflow()),
        ("i64.div_s", "i64", &["7", "0"], zero()),
        ("i64.div_s", "i64", &[MIN64, "2"], i64(i64::MIN / 2)),
        ("i64.div_u", "i64", &["7", "0"], zero()),
        ("i64.div_u", "i64", &[MIN64, "-1"], i64(0)),
        ("i64.rem_s", "i64", &[MIN64, "-1"], i64(0)),
        ("i64.rem_s", "i64", &["7", "0"], zero()),
        ("i64.rem_u", "i64", &["7", "0"], zero()),
        ("i32.trunc_f32_s", "f32", &["nan"], nan()),
        ("i32.trunc_f32_s", "f32", &["-nan:0x200000"], nan()),
        ("i32.trunc_f32_s", "f32", &["inf"], overflow()),
        ("i32.trunc_f32_s", "f32", &["-inf"], overflow()),
        ("i32.trunc_f32_s", "f32", &["2147483648"], overflow()),
        ("i32.trunc_f32_s", "f32", &["2147483520"], i32(2_147_483_520)),
        ("i32.trunc_f32_s", "f32", &["-2147483648"], i32(i32::MIN)),
        ("i32.trunc_f32_s", "f32", &["-2147483904"], overflow()),
        ("i32.trunc_f32_u", "f32", &["-0.99"], i32(0)),
        ("i32.trunc_f32_u", "f32", &["-1"], overflow()),
        ("i32.trunc_f32_u", "f32", &["4294967040"], i32(-256)),
        ("i32.trunc_f32_u", "f32", &["4294967296"], overflow()),
        ("i32.trunc_f64_s", "f64", &["2147483647.9"], i32(i32::MAX)),
        ("i32.trunc_f64_s", "f64", &["2147483648"], overflow()),
        ("i32.trunc_f64_s", "f64", &["-2147483648.9"], i32(i32::MIN)),
        ("i32.trunc_f64_s", "f64", &["-2147483649"], overflow()),
        ("i32.trunc_f64_u", "f64", &["4294967295.9"], i32(-1)),
        ("i32.trunc_f64_u", "f64", &["4294967296"], overflow()),
        ("i32.trunc_f64_u", "f64", &["-1"], overflow()),
        ("i32.trunc_f64_u", "f64", &["nan"], nan()),
        ("i64.trunc_f32_s", "f32", &["9223372036854775808"], overflow()),
        ("i64.trunc_f32_s", "f32", &["9223371487098961920"], i64(9_223_371_487_098_961_920)),
        ("i64.trunc_f32_s", "f32", &["-9223372036854775808"], i64(i64::MIN)),
        ("i64.trunc_f32_u", "f32", &["18446744073709551616"], overflow()),
        ("i64.trunc_f32_u", "f32", &["18446742974197923840"], i64(-1_099_511_627_776)),
        ("i64.trunc_f32_u", "f32", &["nan"], nan()),
        ("i64.trunc_f64_s", "f64", &["9223372036854774784"], i64(9_223_372_036_854_774_784)),
        ("i64.trunc_f64_s", "f64", &["9223372036854775808"], overflow()),
        ("i64.trunc_f64_s", "f64", &["-9223372036854777856"], overflow()),
        ("i64.trunc_f64_s", "f64", &["nan"], nan()),
        ("i64.trunc_f64_u", "f64", &["18446744073709549568"], i64(-2048)),
        ("i64.trunc_f64_u", "f64", &["18446744073709551616"], overflow()),
        ("i64.trunc_f64_u", "f64", &["-1"], overflow()),
        ("i32.trunc_sat_f64_s", "f64", &["nan"], i32(0)),
        ("i32.trunc_sat_f32_s", "f32", &["-inf"], i32(i32::MIN)),
        ("i32.trunc_sat_f64_u", "f64", &["-1"], i32(0)),
        ("i64.trunc_sat_f64_u", "f64", &["inf"], i64(-1)),
        ("i64.trunc_sat_f32_s", "f32", &["inf"], i64(i64::MAX)),
    ]
}

#[test]
fn divisions_and_conversions_trap_exactly_outside_of_their_domains() {
    let mut store = Store::new(&Engine::default(), ());
    for (operator, ty, operands, expected) in arithmetic() {
        let constants: String = operands.iter().map(|operand| format!("{ty}.const {operand} ")).collect();
        let params = format!(" {ty}").repeat(operands.len());
        let gets: String = (0..operands.len()).map(|at| format!("local.get {at} ")).collect();
        let result = &operator[..3];
        // As constants, as parameters, and with the last alone constant, which compilers treat in ways of their own.
        let last = operands.len() - 1;
        let half: String = (0..last).map(|at| format!("local.get {at} ")).collect();
        let module = format!(
            r#"(module
                (func $f (param{params}) (result {result}) {gets} {operator})
                (func $h (param{params}) (result {result}) {half} {ty}.const {} {operator})
                (func (export "constant") (result {result}) {constants} {operator})
                (func (export "computed") (result {result}) {constants} call $f)
                (func (export "half") (result {result}) {constants} call $h))"#,
            operands[last]
        );
        let instance = instantiate(&mut store, &module);
        for form in ["constant", "computed", "half"] {
            let func = instance.get_func(&mut store, form).unwrap();
            let mut results = [Val::I32(0)];
            let outcome = func.call(&mut store, &[], &mut results).map_err(|error| trap(&error));
            let outcome = outcome.map(|()| results[0]);
            assert_eq!(format!("{outcome:?}"), format!("{expected:?}"), "{operator} {operands:?}, {form}");
        }
    }
}
