//! The drain for a server that is not ours: `axum::serve` as it comes, hyper by hand, a raw loop.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::connection::{Connection, Incoming, Peer};
use super::guard::Guards;
use super::io::{Counted, Stream};
use super::{HttpService, Report, Serve, ServeError, Site, Spawn, admin, run};
use crate::Listener;

/// Gate, readiness, lame duck and admin socket for a server that brings its own loop: the same that
/// [`serve`](crate::serve()) does, taken apart.
///
/// Phases are consumed: a `Drain` is being set up, [`start`](Drain::start) makes a [`Watch`] of it,
/// and [`Watch::report`] ends that. With stock `axum::serve` (feature `axum`):
///
/// ```no_run
/// # #[cfg(feature = "axum")]
/// # async fn example(router: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// let listeners = sockact::listeners()?;
/// let mut drain = sockact::Drain::new().probe(router.clone());
/// let http = drain.incoming(listeners.tcp("http")?);
/// let watch = drain.start();
/// axum::serve(http, sockact::axum::Lame::new(router))
///     .with_graceful_shutdown(watch.finished())
///     .await?;
/// eprintln!("{}", watch.report().await?);
/// # Ok(()) }
/// ```
///
/// The server's own graceful shutdown begins only when every connection has gone
/// ([`Watch::finished`]): it would close idle HTTP/1 connections at once and lose requests.
#[must_use = "nothing is accepted until it is started"]
#[derive(Debug)]
pub struct Drain {
    serve: Serve,
}

impl Default for Drain {
    fn default() -> Drain {
        Drain::new()
    }
}

impl Drain {
    /// Nothing to accept yet; an admin socket, if one was passed, answers its own paths alone.
    pub fn new() -> Drain {
        let admin = |listener, shared| {
            Box::pin(admin::run(listener, shared, admin::nobody())) as super::BoxFuture<()>
        };
        Drain { serve: Serve::with(Vec::new(), Box::new(admin)) }
    }

    /// Health probes that come in on the admin socket go to this router.
    pub fn probe<S: HttpService>(mut self, router: S) -> Drain {
        self.serve.admin = super::admin_task(router);
        self
    }

    /// See [`Serve::idle_window`].
    pub fn idle_window(mut self, window: Duration) -> Drain {
        self.serve = self.serve.idle_window(window);
        self
    }

    /// See [`Serve::drain_deadline`].
    pub fn drain_deadline(mut self, deadline: Duration) -> Drain {
        self.serve = self.serve.drain_deadline(deadline);
        self
    }

    /// Puts listening sockets behind the gate and the drain. Connections come out of what is
    /// returned, until the drain begins; `READY=1` waits until it is asked for the first.
    pub fn incoming(&mut self, listener: impl Into<Listener>) -> Incoming {
        let listener = listener.into();
        let local = listener.sockets.first().and_then(Peer::local);
        let (sender, connections) = mpsc::unbounded_channel();
        let (asked, awaited) = oneshot::channel();
        self.serve.awaited.push(awaited);
        let spawner = move |shared: &Arc<super::Shared>| {
            let (tracker, sender) = (Arc::clone(&shared.tracker), sender.clone());
            Box::new(move |stream: Stream| {
                let connection = Connection::new(Counted::foreign(stream, tracker.enter()));
                // Nobody takes connections any more: this one is closed.
                let _ = sender.send(connection);
            }) as Spawn
        };
        self.serve.sites.push(Site { listener, spawner: Box::new(spawner) });
        Incoming { connections, asked: Some(asked), local }
    }

    /// What makes guards for work of other kinds: raw connections, datagrams, background jobs.
    pub fn guards(&self) -> Guards {
        Guards::new(&self.serve.tracker)
    }

    /// Starts the accept loops and the admin socket, on the current tokio runtime, and handles
    /// SIGTERM and SIGINT from here on.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Watch {
        let (end, ended) = watch::channel(());
        let task = tokio::spawn(async move {
            let report = run::run(self.serve).await;
            drop(end);
            report
        });
        Watch { ended, task }
    }
}

/// A drain that is on: what the server and `main` hold.
#[must_use = "the report says how it ended"]
#[derive(Debug)]
pub struct Watch {
    ended: watch::Receiver<()>,
    task: JoinHandle<Result<Report, ServeError>>,
}

impl Watch {
    /// Ready when no connection is left, or those left were cut, or the start failed: now a server
    /// may shut down in its own way. For axum's `with_graceful_shutdown`.
    pub fn finished(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        let mut ended = self.ended.clone();
        async move {
            // Nothing is ever sent: an error is the end.
            while ended.changed().await.is_ok() {}
        }
    }

    /// Waits for the end and says what it came to.
    ///
    /// # Errors
    /// Those of [`serve`](crate::serve()).
    pub async fn report(self) -> Result<Report, ServeError> {
        match self.task.await {
            Ok(result) => result,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            // The runtime is shutting down, and this future with it.
            Err(_) => pending().await,
        }
    }
}
