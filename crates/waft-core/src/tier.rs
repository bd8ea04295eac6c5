//! Tiers: what turns validated functions into machine code.
//!
//! # Invariants
//!
//! * A tier never sees a store, an instance or another tier.
//! * It gives the same answer for the same request: its output is cached on disk.
//! * An operator outside of its declared [`Tier::gaps`] compiles.

use crate::index::{DefinedFuncIndex, FuncIndex};
use crate::layout::VmLayout;
use crate::module::{Bodies, FuncBody, ModuleBodies, Shape};
use crate::proposal::ProposalSet;
use crate::trap::TrapCode;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What code is compiled for, besides the module: it must not change between compilation and use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tunables {
    /// Bytes of address space, from the base of each 32-bit memory, that either hold the memory or fault.
    pub memory_reservation_bytes: u64,
    /// Whether relaxed SIMD operators give what the standard's deterministic profile prescribes, on every machine,
    /// instead of what is cheapest on this one.
    pub relaxed_simd_deterministic: bool,
    /// Whether every NaN that a float operator computes is the canonical one, positive: its sign and payload are the
    /// same on every machine. Operators that only move or change signs (`abs`, `neg`, `copysign`, loads) keep what is
    /// there.
    pub canonical_nans: bool,
}

impl Default for Tunables {
    fn default() -> Self {
        // 4 GiB that an index reaches, 4 GiB that a static offset adds, and the widest access: no access to a 32-bit
        // memory needs a check, whatever its offset. 128 TiB of addresses hold 16,000 such memories.
        Self {
            memory_reservation_bytes: (8 << 30) + (64 << 10),
            relaxed_simd_deterministic: false,
            canonical_nans: false,
        }
    }
}

/// A line of the cache, of decoded instructions too, in bytes.
pub const CODE_LINE_BYTES: u32 = 64;

/// Where code is to start: at addresses that leave `rest` when divided by `align`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placement {
    align: u32,
    rest: u32,
}

impl Placement {
    /// Where code starts whose tier has no preference: a processor fetches 32 bytes at once.
    pub const USUAL: Self = Self::new(32, 0);

    /// At the addresses that leave `rest` bytes when divided by `align`.
    ///
    /// # Panics
    ///
    /// If `align` is no power of two up to a line, or `rest` is not less.
    pub const fn new(align: u32, rest: u32) -> Self {
        assert!(align.is_power_of_two() && align <= CODE_LINE_BYTES && rest < align);
        Self { align, rest }
    }

    /// What is left, in bytes.
    pub const fn rest(self) -> u32 {
        self.rest
    }

    /// The first such address from `from` on, if there is one.
    pub fn next(self, from: usize) -> Option<usize> {
        let gap = (self.rest as usize).wrapping_sub(from) & (self.align as usize - 1);
        from.checked_add(gap)
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self::USUAL
    }
}

/// How calls to functions of the same module are made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Linkage {
    /// Straight to the callee: all functions of the module are compiled together and placed in one piece.
    Direct,
    /// Through the callee's code slot, which may be published anew at any time.
    Slots,
}

/// Where code of a function is entered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Entry {
    /// At its start, with arguments.
    Start,
    /// At the loop whose operator is so many bytes into the body, in the place of code that was in it and has left its state
    /// ([`crate::budget`]). Its arguments but the context and the result area mean nothing.
    Loop(u32),
}

/// One function to compile.
#[derive(Clone, Copy)]
pub struct CompileRequest<'a> {
    /// The module that it belongs to.
    pub shape: &'a Shape,
    /// Where things stand in the module's contexts.
    pub layout: &'a VmLayout,
    /// What else the code may assume.
    pub tunables: &'a Tunables,
    /// How it calls its neighbours.
    pub linkage: Linkage,
    /// Which of its neighbours, called through slots otherwise, have the code that they will keep: they may be called
    /// directly.
    pub settled: &'a dyn Fn(DefinedFuncIndex) -> bool,
    /// Which function the call through a reference is likely to call that stands so many bytes into the module.
    pub likely_target: &'a dyn Fn(u32) -> Option<DefinedFuncIndex>,
    /// Where its code is to be entered.
    pub entry: Entry,
    /// Whether it charges its budget: see [`crate::budget`].
    pub counts: bool,
    /// Which function.
    pub func: DefinedFuncIndex,
    /// Its body, which is valid.
    pub body: FuncBody<'a>,
    /// The bodies of all functions that the module defines: what a function becomes may depend on those of functions that it calls.
    pub bodies: &'a dyn Bodies,
}

impl<'a> CompileRequest<'a> {
    /// For a function that is entered at its start, of which nothing is counted or guessed, and whose neighbours may all get
    /// other code.
    ///
    /// # Panics
    ///
    /// If the module does not define the function.
    pub fn new(
        shape: &'a Shape,
        layout: &'a VmLayout,
        tunables: &'a Tunables,
        linkage: Linkage,
        func: DefinedFuncIndex,
        bodies: &'a ModuleBodies<'a>,
    ) -> Self {
        Self {
            shape,
            layout,
            tunables,
            linkage,
            settled: &|_| false,
            likely_target: &|_| None,
            entry: Entry::Start,
            counts: false,
            func,
            body: bodies.of(func),
            bodies,
        }
    }
}

/// A place in the code that holds the address of a function, relative to the place's end, in 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reloc {
    /// The place, in bytes from the start of the function's code.
    pub offset: u32,
    /// The function whose address it takes: one that the module defines.
    pub target: FuncIndex,
    /// What to add to the distance from the place to the target.
    pub addend: i32,
}

/// An instruction that may trap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrapSite {
    /// The instruction, in bytes from the start of the function's code.
    pub offset: u32,
    /// Why it traps.
    pub code: TrapCode,
}

/// Where code comes from: from `code` to the next entry it does the work of the operator at `wasm`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodePosition {
    /// Bytes from the start of the function's code.
    pub code: u32,
    /// Bytes from the start of the module.
    pub wasm: u32,
}

/// A call that is none in the code: the callee's body was compiled in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InlinedCall {
    /// The callee.
    pub func: DefinedFuncIndex,
    /// What calls it: the callee of an earlier one of these, or the function itself.
    pub caller: Option<u32>,
    /// The operator that calls it, in bytes from the start of the module.
    pub wasm: u32,
}

/// Whose body code comes from: from `code` to the next entry, that of the callee of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InlinedCode {
    /// Bytes from the start of the function's code.
    pub code: u32,
    /// The call, by its place in [`CompiledFunc::inlined_calls`]; none if the code is the function's own.
    pub call: Option<u32>,
}

/// Where the references into the GC heap are while a call of the function goes on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StackMap {
    /// The instruction after the call, in bytes from the start of the function's code.
    pub offset: u32,
    /// The places of the references, each of 4 bytes, from the frame pointer.
    pub slots: Vec<i32>,
}

/// Where an exception that leaves a call goes on: in the caller, with the reference to it in `rax`, `rbp` the frame's, and
/// nothing else in registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExceptionHandler {
    /// The instruction after the call, in bytes from the start of the function's code.
    pub offset: u32,
    /// The instruction to go on with, in bytes from the start of the function's code.
    pub landing: u32,
    /// Bytes from the stack pointer that the landing wants up to the frame pointer.
    pub frame_bytes: u32,
}

/// A compiled function.
#[derive(Clone, Debug, Default)]
pub struct CompiledFunc {
    /// Its machine code, entered at the first byte.
    pub code: Vec<u8>,
    /// Where the code is to start, since it needs it or is fastest there.
    pub placement: Placement,
    /// Calls that are still to be linked.
    pub relocs: Vec<Reloc>,
    /// Instructions that may trap, by ascending offset.
    pub traps: Vec<TrapSite>,
    /// Origins of the code, by ascending offset.
    pub positions: Vec<CodePosition>,
    /// Calls whose callees' bodies are part of the code, each after the one that it stands in.
    pub inlined_calls: Vec<InlinedCall>,
    /// Which code belongs to them, by ascending offset: before the first entry, none.
    pub inlined_code: Vec<InlinedCode>,
    /// Calls during which references into the GC heap are live, by ascending offset.
    pub stack_maps: Vec<StackMap>,
    /// Calls whose exceptions the function may catch, by ascending offset.
    pub handlers: Vec<ExceptionHandler>,
}

/// Why a tier could not compile a function: a limit of the tier, or a bug in it.
#[derive(Clone, Debug)]
pub struct CompileError {
    /// The function.
    pub func: DefinedFuncIndex,
    /// What the tier says.
    pub message: String,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "defined function {} does not compile: {}", self.func.as_u32(), self.message)
    }
}

impl core::error::Error for CompileError {}

/// Turns validated functions into machine code.
///
/// A tier never sees a store. It may keep caches, but gives the same answer for the same request: its output is cached
/// on disk.
pub trait Tier: Send + Sync {
    /// The tier's name, as users give it to `--tier`.
    fn name(&self) -> &'static str;

    /// The proposals that it cannot compile.
    fn gaps(&self) -> ProposalSet;

    /// All that its output depends on besides the request: its version, settings, the CPU features that it uses.
    /// Code may run only where the fingerprint is the same.
    fn fingerprint(&self) -> String;

    /// Compiles one function.
    ///
    /// # Errors
    ///
    /// If the function exceeds a limit of the tier, or the tier does not do what the request asks for.
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunc, CompileError>;
}
