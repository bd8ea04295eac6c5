//! Signatures and functions as Cranelift knows them: [`waft_core::convention`] in CLIF.

use crate::translator::{FuncTranslator, TranslateResult};
use cranelift_codegen::ir::types::{F32, F64, I8X16, I32, I64};
use cranelift_codegen::ir::{
    AbiParam, ArgumentPurpose, ExtFuncData, ExternalName, FuncRef, SigRef, Signature, Type, UserExternalName,
};
use cranelift_codegen::isa::CallConv;
use std::collections::HashMap;
use waft_core::convention::Results;
use waft_core::index::{FuncIndex, TypeIndex};
use waft_core::libcall::{Libcall, LibcallType};
use waft_core::types::{FuncSig, RefType, ValType};

/// The CLIF type of values of type `ty`.
pub(crate) fn clif_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => I32,
        ValType::I64 => I64,
        ValType::F32 => F32,
        ValType::F64 => F64,
        ValType::V128 => I8X16,
        ValType::Ref(ty) => ref_type(ty),
    }
}

/// The CLIF type of references: a pointer to a `VmFuncRef`, or a reference into the GC heap.
pub(crate) fn ref_type(ty: RefType) -> Type {
    if ty.is_func() { I64 } else { I32 }
}

/// The CLIF signature of guest functions of type `sig`.
pub(crate) fn guest_signature(sig: &FuncSig) -> Signature {
    let mut clif = Signature::new(CallConv::Tail);
    clif.params.push(AbiParam::special(I64, ArgumentPurpose::VMContext));
    match Results::of(sig.results()) {
        Results::Area => clif.params.push(AbiParam::new(I64)),
        Results::Registers => {
            clif.returns.extend(sig.results().iter().map(|ty| AbiParam::new(clif_type(*ty))));
        }
    }
    clif.params.extend(sig.params().iter().map(|ty| AbiParam::new(clif_type(*ty))));
    clif
}

fn libcall_signature(call: Libcall) -> Signature {
    let clif_type = |ty: LibcallType| match ty {
        LibcallType::I32 | LibcallType::Ok | LibcallType::Ref => I32,
        LibcallType::I64 => I64,
    };
    // Who catches what it throws finds no register as it was: of the C convention Cranelift does not know that.
    let convention = if call == Libcall::Throw { CallConv::Tail } else { CallConv::SystemV };
    let mut clif = Signature::new(convention);
    clif.params.push(AbiParam::new(I64));
    clif.params.extend(call.params().iter().map(|ty| AbiParam::new(clif_type(*ty))));
    clif.returns.extend(call.result().map(|ty| AbiParam::new(clif_type(ty))));
    clif
}

/// What one function declared to Cranelift so far.
#[derive(Default)]
pub(crate) struct Signatures {
    types: HashMap<TypeIndex, SigRef>,
    libcalls: HashMap<Libcall, SigRef>,
    funcs: HashMap<FuncIndex, FuncRef>,
}

impl FuncTranslator<'_, '_> {
    /// Waft's word for the type of a local, a block or `select`.
    pub(crate) fn val_type(&self, ty: wasmparser::ValType) -> TranslateResult<ValType> {
        self.shape.val_type(ty, 0).map_err(|error| error.to_string())
    }

    /// Waft's word for the type of a reference.
    pub(crate) fn ref_type(&self, ty: wasmparser::RefType) -> TranslateResult<RefType> {
        self.shape.ref_type(ty, 0).map_err(|error| error.to_string())
    }

    /// The signature of guest functions of type `ty`.
    pub(crate) fn type_signature(&mut self, ty: TypeIndex) -> SigRef {
        let sig = self.shape.sig(ty);
        let builder = &mut self.builder;
        *self.signatures.types.entry(ty).or_insert_with(|| builder.import_signature(guest_signature(sig)))
    }

    /// The signature of a library call.
    pub(crate) fn libcall_signature(&mut self, call: Libcall) -> SigRef {
        let builder = &mut self.builder;
        *self
            .signatures
            .libcalls
            .entry(call)
            .or_insert_with(|| builder.import_signature(libcall_signature(call)))
    }

    /// A function of this module, for a direct call.
    pub(crate) fn neighbour(&mut self, func: FuncIndex) -> FuncRef {
        if let Some(known) = self.signatures.funcs.get(&func) {
            return *known;
        }
        let signature = self.type_signature(self.shape.funcs[func].ty);
        let name = UserExternalName { namespace: 0, index: func.as_u32() };
        let name = ExternalName::user(self.builder.func.declare_imported_user_function(name));
        let data = ExtFuncData { name, signature, colocated: true, patchable: false };
        let declared = self.builder.import_function(data);
        self.signatures.funcs.insert(func, declared);
        declared
    }
}
