//! Checking an artifact that is a file, before any of it is used, without having it in memory.
//!
//! The file is read through a small buffer, not through a mapping: what is mapped and touched counts as ours from then
//! on, and of the code of a large module a start touches a small part. The mapping that is made afterwards shows the same
//! bytes, those of the page cache.

use super::{HEADER_BYTES, TABLE_AT, check_checksum, check_head};
use anyhow::{Result, ensure};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use xxhash_rust::xxh3::Xxh3;

/// Fits a second-level cache.
const BUFFER_BYTES: usize = 128 << 10;

/// Refuses a file that is not an artifact, or not as it was written.
pub(crate) fn verify_file(file: &File) -> Result<()> {
    let len = file.metadata()?.len();
    ensure!(len > 0, "the file is empty");
    let mut head = vec![0; HEADER_BYTES.min(usize::try_from(len)?)];
    file.read_exact_at(&mut head, 0)?;
    check_head(&head, len)?;
    let (checksum, read) = checksum(file)?;
    check_checksum(&head, checksum, read)
}

/// The checksum of what a file has, as its head should claim it, and how many bytes there were.
fn checksum(file: &File) -> io::Result<(u64, u64)> {
    let mut checksum = Xxh3::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = TABLE_AT as u64;
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Ok((checksum.digest(), at)),
            Ok(count) => {
                checksum.update(&buffer[..count]);
                at += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
