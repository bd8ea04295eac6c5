//! The inspection as JSON.

use super::{Inspection, Item};
use crate::json::{array, members, object, string};
use crate::needs;

impl Inspection {
    /// One object, one member a line.
    pub(super) fn to_json(&self) -> String {
        let missing: Vec<&Item> = self.imports.iter().filter(|import| import.need.is_none()).collect();
        members([
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
        ])
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
