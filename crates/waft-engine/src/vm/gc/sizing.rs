//! How large a heap is: plain arithmetic, without a heap.

use waft_core::gc::{HALF_BYTES, LARGE_BYTES, NURSERY_END, NURSERY_START};

/// The nursery of a new heap: as much as the second-level cache of most machines.
pub(super) const NURSERY_BYTES_FIRST: u32 = 1 << 20;
/// The smallest nursery: any young object fits into it.
pub(super) const NURSERY_BYTES_MIN: u32 = LARGE_BYTES;
/// The largest nursery.
pub(super) const NURSERY_BYTES_MAX: u32 = NURSERY_END - NURSERY_START;
/// How much memory of the unused half stays for the next full collection.
pub(super) const KEPT_BYTES: u32 = 16 << 20;
/// From so much on, the halves are made of huge pages where the machine has them.
///
/// PERF: a full collection of 64 MiB takes 50 to 60 ms instead of 75.
pub(super) const HUGE_PAGES_FROM_BYTES: u32 = 32 << 20;
/// Regions grow by at least so much.
const GROWTH_BYTES_MIN: u32 = 4 << 20;
/// So much is promoted at least before a full collection is worth its while.
const GARBAGE_BYTES_MIN: u32 = 16 << 20;
/// Work per root, in bytes copied.
const ROOT_WORK_BYTES: u64 = 8;

/// Bytes that a heap takes of the machine at most: a full collection fills the second half while the first is there.
pub(super) fn footprint(nursery: u32, capacity: u32) -> usize {
    nursery as usize + 2 * capacity as usize
}

/// How many bytes of old objects make the next collection a full one, if `live` bytes survived the last: as many again, so
/// that a byte which is promoted costs about one that is copied. But at least two nurseries' worth, since a program with
/// a large nursery may promote all of it.
pub(super) fn threshold(live: u32, nursery: u32) -> u32 {
    live.saturating_add(live.max(GARBAGE_BYTES_MIN).max(2 * nursery))
}

/// The nursery to use after a minor collection of `young` bytes that looked at so many roots and copied so many bytes: twice
/// as large if the work was more than a sixteenth of what it freed, and half if it was next to nothing.
///
/// PERF: objects of 16 bytes that die young take 1.1 ns each in a nursery of 1 MiB, which stays in the second-level cache,
/// and 1.6 ns in one of 15 MiB.
pub(super) fn nursery_after(nursery: u32, young: u32, copied: u32, roots: u64) -> u32 {
    let work = u64::from(copied) + roots * ROOT_WORK_BYTES;
    let young = u64::from(young);
    // A collection of a nursery with room left, as a host asks for, tells nothing.
    if young < u64::from(nursery) / 2 {
        nursery
    } else if work > young / 16 {
        (nursery * 2).min(NURSERY_BYTES_MAX)
    } else if work < young / 1024 {
        ((nursery / 2) & !7).max(NURSERY_BYTES_FIRST)
    } else {
        nursery
    }
}

/// The smallest nursery that is of use with so many old bytes: with less, full collections would copy more than 32 bytes for
/// each that they make room for.
pub(super) fn nursery_min(old: u64) -> u32 {
    ((old / 32) as u32 & !7).clamp(NURSERY_BYTES_MIN, NURSERY_BYTES_MAX)
}

/// The capacity of a half that has room for so many old bytes and a nursery, if there can be one.
pub(super) fn capacity(old: u64, nursery: u32) -> Option<u32> {
    let bytes = (old + u64::from(nursery)).next_multiple_of(u64::from(NURSERY_START));
    (bytes <= u64::from(HALF_BYTES)).then_some(bytes as u32)
}

/// Larger capacities to try, the better one first: in large steps, but for no more than is to be used before a full collection
/// comes.
pub(super) fn capacities(now: u32, threshold: u32, old: u64, nursery: u32) -> impl Iterator<Item = u32> {
    let needed = capacity(old, nursery);
    let generous = needed.map(|needed| {
        let step = now.saturating_add((now / 4).max(GROWTH_BYTES_MIN));
        let useful = threshold.saturating_add(2 * nursery);
        needed.max(step.min(useful)).min(HALF_BYTES).next_multiple_of(NURSERY_START)
    });
    generous.into_iter().chain(needed.filter(|_| generous != needed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nursery_follows_the_work() {
        let first = NURSERY_BYTES_FIRST;
        for (nursery, young, copied, roots, after) in [
            (first, first, first / 8, 0, 2 * first),
            (first, first, 0, u64::from(first) / 64, 2 * first),
            (first, first, first / 32, 0, first),
            (first, first, 0, 0, first),
            (4 * first, 4 * first, 0, 100, 2 * first),
            (4 * first, first, first, 100, 4 * first),
            (NURSERY_BYTES_MAX, NURSERY_BYTES_MAX, NURSERY_BYTES_MAX, 0, NURSERY_BYTES_MAX),
        ] {
            assert_eq!(
                nursery_after(nursery, young, copied, roots),
                after,
                "{nursery} {young} {copied} {roots}"
            );
        }
    }

    #[test]
    fn capacities_are_tried_from_the_generous_to_the_needed() {
        let check = |now, threshold, old, nursery, want: &[u32]| {
            assert_eq!(capacities(now, threshold, old, nursery).collect::<Vec<_>>(), want);
        };
        const MIB: u32 = 1 << 20;
        check(0, 16 * MIB, 0, MIB, &[4 * MIB, MIB]);
        check(100 * MIB, 200 * MIB, 99 * u64::from(MIB), 2 * MIB, &[125 * MIB, 101 * MIB]);
        check(100 * MIB, 80 * MIB, 99 * u64::from(MIB), 2 * MIB, &[101 * MIB]);
        check(2_000 * MIB, u32::MAX, 2_030 * u64::from(MIB), MIB, &[HALF_BYTES, 2_031 * MIB]);
        check(2_000 * MIB, u32::MAX, 2_038 * u64::from(MIB), MIB, &[]);
        check(2_000 * MIB, u32::MAX, 1 << 33, MIB, &[]);
    }

    #[test]
    fn the_threshold_is_beyond_what_is_alive() {
        assert_eq!(threshold(0, NURSERY_BYTES_FIRST), GARBAGE_BYTES_MIN);
        assert_eq!(threshold(0, NURSERY_BYTES_MAX), 2 * NURSERY_BYTES_MAX);
        assert_eq!(threshold(100 << 20, NURSERY_BYTES_MAX), 200 << 20);
        assert_eq!(threshold(HALF_BYTES, NURSERY_BYTES_FIRST), 2 * HALF_BYTES);
    }
}
