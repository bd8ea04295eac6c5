//! `poll_oneoff`.

use super::guest::*;
use crate::Access::ReadWrite;
use crate::Input;
use crate::host::Clock;
use crate::p1::fail::{Fail, Outcome};
use crate::p1::{Errno, poll, unstable};
use std::io::Write;
use std::time::{Duration, Instant};

#[derive(Clone, Copy)]
enum Sub {
    Clock { id: u32, timeout: u64, flags: u16 },
    Read(u32),
    Write(u32),
    Tag(u8),
}

fn in_ms(timeout: u64) -> Sub {
    Sub::Clock { id: 1, timeout: timeout * 1_000_000, flags: 0 }
}

const IN: usize = 1024;
const OUT: usize = 32768;

fn put(guest: &mut Guest, subs: &[Sub], unstable: bool) {
    let (size, clock) = if unstable { (56, 24) } else { (48, 16) };
    let end = IN + size * subs.len();
    if guest.mem.len() < end.max(OUT + 32 * subs.len()) {
        guest.mem.resize(end.max(OUT + 32 * subs.len()), 0);
    }
    for (index, sub) in subs.iter().enumerate() {
        let it = &mut guest.mem[IN + size * index..][..size];
        it.fill(0xee);
        it[..8].copy_from_slice(&(index as u64 + 100).to_le_bytes());
        match *sub {
            Sub::Clock { id, timeout, flags } => {
                it[8] = 0;
                it[clock..clock + 4].copy_from_slice(&id.to_le_bytes());
                it[clock + 8..clock + 16].copy_from_slice(&timeout.to_le_bytes());
                it[clock + 24..clock + 26].copy_from_slice(&flags.to_le_bytes());
            }
            Sub::Read(fd) => {
                it[8] = 1;
                it[16..20].copy_from_slice(&fd.to_le_bytes());
            }
            Sub::Write(fd) => {
                it[8] = 2;
                it[16..20].copy_from_slice(&fd.to_le_bytes());
            }
            Sub::Tag(tag) => it[8] = tag,
        }
    }
}

/// Which subscription, error, type, bytes, flags.
type Event = (u64, u16, u8, u64, u16);

fn events(guest: &Guest) -> Vec<Event> {
    (0..guest.word(0) as usize)
        .map(|index| {
            let at = OUT + 32 * index;
            let word = guest.word(at + 8).to_le_bytes();
            let errno = u16::from_le_bytes([word[0], word[1]]);
            (guest.long(at) - 100, errno, word[2], guest.long(at + 16), guest.word(at + 24) as u16)
        })
        .collect()
}

fn until_done(mut call: impl FnMut() -> Outcome) -> Answer {
    loop {
        match call() {
            Err(Fail::Pause) => {}
            other => return answer(other),
        }
    }
}

fn run(guest: &mut Guest, subs: &[Sub]) -> Answer<Vec<Event>> {
    put(guest, subs, false);
    let count = subs.len() as u32;
    until_done(|| poll::poll_oneoff(&mut guest.cx, &mut guest.mem, IN as u32, OUT as u32, count, 0))?;
    Ok(events(guest))
}

fn run_unstable(guest: &mut Guest, subs: &[Sub]) -> Answer<Vec<Event>> {
    put(guest, subs, true);
    let count = subs.len() as u32;
    until_done(|| unstable::poll_oneoff(&mut guest.cx, &mut guest.mem, IN as u32, OUT as u32, count, 0))?;
    Ok(events(guest))
}

#[test]
fn nothing_to_wait_for_is_invalid() {
    assert_eq!(run(&mut Guest::build(|_| {}), &[]), Err(Errno::Inval));
}

#[test]
fn the_earliest_clock_fires_and_not_before_its_time() {
    let mut guest = Guest::build(|_| {});
    for poll in [run, run_unstable] {
        let start = Instant::now();
        assert_eq!(poll(&mut guest, &[in_ms(60_000), in_ms(20)]), Ok(vec![(1, 0, 0, 0, 0)]));
        assert!((20..10_000).contains(&start.elapsed().as_millis()));
    }
}

#[test]
fn a_wait_longer_than_one_stretch_is_not_prolonged_by_pausing() {
    let mut guest = Guest::build(|_| {});
    let start = Instant::now();
    assert_eq!(run(&mut guest, &[in_ms(300)]).unwrap().len(), 1);
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(300) && elapsed < Duration::from_millis(500), "{elapsed:?}");
    assert!(guest.cx.resume.is_none());
}

#[test]
fn clocks_can_be_absolute() {
    let mut guest = Guest::build(|_| {});
    for (id, clock) in [(0, Clock::Realtime), (1, Clock::Monotonic)] {
        let start = Instant::now();
        let soon = Sub::Clock { id, timeout: clock.now_ns() + 20_000_000, flags: 1 };
        assert_eq!(run(&mut guest, &[soon]), Ok(vec![(0, 0, 0, 0, 0)]));
        assert!((20..10_000).contains(&start.elapsed().as_millis()));
        for past in [0, 1, clock.now_ns()] {
            let past = Sub::Clock { id, timeout: past, flags: 1 };
            assert_eq!(run(&mut guest, &[past, in_ms(60_000)]), Ok(vec![(0, 0, 0, 0, 0)]));
        }
    }
}

#[test]
fn the_longest_timeout_does_not_overflow() {
    let mut guest = Guest::build(|_| {});
    for flags in [0, 1] {
        for id in [0, 1] {
            let never = Sub::Clock { id, timeout: u64::MAX, flags };
            assert_eq!(run(&mut guest, &[never, in_ms(1)]), Ok(vec![(1, 0, 0, 0, 0)]));
        }
    }
}

#[test]
fn what_is_wrong_with_one_subscription_is_its_own_event() {
    let scratch = Scratch::new();
    scratch.write("file", "0123");
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    let blind = guest.open_at(ROOT, true, "file", 0, (READ, 0), 0).unwrap();
    let (inval, badf, notcapable) = (Errno::Inval as u16, Errno::Badf as u16, Errno::Notcapable as u16);
    for (sub, kind, errno) in [
        (Sub::Clock { id: 9, timeout: 0, flags: 0 }, 0, inval),
        (Sub::Clock { id: 2, timeout: 0, flags: 0 }, 0, inval),
        (Sub::Read(99), 1, badf),
        (Sub::Write(u32::MAX), 2, badf),
        (Sub::Read(1), 1, badf),
        (Sub::Write(0), 2, badf),
        (Sub::Read(ROOT), 1, badf),
        (Sub::Read(blind), 1, notcapable),
        (Sub::Write(blind), 2, badf),
    ] {
        assert_eq!(run(&mut guest, &[in_ms(60_000), sub]), Ok(vec![(1, errno, kind, 0, 0)]));
    }
}

#[test]
fn a_malformed_list_fails_as_a_whole() {
    let mut guest = Guest::build(|_| {});
    for sub in [Sub::Tag(3), Sub::Tag(255), Sub::Clock { id: 1, timeout: 0, flags: 2 }] {
        assert_eq!(run(&mut guest, &[in_ms(0), sub]), Err(Errno::Inval));
    }
}

#[test]
fn files_are_always_ready() {
    let scratch = Scratch::new();
    scratch.write("file", "0123");
    let mut guest = Guest::with_dir(&scratch, ReadWrite);
    let fd = guest.create("file").unwrap();
    assert_eq!(run(&mut guest, &[Sub::Read(fd), Sub::Write(fd)]), Ok(vec![(0, 0, 1, 4, 0), (1, 0, 2, 1, 0)]));
    guest.seek(fd, 3, 0).unwrap();
    assert_eq!(run(&mut guest, &[Sub::Read(fd), in_ms(60_000)]), Ok(vec![(0, 0, 1, 1, 0)]));
    guest.seek(fd, 9, 0).unwrap();
    assert_eq!(run(&mut guest, &[Sub::Read(fd)]), Ok(vec![(0, 0, 1, 0, 0)]));
}

#[test]
fn streams_in_memory_are_always_ready() {
    let mut guest = Guest::build(|builder| {
        builder.stdin(crate::MemoryInputPipe::new("hello"));
    });
    let subs = [Sub::Read(0), Sub::Write(1), Sub::Write(2), in_ms(60_000)];
    assert_eq!(run(&mut guest, &subs), Ok(vec![(0, 0, 1, 5, 0), (1, 0, 2, 1, 0), (2, 0, 2, 1, 0)]));
}

#[test]
fn a_pipe_becomes_ready_when_written_to_and_hangs_up_when_closed() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut guest = Guest::build(|builder| {
        builder.stdin(Input::Fd(reader.into()));
    });
    assert_eq!(run(&mut guest, &[Sub::Read(0), in_ms(10)]), Ok(vec![(1, 0, 0, 0, 0)]));
    let late = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        writer.write_all(b"hello").unwrap();
        writer
    });
    assert_eq!(
        run(&mut guest, &[in_ms(60_000), Sub::Read(0), Sub::Read(0)]),
        Ok(vec![(1, 0, 1, 5, 0), (2, 0, 1, 5, 0)])
    );
    guest.read(0, 5).unwrap();
    drop(late.join().unwrap());
    assert_eq!(run(&mut guest, &[Sub::Read(0), in_ms(60_000)]), Ok(vec![(0, 0, 1, 0, 1)]));
}

#[test]
fn a_million_subscriptions_are_answered() {
    let mut guest = Guest::build(|_| {});
    let subs: Vec<_> =
        (0..1_000_000).map(|index| if index % 2 == 0 { Sub::Write(1) } else { in_ms(60_000) }).collect();
    put(&mut guest, &subs, false);
    let out = guest.mem.len() as u32;
    guest.mem.resize(guest.mem.len() + 32_000_000, 0);
    until_done(|| poll::poll_oneoff(&mut guest.cx, &mut guest.mem, IN as u32, out, 1_000_000, 0)).unwrap();
    assert_eq!(guest.word(0), 500_000);
}
