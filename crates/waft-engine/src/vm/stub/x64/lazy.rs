//! The way of a call to a function that is not compiled yet.

use crate::vm::activation::leave_exit;
use crate::vm::lazy::compile_called;
use core::arch::naked_asm;
use waft_core::layout::{VmLayout, store_context};

/// Bytes of a thunk.
pub(in crate::vm) const THUNK_BYTES: usize = 32;
/// Where in a thunk the way to [`first_call`] starts.
pub(in crate::vm) const FIRST_CALL_AT: usize = 11;

/// The instructions of the thunk of a defined function. Nothing lies between the two ways in: neither falls into the other.
pub(in crate::vm) fn thunk(func: u32) -> [u8; THUNK_BYTES] {
    const { assert!(VmLayout::CODE_SLOTS < 128) };
    // `int3`
    let mut code = [0xcc; THUNK_BYTES];
    let slot = func * 8;
    // `mov r11, [rdi + CODE_SLOTS]; jmp [r11 + slot]`
    code[..4].copy_from_slice(&[0x4c, 0x8b, 0x5f, VmLayout::CODE_SLOTS as u8]);
    code[4..7].copy_from_slice(&[0x41, 0xff, 0xa3]);
    code[7..FIRST_CALL_AT].copy_from_slice(&slot.to_le_bytes());
    // `mov eax, func; mov r11, first_call; jmp r11`
    code[FIRST_CALL_AT] = 0xb8;
    code[12..16].copy_from_slice(&func.to_le_bytes());
    code[16..18].copy_from_slice(&[0x49, 0xbb]);
    code[18..26].copy_from_slice(&(first_call as *const () as u64).to_le_bytes());
    code[26..29].copy_from_slice(&[0x41, 0xff, 0xe3]);
    code
}

/// Bytes below the stub's `rbp`: vector and integer registers that carry arguments, the store, the function's code.
const FIRST_CALL_BYTES: usize = 8 * 16 + 6 * 8 + 2 * 8;

/// Has a function compiled, and calls it in the place of whoever called this: with the same arguments, in registers and on
/// the stack, and the same return address. To backtraces, until then, it is the frame of a stub, whose caller made the call.
///
/// # Safety
///
/// * A thunk jumps here, with the index of the function in `eax`, and all else as for the call of the function.
#[unsafe(naked)]
#[unsafe(link_section = "waft_stub")]
unsafe extern "C" fn first_call() {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "sub rsp, {bytes}",
        "mov r10, [rdi + {store}]",
        "mov [rbp - 16], r10",
        "mov [r10 + {exit_fp}], rbp",
        "movaps [rsp], xmm0",
        "movaps [rsp + 16], xmm1",
        "movaps [rsp + 32], xmm2",
        "movaps [rsp + 48], xmm3",
        "movaps [rsp + 64], xmm4",
        "movaps [rsp + 80], xmm5",
        "movaps [rsp + 96], xmm6",
        "movaps [rsp + 112], xmm7",
        "mov [rsp + 128], rdi",
        "mov [rsp + 136], rsi",
        "mov [rsp + 144], rdx",
        "mov [rsp + 152], rcx",
        "mov [rsp + 160], r8",
        "mov [rsp + 168], r9",
        "mov esi, eax",
        "call {compile}",
        "mov [rbp - 8], rax",
        "mov rdi, [rbp - 16]",
        "xor esi, esi",
        "test rax, rax",
        "sete sil",
        "mov ecx, [rdi + {interrupt}]",
        "or ecx, esi",
        "jne 9f",
        "2:",
        "movaps xmm0, [rsp]",
        "movaps xmm1, [rsp + 16]",
        "movaps xmm2, [rsp + 32]",
        "movaps xmm3, [rsp + 48]",
        "movaps xmm4, [rsp + 64]",
        "movaps xmm5, [rsp + 80]",
        "movaps xmm6, [rsp + 96]",
        "movaps xmm7, [rsp + 112]",
        "mov rdi, [rsp + 128]",
        "mov rsi, [rsp + 136]",
        "mov rdx, [rsp + 144]",
        "mov rcx, [rsp + 152]",
        "mov r8, [rsp + 160]",
        "mov r9, [rsp + 168]",
        "mov rax, [rbp - 8]",
        "leave",
        "jmp rax",
        // A failure raises; otherwise the flag may have meant nothing, and the call goes on.
        "9:",
        "call {leave}",
        "jmp 2b",
        bytes = const FIRST_CALL_BYTES,
        store = const VmLayout::STORE,
        exit_fp = const store_context::EXIT_FP,
        interrupt = const store_context::INTERRUPT,
        compile = sym compile_called,
        leave = sym leave_exit,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::stub::Machine;
    use crate::vm::thunk::{first_call as first_call_thunk, provide, through_slot};
    use waft_core::index::{DefinedFuncIndex, TypedIndex};

    #[test]
    fn thunks_are_what_their_comments_say() {
        let code = thunk(0x12345);
        assert_eq!(code[..FIRST_CALL_AT], [0x4c, 0x8b, 0x5f, 0x10, 0x41, 0xff, 0xa3, 0x28, 0x1a, 0x09, 0x00]);
        assert_eq!(code[FIRST_CALL_AT..18], [0xb8, 0x45, 0x23, 0x01, 0x00, 0x49, 0xbb]);
        assert_eq!(code[26..], [0x41, 0xff, 0xe3, 0xcc, 0xcc, 0xcc]);
    }

    #[test]
    fn the_return_address_is_seen_where_there_is_no_frame() {
        // SAFETY: the stub is longer than that, and code can be read.
        let code = unsafe { std::slice::from_raw_parts(first_call as *const u8, 256) };
        // `leave; jmp rax`
        let jump = code.windows(3).position(|bytes| bytes == [0xc9, 0xff, 0xe0]).unwrap() + 1;
        provide(1).unwrap();
        let func = DefinedFuncIndex::new(0);
        let (through_slot, first) = (through_slot(func).addr(), first_call_thunk(func).addr());
        let places = [code.as_ptr().addr(), code.as_ptr().addr() + jump];
        // An address in the arena that stands for the caller's.
        let stack = [through_slot];
        for pc in places
            .into_iter()
            .chain([0, 4].map(|at| through_slot + at))
            .chain([0, 5, 15].map(|at| first + at))
        {
            // SAFETY: a C structure of numbers and pointers, for which all zero is valid.
            let mut context: libc::ucontext_t = unsafe { std::mem::zeroed() };
            context.uc_mcontext.gregs[libc::REG_RIP as usize] = pc as i64;
            context.uc_mcontext.gregs[libc::REG_RSP as usize] = stack.as_ptr().addr() as i64;
            // SAFETY: a context at the start of an instruction of the stub or of a thunk, with a stack of one word.
            let found = unsafe { Machine::new(&mut context).link() };
            assert_eq!(found.hidden, Some(through_slot), "{pc:x}");
        }
    }
}
