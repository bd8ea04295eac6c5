//! Types and values as people read them.

use crate::sections::Limits;
use crate::units::format_size;
use waft::{ExternType, FuncType, GlobalType, MemoryType, Mutability, TableType};

/// One line for whatever can be imported or exported.
pub(crate) fn extern_type(ty: &ExternType) -> String {
    match ty {
        ExternType::Func(ty) => func_type(ty),
        ExternType::Memory(ty) => memory_type(ty),
        ExternType::Table(ty) => table_type(ty),
        ExternType::Global(ty) => global_type(ty),
        other => format!("{other:?}"),
    }
}

/// `func (i32, i64) -> f32`
pub(crate) fn func_type(ty: &FuncType) -> String {
    let list = |types: Vec<String>| types.join(", ");
    let mut text = format!("func ({})", list(ty.params().map(|ty| ty.to_string()).collect()));
    let results: Vec<String> = ty.results().map(|ty| ty.to_string()).collect();
    match results.len() {
        0 => {}
        1 => text.push_str(&format!(" -> {}", results[0])),
        _ => text.push_str(&format!(" -> ({})", list(results))),
    }
    text
}

/// `memory, 2 pages (128 KiB) to 10 pages (640 KiB)`
fn memory_type(ty: &MemoryType) -> String {
    memory_limits(&Limits {
        minimum: ty.minimum(),
        maximum: ty.maximum(),
        shared: ty.is_shared(),
        is_64: ty.is_64(),
    })
}

/// A memory of these limits.
pub(crate) fn memory_limits(limits: &Limits) -> String {
    let pages = |pages: u64| {
        let unit = if pages == 1 { "page" } else { "pages" };
        // 2^48 pages is the most that a 64-bit memory may declare, which is 2^64 bytes: one too many for a number.
        format!("{pages} {unit} ({})", format_size(pages.saturating_mul(1 << 16)))
    };
    let mut text = format!("memory, {}", pages(limits.minimum));
    match limits.maximum {
        Some(maximum) => text.push_str(&format!(" to {}", pages(maximum))),
        None => text.push_str(", no maximum"),
    }
    if limits.is_64 {
        text.push_str(", 64-bit");
    }
    if limits.shared {
        text.push_str(", shared");
    }
    text
}

fn table_type(ty: &TableType) -> String {
    elements(&ty.element().to_string(), ty.minimum(), ty.maximum())
}

/// A table of these limits, with the type of its elements as the binary format has it.
pub(crate) fn table_limits(element: u8, limits: &Limits) -> String {
    let element = match element {
        0x70 => "funcref",
        0x6f => "externref",
        _ => "other references",
    };
    elements(element, limits.minimum, limits.maximum)
}

/// `table of funcref, 10 to 20 elements`
fn elements(element: &str, minimum: u64, maximum: Option<u64>) -> String {
    match maximum {
        Some(maximum) => format!("table of {element}, {minimum} to {maximum} elements"),
        None => format!("table of {element}, {minimum} elements, no maximum"),
    }
}

/// `global i32, mutable`
fn global_type(ty: &GlobalType) -> String {
    match ty.mutability() {
        Mutability::Var => format!("global {}, mutable", ty.content()),
        Mutability::Const => format!("global {}", ty.content()),
    }
}

/// A time that somebody waited: `350 ms`, `13.1 s`.
pub(crate) fn elapsed(time: std::time::Duration) -> String {
    match time.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}
