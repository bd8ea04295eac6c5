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
/// The places of [`Scan::counts`] after those of short locals: for what does not count, for accesses and for calls.
const NOTHING: u8 = 0x80;
const ACCESSES: u8 = 0x81;
const CALLS: u8 = 0x82;

/// What was counted.
pub(crate) struct Scan {
    /// Uses of each local, weighed.
    pub(crate) uses: Vec<u32>,
    /// Calls, weighed.
    pub(crate) calls: u32,
    /// Accesses to memories, weighed.
    pub(crate) accesses: u32,
    /// Whether any block catches exceptions, or the look ended before the body did.
    pub(crate) catches: bool,
    /// What is counted by one byte. As many places as a byte has values: none is outside.
    counts: [u32; 256],
    /// What a use counts for here.
    weight: u32,
    /// For each open block, whether it is a loop; the innermost one's is the lowest bit. What is more than 64 blocks out is
    /// forgotten, and a loop there counts for the rest of the body.
    blocks: u64,
    /// How many loops are open.
    loops: u32,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            uses: Vec::new(),
            calls: 0,
            accesses: 0,
            catches: false,
            counts: [0; 256],
            weight: 1,
            blocks: 0,
            loops: 0,
        }
    }
}

/// How an operator is counted.
#[derive(Clone, Copy)]
struct Row {
    kind: Kind,
    /// How many numbers follow its opcode, at most two.
    numbers: u8,
    /// Bits of them that are set if they have more than a byte each.
    longer: u16,
    /// Bits of the first number's first byte that it usually has not.
    unusual: u8,
    /// Its place in [`Scan::counts`]: these bits of the number, and these.
    number_bits: u8,
    place: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Neither of these.
    Usual,
    /// It opens a block, and the number is the block's type.
    Open,
    /// It closes a block.
    Close,
    /// [`Scan::other`] looks at it.
    Other,
}

impl Row {
    const fn of(opcode: u8) -> Self {
        let (kind, numbers) = match opcode::IMMEDIATES[opcode as usize] {
            _ if opcode == op::TRY => (Kind::Other, 0),
            Immediates::None => (Kind::Usual, 0),
            Immediates::Number => (Kind::Usual, 1),
            Immediates::Numbers | Immediates::MemArg => (Kind::Usual, 2),
            Immediates::Block => (Kind::Open, 1),
            _ => (Kind::Other, 0),
        };
        let longer = [0, 0x80, 0x8080][numbers as usize];
        let usual = Self { kind, numbers, longer, unusual: 0, number_bits: 0, place: NOTHING };
        match opcode {
            op::END | op::DELEGATE => Self { kind: Kind::Close, ..usual },
            // A longer number.
            op::LOCAL_GET | op::LOCAL_SET | op::LOCAL_TEE => {
                Self { unusual: 0x80, number_bits: 0x7f, place: 0, ..usual }
            }
            // A third number, which says what memory is accessed.
            op::I32_LOAD..=op::I64_STORE32 => Self { unusual: 0x40, place: ACCESSES, ..usual },
            op::CALL | op::CALL_REF | op::CALL_INDIRECT | op::THROW | op::MEMORY_GROW => {
                Self { place: CALLS, ..usual }
            }
            _ => usual,
        }
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

impl Scan {
    /// Counts in the operators from here on of a body with so many locals.
    pub(crate) fn count(&mut self, operators: &Code<'_>, locals: usize) {
        self.uses.clear();
        self.uses.resize(locals.min(COUNTED_LOCALS), 0);
        self.counts = [0; 256];
        (self.weight, self.blocks, self.loops) = (1, 0, 0);
        self.catches = false;
        let code = operators.clone();
        loop {
            self.usual(&code);
            if code.is_at_end() {
                break;
            }
            if !self.other(&code) {
                self.catches = true;
                break;
            }
        }
        self.accesses = self.counts[usize::from(ACCESSES)];
        self.calls = self.counts[usize::from(CALLS)];
        for (uses, count) in self.uses.iter_mut().zip(&self.counts[..SHORT_LOCALS]) {
            *uses = *count;
        }
    }

    /// Counts in operators that are usual, up to one that is not.
    ///
    /// PERF: which operator comes next is hardly to be foreseen, so only blocks branch on it; a `match` took a fifth longer for
    /// clang (`examples/speed.rs`).
    fn usual(&mut self, code: &Code<'_>) {
        let bytes = code.rest();
        let mut at = 0;
        while let Some([opcode, numbers @ ..]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<9>()) {
            let row = &ROWS[usize::from(*opcode)];
            let first = numbers[0];
            let numbers = u64::from_le_bytes(*numbers);
            let mut len = usize::from(row.numbers);
            if numbers as u16 & row.longer != 0 {
                len = length(numbers, len);
            }
            if len > 8 || first & row.unusual != 0 {
                break;
            }
            if row.kind != Kind::Usual && !self.nest(row.kind, *opcode, first) {
                break;
            }
            self.count_at(first & row.number_bits | row.place);
            at += 1 + len;
        }
        code.skip_bytes(at);
    }

    /// Counts in an operator that opens or closes a block, unless it is unusual.
    #[inline(never)]
    fn nest(&mut self, kind: Kind, opcode: u8, ty: u8) -> bool {
        match kind {
            Kind::Close => self.close(),
            // Not the types of references that say what they refer to.
            Kind::Open if ty & 0xfe != 0x62 => self.open(opcode == op::LOOP),
            _ => return false,
        }
        true
    }

    #[inline]
    fn count_at(&mut self, place: u8) {
        let count = &mut self.counts[usize::from(place)];
        *count = count.saturating_add(self.weight);
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
            _ => self.count_at(ROWS[usize::from(opcode)].place),
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
