//! The command from outside: the binary is run as a user runs it, one module here for each subcommand.

#![forbid(unsafe_code)]

mod cache;
mod command;
mod common;
mod compile;
mod explain;
mod inspect;
mod profile;
mod run;
mod setup;
