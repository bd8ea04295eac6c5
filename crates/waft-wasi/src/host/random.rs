//! Random bytes from the kernel.

use super::error::HostResult;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills a front part of `buf` with random bytes fit for keys, and says how long that part is: at least one byte, unless
/// `buf` is empty. A signal can make it short.
pub(crate) fn fill_random(buf: &mut [u8]) -> HostResult<usize> {
    Ok(getrandom(buf, GetRandomFlags::empty())?)
}
