//! A store's limits hold whoever asks for more: the module, the guest or the host.

mod common;

use common::{compile, instantiate};
use std::panic::{AssertUnwindSafe, catch_unwind};
use waft::*;

const PAGE: usize = 65536;

fn limited(limits: StoreLimitsBuilder) -> Store<StoreLimits> {
    let mut store = Store::new(&Engine::default(), limits.build());
    store.limiter(|limits| limits);
    store
}

const GROWER: &str = r#"(module (memory (export "memory") 1) (table (export "table") 1 externref)
    (func (export "grow memory") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "grow table") (param i32) (result i32) (table.grow (ref.null extern) (local.get 0)))
    (func (export "sizes") (result i32 i32) memory.size table.size))"#;

/// Lets a guest grow its memory or table by each of `deltas`; what it sees.
fn grow(store: &mut Store<StoreLimits>, what: &str, deltas: &[i32]) -> Vec<i32> {
    let instance = instantiate(store, GROWER);
    let grow = instance.get_typed_func::<i32, i32>(&mut *store, what).unwrap();
    deltas.iter().map(|delta| grow.call(&mut *store, *delta).unwrap()).collect()
}

#[test]
fn guests_grow_up_to_the_limit() {
    let mut store = limited(StoreLimitsBuilder::new().memory_size(3 * PAGE + 5).table_elements(10));
    assert_eq!(grow(&mut store, "grow memory", &[1, 2, 1, 1, 0, -1]), [1, -1, 2, -1, 3, -1]);
    assert_eq!(grow(&mut store, "grow table", &[5, 5, 4, 1, 0, -1]), [1, -1, 6, -1, 10, -1]);
}

#[test]
fn hosts_grow_up_to_the_limit() {
    let mut store = limited(StoreLimitsBuilder::new().memory_size(3 * PAGE).table_elements(10));
    let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
    assert!(memory.grow(&mut store, 3).is_err());
    assert_eq!(memory.grow(&mut store, 2).unwrap(), 1);
    let ty = TableType::new(RefType::FUNCREF, 1, None);
    let table = Table::new(&mut store, ty, Ref::Func(None)).unwrap();
    assert!(table.grow(&mut store, 10, Ref::Func(None)).is_err());
    assert_eq!(table.grow(&mut store, 9, Ref::Func(None)).unwrap(), 1);
    assert_eq!((memory.size(&store), table.size(&store)), (3, 10));
}

#[test]
fn initial_sizes_beyond_the_limit_are_refused() {
    let mut store = limited(StoreLimitsBuilder::new().memory_size(2 * PAGE).table_elements(4));
    for (text, fits) in [
        ("(memory 2)", true),
        ("(memory 3)", false),
        ("(memory 65536)", false),
        ("(table 4 funcref)", true),
        ("(table 5 funcref)", false),
        ("(table 4 funcref) (table 4 funcref) (table 5 externref)", false),
        ("(table 0xffffffff funcref)", false),
    ] {
        let module = compile(&store, &format!("(module {text})"));
        let outcome = Instance::new(&mut store, &module, &[]);
        assert_eq!(outcome.is_ok(), fits, "{text}: {outcome:?}");
        if let Err(error) = outcome {
            assert!(error.to_string().contains("exceed the store's limit"), "{error}");
        }
    }
    assert!(Memory::new(&mut store, MemoryType::new(3, None)).is_err());
    let ty = TableType::new(RefType::EXTERNREF, 5, None);
    assert!(Table::new(&mut store, ty, Ref::Extern(None)).is_err());
}

#[test]
fn refused_growth_is_a_trap_where_that_is_wanted() {
    let mut store =
        limited(StoreLimitsBuilder::new().memory_size(2 * PAGE).table_elements(2).trap_on_grow_failure(true));
    let instance = instantiate(&mut store, GROWER);
    for (what, message) in
        [("grow memory", "a memory size in bytes of 196608"), ("grow table", "a table size in elements of 3")]
    {
        let grow = instance.get_typed_func::<i32, i32>(&mut store, what).unwrap();
        assert_eq!(grow.call(&mut store, 1).unwrap(), 1);
        let error = grow.call(&mut store, 1).unwrap_err();
        assert!(format!("{error:?}").contains(message), "{error:?}");
        assert!(error.downcast_ref::<WasmBacktrace>().is_some(), "{error:?}");
        // What its own type forbids is the guest's business.
        assert_eq!(grow.call(&mut store, 0).unwrap(), 2);
    }
    let sizes = instance.get_typed_func::<(), (i32, i32)>(&mut store, "sizes").unwrap();
    assert_eq!(sizes.call(&mut store, ()).unwrap(), (2, 2));
}

#[test]
fn instances_memories_and_tables_are_counted() {
    let builder = StoreLimitsBuilder::new;
    for (limits, text, noun) in [
        (builder().instances(2), "(module)", "instances"),
        (builder().memories(2), "(module (memory 0))", "memories"),
        (builder().tables(4), "(module (table 0 funcref) (table 0 externref))", "tables"),
    ] {
        let mut store = limited(limits);
        let module = compile(&store, text);
        for _ in 0..2 {
            Instance::new(&mut store, &module, &[]).unwrap();
        }
        let error = Instance::new(&mut store, &module, &[]).unwrap_err();
        assert!(error.to_string().contains(noun), "{error}");
    }
}

#[test]
fn refused_instances_do_not_count() {
    let mut store = limited(StoreLimitsBuilder::new().memory_size(PAGE).memories(1).tables(1).instances(1));
    let large = compile(&store, "(module (memory 2) (table 1 funcref))");
    for _ in 0..3 {
        let error = Instance::new(&mut store, &large, &[]).unwrap_err();
        assert!(error.to_string().contains("initial"), "{error}");
    }
    instantiate(&mut store, "(module (memory 1) (table 1 funcref))");
}

/// A limiter that writes down what it is asked, and answers from a list.
#[derive(Default)]
struct Ask {
    asked: Vec<(usize, usize, Option<usize>)>,
    failures: usize,
    error: Option<&'static str>,
}

impl ResourceLimiter for Ask {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.asked.push((current, desired, maximum));
        match self.error {
            Some(error) => Err(Error::msg(error)),
            None => Ok(true),
        }
    }
    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.memory_growing(current, desired, maximum)
    }
    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        assert!(error.to_string().contains("elements"), "{error}");
        self.failures += 1;
        Ok(())
    }
}

#[test]
fn limiters_are_asked_in_bytes_and_elements_and_only_what_the_type_allows() {
    let mut store = Store::new(&Engine::default(), Ask::default());
    store.limiter(|ask| ask);
    let instance = instantiate(
        &mut store,
        r#"(module (memory 1 3) (table 2 0xffffffff externref)
            (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "table") (param i32) (result i32) (table.grow (ref.null extern) (local.get 0))))"#,
    );
    let max = Some(u32::MAX as usize);
    assert_eq!(store.data().asked, [(0, PAGE, Some(3 * PAGE)), (0, 2, max)]);
    store.data_mut().asked.clear();
    let mut grow = |name, delta| {
        let grow = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        let answer = grow.call(&mut store, delta);
        (answer, std::mem::take(&mut store.data_mut().asked))
    };
    for (name, delta, answer, asked) in [
        ("memory", 1, 1, vec![(PAGE, 2 * PAGE, Some(3 * PAGE))]),
        ("memory", 2, -1, vec![]),
        ("table", 3, 2, vec![(2, 5, max)]),
        // Allowed by the limiter and the type, and more than any table may have.
        ("table", 0x7fff_ffff, -1, vec![(5, 0x7fff_ffff + 5, max)]),
    ] {
        let (got, saw) = grow(name, delta);
        assert_eq!((got.unwrap(), saw), (answer, asked), "{name} {delta}");
    }
    assert_eq!(store.data().failures, 1);
}

#[test]
fn the_error_of_a_limiter_is_the_error_of_the_guest() {
    let mut store = Store::new(&Engine::default(), Ask::default());
    store.limiter(|ask| ask);
    let instance = instantiate(&mut store, GROWER);
    store.data_mut().error = Some("not one byte more");
    for what in ["grow memory", "grow table"] {
        let grow = instance.get_typed_func::<i32, i32>(&mut store, what).unwrap();
        let error = grow.call(&mut store, 1).unwrap_err();
        assert_eq!(error.root_cause().to_string(), "not one byte more");
        assert!(error.downcast_ref::<Trap>().is_none());
        assert_eq!(error.downcast_ref::<WasmBacktrace>().unwrap().frames().len(), 1);
    }
    let module = compile(&store, "(module (memory 1))");
    assert_eq!(Instance::new(&mut store, &module, &[]).unwrap_err().to_string(), "not one byte more");
    store.data_mut().error = None;
    Instance::new(&mut store, &module, &[]).unwrap();
}

#[test]
fn panics_of_a_limiter_travel_to_the_caller() {
    struct Panics(bool);
    impl ResourceLimiter for Panics {
        fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
            assert!(!self.0, "the limiter panics");
            Ok(true)
        }
        fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
            self.memory_growing(current, desired, maximum)
        }
    }
    let mut store = Store::new(&Engine::default(), Panics(false));
    store.limiter(|limiter| limiter);
    let instance = instantiate(&mut store, GROWER);
    for what in ["grow memory", "grow table"] {
        let grow = instance.get_typed_func::<i32, i32>(&mut store, what).unwrap();
        store.data_mut().0 = true;
        let panic = catch_unwind(AssertUnwindSafe(|| grow.call(&mut store, 1))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"the limiter panics"));
        store.data_mut().0 = false;
        assert_eq!(grow.call(&mut store, 1).unwrap(), 1);
    }
}

#[test]
fn without_a_limiter_the_engines_own_bounds_hold() {
    let mut store = Store::new(&Engine::default(), ());
    for text in ["(table 0xffffffff funcref)", "(table 10000001 externref)"] {
        let module = compile(&store, &format!("(module {text})"));
        let error = Instance::new(&mut store, &module, &[]).unwrap_err().to_string();
        assert!(error.contains("table elements exceed"), "{error}");
    }
    let module = compile(&store, GROWER);
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow table").unwrap();
    for delta in [10_000_000, i32::MAX, -1] {
        assert_eq!(grow.call(&mut store, delta).unwrap(), -1);
    }
}
