//! The operators, a file for each family.

pub(crate) mod alloc;
pub(crate) mod array;
pub(crate) mod atomic;
pub(crate) mod bulk;
pub(crate) mod cast;
pub(crate) mod convert;
pub(crate) mod exception;
pub(crate) mod float;
pub(crate) mod gc;
pub(crate) mod global;
pub(crate) mod int;
pub(crate) mod memory;
pub(crate) mod reference;
pub(crate) mod simd;
pub(crate) mod structure;
pub(crate) mod table;
