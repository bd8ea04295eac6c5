//! Making artifacts.

use super::{CHECKSUM_AT, HEADER_BYTES, MAGIC, PAGE, PARTS, Part, TABLE_AT};
use crate::code::{CodeTables, CompiledCode, LinkedCode, ModuleCode};
use crate::compile;
use crate::lazy::Snapshot;
use crate::module::ModuleInner;
use crate::wasm_bytes::WasmBytes;
use anyhow::Result;
use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use waft_core::module::{FuncBody, ModuleBodies};
use xxhash_rust::xxh3::Xxh3;

/// An artifact that is laid out and not written: what it consists of stays where it is.
pub(crate) struct ArtifactWriter<'a> {
    head: Vec<u8>,
    identity: String,
    code_section_start: [u8; 8],
    wasm: Cow<'a, [u8]>,
    text: Text<'a>,
    tables: Arc<CodeTables>,
    states: Vec<u8>,
    relocs: Vec<u8>,
    targets: Vec<u8>,
    body_index: Cow<'a, [u8]>,
    len: u64,
}

/// Machine code.
enum Text<'a> {
    Whole(Cow<'a, [u8]>),
    Linked(LinkedCode<'a>),
}

impl Text<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Linked(code) => code.len(),
        }
    }

    fn pieces<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::Whole(text) => take(text),
            Self::Linked(code) => code.pieces(take),
        }
    }
}

/// What stands between sections.
static PADDING: [u8; PAGE] = [0; PAGE];

impl<'a> ArtifactWriter<'a> {
    /// A precompiled module: of one that is compiled as it is called, with all its code, compiled here.
    ///
    /// # Errors
    ///
    /// If the module's own bytes cannot be read, or what is not compiled yet cannot be.
    pub(crate) fn precompiled(module: &'a ModuleInner) -> Result<Self> {
        let whole = module.wasm().read()?;
        let wasm = match module.wasm() {
            WasmBytes::WithoutCode(section) => Cow::Borrowed(section.bytes()),
            _ => Cow::Owned(without_code(whole.bytes())?),
        };
        let code = match module.code() {
            ModuleCode::Whole(code) => (Text::Whole(Cow::Borrowed(code.text())), code.tables().clone()),
            ModuleCode::Lazy(_) => {
                let wasm = whole.bytes();
                let ranges = module.body_ranges(wasm)?;
                let bodies = ModuleBodies { wasm, ranges: &ranges };
                let validate = |func, body: FuncBody<'_>| module.validate_body(func, body);
                let funcs =
                    compile::functions(module.engine(), module.shape(), module.layout(), bodies, validate)?;
                let code = compile::link(module.shape(), &funcs)?;
                (Text::Whole(Cow::Owned(code.text())), code.tables().clone())
            }
        };
        Ok(Self::new(module, module.engine().fingerprint(), wasm, code).laid_out())
    }

    /// An entry of the cache, of a module that has this code.
    pub(crate) fn cached(module: &'a ModuleInner, code: &'a CompiledCode, identity: String) -> Self {
        let code = (Text::Whole(Cow::Borrowed(code.text())), code.tables().clone());
        let mut artifact = Self::new(module, identity, Cow::default(), code);
        artifact.body_index = module.body_index();
        artifact.laid_out()
    }

    /// The same of a module that has the code of some functions.
    pub(crate) fn kept(module: &'a ModuleInner, snapshot: Snapshot<'a>, identity: String) -> Self {
        let Snapshot { code, states, relocs, targets } = snapshot;
        let tables = code.tables().clone();
        let mut artifact = Self::new(module, identity, Cow::default(), (Text::Linked(code), tables));
        (artifact.states, artifact.relocs, artifact.targets) = (states, relocs, targets);
        artifact.body_index = module.body_index();
        artifact.laid_out()
    }

    fn new(
        module: &ModuleInner,
        identity: String,
        wasm: Cow<'a, [u8]>,
        (text, tables): (Text<'a>, Arc<CodeTables>),
    ) -> Self {
        let code_section_start = (module.shape().code_section_start as u64).to_le_bytes();
        let head = vec![0; HEADER_BYTES];
        Self {
            head,
            identity,
            code_section_start,
            wasm,
            text,
            tables,
            states: Vec::new(),
            relocs: Vec::new(),
            targets: Vec::new(),
            body_index: Cow::default(),
            len: 0,
        }
    }

    /// With the head filled in, now that all sections are known.
    fn laid_out(mut self) -> Self {
        let mut head = vec![0; HEADER_BYTES];
        head[..MAGIC.len()].copy_from_slice(&MAGIC);
        let mut end = HEADER_BYTES;
        let lens = self.parts().map(<[u8]>::len).into_iter().chain([self.text.len()]);
        for (at, len) in lens.enumerate() {
            let start = end.next_multiple_of(alignment(at));
            let entry = TABLE_AT + at * 16;
            head[entry..entry + 8].copy_from_slice(&(start as u64).to_le_bytes());
            head[entry + 8..entry + 16].copy_from_slice(&(len as u64).to_le_bytes());
            end = start + len;
        }
        self.head = head;
        self.len = end as u64;
        let mut checksum = Xxh3::new();
        let mut skip = TABLE_AT;
        self.pieces(|piece| checksum.update(&piece[std::mem::take(&mut skip)..]));
        self.head[CHECKSUM_AT..TABLE_AT].copy_from_slice(&checksum.digest().to_le_bytes());
        self
    }

    /// All parts but the last, which is the code.
    fn parts(&self) -> [&[u8]; PARTS - 1] {
        let tables = &self.tables;
        [
            self.identity.as_bytes(),
            &self.code_section_start,
            &self.wasm,
            tables.funcs.bytes(),
            tables.traps.bytes(),
            tables.positions.bytes(),
            tables.stack_maps.bytes(),
            tables.handlers.bytes(),
            tables.inlined.bytes(),
            &self.states,
            &self.relocs,
            &self.targets,
            &self.body_index,
        ]
    }

    /// Gives the artifact's bytes in order; the head is one piece, and the first.
    fn pieces(&self, mut take: impl FnMut(&[u8])) {
        let never: Result<(), Infallible> = self.try_pieces(|piece| {
            take(piece);
            Ok(())
        });
        let Ok(()) = never;
    }

    fn try_pieces<E>(&self, mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        take(&self.head)?;
        let mut end = HEADER_BYTES;
        for (at, part) in self.parts().into_iter().enumerate() {
            let start = end.next_multiple_of(alignment(at));
            take(&PADDING[..start - end])?;
            take(part)?;
            end = start + part.len();
        }
        take(&PADDING[..end.next_multiple_of(alignment(Part::Code as usize)) - end])?;
        self.text.pieces(take)
    }

    /// What it is for.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// How long it is.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes it, piece by piece.
    ///
    /// # Errors
    ///
    /// Of `out`.
    pub(crate) fn write_to(&self, out: impl Write) -> io::Result<()> {
        // Of functions there are thousands.
        let mut out = BufWriter::with_capacity(PAGE, out);
        self.try_pieces(|piece| out.write_all(piece))?;
        out.flush()
    }

    /// All of it.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len as usize);
        self.pieces(|piece| bytes.extend_from_slice(piece));
        bytes
    }
}

/// What the start of a section is a multiple of.
fn alignment(part: usize) -> usize {
    if part == Part::Code as usize { PAGE } else { 8 }
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
