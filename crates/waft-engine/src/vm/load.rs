//! Loading precompiled modules: from here on their machine code is trusted as our own.
//!
//! # Invariants
//!
//! * **P1** A mapped artifact is not written to while it is mapped: its owner promises it to whoever loads it. Of its own
//!   entries the code cache knows it: it writes a file before it has a name, and never afterwards.
//!
//! # Elsewhere
//!
//! What is checked of an artifact's content: `artifact.rs`. Which files are entries of a cache: `cache.rs`.

use super::code_memory::CodeMemory;
use crate::artifact::{Artifact, verify, verify_file};
use crate::engine::Engine;
use crate::module::Module;
use crate::wasm_bytes::WasmBytes;
use anyhow::{Context as _, Result, ensure};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

/// A file mapped for reading.
struct MappedFile {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is read-only memory that belongs to the value.
unsafe impl Send for MappedFile {}
// SAFETY: as above.
unsafe impl Sync for MappedFile {}

impl MappedFile {
    /// # Safety
    ///
    /// * P1.
    unsafe fn new(file: &File) -> Result<Self> {
        let len = usize::try_from(file.metadata()?.len())?;
        ensure!(len > 0, "the file is empty");
        let null = std::ptr::null_mut();
        // SAFETY: a fresh mapping at an address of the kernel's choice replaces nothing.
        let at = unsafe { mmap(null, len, ProtFlags::READ, MapFlags::PRIVATE, file.as_fd(), 0) }?;
        let at = NonNull::new(at.cast()).context("mapped at null")?;
        Ok(Self { at, len })
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: mapped for reading as long as `self`, and by P1 nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl Drop for MappedFile {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, unmapped only here. The call cannot fail for a mapping that exists.
        let _ = unsafe { munmap(self.at.as_ptr().cast(), self.len) };
    }
}

impl Module {
    /// Loads what [`Module::serialize`] made.
    ///
    /// # Safety
    ///
    /// * The bytes are unaltered output of [`Module::serialize`]: they hold machine code, which runs with all the rights
    ///   of this process. Checks refuse what is foreign, truncated or damaged, but no check can tell malice.
    ///
    /// # Errors
    ///
    /// If the module is damaged, or was compiled by another version, with another setup or for another processor.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// let bytes = Module::new(&engine, r#"(module (func (export "f")))"#)?.serialize()?;
    /// // SAFETY: the bytes come from `serialize` and nobody altered them.
    /// let module = unsafe { Module::deserialize(&engine, &bytes)? };
    /// assert!(module.get_export("f").is_some());
    /// # Ok::<(), Error>(())
    /// ```
    pub unsafe fn deserialize(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Self> {
        verify(bytes.as_ref())?;
        let artifact = Artifact::open(Arc::new(bytes.as_ref().to_vec()), &engine.fingerprint())?;
        Ok(Self::registered(artifact.into_module(engine)?))
    }

    /// Loads what [`Module::serialize`] made from a file, which is mapped.
    ///
    /// # Safety
    ///
    /// * As [`Module::deserialize`].
    /// * Nobody writes to the file or truncates it while the module is in use.
    ///
    /// # Errors
    ///
    /// As [`Module::deserialize`], or if the file cannot be opened or mapped.
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let file = std::env::temp_dir().join(format!("waft-example-{}-deserialize.cwasm", std::process::id()));
    /// std::fs::write(&file, Module::new(&engine, "(module (func))")?.serialize()?)?;
    /// // SAFETY: the file holds what `serialize` made, and nobody else writes to it.
    /// let module = unsafe { Module::deserialize_file(&engine, &file)? };
    /// # std::fs::remove_file(&file)?;
    /// assert_eq!(module.defined_functions(), 1);
    /// # Ok::<(), Error>(())
    /// ```
    pub unsafe fn deserialize_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        // SAFETY: passed on.
        let loaded = unsafe { Self::deserialize_open_file(engine, &file) };
        loaded.with_context(|| format!("precompiled module {}", path.display()))
    }

    /// Loads a precompiled module from a file that belongs to the user who runs this process or to root, and that not
    /// everybody may write to.
    ///
    /// Such a file is trusted as an executable of the same owner would be. It is the caller who says, by naming it,
    /// that this file is meant to be run.
    ///
    /// # Errors
    ///
    /// If the file is somebody else's or open to others; and as [`Module::deserialize_file`].
    ///
    /// ```
    /// # use waft::*;
    /// # let engine = Engine::default();
    /// # let file = std::env::temp_dir().join(format!("waft-example-{}-trusted.cwasm", std::process::id()));
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// std::fs::write(&file, Module::new(&engine, "(module)")?.serialize()?)?;
    /// std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644))?;
    /// Module::from_trusted_file(&engine, &file)?;
    /// std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666))?;
    /// assert!(Module::from_trusted_file(&engine, &file).is_err());
    /// # std::fs::remove_file(&file)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_trusted_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let trusted = || -> Result<Self> {
            let metadata = file.metadata()?;
            let me = rustix::process::geteuid().as_raw();
            ensure!(metadata.is_file(), "not a regular file");
            ensure!(
                metadata.uid() == me || metadata.uid() == 0,
                "it holds machine code and belongs to user {}, neither you ({me}) nor root: it is not run",
                metadata.uid()
            );
            ensure!(
                metadata.mode() & 0o002 == 0,
                "it holds machine code and everybody may write to it (mode {:o}): it is not run",
                metadata.mode() & 0o7777
            );
            // SAFETY: the contract of this function: the file is protected from others, and named by its user.
            unsafe { Self::deserialize_open_file(engine, &file) }
        };
        trusted().with_context(|| format!("precompiled module {}", path.display()))
    }

    /// # Safety
    ///
    /// * As [`Module::deserialize_file`].
    unsafe fn deserialize_open_file(engine: &Engine, file: &File) -> Result<Self> {
        verify_file(file)?;
        // SAFETY: passed on.
        let artifact = unsafe { map_artifact(engine, file, &engine.fingerprint()) }?;
        Ok(Self::registered(artifact.into_module(engine)?))
    }

    /// Loads an entry of the code cache, which was opened in a directory that is the user's own and closed to others. The
    /// entry has the code of the module with these bytes, as `identity` says.
    ///
    /// It is safe, because what makes an entry trustworthy is checked here, of the open file: it belongs to this user
    /// alone, and so is output of [`Module::serialize`]'s kind unless it was damaged, which its checksum shows.
    pub(crate) fn from_cache_entry(
        engine: &Engine,
        file: &File,
        identity: &str,
        wasm: WasmBytes,
    ) -> Result<Self> {
        let metadata = file.metadata()?;
        let me = rustix::process::geteuid().as_raw();
        ensure!(metadata.is_file(), "it is not a regular file");
        ensure!(metadata.uid() == me, "it belongs to user {}, not to you ({me})", metadata.uid());
        let mode = metadata.mode() & 0o7777;
        ensure!(mode & 0o022 == 0, "others may write to it (mode {mode:o})");
        let artifact = if is_local(file) {
            verify_file(file)?;
            // SAFETY: nobody but this user can have written the file. Of the user's processes, those that use it as a
            // cache keep P1; any other could as well write into this process.
            unsafe { map_artifact(engine, file, identity) }?
        } else {
            let mut bytes = Vec::new();
            let mut file = file;
            file.read_to_end(&mut bytes)?;
            verify(&bytes)?;
            Artifact::open(Arc::new(bytes), identity)?
        };
        Ok(Self::registered(artifact.into_module_of(engine, wasm)?))
    }
}

/// Maps an artifact that was verified.
///
/// # Safety
///
/// * As [`Module::deserialize_file`].
unsafe fn map_artifact(engine: &Engine, file: &File, identity: &str) -> Result<Artifact> {
    // SAFETY: passed on.
    let mapped = unsafe { MappedFile::new(file) }?;
    let mut artifact = Artifact::open(Arc::new(mapped), identity)?;
    let code = artifact.code_range();
    // A profiler looks for the names of code in a file's mapping in that file, and finds none.
    if !code.is_empty() && engine.profiler().is_none() {
        // SAFETY: passed on.
        let mapped = unsafe { CodeMemory::map(file.as_fd(), code.start as u64, code.len()) };
        match mapped {
            Ok(mapped) => artifact.set_mapped(mapped),
            // A file system mounted `noexec` can still be read: the code is copied then.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error).context("cannot map the code"),
        }
    }
    Ok(artifact)
}

/// Whether the pages of a mapped file stay to be had when the file loses its name. On a network file system they do not
/// if it is another machine that removes it: the next page that is needed ends the process with `SIGBUS`.
fn is_local(file: &File) -> bool {
    /// Source: linux/magic.h, and the file systems that are not in the kernel's tree.
    const LOCAL: [u64; 9] = [
        0xef53,      // ext2, ext3, ext4
        0x5846_5342, // XFS
        0x9123_683e, // Btrfs
        0x0102_1994, // tmpfs
        0x8584_58f6, // ramfs
        0x794c_7630, // overlayfs, whose writable layer must be local
        0xf2f5_2010, // F2FS
        0xca45_1a4e, // bcachefs
        0x2fc1_2fc1, // ZFS
    ];
    rustix::fs::fstatfs(file).is_ok_and(|status| LOCAL.contains(&(status.f_type as u64)))
}
