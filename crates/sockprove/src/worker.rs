//! One thread of a load: clients, and what is due for them.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::client::http2::{STREAMS, Shared};
use crate::client::{Client, Counters};
use crate::failure::{Failure, FailureKind};
use crate::load::Going;
use crate::priority::be_on_time;
use crate::schedule::{self, Pace};
use crate::tally::{Fault, Sample, Tally};
use crate::target::Target;
use crate::timer::{Timer, clamped, micros};

/// The most clients of an open loop, over all threads.
const CLIENTS: u32 = 4096;

/// How many clients an open loop has from its begin, over all threads. More come when these have all something to do.
const FIRST_CLIENTS: u32 = 16;

/// How long a client of a closed loop rests after a failure: who is refused at once would ask a million times.
const REST: Duration = Duration::from_millis(1);

/// What one thread saw.
pub(crate) struct Seen {
    pub(crate) tally: Tally,
    pub(crate) counters: Counters,
    /// When its last client had ended.
    pub(crate) ended: Instant,
    /// Whether it ran as soon as it had something to do.
    pub(crate) on_time: bool,
}

/// A request that is due.
struct Job {
    due: Instant,
    /// Whether a client was free then.
    at_once: bool,
}

pub(crate) struct Worker {
    going: Going,
    index: u32,
    target: Rc<Target>,
    counters: Rc<Counters>,
    tally: RefCell<Tally>,
    answered: Cell<bool>,
    jobs: RefCell<VecDeque<Job>>,
    more: Notify,
    free: Cell<u32>,
    ended: Cell<bool>,
    on_time: Cell<bool>,
    shared: RefCell<Vec<Rc<Shared>>>,
}

impl Worker {
    pub(crate) fn new(going: Going, index: u32) -> Self {
        let target = Rc::new(going.load.target.clone());
        Self {
            going,
            index,
            target,
            counters: Rc::default(),
            tally: RefCell::default(),
            answered: Cell::new(false),
            jobs: RefCell::default(),
            more: Notify::new(),
            free: Cell::new(0),
            ended: Cell::new(false),
            on_time: Cell::new(false),
            shared: RefCell::default(),
        }
    }

    /// Sends requests until the load ends, and waits for their answers.
    pub(crate) async fn run(self) -> io::Result<Seen> {
        let this = Rc::new(self);
        let (index, threads) = (this.index, this.going.load.threads);
        let mut clients = JoinSet::new();
        match this.going.load.pace {
            Pace::Closed { connections } => {
                for _ in 0..schedule::share(connections.get(), index, threads) {
                    this.add_client(&mut clients);
                }
            }
            Pace::Open { rate } => this.send_on_time(rate, &mut clients).await?,
        }
        while clients.join_next().await.is_some() {}
        let ended = Instant::now();
        drop(clients);
        let this = Rc::into_inner(this).expect("all clients of it have ended");
        let (tally, on_time) = (this.tally.into_inner(), this.on_time.get());
        // A task of a connection may still hold the counters.
        let counters = (*this.counters).clone();
        Ok(Seen { tally, counters, ended, on_time })
    }

    fn add_client(self: &Rc<Self>, clients: &mut JoinSet<()>) {
        let number = clients.len() as u32;
        let mut shared = self.shared.borrow_mut();
        if number.is_multiple_of(STREAMS) {
            shared.push(Rc::default());
        }
        let connection = shared.last().expect("the first client makes one");
        let (target, counters) = (Rc::clone(&self.target), Rc::clone(&self.counters));
        let client = Client::new(self.going.load.kind, target, counters, Rc::clone(connection));
        clients.spawn_local(Rc::clone(self).send(client));
    }

    /// Gives each request to a client when it is due.
    async fn send_on_time(
        self: &Rc<Self>,
        rate: NonZeroU32,
        clients: &mut JoinSet<()>,
    ) -> io::Result<()> {
        // Not at full speed, where the load is as busy as the service lets it be, and would leave it no processor.
        self.on_time.set(be_on_time());
        let (index, threads) = (self.index, self.going.load.threads);
        let most = schedule::share(CLIENTS, index, threads) as usize;
        for _ in 0..schedule::share(FIRST_CLIENTS, index, threads) {
            self.add_client(clients);
        }
        let timer = Timer::new()?;
        for number in (u64::from(index)..).step_by(threads as usize) {
            let due = self.going.start + schedule::due(number, rate);
            // What was due is sent, also when the machine comes to it after the end.
            if due >= self.going.end() {
                break;
            }
            tokio::select! {
                biased;
                () = self.going.over() => break,
                waited = timer.until(due) => waited?,
            }
            let waiting = self.jobs.borrow().len() as u32;
            let mut at_once = self.free.get() > waiting;
            if !at_once && clients.len() < most {
                self.add_client(clients);
                at_once = true;
            }
            self.jobs.borrow_mut().push_back(Job { due, at_once });
            self.more.notify_one();
        }
        self.ended.set(true);
        self.more.notify_waiters();
        Ok(())
    }

    /// The next request of a client; none when the load is over.
    async fn next(&self) -> Option<Job> {
        if let Pace::Closed { .. } = self.going.load.pace {
            return (!self.going.is_over()).then(|| Job { due: Instant::now(), at_once: true });
        }
        let _free = Free::new(&self.free);
        loop {
            // Before the look, so that nothing that comes between is missed.
            let more = self.more.notified();
            if let Some(job) = self.jobs.borrow_mut().pop_front() {
                return Some(job);
            }
            if self.ended.get() {
                return None;
            }
            more.await;
        }
    }

    /// What one client does from its begin to its end.
    async fn send(self: Rc<Self>, mut client: Client) {
        let limit = self.going.load.timeout;
        loop {
            let job = tokio::select! {
                biased;
                job = self.next() => job,
                failure = client.idle() => {
                    self.failed(Instant::now(), failure);
                    continue;
                }
            };
            let Some(Job { due, at_once }) = job else { break };
            if at_once && matches!(self.going.load.pace, Pace::Open { .. }) {
                let late = clamped(due.elapsed());
                self.tally.borrow_mut().late_us.push(late);
            }
            let late = |what: &str| {
                let words = format!("{what} within {} ms", limit.as_millis());
                Err(Failure::new(FailureKind::Timeout, words))
            };
            let until = due + limit;
            // Where its time is over before a client had any for it, nobody waits for an answer: the service is not asked in vain.
            let answered = if Instant::now() < until {
                let answered = tokio::time::timeout_at(until.into(), client.exchange()).await;
                answered.unwrap_or_else(|_| late("no whole answer"))
            } else {
                late("not sent")
            };
            let checked = answered.and_then(|answered| {
                self.check(answered.status, client.body())?;
                Ok(answered.at)
            });
            match checked {
                Ok(at) => self.answered(due, at, client.body()),
                Err(failure) => {
                    self.failed(due, failure);
                    if let Pace::Closed { .. } = self.going.load.pace {
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        }
        client.close().await;
    }

    fn check(&self, status: u16, body: Option<&[u8]>) -> Result<(), Failure> {
        if !(200..300).contains(&status) {
            return Err(Failure::new(FailureKind::Status, format!("status {status}")));
        }
        let expected = &self.going.load.expect;
        match body {
            Some(body)
                if !expected.is_empty() && !expected.iter().any(|e| e.as_bytes() == body) =>
            {
                let found: String = String::from_utf8_lossy(body).chars().take(100).collect();
                let words = format!("body {found:?} instead of {}", expected.join(" or "));
                Err(Failure::new(FailureKind::Body, words))
            }
            _ => Ok(()),
        }
    }

    fn answered(&self, due: Instant, at: Instant, body: Option<&[u8]>) {
        let start = self.going.start;
        let took_us = clamped(at.saturating_duration_since(due));
        let mut tally = self.tally.borrow_mut();
        tally.answered(Sample { due_us: micros(start, due), took_us });
        if let Some(body) = body.filter(|_| self.going.load.by_body) {
            tally.body(body, micros(start, at));
        }
        if !self.answered.replace(true) {
            // An error means that nobody waits for it.
            let _ = self.going.answered.send(());
        }
    }

    fn failed(&self, due: Instant, failure: Failure) {
        let start = self.going.start;
        let (due_us, at_us) = (micros(start, due), micros(start, Instant::now()));
        self.tally.borrow_mut().failed(Fault { due_us, at_us, failure });
    }
}

/// A client that waits for something to do.
struct Free<'a>(&'a Cell<u32>);

impl<'a> Free<'a> {
    fn new(free: &'a Cell<u32>) -> Self {
        free.set(free.get() + 1);
        Self(free)
    }
}

impl Drop for Free<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
