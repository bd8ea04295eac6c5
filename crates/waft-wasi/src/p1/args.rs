//! Arguments and environment.

use super::fail::Outcome;
use super::memory::{Word, check, slice_mut, store};
use crate::WasiCtx;

pub(crate) fn args_get(cx: &mut WasiCtx, mem: &mut [u8], argv: u32, argv_buf: u32) -> Outcome {
    write_strings(mem, &cx.args, argv, argv_buf)
}

pub(crate) fn args_sizes_get(cx: &mut WasiCtx, mem: &mut [u8], argc: u32, argv_buf_size: u32) -> Outcome {
    write_sizes(mem, &cx.args, argc, argv_buf_size)
}

pub(crate) fn environ_get(cx: &mut WasiCtx, mem: &mut [u8], environ: u32, environ_buf: u32) -> Outcome {
    write_strings(mem, &cx.env, environ, environ_buf)
}

pub(crate) fn environ_sizes_get(cx: &mut WasiCtx, mem: &mut [u8], count: u32, buf_size: u32) -> Outcome {
    write_sizes(mem, &cx.env, count, buf_size)
}

/// Writes the strings, each with a NUL, to `buf`, and where each begins to `pointers`.
fn write_strings(mem: &mut [u8], strings: &[Vec<u8>], pointers: u32, buf: u32) -> Outcome {
    let (mut pointer, mut at) = (pointers, buf);
    for string in strings {
        // What does not fit 32 bits does not fit the memory either, and is found out by the store.
        let bytes = slice_mut(mem, at, string.len() as u32 + 1)?;
        let (text, nul) = bytes.split_at_mut(string.len());
        text.copy_from_slice(string);
        nul.fill(0);
        store(mem, pointer, at)?;
        at = at.wrapping_add(string.len() as u32 + 1);
        pointer = pointer.wrapping_add(u32::BYTES);
    }
    Ok(())
}

fn write_sizes(mem: &mut [u8], strings: &[Vec<u8>], count: u32, bytes: u32) -> Outcome {
    check::<u32>(mem, bytes)?;
    store(mem, count, strings.len() as u32)?;
    store(mem, bytes, strings.iter().map(|string| string.len() as u32 + 1).sum::<u32>())
}
