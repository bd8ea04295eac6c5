//! Code that stands for functions whose code may not be there yet.
//!
//! A thunk knows a function by its index alone, and finds the rest through its context. So one array of them serves all
//! modules; it grows in blocks, and is never given back. Each thunk has two ways in:
//!
//! * [`through_slot`] jumps to what the function's code slot holds at that moment: it is the code of references and exports,
//!   which are copied where nobody could change all copies when the function is compiled.
//! * [`first_call`] is what the slot holds at first: it has the function compiled.
//!
//! # Invariants
//!
//! * **K1** Thunks leave the stack, and registers that carry arguments, alone: `rsp` points to the caller's return address.
//!
//! # Elsewhere
//!
//! Their instructions, and the stub to which the second way leads: `stub/`.

use super::code_memory::CodeMemory;
use super::stub::{FIRST_CALL_AT, THUNK_BYTES, thunk};
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use waft_core::index::{DefinedFuncIndex, TypedIndex};

/// Functions of a block: most modules need one or two.
const BLOCK_FUNCS: usize = 4096;
/// Enough for the million functions that validation allows.
const BLOCKS_MAX: usize = 256;

/// The blocks that there are, in order.
static BLOCKS: [OnceLock<CodeMemory>; BLOCKS_MAX] = [const { OnceLock::new() }; BLOCKS_MAX];

/// Provides thunks for modules with so many functions.
///
/// # Errors
///
/// If the system has no memory for them, or forbids code that is made at run time.
///
/// # Panics
///
/// If there are more functions than validation allows.
pub(crate) fn provide(funcs: usize) -> io::Result<()> {
    static GROWING: Mutex<()> = Mutex::new(());
    for (number, block) in BLOCKS[..funcs.div_ceil(BLOCK_FUNCS)].iter().enumerate() {
        if block.get().is_some() {
            continue;
        }
        let growing = GROWING.lock().unwrap_or_else(PoisonError::into_inner);
        if block.get().is_none() {
            let first = number * BLOCK_FUNCS;
            let code: Vec<u8> = (first..first + BLOCK_FUNCS).flat_map(|func| thunk(func as u32)).collect();
            let published = CodeMemory::publish(&code)?;
            // Only who holds the lock sets a block.
            block.get_or_init(|| published);
        }
        drop(growing);
    }
    Ok(())
}

/// # Panics
///
/// If the module of the function was not provided for.
fn entry(func: DefinedFuncIndex) -> *mut u8 {
    let block = BLOCKS[func.index() / BLOCK_FUNCS].get().expect("thunks are provided when a module is made");
    block.as_ptr().cast_mut().wrapping_add(func.index() % BLOCK_FUNCS * THUNK_BYTES)
}

/// Code that calls a function through its slot.
pub(crate) fn through_slot(func: DefinedFuncIndex) -> *mut u8 {
    entry(func)
}

/// Code that has a function compiled and goes on there.
pub(crate) fn first_call(func: DefinedFuncIndex) -> *mut u8 {
    entry(func).wrapping_add(FIRST_CALL_AT)
}

/// The code of all thunks that there are, block by block; more come behind these.
pub(crate) fn blocks() -> impl Iterator<Item = &'static [u8]> {
    BLOCKS.iter().map_while(|block| Some(&**block.get()?))
}

/// Whether `pc` lies in a thunk. Async-signal-safe.
pub(super) fn contains(pc: usize) -> bool {
    BLOCKS.iter().map_while(OnceLock::get).any(|block| block.range().contains(&pc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_its_thunk() {
        provide(BLOCK_FUNCS + 1).unwrap();
        let [first, last, next] = [0, BLOCK_FUNCS - 1, BLOCK_FUNCS].map(DefinedFuncIndex::new);
        assert_eq!(through_slot(last).addr() - through_slot(first).addr(), (BLOCK_FUNCS - 1) * THUNK_BYTES);
        for func in [first, last, next] {
            assert!(contains(through_slot(func).addr()) && contains(first_call(func).addr()));
        }
        assert!(!contains(through_slot(first).addr() - 1));
        assert!(!contains(through_slot(last).addr() + THUNK_BYTES) || contains(through_slot(next).addr()));
        let before = through_slot(next);
        provide(2 * BLOCK_FUNCS).unwrap();
        assert_eq!(through_slot(next), before);
    }
}
