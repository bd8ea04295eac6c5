//! No crate of another runtime is linked: they stand only in workspaces of their own, as peers and oracles.

use super::Finding;
use super::tree::Tree;

/// How the names of the other runtimes' crates begin.
const RUNTIMES: [&str; 8] = ["wasmtime", "wasmer", "wasmi", "winch", "wasm3", "wasmedge", "wamr", "lucet"];

/// Checks the lock file of the workspace. A crate of our own, which has no source, may be called as it must.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    packages(tree.text("Cargo.lock").unwrap_or_default())
        .into_iter()
        .filter(|package| {
            package.from_registry && RUNTIMES.iter().any(|runtime| package.name.starts_with(runtime))
        })
        .map(|package| {
            Finding::new("Cargo.lock", package.line, format!("`{}` is another runtime's", package.name))
        })
        .collect()
}

struct Package<'a> {
    name: &'a str,
    line: usize,
    from_registry: bool,
}

fn packages(lock: &str) -> Vec<Package<'_>> {
    let mut packages: Vec<Package<'_>> = Vec::new();
    for (index, line) in lock.lines().enumerate() {
        if let Some(name) = line.strip_prefix("name = \"") {
            packages.push(Package {
                name: name.trim_end_matches('"'),
                line: index + 1,
                from_registry: false,
            });
        } else if line.starts_with("source = ")
            && let Some(package) = packages.last_mut()
        {
            package.from_registry = true;
        }
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_from_a_registry_is_found_and_our_own_is_not() {
        let lock = "[[package]]\nname = \"wasmi\"\nsource = \"registry\"\n\n[[package]]\nname = \"wasmtime-own\"\n\n\
            [[package]]\nname = \"wasmparser\"\nsource = \"registry\"\n";
        let findings = check(&Tree::of(&[("Cargo.lock", lock)]));
        assert_eq!(findings, [Finding::new("Cargo.lock", 2, "`wasmi` is another runtime's")]);
    }
}
