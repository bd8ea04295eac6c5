//! How an allocation or a collection fails.

/// What was wrong with a heap. Only a bug of the engine can lead to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CorruptHeap {
    /// A reference leads to where no object can be.
    Reference,
    /// The header of an object is the id of no type of objects.
    Type,
    /// An object is larger than what was allocated, or has references beyond its end.
    Size,
    /// A moved object is not where its header says.
    Forwarding,
    /// A remembered slot is in no old object.
    Slot,
    /// There are more survivors than there was room for all objects.
    Room,
    /// A collection did not come to its end.
    Unfinished,
}

impl std::fmt::Display for CorruptHeap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the heap of a store is corrupt: ")?;
        f.write_str(match self {
            Self::Reference => "a reference leads to where no object can be",
            Self::Type => "the header of an object is the id of no type of objects",
            Self::Size => "an object does not fit where it is",
            Self::Forwarding => "a moved object is not where its header says",
            Self::Slot => "a remembered slot is in no old object",
            Self::Room => "more objects survive than were allocated",
            Self::Unfinished => "a collection did not come to its end",
        })
    }
}

/// Why there is no new object.
#[derive(Debug)]
pub(crate) enum GcError {
    /// What is alive leaves no room, and the heap may not grow.
    OutOfMemory {
        /// Bytes of the object.
        wanted: u64,
    },
    /// The heap holds what no program can have made.
    Corrupt(CorruptHeap),
    /// The host's limiter raised an error.
    Host(anyhow::Error),
}

impl From<CorruptHeap> for GcError {
    fn from(corrupt: CorruptHeap) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl std::fmt::Display for GcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OutOfMemory { wanted } => write!(f, "the heap has no room for an object of {wanted} bytes"),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::Host(error) => error.fmt(f),
        }
    }
}
