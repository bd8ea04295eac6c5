//! The functions of WASI 0.1 as imports of a guest: the one file here that knows the engine.
//!
//! The table below is the list of functions. What a row becomes is the same for all of them.

use super::fail::Fail;
use super::{args, clock, fd, path, poll, proc, random, readdir, sock, stat, unstable};
use crate::{I32Exit, WasiCtx};
use waft::{Caller, Error, Extern, Linker, Result, Trap};

/// The name under which today's guests import WASI 0.1.
const SNAPSHOT: &str = "wasi_snapshot_preview1";

/// The name under which guests of 2019 and some later ones import the version before.
const UNSTABLE: &str = "wasi_unstable";

/// Defines WASI 0.1 for the guests of `linker`: the modules `wasi_snapshot_preview1` and `wasi_unstable`.
///
/// `get` finds the guest's [`WasiCtx`] in the data of its store. It is called for every call, so it should do no more
/// than that.
///
/// A guest that calls `proc_exit` ends with the error [`I32Exit`].
///
/// ```
/// use waft::{Engine, Linker, Module, Store};
/// use waft_wasi::{I32Exit, MemoryOutputPipe, WasiCtx, p1};
///
/// # fn main() -> waft::Result<()> {
/// let engine = Engine::default();
/// let mut linker = Linker::new(&engine);
/// p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
/// let module = Module::new(&engine, r#"(module
///     (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
///     (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
///     (memory (export "memory") 1)
///     (data (i32.const 0) "\10\00\00\00\06\00\00\00")
///     (data (i32.const 16) "hello\n")
///     (func (export "_start")
///         (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
///         (call $exit (i32.const 3))))"#)?;
///
/// let output = MemoryOutputPipe::new(4096);
/// let mut store = Store::new(&engine, WasiCtx::builder().stdout(output.clone()).build());
/// let instance = linker.instantiate(&mut store, &module)?;
/// let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
/// let error = start.call(&mut store, ()).unwrap_err();
/// assert_eq!(error.downcast_ref(), Some(&I32Exit(3)));
/// assert_eq!(output.contents(), b"hello\n");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If one of the functions is defined already.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    for module in [SNAPSHOT, UNSTABLE] {
        add_common(linker, module, get)?;
        // The one function without a result: it does not come back.
        linker
            .func_wrap(module, "proc_exit", |code: u32| -> Result<()> { Err(I32Exit(code as i32).into()) })?;
    }
    add_snapshot(linker, SNAPSHOT, get)?;
    add_unstable(linker, UNSTABLE, get)
}

macro_rules! functions {
    ($(#[$doc:meta])* fn $add:ident { $($file:ident::$name:ident $params:tt;)* }) => {
        $(#[$doc])*
        fn $add<T: 'static>(
            linker: &mut Linker<T>,
            module: &'static str,
            get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
        ) -> Result<()> {
            $(functions!(@function linker module get $file $name $params);)*
            Ok(())
        }
    };
    // With `mem` in front: a function that reads or writes the guest's memory.
    (@function $linker:ident $module:ident $get:ident $file:ident $name:ident (mem $(, $param:ident: $ty:ty)*)) => {
        $linker.func_wrap($module, stringify!($name), move |mut caller: Caller<'_, T>, $($param: $ty),*| {
            loop {
                let Some((mem, data)) = caller.guest_memory() else {
                    return Err(no_memory(&mut caller, $module, stringify!($name)));
                };
                match $file::$name($get(data), mem, $($param),*) {
                    Ok(()) => return Ok(0),
                    Err(fail) => {
                        if let Some(errno) = settle(&mut caller, $get, fail, $module, stringify!($name))? {
                            return Ok(errno);
                        }
                    }
                }
            }
        })?;
    };
    (@function $linker:ident $module:ident $get:ident $file:ident $name:ident ($($param:ident: $ty:ty),*)) => {
        $linker.func_wrap($module, stringify!($name), move |mut caller: Caller<'_, T>, $($param: $ty),*| {
            loop {
                match $file::$name($get(caller.data_mut()), $($param),*) {
                    Ok(()) => return Ok(0),
                    Err(fail) => {
                        if let Some(errno) = settle(&mut caller, $get, fail, $module, stringify!($name))? {
                            return Ok(errno);
                        }
                    }
                }
            }
        })?;
    };
}

functions! {
    /// Those that are the same in both versions.
    fn add_common {
        args::args_get(mem, argv: u32, argv_buf: u32);
        args::args_sizes_get(mem, argc: u32, argv_buf_size: u32);
        args::environ_get(mem, environ: u32, environ_buf: u32);
        args::environ_sizes_get(mem, count: u32, buf_size: u32);
        clock::clock_res_get(mem, id: u32, resolution: u32);
        clock::clock_time_get(mem, id: u32, precision: u64, time: u32);
        fd::fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
        fd::fd_allocate(fd: u32, offset: u64, len: u64);
        fd::fd_close(fd: u32);
        fd::fd_datasync(fd: u32);
        fd::fd_pread(mem, fd: u32, iovs: u32, iovs_len: u32, offset: u64, nread: u32);
        fd::fd_pwrite(mem, fd: u32, iovs: u32, iovs_len: u32, offset: u64, nwritten: u32);
        fd::fd_read(mem, fd: u32, iovs: u32, iovs_len: u32, nread: u32);
        fd::fd_renumber(from: u32, to: u32);
        fd::fd_sync(fd: u32);
        fd::fd_tell(mem, fd: u32, position: u32);
        fd::fd_write(mem, fd: u32, iovs: u32, iovs_len: u32, nwritten: u32);
        stat::fd_fdstat_get(mem, fd: u32, stat: u32);
        stat::fd_fdstat_set_flags(fd: u32, flags: u32);
        stat::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
        stat::fd_filestat_set_size(fd: u32, size: u64);
        stat::fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, fstflags: u32);
        stat::fd_prestat_dir_name(mem, fd: u32, path: u32, path_len: u32);
        stat::fd_prestat_get(mem, fd: u32, prestat: u32);
        readdir::fd_readdir(mem, fd: u32, buf: u32, buf_len: u32, cookie: u64, bufused: u32);
        path::path_create_directory(mem, fd: u32, path: u32, path_len: u32);
        path::path_filestat_set_times(
            mem, fd: u32, lookupflags: u32, path: u32, path_len: u32, accessed: u64, modified: u64, fstflags: u32
        );
        path::path_link(
            mem, old_fd: u32, old_lookupflags: u32, old_path: u32, old_path_len: u32,
            new_fd: u32, new_path: u32, new_path_len: u32
        );
        path::path_open(
            mem, fd: u32, dirflags: u32, path: u32, path_len: u32, oflags: u32,
            base: u64, inheriting: u64, fdflags: u32, opened: u32
        );
        path::path_readlink(mem, fd: u32, path: u32, path_len: u32, buf: u32, buf_len: u32, bufused: u32);
        path::path_remove_directory(mem, fd: u32, path: u32, path_len: u32);
        path::path_rename(
            mem, old_fd: u32, old_path: u32, old_path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32
        );
        path::path_symlink(mem, text: u32, text_len: u32, fd: u32, path: u32, path_len: u32);
        path::path_unlink_file(mem, fd: u32, path: u32, path_len: u32);
        proc::proc_raise(signal: u32);
        proc::sched_yield();
        random::random_get(mem, buf: u32, buf_len: u32);
        sock::sock_recv(mem, fd: u32, iovs: u32, iovs_len: u32, riflags: u32, nread: u32, roflags: u32);
        sock::sock_send(mem, fd: u32, iovs: u32, iovs_len: u32, siflags: u32, nwritten: u32);
        sock::sock_shutdown(fd: u32, how: u32);
    }
}

functions! {
    /// Those of `wasi_snapshot_preview1` that `wasi_unstable` has otherwise, or not at all.
    fn add_snapshot {
        fd::fd_seek(mem, fd: u32, offset: i64, whence: u32, position: u32);
        stat::fd_filestat_get(mem, fd: u32, stat: u32);
        path::path_filestat_get(mem, fd: u32, lookupflags: u32, path: u32, path_len: u32, stat: u32);
        poll::poll_oneoff(mem, subscriptions: u32, events: u32, count: u32, nevents: u32);
        sock::sock_accept(mem, fd: u32, flags: u32, accepted: u32);
    }
}

functions! {
    /// The same of `wasi_unstable`.
    fn add_unstable {
        unstable::fd_seek(mem, fd: u32, offset: i64, whence: u32, position: u32);
        unstable::fd_filestat_get(mem, fd: u32, stat: u32);
        unstable::path_filestat_get(mem, fd: u32, lookupflags: u32, path: u32, path_len: u32, stat: u32);
        unstable::poll_oneoff(mem, subscriptions: u32, events: u32, count: u32, nevents: u32);
    }
}

/// What comes of a call that did not succeed: a number for the guest, the error that it ends with, or the same call again.
#[cold]
fn settle<T: 'static>(
    caller: &mut Caller<'_, T>,
    get: impl Fn(&mut T) -> &mut WasiCtx,
    fail: Fail,
    module: &str,
    name: &str,
) -> Result<Option<u32>> {
    match fail {
        Fail::Errno(errno) => Ok(Some(errno as u32)),
        Fail::Pause if !caller.interrupted() => Ok(None),
        Fail::Pause => {
            // Whatever the store is used for next, it is not this call.
            get(caller.data_mut()).resume = None;
            Err(Trap::Interrupt.into())
        }
        Fail::Fault(fault) => {
            let bytes = caller.guest_memory().map_or(0, |(mem, _)| mem.len());
            let what = format!("{module}.{name}: {fault}, which has {bytes} bytes");
            Err(Error::from(Trap::MemoryOutOfBounds).context(what))
        }
    }
}

#[cold]
fn no_memory<T>(caller: &mut Caller<'_, T>, module: &str, name: &str) -> Error {
    let shared = caller.get_export("memory").and_then(Extern::into_shared_memory);
    let why = match shared {
        Some(_) => "the guest's memory is shared, and WASI functions work on memories of one thread only",
        None => "the guest exports no memory by the name `memory`, which this function needs",
    };
    Error::msg(format!("{module}.{name}: {why}"))
}
