//! Code of some of a module's functions, as the cache keeps it from one process to the next.
//!
//! It is put into one piece, as the code of a whole module is; functions that were not compiled have no bytes there. For each function it
//! says whether its code is the last that it gets, so the next process starts with what was found to be hot.

use super::LazyCode;
use crate::artifact::Section;
use crate::code::{CodeTables, CompiledCode, LinkFunc, LinkedCode, TablesBuilder, TablesPart, between, pair};
use crate::engine::Engine;
use crate::explain::CompileReason;
use crate::module::ModuleInner;
use crate::tier_up::{TierUp, Waited};
use anyhow::{Context as _, Result, ensure};
use std::borrow::Cow;
use waft_core::index::{DefinedFuncIndex, FuncIndex, TypedIndex};
use waft_core::tier::{CODE_LINE_BYTES, CompiledFunc, Entry, Placement, Reloc, Tier};

/// Bytes of an entry in the table of relocations: `u32` offset in the code, `u32` index of the target, `i32` addend.
const RELOC_BYTES: usize = 12;

/// Bytes of an entry in the table of what is called at places of calls: `u32` number of the place, `u32` target, as `waft_core::budget`
/// numbers them.
const TARGET_BYTES: usize = 8;

/// What there is of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum FuncState {
    /// No code.
    Missing = 0,
    /// Code that better code may take the place of.
    First = 1,
    /// The code that it will keep.
    Settled = 2,
    /// As [`Self::First`], and better code was asked for, which was not there in time.
    Hot = 3,
    /// As [`Self::Hot`], and a process has waited for it in vain, or it was refused.
    Late = 4,
}

impl FuncState {
    /// What compiled the code, if there is some.
    pub(crate) fn tier(self, engine: &Engine) -> Option<&dyn Tier> {
        match self {
            Self::Missing => None,
            Self::First | Self::Hot | Self::Late => Some(engine.first_tier()),
            Self::Settled => Some(engine.tier()),
        }
    }
}

/// Code that an earlier process compiled.
pub(crate) struct KeptCode {
    code: CompiledCode,
    /// A `u8` for each function: a [`FuncState`].
    states: Section,
    /// The calls from function to function, by their offsets in the code.
    relocs: Section,
    /// What is called mostly at places of calls.
    targets: Section,
}

/// Code to be kept.
pub(crate) struct Snapshot<'c> {
    pub(crate) code: LinkedCode<'c>,
    pub(crate) states: Vec<u8>,
    pub(crate) relocs: Vec<u8>,
    pub(crate) targets: Vec<u8>,
}

impl KeptCode {
    /// What was kept of a module with so many functions.
    ///
    /// # Errors
    ///
    /// If it is not of so many.
    pub(crate) fn new(
        code: CompiledCode,
        [states, relocs, targets]: [Section; 3],
        funcs: usize,
    ) -> Result<Self> {
        ensure!(
            states.bytes().len() == funcs
                && relocs.bytes().len().is_multiple_of(RELOC_BYTES)
                && targets.bytes().len().is_multiple_of(TARGET_BYTES),
            "what was kept is not of the {funcs} functions that the module has"
        );
        Ok(Self { code, states, relocs, targets })
    }

    /// The code and its tables.
    pub(crate) fn code(&self) -> &CompiledCode {
        &self.code
    }

    /// What there is of a function.
    pub(crate) fn state(&self, func: DefinedFuncIndex) -> FuncState {
        match self.states.bytes()[func.index()] {
            1 => FuncState::First,
            2 => FuncState::Settled,
            3 => FuncState::Hot,
            4 => FuncState::Late,
            _ => FuncState::Missing,
        }
    }

    /// What is called mostly at places of calls, by their numbers.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..).map_while(|at| pair(self.targets.bytes(), at))
    }

    /// Whether the code that there is of a function is what was compiled of it just now, with all that is known of it.
    pub(crate) fn is(&self, func: DefinedFuncIndex, compiled: &CompiledFunc) -> bool {
        let Some(kept) = self.func(func) else { return false };
        let (mut theirs, mut ours) = (TablesBuilder::default(), TablesBuilder::default());
        theirs.copy(0, &kept.tables);
        ours.add(0, compiled);
        // A place that is to be linked has another content in each.
        kept.relocs.is_empty()
            && compiled.relocs.is_empty()
            && kept.code == compiled.code
            && theirs.finish_packed().is_same(&ours.finish_packed())
    }

    /// Where each function is that has code.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Option<*mut u8>> + '_ {
        let states = (0..).map(|at| self.state(DefinedFuncIndex::new(at)));
        self.code.entries().zip(states).map(|(at, state)| (state != FuncState::Missing).then_some(at))
    }

    /// About how large a function's body is: its first code has nearly two bytes for one of it.
    pub(crate) fn body_bytes(&self, func: DefinedFuncIndex) -> usize {
        self.code.tables().func(func.index()).map_or(0, |(_, len)| len as usize / 2)
    }

    /// How many functions have code, and how many bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let missing = FuncState::Missing as u8;
        (self.states.bytes().iter().filter(|state| **state != missing).count(), self.code.text().len())
    }

    /// The tables and the start of the code that holds `pc`.
    pub(super) fn find(&self, pc: usize) -> Option<(usize, &CodeTables)> {
        let range = self.code.text().as_ptr_range();
        (range.start.addr()..range.end.addr())
            .contains(&pc)
            .then(|| (range.start.addr(), &**self.code.tables()))
    }

    /// A function as it was compiled.
    fn func(&self, func: DefinedFuncIndex) -> Option<KeptFunc<'_>> {
        let tables = self.code.tables();
        let (start, len) = tables.func(func.index())?;
        let code = self.code.text().get(start as usize..)?.get(..len as usize)?;
        let bytes = self.relocs.bytes();
        let field = |at: usize, field: usize| {
            Some(u32::from_le_bytes(*bytes.get(at * RELOC_BYTES + field * 4..)?.first_chunk()?))
        };
        let reloc = |at| {
            let (offset, target) = (field(at, 0)? - start, FuncIndex::from_u32(field(at, 1)?));
            Some(Reloc { offset, target, addend: field(at, 2)?.cast_signed() })
        };
        let relocs = between(bytes.len() / RELOC_BYTES, |at| field(at, 0), &(start..start + len));
        let relocs = relocs.filter_map(reloc).collect();
        let placement = kept_placement(start, self.state(func) == FuncState::Settled);
        let tables = tables.part(func.index())?;
        Some(KeptFunc { code, placement, relocs: Cow::Owned(relocs), tables })
    }
}

/// A function that is to be kept, and where it is now.
struct KeptFunc<'c> {
    code: &'c [u8],
    placement: Placement,
    relocs: Cow<'c, [Reloc]>,
    tables: TablesPart<'c>,
}

/// Where code is to start that starts at `start` now: the best code's loops lie well there.
fn kept_placement(start: u32, is_settled: bool) -> Placement {
    if is_settled { Placement::new(CODE_LINE_BYTES, start % CODE_LINE_BYTES) } else { Placement::USUAL }
}

/// Nothing, where there is no code of a function: most are never called.
impl<'c> LinkFunc<'c> for Option<Box<KeptFunc<'c>>> {
    fn code(&self) -> &'c [u8] {
        self.as_ref().map_or(&[], |func| func.code)
    }
    fn placement(&self) -> Placement {
        self.as_ref().map(|func| func.placement).unwrap_or_default()
    }
    fn relocs(&self) -> &[Reloc] {
        self.as_ref().map_or(&[], |func| &func.relocs)
    }
    fn table_entries(&self) -> (usize, usize) {
        self.as_ref().map_or((0, 0), |func| func.tables.entries())
    }
    fn add_to(&self, tables: &mut TablesBuilder, start: u32) {
        match self {
            Some(func) => tables.copy(start, &func.tables),
            None => tables.add_nothing(start),
        }
    }
}

impl LazyCode {
    /// The best code that there is of each function by now.
    ///
    /// # Errors
    ///
    /// If it is too large for one piece.
    pub(crate) fn snapshot(&self, module: &ModuleInner) -> Result<Snapshot<'_>> {
        let count = module.shape().defined_funcs();
        let mut funcs: Vec<Option<Box<KeptFunc<'_>>>> = (0..count).map(|_| None).collect();
        let mut states = vec![FuncState::Missing as u8; count];
        if let Some(kept) = &self.kept {
            for (at, known) in states.iter_mut().enumerate() {
                let func = DefinedFuncIndex::new(at);
                let state = kept.state(func);
                if state != FuncState::Missing {
                    let func = kept.func(func).context("code that was kept has no place")?;
                    funcs[at] = Some(Box::new(func));
                    *known = state as u8;
                }
            }
        }
        let hot = self.tier_up().map(TierUp::asked).unwrap_or_default();
        let refused = self.tier_up().map(TierUp::refused).unwrap_or_default();
        for chunk in self.chunks.iter() {
            for func in chunk.funcs.iter() {
                let made = func.made;
                // First code may be all that there ever is; better code may be there and not in use yet.
                let is_first = made.reason == CompileReason::FirstCall;
                let settled = module.is_settled(made.func) && !(is_first && self.tier_up().is_some());
                if made.entry != Entry::Start || !(is_first || settled) {
                    continue;
                }
                let at = made.func.index();
                let code =
                    chunk.memory.code(func.start, func.len).context("code has no place in its chunk")?;
                let tables = func.tables.part(0).context("a function has no place in its tables")?;
                let relocs = Cow::Borrowed(&func.relocs[..]);
                let placement = kept_placement(func.start, settled);
                funcs[at] = Some(Box::new(KeptFunc { code, placement, relocs, tables }));
                states[at] = (if settled { FuncState::Settled } else { FuncState::First }) as u8;
            }
        }
        for func in &hot {
            let state = &mut states[func.index()];
            if *state == FuncState::First as u8 {
                *state = FuncState::Hot as u8;
            }
        }
        if let Some((kept, tier_up)) = self.kept.as_ref().zip(self.tier_up()) {
            let in_vain = tier_up.waited() == Waited::InVain;
            for (at, state) in states.iter_mut().enumerate() {
                let func = DefinedFuncIndex::new(at);
                let is_hot = *state == FuncState::Hot as u8 && kept.state(func) == FuncState::Hot;
                // What was refused would be refused once more.
                if is_hot && (in_vain || refused.contains(&func)) {
                    *state = FuncState::Late as u8;
                }
            }
        }
        let code = LinkedCode::link(module.shape(), &funcs)?;
        let mut relocs = Vec::new();
        for (at, func) in funcs.iter().enumerate() {
            let Some(func) = func else { continue };
            let (start, _) = code.tables().func(at).context("a function has no place")?;
            for Reloc { offset, target, addend } in &*func.relocs {
                relocs.extend((start + offset).to_le_bytes());
                relocs.extend(target.as_u32().to_le_bytes());
                relocs.extend(addend.to_le_bytes());
            }
        }
        let targets = self.tier_up().into_iter().flat_map(TierUp::targets);
        let targets = targets.flat_map(|(site, target)| [site, target]).flat_map(u32::to_le_bytes).collect();
        Ok(Snapshot { code, states, relocs, targets })
    }
}
