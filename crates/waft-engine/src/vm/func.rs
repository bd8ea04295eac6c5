//! Calls from the host into functions.
//!
//! # Invariants
//!
//! * **L1** A [`Callee`] says what its function's signature makes of a call: it is made from the signature that the
//!   function's `VmFuncRef` names.

use super::activation::{GuestExit, enter_guest};
use super::context::{StorePtr, VmFuncRef};
use super::frame::{ArgWriter, CallShape, OutgoingCall, ResultReader};
use super::instance::InstanceRecord;
use super::store::StoreOpaque;
use crate::exception::ThrownException;
use anyhow::Result;
use std::sync::Arc;
use waft_core::types::{FuncSig, SubType};

/// A function together with what calling it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callee {
    func: StorePtr<VmFuncRef>,
    shape: CallShape,
}

impl Callee {
    /// Prepares calls of `func`.
    pub(crate) fn new(store: &StoreOpaque, func: StorePtr<VmFuncRef>) -> Self {
        Self { func, shape: CallShape::of(&store.func_sig(func)) }
    }

    /// Calls the function with the arguments that `write` writes, of the types of its signature and in order, and
    /// gives what `read` reads of its results.
    ///
    /// # Errors
    ///
    /// If the guest traps, or a host function that it calls fails.
    #[inline]
    pub(crate) fn call<R>(
        &self,
        store: &mut StoreOpaque,
        write: impl FnOnce(&mut StoreOpaque, &mut ArgWriter<'_>) -> Result<()>,
        read: impl FnOnce(&mut StoreOpaque, &mut ResultReader<'_>) -> R,
    ) -> Result<R> {
        self.call_as(None, store, write, read)
    }

    /// The same on behalf of an instance, which a host function then sees as its caller.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    #[inline]
    pub(crate) fn call_as<R>(
        &self,
        caller: Option<StorePtr<InstanceRecord>>,
        store: &mut StoreOpaque,
        write: impl FnOnce(&mut StoreOpaque, &mut ArgWriter<'_>) -> Result<()>,
        read: impl FnOnce(&mut StoreOpaque, &mut ResultReader<'_>) -> R,
    ) -> Result<R> {
        let func = store.at(self.func);
        let (code, context) = (func.code(), func.context);
        let mut call = OutgoingCall::new(self.shape);
        write(store, &mut call.args())?;
        call.frame.ints[0] = context as u64;
        let caller = caller.map_or(std::ptr::null_mut(), |caller| store.at(caller).context());
        let stack_bytes_max = store.engine().config().max_wasm_stack;
        // SAFETY: the function belongs to this store, which nobody else uses (`&mut`), and the frame is of the shape
        // that its code expects (L1).
        let outcome = unsafe {
            enter_guest(
                store.context(),
                caller,
                code,
                &mut call.frame,
                stack_bytes_max,
                self.shape.uses_floats,
            )
        };
        match outcome {
            Ok(()) => Ok(read(store, &mut call.results())),
            Err(exit) => Err(raise(exit)),
        }
    }
}

/// The signature of a function in a store.
pub(crate) struct FuncSigRef(Arc<SubType>);

impl std::ops::Deref for FuncSigRef {
    type Target = FuncSig;
    fn deref(&self) -> &FuncSig {
        self.0.composite.as_func().expect("the type of a function")
    }
}

/// Makes an error of the way in which a guest ended; a panic of the host goes on from here.
#[cold]
fn raise(exit: GuestExit) -> anyhow::Error {
    match exit {
        GuestExit::Trap { code, backtrace } => crate::backtrace::attach(anyhow::Error::new(code), &backtrace),
        GuestExit::Error { error, backtrace } => crate::backtrace::attach(error, &backtrace),
        GuestExit::Exception { backtrace } => {
            crate::backtrace::attach(anyhow::Error::new(ThrownException), &backtrace)
        }
        GuestExit::Panic(payload) => std::panic::resume_unwind(payload),
    }
}

impl StoreOpaque {
    /// The signature of a function.
    pub(crate) fn func_sig(&self, func: StorePtr<VmFuncRef>) -> FuncSigRef {
        FuncSigRef(self.known_type(self.func_type_id(func)))
    }
    /// The engine's number for the type of a function.
    pub(crate) fn func_type_id(&self, func: StorePtr<VmFuncRef>) -> u32 {
        self.at(func).ty
    }
}
