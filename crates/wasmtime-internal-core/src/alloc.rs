//! Growing and copying collections where a refused allocation is an error, not the end of the process.

use core::mem::size_of;

use global_alloc::{boxed::Box, vec::Vec};

use crate::error::OutOfMemory;

/// A vector that reports a refused allocation to its caller.
#[derive(Debug)]
pub struct TryVec<T> {
    items: Vec<T>,
}

impl<T> TryVec<T> {
    /// Makes room for `additional` more elements, and for no more than that if the allocator can be so exact.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the allocator refuses, or if the size overflows; the vector is then unchanged.
    #[inline]
    pub fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        self.items.try_reserve_exact(additional).map_err(|_| self.refused(additional))
    }

    /// The elements as a boxed slice.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if spare room has to be given back and the allocator refuses the smaller allocation.
    pub fn into_boxed_slice(mut self) -> Result<Box<[T]>, OutOfMemory> {
        if self.items.capacity() == self.items.len() {
            return Ok(self.items.into_boxed_slice());
        }
        // Shrinking in place is infallible in `Vec`'s interface, which means that it aborts where it fails.
        // A fresh allocation of the right size can say no.
        let mut exact = Self { items: Vec::new() };
        exact.reserve_exact(self.items.len())?;
        exact.items.append(&mut self.items);
        Ok(exact.items.into_boxed_slice())
    }

    /// The error for a refused growth by `additional` elements.
    #[cold]
    fn refused(&self, additional: usize) -> OutOfMemory {
        let items = self.items.len().saturating_add(additional);
        OutOfMemory::new(items.saturating_mul(size_of::<T>()))
    }
}

impl<T> From<Box<[T]>> for TryVec<T> {
    /// Takes over the slice's allocation; nothing is copied.
    #[inline]
    fn from(items: Box<[T]>) -> Self {
        Self { items: items.into_vec() }
    }
}

/// [`Extend`] for collections that can refuse.
pub trait TryExtend<T> {
    /// Appends every element of `items`, in order.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if room cannot be had; the elements appended until then stay.
    fn try_extend<I>(&mut self, items: I) -> Result<(), OutOfMemory>
    where
        I: IntoIterator<Item = T>;
}

impl<T> TryExtend<T> for TryVec<T> {
    fn try_extend<I>(&mut self, items: I) -> Result<(), OutOfMemory>
    where
        I: IntoIterator<Item = T>,
    {
        let items = items.into_iter();
        let expected = items.size_hint().0;
        self.items.try_reserve(expected).map_err(|_| self.refused(expected))?;
        for item in items {
            // An iterator may yield more than it promised, so each push is preceded by its own check.
            self.items.try_reserve(1).map_err(|_| self.refused(1))?;
            self.items.push(item);
        }
        Ok(())
    }
}

/// [`Clone`] for types whose copies may need memory that is refused.
///
/// Cranelift passes it through its own wrapper types; it needs no implementation from here.
pub trait TryClone: Sized {
    /// A copy of `self`.
    ///
    /// # Errors
    ///
    /// [`OutOfMemory`] if the copy needs an allocation that is refused.
    fn try_clone(&self) -> Result<Self, OutOfMemory>;
}

/// For callers that have no way to go on without the memory.
pub trait PanicOnOom {
    /// What there is when memory was granted.
    type Granted;

    /// The granted value.
    ///
    /// # Panics
    ///
    /// If memory was refused.
    fn panic_on_oom(self) -> Self::Granted;
}

impl<T> PanicOnOom for Result<T, OutOfMemory> {
    type Granted = T;

    #[inline]
    #[track_caller]
    fn panic_on_oom(self) -> T {
        match self {
            Ok(granted) => granted,
            Err(refused) => panic!("{refused}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::iter;

    use global_alloc::vec;

    use super::*;

    fn with_items<const N: usize>(items: [u16; N]) -> TryVec<u16> {
        TryVec::from(Box::<[u16]>::from(items))
    }

    #[test]
    fn extending_appends_in_order_whatever_the_iterator_promises() {
        let mut items = with_items([1]);
        items.try_extend([2, 3]).unwrap();
        // `from_fn` promises nothing, so every element comes as a surprise.
        let mut rest = 4..=100;
        items.try_extend(iter::from_fn(|| rest.next())).unwrap();
        assert_eq!(items.items, (1..=100).collect::<Vec<_>>());
    }

    #[test]
    fn boxing_keeps_the_elements_and_drops_the_spare_room() {
        let mut items = with_items([7, 8]);
        items.reserve_exact(1000).unwrap();
        assert!(items.items.capacity() >= 1002);
        assert_eq!(items.into_boxed_slice().unwrap(), vec![7, 8].into_boxed_slice());
    }

    #[test]
    fn a_size_beyond_the_address_space_is_refused_and_changes_nothing() {
        let mut items = with_items([5, 6]);
        assert_eq!(items.reserve_exact(usize::MAX), Err(OutOfMemory::new(usize::MAX)));
        let refused = items.try_extend(iter::repeat_n(0, usize::MAX / 2));
        assert_eq!(refused, Err(OutOfMemory::new(usize::MAX)));
        assert_eq!(items.items, [5, 6]);
    }

    #[test]
    #[should_panic(expected = "out of memory: 12 bytes were refused")]
    fn refused_memory_panics_where_asked_to() {
        Err::<(), _>(OutOfMemory::new(12)).panic_on_oom();
    }
}
