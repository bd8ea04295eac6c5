//! Types and values as people read them.

use crate::invoke::format_result;
use crate::units::format_size;
use waft::{
    Context as _, ExternType, FuncType, GlobalType, MemoryType, Mutability, Result, Store, TableType, TagType,
};

/// One line for whatever can be imported or exported.
pub(crate) fn extern_type(ty: &ExternType) -> String {
    match ty {
        ExternType::Func(ty) => func_type(ty),
        ExternType::Memory(ty) => memory_type(ty),
        ExternType::Table(ty) => table_type(ty),
        ExternType::Global(ty) => global_type(ty),
        ExternType::Tag(ty) => tag_type(ty),
    }
}

/// The exception that a guest threw and did not catch: `tag (i32, f64) with 7, 0.5`
pub(crate) fn pending_exception<T>(store: &mut Store<T>) -> Result<String> {
    let exception = store.take_pending_exception().context("the exception is gone")?;
    let mut text = tag_type(exception.ty(&*store)?.tag_type());
    let values: Vec<String> = exception.fields(&mut *store)?.map(|value| format_result(&value)).collect();
    if !values.is_empty() {
        text.push_str(&format!(" with {}", values.join(", ")));
    }
    Ok(text)
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

/// `memory, 2 pages (128 KiB) to 10 pages (640 KiB)`, `shared 64-bit memory, 1024 pages of 1 byte (1 KiB), no maximum`
pub(crate) fn memory_type(ty: &MemoryType) -> String {
    let page = match ty.page_size_log2() {
        16 => String::new(),
        _ => format!(" of {}", format_size(ty.page_size())),
    };
    let pages = |pages: u64| {
        let unit = if pages == 1 { "page" } else { "pages" };
        format!("{pages} {unit}{page} ({})", format_size(pages.saturating_mul(ty.page_size())))
    };
    let shared = if ty.is_shared() { "shared " } else { "" };
    let noun = format!("{shared}{}memory", bits(ty.is_64()));
    match ty.maximum() {
        Some(maximum) => format!("{noun}, {} to {}", pages(ty.minimum()), pages(maximum)),
        None => format!("{noun}, {}, no maximum", pages(ty.minimum())),
    }
}

/// `table of funcref, 10 to 20 elements`, `64-bit table of funcref, 10 elements, no maximum`
pub(crate) fn table_type(ty: &TableType) -> String {
    let noun = format!("{}table of {}", bits(ty.is_64()), ty.element());
    match ty.maximum() {
        Some(maximum) => format!("{noun}, {} to {maximum} elements", ty.minimum()),
        None => format!("{noun}, {} elements, no maximum", ty.minimum()),
    }
}

/// What is said of indices; nothing of those that nearly everything has.
fn bits(is_64: bool) -> &'static str {
    if is_64 { "64-bit " } else { "" }
}

/// `global i32, mutable`
fn global_type(ty: &GlobalType) -> String {
    match ty.mutability() {
        Mutability::Var => format!("global {}, mutable", ty.content()),
        Mutability::Const => format!("global {}", ty.content()),
    }
}

/// `tag (i32, i64)`
fn tag_type(ty: &TagType) -> String {
    func_type(ty.ty()).replacen("func", "tag", 1)
}

/// Text from a module or a path, with what a terminal might obey, or show as something else, escaped.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            // These would be escaped for the sake of Rust's literals.
            '"' | '\'' | '\\' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

/// A time that somebody waited: `350 ms`, `13.1 s`.
pub(crate) fn elapsed(time: std::time::Duration) -> String {
    match time.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waft::{Engine, Module};

    #[test]
    fn what_is_printed_does_not_move_the_cursor() {
        let rows = [
            ("app!f<\"x\">::it's \\ é", "app!f<\"x\">::it's \\ é"),
            ("\x1b[2Jf\n\r\t\0\u{9b}", "\\u{1b}[2Jf\\n\\r\\t\\0\\u{9b}"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ];
        for (text, printed) in rows {
            assert_eq!(printable(text), printed);
        }
    }

    #[test]
    fn kinds_of_memories_and_tables_are_said_where_they_are_not_the_usual_ones() {
        let rows = [
            ("(memory 1)", "memory, 1 page (64 KiB), no maximum"),
            ("(memory i64 2 4)", "64-bit memory, 2 pages (128 KiB) to 4 pages (256 KiB)"),
            ("(memory 1 2 shared)", "shared memory, 1 page (64 KiB) to 2 pages (128 KiB)"),
            (
                "(memory i64 1024 2048 shared (pagesize 1))",
                "shared 64-bit memory, 1024 pages of 1 byte (1 KiB) to 2048 pages of 1 byte (2 KiB)",
            ),
            ("(table 2 4 funcref)", "table of funcref, 2 to 4 elements"),
            ("(table i64 2 funcref)", "64-bit table of funcref, 2 elements, no maximum"),
        ];
        for (field, text) in rows {
            let noun = field[1..].split(' ').next().unwrap();
            let text_format = format!(r#"(module {field} (export "it" ({noun} 0)))"#);
            let module = Module::new(&Engine::default(), text_format).unwrap();
            let ty = module.exports().next().unwrap().ty();
            assert_eq!(extern_type(&ty), text, "{field}");
        }
    }
}
