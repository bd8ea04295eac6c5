//! Golden listings: which machine code comes out of which operators.
//!
//! Each `tests/golden/baseline/x64/*.wat` stands beside the listing of its functions. `WAFT_BLESS=1` writes the listings
//! anew; read the difference before you keep it. What every function begins with is in the listing of `frame.wat` alone.

mod listing;

use listing::{Extent, list};
use std::fs;
use std::path::{Path, PathBuf};
use waft_baseline::Baseline;
use waft_core::layout::VmLayout;
use waft_core::module::{ModuleBodies, Shape, decode_validated};
use waft_core::proposal::ProposalSet;
use waft_core::tier::{CompileRequest, Linkage, Tier, Tunables};

#[test]
fn listings_are_as_they_were() {
    let bless = std::env::var_os("WAFT_BLESS").is_some();
    let sources = sources();
    assert!(!sources.is_empty(), "there are golden listings");
    let stale: Vec<_> = sources.iter().filter(|source| !is_as_it_was(source, bless)).collect();
    assert!(
        stale.is_empty(),
        "listings differ (run with WAFT_BLESS=1 and look at the difference): {stale:#?}"
    );
}

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/baseline/x64");
    let entries = fs::read_dir(&folder).expect("the folder of golden listings exists");
    let mut sources: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect();
    sources.sort();
    sources
}

fn is_as_it_was(source: &Path, bless: bool) -> bool {
    let listing_path = source.with_extension("txt");
    let listing = list_module(source);
    if bless {
        fs::write(&listing_path, &listing).expect("listings can be written");
    }
    let expected = fs::read_to_string(&listing_path).unwrap_or_default();
    if expected != listing {
        println!("{}:\n{listing}", source.display());
    }
    expected == listing
}

fn list_module(source: &Path) -> String {
    let module = wat::parse_file(source).expect("golden modules are well-formed");
    let shape = validated(&module);
    let (layout, tunables) = (VmLayout::new(&shape), Tunables::default());
    let counts = source.ends_with("count.wat");
    let extent = if source.ends_with("frame.wat") || counts { Extent::Whole } else { Extent::Body };
    let bodies = ModuleBodies::new(&shape, &module);
    let tier = Baseline::portable();
    let mut listing = String::new();
    for func in shape.bodies.keys() {
        let request = CompileRequest {
            counts,
            ..CompileRequest::new(&shape, &layout, &tunables, Linkage::Direct, func, &bodies)
        };
        let compiled = tier.compile(&request).unwrap_or_else(|error| panic!("{error}"));
        listing.push_str(&format!("func {}:\n{}\n", shape.func(func).as_u32(), list(&compiled, extent)));
    }
    listing
}

fn validated(module: &[u8]) -> Shape {
    decode_validated(module, ProposalSet::all()).unwrap_or_else(|error| panic!("{error}"))
}
