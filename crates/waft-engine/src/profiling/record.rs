//! What is written about a piece of code.
//!
//! Source: `jit-interface.txt` and `jitdump-specification.txt` in `tools/perf/Documentation` of Linux.

use rustix::time::{ClockId, clock_gettime};
use std::borrow::Cow;
use std::io::Write as _;

/// Begins a dump: "JiTD", in the writer's byte order.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 40;
/// Bytes of a record of loaded code, before its name.
const LOAD_BYTES: usize = 56;
const JIT_CODE_LOAD: u32 = 0;
/// x86-64, by its number in ELF: the engine runs nowhere else.
const MACHINE: u32 = 62;

/// The forms in which code is described.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines of text.
    Map,
    /// Records that hold the code as well.
    Dump,
}

/// A piece of code that has a name.
pub(super) struct Record<'c> {
    /// Where it is executed.
    pub(super) address: usize,
    pub(super) code: &'c [u8],
    /// Without control characters.
    pub(super) name: Cow<'c, str>,
}

impl Record<'_> {
    /// Appends it as a line of a map.
    pub(super) fn put_mapped(&self, bytes: &mut Vec<u8>) {
        writeln!(bytes, "{:x} {:x} {}", self.address, self.code.len(), self.name)
            .expect("a vector takes what is written");
    }

    /// Appends it as a record of a dump, the `number`th.
    pub(super) fn put_dumped(&self, bytes: &mut Vec<u8>, number: u64) {
        let total = LOAD_BYTES + self.name.len() + 1 + self.code.len();
        put(bytes, &[JIT_CODE_LOAD, total as u32]);
        bytes.extend(now().to_ne_bytes());
        put(bytes, &[std::process::id(), rustix::thread::gettid().as_raw_nonzero().get() as u32]);
        // Where it was made is where it runs.
        for word in [self.address as u64, self.address as u64, self.code.len() as u64, number] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(self.name.as_bytes());
        bytes.push(0);
        bytes.extend(self.code);
    }
}

/// The beginning of a dump.
pub(super) fn dump_header() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
    let reserved = 0;
    put(&mut bytes, &[MAGIC, VERSION, HEADER_BYTES, MACHINE, reserved, std::process::id()]);
    bytes.extend(now().to_ne_bytes());
    let flags = 0_u64;
    bytes.extend(flags.to_ne_bytes());
    bytes
}

fn put(bytes: &mut Vec<u8>, words: &[u32]) {
    bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
}

/// Nanoseconds of the clock that `perf record -k mono` uses.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
