//! Plain bodies: those that compute with numbers in one memory of 32 bits, call, and throw and catch exceptions, which is
//! nearly all of what compilers for C, C++, Rust and Go emit. Whether such a body is valid is found here in one pass over its
//! bytes, twice as fast as by `wasmparser`, which knows all of WebAssembly.
//!
//! # Invariants
//!
//! * **P1** What is accepted here is valid, by the rules of the specification and within the limits of `wasmparser`.
//! * **P2** Nothing is refused here. A body with anything that is not known here, or wrong, is left to `wasmparser`, whose
//!   errors are the ones that users see.

mod steps;
#[cfg(test)]
mod tests;

use super::Shape;
use crate::index::{FuncIndex, GlobalIndex, IndexVec, MemoryIndex, TableIndex, TagIndex, TypeIndex};
use crate::limits::TRY_DEPTH_MAX;
use crate::opcode::value::{EXNREF, EXTERNREF, F32, F64, FUNCREF, I32, I64, NONE, V128};
use crate::opcode::{self as op, EFFECTS, Effect};
use crate::proposal::{Proposal, ProposalSet};
use crate::types::{HeapType, IndexType, ValType};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Operands of one body at a time.
const OPERANDS_MAX: usize = 256;
/// Below them as many of no type as one looks at together; and a power of two in all, so that an index needs no check.
const BELOW: usize = 8;
const OPERANDS_ROOM: usize = 512;
/// Locals of one body, as `wasmparser` has it.
const LOCALS_MAX: u32 = 50_000;
/// The empty type of a block.
const EMPTY: u8 = 0x40;
/// The type of an operand that is taken where there is none, after a branch.
const ANY: u8 = NONE;

/// What the operators of a plain body refer to.
#[derive(Debug)]
pub(super) struct PlainModule {
    /// The types of functions; nothing for types of another kind, or with references that say more of what they refer to.
    sigs: IndexVec<TypeIndex, Option<Sig>>,
    funcs: IndexVec<FuncIndex, TypeIndex>,
    tags: IndexVec<TagIndex, TypeIndex>,
    /// The type of each global, if it is plain, and whether it can be set.
    globals: IndexVec<GlobalIndex, (u8, bool)>,
    /// Whether each table has functions, and indices of 32 bits.
    tables: IndexVec<TableIndex, bool>,
    /// Whether the first memory has addresses of 32 bits.
    has_memory: bool,
}

#[derive(Debug)]
struct Sig {
    params: Box<[u8]>,
    results: Box<[u8]>,
    /// The parameters, if they are few, as the topmost operands must be: the last in the lowest byte, and all bits of theirs set.
    top: Option<(u64, u64)>,
}

impl Sig {
    fn new(params: Box<[u8]>, results: Box<[u8]>) -> Self {
        let all = |bytes: &mut dyn Iterator<Item = u8>| bytes.fold(0, |all, byte| all << 8 | u64::from(byte));
        let top = (params.len() < 8)
            .then(|| (all(&mut params.iter().copied()), all(&mut params.iter().map(|_| u8::MAX))));
        Self { params, results, top }
    }
}

impl PlainModule {
    /// For a module of this shape, if its bodies may use all that is plain.
    pub(super) fn new(shape: &Shape, proposals: ProposalSet) -> Option<Self> {
        let used = [
            Proposal::MutableGlobal,
            Proposal::SaturatingFloatToInt,
            Proposal::SignExtension,
            Proposal::MultiValue,
            Proposal::ReferenceTypes,
            Proposal::BulkMemory,
            Proposal::Simd,
            Proposal::TailCall,
            Proposal::Exceptions,
        ];
        if !used.iter().all(|proposal| proposals.contains(*proposal)) {
            return None;
        }
        let types = |types: &[ValType]| -> Option<Box<[u8]>> {
            types.iter().map(|ty| Some(code(*ty)).filter(|code| *code != NONE)).collect()
        };
        let sig = |ty: &crate::types::SubType| {
            let sig = ty.composite.as_func()?;
            Some(Sig::new(types(sig.params())?, types(sig.results())?))
        };
        Some(Self {
            sigs: shape.types.values().map(sig).collect(),
            funcs: shape.funcs.values().map(|func| func.ty).collect(),
            tags: shape.tags.clone(),
            globals: shape.globals.values().map(|global| (code(global.content), global.mutable)).collect(),
            tables: shape
                .tables
                .values()
                .map(|table| table.index == IndexType::I32 && table.element.is_func())
                .collect(),
            has_memory: shape
                .memories
                .get(MemoryIndex::from_u32(0))
                .is_some_and(|memory| memory.index == IndexType::I32),
        })
    }

    fn sig(&self, ty: TypeIndex) -> Option<&Sig> {
        self.sigs.get(ty)?.as_ref()
    }
}

/// How the binary format encodes a type, or [`NONE`] for one that takes more than a byte, or has subtypes here.
fn code(ty: ValType) -> u8 {
    match ty {
        ValType::I32 => I32,
        ValType::I64 => I64,
        ValType::F32 => F32,
        ValType::F64 => F64,
        ValType::V128 => V128,
        ValType::Ref(ty) if ty.is_nullable() => match ty.heap_type() {
            HeapType::Func => FUNCREF,
            HeapType::Extern => EXTERNREF,
            HeapType::Exn => EXNREF,
            _ => NONE,
        },
        ValType::Ref(_) => NONE,
    }
}

/// The list of one type, or of none for [`EMPTY`].
fn block_results(ty: u8) -> Option<&'static [u8]> {
    Some(match ty {
        EMPTY => &[],
        I32 => &[I32],
        I64 => &[I64],
        F32 => &[F32],
        F64 => &[F64],
        V128 => &[V128],
        FUNCREF => &[FUNCREF],
        EXTERNREF => &[EXTERNREF],
        EXNREF => &[EXNREF],
        _ => return None,
    })
}

/// Whether two lists are equal; both are nearly always empty, which costs no comparison of what is in them.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.is_empty() && other.is_empty() || one == other
}

fn is_ref(ty: u8) -> bool {
    matches!(ty, FUNCREF | EXTERNREF | EXNREF)
}

/// Room for what is known of a body while it is read, kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct PlainAllocations {
    locals: Vec<u8>,
    blocks: Vec<Block<'static>>,
}

/// A block that is open.
#[derive(Clone, Copy, Debug)]
struct Block<'a> {
    opcode: u8,
    /// Whether what follows here is never reached.
    unreachable: bool,
    /// How many operands are below its own.
    floor: u16,
    params: &'a [u8],
    results: &'a [u8],
}

impl<'a> Block<'a> {
    /// What a branch to it carries.
    fn label(&self) -> &'a [u8] {
        if self.opcode == op::LOOP { self.params } else { self.results }
    }
}

/// Whether the body of a function is plain and valid. If not, it may still be valid.
pub(super) fn is_valid(
    module: &PlainModule,
    func: FuncIndex,
    body: &[u8],
    room: &mut PlainAllocations,
) -> bool {
    let mut body = Body {
        module,
        code: body,
        at: 0,
        locals: core::mem::take(&mut room.locals),
        operands: [NONE; OPERANDS_ROOM],
        len: 0,
        floor: 0,
        blocks: core::mem::take(&mut room.blocks),
        scopes: 0,
    };
    let valid = body.walk(func).is_some();
    room.locals = body.locals;
    // None is left, but what was allocated for them is: without blocks it borrows nothing.
    body.blocks.clear();
    room.blocks = body.blocks.into_iter().map(|_| unreachable!("there are no blocks")).collect();
    valid
}

struct Body<'a> {
    module: &'a PlainModule,
    code: &'a [u8],
    at: usize,
    locals: Vec<u8>,
    /// The types of the operands, of which there are `len`, after [`BELOW`].
    operands: [u8; OPERANDS_ROOM],
    len: usize,
    /// How many of them are below the innermost block's own.
    floor: usize,
    blocks: Vec<Block<'a>>,
    /// How many of them catch exceptions.
    scopes: usize,
}

/// Each of these is nothing where the body is not known to be valid.
impl<'a> Body<'a> {
    fn walk(&mut self, func: FuncIndex) -> Option<()> {
        let module = self.module;
        let sig = module.sig(*module.funcs.get(func)?)?;
        if sig.results.len() > OPERANDS_MAX {
            return None;
        }
        self.declare_locals(&sig.params)?;
        self.blocks.push(Block {
            opcode: op::BLOCK,
            unreachable: false,
            floor: 0,
            params: &[],
            results: &sig.results,
        });
        while !self.blocks.is_empty() {
            self.steps()?;
            if !self.blocks.is_empty() {
                self.operator()?;
            }
        }
        (self.at == self.code.len()).then_some(())
    }

    fn declare_locals(&mut self, params: &[u8]) -> Option<()> {
        self.locals.clear();
        self.locals.extend_from_slice(params);
        let groups = self.number()?;
        for _ in 0..groups {
            let count = self.number()?;
            let ty = self.value_type()?;
            let total = count.checked_add(self.locals.len() as u32)?;
            if total > LOCALS_MAX {
                return None;
            }
            self.locals.resize(total as usize, ty);
        }
        Some(())
    }

    #[inline(always)]
    fn operator(&mut self) -> Option<()> {
        let opcode = self.byte()?;
        match opcode {
            op::LOCAL_GET => {
                let ty = self.local()?;
                self.push(ty)
            }
            op::LOCAL_SET => {
                let ty = self.local()?;
                self.pop(ty)
            }
            op::LOCAL_TEE => {
                let ty = self.local()?;
                self.pop(ty)?;
                self.push(ty)
            }
            op::I32_CONST => {
                self.signed_number(32)?;
                self.push(I32)
            }
            op::I64_CONST => {
                self.signed_number(64)?;
                self.push(I64)
            }
            op::F32_CONST => {
                self.skip(4)?;
                self.push(F32)
            }
            op::F64_CONST => {
                self.skip(8)?;
                self.push(F64)
            }
            op::I32_LOAD..=op::I64_STORE32 => {
                let effect = &EFFECTS[usize::from(opcode)];
                self.access(effect.align)?;
                self.apply(effect)
            }
            op::I32_EQZ..=op::I64_EXTEND32_S => self.apply(&EFFECTS[usize::from(opcode)]),
            _ => self.other(opcode),
        }
    }

    /// What is met less often.
    fn other(&mut self, opcode: u8) -> Option<()> {
        match opcode {
            op::UNREACHABLE => self.end_of_reach(),
            op::NOP => Some(()),
            op::BLOCK | op::LOOP => {
                let (params, results) = self.block_type()?;
                self.open(opcode, params, results)
            }
            op::IF => {
                let (params, results) = self.block_type()?;
                self.pop(I32)?;
                self.open(opcode, params, results)
            }
            op::ELSE => {
                let block = self.close()?;
                if block.opcode != op::IF {
                    return None;
                }
                self.enter(op::ELSE, block.params, block.results)
            }
            op::END => {
                let block = self.close()?;
                // Without `else` what goes in comes out.
                if block.opcode == op::IF && !same(block.params, block.results) {
                    return None;
                }
                self.floor = self.blocks.last().map_or(0, |block| block.floor.into());
                self.push_all(block.results)
            }
            op::BR => {
                let label = self.label()?;
                self.pop_all(label)?;
                self.end_of_reach()
            }
            op::BR_IF => {
                let label = self.label()?;
                self.pop(I32)?;
                self.pop_all(label)?;
                self.push_all(label)
            }
            op::BR_TABLE => self.br_table(),
            op::RETURN => {
                let results = self.blocks.first()?.results;
                self.pop_all(results)?;
                self.end_of_reach()
            }
            op::CALL => {
                let func = FuncIndex::from_u32(self.number()?);
                let module = self.module;
                self.call(module.sig(*module.funcs.get(func)?)?)
            }
            op::CALL_INDIRECT => {
                let sig = self.indirect()?;
                self.call(sig)
            }
            op::DROP => self.pop_any().map(drop),
            op::SELECT => {
                self.pop(I32)?;
                let (second, first) = (self.pop_any()?, self.pop_any()?);
                // Where one of them is never there, its type is the other's.
                if first == second && first != ANY && !is_ref(first) { self.push(first) } else { None }
            }
            op::TYPED_SELECT => {
                // Of one type.
                if self.byte()? != 1 {
                    return None;
                }
                let ty = self.value_type()?;
                self.pop(I32)?;
                self.pop_all(&[ty; 2])?;
                self.push(ty)
            }
            op::REF_NULL => {
                let ty = self.byte()?;
                if is_ref(ty) { self.push(ty) } else { None }
            }
            op::REF_IS_NULL => {
                let ty = self.pop_any()?;
                if is_ref(ty) { self.push(I32) } else { None }
            }
            op::RETURN_CALL => {
                let func = FuncIndex::from_u32(self.number()?);
                let module = self.module;
                self.return_call(module.sig(*module.funcs.get(func)?)?)
            }
            op::RETURN_CALL_INDIRECT => {
                let sig = self.indirect()?;
                self.return_call(sig)
            }
            op::THROW => {
                let params = self.tag()?;
                self.pop_all(params)?;
                self.end_of_reach()
            }
            op::THROW_REF => {
                self.pop(EXNREF)?;
                self.end_of_reach()
            }
            op::TRY_TABLE => self.try_table(),
            op::GLOBAL_GET => {
                let (ty, _) = self.global()?;
                self.push(ty)
            }
            op::GLOBAL_SET => {
                let (ty, mutable) = self.global()?;
                if mutable { self.pop(ty) } else { None }
            }
            op::MEMORY_SIZE => {
                self.memory()?;
                self.push(I32)
            }
            op::MEMORY_GROW => {
                self.memory()?;
                self.pop(I32)?;
                self.push(I32)
            }
            op::PREFIX_BULK => self.prefixed(),
            _ => None,
        }
    }

    fn prefixed(&mut self) -> Option<()> {
        const MEMORY_COPY: u8 = 10;
        const MEMORY_FILL: u8 = 11;
        match self.byte()? {
            // From `i32.trunc_sat_f32_s` on: in the first bit the sign, in the second from what, in the third to what.
            conversion @ 0..8 => {
                self.pop(if conversion & 2 == 0 { F32 } else { F64 })?;
                self.push(if conversion & 4 == 0 { I32 } else { I64 })
            }
            MEMORY_COPY => {
                self.memory()?;
                self.memory()?;
                self.pop_all(&[I32; 3])
            }
            MEMORY_FILL => {
                self.memory()?;
                self.pop_all(&[I32; 3])
            }
            _ => None,
        }
    }

    /// A block whose exceptions some of its clauses catch, each of which names a label around the block.
    fn try_table(&mut self) -> Option<()> {
        const CATCH: u8 = 0;
        const CATCH_REF: u8 = 1;
        const CATCH_ALL: u8 = 2;
        const CATCH_ALL_REF: u8 = 3;
        let (params, results) = self.block_type()?;
        self.scopes += 1;
        if self.scopes > TRY_DEPTH_MAX {
            return None;
        }
        // As many as have numbers of one byte.
        let clauses = self.byte()?;
        if clauses >= 0x80 {
            return None;
        }
        for _ in 0..clauses {
            let kind = self.byte()?;
            let carried = match kind {
                CATCH | CATCH_REF => self.tag()?,
                CATCH_ALL | CATCH_ALL_REF => &[],
                _ => return None,
            };
            let label = self.label()?;
            let label = if matches!(kind, CATCH_REF | CATCH_ALL_REF) {
                label.strip_suffix(&[EXNREF])?
            } else {
                label
            };
            if label != carried {
                return None;
            }
        }
        self.open(op::TRY_TABLE, params, results)
    }

    fn br_table(&mut self) -> Option<()> {
        let targets = self.number()?;
        self.pop(I32)?;
        // What operands there are where none is, each label may see in its own way.
        if self.blocks.last()?.unreachable {
            return None;
        }
        let carried = self.label()?;
        // The last one is the default.
        for _ in 0..targets {
            let label = self.label()?;
            if !same(label, carried) {
                return None;
            }
        }
        self.pop_all(carried)?;
        self.end_of_reach()
    }

    /// Takes and gives what the table says of an operator.
    #[inline(always)]
    fn apply(&mut self, effect: &Effect) -> Option<()> {
        if effect.count == 2 {
            self.pop(effect.pops[1])?;
        }
        self.pop(effect.pops[0])?;
        if effect.push == NONE { Some(()) } else { self.push(effect.push) }
    }

    fn call(&mut self, sig: &'a Sig) -> Option<()> {
        self.pop_all(&sig.params)?;
        self.push_all(&sig.results)
    }

    fn return_call(&mut self, sig: &'a Sig) -> Option<()> {
        if *sig.results != *self.blocks.first()?.results {
            return None;
        }
        self.pop_all(&sig.params)?;
        self.end_of_reach()
    }

    /// What is called through a table.
    fn indirect(&mut self) -> Option<&'a Sig> {
        let ty = TypeIndex::from_u32(self.number()?);
        let table = TableIndex::from_u32(self.number()?);
        let module = self.module;
        module.tables.get(table).filter(|plain| **plain)?;
        self.pop(I32)?;
        module.sig(ty)
    }

    fn open(&mut self, opcode: u8, params: &'a [u8], results: &'a [u8]) -> Option<()> {
        self.pop_all(params)?;
        self.enter(opcode, params, results)
    }

    fn enter(&mut self, opcode: u8, params: &'a [u8], results: &'a [u8]) -> Option<()> {
        self.floor = self.len;
        self.blocks.push(Block { opcode, unreachable: false, floor: self.len as u16, params, results });
        self.push_all(params)
    }

    /// Closes the innermost block, whose results and nothing else must be there.
    fn close(&mut self) -> Option<Block<'a>> {
        let block = *self.blocks.last()?;
        self.pop_all(block.results)?;
        if self.len != self.floor {
            return None;
        }
        self.scopes -= usize::from(block.opcode == op::TRY_TABLE);
        self.blocks.pop()
    }

    /// What follows is not reached: operands are there whenever they are asked for.
    fn end_of_reach(&mut self) -> Option<()> {
        self.len = self.floor;
        self.blocks.last_mut()?.unreachable = true;
        Some(())
    }

    #[inline(always)]
    fn push(&mut self, ty: u8) -> Option<()> {
        if self.len == OPERANDS_MAX {
            return None;
        }
        self.operands[(BELOW + self.len) % OPERANDS_ROOM] = ty;
        self.len += 1;
        Some(())
    }

    #[inline(always)]
    fn pop(&mut self, ty: u8) -> Option<()> {
        if self.len > self.floor && self.operands[(BELOW + self.len - 1) % OPERANDS_ROOM] == ty {
            self.len -= 1;
            return Some(());
        }
        self.pop_missing()
    }

    /// Takes an operand that is not there.
    #[cold]
    fn pop_missing(&mut self) -> Option<()> {
        (self.len == self.floor && self.blocks.last()?.unreachable).then_some(())
    }

    /// Takes an operand, and says its type.
    fn pop_any(&mut self) -> Option<u8> {
        if self.len == self.floor {
            return self.pop_missing().map(|()| ANY);
        }
        self.len -= 1;
        Some(self.operands[(BELOW + self.len) % OPERANDS_ROOM])
    }

    fn pop_all(&mut self, types: &[u8]) -> Option<()> {
        for ty in types.iter().rev() {
            // However many are missing, it is found at once.
            if self.len == self.floor {
                return self.pop_missing();
            }
            self.pop(*ty)?;
        }
        Some(())
    }

    fn push_all(&mut self, types: &[u8]) -> Option<()> {
        types.iter().try_for_each(|ty| self.push(*ty))
    }

    fn value_type(&mut self) -> Option<u8> {
        self.byte().filter(|ty| *ty != EMPTY && block_results(*ty).is_some())
    }

    fn block_type(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let first = *self.code.get(self.at)?;
        if let Some(results) = block_results(first) {
            self.at += 1;
            return Some((&[], results));
        }
        // A type's number is one of 33 bits with a sign, so that the sixth bit of its last byte is not set.
        let ty = self.number()?;
        if self.code[self.at - 1] & 0x40 != 0 {
            return None;
        }
        let sig = self.module.sig(TypeIndex::from_u32(ty))?;
        Some((&sig.params, &sig.results))
    }

    /// What a branch to the block that is named carries.
    fn label(&mut self) -> Option<&'a [u8]> {
        let depth = self.number()? as usize;
        let at = self.blocks.len().checked_sub(depth)?.checked_sub(1)?;
        Some(self.blocks[at].label())
    }

    #[inline(always)]
    fn local(&mut self) -> Option<u8> {
        let local = self.number()?;
        self.locals.get(local as usize).copied()
    }

    /// What exceptions of a tag carry.
    fn tag(&mut self) -> Option<&'a [u8]> {
        let tag = TagIndex::from_u32(self.number()?);
        let module = self.module;
        let sig = module.sig(*module.tags.get(tag)?)?;
        // A tag that is no exception's may have some.
        if sig.results.is_empty() { Some(&sig.params) } else { None }
    }

    fn global(&mut self) -> Option<(u8, bool)> {
        let global = GlobalIndex::from_u32(self.number()?);
        self.module.globals.get(global).copied().filter(|(ty, _)| *ty != NONE)
    }

    /// Whether the memory that is named is the first.
    fn memory(&mut self) -> Option<()> {
        (self.byte()? == 0 && self.module.has_memory).then_some(())
    }

    /// Where an access goes.
    #[inline(always)]
    fn access(&mut self, align_max: u8) -> Option<()> {
        if self.byte()? > align_max || !self.module.has_memory {
            return None;
        }
        self.number().map(drop)
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.code.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at += bytes;
        (self.at <= self.code.len()).then_some(())
    }

    /// An unsigned number of 32 bits.
    #[inline(always)]
    fn number(&mut self) -> Option<u32> {
        let byte = self.byte()?;
        if byte < 0x80 { Some(byte.into()) } else { self.long_number(byte) }
    }

    fn long_number(&mut self, first: u8) -> Option<u32> {
        let mut value = u32::from(first & 0x7f);
        for shift in [7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        // Four bits are left.
        let byte = self.byte()?;
        (byte < 0x10).then_some(value | u32::from(byte) << 28)
    }

    /// Skips a signed number of 32 or 64 bits.
    #[inline(always)]
    fn signed_number(&mut self, bits: u32) -> Option<()> {
        if self.byte()? < 0x80 { Some(()) } else { self.long_signed_number(bits) }
    }

    fn long_signed_number(&mut self, bits: u32) -> Option<()> {
        let mut left = bits - 7;
        while left > 7 {
            if self.byte()? < 0x80 {
                return Some(());
            }
            left -= 7;
        }
        // What does not fit any more are copies of the sign, which is the highest of the bits left.
        let byte = self.byte()?;
        let sign = 0x7f << (left - 1) & 0x7f;
        (byte < 0x80 && (byte & sign == 0 || byte & sign == sign)).then_some(())
    }
}
