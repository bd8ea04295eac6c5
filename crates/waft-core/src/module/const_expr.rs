//! Constant expressions: the values of globals, the offsets of segments, the elements of tables.

use super::{DecodeError, Shape};
use crate::index::{FuncIndex, GlobalIndex, TypeIndex};
use crate::types::HeapType;
use alloc::boxed::Box;
use alloc::vec::Vec;
use wasmparser::Operator;

/// One operator of a constant expression.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ConstOp {
    /// Pushes an `i32`.
    I32(i32),
    /// Pushes an `i64`.
    I64(i64),
    /// Pushes an `f32`, as bits.
    F32(u32),
    /// Pushes an `f64`, as bits.
    F64(u64),
    /// Pushes a `v128`, as its bytes in memory.
    V128([u8; 16]),
    /// Pushes the value of a global.
    GlobalGet(GlobalIndex),
    /// Pushes null.
    RefNull(HeapType),
    /// Pushes a reference to a function.
    RefFunc(FuncIndex),
    /// Adds two `i32`.
    I32Add,
    /// Subtracts two `i32`.
    I32Sub,
    /// Multiplies two `i32`.
    I32Mul,
    /// Adds two `i64`.
    I64Add,
    /// Subtracts two `i64`.
    I64Sub,
    /// Multiplies two `i64`.
    I64Mul,
    /// Makes an `i31` of an `i32`.
    RefI31,
    /// Makes a structure of the values of its fields.
    StructNew(TypeIndex),
    /// Makes a structure of zeros and nulls.
    StructNewDefault(TypeIndex),
    /// Makes an array of one value many times; the length is on top.
    ArrayNew(TypeIndex),
    /// Makes an array of zeros or nulls; the length is on top.
    ArrayNewDefault(TypeIndex),
    /// Makes an array of so many values.
    ArrayNewFixed(TypeIndex, u32),
}

/// A constant expression, in postfix order.
#[derive(Clone, PartialEq, Debug)]
pub struct ConstExpr(Ops);

/// Modules have many thousands of expressions of one operator: these are allocated nowhere.
#[derive(Clone, PartialEq, Debug)]
enum Ops {
    One([ConstOp; 1]),
    Many(Box<[ConstOp]>),
}

impl From<ConstOp> for ConstExpr {
    fn from(op: ConstOp) -> Self {
        Self(Ops::One([op]))
    }
}

impl ConstExpr {
    /// Its operators.
    pub fn ops(&self) -> &[ConstOp] {
        match &self.0 {
            Ops::One(ops) => ops,
            Ops::Many(ops) => ops,
        }
    }

    /// The function that it refers to, if it is no more than `ref.func`.
    pub fn as_ref_func(&self) -> Option<FuncIndex> {
        match *self.ops() {
            [ConstOp::RefFunc(func)] => Some(func),
            _ => None,
        }
    }

    pub(super) fn decode(shape: &Shape, expr: &wasmparser::ConstExpr<'_>) -> Result<Self, DecodeError> {
        let mut ops = Vec::new();
        let mut reader = expr.get_operators_reader();
        loop {
            let at = reader.original_position();
            ops.push(match reader.read()? {
                Operator::I32Const { value } => ConstOp::I32(value),
                Operator::I64Const { value } => ConstOp::I64(value),
                Operator::F32Const { value } => ConstOp::F32(value.bits()),
                Operator::F64Const { value } => ConstOp::F64(value.bits()),
                Operator::V128Const { value } => ConstOp::V128(*value.bytes()),
                Operator::GlobalGet { global_index } => {
                    ConstOp::GlobalGet(GlobalIndex::from_u32(global_index))
                }
                Operator::RefNull { hty } => ConstOp::RefNull(shape.heap_type(hty, at)?),
                Operator::RefFunc { function_index } => ConstOp::RefFunc(FuncIndex::from_u32(function_index)),
                Operator::I32Add => ConstOp::I32Add,
                Operator::I32Sub => ConstOp::I32Sub,
                Operator::I32Mul => ConstOp::I32Mul,
                Operator::I64Add => ConstOp::I64Add,
                Operator::I64Sub => ConstOp::I64Sub,
                Operator::I64Mul => ConstOp::I64Mul,
                Operator::RefI31 => ConstOp::RefI31,
                Operator::StructNew { struct_type_index: ty } => ConstOp::StructNew(TypeIndex::from_u32(ty)),
                Operator::StructNewDefault { struct_type_index: ty } => {
                    ConstOp::StructNewDefault(TypeIndex::from_u32(ty))
                }
                Operator::ArrayNew { array_type_index: ty } => ConstOp::ArrayNew(TypeIndex::from_u32(ty)),
                Operator::ArrayNewDefault { array_type_index: ty } => {
                    ConstOp::ArrayNewDefault(TypeIndex::from_u32(ty))
                }
                Operator::ArrayNewFixed { array_type_index: ty, array_size } => {
                    ConstOp::ArrayNewFixed(TypeIndex::from_u32(ty), array_size)
                }
                // Host values, and host values made internal, are references of the same form.
                Operator::AnyConvertExtern | Operator::ExternConvertAny => continue,
                Operator::End => break,
                other => {
                    return Err(DecodeError::unsupported(alloc::format!("constant operator {other:?}"), at));
                }
            });
        }
        Ok(Self(match ops[..] {
            [op] => Ops::One([op]),
            _ => Ops::Many(ops.into()),
        }))
    }
}
