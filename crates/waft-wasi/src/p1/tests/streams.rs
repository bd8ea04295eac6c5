//! Standard streams, and numbers of descriptors.

use super::guest::*;
use crate::Access::ReadWrite;
use crate::p1::{Errno, fd, stat};
use crate::{Input, MemoryInputPipe, MemoryOutputPipe};
use std::io::Write;

#[test]
fn by_default_input_is_empty_and_output_goes_nowhere() {
    let mut guest = Guest::build(|_| {});
    assert_eq!(guest.read(0, 10).unwrap(), b"");
    assert_eq!(guest.write(1, "hello"), Ok(5));
    assert_eq!(guest.write(2, "hello"), Ok(5));
    assert_eq!(guest.write(0, "hello"), Err(Errno::Badf));
    assert_eq!(guest.read(1, 10), Err(Errno::Badf));
}

#[test]
fn streams_can_be_memory() {
    let (input, output) = (MemoryInputPipe::new("hello"), MemoryOutputPipe::new(8));
    let mut guest = Guest::build(|builder| {
        builder.stdin(input.clone()).stdout(output.clone());
    });
    assert_eq!(guest.read(0, 3).unwrap(), b"hel");
    assert_eq!(input.remaining(), 2);
    assert_eq!(guest.write(1, "12345"), Ok(5));
    assert_eq!(guest.write(1, "67890"), Ok(3));
    assert_eq!(guest.write(1, "x"), Err(Errno::Nospc));
    assert_eq!(output.contents(), b"12345678");
}

#[test]
fn streams_can_be_host_descriptors() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut guest = Guest::build(|builder| {
        builder.stdin(Input::Fd(reader.into()));
    });
    writer.write_all(b"hello").unwrap();
    assert_eq!(guest.read(0, 10).unwrap(), b"hello");
    drop(writer);
    assert_eq!(guest.read(0, 10).unwrap(), b"");
}

#[test]
fn a_stream_that_must_not_wait_does_not() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut guest = Guest::build(|builder| {
        builder.stdin(Input::Fd(reader.into()));
    });
    guest.set_flags(0, 4).unwrap();
    assert_eq!(guest.fdstat(0).unwrap().1, 4);
    assert_eq!(guest.read(0, 10), Err(Errno::Again));
    writer.write_all(b"hello").unwrap();
    assert_eq!(guest.read(0, 10).unwrap(), b"hello");
}

#[test]
fn a_full_pipe_takes_no_more_from_a_stream_that_must_not_wait() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut guest = Guest::build(|builder| {
        builder.stdout(crate::Output::Fd(writer.into()));
    });
    guest.set_flags(1, 4).unwrap();
    let much = vec![0; 100_000];
    let mut total = 0;
    let last = loop {
        match guest.write(1, &much) {
            Ok(count) => total += count,
            Err(errno) => break errno,
        }
    };
    assert_eq!((last, total), (Errno::Again, 65536));
    drop(reader);
}

#[test]
fn writing_where_nobody_reads_is_an_error_and_no_signal() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut guest = Guest::build(|builder| {
        builder.stdout(crate::Output::Fd(writer.into()));
    });
    drop(reader);
    assert_eq!(guest.write(1, "x"), Err(Errno::Pipe));
}

#[test]
fn streams_have_no_position_and_no_files_attributes() {
    let mut guest = Guest::build(|_| {});
    for number in 0..3 {
        assert_eq!(guest.seek(number, 0, 0), Err(Errno::Spipe));
        assert_eq!(guest.tell(number), Err(Errno::Spipe));
        assert_eq!(guest.pread(number, 1, 0), Err(Errno::Spipe));
        assert_eq!(guest.pwrite(number, "x", 0), Err(Errno::Spipe));
        assert_eq!(answer(stat::fd_filestat_set_size(&mut guest.cx, number, 0)), Err(Errno::Badf));
        assert_eq!(answer(stat::fd_filestat_set_times(&mut guest.cx, number, 0, 0, 0)), Err(Errno::Badf));
        assert_eq!(answer(fd::fd_allocate(&mut guest.cx, number, 0, 1)), Err(Errno::Badf));
        assert_eq!(guest.fd_stat(number).unwrap().size, 0);
    }
}

#[test]
fn many_buffers_are_written_and_read_as_one() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    let file = guest.create("file").unwrap();
    for count in [2u32, 8, 9, 100] {
        for index in 0..count {
            let at = 1000 + 8 * index as usize;
            guest.mem[at..at + 4].copy_from_slice(&(8000 + 3 * index).to_le_bytes());
            guest.mem[at + 4..at + 8].copy_from_slice(&2u32.to_le_bytes());
            guest.mem[8000 + 3 * index as usize..][..2].copy_from_slice(&(index as u16).to_le_bytes());
        }
        guest.seek(file, 0, 0).unwrap();
        answer(fd::fd_write(&mut guest.cx, &mut guest.mem, file, 1000, count, 0)).unwrap();
        assert_eq!(guest.word(0), 2 * count);
        guest.mem[8000..8300].fill(0xff);
        guest.seek(file, 0, 0).unwrap();
        answer(fd::fd_read(&mut guest.cx, &mut guest.mem, file, 1000, count, 0)).unwrap();
        assert_eq!(guest.word(0), 2 * count);
        for index in 0..count {
            let at = 8000 + 3 * index as usize;
            assert_eq!(guest.mem[at..at + 3], [index as u8, 0, 0xff]);
        }
    }
}

#[test]
fn a_closed_number_is_the_next_to_be_used() {
    let scratch = Scratch::new();
    scratch.write("file", "");
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    assert_eq!((guest.open("file"), guest.open("file")), (Ok(4), Ok(5)));
    guest.close(4).unwrap();
    assert_eq!(guest.close(4), Err(Errno::Badf));
    assert_eq!(guest.open("file"), Ok(4));
    guest.close(0).unwrap();
    assert_eq!(guest.open("file"), Ok(0));
    // Now it is a file like any other.
    assert_eq!(guest.seek(0, 0, 0), Ok(0));
}

#[test]
fn a_granted_directory_can_be_renumbered_onto_and_closed() {
    let scratch = Scratch::new();
    scratch.dir("dir");
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    let dir = guest.open("dir").unwrap();
    guest.renumber(dir, ROOT).unwrap();
    assert_eq!(guest.fdstat(dir).err(), Some(Errno::Badf));
    assert_eq!(answer(stat::fd_prestat_get(&mut guest.cx, &mut guest.mem, ROOT, 0)), Err(Errno::Badf));
    assert!(guest.mkdir("made").is_ok() && scratch.exists("dir/made"));
    guest.close(ROOT).unwrap();
    assert_eq!(guest.open("dir"), Err(Errno::Badf));
}

#[test]
fn renumbering_says_what_the_specification_says() {
    let scratch = Scratch::new();
    scratch.write("file", "0123");
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    let fd = guest.open("file").unwrap();
    assert_eq!(guest.renumber(fd, fd), Ok(()));
    assert_eq!(guest.renumber(fd, 99), Err(Errno::Badf));
    assert_eq!(guest.renumber(99, fd), Err(Errno::Badf));
    assert_eq!(guest.renumber(99, 99), Err(Errno::Badf));
    assert_eq!(guest.renumber(fd, 1), Ok(()));
    assert_eq!(guest.read(1, 4).unwrap(), b"0123");
    assert_eq!(guest.renumber(0, 2), Ok(()));
    assert_eq!(guest.read(2, 4).unwrap(), b"");
}

#[test]
fn a_guest_runs_out_of_descriptors_before_the_host_does() {
    let scratch = Scratch::new();
    scratch.write("file", "");
    let mut guest = Guest::build(|builder| {
        builder.max_descriptors(10).preopened_dir(scratch.path(), "/", ReadWrite).unwrap();
    });
    for number in 4..10 {
        assert_eq!(guest.open("file"), Ok(number));
    }
    assert_eq!(guest.open("file"), Err(Errno::Mfile));
    assert_eq!(guest.create("new"), Err(Errno::Mfile));
    assert!(!scratch.exists("new"));
    guest.close(7).unwrap();
    assert_eq!(guest.open("file"), Ok(7));
}

#[test]
fn no_descriptor_of_the_host_leaks() {
    let scratch = Scratch::new();
    scratch.dir("dir").write("dir/file", "");
    let [mut kernel, mut walk] = Guest::both_ways(&scratch, ReadWrite);
    // Tests beside this one open files too, so those of this directory are counted.
    let count = || {
        let fds = std::fs::read_dir("/proc/self/fd").unwrap();
        fds.filter(|fd| {
            let link = std::fs::read_link(fd.as_ref().unwrap().path());
            link.is_ok_and(|link| link.starts_with(scratch.path()))
        })
        .count()
    };
    let before = count();
    for guest in [&mut kernel, &mut walk] {
        for _ in 0..2000 {
            let fd = guest.open("dir/../dir/file").unwrap();
            guest.close(fd).unwrap();
            guest.stat("dir/file", true).unwrap();
            assert!(guest.open("dir/file/").is_err());
            assert!(guest.rename("dir/nothing", "dir/x").is_err());
        }
    }
    assert_eq!(count(), before);
}
