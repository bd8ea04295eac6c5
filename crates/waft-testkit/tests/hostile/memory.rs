//! Memories and tables as large as can be asked for.

use crate::{assert_trap, call, soon};
use waft::{
    Engine, Instance, Memory, MemoryType, Module, Ref, RefType, Store, StoreLimitsBuilder, Table, TableType,
    Trap,
};

#[test]
fn the_largest_memory_is_had_or_refused_and_stops_where_it_ends() {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (memory 65536)
            (func (export "last") (result i32) i32.const -1 i32.load8_u)
            (func (export "past") (result i32) i32.const -1 i32.load8_u offset=1)
            (func (export "far") (result i32) i32.const -1 i32.load offset=4294967295)
            (func (export "grow") (result i32) i32.const 1 memory.grow))"#,
    )
    .unwrap();
    let mut store = Store::new(&engine, ());
    // A machine may have no 4 GiB to promise: then the error says so, and that is all.
    let Ok(instance) = Instance::new(&mut store, &module, &[]) else { return };
    let mut call =
        |name: &str| instance.get_typed_func::<(), i32>(&mut store, name).unwrap().call(&mut store, ());
    assert_eq!(call("last").unwrap(), 0);
    assert_trap(call("past"), Trap::MemoryOutOfBounds);
    assert_trap(call("far"), Trap::MemoryOutOfBounds);
    assert_eq!(call("grow").unwrap(), -1);
}

#[test]
fn a_memory_past_the_limit_is_invalid() {
    assert!(Module::new(&Engine::default(), "(module (memory 65537))").is_err());
    assert!(Module::new(&Engine::default(), "(module (memory 1 65537))").is_err());
}

#[test]
fn growth_stops_at_the_limit_of_the_store() {
    let engine = Engine::default();
    let limits = StoreLimitsBuilder::new().memory_size(10 << 16).table_elements(10).build();
    let mut store = Store::new(&engine, limits);
    store.limiter(|limits| limits);
    let module = Module::new(
        &engine,
        r#"(module (memory 1) (table 1 funcref)
            (func (export "memory") (result i32)
                (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
                memory.size)
            (func (export "table") (result i32)
                (loop $again (br_if $again (i32.ne (table.grow (ref.null func) (i32.const 1)) (i32.const -1))))
                table.size))"#,
    )
    .unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    for name in ["memory", "table"] {
        let grow = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
        assert_eq!(grow.call(&mut store, ()).unwrap(), 10, "{name}");
    }
    let large = Module::new(&engine, "(module (memory 11))").unwrap();
    assert!(Instance::new(&mut store, &large, &[]).is_err());
    assert!(Memory::new(&mut store, MemoryType::new(11, None)).is_err());
}

#[test]
fn a_table_larger_than_the_address_space_is_refused() {
    let engine = Engine::default();
    for text in ["(module (table 0xffffffff funcref))", "(module (table 0xffffffff externref))"] {
        let mut store = Store::new(&engine, ());
        let module = Module::new(&engine, text);
        assert!(
            soon(|| module.and_then(|module| Instance::new(&mut store, &module, &[]))).is_err(),
            "{text}"
        );
    }
    let mut store = Store::new(&engine, ());
    let ty = TableType::new(RefType::FUNCREF, u32::MAX, None);
    assert!(Table::new(&mut store, ty, Ref::Func(None)).is_err());
}

#[test]
fn a_table_that_grows_without_end_is_stopped() {
    let module = r#"(module (table 1 funcref) (func (export "f")
        (loop $again
            (br_if $again (i32.ne (table.grow (ref.null func) (i32.const 1000000)) (i32.const -1))))))"#;
    soon(|| call(module)).unwrap();
}

#[test]
fn segments_outside_their_target_are_traps() {
    let rows = [
        ("(module (memory 1) (data (i32.const 65536) \"x\"))", Trap::MemoryOutOfBounds),
        ("(module (memory 1) (data (i32.const -1) \"x\"))", Trap::MemoryOutOfBounds),
        ("(module (memory 0) (data (i32.const 1)))", Trap::MemoryOutOfBounds),
        ("(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))", Trap::TableOutOfBounds),
        ("(module (table 1 funcref) (func $f) (elem (i32.const -1) $f))", Trap::TableOutOfBounds),
    ];
    let engine = Engine::default();
    for (text, trap) in rows {
        let module = Module::new(&engine, text).unwrap();
        assert_trap(Instance::new(&mut Store::new(&engine, ()), &module, &[]), trap);
    }
}
