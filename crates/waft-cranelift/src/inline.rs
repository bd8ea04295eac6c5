//! Calls whose callees are translated in place: the callee's body becomes a block of its caller's.
//!
//! [`Inlining`] says which calls: that is policy. The rest is mechanism, and holds whatever the policy says: arguments become
//! variables, `return` a branch to the end of the block, and traps and calls in the body keep their own place in the module,
//! with the chain of calls that they stand in.
//!
//! # Invariants
//!
//! * **N1** A call in place is one to a function of the same module, whose context is the caller's. The callee has no loop, no
//!   scope that catches, and no tail call, which would take the caller's place.
//! * **N2** What a function takes in counts towards the limits of `home.rs`. A function past them takes in nothing.
//! * **N3** Each call in place has source locations of its own, one for each byte of the callee's body, after those of the
//!   function's own: all that is known of a piece of code follows from its location.

use crate::home::KEPT_OPERANDS;
use crate::signature::clif_type;
use crate::translator::{Body, FuncTranslator, TranslateResult, unreadable};
use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::Variable;
use std::collections::HashMap;
use waft_core::index::{DefinedFuncIndex, FuncIndex};
use waft_core::module::{FuncBody, Shape};
use waft_core::tier::{CodePosition, InlinedCall, InlinedCode};
use waft_core::types::ValType;
use wasmparser::{BinaryReader, FunctionBody, Operator};

/// Which calls are translated in place.
#[derive(Clone, Copy, Debug)]
pub struct Inlining {
    /// The largest body that calls nothing, in bytes.
    pub leaf_bytes_max: usize,
    /// The largest body that calls something, in bytes.
    pub caller_bytes_max: usize,
    /// The largest body that is translated in the place of a call of its own, in bytes.
    pub again_bytes_max: usize,
    /// How often that may be done, one in another.
    pub again_max: usize,
    /// How many calls in place may stand in each other.
    pub depth_max: usize,
    /// How many bytes of bodies any function may take in.
    pub bytes_free: usize,
    /// How many more for each byte of its own body.
    pub bytes_per_byte: usize,
}

impl Inlining {
    /// No calls.
    pub const NONE: Self = Self {
        leaf_bytes_max: 0,
        caller_bytes_max: 0,
        again_bytes_max: 0,
        again_max: 0,
        depth_max: 0,
        bytes_free: 0,
        bytes_per_byte: 0,
    };

    /// Calls that take about as much code as what they do. Compilers that optimise leave few: the code of CPython, SQLite and
    /// gofmt stays as large as it is, where 24 bytes would add 0.4 % to CPython's. And recursion, which they leave: once is worth
    /// half the time of `bench/workloads/control/recursion.wat`.
    pub const SMALL: Self = Self {
        leaf_bytes_max: 20,
        caller_bytes_max: 12,
        again_bytes_max: 64,
        again_max: 1,
        depth_max: 3,
        bytes_free: 80,
        bytes_per_byte: 1,
    };

    /// What pays where there are structures and arrays: their languages have many small functions, and compilers leave these
    /// to the engine. It takes a fifth off the time of `bench/workloads/gc/richards.wat`. Compilers spell out every
    /// check, so bodies are large for what they do: with bodies of half the size, the same program in Kotlin takes a tenth
    /// longer. Twice the room for each byte makes more code, and nothing faster.
    pub const OBJECTS: Self = Self { leaf_bytes_max: 128, caller_bytes_max: 128, ..Self::SMALL };

    /// All calls that there is a limit for, to find what is wrong with the mechanism.
    pub const ALL: Self = Self {
        leaf_bytes_max: 400,
        caller_bytes_max: 400,
        again_bytes_max: 400,
        again_max: 2,
        depth_max: 4,
        bytes_free: 2_000,
        bytes_per_byte: 4,
    };
}

impl Inlining {
    /// The policy for a module for which nobody named one.
    pub(crate) fn of(shape: &Shape) -> Self {
        if shape.has_objects { Self::OBJECTS } else { Self::SMALL }
    }
}

/// The most locals of a callee, parameters included: a group of many takes a few bytes.
const LOCALS_MAX: u32 = 32;

/// What a function has taken in.
pub(crate) struct Inlined {
    policy: Inlining,
    /// How many bytes it may still take in.
    room: usize,
    /// How many bytes it took in.
    pub(crate) bytes: usize,
    calls: Vec<InlinedCall>,
    /// The first source location of each call, and where the callee's body starts in the module.
    locations: Vec<(u32, u32)>,
    next_location: u32,
    /// How many variables were declared for callees.
    declared: u32,
    /// Variables of bodies that are done, for those to come.
    variables: HashMap<VariableKind, Vec<Variable>>,
}

impl Inlined {
    /// Nothing yet, of a function with this body.
    pub(crate) fn new(policy: Inlining, body: FuncBody<'_>) -> Self {
        let body_bytes = body.bytes.len();
        Self {
            policy,
            room: policy.bytes_free.saturating_add(policy.bytes_per_byte.saturating_mul(body_bytes)),
            bytes: 0,
            calls: Vec::new(),
            locations: Vec::new(),
            // No operator of the function's own is there.
            next_location: (body.start + body_bytes) as u32,
            declared: 0,
            variables: HashMap::new(),
        }
    }

    /// Where each stretch of code comes from, and in which call in place it stands: neighbours that are alike are one entry.
    pub(crate) fn positions(&self, code: &CompiledCode) -> (Vec<CodePosition>, Vec<InlinedCode>) {
        let (mut positions, mut calls): (Vec<CodePosition>, Vec<InlinedCode>) = (Vec::new(), Vec::new());
        for place in code.buffer.get_srclocs_sorted() {
            if place.loc.is_default() {
                continue;
            }
            let (wasm, call) = self.origin(place.loc.bits());
            if positions.last().is_none_or(|last| last.wasm != wasm) {
                positions.push(CodePosition { code: place.start, wasm });
            }
            if calls.last().and_then(|last| last.call) != call {
                calls.push(InlinedCode { code: place.start, call });
            }
        }
        (positions, calls)
    }

    /// The calls, each after the one that it stands in.
    pub(crate) fn into_calls(self) -> Vec<InlinedCall> {
        self.calls
    }

    /// The operator at a source location, in bytes from the start of the module, and the call that it stands in.
    fn origin(&self, location: u32) -> (u32, Option<u32>) {
        match self.locations.partition_point(|(first, _)| *first <= location).checked_sub(1) {
            None => (location, None),
            Some(call) => {
                let (first, start) = self.locations[call];
                (start + (location - first), Some(call as u32))
            }
        }
    }
}

/// The type of a variable, and whether it holds references into the GC heap.
type VariableKind = (Type, bool);

/// A local of a callee.
#[derive(Clone, Copy)]
pub(crate) struct InlinedLocal {
    pub(crate) variable: Variable,
    kind: VariableKind,
}

/// What is known of a callee before it is translated.
struct Callee<'a> {
    body: FunctionBody<'a>,
    bytes: usize,
    /// Where the body starts in the module.
    start: usize,
}

impl<'a> FuncTranslator<'a, '_> {
    /// Begins to translate the callee of a call in place, if the policy is for it.
    pub(crate) fn inline(&mut self, index: FuncIndex, func: DefinedFuncIndex) -> TranslateResult<bool> {
        let Some(callee) = self.callee(index, func) else { return Ok(false) };
        let Callee { body, bytes, start } = callee;
        let first = self.inlined.next_location;
        self.inlined.calls.push(InlinedCall { func, caller: self.body.call, wasm: self.body.place() });
        self.inlined.locations.push((first, start as u32));
        self.inlined.next_location += bytes as u32;
        self.inlined.room -= bytes;
        self.inlined.bytes += bytes;
        let call = Some(self.inlined.calls.len() as u32 - 1);

        let sig = self.shape.func_sig(index);
        let params = sig.params();
        self.canonicalise(params.len());
        let args = self.peek_many(params.len()).to_vec();
        self.truncate(self.height() - params.len());
        let mut locals = Vec::with_capacity(params.len());
        for (ty, arg) in params.iter().zip(args) {
            self.inlined_local(*ty, arg, &mut locals);
        }
        let mut groups = body.get_locals_reader().map_err(unreadable)?;
        for _ in 0..groups.get_count() {
            let (count, ty) = groups.read().map_err(unreadable)?;
            let ty = self.val_type(ty)?;
            for _ in 0..count {
                let zero = self.zero(clif_type(ty));
                self.inlined_local(ty, zero, &mut locals);
            }
        }
        self.keep_bodies_apart();
        let outer_frames = self.frames.len();
        self.push_callee_frame(sig);
        let operators = body.get_operators_reader().map_err(unreadable)?;
        let body = Body {
            func,
            operators,
            start,
            at: 0,
            location: first,
            call,
            locals: Some(locals),
            outer_frames,
            meets: false,
        };
        let caller = std::mem::replace(&mut self.body, body);
        self.callers.push(caller);
        Ok(true)
    }

    /// Goes on after the call in place whose callee is done.
    pub(crate) fn leave_callee(&mut self, caller: Body<'a>) {
        let callee = std::mem::replace(&mut self.body, caller);
        if self.reachable {
            self.keep_bodies_apart();
        }
        if callee.meets {
            self.end();
        }
        for local in callee.locals.into_iter().flatten() {
            self.inlined.variables.entry(local.kind).or_default().push(local.variable);
        }
    }

    /// Lets Cranelift merge no instruction of one body into one of another: a load that traps would then be taken for one of the
    /// other function, and so would an `unreachable` that it makes a part of the branch to it. It is no instruction in the end.
    fn keep_bodies_apart(&mut self) {
        self.builder.ins().sequence_point();
    }

    /// Declares the next local of a callee.
    fn inlined_local(&mut self, ty: ValType, value: Value, locals: &mut Vec<InlinedLocal>) {
        let kind = (clif_type(ty), ty.is_gc_ref());
        let variable = match self.inlined.variables.get_mut(&kind).and_then(Vec::pop) {
            Some(variable) => variable,
            None => {
                self.inlined.declared += 1;
                self.declare_variable(ty)
            }
        };
        self.builder.def_var(variable, value);
        locals.push(InlinedLocal { variable, kind });
    }

    /// The callee of a call, if the call is to be translated in place.
    fn callee(&self, index: FuncIndex, func: DefinedFuncIndex) -> Option<Callee<'a>> {
        let policy = &self.inlined.policy;
        let bytes = self.request.bodies.size(func)?;
        let running = self.callers.iter().chain([&self.body]).filter(|body| body.func == func).count();
        let (leaf_max, caller_max) = match running {
            0 => (policy.leaf_bytes_max, policy.caller_bytes_max),
            _ if running <= policy.again_max => (policy.again_bytes_max, policy.again_bytes_max),
            _ => return None,
        };
        let bytes_max = leaf_max.max(caller_max).min(self.inlined.room);
        if bytes > bytes_max || self.callers.len() >= policy.depth_max || self.cold {
            return None;
        }
        let fits = self.height() + bytes <= KEPT_OPERANDS
            && self.inlined.next_location.checked_add(bytes as u32).is_some_and(|end| end < u32::MAX);
        if !fits {
            return None;
        }
        let FuncBody { bytes: body, start } = self.request.bodies.body(func)?;
        let body = FunctionBody::new(BinaryReader::new(body, start as u64));
        let params = self.shape.func_sig(index).params().len();
        let Summary { locals, calls } = summary(&body, params).ok().flatten()?;
        if bytes > if calls { caller_max } else { leaf_max } {
            return None;
        }
        self.homes.have_room(self.inlined.declared + locals, self.inlined.bytes + bytes).then_some(Callee {
            body,
            bytes,
            start,
        })
    }
}

/// What decides on a callee, besides its length.
struct Summary {
    /// How many locals it has, parameters included.
    locals: u32,
    /// Whether it calls anything.
    calls: bool,
}

/// What a body is like, if it may be translated in place (N1).
fn summary(body: &FunctionBody<'_>, params: usize) -> wasmparser::Result<Option<Summary>> {
    let mut locals = u32::try_from(params).unwrap_or(u32::MAX);
    let mut groups = body.get_locals_reader()?;
    for _ in 0..groups.get_count() {
        locals = locals.saturating_add(groups.read()?.0);
    }
    if locals > LOCALS_MAX {
        return Ok(None);
    }
    let mut calls = false;
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        match operators.read()? {
            Operator::Loop { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::ReturnCallRef { .. } => return Ok(None),
            Operator::Call { .. } | Operator::CallIndirect { .. } | Operator::CallRef { .. } => calls = true,
            _ => {}
        }
    }
    Ok(Some(Summary { locals, calls }))
}
