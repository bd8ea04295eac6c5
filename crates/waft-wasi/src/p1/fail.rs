//! How a call can end other than well.

use super::errno::Errno;
use crate::host::ErrorCode;
use std::fmt;

/// How a call ended, if not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    /// The guest is told, and goes on.
    Errno(Errno),
    /// The guest passed a pointer that leaves its memory; it traps, as the specification says.
    Fault(Fault),
    /// Nothing went wrong, but here is a chance to stop the guest. If nobody wants that, the same call goes on where it was.
    Pause,
}

/// What a call gives.
pub(crate) type Outcome<T = ()> = Result<T, Fail>;

/// A piece of memory that the guest does not have.
// Small, so that every outcome comes back in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) start: u32,
    /// Bytes, or `u32::MAX` if there are more.
    pub(crate) len: u32,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pointer {:#x} to {} bytes is outside of the memory", self.start, self.len)
    }
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<ErrorCode> for Fail {
    fn from(code: ErrorCode) -> Self {
        match code {
            // By H4 the call can be made again; that a signal came is no concern of the guest's.
            ErrorCode::Interrupted => Self::Pause,
            code => Self::Errno(code.into()),
        }
    }
}

const _: () = assert!(size_of::<Outcome>() <= 16);
