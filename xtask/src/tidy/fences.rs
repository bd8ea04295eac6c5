//! `unsafe` stands only inside a fence: a module made to hold it, with its invariants written down.

use super::Finding;
use super::code::without_comments_and_literals;
use super::tree::Tree;

/// The fences. The engine's own tests call what embedders must call as `unsafe`, and raise signals.
const FENCES: [&str; 2] = ["crates/waft-engine/src/vm/", "crates/waft-engine/tests/"];

/// Finds `unsafe` outside the fences. `unsafe_code` and the like are other words.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let outside = tree.rust().filter(|(path, _)| !FENCES.iter().any(|fence| path.starts_with(fence)));
    outside.flat_map(|(path, text)| find(path, text)).collect()
}

fn find(path: &str, text: &str) -> Vec<Finding> {
    let code = without_comments_and_literals(text);
    let words =
        |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    let lines = code.lines().enumerate().filter(|(_, line)| words(line));
    let message = format!("`unsafe` outside the fences ({})", FENCES.join(", "));
    lines.map(|(index, _)| Finding::new(path, index + 1, message.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_found_outside_a_fence_only() {
        let code = "#![deny(unsafe_op_in_unsafe_fn)]\n// unsafe\nfn f() { unsafe { g() } }\n";
        let tree = Tree::of(&[("crates/waft-engine/src/vm/raw.rs", code), ("crates/waft/src/lib.rs", code)]);
        let findings = check(&tree);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].path.as_str(), findings[0].line), ("crates/waft/src/lib.rs", 3));
    }
}
