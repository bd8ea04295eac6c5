//! Steps: the operators that are met most, as they are met most, with the topmost operands in a register.
//!
//! # Invariants
//!
//! * **S1** A step is taken only where [`Body::operator`] finds the operator valid, and leaves what that leaves.
//! * **S2** The register has the types of the topmost operands above the floor, the last one in its lowest byte, and zeros beyond. No
//!   type is zero, so an operand that is not there is never the one that is asked for.

use super::{BELOW, Block, Body, OPERANDS_MAX, OPERANDS_ROOM, block_results, is_ref};
use crate::opcode::value::{F32, F64, I32, I64, NONE};
use crate::opcode::{self as op, EFFECTS};

/// What an operator that [`EFFECTS`] knows does to the register.
#[derive(Clone, Copy)]
struct Step {
    /// What the topmost operands must be, as far as the mask goes.
    operands: u16,
    mask: u16,
    /// How many bits go, which of the lowest byte that is left go as well, and what comes there.
    shift: u8,
    clear: u8,
    push: u8,
    /// The largest alignment of an access.
    align: u8,
}

const STEPS: [Step; 256] = {
    let mut steps = [Step { operands: 0, mask: 0, shift: 0, clear: 0, push: 0, align: 0 }; 256];
    let mut at = 0;
    while at < steps.len() {
        let effect = EFFECTS[at];
        let is_step = matches!(at as u8, op::I32_LOAD..=op::I64_STORE32 | op::I32_EQZ..=op::I64_EXTEND32_S);
        assert!(!is_step || effect.count > 0, "an operator that takes nothing is no step of this kind");
        let [first, second] = effect.pops;
        let step = &mut steps[at];
        (step.operands, step.mask) = if effect.count == 2 {
            ((first as u16) << 8 | second as u16, 0xffff)
        } else {
            (first as u16, 0xff)
        };
        step.shift = 8 * effect.count;
        (step.push, step.align) = (effect.push, effect.align);
        if effect.push != NONE && effect.count > 0 {
            // What comes stands where the last one was that goes.
            step.shift -= 8;
            step.clear = 0xff;
        }
        at += 1;
    }
    steps
};

/// The most bytes that are looked at of a step.
const STEP_BYTES: usize = 2 + NUMBER_BYTES;
/// The most bytes of a number of 32 bits.
const NUMBER_BYTES: usize = 5;
/// So many operands are taken into the register, where there is room for two more.
const TAKEN: usize = 6;
/// A register that is full.
const FULL: u64 = 0xff << 56;

/// The operands of a body while steps are taken.
struct Operands<'o> {
    /// As [`Body::operands`].
    memory: &'o mut [u8; OPERANDS_ROOM],
    /// The topmost ones (S2).
    top: u64,
    /// How many are below them.
    below: usize,
    floor: usize,
}

impl Operands<'_> {
    /// Puts all of them into memory, if there is room for them.
    #[inline(always)]
    fn spill(&mut self) -> Option<()> {
        let count = 8 - self.top.leading_zeros() / 8;
        let place = self.memory.get_mut(BELOW + self.below..)?.first_chunk_mut()?;
        *place = self.top.rotate_right(8 * count).to_be_bytes();
        (self.top, self.below) = (0, self.below + count as usize);
        (self.below <= OPERANDS_MAX).then_some(())
    }

    /// Takes the topmost of those in memory into the register, which is empty.
    #[inline(always)]
    fn fill(&mut self) -> Option<()> {
        let count = (self.below - self.floor).min(TAKEN);
        let top = self.memory.get(self.below..)?.first_chunk()?;
        self.top = u64::from_be_bytes(*top) & ((1 << (8 * count)) - 1);
        self.below -= count;
        Some(())
    }

    /// Whether there is exactly this above the floor: one operand, or none.
    #[inline(always)]
    fn are(&self, types: &[u8]) -> bool {
        let wanted = match types {
            [] => 0,
            [ty] => u64::from(*ty),
            _ => return false,
        };
        self.top == wanted && self.below == self.floor
    }

    /// Whether there is room for one more in the register.
    #[inline(always)]
    fn has_room(&self) -> bool {
        self.top & FULL == 0
    }

    /// Takes and gives what a step does, if what it takes is there. Whether it is.
    #[inline(always)]
    fn take(&mut self, step: &Step) -> bool {
        let fits = (self.top as u16 ^ step.operands) & step.mask == 0;
        if fits {
            self.top = self.top >> step.shift & !u64::from(step.clear) | u64::from(step.push);
        }
        fits
    }

    /// As [`Body::end_of_reach`], in the innermost of these blocks.
    #[inline(always)]
    fn end_reach(&mut self, blocks: &mut [Block<'_>]) {
        (self.top, self.below) = (0, self.floor);
        blocks.last_mut().expect("the function's own is there").unreachable = true;
    }

    #[inline(always)]
    fn push(&mut self, ty: u8) {
        self.top = self.top << 8 | u64::from(ty);
    }
}

impl<'a> Body<'a> {
    /// Takes as many steps as it can. Nothing if the body is not known to be valid.
    pub(super) fn steps(&mut self) -> Option<()> {
        if self.code.len().saturating_sub(self.at) < STEP_BYTES {
            return Some(());
        }
        let Self { module, code, locals, blocks, operands, scopes, .. } = self;
        let (module, locals) = (*module, &locals[..]);
        let mut operands = Operands { memory: operands, top: 0, below: self.len, floor: self.floor };
        operands.fill()?;
        let mut at = self.at;
        while let Some(code) = code.get(at..).and_then(<[u8]>::first_chunk::<STEP_BYTES>) {
            let (opcode, next) = (code[0], code[1]);
            let mut bytes = 1;
            match opcode {
                op::LOCAL_GET => {
                    let Some(ty) = locals.get(usize::from(next)).filter(|_| next < 0x80) else { break };
                    if !operands.has_room() {
                        break;
                    }
                    operands.push(*ty);
                    bytes = 2;
                }
                op::LOCAL_SET => {
                    let Some(ty) = locals.get(usize::from(next)).filter(|_| next < 0x80) else { break };
                    if operands.top as u8 != *ty {
                        break;
                    }
                    operands.top >>= 8;
                    bytes = 2;
                }
                op::LOCAL_TEE => {
                    let Some(ty) = locals.get(usize::from(next)).filter(|_| next < 0x80) else { break };
                    if operands.top as u8 != *ty {
                        break;
                    }
                    bytes = 2;
                }
                op::I32_CONST | op::I64_CONST => {
                    let Some((_, number)) = number(code, 1).filter(|_| operands.has_room()) else { break };
                    // In the fifth byte, what does not fit into 32 bits are copies of the sign.
                    if opcode == op::I32_CONST && number == 5 && !matches!(code[5] >> 3, 0 | 0xf) {
                        break;
                    }
                    operands.push(if opcode == op::I32_CONST { I32 } else { I64 });
                    bytes += number;
                }
                op::F32_CONST | op::F64_CONST => {
                    if !operands.has_room() {
                        break;
                    }
                    operands.push(if opcode == op::F32_CONST { F32 } else { F64 });
                    bytes += if opcode == op::F32_CONST { 4 } else { 8 };
                }
                op::I32_LOAD..=op::I64_STORE32 => {
                    let step = &STEPS[usize::from(opcode)];
                    let Some((offset, number)) = number(code, 2) else { break };
                    let is_access = next <= step.align && module.has_memory && offset <= u32::MAX.into();
                    if !is_access || !operands.take(step) {
                        break;
                    }
                    bytes += 1 + number;
                }
                op::I32_EQZ..=op::I64_EXTEND32_S => {
                    if !operands.take(&STEPS[usize::from(opcode)]) {
                        break;
                    }
                }
                op::DROP if operands.top != 0 => operands.top >>= 8,
                op::SELECT => {
                    let [ty, other] = [8, 16].map(|shift| (operands.top >> shift) as u8);
                    if operands.top as u8 != I32 || ty != other || ty == NONE || is_ref(ty) {
                        break;
                    }
                    operands.top >>= 16;
                }
                op::GLOBAL_GET | op::GLOBAL_SET => {
                    let Some((global, number)) = number(code, 1) else { break };
                    let global = entry(module.globals.as_slice(), global);
                    let Some((ty, mutable)) = global.filter(|(ty, _)| *ty != NONE) else { break };
                    if opcode == op::GLOBAL_GET {
                        if !operands.has_room() {
                            break;
                        }
                        operands.push(*ty);
                    } else {
                        if !mutable || operands.top as u8 != *ty {
                            break;
                        }
                        operands.top >>= 8;
                    }
                    bytes += number;
                }
                op::CALL => {
                    let Some((func, number)) = number(code, 1) else { break };
                    let ty = entry(module.funcs.as_slice(), func);
                    let Some(sig) = ty.and_then(|ty| module.sig(*ty)) else { break };
                    let Some((params, mask)) = sig.top else { break };
                    if (operands.top ^ params) & mask != 0 {
                        break;
                    }
                    let rest = operands.top >> (8 * sig.params.len());
                    match *sig.results {
                        [] => operands.top = rest,
                        [ty] if rest & FULL == 0 => operands.top = rest << 8 | u64::from(ty),
                        _ => break,
                    }
                    bytes += number;
                }
                op::BLOCK | op::LOOP | op::IF => {
                    let Some(results) = block_results(next) else { break };
                    if opcode == op::IF {
                        if operands.top as u8 != I32 {
                            break;
                        }
                        operands.top >>= 8;
                    }
                    operands.spill()?;
                    operands.floor = operands.below;
                    let floor = operands.floor as u16;
                    blocks.push(Block { opcode, unreachable: false, floor, params: &[], results });
                    bytes = 2;
                }
                op::ELSE | op::END => {
                    let Some(block) = blocks.last_mut() else { break };
                    let is_done = operands.are(block.results) || block.unreachable && operands.are(&[]);
                    if !is_done {
                        break;
                    }
                    if opcode == op::ELSE {
                        if block.opcode != op::IF || !block.params.is_empty() {
                            break;
                        }
                        (block.opcode, block.unreachable) = (op::ELSE, false);
                        operands.top = 0;
                    } else {
                        let Block { opcode, params, results, .. } = *block;
                        // Without `else` what goes in comes out.
                        let is_open = opcode == op::IF && !(params.is_empty() && results.is_empty());
                        if is_open || results.len() > 1 {
                            break;
                        }
                        *scopes -= usize::from(opcode == op::TRY_TABLE);
                        blocks.pop();
                        operands.floor = blocks.last().map_or(0, |block| block.floor.into());
                        operands.fill()?;
                        if let [ty] = results {
                            operands.push(*ty);
                        }
                        if blocks.is_empty() {
                            at += 1;
                            break;
                        }
                    }
                }
                op::BR | op::BR_IF => {
                    let label = blocks.len().wrapping_sub(1 + usize::from(next));
                    let Some(block) = blocks.get(label).filter(|_| next < 0x80) else { break };
                    let carried = block.label();
                    bytes = 2;
                    if opcode == op::BR_IF {
                        let rest = operands.top >> 8;
                        if operands.top as u8 != I32 || !ends_with(rest, carried) {
                            break;
                        }
                        operands.top = rest;
                    } else {
                        if !ends_with(operands.top, carried) {
                            break;
                        }
                        operands.end_reach(blocks);
                    }
                }
                op::RETURN | op::UNREACHABLE => {
                    let Some([function, ..]) = blocks.get(..1) else { break };
                    if opcode == op::RETURN && !ends_with(operands.top, function.results) {
                        break;
                    }
                    operands.end_reach(blocks);
                }
                _ => break,
            }
            at += bytes;
        }
        operands.spill()?;
        (self.at, self.len, self.floor) = (at, operands.below, operands.floor);
        Some(())
    }
}

/// Whether these are the topmost: one operand, or none.
#[inline(always)]
fn ends_with(top: u64, types: &[u8]) -> bool {
    match types {
        [] => true,
        [ty] => top as u8 == *ty,
        _ => false,
    }
}

/// The number at `at`, and of how many bytes it is.
#[inline(always)]
fn number(code: &[u8; STEP_BYTES], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for count in 0..NUMBER_BYTES {
        let byte = code[at + count];
        value |= u64::from(byte & 0x7f) << (7 * count);
        if byte < 0x80 {
            return Some((value, count + 1));
        }
    }
    None
}

/// The entry of this number.
#[inline(always)]
fn entry<T>(list: &[T], number: u64) -> Option<&T> {
    list.get(usize::try_from(number).ok()?)
}
