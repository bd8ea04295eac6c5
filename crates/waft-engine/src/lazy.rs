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
//! How a call comes here and goes on: `vm/lazy.rs`. What is kept for the next process: `lazy/kept.rs`. Thunks: `vm/thunk.rs`. Memory: `vm/code_chunk.rs`.

use crate::cache::Cached;
use crate::code::{CodeTables, KnownCode, ModuleCode, RegisteredCode, check_code_bytes};
use crate::compile;
use crate::engine::Engine;
use crate::explain::CompileReason;
use crate::module::ModuleInner;
use crate::tier_up::TierUp;
use crate::vm::{self, CodeChunk, thunk};
use anyhow::{Context as _, Error, Result, ensure};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::module::Shape;
use waft_core::tier::{CompiledFunc, Entry};

mod chunk;
mod kept;

pub(crate) use chunk::ChunkFuncs;
use chunk::FuncCode;
pub(crate) use kept::{FuncState, KeptCode, Snapshot};

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
    tier_up: Option<TierUp>,
    /// What an earlier process compiled.
    kept: Option<KeptCode>,
    /// Nanoseconds that this process spent on what the next one will find: validating the module, compiling functions.
    spent: AtomicU64,
    /// What of that is in the cache by now; none if there is no cache for the module.
    cached: Mutex<Option<Cached>>,
    /// Notified when a function is not being compiled any more.
    progressed: Condvar,
    funcs: AtomicUsize,
    bytes: AtomicUsize,
    begun: Instant,
}

/// What becomes of functions that have no code.
#[derive(Default)]
struct Progress {
    running: HashSet<DefinedFuncIndex>,
    /// How many threads wait for others: nearly always none.
    waiting: usize,
    /// What the tier said of those that it cannot compile.
    refused: HashMap<DefinedFuncIndex, String>,
}

/// How code came to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    pub(crate) func: DefinedFuncIndex,
    pub(crate) entry: Entry,
    pub(crate) reason: CompileReason,
    /// The name of the tier.
    pub(crate) tier: &'static str,
    /// When it was begun.
    pub(crate) begun: Instant,
    /// How long compiling took.
    pub(crate) took: Duration,
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
        let mut progress = self.lazy.progress();
        progress.running.remove(&self.func);
        if progress.waiting > 0 {
            self.lazy.progressed.notify_all();
        }
    }
}

impl LazyCode {
    /// The code of a module of this shape, for which so much was spent before anything is compiled.
    ///
    /// # Errors
    ///
    /// If the system has no memory for thunks, or forbids code that is made at run time.
    pub(crate) fn new(
        engine: &Engine,
        shape: &Shape,
        kept: Option<KeptCode>,
        spent: Duration,
    ) -> Result<Self> {
        thunk::provide(shape.defined_funcs()).context("cannot map code")?;
        let bodies: usize = shape.bodies.values().map(ExactSizeIterator::len).sum();
        let (least, most) = CHUNK_BYTES.into_inner();
        let state = |func| kept.as_ref().map_or(FuncState::Missing, |kept: &KeptCode| kept.state(func));
        let tier_up = engine.optimizer().map(|optimizer| {
            let targets = kept.iter().flat_map(KeptCode::targets);
            TierUp::new(shape.defined_funcs(), optimizer, state, targets)
        });
        let (funcs, bytes) = kept.as_ref().map_or((0, 0), KeptCode::size);
        Ok(Self {
            chunks: crate::append::AppendList::default(),
            filling: Mutex::new(None),
            chunk_bytes: bodies.saturating_mul(CODE_PER_BODY_BYTE).max(bytes).clamp(least, most),
            progress: Mutex::default(),
            tier_up,
            kept,
            spent: AtomicU64::new(spent.as_nanos() as u64),
            cached: Mutex::default(),
            progressed: Condvar::new(),
            funcs: AtomicUsize::new(funcs),
            bytes: AtomicUsize::new(bytes),
            begun: Instant::now(),
        })
    }

    /// What an earlier process compiled.
    pub(crate) fn kept(&self) -> Option<&KeptCode> {
        self.kept.as_ref()
    }

    /// What was compiled by now, in this process.
    pub(crate) fn made(&self) -> impl Iterator<Item = (Made, usize)> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.funcs.iter()).map(|func| (func.made, func.len as usize))
    }

    /// When the module was made.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Nanoseconds that this process spent on what the next one will find.
    pub(crate) fn spent(&self) -> u64 {
        self.spent.load(Ordering::Relaxed)
    }

    /// What is in the cache; none if there is no cache for it.
    pub(crate) fn cached(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known about better code, if that is made.
    pub(crate) fn tier_up(&self) -> Option<&TierUp> {
        self.tier_up.as_ref()
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
        if let Some(found) = self.kept.as_ref().and_then(|kept| kept.find(pc)) {
            return Some(found);
        }
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
            progress.waiting += 1;
            progress = self.progressed.wait(progress).unwrap_or_else(PoisonError::into_inner);
            progress.waiting -= 1;
        }
    }

    /// Writes the code of a function into memory and makes it known. Where it is.
    pub(crate) fn add(
        &self,
        module: &Arc<ModuleInner>,
        compiled: &CompiledFunc,
        made: Made,
    ) -> Result<*mut u8> {
        let mut filling = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.len() + compiled.code.len();
        check_code_bytes(bytes)?;
        let fits = |chunk: &Arc<Chunk>| chunk.memory.next(compiled.placement, compiled.code.len());
        let (start, chunk) = match filling.as_ref().and_then(|chunk| Some((fits(chunk)?, chunk.clone()))) {
            Some(found) => found,
            None => {
                if let Some(full) = filling.take() {
                    full.memory.close();
                }
                let chunk =
                    self.add_chunk(module, compiled.code.len() + compiled.placement.rest() as usize)?;
                *filling = Some(chunk.clone());
                (fits(&chunk).context("a function does not fit into a chunk of its size")?, chunk)
            }
        };
        let at = chunk.memory.at(start);
        let code = linked(module, made.func, compiled, at.addr())?;
        let appended = chunk.memory.append(&code, compiled.placement);
        ensure!(appended == Some(start), "somebody else fills this chunk of code");
        chunk.funcs.push(FuncCode::new(start, compiled, made));
        self.bytes.store(bytes, Ordering::Relaxed);
        self.spent.fetch_add(made.took.as_nanos() as u64, Ordering::Relaxed);
        if made.reason == CompileReason::FirstCall {
            self.funcs.fetch_add(1, Ordering::Relaxed);
        }
        module.profile_func(made.func, at, &code, made.tier);
        Ok(at)
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

/// The code of a function that is to stand at `at`, with its calls to neighbours whose code stays where it is (T1 in
/// `tier_up.rs`).
fn linked<'c>(
    module: &ModuleInner,
    func: DefinedFuncIndex,
    compiled: &'c CompiledFunc,
    at: usize,
) -> Result<Cow<'c, [u8]>> {
    let mut code = Cow::Borrowed(&compiled.code[..]);
    for reloc in &compiled.relocs {
        let callee = module.shape().defined_func(reloc.target).context("a direct call leaves the module")?;
        let target = if module.is_settled(callee) {
            module.code_slots()[callee.index()].load(Ordering::Acquire).addr()
        } else {
            ensure!(callee == func, "the tier calls a function directly whose code may change");
            at
        };
        let from = at + reloc.offset as usize;
        let distance = (target as i64).wrapping_sub(from as i64) + i64::from(reloc.addend);
        let distance =
            i32::try_from(distance).context("a function is too far away from one that it calls")?;
        let place = code.to_mut().get_mut(reloc.offset as usize..).and_then(<[u8]>::first_chunk_mut);
        *place.context("a relocation lies outside of its function")? = distance.to_le_bytes();
    }
    Ok(code)
}

impl ModuleInner {
    /// Where a function is entered that was called through its thunk: compiled now, unless another thread has done so.
    ///
    /// # Errors
    ///
    /// What the tier has against the function, if its body cannot be read, or if there is no memory for its code.
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
        let compile = || {
            // What is wrong with the module's file may be put right: it is no refusal.
            self.body(func)?;
            Ok::<_, Error>((Instant::now(), compile::called(self, func)))
        };
        let compiled = vm::with_compile_stack(compile).context("cannot start a thread to compile on")?;
        let (begun, compiled) = compiled?;
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(message) => {
                lazy.progress().refused.insert(func, message.clone());
                return Err(Error::msg(message));
            }
        };
        let made = Made {
            func,
            entry: Entry::Start,
            reason: CompileReason::FirstCall,
            tier: self.engine().first_tier().name(),
            begun,
            took: begun.elapsed(),
        };
        let code = lazy.add(self, &compiled, made)?;
        // Whoever calls the function from here on finds its code, and all that is known about it (L1).
        slot.store(code, Ordering::Release);
        drop(turn);
        Ok(code)
    }
}
