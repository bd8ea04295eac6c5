//! Waiting for clocks and descriptors.
//!
//! The list of subscriptions is read twice, before and after waiting, where it lies. What is kept between is one entry per
//! *descriptor*, so that a list of a million takes no more memory than the guest has descriptors.

use super::errno::Errno;
use super::fail::{Fail, Outcome};
use super::memory::{Record, check, load, range, store};
use super::proc::Resume;
use super::rights::Rights;
use super::types;
use crate::WasiCtx;
use crate::host::poll::{Readiness, wait};
use crate::host::{Clock, ErrorCode};
use rustix::fd::BorrowedFd;
use std::collections::BTreeMap;

/// Where the fields of a subscription are.
pub(crate) struct Layout {
    bytes: u32,
    clock_id: u32,
    clock_timeout: u32,
    clock_flags: u32,
}

impl Layout {
    const SNAPSHOT: Self = Self { bytes: 48, clock_id: 16, clock_timeout: 24, clock_flags: 40 };
    pub(crate) const UNSTABLE: Self = Self { bytes: 56, clock_id: 24, clock_timeout: 32, clock_flags: 48 };
}

const TAG: u32 = 8;
const DESCRIPTOR: u32 = 16;
const EVENT_BYTES: u32 = 32;

const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;

const ABSTIME: u32 = 1;
const HANGUP: u16 = 1;

/// The longest wait before somebody may stop us. Who interrupts us sends a signal, which ends the wait; but it may come just
/// before the wait begins, and be lost.
const STRETCH_NS: u64 = 250_000_000;

pub(crate) fn poll_oneoff(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    subscriptions: u32,
    events: u32,
    count: u32,
    nevents: u32,
) -> Outcome {
    poll(cx, mem, &Layout::SNAPSHOT, subscriptions, events, count, nevents)
}

pub(super) fn poll(
    cx: &mut WasiCtx,
    mem: &mut [u8],
    layout: &Layout,
    subscriptions: u32,
    events: u32,
    count: u32,
    nevents: u32,
) -> Outcome {
    let start = match cx.resume.take() {
        Some(Resume::Poll(start)) => start,
        _ => PollStart { monotonic: Clock::Monotonic.now_ns() },
    };
    if count == 0 {
        // It would never return.
        return Err(Errno::Inval.into());
    }
    check::<u32>(mem, nevents)?;
    range(mem, events, u64::from(count) * u64::from(EVENT_BYTES))?;
    range(mem, subscriptions, u64::from(count) * u64::from(layout.bytes))?;
    let list = List { layout, start: subscriptions, count };

    let readiness = match Plan::new(cx, mem, &list, start)?.wait() {
        Ok(readiness) => readiness,
        Err(ErrorCode::Interrupted) => return pause(cx, start),
        Err(error) => return Err(error.into()),
    };
    let fired = fire(cx, mem, &list, start, &readiness, events)?;
    if fired == 0 {
        return pause(cx, start);
    }
    store(mem, nevents, fired)
}

/// When a call began, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollStart {
    monotonic: u64,
}

fn pause(cx: &mut WasiCtx, start: PollStart) -> Outcome {
    cx.resume = Some(Resume::Poll(start));
    Err(Fail::Pause)
}

/// The guest's subscriptions, which are in bounds.
struct List<'l> {
    layout: &'l Layout,
    start: u32,
    count: u32,
}

/// One subscription.
struct Subscription {
    userdata: u64,
    kind: u8,
    what: What,
}

enum What {
    Time {
        clock: Clock,
        absolute: bool,
        timeout: u64,
    },
    Fd {
        number: u32,
        asked: Readiness,
    },
    /// It cannot come true; its event says why.
    Wrong(Errno),
}

impl List<'_> {
    fn get(&self, mem: &[u8], index: u32) -> Outcome<Subscription> {
        let at = self.start + index * self.layout.bytes;
        let kind: u8 = load(mem, at + TAG)?;
        let what = match kind {
            CLOCK => self.time(mem, at)?,
            FD_READ => {
                What::fd(load(mem, at + DESCRIPTOR)?, Readiness { read: true, ..Readiness::default() })
            }
            FD_WRITE => {
                What::fd(load(mem, at + DESCRIPTOR)?, Readiness { write: true, ..Readiness::default() })
            }
            _ => return Err(Errno::Inval.into()),
        };
        Ok(Subscription { userdata: load(mem, at)?, kind, what })
    }

    fn time(&self, mem: &[u8], at: u32) -> Outcome<What> {
        let flags = load::<u16>(mem, at + self.layout.clock_flags)?;
        let absolute = u32::from(types::flags(flags.into(), ABSTIME as u16)?) == ABSTIME;
        let timeout = load(mem, at + self.layout.clock_timeout)?;
        Ok(match types::clock(load(mem, at + self.layout.clock_id)?) {
            Ok(clock @ (Clock::Realtime | Clock::Monotonic)) => What::Time { clock, absolute, timeout },
            // While we wait, no CPU time passes.
            Ok(Clock::ProcessCpuTime | Clock::ThreadCpuTime) | Err(_) => What::Wrong(Errno::Inval),
        })
    }
}

impl What {
    fn fd(number: u32, asked: Readiness) -> Self {
        Self::Fd { number, asked }
    }
}

/// How long it is until a clock shows the time, in nanoseconds.
fn time_left(clock: Clock, absolute: bool, timeout: u64, start: PollStart) -> u64 {
    if absolute {
        timeout.saturating_sub(clock.now_ns())
    } else {
        // However the clock is set meanwhile.
        start.monotonic.saturating_add(timeout).saturating_sub(Clock::Monotonic.now_ns())
    }
}

/// What to wait for, out of all subscriptions.
struct Plan<'c> {
    timeout_ns: u64,
    fds: BTreeMap<u32, (BorrowedFd<'c>, Readiness)>,
}

impl<'c> Plan<'c> {
    fn new(cx: &'c WasiCtx, mem: &[u8], list: &List<'_>, start: PollStart) -> Outcome<Self> {
        let mut plan = Self { timeout_ns: STRETCH_NS, fds: BTreeMap::new() };
        for index in 0..list.count {
            match list.get(mem, index)?.what {
                What::Time { clock, absolute, timeout } => {
                    plan.timeout_ns = plan.timeout_ns.min(time_left(clock, absolute, timeout, start));
                }
                What::Fd { number, asked } => match pollable(cx, number, asked) {
                    Ok(Some(fd)) => {
                        let (_, asked_before) = plan.fds.entry(number).or_insert((fd, Readiness::default()));
                        asked_before.read |= asked.read;
                        asked_before.write |= asked.write;
                    }
                    // It is ready now, or wrong now.
                    Ok(None) | Err(_) => plan.timeout_ns = 0,
                },
                What::Wrong(_) => plan.timeout_ns = 0,
            }
        }
        Ok(plan)
    }

    /// What each descriptor is ready for, after waiting.
    fn wait(self) -> Result<BTreeMap<u32, Readiness>, ErrorCode> {
        let fds: Vec<_> = self.fds.values().copied().collect();
        let readiness = wait(&fds, self.timeout_ns)?;
        Ok(self.fds.into_keys().zip(readiness).collect())
    }
}

/// What the kernel can wait on for `number`; `None` if it is always ready.
fn pollable(cx: &WasiCtx, number: u32, asked: Readiness) -> Result<Option<BorrowedFd<'_>>, Errno> {
    let fd = cx.fds.get(number)?;
    let pollable = fd.descriptor.pollable()?;
    fd.require(if asked.read { Rights::FD_READ } else { Rights::FD_WRITE })?;
    fd.require(Rights::POLL_FD_READWRITE)?;
    Ok(pollable)
}

/// Writes an event for every subscription that came true, and gives their number.
fn fire(
    cx: &WasiCtx,
    mem: &mut [u8],
    list: &List<'_>,
    start: PollStart,
    readiness: &BTreeMap<u32, Readiness>,
    events: u32,
) -> Outcome<u32> {
    let mut fired = 0;
    for index in 0..list.count {
        let subscription = list.get(mem, index)?;
        let event = match subscription.what {
            What::Wrong(errno) => Some(Event { errno, ..Event::default() }),
            What::Time { clock, absolute, timeout } => {
                (time_left(clock, absolute, timeout, start) == 0).then(Event::default)
            }
            What::Fd { number, asked } => fd_event(cx, number, asked, readiness),
        };
        if let Some(event) = event {
            event.record(&subscription).store(mem, events + fired * EVENT_BYTES)?;
            fired += 1;
        }
    }
    Ok(fired)
}

fn fd_event(
    cx: &WasiCtx,
    number: u32,
    asked: Readiness,
    readiness: &BTreeMap<u32, Readiness>,
) -> Option<Event> {
    if let Err(errno) = pollable(cx, number, asked) {
        return Some(Event { errno, ..Event::default() });
    }
    let hangup = match readiness.get(&number) {
        Some(ready) if (asked.read && ready.read) || (asked.write && ready.write) => ready.hangup,
        Some(_) => return None,
        None => false,
    };
    // How much could be written nobody tells us; 1 says no more than that a write will not block.
    let bytes = if asked.read { cx.fds.get(number).map_or(0, |fd| fd.descriptor.bytes_ready()) } else { 1 };
    Some(Event { bytes, hangup, ..Event::default() })
}

struct Event {
    errno: Errno,
    bytes: u64,
    hangup: bool,
}

impl Default for Event {
    fn default() -> Self {
        Self { errno: Errno::Success, bytes: 0, hangup: false }
    }
}

impl Event {
    fn record(&self, subscription: &Subscription) -> Record<{ EVENT_BYTES as usize }> {
        Record::new()
            .u64(0, subscription.userdata)
            .u16(8, self.errno as u16)
            .u8(10, subscription.kind)
            .u64(16, self.bytes)
            .u16(24, if self.hangup { HANGUP } else { 0 })
    }
}
