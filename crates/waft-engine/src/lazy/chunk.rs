//! What is known about the functions in a chunk of code, while more are added.
//!
//! Signal handlers look here, at faults of guest code: nothing on the way locks, allocates or panics.

use super::Made;
use crate::append::AppendList;
use crate::code::{CodeOrigin, CodeTables, TablesBuilder, search};
use waft_core::tier::{CompiledFunc, Reloc};
use waft_core::trap::TrapCode;

/// A function in a chunk.
pub(crate) struct FuncCode {
    /// Where it starts, from the start of the chunk.
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) made: Made,
    /// Its calls to code that stays where it is.
    pub(super) relocs: Box<[Reloc]>,
    /// What is known about it, by offsets from its start.
    pub(super) tables: CodeTables,
}

impl FuncCode {
    pub(super) fn new(start: u32, compiled: &CompiledFunc, made: Made) -> Self {
        let mut tables = TablesBuilder::default();
        tables.add(0, compiled);
        let len = compiled.code.len() as u32;
        let relocs = compiled.relocs.clone().into();
        Self { start, len, made, relocs, tables: tables.finish_packed() }
    }
}

/// The functions of a chunk, by ascending start: a chunk is filled from its start.
#[derive(Default)]
pub(crate) struct ChunkFuncs(AppendList<FuncCode>);

impl ChunkFuncs {
    /// Adds a function, after all that are there.
    pub(super) fn push(&self, func: FuncCode) {
        self.0.push(func);
    }

    /// The functions that are there now.
    pub(super) fn iter(&self) -> impl Iterator<Item = &FuncCode> {
        self.0.iter()
    }

    /// The function that holds the code at `offset`.
    pub(super) fn find(&self, offset: u32) -> Option<&FuncCode> {
        let at = search(self.0.len(), |at| Some(self.0.get(at)?.start), offset)?;
        self.0.get(at).filter(|func| offset - func.start < func.len)
    }

    /// Why the instruction at `offset` traps, if it may.
    pub(crate) fn trap_code(&self, offset: u32) -> Option<TrapCode> {
        let func = self.find(offset)?;
        func.tables.trap_code(offset - func.start)
    }

    /// How many functions the code at `offset` comes from.
    pub(crate) fn frames(&self, offset: u32) -> usize {
        self.find(offset).map_or(0, |func| func.tables.frames(offset - func.start))
    }

    /// Where the code at `offset` comes from, the innermost function first.
    pub(crate) fn origins(&self, offset: u32) -> impl Iterator<Item = CodeOrigin> + '_ {
        let origins = self.find(offset).map(|func| func.tables.origins(offset - func.start, func.made.func));
        origins.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::CompileReason;
    use std::time::{Duration, Instant};
    use waft_core::index::{DefinedFuncIndex, TypedIndex};
    use waft_core::tier::{CodePosition, Entry, TrapSite};

    #[test]
    fn functions_are_found_by_any_of_their_bytes() {
        let funcs = ChunkFuncs::default();
        for (start, func) in [(0, 5), (64, 2)] {
            let compiled = CompiledFunc {
                code: vec![0; 33],
                traps: vec![TrapSite { offset: 3, code: TrapCode::UnreachableCodeReached }],
                positions: vec![CodePosition { code: 1, wasm: 100 * func }],
                ..CompiledFunc::default()
            };
            let made = Made {
                func: DefinedFuncIndex::new(func as usize),
                entry: Entry::Start,
                reason: CompileReason::FirstCall,
                tier: "test",
                begun: Instant::now(),
                took: Duration::ZERO,
            };
            funcs.push(FuncCode::new(start, &compiled, made));
        }
        let origin = |offset| funcs.origins(offset).next().map(|it| (it.func.index(), it.module_offset));
        let wanted = [
            (0, Some((5, None))),
            (1, Some((5, Some(500)))),
            (32, Some((5, Some(500)))),
            (33, None),
            (63, None),
            (64, Some((2, None))),
            (96, Some((2, Some(200)))),
            (97, None),
        ];
        for (offset, found) in wanted {
            assert_eq!(origin(offset), found, "{offset}");
        }
        assert_eq!(
            [2, 3, 35, 66, 67].map(|at| funcs.trap_code(at).is_some()),
            [false, true, false, false, true]
        );
    }
}
