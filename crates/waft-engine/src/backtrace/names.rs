//! The name section: read when a name is asked for, since nearly no run asks.

use crate::module::ModuleInner;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::OnceLock;
use waft_core::index::FuncIndex;
use wasmparser::{BinaryReader, Name, NameSectionReader, Naming};

/// The custom section that has them.
const NAMES: &str = "name";

/// The names of a module's functions, by their indices.
pub(crate) type FuncNames = OnceLock<HashMap<u32, String>>;

fn names(module: &ModuleInner) -> Option<NameSectionReader<'_>> {
    // If the module's file has changed, so have the names in it.
    let section = module.custom(NAMES).ok()??;
    Some(NameSectionReader::new(BinaryReader::new(section, 0)))
}

/// The module's own name. A name section that is broken has no names: it does not matter to validity.
pub(crate) fn module_name(module: &ModuleInner) -> Option<&str> {
    names(module)?.map_while(Result::ok).find_map(|part| match part {
        Name::Module { name, .. } => Some(name),
        _ => None,
    })
}

/// The names of functions, by their indices, demangled where they are mangled.
fn func_names(module: &ModuleInner) -> impl Iterator<Item = (u32, String)> {
    namings(module).map(|naming| (naming.index, demangle(naming.name)))
}

/// The names of some functions, as far as the section has them, demangled where they are mangled. Where it has several for one
/// function, the first.
pub(super) fn names_of(module: &ModuleInner, funcs: &HashSet<FuncIndex>) -> HashMap<FuncIndex, String> {
    let mut names = HashMap::new();
    for naming in namings(module) {
        let func = FuncIndex::from_u32(naming.index);
        if funcs.contains(&func) {
            names.entry(func).or_insert_with(|| demangle(naming.name));
            if names.len() == funcs.len() {
                break;
            }
        }
    }
    names
}

fn namings(module: &ModuleInner) -> impl Iterator<Item = Naming<'_>> {
    let maps = names(module).into_iter().flatten().filter_map(|part| match part {
        Ok(Name::Function(map)) => Some(map),
        _ => None,
    });
    maps.flat_map(|map| map.into_iter().map_while(Result::ok))
}

pub(super) fn demangle(name: &str) -> String {
    match rustc_demangle::try_demangle(name) {
        Ok(demangled) => format!("{demangled:#}"),
        Err(_) => name.into(),
    }
}

impl ModuleInner {
    /// A function as people are shown it. The names are read at once, at the first call; where they cannot be, at a later one.
    pub(crate) fn func_label(&self, index: u32) -> FuncLabel<'_> {
        let read = || Some(self.func_names().get_or_init(|| func_names(self).collect()));
        let names = self.func_names().get().or_else(|| self.custom(NAMES).ok().and_then(|_| read()));
        let func = names.and_then(|names| names.get(&index)).map(String::as_str);
        FuncLabel { module: module_name(self), func, index }
    }
}

/// A function as people are shown it.
pub(crate) struct FuncLabel<'n> {
    /// The module's own name.
    pub(crate) module: Option<&'n str>,
    /// The function's.
    pub(crate) func: Option<&'n str>,
    pub(crate) index: u32,
}

impl fmt::Display for FuncLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!", self.module.unwrap_or("<unknown>"))?;
        match self.func {
            Some(name) => write!(f, "{name}"),
            None => write!(f, "<wasm function {}>", self.index),
        }
    }
}
