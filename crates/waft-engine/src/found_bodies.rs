//! The bodies of a module whose code was found in the cache: looked for when one is needed, and validated before it is used.
//!
//! That they are those that an earlier process validated is known by a hash that is as good as its key is secret
//! (`cache/hash.rs`). Compilers trust bodies blindly, so it is not relied on here.

use crate::wasm_bytes::WasmBytes;
use anyhow::{Context as _, Result};
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

    /// Where they are; none if they cannot be read, which may be otherwise later.
    pub(crate) fn ranges(&self, wasm: &WasmBytes) -> Option<&Ranges> {
        let code = wasm.code().ok()?;
        Some(self.ranges.get_or_init(|| decode_bodies(code).unwrap_or_default()))
    }

    /// The same, if somebody has looked for them.
    pub(crate) fn known_ranges(&self) -> Option<&Ranges> {
        self.ranges.get()
    }

    /// Validates one of them.
    pub(crate) fn validate(&self, shape: &Shape, wasm: &WasmBytes, func: DefinedFuncIndex) -> Result<()> {
        let (wasm, ranges) = (wasm.code()?, self.ranges(wasm).context("it has no bodies")?);
        anyhow::ensure!(ranges.get(func).is_some(), "the function has no body");
        Ok(self.rules.validator(shape, Bodies { wasm, ranges }).validate(func)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{CacheKey, ModuleHasher};
    use crate::{Cache, CacheConfig, Config, Engine, Instance, Module, Store};
    use std::sync::Arc;

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
            _ => unreachable!("{bad}"),
        }
        bytes
    }

    fn call(module: &Module, name: &str) -> Result<i32> {
        let mut store = Store::new(module.engine(), ());
        let instance = Instance::new(&mut store, module, &[])?;
        instance.get_typed_func::<(), i32>(&mut store, name)?.call(&mut store, ())
    }

    #[test]
    fn bodies_are_validated_though_their_hash_is_right() {
        let directory = std::env::temp_dir().join(format!("waft-{}-found-bodies", std::process::id()));
        let cache = || Cache::new(CacheConfig::new().with_directory(&directory).clone()).unwrap();
        let engine = |config: &mut Config| Engine::new(config.cache(Some(cache()))).unwrap();
        // As if somebody had found another module with the hash of the first one.
        let hasher = || ModuleHasher::of(Arc::new(CacheKey::new(&[3; 32])), &module("valid"), 1);
        let find = |engine: &Engine, bytes: Vec<u8>| {
            let wasm = WasmBytes::Whole(bytes.into());
            let compile = || Module::decode(engine, wasm.whole()?.bytes());
            engine.config().cache.as_ref().unwrap().get_or_compile(engine, &wasm, &hasher(), compile).unwrap()
        };
        let rows = ["valid", "pops too much", "wrong type", "no such function", "no operator", "ends late"];
        for (bad, mut config) in rows.into_iter().flat_map(|bad| {
            [Config::new(), Config::new().lazy_compilation(true).clone()].map(|config| (bad, config))
        }) {
            let first = engine(&mut config);
            let wasm = WasmBytes::Whole(module("valid").into());
            let compile = || crate::compile::module(&first, wasm.whole()?.clone()).map(Module::registered);
            let cache = first.config().cache.as_ref().unwrap();
            let compiled = cache.get_or_compile(&first, &wasm, &hasher(), compile).unwrap();
            assert_eq!(call(&compiled, "good").unwrap(), 7);
            compiled.keep();
            let found = find(&engine(&mut config), module(bad));
            assert_eq!((found.compiled_functions(), call(&found, "good").unwrap()), (1, 7));
            let is_valid = bad == "valid";
            // Nor where another function is, into which it would be put.
            for name in ["bad", "caller"] {
                let outcome = call(&found, name);
                assert_eq!(outcome.is_ok(), is_valid, "{bad}, {name}: {outcome:?}");
            }
            assert_eq!(found.serialize().is_ok(), is_valid, "{bad}");
            drop((compiled, found));
            std::fs::remove_dir_all(&directory).unwrap();
        }
    }
}
