//! Compiling all functions of a module, as the engine does.

use waft_core::layout::VmLayout;
use waft_core::module::{ModuleBodies, Shape, decode_validated};
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CompileError, CompileRequest, Linkage, Tunables};

/// Decodes and validates `module`, then hands `then` a request for each of its functions.
pub(crate) fn for_each_func<T>(
    module: &[u8],
    linkage: Linkage,
    mut then: impl FnMut(&CompileRequest<'_>) -> Result<T, CompileError>,
) -> Vec<T> {
    let shape = validated(module);
    let layout = VmLayout::new(&shape);
    let tunables = Tunables::default();
    let bodies = ModuleBodies::new(&shape, module);
    let compile = |func| {
        let request = CompileRequest::new(&shape, &layout, &tunables, linkage, func, &bodies);
        then(&request).unwrap_or_else(|error| panic!("{error}"))
    };
    shape.bodies.keys().map(compile).collect()
}

fn validated(module: &[u8]) -> Shape {
    decode_validated(module, ProposalSet::on_by_default()).unwrap_or_else(|error| panic!("{error}"))
}
