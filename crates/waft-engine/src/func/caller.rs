//! Who calls a host function.

use crate::engine::Engine;
use crate::extern_::Extern;
use crate::store::{AsContext, AsContextMut, StoreContext, StoreContextMut, StoreInner};
use crate::vm::{InstanceRecord, StorePtr};

/// The store that a host function runs in, and the instance that called it.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("host", "say", |mut caller: Caller<'_, String>, at: u32, len: u32| -> Result<()> {
///     let (memory, said) = caller.guest_memory().context("the guest exports no memory")?;
///     let text = memory.get(at as usize..).and_then(|rest| rest.get(..len as usize)).context("out of bounds")?;
///     said.push_str(std::str::from_utf8(text)?);
///     Ok(())
/// })?;
/// let module = Module::new(&engine, r#"(module
///     (import "host" "say" (func $say (param i32 i32)))
///     (memory (export "memory") 1) (data (i32.const 8) "hello")
///     (func (export "run") i32.const 8 i32.const 5 call $say))"#)?;
/// let mut store = Store::new(&engine, String::new());
/// let instance = linker.instantiate(&mut store, &module)?;
/// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
/// assert_eq!(store.data(), "hello");
/// # Ok(())
/// # }
/// ```
pub struct Caller<'a, T: 'static> {
    store: StoreContextMut<'a, T>,
    instance: Option<StorePtr<InstanceRecord>>,
}

impl<'a, T> Caller<'a, T> {
    pub(crate) fn new(store: &'a mut StoreInner<T>, instance: Option<StorePtr<InstanceRecord>>) -> Self {
        Self { store: StoreContextMut(store), instance }
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        self.store.data()
    }
    /// The host's data, to be changed.
    ///
    /// ```
    /// # use waft::*;
    /// let mut store = Store::new(&Engine::default(), 1);
    /// let double = Func::wrap(&mut store, |mut caller: Caller<'_, i32>| *caller.data_mut() *= 2);
    /// double.call(&mut store, &[], &mut [])?;
    /// assert_eq!(*store.data(), 2);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }
    /// The engine.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let compile = Func::wrap(&mut store, |caller: Caller<'_, ()>| -> Result<u32> {
    ///     let module = Module::new(caller.engine(), "(module (func))")?;
    ///     Ok(module.defined_functions() as u32)
    /// });
    /// assert_eq!(compile.typed::<(), u32>(&store)?.call(&mut store, ())?, 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// What the calling instance exports by this name; `None` as well when the host itself called.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host", "now", |mut caller: Caller<'_, ()>| -> Result<()> {
    ///     let now = caller.get_export("now").and_then(Extern::into_global).context("no global `now`")?;
    ///     now.set(&mut caller, Val::I64(1_000))
    /// })?;
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (import "host" "now" (func $now))
    ///     (global (export "now") (mut i64) (i64.const 0)) (func $main call $now) (start $main))"#)?;
    /// let now = linker.instantiate(&mut store, &module)?.get_global(&mut store, "now").context("no `now`")?;
    /// assert_eq!(now.get(&mut store).unwrap_i64(), 1_000);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        let instance = self.store.0.opaque.at(self.instance?);
        Extern::of(instance, instance.module().export(name)?)
    }

    /// The bytes of the memory that the calling instance exports as `memory`, and the host's data. It takes no look-up
    /// by name, so that small host functions can afford it.
    ///
    /// `None` as well if the memory is shared: other threads may write to it, so that its bytes cannot be borrowed.
    /// [`Self::get_export`] gives it.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut linker = Linker::new(&engine);
    /// linker.func_wrap("host", "random", |mut caller: Caller<'_, u8>, at: u32| -> Result<()> {
    ///     let (memory, seed) = caller.guest_memory().context("the guest exports no memory")?;
    ///     *memory.get_mut(at as usize).context("out of bounds")? = *seed;
    ///     Ok(())
    /// })?;
    /// # let mut store = Store::new(&engine, 4);
    /// let module = Module::new(&engine, r#"(module (import "host" "random" (func $random (param i32)))
    ///     (memory (export "memory") 1) (func $main (call $random (i32.const 8))) (start $main))"#)?;
    /// let memory = linker.instantiate(&mut store, &module)?.get_memory(&mut store, "memory").context("none")?;
    /// assert_eq!(memory.data(&store)[8], 4);
    /// # Ok::<(), Error>(())
    /// ```
    #[inline]
    pub fn guest_memory(&mut self) -> Option<(&mut [u8], &mut T)> {
        let store = &mut *self.store.0;
        let memory = store.opaque.at(self.instance?).exported_memory()?;
        Some((store.opaque.seen_memory_bytes_mut(memory), &mut store.host.data))
    }

    /// Whether somebody asked the guest to stop: host functions that wait look here when they are woken early, and
    /// return an error ([`Trap::Interrupt`](crate::Trap::Interrupt) is the natural one).
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let wait = Func::wrap(&mut store, |caller: Caller<'_, ()>| -> Result<()> {
    ///     while !caller.interrupted() {
    ///         std::thread::yield_now();
    ///     }
    ///     Err(Trap::Interrupt.into())
    /// });
    /// let handle = store.interrupt_handle();
    /// let stopper = std::thread::spawn(move || handle.interrupt());
    /// assert!(wait.call(&mut store, &[], &mut []).unwrap_err().is::<Trap>());
    /// # stopper.join().unwrap();
    /// # Ok::<(), Error>(())
    /// ```
    pub fn interrupted(&self) -> bool {
        self.store.0.opaque.interrupted()
    }
}

impl<T> AsContext for Caller<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        self.store.as_context()
    }
}

impl<T> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        self.store.as_context_mut()
    }
}

impl<T> std::fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("instance", &self.instance).finish_non_exhaustive()
    }
}
