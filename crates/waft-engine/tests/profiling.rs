//! What `perf` is told about compiled code is true: names, addresses, lengths, and in dumps the code itself.

mod common;

use common::run;
use common::scratch::{Scratch, TestCache};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::id;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use waft::*;
use waft_core::index::TypedIndex;
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CODE_LINE_BYTES, CompileError, CompileRequest, CompiledFunc, Placement, Tier};

/// A tier under another name, with somebody who keeps what it made. It puts code where no other does.
struct Recorded {
    inner: Arc<dyn Tier>,
    code: Mutex<HashMap<usize, Vec<u8>>>,
}

impl Tier for Recorded {
    fn name(&self) -> &'static str {
        "recorded"
    }
    fn gaps(&self) -> ProposalSet {
        self.inner.gaps()
    }
    fn fingerprint(&self) -> String {
        self.inner.fingerprint()
    }
    fn compile(&self, request: &CompileRequest<'_>) -> Result<CompiledFunc, CompileError> {
        let mut compiled = self.inner.compile(request)?;
        compiled.placement = placement(request.func.index());
        self.code.lock().unwrap().insert(request.func.index(), compiled.code.clone());
        Ok(compiled)
    }
}

fn placement(func: usize) -> Placement {
    Placement::new(64, 48 - 16 * func as u32)
}

fn recorded(inner: Arc<dyn Tier>) -> Arc<Recorded> {
    Arc::new(Recorded { inner, code: Mutex::default() })
}

fn tiers() -> [Arc<dyn Tier>; 2] {
    [waft_tiers::optimized_tier().unwrap(), waft_tiers::baseline_tier().unwrap()]
}

/// What is described: the function's name, and its code, which is at this address now.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Described {
    name: String,
    address: u64,
    code: Vec<u8>,
}

impl Described {
    /// How many bytes into a line it starts.
    fn rest(&self) -> u32 {
        (self.address % u64::from(CODE_LINE_BYTES)) as u32
    }
}

fn memory(address: u64, bytes: usize) -> Vec<u8> {
    let mut code = vec![0; bytes];
    File::open("/proc/self/mem").unwrap().read_exact_at(&mut code, address).unwrap();
    code
}

fn map_path() -> PathBuf {
    format!("/tmp/perf-{}.map", id()).into()
}

/// The functions of a module in the map.
fn mapped(module: &str) -> Vec<Described> {
    let parse = |line: &str| {
        let [address, bytes, name] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
        let [address, bytes] = [address, bytes].map(|number| u64::from_str_radix(number, 16).unwrap());
        (address, bytes as usize, name.to_owned())
    };
    let text = fs::read_to_string(map_path()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines = text.lines().map(parse).filter(|(_, _, name)| name.starts_with(&format!("{module}!")));
    lines.map(|(address, bytes, name)| Described { name, address, code: memory(address, bytes) }).collect()
}

fn names(described: &[Described]) -> Vec<&str> {
    described.iter().map(|it| it.name.as_str()).collect()
}

/// A module of this name: nothing in it is called directly, so that its code is what the tier made.
fn module(name: &str) -> String {
    format!(
        r#"(module ${name} (import "" "" (func))
            (func $one (export "f") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
            (func (export "g"))
            (func $_ZN3app4main17h0123456789abcdefE (export "h"))
            (func (@name "a\n0 9 b") (export "i") unreachable))"#
    )
}

fn instantiate(module: &Module) -> (Store<()>, Instance) {
    let mut store = Store::new(module.engine(), ());
    let host = Func::wrap(&mut store, || ());
    let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
    (store, instance)
}

/// One test, because the file is the process's and goes at the end.
#[test]
fn maps_tell_where_functions_are() {
    let _removed = Removed(map_path());
    files_that_somebody_else_put_there_are_not_written_to();
    for tier in tiers() {
        all_functions_of_a_module_are_described_wherever_their_code_comes_from(&tier);
        functions_that_are_compiled_lazily_are_described_when_they_are_called(&tier);
    }
    better_code_lies_as_it_did_when_it_is_found_again();
}

/// Makes the module of a name.
type Make<'m> = &'m dyn Fn(&str) -> Module;

fn files_that_somebody_else_put_there_are_not_written_to() {
    let folder = Scratch::new("planted");
    let victim = folder.0.join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, map_path()).unwrap();
    let error = Engine::new(Config::new().profiler(ProfilingStrategy::PerfMap)).unwrap_err();
    fs::remove_file(map_path()).unwrap();
    let error = format!("{error:#}");
    assert!(error.contains(map_path().to_str().unwrap()) && error.contains("symbolic link"), "{error}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

fn all_functions_of_a_module_are_described_wherever_their_code_comes_from(inner: &Arc<dyn Tier>) {
    let tier = recorded(inner.clone());
    let mut config = Config::new();
    config.profiler(ProfilingStrategy::PerfMap).tier(tier.clone());
    let engine = Engine::new(&config).unwrap();
    let cache = TestCache::new("profiling");
    let folder = Scratch::new("profiling");
    let file = folder.0.join("precompiled.cwasm");
    let fresh = |name: &str| Module::new(&engine, module(name)).unwrap();
    let precompiled = |name: &str| {
        let bytes = Module::new(&Engine::new(Config::new().tier(tier.clone())).unwrap(), module(name));
        fs::write(&file, bytes.unwrap().serialize().unwrap()).unwrap();
        Module::from_trusted_file(&engine, &file).unwrap()
    };
    let cached = |name: &str| {
        let unprofiled = cache.engine_with(Config::new().tier(tier.clone()));
        Module::new(&unprofiled, module(name)).unwrap();
        Module::new(&cache.engine_with(&mut config.clone()), module(name)).unwrap()
    };
    let rows: [(&str, Make<'_>); 3] = [("fresh", &fresh), ("precompiled", &precompiled), ("cached", &cached)];
    for (kind, make) in rows {
        let name = &format!("{kind}_{}", inner.name());
        let made = make(name);
        let described = mapped(name);
        let wanted = ["one", "<wasm function 2>", "app::main", "a?0 9 b"];
        let wanted = wanted.map(|func| format!("{name}!{func} [recorded]"));
        assert_eq!(names(&described), wanted);
        for (at, it) in described.iter().enumerate() {
            assert_eq!(it.code, tier.code.lock().unwrap()[&at], "{}", it.name);
            assert_eq!(it.rest(), placement(at).rest(), "{}", it.name);
        }
        drop(made);
    }
    assert_eq!(cache.counts(), (1, 1));
}

fn functions_that_are_compiled_lazily_are_described_when_they_are_called(inner: &Arc<dyn Tier>) {
    let tier = recorded(inner.clone());
    let mut config = Config::new();
    config.profiler(ProfilingStrategy::PerfMap).tier(tier.clone()).lazy_compilation(true);
    let name = &format!("lazy_{}", inner.name());
    let module = Module::new(&Engine::new(&config).unwrap(), module(name)).unwrap();
    let (mut store, instance) = instantiate(&module);
    let wanted =
        |funcs: &[&str]| Vec::from_iter(funcs.iter().map(|func| format!("{name}!{func} [recorded]")));
    assert_eq!(mapped(name), []);
    let one = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
    for times in [1, 2] {
        assert_eq!(one.call(&mut store, 14 * times).unwrap(), 42 * times);
        assert_eq!(names(&mapped(name)), wanted(&["one"]));
    }
    run(&mut store, instance, "h").unwrap();
    let described = mapped(name);
    assert_eq!(names(&described), wanted(&["one", "app::main"]));
    let code = tier.code.lock().unwrap();
    assert_eq!(described[0].code, code[&0]);
    assert_eq!(described[1].code, code[&2]);
    assert_eq!([described[0].rest(), described[1].rest()], [placement(0).rest(), placement(2).rest()]);
    // Thunks are all modules' and described once.
    assert_eq!(fs::read_to_string(map_path()).unwrap().matches("waft::stub::thunk").count(), 1);
}

fn better_code_lies_as_it_did_when_it_is_found_again() {
    // Loops that begin at different places in a line, so that not all functions are best off at the start of one.
    let funcs: String = (0..4)
        .map(|at| {
            let stores: String =
                (0..5 * at).map(|at| format!("(i32.store offset={} (local.get 0) (local.get 0))", 8 + at * 4)).collect();
            format!(
                r#"(func (export "f{at}") (param i32) (result i32) (local i32)
                    {stores}
                    (loop
                        (local.set 1 (i32.add (i32.mul (local.get 1) (i32.load (i32.const 4))) (i32.const 77)))
                        (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                    (local.get 1))"#
            )
        })
        .collect();
    let wat = format!("(module $placed (memory 1) {funcs})");
    let cache = TestCache::new("placed");
    let engine = cache.engine_with(Config::new().profiler(ProfilingStrategy::PerfMap));
    let better = || -> BTreeMap<String, Vec<u32>> {
        let mut rests = BTreeMap::<_, Vec<_>>::new();
        for it in mapped("placed").iter().filter(|it| it.name.ends_with("> [cranelift]")) {
            rests.entry(it.name.clone()).or_default().push(it.rest());
        }
        rests
    };
    let module = Module::new(&engine, &wat).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let start = Instant::now();
    let is_complete = || {
        let all: Vec<_> = module.compiled_code().filter(|code| code.tier() == "cranelift").collect();
        all.iter().filter(|code| code.loop_offset().is_none()).count() == 4
            && all.len() == better().values().map(Vec::len).sum()
    };
    while !is_complete() {
        for at in 0..4 {
            let f = instance.get_typed_func::<u32, u32>(&mut store, &format!("f{at}")).unwrap();
            f.call(&mut store, 1000).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nothing better comes");
    }
    let made = better();
    module.keep();
    let _found = Module::new(&engine, &wat).unwrap();
    assert_eq!(cache.counts(), (1, 1));
    for (func, rests) in better() {
        let (found, before) = rests.split_last().unwrap();
        assert_eq!(made[&func], before, "{func}");
        assert!(before.contains(found), "{func}: {before:?}, {found}");
    }
    assert!(made.values().flatten().any(|rest| *rest != 0), "{made:?}");
}

/// Takes numbers off a dump.
struct Reader<'d>(&'d [u8]);

impl Reader<'_> {
    fn take(&mut self, bytes: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        taken
    }
    fn u32(&mut self) -> u32 {
        u32::from_ne_bytes(self.take(4).try_into().unwrap())
    }
    fn u64(&mut self) -> u64 {
        u64::from_ne_bytes(self.take(8).try_into().unwrap())
    }
}

/// The records of a dump, which are in order.
fn dumped(bytes: &[u8]) -> Vec<Described> {
    let mut dump = Reader(bytes);
    assert_eq!([dump.u32(), dump.u32(), dump.u32()], [0x4a69_5444, 1, 40]);
    let [machine, reserved, process] = [dump.u32(), dump.u32(), dump.u32()];
    assert_eq!((machine, reserved, process), (62, 0, id()));
    let (mut time, flags) = (dump.u64(), dump.u64());
    assert!(time > 0 && flags == 0);
    let mut described = Vec::new();
    while !dump.0.is_empty() {
        let start = dump.0.len();
        let [kind, total] = [dump.u32(), dump.u32()];
        let written = dump.u64();
        assert!(kind == 0 && written >= time);
        time = written;
        assert_eq!(dump.u32(), id());
        assert_ne!(dump.u32(), 0);
        let [made, address, bytes, number] = [dump.u64(), dump.u64(), dump.u64(), dump.u64()];
        assert_eq!((made, number), (address, described.len() as u64));
        let end = dump.0.iter().position(|byte| *byte == 0).unwrap();
        let name = String::from_utf8(dump.take(end + 1)[..end].to_vec()).unwrap();
        let code = dump.take(bytes as usize).to_vec();
        assert_eq!(start - dump.0.len(), total as usize);
        described.push(Described { name, address, code });
    }
    described
}

#[test]
fn dumps_hold_the_code_that_runs() {
    let folder = Scratch::new("dump");
    std::env::set_current_dir(&folder.0).unwrap();
    let path = folder.0.join(format!("jit-{}.dump", id()));
    let mut all = Vec::new();
    let rows = [("eager", false), ("lazy", true)];
    for ((name, lazy), inner) in rows.into_iter().zip(tiers()) {
        let tier = recorded(inner);
        let mut config = Config::new();
        config.profiler(ProfilingStrategy::JitDump).tier(tier.clone()).lazy_compilation(lazy);
        let module = Module::new(&Engine::new(&config).unwrap(), module(name)).unwrap();
        let (mut store, instance) = instantiate(&module);
        run(&mut store, instance, "g").unwrap();
        let described = dumped(&fs::read(&path).unwrap());
        let prefix = format!("{name}!");
        let made: Vec<_> = described.iter().filter(|it| it.name.starts_with(&prefix)).cloned().collect();
        let code = tier.code.lock().unwrap();
        assert_eq!(made.len(), code.len());
        for it in &made {
            assert!(code.values().any(|code| *code == it.code), "{it:?}");
            assert_eq!(it.code, memory(it.address, it.code.len()), "{}", it.name);
        }
        all.extend(made);
    }
    assert_eq!(all.len(), 5);
    assert_eq!(all[4].name, "lazy!<wasm function 2> [recorded]");
    // That is how perf finds it.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mapping = maps.lines().find(|line| line.ends_with(path.to_str().unwrap())).unwrap();
    assert!(mapping.contains(" r-xp 00000000 "), "{mapping}");
}

/// A file that goes at the end.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // It is not there if the test failed early.
        let _ = fs::remove_file(&self.0);
    }
}
