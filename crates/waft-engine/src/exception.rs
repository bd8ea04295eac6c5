//! Exceptions as embedders see them.

use std::fmt;

/// The error of a call whose guest threw an exception that it did not catch: the store holds the exception.
///
/// A host function that returns it, by itself or as a cause of its error, lets the exception go on in the guest that called
/// it, which may catch it.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let module = Module::new(&engine, r#"(module (tag $t) (func (export "f") throw $t))"#)?;
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let error = instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ()).unwrap_err();
/// assert!(error.is::<ThrownException>() && store.has_pending_exception());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThrownException;

impl ThrownException {
    /// Whether an error is this one, or has it as a cause.
    pub(crate) fn is_in(error: &anyhow::Error) -> bool {
        error.is::<Self>() || error.chain().any(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for ThrownException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exception that nobody caught")
    }
}

impl std::error::Error for ThrownException {}
