//! A guest without an engine: a context, a memory, and the calls with Rust's types.

use crate::p1::fail::{Fail, Outcome};
use crate::p1::{Errno, fd, path, readdir, stat};
use crate::{Access, WasiCtx, WasiCtxBuilder};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own for each test, gone with it.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("waft-wasi-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The host's path of something in it.
    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn write(&self, name: &str, contents: &str) -> &Self {
        std::fs::write(self.at(name), contents).unwrap();
        self
    }

    pub(super) fn dir(&self, name: &str) -> &Self {
        std::fs::create_dir_all(self.at(name)).unwrap();
        self
    }

    pub(super) fn link(&self, text: &str, name: &str) -> &Self {
        std::os::unix::fs::symlink(text, self.at(name)).unwrap();
        self
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.at(name)).unwrap()
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.at(name).symlink_metadata().is_ok()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) const READ: u64 = 1 << 1;
pub(super) const WRITE: u64 = 1 << 6;
/// All rights, as a library asks for them that opens to read.
pub(super) const ALL_TO_READ: u64 = !(1 | WRITE | 1 << 8 | 1 << 22);
pub(super) const ALL: u64 = u64::MAX;

pub(super) const CREAT: u32 = 1;
pub(super) const DIRECTORY: u32 = 2;
pub(super) const EXCL: u32 = 4;
pub(super) const TRUNC: u32 = 8;

/// The first granted directory.
pub(super) const ROOT: u32 = 3;

/// A guest, with the calls as a C library would have them.
pub(super) struct Guest {
    pub(super) cx: WasiCtx,
    pub(super) mem: Vec<u8>,
}

/// Memory below is for results.
const STRINGS: usize = 4096;

pub(super) type Answer<T = ()> = Result<T, Errno>;

/// The answer of a call that neither traps nor pauses.
pub(super) fn answer<T>(outcome: Outcome<T>) -> Answer<T> {
    match outcome {
        Ok(value) => Ok(value),
        Err(Fail::Errno(errno)) => Err(errno),
        Err(other) => panic!("{other:?}"),
    }
}

impl Guest {
    pub(super) fn new(cx: WasiCtx) -> Self {
        Self { cx, mem: vec![0; 65536] }
    }

    /// A guest that has `scratch` as its one directory.
    pub(super) fn with_dir(scratch: &Scratch, access: Access) -> Self {
        Self::build(|builder| {
            builder.preopened_dir(scratch.path(), "/", access).unwrap();
        })
    }

    /// The same guest twice, resolving paths in either way.
    pub(super) fn both_ways(scratch: &Scratch, access: Access) -> [Self; 2] {
        let walking = Self::build(|builder| {
            builder.resolve_without_openat2();
            builder.preopened_dir(scratch.path(), "/", access).unwrap();
        });
        [Self::with_dir(scratch, access), walking]
    }

    pub(super) fn build(build: impl FnOnce(&mut WasiCtxBuilder)) -> Self {
        let mut builder = WasiCtx::builder();
        build(&mut builder);
        Self::new(builder.build())
    }

    /// Puts two strings into memory; gives their places.
    fn strings(&mut self, first: &[u8], second: &[u8]) -> [(u32, u32); 2] {
        let middle = STRINGS + first.len();
        let end = middle + second.len();
        if self.mem.len() < end {
            self.mem.resize(end, 0);
        }
        self.mem[STRINGS..middle].copy_from_slice(first);
        self.mem[middle..end].copy_from_slice(second);
        [(STRINGS as u32, first.len() as u32), (middle as u32, second.len() as u32)]
    }

    fn string(&mut self, text: impl AsRef<[u8]>) -> (u32, u32) {
        self.strings(text.as_ref(), b"")[0]
    }

    pub(super) fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.mem[at..at + 4].try_into().unwrap())
    }

    pub(super) fn long(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.mem[at..at + 8].try_into().unwrap())
    }

    /// `path_open` with everything.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn open_at(
        &mut self,
        fd: u32,
        follow: bool,
        path: impl AsRef<[u8]>,
        oflags: u32,
        rights: (u64, u64),
        fdflags: u32,
    ) -> Answer<u32> {
        let (at, len) = self.string(path);
        let (cx, mem) = (&mut self.cx, &mut self.mem);
        answer(path::path_open(cx, mem, fd, follow.into(), at, len, oflags, rights.0, rights.1, fdflags, 0))?;
        Ok(self.word(0))
    }

    /// Opens a path beneath the first directory, following links, to read.
    pub(super) fn open(&mut self, path: impl AsRef<[u8]>) -> Answer<u32> {
        self.open_at(ROOT, true, path, 0, (ALL_TO_READ, ALL), 0)
    }

    /// Makes and opens a file beneath the first directory, to read and write.
    pub(super) fn create(&mut self, path: impl AsRef<[u8]>) -> Answer<u32> {
        self.open_at(ROOT, true, path, CREAT, (ALL, ALL), 0)
    }

    pub(super) fn close(&mut self, fd: u32) -> Answer {
        answer(fd::fd_close(&mut self.cx, fd))
    }

    pub(super) fn read(&mut self, fd: u32, len: u32) -> Answer<Vec<u8>> {
        self.iovec(len);
        answer(fd::fd_read(&mut self.cx, &mut self.mem, fd, 0, 1, 8))?;
        Ok(self.mem[STRINGS..STRINGS + self.word(8) as usize].to_vec())
    }

    pub(super) fn write(&mut self, fd: u32, bytes: impl AsRef<[u8]>) -> Answer<u32> {
        let (_, len) = self.string(bytes);
        self.iovec(len);
        answer(fd::fd_write(&mut self.cx, &mut self.mem, fd, 0, 1, 8))?;
        Ok(self.word(8))
    }

    pub(super) fn pread(&mut self, fd: u32, len: u32, offset: u64) -> Answer<Vec<u8>> {
        self.iovec(len);
        answer(fd::fd_pread(&mut self.cx, &mut self.mem, fd, 0, 1, offset, 8))?;
        Ok(self.mem[STRINGS..STRINGS + self.word(8) as usize].to_vec())
    }

    pub(super) fn pwrite(&mut self, fd: u32, bytes: impl AsRef<[u8]>, offset: u64) -> Answer<u32> {
        let (_, len) = self.string(bytes);
        self.iovec(len);
        answer(fd::fd_pwrite(&mut self.cx, &mut self.mem, fd, 0, 1, offset, 8))?;
        Ok(self.word(8))
    }

    /// One buffer, where strings go.
    pub(super) fn iovec(&mut self, len: u32) {
        self.mem[..4].copy_from_slice(&(STRINGS as u32).to_le_bytes());
        self.mem[4..8].copy_from_slice(&len.to_le_bytes());
    }

    pub(super) fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Answer<u64> {
        answer(fd::fd_seek(&mut self.cx, &mut self.mem, fd, offset, whence, 0))?;
        Ok(self.long(0))
    }

    pub(super) fn tell(&mut self, fd: u32) -> Answer<u64> {
        answer(fd::fd_tell(&mut self.cx, &mut self.mem, fd, 0))?;
        Ok(self.long(0))
    }

    pub(super) fn renumber(&mut self, from: u32, to: u32) -> Answer {
        answer(fd::fd_renumber(&mut self.cx, from, to))
    }

    /// File type, flags, rights, inheriting rights.
    pub(super) fn fdstat(&mut self, fd: u32) -> Answer<(u8, u16, u64, u64)> {
        answer(stat::fd_fdstat_get(&mut self.cx, &mut self.mem, fd, 0))?;
        Ok((self.mem[0], self.word(0).to_le_bytes()[2].into(), self.long(8), self.long(16)))
    }

    pub(super) fn set_flags(&mut self, fd: u32, flags: u32) -> Answer {
        answer(stat::fd_fdstat_set_flags(&mut self.cx, fd, flags))
    }

    pub(super) fn set_rights(&mut self, fd: u32, base: u64, inheriting: u64) -> Answer {
        answer(stat::fd_fdstat_set_rights(&mut self.cx, fd, base, inheriting))
    }

    pub(super) fn fd_stat(&mut self, fd: u32) -> Answer<Attributes> {
        answer(stat::fd_filestat_get(&mut self.cx, &mut self.mem, fd, 0))?;
        Ok(self.attributes())
    }

    pub(super) fn stat(&mut self, path: impl AsRef<[u8]>, follow: bool) -> Answer<Attributes> {
        let (at, len) = self.string(path);
        answer(path::path_filestat_get(&mut self.cx, &mut self.mem, ROOT, follow.into(), at, len, 0))?;
        Ok(self.attributes())
    }

    fn attributes(&self) -> Attributes {
        Attributes {
            inode: self.long(8),
            filetype: self.mem[16],
            links: self.long(24),
            size: self.long(32),
            accessed: self.long(40),
            modified: self.long(48),
        }
    }

    pub(super) fn set_times(
        &mut self,
        path: impl AsRef<[u8]>,
        follow: bool,
        times: (u64, u64),
        flags: u32,
    ) -> Answer {
        let (at, len) = self.string(path);
        let (cx, mem) = (&mut self.cx, &mut self.mem);
        answer(path::path_filestat_set_times(cx, mem, ROOT, follow.into(), at, len, times.0, times.1, flags))
    }

    pub(super) fn mkdir(&mut self, path: impl AsRef<[u8]>) -> Answer {
        let (at, len) = self.string(path);
        answer(path::path_create_directory(&mut self.cx, &mut self.mem, ROOT, at, len))
    }

    pub(super) fn rmdir(&mut self, path: impl AsRef<[u8]>) -> Answer {
        let (at, len) = self.string(path);
        answer(path::path_remove_directory(&mut self.cx, &mut self.mem, ROOT, at, len))
    }

    pub(super) fn unlink(&mut self, path: impl AsRef<[u8]>) -> Answer {
        let (at, len) = self.string(path);
        answer(path::path_unlink_file(&mut self.cx, &mut self.mem, ROOT, at, len))
    }

    pub(super) fn symlink(&mut self, text: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Answer {
        let [text, path] = self.strings(text.as_ref(), path.as_ref());
        answer(path::path_symlink(&mut self.cx, &mut self.mem, text.0, text.1, ROOT, path.0, path.1))
    }

    pub(super) fn readlink(&mut self, path: impl AsRef<[u8]>, buf_len: u32) -> Answer<Vec<u8>> {
        let (at, len) = self.string(path);
        answer(path::path_readlink(&mut self.cx, &mut self.mem, ROOT, at, len, 8, buf_len, 0))?;
        Ok(self.mem[8..8 + self.word(0) as usize].to_vec())
    }

    /// From one directory and path to another.
    pub(super) fn rename_at(&mut self, old: (u32, &str), new: (u32, &str)) -> Answer {
        let [from, to] = self.strings(old.1.as_bytes(), new.1.as_bytes());
        answer(path::path_rename(&mut self.cx, &mut self.mem, old.0, from.0, from.1, new.0, to.0, to.1))
    }

    pub(super) fn rename(&mut self, old: &str, new: &str) -> Answer {
        self.rename_at((ROOT, old), (ROOT, new))
    }

    pub(super) fn link_at(&mut self, follow: bool, old: (u32, &str), new: (u32, &str)) -> Answer {
        let [from, to] = self.strings(old.1.as_bytes(), new.1.as_bytes());
        let (cx, mem) = (&mut self.cx, &mut self.mem);
        answer(path::path_link(cx, mem, old.0, follow.into(), from.0, from.1, new.0, to.0, to.1))
    }

    pub(super) fn link(&mut self, old: &str, new: &str) -> Answer {
        self.link_at(false, (ROOT, old), (ROOT, new))
    }

    /// One call of `fd_readdir`: the bytes that it wrote.
    pub(super) fn readdir(&mut self, fd: u32, cookie: u64, len: u32) -> Answer<Vec<u8>> {
        answer(readdir::fd_readdir(&mut self.cx, &mut self.mem, fd, STRINGS as u32, len, cookie, 0))?;
        Ok(self.mem[STRINGS..STRINGS + self.word(0) as usize].to_vec())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) inode: u64,
    pub(super) filetype: u8,
    pub(super) links: u64,
    pub(super) size: u64,
    pub(super) accessed: u64,
    pub(super) modified: u64,
}

/// The whole entries that `fd_readdir` wrote: cookie, type, name.
pub(super) fn dirents(mut bytes: &[u8]) -> Vec<(u64, u8, String)> {
    let mut entries = Vec::new();
    while bytes.len() >= 24 {
        let name_len = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
        let Some(name) = bytes.get(24..24 + name_len) else { break };
        let next = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        entries.push((next, bytes[20], String::from_utf8(name.to_vec()).unwrap()));
        bytes = &bytes[24 + name_len..];
    }
    entries
}
