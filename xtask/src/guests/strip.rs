//! Dropping custom sections (debug information, names) from a built guest.
//!
//! The C library is compiled once, with debug information; most guests do not want a megabyte of it.

use anyhow::{Result, bail, ensure};

/// The module without its custom sections.
///
/// # Errors
///
/// The bytes are not a sequence of sections.
pub(crate) fn without_custom_sections(module: &[u8]) -> Result<Vec<u8>> {
    ensure!(module.starts_with(b"\0asm\x01\0\0\0"), "not a WebAssembly module");
    let mut out = module[..8].to_vec();
    let mut at = 8;
    while at < module.len() {
        let start = at;
        let id = module[at];
        at += 1;
        let size = leb_u32(module, &mut at)?;
        let end = at + size as usize;
        ensure!(end <= module.len(), "section {id} at offset {start} runs past the end");
        if id != 0 {
            out.extend_from_slice(&module[start..end]);
        }
        at = end;
    }
    Ok(out)
}

fn leb_u32(bytes: &[u8], at: &mut usize) -> Result<u32> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let Some(&byte) = bytes.get(*at) else { bail!("a number is cut off at offset {at}") };
        *at += 1;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number before offset {at} is too long")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"\0asm\x01\0\0\0";

    #[test]
    fn custom_sections_go_and_the_others_stay() {
        let module = [HEAD, &[1, 2, 7, 7], &[0, 3, 1, b'n', 9], &[3, 1, 5]].concat();
        let want = [HEAD, &[1, 2, 7, 7], &[3, 1, 5]].concat();
        assert_eq!(without_custom_sections(&module).unwrap(), want);
    }

    #[test]
    fn a_section_past_the_end_is_refused() {
        assert!(without_custom_sections(&[HEAD, &[1, 9, 0]].concat()).is_err());
        assert!(without_custom_sections(b"\x7fELF").is_err());
    }
}
