//! Code that is entered at a loop, by other code of the function that was in it.
//!
//! The body is translated from its start all the same. But the entry block leads to the loop, with the locals and operands that the
//! other code left (`waft_core::budget`), so all that can only be reached from the start goes away. Whatever surrounds the
//! loop comes to it again by way of the same block, which so becomes the header of the loops around.
//!
//! The state is taken inside of loops that never go round. Without them, the register allocator holds what is taken
//! for something outside of all loops: where it must give up a register in one, for a call or for another value, it gives
//! it up before the first loop already, and has the value in memory there, each time around.

use crate::context::Region;
use crate::signature::clif_type;
use crate::translator::{FuncTranslator, TranslateResult};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, MemFlagsData, Type, Value};
use waft_core::budget::slot_bytes;
use waft_core::layout::store_context;
use waft_core::tier::Entry;
use waft_core::types::ValType;
use wasmparser::FunctionBody;

/// How many loops the state is taken in: as many as are in each other where it matters. In deeper nests, a register is given up
/// before the fourth.
const STATE_LOOPS: usize = 3;

/// A loop that code is entered at, and that translation has not come to.
pub(crate) struct Arrival {
    /// The loop's operator, in bytes from the start of the body.
    loop_at: u32,
    /// What the entry block leads to.
    block: Block,
    /// The types of the locals.
    locals: Vec<ValType>,
}

impl FuncTranslator<'_, '_> {
    /// After the locals: leads from the entry block to the loop, and goes on in a block that nothing leads to.
    pub(crate) fn expect_arrival(&mut self, body: &FunctionBody<'_>) -> TranslateResult {
        let Entry::Loop(loop_at) = self.request.entry else { return Ok(()) };
        let unreadable = |error: wasmparser::BinaryReaderError| error.to_string();
        let mut locals = self.sig.params().to_vec();
        for group in body.get_locals_reader().map_err(unreadable)? {
            let (count, ty) = group.map_err(unreadable)?;
            let ty = self.val_type(ty)?;
            locals.extend((0..count).map(|_| ty));
        }
        let (block, start) = (self.builder.create_block(), self.builder.create_block());
        self.builder.ins().jump(block, &[]);
        self.builder.seal_block(block);
        self.builder.seal_block(start);
        self.switch_to(start, false);
        self.arrival = Some(Arrival { loop_at, block, locals });
        Ok(())
    }

    /// Before a loop: if it is the one that the code is entered at, brings the state there.
    pub(crate) fn arrive(&mut self) -> TranslateResult {
        let at = self.at();
        let Some(Arrival { block, locals, .. }) = self.arrival.take_if(|arrival| arrival.loop_at == at)
        else {
            return Ok(());
        };
        self.canonicalise(self.height());
        let copies = self.copies_for_else();
        let is_copy = |at: &usize| copies.iter().any(|range| range.contains(at));
        let all = self.operands_mut().ok_or("too many operands to enter the function at this loop")?;
        let places: Vec<usize> = (0..all.len()).filter(|at| !is_copy(at)).collect();
        let operands: Vec<Value> = places.iter().map(|at| all[*at]).collect();
        let types: Vec<Type> =
            operands.iter().map(|value| self.builder.func.dfg.value_type(*value)).collect();
        let roots: Vec<bool> = operands.iter().map(|value| self.is_root(*value)).collect();
        let joined = self.builder.create_block();
        for ty in &types {
            self.builder.append_block_param(joined, *ty);
        }
        let args: Vec<BlockArg> = operands.into_iter().map(BlockArg::Value).collect();
        self.builder.ins().jump(joined, &args);

        self.builder.switch_to_block(block);
        let headers: [Block; STATE_LOOPS] = std::array::from_fn(|_| {
            let header = self.builder.create_block();
            self.builder.ins().jump(header, &[]);
            self.builder.switch_to_block(header);
            header
        });
        let store = self.store_context();
        let flags = self.trusted(Region::Context);
        let top = self.builder.ins().load(I64, flags, store, store_context::STATE as i32);
        let mut depth = 0;
        for (local, ty) in locals.iter().enumerate() {
            let value = self.load_state(top, clif_type(*ty), slot_bytes(*ty), &mut depth);
            self.root_if_ref(value, *ty);
            self.set_local(local as u32, value);
        }
        let mut args = Vec::with_capacity(types.len());
        for (ty, root) in types.iter().zip(&roots) {
            let value = self.load_state(top, *ty, if ty.is_vector() { 16 } else { 8 }, &mut depth);
            if *root {
                self.root(value);
            }
            args.push(BlockArg::Value(value));
        }
        // There always is a state, but only we know that.
        let is_none = self.builder.ins().icmp_imm_u(IntCC::Equal, top, 0);
        for header in headers.into_iter().rev() {
            let outside = self.builder.create_block();
            self.builder.ins().brif(is_none, header, &[], outside, &[]);
            self.builder.seal_block(header);
            self.builder.seal_block(outside);
            self.builder.switch_to_block(outside);
        }
        self.builder.ins().jump(joined, &args);
        self.builder.seal_block(joined);
        let cold = self.cold;
        self.switch_to(joined, cold);
        let params = self.builder.block_params(joined).to_vec();
        for (value, root) in params.iter().zip(&roots) {
            if *root {
                self.root(*value);
            }
        }
        let all = self.operands_mut().ok_or("operands have homes that had none")?;
        for (at, value) in places.into_iter().zip(params) {
            all[at] = value;
        }
        Ok(())
    }

    fn load_state(&mut self, top: Value, ty: Type, bytes: u32, depth: &mut u32) -> Value {
        *depth += bytes;
        // Slots of vectors are aligned as others are.
        let flags = MemFlagsData::new().with_notrap().with_alias_region(Some(self.region(Region::Results)));
        self.builder.ins().load(ty, flags, top, -(*depth as i32))
    }

    /// At the end of the body.
    pub(crate) fn check_arrived(&self) -> TranslateResult {
        match &self.arrival {
            None => Ok(()),
            Some(arrival) => Err(format!("no loop that can be entered at byte {}", arrival.loop_at)),
        }
    }
}
