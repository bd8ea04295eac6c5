//! Words that do not belong: unfinished code, and paths of one machine.

use super::Finding;
use super::code::without_comments_and_literals;
use super::tree::Tree;

/// Not in Rust code, outside comments and literals.
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];

/// Not in any text.
const FOREIGN: [(&str, &str); 3] = [
    ("/home/", "a path of one machine"),
    ("/root/", "a path of one machine"),
    ("/Users/", "a path of one machine"),
];

/// This file names what it looks for, and the lock file names where crates come from.
const EXEMPT: [&str; 2] = ["xtask/src/tidy/words.rs", "Cargo.lock"];

/// Checks every text.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let texts = tree.texts().filter(|(path, _)| !EXEMPT.contains(path));
    let foreign = texts.flat_map(|(path, text)| find(path, text, FOREIGN));
    let unfinished = UNFINISHED.map(|word| (word, "unfinished"));
    let rust = tree.rust().filter(|(path, _)| !EXEMPT.contains(path));
    foreign
        .chain(rust.flat_map(|(path, text)| find(path, &without_comments_and_literals(text), unfinished)))
        .collect()
}

fn find<const N: usize>(path: &str, text: &str, words: [(&str, &str); N]) -> Vec<Finding> {
    let hits = |(index, line): (usize, &str)| {
        let found: Vec<_> = words.iter().filter(|(word, _)| line.contains(word)).collect();
        found.into_iter().map(move |(word, why)| (index + 1, format!("`{word}`: {why}"))).collect::<Vec<_>>()
    };
    text.lines().enumerate().flat_map(hits).map(|(line, message)| Finding::new(path, line, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_code_is_found_and_talk_about_it_is_not() {
        let tree =
            Tree::of(&[("a.rs", "// todo! in a comment\nfn f() {\n    todo!()\n}\n#[ignore = \"slow\"]\n")]);
        let lines: Vec<usize> = check(&tree).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [3, 5]);
    }

    #[test]
    fn paths_of_one_machine_are_found_in_any_text() {
        let tree = Tree::of(&[("a.md", "see\n/home/me/x\n"), ("b.rs", "// guests see `/work/notes`\n")]);
        assert_eq!(check(&tree), [Finding::new("a.md", 2, "`/home/`: a path of one machine")]);
    }
}
