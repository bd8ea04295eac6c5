//! From closures to host functions.

use super::caller::Caller;
use super::typed::{Raw, StoreOpaqueRef, WasmTy};
use crate::engine::Engine;
use crate::store::StoreInner;
use crate::type_registry::RegisteredType;
use crate::types::FuncType;
use crate::val::Val;
use crate::vm::{ArgReader, HostCallable, HostFunc, InstanceRecord, ResultWriter, StorePtr};
use anyhow::{Context as _, Result};
use std::marker::PhantomData;
use waft_core::types::{CompositeTy, FuncSig, SubType, ValType};

/// What a host function may return: nothing, a [`WasmTy`], a tuple of them, or a [`Result`] of any of these.
///
/// ```
/// use waft::*;
///
/// let mut store = Store::new(&Engine::default(), ());
/// let nothing = Func::wrap(&mut store, || {});
/// let two = Func::wrap(&mut store, || (1_i32, 2_i64));
/// let or_trap = Func::wrap(&mut store, |n: u32| -> Result<u32> { n.checked_add(1).context("too large") });
/// assert_eq!(nothing.ty(&store).results().len(), 0);
/// assert_eq!(two.ty(&store).results().len(), 2);
/// assert_eq!(or_trap.ty(&store).results().len(), 1);
/// ```
pub trait WasmRet {
    #[doc(hidden)]
    fn types() -> Vec<ValType>;
    #[doc(hidden)]
    fn write(self, store: &StoreOpaqueRef<'_>, results: &mut dyn FnMut(ValType, Raw)) -> Result<()>;
}

impl<R: WasmTy> WasmRet for R {
    fn types() -> Vec<ValType> {
        vec![R::TYPE]
    }
    #[inline]
    fn write(self, store: &StoreOpaqueRef<'_>, results: &mut dyn FnMut(ValType, Raw)) -> Result<()> {
        results(R::TYPE, self.to_raw(store)?);
        Ok(())
    }
}

impl<R: WasmRet> WasmRet for Result<R> {
    fn types() -> Vec<ValType> {
        R::types()
    }
    #[inline]
    fn write(self, store: &StoreOpaqueRef<'_>, results: &mut dyn FnMut(ValType, Raw)) -> Result<()> {
        self?.write(store, results)
    }
}

macro_rules! returns {
    ($($($name:ident)*;)*) => {$(
        impl<$($name: WasmTy),*> WasmRet for ($($name,)*) {
            fn types() -> Vec<ValType> {
                vec![$($name::TYPE),*]
            }
            #[inline]
            #[allow(non_snake_case, reason = "the macro names values as it names types")]
            fn write(self, _store: &StoreOpaqueRef<'_>, _results: &mut dyn FnMut(ValType, Raw)) -> Result<()> {
                let ($($name,)*) = self;
                $(_results($name::TYPE, $name.to_raw(_store)?);)*
                Ok(())
            }
        }
    )*};
}

returns! {
    ;
    R1;
    R1 R2;
    R1 R2 R3;
    R1 R2 R3 R4;
    R1 R2 R3 R4 R5;
    R1 R2 R3 R4 R5 R6;
    R1 R2 R3 R4 R5 R6 R7;
    R1 R2 R3 R4 R5 R6 R7 R8;
}

/// A closure that can be a host function: up to 16 parameters of [`WasmTy`], a [`Caller`] first if it wants one, and a
/// [`WasmRet`].
///
/// ```
/// use waft::*;
///
/// /// Defines a function in the host's own module.
/// fn define<P, R>(linker: &mut Linker<u32>, name: &str, func: impl IntoFunc<u32, P, R>) -> Result<()> {
///     linker.func_wrap("my-host", name, func).map(drop)
/// }
///
/// # fn main() -> Result<()> {
/// let mut linker = Linker::new(&Engine::default());
/// define(&mut linker, "add", |a: i32, b: i32| a.wrapping_add(b))?;
/// define(&mut linker, "data", |caller: Caller<'_, u32>| *caller.data())?;
/// # Ok(())
/// # }
/// ```
pub trait IntoFunc<T: 'static, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_host_func(self, engine: &Engine, module: &str, name: &str) -> HostFuncDef;
}

/// A host function that is not yet in a store; opaque to embedders.
#[doc(hidden)]
pub struct HostFuncDef(pub(crate) HostFunc);

/// A closure together with what it is called with.
struct Wrapped<T, F, Params> {
    func: F,
    signature: PhantomData<fn(T, Params)>,
}

/// Marks closures that want a [`Caller`].
#[doc(hidden)]
#[derive(Debug)]
pub struct WithCaller<Params>(PhantomData<Params>);

macro_rules! closures {
    ($($($name:ident)*;)*) => {$(
        impl<T, F, R, $($name),*> HostCallable for Wrapped<T, F, WithCaller<($($name,)* R,)>>
        where
            T: 'static,
            F: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static,
            R: WasmRet + 'static,
            $($name: WasmTy + 'static,)*
        {
            type Data = T;

            #[inline]
            #[allow(non_snake_case, reason = "the macro names values as it names types")]
            fn call(
                &self,
                store: &mut StoreInner<T>,
                instance: Option<StorePtr<InstanceRecord>>,
                _args: &mut ArgReader<'_>,
                results: &mut ResultWriter<'_>,
            ) -> Result<()> {
                let mut _opaque = StoreOpaqueRef(&mut store.opaque);
                $(let $name = $name::from_raw(&mut _opaque, Raw(_args.next($name::TYPE)));)*
                let answer = (self.func)(Caller::new(store, instance), $($name),*);
                answer.write(&StoreOpaqueRef(&mut store.opaque), &mut |ty, raw| results.next(ty, raw.0))
            }
        }

        impl<T, F, R, $($name),*> HostCallable for Wrapped<T, F, ($($name,)* R,)>
        where
            T: 'static,
            F: Fn($($name),*) -> R + Send + Sync + 'static,
            R: WasmRet + 'static,
            $($name: WasmTy + 'static,)*
        {
            type Data = T;

            #[inline]
            #[allow(non_snake_case, reason = "the macro names values as it names types")]
            fn call(
                &self,
                store: &mut StoreInner<T>,
                _instance: Option<StorePtr<InstanceRecord>>,
                _args: &mut ArgReader<'_>,
                results: &mut ResultWriter<'_>,
            ) -> Result<()> {
                #[allow(unused_mut, reason = "functions without parameters are one of the rows")]
                let mut opaque = StoreOpaqueRef(&mut store.opaque);
                $(let $name = $name::from_raw(&mut opaque, Raw(_args.next($name::TYPE)));)*
                let answer = (self.func)($($name),*);
                answer.write(&opaque, &mut |ty, raw| results.next(ty, raw.0))
            }
        }

        impl<T, F, R, $($name),*> IntoFunc<T, WithCaller<($($name,)*)>, R> for F
        where
            T: 'static,
            F: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static,
            R: WasmRet + 'static,
            $($name: WasmTy + 'static,)*
        {
            fn into_host_func(self, engine: &Engine, module: &str, name: &str) -> HostFuncDef {
                let wrapped: Wrapped<T, F, WithCaller<($($name,)* R,)>> =
                    Wrapped { func: self, signature: PhantomData };
                define(module, name, register(engine, [$($name::TYPE),*], R::types()), wrapped)
            }
        }

        impl<T, F, R, $($name),*> IntoFunc<T, ($($name,)*), R> for F
        where
            T: 'static,
            F: Fn($($name),*) -> R + Send + Sync + 'static,
            R: WasmRet + 'static,
            $($name: WasmTy + 'static,)*
        {
            fn into_host_func(self, engine: &Engine, module: &str, name: &str) -> HostFuncDef {
                let wrapped: Wrapped<T, F, ($($name,)* R,)> = Wrapped { func: self, signature: PhantomData };
                define(module, name, register(engine, [$($name::TYPE),*], R::types()), wrapped)
            }
        }
    )*};
}

closures! {
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

/// The type of closures, whose parameters and results are of no type that a module defines.
fn register<const N: usize>(engine: &Engine, params: [ValType; N], results: Vec<ValType>) -> RegisteredType {
    let ty = SubType::plain(CompositeTy::Func(FuncSig::new(params, results)));
    engine.types().register(ty).expect("an engine has room for millions of types")
}

fn define<H: HostCallable>(module: &str, name: &str, ty: RegisteredType, callable: H) -> HostFuncDef {
    HostFuncDef(HostFunc::new(module, name, ty, callable))
}

/// A closure over values, with the signature that it was defined with.
struct Dynamic<T, F> {
    func: F,
    ty: FuncType,
    data: PhantomData<fn(T)>,
}

impl<T, F> HostCallable for Dynamic<T, F>
where
    T: 'static,
    F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
{
    type Data = T;

    fn call(
        &self,
        store: &mut StoreInner<T>,
        instance: Option<StorePtr<InstanceRecord>>,
        args: &mut ArgReader<'_>,
        results: &mut ResultWriter<'_>,
    ) -> Result<()> {
        let opaque = &mut store.opaque;
        let sig = self.ty.sig();
        let params: Vec<Val> =
            sig.params().iter().map(|ty| Val::from_raw(opaque, *ty, args.next(*ty))).collect();
        let mut answer: Vec<Val> = sig.results().iter().map(|ty| Val::zero(*ty)).collect();
        (self.func)(Caller::new(store, instance), &params, &mut answer)?;
        for (at, (value, ty)) in answer.iter().zip(sig.results()).enumerate() {
            let raw = value.to_raw_as(&store.opaque, *ty);
            results.next(*ty, raw.with_context(|| format!("result {at} of a host function"))?);
        }
        Ok(())
    }
}

/// The host function of type `ty` that does what a closure over values does.
pub(crate) fn from_closure<T: 'static>(
    engine: &Engine,
    module: &str,
    name: &str,
    ty: &FuncType,
    func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
) -> HostFunc {
    assert!(ty.registered().is_of(engine.types()), "a type of another engine: {ty}");
    let dynamic = Dynamic { func, ty: ty.clone(), data: PhantomData };
    define(module, name, ty.registered().clone(), dynamic).0
}
