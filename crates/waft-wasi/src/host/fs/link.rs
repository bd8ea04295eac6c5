//! Hard links, symbolic links and renames: the operations on two names.

use super::super::error::{ErrorCode, HostResult};
use super::Dir;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Gives what `old_path` names in `old` a second name. A symbolic link is linked itself, not what it leads to.
///
/// Both directories have to be writable. A second name in a writable directory would let a guest change a file that was
/// granted read-only; one in a read-only directory would change that directory.
pub(crate) fn link(old: &Dir, old_path: &str, new: &Dir, new_path: &str) -> HostResult<()> {
    old.access().allow_change()?;
    new.access().allow_change()?;
    let from = old.target(old_path)?;
    let Some(name) = from.name_to_look_at() else {
        // What ends in a slash or a dot is a directory, or nothing. Directories have one name.
        old.open_path(old_path, true, OFlags::DIRECTORY, Mode::empty())?;
        return Err(ErrorCode::NotPermitted);
    };
    let to = new.target(new_path)?;
    rustix::fs::linkat(from.parent(), name, to.parent(), to.name_to_change(), AtFlags::empty())
        .map_err(|error| new.why_not_made(new_path, error))
}

/// Moves what `old_path` names in `old` to `new_path` in `new`. Both have to be writable, as for [`link`].
pub(crate) fn rename(old: &Dir, old_path: &str, new: &Dir, new_path: &str) -> HostResult<()> {
    old.access().allow_change()?;
    new.access().allow_change()?;
    let from = old.target(old_path)?;
    let to = new.target(new_path)?;
    Ok(rustix::fs::renameat(from.parent(), from.name_to_change(), to.parent(), to.name_to_change())?)
}

impl Dir {
    /// Makes a symbolic link at `path` that says `text`.
    ///
    /// A text that leads out of the sandbox by `..` is harmless to us, who follow no such link; one that is absolute is
    /// refused all the same, because programs of the host might follow it.
    pub(crate) fn symlink_at(&self, text: &str, path: &str) -> HostResult<()> {
        self.access().allow_change()?;
        if text.starts_with('/') {
            return Err(ErrorCode::NotPermitted);
        }
        let target = self.target(path)?;
        rustix::fs::symlinkat(text, target.parent(), target.name_to_change())
            .map_err(|error| self.why_not_made(path, error))
    }

    /// Why a link could not be made at `path`. Linux says that something exists at `file/`, where POSIX says that this is no
    /// directory.
    fn why_not_made(&self, path: &str, error: Errno) -> ErrorCode {
        if error == Errno::EXIST && path.ends_with('/') {
            return match self.open_path(path, true, OFlags::DIRECTORY, Mode::empty()) {
                Ok(_) => ErrorCode::Exist,
                Err(error) => error,
            };
        }
        error.into()
    }

    /// What the symbolic link at `path` says.
    pub(crate) fn readlink_at(&self, path: &str) -> HostResult<Vec<u8>> {
        let target = self.target(path)?;
        let Some(name) = target.name_to_look_at() else {
            self.open_path(path, true, OFlags::DIRECTORY, Mode::empty())?;
            return Err(ErrorCode::Invalid);
        };
        Ok(rustix::fs::readlinkat(target.parent(), name, Vec::new())?.into_bytes())
    }
}
