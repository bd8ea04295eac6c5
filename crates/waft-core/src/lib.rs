//! The words that Waft's compilers and its engine share.
//!
//! A *shape* ([`module::Shape`]) is a decoded and validated module. A tier ([`tier::Tier`]) turns the bodies of a
//! shape into machine code that follows one [`convention`], reads only what [`layout`] declares, calls the host's
//! help only through [`libcall`], and reports what may trap as [`trap::TrapCode`]s. The engine runs it.
//!
//! # Invariants
//!
//! * Nothing here runs guest code, allocates executable memory or knows a store: this crate is `no_std` and has no
//!   `unsafe`.
//! * One fact, one row: proposals, library calls, trap codes and limits are each one table.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod budget;
pub mod convention;
pub mod gc;
pub mod index;
pub mod layout;
pub mod libcall;
pub mod limits;
pub mod module;
pub mod opcode;
pub mod proposal;
pub mod tier;
pub mod trap;
pub mod types;
