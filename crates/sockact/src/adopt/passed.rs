//! One descriptor as it was passed.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::fs::{FsWord, OFlags};
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::vars::Name;
use super::{AdoptError, Kind};

/// A passed descriptor of any kind, with its name.
///
/// It is owned: turn it into an [`OwnedFd`] and that into what fits its [`kind`](Passed::kind).
#[derive(Debug)]
pub struct Passed {
    name: Name,
    kind: Kind,
    fd: OwnedFd,
}

impl Passed {
    pub(super) fn inspect(
        name: Name,
        fd: OwnedFd,
        allow_blocking: bool,
    ) -> Result<Passed, AdoptError> {
        let number = fd.as_raw_fd();
        let failed = |source| AdoptError::Inspect { fd: number, name: name.text.clone(), source };
        let kind = Kind::of(&fd).map_err(failed)?;
        if kind.is_listener() && !allow_blocking {
            let flags = rustix::fs::fcntl_getfl(&fd).map_err(|e| failed(e.into()))?;
            if !flags.contains(OFlags::NONBLOCK) {
                return Err(AdoptError::Blocking { fd: number, name: name.text, kind });
            }
        }
        Ok(Passed { name, kind, fd })
    }

    /// Its `FileDescriptorName=`. Without one it is that of the socket unit; `connection` for an
    /// accepted connection, `stored` for one from the store without `FDNAME=`
    /// (`sd_listen_fds(3)`); `unknown` where `LISTEN_FDNAMES` is absent.
    pub fn name(&self) -> &str {
        &self.name.text
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name in each way to write it.
    pub(super) fn full_name(&self) -> &Name {
        &self.name
    }

    pub(super) fn into_parts(self) -> (Name, OwnedFd) {
        (self.name, self.fd)
    }

    pub(super) fn is(&self, asked: &str) -> bool {
        self.name.is(asked)
    }
}

impl AsFd for Passed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Passed {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl From<Passed> for OwnedFd {
    fn from(passed: Passed) -> OwnedFd {
        passed.fd
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (a {})", self.name(), self.kind)
    }
}

/// `PID_FS_MAGIC` of the kernel's `include/uapi/linux/magic.h`.
const PID_FS_MAGIC: FsWord = 0x5049_4446;

/// The inode of a pidfd of this process, which no other process ever had since boot. `None` where
/// pidfds are anonymous inodes (kernels before 6.9), whose number says nothing.
pub(super) fn own_pidfd_id() -> Option<u64> {
    let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let magic = rustix::fs::fstatfs(&pidfd).ok()?.f_type;
    (magic == PID_FS_MAGIC).then_some(rustix::fs::fstat(&pidfd).ok()?.st_ino)
}
