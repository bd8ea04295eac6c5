//! The code cache: what was compiled once is found again by the next process.
//!
//! An entry is an artifact (`artifact.rs`) in a directory that is the user's own and closed to others. Its name says
//! which module it is of and what it is for; its content proves it.
//!
//! # Invariants
//!
//! * An entry is used only if it has the identity that is asked for, to the last byte. A part of it is a hash of the module, so no
//!   module gets the code of another, but for one that differs in what custom sections hold alone: by whoever made them, as long as he
//!   does not know the directory's key; and of one that declares
//!   something else, whatever he knows (`cache/hash.rs`). Names of files decide where to look and nothing else.
//! * An entry is used only if its checksum is right, and only if no other user can have written it.
//! * A file has all its content before it has its name, and is never written to afterwards. So processes that read,
//!   write and remove entries at once need no lock.
//! * Nothing that is wrong with a cache fails a compilation: it is reported, and the module is compiled.
//!
//! # Elsewhere
//!
//! The directory: `cache/dir.rs`. Its key: `cache/key.rs`. What is checked of an entry: `artifact/verify.rs`, `vm/load.rs`.

mod config;
mod dir;
mod hash;
mod key;

pub use config::CacheConfig;
pub(crate) use hash::ModuleHasher;
pub(crate) use key::CacheKey;

use crate::artifact::ArtifactWriter;
use crate::code::ModuleCode;
use crate::engine::Engine;
use crate::module::{Module, ModuleInner};
use crate::tier_up::{TierUp, Waited};
use crate::vm;
use crate::wasm_bytes::WasmBytes;
use anyhow::{Context as _, Error, Result, bail, ensure};
use dir::CacheDir;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// A directory of compiled code, for [`Config::cache`](crate::Config::cache); cheap to clone, shared by engines and threads.
///
/// [`Module::new`], [`Module::from_binary`] and [`Module::from_file`] look there before they compile, and leave there what
/// they compiled. A module that was found is the same as one that was compiled, in all that can be seen of it; for that, the
/// file of a large one must not be written to in place ([`Module::from_file`]). What is
/// wrong with the directory or a file in it never fails them: it is reported ([`CacheConfig::with_reporter`]), and they
/// compile. Of a module whose functions are compiled as they are called, those that were are left there when it is dropped
/// ([`Module::keep`]); who finds it starts with these, and with what was found to be hot in its best code.
///
/// Several processes may use one directory at once.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// # let directory = std::env::temp_dir().join(format!("waft-example-{}-cache", std::process::id()));
/// let mut config = CacheConfig::new();
/// config.with_directory(&directory);
/// let cache = Cache::new(config)?;
/// for _ in 0..2 {
///     let engine = Engine::new(Config::new().tier(TierChoice::Optimized).cache(Some(cache.clone())))?;
///     Module::new(&engine, "(module (func))")?;
/// }
/// assert_eq!((cache.cache_misses(), cache.cache_hits()), (1, 1));
/// assert_eq!(cache.usage()?.entries, 1);
/// # std::fs::remove_dir_all(&directory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    config: CacheConfig,
    directory: PathBuf,
    hits: AtomicU64,
    misses: AtomicU64,
    /// Bytes that were written since the directory was last looked through; `None` if it never was.
    unswept_bytes: Mutex<Option<u64>>,
}

/// What is in a [`Cache`].
///
/// ```
/// # use waft::*;
/// # let directory = std::env::temp_dir().join(format!("waft-example-{}-usage", std::process::id()));
/// let mut config = CacheConfig::new();
/// config.with_directory(&directory);
/// // A directory that is not there yet is empty.
/// assert_eq!(Cache::new(config)?.usage()?, CacheUsage { entries: 0, bytes: 0 });
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheUsage {
    /// How many compiled modules.
    pub entries: u64,
    /// Their bytes, and those of files that are being written, or were when their writer died.
    pub bytes: u64,
}

/// Of the limit, so much may be written between two looks through the directory; and so much is made room for. A look
/// takes some microseconds a file.
const SWEEP_FRACTION: u64 = 16;
/// So fast an entry is written, at least. It is written only when what the next process finds took longer than writing it.
const BYTES_PER_NANO: u64 = 1;
/// A process that lived so many times as long as writing takes does not make anybody wait by it.
const LONG_LIFE: u64 = 8;
/// In a shorter one, what is new must have taken so many times as long as writing all of the entry once more.
const SHORT_LIFE: u64 = 4;
/// What writing an entry takes at least, whatever is in it.
const OVERHEAD_NANOS: u64 = 1_000_000;

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}

impl Cache {
    /// A cache in the directory that `config` names. It is made when a module is first looked for, with all that leads to it.
    ///
    /// # Errors
    ///
    /// If the configuration names no directory, or one that cannot be used: that belongs to another user, that others may
    /// read or write, or that is none.
    ///
    /// ```
    /// # use waft::*;
    /// assert!(Cache::new(CacheConfig::new()).is_err());
    /// ```
    pub fn new(config: CacheConfig) -> Result<Self> {
        let directory = config.directory.as_ref().context("a cache needs a directory")?;
        let directory = std::path::absolute(directory)
            .with_context(|| format!("the directory of the cache: {}", directory.display()))?;
        CacheDir::open(&directory)?;
        let (hits, misses) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self(Arc::new(Inner { config, directory, hits, misses, unswept_bytes: Mutex::new(None) })))
    }

    /// Where it is.
    ///
    /// ```
    /// # use waft::*;
    /// let mut config = CacheConfig::new();
    /// config.with_directory("/does/not/exist");
    /// assert_eq!(Cache::new(config)?.directory().to_str(), Some("/does/not/exist"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// How many bytes it may have.
    pub fn files_total_size_soft_limit(&self) -> u64 {
        self.0.config.bytes_max
    }

    /// How many modules were found.
    pub fn cache_hits(&self) -> u64 {
        self.0.hits.load(Ordering::Relaxed)
    }

    /// How many modules were looked for and not found.
    pub fn cache_misses(&self) -> u64 {
        self.0.misses.load(Ordering::Relaxed)
    }

    /// What is in it now.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read.
    pub fn usage(&self) -> Result<CacheUsage> {
        let Some(dir) = CacheDir::open(&self.0.directory)? else { return Ok(CacheUsage::default()) };
        let files = dir.files()?;
        let entries = files.iter().filter(|file| file.is_entry).count() as u64;
        Ok(CacheUsage { entries, bytes: files.iter().map(|file| file.bytes).sum() })
    }

    /// Removes everything, and says what that was. Other files in the directory stay; so do modules that are in use.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read, or something cannot be removed.
    ///
    /// ```
    /// # use waft::*;
    /// # let directory = std::env::temp_dir().join(format!("waft-example-{}-clear", std::process::id()));
    /// # let mut config = CacheConfig::new();
    /// # config.with_directory(&directory);
    /// # let cache = Cache::new(config)?;
    /// let engine = Engine::new(Config::new().tier(TierChoice::Optimized).cache(Some(cache.clone())))?;
    /// let module = Module::new(&engine, "(module (func))")?;
    /// assert_eq!(cache.clear()?.entries, 1);
    /// assert_eq!(cache.usage()?.entries, 0);
    /// // It does not need its entry any more.
    /// Instance::new(&mut Store::new(&engine, ()), &module, &[])?;
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn clear(&self) -> Result<CacheUsage> {
        let mut removed = CacheUsage::default();
        let Some(dir) = CacheDir::open(&self.0.directory)? else { return Ok(removed) };
        for file in dir.files()? {
            let gone = dir.remove(&file).with_context(|| {
                format!("cannot remove {} of the cache {}", file.name, self.0.directory.display())
            })?;
            if gone {
                removed.entries += u64::from(file.is_entry);
                removed.bytes += file.bytes;
            }
        }
        Ok(removed)
    }

    /// The module of these bytes: from the cache, or from `compile`, whose result is left there.
    pub(crate) fn get_or_compile(
        &self,
        engine: &Engine,
        wasm: &WasmBytes,
        hasher: &ModuleHasher,
        compile: impl FnOnce() -> Result<Module>,
    ) -> Result<Module> {
        let found = identity(engine, hasher, wasm)
            .and_then(|identity| Ok((self.find(engine, wasm, &identity)?, identity)));
        let identity = match found {
            Ok((Some((module, inode)), identity)) => {
                self.watch(&module, identity, Some(inode));
                module.inner().ask_for_hot();
                self.0.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(module);
            }
            Ok((None, identity)) => identity,
            Err(Unusable(error)) => {
                self.report(&error);
                return compile();
            }
        };
        self.0.misses.fetch_add(1, Ordering::Relaxed);
        let module = compile()?;
        match module.inner().code() {
            ModuleCode::Whole(code) => {
                self.leave_or_report(Ok(ArtifactWriter::cached(module.inner(), code, identity)));
            }
            ModuleCode::Lazy(_) => self.watch(&module, identity, None),
        }
        Ok(module)
    }

    /// What modules are told apart by in its directory, which is made if it is not there. If it cannot be used, that is reported.
    pub(crate) fn key(&self) -> Option<Arc<CacheKey>> {
        let directory = &self.0.directory;
        let key = || -> Result<CacheKey> {
            let found = CacheDir::open(directory)?;
            let made = || found.map_or_else(|| CacheDir::create(directory), Ok);
            let key = made().and_then(|dir| CacheKey::of(&dir));
            key.with_context(|| format!("the cache {} cannot be used", directory.display()))
        };
        key().map(Arc::new).map_err(|error| self.report(&error)).ok()
    }

    /// Whether there is an entry of some module of this length. If not, none of them will be found; what is wrong with the cache is
    /// said by whoever looks for one.
    pub(crate) fn may_have(&self, engine: &Engine, len: usize) -> bool {
        let Ok(kind) = kind(engine, len) else { return false };
        let dir = CacheDir::open(&self.0.directory);
        dir.is_ok_and(|dir| dir.is_some_and(|dir| dir.has_entry(&kind_name(&kind))))
    }

    /// Has a module that gets its code as it is called leave it when it goes.
    fn watch(&self, module: &Module, identity: String, inode: Option<u64>) {
        if let ModuleCode::Lazy(code) = module.inner().code() {
            *code.cached() = Some(Cached { identity, inode, spent: 0, written: None, has_waited: false });
        }
    }

    /// Whether code of a module can be left for the next process.
    pub(crate) fn is_writable_for(module: &ModuleInner) -> bool {
        let Some(cache) = &module.engine().config().cache else { return false };
        CacheDir::open(&cache.0.directory).is_ok_and(|dir| dir.is_some_and(|dir| dir.is_writable()))
    }

    /// Leaves the code that a module got until now, if it is one that was looked for in its engine's cache.
    pub(crate) fn keep(module: &ModuleInner) {
        let (Some(cache), ModuleCode::Lazy(code)) = (&module.engine().config().cache, module.code()) else {
            return;
        };
        let (mut cached, spent) = (code.cached(), code.spent());
        let Some(cached) = &mut *cached else { return };
        let to_write = code.len() as u64 / BYTES_PER_NANO;
        let is_worth_it = {
            let is_new = code.kept().is_none() && cached.spent == 0;
            let lived = code.begun().elapsed().as_nanos() as u64;
            // Who starts a program a second time waits for what it prints, and not for us.
            let waits = if is_new || lived > LONG_LIFE * to_write { 1 } else { SHORT_LIFE };
            let is_soon = cached.written.is_some_and(|written| {
                (written.elapsed().as_nanos() as u64) < LONG_LIFE * (to_write + OVERHEAD_NANOS)
            });
            spent - cached.spent > waits * to_write && !is_soon
        };
        // What somebody has waited for is for the next process, which is not to wait for it once more; but one that got it is not to
        // lose it by one that did not.
        let waited = code.tier_up().map_or(Waited::Not, TierUp::waited);
        let has_waited = waited != Waited::Not && !cached.has_waited;
        if !is_worth_it && !has_waited || waited == Waited::InVain && cache.is_replaced(cached) {
            return;
        }
        (cached.spent, cached.written, cached.has_waited) =
            (spent, Some(Instant::now()), waited != Waited::Not);
        let identity = cached.identity.clone();
        let snapshot = code.snapshot(module);
        cache.leave_or_report(snapshot.map(|snapshot| ArtifactWriter::kept(module, snapshot, identity)));
    }

    /// Whether another process has left an entry since this one found its own.
    fn is_replaced(&self, cached: &Cached) -> bool {
        let Ok(Some(dir)) = CacheDir::open(&self.0.directory) else { return false };
        let now = dir.inode(&entry_name(&cached.identity));
        now.is_some() && now != cached.inode && cached.written.is_none()
    }

    fn leave_or_report(&self, artifact: Result<ArtifactWriter<'_>>) {
        if let Err(error) = artifact.and_then(|artifact| self.leave(artifact)) {
            self.report(
                &error.context(format!("the code was not kept in the cache {}", self.0.directory.display())),
            );
        }
    }

    /// Looks for a module, and the number of its file. An entry that is not in order is reported, and is none.
    fn find(
        &self,
        engine: &Engine,
        wasm: &WasmBytes,
        identity: &str,
    ) -> Result<Option<(Module, u64)>, Unusable> {
        let Some(dir) = CacheDir::open(&self.0.directory).map_err(Unusable)? else { return Ok(None) };
        let name = entry_name(identity);
        let found = || -> Result<Option<(Module, u64)>> {
            let Some(file) = dir.entry(&name)? else { return Ok(None) };
            let module = Module::from_cache_entry(engine, &file, identity, wasm.clone())?;
            dir::touch(&file);
            let inode = file.metadata().context("it has no number")?.ino();
            Ok(Some((module, inode)))
        };
        Ok(found().unwrap_or_else(|error| {
            let what = format!(
                "{name} in the cache {} is not used, the module is compiled anew",
                self.0.directory.display()
            );
            self.report(&error.context(what));
            None
        }))
    }

    /// Leaves the code of a module for others to find.
    fn leave(&self, artifact: ArtifactWriter<'_>) -> Result<()> {
        let name = entry_name(artifact.identity());
        let (bytes, limit) = (artifact.len(), self.0.config.bytes_max);
        ensure!(bytes <= limit, "it has {bytes} bytes, and all of the cache may have {limit}");
        check_file_size(bytes)?;
        let dir = CacheDir::create(&self.0.directory)?;
        dir.write(&name, |file| artifact.write_to(file))?;
        self.sweep_if_due(&dir, bytes)
    }

    /// Keeps the cache within its limit, `written` bytes after the last call.
    fn sweep_if_due(&self, dir: &CacheDir, written: u64) -> Result<()> {
        let step = self.0.config.bytes_max / SWEEP_FRACTION;
        let mut unswept = self.0.unswept_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match unswept.map(|bytes| bytes + written) {
            Some(bytes) if bytes <= step => *unswept = Some(bytes),
            _ => {
                *unswept = Some(0);
                drop(unswept);
                dir.sweep(self.0.config.bytes_max - step)
                    .with_context(|| format!("cannot remove old code from {}", self.0.directory.display()))?;
            }
        }
        Ok(())
    }

    fn report(&self, error: &Error) {
        if let Some(reporter) = &self.0.config.reporter {
            reporter(&format!("{error:#}"));
        }
    }
}

/// What of a module is in the cache.
pub(crate) struct Cached {
    /// Under which identity.
    identity: String,
    /// The number of the file that was found.
    inode: Option<u64>,
    /// How much of what was spent on its code, in nanoseconds.
    spent: u64,
    /// When this process wrote it.
    written: Option<Instant>,
    /// Whether it has what somebody waited for, or that this was in vain.
    has_waited: bool,
}

/// Why the whole cache cannot be used.
struct Unusable(Error);

/// All that an entry's code depends on, and how long the module is that it is of.
fn kind(engine: &Engine, len: usize) -> Result<String, Unusable> {
    let Some(build) = vm::build_id() else {
        return Err(Unusable(Error::msg(
            "the cache is not used: nothing tells this build of waft from others",
        )));
    };
    let fingerprint = engine.fingerprint();
    let extent = if engine.is_lazy() {
        format!("functions as they were called, first compiled by {}", engine.first_tier().fingerprint())
    } else {
        "all functions".to_owned()
    };
    Ok(format!("{fingerprint} | build {build} | {extent} | cached: a module of {len} bytes"))
}

/// Separates the parts of an identity.
const WITH_HASH: &str = " with the hash ";

/// All that an entry's code depends on, and which module it is of. What is not equal to the byte is another entry's.
fn identity(engine: &Engine, hasher: &ModuleHasher, wasm: &WasmBytes) -> Result<String, Unusable> {
    let (kind, hash) = (kind(engine, hasher.len())?, hasher.finish(wasm.kept()));
    Ok(format!("{kind}{WITH_HASH}{hash}"))
}

/// How the names of all entries of a kind start.
fn kind_name(kind: &str) -> String {
    format!("{:016x}", xxh3_64(kind.as_bytes()))
}

fn entry_name(identity: &str) -> String {
    let kind = identity.rsplit_once(WITH_HASH).map_or(identity, |(kind, _)| kind);
    format!("{}{:016x}{}", kind_name(kind), xxh3_64(identity.as_bytes()), dir::ENTRY_SUFFIX)
}

/// Refuses to write what the process may not write (`ulimit -f`): the attempt would end it with a signal.
fn check_file_size(bytes: u64) -> Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
    match limit {
        Some(limit) if limit < bytes => {
            bail!("it has {bytes} bytes, and this process may write files of {limit}")
        }
        _ => Ok(()),
    }
}
