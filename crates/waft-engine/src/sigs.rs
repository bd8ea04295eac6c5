//! The engine's numbers for signatures: equal signatures have one number in all modules of an engine, so that
//! `call_indirect` compares two integers.
//!
//! # Invariants
//!
//! * A number means its signature as long as any [`RegisteredSig`] for it is alive, and is used again only after that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use waft_core::types::FuncSig;

/// All signatures in use by an engine's modules and host functions.
#[derive(Default)]
pub(crate) struct SigRegistry(Mutex<Table>);

#[derive(Default)]
struct Table {
    numbers: HashMap<Arc<FuncSig>, u32>,
    rows: Vec<Option<Row>>,
    free: Vec<u32>,
}

struct Row {
    sig: Arc<FuncSig>,
    users: usize,
}

/// One user's claim on the number of a signature.
pub(crate) struct RegisteredSig {
    registry: Arc<SigRegistry>,
    sig: Arc<FuncSig>,
    id: u32,
}

impl RegisteredSig {
    /// The number.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }
    /// Whether the number is one of `registry`.
    pub(crate) fn is_of(&self, registry: &Arc<SigRegistry>) -> bool {
        Arc::ptr_eq(&self.registry, registry)
    }
    /// The signature.
    pub(crate) fn sig(&self) -> &Arc<FuncSig> {
        &self.sig
    }
}

impl SigRegistry {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while the lock is held; were it otherwise, the table would still be whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims the number of `sig`.
    pub(crate) fn register(self: &Arc<Self>, sig: &FuncSig) -> RegisteredSig {
        let mut table = self.table();
        let known = table.numbers.get_key_value(sig).map(|(sig, id)| (sig.clone(), *id));
        let (sig, id) = known.unwrap_or_else(|| {
            let sig = Arc::new(sig.clone());
            let id = table.free.pop().unwrap_or_else(|| {
                table.rows.push(None);
                u32::try_from(table.rows.len() - 1).expect("fewer signatures than bytes of modules")
            });
            table.rows[id as usize] = Some(Row { sig: sig.clone(), users: 0 });
            table.numbers.insert(sig.clone(), id);
            (sig, id)
        });
        if let Some(row) = &mut table.rows[id as usize] {
            row.users += 1;
        }
        RegisteredSig { registry: self.clone(), sig, id }
    }

    /// The signature with number `id`, which somebody has claimed.
    pub(crate) fn get(&self, id: u32) -> Arc<FuncSig> {
        let table = self.table();
        table.rows[id as usize]
            .as_ref()
            .expect("a function claims its signature as long as it can be reached")
            .sig
            .clone()
    }
}

impl Drop for RegisteredSig {
    fn drop(&mut self) {
        let mut table = self.registry.table();
        let Some(row) = &mut table.rows[self.id as usize] else { return };
        row.users -= 1;
        if row.users == 0 {
            table.rows[self.id as usize] = None;
            table.numbers.remove(&self.sig);
            table.free.push(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waft_core::types::ValType::{I32, I64};

    #[test]
    fn equal_signatures_share_a_number_until_the_last_user_is_gone() {
        let registry = Arc::new(SigRegistry::default());
        let first = registry.register(&FuncSig::new([I32], []));
        let second = registry.register(&FuncSig::new([I32], []));
        let other = registry.register(&FuncSig::new([I64], []));
        assert_eq!(first.id(), second.id());
        assert_ne!(first.id(), other.id());
        let id = first.id();
        drop(first);
        assert_eq!(registry.get(id).params(), [I32]);
        drop(second);
        assert_eq!(registry.register(&FuncSig::new([], [I64])).id(), id);
    }
}
