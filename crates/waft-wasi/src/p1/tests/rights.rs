//! Rights: given up, inherited, never regained.

use super::guest::*;
use crate::Access::ReadWrite;
use crate::p1::{Errno, Rights, fd, stat};

fn guest() -> (Scratch, Guest) {
    let scratch = Scratch::new();
    scratch.write("file", "0123").dir("dir").write("dir/file", "4567");
    let guest = Guest::with_dir(&scratch, ReadWrite);
    (scratch, guest)
}

#[test]
fn a_granted_directory_reports_what_libraries_look_for() {
    let (_scratch, mut guest) = guest();
    let (filetype, flags, base, inheriting) = guest.fdstat(ROOT).unwrap();
    assert_eq!((filetype, flags), (3, 0));
    assert_eq!((base, inheriting), (Rights::PREOPEN.bits(), Rights::PREOPEN_INHERITING.bits()));
    assert!(guest.open_at(ROOT, false, ".", DIRECTORY, (base, inheriting), 0).is_ok());
    assert!(guest.open_at(ROOT, false, ".", 0, (0, 0), 0).is_ok());
}

#[test]
fn what_is_opened_has_what_was_asked_for_and_makes_sense() {
    let (_scratch, mut guest) = guest();
    let seek = Rights::FD_SEEK.bits();
    for (path, asked, base) in [
        ("file", READ, READ),
        ("file", READ | seek | Rights::PATH_OPEN.bits(), READ | seek),
        ("file", WRITE, WRITE),
        ("file", 0, 0),
        ("dir", READ | seek | Rights::FD_READDIR.bits(), READ | Rights::FD_READDIR.bits()),
    ] {
        let fd = guest.open_at(ROOT, true, path, 0, (asked, ALL), 0).unwrap();
        assert_eq!(guest.fdstat(fd).unwrap().2, base, "{path}");
    }
}

#[test]
fn rights_given_up_are_gone() {
    let (_scratch, mut guest) = guest();
    let fd = guest.create("file").unwrap();
    let (_, _, base, inheriting) = guest.fdstat(fd).unwrap();
    guest.set_rights(fd, base & !(READ | WRITE), 0).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().2, base & !(READ | WRITE));
    assert_eq!(guest.read(fd, 1), Err(Errno::Badf));
    assert_eq!(guest.write(fd, "x"), Err(Errno::Badf));
    assert_eq!(guest.set_rights(fd, base, 0), Err(Errno::Notcapable));
    assert_eq!(guest.set_rights(fd, 0, inheriting), Err(Errno::Notcapable));
    assert_eq!(guest.set_rights(fd, base & !(READ | WRITE), 0), Ok(()));
}

#[test]
fn every_operation_on_a_descriptor_needs_its_right() {
    let (_scratch, mut guest) = guest();
    let fd = guest.open_at(ROOT, true, "file", 0, (READ | WRITE, 0), 0).unwrap();
    assert_eq!(guest.read(fd, 1).unwrap(), b"0");
    let answers = [
        guest.seek(fd, 0, 0).map(drop),
        guest.tell(fd).map(drop),
        guest.pread(fd, 1, 0).map(drop),
        guest.pwrite(fd, "x", 0).map(drop),
        guest.fd_stat(fd).map(drop),
        guest.set_flags(fd, 1),
        answer(fd::fd_advise(&mut guest.cx, fd, 0, 0, 0)),
        answer(fd::fd_allocate(&mut guest.cx, fd, 0, 1)),
        answer(fd::fd_sync(&mut guest.cx, fd)),
        answer(fd::fd_datasync(&mut guest.cx, fd)),
        answer(stat::fd_filestat_set_size(&mut guest.cx, fd, 0)),
        answer(stat::fd_filestat_set_times(&mut guest.cx, fd, 0, 0, 0b1010)),
    ];
    assert_eq!(answers, [Err(Errno::Notcapable); 12]);
}

#[test]
fn every_operation_on_a_path_needs_its_right() {
    let (_scratch, mut guest) = guest();
    let (_, _, base, inheriting) = guest.fdstat(ROOT).unwrap();
    guest.set_rights(ROOT, 0, inheriting).unwrap();
    let answers = [
        guest.open("file").map(drop),
        guest.mkdir("new"),
        guest.rmdir("dir"),
        guest.unlink("file"),
        guest.rename("file", "new"),
        guest.link("file", "new"),
        guest.symlink("file", "new"),
        guest.readlink("file", 1).map(drop),
        guest.stat("file", true).map(drop),
        guest.set_times("file", true, (0, 0), 0b1010),
        guest.readdir(ROOT, 0, 100).map(drop),
        guest.fd_stat(ROOT).map(drop),
    ];
    assert_eq!(answers, [Err(Errno::Notcapable); 12]);
    assert_eq!(guest.set_rights(ROOT, base, inheriting), Err(Errno::Notcapable));
}

#[test]
fn telling_comes_with_seeking_and_the_other_way_round_only_in_place() {
    let (_scratch, mut guest) = guest();
    let fd = guest.open_at(ROOT, true, "file", 0, (READ | Rights::FD_SEEK.bits(), 0), 0).unwrap();
    assert_eq!(guest.tell(fd), Ok(0));
    let fd = guest.open_at(ROOT, true, "file", 0, (READ | Rights::FD_TELL.bits(), 0), 0).unwrap();
    assert_eq!((guest.tell(fd), guest.seek(fd, 0, 1)), (Ok(0), Ok(0)));
    assert_eq!(guest.seek(fd, 1, 1), Err(Errno::Notcapable));
    assert_eq!(guest.seek(fd, 0, 0), Err(Errno::Notcapable));
}

#[test]
fn what_a_directory_does_not_inherit_nothing_in_it_has() {
    let (_scratch, mut guest) = guest();
    let (_, _, base, _) = guest.fdstat(ROOT).unwrap();
    let dir = guest.open_at(ROOT, true, "dir", DIRECTORY, (base, READ), 0).unwrap();
    let fd = guest.open_at(dir, true, "file", 0, (READ | Rights::FD_SEEK.bits(), ALL), 0).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().2, READ);
    assert_eq!(guest.open_at(dir, true, "file", 0, (WRITE, 0), 0), Err(Errno::Notcapable));
}

#[test]
fn creating_and_truncating_need_their_rights() {
    let (scratch, mut guest) = guest();
    let (_, _, base, inheriting) = guest.fdstat(ROOT).unwrap();
    let without = Rights::PATH_CREATE_FILE | Rights::PATH_FILESTAT_SET_SIZE;
    guest.set_rights(ROOT, base & !without.bits(), inheriting).unwrap();
    for oflags in [CREAT, TRUNC, CREAT | TRUNC] {
        assert_eq!(guest.open_at(ROOT, true, "file", oflags, (WRITE, 0), 0), Err(Errno::Notcapable));
    }
    assert_eq!(guest.open_at(ROOT, true, "new", CREAT, (WRITE, 0), 0), Err(Errno::Notcapable));
    assert_eq!(scratch.read("file"), "0123");
    assert!(!scratch.exists("new"));
}

#[test]
fn a_stream_reports_little_but_can_be_waited_for() {
    let (_scratch, mut guest) = guest();
    assert_eq!(guest.fdstat(0).unwrap(), (0, 0, READ, READ));
    assert_eq!(guest.fdstat(1).unwrap(), (0, 0, WRITE, WRITE));
    assert_eq!(guest.fd_stat(1).unwrap().filetype, 0);
    assert_eq!(guest.set_rights(1, WRITE, WRITE), Ok(()));
    assert_eq!(guest.fd_stat(1).unwrap().filetype, 0);
    assert_eq!(guest.set_rights(1, 0, 0), Ok(()));
    assert_eq!(guest.write(1, "x"), Err(Errno::Badf));
}
