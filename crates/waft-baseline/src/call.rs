//! Calls: to neighbours, to imported functions, through tables and references, and to the engine's library.
//!
//! # Invariants
//!
//! * **C1** While a call goes on, every reference into the GC heap that is used afterwards is in the frame, at a place that the
//!   call's stack map names: operands in their slots, locals in their homes.

use crate::compiler::Compiler;
use crate::value::{Loc, Operand, Ty};
use crate::x64::{
    ARG_GPRS, Alu, Cond, Gpr, Mem, R10, R11, RAX, RBP, RDI, RESULT_GPRS, RSP, Rm, Width, XMM15, Xmm,
};
use waft_core::convention::{AREA_SLOT_BYTES, ArgPlaces, FLOAT_ARGS, INT_ARGS, Place, ResultPlaces, Results};
use waft_core::index::{FuncIndex, TypeIndex};
use waft_core::layout::{POINTER_BYTES, VmLayout, func_import, func_ref, store_context};
use waft_core::libcall::{GROW_FAILED, Libcall, LibcallType};
use waft_core::tier::{Linkage, Reloc, StackMap};
use waft_core::trap::TrapCode;
use waft_core::types::FuncSig;

/// The most entries of all stack maps of a function.
const MAP_ENTRIES_MAX: usize = 1 << 24;

/// What becomes of the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallKind {
    /// It goes on with the results.
    Returning,
    /// The callee takes its place: the results are its own.
    Tail,
}

/// What is called.
#[derive(Clone, Copy)]
enum Callee {
    /// A function that the module defines.
    Neighbour(FuncIndex),
    /// One that it imports.
    Import(FuncIndex),
    /// The `VmFuncRef` in this register; a null one traps.
    Reference(Gpr, TrapCode),
}

/// Copies between registers of one kind that happen at once, by their numbers.
pub(crate) struct Moves {
    /// Target, source, and how much of it if the registers are general ones.
    list: [(u8, u8, Width); 8],
    len: usize,
    /// How many copies are still to be made from each register.
    readers: [u8; 16],
}

impl Moves {
    pub(crate) const NONE: Self = Self { list: [(0, 0, Width::W64); 8], len: 0, readers: [0; 16] };

    pub(crate) fn push(&mut self, dst: u8, src: u8, width: Width) {
        if dst != src {
            self.list[self.len] = (dst, src, width);
            self.len += 1;
            self.readers[usize::from(src)] += 1;
        }
    }

    /// Makes the copies with `copy`; cycles go through a scratch register.
    fn make(mut self, scratch: u8, mut copy: impl FnMut(u8, u8, Width)) {
        while self.len > 0 {
            let (before, mut at) = (self.len, 0);
            while at < self.len {
                let (dst, src, width) = self.list[at];
                if self.readers[usize::from(dst)] > 0 {
                    at += 1;
                    continue;
                }
                copy(dst, src, width);
                self.readers[usize::from(src)] -= 1;
                self.len -= 1;
                self.list[at] = self.list[self.len];
            }
            if self.len == before {
                // Each target is still a source.
                let blocked = self.list[0].0;
                copy(scratch, blocked, Width::W64);
                for (_, src, _) in &mut self.list[..self.len] {
                    if *src == blocked {
                        *src = scratch;
                    }
                }
                self.readers.swap(usize::from(blocked), usize::from(scratch));
            }
        }
    }
}

impl Compiler<'_> {
    /// Makes copies between general registers.
    pub(crate) fn move_gprs(&mut self, moves: Moves) {
        moves.make(R11.0, |dst, src, width| self.asm.mov(width, Gpr(dst), Gpr(src)));
    }

    fn move_xmms(&mut self, moves: Moves) {
        moves.make(XMM15.0, |dst, src, _| self.asm.movaps(Xmm(dst), Xmm(src)));
    }

    /// `call` and `return_call`.
    pub(crate) fn call(&mut self, func: u32, kind: CallKind) {
        let func = FuncIndex::from_u32(func);
        let callee = match self.shape.defined_func(func) {
            Some(_) => Callee::Neighbour(func),
            None => Callee::Import(func),
        };
        self.call_with(self.shape.funcs[func].ty, callee, kind);
    }

    /// `call_indirect` and `return_call_indirect`.
    pub(crate) fn call_indirect(&mut self, ty: u32, table: u32, kind: CallKind) {
        let ty = TypeIndex::from_u32(ty);
        let reference = self.load_callee(table, ty);
        self.count_target(reference);
        self.call_with(ty, Callee::Reference(reference, TrapCode::IndirectCallToNull), kind);
    }

    /// `call_ref` and `return_call_ref`.
    pub(crate) fn call_ref(&mut self, ty: u32, kind: CallKind) {
        let operand = self.pop();
        let reference = self.gpr(&operand);
        self.count_target(reference);
        self.call_with(TypeIndex::from_u32(ty), Callee::Reference(reference, TrapCode::NullReference), kind);
    }

    fn call_with(&mut self, ty: TypeIndex, callee: Callee, kind: CallKind) {
        let sig = self.shape.sig(ty);
        match kind {
            CallKind::Returning => self.call_returning(sig, callee),
            CallKind::Tail => self.call_tail(sig, callee),
        }
    }

    fn call_returning(&mut self, sig: &FuncSig, callee: Callee) {
        let count = sig.params().len();
        self.spill_below(count);
        self.save_locals();
        let way = Results::of(sig.results());
        let stack_bytes = Self::stack_args(sig);
        let area_bytes = match way {
            Results::Area => (sig.results().len() * AREA_SLOT_BYTES) as u32,
            Results::Registers => 0,
        };
        self.adjust_sp(-((stack_bytes + area_bytes) as i32));
        self.calls_max = self.calls_max.max(stack_bytes + area_bytes);
        self.args(sig, way, callee);
        if way == Results::Area {
            self.asm.lea(Width::W64, ARG_GPRS[1], Mem::at(RSP, stack_bytes as i32));
        }
        self.emit_call(callee);
        self.map_refs();
        self.note_handler();
        self.restore_locals();
        self.push_results(sig, way);
        self.adjust_sp(area_bytes as i32);
    }

    fn adjust_sp(&mut self, bytes: i32) {
        if bytes != 0 {
            self.asm.alu_imm(Alu::Add, Width::W64, Rm::Reg(RSP), bytes);
        }
    }

    /// Pops the arguments and brings them to where they travel, and what is called to `rax` if it is a reference. The stack
    /// arguments start at `rsp`.
    fn args(&mut self, sig: &FuncSig, way: Results, callee: Callee) {
        let count = sig.params().len();
        let first = self.stack.len() - count;
        let mut places = ArgPlaces::new(way);
        let (mut gprs, mut xmms) = (Moves::NONE, Moves::NONE);
        // Those that are in no register, and the numbers of the registers that they go to.
        let mut late = [(0, 0); INT_ARGS + FLOAT_ARGS];
        let mut late_count = 0;
        for (at, ty) in sig.params().iter().enumerate() {
            let operand = self.stack[first + at];
            let (moves, dst) = match places.next(*ty) {
                Place::Stack(offset) => {
                    self.store_operand(Mem::at(RSP, offset as i32), &operand);
                    continue;
                }
                Place::Int(n) => (&mut gprs, ARG_GPRS[n as usize].0),
                Place::Float(n) => (&mut xmms, n),
                Place::Area(_) => unreachable!("arguments have no area"),
            };
            match operand.reg() {
                Some(src) => moves.push(dst, src, operand.ty().width()),
                None => {
                    late[late_count] = (first + at, dst);
                    late_count += 1;
                }
            }
        }
        if let Callee::Reference(reference, _) = callee {
            gprs.push(RAX.0, reference.0, Width::W64);
        }
        self.move_gprs(gprs);
        self.move_xmms(xmms);
        // What is in no register comes last: its register is free by now.
        for (at, dst) in &late[..late_count] {
            let operand = self.stack[*at];
            if operand.ty().is_float() {
                self.load_xmm(Xmm(*dst), &operand);
            } else {
                self.load_gpr(Gpr(*dst), &operand);
            }
        }
        if let Callee::Reference(reference, _) = callee {
            self.free_gpr(reference);
        }
        self.truncate(first);
    }

    /// Before a call that may leave the instance: host functions learn from the store who called. Leaves the context in the
    /// scratch register.
    fn note_caller(&mut self) {
        self.load_context(R11);
        self.asm.load(Width::W64, R10, Mem::at(R11, VmLayout::STORE as i32));
        self.asm.store(Width::W64, Mem::at(R10, store_context::CALLER as i32), R11);
    }

    fn emit_call(&mut self, callee: Callee) {
        match callee {
            Callee::Neighbour(func) => {
                self.load_context(RDI);
                match self.request.linkage {
                    Linkage::Direct => {
                        self.asm.byte(0xe8);
                        self.reloc(func);
                    }
                    Linkage::Slots => {
                        let slot = self.code_slot(func);
                        self.asm.call_rm(Rm::Mem(slot));
                    }
                }
            }
            Callee::Import(func) => {
                self.note_caller();
                let at = self.layout.func_import(func);
                self.asm.load(Width::W64, RDI, Mem::at(R11, (at + func_import::CONTEXT) as i32));
                self.asm.call_rm(Rm::Mem(Mem::at(R11, (at + func_import::CODE) as i32)));
            }
            Callee::Reference(_, if_null) => {
                self.note_caller();
                self.may_fault(if_null);
                self.asm.load(Width::W64, RDI, Mem::at(RAX, func_ref::CONTEXT as i32));
                self.asm.call_rm(Rm::Mem(Mem::at(RAX, func_ref::CODE as i32)));
            }
        }
    }

    /// Appends the distance to a function, which the linker knows.
    fn reloc(&mut self, target: FuncIndex) {
        let offset = self.asm.pos();
        self.relocs.push(Reloc { offset, target, addend: -4 });
        self.asm.imm32(0);
    }

    /// The place of a neighbour's code slot, with the context in `rdi`.
    fn code_slot(&mut self, func: FuncIndex) -> Mem {
        self.asm.load(Width::W64, R11, Mem::at(RDI, VmLayout::CODE_SLOTS as i32));
        let defined = self.shape.defined_func(func).expect("it is a neighbour").as_u32();
        Mem::at(R11, (defined * POINTER_BYTES) as i32)
    }

    /// Notes where references are while the call goes on that was emitted last (C1).
    pub(crate) fn map_refs(&mut self) {
        let count = self.local_refs.len() + self.refs.len();
        if count == 0 {
            return;
        }
        self.map_entries += count;
        if self.map_entries > MAP_ENTRIES_MAX {
            self.excess = true;
            return;
        }
        let mut slots = Vec::with_capacity(count);
        slots.extend(self.local_refs.iter().map(|local| self.locals[*local as usize].home));
        for at in &self.refs {
            let operand = &self.stack[*at as usize];
            if operand.loc() == Loc::Slot || operand.is_owned() {
                slots.push(self.slot(operand).disp());
            }
        }
        if !slots.is_empty() {
            self.stack_maps.push(StackMap { offset: self.asm.pos(), slots });
        }
    }

    /// Pushes the results of a call that has just returned (S3).
    fn push_results(&mut self, sig: &FuncSig, way: Results) {
        let mut places = ResultPlaces::new(way);
        for ty in sig.results() {
            let ty_here = Ty::from(*ty);
            match places.next(*ty) {
                Place::Int(n) => {
                    let reg = RESULT_GPRS[n as usize];
                    self.free_gprs.remove(reg.0);
                    if ty_here.width() == Width::W32 {
                        self.asm.mov(Width::W32, reg, reg);
                    }
                    self.push_gpr(ty_here, reg);
                }
                Place::Float(n) => {
                    self.free_xmms.remove(n);
                    self.push_xmm(ty_here, Xmm(n));
                }
                Place::Area(offset) => {
                    let from = Mem::at(RSP, offset as i32);
                    self.push(ty_here, Loc::Slot);
                    let to = self.slot_at(self.slots_end);
                    if ty_here.is_float() {
                        self.load_float(ty_here, XMM15, from);
                        self.store_float(ty_here, to, XMM15);
                    } else {
                        self.asm.load(ty_here.width(), R11, from);
                        self.asm.store(ty_here.width(), to, R11);
                    }
                }
                Place::Stack(_) => unreachable!("no result travels on the stack"),
            }
        }
    }

    fn call_tail(&mut self, sig: &FuncSig, callee: Callee) {
        let way = Results::of(sig.results());
        let out_bytes = Self::stack_args(sig);
        let in_bytes = Self::stack_args(self.sig);
        self.adjust_sp(-(out_bytes as i32));
        self.calls_max = self.calls_max.max(out_bytes);
        self.args(sig, way, callee);
        if way == Results::Area {
            // Validation gives a callee in our place our results, so it writes where we were to write.
            self.asm.load(Width::W64, ARG_GPRS[1], Mem::at(RBP, self.area_at));
        }
        // Where to jump, in `rax` unless it is known.
        match callee {
            Callee::Neighbour(func) => {
                self.load_context(RDI);
                if self.request.linkage == Linkage::Slots {
                    let slot = self.code_slot(func);
                    self.asm.load(Width::W64, RAX, slot);
                }
            }
            Callee::Import(func) => {
                self.note_caller();
                let at = self.layout.func_import(func);
                self.asm.load(Width::W64, RDI, Mem::at(R11, (at + func_import::CONTEXT) as i32));
                self.asm.load(Width::W64, RAX, Mem::at(R11, (at + func_import::CODE) as i32));
            }
            Callee::Reference(_, if_null) => {
                self.note_caller();
                self.may_fault(if_null);
                self.asm.load(Width::W64, RDI, Mem::at(RAX, func_ref::CONTEXT as i32));
                self.asm.load(Width::W64, RAX, Mem::at(RAX, func_ref::CODE as i32));
            }
        }
        self.restore_saved();
        self.replace_frame(in_bytes, out_bytes);
        match callee {
            Callee::Neighbour(func) if self.request.linkage == Linkage::Direct => {
                self.asm.byte(0xe9);
                self.reloc(func);
            }
            _ => self.asm.jmp_rm(Rm::Reg(RAX)),
        }
        self.reachable = false;
    }

    /// Moves the stack arguments, which start at `rsp`, to where the caller's return address comes to lie below them.
    ///
    /// From where `rbp` is the caller's to the jump, the return address is in `r11`: backtraces of interrupts know these
    /// instructions by their form.
    fn replace_frame(&mut self, in_bytes: u32, out_bytes: u32) {
        if in_bytes == 0 && out_bytes == 0 {
            return self.asm.leave();
        }
        self.asm.load(Width::W64, R11, Mem::at(RBP, 8));
        self.asm.mov(Width::W64, R10, RBP);
        self.asm.load(Width::W64, RBP, Mem::at(RBP, 0));
        let shift = in_bytes as i32 - out_bytes as i32;
        // Downwards: they move up, perhaps over themselves.
        for at in (0..out_bytes as i32 / 16).rev() {
            self.asm.load_vector(XMM15, Mem::at(RSP, at * 16));
            self.asm.store_vector(Mem::at(R10, 16 + shift + at * 16), XMM15);
        }
        self.asm.lea(Width::W64, RSP, Mem::at(R10, 8 + shift));
        self.asm.store(Width::W64, Mem::at(RSP, 0), R11);
    }

    /// Calls the engine's library with the context and `args`, which were popped; traps if it failed. What it gives is in
    /// `rax`, which belongs to the operator.
    pub(crate) fn libcall(&mut self, call: Libcall, args: &[LibcallArg]) {
        self.spill_below(0);
        self.emit_libcall(call, args);
        for arg in args {
            match arg {
                LibcallArg::Operand(operand) => self.free(operand),
                LibcallArg::Reg(reg) => self.free_gpr(*reg),
                LibcallArg::Number(_) | LibcallArg::Type(_) => {}
            }
        }
        self.free_gprs.remove(RAX.0);
        match call.result() {
            Some(LibcallType::Ok) => {
                self.asm.test(Width::W32, RAX, RAX);
                self.trap_if(Cond::E, call.trap());
                self.free_gpr(RAX);
            }
            Some(LibcallType::Ref) => {
                self.asm.mov(Width::W32, RAX, RAX);
                self.asm.test(Width::W32, RAX, RAX);
                self.trap_if(Cond::E, call.trap());
            }
            Some(LibcallType::I64) => {
                self.asm.alu_imm(Alu::Cmp, Width::W64, Rm::Reg(RAX), GROW_FAILED as i32);
                self.trap_if(Cond::E, call.trap());
            }
            Some(LibcallType::I32) => self.asm.mov(Width::W32, RAX, RAX),
            None => self.free_gpr(RAX),
        }
    }

    /// Brings arguments to where they travel and calls; operands are in their slots.
    fn emit_libcall(&mut self, call: Libcall, args: &[LibcallArg]) {
        self.save_locals();
        let mut moves = Moves::NONE;
        for (arg, dst) in args.iter().zip(&ARG_GPRS[1..]) {
            match arg {
                LibcallArg::Operand(operand) => {
                    if let Some(src) = self.gpr_now(operand) {
                        moves.push(dst.0, src.0, operand.ty().width());
                    }
                }
                LibcallArg::Reg(src) => moves.push(dst.0, src.0, Width::W64),
                LibcallArg::Number(_) | LibcallArg::Type(_) => {}
            }
        }
        self.move_gprs(moves);
        self.load_context(RDI);
        for (arg, dst) in args.iter().zip(&ARG_GPRS[1..]) {
            match arg {
                LibcallArg::Operand(operand) => {
                    if self.gpr_now(operand).is_none() {
                        self.load_gpr(*dst, operand);
                    }
                }
                LibcallArg::Number(number) => self.asm.mov_imm(*dst, (*number).into()),
                LibcallArg::Type(ty) => self.load_type_id(*dst, RDI, *ty),
                LibcallArg::Reg(_) => {}
            }
        }
        self.asm.load(Width::W64, RAX, Mem::at(RDI, VmLayout::LIBCALLS as i32));
        self.asm.call_rm(Rm::Mem(Mem::at(RAX, call.table_offset() as i32)));
        self.map_refs();
        self.restore_locals();
    }

    /// Calls the engine's library on a way that others do not take: whatever is in registers afterwards is there again, but for
    /// the operator's own. What it gives goes to `dst`.
    pub(crate) fn libcall_aside(&mut self, call: Libcall, args: &[LibcallArg], dst: Gpr) {
        self.save_operands();
        self.emit_libcall(call, args);
        self.asm.mov(Width::W32, R11, RAX);
        self.asm.test(Width::W32, R11, R11);
        self.trap_if(Cond::E, call.trap());
        self.restore_operands();
        self.asm.mov(Width::W32, dst, R11);
    }

    /// The same for a call that gives nothing.
    pub(crate) fn libcall_aside_unit(&mut self, call: Libcall, args: &[LibcallArg]) {
        self.save_operands();
        self.emit_libcall(call, args);
        self.restore_operands();
    }

    /// Puts operands that are in registers into their slots, where they are as well then.
    fn save_operands(&mut self) {
        for at in self.settled..self.stack.len() {
            let operand = self.stack[at];
            if operand.is_owned() {
                let slot = self.slot(&operand);
                self.store_operand(slot, &operand);
            }
        }
    }

    /// Takes them from there again.
    fn restore_operands(&mut self) {
        for at in self.settled..self.stack.len() {
            let operand = self.stack[at];
            let slot = self.slot(&operand);
            match operand.loc() {
                Loc::Gpr(reg) => self.asm.load(operand.ty().width(), reg, slot),
                Loc::Xmm(reg) => self.load_float(operand.ty(), reg, slot),
                _ => {}
            }
        }
    }

    /// Loads the engine's number of a type of the module, through `context`, which holds the context.
    pub(crate) fn load_type_id(&mut self, dst: Gpr, context: Gpr, ty: u32) {
        self.asm.load(Width::W64, dst, Mem::at(context, VmLayout::TYPES as i32));
        self.asm.load(Width::W32, dst, Mem::at(dst, (ty * 4) as i32));
    }

    /// Pops the index of a table's element and loads the function there, after the check that it is one of type `ty`.
    fn load_callee(&mut self, table: u32, ty: TypeIndex) -> Gpr {
        let reference = self.load_element(table);
        self.check_callee(table, reference, ty);
        reference
    }
}

/// An argument of a library call.
#[derive(Clone, Copy)]
pub(crate) enum LibcallArg {
    /// An operand that was popped. One of 32 bits becomes 64 by zeros (S3).
    Operand(Operand),
    /// What a register of the operator's holds.
    Reg(Gpr),
    /// A constant.
    Number(u32),
    /// The engine's number of a type of the module.
    Type(u32),
}

impl From<Operand> for LibcallArg {
    fn from(operand: Operand) -> Self {
        Self::Operand(operand)
    }
}

impl From<u32> for LibcallArg {
    fn from(number: u32) -> Self {
        Self::Number(number)
    }
}
