//! Events as readable descriptors, so that poll(2) can wait for them beside a listener.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use signal_hook::consts::{SIGINT, SIGTERM};

/// Readable with one byte for each SIGTERM and SIGINT.
pub(super) fn signals() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGTERM, write.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGINT, write)?;
    Ok(read)
}

/// Reads what has come, and says how many bytes.
pub(super) fn drain(mut stream: &UnixStream) -> usize {
    let mut waste = [0; 64];
    stream.read(&mut waste).unwrap_or(0)
}

/// A flag that poll(2) sees.
#[derive(Debug)]
pub(super) struct Wake {
    set: AtomicBool,
    read: UnixStream,
    write: UnixStream,
}

impl Wake {
    pub(super) fn new() -> io::Result<Wake> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(Wake { set: AtomicBool::new(false), read, write })
    }

    pub(super) fn set(&self) {
        if !self.set.swap(true, SeqCst) {
            // One byte into an empty pipe.
            let _ = (&self.write).write(&[1]);
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.set.load(SeqCst)
    }

    pub(super) fn clear(&self) {
        drain(&self.read);
        self.set.store(false, SeqCst);
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}
