//! `exnref`: exceptions as values.

use crate::rooted::{GcRef, Sealed};
use waft_core::types::HeapType;

/// An exception. Handles of it are [`Rooted`](crate::Rooted).
#[derive(Debug)]
pub struct ExnRef(());

impl Sealed for ExnRef {}
impl GcRef for ExnRef {
    const HEAP: HeapType = HeapType::Exn;
}
