//! Every function with pointers and lengths at every edge of memory. Each call returns, soon, and never panics.

use super::guest::*;
use crate::Access::ReadWrite;
use crate::WasiCtx;
use crate::p1::fail::{Fail, Outcome};
use crate::p1::*;

const MEMORY_BYTES: u32 = 65536;

const EDGES: [u32; 12] = [
    0,
    1,
    8,
    MEMORY_BYTES - 64,
    MEMORY_BYTES - 8,
    MEMORY_BYTES - 4,
    MEMORY_BYTES - 1,
    MEMORY_BYTES,
    MEMORY_BYTES + 1,
    i32::MAX as u32,
    u32::MAX - 7,
    u32::MAX,
];

type Call = fn(&mut WasiCtx, &mut [u8], u32, u32, u32) -> Outcome;

/// Every function that takes a pointer, with three words for its pointers and lengths; descriptor 4 is a file.
const CALLS: [(&str, Call); 40] = [
    ("args_get", |cx, mem, a, b, _| args::args_get(cx, mem, a, b)),
    ("args_sizes_get", |cx, mem, a, b, _| args::args_sizes_get(cx, mem, a, b)),
    ("environ_get", |cx, mem, a, b, _| args::environ_get(cx, mem, a, b)),
    ("environ_sizes_get", |cx, mem, a, b, _| args::environ_sizes_get(cx, mem, a, b)),
    ("clock_res_get", |cx, mem, a, _, _| clock::clock_res_get(cx, mem, 0, a)),
    ("clock_time_get", |cx, mem, a, _, _| clock::clock_time_get(cx, mem, 0, 0, a)),
    ("fd_fdstat_get", |cx, mem, a, _, _| stat::fd_fdstat_get(cx, mem, 4, a)),
    ("fd_filestat_get", |cx, mem, a, _, _| stat::fd_filestat_get(cx, mem, 4, a)),
    ("fd_prestat_get", |cx, mem, a, _, _| stat::fd_prestat_get(cx, mem, ROOT, a)),
    ("fd_prestat_dir_name", |cx, mem, a, b, _| stat::fd_prestat_dir_name(cx, mem, ROOT, a, b)),
    ("fd_read", |cx, mem, a, b, c| fd::fd_read(cx, mem, 4, a, b, c)),
    ("fd_write", |cx, mem, a, b, c| fd::fd_write(cx, mem, 4, a, b, c)),
    ("fd_write to nowhere", |cx, mem, a, b, c| fd::fd_write(cx, mem, 1, a, b, c)),
    ("fd_pread", |cx, mem, a, b, c| fd::fd_pread(cx, mem, 4, a, b, 0, c)),
    ("fd_pwrite", |cx, mem, a, b, c| fd::fd_pwrite(cx, mem, 4, a, b, 0, c)),
    ("fd_seek", |cx, mem, a, _, _| fd::fd_seek(cx, mem, 4, 0, 0, a)),
    ("fd_tell", |cx, mem, a, _, _| fd::fd_tell(cx, mem, 4, a)),
    ("fd_readdir", |cx, mem, a, b, c| readdir::fd_readdir(cx, mem, ROOT, a, b, 0, c)),
    ("path_create_directory", |cx, mem, a, b, _| path::path_create_directory(cx, mem, ROOT, a, b)),
    ("path_filestat_get", |cx, mem, a, b, c| path::path_filestat_get(cx, mem, ROOT, 0, a, b, c)),
    ("path_filestat_set_times", |cx, mem, a, b, _| {
        path::path_filestat_set_times(cx, mem, ROOT, 0, a, b, 0, 0, 0)
    }),
    ("path_link", |cx, mem, a, b, c| path::path_link(cx, mem, ROOT, 0, a, b, ROOT, c, b)),
    ("path_open", |cx, mem, a, b, c| path::path_open(cx, mem, ROOT, 0, a, b, 0, 0, 0, 0, c)),
    ("path_readlink", |cx, mem, a, b, c| path::path_readlink(cx, mem, ROOT, a, b, c, b, c)),
    ("path_readlink into", |cx, mem, a, b, c| path::path_readlink(cx, mem, ROOT, 16, 4, a, b, c)),
    ("path_remove_directory", |cx, mem, a, b, _| path::path_remove_directory(cx, mem, ROOT, a, b)),
    ("path_rename", |cx, mem, a, b, c| path::path_rename(cx, mem, ROOT, a, b, ROOT, c, b)),
    ("path_symlink", |cx, mem, a, b, c| path::path_symlink(cx, mem, a, b, ROOT, c, b)),
    ("path_unlink_file", |cx, mem, a, b, _| path::path_unlink_file(cx, mem, ROOT, a, b)),
    ("poll_oneoff", |cx, mem, a, b, c| poll::poll_oneoff(cx, mem, a, b, c, 0)),
    ("poll_oneoff result", |cx, mem, a, b, c| poll::poll_oneoff(cx, mem, a, b, 1, c)),
    ("random_get", |cx, mem, a, b, _| random::random_get(cx, mem, a, b)),
    ("sock_accept", |cx, mem, a, _, _| sock::sock_accept(cx, mem, 5, 4, a)),
    ("sock_recv", |cx, mem, a, b, c| sock::sock_recv(cx, mem, 5, a, b, 0, c, c)),
    ("sock_recv flags", |cx, mem, a, b, c| sock::sock_recv(cx, mem, 5, 0, 0, 0, a, b.max(c))),
    ("sock_send", |cx, mem, a, b, c| sock::sock_send(cx, mem, 5, a, b, 0, c)),
    ("unstable fd_seek", |cx, mem, a, _, _| unstable::fd_seek(cx, mem, 4, 0, 0, a)),
    ("unstable fd_filestat_get", |cx, mem, a, _, _| unstable::fd_filestat_get(cx, mem, 4, a)),
    ("unstable path_filestat_get", |cx, mem, a, b, c| unstable::path_filestat_get(cx, mem, ROOT, 0, a, b, c)),
    ("unstable poll_oneoff", |cx, mem, a, b, c| unstable::poll_oneoff(cx, mem, a, b, c, 0)),
];

#[test]
fn no_pointer_does_harm() {
    let scratch = Scratch::new();
    scratch.write("file", "0123");
    let (peer, socket) = std::os::unix::net::UnixStream::pair().unwrap();
    peer.set_nonblocking(true).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut guest = Guest::build(|builder| {
        builder.arg("prog").env("A", "1").preopened_dir(scratch.path(), "/", ReadWrite).unwrap();
        builder.max_descriptors(64).preopened_socket(socket).unwrap();
    });
    guest.renumber(4, 2).unwrap();
    assert_eq!(guest.create("file"), Ok(4));
    let file = guest.open("file").unwrap();
    guest.renumber(2, file).unwrap();
    for (_, call) in CALLS {
        for a in EDGES {
            for b in EDGES {
                for c in EDGES {
                    let mut mem = vec![0; MEMORY_BYTES as usize];
                    mem[16..20].copy_from_slice(b"file");
                    match call(&mut guest.cx, &mut mem, a, b, c) {
                        Ok(()) | Err(Fail::Errno(_) | Fail::Fault(_)) => {}
                        // A wait for a descriptor that never gets ready, or a long stretch of random bytes.
                        Err(Fail::Pause) => guest.cx.resume = None,
                    }
                }
            }
        }
        for number in 6..64 {
            let _ = guest.close(number);
        }
    }
    assert_eq!(scratch.path().read_dir().unwrap().count(), 1);
}

#[test]
fn an_empty_memory_is_a_fault_and_no_panic() {
    let scratch = Scratch::new();
    let mut guest = Guest::build(|builder| {
        builder.arg("prog").env("A", "1").preopened_dir(scratch.path(), "/", ReadWrite).unwrap();
    });
    for (name, call) in CALLS {
        let _ = call(&mut guest.cx, &mut [], 0, 1, 0);
        let outcome = call(&mut guest.cx, &mut [], u32::MAX, u32::MAX, u32::MAX);
        assert!(outcome.is_err(), "{name}: {outcome:?}");
    }
}

#[test]
fn a_result_out_of_bounds_is_found_before_the_call_has_an_effect() {
    let scratch = Scratch::new();
    scratch.write("file", "0123");
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    let fd = guest.create("file").unwrap();
    let end = guest.mem.len() as u32 - 3;
    let (cx, mem) = (&mut guest.cx, &mut guest.mem);
    mem[..8].copy_from_slice(&[16, 0, 0, 0, 4, 0, 0, 0]);
    mem[16..20].copy_from_slice(b"new\0");
    assert!(matches!(fd::fd_write(cx, mem, fd, 0, 1, end), Err(Fail::Fault(_))));
    assert!(matches!(fd::fd_read(cx, mem, fd, 0, 1, end), Err(Fail::Fault(_))));
    assert!(matches!(path::path_open(cx, mem, ROOT, 0, 16, 3, 1, 0, 0, 0, end), Err(Fail::Fault(_))));
    assert_eq!(scratch.read("file"), "0123");
    assert!(!scratch.exists("new"));
    assert_eq!((guest.tell(fd), guest.open("file")), (Ok(0), Ok(fd + 1)));
}

#[test]
fn four_gigabytes_of_randomness_for_a_small_memory_is_a_fault() {
    let mut guest = Guest::build(|_| {});
    let outcome = random::random_get(&mut guest.cx, &mut guest.mem, 0, u32::MAX);
    let Err(Fail::Fault(fault)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(fault.to_string(), "pointer 0x0 to 4294967295 bytes is outside of the memory");
}

#[test]
fn numbers_of_descriptors_at_every_edge_are_badf() {
    let mut guest = Guest::build(|_| {});
    for number in [3, 1024, i32::MAX as u32, u32::MAX] {
        assert_eq!(guest.close(number), Err(Errno::Badf));
        assert_eq!(guest.read(number, 1), Err(Errno::Badf));
        assert_eq!(guest.renumber(0, number), Err(Errno::Badf));
        assert_eq!(guest.fdstat(number).err(), Some(Errno::Badf));
        assert_eq!(guest.set_rights(number, 0, 0), Err(Errno::Badf));
        assert_eq!(guest.open_at(number, true, "x", 0, (0, 0), 0), Err(Errno::Badf));
    }
}
