//! Sizes and durations as people write them: `512MiB`, `1g`, `500ms`, `1m`.

use std::time::Duration;

/// Binary units only: memory comes in pages of 64 KiB, and `1g` of anything else would surprise.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("m", 1 << 20),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("g", 1 << 30),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
    ("t", 1 << 40),
    ("tb", 1 << 40),
    ("tib", 1 << 40),
];

const DURATION_UNITS: &[(&str, u64)] = &[
    ("us", 1_000),
    ("ms", 1_000_000),
    ("", 1_000_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Parses a number of bytes, `K`, `M`, `G` and `T` being powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    scaled(text, SIZE_UNITS).ok_or_else(|| "expected a size such as 1g, 512MiB or 65536 (bytes)".into())
}

/// Parses a time that is not zero; without a unit, seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match scaled(text, DURATION_UNITS) {
        Some(0) => Err("a timeout of zero would end every program before it starts".into()),
        Some(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
        None => Err("expected a time such as 10s, 500ms, 1m or 2h".into()),
    }
}

/// A decimal number, perhaps with a fraction, times its unit; `None` if it is neither or too large.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || fraction.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(*factor)?;
    if fraction.is_empty() {
        return Some(whole);
    }
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(*factor);
    whole.checked_add(u64::try_from(part / 10u128.pow(fraction.len() as u32)).ok()?)
}

/// A number of bytes with the unit that keeps it short: `20.1 MiB`.
pub(crate) fn format_size(bytes: u64) -> String {
    let units = [(1u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(factor, _)| bytes >= *factor) {
        Some((factor, unit)) if bytes.is_multiple_of(*factor) => format!("{} {unit}", bytes / factor),
        Some((factor, unit)) => format!("{:.1} {unit}", bytes as f64 / *factor as f64),
        None if bytes == 1 => "1 byte".into(),
        None => format!("{bytes} bytes"),
    }
}

/// A time with the unit that keeps it short: `500ms`, `1.5s`.
pub(crate) fn format_duration(duration: Duration) -> String {
    format!("{duration:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let rows = [
            ("0", Some(0)),
            ("65536", Some(65536)),
            ("1k", Some(1024)),
            ("1g", Some(1 << 30)),
            ("512MiB", Some(512 << 20)),
            ("512 mb", Some(512 << 20)),
            ("1.5G", Some(3 << 29)),
            ("16777216T", None),
            ("18446744073709551616", None),
            ("", None),
            ("g", None),
            ("-1", None),
            ("1.2.3k", None),
            ("1.k", Some(1024)),
            ("1x", None),
        ];
        for (text, bytes) in rows {
            assert_eq!(parse_size(text).ok(), bytes, "{text:?}");
        }
    }

    #[test]
    fn durations_default_to_seconds_and_are_never_zero() {
        let rows = [
            ("10s", Some(10_000)),
            ("500ms", Some(500)),
            ("1m", Some(60_000)),
            ("2h", Some(7_200_000)),
            ("1.5s", Some(1_500)),
            ("3", Some(3_000)),
            ("0s", None),
            ("0", None),
            ("soon", None),
            ("s", None),
            ("99999999999h", None),
        ];
        for (text, milliseconds) in rows {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(parse_duration(text).ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_print_in_the_unit_that_keeps_them_short() {
        let rows =
            [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (65536, "64 KiB"), (1536, "1.5 KiB")];
        for (bytes, text) in rows {
            assert_eq!(format_size(bytes), text);
        }
    }
}
