//! The admin socket: where the controller asks and tells a slot, and probes the application.
//!
//! Bounded in every way, so that whatever happens here does not touch public traffic: connections,
//! requests a second, the size of heads and bodies, and the time for each.

mod fuzz;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

#[doc(hidden)]
pub use fuzz::fuzz_admin;

use super::gate::Setting;
use super::shared::Shared;
use super::track::Phase;
use crate::BoxError;

/// Connections at a time; more wait in the backlog.
const CONNECTIONS: usize = 16;
/// From the first byte awaited to the end of a head; also ends an idle connection.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// For the body of a request to one of our own paths.
const BODY_TIME: Duration = Duration::from_secs(5);
/// The whole life of an admin connection.
const LIFE: Duration = Duration::from_secs(120);
/// Bytes of a request's head, and of the body of `PUT /-/gate`.
const HEAD_SIZE: usize = 16 * 1024;
const BODY_SIZE: usize = 1024;
/// Time between requests in the long run, and how much may be saved up for a burst.
const BETWEEN: Duration = Duration::from_millis(2);
const BURST: Duration = Duration::from_millis(200);

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Serves the admin socket until it is dropped.
pub(crate) async fn run<S, B>(listener: UnixListener, shared: Arc<Shared>, router: S)
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let pace = Arc::new(Pace::default());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        pace.turn().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let serve = connection(stream, &shared, &pace, &router);
                connections.spawn(async move {
                    let _ = timeout(LIFE, serve).await;
                    drop(place);
                });
            }
            // No descriptors left, or a connection that is gone: neither is worth a word, the
            // public accept loops say it.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// For a process without a router: our own paths are all there is.
pub(crate) fn nobody() -> Nobody {
    Nobody
}

/// Answers 404.
#[derive(Clone, Debug)]
pub(crate) struct Nobody;

impl tower_service::Service<Request<Incoming>> for Nobody {
    type Response = Reply;
    type Error = Infallible;
    type Future = Ready<Result<Reply, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Incoming>) -> Self::Future {
        ready(Ok(line(StatusCode::NOT_FOUND, "no router answers probes here")))
    }
}

fn connection<S, B>(
    stream: UnixStream,
    shared: &Arc<Shared>,
    pace: &Arc<Pace>,
    router: &S,
) -> impl Future<Output = ()> + Send + use<S, B>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (shared, pace) = (Arc::clone(shared), Arc::clone(pace));
    let router = TowerToHyperService::new(router.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, pace, router) = (Arc::clone(&shared), Arc::clone(&pace), router.clone());
        async move {
            pace.turn().await;
            match request.uri().path() {
                "/-/status" | "/-/gate" | "/-/metrics" => Ok(own(request, &shared).await),
                _ => router.call(request).await.map(plain).map_err(io::Error::other),
            }
        }
    });
    async move {
        // A client that breaks off or talks garbage has had its answer from hyper.
        let _: Result<(), hyper::Error> = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_SIZE)
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }
}

/// The answer to a request to one of our own paths.
async fn own(request: Request<Incoming>, shared: &Shared) -> Reply {
    let reads = request.method() == Method::GET || request.method() == Method::HEAD;
    match request.uri().path() {
        "/-/gate" if request.method() == Method::PUT => match put_gate(request, shared).await {
            Ok(()) => json(shared),
            Err((status, why)) => line(status, &why),
        },
        "/-/gate" => not_allowed("PUT"),
        _ if !reads => not_allowed("GET, HEAD"),
        "/-/metrics" => {
            let text = shared.status().open_metrics();
            typed("application/openmetrics-text; version=1.0.0; charset=utf-8", text)
        }
        _ => json(shared),
    }
}

/// The body of `PUT /-/gate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutGate {
    share: f64,
    from: Option<f64>,
}

/// Moves the gate; when this returns it is in force.
async fn put_gate(request: Request<Incoming>, shared: &Shared) -> Result<(), (StatusCode, String)> {
    let bad = |why: String| (StatusCode::BAD_REQUEST, why);
    let body = Limited::new(request.into_body(), BODY_SIZE).collect();
    let body = match timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(e)) => return Err(bad(format!("cannot read the body: {e}"))),
        Err(_) => return Err(bad(format!("no whole body came within {BODY_TIME:?}"))),
    };
    let gate: PutGate = serde_json::from_slice(&body)
        .map_err(|e| bad(format!("expected {{\"share\":0.0}}, a share from 0 to 1: {e}")))?;
    let setting = Setting::new(gate.share, gate.from).ok_or_else(|| {
        bad(format!("share {} (from {:?}) is not from 0 to 1", gate.share, gate.from))
    })?;
    if shared.tracker.phase() != Phase::Serving && gate.share > 0.0 {
        return Err((StatusCode::CONFLICT, "draining: this process accepts no more".to_owned()));
    }
    shared.gate.set(setting).await;
    if shared.tracker.phase() == Phase::Serving {
        shared.herald.gate(gate.share);
    }
    Ok(())
}

fn json(shared: &Shared) -> Reply {
    typed("application/json", shared.status().json())
}

fn not_allowed(allowed: &'static str) -> Reply {
    let mut reply = line(StatusCode::METHOD_NOT_ALLOWED, &format!("allowed here: {allowed}"));
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    reply
}

/// One line of text.
fn line(status: StatusCode, text: &str) -> Reply {
    let mut reply = typed("text/plain; charset=utf-8", text.replace('\n', " ") + "\n");
    *reply.status_mut() = status;
    reply
}

fn typed(kind: &'static str, text: String) -> Reply {
    let mut reply = Response::new(text);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.map(|text| Full::<Bytes>::from(text).map_err(io::Error::other).boxed_unsync())
}

/// A response with its body's type forgotten.
fn plain<B>(response: Response<B>) -> Reply
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    response.map(|body| {
        let bytes = |mut data: B::Data| data.copy_to_bytes(data.remaining());
        body.map_frame(move |frame| frame.map_data(bytes)).map_err(io::Error::other).boxed_unsync()
    })
}

/// Hands out turns: a burst at once, then one each [`BETWEEN`].
#[derive(Debug)]
struct Pace(Mutex<Instant>);

impl Default for Pace {
    /// With a whole burst saved up.
    fn default() -> Pace {
        let now = Instant::now();
        Pace(Mutex::new(now.checked_sub(BURST).unwrap_or(now)))
    }
}

impl Pace {
    async fn turn(&self) {
        let at = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let at = (*next).max(now.checked_sub(BURST).unwrap_or(now));
            *next = at + BETWEEN;
            at
        };
        sleep_until(at).await;
    }
}
