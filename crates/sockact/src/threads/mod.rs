//! Gate, readiness, admin socket and drain for plain threads: no async runtime, nothing but `std` and
//! system calls.

mod accept;
#[cfg(feature = "gate")]
mod admin;
mod error;
mod gate;
#[cfg(feature = "gate")]
mod http;
mod shared;
mod wake;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

pub use accept::Accept;
pub use error::ThreadsError;
pub use shared::Guard;

use crate::slot::{
    Herald, Plan, STOPPING_TIME, Setting, Vars, monotonic, serving, stopping,
    widen_descriptor_table,
};
use crate::{End, Notify, NotifyError, NotifyState, Report};
use accept::{check_non_blocking, is_nobodys};
use shared::Shared;
use wake::wait;

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
/// # Under a controller
/// With the feature `gate`, which is on by default and brings no runtime, such a program deploys as
/// one with [`serve`](crate::serve()) does: a slot's environment says whether its gate is closed
/// at the start ([`accept`](Drain::accept) then waits), and a listener named `sockact-admin` is
/// answered on by threads of its own from [`ready`](Drain::ready) on. Connections and jobs are
/// counted there, requests are not: the library does not see them. Health probes are answered by
/// [`health`](Drain::health).
///
/// Without the feature there is no admin socket, and a gate that is not open is an error at the
/// start.
#[derive(Debug)]
pub struct Drain {
    shared: Arc<Shared>,
    /// A byte comes in with each SIGTERM and SIGINT: [`Drain::finish`] counts them.
    signals: UnixStream,
    deadline: Duration,
    /// The gate may move.
    gated: AtomicBool,
    #[cfg(feature = "gate")]
    checks: std::sync::Mutex<Vec<admin::Check>>,
}

impl Drain {
    /// Handles SIGTERM and SIGINT from here on. The deadline is 30 seconds or the environment's
    /// `SOCKACT_DRAIN_USEC` (microseconds); the gate is open or what `SOCKACT_GATE` says.
    ///
    /// # Errors
    /// When the handlers cannot be installed, or a variable means nothing.
    pub fn new() -> Result<Drain, ThreadsError> {
        let orders = Vars::from_env().orders()?;
        let gated = orders.gate != Setting::OPEN;
        #[cfg(not(feature = "gate"))]
        if gated {
            return Err(ThreadsError::NoGate { share: orders.gate.share() });
        }
        let notify = Notify::from_env().map_err(|source| ThreadsError::Ready { source })?;
        let herald = Herald::new(notify)
            .map_err(|source| ThreadsError::Thread { name: "sockact-notify", source })?;
        let shared = Shared::new(orders.who, orders.gate, herald)
            .map_err(|source| ThreadsError::Signals { source })?;
        let signals =
            wake::signals(&shared.draining).map_err(|source| ThreadsError::Signals { source })?;
        Ok(Drain {
            shared: Arc::new(shared),
            signals,
            deadline: orders.drain.unwrap_or(Duration::from_secs(30)),
            gated: AtomicBool::new(gated),
            #[cfg(feature = "gate")]
            checks: std::sync::Mutex::default(),
        })
    }

    /// Answers health probes that come in on the admin socket for this path: 200 when `check` says
    /// that all is well, else 503 with its error. It is called on a thread of the admin socket's, by
    /// several at a time; what it may wait for is bounded by the controller's patience alone, so
    /// bound it. Other paths are answered 404.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), sockact::threads::ThreadsError> {
    /// let drain = sockact::threads::Drain::new()?
    ///     .health("/health", || std::fs::metadata("/var/lib/shop/db").map(drop));
    /// # drop(drain); Ok(()) }
    /// ```
    #[cfg(feature = "gate")]
    #[must_use]
    pub fn health<E: std::fmt::Display>(
        mut self,
        path: &str,
        check: impl Fn() -> Result<(), E> + Send + Sync + 'static,
    ) -> Drain {
        let check = Box::new(move || check().map_err(|e| e.to_string()));
        let checks = self.checks.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        checks.push(admin::Check { path: path.to_owned(), check });
        self
    }

    /// Answers on the admin socket, if one was passed, and tells systemd `READY=1`
    /// (`sd_notify(3)`): call it when everything is set up.
    ///
    /// # Errors
    /// When the admin socket's thread cannot be started, or `NOTIFY_SOCKET` is set and does not
    /// take it.
    pub fn ready(&self) -> Result<(), ThreadsError> {
        widen_descriptor_table();
        #[cfg(feature = "gate")]
        self.start_admin()?;
        let status = serving(self.shared.gate.setting().share());
        self.tell(vec![NotifyState::Ready], status)
            .recv()
            .unwrap_or(Ok(()))
            .map_err(|source| ThreadsError::Ready { source })
    }

    /// Tells systemd; what is returned says when that was done.
    fn tell(
        &self,
        states: Vec<NotifyState<'static>>,
        status: String,
    ) -> mpsc::Receiver<Result<(), NotifyError>> {
        let (done, told) = mpsc::sync_channel(1);
        // Whoever does not wait for the outcome does not need it.
        self.shared.herald.tell(states, Some(status), move |outcome| drop(done.send(outcome)));
        told
    }

    #[cfg(feature = "gate")]
    fn start_admin(&self) -> Result<(), ThreadsError> {
        let Some(listener) = crate::adopt::take_admin() else { return Ok(()) };
        self.gated.store(true, SeqCst);
        let checks = {
            let mut checks = self.checks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            std::mem::take(&mut *checks)
        };
        admin::start(listener, Arc::clone(&self.shared), checks)
            .map_err(|source| ThreadsError::Thread { name: "sockact-admin", source })
    }

    /// The next connection that the gate lets in; `None` once the drain has begun. Any number of
    /// threads may wait here, on the same or different listeners. What waits in the backlog then is
    /// the other slot's.
    ///
    /// The listener should be non-blocking, as those of [`listeners`](crate::listeners()) are:
    /// with a blocking one a thread may hang when the other slot was quicker. In a slot that has a
    /// gate it must be.
    ///
    /// # Errors
    /// Those of accept(2) that are not the connection's own, such as EMFILE: pause, and try again.
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a blocking listener in a slot with a gate.
    pub fn accept<L: Accept>(&self, listener: &L) -> io::Result<Option<(L::Stream, Guard)>> {
        if self.gated.load(SeqCst) {
            check_non_blocking(listener)?;
        }
        let shared = &self.shared;
        loop {
            let turn = shared.gate.turn(listener);
            let (is_open, until) = match turn.plan {
                Plan::Closed => (false, None),
                Plan::Open => (true, None),
                Plan::OpenUntil(edge) => (true, Some(edge)),
                Plan::ShutUntil(edge) => (false, Some(edge)),
            };
            let all = [shared.draining.as_fd(), turn.over.as_fd(), listener.as_fd()];
            let watched = if is_open { &all[..] } else { &all[..2] };
            wait(watched, until.map(|edge| edge.saturating_sub(monotonic())))?;
            if self.is_draining() {
                return Ok(None);
            }
            if !is_open {
                continue;
            }
            let accept = || Ok((listener.accept_one()?, shared.guard()));
            match shared.gate.pass(&turn, listener, accept) {
                Some(Ok(accepted)) => return Ok(Some(accepted)),
                Some(Err(e)) if !is_nobodys(&e) => return Err(e),
                _ => {}
            }
        }
    }

    /// For work that came in another way: a datagram, a job.
    pub fn guard(&self) -> Guard {
        self.shared.guard()
    }

    /// Whether SIGTERM or SIGINT has come, also when no thread waits in
    /// [`accept`](Drain::accept).
    pub fn is_draining(&self) -> bool {
        self.shared.draining.is_set()
    }

    /// Drains: tells systemd `STOPPING=1` and asks it for the time that this may take
    /// (`EXTEND_TIMEOUT_USEC=`, which lengthens a shorter `TimeoutStopSec=`), waits until every [`Guard`] is dropped, the deadline
    /// has passed or a second signal comes, and says which. Close the listeners before.
    pub fn finish(self) -> Report {
        let began = Instant::now();
        self.shared.draining.set();
        self.shared.gate.release();
        // Nothing depends on systemd hearing it.
        let told = self.tell(stopping(self.deadline), self.left(self.deadline));
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
            self.tell(Vec::new(), self.left(rest));
            let _ = wait(&[self.signals.as_fd(), self.shared.left.as_fd()], Some(rest.min(STATUS)));
            signals += wake::drain(&self.signals);
            self.shared.left.clear();
        };
        let _ = told.recv_timeout(STOPPING_TIME);
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

    /// What is left, and for how long.
    fn left(&self, rest: Duration) -> String {
        let open = self.shared.open.load(SeqCst);
        format!("Draining: {open} left, {} s to the cut", rest.as_secs())
    }
}
