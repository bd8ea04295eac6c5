//! Rights: what a guest lets itself do with a descriptor.
//!
//! They are the guest's own bookkeeping: it can give rights up, for a descriptor and for what is opened through it, and
//! never gets them back. What the *embedder* does not grant is no matter of rights: a directory granted read-only has
//! all of them, because guests' libraries look at rights before they call, and would make a file that cannot be
//! written out of one that must not be. There, the call itself says `PERM`.

use std::ops::BitOr;

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights(u64);

macro_rules! rights {
    ($($name:ident = $bit:literal,)*) => {
        impl Rights {
            $(pub(crate) const $name: Self = Self(1 << $bit);)*
            /// Every right that there is.
            pub(crate) const ALL: Self = Self($(1 << $bit)|*);
        }
    };
}

rights! {
    FD_DATASYNC = 0,
    FD_READ = 1,
    FD_SEEK = 2,
    FD_FDSTAT_SET_FLAGS = 3,
    FD_SYNC = 4,
    FD_TELL = 5,
    FD_WRITE = 6,
    FD_ADVISE = 7,
    FD_ALLOCATE = 8,
    PATH_CREATE_DIRECTORY = 9,
    PATH_CREATE_FILE = 10,
    PATH_LINK_SOURCE = 11,
    PATH_LINK_TARGET = 12,
    PATH_OPEN = 13,
    FD_READDIR = 14,
    PATH_READLINK = 15,
    PATH_RENAME_SOURCE = 16,
    PATH_RENAME_TARGET = 17,
    PATH_FILESTAT_GET = 18,
    PATH_FILESTAT_SET_SIZE = 19,
    PATH_FILESTAT_SET_TIMES = 20,
    FD_FILESTAT_GET = 21,
    FD_FILESTAT_SET_SIZE = 22,
    FD_FILESTAT_SET_TIMES = 23,
    PATH_SYMLINK = 24,
    PATH_REMOVE_DIRECTORY = 25,
    PATH_UNLINK_FILE = 26,
    POLL_FD_READWRITE = 27,
    SOCK_SHUTDOWN = 28,
    SOCK_ACCEPT = 29,
}

impl Rights {
    /// What can be done with a file that is open.
    pub(crate) const FILE: Self = Self::FD_DATASYNC
        .and(Self::FD_READ)
        .and(Self::FD_SEEK)
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::FD_SYNC)
        .and(Self::FD_TELL)
        .and(Self::FD_WRITE)
        .and(Self::FD_ADVISE)
        .and(Self::FD_ALLOCATE)
        .and(Self::FD_FILESTAT_GET)
        .and(Self::FD_FILESTAT_SET_SIZE)
        .and(Self::FD_FILESTAT_SET_TIMES)
        .and(Self::POLL_FD_READWRITE);

    /// What a granted directory starts with. None of the rights in which an open file differs from a directory is among
    /// them, so that a guest may open the directory again with what it sees here.
    pub(crate) const PREOPEN: Self = Self::PATH_CREATE_DIRECTORY
        .and(Self::PATH_CREATE_FILE)
        .and(Self::PATH_LINK_SOURCE)
        .and(Self::PATH_LINK_TARGET)
        .and(Self::PATH_OPEN)
        .and(Self::FD_READDIR)
        .and(Self::PATH_READLINK)
        .and(Self::PATH_RENAME_SOURCE)
        .and(Self::PATH_RENAME_TARGET)
        .and(Self::PATH_FILESTAT_GET)
        .and(Self::PATH_FILESTAT_SET_SIZE)
        .and(Self::PATH_FILESTAT_SET_TIMES)
        .and(Self::FD_FILESTAT_GET)
        .and(Self::FD_FILESTAT_SET_TIMES)
        .and(Self::FD_DATASYNC)
        .and(Self::FD_SYNC)
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::PATH_SYMLINK)
        .and(Self::PATH_REMOVE_DIRECTORY)
        .and(Self::PATH_UNLINK_FILE);

    /// What can be done with any directory. `FD_READ` does nothing, but says to libraries what it was opened for.
    pub(crate) const DIR: Self = Self::PREOPEN.and(Self::FD_READ);

    /// What is opened beneath a granted directory may have all of these.
    pub(crate) const PREOPEN_INHERITING: Self = Self::PREOPEN.and(Self::FILE);

    /// What can be done with a standard stream beside reading or writing it, though it is not reported: libraries take a
    /// descriptor for a terminal only if it reports little more than that.
    pub(crate) const STREAM_UNREPORTED: Self =
        Self::FD_FILESTAT_GET.and(Self::FD_FDSTAT_SET_FLAGS).and(Self::POLL_FD_READWRITE);

    /// What can be done with a socket, or with what it accepts.
    pub(crate) const SOCKET: Self = Self::FD_READ
        .and(Self::FD_WRITE)
        .and(Self::FD_FDSTAT_SET_FLAGS)
        .and(Self::FD_FILESTAT_GET)
        .and(Self::POLL_FD_READWRITE)
        .and(Self::SOCK_SHUTDOWN)
        .and(Self::SOCK_ACCEPT);

    /// The rights of a guest's word. Bits that mean nothing are dropped: guests ask for "everything" by all ones.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits & Self::ALL.0)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    #[inline]
    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_granted_directory_can_be_opened_again_with_the_rights_it_has() {
        assert!(Rights::PREOPEN_INHERITING.contains(Rights::PREOPEN));
        assert!(
            !Rights::PREOPEN.intersects(Rights::FD_WRITE | Rights::FD_SEEK | Rights::FD_FILESTAT_SET_SIZE)
        );
    }

    #[test]
    fn all_ones_are_all_rights() {
        assert_eq!(Rights::from_bits(u64::MAX).bits(), (1 << 30) - 1);
    }
}
