//! Where code is put, so that its loops take few lines of the cache.
//!
//! A processor takes decoded instructions from lines of 64 bytes, one or two in a cycle. A short loop that begins at the end of a
//! line takes one more than it needs each time around, and up to 1.6 times as long. Cranelift aligns no loops, but the
//! whole function can begin some bytes into a line. Of all such places the one is taken where the innermost loops take the
//! fewest lines more than they need, and deeper ones count for more.

use waft_core::tier::{CODE_LINE_BYTES, Placement};

const LINE: usize = CODE_LINE_BYTES as usize;

/// A loop of more lines does not suffer from another one.
const LOOP_LINES_MAX: usize = 6;

/// How much more a loop counts than the one around it.
const WEIGHT_OF_DEPTH: u64 = 8;

/// Loops that are deeper count as if they were not.
const DEPTH_MAX: usize = 5;

/// How much of a function's start should lie in one line. It counts as a loop that nothing is around.
const START_BYTES: usize = 32;

/// Code that ends with a jump to its start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Loop {
    start: usize,
    end: usize,
}

/// Where x86-64 code is to start that needs `align`, a power of two.
pub(crate) fn placement(code: &[u8], align: u32) -> Placement {
    let start = Loop { start: 0, end: code.len().min(START_BYTES) };
    let mut loops = innermost(&back_jumps(code));
    loops.push((start, 0));
    let costs = costs(&loops);
    let rests = (0..LINE).step_by(align as usize);
    let rest = rests.min_by_key(|rest| costs[*rest]).unwrap_or(0);
    Placement { align: align.max(CODE_LINE_BYTES), rest: rest as u32 }
}

/// Jumps backwards, in order. Cranelift's have distances of 32 bits. Bytes of another instruction that look like one are rare, and lead to
/// nothing worse than another place.
fn back_jumps(code: &[u8]) -> Vec<Loop> {
    const JMP: u8 = 0xe9;
    const ESCAPE: u8 = 0x0f;
    const JCC: u8 = 0x80;
    let mut before = 0;
    let mut loops = Vec::new();
    for (at, &opcode) in code.iter().enumerate() {
        let is_jump = opcode == JMP || before == ESCAPE && opcode & 0xf0 == JCC;
        before = opcode;
        let Some(distance) = code[at + 1..].first_chunk().filter(|_| is_jump) else { continue };
        let (distance, end) = (i32::from_le_bytes(*distance), at + 5);
        let start = end.checked_add_signed(distance as isize).filter(|start| *start < at);
        loops.extend(start.map(|start| Loop { start, end }));
    }
    loops.sort_unstable();
    loops
}

/// Short loops without others inside, each with how many are around it.
fn innermost(loops: &[Loop]) -> Vec<(Loop, usize)> {
    let mut found = Vec::new();
    let mut around = Vec::new();
    let mut headers = loops.chunk_by(|a, b| a.start == b.start).peekable();
    while let Some(jumps) = headers.next() {
        let (start, longest) = (jumps[0].start, jumps[jumps.len() - 1].end);
        while around.pop_if(|end| *end <= start).is_some() {}
        let next = headers.peek().map_or(usize::MAX, |jumps| jumps[0].start);
        // Cold code, which is behind all other, may lead back to a short loop as well.
        let short = jumps.iter().rfind(|jump| jump.end - start <= LOOP_LINES_MAX * LINE);
        found.extend(short.filter(|jump| jump.end <= next).map(|jump| (*jump, around.len())));
        around.push(longest);
    }
    found
}

/// What it costs to start so many bytes into a line.
fn costs(loops: &[(Loop, usize)]) -> [u64; LINE] {
    let mut costs = [0; LINE];
    for (Loop { start, end }, depth) in loops {
        let len = end - start;
        let lines = len.div_ceil(LINE);
        let weight = WEIGHT_OF_DEPTH.pow((*depth).min(DEPTH_MAX) as u32 + 1) / lines.max(1) as u64;
        for (rest, cost) in costs.iter_mut().enumerate() {
            let taken = ((start + rest) % LINE + len).div_ceil(LINE);
            *cost += weight * (taken - lines) as u64;
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code of `nop`s of which jumps lead back.
    fn code(len: usize, jumps: &[(usize, usize)]) -> Vec<u8> {
        let mut code = vec![0x90; len];
        for &(start, end) in jumps {
            let distance = start as i32 - end as i32;
            code[end - 6..end - 4].copy_from_slice(&[0x0f, 0x8c]);
            code[end - 4..end].copy_from_slice(&distance.to_le_bytes());
        }
        code
    }

    fn lines(start: usize, end: usize, rest: u32) -> usize {
        (end + rest as usize).div_ceil(LINE) - (start + rest as usize) / LINE
    }

    #[test]
    fn code_without_loops_starts_with_a_line() {
        for len in [0, 1, 31, 32, 33, 1000] {
            assert_eq!(placement(&code(len, &[]), 1), Placement { align: 64, rest: 0 }, "{len} bytes");
        }
    }

    #[test]
    fn loops_take_no_more_lines_than_they_need() {
        for start in 0..200 {
            for len in [7, 30, 60, 64, 65, 105, 128, 300, 384] {
                let end = start + len;
                let Placement { align, rest } = placement(&code(end + 50, &[(start, end)]), 1);
                assert_eq!(align, 64);
                // The start of the function counts as much as a loop that is as short.
                let excess = lines(start, end, rest) - len.div_ceil(LINE);
                let excess_at_start = lines(0, START_BYTES, rest) - 1;
                assert!(excess + excess_at_start <= 1, "{start}..{end} at {rest}");
                assert!(excess == 0 || len > 32, "{start}..{end} at {rest}");
            }
        }
    }

    #[test]
    fn the_innermost_loop_counts_for_more() {
        // Half a line apart, and both take most of one.
        let code = code(400, &[(60, 110), (150, 300), (156, 206)]);
        let rest = placement(&code, 1).rest;
        assert_eq!(lines(156, 206, rest), 1);
        assert_eq!(lines(60, 110, rest), 2);
    }

    #[test]
    fn jumps_from_cold_code_do_not_hide_a_loop() {
        let rest = placement(&code(2000, &[(50, 100), (50, 1900)]), 1).rest;
        assert_eq!(lines(50, 100, rest), 1);
    }

    #[test]
    fn places_are_as_the_code_needs_them() {
        for align in [1, 2, 4, 8, 16, 32, 64] {
            let Placement { rest, .. } = placement(&code(200, &[(50, 100)]), align);
            assert_eq!(rest % align, 0);
        }
        assert_eq!(placement(&code(200, &[(50, 100)]), 128), Placement { align: 128, rest: 0 });
    }

    #[test]
    fn what_looks_like_a_jump_does_no_harm() {
        for bytes in
            [[0xe9; 9], [0x0f, 0x80, 0, 0, 0, 0x80, 0, 0, 0], [0xe9, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xe9]]
        {
            for len in 0..bytes.len() {
                assert_eq!(placement(&bytes[..len], 1).align, 64);
            }
        }
    }

    #[test]
    fn many_loops_take_no_time() {
        // Loops in one another, as many as a body of the largest size has.
        let depth = 1_000_000;
        let mut loops: Vec<Loop> = (0..depth).map(|at| Loop { start: at, end: 20 * depth - at }).collect();
        loops.sort_unstable();
        assert_eq!(innermost(&loops), []);
    }
}
