//! `cargo xtask tidy`: the rules of the house that a compiler does not check.
//!
//! Each rule is one file, and looks only at the [`Tree`]: a rule can be tested on a made-up one.

use std::fmt;

use anyhow::{Result, bail};

use crate::step;
use crate::workspace;

mod code;
mod exceptions;
mod fences;
mod layers;
mod lock;
mod paths;
mod sizes;
mod tree;
mod words;

use exceptions::Exceptions;
use tree::Tree;

pub(crate) const HELP: &str = "\
Checks the rules of the house, each with a message that names the file and the line:

  layers    a crate depends only on the crates below it; one crate each knows Cranelift, clap, ...
  fences    `unsafe` stands only in the modules made for it
  lock      no crate of another runtime is linked
  words     nothing unfinished, no path of one machine, nothing that only its author understands
  sizes     a file of more than 1,000 lines has its reason in tidy.toml
  paths     every path that the documents name is there

Usage: cargo xtask tidy

Examples:
  cargo xtask tidy
";

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// From 1; 0 if it is about the whole file.
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

type Rule = fn(&Tree, &Exceptions) -> Vec<Finding>;

const RULES: [(&str, Rule); 6] = [
    ("layers", |tree, _| layers::check(tree)),
    ("fences", |tree, _| fences::check(tree)),
    ("lock", |tree, _| lock::check(tree)),
    ("words", |tree, _| words::check(tree)),
    ("sizes", sizes::check),
    ("paths", |tree, _| paths::check(tree)),
];

/// `cargo xtask tidy`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if !args.is_empty() {
        bail!("unknown arguments {args:?}: see `cargo xtask tidy --help`");
    }
    let tree = Tree::read(workspace::root())?;
    step::heading(&format!("tidy: {} files", tree.files().count()));
    let exceptions = Exceptions::parse(tree.text("tidy.toml").unwrap_or_default())?;
    let mut count = 0;
    for (rule, check) in RULES {
        let mut findings = check(&tree, &exceptions);
        findings.sort();
        findings.iter().for_each(|finding| println!("{finding} ({rule})"));
        count += findings.len();
    }
    if count == 0 { Ok(()) } else { bail!("{count} findings") }
}
