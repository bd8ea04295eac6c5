//! The bytes of a module, as far as they are in memory.
//!
//! A module whose code was found in the cache needs few of them: what it declares, and its data. Its bodies are needed when a
//! function is compiled that no earlier process compiled, its names when a backtrace is shown. So of a large file that is all
//! that is kept. The rest is read when it is asked for, and must be what it was: see [`ModuleFile`].

use crate::artifact::Section;
use crate::cache::ModuleHasher;
use crate::pieces::PIECE_BYTES;
use crate::vm::{PieceUse, large_file_bytes, read_pieces};
use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wasmparser::BinaryReader;

/// The bytes that a shape was decoded from.
#[derive(Clone)]
pub(crate) enum WasmBytes {
    /// The module as it was given.
    Whole(Section),
    /// What a precompiled module keeps of it: all but the code.
    WithoutCode(Section),
    /// A large file, of which a part is in memory.
    OnFile(Arc<ModuleFile>),
}

impl WasmBytes {
    /// What the module declares, and its data, where they are in it. In place of bodies and of what custom sections hold there
    /// may be something else.
    pub(crate) fn declarations(&self) -> &[u8] {
        match self {
            Self::Whole(section) | Self::WithoutCode(section) => section.bytes(),
            Self::OnFile(file) => file.declarations.bytes(),
        }
    }

    /// The bodies of its functions, where they are in the module; anything may stand elsewhere.
    ///
    /// # Errors
    ///
    /// If it does not have them any more.
    pub(crate) fn code(&self) -> Result<&[u8]> {
        match self {
            Self::Whole(section) => Ok(section.bytes()),
            Self::WithoutCode(_) => anyhow::bail!("the module does not have its bodies any more"),
            Self::OnFile(file) => file.code(),
        }
    }

    /// All that there is of it.
    ///
    /// # Errors
    ///
    /// If its file cannot be read any more, or has changed.
    pub(crate) fn whole(&self) -> Result<&Section> {
        match self {
            Self::Whole(section) | Self::WithoutCode(section) => Ok(section),
            Self::OnFile(file) => file.whole(),
        }
    }
}

/// The file of a module, which stays open. All of it was read once and hashed; of that, [`WasmBytes::declarations`] were kept.
///
/// What is read of it later is compared with the hashes. So a file that was written to in the meantime is an error where it is
/// needed, and never another module's code. One that was replaced, as by renaming another one to its name, is still there.
pub(crate) struct ModuleFile {
    file: File,
    threads: usize,
    hasher: ModuleHasher,
    outline: Outline,
    declarations: Section,
    code: OnceLock<Section>,
    whole: OnceLock<Section>,
    /// Held by who reads, so that nothing is read twice at once.
    reading: Mutex<()>,
}

impl ModuleFile {
    /// Reads a large file that is a binary module and has much that may stay there, if it is wanted to be so for so many bytes;
    /// none of others.
    ///
    /// # Errors
    ///
    /// What the system has against it, and if the file becomes shorter meanwhile.
    pub(crate) fn open(
        file: &File,
        threads: usize,
        is_wanted: impl FnOnce(usize) -> bool,
    ) -> io::Result<Option<Self>> {
        let Some(len) = large_file_bytes(file)?.filter(|len| is_wanted(*len)) else { return Ok(None) };
        let Some(outline) = Outline::of(len, |head, at| file.read_exact_at(head, at as u64))? else {
            return Ok(None);
        };
        let hasher = ModuleHasher::new(len);
        let keep = |number| if outline.stays_out(number) { PieceUse::Passed } else { PieceUse::Kept };
        let look = |number, piece: &[u8]| {
            hasher.add(number, piece);
            Ok(())
        };
        let declarations = read_pieces(file, len, threads, keep, look)?;
        // What was hashed counts, and that is where it was looked for.
        let bytes = declarations.bytes();
        let read = |head: &mut [u8], at: usize| {
            head.copy_from_slice(&bytes[at..at + head.len()]);
            Ok(())
        };
        if Outline::of(len, read)?.as_ref() != Some(&outline) {
            return Err(io::Error::other("it was written to while it was read"));
        }
        Ok(Some(Self {
            file: file.try_clone()?,
            threads,
            hasher,
            outline,
            declarations,
            code: OnceLock::new(),
            whole: OnceLock::new(),
            reading: Mutex::new(()),
        }))
    }

    pub(crate) fn hasher(&self) -> &ModuleHasher {
        &self.hasher
    }

    fn code(&self) -> Result<&[u8]> {
        let is_code = |number| overlaps(&self.outline.code, number);
        let loaded = match self.whole.get() {
            Some(whole) => whole,
            None => self.load(&self.code, is_code)?,
        };
        Ok(loaded.bytes())
    }

    fn whole(&self) -> Result<&Section> {
        self.load(&self.whole, |_| true)
    }

    /// The pieces that are wanted, read unless they were before.
    fn load<'f>(
        &self,
        loaded: &'f OnceLock<Section>,
        is_wanted: impl Fn(usize) -> bool + Sync,
    ) -> Result<&'f Section> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = loaded.get() {
            return Ok(loaded);
        }
        let keep = |number| if is_wanted(number) { PieceUse::Kept } else { PieceUse::Left };
        let look = |number, piece: &[u8]| {
            let is_same = self.hasher.is_same(number, piece);
            is_same.then_some(()).ok_or_else(|| io::Error::other("it was written to since it was opened"))
        };
        let read = || -> io::Result<Section> {
            let len = large_file_bytes(&self.file)?;
            if len != Some(self.hasher.len()) {
                return Err(io::Error::other("it has not as many bytes as when it was opened"));
            }
            read_pieces(&self.file, self.hasher.len(), self.threads, keep, look)
        };
        let read = read().context("cannot read more of the module's file")?;
        Ok(loaded.get_or_init(|| read))
    }
}

/// Which parts of a module are not needed to make instances of it.
#[derive(PartialEq, Eq, Debug)]
struct Outline {
    /// Bytes of the module.
    len: usize,
    /// The contents of the code section.
    code: Range<usize>,
    /// The bodies, and what custom sections hold.
    unneeded: Vec<Range<usize>>,
}

/// Of a section: its number, its size, and of a custom one the size of its name.
const HEAD_BYTES: usize = 1 + 5 + 5;
/// A module of more sections than this is read as others are.
const SECTIONS_MAX: usize = 1000;

impl Outline {
    /// That of a module of `len` bytes, which `read` gives from any place on. None if it is no module in the binary format, or has
    /// nothing of a piece's size that could stay out. Nothing of what is unneeded is asked for.
    fn of(len: usize, mut read: impl FnMut(&mut [u8], usize) -> io::Result<()>) -> io::Result<Option<Self>> {
        let mut outline = Self { len, code: 0..0, unneeded: Vec::new() };
        let mut head = [0; 8];
        read(&mut head, 0)?;
        if head != *b"\0asm\x01\0\0\0" {
            return Ok(None);
        }
        let mut at = head.len();
        for _ in 0..SECTIONS_MAX {
            if at == len {
                let stays_out = (0..len.div_ceil(PIECE_BYTES)).any(|number| outline.stays_out(number));
                return Ok(stays_out.then_some(outline));
            }
            let mut head = [0; HEAD_BYTES];
            let head = &mut head[..(len - at).min(HEAD_BYTES)];
            read(head, at)?;
            match outline.add(head, at) {
                Ok(end) => at = end,
                // What is wrong with it is found by those who decode it.
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Adds the section at `at`, which starts with `head`. Where it ends.
    fn add(&mut self, head: &[u8], at: usize) -> Result<usize> {
        const CUSTOM: u8 = 0;
        const CODE: u8 = 10;
        let mut reader = BinaryReader::new(head, at as u64);
        let (id, size) = (reader.read_u8()?, reader.read_var_u32()? as usize);
        let start = at + reader.current_position();
        let end = start.checked_add(size).filter(|end| *end <= self.len).context("a section is cut off")?;
        if id == CODE {
            self.code = start..end;
            // Their number comes first.
            reader.read_var_u32()?;
            self.unneeded.push(at + reader.current_position()..end);
        } else if id == CUSTOM {
            let name = reader.read_var_u32()? as usize;
            let contents = at + reader.current_position() + name;
            ensure!(contents <= end, "the name of a section is cut off");
            self.unneeded.push(contents..end);
        }
        Ok(end)
    }

    /// Whether all of the piece of this number is unneeded.
    fn stays_out(&self, number: usize) -> bool {
        let (start, end) = (number * PIECE_BYTES, ((number + 1) * PIECE_BYTES).min(self.len));
        self.unneeded.iter().any(|range| range.start <= start && end <= range.end)
    }
}

/// Whether some of the piece of this number is in a range.
fn overlaps(range: &Range<usize>, number: usize) -> bool {
    range.start < (number + 1) * PIECE_BYTES && number * PIECE_BYTES < range.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leb(number: usize) -> Vec<u8> {
        [0, 7, 14, 21]
            .map(|shift| (number >> shift & 0x7f) as u8 | if shift < 21 { 0x80 } else { 0 })
            .to_vec()
    }

    /// A module of these sections.
    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        for (id, contents) in sections {
            module.extend([&[*id][..], &leb(contents.len()), contents].concat());
        }
        module
    }

    /// The outline of a module, none of whose bytes was read that is unneeded.
    fn outline_of(module: &[u8]) -> Option<Outline> {
        let mut seen = vec![false; module.len()];
        let read = |head: &mut [u8], at: usize| {
            head.copy_from_slice(&module[at..at + head.len()]);
            seen[at..at + head.len()].fill(true);
            Ok(())
        };
        let outline = Outline::of(module.len(), read).unwrap()?;
        for number in (0..module.len().div_ceil(PIECE_BYTES)).filter(|number| outline.stays_out(*number)) {
            let end = module.len().min((number + 1) * PIECE_BYTES);
            assert!(seen[number * PIECE_BYTES..end].iter().all(|seen| !seen), "piece {number}");
        }
        Some(outline)
    }

    #[test]
    fn large_sections_stay_out_but_for_what_they_start_with() {
        let large = [&[1, b'x'][..], &vec![0; 4 * PIECE_BYTES]].concat();
        let small = [&[1, b'y'][..], &[0; 100]].concat();
        // The contents of a code section are a number of bodies, and those.
        let rows: [(&[(u8, &[u8])], Option<usize>); 7] = [
            (&[(10, &large)], Some(3)),
            (&[(0, &large)], Some(3)),
            (&[(1, &small), (10, &large), (11, &large), (0, &large)], Some(6)),
            (&[(11, &large)], None),
            (&[(0, &small), (10, &small)], None),
            (&[], None),
            (&[(0, &large), (0, &[200])], None),
        ];
        for (at, (sections, out)) in rows.into_iter().enumerate() {
            let module = module(sections);
            let found = outline_of(&module);
            let pieces = 0..module.len().div_ceil(PIECE_BYTES);
            let count = found.map(|outline| pieces.filter(|number| outline.stays_out(*number)).count());
            // Where sections begin decides whether a piece more fits between them.
            let is_right =
                count.is_none() == out.is_none() && count.unwrap_or(0).abs_diff(out.unwrap_or(0)) <= 1;
            assert!(is_right, "{at}: {count:?}");
            for cut in [1, 50, PIECE_BYTES / 2] {
                if let Some(rest) =
                    module.len().checked_sub(cut).filter(|rest| *rest >= 8 && !sections.is_empty())
                {
                    assert_eq!(outline_of(&module[..rest]), None, "{at}: {cut} bytes less");
                }
            }
        }
        let many = module(&vec![(0, &[0][..]); SECTIONS_MAX + 1]);
        assert_eq!(outline_of(&[&many[..], &module(&[(0, &large)])[8..]].concat()), None);
        assert_eq!(outline_of(b"\0asm\x0d\0\x01\0"), None);
    }
}
