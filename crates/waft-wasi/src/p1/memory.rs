//! Reading and writing guest memory: little-endian, at any address, checked.
//!
//! An address that is out of bounds is a [`Fault`], before anything else happens where possible. One that is not aligned is
//! taken as it is: no load of ours needs alignment, and nobody is helped by refusing it.

use super::errno::Errno;
use super::fail::{Fail, Fault, Outcome};
use std::ops::Range;

/// `start..start + len` as a range of `mem`.
#[inline]
pub(crate) fn range(mem: &[u8], start: u32, len: u64) -> Outcome<Range<usize>> {
    let end = u64::from(start).checked_add(len);
    match end {
        // Both fit `usize`: they are at most the length of a slice.
        Some(end) if end <= mem.len() as u64 => Ok(start as usize..end as usize),
        _ => Err(Fail::Fault(Fault { start, len: u32::try_from(len).unwrap_or(u32::MAX) })),
    }
}

#[inline]
pub(crate) fn slice(mem: &[u8], start: u32, len: u32) -> Outcome<&[u8]> {
    Ok(&mem[range(mem, start, len.into())?])
}

#[inline]
pub(crate) fn slice_mut(mem: &mut [u8], start: u32, len: u32) -> Outcome<&mut [u8]> {
    let range = range(mem, start, len.into())?;
    Ok(&mut mem[range])
}

/// A path or other string of the guest's.
pub(crate) fn string(mem: &[u8], start: u32, len: u32) -> Outcome<&str> {
    let bytes = slice(mem, start, len)?;
    // Longer is no path anywhere, and not worth decoding.
    if bytes.len() > STRING_BYTES_MAX {
        return Err(Errno::Nametoolong.into());
    }
    std::str::from_utf8(bytes).map_err(|_| Errno::Ilseq.into())
}

const STRING_BYTES_MAX: usize = 4095;

/// Integers that stand in guest memory.
pub(crate) trait Word: Sized {
    const BYTES: u32;
    fn load(mem: &[u8], at: u32) -> Outcome<Self>;
    fn store(self, mem: &mut [u8], at: u32) -> Outcome;
}

macro_rules! words {
    ($($ty:ty)*) => {$(
        impl Word for $ty {
            const BYTES: u32 = size_of::<$ty>() as u32;

            #[inline]
            fn load(mem: &[u8], at: u32) -> Outcome<Self> {
                let range = range(mem, at, Self::BYTES.into())?;
                let mut bytes = [0; size_of::<$ty>()];
                bytes.copy_from_slice(&mem[range]);
                Ok(Self::from_le_bytes(bytes))
            }

            #[inline]
            fn store(self, mem: &mut [u8], at: u32) -> Outcome {
                let range = range(mem, at, Self::BYTES.into())?;
                mem[range].copy_from_slice(&self.to_le_bytes());
                Ok(())
            }
        }
    )*};
}

words!(u8 u16 u32 u64);

#[inline]
pub(crate) fn load<W: Word>(mem: &[u8], at: u32) -> Outcome<W> {
    W::load(mem, at)
}

#[inline]
pub(crate) fn store<W: Word>(mem: &mut [u8], at: u32, word: W) -> Outcome {
    word.store(mem, at)
}

/// Checks a place for a result before the call has an effect whose result would be lost.
#[inline]
pub(crate) fn check<W: Word>(mem: &[u8], at: u32) -> Outcome {
    range(mem, at, W::BYTES.into()).map(drop)
}

/// A record that is put together before it goes to the guest: what lies between the fields is zero.
#[derive(Clone, Copy)]
pub(crate) struct Record<const N: usize>([u8; N]);

impl<const N: usize> Record<N> {
    pub(crate) fn new() -> Self {
        Self([0; N])
    }

    pub(crate) fn u8(mut self, at: usize, value: u8) -> Self {
        self.0[at] = value;
        self
    }

    pub(crate) fn u16(mut self, at: usize, value: u16) -> Self {
        self.0[at..at + 2].copy_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, at: usize, value: u64) -> Self {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn bytes(&self) -> &[u8; N] {
        &self.0
    }

    pub(crate) fn store(&self, mem: &mut [u8], at: u32) -> Outcome {
        slice_mut(mem, at, N as u32)?.copy_from_slice(&self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stop_exactly_at_the_end() {
        let mut mem = [0; 16];
        assert_eq!(store(&mut mem, 12, 7u32), Ok(()));
        assert_eq!(load::<u32>(&mem, 12), Ok(7));
        for at in [13, 16, u32::MAX - 3, u32::MAX] {
            assert!(matches!(load::<u32>(&mem, at), Err(Fail::Fault(_))), "{at}");
            assert!(matches!(store(&mut mem, at, 7u32), Err(Fail::Fault(_))), "{at}");
        }
    }

    #[test]
    fn an_empty_slice_may_lie_at_the_end_and_no_further() {
        let mem = [0; 16];
        assert_eq!(slice(&mem, 16, 0), Ok(&[][..]));
        assert!(slice(&mem, 17, 0).is_err());
    }

    #[test]
    fn words_need_no_alignment() {
        let mut mem = [0; 16];
        assert_eq!(store(&mut mem, 3, 0x0102_0304_0506_0708u64), Ok(()));
        assert_eq!(mem[3], 8);
    }
}
