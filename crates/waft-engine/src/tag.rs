//! Tags of exceptions, as embedders hold them.

use crate::store::{AsContext, AsContextMut};
use crate::types::{FuncType, TagType};
use crate::vm::StoreId;
use anyhow::{Result, ensure};
use std::num::NonZeroU32;

/// A tag in a store: what kind an exception is of. Two tags are different even if their types are equal.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []));
/// let tag = Tag::new(&mut store, &ty)?;
/// assert_eq!(tag.ty(&store), ty);
/// assert!(Tag::eq(&tag, &tag, &store) && !Tag::eq(&tag, &Tag::new(&mut store, &ty)?, &store));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tag {
    store: StoreId,
    number: NonZeroU32,
}

impl Tag {
    /// A tag that belongs to the host.
    ///
    /// # Errors
    ///
    /// If the type has results, which no exception can give, or the store has no number left for a tag.
    ///
    /// # Panics
    ///
    /// If the type belongs to another engine.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let tag = Tag::new(&mut store, &TagType::new(FuncType::new(&engine, [], [])))?;
    /// let mut linker = Linker::new(&engine);
    /// linker.define(&store, "env", "failure", tag)?;
    /// assert!(Tag::new(&mut store, &TagType::new(FuncType::new(&engine, [], [ValType::I32]))).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(mut store: impl AsContextMut, ty: &TagType) -> Result<Self> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let registered = ty.ty().registered();
        assert!(registered.is_of(opaque.engine().types()), "a type of another engine: {ty}");
        ensure!(registered.sig().results().is_empty(), "a tag's type has results: {ty}");
        opaque.keep_type(registered.clone());
        let number = opaque.add_tag(registered.id())?;
        Ok(Self { store: opaque.id(), number })
    }

    pub(crate) fn new_handle(store: StoreId, number: NonZeroU32) -> Self {
        Self { store, number }
    }
    pub(crate) fn store(&self) -> StoreId {
        self.store
    }
    /// Its number in its store.
    pub(crate) fn number(&self) -> NonZeroU32 {
        self.number
    }

    /// Its type.
    ///
    /// # Panics
    ///
    /// If it belongs to another store.
    pub fn ty(&self, store: impl AsContext) -> TagType {
        let opaque = &store.as_context().0.opaque;
        assert!(self.store == opaque.id(), "object used with the wrong store: a tag");
        TagType::new(FuncType::claimed(opaque.engine().types(), opaque.tag_type(self.number)))
    }

    /// Whether two handles mean one tag.
    pub fn eq(a: &Self, b: &Self, _store: impl AsContext) -> bool {
        a.store == b.store && a.number == b.number
    }
}
