//! Counting: what functions charge their budgets, and how they leave for better code.
//!
//! # Invariants
//!
//! * **N1** Where a function asks, every local has a home, and below the homes, which follow one another, are the slots of the
//!   operands: together they are the function's state, as `waft_core::budget` wants it.
//! * **N2** At a loop's header no operand is in a register but the loop's one parameter, and the flags mean nothing.
//!
//! The way to the engine is one piece of code a function, after the body. Each place that asks has a few instructions before it.

use crate::compiler::Compiler;
use crate::value::Ty;
use crate::x64::{
    ARG_GPRS, Alu, Cond, Gpr, Label, Mem, R8, R11, RAX, RBP, RCX, RDI, RDX, RSI, Rm, UNSAVED_GPRS, Width,
    XMM0, Xmm,
};
use waft_core::budget::{NO_LOOP, call_site, func_budget, turn_cost};
use waft_core::convention::Results;
use waft_core::layout::VmLayout;
use waft_core::libcall::Libcall;
use waft_core::tier::CodePosition;

/// A place that asks when the budget is used up.
pub(crate) struct Count {
    /// The branch out of line, and where it comes back.
    away: Label,
    back: Label,
    /// The loop's operator, in bytes from the start of the body, or [`NO_LOOP`] where the engine cannot go on.
    loop_at: u32,
    /// The operator, in bytes from the start of the module.
    wasm: u32,
    /// Where the cost of a turn stands in the code.
    cost_at: u32,
    /// Bytes of operands.
    operands: u32,
    /// The loop's parameter, if it is in a register.
    param: Option<Ty>,
}

impl Compiler<'_> {
    /// Charges a call, where the function starts.
    pub(crate) fn count_call(&mut self) {
        if self.request.counts {
            self.count(func_budget::CALLS, NO_LOOP, None);
            let cost_at = self.counts[0].cost_at;
            self.asm.patch32(cost_at, 1);
        }
    }

    /// Charges a turn of the loop that was just opened, and says which count that is.
    pub(crate) fn count_turn(&mut self, param: Option<Ty>) -> u32 {
        if !self.request.counts {
            return 0;
        }
        // A caught exception is no operand, so nobody else could go on in a clause of `try`.
        let in_clause = self.innermost().in_clause;
        let loop_at = if in_clause { NO_LOOP } else { self.at - self.request.body.start as u32 };
        self.count(func_budget::LOOPS, loop_at, param);
        self.counts.len() as u32 - 1
    }

    /// Sets what a turn of a loop costs, at its end.
    pub(crate) fn set_cost(&mut self, count: u32) {
        if !self.request.counts {
            return;
        }
        let Count { wasm, cost_at, .. } = self.counts[count as usize];
        self.asm.patch32(cost_at, turn_cost(self.at - wasm, self.request.body.bytes.len()) as i32);
    }

    /// Notes which function is called through a reference, which may be null.
    pub(crate) fn count_target(&mut self, reference: Gpr) {
        if !self.request.counts {
            return;
        }
        let sites = self.alloc_gpr();
        self.load_context(sites);
        self.asm.mov(Width::W64, R11, reference);
        self.asm.alu(Alu::Sub, Width::W64, R11, Rm::Reg(sites));
        self.asm.load(Width::W64, sites, Mem::at(sites, VmLayout::BUDGETS as i32));
        let site = Mem::at(sites, call_site::offset(self.at));
        let lead = Rm::Mem(site.plus(call_site::LEAD as i32));
        let (mut same, mut done) = (Label::NEW, Label::NEW);
        self.asm.alu(Alu::Cmp, Width::W32, R11, Rm::Mem(site.plus(call_site::TARGET as i32)));
        self.asm.jcc(Cond::E, &mut same);
        self.asm.alu_imm(Alu::Sub, Width::W32, lead, call_site::MISS);
        self.asm.jcc(Cond::Ns, &mut done);
        self.asm.store(Width::W32, site.plus(call_site::TARGET as i32), R11);
        self.asm.alu_imm(Alu::And, Width::W32, lead, 0);
        self.asm.bind(&mut same);
        self.asm.alu_imm(Alu::Add, Width::W32, lead, 1);
        self.asm.bind(&mut done);
        self.free_gpr(sites);
    }

    fn count(&mut self, budget: u32, loop_at: u32, param: Option<Ty>) {
        self.load_context(R11);
        self.asm.load(Width::W64, R11, Mem::at(R11, VmLayout::BUDGETS as i32));
        let place = self.request.func.as_u32() * func_budget::SIZE + budget;
        self.asm.sub_imm32(Rm::Mem(Mem::at(R11, place as i32)), 0);
        let cost_at = self.asm.pos() - 4;
        let (mut away, mut back) = (Label::NEW, Label::NEW);
        self.asm.jcc(Cond::S, &mut away);
        self.asm.bind(&mut back);
        let operands = self.slots_end;
        self.counts.push(Count { away, back, loop_at, wasm: self.at, cost_at, operands, param });
    }

    /// Emits what the places that ask branch to.
    pub(crate) fn emit_counts(&mut self) {
        if self.counts.is_empty() {
            return;
        }
        let mut ask = Label::NEW;
        for at in 0..self.counts.len() {
            let Count { mut away, mut back, loop_at, wasm, operands, param, .. } = self.counts[at];
            self.asm.bind(&mut away);
            self.positions.push(CodePosition { code: self.asm.pos(), wasm });
            let slot = self.slot_at(operands);
            match param {
                Some(ty) if ty.is_float() => self.store_float(ty, slot, XMM0),
                Some(ty) => self.asm.store(ty.width(), slot, RAX),
                None => {}
            }
            let mut again = if param.is_some() { Label::NEW } else { back };
            self.asm.lea_label(RCX, &mut again);
            self.asm.store(Width::W64, Mem::at(RBP, self.resume_at), RCX);
            self.asm.mov_imm(RDX, loop_at.into());
            self.asm.mov_imm(RAX, (self.slots_base - self.state_top + operands).into());
            self.asm.jmp(&mut ask);
            if let Some(ty) = param {
                self.asm.bind(&mut again);
                if ty.is_float() {
                    self.load_float(ty, XMM0, slot);
                } else {
                    self.asm.load(ty.width(), RAX, slot);
                }
                self.asm.jmp(&mut back);
            }
        }
        self.asm.bind(&mut ask);
        self.ask();
    }

    /// Asks the engine, with the loop in `edx` and the bytes of state in `eax`; goes on where the frame says, or leaves.
    fn ask(&mut self) {
        self.positions.push(CodePosition { code: self.asm.pos(), wasm: self.request.body.start as u32 });
        for local in 0..self.registers_end() {
            let (home, ty) = (self.home(local), self.locals[local as usize].ty);
            match self.locals[local as usize].reg {
                Some(reg) if ty.is_float() => self.store_float(ty, home, Xmm(reg)),
                Some(reg) => self.asm.store(ty.width(), home, Gpr(reg)),
                None => {}
            }
        }
        self.asm.mov(Width::W32, R8, RAX);
        self.asm.lea(Width::W64, RCX, Mem::at(RBP, -(self.state_top as i32)));
        self.asm.mov_imm(RSI, self.request.func.as_u32().into());
        self.load_context(RDI);
        self.asm.load(Width::W64, RAX, Mem::at(RDI, VmLayout::LIBCALLS as i32));
        self.asm.call_rm(Rm::Mem(Mem::at(RAX, Libcall::TierUp.table_offset() as i32)));
        // Only at a loop can there be code to go on with.
        let leaves = self.counts.iter().any(|count| count.loop_at != NO_LOOP);
        let mut leave = Label::NEW;
        if leaves {
            self.asm.test(Width::W64, RAX, RAX);
            self.asm.jcc(Cond::Ne, &mut leave);
        }
        for local in 0..self.registers_end() {
            let (home, ty) = (self.home(local), self.locals[local as usize].ty);
            match self.locals[local as usize].reg {
                Some(reg) if ty.is_float() => self.load_float(ty, Xmm(reg), home),
                Some(reg) if UNSAVED_GPRS.contains(&Gpr(reg)) => self.asm.load(ty.width(), Gpr(reg), home),
                _ => {}
            }
        }
        self.asm.jmp_rm(Rm::Mem(Mem::at(RBP, self.resume_at)));
        if !leaves {
            return;
        }
        // As a tail call to a function of the same type, whose stack arguments are where they were.
        self.asm.bind(&mut leave);
        self.load_context(RDI);
        if Results::of(self.sig.results()) == Results::Area {
            self.asm.load(Width::W64, ARG_GPRS[1], Mem::at(RBP, self.area_at));
        }
        self.restore_saved();
        self.asm.leave();
        self.asm.jmp_rm(Rm::Reg(RAX));
    }

    /// No local from here on has a register.
    fn registers_end(&self) -> u32 {
        self.locals.len().min(crate::scan::COUNTED_LOCALS) as u32
    }
}
