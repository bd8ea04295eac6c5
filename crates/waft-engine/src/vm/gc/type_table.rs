//! The engine's table of types: one row a type, where machine code and collectors of all threads read it.
//!
//! # Invariants
//!
//! * **T1** `0..end`, counted from `FRONT_BYTES` into the reservation, is readable and writable. `end` only grows, after
//!   what is below it was made so. What is before it is never accessible.
//! * **T2** Rows are written by the one [`TypeTableWriter`] only, two words at a time and atomically: a reader whose id is stale or
//!   made up sees words of whatever row, and never a data race.
//! * **T3** A row is complete before its id leaves [`TypeTableWriter::insert`], and stays as it is until
//!   [`TypeTableWriter::remove`].
//!
//! # Elsewhere
//!
//! The words of a row: `waft_core::gc::row`. Which types share a row: the engine's registry, whose lock guards the writer.

use crate::vm::mmap::Reservation;
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use waft_core::gc::row::{self, HEAD_BYTES, RowHead, RowShape};

/// Ids are 32 bits wide.
const ADDRESS_BYTES: usize = 1 << 32;
/// Words of a row's head stand before what its id leads to: a made-up id leads machine code at most so far before the rows.
/// Whole pages of any machine.
const FRONT_BYTES: usize = 64 << 10;
/// A made-up id, or one of a row that was removed, leads machine code at most so far past the rows.
const GUARD_BYTES: usize = 1 << 20;
/// How much is made accessible at a time: at least 20,000 rows, none of which costs memory before it is written.
const COMMIT_BYTES: usize = 1 << 20;
/// The least that a row takes: the head and the shortest display.
const ROW_BYTES_MIN: u32 = HEAD_BYTES + 4 * row::DISPLAY_WORDS_MIN;

/// The rows, for everybody to read.
#[derive(Debug)]
pub(crate) struct TypeTable {
    reservation: Reservation,
    end: AtomicU32,
}

impl TypeTable {
    /// A table that knows extern boxes only, and the right to change it.
    ///
    /// # Errors
    ///
    /// If the process has no more address space.
    pub(crate) fn new() -> Result<(Arc<Self>, TypeTableWriter)> {
        let reservation = Reservation::new(FRONT_BYTES + ADDRESS_BYTES + GUARD_BYTES)
            .context("cannot reserve address space for a table of types")?;
        let table = Arc::new(Self { reservation, end: AtomicU32::new(0) });
        let mut writer = TypeTableWriter { table: table.clone(), committed: 0, free: BTreeMap::new() };
        let id = writer.insert(RowShape::ExternBox, &[])?;
        assert_eq!(id, row::EXTERN_BOX, "it is the first row");
        Ok((table, writer))
    }

    /// Where ids are offsets from: for machine code. Whatever 32 bits it takes for an id, reads of the head and the display
    /// stay inside the reservation.
    pub(crate) fn base(&self) -> *const u8 {
        self.rows_base()
    }

    fn rows_base(&self) -> *mut u8 {
        self.reservation.base().wrapping_add(FRONT_BYTES)
    }

    /// The rows that there are now. Ids that are published later are not in it.
    #[inline]
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows { table: self, end: self.end.load(Ordering::Acquire) }
    }

    /// Two words of the table, the first one in the lower half.
    ///
    /// PERF: a head is read twice for each object that a collection copies, and two loads are fewer than four.
    #[inline(always)]
    fn pair(&self, offset: u32, end: u32) -> &AtomicU64 {
        debug_assert!(offset.is_multiple_of(8) && offset < end && end <= self.end.load(Ordering::Relaxed));
        let at = self.rows_base().wrapping_add(offset as usize).cast::<AtomicU64>();
        // SAFETY: the callers keep `offset` aligned and below an `end` that was once this table's, which is a multiple of
        // 16. So by T1 the words are readable and writable for as long as `self` lives; by T2 all access to them is
        // atomic, and of this size.
        unsafe { &*at }
    }
}

/// A view of the rows, from which any id can be asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    table: &'a TypeTable,
    /// A former or the present `end` of the table; at least one row.
    end: u32,
}

impl Rows<'_> {
    /// What stands where the head of type `id` should. `None` if no type can have the id.
    #[inline(always)]
    pub(crate) fn head(self, id: u32) -> Option<RowHead> {
        let start = id.wrapping_sub(HEAD_BYTES);
        if start > self.end - ROW_BYTES_MIN || !id.is_multiple_of(row::ALIGN) {
            return None;
        }
        let pair = |offset: u32| self.table.pair(start + offset, self.end).load(Ordering::Relaxed);
        let (low, high) = (pair(0), pair(8));
        Some(RowHead::from_words([low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]))
    }

    /// The word `offset` bytes after an id: of the display, or of a long map. `None` if it is beyond the rows.
    #[inline]
    pub(crate) fn word(self, id: u32, offset: u32) -> Option<u32> {
        let at = id.checked_add(offset)?;
        let inside = at.is_multiple_of(4) && at < self.end;
        let shift = at % 8 * 8;
        inside.then(|| (self.table.pair(at & !7, self.end).load(Ordering::Relaxed) >> shift) as u32)
    }
}

/// The right to add and remove rows: one a table.
#[derive(Debug)]
pub(crate) struct TypeTableWriter {
    table: Arc<TypeTable>,
    committed: usize,
    /// Where rows were removed: their starts, by their bytes. No list is empty.
    free: BTreeMap<u32, Vec<u32>>,
}

impl TypeTableWriter {
    /// The table that it changes.
    pub(crate) fn table(&self) -> &TypeTable {
        &self.table
    }

    /// Adds the row of a type, `supertypes` being the ids of its supertypes from the root on. The id is the type's until
    /// it is removed.
    ///
    /// # Errors
    ///
    /// If the machine has no memory for the row, or 4 GiB of rows are in use.
    pub(crate) fn insert(&mut self, shape: RowShape<'_>, supertypes: &[u32]) -> Result<u32> {
        let bytes = shape.row_bytes(supertypes.len() as u32);
        let start = match self.take_free(bytes) {
            Some(start) => start,
            None => self.extend(bytes)?,
        };
        let id = start + HEAD_BYTES;
        let words = shape.encode(id, supertypes);
        debug_assert_eq!(words.len() * 4, bytes as usize);
        self.write(start, &words);
        Ok(id)
    }

    /// Removes the row of a type that no code and no object needs any more. Until it is used again, an id that leads to it
    /// is that of no type.
    pub(crate) fn remove(&mut self, id: u32) {
        let head = self.table.rows().head(id).expect("the id of a type");
        debug_assert!(head.kind().is_some(), "type {id:#x} is removed twice");
        let (start, bytes) = (id - HEAD_BYTES, head.row_bytes());
        self.write(start, &vec![0; bytes as usize / 4]);
        self.give_back(start, bytes);
    }

    fn write(&self, start: u32, words: &[u32]) {
        let end = self.table.end.load(Ordering::Relaxed);
        for (offset, [low, high]) in (start..).step_by(8).zip(words.as_chunks().0) {
            let pair = u64::from(*low) | u64::from(*high) << 32;
            self.table.pair(offset, end).store(pair, Ordering::Relaxed);
        }
    }

    /// Room of `bytes` where rows were: of the very size, or cut off a larger one.
    fn take_free(&mut self, bytes: u32) -> Option<u32> {
        let large_enough = self.free.range(bytes..);
        let size =
            large_enough.map(|(size, _)| *size).find(|size| *size == bytes || fits_after(*size, bytes))?;
        let starts = self.free.get_mut(&size)?;
        let start = starts.pop()?;
        if starts.is_empty() {
            self.free.remove(&size);
        }
        if size > bytes {
            self.give_back(start + bytes, size - bytes);
        }
        Some(start)
    }

    fn give_back(&mut self, start: u32, bytes: u32) {
        self.free.entry(bytes).or_default().push(start);
    }

    /// New room of `bytes` at the end.
    fn extend(&mut self, bytes: u32) -> Result<u32> {
        let start = self.table.end.load(Ordering::Relaxed);
        let end = start.checked_add(bytes).context("the engine has no room for another type")?;
        if end as usize > self.committed {
            let committed = (end as usize).next_multiple_of(COMMIT_BYTES);
            ensure!(committed <= ADDRESS_BYTES, "the engine has no room for another type");
            self.table
                .reservation
                .commit(FRONT_BYTES + self.committed..FRONT_BYTES + committed)
                .context("cannot get memory for the table of types")?;
            self.committed = committed;
        }
        self.table.end.store(end, Ordering::Release);
        Ok(start)
    }
}

/// Whether a row of `bytes` can be cut off room of `size` so that the rest is room for a row.
fn fits_after(size: u32, bytes: u32) -> bool {
    size >= bytes + ROW_BYTES_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use waft_core::gc::row::{Kind, Refs};
    use waft_core::gc::{FieldType, StructLayout};

    fn layout(fields: usize) -> StructLayout {
        StructLayout::new(vec![FieldType::GcRef; fields])
    }

    /// Whether a row says what it was made from.
    fn check(table: &TypeTable, id: u32, layout: &StructLayout, supertypes: &[u32]) {
        let rows = table.rows();
        let head = rows.head(id).unwrap();
        assert_eq!((head.kind(), head.fixed_bytes()), (Some(Kind::Struct), Some(layout.size())));
        for (depth, supertype) in supertypes.iter().chain([&id]).enumerate() {
            assert_eq!(rows.word(id, 4 * depth as u32), Some(*supertype));
        }
        let map = layout.refs().words();
        match head.refs() {
            Refs::Short(word) => {
                assert_eq!(map, if word == 0 { &[][..] } else { std::slice::from_ref(&word) })
            }
            Refs::Long { offset, words } => {
                let read: Vec<_> =
                    (0..words).map(|index| rows.word(id, offset + 4 * index).unwrap()).collect();
                assert_eq!(map, read);
            }
            Refs::Elements => panic!("an array"),
        }
    }

    #[test]
    fn extern_boxes_are_known_from_the_start() {
        let (table, _) = TypeTable::new().unwrap();
        let head = table.rows().head(row::EXTERN_BOX).unwrap();
        assert_eq!((head.kind(), head.fixed_bytes()), (Some(Kind::ExternBox), Some(8)));
    }

    #[test]
    fn a_million_types_take_48_bytes_each() {
        let (table, mut writer) = TypeTable::new().unwrap();
        let layout = layout(3);
        let started = std::time::Instant::now();
        let ids: Vec<u32> =
            (0..1_000_000).map(|_| writer.insert(RowShape::Struct(&layout), &[]).unwrap()).collect();
        println!("{:?} for a million rows", started.elapsed());
        assert_eq!(table.rows().end, 1_000_001 * 48);
        for id in ids.iter().step_by(999) {
            check(&table, *id, &layout, &[]);
        }
        for id in &ids {
            writer.remove(*id);
        }
        assert!(ids.iter().all(|id| table.rows().head(*id).unwrap().kind().is_none()));
        for _ in &ids {
            writer.insert(RowShape::Struct(&layout), &[]).unwrap();
        }
        assert_eq!(table.rows().end, 1_000_001 * 48, "rows are used again");
    }

    #[test]
    fn rows_of_all_sizes_come_and_go() {
        let (table, mut writer) = TypeTable::new().unwrap();
        let layouts: Vec<_> = [0, 1, 31, 32, 40, 200, 1_000, 9_999].map(layout).into();
        let mut alive: Vec<(u32, usize, Vec<u32>)> = Vec::new();
        let mut random = 1_u64;
        let mut below = |bound: usize| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (random >> 33) as usize % bound
        };
        for _ in 0..20_000 {
            if alive.len() < 40 || (alive.len() < 400 && below(2) == 0) {
                let which = below(layouts.len());
                let supertypes: Vec<u32> = (0..below(64) as u32).map(|depth| depth * 16 + 16).collect();
                let id = writer.insert(RowShape::Struct(&layouts[which]), &supertypes).unwrap();
                alive.push((id, which, supertypes));
            } else {
                let (id, which, supertypes) = alive.swap_remove(below(alive.len()));
                check(&table, id, &layouts[which], &supertypes);
                writer.remove(id);
            }
        }
        for (id, which, supertypes) in &alive {
            check(&table, *id, &layouts[*which], supertypes);
        }
        let largest = RowShape::Struct(layouts.last().unwrap()).row_bytes(63);
        assert!(table.rows().end < 400 * largest, "{} bytes", table.rows().end);
    }

    #[test]
    fn made_up_ids_lead_to_nowhere_outside_the_reservation() {
        let (table, _) = TypeTable::new().unwrap();
        let reservation = table.reservation.base() as usize..;
        let end = reservation.start + table.reservation.len();
        for id in [0, 1, HEAD_BYTES - 1, u32::MAX] {
            for offset in [row::MAP, row::KIND, row::DEPTH, 0, 4 * row::DEPTH_MAX as i32] {
                let at = table.base() as usize + id as usize;
                let at = at.wrapping_add_signed(offset as isize);
                assert!(reservation.contains(&at) && at + 4 <= end, "{id:#x} {offset}");
            }
        }
        assert!((table.base() as usize).is_multiple_of(crate::vm::mmap::page_bytes()));
    }

    #[test]
    fn ids_of_no_type_are_told_from_others() {
        let (table, mut writer) = TypeTable::new().unwrap();
        let id = writer.insert(RowShape::Array(FieldType::I8), &[]).unwrap();
        let rows = table.rows();
        assert_eq!(rows.head(id).unwrap().kind(), Some(Kind::Array));
        for wrong in [0, 1, 8, 15, id + 1, id + 8, id - 8, id + 16, id + 48, 1 << 20, u32::MAX - 15, u32::MAX]
        {
            assert_eq!(rows.head(wrong), None, "{wrong:#x}");
        }
        assert_eq!(rows.word(id, 28), Some(0));
        for (id, offset) in [(id, 32), (id, 1), (id, u32::MAX), (u32::MAX, 1), (u32::MAX - 3, 0)] {
            assert_eq!(rows.word(id, offset), None, "{id:#x} + {offset}");
        }
        writer.remove(id);
        assert_eq!(rows.head(id).unwrap().kind(), None);
    }

    #[test]
    fn rows_are_read_while_others_are_written() {
        let (table, mut writer) = TypeTable::new().unwrap();
        let layout = layout(5);
        let first = writer.insert(RowShape::Struct(&layout), &[]).unwrap();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                for _ in 0..100_000 {
                    check(&table, first, &layout, &[]);
                }
            });
            for _ in 0..20_000 {
                let id = writer.insert(RowShape::Struct(&layout), &[first]).unwrap();
                check(&table, id, &layout, &[first]);
                if id.is_multiple_of(32) {
                    writer.remove(id);
                }
            }
            reader.join().unwrap();
        });
    }
}
