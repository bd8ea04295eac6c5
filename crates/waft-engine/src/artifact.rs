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
//! # Elsewhere
//!
//! Loading one takes trust, hence `unsafe`: `vm/load.rs`.

use crate::code::{CodeTables, CompiledCode, ModuleCode};
use crate::compile;
use crate::engine::Engine;
use crate::module::{ModuleInner, WasmBytes};
use crate::vm::CodeMemory;
use anyhow::{Context as _, Result, bail, ensure};
use std::ops::Range;
use std::sync::Arc;
use waft_core::index::IndexVec;
use waft_core::module::decode_trusted;
use xxhash_rust::xxh3::xxh3_64;

/// Starts every artifact: not text, not WebAssembly, and changed by transfers that change line ends.
const MAGIC: [u8; 8] = *b"\x7fWAFT\r\n\x01";
const CHECKSUM_AT: usize = 8;
const TABLE_AT: usize = 16;
/// Alignment of the code: the largest page of the machines that Waft runs on.
const PAGE: usize = 64 << 10;

/// The sections, in their order.
#[derive(Clone, Copy)]
enum Part {
    Fingerprint,
    CodeSectionStart,
    Wasm,
    Funcs,
    Traps,
    Positions,
    StackMaps,
    Handlers,
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
}

impl Section {
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
}

impl From<Vec<u8>> for Section {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { backing: Arc::new(bytes), range }
    }
}

/// An artifact whose checksum and fingerprint are right.
pub(crate) struct Artifact {
    sections: [Section; PARTS],
    /// The code if it is mapped already; otherwise it is copied from its section.
    mapped: Option<CodeMemory>,
}

impl Artifact {
    /// Checks the frame of an artifact.
    ///
    /// # Errors
    ///
    /// If it is not one, is damaged, or was compiled for something else than `engine`.
    pub(crate) fn open(engine: &Engine, backing: Backing) -> Result<Self> {
        let bytes = (*backing).as_ref();
        ensure!(is_artifact(bytes), "not a module precompiled by this version of Waft's format");
        ensure!(
            bytes.len() >= HEADER_BYTES,
            "the precompiled module is truncated: {} bytes, its head alone has {HEADER_BYTES}",
            bytes.len()
        );
        let claimed = number(bytes, CHECKSUM_AT)?;
        let found = xxh3_64(&bytes[TABLE_AT..]);
        ensure!(
            claimed == found,
            "the precompiled module is truncated or altered: its {} bytes have the checksum {found:016x}, not {claimed:016x}",
            bytes.len()
        );
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
        artifact.check_fingerprint(engine)?;
        Ok(artifact)
    }

    fn section(&self, part: Part) -> &Section {
        &self.sections[part as usize]
    }

    fn check_fingerprint(&self, engine: &Engine) -> Result<()> {
        let theirs = String::from_utf8_lossy(self.section(Part::Fingerprint).bytes());
        let ours = engine.fingerprint();
        if theirs == ours {
            return Ok(());
        }
        // The first field that differs is the reason that a user can act on.
        let differs = theirs.split(" | ").zip(ours.split(" | ")).find(|(theirs, ours)| theirs != ours);
        let (theirs, ours) = differs.unwrap_or((&theirs, &ours));
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

    /// The module. Its code is trusted from here on.
    pub(crate) fn into_module(self, engine: &Engine) -> Result<ModuleInner> {
        let wasm = self.section(Part::Wasm).clone();
        let mut shape = decode_trusted(wasm.bytes()).context("the precompiled module's shape is broken")?;
        // The bodies are placeholders: see `without_code`.
        shape.bodies = IndexVec::new();
        shape.code_section_start = usize::try_from(number(self.section(Part::CodeSectionStart).bytes(), 0)?)?;
        let tables = CodeTables {
            funcs: self.section(Part::Funcs).clone(),
            traps: self.section(Part::Traps).clone(),
            positions: self.section(Part::Positions).clone(),
            stack_maps: self.section(Part::StackMaps).clone(),
            handlers: self.section(Part::Handlers).clone(),
        };
        let code = self.section(Part::Code).bytes();
        let text = match self.mapped {
            None if code.is_empty() => None,
            None => Some(CodeMemory::publish(code).context("cannot map code")?),
            mapped => mapped,
        };
        let code = CompiledCode::loaded(text, tables);
        ensure!(
            code.entries().count() == shape.defined_funcs(),
            "the precompiled module has code for {} functions, and declares {}",
            code.entries().count(),
            shape.defined_funcs()
        );
        ModuleInner::new(engine, shape, WasmBytes::WithoutCode(wasm), ModuleCode::Whole(code))
    }
}

fn number(bytes: &[u8], at: usize) -> Result<u64> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk).context("a number is cut off")?;
    Ok(u64::from_le_bytes(*bytes))
}

/// The artifact of a module: of one that is compiled as it is called, with all its code, compiled here.
pub(crate) fn write(module: &ModuleInner) -> Result<Vec<u8>> {
    match module.code() {
        ModuleCode::Whole(code) => write_code(module, code.text(), code.tables()),
        ModuleCode::Lazy(_) => {
            let code =
                compile::linked(module.engine(), module.shape(), module.layout(), module.wasm().bytes())?;
            write_code(module, &code.text, &code.tables)
        }
    }
}

fn write_code(module: &ModuleInner, text: &[u8], tables: &CodeTables) -> Result<Vec<u8>> {
    let fingerprint = module.engine().fingerprint();
    let code_section_start = (module.shape().code_section_start as u64).to_le_bytes();
    let wasm = match module.wasm() {
        WasmBytes::Whole(bytes) => without_code(bytes)?,
        WasmBytes::WithoutCode(section) => section.bytes().to_vec(),
    };
    let parts: [&[u8]; PARTS] = [
        fingerprint.as_bytes(),
        &code_section_start,
        &wasm,
        tables.funcs.bytes(),
        tables.traps.bytes(),
        tables.positions.bytes(),
        tables.stack_maps.bytes(),
        tables.handlers.bytes(),
        text,
    ];
    let mut out = vec![0; HEADER_BYTES];
    out[..MAGIC.len()].copy_from_slice(&MAGIC);
    for (at, part) in parts.iter().enumerate() {
        let align = if at == Part::Code as usize { PAGE } else { 8 };
        out.resize(out.len().next_multiple_of(align), 0);
        let entry = TABLE_AT + at * 16;
        let start = (out.len() as u64).to_le_bytes();
        out[entry..entry + 8].copy_from_slice(&start);
        out[entry + 8..entry + 16].copy_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(part);
    }
    let checksum = xxh3_64(&out[TABLE_AT..]);
    out[CHECKSUM_AT..TABLE_AT].copy_from_slice(&checksum.to_le_bytes());
    Ok(out)
}

/// A valid module with empty bodies: all that its shape is decoded from.
fn without_code(wasm: &[u8]) -> Result<Vec<u8>> {
    const CODE_SECTION: u8 = 10;
    /// Two bytes: no locals, `end`.
    const EMPTY_BODY: [u8; 3] = [2, 0, 0x0b];
    let mut reader = wasmparser::BinaryReader::new(wasm, 0);
    let mut out = reader.read_bytes(8)?.to_vec();
    while !reader.eof() {
        let start = reader.original_position() as usize;
        let id = reader.read_u8()?;
        let len = reader.read_var_u32()?;
        let contents = reader.read_bytes(len as usize)?;
        if id != CODE_SECTION {
            out.extend_from_slice(&wasm[start..reader.original_position() as usize]);
            continue;
        }
        let bodies = wasmparser::BinaryReader::new(contents, 0).read_var_u32()?;
        out.push(CODE_SECTION);
        let empty_bodies = EMPTY_BODY.len() as u64 * u64::from(bodies);
        write_leb128(&mut out, u64::from(LEB128_BYTES) + empty_bodies);
        write_leb128(&mut out, bodies.into());
        out.extend(EMPTY_BODY.iter().cycle().take(empty_bodies as usize));
    }
    Ok(out)
}

/// Every number below 2^32 in this many bytes, so that lengths are known beforehand.
const LEB128_BYTES: u8 = 5;

/// Writes a number below 2^32.
fn write_leb128(out: &mut Vec<u8>, number: u64) {
    for at in 0..LEB128_BYTES {
        let more = if at + 1 < LEB128_BYTES { 0x80 } else { 0 };
        out.push((number >> (7 * at)) as u8 & 0x7f | more);
    }
}
