//! Precompiled modules: the one format in which compiled code is stored.
//!
//! ```text
//! 0   magic, 8 bytes
//! 8   xxh3-64 of all that follows
//! 16  for each section: u64 offset, u64 length
//! ..  the sections; `code` last, at a multiple of the page, so that it can be mapped
//! ```
//!
//! All numbers are little-endian. The checksum finds truncation and accidents; it does not make a file trustworthy, for
//! whoever alters code can also compute it. The fingerprint refuses code of another version, setup or processor.
//!
//! There are two kinds, which differ in two sections. A *precompiled module* has the engine's fingerprint, and the module
//! without its bodies. An *entry of the code cache* has an identity, which is more than a fingerprint, and nothing of the
//! module, which whoever looks for it has. No text is both, so neither is taken for the other. An entry may have the code of
//! some functions alone; then it says what it has of each.
//!
//! # Elsewhere
//!
//! Loading one takes trust, hence `unsafe`: `vm/load.rs`. Making one: `artifact/write.rs`. Checking one that is a file,
//! without having it in memory: `artifact/verify.rs`.

mod verify;
mod write;

pub(crate) use verify::verify_file;
pub(crate) use write::ArtifactWriter;

use crate::bodies::FoundBodies;
use crate::code::{CodeTables, CompiledCode, ModuleCode};
use crate::engine::Engine;
use crate::lazy::{KeptCode, LazyCode};
use crate::module::ModuleInner;
use crate::vm::CodeMemory;
use crate::wasm_bytes::WasmBytes;
use anyhow::{Context as _, Result, bail, ensure};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use waft_core::module::{Shape, decode_trusted, decode_without_bodies};
use xxhash_rust::xxh3::xxh3_64;

/// Starts every artifact: not text, not WebAssembly, and changed by transfers that change line ends.
const MAGIC: [u8; 8] = *b"\x7fWAFT\r\n\x06";
const CHECKSUM_AT: usize = 8;
const TABLE_AT: usize = 16;
/// Alignment of the code: the largest page of the machines that Waft runs on.
const PAGE: usize = 64 << 10;

/// The sections, in their order.
#[derive(Clone, Copy)]
enum Part {
    Identity,
    CodeSectionStart,
    Wasm,
    Funcs,
    Traps,
    Positions,
    StackMaps,
    Handlers,
    Inlined,
    States,
    Relocs,
    Targets,
    BodyIndex,
    Code,
}

const PARTS: usize = Part::Code as usize + 1;
const HEADER_BYTES: usize = TABLE_AT + PARTS * 16;

/// Whether `bytes` start as an artifact does.
pub(crate) fn is_artifact(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// What keeps the bytes of sections alive.
type Backing = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A piece of bytes that something else owns.
#[derive(Clone)]
pub(crate) struct Section {
    backing: Backing,
    range: Range<usize>,
}

impl Section {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &(*self.backing).as_ref()[self.range.clone()]
    }

    /// Sections with these contents, in one allocation.
    pub(crate) fn packed<const N: usize>(parts: &[Vec<u8>; N]) -> [Self; N] {
        let backing: Backing = Arc::new(parts.concat());
        let mut end = 0;
        parts.each_ref().map(|part| {
            let start = end;
            end += part.len();
            Self { backing: backing.clone(), range: start..end }
        })
    }

    /// All bytes of something.
    pub(crate) fn owned(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let range = 0..bytes.as_ref().len();
        Self { backing: Arc::new(bytes), range }
    }
}

impl From<Vec<u8>> for Section {
    fn from(bytes: Vec<u8>) -> Self {
        Self::owned(bytes)
    }
}

impl From<Arc<[u8]>> for Section {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::owned(bytes)
    }
}

/// Refuses bytes that are not an artifact, or not as it was written.
pub(crate) fn verify(bytes: &[u8]) -> Result<()> {
    check_head(bytes, bytes.len() as u64)?;
    check_checksum(bytes, xxh3_64(&bytes[TABLE_AT..]), bytes.len() as u64)
}

/// Refuses what does not start as an artifact of `len` bytes does.
fn check_head(head: &[u8], len: u64) -> Result<()> {
    ensure!(is_artifact(head), "not a module precompiled by this version of Waft's format");
    ensure!(
        head.len() >= HEADER_BYTES,
        "the precompiled module is truncated: {len} bytes, its head alone has {HEADER_BYTES}"
    );
    Ok(())
}

/// Compares the checksum that was found with the one that the head claims.
fn check_checksum(head: &[u8], found: u64, len: u64) -> Result<()> {
    let claimed = number(head, CHECKSUM_AT)?;
    ensure!(
        claimed == found,
        "the precompiled module is truncated or altered: its {len} bytes have the checksum {found:016x}, not {claimed:016x}"
    );
    Ok(())
}

/// An artifact whose identity is right.
pub(crate) struct Artifact {
    sections: [Section; PARTS],
    /// The code if it is mapped already; otherwise it is copied from its section.
    mapped: Option<CodeMemory>,
}

impl Artifact {
    /// The parts of an artifact that was [verified](verify), if it is `identity`'s: an engine's fingerprint, or what the
    /// cache makes of it.
    ///
    /// # Errors
    ///
    /// If it was made for something else, or its table of sections is nonsense.
    pub(crate) fn open(backing: Backing, identity: &str) -> Result<Self> {
        let bytes = (*backing).as_ref();
        let section = |part: usize| -> Result<Section> {
            let at = TABLE_AT + part * 16;
            let start = usize::try_from(number(bytes, at)?)?;
            let len = usize::try_from(number(bytes, at + 8)?)?;
            let end = start.checked_add(len).filter(|end| *end <= bytes.len());
            let end =
                end.with_context(|| format!("section {part} of the precompiled module lies outside of it"))?;
            Ok(Section { backing: backing.clone(), range: start..end })
        };
        let sections: Vec<Section> = (0..PARTS).map(section).collect::<Result<_>>()?;
        let Ok(sections) = <[Section; PARTS]>::try_from(sections) else {
            bail!("the table of sections is cut off")
        };
        let artifact = Self { sections, mapped: None };
        artifact.check_identity(identity)?;
        Ok(artifact)
    }

    fn section(&self, part: Part) -> &Section {
        &self.sections[part as usize]
    }

    fn check_identity(&self, ours: &str) -> Result<()> {
        let theirs = String::from_utf8_lossy(self.section(Part::Identity).bytes());
        if theirs == ours {
            return Ok(());
        }
        // The first field that differs is the reason that a user can act on.
        let differs = theirs.split(" | ").zip(ours.split(" | ")).find(|(theirs, ours)| theirs != ours);
        let (theirs, ours) = differs.unwrap_or((&theirs, ours));
        bail!("the module was precompiled for something else: it is for `{theirs}`, this is `{ours}`")
    }

    /// Where in the file the code is.
    pub(crate) fn code_range(&self) -> Range<usize> {
        self.section(Part::Code).range.clone()
    }

    /// Takes code that was mapped from [`Self::code_range`] of the same file.
    pub(crate) fn set_mapped(&mut self, code: CodeMemory) {
        self.mapped = Some(code);
    }

    /// The module of a precompiled one. Its code is trusted from here on.
    pub(crate) fn into_module(self, engine: &Engine) -> Result<ModuleInner> {
        let wasm = self.section(Part::Wasm).clone();
        let code_section_start = usize::try_from(number(self.section(Part::CodeSectionStart).bytes(), 0)?)?;
        let mut shape = decode_trusted(wasm.bytes()).context("the precompiled module's shape is broken")?;
        shape.code_section_start = code_section_start;
        self.load(engine, WasmBytes::WithoutCode(wasm), shape)
    }

    /// The module of an entry of the cache, which is of these bytes. Its code is trusted from here on.
    pub(crate) fn into_module_of(self, engine: &Engine, wasm: WasmBytes) -> Result<ModuleInner> {
        let decoded = decode_without_bodies(wasm.kept(), engine.config().proposals);
        let (shape, rules) = decoded.context("the module is not the one that was compiled")?.into_parts();
        let bodies = FoundBodies::new(rules, self.section(Part::BodyIndex).clone());
        Ok(self.load(engine, wasm, shape)?.with_found_bodies(bodies))
    }

    fn load(self, engine: &Engine, wasm: WasmBytes, shape: Shape) -> Result<ModuleInner> {
        let is_whole = self.section(Part::States).bytes().is_empty();
        let kept = [Part::States, Part::Relocs, Part::Targets];
        let kept = kept.map(|part| self.section(part).clone());
        let tables = CodeTables {
            funcs: self.section(Part::Funcs).clone(),
            traps: self.section(Part::Traps).clone(),
            positions: self.section(Part::Positions).clone(),
            stack_maps: self.section(Part::StackMaps).clone(),
            handlers: self.section(Part::Handlers).clone(),
            inlined: self.section(Part::Inlined).clone(),
        };
        let code = self.section(Part::Code).bytes();
        let text = match self.mapped {
            None if code.is_empty() => None,
            None => Some(CodeMemory::publish(code).context("cannot map code")?),
            mapped => mapped,
        };
        let code = CompiledCode::loaded(text, tables);
        let funcs = shape.defined_funcs();
        ensure!(
            code.entries().count() == funcs,
            "the precompiled module has code for {} functions, and declares {funcs}",
            code.entries().count(),
        );
        let code = if is_whole {
            ModuleCode::Whole(code)
        } else {
            let kept = KeptCode::new(code, kept, funcs)?;
            ModuleCode::Lazy(Arc::new(LazyCode::new(engine, &shape, Some(kept), Duration::ZERO)?))
        };
        ModuleInner::new(engine, shape, wasm, code)
    }
}

fn number(bytes: &[u8], at: usize) -> Result<u64> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk).context("a number is cut off")?;
    Ok(u64::from_le_bytes(*bytes))
}
