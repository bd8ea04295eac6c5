//! Every family of operators compiles, with Cranelift's verifier on: what it computes is checked where it can run.

mod common;

use common::for_each_func;
use waft_core::tier::{CompiledFunc, Linkage, Tier};
use waft_core::trap::TrapCode;
use waft_cranelift::{Cranelift, Inlining};

fn compile(module: &str) -> Vec<CompiledFunc> {
    let module = wat::parse_str(module).expect("test modules are well-formed");
    compile_binary(&module)
}

fn compile_binary(module: &[u8]) -> Vec<CompiledFunc> {
    let compile = |inlining, linkage| {
        let tier = Cranelift::new().expect("this is an x86-64 machine").with_inlining(inlining);
        for_each_func(module, linkage, |request| tier.compile(request))
    };
    compile(Inlining::SMALL, Linkage::Slots);
    compile(Inlining::ALL, Linkage::Direct);
    compile(Inlining::NONE, Linkage::Direct)
}

fn trap_codes(func: &CompiledFunc) -> Vec<TrapCode> {
    assert!(func.traps.is_sorted_by_key(|trap| trap.offset));
    let mut codes: Vec<_> = func.traps.iter().map(|trap| trap.code).collect();
    codes.sort_by_key(|code| *code as u8);
    codes.dedup();
    codes
}

#[test]
fn integer_and_float_operators() {
    let ints = [
        "add", "sub", "mul", "div_s", "div_u", "rem_s", "rem_u", "and", "or", "xor", "shl", "shr_s", "shr_u",
        "rotl", "rotr", "eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u",
    ];
    let int_unary = ["clz", "ctz", "popcnt", "eqz", "extend8_s", "extend16_s"];
    let floats = ["add", "sub", "mul", "div", "min", "max", "copysign", "eq", "ne", "lt", "gt", "le", "ge"];
    let float_unary = ["abs", "neg", "ceil", "floor", "trunc", "nearest", "sqrt"];
    let compares = ["eq", "ne", "lt", "gt", "le", "ge"];
    let mut module = String::from("(module");
    let mut binary = |ty: &str, op: &str| {
        let result = if compares.contains(&op.split('_').next().unwrap_or(op)) { "i32" } else { ty };
        module.push_str(&format!(
            "(func (param {ty} {ty}) (result {result}) (drop ({ty}.{op} (local.get 0) ({ty}.const 7)))
                ({ty}.{op} (local.get 0) (local.get 1)))"
        ));
    };
    for ty in ["i32", "i64"] {
        ints.iter().for_each(|op| binary(ty, op));
    }
    for ty in ["f32", "f64"] {
        floats.iter().for_each(|op| binary(ty, op));
    }
    let mut unary = |ty: &str, op: &str| {
        let result = if op == "eqz" { "i32" } else { ty };
        module.push_str(&format!("(func (param {ty}) (result {result}) ({ty}.{op} (local.get 0)))"));
    };
    for ty in ["i32", "i64"] {
        int_unary.iter().for_each(|op| unary(ty, op));
    }
    for ty in ["f32", "f64"] {
        float_unary.iter().for_each(|op| unary(ty, op));
    }
    unary("i64", "extend32_s");
    module.push(')');
    compile(&module);
}

#[test]
fn conversions() {
    let mut module = String::from("(module");
    let mut convert = |to: &str, op: &str, from: &str| {
        module.push_str(&format!("(func (param {from}) (result {to}) ({to}.{op} (local.get 0)))"));
    };
    for int in ["i32", "i64"] {
        for float in ["f32", "f64"] {
            for sign in ["s", "u"] {
                convert(int, &format!("trunc_{float}_{sign}"), float);
                convert(int, &format!("trunc_sat_{float}_{sign}"), float);
                convert(float, &format!("convert_{int}_{sign}"), int);
            }
        }
    }
    convert("i32", "wrap_i64", "i64");
    convert("i64", "extend_i32_s", "i32");
    convert("i64", "extend_i32_u", "i32");
    convert("f32", "demote_f64", "f64");
    convert("f64", "promote_f32", "f32");
    for (to, from) in [("i32", "f32"), ("i64", "f64"), ("f32", "i32"), ("f64", "i64")] {
        convert(to, &format!("reinterpret_{from}"), from);
    }
    module.push(')');
    compile(&module);
}

#[test]
fn division_and_truncation_trap_with_reasons() {
    let funcs = compile(
        "(module
            (func (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
            (func (param f64) (result i32) (i32.trunc_f64_s (local.get 0))))",
    );
    assert_eq!(trap_codes(&funcs[0]), [TrapCode::IntegerOverflow, TrapCode::IntegerDivisionByZero]);
    assert_eq!(trap_codes(&funcs[1]), [TrapCode::IntegerOverflow, TrapCode::BadConversionToInteger]);
}

#[test]
fn memory_operators() {
    let mut module = String::from("(module (memory 1) (data $data \"abc\")");
    for (ty, loads, stores) in [
        ("i32", "load load8_s load8_u load16_s load16_u", "store store8 store16"),
        ("i64", "load load8_s load8_u load16_s load16_u load32_s load32_u", "store store8 store16 store32"),
        ("f32", "load", "store"),
        ("f64", "load", "store"),
    ] {
        // The last two reach past the guard, the last one past what a displacement holds.
        for offset in ["", "offset=8", "offset=0x7000000", "offset=0xfffffff0"] {
            for load in loads.split(' ') {
                module.push_str(&format!(
                    "(func (param i32) (result {ty}) ({ty}.{load} {offset} (local.get 0)))"
                ));
            }
            for store in stores.split(' ') {
                module.push_str(&format!(
                    "(func (param i32 {ty}) ({ty}.{store} {offset} (local.get 0) (local.get 1)))"
                ));
            }
        }
    }
    module.push_str(
        "(func (result i32) (i32.load offset=40 (i32.const 16)))
        (func (result i32) memory.size)
        (func (param i32) (result i32) (memory.grow (local.get 0)))
        (func (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
        (func (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 47)))
        (func (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 0)))
        (func (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
        (func (param i32 i32) (memory.fill (local.get 0) (local.get 1) (i32.const 63)))
        (func (param i32 i32) (memory.fill (local.get 0) (i32.const -1) (i32.const 0)))
        (func (param i32 i32 i32) (memory.init $data (local.get 0) (local.get 1) (local.get 2)) (data.drop $data)))",
    );
    compile(&module);
    compile(&module.replace("(memory 1)", "(import \"host\" \"memory\" (memory 1 2))"));
}

#[test]
fn tables_references_and_globals() {
    for (funcs, externs) in [("10", "10"), ("10 10", "10 20")] {
        let module = |prefix: &str| {
            format!(
                "(module
                {prefix}
                (type $t (func (param i32) (result i64)))
                (elem $elem func $f)
                (elem declare func $f)
                (global $mine (mut i32) (i32.const 1))
                (global $vector (mut v128) (v128.const i64x2 1 2))
                (global $reference (mut externref) (ref.null extern))
                (global $constant f64 (f64.const 1.5))
                (func $f (type $t) (call_indirect $funcs (type $t) (local.get 0) (local.get 0)))
                (func (param i32) (result funcref) (table.get $funcs (local.get 0)))
                (func (param i32) (result externref) (table.get $externs (local.get 0)))
                (func (param i32 funcref) (table.set $funcs (local.get 0) (local.get 1)))
                (func (param i32 externref) (table.set $externs (local.get 0) (local.get 1)))
                (func (result i32) (i32.add (table.size $funcs) (table.size $externs)))
                (func (param externref i32) (result i32) (table.grow $externs (local.get 0) (local.get 1)))
                (func (param funcref i32) (result i32) (table.grow $funcs (local.get 0) (local.get 1)))
                (func (param i32 externref) (table.fill $externs (local.get 0) (local.get 1) (i32.const 3)))
                (func (param i32 i32 i32) (table.copy $funcs $funcs (local.get 0) (local.get 1) (local.get 2)))
                (func (table.init $funcs $elem (i32.const 0) (i32.const 0) (i32.const 1)) (elem.drop $elem))
                (func (result i32) (i32.and (ref.is_null (ref.null func)) (ref.is_null (ref.null extern))))
                (func (result funcref) (ref.func $f))
                (func (param i32) (global.set $mine (i32.add (global.get $mine) (local.get 0))))
                (func (param v128) (global.set $vector (i32x4.add (global.get $vector) (local.get 0))))
                (func (param externref) (result externref) (global.get $reference) (global.set $reference (local.get 0)))
                (func (result f64) (f64.add (global.get $constant) (global.get $constant)))
                (func (param i64) (global.set $theirs (i64.add (global.get $theirs) (local.get 0)))))"
            )
        };
        compile(&module(&format!(
            "(import \"host\" \"funcs\" (table $funcs {funcs} funcref))
            (import \"host\" \"externs\" (table $externs {externs} externref))
            (import \"host\" \"global\" (global $theirs (mut i64)))"
        )));
        compile(&module(&format!(
            "(table $funcs {funcs} funcref) (table $externs {externs} externref)
            (global $theirs (mut i64) (i64.const 0))"
        )));
    }
}

#[test]
fn structured_control() {
    compile(
        "(module
            (type $pair (func (param i32 i64) (result i64 i32)))
            (type $same (func (param i32 f64) (result i32 f64)))
            (func (param i32) (result i32)
                (block (result i32) (br_if 0 (i32.const 1) (local.get 0)) (drop) (i32.const 2)))
            (func (param i32) (result i32)
                (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0))
            (func (param i32) (if (local.get 0) (then (return))) (if (local.get 0) (then) (else (unreachable))))
            (func (param i32) (result i32) (if (result i32) (local.get 0) (then (unreachable)) (else (i32.const 3))))
            (func (param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 3)) (else (unreachable))))
            (func (param i32) (if (local.get 0) (then (br 0))) (if (local.get 0) (then (br 1))))
            (func (param i32) (if (local.get 0) (then (br_if 0 (local.get 0)) (unreachable))))
            (func (param i32 i64) (result i64 i32)
                local.get 0 local.get 1 block (type $pair) local.set 1 local.set 0 local.get 1 local.get 0 end)
            (func (param i32) (result i32 f64)
                local.get 0 f64.const 1 local.get 0 if (type $same) end
                local.get 0 if (type $same) f64.neg end
                local.get 0 if (type $same) br 0 end
                local.get 0 if (type $same) unreachable end
                local.get 0 if (type $same) else f64.neg end)
            (func (param i32) (result i32)
                i32.const 0 loop (param i32) (result i32) i32.const 1 i32.add local.tee 0
                local.get 0 i32.const 10 i32.lt_s br_if 0 end)
            (func (param i32) (result i32)
                block block block local.get 0 br_table 0 1 2 0 1 2 end i32.const 1 return end i32.const 2 return end
                i32.const 3)
            (func (param i32) (result i32)
                block (result i32) block (result i32) i32.const 5 local.get 0 br_table 0 1 0 2 1 end i32.const 1 i32.add
                end)
            (func (param i32) local.get 0 br_table 0)
            (func (result i32) unreachable block (result i32) i32.const 1 br 0 loop unreachable if else end end i32.add end)
            (func (result i32) (return (i32.const 1)) drop)
            (func loop br 0 end)
            (func (param i32) (result i32) loop (result i32) local.get 0 br_if 1 local.get 0 end) (func)
            (func (param v128 v128 i32) (result v128)
                (select (i32x4.add (local.get 0) (local.get 1)) (f64x2.mul (local.get 0) (local.get 1)) (local.get 2))
                (block (param v128) (result v128) (br 0 (f32x4.abs))))
            (func (param externref funcref i32) (result externref funcref)
                (select (result externref) (local.get 0) (ref.null extern) (local.get 2))
                (select (result funcref) (local.get 1) (ref.null func) (local.get 2))))"
            .replace("local.get 0 br_if 1 local.get 0", "local.get 0 local.get 0 br_if 1")
            .as_str(),
    );
}

#[test]
fn calls_of_every_shape() {
    let many = "i32 i64 f32 f64 v128 externref funcref i32 i64 i32 f32 f32 f32 f32 f32 f32 f32 v128 i64 i64";
    let funcs = compile(&format!(
        "(module
            (type $many (func (param {many}) (result {many})))
            (type $four (func (result i32 i64 i32 i64 f32 f64 v128 f32)))
            (import \"host\" \"many\" (func $host (type $many)))
            (import \"host\" \"four\" (func $host_four (type $four)))
            (table 1 funcref)
            (func $id (type $many) {gets})
            (func $own (type $many) {gets} call $id)
            (func $imported (type $many) {gets} call $host)
            (func $indirect (type $many) {gets} (call_indirect (type $many) (i32.const 0)))
            (func $four_own (type $four) call $host_four)
            (func $recursive (type $four) call $four_own)
            (func $recursion call $recursion))",
        gets = (0..20).map(|n| format!("local.get {n} ")).collect::<String>(),
    ));
    let targets =
        |func: &CompiledFunc| func.relocs.iter().map(|reloc| reloc.target.as_u32()).collect::<Vec<_>>();
    assert_eq!(targets(&funcs[1]), [2]);
    assert_eq!(targets(&funcs[2]), []);
    assert_eq!(targets(&funcs[5]), [6]);
    assert_eq!(targets(&funcs[6]), [8]);
    assert!(funcs.iter().flat_map(|func| &func.relocs).all(|reloc| reloc.addend == -4));
    assert_eq!(
        trap_codes(&funcs[3]),
        [
            TrapCode::TableOutOfBounds,
            TrapCode::IndirectCallToNull,
            TrapCode::BadSignature,
            TrapCode::StackOverflow
        ]
    );
}

#[test]
fn positions_name_the_operator() {
    let module = wat::parse_str(
        "(module (memory 1) (func (param i32) (result i32) (i32.load (i32.load (local.get 0)))))",
    )
    .expect("test modules are well-formed");
    let func = compile_binary(&module).remove(0);
    assert!(func.positions.is_sorted_by_key(|position| position.code));
    let loads: Vec<_> = func
        .traps
        .iter()
        .map(|trap| {
            let at = func.positions.partition_point(|position| position.code <= trap.offset);
            module[func.positions[at - 1].wasm as usize]
        })
        .collect();
    assert_eq!(loads, [0x28, 0x28], "both traps belong to `i32.load`");
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    let module = "(module (memory 1) (func (param i32) (result f64) (f64.load (local.get 0)))
        (func (param i32) (result i32) (loop (br_if 0 (local.get 0))) (i32.const 77)))";
    let codes = || compile(module).into_iter().map(|func| func.code).collect::<Vec<_>>();
    assert_eq!(codes(), codes());
}
