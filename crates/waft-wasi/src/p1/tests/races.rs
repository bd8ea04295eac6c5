//! Somebody else changes the tree while we walk it.

use super::guest::*;
use crate::Access::ReadWrite;
use std::sync::atomic::{AtomicBool, Ordering};

/// Swaps a directory for a link to the outside, and back, while the guest looks for a way out through it.
#[test]
fn swapping_a_directory_for_a_link_lets_nothing_out() {
    for walk in [false, true] {
        let scratch = Scratch::new();
        scratch.dir("in/a").dir("out").write("out/secret", "secret").write("in/a/secret", "mine");
        scratch.link("../out", "in/b");
        let mut guest = Guest::build(|builder| {
            if walk {
                builder.resolve_without_openat2();
            }
            builder.preopened_dir(scratch.at("in"), "/", ReadWrite).unwrap();
        });
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (a, b, c) = (scratch.at("in/a"), scratch.at("in/b"), scratch.at("in/c"));
                while !stop.load(Ordering::Relaxed) {
                    for (from, to) in [(&a, &c), (&b, &a), (&c, &b)] {
                        std::fs::rename(from, to).unwrap();
                    }
                }
            });
            let mut found = 0;
            for _ in 0..2000 {
                if let Ok(fd) = guest.open("a/secret") {
                    found += 1;
                    assert_eq!(guest.read(fd, 10).unwrap(), b"mine");
                    guest.close(fd).unwrap();
                }
                if guest.stat("a/secret", false).is_ok_and(|stat| stat.size != 4) {
                    panic!("saw the attributes of the secret");
                }
                let _ = guest.mkdir("a/new");
                let _ = guest.rmdir("a/new");
                assert!(guest.unlink("a/missing").is_err());
            }
            stop.store(true, Ordering::Relaxed);
            assert!(found > 0, "the race was never won, so nothing was tested");
        });
        assert_eq!(scratch.read("out/secret"), "secret");
        assert!(!scratch.exists("out/new"));
    }
}

/// Moves a directory to another depth while the guest goes up from inside it.
#[test]
fn moving_a_directory_under_a_dot_dot_lets_nothing_out() {
    for walk in [false, true] {
        let scratch = Scratch::new();
        scratch.dir("in/x/y/z").write("secret", "secret").dir("other");
        let mut guest = Guest::build(|builder| {
            if walk {
                builder.resolve_without_openat2();
            }
            builder.preopened_dir(scratch.at("in"), "/", ReadWrite).unwrap();
        });
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (deep, shallow) = (scratch.at("in/x/y/z"), scratch.at("other/z"));
                while !stop.load(Ordering::Relaxed) {
                    std::fs::rename(&deep, &shallow).unwrap();
                    std::fs::rename(&shallow, &deep).unwrap();
                }
            });
            for _ in 0..2000 {
                assert!(guest.open("x/y/z/../../../../secret").is_err());
                assert!(guest.open("x/y/z/../../secret").is_err());
                assert!(guest.stat("x/y/z/../../secret", true).is_err());
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
