//! Operators, made where they are looked at.
//!
//! PERF: `OperatorsReader::read` gives operators by value; moving them about took a third of all time.

use wasmparser::{Operator, VisitOperator, VisitSimdOperator};

/// Writes down what it is shown.
pub(crate) struct Visitor<'o, 'a>(pub(crate) &'o mut Operator<'a>);

macro_rules! visit {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($annotation:tt)*))*) => {
        $(
            #[inline]
            fn $visit(&mut self $($(, $arg: $ty)*)?) {
                *self.0 = Operator::$op $({ $($arg),* })?;
            }
        )*
    };
}

impl<'a> VisitOperator<'a> for Visitor<'_, 'a> {
    type Output = ();

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = ()>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(visit);
}

impl<'a> VisitSimdOperator<'a> for Visitor<'_, 'a> {
    wasmparser::for_each_visit_simd_operator!(visit);
}
