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
    pub fn data_mut(&mut self) -> &mut T {
        self.store.data_mut()
    }
    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }

    /// What the calling instance exports by this name; `None` as well when the host itself called.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        let instance = self.store.0.opaque.at(self.instance?);
        Extern::of(instance, instance.module().export(name)?)
    }

    /// The bytes of the memory that the calling instance exports as `memory`, and the host's data. It takes no look-up
    /// by name, so that small host functions can afford it.
    pub fn guest_memory(&mut self) -> Option<(&mut [u8], &mut T)> {
        let instance = self.store.0.opaque.at(self.instance?);
        let memory = instance.memory(instance.shape().memory_export?);
        Some((self.store.0.opaque.memory_bytes_mut(memory), &mut self.store.0.host.data))
    }

    /// Whether somebody asked the guest to stop: host functions that wait look here when they are woken early, and
    /// return an error ([`Trap::Interrupt`](crate::Trap::Interrupt) is the natural one).
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
