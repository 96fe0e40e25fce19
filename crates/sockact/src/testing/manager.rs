//! The service manager's side of notifications.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// The largest notification that systemd reads, `NOTIFY_BUFFER_MAX` of its manager.c.
const LARGEST: usize = 4096;

/// A bound notify socket and what came to it.
#[derive(Debug)]
pub(super) struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<String>,
    stored: Vec<(String, OwnedFd)>,
}

/// What happened.
pub(super) enum Event {
    /// A message came.
    Heard,
    /// The process ended, and all its messages were read.
    Ended,
    /// Neither, until the end of the time.
    Late,
}

impl Manager {
    /// Binds a socket in the directory of temporary files: not an abstract one, which not every
    /// program can send to.
    pub(super) fn new() -> io::Result<Manager> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockact-testing-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Left by a killed process that had our id.
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path)?;
        Ok(Manager { socket, path, heard: Vec::new(), stored: Vec::new() })
    }

    pub(super) fn address(&self) -> &Path {
        &self.path
    }

    pub(super) fn heard(&self) -> &[String] {
        &self.heard
    }

    pub(super) fn take_stored(&mut self) -> Vec<(String, OwnedFd)> {
        std::mem::take(&mut self.stored)
    }

    /// Waits for a message, the end of the process, or the end of the time.
    pub(super) fn next(&mut self, pidfd: &OwnedFd, end: Instant) -> io::Result<Event> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wait = Timespec::try_from(left).ok();
            let mut fds =
                [PollFd::new(&self.socket, PollFlags::IN), PollFd::new(pidfd, PollFlags::IN)];
            match poll(&mut fds, wait.as_ref()) {
                Ok(0) if left.is_zero() => return Ok(Event::Late),
                Ok(0) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
                // The messages first: an ended process may have left some.
                Ok(_) if !fds[0].revents().is_empty() => return self.receive(),
                Ok(_) => return Ok(Event::Ended),
            }
        }
    }

    fn receive(&mut self) -> io::Result<Event> {
        let mut buffer = [0; LARGEST];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut text = [IoSliceMut::new(&mut buffer)];
        let got = recvmsg(&self.socket, &mut text, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let fds = control.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
            _ => Vec::new(),
        });
        let fds: Vec<OwnedFd> = fds.collect();
        let text = String::from_utf8_lossy(&buffer[..got.bytes]).into_owned();
        if text.lines().any(|l| l == "FDSTORE=1") {
            let name = text.lines().find_map(|l| l.strip_prefix("FDNAME=")).unwrap_or("stored");
            self.stored.extend(fds.into_iter().map(|fd| (name.to_owned(), fd)));
        }
        // All other descriptors are closed here, which is the answer to BARRIER=1.
        self.heard.extend(text.lines().map(str::to_owned));
        Ok(Event::Heard)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // A file that someone removed before needs no removing.
        let _ = std::fs::remove_file(&self.path);
    }
}
