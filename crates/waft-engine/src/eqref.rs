//! `eqref`: what guests make and can compare.

use crate::anyref::{AnyRef, I31};
use crate::rooted::{GcRef, Rooted, Sealed};
use crate::store::AsContextMut;
use waft_core::types::HeapType;

/// A guest's value that can be compared: a structure, an array or a small integer. Handles of it are [`Rooted`].
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let bytes = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
/// let pre = ArrayRefPre::new(&mut store, bytes);
/// let array = ArrayRef::new(&mut store, &pre, &Val::I32(0), 9)?;
/// let value: Rooted<EqRef> = array.to_eqref();
/// assert!(value.is_array(&store)? && !value.is_struct(&store)? && !value.is_i31(&store)?);
/// assert_eq!(value.unwrap_array(&store)?.len(&store)?, 9);
///
/// // Guests compare them by identity, and so does the host.
/// let equal = Func::wrap(&mut store, |mut caller: Caller<'_, ()>, a: Rooted<EqRef>, b: Rooted<EqRef>| {
///     Rooted::ref_eq(&mut caller, &a, &b).map(i32::from)
/// });
/// let equal = equal.typed::<(Rooted<EqRef>, Rooted<EqRef>), i32>(&store)?;
/// assert_eq!(equal.call(&mut store, (value, array.to_eqref()))?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EqRef(());

impl Sealed for EqRef {}
impl GcRef for EqRef {
    const HEAP: HeapType = HeapType::Eq;
}

impl EqRef {
    /// A small integer as a reference.
    ///
    /// ```
    /// # use waft::*;
    /// # let mut store = Store::new(&Engine::default(), ());
    /// let seven = EqRef::from_i31(&mut store, I31::wrapping_u32(7));
    /// assert_eq!(seven.unwrap_i31(&store)?.get_u32(), 7);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn from_i31(mut store: impl AsContextMut, value: I31) -> Rooted<Self> {
        Rooted::new(&mut store.as_context_mut().0.opaque, value.reference())
    }
}

impl Rooted<EqRef> {
    /// The same as any value of a guest.
    pub fn to_anyref(self) -> Rooted<AnyRef> {
        self.retyped()
    }
}

impl From<Rooted<EqRef>> for Rooted<AnyRef> {
    fn from(value: Rooted<EqRef>) -> Self {
        value.to_anyref()
    }
}
