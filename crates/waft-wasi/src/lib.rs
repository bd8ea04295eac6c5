//! WASI for Waft: one host core, and thin translations of it, one per WASI version.
//!
//! A guest gets what its [`WasiCtx`] grants, and nothing else:
//!
//! * [`host`] is the core: descriptors, directories, streams, clocks. It is shaped after WASI 0.3, and has no idea of guest
//!   memory.
//! * [`p1`] is WASI 0.1 (`wasi_snapshot_preview1`, and the older `wasi_unstable`) in terms of the core.
//!
//! # Promises
//!
//! * A path leads nowhere outside the directory that was granted. The kernel sees to it, in one system call.
//! * A directory granted read-only is not changed, by whatever detour.
//! * A guest's buffers are read and written where they lie; no byte is copied on the way to or from the kernel.
//! * No guest can make the host allocate in proportion to a number that it passes.

#![forbid(unsafe_code)]

mod ctx;
pub mod host;
pub mod p1;

pub use ctx::{WasiCtx, WasiCtxBuilder};
pub use host::{Access, Input, MemoryInputPipe, MemoryOutputPipe, Output};

use std::fmt;

/// The error that ends a guest which called `proc_exit`: how it wants to exit, which may well be with success.
///
/// ```
/// use waft_wasi::I32Exit;
/// assert_eq!(I32Exit(3).to_string(), "the guest exited with code 3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct I32Exit(pub i32);

impl fmt::Display for I32Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the guest exited with code {}", self.0)
    }
}

impl std::error::Error for I32Exit {}
