//! `externref`: values of the host that guests can hold and pass back, and do nothing else with.

use crate::store::{AsContext, AsContextMut};
use crate::vm::{RawRef, StoreId, StoreOpaque};
use anyhow::{Result, ensure};
use std::any::Any;
use std::num::NonZeroU32;
use std::sync::Arc;

/// A host value in a store. The store keeps it until it is dropped itself.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let value = ExternRef::new(&mut store, "a host value")?;
/// let back = value.data(&store)?;
/// assert_eq!(back.downcast_ref::<&str>(), Some(&"a host value"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExternRef {
    store: StoreId,
    handle: NonZeroU32,
}

impl ExternRef {
    /// Puts `value` into the store.
    ///
    /// # Errors
    ///
    /// If the store has no handle left; it has 2^32.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// struct Connection {
    ///     peer: String,
    /// }
    /// let connection = ExternRef::new(&mut store, Connection { peer: "example.org".into() })?;
    /// // Guests get it as an argument, a global or an element of a table.
    /// let echo = Func::wrap(&mut store, |value: Option<ExternRef>| value);
    /// let mut results = [Val::ExternRef(None)];
    /// echo.call(&mut store, &[connection.into()], &mut results)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync) -> Result<Self> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let handle = opaque.adopt_extern(Arc::new(value))?;
        Ok(Self { store: opaque.id(), handle })
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// If it belongs to another store.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let value = ExternRef::new(&mut store, 7_u8)?;
    /// assert_eq!(value.data(&store)?.downcast_ref(), Some(&7_u8));
    /// let other = Store::new(&Engine::default(), ());
    /// assert!(value.data(&other).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn data<'a>(&self, store: &'a impl AsContext) -> Result<&'a (dyn Any + Send + Sync)> {
        let opaque = &store.as_context().0.opaque;
        ensure!(self.store == opaque.id(), "the externref belongs to another store");
        let value = opaque.extern_value(self.handle);
        value.map(|value| &**value).ok_or_else(|| anyhow::anyhow!("the store does not know this externref"))
    }

    pub(crate) fn from_raw(store: &StoreOpaque, raw: RawRef) -> Option<Self> {
        raw.as_extern().map(|handle| Self { store: store.id(), handle })
    }

    pub(crate) fn to_raw(value: Option<Self>, store: &StoreOpaque) -> Result<RawRef> {
        if let Some(value) = value {
            ensure!(value.store == store.id(), "the externref belongs to another store");
        }
        Ok(RawRef::from_extern(value.map(|value| value.handle)))
    }
}
