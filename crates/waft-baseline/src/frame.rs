//! The frame: where locals live, prologue and epilogue.
//!
//! ```text
//! rbp + 16  stack arguments
//! rbp + 8   return address
//! rbp       the caller's rbp
//!           the caller's registers that this function uses
//!           the context, the address of the result area
//!           homes of locals that need one
//!           slots of operands
//! rsp       aligned to 16
//! ```
//!
//! How large it is is known at the end: the prologue is patched.

use crate::compiler::{CompileResult, Compiler, unreadable};
use crate::value::{Loc, Local, Operand, Ty};
use crate::x64::{
    ARG_GPRS, Alu, Cond, Gpr, LOCAL_XMMS, Mem, R11, R14, RAX, RBP, RCX, RDI, RSP, Rm, SAVED_GPRS,
    UNSAVED_GPRS, Width, XMM15, Xmm,
};
use waft_core::convention::{ArgPlaces, INT_ARGS, Place, Results};
use waft_core::index::MemoryIndex;
use waft_core::layout::{self, VmLayout, store_context};
use waft_core::trap::TrapCode;

/// More accesses to memory than this, weighed, pay for a register with its base.
const ACCESSES_MIN: u32 = 2;
/// More uses of a local than this, weighed, pay for saving a register of the caller's.
const USES_MIN: u32 = 2;
/// Up to so many bytes of homes are zeroed by stores; more by a loop.
const ZEROED_INLINE_MAX: u32 = 128;

/// A local and how much it is used.
#[derive(Clone, Copy, Default)]
struct Hot {
    local: u32,
    uses: u32,
}

/// The most used locals of one kind, most used first.
struct Hottest<const N: usize> {
    list: [Hot; N],
    len: usize,
}

impl<const N: usize> Hottest<N> {
    fn new() -> Self {
        Self { list: [Hot::default(); N], len: 0 }
    }
    fn offer(&mut self, hot: Hot) {
        if self.len == N && self.list[N - 1].uses >= hot.uses {
            return;
        }
        let mut at = if self.len < N {
            self.len += 1;
            self.len - 1
        } else {
            N - 1
        };
        while at > 0 && self.list[at - 1].uses < hot.uses {
            self.list[at] = self.list[at - 1];
            at -= 1;
        }
        self.list[at] = hot;
    }
}

impl Compiler<'_> {
    /// Makes a local of each parameter and each local of the body.
    pub(crate) fn declare_locals(&mut self) -> CompileResult {
        let local = |ty| Local { ty, reg: None, unsaved: false, home: 0, pending: 0 };
        self.locals.extend(self.sig.params().iter().map(|ty| local(Ty::from(*ty))));
        for _ in 0..self.code.number() {
            let len = self.locals.len() + self.code.number() as usize;
            let ty = match self.code.number_ty() {
                Some(ty) => ty,
                None => Ty::from(self.val_type(self.code.val_type().map_err(unreadable)?)?),
            };
            self.locals.resize(len, local(ty));
        }
        Ok(())
    }

    /// Gives the most used locals registers.
    fn assign_registers(&mut self) {
        let mut ints = Hottest::<8>::new();
        let mut floats = Hottest::<6>::new();
        for (local, uses) in self.scan.uses.iter().enumerate() {
            let hot = Hot { local: local as u32, uses: *uses };
            match self.locals[local].ty {
                _ if *uses == 0 => {}
                // A call or two leave such a register worse than a place in the frame.
                Ty::F32 | Ty::F64 | Ty::V128 if *uses > 2 * self.scan.calls => floats.offer(hot),
                Ty::F32 | Ty::F64 | Ty::V128 => {}
                Ty::Ref if *uses <= 2 * self.scan.calls => {}
                _ => ints.offer(hot),
            }
        }
        self.base_pinned = self.scan.accesses > ACCESSES_MIN && !self.shape.memories.is_empty();
        let saved_count = if self.base_pinned { 4 } else { 5 };
        let (mut saved, mut unsaved) = (SAVED_GPRS[..saved_count].iter(), UNSAVED_GPRS.iter());
        for hot in &ints.list[..ints.len] {
            let is_ref = self.locals[hot.local as usize].ty == Ty::Ref;
            let mut take_unsaved = || if hot.uses > 2 * self.scan.calls { unsaved.next() } else { None };
            // References are saved around calls anyway.
            let reg = if self.scan.calls == 0 || is_ref { take_unsaved() } else { None };
            let reg = match reg {
                Some(reg) => *reg,
                None if hot.uses > USES_MIN => match saved.next() {
                    Some(reg) => {
                        self.saved.push(*reg);
                        *reg
                    }
                    None => match take_unsaved() {
                        Some(reg) => *reg,
                        None => continue,
                    },
                },
                None => continue,
            };
            self.assign(hot.local, reg.0, is_ref || self.scan.catches || UNSAVED_GPRS.contains(&reg));
            self.operand_gprs.remove(reg.0);
        }
        for (hot, reg) in floats.list[..floats.len].iter().zip(LOCAL_XMMS) {
            self.assign(hot.local, reg.0, true);
            self.operand_xmms.remove(reg.0);
        }
        if self.base_pinned {
            self.saved.push(R14);
        }
        self.near = self.near_offsets();
    }

    fn assign(&mut self, local: u32, reg: u8, unsaved: bool) {
        self.locals[local as usize].reg = Some(reg);
        self.locals[local as usize].unsaved = unsaved;
        if unsaved {
            self.unsaved.push(local);
        }
    }

    /// Takes room in the frame; where it is.
    fn take_home(&mut self, bytes: u32) -> i32 {
        self.slots_base += bytes;
        -(self.slots_base as i32)
    }

    pub(crate) fn prologue(&mut self) {
        self.assign_registers();
        self.free_gprs = self.operand_gprs;
        self.free_xmms = self.operand_xmms;
        let asm = &mut self.asm;
        asm.push(RBP);
        asm.mov(Width::W64, RBP, RSP);
        asm.load(Width::W64, R11, Mem::at(RDI, VmLayout::STORE as i32));
        asm.load(Width::W64, R11, Mem::at(R11, store_context::STACK_LIMIT as i32));
        // `add r11, imm32`, patched.
        asm.put(0xc3_8149, 3);
        self.frame_check_at = asm.pos();
        asm.imm32(0);
        asm.alu(Alu::Cmp, Width::W64, RSP, Rm::Reg(R11));
        self.trap_if(Cond::B, TrapCode::StackOverflow);
        for at in 0..self.saved.len() {
            self.asm.push(self.saved[at]);
        }
        // `sub rsp, imm32`, patched.
        self.asm.put(0xec_8148, 3);
        self.frame_size_at = self.asm.pos();
        self.asm.imm32(0);
        self.slots_base = self.saved.len() as u32 * 8;
        self.context_at = self.take_home(8);
        self.asm.store(Width::W64, Mem::at(RBP, self.context_at), RDI);
        let way = Results::of(self.sig.results());
        if way == Results::Area {
            self.area_at = self.take_home(8);
            self.asm.store(Width::W64, Mem::at(RBP, self.area_at), ARG_GPRS[1]);
        }
        if self.request.counts {
            self.resume_at = self.take_home(8);
            self.state_top = self.slots_base;
        }
        self.place_locals(way);
        if self.base_pinned {
            self.asm.load(Width::W64, RDI, Mem::at(RBP, self.context_at));
            self.load_memory_base(R14, RDI, MemoryIndex::from_u32(0));
        }
        self.count_call();
    }

    /// Puts parameters and zeros where locals are.
    fn place_locals(&mut self, way: Results) {
        let params = self.sig.params().len();
        for local in 0..self.locals.len() {
            let Local { ty, reg, unsaved, .. } = self.locals[local];
            // Whoever counts has its state in one piece when it asks.
            if reg.is_none() || unsaved || self.request.counts {
                self.locals[local].home = self.take_home(ty.slot_bytes());
            }
            if ty == Ty::Ref {
                self.local_refs.push(local as u32);
            }
        }
        self.place_params(way);
        // Homes of the others, without gaps.
        let home = |local: &Local| (local.home != 0).then_some(local.home);
        let first = self.locals[params..].iter().find_map(home);
        if let Some(first) = first {
            let first_local =
                self.locals[params..].iter().find(|local| local.home == first).expect("it was found");
            let top = -first as u32 - first_local.ty.slot_bytes();
            self.zero_homes(top, self.slots_base);
        }
        for local in params..self.locals.len().min(crate::scan::COUNTED_LOCALS) {
            let Local { ty, reg, .. } = self.locals[local];
            match reg {
                Some(reg) if ty.is_float() => self.asm.v_zero(Xmm(reg)),
                Some(reg) => self.asm.set_imm(Gpr(reg), 0),
                None => {}
            }
        }
    }

    /// Zeroes the frame from `end` bytes below the frame pointer up to `top` below.
    fn zero_homes(&mut self, top: u32, end: u32) {
        if end - top > ZEROED_INLINE_MAX {
            self.asm.lea(Width::W64, RDI, Mem::at(RBP, -(end as i32)));
            self.asm.mov_imm(RCX, u64::from((end - top) / 8));
            self.asm.set_imm(RAX, 0);
            self.asm.rep_stosq();
            return;
        }
        let mut at = end;
        if end - top >= 16 {
            self.asm.v_zero(XMM15);
        }
        while at - top >= 16 {
            self.asm.store_vector(Mem::at(RBP, -(at as i32)), XMM15);
            at -= 16;
        }
        if at > top {
            self.asm.store_imm(Width::W64, Mem::at(RBP, -(at as i32)), 0);
        }
    }

    /// Brings parameters from where they arrive to where locals are (S3).
    fn place_params(&mut self, way: Results) {
        let mut places = ArgPlaces::new(way);
        let mut moves = crate::call::Moves::NONE;
        let sig = self.sig;
        for (at, ty) in sig.params().iter().enumerate() {
            let Local { ty: local_ty, reg, home, .. } = self.locals[at];
            let home = Mem::at(RBP, home);
            match (places.next(*ty), reg) {
                // It stays where it is, but for an upper half that nobody defined.
                (Place::Int(n), Some(reg)) if ARG_GPRS[n as usize] == Gpr(reg) => {
                    if local_ty.width() == Width::W32 {
                        self.asm.mov(Width::W32, Gpr(reg), Gpr(reg));
                    }
                }
                (Place::Int(n), Some(reg)) => {
                    moves.push(reg, ARG_GPRS[n as usize].0, local_ty.width());
                }
                (Place::Int(n), None) => self.asm.store(local_ty.width(), home, ARG_GPRS[n as usize]),
                // Registers of hot locals carry no arguments.
                (Place::Float(n), Some(reg)) => self.asm.movaps(Xmm(reg), Xmm(n)),
                (Place::Float(n), None) => self.store_float(local_ty, home, Xmm(n)),
                (Place::Stack(_), _) => {}
                (Place::Area(_), _) => unreachable!("arguments have no area"),
            }
        }
        self.move_gprs(moves);
        let mut places = ArgPlaces::new(way);
        for (at, ty) in sig.params().iter().enumerate() {
            let Place::Stack(offset) = places.next(*ty) else { continue };
            let Local { ty, reg, home, .. } = self.locals[at];
            let from = Mem::at(RBP, 16 + offset as i32);
            match reg {
                Some(reg) if ty.is_float() => self.load_float(ty, Xmm(reg), from),
                Some(reg) => self.asm.load(ty.width(), Gpr(reg), from),
                None if ty.is_float() => {
                    self.load_float(ty, XMM15, from);
                    self.store_float(ty, Mem::at(RBP, home), XMM15);
                }
                None => {
                    self.asm.load(ty.width(), R11, from);
                    self.asm.store(ty.width(), Mem::at(RBP, home), R11);
                }
            }
        }
    }

    /// Loads the base of a memory, through `context`, which holds the context and may be the same register.
    pub(crate) fn load_memory_base(&mut self, dst: Gpr, context: Gpr, memory: MemoryIndex) {
        let at = match self.shape.defined_memory(memory) {
            Some(defined) => Mem::at(context, self.layout.memory(defined) as i32),
            None => {
                self.asm.load(Width::W64, dst, Mem::at(context, self.layout.memory_ref(memory) as i32));
                Mem::at(dst, 0)
            }
        };
        self.asm.load(Width::W64, dst, at.plus(layout::memory::BASE as i32));
    }

    /// Loads the context.
    pub(crate) fn load_context(&mut self, dst: Gpr) {
        self.asm.load(Width::W64, dst, Mem::at(RBP, self.context_at));
    }

    /// Bytes of stack arguments of a function of this one's type.
    pub(crate) fn stack_args(sig: &waft_core::types::FuncSig) -> u32 {
        // With the context and the address of the area, they fit in registers.
        if sig.params().len() <= INT_ARGS - 2 {
            return 0;
        }
        let mut places = ArgPlaces::new(Results::of(sig.results()));
        for ty in sig.params() {
            places.next(*ty);
        }
        places.stack_bytes()
    }

    /// Gives the caller its registers back, as far as they are in this frame.
    pub(crate) fn restore_saved(&mut self) {
        for at in 0..self.saved.len() {
            let place = Mem::at(RBP, -8 * (at as i32 + 1));
            self.asm.load(Width::W64, self.saved[at], place);
        }
    }

    /// Leaves the function; results are where the convention wants them.
    pub(crate) fn leave(&mut self) {
        self.restore_saved();
        self.asm.leave();
        // At most 1,000 parameters of 16 bytes.
        self.asm.ret(Self::stack_args(self.sig) as u16);
    }

    /// Fills in how large the frame is.
    pub(crate) fn finish_frame(&mut self) {
        let saved = self.saved.len() as u32 * 8;
        let bytes = (self.slots_base + self.slots_max).next_multiple_of(16) - saved;
        self.asm.patch32(self.frame_size_at, bytes as i32);
        for handler in &mut self.handlers {
            handler.frame_bytes = bytes + saved;
        }
        self.asm.patch32(self.frame_check_at, (bytes + saved + self.calls_max) as i32);
    }

    /// Puts locals into their homes that a call would destroy, or that a collection has to see.
    pub(crate) fn save_locals(&mut self) {
        for at in 0..self.unsaved.len() {
            let local = self.unsaved[at];
            let Local { ty, reg, home, .. } = self.locals[local as usize];
            let (reg, home) = (reg.expect("it has a register"), Mem::at(RBP, home));
            if ty.is_float() {
                self.store_float(ty, home, Xmm(reg));
            } else {
                self.asm.store(ty.width(), home, Gpr(reg));
            }
        }
    }

    /// Takes them from there again.
    pub(crate) fn restore_locals(&mut self) {
        for at in 0..self.unsaved.len() {
            let local = self.unsaved[at];
            let Local { ty, reg, home, .. } = self.locals[local as usize];
            let (reg, home) = (reg.expect("it has a register"), Mem::at(RBP, home));
            if ty.is_float() {
                self.load_float(ty, Xmm(reg), home);
            } else {
                self.asm.load(ty.width(), Gpr(reg), home);
            }
        }
    }

    /// `local.get`.
    #[inline(always)]
    pub(crate) fn local_get(&mut self, local: u32) {
        let Local { ty, reg, pending, .. } = &mut self.locals[local as usize];
        *pending += 1;
        let (ty, operand) = (*ty, Operand::local(*ty, local, *reg, self.slots_end));
        self.push_operand(ty, operand);
    }

    /// `local.set`.
    #[inline]
    pub(crate) fn local_set(&mut self, local: u32) {
        let value = self.pop();
        self.detach(local);
        self.set_local(local, &value);
        self.free(&value);
    }

    fn set_local(&mut self, local: u32, value: &Operand) {
        let Local { ty, reg, .. } = self.locals[local as usize];
        match reg {
            Some(reg) if ty.is_float() => self.load_xmm(Xmm(reg), value),
            Some(reg) => self.load_gpr(Gpr(reg), value),
            None if value.loc() == Loc::Local(local) => {}
            None => self.store_operand(self.home(local), value),
        }
    }

    /// `local.tee`.
    pub(crate) fn local_tee(&mut self, local: u32) {
        let value = self.pop();
        self.detach(local);
        self.set_local(local, &value);
        if self.locals[local as usize].reg.is_none() && value.is_owned() || value.constant().is_some() {
            self.push(value.ty(), value.loc());
        } else {
            self.free(&value);
            self.local_get(local);
        }
    }
}
