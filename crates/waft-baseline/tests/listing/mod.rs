//! Compiled functions as text without addresses, so that a change shows where it is and nowhere else: places that branches
//! lead to have names, and an instruction says what the function's tables say of it.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter, Mnemonic, OpKind, Register};
use std::collections::{BTreeMap, BTreeSet};
use waft_core::tier::CompiledFunc;
use waft_core::trap::TrapCode;

/// What stands in the code.
enum Piece {
    Code(Instruction),
    /// An entry of a `br_table`: where it leads.
    Entry(u64),
}

/// How much of a function is listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// All but what every function begins with, the check of the stack and its trap.
    Body,
}

/// The listing of a function.
pub(crate) fn list(func: &CompiledFunc, extent: Extent) -> String {
    let mut pieces = split(func);
    let mut text = String::new();
    if extent == Extent::Body {
        let is_frame = |piece: &Piece| match piece {
            Piece::Code(insn) => insn.mnemonic() == Mnemonic::Sub && insn.op0_register() == Register::RSP,
            Piece::Entry(_) => false,
        };
        let frame = pieces.iter().find(|(_, piece)| is_frame(piece)).expect("every function has a frame");
        pieces = pieces.split_off(&(frame.0 + 1));
        pieces.retain(|offset, _| trap_at(func, *offset) != Some(TrapCode::StackOverflow));
        text.push_str("  prologue\n");
    }
    let labels = labels(func, &pieces);
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_signed_immediate_operands(true);
    options.set_space_after_operand_separator(true);
    for (offset, piece) in &pieces {
        if let Some(label) = labels.get(offset) {
            text.push_str(&format!("{label}:\n"));
        }
        let (line, end) = match piece {
            Piece::Entry(target) => (format!("-> {}", labels[target]), offset + 4),
            Piece::Code(insn) => (line(func, insn, &labels, &mut formatter), insn.next_ip()),
        };
        let notes = notes(func, *offset, end, &labels);
        text.push_str(&format!("  {line}{notes}\n"));
    }
    text
}

/// The function's instructions and tables, by offset.
fn split(func: &CompiledFunc) -> BTreeMap<u64, Piece> {
    let mut pieces = BTreeMap::new();
    let mut tables = BTreeSet::new();
    let mut decoder = Decoder::new(64, &func.code, DecoderOptions::NONE);
    while decoder.can_decode() {
        let at = decoder.ip();
        if tables.contains(&at) {
            let end = split_table(func, at, &mut pieces);
            decoder.set_position(end as usize).expect("the table ends in the code");
            decoder.set_ip(end);
            continue;
        }
        let insn = decoder.decode();
        assert!(!insn.is_invalid(), "at {at:#x} stands no instruction");
        // Tables are all that is reached relative to the instruction.
        if insn.is_ip_rel_memory_operand() {
            tables.insert(insn.ip_rel_memory_address());
        }
        pieces.insert(at, Piece::Code(insn));
    }
    pieces
}

/// Reads a table, each of whose entries is the distance from its end to its target; where the table ends. That is where the
/// code of another operator begins, or the first target.
fn split_table(func: &CompiledFunc, start: u64, pieces: &mut BTreeMap<u64, Piece>) -> u64 {
    let next = func.positions.iter().map(|position| u64::from(position.code)).find(|code| *code > start);
    let mut end = next.unwrap_or(func.code.len() as u64);
    let mut at = start;
    while at < end {
        let bytes = func.code[at as usize..].first_chunk().expect("entries have four bytes");
        let target = (at + 4).wrapping_add_signed(i32::from_le_bytes(*bytes).into());
        pieces.insert(at, Piece::Entry(target));
        at += 4;
        if target > start {
            end = end.min(target);
        }
    }
    end
}

/// Names for places that something refers to, in order.
fn labels(func: &CompiledFunc, pieces: &BTreeMap<u64, Piece>) -> BTreeMap<u64, String> {
    let calls: BTreeSet<u64> = func.relocs.iter().map(|reloc| reloc.offset.into()).collect();
    let mut places: BTreeSet<u64> = func.handlers.iter().map(|handler| handler.landing.into()).collect();
    for piece in pieces.values() {
        match piece {
            Piece::Entry(target) => places.extend([*target]),
            Piece::Code(insn) if insn.is_ip_rel_memory_operand() => {
                places.extend([insn.ip_rel_memory_address()]);
            }
            Piece::Code(insn) if is_direct(insn) && !calls.contains(&(insn.next_ip() - 4)) => {
                places.extend([insn.near_branch_target()]);
            }
            Piece::Code(_) => {}
        }
    }
    places.into_iter().enumerate().map(|(number, place)| (place, format!("L{number}"))).collect()
}

/// Whether it is a branch or call to a place in the code that it names.
fn is_direct(insn: &Instruction) -> bool {
    insn.op0_kind() == OpKind::NearBranch64
}

fn line(
    func: &CompiledFunc,
    insn: &Instruction,
    labels: &BTreeMap<u64, String>,
    formatter: &mut IntelFormatter,
) -> String {
    let mut text = String::new();
    if is_direct(insn) {
        formatter.format_mnemonic(insn, &mut text);
        let reloc = func.relocs.iter().find(|reloc| u64::from(reloc.offset) + 4 == insn.next_ip());
        let target = match reloc {
            Some(reloc) => format!("func {}", reloc.target.as_u32()),
            None => labels[&insn.near_branch_target()].clone(),
        };
        return format!("{text} {target}");
    }
    if insn.is_ip_rel_memory_operand() {
        assert_eq!(insn.mnemonic(), Mnemonic::Lea, "nothing else takes addresses of code");
        let register = formatter.format_register(insn.op0_register()).to_owned();
        return format!("lea {register}, {}", labels[&insn.ip_rel_memory_address()]);
    }
    formatter.format(insn, &mut text);
    text
}

fn trap_at(func: &CompiledFunc, offset: u64) -> Option<TrapCode> {
    func.traps.iter().find(|site| u64::from(site.offset) == offset).map(|site| site.code)
}

/// What the function's tables say of the instruction from `start` to `end`.
fn notes(func: &CompiledFunc, start: u64, end: u64, labels: &BTreeMap<u64, String>) -> String {
    let mut notes = Vec::new();
    if let Some(code) = trap_at(func, start) {
        notes.push(format!("{code:?}"));
    }
    for map in func.stack_maps.iter().filter(|map| u64::from(map.offset) == end) {
        let slots: Vec<_> = map.slots.iter().map(|slot| format!("[rbp-{:#x}]", -slot)).collect();
        notes.push(format!("references in {}", slots.join(" ")));
    }
    for handler in func.handlers.iter().filter(|handler| u64::from(handler.offset) == end) {
        notes.push(format!("throws to {}", labels[&handler.landing.into()]));
    }
    if notes.is_empty() { String::new() } else { format!(" ; {}", notes.join(", ")) }
}
