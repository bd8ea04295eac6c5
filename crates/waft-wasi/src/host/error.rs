//! Why a host operation failed, in the words of WASI 0.3.
//!
//! One row per code: its name, the kernel's error numbers that mean it, and what it says.

use rustix::io::Errno;
use std::fmt;

macro_rules! error_codes {
    ($($name:ident [$($kernel:ident)*] $text:literal)*) => {
        /// Why a host operation failed.
        ///
        /// ```
        /// use waft_wasi::host::ErrorCode;
        /// assert_eq!(ErrorCode::NoEntry.to_string(), "no such file or directory");
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $text] $name,)*
        }

        impl ErrorCode {
            /// What the code says, in lower case and without a full stop.
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        impl From<Errno> for ErrorCode {
            fn from(errno: Errno) -> Self {
                match errno {
                    $($(Errno::$kernel => Self::$name,)*)*
                    // A number that no row names is a failure of the host that a guest can do nothing about.
                    _ => Self::Io,
                }
            }
        }
    };
}

error_codes! {
    Access                [ACCESS]               "permission denied by the host"
    AlreadyInProgress     [ALREADY]              "the connection is already in progress"
    BadDescriptor         [BADF]                 "not a descriptor that this operation works on"
    Busy                  [BUSY]                 "the resource is in use"
    ConnectionAborted     [CONNABORTED]          "the connection was aborted"
    ConnectionRefused     [CONNREFUSED]          "the connection was refused"
    ConnectionReset       [CONNRESET]            "the connection was reset"
    CrossDevice           [XDEV]                 "the two paths are on different file systems"
    Deadlock              [DEADLK]               "it would deadlock"
    DestinationRequired   [DESTADDRREQ]          "a destination address is required"
    Exist                 [EXIST]                "the file exists"
    FileTooLarge          [FBIG]                 "the file is too large"
    HostUnreachable       [HOSTUNREACH]          "the host is unreachable"
    IllegalByteSequence   [ILSEQ]                "not valid UTF-8"
    InProgress            [INPROGRESS]           "the operation is in progress"
    InsufficientMemory    [NOMEM]                "not enough memory"
    InsufficientSpace     [NOSPC]                "no space left"
    Interrupted           [INTR]                 "interrupted by a signal before it had an effect"
    Invalid               [INVAL]                "invalid argument"
    InvalidSeek           [SPIPE]                "the descriptor has no position"
    Io                    [IO]                   "input or output error"
    IsConnected           [ISCONN]               "the socket is connected"
    IsDirectory           [ISDIR]                "it is a directory"
    Loop                  [LOOP]                 "too many symbolic links, or one that may not be followed"
    MessageSize           [MSGSIZE]              "the message is too long"
    NameTooLong           [NAMETOOLONG]          "the name is too long"
    NetworkDown           [NETDOWN]              "the network is down"
    NetworkReset          [NETRESET]             "the network dropped the connection"
    NetworkUnreachable    [NETUNREACH]           "the network is unreachable"
    NoBufferSpace         [NOBUFS]               "no buffer space left"
    NoDevice              [NODEV]                "no such device"
    NoEntry               [NOENT]                "no such file or directory"
    NoLock                [NOLCK]                "no lock left"
    NoSuchDevice          [NXIO]                 "no such device or address"
    NoTty                 [NOTTY]                "not a terminal"
    NotConnected          [NOTCONN]              "the socket is not connected"
    NotDirectory          [NOTDIR]               "it is not a directory"
    NotEmpty              [NOTEMPTY]             "the directory is not empty"
    NotPermitted          [PERM]                 "not permitted, or outside the granted directory"
    NotRecoverable        [NOTRECOVERABLE]       "the state is not recoverable"
    NotSocket             [NOTSOCK]              "it is not a socket"
    Overflow              [OVERFLOW]             "the value is too large for its type"
    Pipe                  [PIPE]                 "the other end is closed"
    Quota                 [DQUOT]                "the disk quota is exceeded"
    ReadOnly              [ROFS]                 "the file system is read-only"
    Stale                 [STALE]                "the file handle is stale"
    TextFileBusy          [TXTBSY]               "the program file is in use"
    TimedOut              [TIMEDOUT]             "it timed out"
    TooManyFiles          [MFILE]                "too many open descriptors"
    TooManyFilesInSystem  [NFILE]                "too many open files in the system"
    TooManyLinks          [MLINK]                "too many links"
    Unsupported           [NOTSUP NOSYS]         "not supported"
    WouldBlock            [AGAIN]                "it would block"
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for ErrorCode {}

/// What a host operation gives.
pub type HostResult<T> = Result<T, ErrorCode>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_errors_keep_their_meaning() {
        assert_eq!(ErrorCode::from(Errno::NOENT), ErrorCode::NoEntry);
        assert_eq!(ErrorCode::from(Errno::OPNOTSUPP), ErrorCode::Unsupported);
        assert_eq!(ErrorCode::from(Errno::WOULDBLOCK), ErrorCode::WouldBlock);
    }

    #[test]
    fn an_unknown_kernel_error_is_an_io_error() {
        assert_eq!(ErrorCode::from(Errno::UCLEAN), ErrorCode::Io);
    }
}
