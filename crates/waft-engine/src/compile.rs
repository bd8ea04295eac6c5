//! From bytes to compiled code: decode, validate and compile every body in parallel, link.

use crate::code::{LinkedCode, ModuleCode};
use crate::engine::Engine;
use crate::lazy::LazyCode;
use crate::module::ModuleInner;
use crate::proposal::ProposalsNeeded;
use crate::threads::together;
use crate::wasm_bytes::WasmBytes;
use anyhow::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::layout::VmLayout;
use waft_core::module::{Bodies, FuncBody, ModuleBodies, Shape, decode};
use waft_core::tier::{CompileRequest, CompiledFunc, Entry, Linkage, Tier};

/// Compiles a module that has its bodies, or makes it ready to be compiled as it is called.
pub(crate) fn module(engine: &Engine, wasm: WasmBytes) -> Result<ModuleInner> {
    let begun = Instant::now();
    let shape = validate(engine, wasm.kept())?;
    let code = if engine.is_lazy() {
        ModuleCode::Lazy(Arc::new(LazyCode::new(engine, &shape, None, begun.elapsed())?))
    } else {
        let layout = VmLayout::new(&shape);
        let bodies = ModuleBodies::new(&shape, wasm.kept());
        let funcs = functions(engine, &shape, &layout, bodies, |_, _| Ok(()))?;
        ModuleCode::Whole(link(&shape, &funcs)?.publish()?)
    };
    ModuleInner::new(engine, shape, wasm, code)
}

/// Puts all functions of a module into one piece.
pub(crate) fn link<'c>(shape: &Shape, funcs: &'c [CompiledFunc]) -> Result<LinkedCode<'c>> {
    LinkedCode::link(shape, &funcs.iter().collect::<Vec<_>>())
}

/// Compiles one function of a module that is compiled as it is called, as it is first.
///
/// # Errors
///
/// What the tier has against it, in the words with which [`module`] would refuse the module.
pub(crate) fn called(module: &ModuleInner, func: DefinedFuncIndex) -> Result<CompiledFunc, String> {
    let counts = module.engine().optimizer().is_some();
    one(module, module.engine().first_tier(), (func, Entry::Start), counts)
}

/// Compiles one function of such a module anew, as well as it can be.
///
/// # Errors
///
/// What the tier has against it.
pub(crate) fn optimized(
    module: &ModuleInner,
    func: DefinedFuncIndex,
    entry: Entry,
) -> Result<CompiledFunc, String> {
    one(module, module.engine().tier(), (func, entry), false)
}

fn one(
    module: &ModuleInner,
    tier: &dyn Tier,
    (func, entry): (DefinedFuncIndex, Entry),
    counts: bool,
) -> Result<CompiledFunc, String> {
    let shape = module.shape();
    let body = module.valid_body(func).map_err(|error| format!("{error:#}"))?;
    compile(
        shape,
        tier,
        &CompileRequest {
            shape,
            layout: module.layout(),
            tunables: module.engine().tunables(),
            linkage: Linkage::Slots,
            settled: &|func| module.is_settled(func),
            likely_target: &|wasm| module.likely_target(wasm),
            entry,
            counts,
            func,
            body,
            bodies: module,
        },
    )
}

impl Bodies for ModuleInner {
    fn size(&self, func: DefinedFuncIndex) -> Option<usize> {
        self.body_range(func).ok().map(|body| body.len())
    }

    fn body(&self, func: DefinedFuncIndex) -> Option<FuncBody<'_>> {
        self.valid_body(func).ok()
    }
}

/// Decodes and validates a module.
pub(crate) fn validate(engine: &Engine, wasm: &[u8]) -> Result<Shape> {
    decode_and_validate(engine, wasm).map_err(|error| name_proposals(engine, wasm, error))
}

/// Adds to an error which proposals would have made the module valid, if any would.
#[cold]
fn name_proposals(engine: &Engine, wasm: &[u8], error: anyhow::Error) -> anyhow::Error {
    match ProposalsNeeded::of(wasm, engine.config().proposals) {
        Some(needed) => error.context(needed),
        None => error,
    }
}

fn decode_and_validate(engine: &Engine, wasm: &[u8]) -> Result<Shape> {
    let decoded = decode(wasm, engine.config().proposals)?;
    let bodies = &decoded.shape.bodies;
    let bytes = bodies.values().map(|range| range.len()).sum();
    let validator = || decoded.body_validator();
    let all = ModuleBodies::new(&decoded.shape, wasm);
    each(engine, bodies.len(), bytes, validator, |validator, at| {
        let func = DefinedFuncIndex::new(at);
        Ok(validator.validate(func, all.of(func))?)
    })?;
    Ok(decoded.shape)
}

/// Compiles all functions of a module, to be one piece of code. Each body is shown to `validate` before.
pub(crate) fn functions(
    engine: &Engine,
    shape: &Shape,
    layout: &VmLayout,
    bodies: ModuleBodies<'_>,
    validate: impl Fn(DefinedFuncIndex, FuncBody<'_>) -> Result<()> + Sync,
) -> Result<Vec<CompiledFunc>> {
    let ranges = bodies.ranges;
    let slots: Vec<Mutex<CompiledFunc>> = ranges.values().map(|_| Mutex::default()).collect();
    let bytes = ranges.values().map(|range| range.len()).sum();
    // The largest first: one that takes seconds must not start when all others are done.
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(ranges.as_slice()[*at].len()));
    each(
        engine,
        slots.len(),
        bytes,
        || (),
        |(), turn| {
            let at = order[turn];
            let func = DefinedFuncIndex::new(at);
            let tunables = engine.tunables();
            let request = CompileRequest::new(shape, layout, tunables, Linkage::Direct, func, &bodies);
            let request = CompileRequest { bodies: &ValidBodies { bodies, validate: &validate }, ..request };
            validate(func, request.body)?;
            let compiled = compile(shape, engine.tier(), &request).map_err(Error::msg)?;
            *slots[at].lock().unwrap_or_else(PoisonError::into_inner) = compiled;
            Ok(())
        },
    )?;
    Ok(slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
}

/// Those of a module's bodies that are valid.
struct ValidBodies<'a, V> {
    bodies: ModuleBodies<'a>,
    validate: &'a V,
}

impl<V: Fn(DefinedFuncIndex, FuncBody<'_>) -> Result<()>> Bodies for ValidBodies<'_, V> {
    fn size(&self, func: DefinedFuncIndex) -> Option<usize> {
        self.bodies.size(func)
    }

    fn body(&self, func: DefinedFuncIndex) -> Option<FuncBody<'_>> {
        let body = self.bodies.of(func);
        (self.validate)(func, body).is_ok().then_some(body)
    }
}

fn compile(shape: &Shape, tier: &dyn Tier, request: &CompileRequest<'_>) -> Result<CompiledFunc, String> {
    tier.compile(request).map_err(|error| {
        format!("function {}: {}", request.func.index() + shape.imported_funcs, error.message)
    })
}

/// Less work than this is not worth a second thread.
const PARALLEL_BYTES_MIN: usize = 16 << 10;

/// Does `work` for every number below `count`, on all processors if that pays; each thread has its own `state`.
///
/// # Errors
///
/// Of all errors the one with the lowest number, so that a module is refused for the same reason every time.
fn each<S>(
    engine: &Engine,
    count: usize,
    bytes: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let first_error: Mutex<Option<(usize, anyhow::Error)>> = Mutex::new(None);
    let run = || {
        let mut state = state();
        // Numbers are handed out in order, so whatever is below a failed one has been taken before.
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            if let Err(error) = work(&mut state, at) {
                failed.store(true, Ordering::Relaxed);
                let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                if first.as_ref().is_none_or(|(known, _)| at < *known) {
                    *first = Some((at, error));
                }
            }
        }
    };
    let threads = if bytes >= PARALLEL_BYTES_MIN { engine.threads() } else { 1 };
    together(threads.min(count), run);
    match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}
