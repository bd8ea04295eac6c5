//! A look at a body before it is compiled: which locals are used most, and how many calls there are, by loops.
//!
//! It counts and does not check: what it finds decides which registers hold what, never what code means. So it knows of
//! each operator no more than how many bytes it has, and stops at one it does not know.

/// A loop counts as if it ran so often, binary logarithm.
const LOOP_LOG2: u32 = 3;
/// The most that nesting counts for.
const LOOPS_MAX: u32 = 4;
/// Locals past these are never hot: what has more of them was not made for speed.
pub(crate) const COUNTED_LOCALS: usize = 1024;

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
    /// For each open block, whether it is a loop.
    blocks: Vec<bool>,
}

/// The bytes of a body, read forwards. Past the end there are zeros.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }
    #[inline]
    fn skip(&mut self) {
        while self.byte() & 0x80 != 0 {}
    }
    #[inline]
    fn number(&mut self) -> u32 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u32::from(byte & 0x7f).wrapping_shl(shift);
            shift += 7;
            if byte & 0x80 == 0 || shift > 35 {
                return value;
            }
        }
    }
    fn val_type(&mut self) {
        // The types of references that say what they refer to.
        if matches!(self.byte(), 0x63 | 0x64) {
            self.skip();
        }
    }
    fn block_type(&mut self) {
        match self.bytes.get(self.at) {
            Some(0x40..0x80) => self.val_type(),
            _ => self.skip(),
        }
    }
    fn memarg(&mut self) {
        if self.number() & 0x40 != 0 {
            self.skip();
        }
        self.skip();
    }
}

impl Scan {
    /// Counts in the operators of a body with so many locals.
    pub(crate) fn count(&mut self, operators: &[u8], locals: usize) {
        self.uses.clear();
        self.uses.resize(locals.min(COUNTED_LOCALS), 0);
        self.blocks.clear();
        (self.calls, self.accesses) = (0, 0);
        // Until the end is reached.
        self.catches = true;
        let mut catches = false;
        let mut loops = 0;
        let mut weight: u32 = 1;
        let mut cursor = Cursor { bytes: operators, at: 0 };
        while cursor.at < operators.len() {
            let op = cursor.byte();
            match op {
                0x20..=0x22 => {
                    let local = cursor.number();
                    if let Some(uses) = self.uses.get_mut(local as usize) {
                        *uses = uses.saturating_add(weight);
                    }
                }
                0x41 | 0x42 => cursor.skip(),
                0x28..=0x3e => {
                    cursor.memarg();
                    self.accesses = self.accesses.saturating_add(weight);
                }
                0x45..=0xc4 | 0x00 | 0x01 | 0x05 | 0x0a | 0x0f | 0x19 | 0x1a | 0x1b | 0xd1 | 0xd3 | 0xd4 => {}
                0x02 | 0x03 | 0x04 | 0x06 => {
                    cursor.block_type();
                    catches |= op == 0x06;
                    let is_loop = op == 0x03;
                    self.blocks.push(is_loop);
                    loops += u32::from(is_loop);
                    weight = 1 << (LOOP_LOG2 * loops.min(LOOPS_MAX));
                }
                0x0b => {
                    loops -= u32::from(self.blocks.pop().unwrap_or(false));
                    weight = 1 << (LOOP_LOG2 * loops.min(LOOPS_MAX));
                }
                0x0c | 0x0d | 0x07 | 0x09 | 0x23..=0x26 | 0x3f | 0xd0 | 0xd2 | 0xd5 | 0xd6 => cursor.skip(),
                0x18 => {
                    cursor.skip();
                    loops -= u32::from(self.blocks.pop().unwrap_or(false));
                }
                0x40 | 0x10 | 0x14 | 0x08 => {
                    cursor.skip();
                    self.calls = self.calls.saturating_add(weight);
                }
                0x12 | 0x15 => cursor.skip(),
                0x11 | 0x13 => {
                    cursor.skip();
                    cursor.skip();
                    self.calls = self.calls.saturating_add(weight * u32::from(op == 0x11));
                }
                0x0e => {
                    for _ in 0..=cursor.number() {
                        cursor.skip();
                        if cursor.at >= operators.len() {
                            return;
                        }
                    }
                }
                0x1c => {
                    for _ in 0..cursor.number().min(1) {
                        cursor.val_type();
                    }
                }
                0x43 => cursor.at += 4,
                0x44 => cursor.at += 8,
                0xfb..=0xfe => {
                    let sub = cursor.number();
                    let known = match op {
                        0xfb => self.gc(&mut cursor, sub, weight),
                        0xfc => self.bulk(&mut cursor, sub, weight),
                        0xfd => self.simd(&mut cursor, sub, weight),
                        _ => self.atomic(&mut cursor, sub, weight),
                    };
                    if !known {
                        return;
                    }
                }
                0x1f => {
                    cursor.block_type();
                    catches = true;
                    for _ in 0..cursor.number() {
                        if cursor.byte() < 2 {
                            cursor.skip();
                        }
                        cursor.skip();
                        if cursor.at >= operators.len() {
                            return;
                        }
                    }
                    self.blocks.push(false);
                }
                _ => return,
            }
        }
        self.catches = catches;
    }

    fn gc(&mut self, cursor: &mut Cursor<'_>, sub: u32, weight: u32) -> bool {
        let numbers = match sub {
            15 | 26..=30 => 0,
            0 | 1 | 6 | 7 | 11..=14 | 16 | 20..=23 => 1,
            2..=5 | 8..=10 | 17..=19 => 2,
            24 | 25 => 4,
            _ => return false,
        };
        (0..numbers).for_each(|_| cursor.skip());
        if matches!(sub, 0 | 1 | 6..=10 | 16..=19) {
            self.calls = self.calls.saturating_add(weight);
        }
        true
    }

    fn bulk(&mut self, cursor: &mut Cursor<'_>, sub: u32, weight: u32) -> bool {
        let numbers = match sub {
            0..=7 | 19..=22 => 0,
            9 | 11 | 13 | 15..=17 => 1,
            8 | 10 | 12 | 14 => 2,
            _ => return false,
        };
        (0..numbers).for_each(|_| cursor.skip());
        if (8..16).contains(&sub) || sub == 17 {
            self.calls = self.calls.saturating_add(weight);
        }
        true
    }

    fn simd(&mut self, cursor: &mut Cursor<'_>, sub: u32, weight: u32) -> bool {
        match sub {
            0..=11 | 92 | 93 | 84..=91 => {
                cursor.memarg();
                cursor.at += usize::from((84..=91).contains(&sub));
                self.accesses = self.accesses.saturating_add(weight);
            }
            12 | 13 => cursor.at += 16,
            21..=34 => cursor.at += 1,
            _ => {}
        }
        true
    }

    fn atomic(&mut self, cursor: &mut Cursor<'_>, sub: u32, weight: u32) -> bool {
        match sub {
            3 => cursor.at += 1,
            _ => {
                cursor.memarg();
                self.accesses = self.accesses.saturating_add(weight);
                self.calls = self.calls.saturating_add(weight * u32::from(sub < 3));
            }
        }
        true
    }
}
