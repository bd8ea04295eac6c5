//! Which values are references into the GC heap, and where they are at each call: the collector's roots.
//!
//! # Invariants
//!
//! * **Q1** Every value that is a reference into the GC heap is declared to Cranelift ([`FuncTranslator::root`]) before it is
//!   used, or is null: whatever lives across a call is then in a slot of the frame during the call, and loaded from there
//!   afterwards.
//! * **Q2** References with homes are in the stack map of every call, too: see `home.rs`.

use crate::translator::FuncTranslator;
use cranelift_codegen::CompiledCode;
use cranelift_codegen::ir::types::{I8, I32, I64};
use cranelift_codegen::ir::{Type, Value};
use waft_core::tier::StackMap;
use waft_core::types::ValType;

/// The type of the entry that says where the references with homes begin.
pub(crate) const HOMED_REFS: Type = I64;
/// The type of the entries that say how many there are: one for each bit of the number, at its place from the same slot.
pub(crate) const HOMED_REFS_COUNT_BIT: Type = I8;

impl FuncTranslator<'_, '_> {
    /// Declares a value to be a reference into the GC heap.
    pub(crate) fn root(&mut self, value: Value) {
        if self.roots.insert(value) {
            self.builder.declare_value_needs_stack_map(value);
        }
    }

    /// The same if values of type `ty` are.
    pub(crate) fn root_if_ref(&mut self, value: Value, ty: ValType) {
        if ty.is_gc_ref() {
            self.root(value);
        }
    }

    /// Whether a value was declared to be one.
    pub(crate) fn is_root(&self, value: Value) -> bool {
        self.roots.contains(value)
    }
}

/// The stack maps of a function, by ascending offset.
pub(crate) fn stack_maps(code: &CompiledCode) -> Vec<StackMap> {
    code.buffer
        .user_stack_maps()
        .iter()
        .map(|(offset, span, map)| {
            let (mut slots, mut first, mut bits) = (Vec::new(), None, Vec::new());
            // A frame is at most as large as the stack limit lets it be: its offsets have 31 bits.
            let from_fp = |offset: u32| offset as i32 - *span as i32;
            for (ty, offset) in map.entries() {
                match ty {
                    I32 => slots.push(from_fp(offset)),
                    HOMED_REFS => first = Some(offset),
                    HOMED_REFS_COUNT_BIT => bits.push(offset),
                    other => unreachable!("no stack map has an entry of type {other}"),
                }
            }
            if let Some(first) = first {
                let count: u32 = bits.iter().map(|bit| 1 << (bit - first)).sum();
                slots.extend((0..count).map(|at| from_fp(first + at * I32.bytes())));
            }
            StackMap { offset: *offset, slots }
        })
        .collect()
}
