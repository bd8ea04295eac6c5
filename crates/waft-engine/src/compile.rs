//! From bytes to compiled code: decode, validate and compile every body in parallel, link.

use crate::code::{LinkedCode, ModuleCode};
use crate::engine::Engine;
use crate::lazy::LazyCode;
use crate::module::{ModuleInner, WasmBytes};
use crate::proposal::ProposalsNeeded;
use anyhow::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::layout::VmLayout;
use waft_core::module::{BodyToValidate, BodyValidator, Shape, decode};
use waft_core::tier::{CompileRequest, CompiledFunc, Linkage};

/// Compiles a module, or makes it ready to be compiled as it is called.
pub(crate) fn module(engine: &Engine, wasm: Arc<[u8]>) -> Result<ModuleInner> {
    let shape = validate(engine, &wasm)?;
    let code = if engine.config().lazy_compilation {
        ModuleCode::Lazy(Arc::new(LazyCode::new(&shape)?))
    } else {
        let layout = VmLayout::new(&shape);
        ModuleCode::Whole(linked(engine, &shape, &layout, &wasm)?.publish()?)
    };
    ModuleInner::new(engine, shape, WasmBytes::Whole(wasm.into()), code)
}

/// Compiles all functions of a module, to be one piece of code.
pub(crate) fn linked(engine: &Engine, shape: &Shape, layout: &VmLayout, wasm: &[u8]) -> Result<LinkedCode> {
    let funcs = functions(engine, shape, layout, wasm)?;
    LinkedCode::link(shape, &funcs)
}

/// Compiles one function of a module that is compiled as it is called.
///
/// # Errors
///
/// What the tier has against it, in the words with which [`module`] would refuse the module.
pub(crate) fn called(module: &ModuleInner, func: DefinedFuncIndex) -> Result<CompiledFunc, String> {
    let (engine, wasm) = (module.engine(), module.wasm().bytes());
    function(engine, module.shape(), module.layout(), wasm, Linkage::Slots, func)
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
    let bodies: Vec<Mutex<Option<BodyToValidate<'_>>>> =
        decoded.bodies.into_iter().map(|body| Mutex::new(Some(body))).collect();
    let bytes = decoded.shape.bodies.values().map(|range| range.len()).sum();
    each(engine, bodies.len(), bytes, BodyValidator::default, |validator, at| {
        let body = bodies[at].lock().unwrap_or_else(PoisonError::into_inner).take();
        match body {
            Some(body) => Ok(validator.validate(body)?),
            None => Ok(()),
        }
    })?;
    Ok(decoded.shape)
}

fn functions(engine: &Engine, shape: &Shape, layout: &VmLayout, wasm: &[u8]) -> Result<Vec<CompiledFunc>> {
    let slots: Vec<Mutex<CompiledFunc>> = shape.bodies.values().map(|_| Mutex::default()).collect();
    let bytes = shape.bodies.values().map(|range| range.len()).sum();
    // The largest first: one that takes seconds must not start when all others are done.
    let mut order: Vec<usize> = (0..slots.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(shape.bodies.as_slice()[*at].len()));
    each(
        engine,
        slots.len(),
        bytes,
        || (),
        |(), turn| {
            let at = order[turn];
            let func = DefinedFuncIndex::new(at);
            let compiled =
                function(engine, shape, layout, wasm, Linkage::Direct, func).map_err(Error::msg)?;
            *slots[at].lock().unwrap_or_else(PoisonError::into_inner) = compiled;
            Ok(())
        },
    )?;
    Ok(slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect())
}

fn function(
    engine: &Engine,
    shape: &Shape,
    layout: &VmLayout,
    wasm: &[u8],
    linkage: Linkage,
    func: DefinedFuncIndex,
) -> Result<CompiledFunc, String> {
    let compiled = engine.tier().compile(&CompileRequest {
        shape,
        layout,
        tunables: engine.tunables(),
        linkage,
        func,
        wasm,
    });
    compiled.map_err(|error| format!("function {}: {}", func.index() + shape.imported_funcs, error.message))
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
    let parallel = engine.config().parallel_compilation && bytes >= PARALLEL_BYTES_MIN;
    let threads = if parallel { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(run);
        }
        run();
    });
    match first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}
