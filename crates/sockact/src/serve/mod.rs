//! HTTP on the adopted listeners: behind a gate, ready when it is, gone without a loss.

mod accept;
#[cfg(feature = "actix")]
pub mod actix;
mod admin;
mod attach;
#[cfg(feature = "axum")]
pub mod axum;
mod clock;
mod conn;
mod connection;
mod drain;
mod error;
mod gate;
mod goaway;
mod guard;
mod io;
mod notify;
mod number;
mod pipeline;
mod run;
mod service;
mod shared;
mod track;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

#[doc(hidden)]
pub use admin::fuzz_admin;
pub use attach::{Drain, Watch};
pub use connection::{Connection, Incoming, Peer};
pub use error::ServeError;
pub use guard::{Guard, Guards};
pub use service::{Answer, CountedBody, HttpService, Tracked};

use crate::{Listener, Report};
use io::Stream;
use shared::Shared;
use track::Tracker;

/// Serves `router` on `listener`, until SIGTERM or SIGINT and a drain.
///
/// The router is any tower service from a request with hyper's [`Incoming`](hyper::body::Incoming) body to a response: an
/// `axum::Router` as it is. HTTP/1.1 and HTTP/2 with prior knowledge are told apart by their first
/// bytes; upgrades work. Await what is returned:
///
/// ```no_run
/// # async fn example(router: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// let listeners = sockact::listeners()?;
/// let http = listeners.tcp_or("http", "127.0.0.1:8080")?;
/// let report = sockact::serve(http, router).await?;
/// eprintln!("{report}");
/// # Ok(()) }
/// ```
///
/// Without the feature `axum` give an `axum::Router` as `router.with_state(())`, as `axum::serve`
/// itself does: it saves a little work for each request. With the feature that is done here.
///
/// # What happens
/// - `READY=1` is sent once every accept loop and the admin socket live (`sd_notify(3)`), also
///   when the gate is closed (`SOCKACT_GATE=closed`).
/// - While the gate is closed each HTTP/1 response says `Connection: close`, and HTTP/2 clients hear GOAWAY: they go to the slot
///   whose gate is open. Idle and upgraded connections stay.
/// - SIGTERM or SIGINT begins the drain: the listeners are closed at once (never shut down: what
///   waits in the backlog belongs to the other slot), and `STOPPING=1` is sent.
/// - HTTP/1: each further response says `Connection: close`, on the last one when requests are
///   pipelined. A connection that is idle is closed when its client has had a window to send one
///   more request: [`idle_window`](Serve::idle_window).
/// - HTTP/2: GOAWAY at once; streams that are open are answered.
/// - A connection counts until it is closed, an upgraded one too.
/// - The drain ends with the last connection, at the deadline, or with a second signal. At the deadline upgraded
///   connections have a second to say goodbye: [`Guards::cut`].
///
/// # Errors
/// [`ServeError`], all before `READY=1`. What goes wrong on one connection ends that connection.
#[must_use = "nothing is served until this is awaited"]
pub fn serve<S: HttpService>(listener: impl Into<Listener>, router: S) -> Serve {
    let router = settled(router);
    let admin = admin_task(router.clone());
    Serve::with(vec![Site::new(listener.into(), router)], admin)
}

/// An `axum::Router` makes its routes anew for each request until it is told that there is no more
/// state to come; `axum::serve` tells it, so we do.
#[cfg(feature = "axum")]
fn settled<S: 'static>(mut router: S) -> S {
    let any: &mut dyn std::any::Any = &mut router;
    if let Some(router) = any.downcast_mut::<::axum::Router>() {
        *router = std::mem::take(router).with_state(());
    }
    router
}

#[cfg(not(feature = "axum"))]
fn settled<S>(router: S) -> S {
    router
}

/// The admin socket, with this router behind its own paths.
fn admin_task<S: HttpService>(router: S) -> AdminTask {
    Box::new(move |listener, shared| Box::pin(admin::run(listener, shared, router)))
}

/// What [`serve`](serve()) is about to serve; await it.
#[must_use = "nothing is served until this is awaited"]
pub struct Serve {
    sites: Vec<Site>,
    admin: AdminTask,
    idle_window: Duration,
    drain_deadline: Duration,
    tracker: Arc<Tracker>,
    /// Each is fulfilled when somebody takes connections; the accept loops wait for all.
    awaited: Vec<oneshot::Receiver<()>>,
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type AdminTask = Box<dyn FnOnce(tokio::net::UnixListener, Arc<Shared>) -> BoxFuture<()> + Send>;
type Spawn = Box<dyn FnMut(Stream) + Send>;
/// Makes what takes the connections of one listening socket.
type Spawner = Box<dyn Fn(&Arc<Shared>) -> Spawn + Send>;

/// Listeners and how their connections are served. The router's type ends here.
struct Site {
    listener: Listener,
    spawner: Spawner,
}

impl Site {
    fn new<S: HttpService>(listener: Listener, router: S) -> Site {
        let spawner = move |shared: &Arc<Shared>| {
            let (shared, router) = (Arc::clone(shared), router.clone());
            Box::new(move |stream| {
                let entry = shared.tracker.enter();
                let http = Arc::clone(&shared.http);
                tokio::spawn(conn::serve(http, stream, entry, router.clone()));
            }) as Spawn
        };
        Site { listener, spawner: Box::new(spawner) }
    }
}

impl Serve {
    fn with(sites: Vec<Site>, admin: AdminTask) -> Serve {
        Serve {
            sites,
            admin,
            idle_window: Duration::from_secs(5),
            drain_deadline: Duration::from_secs(30),
            tracker: Tracker::new(),
            awaited: Vec::new(),
        }
    }

    /// Serves another router, or the same, on further listeners. Health probes on the admin socket
    /// go to the first router.
    pub fn and<S: HttpService>(mut self, listener: impl Into<Listener>, router: S) -> Serve {
        self.sites.push(Site::new(listener.into(), settled(router)));
        self
    }

    /// What tells the application of the drain and of its deadline, for connections that it has upgraded and for work of
    /// its own.
    pub fn guards(&self) -> Guards {
        Guards::new(&self.tracker)
    }

    /// How long an idle HTTP/1 connection is kept for one more request, from the begin of the drain
    /// or the end of its last response, whichever is later. 5 seconds by default. It should be
    /// longer than the pause that clients make between two requests on a connection.
    pub fn idle_window(mut self, window: Duration) -> Serve {
        self.idle_window = window;
        self
    }

    /// How long the drain may take; what is open then is dropped. 30 seconds by default. The
    /// environment's `SOCKACT_DRAIN_USEC` (microseconds) goes before it, since the unit's
    /// `TimeoutStopSec=` was made to match that.
    pub fn drain_deadline(mut self, deadline: Duration) -> Serve {
        self.drain_deadline = deadline;
        self
    }
}

impl IntoFuture for Serve {
    type Output = Result<Report, ServeError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run::run(self))
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners: Vec<_> = self.sites.iter().map(|s| &s.listener).collect();
        f.debug_struct("Serve")
            .field("listeners", &listeners)
            .field("idle_window", &self.idle_window)
            .field("drain_deadline", &self.drain_deadline)
            .finish_non_exhaustive()
    }
}
