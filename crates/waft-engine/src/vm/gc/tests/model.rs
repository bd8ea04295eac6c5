//! Random programs, run on a heap and on a graph of which everybody sees that it is right.

use super::store::{Prng, TestStore};
use crate::vm::gc::GcStress;
use crate::vm::gc::heap::CollectionKind;
use std::collections::HashMap;
use std::sync::Arc;
use waft_core::gc::{i31_new, object};

/// What a slot holds in the model.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Value {
    Null,
    I31(i32),
    Node(usize),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Shape {
    Pair,
    Wide,
    Exception,
    Refs,
    Extern,
}

struct Node {
    shape: Shape,
    number: u32,
    slots: Vec<Value>,
}

/// A heap and its model; root `i` of the one is root `i` of the other.
struct Pairing {
    store: TestStore,
    nodes: Vec<Node>,
    roots: Vec<Value>,
    prng: Prng,
}

const ROOTS: usize = 64;

impl Pairing {
    fn new(seed: u64, stress: GcStress) -> Self {
        let mut store = TestStore::new();
        store.heap.set_stress(&store.state, stress);
        store.host.roots = vec![0; ROOTS];
        Self { store, nodes: Vec::new(), roots: vec![Value::Null; ROOTS], prng: Prng(seed) }
    }

    /// Where slot `index` of an object stands.
    fn slot(&self, shape: Shape, index: usize) -> u32 {
        match shape {
            Shape::Pair => object::STRUCT_FIELDS + 4 * index as u32,
            Shape::Wide => self.store.types.wide_refs[index],
            Shape::Exception => self.store.types.payload_ref,
            Shape::Refs => object::ARRAY_ELEMENTS + 4 * index as u32,
            Shape::Extern => unreachable!("it has none"),
        }
    }

    /// Makes a node and stores it in a random root.
    fn make(&mut self) {
        let number = self.nodes.len() as u32;
        let length = match self.prng.below(200) {
            0 => 100_000,
            1..20 => 1_000,
            _ => self.prng.below(8),
        };
        let store = &mut self.store;
        let (shape, slots, at) = match self.prng.below(12) {
            0..6 => (Shape::Pair, 2, store.pair(number)),
            6 => (Shape::Wide, store.types.wide_refs.len(), store.wide()),
            7 => (Shape::Exception, 1, store.exception(number)),
            8 => (Shape::Extern, 0, store.host_value(Arc::new(number))),
            _ => (Shape::Refs, length, store.refs(length as u32)),
        };
        let root = self.prng.below(ROOTS);
        self.store.host.roots[root] = at;
        self.roots[root] = Value::Node(self.nodes.len());
        self.nodes.push(Node { shape, number, slots: vec![Value::Null; slots] });
    }

    /// A value that is at hand, and the same in the heap.
    fn any_value(&mut self) -> (Value, u32) {
        match self.prng.below(8) {
            0 => (Value::Null, 0),
            1 => {
                let number = self.prng.next_u64() as i32;
                (Value::I31(number), i31_new(number))
            }
            _ => {
                let root = self.prng.below(ROOTS);
                (self.roots[root], self.store.host.roots[root])
            }
        }
    }

    /// A root that is a node with slots, and one of these.
    fn any_slot(&mut self) -> Option<(usize, u32, usize)> {
        let root = self.prng.below(ROOTS);
        let Value::Node(node) = self.roots[root] else { return None };
        let slots = self.nodes[node].slots.len();
        (slots != 0).then(|| (node, self.store.host.roots[root], self.prng.below(slots)))
    }

    fn step(&mut self) {
        match self.prng.below(100) {
            0..30 => self.make(),
            30..80 => {
                let (value, raw) = self.any_value();
                if let Some((node, at, slot)) = self.any_slot() {
                    let offset = self.slot(self.nodes[node].shape, slot);
                    self.store.heap.write_ref(&self.store.state, at, offset, raw).unwrap();
                    self.nodes[node].slots[slot] = value;
                }
            }
            80..95 => {
                // Follows a reference, so that roots lead into the middle of the graph.
                if let Some((node, at, slot)) = self.any_slot() {
                    let offset = self.slot(self.nodes[node].shape, slot);
                    let raw = u32::from_le_bytes(self.store.heap.read(at, offset).unwrap());
                    let root = self.prng.below(ROOTS);
                    self.store.host.roots[root] = raw;
                    self.roots[root] = self.nodes[node].slots[slot];
                }
            }
            95..99 => {
                let root = self.prng.below(ROOTS);
                self.store.host.roots[root] = 0;
                self.roots[root] = Value::Null;
            }
            _ => {
                let full = self.prng.below(6) == 0;
                self.store.collect(if full { CollectionKind::Full } else { CollectionKind::Minor });
            }
        }
    }

    /// Walks both graphs and compares all that is reachable.
    fn check(&self) {
        let mut known: HashMap<usize, u32> = HashMap::new();
        let mut todo: Vec<(Value, u32)> =
            self.roots.iter().copied().zip(self.store.host.roots.clone()).collect();
        let mut objects = std::collections::HashSet::new();
        while let Some((value, raw)) = todo.pop() {
            let node = match value {
                Value::Null => {
                    assert_eq!(raw, 0);
                    continue;
                }
                Value::I31(number) => {
                    assert_eq!(raw, i31_new(number));
                    continue;
                }
                Value::Node(node) => node,
            };
            if let Some(seen) = known.insert(node, raw) {
                assert_eq!(seen, raw, "one node, one object");
                continue;
            }
            assert!(objects.insert(raw), "one object, one node");
            self.check_node(&self.nodes[node], raw);
            for (index, slot) in self.nodes[node].slots.iter().enumerate() {
                let offset = self.slot(self.nodes[node].shape, index);
                todo.push((*slot, u32::from_le_bytes(self.store.heap.read(raw, offset).unwrap())));
            }
        }
    }

    fn check_node(&self, node: &Node, raw: u32) {
        let (heap, types) = (&self.store.heap, &self.store.types);
        match node.shape {
            Shape::Pair => assert_eq!(self.store.number(raw), node.number),
            Shape::Wide => assert_eq!(heap.type_of(raw), Ok(types.wide)),
            Shape::Exception => {
                assert_eq!(heap.type_of(raw), Ok(types.payload));
                assert_eq!(heap.read(raw, object::EXCEPTION_TAG), Ok(node.number.to_le_bytes()));
            }
            Shape::Refs => {
                assert_eq!(heap.type_of(raw), Ok(types.refs));
                assert_eq!(heap.array_length(raw), Ok(node.slots.len() as u32));
            }
            Shape::Extern => {
                let value = heap.extern_value(raw).unwrap().downcast_ref::<u32>();
                assert_eq!(value, Some(&node.number));
            }
        }
    }

    /// The nodes that the roots reach, of one shape.
    fn count(&self, shape: Shape) -> usize {
        let mut seen = vec![false; self.nodes.len()];
        let mut todo = self.roots.clone();
        while let Some(value) = todo.pop() {
            if let Value::Node(node) = value
                && !std::mem::replace(&mut seen[node], true)
            {
                todo.extend(&self.nodes[node].slots);
            }
        }
        self.nodes.iter().zip(seen).filter(|(node, seen)| *seen && node.shape == shape).count()
    }
}

fn check(seed: u64, stress: GcStress, steps: usize) {
    let mut pairing = Pairing::new(seed, stress);
    for step in 0..steps {
        pairing.step();
        if step % 1_000 == 0 {
            pairing.check();
        }
    }
    pairing.check();
    pairing.store.collect(CollectionKind::Full);
    pairing.check();
    assert_eq!(
        pairing.store.heap.stats(&pairing.store.state).host_values,
        pairing.count(Shape::Extern),
        "of the host values, those live"
    );
}

#[test]
fn random_programs_see_what_the_model_sees() {
    for seed in 0..12 {
        check(seed, GcStress::Off, 20_000);
    }
}

#[test]
fn random_programs_see_the_same_under_stress() {
    for seed in 0..3 {
        check(seed, GcStress::Minor, 5_000);
        check(seed, GcStress::Full, 1_000);
    }
}
