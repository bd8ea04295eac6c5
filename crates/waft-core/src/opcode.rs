//! Opcodes of one byte, what follows them, and what those do to the operands that do the same whatever follows.

/// What follows an opcode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Immediates {
    /// Nothing.
    None,
    /// A number.
    Number,
    /// Two numbers.
    Numbers,
    /// The type of a block.
    Block,
    /// Where in which memory.
    MemArg,
    /// Four bytes.
    Bytes4,
    /// Eight bytes.
    Bytes8,
    /// Something else, or no opcode that we know.
    Other,
}

/// The types of numbers and vectors, and those of references that have a byte of their own, as the binary format encodes them.
pub mod value {
    /// No value.
    pub const NONE: u8 = 0;
    /// `exnref`
    pub const EXNREF: u8 = 0x69;
    /// `externref`
    pub const EXTERNREF: u8 = 0x6f;
    /// `funcref`
    pub const FUNCREF: u8 = 0x70;
    /// `v128`
    pub const V128: u8 = 0x7b;
    /// `f64`
    pub const F64: u8 = 0x7c;
    /// `f32`
    pub const F32: u8 = 0x7d;
    /// `i64`
    pub const I64: u8 = 0x7e;
    /// `i32`
    pub const I32: u8 = 0x7f;
}

/// What an operator does to the operands. For an access, as in a memory of 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effect {
    /// What it takes, the last one on top, and how many there are; none where it takes what the table cannot say.
    pub pops: [u8; 2],
    /// How many it takes.
    pub count: u8,
    /// What it gives, or [`value::NONE`].
    pub push: u8,
    /// The largest alignment of an access, as an exponent of two.
    pub align: u8,
}

impl Effect {
    const fn new(pops: &[u8], push: u8, align: u8) -> Self {
        let pops = match *pops {
            [] => return Self { pops: [value::NONE; 2], count: 0, push, align },
            [one] => [one, value::NONE],
            [first, second] => [first, second],
            _ => panic!("no operator of one byte takes more"),
        };
        let count = if pops[1] == value::NONE { 1 } else { 2 };
        Self { pops, count, push, align }
    }
}

macro_rules! opcodes {
    ($($byte:literal $name:ident $immediates:ident $(($($pop:ident)*) $push:ident $(align $align:literal)?)?,)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`")]
            pub const $name: u8 = $byte;
        )*

        /// What follows each opcode.
        pub const IMMEDIATES: [Immediates; 256] = {
            let mut table = [Immediates::Other; 256];
            $(table[$byte] = Immediates::$immediates;)*
            table
        };

        /// What each opcode does to the operands.
        pub const EFFECTS: [Effect; 256] = {
            let mut table = [Effect::new(&[], value::NONE, 0); 256];
            $($(table[$byte] = Effect::new(&[$(value::$pop),*], value::$push, 0 $(+ $align)?);)?)*
            table
        };

        /// The name of each opcode.
        pub const NAMES: &[(u8, &str)] = &[$(($byte, stringify!($name))),*];
    };
}

opcodes! {
    0x00 UNREACHABLE None,
    0x01 NOP None,
    0x02 BLOCK Block,
    0x03 LOOP Block,
    0x04 IF Block,
    0x05 ELSE None,
    0x06 TRY Block,
    0x07 CATCH Number,
    0x08 THROW Number,
    0x09 RETHROW Number,
    0x0a THROW_REF None,
    0x0b END None,
    0x0c BR Number,
    0x0d BR_IF Number,
    0x0e BR_TABLE Other,
    0x0f RETURN None,
    0x10 CALL Number,
    0x11 CALL_INDIRECT Numbers,
    0x12 RETURN_CALL Number,
    0x13 RETURN_CALL_INDIRECT Numbers,
    0x14 CALL_REF Number,
    0x15 RETURN_CALL_REF Number,
    0x18 DELEGATE Number,
    0x19 CATCH_ALL None,
    0x1a DROP None,
    0x1b SELECT None,
    0x1c TYPED_SELECT Other,
    0x1f TRY_TABLE Other,
    0x20 LOCAL_GET Number,
    0x21 LOCAL_SET Number,
    0x22 LOCAL_TEE Number,
    0x23 GLOBAL_GET Number,
    0x24 GLOBAL_SET Number,
    0x25 TABLE_GET Number,
    0x26 TABLE_SET Number,
    0x28 I32_LOAD MemArg (I32) I32 align 2,
    0x29 I64_LOAD MemArg (I32) I64 align 3,
    0x2a F32_LOAD MemArg (I32) F32 align 2,
    0x2b F64_LOAD MemArg (I32) F64 align 3,
    0x2c I32_LOAD8_S MemArg (I32) I32 align 0,
    0x2d I32_LOAD8_U MemArg (I32) I32 align 0,
    0x2e I32_LOAD16_S MemArg (I32) I32 align 1,
    0x2f I32_LOAD16_U MemArg (I32) I32 align 1,
    0x30 I64_LOAD8_S MemArg (I32) I64 align 0,
    0x31 I64_LOAD8_U MemArg (I32) I64 align 0,
    0x32 I64_LOAD16_S MemArg (I32) I64 align 1,
    0x33 I64_LOAD16_U MemArg (I32) I64 align 1,
    0x34 I64_LOAD32_S MemArg (I32) I64 align 2,
    0x35 I64_LOAD32_U MemArg (I32) I64 align 2,
    0x36 I32_STORE MemArg (I32 I32) NONE align 2,
    0x37 I64_STORE MemArg (I32 I64) NONE align 3,
    0x38 F32_STORE MemArg (I32 F32) NONE align 2,
    0x39 F64_STORE MemArg (I32 F64) NONE align 3,
    0x3a I32_STORE8 MemArg (I32 I32) NONE align 0,
    0x3b I32_STORE16 MemArg (I32 I32) NONE align 1,
    0x3c I64_STORE8 MemArg (I32 I64) NONE align 0,
    0x3d I64_STORE16 MemArg (I32 I64) NONE align 1,
    0x3e I64_STORE32 MemArg (I32 I64) NONE align 2,
    0x3f MEMORY_SIZE Number,
    0x40 MEMORY_GROW Number,
    0x41 I32_CONST Number,
    0x42 I64_CONST Number,
    0x43 F32_CONST Bytes4,
    0x44 F64_CONST Bytes8,
    0x45 I32_EQZ None (I32) I32,
    0x46 I32_EQ None (I32 I32) I32,
    0x47 I32_NE None (I32 I32) I32,
    0x48 I32_LT_S None (I32 I32) I32,
    0x49 I32_LT_U None (I32 I32) I32,
    0x4a I32_GT_S None (I32 I32) I32,
    0x4b I32_GT_U None (I32 I32) I32,
    0x4c I32_LE_S None (I32 I32) I32,
    0x4d I32_LE_U None (I32 I32) I32,
    0x4e I32_GE_S None (I32 I32) I32,
    0x4f I32_GE_U None (I32 I32) I32,
    0x50 I64_EQZ None (I64) I32,
    0x51 I64_EQ None (I64 I64) I32,
    0x52 I64_NE None (I64 I64) I32,
    0x53 I64_LT_S None (I64 I64) I32,
    0x54 I64_LT_U None (I64 I64) I32,
    0x55 I64_GT_S None (I64 I64) I32,
    0x56 I64_GT_U None (I64 I64) I32,
    0x57 I64_LE_S None (I64 I64) I32,
    0x58 I64_LE_U None (I64 I64) I32,
    0x59 I64_GE_S None (I64 I64) I32,
    0x5a I64_GE_U None (I64 I64) I32,
    0x5b F32_EQ None (F32 F32) I32,
    0x5c F32_NE None (F32 F32) I32,
    0x5d F32_LT None (F32 F32) I32,
    0x5e F32_GT None (F32 F32) I32,
    0x5f F32_LE None (F32 F32) I32,
    0x60 F32_GE None (F32 F32) I32,
    0x61 F64_EQ None (F64 F64) I32,
    0x62 F64_NE None (F64 F64) I32,
    0x63 F64_LT None (F64 F64) I32,
    0x64 F64_GT None (F64 F64) I32,
    0x65 F64_LE None (F64 F64) I32,
    0x66 F64_GE None (F64 F64) I32,
    0x67 I32_CLZ None (I32) I32,
    0x68 I32_CTZ None (I32) I32,
    0x69 I32_POPCNT None (I32) I32,
    0x6a I32_ADD None (I32 I32) I32,
    0x6b I32_SUB None (I32 I32) I32,
    0x6c I32_MUL None (I32 I32) I32,
    0x6d I32_DIV_S None (I32 I32) I32,
    0x6e I32_DIV_U None (I32 I32) I32,
    0x6f I32_REM_S None (I32 I32) I32,
    0x70 I32_REM_U None (I32 I32) I32,
    0x71 I32_AND None (I32 I32) I32,
    0x72 I32_OR None (I32 I32) I32,
    0x73 I32_XOR None (I32 I32) I32,
    0x74 I32_SHL None (I32 I32) I32,
    0x75 I32_SHR_S None (I32 I32) I32,
    0x76 I32_SHR_U None (I32 I32) I32,
    0x77 I32_ROTL None (I32 I32) I32,
    0x78 I32_ROTR None (I32 I32) I32,
    0x79 I64_CLZ None (I64) I64,
    0x7a I64_CTZ None (I64) I64,
    0x7b I64_POPCNT None (I64) I64,
    0x7c I64_ADD None (I64 I64) I64,
    0x7d I64_SUB None (I64 I64) I64,
    0x7e I64_MUL None (I64 I64) I64,
    0x7f I64_DIV_S None (I64 I64) I64,
    0x80 I64_DIV_U None (I64 I64) I64,
    0x81 I64_REM_S None (I64 I64) I64,
    0x82 I64_REM_U None (I64 I64) I64,
    0x83 I64_AND None (I64 I64) I64,
    0x84 I64_OR None (I64 I64) I64,
    0x85 I64_XOR None (I64 I64) I64,
    0x86 I64_SHL None (I64 I64) I64,
    0x87 I64_SHR_S None (I64 I64) I64,
    0x88 I64_SHR_U None (I64 I64) I64,
    0x89 I64_ROTL None (I64 I64) I64,
    0x8a I64_ROTR None (I64 I64) I64,
    0x8b F32_ABS None (F32) F32,
    0x8c F32_NEG None (F32) F32,
    0x8d F32_CEIL None (F32) F32,
    0x8e F32_FLOOR None (F32) F32,
    0x8f F32_TRUNC None (F32) F32,
    0x90 F32_NEAREST None (F32) F32,
    0x91 F32_SQRT None (F32) F32,
    0x92 F32_ADD None (F32 F32) F32,
    0x93 F32_SUB None (F32 F32) F32,
    0x94 F32_MUL None (F32 F32) F32,
    0x95 F32_DIV None (F32 F32) F32,
    0x96 F32_MIN None (F32 F32) F32,
    0x97 F32_MAX None (F32 F32) F32,
    0x98 F32_COPYSIGN None (F32 F32) F32,
    0x99 F64_ABS None (F64) F64,
    0x9a F64_NEG None (F64) F64,
    0x9b F64_CEIL None (F64) F64,
    0x9c F64_FLOOR None (F64) F64,
    0x9d F64_TRUNC None (F64) F64,
    0x9e F64_NEAREST None (F64) F64,
    0x9f F64_SQRT None (F64) F64,
    0xa0 F64_ADD None (F64 F64) F64,
    0xa1 F64_SUB None (F64 F64) F64,
    0xa2 F64_MUL None (F64 F64) F64,
    0xa3 F64_DIV None (F64 F64) F64,
    0xa4 F64_MIN None (F64 F64) F64,
    0xa5 F64_MAX None (F64 F64) F64,
    0xa6 F64_COPYSIGN None (F64 F64) F64,
    0xa7 I32_WRAP_I64 None (I64) I32,
    0xa8 I32_TRUNC_F32_S None (F32) I32,
    0xa9 I32_TRUNC_F32_U None (F32) I32,
    0xaa I32_TRUNC_F64_S None (F64) I32,
    0xab I32_TRUNC_F64_U None (F64) I32,
    0xac I64_EXTEND_I32_S None (I32) I64,
    0xad I64_EXTEND_I32_U None (I32) I64,
    0xae I64_TRUNC_F32_S None (F32) I64,
    0xaf I64_TRUNC_F32_U None (F32) I64,
    0xb0 I64_TRUNC_F64_S None (F64) I64,
    0xb1 I64_TRUNC_F64_U None (F64) I64,
    0xb2 F32_CONVERT_I32_S None (I32) F32,
    0xb3 F32_CONVERT_I32_U None (I32) F32,
    0xb4 F32_CONVERT_I64_S None (I64) F32,
    0xb5 F32_CONVERT_I64_U None (I64) F32,
    0xb6 F32_DEMOTE_F64 None (F64) F32,
    0xb7 F64_CONVERT_I32_S None (I32) F64,
    0xb8 F64_CONVERT_I32_U None (I32) F64,
    0xb9 F64_CONVERT_I64_S None (I64) F64,
    0xba F64_CONVERT_I64_U None (I64) F64,
    0xbb F64_PROMOTE_F32 None (F32) F64,
    0xbc I32_REINTERPRET_F32 None (F32) I32,
    0xbd I64_REINTERPRET_F64 None (F64) I64,
    0xbe F32_REINTERPRET_I32 None (I32) F32,
    0xbf F64_REINTERPRET_I64 None (I64) F64,
    0xc0 I32_EXTEND8_S None (I32) I32,
    0xc1 I32_EXTEND16_S None (I32) I32,
    0xc2 I64_EXTEND8_S None (I64) I64,
    0xc3 I64_EXTEND16_S None (I64) I64,
    0xc4 I64_EXTEND32_S None (I64) I64,
    0xd0 REF_NULL Other,
    0xd1 REF_IS_NULL None,
    0xd2 REF_FUNC Number,
    0xd3 REF_EQ None,
    0xd4 REF_AS_NON_NULL None,
    0xd5 BR_ON_NULL Number,
    0xd6 BR_ON_NON_NULL Number,
    0xfb PREFIX_GC Other,
    0xfc PREFIX_BULK Other,
    0xfd PREFIX_SIMD Other,
    0xfe PREFIX_ATOMIC Other,
}
