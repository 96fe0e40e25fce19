//! What systemd is told, `sd_notify(3)`. `NOTIFY_SOCKET` stays set: the environment is never
//! changed, and `NotifyAccess=main` keeps children out.

use std::io;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::slot::{self, STOPPING_TIME, Sums, serving};
use crate::{Notify, NotifyState};

/// Tells systemd what becomes of a serving process.
#[derive(Debug)]
pub(crate) struct Herald(slot::Herald);

impl Herald {
    /// Starts the thread that tells; it ends with the herald.
    pub(crate) fn new() -> io::Result<Herald> {
        let notify = Notify::from_env().map_err(io::Error::other)?;
        slot::Herald::new(notify).map(Herald)
    }

    /// Every accept loop lives. Returns when systemd's socket has taken it.
    pub(crate) async fn ready(&self, share: f64) -> io::Result<()> {
        let sent = self.send(vec![NotifyState::Ready], Some(serving(share))).await;
        sent.unwrap_or_else(|_| Err(io::Error::other("the notifying thread is gone")))
    }

    /// The gate was moved while serving.
    pub(crate) fn gate(&self, share: f64) {
        drop(self.send(Vec::new(), Some(serving(share))));
    }

    /// The runtime that serves is alive: called by a task on it.
    pub(crate) fn alive(&self) {
        drop(self.send(vec![NotifyState::Watchdog], None));
    }

    /// The drain begins. Nothing depends on systemd hearing it: what is returned waits until its
    /// socket has taken it, but not long.
    pub(crate) fn stopping(
        &self,
        sums: Sums,
        deadline: Duration,
    ) -> impl Future<Output = ()> + use<> {
        let sent = self.send(slot::stopping(deadline), Some(left(sums, deadline)));
        async {
            let _ = tokio::time::timeout(STOPPING_TIME, sent).await;
        }
    }

    /// What is left, and for how long; sent once a second.
    pub(crate) fn draining(&self, sums: Sums, rest: Duration) {
        drop(self.send(Vec::new(), Some(left(sums, rest))));
    }

    fn send(
        &self,
        states: Vec<NotifyState<'static>>,
        status: Option<String>,
    ) -> oneshot::Receiver<io::Result<()>> {
        let (done, outcome) = oneshot::channel();
        // Whoever does not wait for the outcome does not need it.
        self.0.tell(states, status, move |told| drop(done.send(told.map_err(io::Error::other))));
        outcome
    }
}

fn left(sums: Sums, rest: Duration) -> String {
    let Sums { connections, in_flight, .. } = sums;
    let rest = rest.as_secs();
    format!(
        "Draining: {connections} connections left, {in_flight} requests in flight, {rest} s to the cut"
    )
}
