//! Conversions between numeric types.

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type};

impl FuncTranslator<'_, '_> {
    /// Sign extension within a type: the low part, of type `narrow`, extended to `wide` again.
    pub(crate) fn extend_low(&mut self, narrow: Type, wide: Type) {
        self.unary(|ins, a| ins.ireduce(narrow, a));
        self.unary(|ins, a| ins.sextend(wide, a));
    }

    /// The same bits as another type.
    pub(crate) fn reinterpret(&mut self, ty: Type) {
        self.unary(|ins, a| ins.bitcast(ty, MemFlagsData::new(), a));
    }
}
