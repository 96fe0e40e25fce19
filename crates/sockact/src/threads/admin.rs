//! The admin socket of a process with threads: one that accepts, and one for each client, of which there are few.

use std::fmt;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::accept::is_nobodys;
use super::http::{Client, Head, Heard};
use super::shared::Shared;
use crate::slot::{Answer, Asked, CONNECTIONS, Pace, asked, serving, wish};

/// Health checks at a time. One that hangs holds its thread: the rest of the connections is for the controller's
/// other questions.
const CHECKS: usize = CONNECTIONS / 2;

/// An application's own word on its health, at a path.
pub(super) struct Check {
    pub(super) path: String,
    pub(super) check: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Admin {
    shared: Arc<Shared>,
    checks: Vec<Check>,
    pace: Pace,
    clients: Mutex<usize>,
    left: Condvar,
    checking: AtomicUsize,
}

/// Answers on this listener for as long as the process lives.
pub(super) fn start(
    listener: UnixListener,
    shared: Arc<Shared>,
    checks: Vec<Check>,
) -> io::Result<()> {
    let admin = Arc::new(Admin {
        shared,
        checks,
        pace: Pace::new(),
        clients: Mutex::new(0),
        left: Condvar::new(),
        checking: AtomicUsize::new(0),
    });
    let run = move || admin.run(&listener);
    thread::Builder::new().name("sockact-admin".to_owned()).spawn(run).map(drop)
}

/// One of the few that are served at a time.
struct Place(Arc<Admin>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.clients.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_one();
    }
}

impl Admin {
    fn run(self: &Arc<Self>, listener: &UnixListener) {
        loop {
            let place = self.place();
            pause_until(self.pace.turn());
            let served = next(listener).and_then(|stream| {
                let serve = move || place.0.talk(stream);
                thread::Builder::new().name("sockact-admin".to_owned()).spawn(serve)
            });
            if served.is_err() {
                // No descriptors or threads left: the public side says it.
                pause_until(Instant::now() + Duration::from_millis(100));
            }
        }
    }

    fn place(self: &Arc<Self>) -> Place {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |clients: &mut usize| *clients >= CONNECTIONS;
        let mut clients =
            self.left.wait_while(clients, full).unwrap_or_else(PoisonError::into_inner);
        *clients += 1;
        Place(Arc::clone(self))
    }

    fn talk(&self, stream: UnixStream) {
        let mut client = Client::new(stream);
        loop {
            let head = match client.head() {
                Heard::Request(head) => head,
                Heard::Garbage(answer) => return client.refuse(&answer),
                Heard::Nothing => return,
            };
            pause_until(self.pace.turn());
            let body = match client.body(&head) {
                Ok(body) => body,
                Err(answer) => return client.refuse(&answer),
            };
            let sent = client.send(&self.answer(&head, &body), Some(&head));
            if sent.is_err() || head.last {
                return;
            }
        }
    }

    fn answer(&self, head: &Head, body: &[u8]) -> Answer {
        match asked(&head.method, &head.path) {
            Some(Asked::Status) => Answer::status(&self.shared.status()),
            Some(Asked::Metrics) => Answer::metrics(&self.shared.status()),
            Some(Asked::NotAllowed(allowed)) => Answer::not_allowed(allowed),
            Some(Asked::PutGate) => self.put_gate(body).unwrap_or_else(|answer| answer),
            None => self.health(head),
        }
    }

    /// Moves the gate; when this returns it is in force.
    fn put_gate(&self, body: &[u8]) -> Result<Answer, Answer> {
        let setting = wish(body, self.shared.draining.is_set(), &self.shared.who)?;
        let moved = self.shared.gate.set(setting);
        moved.map_err(|e| Answer::line(503, &format!("cannot move the gate: {e}")))?;
        if !self.shared.draining.is_set() {
            // Nobody waits for systemd to hear it.
            self.shared.herald.tell(Vec::new(), Some(serving(setting.share())), drop);
        }
        Ok(Answer::status(&self.shared.status()))
    }

    fn health(&self, head: &Head) -> Answer {
        let Some(check) = self.checks.iter().find(|check| check.path == head.path) else {
            return Answer::line(404, "no health check answers here: give one to Drain::health");
        };
        if !matches!(&*head.method, "GET" | "HEAD") {
            return Answer::not_allowed("GET, HEAD");
        }
        let checking = Checking(&self.checking);
        if checking.0.fetch_add(1, SeqCst) >= CHECKS {
            return Answer::line(503, &format!("{CHECKS} health checks have not ended yet"));
        }
        match (check.check)() {
            Ok(()) => Answer::line(200, "healthy"),
            Err(why) => Answer::line(503, &why),
        }
    }
}

/// A check that runs; one that panics is over too.
struct Checking<'a>(&'a AtomicUsize);

impl Drop for Checking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn next(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        match poll(&mut [PollFd::new(listener, PollFlags::IN)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        match listener.accept() {
            Ok((stream, _)) => return Ok(stream),
            Err(e) if is_nobodys(&e) => {}
            Err(e) => return Err(e),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a pause is what is meant: the pace is bounded")]
fn pause_until(at: Instant) {
    thread::sleep(at.saturating_duration_since(Instant::now()));
}
