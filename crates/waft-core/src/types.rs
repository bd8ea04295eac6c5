//! WebAssembly's types.
//!
//! Source: WebAssembly Core Specification 3.0, section 2.3.

use crate::gc::StructLayout;
use alloc::boxed::Box;
use core::fmt;
use core::hash::{Hash, Hasher};

/// What sort of type a type section defines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CompositeKind {
    /// A function type.
    Func,
    /// A structure type.
    Struct,
    /// An array type.
    Array,
}

/// A type that a type section defines, by its number, with its kind so that nobody has to look that up.
///
/// In a [`Shape`](crate::module::Shape) the number is an index of the module's type section, in canonical types it is
/// the engine's number for the type. [`SubType::map_types`] leads from one to the other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConcreteType {
    /// Its kind.
    pub kind: CompositeKind,
    /// Its number.
    pub index: u32,
}

/// What a reference may refer to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum HeapType {
    /// Any function.
    Func,
    /// No function: the type of null alone.
    NoFunc,
    /// Any host value.
    Extern,
    /// No host value.
    NoExtern,
    /// Anything that guests can make: structures, arrays, small integers, and host values made internal.
    Any,
    /// Anything that can be compared.
    Eq,
    /// An integer of 31 bits.
    I31,
    /// Any structure.
    Struct,
    /// Any array.
    Array,
    /// Nothing of `any`.
    None,
    /// Any exception.
    Exn,
    /// No exception.
    NoExn,
    /// A type of a type section.
    Concrete(ConcreteType),
}

/// The four families of references; no value is in two of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TopType {
    /// Functions.
    Func,
    /// Host values.
    Extern,
    /// What guests make.
    Any,
    /// Exceptions.
    Exn,
}

impl HeapType {
    /// The family that it belongs to.
    pub const fn top(self) -> TopType {
        match self {
            Self::Func | Self::NoFunc => TopType::Func,
            Self::Extern | Self::NoExtern => TopType::Extern,
            Self::Exn | Self::NoExn => TopType::Exn,
            Self::Any | Self::Eq | Self::I31 | Self::Struct | Self::Array | Self::None => TopType::Any,
            Self::Concrete(ty) => match ty.kind {
                CompositeKind::Func => TopType::Func,
                CompositeKind::Struct | CompositeKind::Array => TopType::Any,
            },
        }
    }

    /// Whether it is a subtype of `other`, where `concrete` tells that of two types of type sections.
    ///
    /// Source: Core Specification 3.0, section 3.3.3 (matching of heap types).
    pub fn is_subtype(self, other: Self, concrete: impl FnOnce(ConcreteType, ConcreteType) -> bool) -> bool {
        use HeapType as H;
        match (self, other) {
            (H::Concrete(sub), H::Concrete(sup)) => sub == sup || concrete(sub, sup),
            (sub, sup) if sub == sup => true,
            (H::NoFunc, sup) => sup.top() == TopType::Func,
            (H::NoExtern, sup) => sup.top() == TopType::Extern,
            (H::NoExn, sup) => sup.top() == TopType::Exn,
            (H::None, sup) => sup.top() == TopType::Any,
            (H::Eq | H::I31 | H::Struct | H::Array, H::Any) => true,
            (H::I31 | H::Struct | H::Array, H::Eq) => true,
            (H::Concrete(ty), sup) => match ty.kind {
                CompositeKind::Func => sup == H::Func,
                CompositeKind::Struct => matches!(sup, H::Struct | H::Eq | H::Any),
                CompositeKind::Array => matches!(sup, H::Array | H::Eq | H::Any),
            },
            _ => false,
        }
    }

    fn map_types(self, map: &mut impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        match self {
            Self::Concrete(ty) => Self::Concrete(map(ty)),
            other => other,
        }
    }
}

/// A reference type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RefType {
    nullable: bool,
    heap: HeapType,
}

impl RefType {
    /// `funcref`: a nullable reference to any function.
    pub const FUNCREF: Self = Self::new(true, HeapType::Func);
    /// `externref`: a nullable reference to a host value.
    pub const EXTERNREF: Self = Self::new(true, HeapType::Extern);
    /// `anyref`: a nullable reference to anything that guests make.
    pub const ANYREF: Self = Self::new(true, HeapType::Any);
    /// `exnref`: a nullable reference to an exception.
    pub const EXNREF: Self = Self::new(true, HeapType::Exn);

    /// A reference to `heap`, which may be null if `nullable`.
    pub const fn new(nullable: bool, heap: HeapType) -> Self {
        Self { nullable, heap }
    }
    /// Whether null is one of its values.
    pub const fn is_nullable(self) -> bool {
        self.nullable
    }
    /// What it refers to.
    pub const fn heap_type(self) -> HeapType {
        self.heap
    }
    /// Whether it refers to functions: such references are pointers, all others are references into the GC heap.
    pub const fn is_func(self) -> bool {
        matches!(self.heap.top(), TopType::Func)
    }
    /// The same type with the numbers of types replaced.
    #[must_use]
    pub fn map_types(self, map: &mut impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        Self::new(self.nullable, self.heap.map_types(map))
    }
    /// Whether it is a subtype of `other`, where `concrete` tells that of two types of type sections.
    pub fn is_subtype(self, other: Self, concrete: impl FnOnce(ConcreteType, ConcreteType) -> bool) -> bool {
        (other.nullable || !self.nullable) && self.heap.is_subtype(other.heap, concrete)
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Func => "func",
            Self::NoFunc => "nofunc",
            Self::Extern => "extern",
            Self::NoExtern => "noextern",
            Self::Any => "any",
            Self::Eq => "eq",
            Self::I31 => "i31",
            Self::Struct => "struct",
            Self::Array => "array",
            Self::None => "none",
            Self::Exn => "exn",
            Self::NoExn => "noexn",
            Self::Concrete(ty) => return write!(f, "{}", ty.index),
        })
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.nullable, self.heap) {
            (true, HeapType::None) => f.write_str("nullref"),
            (true, HeapType::NoFunc) => f.write_str("nullfuncref"),
            (true, HeapType::NoExtern) => f.write_str("nullexternref"),
            (true, HeapType::NoExn) => f.write_str("nullexnref"),
            (true, HeapType::Concrete(ty)) => write!(f, "(ref null {})", ty.index),
            (true, heap) => write!(f, "{heap}ref"),
            (false, heap) => write!(f, "(ref {heap})"),
        }
    }
}

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValType {
    /// A 32-bit integer.
    I32,
    /// A 64-bit integer.
    I64,
    /// An IEEE 754 single.
    F32,
    /// An IEEE 754 double.
    F64,
    /// 128 bits in lanes.
    V128,
    /// A reference.
    Ref(RefType),
}

impl ValType {
    /// `funcref`.
    pub const FUNCREF: Self = Self::Ref(RefType::FUNCREF);
    /// `externref`.
    pub const EXTERNREF: Self = Self::Ref(RefType::EXTERNREF);
    /// `anyref`.
    pub const ANYREF: Self = Self::Ref(RefType::ANYREF);
    /// `exnref`.
    pub const EXNREF: Self = Self::Ref(RefType::EXNREF);

    /// Whether it is `i32`.
    pub const fn is_i32(&self) -> bool {
        matches!(self, Self::I32)
    }
    /// Whether it is `i64`.
    pub const fn is_i64(&self) -> bool {
        matches!(self, Self::I64)
    }
    /// Whether it is `f32`.
    pub const fn is_f32(&self) -> bool {
        matches!(self, Self::F32)
    }
    /// Whether it is `f64`.
    pub const fn is_f64(&self) -> bool {
        matches!(self, Self::F64)
    }
    /// Whether it is `v128`.
    pub const fn is_v128(&self) -> bool {
        matches!(self, Self::V128)
    }
    /// Whether it is a reference type.
    pub const fn is_ref(&self) -> bool {
        matches!(self, Self::Ref(_))
    }
    /// The reference type, if it is one.
    pub const fn as_ref(&self) -> Option<RefType> {
        match self {
            Self::Ref(ty) => Some(*ty),
            _ => None,
        }
    }
    /// Whether its values are references into the GC heap: what collectors have to know of.
    pub const fn is_gc_ref(&self) -> bool {
        match self {
            Self::Ref(ty) => !ty.is_func(),
            _ => false,
        }
    }
    /// Whether it is a subtype of `other`, where `concrete` tells that of two types of type sections.
    pub fn is_subtype(self, other: Self, concrete: impl FnOnce(ConcreteType, ConcreteType) -> bool) -> bool {
        match (self, other) {
            (Self::Ref(sub), Self::Ref(sup)) => sub.is_subtype(sup, concrete),
            (sub, sup) => sub == sup,
        }
    }
    /// The same type with the numbers of types replaced.
    #[must_use]
    pub fn map_types(self, map: &mut impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        match self {
            Self::Ref(ty) => Self::Ref(ty.map_types(map)),
            other => other,
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32 => f.write_str("i32"),
            Self::I64 => f.write_str("i64"),
            Self::F32 => f.write_str("f32"),
            Self::F64 => f.write_str("f64"),
            Self::V128 => f.write_str("v128"),
            Self::Ref(ty) => ty.fmt(f),
        }
    }
}

/// A function's parameters and results.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FuncSig {
    params: Box<[ValType]>,
    results: Box<[ValType]>,
}

impl FuncSig {
    /// The signature that takes `params` and gives `results`.
    pub fn new(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Self {
        Self { params: params.into_iter().collect(), results: results.into_iter().collect() }
    }
    /// The types of the parameters.
    pub fn params(&self) -> &[ValType] {
        &self.params
    }
    /// The types of the results.
    pub fn results(&self) -> &[ValType] {
        &self.results
    }
    /// The same signature with the numbers of types replaced.
    #[must_use]
    pub fn map_types(&self, map: &mut impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        let params = self.params.iter().map(|ty| ty.map_types(map)).collect();
        let results = self.results.iter().map(|ty| ty.map_types(map)).collect();
        Self { params, results }
    }
}

impl Hash for FuncSig {
    /// PERF: eight types at a time. One by one, they would cost more than all else of looking for a signature.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut word = self.params.len() as u64;
        let mut bytes = 0;
        for ty in self.params.iter().chain(&self.results) {
            let code = match ty {
                ValType::I32 => 1,
                ValType::I64 => 2,
                ValType::F32 => 3,
                ValType::F64 => 4,
                ValType::V128 => 5,
                ValType::Ref(ty) => {
                    ty.hash(state);
                    6
                }
            };
            word = word.rotate_left(8) ^ code;
            bytes += 1;
            if bytes % 8 == 0 {
                state.write_u64(word);
            }
        }
        state.write_u64(word);
    }
}

/// What a field of a structure or an element of an array holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StorageTy {
    /// The low 8 bits of an `i32`.
    I8,
    /// The low 16 bits of an `i32`.
    I16,
    /// A value.
    Val(ValType),
}

impl StorageTy {
    /// The type of the value that is read and written.
    pub const fn unpacked(self) -> ValType {
        match self {
            Self::I8 | Self::I16 => ValType::I32,
            Self::Val(ty) => ty,
        }
    }
}

impl fmt::Display for StorageTy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I8 => f.write_str("i8"),
            Self::I16 => f.write_str("i16"),
            Self::Val(ty) => ty.fmt(f),
        }
    }
}

/// A field of a structure, or the elements of an array.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FieldTy {
    /// What it holds.
    pub storage: StorageTy,
    /// Whether it can be written.
    pub mutable: bool,
}

impl FieldTy {
    fn map_types(self, map: &mut impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        let storage = match self.storage {
            StorageTy::Val(ty) => StorageTy::Val(ty.map_types(map)),
            packed => packed,
        };
        Self { storage, mutable: self.mutable }
    }
}

impl fmt::Display for FieldTy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mutable { write!(f, "(mut {})", self.storage) } else { self.storage.fmt(f) }
    }
}

/// A type of structures.
#[derive(Clone, Debug)]
pub struct StructTy {
    fields: Box<[FieldTy]>,
    /// Kept, since each access asks for it, and it takes a look at all fields.
    layout: StructLayout,
}

impl StructTy {
    /// Structures of these fields.
    ///
    /// # Panics
    ///
    /// If one is as large as the guard, which takes more fields than validation allows.
    pub fn new(fields: Box<[FieldTy]>) -> Self {
        let layout = StructLayout::new(fields.iter().map(|field| field.storage.into()));
        Self { fields, layout }
    }
    /// The fields.
    pub fn fields(&self) -> &[FieldTy] {
        &self.fields
    }
    /// The fields, each with where it stands.
    pub fn fields_at(&self) -> impl DoubleEndedIterator<Item = (FieldTy, u32)> + '_ {
        self.fields.iter().copied().zip(self.layout.offsets().iter().copied())
    }
    /// Where all stands.
    pub fn layout(&self) -> &StructLayout {
        &self.layout
    }
    /// A field, and where it stands.
    pub fn field(&self, index: usize) -> Option<(FieldTy, u32)> {
        self.fields.get(index).copied().zip(self.layout.offsets().get(index).copied())
    }
}

impl PartialEq for StructTy {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for StructTy {}

impl Hash for StructTy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fields.hash(state);
    }
}

/// What a type of a type section is made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CompositeTy {
    /// A function.
    Func(FuncSig),
    /// A structure.
    Struct(Box<StructTy>),
    /// An array of these elements.
    Array(FieldTy),
}

impl CompositeTy {
    /// Its kind.
    pub const fn kind(&self) -> CompositeKind {
        match self {
            Self::Func(_) => CompositeKind::Func,
            Self::Struct(_) => CompositeKind::Struct,
            Self::Array(_) => CompositeKind::Array,
        }
    }
    /// The signature, if it is a function's.
    pub const fn as_func(&self) -> Option<&FuncSig> {
        if let Self::Func(sig) = self { Some(sig) } else { None }
    }
    /// The structure, if it is one's.
    pub fn as_struct(&self) -> Option<&StructTy> {
        if let Self::Struct(ty) = self { Some(ty) } else { None }
    }
    /// The elements, if it is an array's.
    pub const fn as_array(&self) -> Option<FieldTy> {
        if let Self::Array(element) = self { Some(*element) } else { None }
    }
}

impl From<StructTy> for CompositeTy {
    fn from(ty: StructTy) -> Self {
        Self::Struct(Box::new(ty))
    }
}

impl fmt::Display for CompositeTy {
    /// As in the text format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Func(sig) => sig.fmt(f),
            Self::Array(element) => write!(f, "(array {element})"),
            Self::Struct(ty) => {
                f.write_str("(struct")?;
                for field in ty.fields() {
                    write!(f, " (field {field})")?;
                }
                f.write_str(")")
            }
        }
    }
}

/// A type of a type section.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SubType {
    /// Whether no type may name it as its supertype.
    pub is_final: bool,
    /// The type that it declares itself a subtype of.
    pub supertype: Option<ConcreteType>,
    /// What it is made of.
    pub composite: CompositeTy,
}

impl SubType {
    /// A final type without a supertype: what every function type was before there was subtyping.
    pub const fn plain(composite: CompositeTy) -> Self {
        Self { is_final: true, supertype: None, composite }
    }

    /// The same type with the numbers of types replaced.
    #[must_use]
    pub fn map_types(&self, map: &mut impl FnMut(ConcreteType) -> ConcreteType) -> Self {
        let supertype = self.supertype.map(&mut *map);
        let composite = match &self.composite {
            CompositeTy::Func(sig) => CompositeTy::Func(sig.map_types(map)),
            CompositeTy::Struct(ty) => {
                let fields = ty.fields.iter().map(|field| field.map_types(map)).collect();
                StructTy { fields, layout: ty.layout.clone() }.into()
            }
            CompositeTy::Array(element) => CompositeTy::Array(element.map_types(map)),
        };
        Self { is_final: self.is_final, supertype, composite }
    }
}

impl fmt::Display for FuncSig {
    /// As in the text format: `(func (param i32 i32) (result i64))`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        for (word, types) in [("param", &self.params), ("result", &self.results)] {
            if types.is_empty() {
                continue;
            }
            write!(f, " ({word}")?;
            for ty in types.iter() {
                write!(f, " {ty}")?;
            }
            f.write_str(")")?;
        }
        f.write_str(")")
    }
}

/// How large something may be, in the unit of what it limits: pages or elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// The size at the start.
    pub min: u64,
    /// The size it may not outgrow, if one is declared.
    pub max: Option<u64>,
}

impl Limits {
    /// Whether something of size `actual_now`, declared with `self`, may be imported where `wanted` is declared.
    ///
    /// Source: Core Specification 2.0, section 3.2.7 (import subtyping of limits).
    pub fn fits(&self, actual_now: u64, wanted: &Self) -> bool {
        let max_fits = match (self.max, wanted.max) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => ours <= theirs,
        };
        actual_now >= wanted.min && max_fits
    }
}

/// What indices of a memory or a table are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IndexType {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

impl IndexType {
    /// Whether indices have 64 bits.
    pub const fn is_64(self) -> bool {
        matches!(self, Self::I64)
    }
    /// The value of an index, from the bits of a constant expression.
    pub const fn index(self, bits: u128) -> u64 {
        match self {
            Self::I32 => bits as u32 as u64,
            Self::I64 => bits as u64,
        }
    }
}

/// The type of a linear memory; limits are in its pages.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemoryTy {
    /// Pages at the start and at most.
    pub limits: Limits,
    /// What addresses are.
    pub index: IndexType,
    /// Whether several threads may use it at once.
    pub shared: bool,
    /// The logarithm of the bytes in a page: 16, or 0 with custom page sizes.
    pub page_bytes_log2: u8,
}

impl MemoryTy {
    /// What `page_bytes_log2` is if nothing else is said: pages of 64 KiB.
    pub const PAGE_BYTES_LOG2: u8 = 16;

    /// Bytes in a page.
    pub const fn page_bytes(&self) -> u64 {
        1 << self.page_bytes_log2
    }
    /// The most pages that may be declared: what addresses can reach.
    ///
    /// With pages of a byte, one page less: the size itself has to fit an index.
    pub const fn pages_max(&self) -> u64 {
        match (self.index, self.page_bytes_log2) {
            (IndexType::I32, 0) => u32::MAX as u64,
            (IndexType::I64, 0) => u64::MAX,
            (IndexType::I32, log2) => 1 << (32 - log2),
            (IndexType::I64, log2) => 1 << (64 - log2),
        }
    }
    /// The bytes of so many pages, or as many as 64 bits can say.
    pub const fn bytes(&self, pages: u64) -> u64 {
        pages.saturating_mul(self.page_bytes())
    }
    /// Whether every address that an index reaches is in the reservation, so that no access needs the length.
    pub const fn is_guarded(&self) -> bool {
        matches!(self.index, IndexType::I32) && self.page_bytes_log2 == Self::PAGE_BYTES_LOG2
    }
    /// Whether a memory of type `self`, with `pages_now` pages, may be imported where `wanted` is declared.
    pub fn fits(&self, pages_now: u64, wanted: &Self) -> bool {
        let kind = |ty: &Self| (ty.index, ty.shared, ty.page_bytes_log2);
        kind(self) == kind(wanted) && self.limits.fits(pages_now, &wanted.limits)
    }
}

/// The type of a table; limits are in elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TableTy {
    /// What each element is.
    pub element: RefType,
    /// Elements at the start and at most.
    pub limits: Limits,
    /// What indices are.
    pub index: IndexType,
}

impl TableTy {
    /// The most elements that may be declared: what indices can count.
    pub const fn elements_max(&self) -> u64 {
        match self.index {
            IndexType::I32 => u32::MAX as u64,
            IndexType::I64 => u64::MAX,
        }
    }
}

/// The type of a global variable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct GlobalTy {
    /// What it holds.
    pub content: ValType,
    /// Whether it can be written.
    pub mutable: bool,
}
