//! What became of a module's functions: which tier compiled them, when, and why.

use crate::code::ModuleCode;
use crate::module::{Module, ModuleInner};
use std::sync::Arc;
use std::time::Duration;
use waft_core::index::{DefinedFuncIndex, TypedIndex};
use waft_core::tier::Entry;

/// Why a function was compiled.
///
/// ```
/// use waft::CompileReason;
///
/// assert_eq!(CompileReason::Loops.to_string(), "its loops went round often");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CompileReason {
    /// All functions of the module were.
    Module,
    /// It was found compiled, by an earlier process.
    Found,
    /// It was called for the first time.
    FirstCall,
    /// It was called often.
    Calls,
    /// Its loops went round often.
    Loops,
    /// An earlier process found it hot, and ended before there was better code.
    Hot,
}

impl CompileReason {
    /// A word for it, for programs that read what programs write.
    ///
    /// ```
    /// # use waft::*;
    /// assert_eq!(CompileReason::FirstCall.name(), "first-call");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Found => "found",
            Self::FirstCall => "first-call",
            Self::Calls => "calls",
            Self::Loops => "loops",
            Self::Hot => "hot",
        }
    }
}

impl std::fmt::Display for CompileReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Module => "with the whole module",
            Self::Found => "by an earlier process",
            Self::FirstCall => "it was called",
            Self::Calls => "it was called often",
            Self::Loops => "its loops went round often",
            Self::Hot => "it was hot in an earlier process",
        })
    }
}

/// Code of one function, as [`Module::compiled_code`] gives it. A function may have several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FuncCodeInfo {
    func: u32,
    tier: &'static str,
    reason: CompileReason,
    loop_offset: Option<usize>,
    code_size: usize,
    body_size: Option<usize>,
    begun: Option<Duration>,
    took: Option<Duration>,
}

impl FuncCodeInfo {
    /// The function's index in the module.
    pub fn function_index(&self) -> u32 {
        self.func
    }
    /// The name of the tier that compiled it.
    pub fn tier(&self) -> &'static str {
        self.tier
    }
    /// Why it was compiled.
    pub fn reason(&self) -> CompileReason {
        self.reason
    }
    /// Of code that is not entered by calls: the loop at which it is, in bytes from the start of the module.
    pub fn loop_offset(&self) -> Option<usize> {
        self.loop_offset
    }
    /// Bytes of machine code.
    pub fn code_size(&self) -> usize {
        self.code_size
    }
    /// Bytes of the function's body, if the module has its bodies, and they can be read.
    pub fn body_size(&self) -> Option<usize> {
        self.body_size
    }
    /// When it was begun, from when the module was there; none if that was not while the module was used.
    pub fn begun_after(&self) -> Option<Duration> {
        self.begun
    }
    /// How long compiling it took, if that was while the module was used.
    pub fn compile_time(&self) -> Option<Duration> {
        self.took
    }
}

impl Module {
    /// The code that there is of its functions by now, in the order in which it came.
    ///
    /// ```
    /// # use waft::*;
    /// let module = Module::new(&Engine::default(), "(module (func $start) (start $start) (func $unused))")?;
    /// assert_eq!(module.compiled_code().count(), 0);
    /// Instance::new(&mut Store::new(module.engine(), ()), &module, &[])?;
    /// let code = module.compiled_code().next().unwrap();
    /// assert_eq!((code.function_index(), code.tier(), code.reason()), (0, "baseline", CompileReason::FirstCall));
    /// assert!(code.code_size() > 0 && code.body_size() == Some(2) && code.loop_offset().is_none());
    /// assert!(code.begun_after().is_some() && code.compile_time().is_some());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn compiled_code(&self) -> impl Iterator<Item = FuncCodeInfo> + '_ {
        let module: &Arc<ModuleInner> = self.inner();
        let engine = module.engine();
        let info = |func: DefinedFuncIndex| FuncCodeInfo {
            func: module.shape().func(func).index() as u32,
            tier: engine.tier().name(),
            reason: CompileReason::Module,
            loop_offset: None,
            code_size: 0,
            body_size: module.body_range(func).ok().map(|body| body.len()),
            begun: None,
            took: None,
        };
        let (whole, lazy) = match module.code() {
            ModuleCode::Whole(code) => (Some(code), None),
            ModuleCode::Lazy(lazy) => (lazy.kept().map(|kept| kept.code()), Some(lazy)),
        };
        let kept = lazy.and_then(|lazy| lazy.kept());
        let whole = whole.into_iter().flat_map(move |code| {
            (0..).map_while(|at| Some((DefinedFuncIndex::new(at), code.tables().func(at)?.1)))
        });
        let whole = whole.filter_map(move |(func, len)| {
            let (tier, reason) = match kept {
                Some(kept) => (kept.state(func).tier(engine)?.name(), CompileReason::Found),
                None => (engine.tier().name(), CompileReason::Module),
            };
            Some(FuncCodeInfo { tier, reason, code_size: len as usize, ..info(func) })
        });
        let made = lazy.into_iter().flat_map(move |lazy| {
            lazy.made().map(move |(made, code_size)| {
                let info = info(made.func);
                let loop_offset = match made.entry {
                    Entry::Start => None,
                    Entry::Loop(at) => module.body_range(made.func).ok().map(|body| body.start + at as usize),
                };
                let begun = Some(made.begun.duration_since(lazy.begun()));
                let took = Some(made.took);
                FuncCodeInfo {
                    tier: made.tier,
                    reason: made.reason,
                    loop_offset,
                    code_size,
                    begun,
                    took,
                    ..info
                }
            })
        });
        whole.chain(made)
    }

    /// What backtraces and profilers call a function, by its index: with the module's name and its own, as far as they are
    /// known. Names are what the module says they are, control characters and all.
    ///
    /// ```
    /// # use waft::*;
    /// let module = Module::new(&Engine::default(), "(module $app (func $main) (func))")?;
    /// assert_eq!(module.function_label(0), "app!main");
    /// assert_eq!(module.function_label(1), "app!<wasm function 1>");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn function_label(&self, index: u32) -> String {
        self.inner().func_label(index).to_string()
    }

    /// The functions that were to get better code, and did not, with the reasons.
    pub fn refused_code(&self) -> Vec<(u32, String)> {
        let module = self.inner();
        let tier_up = module.code().tier_up();
        let refused = tier_up.map(|tier_up| tier_up.refusals()).unwrap_or_default();
        refused.into_iter().map(|(func, why)| (module.shape().func(func).index() as u32, why)).collect()
    }
}
