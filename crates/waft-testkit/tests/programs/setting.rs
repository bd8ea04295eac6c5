//! What a program is, and what it finds: folders, grants, input.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A program: one or more runs that share a scratch folder.
pub(crate) struct Program {
    /// What it needs and what is not there yet: until then it must be refused with an error that says this.
    pub(crate) refused_for: Option<&'static str>,
    /// Puts things into the scratch folder before the first run.
    pub(crate) lay_out: fn(&Path) -> io::Result<()>,
    pub(crate) runs: &'static [Run],
    /// Looks at the scratch folder after the last run.
    pub(crate) inspect: fn(&Path),
}

/// A program without runs: the rest of a literal.
pub(crate) const PROGRAM: Program =
    Program { refused_for: None, lay_out: |_| Ok(()), runs: &[], inspect: |_| () };

/// One start of a guest, and what must come of it.
pub(crate) struct Run {
    pub(crate) guest: Guest,
    /// What `waft` itself is told, when it compiles and when it runs.
    pub(crate) flags: &'static [&'static str],
    pub(crate) args: &'static [&'static str],
    pub(crate) env: &'static [(&'static str, &'static str)],
    pub(crate) grants: &'static [Grant],
    /// A file under `tests/programs/`.
    pub(crate) stdin: Option<&'static str>,
    pub(crate) code: i32,
    /// A file under `tests/programs/expected/`; without one, nothing may be printed.
    pub(crate) stdout: Option<&'static str>,
    /// Each must occur on standard error.
    pub(crate) stderr: &'static [&'static str],
}

/// A run of nothing: the rest of a literal.
pub(crate) const RUN: Run = Run {
    guest: Guest::Built(""),
    flags: &[],
    args: &[],
    env: &[],
    grants: &[],
    stdin: None,
    code: 0,
    stdout: None,
    stderr: &[],
};

/// Where a guest's module comes from.
pub(crate) enum Guest {
    /// `cargo xtask guests` made it.
    Built(&'static str),
    /// An earlier run of the same program made it, in the scratch folder.
    Made(&'static str),
}

/// One `--dir` of a run.
pub(crate) struct Grant {
    pub(crate) folder: Folder,
    /// What the guest calls it.
    pub(crate) name: &'static str,
    pub(crate) read_only: bool,
}

/// A folder of the host.
pub(crate) enum Folder {
    /// Below the scratch folder; empty for the scratch folder itself.
    Scratch(&'static str),
    /// Below `tests/programs/`.
    Data(&'static str),
    /// A file system that came with a runtime.
    Root(&'static str),
}

/// The scratch folder, as `/work`.
pub(crate) const WORK: Grant = Grant { folder: Folder::Scratch(""), name: "/work", read_only: false };
/// The scripts, as `/scripts`.
pub(crate) const SCRIPTS: Grant =
    Grant { folder: Folder::Data("scripts"), name: "/scripts", read_only: false };

impl Grant {
    /// The value of `--dir`.
    pub(crate) fn flag(&self, scratch: &Path) -> String {
        let host = match self.folder {
            Folder::Scratch(path) => scratch.join(path),
            Folder::Data(path) => data().join(path),
            Folder::Root(name) => guests().join("roots").join(name),
        };
        format!("{}::{}{}", host.display(), self.name, if self.read_only { ":ro" } else { "" })
    }
}

/// `tests/programs/`.
pub(crate) fn data() -> PathBuf {
    repository().join("tests/programs")
}

/// `target/guests/`.
pub(crate) fn guests() -> PathBuf {
    repository().join("target/guests")
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate stands two folders deep")
}

/// A granted `box` with links out of it, beside a `secret`.
pub(crate) fn lay_out_box(scratch: &Path) -> io::Result<()> {
    fs::create_dir_all(scratch.join("box/inner"))?;
    fs::write(scratch.join("box/mine"), "mine")?;
    fs::write(scratch.join("secret"), "secret")?;
    let link = |target: &Path, name: &str| symlink(target, scratch.join("box").join(name));
    link(Path::new("inner"), "inner-link")?;
    link(Path::new("../secret"), "climbs")?;
    link(&scratch.join("secret"), "absolute")?;
    link(Path::new(".."), "out")?;
    link(Path::new("../not-there"), "dangling")
}

/// Nothing beside the box has changed.
pub(crate) fn inspect_box(scratch: &Path) {
    let mut names: Vec<_> = fs::read_dir(scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["box", "secret"], "the guest reached out of its box");
    assert_eq!(fs::read_to_string(scratch.join("secret")).unwrap(), "secret");
}

/// A folder to be kept as it is, and one to be changed.
pub(crate) fn lay_out_kept(scratch: &Path) -> io::Result<()> {
    fs::create_dir_all(scratch.join("kept/inner"))?;
    fs::create_dir_all(scratch.join("free"))?;
    fs::write(scratch.join("kept/note"), "kept note")?;
    fs::write(scratch.join("free/mine"), "mine")
}

/// The one is as it was, the other is changed.
pub(crate) fn inspect_kept(scratch: &Path) {
    let mut names: Vec<_> =
        fs::read_dir(scratch.join("kept")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["inner", "note"]);
    assert_eq!(fs::read_to_string(scratch.join("kept/note")).unwrap(), "kept note");
    assert_eq!(fs::read_to_string(scratch.join("free/mine")).unwrap(), "mine!");
}
