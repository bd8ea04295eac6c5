//! The machine code of a module, and what is known about it.
//!
//! # Invariants
//!
//! * Functions stand in the order of their indices; the tables are sorted by code offset.

use crate::artifact::Section;
use crate::module::ModuleInner;
use crate::vm::{CodeInfo, CodeMemory};
use anyhow::{Context as _, Result, ensure};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::limits::CODE_BYTES_MAX;
use waft_core::module::Shape;
use waft_core::tier::{CompiledFunc, ExceptionHandler};
use waft_core::trap::TrapCode;

/// Bytes of an entry in the table of handlers.
const HANDLER_BYTES: usize = 12;

/// Functions start at multiples of this: a processor fetches so many bytes at once.
const FUNC_ALIGN: usize = 32;

/// Compiled, linked and executable code.
pub(crate) struct CompiledCode {
    text: Option<CodeMemory>,
    tables: Arc<CodeTables>,
}

/// The tables of a module's code, each an array of little-endian numbers as artifacts store them.
pub(crate) struct CodeTables {
    /// `u32` start and `u32` length of each defined function.
    pub(crate) funcs: Section,
    /// `u32` offset of each instruction that may trap, then as many `u8` codes.
    pub(crate) traps: Section,
    /// `u32` code offset and `u32` module offset of each piece of code with an origin.
    pub(crate) positions: Section,
    /// `u32` code offset after each call whose exceptions are caught, `u32` code offset of the landing, `u32` bytes of the
    /// frame.
    pub(crate) handlers: Section,
    /// See [`StackMaps`].
    pub(crate) stack_maps: Section,
}

/// Where references into the GC heap are during calls: `u32` number of maps; of each the `u32` offset of the instruction
/// after the call and the `u32` place of its slots; then lists of slots, each a `u32` number and as many `i32` offsets from
/// the frame pointer. All of it counted in words.
#[derive(Clone)]
pub(crate) struct StackMaps(Section);

impl StackMaps {
    fn encode(maps: &[(u32, &[i32])]) -> Section {
        if maps.is_empty() {
            return Vec::new().into();
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
        head.into()
    }

    /// The slots of the frame that a call returns to at `offset`, from its frame pointer.
    pub(crate) fn slots(&self, offset: u32) -> impl Iterator<Item = i32> + '_ {
        let bytes = self.0.bytes();
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

/// Where a place in the code comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CodeOrigin {
    /// The function.
    pub(crate) func: DefinedFuncIndex,
    /// The operator, in bytes from the start of the module, if it is known.
    pub(crate) module_offset: Option<u32>,
}

impl CodeTables {
    fn new(
        funcs: Vec<u8>,
        traps: Vec<u8>,
        positions: Vec<u8>,
        stack_maps: Section,
        handlers: Vec<u8>,
    ) -> Self {
        Self {
            funcs: funcs.into(),
            traps: traps.into(),
            positions: positions.into(),
            stack_maps,
            handlers: handlers.into(),
        }
    }

    fn func(&self, at: usize) -> Option<(u32, u32)> {
        pair(self.funcs.bytes(), at)
    }

    fn trap_code(&self, offset: u32) -> Option<TrapCode> {
        let bytes = self.traps.bytes();
        let count = bytes.len() / 5;
        let (offsets, codes) = bytes.split_at(count * 4);
        let at = search(count, |at| number(offsets, at), offset)?;
        if number(offsets, at)? != offset {
            return None;
        }
        TrapCode::from_u8(*codes.get(at)?)
    }

    /// What catches the exceptions of the call before `offset`: neither allocates nor locks.
    pub(crate) fn handler(&self, offset: u32) -> Option<ExceptionHandler> {
        let bytes = self.handlers.bytes();
        let at = search(bytes.len() / HANDLER_BYTES, |at| number(bytes, at * 3), offset)?;
        let [found, landing, frame_bytes] = [0, 1, 2].map(|field| number(bytes, at * 3 + field));
        let handler = ExceptionHandler { offset: found?, landing: landing?, frame_bytes: frame_bytes? };
        (handler.offset == offset).then_some(handler)
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
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at * 4..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn pair(bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    Some((number(bytes, at * 2)?, number(bytes, at * 2 + 1)?))
}

/// The last of `count` ascending keys that is not above `wanted`.
fn search(count: usize, key: impl Fn(usize) -> Option<u32>, wanted: u32) -> Option<usize> {
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

impl CompiledCode {
    /// No code at all.
    pub(crate) fn none() -> Self {
        Self::loaded(None, CodeTables::new(Vec::new(), Vec::new(), Vec::new(), Vec::new().into(), Vec::new()))
    }

    /// Code that is in memory already, with its tables.
    pub(crate) fn loaded(text: Option<CodeMemory>, tables: CodeTables) -> Self {
        Self { text, tables: Arc::new(tables) }
    }

    /// Puts compiled functions into one piece and makes it executable.
    pub(crate) fn link(shape: &Shape, funcs: &[CompiledFunc]) -> Result<Self> {
        let mut starts = Vec::with_capacity(funcs.len());
        let mut end = 0;
        for func in funcs {
            let start = usize::next_multiple_of(end, FUNC_ALIGN.max(func.align as usize));
            starts.push(start);
            end = start + func.code.len();
        }
        ensure!(
            end <= CODE_BYTES_MAX,
            "the module compiles to {end} bytes of code; the limit is {CODE_BYTES_MAX}"
        );
        // Between functions stands `int3`: nothing runs there.
        let mut text = vec![0xcc; end];
        let (mut table, mut trap_offsets, mut trap_codes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut positions, mut stack_maps, mut handlers) = (Vec::new(), Vec::new(), Vec::new());
        for (func, &start) in funcs.iter().zip(&starts) {
            text[start..start + func.code.len()].copy_from_slice(&func.code);
            relocate(&mut text, start, func, shape, &starts)?;
            push_pair(&mut table, start as u32, func.code.len() as u32);
            for trap in &func.traps {
                trap_offsets.extend((start as u32 + trap.offset).to_le_bytes());
                trap_codes.push(trap.code as u8);
            }
            stack_maps.extend(func.stack_maps.iter().map(|map| (start as u32 + map.offset, &*map.slots)));
            for position in &func.positions {
                push_pair(&mut positions, start as u32 + position.code, position.wasm);
            }
            for handler in &func.handlers {
                push_pair(&mut handlers, start as u32 + handler.offset, start as u32 + handler.landing);
                handlers.extend(handler.frame_bytes.to_le_bytes());
            }
        }
        trap_offsets.extend(trap_codes);
        let text =
            if text.is_empty() { None } else { Some(CodeMemory::publish(&text).context("cannot map code")?) };
        let stack_maps = StackMaps::encode(&stack_maps);
        Ok(Self::loaded(text, CodeTables::new(table, trap_offsets, positions, stack_maps, handlers)))
    }

    /// The machine code.
    pub(crate) fn text(&self) -> &[u8] {
        self.text.as_deref().unwrap_or_default()
    }
    /// The tables.
    pub(crate) fn tables(&self) -> &Arc<CodeTables> {
        &self.tables
    }
    /// Where references into the GC heap are during calls.
    pub(crate) fn stack_maps(&self) -> StackMaps {
        StackMaps(self.tables.stack_maps.clone())
    }
    /// The address of each defined function.
    pub(crate) fn entries(&self) -> impl Iterator<Item = *mut u8> + '_ {
        let text = self.text().as_ptr();
        (0..)
            .map_while(|at| self.tables.func(at))
            .map(move |(start, _)| text.wrapping_add(start as usize).cast_mut())
    }

    /// Makes the code known to the signal handlers and to backtraces, as long as `module` lives.
    pub(crate) fn register(&self, module: &Arc<ModuleInner>) {
        if let Some(text) = &self.text {
            let info = RegisteredCode { tables: self.tables.clone(), module: Arc::downgrade(module) };
            text.register(Arc::new(info));
        }
    }
}

fn push_pair(table: &mut Vec<u8>, first: u32, second: u32) {
    table.extend(first.to_le_bytes());
    table.extend(second.to_le_bytes());
}

/// Fills in the calls of one function, now that all have their places.
fn relocate(
    text: &mut [u8],
    start: usize,
    func: &CompiledFunc,
    shape: &Shape,
    starts: &[usize],
) -> Result<()> {
    for reloc in &func.relocs {
        let target = shape.defined_func(reloc.target).context("a direct call leaves the module")?;
        let at = start + reloc.offset as usize;
        let distance = starts[target.index()] as i64 - at as i64 + i64::from(reloc.addend);
        let place = text.get_mut(at..at + 4).context("a relocation lies outside of its function")?;
        place.copy_from_slice(&i32::try_from(distance)?.to_le_bytes());
    }
    Ok(())
}

/// What signal handlers and backtraces find by an address.
pub(crate) struct RegisteredCode {
    tables: Arc<CodeTables>,
    module: Weak<ModuleInner>,
}

impl RegisteredCode {
    /// The module, unless it is being dropped.
    pub(crate) fn module(&self) -> Option<Arc<ModuleInner>> {
        self.module.upgrade()
    }
}

impl CodeInfo for RegisteredCode {
    fn trap_code(&self, offset: u32) -> Option<TrapCode> {
        self.tables.trap_code(offset)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
