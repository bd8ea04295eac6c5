//! `waft completion`: a script that teaches a shell our flags.

use crate::{Cli, output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::process::ExitCode;
use waft::Result;

/// Print a script that completes waft's command line in a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  waft completion bash > /etc/bash_completion.d/waft
  waft completion zsh > ~/.zfunc/_waft
  waft completion fish > ~/.config/fish/completions/waft.fish")]
pub(crate) struct Completion {
    /// The shell to write for
    shell: Shell,
}

impl Completion {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "waft", &mut script);
        output::print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}
