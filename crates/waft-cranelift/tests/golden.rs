//! Golden listings: which machine code comes out of which operators.
//!
//! Each `tests/golden/cranelift/x64/*.wat` stands beside the listing of its functions. `WAFT_BLESS=1` writes the
//! listings anew; read the difference before you keep it.

mod common;

use common::for_each_func;
use std::fs;
use std::path::{Path, PathBuf};
use waft_core::tier::{CompileRequest, Entry, Linkage};
use waft_cranelift::{Cranelift, Inlining};
use wasmparser::{BinaryReader, FunctionBody, Operator};

#[test]
fn listings_are_as_they_were() {
    let bless = std::env::var_os("WAFT_BLESS").is_some();
    let mut sources = sources();
    sources.sort();
    assert!(!sources.is_empty(), "there are golden listings");
    let stale: Vec<_> = sources.iter().filter(|source| !is_as_it_was(source, bless)).collect();
    assert!(
        stale.is_empty(),
        "listings differ (run with WAFT_BLESS=1 and look at the difference): {stale:#?}"
    );
}

fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/cranelift/x64");
    let entries = fs::read_dir(&folder).expect("the folder of golden listings exists");
    entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wat"))
        .collect()
}

fn is_as_it_was(source: &Path, bless: bool) -> bool {
    let listing_path = source.with_extension("txt");
    let listing = listing(source);
    if bless {
        fs::write(&listing_path, &listing).expect("listings can be written");
    }
    let expected = fs::read_to_string(&listing_path).unwrap_or_default();
    if expected != listing {
        println!("{}:\n{listing}", source.display());
    }
    expected == listing
}

fn listing(source: &Path) -> String {
    let module = wat::parse_file(source).expect("golden modules are valid");
    // The others are about calls, or functions beside each other.
    let inlining = if source.ends_with("inline.wat") { Inlining::SMALL } else { Inlining::NONE };
    let tier = Cranelift::portable().expect("this is an x86-64 machine").with_inlining(inlining);
    let mut listing = String::new();
    let is_entered_at_a_loop = source.ends_with("arrival.wat");
    let disassemble = |request: &CompileRequest<'_>| {
        let entry = if is_entered_at_a_loop { last_loop(request) } else { Entry::Start };
        tier.disassemble(&CompileRequest { entry, ..*request })
    };
    for text in for_each_func(&module, Linkage::Direct, disassemble) {
        listing.push_str(&format!("func:\n{text}\n"));
    }
    listing
}

/// The entry at the loop that opens last.
fn last_loop(request: &CompileRequest<'_>) -> Entry {
    let body = FunctionBody::new(BinaryReader::new(request.body.bytes, 0));
    let operators = body.get_operators_reader().expect("golden modules are valid").into_iter_with_offsets();
    let loops = operators
        .map(|operator| operator.expect("golden modules are valid"))
        .filter(|(operator, _)| matches!(operator, Operator::Loop { .. }));
    Entry::Loop(loops.last().expect("a loop").1 as u32)
}
