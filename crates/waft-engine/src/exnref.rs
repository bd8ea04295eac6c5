//! `exnref`: exceptions as values.

use crate::engine::Engine;
use crate::rooted::{GcRef, Rooted, Sealed};
use crate::store::{AsContext, AsContextMut};
use crate::tag::Tag;
use crate::types::{FuncType, TagType, ValType};
use crate::val::Val;
use crate::vm::StoreOpaque;
use anyhow::{Context as _, Result, ensure};
use std::num::NonZeroU32;
use waft_core::gc::StructLayout;
use waft_core::types::{HeapType, StorageTy};

/// An exception. Handles of it are [`Rooted`].
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let ty = ExnType::new(&engine, [ValType::I32, ValType::F64]);
/// let tag = Tag::new(&mut store, ty.tag_type())?;
/// let pre = ExnRefPre::new(&mut store, ty);
/// let exception = ExnRef::new(&mut store, &pre, &tag, &[Val::I32(7), 0.5.into()])?;
/// assert!(Tag::eq(&exception.tag(&mut store)?, &tag, &store));
/// assert_eq!(exception.field(&mut store, 0)?.unwrap_i32(), 7);
/// assert_eq!(exception.fields(&mut store)?.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ExnRef(());

impl Sealed for ExnRef {}
impl GcRef for ExnRef {
    const HEAP: HeapType = HeapType::Exn;
}

/// The type of exceptions: what they hold.
///
/// ```
/// use waft::*;
///
/// let ty = ExnType::new(&Engine::default(), [ValType::I32]);
/// assert_eq!(ty.fields().collect::<Vec<_>>(), [ValType::I32]);
/// assert_eq!(ty.tag_type().to_string(), "(tag (param i32))");
/// assert_eq!(ExnType::from_tag_type(ty.tag_type().clone()), ty);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ExnType(TagType);

impl ExnType {
    /// The type of exceptions that hold values of these types.
    ///
    /// # Panics
    ///
    /// If one of them belongs to another engine.
    pub fn new(engine: &Engine, fields: impl IntoIterator<Item = ValType>) -> Self {
        Self(TagType::new(FuncType::new(engine, fields, [])))
    }
    /// The type of the exceptions that carry such a tag.
    pub fn from_tag_type(ty: TagType) -> Self {
        Self(ty)
    }
    /// The type of tags for such exceptions.
    pub fn tag_type(&self) -> &TagType {
        &self.0
    }
    /// The types of what they hold.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.0.ty().params()
    }
    /// The type of the value at `i`.
    pub fn field(&self, i: usize) -> Option<ValType> {
        self.0.ty().param(i)
    }
}

/// A type of exceptions that a store is about to make.
///
/// ```
/// use waft::*;
///
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let ty = ExnType::new(&engine, []);
/// let tag = Tag::new(&mut store, ty.tag_type())?;
/// let pre = ExnRefPre::new(&mut store, ty);
/// for _ in 0..3 {
///     ExnRef::new(&mut store, &pre, &tag, &[])?;
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExnRefPre(ExnType);

impl ExnRefPre {
    /// Prepares a store for exceptions of a type.
    ///
    /// # Panics
    ///
    /// If the type belongs to another engine.
    pub fn new(mut store: impl AsContextMut, ty: ExnType) -> Self {
        let opaque = &mut store.as_context_mut().0.opaque;
        let registered = ty.0.ty().registered();
        assert!(registered.is_of(opaque.engine().types()), "a type of another engine: {ty:?}");
        opaque.keep_type(registered.clone());
        Self(ty)
    }
}

impl ExnRef {
    /// An exception with a tag, which holds these values.
    ///
    /// # Errors
    ///
    /// If the values are not of the types that the tag wants, or belong to another store, or if the heap has no room.
    ///
    /// # Panics
    ///
    /// If the tag belongs to another store, or its type is not the one that was prepared.
    pub fn new(
        mut store: impl AsContextMut,
        pre: &ExnRefPre,
        tag: &Tag,
        fields: &[Val],
    ) -> Result<Rooted<Self>> {
        assert!(tag.ty(&store) == pre.0.0, "the tag is not one of the type of exceptions that was prepared");
        let opaque = &mut store.as_context_mut().0.opaque;
        let id = opaque.tag_type(tag.number());
        let ty = opaque.known_type(id);
        let types = ty.composite.as_func().context("the type of a tag is one of functions")?.params();
        ensure!(
            types.len() == fields.len(),
            "an exception of {} values expected, {} found",
            types.len(),
            fields.len()
        );
        let typed = fields.iter().zip(types).map(|(value, ty)| value.to_typed(opaque, *ty));
        let mut values = typed.collect::<Result<Vec<_>>>()?;
        let exception = opaque.exception_of(id, tag.number().get(), &mut values)?;
        Ok(Rooted::new(opaque, exception))
    }
}

impl Rooted<ExnRef> {
    /// The number of its tag, which the store has.
    fn tag_number(&self, opaque: &StoreOpaque) -> Result<NonZeroU32> {
        let number = NonZeroU32::new(opaque.exception_tag(self.reference(opaque)?)?);
        number.filter(|number| opaque.has_tag(*number)).context("corrupt GC heap: an exception without a tag")
    }

    /// Its tag.
    ///
    /// # Errors
    ///
    /// If it belongs to another store, or its scope was left; the same for the others.
    pub fn tag(&self, store: impl AsContext) -> Result<Tag> {
        let opaque = &store.as_context().0.opaque;
        Ok(Tag::new_handle(opaque.id(), self.tag_number(opaque)?))
    }

    /// Its type.
    ///
    /// # Errors
    ///
    /// As [`Self::tag`].
    pub fn ty(&self, store: impl AsContext) -> Result<ExnType> {
        Ok(ExnType(self.tag(&store)?.ty(&store)))
    }

    /// The value at `index` of what it holds.
    ///
    /// # Errors
    ///
    /// As [`Self::tag`], and if there is none.
    pub fn field(&self, mut store: impl AsContextMut, index: usize) -> Result<Val> {
        let opaque = &mut store.as_context_mut().0.opaque;
        let number = self.tag_number(opaque)?;
        let ty = opaque.known_type(opaque.tag_type(number));
        let types = ty.composite.as_func().context("the type of a tag is one of functions")?.params();
        let field = types
            .get(index)
            .with_context(|| format!("an exception of {} values has none at {index}", types.len()))?;
        let offset = StructLayout::of_exception(&types[..=index]).offsets()[index];
        let value = opaque.field_get(self.reference(opaque)?, offset, StorageTy::Val(*field))?;
        Ok(Val::from_raw(opaque, *field, value))
    }

    /// All that it holds.
    ///
    /// # Errors
    ///
    /// As [`Self::tag`].
    pub fn fields(&self, mut store: impl AsContextMut) -> Result<impl ExactSizeIterator<Item = Val>> {
        let count = self.ty(&store)?.fields().len();
        let fields = (0..count).map(|index| self.field(&mut store, index)).collect::<Result<Vec<_>>>()?;
        Ok(fields.into_iter())
    }
}
