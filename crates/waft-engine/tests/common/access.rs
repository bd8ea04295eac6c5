//! Every operator that loads or stores.

use waft::Val;

/// Operator, result type, bytes.
pub(crate) const LOADS: [(&str, &str, u64); 29] = [
    ("i32.load", "i32", 4),
    ("i32.load8_s", "i32", 1),
    ("i32.load8_u", "i32", 1),
    ("i32.load16_s", "i32", 2),
    ("i32.load16_u", "i32", 2),
    ("i64.load", "i64", 8),
    ("i64.load8_s", "i64", 1),
    ("i64.load8_u", "i64", 1),
    ("i64.load16_s", "i64", 2),
    ("i64.load16_u", "i64", 2),
    ("i64.load32_s", "i64", 4),
    ("i64.load32_u", "i64", 4),
    ("f32.load", "f32", 4),
    ("f64.load", "f64", 8),
    ("v128.load", "v128", 16),
    ("v128.load8x8_s", "v128", 8),
    ("v128.load8x8_u", "v128", 8),
    ("v128.load16x4_s", "v128", 8),
    ("v128.load32x2_u", "v128", 8),
    ("v128.load8_splat", "v128", 1),
    ("v128.load16_splat", "v128", 2),
    ("v128.load32_splat", "v128", 4),
    ("v128.load64_splat", "v128", 8),
    ("v128.load32_zero", "v128", 4),
    ("v128.load64_zero", "v128", 8),
    ("v128.load8_lane", "v128", 1),
    ("v128.load16_lane", "v128", 2),
    ("v128.load32_lane", "v128", 4),
    ("v128.load64_lane", "v128", 8),
];

/// Operator, operand, bytes.
pub(crate) const STORES: [(&str, &str, u64); 14] = [
    ("i32.store", "i32.const -1", 4),
    ("i32.store8", "i32.const -1", 1),
    ("i32.store16", "i32.const -1", 2),
    ("i64.store", "i64.const -1", 8),
    ("i64.store8", "i64.const -1", 1),
    ("i64.store16", "i64.const -1", 2),
    ("i64.store32", "i64.const -1", 4),
    ("f32.store", "f32.const -nan:0x7fffff", 4),
    ("f64.store", "f64.const -nan:0xfffffffffffff", 8),
    ("v128.store", "v128.const i32x4 -1 -1 -1 -1", 16),
    ("v128.store8_lane", "v128.const i32x4 -1 -1 -1 -1", 1),
    ("v128.store16_lane", "v128.const i32x4 -1 -1 -1 -1", 2),
    ("v128.store32_lane", "v128.const i32x4 -1 -1 -1 -1", 4),
    ("v128.store64_lane", "v128.const i32x4 -1 -1 -1 -1", 8),
];

/// What a test puts at each place of a memory.
pub(crate) fn byte_at(at: usize) -> u8 {
    (at % 251) as u8 + 1
}

/// What `operator` loads from `at`.
pub(crate) fn loaded(operator: &str, width: u64, at: usize) -> Val {
    let byte = |n: usize| u128::from(byte_at(at + n));
    let bits = (0..width as usize).fold(0, |bits, n| bits | byte(n) << (8 * n));
    let signed = |bits: u128, width: u64| ((bits << (128 - 8 * width)) as i128 >> (128 - 8 * width)) as u128;
    let widened = |from: u64, sign: bool| {
        (0..(8 / from)).fold(0, |lanes, lane| {
            let bits = bits >> (8 * from * lane) & ((1 << (8 * from)) - 1);
            let bits = if sign { signed(bits, from) } else { bits } & ((1 << (16 * from)) - 1);
            lanes | bits << (16 * from * lane)
        })
    };
    let name = operator.split('.').nth(1).unwrap();
    let value = match name {
        "load8x8_s" => widened(1, true),
        "load8x8_u" => widened(1, false),
        "load16x4_s" => widened(2, true),
        "load32x2_u" => widened(4, false),
        _ if name.ends_with("_splat") => {
            (0..16 / width).fold(0, |lanes, lane| lanes | bits << (8 * width * lane))
        }
        // Lane 0 of all ones.
        _ if name.ends_with("_lane") => u128::MAX << (8 * width) | bits,
        _ if name.ends_with("_s") => signed(bits, width),
        _ => bits,
    };
    match operator.split('.').next().unwrap() {
        "i32" => Val::I32(value as i32),
        "i64" => Val::I64(value as i64),
        "f32" => Val::F32(value as u32),
        "f64" => Val::F64(value as u64),
        _ => Val::V128(value.into()),
    }
}
