//! The bodies of a module's functions. Of one whose code was found in the cache, they are looked for when one is needed, and validated
//! before it is used.
//!
//! That they are those that an earlier process validated is known by a hash that is as good as its key is secret
//! (`cache/hash.rs`). Compilers trust bodies blindly, so it is not relied on here. Neither is the index of bodies, which only says
//! where to look.

use crate::artifact::Section;
use crate::code::{pair, push_pair, search};
use crate::module::ModuleInner;
use crate::pieces::PIECE_BYTES;
use crate::wasm_bytes::WasmBytes;
use anyhow::{Context as _, Result, ensure};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::OnceLock;
use waft_core::index::{DefinedFuncIndex, IndexVec, TypedIndex as _};
use waft_core::module::{BodyRules, FuncBody, Shape, decode_bodies};
use wasmparser::BinaryReader;

/// Bytes of an entry of the index: `u32` number of the function, `u32` where the size of its body stands in the module.
const INDEX_ENTRY_BYTES: usize = 8;
/// The most bytes that a size takes.
const SIZE_BYTES_MAX: usize = 5;

/// The index of a module's bodies: the first that begins in each piece of the module. Bodies follow one another, each after its size,
/// so all others are found from there.
fn body_index(shape: &Shape) -> Vec<u8> {
    let mut index = Vec::new();
    let (mut before, mut piece) = (None, None);
    for (func, body) in shape.bodies.iter() {
        // Before the first stands how many there are.
        let at: Option<usize> = before.replace(body.end);
        let next = at.map(|at| at / PIECE_BYTES);
        if let Some(at) = at.filter(|_| next != piece) {
            push_pair(&mut index, func.as_u32(), at as u32);
        }
        piece = next;
    }
    index
}

/// Where bodies are that follow one another.
type Stretch = Box<[Range<usize>]>;

pub(crate) struct FoundBodies {
    rules: BodyRules,
    index: Section,
    /// Where the bodies are from each entry of the index to the next, once one of them was looked for; those before the first entry
    /// come first.
    stretches: Box<[OnceLock<Stretch>]>,
}

impl FoundBodies {
    /// Of a module with this [`body_index`], or an empty one.
    pub(crate) fn new(rules: BodyRules, index: Section) -> Self {
        let entries = index.bytes().len() / INDEX_ENTRY_BYTES;
        Self { rules, index, stretches: (0..=entries).map(|_| OnceLock::new()).collect() }
    }

    pub(crate) fn index(&self) -> &[u8] {
        self.index.bytes()
    }

    /// Where the body of a function is, if it is as valid as the index.
    ///
    /// # Errors
    ///
    /// If it cannot be read, which may be otherwise later, or there is none.
    pub(crate) fn range(
        &self,
        shape: &Shape,
        wasm: &WasmBytes,
        func: DefinedFuncIndex,
    ) -> Result<Range<usize>> {
        let entry = |at| pair(self.index(), at).map(|(func, place)| (func as usize, place as usize));
        let entries = self.index().len() / INDEX_ENTRY_BYTES;
        let before = search(entries, |at| Some(pair(self.index(), at)?.0), func.as_u32());
        let (first, after) =
            (before.and_then(entry).map_or(0, |(first, _)| first), before.map_or(0, |at| at + 1));
        let stretch = match self.stretches[after].get() {
            Some(known) => known,
            None => {
                let at = match before.and_then(entry) {
                    Some((_, at)) => at,
                    None => size_at(wasm, shape.code_section_start)?.1,
                };
                let end = entry(after).map_or(usize::MAX, |(next, _)| next);
                let found = bodies_from(wasm, at, end.min(shape.defined_funcs()).saturating_sub(first))?;
                self.stretches[after].get_or_init(|| found)
            }
        };
        stretch.get(func.index() - first).cloned().context("the function has no body")
    }

    /// Validates one of them.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, and where.
    pub(crate) fn validate(&self, shape: &Shape, func: DefinedFuncIndex, body: FuncBody<'_>) -> Result<()> {
        Ok(self.rules.validator(shape).validate(func, body)?)
    }
}

/// Where so many bodies are, of which the first has its size at `at`.
fn bodies_from(wasm: &WasmBytes, mut at: usize, count: usize) -> Result<Stretch> {
    let mut bodies = Vec::new();
    for _ in 0..count {
        let (size, start) = size_at(wasm, at)?;
        ensure!(size > 0, "there is no body {at} bytes into the module");
        at = start + size;
        bodies.push(start..at);
    }
    Ok(bodies.into())
}

/// The number that stands somewhere in the module, and where it ends.
fn size_at(wasm: &WasmBytes, at: usize) -> Result<(usize, usize)> {
    let mut reader = BinaryReader::new(wasm.get(at..wasm.len().min(at + SIZE_BYTES_MAX))?, at as u64);
    Ok((reader.read_var_u32()? as usize, at + reader.current_position()))
}

impl ModuleInner {
    /// Where the body of a function is.
    ///
    /// # Errors
    ///
    /// If the module does not have its bodies, or they cannot be read any more.
    pub(crate) fn body_range(&self, func: DefinedFuncIndex) -> Result<Range<usize>> {
        match self.found_bodies() {
            Some(found) => found.range(self.shape(), self.wasm(), func),
            None => self.shape().bodies.get(func).cloned().context("the module has no bodies any more"),
        }
    }

    /// The body of a function.
    ///
    /// # Errors
    ///
    /// As [`Self::body_range`].
    pub(crate) fn body(&self, func: DefinedFuncIndex) -> Result<FuncBody<'_>> {
        let range = self.body_range(func)?;
        Ok(FuncBody { start: range.start, bytes: self.wasm().get(range)? })
    }

    /// Refuses a body of a function that is not valid: of a module whose code was found, which is all that is known of its bodies.
    pub(crate) fn validate_body(&self, func: DefinedFuncIndex, body: FuncBody<'_>) -> Result<()> {
        self.found_bodies().map_or(Ok(()), |found| found.validate(self.shape(), func, body))
    }

    /// The body of a function, if it is valid.
    ///
    /// # Errors
    ///
    /// As [`Self::body_range`], or what is wrong with it.
    pub(crate) fn valid_body(&self, func: DefinedFuncIndex) -> Result<FuncBody<'_>> {
        let body = self.body(func)?;
        self.validate_body(func, body)?;
        Ok(body)
    }

    /// Where all bodies are in `wasm`, which is all of the module.
    ///
    /// # Errors
    ///
    /// If they are not as many as the module declares.
    pub(crate) fn body_ranges(
        &self,
        wasm: &[u8],
    ) -> Result<Cow<'_, IndexVec<DefinedFuncIndex, Range<usize>>>> {
        let ranges = match self.found_bodies() {
            Some(_) => Cow::Owned(decode_bodies(wasm)?),
            None => Cow::Borrowed(&self.shape().bodies),
        };
        let funcs = self.shape().defined_funcs();
        ensure!(ranges.len() == funcs, "the module has {} bodies, and declares {funcs}", ranges.len());
        Ok(ranges)
    }

    /// What tells a later process where bodies are.
    pub(crate) fn body_index(&self) -> Cow<'_, [u8]> {
        match self.found_bodies() {
            Some(found) => Cow::Borrowed(found.index()),
            None => Cow::Owned(body_index(self.shape())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheKey, ModuleHasher};
    use crate::tier_up::Random;
    use crate::{Cache, CacheConfig, Config, Engine, Instance, Module, Store, TierChoice};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;
    use waft_core::module::{decode, decode_without_bodies};
    use waft_core::proposal::ProposalSet;

    /// A module whose functions add `bad` and 1, or only say so.
    fn module(bad: &str) -> Vec<u8> {
        let valid = r#"(module (func (export "good") (result i32) (i32.const 7))
            (func $bad (export "bad") (result i32) (i32.add (i32.const 2) (i32.const 1)))
            (func (export "caller") (result i32) (call $bad)))"#;
        let mut bytes = wat::parse_str(valid).unwrap();
        let add = bytes.windows(5).position(|bytes| bytes == [0x41, 2, 0x41, 1, 0x6a]).unwrap();
        match bad {
            "valid" => {}
            "pops too much" => bytes[add + 2..add + 4].copy_from_slice(&[0x1a, 0x01]),
            "wrong type" => bytes[add] = 0x42,
            "no such function" => bytes[add..add + 2].copy_from_slice(&[0x10, 0x77]),
            "no operator" => bytes[add + 4] = 0xff,
            "ends late" => bytes[add + 5] = 0x01,
            // Of which the size says that it goes on.
            "too long" => bytes[add - 2] += 100,
            _ => unreachable!("{bad}"),
        }
        bytes
    }

    fn call(module: &Module, name: &str) -> Result<i32> {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[])?;
        instance.get_typed_func::<(), i32>(&mut store, name)?.call(&mut store, ())
    }

    /// What a module is used for.
    type Use<'a> = &'a dyn Fn(&Module);

    /// A directory that goes when it is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("waft-{}-found-bodies-{count}", std::process::id());
            let folder = Self(std::env::temp_dir().join(name));
            // That of an earlier process of this number.
            drop(std::fs::remove_dir_all(&folder.0));
            folder
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    /// A module that was found, and where; it is left there once more when it goes, before the directory does.
    struct Found {
        module: Option<Module>,
        _folder: Folder,
    }

    impl Drop for Found {
        fn drop(&mut self) {
            // Who compiles in the background may be the last to have it.
            let last = self.module.take().map(|module| Arc::downgrade(module.inner()));
            while last.as_ref().is_some_and(|module| module.strong_count() > 0) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Finds `found` though the cache has the code of `compiled`, of which `what` was called: as if both had one hash.
    fn find_another(config: &Config, (compiled, what): (Vec<u8>, Use<'_>), found: Vec<u8>) -> Found {
        let folder = Folder::new();
        let hasher = ModuleHasher::of(Arc::new(CacheKey::new(&[3; 32])), &compiled, 1);
        let find = |bytes: Vec<u8>| {
            let cache = Cache::new(CacheConfig::new().with_directory(&folder.0).clone()).unwrap();
            let engine = Engine::new(config.clone().cache(Some(cache.clone()))).unwrap();
            let wasm = WasmBytes::Whole(bytes.into());
            let compile = || crate::compile::module(&engine, wasm.with_bodies()?).map(Module::registered);
            (cache.get_or_compile(&engine, &wasm, &hasher, compile).unwrap(), cache)
        };
        let (module, _) = find(compiled);
        what(&module);
        module.keep();
        let (module, cache) = find(found);
        assert_eq!((cache.cache_hits(), module.compiled_functions()), (1, 1));
        Found { module: Some(module), _folder: folder }
    }

    /// Bodies of these lengths, each after its size; and where they are.
    fn code(lens: &[usize]) -> (Vec<u8>, Vec<Range<usize>>) {
        let leb = |number: usize| {
            [0, 7, 14].map(|shift| (number >> shift & 0x7f) as u8 | if shift < 14 { 0x80 } else { 0 })
        };
        let types = [&b"\x01\x04\x01\x60\0\0"[..], &[3], &leb(3 + lens.len()), &leb(lens.len())].concat();
        let size: usize = lens.iter().map(|len| 3 + len).sum();
        let mut module = [b"\0asm\x01\0\0\0", &types[..], &vec![0; lens.len()]].concat();
        module.extend([&[10][..], &leb(3 + size), &leb(lens.len())].concat());
        let mut ranges = Vec::new();
        for len in lens {
            module.extend(leb(*len));
            ranges.push(module.len()..module.len() + len);
            module.extend(vec![0x01; *len]);
        }
        (module, ranges)
    }

    #[test]
    fn every_body_is_found_with_and_without_an_index() {
        let many: Vec<usize> = (2..600).collect();
        let rows: [&[usize]; 7] = [
            &[],
            &[2],
            &[PIECE_BYTES],
            &[2, 3 * PIECE_BYTES, 5, 7, PIECE_BYTES - 15, 9, 11],
            &[PIECE_BYTES; 4],
            &[100_000, 2, 2, 2],
            &many,
        ];
        for lens in rows {
            let (module, expected) = code(lens);
            let decoded = decode(&module, ProposalSet::all()).unwrap();
            assert!(decoded.shape.bodies.values().eq(&expected), "as the decoder finds them");
            let index = body_index(&decoded.shape);
            let pieces = module.len().div_ceil(PIECE_BYTES);
            assert!(index.len() <= pieces * INDEX_ENTRY_BYTES);
            assert_eq!(index.is_empty(), lens.len() < 2);
            let without = decode_without_bodies(&module, ProposalSet::all()).unwrap();
            let wasm = WasmBytes::Whole(module.into());
            let (shape, rules) = without.into_parts();
            let mut bodies = FoundBodies::new(rules, index.into());
            for round in 0..2 {
                for (func, expected) in expected.iter().enumerate() {
                    let range = bodies.range(&shape, &wasm, DefinedFuncIndex::new(func)).unwrap();
                    assert_eq!(range, *expected, "body {func} of {}", lens.len());
                }
                if round == 0 {
                    bodies = FoundBodies::new(bodies.rules, Vec::new().into());
                }
            }
            assert!(bodies.range(&shape, &wasm, DefinedFuncIndex::new(lens.len())).is_err());
        }
    }

    #[test]
    fn whatever_is_found_has_an_index() {
        let text = format!("(module {})", format!("(func {})", "nop ".repeat(1_000)).repeat(200));
        let folder = Folder::new();
        for hits in 0..2 {
            let cache = Cache::new(CacheConfig::new().with_directory(&folder.0).clone()).unwrap();
            let engine =
                Engine::new(Config::new().tier(TierChoice::Optimized).cache(Some(cache.clone()))).unwrap();
            let module = Module::new(&engine, &text).unwrap();
            assert_eq!(cache.cache_hits(), hits);
            assert_eq!(
                module.compiled_code().filter_map(|code| code.body_size()).sum::<usize>(),
                200 * 1_002
            );
            let index = module.inner().found_bodies().map(|found| found.index().len() / INDEX_ENTRY_BYTES);
            assert_eq!(index, (hits > 0).then_some(4));
        }
    }

    #[test]
    fn an_index_that_is_wrong_leads_nowhere_else_than_into_the_module() {
        let (module, _) = code(&[20; 50]);
        let len = module.len() as u64;
        let decoded = decode_without_bodies(&module, ProposalSet::all()).unwrap();
        let wasm = WasmBytes::Whole(module.into());
        let (shape, rules) = decoded.into_parts();
        let mut bodies = FoundBodies::new(rules, Vec::new().into());
        let random = Random::new(7);
        let (mut inside, mut outside) = (0, 0);
        for _ in 0..2_000 {
            let mut entries: Vec<[u64; 2]> = (0..random.below(4))
                .map(|_| {
                    [random.below(60), if random.below(4) == 0 { 0xffff_fff0 } else { random.below(len) }]
                })
                .collect();
            entries.sort_unstable();
            let words = entries.iter().flatten().map(|word| *word as u32);
            let index: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
            bodies = FoundBodies::new(bodies.rules, index.into());
            for func in (0..50).map(DefinedFuncIndex::new) {
                match bodies.range(&shape, &wasm, func).and_then(|range| wasm.get(range)) {
                    Ok(_) => inside += 1,
                    Err(_) => outside += 1,
                }
            }
        }
        assert!(inside > 1_000 && outside > 1_000, "{inside}, {outside}");
    }

    #[test]
    fn bodies_are_validated_though_their_hash_is_right() {
        let good = |module: &Module| assert_eq!(call(module, "good").unwrap(), 7);
        let rows = [
            "valid",
            "pops too much",
            "wrong type",
            "no such function",
            "no operator",
            "ends late",
            "too long",
        ];
        for (bad, config) in rows.into_iter().flat_map(|bad| {
            [Config::new(), Config::new().lazy_compilation(true).clone()].map(|config| (bad, config))
        }) {
            let found = find_another(&config, (module("valid"), &good), module(bad));
            let found = found.module.as_ref().expect("it is there until it is dropped");
            good(found);
            let is_valid = bad == "valid";
            // Nor where another function is, into which it would be put.
            let outcomes = ["bad", "caller"].map(|name| call(found, name).map(drop));
            for outcome in outcomes.into_iter().chain([found.serialize().map(drop)]) {
                assert_eq!(outcome.is_ok(), is_valid, "{bad}: {outcome:?}");
                let refusal = outcome.err().map(|error| format!("{error:?}"));
                // The validator says where, unless there is nothing to validate.
                let is_right = |text: &String| {
                    text.contains("(at offset 0x")
                        || bad == "too long" && text.contains("the module ends before")
                };
                assert!(refusal.as_ref().is_none_or(is_right), "{bad}: {refusal:?}");
            }
        }
    }

    #[test]
    fn code_is_left_at_a_loop_for_code_of_the_same_body_alone() {
        // What a loop's code is given are the locals of the code that was left.
        let module = |number: i64| {
            let text = format!(
                r#"(module (func (export "f") (param i32) (result i32) (local i64)
                    (loop (local.set 1 (i64.const {number})) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0)))"#
            );
            wat::parse_str(text).unwrap()
        };
        let turns = |module: &Module, count: i32| {
            let mut store = Store::new(module.engine(), ());
            let instance = Instance::new(&mut store, module, &[]).unwrap();
            let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
            assert_eq!(f.call(&mut store, count).unwrap(), 0);
        };
        for number in [1, 2] {
            let compiled: (_, Use<'_>) = (module(1), &|module| turns(module, 1));
            let found = find_another(&Config::new(), compiled, module(number));
            let found = found.module.as_ref().expect("it is there until it is dropped");
            let outcome = || {
                let refused = found.inner().code().tier_up().unwrap().refusals().pop().map(|(_, why)| why);
                let at_loop = |code: &crate::FuncCodeInfo| code.loop_offset().is_some();
                refused.or_else(|| found.compiled_code().any(|code| at_loop(&code)).then(String::new))
            };
            // So often that it asks, and not so often that it is compiled for its start.
            turns(found, 10_000_000);
            let mut outcomes = (0..1000).map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                outcome()
            });
            let outcome = outcomes.find_map(|outcome| outcome).expect("something becomes of it");
            assert_eq!(outcome.contains("from another body"), number == 2, "{number}: {outcome}");
        }
    }
}
