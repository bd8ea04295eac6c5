//! Heaps that no program made: every collection of one ends, with or without an error.

use super::store::{Prng, TestStore};
use crate::vm::gc::CorruptHeap;
use crate::vm::gc::error::GcError;
use crate::vm::gc::heap::CollectionKind;
use std::sync::Arc;
use waft_core::gc::row::{ARRAY_OF_REFS, DISPLAY_WORDS_MIN, HEAD_BYTES, Kind, RowShape};
use waft_core::gc::{FieldType, HALF_BYTES, HALF_STARTS, NURSERY_END, NURSERY_START, StructLayout};

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
    let corrupt = (0..200).filter(|seed| check(*seed)).count();
    assert!(corrupt > 50, "only {corrupt} of 200 were found out");
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

/// Collects a heap with two pairs, one young and one old, and whatever `damage` did to them and to the roots.
fn collect_after(
    damage: impl FnOnce(&mut TestStore, u32, u32),
    kind: CollectionKind,
) -> Result<(), CorruptHeap> {
    let mut store = TestStore::new();
    store.host.roots = vec![store.pair(1)];
    store.collect(CollectionKind::Minor);
    let old = store.host.roots[0];
    let young = store.pair(2);
    store.host.roots.push(young);
    damage(&mut store, young, old);
    match store.heap.collect(&store.state, &mut store.host, kind) {
        Ok(()) => Ok(()),
        Err(GcError::Corrupt(corrupt)) => Err(corrupt),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn each_kind_of_damage_has_its_name() {
    use CollectionKind::{Full, Minor};
    use CorruptHeap::{Forwarding, Reference, Size, Slot, Type};
    // A reference in a field that leads to `distance` from the young pair.
    let reference = |distance: i32| {
        move |store: &mut TestStore, young: u32, _: u32| {
            store.link(young, 0, young.wrapping_add_signed(distance));
        }
    };
    for kind in [Minor, Full] {
        for (distance, found) in [(4, Err(Reference)), (2, Err(Reference)), (16, Err(Reference)), (1, Ok(()))]
        {
            assert_eq!(collect_after(reference(distance), kind), found, "{distance}");
        }
        let below = |store: &mut TestStore, young, _| store.link(young, 0, NURSERY_START - 8);
        assert_eq!(collect_after(below, kind), Err(Reference));
        for header in [0, 8, 16 + 4, 1 << 30, u32::MAX - 15] {
            let damage =
                |store: &mut TestStore, young, _| store.heap.write(young, 0, header.to_le_bytes()).unwrap();
            assert_eq!(collect_after(damage, kind), Err(Type), "{header:#x}");
        }
        for header in [1, NURSERY_START | 1, NURSERY_END | 1, (HALF_STARTS[1] + (1 << 16)) | 1, 7, u32::MAX] {
            let damage =
                |store: &mut TestStore, young, _| store.heap.write(young, 0, header.to_le_bytes()).unwrap();
            assert_eq!(collect_after(damage, kind), Err(Forwarding), "{header:#x}");
        }
        for length in [9, 1 << 20, u32::MAX / 2, u32::MAX] {
            let damage = |store: &mut TestStore, young, _| {
                let header = store.types.bytes.to_le_bytes();
                store.heap.write(young, 0, header).unwrap();
                store.heap.write(young, 4, length.to_le_bytes()).unwrap();
            };
            let found = if length > HALF_BYTES { Type } else { Size };
            assert_eq!(collect_after(damage, kind), Err(found), "{length}");
        }
    }
    let beyond = |store: &mut TestStore, young, old| store.link(young, 0, old + 16);
    assert_eq!(collect_after(beyond, Full), Err(Reference));
    assert_eq!(collect_after(beyond, Minor), Ok(()), "it does not look at old objects");
    for slot in
        [0, NURSERY_START, NURSERY_END - 4, NURSERY_END + 2, NURSERY_END + 16, HALF_STARTS[1], u32::MAX]
    {
        let damage =
            |store: &mut TestStore, _, _| store.heap.remembered.note(&store.state, slot, NURSERY_START);
        assert_eq!(collect_after(damage, Minor), Err(Slot), "{slot:#x}");
    }
}

#[test]
fn rows_that_are_none_lead_nowhere() {
    // The words of a long reference map are what a module likes, so they may look like the head of a row.
    let looks_like = |head: [u32; 3]| {
        let words = [2, 0, 0, 0].into_iter().chain(head);
        let is_reference = words.flat_map(|word| (0..32).map(move |bit| word >> bit & 1 != 0));
        StructLayout::new(is_reference.skip(1).map(|yes| if yes { FieldType::GcRef } else { FieldType::I32 }))
    };
    let (pair, array) = (Kind::Struct as u32, Kind::Array as u32);
    for (head, found) in [
        // As good as any struct of 8 bytes.
        ([0, 8, pair], Ok(())),
        // References beyond the object, by a short map and by a long one.
        ([0b100, 8, pair], Err(CorruptHeap::Size)),
        ([u32::MAX - 1, 8, pair], Err(CorruptHeap::Size)),
        ([2 << 1 | 1, 16, pair], Err(CorruptHeap::Size)),
        ([u32::MAX, 128, pair], Err(CorruptHeap::Size)),
        // References that take less than their size.
        ([ARRAY_OF_REFS, 0, array], Err(CorruptHeap::Size)),
    ] {
        for kind in [CollectionKind::Minor, CollectionKind::Full] {
            let layout = looks_like(head);
            let damage = |store: &mut TestStore, _, _| {
                let real = store.add_type(RowShape::Struct(&layout));
                // More rows follow, so that it is not the end of the table that helps.
                store.add_type(RowShape::Struct(&layout));
                let map = real + 4 * DISPLAY_WORDS_MIN;
                let id = map + 16 + HEAD_BYTES;
                let bytes = store.array(store.types.bytes, 256);
                store.heap.write(bytes, 0, id.to_le_bytes()).unwrap();
                store.heap.write(bytes, 4, 200_u32.to_le_bytes()).unwrap();
                store.host.roots.push(bytes);
            };
            assert_eq!(collect_after(damage, kind), found, "{head:x?}");
        }
    }
}
