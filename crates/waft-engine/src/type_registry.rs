//! The engine's numbers for types: equal types have one number in all modules of an engine, so that `call_indirect`
//! compares two integers, and a cast reads one word of the type table.
//!
//! Types are equal when their groups are: the groups of a type section are registered whole, keyed by what they say with
//! references within the group made relative.
//!
//! # Invariants
//!
//! * **N1** A number means its type as long as anybody claims the type's group, and is used again only after that.
//! * **N2** A group claims the groups that its types refer to.
//! * **N3** The row of a type is in the table before its number leaves the lock.
//!
//! Source: Core Specification 3.0, section 3.1.4 (rolling and unrolling) and 3.3 (matching).

use crate::vm::{TypeTable, TypeTableWriter};
use anyhow::Result;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use waft_core::gc::StructLayout;
use waft_core::gc::row::RowShape;
use waft_core::module::Shape;
use waft_core::types::{CompositeTy, ConcreteType, FuncSig, RefType, SubType, ValType};

/// All types in use by an engine's modules, host functions and hosts.
pub(crate) struct TypeRegistry {
    table: Arc<TypeTable>,
    groups: Mutex<Groups>,
}

struct Groups {
    writer: TypeTableWriter,
    by_key: HashMap<Arc<[SubType]>, GroupId>,
    rows: Vec<Option<Group>>,
    free: Vec<GroupId>,
    members: HashMap<u32, Member, BuildHasherDefault<NumberHasher>>,
}

/// A hasher of the numbers of types, which the engine chooses: no guest makes many of them collide.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn write_u32(&mut self, number: u32) {
        // An odd number with bits all over (the golden ratio), whose product has its best bits on top.
        self.0 = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("numbers of types are 32 bits wide")
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

type GroupId = u32;

struct Group {
    key: Arc<[SubType]>,
    /// The numbers of its types, in order.
    types: Box<[u32]>,
    /// The groups that its types refer to, one claim each (N2).
    outer: Box<[GroupId]>,
    claims: usize,
}

struct Member {
    ty: Arc<SubType>,
    group: GroupId,
}

/// In a key, a reference to a type of the group itself: numbers of types are even.
const fn relative(at: u32) -> u32 {
    at << 1 | 1
}

impl TypeRegistry {
    /// A registry without types.
    ///
    /// # Errors
    ///
    /// If there is no address space for its table.
    pub(crate) fn new() -> Result<Self> {
        let (table, writer) = TypeTable::new()?;
        let groups = Groups {
            writer,
            by_key: HashMap::new(),
            rows: Vec::new(),
            free: Vec::new(),
            members: HashMap::default(),
        };
        Ok(Self { table, groups: Mutex::new(groups) })
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        // Nothing panics while the lock is held; were it otherwise, the tables would still be whole.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table of the types' rows.
    pub(crate) fn table(&self) -> &Arc<TypeTable> {
        &self.table
    }

    /// How many supertypes the type with the number `id` has.
    pub(crate) fn depth(&self, id: u32) -> u32 {
        self.table.rows().head(id).map_or(0, |head| head.depth)
    }

    /// Claims all types of a module, whose numbers in `shape` are those of its own type section.
    ///
    /// # Errors
    ///
    /// If the table of types is full.
    pub(crate) fn register_module(self: &Arc<Self>, shape: &Shape) -> Result<ModuleTypes> {
        let mut types = ModuleTypes::none(self);
        if shape.rec_groups.is_empty() {
            return Ok(types);
        }
        let mut groups = self.groups();
        types.ids.reserve(shape.types.len());
        for range in &shape.rec_groups {
            let Range { start, end } = *range;
            let ids = &types.ids;
            let number = |ty: ConcreteType| {
                let index =
                    if ty.index < start { ids[ty.index as usize] } else { relative(ty.index - start) };
                ConcreteType { index, ..ty }
            };
            let members = &shape.types.as_slice()[start as usize..end as usize];
            let key: Box<[SubType]> = members.iter().map(|ty| ty.map_types(&mut { number })).collect();
            let group = groups.claim(key)?;
            types.groups.push(group);
            types.ids.extend_from_slice(groups.types(group));
        }
        Ok(types)
    }

    /// Claims a type that stands in a group of its own, whose numbers of types are the engine's.
    ///
    /// # Errors
    ///
    /// If the table of types is full.
    pub(crate) fn register(self: &Arc<Self>, ty: SubType) -> Result<RegisteredType> {
        let mut groups = self.groups();
        let group = groups.claim([ty])?;
        let id = groups.types(group)[0];
        let ty = groups.members[&id].ty.clone();
        Ok(RegisteredType { registry: self.clone(), ty, group, id })
    }

    /// Claims the type with the number `id`, which somebody else claims already.
    pub(crate) fn claim(self: &Arc<Self>, id: u32) -> RegisteredType {
        let mut groups = self.groups();
        let member =
            groups.members.get(&id).expect("a type is claimed as long as anything of it can be reached");
        let (ty, group) = (member.ty.clone(), member.group);
        groups.claim_again(group);
        RegisteredType { registry: self.clone(), ty, group, id }
    }

    /// The type with the number `id`, which somebody claims.
    pub(crate) fn get(&self, id: u32) -> Arc<SubType> {
        self.find(id).expect("a type is claimed as long as anything of it can be reached")
    }

    /// The type with the number `id`, if there is one.
    pub(crate) fn find(&self, id: u32) -> Option<Arc<SubType>> {
        self.groups().members.get(&id).map(|member| member.ty.clone())
    }

    /// Whether the type `sub` is the type `sup` or declares itself, directly or not, a subtype of it. Takes no lock.
    pub(crate) fn is_subtype(&self, sub: u32, sup: u32) -> bool {
        let (rows, depth) = (self.table.rows(), self.depth(sup));
        sub == sup || (self.depth(sub) > depth && rows.word(sub, 4 * depth) == Some(sup))
    }

    /// Whether values of one canonical type are values of another.
    pub(crate) fn val_is_subtype(&self, sub: ValType, sup: ValType) -> bool {
        sub.is_subtype(sup, |sub, sup| self.is_subtype(sub.index, sup.index))
    }

    /// Whether references of one canonical type are references of another.
    pub(crate) fn ref_is_subtype(&self, sub: RefType, sup: RefType) -> bool {
        sub.is_subtype(sup, |sub, sup| self.is_subtype(sub.index, sup.index))
    }
}

impl Groups {
    fn types(&self, group: GroupId) -> &[u32] {
        self.rows[group as usize].as_ref().map_or(&[], |group| &group.types)
    }

    fn claim_again(&mut self, group: GroupId) {
        if let Some(group) = &mut self.rows[group as usize] {
            group.claims += 1;
        }
    }

    /// Claims the group with this key, which is made if it is new.
    fn claim(&mut self, key: impl AsRef<[SubType]> + Into<Arc<[SubType]>>) -> Result<GroupId> {
        if let Some(known) = self.by_key.get(key.as_ref()) {
            let known = *known;
            self.claim_again(known);
            return Ok(known);
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            u32::try_from(self.rows.len() - 1).expect("fewer groups than bytes of modules")
        });
        match self.make(key.into(), id) {
            Ok(group) => {
                self.by_key.insert(group.key.clone(), id);
                self.rows[id as usize] = Some(group);
                Ok(id)
            }
            Err(error) => {
                self.free.push(id);
                Err(error)
            }
        }
    }

    /// Gives the types of a group their rows and numbers.
    fn make(&mut self, key: Arc<[SubType]>, id: GroupId) -> Result<Group> {
        let mut types: Vec<u32> = Vec::with_capacity(key.len());
        let mut outer = Vec::new();
        for ty in key.iter() {
            let supertype = ty.supertype.map(|ty| match ty.index & 1 {
                1 => types[(ty.index >> 1) as usize],
                _ => ty.index,
            });
            match self.insert(&ty.composite, supertype) {
                Ok(number) => types.push(number),
                Err(error) => {
                    types.iter().for_each(|ty| self.writer.remove(*ty));
                    return Err(error);
                }
            }
        }
        for (ty, number) in key.iter().zip(&types) {
            let canonical = ty.map_types(&mut |ty| {
                if ty.index & 1 == 1 {
                    return ConcreteType { index: types[(ty.index >> 1) as usize], ..ty };
                }
                outer.push(self.members[&ty.index].group);
                ty
            });
            self.members.insert(*number, Member { ty: Arc::new(canonical), group: id });
        }
        outer.sort_unstable();
        outer.dedup();
        outer.iter().for_each(|group| self.claim_again(*group));
        Ok(Group { key, types: types.into(), outer: outer.into(), claims: 1 })
    }

    /// Puts a type into the table.
    fn insert(&mut self, ty: &CompositeTy, supertype: Option<u32>) -> Result<u32> {
        let mut supertypes = Vec::new();
        if let Some(id) = supertype {
            let rows = self.writer.table().rows();
            let depth = rows.head(id).map_or(0, |head| head.depth);
            supertypes.extend((0..=depth).filter_map(|at| rows.word(id, 4 * at)));
        }
        match ty {
            CompositeTy::Func(sig) => {
                let layout = StructLayout::of_exception(sig.params());
                self.writer.insert(RowShape::Func(&layout), &supertypes)
            }
            CompositeTy::Struct(ty) => self.writer.insert(RowShape::Struct(ty.layout()), &supertypes),
            CompositeTy::Array(element) => {
                self.writer.insert(RowShape::Array(element.storage.into()), &supertypes)
            }
        }
    }

    /// Gives up one claim on a group.
    fn release(&mut self, group: GroupId) {
        // What an unused group refers to may be unused in turn, and chains of them are as long as a module makes them.
        let mut unused: Vec<Group> = self.release_one(group).into_iter().collect();
        while let Some(group) = unused.pop() {
            unused.extend(group.outer.iter().filter_map(|group| self.release_one(*group)));
        }
    }

    /// Gives up one claim on a group; the group, if that was the last one.
    fn release_one(&mut self, id: GroupId) -> Option<Group> {
        let row = &mut self.rows[id as usize];
        let group = row.as_mut()?;
        group.claims -= 1;
        if group.claims > 0 {
            return None;
        }
        let group = row.take()?;
        self.by_key.remove(&group.key);
        for ty in &group.types {
            self.members.remove(ty);
            self.writer.remove(*ty);
        }
        self.free.push(id);
        Some(group)
    }
}

/// A module's claims on its types.
pub(crate) struct ModuleTypes {
    registry: Arc<TypeRegistry>,
    ids: Vec<u32>,
    groups: Vec<GroupId>,
}

impl ModuleTypes {
    /// The engine's number of each type of the module, in order.
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// The claims of a module without types.
    pub(crate) fn none(registry: &Arc<TypeRegistry>) -> Self {
        Self { registry: registry.clone(), ids: Vec::new(), groups: Vec::new() }
    }

    /// The canonical form of a type of the module.
    pub(crate) fn canonical(&self, ty: ConcreteType) -> ConcreteType {
        ConcreteType { index: self.ids[ty.index as usize], ..ty }
    }
}

impl Drop for ModuleTypes {
    fn drop(&mut self) {
        let mut groups = self.registry.groups();
        self.groups.iter().for_each(|group| groups.release(*group));
    }
}

/// One user's claim on a type.
pub(crate) struct RegisteredType {
    registry: Arc<TypeRegistry>,
    ty: Arc<SubType>,
    group: GroupId,
    id: u32,
}

impl RegisteredType {
    /// The engine's number of the type.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }
    /// The type, with the engine's numbers of types.
    pub(crate) fn ty(&self) -> &SubType {
        &self.ty
    }
    /// The signature.
    ///
    /// # Panics
    ///
    /// If it is not a type of functions.
    pub(crate) fn sig(&self) -> &FuncSig {
        self.ty.composite.as_func().expect("a type of functions")
    }
    /// The number with its kind.
    pub(crate) fn concrete(&self) -> ConcreteType {
        ConcreteType { kind: self.ty.composite.kind(), index: self.id }
    }
    /// Whose type it is.
    pub(crate) fn registry(&self) -> &Arc<TypeRegistry> {
        &self.registry
    }
    /// Whether the number is one of `registry`.
    pub(crate) fn is_of(&self, registry: &Arc<TypeRegistry>) -> bool {
        Arc::ptr_eq(&self.registry, registry)
    }
}

impl Clone for RegisteredType {
    fn clone(&self) -> Self {
        self.registry.groups().claim_again(self.group);
        Self { registry: self.registry.clone(), ty: self.ty.clone(), group: self.group, id: self.id }
    }
}

impl Drop for RegisteredType {
    fn drop(&mut self) {
        self.registry.groups().release(self.group);
    }
}

impl PartialEq for RegisteredType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.is_of(&other.registry)
    }
}

impl Eq for RegisteredType {}

impl std::hash::Hash for RegisteredType {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl std::fmt::Debug for RegisteredType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.ty.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waft_core::types::ValType::{I32, I64};

    fn func(params: &[ValType]) -> SubType {
        SubType::plain(CompositeTy::Func(FuncSig::new(params.iter().copied(), [])))
    }

    #[test]
    fn equal_types_share_a_number_until_the_last_user_is_gone() {
        let registry = Arc::new(TypeRegistry::new().unwrap());
        let first = registry.register(func(&[I32])).unwrap();
        let second = registry.register(func(&[I32])).unwrap();
        let other = registry.register(func(&[I64])).unwrap();
        assert_eq!(first, second);
        assert_ne!(first, other);
        let id = first.id();
        drop(first);
        assert_eq!(registry.get(id).composite.as_func().unwrap().params(), [I32]);
        drop(second);
        assert!(registry.find(id).is_none());
        drop(other);
        assert!(registry.groups().by_key.is_empty());
    }

    /// The numbers that the types of a module in text format get.
    fn types(registry: &Arc<TypeRegistry>, text: &str) -> ModuleTypes {
        let wasm = wat::parse_str(text).unwrap();
        let mut proposals = waft_core::proposal::ProposalSet::on_by_default();
        proposals.set(waft_core::proposal::Proposal::Gc, true);
        proposals.set(waft_core::proposal::Proposal::FunctionReferences, true);
        let shape = waft_core::module::decode(&wasm, proposals).unwrap().shape;
        registry.register_module(&shape).unwrap()
    }

    #[test]
    fn recursive_groups_are_equal_across_modules_wherever_they_stand() {
        let registry = Arc::new(TypeRegistry::new().unwrap());
        let list = "(rec (type $l (struct (field i32) (field (ref null $l)))))";
        let one = types(&registry, &format!("(module {list})"));
        let again = list.replace("$l", "$again");
        let text = format!("(module (type (func)) {list} (type (func (param i64))) {again})");
        let two = types(&registry, &text);
        assert_eq!(one.ids()[0], two.ids()[1]);
        assert_eq!(two.ids()[1], two.ids()[3]);
        let pair = "(rec (type $l (struct (field i32) (field (ref null $l)))) (type (func)))";
        let larger = types(&registry, &format!("(module {pair})"));
        assert_ne!(larger.ids()[0], one.ids()[0]);
    }

    #[test]
    fn groups_keep_what_they_refer_to() {
        let registry = Arc::new(TypeRegistry::new().unwrap());
        let module = types(
            &registry,
            "(module (type $a (sub (struct))) (type $b (sub $a (struct (field (ref $a))))))",
        );
        let (a, b) = (module.ids()[0], module.ids()[1]);
        assert!(registry.is_subtype(b, a) && !registry.is_subtype(a, b));
        let kept = registry.claim(b);
        drop(module);
        assert!(registry.groups().members.contains_key(&a));
        drop(kept);
        assert!(registry.groups().members.is_empty());
    }
}
