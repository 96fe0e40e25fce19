//! Events as readable descriptors, so that poll(2) can wait for them beside a listener.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

/// Readable with one byte for each SIGTERM and SIGINT. `draining` is set by the handler itself: no
/// thread may be waiting for a signal.
pub(super) fn signals(draining: &Wake) -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for signal in [SIGTERM, SIGINT] {
        // The handler does these in this order: who is woken finds the flag set.
        pipe::register(signal, write.try_clone()?)?;
        flag::register(signal, Arc::clone(&draining.set))?;
        pipe::register(signal, draining.write.try_clone()?)?;
    }
    // One that came between these may have done a part of it.
    if wait(&[read.as_fd()], Some(Duration::ZERO))? {
        draining.clear();
        draining.set();
    }
    Ok(read)
}

/// Waits until one of these is readable: whether one is.
pub(super) fn wait(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<bool> {
    let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
    let mut fds: Vec<_> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    loop {
        match poll(&mut fds, timeout.as_ref()) {
            Ok(readable) => return Ok(readable > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Reads what has come, and says how many bytes.
pub(super) fn drain(mut stream: &UnixStream) -> usize {
    let mut waste = [0; 64];
    stream.read(&mut waste).unwrap_or(0)
}

/// A flag that poll(2) sees.
#[derive(Debug)]
pub(super) struct Wake {
    set: Arc<AtomicBool>,
    read: UnixStream,
    write: UnixStream,
}

impl Wake {
    pub(super) fn new() -> io::Result<Wake> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(Wake { set: Arc::default(), read, write })
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
