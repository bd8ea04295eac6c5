//! Trap codes: Waft's numbers in Cranelift's, and back.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::{InstBuilder, TrapCode as ClifTrapCode, Value};
use waft_core::trap::TrapCode;

/// Cranelift's form of a trap code.
pub(crate) const fn clif_trap(code: TrapCode) -> ClifTrapCode {
    ClifTrapCode::unwrap_user(code as u8)
}

/// Waft's trap code for one that Cranelift reports: ours, or one that it makes by itself.
pub(crate) fn waft_trap(code: ClifTrapCode) -> Result<TrapCode, String> {
    Ok(match code {
        ClifTrapCode::STACK_OVERFLOW => TrapCode::StackOverflow,
        ClifTrapCode::HEAP_OUT_OF_BOUNDS => TrapCode::MemoryOutOfBounds,
        ClifTrapCode::INTEGER_OVERFLOW => TrapCode::IntegerOverflow,
        ClifTrapCode::INTEGER_DIVISION_BY_ZERO => TrapCode::IntegerDivisionByZero,
        ClifTrapCode::BAD_CONVERSION_TO_INTEGER => TrapCode::BadConversionToInteger,
        other => {
            TrapCode::from_u8(other.as_raw().get()).ok_or_else(|| format!("unknown trap code {other}"))?
        }
    })
}

impl FuncTranslator<'_, '_> {
    /// Traps if `value` is zero.
    pub(crate) fn trap_if_zero(&mut self, value: Value, code: TrapCode) {
        self.builder.ins().trapz(value, clif_trap(code));
    }

    /// Traps if `value` is not zero.
    pub(crate) fn trap_if_not_zero(&mut self, value: Value, code: TrapCode) {
        self.builder.ins().trapnz(value, clif_trap(code));
    }

    /// `unreachable`.
    pub(crate) fn unreachable(&mut self) {
        self.builder.ins().trap(clif_trap(TrapCode::UnreachableCodeReached));
        self.reachable = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_way_through_cranelift() {
        for code in TrapCode::ALL {
            assert_eq!(waft_trap(clif_trap(*code)), Ok(*code));
        }
        for code in ClifTrapCode::non_user_traps() {
            assert!(waft_trap(*code).is_ok(), "{code}");
        }
    }
}
