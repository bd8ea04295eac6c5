//! Lists of scripts that are known to fail: they are run, and they must fail.
//!
//! A list may only shrink. A script that passes though it is listed is an error, so that the list never hides what
//! works; a name on it that no script has is an error too.

use std::collections::BTreeMap;
use std::path::PathBuf;
use waft::{Error, Result, bail};

/// The scripts that one tier is expected to fail, with the reason for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectFail {
    reasons: BTreeMap<String, String>,
}

impl ExpectFail {
    /// Reads `tests/expect-fail/<tier>.txt`.
    pub fn load(tier: &str) -> Result<ExpectFail> {
        let path = ExpectFail::path(tier);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::new(error).context(format!("cannot read {}", path.display())))?;
        ExpectFail::parse(&text).map_err(|error| error.context(path.display().to_string()))
    }

    /// Where the list of `tier` is.
    pub fn path(tier: &str) -> PathBuf {
        crate::test_data().join("expect-fail").join(format!("{tier}.txt"))
    }

    /// Parses lines of `script: reason`; empty lines and lines that start with `#` are for people.
    ///
    /// # Examples
    ///
    /// ```
    /// use waft_testkit::expect::ExpectFail;
    ///
    /// let list = ExpectFail::parse("# to do\ngc/array.wast: gc\n").unwrap();
    /// assert_eq!(list.reason("gc/array.wast"), Some("gc"));
    /// assert_eq!(list.reason("core/i32.wast"), None);
    /// assert!(ExpectFail::parse("gc/array.wast").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<ExpectFail> {
        let mut reasons = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((script, reason)) = line.split_once(": ") else {
                bail!("line {}: expected `script: reason`, found {line:?}", at + 1);
            };
            if reasons.insert(script.to_owned(), reason.trim().to_owned()).is_some() {
                bail!("line {}: {script} stands here twice", at + 1);
            }
        }
        Ok(ExpectFail { reasons })
    }

    /// Why `script` is expected to fail; `None` if it is expected to pass.
    pub fn reason(&self, script: &str) -> Option<&str> {
        self.reasons.get(script).map(String::as_str)
    }

    /// The names of all scripts listed.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }
}
