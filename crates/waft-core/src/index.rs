//! Typed indices: a position in one index space cannot be used in another.
//!
//! `*Index` counts a module's whole index space (imports first), `Defined*Index` only what the module itself defines.

use alloc::vec::Vec;
use core::fmt;
use core::hash::Hash;
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

/// A 32-bit position in one particular index space.
pub trait TypedIndex: Copy + Eq + Ord + Hash + fmt::Debug {
    /// The index at `position`.
    ///
    /// # Panics
    ///
    /// If `position` needs more than 32 bits; validation limits every index space far below that.
    fn new(position: usize) -> Self;
    /// The position, to index a slice.
    fn index(self) -> usize;
}

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(u32);

        impl $name {
            /// The index with this number.
            pub const fn from_u32(number: u32) -> Self {
                Self(number)
            }
            /// The number of this index.
            pub const fn as_u32(self) -> u32 {
                self.0
            }
        }

        impl TypedIndex for $name {
            fn new(position: usize) -> Self {
                Self(u32::try_from(position).expect("index spaces are limited to 32 bits"))
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

indices! {
    /// A type in a module's type section.
    TypeIndex;
    /// A function of a module, imported or defined.
    FuncIndex;
    /// A function that the module defines.
    DefinedFuncIndex;
    /// A function whose reference may leave direct calls: the place of its `VmFuncRef`.
    FuncRefIndex;
    /// A table of a module, imported or defined.
    TableIndex;
    /// A table that the module defines.
    DefinedTableIndex;
    /// A memory of a module, imported or defined.
    MemoryIndex;
    /// A memory that the module defines.
    DefinedMemoryIndex;
    /// A global of a module, imported or defined.
    GlobalIndex;
    /// A global that the module defines.
    DefinedGlobalIndex;
    /// A tag of a module, imported or defined.
    TagIndex;
    /// An element segment.
    ElemIndex;
    /// A data segment.
    DataIndex;
}

/// A vector that is indexed by one kind of index only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IndexVec<K, V> {
    items: Vec<V>,
    key: PhantomData<fn(K)>,
}

impl<K: TypedIndex, V> IndexVec<K, V> {
    /// An empty vector.
    pub const fn new() -> Self {
        Self { items: Vec::new(), key: PhantomData }
    }
    /// An empty vector with room for `count` items.
    pub fn with_capacity(count: usize) -> Self {
        Self { items: Vec::with_capacity(count), key: PhantomData }
    }
    /// Appends `value` and says where it stands.
    pub fn push(&mut self, value: V) -> K {
        let key = K::new(self.items.len());
        self.items.push(value);
        key
    }
    /// The item at `key`, if there is one.
    pub fn get(&self, key: K) -> Option<&V> {
        self.items.get(key.index())
    }
    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    /// All items in order.
    pub fn values(&self) -> core::slice::Iter<'_, V> {
        self.items.iter()
    }
    /// All items in order, to be changed.
    pub fn values_mut(&mut self) -> core::slice::IterMut<'_, V> {
        self.items.iter_mut()
    }
    /// All items in order, each with its index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (K, &V)> + '_ {
        self.items.iter().enumerate().map(|(at, value)| (K::new(at), value))
    }
    /// All indices in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = K> + use<K, V> {
        (0..self.items.len()).map(K::new)
    }
    /// The items as a slice.
    pub fn as_slice(&self) -> &[V] {
        &self.items
    }
}

impl<K: TypedIndex, V> Default for IndexVec<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: TypedIndex, V> FromIterator<V> for IndexVec<K, V> {
    fn from_iter<I: IntoIterator<Item = V>>(items: I) -> Self {
        Self { items: items.into_iter().collect(), key: PhantomData }
    }
}

impl<K: TypedIndex, V> Index<K> for IndexVec<K, V> {
    type Output = V;
    fn index(&self, key: K) -> &V {
        &self.items[key.index()]
    }
}

impl<K: TypedIndex, V> IndexMut<K> for IndexVec<K, V> {
    fn index_mut(&mut self, key: K) -> &mut V {
        &mut self.items[key.index()]
    }
}

impl<K, V: fmt::Debug> fmt::Debug for IndexVec<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}
