//! Why guest code stops: one table, from which the codes, their names and their texts are made.

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// The reason that compiled code gives for a trap at one of its instructions.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum TrapCode {
            $($(#[$doc])* $name = $code,)*
        }

        impl TrapCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code with this number, as artifacts store it.
            pub const fn from_u8(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What a user reads.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

// Numbers are part of the artifact format, and Cranelift wants them non-zero: append, never renumber.
traps! {
    /// `unreachable` was executed.
    UnreachableCodeReached = 1, "wasm `unreachable` instruction executed";
    /// A load, store or bulk operation reached outside a memory.
    MemoryOutOfBounds = 2, "out of bounds memory access";
    /// A table operation or `call_indirect` reached outside a table.
    TableOutOfBounds = 3, "undefined element: out of bounds table access";
    /// `call_indirect` found null.
    IndirectCallToNull = 4, "uninitialized element";
    /// `call_indirect` found a function of another type.
    BadSignature = 5, "indirect call type mismatch";
    /// An integer operation's result cannot be represented.
    IntegerOverflow = 6, "integer overflow";
    /// An integer was divided by zero.
    IntegerDivisionByZero = 7, "integer divide by zero";
    /// A NaN was converted to an integer.
    BadConversionToInteger = 8, "invalid conversion to integer";
    /// The guest used up its stack.
    StackOverflow = 9, "call stack exhausted";
    /// The host asked the guest to stop.
    Interrupt = 10, "interrupted by the host";
    /// A null reference was used where none may be.
    NullReference = 11, "null reference";
    /// A cast found a value of another type.
    CastFailure = 13, "cast failure";
    /// An array was accessed outside of its elements.
    ArrayOutOfBounds = 14, "out of bounds array access";
    /// An array or the heap would be larger than it may be.
    AllocationTooLarge = 15, "allocation size too large";
    /// The GC heap holds what no guest put there; a bug, or an attack that was stopped.
    CorruptHeap = 16, "corrupt GC heap";
    /// A library call failed and left an error with the engine; never shown to a user.
    LibcallFailed = 12, "a library call failed";
    /// The address of an atomic access is not a multiple of its size.
    HeapMisaligned = 18, "unaligned atomic";
    /// A memory that is not shared was waited on.
    AtomicWaitNonSharedMemory = 19, "expected shared memory: a wait on a memory that is not shared";
}

impl core::fmt::Display for TrapCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for TrapCode {}
