//! `tidy.toml`: the exceptions, each with its reason.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

/// What stands in `tidy.toml`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exceptions {
    /// Files that may be long: path to reason.
    pub(super) long_files: BTreeMap<String, String>,
}

impl Exceptions {
    /// Reads the few forms of TOML that the file needs: comments, `[long-files]`, and `"path" = "reason"`.
    ///
    /// # Errors
    ///
    /// Any other line, an unknown table, an empty reason.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut exceptions = Self::default();
        let mut table = String::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                ensure!(name == "long-files", "tidy.toml:{}: unknown table `{name}`", index + 1);
                table = name.to_owned();
                continue;
            }
            let pair = line.split_once(" = ").and_then(|(key, value)| Some((unquote(key)?, unquote(value)?)));
            match pair {
                Some((path, reason)) if !table.is_empty() && !reason.is_empty() => {
                    exceptions.long_files.insert(path.to_owned(), reason.to_owned());
                }
                _ => bail!(
                    "tidy.toml:{}: expected `\"path\" = \"reason\"` in a table, got `{line}`",
                    index + 1
                ),
            }
        }
        Ok(exceptions)
    }
}

fn unquote(text: &str) -> Option<&str> {
    text.trim().strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_has_a_reason() {
        let parsed = Exceptions::parse("# why\n[long-files]\n\"a.rs\" = \"one table\"\n").unwrap();
        assert_eq!(parsed.long_files["a.rs"], "one table");
        assert!(Exceptions::parse("[long-files]\n\"a.rs\" = \"\"\n").is_err());
        assert!(Exceptions::parse("\"a.rs\" = \"no table\"\n").is_err());
        assert!(Exceptions::parse("[other]\n").is_err());
    }
}
