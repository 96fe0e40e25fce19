//! The drain for plain threads: no async runtime, nothing but `std` and system calls.

mod error;
mod wake;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sd_notify::NotifyState;

pub use error::ThreadsError;

use crate::{End, Report};
use wake::Wake;

/// How often systemd is told what is left.
const STATUS: Duration = Duration::from_secs(1);

/// The drain of a server that gives each connection a thread.
///
/// ```no_run
/// use std::io::{BufRead, BufReader, Write};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listeners = sockact::listeners()?;
/// let echo = listeners.tcp("echo")?;
/// let drain = sockact::threads::Drain::new()?;
/// drain.ready()?;
/// while let Some((mut stream, guard)) = drain.accept(&echo)? {
///     std::thread::spawn(move || {
///         let lines = BufReader::new(stream.try_clone()?).lines();
///         for line in lines {
///             writeln!(stream, "{}", line?)?;
///             if guard.is_draining() {
///                 break;
///             }
///         }
///         drop(guard);
///         Ok::<_, std::io::Error>(())
///     });
/// }
/// eprintln!("{}", drain.finish());
/// # Ok(()) }
/// ```
///
/// There is no gate and no admin socket here: a deploy of such a program lets the new slot accept
/// as soon as it is ready.
#[derive(Debug)]
pub struct Drain {
    shared: Arc<Shared>,
    /// A byte comes in with each SIGTERM and SIGINT. Left unread until [`Drain::finish`], so that
    /// every accept loop sees it.
    signals: UnixStream,
    deadline: Duration,
}

#[derive(Debug)]
struct Shared {
    open: AtomicU64,
    accepted: AtomicU64,
    /// Guards dropped since the drain began. Counted, not computed: they may all be gone before
    /// [`Drain::finish`] is called.
    finished: AtomicU64,
    draining: Wake,
    /// A guard was dropped while draining.
    left: Wake,
}

/// A connection or a job; the drain waits as long as it lives.
#[must_use = "the drain waits only as long as the guard lives"]
#[derive(Debug)]
pub struct Guard(Arc<Shared>);

/// What can be accepted from: `std`'s two listeners.
pub trait Accept: AsFd + sealed::Sealed {
    /// A connection.
    type Stream;
    /// accept(2).
    #[doc(hidden)]
    fn accept_one(&self) -> io::Result<Self::Stream>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for std::net::TcpListener {}
    impl Sealed for std::os::unix::net::UnixListener {}
}

impl Accept for TcpListener {
    type Stream = TcpStream;
    fn accept_one(&self) -> io::Result<TcpStream> {
        self.accept().map(|(stream, _)| stream)
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;
    fn accept_one(&self) -> io::Result<UnixStream> {
        self.accept().map(|(stream, _)| stream)
    }
}

impl Drain {
    /// Handles SIGTERM and SIGINT from here on. The deadline is 30 seconds or the environment's
    /// `SOCKACT_DRAIN_USEC` (microseconds).
    ///
    /// # Errors
    /// When the handlers cannot be installed, or the variable holds no number.
    pub fn new() -> Result<Drain, ThreadsError> {
        let deadline = match std::env::var_os("SOCKACT_DRAIN_USEC") {
            None => Duration::from_secs(30),
            Some(value) => match value.to_str().and_then(|v| v.parse().ok()) {
                Some(usec) => Duration::from_micros(usec),
                None => return Err(ThreadsError::DrainUsec { value }),
            },
        };
        let signals = wake::signals().map_err(|source| ThreadsError::Signals { source })?;
        let wake = || Wake::new().map_err(|source| ThreadsError::Signals { source });
        let shared = Shared {
            open: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            draining: wake()?,
            left: wake()?,
        };
        Ok(Drain { shared: Arc::new(shared), signals, deadline })
    }

    /// Tells systemd `READY=1` (`sd_notify(3)`): call it when everything is set up.
    ///
    /// # Errors
    /// When `NOTIFY_SOCKET` is set and does not take it.
    pub fn ready(&self) -> Result<(), ThreadsError> {
        sd_notify::notify(&[NotifyState::Ready, NotifyState::Status("Serving")])
            .map_err(|source| ThreadsError::Ready { source })
    }

    /// The next connection; `None` once the drain has begun. Any number of threads may wait here,
    /// on the same or different listeners. What waits in the backlog then is the other slot's.
    ///
    /// The listener should be non-blocking, as those of [`listeners`](crate::listeners()) are:
    /// with a blocking one a thread may hang when the other slot was quicker.
    ///
    /// # Errors
    /// Those of accept(2) that are not the connection's own, such as EMFILE: pause, and try again.
    pub fn accept<L: Accept>(&self, listener: &L) -> io::Result<Option<(L::Stream, Guard)>> {
        loop {
            if self.wait(listener.as_fd(), None)? {
                return Ok(None);
            }
            match listener.accept_one() {
                Ok(stream) => return Ok(Some((stream, self.guard()))),
                Err(e) if is_nobodys(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// For work that came in another way: a datagram, a job.
    pub fn guard(&self) -> Guard {
        self.shared.open.fetch_add(1, SeqCst);
        self.shared.accepted.fetch_add(1, SeqCst);
        Guard(Arc::clone(&self.shared))
    }

    /// Whether SIGTERM or SIGINT has come.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.is_set()
    }

    /// Waits until a descriptor is readable or a signal came, which it returns.
    fn wait(&self, other: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
        loop {
            let mut fds = [
                PollFd::new(&self.signals, PollFlags::IN),
                PollFd::from_borrowed_fd(other, PollFlags::IN),
            ];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) => {
                    let signal = !fds[0].revents().is_empty();
                    if signal {
                        self.shared.draining.set();
                    }
                    return Ok(signal);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Drains: tells systemd `STOPPING=1`, waits until every [`Guard`] is dropped, the deadline
    /// has passed or a second signal comes, and says which. Close the listeners before.
    pub fn finish(self) -> Report {
        let began = Instant::now();
        self.shared.draining.set();
        // Nothing depends on systemd hearing it.
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        // The first signal's bytes; another one is the second signal.
        let mut signals = wake::drain(&self.signals);
        let end = loop {
            let open = self.shared.open.load(SeqCst);
            if open == 0 {
                break End::Drained;
            }
            if signals > 1 {
                break End::SecondSignal;
            }
            let Some(rest) = self.deadline.checked_sub(began.elapsed()) else {
                break End::Deadline;
            };
            let status = format!("Draining: {open} left, {} s to the cut", rest.as_secs());
            let _ = sd_notify::notify(&[NotifyState::Status(&status)]);
            if self.wait(self.shared.left.as_fd(), Some(rest.min(STATUS))).unwrap_or(false) {
                signals += wake::drain(&self.signals).max(1);
            }
            self.shared.left.clear();
        };
        let open = self.shared.open.load(SeqCst);
        let accepted = self.shared.accepted.load(SeqCst);
        Report {
            end,
            drained: began.elapsed(),
            finished: self.shared.finished.load(SeqCst),
            cut: open,
            cut_requests: 0,
            cut_upgraded: 0,
            cut_guards: open,
            accepted,
            requests: 0,
        }
    }
}

impl Guard {
    /// Whether the drain has begun: finish what is begun and close.
    pub fn is_draining(&self) -> bool {
        self.0.draining.is_set()
    }

    /// Readable once the drain has begun: for poll(2) beside a connection's descriptor.
    pub fn draining_fd(&self) -> BorrowedFd<'_> {
        self.0.draining.as_fd()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Before `open` says so, or the last one would be missing in the report.
        let draining = self.0.draining.is_set();
        if draining {
            self.0.finished.fetch_add(1, SeqCst);
        }
        if self.0.open.fetch_sub(1, SeqCst) == 1 && draining {
            self.0.left.set();
        }
    }
}

/// Another slot was quicker, or the connection broke before it was accepted.
fn is_nobodys(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(e.kind(), WouldBlock | ConnectionAborted | Interrupted)
}
