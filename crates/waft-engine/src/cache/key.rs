//! The secret of a cache's directory, by which modules are told apart fast.

use super::dir::CacheDir;
use crate::vm::{NH_KEY_BYTES, NhKey};
use anyhow::Result;

/// Random bytes that a directory has.
pub(crate) type Secret = [u8; 32];

/// What follows from the secret: one key for each use.
pub(crate) struct CacheKey {
    /// For pieces of modules.
    pub(super) pieces: NhKey,
    /// For what becomes of them.
    pub(super) modules: [u8; blake3::KEY_LEN],
}

impl CacheKey {
    /// The key of a directory, which gets one if it has none.
    ///
    /// # Errors
    ///
    /// If it has none, and cannot get one.
    pub(super) fn of(dir: &CacheDir) -> Result<Self> {
        Ok(Self::new(&dir.secret()?))
    }

    pub(crate) fn new(secret: &Secret) -> Self {
        let mut pieces = [0; NH_KEY_BYTES];
        blake3::Hasher::new_derive_key("waft code cache 2026-11-29 pieces of modules")
            .update(secret)
            .finalize_xof()
            .fill(&mut pieces);
        let modules = blake3::derive_key("waft code cache 2026-11-29 modules", secret);
        Self { pieces: NhKey::new(&pieces), modules }
    }
}
