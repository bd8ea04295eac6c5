//! Waft, a WebAssembly runtime for servers: it runs `.wasm` outside of the browser, sandboxed, portable, fast.
//!
//! A module gets no file, socket, variable or clock that its host did not grant: it sees only what it imports, and only
//! if the host defines it.
//!
//! ```
//! use waft::*;
//!
//! fn main() -> anyhow::Result<()> {
//!     let engine = Engine::default();
//!     let mut store = Store::new(&engine, ());
//!     let module = Module::new(&engine, r#"(module (func $add (export "add") (param i32 i32) (result i32)
//!         local.get 0 local.get 1 i32.add))"#)?;
//!     let instance = Instance::new(&mut store, &module, &[])?;
//!     let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
//!     println!("add(3, 5) = {}", add.call(&mut store, (3, 5))?);
//! #   assert_eq!(add.call(&mut store, (3, 5))?, 8);
//!     Ok(())
//! }
//! ```
//!
//! Names and signatures follow those of Wasmtime's API wherever the meaning is the same.
//!
//! # Elsewhere
//!
//! WASI: the crate `waft-wasi`. The command: `waft-cli`. How the house is built: `ARCHITECTURE.md`.

#![forbid(unsafe_code)]

pub use waft_engine::*;
