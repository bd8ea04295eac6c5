//! Who may stand at the one host door: every call of every host function can be seen, answered or refused here.

use crate::val::Val;
use anyhow::{Error, Result};

/// A call of a host function.
///
/// ```
/// use waft::*;
///
/// use std::sync::mpsc;
///
/// struct Trace(mpsc::Sender<String>);
/// impl Doorkeeper for Trace {
///     fn before(&mut self, call: &HostCall<'_>) -> Verdict {
///         let line = format!("{}::{}{:?}", call.module(), call.name(), call.args());
///         self.0.send(line).map_or_else(|error| Verdict::Deny(error.into()), |()| Verdict::Pass)
///     }
///     fn after(&mut self, _: &HostCall<'_>, _: Result<&[Val], &Error>) {}
/// }
///
/// # fn main() -> Result<()> {
/// # let mut store = Store::new(&Engine::default(), ());
/// # let mut linker = Linker::new(store.engine());
/// # let (trace, lines) = mpsc::channel();
/// # store.set_doorkeeper(Some(Box::new(Trace(trace))));
/// # linker.func_wrap("host", "log", |_: i32| {})?;
/// # let log = linker.get(&mut store, "host", "log").and_then(Extern::into_func).context("defined")?;
/// log.call(&mut store, &[Val::I32(7)], &mut [])?;
/// assert_eq!(lines.recv()?, "host::log[I32(7)]");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HostCall<'a> {
    module: &'a str,
    name: &'a str,
    args: &'a [Val],
}

impl<'a> HostCall<'a> {
    pub(crate) fn new(module: &'a str, name: &'a str, args: &'a [Val]) -> Self {
        Self { module, name, args }
    }
    /// The module under which the function was defined; empty for a function made by `Func::wrap` or `Func::new`.
    pub fn module(&self) -> &str {
        self.module
    }
    /// The name under which it was defined; empty likewise.
    pub fn name(&self) -> &str {
        self.name
    }
    /// What the guest passed.
    pub fn args(&self) -> &[Val] {
        self.args
    }
}

/// What happens to a call at the door.
///
/// ```
/// use waft::*;
///
/// struct Replay;
/// impl Doorkeeper for Replay {
///     fn before(&mut self, call: &HostCall<'_>) -> Verdict {
///         match call.name() {
///             "now" => Verdict::Answer(vec![Val::I64(1_000)]),
///             "exit" => Verdict::Deny(Error::msg("not today")),
///             _ => Verdict::Pass,
///         }
///     }
///     fn after(&mut self, _: &HostCall<'_>, _: Result<&[Val], &Error>) {}
/// }
///
/// # fn main() -> Result<()> {
/// # let mut store = Store::new(&Engine::default(), ());
/// # let mut linker = Linker::new(store.engine());
/// # store.set_doorkeeper(Some(Box::new(Replay)));
/// # linker.func_wrap("clock", "now", || 0_i64)?;
/// # let now = linker.get(&mut store, "clock", "now").and_then(Extern::into_func).context("defined")?;
/// assert_eq!(now.typed::<(), i64>(&store)?.call(&mut store, ())?, 1_000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum Verdict {
    /// The host function is called.
    Pass,
    /// The guest gets these results, and the host function is not called: to replay.
    Answer(Vec<Val>),
    /// The guest traps with this error: to deny, or to inject a fault.
    Deny(Error),
}

/// Watches the host door of a store; see [`Store::set_doorkeeper`](crate::Store::set_doorkeeper).
///
/// ```
/// use waft::*;
///
/// struct Deny;
/// impl Doorkeeper for Deny {
///     fn before(&mut self, call: &HostCall<'_>) -> Verdict {
///         Verdict::Deny(Error::msg(format!("{} is closed today", call.name())))
///     }
///     fn after(&mut self, _: &HostCall<'_>, _: std::result::Result<&[Val], &Error>) {}
/// }
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// store.set_doorkeeper(Some(Box::new(Deny)));
/// let mut linker = Linker::new(&engine);
/// linker.func_wrap("shop", "buy", || {})?;
/// let module = Module::new(&engine, r#"(module (import "shop" "buy" (func $buy)) (start $buy))"#)?;
/// let error = linker.instantiate(&mut store, &module).unwrap_err();
/// assert!(format!("{error:?}").contains("buy is closed today"));
/// # Ok(())
/// # }
/// ```
pub trait Doorkeeper: Send + Sync + 'static {
    /// Decides about a call before the host function sees it.
    fn before(&mut self, call: &HostCall<'_>) -> Verdict;

    /// Sees how a call that was not denied ended.
    fn after(&mut self, call: &HostCall<'_>, outcome: Result<&[Val], &Error>);
}
