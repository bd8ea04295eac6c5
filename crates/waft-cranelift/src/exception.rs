//! Exceptions: throwing them, and the scopes that catch them.
//!
//! A scope costs nothing until something is thrown: the calls in it are instructions that also say where to go on when the
//! callee throws, and that is one block for the whole scope, its *landing*. There the exception's tag is compared with those
//! of the clauses. What no clause is for goes on to the landing of the next outer scope, or out of the function.
//!
//! # Invariants
//!
//! * **X1** A scope is the innermost in [`FuncTranslator::tries`] exactly while code in it is translated, so its landing has
//!   all its predecessors when it is filled.
//! * **X2** The 64-bit form of a reference to an exception, which a landing gets, is no root: from there to its next use lies
//!   no call.
//!
//! # Elsewhere
//!
//! How an exception comes to a landing: `waft-engine/src/vm/activation/exception.rs`.

use crate::call::{CallTarget, Returned};
use crate::control::FrameKind;
use crate::gc::Extension;
use crate::translator::{FuncTranslator, TranslateResult};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    Block, BlockArg, ExceptionTableData, ExceptionTableItem, Inst, InstBuilder, SigRef, Value,
};
use cranelift_codegen::{CompiledCode, FinalizedMachExceptionHandler};
use waft_core::gc::{StructLayout, object};
use waft_core::index::TagIndex;
use waft_core::libcall::Libcall;
use waft_core::limits::TRY_DEPTH_MAX;
use waft_core::tier::ExceptionHandler;
use waft_core::trap::TrapCode;
use waft_core::types::{StorageTy, ValType};
use wasmparser::{BlockType, Catch, TryTable};

/// So many clauses of a scope are looked at to find one for what is thrown in it: each `throw` looks.
const CLAUSES_LOOKED_AT: usize = 8;

/// A scope in which exceptions are caught.
#[derive(Default)]
pub(crate) struct TryScope {
    /// The clauses of `try_table`; those of `try` come later.
    catches: Vec<Catch>,
    /// Where exceptions of its calls arrive, made with the first one.
    landing: Option<Block>,
}

/// An exception that arrived at a landing.
#[derive(Clone, Copy)]
pub(crate) struct Caught {
    /// The reference, as it arrived (X2).
    arrived: Value,
    /// The reference.
    exception: Value,
    /// The number of its tag, if anything asks for it.
    tag: Option<Value>,
}

/// Whether an exception is thrown, or goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Throw {
    New,
    Again,
}

impl<'a> FuncTranslator<'a, '_> {
    /// Calls, such that the innermost scope gets what the callee throws.
    pub(crate) fn call_catching(&mut self, target: CallTarget, args: &[Value]) -> Returned {
        let landing = self.landing_of(self.tries.len());
        self.call_landing(target, args, landing)
    }

    fn call_landing(&mut self, target: CallTarget, args: &[Value], landing: Option<Block>) -> Returned {
        let (call, returned) = match (landing, target) {
            (Some(landing), _) => {
                let (call, next) = self.try_call(target, args, landing);
                (call, Returned::Block(next))
            }
            (None, CallTarget::Neighbour(func)) => {
                let call = self.builder.ins().call(func, args);
                (call, Returned::Inst(call))
            }
            (None, CallTarget::Pointer(signature, code)) => {
                let call = self.builder.ins().call_indirect(signature, code, args);
                (call, Returned::Inst(call))
            }
        };
        self.map_homed_refs(call);
        returned
    }

    /// A call that ends its block: the next one gets the results, the landing what is thrown.
    fn try_call(&mut self, target: CallTarget, args: &[Value], landing: Block) -> (Inst, Block) {
        let signature: SigRef = match target {
            CallTarget::Neighbour(func) => self.builder.func.dfg.ext_funcs[func].signature,
            CallTarget::Pointer(signature, _) => signature,
        };
        let next = self.builder.create_block();
        let results = self.builder.func.dfg.signatures[signature].returns.len();
        for at in 0..results {
            let ty = self.builder.func.dfg.signatures[signature].returns[at].value_type;
            self.builder.append_block_param(next, ty);
        }
        let results: Vec<BlockArg> = (0..results as u32).map(BlockArg::TryCallRet).collect();
        let dfg = &mut self.builder.func.dfg;
        let returns = dfg.block_call(next, &results);
        let throws = dfg.block_call(landing, &[BlockArg::TryCallExn(0)]);
        let table = ExceptionTableData::new(signature, returns, [ExceptionTableItem::Default(throws)]);
        let table = dfg.exception_tables.push(table);
        let call = match target {
            CallTarget::Neighbour(func) => self.builder.ins().try_call(func, args, table),
            CallTarget::Pointer(_, code) => self.builder.ins().try_call_indirect(code, args, table),
        };
        self.builder.seal_block(next);
        self.switch_to(next, self.cold);
        (call, next)
    }

    /// The landing of the innermost of the `count` outermost scopes, if there is any.
    fn landing_of(&mut self, count: usize) -> Option<Block> {
        let scope = count.checked_sub(1)?;
        if let Some(landing) = self.tries[scope].landing {
            return Some(landing);
        }
        let landing = self.builder.create_block();
        self.builder.append_block_param(landing, I64);
        self.tries[scope].landing = Some(landing);
        Some(landing)
    }

    /// `try_table`.
    pub(crate) fn try_table(&mut self, table: &TryTable) -> TranslateResult {
        self.open_scope(table.ty, TryScope { catches: table.catches.clone(), landing: None })
    }

    /// `try`.
    pub(crate) fn try_(&mut self, ty: BlockType) -> TranslateResult {
        self.open_scope(ty, TryScope::default())
    }

    fn open_scope(&mut self, ty: BlockType, scope: TryScope) -> TranslateResult {
        debug_assert!(self.tries.len() < TRY_DEPTH_MAX, "validation bounds how deep scopes are nested");
        let types = self.block_types(ty)?;
        self.tries.push(scope);
        self.push_frame(FrameKind::Try, types, None);
        Ok(())
    }

    /// The number of a tag of the module, in the store.
    fn tag_number(&mut self, tag: TagIndex) -> Value {
        self.load_constant(I32, self.vm.context, self.layout.tag(tag))
    }

    /// The types of what exceptions with a tag carry.
    fn payload_types(&self, tag: TagIndex) -> &'a [ValType] {
        self.shape.sig(self.shape.tags[tag]).params()
    }

    /// `throw`.
    pub(crate) fn throw(&mut self, tag: u32) {
        let tag = TagIndex::from_u32(tag);
        let exception = self.make_exception(tag);
        if !self.is_caught_here(tag) {
            return self.throw_to(exception, Throw::New, self.tries.len());
        }
        let landing = self.landing_of(self.tries.len()).expect("what catches here is a scope");
        let arrives = self.builder.ins().uextend(I64, exception);
        self.builder.ins().jump(landing, &[arrives.into()]);
        self.reachable = false;
    }

    /// An exception with the values on top of the stack, which are popped.
    fn make_exception(&mut self, tag: TagIndex) -> Value {
        let types = self.payload_types(tag);
        self.canonicalise(types.len());
        let mut values = self.peek_many(types.len()).to_vec();
        self.truncate(self.height() - types.len());
        for (value, ty) in values.iter_mut().zip(types) {
            *value = self.stored_form(StorageTy::Val(*ty), *value);
        }
        let layout = StructLayout::of_exception(types);
        let id = self.type_id(self.shape.tags[tag].as_u32());
        let exception = self.alloc_fixed(id, layout.size());
        let number = self.tag_number(tag);
        let address = self.object_address(exception);
        let flags = self.object_flags(TrapCode::NullReference);
        self.builder.ins().store(flags, number, address, object::EXCEPTION_TAG as i32);
        for ((value, ty), offset) in values.into_iter().zip(types).zip(layout.offsets()) {
            let place = self.field_place(exception, *offset);
            self.init_field(place, StorageTy::Val(*ty), value);
        }
        exception
    }

    /// Whether the innermost scope catches what is thrown in it with a tag, at any rate: then nobody needs to look for a
    /// handler, nor to know where it was thrown.
    fn is_caught_here(&self, thrown: TagIndex) -> bool {
        let catches = self.tries.last().map_or(&[][..], |scope| &scope.catches);
        catches.iter().take(CLAUSES_LOOKED_AT).any(|catch| match *catch {
            Catch::One { tag, .. } | Catch::OneRef { tag, .. } => tag == thrown.as_u32(),
            Catch::All { .. } | Catch::AllRef { .. } => true,
        })
    }

    /// `throw_ref`.
    pub(crate) fn throw_ref(&mut self) {
        let exception = self.pop();
        self.trap_if_zero(exception, TrapCode::NullReference);
        self.throw_to(exception, Throw::New, self.tries.len());
    }

    /// `rethrow`.
    pub(crate) fn rethrow(&mut self, depth: u32) {
        let FrameKind::Catch { caught: Some(caught), .. } = self.outer(depth).kind else {
            unreachable!("validation has it name a clause, which is reached with an exception");
        };
        self.throw_to(caught.exception, Throw::New, self.tries.len());
    }

    /// Has the engine throw an exception, which the innermost of the `scopes` outermost scopes gets first.
    fn throw_to(&mut self, exception: Value, throw: Throw, scopes: usize) {
        let signature = self.libcall_signature(Libcall::Throw);
        let table = self.libcalls();
        let code = self.load_constant(I64, table, Libcall::Throw.table_offset());
        let again = self.builder.ins().iconst(I32, i64::from(throw == Throw::Again));
        let landing = self.landing_of(scopes);
        let args = [self.vm.context, exception, again];
        self.call_landing(CallTarget::Pointer(signature, code), &args, landing);
        self.builder.ins().trap(clif_trap(Libcall::Throw.trap()));
        self.reachable = false;
    }

    /// Lets an exception that arrived go on to the innermost of the `scopes` outermost scopes.
    fn go_on_throwing(&mut self, arrived: Value, scopes: usize) {
        match self.landing_of(scopes) {
            Some(landing) => {
                self.builder.ins().jump(landing, &[arrived.into()]);
                self.reachable = false;
            }
            None => {
                let exception = self.builder.ins().ireduce(I32, arrived);
                self.throw_to(exception, Throw::Again, 0);
            }
        }
    }

    /// Goes on in a landing, which has all its predecessors (X1).
    fn enter_landing(&mut self, landing: Block, asks_for_tag: bool) -> Caught {
        self.builder.seal_block(landing);
        self.switch_to(landing, true);
        let arrived = self.builder.block_params(landing)[0];
        let exception = self.builder.ins().ireduce(I32, arrived);
        self.root(exception);
        let tag = asks_for_tag.then(|| {
            let address = self.object_address(exception);
            let flags = self.object_flags(TrapCode::CorruptHeap);
            self.builder.ins().load(I32, flags, address, object::EXCEPTION_TAG as i32)
        });
        Caught { arrived, exception, tag }
    }

    /// Goes on if an exception has a tag; the block in which it goes on if it does not.
    fn test_tag(&mut self, caught: &Caught, tag: TagIndex) -> Block {
        let found = caught.tag.expect("asked for at the landing");
        let wanted = self.tag_number(tag);
        let fits = self.builder.ins().icmp(IntCC::Equal, found, wanted);
        let (hit, rest) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(fits, hit, &[], rest, &[]);
        self.builder.seal_block(hit);
        self.builder.seal_block(rest);
        self.switch_to(hit, true);
        rest
    }

    /// What an exception with a tag carries.
    fn payload(&mut self, exception: Value, tag: TagIndex) -> Vec<Value> {
        let types = self.payload_types(tag);
        let layout = StructLayout::of_exception(types);
        let fields = types.iter().zip(layout.offsets());
        fields
            .map(|(ty, offset)| {
                let place = self.field_place(exception, *offset);
                self.load_field(place, StorageTy::Val(*ty), Extension::Unsigned)
            })
            .collect()
    }

    /// Fills the landing of the innermost block, a `try_table` or a `try` without clauses.
    fn land(&mut self, catches: &[Catch], landing: Block) {
        // The first clause that is for all exceptions is the last that counts.
        let asks_for_tag = matches!(catches.first(), Some(Catch::One { .. } | Catch::OneRef { .. }));
        let caught = self.enter_landing(landing, asks_for_tag);
        for catch in catches {
            let (tag, label, with_ref) = match *catch {
                Catch::One { tag, label } => (Some(tag), label, false),
                Catch::OneRef { tag, label } => (Some(tag), label, true),
                Catch::All { label } => (None, label, false),
                Catch::AllRef { label } => (None, label, true),
            };
            let tag = tag.map(TagIndex::from_u32);
            let rest = tag.map(|tag| self.test_tag(&caught, tag));
            let mut values = tag.map(|tag| self.payload(caught.exception, tag)).unwrap_or_default();
            values.extend(with_ref.then_some(caught.exception));
            let values: Vec<BlockArg> = values.into_iter().map(BlockArg::Value).collect();
            // Labels count from outside of the block.
            let (label, _) = self.label(label + 1);
            self.builder.ins().jump(label, &values);
            match rest {
                Some(rest) => self.switch_to(rest, true),
                None => return,
            }
        }
        self.go_on_throwing(caught.arrived, self.tries.len());
    }

    /// Before the `end` of a block: if it is one that catches, fills what is to be filled.
    pub(crate) fn end_tries(&mut self) {
        match self.innermost().kind {
            FrameKind::Try => {
                let TryScope { catches, landing } = self.close_scope();
                let Some(landing) = landing else { return };
                self.leave_for_end();
                self.land(&catches, landing);
            }
            FrameKind::Catch { caught: Some(caught), rest: Some(rest) } => {
                self.leave_for_end();
                self.switch_to(rest, true);
                self.go_on_throwing(caught.arrived, self.tries.len());
            }
            _ => return,
        }
        self.reachable = false;
    }

    /// The innermost scope, which is over (X1).
    fn close_scope(&mut self) -> TryScope {
        let scope = self.tries.pop().expect("a block that catches has a scope");
        self.innermost().tries = self.tries.len();
        scope
    }

    /// What goes on at the end of the innermost block jumps there.
    fn leave_for_end(&mut self) {
        if self.reachable {
            self.jump_to_end();
            self.reachable = false;
        }
    }

    /// `catch`, whether or not what came before can reach it: the `try` was reached.
    pub(crate) fn catch(&mut self, tag: u32) {
        let tag = TagIndex::from_u32(tag);
        if let Some(caught) = self.next_clause(true) {
            let rest = self.test_tag(&caught, tag);
            self.innermost().kind = FrameKind::Catch { caught: Some(caught), rest: Some(rest) };
            let values = self.payload(caught.exception, tag);
            self.push_all(&values);
        }
    }

    /// `catch_all`, likewise.
    pub(crate) fn catch_all(&mut self) {
        self.next_clause(false);
    }

    /// Goes on where the next clause of a `try` begins, if it can be reached, as if it were for all exceptions.
    fn next_clause(&mut self, asks_for_tag: bool) -> Option<Caught> {
        self.leave_for_end();
        let height = self.innermost().height;
        self.truncate(height);
        let caught = match self.innermost().kind {
            FrameKind::Catch { caught, rest } => {
                if let Some(rest) = rest {
                    self.switch_to(rest, true);
                }
                caught
            }
            _ => {
                let landing = self.close_scope().landing;
                landing.map(|landing| self.enter_landing(landing, asks_for_tag))
            }
        };
        self.innermost().kind = FrameKind::Catch { caught, rest: None };
        self.reachable = caught.is_some();
        caught
    }

    /// `delegate`, whether or not what came before can reach it.
    pub(crate) fn delegate(&mut self, depth: u32) {
        if let Some(landing) = self.close_scope().landing {
            self.leave_for_end();
            // Labels count from outside of the block.
            let scopes = self.outer(depth + 1).tries;
            let caught = self.enter_landing(landing, false);
            self.go_on_throwing(caught.arrived, scopes);
        }
        self.innermost().kind = FrameKind::Block;
        self.end();
    }
}

/// The calls of a function whose exceptions it may catch, by ascending offset.
pub(crate) fn handlers(code: &CompiledCode) -> Result<Vec<ExceptionHandler>, String> {
    let sites = code.buffer.call_sites().filter(|site| !site.exception_handlers.is_empty());
    sites
        .map(|site| match (site.exception_handlers, site.frame_offset) {
            (&[FinalizedMachExceptionHandler::Default(landing)], Some(frame_bytes)) => {
                Ok(ExceptionHandler { offset: site.ret_addr, landing, frame_bytes })
            }
            (handlers, frame) => {
                Err(format!("a call with unexpected handlers: {handlers:?} in a frame of {frame:?} bytes"))
            }
        })
        .collect()
}
