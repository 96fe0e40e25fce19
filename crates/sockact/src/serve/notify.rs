//! What systemd is told, `sd_notify(3)`. `NOTIFY_SOCKET` stays set: the environment is never
//! changed, and `NotifyAccess=main` keeps children out.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::oneshot;

use super::track::Sums;

/// How long the drain waits until systemd has taken `STOPPING=1`.
const STOPPING_TIME: Duration = Duration::from_secs(1);

/// Tells systemd, in order, on a thread of its own: the send blocks while PID 1 is busy (with a
/// daemon-reload, say) and its queue is full, and requests must not wait for that.
#[derive(Debug)]
pub(crate) struct Herald(mpsc::Sender<Errand>);

#[derive(Debug)]
struct Errand {
    first: Option<NotifyState<'static>>,
    status: String,
    done: oneshot::Sender<io::Result<()>>,
}

impl Herald {
    /// Starts the thread; it ends with the herald.
    pub(crate) fn new() -> io::Result<Herald> {
        let (errands, received) = mpsc::channel::<Errand>();
        std::thread::Builder::new().name("sockact-notify".to_owned()).spawn(move || {
            for Errand { first, status, done } in received {
                let states = first.into_iter().chain([NotifyState::Status(&status)]);
                let sent = sd_notify::notify(&states.collect::<Vec<_>>());
                // Whoever does not wait for the outcome does not need it.
                let _ = done.send(sent);
            }
        })?;
        Ok(Herald(errands))
    }

    /// Every accept loop lives. Returns when systemd's socket has taken it.
    pub(crate) async fn ready(&self, share: f64) -> io::Result<()> {
        let sent = self.send(Some(NotifyState::Ready), serving(share)).await;
        sent.unwrap_or_else(|_| Err(io::Error::other("the notifying thread is gone")))
    }

    /// The gate was moved while serving.
    pub(crate) fn gate(&self, share: f64) {
        drop(self.send(None, serving(share)));
    }

    /// The drain begins. Nothing depends on systemd hearing it: what is returned waits until its
    /// socket has taken it, but not long.
    pub(crate) fn stopping(&self, sums: Sums) -> impl Future<Output = ()> + use<> {
        let sent = self.send(Some(NotifyState::Stopping), left(sums));
        async {
            let _ = tokio::time::timeout(STOPPING_TIME, sent).await;
        }
    }

    /// What is left; sent at most once a second.
    pub(crate) fn draining(&self, sums: Sums) {
        drop(self.send(None, left(sums)));
    }

    fn send(
        &self,
        first: Option<NotifyState<'static>>,
        status: String,
    ) -> oneshot::Receiver<io::Result<()>> {
        let (done, outcome) = oneshot::channel();
        // The thread lives as long as this end of the channel.
        let _ = self.0.send(Errand { first, status, done });
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

fn left(sums: Sums) -> String {
    let Sums { connections, in_flight, .. } = sums;
    format!("Draining: {connections} connections left, {in_flight} requests in flight")
}
