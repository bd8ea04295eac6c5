//! Real programs: each runs under the `waft` command, and must print and return what it prints and returns elsewhere.
//!
//! Every program of [`table`] is tested once for each policy of [`run::Policy`]. What a program must print stands in
//! `tests/programs/expected/`; for the C and C++ programs it is what they print when compiled for the host.
//!
//! The guests come from `cargo xtask guests`. A guest that is not there is left out, and said so, but under
//! `cargo xtask test` only those may be missing that the list of left-out guests names.
//!
//! `WAFT_BIN` names the command to test; without it the one of this build is used. `WAFT_BLESS=1` stores what is
//! printed as what is expected: read the difference before committing it.

mod run;
mod setting;
mod table;
mod threads;
