//! A store as far as its heap needs one.

use crate::vm::gc::error::GcError;
use crate::vm::gc::externs::HostValue;
use crate::vm::gc::heap::{CollectionKind, GcHost};
use crate::vm::gc::{GcHeap, GcStats, TypeTable, TypeTableWriter, VmGcState};
use anyhow::{Result, bail};
use waft_core::gc::FieldType::{self, F64, FuncRef, GcRef, I8, I16, I32, I64, V128};
use waft_core::gc::row::RowShape;
use waft_core::gc::{NURSERY_START, StructLayout, object};

/// The ids of some types.
pub(super) struct Types {
    /// A struct of two references and a number.
    pub(super) pair: u32,
    /// A struct of many fields, and where its references are.
    pub(super) wide: u32,
    pub(super) wide_refs: Vec<u32>,
    /// A function type whose exceptions carry a number and a reference, and where that is.
    pub(super) payload: u32,
    pub(super) payload_ref: u32,
    /// Arrays.
    pub(super) refs: u32,
    pub(super) bytes: u32,
    pub(super) funcs: u32,
    pub(super) longs: u32,
    pub(super) vectors: u32,
}

impl Types {
    fn new(writer: &mut TypeTableWriter) -> Self {
        let pair = StructLayout::new([GcRef, GcRef, I32]);
        assert_eq!(pair.offsets(), [4, 8, 12]);
        let fields: Vec<_> =
            (0..200).map(|index| [GcRef, I8, V128, I16, GcRef, FuncRef, F64][index % 7]).collect();
        let wide = StructLayout::new(fields);
        let payload = StructLayout::exception([I64, GcRef]);
        let mut array = |element: FieldType| writer.insert(RowShape::Array(element), &[]).unwrap();
        let [refs, bytes, funcs, longs, vectors] = [GcRef, I8, FuncRef, I64, V128].map(&mut array);
        Self {
            pair: writer.insert(RowShape::Struct(&pair), &[]).unwrap(),
            wide: writer.insert(RowShape::Struct(&wide), &[]).unwrap(),
            wide_refs: wide.refs().offsets().collect(),
            payload: writer.insert(RowShape::Func(&payload), &[]).unwrap(),
            payload_ref: payload.offsets()[1],
            refs,
            bytes,
            funcs,
            longs,
            vectors,
        }
    }
}

/// What holds the roots and sets the limit.
pub(super) struct TestHost {
    pub(super) roots: Vec<u32>,
    pub(super) limit: usize,
    /// Whether the limiter raises an error instead of refusing.
    pub(super) fails: bool,
    /// Whether looking for roots panics.
    pub(super) panics: bool,
}

impl GcHost for TestHost {
    fn visit_roots(&mut self, visit: &mut impl FnMut(&mut u32)) {
        assert!(!self.panics, "as the test wants");
        self.roots.iter_mut().for_each(visit);
    }
    fn may_grow(&mut self, current: usize, desired: usize) -> Result<bool> {
        assert!(current < desired);
        if desired > self.limit && self.fails {
            bail!("no more");
        }
        Ok(desired <= self.limit)
    }
    fn grow_failed(&mut self, error: anyhow::Error) -> Result<()> {
        Err(error)
    }
}

/// A heap, what machine code would see of it, and the rest of a store.
pub(super) struct TestStore {
    pub(super) state: VmGcState,
    pub(super) heap: GcHeap,
    pub(super) host: TestHost,
    pub(super) types: Types,
    writer: TypeTableWriter,
}

impl TestStore {
    pub(super) fn new() -> Self {
        Self::with_limit(usize::MAX)
    }
    pub(super) fn with_limit(limit: usize) -> Self {
        let (table, mut writer) = TypeTable::new().unwrap();
        let types = Types::new(&mut writer);
        let state = VmGcState::new();
        let host = TestHost { roots: Vec::new(), limit, fails: false, panics: false };
        let heap = GcHeap::new(table, &state).unwrap();
        Self { state, heap, host, types, writer }
    }

    pub(super) fn add_type(&mut self, shape: RowShape<'_>) -> u32 {
        self.writer.insert(shape, &[]).unwrap()
    }

    /// Machine code that makes a pair: inline, and by the engine where there is no room.
    pub(super) fn try_pair(&mut self, number: u32) -> Result<u32, GcError> {
        let at = self.state.alloc_next.get();
        let at = if at + 16 <= self.state.alloc_end.get() {
            self.state.alloc_next.set(at + 16);
            at
        } else {
            self.heap.allocate(&self.state, &mut self.host, 16)?
        };
        let words = [self.types.pair, 0, 0, number];
        for (index, word) in words.into_iter().enumerate() {
            self.heap.write(at, 4 * index as u32, word.to_le_bytes())?;
        }
        Ok(at)
    }
    pub(super) fn pair(&mut self, number: u32) -> u32 {
        self.try_pair(number).unwrap()
    }
    pub(super) fn number(&self, pair: u32) -> u32 {
        assert_eq!(self.heap.type_of(pair), Ok(self.types.pair));
        u32::from_le_bytes(self.heap.read(pair, 12).unwrap())
    }
    pub(super) fn field(&self, pair: u32, index: u32) -> u32 {
        u32::from_le_bytes(self.heap.read(pair, object::STRUCT_FIELDS + 4 * index).unwrap())
    }
    pub(super) fn link(&mut self, pair: u32, index: u32, value: u32) {
        self.heap.write_ref(&self.state, pair, object::STRUCT_FIELDS + 4 * index, value).unwrap();
    }

    pub(super) fn try_array(&mut self, ty: u32, length: u32) -> Result<u32, GcError> {
        self.heap.new_array(&self.state, &mut self.host, ty, length)
    }
    pub(super) fn array(&mut self, ty: u32, length: u32) -> u32 {
        self.try_array(ty, length).unwrap()
    }
    pub(super) fn refs(&mut self, length: u32) -> u32 {
        self.array(self.types.refs, length)
    }
    pub(super) fn element(&self, refs: u32, index: u32) -> u32 {
        u32::from_le_bytes(self.heap.read(refs, object::ARRAY_ELEMENTS + 4 * index).unwrap())
    }
    pub(super) fn set_element(&mut self, refs: u32, index: u32, value: u32) {
        self.heap.write_ref(&self.state, refs, object::ARRAY_ELEMENTS + 4 * index, value).unwrap();
    }

    pub(super) fn wide(&mut self) -> u32 {
        self.heap.new_struct(&self.state, &mut self.host, self.types.wide).unwrap()
    }
    pub(super) fn exception(&mut self, tag: u32) -> u32 {
        self.heap.new_exception(&self.state, &mut self.host, self.types.payload, tag).unwrap()
    }
    pub(super) fn host_value(&mut self, value: HostValue) -> u32 {
        self.heap.new_extern(&self.state, &mut self.host, value).unwrap()
    }

    pub(super) fn stats(&self) -> GcStats {
        self.heap.stats(&self.state)
    }
    pub(super) fn collect(&mut self, kind: CollectionKind) {
        self.heap.collect(&self.state, &mut self.host, kind).unwrap();
    }
}

/// Numbers that look like references to young objects.
pub(super) fn value(seed: u32) -> u32 {
    NURSERY_START + seed % 1_000 * 8
}

/// Random numbers that follow from a seed alone: SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) struct Prng(pub(super) u64);

impl Prng {
    pub(super) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }
}
