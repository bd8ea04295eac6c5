//! The operators, a file for each family.

pub(crate) mod bulk;
pub(crate) mod cast;
pub(crate) mod convert;
pub(crate) mod float;
pub(crate) mod global;
pub(crate) mod int;
pub(crate) mod memory;
pub(crate) mod reference;
pub(crate) mod table;
