//! Files with names that anybody can guess, in directories where anybody may have made them first.
//!
//! # Invariants
//!
//! * **O1** Nothing is written, and no byte is removed, before it is known of the open file that it is a regular one, is the
//!   user's own, has no other name, and may be written by nobody else.

use anyhow::{Context as _, Error, Result, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What becomes of what is in the file already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It goes.
    Replace,
    /// It stays if this process wrote it, for another compiler in it may use the same file. It goes if it is left from an
    /// earlier process of the same number.
    KeepOurs,
}

/// Opens a file to append to, and makes it if it is not there.
///
/// # Errors
///
/// If it cannot be opened, or is not the user's alone.
pub(super) fn open(path: &Path, found: Found) -> Result<File> {
    open_own(path, found).with_context(|| format!("{}: the profile's file cannot be used", path.display()))
}

fn open_own(path: &Path, found: Found) -> Result<File> {
    // Without NONBLOCK a pipe that somebody put there would have us wait.
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Err(Error::msg("it is a symbolic link")),
        Err(error) => return Err(error.into()),
    };
    let metadata = file.metadata()?;
    let me = rustix::process::geteuid().as_raw();
    let mode = metadata.mode() & 0o7777;
    ensure!(metadata.is_file(), "it is not a regular file");
    ensure!(metadata.uid() == me, "it belongs to user {}, not to you ({me})", metadata.uid());
    ensure!(metadata.nlink() == 1, "it has another name as well");
    ensure!(mode & 0o022 == 0, "others may write to it (mode {mode:o})");
    if metadata.len() > 0 && (found == Found::Replace || is_of_earlier_process(&metadata)?) {
        file.set_len(0)?;
    }
    Ok(file)
}

/// Whether a file was last written before this process started.
fn is_of_earlier_process(metadata: &Metadata) -> Result<bool> {
    // A time in the future is that of a clock that was set since.
    let file_age = SystemTime::now().duration_since(metadata.modified()?).unwrap_or_default();
    Ok(file_age > process_age().context("/proc/self/stat does not tell when this process started")?)
}

fn process_age() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    // The name of the program, in parentheses, may hold anything. The start is 20 fields behind it.
    let (_, fields) = stat.rsplit_once(')').ok_or_else(malformed)?;
    let ticks: u64 = fields.split_whitespace().nth(19).ok_or_else(malformed)?.parse()?;
    let start = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    let now = clock_gettime(ClockId::Boottime);
    Ok(Duration::new(now.tv_sec as u64, now.tv_nsec as u32).saturating_sub(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    /// A directory of a test's own.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("waft-profile-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn what_somebody_else_put_there_is_refused_and_left_alone() {
        let folder = Folder::new("planted");
        let at = |name: &str| folder.0.join(name);
        fs::write(at("victim"), "precious").unwrap();
        std::os::unix::fs::symlink(at("victim"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("dangling")).unwrap();
        fs::hard_link(at("victim"), at("second")).unwrap();
        fs::write(at("open"), "precious").unwrap();
        fs::set_permissions(at("open"), PermissionsExt::from_mode(0o666)).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        fs::create_dir(at("directory")).unwrap();
        let rows = [
            ("link", "symbolic link"),
            ("dangling", "symbolic link"),
            ("second", "another name"),
            ("open", "others may write"),
            ("pipe", "not a regular file"),
            ("directory", "directory"),
            ("missing/file", "No such file"),
        ];
        for (name, reason) in rows {
            for found in [Found::Replace, Found::KeepOurs] {
                let error = format!("{:#}", open(&at(name), found).unwrap_err());
                assert!(error.contains(reason) && error.contains(name), "{error}");
            }
        }
        for untouched in ["victim", "open"] {
            assert_eq!(fs::read_to_string(at(untouched)).unwrap(), "precious");
        }
        assert!(!at("nothing").exists());
    }

    #[test]
    fn files_are_made_for_the_user_alone_and_appended_to() {
        let folder = Folder::new("appended");
        let path = folder.0.join("map");
        let write = |found, text: &str| open(&path, found).unwrap().write_all(text.as_bytes()).unwrap();
        write(Found::KeepOurs, "one\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        write(Found::KeepOurs, "two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        write(Found::Replace, "three\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn what_an_earlier_process_left_goes() {
        let folder = Folder::new("stale");
        let path = folder.0.join("map");
        fs::write(&path, "stale\n").unwrap();
        let before = process_age().unwrap() + Duration::from_secs(5);
        fs::File::open(&path).unwrap().set_modified(SystemTime::now() - before).unwrap();
        open(&path, Found::KeepOurs).unwrap().write_all(b"fresh\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "fresh\n");
    }
}
