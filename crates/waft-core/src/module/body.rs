//! Bodies of functions: whether they are valid, and within the limits that are ours.

use super::DecodeError;
use crate::limits::TRY_DEPTH_MAX;
use alloc::vec::Vec;
use wasmparser::{FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, ValidatorResources};

/// The opcodes that open scopes in which exceptions are caught.
const TRY_TABLE: u8 = 0x1f;
const TRY: u8 = 0x06;

/// A body still to be validated.
pub struct BodyToValidate<'a> {
    func: FuncToValidate<ValidatorResources>,
    body: FunctionBody<'a>,
}

impl<'a> BodyToValidate<'a> {
    pub(super) fn new(func: FuncToValidate<ValidatorResources>, body: FunctionBody<'a>) -> Self {
        Self { func, body }
    }
    /// How many bytes the body has: the work that it is.
    pub fn len(&self) -> usize {
        self.body.as_bytes().len()
    }
    /// Whether it has no bytes, which no valid body has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Validates bodies one after the other, keeping its allocations between them.
#[derive(Default)]
pub struct BodyValidator(FuncValidatorAllocations);

impl BodyValidator {
    /// Validates one body.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks or the limit that it exceeds, and where.
    pub fn validate(&mut self, body: BodyToValidate<'_>) -> Result<(), DecodeError> {
        let (index, features) = (body.func.index, body.func.features);
        let mut validator = body.func.into_validator(core::mem::take(&mut self.0));
        let outcome = validator.validate(&body.body);
        self.0 = validator.into_allocations();
        outcome?;
        let opening = if features.legacy_exceptions() { [TRY_TABLE, TRY] } else { [TRY_TABLE; 2] };
        if may_nest_too_deep(body.body.as_bytes(), opening) {
            check_nesting(index, &body.body)
        } else {
            Ok(())
        }
    }
}

/// Whether a body has so many bytes which could open a scope that it needs a closer look. Hardly any does.
fn may_nest_too_deep(body: &[u8], opening: [u8; 2]) -> bool {
    // A scope has an `end`, too.
    if body.len() < 2 * TRY_DEPTH_MAX {
        return false;
    }
    // Sums of bytes: the machine adds many at once.
    let [a, b] = opening;
    let in_piece = |piece: &[u8]| piece.iter().map(|byte| u8::from(*byte == a || *byte == b)).sum::<u8>();
    body.chunks(u8::MAX.into()).map(|piece| usize::from(in_piece(piece))).sum::<usize>() > TRY_DEPTH_MAX
}

/// Checks how deep scopes that catch exceptions are nested in a body that is valid.
fn check_nesting(index: u32, body: &FunctionBody<'_>) -> Result<(), DecodeError> {
    // For each open block, whether it is such a scope. Clauses of `try` are in it no longer.
    let mut blocks: Vec<bool> = Vec::new();
    let mut depth = 0;
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let at = operators.original_position();
        match operators.read()? {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => blocks.push(false),
            Operator::TryTable { .. } | Operator::Try { .. } => {
                blocks.push(true);
                depth += 1;
                if depth > TRY_DEPTH_MAX {
                    let message = alloc::format!(
                        "function {index}: more than {TRY_DEPTH_MAX} scopes that catch exceptions, one in another"
                    );
                    return Err(DecodeError::new(message, at));
                }
            }
            Operator::Catch { .. } | Operator::CatchAll => {
                if let Some(is_scope) = blocks.last_mut() {
                    depth -= usize::from(core::mem::take(is_scope));
                }
            }
            Operator::End | Operator::Delegate { .. } => {
                depth -= usize::from(blocks.pop().unwrap_or(false));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::decode;
    use crate::proposal::ProposalSet;

    /// Validates a module with an empty function and one with these operators.
    fn validate(operators: &[u8]) -> Result<(), DecodeError> {
        let leb = |number: usize| {
            [(number & 0x7f | 0x80) as u8, (number >> 7 & 0x7f | 0x80) as u8, (number >> 14) as u8]
        };
        let body = [&[0][..], operators, &[0x0b]].concat();
        let code = [&[2, 2, 0, 0x0b][..], &leb(body.len()), &body].concat();
        let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x03\x02\0\0\x0a".to_vec();
        module.extend(leb(code.len()));
        module.extend(code);
        let mut validator = BodyValidator::default();
        decode(&module, ProposalSet::all())?.bodies.into_iter().try_for_each(|body| validator.validate(body))
    }

    #[test]
    fn scopes_are_nested_no_deeper_than_the_limit() {
        const TRY_TABLE: &[u8] = &[super::TRY_TABLE, 0x40, 0];
        const TRY: &[u8] = &[super::TRY, 0x40];
        const END: &[u8] = &[0x0b];
        const CATCH_ALL: &[u8] = &[0x19];
        // What begins each of so many blocks, one in another, and what ends it.
        let rows: [(&[u8], &[u8], usize, bool); 9] = [
            (TRY_TABLE, END, TRY_DEPTH_MAX, true),
            (TRY_TABLE, END, TRY_DEPTH_MAX + 1, false),
            (TRY, END, TRY_DEPTH_MAX, true),
            (TRY, END, TRY_DEPTH_MAX + 1, false),
            (TRY, &[0x18, 0], TRY_DEPTH_MAX + 1, false),
            // A clause is not in the scope, and blocks are none.
            (&[TRY, CATCH_ALL].concat(), END, TRY_DEPTH_MAX + 1, true),
            (&[0x02, 0x40, 0x02, 0x40], &[0x0b, 0x0b], 10 * TRY_DEPTH_MAX, true),
            // Side by side.
            (&[TRY_TABLE, END, TRY, CATCH_ALL, END].concat(), &[], 10 * TRY_DEPTH_MAX, true),
            // No operators, but bytes like them.
            (&[0x41, 0x1f, 0x1a, 0x41, 0x06, 0x1a], &[], 10 * TRY_DEPTH_MAX, true),
        ];
        for (begin, end, count, fits) in rows {
            let outcome = validate(&[begin.repeat(count), end.repeat(count)].concat());
            assert_eq!(outcome.is_ok(), fits, "{count} times {begin:x?}: {outcome:?}");
            if let Err(error) = outcome {
                let message = "function 1: more than 1000 scopes that catch exceptions, one in another";
                assert_eq!(error.message(), message);
                assert!(error.offset() > TRY_DEPTH_MAX * begin.len(), "{error}");
            }
        }
    }
}
