//! The one place that wires Waft's tiers: which compilers are built in, and what each is for.
//!
//! It stands below the engine, because `Engine::new` has to be able to make a tier; the engine itself names none.

#![forbid(unsafe_code)]

use std::sync::Arc;
use waft_core::tier::Tier;
#[cfg(feature = "cranelift")]
pub use waft_cranelift::Inlining;

/// The tier whose code runs fastest.
///
/// # Errors
///
/// If it is not built in, or the processor lacks what it needs; the text says which.
pub fn optimized_tier() -> Result<Arc<dyn Tier>, String> {
    #[cfg(feature = "cranelift")]
    return Ok(Arc::new(waft_cranelift::Cranelift::new()?));
    #[cfg(not(feature = "cranelift"))]
    return Err("this build of Waft has no optimizing tier".to_owned());
}

/// That tier with a policy of its own for which calls it translates in place.
///
/// # Errors
///
/// If the processor lacks what the tier needs; the text says what.
#[cfg(feature = "cranelift")]
pub fn optimized_tier_inlining(inlining: Inlining) -> Result<Arc<dyn Tier>, String> {
    Ok(Arc::new(waft_cranelift::Cranelift::new()?.with_inlining(inlining)))
}

/// The tier that compiles fastest: a single pass, for x86-64.
///
/// # Errors
///
/// If it is not built in, or does not know the machine, or the processor lacks what it needs; the text says which.
pub fn baseline_tier() -> Result<Arc<dyn Tier>, String> {
    #[cfg(feature = "baseline")]
    return Ok(Arc::new(waft_baseline::Baseline::new()?));
    #[cfg(not(feature = "baseline"))]
    return Err("this build of Waft has no baseline tier".to_owned());
}
