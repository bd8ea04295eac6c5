//! WASI 0.1: the 46 functions of `wasi_snapshot_preview1`, and the 45 of the older `wasi_unstable`.
//!
//! # How it is put together
//!
//! Every function of the specification is a Rust function on a [`WasiCtx`](crate::WasiCtx), the guest's memory as a byte slice,
//! and the guest's own arguments. None of them knows the engine; `link` alone does, and is generated from one table.
//!
//! # Choices where the specification leaves one, or peers differ
//!
//! * **A pointer out of bounds traps**, as the specification says and Wasmtime does. One that is not aligned is accepted.
//! * **Rights** are the guest's own: it can drop them and never regain them. A read-only grant is not a right; see `rights`.
//!   Reading or writing without the right is `BADF`, as of a file opened otherwise; anything else is `NOTCAPABLE`.
//! * **Absolute paths, and paths that lead out** of the directory, are `PERM`; so is a change of what was granted read-only.
//! * `path_link` does not follow symbolic links: `INVAL` if asked to. `path_symlink` refuses an absolute text.
//! * **Standard streams** are character devices if they are terminals, and otherwise of unknown type. They cannot be sought.
//! * `fd_read`, `fd_write` and the like may do less than asked: no more than 1024 buffers, and a read not past a buffer that
//!   overlaps an earlier one.
//! * A **descriptor** takes the lowest free number, as in POSIX.
//! * In `poll_oneoff`, what is wrong with one subscription is reported by its event; only a malformed list fails as a whole.
//! * `proc_exit` passes on every code. `proc_raise` is `NOTSUP`.

mod args;
mod clock;
mod errno;
mod fail;
mod fd;
mod iovec;
mod link;
mod memory;
mod path;
mod poll;
mod proc;
mod random;
mod readdir;
mod rights;
mod sock;
mod stat;
mod table;
mod types;
mod unstable;

#[cfg(test)]
mod tests;

pub use errno::Errno;
pub use link::add_to_linker;
pub(crate) use proc::Resume;
pub(crate) use rights::Rights;
pub(crate) use table::{Fd, FdTable};
