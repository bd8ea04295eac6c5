//! Calls: to neighbours, to imported functions, through tables.

use crate::context::Region;
use crate::signature::clif_type;
use crate::translator::{FuncTranslator, TranslateResult};
use crate::trap::clif_trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{Block, FuncRef, Inst, InstBuilder, SigRef, StackSlotData, StackSlotKind, Value};
use waft_core::convention::{AREA_SLOT_BYTES, Results};
use waft_core::index::{DefinedFuncIndex, FuncIndex, TableIndex, TypeIndex};
use waft_core::layout::{POINTER_BYTES, func_import, func_ref, store_context};
use waft_core::tier::{Entry, Linkage};
use waft_core::trap::TrapCode;
use waft_core::types::{HeapType, ValType};

/// A function to call: its code, what it gets as its context.
struct Callee {
    code: Value,
    context: Value,
}

/// What a call instruction names as its callee.
#[derive(Clone, Copy)]
pub(crate) enum CallTarget {
    /// A function of the module.
    Neighbour(FuncRef),
    /// Whatever is at an address, by a signature.
    Pointer(SigRef, Value),
}

/// Where the results of a call are.
#[derive(Clone, Copy)]
pub(crate) enum Returned {
    /// They are the instruction's.
    Inst(Inst),
    /// They are the parameters of the block in which the code goes on.
    Block(Block),
}

/// What becomes of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallKind {
    /// It goes on with the results.
    Returning,
    /// The callee takes its place: the results are its own.
    Tail,
}

impl FuncTranslator<'_, '_> {
    /// `call` and `return_call`.
    pub(crate) fn call(&mut self, func: u32, kind: CallKind) -> TranslateResult {
        let func = FuncIndex::from_u32(func);
        if let (Some(defined), CallKind::Returning) = (self.shape.defined_func(func), kind)
            && self.inline(func, defined)?
        {
            return Ok(());
        }
        let ty = self.shape.funcs[func].ty;
        match (self.shape.defined_func(func), self.request.linkage) {
            (None, _) => {
                self.note_caller();
                let at = self.layout.func_import(func);
                let code = self.load_constant(I64, self.vm.context, at + func_import::CODE);
                let context = self.load_constant(I64, self.vm.context, at + func_import::CONTEXT);
                self.call_pointer(ty, &Callee { code, context }, kind);
            }
            (Some(defined), linkage) if linkage == Linkage::Direct || self.is_settled(defined) => {
                let neighbour = self.neighbour(func);
                let args = self.args(ty, self.vm.context, kind);
                self.emit_call(ty, CallTarget::Neighbour(neighbour), &args, kind);
            }
            (Some(defined), _) => {
                let code = self.load_slot(defined);
                let context = self.vm.context;
                self.call_pointer(ty, &Callee { code, context }, kind);
            }
        }
        Ok(())
    }

    /// `call_indirect` and `return_call_indirect`.
    pub(crate) fn call_indirect(&mut self, ty: u32, table: u32, kind: CallKind) -> TranslateResult {
        let (ty, table) = (TypeIndex::from_u32(ty), TableIndex::from_u32(table));
        let reference = self.load_element(table);
        let call = |this: &mut Self| {
            this.check_indirect(table, reference, ty);
            this.call_reference(ty, reference, TrapCode::IndirectCallToNull, kind);
        };
        self.call_likely(ty, reference, kind, call)
    }

    /// `call_ref` and `return_call_ref`.
    pub(crate) fn call_ref(&mut self, ty: u32, kind: CallKind) -> TranslateResult {
        let reference = self.pop();
        let ty = TypeIndex::from_u32(ty);
        let call = |this: &mut Self| this.call_reference(ty, reference, TrapCode::NullReference, kind);
        self.call_likely(ty, reference, kind, call)
    }

    /// Calls the function of type `ty` that `reference` refers to, with `call` unless it is the one that is likely: that one is
    /// called as a neighbour, or translated in place. A comparison with its reference is enough to know it.
    fn call_likely(
        &mut self,
        ty: TypeIndex,
        reference: Value,
        kind: CallKind,
        call: impl FnOnce(&mut Self),
    ) -> TranslateResult {
        let likely = (self.request.likely_target)(self.body.place());
        let likely = likely.map(|defined| self.shape.func(defined)).filter(|func| {
            let of_type = self.shape.concrete_type(self.shape.funcs[*func].ty);
            kind == CallKind::Returning
                && self
                    .shape
                    .is_subtype(HeapType::Concrete(of_type), HeapType::Concrete(self.shape.concrete_type(ty)))
        });
        let place = likely.and_then(|func| Some((func, self.shape.funcs[func].func_ref?)));
        let Some((func, place)) = place else {
            call(self);
            return Ok(());
        };
        let offset = i64::from(self.layout.func_ref(place));
        let likely = self.builder.ins().iadd_imm_u(self.vm.context, offset);
        let is_likely = self.builder.ins().icmp(IntCC::Equal, reference, likely);
        let sig = self.shape.sig(ty);
        let count = sig.params().len();
        self.canonicalise(count);
        let args = self.peek_many(count).to_vec();
        self.truncate(self.height() - count);
        let (expected, other) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().brif(is_likely, expected, &[], other, &[]);
        self.builder.seal_block(expected);
        self.builder.seal_block(other);
        let cold = self.cold;
        self.push_callee_frame(sig);
        self.switch_to(other, cold);
        self.push_all(&args);
        call(self);
        self.jump_to_end();
        self.truncate(self.height() - sig.results().len());
        self.switch_to(expected, cold);
        self.push_all(&args);
        let callers = self.callers.len();
        self.call(func.as_u32(), CallKind::Returning)?;
        if self.callers.len() > callers {
            // The callee is translated from here on; the two ways meet where it ends.
            self.body.meets = true;
        } else {
            self.end();
        }
        Ok(())
    }

    /// Calls the `VmFuncRef` at `reference`, which is one of type `ty` or null. Loading from null faults, so null needs
    /// no check of its own.
    fn call_reference(&mut self, ty: TypeIndex, reference: Value, if_null: TrapCode, kind: CallKind) {
        let flags = self.trusted(Region::Code).with_readonly().with_trap_code(Some(clif_trap(if_null)));
        let code = self.builder.ins().load(I64, flags, reference, func_ref::CODE as i32);
        let context = self.builder.ins().load(I64, flags, reference, func_ref::CONTEXT as i32);
        let context = self.own_context_or(context);
        self.call_pointer(ty, &Callee { code, context }, kind);
    }

    /// The context of a callee, which is the caller's own or else one of another instance. Most are the own one: that is a
    /// branch, so that the processor need not wait until it knows the callee before it begins what the callee does.
    fn own_context_or(&mut self, context: Value) -> Value {
        let own = self.vm.context;
        let is_own = self.builder.ins().icmp(IntCC::Equal, context, own);
        let (other, done) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(other);
        let chosen = self.builder.append_block_param(done, I64);
        self.builder.ins().brif(is_own, done, &[own.into()], other, &[]);
        self.builder.seal_block(other);
        self.builder.switch_to_block(other);
        self.note_caller();
        self.builder.ins().jump(done, &[context.into()]);
        self.builder.seal_block(done);
        self.switch_to(done, self.cold);
        chosen
    }

    /// The check of `call_indirect`, which is none where the table holds nothing else.
    fn check_indirect(&mut self, table: TableIndex, reference: Value, ty: TypeIndex) {
        let element = self.shape.tables[table].element.heap_type();
        if !self.shape.is_subtype(element, HeapType::Concrete(self.shape.concrete_type(ty))) {
            self.check_type(reference, ty);
        }
    }

    /// Traps unless the `VmFuncRef` at `reference` is one of type `ty` or a subtype. Loading the type of null faults, so
    /// null needs no check of its own.
    fn check_type(&mut self, reference: Value, ty: TypeIndex) {
        let wanted = self.type_id(ty.as_u32());
        let flags = self.trusted(Region::Code).with_readonly();
        let flags = flags.with_trap_code(Some(clif_trap(TrapCode::IndirectCallToNull)));
        let found = self.builder.ins().load(I32, flags, reference, func_ref::TYPE as i32);
        self.trap_unless_type(found, wanted, ty, TrapCode::BadSignature);
    }

    /// Whether a neighbour has the code that it will keep; the function itself gets it now, unless it is entered elsewhere.
    fn is_settled(&self, func: DefinedFuncIndex) -> bool {
        func == self.request.func && self.request.entry == Entry::Start || (self.request.settled)(func)
    }

    fn load_slot(&mut self, func: DefinedFuncIndex) -> Value {
        let slots = self.code_slots();
        let flags = self.trusted(Region::Code);
        self.builder.ins().load(I64, flags, slots, (func.as_u32() * POINTER_BYTES) as i32)
    }

    /// Before a call that may leave the instance: host functions learn from the store who called.
    fn note_caller(&mut self) {
        let store = self.store_context();
        let flags = self.trusted(Region::Context);
        self.builder.ins().store(flags, self.vm.context, store, store_context::CALLER as i32);
    }

    fn call_pointer(&mut self, ty: TypeIndex, callee: &Callee, kind: CallKind) {
        let signature = self.type_signature(ty);
        let args = self.args(ty, callee.context, kind);
        self.emit_call(ty, CallTarget::Pointer(signature, callee.code), &args, kind);
    }

    /// Calls, and goes on with the results, or not at all.
    fn emit_call(&mut self, ty: TypeIndex, target: CallTarget, args: &[Value], kind: CallKind) {
        match (kind, target) {
            (CallKind::Returning, _) => {
                let returned = self.call_catching(target, args);
                self.results(ty, returned);
                return;
            }
            (CallKind::Tail, CallTarget::Neighbour(func)) => self.builder.ins().return_call(func, args),
            (CallKind::Tail, CallTarget::Pointer(signature, code)) => {
                self.builder.ins().return_call_indirect(signature, code, args)
            }
        };
        self.reachable = false;
    }

    /// Pops the arguments of a call to a function of type `ty` and puts before them what the convention wants.
    fn args(&mut self, ty: TypeIndex, context: Value, kind: CallKind) -> Vec<Value> {
        let sig = self.shape.sig(ty);
        let count = sig.params().len();
        self.canonicalise(count);
        let mut args = Vec::with_capacity(count + 2);
        args.push(context);
        if Results::of(sig.results()) == Results::Area {
            let area = match (kind, self.vm.result_area) {
                // Validation gives a callee in our place our results, so it writes where we were to write.
                (CallKind::Tail, Some(area)) => area,
                _ => {
                    let slot = self.result_slot(sig.results().len());
                    self.builder.ins().stack_addr(I64, slot, 0)
                }
            };
            args.push(area);
        }
        args.extend_from_slice(self.peek_many(count));
        self.truncate(self.height() - count);
        args
    }

    /// Pushes the results of a call to a function of type `ty`.
    fn results(&mut self, ty: TypeIndex, returned: Returned) {
        let types: &[ValType] = self.shape.sig(ty).results();
        if Results::of(types) == Results::Registers {
            for (at, ty) in types.iter().enumerate() {
                let value = match returned {
                    Returned::Inst(call) => self.builder.inst_results(call)[at],
                    Returned::Block(block) => self.builder.block_params(block)[at],
                };
                self.root_if_ref(value, *ty);
                self.push(value);
            }
            return;
        }
        let slot = self.result_slot(types.len());
        let area = self.builder.ins().stack_addr(I64, slot, 0);
        let flags = self.trusted(Region::Results);
        for (at, ty) in types.iter().enumerate() {
            let value = self.builder.ins().load(clif_type(*ty), flags, area, (at * AREA_SLOT_BYTES) as i32);
            self.root_if_ref(value, *ty);
            self.push(value);
        }
    }

    /// The stack slot for the results of calls: one for all, as large as any call needs, for they are read at once.
    fn result_slot(&mut self, results: usize) -> cranelift_codegen::ir::StackSlot {
        let bytes = (results * AREA_SLOT_BYTES) as u32;
        match self.result_slot {
            Some(slot) => {
                let data = &mut self.builder.func.sized_stack_slots[slot];
                data.size = data.size.max(bytes);
                slot
            }
            None => {
                let data =
                    StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, AREA_SLOT_BYTES.ilog2() as u8);
                let slot = self.builder.create_sized_stack_slot(data);
                self.result_slot = Some(slot);
                slot
            }
        }
    }
}
