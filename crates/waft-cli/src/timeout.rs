//! Ends a guest that runs longer than it may.

use crate::exit;
use crate::units::format_duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use waft::InterruptHandle;

/// How long an interrupted guest may take to come back before the process ends without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running clock; dropping it stops it.
pub(crate) struct Timeout {
    expired: Arc<AtomicBool>,
    _stop: Sender<()>,
}

impl Timeout {
    /// Interrupts the guest behind `guest` when `limit` has passed.
    ///
    /// A guest that is stuck in the host where no interrupt reaches it ends with the process, with `exit_code`.
    pub(crate) fn start(guest: InterruptHandle, limit: Duration, exit_code: u8) -> Timeout {
        let expired = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = mpsc::channel();
        let seen = Arc::clone(&expired);
        std::thread::spawn(move || {
            if stopped.recv_timeout(limit) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            seen.store(true, Ordering::Release);
            guest.interrupt();
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            exit::say(format_args!(
                "error: the guest ran for {}, and then did not stop when told to",
                format_duration(limit)
            ));
            std::process::exit(i32::from(exit_code));
        });
        Timeout { expired, _stop: stop }
    }

    /// Whether time ran out.
    pub(crate) fn expired(&self) -> bool {
        self.expired.load(Ordering::Acquire)
    }
}
