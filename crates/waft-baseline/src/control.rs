//! Structured control: blocks, loops, ifs, branches, returns.
//!
//! # Invariants
//!
//! * **B1** What lies below a block's parameters is settled when the block begins (S2), and stays as it is until it ends. So a
//!   branch has nothing to bring in order but the values that it carries.
//! * **B2** One value that a branch carries travels in `rax` or `xmm0`; several travel in the slots that they have as operands of the
//!   target.

use crate::compiler::{CompileResult, Compiler, unreadable};
use crate::value::{Loc, Operand, Ty};
use crate::x64::{Alu, Cond, Gpr, Label, Mem, R11, RAX, RBP, RESULT_GPRS, Rm, Width, XMM0, XMM15, Xmm};
use waft_core::convention::{Place, ResultPlaces, Results};
use waft_core::index::TypeIndex;
use waft_core::opcode as op;
use waft_core::types::ValType;
use wasmparser::{BlockType, BrTable};

/// An open block.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    ty: BlockTy,
    /// Where branches go: to the start of a loop, to the end of anything else.
    label: Label,
    /// How many operands lie below the block's parameters, and where their slots end.
    pub(crate) height: u32,
    pub(crate) slots_end: u32,
    /// Where the last `br_table` that came here found the code that brings its values in order, and which table that was.
    stub: (u32, u32),
    /// How many scopes that catch are open, this one included.
    pub(crate) tries: u32,
    /// Of a loop, which of the counts is its own.
    count: u32,
    /// Whether it is in a clause of `try`.
    pub(crate) in_clause: bool,
}

/// What opened a block.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// `block`, or the function itself.
    Block,
    /// `loop`.
    Loop,
    /// `if`, before `else`, with the branch around what comes first.
    If(Label),
    /// `else`.
    Else,
    /// `try_table`, or `try` before its first clause.
    Try,
    /// A clause of `try`: whether it is reached by exceptions, and what goes on where it is not for them.
    Catch { reached: bool, rest: Option<Label> },
}

/// What a block takes and gives.
#[derive(Clone, Copy)]
pub(crate) enum BlockTy {
    Empty,
    One(ValType),
    Sig(u32),
    /// The function's results.
    Func,
}

/// A list of types that borrows from the module at most.
#[derive(Clone, Copy)]
pub(crate) enum Types<'a> {
    One(ValType),
    Many(&'a [ValType]),
}

impl Types<'_> {
    fn as_slice(&self) -> &[ValType] {
        match self {
            Self::One(ty) => std::slice::from_ref(ty),
            Self::Many(types) => types,
        }
    }
}

impl<'a> Compiler<'a> {
    /// Opens the function's body as the outermost block.
    pub(crate) fn enter_function(&mut self) {
        self.push_block(Kind::Block, BlockTy::Func, 0);
    }

    pub(crate) fn block_ty(&self, ty: BlockType) -> CompileResult<BlockTy> {
        Ok(match ty {
            BlockType::Empty => BlockTy::Empty,
            BlockType::Type(ty) => BlockTy::One(self.val_type(ty)?),
            BlockType::FuncType(ty) => BlockTy::Sig(ty),
        })
    }

    pub(crate) fn params(&self, ty: BlockTy) -> &'a [ValType] {
        match ty {
            BlockTy::Sig(ty) => self.shape.sig(TypeIndex::from_u32(ty)).params(),
            _ => &[],
        }
    }

    fn results(&self, ty: BlockTy) -> Types<'a> {
        match ty {
            BlockTy::Empty => Types::Many(&[]),
            BlockTy::One(ty) => Types::One(ty),
            BlockTy::Sig(ty) => Types::Many(self.shape.sig(TypeIndex::from_u32(ty)).results()),
            BlockTy::Func => Types::Many(self.sig.results()),
        }
    }

    /// What a branch to the block carries.
    fn label_types(&self, block: &Block) -> Types<'a> {
        match block.kind {
            Kind::Loop => Types::Many(self.params(block.ty)),
            _ => self.results(block.ty),
        }
    }

    pub(crate) fn push_block(&mut self, kind: Kind, ty: BlockTy, params: usize) {
        let height = self.stack.len() - params;
        let slots_end = if height == 0 { 0 } else { self.stack[height - 1].end() };
        let label = Label::NEW;
        let tries = self.tries.len() as u32;
        let (height, stub, count) = (height as u32, (0, 0), 0);
        let outer = self.blocks.last();
        let in_clause =
            outer.is_some_and(|outer| outer.in_clause || matches!(outer.kind, Kind::Catch { .. }));
        self.blocks.push(Block { kind, ty, label, height, slots_end, stub, tries, count, in_clause });
    }

    pub(crate) fn innermost(&mut self) -> &mut Block {
        self.blocks.last_mut().expect("validation balances blocks")
    }

    pub(crate) fn block_at(&self, depth: u32) -> usize {
        self.blocks.len() - 1 - depth as usize
    }

    /// `block`.
    pub(crate) fn block(&mut self, ty: BlockType) -> CompileResult {
        let ty = self.block_ty(ty)?;
        // Parameters are settled, too: branches in the block may come to where they would have to be.
        self.settle_below(0);
        self.push_block(Kind::Block, ty, self.params(ty).len());
        Ok(())
    }

    /// `loop`.
    pub(crate) fn loop_(&mut self, ty: BlockType) -> CompileResult {
        let ty = self.block_ty(ty)?;
        let params = self.params(ty);
        self.settle_below(usize::from(params.len() == 1));
        if params.len() == 1 {
            let param = self.pop();
            self.load_carried(&param);
            self.free(&param);
            self.push_carried(Ty::from(params[0]));
        } else {
            self.settle_top(params.len());
        }
        self.push_block(Kind::Loop, ty, params.len());
        let mut label = Label::NEW;
        self.asm.bind(&mut label);
        let param = if let [ty] = params { Some(Ty::from(*ty)) } else { None };
        let count = self.count_turn(param);
        let block = self.innermost();
        (block.label, block.count) = (label, count);
        Ok(())
    }

    /// `if`.
    pub(crate) fn if_(&mut self, ty: BlockType) -> CompileResult {
        let ty = self.block_ty(ty)?;
        let params = self.params(ty).len();
        // The flags stay while operands are stored.
        let operand = self.pop();
        self.settle_below(0);
        self.settle_top(params);
        let cond = self.cond_of(&operand);
        let mut otherwise = Label::NEW;
        self.asm.jcc(cond.negated(), &mut otherwise);
        self.push_block(Kind::If(otherwise), ty, params);
        Ok(())
    }

    /// `else`, whether or not what came before can reach it: `if` itself was reached.
    pub(crate) fn else_(&mut self) {
        if self.reachable {
            self.carry(0);
            self.jump(0);
        }
        let ty = self.innermost().ty;
        let Kind::If(mut otherwise) = self.innermost().kind else {
            unreachable!("validation lets `else` stand in an `if` only")
        };
        self.asm.bind(&mut otherwise);
        self.innermost().kind = Kind::Else;
        self.restart(ty);
    }

    /// Goes on where the innermost block begins, with its parameters in their slots.
    fn restart(&mut self, ty: BlockTy) {
        let height = self.innermost().height as usize;
        self.truncate(height);
        for ty in self.params(ty) {
            self.push(Ty::from(*ty), Loc::Slot);
        }
        self.settled = self.stack.len();
        self.reachable = true;
    }

    /// `end`, whether or not what came before can reach it.
    pub(crate) fn end(&mut self) -> CompileResult {
        if matches!(self.innermost().kind, Kind::Try | Kind::Catch { .. }) {
            self.end_tries()?;
        }
        let block = *self.innermost();
        let is_loop = matches!(block.kind, Kind::Loop);
        if let Kind::If(mut otherwise) = block.kind {
            // The missing `else` passes its parameters on.
            if self.params(block.ty).is_empty() {
                // Nor has it results.
                self.asm.bind(&mut otherwise);
                self.truncate(block.height as usize);
                self.reachable = true;
            } else {
                if self.reachable {
                    self.carry(0);
                    self.jump(0);
                }
                self.asm.bind(&mut otherwise);
                self.restart(block.ty);
                self.carry(0);
            }
        } else if !is_loop && block.label.is_used() && self.reachable {
            self.carry(0);
        }
        let mut block = *self.innermost();
        self.blocks.pop();
        if is_loop {
            self.set_cost(block.count);
        }
        if !is_loop && block.label.is_used() {
            self.asm.bind(&mut block.label);
            self.truncate(block.height as usize);
            self.push_label_values(self.results(block.ty));
            self.reachable = true;
        } else if !self.reachable {
            self.truncate(block.height as usize);
        }
        Ok(())
    }

    /// The operands that a label gives.
    fn push_label_values(&mut self, types: Types<'_>) {
        match *types.as_slice() {
            [] => {}
            [ty] => self.push_carried(Ty::from(ty)),
            ref many => {
                for ty in many {
                    self.push(Ty::from(*ty), Loc::Slot);
                }
                self.settled = self.stack.len();
            }
        }
    }

    /// Copies an operand to where one value that a branch carries travels (B2); flags stay.
    fn load_carried(&mut self, operand: &Operand) {
        if operand.ty().is_float() { self.load_xmm(XMM0, operand) } else { self.load_gpr(RAX, operand) }
    }

    /// Pushes what travelled.
    fn push_carried(&mut self, ty: Ty) {
        if ty.is_float() {
            self.free_xmms.remove(0);
            self.push_xmm(ty, XMM0);
        } else {
            self.free_gprs.remove(0);
            self.push_gpr(ty, RAX);
        }
    }

    /// Whether [`Self::carry`] would emit anything.
    fn carries(&self, depth: u32) -> bool {
        let block = &self.blocks[self.block_at(depth)];
        let types = self.label_types(block);
        match types.as_slice() {
            [] => false,
            [_] => {
                let top = self.stack.last().expect("validation wants an operand here");
                top.loc() != Loc::Gpr(RAX) && top.loc() != Loc::Xmm(XMM0)
            }
            many => {
                let end = block.slots_end + many.iter().map(|ty| Ty::from(*ty).slot_bytes()).sum::<u32>();
                let on_top = &self.stack[self.stack.len() - many.len()..];
                end != self.slots_end || on_top.iter().any(|operand| operand.loc() != Loc::Slot)
            }
        }
    }

    /// Copies the values that a branch to the block at `depth` carries to where they travel. The operands stay as they are,
    /// and so do the flags.
    fn carry(&mut self, depth: u32) {
        let block = self.blocks[self.block_at(depth)];
        let types = self.label_types(&block);
        match types.as_slice() {
            [] => {}
            [_] => {
                let top = *self.stack.last().expect("validation wants an operand here");
                self.load_carried(&top);
            }
            many => {
                let mut end = block.slots_end;
                let first = self.stack.len() - many.len();
                // Upwards: no slot is written before it is read, for operands only move down.
                for (at, ty) in many.iter().enumerate() {
                    end += Ty::from(*ty).slot_bytes();
                    let operand = self.stack[first + at];
                    if operand.loc() != Loc::Slot || operand.end() != end {
                        let slot = self.slot_at(end);
                        self.store_operand(slot, &operand);
                    }
                }
            }
        }
    }

    /// Jumps to the block at `depth`, with what it carries in place.
    fn jump(&mut self, depth: u32) {
        let at = self.block_at(depth);
        self.asm.jmp(&mut self.blocks[at].label);
    }

    /// `br`.
    pub(crate) fn br(&mut self, depth: u32) {
        self.carry(depth);
        self.jump(depth);
        self.reachable = false;
    }

    /// Branches, where code goes on that comes here another way.
    pub(crate) fn branch_always(&mut self, depth: u32) {
        self.carry(depth);
        self.jump(depth);
    }

    /// `br_if`.
    pub(crate) fn br_if(&mut self, depth: u32) {
        let cond = self.pop_cond();
        self.branch(cond, depth);
    }

    /// Branches if the condition holds, and goes on otherwise.
    pub(crate) fn branch(&mut self, cond: Cond, depth: u32) {
        let at = self.block_at(depth);
        if self.carries(depth) {
            let mut skip = Label::NEW;
            self.asm.jcc(cond.negated(), &mut skip);
            self.carry(depth);
            self.jump(depth);
            self.asm.bind(&mut skip);
        } else {
            self.asm.jcc(cond, &mut self.blocks[at].label);
        }
    }

    /// `br_table`.
    pub(crate) fn br_table(&mut self, targets: &BrTable<'_>) -> CompileResult {
        let index = self.pop();
        let count = targets.len();
        if count == 0 {
            self.free(&index);
            self.br(targets.default());
            return Ok(());
        }
        let index_reg = self.owned_gpr(&index);
        let arity = self.label_types(&self.blocks[self.block_at(targets.default())]).as_slice().len();
        let address = self.alloc_gpr();
        // Past the end is the default, also while the processor speculates.
        self.asm.mov_imm(R11, count.into());
        self.asm.alu(Alu::Cmp, Width::W32, index_reg, Rm::Reg(R11));
        self.asm.cmov(Cond::A, Width::W32, index_reg, Rm::Reg(R11));
        if arity == 1 {
            self.carry_past(targets.default(), index_reg, address);
        }
        let (index_reg, address) = if arity == 1 { (R11, Gpr(1)) } else { (index_reg, address) };
        // Each entry is the distance from its end to its target.
        let mut table = Label::NEW;
        self.asm.lea_label(address, &mut table);
        self.asm.lea(Width::W64, address, Mem::scaled(address, index_reg, 2, 4));
        self.asm.movsxd(index_reg, Rm::Mem(Mem::at(address, -4)));
        self.asm.alu(Alu::Add, Width::W64, address, Rm::Reg(index_reg));
        self.asm.jmp_rm(Rm::Reg(address));
        self.asm.bind(&mut table);
        let start = self.asm.pos();
        let depths = || targets.targets().chain(std::iter::once(Ok(targets.default())));
        if arity <= 1 {
            for depth in depths() {
                let at = self.block_at(depth.map_err(unreadable)?);
                self.asm.rel32(&mut self.blocks[at].label);
            }
        } else {
            self.br_table_stubs(start, depths(), count + 1)?;
        }
        self.free_gpr(index_reg);
        self.free_gpr(address);
        self.reachable = false;
        Ok(())
    }

    /// Brings the one value that all targets take to where it travels, and the index to the scratch register; `rcx` is free
    /// afterwards.
    fn carry_past(&mut self, depth: u32, index: Gpr, address: Gpr) {
        let top = *self.stack.last().expect("validation wants an operand here");
        // A constant of a vector register goes through the scratch register, so that comes first.
        if top.ty().is_float() {
            self.load_xmm(XMM0, &top);
        }
        self.asm.mov(Width::W32, R11, index);
        if !top.ty().is_float() {
            self.carry(depth);
        }
        self.free_gpr(address);
        self.free_gpr(index);
    }

    /// The entries and the code of a `br_table` whose targets take several values: each target's values go to slots of
    /// their own.
    fn br_table_stubs(
        &mut self,
        start: u32,
        depths: impl Iterator<Item = wasmparser::Result<u32>>,
        count: u32,
    ) -> CompileResult {
        for _ in 0..count {
            self.asm.imm32(0);
        }
        for (entry, depth) in depths.enumerate() {
            let depth = depth.map_err(unreadable)?;
            let at = self.block_at(depth);
            if self.blocks[at].stub.1 != start {
                self.blocks[at].stub = (self.asm.pos(), start);
                self.carry(depth);
                self.jump(depth);
                self.check_limits()?;
            }
            let place = start + entry as u32 * 4;
            let distance = self.blocks[at].stub.0.wrapping_sub(place + 4);
            self.asm.patch32(place, distance.cast_signed());
        }
        Ok(())
    }

    /// `return`.
    pub(crate) fn return_(&mut self) {
        self.br(self.blocks.len() as u32 - 1);
    }

    /// An operator that cannot be reached: only blocks are counted.
    pub(crate) fn dead_operator(&mut self, opcode: u8) -> CompileResult {
        let is_outer = self.dead_depth == 0;
        match opcode {
            op::ELSE if is_outer => self.else_(),
            op::CATCH if is_outer => self.catch(self.code.number()),
            op::CATCH_ALL if is_outer => self.catch_all(),
            op::DELEGATE if is_outer => self.delegate(self.code.number())?,
            op::END if is_outer => self.end()?,
            _ => {
                match opcode {
                    op::BLOCK | op::LOOP | op::IF | op::TRY_TABLE | op::TRY => self.dead_depth += 1,
                    op::END | op::DELEGATE => self.dead_depth -= 1,
                    _ => {}
                }
                if !self.code.skip_immediates(opcode) {
                    self.read_operator()?;
                }
            }
        }
        Ok(())
    }

    /// The code after the body: results go where the convention wants them.
    pub(crate) fn epilogue(&mut self) {
        if !self.reachable {
            return;
        }
        let types = self.sig.results();
        let way = Results::of(types);
        let mut places = ResultPlaces::new(way);
        if let ([ty], Results::Registers) = (types, way) {
            let top = self.pop();
            if Ty::from(*ty).is_float() {
                self.load_xmm(XMM0, &top)
            } else {
                self.load_gpr(RAX, &top)
            }
            return self.leave();
        }
        self.settle_top(types.len());
        if way == Results::Area {
            self.asm.load(Width::W64, RAX, Mem::at(RBP, self.area_at));
        }
        let first = self.stack.len() - types.len();
        for (at, ty) in types.iter().enumerate() {
            let operand = self.stack[first + at];
            match places.next(*ty) {
                Place::Int(n) => self.load_gpr(RESULT_GPRS[n as usize], &operand),
                Place::Float(n) => self.load_xmm(Xmm(n), &operand),
                Place::Area(offset) => self.store_result(Mem::at(RAX, offset as i32), &operand),
                Place::Stack(_) => unreachable!("no result travels on the stack"),
            }
        }
        self.leave();
    }

    fn store_result(&mut self, to: Mem, operand: &Operand) {
        if operand.ty().is_float() {
            self.load_xmm(XMM15, operand);
            self.store_float(operand.ty(), to, XMM15);
        } else {
            self.load_gpr(R11, operand);
            self.asm.store(operand.ty().width(), to, R11);
        }
    }
}
