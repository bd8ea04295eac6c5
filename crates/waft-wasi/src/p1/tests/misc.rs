//! Arguments, environment, clocks, random numbers, granted names, and how a guest ends.

use super::guest::*;
use crate::Access::ReadOnly;
use crate::p1::fail::Fail;
use crate::p1::{Errno, args, clock, proc, random, stat};

#[test]
fn arguments_and_environment_are_c_strings() {
    let mut guest = Guest::build(|builder| {
        builder.args(["prog", "", "caf\u{e9}"]).env("A", "1").env("B", "");
    });
    let (cx, mem) = (&mut guest.cx, &mut guest.mem);
    args::args_sizes_get(cx, mem, 0, 4).unwrap();
    assert_eq!((guest.word(0), guest.word(4)), (3, 12));
    args::args_get(&mut guest.cx, &mut guest.mem, 16, 100).unwrap();
    assert_eq!([16, 20, 24].map(|at| guest.word(at)), [100, 105, 106]);
    assert_eq!(&guest.mem[100..112], "prog\0\0caf\u{e9}\0".as_bytes());
    args::environ_sizes_get(&mut guest.cx, &mut guest.mem, 0, 4).unwrap();
    assert_eq!((guest.word(0), guest.word(4)), (2, 7));
    args::environ_get(&mut guest.cx, &mut guest.mem, 16, 100).unwrap();
    assert_eq!(&guest.mem[100..107], b"A=1\0B=\0");
}

#[test]
fn clocks_tell_the_time_and_how_finely() {
    let mut guest = Guest::build(|_| {});
    let mut last = 0;
    for _ in 0..100 {
        clock::clock_time_get(&mut guest.cx, &mut guest.mem, 1, 0, 0).unwrap();
        assert!(guest.long(0) >= last);
        last = guest.long(0);
    }
    clock::clock_time_get(&mut guest.cx, &mut guest.mem, 0, u64::MAX, 0).unwrap();
    let host = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    assert!(host.abs_diff(guest.long(0)) < 10_000_000_000);
    for id in 0..4 {
        clock::clock_res_get(&mut guest.cx, &mut guest.mem, id, 0).unwrap();
        assert!((1..1_000_000_000).contains(&guest.long(0)), "{id}");
        assert_eq!(clock::clock_time_get(&mut guest.cx, &mut guest.mem, id, 0, 0), Ok(()));
    }
    for id in [4, u32::MAX] {
        assert_eq!(answer(clock::clock_time_get(&mut guest.cx, &mut guest.mem, id, 0, 0)), Err(Errno::Inval));
        assert_eq!(answer(clock::clock_res_get(&mut guest.cx, &mut guest.mem, id, 0)), Err(Errno::Inval));
    }
}

/// Calls until the call no longer pauses, and counts.
fn random(guest: &mut Guest, buf: u32, len: u32) -> usize {
    for calls in 1.. {
        match random::random_get(&mut guest.cx, &mut guest.mem, buf, len) {
            Err(Fail::Pause) => {}
            other => {
                other.unwrap();
                return calls;
            }
        }
    }
    unreachable!()
}

#[test]
fn random_bytes_fill_the_buffer_and_nothing_else() {
    let mut guest = Guest::build(|_| {});
    random(&mut guest, 100, 1000);
    assert_eq!((guest.mem[99], guest.mem[1100]), (0, 0));
    assert!(guest.mem[100..1100].iter().filter(|byte| **byte == 0).count() < 50);
    assert_eq!(random(&mut guest, 65536, 0), 1);
}

#[test]
fn much_randomness_comes_in_stretches_and_is_complete() {
    let mut guest = Guest::build(|_| {});
    guest.mem = vec![0; 5_000_000];
    assert!(random(&mut guest, 0, 5_000_000) >= 5);
    for part in guest.mem.chunks(1000) {
        assert!(part.iter().any(|byte| *byte != 0));
    }
    assert!(guest.cx.resume.is_none());
}

#[test]
fn a_granted_directory_has_a_name() {
    let scratch = Scratch::new();
    let mut guest = Guest::with_dir(&scratch, ReadOnly);
    answer(stat::fd_prestat_get(&mut guest.cx, &mut guest.mem, ROOT, 0)).unwrap();
    assert_eq!((guest.mem[0], guest.word(4)), (0, 1));
    guest.mem[11] = 0xaa;
    answer(stat::fd_prestat_dir_name(&mut guest.cx, &mut guest.mem, ROOT, 10, 2)).unwrap();
    assert_eq!(guest.mem[10..12], [b'/', 0xaa]);
    assert_eq!(
        answer(stat::fd_prestat_dir_name(&mut guest.cx, &mut guest.mem, ROOT, 10, 0)),
        Err(Errno::Nametoolong)
    );
    for (number, get, name) in [(0, Errno::Badf, Errno::Notdir), (4, Errno::Badf, Errno::Badf)] {
        assert_eq!(answer(stat::fd_prestat_get(&mut guest.cx, &mut guest.mem, number, 0)), Err(get));
        assert_eq!(
            answer(stat::fd_prestat_dir_name(&mut guest.cx, &mut guest.mem, number, 10, 9)),
            Err(name)
        );
    }
}

#[test]
fn signals_are_not_supported_and_yielding_is() {
    let mut guest = Guest::build(|_| {});
    assert_eq!(answer(proc::proc_raise(&mut guest.cx, 6)), Err(Errno::Notsup));
    assert_eq!(answer(proc::proc_raise(&mut guest.cx, 31)), Err(Errno::Inval));
    assert_eq!(answer(proc::sched_yield(&mut guest.cx)), Ok(()));
}
