//! Listing a directory, from any place in it.
//!
//! A place is a cookie: 0 is the start, 1 comes after `.`, 2 after `..`, and every other is the kernel's own place plus
//! [`FIRST_COOKIE`]. So nothing has to be remembered between calls, whatever the size of the directory, and a place keeps
//! its meaning while entries come and go, as far as the file system keeps it.

use super::super::error::HostResult;
use super::{Dir, FileKind, Stat};
use rustix::fs::{AtFlags, RawDir, SeekFrom};
use std::mem::MaybeUninit;

/// One entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// As the host has it; it need not be UTF-8.
    pub(crate) name: &'a [u8],
    pub(crate) inode: u64,
    pub(crate) kind: FileKind,
    /// The place behind this entry.
    pub(crate) next: u64,
}

const FIRST_COOKIE: u64 = 3;

/// One entry of the kernel's takes at most 280 bytes, so there is always room for one; and a usual call's worth fits.
const BUFFER_BYTES: usize = 8192;

impl Dir {
    /// Gives the entries behind `cookie` to `take` until that says `false` or there are no more.
    pub(crate) fn entries(&self, cookie: u64, mut take: impl FnMut(Entry<'_>) -> bool) -> HostResult<()> {
        if cookie < 2 {
            // What `..` of a granted directory is, is none of the guest's business.
            let inode = self.stat()?.inode;
            for (name, next) in [(&b"."[..], 1), (&b".."[..], 2)] {
                if cookie < next && !take(Entry { name, inode, kind: FileKind::Directory, next }) {
                    return Ok(());
                }
            }
        }
        rustix::fs::seek(self.as_fd(), SeekFrom::Start(cookie.saturating_sub(FIRST_COOKIE)))?;
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut entries = RawDir::new(self.as_fd(), &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let mut kind = FileKind::from(entry.file_type());
            if kind == FileKind::Unknown {
                // Some file systems do not say. An entry that has gone meanwhile stays unknown.
                kind = rustix::fs::statat(self.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileKind::Unknown, |stat| Stat::from(stat).kind);
            }
            let next = entry.next_entry_cookie().saturating_add(FIRST_COOKIE);
            if !take(Entry { name: name.to_bytes(), inode: entry.ino(), kind, next }) {
                break;
            }
        }
        Ok(())
    }
}
