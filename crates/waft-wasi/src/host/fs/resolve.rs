//! From a guest's path to something open, never outside the directory it starts from.
//!
//! The kernel does it in one call where it can: `openat2` with `RESOLVE_BENEATH` refuses `..` past the start, absolute
//! paths and absolute symbolic links, and `RESOLVE_NO_MAGICLINKS` refuses the links of `/proc` that jump anywhere. Where
//! that call is missing or forbidden, `walk` does the same one component at a time.
//!
//! Operations that do not open what they are about (unlink, rename and the like) need a directory and a *name*. They open
//! the directory beneath the start, then give the kernel that one name. [`Target`] says when that is safe: a trailing slash
//! or `..` makes some system calls follow a last component that was meant to be left alone, and with that out of the
//! sandbox.

use super::super::error::{ErrorCode, HostResult};
use super::walk;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

/// Who resolves paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// The kernel, by `openat2`.
    Kernel,
    /// We, component by component.
    Walk,
}

impl Resolution {
    /// Asks the kernel whether it has `openat2`, and lets us have it. A sandbox around us may answer anything at all.
    pub(crate) fn probe(dir: BorrowedFd<'_>) -> Self {
        match openat2(dir, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), CONFINED) {
            Ok(_) => Self::Kernel,
            Err(_) => Self::Walk,
        }
    }
}

const CONFINED: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);

/// The kernel's own limit, which counts a closing NUL.
const PATH_BYTES_MAX: usize = 4095;

/// How often the kernel is asked again when somebody renames directories under a `..` that it is looking at.
const RETRIES_MAX: usize = 32;

/// Opens `path` beneath `start`. The last component is followed unless `flags` has `NOFOLLOW`.
pub(super) fn open(
    start: BorrowedFd<'_>,
    resolution: Resolution,
    path: &str,
    flags: OFlags,
    mode: Mode,
) -> HostResult<OwnedFd> {
    check(path)?;
    let flags = flags | OFlags::CLOEXEC;
    if resolution == Resolution::Walk {
        return walk::open(start, path, flags, mode);
    }
    for _ in 0..RETRIES_MAX {
        match openat2(start, path, flags, mode, CONFINED) {
            Ok(fd) => return Ok(fd),
            // "I cannot tell whether this `..` stays inside, somebody moves things: ask again."
            Err(Errno::AGAIN) => {}
            Err(Errno::XDEV) => return Err(ErrorCode::NotPermitted),
            Err(error) => return Err(error.into()),
        }
    }
    // Someone who renames without end must not be able to deny the guest its files. The walk needs no luck.
    walk::open(start, path, flags, mode)
}

/// What a path names, before that is looked at: a directory that is open, and a name in it.
#[derive(Debug)]
pub(super) struct Target<'s, 'p> {
    parent: Parent<'s>,
    /// The last component, with one trailing slash if the path has any.
    name: &'p str,
}

#[derive(Debug)]
enum Parent<'s> {
    Start(BorrowedFd<'s>),
    Opened(OwnedFd),
}

/// Opens the directory that `path` names something in.
pub(super) fn target<'s, 'p>(
    start: BorrowedFd<'s>,
    resolution: Resolution,
    path: &'p str,
) -> HostResult<Target<'s, 'p>> {
    check(path)?;
    let bare_end = path.trim_end_matches('/').len();
    let name_start = path[..bare_end].rfind('/').map_or(0, |slash| slash + 1);
    let name = &path[name_start..path.len().min(bare_end + 1)];
    let parent = match &path[..name_start] {
        "" => Parent::Start(start),
        parent => {
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            Parent::Opened(open(start, resolution, parent, flags, Mode::empty())?)
        }
    };
    if name.trim_end_matches('/') == ".." {
        // No operation goes there; but whether that is out of bounds is to be said before anything else is.
        open(start, resolution, path, OFlags::PATH, Mode::empty())?;
    }
    Ok(Target { parent, name })
}

impl Target<'_, '_> {
    pub(super) fn parent(&self) -> BorrowedFd<'_> {
        match &self.parent {
            Parent::Start(fd) => *fd,
            Parent::Opened(fd) => fd.as_fd(),
        }
    }

    /// The name for system calls that look up the last component's *parent*: `mkdirat`, `unlinkat`, `renameat`,
    /// `symlinkat`, and the new name of `linkat`. These never follow or enter the last component, be it a link, `..` or
    /// followed by a slash, and the slash must reach them: it is for them to say that `file/` is no directory.
    pub(super) fn name_to_change(&self) -> &str {
        self.name
    }

    /// The name for system calls that look up the last component itself, though told not to follow it: `fstatat`,
    /// `readlinkat`, the old name of `linkat`. `None` if they would leave the directory all the same.
    pub(super) fn name_to_look_at(&self) -> Option<&str> {
        let leaves = self.name.ends_with('/') || self.name == "." || self.name == "..";
        (!leaves).then_some(self.name)
    }
}

/// Refuses what is not a path, before anybody walks it.
fn check(path: &str) -> HostResult<()> {
    if path.is_empty() {
        return Err(ErrorCode::NoEntry);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(ErrorCode::NameTooLong);
    }
    if path.contains('\0') {
        return Err(ErrorCode::Invalid);
    }
    if path.starts_with('/') {
        return Err(ErrorCode::NotPermitted);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_falls_into_directory_and_name() {
        let dir = std::fs::File::open("/").unwrap();
        for (path, name, look) in [
            ("file", "file", Some("file")),
            ("file/", "file/", None),
            ("file///", "file/", None),
            ("proc/self", "self", Some("self")),
            ("proc//self", "self", Some("self")),
            ("proc/self//", "self/", None),
            ("proc/..", "..", None),
            ("proc/.", ".", None),
            ("...", "...", Some("...")),
        ] {
            let target = target(dir.as_fd(), Resolution::Kernel, path).unwrap();
            assert_eq!((target.name_to_change(), target.name_to_look_at()), (name, look), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_unseen() {
        let long = "a/".repeat(2048);
        for (path, error) in [
            ("", ErrorCode::NoEntry),
            ("/", ErrorCode::NotPermitted),
            ("//a", ErrorCode::NotPermitted),
            ("a\0", ErrorCode::Invalid),
            (&long[..], ErrorCode::NameTooLong),
        ] {
            assert_eq!(check(path), Err(error), "{path:?}");
        }
        assert_eq!(check(&long[..4095]), Ok(()));
    }
}
