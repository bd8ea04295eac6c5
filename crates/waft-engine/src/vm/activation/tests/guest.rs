//! Guest functions in assembly, copied to where guest code lives.

use super::*;
use crate::vm::code_memory::CodeInfo;
use core::arch::{global_asm, naked_asm};
use std::ops::Range;

/// Defines the functions: their code lies between two symbols, and `trap:` or `after:` in it become a third and fourth.
macro_rules! guests {
    ($($(#[$doc:meta])* $name:ident = $symbol:literal, $trap:ident: $($asm:literal)*;)*) => {
        #[derive(Clone, Copy)]
        pub(super) enum Guest {
            $($(#[$doc])* $name,)*
        }
        $(global_asm!(
            ".pushsection .rodata.waft_test, \"a\", @progbits",
            concat!(".global waft_test_", $symbol, ", waft_test_", $symbol, "_end"),
            concat!(".global waft_test_", $symbol, "_mark"),
            concat!("waft_test_", $symbol, ":"),
            $(concat!($asm, "\n"),)*
            concat!("waft_test_", $symbol, "_end:"),
            concat!(".set waft_test_", $symbol, "_mark, 77b"),
            ".popsection",
        );)*
        impl Guest {
            pub(super) fn publish(self) -> Registered {
                match self {
                    $(Self::$name => {
                        unsafe extern "C" {
                            #[link_name = concat!("waft_test_", $symbol)]
                            static START: u8;
                            #[link_name = concat!("waft_test_", $symbol, "_mark")]
                            static MARK: u8;
                            #[link_name = concat!("waft_test_", $symbol, "_end")]
                            static END: u8;
                        }
                        let at = [&raw const START, &raw const MARK, &raw const END].map(|at| at.addr());
                        // SAFETY: the bytes between the labels of the assembly above.
                        let code = unsafe { std::slice::from_raw_parts(&raw const START, at[2] - at[0]) };
                        Registered::new(code, (at[1] - at[0]) as u32, TrapCode::$trap)
                    })*
                }
            }
        }
    };
}

guests! {
    /// Stores its arguments in its context, and gives results.
    Spy = "spy", UnreachableCodeReached: "
        77:
        mov [rdi + 32], rsi
        mov [rdi + 40], rdx
        mov [rdi + 48], rcx
        mov [rdi + 56], r8
        mov [rdi + 64], r9
        movups [rdi + 80], xmm0
        movups [rdi + 96], xmm1
        movups [rdi + 112], xmm2
        movups [rdi + 128], xmm3
        movups [rdi + 144], xmm4
        movups [rdi + 160], xmm5
        movups [rdi + 176], xmm6
        movups [rdi + 192], xmm7
        mov r11, [rdi + 24]
        xor ecx, ecx
        2: cmp rcx, r11
        je 3f
        mov rax, [rsp + rcx + 8]
        mov [rdi + rcx + 208], rax
        add rcx, 8
        jmp 2b
        3: mov eax, 71
        mov ecx, 72
        mov edx, 73
        mov esi, 74
        movaps xmm0, xmm7
        movaps xmm1, xmm6
        movaps xmm2, xmm5
        movaps xmm3, xmm4
        pop r10
        add rsp, r11
        jmp r10";
    /// Destroys every register.
    Clobber = "clobber", UnreachableCodeReached: "
        77: mov eax, 0x5555
        mov rbx, rax
        mov rcx, rax
        mov r12, rax
        mov r13, rax
        mov r14, rax
        mov r15, rax
        ret";
    /// Destroys every register, the frame pointer included, and traps.
    ClobberAndTrap = "clobber_and_trap", UnreachableCodeReached: "
        mov eax, 0x5555
        mov rbx, rax
        mov rbp, rax
        mov r12, rax
        mov r13, rax
        mov r14, rax
        mov r15, rax
        77: ud2";
    Unreachable = "unreachable", UnreachableCodeReached: "
        push rbp
        mov rbp, rsp
        77: ud2";
    /// Loads from its first argument.
    Load = "load", MemoryOutOfBounds: "
        push rbp
        mov rbp, rsp
        77: mov rax, [rsi]
        pop rbp
        ret";
    Divide = "divide", IntegerDivisionByZero: "
        push rbp
        mov rbp, rsp
        xor ecx, ecx
        mov eax, 1
        cdq
        77: idiv ecx
        pop rbp
        ret";
    /// As many frames as its first argument says, then a trap.
    Recurse = "recurse", UnreachableCodeReached: "
        2: push rbp
        mov rbp, rsp
        dec rsi
        je 77f
        call 2b
        pop rbp
        ret
        77: ud2";
    /// Frames of 16 bytes until the stack limit.
    Exhaust = "exhaust", StackOverflow: "
        2: push rbp
        mov rbp, rsp
        mov rax, [rdi]
        cmp rsp, [rax]
        jb 77f
        call 2b
        pop rbp
        ret
        77: ud2";
    /// Calls the callee of its context. The mark is after the call.
    Relay = "relay", UnreachableCodeReached: "
        push rbp
        mov rbp, rsp
        mov rax, [rdi + 8]
        mov rdi, [rdi + 16]
        call rax
        77: pop rbp
        ret";
    /// The same, then a trap.
    RelayThenTrap = "relay_then_trap", LibcallFailed: "
        push rbp
        mov rbp, rsp
        mov rax, [rdi + 8]
        mov rdi, [rdi + 16]
        call rax
        77: ud2";
    /// Runs for ever.
    Spin = "spin", UnreachableCodeReached: "
        push rbp
        mov rbp, rsp
        77: jmp 77b";
    /// Runs for ever, in and out of functions.
    SpinCalls = "spin_calls", UnreachableCodeReached: "
        push rbp
        mov rbp, rsp
        2: call 3f
        77: jmp 2b
        3: push rbp
        mov rbp, rsp
        pop rbp
        ret";
    /// Calls the callee of its context for ever.
    SpinRelay = "spin_relay", UnreachableCodeReached: "
        push rbp
        mov rbp, rsp
        push rdi
        push rdi
        2: mov rdi, [rsp]
        mov rax, [rdi + 8]
        mov rdi, [rdi + 16]
        call rax
        77: jmp 2b";
    /// Calls a library call for ever, with its own context.
    SpinLibcall = "spin_libcall", UnreachableCodeReached: "
        push rbp
        mov rbp, rsp
        push rdi
        push rdi
        2: mov rdi, [rsp]
        mov rax, [rdi + 8]
        call rax
        77: jmp 2b";
}

struct Mark(u32, TrapCode);

impl CodeInfo for Mark {
    fn trap_code(&self, offset: u32) -> Option<TrapCode> {
        (offset == self.0).then_some(self.1)
    }
    fn frames(&self, _: u32) -> usize {
        1
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A guest function that can run, with one trap site.
pub(super) struct Registered {
    memory: CodeMemory,
    mark: usize,
}

impl Registered {
    fn new(code: &[u8], mark: u32, trap: TrapCode) -> Self {
        let memory = CodeMemory::publish(code).unwrap();
        memory.register(Arc::new(Mark(mark, trap)));
        Self { mark: memory.range().start + mark as usize, memory }
    }
    pub(super) fn code(&self) -> *const u8 {
        self.memory.as_ptr()
    }
    pub(super) fn range(&self) -> Range<usize> {
        self.memory.range()
    }
    pub(super) fn trap_pc(&self) -> usize {
        self.mark
    }
    pub(super) fn after_call(&self) -> usize {
        self.mark
    }
    /// The same code in another place, where nothing is known about it.
    pub(super) fn unknown_copy(&self) -> CodeMemory {
        CodeMemory::publish(&self.memory).unwrap()
    }
}

/// Calls `run` with known values in the registers that a C function keeps. How many it changed.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn call_and_compare_registers(
    run: extern "C" fn(*mut c_void),
    argument: *mut c_void,
) -> u32 {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rsp",
        "mov ebx, 0x1001",
        "mov ebp, 0x1002",
        "mov r12d, 0x1003",
        "mov r13d, 0x1004",
        "mov r14d, 0x1005",
        "mov r15d, 0x1006",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "xor eax, eax",
        "xor ecx, ecx",
        "cmp rbx, 0x1001",
        "setne cl",
        "add eax, ecx",
        "cmp rbp, 0x1002",
        "setne cl",
        "add eax, ecx",
        "cmp r12, 0x1003",
        "setne cl",
        "add eax, ecx",
        "cmp r13, 0x1004",
        "setne cl",
        "add eax, ecx",
        "cmp r14, 0x1005",
        "setne cl",
        "add eax, ecx",
        "cmp r15, 0x1006",
        "setne cl",
        "add eax, ecx",
        "lea rdx, [rsp + 8]",
        "pop rcx",
        "cmp rcx, rdx",
        "setne cl",
        "movzx ecx, cl",
        "add eax, ecx",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}
