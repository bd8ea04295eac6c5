//! Path resolution without `openat2`: one component at a time, each opened without following it.
//!
//! # Invariants
//!
//! * **K1** `held` are directories, each of which was an entry of the one before it (the first: of `start`) when it was
//!   opened. `..` goes back to the one before, which we still hold: wherever others move directories to, we never ask the
//!   file system for a parent.
//! * **K2** No system call here follows a symbolic link. We read the link and walk its text, from the same start.

use super::super::error::{ErrorCode, HostResult};
use super::stat::FileKind;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;
use std::ffi::CStr;

/// How many symbolic links one path may lead over; Linux has the same number.
const LINKS_MAX: u32 = 40;

/// Opens `path` beneath `start`; the caller has checked that it is relative and not empty.
pub(super) fn open(start: BorrowedFd<'_>, path: &str, flags: OFlags, mode: Mode) -> HostResult<OwnedFd> {
    let mut walk = Walk { start, held: Vec::new(), ahead: Vec::new(), links: 0, directory: false };
    walk.queue(path.as_bytes())?;
    while let Some(name) = walk.ahead.pop() {
        if name == b".." {
            // Past the start: out of the sandbox.
            walk.held.pop().ok_or(ErrorCode::NotPermitted)?;
        } else if !walk.ahead.is_empty() {
            walk.enter(&name)?;
        } else if let Some(found) = walk.open_last(&name, flags, mode)? {
            return Ok(found);
        }
    }
    // The path ended in `.` or `..`: what it names is where we stand.
    Ok(openat(walk.here(), c".", flags, mode)?)
}

struct Walk<'s> {
    start: BorrowedFd<'s>,
    held: Vec<OwnedFd>,
    /// Components still to go, the next one last.
    ahead: Vec<Vec<u8>>,
    links: u32,
    /// The path ended in a slash or a dot, so that its last component has to be a directory.
    directory: bool,
}

impl Walk<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        self.held.last().map_or(self.start, |fd| fd.as_fd())
    }

    /// Puts the components of `path` ahead of those that are left.
    fn queue(&mut self, path: &[u8]) -> HostResult<()> {
        if path.starts_with(b"/") {
            return Err(ErrorCode::NotPermitted);
        }
        if path.is_empty() {
            return Err(ErrorCode::NoEntry);
        }
        let components = path.split(|&byte| byte == b'/');
        if self.ahead.is_empty() {
            self.directory |= matches!(components.clone().next_back(), Some(b"" | b"."));
        }
        self.ahead.extend(components.rev().filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec));
        Ok(())
    }

    /// Goes into a directory, or onto the path that a link stands for.
    fn enter(&mut self, name: &[u8]) -> HostResult<()> {
        let found =
            openat(self.here(), name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        match FileKind::of(&fstat(&found)?) {
            FileKind::Directory => self.held.push(found),
            FileKind::SymbolicLink => self.follow(&readlinkat(&found, c"", Vec::new())?)?,
            _ => return Err(ErrorCode::NotDirectory),
        }
        Ok(())
    }

    /// Opens the last component. `None`: it is a link to follow, and its path is now ahead.
    fn open_last(&mut self, name: &[u8], flags: OFlags, mode: Mode) -> HostResult<Option<OwnedFd>> {
        let mut flags = flags;
        if self.directory {
            if flags.contains(OFlags::CREATE) {
                return Err(ErrorCode::IsDirectory);
            }
            // What `link/` names is the directory behind the link, asked to follow or not.
            flags = (flags | OFlags::DIRECTORY) - OFlags::NOFOLLOW;
        }
        let follow = !flags.contains(OFlags::NOFOLLOW);
        match openat(self.here(), name, flags | OFlags::NOFOLLOW, mode) {
            // Opened as a mere path, a link does not refuse to be opened.
            Ok(found) if follow && flags.contains(OFlags::PATH) => match FileKind::of(&fstat(&found)?) {
                FileKind::SymbolicLink => self.follow(&readlinkat(&found, c"", Vec::new())?).map(|()| None),
                _ => Ok(Some(found)),
            },
            Ok(found) => Ok(Some(found)),
            // Either it is a link, or it is what the error says; reading it tells.
            Err(error @ (Errno::LOOP | Errno::NOTDIR)) if follow => {
                match readlinkat(self.here(), name, Vec::new()) {
                    Ok(text) => self.follow(&text).map(|()| None),
                    Err(Errno::INVAL) => Err(error.into()),
                    Err(error) => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the text of a link ahead.
    fn follow(&mut self, text: &CStr) -> HostResult<()> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(ErrorCode::Loop);
        }
        self.queue(text.to_bytes())
    }
}
