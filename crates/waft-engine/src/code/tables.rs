//! What is known about machine code, as arrays of numbers.
//!
//! # Invariants
//!
//! * The tables are sorted by code offset. Looking something up in them neither allocates, locks nor panics.

use crate::artifact::Section;
use std::collections::HashMap;
use std::ops::Range;
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::tier::{CompiledFunc, ExceptionHandler, InlinedCall, InlinedCode};
use waft_core::trap::TrapCode;

/// Bytes of an entry in the table of functions.
const FUNC_BYTES: usize = 8;
/// Bytes of an entry in the table of handlers.
const HANDLER_BYTES: usize = 12;
/// Bytes of a call in the table of those whose callees' bodies are part of the code.
const INLINED_CALL_BYTES: usize = 12;

/// Bytes of most positions.
const POSITION_BYTES: usize = 2;
/// The most positions that a group has: so many are read, at most, to find one.
const GROUP: usize = 64;

/// How many tables there are.
const TABLES: usize = 6;

/// The tables of a piece of code, each an array of little-endian numbers as artifacts store them.
pub(crate) struct CodeTables {
    /// `u32` start and `u32` length of each function.
    pub(crate) funcs: Section,
    /// `u32` offset of each instruction that may trap, then as many `u8` codes.
    pub(crate) traps: Section,
    /// The code offset and the module offset of each piece of code with an origin, in groups that do not go beyond a function: `u32`
    /// number of groups; of each the `u32` code offset and the `u32` place of its positions; then the positions. These are how offsets
    /// differ from the ones before, and the first ones from the group's and from 0, as LEB128: two bytes where fixed numbers take eight.
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

    fn funcs_count(&self) -> usize {
        self.funcs.bytes().len() / FUNC_BYTES
    }

    fn groups_count(&self) -> usize {
        number(self.positions.bytes(), 0).unwrap_or(0) as usize
    }

    /// The code offset of a group of positions.
    fn group_offset(&self, at: usize) -> Option<u32> {
        number(self.positions.bytes(), at * 2 + 1)
    }

    /// The positions of these groups.
    fn positions_in(&self, groups: Range<usize>) -> Option<&[u8]> {
        let (bytes, count) = (self.positions.bytes(), self.groups_count());
        let all = bytes.get((count * 2 + 1) * 4..)?;
        let place = |group: usize| {
            if group < count { Some(number(bytes, group * 2 + 2)? as usize) } else { Some(all.len()) }
        };
        all.get(place(groups.start)?..place(groups.end)?)
    }

    /// The module offset of the last position that is not behind `offset`, in a function that starts at `start`.
    fn position_at(&self, start: u32, offset: u32) -> Option<u32> {
        let group = search(self.groups_count(), |at| self.group_offset(at), offset)?;
        let mut code = self.group_offset(group).filter(|code| *code >= start)?;
        let mut bytes = self.positions_in(group..group + 1)?;
        let (mut wasm, mut found) = (0, None);
        while let (Some(code_by), Some(wasm_by)) = (read_leb128(&mut bytes), read_leb128(&mut bytes)) {
            code = code.wrapping_add(code_by);
            if code > offset {
                break;
            }
            wasm = moved(wasm, wasm_by);
            found = Some(wasm);
        }
        found.filter(|wasm| *wasm != u32::MAX)
    }

    /// Why the instruction at `offset` traps, if it may.
    pub(crate) fn trap_code(&self, offset: u32) -> Option<TrapCode> {
        let (offsets, codes) = self.traps();
        let at = search(codes.len(), |at| number(offsets, at), offset)?;
        if number(offsets, at)? != offset {
            return None;
        }
        TrapCode::from_u8(*codes.get(at)?)
    }

    /// The offsets of instructions that may trap, and the codes.
    fn traps(&self) -> (&[u8], &[u8]) {
        let bytes = self.traps.bytes();
        bytes.split_at(bytes.len() / 5 * 4)
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
        let mut module_offset = found.and_then(|(_, start)| self.position_at(start, offset));
        let calls = found.into_iter().flat_map(move |(_, start)| self.calls_at(start, offset));
        let inner = calls.map(|call| (call.func, Some(call.wasm)));
        let outer = found.map(|(func, _)| (DefinedFuncIndex::new(first.index() + func), None));
        inner.chain(outer).map(move |(func, call)| CodeOrigin {
            func,
            module_offset: std::mem::replace(&mut module_offset, call),
        })
    }

    /// How many functions the code at `offset` comes from.
    pub(crate) fn frames(&self, offset: u32) -> usize {
        self.func_at(offset).map_or(0, |(_, start)| self.calls_at(start, offset).count() + 1)
    }

    /// The number of the function whose code holds `offset`, and where the code starts.
    fn func_at(&self, offset: u32) -> Option<(usize, u32)> {
        let func = search(self.funcs_count(), |at| Some(self.func(at)?.0), offset)?;
        let (start, len) = self.func(func)?;
        (offset - start < len).then_some((func, start))
    }

    /// The calls that the code at `offset`, of a function that starts at `start`, stands in the place of, innermost first.
    fn calls_at(&self, start: u32, offset: u32) -> impl Iterator<Item = InlinedCall> + '_ {
        let calls = std::iter::successors(self.inlined_at(start, offset), |(number, call)| {
            // Callers come first: whatever the table holds, this ends.
            let caller = call.caller.filter(|caller| caller < number)?;
            Some((caller, self.inlined_call(caller)?))
        });
        calls.map(|(_, call)| call)
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

    /// What they say of a function.
    pub(crate) fn part(&self, func: usize) -> Option<TablesPart<'_>> {
        let (start, len) = self.func(func)?;
        let place = start..start.checked_add(len)?;
        // A call may be the last instruction.
        let after_calls = start.checked_add(1)?..place.end.checked_add(1)?;
        let is_only = self.funcs_count() == 1;
        let part = |count: usize, offset: &dyn Fn(usize) -> Option<u32>, wanted: &Range<u32>| {
            if is_only { 0..count } else { between(count, offset, wanted) }
        };
        let (offsets, codes) = self.traps();
        let traps = part(codes.len(), &|at| number(offsets, at), &place);
        let count = self.handlers.bytes().len() / HANDLER_BYTES;
        let handlers = part(count, &|at| Some(self.handler_at(at)?.offset), &after_calls);
        let stack_maps = part(self.stack_maps_count(), &|at| self.stack_map_offset(at), &after_calls);
        let groups = part(self.groups_count(), &|at| self.group_offset(at), &place);
        Some(TablesPart { tables: self, place, traps, groups, handlers, stack_maps })
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

    fn stack_maps_count(&self) -> usize {
        number(self.stack_maps.bytes(), 0).unwrap_or(0) as usize
    }

    fn stack_map_offset(&self, at: usize) -> Option<u32> {
        number(self.stack_maps.bytes(), at * 2 + 1)
    }

    /// The list of a stack map's slots: `i32` each.
    fn slots_at(&self, at: usize) -> Option<&[u8]> {
        let bytes = self.stack_maps.bytes();
        let first = number(bytes, at * 2 + 2)? as usize;
        bytes.get((first + 1) * 4..)?.get(..number(bytes, first)? as usize * 4)
    }

    /// The slots with references of the frame that a call returns to at `offset`, from its frame pointer.
    pub(crate) fn slots(&self, offset: u32) -> impl Iterator<Item = i32> + '_ {
        let found = search(self.stack_maps_count(), |at| self.stack_map_offset(at), offset);
        let found = found.filter(|at| self.stack_map_offset(*at) == Some(offset));
        let slots = found.and_then(|at| self.slots_at(at)).unwrap_or_default();
        slots.as_chunks().0.iter().map(|slot| i32::from_le_bytes(*slot))
    }
}

/// What tables say of one function: where its entries are in each.
pub(crate) struct TablesPart<'t> {
    tables: &'t CodeTables,
    place: Range<u32>,
    traps: Range<usize>,
    /// Of positions.
    groups: Range<usize>,
    handlers: Range<usize>,
    stack_maps: Range<usize>,
}

impl TablesPart<'_> {
    /// How many traps and positions there are; about.
    pub(crate) fn entries(&self) -> (usize, usize) {
        (self.traps.len(), self.groups.len() * GROUP)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at * 4..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The pair of this number in a table of pairs.
pub(crate) fn pair(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    Some((number(bytes, at * 2)?, number(bytes, at * 2 + 1)?))
}

/// Reads a number below 2^32 and what it takes; nothing at the end, or where there is no such number.
fn read_leb128(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..u32::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn push_leb128(table: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        table.push(number as u8 | 0x80);
        number >>= 7;
    }
    table.push(number as u8);
}

/// From one number to another, as a number that is small where they are close, up or down.
fn difference(from: u32, to: u32) -> u32 {
    let by = to.wrapping_sub(from).cast_signed();
    (by << 1 ^ by >> 31).cast_unsigned()
}

/// The number that is so far from another.
fn moved(from: u32, difference: u32) -> u32 {
    from.wrapping_add(difference >> 1 ^ (difference & 1).wrapping_neg())
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

/// Collects the tables of functions, in the order in which they stand in the code.
#[derive(Default)]
pub(crate) struct TablesBuilder {
    funcs: Vec<u8>,
    trap_offsets: Vec<u8>,
    trap_codes: Vec<u8>,
    groups: Vec<u8>,
    positions: Vec<u8>,
    handlers: Vec<u8>,
    /// Offsets, and where in `slots` their lists are.
    stack_maps: Vec<(u32, Range<usize>)>,
    slots: Vec<u8>,
    inlined_code: Vec<u8>,
    inlined_calls: Vec<u8>,
}

impl TablesBuilder {
    /// With room for so many functions, traps and positions.
    pub(crate) fn with_room(funcs: usize, traps: usize, positions: usize) -> Self {
        Self {
            funcs: Vec::with_capacity(funcs * FUNC_BYTES),
            trap_offsets: Vec::with_capacity(traps * 5),
            trap_codes: Vec::with_capacity(traps),
            positions: Vec::with_capacity(positions * POSITION_BYTES),
            ..Self::default()
        }
    }

    /// Adds a function whose code starts at `start`.
    pub(crate) fn add(&mut self, start: u32, func: &CompiledFunc) {
        push_pair(&mut self.funcs, start, func.code.len() as u32);
        for trap in &func.traps {
            self.trap_offsets.extend((start + trap.offset).to_le_bytes());
            self.trap_codes.push(trap.code as u8);
        }
        for group in func.positions.chunks(GROUP) {
            let (mut code, mut wasm) = (group[0].code, 0);
            self.add_group(start + code);
            for position in group {
                push_leb128(&mut self.positions, position.code - code);
                push_leb128(&mut self.positions, difference(wasm, position.wasm));
                (code, wasm) = (position.code, position.wasm);
            }
        }
        for handler in &func.handlers {
            push_pair(&mut self.handlers, start + handler.offset, start + handler.landing);
            self.handlers.extend(handler.frame_bytes.to_le_bytes());
        }
        for map in &func.stack_maps {
            let first = self.slots.len();
            self.slots.extend(map.slots.iter().flat_map(|slot| slot.to_le_bytes()));
            self.stack_maps.push((start + map.offset, first..self.slots.len()));
        }
        self.add_inlined(start, &func.inlined_code, &func.inlined_calls);
    }

    /// Adds a function that has no code, and would start at `start`.
    pub(crate) fn add_nothing(&mut self, start: u32) {
        push_pair(&mut self.funcs, start, 0);
    }

    /// Adds a function whose code is to start at `start`, of which other tables know.
    pub(crate) fn copy(&mut self, start: u32, part: &TablesPart<'_>) {
        let TablesPart { tables, place, traps, groups, handlers, stack_maps } = part;
        let by = start.wrapping_sub(place.start);
        push_pair(&mut self.funcs, start, place.end - place.start);
        let (offsets, codes) = tables.traps();
        push_moved::<4>(&mut self.trap_offsets, offsets, traps, 1, by);
        self.trap_codes.extend(codes.get(traps.clone()).unwrap_or_default());
        for group in groups.clone() {
            if let (Some(offset), Some(positions)) =
                (tables.group_offset(group), tables.positions_in(group..group + 1))
            {
                self.add_group(offset.wrapping_add(by));
                self.positions.extend_from_slice(positions);
            }
        }
        push_moved::<HANDLER_BYTES>(&mut self.handlers, tables.handlers.bytes(), handlers, 2, by);
        for at in stack_maps.clone() {
            let (Some(offset), Some(slots)) = (tables.stack_map_offset(at), tables.slots_at(at)) else {
                continue;
            };
            let first = self.slots.len();
            self.slots.extend_from_slice(slots);
            self.stack_maps.push((offset.wrapping_add(by), first..self.slots.len()));
        }
        let (code, calls) = tables.extract_inlined(place);
        self.add_inlined(start, &code, &calls);
    }

    fn add_group(&mut self, offset: u32) {
        push_pair(&mut self.groups, offset, self.positions.len() as u32);
    }

    fn add_inlined(&mut self, start: u32, code: &[InlinedCode], calls: &[InlinedCall]) {
        let calls_before = (self.inlined_calls.len() / INLINED_CALL_BYTES) as u32;
        let number = |call: Option<u32>| call.map_or(0, |call| calls_before + call + 1);
        for piece in code {
            push_pair(&mut self.inlined_code, start + piece.code, number(piece.call));
        }
        for call in calls {
            push_pair(&mut self.inlined_calls, call.func.as_u32(), number(call.caller));
            self.inlined_calls.extend(call.wasm.to_le_bytes());
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
        let stack_maps = encode_stack_maps(&self.stack_maps, &self.slots);
        let inlined = encode_listed(&self.inlined_code, &self.inlined_calls);
        let positions = encode_listed(&self.groups, &self.positions);
        [self.funcs, self.trap_offsets, positions, self.handlers, stack_maps, inlined]
    }
}

impl CodeTables {
    /// Whether they say the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.sections().iter().zip(other.sections()).all(|(one, other)| one.bytes() == other.bytes())
    }

    fn sections(&self) -> [&Section; TABLES] {
        let Self { funcs, traps, positions, handlers, stack_maps, inlined } = self;
        [funcs, traps, positions, handlers, stack_maps, inlined]
    }

    fn of([funcs, traps, positions, handlers, stack_maps, inlined]: [Section; TABLES]) -> Self {
        Self { funcs, traps, positions, handlers, stack_maps, inlined }
    }
}

/// The number of pairs, the pairs, and what they refer to; nothing, if there are none.
fn encode_listed(pairs: &[u8], referred: &[u8]) -> Vec<u8> {
    if pairs.is_empty() {
        return Vec::new();
    }
    [&((pairs.len() / 8) as u32).to_le_bytes()[..], pairs, referred].concat()
}

fn encode_stack_maps(maps: &[(u32, Range<usize>)], slots: &[u8]) -> Vec<u8> {
    if maps.is_empty() {
        return Vec::new();
    }
    let mut head = Vec::with_capacity(maps.len() * 8 + 4);
    let mut lists: Vec<u8> = Vec::new();
    let mut known: HashMap<&[u8], u32> = HashMap::new();
    head.extend((maps.len() as u32).to_le_bytes());
    for (offset, list) in maps {
        let list = &slots[list.clone()];
        let at = *known.entry(list).or_insert_with(|| {
            let at = (maps.len() * 2 + 1 + lists.len() / 4) as u32;
            lists.extend((list.len() as u32 / 4).to_le_bytes());
            lists.extend(list);
            at
        });
        push_pair(&mut head, *offset, at);
    }
    head.extend(lists);
    head
}

/// Appends a pair to a table of pairs.
pub(crate) fn push_pair(table: &mut Vec<u8>, first: u32, second: u32) {
    table.extend(first.to_le_bytes());
    table.extend(second.to_le_bytes());
}

/// Appends the entries at `wanted` of a table whose entries have `BYTES` bytes, and first so many offsets in the code: these become larger
/// `by` so many bytes.
fn push_moved<const BYTES: usize>(
    table: &mut Vec<u8>,
    entries: &[u8],
    wanted: &Range<usize>,
    offsets: usize,
    by: u32,
) {
    let (entries, _) = entries.as_chunks::<BYTES>();
    let first = table.len();
    table.extend_from_slice(entries.get(wanted.clone()).unwrap_or_default().as_flattened());
    for entry in table[first..].as_chunks_mut::<BYTES>().0 {
        for offset in entry.as_chunks_mut().0.iter_mut().take(offsets) {
            *offset = u32::from_le_bytes(*offset).wrapping_add(by).to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waft_core::tier::{CodePosition, InlinedCode, StackMap, TrapSite};

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
            traps: [3, 39].map(|offset| TrapSite { offset, code: TrapCode::IntegerOverflow }).into(),
            handlers: vec![ExceptionHandler { offset: 40, landing: 36, frame_bytes: last.as_u32() }],
            stack_maps: [(7, vec![-8, -24]), (40, vec![-8 * last.as_u32().cast_signed()])]
                .map(|(offset, slots)| StackMap { offset, slots })
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
    fn functions_are_put_together_anew() {
        let funcs = [func([5, 6, 7]), CompiledFunc::default(), func([8, 9, 5]), func([1, 2, 3]), long()];
        let built = |places: &[(usize, u32)]| {
            let mut tables = TablesBuilder::default();
            places.iter().for_each(|(func, start)| tables.add(*start, &funcs[*func]));
            tables
        };
        let first = [(0, 0), (1, 40), (2, 40), (3, 128), (4, 192)];
        let tables = built(&first).finish();
        for places in [
            &[(0, 64)][..],
            &[(2, 0), (1, 64), (0, 64), (3, 1 << 20)],
            &[(4, 8), (3, 3048), (4, 4096)],
            &first,
        ] {
            let mut copied = TablesBuilder::default();
            for &(func, start) in places {
                copied.copy(start, &tables.part(func).unwrap());
            }
            assert_eq!(copied.parts(), built(places).parts());
        }
    }

    #[test]
    fn numbers_are_what_was_written() {
        let numbers =
            [0, 1, 63, 64, 127, 128, 1 << 14, i32::MAX.cast_unsigned(), 1 << 31, u32::MAX - 1, u32::MAX];
        for (from, to) in numbers.into_iter().flat_map(|from| numbers.map(|to| (from, to))) {
            let mut bytes = Vec::new();
            push_leb128(&mut bytes, difference(from, to));
            let mut rest = &bytes[..];
            assert_eq!(read_leb128(&mut rest).map(|by| moved(from, by)), Some(to), "from {from}");
            assert!(rest.is_empty());
            assert_eq!(read_leb128(&mut &bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(read_leb128(&mut &[0x80; 9][..]), None);
    }

    /// A function with many positions, forwards and backwards in the module.
    fn long() -> CompiledFunc {
        CompiledFunc {
            code: vec![0; 3_000],
            positions: (0..700).map(|at| CodePosition { code: at * 4 + 1, wasm: at * 77 % 5_000 }).collect(),
            ..CompiledFunc::default()
        }
    }

    #[test]
    fn every_position_of_a_long_function_is_found() {
        let mut tables = TablesBuilder::default();
        [0, 1 << 16].into_iter().for_each(|start| tables.add(start, &long()));
        let tables = tables.finish();
        for (start, offset) in
            [0, 1 << 16].into_iter().flat_map(|start| (0..3_000).map(move |at| (start, at)))
        {
            let origin = tables.origins(start + offset, DefinedFuncIndex::new(0)).next().unwrap();
            let wanted = offset.checked_sub(1).map(|offset| (offset / 4).min(699) * 77 % 5_000);
            assert_eq!(origin.module_offset, wanted, "{start} and {offset}");
        }
    }

    #[test]
    fn code_without_an_origin_has_none() {
        let positions = [(0, u32::MAX), (4, 700), (9, 3), (12, u32::MAX), (300, 701)];
        let func = CompiledFunc {
            code: vec![0; 301],
            positions: positions.map(|(code, wasm)| CodePosition { code, wasm }).into(),
            ..CompiledFunc::default()
        };
        let mut tables = TablesBuilder::default();
        [0, 1 << 20].into_iter().for_each(|start| tables.add(start, &func));
        let tables = tables.finish();
        let wanted = [
            (0, None),
            (3, None),
            (4, Some(700)),
            (8, Some(700)),
            (9, Some(3)),
            (299, None),
            (300, Some(701)),
        ];
        for (offset, wanted) in wanted {
            for start in [0, 1 << 20] {
                let origin = tables.origins(start + offset, DefinedFuncIndex::new(0)).next().unwrap();
                assert_eq!(origin.module_offset, wanted, "{start} and {offset}");
            }
        }
    }

    #[test]
    fn tables_of_nonsense_are_looked_up_and_nothing_else_happens() {
        let (func, mut tables) = (func([5, 6, 7]), TablesBuilder::default());
        tables.add(0, &func);
        let parts = tables.parts();
        let (positions, inlined) = (2, 5);
        let places = [positions, inlined]
            .into_iter()
            .flat_map(|part| (0..parts[part].len()).map(move |at| (part, at)));
        for (part, at) in places {
            for byte in [0, 1, 2, 3, 0x7f, 0x80, 0xff] {
                let mut parts = parts.clone();
                let left = parts[part].len() - at % 3;
                parts[part].truncate(left);
                parts[part][at.min(left - 1)] = byte;
                let tables = CodeTables::of(parts.map(Section::from));
                for offset in 0..40 {
                    let origins = tables.origins(offset, DefinedFuncIndex::new(0)).count();
                    assert!((1..=4).contains(&origins));
                    assert_eq!(tables.frames(offset), origins);
                }
            }
        }
    }
}
