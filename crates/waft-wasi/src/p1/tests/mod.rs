//! The functions of WASI 0.1 on a byte array, without an engine: one claim a test, rows where there are many of a kind.

mod confinement;
mod files;
mod guest;
mod hostile;
mod misc;
mod paths;
mod polling;
mod races;
mod rights;
mod sockets;
mod streams;
