//! What one module may ask for. `wasmparser` enforces the counts of the specification's appendix (A.1) while it
//! validates; the bounds here are the engine's own.

/// The most elements that a table may ever hold, whatever it declares: 80 MB of references.
pub const TABLE_ELEMENTS_MAX: u64 = 10_000_000;

/// The most bytes that one compiled module's machine code may take: calls within it are 32-bit relative.
pub const CODE_BYTES_MAX: usize = 1 << 30;

/// The most bytes of address space that are reserved for a memory whose accesses are checked against its length: one
/// with 64-bit addresses, or with pages of a byte. Whatever such a memory declares, it grows no further, since its base
/// never moves.
pub const CHECKED_MEMORY_BYTES_MAX: u64 = 64 << 30;

/// Bytes of address space after the longest extent of every memory that fault.
pub const MEMORY_GUARD_BYTES: u64 = 64 << 10;

/// The most fields of a structure, and the most supertypes in a chain: what the specification's appendix (A.1) has
/// validation enforce holds for types that the host makes, too.
pub const STRUCT_FIELDS_MAX: usize = 10_000;
/// The most supertypes that a type may have, directly or not.
pub const SUBTYPING_DEPTH_MAX: u32 = crate::gc::row::DEPTH_MAX;

/// The most scopes that catch exceptions (`try_table` or `try`), one in another, in a function. What their landings hand on
/// to each other takes the optimising tier time in the square of their number. Validation refuses more.
pub const TRY_DEPTH_MAX: usize = 1_000;

/// The most bytes of a function's body, as on the web ("Limits" of the JavaScript interface); the next one, too.
pub const BODY_BYTES_MAX: usize = 7_654_321;
/// The most data segments.
pub const DATA_SEGMENTS_MAX: u32 = 100_000;
