//! Layers: what each crate may depend on, and the crates of others that only one of ours may know.

use super::Finding;
use super::tree::Tree;

/// Every crate and those of ours that it may use. A new crate gets its row first.
const LAYERS: [(&str, &[&str]); 11] = [
    ("waft-core", &[]),
    ("waft-cranelift", &["waft-core"]),
    // Wires the tiers: the one crate that names them all.
    ("waft-baseline", &["waft-core"]),
    ("waft-tiers", &["waft-core", "waft-cranelift", "waft-baseline"]),
    ("waft-engine", &["waft-core", "waft-tiers"]),
    ("waft", &["waft-core", "waft-engine", "waft-tiers"]),
    ("waft-wasi", &["waft"]),
    ("waft-cli", &["waft", "waft-wasi"]),
    // Cranelift asks for a crate of this name; this is our own.
    ("wasmtime-internal-core", &[]),
    // Unpublished.
    ("waft-testkit", &["waft", "waft-core", "waft-tiers", "waft-wasi", "waft-cli"]),
    ("xtask", &[]),
];

/// Crates of others, by the beginning of their names, and the one crate of ours that knows them.
const KNOWN_BY_ONE: [(&str, &str); 5] = [
    ("cranelift", "waft-cranelift"),
    ("clap", "waft-cli"),
    ("llvm", "waft-llvm"),
    ("inkwell", "waft-llvm"),
    ("hyper", "waft-http"),
];

/// Checks every manifest under `crates/` and that of `xtask`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.texts().filter_map(|(path, text)| Some((path, crate_of(path)?, text)));
    manifests.flat_map(|(path, name, text)| check_manifest(path, name, text)).collect()
}

/// The crate whose manifest this path is.
fn crate_of(path: &str) -> Option<&str> {
    if path == "xtask/Cargo.toml" {
        return Some("xtask");
    }
    path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")
}

fn check_manifest(path: &str, name: &str, text: &str) -> Vec<Finding> {
    let Some((_, may_use)) = LAYERS.iter().find(|(layer, _)| *layer == name) else {
        return vec![Finding::new(path, 0, format!("the crate `{name}` has no row in the table of layers"))];
    };
    let mut findings = Vec::new();
    for dependency in dependencies(text) {
        let ours = LAYERS.iter().any(|(layer, _)| *layer == dependency.name);
        // A test may look down from above: the documentation's examples are written for the facade.
        if ours && !dependency.for_tests && !may_use.contains(&dependency.name) {
            findings.push(Finding::new(
                path,
                dependency.line,
                format!("`{name}` may not use `{}`", dependency.name),
            ));
        }
        let knower = KNOWN_BY_ONE.iter().find(|(prefix, _)| is_or_extends(dependency.name, prefix));
        if let Some((_, knower)) = knower.filter(|(_, knower)| *knower != name) {
            let message = format!("only `{knower}` may know `{}`", dependency.name);
            findings.push(Finding::new(path, dependency.line, message));
        }
    }
    findings
}

/// `clap` and `clap_complete`, but not `clapper`.
fn is_or_extends(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

struct Dependency<'a> {
    name: &'a str,
    line: usize,
    for_tests: bool,
}

/// The dependencies that a manifest names, in any table of them.
fn dependencies(text: &str) -> Vec<Dependency<'_>> {
    let mut found = Vec::new();
    let mut table = "";
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']');
            if let Some((kind, name)) = table.rsplit_once("dependencies.") {
                found.push(Dependency { name, line: index + 1, for_tests: kind.ends_with("dev-") });
            }
        } else if table.ends_with("dependencies") && line.starts_with(|c: char| c.is_alphanumeric()) {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            found.push(Dependency { name, line: index + 1, for_tests: table.ends_with("dev-dependencies") });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, text)])).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn a_dependency_points_down() {
        let text = "[dependencies]\nwaft = { workspace = true }\nanyhow.workspace = true\n";
        assert_eq!(messages("crates/waft-wasi/Cargo.toml", text), [""; 0]);
        assert_eq!(messages("crates/waft-core/Cargo.toml", text), ["`waft-core` may not use `waft`"]);
    }

    #[test]
    fn tests_may_look_down_from_above() {
        let text = "[dev-dependencies]\nwaft = { path = \"../waft\" }\n[dev-dependencies.waft-cli]\n";
        assert_eq!(messages("crates/waft-engine/Cargo.toml", text), [""; 0]);
    }

    #[test]
    fn one_crate_knows_each_foreign_one() {
        let text =
            "[target.'cfg(unix)'.dependencies]\ncranelift-codegen = \"1\"\n[dependencies.clap_complete]\n";
        let want = [
            "only `waft-cranelift` may know `cranelift-codegen`",
            "only `waft-cli` may know `clap_complete`",
        ];
        assert_eq!(messages("crates/waft/Cargo.toml", text), want);
        assert_eq!(
            messages("crates/waft-cranelift/Cargo.toml", "[dependencies]\ncranelift-codegen = \"1\"\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_crate_without_a_row_is_told() {
        assert_eq!(messages("crates/waft-new/Cargo.toml", "").len(), 1);
    }
}
