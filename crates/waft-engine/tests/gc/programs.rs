//! Programs that give one answer, however often and wherever is collected.

use crate::common::compile;
use crate::{STRESS, engine};
use waft::*;

/// What every program has: a host that collects, a way to number objects, and a way to read the numbers.
const PRELUDE: &str = r#"
    (import "host" "gc" (func $gc))
    (import "host" "again" (func $again (param i32 anyref) (result anyref)))
    (import "host" "swap" (func $swap (param externref anyref i32 anyref externref) (result externref anyref i32 anyref externref)))
    (import "host" "value" (func $value (param i32) (result externref)))
    (import "host" "number" (func $number (param externref) (result i32)))
    (rec (type $box (sub (struct (field $n i32))))
         (type $pair (sub $box (struct (field $n i32) (field $l (mut (ref null $box))) (field $r (mut (ref null $box)))))))
    (type $list (array (mut (ref null $box))))
    (type $unary (func (param (ref $box)) (result i32)))
    (func $new (param i32) (result (ref $box)) (struct.new $box (local.get 0)))
    (func $get (param (ref null $box)) (result i32) (struct.get $box $n (local.get 0)))
    (func (export "again") (param i32 anyref) (result anyref) (local $mine (ref $box))
        (local.set $mine (call $new (local.get 0)))
        (drop (call $new (i32.const -1)))
        (if (i32.eqz (local.get 0)) (then (return (local.get 1))))
        (local.set 1 (call $again (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
        (if (i32.ne (call $get (local.get $mine)) (local.get 0)) (then unreachable))
        (local.get 1))
"#;

/// Name, what stands beside the prelude, the answer.
const PROGRAMS: &[(&str, &str, i32)] = &[
    (
        "locals and operands across calls of the host",
        r#"(func (export "run") (result i32) (local $a (ref $box)) (local $b (ref null $box)) (local $s i32)
            (local.set $a (call $new (i32.const 1)))
            (local.set $b (call $new (i32.const 10)))
            (call $new (i32.const 100)) (call $new (i32.const 1000))
            (call $gc)
            (call $new (i32.const 10000))
            (call $gc)
            (local.set $s (call $get)) (local.set $s (i32.add (call $get) (local.get $s))) (local.set $s (i32.add (call $get) (local.get $s)))
            (i32.add (local.get $s) (i32.add (call $get (local.get $a)) (call $get (local.get $b)))))"#,
        11111,
    ),
    (
        "a list that is walked while others are made",
        r#"(func (export "run") (result i32) (local $head (ref null $box)) (local $i i32) (local $sum i32)
            (loop $make
                (local.set $head (struct.new $pair (local.get $i) (local.get $head) (call $new (local.get $i))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $make (i32.lt_u (local.get $i) (i32.const 300))))
            (call $gc)
            (loop $walk
                (local.set $sum (i32.add (local.get $sum) (call $get (struct.get $pair $r (ref.cast (ref $pair) (local.get $head))))))
                (drop (call $new (i32.const 7)))
                (local.set $head (struct.get $pair $l (ref.cast (ref $pair) (local.get $head))))
                (br_if $walk (i32.eqz (ref.is_null (local.get $head)))))
            (local.get $sum))"#,
        44850,
    ),
    (
        "globals",
        r#"(global $const (ref $pair) (struct.new $pair (i32.const 1) (struct.new $box (i32.const 2)) (ref.null $box)))
        (global $var (mut (ref null $box)) (ref.null $box))
        (global $alias (ref $pair) (global.get $const))
        (func (export "run") (result i32)
            (global.set $var (call $new (i32.const 4)))
            (call $gc) (drop (call $new (i32.const 8))) (call $gc)
            (if (i32.eqz (ref.eq (global.get $const) (global.get $alias))) (then unreachable))
            (i32.add (call $get (global.get $var))
                (i32.add (call $get (global.get $const)) (call $get (struct.get $pair $l (global.get $alias))))))"#,
        7,
    ),
    (
        "tables, grown, filled and copied",
        r#"(table $t 4 100 anyref) (table $u 8 anyref)
        (table $init 3 (ref $box) (struct.new $box (i32.const 1000)))
        (func $at (param i32) (result i32)
            (call $get (ref.cast (ref null $box) (table.get $t (local.get 0)))))
        (func (export "run") (result i32)
            (table.set $t (i32.const 0) (call $new (i32.const 1)))
            (drop (table.grow $t (call $new (i32.const 2)) (i32.const 10)))
            (call $gc)
            (table.fill $t (i32.const 1) (call $new (i32.const 4)) (i32.const 3))
            (call $gc)
            (table.copy $u $t (i32.const 0) (i32.const 0) (i32.const 8))
            (table.copy $t $t (i32.const 1) (i32.const 0) (i32.const 2))
            (call $gc)
            (if (i32.ne (call $at (i32.const 13)) (i32.const 2)) (then unreachable))
            (i32.add (call $get (table.get $init (i32.const 2)))
              (i32.add (i32.add (call $at (i32.const 1)) (call $at (i32.const 2)))
                (call $get (ref.cast (ref $box) (table.get $u (i32.const 3)))))))"#,
        1009,
    ),
    (
        "element segments, used, dropped and used again",
        r#"(table $t 4 (ref null $box))
        (elem $e (ref null $box) (item (struct.new $box (i32.const 1))) (item (ref.null $box))
            (item (struct.new $pair (i32.const 4) (struct.new $box (i32.const 2)) (ref.null $box))))
        (elem (table $t) (i32.const 3) (ref null $box) (item (struct.new $box (i32.const 8))))
        (func (export "run") (result i32) (local $a (ref null $list))
            (call $gc)
            (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 3))
            (local.set $a (array.new_elem $list $e (i32.const 1) (i32.const 2)))
            (call $gc)
            (array.init_elem $list $e (local.get $a) (i32.const 0) (i32.const 0) (i32.const 1))
            (elem.drop $e)
            (call $gc)
            (drop (array.new_elem $list $e (i32.const 0) (i32.const 0)))
            (if (i32.eqz (ref.eq (array.get $list (local.get $a) (i32.const 0)) (table.get $t (i32.const 0)))) (then unreachable))
            (i32.add (call $get (table.get $t (i32.const 3)))
              (i32.add (call $get (array.get $list (local.get $a) (i32.const 0)))
                (i32.add (call $get (table.get $t (i32.const 2)))
                  (call $get (struct.get $pair $l (ref.cast (ref $pair) (array.get $list (local.get $a) (i32.const 1)))))))))"#,
        15,
    ),
    (
        "many references in and out of a call of the host",
        r#"(func (export "run") (result i32)
            (local $x externref) (local $y externref) (local $a anyref) (local $b anyref) (local $n i32) (local $i i32)
            (loop $l
                (call $swap (call $value (i32.const 1)) (call $new (i32.const 2)) (i32.const 3) (call $new (i32.const 4)) (call $value (i32.const 5)))
                (local.set $y) (local.set $b) (local.set $n) (local.set $a) (local.set $x)
                (drop (call $new (i32.const 0)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 20))))
            (i32.add (i32.mul (call $number (local.get $x)) (i32.const 10000))
              (i32.add (i32.mul (call $get (ref.cast (ref $box) (local.get $a))) (i32.const 1000))
                (i32.add (i32.mul (local.get $n) (i32.const 100))
                  (i32.add (i32.mul (call $get (ref.cast (ref $box) (local.get $b))) (i32.const 10))
                    (call $number (local.get $y)))))))"#,
        54321,
    ),
    (
        "many references out of a function of the guest",
        r#"(func $many (param (ref $box)) (result (ref $box) i64 (ref $box) f64 (ref $box) (ref $box) v128 (ref $box) (ref null $box) i32 (ref $box) (ref $box) (ref $box))
            (call $new (i32.const 1)) (i64.const 1) (local.get 0) (f64.const 1) (call $new (i32.const 2)) (call $new (i32.const 3))
            (v128.const i64x2 1 1) (local.get 0) (ref.null $box) (i32.const 5)
            (call $new (i32.const 4)) (call $gc) (call $new (i32.const 5)) (local.get 0))
        (func (export "run") (result i32) (local $s i32)
            (call $many (call $new (i32.const 100)))
            (call $gc)
            (local.set $s (call $get)) (local.set $s (i32.add (call $get) (local.get $s))) (local.set $s (i32.add (call $get) (local.get $s)))
            (local.set $s (i32.add (local.get $s)))
            drop (local.set $s (i32.add (call $get) (local.get $s)))
            drop (local.set $s (i32.add (call $get) (local.get $s))) (local.set $s (i32.add (call $get) (local.get $s)))
            drop (local.set $s (i32.add (call $get) (local.get $s)))
            drop (i32.add (call $get) (local.get $s)))"#,
        320,
    ),
    (
        "deep recursion, each frame with references, and a collection at the bottom",
        r#"(func $down (param $n i32) (param $up (ref null $pair)) (result i32) (local $mine (ref $pair))
            (local.set $mine (struct.new $pair (local.get $n) (local.get $up) (call $new (local.get $n))))
            (if (i32.eqz (local.get $n)) (then (call $gc) (return (i32.const 0))))
            (i32.add (call $down (i32.sub (local.get $n) (i32.const 1)) (local.get $mine))
                (i32.sub (i32.mul (i32.const 2) (call $get (local.get $mine))) (call $get (struct.get $pair $r (local.get $mine))))))
        (func (export "run") (result i32) (call $down (i32.const 1000) (ref.null $pair)))"#,
        500500,
    ),
    (
        "calls into the guest from the host, each with references below",
        r#"(func (export "run") (result i32) (local $kept (ref $box))
            (local.set $kept (call $new (i32.const 1)))
            (i32.add (call $get (ref.cast (ref $box) (call $again (i32.const 20) (call $new (i32.const 2))))) (call $get (local.get $kept))))"#,
        3,
    ),
    (
        "tail calls and calls by reference",
        r#"(func $count (param $n i32) (param $acc (ref $box)) (result i32)
            (if (i32.eqz (local.get $n)) (then (return (call $get (local.get $acc)))))
            (return_call $count (i32.sub (local.get $n) (i32.const 1))
                (call $new (i32.add (local.get $n) (call $get (local.get $acc))))))
        (func $f (type $unary) (drop (call $new (i32.const 0))) (call $gc) (call $get (local.get 0)))
        (func $g (param (ref $box) (ref $unary)) (result i32) (return_call_ref $unary (local.get 0) (local.get 1)))
        (elem declare func $f)
        (func (export "run") (result i32)
            (i32.add (call $count (i32.const 200) (call $new (i32.const 0)))
              (i32.add (call_ref $unary (call $new (i32.const 100000)) (ref.func $f))
                (call $g (call $new (i32.const 1000000)) (ref.func $f)))))"#,
        1120100,
    ),
    (
        "references that branches carry",
        r#"(func (export "run") (result i32) (local $i i32) (local $sum i32) (local $any anyref)
            (loop $l
                (local.set $any (if (result anyref) (i32.and (local.get $i) (i32.const 1))
                    (then (call $new (local.get $i))) (else (ref.i31 (local.get $i)))))
                (call $gc)
                (block $small (result (ref i31))
                    (block $object (result (ref $box))
                        (br_on_cast $object anyref (ref $box) (local.get $any))
                        (br_on_cast $small anyref (ref i31))
                        unreachable)
                    (drop (call $new (i32.const 0)))
                    (local.set $sum (i32.add (call $get) (local.get $sum)))
                    (ref.i31 (i32.const 0)))
                (local.set $sum (i32.add (i31.get_u) (local.get $sum)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 100))))
            (local.get $sum))"#,
        4950,
    ),
    (
        "fields of every kind",
        r#"(type $all (struct (field (mut i8)) (field (mut anyref)) (field (mut i16)) (field (mut i64)) (field (mut funcref))
            (field (mut f32)) (field (mut v128)) (field (mut externref)) (field (mut f64)) (field (mut (ref null $unary))) (field (mut i32))))
        (func $f (type $unary) (call $get (local.get 0)))
        (elem declare func $f)
        (func (export "run") (result i32) (local $a (ref $all)) (local $b (ref null $all))
            (local.set $a (struct.new $all (i32.const -1) (call $new (i32.const 2)) (i32.const -3) (i64.const 4) (ref.func $f)
                (f32.const 5) (v128.const i32x4 6 7 8 9) (call $value (i32.const 10)) (f64.const 11) (ref.func $f) (i32.const 12)))
            (local.set $b (struct.new_default $all))
            (call $gc)
            (struct.set $all 1 (local.get $b) (local.get $a)) (struct.set $all 9 (local.get $b) (struct.get $all 9 (local.get $a)))
            (call $gc)
            (if (i32.eqz (ref.is_null (struct.get $all 4 (local.get $b)))) (then unreachable))
            (local.set $a (ref.cast (ref $all) (struct.get $all 1 (local.get $b))))
            (i32.add (struct.get_s $all 0 (local.get $a)) (i32.add (struct.get_s $all 2 (local.get $a))
            (i32.add (i32.wrap_i64 (struct.get $all 3 (local.get $a))) (i32.add (i32.trunc_f32_s (struct.get $all 5 (local.get $a)))
            (i32.add (i32x4.extract_lane 3 (struct.get $all 6 (local.get $a))) (i32.add (call $number (struct.get $all 7 (local.get $a)))
            (i32.add (i32.trunc_f64_s (struct.get $all 8 (local.get $a))) (i32.add (struct.get $all 10 (local.get $a))
            (call_ref $unary (ref.cast (ref $box) (struct.get $all 1 (local.get $a))) (struct.get $all 9 (local.get $b))))))))))))"#,
        49,
    ),
    (
        "young objects that only large old arrays refer to",
        r#"(func (export "run") (result i32) (local $a (ref $list)) (local $i i32) (local $sum i32)
            (local.set $a (array.new_default $list (i32.const 100000)))
            (loop $l
                (array.set $list (local.get $a) (i32.mul (local.get $i) (i32.const 999)) (call $new (local.get $i)))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 100))))
            (array.copy $list $list (local.get $a) (i32.const 1) (local.get $a) (i32.const 0) (i32.const 99901))
            (array.fill $list (local.get $a) (i32.const 99990) (call $new (i32.const 50)) (i32.const 2))
            (drop (call $new (i32.const 0))) (call $gc)
            (local.set $i (i32.const 0))
            (loop $l
                (local.set $sum (i32.add (local.get $sum) (call $get (array.get $list (local.get $a)
                    (i32.add (i32.const 1) (i32.mul (local.get $i) (i32.const 999)))))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 100))))
            (i32.add (local.get $sum) (call $get (array.get $list (local.get $a) (i32.const 99991)))))"#,
        5000,
    ),
    (
        "small integers at their edges",
        r#"(type $ints (array i31ref))
        (func (export "run") (result i32) (local $a (ref $ints))
            (local.set $a (array.new_fixed $ints 6 (ref.i31 (i32.const 0)) (ref.i31 (i32.const -1)) (ref.i31 (i32.const 0x3fffffff))
                (ref.i31 (i32.const 0x40000000)) (ref.i31 (i32.const 0x7fffffff)) (ref.i31 (i32.const 0x80000000))))
            (call $gc)
            (if (i32.ne (i31.get_s (array.get $ints (local.get $a) (i32.const 1))) (i32.const -1)) (then unreachable))
            (if (i32.ne (i31.get_u (array.get $ints (local.get $a) (i32.const 1))) (i32.const 0x7fffffff)) (then unreachable))
            (if (i32.ne (i31.get_s (array.get $ints (local.get $a) (i32.const 2))) (i32.const 0x3fffffff)) (then unreachable))
            (if (i32.ne (i31.get_s (array.get $ints (local.get $a) (i32.const 3))) (i32.const -0x40000000)) (then unreachable))
            (if (i32.ne (i31.get_u (array.get $ints (local.get $a) (i32.const 3))) (i32.const 0x40000000)) (then unreachable))
            (if (i32.eqz (ref.eq (array.get $ints (local.get $a) (i32.const 4)) (array.get $ints (local.get $a) (i32.const 1)))) (then unreachable))
            (if (i32.eqz (ref.eq (array.get $ints (local.get $a) (i32.const 5)) (array.get $ints (local.get $a) (i32.const 0)))) (then unreachable))
            (i32.const 1))"#,
        1,
    ),
    (
        "host values and guests' values turned inside out",
        r#"(func (export "run") (result i32) (local $x externref) (local $y anyref)
            (local.set $x (extern.convert_any (call $new (i32.const 1))))
            (local.set $y (any.convert_extern (call $value (i32.const 2))))
            (call $gc)
            (if (ref.test (ref eq) (local.get $y)) (then unreachable))
            (i32.add (call $get (ref.cast (ref $box) (any.convert_extern (local.get $x))))
                (call $number (extern.convert_any (local.get $y)))))"#,
        3,
    ),
    (
        "a cycle that is left and made again",
        r#"(func (export "run") (result i32) (local $a (ref null $pair)) (local $b (ref null $pair)) (local $i i32)
            (loop $l
                (local.set $a (struct.new $pair (i32.const 1) (ref.null $box) (ref.null $box)))
                (local.set $b (struct.new $pair (i32.const 2) (local.get $a) (ref.null $box)))
                (struct.set $pair $l (local.get $a) (local.get $b))
                (struct.set $pair $r (local.get $b) (local.get $b))
                (call $gc)
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 50))))
            (i32.add (ref.eq (struct.get $pair $l (local.get $a)) (local.get $b))
                (ref.eq (struct.get $pair $l (ref.cast (ref $pair) (struct.get $pair $l (local.get $a)))) (local.get $a))))"#,
        2,
    ),
];

/// A host that collects, calls back, swaps and numbers.
fn linker(engine: &Engine) -> Linker<()> {
    type Any = Option<Rooted<AnyRef>>;
    type Host = Option<Rooted<ExternRef>>;
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "gc", |mut caller: Caller<'_, ()>| caller.as_context_mut().gc()).unwrap();
    let again = |mut caller: Caller<'_, ()>, depth: i32, value: Any| -> Result<Any> {
        caller.as_context_mut().gc();
        let again = caller.get_export("again").and_then(Extern::into_func).context("no `again`")?;
        let kept = ExternRef::new(&mut caller, depth)?;
        let again = again.typed::<(i32, Any), Any>(&caller)?;
        let value = again.call(&mut caller, (depth, value))?;
        caller.as_context_mut().gc();
        ensure!(kept.data(&caller)?.and_then(|data| data.downcast_ref()) == Some(&depth), "kept");
        Ok(value)
    };
    linker.func_wrap("host", "again", again).unwrap();
    let swap = |mut caller: Caller<'_, ()>, x: Host, a: Any, n: i32, b: Any, y: Host| -> Result<_> {
        caller.as_context_mut().gc();
        let number = ExternRef::new(&mut caller, n)?;
        caller.as_context_mut().gc();
        let n = *number.data(&caller)?.and_then(|data| data.downcast_ref::<i32>()).context("a number")?;
        Ok((y, b, n, a, x))
    };
    linker.func_wrap("host", "swap", swap).unwrap();
    let value = |caller: Caller<'_, ()>, n: i32| ExternRef::new(caller, n).map(Some);
    linker.func_wrap("host", "value", value).unwrap();
    let number = |caller: Caller<'_, ()>, value: Host| -> Result<i32> {
        let value = value.context("null")?;
        value.data(&caller)?.and_then(|data| data.downcast_ref()).copied().context("a number")
    };
    linker.func_wrap("host", "number", number).unwrap();
    linker
}

fn run(engine: &Engine, name: &str, body: &str) -> (i32, GcStats) {
    let mut store = Store::new(engine, ());
    let module = compile(&store, &format!("(module {PRELUDE} {body})"));
    let instance = linker(engine).instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    let first = run.call(&mut store, ()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    if !name.contains("dropped") {
        let second = run.call(&mut store, ()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(first, second, "{name}, for the second time");
    }
    (first, store.gc_stats())
}

#[test]
fn answers_do_not_depend_on_collections() {
    for stress in STRESS {
        let engine = engine(stress);
        for (name, body, answer) in PROGRAMS {
            let (found, stats) = run(&engine, name, body);
            assert_eq!(found, *answer, "{name} under {stress:?}");
            assert!(stats.full_collections > 0 || !body.contains("$gc"), "{name}: {stats}");
        }
    }
}

/// More references than fit registers, spill slots or SSA values: `locals` of them in locals, `operands` on the stack.
fn crowd(locals: usize, operands: usize) -> (String, i32) {
    let declared: String = (0..locals).map(|_| "(local (ref null $box)) (local i64)").collect();
    let set: String = (0..locals)
        .map(|at| {
            format!(
                "(local.set {} (call $new (i32.const {at}))) (local.set {} (i64.const {at}))\n",
                2 * at,
                2 * at + 1
            )
        })
        .collect();
    let push: String =
        (0..operands).map(|at| format!("(call $new (i32.const {at})) (i64.const {at})\n")).collect();
    let pop = "(local.set $wide) (local.set $sum (i32.add (local.get $sum) (i32.wrap_i64 (local.get $wide))))
        (local.set $sum (i32.add (call $get) (local.get $sum)))\n"
        .repeat(operands);
    let read: String = (0..locals)
        .map(|at| {
            format!(
                "(local.set $sum (i32.add (local.get $sum) (i32.add (call $get (local.get {})) (i32.wrap_i64 (local.get {})))))\n",
                2 * at,
                2 * at + 1
            )
        })
        .collect();
    let text = format!(
        "(func (export \"run\") (result i32) {declared} (local $sum i32) (local $wide i64)
            {set} {push} (call $gc) {pop} (call $gc) {read} (local.get $sum))"
    );
    let all = |count: usize| (count * count.saturating_sub(1)) as i32;
    (text, all(locals) + all(operands))
}

#[test]
fn references_with_homes_in_the_frame_are_found() {
    for (locals, operands) in [(1, 127), (1, 130), (20, 300), (1_100, 10), (1_600, 200)] {
        let (body, answer) = crowd(locals, operands);
        for stress in STRESS {
            let (found, _) = run(&engine(stress), "crowd", &body);
            assert_eq!(found, answer, "{locals} locals and {operands} operands under {stress:?}");
        }
    }
}
