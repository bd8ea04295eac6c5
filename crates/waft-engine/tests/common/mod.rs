//! What several of the tests beside this directory need.

#![allow(dead_code, reason = "each test crate uses a part of it")]

pub(crate) mod access;
pub(crate) mod scratch;

use waft::*;

/// An engine that compiles modules as a whole, one that compiles functions when they are called, and one that switches tiers.
pub(crate) fn engines(mut config: Config) -> [Engine; 3] {
    let switching = Engine::new(config.tier_stress(Some(1))).unwrap();
    config.tier(TierChoice::Optimized);
    let [eager, lazy] = [false, true].map(|lazy| Engine::new(config.lazy_compilation(lazy)).unwrap());
    [eager, lazy, switching]
}

/// An instance of a module without imports, in a store of its own.
pub(crate) fn start(wat: &str) -> (Store<()>, Instance) {
    let mut store = Store::new(&Engine::default(), ());
    let instance = instantiate(&mut store, wat);
    (store, instance)
}

/// An instance of a module without imports.
pub(crate) fn instantiate<T>(store: &mut Store<T>, wat: &str) -> Instance {
    let module = compile(store, wat);
    Instance::new(store, &module, &[]).unwrap()
}

/// A module for the engine of a store.
pub(crate) fn compile<T>(store: &Store<T>, wat: &str) -> Module {
    Module::new(store.engine(), wat).unwrap_or_else(|error| panic!("{error:?}\n{wat}"))
}

/// Calls an export that takes nothing and gives nothing.
pub(crate) fn run<T: 'static>(store: &mut Store<T>, instance: Instance, name: &str) -> Result<()> {
    instance.get_typed_func::<(), ()>(&mut *store, name)?.call(store, ())
}

/// The trap behind an error, and nothing else.
pub(crate) fn trap(error: &Error) -> Trap {
    *error.downcast_ref::<Trap>().unwrap_or_else(|| panic!("not a trap: {error:?}"))
}

/// The names of the functions in an error's backtrace, innermost first; `?` where there is none.
pub(crate) fn names(error: &Error) -> Vec<String> {
    let backtrace =
        error.downcast_ref::<WasmBacktrace>().unwrap_or_else(|| panic!("no backtrace: {error:?}"));
    backtrace.frames().iter().map(|frame| frame.func_name().unwrap_or("?").to_owned()).collect()
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }
    pub(crate) fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }
}
