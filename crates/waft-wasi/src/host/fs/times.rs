//! Setting the times of files.

use super::super::clock::timespec;
use super::super::error::HostResult;
use super::{Dir, File};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens, utimensat};

/// What becomes of one time of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeChange {
    Keep,
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}

/// What becomes of the times of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeChanges {
    pub(crate) accessed: TimeChange,
    pub(crate) modified: TimeChange,
}

impl From<TimeChange> for Timespec {
    fn from(change: TimeChange) -> Self {
        match change {
            TimeChange::Keep => Self { tv_sec: 0, tv_nsec: UTIME_OMIT },
            TimeChange::Now => Self { tv_sec: 0, tv_nsec: UTIME_NOW },
            TimeChange::At(nanoseconds) => timespec(nanoseconds),
        }
    }
}

impl From<TimeChanges> for Timestamps {
    fn from(changes: TimeChanges) -> Self {
        Self { last_access: changes.accessed.into(), last_modification: changes.modified.into() }
    }
}

impl File {
    pub(crate) fn set_times(&self, changes: TimeChanges) -> HostResult<()> {
        // The kernel would allow it to whoever owns the file, however the descriptor was opened.
        self.access().allow_change()?;
        Ok(futimens(self.as_fd(), &changes.into())?)
    }
}

impl Dir {
    pub(crate) fn set_times(&self, changes: TimeChanges) -> HostResult<()> {
        self.access().allow_change()?;
        Ok(futimens(self.as_fd(), &changes.into())?)
    }

    /// Sets the times of what `path` names; of a link itself unless `follow`.
    pub(crate) fn set_times_at(&self, path: &str, follow: bool, changes: TimeChanges) -> HostResult<()> {
        self.access().allow_change()?;
        let found = self.open_path(path, follow, OFlags::empty(), Mode::empty())?;
        Ok(utimensat(&found, c"", &changes.into(), AtFlags::EMPTY_PATH)?)
    }
}
