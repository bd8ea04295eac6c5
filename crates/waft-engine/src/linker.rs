//! Linkers: names for what modules import.

use crate::engine::Engine;
use crate::extern_::Extern;
use crate::func::{Caller, Func, IntoFunc, from_closure};
use crate::instance::{self, Instance};
use crate::module::Module;
use crate::store::{AsContext, AsContextMut, StoreContextMut};
use crate::types::{ExternType, FuncType, ImportType};
use crate::val::Val;
use crate::vm::{Binding, HostFunc};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use waft_core::module::{EntityIndex, Import};

/// Resolves imports by name, for any number of modules and stores whose data is a `T`.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("host", "double", |x: i32| x * 2)?;
/// let module = Module::new(&engine, r#"(module
///     (import "host" "double" (func $double (param i32) (result i32)))
///     (func (export "quadruple") (param i32) (result i32) local.get 0 call $double call $double))"#)?;
/// let mut store = Store::new(&engine, ());
/// let instance = linker.instantiate(&mut store, &module)?;
/// let quadruple = instance.get_typed_func::<i32, i32>(&mut store, "quadruple")?;
/// assert_eq!(quadruple.call(&mut store, 10)?, 40);
/// # Ok(())
/// # }
/// ```
pub struct Linker<T: 'static> {
    engine: Engine,
    definitions: HashMap<Arc<str>, HashMap<Arc<str>, Definition>>,
    allow_shadowing: bool,
    data: PhantomData<fn() -> T>,
}

#[derive(Clone)]
enum Definition {
    /// In a store already.
    Extern(Extern),
    /// Put into each store that needs it.
    HostFunc(Arc<HostFunc>),
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            definitions: self.definitions.clone(),
            allow_shadowing: self.allow_shadowing,
            data: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Linker<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names =
            self.definitions.iter().flat_map(|(module, names)| names.keys().map(move |name| (module, name)));
        f.debug_set().entries(names).finish()
    }
}

impl<T: 'static> Linker<T> {
    /// A linker that knows nothing.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::default();
    /// let linker: Linker<()> = Linker::new(&engine);
    /// assert!(Engine::same(&engine, linker.engine()));
    /// ```
    pub fn new(engine: &Engine) -> Self {
        Self {
            engine: engine.clone(),
            definitions: HashMap::new(),
            allow_shadowing: false,
            data: PhantomData,
        }
    }

    /// The engine whose modules it links.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name may be defined again; off by default.
    ///
    /// ```
    /// # use waft::*;
    /// let mut linker = Linker::<()>::new(&Engine::default());
    /// linker.func_wrap("host", "answer", || 41)?;
    /// assert!(linker.func_wrap("host", "answer", || 42).is_err());
    /// linker.allow_shadowing(true).func_wrap("host", "answer", || 42)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Self {
        self.allow_shadowing = allow;
        self
    }

    fn insert(&mut self, module: &str, name: &str, definition: Definition) -> Result<&mut Self> {
        let names = self.definitions.entry(module.into()).or_default();
        ensure!(
            self.allow_shadowing || !names.contains_key(name),
            "import of `{module}::{name}` defined twice"
        );
        names.insert(name.into(), definition);
        Ok(self)
    }

    fn find(&self, module: &str, name: &str) -> Option<&Definition> {
        self.definitions.get(module)?.get(name)
    }

    /// Defines a host function by a closure, whose signature it has.
    ///
    /// # Errors
    ///
    /// If the name is taken; the same for the others that define.
    ///
    /// ```
    /// # use waft::*;
    /// let mut linker = Linker::<u32>::new(&Engine::default());
    /// linker.func_wrap("host", "add", |a: i32, b: i32| a.wrapping_add(b))?;
    /// linker.func_wrap("host", "count", |mut caller: Caller<'_, u32>| *caller.data_mut() += 1)?;
    /// linker.func_wrap("host", "check", |ok: i32| -> Result<()> {
    ///     ensure!(ok != 0, "the guest's check failed");
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn func_wrap<Params, Results>(
        &mut self,
        module: &str,
        name: &str,
        func: impl IntoFunc<T, Params, Results>,
    ) -> Result<&mut Self> {
        let func = func.into_host_func(&self.engine, module, name).0;
        self.insert(module, name, Definition::HostFunc(Arc::new(func)))
    }

    /// Defines a host function by a closure over values.
    ///
    /// # Errors
    ///
    /// If the name is taken.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// let ty = FuncType::new(&engine, [ValType::I32, ValType::I32], [ValType::I32]);
    /// linker.func_new("host", "max", ty, |_caller, args, results| {
    ///     results[0] = args[0].unwrap_i32().max(args[1].unwrap_i32()).into();
    ///     Ok(())
    /// })?;
    /// let max = linker.get(&mut store, "host", "max").and_then(Extern::into_func).context("defined")?;
    /// assert_eq!(max.typed::<(i32, i32), i32>(&store)?.call(&mut store, (3, 5))?, 5);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Self> {
        let func = from_closure(&self.engine, module, name, &ty, func);
        self.insert(module, name, Definition::HostFunc(Arc::new(func)))
    }

    /// Defines something that is in a store.
    ///
    /// # Errors
    ///
    /// If the name is taken.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// linker.define(&store, "env", "memory", memory)?;
    /// let text = r#"(module (import "env" "memory" (memory 1)) (data (i32.const 0) "hi"))"#;
    /// linker.instantiate(&mut store, &Module::new(&engine, text)?)?;
    /// assert_eq!(&memory.data(&store)[..2], b"hi");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn define(
        &mut self,
        _store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Self> {
        self.insert(module, name, Definition::Extern(item.into()))
    }

    /// Defines all that an instance exports, as the module `module`.
    ///
    /// # Errors
    ///
    /// If a name is taken.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// let module = Module::new(&engine, r#"(module (func (export "one") (result i32) i32.const 1))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// linker.instance(&mut store, "numbers", instance)?;
    /// assert!(linker.get(&mut store, "numbers", "one").is_some());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        instance: Instance,
    ) -> Result<&mut Self> {
        let mut store = store.as_context_mut();
        let exports: Vec<_> = instance
            .exports(StoreContextMut(store.0))
            .map(|export| (export.name().to_owned(), export.into_extern()))
            .collect();
        for (name, item) in exports {
            self.define(&mut store, module, &name, item)?;
        }
        Ok(self)
    }

    /// Instantiates a module and defines all that the instance exports, as the module `name`.
    ///
    /// # Errors
    ///
    /// If instantiation fails or a name is taken.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// let library = Module::new(&engine, r#"(module (func (export "one") (result i32) i32.const 1))"#)?;
    /// let program = Module::new(&engine, r#"(module (import "library" "one" (func (result i32))))"#)?;
    /// linker.module(&mut store, "library", &library)?.instantiate(&mut store, &program)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        name: &str,
        module: &Module,
    ) -> Result<&mut Self> {
        let instance = self.instantiate(&mut store, module)?;
        self.instance(store, name, instance)
    }

    /// Gives a definition a second name.
    ///
    /// # Errors
    ///
    /// If there is no such definition, or the second name is taken.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host", "log", |_: i32| {})?;
    /// linker.alias("host", "log", "env", "print")?;
    /// assert!(linker.get(&mut store, "env", "print").is_some());
    /// assert!(linker.alias("host", "lgo", "env", "print2").is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn alias(&mut self, module: &str, name: &str, as_module: &str, as_name: &str) -> Result<&mut Self> {
        let definition = self.find(module, name).cloned();
        let definition =
            definition.with_context(|| format!("no item named `{module}::{name}` is defined"))?;
        self.insert(as_module, as_name, definition)
    }

    /// Gives all definitions of a module a second module's name.
    ///
    /// # Errors
    ///
    /// If nothing is defined in `module`, or a name is taken.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host_v2", "log", |_: i32| {})?;
    /// linker.alias_module("host_v2", "host_v1")?;
    /// assert!(linker.get(&mut store, "host_v1", "log").is_some());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<()> {
        let names = self.definitions.get(module).cloned();
        for (name, definition) in names.with_context(|| format!("no module named `{module}` is defined"))? {
            self.insert(as_module, &name, definition)?;
        }
        Ok(())
    }

    /// Defines each function that `module` imports and that is not defined yet, as one that traps.
    ///
    /// # Errors
    ///
    /// If a missing import is not a function.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// let module = Module::new(&engine, r#"(module (import "host" "rare" (func $rare))
    ///     (func (export "usual")) (func (export "seldom") call $rare))"#)?;
    /// linker.define_unknown_imports_as_traps(&module)?;
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// instance.get_typed_func::<(), ()>(&mut store, "usual")?.call(&mut store, ())?;
    /// let error = instance.get_typed_func::<(), ()>(&mut store, "seldom")?.call(&mut store, ()).unwrap_err();
    /// assert!(format!("{error:?}").contains("`host::rare` has not been defined"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        for import in module.imports() {
            if self.find(import.module(), import.name()).is_some() {
                continue;
            }
            let ExternType::Func(ty) = import.ty() else {
                bail!("`{}::{}` is not a function and not defined", import.module(), import.name());
            };
            let text =
                format!("unknown import: `{}::{}` has not been defined", import.module(), import.name());
            self.func_new(import.module(), import.name(), ty, move |_, _, _| Err(anyhow!(text.clone())))?;
        }
        Ok(())
    }

    /// Host functions carry their engine's numbers for signatures: elsewhere these mean others.
    fn check_engine(&self, other: &Engine, what: &str) -> Result<()> {
        ensure!(Engine::same(&self.engine, other), "the linker and the {what} belong to different engines");
        Ok(())
    }

    fn materialise(store: &mut StoreContextMut<'_, T>, definition: &Definition) -> Extern {
        match definition {
            Definition::Extern(item) => item.clone(),
            Definition::HostFunc(func) => {
                Extern::Func(Func::new_handle(store.0.opaque.add_host_func(func.clone())))
            }
        }
    }

    /// What is defined by this name, in `store`.
    ///
    /// # Panics
    ///
    /// If the store belongs to another engine than the linker.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host", "answer", || 42)?;
    /// let answer = linker.get(&mut store, "host", "answer").and_then(Extern::into_func).context("defined")?;
    /// assert_eq!(answer.typed::<(), i32>(&store)?.call(&mut store, ())?, 42);
    /// assert!(linker.get(&mut store, "host", "question").is_none());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get(&self, mut store: impl AsContextMut<Data = T>, module: &str, name: &str) -> Option<Extern> {
        Some(Self::materialise(&mut store.as_context_mut(), self.find(module, name)?))
    }

    /// What is defined for an import, in `store`.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host", "log", |_: i32| {})?;
    /// let module = Module::new(&engine, r#"(module
    ///     (import "host" "log" (func (param i32))) (import "host" "read" (func (result i32))))"#)?;
    /// let missing = module.imports().find(|import| linker.get_by_import(&mut store, import).is_none());
    /// assert_eq!(missing.unwrap().name(), "read");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_by_import(
        &self,
        store: impl AsContextMut<Data = T>,
        import: &ImportType<'_>,
    ) -> Option<Extern> {
        self.get(store, import.module(), import.name())
    }

    /// The function that stands for a module as a whole: its export without a name, or `_start`.
    ///
    /// # Errors
    ///
    /// If there is neither.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// let module = Module::new(&engine, r#"(module (func (export "_start")))"#)?;
    /// linker.module(&mut store, "app", &module)?;
    /// linker.get_default(&mut store, "app")?.call(&mut store, &[], &mut [])?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_default(&self, mut store: impl AsContextMut<Data = T>, module: &str) -> Result<Func> {
        for name in ["", "_start"] {
            if let Some(item) = self.get(&mut store, module, name) {
                return item.into_func().with_context(|| format!("`{module}::{name}` is not a function"));
            }
        }
        bail!("`{module}` has no default function")
    }

    fn resolve(&self, import: &Import) -> Result<&Definition> {
        let (module, name) = (&import.module, &import.name);
        self.find(module, name)
            .with_context(|| format!("unknown import: `{module}::{name}` has not been defined"))
    }

    /// Instantiates a module with what is defined.
    ///
    /// # Errors
    ///
    /// If an import is not defined or of the wrong type, and as [`Instance::new`].
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let mut linker = Linker::new(&engine);
    /// let module = Module::new(&engine, r#"(module (import "host" "log" (func (param i32))))"#)?;
    /// let error = linker.instantiate(&mut store, &module).unwrap_err();
    /// assert_eq!(error.to_string(), "unknown import: `host::log` has not been defined");
    /// linker.func_wrap("host", "log", |_: i32| {})?;
    /// linker.instantiate(&mut store, &module)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>, module: &Module) -> Result<Instance> {
        let mut store = store.as_context_mut();
        self.check_engine(store.engine(), "store")?;
        let mut imports = Vec::new();
        for import in &module.inner().shape().imports {
            let definition = self.resolve(import)?;
            imports.push(Self::materialise(&mut store, definition));
        }
        Instance::new(store, module, &imports)
    }

    /// Resolves and checks the imports of a module once, for many instances.
    ///
    /// # Errors
    ///
    /// If an import is not defined or of the wrong type.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host", "log", |_: i32| {})?;
    /// let module = Module::new(&engine, r#"(module (import "host" "log" (func (param i64))))"#)?;
    /// // Found before there is a store.
    /// assert!(linker.instantiate_pre(&module).unwrap_err().to_string().contains("incompatible import type"));
    /// # linker.allow_shadowing(true);
    /// # linker.func_wrap("host", "log", |_: i64| {})?;
    /// # linker.instantiate_pre(&module)?.instantiate(Store::new(&engine, ()))?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        self.check_engine(module.engine(), "module")?;
        let mut definitions = Vec::new();
        for import in &module.inner().shape().imports {
            let definition = self.resolve(import)?;
            if let Definition::HostFunc(func) = definition {
                check_host_func(module, import, func)?;
            }
            definitions.push(definition.clone());
        }
        Ok(InstancePre { module: module.clone(), definitions: definitions.into(), data: PhantomData })
    }
}

fn check_host_func(module: &Module, import: &Import, func: &HostFunc) -> Result<()> {
    let inner = module.inner();
    let fits = match import.entity {
        EntityIndex::Func(index) => {
            let wanted = inner.type_id(inner.shape().funcs[index].ty);
            inner.engine().types().is_subtype(func.ty().id(), wanted)
        }
        _ => false,
    };
    ensure!(
        fits,
        "incompatible import type for `{}::{}`: the module wants {}, found {}",
        import.module,
        import.name,
        ExternType::of(inner, import.entity),
        FuncType::claimed(inner.engine().types(), func.ty().id())
    );
    Ok(())
}

/// A module whose imports are resolved.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("host", "next", |mut caller: Caller<'_, i32>| *caller.data_mut() += 1)?;
/// let module = Module::new(&engine, r#"(module (import "host" "next" (func $next)) (start $next))"#)?;
/// let pre = linker.instantiate_pre(&module)?;
/// assert_eq!(pre.module().imports().len(), 1);
/// for number in [10, 20] {
///     let mut store = Store::new(&engine, number);
///     pre.instantiate(&mut store)?;
///     assert_eq!(*store.data(), number + 1);
/// }
/// # Ok(())
/// # }
/// ```
pub struct InstancePre<T: 'static> {
    module: Module,
    definitions: Arc<[Definition]>,
    data: PhantomData<fn() -> T>,
}

impl<T> Clone for InstancePre<T> {
    fn clone(&self) -> Self {
        Self { module: self.module.clone(), definitions: self.definitions.clone(), data: PhantomData }
    }
}

impl<T> std::fmt::Debug for InstancePre<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("InstancePre").field(&self.module).finish()
    }
}

impl<T: 'static> InstancePre<T> {
    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// A new instance.
    ///
    /// # Errors
    ///
    /// As [`Instance::new`].
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, "(module (memory 1))")?;
    /// let pre = Linker::new(&engine).instantiate_pre(&module)?;
    /// let instances: Result<Vec<Instance>> =
    ///     (0..3).map(|_| pre.instantiate(Store::new(&engine, ()))).collect();
    /// # instances?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let mut store = store.as_context_mut();
        instance::check_engine(&self.module, &store.0.opaque)?;
        let mut bindings: Vec<Binding> = Vec::with_capacity(self.definitions.len());
        for (import, definition) in self.module.inner().shape().imports.iter().zip(&*self.definitions) {
            let item = Linker::materialise(&mut store, definition);
            if let Definition::Extern(item) = definition {
                instance::check_import(&store.0.opaque, self.module.inner(), import, item)?;
            }
            bindings.push(item.binding(&mut store.0.opaque)?);
        }
        Instance::bound(&mut store, &self.module, &bindings)
    }
}
