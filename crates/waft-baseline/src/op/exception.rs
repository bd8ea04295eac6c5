//! Exceptions: throwing them, and the scopes that catch them.
//!
//! A scope costs little until something is thrown: each call in it is noted with the scope's *landing*, where the exception's
//! tag is compared with those of the clauses. What no clause is for goes on to the landing of the next outer scope, or out of
//! the function.
//!
//! # Invariants
//!
//! * **X1** At a landing nothing is in registers but the reference to the exception, in `rax`. What lies below the block is in the
//!   frame (B1 in `control.rs`), and so is every local: in a function that catches, all of them are in their homes while a call
//!   goes on.
//! * **X2** From a landing to the last use of `rax` lies no call but the one that throws on.
//!
//! # Elsewhere
//!
//! How an exception comes to a landing: `waft-engine/src/vm/activation/exception.rs`.

use super::gc::Extension;
use crate::compiler::{CompileResult, Compiler};
use crate::control::{BlockTy, Kind};
use crate::value::{Loc, Ty};
use crate::x64::{ARG_GPRS, Alu, Cond, Gpr, Label, Mem, R11, R14, RAX, RDI, Rm, Width};
use waft_core::gc::{StructLayout, object};
use waft_core::index::{MemoryIndex, TagIndex};
use waft_core::layout::VmLayout;
use waft_core::libcall::Libcall;
use waft_core::tier::ExceptionHandler;
use waft_core::trap::TrapCode;
use waft_core::types::{StorageTy, ValType};
use wasmparser::{BlockType, Catch, TryTable};

/// The end of a list of handlers.
const NONE: u32 = u32::MAX;

/// A scope in which exceptions are caught.
pub(crate) struct TryScope {
    /// The clauses of `try_table`; those of `try` come later.
    catches: Vec<Catch>,
    /// Where inner scopes let exceptions go on.
    landing: Label,
    /// The last call whose handler this is; the handler holds the one before, as long as the landing is not known.
    calls: u32,
}

impl TryScope {
    /// Whether anything comes to the landing.
    fn is_reached(&self) -> bool {
        self.landing.is_used() || self.calls != NONE
    }
}

impl<'a> Compiler<'a> {
    /// Notes that the innermost scope gets what the call throws that was emitted last.
    pub(crate) fn note_handler(&mut self) {
        let offset = self.asm.pos();
        if let Some(scope) = self.tries.last_mut() {
            let landing = std::mem::replace(&mut scope.calls, self.handlers.len() as u32);
            self.handlers.push(ExceptionHandler { offset, landing, frame_bytes: 0 });
        }
    }

    fn open_scope(&mut self, ty: BlockType, catches: Vec<Catch>) -> CompileResult {
        if !self.scan.catches {
            return Err(
                "a block that catches was overlooked: locals are not where exceptions leave them".to_owned()
            );
        }
        let ty: BlockTy = self.block_ty(ty)?;
        self.settle_below(0);
        self.tries.push(TryScope { catches, landing: Label::NEW, calls: NONE });
        self.push_block(Kind::Try, ty, self.params(ty).len());
        Ok(())
    }

    /// `try_table`.
    pub(crate) fn try_table(&mut self, table: &TryTable) -> CompileResult {
        self.open_scope(table.ty, table.catches.clone())
    }

    /// `try`.
    pub(crate) fn try_(&mut self, ty: BlockType) -> CompileResult {
        self.open_scope(ty, Vec::new())
    }

    fn payload_types(&self, tag: TagIndex) -> &'a [ValType] {
        self.shape.sig(self.shape.tags[tag]).params()
    }

    /// `throw`.
    pub(crate) fn throw(&mut self, tag: u32) {
        let tag = TagIndex::from_u32(tag);
        let types = self.payload_types(tag);
        for (at, ty) in types.iter().enumerate() {
            self.stored_form(StorageTy::Val(*ty), types.len() - 1 - at);
        }
        let layout = StructLayout::of_exception(types);
        let (exception, heap) = self.new_object(self.shape.tags[tag].as_u32(), layout.size());
        self.load_context(R11);
        self.asm.load(Width::W32, R11, Mem::at(R11, self.layout.tag(tag) as i32));
        self.asm.store(Width::W32, Mem::indexed(heap, exception, object::EXCEPTION_TAG as i32), R11);
        for (ty, offset) in types.iter().zip(layout.offsets()).rev() {
            let value = self.pop();
            let reg = self.stored_reg(&value);
            self.write_field(Mem::indexed(heap, exception, *offset as i32), (*ty).into(), reg);
            self.free_stored(reg);
        }
        self.free_gpr(heap);
        self.throw_on(exception, false);
        self.free_gpr(exception);
    }

    /// `throw_ref`.
    pub(crate) fn throw_ref(&mut self) {
        let exception = self.pop();
        let reg = self.gpr(&exception);
        self.asm.test(Width::W32, reg, reg);
        self.trap_if(Cond::E, TrapCode::NullReference);
        self.throw_on(reg, false);
        self.free_gpr(reg);
    }

    /// `rethrow`.
    pub(crate) fn rethrow(&mut self, depth: u32) {
        let at = self.block_at(depth);
        let place = self.caught_place(at);
        let reg = self.alloc_gpr();
        self.asm.load(Width::W32, reg, place);
        self.throw_on(reg, false);
        self.free_gpr(reg);
    }

    /// Has the engine throw an exception, which the innermost scope gets first.
    fn throw_on(&mut self, exception: Gpr, again: bool) {
        self.spill_below(0);
        self.save_locals();
        self.asm.mov(Width::W32, ARG_GPRS[1], exception);
        self.asm.mov_imm(ARG_GPRS[2], again.into());
        self.load_context(RDI);
        self.asm.load(Width::W64, RAX, Mem::at(RDI, VmLayout::LIBCALLS as i32));
        self.asm.call_rm(Rm::Mem(Mem::at(RAX, Libcall::Throw.table_offset() as i32)));
        self.map_refs();
        self.note_handler();
        self.trap(Libcall::Throw.trap());
        self.reachable = false;
    }

    /// Lets the exception in `rax`, at a landing, go on to the innermost of the `scopes` outermost scopes.
    fn go_on_throwing(&mut self, scopes: usize) {
        match scopes.checked_sub(1) {
            Some(scope) => self.asm.jmp(&mut self.tries[scope].landing),
            None => {
                // Past whatever scopes are open.
                let open = std::mem::take(&mut self.tries);
                self.throw_on(RAX, true);
                self.tries = open;
            }
        }
        self.reachable = false;
    }

    /// Goes on in the landing of a scope that was closed, with the exception in `rax`, which belongs to the operator, and locals
    /// in their registers (X1).
    fn enter_landing(&mut self, scope: &mut TryScope) {
        self.asm.bind(&mut scope.landing);
        let here = self.asm.pos();
        let mut call = scope.calls;
        while call != NONE {
            call = std::mem::replace(&mut self.handlers[call as usize].landing, here);
        }
        let height = self.innermost().height as usize;
        self.truncate(height);
        self.free_gprs.remove(RAX.0);
        self.restore_locals();
        if self.base_pinned {
            self.load_context(R11);
            self.load_memory_base(R14, R11, MemoryIndex::from_u32(0));
        }
        self.asm.mov(Width::W32, RAX, RAX);
    }

    /// Compares the tag of the exception in `rax`; where it goes on that has another.
    fn test_tag(&mut self, tag: TagIndex) -> Label {
        let found = self.alloc_gpr();
        self.load_heap(R11);
        self.may_fault(TrapCode::CorruptHeap);
        self.asm.load(Width::W32, found, Mem::indexed(R11, RAX, object::EXCEPTION_TAG as i32));
        self.load_context(R11);
        self.asm.alu(Alu::Cmp, Width::W32, found, Rm::Mem(Mem::at(R11, self.layout.tag(tag) as i32)));
        self.free_gpr(found);
        let mut rest = Label::NEW;
        self.asm.jcc(Cond::Ne, &mut rest);
        rest
    }

    /// Pushes what the exception in `rax` carries, which has this tag.
    fn push_payload(&mut self, tag: TagIndex) {
        let types = self.payload_types(tag);
        let layout = StructLayout::of_exception(types);
        for (ty, offset) in types.iter().zip(layout.offsets()) {
            let place = self.field_place(RAX, *offset);
            self.load_payload(place, StorageTy::Val(*ty));
        }
    }

    /// As `load_field`, but never into a local: the next operator is none that takes the value.
    fn load_payload(&mut self, place: Mem, storage: StorageTy) {
        let next = std::mem::take(&mut self.code);
        self.load_field(place, storage, Extension::Unsigned);
        self.code = next;
    }

    /// Fills the landing of the innermost block, a `try_table` or a `try` without clauses.
    fn land(&mut self, scope: &TryScope) -> CompileResult {
        for catch in &scope.catches {
            let (tag, label, with_ref) = match *catch {
                Catch::One { tag, label } => (Some(tag), label, false),
                Catch::OneRef { tag, label } => (Some(tag), label, true),
                Catch::All { label } => (None, label, false),
                Catch::AllRef { label } => (None, label, true),
            };
            let tag = tag.map(TagIndex::from_u32);
            let rest = tag.map(|tag| self.test_tag(tag));
            if let Some(tag) = tag {
                self.push_payload(tag);
            }
            if with_ref {
                self.push_gpr(Ty::Ref, RAX);
            }
            // Labels count from outside of the block.
            self.branch_always(label + 1);
            let height = self.innermost().height as usize;
            self.truncate(height);
            self.free_gprs.remove(RAX.0);
            // Each clause may bring a thousand values in order.
            self.check_limits()?;
            let Some(mut rest) = rest else {
                self.free_gpr(RAX);
                return Ok(());
            };
            self.asm.bind(&mut rest);
        }
        self.go_on_throwing(self.tries.len());
        self.free_gpr(RAX);
        Ok(())
    }

    /// Before the `end` of a block: if it is one that catches, fills what is to be filled.
    pub(crate) fn end_tries(&mut self) -> CompileResult {
        match self.innermost().kind {
            Kind::Try => {
                let mut scope = self.close_scope();
                if !scope.is_reached() {
                    return Ok(());
                }
                self.leave_for_end();
                self.enter_landing(&mut scope);
                self.land(&scope)?;
            }
            Kind::Catch { reached: true, rest } => {
                self.leave_for_end();
                if let Some(mut rest) = rest {
                    let height = self.innermost().height as usize;
                    self.truncate(height);
                    self.asm.bind(&mut rest);
                    self.free_gprs.remove(RAX.0);
                    let place = self.caught_place(self.block_at(0));
                    self.asm.load(Width::W32, RAX, place);
                    self.go_on_throwing(self.tries.len());
                    self.free_gpr(RAX);
                }
            }
            _ => return Ok(()),
        }
        self.reachable = false;
        Ok(())
    }

    /// The innermost scope, which is over.
    fn close_scope(&mut self) -> TryScope {
        let scope = self.tries.pop().expect("a block that catches has a scope");
        let tries = self.tries.len() as u32;
        self.innermost().tries = tries;
        scope
    }

    /// What goes on at the end of the innermost block jumps there.
    fn leave_for_end(&mut self) {
        if self.reachable {
            self.branch_always(0);
            self.reachable = false;
        }
    }

    /// Where a clause keeps its exception: in the slot of an operand that lies below those of the block.
    fn caught_place(&self, block: usize) -> Mem {
        self.slot_at(self.blocks[block].slots_end + Ty::Ref.slot_bytes())
    }

    /// `catch`, whether or not what came before can reach it: the `try` was reached.
    pub(crate) fn catch(&mut self, tag: u32) {
        if !self.next_clause() {
            return;
        }
        let tag = TagIndex::from_u32(tag);
        self.free_gprs.remove(RAX.0);
        let place = self.caught_place(self.block_at(0));
        self.asm.load(Width::W32, RAX, place);
        let rest = self.test_tag(tag);
        self.innermost().kind = Kind::Catch { reached: true, rest: Some(rest) };
        self.push_payload(tag);
        self.free_gpr(RAX);
    }

    /// `catch_all`, likewise.
    pub(crate) fn catch_all(&mut self) {
        self.next_clause();
    }

    /// Goes on where the next clause of a `try` begins, if it can be reached, as if it were for all exceptions.
    fn next_clause(&mut self) -> bool {
        self.leave_for_end();
        let height = self.innermost().height as usize;
        let reached = match self.innermost().kind {
            Kind::Catch { reached, rest } => {
                if let Some(mut rest) = rest {
                    self.asm.bind(&mut rest);
                }
                reached && rest.is_some()
            }
            _ => {
                let mut scope = self.close_scope();
                let reached = scope.is_reached();
                if reached {
                    self.enter_landing(&mut scope);
                    let place = self.caught_place(self.block_at(0));
                    self.asm.store(Width::W32, place, RAX);
                    self.free_gpr(RAX);
                }
                reached
            }
        };
        self.truncate(height);
        self.innermost().kind = Kind::Catch { reached, rest: None };
        self.reachable = reached;
        if reached {
            self.push(Ty::Ref, Loc::Slot);
            self.settled = self.stack.len();
        }
        reached
    }

    /// `delegate`, whether or not what came before can reach it.
    pub(crate) fn delegate(&mut self, depth: u32) -> CompileResult {
        let mut scope = self.close_scope();
        if scope.is_reached() {
            self.leave_for_end();
            // Labels count from outside of the block.
            let scopes = self.blocks[self.block_at(depth + 1)].tries as usize;
            self.enter_landing(&mut scope);
            self.go_on_throwing(scopes);
            self.free_gpr(RAX);
        }
        self.innermost().kind = Kind::Block;
        self.end()
    }
}
