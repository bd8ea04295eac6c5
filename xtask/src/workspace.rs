//! Where things are: the root of the repository and the folders under `target/`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ stands in the root of the repository")
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Where toolchains, runtimes and built guests are kept.
///
/// The test of real programs looks here too, so this is `target/` of the repository whatever `CARGO_TARGET_DIR` says.
pub(crate) fn guests() -> PathBuf {
    root().join("target/guests")
}

/// The `cargo` that runs this command, started in the root of the repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// The path as the repository names it, for messages and records.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.toml").is_file());
        assert_eq!(relative(&root().join("xtask/src")), "xtask/src");
    }
}
