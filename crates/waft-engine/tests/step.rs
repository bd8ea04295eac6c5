//! An interrupt at any one instruction stops the guest there, and its backtrace has every caller.
//!
//! The processor's trap flag makes each instruction of this thread a `SIGTRAP`; at the one that is asked for, its handler
//! requests an interrupt, whose signal arrives before the next instruction.

mod common;

use common::{compile, names, run, trap};
use std::arch::asm;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::{fs, mem, ptr};
use waft::*;

/// `TF` of the flags register.
const TRAP_FLAG: i64 = 1 << 8;

/// Instructions of guests and of stubs that are still to be passed; 0 when nothing is stepped through.
static LEFT: AtomicU32 = AtomicU32::new(0);
/// Of the store that is stepped through.
static HANDLE: AtomicPtr<InterruptHandle> = AtomicPtr::new(ptr::null_mut());
/// Code of the process and of its libraries.
static HOST: OnceLock<Vec<Range<usize>>> = OnceLock::new();

unsafe extern "C" {
    #[link_name = "__start_waft_stub"]
    static STUBS_START: u8;
    #[link_name = "__stop_waft_stub"]
    static STUBS_END: u8;
}

extern "C" fn on_step(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler the context of what it interrupted.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let pc = registers[libc::REG_RIP as usize] as usize;
    let is_stub = ((&raw const STUBS_START).addr()..(&raw const STUBS_END).addr()).contains(&pc);
    let is_host = HOST.get().expect("known before the first step").iter().any(|range| range.contains(&pc));
    if is_host && !is_stub || LEFT.fetch_sub(1, Ordering::Relaxed) > 1 {
        return;
    }
    registers[libc::REG_EFL as usize] &= !TRAP_FLAG;
    // SAFETY: set before the first step, to a value that is never dropped.
    unsafe { &*HANDLE.load(Ordering::Relaxed) }.interrupt();
}

fn file_mappings() -> Vec<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let address = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let of_file = |line: &str| {
        let (start, end) = line.split_whitespace().next()?.split_once('-')?;
        line.contains(" /").then(|| address(start)..address(end)).filter(|_| !line.contains("memfd:"))
    };
    maps.lines().filter_map(of_file).collect()
}

/// Has what this thread does from here on stepped through.
fn step_on() {
    if LEFT.load(Ordering::Relaxed) == 0 {
        return;
    }
    // SAFETY: sets one flag of the processor, whose signal is handled; below what the compiler may keep there.
    unsafe {
        asm!("sub rsp, 128", "pushfq", "or qword ptr [rsp], 0x100", "popfq", "lea rsp, [rsp + 128]");
    }
}

fn step_off() {
    // SAFETY: as in `step_on`.
    unsafe {
        asm!("sub rsp, 128", "pushfq", "and qword ptr [rsp], -257", "popfq", "lea rsp, [rsp + 128]");
    }
}

/// What `work` does: a few instructions, and among them those that enter and leave frames.
const WORK: [&str; 14] = [
    "(call $leaf)",
    "(call_indirect (type $none) (i32.const 0))",
    "(call $tail)",
    "(call $tail_indirect)",
    "(drop (call_indirect (type $many) ARGS (i32.const 2)))",
    "(drop (call $tail_same ARGS))",
    "(drop (call $tail_fewer ARGS))",
    "(drop (call $tail_more))",
    "(drop (call $tail_host ARGS))",
    "(call $tail_many_more)",
    "(call $tail_many_fewer MANY)",
    "(call $catch)",
    "(call $library)",
    "(drop (call_indirect (type $many) ARGS (i32.const 1)))",
];

fn module_text(work: &str) -> String {
    let args =
        "(i64.const 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
        (i64.const 7) (f64.const 8)";
    let (many, many_types) = ("(i64.const 1) ".repeat(40), "i64 ".repeat(40));
    let work = work.replace("ARGS", args).replace("MANY", &many);
    format!(
        r#"(module
            (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 f64) (result i64)))
            (type $none (func))
            (import "host" "on" (func $on)) (import "host" "off" (func $off))
            (import "host" "many" (func $host (type $many)))
            (table funcref (elem $leaf $host $many))
            (memory 1)
            (tag $t)
            (func $leaf)
            (func $many (type $many) (i64.add (local.get 6) (local.get 7)))
            (func $one (result i64) (i64.const 1))
            (func $tail (return_call $leaf))
            (func $tail_indirect (return_call_indirect (type $none) (i32.const 0)))
            (func $tail_same (type $many) (return_call $many {args}))
            (func $tail_fewer (type $many) (return_call $one))
            (func $tail_more (result i64) (return_call $many {args}))
            (func $most (param {many_types}))
            (func $tail_many_more (return_call $most {many}))
            (func $tail_many_fewer (param {many_types}) (return_call $leaf))
            (func $tail_host (type $many) (return_call $host {args}))
            (func $throw (throw $t))
            (func $catch (block $h (try_table (catch_all $h) (call $throw))))
            (func $library (memory.fill (i32.const 0) (i32.const 0) (i32.const 3)))
            (func $work (export "work") {work})
            (func $run (export "run") (call $on) (call $work) (call $off)))"#
    )
}

/// What the guest does before and after the host hears of it.
fn step_through(engine: &Engine, work: &str, tier: &str) {
    let mut linker = Linker::new(engine);
    linker.func_wrap("host", "on", step_on).unwrap();
    linker.func_wrap("host", "off", step_off).unwrap();
    linker.func_wrap("host", "many", many).unwrap();
    let mut store = Store::new(engine, ());
    let module = compile(&store, &module_text(work));
    let instance = linker.instantiate(&mut store, &module).unwrap();
    run(&mut store, instance, "work").unwrap();
    HANDLE.store(Box::into_raw(Box::new(store.interrupt_handle())), Ordering::Relaxed);
    let mut seen = BTreeSet::new();
    for steps in 1.. {
        LEFT.store(steps, Ordering::Relaxed);
        let result = run(&mut store, instance, "run");
        LEFT.store(0, Ordering::Relaxed);
        let Err(error) = result else { break };
        assert_eq!(trap(&error), Trap::Interrupt, "{tier}, instruction {steps} of {work}");
        let names = names(&error);
        let is_whole = match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["run"] | ["work", "run"] | ["throw", "catch", "work", "run"] => true,
            [inner, "work", "run"] => inner != "work" && inner != "run",
            _ => false,
        };
        assert!(is_whole, "{tier}, instruction {steps} of {work}: {names:?}");
        seen.insert(names[0].clone());
    }
    assert!(seen.contains("run") && seen.contains("work"), "{tier}, {work}: only in {seen:?}");
}

#[test]
fn an_interrupt_at_any_instruction_has_the_whole_backtrace() {
    // SAFETY: a C structure of numbers, for which all zero is valid; the handler does what handlers may do.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = on_step as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // An interrupt is to arrive in what was stepped through, not in the handler.
        libc::sigaddset(&raw mut action.sa_mask, libc::SIGURG);
        assert_eq!(libc::sigaction(libc::SIGTRAP, &raw const action, ptr::null_mut()), 0);
    }
    HOST.get_or_init(file_mappings);
    for work in WORK {
        step_through(&Engine::new(Config::new().tier(TierChoice::Optimized)).unwrap(), work, "optimized");
        step_through(&Engine::new(Config::new().tier(TierChoice::Baseline)).unwrap(), work, "baseline");
        step_through(&Engine::default(), work, "auto");
    }
}

#[allow(clippy::too_many_arguments, reason = "some travel on the stack")]
fn many(_: i64, _: i64, _: i64, _: i64, _: i64, _: i64, _: i64, h: i64, _: f64) -> i64 {
    h
}
