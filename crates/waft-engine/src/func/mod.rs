//! Functions, as embedders hold them.

mod caller;
mod host;
mod typed;

pub use caller::Caller;
pub(crate) use host::from_closure;
pub use host::{IntoFunc, WasmRet};
pub use typed::{TypedFunc, WasmParams, WasmResults, WasmTy};

use crate::store::{AsContext, AsContextMut};
use crate::types::FuncType;
use crate::val::Val;
use crate::vm::{Callee, RawRef, StoreId, StoreOpaque, StorePtr, VmFuncRef};
use anyhow::{Result, ensure};
use std::sync::Arc;

/// A function in a store: a guest's or the host's.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let double = Func::wrap(&mut store, |x: i32| x * 2);
/// let mut results = [Val::I32(0)];
/// double.call(&mut store, &[Val::I32(21)], &mut results)?;
/// assert_eq!(results[0].unwrap_i32(), 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Func(StorePtr<VmFuncRef>);

impl Func {
    /// A function of the host that does what the closure does; its signature is the closure's.
    ///
    /// ```
    /// # use waft::*;
    /// let mut store = Store::new(&Engine::default(), 10);
    /// let add = Func::wrap(&mut store, |mut caller: Caller<'_, i32>, more: i32| {
    ///     *caller.data_mut() += more;
    ///     *caller.data()
    /// });
    /// assert_eq!(add.typed::<i32, i32>(&store)?.call(&mut store, 5)?, 15);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wrap<T: 'static, Params, Results>(
        mut store: impl AsContextMut<Data = T>,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Self {
        let store = store.as_context_mut();
        let func = func.into_host_func(store.engine(), "", "").0;
        Self(store.0.opaque.add_host_func(Arc::new(func)))
    }

    /// A function of the host with a signature that is known only now. The closure gets the arguments and writes the
    /// results.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let ty = FuncType::new(&engine, [ValType::I32], [ValType::I32]);
    /// let negate = Func::new(&mut store, ty, |_caller, args, results| {
    ///     results[0] = args[0].unwrap_i32().wrapping_neg().into();
    ///     Ok(())
    /// });
    /// assert_eq!(negate.typed::<i32, i32>(&store)?.call(&mut store, 5)?, -5);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let store = store.as_context_mut();
        let func = from_closure(store.engine(), "", "", &ty, func);
        Self(store.0.opaque.add_host_func(Arc::new(func)))
    }

    pub(crate) fn new_handle(func: StorePtr<VmFuncRef>) -> Self {
        Self(func)
    }
    pub(crate) fn func_ref(&self) -> StorePtr<VmFuncRef> {
        self.0
    }
    pub(crate) fn store(&self) -> StoreId {
        self.0.store()
    }
    pub(crate) fn from_raw(store: &StoreOpaque, raw: RawRef) -> Option<Self> {
        store.func_of(raw).map(Self)
    }
    pub(crate) fn to_raw(func: Option<Self>, store: &StoreOpaque) -> Result<RawRef> {
        if let Some(func) = func {
            ensure!(func.store() == store.id(), "the function belongs to another store");
        }
        Ok(RawRef::from_func(func.map(|func| func.0)))
    }

    /// Its type.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let func = Func::wrap(&mut store, |_: i32, _: f64| 0_i64);
    /// assert_eq!(func.ty(&store).to_string(), "(func (param i32 f64) (result i64))");
    /// ```
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        let opaque = &store.as_context().0.opaque;
        FuncType::claimed(opaque.engine().types(), opaque.func_type_id(self.0))
    }

    /// Calls it.
    ///
    /// # Errors
    ///
    /// If the arguments are not of the right number and types, `results` is not of the right length, the guest traps,
    /// or a host function that it calls fails.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let divide = Func::wrap(&mut store, |a: u32, b: u32| a.checked_div(b).context("division by zero"));
    /// let mut quotient = [Val::I32(0)];
    /// divide.call(&mut store, &[6.into(), 3.into()], &mut quotient)?;
    /// assert_eq!(quotient[0].unwrap_i32(), 2);
    /// let error = divide.call(&mut store, &[6.into(), 0.into()], &mut quotient).unwrap_err();
    /// assert_eq!(error.to_string(), "division by zero");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn call(&self, mut store: impl AsContextMut, params: &[Val], results: &mut [Val]) -> Result<()> {
        let store = store.as_context_mut();
        let opaque = &mut store.0.opaque;
        let sig = opaque.func_sig(self.0);
        let (wanted, given) = (sig.params().len(), params.len());
        ensure!(wanted == given, "expected {wanted} arguments, got {given}");
        let (wanted, given) = (sig.results().len(), results.len());
        ensure!(wanted == given, "expected room for {wanted} results, got {given}");
        Callee::new(opaque, self.0).call(
            opaque,
            |store, args| {
                for (value, ty) in params.iter().zip(sig.params()) {
                    args.next(*ty, value.to_raw_as(store, *ty)?);
                }
                Ok(())
            },
            |store, values| {
                for (result, ty) in results.iter_mut().zip(sig.results()) {
                    *result = Val::from_raw(store, *ty, values.next(*ty));
                }
            },
        )
    }

    /// The same function with its signature known at compile time, which makes calls cheap.
    ///
    /// # Errors
    ///
    /// If its signature is another one.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let double = Func::wrap(&mut store, |x: i32| x * 2);
    /// let typed: TypedFunc<i32, i32> = double.typed(&store)?;
    /// assert_eq!(typed.call(&mut store, 21)?, 42);
    /// assert!(double.typed::<i64, i32>(&store).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn typed<Params: WasmParams, Results: WasmResults>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<Params, Results>> {
        TypedFunc::new(&store.as_context().0.opaque, *self)
    }
}
