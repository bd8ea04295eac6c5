//! Element and data segments.

use super::ConstExpr;
use crate::index::{FuncIndex, MemoryIndex, TableIndex};
use crate::types::RefType;
use alloc::boxed::Box;
use core::ops::Range;

/// When an element segment takes effect.
#[derive(Clone, PartialEq, Debug)]
pub enum ElemMode {
    /// When `table.init` says so.
    Passive,
    /// Never: it only declares that references to its functions are taken.
    Declared,
    /// At instantiation.
    Active {
        /// The table that it fills.
        table: TableIndex,
        /// The first element.
        offset: ConstExpr,
    },
}

/// The elements of a segment.
#[derive(Clone, PartialEq, Debug)]
pub enum ElemItems {
    /// Functions.
    Funcs(Box<[FuncIndex]>),
    /// The values of expressions.
    Exprs(RefType, Box<[ConstExpr]>),
}

impl ElemItems {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Funcs(items) => items.len(),
            Self::Exprs(_, items) => items.len(),
        }
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An element segment.
#[derive(Clone, PartialEq, Debug)]
pub struct ElemSegment {
    /// When it takes effect.
    pub mode: ElemMode,
    /// What it holds.
    pub items: ElemItems,
}

/// When a data segment takes effect.
#[derive(Clone, PartialEq, Debug)]
pub enum DataMode {
    /// When `memory.init` says so.
    Passive,
    /// At instantiation.
    Active {
        /// The memory that it fills.
        memory: MemoryIndex,
        /// The first byte.
        offset: ConstExpr,
    },
}

/// A data segment.
#[derive(Clone, PartialEq, Debug)]
pub struct DataSegment {
    /// When it takes effect.
    pub mode: DataMode,
    /// What it holds, as a range of the module's bytes.
    pub range: Range<usize>,
}
