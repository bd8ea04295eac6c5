//! The types that a type section defines: of functions, structures and arrays.

use super::Mutability;
use super::val::ValType;
use crate::engine::Engine;
use crate::type_registry::{RegisteredType, TypeRegistry};
use anyhow::{Result, ensure};
use std::fmt;
use std::sync::Arc;
use waft_core::types::{CompositeTy, FieldTy, FuncSig, StorageTy, StructTy, SubType};

/// Whether a type may have subtypes.
///
/// ```
/// use waft::*;
///
/// # fn main() -> Result<()> {
/// let engine = Engine::default();
/// let point = [FieldType::new(Mutability::Var, StorageType::ValType(ValType::I32))];
/// let open = StructType::with_finality_and_supertype(&engine, Finality::NonFinal, None, point.clone())?;
/// let sub = StructType::with_finality_and_supertype(&engine, Finality::Final, Some(&open), point)?;
/// assert!(sub.matches(&open) && !open.matches(&sub));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Finality {
    /// It has none.
    Final,
    /// It may.
    NonFinal,
}

/// What a field of a structure or an element of an array holds.
///
/// ```
/// use waft::*;
///
/// assert_eq!(StorageType::I8.unpack(), ValType::I32);
/// assert_eq!(StorageType::ValType(ValType::F64).unpack(), ValType::F64);
/// assert_eq!(StorageType::I16.to_string(), "i16");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum StorageType {
    /// The low 8 bits of an `i32`.
    I8,
    /// The low 16 bits of an `i32`.
    I16,
    /// A value.
    ValType(ValType),
}

impl StorageType {
    /// The type of the values that are read and written.
    pub fn unpack(&self) -> ValType {
        match self {
            Self::I8 | Self::I16 => ValType::I32,
            Self::ValType(ty) => ty.clone(),
        }
    }
}

impl From<ValType> for StorageType {
    fn from(ty: ValType) -> Self {
        Self::ValType(ty)
    }
}

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I8 => f.write_str("i8"),
            Self::I16 => f.write_str("i16"),
            Self::ValType(ty) => ty.fmt(f),
        }
    }
}

/// The type of a field of a structure, or of the elements of an array.
///
/// ```
/// use waft::*;
///
/// let ty = FieldType::new(Mutability::Var, StorageType::I8);
/// assert_eq!((ty.mutability(), ty.element_type()), (Mutability::Var, &StorageType::I8));
/// assert_eq!(ty.to_string(), "(mut i8)");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct FieldType {
    mutability: Mutability,
    element_type: StorageType,
}

impl FieldType {
    /// A field that holds `element_type`.
    pub fn new(mutability: Mutability, element_type: StorageType) -> Self {
        Self { mutability, element_type }
    }
    /// Whether it can be written.
    pub fn mutability(&self) -> Mutability {
        self.mutability
    }
    /// What it holds.
    pub fn element_type(&self) -> &StorageType {
        &self.element_type
    }

    fn canonical(&self, registry: &Arc<TypeRegistry>) -> FieldTy {
        let storage = match &self.element_type {
            StorageType::I8 => StorageTy::I8,
            StorageType::I16 => StorageTy::I16,
            StorageType::ValType(ty) => StorageTy::Val(ty.canonical(registry)),
        };
        FieldTy { storage, mutable: self.mutability == Mutability::Var }
    }

    fn from_canonical(registry: &Arc<TypeRegistry>, ty: FieldTy) -> Self {
        let element_type = match ty.storage {
            StorageTy::I8 => StorageType::I8,
            StorageTy::I16 => StorageType::I16,
            StorageTy::Val(ty) => StorageType::ValType(ValType::from_canonical(registry, ty)),
        };
        Self::new(if ty.mutable { Mutability::Var } else { Mutability::Const }, element_type)
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutability {
            Mutability::Var => write!(f, "(mut {})", self.element_type),
            Mutability::Const => self.element_type.fmt(f),
        }
    }
}

macro_rules! composites {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<RegisteredType>);

        impl $name {
            /// The type with this number, of its kind, which somebody claims.
            pub(crate) fn claimed(registry: &Arc<TypeRegistry>, id: u32) -> Self {
                Self(Arc::new(registry.claim(id)))
            }
            /// The claim on the type.
            pub(crate) fn registered(&self) -> &RegisteredType {
                &self.0
            }
            /// Whether it may have subtypes.
            pub fn finality(&self) -> Finality {
                if self.0.ty().is_final { Finality::Final } else { Finality::NonFinal }
            }
            /// The type that it declares itself a subtype of.
            pub fn supertype(&self) -> Option<Self> {
                self.0.ty().supertype.map(|ty| Self::claimed(self.0.registry(), ty.index))
            }
            /// Whether everything of this type is of type `other`.
            ///
            /// # Panics
            ///
            /// If the types belong to different engines.
            pub fn matches(&self, other: &Self) -> bool {
                assert!(self.0.is_of(other.0.registry()), "types of different engines: {self} and {other}");
                self.0.registry().is_subtype(self.0.id(), other.0.id())
            }
        }

        impl fmt::Display for $name {
            /// As in the text format; concrete types within are numbers, since types may refer to themselves.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.ty().composite.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

composites! {
    /// The type of a function.
    ///
    /// Equal types are equal, wherever they come from, in one engine.
    ///
    /// ```
    /// use waft::*;
    ///
    /// let engine = Engine::default();
    /// let ty = FuncType::new(&engine, [ValType::I32, ValType::F64], [ValType::I64]);
    /// assert_eq!(ty.to_string(), "(func (param i32 f64) (result i64))");
    /// assert_eq!((ty.params().len(), ty.results().len()), (2, 1));
    /// assert_eq!((ty.param(1), ty.param(2)), (Some(ValType::F64), None));
    /// assert_eq!(ty.result(0), Some(ValType::I64));
    /// assert_eq!(ty, FuncType::new(&engine, [ValType::I32, ValType::F64], [ValType::I64]));
    /// ```
    FuncType;
    /// The type of a structure.
    ///
    /// ```
    /// use waft::*;
    ///
    /// # fn main() -> Result<()> {
    /// let engine = Engine::default();
    /// let fields = [ValType::I32, ValType::ANYREF].map(|ty| FieldType::new(Mutability::Var, ty.into()));
    /// let ty = StructType::new(&engine, fields)?;
    /// assert_eq!(ty.to_string(), "(struct (field (mut i32)) (field (mut anyref)))");
    /// assert_eq!(ty.fields().len(), 2);
    /// assert_eq!(ty.field(0).unwrap().mutability(), Mutability::Var);
    /// # Ok(())
    /// # }
    /// ```
    StructType;
    /// The type of an array.
    ///
    /// ```
    /// use waft::*;
    ///
    /// let ty = ArrayType::new(&Engine::default(), FieldType::new(Mutability::Var, StorageType::I8));
    /// assert_eq!(ty.to_string(), "(array (mut i8))");
    /// assert_eq!(ty.element_type(), StorageType::I8);
    /// assert_eq!(ty.mutability(), Mutability::Var);
    /// ```
    ArrayType;
}

/// Registers a type of the host's.
///
/// # Errors
///
/// If it does not fit what it declares to be a subtype of.
fn define(
    engine: &Engine,
    finality: Finality,
    supertype: Option<&RegisteredType>,
    composite: CompositeTy,
) -> Result<Arc<RegisteredType>> {
    let registry = engine.types();
    if let Some(sup) = supertype {
        assert!(sup.is_of(registry), "a supertype of another engine: {}", sup.ty().composite);
        ensure!(!sup.ty().is_final, "the supertype is final: {}", sup.ty().composite);
        ensure!(
            is_structural_subtype(registry, &composite, &sup.ty().composite),
            "not a subtype: {composite} of {}",
            sup.ty().composite
        );
        ensure!(
            registry.depth(sup.id()) < waft_core::limits::SUBTYPING_DEPTH_MAX,
            "the type has more than {} supertypes",
            waft_core::limits::SUBTYPING_DEPTH_MAX
        );
    }
    let supertype = supertype.map(RegisteredType::concrete);
    let is_final = finality == Finality::Final;
    Ok(Arc::new(registry.register(SubType { is_final, supertype, composite })?))
}

/// Source: Core Specification 3.0, section 3.3.9 (matching of composite types).
fn is_structural_subtype(registry: &TypeRegistry, sub: &CompositeTy, sup: &CompositeTy) -> bool {
    let field = |sub: &FieldTy, sup: &FieldTy| match (sub.storage, sup.storage) {
        _ if sub.mutable != sup.mutable => false,
        (StorageTy::Val(a), StorageTy::Val(b)) if sub.mutable => a == b,
        (StorageTy::Val(a), StorageTy::Val(b)) => registry.val_is_subtype(a, b),
        (a, b) => a == b,
    };
    match (sub, sup) {
        (CompositeTy::Array(a), CompositeTy::Array(b)) => field(a, b),
        (CompositeTy::Struct(a), CompositeTy::Struct(b)) => {
            let (a, b) = (a.fields(), b.fields());
            a.len() >= b.len() && a.iter().zip(b).all(|(a, b)| field(a, b))
        }
        (CompositeTy::Func(a), CompositeTy::Func(b)) => {
            let all = |subs: &[_], sups: &[_]| {
                subs.len() == sups.len()
                    && subs.iter().zip(sups).all(|(sub, sup)| registry.val_is_subtype(*sub, *sup))
            };
            all(b.params(), a.params()) && all(a.results(), b.results())
        }
        _ => false,
    }
}

impl FuncType {
    /// The type of functions that take `params` and give `results`: final, without a supertype.
    ///
    /// # Panics
    ///
    /// If a type belongs to another engine, or the engine has no room for another type, of which it can have millions.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::default();
    /// let nothing = FuncType::new(&engine, [], []);
    /// let sum_of_four = FuncType::new(&engine, vec![ValType::I32; 4], [ValType::I32]);
    /// assert_eq!(sum_of_four.to_string(), "(func (param i32 i32 i32 i32) (result i32))");
    /// assert!(!nothing.matches(&sum_of_four));
    /// ```
    pub fn new(
        engine: &Engine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        Self::with_finality_and_supertype(engine, Finality::Final, None, params, results)
            .expect("a type without a supertype fits, and there is room for millions")
    }

    /// The same with a supertype, or as one that may have subtypes.
    ///
    /// # Errors
    ///
    /// If the supertype is final, or the type is not a subtype of it.
    ///
    /// # Panics
    ///
    /// If a type belongs to another engine.
    ///
    /// ```
    /// # use waft::*;
    /// let engine = Engine::default();
    /// let any = FuncType::with_finality_and_supertype(&engine, Finality::NonFinal, None, [], [ValType::ANYREF])?;
    /// let i31 = ValType::Ref(RefType::new(false, HeapType::I31));
    /// let sub = FuncType::with_finality_and_supertype(&engine, Finality::Final, Some(&any), [], [i31])?;
    /// assert!(sub.matches(&any) && sub.supertype() == Some(any));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn with_finality_and_supertype(
        engine: &Engine,
        finality: Finality,
        supertype: Option<&Self>,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<Self> {
        let registry = engine.types();
        let canonical = |ty: ValType| ty.canonical(registry);
        let sig = FuncSig::new(params.into_iter().map(canonical), results.into_iter().map(canonical));
        let supertype = supertype.map(Self::registered);
        Ok(Self(define(engine, finality, supertype, CompositeTy::Func(sig))?))
    }

    pub(crate) fn sig(&self) -> &FuncSig {
        self.0.sig()
    }
    fn val_type(&self, ty: waft_core::types::ValType) -> ValType {
        ValType::from_canonical(self.0.registry(), ty)
    }
    /// The types of the parameters.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.sig().params().iter().map(|ty| self.val_type(*ty))
    }
    /// The types of the results.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.sig().results().iter().map(|ty| self.val_type(*ty))
    }
    /// The type of parameter `i`.
    pub fn param(&self, i: usize) -> Option<ValType> {
        self.sig().params().get(i).map(|ty| self.val_type(*ty))
    }
    /// The type of result `i`.
    pub fn result(&self, i: usize) -> Option<ValType> {
        self.sig().results().get(i).map(|ty| self.val_type(*ty))
    }
}

impl StructType {
    /// The type of structures with these fields: final, without a supertype.
    ///
    /// # Errors
    ///
    /// If there are more than 10,000 fields.
    ///
    /// # Panics
    ///
    /// If a type belongs to another engine.
    pub fn new(engine: &Engine, fields: impl IntoIterator<Item = FieldType>) -> Result<Self> {
        Self::with_finality_and_supertype(engine, Finality::Final, None, fields)
    }

    /// The same with a supertype, or as one that may have subtypes.
    ///
    /// # Errors
    ///
    /// If there are more than 10,000 fields, the supertype is final, or the type is not a subtype of it.
    ///
    /// # Panics
    ///
    /// If a type belongs to another engine.
    pub fn with_finality_and_supertype(
        engine: &Engine,
        finality: Finality,
        supertype: Option<&Self>,
        fields: impl IntoIterator<Item = FieldType>,
    ) -> Result<Self> {
        let fields: Box<[FieldTy]> =
            fields.into_iter().map(|field| field.canonical(engine.types())).collect();
        ensure!(
            fields.len() <= waft_core::limits::STRUCT_FIELDS_MAX,
            "a structure of {} fields; the limit is {}",
            fields.len(),
            waft_core::limits::STRUCT_FIELDS_MAX
        );
        let supertype = supertype.map(Self::registered);
        Ok(Self(define(engine, finality, supertype, StructTy::new(fields).into())?))
    }

    pub(crate) fn field_tys(&self) -> &[FieldTy] {
        self.0.ty().composite.as_struct().expect("a type of structures").fields()
    }
    /// The types of the fields.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = FieldType> + '_ {
        self.field_tys().iter().map(|field| FieldType::from_canonical(self.0.registry(), *field))
    }
    /// The type of field `i`.
    pub fn field(&self, i: usize) -> Option<FieldType> {
        self.field_tys().get(i).map(|field| FieldType::from_canonical(self.0.registry(), *field))
    }
}

impl ArrayType {
    /// The type of arrays of these elements: final, without a supertype.
    ///
    /// # Panics
    ///
    /// If a type belongs to another engine.
    pub fn new(engine: &Engine, element: FieldType) -> Self {
        Self::with_finality_and_supertype(engine, Finality::Final, None, element)
            .expect("a type without a supertype fits, and there is room for millions")
    }

    /// The same with a supertype, or as one that may have subtypes.
    ///
    /// # Errors
    ///
    /// If the supertype is final, or the type is not a subtype of it.
    ///
    /// # Panics
    ///
    /// If a type belongs to another engine.
    pub fn with_finality_and_supertype(
        engine: &Engine,
        finality: Finality,
        supertype: Option<&Self>,
        element: FieldType,
    ) -> Result<Self> {
        let element = element.canonical(engine.types());
        let supertype = supertype.map(Self::registered);
        Ok(Self(define(engine, finality, supertype, CompositeTy::Array(element))?))
    }

    pub(crate) fn element_ty(&self) -> FieldTy {
        self.0.ty().composite.as_array().expect("a type of arrays")
    }
    /// The type of the elements, with their mutability.
    pub fn field_type(&self) -> FieldType {
        FieldType::from_canonical(self.0.registry(), self.element_ty())
    }
    /// What an element holds.
    pub fn element_type(&self) -> StorageType {
        self.field_type().element_type().clone()
    }
    /// Whether elements can be written.
    pub fn mutability(&self) -> Mutability {
        self.field_type().mutability()
    }
}
