//! The machine's registers in a signal, and where the frame of what it interrupted is.

use crate::vm::activation::VmActivation;
use crate::vm::code_memory::arena_contains;
use crate::vm::{stub, thunk};

/// The registers of the code that a signal interrupted.
pub(in crate::vm) struct Machine<'a>(&'a mut libc::ucontext_t);

/// How a walk goes on from an interrupted instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::vm) struct Link {
    /// The return address of the running function, if its frame is not linked yet, or not any more.
    pub(in crate::vm) hidden: Option<usize>,
    /// The innermost linked frame.
    pub(in crate::vm) fp: usize,
}

impl<'a> Machine<'a> {
    /// The registers in the context that a handler was given.
    pub(in crate::vm) fn new(context: &'a mut libc::ucontext_t) -> Self {
        Self(context)
    }

    /// The instruction that faulted, or that is next.
    pub(in crate::vm) fn pc(&self) -> usize {
        self.register(libc::REG_RIP)
    }

    /// The stack pointer.
    pub(in crate::vm) fn sp(&self) -> usize {
        self.register(libc::REG_RSP)
    }

    /// The frame pointer.
    pub(in crate::vm) fn fp(&self) -> usize {
        self.register(libc::REG_RBP)
    }

    /// Lets the thread continue in [`raise`](stub::raise) when the handler returns.
    ///
    /// # Safety
    ///
    /// * As [`raise`](stub::raise), for the interrupted code.
    pub(in crate::vm) unsafe fn redirect_to_raise(&mut self, activation: *mut VmActivation) {
        self.0.uc_mcontext.gregs[libc::REG_RIP as usize] = super::raise as *const () as i64;
        self.0.uc_mcontext.gregs[libc::REG_RDI as usize] = activation.addr() as i64;
    }

    /// Where the running function's frame is, whatever instruction of it is next.
    ///
    /// # Safety
    ///
    /// * The context is that of guest code or a stub, interrupted at an instruction's start.
    pub(in crate::vm) unsafe fn link(&self) -> Link {
        let code = Code(self.pc());
        // SAFETY: the caller's promise: the thread is about to execute what is read there, and then what that leads to.
        let place =
            unsafe { if stub::contains(self.pc()) { self.in_stub(code) } else { self.in_guest(code) } };
        // SAFETY: at these instructions the convention has a return address there, on the live stack.
        let on_stack = |at: usize| unsafe { ((self.sp() + at) as *const usize).read() };
        let (hidden, fp) = match place {
            Place::Linked => (None, self.fp()),
            Place::Moved(by) => (None, self.sp() + by),
            Place::Stack(at) => (Some(on_stack(at)), self.fp()),
            Place::Register(index) => (Some(self.register(index)), self.fp()),
            Place::Copied => (Some(self.register(libc::REG_R11)), on_stack(0)),
        };
        Link { hidden: hidden.filter(|pc| arena_contains(*pc)), fp }
    }

    /// # Safety
    ///
    /// * `code` is an instruction of a stub, and next.
    unsafe fn in_stub(&self, code: Code) -> Place {
        // SAFETY: instructions end with the whole pattern that they begin with.
        unsafe {
            match code.byte(0) {
                PUSH_RBP | RET => Place::Stack(0),
                0x48 if code.is(&[0x48, 0x89, 0xe5]) && code.follows_push() => Place::Stack(8),
                // The end of `first_call`, which has given its frame up: `jmp rax`.
                0xff if code.is(&[0xff, 0xe0]) => Place::Stack(0),
                // The end of an exit stub that removes stack arguments: `pop r10`, then `add rsp, rdi` and `jmp r10`.
                0x41 if code.is(&[0x41, 0x5a]) => Place::Stack(0),
                0x48 if code.is(&[0x48, 0x01, 0xfc]) => Place::Register(libc::REG_R10),
                0x41 if code.is(&[0x41, 0xff, 0xe2]) => Place::Register(libc::REG_R10),
                // Where a landing's frame is set, but not yet its stack: `mov rsp, rcx`.
                0x48 if code.is(&[0x48, 0x89, 0xcc]) => Place::Register(libc::REG_R10),
                _ => Place::Linked,
            }
        }
    }

    /// # Safety
    ///
    /// * `code` is an instruction of a guest or a thunk, and next.
    unsafe fn in_guest(&self, code: Code) -> Place {
        // SAFETY: instructions end with the whole pattern that they begin with; longer ones are read one by one, the next
        // after one that does not branch.
        unsafe {
            match code.byte(0) {
                // A thunk has no frame, and leaves its caller's return address where it is.
                _ if thunk::contains(self.pc()) => Place::Stack(0),
                PUSH_RBP | RET | RET_ARGS => Place::Stack(0),
                // `mov rbp, rsp` in both encodings. Cranelift has it once more where it moves the link.
                0x48 if (code.is(&[0x48, 0x89, 0xe5]) || code.is(&[0x48, 0x8b, 0xec]))
                    && code.follows_push() =>
                {
                    Place::Stack(8)
                }
                0x4c if self.sp() == self.fp() => code.link_move(),
                _ => match code.replacement() {
                    (jump, place) if self.jumps_to_function(jump) => place,
                    _ => Place::Linked,
                },
            }
        }
    }

    /// Whether the instruction is a jump to where another function begins, as at the end of a tail call.
    ///
    /// # Safety
    ///
    /// * `code` is an instruction of a guest, which is executed with these registers.
    unsafe fn jumps_to_function(&self, code: Code) -> bool {
        // SAFETY: instructions end with the whole pattern that they begin with; what a jump leads to is executed next.
        unsafe {
            let target = match code.byte(0) {
                0xe9 => (code.0 + 5).wrapping_add_signed(code.imm32(1) as isize),
                0xff if code.byte(1) & 0xf8 == JUMP_TO_REG => self.operand(code.byte(1) & 7),
                0x41 if code.byte(1) == 0xff && code.byte(2) & 0xf8 == JUMP_TO_REG => {
                    self.operand(code.byte(2) & 7 | 8)
                }
                _ => return false,
            };
            let is_code = arena_contains(target) || stub::contains(target);
            is_code && (thunk::contains(target) || Code(target).byte(0) == PUSH_RBP)
        }
    }

    /// The general register of a number that instructions name it by.
    fn operand(&self, number: u8) -> usize {
        use libc::{REG_R8, REG_RAX, REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RSI, REG_RSP};
        let low = [REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI];
        let high = || REG_R8 + libc::c_int::from(number) - 8;
        self.register(low.get(usize::from(number)).copied().unwrap_or_else(high))
    }

    fn register(&self, index: libc::c_int) -> usize {
        self.0.uc_mcontext.gregs[index as usize] as usize
    }
}

/// Where the return address of the running function is.
#[derive(Clone, Copy)]
enum Place {
    /// In its frame, to which the frame pointer points.
    Linked,
    /// In its frame, which is so many bytes above the stack pointer, to where the frame pointer points already.
    Moved(usize),
    /// On the stack, so many bytes above the stack pointer; the frame pointer shows the caller's frame.
    Stack(usize),
    /// In a register; the frame pointer shows the caller's frame.
    Register(libc::c_int),
    /// In `r11`, and the caller's frame pointer on the stack.
    Copied,
}

/// `push rbp`, with which every function and stub begins, and which no branch within one leads to.
const PUSH_RBP: u8 = 0x55;
const RET: u8 = 0xc3;
const RET_ARGS: u8 = 0xc2;
/// `jmp` in a ModRM byte after `0xff`, with the register in the low bits.
const JUMP_TO_REG: u8 = 0xe0;
/// `mov [rsp], r11`
const STORE_FIRST: [u8; 4] = [0x4c, 0x89, 0x1c, 0x24];
/// `mov [rsp + 8], r11`
const STORE_SECOND: [u8; 5] = [0x4c, 0x89, 0x5c, 0x24, 8];

/// An address of code.
#[derive(Clone, Copy)]
struct Code(usize);

impl Code {
    /// # Safety
    ///
    /// * This and the bytes up to `at` are code.
    unsafe fn byte(self, at: usize) -> u8 {
        // SAFETY: pages of code are readable.
        unsafe { ((self.0 + at) as *const u8).read() }
    }

    /// # Safety
    ///
    /// * Whatever begins with some of `bytes` goes on to their end.
    unsafe fn is(self, bytes: &[u8]) -> bool {
        // SAFETY: the comparison ends where there may be no more.
        bytes.iter().enumerate().all(|(at, byte)| unsafe { self.byte(at) } == *byte)
    }

    /// Whether the byte before is `push rbp`, and no part of an instruction that ends so.
    ///
    /// # Safety
    ///
    /// * This is `mov rbp, rsp`, which nothing begins with.
    unsafe fn follows_push(self) -> bool {
        // SAFETY: so there is an instruction before. If it is not the push, it is `sub rsp` of a few pages at most.
        unsafe { Self(self.0 - 1).byte(0) == PUSH_RBP }
    }

    /// # Safety
    ///
    /// * So many bytes and four more are code.
    unsafe fn imm32(self, at: usize) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { ((self.0 + at) as *const i32).read_unaligned() }
    }

    /// Where the link is while Cranelift moves it down, to where the frame pointer shows, because functions that this one
    /// calls in its place take more arguments: `mov r11, [rsp + bytes]; mov [rsp], r11`, and the same for the second word.
    ///
    /// # Safety
    ///
    /// * This is an instruction of a frame without anything below it, where nothing else writes there.
    unsafe fn link_move(self) -> Place {
        // SAFETY: each pattern begins an instruction that has its whole length, and none of these branches.
        unsafe {
            let load = |code: Self| {
                if code.is(&[0x4c, 0x8b, 0x5c, 0x24]) {
                    Some((code.byte(4).into(), Self(code.0 + 5)))
                } else if code.is(&[0x4c, 0x8b, 0x9c, 0x24]) {
                    Some((code.imm32(4) as usize, Self(code.0 + 8)))
                } else {
                    None
                }
            };
            match load(self) {
                Some((bytes, next)) if next.is(&STORE_FIRST) => Place::Moved(bytes),
                Some((bytes, next)) if next.is(&STORE_SECOND) => Place::Moved(bytes.saturating_sub(8)),
                None if self.is(&STORE_SECOND) => Place::Copied,
                None if self.is(&STORE_FIRST) => load(Self(self.0 + STORE_FIRST.len()))
                    .map_or(Place::Linked, |(bytes, _)| Place::Moved(bytes.saturating_sub(8))),
                _ => Place::Linked,
            }
        }
    }

    /// The length of `movups` to or from `xmm15`, if that is what it is, with an operand at `rsp` or `r10`.
    ///
    /// # Safety
    ///
    /// * This is an instruction.
    unsafe fn argument_move(self) -> Option<usize> {
        // SAFETY: an instruction that begins so goes on with a ModRM byte, and that says how long it is.
        unsafe {
            if self.byte(1) != 0x0f || !matches!(self.byte(2), 0x10 | 0x11) {
                return None;
            }
            let modrm = self.byte(3);
            // Not between two registers.
            if modrm >> 6 == 3 {
                return None;
            }
            let base = match (self.byte(0), modrm & 0x3f) {
                // `xmm15`, and `rsp`, which takes a byte more.
                (0x44, 0x3c) if self.byte(4) == 0x24 => 5,
                // `xmm15`, and `r10`.
                (0x45, 0x3a) => 4,
                _ => return None,
            };
            match modrm >> 6 {
                0 => Some(base),
                1 => Some(base + 1),
                _ => Some(base + 4),
            }
        }
    }

    /// What the tiers emit between a frame and the jump to the function that replaces it: where that jump is, and where the
    /// return address is until then. This may be the jump.
    ///
    /// # Safety
    ///
    /// * This is an instruction.
    unsafe fn replacement(self) -> (Self, Place) {
        let mut next = self;
        let mut place = Place::Stack(0);
        loop {
            // SAFETY: each pattern begins an instruction that has its whole length, and none of these branches.
            let bytes = unsafe {
                match next.byte(0) {
                    // Cranelift, with the return address on the stack: `mov r11, [rsp]; mov [rsp + bytes], r11; add rsp, bytes`.
                    0x4c if next.is(&[0x4c, 0x8b, 0x1c, 0x24]) => 4,
                    0x4c if next.is(&[0x4c, 0x89, 0x5c, 0x24]) => 5,
                    0x4c if next.is(&[0x4c, 0x89, 0x9c, 0x24]) => 8,
                    0x48 if next.is(&[0x48, 0x83, 0xc4]) => 4,
                    0x48 if next.is(&[0x48, 0x81, 0xc4]) => 7,
                    // The baseline, with it in `r11` and the old frame at `r10`: arguments move through `xmm15`, then
                    // `lea rsp, [r10 + bytes]; mov [rsp], r11`.
                    0x44 | 0x45 if let Some(bytes) = next.argument_move() => {
                        place = Place::Register(libc::REG_R11);
                        bytes
                    }
                    0x49 if next.is(&[0x49, 0x8d, 0x62]) => {
                        place = Place::Register(libc::REG_R11);
                        4
                    }
                    0x49 if next.is(&[0x49, 0x8d, 0xa2]) => {
                        place = Place::Register(libc::REG_R11);
                        7
                    }
                    0x4c if next.is(&STORE_FIRST) => {
                        place = Place::Register(libc::REG_R11);
                        4
                    }
                    _ => return (next, place),
                }
            };
            next = Self(next.0 + bytes);
        }
    }
}
