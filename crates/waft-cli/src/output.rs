//! Files that appear whole or not at all, and a word on a terminal while work takes long.

use crate::exit;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use waft::{Error, Result};

/// Writes `bytes` to `path` so that a reader sees the old file or the new one, never half of it.
///
/// The new file stands beside the old one, because a rename is atomic within one file system only.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::new(error).context(format!("cannot write {}", path.display()));
    let temporary = temporary_beside(path);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort: the error that matters is the one being reported.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Runs `work`, telling a person at a terminal what it is about and for how long, once it takes a noticeable time.
pub(crate) fn with_progress<R>(what: &str, work: impl FnOnce() -> R) -> R {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    std::thread::scope(|scope| {
        let (done, finished) = mpsc::channel::<()>();
        scope.spawn(move || tick(what, &finished));
        let result = work();
        drop(done);
        result
    })
}

fn tick(what: &str, finished: &mpsc::Receiver<()>) {
    const CLEAR: &str = "\r\x1b[K";
    let start = Instant::now();
    let mut shown = false;
    while finished.recv_timeout(Duration::from_millis(500)) == Err(RecvTimeoutError::Timeout) {
        shown = true;
        // Progress is a courtesy: a terminal that went away must not end the work.
        let _ = write!(std::io::stderr().lock(), "{CLEAR}{what} ... {} s", start.elapsed().as_secs());
    }
    if shown {
        let _ = write!(std::io::stderr().lock(), "{CLEAR}");
    }
}

/// Prints to standard output, all at once.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// Says a line to a person at a terminal; scripts get silence on success.
pub(crate) fn note(line: std::fmt::Arguments<'_>) {
    if std::io::stderr().is_terminal() {
        exit::say(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_no_temporary_stays() {
        let folder = std::env::temp_dir().join(format!("waft-output-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("out");
        write_atomically(&path, b"first").unwrap();
        write_atomically(&path, b"second").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        assert!(write_atomically(&folder.join("absent/out"), b"x").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
