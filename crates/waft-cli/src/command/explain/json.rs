//! The explanation as JSON.

use super::{Explanation, Piece, Refused, TierTotal};
use crate::json::{array, lines, members, object, string};
use std::time::Duration;

impl Explanation {
    /// One object, one member a line, and one piece of code a line.
    pub(super) fn to_json(&self) -> String {
        members([
            ("file", string(&self.file)),
            ("functions", self.functions.to_string()),
            ("compiled", self.compiled.to_string()),
            ("found", self.found.to_string()),
            ("promoted", self.promoted.to_string()),
            ("loops", self.loops.to_string()),
            ("tiers", array(self.tiers.iter().map(tier))),
            ("refused", array(self.refused.iter().map(refused))),
            ("code", lines(self.code.iter().map(piece))),
        ])
    }
}

fn tier(tier: &TierTotal) -> String {
    object([
        ("name", string(tier.name)),
        ("functions", tier.functions.to_string()),
        ("loops", tier.loops.to_string()),
        ("code_bytes", tier.code_bytes.to_string()),
        ("compile_ms", milliseconds(tier.took)),
    ])
}

fn refused(refused: &Refused) -> String {
    object([
        ("function", refused.index.to_string()),
        ("name", string(&refused.name)),
        ("why", string(&refused.why)),
    ])
}

fn piece(Piece { name, code }: &Piece) -> String {
    object([
        ("function", code.function_index().to_string()),
        ("name", string(name)),
        ("tier", string(code.tier())),
        ("loop", number(code.loop_offset())),
        ("body_bytes", number(code.body_size())),
        ("code_bytes", code.code_size().to_string()),
        ("reason", string(code.reason().name())),
        ("begun_ms", milliseconds(code.begun_after())),
        ("compile_ms", milliseconds(code.compile_time())),
    ])
}

fn number(value: Option<usize>) -> String {
    value.map_or("null".into(), |value| value.to_string())
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or("null".into(), |time| format!("{:.3}", time.as_secs_f64() * 1e3))
}
