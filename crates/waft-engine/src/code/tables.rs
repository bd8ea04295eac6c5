//! What is known about machine code, as arrays of numbers.
//!
//! # Invariants
//!
//! * The tables are sorted by code offset. Looking something up in them neither allocates, locks nor panics.

use crate::artifact::Section;
use std::collections::HashMap;
use std::ops::Range;
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::tier::{
    CodePosition, CompiledFunc, ExceptionHandler, InlinedCall, InlinedCode, Reloc, StackMap, TrapSite,
};
use waft_core::trap::TrapCode;

/// Bytes of an entry in the table of handlers.
const HANDLER_BYTES: usize = 12;
/// Bytes of a call in the table of those whose callees' bodies are part of the code.
const INLINED_CALL_BYTES: usize = 12;

/// How many tables there are.
const TABLES: usize = 6;

/// The tables of a piece of code, each an array of little-endian numbers as artifacts store them.
pub(crate) struct CodeTables {
    /// `u32` start and `u32` length of each function.
    pub(crate) funcs: Section,
    /// `u32` offset of each instruction that may trap, then as many `u8` codes.
    pub(crate) traps: Section,
    /// `u32` code offset and `u32` module offset of each piece of code with an origin.
    pub(crate) positions: Section,
    /// `u32` code offset after each call whose exceptions are caught, `u32` code offset of the landing, `u32` bytes of the
    /// frame.
    pub(crate) handlers: Section,
    /// Where references into the GC heap are during calls: `u32` number of maps; of each the `u32` offset of the instruction
    /// after the call and the `u32` place of its slots; then lists of slots, each a `u32` number and as many `i32` offsets from
    /// the frame pointer. All of it counted in words.
    pub(crate) stack_maps: Section,
    /// Calls whose callees' bodies are part of their callers' code: `u32` number of pieces of code; of each the `u32` code
    /// offset, and the `u32` number of the call from 1, or 0; then of each call the `u32` callee, the `u32` number of the call
    /// that it stands in, from 1, or 0, and its `u32` module offset.
    pub(crate) inlined: Section,
}

/// Where a place in the code comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CodeOrigin {
    /// The function.
    pub(crate) func: DefinedFuncIndex,
    /// The operator, in bytes from the start of the module, if it is known.
    pub(crate) module_offset: Option<u32>,
}

impl CodeTables {
    /// The tables of no code.
    pub(crate) fn none() -> Self {
        TablesBuilder::default().finish()
    }

    /// Where a function starts, and its length.
    pub(crate) fn func(&self, at: usize) -> Option<(u32, u32)> {
        pair(self.funcs.bytes(), at)
    }

    /// Why the instruction at `offset` traps, if it may.
    pub(crate) fn trap_code(&self, offset: u32) -> Option<TrapCode> {
        let bytes = self.traps.bytes();
        let count = bytes.len() / 5;
        let (offsets, codes) = bytes.split_at(count * 4);
        let at = search(count, |at| number(offsets, at), offset)?;
        if number(offsets, at)? != offset {
            return None;
        }
        TrapCode::from_u8(*codes.get(at)?)
    }

    /// What catches the exceptions of the call before `offset`.
    pub(crate) fn handler(&self, offset: u32) -> Option<ExceptionHandler> {
        let count = self.handlers.bytes().len() / HANDLER_BYTES;
        let at = search(count, |at| Some(self.handler_at(at)?.offset), offset)?;
        self.handler_at(at).filter(|handler| handler.offset == offset)
    }

    /// Where the code at `offset` comes from: the function whose code it is, and before it the callees, innermost first, whose
    /// bodies are part of it. The function that the tables know first is `first`.
    pub(crate) fn origins(
        &self,
        offset: u32,
        first: DefinedFuncIndex,
    ) -> impl Iterator<Item = CodeOrigin> + '_ {
        let found = self.func_at(offset);
        let (func, start) = found.unwrap_or_default();
        let positions = self.positions.bytes();
        let position = search(positions.len() / 8, |at| Some(pair(positions, at)?.0), offset)
            .and_then(|at| pair(positions, at))
            .filter(|(code, wasm)| *code >= start && *wasm != u32::MAX);
        let mut module_offset = position.map(|(_, wasm)| wasm);
        let mut inner = found.and_then(|_| self.inlined_at(start, offset));
        let mut outer = found.map(|_| DefinedFuncIndex::new(first.index() + func));
        std::iter::from_fn(move || {
            let Some((number, call)) = inner else {
                return Some(CodeOrigin { func: outer.take()?, module_offset });
            };
            let origin = CodeOrigin { func: call.func, module_offset };
            module_offset = Some(call.wasm);
            // Callers come first: whatever the table holds, this ends.
            inner = call
                .caller
                .filter(|caller| *caller < number)
                .and_then(|at| Some((at, self.inlined_call(at)?)));
            Some(origin)
        })
    }

    /// The number of the function whose code holds `offset`, and where the code starts.
    fn func_at(&self, offset: u32) -> Option<(usize, u32)> {
        let funcs = self.funcs.bytes().len() / 8;
        let func = search(funcs, |at| Some(self.func(at)?.0), offset)?;
        let (start, len) = self.func(func)?;
        (offset - start < len).then_some((func, start))
    }

    /// The innermost call that the code at `offset`, of a function that starts at `start`, stands in the place of.
    fn inlined_at(&self, start: u32, offset: u32) -> Option<(u32, InlinedCall)> {
        let bytes = self.inlined.bytes();
        let pieces = number(bytes, 0)? as usize;
        let at = search(pieces, |at| number(bytes, at * 2 + 1), offset)?;
        let (code, call) = (number(bytes, at * 2 + 1)?, number(bytes, at * 2 + 2)?);
        let call = call.checked_sub(1).filter(|_| code >= start)?;
        Some((call, self.inlined_call(call)?))
    }

    fn inlined_call(&self, at: u32) -> Option<InlinedCall> {
        let bytes = self.inlined.bytes();
        let first = number(bytes, 0)? as usize * 2 + 1 + at as usize * 3;
        let [func, caller, wasm] = [0, 1, 2].map(|field| number(bytes, first + field));
        Some(InlinedCall {
            func: DefinedFuncIndex::from_u32(func?),
            caller: caller?.checked_sub(1),
            wasm: wasm?,
        })
    }

    /// A function whose code starts at `start`, as it was when it was compiled, with these relocations.
    pub(crate) fn extract(&self, start: u32, code: &[u8], relocs: Vec<Reloc>) -> CompiledFunc {
        let inside = start..start + code.len() as u32;
        // A call may be the last instruction.
        let after_calls = start + 1..inside.end + 1;
        let bytes = self.traps.bytes();
        let count = bytes.len() / 5;
        let (offsets, codes) = bytes.split_at(count * 4);
        let traps = between(count, |at| number(offsets, at), &inside);
        let trap = |at| {
            let (offset, code) = (number(offsets, at)? - start, TrapCode::from_u8(*codes.get(at)?)?);
            Some(TrapSite { offset, code })
        };
        let bytes = self.positions.bytes();
        let positions = between(bytes.len() / 8, |at| Some(pair(bytes, at)?.0), &inside);
        let position = |at| {
            let (code, wasm) = pair(bytes, at)?;
            Some(CodePosition { code: code - start, wasm })
        };
        let count = self.handlers.bytes().len() / HANDLER_BYTES;
        let handlers = between(count, |at| Some(self.handler_at(at)?.offset), &after_calls);
        let handler = |at| {
            let ExceptionHandler { offset, landing, frame_bytes } = self.handler_at(at)?;
            Some(ExceptionHandler { offset: offset - start, landing: landing - start, frame_bytes })
        };
        let maps = self.stack_maps.bytes();
        let offset_of = |at| number(maps, at * 2 + 1);
        let stack_maps = between(number(maps, 0).unwrap_or(0) as usize, offset_of, &after_calls);
        let stack_map = |at| {
            let offset = offset_of(at)?;
            Some(StackMap { offset: offset - start, slots: self.slots(offset).collect() })
        };
        let (inlined_code, inlined_calls) = self.extract_inlined(&inside);
        CompiledFunc {
            code: code.to_vec(),
            // Code was aligned as all functions are, which is enough for what it refers to.
            align: 1,
            relocs,
            traps: all(traps, trap),
            positions: all(positions, position),
            inlined_calls,
            inlined_code,
            stack_maps: all(stack_maps, stack_map),
            handlers: all(handlers, handler),
        }
    }

    /// The calls in place of a function whose code is `inside`.
    fn extract_inlined(&self, inside: &Range<u32>) -> (Vec<InlinedCode>, Vec<InlinedCall>) {
        let bytes = self.inlined.bytes();
        let count = number(bytes, 0).unwrap_or(0) as usize;
        let piece = |at| Some((number(bytes, at * 2 + 1)?, number(bytes, at * 2 + 2)?.checked_sub(1)));
        let pieces = between(count, |at| Some(piece(at)?.0), inside);
        let pieces: Vec<_> = pieces.filter_map(piece).collect();
        // A function's calls follow one another; the first ones may have no code but that of calls in them.
        let (mut first, mut end) = (u32::MAX, 0);
        for call in pieces.iter().filter_map(|(_, call)| *call) {
            end = end.max(call + 1);
            let mut outermost = call;
            while let Some(caller) = self.inlined_call(outermost).and_then(|call| call.caller)
                && caller < outermost
            {
                outermost = caller;
            }
            first = first.min(outermost);
        }
        let calls = (first..end).filter_map(|at| {
            let call = self.inlined_call(at)?;
            Some(InlinedCall { caller: call.caller.and_then(|caller| caller.checked_sub(first)), ..call })
        });
        let calls: Vec<_> = calls.collect();
        let local = |call: Option<u32>| call.and_then(|call| call.checked_sub(first));
        let code =
            |(code, call): (u32, Option<u32>)| InlinedCode { code: code - inside.start, call: local(call) };
        (pieces.into_iter().map(code).collect(), calls)
    }

    fn handler_at(&self, at: usize) -> Option<ExceptionHandler> {
        let [offset, landing, frame_bytes] =
            [0, 1, 2].map(|field| number(self.handlers.bytes(), at * 3 + field));
        Some(ExceptionHandler { offset: offset?, landing: landing?, frame_bytes: frame_bytes? })
    }

    /// The slots with references of the frame that a call returns to at `offset`, from its frame pointer.
    pub(crate) fn slots(&self, offset: u32) -> impl Iterator<Item = i32> + '_ {
        let bytes = self.stack_maps.bytes();
        let count = number(bytes, 0).unwrap_or(0) as usize;
        let found = search(count, |at| number(bytes, at * 2 + 1), offset);
        let list = found
            .filter(|at| number(bytes, at * 2 + 1) == Some(offset))
            .and_then(|at| number(bytes, at * 2 + 2));
        let first = list.map_or(0, |list| list as usize);
        let len = list.and_then(|_| number(bytes, first)).unwrap_or(0) as usize;
        (1..=len).map_while(move |at| number(bytes, first + at)).map(u32::cast_signed)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at * 4..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn pair(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    Some((number(bytes, at * 2)?, number(bytes, at * 2 + 1)?))
}

/// The last of `count` ascending keys that is not above `wanted`.
pub(crate) fn search(count: usize, key: impl Fn(usize) -> Option<u32>, wanted: u32) -> Option<usize> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if key(middle)? <= wanted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low.checked_sub(1)
}

/// Where those of `count` ascending keys stand that lie in `wanted`.
pub(crate) fn between(count: usize, key: impl Fn(usize) -> Option<u32>, wanted: &Range<u32>) -> Range<usize> {
    let before =
        |end: u32| end.checked_sub(1).and_then(|last| search(count, &key, last)).map_or(0, |at| at + 1);
    before(wanted.start)..before(wanted.end)
}

/// Collects what stands in these places, in one allocation.
fn all<T>(places: Range<usize>, get: impl FnMut(usize) -> Option<T>) -> Vec<T> {
    let mut items = Vec::with_capacity(places.len());
    items.extend(places.filter_map(get));
    items
}

/// Collects the tables of functions, in the order in which they stand in the code.
#[derive(Default)]
pub(crate) struct TablesBuilder<'f> {
    funcs: Vec<u8>,
    trap_offsets: Vec<u8>,
    trap_codes: Vec<u8>,
    positions: Vec<u8>,
    handlers: Vec<u8>,
    stack_maps: Vec<(u32, &'f [i32])>,
    inlined_code: Vec<u8>,
    inlined_calls: Vec<u8>,
}

impl<'f> TablesBuilder<'f> {
    /// With room for these functions.
    pub(crate) fn for_funcs(funcs: &[&'f CompiledFunc]) -> Self {
        let total = |count: fn(&CompiledFunc) -> usize| funcs.iter().map(|func| count(func)).sum::<usize>();
        Self {
            funcs: Vec::with_capacity(funcs.len() * 8),
            trap_offsets: Vec::with_capacity(total(|func| func.traps.len()) * 5),
            positions: Vec::with_capacity(total(|func| func.positions.len()) * 8),
            ..Self::default()
        }
    }

    /// Adds a function whose code starts at `start`.
    pub(crate) fn add(&mut self, start: u32, func: &'f CompiledFunc) {
        push_pair(&mut self.funcs, start, func.code.len() as u32);
        for trap in &func.traps {
            self.trap_offsets.extend((start + trap.offset).to_le_bytes());
            self.trap_codes.push(trap.code as u8);
        }
        self.stack_maps.extend(func.stack_maps.iter().map(|map| (start + map.offset, &*map.slots)));
        for position in &func.positions {
            push_pair(&mut self.positions, start + position.code, position.wasm);
        }
        let calls_before = (self.inlined_calls.len() / INLINED_CALL_BYTES) as u32;
        let number = |call: Option<u32>| call.map_or(0, |call| calls_before + call + 1);
        for piece in &func.inlined_code {
            push_pair(&mut self.inlined_code, start + piece.code, number(piece.call));
        }
        for call in &func.inlined_calls {
            push_pair(&mut self.inlined_calls, call.func.as_u32(), number(call.caller));
            self.inlined_calls.extend(call.wasm.to_le_bytes());
        }
        for handler in &func.handlers {
            push_pair(&mut self.handlers, start + handler.offset, start + handler.landing);
            self.handlers.extend(handler.frame_bytes.to_le_bytes());
        }
    }

    /// The tables.
    pub(crate) fn finish(self) -> CodeTables {
        CodeTables::of(self.parts().map(Section::from))
    }

    /// The same in one allocation, for tables that are small and many.
    pub(crate) fn finish_packed(self) -> CodeTables {
        CodeTables::of(Section::packed(&self.parts()))
    }

    fn parts(mut self) -> [Vec<u8>; TABLES] {
        self.trap_offsets.extend(self.trap_codes);
        let stack_maps = encode_stack_maps(&self.stack_maps);
        let inlined = encode_inlined(&self.inlined_code, &self.inlined_calls);
        [self.funcs, self.trap_offsets, self.positions, self.handlers, stack_maps, inlined]
    }
}

impl CodeTables {
    fn of([funcs, traps, positions, handlers, stack_maps, inlined]: [Section; TABLES]) -> Self {
        Self { funcs, traps, positions, handlers, stack_maps, inlined }
    }
}

fn encode_inlined(code: &[u8], calls: &[u8]) -> Vec<u8> {
    if code.is_empty() {
        return Vec::new();
    }
    [&((code.len() / 8) as u32).to_le_bytes()[..], code, calls].concat()
}

fn encode_stack_maps(maps: &[(u32, &[i32])]) -> Vec<u8> {
    if maps.is_empty() {
        return Vec::new();
    }
    let mut head = Vec::with_capacity(maps.len() * 8 + 4);
    let mut lists: Vec<u8> = Vec::new();
    let mut known: HashMap<&[i32], u32> = HashMap::new();
    head.extend((maps.len() as u32).to_le_bytes());
    for (offset, slots) in maps {
        let at = *known.entry(slots).or_insert_with(|| {
            let at = (maps.len() * 2 + 1 + lists.len() / 4) as u32;
            lists.extend((slots.len() as u32).to_le_bytes());
            lists.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
            at
        });
        push_pair(&mut head, *offset, at);
    }
    head.extend(lists);
    head
}

fn push_pair(table: &mut Vec<u8>, first: u32, second: u32) {
    table.extend(first.to_le_bytes());
    table.extend(second.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use waft_core::tier::{CodePosition, InlinedCode};

    fn func(numbers: [usize; 3]) -> CompiledFunc {
        let [callee, of_callee, last] = numbers.map(DefinedFuncIndex::new);
        let call = |func, caller, wasm| InlinedCall { func, caller, wasm };
        CompiledFunc {
            code: vec![0; 40],
            positions: [(2, 100), (8, 200), (12, 300), (20, 101), (24, 400)]
                .map(|(code, wasm)| CodePosition { code, wasm })
                .into(),
            inlined_calls: vec![
                call(callee, None, 110),
                call(of_callee, Some(0), 210),
                call(last, None, 120),
            ],
            inlined_code: [(8, Some(0)), (12, Some(1)), (20, None), (24, Some(2))]
                .map(|(code, call)| InlinedCode { code, call })
                .into(),
            ..CompiledFunc::default()
        }
    }

    /// A function, and a place in the module.
    type Origin = (usize, Option<u32>);

    #[test]
    fn code_has_the_origins_of_all_whose_work_it_does() {
        let funcs = [func([5, 6, 7]), func([8, 9, 5])];
        let mut tables = TablesBuilder::default();
        funcs.iter().zip([0, 64]).for_each(|(func, start)| tables.add(start, func));
        let tables = tables.finish();
        let origins = |offset| -> Vec<Origin> {
            let origins = tables.origins(offset, DefinedFuncIndex::new(0));
            origins.map(|origin| (origin.func.index(), origin.module_offset)).collect()
        };
        // Of the callees, innermost first; the second function's follow those of the first, which is still in one at its end.
        for (start, own, [callee, of_callee, last]) in [(0, 0, [5, 6, 7]), (64, 1, [8, 9, 5])] {
            let wanted: [(u32, &[Origin]); 8] = [
                (0, &[(own, None)]),
                (2, &[(own, Some(100))]),
                (8, &[(callee, Some(200)), (own, Some(110))]),
                (11, &[(callee, Some(200)), (own, Some(110))]),
                (12, &[(of_callee, Some(300)), (callee, Some(210)), (own, Some(110))]),
                (20, &[(own, Some(101))]),
                (39, &[(last, Some(400)), (own, Some(120))]),
                (40, &[]),
            ];
            for (offset, wanted) in wanted {
                assert_eq!(origins(start + offset), wanted, "{offset} from {start}");
            }
        }
    }

    #[test]
    fn tables_of_nonsense_are_looked_up_and_nothing_else_happens() {
        let (func, mut tables) = (func([5, 6, 7]), TablesBuilder::default());
        tables.add(0, &func);
        let [funcs, traps, positions, handlers, stack_maps, inlined] = tables.parts();
        for at in 0..inlined.len() {
            for byte in [0, 1, 2, 3, 0x7f, 0xff] {
                let mut inlined = inlined[..inlined.len() - at % 3].to_vec();
                let changed = at.min(inlined.len() - 1);
                inlined[changed] = byte;
                let parts = [
                    funcs.clone(),
                    traps.clone(),
                    positions.clone(),
                    handlers.clone(),
                    stack_maps.clone(),
                    inlined,
                ];
                let tables = CodeTables::of(parts.map(Section::from));
                for offset in 0..40 {
                    assert!((1..=4).contains(&tables.origins(offset, DefinedFuncIndex::new(0)).count()));
                }
            }
        }
    }
}
