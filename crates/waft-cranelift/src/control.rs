//! Structured control: blocks, loops, ifs, branches, returns.
//!
//! A WebAssembly block costs a CLIF block only when something branches to its end; a loop always has a header. What
//! cannot be reached is not translated: only its nesting is counted.
//!
//! Branch hints make blocks *cold*: Cranelift puts them out of the way. An unlikely branch is a cold edge, and so is
//! every edge from a cold block; a block is cold if all edges to it are, back edges of loops aside. What is unlikely once
//! around a loop may be certain in the end, so a hint says nothing about a branch out of a loop, or about what comes after
//! a branch back.

use crate::context::{Region, VmValues};
use crate::exception::Caught;
use crate::signature::clif_type;
use crate::translator::{FuncTranslator, TranslateResult};
use cranelift_codegen::ir::{Block, BlockArg, Inst, InstBuilder, JumpTableData, Value};
use std::collections::HashMap;
use std::ops::Range;
use waft_core::convention::{AREA_SLOT_BYTES, Results};
use waft_core::index::TypeIndex;
use waft_core::types::{FuncSig, ValType};
use wasmparser::{BlockType, BrTable, Operator};

/// An open block.
pub(crate) struct Frame<'a> {
    pub(crate) kind: FrameKind,
    params: &'a [ValType],
    results: Types<'a>,
    /// What branches go to. A loop has its header from the start, others get a block with the first branch.
    label: Option<Block>,
    /// Whether any branch to the label, other than a back edge, is not cold.
    warm: bool,
    /// How many operands lie below the block's parameters.
    pub(crate) height: usize,
    /// How many open blocks are loops, this one included.
    loops: u32,
    /// How many of the open [`TryScope`](crate::exception::TryScope)s the code directly in the block is in.
    pub(crate) tries: usize,
}

/// What opened a block.
#[derive(Clone, Copy)]
pub(crate) enum FrameKind {
    /// `block`, the function itself, or a callee in the place of a call.
    Block,
    /// `loop`.
    Loop,
    /// `if`, before `else`.
    If {
        /// The branch to `otherwise`.
        branch: Inst,
        /// The block of `else`, not sealed yet.
        otherwise: Block,
        /// Whether that one is cold.
        cold: bool,
    },
    /// `else`.
    Else,
    /// `try_table`, or `try` before its first clause: the innermost scope is its own.
    Try,
    /// `catch` or `catch_all`.
    Catch {
        /// What was caught; none if no exception can come here.
        caught: Option<Caught>,
        /// Where it goes on if no clause so far was for it. The block has one predecessor and is sealed.
        rest: Option<Block>,
    },
}

impl Frame<'_> {
    /// The types of what a branch to the frame carries.
    fn label_types(&self) -> &[ValType] {
        match self.kind {
            FrameKind::Loop => self.params,
            _ => self.results.as_slice(),
        }
    }
}

/// The types of a list of values.
#[derive(Clone, Copy)]
enum Types<'a> {
    /// One, which no list of the module's says.
    One(ValType),
    /// A list of the module's.
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

/// The types of what a block takes and gives.
pub(crate) struct BlockTypes<'a> {
    params: &'a [ValType],
    results: Types<'a>,
}

impl<'a> FuncTranslator<'a, '_> {
    /// Opens the function: parameters become locals, the body becomes the outermost block.
    pub(crate) fn enter_function(&mut self, entry: Block) {
        let skip = 1 + usize::from(self.vm.result_area.is_some());
        let arrived = self.builder.block_params(entry)[skip..].to_vec();
        self.declare_params(&arrived);
        let frame = Frame {
            kind: FrameKind::Block,
            params: &[],
            results: Types::Many(self.sig.results()),
            label: None,
            warm: false,
            height: 0,
            loops: 0,
            tries: 0,
        };
        self.frames.push(frame);
    }

    /// The values of the entry block.
    pub(crate) fn entry_values(
        builder: &mut cranelift_frontend::FunctionBuilder<'_>,
        results: &[ValType],
    ) -> (Block, VmValues) {
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        builder.ensure_inserted_block();
        let params = builder.block_params(entry);
        let area = (Results::of(results) == Results::Area).then(|| params[1]);
        (entry, VmValues::new(entry, params[0], area))
    }

    pub(crate) fn block_types(&self, ty: BlockType) -> TranslateResult<BlockTypes<'a>> {
        Ok(match ty {
            BlockType::Empty => BlockTypes { params: &[], results: Types::Many(&[]) },
            BlockType::Type(ty) => BlockTypes { params: &[], results: Types::One(self.val_type(ty)?) },
            BlockType::FuncType(ty) => {
                let sig = self.shape.sig(TypeIndex::from_u32(ty));
                BlockTypes { params: sig.params(), results: Types::Many(sig.results()) }
            }
        })
    }

    pub(crate) fn push_frame(&mut self, kind: FrameKind, types: BlockTypes<'a>, label: Option<Block>) {
        let BlockTypes { params, results } = types;
        let height = self.height() - params.len();
        let loops = self.innermost().loops + u32::from(matches!(kind, FrameKind::Loop));
        let tries = self.tries.len();
        self.frames.push(Frame { kind, params, results, label, warm: false, height, loops, tries });
    }

    /// Opens the body of a callee in the place of the call, whose arguments were popped: to branch to its end is to return.
    pub(crate) fn push_callee_frame(&mut self, sig: &'a FuncSig) {
        let types = BlockTypes { params: &[], results: Types::Many(sig.results()) };
        self.push_frame(FrameKind::Block, types, None);
    }

    /// `block`.
    pub(crate) fn block(&mut self, ty: BlockType) -> TranslateResult {
        let types = self.block_types(ty)?;
        self.push_frame(FrameKind::Block, types, None);
        Ok(())
    }

    /// `loop`.
    pub(crate) fn loop_(&mut self, ty: BlockType) -> TranslateResult {
        let types = self.block_types(ty)?;
        let params = types.params;
        self.arrive()?;
        let header = self.label_block(params);
        self.jump(header, params.len());
        self.push_frame(FrameKind::Loop, types, Some(header));
        self.truncate(self.height() - params.len());
        self.continue_in(header, self.cold);
        Ok(())
    }

    /// `if`.
    pub(crate) fn if_(&mut self, ty: BlockType) -> TranslateResult {
        let condition = self.pop();
        let (then_cold, cold) = self.cold_ways(self.hint());
        // The parameters are needed again by `else`.
        let types = self.block_types(ty)?;
        let params = types.params;
        self.canonicalise(params.len());
        let again = self.peek_many(params.len()).to_vec();
        let then = self.builder.create_block();
        let otherwise = self.builder.create_block();
        let branch = self.builder.ins().brif(condition, then, &[], otherwise, &[]);
        self.builder.seal_block(then);
        self.push_frame(FrameKind::If { branch, otherwise, cold }, types, None);
        self.switch_to(then, then_cold);
        self.push_all(&again);
        Ok(())
    }

    /// `else`, whether or not what came before can reach it: `if` itself was reached.
    pub(crate) fn else_(&mut self) {
        if self.reachable {
            self.jump_to_end();
        }
        let frame = self.innermost();
        let height = frame.height + frame.params.len();
        let FrameKind::If { otherwise, cold, .. } = std::mem::replace(&mut frame.kind, FrameKind::Else)
        else {
            unreachable!("validation lets `else` stand in an `if` only");
        };
        self.truncate(height);
        self.builder.seal_block(otherwise);
        self.switch_to(otherwise, cold);
        self.reachable = true;
    }

    /// `end`, whether or not what came before can reach it.
    pub(crate) fn end(&mut self) {
        if let FrameKind::If { branch, otherwise, cold } = self.innermost().kind {
            self.end_without_else(branch, otherwise, cold);
        }
        self.end_tries();
        let is_loop = matches!(self.innermost().kind, FrameKind::Loop);
        let label = self.innermost().label;
        if self.reachable && label.is_some() && !is_loop {
            self.jump_to_end();
        }
        if let Some(label) = label {
            self.builder.seal_block(label);
        }
        let (height, warm) = (self.innermost().height, self.innermost().warm);
        self.frames.pop();
        match label {
            Some(end) if !is_loop => {
                self.truncate(height);
                self.continue_in(end, !warm);
                self.reachable = true;
            }
            // Nothing branches here: what lies on the stack are the results.
            _ if self.reachable => {}
            _ => self.truncate(height),
        }
        if self.frames.is_empty() && self.reachable {
            self.return_();
        }
    }

    /// The missing `else` of an `if` passes its parameters on.
    fn end_without_else(&mut self, branch: Inst, otherwise: Block, cold: bool) {
        let frame = self.innermost();
        let (label, params, height) = (frame.label, frame.params.len(), frame.height);
        match label {
            Some(label) if params == 0 => {
                self.builder.change_jump_destination(branch, otherwise, label);
                self.builder.seal_block(otherwise);
                self.innermost().warm |= !cold;
            }
            // The branch goes to where the block ends: that is the label.
            None if params == 0 => {
                let frame = self.innermost();
                frame.label = Some(otherwise);
                frame.warm |= !cold;
            }
            _ => {
                if self.reachable {
                    self.jump_to_end();
                }
                self.builder.seal_block(otherwise);
                self.switch_to(otherwise, cold);
                self.truncate(height + params);
                self.jump_to_end();
                self.reachable = false;
            }
        }
    }

    /// Where on the stack of operands are parameters of open blocks that only an `else` will take: no operands by the standard. What
    /// they are in code that is entered at a loop comes from the branch to that `else`, as anywhere.
    pub(crate) fn copies_for_else(&self) -> Vec<Range<usize>> {
        let ifs = self.frames.iter().filter(|frame| matches!(frame.kind, FrameKind::If { .. }));
        ifs.map(|frame| frame.height..frame.height + frame.params.len()).collect()
    }

    pub(crate) fn innermost(&mut self) -> &mut Frame<'a> {
        self.frames.last_mut().expect("validation balances blocks")
    }

    /// The block at a depth, 0 the innermost.
    pub(crate) fn outer(&self, depth: u32) -> &Frame<'a> {
        &self.frames[self.frames.len() - 1 - depth as usize]
    }

    /// Jumps to the end of the innermost block with its results, which are on top of the stack.
    pub(crate) fn jump_to_end(&mut self) {
        let (label, arity) = self.label(0);
        self.jump(label, arity);
    }

    /// `br`.
    pub(crate) fn br(&mut self, depth: u32) {
        let (label, arity) = self.label(depth);
        self.jump(label, arity);
        self.reachable = false;
    }

    /// `br_if`.
    pub(crate) fn br_if(&mut self, depth: u32) {
        let condition = self.pop();
        self.branch(condition, true, depth, self.hint());
    }

    /// Branches if `condition` holds, and goes on otherwise.
    pub(crate) fn branch_if(&mut self, condition: Value, depth: u32) {
        self.branch(condition, true, depth, None);
    }

    /// Branches if `condition` does not hold, and goes on otherwise.
    pub(crate) fn branch_unless(&mut self, condition: Value, depth: u32) {
        self.branch(condition, false, depth, None);
    }

    /// Branches if `condition` holds or does not, which is likely or not.
    fn branch(&mut self, condition: Value, when: bool, depth: u32, likely: Option<bool>) {
        let (mut taken_cold, mut next_cold) = self.cold_ways(likely);
        let target = &self.frames[self.frames.len() - 1 - depth as usize];
        if matches!(target.kind, FrameKind::Loop) {
            next_cold = self.cold;
        } else if target.loops < self.innermost().loops {
            taken_cold = self.cold;
        }
        self.cold = taken_cold;
        let (label, arity) = self.label(depth);
        let args = self.branch_args(arity);
        let next = self.builder.create_block();
        if when {
            self.builder.ins().brif(condition, label, &args, next, &[]);
        } else {
            self.builder.ins().brif(condition, next, &[], label, &args);
        }
        self.builder.seal_block(next);
        self.switch_to(next, next_cold);
    }

    /// Whether the two ways of a branch from here are cold: first the one that is taken.
    fn cold_ways(&self, likely: Option<bool>) -> (bool, bool) {
        (self.cold || likely == Some(false), self.cold || likely == Some(true))
    }

    /// `br_table`. CLIF's takes no arguments, so branches with values go through a block for each label.
    pub(crate) fn br_table(&mut self, targets: &BrTable<'_>) -> TranslateResult {
        let index = self.pop();
        // All labels take as many values; their common form must be made where it reaches every one.
        let (_, arity) = self.label(targets.default());
        self.canonicalise(arity);
        let mut edges = Edges::default();
        let mut table = Vec::with_capacity(targets.len() as usize);
        for depth in targets.targets() {
            let depth = depth.map_err(|error| error.to_string())?;
            let block = self.edge(depth, &mut edges);
            table.push(self.builder.func.dfg.block_call(block, &[]));
        }
        let default = self.edge(targets.default(), &mut edges);
        let default = self.builder.func.dfg.block_call(default, &[]);
        let table = self.builder.create_jump_table(JumpTableData::new(default, &table));
        self.builder.ins().br_table(index, table);
        for (depth, block) in edges.split {
            self.builder.seal_block(block);
            self.switch_to(block, self.cold);
            let (label, arity) = self.label(depth);
            self.jump(label, arity);
        }
        self.reachable = false;
        Ok(())
    }

    /// Where a `br_table` goes for the label at `depth`.
    fn edge(&mut self, depth: u32, edges: &mut Edges) -> Block {
        if let Some((last, block)) = edges.last
            && last == depth
        {
            return block;
        }
        let block = match edges.known.get(&depth) {
            Some(block) => *block,
            None => {
                let (label, arity) = self.label(depth);
                let block = if arity == 0 { label } else { self.builder.create_block() };
                if arity > 0 {
                    edges.split.push((depth, block));
                }
                edges.known.insert(depth, block);
                block
            }
        };
        edges.last = Some((depth, block));
        block
    }

    /// `return`, or the end of the function.
    pub(crate) fn return_(&mut self) {
        if self.body.call.is_some() {
            return self.br((self.frames.len() - self.body.outer_frames - 1) as u32);
        }
        let results = self.sig.results();
        self.canonicalise(results.len());
        let values = self.peek_many(results.len()).to_vec();
        match self.vm.result_area {
            Some(area) => {
                let flags = self.trusted(Region::Results);
                for (at, value) in values.into_iter().enumerate() {
                    self.builder.ins().store(flags, value, area, (at * AREA_SLOT_BYTES) as i32);
                }
                self.builder.ins().return_(&[]);
            }
            None => {
                self.builder.ins().return_(&values);
            }
        }
        self.reachable = false;
    }

    /// An operator that cannot be reached: only blocks are counted.
    pub(crate) fn dead_operator(&mut self, op: &Operator<'_>) {
        match op {
            Operator::Block { .. }
            | Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::TryTable { .. }
            | Operator::Try { .. } => self.dead_depth += 1,
            Operator::Else if self.dead_depth == 0 => self.else_(),
            Operator::Catch { tag_index } if self.dead_depth == 0 => self.catch(*tag_index),
            Operator::CatchAll if self.dead_depth == 0 => self.catch_all(),
            Operator::Delegate { relative_depth } if self.dead_depth == 0 => self.delegate(*relative_depth),
            Operator::Delegate { .. } => self.dead_depth -= 1,
            Operator::End if self.dead_depth == 0 => self.end(),
            Operator::End => self.dead_depth -= 1,
            _ => {}
        }
    }

    /// The block of the label at `depth`, made if there was no branch to it yet, and how many values it takes: for a
    /// branch from here.
    pub(crate) fn label(&mut self, depth: u32) -> (Block, usize) {
        let at = self.frames.len() - 1 - depth as usize;
        self.frames[at].warm |= !self.cold;
        let arity = self.frames[at].label_types().len();
        if let Some(label) = self.frames[at].label {
            return (label, arity);
        }
        let results = self.frames[at].results;
        let label = self.label_block(results.as_slice());
        self.frames[at].label = Some(label);
        (label, arity)
    }

    fn label_block(&mut self, types: &[ValType]) -> Block {
        let block = self.builder.create_block();
        for ty in types {
            let value = self.builder.append_block_param(block, clif_type(*ty));
            self.root_if_ref(value, *ty);
        }
        block
    }

    /// Jumps with the `arity` topmost values, which stay on the stack.
    fn jump(&mut self, to: Block, arity: usize) {
        let args = self.branch_args(arity);
        self.builder.ins().jump(to, &args);
    }

    fn branch_args(&mut self, arity: usize) -> Vec<BlockArg> {
        self.canonicalise(arity);
        self.peek_many(arity).iter().map(|value| BlockArg::Value(*value)).collect()
    }

    /// Goes on in `block`, which is cold or not.
    pub(crate) fn switch_to(&mut self, block: Block, cold: bool) {
        self.builder.switch_to_block(block);
        self.cold = cold;
        if cold {
            self.builder.set_cold_block(block);
        }
    }

    /// Goes on in `block`, whose parameters become operands.
    fn continue_in(&mut self, block: Block, cold: bool) {
        self.switch_to(block, cold);
        for at in 0..self.builder.block_params(block).len() {
            let value: Value = self.builder.block_params(block)[at];
            self.push(value);
        }
    }
}

/// The labels that a `br_table` goes to.
#[derive(Default)]
struct Edges {
    known: HashMap<u32, Block>,
    last: Option<(u32, Block)>,
    /// Those that take values: blocks still to be filled, in the order of their making.
    split: Vec<(u32, Block)>,
}
