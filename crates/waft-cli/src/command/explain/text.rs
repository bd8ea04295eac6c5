//! The explanation as people read it.

use super::{Explanation, Piece, TierTotal};
use crate::describe::printable;
use crate::units::format_size;
use std::fmt::Write;
use std::time::Duration;

/// So many rows are shown if nobody asked for all: what is hot is rarely more, and it fits a tall terminal.
const ROWS: usize = 40;

/// The columns; which of them are of numbers.
const COLUMNS: [(&str, bool); 8] = [
    ("when", true),
    ("took", true),
    ("body", true),
    ("code", true),
    ("tier", false),
    ("why", false),
    ("index", true),
    // Last, because names are long.
    ("function", false),
];

impl Explanation {
    /// The sums, then the table: of all that was compiled, or of its first rows.
    pub(super) fn to_text(&self, all: bool) -> String {
        let mut text = String::new();
        self.write_text(&mut text, if all { usize::MAX } else { ROWS }).expect("strings take all");
        text
    }

    fn write_text(&self, out: &mut String, rows: usize) -> std::fmt::Result {
        let Explanation { functions, compiled, found, promoted, loops, .. } = self;
        writeln!(
            out,
            "{}: functions: {functions}, compiled: {compiled} ({found} by an earlier process), \
             promoted: {promoted}, loops left for better code: {loops}",
            printable(&self.file)
        )?;
        self.tiers.iter().try_for_each(|tier| write_tier(out, tier))?;
        for refused in &self.refused {
            let (name, why) = (printable(&refused.name), printable(&refused.why));
            writeln!(out, "not promoted: {name}, index {}: {why}", refused.index)?;
        }
        if self.code.is_empty() {
            return Ok(());
        }
        let shown = &self.code[..rows.min(self.code.len())];
        write_table(out, &shown.iter().map(cells).collect::<Vec<_>>())?;
        self.write_rest(out, &self.code[shown.len()..])
    }

    fn write_rest(&self, out: &mut String, rest: &[Piece]) -> std::fmt::Result {
        if rest.is_empty() {
            return Ok(());
        }
        let bytes: usize = rest.iter().map(|piece| piece.code.code_size()).sum();
        writeln!(out, "and {} more, {} of code: --all shows them", rest.len(), format_size(bytes as u64))
    }
}

fn write_tier(out: &mut String, tier: &TierTotal) -> std::fmt::Result {
    let TierTotal { name, functions, loops, .. } = tier;
    write!(out, "{name}: functions: {functions}, loops: {loops}, {} of code", format_size(tier.code_bytes))?;
    match tier.took {
        Some(took) => writeln!(out, ", compiled in {}", milliseconds(took)),
        None => writeln!(out),
    }
}

fn cells(Piece { name, code }: &Piece) -> [String; 8] {
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let tier = match code.loop_offset() {
        Some(offset) => format!("{}, loop at {offset:#x}", code.tier()),
        None => code.tier().into(),
    };
    [
        or_none(code.begun_after().map(milliseconds)),
        or_none(code.compile_time().map(milliseconds)),
        or_none(code.body_size().map(|bytes| bytes.to_string())),
        code.code_size().to_string(),
        tier,
        code.reason().to_string(),
        code.function_index().to_string(),
        printable(name),
    ]
}

/// Each column as wide as its widest cell; numbers stand at its right.
fn write_table(out: &mut String, rows: &[[String; 8]]) -> std::fmt::Result {
    let width = |at: usize, title: &str| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([title.len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = COLUMNS.iter().enumerate().map(|(at, (title, _))| width(at, title)).collect();
    let mut write_row = |cells: [&str; 8]| {
        let mut line = String::new();
        for ((cell, width), (_, is_number)) in cells.iter().zip(&widths).zip(COLUMNS) {
            match is_number {
                true => write!(line, "  {cell:>width$}")?,
                false => write!(line, "  {cell:width$}")?,
            }
        }
        writeln!(out, "{}", line.trim_end())
    };
    write_row(COLUMNS.map(|(title, _)| title))?;
    rows.iter().try_for_each(|row| write_row(row.each_ref().map(String::as_str)))
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
