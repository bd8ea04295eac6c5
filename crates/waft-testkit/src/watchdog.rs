//! Ends guests that a test expects to be endless, or fears to be.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;
use waft::InterruptHandle;

/// Interrupts one guest when its time is up, again and again until it is dropped.
#[derive(Debug)]
pub struct Watchdog {
    _stop: Sender<()>,
}

impl Watchdog {
    /// Gives the guest behind `guest` this long.
    pub fn start(guest: InterruptHandle, limit: Duration) -> Watchdog {
        let (stop, stopped) = mpsc::channel();
        std::thread::spawn(move || {
            let mut wait = limit;
            while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                guest.interrupt();
                wait = Duration::from_millis(10);
            }
        });
        Watchdog { _stop: stop }
    }
}
