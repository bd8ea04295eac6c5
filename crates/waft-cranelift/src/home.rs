//! Homes in the frame for what would be too many SSA values: the bound on compile time for hostile functions.
//!
//! Building SSA form costs a word for each pair of a variable and a block, and allocating registers takes time in the
//! square of the number of values that live across calls. So only the first locals are variables (how many, says
//! [`kept_locals`]), and only the first [`KEPT_OPERANDS`] operands are values alone; the others are stored where they
//! are made and loaded where they are used. Functions that compilers make are far below these limits.
//!
//! # Invariants
//!
//! * The home of an operand holds it from its push to its pop: the slot at a height belongs to that height alone, and
//!   what lies below a block's operands does not change in the block.
//! * Homes are read and written only here, at offsets that translation made up: no guest input reaches an address.
//! * References into the GC heap have homes in a slot of their own, from its start without gaps: locals first, then the
//!   operands that are there now. Each call's stack map says where the slot is and how many of its words are in use.

use crate::signature::clif_type;
use crate::stack_map::{HOMED_REFS, HOMED_REFS_COUNT_BIT};
use crate::translator::FuncTranslator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    Inst, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Type, UserStackMapEntry, Value,
};
use waft_core::types::ValType;
use wasmparser::{FunctionBody, Operator};

/// The most locals that are variables. Of 130,000 functions of CPython, Ruby, PHP, SQLite, clang, lld and Go programs
/// the largest has 791.
const KEPT_LOCALS: u64 = 2_000;

/// How many locals are variables where there are more than [`KEPT_LOCALS`]: enough for the usual few hot ones.
const KEPT_OF_TOO_MANY: u64 = 128;

/// The most operands that are values alone. The highest stack of the same functions is 75.
pub(crate) const KEPT_OPERANDS: usize = 128;

/// The most pairs of a variable and a block or call. The same functions have up to 2.6 million.
const PAIRS: u64 = 4_000_000;

/// The weight of a loop in the number of blocks: each variable used in it is a parameter of its header at first.
const LOOP_WEIGHT: u64 = 16;

/// The most variables times loops times loops: a variable that many loops carry takes time in the square of their
/// number. The same functions have up to 8 million.
const LOOP_SQUARES: u64 = 100_000_000;

/// The most variables times scopes that catch exceptions, each scope as often as it is deep: what their landings hand on to
/// each other takes time in the square of their number. A thousand nested scopes with 8 variables take a second.
const SCOPE_DEPTHS: u64 = 4_000_000;

/// The most blocks and calls, weighed, of a function with variables. The same functions have up to 26,628.
const MOST_WEIGHT: u64 = 100_000;

/// Bodies past this size are compiled without optimisation, which makes common values live long. The largest of the
/// same functions has 251,044 bytes.
const OPTIMISED_BYTES: usize = 512 << 10;

/// What decides on the form of the code, for the tier's fingerprint.
pub(crate) fn limits() -> String {
    format!(
        "locals={KEPT_LOCALS}/{KEPT_OF_TOO_MANY} operands={KEPT_OPERANDS} pairs={PAIRS} loop={LOOP_WEIGHT} squares={LOOP_SQUARES} scopes={SCOPE_DEPTHS} weight={MOST_WEIGHT} bytes={OPTIMISED_BYTES}"
    )
}

/// Where a value stands in the frame, and of which type it is.
#[derive(Clone, Copy)]
struct Home {
    place: HomePlace,
    ty: Type,
}

#[derive(Clone, Copy)]
enum HomePlace {
    /// An offset in the slot of the locals or that of the operands.
    Offset(u32),
    /// The place among the references into the GC heap.
    Ref(u32),
}

/// Homes of locals or of operands.
#[derive(Default)]
struct HomeList {
    homes: Vec<Home>,
    /// Bytes of the slot that are taken.
    end: u32,
    slot: Option<StackSlot>,
}

impl HomeList {
    /// Takes the next home of a value that is no reference.
    fn push(&mut self, ty: Type) -> Home {
        let home = Home { place: HomePlace::Offset(self.end), ty };
        self.end += home.bytes();
        self.homes.push(home);
        home
    }
}

impl Home {
    /// Bytes in the slot of the locals or the operands.
    fn bytes(&self) -> u32 {
        match self.place {
            HomePlace::Offset(_) => self.ty.bytes().max(I64.bytes()),
            HomePlace::Ref(_) => 0,
        }
    }
}

/// Values that have homes.
#[derive(Default)]
pub(crate) struct Homes {
    /// How many locals are variables.
    pub(crate) kept_locals: u32,
    variables: u32,
    /// What the function may take in: none where not all of its locals are variables.
    load: Option<Load>,
    locals: HomeList,
    /// Those of the operands past the first ones, by height.
    operands: HomeList,
    /// How many references into the GC heap have homes now, and where.
    refs: u32,
    refs_slot: Option<StackSlot>,
}

impl Homes {
    /// Decides how many of the `locals` of `body`, parameters included, become variables.
    pub(crate) fn choose_variables(
        &mut self,
        locals: u64,
        body: &FunctionBody<'_>,
    ) -> wasmparser::Result<()> {
        let (kept, weight) = kept_locals(locals, body)?;
        self.kept_locals = kept;
        self.load = (u64::from(kept) == locals).then_some(Load { locals, weight });
        Ok(())
    }

    /// Whether the function stays within the limits if it takes in bodies of so many `bytes` with so many `locals`, which have
    /// no loops and no scopes, and whose locals no loop around them carries.
    pub(crate) fn have_room(&self, locals: u32, bytes: usize) -> bool {
        self.load.as_ref().is_some_and(|load| {
            let weight = load.weight + weight_of_bytes(bytes);
            let locals = load.locals + u64::from(locals);
            weight <= MOST_WEIGHT && locals * weight <= PAIRS
        })
    }

    /// Whether the next local is a variable; counts it if so.
    pub(crate) fn next_variable(&mut self) -> bool {
        let kept = self.variables < self.kept_locals;
        self.variables += u32::from(kept);
        kept
    }
}

/// What a function without what it takes in is like.
struct Load {
    locals: u64,
    /// How many blocks and calls, at most, roughly and weighed.
    weight: u64,
}

/// The most blocks and calls, weighed, that so many bytes of a body become.
fn weight_of_bytes(bytes: usize) -> u64 {
    // No operator weighs more for its bytes than a loop, which has at least three with its end.
    bytes as u64 * LOOP_WEIGHT.div_ceil(3)
}

/// How many of the `locals` of `body`, parameters included, become variables, and what the body weighs at most.
fn kept_locals(locals: u64, body: &FunctionBody<'_>) -> wasmparser::Result<(u32, u64)> {
    let wanted = if locals > KEPT_LOCALS { KEPT_OF_TOO_MANY } else { locals };
    let most_weight = weight_of_bytes(body.as_bytes().len());
    // Nor are there more scopes than bytes with which one can begin.
    let opens_scope = |byte: &&u8| matches!(**byte, TRY | TRY_TABLE);
    let most_scopes = body.as_bytes().iter().filter(opens_scope).count() as u64;
    let few_scopes = wanted * most_scopes * most_scopes <= SCOPE_DEPTHS;
    if most_weight <= MOST_WEIGHT && wanted * most_weight <= PAIRS && few_scopes {
        return Ok((wanted as u32, most_weight));
    }
    let Weights { weight, loops, scope_depths } = weigh(body)?;
    if weight > MOST_WEIGHT {
        return Ok((0, weight));
    }
    let kept = wanted.min(PAIRS / weight).min(LOOP_SQUARES / (loops * loops).max(1));
    Ok((kept.min(SCOPE_DEPTHS / scope_depths.max(1)) as u32, weight))
}

/// The first byte of `try`.
const TRY: u8 = 0x06;
/// The first byte of `try_table`.
const TRY_TABLE: u8 = 0x1f;

/// What a body becomes.
struct Weights {
    /// How many blocks and calls, at most, roughly and weighed.
    weight: u64,
    /// How many loops.
    loops: u64,
    /// How many scopes that catch, each as often as it is deep.
    scope_depths: u64,
}

fn weigh(body: &FunctionBody<'_>) -> wasmparser::Result<Weights> {
    let (mut weight, mut loops, mut scope_depths) = (1, 0, 0);
    // Whether each open block catches, and how many do.
    let (mut open, mut depth) = (Vec::new(), 0);
    let mut operators = body.get_operators_reader()?;
    while !operators.eof() {
        let op = operators.read()?;
        match op {
            Operator::Try { .. } | Operator::TryTable { .. } => {
                open.push(true);
                depth += 1;
                scope_depths += depth;
            }
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => open.push(false),
            Operator::End | Operator::Delegate { .. } => depth -= u64::from(open.pop() == Some(true)),
            _ => {}
        }
        weight += match op {
            Operator::Loop { .. } => {
                loops += 1;
                LOOP_WEIGHT
            }
            Operator::If { .. } => 2,
            Operator::Block { .. }
            | Operator::Else
            | Operator::BrIf { .. }
            | Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. }
            | Operator::Try { .. }
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::CallRef { .. } => 1,
            // A call out of line, and where the ways meet again.
            Operator::StructNew { .. }
            | Operator::StructNewDefault { .. }
            | Operator::ArrayNew { .. }
            | Operator::ArrayNewDefault { .. }
            | Operator::ArrayNewFixed { .. }
            | Operator::ArrayNewData { .. }
            | Operator::ArrayNewElem { .. }
            | Operator::RefTestNonNull { .. }
            | Operator::RefTestNullable { .. }
            | Operator::RefCastNonNull { .. }
            | Operator::RefCastNullable { .. } => 3,
            // A test, what it finds, what it does not find.
            Operator::TryTable { try_table } => 2 * try_table.catches.len() as u64 + 2,
            Operator::Catch { .. } | Operator::CatchAll => 3,
            Operator::BrTable { targets } => u64::from(targets.len()) + 1,
            _ => 0,
        };
    }
    Ok(Weights { weight, loops, scope_depths })
}

/// The flags of accesses to homes: they cannot fail, and vectors there are aligned as integers are.
fn home_flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

impl FuncTranslator<'_, '_> {
    /// Whether optimising the function could take long.
    pub(crate) fn is_excessive(&self) -> bool {
        // Optimisation would forward what is stored to where it is loaded, and so undo the homes.
        self.homes.locals.slot.is_some()
            || self.homes.operands.slot.is_some()
            || self.homes.refs_slot.is_some()
            || self.request.body.bytes.len() + self.inlined.bytes > OPTIMISED_BYTES
    }

    /// Gives the next local of type `ty` a home.
    pub(crate) fn home_local(&mut self, ty: ValType) -> u32 {
        if ty.is_gc_ref() {
            let home = self.next_ref_home();
            self.homes.locals.homes.push(home);
        } else {
            // Offsets in stack maps take room: the slot of the references, which they name, comes first.
            self.refs_slot();
            self.homes.locals.push(clif_type(ty));
            self.homes.locals.slot = Some(self.slot(self.homes.locals.slot, self.homes.locals.end));
        }
        self.homes.kept_locals + self.homes.locals.homes.len() as u32 - 1
    }

    /// Stores zeros into the homes of locals, in loops: stores of their own would be much code.
    pub(crate) fn zero_homes(&mut self) {
        let params = self.sig.params().len().saturating_sub(self.homes.kept_locals as usize);
        let start: u32 = self.homes.locals.homes.iter().take(params).map(Home::bytes).sum();
        self.zero_slot(self.homes.locals.slot, start, self.homes.locals.end);
        let is_ref = |home: &&Home| matches!(home.place, HomePlace::Ref(_));
        let ref_params = self.homes.locals.homes.iter().take(params).filter(is_ref).count() as u32;
        // A pair of references at a time: the slot has room for one more.
        let (start, end) = (ref_params * I32.bytes(), self.homes.refs * I32.bytes());
        self.zero_slot(self.homes.refs_slot.filter(|_| end > start), start, end);
    }

    /// Stores zeros from `start` to `end` and perhaps 4 bytes more.
    fn zero_slot(&mut self, slot: Option<StackSlot>, start: u32, end: u32) {
        let Some(slot) = slot.filter(|_| start < end) else { return };
        let start = self.builder.ins().stack_addr(I64, slot, start as i32);
        let end = self.builder.ins().stack_addr(I64, slot, end as i32);
        let (header, after) = (self.builder.create_block(), self.builder.create_block());
        let at = self.builder.append_block_param(header, I64);
        self.builder.ins().jump(header, &[start.into()]);
        self.builder.switch_to_block(header);
        let zero = self.zero(I64);
        let flags = home_flags();
        self.builder.ins().store(flags, zero, at, 0);
        let next = self.builder.ins().iadd_imm_u(at, i64::from(I64.bytes()));
        let more = self.builder.ins().icmp(IntCC::UnsignedLessThan, next, end);
        self.builder.ins().brif(more, header, &[next.into()], after, &[]);
        self.builder.seal_block(header);
        self.builder.seal_block(after);
        self.builder.switch_to_block(after);
    }

    /// The number among the locals with homes of a local that is no variable.
    pub(crate) fn homed(&self, local: u32) -> Option<usize> {
        local.checked_sub(self.homes.kept_locals).map(|at| at as usize)
    }

    /// Loads a local from its home.
    pub(crate) fn load_local(&mut self, at: usize) -> Value {
        self.load_home(self.homes.locals.slot, self.homes.locals.homes[at])
    }

    /// Stores a local into its home.
    pub(crate) fn store_local(&mut self, at: usize, value: Value) {
        self.store_home(self.homes.locals.slot, self.homes.locals.homes[at], value);
    }

    /// Stores the operand that comes to lie at the top of all that have homes.
    pub(crate) fn store_operand(&mut self, value: Value) {
        let home = if self.is_root(value) {
            let home = self.next_ref_home();
            self.homes.operands.homes.push(home);
            home
        } else {
            self.refs_slot();
            let home = self.homes.operands.push(self.builder.func.dfg.value_type(value));
            self.homes.operands.slot = Some(self.slot(self.homes.operands.slot, self.homes.operands.end));
            home
        };
        self.store_home(self.homes.operands.slot, home, value);
    }

    /// Loads the operand at a height, if it has a home.
    pub(crate) fn load_operand(&mut self, height: usize) -> Option<Value> {
        let home = *self.homes.operands.homes.get(height.checked_sub(KEPT_OPERANDS)?)?;
        Some(self.load_home(self.homes.operands.slot, home))
    }

    /// Gives up the homes of operands from a height on.
    pub(crate) fn truncate_homes(&mut self, height: usize) {
        let kept = height.saturating_sub(KEPT_OPERANDS);
        let operands = &mut self.homes.operands;
        for home in operands.homes.drain(kept.min(operands.homes.len())..) {
            operands.end -= home.bytes();
            self.homes.refs -= u32::from(matches!(home.place, HomePlace::Ref(_)));
        }
    }

    /// Tells the stack map of a call which references have homes now.
    pub(crate) fn map_homed_refs(&mut self, call: Inst) {
        let (count, Some(slot)) = (self.homes.refs, self.homes.refs_slot) else { return };
        if count == 0 {
            return;
        }
        let mut note = |ty, offset| {
            let entry = UserStackMapEntry { ty, slot, offset };
            self.builder.func.dfg.append_user_stack_map_entry(call, entry);
        };
        note(HOMED_REFS, 0);
        for bit in (0..u32::BITS).filter(|bit| count >> bit & 1 == 1) {
            note(HOMED_REFS_COUNT_BIT, bit);
        }
    }

    fn next_ref_home(&mut self) -> Home {
        let slot = self.refs_slot();
        let place = self.homes.refs;
        self.homes.refs += 1;
        // Room for one more, as they are zeroed in pairs.
        self.slot(Some(slot), (self.homes.refs + 1) * I32.bytes());
        Home { place: HomePlace::Ref(place), ty: I32 }
    }

    fn refs_slot(&mut self) -> StackSlot {
        let slot = self.slot(self.homes.refs_slot, 0);
        self.homes.refs_slot = Some(slot);
        slot
    }

    /// The slot that a home is in, and where in it.
    fn home_address(&mut self, slot: Option<StackSlot>, home: Home) -> Value {
        let (slot, offset) = match home.place {
            HomePlace::Offset(offset) => (slot, offset),
            HomePlace::Ref(place) => (self.homes.refs_slot, place * I32.bytes()),
        };
        let slot = slot.expect("what has a home has a slot");
        self.builder.ins().stack_addr(I64, slot, offset as i32)
    }

    fn load_home(&mut self, slot: Option<StackSlot>, home: Home) -> Value {
        let address = self.home_address(slot, home);
        let value = self.builder.ins().load(home.ty, home_flags(), address, 0);
        if matches!(home.place, HomePlace::Ref(_)) {
            self.root(value);
        }
        value
    }

    fn store_home(&mut self, slot: Option<StackSlot>, home: Home, value: Value) {
        let address = self.home_address(slot, home);
        self.builder.ins().store(home_flags(), value, address, 0);
    }

    /// The slot, made at first and then enlarged, such that it has `bytes` bytes.
    fn slot(&mut self, slot: Option<StackSlot>, bytes: u32) -> StackSlot {
        let Some(slot) = slot else {
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, I64.bytes().ilog2() as u8);
            return self.builder.create_sized_stack_slot(data);
        };
        let data = &mut self.builder.func.sized_stack_slots[slot];
        data.size = data.size.max(bytes);
        slot
    }
}
