//! A look at a body before it is compiled: which locals are used most, and how many calls there are, by loops.
//!
//! It counts and does not check: what it finds decides which registers hold what, never what code means. So it knows of
//! each operator no more than how many bytes it has, and stops at one it does not know.

use crate::code::Code;
use waft_core::opcode::{self, self as op, Immediates};

/// A loop counts as if it ran so often, binary logarithm.
const LOOP_LOG2: u32 = 3;
/// The most that nesting counts for.
const LOOPS_MAX: u32 = 4;
/// Locals past these are never hot: what has more of them was not made for speed.
pub(crate) const COUNTED_LOCALS: usize = 1024;

/// Locals whose numbers are one byte.
const SHORT_LOCALS: usize = 0x80;
/// The places of [`Counter::counts`] after those of short locals: for what does not count, for accesses and for calls.
const NOTHING: u8 = 0x80;
const ACCESSES: u8 = 0x81;
const CALLS: u8 = 0x82;

/// What was counted.
#[derive(Default)]
pub(crate) struct Scan {
    /// Uses of each local, weighed.
    pub(crate) uses: Vec<u32>,
    /// Calls, weighed.
    pub(crate) calls: u32,
    /// Accesses to memories, weighed.
    pub(crate) accesses: u32,
    /// Whether any block catches exceptions, or the look ended before the body did.
    pub(crate) catches: bool,
}

impl Scan {
    /// Counts in the operators from here on of a body with so many locals.
    pub(crate) fn count(&mut self, operators: &Code<'_>, locals: usize) {
        self.uses.clear();
        self.uses.resize(locals.min(COUNTED_LOCALS), 0);
        let uses = &mut self.uses;
        let mut counter = Counter { uses, catches: false, counts: [0; 256], weight: 1, blocks: 0, loops: 0 };
        counter.body(&operators.clone());
        let counts = &counter.counts;
        let counted = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        self.accesses = counted(counts[usize::from(ACCESSES)]);
        self.calls = counted(counts[usize::from(CALLS)]);
        self.catches = counter.catches;
        for (uses, count) in counter.uses.iter_mut().zip(&counts[..SHORT_LOCALS]) {
            *uses = counted(*count);
        }
    }
}

/// How an operator is counted, packed so that one test tells whether it is a usual one.
#[derive(Clone, Copy)]
struct Row(u64);

impl Row {
    /// Bits of its numbers that are set if they have more than a byte each.
    const LONGER: u64 = 0xffff;
    /// It closes a block; it opens one, and the number is the block's type; [`Counter::other`] looks at it. See
    /// [`Row::is_usual`].
    const CLOSE: u64 = 1 << 16;
    const OPEN: u64 = 1 << 17;
    const OTHER: u64 = 1 << 18;
    const SPECIAL: u64 = Self::CLOSE | Self::OPEN | Self::OTHER;
    /// Its place in [`Counter::counts`]: these bits of the first number, and these.
    const NUMBER_BITS_AT: u32 = 24;
    const PLACE_AT: u32 = 32;
    /// How many bytes it has with numbers of a byte each, at most two of them.
    const BYTES_AT: u32 = 40;
    /// Bits of the first number's first byte that it usually has not.
    const UNUSUAL_AT: u32 = 48;

    const fn of(opcode: u8) -> Self {
        let (special, numbers) = match opcode::IMMEDIATES[opcode as usize] {
            _ if opcode == op::TRY || opcode == op::DELEGATE => (Self::OTHER, 0),
            _ if opcode == op::END => (Self::CLOSE, 0),
            Immediates::None => (0, 0),
            Immediates::Number => (0, 1),
            Immediates::Numbers | Immediates::MemArg => (0, 2),
            Immediates::Block => (Self::OPEN, 1),
            _ => (Self::OTHER, 0),
        };
        let (unusual, number_bits, place) = match opcode {
            // A longer number.
            op::LOCAL_GET | op::LOCAL_SET | op::LOCAL_TEE => (0x80, 0x7f, 0),
            // A third number, which says what memory is accessed.
            op::I32_LOAD..=op::I64_STORE32 => (0x40, 0, ACCESSES),
            op::CALL | op::CALL_REF | op::CALL_INDIRECT | op::THROW | op::MEMORY_GROW => (0, 0, CALLS),
            _ => (0, 0, NOTHING),
        };
        let longer: u64 = [0, 0x80, 0x8080][numbers as usize];
        Self(
            longer
                | unusual
                | special
                | number_bits << Self::NUMBER_BITS_AT
                | (place as u64) << Self::PLACE_AT
                | (1 + numbers) << Self::BYTES_AT
                | unusual << Self::UNUSUAL_AT,
        )
    }

    /// Whether it is one of these.
    #[inline]
    const fn is(self, kinds: u64) -> bool {
        self.0 & kinds != 0
    }
    /// Whether all is in its usual place, if these are the bytes after the opcode.
    #[inline]
    const fn is_usual(self, numbers: u64) -> bool {
        (numbers & Self::LONGER | Self::SPECIAL) & self.0 == 0
    }
    #[inline]
    const fn bytes(self) -> usize {
        (self.0 >> Self::BYTES_AT) as u8 as usize
    }
    /// Where it is counted, if this is the first number.
    #[inline]
    const fn place(self, number: u8) -> u8 {
        number & (self.0 >> Self::NUMBER_BITS_AT) as u8 | (self.0 >> Self::PLACE_AT) as u8
    }
    const fn unusual(self) -> u8 {
        (self.0 >> Self::UNUSUAL_AT) as u8
    }
}

static ROWS: [Row; 256] = {
    let mut rows = [Row::of(0); 256];
    let mut opcode = 1;
    while opcode < 256 {
        rows[opcode] = Row::of(opcode as u8);
        opcode += 1;
    }
    rows
};

/// [`Row::bytes`] of each.
///
/// PERF: each operator waits for the length of the one before it, which is known earlier from here than from its row.
static BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut opcode = 0;
    while opcode < 256 {
        bytes[opcode] = ROWS[opcode].bytes() as u8;
        opcode += 1;
    }
    bytes
};

/// A body being counted.
struct Counter<'s> {
    /// Of locals whose numbers are longer.
    uses: &'s mut [u32],
    catches: bool,
    /// What is counted by one byte. As many places as a byte has values: none is outside.
    counts: [u64; 256],
    /// What a use counts for here.
    weight: u32,
    /// For each open block, whether it is a loop; the innermost one's is the lowest bit. What is more than 64 blocks out is
    /// forgotten, and a loop there counts for the rest of the body.
    blocks: u64,
    /// How many loops are open.
    loops: u32,
}

impl Counter<'_> {
    fn body(&mut self, code: &Code<'_>) {
        loop {
            self.usual(code);
            if code.is_at_end() {
                break;
            }
            if !self.other(code) {
                self.catches = true;
                break;
            }
        }
    }

    /// Counts in operators that are usual, up to one that is not.
    ///
    /// PERF: which operator comes next is hardly to be foreseen, so nothing branches on it but whether it is usual; a `match`
    /// took a fifth longer for clang (`examples/speed.rs`).
    fn usual(&mut self, code: &Code<'_>) {
        let bytes = code.rest();
        let mut at = 0;
        while let Some([opcode, numbers @ ..]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<9>()) {
            let (row, first) = (ROWS[usize::from(*opcode)], numbers[0]);
            let numbers = u64::from_le_bytes(*numbers);
            let mut len = usize::from(BYTES[usize::from(*opcode)]);
            if !row.is_usual(numbers) {
                match self.less_usual(row, *opcode, numbers) {
                    Some(longer) => len = longer,
                    None => break,
                }
            }
            self.count_at(row.place(first));
            at += len;
        }
        code.skip_bytes(at);
    }

    /// How many bytes the operator has; what its block does is done. Nothing if it has to be looked at closely.
    #[inline]
    fn less_usual(&mut self, row: Row, opcode: u8, numbers: u64) -> Option<usize> {
        let first = numbers as u8;
        if !row.is(Row::SPECIAL) {
            let len = 1 + length(numbers, row.bytes() - 1);
            return if first & row.unusual() == 0 && len <= 9 { Some(len) } else { None };
        }
        if row.is(Row::CLOSE) {
            self.close();
            return Some(1);
        }
        // Not the types of references that say what they refer to, nor long numbers.
        if row.is(Row::OTHER) || first >= 0x80 || matches!(first, 0x60..0x68) {
            return None;
        }
        self.open(opcode == op::LOOP);
        Some(2)
    }

    #[inline]
    fn count_at(&mut self, place: u8) {
        // No body has so many operators that this overflows.
        self.counts[usize::from(place)] += u64::from(self.weight);
    }

    /// Counts in one operator; whether it is known.
    #[inline(never)]
    fn other(&mut self, code: &Code<'_>) -> bool {
        let opcode = code.byte();
        match opcode {
            op::LOCAL_GET | op::LOCAL_SET | op::LOCAL_TEE => {
                let local = code.number();
                match u8::try_from(local) {
                    Ok(local @ ..NOTHING) => self.count_at(local),
                    _ => {
                        if let Some(uses) = self.uses.get_mut(local as usize) {
                            *uses = uses.saturating_add(self.weight);
                        }
                    }
                }
                return true;
            }
            op::BLOCK | op::LOOP | op::IF => self.open(opcode == op::LOOP),
            op::TRY => {
                self.catches = true;
                self.open(false);
            }
            op::END | op::DELEGATE => self.close(),
            op::BR_TABLE => return many(code, code.number().saturating_add(1), |code| code.skip_number()),
            op::TYPED_SELECT => return many(code, code.number(), |code| code.skip_val_type()),
            op::REF_NULL => {
                code.skip_number();
                return true;
            }
            op::TRY_TABLE => {
                self.catches = true;
                self.open(false);
                let clause = |code: &Code<'_>| {
                    if code.byte() < 2 {
                        code.skip_number();
                    }
                    code.skip_number();
                };
                return code.block_type().is_ok() && many(code, code.number(), clause);
            }
            op::PREFIX_GC => return self.gc(code, code.number()),
            op::PREFIX_BULK => return self.bulk(code, code.number()),
            op::PREFIX_SIMD => return self.simd(code, code.number()),
            op::PREFIX_ATOMIC => return self.atomic(code, code.number()),
            _ => self.count_at(ROWS[usize::from(opcode)].place(0)),
        }
        code.skip_immediates(opcode)
    }

    /// A block begins.
    fn open(&mut self, is_loop: bool) {
        self.blocks = self.blocks << 1 | u64::from(is_loop);
        self.loops += u32::from(is_loop);
        self.weigh();
    }

    /// A block ends.
    fn close(&mut self) {
        self.loops -= (self.blocks & 1) as u32;
        self.blocks >>= 1;
        self.weigh();
    }

    fn weigh(&mut self) {
        self.weight = 1 << (self.loops.min(LOOPS_MAX) * LOOP_LOG2);
    }

    fn gc(&mut self, code: &Code<'_>, sub: u32) -> bool {
        let numbers = match sub {
            15 | 26..=30 => 0,
            0 | 1 | 6 | 7 | 11..=14 | 16 | 20..=23 => 1,
            2..=5 | 8..=10 | 17..=19 => 2,
            24 | 25 => 4,
            _ => return false,
        };
        (0..numbers).for_each(|_| code.skip_number());
        if matches!(sub, 0 | 1 | 6..=10 | 16..=19) {
            self.count_at(CALLS);
        }
        true
    }

    fn bulk(&mut self, code: &Code<'_>, sub: u32) -> bool {
        let numbers = match sub {
            0..=7 | 19..=22 => 0,
            9 | 11 | 13 | 15..=17 => 1,
            8 | 10 | 12 | 14 => 2,
            _ => return false,
        };
        (0..numbers).for_each(|_| code.skip_number());
        if (8..16).contains(&sub) || sub == 17 {
            self.count_at(CALLS);
        }
        true
    }

    fn simd(&mut self, code: &Code<'_>, sub: u32) -> bool {
        match sub {
            0..=11 | 92 | 93 | 84..=91 => {
                code.memarg();
                code.skip_bytes(usize::from((84..=91).contains(&sub)));
                self.count_at(ACCESSES);
            }
            12 | 13 => code.skip_bytes(16),
            21..=34 => code.skip_bytes(1),
            _ => {}
        }
        true
    }

    fn atomic(&mut self, code: &Code<'_>, sub: u32) -> bool {
        match sub {
            3 => code.skip_bytes(1),
            _ => {
                code.memarg();
                self.count_at(ACCESSES);
                if sub < 3 {
                    self.count_at(CALLS);
                }
            }
        }
        true
    }
}

/// Skips what comes so many times; whether there is more after it, as there is in a body.
fn many(code: &Code<'_>, count: u32, each: impl Fn(&Code<'_>)) -> bool {
    (0..count).all(|_| {
        each(code);
        !code.is_at_end()
    })
}

/// How many bytes so many numbers have, one or two, of which these are the first eight; more than that if not all of them.
#[inline(never)]
fn length(bytes: u64, numbers: usize) -> usize {
    // The highest bit of the last byte of each.
    let ends = !bytes & 0x8080_8080_8080_8080;
    let end = if numbers == 2 { ends & ends.wrapping_sub(1) } else { ends };
    end.trailing_zeros() as usize / 8 + 1
}
