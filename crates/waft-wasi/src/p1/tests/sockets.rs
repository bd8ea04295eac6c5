//! Sockets that the guest was given.

use super::guest::*;
use crate::p1::{Errno, sock, stat};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;

/// A guest with one end of a stream as number 3.
fn pair() -> (Guest, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let guest = Guest::build(|builder| {
        builder.preopened_socket(theirs).unwrap();
    });
    (guest, ours)
}

fn recv(guest: &mut Guest, fd: u32, len: u32, flags: u32) -> Answer<(Vec<u8>, u16)> {
    guest.iovec(len);
    answer(sock::sock_recv(&mut guest.cx, &mut guest.mem, fd, 0, 1, flags, 8, 12))?;
    let roflags = guest.word(12) as u16;
    Ok((guest.mem[4096..4096 + guest.word(8) as usize].to_vec(), roflags))
}

fn send(guest: &mut Guest, fd: u32, bytes: &[u8], flags: u32) -> Answer<u32> {
    guest.mem[4096..4096 + bytes.len()].copy_from_slice(bytes);
    guest.iovec(bytes.len() as u32);
    answer(sock::sock_send(&mut guest.cx, &mut guest.mem, fd, 0, 1, flags, 8))?;
    Ok(guest.word(8))
}

fn accept(guest: &mut Guest, fd: u32, flags: u32) -> Answer<u32> {
    answer(sock::sock_accept(&mut guest.cx, &mut guest.mem, fd, flags, 0))?;
    Ok(guest.word(0))
}

#[test]
fn bytes_go_both_ways() {
    let (mut guest, mut peer) = pair();
    assert_eq!(send(&mut guest, 3, b"hello", 0), Ok(5));
    let mut buf = [0; 5];
    peer.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"hello");
    peer.write_all(b"world").unwrap();
    assert_eq!(recv(&mut guest, 3, 2, 1), Ok((b"wo".to_vec(), 0)), "peeking takes nothing");
    assert_eq!(recv(&mut guest, 3, 5, 2), Ok((b"world".to_vec(), 0)));
    peer.write_all(b"again").unwrap();
    assert_eq!(guest.read(3, 10).unwrap(), b"again");
    assert_eq!(guest.write(3, "done"), Ok(4));
}

#[test]
fn a_socket_is_no_file_and_a_file_no_socket() {
    let (mut guest, _peer) = pair();
    assert_eq!(guest.fdstat(3).unwrap().0, 6);
    assert_eq!(guest.seek(3, 0, 0), Err(Errno::Spipe));
    assert_eq!(answer(stat::fd_prestat_get(&mut guest.cx, &mut guest.mem, 3, 0)), Err(Errno::Badf));
    for (fd, errno) in [(0, Errno::Notsock), (1, Errno::Notsock), (99, Errno::Badf)] {
        assert_eq!(accept(&mut guest, fd, 0), Err(errno));
        assert_eq!(recv(&mut guest, fd, 1, 0), Err(errno));
        assert_eq!(send(&mut guest, fd, b"x", 0), Err(errno));
        assert_eq!(answer(sock::sock_shutdown(&mut guest.cx, fd, 3)), Err(errno));
    }
}

#[test]
fn a_connection_can_be_accepted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut guest = Guest::build(|builder| {
        builder.preopened_socket(listener).unwrap();
    });
    let mut peer = TcpStream::connect(address).unwrap();
    assert_eq!(accept(&mut guest, 3, 4), Ok(4));
    assert_eq!(guest.fdstat(4).unwrap().1, 4);
    assert_eq!(recv(&mut guest, 4, 1, 0), Err(Errno::Again));
    guest.set_flags(4, 0).unwrap();
    peer.write_all(b"hello").unwrap();
    assert_eq!(recv(&mut guest, 4, 10, 0).unwrap().0, b"hello");
    guest.set_flags(3, 4).unwrap();
    assert_eq!(accept(&mut guest, 3, 0), Err(Errno::Again));
}

#[test]
fn a_datagram_that_does_not_fit_says_so() {
    let (ours, theirs) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = theirs.local_addr().unwrap();
    let mut guest = Guest::build(|builder| {
        builder.preopened_socket(theirs).unwrap();
    });
    assert_eq!(guest.fdstat(3).unwrap().0, 5);
    ours.send_to(b"hello", address).unwrap();
    ours.send_to(b"world", address).unwrap();
    assert_eq!(recv(&mut guest, 3, 2, 0), Ok((b"he".to_vec(), 1)));
    assert_eq!(recv(&mut guest, 3, 10, 0), Ok((b"world".to_vec(), 0)));
}

#[test]
fn a_socket_can_be_shut_down_in_either_direction() {
    let (mut guest, mut peer) = pair();
    for how in [0, 4, u32::MAX] {
        assert_eq!(answer(sock::sock_shutdown(&mut guest.cx, 3, how)), Err(Errno::Inval));
    }
    assert_eq!(answer(sock::sock_shutdown(&mut guest.cx, 3, 2)), Ok(()));
    assert_eq!(send(&mut guest, 3, b"x", 0), Err(Errno::Pipe));
    assert_eq!(peer.read(&mut [0; 4]).unwrap(), 0);
    drop(peer);
    assert_eq!(recv(&mut guest, 3, 1, 0).unwrap().0, b"");
}

#[test]
fn unknown_flags_are_refused() {
    let (mut guest, _peer) = pair();
    assert_eq!(recv(&mut guest, 3, 1, 4), Err(Errno::Inval));
    assert_eq!(send(&mut guest, 3, b"x", 1), Err(Errno::Inval));
    assert_eq!(accept(&mut guest, 3, 1), Err(Errno::Inval));
}
