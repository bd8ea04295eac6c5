//! The type of a memory.

use super::LimitsText;
use anyhow::{Result, ensure};
use std::fmt;
use waft_core::types::{IndexType, Limits, MemoryTy};

/// The type of a memory; sizes are in pages, of 64 KiB unless it says otherwise.
///
/// ```
/// use waft::*;
///
/// let ty = MemoryType::new(1, Some(16));
/// assert_eq!((ty.minimum(), ty.maximum()), (1, Some(16)));
/// assert_eq!(ty.minimum() * ty.page_size(), 65_536);
/// assert_eq!(ty.to_string(), "(memory 1 16)");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MemoryType(pub(crate) MemoryTy);

impl MemoryType {
    /// A memory of `minimum` pages that may grow to `maximum`, or as far as addresses reach.
    ///
    /// ```
    /// # use waft::*;
    /// let unbounded = MemoryType::new(2, None);
    /// assert_eq!(unbounded.to_string(), "(memory 2)");
    /// ```
    pub fn new(minimum: u32, maximum: Option<u32>) -> Self {
        let limits = Limits { min: minimum.into(), max: maximum.map(u64::from) };
        Self(MemoryTy { limits, ..MemoryTypeBuilder::default().0 })
    }
    /// The same with 64-bit addresses.
    ///
    /// It grows no further than 64 GiB, whatever `maximum` says: so much address space is reserved for it at most.
    ///
    /// ```
    /// # use waft::*;
    /// let ty = MemoryType::new64(1, Some(1 << 20));
    /// assert!(ty.is_64() && !MemoryType::new(1, None).is_64());
    /// assert_eq!(ty.to_string(), "(memory i64 1 1048576)");
    /// ```
    pub fn new64(minimum: u64, maximum: Option<u64>) -> Self {
        let limits = Limits { min: minimum, max: maximum };
        Self(MemoryTy { limits, index: IndexType::I64, ..MemoryTypeBuilder::default().0 })
    }
    /// The same with 32-bit addresses, for a memory that many threads use at once: see
    /// [`SharedMemory`](crate::SharedMemory).
    ///
    /// ```
    /// # use waft::*;
    /// let ty = MemoryType::shared(1, 4);
    /// assert!(ty.is_shared() && !MemoryType::new(1, Some(4)).is_shared());
    /// assert_eq!(ty.to_string(), "(memory 1 4 shared)");
    /// ```
    pub fn shared(minimum: u32, maximum: u32) -> Self {
        let limits = Limits { min: minimum.into(), max: Some(maximum.into()) };
        Self(MemoryTy { limits, shared: true, ..MemoryTypeBuilder::default().0 })
    }
    /// Builds a type of any kind.
    pub fn builder() -> MemoryTypeBuilder {
        MemoryTypeBuilder::default()
    }

    /// Pages at the start.
    pub fn minimum(&self) -> u64 {
        self.0.limits.min
    }
    /// Pages at most, if declared.
    pub fn maximum(&self) -> Option<u64> {
        self.0.limits.max
    }
    /// Whether addresses have 64 bits.
    pub fn is_64(&self) -> bool {
        self.0.index.is_64()
    }
    /// Whether many threads may use it at once.
    pub fn is_shared(&self) -> bool {
        self.0.shared
    }
    /// Bytes in a page.
    pub fn page_size(&self) -> u64 {
        self.0.page_bytes()
    }
    /// The logarithm, to the base 2, of the bytes in a page.
    pub fn page_size_log2(&self) -> u8 {
        self.0.page_bytes_log2
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(memory {}", LimitsText(self.0.index, self.0.limits))?;
        if self.0.shared {
            f.write_str(" shared")?;
        }
        if self.0.page_bytes_log2 != MemoryTy::PAGE_BYTES_LOG2 {
            write!(f, " (pagesize {})", self.0.page_bytes())?;
        }
        f.write_str(")")
    }
}

/// Builds a [`MemoryType`]; without a word, that of `(memory 0)`.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let ty = MemoryType::builder().min(100).max(Some(200)).memory64(true).page_size_log2(0).build()?;
/// assert_eq!((ty.page_size(), ty.page_size_log2()), (1, 0));
/// assert_eq!(ty.to_string(), "(memory i64 100 200 (pagesize 1))");
/// assert!(MemoryType::builder().min(2).max(Some(1)).build().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryTypeBuilder(MemoryTy);

impl Default for MemoryTypeBuilder {
    fn default() -> Self {
        Self(MemoryTy {
            limits: Limits { min: 0, max: None },
            index: IndexType::I32,
            shared: false,
            page_bytes_log2: MemoryTy::PAGE_BYTES_LOG2,
        })
    }
}

impl MemoryTypeBuilder {
    /// Pages at the start.
    pub fn min(&mut self, pages: u64) -> &mut Self {
        self.0.limits.min = pages;
        self
    }
    /// Pages at most.
    pub fn max(&mut self, pages: Option<u64>) -> &mut Self {
        self.0.limits.max = pages;
        self
    }
    /// Whether addresses have 64 bits.
    pub fn memory64(&mut self, is_64: bool) -> &mut Self {
        self.0.index = if is_64 { IndexType::I64 } else { IndexType::I32 };
        self
    }
    /// Whether many threads may use it at once.
    pub fn shared(&mut self, shared: bool) -> &mut Self {
        self.0.shared = shared;
        self
    }
    /// The logarithm, to the base 2, of the bytes in a page: 16 or 0.
    pub fn page_size_log2(&mut self, log2: u8) -> &mut Self {
        self.0.page_bytes_log2 = log2;
        self
    }
    /// The type.
    ///
    /// # Errors
    ///
    /// If there is no such memory: the minimum exceeds the maximum, either exceeds what addresses reach, pages have
    /// another size than a byte or 64 KiB, or a shared one has no maximum.
    pub fn build(&self) -> Result<MemoryType> {
        check_memory(&self.0)?;
        Ok(MemoryType(self.0))
    }
}

/// What validation checks of a module's own memories.
pub(crate) fn check_memory(ty: &MemoryTy) -> Result<()> {
    let log2 = ty.page_bytes_log2;
    ensure!(
        log2 == 0 || log2 == MemoryTy::PAGE_BYTES_LOG2,
        "pages of 2^{log2} bytes: it must be 2^0 or 2^16"
    );
    ensure!(!ty.shared || ty.limits.max.is_some(), "a shared memory must have a maximum size");
    check_limits(ty.limits, ty.pages_max())
}

/// What validation checks of limits.
pub(crate) fn check_limits(limits: Limits, bound: u64) -> Result<()> {
    let max = limits.max.unwrap_or(bound);
    ensure!(max <= bound, "the maximum size {max} exceeds {bound}");
    ensure!(limits.min <= max, "the minimum size {} exceeds the maximum {max}", limits.min);
    Ok(())
}
