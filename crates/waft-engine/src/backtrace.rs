//! Backtraces of guests: from addresses to functions, offsets and source lines.

use crate::code::{CodeOrigin, RegisteredCode};
use crate::module::ModuleInner;
use crate::vm::{self, RawBacktrace};
use anyhow::Error;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use waft_core::index::{FuncIndex, TypedIndex};

mod names;
mod source;

use names::FuncLabel;
pub(crate) use names::{FuncNames, module_name};
use source::SourceMap;

/// Where a guest was when it trapped, innermost function first. Found on errors with
/// [`downcast_ref`](anyhow::Error::downcast_ref).
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let module = Module::new(&engine, r#"(module $m (func $inner unreachable) (func (export "f") call $inner))"#)?;
/// let instance = Instance::new(&mut store, &module, &[])?;
/// let error = instance.get_typed_func::<(), ()>(&mut store, "f")?.call(&mut store, ()).unwrap_err();
/// let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
/// assert_eq!(backtrace.frames()[0].func_name(), Some("inner"));
/// # Ok(())
/// # }
/// ```
pub struct WasmBacktrace {
    /// The functions at work, innermost first.
    places: Vec<Place>,
    /// How many are left out, and before which of them.
    omitted: Option<(usize, usize)>,
    /// What is known of each, found out when somebody asks: a program that ends by `proc_exit` does so by an error, too, at
    /// which nobody looks.
    frames: OnceLock<Vec<FrameInfo>>,
}

/// One function of a backtrace.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// # let engine = Engine::default();
/// # let mut store = Store::new(&engine, ());
/// let module = Module::new(&engine, r#"(module $m (func $inner unreachable) (func (export "f") call $inner))"#)?;
/// # let instance = Instance::new(&mut store, &module, &[])?;
/// # let f = instance.get_typed_func::<(), ()>(&mut store, "f")?;
/// let error = f.call(&mut store, ()).unwrap_err();
/// let frame = &error.downcast_ref::<WasmBacktrace>().context("a backtrace")?.frames()[0];
/// assert_eq!((frame.module_name(), frame.func_name()), (Some("m"), Some("inner")));
/// assert_eq!((frame.func_index(), frame.module().name()), (0, Some("m")));
/// // The operator is `unreachable`, which comes after the count of locals.
/// assert_eq!(module.wasm()?[frame.module_offset().unwrap()], 0x00);
/// assert_eq!(frame.func_offset(), Some(1));
/// assert!(frame.symbols().is_empty(), "there is no DWARF in it");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FrameInfo {
    module: Arc<ModuleInner>,
    module_name: Option<String>,
    func_index: u32,
    func_name: Option<String>,
    module_offset: Option<usize>,
    func_offset: Option<usize>,
    symbols: Vec<FrameSymbol>,
}

/// What the module's DWARF says about a place: one function, and more where they were inlined.
///
/// ```
/// use waft::*;
///
/// /// Where in the source a frame is, or at least in which function.
/// fn place(frame: &FrameInfo) -> String {
///     match frame.symbols().first() {
///         Some(at) => format!("{:?} {:?} {:?}:{:?}", at.name(), at.file(), at.line(), at.column()),
///         None => format!("{:?}", frame.func_name()),
///     }
/// }
///
/// # fn main() -> Result<()> {
/// # let engine = Engine::default();
/// # let mut store = Store::new(&engine, ());
/// # let module = Module::new(&engine, r#"(module $m (func $inner unreachable) (func (export "f") call $inner))"#)?;
/// # let instance = Instance::new(&mut store, &module, &[])?;
/// # let f = instance.get_typed_func::<(), ()>(&mut store, "f")?;
/// # let error = f.call(&mut store, ()).unwrap_err();
/// # let backtrace = error.downcast_ref::<WasmBacktrace>().context("a backtrace")?;
/// assert_eq!(place(&backtrace.frames()[0]), r#"Some("inner")"#);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FrameSymbol {
    pub(crate) name: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

impl FrameSymbol {
    /// The function's name in the source.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
    /// The source file.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
    /// The line, from 1.
    pub fn line(&self) -> Option<u32> {
        self.line
    }
    /// The column, from 1.
    pub fn column(&self) -> Option<u32> {
        self.column
    }
}

impl fmt::Debug for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameInfo")
            .field("func_index", &self.func_index)
            .field("func_name", &self.func_name)
            .field("module_offset", &self.module_offset)
            .finish_non_exhaustive()
    }
}

impl FrameInfo {
    /// The function's index in its module.
    pub fn func_index(&self) -> u32 {
        self.func_index
    }
    /// The function's name, from the name section, demangled where it is mangled.
    pub fn func_name(&self) -> Option<&str> {
        self.func_name.as_deref()
    }
    /// The module's name, from the name section.
    pub fn module_name(&self) -> Option<&str> {
        self.module_name.as_deref()
    }
    /// The operator, in bytes from the start of the module.
    pub fn module_offset(&self) -> Option<usize> {
        self.module_offset
    }
    /// The operator, in bytes from the start of the function's body.
    pub fn func_offset(&self) -> Option<usize> {
        self.func_offset
    }
    /// What DWARF says, innermost first; empty without it.
    pub fn symbols(&self) -> &[FrameSymbol] {
        &self.symbols
    }
    fn is_at_same_place(&self, other: &Self) -> bool {
        self.func_index == other.func_index
            && self.module_offset == other.module_offset
            && Arc::ptr_eq(&self.module, &other.module)
    }
    /// The module.
    pub fn module(&self) -> crate::Module {
        crate::Module::from_inner(self.module.clone())
    }
}

impl WasmBacktrace {
    /// The frames, innermost first; of a very deep stack the innermost 96 and the outermost 32.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let mut store = Store::new(&engine, ());
    /// # let text = r#"(module (func $inner unreachable) (func $outer (export "f") call $inner))"#;
    /// # let module = Module::new(&engine, text)?;
    /// # let instance = Instance::new(&mut store, &module, &[])?;
    /// # let f = instance.get_typed_func::<(), ()>(&mut store, "f")?;
    /// let error = f.call(&mut store, ()).unwrap_err();
    /// let backtrace = error.downcast_ref::<WasmBacktrace>().context("a backtrace")?;
    /// let names: Vec<_> = backtrace.frames().iter().filter_map(FrameInfo::func_name).collect();
    /// assert_eq!(names, ["inner", "outer"]);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn frames(&self) -> &[FrameInfo] {
        self.frames.get_or_init(|| frame_infos(&self.places))
    }

    fn new(raw: &RawBacktrace) -> Self {
        let (places, omitted) = places(raw);
        Self { places, omitted, frames: OnceLock::new() }
    }
}

fn frame_infos(places: &[Place]) -> Vec<FrameInfo> {
    let mut maps: HashMap<*const ModuleInner, (SourceMap<'_>, HashMap<FuncIndex, String>)> = HashMap::new();
    let frames = places.iter().map(|(module, origin)| {
        let (map, names) = maps.entry(Arc::as_ptr(module)).or_insert_with(|| {
            let of_module = places.iter().filter(|(other, _)| Arc::ptr_eq(module, other));
            let funcs = of_module.map(|(_, origin)| module.shape().func(origin.func)).collect();
            (SourceMap::new(module), names::names_of(module, &funcs))
        });
        FrameInfo::new(module, *origin, map, names)
    });
    frames.collect()
}

/// A function at work, and where it is.
type Place = (Arc<ModuleInner>, CodeOrigin);

/// The functions at work, innermost first; and how many are left out, before which of them.
fn places(raw: &RawBacktrace) -> (Vec<Place>, Option<(usize, usize)>) {
    let (inner, outer) = RawBacktrace::SHOWN;
    let (mut places, mut omitted, mut before) = (Vec::new(), raw.omitted(), 0);
    for (at, frame) in raw.frames().iter().enumerate() {
        add_places(frame.inside(), &mut places);
        if at < inner {
            before = places.len();
        }
    }
    // A frame on the stack may be that of several functions.
    if omitted == 0 && places.len() <= inner + outer {
        return (places, None);
    }
    if omitted == 0 {
        before = inner;
    }
    let after = (places.len() - outer.min(places.len())).max(before);
    let shown = before.min(inner);
    omitted += after - shown;
    places.drain(shown..after);
    (places, Some((omitted, shown)))
}

/// Adds the functions at work at an address, innermost first, unless the code there is the host's own.
fn add_places(pc: usize, places: &mut Vec<Place>) {
    let Some((info, offset)) = vm::lookup(pc) else { return };
    let Some(code) = info.as_any().downcast_ref::<RegisteredCode>() else { return };
    if let Some(module) = code.module() {
        code.origins(offset, |origin| places.push((module.clone(), origin)));
    }
}

impl FrameInfo {
    fn new(
        module: &Arc<ModuleInner>,
        origin: CodeOrigin,
        map: &SourceMap<'_>,
        names: &HashMap<FuncIndex, String>,
    ) -> Self {
        let shape = module.shape();
        let func = shape.func(origin.func);
        let module_offset = origin.module_offset.map(|offset| offset as usize);
        let body = module.body_range(origin.func).ok();
        let code_offset = module_offset.and_then(|at| at.checked_sub(shape.code_section_start));
        Self {
            module_name: module_name(module).map(str::to_owned),
            func_index: func.index() as u32,
            func_name: names.get(&func).cloned(),
            func_offset: module_offset.zip(body).and_then(|(at, body)| at.checked_sub(body.start)),
            symbols: code_offset.map_or_else(Vec::new, |at| map.symbols(at as u64)),
            module_offset,
            module: module.clone(),
        }
    }
}

impl fmt::Debug for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmBacktrace").field("frames", &self.frames()).finish_non_exhaustive()
    }
}

impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error while executing at wasm backtrace:")?;
        let (omitted, before) = self.omitted.unwrap_or((0, usize::MAX));
        let mut rest = self.frames().iter().enumerate().peekable();
        while let Some((at, frame)) = rest.next() {
            if at == before {
                write!(f, "\n      ... {omitted} frames left out ...")?;
            }
            let number = if at < before { at } else { at + omitted };
            write!(f, "\n  {number:>3}: {frame}")?;
            // Endless recursion fills pages with one line.
            let mut repeated = 0;
            while rest.next_if(|(next, other)| *next != before && frame.is_at_same_place(other)).is_some() {
                repeated += 1;
            }
            if repeated > 0 {
                write!(f, "\n      ... the same {repeated} more times ...")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module_offset {
            Some(offset) => write!(f, "{offset:#8x} - ")?,
            None => write!(f, "       ? - ")?,
        }
        let [module, func] = [&self.module_name, &self.func_name].map(Option::as_deref);
        write!(f, "{}", FuncLabel { module, func, index: self.func_index })?;
        for (at, symbol) in self.symbols.iter().enumerate() {
            write!(f, "\n                    at ")?;
            if at > 0
                && let Some(name) = &symbol.name
            {
                write!(f, "{name} in ")?;
            }
            write!(f, "{}", symbol.file.as_deref().unwrap_or("<unknown>"))?;
            if let Some(line) = symbol.line {
                write!(f, ":{line}")?;
            }
            if let Some(column) = symbol.column {
                write!(f, ":{column}")?;
            }
        }
        Ok(())
    }
}

/// Adds the backtrace to an error, if there is one to add.
pub(crate) fn attach(error: Error, raw: &RawBacktrace) -> Error {
    let backtrace = WasmBacktrace::new(raw);
    if backtrace.places.is_empty() || error.downcast_ref::<WasmBacktrace>().is_some() {
        return error;
    }
    error.context(backtrace)
}
