//! The inspection as JSON: a handful of strings and numbers, written by hand.

use super::{Inspection, Item};
use crate::needs;

impl Inspection {
    /// One object, one member a line.
    pub(super) fn to_json(&self) -> String {
        let missing: Vec<&Item> = self.imports.iter().filter(|import| import.need.is_none()).collect();
        let members = [
            ("file", string(&self.file)),
            ("bytes", self.source_bytes.map_or("null".into(), |bytes| bytes.to_string())),
            ("precompiled", self.source_bytes.is_none().to_string()),
            ("name", self.name.as_deref().map_or("null".into(), string)),
            ("functions", self.functions.to_string()),
            (
                "proposals",
                match &self.proposals {
                    Some(proposals) => array(proposals.iter().map(|name| string(name))),
                    None => "null".into(),
                },
            ),
            ("start", self.start.map_or("null".into(), |index| index.to_string())),
            ("memories", array(self.memories.iter().map(|memory| string(memory)))),
            ("tables", array(self.tables.iter().map(|table| string(table)))),
            ("imports", array(self.imports.iter().map(import))),
            ("exports", array(self.exports.iter().map(export))),
            ("custom_sections", array(self.custom_sections.iter().map(custom_section))),
            (
                "grants",
                object(self.grants.iter().map(|grant| {
                    (grant.key, array(grant.functions.iter().map(|function| string(function))))
                })),
            ),
            ("not_provided", array(missing.into_iter().map(not_provided))),
        ];
        let lines: Vec<String> =
            members.iter().map(|(name, value)| format!("  {}: {value}", string(name))).collect();
        format!("{{\n{}\n}}\n", lines.join(",\n"))
    }
}

fn import(item: &Item) -> String {
    object([("module", string(&item.module)), ("name", string(&item.name)), ("type", string(&item.ty))])
}

fn export(item: &Item) -> String {
    object([("name", string(&item.name)), ("type", string(&item.ty))])
}

fn custom_section((name, bytes): &(String, u64)) -> String {
    object([("name", string(name)), ("bytes", bytes.to_string())])
}

fn not_provided(item: &Item) -> String {
    object([
        ("module", string(&item.module)),
        ("name", string(&item.name)),
        ("why", string(needs::why_missing(&item.module))),
    ])
}

fn array(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(", "))
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{}: {value}", string(name))).collect();
    format!("{{{}}}", members.join(", "))
}

/// A string with what JSON (RFC 8259, section 7) wants escaped.
fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\u0001é""#);
    }
}
