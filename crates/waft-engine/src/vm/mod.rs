//! The virtual machine: the one place with `unsafe`, below every other module of the engine.
//!
//! Memory that guests write, structures that machine code reads, the crossings between host and guest, signals.
//! Each file states its invariants; what leaves this module is safe to use by their strength.

#![allow(unsafe_code)]

mod activation;
mod altstack;
mod array;
mod build;
mod code_chunk;
mod code_memory;
mod context;
mod file_bytes;
mod frame;
mod func;
mod gc;
mod host;
mod instance;
mod interrupt;
mod lazy;
mod libcall;
mod load;
mod marker;
mod memory;
mod mmap;
mod nh;
mod object;
mod parking;
mod raw;
mod shared_memory;
mod signal;
mod store;
mod store_box;
mod stub;
mod table;
pub(crate) mod thunk;
mod tier_up;
mod written_once;

pub(crate) use activation::RawBacktrace;
pub(crate) use build::build_id;
pub(crate) use code_chunk::CodeChunk;
pub(crate) use code_memory::{CodeInfo, CodeMemory, lookup};
pub(crate) use context::{StorePtr, VmContext, VmFuncRef};
pub(crate) use file_bytes::{PieceUse, large_file_bytes, read_file, read_pieces};
pub(crate) use frame::{ArgReader, ArgWriter, ResultReader, ResultWriter};
pub(crate) use func::Callee;
pub use gc::{GcStats, GcStress};
pub(crate) use gc::{OwnedHandle, TypeTable, TypeTableWriter};
pub(crate) use host::{HostCallable, HostFunc};
pub(crate) use instance::{Binding, InstanceRecord, PartOf};
pub use interrupt::InterruptHandle;
pub(crate) use lazy::with_compile_stack;
pub(crate) use marker::mark_mapped;
pub(crate) use memory::MemoryObject;
pub(crate) use nh::{KEY_BYTES as NH_KEY_BYTES, NhKey};
pub(crate) use object::TypedVal;
pub(crate) use parking::Waited;
pub(crate) use raw::{RawRef, RawVal};
pub(crate) use shared_memory::{Expected, SharedMemoryObject};
pub(crate) use store::{StoreId, StoreOpaque};
pub(crate) use store_box::StoreBox;
pub(crate) use tier_up::Instances;
pub(crate) use written_once::WrittenOnce;
