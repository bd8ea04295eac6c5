//! Instances: the order in which a module comes to life, and the handle to what lives.

use crate::engine::Engine;
use crate::extern_::Extern;
use crate::func::{Func, TypedFunc, WasmParams, WasmResults};
use crate::global::Global;
use crate::limits::GrowthRequest;
use crate::memory::Memory;
use crate::module::{Module, ModuleInner};
use crate::shared_memory::SharedMemory;
use crate::store::{AsContext, AsContextMut, StoreContextMut};
use crate::table::Table;
use crate::tag::Tag;
use crate::types::{ExternType, check_limits, check_memory};
use crate::vm::{
    Binding, Callee, InstanceRecord, MemoryObject, PartOf, SharedMemoryObject, StoreOpaque, StorePtr,
};
use anyhow::{Context as _, Result, bail, ensure};
use std::sync::Arc;
use waft_core::index::{
    DefinedGlobalIndex, DefinedMemoryIndex, DefinedTableIndex, GlobalIndex, MemoryIndex, TableIndex,
    TypedIndex,
};
use waft_core::module::{ConstOp, DataMode, ElemMode, EntityIndex, Import, Shape};
use waft_core::trap::TrapCode;
use waft_core::types::TableTy;

/// An instance of a module in a store.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"(module (global (export "answer") i32 (i32.const 42)))"#)?;
/// let mut store = Store::new(&engine, ());
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let answer = instance.get_global(&mut store, "answer").unwrap();
/// assert_eq!(answer.get(&mut store).unwrap_i32(), 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Instance(StorePtr<InstanceRecord>);

/// What an instance exports.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// # let engine = Engine::default();
/// # let mut store = Store::new(&engine, ());
/// let module = Module::new(&engine, r#"(module (memory (export "memory") 1))"#)?;
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let export: Export<'_> = instance.exports(&mut store).next().context("no export")?;
/// assert_eq!(export.name(), "memory");
/// let item: Extern = export.into_extern();
/// assert_eq!(item.ty(&store).to_string(), "(memory 1)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Export<'instance> {
    name: &'instance str,
    definition: Extern,
}

impl<'instance> Export<'instance> {
    /// Its name.
    pub fn name(&self) -> &'instance str {
        self.name
    }
    /// Its type.
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        self.definition.ty(store)
    }
    /// The thing itself.
    pub fn into_extern(self) -> Extern {
        self.definition
    }
}

impl Instance {
    /// Instantiates a module with `imports` in the order of [`Module::imports`], and runs its start function.
    ///
    /// # Errors
    ///
    /// If an import is missing or of the wrong type, the store's limits or the machine do not allow the instance, a
    /// segment does not fit or the start function traps.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (import "host" "log" (func $log (param i32)))
    ///     (func $main (call $log (i32.const 7))) (start $main))"#)?;
    /// let log = Func::wrap(&mut store, |number: i32| println!("{number}"));
    /// Instance::new(&mut store, &module, &[log.into()])?;
    /// assert!(Instance::new(&mut store, &module, &[]).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(mut store: impl AsContextMut, module: &Module, imports: &[Extern]) -> Result<Self> {
        let mut store = store.as_context_mut();
        check_engine(module, &store.0.opaque)?;
        let wanted = module.imports().len();
        ensure!(wanted == imports.len(), "expected {wanted} imports, found {}", imports.len());
        for (import, given) in module.inner().shape().imports.iter().zip(imports) {
            check_import(&store.0.opaque, module.inner(), import, given)?;
        }
        let opaque = &mut store.0.opaque;
        let bindings = imports.iter().map(|given| given.binding(opaque)).collect::<Result<Vec<Binding>>>()?;
        Self::bound(&mut store, module, &bindings)
    }

    /// Instantiates with imports that are known to be of the right types, for the module's engine.
    pub(crate) fn bound<T>(
        store: &mut StoreContextMut<'_, T>,
        module: &Module,
        bindings: &[Binding],
    ) -> Result<Self> {
        let opaque = &mut store.0.opaque;
        module.inner().check_compiled()?;
        let instance = allocate(opaque, module.inner().clone(), bindings)?;
        initialise(opaque, instance)?;
        if let Some(start) = module.inner().shape().start {
            let start = opaque.at(instance).func_ref(start).context("the start function has no reference")?;
            Callee::new(opaque, start).call_as(Some(instance), opaque, |_, _| Ok(()), |_, _| ())?;
        }
        Ok(Self(instance))
    }

    /// The module that it is an instance of.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module $app)"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// assert_eq!(instance.module(&store).name(), Some("app"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn module<'a, T: 'static>(&self, store: impl Into<crate::StoreContext<'a, T>>) -> Module {
        let store: crate::StoreContext<'a, T> = store.into();
        Module::from_inner(store.0.opaque.at(self.0).module().clone())
    }

    /// What it exports by this name.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (table (export "t") 1 funcref))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// assert!(matches!(instance.get_export(&mut store, "t"), Some(Extern::Table(_))));
    /// assert!(instance.get_export(&mut store, "u").is_none());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        let store = store.as_context_mut();
        let record = store.0.opaque.at(self.0);
        Extern::of(record, record.module().export(name)?)
    }

    /// All that it exports, in the order of the module.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (func (export "f")) (memory (export "m") 1))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let names: Vec<_> = instance.exports(&mut store).map(|export| export.name().to_owned()).collect();
    /// assert_eq!(names, ["f", "m"]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn exports<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> impl ExactSizeIterator<Item = Export<'a>> + 'a {
        let store: StoreContextMut<'a, T> = store.into();
        let record: &'a InstanceRecord = store.0.opaque.at(self.0);
        let exports: Vec<_> = record
            .shape()
            .exports
            .iter()
            .filter_map(|export| {
                Some(Export { name: &export.name, definition: Extern::of(record, export.entity)? })
            })
            .collect();
        exports.into_iter()
    }

    /// The function that it exports by this name.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (func (export "f") (result i32) i32.const 7))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let func = instance.get_func(&mut store, "f").context("no `f`")?;
    /// let mut results = [Val::I32(0)];
    /// func.call(&mut store, &[], &mut results)?;
    /// assert_eq!(results[0].unwrap_i32(), 7);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The same with its signature.
    ///
    /// # Errors
    ///
    /// If there is no such function, or its signature is another one.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (func (export "f") (param i32) (result i32) local.get 0))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let func = instance.get_typed_func::<i32, i32>(&mut store, "f")?;
    /// assert_eq!(func.call(&mut store, 7)?, 7);
    /// assert!(instance.get_typed_func::<i64, i32>(&mut store, "f").is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_typed_func<Params: WasmParams, Results: WasmResults>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<Params, Results>> {
        let export =
            self.get_export(&mut store, name).with_context(|| format!("no export named `{name}`"))?;
        let func = export.into_func().with_context(|| format!("the export `{name}` is not a function"))?;
        func.typed(&store).with_context(|| format!("the export `{name}` has another type"))
    }

    /// The memory that it exports by this name, unless it is shared.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (memory (export "memory") 1) (data (i32.const 0) "hi"))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let memory = instance.get_memory(&mut store, "memory").context("no memory")?;
    /// assert_eq!(&memory.data(&store)[..2], b"hi");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }
    /// The shared memory that it exports by this name.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (memory (export "memory") 1 2 shared))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let memory = instance.get_shared_memory(&mut store, "memory").context("no memory")?;
    /// assert_eq!(memory.size(), 1);
    /// assert!(instance.get_memory(&mut store, "memory").is_none());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_shared_memory(&self, store: impl AsContextMut, name: &str) -> Option<SharedMemory> {
        self.get_export(store, name)?.into_shared_memory()
    }
    /// The table that it exports by this name.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (table (export "t") 3 funcref))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let table = instance.get_table(&mut store, "t").context("no table")?;
    /// assert_eq!(table.size(&store), 3);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }
    /// The tag that it exports by this name.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (tag (export "failure") (param i32)))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let tag = instance.get_tag(&mut store, "failure").context("no tag")?;
    /// assert_eq!(tag.ty(&store).to_string(), "(tag (param i32))");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_tag(&self, store: impl AsContextMut, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.into_tag()
    }
    /// The global that it exports by this name.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// let module = Module::new(&engine, r#"(module (global (export "g") i64 (i64.const 7)))"#)?;
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// let global = instance.get_global(&mut store, "g").context("no global")?;
    /// assert_eq!(global.get(&mut store).unwrap_i64(), 7);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }
}

/// Checks that a module can have instances in a store.
pub(crate) fn check_engine(module: &Module, store: &StoreOpaque) -> Result<()> {
    ensure!(
        Engine::same(module.engine(), store.engine()),
        "the module and the store belong to different engines"
    );
    Ok(())
}

/// Checks that `given` can stand for `import`.
///
/// Source: Core Specification 2.0, section 4.5.1 (external typing) and 3.2.7 (import subtyping).
pub(crate) fn check_import(
    store: &StoreOpaque,
    module: &ModuleInner,
    import: &Import,
    given: &Extern,
) -> Result<()> {
    let (here, elsewhere) = match given {
        Extern::SharedMemory(memory) => (memory.is_of(store.engine()), "engine"),
        other => (other.store() == Some(store.id()), "store"),
    };
    ensure!(here, "the import `{}::{}` belongs to another {elsewhere}", import.module, import.name);
    let (shape, types) = (module.shape(), module.engine().types());
    let fits = match (import.entity, given) {
        (EntityIndex::Func(func), Extern::Func(given)) => {
            types.is_subtype(store.func_type_id(given.func_ref()), module.type_id(shape.funcs[func].ty))
        }
        (EntityIndex::Global(global), Extern::Global(given)) => {
            let (ours, wanted) = (given.declared(store), module.global_ty(global));
            let content_fits = if wanted.mutable {
                ours.content == wanted.content
            } else {
                types.val_is_subtype(ours.content, wanted.content)
            };
            ours.mutable == wanted.mutable && content_fits
        }
        (EntityIndex::Table(table), Extern::Table(given)) => {
            let object = store.at(given.part().owner).table_object(given.part().index);
            let wanted = module.table_ty(table);
            let kind = |ty: &TableTy| (ty.element, ty.index);
            kind(&object.ty()) == kind(&wanted) && object.ty().limits.fits(object.len(), &wanted.limits)
        }
        (EntityIndex::Memory(memory), Extern::Memory(given)) => {
            let object = store.at(given.part().owner).memory_object(given.part().index);
            object.ty().fits(object.pages(), &shape.memories[memory])
        }
        (EntityIndex::Memory(memory), Extern::SharedMemory(given)) => {
            given.object().ty().fits(given.object().pages(), &shape.memories[memory])
        }
        // Source: section 3.3.14: tags match if their types are equal.
        (EntityIndex::Tag(tag), Extern::Tag(given)) => {
            store.tag_type(given.number()) == module.type_id(shape.tags[tag])
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let wanted = ExternType::of(module, import.entity);
    let found = given.describe(store);
    bail!(
        "incompatible import type for `{}::{}`: the module wants {wanted}, found {found}",
        import.module,
        import.name
    )
}

/// Makes the instance, within the limits of the store.
fn allocate(
    store: &mut StoreOpaque,
    module: Arc<ModuleInner>,
    bindings: &[Binding],
) -> Result<StorePtr<InstanceRecord>> {
    let shape = module.shape();
    let memories = &shape.memories.as_slice()[shape.imported_memories..];
    let tables = &shape.tables.as_slice()[shape.imported_tables..];
    store.may_add_instance(memories.len(), tables.len())?;
    let memories =
        memories.iter().map(|ty| (GrowthRequest::memory(*ty, 0, ty.limits.min), ty.limits.min, "pages"));
    let tables = tables
        .iter()
        .map(|ty| (GrowthRequest::table(*ty, 0, ty.limits.min), ty.limits.min, "table elements"));
    for (request, size, unit) in memories.chain(tables).collect::<Vec<_>>() {
        ensure!(store.may_grow(request)?, "the module's initial {size} {unit} exceed the store's limit");
    }
    InstanceRecord::create(store, module, bindings)
}

/// Gives globals, tables and memories their first values.
///
/// Source: Core Specification 2.0, section 4.5.4 (instantiation), whose order of segments this keeps.
fn initialise(store: &mut StoreOpaque, instance: StorePtr<InstanceRecord>) -> Result<()> {
    let module = store.at(instance).module().clone();
    let shape = module.shape();
    for (at, init) in shape.global_inits.iter() {
        let value = store.evaluate(instance, init)?;
        let global = GlobalIndex::new(shape.imported_globals + DefinedGlobalIndex::index(at));
        store.global_set(store.at(instance).global(global), value);
    }
    for (at, init) in shape.table_inits.iter() {
        let Some(init) = init else { continue };
        let value = store.evaluate(instance, init)?.as_ref();
        let table = TableIndex::new(shape.imported_tables + DefinedTableIndex::index(at));
        let part = store.at(instance).table(table);
        let filled = store.table_fill(part, 0, value, shape.tables[table].limits.min);
        debug_assert!(filled, "a table has its initial size");
    }
    for elem in shape.elems.keys() {
        store.elem_evaluate(instance, elem)?;
    }
    for (elem, segment) in shape.elems.iter() {
        if let ElemMode::Active { table, offset } = &segment.mode {
            let part = store.at(instance).table(*table);
            let offset = shape.tables[*table].index.index(store.evaluate(instance, offset)?.0);
            let fits = store.table_init(instance, part, elem, offset, 0, segment.items.len() as u64);
            ensure!(fits, TrapCode::TableOutOfBounds);
        }
        if segment.mode != ElemMode::Passive {
            store.elem_drop(instance, elem);
        }
    }
    // Modules have up to 100,000 segments, each of them at a constant.
    let wasm = module.wasm().kept();
    for (data, segment) in shape.datas.iter() {
        if let DataMode::Active { memory, offset } = &segment.mode {
            let part = store.at(instance).memory(*memory);
            let offset = match *offset.ops() {
                [ConstOp::I32(offset)] => offset.cast_unsigned().into(),
                _ => shape.memories[*memory].index.index(store.evaluate(instance, offset)?.0),
            };
            let fits = store.memory_write(part, offset, &wasm[segment.range.clone()]);
            ensure!(fits, TrapCode::MemoryOutOfBounds);
            store.data_drop(instance, data);
        }
    }
    Ok(())
}

/// Something of the host's own, as an instance of a module that has nothing else: memories, tables and globals then
/// have an owner of one kind.
pub(crate) fn synthetic<T>(
    store: &mut StoreContextMut<'_, T>,
    shape: Shape,
) -> Result<StorePtr<InstanceRecord>> {
    // What validation checks of a module's own.
    shape.memories.values().try_for_each(check_memory)?;
    ensure!(!shape.memories.values().any(|ty| ty.shared), "a shared memory is made with `SharedMemory::new`");
    shape.tables.values().try_for_each(|ty| check_limits(ty.limits, ty.elements_max()))?;
    let opaque = &mut store.0.opaque;
    let module = ModuleInner::synthetic(opaque.engine(), shape);
    allocate(opaque, Arc::new(module), &[])
}

/// The part that stands for a shared memory in a store: it is taken in by the first use.
pub(crate) fn take_in_shared(
    store: &mut StoreOpaque,
    memory: &Arc<SharedMemoryObject>,
) -> Result<PartOf<DefinedMemoryIndex>> {
    if let Some(part) = store.shared_memory(memory) {
        return Ok(part);
    }
    store.may_add_instance(1, 0)?;
    let mut shape = Shape::default();
    shape.memories.push(memory.ty());
    let module = Arc::new(ModuleInner::synthetic(store.engine(), shape));
    let memories = std::iter::once(MemoryObject::Shared(memory.clone())).collect();
    let record = InstanceRecord::create_with(store, module, &[], memories)?;
    let part = store.at(record).memory(MemoryIndex::from_u32(0));
    store.adopt_shared_memory(part);
    Ok(part)
}
