//! Better code for what is hot: when it is asked for, who makes it, how it comes to be used.
//!
//! Functions start in a tier that compiles fast and counts what they do (`waft_core::budget`). One that has used up its budget is
//! compiled anew by the optimizing tier, on a thread of lower priority, while it goes on. Then its code slot gets the new code: calls
//! find it there. A loop is left for code that is entered at that very loop, if the function was not called often: it may never be
//! called again.
//!
//! # Invariants
//!
//! * **T1** A function that is settled has its last code in its slot. It is settled after the slot is written, so whoever
//!   sees the one sees the other, and may call the code directly.
//! * **T2** Code that was entered stays: nothing is taken away from under a frame.
//! * **T3** A function is given to the optimizing tier once for each place that it is entered at, whatever comes of it; but anew
//!   after a while if its body could not be read.
//!
//! # Elsewhere
//!
//! What a guest's request does: `vm/tier_up.rs`. Code and slots: `lazy.rs`.

use crate::append::AppendList;
use crate::cache::Cache;
use crate::compile;
use crate::explain::CompileReason;
use crate::lazy::{FuncState, LazyCode, Made};
use crate::module::ModuleInner;
use crate::vm::{Instances, VmContext};
use anyhow::{Error, Result, ensure};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use waft_core::budget::{WHOLE_BODY_COST, call_site, func_budget};
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::tier::Entry;

mod optimizer;

pub(crate) use optimizer::Optimizer;
use optimizer::{Job, LARGE_BODY};

/// So often a function is called before it is compiled anew.
const CALLS: i32 = 1_500;
/// So much it may go through in loops before, in the measure of `waft_core::budget::turn_cost`: a thousand times itself.
const LOOPS: i32 = 1_000 * WHOLE_BODY_COST.cast_signed();
/// The share of a budget of loops after which a function asks again; each time after twice as many, up to so many times as many:
/// its new code may wait for that of others.
const AGAIN: i32 = 2;
const PATIENCE: i32 = 8;
/// So long a process lives before it begins with a function that another has waited for in vain.
const LATE: Duration = Duration::from_millis(500);
/// So long nothing is asked for of a function whose body could not be read; each time twice as long, up to a limit.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A function that is so far ahead at a place of calls is the one that they call mostly.
const LEAD_MIN: i32 = 16;
/// A function that was called more often than this share of its budget will be called again. One that takes long to compile is
/// taken for such a one sooner: code for one loop alone would cost as much.
const OFTEN: i32 = CALLS / 16;
const OFTEN_IF_LARGE: i32 = CALLS / 256;

/// What machine code counts, in the form that `waft_core::budget` gives it. Threads that run one function at once may miss each
/// other's changes, which matters to nobody.
struct Counters {
    /// The places of calls, then the budgets, two words each.
    words: Box<[AtomicI32]>,
}

impl Counters {
    const BUDGETS_AT: usize = (call_site::COUNT * call_site::SIZE / 4) as usize;

    fn new(budgets: impl Iterator<Item = (i32, i32)>, targets: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut words = vec![0; Self::BUDGETS_AT];
        for (site, target) in targets {
            if let Some([word, lead]) = words.as_chunks_mut().0.get_mut(site as usize) {
                (*word, *lead) = (target.cast_signed(), LEAD_MIN);
            }
        }
        words.extend(budgets.flat_map(|(calls, loops)| [calls, loops]));
        Self { words: words.into_iter().map(AtomicI32::new).collect() }
    }

    fn calls(&self, func: DefinedFuncIndex) -> &AtomicI32 {
        const { assert!(func_budget::CALLS == 0 && func_budget::SIZE == 8) };
        &self.words[Self::BUDGETS_AT + 2 * func.index()]
    }

    fn loops(&self, func: DefinedFuncIndex) -> &AtomicI32 {
        const { assert!(func_budget::LOOPS == 4) };
        &self.words[Self::BUDGETS_AT + 2 * func.index() + 1]
    }

    /// What is called mostly at a place of calls, if there is something.
    fn target(&self, site: u32) -> Option<u32> {
        const { assert!(call_site::TARGET == 0 && call_site::LEAD == 4 && call_site::SIZE == 8) };
        let [target, lead] = [0, 1].map(|word| self.words[2 * site as usize + word].load(Ordering::Relaxed));
        (lead >= LEAD_MIN).then_some(target.cast_unsigned())
    }
}

/// What a module knows about better code for its functions.
pub(crate) struct TierUp {
    counters: Counters,
    promotions: Mutex<Promotions>,
    /// Notified when something became of a request, if somebody waits for that.
    promoted: Condvar,
    is_settled: Box<[AtomicBool]>,
    /// The settled functions, in the order in which they were.
    settled: AppendList<DefinedFuncIndex>,
    instances: Instances,
}

/// Whether somebody waited for functions that had been hot before.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Waited {
    /// Nobody did, or there was none.
    #[default]
    Not,
    /// All of them have better code, or will never have any.
    InTime,
    /// One at least was not done.
    InVain,
}

/// What became of requests for better code.
#[derive(Default)]
struct Promotions {
    of: HashMap<(DefinedFuncIndex, Entry), Promotion>,
    /// The functions that wait for code for one of their loops, and which: there is one at a time, for whoever leaves one loop leaves
    /// all.
    at_loops: HashMap<DefinedFuncIndex, Entry>,
    /// How many threads wait for some of them.
    waiting: usize,
    /// Until when nothing more is asked for of functions whose bodies could not be read, and how long that is in all.
    pauses: HashMap<DefinedFuncIndex, (Instant, Duration)>,
    /// What came of waiting for functions that had been hot before.
    waited: Waited,
}

impl Promotions {
    /// A function waits for code at a loop no longer.
    fn settle(&mut self, func: DefinedFuncIndex, entry: Entry) {
        if entry != Entry::Start {
            self.at_loops.remove(&func);
        }
    }

    /// Whether nothing is asked for of a function now.
    fn is_paused(&self, func: DefinedFuncIndex) -> bool {
        self.pauses.get(&func).is_some_and(|(end, _)| Instant::now() < *end)
    }
}

/// What became of a request for better code.
enum Promotion {
    /// It is being compiled, or waits for that; the function at its loops has so much patience by now.
    Asked { patience: i32 },
    /// This is the code, which lives as long as the module.
    Ready(AtomicPtr<u8>),
    /// The tier cannot compile it, for this reason.
    Refused(String),
}

impl TierUp {
    /// For a module of so many functions, of which an earlier process has found out this: what there is of each, and what is called
    /// mostly at some places of calls.
    pub(crate) fn new(
        funcs: usize,
        optimizer: &Optimizer,
        state: impl Fn(DefinedFuncIndex) -> FuncState,
        targets: impl Iterator<Item = (u32, u32)>,
    ) -> Self {
        let funcs = || (0..funcs).map(DefinedFuncIndex::new);
        let budget = |func| if state(func) == FuncState::Hot { (0, 0) } else { optimizer.budget() };
        Self {
            counters: Counters::new(funcs().map(budget), targets),
            promotions: Mutex::default(),
            promoted: Condvar::new(),
            is_settled: funcs().map(|func| AtomicBool::new(state(func) == FuncState::Settled)).collect(),
            settled: AppendList::default(),
            instances: Instances::default(),
        }
    }

    /// Where machine code finds the budgets of all functions.
    pub(crate) fn budgets(&self) -> *const AtomicI32 {
        // What stands below them is reached from there, so it is a pointer to all of it.
        self.counters.words.as_ptr().wrapping_add(Counters::BUDGETS_AT)
    }

    /// Whether a function has the code that it will keep (T1).
    pub(crate) fn is_settled(&self, func: DefinedFuncIndex) -> bool {
        self.is_settled[func.index()].load(Ordering::Acquire)
    }

    /// What is called mostly at places of calls, by their numbers.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        (0..call_site::COUNT).filter_map(|site| Some((site, self.counters.target(site)?)))
    }

    /// How many functions were settled in this process.
    pub(crate) fn settled_count(&self) -> usize {
        self.settled.len()
    }

    /// Has an instance's references be told of better code from now on.
    pub(crate) fn add_instance(&self, context: *mut VmContext) {
        self.instances.add(context);
    }

    /// Forgets an instance, before it goes.
    pub(crate) fn remove_instance(&self, context: *mut VmContext) {
        self.instances.remove(context);
    }

    /// The functions that were settled after the first `known` ones.
    pub(crate) fn settled_since(&self, known: usize) -> impl Iterator<Item = DefinedFuncIndex> + '_ {
        (known..self.settled.len()).map_while(|at| self.settled.get(at).copied())
    }

    fn promotions(&self) -> MutexGuard<'_, Promotions> {
        // Whole whenever it is unlocked: nothing panics between the changes that belong together.
        self.promotions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what became of a request.
    fn answer(&self, func: DefinedFuncIndex, entry: Entry, promotion: Promotion) {
        let mut promotions = self.promotions();
        promotions.of.insert((func, entry), promotion);
        promotions.settle(func, entry);
        promotions.pauses.remove(&func);
        if promotions.waiting > 0 {
            self.promoted.notify_all();
        }
    }

    /// Forgets a request of which nothing can become now, and has it made anew later.
    fn postpone(&self, optimizer: &Optimizer, func: DefinedFuncIndex, entry: Entry) {
        let mut promotions = self.promotions();
        promotions.of.remove(&(func, entry));
        promotions.settle(func, entry);
        // Of code for its start and for a loop, asked for at one time, one makes it longer.
        if !promotions.is_paused(func) {
            let long = promotions.pauses.get(&func).map_or(PAUSE, |(_, long)| PAUSE_MAX.min(*long * 2));
            promotions.pauses.insert(func, (Instant::now() + long, long));
        }
        self.ask_again(optimizer, func, entry);
        if promotions.waiting > 0 {
            self.promoted.notify_all();
        }
    }

    /// Has a function ask for better code when it has used up another budget of calls.
    fn ask_again(&self, optimizer: &Optimizer, func: DefinedFuncIndex, entry: Entry) {
        let (calls, (budget, _)) = (self.counters.calls(func), optimizer.budget());
        // What it has left of a budget may say that it is called often.
        if entry == Entry::Start && calls.load(Ordering::Relaxed) > budget {
            calls.store(budget, Ordering::Relaxed);
        }
    }

    /// Waits until something became of the requests for all of `funcs`, at their starts; not longer than `limit`.
    fn wait_for(&self, funcs: &[DefinedFuncIndex], limit: Duration) -> Waited {
        let outcome = |promotions: &Promotions| {
            let mut outcome = Waited::InTime;
            for func in funcs {
                match promotions.of.get(&(*func, Entry::Start)) {
                    Some(Promotion::Asked { .. }) => return Waited::InVain,
                    Some(Promotion::Ready(_) | Promotion::Refused(_)) => {}
                    // It was postponed, and neither is true.
                    None => outcome = Waited::Not,
                }
            }
            outcome
        };
        let is_asked = |promotions: &mut Promotions| outcome(promotions) == Waited::InVain;
        let mut promotions = self.promotions();
        promotions.waiting += 1;
        let waited = self.promoted.wait_timeout_while(promotions, limit, is_asked);
        let (mut promotions, _) = waited.unwrap_or_else(PoisonError::into_inner);
        promotions.waiting -= 1;
        outcome(&promotions)
    }

    /// What came of waiting for functions that had been hot before.
    pub(crate) fn waited(&self) -> Waited {
        self.promotions().waited
    }

    /// The functions for which better code was asked, and not refused: that would be the answer the next time as well.
    pub(crate) fn asked(&self) -> HashSet<DefinedFuncIndex> {
        let promotions = self.promotions();
        let asked = promotions.of.iter().filter(|(_, promotion)| !matches!(promotion, Promotion::Refused(_)));
        asked.map(|((func, _), _)| *func).collect()
    }

    /// Those for which it was refused.
    pub(crate) fn refused(&self) -> HashSet<DefinedFuncIndex> {
        self.refusals().into_iter().map(|(func, _)| func).collect()
    }

    /// The reasons why functions have no better code that have asked for it.
    pub(crate) fn refusals(&self) -> Vec<(DefinedFuncIndex, String)> {
        let promotions = self.promotions();
        let refused = promotions.of.iter().filter_map(|((func, _), promotion)| match promotion {
            Promotion::Refused(why) => Some((*func, why.clone())),
            _ => None,
        });
        refused.collect()
    }
}

impl ModuleInner {
    /// What follows from a function's having used up its budget: of calls, or of loops at the loop `loop_at` bytes into its
    /// body. The code that goes on there, if there is some.
    pub(crate) fn used_up(
        self: &Arc<Self>,
        func: DefinedFuncIndex,
        loop_at: Option<u32>,
    ) -> Option<*const u8> {
        let (lazy, tier_up, optimizer) = self.tier_up()?;
        let counters = &tier_up.counters;
        let (calls, loops) = optimizer.budget();
        let is_late = lazy.kept().is_some_and(|kept| kept.state(func) == FuncState::Late);
        if is_late && lazy.begun().elapsed() < LATE && !optimizer.is_stress() {
            counters.calls(func).store(calls, Ordering::Relaxed);
            counters.loops(func).store(loops, Ordering::Relaxed);
            return None;
        }
        let Some(loop_at) = loop_at else {
            // Code that still counts asks once more when it has called itself for the whole day.
            counters
                .calls(func)
                .store(if optimizer.is_stress() { calls } else { i32::MAX }, Ordering::Relaxed);
            self.promote(lazy, tier_up, optimizer, (func, Entry::Start), CompileReason::Calls);
            return None;
        };
        let at_loop = (func, Entry::Loop(loop_at));
        let (asked_before, start_asked, patience, ready) = {
            let mut promotions = tier_up.promotions();
            let pending = promotions.at_loops.get(&func).copied();
            let mut patience = 1;
            for entry in [Some(Entry::Start), pending].into_iter().flatten() {
                if let Some(Promotion::Asked { patience: asked }) = promotions.of.get_mut(&(func, entry)) {
                    *asked = PATIENCE.min(*asked * 2);
                    patience = patience.max(*asked);
                }
            }
            let ready = match promotions.of.get(&at_loop) {
                Some(Promotion::Ready(code)) => Some(code.load(Ordering::Relaxed).cast_const()),
                _ => None,
            };
            let asked = |entry| promotions.of.contains_key(&(func, entry));
            (asked(at_loop.1), asked(Entry::Start), patience, ready)
        };
        let again = if optimizer.is_stress() { loops } else { loops / AGAIN * patience };
        counters.loops(func).store(again, Ordering::Relaxed);
        if ready.is_some() {
            // The next call, perhaps that of another process, starts with good code then.
            self.promote(lazy, tier_up, optimizer, (func, Entry::Start), CompileReason::Loops);
            return ready;
        }
        // A function that was entered at one of its loops before is one that is called again.
        let often = if self.body_bytes(func) >= LARGE_BODY { OFTEN_IF_LARGE } else { OFTEN };
        let called_often =
            calls.saturating_sub(counters.calls(func).load(Ordering::Relaxed)) > often || start_asked;
        if called_often && !tier_up.is_settled(func) {
            self.promote(lazy, tier_up, optimizer, (func, Entry::Start), CompileReason::Loops);
        } else if !asked_before {
            self.promote(lazy, tier_up, optimizer, at_loop, CompileReason::Loops);
            // It may have been made here and now.
            if let Some(Promotion::Ready(code)) = tier_up.promotions().of.get(&at_loop) {
                return Some(code.load(Ordering::Relaxed));
            }
        }
        None
    }

    /// Asks for better code, unless that was done before (T3).
    fn promote(
        self: &Arc<Self>,
        lazy: &Arc<LazyCode>,
        tier_up: &TierUp,
        optimizer: &Optimizer,
        (func, entry): (DefinedFuncIndex, Entry),
        reason: CompileReason,
    ) {
        if optimizer.skips() {
            return;
        }
        {
            let mut promotions = tier_up.promotions();
            if promotions.of.contains_key(&(func, entry)) {
                return;
            }
            if promotions.is_paused(func) {
                return tier_up.ask_again(optimizer, func, entry);
            }
            if entry != Entry::Start {
                if promotions.at_loops.contains_key(&func) {
                    return;
                }
                promotions.at_loops.insert(func, entry);
            }
            promotions.of.insert((func, entry), Promotion::Asked { patience: 1 });
        }
        let bytes = self.body_bytes(func);
        let job = Job { module: Arc::downgrade(self), func, entry, reason, bytes };
        if optimizer.is_stress() {
            // A thread that cannot be started is as good as a tier that refuses.
            let done = crate::vm::with_compile_stack(|| self.optimize(lazy, tier_up, optimizer, &job));
            if let Err(error) = done {
                tier_up.answer(func, entry, Promotion::Refused(error.to_string()));
            }
            return;
        }
        optimizer.ask(job);
    }

    /// Compiles a function anew, and has its new code used.
    fn optimize(self: &Arc<Self>, lazy: &LazyCode, tier_up: &TierUp, optimizer: &Optimizer, job: &Job) {
        let Job { func, entry, reason, .. } = *job;
        if self.body(func).is_err() {
            // What is wrong with the module's file may be put right: it is no refusal.
            return tier_up.postpone(optimizer, func, entry);
        }
        let promotion = match self.optimized(lazy, func, entry, reason) {
            Ok(code) => {
                if entry == Entry::Start {
                    self.code_slots()[func.index()].store(code, Ordering::Release);
                    tier_up.is_settled[func.index()].store(true, Ordering::Release);
                    tier_up.settled.push(func);
                    tier_up.instances.use_code(self, func, code);
                }
                Promotion::Ready(AtomicPtr::new(code))
            }
            Err(error) => Promotion::Refused(format!("{error:#}")),
        };
        tier_up.answer(func, entry, promotion);
    }

    fn optimized(
        self: &Arc<Self>,
        lazy: &LazyCode,
        func: DefinedFuncIndex,
        entry: Entry,
        reason: CompileReason,
    ) -> Result<*mut u8> {
        if let Entry::Loop(_) = entry
            && let Some(kept) = lazy.kept().filter(|kept| kept.state(func) != FuncState::Missing)
        {
            // What is left must be code of the very body from which that is compiled which goes on. It is, if the first tier would make
            // the same of it now; which depends on nothing that changes from process to process, or nothing would ever be left.
            let first = compile::called(self, func).map_err(Error::msg)?;
            ensure!(kept.is(func, &first), "the code that runs was compiled from another body");
        }
        let begun = Instant::now();
        let compiled = compile::optimized(self, func, entry).map_err(Error::msg)?;
        let (tier, took) = (self.engine().tier().name(), begun.elapsed());
        lazy.add(self, &compiled, Made { func, entry, reason, tier, begun, took })
    }

    /// How large a function's body is; about, where it would have to be read to know.
    fn body_bytes(&self, func: DefinedFuncIndex) -> usize {
        let kept = self.code().lazy().and_then(|lazy| lazy.kept());
        match kept.filter(|kept| kept.state(func) != FuncState::Missing) {
            Some(kept) => kept.body_bytes(func),
            None => self.body_range(func).map_or(0, |body| body.len()),
        }
    }

    /// The functions that an earlier process found to be hot, and had no better code for.
    fn hot_before(&self) -> Vec<DefinedFuncIndex> {
        let Some(kept) = self.code().lazy().and_then(|lazy| lazy.kept()) else { return Vec::new() };
        let funcs = (0..self.shape().defined_funcs()).map(DefinedFuncIndex::new);
        funcs.filter(|func| kept.state(*func) == FuncState::Hot).collect()
    }

    /// Asks for better code of all functions that an earlier process found to be hot, before they are called.
    pub(crate) fn ask_for_hot(self: &Arc<Self>) {
        let Some((lazy, tier_up, optimizer)) = self.tier_up() else { return };
        for func in self.hot_before() {
            self.promote(lazy, tier_up, optimizer, (func, Entry::Start), CompileReason::Hot);
        }
    }

    /// Waits for better code of functions that were hot in an earlier process. Whether there is nothing left to wait for. If the next
    /// process would not find it, nobody waits.
    pub(crate) fn wait_for_hot(&self, limit: Duration) -> bool {
        let Some((_, tier_up, _)) = self.tier_up() else { return true };
        let hot = self.hot_before();
        if hot.is_empty() {
            return true;
        }
        if !Cache::is_writable_for(self) {
            return tier_up.wait_for(&hot, Duration::ZERO) != Waited::InVain;
        }
        let waited = tier_up.wait_for(&hot, limit);
        tier_up.promotions().waited = waited;
        waited != Waited::InVain
    }

    /// Does a job of the optimizer's.
    fn do_job(self: &Arc<Self>, job: &Job) {
        if let Some((lazy, tier_up, optimizer)) = self.tier_up() {
            self.optimize(lazy, tier_up, optimizer, job);
        }
    }

    /// The function that is mostly called through a reference at a place in the module, if there is one and it is the
    /// caller's neighbour.
    pub(crate) fn likely_target(&self, wasm: u32) -> Option<DefinedFuncIndex> {
        let target = self.code().tier_up()?.counters.target(call_site::of(wasm))?;
        self.shape().func_of_reference(self.layout().func_ref_at(target)?)
    }

    /// Notes that a job came to nothing.
    fn refuse(&self, job: &Job, why: &str) {
        if let Some(tier_up) = self.code().tier_up() {
            tier_up.answer(job.func, job.entry, Promotion::Refused(why.to_owned()));
        }
    }

    fn tier_up(&self) -> Option<(&Arc<LazyCode>, &TierUp, &Optimizer)> {
        let lazy = self.code().lazy()?;
        Some((lazy, lazy.tier_up()?, self.engine().optimizer()?))
    }
}

/// Numbers that look random, the same ones each time from one seed.
pub(crate) struct Random(AtomicU64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number, below `end`. Source: SplitMix64, Steele, Lea and Flood, "Fast splittable pseudorandom number
    /// generators", 2014.
    pub(crate) fn below(&self, end: u64) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cache, CacheConfig, Config, Engine, Instance, Module, Store};

    const CALLS_BY_TABLE: &str = r#"(module (table funcref (elem $a $b $c)) (func $a) (func $b) (func $c)
        (func (export "f") (param i32) (call_indirect (local.get 0))))"#;

    /// The functions that are called mostly, at whatever place.
    fn likely(module: &Module) -> Vec<usize> {
        let module = module.inner();
        let func = |(_, target)| module.shape().func_of_reference(module.layout().func_ref_at(target)?);
        let tier_up = module.code().tier_up().expect("hot code gets better");
        tier_up.targets().filter_map(func).map(|func| func.index()).collect()
    }

    /// Calls the functions of these numbers, the row so many times.
    fn call(module: &Module, row: &[i32], times: usize) {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let f = instance.get_typed_func::<i32, ()>(&mut store, "f").unwrap();
        (0..times).flat_map(|_| row).for_each(|which| f.call(&mut store, *which).unwrap());
    }

    #[test]
    fn the_function_that_is_called_mostly_is_found() {
        let engine = Engine::default();
        let rows: [(&[i32], usize, &[usize]); 9] = [
            (&[1], 100, &[1]),
            (&[1], 10, &[]),
            (&[1, 1, 1, 1, 1, 1, 1, 1, 1, 0], 20, &[1]),
            (&[0, 2, 2, 2, 2, 2, 1, 2, 2, 2], 20, &[2]),
            (&[0, 1, 0, 0, 2], 50, &[]),
            (&[0, 1], 100, &[]),
            (&[0, 1, 2], 100, &[]),
            (&[0, 0, 0, 0, 1], 50, &[0]),
            (&[], 0, &[]),
        ];
        for (row, times, wanted) in rows {
            let module = Module::new(&engine, CALLS_BY_TABLE).unwrap();
            call(&module, row, times);
            assert_eq!(likely(&module), wanted, "{row:?}");
        }
        // What was so before, and is not any more.
        let module = Module::new(&engine, CALLS_BY_TABLE).unwrap();
        call(&module, &[0], 100);
        call(&module, &[2], 100);
        assert_eq!(likely(&module), [2]);
    }

    #[test]
    fn what_is_called_mostly_is_known_to_the_next_process() {
        let directory = std::env::temp_dir().join(format!("waft-{}-targets", std::process::id()));
        let cache = || Cache::new(CacheConfig::new().with_directory(&directory).clone()).unwrap();
        for round in 0..3 {
            let engine = Engine::new(Config::new().cache(Some(cache()))).unwrap();
            let module = Module::new(&engine, CALLS_BY_TABLE).unwrap();
            let wanted: &[usize] = if round == 0 { &[] } else { &[1] };
            assert_eq!(likely(&module), wanted);
            call(&module, &[1], 100);
            module.keep();
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
