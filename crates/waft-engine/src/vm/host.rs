//! The one host door: every host function, of every interface, is defined as a [`HostFunc`] and entered through
//! [`enter_host`].
//!
//! # Invariants
//!
//! * **H1** A function's `callable` is an `H` whose `enter` is `enter_host::<H>`: both are set in [`HostFunc::new`] only.
//! * **H2** A host function is given only to stores whose data is `H::Data`: `Func` and `Linker` carry that type.
//!
//! # Elsewhere
//!
//! How closures become callables: `src/func/host.rs`. What may stand at the door: `src/door.rs`.

use super::activation::{Failure, Throw, fail};
use super::context::{StorePtr, VmContext, VmFuncRef};
use super::frame::{ArgReader, CallShape, ResultReader, ResultWriter};
use super::instance::InstanceRecord;
use super::store::StoreOpaque;
use super::stub::{VmCallFrame, VmHostFunc, exit_stub};
use crate::door::{HostCall, Verdict};
use crate::exception::ThrownException;
use crate::store::StoreInner;
use crate::type_registry::RegisteredType;
use crate::val::Val;
use anyhow::Result;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicPtr;
use waft_core::gc;
use waft_core::types::FuncSig;

/// What a host function does, once its arguments can be read.
pub(crate) trait HostCallable: Send + Sync + 'static {
    /// The data of the stores that it may be given to.
    type Data: 'static;

    /// Does it, in a store, for the instance that calls.
    fn call(
        &self,
        store: &mut StoreInner<Self::Data>,
        caller: Option<StorePtr<InstanceRecord>>,
        args: &mut ArgReader<'_>,
        results: &mut ResultWriter<'_>,
    ) -> Result<()>;
}

/// A host function that is not yet in a store.
pub(crate) struct HostFunc {
    /// The module and the name under which it was defined; empty if it was made for one store.
    pub(crate) module: String,
    pub(crate) name: String,
    ty: RegisteredType,
    shape: CallShape,
    enter: unsafe extern "C" fn(*mut VmHostFunc, *mut VmCallFrame) -> u32,
    callable: Box<dyn Any + Send + Sync>,
}

impl HostFunc {
    /// The host function that does what `callable` does, with this signature.
    pub(crate) fn new<H: HostCallable>(module: &str, name: &str, ty: RegisteredType, callable: H) -> Self {
        let shape = CallShape::of(ty.sig());
        let (module, name) = (module.to_owned(), name.to_owned());
        Self { module, name, ty, shape, enter: enter_host::<H>, callable: Box::new(callable) }
    }

    /// Its signature.
    pub(crate) fn sig(&self) -> &FuncSig {
        self.ty.sig()
    }
    /// Its type.
    pub(crate) fn ty(&self) -> &RegisteredType {
        &self.ty
    }
}

/// A host function in a store: what guests are given as its context.
#[repr(C)]
struct HostFuncRecord {
    vm: VmHostFunc,
    store: *mut StoreOpaque,
    func_ref: VmFuncRef,
    func: Arc<HostFunc>,
}

/// Owns a [`HostFuncRecord`], which has a fixed address.
pub(crate) struct HostFuncObject(NonNull<HostFuncRecord>);

impl Drop for HostFuncObject {
    fn drop(&mut self) {
        // SAFETY: leaked in `add_host_func`, freed only here, with the store.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl StoreOpaque {
    /// Puts a host function into the store, whose data is what the function needs (H2).
    ///
    /// # Panics
    ///
    /// If the function was made for another engine: its signature's number would mean another one here.
    pub(crate) fn add_host_func(&mut self, func: Arc<HostFunc>) -> StorePtr<VmFuncRef> {
        assert!(func.ty.is_of(self.engine().types()), "host function used with a store of another engine");
        let shape = func.shape;
        let record = Box::new(HostFuncRecord {
            vm: VmHostFunc::new(func.enter, self.context(), shape.stack_bytes),
            store: self,
            func_ref: VmFuncRef {
                code: AtomicPtr::new(exit_stub(shape.uses_floats).cast_mut()),
                context: std::ptr::null_mut(),
                ty: func.ty.id(),
                id: 0,
            },
            func,
        });
        let record = Box::leak(record);
        record.func_ref.context = std::ptr::from_mut(&mut record.vm).cast::<VmContext>();
        let func_ref = NonNull::from(&mut record.func_ref);
        self.adopt_host_func(HostFuncObject(NonNull::from(record)));
        self.ptr(func_ref)
    }

    /// The instance that calls the host function which is entered now: that whose code last called out of itself. None if
    /// the host itself calls.
    #[inline]
    fn caller(&self) -> Option<StorePtr<InstanceRecord>> {
        // SAFETY: the store context lives as long as the store, and the guest is not running.
        let caller = NonNull::new(unsafe { (*self.context()).caller() })?;
        // SAFETY: guests write nothing but their own context there, and instances live as long as the store.
        Some(self.ptr(unsafe { InstanceRecord::of(caller.as_ptr().cast()) }))
    }
}

/// Enters the host from a guest: the only way there is.
///
/// Panics stop here and travel on, as values, to whoever entered the guest.
///
/// # Safety
///
/// * A stub calls it with the `VmHostFunc` that the guest called and the frame that holds its arguments.
unsafe extern "C" fn enter_host<H: HostCallable>(host: *mut VmHostFunc, frame: *mut VmCallFrame) -> u32 {
    // SAFETY: every `VmHostFunc` is the head of a record (`add_host_func`), which lives as long as the store.
    let record = unsafe { &*host.cast::<HostFuncRecord>() };
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the store is not borrowed while its guest runs (S2), and its data is `H::Data` (H2).
        let store = unsafe { &mut *record.store.cast::<StoreInner<H::Data>>() };
        // SAFETY: the stub's frame is ours until we return.
        let frame = unsafe { &mut *frame };
        let mark = store.opaque.handles.mark();
        let outcome = if store.opaque.doorkeeper.is_some() {
            watched::<H>(&record.func, store, frame)
        } else {
            // SAFETY: the frame is of this call, by the contract of this function.
            unsafe { call::<H>(&record.func, store, frame) }
        };
        store.opaque.handles.leave(mark);
        outcome
    }));
    let failure = match outcome {
        Ok(Ok(())) => return 0,
        Ok(Err(error)) => failure_of(error, record),
        Err(panic) => Failure::Panic(panic),
    };
    // SAFETY: the store outlives its guest; this is the innermost activation, since nested ones have returned.
    unsafe { fail((*record.store).context(), failure) };
    1
}

/// What becomes of an error: an exception that is under way goes on in the guest, which may catch it.
#[cold]
fn failure_of(error: anyhow::Error, record: &HostFuncRecord) -> Failure {
    // SAFETY: the store outlives its guest, and is not borrowed any more.
    let exception = unsafe { (*record.store).pending_exception().get() };
    if exception != gc::NULL && ThrownException::is_in(&error) {
        return Failure::Exception(Throw::Host(error));
    }
    Failure::Error(error)
}

/// # Safety
///
/// * `frame` was filled by a stub for a call of `func`, whose callable is an `H`.
#[inline]
unsafe fn call<H: HostCallable>(
    func: &HostFunc,
    store: &mut StoreInner<H::Data>,
    frame: &mut VmCallFrame,
) -> Result<()> {
    debug_assert!(func.callable.is::<H>());
    let callable: *const (dyn Any + Send + Sync) = &*func.callable;
    // SAFETY: set together with the `enter` that brought us here (H1), and alive as long as `func`.
    // PERF: asking for the type is an indirect call, one in five of what a small host function costs.
    let callable = unsafe { &*callable.cast::<H>() };
    let caller = store.opaque.caller();
    let frame: *mut VmCallFrame = frame;
    // SAFETY: by the caller's promise. The reader's reference and the writer's pointer touch different fields, except
    // for vector registers, which are read as arguments before the first result is written.
    let mut args = unsafe { ArgReader::new(&*frame, func.shape) };
    // SAFETY: as above.
    let mut results = unsafe { ResultWriter::new(&mut *frame, func.shape) };
    callable.call(store, caller, &mut args, &mut results)
}

/// The same under the eyes of the store's doorkeeper.
#[cold]
fn watched<H: HostCallable>(
    func: &Arc<HostFunc>,
    store: &mut StoreInner<H::Data>,
    frame: &mut VmCallFrame,
) -> Result<()> {
    // SAFETY: the frame is of this call, by the contract of `enter_host`.
    let mut reader = unsafe { ArgReader::new(frame, func.shape) };
    let opaque = &mut store.opaque;
    let args: Vec<Val> =
        func.sig().params().iter().map(|ty| Val::from_raw(opaque, *ty, reader.next(*ty))).collect();
    let host_call = HostCall::new(&func.module, &func.name, &args);
    // The doorkeeper stays in the store: if it panics, it still watches the next call.
    let verdict = store.opaque.doorkeeper.as_mut().map_or(Verdict::Pass, |keeper| keeper.before(&host_call));
    let outcome = match verdict {
        Verdict::Deny(error) => return Err(error),
        Verdict::Answer(answer) => answer_with(func, &mut store.opaque, frame, &answer),
        // SAFETY: as above.
        Verdict::Pass => unsafe { call::<H>(func, store, frame) },
    };
    let answer = outcome.map(|()| {
        // SAFETY: the results have just been written.
        let mut reader = unsafe { ResultReader::new(frame, func.shape) };
        let opaque = &mut store.opaque;
        func.sig().results().iter().map(|ty| Val::from_raw(opaque, *ty, reader.next(*ty))).collect::<Vec<_>>()
    });
    if let Some(keeper) = &mut store.opaque.doorkeeper {
        keeper.after(&host_call, answer.as_deref());
    }
    answer.map(|_| ())
}

/// Writes a doorkeeper's own answer.
fn answer_with(
    func: &HostFunc,
    store: &mut StoreOpaque,
    frame: &mut VmCallFrame,
    answer: &[Val],
) -> Result<()> {
    let wanted = func.sig().results();
    anyhow::ensure!(
        answer.len() == wanted.len(),
        "the doorkeeper answers {} with {} values instead of {}",
        func.name,
        answer.len(),
        wanted.len()
    );
    // SAFETY: the frame is of this call, by the contract of `enter_host`.
    let mut results = unsafe { ResultWriter::new(frame, func.shape) };
    for (value, ty) in answer.iter().zip(wanted) {
        results.next(*ty, value.to_raw_as(store, *ty)?);
    }
    Ok(())
}
