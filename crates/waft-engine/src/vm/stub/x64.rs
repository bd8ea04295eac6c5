//! The crossings on x86-64.
//!
//! Where arguments or results are in their registers, assembly uses only those that carry neither in the convention: `r10`
//! and `r11`, besides `rax` before a call and `rdi` after it.
//!
//! The return addresses of `enter` and of exit stubs with stack arguments do not match the processor's prediction stack
//! when something raises or the stub returns by a jump; both are rare or unavoidable. Shadow stacks (CET) are off in
//! processes that link this.

mod lazy;
mod machine;

pub(in crate::vm) use lazy::{FIRST_CALL_AT, THUNK_BYTES, thunk};
pub(in crate::vm) use machine::{Link, Machine};

use super::{ENTERED, INTERRUPTED, RAISED, VmCallFrame, VmHostFunc, leave_exit};
use crate::vm::activation::{Landing, VmActivation, VmStoreContext};
use core::arch::naked_asm;
use std::mem::offset_of;
use waft_core::layout::store_context;

/// Saves what the host wants back, arms the activation and leaves `enter` if an interrupt is pending.
///
/// In: `rdi` activation, `rsi` code, `rdx` frame. Out: `r10` frame, `r11` code, `rsp` aligned to 16.
macro_rules! enter_prologue {
    () => {
        "push rbp
         mov rbp, rsp
         push rbx
         push r12
         push r13
         push r14
         push r15
         push rdx
         push rdi
         push rdi
         mov [rdi + {entry_fp}], rbp
         mov [rdi + {sp}], rsp
         mov rax, [rdi + {store}]
         cmp dword ptr [rax + {interrupt}], 0
         jne 9f
         mov r10, rdx
         mov r11, rsi"
    };
}

/// Copies stack arguments below `rsp`, from the top down, so that every page of the stack is touched in order and a
/// guard page is never jumped over. In: `r10` frame. Clobbers `rax`, `rcx`, `rdx`.
macro_rules! push_stack_args {
    () => {
        "mov rcx, [r10 + {stack_bytes}]
         test rcx, rcx
         je 3f
         mov rdx, [r10 + {stack}]
         2:
         push qword ptr [rdx + rcx - 8]
         sub rcx, 8
         jne 2b
         3:"
    };
}

macro_rules! load_int_args {
    () => {
        "mov rdi, [r10 + {ints}]
         mov rsi, [r10 + {ints} + 8]
         mov rdx, [r10 + {ints} + 16]
         mov rcx, [r10 + {ints} + 24]
         mov r8, [r10 + {ints} + 32]
         mov r9, [r10 + {ints} + 40]"
    };
}

/// Stores integer results. Out: `r10` frame. The callee removed the stack arguments, so `rsp` is what was saved.
macro_rules! store_int_results {
    () => {
        "mov r10, [rsp + 16]
         mov [r10 + {int_results}], rax
         mov [r10 + {int_results} + 8], rcx
         mov [r10 + {int_results} + 16], rdx
         mov [r10 + {int_results} + 24], rsi"
    };
}

/// Disarms the activation, because its saved `rsp` dies here, restores what the host wants back and returns.
macro_rules! enter_epilogue {
    () => {
        "mov eax, {entered}
         8:
         mov r10, [rsp]
         mov qword ptr [r10 + {sp}], 0
         add rsp, 24
         pop r15
         pop r14
         pop r13
         pop r12
         pop rbx
         pop rbp
         ret
         9:
         mov eax, {interrupted}
         jmp 8b"
    };
}

/// Calls guest code.
///
/// # Safety
///
/// As [`super::enter`].
#[unsafe(naked)]
#[unsafe(link_section = "waft_stub")]
pub(super) unsafe extern "C" fn enter(
    activation: *mut VmActivation,
    code: *const u8,
    frame: *mut VmCallFrame,
) -> u32 {
    naked_asm!(
        enter_prologue!(),
        push_stack_args!(),
        "movaps xmm0, [r10 + {floats}]",
        "movaps xmm1, [r10 + {floats} + 16]",
        "movaps xmm2, [r10 + {floats} + 32]",
        "movaps xmm3, [r10 + {floats} + 48]",
        "movaps xmm4, [r10 + {floats} + 64]",
        "movaps xmm5, [r10 + {floats} + 80]",
        "movaps xmm6, [r10 + {floats} + 96]",
        "movaps xmm7, [r10 + {floats} + 112]",
        load_int_args!(),
        "call r11",
        store_int_results!(),
        "movaps [r10 + {floats}], xmm0",
        "movaps [r10 + {floats} + 16], xmm1",
        "movaps [r10 + {floats} + 32], xmm2",
        "movaps [r10 + {floats} + 48], xmm3",
        enter_epilogue!(),
        entry_fp = const offset_of!(VmActivation, entry_fp),
        sp = const offset_of!(VmActivation, sp),
        store = const offset_of!(VmActivation, store),
        interrupt = const store_context::INTERRUPT,
        ints = const offset_of!(VmCallFrame, ints),
        floats = const offset_of!(VmCallFrame, floats),
        stack = const offset_of!(VmCallFrame, stack),
        stack_bytes = const offset_of!(VmCallFrame, stack_bytes),
        int_results = const offset_of!(VmCallFrame, int_results),
        entered = const ENTERED,
        interrupted = const INTERRUPTED,
    )
}

/// Calls guest code whose signature has no floats: 12 vector loads and stores less.
///
/// # Safety
///
/// As [`super::enter`].
#[unsafe(naked)]
#[unsafe(link_section = "waft_stub")]
pub(super) unsafe extern "C" fn enter_ints(
    activation: *mut VmActivation,
    code: *const u8,
    frame: *mut VmCallFrame,
) -> u32 {
    naked_asm!(
        enter_prologue!(),
        push_stack_args!(),
        load_int_args!(),
        "call r11",
        store_int_results!(),
        enter_epilogue!(),
        entry_fp = const offset_of!(VmActivation, entry_fp),
        sp = const offset_of!(VmActivation, sp),
        store = const offset_of!(VmActivation, store),
        interrupt = const store_context::INTERRUPT,
        ints = const offset_of!(VmCallFrame, ints),
        stack = const offset_of!(VmCallFrame, stack),
        stack_bytes = const offset_of!(VmCallFrame, stack_bytes),
        int_results = const offset_of!(VmCallFrame, int_results),
        entered = const ENTERED,
        interrupted = const INTERRUPTED,
    )
}

/// Returns from the `enter` of an armed activation.
///
/// # Safety
///
/// As [`super::raise`].
#[unsafe(naked)]
#[unsafe(link_section = "waft_stub")]
pub(super) unsafe extern "C" fn raise(activation: *mut VmActivation) -> ! {
    naked_asm!(
        "mov rsp, [rdi + {sp}]",
        "mov qword ptr [rdi + {sp}], 0",
        "mov eax, {raised}",
        "add rsp, 24",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
        sp = const offset_of!(VmActivation, sp),
        raised = const RAISED,
    )
}

/// Makes the frame that of the exit stub, for backtraces, and goes on in [`land_armed`]. It is host code: a signal that
/// comes here is found there.
///
/// # Safety
///
/// As [`super::land`].
#[unsafe(naked)]
pub(super) unsafe extern "C" fn land(landing: *const Landing, store: *const VmStoreContext) {
    naked_asm!(
        "push rbp",
        "mov rbp, [rdi + {exit_fp}]",
        "jmp {armed}",
        exit_fp = const offset_of!(Landing, exit_fp),
        armed = sym land_armed,
    )
}

/// Goes on where a guest catches an exception: nothing but the stack, the frame and the reference to the exception (`rax`)
/// is in registers there. Returns from [`land`] if there is a request to interrupt.
///
/// # Safety
///
/// * [`land`] jumps here.
#[unsafe(naked)]
#[unsafe(link_section = "waft_stub")]
unsafe extern "C" fn land_armed() {
    naked_asm!(
        "cmp dword ptr [rsi + {interrupt}], 0",
        "jne 2f",
        "mov rax, [rdi + {exception}]",
        "mov r10, [rdi + {pc}]",
        "mov rcx, [rdi + {sp}]",
        "mov rbp, [rdi + {fp}]",
        "mov rsp, rcx",
        "jmp r10",
        "2:",
        "pop rbp",
        "ret",
        interrupt = const store_context::INTERRUPT,
        exception = const offset_of!(Landing, exception),
        pc = const offset_of!(Landing, pc),
        sp = const offset_of!(Landing, sp),
        fp = const offset_of!(Landing, fp),
    )
}

/// Bytes below an exit stub's `rbp`: a call frame, and a slot for the host function (keeping the stack aligned).
const EXIT_BYTES: usize = size_of::<VmCallFrame>() + 16;

/// Builds a call frame on the stack and stores integer arguments. In: `rdi` host function. Out: `rdi` the same.
macro_rules! exit_prologue {
    () => {
        "push rbp
         mov rbp, rsp
         sub rsp, {exit_bytes}
         mov [rbp - 8], rdi
         mov [rsp + {ints}], rdi
         mov [rsp + {ints} + 8], rsi
         mov [rsp + {ints} + 16], rdx
         mov [rsp + {ints} + 24], rcx
         mov [rsp + {ints} + 32], r8
         mov [rsp + {ints} + 40], r9
         lea rax, [rbp + 16]
         mov [rsp + {stack}], rax
         mov eax, [rdi + {func_stack_bytes}]
         mov [rsp + {stack_bytes}], rax
         mov r10, [rdi + {store}]
         mov [r10 + {exit_fp}], rbp"
    };
}

/// Calls the host; on a failure or a pending interrupt, goes through [`leave_exit`], which returns only to resume.
macro_rules! exit_call {
    () => {
        "mov rsi, rsp
         call [rdi + {call}]
         mov rdi, [rbp - 8]
         mov r10, [rdi + {store}]
         mov ecx, [r10 + {interrupt}]
         or ecx, eax
         jne 9f
         2:"
    };
}

/// Loads integer results, removes the stack arguments and returns.
macro_rules! exit_epilogue {
    () => {
        "mov rdi, [rbp - 8]
         mov rax, [rsp + {int_results}]
         mov rcx, [rsp + {int_results} + 8]
         mov rdx, [rsp + {int_results} + 16]
         mov rsi, [rsp + {int_results} + 24]
         mov edi, [rdi + {func_stack_bytes}]
         test edi, edi
         jne 3f
         leave
         ret
         3:
         leave
         pop r10
         add rsp, rdi
         jmp r10
         9:
         mov rdi, r10
         mov esi, eax
         call {leave}
         jmp 2b"
    };
}

/// The code of host functions.
///
/// # Safety
///
/// * Called by guest code or an `enter`, by the convention, with a live [`VmHostFunc`] of the running store as context.
#[unsafe(naked)]
#[unsafe(link_section = "waft_stub")]
pub(super) unsafe extern "C" fn exit() {
    naked_asm!(
        exit_prologue!(),
        "movaps [rsp + {floats}], xmm0",
        "movaps [rsp + {floats} + 16], xmm1",
        "movaps [rsp + {floats} + 32], xmm2",
        "movaps [rsp + {floats} + 48], xmm3",
        "movaps [rsp + {floats} + 64], xmm4",
        "movaps [rsp + {floats} + 80], xmm5",
        "movaps [rsp + {floats} + 96], xmm6",
        "movaps [rsp + {floats} + 112], xmm7",
        exit_call!(),
        "movaps xmm0, [rsp + {floats}]",
        "movaps xmm1, [rsp + {floats} + 16]",
        "movaps xmm2, [rsp + {floats} + 32]",
        "movaps xmm3, [rsp + {floats} + 48]",
        exit_epilogue!(),
        exit_bytes = const EXIT_BYTES,
        ints = const offset_of!(VmCallFrame, ints),
        floats = const offset_of!(VmCallFrame, floats),
        stack = const offset_of!(VmCallFrame, stack),
        stack_bytes = const offset_of!(VmCallFrame, stack_bytes),
        int_results = const offset_of!(VmCallFrame, int_results),
        call = const offset_of!(VmHostFunc, call),
        store = const offset_of!(VmHostFunc, store),
        func_stack_bytes = const offset_of!(VmHostFunc, stack_bytes),
        exit_fp = const store_context::EXIT_FP,
        interrupt = const store_context::INTERRUPT,
        leave = sym leave_exit,
    )
}

/// The code of host functions whose signature has no floats.
///
/// # Safety
///
/// As [`exit`].
#[unsafe(naked)]
#[unsafe(link_section = "waft_stub")]
pub(super) unsafe extern "C" fn exit_ints() {
    naked_asm!(
        exit_prologue!(),
        exit_call!(),
        exit_epilogue!(),
        exit_bytes = const EXIT_BYTES,
        ints = const offset_of!(VmCallFrame, ints),
        stack = const offset_of!(VmCallFrame, stack),
        stack_bytes = const offset_of!(VmCallFrame, stack_bytes),
        int_results = const offset_of!(VmCallFrame, int_results),
        call = const offset_of!(VmHostFunc, call),
        store = const offset_of!(VmHostFunc, store),
        func_stack_bytes = const offset_of!(VmHostFunc, stack_bytes),
        exit_fp = const store_context::EXIT_FP,
        interrupt = const store_context::INTERRUPT,
        leave = sym leave_exit,
    )
}

/// Defines the function that guests call for a library call: the implementation, a C function of at most six integers
/// the first of which is the context, wrapped so that backtraces start at the guest's call, a failure raises at once,
/// and an interrupt that came during a long call is not lost.
///
/// `libcall_stub!(fn NAME => IMPLEMENTATION);`
macro_rules! libcall_stub {
    ($(#[$attr:meta])* $vis:vis fn $name:ident => $implementation:path) => {
        $(#[$attr])*
        #[unsafe(naked)]
        #[unsafe(link_section = "waft_stub")]
        $vis unsafe extern "C" fn $name() {
            core::arch::naked_asm!(
                "push rbp",
                "mov rbp, rsp",
                "sub rsp, 16",
                "mov r10, [rdi + {store}]",
                "mov [rbp - 8], r10",
                "mov [r10 + {exit_fp}], rbp",
                "call {implementation}",
                "mov r10, [rbp - 8]",
                "cmp dword ptr [r10 + {interrupt}], 0",
                "jne 2f",
                "leave",
                "ret",
                "2:",
                "mov [rbp - 16], rax",
                "mov rdi, r10",
                "xor esi, esi",
                "call {leave}",
                "mov rax, [rbp - 16]",
                "leave",
                "ret",
                store = const waft_core::layout::VmLayout::STORE,
                exit_fp = const waft_core::layout::store_context::EXIT_FP,
                interrupt = const waft_core::layout::store_context::INTERRUPT,
                implementation = sym $implementation,
                leave = sym $crate::vm::activation::leave_exit,
            )
        }
    };
}
pub(in crate::vm) use libcall_stub;
