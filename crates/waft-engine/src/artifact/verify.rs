//! Checking an artifact that is a file, before any of it is used, without having it in memory.
//!
//! The file is read through a small buffer, not through a mapping: what is mapped and touched counts as ours from then
//! on, and of the code of a large module a start touches a small part. The mapping that is made afterwards shows the same
//! bytes, those of the page cache.

use super::{HEADER_BYTES, Part, TABLE_AT, check_checksum, check_head, number, verify};
use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Fits a second-level cache along with what it is compared with.
const BUFFER_BYTES: usize = 128 << 10;

/// The bytes of a module: in memory, or in a regular file that need not be.
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    /// And its length when it was looked at. Should it change meanwhile, it is another module.
    File(&'a File, u64),
}

impl Source<'_> {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// Names the module: quickly, and not safe from those who want two modules to have one name.
    pub(crate) fn hash(&self) -> io::Result<u128> {
        match self {
            Self::Bytes(bytes) => Ok(xxh3_128(bytes)),
            Self::File(file, _) => {
                let mut hash = Xxh3::new();
                read_through(file, |_, bytes| {
                    hash.update(bytes);
                    Ok(())
                })?;
                Ok(hash.digest128())
            }
        }
    }

    /// Whether the bytes from `at` on are these; `buffer` is what is read into, if that is needed.
    fn has(&self, at: u64, bytes: &[u8], buffer: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Bytes(all) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                Ok(all.get(start..).is_some_and(|rest| rest.starts_with(bytes)))
            }
            Self::File(file, _) => {
                buffer.resize(bytes.len(), 0);
                match file.read_exact_at(buffer, at) {
                    Ok(()) => Ok(buffer == bytes),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

/// Gives the bytes of a file in order, each piece with its place, and returns how many there were.
fn read_through(file: &File, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = 0;
    loop {
        let bytes = match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok(at),
            Ok(count) => &buffer[..count],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        take(at, bytes)?;
        at += bytes.len() as u64;
    }
}

/// Refuses a file that is not an artifact, or not as it was written. Says whether the module in it is `source`, byte for
/// byte; without one, yes.
pub(crate) fn verify_file(file: &File, source: Option<&Source<'_>>) -> Result<bool> {
    let len = file.metadata()?.len();
    ensure!(len > 0, "the file is empty");
    let mut head = vec![0; HEADER_BYTES.min(usize::try_from(len)?)];
    file.read_exact_at(&mut head, 0)?;
    check_head(&head, len)?;
    // Not checked yet: it decides nothing but what is compared.
    let wasm = section(&head, Part::Wasm)?;
    let mut same = source.is_none_or(|source| source.len() == wasm.end - wasm.start);
    let (mut checksum, mut buffer) = (Xxh3::new(), Vec::new());
    let read = read_through(file, |at, bytes| {
        let skipped = (TABLE_AT as u64).saturating_sub(at).min(bytes.len() as u64) as usize;
        checksum.update(&bytes[skipped..]);
        let start = wasm.start.max(at);
        let end = wasm.end.min(at + bytes.len() as u64);
        if same
            && start < end
            && let Some(source) = source
        {
            let part = &bytes[(start - at) as usize..(end - at) as usize];
            same = source.has(start - wasm.start, part, &mut buffer)?;
        }
        Ok(())
    })?;
    check_checksum(&head, checksum.digest(), read)?;
    Ok(same)
}

/// As [`verify_file`], of an artifact in memory.
pub(crate) fn verify_bytes(artifact: &[u8], source: &Source<'_>) -> Result<bool> {
    verify(artifact)?;
    let Range { start, end } = section(artifact, Part::Wasm)?;
    let (start, end) = (usize::try_from(start)?, usize::try_from(end)?);
    let wasm = artifact.get(start..end).context("the module lies outside of the artifact")?;
    Ok(source.len() == wasm.len() as u64 && source.has(0, wasm, &mut Vec::new())?)
}

/// Where a section is, by a head that may be broken.
fn section(head: &[u8], part: Part) -> Result<Range<u64>> {
    let at = TABLE_AT + part as usize * 16;
    let start = number(head, at)?;
    Ok(start..start.saturating_add(number(head, at + 8)?))
}
