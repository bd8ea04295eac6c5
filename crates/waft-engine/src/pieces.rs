//! Work on large pieces of memory, by as many threads as pay.

use crate::processors::processors;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Less work is done before another thread has begun.
pub(crate) const PIECE_BYTES: usize = 1 << 20;
/// More threads than this wait for memory.
const THREADS_MAX: usize = 4;

/// Does something with all pieces of `bytes`, which are numbered from 0: all of [`PIECE_BYTES`], but for the last.
pub(crate) fn for_each_piece(bytes: &[u8], work: impl Fn(usize, &[u8]) + Sync) {
    share_out(bytes.chunks(PIECE_BYTES), bytes.len(), work);
}

/// The same, with pieces that are written to.
pub(crate) fn for_each_piece_mut(bytes: &mut [u8], work: impl Fn(usize, &mut [u8]) + Sync) {
    let len = bytes.len();
    share_out(bytes.chunks_mut(PIECE_BYTES), len, work);
}

fn share_out<P: Send>(pieces: impl Iterator<Item = P> + Send, len: usize, work: impl Fn(usize, P) + Sync) {
    let pieces = Mutex::new(pieces.enumerate());
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some((number, piece)) = next() {
            work(number, piece);
        }
    };
    let threads = processors().min(THREADS_MAX).min(len / PIECE_BYTES);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_piece_is_met_once() {
        for len in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 3] {
            let mut bytes = vec![0; len];
            for_each_piece_mut(&mut bytes, |number, piece| {
                piece.iter_mut().for_each(|byte| *byte += 1 + number as u8)
            });
            let (pieces, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
            for_each_piece(&bytes, |number, piece| {
                assert!(piece.iter().all(|byte| *byte == 1 + number as u8));
                pieces.fetch_add(1, Ordering::Relaxed);
                sum.fetch_add(piece.len(), Ordering::Relaxed);
            });
            assert_eq!((pieces.into_inner(), sum.into_inner()), (len.div_ceil(PIECE_BYTES), len));
        }
    }
}
