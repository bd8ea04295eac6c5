//! Values of a script: arguments to the engine's values, and results against what is expected.

use super::script::Host;
use waft::{AnyRef, ExternRef, Rooted, Store, Val};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::{WastArg, WastRet};

/// The value that an argument stands for.
pub(super) fn argument(store: &mut Store<Host>, argument: &WastArg<'_>) -> Result<Val, String> {
    let WastArg::Core(argument) = argument else {
        return Err(format!("not supported: the argument {argument:?}"));
    };
    Ok(match argument {
        WastArgCore::I32(value) => Val::I32(*value),
        WastArgCore::I64(value) => Val::I64(*value),
        WastArgCore::F32(value) => Val::F32(value.bits),
        WastArgCore::F64(value) => Val::F64(value.bits),
        WastArgCore::V128(value) => Val::V128(u128::from_le_bytes(value.to_le_bytes()).into()),
        WastArgCore::RefNull(ty) => null(ty)?,
        WastArgCore::RefExtern(value) => {
            let reference = ExternRef::new(&mut *store, *value).map_err(|error| format!("{error:#}"))?;
            Val::ExternRef(Some(reference))
        }
        WastArgCore::RefHost(value) => {
            let host = host_value(store, *value).and_then(|value| AnyRef::convert_extern(&mut *store, value));
            Val::AnyRef(Some(host.map_err(|error| format!("{error:#}"))?))
        }
    })
}

fn host_value(store: &mut Store<Host>, value: u32) -> waft::Result<Rooted<ExternRef>> {
    ExternRef::new(&mut *store, value)
}

/// The family of references that a type belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    Func,
    Extern,
    Any,
    Exn,
}

/// `None` for a type that is only a name: to know its family takes the module.
fn family(ty: &HeapType<'_>) -> Option<Family> {
    use AbstractHeapType as A;
    let HeapType::Abstract { shared: false, ty } = ty else { return None };
    Some(match ty {
        A::Func | A::NoFunc => Family::Func,
        A::Extern | A::NoExtern => Family::Extern,
        A::Exn | A::NoExn => Family::Exn,
        A::Any | A::Eq | A::I31 | A::Struct | A::Array | A::None => Family::Any,
        A::Cont | A::NoCont => return None,
    })
}

fn null(ty: &HeapType<'_>) -> Result<Val, String> {
    match family(ty) {
        Some(Family::Func) => Ok(Val::FuncRef(None)),
        Some(Family::Extern) => Ok(Val::ExternRef(None)),
        Some(Family::Any) => Ok(Val::AnyRef(None)),
        Some(Family::Exn) => Ok(Val::ExnRef(None)),
        None => Err(format!("not supported: (ref.null) of {ty:?}")),
    }
}

/// The family of a null; `None` for all other values.
fn null_family(value: &Val) -> Option<Family> {
    match value {
        Val::FuncRef(None) => Some(Family::Func),
        Val::ExternRef(None) => Some(Family::Extern),
        Val::AnyRef(None) => Some(Family::Any),
        Val::ExnRef(None) => Some(Family::Exn),
        _ => None,
    }
}

/// Compares all results of a call.
pub(super) fn check_results(
    store: &mut Store<Host>,
    actual: &[Val],
    expected: &[WastRet<'_>],
) -> Result<(), String> {
    if actual.len() != expected.len() {
        return Err(format!("expected {} results, found {}: {actual:?}", expected.len(), actual.len()));
    }
    for (at, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let WastRet::Core(expected) = expected else {
            return Err(format!("not supported: the result {expected:?}"));
        };
        if !matches(store, actual, expected)? {
            return Err(format!("result {at}: expected {expected:?}, found {}", describe(actual)));
        }
    }
    Ok(())
}

/// Floats are compared by their bits, because -0 and the payload of a NaN matter here.
fn matches(store: &mut Store<Host>, actual: &Val, expected: &WastRetCore<'_>) -> Result<bool, String> {
    Ok(match (actual, expected) {
        (_, WastRetCore::Either(choices)) => {
            for choice in choices {
                if matches(store, actual, choice)? {
                    return Ok(true);
                }
            }
            false
        }
        (Val::I32(actual), WastRetCore::I32(expected)) => actual == expected,
        (Val::I64(actual), WastRetCore::I64(expected)) => actual == expected,
        (Val::F32(actual), WastRetCore::F32(expected)) => matches_f32(*actual, expected),
        (Val::F64(actual), WastRetCore::F64(expected)) => matches_f64(*actual, expected),
        (Val::V128(actual), WastRetCore::V128(expected)) => matches_v128(actual.as_u128(), expected),
        (value, WastRetCore::RefNull(ty)) => match (null_family(value), ty) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(actual), Some(ty)) => family(ty).is_none_or(|expected| actual == expected),
        },
        // The API gives no index of a function: that it is one must do.
        (Val::FuncRef(Some(_)), WastRetCore::RefFunc(_)) => true,
        (Val::ExternRef(Some(_)), WastRetCore::RefExtern(None)) => true,
        (Val::ExternRef(Some(reference)), WastRetCore::RefExtern(Some(expected))) => {
            let data = reference.data(&*store).map_err(|error| format!("{error:#}"))?;
            data.and_then(|data| data.downcast_ref::<u32>()) == Some(expected)
        }
        (Val::AnyRef(Some(value)), expected) => {
            matches_any(store, value, expected).map_err(|error| format!("{error:#}"))?
        }
        _ => false,
    })
}

fn matches_any(
    store: &mut Store<Host>,
    value: &Rooted<AnyRef>,
    expected: &WastRetCore<'_>,
) -> waft::Result<bool> {
    Ok(match expected {
        WastRetCore::RefAny => true,
        WastRetCore::RefEq => value.is_eqref(&*store)?,
        WastRetCore::RefI31 => value.is_i31(&*store)?,
        WastRetCore::RefStruct => value.is_struct(&*store)?,
        WastRetCore::RefArray => value.is_array(&*store)?,
        WastRetCore::RefHost(expected) => {
            let value = ExternRef::convert_any(&mut *store, *value)?;
            value.data(&*store)?.and_then(|data| data.downcast_ref::<u32>()) == Some(expected)
        }
        _ => false,
    })
}

/// A canonical NaN has the highest bit of its payload and no other, and either sign.
fn matches_f32(actual: u32, expected: &NanPattern<wast::token::F32>) -> bool {
    const QUIET: u32 = 0x7fc0_0000;
    match expected {
        NanPattern::CanonicalNan => actual & !(1 << 31) == QUIET,
        NanPattern::ArithmeticNan => actual & QUIET == QUIET,
        NanPattern::Value(expected) => actual == expected.bits,
    }
}

fn matches_f64(actual: u64, expected: &NanPattern<wast::token::F64>) -> bool {
    const QUIET: u64 = 0x7ff8_0000_0000_0000;
    match expected {
        NanPattern::CanonicalNan => actual & !(1 << 63) == QUIET,
        NanPattern::ArithmeticNan => actual & QUIET == QUIET,
        NanPattern::Value(expected) => actual == expected.bits,
    }
}

fn matches_v128(actual: u128, expected: &V128Pattern) -> bool {
    let lane = |at: usize, bits: usize| (actual >> (at * bits)) as u64;
    let all = |count: usize, matches: &dyn Fn(usize) -> bool| (0..count).all(matches);
    match expected {
        V128Pattern::I8x16(lanes) => all(16, &|at| lane(at, 8) as i8 == lanes[at]),
        V128Pattern::I16x8(lanes) => all(8, &|at| lane(at, 16) as i16 == lanes[at]),
        V128Pattern::I32x4(lanes) => all(4, &|at| lane(at, 32) as i32 == lanes[at]),
        V128Pattern::I64x2(lanes) => all(2, &|at| lane(at, 64) as i64 == lanes[at]),
        V128Pattern::F32x4(lanes) => all(4, &|at| matches_f32(lane(at, 32) as u32, &lanes[at])),
        V128Pattern::F64x2(lanes) => all(2, &|at| matches_f64(lane(at, 64), &lanes[at])),
    }
}

/// A value with its bits, for a difference is often in them alone.
fn describe(value: &Val) -> String {
    match value {
        Val::I32(value) => format!("i32 {value} ({value:#x})"),
        Val::I64(value) => format!("i64 {value} ({value:#x})"),
        Val::F32(bits) => format!("f32 {} ({bits:#010x})", f32::from_bits(*bits)),
        Val::F64(bits) => format!("f64 {} ({bits:#018x})", f64::from_bits(*bits)),
        Val::V128(value) => format!("v128 {:#034x}", value.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => "null".into(),
        Val::FuncRef(Some(_)) => "a function".into(),
        Val::ExternRef(Some(_)) => "a host value".into(),
        Val::AnyRef(Some(_)) => "a guest's value".into(),
        Val::ExnRef(Some(_)) => "an exception".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wast::token::F32;

    #[test]
    fn nan_patterns_look_at_the_payload_alone() {
        let rows = [
            (0x7fc0_0000, true, true),
            (0xffc0_0000, true, true),
            (0x7fc0_0001, false, true),
            (0x7f80_0001, false, false),
            (0x7f80_0000, false, false),
            (0x3f80_0000, false, false),
        ];
        for (bits, canonical, arithmetic) in rows {
            assert_eq!(matches_f32(bits, &NanPattern::CanonicalNan), canonical, "{bits:#x}");
            assert_eq!(matches_f32(bits, &NanPattern::ArithmeticNan), arithmetic, "{bits:#x}");
        }
        assert!(!matches_f32(0x8000_0000, &NanPattern::Value(F32 { bits: 0 })), "-0 is not 0");
    }

    #[test]
    fn every_lane_counts() {
        let value = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100u128;
        let mut lanes: [i8; 16] = std::array::from_fn(|at| at as i8);
        assert!(matches_v128(value, &V128Pattern::I8x16(lanes)));
        lanes[15] = 0;
        assert!(!matches_v128(value, &V128Pattern::I8x16(lanes)));
    }
}
