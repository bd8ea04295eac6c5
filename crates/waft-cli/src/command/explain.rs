//! `waft explain`: a program runs as under `waft run`; at its end stands which of its functions were compiled, by which tier,
//! when and why.
//!
//! # Elsewhere
//!
//! How the program runs: `program.rs`. What is known of its code: `waft::Module::compiled_code`.

mod json;
mod text;

use crate::exit;
use crate::program::Program;
use clap::Args;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use waft::{CompileReason, Context as _, FuncCodeInfo, Module, Result};

/// Run a program, and show what was compiled of it, by which tier, when and why
///
/// The program runs as under `waft run`, with the same flags, and its exit code is kept. However it ends, by a trap or
/// `--timeout` too, a table of its functions follows on standard error: those first that were promoted, which is to say
/// compiled anew because they were hot, in that order.
#[derive(Args)]
#[command(after_help = "\
Examples:
  waft explain app.wasm --flags for the program
  waft explain --no-cache --timeout 5s server.wasm
  waft explain --tier optimized --compile lazy --all app.wasm
  waft explain --output code.txt app.wasm
  waft explain --json --output code.json app.wasm && jq '.code[] | select(.loop)' code.json")]
pub(crate) struct Explain {
    /// Show all that was compiled, not only the first rows of it
    #[arg(long, help_heading = "Explanation")]
    all: bool,

    /// Write JSON, for programs; it always has all
    #[arg(long, help_heading = "Explanation")]
    json: bool,

    /// Write the explanation to a file, in place of standard error
    #[arg(long, value_name = "OUT", help_heading = "Explanation")]
    output: Option<PathBuf>,

    #[command(flatten)]
    program: Program,
}

/// Code of one function, and what backtraces call it.
struct Piece {
    name: String,
    code: FuncCodeInfo,
}

/// What one tier did.
struct TierTotal {
    name: &'static str,
    functions: usize,
    loops: usize,
    code_bytes: u64,
    /// None if none of it was compiled while the program ran.
    took: Option<Duration>,
}

/// A function that has no better code, and why.
struct Refused {
    index: u32,
    name: String,
    why: String,
}

/// All that is shown, whichever way.
struct Explanation {
    file: String,
    /// How many the module defines, and how many of them were compiled, whenever.
    functions: usize,
    compiled: usize,
    /// How many of these an earlier process compiled.
    found: usize,
    /// How many were compiled anew because they were hot.
    promoted: usize,
    /// How many loops have code that is entered there.
    loops: usize,
    tiers: Vec<TierTotal>,
    refused: Vec<Refused>,
    /// Promoted ones first, both in the order in which they came.
    code: Vec<Piece>,
}

impl Explain {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let module = self.program.load()?;
        // Before the program does anything: what it did would be for nothing.
        let mut out: Box<dyn Write> = match &self.output {
            Some(path) => Box::new(
                File::create(path)
                    .with_context(|| format!("--output {}: it cannot be written", path.display()))?,
            ),
            None => Box::new(io::stderr()),
        };
        let code = self.program.run(&module).unwrap_or_else(|error| exit::report(&error));
        let explanation = Explanation::of(self.program.name(), &module);
        let text = if self.json { explanation.to_json() } else { explanation.to_text(self.all) };
        let written = out.write_all(text.as_bytes());
        if let Some(path) = &self.output {
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(code)
    }
}

impl Explanation {
    fn of(file: String, module: &Module) -> Explanation {
        let mut code: Vec<Piece> = module
            .compiled_code()
            .map(|code| Piece { name: module.function_label(code.function_index()), code })
            .collect();
        code.sort_by_key(|piece| !piece.is_promoted());
        let functions = |which: fn(&Piece) -> bool| {
            let indices = code.iter().filter(|piece| which(piece)).map(|piece| piece.code.function_index());
            indices.collect::<HashSet<u32>>().len()
        };
        Explanation {
            file,
            functions: module.defined_functions(),
            compiled: functions(|_| true),
            found: functions(|piece| piece.code.reason() == CompileReason::Found),
            promoted: functions(|piece| piece.is_promoted() && !piece.is_loop()),
            loops: code.iter().filter(|piece| piece.is_loop()).count(),
            tiers: tiers(&code),
            refused: refused(module),
            code,
        }
    }
}

impl Piece {
    fn is_promoted(&self) -> bool {
        matches!(self.code.reason(), CompileReason::Calls | CompileReason::Loops | CompileReason::Hot)
    }

    fn is_loop(&self) -> bool {
        self.code.loop_offset().is_some()
    }
}

/// What each tier did that did something, by their names.
fn tiers(code: &[Piece]) -> Vec<TierTotal> {
    let mut tiers: Vec<TierTotal> = Vec::new();
    for piece in code {
        let name = piece.code.tier();
        let at = tiers.iter().position(|tier| tier.name == name).unwrap_or_else(|| {
            tiers.push(TierTotal { name, functions: 0, loops: 0, code_bytes: 0, took: None });
            tiers.len() - 1
        });
        let tier = &mut tiers[at];
        *(if piece.is_loop() { &mut tier.loops } else { &mut tier.functions }) += 1;
        tier.code_bytes += piece.code.code_size() as u64;
        if let Some(took) = piece.code.compile_time() {
            *tier.took.get_or_insert_default() += took;
        }
    }
    tiers.sort_by_key(|tier| tier.name);
    tiers
}

fn refused(module: &Module) -> Vec<Refused> {
    let mut refused = module.refused_code();
    refused.sort();
    // Its start and its loops are refused for the same reason.
    refused.dedup();
    let row = |(index, why)| Refused { index, name: module.function_label(index), why };
    refused.into_iter().map(row).collect()
}
