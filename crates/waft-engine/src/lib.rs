//! The engine of Waft: stores, instances, memories, traps and the one host door. Embedders use it as `waft`, which wires
//! the tiers; the examples here are written for that name.
//!
//! # Invariants
//!
//! * `unsafe` stands in `vm` only.
//! * The engine names no tier: it is given one as a `waft_core::tier::Tier`.
//! * Nothing that a guest does panics the host.

#![deny(unsafe_code)]

mod artifact;
mod backtrace;
mod code;
mod compile;
mod config;
mod door;
mod engine;
mod extern_;
mod externref;
mod func;
mod global;
mod instance;
mod limits;
mod linker;
mod memory;
mod module;
mod sigs;
mod store;
mod table;
mod types;
mod val;
mod vm;

pub use anyhow::{Context, Error, Result, bail, ensure};
pub use backtrace::{FrameInfo, FrameSymbol, WasmBacktrace};
pub use config::Config;
pub use door::{Doorkeeper, HostCall, Verdict};
pub use engine::Engine;
pub use extern_::Extern;
pub use externref::ExternRef;
pub use func::{Caller, Func, IntoFunc, TypedFunc, WasmParams, WasmResults, WasmRet, WasmTy};
pub use global::Global;
pub use instance::{Export, Instance};
pub use limits::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use linker::{InstancePre, Linker};
pub use memory::{Memory, MemoryAccessError};
pub use module::Module;
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use table::Table;
pub use types::{
    ExportType, ExternType, FuncType, GlobalType, HeapType, ImportType, MemoryType, Mutability, RefType,
    TableType, ValType,
};
pub use val::{Ref, V128, Val};
pub use vm::InterruptHandle;
pub use waft_core::trap::TrapCode as Trap;
