//! The host core: files, directories, streams, sockets, clocks and random numbers, in the shape of WASI 0.3.
//!
//! # Invariants
//!
//! * **H1** Nothing here knows guest memory, a guest's descriptor numbers or the layout of any WASI version. Bytes come
//!   and go as slices, descriptors as values.
//! * **H2** A path given to a directory never reaches outside that directory, whatever else changes the file tree at the
//!   same time; `fs::resolve` says how.
//! * **H3** What was granted read-only is changed by no operation.
//! * **H4** A call that fails with [`ErrorCode::Interrupted`] had no effect and may be made again.
//!
//! # Elsewhere
//!
//! What a guest sees of it: `p1`, one translation per WASI version.

mod clock;
mod descriptor;
mod error;
pub(crate) mod fs;
mod io;
pub(crate) mod poll;
mod random;
mod socket;
mod stdio;

pub use clock::Clock;
pub(crate) use descriptor::Descriptor;
pub use error::{ErrorCode, HostResult};
pub use fs::Access;
pub(crate) use random::fill_random;
pub(crate) use socket::Socket;
pub use stdio::{Input, MemoryInputPipe, MemoryOutputPipe, Output};
