//! Work on large pieces of memory, by as many threads as are allowed and pay.

use crate::threads::together;
use std::sync::{Mutex, PoisonError};

/// So much a processor's own cache holds, beside what else it has there; and little enough that memory which is kept a piece at a time, and
/// cleared before, is hardly more than is needed.
pub(crate) const PIECE_BYTES: usize = 64 << 10;
/// Less work is done before another thread has begun.
const THREAD_BYTES: usize = 2 << 20;
/// More threads than this wait for memory.
const THREADS_MAX: usize = 4;

/// Does something with all pieces of `bytes`, which are numbered from 0: all of [`PIECE_BYTES`], but for the last.
pub(crate) fn for_each_piece(threads: usize, bytes: &[u8], work: impl Fn(usize, &[u8]) + Sync) {
    share_out(
        threads,
        bytes.chunks(PIECE_BYTES),
        bytes.len(),
        || (),
        |(), number, piece| work(number, piece),
    );
}

/// The same, with pieces that are written to, by threads that have a `state` each.
pub(crate) fn for_each_piece_mut<S>(
    threads: usize,
    bytes: &mut [u8],
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &mut [u8]) + Sync,
) {
    let len = bytes.len();
    share_out(threads, bytes.chunks_mut(PIECE_BYTES), len, state, work);
}

fn share_out<P: Send, S>(
    threads: usize,
    pieces: impl Iterator<Item = P> + Send,
    len: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, P) + Sync,
) {
    let pieces = Mutex::new(pieces.enumerate());
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    together(threads.min(THREADS_MAX).min(len / THREAD_BYTES), || {
        let mut state = state();
        while let Some((number, piece)) = next() {
            work(&mut state, number, piece);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_piece_is_met_once() {
        let lens = [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES + 3];
        for (threads, len) in [1, 2, 9].into_iter().flat_map(|threads| lens.map(|len| (threads, len))) {
            let mut bytes = vec![0; len];
            let count = || 0;
            for_each_piece_mut(threads, &mut bytes, count, |count, number, piece| {
                *count += 1;
                assert!(*count <= number + 1, "pieces come in order to each thread");
                piece.iter_mut().for_each(|byte| *byte += 1 + number as u8);
            });
            let (pieces, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
            for_each_piece(threads, &bytes, |number, piece| {
                assert!(piece.iter().all(|byte| *byte == 1 + number as u8));
                pieces.fetch_add(1, Ordering::Relaxed);
                sum.fetch_add(piece.len(), Ordering::Relaxed);
            });
            assert_eq!((pieces.into_inner(), sum.into_inner()), (len.div_ceil(PIECE_BYTES), len));
        }
    }
}
