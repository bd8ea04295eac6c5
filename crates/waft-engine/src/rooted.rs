//! Handles of references into a store's GC heap: a collection keeps what they refer to, and moves it as it likes.

use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut};
use crate::vm::{OwnedHandle, RawRef, StoreId, StoreOpaque};
use anyhow::{Context as _, Result, ensure};
use std::fmt;
use std::marker::PhantomData;
use waft_core::types::HeapType;

mod sealed {
    /// Keeps the trait of this file to the types of references that there are.
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// A type of references into the GC heap: [`ExternRef`](crate::ExternRef), [`AnyRef`](crate::AnyRef) and those below it.
pub trait GcRef: sealed::Sealed + 'static {
    #[doc(hidden)]
    const HEAP: HeapType;
}

/// A reference that is kept until the scope in which it was made is left: the call of a host function, a [`RootScope`], or
/// the store itself. It is a number: cheap to copy, and harmless when its scope is gone.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let outer = ExternRef::new(&mut store, "kept as long as the store")?;
/// let inner = {
///     let mut scope = RootScope::new(&mut store);
///     ExternRef::new(&mut scope, "kept as long as the scope")?
/// };
/// assert!(outer.data(&store)?.is_some());
/// assert!(inner.data(&store).is_err());
/// # Ok(())
/// # }
/// ```
pub struct Rooted<T: GcRef> {
    store: StoreId,
    place: u32,
    generation: u32,
    ty: PhantomData<fn() -> T>,
}

impl<T: GcRef> Clone for Rooted<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: GcRef> Copy for Rooted<T> {}

impl<T: GcRef> fmt::Debug for Rooted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rooted({} {} of store {})", T::HEAP, self.place, self.store.number())
    }
}

impl<T: GcRef> Rooted<T> {
    /// A handle in the store's current scope.
    pub(crate) fn new(store: &mut StoreOpaque, reference: u32) -> Self {
        let (place, generation) = store.handles.push(reference);
        Self { store: store.id(), place, generation, ty: PhantomData }
    }

    /// A handle, unless the reference is null.
    pub(crate) fn from_raw(store: &mut StoreOpaque, raw: RawRef) -> Option<Self> {
        match raw.as_gc() {
            0 => None,
            reference => Some(Self::new(store, reference)),
        }
    }

    /// The reference, for use before the next collection.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left.
    pub(crate) fn reference(&self, store: &StoreOpaque) -> Result<u32> {
        ensure!(self.store == store.id(), "the {}ref belongs to another store", T::HEAP);
        let reference = store.handles.get(self.place, self.generation);
        reference.with_context(|| format!("the {}ref was used after its scope was left", T::HEAP))
    }

    /// The same reference seen as one of another type.
    pub(crate) fn retyped<U: GcRef>(self) -> Rooted<U> {
        Rooted { store: self.store, place: self.place, generation: self.generation, ty: PhantomData }
    }

    /// Whether two handles mean one reference.
    ///
    /// # Errors
    ///
    /// If one of them belongs to another store, or its scope was left.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let one = ExternRef::new(&mut store, 1)?;
    /// let other = ExternRef::new(&mut store, 1)?;
    /// assert!(Rooted::ref_eq(&store, &one, &one)? && !Rooted::ref_eq(&store, &one, &other)?);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn ref_eq(store: impl AsContext, a: &Self, b: &Self) -> Result<bool> {
        let opaque = &store.as_context().0.opaque;
        Ok(a.reference(opaque)? == b.reference(opaque)?)
    }

    /// A handle that outlives the scope.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let owned = {
    ///     let mut scope = RootScope::new(&mut store);
    ///     ExternRef::new(&mut scope, 7)?.to_owned_rooted(&mut scope)?
    /// };
    /// assert_eq!(owned.to_rooted(&mut store).data(&store)?.unwrap().downcast_ref(), Some(&7));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn to_owned_rooted(&self, mut store: impl AsContextMut) -> Result<OwnedRooted<T>> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let reference = self.reference(opaque)?;
        Ok(OwnedRooted { store: opaque.id(), handle: opaque.handles.own(reference), ty: PhantomData })
    }
}

/// A reference that is kept as long as this handle or a clone of it lives.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), Vec::new());
/// let remember = Func::wrap(
///     &mut store,
///     |mut caller: Caller<'_, Vec<OwnedRooted<ExternRef>>>, value: Option<Rooted<ExternRef>>| -> Result<()> {
///         let owned = value.context("null")?.to_owned_rooted(&mut caller)?;
///         caller.data_mut().push(owned);
///         Ok(())
///     },
/// );
/// let value = ExternRef::new(&mut store, "remembered")?;
/// remember.call(&mut store, &[value.into()], &mut [])?;
/// let kept = store.data()[0].clone().to_rooted(&mut store);
/// assert_eq!(kept.data(&store)?.unwrap().downcast_ref(), Some(&"remembered"));
/// # Ok(())
/// # }
/// ```
pub struct OwnedRooted<T: GcRef> {
    store: StoreId,
    handle: OwnedHandle,
    ty: PhantomData<fn() -> T>,
}

impl<T: GcRef> Clone for OwnedRooted<T> {
    fn clone(&self) -> Self {
        Self { store: self.store, handle: self.handle.clone(), ty: PhantomData }
    }
}

impl<T: GcRef> fmt::Debug for OwnedRooted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedRooted({} of store {})", T::HEAP, self.store.number())
    }
}

impl<T: GcRef> OwnedRooted<T> {
    /// A handle in the store's current scope.
    ///
    /// # Panics
    ///
    /// If it belongs to another store.
    pub fn to_rooted(&self, mut store: impl AsContextMut) -> Rooted<T> {
        let opaque = &mut store.as_context_mut().0.opaque;
        assert!(self.store == opaque.id(), "object used with the wrong store: {self:?}");
        let reference = opaque.handles.get_owned(&self.handle);
        Rooted::new(opaque, reference.expect("an owned handle keeps its place"))
    }
}

/// A scope for [`Rooted`] handles: what is made through it is given up when it is dropped.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), 0);
/// for number in 0..1_000 {
///     let mut scope = RootScope::new(&mut store);
///     let value = ExternRef::new(&mut scope, number)?;
///     assert!(value.data(&scope)?.is_some());
///     *scope.as_context_mut().data_mut() += 1;
/// }
/// store.gc();
/// assert_eq!(*store.data(), 1_000);
/// # Ok(())
/// # }
/// ```
pub struct RootScope<C: AsContextMut> {
    store: C,
    mark: usize,
}

impl<C: AsContextMut> RootScope<C> {
    /// A scope within the current one.
    pub fn new(mut store: C) -> Self {
        let mark = store.as_context_mut().0.opaque.handles.mark();
        Self { store, mark }
    }
}

impl<C: AsContextMut> Drop for RootScope<C> {
    fn drop(&mut self) {
        self.store.as_context_mut().0.opaque.handles.leave(self.mark);
    }
}

impl<C: AsContextMut> AsContext for RootScope<C> {
    type Data = C::Data;
    fn as_context(&self) -> StoreContext<'_, C::Data> {
        self.store.as_context()
    }
}

impl<C: AsContextMut> AsContextMut for RootScope<C> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        self.store.as_context_mut()
    }
}

impl<C: AsContextMut> fmt::Debug for RootScope<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootScope").finish_non_exhaustive()
    }
}
