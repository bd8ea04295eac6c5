//! Error numbers of WASI 0.1, and which failure of the host is which.

use crate::host::ErrorCode;
use std::fmt;

macro_rules! errnos {
    ($($name:ident = $number:literal [$($code:ident)*] $text:literal)*) => {
        /// What a call of WASI 0.1 returns.
        ///
        /// ```
        /// use waft_wasi::{host::ErrorCode, p1::Errno};
        /// assert_eq!(Errno::from(ErrorCode::NoEntry), Errno::Noent);
        /// assert_eq!(Errno::Noent as u16, 44);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $text] $name = $number,)*
        }

        impl Errno {
            /// What the number says.
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        impl From<ErrorCode> for Errno {
            fn from(code: ErrorCode) -> Self {
                match code { $($(ErrorCode::$code => Self::$name,)*)* }
            }
        }
    };
}

errnos! {
    Success        = 0  []                       "success"
    TooBig         = 1  []                       "argument list too long"
    Acces          = 2  [Access]                 "permission denied"
    Addrinuse      = 3  []                       "address in use"
    Addrnotavail   = 4  []                       "address not available"
    Afnosupport    = 5  []                       "address family not supported"
    Again          = 6  [WouldBlock]             "resource unavailable, or operation would block"
    Already        = 7  [AlreadyInProgress]      "connection already in progress"
    Badf           = 8  [BadDescriptor]          "bad file descriptor"
    Badmsg         = 9  []                       "bad message"
    Busy           = 10 [Busy]                   "device or resource busy"
    Canceled       = 11 []                       "operation canceled"
    Child          = 12 []                       "no child processes"
    Connaborted    = 13 [ConnectionAborted]      "connection aborted"
    Connrefused    = 14 [ConnectionRefused]      "connection refused"
    Connreset      = 15 [ConnectionReset]        "connection reset"
    Deadlk         = 16 [Deadlock]               "resource deadlock would occur"
    Destaddrreq    = 17 [DestinationRequired]    "destination address required"
    Dom            = 18 []                       "mathematics argument out of domain of function"
    Dquot          = 19 [Quota]                  "disk quota exceeded"
    Exist          = 20 [Exist]                  "file exists"
    Fault          = 21 []                       "bad address"
    Fbig           = 22 [FileTooLarge]           "file too large"
    Hostunreach    = 23 [HostUnreachable]        "host is unreachable"
    Idrm           = 24 []                       "identifier removed"
    Ilseq          = 25 [IllegalByteSequence]    "illegal byte sequence"
    Inprogress     = 26 [InProgress]             "operation in progress"
    Intr           = 27 [Interrupted]            "interrupted function"
    Inval          = 28 [Invalid]                "invalid argument"
    Io             = 29 [Io]                     "input or output error"
    Isconn         = 30 [IsConnected]            "socket is connected"
    Isdir          = 31 [IsDirectory]            "is a directory"
    Loop           = 32 [Loop]                   "too many levels of symbolic links"
    Mfile          = 33 [TooManyFiles]           "file descriptor value too large"
    Mlink          = 34 [TooManyLinks]           "too many links"
    Msgsize        = 35 [MessageSize]            "message too large"
    Multihop       = 36 []                       "multihop attempted"
    Nametoolong    = 37 [NameTooLong]            "filename too long"
    Netdown        = 38 [NetworkDown]            "network is down"
    Netreset       = 39 [NetworkReset]           "connection aborted by network"
    Netunreach     = 40 [NetworkUnreachable]     "network unreachable"
    Nfile          = 41 [TooManyFilesInSystem]   "too many files open in system"
    Nobufs         = 42 [NoBufferSpace]          "no buffer space available"
    Nodev          = 43 [NoDevice]               "no such device"
    Noent          = 44 [NoEntry]                "no such file or directory"
    Noexec         = 45 []                       "executable file format error"
    Nolck          = 46 [NoLock]                 "no locks available"
    Nolink         = 47 []                       "link has been severed"
    Nomem          = 48 [InsufficientMemory]     "not enough space"
    Nomsg          = 49 []                       "no message of the desired type"
    Noprotoopt     = 50 []                       "protocol not available"
    Nospc          = 51 [InsufficientSpace]      "no space left on device"
    Nosys          = 52 []                       "function not supported"
    Notconn        = 53 [NotConnected]           "the socket is not connected"
    Notdir         = 54 [NotDirectory]           "not a directory or a symbolic link to a directory"
    Notempty       = 55 [NotEmpty]               "directory not empty"
    Notrecoverable = 56 [NotRecoverable]         "state not recoverable"
    Notsock        = 57 [NotSocket]              "not a socket"
    Notsup         = 58 [Unsupported]            "not supported, or operation not supported on socket"
    Notty          = 59 [NoTty]                  "inappropriate i/o control operation"
    Nxio           = 60 [NoSuchDevice]           "no such device or address"
    Overflow       = 61 [Overflow]               "value too large to be stored in data type"
    Ownerdead      = 62 []                       "previous owner died"
    Perm           = 63 [NotPermitted]           "operation not permitted"
    Pipe           = 64 [Pipe]                   "broken pipe"
    Proto          = 65 []                       "protocol error"
    Protonosupport = 66 []                       "protocol not supported"
    Prototype      = 67 []                       "protocol wrong type for socket"
    Range          = 68 []                       "result too large"
    Rofs           = 69 [ReadOnly]               "read-only file system"
    Spipe          = 70 [InvalidSeek]            "invalid seek"
    Srch           = 71 []                       "no such process"
    Stale          = 72 [Stale]                  "stale file handle"
    Timedout       = 73 [TimedOut]               "connection timed out"
    Txtbsy         = 74 [TextFileBusy]           "text file busy"
    Xdev           = 75 [CrossDevice]            "cross-device link"
    Notcapable     = 76 []                       "capabilities insufficient"
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl std::error::Error for Errno {}
