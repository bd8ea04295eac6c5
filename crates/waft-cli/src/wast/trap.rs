//! Which kinds of trap a script means by a text.

use waft::Trap;

/// The texts of the specification's scripts, each the start of what may stand there, and the traps it allows.
///
/// A text that begins another stands after it. Two kinds where the specification's own interpreter does not tell them
/// apart: an index that is outside a table is "undefined element" in a call and "out of bounds table access" elsewhere.
const TEXTS: &[(&str, &[Trap])] = &[
    ("unreachable", &[Trap::UnreachableCodeReached]),
    ("integer divide by zero", &[Trap::IntegerDivisionByZero]),
    ("integer overflow", &[Trap::IntegerOverflow]),
    ("invalid conversion to integer", &[Trap::BadConversionToInteger]),
    ("out of bounds memory access", &[Trap::MemoryOutOfBounds]),
    ("out of bounds table access", &[Trap::TableOutOfBounds]),
    ("out of bounds array access", &[Trap::ArrayOutOfBounds]),
    ("out of bounds", &[Trap::MemoryOutOfBounds, Trap::TableOutOfBounds]),
    ("undefined", &[Trap::TableOutOfBounds]),
    ("uninitialized", &[Trap::IndirectCallToNull]),
    ("indirect call", &[Trap::BadSignature]),
    ("null function reference", &[Trap::NullReference, Trap::IndirectCallToNull]),
    ("null", &[Trap::NullReference]),
    ("unaligned atomic", &[Trap::HeapMisaligned]),
    ("expected shared memory", &[Trap::AtomicWaitNonSharedMemory]),
    ("call stack exhausted", &[Trap::StackOverflow]),
    ("cast failure", &[Trap::CastFailure]),
];

/// The kinds of trap that `text` stands for; none for a text that is not known.
pub(super) fn kinds(text: &str) -> &'static [Trap] {
    TEXTS.iter().find(|(start, _)| text.starts_with(start)).map_or(&[], |(_, kinds)| kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_mean_kinds() {
        assert_eq!(kinds("uninitialized element 7"), [Trap::IndirectCallToNull]);
        assert_eq!(kinds("out of bounds table access"), [Trap::TableOutOfBounds]);
        assert!(kinds("a text of nobody's").is_empty());
    }

    #[test]
    fn no_row_is_hidden_by_one_before_it() {
        for (at, (text, _)) in TEXTS.iter().enumerate() {
            assert!(!TEXTS[..at].iter().any(|(before, _)| text.starts_with(before)), "{text}");
        }
    }
}
