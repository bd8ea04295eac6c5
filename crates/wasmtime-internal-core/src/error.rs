//! The error of an allocation that was refused.

use core::fmt;

/// The allocator refused a request.
///
/// ```
/// use wasmtime_internal_core::error::OutOfMemory;
///
/// assert_eq!(OutOfMemory::new(4096).to_string(), "out of memory: 4096 bytes were refused");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    bytes: usize,
}

impl OutOfMemory {
    /// An error for a refused request of `bytes` bytes.
    ///
    /// The number serves the message only. A caller that cannot name it exactly gives its best estimate.
    #[cold]
    pub const fn new(bytes: usize) -> Self {
        Self { bytes }
    }
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "out of memory: {} bytes were refused", self.bytes)
    }
}

impl core::error::Error for OutOfMemory {}
