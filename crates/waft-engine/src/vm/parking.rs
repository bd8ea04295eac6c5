//! Where threads wait for each other at addresses of a shared memory.
//!
//! # Invariants
//!
//! * **P1** A waiter stands in the queue of its address from before it sleeps until it is notified or gives up. Both
//!   happen under the lock, so it is one or the other.
//! * **P2** The value that a wait expects is compared under the lock. So who stores another value and then notifies finds
//!   the waiter in its queue, or the waiter finds the value.
//! * **P3** A waiter sleeps on a word of its own, in a system call that a signal ends: an interrupt wakes it.

use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The queues of one memory.
#[derive(Default)]
pub(super) struct Parking(Mutex<Queues>);

/// By address; no queue is empty.
type Queues = HashMap<u64, VecDeque<Arc<Waiter>>>;

/// A thread that waits.
#[derive(Default)]
struct Waiter {
    /// Not zero once it is notified.
    notified: AtomicU32,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    /// Somebody notified the waiter.
    Notified,
    /// The memory did not hold what was expected.
    Mismatch,
    /// Nobody did before the time was over.
    TimedOut,
    /// The thread was asked to stop.
    Stopped,
}

impl Parking {
    /// Waits at `address` if `as_expected`, until the time is over, if there is a limit, or `stopped` says so, which is
    /// asked when a signal arrives.
    pub(super) fn wait(
        &self,
        address: u64,
        as_expected: impl FnOnce() -> bool,
        timeout: Option<Duration>,
        stopped: impl Fn() -> bool,
    ) -> Waited {
        // A time that cannot be reckoned with is centuries away.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let waiter = Arc::new(Waiter::default());
        {
            let mut queues = self.queues();
            if !as_expected() {
                return Waited::Mismatch;
            }
            queues.entry(address).or_default().push_back(waiter.clone());
        }
        loop {
            if stopped() {
                self.give_up(address, &waiter);
                return Waited::Stopped;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                let gave_up = self.give_up(address, &waiter);
                return if gave_up { Waited::TimedOut } else { Waited::Notified };
            }
            waiter.sleep(left);
            if waiter.is_notified() {
                return Waited::Notified;
            }
        }
    }

    /// Wakes up to `count` of the threads that wait at `address`, those first that came first; how many.
    pub(super) fn notify(&self, address: u64, count: u32) -> u32 {
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(&address) else { return 0 };
        let count = (count as usize).min(queue.len());
        for waiter in queue.drain(..count) {
            waiter.wake();
        }
        if queue.is_empty() {
            queues.remove(&address);
        }
        count as u32
    }

    /// Leaves the queue; false if it was notified already.
    fn give_up(&self, address: u64, waiter: &Arc<Waiter>) -> bool {
        let mut queues = self.queues();
        if waiter.is_notified() {
            return false;
        }
        if let Some(queue) = queues.get_mut(&address) {
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            if queue.is_empty() {
                queues.remove(&address);
            }
        }
        true
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        // Nothing that runs under the lock leaves the queues half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn is_notified(&self) -> bool {
        self.notified.load(Ordering::Acquire) != 0
    }

    /// Sleeps until it is notified, a signal arrives or the time is over; it may wake for no reason as well.
    fn sleep(&self, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word and the time live longer than the call, which only reads them. Every outcome is fine: the
        // caller looks for itself what happened.
        unsafe { libc::syscall(libc::SYS_futex, self.notified.as_ptr(), operation, 0, timeout) };
    }

    /// Notifies it, under the lock of its queue.
    fn wake(&self) {
        self.notified.store(1, Ordering::Release);
        let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the word lives longer than the call, which does not access it.
        unsafe { libc::syscall(libc::SYS_futex, self.notified.as_ptr(), operation, 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(parking: &Parking, timeout: Option<Duration>) -> Waited {
        parking.wait(8, || true, timeout, || false)
    }

    #[test]
    fn waits_end_by_themselves_when_their_time_is_over_or_the_value_is_another() {
        let parking = Parking::default();
        assert_eq!(wait(&parking, Some(Duration::ZERO)), Waited::TimedOut);
        assert_eq!(wait(&parking, Some(Duration::from_millis(1))), Waited::TimedOut);
        assert_eq!(parking.wait(8, || false, None, || false), Waited::Mismatch);
        assert_eq!(parking.wait(8, || true, None, || true), Waited::Stopped);
        assert_eq!(parking.notify(8, u32::MAX), 0);
        assert!(parking.queues().is_empty());
    }

    #[test]
    fn those_who_came_first_are_woken_first_and_no_more_than_were_asked_for() {
        let parking = Parking::default();
        std::thread::scope(|scope| {
            let mut waiting = Vec::new();
            for count in 1..=3 {
                waiting.push(scope.spawn(|| wait(&parking, None)));
                while parking.queues().get(&8).is_none_or(|queue| queue.len() < count) {
                    std::thread::yield_now();
                }
            }
            assert_eq!(parking.notify(16, 1), 0);
            assert_eq!(parking.notify(8, 0), 0);
            assert_eq!(parking.notify(8, 1), 1);
            assert_eq!(waiting.remove(0).join().unwrap(), Waited::Notified);
            assert_eq!(parking.queues()[&8].len(), 2);
            assert_eq!(parking.notify(8, u32::MAX), 2);
            assert!(waiting.into_iter().all(|waiter| waiter.join().unwrap() == Waited::Notified));
        });
        assert!(parking.queues().is_empty());
    }
}
