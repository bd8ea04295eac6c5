//! Where a store lives: one allocation that never moves, reached by raw pointers from its own guests.
//!
//! # Invariants
//!
//! * **O1** The pointer is to one live allocation, made in [`StoreBox::new`] and freed once.

use crate::limits::HostLimits;
use crate::store::StoreInner;
use std::ptr::NonNull;

/// An owned store at a fixed address.
pub(crate) struct StoreBox<T: 'static>(NonNull<StoreInner<T>>);

// SAFETY: it owns the store, as a `Box` would.
unsafe impl<T: Send> Send for StoreBox<T> {}
// SAFETY: `&StoreBox` gives `&StoreInner` only, as a `Box` would.
unsafe impl<T: Sync> Sync for StoreBox<T> {}

impl<T> StoreBox<T> {
    /// Gives the store its place.
    pub(crate) fn new(store: StoreInner<T>) -> Self {
        let at = NonNull::from(Box::leak(Box::new(store)));
        // SAFETY: just allocated (O1).
        let host = unsafe { &raw mut (*at.as_ptr()).host };
        let host: *mut dyn HostLimits = host;
        let host = NonNull::new(host).expect("a field of a live allocation");
        // SAFETY: just allocated (O1); the host half stays there as long as the store, which alone uses it.
        unsafe { (*at.as_ptr()).opaque.set_host(host) };
        Self(at)
    }
    /// The store.
    pub(crate) fn get(&self) -> &StoreInner<T> {
        // SAFETY: O1, and `&self` rules out a `&mut`.
        unsafe { self.0.as_ref() }
    }
    /// The store, to be changed.
    pub(crate) fn get_mut(&mut self) -> &mut StoreInner<T> {
        // SAFETY: O1, and `&mut self` rules out any other reference.
        unsafe { self.0.as_mut() }
    }
    /// The store, moved out.
    pub(crate) fn into_inner(self) -> StoreInner<T> {
        let at = self.0;
        std::mem::forget(self);
        // SAFETY: O1; `self` is forgotten, so nobody frees it again. No guest runs while the store can be moved, and
        // the engine's half is dropped without looking for the host's.
        *unsafe { Box::from_raw(at.as_ptr()) }
    }
}

impl<T> Drop for StoreBox<T> {
    fn drop(&mut self) {
        // SAFETY: O1; freed only here or in `into_inner`, which forgets `self`.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
