//! Functions that are compiled when they are first called.
//!
//! The code slot of such a function first holds the address of a thunk, which brings its caller here, on the caller's
//! thread. The code is then compiled, written into a chunk, made known, and published: by one store into the slot.
//!
//! # Invariants
//!
//! * **L1** A slot holds the function's thunk until its code is there and known to signal handlers, walks and backtraces,
//!   and the code's address ever after.
//! * **L2** A function is compiled by one thread at a time, and not again once its code is there or its tier refused it.
//! * **L3** Compiling looks at the module alone, never at a store: nothing there moves, and no collection happens. So what
//!   the thunk's caller has in its registers is still right afterwards.
//!
//! # Elsewhere
//!
//! How a call comes here and goes on: `vm/lazy.rs`. Thunks: `vm/thunk.rs`. Memory: `vm/code_chunk.rs`.

use crate::code::{CodeTables, FUNC_ALIGN, KnownCode, ModuleCode, RegisteredCode, check_code_bytes};
use crate::compile;
use crate::module::ModuleInner;
use crate::vm::{self, CodeChunk, thunk};
use anyhow::{Context as _, Error, Result, ensure};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::module::Shape;
use waft_core::tier::CompiledFunc;

mod chunk;

pub(crate) use chunk::ChunkFuncs;
use chunk::FuncCode;

/// Bytes of machine code that are expected of one byte of a body: Cranelift makes some five of it. A module in which
/// everything is called needs few chunks then; what is not written to costs addresses and no memory.
const CODE_PER_BODY_BYTE: usize = 4;
/// The smallest and the largest chunk, but for functions that are larger alone.
const CHUNK_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=4 << 20;

/// The code of a module of which nothing is compiled until it is called.
pub(crate) struct LazyCode {
    chunks: crate::append::AppendList<Arc<Chunk>>,
    /// The chunk that is being filled.
    filling: Mutex<Option<Arc<Chunk>>>,
    chunk_bytes: usize,
    progress: Mutex<Progress>,
    /// Notified when a function is not being compiled any more.
    progressed: Condvar,
    funcs: AtomicUsize,
    bytes: AtomicUsize,
}

/// What becomes of functions that have no code.
#[derive(Default)]
struct Progress {
    running: HashSet<DefinedFuncIndex>,
    /// What the tier said of those that it cannot compile.
    refused: HashMap<DefinedFuncIndex, String>,
}

/// A piece of memory with the functions in it.
struct Chunk {
    memory: CodeChunk,
    funcs: Arc<ChunkFuncs>,
}

/// The turn to compile a function: ends when it is dropped, in whatever way.
struct Turn<'l> {
    lazy: &'l LazyCode,
    func: DefinedFuncIndex,
}

/// What somebody finds who wants a function compiled.
enum Found<'l> {
    /// It is, and this is its code.
    Code(*mut u8),
    /// It is to be compiled now.
    Turn(Turn<'l>),
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lazy.progress().running.remove(&self.func);
        self.lazy.progressed.notify_all();
    }
}

impl LazyCode {
    /// The code of a module of this shape.
    ///
    /// # Errors
    ///
    /// If the system has no memory for thunks, or forbids code that is made at run time.
    pub(crate) fn new(shape: &Shape) -> Result<Self> {
        thunk::provide(shape.defined_funcs()).context("cannot map code")?;
        let bodies: usize = shape.bodies.values().map(ExactSizeIterator::len).sum();
        let (least, most) = CHUNK_BYTES.into_inner();
        Ok(Self {
            chunks: crate::append::AppendList::default(),
            filling: Mutex::new(None),
            chunk_bytes: bodies.saturating_mul(CODE_PER_BODY_BYTE).clamp(least, most),
            progress: Mutex::default(),
            progressed: Condvar::new(),
            funcs: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        })
    }

    /// How many functions are compiled.
    pub(crate) fn funcs(&self) -> usize {
        self.funcs.load(Ordering::Relaxed)
    }

    /// Bytes of machine code.
    pub(crate) fn len(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Whole whenever it is unlocked: every change to it is one call.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tables of the function that holds `pc`, and where it starts. It takes no lock.
    pub(crate) fn find(&self, pc: usize) -> Option<(usize, &CodeTables)> {
        let chunk = self.chunks.iter().find(|chunk| chunk.memory.range().contains(&pc))?;
        let start = chunk.memory.range().start;
        let func = chunk.funcs.find((pc - start) as u32)?;
        Some((start + func.start as usize, &func.tables))
    }

    /// Waits while another thread compiles `func`; then says where its code is, or gives the turn to compile it.
    fn turn(&self, func: DefinedFuncIndex, code: impl Fn() -> Option<*mut u8>) -> Result<Found<'_>> {
        let mut progress = self.progress();
        loop {
            if let Some(code) = code() {
                return Ok(Found::Code(code));
            }
            if let Some(message) = progress.refused.get(&func) {
                return Err(Error::msg(message.clone()));
            }
            if progress.running.insert(func) {
                return Ok(Found::Turn(Turn { lazy: self, func }));
            }
            progress = self.progressed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes the code of a function into memory and makes it known. Where it is.
    fn add(
        &self,
        module: &Arc<ModuleInner>,
        func: DefinedFuncIndex,
        compiled: &CompiledFunc,
    ) -> Result<*mut u8> {
        ensure!(
            compiled.relocs.is_empty(),
            "the tier was asked for calls through slots and made direct ones"
        );
        let mut filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.len() + compiled.code.len();
        check_code_bytes(bytes)?;
        let align = FUNC_ALIGN.max(compiled.align as usize);
        let append = |chunk: Arc<Chunk>| Some((chunk.memory.append(&compiled.code, align)?, chunk));
        let (start, chunk) = match filling.clone().and_then(append) {
            Some(found) => found,
            None => {
                if let Some(full) = filling.take() {
                    full.memory.close();
                }
                let chunk = self.add_chunk(module, compiled.code.len())?;
                *filling = Some(chunk.clone());
                append(chunk).context("a function does not fit into a chunk of its size")?
            }
        };
        chunk.funcs.push(FuncCode::new(start, func, compiled));
        self.bytes.store(bytes, Ordering::Relaxed);
        self.funcs.fetch_add(1, Ordering::Relaxed);
        module.profile_func(func, chunk.memory.at(start), &compiled.code, module.engine().tier().name());
        Ok(chunk.memory.at(start))
    }

    fn add_chunk(&self, module: &Arc<ModuleInner>, bytes_min: usize) -> Result<Arc<Chunk>> {
        let memory = CodeChunk::new(self.chunk_bytes.max(bytes_min)).context("cannot map code")?;
        let funcs = Arc::new(ChunkFuncs::default());
        let known = KnownCode::Chunk(funcs.clone());
        memory.register(Arc::new(RegisteredCode { known, module: Arc::downgrade(module) }));
        let chunk = Arc::new(Chunk { memory, funcs });
        self.chunks.push(chunk.clone());
        Ok(chunk)
    }
}

impl ModuleInner {
    /// Where a function is entered that was called through its thunk: compiled now, unless another thread has done so.
    ///
    /// # Errors
    ///
    /// What the tier has against the function, or if there is no memory for its code.
    pub(crate) fn compile_called(self: &Arc<Self>, func: DefinedFuncIndex) -> Result<*mut u8> {
        let slot = &self.code_slots()[func.index()];
        let code = || Some(slot.load(Ordering::Acquire)).filter(|code| *code != thunk::first_call(func));
        let ModuleCode::Lazy(lazy) = self.code() else {
            return code().context("a thunk was called of a module that has all its code");
        };
        let turn = match lazy.turn(func, code)? {
            Found::Code(code) => return Ok(code),
            Found::Turn(turn) => turn,
        };
        let compiled = match vm::with_compile_stack(|| compile::called(self, func))
            .context("cannot start a thread to compile on")?
        {
            Ok(compiled) => compiled,
            Err(message) => {
                lazy.progress().refused.insert(func, message.clone());
                return Err(Error::msg(message));
            }
        };
        let code = lazy.add(self, func, &compiled)?;
        // Whoever calls the function from here on finds its code, and all that is known about it (L1).
        slot.store(code, Ordering::Release);
        drop(turn);
        Ok(code)
    }
}
