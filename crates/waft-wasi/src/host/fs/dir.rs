//! Open directories, and what is done to the names in them.

use super::super::descriptor::Descriptor;
use super::super::error::{ErrorCode, HostResult};
use super::resolve::{self, Resolution, Target};
use super::{Access, File, FileKind, Stat};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, fstat};

/// A directory, and the right to everything beneath it as far as `access` goes.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    access: Access,
    resolution: Resolution,
}

/// How to open a path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenOptions {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    /// It has to be a directory.
    pub(crate) directory: bool,
    pub(crate) append: bool,
    pub(crate) nonblocking: bool,
    /// Writes wait for the data to be on the disk.
    pub(crate) sync_data: bool,
    /// Writes wait for data and attributes to be on the disk.
    pub(crate) sync: bool,
    /// Reads wait as writes do.
    pub(crate) sync_reads: bool,
    /// If the last component is a link, open what it leads to.
    pub(crate) follow: bool,
}

impl Dir {
    /// Takes a host directory, for a guest to use.
    pub(crate) fn new(fd: OwnedFd, access: Access, resolution: Option<Resolution>) -> Self {
        let resolution = resolution.unwrap_or_else(|| Resolution::probe(fd.as_fd()));
        Self { fd, access, resolution }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    pub(crate) fn stat(&self) -> HostResult<Stat> {
        Ok(fstat(&self.fd)?.into())
    }

    pub(crate) fn sync(&self) -> HostResult<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    pub(crate) fn sync_data(&self) -> HostResult<()> {
        Ok(rustix::fs::fdatasync(&self.fd)?)
    }

    /// Opens a file or directory beneath this one, with this one's access.
    pub(crate) fn open_at(&self, path: &str, options: &OpenOptions) -> HostResult<Descriptor> {
        if options.write || options.create || options.truncate {
            self.access.allow_change()?;
        }
        if options.directory && (options.create || options.exclusive || options.truncate) {
            return Err(ErrorCode::Invalid);
        }
        let found = resolve::open(self.as_fd(), self.resolution, path, options.flags(), options.mode())?;
        let kind = FileKind::of(&fstat(&found)?);
        Ok(match kind {
            FileKind::Directory => {
                Descriptor::Dir(Self { fd: found, access: self.access, resolution: self.resolution })
            }
            _ => Descriptor::File(File::new(found, self.access, kind, options.write)),
        })
    }

    /// The attributes of what `path` names; of a link itself unless `follow`.
    pub(crate) fn stat_at(&self, path: &str, follow: bool) -> HostResult<Stat> {
        let target = self.target(path)?;
        if let Some(name) = target.name_to_look_at() {
            // Most names are no links, so that following makes no difference, and nothing need be opened.
            let stat = Stat::from(rustix::fs::statat(target.parent(), name, AtFlags::SYMLINK_NOFOLLOW)?);
            if !follow || stat.kind != FileKind::SymbolicLink {
                return Ok(stat);
            }
        }
        let found = self.open_path(path, follow, OFlags::empty(), Mode::empty())?;
        Ok(fstat(&found)?.into())
    }

    pub(crate) fn create_directory_at(&self, path: &str) -> HostResult<()> {
        self.access.allow_change()?;
        let target = self.target(path)?;
        Ok(rustix::fs::mkdirat(target.parent(), target.name_to_change(), Mode::from_raw_mode(0o777))?)
    }

    pub(crate) fn remove_directory_at(&self, path: &str) -> HostResult<()> {
        self.remove(path, AtFlags::REMOVEDIR)
    }

    /// Removes a file, a link, or anything else that is no directory.
    pub(crate) fn unlink_file_at(&self, path: &str) -> HostResult<()> {
        self.remove(path, AtFlags::empty())
    }

    fn remove(&self, path: &str, flags: AtFlags) -> HostResult<()> {
        self.access.allow_change()?;
        let target = self.target(path)?;
        Ok(rustix::fs::unlinkat(target.parent(), target.name_to_change(), flags)?)
    }

    pub(super) fn target<'p>(&self, path: &'p str) -> HostResult<Target<'_, 'p>> {
        resolve::target(self.as_fd(), self.resolution, path)
    }

    /// Opens a path for nothing but to say which file is meant: it takes no right to the file, and has no effect on it.
    pub(super) fn open_path(
        &self,
        path: &str,
        follow: bool,
        flags: OFlags,
        mode: Mode,
    ) -> HostResult<OwnedFd> {
        let mut flags = flags | OFlags::PATH;
        flags.set(OFlags::NOFOLLOW, !follow);
        resolve::open(self.as_fd(), self.resolution, path, flags, mode)
    }
}

impl OpenOptions {
    fn flags(&self) -> OFlags {
        // To cut a file short, the kernel wants it open for writing. What the guest may do with it is another matter.
        let mut flags = match (self.read, self.write || self.truncate) {
            (_, false) => OFlags::RDONLY,
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
        };
        // A terminal in a granted directory must not become the host's.
        flags |= OFlags::NOCTTY;
        flags.set(OFlags::CREATE, self.create);
        flags.set(OFlags::EXCL, self.create && self.exclusive);
        flags.set(OFlags::TRUNC, self.truncate);
        flags.set(OFlags::DIRECTORY, self.directory);
        flags.set(OFlags::APPEND, self.append);
        flags.set(OFlags::NONBLOCK, self.nonblocking);
        flags.set(OFlags::DSYNC, self.sync_data || self.sync);
        flags.set(OFlags::NOFOLLOW, !self.follow);
        if self.sync {
            flags |= OFlags::SYNC;
        }
        if self.sync_reads {
            flags |= OFlags::RSYNC;
        }
        flags
    }

    fn mode(&self) -> Mode {
        // As everywhere, the host's umask takes its part away. The kernel refuses a mode where nothing is created.
        if self.create { Mode::from_raw_mode(0o666) } else { Mode::empty() }
    }
}
