//! Open files and directories: positions, appending, sizes, times, listing.

use super::guest::*;
use crate::Access::ReadWrite;
use crate::p1::{Errno, fd, stat};

fn file(contents: &str) -> (Scratch, Guest, u32) {
    let scratch = Scratch::new();
    scratch.write("file", contents);
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    let fd = guest.create("file").unwrap();
    (scratch, guest, fd)
}

#[test]
fn reading_and_writing_move_the_position() {
    let (scratch, mut guest, fd) = file("0123456789");
    assert_eq!(guest.read(fd, 4).unwrap(), b"0123");
    assert_eq!(guest.write(fd, "ab"), Ok(2));
    assert_eq!(guest.tell(fd), Ok(6));
    assert_eq!(guest.read(fd, 100).unwrap(), b"6789");
    assert_eq!(guest.read(fd, 100).unwrap(), b"");
    assert_eq!(scratch.read("file"), "0123ab6789");
}

#[test]
fn reading_and_writing_at_an_offset_leave_the_position() {
    let (scratch, mut guest, fd) = file("0123456789");
    assert_eq!(guest.pread(fd, 3, 5).unwrap(), b"567");
    assert_eq!(guest.pwrite(fd, "xy", 8), Ok(2));
    assert_eq!(guest.pread(fd, 3, 100).unwrap(), b"");
    assert_eq!(guest.tell(fd), Ok(0));
    assert_eq!(scratch.read("file"), "01234567xy");
    assert_eq!(guest.pread(fd, 3, u64::MAX), Err(Errno::Inval));
    assert_eq!(guest.pwrite(fd, "x", u64::MAX), Err(Errno::Inval));
}

#[test]
fn seeking_says_what_posix_says() {
    let (_scratch, mut guest, fd) = file("0123456789");
    for (offset, whence, expected) in [
        (4, 0, Ok(4)),
        (2, 1, Ok(6)),
        (-3, 2, Ok(7)),
        (100, 2, Ok(110)),
        (-1, 0, Err(Errno::Inval)),
        (-111, 1, Err(Errno::Inval)),
        (i64::MIN, 1, Err(Errno::Inval)),
        (0, 3, Err(Errno::Inval)),
        (0, u32::MAX, Err(Errno::Inval)),
        (0, 1, Ok(110)),
    ] {
        assert_eq!(guest.seek(fd, offset, whence), expected, "{offset} {whence}");
    }
}

#[test]
fn the_older_version_counts_whence_differently() {
    let (_scratch, mut guest, fd) = file("0123456789");
    for (offset, whence, expected) in
        [(4, 2, Ok(4)), (2, 0, Ok(6)), (-3, 1, Ok(7)), (-1, 2, Err(Errno::Inval)), (0, 3, Err(Errno::Inval))]
    {
        let outcome = crate::p1::unstable::fd_seek(&mut guest.cx, &mut guest.mem, fd, offset, whence, 0);
        assert_eq!(answer(outcome).map(|()| guest.long(0)), expected, "{offset} {whence}");
    }
}

#[test]
fn the_older_version_has_a_shorter_filestat() {
    let (_scratch, mut guest, fd) = file("0123456789");
    guest.mem[..64].fill(0xaa);
    answer(crate::p1::unstable::fd_filestat_get(&mut guest.cx, &mut guest.mem, fd, 0)).unwrap();
    assert_eq!((guest.mem[16], guest.word(20), guest.long(24)), (4, 1, 10));
    assert_eq!(guest.mem[56..64], [0xaa; 8]);
}

#[test]
fn appending_writes_at_the_end_wherever_the_position_is() {
    let (scratch, mut guest, _) = file("0123");
    let fd = guest.open_at(ROOT, true, "file", 0, (ALL, ALL), 1).unwrap();
    assert_eq!(guest.fdstat(fd).unwrap().1, 1);
    assert_eq!(guest.read(fd, 2).unwrap(), b"01");
    assert_eq!(guest.write(fd, "ab"), Ok(2));
    assert_eq!(guest.tell(fd), Ok(6));
    assert_eq!(guest.pwrite(fd, "c", 0), Ok(1));
    assert_eq!(scratch.read("file"), "0123abc");
    guest.set_flags(fd, 0).unwrap();
    guest.seek(fd, 0, 0).unwrap();
    assert_eq!(guest.write(fd, "X"), Ok(1));
    assert_eq!(scratch.read("file"), "X123abc");
}

#[test]
fn flags_can_be_changed_but_for_syncing() {
    let (_scratch, mut guest, fd) = file("");
    assert_eq!(guest.set_flags(fd, 0b101), Ok(()));
    assert_eq!(guest.fdstat(fd).unwrap().1, 0b101);
    for flags in [0b10, 0b1000, 0b10000, 0b100000, 0x10000, u32::MAX] {
        assert_eq!(guest.set_flags(fd, flags), Err(Errno::Inval), "{flags:b}");
    }
    let synced = guest.open_at(ROOT, true, "file", 0, (ALL, ALL), 0b11010).unwrap();
    assert_eq!(guest.fdstat(synced).unwrap().1, 0b11010);
    assert_eq!(guest.set_flags(synced, 0b11011), Ok(()));
    assert_eq!(guest.set_flags(synced, 0b00001), Err(Errno::Inval));
}

#[test]
fn truncating_needs_no_right_to_write_through_the_descriptor() {
    let (scratch, mut guest, _) = file("0123");
    let fd = guest.open_at(ROOT, true, "file", TRUNC, (0, 0), 0).unwrap();
    assert_eq!(scratch.read("file"), "");
    assert_eq!(guest.write(fd, "x"), Err(Errno::Badf));
    let fd = guest.open_at(ROOT, true, "file", TRUNC, (READ, 0), 0).unwrap();
    assert_eq!(guest.write(fd, "x"), Err(Errno::Badf));
    assert_eq!(guest.read(fd, 1).unwrap(), b"");
}

#[test]
fn the_size_can_be_set() {
    let (scratch, mut guest, fd) = file("0123");
    for (size, contents) in [(2, "01"), (4, "01\0\0")] {
        answer(stat::fd_filestat_set_size(&mut guest.cx, fd, size)).unwrap();
        assert_eq!(scratch.read("file"), contents);
    }
    assert!(answer(stat::fd_filestat_set_size(&mut guest.cx, fd, u64::MAX)).is_err());
    let reading = guest.open("file").unwrap();
    assert_eq!(answer(stat::fd_filestat_set_size(&mut guest.cx, reading, 0)), Err(Errno::Inval));
}

#[test]
fn allocating_grows_and_never_shrinks() {
    let (_scratch, mut guest, fd) = file("");
    for (offset, len, size) in [(0, 100, 100), (10, 10, 100), (90, 20, 110)] {
        match answer(fd::fd_allocate(&mut guest.cx, fd, offset, len)) {
            // Not every file system can.
            Err(Errno::Notsup) => return,
            other => other.unwrap(),
        }
        assert_eq!(guest.fd_stat(fd).unwrap().size, size);
    }
    for (offset, len) in [(0, 0), (u64::MAX, 1), (0, u64::MAX)] {
        assert!(answer(fd::fd_allocate(&mut guest.cx, fd, offset, len)).is_err(), "{offset} {len}");
    }
}

#[test]
fn advice_is_taken_or_refused_but_changes_nothing() {
    let (_scratch, mut guest, fd) = file("0123");
    for advice in 0..6 {
        assert_eq!(answer(fd::fd_advise(&mut guest.cx, fd, 0, 0, advice)), Ok(()));
    }
    assert_eq!(answer(fd::fd_advise(&mut guest.cx, fd, 0, 0, 6)), Err(Errno::Inval));
    assert_eq!(answer(fd::fd_advise(&mut guest.cx, ROOT, 0, 0, 0)), Err(Errno::Badf));
    assert_eq!(answer(fd::fd_advise(&mut guest.cx, 0, 0, 0, 0)), Err(Errno::Badf));
    assert_eq!(guest.fd_stat(fd).unwrap().size, 4);
}

#[test]
fn files_and_directories_can_be_synced_and_streams_not() {
    let (_scratch, mut guest, fd) = file("0123");
    for (number, expected) in [(fd, Ok(())), (ROOT, Ok(())), (1, Err(Errno::Badf)), (99, Err(Errno::Badf))] {
        assert_eq!(answer(fd::fd_sync(&mut guest.cx, number)), expected);
        assert_eq!(answer(fd::fd_datasync(&mut guest.cx, number)), expected);
    }
}

#[test]
fn times_of_a_descriptor_can_be_set() {
    let (_scratch, mut guest, fd) = file("");
    let before = guest.fd_stat(fd).unwrap();
    answer(stat::fd_filestat_set_times(&mut guest.cx, fd, 5, 1_000_000_007, 0b0100)).unwrap();
    let after = guest.fd_stat(fd).unwrap();
    assert_eq!((after.accessed, after.modified), (before.accessed, 1_000_000_007));
    answer(stat::fd_filestat_set_times(&mut guest.cx, fd, 5, 0, 0b1001)).unwrap();
    let now = guest.fd_stat(fd).unwrap();
    assert!(now.accessed == 5 && now.modified >= before.modified);
    assert_eq!(answer(stat::fd_filestat_set_times(&mut guest.cx, fd, 0, 0, 0b11)), Err(Errno::Inval));
    assert_eq!(answer(stat::fd_filestat_set_times(&mut guest.cx, ROOT, 5, 5, 0b101)), Ok(()));
}

#[test]
fn a_directory_is_neither_read_nor_written_nor_sought() {
    let (_scratch, mut guest, _) = file("");
    for fd in [ROOT, guest.open(".").unwrap()] {
        assert_eq!(guest.read(fd, 1), Err(Errno::Badf));
        assert_eq!(guest.write(fd, "x"), Err(Errno::Badf));
        assert_eq!(guest.pread(fd, 1, 0), Err(Errno::Badf));
        assert_eq!(guest.pwrite(fd, "x", 0), Err(Errno::Badf));
        assert_eq!(guest.tell(fd), Err(Errno::Badf));
        for whence in 0..3 {
            assert_eq!(guest.seek(fd, 0, whence), Err(Errno::Badf));
        }
        assert_eq!(answer(fd::fd_allocate(&mut guest.cx, fd, 0, 1)), Err(Errno::Badf));
        assert_eq!(answer(stat::fd_filestat_set_size(&mut guest.cx, fd, 0)), Err(Errno::Badf));
    }
}

#[test]
fn a_listing_starts_with_the_dots() {
    let (scratch, mut guest, _) = file("");
    scratch.dir("dir").link("file", "link");
    let fd = guest.open(".").unwrap();
    let bytes = guest.readdir(fd, 0, 4096).unwrap();
    let entries = dirents(&bytes);
    assert_eq!(entries[..2], [(1, 3, ".".into()), (2, 3, "..".into())]);
    let mut rest: Vec<_> = entries[2..].iter().map(|(_, kind, name)| (*kind, name.as_str())).collect();
    rest.sort();
    assert_eq!(rest, [(3, "dir"), (4, "file"), (7, "link")]);
    let inode = guest.fd_stat(fd).unwrap().inode;
    assert_eq!(u64::from_le_bytes(bytes[8..16].try_into().unwrap()), inode);
}

#[test]
fn a_listing_goes_on_at_any_cookie() {
    let (scratch, mut guest, _) = file("");
    for index in 0..20 {
        scratch.write(&format!("file{index}"), "");
    }
    let fd = guest.open(".").unwrap();
    let all = dirents(&guest.readdir(fd, 0, 8192).unwrap());
    assert_eq!(all.len(), 23);
    for (index, (cookie, ..)) in all.iter().enumerate().rev() {
        assert_eq!(dirents(&guest.readdir(fd, *cookie, 8192).unwrap()), all[index + 1..], "{cookie}");
    }
}

#[test]
fn a_listing_in_small_pieces_is_complete() {
    let (scratch, mut guest, _) = file("");
    for index in 0..500 {
        scratch.write(&format!("file{index}"), "");
    }
    let fd = guest.open(".").unwrap();
    for len in [64, 256, 1000] {
        let (mut names, mut cookie) = (std::collections::BTreeSet::new(), 0);
        loop {
            let bytes = guest.readdir(fd, cookie, len).unwrap();
            for (next, _, name) in dirents(&bytes) {
                assert!(names.insert(name));
                cookie = next;
            }
            if bytes.len() < len as usize {
                break;
            }
        }
        assert_eq!(names.len(), 503, "{len}");
    }
}

#[test]
fn a_full_buffer_ends_in_a_part_of_an_entry() {
    let (_scratch, mut guest, _) = file("");
    let fd = guest.open(".").unwrap();
    let whole = guest.readdir(fd, 0, 4096).unwrap();
    for len in 0..whole.len() {
        assert_eq!(guest.readdir(fd, 0, len as u32).unwrap(), whole[..len], "{len}");
    }
}

#[test]
fn a_listing_needs_a_directory() {
    let (_scratch, mut guest, fd) = file("");
    assert_eq!(guest.readdir(fd, 0, 100), Err(Errno::Notdir));
    assert_eq!(guest.readdir(0, 0, 100), Err(Errno::Badf));
    assert!(guest.readdir(ROOT, u64::MAX, 100).is_err());
}

#[test]
fn links_and_sizes_are_counted() {
    let (_scratch, mut guest, fd) = file("0123");
    guest.link("file", "other").unwrap();
    let stat = guest.fd_stat(fd).unwrap();
    assert_eq!((stat.links, stat.size, stat.filetype), (2, 4, 4));
    assert_eq!(guest.stat("other", false).unwrap(), stat);
}

#[test]
fn a_deleted_file_stays_open() {
    let (_scratch, mut guest, fd) = file("0123");
    guest.unlink("file").unwrap();
    assert_eq!(guest.read(fd, 4).unwrap(), b"0123");
    assert_eq!(guest.fd_stat(fd).unwrap().links, 0);
}
