//! How a cache is set up.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What hears of trouble.
pub(super) type Reporter = Arc<dyn Fn(&str) + Send + Sync>;

/// 1 GiB: some ten programs of the largest kind, or ten thousand small ones.
const BYTES_MAX: u64 = 1 << 30;

/// The setup of a [`Cache`](crate::Cache).
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// # let directory = std::env::temp_dir().join(format!("waft-example-{}-config", std::process::id()));
/// let mut config = CacheConfig::new();
/// config.with_directory(&directory).with_files_total_size_soft_limit(64 << 20).with_reporter(|trouble| eprintln!("note: {trouble}"));
/// let cache = Cache::new(config)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CacheConfig {
    pub(super) directory: Option<PathBuf>,
    pub(super) bytes_max: u64,
    pub(super) reporter: Option<Reporter>,
}

impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig")
            .field("directory", &self.directory)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl CacheConfig {
    /// No directory yet, at most 1 GiB, silent.
    ///
    /// ```
    /// # use waft::*;
    /// assert_eq!(CacheConfig::new().files_total_size_soft_limit(), 1 << 30);
    /// ```
    pub fn new() -> Self {
        Self { directory: None, bytes_max: BYTES_MAX, reporter: None }
    }

    /// Where the cache is: a directory of the user's own, with the mode 0700. It is made if it is not there. Nobody else's
    /// files should be in it, though they are left alone.
    pub fn with_directory(&mut self, directory: impl Into<PathBuf>) -> &mut Self {
        self.directory = Some(directory.into());
        self
    }

    /// How many bytes the cache may have. What was not used for longest goes first.
    ///
    /// The limit is kept by those who write: each looks at its first entry, and then each time that it has written a
    /// sixteenth of the limit. Several that write at once may exceed it by as much each.
    ///
    /// ```
    /// # use waft::*;
    /// assert_eq!(CacheConfig::new().with_files_total_size_soft_limit(1 << 20).files_total_size_soft_limit(), 1 << 20);
    /// ```
    pub fn with_files_total_size_soft_limit(&mut self, bytes: u64) -> &mut Self {
        self.bytes_max = bytes;
        self
    }

    /// Who is told, in a line without its end, when something is wrong with the directory or an entry. Compilation goes on
    /// in any case.
    pub fn with_reporter(&mut self, reporter: impl Fn(&str) + Send + Sync + 'static) -> &mut Self {
        self.reporter = Some(Arc::new(reporter));
        self
    }

    /// How many bytes the cache may have.
    pub fn files_total_size_soft_limit(&self) -> u64 {
        self.bytes_max
    }
}
