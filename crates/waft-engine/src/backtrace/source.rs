//! Source lines, from DWARF in custom sections.
//!
//! Source: "DWARF for WebAssembly" (the tool conventions): sections are custom sections named as in ELF, addresses count
//! from the start of the code section's contents.

use super::FrameSymbol;
use crate::module::ModuleInner;
use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian};

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// What a module's DWARF knows, or nothing.
pub(super) struct SourceMap<'a>(Option<Context<Reader<'a>>>);

impl<'a> SourceMap<'a> {
    /// Prepares the module's DWARF; units are parsed as they are needed.
    pub(super) fn new(module: &'a ModuleInner) -> Self {
        if module.shape().custom(gimli::SectionId::DebugInfo.name()).is_none() {
            return Self(None);
        }
        let load = |id: gimli::SectionId| -> anyhow::Result<Reader<'a>> {
            let bytes = module.custom(id.name())?.unwrap_or_default();
            Ok(EndianSlice::new(bytes, LittleEndian))
        };
        // Broken DWARF gives no lines; the backtrace is still worth showing. If the module's file has changed, what it says of lines
        // is of another module.
        Self(Dwarf::load(load).ok().and_then(|dwarf| Context::from_dwarf(dwarf).ok()))
    }

    /// What stands at `address`, innermost first.
    pub(super) fn symbols(&self, address: u64) -> Vec<FrameSymbol> {
        let mut symbols = Vec::new();
        let Some(context) = &self.0 else { return symbols };
        let Ok(mut frames) = context.find_frames(address).skip_all_loads() else { return symbols };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.and_then(|name| Some(super::names::demangle(&name.raw_name().ok()?)));
            let location = frame.location;
            symbols.push(FrameSymbol {
                name,
                file: location.as_ref().and_then(|location| location.file).map(str::to_owned),
                line: location.as_ref().and_then(|location| location.line),
                column: location.as_ref().and_then(|location| location.column),
            });
        }
        symbols
    }
}
