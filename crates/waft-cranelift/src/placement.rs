//! Where code is put, so that its loops take few lines of the cache.
//!
//! A processor takes decoded instructions from lines of 64 bytes, one or two in a cycle. A short loop that begins at the end of a
//! line takes one more than it needs each time around, and up to 1.6 times as long. Cranelift aligns no loops, but the
//! whole function can begin some bytes into a line. Of all such places the one is taken where short loops take the
//! fewest lines more than they need, and deeper ones count for more; of equal ones, the first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use waft_core::tier::{CODE_LINE_BYTES, Entry, Placement};

const LINE: usize = CODE_LINE_BYTES as usize;

/// A loop of more lines does not suffer from another one.
const LOOP_LINES_MAX: usize = 6;

/// How much more a loop counts than the one around it, and one that nothing is around than the function's start.
const WEIGHT_OF_DEPTH: u64 = 8;

/// Loops in more than so many count as if they were not.
const DEPTH_MAX: usize = 5;

/// How much of a function's start should lie in one line.
const START_BYTES: usize = 32;

/// A stretch of code, in bytes from the function's start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Stretch {
    start: usize,
    end: usize,
}

impl Stretch {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Where x86-64 code is to start that needs `align`.
///
/// # Panics
///
/// If that is no power of two, or more than a line.
pub(crate) fn placement(code: &[u8], align: u32, entry: Entry) -> Placement {
    assert!(align.is_power_of_two() && align <= CODE_LINE_BYTES, "code cannot be aligned to {align} bytes");
    let mut loops = loops(code);
    if let Entry::Loop(_) = entry {
        // The state is taken first, in loops in each other: see `arrival.rs`.
        let state = loops.chunk_by(|a, b| a.start == b.start).next().and_then(<[_]>::last);
        let end = state.map_or(0, |it| it.end);
        loops.retain(|it| it.start >= end);
    }
    let mut costs = [0; LINE];
    add_cost(&mut costs, Stretch { start: 0, end: code.len().min(START_BYTES) }, 1);
    add_costs(&mut costs, &loops);
    let rests = (0..LINE).step_by(align as usize);
    let rest = rests.min_by_key(|rest| costs[*rest]).unwrap_or(0);
    Placement::new(CODE_LINE_BYTES, rest as u32)
}

/// What ends with a jump to its start, in order.
///
/// Cranelift's jumps all have distances of 32 bits. Bytes of other instructions or of tables that look like one are rare, and lead to
/// nothing worse than another place. So do loops that are not seen: those that end with a jump by a table, and those that lie around what
/// follows them, if something before jumps there.
fn loops(code: &[u8]) -> Vec<Stretch> {
    const JMP: u8 = 0xe9;
    const ESCAPE: u8 = 0x0f;
    const JCC: u8 = 0x80;
    let (mut back, mut forward) = (Vec::new(), Vec::new());
    let mut before = 0;
    for (at, &opcode) in code.iter().enumerate() {
        let is_jump = opcode == JMP || before == ESCAPE && opcode & 0xf0 == JCC;
        before = opcode;
        let Some(distance) = code[at + 1..].first_chunk().filter(|_| is_jump) else { continue };
        let end = at + 5;
        match end.checked_add_signed(i32::from_le_bytes(*distance) as isize) {
            Some(start) if start < at => back.push(Stretch { start, end }),
            Some(target) if target < code.len() => forward.push((at, target)),
            _ => {}
        }
    }
    back.sort_unstable();
    // Cold code is behind all other, and jumps back. What it comes back to is no loop: it was left before, for its middle.
    let mut forward = forward.into_iter().peekable();
    let mut targets = BinaryHeap::new();
    back.retain(|it| {
        while let Some((_, target)) = forward.next_if(|(at, _)| *at < it.start) {
            targets.push(Reverse(target));
        }
        while targets.peek().is_some_and(|Reverse(target)| *target <= it.start) {
            targets.pop();
        }
        targets.peek().is_none_or(|Reverse(target)| *target >= it.end)
    });
    back
}

/// What it costs if the loops, which are in order, begin so many bytes further into a line.
fn add_costs(costs: &mut [u64; LINE], loops: &[Stretch]) {
    let mut around = Vec::new();
    for jumps in loops.chunk_by(|a, b| a.start == b.start) {
        let (start, end) = (jumps[0].start, jumps[jumps.len() - 1].end);
        while around.pop_if(|end| *end <= start).is_some() {}
        let weight = WEIGHT_OF_DEPTH.pow(around.len().min(DEPTH_MAX) as u32 + 1);
        // Which jump is the usual one, or that of a loop around with the same start, is not known.
        for it in jumps.iter().filter(|it| it.len() <= LOOP_LINES_MAX * LINE) {
            add_cost(costs, *it, weight);
        }
        around.push(end);
    }
}

fn add_cost(costs: &mut [u64; LINE], it: Stretch, weight: u64) {
    /// What a loop of one line weighs more than one of six: whole numbers for all between.
    const PARTS: u64 = 60;
    let needed = it.len().div_ceil(LINE);
    for (rest, cost) in costs.iter_mut().enumerate() {
        let taken = ((it.start + rest) % LINE + it.len()).div_ceil(LINE);
        *cost += (taken - needed) as u64 * weight * PARTS / needed.max(1) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code of `nop`s of which jumps lead from the end of a stretch to its start, or the other way.
    fn code(len: usize, back: &[(usize, usize)], forward: &[(usize, usize)]) -> Vec<u8> {
        let mut code = vec![0x90; len];
        let jumps = back.iter().map(|(start, end)| (end - 6, *start)).chain(forward.iter().copied());
        for (at, target) in jumps {
            let distance = target as i32 - (at as i32 + 6);
            code[at..at + 2].copy_from_slice(&[0x0f, 0x8c]);
            code[at + 2..at + 6].copy_from_slice(&distance.to_le_bytes());
        }
        code
    }

    fn rest(code: &[u8]) -> u32 {
        let placement = placement(code, 1, Entry::Start);
        assert_eq!(placement, Placement::new(64, placement.rest()));
        placement.rest()
    }

    /// How many lines more than it must a stretch takes.
    fn excess((start, end): (usize, usize), rest: u32) -> usize {
        let (from, to) = (start + rest as usize, end + rest as usize);
        to.div_ceil(LINE) - from / LINE - (to - from).div_ceil(LINE)
    }

    #[test]
    fn code_without_loops_starts_with_a_line() {
        for len in [0, 1, 31, 32, 33, 1000] {
            assert_eq!(rest(&code(len, &[], &[])), 0, "{len} bytes");
        }
    }

    #[test]
    fn loops_take_no_more_lines_than_they_must() {
        for start in 0..200 {
            for len in [7, 30, 60, 64, 65, 105, 128, 300, 384] {
                let it = (start, start + len);
                assert_eq!(excess(it, rest(&code(start + len + 50, &[it], &[]))), 0, "{it:?}");
            }
        }
    }

    #[test]
    fn the_start_lies_in_one_line_where_loops_allow() {
        let it = (100, 120);
        let rest = rest(&code(200, &[it], &[]));
        assert_eq!((excess(it, rest), excess((0, START_BYTES), rest)), (0, 0));
    }

    #[test]
    fn deeper_loops_count_for_more() {
        // Half a line apart, and both take most of one.
        let rest = rest(&code(400, &[(60, 110), (150, 300), (156, 206)], &[]));
        assert_eq!((excess((156, 206), rest), excess((60, 110), rest)), (0, 1));
    }

    #[test]
    fn loops_that_start_together_both_count() {
        for len in [150, 200, 300] {
            let (inner, outer) = ((52, 157), (52, 52 + len));
            let rest = rest(&code(400, &[inner, outer], &[]));
            assert_eq!(excess(inner, rest), 0, "{len}");
        }
    }

    #[test]
    fn what_comes_back_from_cold_code_is_no_loop() {
        let it = (105, 165);
        // To the loop's start, and to its middle, from where it was left.
        for back in [(105, 1000), (130, 1000)] {
            let rest = rest(&code(2000, &[it, back], &[(120, 900)]));
            assert_eq!(excess(it, rest), 0, "{back:?}");
        }
        // A loop that is behind such code lies no deeper than the one before it, which is shorter.
        let (short, long) = ((20, 70), (124, 224));
        let rest = rest(&code(2000, &[short, long, (90, 1900)], &[(80, 1800)]));
        assert_eq!((excess(short, rest), excess(long, rest)), (0, 1));
    }

    #[test]
    fn loops_that_the_state_is_taken_in_do_not_count() {
        let it = (120, 170);
        let code = code(300, &[(20, 92), (24, 86), (28, 80), it], &[]);
        let rest = placement(&code, 1, Entry::Loop(7)).rest();
        assert_eq!(excess(it, rest), 0);
        assert_eq!(excess((0, START_BYTES), rest), 0);
    }

    #[test]
    fn places_are_as_the_code_needs_them() {
        for align in [1, 2, 4, 8, 16, 32, 64] {
            let placement = placement(&code(200, &[(50, 100)], &[]), align, Entry::Start);
            assert_eq!(placement.rest() % align, 0);
        }
    }

    #[test]
    fn what_looks_like_a_jump_does_no_harm() {
        for bytes in
            [[0xe9; 9], [0x0f, 0x80, 0, 0, 0, 0x80, 0, 0, 0], [0xe9, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xe9]]
        {
            for len in 0..=bytes.len() {
                placement(&bytes[..len], 1, Entry::Start);
            }
        }
    }

    #[test]
    fn a_million_loops_in_each_other_take_no_time() {
        let count = 1_000_000;
        let loops: Vec<_> = (0..count).map(|at| Stretch { start: at, end: 3 * count - at }).collect();
        let mut costs = [0; LINE];
        add_costs(&mut costs, &loops);
        assert_eq!(costs, [0; LINE], "all are long");
    }
}
