//! Functions whose signatures are known when the host is compiled.

use super::Func;
use crate::anyref::I31;
use crate::rooted::{GcRef, Rooted};
use crate::store::AsContextMut;
use crate::types::FuncType;
use crate::val::V128;
use crate::vm::{ArgWriter, Callee, RawRef, RawVal, ResultReader, StoreOpaque};
use anyhow::{Result, bail};
use std::marker::PhantomData;
use waft_core::types::{HeapType, RefType, ValType};

mod sealed {
    /// Keeps the traits of this file to the types that WebAssembly has.
    pub trait Sealed {}
}

/// A Rust type that is a WebAssembly type: `i32 u32 i64 u64 f32 f64 V128`, `Option<Func>`, [`I31`] or `Option<I31>`,
/// and [`Rooted`] or `Option<Rooted>` of a [`GcRef`]: `Rooted<StructRef>` is `(ref struct)`, `Option<Rooted<AnyRef>>` is `anyref`.
///
/// ```
/// use waft::*;
///
/// /// A host function that gives back what it gets, of any WebAssembly type.
/// fn echo<A: WasmTy + 'static>(store: &mut Store<()>) -> Func {
///     Func::wrap(store, |value: A| value)
/// }
///
/// let mut store = Store::new(&Engine::default(), ());
/// assert_eq!(echo::<u64>(&mut store).ty(&store).to_string(), "(func (param i64) (result i64))");
/// assert_eq!(echo::<Option<Func>>(&mut store).ty(&store).to_string(), "(func (param funcref) (result funcref))");
/// ```
pub trait WasmTy: sealed::Sealed + Send + Sized {
    #[doc(hidden)]
    const TYPE: ValType;
    #[doc(hidden)]
    fn to_raw(self, store: &StoreOpaqueRef<'_>) -> Result<Raw>;
    #[doc(hidden)]
    fn from_raw(store: &mut StoreOpaqueRef<'_>, raw: Raw) -> Self;
}

/// The bits of a value; opaque to embedders.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Raw(pub(crate) RawVal);

/// A store, as conversions of references need it; opaque to embedders.
#[doc(hidden)]
pub struct StoreOpaqueRef<'a>(pub(crate) &'a mut StoreOpaque);

impl std::fmt::Debug for StoreOpaqueRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreOpaqueRef")
    }
}

macro_rules! plain {
    ($($rust:ty, $wasm:ident, $value:ident => $to:expr, $raw:ident => $from:expr;)*) => {$(
        impl sealed::Sealed for $rust {}
        impl WasmTy for $rust {
            const TYPE: ValType = ValType::$wasm;
            #[inline]
            fn to_raw(self, _: &StoreOpaqueRef<'_>) -> Result<Raw> {
                let $value = self;
                Ok(Raw(RawVal($to)))
            }
            #[inline]
            fn from_raw(_: &mut StoreOpaqueRef<'_>, raw: Raw) -> Self {
                let $raw = raw.0.0;
                $from
            }
        }
    )*};
}

plain! {
    i32, I32, value => u128::from(value as u32), raw => raw as i32;
    u32, I32, value => u128::from(value), raw => raw as u32;
    i64, I64, value => u128::from(value as u64), raw => raw as i64;
    u64, I64, value => u128::from(value), raw => raw as u64;
    f32, F32, value => u128::from(value.to_bits()), raw => f32::from_bits(raw as u32);
    f64, F64, value => u128::from(value.to_bits()), raw => f64::from_bits(raw as u64);
    V128, V128, value => value.as_u128(), raw => V128::from(raw);
}

impl sealed::Sealed for Option<Func> {}
impl WasmTy for Option<Func> {
    const TYPE: ValType = ValType::FUNCREF;
    fn to_raw(self, store: &StoreOpaqueRef<'_>) -> Result<Raw> {
        Ok(Raw(Func::to_raw(self, store.0)?.as_val()))
    }
    fn from_raw(store: &mut StoreOpaqueRef<'_>, raw: Raw) -> Self {
        Func::from_raw(store.0, raw.0.as_ref())
    }
}

impl sealed::Sealed for I31 {}
impl WasmTy for I31 {
    const TYPE: ValType = ValType::Ref(RefType::new(false, HeapType::I31));
    fn to_raw(self, _: &StoreOpaqueRef<'_>) -> Result<Raw> {
        Ok(Raw(RawRef::from_gc(self.reference()).as_val()))
    }
    fn from_raw(_: &mut StoreOpaqueRef<'_>, raw: Raw) -> Self {
        Self::from_reference(raw.0.as_ref().as_gc())
    }
}

impl sealed::Sealed for Option<I31> {}
impl WasmTy for Option<I31> {
    const TYPE: ValType = ValType::Ref(RefType::new(true, HeapType::I31));
    fn to_raw(self, _: &StoreOpaqueRef<'_>) -> Result<Raw> {
        let reference = self.map_or(0, I31::reference);
        Ok(Raw(RawRef::from_gc(reference).as_val()))
    }
    fn from_raw(_: &mut StoreOpaqueRef<'_>, raw: Raw) -> Self {
        I31::of_reference(raw.0.as_ref().as_gc())
    }
}

impl<T: GcRef> sealed::Sealed for Option<Rooted<T>> {}
impl<T: GcRef> WasmTy for Option<Rooted<T>> {
    const TYPE: ValType = ValType::Ref(RefType::new(true, T::HEAP));
    fn to_raw(self, store: &StoreOpaqueRef<'_>) -> Result<Raw> {
        let reference = self.map_or(Ok(0), |value| value.reference(store.0))?;
        Ok(Raw(RawRef::from_gc(reference).as_val()))
    }
    fn from_raw(store: &mut StoreOpaqueRef<'_>, raw: Raw) -> Self {
        Rooted::from_raw(store.0, raw.0.as_ref())
    }
}

impl<T: GcRef> sealed::Sealed for Rooted<T> {}
impl<T: GcRef> WasmTy for Rooted<T> {
    const TYPE: ValType = ValType::Ref(RefType::new(false, T::HEAP));
    fn to_raw(self, store: &StoreOpaqueRef<'_>) -> Result<Raw> {
        Ok(Raw(RawRef::from_gc(self.reference(store.0)?).as_val()))
    }
    fn from_raw(store: &mut StoreOpaqueRef<'_>, raw: Raw) -> Self {
        Rooted::new(store.0, raw.0.as_ref().as_gc())
    }
}

/// Parameters of a function: one [`WasmTy`] or a tuple of them.
///
/// ```
/// use waft::*;
///
/// /// Calls a function that gives nothing, of whatever parameters.
/// fn run<P: WasmParams>(store: &mut Store<()>, func: Func, params: P) -> Result<()> {
///     func.typed::<P, ()>(&*store)?.call(store, params)
/// }
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let func = Func::wrap(&mut store, |_: i32, _: f64| {});
/// run(&mut store, func, (1, 0.5))?;
/// assert!(run(&mut store, func, 1).is_err());
/// # Ok(())
/// # }
/// ```
pub trait WasmParams: sealed::Sealed + Send {
    #[doc(hidden)]
    const TYPES: &'static [ValType];
    #[doc(hidden)]
    fn write(self, store: &StoreOpaqueRef<'_>, args: &mut dyn FnMut(ValType, Raw)) -> Result<()>;
}

/// Results of a function: one [`WasmTy`] or a tuple of them.
///
/// ```
/// use waft::*;
///
/// /// Calls a function without parameters, of whatever results.
/// fn ask<R: WasmResults>(store: &mut Store<()>, func: Func) -> Result<R> {
///     func.typed::<(), R>(&*store)?.call(store, ())
/// }
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let func = Func::wrap(&mut store, || (1, 0.5));
/// assert_eq!(ask::<(i32, f64)>(&mut store, func)?, (1, 0.5));
/// assert!(ask::<i32>(&mut store, func).is_err());
/// # Ok(())
/// # }
/// ```
pub trait WasmResults: sealed::Sealed + Send {
    #[doc(hidden)]
    const TYPES: &'static [ValType];
    #[doc(hidden)]
    fn read(store: &mut StoreOpaqueRef<'_>, results: &mut dyn FnMut(ValType) -> Raw) -> Self;
}

impl<A: WasmTy> WasmParams for A {
    const TYPES: &'static [ValType] = &[A::TYPE];
    #[inline]
    fn write(self, store: &StoreOpaqueRef<'_>, args: &mut dyn FnMut(ValType, Raw)) -> Result<()> {
        args(A::TYPE, self.to_raw(store)?);
        Ok(())
    }
}

impl<A: WasmTy> WasmResults for A {
    const TYPES: &'static [ValType] = &[A::TYPE];
    #[inline]
    fn read(store: &mut StoreOpaqueRef<'_>, results: &mut dyn FnMut(ValType) -> Raw) -> Self {
        A::from_raw(store, results(A::TYPE))
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: WasmTy),*> sealed::Sealed for ($($name,)*) {}

        impl<$($name: WasmTy),*> WasmParams for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];
            #[inline]
            #[allow(non_snake_case, reason = "the macro names values as it names types")]
            fn write(self, _store: &StoreOpaqueRef<'_>, _args: &mut dyn FnMut(ValType, Raw)) -> Result<()> {
                let ($($name,)*) = self;
                $(_args($name::TYPE, $name.to_raw(_store)?);)*
                Ok(())
            }
        }

        impl<$($name: WasmTy),*> WasmResults for ($($name,)*) {
            const TYPES: &'static [ValType] = &[$($name::TYPE),*];
            #[inline]
            #[allow(clippy::unused_unit, reason = "the empty tuple is one of the rows")]
            fn read(_store: &mut StoreOpaqueRef<'_>, _results: &mut dyn FnMut(ValType) -> Raw) -> Self {
                ($($name::from_raw(_store, _results($name::TYPE)),)*)
            }
        }
    )*};
}

tuples! {
    ;
    A1;
    A1 A2;
    A1 A2 A3;
    A1 A2 A3 A4;
    A1 A2 A3 A4 A5;
    A1 A2 A3 A4 A5 A6;
    A1 A2 A3 A4 A5 A6 A7;
    A1 A2 A3 A4 A5 A6 A7 A8;
    A1 A2 A3 A4 A5 A6 A7 A8 A9;
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10;
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11;
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12;
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13;
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14;
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15;
    A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15 A16;
}

/// A function whose signature was checked once.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let module = Module::new(&engine, r#"(module (func (export "swap") (param i32 i64) (result i64 i32)
///     local.get 1 local.get 0))"#)?;
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let swap = instance.get_typed_func::<(i32, i64), (i64, i32)>(&mut store, "swap")?;
/// assert_eq!(swap.call(&mut store, (1, 2))?, (2, 1));
/// # Ok(())
/// # }
/// ```
pub struct TypedFunc<Params, Results> {
    func: Func,
    callee: Callee,
    sig: PhantomData<fn(Params) -> Results>,
}

impl<Params, Results> Clone for TypedFunc<Params, Results> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Params, Results> Copy for TypedFunc<Params, Results> {}

impl<Params, Results> std::fmt::Debug for TypedFunc<Params, Results> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}

impl<Params: WasmParams, Results: WasmResults> TypedFunc<Params, Results> {
    pub(super) fn new(store: &StoreOpaque, func: Func) -> Result<Self> {
        let sig = store.func_sig(func.func_ref());
        let types = store.engine().types();
        let all = |subs: &[ValType], sups: &[ValType]| {
            subs.len() == sups.len()
                && subs.iter().zip(sups).all(|(sub, sup)| types.val_is_subtype(*sub, *sup))
        };
        // What the host passes, the function must take, and the host must take what it gives.
        if !all(Params::TYPES, sig.params()) || !all(sig.results(), Results::TYPES) {
            let wanted =
                waft_core::types::FuncSig::new(Params::TYPES.iter().copied(), Results::TYPES.iter().copied());
            let sig = FuncType::claimed(types, store.func_type_id(func.func_ref()));
            bail!("type mismatch: the function is {sig}, not {wanted}");
        }
        Ok(Self { func, callee: Callee::new(store, func.func_ref()), sig: PhantomData })
    }

    /// The function without its signature.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let double = Func::wrap(&mut store, |x: i32| x * 2).typed::<i32, i32>(&store)?;
    /// // To pass it on where functions of any signature go.
    /// let value = Val::from(*double.func());
    /// assert_eq!(value.ty(), ValType::FUNCREF);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Calls it.
    ///
    /// # Errors
    ///
    /// If the guest traps, or a host function that it calls fails.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let divide = Func::wrap(&mut store, |a: u32, b: u32| a.checked_div(b).context("division by zero"));
    /// let divide = divide.typed::<(u32, u32), u32>(&store)?;
    /// assert_eq!(divide.call(&mut store, (6, 3))?, 2);
    /// assert!(divide.call(&mut store, (6, 0)).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: Params) -> Result<Results> {
        let store = store.as_context_mut();
        self.callee.call(
            &mut store.0.opaque,
            |store, args: &mut ArgWriter<'_>| {
                params.write(&StoreOpaqueRef(store), &mut |ty, raw| args.next(ty, raw.0))
            },
            |store, results: &mut ResultReader<'_>| {
                Results::read(&mut StoreOpaqueRef(store), &mut |ty| Raw(results.next(ty)))
            },
        )
    }
}
