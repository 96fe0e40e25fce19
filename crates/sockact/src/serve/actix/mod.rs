//! actix-web applications behind the gate and the drain of this crate, feature `actix`.
//!
//! `HttpServer` accepts by itself, from its first moment on: no gate can hold it. Its graceful
//! shutdown closes idle connections at once, and an HTTP/2 client hears nothing of it. So [`serve`]
//! takes its place: the accept loops, the gate, the admin socket and the drain are those of
//! [`sockact::serve`](crate::serve()), and behind them actix-http speaks to each connection, on
//! threads of its own, as `HttpServer` has it. The application stays as it is.

mod error;
mod io;
mod probe;
mod service;
mod worker;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use ::actix_web::Error;
use ::actix_web::dev::AppConfig;
use actix_http::body::MessageBody;
use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactory};

pub use error::ActixError;

use super::io::Stream;
use super::track::Tracker;
use super::{Serve, Shared, Site, Spawn, admin_task};
use crate::Listener;
use probe::Probe;
use worker::{Workers, work};

/// Serves an actix-web application on `listener`, until SIGTERM or SIGINT and a drain: what
/// [`sockact::serve`](crate::serve()) does for a tower service. Await what is returned.
///
/// ```no_run
/// use actix_web::{App, web};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let http = sockact::listeners()?.tcp_or("http", "127.0.0.1:8080")?;
/// // before: HttpServer::new(|| App::new()…).listen(http)?.run().await?;
/// let app = || App::new().route("/", web::get().to(async || "hello\n"));
/// let report = sockact::actix::serve(http, app)?.await?;
/// eprintln!("{report}");
/// # Ok(()) }
/// ```
/// In `#[actix_web::main]` or `#[tokio::main]`. `factory` makes an application for each of as many threads
/// as there are processors, before this returns. HTTP/1.1 and HTTP/2 with prior knowledge are told
/// apart by their first bytes. A request that is handled by a thread keeps the others of that thread
/// waiting only where it blocks, as with `HttpServer`.
///
/// Different from `HttpServer`: an idle connection is kept until its client or the drain ends it,
/// and `AppConfig` holds the default host.
///
/// # Errors
/// [`ActixError`]: an application cannot be built. Awaited: as [`sockact::serve`](crate::serve()).
pub fn serve<F, I, S, B>(listener: impl Into<Listener>, factory: F) -> Result<Serve, ActixError>
where
    F: Fn() -> I + Clone + Send + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Service: 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    B: MessageBody + 'static,
{
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let life = move |arrivals, tell| work(factory.clone(), arrivals, tell);
    let workers = Workers::start(threads, &life)?;
    // Health probes are no public connections, and are answered to the end.
    let probe = Probe::new(workers.clone(), Tracker::new());
    let spawner = move |shared: &Arc<Shared>| {
        let (tracker, workers) = (Arc::clone(&shared.tracker), workers.clone());
        Box::new(move |stream: Stream| workers.take(stream, tracker.enter())) as Spawn
    };
    let site = Site { listener: listener.into(), spawner: Box::new(spawner) };
    Ok(Serve::with(vec![site], admin_task(probe)))
}
