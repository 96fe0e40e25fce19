//! Who is connected: an account for each connection, and the list of them.
//!
//! The hot path touches its own connection's account alone; a connection enters and leaves the list
//! once. Sums are made when somebody asks.

use std::collections::HashMap;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::pipeline::{BodyLength, Outgoing, Tally};
use crate::slot::Sums;

/// Where the process stands. It goes to and fro between the first two, and from there only ever down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Phase {
    Serving,
    /// The gate is closed: clients are sent to the other slot, each with its next answer.
    Standby,
    Draining,
    /// What is still open now is dropped.
    Cutting,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Protocol {
    /// Too few bytes came to tell.
    Unknown,
    Http1,
    Http2,
    /// Handed to the application after `101` or CONNECT.
    Upgraded,
    /// No connection that is read here: work with a guard.
    Guard,
}

/// All public connections of the process.
#[derive(Debug)]
pub(crate) struct Tracker {
    phase: AtomicU8,
    started: Instant,
    /// Milliseconds from `started` to the begin of the drain.
    drain_began: AtomicU64,
    /// Milliseconds.
    idle_window: AtomicU64,
    list: Mutex<List>,
    changed: Notify,
    moved: Notify,
}

#[derive(Debug, Default)]
struct List {
    open: HashMap<u64, Arc<Account>>,
    accepted: u64,
    /// Requests of connections that have left.
    requests: u64,
}

/// What the cut at the end of a drain meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) requests: u64,
    pub(crate) upgraded: u64,
    pub(crate) guards: u64,
}

/// One connection's account.
#[derive(Debug)]
pub(crate) struct Account {
    tracker: Arc<Tracker>,
    protocol: AtomicU8,
    /// Requests that began, and those that ended: two counters that only grow, so that each is one addition for a request.
    requests: AtomicU64,
    ended: AtomicU64,
    /// Milliseconds from the tracker's start to the end of the last response; kept while draining.
    answered: AtomicU64,
    tally: Tally,
    outgoing: Outgoing,
    task: Mutex<Option<Waker>>,
    /// The client was told that no further answer comes on this connection.
    dismissed: AtomicBool,
}

/// Held by the I/O object: the connection is open as long as this lives.
#[derive(Debug)]
pub(crate) struct Entry {
    key: u64,
    pub(crate) account: Arc<Account>,
}

impl Tracker {
    pub(crate) fn new() -> Arc<Tracker> {
        Arc::new(Tracker {
            phase: AtomicU8::new(Phase::Serving as u8),
            started: Instant::now(),
            drain_began: AtomicU64::new(0),
            idle_window: AtomicU64::new(0),
            list: Mutex::default(),
            changed: Notify::new(),
            moved: Notify::new(),
        })
    }

    pub(crate) fn set_idle_window(&self, window: Duration) {
        self.idle_window.store(window.as_millis() as u64, Relaxed);
    }

    /// Enters a connection that was just accepted.
    pub(crate) fn enter(self: &Arc<Self>) -> Entry {
        let account = Arc::new(Account {
            tracker: Arc::clone(self),
            protocol: AtomicU8::new(Protocol::Unknown as u8),
            requests: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            tally: Tally::default(),
            outgoing: Outgoing::default(),
            task: Mutex::new(None),
            dismissed: AtomicBool::new(false),
        });
        let mut list = lock(&self.list);
        let key = list.accepted;
        list.accepted += 1;
        list.open.insert(key, Arc::clone(&account));
        Entry { key, account }
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Serving,
            1 => Phase::Standby,
            2 => Phase::Draining,
            _ => Phase::Cutting,
        }
    }

    /// Moves on and lets every connection know.
    pub(crate) fn enter_phase(&self, phase: Phase) {
        if phase == Phase::Draining {
            self.drain_began.store(self.now(), Relaxed);
        }
        self.phase.store(phase as u8, Relaxed);
        // The lock orders the store before every later `enter`, and wakes see it.
        self.wake_if(|_| true);
        self.moved.notify_waiters();
    }

    /// The gate was closed, or opened again. Without a word once the drain has begun.
    pub(crate) fn stand_by(&self, closed: bool) {
        let (from, to) = if closed {
            (Phase::Serving, Phase::Standby)
        } else {
            (Phase::Standby, Phase::Serving)
        };
        if self.phase.compare_exchange(from as u8, to as u8, Relaxed, Relaxed).is_ok() && closed {
            // HTTP/2 has something to say at once.
            self.wake_if(|account| account.protocol() == Protocol::Http2);
        }
    }

    /// Waits until the process stands there, or further.
    pub(crate) async fn entered(&self, phase: Phase) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.phase() >= phase {
                return;
            }
            moved.await;
        }
    }

    /// What is still open, by kind.
    pub(crate) fn left(&self) -> Left {
        let mut left = Left::default();
        for account in lock(&self.list).open.values() {
            left.requests += account.in_flight();
            left.upgraded += u64::from(account.protocol() == Protocol::Upgraded);
            left.guards += u64::from(account.protocol() == Protocol::Guard);
        }
        left
    }

    /// Lets those connections look at the clock whose idle window has passed.
    pub(crate) fn wake_overdue(&self) {
        self.wake_if(Account::is_overdue);
    }

    fn wake_if(&self, which: impl Fn(&Account) -> bool) {
        let wakers: Vec<Waker> = {
            let list = lock(&self.list);
            let which = list.open.values().filter(|a| which(a));
            which.filter_map(|a| lock(&a.task).clone()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn sums(&self) -> Sums {
        let list = lock(&self.list);
        let mut sums = Sums {
            connections: list.open.len() as u64,
            accepted: list.accepted,
            requests: list.requests,
            in_flight: 0,
        };
        for account in list.open.values() {
            sums.in_flight += account.in_flight();
            sums.requests += account.requests.load(Relaxed);
        }
        sums
    }

    /// Waits until no connection is open.
    pub(crate) async fn emptied(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if lock(&self.list).open.is_empty() {
                return;
            }
            changed.await;
        }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }
}

impl Account {
    pub(crate) fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    pub(crate) fn phase(&self) -> Phase {
        self.tracker.phase()
    }

    /// Whether this answer, to a request of that body, has to be an HTTP/1 connection's last: the client's next request goes
    /// to a new connection, to the other slot (RFC 9112, section 9.6).
    pub(crate) fn dismisses(&self, body: BodyLength) -> bool {
        let last = self.phase() != Phase::Serving && !self.tally.more_behind(body);
        if last {
            self.dismissed.store(true, Relaxed);
        }
        last
    }

    /// Whether what the client may still send has to be waited for when the connection is closed.
    pub(crate) fn closes_politely(&self) -> bool {
        let told = self.dismissed.load(Relaxed) || self.phase() == Phase::Draining;
        told && self.protocol() != Protocol::Upgraded
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.protocol.load(Relaxed) {
            0 => Protocol::Unknown,
            1 => Protocol::Http1,
            2 => Protocol::Http2,
            4 => Protocol::Guard,
            _ => Protocol::Upgraded,
        }
    }

    pub(crate) fn set_protocol(&self, protocol: Protocol) {
        self.protocol.store(protocol as u8, Relaxed);
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(crate) fn request_begins(&self) {
        if self.outgoing.is_owed() {
            // HTTP/1 answers in order: the server has taken all of the response before.
            self.outgoing.forgive();
            self.request_ends();
        }
        self.requests.fetch_add(1, Relaxed);
        if self.protocol() == Protocol::Http1 {
            self.tally.request();
        }
    }

    pub(crate) fn request_ends(&self) {
        if self.protocol() == Protocol::Http1 {
            self.tally.answered();
        }
        if self.phase() != Phase::Serving {
            self.answered.store(self.tracker.now(), Relaxed);
        }
        self.ended.fetch_add(1, Release);
    }

    /// The request that is being answered ends when a head and a body of this length are written.
    #[cfg(feature = "axum")]
    pub(crate) fn ends_after(&self, length: u64) {
        self.outgoing.owe(length);
    }

    /// Bytes were written.
    pub(crate) fn wrote(&self, data: &[u8]) {
        if self.outgoing.is_owed() && self.outgoing.wrote(data) {
            self.request_ends();
        }
    }

    fn in_flight(&self) -> u64 {
        // The ended ones first: a request that comes between the two counts as one more, not as one less than none.
        let ended = self.ended.load(Acquire);
        self.requests.load(Relaxed).saturating_sub(ended)
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.in_flight() > 0
    }

    /// The connection's task can be woken by this from now on.
    pub(crate) fn set_task(&self, waker: Option<Waker>) {
        *lock(&self.task) = waker;
    }

    /// Draining, and the client of this idle HTTP/1 connection has had its window for one more
    /// request: since the drain began, or since the last response if that was later.
    pub(crate) fn is_overdue(&self) -> bool {
        let tracker = &self.tracker;
        if tracker.phase() < Phase::Draining || self.is_answering() {
            return false;
        }
        if matches!(self.protocol(), Protocol::Upgraded | Protocol::Guard) {
            return false;
        }
        let since = self.answered.load(Relaxed).max(tracker.drain_began.load(Relaxed));
        let window = tracker.idle_window.load(Relaxed);
        tracker.now() >= since.saturating_add(window)
            && (self.protocol() == Protocol::Http2 || !self.tally.has_part_of_a_request())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let tracker = &self.account.tracker;
        let mut list = lock(&tracker.list);
        if let Some(account) = list.open.remove(&self.key) {
            list.requests += account.requests.load(Relaxed);
        }
        if list.open.is_empty() {
            tracker.changed.notify_waiters();
        }
    }
}

/// No code panics while it holds these locks; a poisoned one holds sound data.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
