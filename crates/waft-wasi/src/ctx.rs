//! What one guest is given: arguments, environment, streams, directories, sockets.

use crate::host::fs::{Dir, Resolution};
use crate::host::{Access, Descriptor, Input, Output, Socket};
use crate::p1::{Fd, FdTable, Resume, Rights};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};
use std::io;
use std::path::Path;

/// What one guest is given, and the descriptors that it has open.
///
/// Nothing is granted that was not asked for: a context built at once has no arguments, no environment, no directory and no
/// socket; its standard input is empty and its output is discarded. It has clocks and random numbers.
///
/// ```
/// use waft_wasi::{Access, MemoryOutputPipe, WasiCtx};
///
/// # fn main() -> std::io::Result<()> {
/// let output = MemoryOutputPipe::new(1 << 20);
/// let ctx = WasiCtx::builder()
///     .args(["prog", "--verbose"])
///     .env("LANG", "C.UTF-8")
///     .stdout(output.clone())
///     .preopened_dir(".", "/data", Access::ReadOnly)?
///     .build();
/// # drop(ctx);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WasiCtx {
    /// As a guest wants them, without the closing NUL.
    pub(crate) args: Vec<Vec<u8>>,
    /// `NAME=VALUE`, without the closing NUL.
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) fds: FdTable,
    /// Where a call goes on that paused.
    pub(crate) resume: Option<Resume>,
}

impl WasiCtx {
    /// Starts with nothing granted.
    pub fn builder() -> WasiCtxBuilder {
        WasiCtxBuilder::default()
    }
}

impl Default for WasiCtx {
    fn default() -> Self {
        Self::builder().build()
    }
}

/// Puts a [`WasiCtx`] together. [`build`](Self::build) leaves it empty, ready for another one.
///
/// ```
/// let mut builder = waft_wasi::WasiCtx::builder();
/// builder.arg("first").inherit_stdio();
/// let first = builder.build();
/// let second = builder.arg("second").build();
/// # drop((first, second));
/// ```
#[derive(Debug)]
pub struct WasiCtxBuilder {
    args: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    stdin: Input,
    stdout: Output,
    stderr: Output,
    dirs: Vec<(Dir, Box<str>)>,
    sockets: Vec<Socket>,
    descriptors_max: usize,
    resolution: Option<Resolution>,
}

/// More than programs use, and not so many that one guest takes all that the host process may open on a usual system.
const DESCRIPTORS_MAX: usize = 65_536;

impl Default for WasiCtxBuilder {
    fn default() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            stdin: Input::default(),
            stdout: Output::default(),
            stderr: Output::default(),
            dirs: Vec::new(),
            sockets: Vec::new(),
            descriptors_max: DESCRIPTORS_MAX,
            resolution: None,
        }
    }
}

impl WasiCtxBuilder {
    /// Adds an argument; the first is the program's own name. Like any C string it ends at a NUL.
    ///
    /// ```
    /// let ctx = waft_wasi::WasiCtx::builder().arg("prog").arg("-v").build();
    /// # drop(ctx);
    /// ```
    pub fn arg(&mut self, arg: impl AsRef<[u8]>) -> &mut Self {
        self.args.push(c_string(arg.as_ref()));
        self
    }

    /// Adds arguments.
    ///
    /// ```
    /// let ctx = waft_wasi::WasiCtx::builder().args(["prog", "-v"]).build();
    /// # drop(ctx);
    /// ```
    pub fn args<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Sets a variable of the environment, also one that was set before. Like any C strings, both end at a NUL.
    ///
    /// ```
    /// let ctx = waft_wasi::WasiCtx::builder().env("HOME", "/").build();
    /// # drop(ctx);
    /// ```
    pub fn env(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        let mut variable = c_string(name.as_ref());
        variable.push(b'=');
        self.env.retain(|other| !other.starts_with(&variable));
        variable.extend(c_string(value.as_ref()));
        self.env.push(variable);
        self
    }

    /// Sets variables of the environment.
    ///
    /// ```
    /// let ctx = waft_wasi::WasiCtx::builder().envs([("HOME", "/"), ("LANG", "C")]).build();
    /// # drop(ctx);
    /// ```
    pub fn envs<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        envs: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Self {
        for (name, value) in envs {
            self.env(name, value);
        }
        self
    }

    /// Says where standard input comes from.
    ///
    /// ```
    /// use waft_wasi::{MemoryInputPipe, WasiCtx};
    /// let ctx = WasiCtx::builder().stdin(MemoryInputPipe::new("input")).build();
    /// # drop(ctx);
    /// ```
    pub fn stdin(&mut self, input: impl Into<Input>) -> &mut Self {
        self.stdin = input.into();
        self
    }

    /// Says where standard output goes.
    ///
    /// ```
    /// use waft_wasi::{MemoryOutputPipe, WasiCtx};
    /// let ctx = WasiCtx::builder().stdout(MemoryOutputPipe::new(4096)).build();
    /// # drop(ctx);
    /// ```
    pub fn stdout(&mut self, output: impl Into<Output>) -> &mut Self {
        self.stdout = output.into();
        self
    }

    /// Says where standard error goes.
    ///
    /// ```
    /// use waft_wasi::{MemoryOutputPipe, WasiCtx};
    /// let ctx = WasiCtx::builder().stderr(MemoryOutputPipe::new(4096)).build();
    /// # drop(ctx);
    /// ```
    pub fn stderr(&mut self, output: impl Into<Output>) -> &mut Self {
        self.stderr = output.into();
        self
    }

    /// Gives the guest the standard streams of the host process. Nothing is buffered in between.
    ///
    /// ```
    /// let ctx = waft_wasi::WasiCtx::builder().inherit_stdio().build();
    /// # drop(ctx);
    /// ```
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.stdin(Input::Inherit).stdout(Output::InheritStdout).stderr(Output::InheritStderr)
    }

    /// Grants the directory `host_path`, under the name `guest_path`, with everything beneath it.
    ///
    /// ```
    /// use waft_wasi::{Access, WasiCtx};
    /// let mut builder = WasiCtx::builder();
    /// builder.preopened_dir(".", "/", Access::ReadOnly)?;
    /// assert!(builder.preopened_dir("/does/not/exist", "/", Access::ReadOnly).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `host_path` cannot be opened, or is no directory.
    pub fn preopened_dir(
        &mut self,
        host_path: impl AsRef<Path>,
        guest_path: impl AsRef<str>,
        access: Access,
    ) -> io::Result<&mut Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, host_path.as_ref(), flags, Mode::empty())?;
        self.dirs.push((Dir::new(fd, access, self.resolution), guest_path.as_ref().into()));
        Ok(self)
    }

    /// Gives the guest a socket: one that listens, to accept on, or one that is connected. Sockets come after the granted
    /// directories, in the order of the calls.
    ///
    /// ```
    /// use waft_wasi::WasiCtx;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let ctx = WasiCtx::builder().preopened_socket(listener)?.build();
    /// # drop(ctx);
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it is not a socket.
    pub fn preopened_socket(&mut self, socket: impl Into<OwnedFd>) -> io::Result<&mut Self> {
        self.sockets.push(Socket::new(socket.into()).map_err(io::Error::other)?);
        Ok(self)
    }

    /// Limits how many descriptors the guest may have open at once, with those that it is given.
    ///
    /// ```
    /// let ctx = waft_wasi::WasiCtx::builder().max_descriptors(64).build();
    /// # drop(ctx);
    /// ```
    pub fn max_descriptors(&mut self, count: usize) -> &mut Self {
        self.descriptors_max = count;
        self
    }

    /// Resolves the paths beneath directories granted from here on ourselves, component by component, as on a kernel that
    /// has no `openat2`. It is slower, and for tests.
    #[doc(hidden)]
    pub fn resolve_without_openat2(&mut self) -> &mut Self {
        self.resolution = Some(Resolution::Walk);
        self
    }

    /// The context, with all that was asked for.
    pub fn build(&mut self) -> WasiCtx {
        let this = std::mem::take(self);
        let mut fds = Vec::new();
        fds.push(Fd::stream(Descriptor::Input(this.stdin), Rights::FD_READ));
        fds.push(Fd::stream(Descriptor::Output(this.stdout), Rights::FD_WRITE));
        fds.push(Fd::stream(Descriptor::Output(this.stderr), Rights::FD_WRITE));
        // Libraries look for granted directories from number 3 on, up to the first number that is not open.
        fds.extend(this.dirs.into_iter().map(|(dir, name)| Fd::preopen(dir, name)));
        fds.extend(this.sockets.into_iter().map(Fd::socket));
        WasiCtx { args: this.args, env: this.env, fds: FdTable::new(fds, this.descriptors_max), resume: None }
    }
}

/// `bytes` up to the first NUL.
fn c_string(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_by_default() {
        let ctx = WasiCtx::default();
        assert!(ctx.args.is_empty() && ctx.env.is_empty());
        assert!(ctx.fds.get(2).is_ok());
        assert!(ctx.fds.get(3).is_err());
    }

    #[test]
    fn strings_end_at_a_nul() {
        let ctx = WasiCtx::builder().arg("a\0b").env("N\0x", "v\0w").build();
        assert_eq!((&ctx.args[0][..], &ctx.env[0][..]), (&b"a"[..], &b"N=v"[..]));
    }

    #[test]
    fn a_variable_set_twice_has_the_last_value() {
        let ctx = WasiCtx::builder().env("A", "1").env("AB", "2").env("A", "3").build();
        assert_eq!(ctx.env, [b"AB=2".to_vec(), b"A=3".to_vec()]);
    }

    #[test]
    fn a_file_cannot_be_granted_as_a_directory() {
        let error = WasiCtx::builder().preopened_dir("/proc/self/exe", "/", Access::ReadOnly).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_file_is_no_socket() {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(WasiCtx::builder().preopened_socket(file).is_err());
    }
}
