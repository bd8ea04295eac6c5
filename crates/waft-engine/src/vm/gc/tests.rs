//! What holds of heaps, whatever program runs on them.

mod hostile;
mod model;
mod store;

use super::error::GcError;
use super::heap::CollectionKind;
use super::{CorruptHeap, GcStress};
use std::sync::Arc;
use store::{TestStore, value};
use waft_core::gc::{HALF_STARTS, LARGE_BYTES, NURSERY_END, NURSERY_START, array, i31_new, object};

use CollectionKind::{Full, Minor};

#[test]
fn a_cycle_survives_with_its_identity() {
    for kinds in [[Minor, Minor], [Minor, Full], [Full, Minor], [Full, Full]] {
        let mut store = TestStore::new();
        let (a, b) = (store.pair(1), store.pair(2));
        store.link(a, 0, b);
        store.link(b, 0, a);
        store.link(b, 1, b);
        store.host.roots = vec![a, b, a];
        for kind in kinds {
            store.collect(kind);
            let [a, b, again] = store.host.roots[..] else { panic!() };
            assert_eq!(a, again);
            assert!(a >= NURSERY_END && b >= NURSERY_END && a != b);
            assert_eq!((store.number(a), store.number(b)), (1, 2));
            assert_eq!((store.field(a, 0), store.field(a, 1)), (b, 0));
            assert_eq!((store.field(b, 0), store.field(b, 1)), (a, b));
        }
        assert_eq!(store.heap.old_bytes(), 2 * 16);
    }
}

#[test]
fn what_is_unreachable_is_gone() {
    let mut store = TestStore::new();
    let (kept, lost) = (store.pair(1), store.pair(2));
    store.link(lost, 0, kept);
    store.link(lost, 1, lost);
    store.host.roots = vec![kept];
    store.collect(Minor);
    assert_eq!(store.heap.old_bytes(), 16);
    store.host.roots.clear();
    store.collect(Minor);
    assert_eq!(store.heap.old_bytes(), 16, "it is old");
    store.collect(Full);
    assert_eq!(store.heap.old_bytes(), 0);
}

#[test]
fn null_and_i31_are_left_alone() {
    let mut store = TestStore::new();
    let values: Vec<u32> = [0, 1, -1, i32::MAX, 0x8000, 0x3fff_ffff].into_iter().map(i31_new).collect();
    let list = store.refs(values.len() as u32 + 1);
    for (index, value) in values.iter().enumerate() {
        store.set_element(list, index as u32, *value);
    }
    store.host.roots = values.clone();
    store.host.roots.extend([list, 0]);
    for kind in [Minor, Full, Minor] {
        store.collect(kind);
        assert_eq!(store.host.roots[..values.len()], values);
        let list = store.host.roots[values.len()];
        for (index, value) in values.iter().chain([&0]).enumerate() {
            assert_eq!(store.element(list, index as u32), *value);
        }
    }
}

#[test]
fn a_million_objects_in_a_list_survive() {
    const COUNT: u32 = 1_000_000;
    let mut store = TestStore::new();
    store.host.roots = vec![0];
    for number in 0..COUNT {
        let pair = store.pair(number);
        let rest = store.host.roots[0];
        store.link(pair, 0, rest);
        store.host.roots[0] = pair;
    }
    for kind in [Minor, Full] {
        store.collect(kind);
        let mut at = store.host.roots[0];
        for number in (0..COUNT).rev() {
            assert_eq!(store.number(at), number);
            at = store.field(at, 0);
        }
        assert_eq!(at, 0);
    }
    assert_eq!(store.heap.old_bytes(), COUNT * 16);
    let stats = store.stats();
    assert_eq!(stats.bytes_allocated, u64::from(COUNT) * 16);
    assert!(stats.minor_collections > 1 && stats.full_collections >= 1, "{stats:?}");
    assert!(stats.pause_longest <= stats.pause_total && !stats.pause_longest.is_zero());
}

#[test]
fn the_barrier_keeps_what_only_old_objects_refer_to() {
    let mut store = TestStore::new();
    let pair = store.pair(1);
    let list = store.refs(100);
    store.host.roots = vec![pair, list];
    store.collect(Minor);
    let [pair, list] = store.host.roots[..] else { panic!() };
    let young = store.pair(2);
    store.link(pair, 1, young);
    store.set_element(list, 99, young);
    store.collect(Minor);
    let young = store.field(pair, 1);
    assert_eq!((store.number(young), store.element(list, 99)), (2, young));
    assert_eq!(store.stats().full_collections, 0);
}

#[test]
fn ranges_are_remembered_at_once() {
    let mut store = TestStore::new();
    let list = store.refs(1_000);
    store.host.roots = vec![list];
    store.collect(Minor);
    let list = store.host.roots[0];
    let young = store.pair(7);
    let slots = store.heap.bytes_mut(list, object::ARRAY_ELEMENTS + 40, 400).unwrap();
    slots.as_chunks_mut().0.iter_mut().for_each(|slot| *slot = young.to_le_bytes());
    store.heap.copy_within(list + 2_000, list + object::ARRAY_ELEMENTS + 40, 80).unwrap();
    store.heap.remember_range(&store.state, list + object::ARRAY_ELEMENTS, 1_000).unwrap();
    store.collect(Minor);
    for index in 0..1_000 {
        let element = store.element(list, index);
        let written = (10..110).contains(&index) || (498..518).contains(&index);
        assert_eq!(element != 0, written, "{index}");
        assert!(!written || store.number(element) == 7);
    }
    assert!(store.heap.remember_range(&store.state, u32::MAX - 3, 1).is_err());
    assert!(store.heap.remember_range(&store.state, NURSERY_END, u32::MAX).is_err());
    store.heap.remember_range(&store.state, NURSERY_START, 5).unwrap();
}

#[test]
fn overflow_makes_the_next_collection_a_full_one() {
    let mut store = TestStore::new();
    let pair = store.pair(1);
    store.host.roots = vec![pair];
    store.collect(Minor);
    let pair = store.host.roots[0];
    let young = store.pair(2);
    while store.state.remember_overflow.get() == 0 {
        store.link(pair, 0, young);
    }
    assert_eq!(store.state.remember_next.get(), store.state.remember_end.get());
    store.link(pair, 1, young);
    store.collect(Minor);
    let stats = store.stats();
    assert_eq!((stats.minor_collections, stats.full_collections), (1, 1));
    let pair = store.host.roots[0];
    let young = store.field(pair, 1);
    assert_eq!((store.number(young), store.field(pair, 0)), (2, young));
    assert_eq!(store.state.remember_overflow.get(), 0);
    store.collect(Minor);
    assert_eq!(store.stats().minor_collections, 2);
}

#[test]
fn large_arrays_are_old_from_the_start() {
    let mut store = TestStore::new();
    let largest_young = store.array(store.types.bytes, LARGE_BYTES - object::ARRAY_ELEMENTS);
    assert!(largest_young < NURSERY_END);
    let large = store.refs(LARGE_BYTES / 4);
    assert!(large >= NURSERY_END);
    let young = store.pair(3);
    store.set_element(large, 0, large);
    store.set_element(large, LARGE_BYTES / 4 - 1, young);
    store.host.roots = vec![large];
    for kind in [Minor, Full, Full, Minor] {
        store.collect(kind);
        let large = store.host.roots[0];
        assert_eq!(store.element(large, 0), large);
        assert_eq!(store.number(store.element(large, LARGE_BYTES / 4 - 1)), 3);
        assert_eq!(store.element(large, 77), 0);
        assert_eq!(store.heap.array_length(large), Ok(LARGE_BYTES / 4));
    }
}

#[test]
fn large_arrays_that_die_do_not_fill_the_heap() {
    let mut store = TestStore::new();
    for round in 0..2_000_u32 {
        let large = store.array(store.types.bytes, 1 << 20);
        let bytes = store.heap.bytes_mut(large, object::ARRAY_ELEMENTS, 1 << 20).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0), "{round}");
        bytes[round as usize] = 1;
        bytes[(1 << 20) - 1] = 1;
    }
    assert!(store.heap.footprint() < 100 << 20, "{}", store.heap.footprint());
}

#[test]
fn arrays_that_no_heap_holds_are_refused() {
    let mut store = TestStore::new();
    for length in [u32::MAX, array::BYTES_MAX, array::BYTES_MAX / 16] {
        let error = store.try_array(store.types.vectors, length).unwrap_err();
        assert!(matches!(error, GcError::OutOfMemory { wanted } if wanted == 8 + 16 * u64::from(length)));
    }
    // The heap is as good as before.
    let pair = store.pair(1);
    store.host.roots = vec![pair];
    store.collect(Full);
    assert_eq!(store.number(store.host.roots[0]), 1);
}

#[test]
fn elements_of_every_width_survive() {
    let mut store = TestStore::new();
    let types =
        [(store.types.bytes, 1), (store.types.funcs, 4), (store.types.longs, 8), (store.types.vectors, 16)];
    for (ty, width) in types {
        for length in [0, 1, 3, 8, 33, 5_000, 100_000] {
            let array = store.array(ty, length);
            let len = (length * width) as usize;
            // They look like references, but are none.
            let content: Vec<u8> =
                (0..len as u32).map(|at| value(at / 8).to_le_bytes()[at as usize % 4]).collect();
            store.heap.bytes_mut(array, object::ARRAY_ELEMENTS, len).unwrap().copy_from_slice(&content);
            store.host.roots = vec![array];
            for kind in [Minor, Full] {
                store.collect(kind);
                let array = store.host.roots[0];
                assert_eq!(store.heap.bytes(array, object::ARRAY_ELEMENTS, len).unwrap(), content);
                assert_eq!(store.heap.array_length(array), Ok(length));
                assert_eq!(store.heap.type_of(array), Ok(ty));
            }
        }
    }
}

#[test]
fn objects_with_a_long_map_keep_all_their_references() {
    let mut store = TestStore::new();
    let wide = store.wide();
    store.host.roots = vec![wide];
    for index in 0..store.types.wide_refs.len() {
        let pair = store.pair(index as u32);
        let (wide, offset) = (store.host.roots[0], store.types.wide_refs[index]);
        store.heap.write_ref(&store.state, wide, offset, pair).unwrap();
    }
    for kind in [Minor, Full] {
        store.collect(kind);
        for (index, offset) in store.types.wide_refs.clone().into_iter().enumerate() {
            let pair = u32::from_le_bytes(store.heap.read(store.host.roots[0], offset).unwrap());
            assert_eq!(store.number(pair), index as u32);
        }
    }
}

#[test]
fn exceptions_keep_their_tag_and_payload() {
    let mut store = TestStore::new();
    let pair = store.pair(5);
    store.host.roots = vec![pair];
    let exception = store.exception(77);
    store.heap.write_ref(&store.state, exception, store.types.payload_ref, store.host.roots[0]).unwrap();
    store.host.roots = vec![exception];
    for kind in [Minor, Full] {
        store.collect(kind);
        let exception = store.host.roots[0];
        assert_eq!(store.heap.read(exception, object::EXCEPTION_TAG), Ok(77_u32.to_le_bytes()));
        let pair = store.heap.read(exception, store.types.payload_ref).map(u32::from_le_bytes).unwrap();
        assert_eq!(store.number(pair), 5);
    }
}

#[test]
fn host_values_live_as_long_as_their_boxes() {
    let mut store = TestStore::new();
    let values: Vec<Arc<u32>> = (0..6).map(Arc::new).collect();
    for value in &values {
        let new = store.host_value(value.clone());
        store.host.roots.push(new);
    }
    let alive =
        |values: &[Arc<u32>]| values.iter().map(|value| Arc::strong_count(value) == 2).collect::<Vec<_>>();
    assert_eq!(alive(&values), [true; 6]);
    store.host.roots.swap_remove(0);
    store.collect(Minor);
    assert_eq!(alive(&values), [false, true, true, true, true, true]);
    // An old box dies in a full collection.
    store.host.roots.truncate(3);
    store.collect(Minor);
    assert_eq!(store.heap.stats(&store.state).host_values, 5);
    store.collect(Full);
    assert_eq!(store.heap.stats(&store.state).host_values, 3);
    for root in store.host.roots.clone() {
        let value = store.heap.extern_value(root).unwrap().downcast_ref::<u32>().unwrap();
        assert_eq!(Arc::strong_count(&values[*value as usize]), 2);
    }
    // Their indices are used again, and a young box may die in a full collection.
    for _ in 0..1_000 {
        store.host_value(values[0].clone());
    }
    store.collect(Full);
    assert_eq!((store.heap.stats(&store.state).host_values, Arc::strong_count(&values[0])), (3, 1));
    let pair = store.pair(1);
    assert!(store.heap.extern_value(pair).is_none());
    assert!(store.heap.extern_value(0).is_none());
    drop(store);
    assert_eq!(alive(&values), [false; 6]);
}

#[test]
fn allocation_collects_when_the_nursery_is_full() {
    let mut store = TestStore::new();
    store.host.roots = vec![0];
    for number in 0..3_000_000 {
        store.host.roots[0] = store.pair(number);
    }
    let stats = store.stats();
    assert!(stats.minor_collections > 10 && stats.full_collections == 0, "{stats:?}");
    assert_eq!(store.number(store.host.roots[0]), 2_999_999);
    assert!(store.heap.footprint() < 16 << 20);
}

#[test]
fn under_stress_every_allocation_collects() {
    for (stress, expected) in [(GcStress::Minor, [101, 0]), (GcStress::Full, [0, 101])] {
        let mut store = TestStore::new();
        store.heap.set_stress(&store.state, stress);
        assert_eq!(store.state.alloc_next, store.state.alloc_end);
        store.host.roots = vec![0];
        for number in 0..100 {
            let pair = store.pair(number);
            let rest = store.host.roots[0];
            store.link(pair, 0, rest);
            store.host.roots[0] = pair;
            assert_eq!(store.state.alloc_next, store.state.alloc_end);
        }
        store.array(store.types.bytes, LARGE_BYTES);
        let stats = store.stats();
        assert_eq!([stats.minor_collections, stats.full_collections], expected);
        let mut at = store.host.roots[0];
        for number in (0..100).rev() {
            assert_eq!(store.number(at), number);
            at = store.field(at, 0);
        }
        store.heap.set_stress(&store.state, GcStress::Off);
        assert!(store.state.alloc_next < store.state.alloc_end);
    }
}

#[test]
fn what_is_alive_is_bounded_by_the_limiter() {
    for limit in [1 << 20, 3 << 20, 20 << 20, 64 << 20] {
        let mut store = TestStore::with_limit(limit);
        let grow = |store: &mut TestStore| {
            store.host.roots = vec![0];
            for count in 0.. {
                match store.try_pair(count) {
                    Ok(pair) => {
                        let rest = store.host.roots[0];
                        store.link(pair, 0, rest);
                        store.host.roots[0] = pair;
                    }
                    Err(GcError::OutOfMemory { wanted: 16 }) => return count as usize * 16,
                    Err(other) => panic!("{other}"),
                }
            }
            unreachable!()
        };
        for _ in 0..2 {
            let bytes = grow(&mut store);
            assert!(store.heap.footprint() <= limit);
            assert!(bytes * 4 > limit - (1 << 20) && bytes * 2 <= limit, "{bytes} bytes alive of {limit}");
            // Once it is dead there is room again.
        }
        let large = store.try_array(store.types.bytes, limit as u32);
        assert!(matches!(large, Err(GcError::OutOfMemory { .. })));
        store.host.roots.clear();
        store.pair(1);
    }
}

#[test]
fn the_first_object_needs_a_limit_for_the_smallest_heap() {
    let mut store = TestStore::with_limit(700_000);
    store.collect(Full);
    assert_eq!(store.heap.footprint(), 0);
    assert!(matches!(store.try_pair(1), Err(GcError::OutOfMemory { .. })));
    store.host.limit = 1_000_000;
    store.pair(1);
}

#[test]
fn errors_of_the_limiter_are_passed_on_and_leave_a_sound_heap() {
    let mut store = TestStore::with_limit(4 << 20);
    store.host.fails = true;
    store.host.roots = vec![0];
    let error = loop {
        match store.try_pair(1) {
            Ok(pair) => {
                let rest = store.host.roots[0];
                store.link(pair, 0, rest);
                store.host.roots[0] = pair;
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, GcError::Host(error) if error.to_string() == "no more"), "{error}");
    store.host.fails = false;
    store.host.roots = vec![];
    store.collect(Full);
    for _ in 0..100_000 {
        store.pair(1);
    }
}

#[test]
fn a_panic_among_the_roots_leaves_a_heap_that_refuses() {
    let mut store = TestStore::new();
    store.pair(1);
    store.host.panics = true;
    let collect = std::panic::AssertUnwindSafe(|| store.heap.collect(&store.state, &mut store.host, Minor));
    assert!(std::panic::catch_unwind(collect).is_err());
    store.host.panics = false;
    assert!(matches!(store.try_pair(1), Err(GcError::Corrupt(CorruptHeap::Unfinished))));
    assert_eq!(store.state.alloc_next, store.state.alloc_end);
}

#[test]
fn accesses_stop_exactly_at_what_is_accessible() {
    let mut store = TestStore::new();
    assert!(store.heap.bytes(NURSERY_START, 0, 1).is_err(), "before the first object there is nothing");
    store.pair(1);
    let nursery = NURSERY_START + (1 << 20);
    for (at, len, inside) in [
        (0, 1, false),
        (NURSERY_START - 1, 1, false),
        (NURSERY_START, 1, true),
        (nursery - 4, 4, true),
        (nursery - 4, 5, false),
        (nursery, 0, true),
        (nursery, 1, false),
        (HALF_STARTS[0], 16, true),
        (HALF_STARTS[1], 16, true),
        (HALF_STARTS[1] - 1, 2, false),
        (u32::MAX, 1, false),
        (u32::MAX, usize::MAX, false),
        (NURSERY_START, usize::MAX, false),
    ] {
        assert_eq!(store.heap.bytes(at, 0, len).is_ok(), inside, "{len} bytes at {at:#x}");
        assert_eq!(store.heap.bytes_mut(at, 0, len).is_ok(), inside, "{len} bytes at {at:#x}");
        assert_eq!(store.heap.copy_within(at, NURSERY_START, len).is_ok(), inside, "{len} bytes at {at:#x}");
        assert_eq!(store.heap.copy_within(NURSERY_START, at, len).is_ok(), inside, "{len} bytes at {at:#x}");
    }
    assert!(store.heap.read::<4>(NURSERY_START, u32::MAX).is_err());
    assert!(store.heap.read::<4>(u32::MAX - 2, 4).is_err());
}
