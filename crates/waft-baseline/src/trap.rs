//! Traps: instructions that fault, and branches to `ud2` after the code, one for each place so that backtraces name it.

use crate::compiler::Compiler;
use crate::x64::{Cond, Label};
use waft_core::tier::{CodePosition, TrapSite};
use waft_core::trap::TrapCode;

/// A trap that is still to be emitted, and who branches to it.
pub(crate) struct PendingTrap {
    label: Label,
    code: TrapCode,
    wasm: u32,
}

impl Compiler<'_> {
    /// Says that the next instruction traps with `code` if it faults.
    #[inline]
    pub(crate) fn may_fault(&mut self, code: TrapCode) {
        let offset = self.asm.pos();
        self.sites.push(TrapSite { offset, code });
    }

    /// Traps if the condition holds.
    pub(crate) fn trap_if(&mut self, cond: Cond, code: TrapCode) {
        let mut label = Label::NEW;
        self.asm.jcc(cond, &mut label);
        self.trap_at(label, code);
    }

    /// Traps where `label` is.
    pub(crate) fn trap_at(&mut self, label: Label, code: TrapCode) {
        self.traps.push(PendingTrap { label, code, wasm: self.at });
    }

    /// Traps.
    pub(crate) fn trap(&mut self, code: TrapCode) {
        self.may_fault(code);
        self.asm.ud2();
    }

    /// `unreachable`.
    pub(crate) fn unreachable(&mut self) {
        self.trap(TrapCode::UnreachableCodeReached);
        self.reachable = false;
    }

    /// Emits the traps that are out of line.
    pub(crate) fn emit_traps(&mut self) {
        for at in 0..self.traps.len() {
            let PendingTrap { mut label, code, wasm } = self.traps[at];
            self.asm.bind(&mut label);
            self.positions.push(CodePosition { code: self.asm.pos(), wasm });
            self.trap(code);
        }
    }
}
