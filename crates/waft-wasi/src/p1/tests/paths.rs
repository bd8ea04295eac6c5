//! Names in directories: what POSIX says of each operation on each kind of thing, trailing slashes and dots included.

use super::guest::*;
use crate::Access::ReadWrite;
use crate::p1::Errno;

/// A tree with one of each kind: `dir/file`, `file`, and links to them, to nothing, and to themselves.
fn tree() -> Scratch {
    let scratch = Scratch::new();
    scratch.dir("dir/sub").write("dir/file", "in dir").write("file", "top");
    scratch.link("dir", "to-dir").link("file", "to-file").link("nothing", "dangling").link("loop", "loop");
    scratch
}

/// Runs `check` on a fresh tree for each row and each way to resolve paths.
fn check<R: std::fmt::Debug>(rows: &[R], check: impl Fn(&mut Guest, &Scratch, &R)) {
    for row in rows {
        for way in 0..2 {
            let scratch = tree();
            let [kernel, walk] = Guest::both_ways(&scratch, ReadWrite);
            let mut guest = if way == 0 { kernel } else { walk };
            check(&mut guest, &scratch, row);
        }
    }
}

#[test]
fn opening_says_what_posix_says() {
    let rows = [
        ("file", Ok("top")),
        ("./file", Ok("top")),
        ("dir/file", Ok("in dir")),
        ("dir//./file", Ok("in dir")),
        ("dir/sub/../file", Ok("in dir")),
        ("dir/../file", Ok("top")),
        ("to-dir/file", Ok("in dir")),
        ("to-dir/../file", Ok("top")),
        ("to-file", Ok("top")),
        ("file/", Err(Errno::Notdir)),
        ("file/.", Err(Errno::Notdir)),
        ("file/x", Err(Errno::Notdir)),
        ("to-file/", Err(Errno::Notdir)),
        ("nothing", Err(Errno::Noent)),
        ("nothing/x", Err(Errno::Noent)),
        ("dangling", Err(Errno::Noent)),
        ("dangling/", Err(Errno::Noent)),
        ("loop", Err(Errno::Loop)),
        ("loop/x", Err(Errno::Loop)),
        ("", Err(Errno::Noent)),
        ("file\0", Err(Errno::Inval)),
    ];
    check(&rows, |guest, _, (path, expected)| {
        let contents = guest.open(path).and_then(|fd| guest.read(fd, 100));
        assert_eq!(contents, expected.map(|text| text.as_bytes().to_vec()), "{path}");
    });
}

#[test]
fn a_directory_opens_with_or_without_slashes_and_dots() {
    check(
        &[".", "./", "dir", "dir/", "dir//", "dir/.", "dir/sub/..", "to-dir", "to-dir/"],
        |guest, _, path| {
            for oflags in [0, DIRECTORY] {
                let fd = guest.open_at(ROOT, true, path, oflags, (ALL_TO_READ, ALL), 0).unwrap();
                assert_eq!(guest.fdstat(fd).unwrap().0, 3, "{path}");
            }
        },
    );
}

#[test]
fn a_last_link_is_not_followed_unless_asked() {
    let rows = [
        ("to-file", 0, Errno::Loop),
        ("to-dir", 0, Errno::Loop),
        ("dangling", 0, Errno::Loop),
        ("loop", 0, Errno::Loop),
        ("to-dir", DIRECTORY, Errno::Notdir),
        ("to-file", DIRECTORY, Errno::Notdir),
        ("dangling", CREAT | EXCL, Errno::Exist),
    ];
    check(&rows, |guest, _, (path, oflags, errno)| {
        assert_eq!(guest.open_at(ROOT, false, path, *oflags, (ALL_TO_READ, ALL), 0), Err(*errno), "{path}");
    });
}

#[test]
fn a_link_with_a_slash_is_the_directory_behind_it() {
    check(&["to-dir/", "to-dir/."], |guest, _, path| {
        let fd = guest.open_at(ROOT, false, path, 0, (ALL_TO_READ, ALL), 0).unwrap();
        assert_eq!(guest.fdstat(fd).unwrap().0, 3, "{path}");
        assert_eq!(guest.stat(path, false).unwrap().filetype, 3, "{path}");
    });
}

#[test]
fn opening_a_file_as_a_directory_fails() {
    check(&["file", "to-file", "file/"], |guest, _, path| {
        assert_eq!(
            guest.open_at(ROOT, true, path, DIRECTORY, (ALL_TO_READ, ALL), 0),
            Err(Errno::Notdir),
            "{path}"
        );
    });
}

#[test]
fn a_directory_cannot_be_opened_for_writing() {
    check(&["dir", "dir/", "to-dir", "."], |guest, _, path| {
        for oflags in [0, DIRECTORY, TRUNC, CREAT] {
            assert_eq!(
                guest.open_at(ROOT, true, path, oflags, (READ | WRITE, ALL), 0),
                Err(Errno::Isdir),
                "{path}"
            );
        }
    });
}

#[test]
fn creating_says_what_posix_says() {
    let rows = [
        ("new", CREAT, Ok("new")),
        ("dir/new", CREAT, Ok("dir/new")),
        ("to-dir/new", CREAT, Ok("dir/new")),
        ("dangling", CREAT, Ok("nothing")),
        ("file", CREAT, Ok("file")),
        ("new", CREAT | EXCL, Ok("new")),
        ("file", CREAT | EXCL, Err(Errno::Exist)),
        ("to-file", CREAT | EXCL, Err(Errno::Exist)),
        ("dangling", CREAT | EXCL, Err(Errno::Exist)),
        ("new/", CREAT, Err(Errno::Isdir)),
        ("nothing/new", CREAT, Err(Errno::Noent)),
        ("file/new", CREAT, Err(Errno::Notdir)),
        ("new", CREAT | DIRECTORY, Err(Errno::Inval)),
        ("dir", TRUNC | DIRECTORY, Err(Errno::Inval)),
        ("dir", EXCL | DIRECTORY, Err(Errno::Inval)),
    ];
    check(&rows, |guest, scratch, (path, oflags, expected)| {
        let opened = guest.open_at(ROOT, true, path, *oflags, (READ | WRITE, ALL), 0);
        assert_eq!(opened.err(), expected.err(), "{path}");
        if let Ok(made) = expected {
            assert!(scratch.at(made).is_file(), "{path}");
        }
    });
}

#[test]
fn making_a_directory_says_what_posix_says() {
    let rows = [
        ("new", Ok(())),
        ("new/", Ok(())),
        ("new//", Ok(())),
        ("dir/new", Ok(())),
        ("dir", Err(Errno::Exist)),
        ("dir/", Err(Errno::Exist)),
        ("file", Err(Errno::Exist)),
        ("dangling", Err(Errno::Exist)),
        ("dangling/", Err(Errno::Exist)),
        (".", Err(Errno::Exist)),
        ("..", Err(Errno::Perm)),
        ("dir/..", Err(Errno::Exist)),
        ("nothing/new", Err(Errno::Noent)),
        ("file/new", Err(Errno::Notdir)),
        ("", Err(Errno::Noent)),
    ];
    check(&rows, |guest, _, (path, expected)| assert_eq!(guest.mkdir(path), *expected, "{path}"));
}

#[test]
fn removing_a_directory_says_what_posix_says() {
    let rows = [
        ("dir/sub", Ok(())),
        ("dir/sub/", Ok(())),
        ("to-dir/sub", Ok(())),
        ("dir", Err(Errno::Notempty)),
        ("file", Err(Errno::Notdir)),
        ("file/", Err(Errno::Notdir)),
        ("to-dir", Err(Errno::Notdir)),
        ("to-dir/", Err(Errno::Notdir)),
        ("nothing", Err(Errno::Noent)),
        (".", Err(Errno::Inval)),
        ("dir/sub/.", Err(Errno::Inval)),
        ("..", Err(Errno::Perm)),
        ("dir/sub/..", Err(Errno::Notempty)),
    ];
    check(&rows, |guest, _, (path, expected)| assert_eq!(guest.rmdir(path), *expected, "{path}"));
}

#[test]
fn unlinking_says_what_posix_says() {
    let rows = [
        ("file", Ok(())),
        ("dir/file", Ok(())),
        ("to-dir/file", Ok(())),
        ("to-dir", Ok(())),
        ("to-file", Ok(())),
        ("dangling", Ok(())),
        ("loop", Ok(())),
        ("dir", Err(Errno::Isdir)),
        ("dir/", Err(Errno::Isdir)),
        (".", Err(Errno::Isdir)),
        ("..", Err(Errno::Perm)),
        ("dir/..", Err(Errno::Isdir)),
        ("file/", Err(Errno::Notdir)),
        ("to-dir/", Err(Errno::Notdir)),
        ("nothing", Err(Errno::Noent)),
        ("nothing/", Err(Errno::Noent)),
    ];
    check(&rows, |guest, scratch, (path, expected)| {
        assert_eq!(guest.unlink(path), *expected, "{path}");
        assert_eq!(
            scratch.exists(path.trim_end_matches('/')),
            expected.is_err() && !path.contains("nothing"),
            "{path}"
        );
        assert!(scratch.exists("dir/sub"), "{path}");
    });
}

#[test]
fn renaming_says_what_posix_says() {
    let rows = [
        ("file", "new", Ok(())),
        ("file", "dir/new", Ok(())),
        ("file", "dir/file", Ok(())),
        ("file", "to-file", Ok(())),
        ("dir/sub", "new", Ok(())),
        ("dir/sub/", "new", Ok(())),
        ("dir/sub", "new/", Ok(())),
        ("to-dir", "new", Ok(())),
        ("file", "new/", Err(Errno::Notdir)),
        ("file/", "new", Err(Errno::Notdir)),
        ("to-dir/", "new", Err(Errno::Notdir)),
        ("file", "dir", Err(Errno::Isdir)),
        ("dir", "file", Err(Errno::Notdir)),
        ("dir", "dir/sub", Err(Errno::Inval)),
        ("nothing", "new", Err(Errno::Noent)),
        (".", "new", Err(Errno::Busy)),
        ("dir/..", "new", Err(Errno::Busy)),
        ("..", "new", Err(Errno::Perm)),
        ("file", "..", Err(Errno::Perm)),
        ("nothing", "../x", Err(Errno::Perm)),
        ("file", "", Err(Errno::Noent)),
    ];
    check(&rows, |guest, _, (old, new, expected)| {
        assert_eq!(guest.rename(old, new), *expected, "{old} {new}")
    });
}

#[test]
fn a_directory_replaces_an_empty_one_and_no_other() {
    check(&[()], |guest, scratch, ()| {
        scratch.dir("empty");
        assert_eq!(guest.rename("dir/sub", "empty"), Ok(()));
        assert_eq!(guest.rename("empty", "dir"), Err(Errno::Notempty));
    });
}

#[test]
fn linking_says_what_posix_says() {
    let rows = [
        ("file", "new", Ok(())),
        ("file", "dir/new", Ok(())),
        ("to-dir/file", "new", Ok(())),
        ("dangling", "new", Ok(())),
        ("loop", "new", Ok(())),
        ("file", "dir", Err(Errno::Exist)),
        ("file", "file", Err(Errno::Exist)),
        ("file", "dangling", Err(Errno::Exist)),
        ("file", "new/", Err(Errno::Noent)),
        ("file", "file/", Err(Errno::Notdir)),
        ("file", "to-file/", Err(Errno::Notdir)),
        ("file", "dir/", Err(Errno::Exist)),
        ("file", "dangling/", Err(Errno::Noent)),
        ("file/", "new", Err(Errno::Notdir)),
        ("to-file/", "new", Err(Errno::Notdir)),
        ("dir", "new", Err(Errno::Perm)),
        ("dir/", "new", Err(Errno::Perm)),
        ("to-dir/", "new", Err(Errno::Perm)),
        (".", "new", Err(Errno::Perm)),
        ("dir/..", "new", Err(Errno::Perm)),
        ("nothing", "new", Err(Errno::Noent)),
        ("nothing/", "new", Err(Errno::Noent)),
    ];
    check(&rows, |guest, _, (old, new, expected)| assert_eq!(guest.link(old, new), *expected, "{old} {new}"));
}

#[test]
fn a_link_is_linked_itself_and_following_is_refused() {
    check(&[()], |guest, scratch, ()| {
        assert_eq!(guest.link("to-file", "new"), Ok(()));
        assert!(scratch.at("new").is_symlink());
        assert_eq!(guest.link_at(true, (ROOT, "to-file"), (ROOT, "other")), Err(Errno::Inval));
    });
}

#[test]
fn making_a_link_says_what_posix_says() {
    let rows = [
        ("file", "new", Ok(())),
        ("../../outside", "new", Ok(())),
        ("file", "dir/new", Ok(())),
        ("file", "new/", Err(Errno::Noent)),
        ("file", "dir", Err(Errno::Exist)),
        ("file", "dir/", Err(Errno::Exist)),
        ("file", "file", Err(Errno::Exist)),
        ("file", "file/", Err(Errno::Notdir)),
        ("file", "dangling/", Err(Errno::Noent)),
        ("file", "..", Err(Errno::Perm)),
        ("/", "new", Err(Errno::Perm)),
        ("/etc/passwd", "new", Err(Errno::Perm)),
        ("", "new", Err(Errno::Noent)),
        ("a\0b", "new", Err(Errno::Inval)),
        ("file", "nothing/new", Err(Errno::Noent)),
    ];
    check(&rows, |guest, _, (text, path, expected)| {
        assert_eq!(guest.symlink(text, path), *expected, "{text} {path}")
    });
}

#[test]
fn reading_a_link_says_what_posix_says() {
    let rows = [
        ("to-dir", Ok("dir")),
        ("dangling", Ok("nothing")),
        ("loop", Ok("loop")),
        ("dir/../to-file", Ok("file")),
        ("file", Err(Errno::Inval)),
        ("dir", Err(Errno::Inval)),
        ("dir/", Err(Errno::Inval)),
        (".", Err(Errno::Inval)),
        ("to-dir/", Err(Errno::Inval)),
        ("to-file/", Err(Errno::Notdir)),
        ("nothing", Err(Errno::Noent)),
    ];
    check(&rows, |guest, _, (path, expected)| {
        assert_eq!(guest.readlink(path, 100), expected.map(|text| text.as_bytes().to_vec()), "{path}");
    });
}

#[test]
fn the_text_of_a_link_is_cut_off_at_the_end_of_the_buffer() {
    check(&[(0, ""), (3, "not"), (7, "nothing")], |guest, _, (len, text)| {
        assert_eq!(guest.readlink("dangling", *len).unwrap(), text.as_bytes());
    });
}

#[test]
fn attributes_are_those_of_the_link_or_of_what_it_leads_to() {
    let rows = [
        ("file", false, Ok(4)),
        ("file", true, Ok(4)),
        ("dir", false, Ok(3)),
        (".", false, Ok(3)),
        ("dir/..", false, Ok(3)),
        ("to-file", false, Ok(7)),
        ("to-file", true, Ok(4)),
        ("to-dir", true, Ok(3)),
        ("dangling", false, Ok(7)),
        ("dangling", true, Err(Errno::Noent)),
        ("loop", false, Ok(7)),
        ("loop", true, Err(Errno::Loop)),
        ("file/", false, Err(Errno::Notdir)),
        ("to-file/", false, Err(Errno::Notdir)),
        ("nothing", false, Err(Errno::Noent)),
        ("nothing/", false, Err(Errno::Noent)),
    ];
    check(&rows, |guest, _, (path, follow, expected)| {
        assert_eq!(guest.stat(path, *follow).map(|stat| stat.filetype), *expected, "{path} {follow}");
    });
}

#[test]
fn times_are_set_on_the_link_or_on_what_it_leads_to() {
    check(&[(true, "file"), (false, "to-file")], |guest, _, (follow, changed)| {
        let other = if *follow { "to-file" } else { "file" };
        let before = guest.stat(other, false).unwrap().modified;
        guest.set_times("to-file", *follow, (1_000_000_007, 2_000_000_009), 0b0101).unwrap();
        let stat = guest.stat(changed, false).unwrap();
        assert_eq!((stat.accessed, stat.modified), (1_000_000_007, 2_000_000_009));
        assert_eq!(guest.stat(other, false).unwrap().modified, before);
    });
}

#[test]
fn names_that_are_not_utf8_or_too_long_are_refused() {
    let long = "x".repeat(256);
    let longer = "x/".repeat(2500);
    let rows: [(&[u8], Errno); 3] = [
        (b"caf\xe9", Errno::Ilseq),
        (long.as_bytes(), Errno::Nametoolong),
        (longer.as_bytes(), Errno::Nametoolong),
    ];
    check(&rows, |guest, _, (path, errno)| {
        assert_eq!(guest.open(path), Err(*errno));
        assert_eq!(guest.mkdir(path), Err(*errno));
        assert_eq!(guest.stat(path, false).err(), Some(*errno));
    });
}

#[test]
fn a_path_beneath_what_is_no_directory_says_so() {
    check(&[()], |guest, _, ()| {
        let file = guest.open("file").unwrap();
        assert_eq!(guest.open_at(file, true, "x", 0, (ALL_TO_READ, ALL), 0), Err(Errno::Notdir));
        assert_eq!(guest.open_at(0, true, "x", 0, (ALL_TO_READ, ALL), 0), Err(Errno::Badf));
        assert_eq!(guest.open_at(99, true, "x", 0, (ALL_TO_READ, ALL), 0), Err(Errno::Badf));
    });
}
