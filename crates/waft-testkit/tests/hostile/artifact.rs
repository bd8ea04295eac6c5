//! Precompiled files that are not what they were.

use crate::EVERYTHING;
use waft::{Engine, Module};
use waft_testkit::prng::Prng;

#[test]
fn a_precompiled_module_that_was_altered_is_refused() {
    let engine = Engine::default();
    let code = Module::new(&engine, EVERYTHING).unwrap().serialize().unwrap();
    assert!(Module::is_precompiled(&code));
    let folder = std::env::temp_dir().join(format!("waft-hostile-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("module");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Module::from_trusted_file(&engine, &path)
    };
    load(&code).unwrap();
    let mut prng = Prng::new(3);
    for _ in 0..500 {
        let mut altered = code.clone();
        let at = prng.below(altered.len());
        altered[at] ^= 1 << prng.below(8);
        assert!(load(&altered).is_err(), "a bit of byte {at} was flipped");
        assert!(load(&code[..prng.below(code.len())]).is_err());
    }
    assert!(load(&[]).is_err());
    assert!(load(&[&code[..], b"more"].concat()).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
