//! What systemd is told, `sd_notify(3)`. `NOTIFY_SOCKET` stays set: the environment is never
//! changed, and `NotifyAccess=main` keeps children out.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::track::Sums;
use crate::{Notify, NotifyState};

/// How long the drain waits until systemd has taken `STOPPING=1`.
const STOPPING_TIME: Duration = Duration::from_secs(1);

/// How much longer than the drain's deadline systemd is asked to wait.
const MARGIN: Duration = Duration::from_secs(2);

/// Tells systemd, in order, on a thread of its own: the send blocks while PID 1 is busy (with a
/// daemon-reload, say) and its queue is full, and requests must not wait for that.
#[derive(Debug)]
pub(crate) struct Herald(mpsc::Sender<Errand>);

#[derive(Debug)]
struct Errand {
    states: Vec<NotifyState<'static>>,
    status: Option<String>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Herald {
    /// Starts the thread; it ends with the herald.
    pub(crate) fn new() -> io::Result<Herald> {
        let notify = Notify::from_env().map_err(io::Error::other)?;
        let (errands, received) = mpsc::channel::<Errand>();
        std::thread::Builder::new().name("sockact-notify".to_owned()).spawn(move || {
            for Errand { states, status, done } in received {
                let status = status.iter().map(|text| NotifyState::Status(text));
                let states: Vec<_> = states.into_iter().chain(status).collect();
                // Whoever does not wait for the outcome does not need it.
                let _ = done.send(notify.send(&states).map_err(io::Error::other));
            }
        })?;
        Ok(Herald(errands))
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
    /// socket has taken it, but not long. systemd is asked to wait as long as the drain may take:
    /// `EXTEND_TIMEOUT_USEC` lengthens a shorter `TimeoutStopSec=` and never shortens one.
    pub(crate) fn stopping(
        &self,
        sums: Sums,
        deadline: Duration,
    ) -> impl Future<Output = ()> + use<> {
        let time = u32::try_from(deadline.saturating_add(MARGIN).as_micros()).unwrap_or(u32::MAX);
        let states = vec![NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(time)];
        let sent = self.send(states, Some(left(sums, deadline)));
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
        // The thread lives as long as this end of the channel.
        let _ = self.0.send(Errand { states, status, done });
        outcome
    }
}

fn serving(share: f64) -> String {
    match share {
        share if share >= 1.0 => "Serving".to_owned(),
        share if share <= 0.0 => "Ready, gate closed".to_owned(),
        share => format!("Serving a share of {share}"),
    }
}

fn left(sums: Sums, rest: Duration) -> String {
    let Sums { connections, in_flight, .. } = sums;
    let rest = rest.as_secs();
    format!(
        "Draining: {connections} connections left, {in_flight} requests in flight, {rest} s to the cut"
    )
}
