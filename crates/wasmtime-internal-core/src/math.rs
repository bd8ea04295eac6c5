//! Which floats fit an integer: the bounds behind a trapping float-to-integer conversion.

/// Defines the bounds for one float type. Both types need the same two lines, and Rust has no trait over floats in `core`.
macro_rules! define_cvt_to_int_bounds {
    ($name:ident, $float:ty) => {
        #[doc = concat!("The exclusive bounds, `(below, above)`, of the [`", stringify!($float), "`] values that convert to an integer.")]
        ///
        /// Rounded towards zero, a number `x` fits an integer of `bits` bits, in two's complement if `signed`, exactly if
        /// `below < x && x < above`. These are the operands of the two comparisons that precede a conversion in machine
        /// code, as in WebAssembly's `trunc` instructions ([spec]); NaN fits nothing and is for the caller to rule out.
        ///
        /// [spec]: https://webassembly.github.io/spec/core/exec/numerics.html#op-trunc-u
        ///
        /// # Panics
        ///
        /// If `bits` is not 8, 16, 32 or 64.
        pub fn $name(signed: bool, bits: u32) -> ($float, $float) {
            assert!(matches!(bits, 8 | 16 | 32 | 64), "an integer of {bits} bits");
            if !signed {
                // Everything above -1 rounds to zero or more.
                return (-1.0, power_of_two(bits) as $float);
            }
            let limit = power_of_two(bits - 1) as $float;
            // One below the least integer, as long as the float has the precision to tell the two apart. Where it has not,
            // the subtraction rounds back to the least integer, which fits, and its lower neighbour is the bound.
            let below = (-limit - 1.0).min((-limit).next_down());
            (below, limit)
        }
    };
}

define_cvt_to_int_bounds!(f32_cvt_to_int_bounds, f32);
define_cvt_to_int_bounds!(f64_cvt_to_int_bounds, f64);

/// `2^exponent`. Both float types hold it without rounding.
fn power_of_two(exponent: u32) -> u128 {
    1 << exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether `x`, rounded towards zero, lies in the integer's range. `i128` holds all of the tested values exactly.
    fn fits(x: f64, signed: bool, bits: u32) -> bool {
        let (least, past) =
            if signed { (-(1i128 << (bits - 1)), 1i128 << (bits - 1)) } else { (0, 1i128 << bits) };
        (least..past).contains(&(x as i128))
    }

    #[test]
    fn the_f32_bounds_are_the_nearest_floats_that_do_not_fit() {
        for bits in [8, 16, 32, 64] {
            for signed in [false, true] {
                let (below, above) = f32_cvt_to_int_bounds(signed, bits);
                for (bound, inwards) in [(below, below.next_up()), (above, above.next_down())] {
                    assert!(!fits(bound.into(), signed, bits), "{bound} fits {bits} bits, signed: {signed}");
                    assert!(
                        fits(inwards.into(), signed, bits),
                        "{inwards} misses {bits} bits, signed: {signed}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_f64_bounds_are_the_nearest_floats_that_do_not_fit() {
        for bits in [8, 16, 32, 64] {
            for signed in [false, true] {
                let (below, above) = f64_cvt_to_int_bounds(signed, bits);
                for (bound, inwards) in [(below, below.next_up()), (above, above.next_down())] {
                    assert!(!fits(bound, signed, bits), "{bound} fits {bits} bits, signed: {signed}");
                    assert!(fits(inwards, signed, bits), "{inwards} misses {bits} bits, signed: {signed}");
                }
            }
        }
    }
}
