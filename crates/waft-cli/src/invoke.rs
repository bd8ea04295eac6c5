//! `--invoke`: words of a command line to values by a function's parameter types, and results back to words.

use crate::describe;
use std::ffi::OsString;
use waft::{Error, FuncType, Result, Val, ValType, bail};

/// Parses `words` as the parameters of a function of type `ty`, called `name` in errors.
pub(crate) fn parse_arguments(name: &str, ty: &FuncType, words: &[OsString]) -> Result<Vec<Val>> {
    let params: Vec<ValType> = ty.params().collect();
    if params.len() != words.len() {
        bail!(
            "{name} takes {} argument{}, and {} given: it is a {}",
            params.len(),
            if params.len() == 1 { "" } else { "s" },
            if words.len() == 1 { "1 was".to_owned() } else { format!("{} were", words.len()) },
            describe::func_type(ty)
        );
    }
    let parse = |(at, (ty, word)): (usize, (&ValType, &OsString))| {
        let text = word.to_str().unwrap_or_default();
        parse_value(ty, text).map_err(|reason| {
            let word = word.to_string_lossy();
            Error::msg(format!("argument {} of {name}: `{word}` is no {ty}: {reason}", at + 1))
        })
    };
    params.iter().zip(words).enumerate().map(parse).collect()
}

fn parse_value(ty: &ValType, text: &str) -> Result<Val, String> {
    match ty {
        ValType::I32 => parse_integer(text, 32).map(|bits| Val::I32(bits as u32 as i32)),
        ValType::I64 => parse_integer(text, 64).map(|bits| Val::I64(bits as u64 as i64)),
        ValType::V128 => parse_integer(text, 128).map(|bits| Val::V128((bits as u128).into())),
        ValType::F32 => text.parse::<f32>().map(|value| Val::F32(value.to_bits())).map_err(|e| e.to_string()),
        ValType::F64 => text.parse::<f64>().map(|value| Val::F64(value.to_bits())).map_err(|e| e.to_string()),
        ValType::Ref(_) if text == "null" => match ty {
            ValType::Ref(reference) => null_of(reference),
            _ => unreachable!("the arm above matched a reference"),
        },
        ValType::Ref(_) => Err("the only reference that can be written here is `null`".into()),
    }
}

fn null_of(ty: &waft::RefType) -> Result<Val, String> {
    if !ty.is_nullable() {
        return Err("it cannot be null, and nothing else can be written here".into());
    }
    Ok(Val::null_ref(ty.heap_type()))
}

/// An integer of `bits` bits, signed or not, decimal or `0x` hexadecimal; returned sign-extended.
fn parse_integer(text: &str, bits: u32) -> Result<i128, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let magnitude = match lower.strip_prefix("0x") {
        Some(hexadecimal) => parse_magnitude(hexadecimal, 16),
        None => parse_magnitude(&lower, 10),
    }?;
    let limit = if negative { 1u128 << (bits - 1) } else { u128::MAX >> (128 - bits) };
    if magnitude > limit {
        return Err(format!("it does not fit in {bits} bits"));
    }
    // Two's complement: the bit pattern is what the guest gets.
    Ok(if negative { (magnitude as i128).wrapping_neg() } else { magnitude as i128 })
}

fn parse_magnitude(digits: &str, radix: u32) -> Result<u128, String> {
    if digits.starts_with(['+', '-']) {
        return Err("expected one sign at most".into());
    }
    u128::from_str_radix(digits, radix).map_err(|error| error.to_string())
}

/// A result as one line, in a form that [`parse_arguments`] takes for numbers.
pub(crate) fn format_result(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(value) => format!("{:#034x}", value.as_u128()),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => "null".into(),
        Val::FuncRef(Some(_)) => "funcref".into(),
        Val::ExternRef(Some(_)) => "externref".into(),
        Val::AnyRef(Some(_)) => "anyref".into(),
        Val::ExnRef(Some(_)) => "exnref".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_signed_or_unsigned_and_must_fit() {
        let rows = [
            ("0", 32, Some(0)),
            ("4294967295", 32, Some(4294967295)),
            ("4294967296", 32, None),
            ("-2147483648", 32, Some(-2147483648)),
            ("-2147483649", 32, None),
            ("0xff", 32, Some(255)),
            ("-0x1", 64, Some(-1)),
            ("+7", 64, Some(7)),
            ("+-7", 64, None),
            ("", 32, None),
            ("0x", 32, None),
            ("seven", 32, None),
            ("340282366920938463463374607431768211455", 128, Some(-1)),
        ];
        for (text, bits, expected) in rows {
            assert_eq!(parse_integer(text, bits).ok(), expected, "{text:?} of {bits} bits");
        }
    }
}
