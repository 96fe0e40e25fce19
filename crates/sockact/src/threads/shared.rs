//! What the threads of a process share, and the guards by which it counts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::gate::Gate;
use super::wake::Wake;
use crate::slot::{Herald, Identity, Setting};

#[derive(Debug)]
pub(super) struct Shared {
    #[cfg(feature = "gate")]
    pub(super) who: Identity,
    pub(super) gate: Gate,
    pub(super) herald: Herald,
    pub(super) open: AtomicU64,
    pub(super) accepted: AtomicU64,
    /// Guards dropped since the drain began. Counted, not computed: they may all be gone before
    /// [`Drain::finish`](super::Drain::finish) is called.
    pub(super) finished: AtomicU64,
    pub(super) draining: Wake,
    /// A guard was dropped while draining.
    pub(super) left: Wake,
}

/// A connection or a job; the drain waits as long as it lives.
#[must_use = "the drain waits only as long as the guard lives"]
#[derive(Debug)]
pub struct Guard(Arc<Shared>);

impl Shared {
    #[cfg_attr(not(feature = "gate"), expect(unused_variables, reason = "nobody asks for it"))]
    pub(super) fn new(who: Identity, gate: Setting, herald: Herald) -> io::Result<Shared> {
        Ok(Shared {
            #[cfg(feature = "gate")]
            who,
            gate: Gate::new(gate)?,
            herald,
            open: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            draining: Wake::new()?,
            left: Wake::new()?,
        })
    }

    pub(super) fn guard(self: &Arc<Self>) -> Guard {
        self.open.fetch_add(1, SeqCst);
        self.accepted.fetch_add(1, SeqCst);
        Guard(Arc::clone(self))
    }

    /// Requests are not known here: what is counted is guards.
    #[cfg(feature = "gate")]
    pub(super) fn status(&self) -> crate::slot::Status<'_> {
        let sums = crate::slot::Sums {
            connections: self.open.load(SeqCst),
            accepted: self.accepted.load(SeqCst),
            in_flight: 0,
            requests: 0,
        };
        crate::slot::Status::new(&self.who.slot, self.draining.is_set(), self.gate.setting(), sums)
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
        // Asked again: the drain may have begun meanwhile, and waits for this one.
        if self.0.open.fetch_sub(1, SeqCst) == 1 && self.0.draining.is_set() {
            self.0.left.set();
        }
    }
}
