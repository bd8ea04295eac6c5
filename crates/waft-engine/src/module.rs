//! Modules: compiled code and the shape that it belongs to.

use crate::artifact::{self, ArtifactWriter};
use crate::backtrace::FuncNames;
use crate::bodies::FoundBodies;
use crate::cache::{Cache, CacheKey, ModuleHasher};
use crate::code::{CompiledCode, ModuleCode};
use crate::compile;
use crate::engine::Engine;
use crate::lazy::KeptCode;
use crate::tier_up::TierUp;
use crate::type_registry::ModuleTypes;
use crate::types::{ExportType, ExternType, ImportType};
use crate::vm::{read_file, thunk};
use crate::wasm_bytes::WasmBytes;
use anyhow::{Context as _, Result};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::time::Duration;
use waft_core::index::{
    DataIndex, DefinedFuncIndex, GlobalIndex, IndexVec, TableIndex, TypeIndex, TypedIndex,
};
use waft_core::layout::VmLayout;
use waft_core::module::{CustomSection, EntityIndex, Shape};
use waft_core::proposal;
use waft_core::types::{GlobalTy, TableTy};

/// A compiled module; cheap to clone.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"(module $app (import "host" "log" (func (param i32)))
///     (memory (export "memory") 1) (table 2 funcref) (func $main) (start $main))"#)?;
/// assert_eq!((module.name(), module.defined_functions(), module.start_function()), (Some("app"), 1, Some(1)));
/// assert_eq!((module.imports().len(), module.exports().len()), (1, 1));
/// assert_eq!((module.memories().len(), module.tables().len()), (1, 1));
/// assert_eq!(module.get_export("memory").unwrap().to_string(), "(memory 1)");
/// assert!(module.wasm()?.starts_with(b"\0asm"));
/// assert!(Engine::same(module.engine(), &engine));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Module(Arc<ModuleInner>);

/// What the instances of a module share.
pub(crate) struct ModuleInner {
    engine: Engine,
    shape: Shape,
    layout: VmLayout,
    wasm: WasmBytes,
    code: ModuleCode,
    types: ModuleTypes,
    /// The types of tables and globals, with the engine's numbers of types.
    tables: IndexVec<TableIndex, TableTy>,
    globals: IndexVec<GlobalIndex, GlobalTy>,
    code_slots: Box<[AtomicPtr<u8>]>,
    exports: HashMap<String, EntityIndex>,
    /// The bodies of a module whose code was found in the cache.
    found_bodies: Option<FoundBodies>,
    /// For profilers: empty without.
    func_names: FuncNames,
}

impl std::fmt::Debug for ModuleInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("functions", &self.shape.funcs.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl ModuleInner {
    /// A module of compiled code.
    ///
    /// # Errors
    ///
    /// If the engine has no room for its types.
    pub(crate) fn new(engine: &Engine, shape: Shape, wasm: WasmBytes, code: ModuleCode) -> Result<Self> {
        let types = engine.types().register_module(&shape)?;
        let map = &mut |ty| types.canonical(ty);
        let table = |ty: &TableTy| TableTy { element: ty.element.map_types(map), ..*ty };
        let tables = shape.tables.values().map(table).collect();
        let global = |ty: &GlobalTy| GlobalTy { content: ty.content.map_types(map), mutable: ty.mutable };
        let globals = shape.globals.values().map(global).collect();
        Ok(Self::assemble(engine, shape, wasm, code, types, (tables, globals)))
    }

    /// A module of no code, for what the host itself defines, with the engine's numbers of types.
    pub(crate) fn synthetic(engine: &Engine, shape: Shape) -> Self {
        let types = ModuleTypes::none(engine.types());
        let canonical = (shape.tables.clone(), shape.globals.clone());
        Self::assemble(
            engine,
            shape,
            WasmBytes::Whole(Vec::new().into()),
            ModuleCode::Whole(CompiledCode::none()),
            types,
            canonical,
        )
    }

    fn assemble(
        engine: &Engine,
        shape: Shape,
        wasm: WasmBytes,
        code: ModuleCode,
        types: ModuleTypes,
        (tables, globals): (IndexVec<TableIndex, TableTy>, IndexVec<GlobalIndex, GlobalTy>),
    ) -> Self {
        let layout = VmLayout::new(&shape);
        let code_slots = match &code {
            ModuleCode::Whole(code) => code.entries().map(AtomicPtr::new).collect(),
            ModuleCode::Lazy(code) => {
                let mut kept = code.kept().map(KeptCode::entries);
                let thunks = (0..shape.defined_funcs()).map(DefinedFuncIndex::new).map(thunk::first_call);
                let mut entry = |thunk| kept.as_mut().and_then(|kept| kept.next()?).unwrap_or(thunk);
                thunks.map(|thunk| AtomicPtr::new(entry(thunk))).collect()
            }
        };
        let exports = shape.exports.iter().map(|export| (export.name.clone(), export.entity)).collect();
        let engine = engine.clone();
        let (found_bodies, func_names) = (None, FuncNames::new());
        Self {
            engine,
            shape,
            layout,
            wasm,
            code,
            types,
            tables,
            globals,
            code_slots,
            exports,
            found_bodies,
            func_names,
        }
    }

    /// The same module, whose bodies are to be looked for.
    pub(crate) fn with_found_bodies(mut self, bodies: FoundBodies) -> Self {
        self.found_bodies = Some(bodies);
        self
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }
    pub(crate) fn layout(&self) -> &VmLayout {
        &self.layout
    }
    pub(crate) fn code(&self) -> &ModuleCode {
        &self.code
    }
    pub(crate) fn wasm(&self) -> &WasmBytes {
        &self.wasm
    }
    /// What finds its bodies, if its code was found.
    pub(crate) fn found_bodies(&self) -> Option<&FoundBodies> {
        self.found_bodies.as_ref()
    }
    /// The contents of its first custom section of this name, if it has one.
    ///
    /// # Errors
    ///
    /// If it cannot be read any more.
    pub(crate) fn custom(&self, name: &str) -> Result<Option<&[u8]>> {
        let range = self.shape.custom(name);
        range.map(|range| self.wasm.get(range)).transpose()
    }
    /// The names of its functions, once somebody asked for them.
    pub(crate) fn func_names(&self) -> &FuncNames {
        &self.func_names
    }
    /// The engine's number for each type of the module.
    pub(crate) fn type_ids(&self) -> &[u32] {
        self.types.ids()
    }
    /// The engine's number for a type of the module.
    pub(crate) fn type_id(&self, ty: TypeIndex) -> u32 {
        self.types.ids()[ty.index()]
    }
    /// The type of a table, with the engine's numbers of types.
    pub(crate) fn table_ty(&self, table: TableIndex) -> TableTy {
        self.tables[table]
    }
    /// The type of a global, with the engine's numbers of types.
    pub(crate) fn global_ty(&self, global: GlobalIndex) -> GlobalTy {
        self.globals[global]
    }
    /// Where each defined function is entered now.
    pub(crate) fn code_slots(&self) -> &[AtomicPtr<u8>] {
        &self.code_slots
    }
    /// What references and exports of a defined function call: its code if it is there to stay.
    pub(crate) fn reference_code(&self, func: DefinedFuncIndex) -> *const u8 {
        if self.is_settled(func) {
            self.code_slots[func.index()].load(Ordering::Acquire)
        } else {
            thunk::through_slot(func)
        }
    }
    /// Whether a function has the code that it will keep.
    pub(crate) fn is_settled(&self, func: DefinedFuncIndex) -> bool {
        match &self.code {
            ModuleCode::Whole(_) => true,
            ModuleCode::Lazy(code) => match code.tier_up() {
                Some(tier_up) => tier_up.is_settled(func),
                None => self.code_slots[func.index()].load(Ordering::Acquire) != thunk::first_call(func),
            },
        }
    }
    /// The budgets of its functions; null if no code counts.
    pub(crate) fn budgets(&self) -> *const AtomicI32 {
        self.code.tier_up().map_or(std::ptr::null(), TierUp::budgets)
    }
    /// Refuses a module that was only decoded.
    pub(crate) fn check_compiled(&self) -> Result<()> {
        let (code, declared) = (self.code_slots.len(), self.shape.defined_funcs());
        anyhow::ensure!(
            code == declared,
            "the module was decoded to be looked at, and not compiled: use `Module::new`"
        );
        Ok(())
    }
    /// The export of this name.
    pub(crate) fn export(&self, name: &str) -> Option<EntityIndex> {
        self.exports.get(name).copied()
    }
    /// The bytes of a data segment.
    pub(crate) fn data(&self, data: DataIndex) -> &[u8] {
        &self.wasm.kept()[self.shape.datas[data].range.clone()]
    }
}

impl Drop for ModuleInner {
    fn drop(&mut self) {
        Cache::keep(self);
    }
}

impl Module {
    /// Compiles a module from the binary or the text format.
    ///
    /// # Errors
    ///
    /// If it is malformed or invalid, uses a proposal that is switched off, or exceeds a limit. The message says where.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let from_text = Module::new(&engine, "(module (func))")?;
    /// let from_binary = Module::new(&engine, b"\0asm\x01\0\0\0")?;
    /// let error = Module::new(&engine, "(module (func i32.add))").unwrap_err();
    /// assert!(error.to_string().contains("type mismatch"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        Self::from_either(engine, bytes.as_ref(), || engine.cache_key())
    }

    /// Compiles a module from the binary format.
    ///
    /// # Errors
    ///
    /// As [`Module::new`].
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let module = Module::from_binary(&engine, b"\0asm\x01\0\0\0")?;
    /// assert!(Module::from_binary(&engine, b"(module)").is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_binary(engine: &Engine, binary: &[u8]) -> Result<Self> {
        refuse_precompiled(binary)?;
        Self::from_bytes(engine, binary.to_vec(), engine.cache_key())
    }

    /// Compiles a module from a file in either format.
    ///
    /// A large file stays open, and what nobody needed yet stays there: names, debugging information, what other custom sections hold;
    /// of a module whose code is in the engine's cache, also the bodies of functions that have code. If it is written to in place
    /// while the module is used, a function that would have to be compiled from there traps, and names are what the file says then; no
    /// other code runs. A file that was replaced by another one is still there. With [`Module::new`], all is in memory.
    ///
    /// # Errors
    ///
    /// As [`Module::new`], or if the file cannot be read.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let file = std::env::temp_dir().join(format!("waft-example-{}-from.wat", std::process::id()));
    /// std::fs::write(&file, "(module $from_a_file)")?;
    /// let module = Module::from_file(&engine, &file)?;
    /// assert_eq!(module.name(), Some("from_a_file"));
    /// # std::fs::remove_file(&file)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = || format!("cannot read {}", path.display());
        let file = Arc::new(File::open(path).with_context(failed)?);
        let named = |module: Result<Self>| module.with_context(|| format!("module {}", path.display()));
        let (cache, threads) = (&engine.config().cache, engine.threads());
        let key = engine.cache_key();
        let may_have = |len| cache.as_ref().is_some_and(|cache| cache.may_have(engine, len));
        let on_file = WasmBytes::of_file(&file, threads, key.as_ref(), may_have).with_context(failed)?;
        if let Some((wasm, hasher)) = on_file {
            return named(Self::cached_or_compiled(engine, &wasm, hasher.as_deref()));
        }
        let contents = read_file(&file, threads).with_context(failed)?;
        // A copy of a large module would be felt.
        named(if contents.bytes().starts_with(&BINARY_MAGIC) {
            let hasher = key.map(|key| ModuleHasher::of(key, contents.bytes(), threads));
            Self::cached_or_compiled(engine, &WasmBytes::Whole(contents), hasher.as_ref())
        } else {
            Self::from_either(engine, contents.bytes(), || key)
        })
    }

    /// Decodes and validates a module from the binary or the text format, and compiles nothing: to look at it. It cannot
    /// be instantiated.
    ///
    /// # Errors
    ///
    /// As [`Module::new`].
    ///
    /// ```
    /// use waft::{Engine, Instance, Module, Store};
    ///
    /// # fn main() -> waft::Result<()> {
    /// let engine = Engine::default();
    /// let module = Module::decode(&engine, r#"(module (func (export "f")))"#)?;
    /// assert_eq!(module.exports().next().unwrap().name(), "f");
    /// assert!(Instance::new(&mut Store::new(&engine, ()), &module, &[]).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn decode(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        let bytes = bytes.as_ref();
        refuse_precompiled(bytes)?;
        let wasm: Arc<[u8]> = wat::parse_bytes(bytes)?.into();
        let shape = compile::validate(engine, &wasm)?;
        let code = ModuleCode::Whole(CompiledCode::none());
        let inner = ModuleInner::new(engine, shape, WasmBytes::Whole(wasm.into()), code)?;
        Ok(Self(Arc::new(inner)))
    }

    /// From the binary or the text format.
    fn from_either(
        engine: &Engine,
        bytes: &[u8],
        key: impl FnOnce() -> Option<Arc<CacheKey>>,
    ) -> Result<Self> {
        refuse_precompiled(bytes)?;
        let binary = wat::parse_bytes(bytes)?.into_owned();
        Self::from_bytes(engine, binary, key())
    }

    fn from_bytes(engine: &Engine, wasm: Vec<u8>, key: Option<Arc<CacheKey>>) -> Result<Self> {
        let hasher = key.map(|key| ModuleHasher::of(key, &wasm, engine.threads()));
        Self::cached_or_compiled(engine, &WasmBytes::Whole(wasm.into()), hasher.as_ref())
    }

    /// Looks for a module in the engine's cache by its hash, if there is one.
    fn cached_or_compiled(engine: &Engine, wasm: &WasmBytes, hasher: Option<&ModuleHasher>) -> Result<Self> {
        let compile = || compile::module(engine, wasm.with_bodies()?).map(Self::registered);
        match (&engine.config().cache, hasher) {
            (Some(cache), Some(hasher)) => cache.get_or_compile(engine, wasm, hasher, compile),
            _ => compile(),
        }
    }

    /// Says whether a module in the binary format is valid, without compiling it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    /// Module::validate(&engine, &bytes)?;
    /// bytes.push(0xff);
    /// assert!(Module::validate(&engine, &bytes).is_err());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn validate(engine: &Engine, binary: &[u8]) -> Result<()> {
        compile::validate(engine, binary).map(drop)
    }

    /// The module as a precompiled one: what [`Module::deserialize`] takes.
    ///
    /// # Errors
    ///
    /// If it is too large for the format.
    ///
    /// ```
    /// use waft::{Engine, Module};
    ///
    /// # fn main() -> waft::Result<()> {
    /// let engine = Engine::default();
    /// let bytes = Module::new(&engine, "(module)")?.serialize()?;
    /// assert!(Module::is_precompiled(&bytes));
    /// # Ok(())
    /// # }
    /// ```
    pub fn serialize(&self) -> Result<Vec<u8>> {
        self.0.check_compiled()?;
        Ok(ArtifactWriter::precompiled(&self.0)?.into_bytes())
    }

    /// Leaves what was compiled until now in the engine's cache, if it has one and compiles functions as they are called; what
    /// has all its code is left there by [`Module::new`].
    ///
    /// It happens by itself when the last handle of the module and the last store with an instance of it are dropped, or a little
    /// later if something of it is being compiled in the background. A process that ends without that, or may be ended, calls it. Nothing is written that is there already, or
    /// that is compiled sooner than written.
    ///
    /// ```
    /// # use waft::*;
    /// # let directory = std::env::temp_dir().join(format!("waft-example-{}-keep", std::process::id()));
    /// let mut config = CacheConfig::new();
    /// config.with_directory(&directory);
    /// let engine = Engine::new(Config::new().cache(Some(Cache::new(config)?)))?;
    /// let module = Module::new(&engine, "(module (func $start) (start $start) (func $unused))")?;
    /// Instance::new(&mut Store::new(&engine, ()), &module, &[])?;
    /// module.keep();
    /// // Another process would find the code of one function as well.
    /// let found = Module::new(&engine, "(module (func $start) (start $start) (func $unused))")?;
    /// assert_eq!(found.compiled_functions(), 1);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn keep(&self) {
        Cache::keep(&self.0);
    }

    /// Waits for the optimized code of functions that an earlier process found hot, and that it had none for when it ended; not longer
    /// than `limit`. Whether there is nothing left to wait for.
    ///
    /// A process that lives shorter than its hottest function takes to compile never gets to use it. This is called once, at the end,
    /// before [`Module::keep`]: the processes after it then start with that code. What was not ready within `limit` is not waited for again by
    /// any, and begun by those alone that live for half a second. With nothing in the cache, with no cache that can be written to, or with
    /// another [`TierChoice`](crate::TierChoice) than `Auto`, nobody waits.
    ///
    /// ```
    /// # use waft::*;
    /// let module = Module::new(&Engine::default(), "(module)")?;
    /// assert!(module.wait_for_hot(std::time::Duration::from_millis(500)));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn wait_for_hot(&self, limit: Duration) -> bool {
        self.0.wait_for_hot(limit)
    }

    /// A module of compiled code, which becomes known to the signal handlers.
    pub(crate) fn registered(inner: ModuleInner) -> Self {
        let inner = Arc::new(inner);
        inner.code.register(&inner);
        Self(inner)
    }

    pub(crate) fn from_inner(inner: Arc<ModuleInner>) -> Self {
        Self(inner)
    }
    pub(crate) fn inner(&self) -> &Arc<ModuleInner> {
        &self.0
    }

    /// The engine that it was compiled for.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The module's name, if its name section has one.
    pub fn name(&self) -> Option<&str> {
        crate::backtrace::module_name(&self.0)
    }

    /// What it asks its host for, in order.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (import "host" "log" (func (param i32))))"#)?;
    /// let wanted: Vec<_> = module.imports().map(|it| format!("{}::{} {}", it.module(), it.name(), it.ty())).collect();
    /// assert_eq!(wanted, ["host::log (func (param i32))"]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> + '_ {
        self.0.shape.imports.iter().map(|import| ImportType {
            module: &import.module,
            name: &import.name,
            inner: &self.0,
            entity: import.entity,
        })
    }

    /// What it offers, in order.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (func (export "f")) (memory (export "m") 1))"#)?;
    /// let offered: Vec<_> = module.exports().map(|export| format!("{} {}", export.name(), export.ty())).collect();
    /// assert_eq!(offered, ["f (func)", "m (memory 1)"]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> + '_ {
        self.0.shape.exports.iter().map(|export| ExportType {
            name: &export.name,
            inner: &self.0,
            entity: export.entity,
        })
    }

    /// The type of the export of this name.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (func (export "_start")))"#)?;
    /// let is_program = module.get_export("_start").is_some_and(|ty| ty.func().is_some());
    /// assert!(is_program);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        Some(ExternType::of(&self.0, self.0.export(name)?))
    }

    /// The types of the memories that it defines or imports.
    pub fn memories(&self) -> impl ExactSizeIterator<Item = crate::types::MemoryType> + '_ {
        self.0.shape.memories.values().map(|ty| crate::types::MemoryType(*ty))
    }

    /// The types of the tables that it defines or imports.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = crate::types::TableType> + '_ {
        self.0.tables.values().map(|ty| crate::types::TableType::from_canonical(self.0.engine.types(), *ty))
    }

    /// How many functions it defines itself.
    pub fn defined_functions(&self) -> usize {
        self.0.shape.defined_funcs()
    }

    /// The index of the function that runs when it is instantiated.
    pub fn start_function(&self) -> Option<u32> {
        self.0.shape.start.map(|func| func.index() as u32)
    }

    /// Its custom sections in order, each with its contents. Those of a large file are read now: see [`Module::from_file`].
    ///
    /// # Errors
    ///
    /// If they are in a file that cannot be read any more.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, r#"(module (@custom "licence" "Apache-2.0"))"#)?;
    /// let licence = module.custom_sections()?.find(|(name, _)| *name == "licence");
    /// assert_eq!(licence.unwrap().1, b"Apache-2.0");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn custom_sections(&self) -> Result<impl ExactSizeIterator<Item = (&str, &[u8])> + '_> {
        let contents = |section: &CustomSection| self.0.wasm.get(section.range.clone());
        let customs = &self.0.shape.customs;
        let contents = customs.iter().map(contents).collect::<Result<Vec<_>>>()?;
        Ok(customs.iter().map(|section| section.name.as_str()).zip(contents))
    }

    /// The module in the binary format; of a precompiled module, without its code. What custom sections of a large file hold is what they
    /// hold now.
    ///
    /// # Errors
    ///
    /// If it is in a file that has changed otherwise: see [`Module::from_file`].
    pub fn wasm(&self) -> Result<&[u8]> {
        self.0.wasm.whole()
    }

    /// Bytes of machine code that there are: of a module that is compiled lazily, of the functions that were called.
    pub fn code_size(&self) -> usize {
        self.0.code.len()
    }

    /// How many of the functions that it defines are compiled: all of them, unless it is compiled lazily.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::new(Config::new().lazy_compilation(true))?;
    /// let module = Module::new(&engine, r#"(module (func (export "f")) (func (export "g")))"#)?;
    /// let mut store = Store::new(&engine, ());
    /// let instance = Instance::new(&mut store, &module, &[])?;
    /// assert_eq!(module.compiled_functions(), 0);
    /// instance.get_typed_func::<(), ()>(&mut store, "g")?.call(&mut store, ())?;
    /// assert_eq!(module.compiled_functions(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn compiled_functions(&self) -> usize {
        match &self.0.code {
            ModuleCode::Whole(_) => self.0.code_slots.len(),
            ModuleCode::Lazy(code) => code.funcs(),
        }
    }

    /// Whether `bytes` start as a precompiled module does, of whatever engine.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let module = Module::new(&engine, "(module)")?;
    /// assert!(Module::is_precompiled(&module.serialize()?));
    /// assert!(!Module::is_precompiled(module.wasm()?));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_precompiled(bytes: &[u8]) -> bool {
        artifact::is_artifact(bytes)
    }

    /// The names of the proposals that it uses: those that it cannot do without, found by validating it without each in
    /// turn, and those that it has data for, as branch hints. `None` for a precompiled module, which does not keep the
    /// code that would tell.
    ///
    /// # Errors
    ///
    /// As [`Module::wasm`].
    ///
    /// ```
    /// use waft::{Engine, Module};
    ///
    /// # fn main() -> waft::Result<()> {
    /// let module = Module::new(&Engine::default(), "(module (func (result i32 i32) i32.const 1 i32.const 2))")?;
    /// assert_eq!(module.proposals_used()?.unwrap(), ["multi-value"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn proposals_used(&self) -> Result<Option<Vec<&'static str>>> {
        if let WasmBytes::WithoutCode(_) = self.0.wasm {
            return Ok(None);
        }
        let wasm = self.0.wasm.with_bodies()?;
        let used = proposal::proposals_used(wasm.kept()).into_iter().map(proposal::Proposal::name);
        Ok(Some(used.collect()))
    }
}

/// Starts every module in the binary format.
const BINARY_MAGIC: [u8; 4] = *b"\0asm";

fn refuse_precompiled(bytes: &[u8]) -> Result<()> {
    anyhow::ensure!(
        !artifact::is_artifact(bytes),
        "this is a precompiled module, which holds machine code: load it with `Module::deserialize` if you trust it"
    );
    Ok(())
}
