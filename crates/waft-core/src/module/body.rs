//! Bodies of functions: whether they are valid, and within the limits that are ours.

use super::plain::{self, PlainAllocations, PlainModule};
use super::{DecodeError, Shape};
use crate::index::{DefinedFuncIndex, FuncIndex, IndexVec};
use crate::limits::TRY_DEPTH_MAX;
use crate::opcode::{TRY, TRY_TABLE};
use crate::proposal::ProposalSet;
use alloc::vec::Vec;
use core::ops::Range;
use wasmparser::{
    BinaryReader, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, ValidatorResources,
    WasmFeatures,
};

/// What the validity of a module's bodies depends on, for all threads that validate them.
pub struct BodyRules {
    plain: Option<PlainModule>,
    /// Nothing for a module without bodies.
    general: Option<ValidatorResources>,
    features: WasmFeatures,
}

impl BodyRules {
    pub(super) fn new(shape: &Shape, proposals: ProposalSet, general: Option<ValidatorResources>) -> Self {
        Self { plain: PlainModule::new(shape, proposals), general, features: proposals.features() }
    }

    /// A validator of the bodies of the module that has this shape, as [`Decoded::body_validator`](super::Decoded::body_validator).
    pub fn validator<'a>(&'a self, shape: &'a Shape) -> BodyValidator<'a> {
        BodyValidator::new(self, shape)
    }
}

/// The body of a function: locals and operators.
#[derive(Clone, Copy, Debug)]
pub struct FuncBody<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Where they start in the module.
    pub start: usize,
}

/// What has the bodies of a module's functions.
pub trait Bodies {
    /// How many bytes the body of a function has, which the module defines; none if it cannot be told.
    fn size(&self, func: DefinedFuncIndex) -> Option<usize>;

    /// The body of a function, if it can be had and is valid.
    fn body(&self, func: DefinedFuncIndex) -> Option<FuncBody<'_>>;
}

/// The bodies of a module that is in memory, by where they are in it. Compilers take them to be valid.
#[derive(Clone, Copy)]
pub struct ModuleBodies<'a> {
    /// The module.
    pub wasm: &'a [u8],
    /// Where they are.
    pub ranges: &'a IndexVec<DefinedFuncIndex, Range<usize>>,
}

impl<'a> ModuleBodies<'a> {
    /// Those of a module that has this shape.
    pub fn new(shape: &'a Shape, wasm: &'a [u8]) -> Self {
        Self { wasm, ranges: &shape.bodies }
    }

    /// The body of a function.
    ///
    /// # Panics
    ///
    /// If the module does not define the function.
    pub fn of(&self, func: DefinedFuncIndex) -> FuncBody<'a> {
        let range = self.ranges[func].clone();
        FuncBody { start: range.start, bytes: &self.wasm[range] }
    }
}

impl Bodies for ModuleBodies<'_> {
    fn size(&self, func: DefinedFuncIndex) -> Option<usize> {
        Some(self.ranges[func].len())
    }

    fn body(&self, func: DefinedFuncIndex) -> Option<FuncBody<'_>> {
        Some(self.of(func))
    }
}

/// Validates bodies of one module one after the other, keeping its allocations between them.
pub struct BodyValidator<'a> {
    rules: &'a BodyRules,
    shape: &'a Shape,
    /// What plain bodies are validated by first; nothing if all are validated in one way.
    plain: Option<&'a PlainModule>,
    plain_count: usize,
    plain_room: PlainAllocations,
    general_room: FuncValidatorAllocations,
}

impl<'a> BodyValidator<'a> {
    pub(super) fn new(rules: &'a BodyRules, shape: &'a Shape) -> Self {
        Self {
            rules,
            shape,
            plain: rules.plain.as_ref(),
            plain_count: 0,
            plain_room: PlainAllocations::default(),
            general_room: FuncValidatorAllocations::default(),
        }
    }

    /// The same, which validates every body in the one way that knows all of WebAssembly: to compare outcomes with.
    #[must_use]
    pub fn general(self) -> Self {
        Self { plain: None, ..self }
    }

    /// How many bodies were plain, and valid.
    pub fn plain_count(&self) -> usize {
        self.plain_count
    }

    /// Validates the body of a function.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks or the limit that it exceeds, and where.
    ///
    /// # Panics
    ///
    /// If the module does not define the function.
    pub fn validate(&mut self, func: DefinedFuncIndex, body: FuncBody<'_>) -> Result<(), DecodeError> {
        let (bytes, at) = (body.bytes, body.start as u64);
        let func = self.shape.func(func);
        if self.plain.is_some_and(|module| plain::is_valid(module, func, bytes, &mut self.plain_room)) {
            self.plain_count += 1;
            return Ok(());
        }
        let BodyRules { general, features, .. } = self.rules;
        let validator = FuncToValidate {
            resources: general.clone().expect("a module with bodies has what validates them"),
            index: func.as_u32(),
            ty: self.shape.funcs[func].ty.as_u32(),
            features: *features,
        };
        let body = FunctionBody::new(BinaryReader::new_features(bytes, at, *features));
        let mut validator = validator.into_validator(core::mem::take(&mut self.general_room));
        let outcome = validator.validate(&body);
        self.general_room = validator.into_allocations();
        outcome?;
        let opening = if features.legacy_exceptions() { [TRY_TABLE, TRY] } else { [TRY_TABLE; 2] };
        if may_nest_too_deep(bytes, opening) { check_nesting(func, &body) } else { Ok(()) }
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
fn check_nesting(func: FuncIndex, body: &FunctionBody<'_>) -> Result<(), DecodeError> {
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
                        "function {}: more than {TRY_DEPTH_MAX} scopes that catch exceptions, one in another",
                        func.as_u32()
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
    use crate::module::decode_validated;
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
        decode_validated(&module, ProposalSet::all()).map(drop)
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
