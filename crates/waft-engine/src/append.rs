//! A list that only grows, and that is read without a lock while it does.
//!
//! # Invariants
//!
//! * **A1** Entries below `len` are there, and neither move nor change: `len` is published after them.
//!
//! # Elsewhere
//!
//! What is found in such lists by signal handlers: `lazy/chunk.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Entries of the first bucket; each bucket has twice as many as the one before.
const FIRST: usize = 16;
/// Enough for 2^32 entries.
const BUCKETS: usize = 28;

/// The list. Reading it neither locks nor allocates, so signal handlers may.
pub(crate) struct AppendList<T> {
    buckets: [OnceLock<Box<[OnceLock<T>]>>; BUCKETS],
    len: AtomicUsize,
    /// Held by whoever appends.
    appending: Mutex<()>,
}

impl<T> Default for AppendList<T> {
    fn default() -> Self {
        Self {
            buckets: [const { OnceLock::new() }; BUCKETS],
            len: AtomicUsize::new(0),
            appending: Mutex::new(()),
        }
    }
}

/// The bucket of an entry, and its place there.
fn place(at: usize) -> (usize, usize) {
    let bucket = (at / FIRST + 1).ilog2() as usize;
    (bucket, at - FIRST * ((1 << bucket) - 1))
}

impl<T> AppendList<T> {
    /// Appends an entry.
    ///
    /// # Panics
    ///
    /// If there are 2^32 already.
    pub(crate) fn push(&self, value: T) {
        let appending = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.len.load(Ordering::Relaxed);
        let (bucket, place) = place(at);
        let entries =
            self.buckets[bucket].get_or_init(|| (0..FIRST << bucket).map(|_| OnceLock::new()).collect());
        // Nobody else appends, and `len` grows by one for each entry that is set.
        let fresh = entries[place].set(value).is_ok();
        assert!(fresh, "entry {at} of a list was there already");
        self.len.store(at + 1, Ordering::Release);
        drop(appending);
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// An entry.
    pub(crate) fn get(&self, at: usize) -> Option<&T> {
        let (bucket, place) = place(at);
        self.buckets.get(bucket)?.get()?.get(place)?.get()
    }

    /// The entries that are there now.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).map_while(|at| self.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_places() {
        assert_eq!(
            [0, 15, 16, 47, 48, 111, 112].map(place),
            [(0, 0), (0, 15), (1, 0), (1, 31), (2, 0), (2, 63), (3, 0)]
        );
        let list = AppendList::default();
        (0..1000).for_each(|number| list.push(number));
        assert!(list.iter().copied().eq(0..1000));
        assert_eq!(
            (list.len(), list.get(999), list.get(1000), list.get(usize::MAX / 2)),
            (1000, Some(&999), None, None)
        );
    }

    #[test]
    fn readers_see_whole_entries_while_others_append() {
        let list = AppendList::default();
        std::thread::scope(|scope| {
            for writer in 0..2_usize {
                let list = &list;
                scope.spawn(move || (0..2000).for_each(|at| list.push(vec![writer, at])));
            }
            while list.len() < 4000 {
                assert!(list.iter().all(|entry| entry.len() == 2));
            }
        });
        for writer in 0..2 {
            let mine = list.iter().filter(|entry| entry[0] == writer).map(|entry| entry[1]);
            assert!(mine.eq(0..2000));
        }
    }
}
