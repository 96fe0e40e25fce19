//! The application's router with the bookkeeping of a drain around it. Nothing is allocated here
//! for a request; the account of its connection is all that is touched.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use pin_project_lite::pin_project;

use super::pipeline::BodyLength;
use super::track::{Account, Phase, Protocol};

/// A service that keeps its connection's account: from [`Connection::track`](crate::Connection).
#[derive(Clone, Debug)]
pub struct Tracked<S> {
    inner: S,
    account: Arc<Account>,
}

impl<S> Tracked<S> {
    pub(crate) fn new(inner: S, account: Arc<Account>) -> Tracked<S> {
        Tracked { inner, account }
    }

    /// The same connection, another service.
    #[cfg(feature = "axum")]
    pub(crate) fn with<T>(&self, inner: T) -> Tracked<T> {
        Tracked::new(inner, Arc::clone(&self.account))
    }
}

/// What the end of the response must know of the request.
#[derive(Clone, Copy, Debug)]
struct Asked {
    http1: bool,
    connect: bool,
    body: BodyLength,
}

impl Asked {
    fn of(request: &Request<impl Body>) -> Asked {
        Asked {
            http1: request.version() < Version::HTTP_2,
            connect: request.method() == Method::CONNECT,
            body: match request.body().size_hint().exact() {
                Some(length) => BodyLength::Known(length),
                None => BodyLength::Chunked,
            },
        }
    }
}

impl<S, B> Service<Request<Incoming>> for Tracked<S>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = Answer<<TowerToHyperService<S> as Service<Request<Incoming>>>::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let asked = Asked::of(&request);
        let in_flight = InFlight::begin(&self.account);
        let inner = TowerToHyperService::new(self.inner.clone());
        Answer { future: inner.call(request), asked, in_flight: Some(in_flight) }
    }
}

impl<S, B, D: Body> tower_service::Service<Request<D>> for Tracked<S>
where
    S: tower_service::Service<Request<D>, Response = Response<B>>,
{
    type Response = Response<CountedBody<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<D>) -> Self::Future {
        let asked = Asked::of(&request);
        let in_flight = InFlight::begin(&self.account);
        Answer { future: self.inner.call(request), asked, in_flight: Some(in_flight) }
    }
}

/// A request that is being answered; ends when the response's body ends or is dropped.
#[derive(Debug)]
struct InFlight(Arc<Account>);

impl InFlight {
    fn begin(account: &Arc<Account>) -> InFlight {
        account.request_begins();
        InFlight(Arc::clone(account))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.request_ends();
    }
}

pin_project! {
    /// A response on its way.
    pub struct Answer<F> {
        #[pin]
        future: F,
        asked: Asked,
        in_flight: Option<InFlight>,
    }
}

impl<F, B, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if let (Some(in_flight), true) = (&this.in_flight, this.asked.http1) {
            last_word(&mut response, *this.asked, &in_flight.0);
        }
        let in_flight = this.in_flight.take();
        Poll::Ready(Ok(response.map(|body| CountedBody { body, in_flight })))
    }
}

/// While draining, tells an HTTP/1 client that this response is the connection's last, so that its
/// next request goes to a new connection, to the other slot (RFC 9112, section 9.6).
fn last_word<B>(response: &mut Response<B>, asked: Asked, account: &Account) {
    let tunnel = asked.connect && response.status().is_success();
    if tunnel || response.status() == StatusCode::SWITCHING_PROTOCOLS {
        account.set_protocol(Protocol::Upgraded);
    } else if account.phase() != Phase::Serving && !account.tally().more_behind(asked.body) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

pin_project! {
    /// A response's body; the request is in flight until it ends.
    pub struct CountedBody<B> {
        #[pin]
        body: B,
        in_flight: Option<InFlight>,
    }
}

#[cfg(feature = "axum")]
impl<B> CountedBody<B> {
    pub(crate) fn into_inner(self) -> B {
        self.body
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
