//! The GC heap as embedders and guests see it, with collections when they pay and with one before each allocation.

#[path = "../common/mod.rs"]
mod common;

mod api;
mod bounds;
mod handles;
mod programs;
mod types;

use waft::*;

/// All settings of stress.
const STRESS: [GcStress; 3] = [GcStress::Off, GcStress::Minor, GcStress::Full];

/// An engine with a setting of stress.
fn engine(stress: GcStress) -> Engine {
    Engine::new(Config::new().gc_stress(stress)).unwrap()
}

/// A type of structures with these fields, all variable.
fn struct_type(engine: &Engine, fields: &[StorageType]) -> StructType {
    let field = |ty: &StorageType| FieldType::new(Mutability::Var, ty.clone());
    StructType::new(engine, fields.iter().map(field)).unwrap()
}

/// A type of arrays, variable.
fn array_type(engine: &Engine, element: impl Into<StorageType>) -> ArrayType {
    ArrayType::new(engine, FieldType::new(Mutability::Var, element.into()))
}

/// Calls an export that takes and gives what it is asked for.
fn call<P: WasmParams, R: WasmResults>(
    store: &mut Store<()>,
    instance: Instance,
    name: &str,
    args: P,
) -> Result<R> {
    instance.get_typed_func::<P, R>(&mut *store, name)?.call(store, args)
}
