//! Numbers and records of WASI 0.1: what they are in guest memory, and what in the host core.

use super::errno::Errno;
use super::fail::Outcome;
use super::memory::Record;
use crate::host::Clock;
use crate::host::fs::{Advice, FileKind, Stat, TimeChange, TimeChanges};

/// The numbers of file types.
pub(crate) mod filetype {
    pub(crate) const UNKNOWN: u8 = 0;
    pub(crate) const BLOCK_DEVICE: u8 = 1;
    pub(crate) const CHARACTER_DEVICE: u8 = 2;
    pub(crate) const DIRECTORY: u8 = 3;
    pub(crate) const REGULAR_FILE: u8 = 4;
    pub(crate) const SOCKET_DGRAM: u8 = 5;
    pub(crate) const SOCKET_STREAM: u8 = 6;
    pub(crate) const SYMBOLIC_LINK: u8 = 7;
}

pub(crate) fn filetype(kind: FileKind) -> u8 {
    match kind {
        FileKind::BlockDevice => filetype::BLOCK_DEVICE,
        FileKind::CharacterDevice => filetype::CHARACTER_DEVICE,
        FileKind::Directory => filetype::DIRECTORY,
        FileKind::RegularFile => filetype::REGULAR_FILE,
        FileKind::Socket => filetype::SOCKET_STREAM,
        FileKind::SymbolicLink => filetype::SYMBOLIC_LINK,
        // There is no number for a FIFO.
        FileKind::Fifo | FileKind::Unknown => filetype::UNKNOWN,
    }
}

/// Flags of an open file.
pub(crate) mod fdflags {
    pub(crate) const APPEND: u16 = 1 << 0;
    pub(crate) const DSYNC: u16 = 1 << 1;
    pub(crate) const NONBLOCK: u16 = 1 << 2;
    pub(crate) const RSYNC: u16 = 1 << 3;
    pub(crate) const SYNC: u16 = 1 << 4;
    pub(crate) const ALL: u16 = (1 << 5) - 1;
}

/// Flags of `path_open`.
pub(crate) mod oflags {
    pub(crate) const CREAT: u16 = 1 << 0;
    pub(crate) const DIRECTORY: u16 = 1 << 1;
    pub(crate) const EXCL: u16 = 1 << 2;
    pub(crate) const TRUNC: u16 = 1 << 3;
    pub(crate) const ALL: u16 = (1 << 4) - 1;
}

/// A word of flags, refused if it has bits that mean nothing.
pub(crate) fn flags(word: u32, all: u16) -> Outcome<u16> {
    match u16::try_from(word) {
        Ok(word) if word & !all == 0 => Ok(word),
        _ => Err(Errno::Inval.into()),
    }
}

/// Whether to follow a last symbolic link.
pub(crate) fn follow(lookupflags: u32) -> Outcome<bool> {
    Ok(flags(lookupflags, 1)? == 1)
}

pub(crate) fn clock(id: u32) -> Result<Clock, Errno> {
    match id {
        0 => Ok(Clock::Realtime),
        1 => Ok(Clock::Monotonic),
        2 => Ok(Clock::ProcessCpuTime),
        3 => Ok(Clock::ThreadCpuTime),
        _ => Err(Errno::Inval),
    }
}

pub(crate) fn advice(number: u32) -> Outcome<Advice> {
    Ok(match number {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    })
}

/// What `fstflags` ask for. A time that is to be both now and another is `INVAL`.
pub(crate) fn time_changes(accessed: u64, modified: u64, fstflags: u32) -> Outcome<TimeChanges> {
    let fstflags = flags(fstflags, 0b1111)?;
    let change = |bits: u16, time| match bits & 0b11 {
        0b00 => Ok(TimeChange::Keep),
        0b01 => Ok(TimeChange::At(time)),
        0b10 => Ok(TimeChange::Now),
        _ => Err(Errno::Inval),
    };
    Ok(TimeChanges { accessed: change(fstflags, accessed)?, modified: change(fstflags >> 2, modified)? })
}

/// The attributes of a file, in terms of this version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filestat {
    pub(crate) filetype: u8,
    pub(crate) stat: Stat,
}

impl Filestat {
    /// Nothing is known but what kind of thing it is.
    pub(crate) fn bare(filetype: u8) -> Self {
        let stat = Stat {
            device: 0,
            inode: 0,
            kind: FileKind::Unknown,
            links: 0,
            size: 0,
            accessed: 0,
            modified: 0,
            changed: 0,
        };
        Self { filetype, stat }
    }

    /// As `wasi_snapshot_preview1` has it.
    pub(crate) fn record(&self) -> Record<64> {
        let stat = &self.stat;
        Record::new()
            .u64(0, stat.device)
            .u64(8, stat.inode)
            .u8(16, self.filetype)
            .u64(24, stat.links)
            .u64(32, stat.size)
            .u64(40, stat.accessed)
            .u64(48, stat.modified)
            .u64(56, stat.changed)
    }

    /// As `wasi_unstable` has it: the number of links has 32 bits.
    pub(crate) fn unstable_record(&self) -> Record<56> {
        let stat = &self.stat;
        Record::new()
            .u64(0, stat.device)
            .u64(8, stat.inode)
            .u8(16, self.filetype)
            .u32(20, u32::try_from(stat.links).unwrap_or(u32::MAX))
            .u64(24, stat.size)
            .u64(32, stat.accessed)
            .u64(40, stat.modified)
            .u64(48, stat.changed)
    }
}

impl From<Stat> for Filestat {
    fn from(stat: Stat) -> Self {
        Self { filetype: filetype(stat.kind), stat }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_kept_or_set_but_not_both_now_and_then() {
        let changes =
            |fstflags| time_changes(5, 6, fstflags).map(|changes| (changes.accessed, changes.modified));
        assert_eq!(changes(0), Ok((TimeChange::Keep, TimeChange::Keep)));
        assert_eq!(changes(0b1001), Ok((TimeChange::At(5), TimeChange::Now)));
        assert_eq!(changes(0b0110), Ok((TimeChange::Now, TimeChange::At(6))));
        for bad in [0b0011, 0b1100, 0b10000, 0x10001] {
            assert_eq!(changes(bad), Err(Errno::Inval.into()), "{bad:b}");
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        assert_eq!(flags(0b11, 0b111), Ok(0b11));
        for bad in [0b1000, 0x10000, u32::MAX] {
            assert_eq!(flags(bad, 0b111), Err(Errno::Inval.into()));
        }
    }
}
