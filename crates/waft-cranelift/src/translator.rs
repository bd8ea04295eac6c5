//! One function body on its way from WebAssembly to CLIF.
//!
//! # Invariants
//!
//! * The body is valid: the translator checks nothing that validation checked.
//! * No recursion: nesting lives in [`FuncTranslator::frames`] and [`FuncTranslator::callers`], so depth costs heap, not
//!   host stack.
//! * Vectors travel as `I8X16` between blocks, functions and through locals and globals; on the operand stack they
//!   may have any lane type, and [`FuncTranslator::canonical`] brings them back.
//!
//! # Elsewhere
//!
//! Which operator does what: `operator.rs`. Each family of operators: the file of its noun.

use crate::arrival::Arrival;
use crate::context::{VmValues, keep_spills_apart};
use crate::control::Frame;
use crate::exception::TryScope;
use crate::home::{Homes, KEPT_OPERANDS};
use crate::inline::{Inlined, InlinedLocal, Inlining};
use crate::signature::Signatures;
use cranelift_codegen::entity::EntitySet;
use cranelift_codegen::ir::types::I8X16;
use cranelift_codegen::ir::{
    Block, Endianness, InstBuilder, MemFlagsData, SourceLoc, StackSlot, Type, Value,
};
use cranelift_frontend::{FunctionBuilder, Variable};
use waft_core::index::DefinedFuncIndex;
use waft_core::layout::VmLayout;
use waft_core::module::Shape;
use waft_core::tier::CompileRequest;
use waft_core::types::FuncSig;
use wasmparser::{BinaryReader, FunctionBody, OperatorsReader};

/// What translating gives: nothing but CLIF, or why the tier cannot.
pub(crate) type TranslateResult<T = ()> = Result<T, String>;

/// What the tier says of a body that cannot be read.
pub(crate) fn unreadable(error: wasmparser::BinaryReaderError) -> String {
    error.to_string()
}

/// What the processor offers beyond what all code needs, where translation depends on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Multiplication and addition with one rounding.
    pub(crate) fma: bool,
}

/// The state of translating one function.
pub(crate) struct FuncTranslator<'a, 'b> {
    /// Where instructions go.
    pub(crate) builder: FunctionBuilder<'b>,
    /// What is compiled, and for what.
    pub(crate) request: &'a CompileRequest<'a>,
    /// What it may use of the processor.
    pub(crate) machine: Machine,
    /// The module.
    pub(crate) shape: &'a Shape,
    /// Where things stand in the context.
    pub(crate) layout: &'a VmLayout,
    /// The function's own signature.
    pub(crate) sig: &'a FuncSig,
    /// Whether the next operator can be reached.
    pub(crate) reachable: bool,
    /// Whether branch hints say that control hardly ever comes here.
    pub(crate) cold: bool,
    /// How many blocks were opened in unreachable code and not closed yet.
    pub(crate) dead_depth: u32,
    /// The open blocks, outermost first.
    pub(crate) frames: Vec<Frame<'a>>,
    /// The open scopes in which exceptions are caught, outermost first.
    pub(crate) tries: Vec<TryScope>,
    /// Values that are loaded once, in the entry block.
    pub(crate) vm: VmValues,
    /// Signatures and functions that were declared to Cranelift.
    pub(crate) signatures: Signatures,
    /// The stack slot for results of calls that do not fit registers.
    pub(crate) result_slot: Option<StackSlot>,
    /// Values that live in the frame.
    pub(crate) homes: Homes,
    /// Values that are references into the GC heap.
    pub(crate) roots: EntitySet<Value>,
    /// Locals that are variables and hold such.
    pub(crate) ref_locals: EntitySet<Variable>,
    /// Where code that is entered at a loop takes its state, until it comes to the loop.
    pub(crate) arrival: Option<Arrival>,
    /// The body that is translated.
    pub(crate) body: Body<'a>,
    /// The bodies that wait for it, as it stands in the place of a call: the function's own first.
    pub(crate) callers: Vec<Body<'a>>,
    /// The calls that were translated in place.
    pub(crate) inlined: Inlined,
    /// The operands. Those from [`KEPT_OPERANDS`] on have homes: what stands here tells their types.
    stack: Vec<Value>,
}

/// A body that is being translated: the function's own, or that of a callee in the place of the call.
pub(crate) struct Body<'a> {
    /// The function whose body it is.
    pub(crate) func: DefinedFuncIndex,
    /// What is still to be translated.
    pub(crate) operators: OperatorsReader<'a>,
    /// Where the body starts in the module, in bytes.
    pub(crate) start: usize,
    /// Where the operator stands, in bytes from the start of the body.
    pub(crate) at: u32,
    /// The source location of the body's start.
    pub(crate) location: u32,
    /// The call in whose place it stands, if it is a callee's.
    pub(crate) call: Option<u32>,
    /// The locals, if it is a callee's.
    pub(crate) locals: Option<Vec<InlinedLocal>>,
    /// How many blocks lie outside of the body.
    pub(crate) outer_frames: usize,
    /// Whether another way to make the call ends where it does: the innermost block around the body is where they meet.
    pub(crate) meets: bool,
}

impl<'a> Body<'a> {
    /// The function's own.
    fn own(request: &CompileRequest<'a>, body: &FunctionBody<'a>) -> wasmparser::Result<Self> {
        let start = request.body.start;
        Ok(Self {
            func: request.func,
            operators: body.get_operators_reader()?,
            start,
            at: 0,
            location: start as u32,
            call: None,
            locals: None,
            outer_frames: 0,
            meets: false,
        })
    }

    /// Where the operator stands, in bytes from the start of the module.
    pub(crate) fn place(&self) -> u32 {
        self.start as u32 + self.at
    }
}

/// A function in CLIF.
pub(crate) struct Translated<'b> {
    /// The builder that holds it.
    pub(crate) builder: FunctionBuilder<'b>,
    /// Whether optimising it could take long.
    pub(crate) excessive: bool,
    /// The calls that were translated in place.
    pub(crate) inlined: Inlined,
}

impl<'a, 'b> FuncTranslator<'a, 'b> {
    /// Translates the whole body of `request` into the function of `builder`, whose signature is already set.
    pub(crate) fn translate(
        mut builder: FunctionBuilder<'b>,
        request: &'a CompileRequest<'a>,
        machine: Machine,
        inlining: Inlining,
    ) -> TranslateResult<Translated<'b>> {
        let shape = request.shape;
        let sig = shape.func_sig(shape.func(request.func));
        let bytes = request.body.bytes;
        let body = FunctionBody::new(BinaryReader::new(bytes, request.body.start as u64));
        keep_spills_apart(&mut builder);
        let (entry, vm) = Self::entry_values(&mut builder, sig.results());
        let mut this = Self {
            builder,
            request,
            machine,
            shape,
            layout: request.layout,
            sig,
            reachable: true,
            cold: false,
            dead_depth: 0,
            frames: Vec::new(),
            tries: Vec::new(),
            vm,
            signatures: Signatures::default(),
            result_slot: None,
            homes: Homes::default(),
            roots: EntitySet::new(),
            ref_locals: EntitySet::new(),
            arrival: None,
            body: Body::own(request, &body).map_err(unreadable)?,
            callers: Vec::new(),
            inlined: Inlined::new(inlining, request.body),
            stack: Vec::new(),
        };
        this.function(entry, &body)?;
        let excessive = this.is_excessive();
        Ok(Translated { builder: this.builder, excessive, inlined: this.inlined })
    }

    fn function(&mut self, entry: Block, body: &FunctionBody<'_>) -> TranslateResult {
        self.set_position(self.request.body.start);
        self.choose_variables(body).map_err(unreadable)?;
        self.enter_function(entry);
        self.declare_locals(body)?;
        self.expect_arrival(body)?;
        loop {
            if self.body.operators.eof() {
                match self.callers.pop() {
                    Some(caller) => self.leave_callee(caller),
                    None => return self.check_arrived(),
                }
                continue;
            }
            self.set_position(self.body.operators.original_position() as usize);
            let op = self.body.operators.read().map_err(unreadable)?;
            if self.reachable {
                self.operator(&op)?;
            } else {
                self.dead_operator(&op);
            }
        }
    }

    fn set_position(&mut self, offset: usize) {
        self.body.at = (offset - self.body.start) as u32;
        self.builder.set_srcloc(SourceLoc::new(self.body.location + self.body.at));
    }

    /// Whether the condition of the branch that is translated is likely to hold, if a hint says so.
    pub(crate) fn hint(&self) -> Option<bool> {
        let hints = self.shape.hints_of(self.body.func);
        let found = hints.binary_search_by_key(&self.body.at, |hint| hint.offset).ok()?;
        Some(hints[found].likely)
    }

    /// Pushes a value on the operand stack.
    pub(crate) fn push(&mut self, value: Value) {
        if self.stack.len() < KEPT_OPERANDS {
            self.stack.push(value);
            return;
        }
        let value = self.canonical(value);
        self.store_operand(value);
        self.stack.push(value);
    }

    /// Pushes values, the first one deepest.
    pub(crate) fn push_all(&mut self, values: &[Value]) {
        for value in values {
            self.push(*value);
        }
    }

    /// Pops the value on top of the operand stack.
    pub(crate) fn pop(&mut self) -> Value {
        let value = self.peek();
        self.truncate(self.stack.len() - 1);
        value
    }

    /// Pops two values; the second one was on top.
    pub(crate) fn pop2(&mut self) -> (Value, Value) {
        let b = self.pop();
        (self.pop(), b)
    }

    /// Pops three values; the third one was on top.
    pub(crate) fn pop3(&mut self) -> (Value, Value, Value) {
        let c = self.pop();
        let (a, b) = self.pop2();
        (a, b, c)
    }

    /// The value on top of the operand stack, which stays.
    pub(crate) fn peek(&mut self) -> Value {
        let value = *self.stack.last().expect("validation balances the operand stack");
        self.load_operand(self.stack.len() - 1).unwrap_or(value)
    }

    /// All operands, lowest first: none of them has a home.
    pub(crate) fn operands_mut(&mut self) -> Option<&mut [Value]> {
        if self.stack.len() > KEPT_OPERANDS { None } else { Some(&mut self.stack) }
    }

    /// Where the operator stands, in bytes from the start of the body.
    pub(crate) fn at(&self) -> u32 {
        self.body.at
    }

    /// The `count` values on top of the operand stack, which stay; the top is last.
    ///
    /// [`Self::canonicalise`] must have brought them there.
    pub(crate) fn peek_many(&self, count: usize) -> &[Value] {
        &self.stack[self.stack.len() - count..]
    }

    /// How many values are on the operand stack.
    pub(crate) fn height(&self) -> usize {
        self.stack.len()
    }

    /// Drops what is above the first `height` values of the operand stack.
    pub(crate) fn truncate(&mut self, height: usize) {
        self.stack.truncate(height);
        self.truncate_homes(height);
    }

    /// Brings the `count` topmost values from their homes, and into the types in which they travel: see
    /// [`Self::canonical`].
    pub(crate) fn canonicalise(&mut self, count: usize) {
        for at in self.stack.len() - count..self.stack.len() {
            self.stack[at] = match self.load_operand(at) {
                Some(value) => value,
                None => self.canonical(self.stack[at]),
            };
        }
    }

    /// The value as it travels between blocks and functions: vectors as `I8X16`, all else as it is.
    pub(crate) fn canonical(&mut self, value: Value) -> Value {
        let ty = self.builder.func.dfg.value_type(value);
        if ty.is_vector() && ty != I8X16 { self.bitcast_vector(value, I8X16) } else { value }
    }

    /// A vector seen with other lanes, in WebAssembly's (little-endian) order.
    pub(crate) fn bitcast_vector(&mut self, value: Value, ty: Type) -> Value {
        if self.builder.func.dfg.value_type(value) == ty {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.builder.ins().bitcast(ty, flags, value)
    }
}
