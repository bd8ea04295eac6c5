//! A guest's descriptors by number.
//!
//! # Invariants
//!
//! * **T1** No number below `free_from` is free, so that the search for the lowest free one starts there.

use super::errno::Errno;
use super::rights::Rights;
use crate::host::fs::Dir;
use crate::host::{Descriptor, Socket};

/// One descriptor of a guest, with what this version of WASI says about it.
#[derive(Debug)]
pub(crate) struct Fd {
    pub(crate) descriptor: Descriptor,
    /// What may be done with it.
    pub(crate) base: Rights,
    /// What may be done with what is opened through it.
    pub(crate) inheriting: Rights,
    /// `FDFLAGS_*`.
    pub(crate) flags: u16,
    /// The guest's name for a granted directory.
    pub(crate) preopen: Option<Box<str>>,
}

impl Fd {
    /// A standard stream, to be read or written.
    pub(crate) fn stream(descriptor: Descriptor, direction: Rights) -> Self {
        let base = direction | Rights::STREAM_UNREPORTED;
        Self { descriptor, base, inheriting: base, flags: 0, preopen: None }
    }

    /// A granted directory.
    pub(crate) fn preopen(dir: Dir, name: Box<str>) -> Self {
        Self {
            descriptor: Descriptor::Dir(dir),
            base: Rights::PREOPEN,
            inheriting: Rights::PREOPEN_INHERITING,
            flags: 0,
            preopen: Some(name),
        }
    }

    /// A socket that the guest was given.
    pub(crate) fn socket(socket: Socket) -> Self {
        let (base, inheriting) = (Rights::SOCKET, Rights::SOCKET);
        Self { descriptor: Descriptor::Socket(socket), base, inheriting, flags: 0, preopen: None }
    }

    /// The rights that the guest is told of. See [`Rights::STREAM_UNREPORTED`].
    pub(crate) fn reported(&self) -> (Rights, Rights) {
        match self.descriptor {
            Descriptor::Input(_) | Descriptor::Output(_) => (
                self.base.without(Rights::STREAM_UNREPORTED),
                self.inheriting.without(Rights::STREAM_UNREPORTED),
            ),
            _ => (self.base, self.inheriting),
        }
    }

    /// Says `BADF` for reading and writing, as of a file that was not opened for it, and `NOTCAPABLE` for all else.
    #[inline]
    pub(crate) fn require(&self, rights: Rights) -> Result<(), Errno> {
        if self.base.contains(rights) {
            Ok(())
        } else if rights == Rights::FD_READ || rights == Rights::FD_WRITE {
            Err(Errno::Badf)
        } else {
            Err(Errno::Notcapable)
        }
    }
}

/// The descriptors of one guest.
#[derive(Debug)]
pub(crate) struct FdTable {
    fds: Vec<Option<Fd>>,
    free_from: usize,
    count_max: usize,
}

impl FdTable {
    /// A table that starts with `fds`, numbered from 0.
    pub(crate) fn new(fds: Vec<Fd>, count_max: usize) -> Self {
        Self { fds: fds.into_iter().map(Some).collect(), free_from: 0, count_max }
    }

    #[inline]
    pub(crate) fn get(&self, fd: u32) -> Result<&Fd, Errno> {
        match self.fds.get(fd as usize) {
            Some(Some(found)) => Ok(found),
            _ => Err(Errno::Badf),
        }
    }

    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Fd, Errno> {
        match self.fds.get_mut(fd as usize) {
            Some(Some(found)) => Ok(found),
            _ => Err(Errno::Badf),
        }
    }

    /// Whether there is no room for one more. To be asked before what cannot be undone.
    pub(crate) fn is_full(&mut self) -> bool {
        self.lowest_free() >= self.count_max
    }

    /// Gives a descriptor the lowest number that is free, as POSIX has it.
    pub(crate) fn push(&mut self, fd: Fd) -> Result<u32, Errno> {
        let number = self.lowest_free();
        if number >= self.count_max {
            return Err(Errno::Mfile);
        }
        if number == self.fds.len() {
            self.fds.push(Some(fd));
        } else {
            self.fds[number] = Some(fd);
        }
        self.free_from = number + 1;
        u32::try_from(number).map_err(|_| Errno::Mfile)
    }

    /// Closes a descriptor.
    pub(crate) fn remove(&mut self, fd: u32) -> Result<Fd, Errno> {
        let removed = self.fds.get_mut(fd as usize).and_then(Option::take).ok_or(Errno::Badf)?;
        self.free_from = self.free_from.min(fd as usize);
        Ok(removed)
    }

    /// Gives the descriptor `from` the number `to`, whose own descriptor is closed.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(from)?;
        self.get(to)?;
        if from != to {
            let moved = self.remove(from)?;
            *self.get_mut(to)? = moved;
        }
        Ok(())
    }

    fn lowest_free(&mut self) -> usize {
        while self.fds.get(self.free_from).is_some_and(Option::is_some) {
            self.free_from += 1;
        }
        self.free_from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Input;

    fn fd() -> Fd {
        Fd {
            descriptor: Descriptor::Input(Input::Empty),
            base: Rights::default(),
            inheriting: Rights::default(),
            flags: 0,
            preopen: None,
        }
    }

    fn table(count: u32) -> FdTable {
        let mut table = FdTable::new(Vec::new(), 8);
        for number in 0..count {
            assert_eq!(table.push(fd()), Ok(number));
        }
        table
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut table = table(6);
        for number in [4, 1, 3] {
            table.remove(number).unwrap();
        }
        assert_eq!([(); 4].map(|()| table.push(fd()).unwrap()), [1, 3, 4, 6]);
    }

    #[test]
    fn a_full_table_takes_no_more_until_one_is_closed() {
        let mut table = table(8);
        assert_eq!(table.push(fd()), Err(Errno::Mfile));
        assert!(table.is_full());
        table.remove(0).unwrap();
        assert!(!table.is_full());
        assert_eq!(table.push(fd()), Ok(0));
    }

    #[test]
    fn what_is_not_open_is_badf() {
        let mut table = table(3);
        table.remove(1).unwrap();
        for number in [1, 3, u32::MAX] {
            assert_eq!(table.get(number).err(), Some(Errno::Badf));
            assert_eq!(table.remove(number).err(), Some(Errno::Badf));
            assert_eq!(table.renumber(number, 0), Err(Errno::Badf));
            assert_eq!(table.renumber(0, number), Err(Errno::Badf));
        }
        assert!(table.get(0).is_ok());
    }

    #[test]
    fn renumbering_frees_the_old_number() {
        let mut table = table(3);
        table.renumber(0, 2).unwrap();
        assert!(table.get(0).is_err());
        assert_eq!(table.push(fd()), Ok(0));
    }

    #[test]
    fn renumbering_to_itself_keeps_it_open() {
        let mut table = table(1);
        table.renumber(0, 0).unwrap();
        assert!(table.get(0).is_ok());
    }
}
