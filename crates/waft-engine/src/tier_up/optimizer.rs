//! Who compiles hot functions anew: threads beside those that run guests.
//!
//! There are as few of them as the machine has processors to spare, they start when there is work, and end when there has been none for
//! a while. Their priority is below that of other threads. What waits in a queue costs nothing: a module that is dropped meanwhile is
//! passed over.
//!
//! Small functions go first: they are many, done soon, and each of them pays at once. An interpreter's loop, which takes as long as
//! all of them together, keeps one thread busy and no more; where there is only one, it waits for many small ones.

use super::{CALLS, LOOPS, Random};
use crate::explain::CompileReason;
use crate::module::ModuleInner;
use crate::threads::processors;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use waft_core::index::DefinedFuncIndex;
use waft_core::tier::Entry;

/// The most threads, however many processors there are: one keeps up with what several guests find hot.
const WORKERS_MAX: usize = 4;
/// A thread that had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(5);
/// A function with a body of so many bytes takes long to compile.
pub(super) const LARGE_BODY: usize = 16 << 10;
/// So many small functions go before a large one that waits.
const PASSED_OVER_MAX: usize = 100;
/// How far below the priority of others, in steps of `nice`.
const NICE: i32 = 10;
/// As threads have that compile whole modules.
const STACK_BYTES: usize = 2 << 20;

/// What makes better code, for an engine that does that.
pub(crate) struct Optimizer {
    queue: Arc<Queue>,
    /// In place of threads: whether something is compiled, here and now, is left to chance.
    stress: Option<Random>,
}

/// A function that is to be compiled anew.
pub(crate) struct Job {
    pub(super) module: Weak<ModuleInner>,
    pub(super) func: DefinedFuncIndex,
    pub(super) entry: Entry,
    pub(super) reason: CompileReason,
    /// Of its body.
    pub(super) bytes: usize,
}

impl Job {
    fn is_large(&self) -> bool {
        self.bytes >= LARGE_BODY
    }
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    /// Notified when there is a job, or no more work at all.
    changed: Condvar,
}

#[derive(Default)]
struct Jobs {
    small: Waiting,
    large: Waiting,
    /// How many ever came.
    count: u64,
    workers: usize,
    idle: usize,
    /// Whether a large function is being compiled.
    compiles_large: bool,
    /// How many small ones were begun while a large one waited.
    passed_over: usize,
    closed: bool,
}

/// Jobs by size, and then in the order in which they came.
type Waiting = BTreeMap<(usize, u64), Job>;

impl Optimizer {
    pub(crate) fn new(stress: Option<u64>) -> Self {
        Self { queue: Arc::default(), stress: stress.map(Random::new) }
    }

    /// The calls and turns of loops after which a function is hot.
    pub(super) fn budget(&self) -> (i32, i32) {
        match &self.stress {
            Some(random) => (random.below(4) as i32, random.below(3_000) as i32),
            None => (CALLS, LOOPS),
        }
    }

    /// Whether tiers are switched at random.
    pub(super) fn is_stress(&self) -> bool {
        self.stress.is_some()
    }

    /// Whether a request is to be passed over.
    pub(super) fn skips(&self) -> bool {
        self.stress.as_ref().is_some_and(|random| random.below(2) == 0)
    }

    /// Has a job done, soon.
    pub(super) fn ask(&self, job: Job) {
        let mut jobs = self.queue.jobs();
        jobs.add(job);
        if jobs.idle > 0 {
            self.queue.changed.notify_one();
        }
        if jobs.idle < jobs.small.len() + jobs.large.len() && jobs.workers < workers_max() {
            let queue = self.queue.clone();
            let thread = std::thread::Builder::new().name("waft-optimize".into()).stack_size(STACK_BYTES);
            // Where none can be started now, those that are there come for the job, or the next one that is asked for brings a
            // thread: until then code is not as good as it could be.
            if thread.spawn(move || queue.work()).is_ok() {
                jobs.workers += 1;
            }
        }
    }
}

impl Drop for Optimizer {
    fn drop(&mut self) {
        self.queue.jobs().closed = true;
        self.queue.changed.notify_all();
    }
}

fn workers_max() -> usize {
    processors().saturating_sub(1).clamp(1, WORKERS_MAX)
}

impl Jobs {
    fn add(&mut self, job: Job) {
        let key = (job.bytes, self.count);
        self.count += 1;
        if job.is_large() {
            self.large.insert(key, job)
        } else {
            self.small.insert(key, job)
        };
    }

    /// The job that is begun next: one large function at a time, by a thread that the small ones can do without, or when many of
    /// them had their turn.
    fn take(&mut self) -> Option<Job> {
        let spare = self.small.is_empty() || self.workers > 1 || self.passed_over >= PASSED_OVER_MAX;
        if spare
            && !self.compiles_large
            && let Some((_, job)) = self.large.pop_first()
        {
            self.compiles_large = true;
            self.passed_over = 0;
            return Some(job);
        }
        self.passed_over += usize::from(!self.large.is_empty());
        self.small.pop_first().map(|(_, job)| job)
    }
}

/// A large function that is being compiled, until it is dropped.
struct LargeJob<'q>(Option<&'q Queue>);

impl Drop for LargeJob<'_> {
    fn drop(&mut self) {
        if let Some(queue) = self.0 {
            queue.jobs().compiles_large = false;
        }
    }
}

impl Queue {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // Whole whenever it is unlocked: nothing panics that holds it.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does until it is not needed any more.
    fn work(&self) {
        // Where that is forbidden, guests and compilers share the processors evenly.
        let _ = rustix::process::setpriority_process(None, NICE);
        while let Some(job) = self.next() {
            let _done = LargeJob(job.is_large().then_some(self));
            let on_module = |work: fn(&Arc<ModuleInner>, &Job)| {
                // The last handle of a module may be this one, and what happens when it goes is not ours alone.
                let work = || job.module.upgrade().iter().for_each(|module| work(module, &job));
                catch_unwind(AssertUnwindSafe(work)).is_ok()
            };
            // A tier that panics has refused: the function keeps the code that it has.
            let done = on_module(|module, job| module.do_job(job))
                || on_module(|module, job| module.refuse(job, "the compiler panicked"));
            debug_assert!(done, "what is said of a job does not panic");
        }
    }

    /// The next job; none when there is to be no more work for this thread.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs();
        loop {
            if jobs.closed {
                jobs.workers -= 1;
                return None;
            }
            if let Some(job) = jobs.take() {
                return Some(job);
            }
            jobs.idle += 1;
            let (woken, timeout) =
                self.changed.wait_timeout(jobs, IDLE).unwrap_or_else(PoisonError::into_inner);
            jobs = woken;
            jobs.idle -= 1;
            if timeout.timed_out() && jobs.small.is_empty() && jobs.large.is_empty() {
                jobs.workers -= 1;
                return None;
            }
        }
    }
}
