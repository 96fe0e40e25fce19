//! The admin socket: where the controller asks and tells a slot, and probes the application.
//!
//! Bounded in every way, so that whatever happens here does not touch public traffic: connections,
//! requests a second, the size of heads and bodies, and the time for each.

mod fuzz;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

#[doc(hidden)]
pub use fuzz::fuzz_admin;

use super::service::HttpService;
use super::shared::Shared;
use super::track::Phase;
use crate::BoxError;
use crate::slot::{
    Answer, Asked, BODY_SIZE, BODY_TIME, CONNECTIONS, HEAD_SIZE, HEAD_TIME, LIFE, Pace, asked, wish,
};

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// Serves the admin socket until it is dropped.
pub(crate) async fn run<S: HttpService>(listener: UnixListener, shared: Arc<Shared>, router: S) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let pace = Arc::new(Pace::new());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        sleep_until(pace.turn().into()).await;
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
        ready(Ok(reply(Answer::line(404, "no router answers probes here"))))
    }
}

fn connection<S: HttpService>(
    stream: UnixStream,
    shared: &Arc<Shared>,
    pace: &Arc<Pace>,
    router: &S,
) -> impl Future<Output = ()> + Send + use<S> {
    let (shared, pace) = (Arc::clone(shared), Arc::clone(pace));
    let router = TowerToHyperService::new(router.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, pace, router) = (Arc::clone(&shared), Arc::clone(&pace), router.clone());
        async move {
            sleep_until(pace.turn().into()).await;
            match asked(request.method().as_str(), request.uri().path()) {
                Some(asked) => Ok(reply(own(asked, request, &shared).await)),
                None => router.call(request).await.map(plain).map_err(io::Error::other),
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
async fn own(asked: Asked, request: Request<Incoming>, shared: &Shared) -> Answer {
    match asked {
        Asked::Status => Answer::status(&shared.status()),
        Asked::Metrics => Answer::metrics(&shared.status()),
        Asked::NotAllowed(allowed) => Answer::not_allowed(allowed),
        Asked::PutGate => match put_gate(request, shared).await {
            Ok(()) => Answer::status(&shared.status()),
            Err(answer) => answer,
        },
    }
}

/// Moves the gate; when this returns it is in force.
async fn put_gate(request: Request<Incoming>, shared: &Shared) -> Result<(), Answer> {
    let body = Limited::new(request.into_body(), BODY_SIZE).collect();
    let body = match timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(e)) => return Err(Answer::bad(&format!("cannot read the body: {e}"))),
        Err(_) => return Err(Answer::bad(&format!("no whole body came within {BODY_TIME:?}"))),
    };
    let setting = wish(&body, shared.tracker.phase() >= Phase::Draining, &shared.who)?;
    shared.gate.set(setting).await;
    shared.tracker.stand_by(setting.share() == 0.0);
    if shared.tracker.phase() < Phase::Draining {
        shared.herald.gate(setting.share());
    }
    Ok(())
}

fn reply(answer: Answer) -> Reply {
    let mut reply = Response::new(Full::<Bytes>::from(answer.text));
    *reply.status_mut() = StatusCode::from_u16(answer.code).unwrap_or_default();
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    if let Some(allowed) = answer.allow {
        headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    reply.map(|text| text.map_err(io::Error::other).boxed_unsync())
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
