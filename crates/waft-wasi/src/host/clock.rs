//! Clocks: what time it is, and how finely that is known.

use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

/// A clock that a guest can read. All are read through the kernel's shared page, without a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Time since 1970. It can jump when the host's clock is set.
    Realtime,
    /// Time since some moment before the program started. It never goes back.
    Monotonic,
    /// CPU time of the host process.
    ProcessCpuTime,
    /// CPU time of the host thread that runs the guest.
    ThreadCpuTime,
}

impl Clock {
    fn id(self) -> ClockId {
        match self {
            Self::Realtime => ClockId::Realtime,
            Self::Monotonic => ClockId::Monotonic,
            Self::ProcessCpuTime => ClockId::ProcessCPUTime,
            Self::ThreadCpuTime => ClockId::ThreadCPUTime,
        }
    }

    /// The time now, in nanoseconds.
    ///
    /// ```
    /// use waft_wasi::host::Clock;
    /// let before = Clock::Monotonic.now_ns();
    /// assert!(Clock::Monotonic.now_ns() >= before);
    /// ```
    pub fn now_ns(self) -> u64 {
        let now = clock_gettime(self.id());
        nanoseconds(now.tv_sec, now.tv_nsec)
    }

    /// The smallest step of the clock, in nanoseconds.
    ///
    /// ```
    /// use waft_wasi::host::Clock;
    /// assert!(Clock::Realtime.resolution_ns() > 0);
    /// ```
    pub fn resolution_ns(self) -> u64 {
        let step = clock_getres(self.id());
        nanoseconds(step.tv_sec, step.tv_nsec)
    }
}

/// Nanoseconds since 1970. A time before 1970 is 0 and one after the year 2554 is `u64::MAX`: a file may carry either,
/// and the guest's type has no room for them.
pub(crate) fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let total = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    u64::try_from(total.max(0)).unwrap_or(u64::MAX)
}

/// The other way round.
pub(crate) fn timespec(nanoseconds: u64) -> Timespec {
    // Both fit: the largest is 18,446,744,073 seconds.
    Timespec { tv_sec: (nanoseconds / 1_000_000_000) as i64, tv_nsec: (nanoseconds % 1_000_000_000) as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_the_guests_range_saturate() {
        assert_eq!(nanoseconds(-1, 999_999_999), 0);
        assert_eq!(nanoseconds(i64::MAX, 0), u64::MAX);
        assert_eq!(nanoseconds(1, 5), 1_000_000_005);
    }

    #[test]
    fn a_timespec_holds_every_guest_time() {
        let largest = timespec(u64::MAX);
        assert_eq!(nanoseconds(largest.tv_sec, largest.tv_nsec), u64::MAX);
    }
}
