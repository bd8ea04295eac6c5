//! The engine of Waft: stores, instances, memories, traps and the one host door. Embedders use it as `waft`, which wires
//! the tiers; the examples here are written for that name.
//!
//! # Invariants
//!
//! * `unsafe` stands in `vm` only.
//! * The engine names no tier: it is given one as a `waft_core::tier::Tier`.
//! * Nothing that a guest does panics the host.

#![deny(unsafe_code)]

mod anyref;
mod append;
mod arrayref;
mod artifact;
mod backtrace;
mod bodies;
mod cache;
mod code;
mod compile;
mod config;
mod door;
mod engine;
mod eqref;
mod exception;
mod exnref;
mod explain;
mod extern_;
mod externref;
mod func;
mod global;
mod instance;
mod lazy;
mod limits;
mod linker;
mod memory;
mod module;
mod outline;
mod pieces;
mod profiling;
mod proposal;
mod rooted;
mod shared_memory;
mod store;
mod structref;
mod table;
mod tag;
mod threads;
mod tier_up;
mod type_registry;
mod types;
mod val;
mod vm;
mod wasm_bytes;

/// Errors are those of `anyhow`: every error type converts, and a cause is found by its type.
///
/// ```
/// use waft::*;
///
/// fn half(number: i32) -> Result<i32> {
///     ensure!(number >= 0, "{number} is negative");
///     if number % 2 == 1 {
///         bail!("{number} is odd");
///     }
///     Ok(number / 2)
/// }
/// let error: Error = half(3).context("cannot halve").unwrap_err();
/// assert_eq!(format!("{error:#}"), "cannot halve: 3 is odd");
/// ```
pub use anyhow::{Context, Error, Result, bail, ensure};
pub use anyref::{AnyRef, I31};
pub use arrayref::{ArrayRef, ArrayRefPre};
pub use backtrace::{FrameInfo, FrameSymbol, WasmBacktrace};
pub use cache::{Cache, CacheConfig, CacheUsage};
pub use config::{Config, GcStress, TierChoice};
pub use door::{Doorkeeper, HostCall, Verdict};
pub use engine::Engine;
pub use eqref::EqRef;
pub use exception::ThrownException;
pub use exnref::{ExnRef, ExnRefPre, ExnType};
pub use explain::{CompileReason, FuncCodeInfo};
pub use extern_::Extern;
pub use externref::ExternRef;
pub use func::{Caller, Func, IntoFunc, TypedFunc, WasmParams, WasmResults, WasmRet, WasmTy};
pub use global::Global;
pub use instance::{Export, Instance};
pub use limits::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use linker::{InstancePre, Linker};
pub use memory::{Memory, MemoryAccessError};
pub use module::Module;
pub use profiling::ProfilingStrategy;
pub use proposal::ProposalsNeeded;
pub use rooted::{GcRef, OwnedRooted, RootScope, Rooted};
pub use shared_memory::{SharedMemory, WaitResult};
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use structref::{StructRef, StructRefPre};
pub use table::Table;
pub use tag::Tag;
pub use types::{
    ArrayType, ExportType, ExternType, FieldType, Finality, FuncType, GlobalType, HeapType, ImportType,
    MemoryType, MemoryTypeBuilder, Mutability, RefType, StorageType, StructType, TableType, TagType, ValType,
};
pub use val::{Ref, V128, Val};
pub use vm::{GcStats, InterruptHandle};
/// The proposals of WebAssembly: each has a name, a [`ProposalStatus`] and a switch in [`Config`].
///
/// ```
/// use waft::*;
///
/// assert_eq!(Proposal::of_name("tail-call"), Some(Proposal::TailCall));
/// assert_eq!(Proposal::TailCall.status(), ProposalStatus::On);
/// assert!(Proposal::ALL.contains(&Proposal::Simd));
/// ```
pub use waft_core::proposal::Proposal;
pub use waft_core::proposal::Status as ProposalStatus;
/// Found on the errors of calls, with `downcast_ref`.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// # let engine = Engine::default();
/// # let mut store = Store::new(&engine, ());
/// let module = Module::new(&engine, r#"(module (func (export "div") (param i32 i32) (result i32)
///     local.get 0 local.get 1 i32.div_s))"#)?;
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let div = instance.get_typed_func::<(i32, i32), i32>(&mut store, "div")?;
/// let error = div.call(&mut store, (1, 0)).unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&Trap::IntegerDivisionByZero));
/// assert_eq!(Trap::IntegerDivisionByZero.to_string(), "integer divide by zero");
/// # Ok(())
/// # }
/// ```
pub use waft_core::trap::TrapCode as Trap;
