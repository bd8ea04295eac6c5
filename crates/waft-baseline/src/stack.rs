//! The virtual stack of operands, and the registers that they are in.
//!
//! # Invariants
//!
//! * **S1** A register of [`Compiler::operand_gprs`] or `operand_xmms` is free, or belongs to one operand on the stack, or to the
//!   operator at work.
//! * **S2** Operands below [`Compiler::settled`] are in their slots or constants. At most [`UNSETTLED_MAX`] are not, so whatever
//!   looks through those takes bounded time.
//! * **S3** The upper half of a general register is zero if what it holds has 32 bits. Every instruction that makes such a
//!   value has a 32-bit destination; what comes from outside (parameters, results of calls) is extended when it arrives.
//!   Slots and homes of such values are read with 32 bits.

use crate::compiler::Compiler;
use crate::value::{Loc, Operand, Ty};
use crate::x64::{Cond, Gpr, Mem, PREFERRED_GPRS, R11, RBP, RegSet, Rm, VecRm, Width, XMM15, Xmm};
use waft_core::opcode as op;

/// The most operands that are in registers or are locals.
const UNSETTLED_MAX: usize = 32;

/// The most bytes of slots.
const SLOT_BYTES_MAX: u32 = 256 << 20;

impl Compiler<'_> {
    pub(crate) fn slot_at(&self, end: u32) -> Mem {
        Mem::at(RBP, -((self.slots_base + end) as i32))
    }

    /// The slot of an operand.
    pub(crate) fn slot(&self, operand: &Operand) -> Mem {
        self.slot_at(operand.end())
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, ty: Ty, loc: Loc) {
        self.push_operand(ty, Operand::new(ty, loc, self.slots_end));
    }

    /// Pushes an operand of this type whose slot starts at the end of the others'.
    #[inline(always)]
    pub(crate) fn push_operand(&mut self, ty: Ty, operand: Operand) {
        self.slots_end += ty.slot_bytes();
        if self.slots_end > self.slots_max {
            self.raise_slots();
        }
        if ty == Ty::Ref {
            self.refs.push(self.stack.len() as u32);
        }
        self.stack.push(operand);
        if self.stack.len() - self.settled > UNSETTLED_MAX {
            self.settle_lowest();
        }
    }

    /// Makes room for more slots, as far as there may be.
    #[cold]
    fn raise_slots(&mut self) {
        self.excess |= self.slots_end > SLOT_BYTES_MAX;
        self.slots_end = self.slots_end.min(SLOT_BYTES_MAX);
        self.slots_max = self.slots_end;
    }

    #[cold]
    fn settle_lowest(&mut self) {
        self.settle_at(self.settled, self.request.counts);
        self.settled += 1;
    }

    #[inline]
    pub(crate) fn push_gpr(&mut self, ty: Ty, reg: Gpr) {
        self.push(ty, Loc::Gpr(reg));
    }

    #[inline]
    pub(crate) fn push_xmm(&mut self, ty: Ty, reg: Xmm) {
        self.push(ty, Loc::Xmm(reg));
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Operand {
        let operand = self.stack.pop().expect("validation balances the operand stack");
        self.popped(&operand);
        operand
    }

    /// Pops two operands; the second one was on top.
    #[inline]
    pub(crate) fn pop2(&mut self) -> (Operand, Operand) {
        let [a, b] = *self.stack.last_chunk().expect("validation balances the operand stack");
        self.stack.truncate(self.stack.len() - 2);
        self.popped(&b);
        self.popped(&a);
        (a, b)
    }

    /// Notes that `operand` is gone from the stack.
    #[inline(always)]
    fn popped(&mut self, operand: &Operand) {
        self.slots_end = operand.start();
        if self.settled > self.stack.len() {
            self.settled = self.stack.len();
        }
        if operand.ty() == Ty::Ref {
            self.popped_ref();
        }
        if let Loc::Local(local) = operand.loc() {
            self.locals[local as usize].pending -= 1;
        }
    }

    #[cold]
    fn popped_ref(&mut self) {
        self.refs.pop();
    }

    /// Drops all but the lowest `height` operands.
    pub(crate) fn truncate(&mut self, height: usize) {
        let Some(lowest) = self.stack.get(height) else { return };
        self.slots_end = lowest.start();
        for at in height..self.stack.len() {
            let operand = self.stack[at];
            self.free(&operand);
            if let Loc::Local(local) = operand.loc() {
                self.locals[local as usize].pending -= 1;
            }
        }
        self.stack.truncate(height);
        self.settled = self.settled.min(height);
        while self.refs.last().is_some_and(|at| *at as usize >= height) {
            self.refs.pop();
        }
    }

    /// Gives back the register of an operand that was popped.
    #[inline]
    pub(crate) fn free(&mut self, operand: &Operand) {
        match operand.loc() {
            Loc::Gpr(reg) => self.free_gpr(reg),
            Loc::Xmm(reg) => self.free_xmm(reg),
            _ => {}
        }
    }

    /// Gives back a register; nothing happens to one that holds a local.
    #[inline]
    pub(crate) fn free_gpr(&mut self, reg: Gpr) {
        self.free_gprs.0 |= 1 << reg.0 & self.operand_gprs.0;
    }

    /// Gives back registers.
    #[inline]
    pub(crate) fn free_gpr_set(&mut self, regs: RegSet) {
        self.free_gprs.0 |= regs.0 & self.operand_gprs.0;
    }

    #[inline]
    pub(crate) fn free_xmm(&mut self, reg: Xmm) {
        self.free_xmms.0 |= 1 << reg.0 & self.operand_xmms.0;
    }

    /// A register for the operator at work. Flags stay as they are.
    #[inline]
    pub(crate) fn alloc_gpr(&mut self) -> Gpr {
        let preferred = self.free_gprs.and(PREFERRED_GPRS);
        let set = if preferred.is_empty() { self.free_gprs } else { preferred };
        match set.first() {
            Some(number) => {
                self.free_gprs.remove(number);
                Gpr(number)
            }
            None => self.spill_gpr(),
        }
    }

    #[cold]
    fn spill_gpr(&mut self) -> Gpr {
        for at in self.settled..self.stack.len() {
            if let Loc::Gpr(reg) = self.stack[at].loc()
                && self.operand_gprs.has(reg.0)
            {
                self.settle_at(at, false);
                self.free_gprs.remove(reg.0);
                return reg;
            }
        }
        unreachable!("no operator needs so many registers")
    }

    #[inline]
    pub(crate) fn alloc_xmm(&mut self) -> Xmm {
        match self.free_xmms.first() {
            Some(number) => {
                self.free_xmms.remove(number);
                Xmm(number)
            }
            None => self.spill_xmm(),
        }
    }

    #[cold]
    fn spill_xmm(&mut self) -> Xmm {
        for at in self.settled..self.stack.len() {
            if let Loc::Xmm(reg) = self.stack[at].loc()
                && self.operand_xmms.has(reg.0)
            {
                self.settle_at(at, false);
                self.free_xmms.remove(reg.0);
                return reg;
            }
        }
        unreachable!("no operator needs so many vector registers")
    }

    /// Takes a certain register from whatever operand on the stack it belongs to. It must not belong to the operator at
    /// work.
    pub(crate) fn take_gpr(&mut self, reg: Gpr) {
        if !self.free_gprs.has(reg.0) {
            for at in self.settled..self.stack.len() {
                if self.stack[at].loc() == Loc::Gpr(reg) {
                    match self.free_gprs.first() {
                        Some(other) => {
                            self.free_gprs.remove(other);
                            self.asm.mov(Width::W64, Gpr(other), reg);
                            self.stack[at] = self.stack[at].at(Loc::Gpr(Gpr(other)));
                        }
                        None => self.settle_at(at, false),
                    }
                    break;
                }
            }
        }
        self.free_gprs.remove(reg.0);
    }

    /// Puts the operand at `at` into its slot; constants only if `all`.
    pub(crate) fn settle_at(&mut self, at: usize, all: bool) {
        let operand = self.stack[at];
        match operand.loc() {
            Loc::Slot => return,
            Loc::Const(_) if !all => return,
            Loc::Local(local) => self.locals[local as usize].pending -= 1,
            _ => {}
        }
        let slot = self.slot(&operand);
        self.store_operand(slot, &operand);
        self.free(&operand);
        self.stack[at] = operand.at(Loc::Slot);
    }

    /// Puts all operands into their slots but constants and the `top` topmost ones; constants too if other code may take over
    /// (N1).
    pub(crate) fn settle_below(&mut self, top: usize) {
        let end = self.stack.len() - top;
        for at in self.settled..end {
            self.settle_at(at, self.request.counts);
        }
        self.settled = self.settled.max(end);
    }

    /// Puts operands that are in registers of their own into their slots, but the `top` topmost ones.
    pub(crate) fn spill_below(&mut self, top: usize) {
        for at in self.settled..self.stack.len() - top {
            if self.stack[at].is_owned() {
                self.settle_at(at, false);
            }
        }
    }

    /// Puts the `count` topmost operands into their slots, constants too.
    pub(crate) fn settle_top(&mut self, count: usize) {
        for at in self.stack.len() - count..self.stack.len() {
            self.settle_at(at, true);
        }
    }

    /// Gives operands that are the local `local` places of their own, before it changes.
    pub(crate) fn detach(&mut self, local: u32) {
        if self.locals[local as usize].pending == 0 {
            return;
        }
        for at in self.settled..self.stack.len() {
            if self.stack[at].loc() == Loc::Local(local) {
                let operand = self.stack[at];
                if operand.ty().is_float() || self.free_gprs.is_empty() {
                    self.settle_at(at, false);
                } else {
                    let reg = self.alloc_gpr();
                    self.load_gpr(reg, &operand);
                    self.stack[at] = operand.at(Loc::Gpr(reg));
                    self.locals[local as usize].pending -= 1;
                }
            }
        }
    }

    /// Where a local is, if it is in the frame.
    pub(crate) fn home(&self, local: u32) -> Mem {
        Mem::at(RBP, self.locals[local as usize].home)
    }

    /// Where an operand is that is in the frame.
    fn place(&self, operand: &Operand) -> Mem {
        match operand.loc() {
            Loc::Slot => self.slot(operand),
            Loc::Local(local) => self.home(local),
            _ => unreachable!("{operand:?} is not in the frame"),
        }
    }

    /// Copies an integer or reference into `dst`.
    pub(crate) fn load_gpr(&mut self, dst: Gpr, operand: &Operand) {
        let width = operand.ty().width();
        if let Some(src) = self.gpr_now(operand) {
            if src != dst {
                self.asm.mov(width, dst, src);
            }
        } else if let Loc::Const(bits) = operand.loc() {
            self.asm.mov_imm(dst, bits);
        } else {
            self.asm.load(width, dst, self.place(operand));
        }
    }

    /// Copies a float or vector into `dst`; flags stay.
    pub(crate) fn load_xmm(&mut self, dst: Xmm, operand: &Operand) {
        if let Some(src) = self.xmm_now(operand) {
            return self.asm.movaps(dst, src);
        }
        match operand.loc() {
            Loc::Const(0) => self.asm.v_zero(dst),
            Loc::Const(bits) => {
                self.asm.mov_imm(R11, bits);
                self.asm.mov_to_xmm(operand.ty().width(), dst, R11);
            }
            _ => self.load_float(operand.ty(), dst, self.place(operand)),
        }
    }

    pub(crate) fn load_float(&mut self, ty: Ty, dst: Xmm, mem: Mem) {
        match ty {
            Ty::V128 => self.asm.load_vector(dst, mem),
            _ => self.asm.load_float(ty == Ty::F64, dst, mem),
        }
    }

    pub(crate) fn store_float(&mut self, ty: Ty, mem: Mem, src: Xmm) {
        match ty {
            Ty::V128 => self.asm.store_vector(mem, src),
            _ => self.asm.store_float(ty == Ty::F64, mem, src),
        }
    }

    /// The register that holds an operand already.
    #[inline]
    pub(crate) fn gpr_now(&self, operand: &Operand) -> Option<Gpr> {
        debug_assert!(!operand.ty().is_float());
        operand.reg().map(Gpr)
    }

    #[inline]
    pub(crate) fn xmm_now(&self, operand: &Operand) -> Option<Xmm> {
        debug_assert!(operand.ty().is_float());
        operand.reg().map(Xmm)
    }

    /// A register that holds a popped operand, only to be read. To be given back.
    #[inline]
    pub(crate) fn gpr(&mut self, operand: &Operand) -> Gpr {
        if let Some(reg) = self.gpr_now(operand) {
            return reg;
        }
        let reg = self.alloc_gpr();
        self.load_gpr(reg, operand);
        reg
    }

    /// A register that holds a popped operand and may be written.
    #[inline]
    pub(crate) fn owned_gpr(&mut self, operand: &Operand) -> Gpr {
        if let Loc::Gpr(reg) = operand.loc()
            && self.operand_gprs.has(reg.0)
        {
            return reg;
        }
        let reg = self.alloc_gpr();
        self.load_gpr(reg, operand);
        reg
    }

    /// As [`Self::gpr`].
    #[inline]
    pub(crate) fn xmm(&mut self, operand: &Operand) -> Xmm {
        if let Some(reg) = self.xmm_now(operand) {
            return reg;
        }
        let reg = self.alloc_xmm();
        self.load_xmm(reg, operand);
        reg
    }

    /// As [`Self::owned_gpr`].
    #[inline]
    pub(crate) fn owned_xmm(&mut self, operand: &Operand) -> Xmm {
        if let Loc::Xmm(reg) = operand.loc()
            && self.operand_xmms.has(reg.0)
        {
            return reg;
        }
        let reg = self.alloc_xmm();
        self.load_xmm(reg, operand);
        reg
    }

    /// An integer or reference as the second operand of an instruction. Constants go through the scratch register.
    #[inline]
    pub(crate) fn rm(&mut self, operand: &Operand) -> Rm {
        if let Some(reg) = self.gpr_now(operand) {
            return Rm::Reg(reg);
        }
        if let Loc::Const(bits) = operand.loc() {
            self.asm.mov_imm(R11, bits);
            return Rm::Reg(R11);
        }
        Rm::Mem(self.place(operand))
    }

    /// A float as the second operand of an instruction that reads no more of memory than it has. Constants go through a
    /// scratch register.
    #[inline]
    pub(crate) fn vec_rm(&mut self, operand: &Operand) -> VecRm {
        if let Some(reg) = self.xmm_now(operand) {
            return VecRm::Reg(reg);
        }
        if operand.ty() == Ty::V128 || operand.constant().is_some() {
            self.load_xmm(XMM15, operand);
            return VecRm::Reg(XMM15);
        }
        VecRm::Mem(self.place(operand))
    }

    /// Stores an operand; flags stay.
    pub(crate) fn store_operand(&mut self, to: Mem, operand: &Operand) {
        if operand.ty().is_float() {
            if let Loc::Const(bits) = operand.loc()
                && operand.ty() != Ty::V128
            {
                return self.store_const(operand.ty(), to, bits);
            }
            let reg = self.xmm_now(operand).unwrap_or(XMM15);
            self.load_xmm(reg, operand);
            return self.store_float(operand.ty(), to, reg);
        }
        if let Loc::Const(bits) = operand.loc() {
            return self.store_const(operand.ty(), to, bits);
        }
        let reg = self.gpr_now(operand).unwrap_or(R11);
        self.load_gpr(reg, operand);
        self.asm.store(operand.ty().width(), to, reg);
    }

    fn store_const(&mut self, ty: Ty, to: Mem, bits: u64) {
        let width = ty.width();
        let imm = match width {
            Width::W32 => Some(bits as u32 as i32),
            Width::W64 => i32::try_from(bits.cast_signed()).ok(),
        };
        match imm {
            Some(imm) => self.asm.store_imm(width, to, imm),
            None => {
                self.asm.mov_imm(R11, bits);
                self.asm.store(width, to, R11);
            }
        }
    }

    /// The local that the next operator sets, if its number is short and no operand is that local.
    #[inline]
    fn next_local_set(&self) -> Option<&crate::value::Local> {
        match self.code.peek() {
            Some([op::LOCAL_SET | op::LOCAL_TEE, local @ ..0x80]) => {
                self.locals.get(usize::from(*local)).filter(|local| local.pending == 0)
            }
            _ => None,
        }
    }

    /// The register of the local that the next operator sets: where a result goes at once.
    #[inline]
    pub(crate) fn gpr_target(&self) -> Option<Gpr> {
        let local = self.next_local_set()?;
        if local.ty.is_float() { None } else { local.reg.map(Gpr) }
    }

    #[inline]
    pub(crate) fn xmm_target(&self) -> Option<Xmm> {
        let local = self.next_local_set()?;
        if local.ty.is_float() { local.reg.map(Xmm) } else { None }
    }

    /// A register for a result that depends on nothing: the local's that the next operator sets, or a new one.
    #[inline]
    pub(crate) fn result_gpr(&mut self) -> Gpr {
        match self.gpr_target() {
            Some(reg) => reg,
            None => self.alloc_gpr(),
        }
    }

    #[inline]
    pub(crate) fn result_xmm(&mut self) -> Xmm {
        match self.xmm_target() {
            Some(reg) => reg,
            None => self.alloc_xmm(),
        }
    }

    /// Pushes 1 if the condition holds, else 0; if the next operator asks only whether it does, it stays in the flags.
    pub(crate) fn push_cond(&mut self, cond: Cond) {
        if let Some([op::BR_IF | op::IF | op::SELECT | op::I32_EQZ]) = self.code.peek() {
            return self.push(Ty::I32, Loc::Flags(cond));
        }
        let reg = self.result_gpr();
        self.set_cond(cond, reg);
        self.push_gpr(Ty::I32, reg);
    }

    /// `reg = 1` if the condition holds, else 0.
    pub(crate) fn set_cond(&mut self, cond: Cond, reg: Gpr) {
        match cond {
            Cond::FloatE => {
                self.asm.setcc(Cond::Np, R11);
                self.asm.setcc(Cond::E, reg);
                self.asm.movzx8(reg, Rm::Reg(reg));
                self.asm.alu(crate::x64::Alu::And, Width::W32, reg, Rm::Reg(R11));
            }
            Cond::FloatNe => {
                self.asm.setcc(Cond::P, R11);
                self.asm.setcc(Cond::Ne, reg);
                self.asm.movzx8(reg, Rm::Reg(reg));
                self.asm.movzx8(R11, Rm::Reg(R11));
                self.asm.alu(crate::x64::Alu::Or, Width::W32, reg, Rm::Reg(R11));
            }
            _ => {
                self.asm.setcc(cond, reg);
                self.asm.movzx8(reg, Rm::Reg(reg));
            }
        }
    }

    /// Pops a truth value and leaves it in the flags.
    pub(crate) fn pop_cond(&mut self) -> Cond {
        let operand = self.pop();
        self.cond_of(&operand)
    }

    /// Leaves an operand that was popped in the flags.
    pub(crate) fn cond_of(&mut self, operand: &Operand) -> Cond {
        if let Loc::Flags(cond) = operand.loc() {
            return cond;
        }
        match self.rm(operand) {
            Rm::Reg(reg) => {
                self.asm.test(Width::W32, reg, reg);
                self.free_gpr(reg);
            }
            Rm::Mem(mem) => self.asm.alu_imm(crate::x64::Alu::Cmp, Width::W32, Rm::Mem(mem), 0),
        }
        Cond::Ne
    }
}

#[cfg(debug_assertions)]
impl Compiler<'_> {
    /// Checks S1 and S2 between two operators: no register is lost, and none belongs to two.
    pub(crate) fn check_state(&self, opcode: u8) {
        if !self.reachable {
            return;
        }
        let (mut gprs, mut xmms) = (self.free_gprs.0, self.free_xmms.0);
        let take = |set: &mut u32, pool: u32, number: u8| {
            let bit = 1 << number;
            assert!(*set & bit == 0, "after opcode {opcode:#x}: register {number} belongs to two");
            *set |= bit & pool;
        };
        assert!(
            self.settled <= self.stack.len(),
            "after opcode {opcode:#x}: more operands are settled than there are"
        );
        // A few of those that are settled stand for all.
        for (at, operand) in self.stack.iter().enumerate().skip(self.settled.saturating_sub(4)) {
            let is_settled = matches!(operand.loc(), Loc::Slot | Loc::Const(_));
            assert!(
                is_settled || at >= self.settled,
                "after opcode {opcode:#x}: operand {at} is not settled: {operand:?}"
            );
            match operand.loc() {
                Loc::Gpr(reg) => take(&mut gprs, self.operand_gprs.0, reg.0),
                Loc::Xmm(reg) => take(&mut xmms, self.operand_xmms.0, reg.0),
                _ => {}
            }
        }
        assert_eq!(
            gprs,
            self.operand_gprs.0,
            "after opcode {opcode:#x}: a register is lost: {:?}",
            self.stack.last()
        );
        assert_eq!(
            xmms,
            self.operand_xmms.0,
            "after opcode {opcode:#x}: a vector register is lost: {:?}",
            self.stack.last()
        );
    }
}
