//! Stores: what belongs to one guest, and the data that its host keeps with it.

use crate::door::Doorkeeper;
use crate::engine::Engine;
use crate::exception::ThrownException;
use crate::exnref::ExnRef;
use crate::limits::{self, GrowthRequest, HostLimits, ResourceLimiter};
use crate::rooted::Rooted;
use crate::vm::{GcStats, InterruptHandle, StoreOpaque};
use anyhow::Result;
use waft_core::gc;

/// A store without its owner: the engine's half, then the host's.
#[repr(C)]
pub(crate) struct StoreInner<T: 'static> {
    /// First, so that a pointer to it is a pointer to the whole.
    pub(crate) opaque: StoreOpaque,
    pub(crate) host: HostHalf<T>,
}

/// The function that finds the limiter in the host's data.
type LimiterOf<T> = Box<dyn (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync>;

/// What the host put into a store.
pub(crate) struct HostHalf<T: 'static> {
    pub(crate) data: T,
    limiter: Option<LimiterOf<T>>,
}

impl<T> HostHalf<T> {
    fn limiter(&mut self) -> Option<&mut dyn ResourceLimiter> {
        let find = self.limiter.as_mut()?;
        Some(find(&mut self.data))
    }
}

impl<T> HostLimits for HostHalf<T> {
    fn may_grow(&mut self, request: GrowthRequest) -> Result<bool> {
        limits::may_grow(self.limiter(), request)
    }
    fn grow_failed(&mut self, request: GrowthRequest, error: anyhow::Error) -> Result<()> {
        limits::grow_failed(self.limiter(), request, error)
    }
    fn count_limits(&mut self) -> [usize; 3] {
        match self.limiter() {
            Some(limiter) => [limiter.instances(), limiter.memories(), limiter.tables()],
            None => [usize::MAX; 3],
        }
    }
}

impl<T> StoreInner<T> {
    /// A store's insides, not yet at their final place.
    pub(crate) fn new(engine: &Engine, data: T) -> Self {
        Self { opaque: StoreOpaque::new(engine.clone()), host: HostHalf { data, limiter: None } }
    }
}

/// Instances, memories and all else of one guest, with the host's data of type `T`.
///
/// Everything in it is freed when it is dropped, and not before.
///
/// ```
/// use waft::*;
///
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, 5);
/// *store.data_mut() += 1;
/// assert_eq!(*store.data(), 6);
/// assert!(Engine::same(store.engine(), &engine));
/// assert_eq!(store.into_data(), 6);
/// ```
pub struct Store<T: 'static> {
    inner: crate::vm::StoreBox<T>,
}

impl<T> Store<T> {
    /// An empty store.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// struct Tenant {
    ///     name: &'static str,
    /// }
    /// let store = Store::new(&engine, Tenant { name: "first" });
    /// assert_eq!(store.data().name, "first");
    /// ```
    pub fn new(engine: &Engine, data: T) -> Self {
        Self { inner: crate::vm::StoreBox::new(StoreInner::new(engine, data)) }
    }
    /// The engine that it runs on.
    pub fn engine(&self) -> &Engine {
        self.inner.get().opaque.engine()
    }
    /// The host's data.
    pub fn data(&self) -> &T {
        &self.inner.get().host.data
    }
    /// The host's data, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.inner.get_mut().host.data
    }
    /// Drops all but the host's data.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let mut store = Store::new(&engine, Vec::new());
    /// let log = |mut caller: Caller<'_, Vec<i32>>, number: i32| caller.data_mut().push(number);
    /// Func::wrap(&mut store, log).call(&mut store, &[Val::I32(7)], &mut [])?;
    /// assert_eq!(store.into_data(), [7]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn into_data(self) -> T {
        self.inner.into_inner().host.data
    }

    /// Installs what decides about growth; it is found in the host's data.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// struct Tenant {
    ///     limits: StoreLimits,
    /// }
    /// let limits = StoreLimitsBuilder::new().memory_size(1 << 20).build();
    /// let mut store = Store::new(&engine, Tenant { limits });
    /// store.limiter(|tenant| &mut tenant.limits);
    /// assert!(Memory::new(&mut store, MemoryType::new(17, None)).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn limiter(
        &mut self,
        limiter: impl (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync + 'static,
    ) {
        self.inner.get_mut().host.limiter = Some(Box::new(limiter));
    }

    /// Installs, or removes, what watches every call of a host function.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// struct Closed;
    /// impl Doorkeeper for Closed {
    ///     fn before(&mut self, _: &HostCall<'_>) -> Verdict {
    ///         Verdict::Deny(Error::msg("closed"))
    ///     }
    ///     fn after(&mut self, _: &HostCall<'_>, _: Result<&[Val], &Error>) {}
    /// }
    /// let func = Func::wrap(&mut store, || {});
    /// store.set_doorkeeper(Some(Box::new(Closed)));
    /// assert!(func.call(&mut store, &[], &mut []).is_err());
    /// store.set_doorkeeper(None);
    /// func.call(&mut store, &[], &mut [])?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn set_doorkeeper(&mut self, keeper: Option<Box<dyn Doorkeeper>>) {
        self.inner.get_mut().opaque.doorkeeper = keeper;
    }

    /// Throws an exception: a host function returns the error, and the guest that called it may catch the exception.
    ///
    /// # Errors
    ///
    /// Always.
    ///
    /// # Panics
    ///
    /// If the exception belongs to another store, or its scope was left.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::default();
    /// let mut store = Store::new(&engine, ());
    /// let ty = ExnType::new(&engine, [ValType::I32]);
    /// let tag = Tag::new(&mut store, ty.tag_type())?;
    /// let mut linker = Linker::new(&engine);
    /// linker.define(&store, "host", "failure", tag)?;
    /// linker.func_wrap("host", "fail", move |mut caller: Caller<'_, ()>| -> Result<()> {
    ///     let pre = ExnRefPre::new(&mut caller, ty.clone());
    ///     let exception = ExnRef::new(&mut caller, &pre, &tag, &[Val::I32(7)])?;
    ///     Ok(caller.as_context_mut().throw(exception)?)
    /// })?;
    /// let module = Module::new(&engine, r#"(module
    ///     (import "host" "failure" (tag $failure (param i32)))
    ///     (import "host" "fail" (func $fail))
    ///     (func (export "f") (result i32)
    ///         (block $caught (result i32)
    ///             (try_table (catch $failure $caught) (call $fail))
    ///             (i32.const 0))))"#)?;
    /// let instance = linker.instantiate(&mut store, &module)?;
    /// assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "f")?.call(&mut store, ())?, 7);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn throw<R>(&mut self, exception: Rooted<ExnRef>) -> Result<R, ThrownException> {
        self.as_context_mut().throw(exception)
    }

    /// Takes the exception that was thrown last, if no guest has caught it and nobody has taken it.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module
    ///     (tag $t (param i32)) (func (export "f") (throw $t (i32.const 7))))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let error = instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ()).unwrap_err();
    /// assert!(error.is::<ThrownException>());
    /// let exception = store.take_pending_exception().context("none")?;
    /// assert_eq!(exception.field(&mut store, 0)?.unwrap_i32(), 7);
    /// assert!(!store.has_pending_exception());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn take_pending_exception(&mut self) -> Option<Rooted<ExnRef>> {
        self.as_context_mut().take_pending_exception()
    }

    /// Whether an exception was thrown that no guest has caught and nobody has taken.
    pub fn has_pending_exception(&self) -> bool {
        self.inner.get().opaque.pending_exception().get() != gc::NULL
    }

    /// Collects what neither the host nor a guest can reach any more. Nobody has to: collections happen when they pay.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let dropped = std::sync::Arc::new(());
    /// {
    ///     let mut scope = RootScope::new(&mut store);
    ///     ExternRef::new(&mut scope, dropped.clone())?;
    /// }
    /// store.gc();
    /// assert_eq!(std::sync::Arc::strong_count(&dropped), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn gc(&mut self) {
        self.as_context_mut().gc();
    }

    /// What the GC heap did so far, and how long it took.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (type $t (array (mut i64)))
    ///     (func (export "churn") (param i32) (loop
    ///         (drop (array.new_default $t (i32.const 1000)))
    ///         (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// instance.get_typed_func::<i32, ()>(&mut store, "churn")?.call(&mut store, 1_000)?;
    /// let stats = store.gc_stats();
    /// assert_eq!(stats.bytes_allocated, 1_000 * 8_008);
    /// assert!(stats.minor_collections > 0 && stats.bytes_copied < 100_000);
    /// println!("the guest waited {:?} at most", stats.pause_longest);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn gc_stats(&self) -> GcStats {
        self.inner.get().opaque.gc_stats()
    }

    /// What makes this store's guest trap, from any thread.
    ///
    /// ```
    /// use waft::*;
    ///
    /// # fn main() -> Result<()> {
    /// let engine = Engine::default();
    /// let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (func (export "spin") (loop br 0)))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let spin = instance.get_typed_func::<(), ()>(&mut store, "spin")?;
    /// let handle = store.interrupt_handle();
    /// let timer = std::thread::spawn(move || handle.interrupt());
    /// let error = spin.call(&mut store, ()).unwrap_err();
    /// assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
    /// # timer.join().unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.inner.get().opaque.interrupt_handle()
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("data", self.data()).finish_non_exhaustive()
    }
}

/// A borrowed store.
///
/// ```
/// use waft::*;
///
/// let store = Store::new(&Engine::default(), "host data");
/// let context: StoreContext<'_, &str> = store.as_context();
/// assert_eq!(*context.data(), "host data");
/// assert!(Engine::same(context.engine(), store.engine()));
/// ```
pub struct StoreContext<'a, T: 'static>(pub(crate) &'a StoreInner<T>);

/// A mutably borrowed store.
///
/// ```
/// use waft::*;
///
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, 1);
/// let mut context: StoreContextMut<'_, i32> = store.as_context_mut();
/// *context.data_mut() += 1;
/// assert_eq!(*context.data(), 2);
/// assert!(Engine::same(context.engine(), &engine));
/// ```
pub struct StoreContextMut<'a, T: 'static>(pub(crate) &'a mut StoreInner<T>);

impl<'a, T> StoreContext<'a, T> {
    /// The host's data.
    pub fn data(&self) -> &'a T {
        &self.0.host.data
    }
    /// What the GC heap did so far.
    pub fn gc_stats(&self) -> GcStats {
        self.0.opaque.gc_stats()
    }
    /// The engine.
    pub fn engine(&self) -> &'a Engine {
        self.0.opaque.engine()
    }
}

impl<'a, T> StoreContextMut<'a, T> {
    /// Throws an exception: see [`Store::throw`].
    ///
    /// # Errors
    ///
    /// Always.
    ///
    /// # Panics
    ///
    /// If the exception belongs to another store, or its scope was left.
    pub fn throw<R>(&mut self, exception: Rooted<ExnRef>) -> Result<R, ThrownException> {
        let opaque = &self.0.opaque;
        let reference = exception.reference(opaque).expect("an exception of this store, in its scope");
        opaque.pending_exception().set(reference);
        Err(ThrownException)
    }

    /// Takes the exception that was thrown last: see [`Store::take_pending_exception`].
    pub fn take_pending_exception(&mut self) -> Option<Rooted<ExnRef>> {
        let opaque = &mut self.0.opaque;
        let reference = opaque.pending_exception().replace(gc::NULL);
        (reference != gc::NULL).then(|| Rooted::new(opaque, reference))
    }

    /// Whether an exception was thrown that no guest has caught and nobody has taken.
    pub fn has_pending_exception(&self) -> bool {
        self.0.opaque.pending_exception().get() != gc::NULL
    }

    /// The host's data.
    pub fn data(&self) -> &T {
        &self.0.host.data
    }
    /// The host's data, to be changed.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.host.data
    }
    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.0.opaque.engine()
    }
    /// Collects what neither the host nor a guest can reach any more.
    pub fn gc(&mut self) {
        // It fails only if a limiter of the host's does, which nobody asked: the heap is as it was then.
        let _ = self.0.opaque.collect_garbage();
    }
}

/// What a store can be read through: `&Store`, `&Caller` and the contexts themselves.
///
/// ```
/// use waft::*;
///
/// fn visits(store: &impl AsContext<Data = u32>) -> u32 {
///     *store.as_context().data()
/// }
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), 3);
/// assert_eq!(visits(&store), 3);
/// let func = Func::wrap(&mut store, |caller: Caller<'_, u32>| visits(&caller));
/// assert_eq!(func.typed::<(), u32>(&store)?.call(&mut store, ())?, 3);
/// # Ok(())
/// # }
/// ```
pub trait AsContext {
    /// The host's data.
    type Data: 'static;
    /// The store, borrowed.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// What a store can be changed through: `&mut Store`, `&mut Caller` and `StoreContextMut`.
///
/// ```
/// use waft::*;
///
/// fn visit(store: &mut impl AsContextMut<Data = u32>) {
///     *store.as_context_mut().data_mut() += 1;
/// }
///
/// # fn main() -> Result<()> {
/// let mut store = Store::new(&Engine::default(), 0);
/// visit(&mut store);
/// let func = Func::wrap(&mut store, |mut caller: Caller<'_, u32>| visit(&mut caller));
/// func.call(&mut store, &[], &mut [])?;
/// assert_eq!(*store.data(), 2);
/// # Ok(())
/// # }
/// ```
pub trait AsContextMut: AsContext {
    /// The store, mutably borrowed.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<T> AsContext for Store<T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.inner.get())
    }
}

impl<T> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.inner.get_mut())
    }
}

impl<T> AsContext for StoreContext<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T> AsContext for StoreContextMut<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.0)
    }
}

impl<S: AsContext> AsContext for &S {
    type Data = S::Data;
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        (**self).as_context()
    }
}

impl<S: AsContext> AsContext for &mut S {
    type Data = S::Data;
    fn as_context(&self) -> StoreContext<'_, Self::Data> {
        (**self).as_context()
    }
}

impl<S: AsContextMut> AsContextMut for &mut S {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data> {
        (**self).as_context_mut()
    }
}

impl<'a, S: AsContext> From<&'a S> for StoreContext<'a, S::Data> {
    fn from(store: &'a S) -> Self {
        store.as_context()
    }
}

impl<'a, S: AsContextMut> From<&'a mut S> for StoreContextMut<'a, S::Data> {
    fn from(store: &'a mut S) -> Self {
        store.as_context_mut()
    }
}
