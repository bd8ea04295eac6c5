//! One function on its way from WebAssembly to machine code.
//!
//! # Invariants
//!
//! * The body is valid: nothing is checked that validation checked.
//! * No recursion: nesting lives in [`Compiler::blocks`], so depth costs heap, not host stack.

use crate::code::Code;
use crate::control::Block;
use crate::count::Count;
use crate::op::exception::TryScope;
use crate::scan::Scan;
use crate::tier::Machine;
use crate::trap::PendingTrap;
use crate::value::{Local, Operand, Ty};
use crate::x64::{Asm, Gpr, RegSet};
use std::mem::{swap, take};
use waft_core::layout::VmLayout;
use waft_core::module::Shape;
use waft_core::tier::{
    CodePosition, CompileRequest, CompiledFunc, ExceptionHandler, Placement, Reloc, StackMap, TrapSite,
};
use waft_core::types::{FuncSig, ValType};
#[cfg(debug_assertions)]
use wasmparser::BinaryReader;

/// The most bytes of code of a function, which usually has less than two for one of the body: a few operators have a hundred,
/// and each target of a `br_table` and each clause that catches may bring a thousand values in order.
const FUNC_CODE_BYTES_MAX: u32 = 256 << 20;

/// Nothing but code, or why the tier cannot.
pub(crate) type CompileResult<T = ()> = Result<T, String>;

/// What is valid was not to be read: the tier says so instead of compiling something else.
pub(crate) fn unreadable(error: wasmparser::Error) -> String {
    error.to_string()
}

/// Allocations, kept from one function to the next.
#[derive(Default)]
pub(crate) struct Workshop {
    asm: Asm,
    scan: Scan,
    locals: Vec<Local>,
    stack: Vec<Operand>,
    refs: Vec<u32>,
    local_refs: Vec<u32>,
    unsaved: Vec<u32>,
    counts: Vec<Count>,
    traps: Vec<PendingTrap>,
    sites: Vec<TrapSite>,
    positions: Vec<CodePosition>,
    relocs: Vec<Reloc>,
    saved: Vec<Gpr>,
    blocks: Vec<Block>,
}

/// The state of compiling one function.
///
/// PERF: in the order in which it is written, what nearly every operator uses first: instructions that reach it take a byte for
/// where it is, and the code that many operators share stays in the processor's first cache.
#[repr(C)]
pub(crate) struct Compiler<'a> {
    pub(crate) stack: Vec<Operand>,
    pub(crate) locals: Vec<Local>,
    pub(crate) asm: Asm,
    /// The body, read up to the next operator.
    pub(crate) code: Code<'a>,
    /// Where the operator at work starts in the module.
    pub(crate) at: u32,
    pub(crate) free_gprs: RegSet,
    pub(crate) operand_gprs: RegSet,
    /// Bytes of the slots of all operands.
    pub(crate) slots_end: u32,
    /// The most bytes that slots took.
    pub(crate) slots_max: u32,
    pub(crate) reachable: bool,
    pub(crate) settled: usize,
    pub(crate) positions: Vec<CodePosition>,
    pub(crate) sites: Vec<TrapSite>,
    /// See [`Self::near_offsets`].
    pub(crate) near: u64,
    pub(crate) free_xmms: RegSet,
    pub(crate) operand_xmms: RegSet,

    pub(crate) request: &'a CompileRequest<'a>,
    pub(crate) machine: Machine,
    pub(crate) shape: &'a Shape,
    pub(crate) layout: &'a VmLayout,
    pub(crate) sig: &'a FuncSig,
    pub(crate) scan: Scan,

    /// Locals that are references into the GC heap.
    pub(crate) local_refs: Vec<u32>,
    /// Locals in registers that have to be in their homes while a call goes on.
    pub(crate) unsaved: Vec<u32>,
    /// Registers of the caller's that hold locals or the base of memory 0, in the order in which they are saved.
    pub(crate) saved: Vec<Gpr>,
    /// Whether `r14` holds the base of memory 0.
    pub(crate) base_pinned: bool,
    /// Which operands are references into the GC heap, lowest first.
    pub(crate) refs: Vec<u32>,

    pub(crate) blocks: Vec<Block>,
    /// How many blocks were opened in unreachable code and not closed yet.
    pub(crate) dead_depth: u32,

    /// Bytes of the frame above the slots of operands.
    pub(crate) slots_base: u32,
    /// The most bytes that calls pushed.
    pub(crate) calls_max: u32,
    /// Where the context and the address of the result area are, from the frame pointer.
    pub(crate) context_at: i32,
    pub(crate) area_at: i32,
    /// Of a function that counts: where it notes the place to go on at, and where its state starts, downwards.
    pub(crate) resume_at: i32,
    pub(crate) state_top: u32,
    /// Places in the prologue that take the size of the frame.
    pub(crate) frame_size_at: u32,
    pub(crate) frame_check_at: u32,
    /// Whether some limit was exceeded.
    pub(crate) excess: bool,

    pub(crate) counts: Vec<Count>,
    pub(crate) traps: Vec<PendingTrap>,
    pub(crate) relocs: Vec<Reloc>,
    pub(crate) stack_maps: Vec<StackMap>,
    pub(crate) handlers: Vec<ExceptionHandler>,
    /// The open scopes in which exceptions are caught, outermost first.
    pub(crate) tries: Vec<TryScope>,
    /// Entries of all stack maps.
    pub(crate) map_entries: usize,
}

impl<'a> Compiler<'a> {
    /// Compiles the function of `request`.
    pub(crate) fn compile(
        workshop: &mut Workshop,
        request: &'a CompileRequest<'a>,
        machine: Machine,
    ) -> CompileResult<CompiledFunc> {
        let shape = request.shape;
        let mut this = Self {
            asm: Asm::default(),
            request,
            machine,
            shape,
            layout: request.layout,
            sig: shape.func_sig(shape.func(request.func)),
            code: Code::new(request.body.bytes, 0),
            at: request.body.start as u32,
            scan: Scan::default(),
            locals: Vec::new(),
            local_refs: Vec::new(),
            unsaved: Vec::new(),
            saved: Vec::new(),
            base_pinned: false,
            near: 0,
            stack: Vec::new(),
            settled: 0,
            refs: Vec::new(),
            operand_gprs: crate::x64::OPERAND_GPRS,
            operand_xmms: crate::x64::OPERAND_XMMS,
            free_gprs: RegSet::EMPTY,
            free_xmms: RegSet::EMPTY,
            blocks: Vec::new(),
            reachable: true,
            dead_depth: 0,
            slots_base: 0,
            slots_end: 0,
            slots_max: 0,
            calls_max: 0,
            context_at: 0,
            area_at: 0,
            resume_at: 0,
            state_top: 0,
            frame_size_at: 0,
            frame_check_at: 0,
            excess: false,
            counts: Vec::new(),
            traps: Vec::new(),
            sites: Vec::new(),
            positions: Vec::new(),
            relocs: Vec::new(),
            stack_maps: Vec::new(),
            handlers: Vec::new(),
            tries: Vec::new(),
            map_entries: 0,
        };
        this.exchange(workshop);
        this.clear();
        let outcome = this.function();
        let outcome = outcome.map(|()| CompiledFunc {
            code: this.asm.code().to_vec(),
            placement: Placement::USUAL,
            relocs: this.relocs.clone(),
            traps: this.sites.clone(),
            positions: this.positions.clone(),
            inlined_calls: Vec::new(),
            inlined_code: Vec::new(),
            stack_maps: take(&mut this.stack_maps),
            handlers: take(&mut this.handlers),
        });
        this.exchange(workshop);
        outcome
    }

    /// Takes the allocations of `workshop` for its own, or gives them back.
    ///
    /// PERF: one piece of code for both, and little of it: it is in no cache when it is needed.
    #[inline(never)]
    fn exchange(&mut self, workshop: &mut Workshop) {
        swap(&mut self.asm, &mut workshop.asm);
        swap(&mut self.scan, &mut workshop.scan);
        swap(&mut self.locals, &mut workshop.locals);
        swap(&mut self.stack, &mut workshop.stack);
        swap(&mut self.refs, &mut workshop.refs);
        swap(&mut self.local_refs, &mut workshop.local_refs);
        swap(&mut self.unsaved, &mut workshop.unsaved);
        swap(&mut self.saved, &mut workshop.saved);
        swap(&mut self.counts, &mut workshop.counts);
        swap(&mut self.traps, &mut workshop.traps);
        swap(&mut self.sites, &mut workshop.sites);
        swap(&mut self.positions, &mut workshop.positions);
        swap(&mut self.relocs, &mut workshop.relocs);
        swap(&mut self.blocks, &mut workshop.blocks);
    }

    fn clear(&mut self) {
        self.asm.clear();
        self.locals.clear();
        self.local_refs.clear();
        self.unsaved.clear();
        self.stack.clear();
        self.refs.clear();
        self.counts.clear();
        self.traps.clear();
        self.sites.clear();
        self.positions.clear();
        self.relocs.clear();
        self.saved.clear();
        self.blocks.clear();
    }

    fn function(&mut self) -> CompileResult {
        let offset = self.request.body.start;
        self.declare_locals()?;
        self.scan.count(&self.code, self.locals.len());
        self.prologue();
        self.enter_function();
        #[cfg(debug_assertions)]
        let mut operators = {
            let start = self.request.body.start + self.code.at();
            wasmparser::OperatorsReader::new(BinaryReader::new(self.code.rest(), start as u64))
        };
        while let Some(opcode) = self.code.next() {
            self.at = (offset + self.code.at() - 1) as u32;
            self.step(opcode)?;
            #[cfg(debug_assertions)]
            self.check_reading(&mut operators);
        }
        self.epilogue();
        self.finish_frame();
        self.emit_counts();
        self.emit_traps();
        self.check_limits()
    }

    /// Checks that no limit is exceeded. Between two checks, little code is emitted against [`FUNC_CODE_BYTES_MAX`].
    pub(crate) fn check_limits(&self) -> CompileResult {
        if self.excess || self.asm.pos() > FUNC_CODE_BYTES_MAX {
            return Err("the function exceeds the limits of the baseline compiler".to_owned());
        }
        Ok(())
    }

    /// Compiles one operator.
    #[inline(always)]
    fn step(&mut self, opcode: u8) -> CompileResult {
        if !self.reachable {
            return self.dead_operator(opcode);
        }
        let before = self.asm.pos();
        self.operator(opcode)?;
        #[cfg(debug_assertions)]
        self.check_state(opcode);
        if self.asm.pos() != before {
            self.positions.push(CodePosition { code: before, wasm: self.at });
            if self.asm.pos() > FUNC_CODE_BYTES_MAX {
                return self.check_limits();
            }
        }
        Ok(())
    }

    /// Checks that as many bytes were read as the operator has.
    #[cfg(debug_assertions)]
    fn check_reading(&self, operators: &mut wasmparser::OperatorsReader<'_>) {
        let op = operators.read().expect("the body is valid");
        let end = operators.original_position() as usize - self.request.body.start;
        assert_eq!(self.code.at(), end, "{op:?} ends elsewhere");
    }

    /// Waft's word for the type of a local, a block or `select`.
    pub(crate) fn val_type(&self, ty: wasmparser::ValType) -> CompileResult<ValType> {
        self.shape.val_type(ty, 0).map_err(|error| error.to_string())
    }

    /// Pushes an `i32`.
    pub(crate) fn push_i32(&mut self, value: u32) {
        self.push(Ty::I32, crate::value::Loc::Const(value.into()));
    }
}
