//! Host values that objects of the heap, the *extern boxes*, refer to by their index.
//!
//! A box is not trusted: its index may be any number. What a made-up index leads to is another host value, or none.

use std::any::Any;
use std::sync::Arc;

/// A value of the host.
pub(crate) type HostValue = Arc<dyn Any + Send + Sync>;

/// The host values of a store.
#[derive(Default)]
pub(super) struct Externs {
    values: Vec<Option<HostValue>>,
    free: Vec<u32>,
    young: Vec<YoungBox>,
    /// One bit a value, during a full collection.
    marks: Vec<u64>,
}

/// A box that was made since the last collection.
#[derive(Clone, Copy)]
struct YoungBox {
    at: u32,
    index: u32,
}

impl Externs {
    /// Keeps `value`; the index that the box must hold, which will stand at offset `at` of the nursery.
    pub(super) fn insert(&mut self, value: HostValue, at: u32) -> u32 {
        let index = match self.free.pop() {
            Some(index) => {
                self.values[index as usize] = Some(value);
                index
            }
            None => {
                // A heap has room for fewer than 2^29 boxes.
                let index = self.values.len() as u32;
                self.values.push(Some(value));
                index
            }
        };
        self.young.push(YoungBox { at, index });
        index
    }

    /// The value of a box.
    pub(super) fn get(&self, index: u32) -> Option<&HostValue> {
        self.values.get(index as usize)?.as_ref()
    }

    /// How many values are kept.
    pub(super) fn len(&self) -> usize {
        self.values.len() - self.free.len()
    }

    /// After a minor collection: gives up the values of young boxes that did not survive it, and returns them.
    #[must_use]
    pub(super) fn sweep_young(&mut self, survived: impl Fn(u32) -> bool) -> Vec<HostValue> {
        let mut dead = Vec::new();
        for YoungBox { at, index } in std::mem::take(&mut self.young) {
            if !survived(at) {
                self.remove(index, &mut dead);
            }
        }
        dead
    }

    /// Before a full collection: no value is known to be needed.
    pub(super) fn clear_marks(&mut self) {
        self.marks.clear();
        self.marks.resize(self.values.len().div_ceil(64), 0);
    }

    /// During a full collection: the box with this index survives.
    pub(super) fn mark(&mut self, index: u32) {
        if let Some(word) = self.marks.get_mut(index as usize / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// After a full collection: gives up all values that were not marked, and returns them.
    #[must_use]
    pub(super) fn sweep(&mut self) -> Vec<HostValue> {
        self.young.clear();
        let mut dead = Vec::new();
        for index in 0..self.values.len() as u32 {
            if self.marks[index as usize / 64] >> (index % 64) & 1 == 0 {
                self.remove(index, &mut dead);
            }
        }
        self.marks = Vec::new();
        dead
    }

    fn remove(&mut self, index: u32, dead: &mut Vec<HostValue>) {
        if let Some(value) = self.values[index as usize].take() {
            self.free.push(index);
            dead.push(value);
        }
    }
}
