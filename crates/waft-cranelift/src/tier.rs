//! The tier itself: settings, reuse of Cranelift's allocations, and what its output becomes.

use crate::exception::handlers;
use crate::home;
use crate::inline::{Inlined, Inlining};
use crate::placement::placement;
use crate::signature::guest_signature;
use crate::stack_map::stack_maps;
use crate::translator::{FuncTranslator, Machine, Translated};
use crate::trap::waft_trap;
use cranelift_codegen::binemit::Reloc as ClifReloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{ExternalName, Function, GlobalValueData, MemFlagsData, UserFuncName};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{CompiledCode, Context, FinalizedMachReloc, FinalizedRelocTarget};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use std::sync::{Mutex, OnceLock, PoisonError};
use waft_core::index::FuncIndex;
use waft_core::layout::{VmLayout, store_context};
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CompileError, CompileRequest, CompiledFunc, Entry, Reloc, Tier, TrapSite, Tunables};

/// The settings that differ from Cranelift's defaults or that the code relies on, besides `opt_level`.
const SETTINGS: &[(&str, &str)] = &[
    // Wrong CLIF is a bug here, found by tests.
    ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
    // Backtraces walk the chain of frames; nothing reads unwind tables.
    ("preserve_frame_pointers", "true"),
    ("unwind_info", "false"),
    // Every prologue compares the stack pointer, less the frame, with the limit.
    ("enable_probestack", "false"),
    ("enable_alias_analysis", "true"),
    ("enable_table_access_spectre_mitigation", "true"),
    ("regalloc_checker", "false"),
];

/// Instructions that Cranelift replaces by calls to a C library where they are missing. There is none to call.
const FEATURES_NEEDED: &[&str] = &["has_sse3", "has_ssse3", "has_sse41"];

/// What x86-64-v2 has.
const FEATURES_PORTABLE: &[&str] =
    &["has_cmpxchg16b", "has_popcnt", "has_sse3", "has_ssse3", "has_sse41", "has_sse42"];

/// The optimising tier.
pub struct Cranelift {
    backends: Backends,
    /// For canonical NaNs; made when they are first asked for.
    canonical: OnceLock<Result<Backends, String>>,
    isa: cranelift_codegen::isa::Builder,
    machine: Machine,
    /// Which calls are translated in place; none if the module decides.
    inlining: Option<Inlining>,
    idle: Mutex<Vec<Workshop>>,
}

/// Cranelift's code generators, alike but for how much they optimise.
struct Backends {
    speed: OwnedTargetIsa,
    /// For functions that would take too long otherwise: no optimisation.
    plain: OwnedTargetIsa,
}

impl Backends {
    fn new(isa: &cranelift_codegen::isa::Builder, canonical_nans: bool) -> Result<Self, String> {
        let mut flags = settings::builder();
        let canonical_nans = ("enable_nan_canonicalization", if canonical_nans { "true" } else { "false" });
        for (name, value) in SETTINGS.iter().chain([&canonical_nans]) {
            flags.set(name, value).map_err(|error| format!("setting {name}: {error}"))?;
        }
        let mut finish = |opt_level| {
            flags.set("opt_level", opt_level).map_err(|error| format!("setting opt_level: {error}"))?;
            isa.finish(settings::Flags::new(flags.clone())).map_err(|error| error.to_string())
        };
        Ok(Self { plain: finish("none")?, speed: finish("speed")? })
    }
}

/// Cranelift's allocations, kept from one function to the next.
struct Workshop {
    context: Context,
    builder: FunctionBuilderContext,
}

impl Workshop {
    fn new() -> Self {
        Self { context: Context::new(), builder: FunctionBuilderContext::new() }
    }
}

impl Cranelift {
    /// The tier for this machine, with all that its processor offers.
    ///
    /// # Errors
    ///
    /// If Cranelift does not know the machine, or the processor lacks SSE4.1.
    pub fn new() -> Result<Self, String> {
        Self::with(cranelift_native::builder()?)
    }

    /// The tier for every x86-64 machine of the last fifteen years (x86-64-v2): the same code wherever it runs.
    ///
    /// # Errors
    ///
    /// If Cranelift does not know the machine.
    pub fn portable() -> Result<Self, String> {
        let mut isa = cranelift_native::builder_with_options(false)?;
        for feature in FEATURES_PORTABLE {
            isa.enable(feature).map_err(|error| format!("feature {feature}: {error}"))?;
        }
        Self::with(isa)
    }

    fn with(isa: cranelift_codegen::isa::Builder) -> Result<Self, String> {
        let backends = Backends::new(&isa, false)?;
        let on = |feature: &str| {
            backends.speed.isa_flags().iter().any(|flag| flag.name == feature && flag.as_bool() == Some(true))
        };
        if let Some(feature) = FEATURES_NEEDED.iter().find(|feature| !on(feature)) {
            return Err(format!("the processor lacks a feature that compiled code needs: {feature}"));
        }
        // With less, Cranelift would call a C library.
        let machine = Machine { fma: on("has_avx") && on("has_fma") };
        Ok(Self {
            backends,
            canonical: OnceLock::new(),
            isa,
            machine,
            inlining: None,
            idle: Mutex::new(Vec::new()),
        })
    }

    /// The same tier with another policy of which calls are translated in place, whatever the module.
    #[must_use]
    pub fn with_inlining(self, inlining: Inlining) -> Self {
        Self { inlining: Some(inlining), ..self }
    }

    fn backends(&self, tunables: &Tunables) -> Result<&Backends, String> {
        if !tunables.canonical_nans {
            return Ok(&self.backends);
        }
        let canonical = self.canonical.get_or_init(|| Backends::new(&self.isa, true));
        canonical.as_ref().map_err(String::clone)
    }

    /// The machine code of a function as text: what tests compare with golden listings.
    ///
    /// # Errors
    ///
    /// As for [`Tier::compile`].
    pub fn disassemble(&self, request: &CompileRequest<'_>) -> Result<String, CompileError> {
        self.with_workshop(request, |workshop| {
            workshop.context.set_disasm(true);
            let (code, _) = self.generate(workshop, request)?;
            code.vcode.clone().ok_or_else(|| "Cranelift gave no listing".to_string())
        })
    }

    /// Does `work` with allocations of its own, and names the function in errors.
    fn with_workshop<T>(
        &self,
        request: &CompileRequest<'_>,
        work: impl FnOnce(&mut Workshop) -> Result<T, String>,
    ) -> Result<T, CompileError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workshop = idle().pop().unwrap_or_else(Workshop::new);
        let outcome = work(&mut workshop);
        // After an error the builder may hold half a function; after a panic this is never reached.
        if outcome.is_ok() {
            workshop.context.clear();
            idle().push(workshop);
        }
        outcome.map_err(|message| CompileError { func: request.func, message })
    }

    fn generate<'w>(
        &self,
        workshop: &'w mut Workshop,
        request: &CompileRequest<'_>,
    ) -> Result<(&'w CompiledCode, Inlined), String> {
        let func = &mut workshop.context.func;
        let index = request.shape.func(request.func);
        func.name = UserFuncName::user(0, index.as_u32());
        func.signature = guest_signature(request.shape.func_sig(index));
        check_stack(func);
        let inlining = self.inlining.unwrap_or_else(|| Inlining::of(request.shape));
        let builder = FunctionBuilder::new(func, &mut workshop.builder);
        let translated = FuncTranslator::translate(builder, request, self.machine, inlining)?;
        let Backends { speed, plain } = self.backends(request.tunables)?;
        let Translated { builder, excessive, inlined } = translated;
        builder.finalize(speed.frontend_config());
        let isa = if excessive { plain } else { speed };
        let code = workshop
            .context
            .compile(&**isa, &mut ControlPlane::default())
            .map_err(|error| format!("{:?}", error.inner))?;
        Ok((code, inlined))
    }
}

impl Tier for Cranelift {
    fn name(&self) -> &'static str {
        "cranelift"
    }

    fn gaps(&self) -> ProposalSet {
        ProposalSet::EMPTY
    }

    fn fingerprint(&self) -> String {
        use std::fmt::Write;
        let mut text = format!(
            "waft-cranelift {} cranelift {} {}",
            env!("CARGO_PKG_VERSION"),
            cranelift_codegen::VERSION,
            self.backends.speed.triple()
        );
        write!(text, " {}", home::limits()).expect("writing to a string does not fail");
        let policies = self.inlining.map_or([Inlining::SMALL, Inlining::OBJECTS], |inlining| [inlining; 2]);
        write!(text, " {policies:?}").expect("writing to a string does not fail");
        // What differs where NaNs are canonical follows from the request.
        let Backends { speed, plain } = &self.backends;
        for flag in speed.flags().iter().chain(speed.isa_flags()).chain(plain.flags().iter()) {
            // The verifier checks the code and does not change it.
            if flag.name != "enable_verifier" {
                write!(text, " {flag}").expect("writing to a string does not fail");
            }
        }
        text
    }

    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunc, CompileError> {
        self.with_workshop(request, |workshop| {
            let (_, inlined) = self.generate(workshop, request)?;
            let Workshop { context, .. } = workshop;
            let code = context.compiled_code().ok_or("Cranelift gave no code")?;
            finish(code, &context.func, inlined, request.entry)
        })
    }
}

/// Has the prologue compare the stack pointer with the store's limit.
fn check_stack(func: &mut Function) {
    let flags = func.dfg.mem_flags.insert_unchecked(MemFlagsData::trusted());
    let context = func.create_global_value(GlobalValueData::VMContext);
    let mut load = |base, offset: u32| {
        let offset = (offset as i32).into();
        func.create_global_value(GlobalValueData::Load { base, offset, global_type: I64, flags })
    };
    let store = load(context, VmLayout::STORE);
    let limit = load(store, store_context::STACK_LIMIT);
    func.stack_limit = Some(limit);
}

/// What Cranelift made, in Waft's words.
fn finish(
    code: &CompiledCode,
    func: &Function,
    inlined: Inlined,
    entry: Entry,
) -> Result<CompiledFunc, String> {
    let buffer = &code.buffer;
    let mut traps = Vec::with_capacity(buffer.traps().len());
    for trap in buffer.traps() {
        traps.push(TrapSite { offset: trap.offset, code: waft_trap(trap.code)? });
    }
    // Traps out of line are recorded where they are emitted, after the code.
    traps.sort_by_key(|trap| trap.offset);
    let relocs = buffer.relocs().iter().map(|reloc| waft_reloc(reloc, func)).collect::<Result<_, _>>()?;
    let (positions, inlined_code) = inlined.positions(code);
    Ok(CompiledFunc {
        code: buffer.data().to_vec(),
        placement: placement(buffer.data(), buffer.alignment, entry),
        relocs,
        traps,
        positions,
        inlined_calls: inlined.into_calls(),
        inlined_code,
        stack_maps: stack_maps(code),
        handlers: handlers(code)?,
    })
}

fn waft_reloc(reloc: &FinalizedMachReloc, func: &Function) -> Result<Reloc, String> {
    let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = &reloc.target else {
        return Err(format!("unexpected relocation to {:?}", reloc.target));
    };
    if reloc.kind != ClifReloc::X86CallPCRel4 {
        return Err(format!("unexpected kind of relocation: {:?}", reloc.kind));
    }
    let target = FuncIndex::from_u32(func.params.user_named_funcs()[*name].index);
    let addend = i32::try_from(reloc.addend).map_err(|_| "a relocation's addend exceeds 32 bits")?;
    Ok(Reloc { offset: reloc.offset, target, addend })
}
