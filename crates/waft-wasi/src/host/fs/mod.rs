//! Files and directories beneath a granted one.
//!
//! # Invariants
//!
//! * **F1** Every path is resolved by `resolve`, and by nothing else: the kernel is never handed a guest's path with more
//!   than one component in any other way, nor a last component that it might follow.
//! * **F2** Every operation that changes something first asks [`Access::allow_change`] of every directory it starts from.
//! * **F3** A [`File`] or [`Dir`] opened beneath a directory has that directory's [`Access`].

mod dir;
mod file;
mod link;
mod readdir;
mod resolve;
mod stat;
mod times;
mod walk;

pub(crate) use dir::{Dir, OpenOptions};
pub(crate) use file::{Advice, File, SeekFrom};
pub(crate) use link::{link, rename};
pub(crate) use readdir::Entry;
pub(crate) use resolve::Resolution;
pub(crate) use stat::{FileKind, Stat};
pub(crate) use times::{TimeChange, TimeChanges};

use super::error::{ErrorCode, HostResult};

/// What a guest may do beneath a granted directory.
///
/// ```
/// use waft_wasi::{Access, WasiCtx};
/// let ctx = WasiCtx::builder()
///     .preopened_dir("/usr/share", "/data", Access::ReadOnly)?
///     .preopened_dir("/tmp", "/tmp", Access::ReadWrite)?
///     .build();
/// # drop(ctx);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look at everything, change nothing.
    ReadOnly,
    /// Look at and change everything that the host process itself may.
    ReadWrite,
}

impl Access {
    fn allow_change(self) -> HostResult<()> {
        match self {
            Self::ReadWrite => Ok(()),
            Self::ReadOnly => Err(ErrorCode::NotPermitted),
        }
    }
}
