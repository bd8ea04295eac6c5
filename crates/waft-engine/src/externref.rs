//! `externref`: values of the host that guests can hold and pass back, and do nothing else with.

use crate::anyref::AnyRef;
use crate::rooted::{GcRef, Rooted, Sealed};
use crate::store::{AsContext, AsContextMut};
use anyhow::Result;
use std::any::Any;
use std::sync::Arc;
use waft_core::types::HeapType;

/// A host value in a store, or a guest's value that was made external. Handles of it are [`Rooted`].
///
/// The value is dropped when neither the host nor a guest can reach it any more, by a collection, or with the store.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let value = ExternRef::new(&mut store, "a host value")?;
/// let back = value.data(&store)?.context("not a host value")?;
/// assert_eq!(back.downcast_ref::<&str>(), Some(&"a host value"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ExternRef(());

impl Sealed for ExternRef {}
impl GcRef for ExternRef {
    const HEAP: HeapType = HeapType::Extern;
}

impl ExternRef {
    /// Puts `value` into the store.
    ///
    /// # Errors
    ///
    /// If the store's heap has no room.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// struct Connection {
    ///     peer: String,
    /// }
    /// let connection = ExternRef::new(&mut store, Connection { peer: "example.org".into() })?;
    /// // Guests get it as an argument, a global or an element of a table.
    /// let echo = Func::wrap(&mut store, |value: Option<Rooted<ExternRef>>| value);
    /// let mut results = [Val::ExternRef(None)];
    /// echo.call(&mut store, &[connection.into()], &mut results)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(mut store: impl AsContextMut, value: impl Any + Send + Sync) -> Result<Rooted<Self>> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let reference = opaque.new_extern(Arc::new(value))?;
        Ok(Rooted::new(opaque, reference))
    }

    /// A guest's value made external: `extern.convert_any`.
    ///
    /// # Errors
    ///
    /// If the handle belongs to another store, or its scope was left.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let seven = AnyRef::from_i31(&mut store, I31::wrapping_u32(7));
    /// let external = ExternRef::convert_any(&mut store, seven)?;
    /// assert!(external.data(&store)?.is_none(), "it is no value of the host");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn convert_any(mut store: impl AsContextMut, value: Rooted<AnyRef>) -> Result<Rooted<Self>> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let reference = value.reference(opaque)?;
        Ok(Rooted::new(opaque, reference))
    }
}

impl Rooted<ExternRef> {
    /// The host value; `None` if it is a guest's value made external.
    ///
    /// # Errors
    ///
    /// If the handle belongs to another store, or its scope was left.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let value = ExternRef::new(&mut store, 7_u8)?;
    /// assert_eq!(value.data(&store)?.unwrap().downcast_ref(), Some(&7_u8));
    /// let other = Store::new(&Engine::default(), ());
    /// assert!(value.data(&other).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn data<'a>(&self, store: &'a impl AsContext) -> Result<Option<&'a (dyn Any + Send + Sync)>> {
        let opaque = &store.as_context().0.opaque;
        let reference = self.reference(opaque)?;
        Ok(opaque.heap().and_then(|heap| heap.extern_value(reference)).map(|value| &**value))
    }
}
