//! Nothing outside of the granted directory can be reached, and nothing granted read-only can be changed.

use super::guest::*;
use crate::Access::{ReadOnly, ReadWrite};
use crate::p1::Errno;

/// A granted directory `in` beside a secret `out`, and links in it that try to get there.
fn trap() -> Scratch {
    let scratch = Scratch::new();
    scratch.dir("in/sub").dir("out").write("out/secret", "secret").write("in/file", "mine");
    scratch.link("../out", "in/up").link("../out/secret", "in/up-secret").link("sub/../..", "in/sneaky");
    scratch.link("up", "in/chain").link("chain", "in/chain2").link("..", "in/sub/dotdot");
    scratch.link(scratch.at("out").to_str().unwrap(), "in/absolute");
    scratch.link(scratch.at("out/secret").to_str().unwrap(), "in/absolute-secret");
    scratch
}

fn guests(scratch: &Scratch, access: crate::Access) -> [Guest; 2] {
    [false, true].map(|walk| {
        Guest::build(|builder| {
            if walk {
                builder.resolve_without_openat2();
            }
            builder.preopened_dir(scratch.at("in"), "/", access).unwrap();
        })
    })
}

/// Every way out that a path can try.
const WAYS_OUT: [&str; 18] = [
    "../out/secret",
    "../in/file",
    "sub/../../out/secret",
    "sub/dotdot/../out/secret",
    "./../out/secret",
    "up/secret",
    "up-secret",
    "sneaky/out/secret",
    "chain/secret",
    "chain2/secret",
    "absolute/secret",
    "absolute-secret",
    "/etc/passwd",
    "//etc/passwd",
    "/",
    "..",
    "../",
    "up/",
];

#[test]
fn no_path_opens_anything_outside() {
    let scratch = trap();
    for mut guest in guests(&scratch, ReadWrite) {
        for path in WAYS_OUT {
            assert_eq!(guest.open(path), Err(Errno::Perm), "{path}");
            assert!(guest.create(path).is_err(), "{path}");
            assert_eq!(guest.stat(path, true).err(), Some(Errno::Perm), "{path}");
            assert_eq!(guest.set_times(path, true, (1, 1), 0b0101), Err(Errno::Perm), "{path}");
        }
    }
    assert_eq!(scratch.read("out/secret"), "secret");
}

#[test]
fn no_change_reaches_outside() {
    let scratch = trap();
    let dirs = [
        "../out",
        "sub/../../out",
        "up",
        "chain",
        "chain2",
        "sneaky/out",
        "absolute",
        "sub/dotdot/../out",
        "/tmp",
    ];
    for mut guest in guests(&scratch, ReadWrite) {
        for dir in dirs {
            let (secret, new) = (format!("{dir}/secret"), format!("{dir}/new"));
            assert_eq!(guest.unlink(&secret), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.mkdir(&new), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.rmdir(&secret), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.symlink("x", &new), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.readlink(&secret, 10), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.rename("file", &new), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.rename(&secret, "stolen"), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.link("file", &new), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.link(&secret, "stolen"), Err(Errno::Perm), "{dir}");
            assert_eq!(guest.stat(&secret, false).err(), Some(Errno::Perm), "{dir}");
        }
    }
    assert!(scratch.exists("out/secret") && !scratch.exists("out/new") && !scratch.exists("in/stolen"));
}

#[test]
fn a_slash_behind_a_link_does_not_lead_outside() {
    let scratch = trap();
    for mut guest in guests(&scratch, ReadWrite) {
        for link in ["up/", "absolute/", "chain2/", "up//", "absolute/."] {
            for answer in [
                guest.stat(link, false).map(drop),
                guest.stat(link, true).map(drop),
                guest.readlink(link, 10).map(drop),
                guest.set_times(link, false, (1, 1), 0b0101),
                guest.set_times(link, true, (1, 1), 0b0101),
                guest.link(link, "stolen"),
                guest.open_at(ROOT, false, link, 0, (ALL_TO_READ, ALL), 0).map(drop),
                guest.open_at(ROOT, false, link, DIRECTORY, (ALL_TO_READ, ALL), 0).map(drop),
            ] {
                assert_eq!(answer, Err(Errno::Perm), "{link}");
            }
            for answer in
                [guest.unlink(link), guest.rmdir(link), guest.mkdir(link), guest.rename(link, "stolen")]
            {
                assert!(answer.is_err(), "{link}");
            }
        }
        for path in ["..", "sub/../..", "../", "sub/dotdot/.."] {
            for answer in [
                guest.mkdir(path),
                guest.rmdir(path),
                guest.unlink(path),
                guest.rename(path, "stolen"),
                guest.rename("file", path),
                guest.link(path, "x"),
                guest.link("file", path),
                guest.symlink("x", path),
                guest.readlink(path, 9).map(drop),
                guest.stat(path, false).map(drop),
            ] {
                assert_eq!(answer, Err(Errno::Perm), "{path}");
            }
        }
    }
    assert!(scratch.exists("out/secret") && !scratch.exists("in/stolen"));
}

#[test]
fn the_links_of_proc_that_jump_are_not_followed() {
    let secret = Scratch::new();
    secret.write("secret", "secret");
    let held = std::fs::File::open(secret.path()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&held);
    for walk in [false, true] {
        let mut guest = Guest::build(|builder| {
            if walk {
                builder.resolve_without_openat2();
            }
            builder.preopened_dir("/proc/self", "/", ReadOnly).unwrap();
        });
        for path in
            [format!("fd/{number}/secret"), format!("fd/{number}"), "root/etc/passwd".into(), "cwd".into()]
        {
            let answer = guest.open(&path);
            assert!(matches!(answer, Err(Errno::Loop | Errno::Perm)), "{path}: {answer:?}");
        }
        assert!(guest.open("status").is_ok());
    }
}

#[test]
fn a_read_only_grant_can_be_read() {
    let scratch = trap();
    for mut guest in guests(&scratch, ReadOnly) {
        let file = guest.open("file").unwrap();
        assert_eq!(guest.read(file, 10).unwrap(), b"mine");
        assert_eq!(guest.stat("sub", true).unwrap().filetype, 3);
        let dir = guest.open("sub").unwrap();
        assert_eq!(dirents(&guest.readdir(dir, 0, 1000).unwrap()).len(), 3);
    }
}

#[test]
fn a_read_only_grant_is_changed_by_nothing() {
    let scratch = trap();
    let before = std::fs::metadata(scratch.at("in/file")).unwrap().modified().unwrap();
    for mut guest in guests(&scratch, ReadOnly) {
        let file = guest.open("file").unwrap();
        let sub = guest.open("sub").unwrap();
        let answers = [
            guest.create("new").map(drop),
            guest.create("file").map(drop),
            guest.open_at(ROOT, true, "file", TRUNC, (READ, ALL), 0).map(drop),
            guest.open_at(ROOT, true, "file", CREAT, (READ, ALL), 0).map(drop),
            guest.open_at(ROOT, true, "file", 0, (WRITE, ALL), 0).map(drop),
            guest.open_at(ROOT, true, "file", 0, (READ | WRITE, ALL), 1).map(drop),
            guest.open_at(sub, true, "new", CREAT, (READ | WRITE, ALL), 0).map(drop),
            guest.mkdir("new"),
            guest.rmdir("sub"),
            guest.unlink("file"),
            guest.symlink("x", "new"),
            guest.rename("file", "new"),
            guest.link("file", "new"),
            guest.set_times("file", true, (1, 1), 0b0101),
            super::super::stat::fd_filestat_set_times(&mut guest.cx, file, 1, 1, 0b0101).map_err(errno),
            super::super::stat::fd_filestat_set_times(&mut guest.cx, sub, 1, 1, 0b0101).map_err(errno),
        ];
        assert_eq!(answers, [Err(Errno::Perm); 16]);
        assert!(guest.write(file, "x").is_err());
        assert!(super::super::stat::fd_filestat_set_size(&mut guest.cx, file, 0).is_err());
        assert!(super::super::fd::fd_allocate(&mut guest.cx, file, 0, 100).is_err());
    }
    assert_eq!(scratch.read("in/file"), "mine");
    assert_eq!(std::fs::metadata(scratch.at("in/file")).unwrap().modified().unwrap(), before);
    assert!(!scratch.exists("in/new") && scratch.exists("in/sub"));
}

fn errno(fail: crate::p1::fail::Fail) -> Errno {
    answer::<()>(Err(fail)).unwrap_err()
}

#[test]
fn nothing_moves_between_grants_of_different_access() {
    let scratch = Scratch::new();
    scratch.dir("ro").dir("rw").write("ro/file", "keep").write("rw/file", "mine");
    for walk in [false, true] {
        let mut guest = Guest::build(|builder| {
            if walk {
                builder.resolve_without_openat2();
            }
            builder.preopened_dir(scratch.at("ro"), "/ro", ReadOnly).unwrap();
            builder.preopened_dir(scratch.at("rw"), "/rw", ReadWrite).unwrap();
        });
        let (ro, rw) = (3, 4);
        assert_eq!(guest.rename_at((ro, "file"), (rw, "new")), Err(Errno::Perm));
        assert_eq!(guest.rename_at((rw, "file"), (ro, "new")), Err(Errno::Perm));
        assert_eq!(guest.rename_at((rw, "file"), (ro, "file")), Err(Errno::Perm));
        // A second, writable name would make the file writable.
        assert_eq!(guest.link_at(false, (ro, "file"), (rw, "new")), Err(Errno::Perm));
        assert_eq!(guest.link_at(false, (rw, "file"), (ro, "new")), Err(Errno::Perm));
    }
    assert_eq!(scratch.read("ro/file"), "keep");
    assert!(!scratch.exists("ro/new") && !scratch.exists("rw/new"));
}

#[test]
fn renumbering_does_not_lend_the_access_of_another_grant() {
    let scratch = Scratch::new();
    scratch.dir("ro").dir("rw").write("ro/file", "keep");
    let mut guest = Guest::build(|builder| {
        builder.preopened_dir(scratch.at("ro"), "/ro", ReadOnly).unwrap();
        builder.preopened_dir(scratch.at("rw"), "/rw", ReadWrite).unwrap();
    });
    // The read-only directory now has the number of the writable one.
    guest.renumber(3, 4).unwrap();
    assert_eq!(guest.open_at(4, true, "file", TRUNC, (READ | WRITE, ALL), 0), Err(Errno::Perm));
    assert_eq!(guest.open_at(4, true, "new", CREAT, (READ | WRITE, ALL), 0), Err(Errno::Perm));
}
