//! The `waft` binary: everything is in the library, so that tests and tools can use the parts.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    waft_cli::main()
}
