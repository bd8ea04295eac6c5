//! The bodies of a module whose code was found in the cache: looked for when one is needed, and validated before it is used.
//!
//! That they are those that an earlier process validated is known by a hash that is as good as its key is secret
//! (`cache/hash.rs`). Compilers trust bodies blindly, so it is not relied on here.

use crate::wasm_bytes::WasmBytes;
use anyhow::Result;
use std::ops::Range;
use std::sync::OnceLock;
use waft_core::index::{DefinedFuncIndex, IndexVec};
use waft_core::module::{Bodies, BodyRules, Shape, decode_bodies};

type Ranges = IndexVec<DefinedFuncIndex, Range<usize>>;

pub(crate) struct FoundBodies {
    rules: BodyRules,
    /// It takes a look at all of the code to know.
    ranges: OnceLock<Ranges>,
}

impl FoundBodies {
    pub(crate) fn new(rules: BodyRules) -> Self {
        Self { rules, ranges: OnceLock::new() }
    }

    /// Where they are.
    ///
    /// # Errors
    ///
    /// If they cannot be read, which may be otherwise later, or are malformed.
    pub(crate) fn ranges(&self, wasm: &WasmBytes) -> Result<&Ranges> {
        if let Some(known) = self.ranges.get() {
            return Ok(known);
        }
        let ranges = decode_bodies(wasm.code()?)?;
        Ok(self.ranges.get_or_init(|| ranges))
    }

    /// The same, if somebody has looked for them.
    pub(crate) fn known_ranges(&self) -> Option<&Ranges> {
        self.ranges.get()
    }

    /// Validates one of them.
    pub(crate) fn validate(&self, shape: &Shape, wasm: &WasmBytes, func: DefinedFuncIndex) -> Result<()> {
        let (wasm, ranges) = (wasm.code()?, self.ranges(wasm)?);
        anyhow::ensure!(ranges.get(func).is_some(), "the function has no body");
        Ok(self.rules.validator(shape, Bodies { wasm, ranges }).validate(func)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheKey, ModuleHasher};
    use crate::{Cache, CacheConfig, Config, Engine, Instance, Module, Store};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

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
        module: Module,
        _folder: Folder,
    }

    /// Finds `found` though the cache has the code of `compiled`, of which `what` was called: as if both had one hash.
    fn find_another(config: &Config, (compiled, what): (Vec<u8>, Use<'_>), found: Vec<u8>) -> Found {
        let folder = Folder::new();
        let hasher = ModuleHasher::of(Arc::new(CacheKey::new(&[3; 32])), &compiled, 1);
        let find = |bytes: Vec<u8>| {
            let cache = Cache::new(CacheConfig::new().with_directory(&folder.0).clone()).unwrap();
            let engine = Engine::new(config.clone().cache(Some(cache.clone()))).unwrap();
            let wasm = WasmBytes::Whole(bytes.into());
            let compile = || crate::compile::module(&engine, wasm.whole()?.clone()).map(Module::registered);
            (cache.get_or_compile(&engine, &wasm, &hasher, compile).unwrap(), cache)
        };
        let (module, _) = find(compiled);
        what(&module);
        module.keep();
        let (module, cache) = find(found);
        assert_eq!((cache.cache_hits(), module.compiled_functions()), (1, 1));
        Found { module, _folder: folder }
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
            let Found { module: found, _folder } =
                find_another(&config, (module("valid"), &good), module(bad));
            good(&found);
            let is_valid = bad == "valid";
            // Nor where another function is, into which it would be put.
            let outcomes = ["bad", "caller"].map(|name| call(&found, name).map(drop));
            for outcome in outcomes.into_iter().chain([found.serialize().map(drop)]) {
                assert_eq!(outcome.is_ok(), is_valid, "{bad}: {outcome:?}");
                let refusal = outcome.err().map(|error| format!("{error:?}"));
                // The validator says where.
                assert!(refusal.is_none_or(|text| text.contains("(at offset 0x")), "{bad}");
            }
        }
    }

    #[test]
    fn code_is_left_at_a_loop_for_code_of_the_same_body_alone() {
        // What a loop's code is given are the locals of the code that was left.
        let module = |local: &str| {
            let text = format!(
                r#"(module (func (export "f") (param i32) (result i32) (local {local})
                    (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 0)))"#
            );
            wat::parse_str(text).unwrap()
        };
        let turns = |module: &Module, count: i32| {
            let mut store = Store::new(module.engine(), ());
            let instance = Instance::new(&mut store, module, &[]).unwrap();
            let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
            assert_eq!(f.call(&mut store, count).unwrap(), 0);
        };
        for local in ["i64", "f64"] {
            let compiled: (_, Use<'_>) = (module("i64"), &|module| turns(module, 1));
            let Found { module: found, _folder } = find_another(&Config::new(), compiled, module(local));
            let outcome = || {
                let refused = found.inner().code().tier_up().unwrap().refusals().pop().map(|(_, why)| why);
                let at_loop = |code: &crate::FuncCodeInfo| code.loop_offset().is_some();
                refused.or_else(|| found.compiled_code().any(|code| at_loop(&code)).then(String::new))
            };
            // So often that it asks, and not so often that it is compiled for its start.
            turns(&found, 10_000_000);
            let mut outcomes = (0..1000).map(|_| {
                std::thread::sleep(Duration::from_millis(10));
                outcome()
            });
            let outcome = outcomes.find_map(|outcome| outcome).expect("something becomes of it");
            assert_eq!(outcome.contains("from another body"), local == "f64", "{local}: {outcome}");
        }
    }
}
