//! What is known about machine code, as arrays of numbers.
//!
//! # Invariants
//!
//! * The tables are sorted by code offset. Looking something up in them neither allocates, locks nor panics.

use crate::artifact::Section;
use std::collections::HashMap;
use std::ops::Range;
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::tier::{CodePosition, CompiledFunc, ExceptionHandler, Reloc, StackMap, TrapSite};
use waft_core::trap::TrapCode;

/// Bytes of an entry in the table of handlers.
const HANDLER_BYTES: usize = 12;

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

    /// Where the code at `offset` comes from.
    pub(crate) fn origin(&self, offset: u32) -> Option<CodeOrigin> {
        let funcs = self.funcs.bytes().len() / 8;
        let func = search(funcs, |at| Some(self.func(at)?.0), offset)?;
        let (start, len) = self.func(func)?;
        if offset - start >= len {
            return None;
        }
        let positions = self.positions.bytes();
        let position = search(positions.len() / 8, |at| Some(pair(positions, at)?.0), offset)
            .and_then(|at| pair(positions, at))
            .filter(|(code, wasm)| *code >= start && *wasm != u32::MAX);
        Some(CodeOrigin { func: DefinedFuncIndex::new(func), module_offset: position.map(|(_, wasm)| wasm) })
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
        CompiledFunc {
            code: code.to_vec(),
            // Code was aligned as all functions are, which is enough for what it refers to.
            align: 1,
            relocs,
            traps: traps.filter_map(trap).collect(),
            positions: positions.filter_map(position).collect(),
            stack_maps: stack_maps.filter_map(stack_map).collect(),
            handlers: handlers.filter_map(handler).collect(),
        }
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

/// Collects the tables of functions, in the order in which they stand in the code.
#[derive(Default)]
pub(crate) struct TablesBuilder<'f> {
    funcs: Vec<u8>,
    trap_offsets: Vec<u8>,
    trap_codes: Vec<u8>,
    positions: Vec<u8>,
    handlers: Vec<u8>,
    stack_maps: Vec<(u32, &'f [i32])>,
}

impl<'f> TablesBuilder<'f> {
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

    fn parts(mut self) -> [Vec<u8>; 5] {
        self.trap_offsets.extend(self.trap_codes);
        [self.funcs, self.trap_offsets, self.positions, self.handlers, encode_stack_maps(&self.stack_maps)]
    }
}

impl CodeTables {
    fn of([funcs, traps, positions, handlers, stack_maps]: [Section; 5]) -> Self {
        Self { funcs, traps, positions, handlers, stack_maps }
    }
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
