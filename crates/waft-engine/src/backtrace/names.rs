//! The name section: read when a name is asked for, since nearly no run asks.

use crate::module::ModuleInner;
use waft_core::index::{FuncIndex, TypedIndex};
use wasmparser::{BinaryReader, Name, NameSectionReader};

fn names(module: &ModuleInner) -> Option<NameSectionReader<'_>> {
    let section = module.shape().custom(module.wasm().bytes(), "name")?;
    Some(NameSectionReader::new(BinaryReader::new(section, 0)))
}

/// The module's own name. A name section that is broken has no names: it does not matter to validity.
pub(crate) fn module_name(module: &ModuleInner) -> Option<&str> {
    names(module)?.map_while(Result::ok).find_map(|part| match part {
        Name::Module { name, .. } => Some(name),
        _ => None,
    })
}

/// The name of a function, if the section has one.
pub(super) fn func_name(module: &ModuleInner, func: FuncIndex) -> Option<String> {
    let index = func.index() as u32;
    let from_section = names(module).and_then(|mut names| {
        names.find_map(|part| match part {
            Ok(Name::Function(map)) => map
                .into_iter()
                .map_while(Result::ok)
                .find(|naming| naming.index == index)
                .map(|naming| naming.name),
            _ => None,
        })
    });
    from_section.map(str::to_owned)
}
