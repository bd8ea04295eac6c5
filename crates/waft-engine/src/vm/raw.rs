//! Values as machine code has them, and what they mean in a store.
//!
//! # Invariants
//!
//! * **R1** A raw function reference that a store holds is 0 or the address of a `VmFuncRef` that the store owns, so it can
//!   be followed with the store at hand.

use super::context::{StorePtr, VmFuncRef, VmGlobal};
use super::instance::{InstanceRecord, PartOf};
use super::object::TypedVal;
use super::store::StoreOpaque;
use anyhow::Result;
use std::ptr::NonNull;
use waft_core::gc;
use waft_core::index::{DefinedGlobalIndex, FuncIndex};
use waft_core::module::{ConstExpr, ConstOp};

/// The bits of a value: integers and references in the low half, floats in their width, vectors in all of it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct RawVal(pub(crate) u128);

/// The bits of a reference, as tables hold them.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct RawRef(pub(super) u64);

impl RawRef {
    /// Null, of either kind.
    pub(crate) const NULL: Self = Self(0);

    /// A reference into the GC heap.
    pub(crate) fn from_gc(reference: u32) -> Self {
        Self(reference.into())
    }
    /// The reference into the GC heap; 0 is null.
    pub(crate) fn as_gc(self) -> u32 {
        self.0 as u32
    }
    /// A reference to a function; who passes it on to a store has checked that the function is that store's.
    pub(crate) fn from_func(func: Option<StorePtr<VmFuncRef>>) -> Self {
        Self(func.map_or(0, |func| func.as_ptr() as u64))
    }
    /// The same as a value.
    pub(crate) fn as_val(self) -> RawVal {
        RawVal(u128::from(self.0))
    }
}

impl RawVal {
    /// The same as a reference.
    pub(crate) fn as_ref(self) -> RawRef {
        RawRef(self.0 as u64)
    }
}

impl StoreOpaque {
    /// The function that a raw reference of this store means (R1).
    pub(crate) fn func_of(&self, raw: RawRef) -> Option<StorePtr<VmFuncRef>> {
        NonNull::new(raw.0 as *mut VmFuncRef).map(|func| self.ptr(func))
    }

    /// The raw reference of a function that has one.
    pub(super) fn raw_func(&self, instance: StorePtr<InstanceRecord>, func: FuncIndex) -> RawRef {
        RawRef::from_func(self.at(instance).func_ref(func))
    }

    /// The value of a global.
    pub(crate) fn global_get(&self, part: PartOf<DefinedGlobalIndex>) -> RawVal {
        let global: *mut VmGlobal = self.at(part.owner).defined_global(part.index);
        // SAFETY: the layout has a `VmGlobal` there, and `&self` rules out a running guest.
        RawVal(unsafe { (*global).0 })
    }

    /// Sets a global, whose type the caller has checked.
    pub(crate) fn global_set(&mut self, part: PartOf<DefinedGlobalIndex>, value: RawVal) {
        let global: *mut VmGlobal = self.at(part.owner).defined_global(part.index);
        // SAFETY: as above, and `&mut self` rules out any other access.
        unsafe { (*global).0 = value.0 }
    }

    /// The value of a constant expression of `instance`, which is valid by the module's validation.
    ///
    /// # Errors
    ///
    /// If there is no room for an object that it makes.
    pub(crate) fn evaluate(
        &mut self,
        instance: StorePtr<InstanceRecord>,
        expr: &ConstExpr,
    ) -> Result<RawVal> {
        // The address of a segment, nearly always.
        if let [ConstOp::I32(value)] = *expr.ops() {
            return Ok(RawVal(u128::from(value as u32)));
        }
        let module = self.at(instance).module().clone();
        let shape = module.shape();
        let mut stack = ConstStack::default();
        for op in expr.ops() {
            match *op {
                ConstOp::I32(value) => stack.push(RawVal(u128::from(value as u32))),
                ConstOp::I64(value) => stack.push(RawVal(u128::from(value as u64))),
                ConstOp::F32(bits) => stack.push(RawVal(u128::from(bits))),
                ConstOp::F64(bits) => stack.push(RawVal(u128::from(bits))),
                ConstOp::V128(bytes) => stack.push(RawVal(u128::from_le_bytes(bytes))),
                ConstOp::GlobalGet(global) => {
                    let is_gc_ref = shape.globals[global].content.is_gc_ref();
                    let value = self.global_get(self.at(instance).global(global));
                    stack.push_typed(TypedVal { value, is_gc_ref });
                }
                ConstOp::RefNull(_) => stack.push(RawRef::NULL.as_val()),
                ConstOp::RefFunc(func) => stack.push(self.raw_func(instance, func).as_val()),
                ConstOp::I32Add => stack.apply32(u32::wrapping_add),
                ConstOp::I32Sub => stack.apply32(u32::wrapping_sub),
                ConstOp::I32Mul => stack.apply32(u32::wrapping_mul),
                ConstOp::I64Add => stack.apply64(u64::wrapping_add),
                ConstOp::I64Sub => stack.apply64(u64::wrapping_sub),
                ConstOp::I64Mul => stack.apply64(u64::wrapping_mul),
                ConstOp::RefI31 => {
                    let value = stack.pop().0 as i32;
                    stack.push_ref(gc::i31_new(value));
                }
                ConstOp::StructNew(ty) => {
                    let fields = shape.struct_ty(ty).fields().len();
                    stack.make(self, fields, |store, values| store.struct_of(module.type_id(ty), values))?;
                }
                ConstOp::StructNewDefault(ty) => {
                    stack.make(self, 0, |store, _| store.new_struct(module.type_id(ty)))?;
                }
                ConstOp::ArrayNew(ty) => {
                    let length = stack.pop().0 as u32;
                    stack.make(self, 1, |store, values| {
                        store.array_filled(module.type_id(ty), values[0], length)
                    })?;
                }
                ConstOp::ArrayNewDefault(ty) => {
                    let length = stack.pop().0 as u32;
                    stack.make(self, 0, |store, _| store.new_array(module.type_id(ty), length))?;
                }
                ConstOp::ArrayNewFixed(ty, length) => {
                    stack.make(self, length as usize, |store, values| {
                        store.array_of(module.type_id(ty), values)
                    })?;
                }
            }
        }
        Ok(stack.pop())
    }
}

/// The operands of a constant expression; most have one.
#[derive(Default)]
struct ConstStack {
    top: Option<TypedVal>,
    below: Vec<TypedVal>,
}

impl ConstStack {
    fn push_typed(&mut self, value: TypedVal) {
        self.below.extend(self.top.replace(value));
    }
    fn push(&mut self, value: RawVal) {
        self.push_typed(TypedVal { value, is_gc_ref: false });
    }
    fn push_ref(&mut self, reference: u32) {
        self.push_typed(TypedVal { value: RawVal(reference.into()), is_gc_ref: true });
    }
    fn pop(&mut self) -> RawVal {
        let top = self.top.take().expect("validation balances constant expressions");
        self.top = self.below.pop();
        top.value
    }
    fn apply32(&mut self, op: fn(u32, u32) -> u32) {
        let (right, left) = (self.pop().0 as u32, self.pop().0 as u32);
        self.push(RawVal(u128::from(op(left, right))));
    }
    fn apply64(&mut self, op: fn(u64, u64) -> u64) {
        let (right, left) = (self.pop().0 as u64, self.pop().0 as u64);
        self.push(RawVal(u128::from(op(left, right))));
    }

    /// Replaces the `count` values on top by the object that `make` makes of them. What is below is rooted meanwhile.
    fn make(
        &mut self,
        store: &mut StoreOpaque,
        count: usize,
        make: impl FnOnce(&mut StoreOpaque, &mut [TypedVal]) -> Result<u32>,
    ) -> Result<()> {
        self.below.extend(self.top.take());
        let mut values = self.below.split_off(self.below.len() - count);
        let made = store.with_rooted(&mut self.below, |store| make(store, &mut values))?;
        self.top = self.below.pop();
        self.push_ref(made);
        Ok(())
    }
}
