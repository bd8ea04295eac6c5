//! The guest's lists of buffers, as the kernel wants them: no byte is copied, and few lists cost an allocation.
//!
//! A list may be of any length, its buffers empty, out of order, or overlapping. The kernel takes at most [`IOV_MAX`] buffers
//! at once; beyond that, and from the first buffer on that overlaps an earlier one of a *read*, the rest of the list is left
//! for the guest's next call: reading or writing less than asked is always allowed, and every guest must cope with it.

use super::fail::Outcome;
use super::memory::{load, range};
use std::io::{IoSlice, IoSliceMut};
use std::ops::Range;

/// What Linux takes in one call.
const IOV_MAX: usize = 1024;

/// Lists up to this length are kept on the stack. C libraries write with two buffers; few programs use more than four.
const SMALL: usize = 4;

/// Calls `write` with the guest's buffers at `iovs..iovs + 8 * count`.
// PERF: `write` is called in one place, so that it is inlined; see `fd_read`.
#[inline(always)]
pub(crate) fn with_source<R>(
    mem: &[u8],
    iovs: u32,
    count: u32,
    write: impl FnOnce(&[IoSlice<'_>]) -> Outcome<R>,
) -> Outcome<R> {
    let mut small = [IoSlice::new(&[]); SMALL];
    let large;
    let bufs = if count == 1 {
        small[0] = IoSlice::new(&mem[buffer(mem, iovs)?]);
        &small[..1]
    } else if count as usize <= SMALL {
        let mut used = 0;
        range(mem, iovs, u64::from(count) * 8)?;
        for range in buffers(mem, iovs, count) {
            small[used] = IoSlice::new(&mem[range?]);
            used += 1;
        }
        &small[..used]
    } else {
        large = many_sources(mem, iovs, count)?;
        &large[..]
    };
    write(bufs)
}

#[cold]
fn many_sources(mem: &[u8], iovs: u32, count: u32) -> Outcome<Vec<IoSlice<'_>>> {
    range(mem, iovs, u64::from(count) * 8)?;
    buffers(mem, iovs, count).take(IOV_MAX).map(|range| Ok(IoSlice::new(&mem[range?]))).collect()
}

/// Calls `read` with the guest's buffers at `iovs..iovs + 8 * count`.
// PERF: as for `with_source`.
#[inline(always)]
pub(crate) fn with_target<R>(
    mem: &mut [u8],
    iovs: u32,
    count: u32,
    read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Outcome<R>,
) -> Outcome<R> {
    let mut small: [IoSliceMut<'_>; SMALL] = std::array::from_fn(|_| IoSliceMut::new(&mut []));
    let mut large;
    let bufs = if count == 1 {
        let range = buffer(mem, iovs)?;
        small[0] = IoSliceMut::new(&mut mem[range]);
        &mut small[..1]
    } else if count as usize <= SMALL {
        let used = few_targets(mem, iovs, count, &mut small)?;
        &mut small[..used]
    } else {
        large = many_targets(mem, iovs, count)?;
        &mut large[..]
    };
    read(bufs)
}

fn few_targets<'m>(
    mem: &'m mut [u8],
    iovs: u32,
    count: u32,
    bufs: &mut [IoSliceMut<'m>; SMALL],
) -> Outcome<usize> {
    range(mem, iovs, u64::from(count) * 8)?;
    let mut pieces = [Piece::default(); SMALL];
    let mut used = 0;
    for range in buffers(mem, iovs, count) {
        pieces[used] = Piece::new(range?, used);
        used += 1;
    }
    Ok(carve(mem, &mut pieces[..used], bufs))
}

#[cold]
fn many_targets(mem: &mut [u8], iovs: u32, count: u32) -> Outcome<Vec<IoSliceMut<'_>>> {
    range(mem, iovs, u64::from(count) * 8)?;
    let ranges = buffers(mem, iovs, count).take(IOV_MAX).enumerate();
    let mut pieces =
        ranges.map(|(place, range)| Ok(Piece::new(range?, place))).collect::<Outcome<Vec<_>>>()?;
    let mut bufs: Vec<IoSliceMut<'_>> = pieces.iter().map(|_| IoSliceMut::new(&mut [])).collect();
    let used = carve(mem, &mut pieces, &mut bufs);
    bufs.truncate(used);
    Ok(bufs)
}

/// Where the buffer lies that the entry at `iov` speaks of.
#[inline]
fn buffer(mem: &[u8], iov: u32) -> Outcome<Range<usize>> {
    let entry = load::<u64>(mem, iov)?;
    range(mem, entry as u32, entry >> 32)
}

/// Where the buffers lie that are not empty. The list itself is in bounds.
fn buffers(mem: &[u8], iovs: u32, count: u32) -> impl Iterator<Item = Outcome<Range<usize>>> {
    (0..count)
        .map(move |index| buffer(mem, iovs + 8 * index))
        .filter(|range| !matches!(range, Ok(range) if range.is_empty()))
}

/// One buffer of a list, and its place in it.
#[derive(Clone, Copy, Default)]
struct Piece {
    start: usize,
    end: usize,
    place: usize,
}

impl Piece {
    fn new(range: Range<usize>, place: usize) -> Self {
        Self { start: range.start, end: range.end, place }
    }
}

/// Takes `pieces`, which are in the order of the list, out of `mem`, into `bufs` in the same order; gives how many there are
/// before the first that overlaps an earlier one.
fn carve<'m>(mem: &'m mut [u8], pieces: &mut [Piece], bufs: &mut [IoSliceMut<'m>]) -> usize {
    pieces.sort_unstable_by_key(|piece| piece.start);
    let used = disjoint(pieces);
    let mut rest = mem;
    let mut rest_start = 0;
    for piece in pieces.iter().filter(|piece| piece.place < used) {
        let (_, tail) = rest.split_at_mut(piece.start - rest_start);
        let (buf, tail) = tail.split_at_mut(piece.end - piece.start);
        bufs[piece.place] = IoSliceMut::new(buf);
        (rest, rest_start) = (tail, piece.end);
    }
    used
}

/// How many pieces, counted in the order of the list, do not overlap each other. `pieces` are sorted by address.
fn disjoint(pieces: &[Piece]) -> usize {
    let mut used = pieces.len();
    // Leaving pieces out makes others neighbours, hence the loop; every round shortens the list.
    loop {
        let mut kept = pieces.iter().filter(|piece| piece.place < used);
        let mut shorter = used;
        let Some(mut before) = kept.next() else { return used };
        for piece in kept {
            if piece.start < before.end {
                shorter = shorter.min(piece.place.max(before.place));
            }
            if piece.end > before.end {
                before = piece;
            }
        }
        if shorter == used {
            return used;
        }
        used = shorter;
    }
}

#[cfg(test)]
mod tests {
    use super::super::fail::Fail;
    use super::*;

    const MEMORY_BYTES: usize = 65536;
    const LIST: u32 = 32768;

    /// A memory with a list of buffers in it.
    fn memory(list: &[(u32, u32)]) -> Vec<u8> {
        let mut mem = vec![0; MEMORY_BYTES];
        for (index, (start, len)) in list.iter().enumerate() {
            let at = LIST as usize + 8 * index;
            mem[at..at + 4].copy_from_slice(&start.to_le_bytes());
            mem[at + 4..at + 8].copy_from_slice(&len.to_le_bytes());
        }
        mem
    }

    /// Where the buffers lie that a read gets, in order.
    fn targets(list: &[(u32, u32)]) -> Outcome<Vec<(u32, u32)>> {
        let mut mem = memory(list);
        let base = mem.as_ptr() as usize;
        with_target(&mut mem, LIST, list.len() as u32, |bufs| {
            Ok(bufs.iter().map(|buf| ((buf.as_ptr() as usize - base) as u32, buf.len() as u32)).collect())
        })
    }

    fn sources(list: &[(u32, u32)]) -> Outcome<Vec<(u32, u32)>> {
        let mem = memory(list);
        let base = mem.as_ptr() as usize;
        with_source(&mem, LIST, list.len() as u32, |bufs| {
            Ok(bufs.iter().map(|buf| ((buf.as_ptr() as usize - base) as u32, buf.len() as u32)).collect())
        })
    }

    #[test]
    fn buffers_keep_their_order_wherever_they_lie() {
        for list in [&[(500, 10), (0, 10), (200, 5)][..], &[(0, 1), (1, 1)], &[(8, 8), (0, 8)]] {
            assert_eq!(targets(list).unwrap(), list);
            assert_eq!(sources(list).unwrap(), list);
        }
    }

    #[test]
    fn a_long_list_keeps_its_order_too() {
        let list: Vec<_> = (0..100).rev().map(|index| (index * 3, 2)).collect();
        assert_eq!(targets(&list).unwrap(), list);
        assert_eq!(sources(&list).unwrap(), list);
    }

    #[test]
    fn a_read_stops_before_the_first_overlap() {
        for (list, used) in [
            (&[(0, 10), (5, 10)][..], 1),
            (&[(5, 10), (0, 10)], 1),
            (&[(0, 10), (20, 10), (0, 10)], 2),
            (&[(0, 100), (10, 1), (50, 1)], 1),
            (&[(10, 1), (50, 1), (0, 100)], 2),
            (&[(10, 1), (0, 100), (50, 1)], 1),
            // The last overlaps the first and the second only over the third.
            (&[(0, 4), (8, 4), (16, 4), (3, 6)], 3),
        ] {
            assert_eq!(targets(list).unwrap(), &list[..used], "{list:?}");
            assert_eq!(sources(list).unwrap(), list);
        }
    }

    #[test]
    fn empty_buffers_are_left_out() {
        assert_eq!(targets(&[(0, 0), (3, 4), (65536, 0)]).unwrap(), [(3, 4)]);
        assert_eq!(sources(&[(0, 0), (3, 4), (65536, 0)]).unwrap(), [(3, 4)]);
    }

    #[test]
    fn a_list_of_nothing_is_no_buffer() {
        assert_eq!(targets(&[]).unwrap(), []);
        assert_eq!(sources(&[(0, 0); 20]).unwrap(), []);
    }

    #[test]
    fn a_buffer_out_of_bounds_is_a_fault() {
        for bad in [(65536, 1), (65535, 2), (u32::MAX, 1), (0, u32::MAX), (u32::MAX, u32::MAX), (65537, 0)] {
            for list in [&[bad][..], &[(0, 1), bad], &[bad; 20]] {
                assert!(matches!(targets(list), Err(Fail::Fault(_))), "{list:?}");
                assert!(matches!(sources(list), Err(Fail::Fault(_))), "{list:?}");
            }
        }
    }

    #[test]
    fn a_list_out_of_bounds_is_a_fault() {
        let mut mem = memory(&[]);
        for (start, count) in
            [(65536, 1), (65529, 1), (0, 8193), (0, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX)]
        {
            assert!(with_source(&mem, start, count, |_| Ok(())).is_err(), "{start} {count}");
            assert!(with_target(&mut mem, start, count, |_| Ok(())).is_err(), "{start} {count}");
        }
    }

    #[test]
    fn a_million_buffers_are_handled_a_thousand_at_a_time() {
        let count = 1_000_000;
        let mut mem = vec![0; 8 * count as usize + 8];
        for index in 0..count as usize {
            // One byte each, all the same one.
            mem[8 * index + 4] = 1;
        }
        assert_eq!(with_source(&mem, 0, count, |bufs| Ok(bufs.len())), Ok(IOV_MAX));
        assert_eq!(with_target(&mut mem, 0, count, |bufs| Ok(bufs.len())), Ok(1));
    }
}
