//! References that the host holds: the roots of a store that are in no frame, global or table.
//!
//! # Invariants
//!
//! * **J1** A scoped handle is the place of a reference in a list that grows and is cut back as scopes are left, and the
//!   number of the scope's generation: a handle that outlived its scope is found out by it, unless 2^32 scopes came since.
//! * **J2** An owned handle keeps its place as long as a copy of its token lives.

use std::sync::{Arc, Weak};

/// The host's references in one store.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    scoped: Vec<Scoped>,
    generation: u32,
    owned: Vec<Option<Owned>>,
    /// Places that nobody owned any more when that was looked at.
    free: Vec<u32>,
    /// Owned places are looked through for dead ones when there are so many and none is known to be free: twice as many as
    /// were alive then, so that looking costs each handle a constant time.
    sweep_at: usize,
}

#[derive(Clone, Copy, Debug)]
struct Scoped {
    reference: u32,
    generation: u32,
}

#[derive(Debug)]
struct Owned {
    reference: u32,
    token: Weak<()>,
}

/// A handle that keeps its reference as long as it lives itself.
#[derive(Clone, Debug)]
pub(crate) struct OwnedHandle {
    place: u32,
    _token: Arc<()>,
}

impl Handles {
    /// How many scoped handles there are: what a scope is cut back to.
    #[inline]
    pub(crate) fn mark(&self) -> usize {
        self.scoped.len()
    }

    /// Leaves the scopes that were entered since there were so many handles.
    #[inline]
    pub(crate) fn leave(&mut self, mark: usize) {
        if self.scoped.len() > mark {
            self.scoped.truncate(mark);
            self.generation = self.generation.wrapping_add(1);
        }
    }

    /// A handle in the current scope: its place and generation.
    pub(crate) fn push(&mut self, reference: u32) -> (u32, u32) {
        let place = u32::try_from(self.scoped.len()).expect("fewer handles than bytes of memory");
        self.scoped.push(Scoped { reference, generation: self.generation });
        (place, self.generation)
    }

    /// The reference of a handle whose scope was not left.
    pub(crate) fn get(&self, place: u32, generation: u32) -> Option<u32> {
        let scoped = self.scoped.get(place as usize)?;
        (scoped.generation == generation).then_some(scoped.reference)
    }

    /// A handle that outlives scopes.
    pub(crate) fn own(&mut self, reference: u32) -> OwnedHandle {
        let token = Arc::new(());
        let owned = Owned { reference, token: Arc::downgrade(&token) };
        let place = match self.free_place() {
            Some(place) => {
                self.owned[place as usize] = Some(owned);
                place
            }
            None => {
                self.owned.push(Some(owned));
                u32::try_from(self.owned.len() - 1).expect("fewer handles than bytes of memory")
            }
        };
        OwnedHandle { place, _token: token }
    }

    /// A place that nobody owns any more, if it is worth looking for one.
    fn free_place(&mut self) -> Option<u32> {
        if self.free.is_empty() && self.owned.len() >= self.sweep_at.max(16) {
            self.forget_dead();
            self.sweep_at = 2 * (self.owned.len() - self.free.len());
        }
        self.free.pop()
    }

    fn forget_dead(&mut self) {
        for owned in &mut self.owned {
            if owned.as_ref().is_some_and(|owned| owned.token.strong_count() == 0) {
                *owned = None;
            }
        }
        while self.owned.last().is_some_and(Option::is_none) {
            self.owned.pop();
        }
        let places = self.owned.iter().zip(0..);
        self.free = places.filter_map(|(owned, place)| owned.is_none().then_some(place)).collect();
    }

    /// The reference of an owned handle of this store.
    pub(crate) fn get_owned(&self, handle: &OwnedHandle) -> Option<u32> {
        self.owned.get(handle.place as usize)?.as_ref().map(|owned| owned.reference)
    }

    /// Calls `visit` with every reference.
    pub(super) fn visit(&mut self, visit: &mut impl FnMut(&mut u32)) {
        self.forget_dead();
        self.scoped.iter_mut().for_each(|scoped| visit(&mut scoped.reference));
        self.owned.iter_mut().flatten().for_each(|owned| visit(&mut owned.reference));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_end_with_their_scope() {
        let mut handles = Handles::default();
        let outer = handles.push(8);
        let mark = handles.mark();
        let inner = handles.push(16);
        assert_eq!((handles.get(outer.0, outer.1), handles.get(inner.0, inner.1)), (Some(8), Some(16)));
        handles.leave(mark);
        assert_eq!(handles.get(inner.0, inner.1), None);
        let reused = handles.push(24);
        assert_eq!(reused.0, inner.0);
        assert_eq!(handles.get(inner.0, inner.1), None);
        assert_eq!(handles.get(outer.0, outer.1), Some(8));
    }

    #[test]
    fn owned_handles_live_as_long_as_a_copy() {
        let mut handles = Handles::default();
        let kept = handles.own(8);
        for reference in 2..10_000 {
            let copy = handles.own(reference * 8).clone();
            assert_eq!(handles.get_owned(&copy), Some(reference * 8));
        }
        assert!(handles.owned.len() < 100, "dead places are used again: {}", handles.owned.len());
        let mut seen = Vec::new();
        handles.visit(&mut |reference| seen.push(*reference));
        assert_eq!(seen, [8]);
        assert_eq!(handles.get_owned(&kept), Some(8));
    }
}
