//! `waft compile`: machine code ahead of time.

use crate::input::Input;
use crate::setup::Setup;
use crate::units::format_size;
use crate::{describe, output};
use clap::Args;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use waft::{Result, bail};

/// Compile a module ahead of time, to be started by `waft run` without compiling
///
/// The output is native code for this version of waft and this kind of processor: `waft run` refuses it elsewhere,
/// says why, and never runs a file that was cut short or altered.
#[derive(Args)]
#[command(after_help = "\
Examples:
  waft compile app.wasm -o app.cwasm
  waft run app.cwasm
  waft compile --deterministic app.wasm -o app.cwasm && waft run --deterministic app.cwasm
  curl -s https://example.com/app.wasm | waft compile - -o app.cwasm")]
pub(crate) struct Compile {
    /// A module, text or binary; `-` for standard input
    file: PathBuf,

    /// Where to write the code; `-` for standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    #[command(flatten)]
    setup: Setup,
}

impl Compile {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let input = Input::read(&self.file)?;
        let Some(source_bytes) = input.source_bytes() else {
            bail!("{}: compiled already; give the module that it was made from", input.name);
        };
        let name = input.name.clone();
        let engine = self.setup.engine()?;
        let start = Instant::now();
        let what = format!("compiling {name} ({})", format_size(source_bytes));
        let code = output::with_progress(&what, || -> Result<Vec<u8>> {
            let module = input.into_module(&engine)?;
            module.serialize()
        })?;
        self.write(&code)?;
        output::note(format_args!(
            "{}: {} of code from {} of WebAssembly in {}",
            self.output.display(),
            format_size(code.len() as u64),
            format_size(source_bytes),
            describe::elapsed(start.elapsed())
        ));
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, code: &[u8]) -> Result<()> {
        if self.output.as_os_str() != "-" {
            return output::write_atomically(&self.output, code);
        }
        let mut stdout = std::io::stdout().lock();
        if stdout.is_terminal() {
            bail!("native code is nothing for a terminal: name a file with -o, or redirect standard output");
        }
        stdout.write_all(code)?;
        stdout.flush()?;
        Ok(())
    }
}
