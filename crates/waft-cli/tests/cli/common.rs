//! What the tests of the command share: a folder of their own, and the binary.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder that is there while the test runs.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Named after the test, so that tests in one process do not meet.
    pub(crate) fn new(test: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The path of a file, there or not.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs `waft` in the folder.
    pub(crate) fn waft(&self, args: &[&str]) -> Run {
        self.waft_with(args, b"", &[])
    }

    /// Runs `waft` with this on standard input and these variables.
    pub(crate) fn waft_with(&self, args: &[&str], stdin: &[u8], env: &[(&str, &str)]) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_waft"))
            .args(args)
            .current_dir(&self.0)
            // Not the cache of whoever runs the tests.
            .env("WAFT_CACHE_DIR", self.path("cache"))
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have closed the pipe already.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        Run(child.wait_with_output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind in target/ harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run(pub(crate) Output);

impl Run {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// The command succeeded, and said this.
    #[track_caller]
    pub(crate) fn says(self, stdout: &str) {
        assert_eq!(self.0.status.code(), Some(0), "{}", self.stderr());
        assert_eq!(self.stdout(), stdout, "{}", self.stderr());
    }

    /// The command ended with `code`, and standard error has all of `parts`.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, parts: &[&str]) {
        assert_eq!(self.0.status.code(), Some(code), "{self:?}");
        for part in parts {
            assert!(self.stderr().contains(part), "{part:?} is not in:\n{}", self.stderr());
        }
    }
}
