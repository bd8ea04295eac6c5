//! Every path that a document names is there: documents do not outlive what they describe.

use super::Finding;
use super::tree::Tree;

/// The folders that a path in a document may begin with.
const ROOTS: [&str; 10] =
    [".ci/", ".cargo/", "bench/", "crates/", "docs/", "examples/", "fuzz/", "tests/", "xtask/", "waft"];

/// Checks what stands in backticks and in links, in every document of the repository.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents =
        tree.texts().filter(|(path, _)| path.ends_with(".md") && !path.starts_with("bench/records/"));
    documents.flat_map(|(path, text)| check_document(tree, path, text)).collect()
}

fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    for (index, line) in prose(text) {
        let named = quoted(line).filter(|word| is_path(word));
        let missing = named.filter(|word| !resolves(tree, word));
        findings.extend(missing.map(|word| Finding::new(path, index + 1, format!("`{word}` is not there"))));
        let linked = links(line).filter(|target| !target.is_empty() && !target.contains(':'));
        let broken = linked.filter(|target| !tree.has(&joined(folder, target)));
        findings.extend(
            broken.map(|target| Finding::new(path, index + 1, format!("the link to {target} is broken"))),
        );
    }
    findings
}

/// The lines outside code blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    text.lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        !in_block && !fence
    })
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The targets of links, without their anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(|target| target.split('#').next().unwrap_or_default())
}

/// Whether this names a place in the repository, and not a pattern, a command or a path of a guest.
fn is_path(word: &str) -> bool {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let rooted = ROOTS.iter().any(|root| word.starts_with(root)) && word.contains('/');
    let file = [".rs", ".toml", ".md"].iter().any(|kind| word.ends_with(kind)) && word.len() > 4;
    plain && (rooted || file) && !word.starts_with(['/', '-'])
}

/// A path is told from the root, from `crates/`, or by a name that only has to occur.
fn resolves(tree: &Tree, word: &str) -> bool {
    tree.has(word)
        || tree.has(&format!("crates/{word}"))
        || (!ROOTS.iter().any(|root| word.starts_with(root))
            && tree.files().any(|file| file.strip_suffix(word).is_some_and(|before| before.ends_with('/'))))
}

/// A link's target from the root.
fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let tree = Tree::of(&[("docs/a.md", text), ("crates/waft/src/lib.rs", ""), ("tidy.toml", "")]);
        check(&tree).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn what_is_there_may_be_named() {
        assert_eq!(
            messages("`waft/src/lib.rs`, `crates/waft`, `lib.rs`, [here](../tidy.toml#x), `a/b`, `x.rs::f`"),
            [""; 0]
        );
        assert_eq!(messages("```\n`crates/gone`\n```\n`cargo xtask test`, `/docs/x`, `waft run`"), [""; 0]);
    }

    #[test]
    fn what_is_gone_may_not() {
        assert_eq!(messages("see `crates/gone/src/lib.rs`"), ["`crates/gone/src/lib.rs` is not there"]);
        assert_eq!(messages("see `gone.rs`"), ["`gone.rs` is not there"]);
        assert_eq!(messages("see [it](gone.md)"), ["the link to gone.md is broken"]);
    }
}
