//! Library calls: what compiled code asks the engine to do, because it is large, rare or grows something.
//!
//! Compiled code loads the function from the table that its `VmContext` points to and calls it by the C convention of
//! the machine, the context first; [`Libcall::Throw`] by that of guests, since it goes on where one of them catches. One table makes the enumeration, the signatures and the offsets.
//!
//! # Failure
//!
//! A library call never unwinds into compiled code. Those that give [`LibcallType::Ok`] or [`LibcallType::Ref`] answer 0
//! when they failed; the caller then traps at once with the code named in the table. Those that give
//! [`LibcallType::I64`] answer [`GROW_FAILED`], after which the caller traps with [`TrapCode::LibcallFailed`] and the
//! engine reports the error that it kept; `memory_grow` and `table_grow` answer [`GROW_REFUSED`] for what is no failure
//! (the guest sees -1).

use crate::trap::TrapCode;

/// What `memory_grow` and `table_grow` answer when the size stays: the guest's own -1.
pub const GROW_REFUSED: i64 = -1;
/// What they answer when the engine holds an error to raise.
pub const GROW_FAILED: i64 = -2;

/// The type of a library call's parameter or result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LibcallType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer, or a reference widened to 64 bits.
    I64,
    /// A 32-bit result: non-zero when the call did its work.
    Ok,
    /// A 32-bit result: a reference into the GC heap or a number, never 0 when the call did its work.
    Ref,
}

macro_rules! libcalls {
    ($($(#[$doc:meta])* $variant:ident $name:ident($($param:ident: $ty:ident),*) -> $result:tt / $trap:ident;)*) => {
        /// One library call.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Libcall {
            $($(#[$doc])* $variant,)*
        }

        impl Libcall {
            /// Every library call, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)* }
            }

            /// The parameters after the context.
            pub const fn params(self) -> &'static [LibcallType] {
                match self { $(Self::$variant => &[$(LibcallType::$ty),*],)* }
            }

            /// The result, if there is one.
            pub const fn result(self) -> Option<LibcallType> {
                match self { $(Self::$variant => libcalls!(@result $result),)* }
            }

            /// The code with which the caller traps when the call failed.
            pub const fn trap(self) -> TrapCode {
                match self { $(Self::$variant => TrapCode::$trap,)* }
            }
        }

        /// Hands the rows of the table to the macro `$then`: `name(param: type, ...) -> result;` for each call.
        #[macro_export]
        macro_rules! for_each_libcall {
            ($then:ident) => { $then! { $($name($($param: $ty),*) -> $result;)* } };
        }
    };
    (@result ()) => { None };
    (@result $ty:ident) => { Some(LibcallType::$ty) };
}

libcalls! {
    /// Grows a memory by `delta` pages; the pages it had before.
    MemoryGrow memory_grow(memory: I32, delta: I64) -> I64 / LibcallFailed;
    /// Copies `len` bytes between addresses whose ranges the caller has checked; they may overlap.
    MemoryMove memory_move(dst: I64, src: I64, len: I64) -> () / LibcallFailed;
    /// Sets `len` bytes from an address on, whose range the caller has checked, to the low byte of `value`.
    MemorySet memory_set(dst: I64, value: I32, len: I64) -> () / LibcallFailed;
    /// Copies from a passive data segment.
    MemoryInit memory_init(memory: I32, data: I32, dst: I64, src: I32, len: I32) -> Ok / MemoryOutOfBounds;
    /// Drops a data segment.
    DataDrop data_drop(data: I32) -> () / LibcallFailed;
    /// Grows a table by `delta` elements of value `init`; the elements it had before.
    TableGrow table_grow(table: I32, init: I64, delta: I64) -> I64 / LibcallFailed;
    /// Copies within or between tables.
    TableCopy table_copy(dst_table: I32, src_table: I32, dst: I64, src: I64, len: I64) -> Ok / TableOutOfBounds;
    /// Fills a range of a table with one reference.
    TableFill table_fill(table: I32, dst: I64, value: I64, len: I64) -> Ok / TableOutOfBounds;
    /// Copies from a passive element segment.
    TableInit table_init(table: I32, elem: I32, dst: I64, src: I32, len: I32) -> Ok / TableOutOfBounds;
    /// Drops an element segment.
    ElemDrop elem_drop(elem: I32) -> () / LibcallFailed;
    /// Throws an exception; it never returns. `again` is not 0 if a landing lets an exception go on that it does not catch.
    Throw throw(exception: I32, again: I32) -> () / LibcallFailed;
    /// Says that a budget is used up: the function's calls, or its loops at the loop `loop_at` bytes into the body, where its state
    /// is `bytes` bytes below `state`. The code to go on with, which has taken the state by then, or 0 to go on.
    TierUp tier_up(func: I32, loop_at: I32, state: I64, bytes: I32) -> I64 / LibcallFailed;
    /// Finds room for a young object of `bytes` bytes, after a collection if need be.
    GcAlloc gc_alloc(bytes: I32) -> Ref / LibcallFailed;
    /// Makes an array, too large for the nursery, of zeros or nulls.
    ArrayNewLarge array_new_large(ty: I32, length: I32) -> Ref / LibcallFailed;
    /// Notes `count` slots of an old object, from the offset `first` on, that may refer to young ones.
    GcRemember gc_remember(first: I32, count: I32) -> () / LibcallFailed;
    /// Gives a function the number by which the GC heap refers to it.
    FuncNumber func_number(func: I64) -> Ref / LibcallFailed;
    /// Sets a range of an array to one value, whose bits are in two words.
    ArrayFill array_fill(array: I32, at: I32, low: I64, high: I64, length: I32) -> Ok / ArrayOutOfBounds;
    /// Copies within or between arrays.
    ArrayCopy array_copy(dst: I32, dst_at: I32, src: I32, src_at: I32, length: I32) -> Ok / ArrayOutOfBounds;
    /// Makes an array of what is in a data segment.
    ArrayNewData array_new_data(ty: I32, data: I32, start: I32, length: I32) -> Ref / LibcallFailed;
    /// Makes an array of what is in an element segment.
    ArrayNewElem array_new_elem(ty: I32, elem: I32, start: I32, length: I32) -> Ref / LibcallFailed;
    /// Copies from a data segment into an array.
    ArrayInitData array_init_data(array: I32, at: I32, data: I32, src: I32, length: I32) -> Ok / LibcallFailed;
    /// Copies from an element segment into an array.
    ArrayInitElem array_init_elem(array: I32, at: I32, elem: I32, src: I32, length: I32) -> Ok / LibcallFailed;
    /// Wakes `count` threads that wait at an address of a memory; how many there were. The address is aligned.
    AtomicNotify atomic_notify(memory: I32, address: I64, count: I32) -> I64 / LibcallFailed;
    /// Waits, for `timeout` nanoseconds or for ever if it is negative, to be woken, if the memory has what is expected at
    /// the address, which is aligned: 0 when woken, 1 if it has not, 2 when the time is over.
    AtomicWait32 atomic_wait32(memory: I32, address: I64, expected: I32, timeout: I64) -> I64 / LibcallFailed;
    /// The same with 64 bits.
    AtomicWait64 atomic_wait64(memory: I32, address: I64, expected: I64, timeout: I64) -> I64 / LibcallFailed;
}

impl Libcall {
    /// Where its address stands in the table of library calls, in bytes.
    pub const fn table_offset(self) -> u32 {
        self as u32 * 8
    }
}
