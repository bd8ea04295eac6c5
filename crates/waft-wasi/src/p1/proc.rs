//! The guest as a process: signals, giving way, and where a call goes on that paused. How it ends is in `link`.

use super::errno::Errno;
use super::fail::Outcome;
use super::poll::PollStart;
use crate::WasiCtx;

/// Where a call goes on that paused: the next call is the same one again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resume {
    /// When `poll_oneoff` began, so that what is relative stays relative to that.
    Poll(PollStart),
    /// How many bytes `random_get` has written.
    Random(usize),
}

/// There is nobody else whom a guest could send a signal, and what a signal would do to itself it can do itself.
pub(crate) fn proc_raise(_: &mut WasiCtx, signal: u32) -> Outcome {
    Err(if signal <= SIGNAL_MAX { Errno::Notsup } else { Errno::Inval }.into())
}

/// `SIGSYS`, the last in the list.
const SIGNAL_MAX: u32 = 30;

pub(crate) fn sched_yield(_: &mut WasiCtx) -> Outcome {
    std::thread::yield_now();
    Ok(())
}
