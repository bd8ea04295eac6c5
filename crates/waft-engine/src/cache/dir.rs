//! The directory of a cache, and its files: entries, and temporary files that become entries.
//!
//! # Invariants
//!
//! * A [`CacheDir`] is open, belongs to the user, and nobody else may read, write or search it. All names are looked up
//!   in it, never by path, so it does not matter what happens to the path meanwhile.
//! * Only files with names as we give them are touched.

use super::check_file_size;
use super::key::Secret;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, UTIME_NOW,
    UTIME_OMIT, accessat, futimens, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt as _, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Ends the names of entries.
pub(super) const ENTRY_SUFFIX: &str = ".code";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// The file with the secret, and with its own number: as long as it has that, it is no copy.
const KEY_NAME: &str = "key";
const KEY_FILE_BYTES: usize = size_of::<Secret>() + size_of::<u64>();

/// A temporary file that nobody wrote to for so long has no writer any more: writing one takes a second at most, and one
/// that is held up for longer only finds that its entry was not kept.
const ABANDONED_SECONDS: i64 = 600;

/// When an entry is used, its time is renewed if it is older: a write to the disk a minute at most.
const TOUCH_SECONDS: i64 = 60;

/// A directory that is safe to take code from.
pub(super) struct CacheDir(OwnedFd);

/// A file of a cache.
pub(super) struct CacheFile {
    pub(super) name: String,
    pub(super) is_entry: bool,
    pub(super) bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl CacheDir {
    /// Opens the directory, if it is there.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let opened = openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let cannot_use = || format!("the cache {} cannot be used", path.display());
        let dir = match opened {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error).with_context(cannot_use),
        };
        let status = rustix::fs::fstat(&dir).with_context(cannot_use)?;
        let me = rustix::process::geteuid().as_raw();
        let mode = status.st_mode & 0o7777;
        let check = || -> Result<()> {
            ensure!(status.st_uid == me, "it belongs to user {}, not to you ({me})", status.st_uid);
            ensure!(mode & 0o077 == 0, "it is open to others (mode {mode:o}), and must have the mode 700");
            Ok(())
        };
        check().with_context(cannot_use)?;
        Ok(Some(Self(dir)))
    }

    /// Opens the directory, and makes it if it is not there.
    pub(super) fn create(path: &Path) -> Result<Self> {
        if let Some(dir) = Self::open(path)? {
            return Ok(dir);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the directory {}", path.display()))?;
        Self::open(path)?.context("it was removed a moment after it was made")
    }

    /// Whether files can be made in it, as far as that can be told without making one.
    pub(super) fn is_writable(&self) -> bool {
        accessat(&self.0, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty()).is_ok()
    }

    /// The number of the file that has the name now.
    pub(super) fn inode(&self, name: &str) -> Option<u64> {
        statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|status| status.st_ino)
    }

    /// Opens an entry, if it is there. Whether it may be used is not said.
    pub(super) fn entry(&self, name: &str) -> Result<Option<File>> {
        // A link is not followed; what is not a file is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        match openat(&self.0, name, flags, Mode::empty()) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => Err(Errno::LOOP).context("it is a symbolic link"),
            Err(error) => Err(error).context("it cannot be opened"),
        }
    }

    /// Whether there is an entry whose name starts so.
    pub(super) fn has_entry(&self, start: &str) -> bool {
        let Ok(mut entries) = Dir::read_from(&self.0) else { return false };
        entries.any(|entry| {
            let is_it = |name: &str| name.starts_with(start) && kind_of(name) == Some(true);
            entry.is_ok_and(|entry| entry.file_name().to_str().is_ok_and(is_it))
        })
    }

    /// The directory's secret, which is made if it has none.
    ///
    /// A copy of the directory, file by file, does not have it: whoever was given one, in a container's image, would know it.
    pub(super) fn secret(&self) -> Result<Secret> {
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let known = self.known_secret().context("the file `key` cannot be read")?;
            if let Some(secret) = known {
                return Ok(secret);
            }
            self.make_secret().context("the file `key` cannot be made")?;
        }
        bail!(
            "the file `key` that was made is not in order when it is read: are its number, owner and mode kept?"
        )
    }

    fn known_secret(&self) -> io::Result<Option<Secret>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file: File = match openat(&self.0, KEY_NAME, flags, Mode::empty()) {
            Ok(file) => file.into(),
            Err(Errno::NOENT | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        let is_ours = metadata.is_file()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o077 == 0;
        let mut content = [0; KEY_FILE_BYTES];
        if !is_ours || metadata.len() != KEY_FILE_BYTES as u64 {
            return Ok(None);
        }
        file.read_exact_at(&mut content, 0)?;
        let (secret, inode) = content.split_first_chunk().expect("it is longer");
        Ok((inode == metadata.ino().to_le_bytes()).then_some(*secret))
    }

    /// Makes a secret, in place of one that is not in order, unless another process has made one meanwhile.
    fn make_secret(&self) -> Result<()> {
        let mut secret = Secret::default();
        let random = rustix::rand::getrandom(&mut secret, GetRandomFlags::empty())?;
        ensure!(random == secret.len(), "the system has {random} random bytes");
        check_file_size(KEY_FILE_BYTES as u64)?;
        // If the process is killed now, it is removed as what becomes of entries is.
        let (temporary, mut file) = self.temporary(&format!("{:032x}{ENTRY_SUFFIX}", 0))?;
        let mut made = || -> io::Result<bool> {
            file.write_all(&[&secret[..], &file.metadata()?.ino().to_le_bytes()].concat())?;
            let name = temporary.as_str();
            match renameat_with(&self.0, name, &self.0, KEY_NAME, RenameFlags::NOREPLACE) {
                Ok(()) => Ok(true),
                Err(Errno::EXIST) if self.known_secret()?.is_some() => Ok(false),
                // Somebody cleared the cache meanwhile, and this looked like a part of it.
                Err(Errno::NOENT) => Ok(false),
                // One that is not in order; or a file system that cannot tell, where the last one stays.
                Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                    renameat(&self.0, name, &self.0, KEY_NAME)?;
                    Ok(true)
                }
                Err(error) => Err(error.into()),
            }
        };
        let made = made();
        if !matches!(made, Ok(true)) {
            let _ = unlinkat(&self.0, &temporary, AtFlags::empty());
        }
        made?;
        Ok(())
    }

    /// Writes an entry. It has its name when it has its content, and replaces what had the name.
    ///
    /// It is not flushed to the disk: what a power failure leaves of it has a wrong checksum, and compiling again costs less
    /// than waiting for the disk each time.
    pub(super) fn write(&self, name: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
        let (temporary, mut file) = self.temporary(name).context("cannot make a file")?;
        let written = write(&mut file).context("cannot write it").and_then(|()| {
            match renameat(&self.0, &temporary, &self.0, name) {
                // Somebody cleared the cache meanwhile, and this belonged to it.
                Err(Errno::NOENT) => Ok(()),
                renamed => renamed.context("cannot rename it"),
            }
        });
        if written.is_err() {
            // If this fails too, a sweep removes it when it is old.
            let _ = unlinkat(&self.0, &temporary, AtFlags::empty());
        }
        written
    }

    fn temporary(&self, name: &str) -> rustix::io::Result<(String, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            // Processes of one number can share a directory, in containers: hence the time.
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
            let unique = format!("{:x}-{count:x}-{now:x}", std::process::id());
            let temporary = format!("{name}.{unique}{TEMPORARY_SUFFIX}");
            match openat(&self.0, &temporary, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok((temporary, file.into())),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// All files of the cache.
    pub(super) fn files(&self) -> Result<Vec<CacheFile>> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.0).context("cannot read the cache")? {
            let entry = entry.context("cannot read the cache")?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(is_entry) = kind_of(name) else { continue };
            match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(status) => files.push(CacheFile::new(name, is_entry, &status)),
                // Another process removed or renamed it meanwhile.
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error).context("cannot read the cache"),
            }
        }
        Ok(files)
    }

    /// Removes a file, unless it is gone already. Those who have it open or mapped keep what they have.
    pub(super) fn remove(&self, file: &CacheFile) -> rustix::io::Result<bool> {
        match unlinkat(&self.0, file.name.as_str(), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes temporary files that have no writer, then entries until at most `bytes_max` are left, those first that
    /// were not used for longest.
    pub(super) fn sweep(&self, bytes_max: u64) -> Result<()> {
        let mut files = self.files()?;
        let now = now_seconds();
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        // Equal times are decided by name, so that the outcome is the same each time.
        files.sort_by(|one, other| (one.modified, &one.name).cmp(&(other.modified, &other.name)));
        for file in files {
            let is_due = if file.is_entry {
                bytes > bytes_max
            } else {
                now.saturating_sub(file.modified.0) > ABANDONED_SECONDS
            };
            if is_due {
                self.remove(&file)?;
                bytes -= file.bytes;
            }
        }
        Ok(())
    }
}

impl CacheFile {
    fn new(name: &str, is_entry: bool, status: &Stat) -> Self {
        let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        Self {
            name: name.to_owned(),
            is_entry,
            bytes: if is_file { status.st_size as u64 } else { 0 },
            modified: (status.st_mtime, status.st_mtime_nsec as i64),
        }
    }
}

/// Whether a name is an entry's; `None` if it is not one of ours at all.
fn kind_of(name: &str) -> Option<bool> {
    let (hash, rest) = name.split_at_checked(32)?;
    if !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    match rest.strip_prefix(ENTRY_SUFFIX)? {
        "" => Some(true),
        rest => (rest.starts_with('.') && rest.ends_with(TEMPORARY_SUFFIX)).then_some(false),
    }
}

fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs() as i64)
}

/// Notes that an entry was used. Where that cannot be noted, on a read-only file system, nothing is removed either.
pub(super) fn touch(file: &File) {
    let modified = file.metadata().map_or(0, |metadata| metadata.mtime());
    if now_seconds().abs_diff(modified) <= TOUCH_SECONDS as u64 {
        return;
    }
    let time = |nanoseconds| Timespec { tv_sec: 0, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
    let _ = futimens(file.as_fd(), &times);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_ours() {
        let hash = "0123456789abcdef0123456789abcdef";
        let rows = [
            (format!("{hash}.code"), Some(true)),
            (format!("{hash}.code.1-2-3.tmp"), Some(false)),
            (format!("{hash}.codex"), None),
            (format!("{hash}.code.bak"), None),
            (hash.to_string(), None),
            (format!("x{hash}.code"), None),
            (format!("{}z.code", &hash[1..]), None),
            (".code".into(), None),
            ("notes.txt".into(), None),
            ("ä".repeat(20), None),
        ];
        for (name, kind) in rows {
            assert_eq!(kind_of(&name), kind, "{name}");
        }
    }
}
