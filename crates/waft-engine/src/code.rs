//! The machine code of a module, and what is known about it.
//!
//! # Invariants
//!
//! * In code that was compiled as a whole, functions stand in the order of their indices.
//!
//! # Elsewhere
//!
//! Code that is compiled function by function: `lazy/`.

use crate::lazy::{ChunkFuncs, KeptCode, LazyCode};
use crate::module::ModuleInner;
use crate::tier_up::TierUp;
use crate::vm::{CodeInfo, CodeMemory};
use anyhow::{Context as _, Result, ensure};
use std::any::Any;
use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::limits::CODE_BYTES_MAX;
use waft_core::module::Shape;
use waft_core::tier::{CompiledFunc, Placement, Reloc};
use waft_core::trap::TrapCode;

mod tables;

pub(crate) use tables::{
    CodeOrigin, CodeTables, TablesBuilder, TablesPart, between, pair, push_pair, search,
};

/// The code of a module.
pub(crate) enum ModuleCode {
    /// All of it, from the start.
    Whole(CompiledCode),
    /// What has been called.
    Lazy(Arc<LazyCode>),
}

impl ModuleCode {
    /// Makes the code known to the signal handlers and to backtraces, as long as `module` lives. What is compiled later is
    /// made known when it is there.
    pub(crate) fn register(&self, module: &Arc<ModuleInner>) {
        let whole = match self {
            Self::Whole(code) => Some(code),
            Self::Lazy(code) => code.kept().map(KeptCode::code),
        };
        if let Some(CompiledCode { text: Some(text), tables }) = whole {
            text.register(Arc::new(RegisteredCode {
                known: KnownCode::Whole(tables.clone()),
                module: Arc::downgrade(module),
            }));
        }
        module.profile_code();
    }

    /// The code, if it comes as it is called.
    pub(crate) fn lazy(&self) -> Option<&Arc<LazyCode>> {
        match self {
            Self::Whole(_) => None,
            Self::Lazy(code) => Some(code),
        }
    }

    /// What is known about better code for its functions, if that is made.
    pub(crate) fn tier_up(&self) -> Option<&TierUp> {
        self.lazy()?.tier_up()
    }

    /// Bytes of machine code that are there.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Whole(code) => code.text().len(),
            Self::Lazy(code) => code.len(),
        }
    }
}

/// A function that is put into one piece with others.
pub(crate) trait LinkFunc<'c> {
    /// Its code, as it was compiled.
    fn code(&self) -> &'c [u8];
    /// Where it is to start.
    fn placement(&self) -> Placement;
    /// Its calls to functions of the same piece.
    fn relocs(&self) -> &[Reloc];
    /// How many traps and positions are known of it.
    fn table_entries(&self) -> (usize, usize);
    /// Adds what is known of it, if it starts at `start`.
    fn add_to(&self, tables: &mut TablesBuilder, start: u32);
}

impl<'c> LinkFunc<'c> for &'c CompiledFunc {
    fn code(&self) -> &'c [u8] {
        &self.code
    }
    fn placement(&self) -> Placement {
        self.placement
    }
    fn relocs(&self) -> &[Reloc] {
        &self.relocs
    }
    fn table_entries(&self) -> (usize, usize) {
        (self.traps.len(), self.positions.len())
    }
    fn add_to(&self, tables: &mut TablesBuilder, start: u32) {
        tables.add(start, self);
    }
}

/// Functions that have their places in one piece of code.
pub(crate) struct LinkedCode<'c> {
    /// The code of each that has some, as it was compiled, and where it starts.
    funcs: Vec<(&'c [u8], u32)>,
    /// What calls are made of: places in the code, by function, and the distances that stand there.
    calls: Vec<(u32, i32)>,
    len: usize,
    tables: Arc<CodeTables>,
}

impl<'c> LinkedCode<'c> {
    /// Gives functions their places.
    ///
    /// # Errors
    ///
    /// If they are too large for one piece, or call what is not there.
    pub(crate) fn link(shape: &Shape, funcs: &[impl LinkFunc<'c>]) -> Result<Self> {
        let mut starts = Vec::with_capacity(funcs.len());
        let mut len = 0;
        let (mut calls, mut traps, mut positions) = (0, 0, 0);
        for func in funcs {
            let code = func.code().len();
            // What has no code takes no room, so that the last place in the piece is the end of a function.
            let start = if code == 0 { Some(len) } else { func.placement().next(len) };
            let start = start.context("functions take too much room")?;
            starts.push(start);
            len = start + code;
            let entries = func.table_entries();
            (traps, positions) = (traps + entries.0, positions + entries.1);
            calls += func.relocs().len();
        }
        check_code_bytes(len)?;
        let mut tables = TablesBuilder::with_room(funcs.len(), traps, positions);
        let mut calls = Vec::with_capacity(calls);
        for (func, &start) in funcs.iter().zip(&starts) {
            func.add_to(&mut tables, start as u32);
            for reloc in func.relocs() {
                let target = shape.defined_func(reloc.target).context("a direct call leaves the module")?;
                ensure!(
                    reloc.offset as usize + 4 <= func.code().len(),
                    "a relocation lies outside of its function"
                );
                let at = start + reloc.offset as usize;
                let distance = starts[target.index()] as i64 - at as i64 + i64::from(reloc.addend);
                calls.push((at as u32, i32::try_from(distance)?));
            }
        }
        let funcs = funcs.iter().map(LinkFunc::code).zip(starts.into_iter().map(|start| start as u32));
        let funcs = funcs.filter(|(code, _)| !code.is_empty()).collect();
        Ok(Self { funcs, calls, len, tables: Arc::new(tables.finish()) })
    }

    /// Bytes of the code.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The tables.
    pub(crate) fn tables(&self) -> &Arc<CodeTables> {
        &self.tables
    }

    /// Gives the code in pieces that follow one another.
    pub(crate) fn pieces<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        /// Stands between functions: nothing runs there.
        const INT3: [u8; 256] = [0xcc; 256];
        let (mut end, mut calls) = (0, self.calls.iter().peekable());
        for &(code, start) in &self.funcs {
            for _ in 0..(start as usize - end) / INT3.len() {
                take(&INT3)?;
            }
            take(&INT3[..(start as usize - end) % INT3.len()])?;
            end = start as usize + code.len();
            let mut code = Cow::Borrowed(code);
            while let Some((at, distance)) = calls.next_if(|(at, _)| (*at as usize) < end) {
                let at = (at - start) as usize;
                code.to_mut()[at..at + 4].copy_from_slice(&distance.to_le_bytes());
            }
            take(&code)?;
        }
        Ok(())
    }

    /// The code in one piece.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.len);
        let Ok(()) = self.pieces::<Infallible>(|piece| {
            text.extend_from_slice(piece);
            Ok(())
        });
        text
    }

    /// Makes it executable.
    pub(crate) fn publish(self) -> Result<CompiledCode> {
        let text = self.text();
        let text =
            if text.is_empty() { None } else { Some(CodeMemory::publish(&text).context("cannot map code")?) };
        Ok(CompiledCode { text, tables: self.tables })
    }
}

/// Refuses more code than one module may have.
pub(crate) fn check_code_bytes(bytes: usize) -> Result<()> {
    ensure!(
        bytes <= CODE_BYTES_MAX,
        "the module compiles to {bytes} bytes of code; the limit is {CODE_BYTES_MAX}"
    );
    Ok(())
}

/// Compiled, linked and executable code of a whole module.
pub(crate) struct CompiledCode {
    text: Option<CodeMemory>,
    tables: Arc<CodeTables>,
}

impl CompiledCode {
    /// No code at all.
    pub(crate) fn none() -> Self {
        Self::loaded(None, CodeTables::none())
    }

    /// Code that is in memory already, with its tables.
    pub(crate) fn loaded(text: Option<CodeMemory>, tables: CodeTables) -> Self {
        Self { text, tables: Arc::new(tables) }
    }

    /// The machine code.
    pub(crate) fn text(&self) -> &[u8] {
        self.text.as_deref().unwrap_or_default()
    }
    /// The tables.
    pub(crate) fn tables(&self) -> &Arc<CodeTables> {
        &self.tables
    }
    /// The address of each defined function.
    pub(crate) fn entries(&self) -> impl Iterator<Item = *mut u8> + '_ {
        let text = self.text().as_ptr();
        (0..)
            .map_while(|at| self.tables.func(at))
            .map(move |(start, _)| text.wrapping_add(start as usize).cast_mut())
    }
}

/// What signal handlers and backtraces find by an address.
pub(crate) struct RegisteredCode {
    pub(crate) known: KnownCode,
    pub(crate) module: Weak<ModuleInner>,
}

/// What is known about a piece of code.
pub(crate) enum KnownCode {
    /// It is all of a module's.
    Whole(Arc<CodeTables>),
    /// It is a chunk, to which functions are added.
    Chunk(Arc<ChunkFuncs>),
}

impl RegisteredCode {
    /// The module, unless it is being dropped.
    pub(crate) fn module(&self) -> Option<Arc<ModuleInner>> {
        self.module.upgrade()
    }

    /// Calls `visit` with where the code at `offset` comes from, the innermost function first.
    pub(crate) fn origins(&self, offset: u32, visit: impl FnMut(CodeOrigin)) {
        match &self.known {
            KnownCode::Whole(tables) => tables.origins(offset, DefinedFuncIndex::new(0)).for_each(visit),
            KnownCode::Chunk(funcs) => funcs.origins(offset).for_each(visit),
        }
    }
}

impl CodeInfo for RegisteredCode {
    fn trap_code(&self, offset: u32) -> Option<TrapCode> {
        match &self.known {
            KnownCode::Whole(tables) => tables.trap_code(offset),
            KnownCode::Chunk(funcs) => funcs.trap_code(offset),
        }
    }
    fn frames(&self, offset: u32) -> usize {
        match &self.known {
            KnownCode::Whole(tables) => tables.frames(offset),
            KnownCode::Chunk(funcs) => funcs.frames(offset),
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
