//! Where the code cache is, and the flags that say so.
//!
//! # Elsewhere
//!
//! What a cache is and does: `waft::Cache`. Looking at it: `command/cache.rs`.

use crate::exit;
use crate::units::parse_size;
use clap::Args;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use waft::{Cache, CacheConfig, Error, Result};

/// The variables that say where the cache is and how large it may be.
const DIR_VARIABLE: &str = "WAFT_CACHE_DIR";
const SIZE_VARIABLE: &str = "WAFT_CACHE_SIZE";

/// Whether a command uses the cache, and which.
#[derive(Args)]
pub(crate) struct CacheFlags {
    /// Compile the program even if its code is in the cache, and keep nothing
    #[arg(long, conflicts_with = "cache_dir", help_heading = "Cache")]
    no_cache: bool,

    #[command(flatten)]
    place: CachePlace,
}

/// Which cache.
#[derive(Args)]
pub(crate) struct CachePlace {
    /// Keep compiled code in DIR [default: $WAFT_CACHE_DIR, $XDG_CACHE_HOME/waft or ~/.cache/waft]
    ///
    /// It is made with the mode 700 if it is not there, and must be yours and closed to others. WAFT_CACHE_SIZE says how
    /// large it may become (1GiB); what was not used for longest goes first.
    #[arg(long, value_name = "DIR", help_heading = "Cache")]
    cache_dir: Option<PathBuf>,
}

impl CacheFlags {
    /// The cache, if there is one and it can be used. If it cannot, that is said, and is no error.
    pub(crate) fn open(&self) -> Option<Cache> {
        if self.no_cache {
            return None;
        }
        self.place.open().unwrap_or_else(|error| {
            note(&format!("{error:#}"));
            None
        })
    }
}

impl CachePlace {
    /// Where the cache is; `None` without a home.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        directory(self.cache_dir.as_deref(), |name| std::env::var_os(name))
    }

    /// The cache; `None` without a home.
    pub(crate) fn open(&self) -> Result<Option<Cache>> {
        let Some(directory) = self.directory() else { return Ok(None) };
        let mut config = CacheConfig::new();
        config.with_directory(directory).with_reporter(note);
        if let Some(size) = std::env::var_os(SIZE_VARIABLE).filter(|size| !size.is_empty()) {
            let size = size.to_string_lossy();
            let bytes = parse_size(&size).map_err(|error| {
                Error::msg(format!("the cache is not used: {SIZE_VARIABLE}={size}: {error}"))
            })?;
            config.with_files_total_size_soft_limit(bytes);
        }
        Cache::new(config).map(Some)
    }
}

/// Something is wrong with the cache; the program runs all the same.
fn note(trouble: &str) {
    exit::say(format_args!("note: {trouble}"));
}

/// The flag, or else the first variable that is set. Source: the XDG Base Directory Specification, which ignores relative
/// paths and defaults to `$HOME/.cache`.
fn directory(flag: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let absolute = |name| path(name).filter(|path| path.is_absolute());
    flag.map(Path::to_owned)
        .or_else(|| path(DIR_VARIABLE))
        .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("waft")))
        .or_else(|| Some(absolute("HOME")?.join(".cache/waft")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_first_then_our_variable_then_the_users_caches() {
        type Row<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], Option<&'a str>);
        let rows: [Row<'_>; 9] = [
            (Some("flag"), &[(DIR_VARIABLE, "/own"), ("HOME", "/me")], Some("flag")),
            (None, &[(DIR_VARIABLE, "/own"), ("XDG_CACHE_HOME", "/xdg")], Some("/own")),
            (None, &[(DIR_VARIABLE, "own")], Some("own")),
            (None, &[("XDG_CACHE_HOME", "/xdg"), ("HOME", "/me")], Some("/xdg/waft")),
            (None, &[("XDG_CACHE_HOME", "xdg"), ("HOME", "/me")], Some("/me/.cache/waft")),
            (None, &[(DIR_VARIABLE, ""), ("XDG_CACHE_HOME", ""), ("HOME", "/me")], Some("/me/.cache/waft")),
            (None, &[("HOME", "")], None),
            (None, &[("HOME", "me")], None),
            (None, &[], None),
        ];
        for (flag, variables, expected) in rows {
            let found = directory(flag.map(Path::new), |name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            });
            assert_eq!(found.as_deref(), expected.map(Path::new), "{flag:?} {variables:?}");
        }
    }
}
