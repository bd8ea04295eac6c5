//! `waft cache`: what is in the code cache, and how to be rid of it.

use crate::cache::CachePlace;
use crate::output;
use crate::units::format_size;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use waft::{Cache, CacheUsage, Context, Result};

/// Show or clear the cache of compiled code that `waft run` keeps
///
/// Ends with 1 if there is no place for a cache, or if it cannot be used; it says why.
#[derive(Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  waft cache info
  waft cache clear
  du -sh \"$(waft cache dir)\"
  waft cache info --cache-dir ./code"
)]
pub(crate) struct CacheCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show where the cache is, what it has, and how much it may have
    #[command(after_help = "Examples:\n  waft cache info\n  waft cache info --cache-dir ./code")]
    Info(CachePlace),
    /// Remove all that is in the cache; programs that run keep their code
    #[command(after_help = "Examples:\n  waft cache clear\n  waft cache clear --cache-dir ./code")]
    Clear(CachePlace),
    /// Print where the cache is, whether there is one or not
    #[command(after_help = "Examples:\n  waft cache dir\n  ls -l \"$(waft cache dir)\"")]
    Dir(CachePlace),
}

impl CacheCommand {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        match self.action {
            Action::Info(place) => info(&open(&place)?)?,
            Action::Clear(place) => clear(&open(&place)?)?,
            Action::Dir(place) => output::print(&format!("{}\n", directory(&place)?.display()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn directory(place: &CachePlace) -> Result<PathBuf> {
    place
        .directory()
        .context("there is no place for a cache: neither WAFT_CACHE_DIR, XDG_CACHE_HOME nor HOME is set")
}

fn open(place: &CachePlace) -> Result<Cache> {
    let directory = directory(place)?;
    place.open()?.with_context(|| format!("there is no cache in {}", directory.display()))
}

fn info(cache: &Cache) -> Result<()> {
    let CacheUsage { entries, bytes } = cache.usage()?;
    let (directory, limit) = (cache.directory().display(), format_size(cache.files_total_size_soft_limit()));
    output::print(&format!(
        "directory: {directory}\nmodules: {entries}\nsize: {} of at most {limit}\n",
        format_size(bytes)
    ))
}

fn clear(cache: &Cache) -> Result<()> {
    let CacheUsage { entries, bytes } = cache.clear()?;
    output::print(&format!("removed: {entries} modules, {}\n", format_size(bytes)))
}
