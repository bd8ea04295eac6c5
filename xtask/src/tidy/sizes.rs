//! A file of more than 1,000 lines needs a reason, and a reason needs such a file.

use super::Finding;
use super::exceptions::Exceptions;
use super::tree::Tree;

const LINES_MAX: usize = 1000;

/// Looks at what people write: code, scripts, documents. Data under `tests/` and lock files are as long as they are.
pub(super) fn check(tree: &Tree, exceptions: &Exceptions) -> Vec<Finding> {
    let written = tree.texts().filter(|(path, _)| is_written(path));
    let long: Vec<(&str, usize)> = written
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .collect();
    let unexplained =
        long.iter().filter(|(path, _)| !exceptions.long_files.contains_key(*path)).map(|(path, lines)| {
            Finding::new(path, 0, format!("{lines} lines: split it, or give the reason in tidy.toml"))
        });
    let idle =
        exceptions.long_files.keys().filter(|path| !long.iter().any(|(file, _)| file == path)).map(|path| {
            Finding::new("tidy.toml", 0, format!("`{path}` is not a long file: remove the exception"))
        });
    unexplained.chain(idle).collect()
}

fn is_written(path: &str) -> bool {
    let kind = path.rsplit('.').next().unwrap_or_default();
    matches!(kind, "rs" | "md" | "toml" | "c" | "h" | "cpp" | "go" | "py" | "sh")
        && !path.starts_with("tests/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_have_reasons_and_reasons_have_long_files() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let tree = Tree::of(&[("a.rs", &long), ("b.rs", &long), ("tests/c.c", &long), ("d.rs", "x\n")]);
        let exceptions =
            Exceptions::parse("[long-files]\n\"b.rs\" = \"a table\"\n\"d.rs\" = \"once long\"\n").unwrap();
        let found: Vec<String> = check(&tree, &exceptions).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("a.rs: 1001 lines") && found[1].contains("`d.rs`"));
    }
}
