//! Globals, as embedders hold them.

use crate::instance;
use crate::store::{AsContext, AsContextMut};
use crate::types::GlobalType;
use crate::val::Val;
use crate::vm::{PartOf, StoreOpaque};
use anyhow::{Result, ensure};
use waft_core::index::{DefinedGlobalIndex, GlobalIndex, TypedIndex};
use waft_core::module::Shape;
use waft_core::types::GlobalTy;

/// A global variable in a store.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let global = Global::new(&mut store, GlobalType::new(ValType::I32, Mutability::Var), Val::I32(1))?;
/// global.set(&mut store, Val::I32(2))?;
/// assert_eq!(global.get(&mut store).unwrap_i32(), 2);
/// assert_eq!(global.ty(&store).to_string(), "(global (mut i32))");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Global(PartOf<DefinedGlobalIndex>);

impl Global {
    /// A global that belongs to the host.
    ///
    /// # Errors
    ///
    /// If `value` is not of its type, or the store's limits do not allow it.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let ty = GlobalType::new(ValType::F64, Mutability::Const);
    /// let pi = Global::new(&mut store, ty.clone(), std::f64::consts::PI.into())?;
    /// assert!(pi.get(&mut store).unwrap_f64() > 3.14);
    /// assert!(Global::new(&mut store, ty, Val::I32(3)).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Self> {
        if let Some(content) = ty.content().as_ref() {
            content.keep_in(&mut store.as_context_mut().0.opaque);
        }
        let ty = ty.canonical(store.as_context().engine().types());
        let raw = value.to_raw_as(&store.as_context().0.opaque, ty.content)?;
        let mut shape = Shape::default();
        shape.globals.push(ty);
        let record = instance::synthetic(&mut store.as_context_mut(), shape)?;
        let store = store.as_context_mut();
        let part = store.0.opaque.at(record).global(GlobalIndex::from_u32(0));
        store.0.opaque.global_set(part, raw);
        Ok(Self(part))
    }

    pub(crate) fn new_handle(part: PartOf<DefinedGlobalIndex>) -> Self {
        Self(part)
    }
    pub(crate) fn part(&self) -> PartOf<DefinedGlobalIndex> {
        self.0
    }
    /// Its type as declared.
    pub(crate) fn declared(&self, store: &StoreOpaque) -> GlobalTy {
        let module = store.at(self.0.owner).module();
        module.global_ty(GlobalIndex::new(module.shape().imported_globals + self.0.index.index()))
    }

    /// Its type.
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        let opaque = &store.as_context().0.opaque;
        GlobalType::from_canonical(opaque.engine().types(), self.declared(opaque))
    }
    /// Its value.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let store = store.as_context_mut();
        let opaque = &mut store.0.opaque;
        let (ty, raw) = (self.declared(opaque).content, opaque.global_get(self.0));
        Val::from_raw(opaque, ty, raw)
    }
    /// Sets its value.
    ///
    /// # Errors
    ///
    /// If it is constant, or `value` is not of its type.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let global = Global::new(&mut store, GlobalType::new(ValType::I32, Mutability::Var), 1.into())?;
    /// global.set(&mut store, 2.into())?;
    /// assert!(global.set(&mut store, 2_i64.into()).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let store = store.as_context_mut();
        let ty = self.declared(&store.0.opaque);
        ensure!(ty.mutable, "immutable global cannot be set");
        let raw = value.to_raw_as(&store.0.opaque, ty.content)?;
        store.0.opaque.global_set(self.0, raw);
        Ok(())
    }
}
