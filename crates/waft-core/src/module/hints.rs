//! Branch hints: which way a branch goes nearly always, as the custom section `metadata.code.branch_hint` says.
//!
//! Hints change nothing but speed. A section that breaks a rule of its format (the WebAssembly code metadata
//! specification) is ignored as a whole, and so is a second one: no custom section makes a module invalid. A hint for
//! a place where no `if` or `br_if` stands is never looked up.

use super::Shape;
use crate::index::{DefinedFuncIndex, FuncIndex};
use alloc::vec::Vec;
use core::ops::Range;
use wasmparser::{BinaryReader, BranchHintSectionReader};

/// The name of the custom section.
pub const BRANCH_HINT_SECTION: &str = "metadata.code.branch_hint";

/// What is known of one branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BranchHint {
    /// Where its operator stands, in bytes from the start of the function's body.
    pub offset: u32,
    /// Whether its condition nearly always holds; otherwise it hardly ever does.
    pub likely: bool,
}

/// The hints of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchHints {
    /// Functions with hints, by ascending index, and where in `hints` theirs are.
    funcs: Vec<(FuncIndex, Range<usize>)>,
    /// For each function by ascending offset.
    hints: Vec<BranchHint>,
}

impl BranchHints {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hints.is_empty()
    }

    /// Decodes the contents of a section; `None` if they are malformed, whatever the functions of the module are.
    pub(crate) fn decode(contents: &[u8]) -> Option<Self> {
        let mut this = Self::default();
        let section = BranchHintSectionReader::new(BinaryReader::new(contents, 0)).ok()?;
        let mut section = section.into_iter();
        for func in section.by_ref() {
            let func = func.ok()?;
            let index = FuncIndex::from_u32(func.func);
            if this.funcs.last().is_some_and(|(last, _)| *last >= index) {
                return None;
            }
            let start = this.hints.len();
            for hint in func.hints {
                let hint = hint.ok()?;
                if this.hints[start..].last().is_some_and(|last| last.offset >= hint.func_offset) {
                    return None;
                }
                this.hints.push(BranchHint { offset: hint.func_offset, likely: hint.taken });
            }
            this.funcs.push((index, start..this.hints.len()));
        }
        Some(this)
    }

    /// Whether all of them are for functions that `shape` defines.
    pub(crate) fn fit(&self, shape: &Shape) -> bool {
        let defined = shape.imported_funcs as u32..shape.funcs.len() as u32;
        self.funcs.iter().all(|(func, _)| defined.contains(&func.as_u32()))
    }
}

impl Shape {
    /// The hints for one function, by ascending offset.
    pub fn hints_of(&self, func: DefinedFuncIndex) -> &[BranchHint] {
        let BranchHints { funcs, hints } = &self.branch_hints;
        let func = self.func(func);
        match funcs.binary_search_by_key(&func, |(func, _)| *func) {
            Ok(at) => &hints[funcs[at].1.clone()],
            Err(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each hint with its function.
    fn decode(contents: &[u8]) -> Option<Vec<(u32, BranchHint)>> {
        let BranchHints { funcs, hints } = BranchHints::decode(contents)?;
        let of = |(func, range): &(FuncIndex, Range<usize>)| {
            let func = func.as_u32();
            hints[range.clone()].iter().map(|hint| (func, *hint)).collect::<Vec<_>>()
        };
        Some(funcs.iter().flat_map(of).collect())
    }

    #[test]
    fn hints_are_decoded_by_function() {
        assert_eq!(decode(&[0]), Some(Vec::new()));
        let hint = |offset, likely| BranchHint { offset, likely };
        let expected = [(1, hint(5, false)), (1, hint(9, true)), (3, hint(4, true))];
        assert_eq!(decode(&[2, 1, 2, 5, 1, 0, 9, 1, 1, 3, 1, 4, 1, 1]), Some(expected.to_vec()));
    }

    #[test]
    fn what_breaks_a_rule_is_no_hint() {
        let rows: &[(&[u8], &str)] = &[
            (&[], "no count"),
            (&[1], "no function"),
            (&[1, 0, 1, 5, 1], "no value"),
            (&[1, 0, 1, 5, 2, 0, 0], "a value of two bytes"),
            (&[1, 0, 1, 5, 1, 2], "neither likely nor unlikely"),
            (&[1, 0, 2, 5, 1, 0, 5, 1, 0], "an offset twice"),
            (&[1, 0, 2, 5, 1, 0, 4, 1, 0], "descending offsets"),
            (&[2, 1, 0, 1, 0], "a function twice"),
            (&[2, 1, 0, 0, 0], "descending functions"),
            (&[1, 0, 1, 5, 1, 0, 0], "bytes that are left over"),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], "a count of all there could be"),
        ];
        for (contents, what) in rows {
            assert_eq!(decode(contents), None, "{what}");
        }
    }
}
