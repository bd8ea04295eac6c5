//! Calls to the engine's library: see [`waft_core::libcall`].

use crate::translator::FuncTranslator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use waft_core::libcall::{GROW_FAILED, Libcall, LibcallType};

impl FuncTranslator<'_, '_> {
    /// The same for a call whose result is a reference or a number, not 0.
    pub(crate) fn libcall_value(&mut self, call: Libcall, args: &[Value]) -> Value {
        debug_assert_eq!(call.result(), Some(LibcallType::Ref));
        self.libcall(call, args).expect("the table of library calls gives it a result")
    }

    /// Calls `call` with the context and `args`; traps if it failed. The result, if it has one besides success.
    pub(crate) fn libcall(&mut self, call: Libcall, args: &[Value]) -> Option<Value> {
        let signature = self.libcall_signature(call);
        let table = self.libcalls();
        let code = self.load_constant(I64, table, call.table_offset());
        let mut all = Vec::with_capacity(args.len() + 1);
        all.push(self.vm.context);
        all.extend_from_slice(args);
        let inst = self.builder.ins().call_indirect(signature, code, &all);
        self.map_homed_refs(inst);
        let result = self.builder.inst_results(inst).first().copied();
        match (call.result(), result) {
            (Some(LibcallType::Ok), Some(ok)) => {
                self.trap_if_zero(ok, call.trap());
                None
            }
            (Some(LibcallType::I64), Some(size_before)) => {
                let failed = self.builder.ins().icmp_imm_s(IntCC::Equal, size_before, GROW_FAILED);
                self.trap_if_not_zero(failed, call.trap());
                Some(size_before)
            }
            (Some(LibcallType::Ref), Some(value)) => {
                self.trap_if_zero(value, call.trap());
                Some(value)
            }
            _ => result,
        }
    }

    /// The result of such a call, which has one besides success.
    pub(crate) fn libcall_result(&mut self, call: Libcall, args: &[Value]) -> Value {
        self.libcall(call, args).expect("the table of library calls gives it a result")
    }
}
