//! Clocks.

use super::fail::Outcome;
use super::memory::store;
use super::types;
use crate::WasiCtx;

pub(crate) fn clock_res_get(_: &mut WasiCtx, mem: &mut [u8], id: u32, resolution: u32) -> Outcome {
    store(mem, resolution, types::clock(id)?.resolution_ns())
}

/// The precision that a guest asks for is a hint that it could do with less; full precision costs nothing.
pub(crate) fn clock_time_get(
    _: &mut WasiCtx,
    mem: &mut [u8],
    id: u32,
    _precision: u64,
    time: u32,
) -> Outcome {
    store(mem, time, types::clock(id)?.now_ns())
}
