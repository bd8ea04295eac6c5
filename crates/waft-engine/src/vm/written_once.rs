//! Memory that is written a piece at a time, when a piece is needed, and never changed.
//!
//! # Invariants
//!
//! * **W1** A piece that is there is never written to again. It is there once its flag is set, which whoever reads it has seen.
//! * **W2** To a piece that is not there nobody has a reference but who writes it, and he holds the lock.

use super::mmap::Reservation;
use crate::pieces::PIECE_BYTES;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// So many bytes, in pieces of [`PIECE_BYTES`], with what it takes to write them.
pub(crate) struct WrittenOnce<W> {
    memory: Reservation,
    len: usize,
    is_there: Box<[AtomicBool]>,
    writer: Mutex<W>,
}

impl<W> WrittenOnce<W> {
    /// None of `len` bytes.
    ///
    /// # Errors
    ///
    /// If there is no address space for them.
    pub(crate) fn new(len: usize, writer: W) -> io::Result<Self> {
        let memory = Reservation::new(len)?;
        memory.commit(0..memory.len())?;
        let is_there = (0..len.div_ceil(PIECE_BYTES)).map(|_| AtomicBool::new(false)).collect();
        Ok(Self { memory, len, is_there, writer: Mutex::new(writer) })
    }

    /// These bytes, none if there are not as many. Pieces of them that are not there are written by `write`, which is told their numbers;
    /// one for which it fails is not there then.
    ///
    /// # Errors
    ///
    /// Of `write`.
    pub(crate) fn get<E>(
        &self,
        range: Range<usize>,
        write: impl Fn(&mut W, usize, &mut [u8]) -> Result<(), E>,
    ) -> Result<Option<&[u8]>, E> {
        if range.start > range.end || range.end > self.len {
            return Ok(None);
        }
        if range.is_empty() {
            return Ok(Some(&[]));
        }
        for number in range.start / PIECE_BYTES..range.end.div_ceil(PIECE_BYTES) {
            let is_there = &self.is_there[number];
            if is_there.load(Ordering::Acquire) {
                continue;
            }
            // Whole whenever it is unlocked: a flag is set when its piece is written. Others may write theirs between two of ours.
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            if !is_there.load(Ordering::Relaxed) {
                let start = number * PIECE_BYTES;
                let len = PIECE_BYTES.min(self.len - start);
                // SAFETY: committed, in bounds, and by W2 nobody else's: the flag is not set, and the lock is held.
                let piece = unsafe { std::slice::from_raw_parts_mut(self.memory.base().add(start), len) };
                write(&mut writer, number, piece)?;
                is_there.store(true, Ordering::Release);
            }
        }
        // SAFETY: committed and in bounds; all pieces of it are there, so by W1 nobody writes to it.
        Ok(Some(unsafe { std::slice::from_raw_parts(self.memory.base().add(range.start), range.len()) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    const LEN: usize = 3 * PIECE_BYTES + 100;

    /// Fills a piece with its number, and counts.
    fn fill(count: &mut usize, number: usize, piece: &mut [u8]) -> Result<(), usize> {
        piece.fill(number as u8 + 1);
        *count += 1;
        Ok(())
    }

    fn count(bytes: &WrittenOnce<usize>) -> usize {
        *bytes.writer.lock().unwrap()
    }

    #[test]
    fn pieces_are_written_when_they_are_needed_and_once() {
        let bytes = WrittenOnce::new(LEN, 0).unwrap();
        let rows = [
            (0..0, 0),
            (5..6, 1),
            (0..PIECE_BYTES, 1),
            (2 * PIECE_BYTES - 1..2 * PIECE_BYTES + 1, 3),
            (LEN..LEN, 3),
            (7..7, 3),
            (LEN - 1..LEN, 4),
            (0..LEN, 4),
        ];
        for (range, written) in rows {
            let found = bytes.get(range.clone(), fill).unwrap().unwrap();
            let expected: Vec<u8> = range.clone().map(|at| (at / PIECE_BYTES) as u8 + 1).collect();
            assert!(found == expected, "{range:?}");
            assert_eq!(count(&bytes), written, "{range:?}");
        }
        for range in [0..LEN + 1, LEN + 1..LEN + 1, usize::MAX..usize::MAX] {
            assert_eq!(bytes.get(range, fill), Ok(None));
        }
        #[expect(clippy::reversed_empty_ranges, reason = "nobody may be able to ask for it")]
        let reversed = bytes.get(2..1, fill);
        assert_eq!(reversed, Ok(None));
    }

    #[test]
    fn what_cannot_be_written_is_not_there() {
        let bytes = WrittenOnce::new(LEN, 0).unwrap();
        let fail_at = |fails: usize| {
            move |count: &mut usize, number: usize, piece: &mut [u8]| {
                piece.fill(99);
                if number == fails { Err(number) } else { fill(count, number, piece) }
            }
        };
        assert_eq!(bytes.get(0..LEN, fail_at(1)), Err(1));
        assert_eq!(
            bytes.get(0..PIECE_BYTES, fail_at(0)).map(|piece| piece.map(|piece| piece[7])),
            Ok(Some(1))
        );
        assert_eq!(bytes.get(PIECE_BYTES..LEN, fail_at(2)), Err(2));
        let found = bytes.get(0..LEN, fail_at(9)).unwrap().unwrap();
        assert!(found.iter().enumerate().all(|(at, byte)| *byte == (at / PIECE_BYTES) as u8 + 1));
        assert_eq!(count(&bytes), 4);
    }

    #[test]
    fn many_threads_find_the_same() {
        let bytes = WrittenOnce::new(LEN, 0).unwrap();
        let turn = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let at = turn.fetch_add(7_919, Ordering::Relaxed) % LEN;
                        let end = LEN.min(at + PIECE_BYTES);
                        let found = bytes.get(at..end, fill).unwrap().unwrap();
                        assert_eq!(found[0], (at / PIECE_BYTES) as u8 + 1);
                        assert_eq!(found[end - at - 1], ((end - 1) / PIECE_BYTES) as u8 + 1);
                    }
                });
            }
        });
        assert_eq!(count(&bytes), 4);
    }
}
