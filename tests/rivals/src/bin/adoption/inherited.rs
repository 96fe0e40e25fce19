//! What a shell left open in this process is not to be left in the measured ones.
#![allow(unsafe_code, reason = "an inherited descriptor is known by its number alone")]

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Marks every descriptor from 3 on close-on-exec.
pub(crate) fn keep() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number: Option<RawFd> = entry?.file_name().to_str().and_then(|n| n.parse().ok());
        for number in number.into_iter().filter(|n| *n >= 3) {
            // SAFETY: borrowed for fcntl(2) alone, which is harmless on any number.
            let inherited = unsafe { BorrowedFd::borrow_raw(number) };
            // It may be the directory's own.
            fcntl_setfd(inherited, FdFlags::CLOEXEC)?;
        }
    }
    Ok(())
}
