//! Random numbers.

use super::fail::{Fail, Outcome};
use super::memory::slice_mut;
use super::proc::Resume;
use crate::WasiCtx;
use crate::host::fill_random;

/// How much is written before somebody may stop us: some milliseconds of work.
const STRETCH_BYTES: usize = 1 << 20;

/// Straight into the guest's memory, whatever the length.
pub(crate) fn random_get(cx: &mut WasiCtx, mem: &mut [u8], buf: u32, buf_len: u32) -> Outcome {
    let done = match cx.resume.take() {
        Some(Resume::Random(done)) => done,
        _ => 0,
    };
    let buf = slice_mut(mem, buf, buf_len)?;
    let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) else {
        return Ok(());
    };
    let stretch = rest.len().min(STRETCH_BYTES);
    let filled = match fill_random(&mut rest[..stretch]) {
        Err(crate::host::ErrorCode::Interrupted) => 0,
        other => other?,
    };
    if filled == rest.len() {
        return Ok(());
    }
    cx.resume = Some(Resume::Random(done + filled));
    Err(Fail::Pause)
}
