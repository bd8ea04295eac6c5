//! Waiting until one of several descriptors is ready, or a time has come.

use super::clock::timespec;
use super::error::HostResult;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::BorrowedFd;

/// What one wants to know of a descriptor, and what the kernel said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// A read would not block.
    pub(crate) read: bool,
    /// A write would not block.
    pub(crate) write: bool,
    /// The other end is gone.
    pub(crate) hangup: bool,
}

/// Waits until a descriptor is ready for what is asked of it, or until `timeout_ns` have passed.
pub(crate) fn wait(fds: &[(BorrowedFd<'_>, Readiness)], timeout_ns: u64) -> HostResult<Vec<Readiness>> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|(fd, asked)| PollFd::from_borrowed_fd(*fd, flags(*asked))).collect();
    rustix::event::poll(&mut polled, Some(&timespec(timeout_ns)))?;
    Ok(polled.iter().map(|fd| readiness(fd.revents())).collect())
}

/// What `fd` is ready for now.
pub(crate) fn ready_now(fd: BorrowedFd<'_>, asked: Readiness) -> HostResult<Readiness> {
    let mut polled = [PollFd::from_borrowed_fd(fd, flags(asked))];
    rustix::event::poll(&mut polled, Some(&timespec(0)))?;
    Ok(readiness(polled[0].revents()))
}

fn flags(asked: Readiness) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, asked.read);
    flags.set(PollFlags::OUT, asked.write);
    flags
}

fn readiness(said: PollFlags) -> Readiness {
    // An error or a hang-up makes both kinds of call return at once, with the reason.
    let ended = said.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
    Readiness {
        read: ended || said.contains(PollFlags::IN),
        write: ended || said.contains(PollFlags::OUT),
        hangup: said.contains(PollFlags::HUP),
    }
}
