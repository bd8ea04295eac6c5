//! The subcommands, one a file: each has its flags, its help, and `execute`.

pub(crate) mod cache;
pub(crate) mod compile;
pub(crate) mod completion;
pub(crate) mod explain;
pub(crate) mod inspect;
pub(crate) mod run;
pub(crate) mod wast;

/// The stack that a guest may use: deep recursion in interpreters and parsers runs, endless recursion ends in
/// a fraction of a second.
pub(crate) const GUEST_STACK_BYTES: usize = 64 << 20;

/// The stack of a thread that runs a guest: the guest's, and ample room for the host functions it calls.
pub(crate) const THREAD_STACK_BYTES: usize = GUEST_STACK_BYTES + (16 << 20);
