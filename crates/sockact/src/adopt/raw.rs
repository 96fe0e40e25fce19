//! The only unsafe code of this crate: descriptor numbers become owned descriptors.
#![allow(unsafe_code, reason = "a passed descriptor is known by its number alone")]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first passed descriptor, `SD_LISTEN_FDS_START` of `sd_listen_fds(3)`.
pub(super) const FIRST: RawFd = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// The right to take the passed descriptors; there is one in a process.
pub(super) struct Once(());

impl Once {
    /// Gives out the right, the first time.
    pub(super) fn claim() -> Option<Once> {
        (!TAKEN.swap(true, Ordering::AcqRel)).then_some(Once(()))
    }

    /// Takes descriptor `number` and marks it close-on-exec, which fails if it is not open.
    pub(super) fn take(&mut self, number: RawFd) -> io::Result<OwnedFd> {
        // SAFETY: the borrow lives only for one fcntl(2), which is harmless on any number; a closed
        // one is answered with EBADF.
        let seen = unsafe { BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(seen, rustix::io::FdFlags::CLOEXEC)?;
        // SAFETY: `number` is open, as was just seen. LISTEN_PID says that the service manager
        // passed it to this very process, for this purpose; `Once` exists once in a process and
        // each number is taken once from it, so nothing else of this crate owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }
}
