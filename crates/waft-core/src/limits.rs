//! What one module may ask for. `wasmparser` enforces the counts of the specification's appendix (A.1) while it
//! validates; the bounds here are the engine's own.

/// The most elements that a table may ever hold, whatever it declares: 80 MB of references.
pub const TABLE_ELEMENTS_MAX: u64 = 10_000_000;

/// The most bytes that one compiled module's machine code may take: calls within it are 32-bit relative.
pub const CODE_BYTES_MAX: usize = 1 << 30;

/// The most fields of a structure, and the most supertypes in a chain: what the specification's appendix (A.1) has
/// validation enforce holds for types that the host makes, too.
pub const STRUCT_FIELDS_MAX: usize = 10_000;
/// The most supertypes that a type may have, directly or not.
pub const SUBTYPING_DEPTH_MAX: u32 = crate::gc::row::DEPTH_MAX;
