//! The few definitions that Cranelift takes from its support crate, written by Waft.
//!
//! Cranelift is the compiler library that Waft's optimising tier stands on. Four of its crates (`cranelift-bitset`,
//! `cranelift-entity`, `cranelift-bforest`, `cranelift-codegen`) depend on a support crate that carries the name of a
//! runtime and is developed as a part of it. No code of another runtime is built into Waft, so the workspace patches that
//! dependency to this crate, which has the same name and version, and nothing but what those four crates import.
//! The decision, and what it costs: `docs/adr/0002-cranelift-without-its-runtime.md`.
//!
//! # Invariants
//!
//! * This crate depends on nothing, and only Cranelift depends on it: no Waft crate names it.
//! * An item exists here because a Cranelift crate of the pinned version imports it; there is no further API.
//! * A fallible operation returns [`error::OutOfMemory`]; it neither panics nor aborts when memory is refused.

#![no_std]
#![forbid(unsafe_code)]

// Renamed because Cranelift expects a module of ours under the name `alloc`.
extern crate alloc as global_alloc;

pub mod alloc;
pub mod error;
pub mod math;
