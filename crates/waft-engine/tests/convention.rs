//! Values cross between host and guest unchanged, whatever the signature and whatever way the call takes.

mod common;

use common::Dice;
use std::fmt::Write;
use waft::*;

const TYPES: [ValType; 7] = [
    ValType::I32,
    ValType::I64,
    ValType::F32,
    ValType::F64,
    ValType::V128,
    ValType::FUNCREF,
    ValType::EXTERNREF,
];
/// The ways from the host through guests to the host, as [`module_text`] and [`far_text`] export them.
const WAYS: [&str; 5] = ["direct", "twice", "indirect", "reexported", "imported"];

#[derive(Clone, Debug, PartialEq)]
struct Signature {
    params: Vec<ValType>,
    results: Vec<ValType>,
}

impl Signature {
    /// As the text format has it, without the parentheses around.
    fn text(&self) -> String {
        let list = |word: &str, types: &[ValType]| {
            let types: String = types.iter().map(|ty| format!(" {ty}")).collect();
            format!("({word}{types})")
        };
        list("param", &self.params) + &list("result", &self.results)
    }
}

/// What the host functions saw, and what they answer.
#[derive(Default)]
struct Exchange {
    seen: Vec<String>,
    answer: Vec<Val>,
}

/// For each signature `i` and each way but the last, a function that passes its arguments on to the host's function `i`
/// and returns what that returns. `twice` calls it two times: what it keeps meanwhile must survive.
fn module_text(signatures: &[Signature]) -> String {
    let mut text = "(module\n".to_owned();
    for (i, signature) in signatures.iter().enumerate() {
        let types = signature.text();
        writeln!(text, "(type $t{i} (func {types}))").unwrap();
        writeln!(text, r#"(import "host" "f{i}" (func $host{i} (type $t{i})))"#).unwrap();
    }
    let names: String = (0..signatures.len()).map(|i| format!(" $host{i}")).collect();
    writeln!(text, "(table funcref (elem{names}))").unwrap();
    for (i, signature) in signatures.iter().enumerate() {
        let args: String = (0..signature.params.len()).map(|at| format!(" local.get {at}")).collect();
        let drops = " drop".repeat(signature.results.len());
        writeln!(text, r#"(export "reexported{i}" (func $host{i}))"#).unwrap();
        writeln!(text, r#"(func (export "direct{i}") (type $t{i}) {args} call $host{i})"#).unwrap();
        writeln!(
            text,
            r#"(func (export "twice{i}") (type $t{i}) {args} call $host{i} {drops} {args} call $host{i})"#
        )
        .unwrap();
        writeln!(
            text,
            r#"(func (export "indirect{i}") (type $t{i}) {args} i32.const {i} call_indirect (type $t{i}))"#
        )
        .unwrap();
    }
    text + ")"
}

/// The last way: functions that pass their arguments on to another instance's.
fn far_text(signatures: &[Signature]) -> String {
    let mut text = "(module\n".to_owned();
    for (i, signature) in signatures.iter().enumerate() {
        let types = signature.text();
        writeln!(text, r#"(import "near" "direct{i}" (func $near{i} {types}))"#).unwrap();
    }
    for (i, signature) in signatures.iter().enumerate() {
        let args: String = (0..signature.params.len()).map(|at| format!(" local.get {at}")).collect();
        writeln!(text, r#"(func (export "imported{i}") {} {args} call $near{i})"#, signature.text()).unwrap();
    }
    text + ")"
}

fn value(store: &mut Store<Exchange>, dice: &mut Dice, ty: ValType) -> Val {
    match ty {
        ValType::I32 => Val::I32(dice.next() as i32),
        ValType::I64 => Val::I64(dice.next() as i64),
        ValType::F32 => Val::F32(dice.next() as u32),
        ValType::F64 => Val::F64(dice.next()),
        ValType::V128 => Val::V128(dice.wide().into()),
        ValType::FUNCREF if dice.below(3) == 0 => Val::FuncRef(None),
        ValType::FUNCREF => Func::wrap(store, || ()).into(),
        _ if dice.below(3) == 0 => Val::ExternRef(None),
        _ => ExternRef::new(store, dice.next()).unwrap().into(),
    }
}

fn values(store: &mut Store<Exchange>, dice: &mut Dice, types: &[ValType]) -> Vec<Val> {
    types.iter().map(|ty| value(store, dice, ty.clone())).collect()
}

/// Values as text: floats by their bits, references by their identity.
/// Values as text; of a host value, what it is, for handles of one are many.
fn text(store: &impl AsContext, values: &[Val]) -> String {
    let one = |value: &Val| match value {
        Val::ExternRef(Some(value)) => {
            format!("host value {:?}", value.data(store).unwrap().unwrap().downcast_ref::<u64>())
        }
        other => format!("{other:?}"),
    };
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Calls every function of modules for these signatures, every way.
fn check(signatures: &[Signature]) {
    for engine in common::engines(Config::new()) {
        check_with(&engine, signatures);
    }
}

/// The same: with lazy compilation, each is a function's first call.
fn check_with(engine: &Engine, signatures: &[Signature]) {
    let mut store = Store::new(engine, Exchange::default());
    let mut linker = Linker::new(engine);
    for (i, signature) in signatures.iter().enumerate() {
        let ty = FuncType::new(engine, signature.params.clone(), signature.results.clone());
        linker
            .func_new("host", &format!("f{i}"), ty, |mut caller: Caller<'_, Exchange>, params, results| {
                let seen = text(&caller, params);
                caller.data_mut().seen.push(seen);
                results.copy_from_slice(&caller.data().answer);
                Ok(())
            })
            .unwrap();
    }
    let near = common::compile(&store, &module_text(signatures));
    let near = linker.instantiate(&mut store, &near).unwrap();
    linker.instance(&mut store, "near", near).unwrap();
    let far = common::compile(&store, &far_text(signatures));
    let far = linker.instantiate(&mut store, &far).unwrap();
    let mut dice = Dice::new(signatures.len() as u64);
    for (i, signature) in signatures.iter().enumerate() {
        for way in WAYS {
            let instance = if way == "imported" { far } else { near };
            let func = instance.get_func(&mut store, &format!("{way}{i}")).unwrap();
            assert_eq!(func.ty(&store).params().collect::<Vec<_>>(), signature.params);
            assert_eq!(func.ty(&store).results().collect::<Vec<_>>(), signature.results);
            let args = values(&mut store, &mut dice, &signature.params);
            let answer = values(&mut store, &mut dice, &signature.results);
            *store.data_mut() = Exchange { seen: Vec::new(), answer: answer.clone() };
            let mut results = vec![Val::I32(-1); signature.results.len()];
            func.call(&mut store, &args, &mut results).unwrap();
            let seen = &store.data().seen;
            assert_eq!(seen.len(), if way == "twice" { 2 } else { 1 });
            for seen in seen {
                assert_eq!(*seen, text(&store, &args), "arguments of {signature:?}, {way}");
            }
            assert_eq!(text(&store, &results), text(&store, &answer), "results of {signature:?}, {way}");
        }
    }
}

/// As many signatures in a module as keep it small.
fn check_all(signatures: &[Signature]) {
    for some in signatures.chunks(64) {
        check(some);
    }
}

#[test]
fn any_number_of_values_of_one_type() {
    let mut signatures = Vec::new();
    for ty in TYPES {
        for count in [0, 1, 4, 5, 6, 7, 8, 9, 10, 16, 17, 24] {
            signatures.push(Signature { params: vec![ty.clone(); count], results: Vec::new() });
        }
        for count in [1, 2, 3, 4, 5, 6, 8, 9, 12] {
            signatures.push(Signature { params: vec![ty.clone()], results: vec![ty.clone(); count] });
            signatures.push(Signature { params: vec![ty.clone(); 7], results: vec![ty.clone(); count] });
        }
    }
    check_all(&signatures);
}

#[test]
fn vectors_on_the_stack_are_aligned_behind_any_number_of_words() {
    let mut signatures = Vec::new();
    for words in 0..6 {
        for vectors in 1..4 {
            // Eight floats take the registers: what follows is on the stack.
            let mut params = vec![ValType::F64; 8];
            params.extend(vec![ValType::F32; words]);
            params.extend(vec![ValType::V128; vectors]);
            params.extend([ValType::F64, ValType::V128]);
            signatures.push(Signature { params: params.clone(), results: vec![ValType::V128] });
            signatures.push(Signature { params, results: vec![ValType::V128; 6] });
        }
    }
    check_all(&signatures);
}

#[test]
fn mixtures_of_all_types() {
    let mut dice = Dice::new(2);
    let mut mixture = |most: usize| -> Vec<ValType> {
        let count = dice.below(most + 1);
        (0..count).map(|_| TYPES[dice.below(TYPES.len())].clone()).collect()
    };
    let signatures: Vec<_> =
        (0..320).map(|_| Signature { params: mixture(24), results: mixture(12) }).collect();
    check_all(&signatures);
}

#[test]
fn hundreds_of_values() {
    let mut dice = Dice::new(3);
    let mut mixture = |count: usize| (0..count).map(|_| TYPES[dice.below(TYPES.len())].clone()).collect();
    check(&[
        Signature { params: mixture(300), results: Vec::new() },
        Signature { params: Vec::new(), results: mixture(300) },
        Signature { params: mixture(1000), results: mixture(1000) },
    ]);
}

/// A typed call through a guest that passes on, and a typed host function behind it.
macro_rules! typed {
    ($store:ident, $($types:literal: ($($name:ident: $ty:ty = $value:expr),*);)*) => {$({
        type Values = ($($ty,)*);
        let echo = Func::wrap(&mut $store, |$($name: $ty),*| -> Values { ($($name,)*) });
        let count = <[&str]>::len(&[$(stringify!($name)),*]);
        let args: String = (0..count).map(|at| format!(" local.get {at}")).collect();
        let text = format!(
            r#"(module (import "" "" (func $host (param {0}) (result {0})))
                (func (export "f") (param {0}) (result {0}) {args} call $host))"#,
            $types
        );
        let module = common::compile(&$store, &text);
        let instance = Instance::new(&mut $store, &module, &[echo.into()]).unwrap();
        let func = instance.get_typed_func::<Values, Values>(&mut $store, "f").unwrap();
        let values: Values = ($($value,)*);
        let back = func.call(&mut $store, values).unwrap();
        // Handles differ in their places, though what they mean is the same.
        let plain = |text: String| {
            let parts = text.split("Rooted(").map(|part| part.rsplit(" of store").next().unwrap().to_owned());
            parts.collect::<Vec<_>>()
        };
        assert_eq!(plain(format!("{back:?}")), plain(format!("{values:?}")));
    })*};
}

#[test]
fn typed_calls_give_back_what_they_got() {
    let mut store = Store::new(&Engine::default(), ());
    let func = Some(Func::wrap(&mut store, || ()));
    let value = Some(ExternRef::new(&mut store, 1).unwrap());
    typed! { store,
        "i32": (a: i32 = -1);
        "i32": (a: u32 = u32::MAX);
        "i64 i32": (a: u64 = u64::MAX, b: i32 = i32::MIN);
        "f32 f64": (a: f32 = -0.0, b: f64 = f64::MIN_POSITIVE);
        "v128 i32": (a: V128 = V128::from(u128::MAX - 7), b: i32 = 3);
        "funcref externref": (a: Option<Func> = func, b: Option<Rooted<ExternRef>> = value);
        "funcref externref": (a: Option<Func> = None, b: Option<Rooted<ExternRef>> = None);
        "i32 i32 i32 i32 i64 i64 i64": (a: i32 = 1, b: i32 = 2, c: i32 = 3, d: i32 = 4, e: i64 = 5, f: i64 = 6, g: i64 = 7);
        "f64 f64 f64 f64 f64 v128": (a: f64 = 1., b: f64 = 2., c: f64 = 3., d: f64 = 4., e: f64 = 5., f: V128 = V128::from(6));
    }
}

#[test]
fn sixteen_typed_parameters_arrive_in_order() {
    let mut store = Store::new(&Engine::default(), ());
    let weigh = Func::wrap(
        &mut store,
        |a: i32,
         b: i64,
         c: f32,
         d: f64,
         e: i32,
         f: i64,
         g: f32,
         h: f64,
         i: i32,
         j: i64,
         k: f32,
         l: f64,
         m: i32,
         n: i64,
         o: f32,
         p: f64| {
            format!("{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}{p}").parse::<u64>().unwrap()
        },
    );
    type Params = (i32, i64, f32, f64, i32, i64, f32, f64, i32, i64, f32, f64, i32, i64, f32, f64);
    let weigh = weigh.typed::<Params, u64>(&store).unwrap();
    let params = (1, 2, 3., 4., 5, 6, 7., 8., 9, 1, 2., 3., 4, 5, 6., 7.);
    assert_eq!(weigh.call(&mut store, params).unwrap(), 1_234_567_891_234_567);
}

#[test]
fn values_of_the_wrong_number_or_type_are_refused_before_the_call() {
    let (mut store, instance) =
        common::start(r#"(module (func (export "f") (param i32 f64) (result i64) unreachable))"#);
    let func = instance.get_func(&mut store, "f").unwrap();
    let zero = [Val::I32(0), Val::F64(0)];
    let rows: [(&[Val], usize, &str); 5] = [
        (&[Val::I32(0)], 1, "expected 2 arguments, got 1"),
        (&[Val::I32(0); 3], 1, "expected 2 arguments, got 3"),
        (&zero, 0, "expected room for 1 results, got 0"),
        (&[Val::F64(0), Val::F64(0)], 1, "type mismatch: i32 expected, f64 found"),
        (&[Val::I32(0), Val::ExternRef(None)], 1, "type mismatch: f64 expected, externref found"),
    ];
    for (params, room, message) in rows {
        let error = func.call(&mut store, params, &mut vec![Val::I32(0); room]).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    }
    let error = func.typed::<i32, i64>(&store).unwrap_err();
    assert!(error.to_string().contains("(func (param i32 f64) (result i64))"), "{error}");
}
