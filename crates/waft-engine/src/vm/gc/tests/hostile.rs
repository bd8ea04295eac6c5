//! Heaps that no program made: every collection of one ends, with or without an error.

use super::store::{Prng, TestStore};
use crate::vm::gc::{CollectionKind, GcError};
use std::sync::Arc;
use waft_core::gc::{HALF_STARTS, NURSERY_END, NURSERY_START};

/// A heap of all shapes of objects, some old and some young.
fn populated(prng: &mut Prng) -> TestStore {
    let mut store = TestStore::with_limit(32 << 20);
    for round in 0..2 {
        for number in 0..200 {
            let length = prng.below(40) as u32;
            let arrays = [store.types.bytes, store.types.funcs, store.types.longs, store.types.vectors];
            let at = match prng.below(8) {
                0..3 => store.pair(number),
                3 => store.wide(),
                4 => store.exception(number),
                5 => store.host_value(Arc::new(number)),
                6 => store.refs(length),
                _ => store.array(arrays[prng.below(4)], length),
            };
            store.host.roots.push(at);
        }
        if round == 0 {
            store.host.roots.push(0);
            let large = store.refs(70_000);
            store.host.roots.push(large);
            store.collect(CollectionKind::Minor);
        }
    }
    for _ in 0..500 {
        let (from, to) = (prng.below(store.host.roots.len()), prng.below(store.host.roots.len()));
        let (from, to) = (store.host.roots[from], store.host.roots[to]);
        if from != 0 && store.heap.type_of(from) == Ok(store.types.pair) {
            store.link(from, prng.below(2) as u32, to);
        }
    }
    store
}

/// A word that a collector might take for something.
fn bad_word(prng: &mut Prng, store: &TestStore) -> u32 {
    let random = prng.next_u64() as u32;
    let old_end = NURSERY_END + store.heap.old_bytes();
    let young_end = store.state.alloc_next.get();
    match prng.below(12) {
        0 => random,
        1 => random % 4_096 * 16,
        2 => random % 4_096,
        3 => NURSERY_START + random % (1 << 14) * 4,
        4 => NURSERY_END + random % (1 << 14) * 4,
        5 => (NURSERY_END + random % (1 << 14) * 8) | 1,
        6 => [young_end, old_end, young_end - 8, old_end - 8, old_end - 16][prng.below(5)],
        7 => [NURSERY_START, NURSERY_END, HALF_STARTS[1], u32::MAX - 7, u32::MAX, 8, 4][prng.below(7)],
        8 => HALF_STARTS[1] + random % (1 << 14) * 4,
        9 => store.types.refs,
        10 => store.types.wide + 16 * (random % 16),
        _ => store.host.roots[prng.below(store.host.roots.len())],
    }
}

fn spoil(prng: &mut Prng, store: &mut TestStore) {
    for _ in 0..1 + prng.below(12) {
        let word = bad_word(prng, store);
        let young = store.state.alloc_next.get() - NURSERY_START;
        let (start, len) = match prng.below(3) {
            0 => (NURSERY_START, young),
            1 => (NURSERY_END, store.heap.old_bytes()),
            _ => (store.host.roots[prng.below(store.host.roots.len())], 16),
        };
        match prng.below(12) {
            0 => {
                let root = prng.below(store.host.roots.len());
                store.host.roots[root] = word;
            }
            1 => {
                // As a barrier of machine code would note it for such a reference.
                store.heap.remembered.note(&store.state, word, NURSERY_START);
            }
            _ if len >= 4 => {
                let offset = 4 * prng.below(len as usize / 4) as u32;
                let _ = store.heap.write(start, offset, word.to_le_bytes());
            }
            _ => {}
        }
    }
}

fn check(seed: u64) -> bool {
    let mut prng = Prng(seed);
    let mut store = populated(&mut prng);
    for _ in 0..6 {
        spoil(&mut prng, &mut store);
        let kind = [CollectionKind::Minor, CollectionKind::Full][prng.below(2)];
        match store.heap.collect(&store.state, &mut store.host, kind) {
            Ok(()) => {}
            Err(GcError::Corrupt(first)) => {
                // It stays so, and whatever the references lead to can be looked at.
                let again = store.try_pair(0);
                assert!(matches!(again, Err(GcError::Corrupt(now)) if now == first), "{again:?}");
                touch(&mut store);
                return true;
            }
            Err(other) => panic!("seed {seed}: {other}"),
        }
        touch(&mut store);
    }
    false
}

/// Looks at all roots and writes to them, as a host would.
fn touch(store: &mut TestStore) {
    for root in store.host.roots.clone() {
        let _ = store.heap.head_of(root);
        let _ = store.heap.extern_value(root);
        if let Ok(length) = store.heap.array_length(root) {
            let _ = store
                .heap
                .bytes(root, 8, length as usize * 16)
                .map(|bytes| bytes.iter().map(|b| *b as u64).sum::<u64>());
            let _ = store.heap.remember_range(&store.state, root, length % 1_000);
        }
        let _ = store.heap.write_ref(&store.state, root, 12, root);
    }
}

#[test]
fn spoilt_heaps_end_collections_and_nothing_else() {
    let corrupt = (0..400).filter(|seed| check(*seed)).count();
    assert!(corrupt > 100, "only {corrupt} of 400 were found out");
}

#[test]
fn random_bytes_are_a_heap_like_any_other() {
    for seed in 0..100 {
        let mut prng = Prng(seed);
        let mut store = populated(&mut prng);
        let young = (store.state.alloc_next.get() - NURSERY_START) as usize;
        let old = store.heap.old_bytes() as usize;
        for (start, len) in [(NURSERY_START, young), (NURSERY_END, old)] {
            let bytes = store.heap.bytes_mut(start, 0, len).unwrap();
            bytes.chunks_mut(8).for_each(|chunk| {
                let random = prng.next_u64().to_le_bytes();
                chunk.copy_from_slice(&random[..chunk.len()]);
            });
        }
        let kind = [CollectionKind::Minor, CollectionKind::Full][prng.below(2)];
        let collected = store.heap.collect(&store.state, &mut store.host, kind);
        assert!(matches!(collected, Err(GcError::Corrupt(_))), "{collected:?}");
        touch(&mut store);
    }
}

#[test]
fn objects_that_overlap_do_not_outgrow_the_heap() {
    // Each word of an array is taken for the header of another one.
    let mut store = TestStore::with_limit(16 << 20);
    let length = 60_000;
    let list = store.refs(length);
    let ty = store.types.refs;
    for index in 0..length {
        let word = if index % 2 == 0 { ty } else { (length - index - 1) / 2 };
        store.heap.write(list, 8 + 4 * index, word.to_le_bytes()).unwrap();
    }
    for index in 0..length / 2 {
        store.host.roots.push(list + 8 + 8 * index);
    }
    for kind in [CollectionKind::Minor, CollectionKind::Full] {
        let collected = store.heap.collect(&store.state, &mut store.host, kind);
        assert!(matches!(collected, Err(GcError::Corrupt(_))), "{collected:?}");
    }
}
